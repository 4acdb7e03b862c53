#include "fetch.h"

#include "class.h"
#include "http.h"
#include "result.h"
#include "scheduler.h"
#include "status.h"

#include <lauxlib.h>

#define FETCH "fetch"

/* A request with the client that it is made by. Connections are the loop's, and stay. */
typedef struct fetch {
    http_client *client;
    http_request *request;
    task_wait wait;
    bool holds; /* the clock */
} fetch;

static void end(fetch *f) {
    if (f->holds)
        loop_hold(false);
    http_client_free(f->client); /* with the request */
    *f = (fetch){.wait = f->wait};
}

static int fetch_gc(lua_State *L) {
    end(luaL_checkudata(L, 1, FETCH));
    return 0;
}

/* ---- the loop's callbacks ---- */

static bool sending(void *owner, double at) {
    (void)owner, (void)at;
    return true;
}

static void answered(void *owner) {
    fetch *f = owner;
    task_wake(&f->wait);
}

static void cancel(task_wait *w) {
    fetch *f = (fetch *)((char *)w - offsetof(fetch, wait));
    end(f);
    w->cancelled = true;
    task_wake(w);
}

/* ---- what came of it ---- */

static int push_failure(lua_State *L, const char *kind, const char *reason, bool sent) {
    lua_pushnil(L);
    lua_pushstring(L, kind);
    lua_pushstring(L, reason);
    lua_pushboolean(L, sent);
    return 4;
}

static int push_answer(lua_State *L, const http_answer *answer) {
    lua_pushinteger(L, answer->status);
    lua_pushlstring(L, answer->body, answer->length);
    lua_pushstring(L, answer->type);
    lua_pushstring(L, answer->redirect);
    lua_pushstring(L, status_kind(answer->status));
    return 5;
}

static int fetched(lua_State *L, int status, lua_KContext context) {
    fetch *f = (fetch *)context;
    (void)status;
    if (f->wait.cancelled)
        return push_failure(L, "cancelled", "stopped before the answer came", true);
    const http_answer *answer = http_answer_of(f->request);
    int results = answer->failure == HTTP_OK ? push_answer(L, answer)
                                             : push_failure(L, result_kind(answer), answer->reason, answer->sent);
    end(f);
    return results;
}

/* ---- the request ---- */

static const char *text_of(lua_State *L, const char *name) {
    lua_getfield(L, 1, name);
    return lua_tostring(L, -1); /* stays on the stack, and so alive */
}

static double number_of(lua_State *L, const char *name) {
    lua_getfield(L, 1, name);
    return luaL_checknumber(L, -1);
}

/* The strings of a list, which stays on the stack, with NULL at their end. [-0, +n, m] */
static const char *const *headers_of(lua_State *L) {
    lua_getfield(L, 1, "headers");
    lua_Integer count = luaL_len(L, -1);
    const char **list = lua_newuserdatauv(L, sizeof *list * ((size_t)count + 1), 0);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, -2, i);
        list[i - 1] = luaL_checkstring(L, -1);
        lua_pop(L, 1); /* the table still holds it */
    }
    list[count] = NULL;
    return list;
}

static http_client *new_client(lua_State *L) {
    http_options options = {.base = text_of(L, "base"),
                            .user_agent = "kmirror/" KMIRROR_VERSION,
                            .username = text_of(L, "username"),
                            .password = text_of(L, "password"),
                            .ca_file = text_of(L, "ca_file"),
                            .ca_dir = text_of(L, "ca_dir"),
                            .headers = headers_of(L)};
    lua_getfield(L, 1, "insecure");
    options.insecure = lua_toboolean(L, -1);
    options.connect_timeout = number_of(L, "timeout");
    options.max_body = (size_t)number_of(L, "max_body");
    return http_client_new(task_loop(L), &options);
}

/* fetch{ base, path, method, body, headers, username, password, ca_file, ca_dir, insecure, timeout, max_body }
 * -> status, body, its type | nil, where it leads to | nil, kind of error that such a status is
 *  | nil, kind, why there is no answer, whether it may have been sent */
static int fetch_(lua_State *L) {
    static const http_events events = {.sending = sending, .done = answered};
    size_t length = 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkstack(L, 32, NULL);
    task_check(L);
    fetch *f = lua_newuserdatauv(L, sizeof *f, 0);
    *f = (fetch){.wait = {.cancel = cancel}};
    luaL_setmetatable(L, FETCH);
    const char *method = text_of(L, "method"), *path = text_of(L, "path");
    lua_getfield(L, 1, "body");
    const char *body = lua_tolstring(L, -1, &length);
    double timeout = number_of(L, "timeout");
    f->client = new_client(L);
    if (f->client != NULL)
        f->request = http_start(f->client, method, path, body, length, timeout, &events, f);
    if (f->request == NULL)
        return luaL_error(L, "not enough memory for a request");
    loop_hold(f->holds = true);
    return task_await(L, &f->wait, (lua_KContext)f, fetched);
}

int luaopen_fetch(lua_State *L) {
    class_new(L, FETCH, NULL, fetch_gc);
    lua_pushcfunction(L, fetch_);
    return 1;
}
