#include "climb.h"

#include <math.h>
#include <stdbool.h>

/* The numbers come from a simulation (spec/support/climbing.c) of limits from 10 to 200 a second, 2 to 150 ms away. A request
 * adds a stride to the rate: it doubles in a second with strides of 0.7. Strides get e times longer in 1 / FASTER
 * seconds. Both are 1 + FAR * d times as little where a 429 comes after d seconds: by then much more has gone out. */
#define GENTLE 0.02
#define STEEP 1.0
#define FASTER 3.0
#define FAR 10.0

/* Requests that pay for one that was rejected: those of the pause after it, and those of about a second in which the
 * next 429 is climbed to. A pause is no shorter than PAUSE seconds. Of those that are rejected together, MOST are paid
 * for: a limit that has dropped is no reason to stay low for long. */
#define PRICE 155.0
#define PAUSE 0.7
#define MOST 2.0

/* A limit that is not a window of one second: what was accepted does not say what is too much. */
#define LOWER 0.97

static double price(const climb *c) {
    return fmax(PRICE - c->rate, PAUSE * c->rate);
}

void climb_check(climb *c, uint64_t next) {
    bool is_known = c->rate >= CLIMB_LOWEST && c->rate <= CLIMB_TO;
    if (!is_known)
        *c = (climb){.rate = CLIMB_FROM, .stride = STEEP};
    if (!(c->stride >= GENTLE && c->stride <= STEEP))
        c->stride = GENTLE;
    if (c->paused > next && (double)(c->paused - next) > MOST * PAUSE * CLIMB_TO)
        c->paused = 0;
}

void climb_step(climb *c, uint64_t place, double delay) {
    if (place < c->paused)
        return;
    double near = 1 / (1 + FAR * delay);
    c->rate = fmin(CLIMB_TO, c->rate + near * c->stride);
    c->stride = fmin(STEEP, c->stride * (1 + near * FASTER / c->rate));
}

void climb_rejected(climb *c, uint64_t next) {
    double owed = c->paused > next ? (double)(c->paused - next) : 0;
    c->paused = next + (uint64_t)fmin(owed + price(c), MOST * price(c));
}

void climb_down(climb *c, double accepted) {
    c->rate = fmax(CLIMB_LOWEST, accepted < c->rate ? accepted : c->rate * LOWER);
    c->stride = GENTLE;
}
