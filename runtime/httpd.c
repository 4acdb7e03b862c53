#include "httpd.h"

#include "error.h"
#include "httpd_inside.h"

#include <errno.h>
#include <lauxlib.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_TYPE "kmirror.httpd"
#define MAX_BODY ((lua_Integer)1 << 20) /* bytes of a request, unless told otherwise */
#define IDLE_SECONDS 120                /* after which a silent connection is closed */
#define MOST_CONNECTIONS 1000           /* at once; fewer where descriptors are short */
#define OTHER_DESCRIPTORS 32            /* that are kept free for what is no connection */

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
    exchange_forget_answer(e);
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
            exchange_refuse(e, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large\n");
        else
            exchange_handle(e);
        if (e->delay > 0 && exchange_rest(e, e->delay))
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

void server_run(server *s) {
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
    server_run(t->owner);
}

static void poll_ready(loop_watch *w, short events) {
    (void)events;
    server_run(w->owner);
}

/* Makes room for whoever wants to connect: an eighth of the connections, those that nobody has used for longest, are
 * cut off. Those with a request are left alone. False when there is none to cut. */
static bool make_room(server *s) {
    size_t cut = 0, place = 0, kept = s->count - s->count / 8;
    for (connection *c = s->connections; c != NULL; c = c->next)
        if (place++ >= kept && !c->busy && shutdown(c->fd, SHUT_RDWR) == 0)
            cut++;
    server_run(s);
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
    server_run(s);
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
        exchange_wake(s->resting);
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
