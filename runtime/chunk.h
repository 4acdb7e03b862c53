/* chunk: the Lua halves of the native modules, which are embedded in whatever holds the module. */
#ifndef KMIRROR_CHUNK_H
#define KMIRROR_CHUNK_H

#include <lua.h>

/* Runs the embedded file, such as "runtime/task.lua", with the `nargs` values on top as its arguments, and leaves
 * its one result. Raises when it is not there or fails. [-nargs, +1, e] */
void chunk_run(lua_State *L, const char *name, int nargs);

#endif
