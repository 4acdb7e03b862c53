/* line: the Lua module `line`: lines from a person or a program, read on the loop. On a terminal libedit edits the
 * line, one key at a time; what Enter, Tab and the keys of the history do is decided in Lua. Nothing here waits inside
 * libedit, so that other tasks go on while somebody types. */
#ifndef KMIRROR_LINE_H
#define KMIRROR_LINE_H

#include <lua.h>

int luaopen_line(lua_State *L);

#endif
