/* host: the Lua module `host`, what the command line needs of the process and of the machine. */
#ifndef KMIRROR_HOST_H
#define KMIRROR_HOST_H

#include <lua.h>
#include <stdbool.h>

/* True once the command line asked for tracebacks. */
bool host_wants_traceback(void);

int luaopen_host(lua_State *L);

#endif
