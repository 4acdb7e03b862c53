/* scheduler: the tasks of a Lua state and their turns on the loop: structured concurrency for Lua.
 *
 * A task is a coroutine that the scheduler resumes. Whatever makes one wait embeds a task_wait and calls
 * task_await() last thing in a C function. Inside a task that yields to the scheduler. Anywhere else (the main
 * thread of stock Lua, a coroutine that the script drives itself, a callback of string.gsub, a finalizer) it
 * blocks right there: transfers and timers go on, no other task runs until the wait is over. */
#ifndef KMIRROR_SCHEDULER_H
#define KMIRROR_SCHEDULER_H

#include "loop.h"
#include <lua.h>

typedef struct task task;

/* Something that happens once. Lives inside its owner until the waiting function goes on; zero it first. */
typedef struct task_wait {
    bool done;
    bool cancelled;                     /* set by a cancel hook that ended the wait early */
    void (*cancel)(struct task_wait *); /* asked to end early: must task_wake(), now or when it safely can */
    task *waiter;
} task_wait;

/* Says that it happened, from a loop callback. Waking twice is harmless. */
void task_wake(task_wait *w);
/* Raises `cancelled` when this task has been cancelled. To be called before anything is started that would then be
 * waited for. [-0, +0, v] */
void task_check(lua_State *L);
/* Whether it would. [-0, +0, -] */
bool task_is_cancelled(lua_State *L);
/* Waits until `w` is done, then goes on in `k` with the stack as it is now; its status is LUA_YIELD in a task, LUA_OK
 * where it blocked. Call as `return task_await(...)`. [-0, +0, v] */
int task_await(lua_State *L, task_wait *w, lua_KContext context, lua_KFunction k);

/* The loop of this Lua state, made on first use. [-0, +0, m] */
loop *task_loop(lua_State *L);

/* Runs the function under its `nargs` arguments as the main task, and everything it spawns, to the end.
 * Leaves the main task's results (LUA_OK), or its error and traceback (else), in their place.
 * [-(nargs + 1), +n, m] */
int task_run(lua_State *L, int nargs);
/* From now on the function at the index 1 is called with the error of each task that fails, and of the run, before its
 * frames are gone. [-0, +0, v] */
void scheduler_on_failure(lua_State *L);
/* Pushes error and traceback of a task that failed and that nobody joined, once for each; false when no more are
 * left. [-0, +(0|2), m] */
bool task_failure(lua_State *L);
/* Whether there is such a failure. */
bool task_has_failures(lua_State *L);

/* Names the Lua state that task_interrupt() is about. When not all ends at once then, `waiting` is called to say what
 * is waited for. [-0, +0, m] */
void task_interruptible(lua_State *L, void (*waiting)(lua_State *L));
/* Cancels every task of it, as Ctrl-C does. Made for signal handlers. */
void task_interrupt(void);
bool task_interrupted(void);
/* The status that the runbook gave os.exit(); -1 when it has not called it. [-0, +0, m] */
int task_exit_status(lua_State *L);
/* Cancels the turn of a prompt alone, if there is a prompt; false when there is none. Made for signal handlers. */
bool task_interrupt_turn(void);

#endif
