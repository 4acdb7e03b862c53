/* governor: lets no more than `rate` requests go out in any one-second window. Plain C, knows nothing of Lua.
 *
 * It keeps a log (quota.h) of the moments at which requests went out. The next may go when the one `rate` places
 * back is a second (and a small margin against jitter) old. Given a file, the log is in it, under a lock that the
 * kernel drops with its holder, so that all processes on this machine that name the same file share one window; one
 * that cannot be used stops nobody: the process counts alone. Requests wait in one queue, first come first served; at
 * most `concurrency` are under way at once.
 *
 * The rate may also be found out (climb.h); then it is in the log, too, and so all who name the file share it.
 *
 * Several machines share one window when somebody leases moments to each of them (leased.h): then the log is not used,
 * unless that fails. */
#ifndef KMIRROR_GOVERNOR_H
#define KMIRROR_GOVERNOR_H

#include "leased.h"
#include "loop.h"
#include "quota.h"

#include <stdint.h>

#define GOVERNOR_LONGEST_PAUSE 60.0 /* seconds for which a 429 may hold the queue */
#define GOVERNOR_AUTO (-1.0)        /* as a rate: it is found out */

typedef struct governor governor;

/* One request's pass. Lives inside its owner; zero it before first use. */
typedef struct governor_pass {
    enum { GOVERNOR_NONE, GOVERNOR_QUEUED, GOVERNOR_GRANTED, GOVERNOR_SENT, GOVERNOR_TURNED_AWAY } state;
    void (*granted)(struct governor_pass *); /* called once, from loop_step() */
    /* Called instead of that, and earlier, when a 429 holds the queue beyond `latest`: for so many seconds from now. */
    void (*turned_away)(struct governor_pass *, double seconds);
    double latest; /* on loop_now()'s clock */
    /* Called from loop_step() when it is next, and has longer than a second to wait: for so many seconds as things
     * stand, because of a 429 or not. NULL: nobody wants to know. */
    void (*delayed)(struct governor_pass *, double seconds, bool throttled);
    uint64_t place;  /* of a granted one in the log */
    uint64_t proves; /* so many a second, when it is accepted, of a rate that is found out; or 0 */
    double due;      /* of one whose moment was leased: that moment; else 0 */
    void *owner;
    struct governor_pass *next, *previous;
} governor_pass;

/* `rate` per second, 0 for no limit, GOVERNOR_AUTO, fractions allowed; `file` NULL for a window of this process alone.
 * NULL when memory is short. */
governor *governor_new(loop *l, double rate, int concurrency, const char *file);
void governor_free(governor *g); /* nothing may be queued or granted any more; NULL is fine */

/* Asks for a pass. */
void governor_enter(governor *g, governor_pass *p);
/* Says when the request really goes out; until then it counts as if it did so now. */
void governor_sent(governor *g, governor_pass *p, double at);
/* Says when the server may have counted it, as far as can be told, and whether it was accepted: only a rate that is
 * found out needs to know. */
void governor_arrived(governor *g, governor_pass *p, double at, bool accepted);
/* Turns away whoever is queued: for 0 seconds, as it is nobody's fault. */
void governor_recall(governor *g);
/* Gives the pass back, in whatever state it is. */
void governor_leave(governor *g, governor_pass *p);
/* A 429 came. Somebody else uses the account, or the limit is lower: slows down for a while, or for good when the rate is
 * found out, and holds the queue for `seconds`, which are negative when it does not say how long. */
void governor_throttled(governor *g, const governor_pass *p, double seconds);
/* Requests per second that may go out as things stand; 0 for no limit. */
double governor_rate(const governor *g);
/* From now on moments are leased: more are wanted whenever wanted(owner) is called, on the loop. Returns where they
 * are kept; NULL when memory is short. */
leased *governor_lease(governor *g, void (*wanted)(void *owner), void *owner);
/* How many are wanted. */
size_t governor_wanted(const governor *g);
/* There are new moments, or a new rate, or nothing stands in the way of them any more. */
void governor_leased(governor *g);
/* Nobody leases any: from now on the log is used, with so much of the rate; with 0, nothing goes out. Until
 * governor_leased(). */
void governor_apart(governor *g, double fraction);
/* What becomes of `h` when a request is rejected that went out at `went`, on the clock of `h`, where it is `now`.
 * `accepted`: how many were accepted in the window before it went out. `seconds` as for governor_throttled(); returns
 * those for which nothing may go out. */
double governor_rejected(const governor *g, quota_head *h, double now, double went, double accepted, double seconds);

/* Why the file is not used; NULL when it is, or when none was named. */
const char *governor_alone(const governor *g);
/* Requests waiting for a pass. */
size_t governor_waiting(const governor *g);

#endif
