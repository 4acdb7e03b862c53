#include "fence.h"

#include <math.h>
#include <time.h>

static bool set;
static double limit; /* on awake()'s clock */
static fence_pass *first;
static loop_timer timer;

/* A clock that goes on while the machine sleeps. */
static double awake(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool fence_is_over(void) {
    return set && awake() >= limit;
}

static void look(loop_timer *t) {
    if (!fence_is_over()) {
        loop_start(t->owner, t, loop_now() + limit - awake());
        return;
    }
    while (first != NULL) {
        fence_pass *p = first;
        fence_leave(p);
        p->over(p);
    }
}

bool fence_set(loop *l, double moment) {
    loop_stop(l, &timer);
    set = isfinite(moment);
    if (!set)
        return true;
    limit = awake() + moment - loop_now();
    timer = (loop_timer){.fire = look, .owner = l, .background = true};
    if (loop_start(l, &timer, moment))
        return true;
    limit = 0;
    return false;
}

void fence_enter(fence_pass *p) {
    p->standing = true;
    p->previous = NULL;
    p->next = first;
    if (first != NULL)
        first->previous = p;
    first = p;
}

void fence_leave(fence_pass *p) {
    if (!p->standing)
        return;
    p->standing = false;
    if (p->previous != NULL)
        p->previous->next = p->next;
    else
        first = p->next;
    if (p->next != NULL)
        p->next->previous = p->previous;
}
