#include "governor.h"

#include <math.h>
#include <stdlib.h>

/* The server's window is one second. What goes out a second apart may arrive a little closer: the margin. */
#define WINDOW 1.0
#define MARGIN 0.02

/* After a 429 the rate is divided by SLOWER, at most once a window and to no less than 1 / SLOWEST of it, and
 * comes back with a time constant of RECOVERY seconds. The first after a while may be a burst on the way, not a
 * limit: it divides by SLOWER_AT_FIRST. */
#define SLOWER 1.5
#define SLOWER_AT_FIRST 1.1
#define AT_FIRST 1.02
#define SLOWEST 16.0
#define RECOVERY 10.0

/* How long the queue is held after a 429 that does not say how long (the window slides: some of it is free again soon),
 * in seconds. */
#define PAUSE 0.25

/* A rate that is found out is not sent in one burst, or much would be beyond the limit before the first 429 comes:
 * within 1 / SPREAD of a window no more goes out than BURST times its share. It needs less of a margin, as a 429 teaches. */
#define SPREAD 32
#define BURST 4.0
#define LEARNING_MARGIN 0.006

/* Others may have found out that more can go out: seconds until a process that waits looks. */
#define LOOK_AGAIN 0.01

/* A request may go out long after it was granted: a connection takes its time, a process is stopped. Until it does, its
 * moment has UNSENT added to it, and others count it as of now; for no longer than LONGEST_UNSENT seconds, as its process
 * may have been killed. */
#define UNSENT 0x1p33
#define LONGEST_UNSENT 5.0

/* No place is given out further ahead than to a crowd of processes, each of which waits for one. */
#define CROWD 256.0

/* A burst has to wait for a window as it is. Who waits longer than WORTH_TELLING for what others have used up is told
 * so, at most once in TOLD seconds. */
#define WORTH_TELLING 1.1
#define TOLD 10.0

struct governor {
    loop *loop;
    quota *quota;
    bool learns;    /* the rate is found out, and in the log */
    double rate;    /* per second; 0: no limit */
    leased *leased; /* moments that come from elsewhere; NULL: none do */
    bool apart;     /* none come, and the log is used */
    bool climbs;    /* a rate that is found out goes up */
    double part;    /* of the rate that is used then; else 1 */
    double whole;   /* the rate without that */
    uint64_t slots; /* requests in one window; 0: no limit */
    double hold;    /* seconds for which a request takes up its slot */
    double pace;    /* requests a second; of a rate that is found out, those that are not open yet, too */
    int concurrency, under_way;
    governor_pass *first, *last;
    size_t waiting;
    bool reserved; /* the first in the queue has a place */
    uint64_t place;
    uint64_t proves; /* requests a second, the one that has just been taken, when it is accepted */
    loop_timer timer;
    double told_at; /* 0: nobody has been told to wait yet */
};

/* ---- the log; everything here happens between quota_begin() and quota_end() ---- */

static void set_rate(governor *g, double rate) {
    g->rate = g->pace = rate;
    g->slots = rate <= 0 ? 0 : (uint64_t)fmax(1, floor(rate));
    if (g->slots > 0)
        g->hold = (double)g->slots / rate * WINDOW + (g->learns ? LEARNING_MARGIN : MARGIN);
}

/* What cannot be true counts for nothing. */
static quota_head *head_of(governor *g, double now) {
    quota_head *h = quota_head_of(g->quota);
    bool true_to_life = h->slowness >= 1 && h->slowness <= SLOWEST && h->throttled_at >= 0 && h->throttled_at <= now &&
                        h->not_before >= 0 && h->not_before <= now + GOVERNOR_LONGEST_PAUSE;
    if (!true_to_life)
        *h = (quota_head){.slowness = 1, .learnt.rate = h->learnt.rate};
    if (g->learns) {
        climb_check(&h->learnt, h->next);
        set_rate(g, climb_open(&h->learnt) * g->part);
        g->pace = h->learnt.rate * g->part;
        g->climbs = h->learnt.stride != 0;
    }
    return h;
}

/* When the request at that place went out, or may go out; long ago when what is written there cannot be true. One that
 * was granted less than `patience` seconds ago and is not sent yet may go out any moment: now. */
static double moment(const governor *g, uint64_t place, double now, double patience) {
    double at = fabs(quota_moment(g->quota, place));
    double furthest = now + GOVERNOR_LONGEST_PAUSE + CROWD * g->hold * SLOWEST / (double)g->slots;
    if (at >= UNSENT) {
        at -= UNSENT;
        return at > now ? 0 : now - at < patience ? now : at;
    }
    return at <= furthest ? at : 0;
}

static double slowness(const quota_head *h, double now) {
    return 1 + (h->slowness - 1) * exp((h->throttled_at - now) / RECOVERY);
}

/* When the request at that place may go out, as things stand. */
static double due(governor *g, uint64_t place, double now) {
    const quota_head *h = head_of(g, now);
    double at = h->not_before, slow = g->learns ? 1 : slowness(h, now);
    if (place >= g->slots)
        at = fmax(at, moment(g, place - g->slots, now, LONGEST_UNSENT) + g->hold * slow);
    uint64_t few = g->slots / SPREAD > 0 ? g->slots / SPREAD : 1;
    if (g->learns && place >= few)
        at = fmax(at, moment(g, place - few, now, 0) + (double)few / g->pace / (g->climbs ? BURST : 2));
    return at;
}

/* Whether a place is among those that were given out, and that the log still holds. */
static bool is_known(const quota_head *h, uint64_t place) {
    return place < h->next && h->next - place <= QUOTA_PLACES / 2;
}

/* Whether as many go out in a second as may, with the one at that place. */
static bool fills(const governor *g, uint64_t place, double now) {
    uint64_t before = g->slots - 1;
    return place >= before && (before == 0 || now - moment(g, place - before, now, LONGEST_UNSENT) <= g->hold + MARGIN);
}

/* Takes the reserved place when it is due, else says when it will be. */
static bool take_place(governor *g, double *at) {
    double now = quota_begin(g->quota);
    quota_head *h = head_of(g, now);
    if (!g->reserved || !is_known(h, g->place)) /* another process may have started the log afresh */
        g->place = h->next++;
    g->reserved = true;
    *at = due(g, g->place, now);
    bool taken = *at <= now;
    g->proves = taken && g->learns && !g->apart && fills(g, g->place, now) ? g->slots : 0;
    quota_set_moment(g->quota, g->place, taken ? now + UNSENT : *at);
    quota_end(g->quota);
    return taken;
}

/* ---- moments that are leased ---- */

/* So many requests could go out if there were moments for them. */
static size_t room_of(const governor *g) {
    size_t room = g->under_way < g->concurrency ? (size_t)(g->concurrency - g->under_way) : 0;
    return room < g->waiting ? room : g->waiting;
}

/* As take_place(). */
static bool take_moment(governor *g, double *at) {
    leased_moment m;
    bool taken = leased_take(g->leased, loop_now(), room_of(g), &m);
    g->place = m.number;
    g->proves = m.proves;
    *at = m.at;
    return taken;
}

static bool is_leased(const governor *g) {
    return g->leased != NULL && !g->apart;
}

/* With no part of the rate nothing goes out. */
static bool take(governor *g, double *at) {
    if (is_leased(g))
        return take_moment(g, at);
    *at = INFINITY;
    return g->part > 0 && take_place(g, at);
}

/* ---- the queue ---- */

/* Until when a 429 holds the queue. */
static double held_until(governor *g) {
    if (is_leased(g))
        return g->leased->not_before;
    double now = quota_begin(g->quota), until = head_of(g, now)->not_before;
    quota_end(g->quota);
    return until;
}

static void append(governor *g, governor_pass *p) {
    p->next = NULL;
    p->previous = g->last;
    if (g->last != NULL)
        g->last->next = p;
    else
        g->first = p;
    g->last = p;
    g->waiting++;
}

static void unlink_pass(governor *g, governor_pass *p) {
    if (p->previous != NULL)
        p->previous->next = p->next;
    else
        g->first = p->next;
    if (p->next != NULL)
        p->next->previous = p->previous;
    else
        g->last = p->previous;
    g->waiting--;
}

/* Ends the waits that a 429 makes longer than they may be. */
static void turn_away(governor *g, double now) {
    double until = held_until(g);
    if (until <= now)
        return;
    for (governor_pass *p = g->first, *next; p != NULL; p = next) {
        next = p->next;
        if (p->latest >= until)
            continue;
        unlink_pass(g, p);
        p->state = GOVERNOR_TURNED_AWAY;
        p->turned_away(p, until - now);
    }
}

void governor_recall(governor *g) {
    while (g->first != NULL) {
        governor_pass *p = g->first;
        unlink_pass(g, p);
        p->state = GOVERNOR_TURNED_AWAY;
        p->turned_away(p, 0);
    }
}

/* The first in the queue waits for what other processes, or a 429, have used up. */
static void tell(governor *g, double at) {
    double now = loop_now();
    governor_pass *p = g->first;
    if (p == NULL || p->delayed == NULL || isinf(at) || at - now <= WORTH_TELLING ||
        (g->told_at > 0 && now - g->told_at < TOLD))
        return;
    g->told_at = now;
    p->delayed(p, at - now, held_until(g) >= at);
}

/* Grants what may go out now, and sets the timer for what may go out later. */
static void pump(loop_timer *t) {
    governor *g = t->owner;
    double at = 0;
    while (g->first != NULL && g->under_way < g->concurrency) {
        if (g->slots > 0 && !take(g, &at)) {
            if (isfinite(at))
                loop_start(g->loop, &g->timer, g->learns ? fmin(at, loop_now() + LOOK_AGAIN) : at);
            turn_away(g, loop_now());
            tell(g, at);
            return;
        }
        governor_pass *p = g->first;
        unlink_pass(g, p);
        g->under_way++;
        p->state = GOVERNOR_GRANTED;
        p->place = g->place;
        p->proves = g->proves;
        p->due = is_leased(g) ? at : 0;
        g->reserved = g->reserved && is_leased(g);
        p->granted(p);
    }
}

static void pump_soon(governor *g) {
    if (g->first != NULL && g->timer.slot == 0)
        loop_start(g->loop, &g->timer, 0);
}

void governor_enter(governor *g, governor_pass *p) {
    p->state = GOVERNOR_QUEUED;
    append(g, p);
    if (g->timer.slot != 0 && g->timer.at > p->latest) /* it may have to be turned away before */
        loop_start(g->loop, &g->timer, 0);
    pump_soon(g);
}

void governor_sent(governor *g, governor_pass *p, double at) {
    p->state = GOVERNOR_SENT;
    if (g->slots == 0)
        return;
    if (p->due > 0) {
        leased_sent(g->leased, (leased_moment){.number = p->place, .at = p->due}, at);
        return;
    }
    double now = quota_begin(g->quota);
    if (is_known(head_of(g, now), p->place))
        quota_set_moment(g->quota, p->place, fmax(moment(g, p->place, now, 0), at));
    quota_end(g->quota);
}

/* What it has found out, who leases has to know. */
static void accepted_leased(leased *l, const governor_pass *p) {
    climb before = l->learnt;
    climb_accepted(&l->learnt, p->place, l->next, p->proves);
    if (l->learnt.rate != before.rate || l->learnt.stride != before.stride)
        l->wanted(l->owner);
}

void governor_arrived(governor *g, governor_pass *p, double at, bool accepted) {
    if (!g->learns)
        return;
    governor_sent(g, p, at);
    if (!accepted || p->proves == 0)
        return;
    if (p->due > 0) {
        accepted_leased(g->leased, p);
        return;
    }
    double now = quota_begin(g->quota);
    quota_head *h = head_of(g, now);
    if (is_known(h, p->place))
        climb_accepted(&h->learnt, p->place, h->next, p->proves);
    quota_end(g->quota);
    if (g->first != NULL) /* more may go out now */
        loop_start(g->loop, &g->timer, 0);
}

/* It was not sent, and will not be. */
static void forget_unsent(governor *g, uint64_t place) {
    double now = quota_begin(g->quota);
    if (is_known(head_of(g, now), place))
        quota_set_moment(g->quota, place, moment(g, place, now, 0));
    quota_end(g->quota);
}

void governor_leave(governor *g, governor_pass *p) {
    if (p->state == GOVERNOR_QUEUED)
        unlink_pass(g, p);
    else if (p->state == GOVERNOR_GRANTED || p->state == GOVERNOR_SENT)
        g->under_way--;
    if (p->state == GOVERNOR_GRANTED && g->slots > 0 && p->due == 0)
        forget_unsent(g, p->place);
    p->state = GOVERNOR_NONE;
    pump_soon(g);
}

/* Slows down for a while. */
static void slow_down(quota_head *h, double now) {
    if (now - h->throttled_at <= WINDOW && h->throttled_at > 0)
        return;
    double slow = slowness(h, now);
    h->slowness = fmin(SLOWEST, slow * (slow < AT_FIRST ? SLOWER_AT_FIRST : SLOWER));
    h->throttled_at = now;
}

/* How many went out in the window before, and were not rejected. */
static double accepted_before(const governor *g, const quota_head *h, double at) {
    uint64_t places = 4 * g->slots + 64, count = 0;
    for (uint64_t i = 1; i <= places && i <= h->next; i++) {
        double went = quota_moment(g->quota, h->next - i);
        count += went > at - WINDOW && went <= at;
    }
    return (double)count;
}

/* Learns from a 429. Says whether the first of those that went out before one was known was not enough the last time, and
 * it is time to wait: after a limit has dropped, what was accepted before still counts. */
static bool learn(quota_head *h, double now, double went, double accepted, double seconds) {
    bool first = went > h->throttled_at, again = first && now - h->throttled_at < WINDOW;
    climb_rejected(&h->learnt, h->next, accepted, fmax(0, seconds), first);
    if (first)
        h->throttled_at = now;
    return again;
}

double governor_rejected(const governor *g, quota_head *h, double now, double went, double accepted, double seconds) {
    bool must_wait = true;
    if (!g->learns)
        slow_down(h, now);
    else if (went > 0)
        must_wait = learn(h, now, went, accepted, seconds);
    if (seconds < 0)
        seconds = must_wait ? PAUSE : 0;
    return fmin(seconds, GOVERNOR_LONGEST_PAUSE);
}

void governor_throttled(governor *g, const governor_pass *p, double seconds) {
    if (g->slots == 0)
        return;
    double now = quota_begin(g->quota), went = 0;
    if (p->due > 0) {
        leased_rejection r = {.number = p->place, .went = p->due, .seconds = seconds};
        leased_rejected(g->leased, r, now, fmin(fmax(seconds, g->learns ? 0 : PAUSE), GOVERNOR_LONGEST_PAUSE));
        quota_end(g->quota);
        return;
    }
    quota_head *h = head_of(g, now);
    if (is_known(h, p->place)) {
        went = moment(g, p->place, now, 0);
        quota_set_moment(g->quota, p->place, -went);
    }
    double accepted = g->learns && went > 0 ? accepted_before(g, h, went) : 0;
    h->not_before = fmax(h->not_before, now + governor_rejected(g, h, now, went, accepted, seconds));
    quota_end(g->quota);
}

/* ---- leasing ---- */

leased *governor_lease(governor *g, void (*wanted)(void *owner), void *owner) {
    if (g->leased == NULL)
        g->leased = calloc(1, sizeof *g->leased);
    if (g->leased == NULL)
        return NULL;
    g->leased->wanted = wanted;
    g->leased->owner = owner;
    return g->leased;
}

size_t governor_wanted(const governor *g) {
    return leased_wanted(g->leased, room_of(g));
}

static void go_by(governor *g, double part) {
    g->part = part;
    set_rate(g, part > 0 ? g->whole * part : g->whole);
    if (g->first != NULL)
        loop_start(g->loop, &g->timer, 0);
}

void governor_leased(governor *g) {
    if (g->learns)
        g->whole = g->leased->learnt.rate;
    g->apart = false;
    go_by(g, 1);
}

/* What is in the log is of another time. What went out last is not in it, so it waits for a window. */
void governor_apart(governor *g, double fraction) {
    double now = quota_begin(g->quota);
    quota_head *h = head_of(g, now);
    h->not_before = fmax(h->not_before, now + WINDOW);
    if (g->learns && g->leased->learnt.rate > 0)
        h->learnt = (climb){.rate = g->leased->learnt.rate, .stride = fmin(g->leased->learnt.stride, 0)};
    quota_end(g->quota);
    leased_clear(g->leased);
    g->apart = true;
    go_by(g, fraction);
}

double governor_rate(const governor *g) {
    return g->pace;
}

size_t governor_waiting(const governor *g) {
    return g->waiting;
}

const char *governor_alone(const governor *g) {
    return quota_alone(g->quota);
}

/* ---- making one ---- */

governor *governor_new(loop *l, double rate, int concurrency, const char *file) {
    governor *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    g->loop = l;
    g->timer = (loop_timer){.fire = pump, .owner = g};
    g->concurrency = concurrency;
    g->learns = rate == GOVERNOR_AUTO;
    g->whole = g->learns ? CLIMB_FROM : rate;
    g->part = 1;
    set_rate(g, g->whole);
    g->quota = quota_new(g->slots > 0 ? file : NULL);
    if (g->quota == NULL || !loop_reserve(l, &g->timer)) { /* without memory requests would wait for ever */
        governor_free(g);
        return NULL;
    }
    if (g->learns) { /* the rate that was found out before */
        head_of(g, quota_begin(g->quota));
        quota_end(g->quota);
    }
    return g;
}

/* A place that was reserved for nothing: who waits for it waits for the one before instead. */
static void give_back(governor *g) {
    double now = quota_begin(g->quota);
    if (is_known(head_of(g, now), g->place))
        quota_set_moment(g->quota, g->place,
                         g->place >= g->slots ? moment(g, g->place - g->slots, now, LONGEST_UNSENT) : 0);
    quota_end(g->quota);
}

void governor_free(governor *g) {
    if (g == NULL)
        return;
    if (g->reserved)
        give_back(g);
    loop_forgo(g->loop, &g->timer);
    quota_free(g->quota);
    free(g->leased);
    free(g);
}
