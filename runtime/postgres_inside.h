/* The inside of postgres.c, which it shares with postgres_connect.c, which makes connections, postgres_queue.c, where
 * what is asked over one stands in turn, and postgres_query.c, which asks and takes the answers to Lua. */
#ifndef KMIRROR_POSTGRES_INSIDE_H
#define KMIRROR_POSTGRES_INSIDE_H

#include "loop.h"
#include "scheduler.h"

#include <lauxlib.h>
#include <libpq-fe.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#define POSTGRES_CONNECTION "postgres.connection"
#define POSTGRES_REQUEST "postgres.request"
#define POSTGRES_WAITING "postgres.waiting"

/* ---- libpq ---- */

/* clang-format off */
#define POSTGRES_FUNCTIONS(F)                                                                                          \
    F(connectdbParams) F(conninfoParse) F(conninfoFree) F(status) F(errorMessage) F(finish) F(socket) F(setnonblocking)\
    F(setNoticeProcessor) F(sendQuery) F(sendQueryParams) F(flush) F(consumeInput) F(isBusy) F(getResult) F(clear) F(resultStatus)  \
    F(resultErrorField) F(ntuples) F(nfields) F(fname) F(ftype) F(getvalue) F(getlength) F(getisnull) F(cmdTuples)
/* clang-format on */

/* What is used of it, each without its PQ, once postgres_has_library() was true. */
typedef struct postgres_library {
#define MEMBER(name) __typeof__(PQ##name) *(name);
    POSTGRES_FUNCTIONS(MEMBER)
#undef MEMBER
} postgres_library;

extern postgres_library pq;

/* Loads libpq, when that was not done yet. Where it is not there: pushes nil and a problem, and returns false.
 * [-0, +(0|2), m] */
bool postgres_has_library(lua_State *L);

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
    bool transaction;  /* BEGIN comes first, COMMIT is its last statement */
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

/* Not connected yet. */
void postgres_new_connection(connection *c, loop *l);
/* Closes it. All that is asked over it ends with that problem, unless it has one of its own. */
void postgres_lose(connection *c, const char *problem);
/* A request with room for so many statements. */
void postgres_new_request(request *r, connection *c, size_t count);
/* Has an open connection asked, once what was asked before is answered, until a moment on loop_now()'s clock. Its
 * wait is done when it has ended, which may be at once. False when memory is short: it is not asked. */
bool postgres_enqueue(request *r, double deadline);
/* Whether a statement's result is an error. */
bool postgres_failed(const PGresult *result);

/* ---- in Lua ---- */

/* The functions of the module and of a connection. */
int postgres_connect(lua_State *L);
int postgres_parse(lua_State *L);
int postgres_query(lua_State *L);
int postgres_transaction(lua_State *L);
/* What ends the types of a wait for a connection, a request, and a connection. */
int postgres_waiting_gc(lua_State *L);
int postgres_request_gc(lua_State *L);
int postgres_connection_close(lua_State *L);

/* Pushes nil and { message, lost = true }; returns 2. [-0, +2, m] */
int postgres_push_problem(lua_State *L, const char *message);
/* Raises that. */
int postgres_no_memory(lua_State *L);

#endif
