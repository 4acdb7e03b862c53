/* files: kmirror's own Lua files. They are built into the executable; run from a checkout (as build/kmirror), those
 * on disk are used instead, so that an edit shows without a build. */
#ifndef KMIRROR_FILES_H
#define KMIRROR_FILES_H

#include <lua.h>

/* Lets require() find lib/, and what is built in: the native modules, by name, in the table on top. [-1, +0, e] */
void files_open(lua_State *L);
/* folders(path) -> the folder of a file, and that of the link that leads to it | nil, what went wrong. Each is named
 * from the root, with a slash at its end; they are the same when there is no link. */
int files_folders(lua_State *L);
/* Pushes source and chunk name of a file such as "scripts/failover.lua", and returns 2; 0 when there is none.
 * [-0, +(0|2), m] */
int files_read(lua_State *L, const char *name);
/* Fills the table on top with the names of the scripts in a folder such as "scripts/", without folder and extension, in
 * order. [-0, +0, m] */
void files_list_scripts(lua_State *L, const char *scripts);

#endif
