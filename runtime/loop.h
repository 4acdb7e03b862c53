/* loop: the event loop of a kmirror process. One thread, plain C, knows nothing of Lua.
 *
 * It owns a curl multi handle, a heap of timers and a few watched descriptors. Everything that happens is
 * told by a callback, and a callback is only ever made from loop_step(): never from inside the call that
 * started the thing, and never from inside libcurl. */
#ifndef KMIRROR_LOOP_H
#define KMIRROR_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct loop loop;

/* A point in time at which to be called. Lives inside its owner; zero it before first use. */
typedef struct loop_timer {
    double at;                         /* seconds on loop_now()'s clock */
    size_t slot;                       /* place in the heap, from 1; 0: not running */
    bool background;                   /* does not keep the loop from being idle */
    bool reserved;                     /* by loop_reserve() */
    void (*fire)(struct loop_timer *); /* called once; the timer is no longer running then */
    void *owner;
} loop_timer;

/* A descriptor to poll. Lives inside its owner. */
typedef struct loop_watch {
    int fd;
    short events;                                     /* CURL_WAIT_POLLIN, CURL_WAIT_POLLOUT */
    bool background;                                  /* does not keep the loop from being idle */
    void (*ready)(struct loop_watch *, short events); /* after each poll that found it ready */
    void *owner;
    struct loop_watch *next;
} loop_watch;

/* A transfer on the multi handle. Lives inside its owner. */
typedef struct loop_transfer {
    CURL *easy;                                     /* configured by the owner, who also frees it */
    bool active;                                    /* on the multi handle */
    void (*done)(struct loop_transfer *, CURLcode); /* called once, unless loop_remove() came first */
    void *owner;
} loop_transfer;

/* A new loop; NULL when memory is short. */
loop *loop_new(void);
/* Frees the loop. Timers, watches and transfers must have been taken off it. NULL is fine. */
void loop_free(loop *l);

/* Seconds on the monotonic clock; the same clock in every process of this machine until it reboots. */
double loop_now(void);

/* From now on nobody waits for a timer: when nothing else happens, the clock jumps to the next one. For a process that
 * waits for nothing outside of it. */
void loop_jump(void);
/* While something is under way that only passes outside of this process, the clock does not jump. It ends with a call
 * for each: loop_hold(true), then loop_hold(false). */
void loop_hold(bool begins);

/* Starts a timer, or moves one that runs. Returns false when memory is short. */
bool loop_start(loop *l, loop_timer *t, double at);
/* Stops a timer; one that does not run is left alone. */
void loop_stop(loop *l, loop_timer *t);
/* Keeps room for a timer, for those whose start must not fail when memory runs out. Returns false when it is short. */
bool loop_reserve(loop *l, loop_timer *t);
/* Stops a timer, and gives the room back. One that has none is only stopped. */
void loop_forgo(loop *l, loop_timer *t);

void loop_watch_add(loop *l, loop_watch *w);
void loop_watch_remove(loop *l, loop_watch *w);

/* Hands a configured easy handle to libcurl. Returns false when libcurl refuses it. */
bool loop_add(loop *l, loop_transfer *t);
/* Takes a transfer back without its callback; one that is not on the loop is left alone. */
void loop_remove(loop *l, loop_transfer *t);

/* Polls once, for at most `most` seconds (negative: until something happens), and makes the callbacks. */
void loop_step(loop *l, double most);
/* Makes a loop_step() that is polling return; may be called from a signal handler. */
void loop_wake(loop *l);
/* True when nothing is left but background timers and watches: nothing can happen any more. */
bool loop_idle(const loop *l);

#endif
