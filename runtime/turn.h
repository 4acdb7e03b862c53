/* turn: what a prompt needs of the scheduler, as functions of the Lua module `line`: each input is a turn, a task that
 * Ctrl-C cancels while the rest goes on. */
#ifndef KMIRROR_TURN_H
#define KMIRROR_TURN_H

#include <lua.h>

/* Adds turn, finish and failure to the table on top. [-0, +0, m] */
void turn_functions(lua_State *L);

#endif
