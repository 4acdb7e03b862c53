/* files: kmirror's own Lua files. They are built into the executable; run from a checkout (as build/kmirror), those
 * on disk are used instead, so that an edit shows without a build. */
#ifndef KMIRROR_FILES_H
#define KMIRROR_FILES_H

#include <lua.h>

/* Lets require() find lib/, and the libraries that are built in. [-0, +0, m] */
void files_open(lua_State *L);
/* Pushes source and chunk name of a file such as "scripts/failover.lua", and returns 2; 0 when there is none.
 * [-0, +(0|2), m] */
int files_read(lua_State *L, const char *name);
/* Fills the table on top with the names of the scripts, without folder and extension, in order. [-0, +0, m] */
void files_list_scripts(lua_State *L);

#endif
