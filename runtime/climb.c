#include "climb.h"

#include <math.h>
#include <stdbool.h>

/* The numbers come from a simulation of limits from 10 to 200 a second, 2 to 150 ms away. A request adds a stride to the
 * rate: it doubles in a second with strides of 0.7. Strides get e times longer in 1 / FASTER seconds. */
#define GENTLE 0.02
#define STEEP 0.9
#define FASTER 2.0

/* Requests that pay for one that was rejected, or as many as go out in SECONDS at a low rate. Of those that are
 * rejected together, MOST are paid for: a limit that has dropped is no reason to stay low for long. */
#define PRICE 140.0
#define SECONDS 20.0
#define MOST 2.0

/* A limit that is not a window of one second: what was accepted does not say what is too much. */
#define LOWER 0.97

static double price(const climb *c) {
    return fmin(PRICE, SECONDS * c->rate);
}

void climb_check(climb *c, uint64_t next) {
    bool is_known = c->rate >= CLIMB_LOWEST && c->rate <= CLIMB_TO;
    if (!is_known)
        *c = (climb){.rate = CLIMB_FROM, .stride = STEEP};
    if (!(c->stride >= GENTLE && c->stride <= STEEP))
        c->stride = GENTLE;
    if (c->paused > next && (double)(c->paused - next) > MOST * PRICE)
        c->paused = 0;
}

void climb_step(climb *c, uint64_t place) {
    if (place < c->paused)
        return;
    c->rate = fmin(CLIMB_TO, c->rate + c->stride);
    c->stride = fmin(STEEP, c->stride * (1 + FASTER / c->rate));
}

void climb_rejected(climb *c, uint64_t next) {
    double owed = c->paused > next ? (double)(c->paused - next) : 0;
    c->paused = next + (uint64_t)fmin(owed + price(c), MOST * price(c));
}

void climb_down(climb *c, double accepted) {
    c->rate = fmax(CLIMB_LOWEST, accepted < c->rate ? accepted : c->rate * LOWER);
    c->stride = GENTLE;
}
