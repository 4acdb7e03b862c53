/* exit: os.exit() in a runbook. It ends the run as a return does: tasks are cancelled, <close> variables run, job and
 * report are brought to their end. Inside it is an error that pcall(), xpcall() and coroutine.resume() pass on. */
#ifndef KMIRROR_EXIT_H
#define KMIRROR_EXIT_H

#include <lua.h>

/* Puts all that in place of Lua's own functions. [-0, +0, m] */
void exit_open(lua_State *L);
/* catch(fn, ...): Lua's pcall(), which stops the exit, too. For those who see the run to its end. */
int exit_catch(lua_State *L);

#endif
