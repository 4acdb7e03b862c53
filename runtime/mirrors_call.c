#include "mirrors_inside.h"

#include "class.h"
#include "error.h"
#include "fence.h"
#include "mirrors.h"
#include "result.h"
#include "scheduler.h"
#include "shape.h"

#include <lauxlib.h>
#include <math.h>
#include <stddef.h>

#define CALL "mirrors.call"
#define WIRE "mirrors.wire"
#define SHAPE "mirrors.shape"

/* A change that is on its way when its task is cancelled has this long to be answered, in seconds. */
#define GRACE 10.0

/* Seconds: more than that is no delay on the way, but the server's work. */
#define LONGEST_ON_THE_WAY 0.1

/* How an operation goes over the wire, the same each time. Its user values keep the strings alive. */
enum { WIRE_METHOD = 1, WIRE_VALUE, WIRE_VALUES = WIRE_VALUE };

typedef struct wire {
    const char *method;
    double quickest; /* seconds that it took at least from sending to answer; 0: not answered yet */
    bool change;
    result_wanted wanted;
} wire;

/* One operation with its arguments, sent once or more often. It owns what is under way for it. User values: */
enum { CALL_ACCOUNT = 1, CALL_WIRE, CALL_PATH, CALL_BODY, CALL_VALUES = CALL_BODY };

typedef struct call {
    wire *wire;
    account *account;
    governor_pass pass;
    fence_pass fence; /* of a change */
    http_request *http;
    task_wait wait;
    loop_timer grace;
    loop *loop;
    double timeout;
    double delay; /* seconds to wait for the quota, when its task was woken to say so */
    bool delayed_by_429;
    double held; /* seconds for which a 429 holds the queue, when that is why it was turned away */
    double granted_at, sent_at, ended_at; /* of the last attempt, on loop_now()'s clock; 0: did not come to it */
    const char *path, *body;
    size_t body_length;
    bool out_of_memory;
    bool late; /* the fence was in the way */
} call;

static size_t under_way;
static bool changed;

/* ---- one attempt ---- */

/* Gives back all that the attempt holds; harmless when it holds nothing. */
static void end_attempt(call *c) {
    if (c->pass.state != GOVERNOR_NONE)
        under_way--;
    fence_leave(&c->fence);
    governor_leave(c->account->governor, &c->pass);
    loop_stop(c->loop, &c->grace);
    if (c->http != NULL)
        http_release(c->http);
    c->http = NULL;
}

static bool sending(void *owner, double at) {
    call *c = owner;
    c->late = c->wire->change && fence_is_over();
    if (c->late)
        return false;
    c->sent_at = at;
    changed = changed || c->wire->change;
    governor_sent(c->account->governor, &c->pass, at);
    return true;
}

/* What took longer than it does at the quickest may have been longer on the way there. */
static void arrived(call *c, bool accepted) {
    double took = c->ended_at - c->sent_at, *quickest = &c->wire->quickest;
    if (*quickest == 0 || took < *quickest)
        *quickest = took;
    governor_arrived(c->account->governor, &c->pass, c->sent_at + fmin(took - *quickest, LONGEST_ON_THE_WAY), accepted);
}

static void answered(void *owner) {
    call *c = owner;
    const http_answer *answer = http_answer_of(c->http);
    c->ended_at = answer->ended;
    fence_leave(&c->fence);
    if (answer->status > 0 && c->sent_at > 0)
        arrived(c, answer->status != 429);
    if (answer->status == 429)
        governor_throttled(c->account->governor, &c->pass, answer->retry_after);
    loop_stop(c->loop, &c->grace);
    task_wake(&c->wait);
}

static void fence_over(fence_pass *p) {
    call *c = p->owner;
    c->late = true;
    http_cut(c->http);
    task_wake(&c->wait);
}

static void granted(governor_pass *p) {
    static const http_events events = {.sending = sending, .done = answered};
    call *c = p->owner;
    c->late = c->wire->change && fence_is_over();
    if (c->late) {
        task_wake(&c->wait);
        return;
    }
    c->http = http_start(c->account->http, c->wire->method, c->path, c->body, c->body_length, c->timeout, &events, c);
    c->out_of_memory = c->http == NULL;
    if (c->out_of_memory) {
        task_wake(&c->wait);
        return;
    }
    c->granted_at = http_answer_of(c->http)->started;
    if (c->wire->change)
        fence_enter(&c->fence);
}

static void turned_away(governor_pass *p, double seconds) {
    call *c = p->owner;
    c->held = seconds;
    task_wake(&c->wait);
}

static void delayed(governor_pass *p, double seconds, bool throttled) {
    call *c = p->owner;
    c->delayed_by_429 = throttled;
    c->delay = seconds;
    task_wake(&c->wait);
}

static void abandon(call *c) {
    end_attempt(c);
    c->wait.cancelled = true;
    task_wake(&c->wait);
}

static void grace_over(loop_timer *t) {
    abandon(t->owner);
}

/* Nothing is lost by dropping what only reads, or what has not gone out. */
static void cancel_attempt(task_wait *w) {
    call *c = (call *)((char *)w - offsetof(call, wait));
    if (!c->wire->change || c->sent_at == 0 || !loop_start(c->loop, &c->grace, loop_now() + GRACE))
        abandon(c);
}

/* ---- what came of it ---- */

/* As result_push. [-0, +4, m] */
static int push_turned_away(lua_State *L, const call *c) {
    lua_pushboolean(L, false);
    error_constructor(L);
    lua_pushliteral(L, "rate_limited");
    lua_pushfstring(L,
                    "not sent: after an answer 429 to this or another process, nothing may be sent for another %I s, "
                    "which is longer than this call may take",
                    (LUAI_UACINT)ceil(c->held));
    lua_call(L, 2, 1);
    lua_pushboolean(L, false);
    lua_pushnumber(L, c->held);
    return 4;
}

/* As result_push. [-0, +(1|3), m] */
static int push_late(lua_State *L, const call *c) {
    if (c->sent_at == 0)
        return lua_pushnil(L), 1;
    lua_pushboolean(L, false);
    error_constructor(L);
    lua_pushliteral(L, "transport");
    lua_pushliteral(L, "cut off before its answer came, as the lease on the job was about to run out");
    lua_call(L, 2, 1);
    lua_pushboolean(L, true);
    return 3;
}

static bool has_ended(const call *c) {
    return c->late || c->ended_at > 0 || c->pass.state == GOVERNOR_TURNED_AWAY;
}

static int attempted(lua_State *L, int status, lua_KContext context) {
    call *c = (call *)context;
    (void)status;
    if (c->wait.cancelled) {
        bool sent = c->wire->change && c->sent_at != 0;
        lua_pushboolean(L, false);
        error_constructor(L);
        lua_pushliteral(L, "cancelled");
        lua_pushstring(L, sent ? "stopped before the answer came: it may or may not have been carried out"
                               : "stopped before it was sent");
        lua_call(L, 2, 1);
        lua_pushboolean(L, sent);
        return 3;
    }
    if (c->out_of_memory) {
        end_attempt(c);
        return luaL_error(L, "not enough memory for a request");
    }
    if (!has_ended(c)) {
        lua_pushnil(L);
        lua_pushnumber(L, c->delay);
        lua_pushboolean(L, c->delayed_by_429);
        return 3;
    }
    if (c->late) {
        end_attempt(c);
        return push_late(L, c);
    }
    if (c->pass.state == GOVERNOR_TURNED_AWAY && c->held == 0) {
        end_attempt(c);
        lua_pushnil(L);
        return 1;
    }
    int results = c->pass.state == GOVERNOR_TURNED_AWAY ? push_turned_away(L, c)
                                                        : result_push(L, http_answer_of(c->http), &c->wire->wanted);
    end_attempt(c);
    return results;
}

/* attempt(call, timeout, patience: seconds for which a 429 may hold it) -> true, result | false, error, may have been
 * carried out, seconds to wait | nil, what the API says of it | nil || nil, seconds, because of a 429: it waits for the
 * quota, for so long; go on with go_on() || nil: it was recalled before it was sent */
static int attempt(lua_State *L) {
    call *c = luaL_checkudata(L, 1, CALL);
    c->timeout = luaL_checknumber(L, 2);
    double patience = luaL_checknumber(L, 3);
    task_check(L);
    end_attempt(c);
    c->pass.latest = loop_now() + patience;
    c->wait = (task_wait){.cancel = cancel_attempt};
    c->granted_at = c->sent_at = c->ended_at = 0;
    c->late = false;
    governor_enter(c->account->governor, &c->pass);
    under_way++;
    return task_await(L, &c->wait, (lua_KContext)c, attempted);
}

/* go_on(call) -> as attempt() */
static int go_on(lua_State *L) {
    call *c = luaL_checkudata(L, 1, CALL);
    if (c->pass.state == GOVERNOR_QUEUED && task_is_cancelled(L))
        end_attempt(c);
    task_check(L);
    c->wait = (task_wait){.cancel = cancel_attempt};
    if (has_ended(c) || c->out_of_memory)
        return attempted(L, LUA_OK, (lua_KContext)c);
    return task_await(L, &c->wait, (lua_KContext)c, attempted);
}

/* ---- calls ---- */

/* shape(description) -> a shape, see shape.h */
static int new_shape(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    const shape **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = shape_new(L, 1);
    luaL_setmetatable(L, SHAPE);
    return 1;
}

/* misfit(shape, value) -> what is wrong with the value | nil */
static int misfit(lua_State *L) {
    const shape **box = luaL_checkudata(L, 1, SHAPE);
    lua_settop(L, 2);
    const char *problem = shape_check(L, *box);
    lua_pushstring(L, problem); /* nil for none */
    return 1;
}

/* wire(description) -> how an operation goes over the wire: method, success, change, json, shape | nil, value | nil, as
 * v1.lua describes them. */
static int new_wire(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    wire *w = lua_newuserdatauv(L, sizeof *w, WIRE_VALUES);
    *w = (wire){.change = false};
    luaL_setmetatable(L, WIRE);
    lua_getfield(L, 1, "method");
    w->method = luaL_checkstring(L, -1);
    lua_setiuservalue(L, 2, WIRE_METHOD);
    if (lua_getfield(L, 1, "shape") == LUA_TTABLE)
        w->wanted.shape = shape_new(L, 3);
    lua_settop(L, 2);
    lua_getfield(L, 1, "value");
    w->wanted.value = luaL_optstring(L, -1, NULL);
    lua_setiuservalue(L, 2, WIRE_VALUE);
    lua_getfield(L, 1, "success");
    w->wanted.success = (long)luaL_checkinteger(L, -1);
    lua_getfield(L, 1, "json");
    w->wanted.json = lua_toboolean(L, -1);
    lua_getfield(L, 1, "change");
    w->change = lua_toboolean(L, -1);
    lua_settop(L, 2);
    return 1;
}

/* prepare(account, wire, path, [body]) -> call */
static int prepare(lua_State *L) {
    account *a = luaL_checkudata(L, 1, MIRRORS_ACCOUNT);
    wire *w = luaL_checkudata(L, 2, WIRE);
    luaL_checkstring(L, 3);
    lua_settop(L, 4);
    call *c = lua_newuserdatauv(L, sizeof *c, CALL_VALUES);
    *c = (call){.wire = w, .account = a, .loop = task_loop(L)};
    c->pass = (governor_pass){.granted = granted, .turned_away = turned_away, .delayed = delayed, .owner = c};
    c->grace = (loop_timer){.fire = grace_over, .owner = c};
    c->fence = (fence_pass){.over = fence_over, .owner = c};
    c->path = lua_tostring(L, 3);
    c->body = lua_tolstring(L, 4, &c->body_length);
    luaL_setmetatable(L, CALL);
    for (int i = CALL_ACCOUNT; i <= CALL_VALUES; i++) {
        lua_pushvalue(L, i);
        lua_setiuservalue(L, -2, i);
    }
    return 1;
}

static int call_gc(lua_State *L) {
    call *c = luaL_checkudata(L, 1, CALL);
    if (c->account != NULL)
        end_attempt(c);
    c->account = NULL;
    return 0;
}

/* changes_until(moment | nil): changes may be sent until then, on task.now()'s clock; nil: for ever */
static int changes_until(lua_State *L) {
    if (!fence_set(task_loop(L), luaL_optnumber(L, 1, HUGE_VAL)))
        return luaL_error(L, "not enough memory");
    return 0;
}

/* is_late(call) -> whether it must not be sent, as that moment is over */
static int is_late(lua_State *L) {
    const call *c = luaL_checkudata(L, 1, CALL);
    lua_pushboolean(L, c->wire->change && fence_is_over());
    return 1;
}

/* times(call) -> when the last attempt was let go, sent and ended; 0 where it did not come to that */
static int times(lua_State *L) {
    const call *c = luaL_checkudata(L, 1, CALL);
    lua_pushnumber(L, c->granted_at);
    lua_pushnumber(L, c->sent_at);
    lua_pushnumber(L, c->ended_at);
    return 3;
}

bool mirrors_changed(void) {
    return changed;
}

size_t mirrors_under_way(void) {
    return under_way;
}

/* under_way() -> requests that wait for their turn or their answer */
static int count_under_way(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)under_way);
    return 1;
}

void mirrors_call_functions(lua_State *L) {
    static const luaL_Reg functions[] = {{"wire", new_wire},   {"shape", new_shape},
                                         {"misfit", misfit},   {"prepare", prepare},
                                         {"attempt", attempt}, {"go_on", go_on},
                                         {"times", times},     {"changes_until", changes_until},
                                         {"is_late", is_late}, {"under_way", count_under_way},
                                         {NULL, NULL}};
    luaL_newmetatable(L, WIRE);
    luaL_newmetatable(L, SHAPE);
    lua_pop(L, 2);
    class_new(L, CALL, NULL, call_gc);
    luaL_setfuncs(L, functions, 0);
}
