/* thread: what would block, as a call of somebody else's library does, in a thread of its own while the loop goes on.
 * Plain C, knows nothing of Lua.
 *
 * Who starts the work and its thread own it together, and whoever leaves last frees it: neither waits for the other, so
 * that a task which is cancelled, and a process which ends, need not wait for a server that does not answer. Signals are
 * for the thread that Lua runs in. */
#ifndef KMIRROR_THREAD_H
#define KMIRROR_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>

/* Lives inside its owner. */
typedef struct thread_work {
    void (*run)(void *owner);  /* in the thread; what it has found must be safe to read from another */
    void (*free)(void *owner); /* in the thread that leaves last; frees this, too */
    void *owner;
    atomic_int owners;
} thread_work;

/* Work that only its maker owns, not started yet. */
void thread_prepare(thread_work *w, void *owner, void (*run)(void *owner), void (*free)(void *owner));
/* Starts the thread, which owns the work, too. False when there is none to be had: it stays its maker's alone. */
bool thread_start(thread_work *w);
/* Its maker needs it no more; it may be gone after this. */
void thread_leave(thread_work *w);

#endif
