/* httpd: the Lua module `httpd`, a small HTTP server on libmicrohttpd: the sandbox's way to the network.
 *
 * Everything happens on the loop of the Lua state, on its one thread. */
#ifndef KMIRROR_HTTPD_H
#define KMIRROR_HTTPD_H

#include <lua.h>

int luaopen_httpd(lua_State *L);

#endif
