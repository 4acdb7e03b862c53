/* probe: the Lua module `probe`, which visits a server to see how far one gets. */
#ifndef KMIRROR_PROBE_H
#define KMIRROR_PROBE_H

#include <lua.h>

int luaopen_probe(lua_State *L);

#endif
