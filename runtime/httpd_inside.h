/* The inside of httpd.c, which it shares with httpd_exchange.c: the server has the connections and the loop, an exchange
 * is one request and its answer, and what the handler in Lua has to do with them. */
#ifndef KMIRROR_HTTPD_INSIDE_H
#define KMIRROR_HTTPD_INSIDE_H

#include "loop.h"
#include "scheduler.h"

#include <lua.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

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

/* Has libmicrohttpd do what it can do now. */
void server_run(server *s);

/* Suspends a connection for so many seconds; only from libmicrohttpd's callbacks. False: without memory for a timer there
 * is no rest. */
bool exchange_rest(exchange *e, double seconds);
/* Ends that early. */
void exchange_wake(exchange *e);
/* Lets the handler answer a request that has been read. Raises nothing: an error of the handler's is an answer, too. */
void exchange_handle(exchange *e);
/* An answer of the server's own. Without memory for it the connection is dropped. */
void exchange_refuse(exchange *e, unsigned status, const char *text);
/* Frees what there is of an answer. */
void exchange_forget_answer(exchange *e);

#endif
