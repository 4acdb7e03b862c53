#include "task.h"

#include "chunk.h"
#include "error.h"
#include "group.h"
#include "scheduler_inside.h"

#include <lauxlib.h>
#include <stddef.h>

static task *check_task(lua_State *L, int index) {
    return luaL_checkudata(L, index, TASK);
}

static double check_seconds(lua_State *L, int index) {
    lua_Number seconds = luaL_checknumber(L, index);
    if (!(seconds >= 0))
        error_raise(L, "invalid", "expected a number of seconds from 0 up, got %s", luaL_tolstring(L, index, NULL));
    return seconds;
}

/* spawn(fn, ...) -> task, started */
static int spawn(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    scheduler_start(scheduler_new(L, lua_gettop(L) - 1));
    return 1;
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
    scheduler *s = scheduler_of(L);
    loop_timer *timer = status == LUA_YIELD ? &s->running->timer : &((nap *)lua_touserdata(L, -1))->timer;
    loop_stop(s->loop, timer);
    if (w->cancelled || task_is_cancelled(L)) /* or since its time was over */
        return scheduler_cancelled(L);
    return 0;
}

/* sleep(seconds, in the background) */
static int sleep_(lua_State *L) {
    double until = loop_now() + check_seconds(L, 1);
    scheduler *s = scheduler_of(L);
    task *t = scheduler_yielding(s, L);
    task_check(L);
    nap *outside = t == NULL ? lua_newuserdatauv(L, sizeof *outside, 0) : NULL;
    task_wait *w = t == NULL ? &outside->wait : &t->own;
    loop_timer *timer = t == NULL ? &outside->timer : &t->timer;
    *w = (task_wait){.cancel = cancel_sleep};
    *timer = (loop_timer){.fire = wake_owner, .owner = w, .background = lua_toboolean(L, 2)};
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
    task *waiter = (task *)((char *)w - offsetof(task, own));
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
        return scheduler_cancelled(L);
    lua_pushboolean(L, scheduler_ended(t));
    return 1;
}

/* wait(task, seconds|nil, shielded) -> whether it has ended. Shielded: also in a task that has been cancelled. */
static int wait(lua_State *L) {
    task *t = check_task(L, 1);
    scheduler *s = t->scheduler;
    task *waiter = scheduler_yielding(s, L);
    bool shielded = lua_toboolean(L, 3);
    if (scheduler_ended(t)) {
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
    scheduler_push_tasks(L);
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
    scheduler_observe(t);
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

/* scheduler_observe(task): its failure will be looked at */
static int observe_(lua_State *L) {
    scheduler_observe(check_task(L, 1));
    return 0;
}

/* scheduler_cancel(task) */
static int cancel_(lua_State *L) {
    scheduler_cancel(check_task(L, 1));
    return 0;
}

/* status(task) -> string */
static int status(lua_State *L) {
    static const char *const names[] = {"queued", "ready", "running", "waiting", "succeeded", "failed"};
    const task *t = check_task(L, 1);
    lua_pushstring(L, t->state == FAILED && scheduler_died_cancelled(t) ? "cancelled" : names[t->state]);
    return 1;
}

/* cancelled(task) -> whether it has been asked to end */
static int cancelled(lua_State *L) {
    lua_pushboolean(L, check_task(L, 1)->cancelled);
    return 1;
}

/* live() -> how many tasks have not ended, this one among them */
static int live(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)scheduler_of(L)->live);
    return 1;
}

/* check(): raises `cancelled` in a task that has been cancelled */
static int check(lua_State *L) {
    task_check(L);
    return 0;
}

/* What scripts see of it. [-0, +1, e] */
static void make_module(lua_State *L) {
    static const luaL_Reg functions[] = {{"spawn", spawn},   {"sleep", sleep_},        {"now", now},
                                         {"wait", wait},     {"outcome", outcome},     {"cancel", cancel_},
                                         {"status", status}, {"observe", observe_},    {"live", live},
                                         {"check", check},   {"cancelled", cancelled}, {NULL, NULL}};
    scheduler_of(L);
    luaL_newmetatable(L, TASK);
    luaL_newlib(L, functions);
    group_functions(L);
    error_constructor(L);
    chunk_run(L, "runtime/task.lua", 4);
}

/* [-1, +1, m] */
static void copy_table(lua_State *L) {
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, -3) != 0;) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_remove(L, -2);
}

/* A table of one's own: who changes it changes it for nobody else. */
int luaopen_task(lua_State *L) {
    static const char key;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TNIL) {
        lua_pop(L, 1);
        make_module(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
    }
    copy_table(L);
    return 1;
}
