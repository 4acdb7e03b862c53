#include "mirrors.h"

#include "chunk.h"
#include "error.h"
#include "http.h"
#include "json.h"
#include "kafka.h"
#include "mirrors_inside.h"
#include "printable.h"
#include "task.h"

#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* json_string(text) -> its JSON form, quotes included */
static int json_string(lua_State *L) {
    luaL_checktype(L, 1, LUA_TSTRING);
    json_push_string(L, 1);
    return 1;
}

static bool holds_uuid(const char *text, size_t length) {
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"; /* of hexadecimal digits */
    if (length != sizeof form - 1)
        return false;
    for (size_t i = 0; i < length; i++)
        if (form[i] == '-' ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
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
    static const luaL_Reg functions[] = {{"url_allowed", url_allowed},     {"url_is_local", url_is_local},
                                         {"proxy_allowed", proxy_allowed}, {"json_string", json_string},
                                         {"json_write", json_write},       {"is_uuid", is_uuid},
                                         {"is_private", is_private},       {"printable", printable_lua},
                                         {"kafka_ask", kafka_ask},         {"kafka_ask_groups", kafka_ask_groups},
                                         {"kafka_answer", kafka_answer},   {NULL, NULL}};
    json_open(L);
    kafka_open(L);
    luaL_newlib(L, functions);
    mirrors_account_functions(L);
    mirrors_call_functions(L);
    lua_pushcfunction(L, load_part);
    lua_insert(L, -2);
    error_constructor(L);
    push_task_module(L);
    chunk_run(L, "runtime/mirrors.lua", 4);
    return 1;
}
