/* pool: memory for many small objects, such as those of Lua and of libcurl. A request makes a hundred, which die soon:
 * malloc() merges and splits what is free on the way, which takes more time than using it. Here what is free of a size
 * waits for the next object of that size, and is never given back alone. Plain C; for one thread. */
#ifndef KMIRROR_POOL_H
#define KMIRROR_POOL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct pool pool;

/* False with KMIRROR_MALLOC in the environment, and with the sanitizers: each object is to come from malloc(), for tools
 * that watch that. */
bool pool_wanted(void);

/* NULL when memory is short. Where no pool is wanted, it leaves all to malloc(). */
pool *pool_new(void);
/* Aligned for anything; NULL when memory is short. */
void *pool_take(pool *p, size_t size);
/* With the size that it was taken with. */
void pool_give(pool *p, void *block, size_t size);
/* A lua_Alloc, whose first argument is a pool. */
void *pool_allocate(void *owner, void *block, size_t was, size_t size);
/* With all small objects that came from it. NULL is fine. */
void pool_free(pool *p);

#endif
