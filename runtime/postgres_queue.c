#include "postgres_inside.h"

#include <stdio.h>
#include <string.h>

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

void postgres_lose(connection *c, const char *problem) {
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
    postgres_lose(c, problem);
}

bool postgres_failed(const PGresult *result) {
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

/* Each statement of a transaction sees what others have committed before it, whatever the database's default is: what is
 * asked under a lock would be about the time before it, else. A client that stops or is cut off in between holds its locks
 * no longer than that: others wait for them, and TCP may take hours to notice. */
#define BEGIN "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '5s'"

static bool send_statement(connection *c, const request *r) {
    const statement *s = &r->statements[r->at];
    if (r->rolling_back)
        return pq.sendQuery(c->pg, "ROLLBACK");
    if (r->transaction && r->at == 0)
        return pq.sendQuery(c->pg, BEGIN);
    return pq.sendQueryParams(c->pg, s->sql, s->count, NULL, s->values, NULL, NULL, 0);
}

/* Sends what comes next, if anything does. */
static void send_next(connection *c) {
    const request *r = c->first;
    if (r == NULL) {
        unwatch(c);
        return;
    }
    if (!send_statement(c, r) || !flush(c)) {
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
    bool bad = result == NULL || postgres_failed(result);
    if (bad && (pq.status(c->pg) == CONNECTION_BAD || (result != NULL && is_fatal(result)))) {
        postgres_lose(c, "the server ended the connection");
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
        postgres_lose(c, "another statement was not answered in time");
    } else {
        end_request(r);
    }
}

void postgres_new_connection(connection *c, loop *l) {
    *c = (connection){.loop = l, .watch = {.ready = ready, .owner = c}};
}

void postgres_new_request(request *r, connection *c, size_t count) {
    *r = (request){.connection = c, .count = count, .deadline = {.fire = too_late, .owner = r}};
    memset(r->statements, 0, count * sizeof *r->statements);
}

bool postgres_enqueue(request *r, double deadline) {
    connection *c = r->connection;
    if (!loop_start(c->loop, &r->deadline, deadline))
        return false;
    bool alone = c->first == NULL;
    if (alone)
        c->first = r;
    else
        c->last->next = r;
    c->last = r;
    if (alone)
        send_next(c);
    return true;
}
