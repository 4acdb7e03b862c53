/* exit: os.exit() in a runbook. It ends the run as a return does: tasks are cancelled, <close> variables run, job and
 * report are brought to their end. Inside it is an error that pcall(), xpcall() and coroutine.resume() pass on. */
#ifndef KMIRROR_EXIT_H
#define KMIRROR_EXIT_H

#include <lua.h>
#include <stdbool.h>

/* Puts all that in place of Lua's own functions. [-0, +0, m] */
void exit_open(lua_State *L);
/* catch(fn, ...): Lua's pcall(), which stops the exit, too. For those who see the run to its end. */
int exit_catch(lua_State *L);

/* The garbage collector has caught an error of a finalizer that is no text. True when it was an exit: what runs now
 * raises it again. */
bool exit_swallowed(void);
/* What a finalizer gave os.exit() as the Lua state was closed; -1: nothing. */
int exit_closing_status(void);

/* background(task) -> task: it is kmirror's own and ends with the run; nobody waits for it */
int exit_background(lua_State *L);
/* left() -> how many tasks a runbook has started that have not ended */
int exit_left(lua_State *L);
/* rest(raises): waits until there are none, in the main task, also when that was cancelled: then raises `cancelled`
 * afterwards, if it is to */
int exit_rest(lua_State *L);
/* go_on(): the task that runs may wait again, though it was cancelled: to tell others how a run has ended. A second
 * Ctrl-C ends it. */
int exit_go_on(lua_State *L);

#endif
