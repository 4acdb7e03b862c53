#include "result.h"

#include "error.h"
#include "json.h"
#include "status.h"

#include <string.h>

const char *result_kind(const http_answer *answer) {
    static const char *const failures[] = {[HTTP_TRANSPORT] = "transport",
                                           [HTTP_TLS] = "tls",
                                           [HTTP_TIMEOUT] = "timeout",
                                           [HTTP_PROTOCOL] = "protocol",
                                           [HTTP_REFUSED] = "invalid"};
    if (answer->failure != HTTP_OK)
        return failures[answer->failure];
    return status_kind(answer->status);
}

static bool looks_like_html(const http_answer *answer) {
    size_t blank = strspn(answer->body, " \t\r\n");
    return (answer->type != NULL && strstr(answer->type, "html") != NULL) || answer->body[blank] == '<';
}

/* Without what may hold a secret: a user, and what is behind a question mark. [-0, +1, m] */
static const char *push_redirect(lua_State *L, const char *url) {
    const char *scheme = strstr(url, "://"), *host = scheme == NULL ? url : scheme + 3;
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    if (at != NULL)
        host = at + 1;
    lua_pushlstring(L, url, scheme == NULL ? 0 : (size_t)(scheme + 3 - url));
    lua_pushlstring(L, host, strcspn(host, "?#"));
    lua_concat(L, 2);
    return lua_pushfstring(L, "the answer is a redirect to %s, which is not followed: is the endpoint right?",
                           lua_tostring(L, -1));
}

static const char *describe_status(lua_State *L, const result_wanted *wanted, const http_answer *answer) {
    if (looks_like_html(answer))
        return "the answer is an HTML page, not the API's: is there a proxy in between, or is the endpoint "
               "wrong?";
    if (answer->status >= 300 && answer->status < 400)
        return answer->redirect == NULL ? "the answer is a redirect, which is not followed: is the endpoint right?"
                                        : push_redirect(L, answer->redirect);
    if (answer->status >= 400)
        return answer->length == 0 ? "the answer is empty" : "the answer is not the API's";
    return lua_pushfstring(L, "expected %d%s", (int)wanted->success, wanted->json ? "" : ", without content");
}

static void push_fields(lua_State *L, const http_answer *answer) {
    lua_createtable(L, 0, 10);
    if (answer->status != 0) {
        lua_pushinteger(L, answer->status);
        lua_setfield(L, -2, "status");
    }
}

/* Pushes what the API itself says of a failure, where it is JSON; else nil. [-0, +1, m] */
static void push_told(lua_State *L, const http_answer *answer) {
    int top = lua_gettop(L);
    bool told = answer->failure == HTTP_OK && answer->status >= 400 && answer->length > 0 &&
                json_decode(L, answer->body, answer->length, NULL) == JSON_READ;
    if (!told)
        lua_settop(L, top), lua_pushnil(L);
}

/* An answer may prove that it was not, even one that was cut short. */
static bool may_be_done(const http_answer *answer) {
    return answer->sent && !status_is_refusal(answer->status);
}

/* Pushes false, the error object, whether the request may have been carried out, the seconds that the server asks to
 * wait, and what it says of the failure. [-0, +5, m] */
static int push_failure(lua_State *L, const http_answer *answer, const char *kind, const char *message) {
    lua_pushboolean(L, false);
    error_constructor(L);
    lua_pushstring(L, kind);
    lua_pushstring(L, message);
    push_fields(L, answer);
    lua_call(L, 3, 1);
    lua_pushboolean(L, may_be_done(answer));
    if (answer->retry_after >= 0)
        lua_pushnumber(L, answer->retry_after);
    else
        lua_pushnil(L);
    push_told(L, answer);
    return 5;
}

/* What an operation gives, from the answer on top. [-0, +1, m] */
static int push_value(lua_State *L, const result_wanted *wanted) {
    if (wanted->value != NULL) {
        lua_getfield(L, -1, wanted->value);
        lua_remove(L, -2);
    }
    return 2;
}

/* Why the body of a successful answer is not what it should be, or NULL: its value is pushed. [-0, +1, m] */
static const char *decode(lua_State *L, const result_wanted *wanted, const http_answer *answer) {
    if (answer->length == 0)
        return "the answer is empty: expected JSON";
    switch (json_decode(L, answer->body, answer->length, wanted->shape)) {
    case JSON_READ:
        return NULL;
    case JSON_MISFIT:
        return lua_pushfstring(L, "the answer does not fit the API's description: %s", lua_tostring(L, -1));
    default:
        return looks_like_html(answer) ? describe_status(L, wanted, answer)
                                       : lua_pushfstring(L, "the answer is not JSON: %s", lua_tostring(L, -1));
    }
}

/* Pushes true and the value, or why the body of a successful answer is no such value. [-0, +n, m] */
static int push_decoded(lua_State *L, const result_wanted *wanted, const http_answer *answer) {
    int top = lua_gettop(L);
    lua_pushboolean(L, true);
    if (!wanted->json)
        return 1;
    const char *problem = decode(L, wanted, answer);
    if (problem == NULL)
        return push_value(L, wanted);
    lua_pushstring(L, problem);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return push_failure(L, answer, "protocol", lua_tostring(L, top + 1));
}

int result_push(lua_State *L, const http_answer *answer, const result_wanted *wanted) {
    if (answer->failure == HTTP_OK && answer->status == wanted->success)
        return push_decoded(L, wanted, answer);
    const char *message = answer->failure == HTTP_OK ? describe_status(L, wanted, answer) : answer->reason;
    return push_failure(L, answer, result_kind(answer), message);
}
