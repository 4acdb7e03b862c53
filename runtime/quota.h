/* quota: the log of when requests went out, which the processes of this machine share through a file. Plain C.
 *
 * A file outlives a boot and may be on a disk of several machines, but its moments are those of one clock: it knows
 * whose. What another clock has written counts for nothing, but for the rate that was found out. A file that cannot be
 * used does not stop the work: from then on this process counts alone, in memory, and quota_alone() says why. */
#ifndef KMIRROR_QUOTA_H
#define KMIRROR_QUOTA_H

#include "climb.h"

#include <stdint.h>

enum { QUOTA_PLACES = 16384 };

typedef struct quota quota;

/* What there is beside the moments. Place n is given out once; all zero: nothing has happened yet. */
typedef struct quota_head {
    uint64_t next;       /* the first place not given out */
    double slowness;     /* 0, 1: the set rate; 2: half of it. As it was at throttled_at */
    double throttled_at; /* the last 429; 0: none yet */
    double not_before;   /* nothing goes out earlier */
    climb learnt;        /* the rate that was found out */
} quota_head;

/* `file` NULL: a log of this process alone. NULL when memory is short. */
quota *quota_new(const char *file);
void quota_free(quota *q); /* NULL is fine */

/* Locks the log, so that the functions below may be called, and returns what time it is on loop_now()'s clock. */
double quota_begin(quota *q);
quota_head *quota_head_of(quota *q);
/* When request n went out, or may go out, negative when it was rejected; the log keeps the last QUOTA_PLACES of
 * them. */
double quota_moment(quota *q, uint64_t place);
void quota_set_moment(quota *q, uint64_t place, double at);
/* Writes down what was changed, and unlocks. */
void quota_end(quota *q);

/* Why the file is not used; NULL when it is, or when there is none. */
const char *quota_alone(const quota *q);

#endif
