/* fence: a moment after which no change may be sent any more, in the whole process: it works on a job that it holds by a
 * lease, and once that may have run out, somebody else may be at work on it. Plain C, knows nothing of Lua.
 *
 * Who sends a change asks fence_is_over() at the last moment before it goes out, and stands at the fence while it is
 * under way: what cannot be called back by then is cut off. */
#ifndef KMIRROR_FENCE_H
#define KMIRROR_FENCE_H

#include "loop.h"

/* A change that is under way. Lives inside its owner; zero it before first use. */
typedef struct fence_pass {
    bool standing;
    void (*over)(struct fence_pass *); /* called from loop_step(), once, after it has been taken off */
    void *owner;
    struct fence_pass *next, *previous;
} fence_pass;

/* From now on until `moment`, on loop_now()'s clock, changes may be sent; infinite: for ever. False when memory is short:
 * then none may be sent at all. The time goes on while the machine sleeps, as it does for the others. */
bool fence_set(loop *l, double moment);
/* Whether that moment is over. */
bool fence_is_over(void);

void fence_enter(fence_pass *p);
void fence_leave(fence_pass *p);

#endif
