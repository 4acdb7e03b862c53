#include "thread.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

void thread_prepare(thread_work *w, void *owner, void (*run)(void *owner), void (*free)(void *owner)) {
    w->run = run;
    w->free = free;
    w->owner = owner;
    atomic_init(&w->owners, 1);
}

void thread_leave(thread_work *w) {
    if (atomic_fetch_sub(&w->owners, 1) == 1)
        w->free(w->owner);
}

static void *run_and_leave(void *work) {
    thread_work *w = work;
    w->run(w->owner);
    thread_leave(w);
    return NULL;
}

bool thread_start(thread_work *w) {
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    atomic_store(&w->owners, 2);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&thread, NULL, run_and_leave, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ok)
        pthread_detach(thread);
    else
        atomic_store(&w->owners, 1);
    return ok;
}
