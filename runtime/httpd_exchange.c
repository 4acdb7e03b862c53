#include "httpd_inside.h"

#include "message.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRIP_PAUSE 0.1  /* seconds between two drops, or longer where a drop is one byte */
#define BLOCK_SIZE 4096 /* bytes that libmicrohttpd asks for at a time */

/* ---- resting: a suspended connection that a timer wakes ---- */

void exchange_wake(exchange *e) {
    *e->link = e->next;
    if (e->next != NULL)
        e->next->link = e->link;
    e->link = NULL;
    loop_stop(e->server->loop, &e->timer);
    MHD_resume_connection(e->connection);
}

static void rested(loop_timer *t) {
    exchange *e = t->owner;
    server *s = e->server;
    exchange_wake(e);
    server_run(s);
}

bool exchange_rest(exchange *e, double seconds) {
    server *s = e->server;
    e->timer.fire = rested;
    e->timer.owner = e;
    if (!loop_start(s->loop, &e->timer, loop_now() + seconds))
        return false;
    e->next = s->resting;
    e->link = &s->resting;
    if (e->next != NULL)
        e->next->link = &e->next;
    s->resting = e;
    MHD_suspend_connection(e->connection);
    return true;
}

/* ---- the request, as the handler sees it ---- */

typedef struct header_list {
    size_t count, room;
    struct {
        const char *name, *value;
    } item[];
} header_list;

static enum MHD_Result collect_header(void *into, enum MHD_ValueKind kind, const char *name, const char *value) {
    header_list *headers = into;
    (void)kind;
    if (headers->count == headers->room)
        return MHD_NO;
    headers->item[headers->count].name = name;
    headers->item[headers->count++].value = value;
    return MHD_YES;
}

/* The headers of a request, in a userdata: no Lua runs while libmicrohttpd goes through them. [-0, +1, m] */
static const header_list *push_list(lua_State *L, struct MHD_Connection *c) {
    int count = MHD_get_connection_values(c, MHD_HEADER_KIND, NULL, NULL);
    header_list *headers = lua_newuserdatauv(L, sizeof *headers + (size_t)count * sizeof *headers->item, 0);
    *headers = (header_list){.room = (size_t)count};
    MHD_get_connection_values(c, MHD_HEADER_KIND, collect_header, headers);
    return headers;
}

/* [-0, +0, m] */
static void push_lower(lua_State *L, const char *text) {
    luaL_Buffer lower;
    luaL_buffinit(L, &lower);
    for (; *text != '\0'; text++)
        luaL_addchar(&lower, (char)(*text >= 'A' && *text <= 'Z' ? *text + ('a' - 'A') : *text));
    luaL_pushresult(&lower);
}

/* The headers but Authorization, which credentials() takes apart. [-0, +1, m] */
static void push_headers(lua_State *L, struct MHD_Connection *c) {
    const header_list *headers = push_list(L, c);
    lua_createtable(L, 0, (int)headers->count);
    for (size_t i = 0; i < headers->count; i++) {
        push_lower(L, headers->item[i].name);
        if (strcmp(lua_tostring(L, -1), "authorization") == 0) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushstring(L, headers->item[i].value != NULL ? headers->item[i].value : "");
        lua_rawset(L, -3);
    }
    lua_remove(L, -2);
}

/* What follows the scheme of Basic auth, in whatever case that is written; NULL when there is none. */
static const char *basic_credentials(struct MHD_Connection *c) {
    static const char scheme[] = "basic ";
    const char *value = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    if (value == NULL || strncasecmp(value, scheme, sizeof scheme - 1) != 0)
        return NULL;
    value += sizeof scheme - 1;
    return value + strspn(value, " ");
}

/* Sets username and password of Basic auth in the table on top, where there are any: every byte of them.
 * [-0, +0, m] */
static void set_credentials(lua_State *L, struct MHD_Connection *c) {
    const char *encoded = basic_credentials(c);
    gnutls_datum_t decoded, text = {.data = (unsigned char *)(uintptr_t)encoded};
    char plain[512]; /* a copy, so that a memory error leaks nothing; longer is nobody's key */
    if (encoded == NULL)
        return;
    text.size = (unsigned)strlen(encoded);
    int problem = gnutls_base64_decode2(&text, &decoded);
    if (problem == GNUTLS_E_MEMORY_ERROR)
        luaL_error(L, "not enough memory");
    if (problem != 0)
        return;
    size_t length = decoded.size < sizeof plain ? decoded.size : 0;
    memcpy(plain, decoded.data, length);
    gnutls_free(decoded.data);
    const char *colon = memchr(plain, ':', length);
    if (colon == NULL)
        return;
    lua_pushlstring(L, plain, (size_t)(colon - plain));
    lua_setfield(L, -2, "username");
    lua_pushlstring(L, colon + 1, length - (size_t)(colon + 1 - plain));
    lua_setfield(L, -2, "password");
}

/* [-0, +1, m] */
static void push_remote(lua_State *L, struct MHD_Connection *c) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char text[INET6_ADDRSTRLEN] = "";
    if (info != NULL && info->client_addr->sa_family == AF_INET) {
        struct sockaddr_in address;
        memcpy(&address, info->client_addr, sizeof address);
        inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
    } else if (info != NULL && info->client_addr->sa_family == AF_INET6) {
        struct sockaddr_in6 address;
        memcpy(&address, info->client_addr, sizeof address);
        inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof text);
    }
    lua_pushstring(L, text);
}

/* [-0, +1, m] */
static void push_request(lua_State *L, const exchange *e) {
    lua_createtable(L, 0, 8);
    lua_pushstring(L, e->method);
    lua_setfield(L, -2, "method");
    const char *query = strchr(e->target, '?');
    lua_pushlstring(L, e->target, query != NULL ? (size_t)(query - e->target) : strlen(e->target));
    lua_setfield(L, -2, "path");
    if (query != NULL) {
        lua_pushstring(L, query + 1);
        lua_setfield(L, -2, "query");
    }
    lua_pushlstring(L, e->body != NULL ? e->body : "", e->length);
    lua_setfield(L, -2, "body");
    push_remote(L, e->connection);
    lua_setfield(L, -2, "remote");
    push_headers(L, e->connection);
    lua_setfield(L, -2, "headers");
    set_credentials(L, e->connection);
}

/* ---- the answer, from the table that the handler returned ---- */

/* A field that is absent or a number of at least `least`; on absence `otherwise`. [-0, +0, v] */
static double number_field(lua_State *L, int table, const char *name, double least, double otherwise) {
    int type = lua_getfield(L, table, name);
    double value = type == LUA_TNUMBER ? lua_tonumber(L, -1) : otherwise;
    if ((type != LUA_TNUMBER && type != LUA_TNIL) || !(value >= least))
        luaL_error(L, "answer.%s must be a number of at least %f", name, least);
    lua_pop(L, 1);
    return value;
}

/* Sends the reply's next piece, or rests before it. */
static ssize_t next_piece(void *owner, uint64_t position, char *buffer, size_t most) {
    exchange *e = owner;
    if (position >= e->limit)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t size = e->limit - (size_t)position;
    if (e->drip > 0) {
        double pause = e->drip * DRIP_PAUSE < 1 ? 1 / e->drip : DRIP_PAUSE;
        double drop = e->drip * pause;
        if (!e->rested && position > 0 && exchange_rest(e, pause)) {
            e->rested = true;
            return 0;
        }
        e->rested = false;
        if (drop < (double)size)
            size = drop < 1 ? 1 : (size_t)drop;
    }
    if (size > most)
        size = most;
    memcpy(buffer, e->reply + position, size);
    return (ssize_t)size;
}

/* Makes the response of e from a body. False when memory is short. */
static bool make_response(exchange *e, const char *body, size_t length, double truncate) {
    bool cut = truncate < (double)length;
    if (!cut && e->drip <= 0) {
        e->response = MHD_create_response_from_buffer(length, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
        return e->response != NULL;
    }
    e->limit = cut ? (size_t)truncate : length;
    e->reply = malloc(length + 1);
    if (e->reply == NULL)
        return false;
    memcpy(e->reply, body, length);
    e->response = MHD_create_response_from_callback(length, BLOCK_SIZE, next_piece, e, NULL);
    return e->response != NULL;
}

/* Copies the headers from the table at `index` into the response. [-0, +0, v] */
static void add_headers(lua_State *L, int index, struct MHD_Response *response) {
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "answer.headers must be strings by name");
        if (MHD_add_response_header(response, lua_tostring(L, -2), lua_tostring(L, -1)) != MHD_YES)
            luaL_error(L, "answer.headers: '%s' cannot be sent", lua_tostring(L, -2));
    }
}

/* Reads the handler's answer at `index` into e. [-0, +0, v] */
static void read_answer(lua_State *L, int index, exchange *e) {
    if (!lua_istable(L, index))
        luaL_error(L, "the handler must return a table, not %s", luaL_typename(L, index));
    lua_getfield(L, index, "drop");
    e->drop = lua_toboolean(L, -1);
    e->delay = number_field(L, index, "delay", 0, 0);
    e->drip = number_field(L, index, "drip", 0, 0);
    double truncate = number_field(L, index, "truncate", 0, (double)SIZE_MAX);
    e->status = (unsigned)number_field(L, index, "status", 100, 200);
    if (e->status > 599)
        luaL_error(L, "answer.status must be at most 599");
    size_t length = 0;
    const char *body = "";
    if (lua_getfield(L, index, "body") == LUA_TSTRING)
        body = lua_tolstring(L, -1, &length);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "answer.body must be a string, not %s", luaL_typename(L, -1));
    if (!make_response(e, body, length, truncate))
        luaL_error(L, "not enough memory for the answer");
    if (lua_getfield(L, index, "headers") == LUA_TTABLE)
        add_headers(L, lua_gettop(L), e->response);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "answer.headers must be a table, not %s", luaL_typename(L, -1));
}

/* ---- the handler ---- */

/* Runs protected, with the exchange as light userdata. */
static int call_handler(lua_State *L) {
    exchange *e = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, e->server->anchor);
    lua_getiuservalue(L, -1, 1);
    push_request(L, e);
    lua_call(L, 1, 1);
    read_answer(L, lua_gettop(L), e);
    return 0;
}

static int add_traceback(lua_State *L) {
    const char *message = luaL_tolstring(L, 1, NULL);
    luaL_traceback(L, L, message, 1);
    return 1;
}

void exchange_forget_answer(exchange *e) {
    if (e->response != NULL)
        MHD_destroy_response(e->response);
    e->response = NULL;
    free(e->reply);
    e->reply = NULL;
    e->drop = false;
    e->delay = e->drip = 0;
}

void exchange_refuse(exchange *e, unsigned status, const char *text) {
    exchange_forget_answer(e);
    e->status = status;
    e->drop = !make_response(e, text, strlen(text), (double)SIZE_MAX);
}

void exchange_handle(exchange *e) {
    lua_State *L = e->server->L;
    int top = lua_gettop(L);
    if (!lua_checkstack(L, LUA_MINSTACK)) {
        exchange_refuse(e, MHD_HTTP_INTERNAL_SERVER_ERROR, "not enough memory\n");
        return;
    }
    lua_pushcfunction(L, add_traceback);
    lua_pushcfunction(L, call_handler);
    lua_pushlightuserdata(L, e);
    if (lua_pcall(L, 1, 0, top + 1) != LUA_OK) {
        const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "unknown error";
        char text[4096]; /* not from Lua, whose memory may be short */
        snprintf(text, sizeof text, "error while answering %s %.500s: %s", e->method, e->target, message);
        message_write("error", text, NULL);
        exchange_refuse(e, MHD_HTTP_INTERNAL_SERVER_ERROR, "the handler failed; its error is on the server's stderr\n");
    }
    lua_settop(L, top);
}
