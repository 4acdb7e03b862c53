#include "climb.h"

#include <math.h>

/* The numbers come from a simulation (spec/support/climbing.c) of limits from 10 to 200 a second, 5 to 500 ms away. */
#define OPENING 8.0  /* requests that may go out where nothing is known, before an answer */
#define OPENS 0.5    /* what may go out beyond what is proved then, as a part of it */
#define FASTER 2.0   /* times as long is a stride as the one before */
#define LONGEST 0.35 /* stride, as a part of the rate */
#define FLYING 4.0   /* times as long as the requests that are under way, at the most */

/* Requests that pay for one that was rejected, and no fewer than go out in HOLD seconds. Of those that are rejected together
 * MOST are paid for, or DEBT seconds long: a limit that has dropped is no reason to stay low for ever. */
#define PRICE 120.0
#define HOLD 2.0
#define MOST 3.0
#define DEBT 15.0
/* Seconds in which requests may go out, for each in which none may. */
#define WAITING 20.0

/* A limit that is not a window of one second: what was accepted does not say what is too much. */
#define LOWER 0.97
/* What was accepted may be little as little was sent. */
#define LEAST 0.5

double climb_open(const climb *c) {
    return c->rate + fmin(c->stride, 0);
}

void climb_check(climb *c, uint64_t next) {
    bool is_known = c->rate >= CLIMB_LOWEST && c->rate <= CLIMB_TO;
    if (!is_known)
        *c = (climb){.rate = CLIMB_FROM, .stride = OPENING - CLIMB_FROM};
    if (!(c->stride >= CLIMB_LOWEST - c->rate && c->stride <= c->rate))
        c->stride = 0;
    if (c->paused > next && (double)(c->paused - next) > MOST * (HOLD + 60 * WAITING) * CLIMB_TO)
        c->paused = 0;
}

void climb_accepted(climb *c, uint64_t place, uint64_t next, uint64_t proved) {
    double count = (double)proved, open = climb_open(c);
    if (c->stride < 0) {
        c->stride = fmin(0, fmax(open, count + OPENS * count) - c->rate);
    } else if (place >= c->paused && count >= floor(open)) {
        double most = fmin(LONGEST * open, FLYING * (double)(next - place));
        c->stride = fmax(1, fmin(FASTER * c->stride, most));
        c->rate = fmin(CLIMB_TO, c->rate + c->stride);
    }
}

static void pay(climb *c, uint64_t next, double seconds) {
    double price = fmax(PRICE, (HOLD + WAITING * seconds) * c->rate);
    double owed = c->paused > next ? (double)(c->paused - next) : 0;
    c->paused = next + (uint64_t)fmin(owed + price, fmax(MOST * price, DEBT * c->rate));
}

void climb_rejected(climb *c, uint64_t next, double accepted, double seconds, bool first) {
    double open = climb_open(c);
    if (first) {
        double least = fmax(CLIMB_LOWEST, LEAST * open);
        *c = (climb){.rate = fmax(least, accepted < open ? accepted : LOWER * open), .paused = c->paused};
    }
    pay(c, next, seconds);
}
