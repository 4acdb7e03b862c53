/* The inside of scheduler.c, which it shares with those that have tasks of Lua in hand: task.c, group.c, exit.c, turn.c
 * and line.c. What all others need of it is in scheduler.h. */
#ifndef KMIRROR_SCHEDULER_INSIDE_H
#define KMIRROR_SCHEDULER_INSIDE_H

#include "scheduler.h"

#include <signal.h>

#define TASK "task"

/* Where a task's own thread, its group and, when it failed, the traceback are kept with the userdata. */
enum { THREAD = 1, TRACEBACK = 2, GROUP_OF = 3, TASK_VALUES = 3 };

typedef enum { HELD, READY, RUNNING, WAITING, SUCCEEDED, FAILED } task_state;

typedef struct scheduler scheduler;
typedef struct group group;

struct task {
    scheduler *scheduler;
    lua_State *co;               /* its thread; the results, or the error, stay on its stack */
    task_wait *wait;             /* what it waits for */
    task *next;                  /* in the ready queue, or in the list of failures */
    task *joiners;               /* tasks that wait for this one to end */
    task *joining, *next_joiner; /* the one that this one waits for, and its place among its joiners */
    loop_timer timer;
    task_wait own;         /* for sleep and join */
    void (*ended)(task *); /* called when it has */
    group *group;          /* that it is in */
    task *next_member, *previous_member;
    int nargs; /* for its first resume */
    unsigned char state;
    bool cancelled, observed;
    bool background; /* kmirror's own, which ends with the run */
    bool placed;     /* it counts among those of its group that may run at once */
};

struct scheduler {
    loop *loop;
    lua_State *L;       /* the main state: all tasks are resumed from it */
    task *first, *last; /* ready */
    task *running;
    task *failures;    /* failed, and nobody has joined them */
    task_wait *failed; /* of whoever wants to know of the next one */
    task *main;        /* what task_run() was called for */
    task *foreground;  /* the turn of a prompt: Ctrl-C is for it alone */
    bool prompting;    /* there are such turns; between two, Ctrl-C is for nobody */
    double looked_at;
    unsigned long resumes; /* how often a task was resumed */
    lua_State *current;    /* whose code runs: the running task's, or a coroutine of the script's own */
    unsigned refusals;     /* calls that were refused since it was resumed, because of an interrupt */
    unsigned yields;       /* all since the interrupt */
    unsigned stops;        /* how often code was stopped by a hook */
    size_t live, background;
    task_wait *rest;               /* of who waits until only itself and what is in the background is left */
    void (*waiting)(lua_State *L); /* says what is waited for after an interrupt; may be NULL */
    volatile sig_atomic_t interrupted, turn_interrupted;
    bool stopping;   /* the interrupt was passed on */
    bool told;       /* and what is waited for was said */
    int exit_status; /* given to os.exit(), -1 before */
    const char *why; /* what a cancelled call says */
};

/* The scheduler of this Lua state, made on first use. [-0, +0, m] */
scheduler *scheduler_of(lua_State *L);
/* Pushes the table of the tasks that have not ended, or failed unobserved: by their address. [-0, +1, -] */
void scheduler_push_tasks(lua_State *L);

/* Makes a task, not started yet, of the function and its arguments on top. [-(nargs + 1), +1, m] */
task *scheduler_new(lua_State *L, int nargs);
void scheduler_start(task *t);
/* Raises what a cancelled call does: `cancelled`, or when os.exit() was called, what that raises, once for each task:
 * what it does while it is cleaning up is done. [-0, +0, v] */
int scheduler_cancelled(lua_State *L);
/* Raises `cancelled`, with that message, which nothing but the end of the task catches. [-0, +0, v] */
int scheduler_stop(lua_State *L, const char *why);
/* Has every task but this one cancelled, and raises what ends this one. [-0, +0, v] */
int scheduler_exit(lua_State *L, int status);
/* Whether that is the error at the index. */
bool scheduler_is_exit(lua_State *L, int index);
/* A debug hook stops the code of this coroutine as soon as it goes on: by the exit, when os.exit() was called, else as
 * an interrupt does. The other: whatever code runs now. */
void scheduler_stop_soon(lua_State *L);
void scheduler_stop_running(const scheduler *s);
/* The one that task_interruptible() named; NULL when there is none, or no more. */
scheduler *scheduler_interruptible(void);
/* A message handler for who raises the error once more: its traceback stays that of where it came from. */
int scheduler_remember(lua_State *L);
/* Asks it to end: see Task:cancel(). */
void scheduler_cancel(task *t);
/* Its failure will be looked at. */
void scheduler_observe(task *t);

/* The task whose own coroutine L is, when it can yield from here; else NULL: a wait blocks. */
task *scheduler_yielding(const scheduler *s, lua_State *L);
bool scheduler_ended(const task *t);
/* True of a task that died of being cancelled, and of nothing else. */
bool scheduler_died_cancelled(const task *t);

#endif
