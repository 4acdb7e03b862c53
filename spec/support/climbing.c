/* climbing: runtime/governor.c and climb.c in a simulated world, so that a minute takes no time and the same seed gives
 * the same figures. In it are a loop with nothing but timers, a log that simulated processes share, and a server that
 * accepts LIMIT requests in any one second, so many milliseconds away.
 *
 *   climbing LIMIT THEN MS PROCESSES SECONDS SEED -> per cent of what was allowed that was used, per cent rejected
 *
 * THEN is its limit from about halfway on; 0: the same. KNOWN=1 in the environment: it is known from a run before. The
 * constants of climb.c were found with it. */
#include "governor.h"
#include "quota.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 64, MOST_PROCESSES = 16, EVENTS = 1 << 16, SENT = 1 << 20 };
enum { TIMER, ENTER, ARRIVE, ANSWER, CHANGE };

typedef struct worker {
    governor *governor;
    governor_pass pass;
    double sent;
    bool accepted;
    int rejected; /* times in a row */
} worker;

/* ---- what happens when ---- */

typedef struct event {
    double at;
    unsigned long number;
    int kind;
    void *of;
} event;

static double now;
static event heap[EVENTS];
static int events;
static unsigned long numbers;

static bool before(const event *a, const event *b) {
    return a->at < b->at || (a->at == b->at && a->number < b->number);
}

static void swap(int i, int k) {
    event e = heap[i];
    heap[i] = heap[k];
    heap[k] = e;
}

static void happens(double at, int kind, void *of) {
    if (events == EVENTS)
        abort();
    int i = events++;
    heap[i] = (event){.at = fmax(at, now), .number = numbers++, .kind = kind, .of = of};
    for (; i > 0 && before(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(i, (i - 1) / 2);
}

static event next_event(void) {
    event first = heap[0];
    heap[0] = heap[--events];
    for (int i = 0, child; (child = 2 * i + 1) < events; i = child) {
        if (child + 1 < events && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &heap[i]))
            break;
        swap(i, child);
    }
    return first;
}

/* The same on every machine. */
static double any(void) {
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(state >> 11) * 0x1p-53;
}

/* ---- the loop ---- */

double loop_now(void) {
    return now;
}

/* A poll ends at a whole millisecond. */
bool loop_start(loop *l, loop_timer *t, double at) {
    (void)l;
    t->at = at;
    t->slot = 1;
    happens(at <= now ? now : at + 0.001 * any(), TIMER, t);
    return true;
}

void loop_stop(loop *l, loop_timer *t) {
    (void)l;
    t->slot = 0;
}

bool loop_reserve(loop *l, loop_timer *t) {
    (void)l, (void)t;
    return true;
}

void loop_forgo(loop *l, loop_timer *t) {
    loop_stop(l, t);
}

/* One that was stopped, or moved, is not meant. */
static void fire(loop_timer *t) {
    if (t->slot == 0 || t->at > now)
        return;
    t->slot = 0;
    t->fire(t);
}

/* ---- the log ---- */

static struct quota {
    quota_head head;
    double moments[QUOTA_PLACES];
} shared;

quota *quota_new(const char *file) {
    (void)file;
    return &shared;
}

void quota_free(quota *q) {
    (void)q;
}

double quota_begin(quota *q) {
    (void)q;
    return now;
}

quota_head *quota_head_of(quota *q) {
    return &q->head;
}

double quota_moment(quota *q, uint64_t place) {
    return q->moments[place % QUOTA_PLACES];
}

void quota_set_moment(quota *q, uint64_t place, double at) {
    q->moments[place % QUOTA_PLACES] = at;
}

void quota_end(quota *q) {
    (void)q;
}

const char *quota_alone(const quota *q) {
    (void)q;
    return NULL;
}

/* ---- the server ---- */

static double limit, away, allowed, began;
static double accepted_at[SENT];
static int oldest, accepted, rejected;

static bool has_room(void) {
    while (oldest < accepted && now - accepted_at[oldest] >= 1)
        oldest++;
    if (accepted - oldest >= limit) {
        rejected++;
        return false;
    }
    if (accepted == 0) {
        allowed = limit; /* a second's worth goes out at once */
        began = now;
    }
    accepted_at[accepted++] = now;
    return true;
}

static void change(double to) {
    allowed += (now - began) * limit;
    began = now;
    limit = to;
}

/* ---- the clients ---- */

static double on_the_way(void) {
    return away + (0.2 * away + 0.001) * any() * any();
}

static void granted(governor_pass *p) {
    worker *w = p->owner;
    w->sent = now;
    governor_sent(w->governor, p, now);
    happens(now + on_the_way(), ARRIVE, w);
}

static void turned_away(governor_pass *p, double seconds) {
    worker *w = p->owner;
    governor_leave(w->governor, p);
    happens(now + seconds, ENTER, w);
}

/* As mirrors.c and retry.lua do. */
static void answered(worker *w) {
    static double quickest;
    double took = now - w->sent;
    quickest = quickest == 0 ? took : fmin(quickest, took);
    governor_arrived(w->governor, &w->pass, w->sent + fmin(took - quickest, 0.1));
    if (!w->accepted)
        governor_throttled(w->governor, &w->pass, -1);
    governor_leave(w->governor, &w->pass);
    w->rejected = w->accepted ? 0 : w->rejected + 1;
    happens(now + (w->accepted ? 0 : any() * fmin(20, pow(2, w->rejected - 1))), ENTER, w);
}

static void start(int processes) {
    static worker workers[MOST_PROCESSES][WORKERS];
    for (int p = 0; p < processes; p++) {
        governor *g = governor_new(NULL, GOVERNOR_AUTO, WORKERS, NULL);
        for (int i = 0; i < WORKERS; i++) {
            worker *w = &workers[p][i];
            w->governor = g;
            w->pass = (governor_pass){.granted = granted, .turned_away = turned_away, .latest = INFINITY, .owner = w};
            happens(now + 0.02 * any(), ENTER, w);
        }
    }
}

static void run(double seconds, double then) {
    double end = now + seconds;
    while (events > 0 && heap[0].at < end) {
        event e = next_event();
        worker *w = e.of;
        now = e.at;
        if (e.kind == TIMER)
            fire(e.of);
        else if (e.kind == ENTER)
            governor_enter(w->governor, &w->pass);
        else if (e.kind == ARRIVE) {
            w->accepted = has_room();
            happens(now + on_the_way(), ANSWER, w);
        } else if (e.kind == ANSWER)
            answered(w);
        else
            change(then);
    }
    allowed += (accepted_at[accepted - 1] - began) * limit;
}

int main(int count, char **words) {
    if (count != 7)
        return 2;
    double then = atof(words[2]), seconds = atof(words[5]);
    limit = atof(words[1]);
    away = atof(words[3]) / 2000;
    now = 1000;
    for (int i = 0; i < 10 * atoi(words[6]); i++)
        any();
    if (getenv("KNOWN") != NULL)
        shared.head.learnt.rate = limit;
    start(atoi(words[4]));
    if (then > 0) /* at any point of the climb before */
        happens(now + seconds * (0.475 + 0.05 * any()), CHANGE, NULL);
    run(seconds, then);
    printf("%.2f %.2f\n", 100 * accepted / allowed, 100.0 * rejected / (accepted + rejected));
    return 0;
}
