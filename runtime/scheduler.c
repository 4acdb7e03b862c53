#include "scheduler_inside.h"

#include "error.h"

#include <lauxlib.h>
#include <stddef.h>
#include <string.h>

/* ---- the scheduler of a Lua state ---- */

static const char scheduler_key, tasks_key, exit_key, failing_key;

static scheduler *interruptible;

static int scheduler_gc(lua_State *L) {
    scheduler *s = lua_touserdata(L, 1);
    if (interruptible == s) /* a signal may come until the process has ended */
        interruptible = NULL;
    loop_free(s->loop);
    s->loop = NULL;
    return 0;
}

static lua_State *main_thread(lua_State *L) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    lua_State *main = lua_tothread(L, -1);
    lua_pop(L, 1);
    return main;
}

static void new_scheduler(lua_State *L) {
    scheduler *s = lua_newuserdatauv(L, sizeof *s, 0);
    *s = (scheduler){.L = main_thread(L), .why = "the task was cancelled", .exit_status = -1};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, scheduler_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    if ((s->loop = loop_new()) == NULL)
        luaL_error(L, "not enough memory for the event loop");
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &tasks_key);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &scheduler_key);
}

scheduler *scheduler_of(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &scheduler_key) == LUA_TNIL) {
        new_scheduler(L);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &scheduler_key);
    }
    scheduler *s = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return s;
}

loop *task_loop(lua_State *L) {
    return scheduler_of(L)->loop;
}

void scheduler_push_tasks(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
}

/* ---- waiting ---- */

void scheduler_start(task *t) {
    scheduler *s = t->scheduler;
    t->state = READY;
    t->next = NULL;
    if (s->last != NULL)
        s->last->next = t;
    else
        s->first = t;
    s->last = t;
}

void task_wake(task_wait *w) {
    if (w->done)
        return;
    w->done = true;
    task *t = w->waiter;
    w->waiter = NULL;
    if (t != NULL) {
        t->wait = NULL;
        scheduler_start(t);
    }
}

task *scheduler_yielding(const scheduler *s, lua_State *L) {
    task *t = s->running;
    return t != NULL && t->co == L && lua_isyieldable(L) ? t : NULL;
}

static bool cancelled_here(const scheduler *s) {
    return s->running != NULL ? s->running->cancelled : s->interrupted != 0;
}

bool task_is_cancelled(lua_State *L) {
    return cancelled_here(scheduler_of(L));
}

/* Who is told so often in one go that it is cancelled does not listen. */
enum { MOST_REFUSALS = 1000 };

int scheduler_cancelled(lua_State *L) {
    scheduler *s = scheduler_of(L);
    if ((s->interrupted || s->prompting) && ++s->refusals > MOST_REFUSALS)
        return scheduler_stop(L, s->why);
    if (s->exit_status < 0 || s->interrupted)
        return error_raise(L, "cancelled", "%s", s->why);
    if (s->running != NULL)
        s->running->cancelled = false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &exit_key);
    return lua_error(L);
}

bool scheduler_is_exit(lua_State *L, int index) {
    index = lua_absindex(L, index);
    bool yes = lua_rawgetp(L, LUA_REGISTRYINDEX, &exit_key) != LUA_TNIL && lua_rawequal(L, index, -1);
    lua_pop(L, 1);
    return yes;
}

void task_check(lua_State *L) {
    if (cancelled_here(scheduler_of(L)))
        scheduler_cancelled(L);
}

/* A Ctrl-C at a prompt is passed on here, outside the signal handler. */
static void interrupt_turn(scheduler *s) {
    if (!s->turn_interrupted)
        return;
    s->turn_interrupted = 0;
    if (s->foreground != NULL)
        scheduler_cancel(s->foreground);
}

static void block(scheduler *s, task_wait *w) {
    bool told = false;
    while (!w->done) {
        interrupt_turn(s);
        if ((s->interrupted || cancelled_here(s)) && !told && w->cancel != NULL) {
            told = true;
            w->cancel(w);
        } else {
            loop_step(s->loop, -1);
        }
    }
}

int task_await(lua_State *L, task_wait *w, lua_KContext context, lua_KFunction k) {
    scheduler *s = scheduler_of(L);
    task *t = scheduler_yielding(s, L);
    if (t == NULL) {
        block(s, w);
        return k(L, LUA_OK, context);
    }
    t->state = WAITING;
    t->wait = w;
    w->waiter = t;
    return lua_yieldk(L, 0, context, k);
}

/* ---- the life of a task ---- */

/* Lets whoever wants to know look at the frames of what fails, while they are there. [-0, +0, m] */
static void show_frames(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &failing_key) == LUA_TFUNCTION) {
        lua_pushvalue(L, 1);
        lua_pcall(L, 1, 0, 0);
    }
    lua_settop(L, 1);
}

void scheduler_on_failure(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushvalue(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &failing_key);
}

/* Keeps the failure's traceback with the task. One that was re-raised by a join keeps that of the task it
 * came from. [-0, +0, m] */
static int keep_traceback(lua_State *L) {
    const scheduler *s = scheduler_of(L);
    task *t = s->running;
    if (t == NULL || t->cancelled)
        return 1;
    show_frames(L);
    scheduler_push_tasks(L);
    lua_rawgetp(L, -1, t);
    bool joined = lua_getfield(L, -2, "joined") == LUA_TTABLE;
    if (joined && (lua_rawgeti(L, -1, 1), lua_rawequal(L, 1, -1)))
        lua_rawgeti(L, -2, 2);
    else
        luaL_traceback(L, L, NULL, 1);
    lua_setiuservalue(L, 3, TRACEBACK);
    lua_settop(L, 1);
    return 1;
}

int scheduler_remember(lua_State *L) {
    const scheduler *s = scheduler_of(L);
    keep_traceback(L);
    scheduler_push_tasks(L);
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_rawgetp(L, 2, s->running);
    if (s->running != NULL)
        lua_getiuservalue(L, -1, TRACEBACK), lua_rawseti(L, 3, 2);
    lua_pushvalue(L, 3);
    lua_setfield(L, 2, "joined");
    lua_settop(L, 1);
    return 1;
}

static int body_done(lua_State *L, int status, lua_KContext context) {
    (void)context;
    bool ok = status == LUA_OK || status == LUA_YIELD;
    lua_pushboolean(L, ok);
    lua_replace(L, 1);
    return lua_gettop(L);
}

/* What a task's coroutine runs: the function, protected, so that its <close> variables run inside the coroutine,
 * where they may wait. Returns whether it succeeded, and the results or the error. */
static int body(lua_State *L) {
    int nargs = lua_gettop(L) - 1;
    lua_pushcfunction(L, keep_traceback);
    lua_insert(L, 1);
    return body_done(L, lua_pcallk(L, nargs, LUA_MULTRET, 1, 0, body_done), 0);
}

task *scheduler_new(lua_State *L, int nargs) {
    scheduler *s = scheduler_of(L);
    task *t = lua_newuserdatauv(L, sizeof *t, TASK_VALUES);
    *t = (task){.scheduler = s, .nargs = nargs + 1};
    luaL_setmetatable(L, TASK);
    t->co = lua_newthread(L);
    lua_setiuservalue(L, -2, THREAD);
    lua_insert(L, -nargs - 2);
    lua_pushcfunction(t->co, body);
    luaL_checkstack(t->co, nargs + 1, "too many arguments");
    lua_xmove(L, t->co, nargs + 1);
    scheduler_push_tasks(L);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, t);
    lua_pop(L, 1);
    s->live++;
    return t;
}

bool scheduler_ended(const task *t) {
    return t->state == SUCCEEDED || t->state == FAILED;
}

/* From now on only its results are needed, by whoever holds it. */
static void forget(task *t) {
    lua_State *L = t->scheduler->L;
    scheduler_push_tasks(L);
    lua_pushnil(L);
    lua_rawsetp(L, -2, t);
    lua_pop(L, 1);
}

void scheduler_observe(task *t) {
    t->observed = true;
    for (task **at = &t->scheduler->failures; *at != NULL; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            forget(t);
            break;
        }
    }
}

bool scheduler_died_cancelled(const task *t) {
    if (scheduler_is_exit(t->co, -1))
        return true;
    if (!t->cancelled || !lua_istable(t->co, -1))
        return false;
    lua_pushliteral(t->co, "kind");
    lua_rawget(t->co, -2);
    bool yes = lua_isstring(t->co, -1) && strcmp(lua_tostring(t->co, -1), "cancelled") == 0;
    lua_pop(t->co, 1);
    return yes;
}

static void end(task *t, task_state state) {
    scheduler *s = t->scheduler;
    s->live--;
    s->background -= t->background ? 1 : 0;
    t->state = (unsigned char)state;
    if (s->rest != NULL && s->live <= s->background + 1)
        task_wake(s->rest);
    if (s->foreground == t)
        s->foreground = NULL;
    while (t->joiners != NULL) {
        task *joiner = t->joiners;
        t->joiners = joiner->next_joiner;
        joiner->joining = NULL;
        task_wake(&joiner->own);
    }
    if (t->ended != NULL)
        t->ended(t);
    if (state == FAILED && !t->observed && !scheduler_died_cancelled(t)) {
        t->next = s->failures;
        s->failures = t;
        if (s->failed != NULL)
            task_wake(s->failed);
    } else {
        forget(t);
    }
}

static void resume(task *t) {
    scheduler *s = t->scheduler;
    int results, nargs = t->nargs;
    t->nargs = 0;
    t->state = RUNNING;
    s->running = t;
    s->current = t->co;
    s->refusals = 0;
    s->resumes++;
    int status = lua_resume(t->co, s->L, nargs, &results);
    s->running = NULL;
    s->current = NULL;
    if (status == LUA_OK) {
        end(t, lua_toboolean(t->co, 1) ? SUCCEEDED : FAILED);
    } else if (status != LUA_YIELD) { /* out of memory, most likely: not even the protected call held */
        lua_resetthread(t->co);
        lua_pushboolean(t->co, false);
        lua_insert(t->co, 1);
        end(t, FAILED);
    } else if (t->state == RUNNING) { /* coroutine.yield() in a task: the others have a turn */
        lua_pop(t->co, results);
        if (s->interrupted && ++s->yields > MOST_REFUSALS)
            scheduler_stop_soon(t->co);
        scheduler_start(t);
    }
}

void scheduler_cancel(task *t) {
    if (scheduler_ended(t))
        return;
    t->cancelled = true;
    if (t->state == HELD)
        scheduler_start(t);
    else if (t->state == WAITING && t->wait->cancel != NULL)
        t->wait->cancel(t->wait);
}

/* Cancelling only makes tasks ready: none comes or goes meanwhile. */
static void cancel_all(scheduler *s, const char *why) {
    lua_State *L = s->L;
    s->why = why;
    scheduler_push_tasks(L);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
        if (lua_islightuserdata(L, -2))
            scheduler_cancel(lua_touserdata(L, -1));
    lua_pop(L, 1);
}

/* [-0, +0, m] */
static void make_exit(lua_State *L, const char *why) {
    error_constructor(L);
    lua_pushliteral(L, "cancelled");
    lua_pushstring(L, why);
    lua_call(L, 2, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &exit_key);
}

int scheduler_stop(lua_State *L, const char *why) {
    make_exit(L, why);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &exit_key);
    return lua_error(L);
}

int scheduler_exit(lua_State *L, int status) {
    scheduler *s = scheduler_of(L);
    if (s->exit_status < 0) {
        make_exit(L, "the runbook called os.exit()");
        s->exit_status = status;
        cancel_all(s, "the runbook called os.exit()");
    }
    return scheduler_cancelled(L);
}

int task_exit_status(lua_State *L) {
    return scheduler_of(L)->exit_status;
}

/* ---- stopping what does not wait ---- */

static void stop(lua_State *L, lua_Debug *debug) {
    scheduler *s = scheduler_of(L);
    (void)debug;
    lua_sethook(L, NULL, 0, 0);
    if (s->running != NULL)
        lua_sethook(s->running->co, NULL, 0, 0);
    s->stops++;
    if (s->exit_status >= 0 && !s->interrupted)
        scheduler_cancelled(L);
    scheduler_stop(L, "interrupted");
}

void scheduler_stop_soon(lua_State *L) {
    lua_sethook(L, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

void scheduler_stop_running(const scheduler *s) {
    if (s->running != NULL && s->current != NULL) {
        scheduler_stop_soon(s->current);
        scheduler_stop_soon(s->running->co);
    }
}

/* ---- turns ---- */

/* Runs what is ready now; what becomes ready meanwhile has its turn after the next look at the loop. */
static void run_ready(scheduler *s) {
    task *t = s->first;
    s->first = s->last = NULL;
    while (t != NULL) {
        task *next = t->next;
        resume(t);
        t = next;
    }
}

/* A prompt outlives the turn that brought it about. */
static void break_deadlock(scheduler *s) {
    static const char why[] = "deadlock: every task that is left waits for another one";
    if (s->foreground == NULL || s->foreground->cancelled) {
        cancel_all(s, why);
    } else {
        s->why = why;
        scheduler_cancel(s->foreground);
    }
}

/* While tasks are ready, the loop has its turn this often: a look at it is a system call. In seconds. */
#define LOOK 0.0005

static void look(scheduler *s) {
    if (s->first != NULL && loop_now() - s->looked_at < LOOK)
        return;
    loop_step(s->loop, s->first != NULL ? 0 : -1);
    s->looked_at = loop_now();
}

/* After an interrupt that did not end everything at once. */
static void tell_waiting(scheduler *s) {
    if (!s->stopping || s->told)
        return;
    s->told = true;
    if (s->waiting != NULL)
        s->waiting(s->L);
}

static void run_all(scheduler *s) {
    while (s->live > 0) {
        if (s->interrupted && !s->stopping) {
            s->stopping = true;
            cancel_all(s, "interrupted");
        }
        interrupt_turn(s);
        run_ready(s);
        if (s->live == 0)
            break;
        tell_waiting(s);
        if (s->first == NULL && loop_idle(s->loop))
            break_deadlock(s);
        else
            look(s);
    }
}

/* Moves what the main task left to the top of L: its results, or its error and traceback. [-1, +n, m] */
static int take_outcome(lua_State *L, task *t) {
    if (t->state == SUCCEEDED) {
        int results = lua_gettop(t->co) - 1;
        luaL_checkstack(L, results, "too many results");
        lua_xmove(t->co, L, results);
        return LUA_OK;
    }
    lua_xmove(t->co, L, 1);
    lua_getiuservalue(L, -2, TRACEBACK);
    return LUA_ERRRUN;
}

int task_run(lua_State *L, int nargs) {
    task *t = scheduler_new(L, nargs);
    int at = lua_gettop(L);
    t->observed = true;
    t->scheduler->main = t;
    scheduler_start(t);
    run_all(t->scheduler);
    int status = take_outcome(L, t);
    lua_remove(L, at);
    return status;
}

bool task_has_failures(lua_State *L) {
    return scheduler_of(L)->failures != NULL;
}

bool task_failure(lua_State *L) {
    task *t = scheduler_of(L)->failures;
    if (t == NULL)
        return false;
    scheduler_push_tasks(L);
    lua_rawgetp(L, -1, t);
    lua_remove(L, -2);
    lua_pushvalue(t->co, -1);
    lua_xmove(t->co, L, 1);
    lua_getiuservalue(L, -2, TRACEBACK);
    scheduler_observe(t);
    lua_remove(L, -3);
    return true;
}

/* ---- interrupting ---- */

void task_interruptible(lua_State *L, void (*waiting)(lua_State *L)) {
    interruptible = scheduler_of(L);
    interruptible->waiting = waiting;
}

scheduler *scheduler_interruptible(void) {
    return interruptible;
}

void task_interrupt(void) {
    scheduler *s = interruptible;
    if (s == NULL)
        return;
    s->interrupted = 1;
    loop_wake(s->loop);
}

bool task_interrupt_turn(void) {
    scheduler *s = interruptible;
    if (s == NULL || !s->prompting)
        return false;
    s->turn_interrupted = 1;
    loop_wake(s->loop);
    return true;
}

bool task_interrupted(void) {
    return interruptible != NULL && interruptible->interrupted;
}
