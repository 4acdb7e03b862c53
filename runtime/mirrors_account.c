#include "mirrors_inside.h"

#include "class.h"
#include "mirrors.h"
#include "scheduler.h"

#include <lauxlib.h>

#define GOVERNOR "mirrors.governor"

/* ---- governors ---- */

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

/* ---- accounts ---- */

static const char *option(lua_State *L, const char *name) {
    lua_getfield(L, 1, name);
    return lua_tostring(L, -1); /* stays on the stack, and so alive */
}

static int account_gc(lua_State *L) {
    account *a = luaL_checkudata(L, 1, MIRRORS_ACCOUNT);
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
    luaL_setmetatable(L, MIRRORS_ACCOUNT);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, 1);
    a->http = http_client_new(task_loop(L), &options);
    return a->http != NULL ? 1 : luaL_error(L, "not enough memory for an account");
}

/* base_path(account) -> what every path begins with */
static int base_path(lua_State *L) {
    const account *a = luaL_checkudata(L, 1, MIRRORS_ACCOUNT);
    lua_pushstring(L, http_base_path(a->http));
    return 1;
}

void mirrors_account_functions(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"account", new_account}, {"governor", new_governor}, {"alone", alone}, {"rate", rate_of},
        {"recall", recall},       {"base_path", base_path},   {NULL, NULL}};
    class_new(L, GOVERNOR, NULL, governor_gc);
    class_new(L, MIRRORS_ACCOUNT, NULL, account_gc);
    luaL_setfuncs(L, functions, 0);
}
