/* leased: moments at which requests may go out, when it is not this machine that gives them out: somebody else, who
 * knows of all machines, leases a few of them at a time. Plain C, knows nothing of Lua and of who that is.
 *
 * A moment is used when it has come, or little later; one that could not be used in time is given up, as the moment a
 * window later may be another machine's. What becomes of requests is kept for him who leases: those that went out late
 * after all, and those that were rejected. */
#ifndef KMIRROR_LEASED_H
#define KMIRROR_LEASED_H

#include "climb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEASED_LATE 0.012 /* seconds after which a moment is given up */

enum { LEASED_MOST = 512, LEASED_NEWS = 64 };

/* A request: its number among all that were leased, and a moment on loop_now()'s clock. */
typedef struct leased_moment {
    uint64_t number;
    double at;
    uint64_t proves; /* so many a second, when the request is accepted */
} leased_moment;

/* One that was answered 429. */
typedef struct leased_rejection {
    uint64_t number;
    double went;    /* when it went out */
    double seconds; /* for which it asks to wait; negative: it does not say */
} leased_rejection;

/* Zero it, then set what is said to be set. */
typedef struct leased {
    void (*wanted)(void *owner); /* more are wanted, or there is news: called whenever that is so; set it */
    void *owner;                 /* set it */
    double most;                 /* moments to hold; set it */
    climb learnt;                /* of a rate that is found out */
    uint64_t next;               /* the first number that was not leased, as far as is known here */
    double not_before;           /* nothing goes out earlier */
    uint64_t given_up;           /* moments that could not be used */
    leased_moment moments[LEASED_MOST];
    size_t first, count;
    leased_moment late[LEASED_NEWS];
    leased_rejection rejected[LEASED_NEWS];
    size_t lates, rejections;
} leased;

/* Adds one. */
void leased_add(leased *l, leased_moment m);
/* Takes the next moment when it has come; else says when it comes, INFINITY when there is none. Asks for more when there
 * are fewer than `room` requests could use. */
bool leased_take(leased *l, double now, size_t room, leased_moment *m);
/* How many are wanted, when `room` requests wait for one. */
size_t leased_wanted(const leased *l, size_t room);
/* The request of that moment went out at `at`; later than it should have, perhaps. */
void leased_sent(leased *l, leased_moment m, double at);
/* It was rejected. Nothing goes out for `seconds`. */
void leased_rejected(leased *l, leased_rejection r, double now, double seconds);
/* Gives up all moments: they may be used up meanwhile. */
void leased_clear(leased *l);

#endif
