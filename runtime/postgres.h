/* postgres: the Lua module `postgres`, connections to a PostgreSQL server by libpq, on the loop. libpq is loaded when it
 * is first needed, so that nobody else has to have it.
 *
 * A task that asks the database waits while the others go on. It waits in a task that was cancelled, too: what is under
 * way has to be written down. So there is no wait without a deadline. Statements of several tasks over one connection are
 * sent one after the other, in the order in which they were asked for.
 *
 * A connection is made in a thread of its own: libpq looks up names, reads files and goes from host to host there. */
#ifndef KMIRROR_POSTGRES_H
#define KMIRROR_POSTGRES_H

#include <lua.h>

int luaopen_postgres(lua_State *L);

#endif
