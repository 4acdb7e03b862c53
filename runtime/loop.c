#include "loop.h"

#include "libcurl.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A poll that nothing bounds still ends now and then; the caller then polls again. */
#define LONGEST_POLL 3600.0

struct loop {
    CURLM *multi; /* NULL until something is waited for: many a run never does, and libcurl takes long to get ready */
    size_t transfers;
    loop_timer **heap; /* from 1: the earliest first, children of i at 2i and 2i + 1 */
    size_t timers, room, background_timers, reserved;
    loop_watch *watches;
    loop_watch **polled; /* what fds[i] stands for; NULL once it was removed */
    struct curl_waitfd *fds;
    unsigned watched, watch_room;
};

/* Where time jumps, how far the clock is ahead. It is the process's, as the clock is. */
static bool jumps;
static size_t held;
static double ahead;

loop *loop_new(void) {
    return calloc(1, sizeof(loop));
}

/* Makes the multi handle, if there is none. False when memory is short. */
static bool have_multi(loop *l) {
    if (l->multi == NULL && libcurl_ready())
        l->multi = curl_multi_init();
    return l->multi != NULL;
}

void loop_free(loop *l) {
    if (l == NULL)
        return;
    if (l->multi != NULL)
        curl_multi_cleanup(l->multi);
    free(l->heap);
    free(l->polled);
    free(l->fds);
    free(l);
}

double loop_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9 + ahead;
}

void loop_jump(void) {
    jumps = true;
}

void loop_hold(bool begins) {
    held += begins ? 1 : (size_t)-1;
}

/* ---- timers: a binary heap in which each timer knows its place ---- */

static void put(loop *l, loop_timer *t, size_t slot) {
    l->heap[slot] = t;
    t->slot = slot;
}

static void sift_up(loop *l, loop_timer *t, size_t slot) {
    for (; slot > 1 && l->heap[slot / 2]->at > t->at; slot /= 2)
        put(l, l->heap[slot / 2], slot);
    put(l, t, slot);
}

static void sift_down(loop *l, loop_timer *t, size_t slot) {
    for (size_t child; (child = slot * 2) <= l->timers; slot = child) {
        if (child < l->timers && l->heap[child + 1]->at < l->heap[child]->at)
            child++;
        if (l->heap[child]->at >= t->at)
            break;
        put(l, l->heap[child], slot);
    }
    put(l, t, slot);
}

/* Whether there is room for so many timers more. */
static bool heap_has_room(loop *l, size_t count) {
    if (l->timers + count < l->room)
        return true;
    size_t room = l->room == 0 ? 64 : l->room * 2;
    loop_timer **heap = realloc(l->heap, room * sizeof *heap);
    if (heap == NULL)
        return false;
    l->heap = heap;
    l->room = room;
    return true;
}

bool loop_reserve(loop *l, loop_timer *t) {
    t->reserved = heap_has_room(l, 1 + l->reserved);
    l->reserved += t->reserved;
    return t->reserved;
}

void loop_forgo(loop *l, loop_timer *t) {
    loop_stop(l, t);
    l->reserved -= t->reserved;
    t->reserved = false;
}

bool loop_start(loop *l, loop_timer *t, double at) {
    loop_stop(l, t);
    if (!t->reserved && !heap_has_room(l, 1 + l->reserved))
        return false;
    t->at = at;
    l->background_timers += t->background;
    sift_up(l, t, ++l->timers);
    return true;
}

void loop_stop(loop *l, loop_timer *t) {
    size_t slot = t->slot;
    if (slot == 0)
        return;
    t->slot = 0;
    l->background_timers -= t->background;
    loop_timer *last = l->heap[l->timers--];
    if (last == t)
        return;
    if (slot > 1 && l->heap[slot / 2]->at > last->at)
        sift_up(l, last, slot);
    else
        sift_down(l, last, slot);
}

/* Fires what is due, and tells whether anything was. Timers that a callback starts wait for the next step, or they
 * could starve the rest. */
static bool fire_timers(loop *l) {
    double now = loop_now();
    size_t fired = 0;
    for (size_t most = l->timers; fired < most && l->timers > 0 && l->heap[1]->at <= now; fired++) {
        loop_timer *t = l->heap[1];
        loop_stop(l, t);
        t->fire(t);
    }
    return fired > 0;
}

/* ---- watched descriptors ---- */

void loop_watch_add(loop *l, loop_watch *w) {
    w->next = l->watches;
    l->watches = w;
}

void loop_watch_remove(loop *l, loop_watch *w) {
    for (loop_watch **at = &l->watches; *at != NULL; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            break;
        }
    }
    for (unsigned i = 0; i < l->watched; i++)
        if (l->polled[i] == w)
            l->polled[i] = NULL;
}

static bool watch_room_for(loop *l, unsigned count) {
    if (count <= l->watch_room)
        return true;
    loop_watch **polled = realloc(l->polled, count * sizeof *polled);
    if (polled != NULL)
        l->polled = polled;
    struct curl_waitfd *fds = realloc(l->fds, count * sizeof *fds);
    if (fds != NULL)
        l->fds = fds;
    if (polled == NULL || fds == NULL)
        return false;
    l->watch_room = count;
    return true;
}

static bool collect_watches(loop *l) {
    unsigned count = 0;
    for (const loop_watch *w = l->watches; w != NULL; w = w->next)
        count++;
    l->watched = 0;
    if (!watch_room_for(l, count))
        return false;
    for (loop_watch *w = l->watches; w != NULL; w = w->next) {
        l->polled[l->watched] = w;
        l->fds[l->watched++] = (struct curl_waitfd){.fd = w->fd, .events = w->events};
    }
    return true;
}

static void tell_watches(loop *l) {
    for (unsigned i = 0; i < l->watched; i++)
        if (l->polled[i] != NULL && l->fds[i].revents != 0)
            l->polled[i]->ready(l->polled[i], l->fds[i].revents);
    l->watched = 0;
}

/* ---- transfers ---- */

bool loop_add(loop *l, loop_transfer *t) {
    t->active = have_multi(l) && curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) == CURLE_OK &&
                curl_multi_add_handle(l->multi, t->easy) == CURLM_OK;
    if (t->active)
        l->transfers++;
    return t->active;
}

void loop_remove(loop *l, loop_transfer *t) {
    if (!t->active)
        return;
    t->active = false;
    l->transfers--;
    curl_multi_remove_handle(l->multi, t->easy);
}

static void tell_transfers(loop *l) {
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(l->multi, &left)) != NULL;) {
        loop_transfer *t = NULL;
        CURLcode result = message->data.result; /* the message dies with the removal */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        loop_remove(l, t);
        t->done(t, result);
    }
}

/* ---- the step ---- */

/* Whole milliseconds, rounded up so that a timer is due when the poll for it ends. */
static int poll_time(const loop *l, double most) {
    double seconds = most < 0 || most > LONGEST_POLL ? LONGEST_POLL : most;
    if (l->timers > 0)
        seconds = fmin(seconds, l->heap[1]->at - loop_now());
    return seconds <= 0 ? 0 : (int)ceil(seconds * 1000);
}

/* How long a transfer's other end in this process may take to be seen, in ms. */
#define GRACE 5

/* Polls; where time jumps, what would have to be waited for is there at once. */
static void poll_once(loop *l, int milliseconds) {
    int ready = 0, most = l->transfers > 0 ? GRACE : 0;
    bool jump = jumps && held == 0 && milliseconds > most && l->timers > 0;
    curl_multi_poll(l->multi, l->fds, l->watched, jump ? most : milliseconds, &ready);
    if (jump && ready == 0)
        ahead += fmax(0, l->heap[1]->at - loop_now());
}

/* Timers come first: what they start goes out in the same step. */
void loop_step(loop *l, double most) {
    /* A wake that came before there was a handle is lost: the first step does not wait, so that the caller looks. */
    bool at_once = fire_timers(l) || l->multi == NULL;
    at_once = !collect_watches(l) || at_once; /* memory is short: it may be there at the next step */
    if (have_multi(l))
        poll_once(l, at_once ? 0 : poll_time(l, most));
    if (l->transfers > 0) {
        int running;
        curl_multi_perform(l->multi, &running);
        tell_transfers(l);
    }
    tell_watches(l);
}

void loop_wake(loop *l) {
    curl_multi_wakeup(l->multi);
}

bool loop_idle(const loop *l) {
    for (const loop_watch *w = l->watches; w != NULL; w = w->next)
        if (!w->background)
            return false;
    return l->timers == l->background_timers && l->transfers == 0;
}
