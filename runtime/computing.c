#include "computing.h"

#include "scheduler_inside.h"

#include <sys/time.h>

/* In ticks of processor time: what there is for all tasks to come to their ends, and when a hook must have helped. */
enum { TICK_US = 200000, ENOUGH = 3, STUCK = 4 };

static double since;         /* when the task was resumed that is running */
static int ticks, all_ticks; /* that have passed since then, and since the interrupt */
static int hooked;           /* ticks since there is a hook; 0: none */
static bool settling;

/* ---- the hook ---- */

static void unhook(const scheduler *s, lua_State *L) {
    lua_sethook(L, NULL, 0, 0);
    if (s->running != NULL)
        lua_sethook(s->running->co, NULL, 0, 0);
    hooked = 0;
}

static void stop(lua_State *L, lua_Debug *debug) {
    const scheduler *s = scheduler_of(L);
    (void)debug;
    unhook(s, L);
    if (s->exit_status >= 0 && !s->interrupted)
        scheduler_cancelled(L);
    scheduler_stop(L, "interrupted");
}

void computing_stop(lua_State *L) {
    lua_sethook(L, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

void computing_stop_running(void) {
    const scheduler *s = scheduler_interruptible();
    if (s != NULL && s->running != NULL && s->current != NULL) {
        computing_stop(s->current);
        computing_stop(s->running->co);
    }
}

/* ---- the clock ---- */

static void set_clock(long microseconds) {
    struct itimerval every = {.it_interval = {.tv_usec = microseconds}, .it_value = {.tv_usec = microseconds}};
    setitimer(ITIMER_PROF, &every, NULL);
}

void computing_watch(void) {
    all_ticks = 0;
    set_clock(TICK_US);
}

void computing_settle(lua_State *L) {
    const scheduler *s = scheduler_of(L);
    settling = settling || (s->running != NULL && s->running == s->main);
}

/* The session of a prompt and the end of a run are kmirror's own. */
static bool may_be_stopped(const scheduler *s) {
    return s->running != NULL && s->current != NULL && (s->running != s->main || (!settling && s->interrupted));
}

bool computing_tick(void) {
    const scheduler *s = scheduler_interruptible();
    if (s == NULL || (!s->interrupted && !s->turn_interrupted)) {
        set_clock(0);
        return false;
    }
    ticks = s->running != NULL && since == s->resumed_at ? ticks + 1 : 0;
    since = s->resumed_at;
    if (ticks == 0)
        hooked = 0;
    if (++all_ticks < ENOUGH || ticks == 0 || !may_be_stopped(s))
        return false;
    computing_stop_running(); /* again, as it may have been another coroutine's turn */
    return s->interrupted && ++hooked > STUCK;
}
