#include "libcurl.h"

#include "pool.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* In front of what libcurl gets. */
typedef struct block {
    _Alignas(max_align_t) size_t size; /* with this */
    union {
        bool pooled;
        struct block *next; /* when it was given back */
    };
} block;

/* The pool is for the thread that made libcurl ready. Those that look up a name have malloc(), and what they free of the
 * pool's, its thread takes back with the next call. */
static pool *memory;
static _Thread_local bool is_mine;
static _Atomic(block *) given_back;

static void give_back(block *b) {
    b->next = atomic_load(&given_back);
    while (!atomic_compare_exchange_weak(&given_back, &b->next, b))
        continue;
}

static void take_back(void) {
    for (block *b = atomic_exchange(&given_back, NULL), *next; b != NULL; b = next) {
        next = b->next;
        pool_give(memory, b, b->size);
    }
}

/* ---- what libcurl calls ---- */

static void *allocate(size_t size) {
    size_t whole = size + sizeof(block);
    if (whole < size)
        return NULL;
    if (is_mine && atomic_load_explicit(&given_back, memory_order_relaxed) != NULL)
        take_back();
    block *b = is_mine ? pool_take(memory, whole) : malloc(whole);
    if (b == NULL)
        return NULL;
    b->size = whole;
    b->pooled = is_mine;
    return b + 1;
}

static void release(void *bytes) {
    if (bytes == NULL)
        return;
    block *b = (block *)bytes - 1;
    if (!b->pooled)
        free(b);
    else if (is_mine)
        pool_give(memory, b, b->size);
    else
        give_back(b);
}

static void *resize(void *bytes, size_t size) {
    size_t before = bytes == NULL ? 0 : ((block *)bytes - 1)->size - sizeof(block);
    void *moved = allocate(size);
    if (moved != NULL && bytes != NULL) {
        memcpy(moved, bytes, before < size ? before : size);
        release(bytes);
    }
    return moved;
}

static void *allocate_zeros(size_t count, size_t size) {
    if (size > 0 && count > SIZE_MAX / size)
        return NULL;
    void *bytes = allocate(count * size);
    return bytes == NULL ? NULL : memset(bytes, 0, count * size);
}

static char *duplicate(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = allocate(size);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}

/* ---- making it ready ---- */

static CURLcode make_ready(void) {
    if (!pool_wanted())
        return curl_global_init(CURL_GLOBAL_DEFAULT);
    if (memory == NULL)
        is_mine = (memory = pool_new()) != NULL;
    return memory == NULL
               ? CURLE_OUT_OF_MEMORY
               : curl_global_init_mem(CURL_GLOBAL_DEFAULT, allocate, release, resize, duplicate, allocate_zeros);
}

bool libcurl_ready(void) {
    static bool ready;
    ready = ready || make_ready() == CURLE_OK;
    return ready;
}
