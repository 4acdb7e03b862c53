/* climbing: runtime/governor.c, climb.c and leased.c in a simulated world, so that a minute takes no time and the same seed
 * gives the same figures. In it are a loop with nothing but timers, a log that simulated processes share, and a server
 * that accepts so many requests a second, some milliseconds away.
 *
 *   climbing limit=35 [then=60] [ms=2] [processes=1] [seconds=30] [seed=1] [known=1]
 *            [window=sliding|fixed|bucket] [jitter=0.2] [retry_after=1]
 *
 * `then` is its limit from about halfway on. `known`: the limit is known from a run before. `jitter`: what the way takes
 * longer at the most, as a part of it. Prints eight numbers:
 *
 *   per cent of what was allowed that was used, per cent rejected: of the whole
 *   the same of the last third, when all is settled
 *   after the start: seconds until nine tenths of the limit are used, rejected in the first ten seconds; the same after
 *   the change */
#include "governor.h"
#include "quota.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 160, MOST_PROCESSES = 16, EVENTS = 1 << 16, SENT = 1 << 20 };
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

typedef struct request {
    double at;
    bool accepted;
} request;

static double limit, then, away, jitter = 0.2, retry_after = -1, changed_at;
static const char *window = "sliding";
static request requests[SENT];
static int served;

static bool slides(void) {
    static double accepted_at[SENT];
    static int oldest, accepted;
    while (oldest < accepted && now - accepted_at[oldest] >= 1)
        oldest++;
    if (accepted - oldest >= limit)
        return false;
    accepted_at[accepted++] = now;
    return true;
}

static bool is_fixed(void) {
    static double second, count;
    if (floor(now + 0.37) != second) {
        second = floor(now + 0.37);
        count = 0;
    }
    return count < limit && ++count > 0;
}

/* A bucket of a second's worth. */
static bool has_token(void) {
    static double tokens = -1, filled;
    tokens = fmin(limit, tokens < 0 ? limit : tokens + (now - filled) * limit);
    filled = now;
    if (tokens < 1)
        return false;
    tokens--;
    return true;
}

static bool has_room(void) {
    bool accepted = *window == 's' ? slides() : *window == 'f' ? is_fixed() : has_token();
    if (served == SENT)
        abort();
    requests[served++] = (request){.at = now, .accepted = accepted};
    return accepted;
}

/* ---- the clients ---- */

static double on_the_way(void) {
    return away + (jitter * away + 0.001) * any() * any();
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
    governor_arrived(w->governor, &w->pass, w->sent + fmin(took - quickest, 0.1), w->accepted);
    if (!w->accepted)
        governor_throttled(w->governor, &w->pass, retry_after);
    governor_leave(w->governor, &w->pass);
    w->rejected = w->accepted ? 0 : w->rejected + 1;
    happens(now + (w->accepted ? 0 : fmax(retry_after, any() * fmin(20, pow(2, w->rejected - 1)))), ENTER, w);
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

static void run(double seconds) {
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
            limit = then;
    }
}

/* ---- the figures ---- */

static double allowed_between(double from, double to, double first) {
    double before = fmax(0, fmin(to, changed_at) - from), after = fmax(0, to - fmax(from, changed_at));
    return before * first + after * limit;
}

static void count(double from, double to, int *accepted, int *rejected) {
    *accepted = *rejected = 0;
    for (int i = 0; i < served; i++)
        if (requests[i].at >= from && requests[i].at <= to)
            ++*(requests[i].accepted ? accepted : rejected);
}

/* A second's worth more goes out at once at the start. */
static void print_used(double from, double to, double first, double more) {
    int accepted, rejected;
    count(from, to, &accepted, &rejected);
    printf("%.2f %.2f ", 100 * accepted / (allowed_between(from, to, first) + more),
           100.0 * rejected / fmax(1, accepted + rejected));
}

/* Seconds until nine tenths of so many are accepted in a second, all of it after `from`. */
static void print_reached(double from, double to, double goal) {
    int accepted, rejected;
    double at = from + 1;
    do
        count(at - 1, at, &accepted, &rejected);
    while (accepted < floor(0.9 * goal) && (at += 0.1) < to);
    count(from, fmin(to, from + 10), &accepted, &rejected);
    printf("%.1f %d ", at - from - 1, rejected);
}

static void print_figures(double began, double end, double first) {
    int last = served - 1;
    while (!requests[last].accepted)
        last--;
    print_used(requests[0].at, requests[last].at, first, first);
    print_used(end - (end - began) / 3, end, first, 0);
    print_reached(requests[0].at, fmin(end, changed_at), first);
    if (changed_at < end)
        print_reached(changed_at, end, limit);
    puts("");
}

static const char *word(int count, char **words, const char *name, const char *otherwise) {
    size_t length = strlen(name);
    for (int i = 1; i < count; i++)
        if (strncmp(words[i], name, length) == 0 && words[i][length] == '=')
            return words[i] + length + 1;
    return otherwise;
}

int main(int count, char **words) {
    double seconds = atof(word(count, words, "seconds", "30"));
    double began = now = 1000, end = now + seconds;
    limit = atof(word(count, words, "limit", "35"));
    then = atof(word(count, words, "then", "0"));
    away = atof(word(count, words, "ms", "2")) / 2000;
    window = word(count, words, "window", "sliding");
    jitter = atof(word(count, words, "jitter", "0.2"));
    retry_after = atof(word(count, words, "retry_after", "-1"));
    for (int i = 0; i < 10 * atoi(word(count, words, "seed", "1")); i++)
        any();
    if (word(count, words, "known", NULL) != NULL)
        shared.head.learnt.rate = limit;
    start(atoi(word(count, words, "processes", "1")));
    changed_at = end;
    if (then > 0) { /* at any point of the climb before */
        changed_at = now + seconds * (0.475 + 0.05 * any());
        happens(changed_at, CHANGE, NULL);
    }
    double first = limit;
    run(seconds);
    print_figures(began, end, first);
    return 0;
}
