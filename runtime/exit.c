#include "exit.h"

#include "error.h"
#include "scheduler_inside.h"

#include <lauxlib.h>
#include <stdlib.h>

/* ---- os.exit ---- */

/* exit(code): as Lua's, but what it ends is the runbook. */
static int exit_(lua_State *L) {
    scheduler *s = scheduler_of(L);
    int status = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : (int)(luaL_optinteger(L, 1, EXIT_SUCCESS) & 0xff);
    if (s->running == NULL) /* a finalizer, as the state is closed */
        exit(status);
    return scheduler_exit(L, status);
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

/* resume(coroutine, ...): Lua's own is the upvalue. A coroutine that dies of the exit is closed. */
static int resume(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);
    int count = lua_gettop(L);
    lua_pushvalue(L, 1);
    lua_insert(L, 1); /* kept until here */
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 2);
    lua_call(L, count, LUA_MULTRET);
    if (co != NULL && lua_gettop(L) == 3 && !lua_toboolean(L, 2) && scheduler_is_exit(L, 3)) {
        lua_resetthread(co);
        return lua_error(L);
    }
    return lua_gettop(L) - 1;
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

/* ---- the module ---- */

static int finish_catch(lua_State *L, int status, lua_KContext context) {
    (void)context;
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

void exit_open(lua_State *L) {
    lua_getglobal(L, "os");
    lua_pushcfunction(L, exit_);
    lua_setfield(L, -2, "exit");
    lua_getglobal(L, "coroutine");
    lua_getfield(L, -1, "resume");
    lua_pushcclosure(L, resume, 1);
    lua_setfield(L, -2, "resume");
    lua_pop(L, 2);
    lua_register(L, "pcall", pcall_);
    lua_register(L, "xpcall", xpcall_);
}
