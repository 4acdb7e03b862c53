/* fetch: the Lua module `fetch`, one HTTP request to anywhere, for kmirror.http. It knows nothing of the API and its
 * account: no quota, no credentials. */
#ifndef KMIRROR_FETCH_H
#define KMIRROR_FETCH_H

#include <lua.h>

int luaopen_fetch(lua_State *L);

#endif
