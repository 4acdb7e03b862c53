#include "turn.h"

#include "error.h"
#include "scheduler_inside.h"

#include <lauxlib.h>

/* turn(task): until it has ended, Ctrl-C cancels it and nothing else. turn(): there are no more turns. */
static int turn(lua_State *L) {
    scheduler *s = scheduler_of(L);
    s->foreground = lua_isnoneornil(L, 1) ? NULL : luaL_checkudata(L, 1, TASK);
    s->prompting = s->foreground != NULL;
    s->turn_interrupted = 0;
    if (s->foreground != NULL && scheduler_ended(s->foreground))
        s->foreground = NULL;
    return 0;
}

/* finish(): cancels every task, as Ctrl-C does elsewhere */
static int finish(lua_State *L) {
    (void)L;
    task_interrupt();
    return 0;
}

static void cancel_failure(task_wait *w) {
    w->cancelled = true;
    task_wake(w);
}

static int failed(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    scheduler *s = scheduler_of(L);
    s->failed = NULL;
    if (((task_wait *)lua_touserdata(L, 1))->cancelled)
        return scheduler_cancelled(L);
    return task_failure(L) ? 2 : 0;
}

/* failure() -> error, traceback: waits for a task that fails while nobody has joined it */
static int failure(lua_State *L) {
    scheduler *s = scheduler_of(L);
    task_check(L);
    if (task_failure(L))
        return 2;
    lua_settop(L, 0);
    s->failed = lua_newuserdatauv(L, sizeof *s->failed, 0);
    *s->failed = (task_wait){.cancel = cancel_failure};
    return task_await(L, s->failed, 0, failed);
}

void turn_functions(lua_State *L) {
    static const luaL_Reg functions[] = {{"turn", turn}, {"finish", finish}, {"failure", failure}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
