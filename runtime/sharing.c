#include "sharing.h"

#include "class.h"
#include "mirrors.h"
#include "scheduler.h"

#include <lauxlib.h>
#include <math.h>

#define SHARE "sharing.share"

/* Of one governor, its user value. */
typedef struct share {
    governor *governor;
    leased *leased;
    loop *loop;
    task_wait wait;
    loop_timer timer;
    bool waiting; /* for a call */
    bool called;  /* since it was last waited for */
} share;

static share *check_share(lua_State *L) {
    return luaL_checkudata(L, 1, SHARE);
}

/* ---- waiting ---- */

static void wanted(void *owner) {
    share *s = owner;
    s->called = true;
    if (s->waiting)
        task_wake(&s->wait);
}

static void time_is_up(loop_timer *timer) {
    task_wake(&((share *)timer->owner)->wait);
}

static int waited(lua_State *L, int status, lua_KContext context) {
    share *s = (share *)context;
    (void)status;
    loop_stop(s->loop, &s->timer);
    s->waiting = false;
    lua_pushboolean(L, s->called);
    s->called = false;
    return 1;
}

static int begin_wait(lua_State *L, share *s, double seconds, lua_KFunction k) {
    s->wait = (task_wait){.done = false};
    if (isfinite(seconds) && !loop_start(s->loop, &s->timer, loop_now() + seconds))
        return luaL_error(L, "not enough memory to wait");
    return task_await(L, &s->wait, (lua_KContext)s, k);
}

/* share:wait([seconds]) -> whether moments are wanted, or there is news. Only one task may wait. */
static int share_wait(lua_State *L) {
    share *s = check_share(L);
    double seconds = luaL_optnumber(L, 2, INFINITY);
    if (s->called)
        return waited(L, LUA_OK, (lua_KContext)s);
    s->waiting = true;
    s->timer.background = governor_waiting(s->governor) == 0;
    return begin_wait(L, s, seconds, waited);
}

static int paused(lua_State *L, int status, lua_KContext context) {
    (void)L, (void)status, (void)context;
    return 0;
}

/* share:pause(seconds): waits, whatever is wanted meanwhile */
static int share_pause(lua_State *L) {
    share *s = check_share(L);
    s->timer.background = false;
    return begin_wait(L, s, luaL_checknumber(L, 2), paused);
}

/* share:wake(): ends a wait */
static int share_wake(lua_State *L) {
    wanted(check_share(L));
    return 0;
}

/* ---- what is wanted, and what has happened ---- */

/* share:wanted() -> how many moments */
static int share_wanted(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)governor_wanted(check_share(L)->governor));
    return 1;
}

/* share:late() -> { number, … }, { moment, … } of requests that went out late, each once */
static int share_late(lua_State *L) {
    leased *l = check_share(L)->leased;
    lua_createtable(L, (int)l->lates, 0);
    lua_createtable(L, (int)l->lates, 0);
    for (size_t i = 0; i < l->lates; i++) {
        lua_pushinteger(L, (lua_Integer)l->late[i].number);
        lua_rawseti(L, -3, (lua_Integer)i + 1);
        lua_pushnumber(L, l->late[i].at);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    l->lates = 0;
    return 2;
}

/* share:rejected() -> number, moment, seconds or negative of a request that was rejected, each once; nil: no other */
static int share_rejected(lua_State *L) {
    leased *l = check_share(L)->leased;
    if (l->rejections == 0)
        return 0;
    const leased_rejection *r = &l->rejected[--l->rejections];
    lua_pushinteger(L, (lua_Integer)r->number);
    lua_pushnumber(L, r->went);
    lua_pushnumber(L, r->seconds);
    return 3;
}

/* share:given_up() -> how many moments could not be used so far */
static int share_given_up(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)check_share(L)->leased->given_up);
    return 1;
}

/* ---- a rate that is found out ---- */

/* share:learnt() -> rate, stride, paused: as climb.h has them */
static int share_learnt(lua_State *L) {
    const climb *c = &check_share(L)->leased->learnt;
    lua_pushnumber(L, c->rate);
    lua_pushnumber(L, c->stride);
    lua_pushinteger(L, (lua_Integer)c->paused);
    return 3;
}

/* share:learn(rate, stride, paused, next) */
static int share_learn(lua_State *L) {
    climb *c = &check_share(L)->leased->learnt;
    *c = (climb){
        .rate = luaL_checknumber(L, 2), .stride = luaL_checknumber(L, 3), .paused = (uint64_t)luaL_checkinteger(L, 4)};
    climb_check(c, (uint64_t)luaL_checkinteger(L, 5));
    return 0;
}

static double field(lua_State *L, const char *name) {
    lua_getfield(L, 2, name);
    double value = luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return value;
}

static void set_field(lua_State *L, const char *name, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, 2, name);
}

/* share:reject(head, now, went, accepted, seconds): brings the fields of `head` (number, slowness, throttled_at, not_before,
 * rate, stride, paused) to what they are after a 429, as quota.h and governor_rejected() have them */
static int share_reject(lua_State *L) {
    const share *s = check_share(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    double now = luaL_checknumber(L, 3);
    quota_head h = {
        .next = (uint64_t)field(L, "number"),
        .slowness = field(L, "slowness"),
        .throttled_at = field(L, "throttled_at"),
        .not_before = field(L, "not_before"),
        .learnt = {.rate = field(L, "rate"), .stride = field(L, "stride"), .paused = (uint64_t)field(L, "paused")}};
    climb_check(&h.learnt, h.next);
    double seconds =
        governor_rejected(s->governor, &h, now, luaL_checknumber(L, 4), luaL_checknumber(L, 5), luaL_checknumber(L, 6));
    set_field(L, "slowness", h.slowness);
    set_field(L, "throttled_at", h.throttled_at);
    set_field(L, "not_before", fmax(h.not_before, now + seconds));
    set_field(L, "rate", h.learnt.rate);
    set_field(L, "stride", h.learnt.stride);
    set_field(L, "paused", (double)h.learnt.paused);
    return 0;
}

/* ---- moments ---- */

/* share:lease({ moment, … }, { what each proves, … }, number of the first, most to
 * hold, not before): moments on task.now()'s clock */
static int share_lease(lua_State *L) {
    leased *l = check_share(L)->leased;
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 3, LUA_TTABLE);
    l->next = (uint64_t)luaL_checkinteger(L, 4);
    l->most = luaL_checknumber(L, 5);
    l->not_before = fmax(l->not_before, luaL_checknumber(L, 6));
    for (lua_Integer i = 1, count = (lua_Integer)lua_rawlen(L, 2); i <= count; i++) {
        lua_rawgeti(L, 2, i);
        lua_rawgeti(L, 3, i);
        leased_add(l, (leased_moment){.number = l->next++,
                                      .at = luaL_checknumber(L, -2),
                                      .proves = (uint64_t)luaL_checknumber(L, -1)});
        lua_pop(L, 2);
    }
    governor_leased(check_share(L)->governor);
    return 0;
}

/* share:apart(fraction): nobody leases any for now, see governor_apart() */
static int share_apart(lua_State *L) {
    governor_apart(check_share(L)->governor, luaL_checknumber(L, 2));
    return 0;
}

/* ---- the module ---- */

static void nobody(void *owner) {
    (void)owner;
}

static int share_gc(lua_State *L) {
    check_share(L)->leased->wanted = nobody;
    return 0;
}

/* share(governor) -> share */
static int new_share(lua_State *L) {
    governor *g = mirrors_governor(L, 1);
    share *s = lua_newuserdatauv(L, sizeof *s, 1);
    *s = (share){.governor = g, .loop = task_loop(L), .timer = {.fire = time_is_up, .owner = s}};
    s->leased = governor_lease(g, wanted, s);
    if (s->leased == NULL)
        return luaL_error(L, "not enough memory to share a rate");
    luaL_setmetatable(L, SHARE);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

int luaopen_sharing(lua_State *L) {
    static const luaL_Reg methods[] = {{"wait", share_wait},
                                       {"pause", share_pause},
                                       {"wake", share_wake},
                                       {"wanted", share_wanted},
                                       {"late", share_late},
                                       {"rejected", share_rejected},
                                       {"given_up", share_given_up},
                                       {"learnt", share_learnt},
                                       {"learn", share_learn},
                                       {"reject", share_reject},
                                       {"lease", share_lease},
                                       {"apart", share_apart},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {{"share", new_share}, {NULL, NULL}};
    class_new(L, SHARE, methods, share_gc);
    luaL_newlib(L, functions);
    return 1;
}
