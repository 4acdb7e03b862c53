/* chunk: the Lua files that are embedded in whatever holds this, as functions. */
#ifndef KMIRROR_CHUNK_H
#define KMIRROR_CHUNK_H

#include <lua.h>

struct embedded_file;

/* Pushes the file as a function; its chunk name is "@" and the file's name. [-0, +1, e] */
void chunk_load(lua_State *L, const struct embedded_file *file);

/* Runs the embedded file, such as "runtime/task.lua", with the `nargs` values on top as its arguments, and leaves
 * its one result. Raises when it is not there or fails. [-nargs, +1, e] */
void chunk_run(lua_State *L, const char *name, int nargs);

#endif
