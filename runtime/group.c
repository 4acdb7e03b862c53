#include "group.h"

#include "error.h"
#include "scheduler_inside.h"

#include <lauxlib.h>
#include <stdint.h>

/* Where the first member that failed is kept with the userdata. */
enum { FAILURE = 1, GROUP_VALUES = 1 };

struct group {
    task *first, *last; /* members, as they were spawned */
    task *next_held;    /* those that have not been started are among it and what follows */
    size_t active, limit;
    bool stopped; /* by a failure, or on request: who joins is cancelled */
    bool left;    /* nobody joins any more */
};

static group *check_group(lua_State *L, int index) {
    return luaL_checkudata(L, index, GROUP);
}

static void start_next(group *g) {
    while (g->next_held != NULL && g->active < g->limit) {
        task *t = g->next_held;
        g->next_held = t->next_member;
        if (t->state == HELD) {
            t->placed = true;
            g->active++;
            scheduler_start(t);
        }
    }
}

static void cancel_members(group *g) {
    g->stopped = true;
    for (task *t = g->first; t != NULL; t = t->next_member)
        scheduler_cancel(t);
}

static void add(group *g, task *t) {
    t->group = g;
    t->previous_member = g->last;
    *(g->last != NULL ? &g->last->next_member : &g->first) = t;
    g->last = t;
    if (g->next_held == NULL)
        g->next_held = t;
}

static void take_out(group *g, task *t) {
    if (g->next_held == t)
        g->next_held = t->next_member;
    *(t->previous_member != NULL ? &t->previous_member->next_member : &g->first) = t->next_member;
    *(t->next_member != NULL ? &t->next_member->previous_member : &g->last) = t->previous_member;
    t->next_member = t->previous_member = NULL;
}

/* The first failure is kept; it cancels the others. [-0, +0, -] */
static void fail(group *g, task *t) {
    lua_State *L = t->scheduler->L;
    scheduler_push_tasks(L);
    lua_rawgetp(L, -1, t);
    lua_getiuservalue(L, -1, GROUP_OF);
    bool first = lua_getiuservalue(L, -1, FAILURE) == LUA_TNIL;
    lua_pop(L, 1);
    if (first) {
        lua_pushvalue(L, -2);
        lua_setiuservalue(L, -2, FAILURE);
        cancel_members(g);
    }
    lua_pop(L, 3);
}

/* A member has ended, however that came. */
static void leave(task *t) {
    group *g = t->group;
    take_out(g, t);
    if (t->placed)
        g->active--;
    if (t->state == FAILED && !scheduler_died_cancelled(t))
        fail(g, t);
    start_next(g);
}

/* new_group(most members at once, or nil) -> group */
static int new_group(lua_State *L) {
    lua_Integer limit = luaL_optinteger(L, 1, 0);
    group *g = lua_newuserdatauv(L, sizeof *g, GROUP_VALUES);
    *g = (group){.limit = limit > 0 ? (size_t)limit : SIZE_MAX};
    luaL_setmetatable(L, GROUP);
    return 1;
}

/* spawn_member(group, fn, ...) -> task: of one that was cancelled, to die of it */
static int spawn_member(lua_State *L) {
    group *g = check_group(L, 1);
    if (g->left)
        return error_raise(L, "invalid", "group:spawn: the group's scope has been left");
    task *t = scheduler_new(L, lua_gettop(L) - 2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, GROUP_OF);
    t->observed = true;
    t->ended = leave;
    add(g, t);
    if (g->stopped)
        scheduler_cancel(t);
    else
        start_next(g);
    return 1;
}

/* member(group) -> a task of it that has not ended | nil */
static int member(lua_State *L) {
    const task *t = check_group(L, 1)->first;
    scheduler_push_tasks(L);
    lua_rawgetp(L, -1, t);
    return 1;
}

/* failed_member(group) -> the first that failed | nil */
static int failed_member(lua_State *L) {
    check_group(L, 1);
    lua_getiuservalue(L, 1, FAILURE);
    return 1;
}

/* cancel_group(group) */
static int cancel_group(lua_State *L) {
    cancel_members(check_group(L, 1));
    return 0;
}

/* leave_group(group): nobody joins it from now on */
static int leave_group(lua_State *L) {
    check_group(L, 1)->left = true;
    return 0;
}

void group_functions(lua_State *L) {
    static const luaL_Reg functions[] = {{"new_group", new_group},
                                         {"spawn_member", spawn_member},
                                         {"member", member},
                                         {"failed_member", failed_member},
                                         {"cancel_group", cancel_group},
                                         {"leave_group", leave_group},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    luaL_newmetatable(L, GROUP);
}
