#include "pool.h"

#include <stdlib.h>
#include <string.h>

/* Sizes are rounded up to STEP bytes; what is larger than LARGEST is left to malloc(). Memory is taken SLAB bytes at a
 * time, which malloc() gives in one piece. */
enum { STEP = 16, LARGEST = 2048, SIZES = LARGEST / STEP + 1, SLAB = 32 * 1024 };

/* The sanitizers know each object that malloc() gave. */
#ifdef __SANITIZE_ADDRESS__
#define FOR_CHECKERS true
#else
#define FOR_CHECKERS false
#endif

typedef struct piece {
    struct piece *next;
} piece;

struct pool {
    piece *unused[SIZES]; /* by size, in steps */
    char *at, *end;       /* what is left of the slab that was taken last */
    piece *slabs;
    bool plain; /* all is left to malloc() */
};

/* Of a slab, which begins with its place in the list of them. */
enum { SLAB_HEAD = STEP };

bool pool_wanted(void) {
    return !FOR_CHECKERS && getenv("KMIRROR_MALLOC") == NULL;
}

pool *pool_new(void) {
    pool *p = calloc(1, sizeof *p);
    if (p != NULL)
        p->plain = !pool_wanted();
    return p;
}

void pool_free(pool *p) {
    for (piece *slab = p == NULL ? NULL : p->slabs, *next; slab != NULL; slab = next) {
        next = slab->next;
        free(slab);
    }
    free(p);
}

static size_t steps_of(size_t size) {
    return (size + STEP - 1) / STEP;
}

static void give(pool *p, void *block, size_t steps) {
    piece *unused = block;
    unused->next = p->unused[steps];
    p->unused[steps] = unused;
}

/* What is left of the slab before stays of use, as a smaller piece. */
static bool take_slab(pool *p) {
    piece *slab = malloc(SLAB);
    if (slab == NULL)
        return false;
    if (p->end > p->at)
        give(p, p->at, (size_t)(p->end - p->at) / STEP);
    slab->next = p->slabs;
    p->slabs = slab;
    p->at = (char *)slab + SLAB_HEAD;
    p->end = (char *)slab + SLAB;
    return true;
}

static void *take(pool *p, size_t steps) {
    piece *unused = p->unused[steps];
    if (unused != NULL) {
        p->unused[steps] = unused->next;
        return unused;
    }
    if ((size_t)(p->end - p->at) < steps * STEP && !take_slab(p))
        return NULL;
    char *block = p->at;
    p->at += steps * STEP;
    return block;
}

static bool is_small(const pool *p, size_t size) {
    return size <= LARGEST && !p->plain;
}

void *pool_take(pool *p, size_t size) {
    return is_small(p, size) ? take(p, steps_of(size)) : malloc(size);
}

void pool_give(pool *p, void *block, size_t size) {
    if (is_small(p, size))
        give(p, block, steps_of(size));
    else
        free(block);
}

/* To another size, where one of both is small. Lua relies on it that what shrinks does not fail: then it stays where it
 * is, with room to spare. */
static void *move(pool *p, void *block, size_t was, size_t size) {
    void *moved = pool_take(p, size);
    if (moved == NULL)
        return size < was ? block : NULL;
    memcpy(moved, block, was < size ? was : size);
    pool_give(p, block, was);
    return moved;
}

void *pool_allocate(void *owner, void *block, size_t was, size_t size) {
    pool *p = owner;
    if (block == NULL) /* `was` says what it is for */
        return size == 0 ? NULL : pool_take(p, size);
    if (size == 0) {
        pool_give(p, block, was);
        return NULL;
    }
    if (!is_small(p, was) && !is_small(p, size))
        return realloc(block, size);
    if (is_small(p, was) && is_small(p, size) && steps_of(was) == steps_of(size))
        return block;
    return move(p, block, was, size);
}
