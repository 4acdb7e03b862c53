#include "mirrors.h"

#include "chunk.h"
#include "error.h"
#include "fence.h"
#include "http.h"
#include "json.h"
#include "kafka.h"
#include "printable.h"
#include "result.h"
#include "scheduler.h"
#include "shape.h"
#include "task.h"

#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define ACCOUNT "mirrors.account"
#define GOVERNOR "mirrors.governor"
#define CALL "mirrors.call"
#define WIRE "mirrors.wire"
#define SHAPE "mirrors.shape"

/* A change that is on its way when its task is cancelled has this long to be answered, in seconds. */
#define GRACE 10.0

/* Seconds: more than that is no delay on the way, but the server's work. */
#define LONGEST_ON_THE_WAY 0.1

/* One user at one endpoint. Its user value is its governor. */
typedef struct account {
    http_client *http;
    governor *governor;
} account;

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
static void arrived(call *c) {
    double took = c->ended_at - c->sent_at, *quickest = &c->wire->quickest;
    if (*quickest == 0 || took < *quickest)
        *quickest = took;
    governor_arrived(c->account->governor, &c->pass, c->sent_at + fmin(took - *quickest, LONGEST_ON_THE_WAY));
}

static void answered(void *owner) {
    call *c = owner;
    const http_answer *answer = http_answer_of(c->http);
    c->ended_at = answer->ended;
    fence_leave(&c->fence);
    if (answer->status > 0 && c->sent_at > 0)
        arrived(c);
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
    c->granted_at = loop_now();
    c->http = http_start(c->account->http, c->wire->method, c->path, c->body, c->body_length, c->timeout, &events, c);
    c->out_of_memory = c->http == NULL;
    if (c->out_of_memory)
        task_wake(&c->wait);
    else if (c->wire->change)
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
    account *a = luaL_checkudata(L, 1, ACCOUNT);
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

/* ---- accounts and governors ---- */

typedef struct governor_box {
    governor *governor;
} governor_box;

static int governor_gc(lua_State *L) {
    governor_box *box = luaL_checkudata(L, 1, GOVERNOR);
    governor_free(box->governor);
    box->governor = NULL;
    return 0;
}

/* governor(rate | "auto", concurrency, file | nil) -> governor */
static int new_governor(lua_State *L) {
    double rate = lua_isnumber(L, 1) ? lua_tonumber(L, 1) : GOVERNOR_AUTO;
    int concurrency = (int)luaL_checkinteger(L, 2), most = http_most_at_once();
    const char *file = luaL_optstring(L, 3, NULL);
    loop *l = task_loop(L);
    governor_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->governor = NULL;
    luaL_setmetatable(L, GOVERNOR);
    box->governor = governor_new(l, rate, concurrency < most ? concurrency : most, file);
    return box->governor != NULL ? 1 : luaL_error(L, "not enough memory for a governor");
}

governor *mirrors_governor(lua_State *L, int index) {
    const governor_box *box = luaL_checkudata(L, index, GOVERNOR);
    return box->governor;
}

/* alone(governor) -> why its file is not used | nil */
static int alone(lua_State *L) {
    const governor_box *box = luaL_checkudata(L, 1, GOVERNOR);
    lua_pushstring(L, governor_alone(box->governor)); /* NULL is nil */
    return 1;
}

/* rate(governor) -> requests per second that may go out as things stand; 0 for no limit */
static int rate_of(lua_State *L) {
    const governor_box *box = luaL_checkudata(L, 1, GOVERNOR);
    lua_pushnumber(L, governor_rate(box->governor));
    return 1;
}

/* recall(governor): attempts that still wait for the quota are not made */
static int recall(lua_State *L) {
    const governor_box *box = luaL_checkudata(L, 1, GOVERNOR);
    governor_recall(box->governor);
    return 0;
}

static const char *option(lua_State *L, const char *name) {
    lua_getfield(L, 1, name);
    return lua_tostring(L, -1); /* stays on the stack, and so alive */
}

static int account_gc(lua_State *L) {
    account *a = luaL_checkudata(L, 1, ACCOUNT);
    http_client_free(a->http);
    a->http = NULL;
    return 0;
}

/* account(options, governor) -> account */
static int new_account(lua_State *L) {
    const governor_box *box = luaL_checkudata(L, 2, GOVERNOR);
    http_options options = {.base = option(L, "endpoint"),
                            .user_agent = "kmirror/" KMIRROR_VERSION,
                            .username = option(L, "username"),
                            .password = option(L, "api_key"),
                            .ca_file = option(L, "ca_file"),
                            .ca_dir = option(L, "ca_dir"),
                            .cert_file = option(L, "cert_file"),
                            .key_file = option(L, "key_file"),
                            .proxy = option(L, "proxy")};
    lua_getfield(L, 1, "connect_timeout");
    options.connect_timeout = lua_tonumber(L, -1);
    lua_getfield(L, 1, "insecure");
    options.insecure = lua_toboolean(L, -1);
    lua_getfield(L, 1, "max_body");
    options.max_body = (size_t)lua_tointeger(L, -1);
    account *a = lua_newuserdatauv(L, sizeof *a, 1);
    *a = (account){.governor = box->governor};
    luaL_setmetatable(L, ACCOUNT);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, 1);
    a->http = http_client_new(task_loop(L), &options);
    return a->http != NULL ? 1 : luaL_error(L, "not enough memory for an account");
}

/* ---- the module ---- */

/* libcurl takes memory to look at a URL: one that cannot be looked at is not refused. [-0, +1, m] */
static int push_verdict(lua_State *L, bool (*judge)(const char *)) {
    const char *url = luaL_checkstring(L, 1);
    errno = 0;
    bool verdict = judge(url);
    if (!verdict && errno == ENOMEM)
        return luaL_error(L, "not enough memory");
    lua_pushboolean(L, verdict);
    return 1;
}

static bool url_may_be_insecure(const char *url) {
    return http_url_allowed(url, true);
}

static bool url_is_secure(const char *url) {
    return http_url_allowed(url, false);
}

/* url_allowed(url, insecure) -> whether requests may go there; where insecure, by http to another machine, too */
static int url_allowed(lua_State *L) {
    return push_verdict(L, lua_toboolean(L, 2) ? url_may_be_insecure : url_is_secure);
}

/* url_is_local(url) -> whether requests to it stay on this machine, and go past any proxy */
static int url_is_local(lua_State *L) {
    return push_verdict(L, http_url_is_local);
}

/* proxy_allowed(url) -> whether that may be the URL of a proxy */
static int proxy_allowed(lua_State *L) {
    return push_verdict(L, http_proxy_allowed);
}

/* base_path(account) -> what every path begins with */
static int base_path(lua_State *L) {
    const account *a = luaL_checkudata(L, 1, ACCOUNT);
    lua_pushstring(L, http_base_path(a->http));
    return 1;
}

/* json_string(text) -> its JSON form, quotes included */
static int json_string(lua_State *L) {
    luaL_checktype(L, 1, LUA_TSTRING);
    json_push_string(L, 1);
    return 1;
}

/* True of 8-4-4-4-12 hexadecimal digits. */
static bool holds_uuid(const char *text, size_t length) {
    if (length != 36)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

/* is_uuid(value) */
static int is_uuid(lua_State *L) {
    size_t length = 0;
    const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &length) : NULL;
    lua_pushboolean(L, text != NULL && holds_uuid(text, length));
    return 1;
}

/* is_private(path) -> whether nobody but the owner can read the file; nil when it cannot be looked at */
static int is_private(lua_State *L) {
    struct stat status;
    if (stat(luaL_checkstring(L, 1), &status) != 0)
        return 0;
    lua_pushboolean(L, (status.st_mode & (S_IRWXG | S_IRWXO)) == 0);
    return 1;
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

static void new_class(lua_State *L, const char *name, lua_CFunction gc) {
    luaL_newmetatable(L, name);
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

/* Makes task.sleep and the like known to mirrors.lua, in stock Lua too. [-0, +1, e] */
static void push_task_module(lua_State *L) {
    luaL_requiref(L, "mirrors.task", luaopen_task, 0);
}

/* load(name, ...) -> what the embedded file returns when run with the rest as its arguments */
static int load_part(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    chunk_run(L, name, lua_gettop(L) - 1);
    return 1;
}

int luaopen_mirrors(lua_State *L) {
    static const luaL_Reg functions[] = {{"account", new_account},
                                         {"governor", new_governor},
                                         {"alone", alone},
                                         {"rate", rate_of},
                                         {"recall", recall},
                                         {"wire", new_wire},
                                         {"shape", new_shape},
                                         {"misfit", misfit},
                                         {"base_path", base_path},
                                         {"prepare", prepare},
                                         {"attempt", attempt},
                                         {"go_on", go_on},
                                         {"times", times},
                                         {"changes_until", changes_until},
                                         {"is_late", is_late},
                                         {"url_allowed", url_allowed},
                                         {"url_is_local", url_is_local},
                                         {"proxy_allowed", proxy_allowed},
                                         {"json_string", json_string},
                                         {"json_write", json_write},
                                         {"is_uuid", is_uuid},
                                         {"is_private", is_private},
                                         {"printable", printable_lua},
                                         {"under_way", count_under_way},
                                         {"kafka_ask", kafka_ask},
                                         {"kafka_ask_groups", kafka_ask_groups},
                                         {"kafka_answer", kafka_answer},
                                         {NULL, NULL}};
    json_open(L);
    kafka_open(L);
    new_class(L, GOVERNOR, governor_gc);
    new_class(L, ACCOUNT, account_gc);
    luaL_newmetatable(L, WIRE);
    luaL_newmetatable(L, SHAPE);
    lua_pop(L, 2);
    new_class(L, CALL, call_gc);
    luaL_newlib(L, functions);
    lua_pushcfunction(L, load_part);
    lua_insert(L, -2);
    error_constructor(L);
    push_task_module(L);
    chunk_run(L, "runtime/mirrors.lua", 4);
    return 1;
}
