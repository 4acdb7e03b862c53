#include "governor.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* A moment this far ahead was not written by this boot's clock. */
#define NONSENSE 3600.0

#define MAGIC UINT64_C(0x6b6d6972726f7231) /* kmirror1 */

/* The log. Place n is in moments[n % GOVERNOR_MAX_RATE]: when request n went out, or may go out. */
typedef struct window {
    uint64_t magic;
    uint64_t next;       /* the first place not given out */
    double slowness;     /* 1: the set rate; 2: half of it. As it was at throttled_at */
    double throttled_at; /* the last 429; 0: none yet */
    double not_before;   /* nothing goes out earlier */
    double moments[GOVERNOR_MAX_RATE];
} window;

struct governor {
    loop *loop;
    window *window;
    int file;       /* -1: the window is this process's own */
    uint64_t slots; /* requests in one window; 0: no limit */
    double hold;    /* seconds for which a request takes up its slot */
    int concurrency, under_way;
    governor_pass *first, *last;
    size_t waiting;
    bool reserved; /* the first in the queue has a place */
    uint64_t place;
    loop_timer timer;
};

/* ---- the window; everything here happens under the lock ---- */

static void lock(const governor *g) {
    if (g->file >= 0)
        while (flock(g->file, LOCK_EX) != 0 && errno == EINTR) {
        }
}

static void unlock(const governor *g) {
    if (g->file >= 0)
        flock(g->file, LOCK_UN);
}

static double *moment(const governor *g, uint64_t place) {
    return &g->window->moments[place % GOVERNOR_MAX_RATE];
}

/* A file from before a reboot, or of another make, holds nothing of use. */
static void check_window(window *w, double now) {
    bool sane = w->magic == MAGIC && w->not_before < now + NONSENSE && w->throttled_at <= now &&
                (w->next == 0 || w->moments[(w->next - 1) % GOVERNOR_MAX_RATE] < now + NONSENSE);
    if (sane)
        return;
    memset(w, 0, sizeof *w);
    w->magic = MAGIC;
    w->slowness = 1;
}

static double slowness(const window *w, double now) {
    return 1 + (w->slowness - 1) * exp((w->throttled_at - now) / RECOVERY);
}

/* When the request at that place may go out, as things stand. */
static double due(const governor *g, uint64_t place, double now) {
    const window *w = g->window;
    double at = w->not_before;
    if (place >= g->slots)
        at = fmax(at, *moment(g, place - g->slots) + g->hold * slowness(w, now));
    return at;
}

static uint64_t reserve(const governor *g, double now) {
    window *w = g->window;
    double at = fmax(now, due(g, w->next, now));
    *moment(g, w->next) = at;
    return w->next++;
}

/* Takes the reserved place when it is due, else says when it will be. */
static bool take_place(governor *g, double now, double *at) {
    lock(g);
    check_window(g->window, now);
    /* Places wrap round, and another process may have started the log afresh. */
    if (!g->reserved || g->place >= g->window->next || g->window->next - g->place > GOVERNOR_MAX_RATE / 2)
        g->place = reserve(g, now);
    g->reserved = true;
    *at = due(g, g->place, now);
    bool taken = *at <= now;
    *moment(g, g->place) = taken ? now : *at;
    unlock(g);
    return taken;
}

/* Until when a 429 holds the queue. */
static double held_until(const governor *g) {
    lock(g);
    double until = g->window->not_before;
    unlock(g);
    return until;
}

/* ---- the queue ---- */

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

/* Grants what may go out now, and sets the timer for what may go out later. */
static void pump(loop_timer *t) {
    governor *g = t->owner;
    double at;
    while (g->first != NULL && g->under_way < g->concurrency) {
        if (g->slots > 0 && !take_place(g, loop_now(), &at)) {
            loop_start(g->loop, &g->timer, at);
            turn_away(g, loop_now());
            return;
        }
        governor_pass *p = g->first;
        unlink_pass(g, p);
        g->reserved = false;
        g->under_way++;
        p->state = GOVERNOR_GRANTED;
        p->place = g->place;
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

void governor_sent(governor *g, const governor_pass *p, double at) {
    if (g->slots == 0)
        return;
    lock(g);
    if (p->place < g->window->next && g->window->next - p->place <= GOVERNOR_MAX_RATE)
        *moment(g, p->place) = fmax(*moment(g, p->place), at);
    unlock(g);
}

void governor_leave(governor *g, governor_pass *p) {
    if (p->state == GOVERNOR_QUEUED)
        unlink_pass(g, p);
    else if (p->state == GOVERNOR_GRANTED)
        g->under_way--;
    p->state = GOVERNOR_NONE;
    pump_soon(g);
}

void governor_throttled(governor *g, double seconds) {
    double now = loop_now();
    if (g->slots == 0)
        return;
    lock(g);
    window *w = g->window;
    check_window(w, now);
    if (now - w->throttled_at > WINDOW || w->throttled_at == 0) {
        double slow = slowness(w, now);
        w->slowness = fmin(SLOWEST, slow * (slow < AT_FIRST ? SLOWER_AT_FIRST : SLOWER));
        w->throttled_at = now;
    }
    w->not_before = fmax(w->not_before, now + seconds);
    unlock(g);
}

size_t governor_waiting(const governor *g) {
    return g->waiting;
}

/* ---- making one ---- */

static window *map_file(governor *g, const char *path) {
    struct stat status;
    g->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (g->file < 0)
        return NULL;
    lock(g);
    int error = fstat(g->file, &status) != 0 ? errno : 0;
    if (error == 0 && status.st_size < (off_t)sizeof(window)) /* room now, not a SIGBUS on a full disk later */
        error = posix_fallocate(g->file, 0, sizeof(window));
    unlock(g);
    errno = error;
    if (error != 0)
        return NULL;
    void *mapped = mmap(NULL, sizeof(window), PROT_READ | PROT_WRITE, MAP_SHARED, g->file, 0);
    return mapped == MAP_FAILED ? NULL : mapped;
}

governor *governor_new(loop *l, double rate, int concurrency, const char *file) {
    governor *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    g->loop = l;
    g->file = -1;
    g->timer = (loop_timer){.fire = pump, .owner = g};
    g->concurrency = concurrency;
    g->slots = rate <= 0 ? 0 : (uint64_t)fmax(1, floor(rate));
    if (g->slots > 0)
        g->hold = (double)g->slots / rate * WINDOW + MARGIN;
    g->window = file == NULL ? calloc(1, sizeof *g->window) : map_file(g, file);
    if (g->window != NULL)
        return g;
    int error = errno;
    governor_free(g);
    errno = error;
    return NULL;
}

void governor_free(governor *g) {
    if (g == NULL)
        return;
    loop_stop(g->loop, &g->timer);
    if (g->file < 0)
        free(g->window);
    else if (g->window != NULL)
        munmap(g->window, sizeof *g->window);
    if (g->file >= 0)
        close(g->file);
    free(g);
}
