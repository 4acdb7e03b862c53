#include "task.h"

#include "chunk.h"
#include "error.h"

#include <lauxlib.h>
#include <signal.h>
#include <string.h>

#define TASK "task"

/* Where a task's own thread and, when it failed, the traceback are kept with the userdata. */
enum { THREAD = 1, TRACEBACK = 2, TASK_VALUES = 2 };

typedef enum { HELD, READY, RUNNING, WAITING, SUCCEEDED, FAILED } task_state;

typedef struct scheduler scheduler;

struct task {
    scheduler *scheduler;
    lua_State *co;               /* its thread; the results, or the error, stay on its stack */
    task_wait *wait;             /* what it waits for */
    task *next;                  /* in the ready queue, or in the list of failures */
    task *joiners;               /* tasks that wait for this one to end */
    task *joining, *next_joiner; /* the one that this one waits for, and its place among its joiners */
    loop_timer timer;
    task_wait own; /* for sleep and join */
    int nargs;     /* for its first resume */
    unsigned char state;
    bool cancelled, observed;
};

struct scheduler {
    loop *loop;
    lua_State *L;       /* the main state: all tasks are resumed from it */
    task *first, *last; /* ready */
    task *running;
    task *failures; /* failed, and nobody has joined them */
    double resumed_at;
    size_t live;
    volatile sig_atomic_t interrupted;
    bool stopping;   /* the interrupt was passed on */
    const char *why; /* what a cancelled call says */
};

/* ---- the scheduler of a Lua state ---- */

static const char scheduler_key, tasks_key;

static int scheduler_gc(lua_State *L) {
    scheduler *s = lua_touserdata(L, 1);
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
    *s = (scheduler){.L = main_thread(L), .why = "the task was cancelled"};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, scheduler_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    if ((s->loop = loop_new()) == NULL)
        luaL_error(L, "not enough memory for the event loop");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &scheduler_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &tasks_key);
}

static scheduler *the_scheduler(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &scheduler_key) == LUA_TNIL) {
        new_scheduler(L);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &scheduler_key);
    }
    scheduler *s = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return s;
}

loop *task_loop(lua_State *L) {
    return the_scheduler(L)->loop;
}

/* ---- waiting ---- */

static void make_ready(task *t) {
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
        make_ready(t);
    }
}

/* The task whose own coroutine L is, when it can yield from here; else NULL: a wait blocks. */
static task *yielding_task(const scheduler *s, lua_State *L) {
    task *t = s->running;
    return t != NULL && t->co == L && lua_isyieldable(L) ? t : NULL;
}

static bool cancelled_here(const scheduler *s) {
    return s->running != NULL ? s->running->cancelled : s->interrupted != 0;
}

void task_check(lua_State *L) {
    const scheduler *s = the_scheduler(L);
    if (cancelled_here(s))
        error_raise(L, "cancelled", "%s", s->why);
}

static void block(scheduler *s, task_wait *w) {
    bool told = false;
    while (!w->done) {
        if (s->interrupted && !told && w->cancel != NULL) {
            told = true;
            w->cancel(w);
        } else {
            loop_step(s->loop, -1);
        }
    }
}

int task_await(lua_State *L, task_wait *w, lua_KContext context, lua_KFunction k) {
    scheduler *s = the_scheduler(L);
    task *t = yielding_task(s, L);
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

static task *check_task(lua_State *L, int index) {
    return luaL_checkudata(L, index, TASK);
}

/* Keeps the failure's traceback with the task. One that was re-raised by a join keeps that of the task it
 * came from. [-0, +0, m] */
static int keep_traceback(lua_State *L) {
    const scheduler *s = the_scheduler(L);
    task *t = s->running;
    if (t == NULL || t->cancelled)
        return 1;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
    lua_rawgetp(L, -1, t);
    if (lua_getfield(L, -2, "joined") == LUA_TTABLE && lua_rawgeti(L, -1, 1) != LUA_TNIL &&
        lua_rawequal(L, 1, -1))
        lua_rawgeti(L, -2, 2);
    else
        luaL_traceback(L, L, NULL, 1);
    lua_setiuservalue(L, 3, TRACEBACK);
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

/* Makes a task, not started yet, of the function and its arguments on top. [-(nargs + 1), +1, m] */
static task *new_task(lua_State *L, int nargs) {
    scheduler *s = the_scheduler(L);
    task *t = lua_newuserdatauv(L, sizeof *t, TASK_VALUES);
    *t = (task){.scheduler = s, .nargs = nargs + 1};
    luaL_setmetatable(L, TASK);
    t->co = lua_newthread(L);
    lua_setiuservalue(L, -2, THREAD);
    lua_insert(L, -nargs - 2);
    lua_pushcfunction(t->co, body);
    luaL_checkstack(t->co, nargs + 1, "too many arguments");
    lua_xmove(L, t->co, nargs + 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, t);
    lua_pop(L, 1);
    s->live++;
    return t;
}

static bool ended(const task *t) {
    return t->state == SUCCEEDED || t->state == FAILED;
}

/* From now on only its results are needed, by whoever holds it. */
static void forget(task *t) {
    lua_State *L = t->scheduler->L;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
    lua_pushnil(L);
    lua_rawsetp(L, -2, t);
    lua_pop(L, 1);
}

static void observe(task *t) {
    t->observed = true;
    for (task **at = &t->scheduler->failures; *at != NULL; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            forget(t);
            break;
        }
    }
}

/* True of a task that died of being cancelled, and of nothing else. */
static bool died_cancelled(const task *t) {
    if (!t->cancelled || !lua_istable(t->co, -1))
        return false;
    lua_getfield(t->co, -1, "kind");
    bool yes = lua_isstring(t->co, -1) && strcmp(lua_tostring(t->co, -1), "cancelled") == 0;
    lua_pop(t->co, 1);
    return yes;
}

static void end(task *t, task_state state) {
    scheduler *s = t->scheduler;
    s->live--;
    t->state = (unsigned char)state;
    while (t->joiners != NULL) {
        task *joiner = t->joiners;
        t->joiners = joiner->next_joiner;
        joiner->joining = NULL;
        task_wake(&joiner->own);
    }
    if (state == FAILED && !t->observed && !died_cancelled(t)) {
        t->next = s->failures;
        s->failures = t;
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
    s->resumed_at = loop_now();
    int status = lua_resume(t->co, s->L, nargs, &results);
    s->running = NULL;
    if (status == LUA_OK) {
        end(t, lua_toboolean(t->co, 1) ? SUCCEEDED : FAILED);
    } else if (status != LUA_YIELD) { /* out of memory, most likely: not even the protected call held */
        lua_resetthread(t->co);
        lua_pushboolean(t->co, false);
        lua_insert(t->co, 1);
        end(t, FAILED);
    } else if (t->state == RUNNING) { /* coroutine.yield() in a task: the others have a turn */
        lua_pop(t->co, results);
        make_ready(t);
    }
}

static void cancel(task *t) {
    if (ended(t))
        return;
    t->cancelled = true;
    if (t->state == HELD)
        make_ready(t);
    else if (t->state == WAITING && t->wait->cancel != NULL)
        t->wait->cancel(t->wait);
}

/* The list of tasks changes while they are cancelled, hence the copy. */
static void cancel_all(scheduler *s, const char *why) {
    lua_State *L = s->L;
    s->why = why;
    lua_newtable(L);
    int copy = lua_gettop(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
        if (lua_islightuserdata(L, -2)) {
            lua_pushvalue(L, -1);
            lua_rawseti(L, copy, (lua_Integer)lua_rawlen(L, copy) + 1);
        }
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, copy); i > 0; i--) {
        lua_rawgeti(L, copy, i);
        cancel(lua_touserdata(L, -1));
        lua_pop(L, 1);
    }
    lua_settop(L, copy - 1);
}

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

static void run_all(scheduler *s) {
    while (s->live > 0) {
        if (s->interrupted && !s->stopping) {
            s->stopping = true;
            cancel_all(s, "interrupted");
        }
        run_ready(s);
        if (s->live == 0)
            break;
        if (s->first == NULL && loop_idle(s->loop))
            cancel_all(s, "deadlock: every task that is left waits for another one");
        else
            loop_step(s->loop, s->first != NULL ? 0 : -1);
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
    task *t = new_task(L, nargs);
    int at = lua_gettop(L);
    t->observed = true;
    make_ready(t);
    run_all(t->scheduler);
    int status = take_outcome(L, t);
    lua_remove(L, at);
    return status;
}

bool task_failure(lua_State *L) {
    task *t = the_scheduler(L)->failures;
    if (t == NULL)
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
    lua_rawgetp(L, -1, t);
    lua_remove(L, -2);
    lua_pushvalue(t->co, -1);
    lua_xmove(t->co, L, 1);
    lua_getiuservalue(L, -2, TRACEBACK);
    observe(t);
    lua_remove(L, -3);
    return true;
}

/* ---- interrupting ---- */

/* A task that computes for this long does not come by the loop, where it would learn of the interrupt. */
#define COMPUTING 1.0

static void stop_running(lua_State *L, lua_Debug *debug) {
    (void)debug;
    lua_sethook(L, NULL, 0, 0);
    error_raise(L, "cancelled", "interrupted");
}

static scheduler *interruptible;

void task_interruptible(lua_State *L) {
    interruptible = the_scheduler(L);
}

void task_interrupt(void) {
    scheduler *s = interruptible;
    if (s == NULL)
        return;
    s->interrupted = 1;
    if (s->running != NULL && loop_now() - s->resumed_at > COMPUTING)
        lua_sethook(s->running->co, stop_running, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT,
                    1);
    loop_wake(s->loop);
}

bool task_interrupted(void) {
    return interruptible != NULL && interruptible->interrupted;
}

/* ---- the module ---- */

static double check_seconds(lua_State *L, int index) {
    lua_Number seconds = luaL_checknumber(L, index);
    if (!(seconds >= 0))
        error_raise(L, "invalid", "expected a number of seconds from 0 up, got %s",
                    luaL_tolstring(L, index, NULL));
    return seconds;
}

/* new(fn, ...) -> a task that start() or a cancel() starts */
static int new (lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    new_task(L, lua_gettop(L) - 1);
    return 1;
}

/* start(task) */
static int start(lua_State *L) {
    task *t = check_task(L, 1);
    if (t->state == HELD)
        make_ready(t);
    return 0;
}

static void wake_owner(loop_timer *timer) {
    task_wake(timer->owner);
}

static void cancel_sleep(task_wait *w) {
    w->cancelled = true;
    task_wake(w);
}

/* A sleep outside any task, in a userdata. */
typedef struct nap {
    task_wait wait;
    loop_timer timer;
} nap;

static int slept(lua_State *L, int status, lua_KContext context) {
    const task_wait *w = (const task_wait *)context;
    scheduler *s = the_scheduler(L);
    loop_timer *timer = status == LUA_YIELD ? &s->running->timer : &((nap *)lua_touserdata(L, -1))->timer;
    loop_stop(s->loop, timer);
    if (w->cancelled)
        return error_raise(L, "cancelled", "%s", s->why);
    return 0;
}

/* sleep(seconds) */
static int sleep_(lua_State *L) {
    double until = loop_now() + check_seconds(L, 1);
    scheduler *s = the_scheduler(L);
    task *t = yielding_task(s, L);
    task_check(L);
    nap *outside = t == NULL ? lua_newuserdatauv(L, sizeof *outside, 0) : NULL;
    task_wait *w = t == NULL ? &outside->wait : &t->own;
    loop_timer *timer = t == NULL ? &outside->timer : &t->timer;
    *w = (task_wait){.cancel = cancel_sleep};
    *timer = (loop_timer){.fire = wake_owner, .owner = w};
    if (!loop_start(s->loop, timer, until))
        return luaL_error(L, "not enough memory");
    return task_await(L, w, (lua_KContext)w, slept);
}

/* now() -> seconds */
static int now(lua_State *L) {
    lua_pushnumber(L, loop_now());
    return 1;
}

static void leave_joiners(task *waiter) {
    for (task **at = &waiter->joining->joiners; *at != NULL; at = &(*at)->next_joiner) {
        if (*at == waiter) {
            *at = waiter->next_joiner;
            break;
        }
    }
    waiter->joining = NULL;
}

static void cancel_join(task_wait *w) {
    task *waiter = w->waiter;
    if (waiter->joining != NULL)
        leave_joiners(waiter);
    w->cancelled = true;
    task_wake(w);
}

static void join_timed_out(loop_timer *timer) {
    task *waiter = timer->owner;
    if (waiter->joining != NULL)
        leave_joiners(waiter);
    task_wake(&waiter->own);
}

static int waited(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    const task *t = check_task(L, 1);
    scheduler *s = t->scheduler;
    loop_stop(s->loop, &s->running->timer);
    if (s->running->own.cancelled)
        return error_raise(L, "cancelled", "%s", s->why);
    lua_pushboolean(L, ended(t));
    return 1;
}

/* wait(task, seconds|nil, shielded) -> whether it has ended. Shielded: also in a task that has been cancelled. */
static int wait(lua_State *L) {
    task *t = check_task(L, 1);
    scheduler *s = t->scheduler;
    task *waiter = yielding_task(s, L);
    bool shielded = lua_toboolean(L, 3);
    if (ended(t)) {
        lua_pushboolean(L, true);
        return 1;
    }
    if (t == s->running)
        return error_raise(L, "invalid", "a task cannot wait for itself");
    if (waiter == NULL)
        return error_raise(L, "invalid",
                           "cannot wait for a task here: inside a coroutine of the script's own, or a "
                           "callback or finalizer, no other task can run");
    if (!shielded)
        task_check(L);
    waiter->own = (task_wait){.cancel = shielded ? NULL : cancel_join};
    waiter->timer = (loop_timer){.fire = join_timed_out, .owner = waiter};
    if (!lua_isnoneornil(L, 2) && !loop_start(s->loop, &waiter->timer, loop_now() + check_seconds(L, 2)))
        return luaL_error(L, "not enough memory");
    waiter->joining = t;
    waiter->next_joiner = t->joiners;
    t->joiners = waiter;
    return task_await(L, &waiter->own, 0, waited);
}

/* Remembers where a failure came from, for the traceback of whoever does not catch it. [-0, +0, m] */
static void remember_joined(lua_State *L, int task_index) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, -3);
    lua_rawseti(L, -2, 1);
    lua_getiuservalue(L, task_index, TRACEBACK);
    lua_rawseti(L, -2, 2);
    lua_setfield(L, -2, "joined");
    lua_pop(L, 1);
}

/* outcome(task) -> its results, or raises its error */
static int outcome(lua_State *L) {
    task *t = check_task(L, 1);
    observe(t);
    int results = lua_gettop(t->co) - 1;
    luaL_checkstack(L, results + 8, "too many results");
    luaL_checkstack(t->co, results, "too many results");
    for (int i = 2; i <= results + 1; i++)
        lua_pushvalue(t->co, i);
    lua_xmove(t->co, L, results);
    if (t->state == SUCCEEDED)
        return results;
    remember_joined(L, 1);
    return lua_error(L);
}

/* observe(task): its failure will be looked at */
static int observe_(lua_State *L) {
    observe(check_task(L, 1));
    return 0;
}

/* cancel(task) */
static int cancel_(lua_State *L) {
    cancel(check_task(L, 1));
    return 0;
}

/* status(task) -> string */
static int status(lua_State *L) {
    static const char *const names[] = {"queued", "ready", "running", "waiting", "succeeded", "failed"};
    const task *t = check_task(L, 1);
    lua_pushstring(L, t->state == FAILED && died_cancelled(t) ? "cancelled" : names[t->state]);
    return 1;
}

/* cancelled(task) -> whether it has been asked to end */
static int cancelled(lua_State *L) {
    lua_pushboolean(L, check_task(L, 1)->cancelled);
    return 1;
}

/* running() -> the task that runs, nil outside any */
static int running(lua_State *L) {
    const task *t = the_scheduler(L)->running;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
    lua_rawgetp(L, -1, t);
    return 1;
}

/* live() -> how many tasks have not ended, this one among them */
static int live(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)the_scheduler(L)->live);
    return 1;
}

/* check(): raises `cancelled` in a task that has been cancelled */
static int check(lua_State *L) {
    task_check(L);
    return 0;
}

int luaopen_task(lua_State *L) {
    static const luaL_Reg functions[] = {{"new", new},
                                         {"sleep", sleep_},
                                         {"now", now},
                                         {"wait", wait},
                                         {"outcome", outcome},
                                         {"cancel", cancel_},
                                         {"status", status},
                                         {"observe", observe_},
                                         {"live", live},
                                         {"check", check},
                                         {"start", start},
                                         {"running", running},
                                         {"cancelled", cancelled},
                                         {NULL, NULL}};
    the_scheduler(L);
    luaL_newmetatable(L, TASK);
    luaL_newlib(L, functions);
    error_constructor(L);
    chunk_run(L, "runtime/task.lua", 3);
    return 1;
}
