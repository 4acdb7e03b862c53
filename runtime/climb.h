/* climb: finds out how many requests a second a server accepts that does not tell. Plain arithmetic: it knows no clock,
 * no file and no queue.
 *
 * While requests fill the rate and none is rejected, the rate climbs: gently at first, then faster and faster, as what
 * was a little too low may be far too low. A 429 says where the limit is: at what was accepted in the second before.
 * There it stays until so many requests have gone out that one more 429 is at most one in a hundred. */
#ifndef KMIRROR_CLIMB_H
#define KMIRROR_CLIMB_H

#include <stdint.h>

#define CLIMB_FROM 35.0 /* requests a second, where nothing is known */
#define CLIMB_TO 4096.0 /* of which the quota's log holds some seconds */
#define CLIMB_LOWEST 1.0

/* All zero: nothing is known. */
typedef struct climb {
    double rate;     /* requests a second */
    double stride;   /* what one request that went well adds to it */
    uint64_t paused; /* the place from which on it climbs again */
} climb;

/* What cannot be true counts for nothing. `next`: the first place not given out. */
void climb_check(climb *c, uint64_t next);
/* A request goes out at that place, and had to wait for the rate. A 429 to it would be known `delay` seconds later. */
void climb_step(climb *c, uint64_t place, double delay);
/* A request was rejected; a place is paid for it by those that go out from `next` on. */
void climb_rejected(climb *c, uint64_t next);
/* Goes down to what was accepted in the second before. */
void climb_down(climb *c, double accepted);

#endif
