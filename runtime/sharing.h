/* sharing: the Lua module `sharing`, by which kmirror.quota leases moments for a governor. Nothing in it is for runbooks.
 * It waits in a task that was cancelled, too: requests of others may still wait for what it brings. */
#ifndef KMIRROR_SHARING_H
#define KMIRROR_SHARING_H

#include <lua.h>

int luaopen_sharing(lua_State *L);

#endif
