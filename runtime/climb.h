/* climb: finds out how many requests a second a server accepts that does not tell. Plain arithmetic: it knows no clock,
 * no file and no queue.
 *
 * An answer to a request that filled the rate proves it, and the rate goes up by a stride, which doubles each time: by
 * one at first, by a third of the rate at last. So no more than a stride is ever beyond what is proved, however far the
 * server is. A 429 says where the limit is: at what was accepted in the second before. There the rate stays until so
 * many requests have gone out that one more 429 is at most one in a hundred; then it is one more again. */
#ifndef KMIRROR_CLIMB_H
#define KMIRROR_CLIMB_H

#include <stdbool.h>
#include <stdint.h>

#define CLIMB_FROM 35.0 /* requests a second, where nothing is known */
#define CLIMB_TO 4096.0 /* of which the quota's log holds some seconds */
#define CLIMB_LOWEST 1.0

/* All zero: nothing is known. */
typedef struct climb {
    double rate;     /* requests a second */
    double stride;   /* by which it went up; negative: so much of it is not open yet, as nothing proves it */
    uint64_t paused; /* from that place on requests prove the rate */
} climb;

/* What cannot be true counts for nothing. `next`: the first place not given out. */
void climb_check(climb *c, uint64_t next);
/* Requests that may go out in a second. */
double climb_open(const climb *c);
/* A request was accepted with which so many had gone out in a second. */
void climb_accepted(climb *c, uint64_t place, uint64_t next, uint64_t proved);
/* A request was rejected; `accepted` were accepted in the second before it went out, and nothing may go out for
 * `seconds`. `first`: it is the first of those that went out before one was known. */
void climb_rejected(climb *c, uint64_t next, double accepted, double seconds, bool first);

#endif
