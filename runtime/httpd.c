#include "httpd.h"

#include "error.h"
#include "loop.h"
#include "message.h"
#include "scheduler.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <lauxlib.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_TYPE "kmirror.httpd"
#define MAX_BODY ((lua_Integer)1 << 20) /* bytes of a request, unless told otherwise */
#define IDLE_SECONDS 120                /* after which a silent connection is closed */
#define DRIP_PAUSE 0.1                  /* seconds between two drops, or longer where a drop is one byte */
#define BLOCK_SIZE 4096                 /* bytes that libmicrohttpd asks for at a time */
#define MOST_CONNECTIONS 1000           /* at once; fewer where descriptors are short */
#define OTHER_DESCRIPTORS 32            /* that are kept free for what is no connection */

struct exchange;

/* An open connection, known here so that refusing can cut it. */
typedef struct connection {
    int fd;
    bool busy; /* with a request */
    struct connection *next, **link;
} connection;

typedef struct server {
    struct MHD_Daemon *daemon; /* NULL: closed */
    lua_State *L;              /* the main state, in which handlers run */
    int anchor;                /* keeps the userdata while the daemon lives; its user value is the handler */
    loop *loop;
    loop_watch listening; /* the bound socket; its fd is -1 when there is none */
    bool refusing;        /* the socket is bound, so that nobody takes the port, but does not listen */
    loop_watch polling;   /* libmicrohttpd's epoll descriptor */
    loop_timer timer;     /* when libmicrohttpd next wants to run */
    bool running;         /* inside MHD_run(): handlers may ask for anything, but it is done afterwards */
    bool closing;
    size_t max_body;
    struct sockaddr_storage address;
    socklen_t address_length;
    connection *connections;  /* the one that was used last comes first */
    size_t count, most;       /* of them */
    struct exchange *resting; /* those that are suspended */
    task_wait closed;
    bool awaited;
} server;

/* One request and its answer, owned by libmicrohttpd's connection from first to last. */
typedef struct exchange {
    server *server;
    struct MHD_Connection *connection;
    const char *method;
    char *target; /* path and query as they were sent */
    char *body;
    size_t length, room;
    bool begun, too_large, handled;

    unsigned status;
    struct MHD_Response *response; /* until it is queued */
    bool drop;
    double delay;
    char *reply; /* of an answer that is sent piecemeal */
    size_t limit;
    double drip; /* bytes a second; 0: at once */
    bool rested;

    loop_timer timer;
    struct exchange *next, **link; /* among the server's resting ones; link is NULL for others */
} exchange;

static void run(server *s);

/* ---- resting: a suspended connection that a timer wakes ---- */

static void wake(exchange *e) {
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
    wake(e);
    run(s);
}

/* Only from libmicrohttpd's callbacks. Without memory for a timer there is no rest. */
static bool rest(exchange *e, double seconds) {
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
        if (!e->rested && position > 0 && rest(e, pause)) {
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

static void forget_answer(exchange *e) {
    if (e->response != NULL)
        MHD_destroy_response(e->response);
    e->response = NULL;
    free(e->reply);
    e->reply = NULL;
    e->drop = false;
    e->delay = e->drip = 0;
}

/* An answer of this file's own. Without memory for it the connection is dropped. */
static void answer_plainly(exchange *e, unsigned status, const char *text) {
    forget_answer(e);
    e->status = status;
    e->drop = !make_response(e, text, strlen(text), (double)SIZE_MAX);
}

static void handle(exchange *e) {
    lua_State *L = e->server->L;
    int top = lua_gettop(L);
    if (!lua_checkstack(L, LUA_MINSTACK)) {
        answer_plainly(e, MHD_HTTP_INTERNAL_SERVER_ERROR, "not enough memory\n");
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
        answer_plainly(e, MHD_HTTP_INTERNAL_SERVER_ERROR, "the handler failed; its error is on the server's stderr\n");
    }
    lua_settop(L, top);
}

/* ---- libmicrohttpd's callbacks ---- */

static void set_busy(server *s, struct MHD_Connection *c, bool busy);

static void *request_begins(void *owner, const char *target, struct MHD_Connection *c) {
    exchange *e = calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    e->server = owner;
    e->connection = c;
    e->target = strdup(target);
    set_busy(owner, c, true);
    return e;
}

static void request_ends(void *owner, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode how) {
    exchange *e = *state;
    (void)how;
    if (e == NULL)
        return;
    set_busy(owner, c, false);
    forget_answer(e);
    free(e->target);
    free(e->body);
    free(e);
    *state = NULL;
}

static bool take_body(exchange *e, const char *data, size_t size) {
    if (e->too_large || size > e->server->max_body - e->length) {
        e->too_large = true; /* read to its end and thrown away, so that the answer arrives */
        return true;
    }
    if (e->length + size > e->room) {
        size_t room = (e->length + size) * 2;
        char *body = realloc(e->body, room);
        if (body == NULL)
            return false;
        e->body = body;
        e->room = room;
    }
    memcpy(e->body + e->length, data, size);
    e->length += size;
    return true;
}

static enum MHD_Result send_answer(exchange *e) {
    if (e->drop || e->response == NULL)
        return MHD_NO; /* closes the connection */
    enum MHD_Result result = MHD_queue_response(e->connection, e->status, e->response);
    MHD_destroy_response(e->response); /* the connection holds it now */
    e->response = NULL;
    return result;
}

/* Called when the headers are there, for each part of the body, at its end, and again after a rest. */
static enum MHD_Result request_goes_on(void *owner, struct MHD_Connection *c, const char *path, const char *method,
                                       const char *version, const char *data, size_t *size, void **state) {
    exchange *e = *state;
    (void)owner, (void)c, (void)path, (void)version;
    if (e == NULL || e->target == NULL || e->server->refusing || e->server->closing)
        return MHD_NO;
    if (!e->begun) {
        e->begun = true;
        e->method = method;
        return MHD_YES;
    }
    if (*size > 0) {
        bool taken = take_body(e, data, *size);
        *size = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    if (!e->handled) {
        e->handled = true;
        if (e->too_large)
            answer_plainly(e, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large\n");
        else
            handle(e);
        if (e->delay > 0 && rest(e, e->delay))
            return MHD_YES;
    }
    return send_answer(e);
}

static void unlink_connection(server *s, connection *known) {
    *known->link = known->next;
    if (known->next != NULL)
        known->next->link = known->link;
    s->count--;
}

static void link_first(server *s, connection *known) {
    known->next = s->connections;
    known->link = &s->connections;
    if (known->next != NULL)
        known->next->link = &known->next;
    s->connections = known;
    s->count++;
}

static void connection_changes(void *owner, struct MHD_Connection *c, void **state,
                               enum MHD_ConnectionNotificationCode what) {
    server *s = owner;
    connection *known = *state;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (known == NULL)
            return;
        unlink_connection(s, known);
        free(known);
        *state = NULL;
    } else if ((known = calloc(1, sizeof *known)) != NULL) {
        known->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        link_first(s, known);
        *state = known;
    }
}

static void set_busy(server *s, struct MHD_Connection *c, bool busy) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    connection *known = info != NULL ? info->socket_context : NULL;
    if (known == NULL)
        return;
    known->busy = busy;
    unlink_connection(s, known);
    link_first(s, known);
}

/* ---- the server on the loop ---- */

static void server_close(server *s);

static void run(server *s) {
    if (s->daemon == NULL || s->running)
        return;
    s->running = true;
    MHD_run(s->daemon);
    s->running = false;
    if (s->closing) {
        server_close(s);
        return;
    }
    MHD_UNSIGNED_LONG_LONG milliseconds;
    if (MHD_get_timeout(s->daemon, &milliseconds) == MHD_YES)
        loop_start(s->loop, &s->timer, loop_now() + (double)milliseconds / 1000);
    else
        loop_stop(s->loop, &s->timer);
}

static void timer_fires(loop_timer *t) {
    run(t->owner);
}

static void poll_ready(loop_watch *w, short events) {
    (void)events;
    run(w->owner);
}

/* Makes room for whoever wants to connect: an eighth of the connections, those that nobody has used for longest, are
 * cut off. Those with a request are left alone. False when there is none to cut. */
static bool make_room(server *s) {
    size_t cut = 0, place = 0, kept = s->count - s->count / 8;
    for (connection *c = s->connections; c != NULL; c = c->next)
        if (place++ >= kept && !c->busy && shutdown(c->fd, SHUT_RDWR) == 0)
            cut++;
    run(s);
    return cut > 0;
}

static void listen_ready(loop_watch *w, short events) {
    server *s = w->owner;
    (void)events;
    while (s->daemon != NULL && !s->refusing && !s->closing) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        if (s->count >= s->most && (!make_room(s) || s->count >= s->most))
            break;
        int fd = accept4(w->fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE))
            make_room(s);
        if (fd < 0)
            break;
        MHD_add_connection(s->daemon, fd, (struct sockaddr *)&address, length); /* closes it on failure */
    }
    run(s);
}

/* Takes the listening socket away. */
static void shut(server *s) {
    if (s->listening.fd < 0)
        return;
    if (!s->refusing)
        loop_watch_remove(s->loop, &s->listening);
    close(s->listening.fd);
    s->listening.fd = -1;
}

/* A socket bound to the server's address; -1 with errno. */
static int bound_socket(server *s) {
    int fd = socket(s->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&s->address, s->address_length) == 0 &&
        getsockname(fd, (struct sockaddr *)&s->address, &s->address_length) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* False with errno. */
static bool start_listening(server *s) {
    if (listen(s->listening.fd, SOMAXCONN) != 0)
        return false;
    loop_watch_add(s->loop, &s->listening);
    s->refusing = false;
    return true;
}

/* Connects are refused from now on, and whoever is connected is cut off. */
static bool start_refusing(server *s) {
    shut(s);
    s->refusing = true;
    for (const connection *c = s->connections; c != NULL; c = c->next)
        shutdown(c->fd, SHUT_RDWR);
    s->listening.fd = bound_socket(s);
    return s->listening.fd >= 0;
}

static void server_close(server *s) {
    if (s->daemon == NULL)
        return;
    s->closing = true;
    if (s->running)
        return;
    shut(s);
    while (s->resting != NULL)
        wake(s->resting);
    loop_forgo(s->loop, &s->timer);
    loop_watch_remove(s->loop, &s->polling);
    MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
    luaL_unref(s->L, LUA_REGISTRYINDEX, s->anchor);
    if (s->awaited)
        task_wake(&s->closed);
}

static size_t most_connections(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= MOST_CONNECTIONS + OTHER_DESCRIPTORS)
        return MOST_CONNECTIONS;
    return limit.rlim_cur / 2 > OTHER_DESCRIPTORS ? (size_t)limit.rlim_cur - OTHER_DESCRIPTORS : OTHER_DESCRIPTORS;
}

static bool start_daemon(server *s) {
    s->most = most_connections();
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, request_goes_on, s,
        MHD_OPTION_URI_LOG_CALLBACK, request_begins, s, MHD_OPTION_NOTIFY_COMPLETED, request_ends, s,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changes, s, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_CONNECTIONS + OTHER_DESCRIPTORS, MHD_OPTION_END);
    if (s->daemon == NULL)
        return false;
    s->polling.fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    loop_watch_add(s->loop, &s->polling);
    return true;
}

/* ---- Lua ---- */

static server *check_server(lua_State *L) {
    return luaL_checkudata(L, 1, SERVER_TYPE);
}

static server *check_open(lua_State *L) {
    server *s = check_server(L);
    if (s->daemon == NULL || s->closing)
        error_raise(L, "invalid", "this server has been closed");
    return s;
}

/* Finds the address of host and port in the options at index 1. [-0, +0, v] */
static void read_address(lua_State *L, server *s, const char *host, lua_Integer port) {
    char service[8];
    snprintf(service, sizeof service, "%d", (int)port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
    int failure = getaddrinfo(host, service, &hints, &found);
    if (failure != 0)
        error_raise(L, "invalid", "cannot listen on '%s': %s", host, gai_strerror(failure));
    memcpy(&s->address, found->ai_addr, found->ai_addrlen);
    s->address_length = found->ai_addrlen;
    freeaddrinfo(found);
}

/* An integer option within bounds. [-0, +0, v] */
static lua_Integer integer_option(lua_State *L, const char *name, lua_Integer least, lua_Integer most,
                                  lua_Integer otherwise) {
    int whole = 1;
    lua_Integer value = lua_getfield(L, 1, name) == LUA_TNIL ? otherwise : lua_tointegerx(L, -1, &whole);
    if (!whole || value < least || value > most)
        error_raise(L, "invalid", "httpd.listen: %s must be an integer from %I to %I", name, least, most);
    lua_pop(L, 1);
    return value;
}

/* Refuses options that are not known. [-0, +0, v] */
static void check_names(lua_State *L) {
    static const char *const known[] = {"host", "port", "handler", "max_body", "background", NULL};
    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], name) != 0)
            i++;
        if (known[i] == NULL)
            error_raise(L, "invalid",
                        "httpd.listen: unknown option '%s'; it takes host, port, handler, max_body, "
                        "background",
                        name);
    }
}

/* Makes the userdata, closed as yet. [-0, +1, v] */
static server *new_server(lua_State *L) {
    loop *l = task_loop(L); /* first, so that it outlives the server when the state is closed */
    server *s = lua_newuserdatauv(L, sizeof *s, 1);
    memset(s, 0, sizeof *s);
    s->loop = l;
    s->anchor = LUA_NOREF;
    s->listening =
        (loop_watch){.fd = -1, .events = CURL_WAIT_POLLIN, .background = false, .ready = listen_ready, .owner = s};
    s->polling =
        (loop_watch){.fd = -1, .events = CURL_WAIT_POLLIN, .background = false, .ready = poll_ready, .owner = s};
    s->timer = (loop_timer){.fire = timer_fires, .owner = s};
    luaL_setmetatable(L, SERVER_TYPE);
    return s;
}

/* httpd.listen{ host=, port=, handler=, max_body=, background= } -> server; one in the background does not keep the loop
 * from being idle */
static int httpd_listen(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    check_names(L);
    lua_Integer port = integer_option(L, "port", 0, 65535, 0);
    lua_Integer max_body = integer_option(L, "max_body", 0, (lua_Integer)1 << 30, MAX_BODY);
    if (lua_getfield(L, 1, "handler") != LUA_TFUNCTION)
        return error_raise(L, "invalid", "httpd.listen: handler must be a function");
    lua_getfield(L, 1, "host");
    const char *host = luaL_optstring(L, 3, "127.0.0.1");
    server *s = new_server(L);
    s->max_body = (size_t)max_body;
    lua_getfield(L, 1, "background");
    s->listening.background = s->polling.background = lua_toboolean(L, -1);
    lua_pop(L, 1);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, 1);
    read_address(L, s, host, port);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    s->L = lua_tothread(L, -1);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    s->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    if (!loop_reserve(s->loop, &s->timer) || !start_daemon(s)) {
        loop_forgo(s->loop, &s->timer);
        luaL_unref(L, LUA_REGISTRYINDEX, s->anchor);
        return error_raise(L, "transport", "cannot start the HTTP server: memory or descriptors are short");
    }
    s->refusing = true;
    s->listening.fd = bound_socket(s);
    if (s->listening.fd < 0 || !start_listening(s)) {
        const char *why = strerror(errno);
        server_close(s);
        return error_raise(L, "transport", "cannot listen on %s port %I: %s", host, port, why);
    }
    return 1;
}

static int server_port(lua_State *L) {
    const server *s = check_open(L);
    in_port_t port = s->address.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&s->address)->sin6_port
                                                      : ((const struct sockaddr_in *)&s->address)->sin_port;
    lua_pushinteger(L, ntohs(port));
    return 1;
}

static int server_refuse(lua_State *L) {
    server *s = check_open(L);
    luaL_checktype(L, 2, LUA_TBOOLEAN);
    bool refuse = lua_toboolean(L, 2);
    if (refuse == s->refusing)
        return 0;
    if (!(refuse ? start_refusing(s) : start_listening(s)))
        return error_raise(L, "transport", "cannot %s: %s", refuse ? "keep the port" : "listen again", strerror(errno));
    return 0;
}

static void stop_waiting(task_wait *w) {
    w->cancelled = true;
    task_wake(w);
}

static int waited(lua_State *L, int status, lua_KContext context) {
    server *s = check_server(L);
    (void)status, (void)context;
    s->awaited = false;
    task_check(L);
    return 0;
}

/* server:wait(): until it is closed, or raises `cancelled` */
static int server_wait(lua_State *L) {
    server *s = check_server(L);
    lua_settop(L, 1);
    task_check(L);
    if (s->daemon == NULL)
        return 0;
    if (s->awaited)
        return error_raise(L, "invalid", "another task waits for this server already");
    s->awaited = true;
    s->closed = (task_wait){.cancel = stop_waiting};
    return task_await(L, &s->closed, 0, waited);
}

static int server_close_lua(lua_State *L) {
    server_close(check_server(L));
    return 0;
}

/* An open server is anchored, so this is the end of the Lua state: its tasks are gone, there is nobody to wake. */
static int server_gc(lua_State *L) {
    server *s = check_server(L);
    s->awaited = false;
    server_close(s);
    return 0;
}

int luaopen_httpd(lua_State *L) {
    static const luaL_Reg methods[] = {{"port", server_port},
                                       {"wait", server_wait},
                                       {"close", server_close_lua},
                                       {"refuse", server_refuse},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {{"listen", httpd_listen}, {NULL, NULL}};
    luaL_newmetatable(L, SERVER_TYPE);
    lua_pushcfunction(L, server_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, server_close_lua);
    lua_setfield(L, -2, "__close");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
