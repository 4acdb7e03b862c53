#include "alarm.h"

#include "class.h"
#include "scheduler.h"

#include <lauxlib.h>
#include <math.h>
#include <stddef.h>

#define ALARM "alarm"

double alarm_deadline(lua_State *L, int index) {
    double seconds = luaL_checknumber(L, index);
    luaL_argcheck(L, seconds > 0 && isfinite(seconds), index, "a number of seconds expected");
    return loop_now() + seconds;
}

typedef struct alarm_clock {
    task_wait wait;
    loop_timer timer;
    loop *loop;
} alarm_clock;

/* alarm() -> alarm */
static int new_alarm(lua_State *L) {
    loop *l = task_loop(L);
    alarm_clock *a = lua_newuserdatauv(L, sizeof *a, 0);
    *a = (alarm_clock){.loop = l, .wait = {.done = true}};
    luaL_setmetatable(L, ALARM);
    return 1;
}

static int alarm_ring(lua_State *L) {
    alarm_clock *a = luaL_checkudata(L, 1, ALARM);
    loop_stop(a->loop, &a->timer);
    task_wake(&a->wait);
    return 0;
}

static void cancel_alarm(task_wait *w) {
    alarm_clock *a = (alarm_clock *)((char *)w - offsetof(alarm_clock, wait));
    loop_stop(a->loop, &a->timer);
    task_wake(w);
}

static void time_is_up(loop_timer *timer) {
    task_wake(&((alarm_clock *)timer->owner)->wait);
}

static int rung(lua_State *L, int status, lua_KContext context) {
    (void)context;
    lua_pushboolean(L, status == LUA_YIELD);
    return 1;
}

/* wait(alarm, seconds, in the background) -> whether other tasks could run meanwhile */
static int alarm_wait(lua_State *L) {
    alarm_clock *a = luaL_checkudata(L, 1, ALARM);
    double until = alarm_deadline(L, 2);
    if (!a->wait.done)
        return luaL_error(L, "somebody waits for this alarm already");
    bool background = lua_toboolean(L, 3);
    a->wait = (task_wait){.cancel = background ? cancel_alarm : NULL};
    a->timer = (loop_timer){.fire = time_is_up, .owner = a, .background = background};
    if (!loop_start(a->loop, &a->timer, until))
        return luaL_error(L, "not enough memory for an alarm");
    return task_await(L, &a->wait, 0, rung);
}

void alarm_functions(lua_State *L) {
    static const luaL_Reg methods[] = {{"wait", alarm_wait}, {"ring", alarm_ring}, {NULL, NULL}};
    class_new(L, ALARM, methods, alarm_ring);
    lua_pushcfunction(L, new_alarm);
    lua_setfield(L, -2, "alarm");
}
