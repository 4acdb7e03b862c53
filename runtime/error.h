/* error: the one error object of kmirror, as Lua sees it.
 *
 * A table { kind, message, operation, cluster, id, status, code, details, link, attempts } whose tostring (error.lua)
 * is one line: what was tried, what came back, what to do. */
#ifndef KMIRROR_ERROR_H
#define KMIRROR_ERROR_H

#include <lua.h>

/* Pushes what error.lua returns: the function new(kind, message, fields) -> error object. [-0, +1, e] */
void error_constructor(lua_State *L);
/* Raises an error object of that kind; the message is formatted like lua_pushfstring(). [-0, +0, v] */
int error_raise(lua_State *L, const char *kind, const char *format, ...);

#endif
