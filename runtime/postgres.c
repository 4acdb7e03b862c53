#include "postgres.h"

#include "scheduler.h"

#include <dlfcn.h>
#include <errno.h>
#include <lauxlib.h>
#include <libpq-fe.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONNECTION "postgres.connection"
#define REQUEST "postgres.request"
#define WAITING "postgres.waiting"
#define ALARM "postgres.alarm"

/* ---- what is used of libpq ---- */

/* clang-format off */
#define FUNCTIONS(F)                                                                                                   \
    F(connectdbParams) F(conninfoParse) F(conninfoFree) F(freemem) F(status) F(errorMessage) F(finish) F(socket)       \
    F(setnonblocking) F(setNoticeProcessor) F(sendQueryParams) F(flush) F(consumeInput) F(isBusy) F(getResult)         \
    F(clear) F(resultStatus) F(resultErrorField) F(resultErrorMessage) F(ntuples) F(nfields) F(fname) F(ftype)         \
    F(getvalue) F(getlength) F(getisnull) F(cmdTuples)
/* clang-format on */

static struct {
    void *library;
#define MEMBER(name) __typeof__(PQ##name) *(name);
    FUNCTIONS(MEMBER)
} pq;

static bool load_library(void) {
    static const struct {
        const char *name;
        void **function;
    } needed[] = {
#define NEEDED(name) {"PQ" #name, (void **)&pq.name},
        FUNCTIONS(NEEDED)};
    if (pq.library != NULL)
        return true;
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; library != NULL && i < sizeof needed / sizeof *needed; i++)
        if ((*needed[i].function = dlsym(library, needed[i].name)) == NULL)
            return false;
    pq.library = library;
    return library != NULL;
}

static void ignore_notice(void *nobody, const char *notice) {
    (void)nobody, (void)notice;
}

/* ---- a connection and what is asked over it ---- */

typedef struct statement {
    const char *sql;
    const char **values; /* NULL: null */
    int count;
    PGresult *result;
} statement;

/* One statement, or several as one transaction. A userdata on the stack of who waits for it. */
typedef struct request {
    task_wait wait;
    loop_timer deadline;
    struct connection *connection;
    struct request *next;
    size_t count, at;
    bool transaction;  /* BEGIN and COMMIT are among its statements */
    bool rolling_back; /* after the statement `at` has failed */
    bool lost;         /* the connection is gone */
    char problem[512]; /* unless a statement's result says it */
    statement statements[];
} request;

typedef struct connection {
    PGconn *pg; /* NULL: closed */
    loop *loop;
    loop_watch watch; /* while a statement is under way */
    bool watching;
    request *first, *last; /* the first is under way */
} connection;

static void unwatch(connection *c) {
    if (c->watching)
        loop_watch_remove(c->loop, &c->watch);
    c->watching = false;
}

static void end_request(request *r) {
    connection *c = r->connection;
    for (request **at = &c->first, *before = NULL; *at != NULL; before = *at, at = &(*at)->next) {
        if (*at == r) {
            *at = r->next;
            if (c->last == r)
                c->last = before;
            break;
        }
    }
    loop_stop(c->loop, &r->deadline);
    task_wake(&r->wait);
}

/* All that is asked over it ends with that. */
static void lose(connection *c, const char *problem) {
    unwatch(c);
    while (c->first != NULL) {
        request *r = c->first;
        r->lost = true;
        if (r->problem[0] == '\0')
            snprintf(r->problem, sizeof r->problem, "%s", problem);
        end_request(r);
    }
    if (c->pg != NULL)
        pq.finish(c->pg);
    c->pg = NULL;
}

static void lose_by_libpq(connection *c) {
    char problem[sizeof((request *)NULL)->problem];
    snprintf(problem, sizeof problem, "%s", pq.errorMessage(c->pg));
    lose(c, problem);
}

static bool failed(const PGresult *result) {
    ExecStatusType status = pq.resultStatus(result);
    return status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY;
}

/* Whether the server ends the connection with this. */
static bool is_fatal(const PGresult *result) {
    const char *severity = pq.resultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

static bool flush(connection *c) {
    int left = pq.flush(c->pg);
    c->watch.events = (short)(CURL_WAIT_POLLIN | (left > 0 ? CURL_WAIT_POLLOUT : 0));
    return left >= 0;
}

/* Sends what comes next, if anything does. */
static void send_next(connection *c) {
    const request *r = c->first;
    if (r == NULL) {
        unwatch(c);
        return;
    }
    const statement *s = &r->statements[r->at];
    const char *sql = r->rolling_back ? "ROLLBACK" : s->sql;
    int count = r->rolling_back ? 0 : s->count;
    if (!pq.sendQueryParams(c->pg, sql, count, NULL, s->values, NULL, NULL, 0) || !flush(c)) {
        lose_by_libpq(c);
        return;
    }
    if (!c->watching) {
        c->watch.fd = pq.socket(c->pg);
        loop_watch_add(c->loop, &c->watch);
        c->watching = true;
    }
}

/* A statement has been answered in full. */
static void answered(connection *c) {
    request *r = c->first;
    const PGresult *result = r->statements[r->at].result;
    bool bad = result == NULL || failed(result);
    if (bad && (pq.status(c->pg) == CONNECTION_BAD || (result != NULL && is_fatal(result)))) {
        lose(c, "the server ended the connection");
        return;
    }
    if (bad && r->transaction && !r->rolling_back)
        r->rolling_back = true;
    else if (bad || ++r->at == r->count)
        end_request(r);
    send_next(c);
}

/* What libpq has is taken until it has no more; a statement's first error is its result. */
static void ready(loop_watch *watch, short events) {
    connection *c = watch->owner;
    (void)events;
    if (!pq.consumeInput(c->pg) || !flush(c)) {
        lose_by_libpq(c);
        return;
    }
    while (c->first != NULL && !pq.isBusy(c->pg)) {
        PGresult *result = pq.getResult(c->pg);
        request *r = c->first;
        if (result == NULL) {
            answered(c);
            if (c->pg == NULL)
                return;
        } else if (r->statements[r->at].result == NULL) {
            r->statements[r->at].result = result;
        } else {
            pq.clear(result);
        }
    }
}

static void too_late(loop_timer *timer) {
    request *r = timer->owner;
    connection *c = r->connection;
    snprintf(r->problem, sizeof r->problem, "no answer in time");
    if (r == c->first) {
        /* What becomes of it is not known; nothing else can be asked before it is answered. */
        lose(c, "another statement was not answered in time");
    } else {
        end_request(r);
    }
}

/* ---- connecting, in a thread ---- */

/* Lua and the thread own it both: who is done last frees it. */
typedef struct connecting {
    atomic_int owners;
    int done; /* an eventfd */
    char *conninfo;
    PGconn *_Atomic pg;
} connecting;

static void leave(connecting *k) {
    if (atomic_fetch_sub(&k->owners, 1) > 1)
        return;
    PGconn *pg = atomic_exchange(&k->pg, NULL);
    if (pg != NULL)
        pq.finish(pg);
    explicit_bzero(k->conninfo, strlen(k->conninfo));
    free(k->conninfo);
    close(k->done);
    free(k);
}

/* What comes before the URL can be set in it, too; what comes after, not. */
static void *connect_in_thread(void *owned) {
    connecting *k = owned;
    bool own = getenv("PGCONNECT_TIMEOUT") == NULL;
    const char *names[] = {"fallback_application_name", "connect_timeout", "dbname", "client_encoding", NULL};
    const char *values[] = {"kmirror", own ? "5" : NULL, k->conninfo, "UTF8", NULL};
    atomic_store(&k->pg, pq.connectdbParams(names, values, 1));
    eventfd_write(k->done, 1);
    leave(k);
    return NULL;
}

/* Signals are for the thread that Lua runs in. */
static bool start_thread(connecting *k) {
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    atomic_store(&k->owners, 2);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&thread, NULL, connect_in_thread, k) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ok)
        pthread_detach(thread);
    else
        atomic_store(&k->owners, 1);
    return ok;
}

/* ---- connecting, in Lua ---- */

/* Who waits for the thread: a userdata on its stack. */
typedef struct waiting {
    task_wait wait;
    loop *loop;
    loop_watch watch;
    loop_timer deadline;
    connecting *k;
} waiting;

static void end_waiting(waiting *w) {
    if (w->k == NULL)
        return;
    loop_watch_remove(w->loop, &w->watch);
    loop_stop(w->loop, &w->deadline);
    leave(w->k);
    w->k = NULL;
}

static int waiting_gc(lua_State *L) {
    end_waiting(luaL_checkudata(L, 1, WAITING));
    return 0;
}

static void thread_ready(loop_watch *watch, short events) {
    (void)events;
    task_wake(&((waiting *)watch->owner)->wait);
}

static void connect_too_late(loop_timer *timer) {
    task_wake(&((waiting *)timer->owner)->wait);
}

/* nil, { message, lost = true } [-0, +2, m] */
static int push_problem(lua_State *L, const char *message) {
    size_t length = strlen(message);
    while (length > 0 && message[length - 1] == '\n')
        length--;
    lua_pushnil(L);
    lua_createtable(L, 0, 3);
    lua_pushlstring(L, message, length);
    lua_setfield(L, -2, "message");
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "lost");
    return 2;
}

static int no_memory(lua_State *L) {
    return luaL_error(L, "not enough memory for the database");
}

static connection *push_connection(lua_State *L, loop *l) {
    connection *c = lua_newuserdatauv(L, sizeof *c, 0);
    *c = (connection){.loop = l, .watch = {.ready = ready, .owner = c}};
    luaL_setmetatable(L, CONNECTION);
    return c;
}

static int connected(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    waiting *w = lua_touserdata(L, -1);
    connection *c = push_connection(L, w->loop);
    c->pg = atomic_exchange(&w->k->pg, NULL);
    end_waiting(w);
    if (c->pg == NULL)
        return push_problem(L, "no connection in time");
    pq.setNoticeProcessor(c->pg, ignore_notice, NULL);
    if (pq.status(c->pg) == CONNECTION_OK && pq.setnonblocking(c->pg, 1) == 0)
        return 1;
    push_problem(L, pq.errorMessage(c->pg));
    lose(c, "");
    return 2;
}

static double check_deadline(lua_State *L, int index) {
    double seconds = luaL_checknumber(L, index);
    luaL_argcheck(L, seconds > 0 && isfinite(seconds), index, "a number of seconds expected");
    return loop_now() + seconds;
}

static int not_there(lua_State *L) {
    return push_problem(L, "libpq is not there: install Debian's libpq5, or what has libpq.so.5");
}

/* connect(conninfo, seconds) -> connection | nil, problem */
static int connect_(lua_State *L) {
    const char *conninfo = luaL_checkstring(L, 1);
    double deadline = check_deadline(L, 2);
    if (!load_library())
        return not_there(L);
    loop *l = task_loop(L);
    waiting *w = lua_newuserdatauv(L, sizeof *w, 0);
    *w = (waiting){.loop = l};
    luaL_setmetatable(L, WAITING);
    connecting *k = calloc(1, sizeof *k);
    if (k == NULL)
        return no_memory(L);
    atomic_store(&k->owners, 1);
    k->conninfo = strdup(conninfo);
    k->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (k->conninfo == NULL || k->done < 0) {
        int error = errno;
        free(k->conninfo);
        free(k);
        return luaL_error(L, "cannot connect to the database: %s", strerror(error));
    }
    w->k = k;
    w->watch = (loop_watch){.fd = k->done, .events = CURL_WAIT_POLLIN, .ready = thread_ready, .owner = w};
    w->deadline = (loop_timer){.fire = connect_too_late, .owner = w};
    loop_watch_add(l, &w->watch);
    if (!loop_start(l, &w->deadline, deadline) || !start_thread(k)) {
        end_waiting(w);
        return no_memory(L);
    }
    return task_await(L, &w->wait, 0, connected);
}

/* parse(conninfo) -> what libpq reads in it, by keyword | nil, problem. What is wrong is not told in libpq's words, which
 * would show a password. */
static int parse(lua_State *L) {
    const char *conninfo = luaL_checkstring(L, 1);
    if (!load_library())
        return not_there(L);
    PQconninfoOption *options = pq.conninfoParse(conninfo, NULL);
    if (options == NULL)
        return push_problem(L, "libpq does not understand it");
    lua_newtable(L);
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        if (o->val == NULL)
            continue;
        lua_pushstring(L, o->val);
        lua_setfield(L, -2, o->keyword);
    }
    pq.conninfoFree(options);
    return 1;
}

/* ---- asking ---- */

static int request_gc(lua_State *L) {
    request *r = luaL_checkudata(L, 1, REQUEST);
    for (size_t i = 0; i < r->count; i++) {
        if (r->statements[i].result != NULL)
            pq.clear(r->statements[i].result);
        r->statements[i].result = NULL;
    }
    return 0;
}

static connection *check_connection(lua_State *L) {
    return luaL_checkudata(L, 1, CONNECTION);
}

static int connection_close(lua_State *L) {
    lose(check_connection(L), "the connection was closed");
    return 0;
}

/* A request of so many statements, with a table in which what they point to is kept. [-0, +1, m] */
static request *push_request(lua_State *L, connection *c, size_t count) {
    request *r = lua_newuserdatauv(L, sizeof *r + count * sizeof *r->statements, 1);
    *r = (request){.connection = c, .count = count, .deadline = {.fire = too_late, .owner = r}};
    memset(r->statements, 0, count * sizeof *r->statements);
    luaL_setmetatable(L, REQUEST);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    return r;
}

/* Keeps the value on top as long as the request at the index. [-1, +0, m] */
static void keep(lua_State *L, int request_index) {
    lua_getiuservalue(L, request_index, 1);
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

/* The value on top as libpq takes it. [-1, +0, e] */
static const char *take_value(lua_State *L, int request_index) {
    const char *text = NULL;
    if (lua_isboolean(L, -1))
        lua_pushstring(L, lua_toboolean(L, -1) ? "true" : "false"), lua_remove(L, -2);
    else if (lua_type(L, -1) == LUA_TNUMBER && !lua_isinteger(L, -1)) {
        char buffer[40];
        snprintf(buffer, sizeof buffer, "%.17g", lua_tonumber(L, -1));
        lua_pop(L, 1);
        lua_pushstring(L, buffer);
    } else if (!lua_isnil(L, -1) && !lua_isstring(L, -1))
        luaL_error(L, "a statement's value cannot be a %s", luaL_typename(L, -1));
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return NULL;
    }
    text = lua_tostring(L, -1);
    keep(L, request_index);
    return text;
}

/* SQL at one index, the table of values at another: nil, or a list with nil in it and n. [-0, +0, e] */
static void take_statement(lua_State *L, int request_index, statement *s, int sql, int values) {
    s->sql = luaL_checkstring(L, sql);
    lua_pushvalue(L, sql);
    keep(L, request_index);
    if (lua_isnoneornil(L, values))
        return;
    luaL_checktype(L, values, LUA_TTABLE);
    s->count = lua_getfield(L, values, "n") == LUA_TNUMBER ? (int)lua_tointeger(L, -1) : (int)lua_rawlen(L, values);
    lua_pop(L, 1);
    luaL_argcheck(L, s->count >= 0 && s->count <= UINT16_MAX, values, "too many values");
    s->values = lua_newuserdatauv(L, sizeof *s->values * ((size_t)s->count + 1), 0);
    keep(L, request_index);
    for (int i = 0; i < s->count; i++) {
        lua_rawgeti(L, values, i + 1);
        s->values[i] = take_value(L, request_index);
    }
}

/* A value as Lua has it: numbers and booleans as such, all else as the text that it is. [-0, +1, m] */
static void push_value(lua_State *L, const PGresult *result, int row, int column) {
    enum { BOOL = 16, INT8 = 20, INT2 = 21, INT4 = 23, FLOAT4 = 700, FLOAT8 = 701, NUMERIC = 1700 };
    const char *text = pq.getvalue(result, row, column);
    switch (pq.ftype(result, column)) {
    case BOOL:
        lua_pushboolean(L, text[0] == 't');
        break;
    case INT2:
    case INT4:
    case INT8:
        lua_pushinteger(L, strtoll(text, NULL, 10));
        break;
    case FLOAT4:
    case FLOAT8:
    case NUMERIC:
        lua_pushnumber(L, strtod(text, NULL));
        break;
    default:
        lua_pushlstring(L, text, (size_t)pq.getlength(result, row, column));
    }
}

/* A list of rows, each by column; `count`: how many rows a change has changed. [-0, +1, m] */
static void push_rows(lua_State *L, const PGresult *result) {
    int rows = pq.ntuples(result), columns = pq.nfields(result);
    lua_createtable(L, rows, 1);
    for (int row = 0; row < rows; row++) {
        lua_createtable(L, 0, columns);
        for (int column = 0; column < columns; column++) {
            if (pq.getisnull(result, row, column))
                continue;
            push_value(L, result, row, column);
            lua_setfield(L, -2, pq.fname(result, column));
        }
        lua_rawseti(L, -2, row + 1);
    }
    lua_pushinteger(L, strtoll(pq.cmdTuples((PGresult *)result), NULL, 10));
    lua_setfield(L, -2, "count");
}

static void set_part(lua_State *L, const PGresult *result, int code, const char *name) {
    const char *text = pq.resultErrorField(result, code);
    if (text == NULL)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

/* nil, { message, sqlstate, detail, hint, lost } of the statement that failed [-0, +2, m] */
static int push_failure(lua_State *L, const request *r) {
    const PGresult *result = r->at < r->count ? r->statements[r->at].result : NULL;
    push_problem(L, r->problem);
    lua_pushboolean(L, r->lost);
    lua_setfield(L, -2, "lost");
    if (result != NULL && failed(result)) {
        set_part(L, result, PG_DIAG_MESSAGE_PRIMARY, "message");
        set_part(L, result, PG_DIAG_MESSAGE_DETAIL, "detail");
        set_part(L, result, PG_DIAG_MESSAGE_HINT, "hint");
        set_part(L, result, PG_DIAG_SQLSTATE, "sqlstate");
    }
    return 2;
}

static int request_ended(lua_State *L, int status, lua_KContext context) {
    (void)status;
    const request *r = (const request *)context;
    if (r->at < r->count)
        return push_failure(L, r);
    if (!r->transaction) {
        push_rows(L, r->statements[0].result);
        return 1;
    }
    lua_createtable(L, (int)r->count - 2, 0);
    for (size_t i = 1; i + 1 < r->count; i++) {
        push_rows(L, r->statements[i].result);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
    return 1;
}

/* Puts the request on top into the queue and waits for it. */
static int ask(lua_State *L, connection *c, request *r, double deadline) {
    if (c->pg == NULL)
        return push_problem(L, "the connection is closed");
    if (!loop_start(c->loop, &r->deadline, deadline))
        return no_memory(L);
    bool alone = c->first == NULL;
    if (alone)
        c->first = r;
    else
        c->last->next = r;
    c->last = r;
    if (alone)
        send_next(c);
    if (r->wait.done) /* it could not even be sent */
        return request_ended(L, LUA_OK, (lua_KContext)r);
    return task_await(L, &r->wait, (lua_KContext)r, request_ended);
}

/* query(connection, sql, values|nil, seconds) -> rows | nil, problem */
static int query(lua_State *L) {
    connection *c = check_connection(L);
    double deadline = check_deadline(L, 4);
    lua_settop(L, 4);
    request *r = push_request(L, c, 1);
    take_statement(L, 5, r->statements, 2, 3);
    return ask(L, c, r, deadline);
}

/* transaction(connection, { { sql, values|nil }, … }, seconds) -> list of rows | nil, problem. All of it or nothing. */
static int transaction(lua_State *L) {
    connection *c = check_connection(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    double deadline = check_deadline(L, 3);
    size_t count = (size_t)lua_rawlen(L, 2);
    lua_settop(L, 3);
    request *r = push_request(L, c, count + 2);
    r->transaction = true;
    r->statements[0].sql = "BEGIN";
    r->statements[count + 1].sql = "COMMIT";
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i);
        luaL_checktype(L, 5, LUA_TTABLE);
        lua_rawgeti(L, 5, 1);
        lua_rawgeti(L, 5, 2);
        take_statement(L, 4, &r->statements[i], 6, 7);
        lua_settop(L, 4);
    }
    return ask(L, c, r, deadline);
}

/* ---- waiting ---- */

/* A wait that nothing but its time and ring() ends: also in a task that was cancelled. One in the background also ends
 * whenever its task is cancelled, which is how such tasks learn that all others have ended. */
typedef struct alarm_clock {
    task_wait wait;
    loop_timer timer;
    loop *loop;
} alarm_clock;

/* alarm() -> alarm */
static int new_alarm(lua_State *L) {
    loop *l = task_loop(L);
    alarm_clock *a = lua_newuserdatauv(L, sizeof *a, 0);
    *a = (alarm_clock){.loop = l, .wait = {.done = true}};
    luaL_setmetatable(L, ALARM);
    return 1;
}

static int alarm_ring(lua_State *L) {
    alarm_clock *a = luaL_checkudata(L, 1, ALARM);
    loop_stop(a->loop, &a->timer);
    task_wake(&a->wait);
    return 0;
}

static void cancel_alarm(task_wait *w) {
    alarm_clock *a = (alarm_clock *)((char *)w - offsetof(alarm_clock, wait));
    loop_stop(a->loop, &a->timer);
    task_wake(w);
}

static void time_is_up(loop_timer *timer) {
    task_wake(&((alarm_clock *)timer->owner)->wait);
}

static int rung(lua_State *L, int status, lua_KContext context) {
    (void)context;
    lua_pushboolean(L, status == LUA_YIELD);
    return 1;
}

/* wait(alarm, seconds, in the background) -> whether other tasks could run meanwhile */
static int alarm_wait(lua_State *L) {
    alarm_clock *a = luaL_checkudata(L, 1, ALARM);
    double until = check_deadline(L, 2);
    if (!a->wait.done)
        return luaL_error(L, "somebody waits for this alarm already");
    bool background = lua_toboolean(L, 3);
    a->wait = (task_wait){.cancel = background ? cancel_alarm : NULL};
    a->timer = (loop_timer){.fire = time_is_up, .owner = a, .background = background};
    if (!loop_start(a->loop, &a->timer, until))
        return no_memory(L);
    return task_await(L, &a->wait, 0, rung);
}

/* ---- the module ---- */

/* A type with these methods, and a way in which it ends. [-0, +0, m] */
static void new_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction end) {
    luaL_newmetatable(L, name);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, end);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, end);
    lua_setfield(L, -2, "__close");
    lua_pop(L, 1);
}

int luaopen_postgres(lua_State *L) {
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"query", query}, {"transaction", transaction}, {"close", connection_close}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"connect", connect_}, {"parse", parse}, {"alarm", new_alarm}, {NULL, NULL}};
    static const luaL_Reg alarm_methods[] = {{"wait", alarm_wait}, {"ring", alarm_ring}, {NULL, NULL}};
    new_type(L, CONNECTION, methods, connection_close);
    new_type(L, REQUEST, none, request_gc);
    new_type(L, ALARM, alarm_methods, alarm_ring);
    new_type(L, WAITING, none, waiting_gc);
    luaL_newlib(L, functions);
    return 1;
}
