#include "computing.h"

#include "scheduler_inside.h"

#include <sys/time.h>

/* In ticks of processor time: what there is for all tasks to come to their ends, and when a hook must have helped. */
enum { TICK_US = 200000, ENOUGH = 3, STUCK = 4 };

static unsigned long since;  /* which time of resuming a task was the last */
static int ticks, all_ticks; /* that have passed since then, and since the interrupt */
static int hooked;           /* ticks since there is a hook; 0: none */
static unsigned stops;       /* that were seen: who was stopped may take its time to close what it has open */
static bool settling;

static void set_clock(long microseconds) {
    struct itimerval every = {.it_interval = {.tv_usec = microseconds}, .it_value = {.tv_usec = microseconds}};
    setitimer(ITIMER_PROF, &every, NULL);
}

void computing_watch(void) {
    all_ticks = 0;
    set_clock(TICK_US);
}

void computing_settle(lua_State *L) {
    const scheduler *s = scheduler_of(L);
    settling = settling || (s->running != NULL && s->running == s->main);
}

/* The session of a prompt and the end of a run are kmirror's own. */
static bool may_be_stopped(const scheduler *s) {
    return s->running != NULL && s->current != NULL && (s->running != s->main || (!settling && s->interrupted));
}

bool computing_tick(void) {
    const scheduler *s = scheduler_interruptible();
    if (s == NULL || (!s->interrupted && !s->turn_interrupted)) {
        set_clock(0);
        return false;
    }
    ticks = s->running != NULL && since == s->resumes ? ticks + 1 : 0;
    since = s->resumes;
    if (ticks == 0)
        hooked = 0;
    if (stops != s->stops)
        ticks = all_ticks = hooked = 0;
    stops = s->stops;
    if (++all_ticks < ENOUGH || ticks == 0 || !may_be_stopped(s))
        return false;
    scheduler_stop_running(s); /* again, as it may have been another coroutine's turn */
    return s->interrupted && ++hooked > STUCK;
}
