/* pooling: runtime/pool.c, and runtime/libcurl.c, which gives libcurl its memory from it.
 *
 *   pooling CASE -> what went wrong, a line each
 *
 * `wrapped` malloc() fails where a case says so. */
#include "libcurl.h"
#include "pool.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static bool short_of_memory;

void *__wrap_malloc(size_t size) {
    return short_of_memory ? NULL : __real_malloc(size);
}

static void expect(bool ok, const char *what) {
    if (!ok)
        puts(what);
}

static bool holds(const unsigned char *block, unsigned char byte, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (block[i] != byte)
            return false;
    return true;
}

/* ---- cases ---- */

static void again(void) {
    pool *p = pool_new();
    void *first = pool_take(p, 40), *other = pool_take(p, 40);
    expect(first != other, "two objects at one place");
    pool_give(p, first, 40);
    expect(pool_take(p, 48) == first, "its place is not used again by one that is rounded to the same");
    pool_give(p, other, 40);
    expect(pool_take(p, 80) != other, "its place is used by one that is larger");
    pool_free(p);
}

/* Objects come, grow, shrink and go at random, as Lua has them do; each is full of a byte of its own. */
static void random_life(void) {
    enum { OBJECTS = 500, STEPS = 200000, LARGEST = 5000 };
    static struct {
        unsigned char *block;
        size_t size;
    } objects[OBJECTS];
    pool *p = pool_new();
    srand(1);
    for (int i = 0; i < STEPS; i++) {
        int n = rand() % OBJECTS;
        size_t size = rand() % 3 == 0 ? 0 : (size_t)(rand() % (rand() % 10 == 0 ? LARGEST : 200) + 1);
        size_t kept = size < objects[n].size ? size : objects[n].size;
        unsigned char *block = pool_allocate(p, objects[n].block, objects[n].size, size);
        expect(size == 0 ? block == NULL : block != NULL && (uintptr_t)block % _Alignof(max_align_t) == 0,
               "no object, or one that is not aligned");
        expect(kept == 0 || holds(block, (unsigned char)n, kept), "what was in an object is not in it any more");
        if (block != NULL)
            memset(block, n, size);
        objects[n].block = block;
        objects[n].size = size;
    }
    for (int n = 0; n < OBJECTS; n++)
        pool_allocate(p, objects[n].block, objects[n].size, 0);
    pool_free(p);
}

static void shrinking(void) {
    static const size_t sizes[][2] = {{100000, 5000}, {100000, 100}, {2000, 20}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pool *p = pool_new();
        unsigned char *block = memset(pool_take(p, sizes[i][0]), 'x', sizes[i][0]);
        short_of_memory = true;
        expect(pool_take(p, 1 << 20) == NULL, "memory where there is none");
        unsigned char *smaller = pool_allocate(p, block, sizes[i][0], sizes[i][1]);
        short_of_memory = false;
        expect(smaller != NULL && holds(smaller, 'x', sizes[i][1]), "an object did not shrink");
        pool_allocate(p, smaller, sizes[i][1], 0);
        pool_free(p);
    }
}

static void *in_thread(void *text) {
    char *own = curl_easy_escape(NULL, "of the thread", 0);
    expect(strcmp(text, "of%20the%20process") == 0, "what the thread was given is not as it was");
    curl_free(text);
    return own;
}

static void threads(void) {
    void *own;
    pthread_t thread;
    expect(libcurl_ready() && libcurl_ready(), "libcurl is not ready");
    char *text = curl_easy_escape(NULL, "of the process", 0), *again = NULL;
    uintptr_t place = (uintptr_t)text;
    pthread_create(&thread, NULL, in_thread, text);
    pthread_join(thread, &own);
    expect(strcmp(own, "of%20the%20thread") == 0, "what the thread made is not as it was");
    curl_free(own);
    bool found = false;
    for (int i = 0; i < 4 && !found; i++) {
        again = curl_easy_escape(NULL, "of the process", 0);
        found = (uintptr_t)again == place;
    }
    expect(found, "what a thread freed is not used again");
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"again", again}, {"random", random_life}, {"shrinking", shrinking}, {"threads", threads}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (argc > 1 && strcmp(argv[1], cases[i].name) == 0)
            cases[i].run();
    return 0;
}
