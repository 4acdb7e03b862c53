#include "postgres_inside.h"

#include "alarm.h"
#include "thread.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- in a thread ---- */

typedef struct connecting {
    thread_work work;
    int done; /* an eventfd */
    char *conninfo;
    PGconn *_Atomic pg;
} connecting;

static void forget(void *owned) {
    connecting *k = owned;
    PGconn *pg = atomic_exchange(&k->pg, NULL);
    if (pg != NULL)
        pq.finish(pg);
    if (k->conninfo != NULL)
        explicit_bzero(k->conninfo, strlen(k->conninfo));
    free(k->conninfo);
    if (k->done >= 0)
        close(k->done);
    free(k);
}

/* What comes before the URL can be set in it, too; what comes after, not. */
static void connect_in_thread(void *owned) {
    connecting *k = owned;
    bool own = getenv("PGCONNECT_TIMEOUT") == NULL;
    const char *names[] = {"fallback_application_name", "connect_timeout", "dbname", "client_encoding", NULL};
    const char *values[] = {"kmirror", own ? "5" : NULL, k->conninfo, "UTF8", NULL};
    atomic_store(&k->pg, pq.connectdbParams(names, values, 1));
    eventfd_write(k->done, 1);
}

/* NULL when there is too little memory, or no descriptor left, as errno says. */
static connecting *new_connecting(const char *conninfo) {
    connecting *k = calloc(1, sizeof *k);
    if (k == NULL)
        return NULL;
    thread_prepare(&k->work, k, connect_in_thread, forget);
    k->conninfo = strdup(conninfo);
    k->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (k->conninfo != NULL && k->done >= 0)
        return k;
    int error = errno;
    thread_leave(&k->work);
    errno = error;
    return NULL;
}

/* ---- in Lua ---- */

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
    thread_leave(&w->k->work);
    w->k = NULL;
}

int postgres_waiting_gc(lua_State *L) {
    end_waiting(luaL_checkudata(L, 1, POSTGRES_WAITING));
    return 0;
}

static void thread_ready(loop_watch *watch, short events) {
    (void)events;
    task_wake(&((waiting *)watch->owner)->wait);
}

static void connect_too_late(loop_timer *timer) {
    task_wake(&((waiting *)timer->owner)->wait);
}

static void ignore_notice(void *nobody, const char *notice) {
    (void)nobody, (void)notice;
}

static connection *push_connection(lua_State *L, loop *l) {
    connection *c = lua_newuserdatauv(L, sizeof *c, 0);
    postgres_new_connection(c, l);
    luaL_setmetatable(L, POSTGRES_CONNECTION);
    return c;
}

static int connected(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    waiting *w = lua_touserdata(L, -1);
    connection *c = push_connection(L, w->loop);
    c->pg = atomic_exchange(&w->k->pg, NULL);
    end_waiting(w);
    if (c->pg == NULL)
        return postgres_push_problem(L, "no connection in time");
    pq.setNoticeProcessor(c->pg, ignore_notice, NULL);
    if (pq.status(c->pg) == CONNECTION_OK && pq.setnonblocking(c->pg, 1) == 0)
        return 1;
    postgres_push_problem(L, pq.errorMessage(c->pg));
    postgres_lose(c, "");
    return 2;
}

/* connect(conninfo, seconds) -> connection | nil, problem */
int postgres_connect(lua_State *L) {
    const char *conninfo = luaL_checkstring(L, 1);
    double deadline = alarm_deadline(L, 2);
    if (!postgres_has_library(L))
        return 2;
    loop *l = task_loop(L);
    waiting *w = lua_newuserdatauv(L, sizeof *w, 0);
    *w = (waiting){.loop = l};
    luaL_setmetatable(L, POSTGRES_WAITING);
    connecting *k = new_connecting(conninfo);
    if (k == NULL)
        return errno == ENOMEM ? postgres_no_memory(L)
                               : luaL_error(L, "cannot connect to the database: %s", strerror(errno));
    w->k = k;
    w->watch = (loop_watch){.fd = k->done, .events = CURL_WAIT_POLLIN, .ready = thread_ready, .owner = w};
    w->deadline = (loop_timer){.fire = connect_too_late, .owner = w};
    loop_watch_add(l, &w->watch);
    if (!loop_start(l, &w->deadline, deadline) || !thread_start(&k->work)) {
        end_waiting(w);
        return postgres_no_memory(L);
    }
    return task_await(L, &w->wait, 0, connected);
}

/* parse(conninfo) -> what libpq reads in it, by keyword | nil, problem. What is wrong is not told in libpq's words, which
 * would show a password. */
int postgres_parse(lua_State *L) {
    const char *conninfo = luaL_checkstring(L, 1);
    if (!postgres_has_library(L))
        return 2;
    PQconninfoOption *options = pq.conninfoParse(conninfo, NULL);
    if (options == NULL)
        return postgres_push_problem(L, "libpq does not understand it");
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
