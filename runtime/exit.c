#include "exit.h"

#include "computing.h"
#include "error.h"
#include "scheduler_inside.h"

#include <lauxlib.h>
#include <stdlib.h>

/* ---- os.exit ---- */

static int closing_status = -1; /* given by a finalizer, as the state is closed */

int exit_closing_status(void) {
    return closing_status;
}

bool exit_swallowed(void) {
    const scheduler *s = scheduler_interruptible();
    bool swallowed = closing_status >= 0 || (s != NULL && s->exit_status >= 0);
    if (swallowed && s != NULL)
        scheduler_stop_running(s);
    return swallowed;
}

/* exit(code): as Lua's, but what it ends is the runbook. */
static int exit_(lua_State *L) {
    scheduler *s = scheduler_of(L);
    int status = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : (int)(luaL_optinteger(L, 1, EXIT_SUCCESS) & 0xff);
    if (s->running != NULL || s->live > 0)
        return scheduler_exit(L, status);
    closing_status = status;
    lua_pushnil(L);
    return lua_error(L);
}

/* ---- what would catch it ---- */

/* [-0, +n, v] */
static int finish(lua_State *L, int status, lua_KContext extra) {
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - (int)extra;
    if (scheduler_is_exit(L, -1))
        return lua_error(L);
    lua_pushboolean(L, false);
    lua_pushvalue(L, -2);
    return 2;
}

static int pcall_(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, true);
    lua_insert(L, 1);
    return finish(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish), 0);
}

/* A message handler: that of the script, which does not see the exit. */
static int handle(lua_State *L) {
    if (scheduler_is_exit(L, 1))
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static int xpcall_(lua_State *L) {
    int count = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handle, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, true);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    return finish(L, lua_pcallk(L, count - 2, LUA_MULTRET, 2, 2, finish), 2);
}

/* Calls Lua's own function, the first upvalue, under the arguments from index 2 on; its code runs in that coroutine, if
 * it is about one. [-n, +m, v] */
static void call_in(lua_State *L, lua_State *co) {
    scheduler *s = scheduler_of(L);
    lua_State *before = s->current;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 2);
    if (co != NULL)
        s->current = co;
    int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
    s->current = before;
    if (status != LUA_OK)
        lua_error(L);
}

/* resume(coroutine, ...), close(coroutine), load(function, ...): what they return of an exit is raised again. A
 * coroutine that dies of it is closed. */
static int pass_on(lua_State *L) {
    luaL_checkany(L, 1);
    lua_State *co = lua_tothread(L, 1);
    lua_pushvalue(L, 1);
    lua_insert(L, 1); /* kept until here */
    call_in(L, co);
    if (lua_gettop(L) == 3 && !lua_toboolean(L, 2) && scheduler_is_exit(L, 3)) {
        if (co != NULL)
            lua_resetthread(co);
        return lua_error(L);
    }
    return lua_gettop(L) - 1;
}

static int pass_on_coroutine(lua_State *L) {
    luaL_argexpected(L, lua_isthread(L, 1), 1, "coroutine");
    return pass_on(L);
}

/* What wrap() returns: the upvalues are what Lua's own does, and the coroutine. */
static int wrapped(lua_State *L) {
    lua_pushnil(L);
    lua_insert(L, 1);
    call_in(L, lua_tothread(L, lua_upvalueindex(2)));
    return lua_gettop(L) - 1;
}

static int wrap(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    if (lua_getupvalue(L, -1, 1) == NULL || !lua_isthread(L, -1))
        return luaL_error(L, "coroutine.wrap is not that of this Lua");
    lua_pushcclosure(L, wrapped, 2);
    return 1;
}

/* ---- what is waited for ---- */

int exit_background(lua_State *L) {
    task *t = luaL_checkudata(L, 1, TASK);
    if (!t->background && !scheduler_ended(t)) {
        t->background = true;
        t->scheduler->background++;
    }
    return 1;
}

int exit_left(lua_State *L) {
    const scheduler *s = scheduler_of(L);
    lua_pushinteger(L, (lua_Integer)(s->live - s->background) - 1);
    return 1;
}

static int rested(lua_State *L, int status, lua_KContext context) {
    scheduler *s = scheduler_of(L);
    (void)status;
    s->rest = NULL;
    return context && s->running->cancelled ? scheduler_cancelled(L) : 0;
}

int exit_rest(lua_State *L) {
    scheduler *s = scheduler_of(L);
    bool raises = lua_toboolean(L, 1);
    if (s->live <= s->background + 1 || s->rest != NULL)
        return 0;
    lua_settop(L, 0);
    s->rest = lua_newuserdatauv(L, sizeof *s->rest, 0);
    *s->rest = (task_wait){.cancel = NULL};
    return task_await(L, s->rest, raises, rested);
}

int exit_go_on(lua_State *L) {
    const scheduler *s = scheduler_of(L);
    if (s->running != NULL)
        s->running->cancelled = false;
    return 0;
}

/* ---- the module ---- */

static int finish_catch(lua_State *L, int status, lua_KContext context) {
    (void)context;
    computing_settle(L);
    lua_pushboolean(L, status == LUA_OK || status == LUA_YIELD);
    lua_replace(L, 1);
    return lua_gettop(L);
}

int exit_catch(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushcfunction(L, scheduler_remember);
    lua_insert(L, 1);
    return finish_catch(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, finish_catch), 0);
}

/* In the table on top: the function in place of Lua's own, which is its upvalue. [-0, +0, m] */
static void put_before(lua_State *L, const char *name, lua_CFunction function) {
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
}

void exit_open(lua_State *L) {
    lua_getglobal(L, "os");
    lua_pushcfunction(L, exit_);
    lua_setfield(L, -2, "exit");
    lua_getglobal(L, "coroutine");
    put_before(L, "resume", pass_on_coroutine);
    put_before(L, "close", pass_on_coroutine);
    put_before(L, "wrap", wrap);
    lua_pushglobaltable(L);
    put_before(L, "load", pass_on);
    lua_pop(L, 3);
    lua_register(L, "pcall", pcall_);
    lua_register(L, "xpcall", xpcall_);
}
