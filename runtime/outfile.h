/* outfile: files that are written safely, whatever is in their place: the Lua module `outfile` of the executable. */
#ifndef KMIRROR_OUTFILE_H
#define KMIRROR_OUTFILE_H

#include <lua.h>

int luaopen_outfile(lua_State *L);

#endif
