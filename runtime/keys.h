/* keys: which keys do what at the prompt, and where in the input one ends. */
#ifndef KMIRROR_KEYS_H
#define KMIRROR_KEYS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct key_binding {
    const char *key; /* as libedit writes it: "^R" */
    const char *function;
} key_binding;

/* All of them; the last one has no key. */
extern const key_binding key_bindings[];

/* How many bytes of the input are its first key; 0 while a part of that is missing. */
size_t key_length(const char *input, size_t count);

/* Whether an escape sequence means something here. libedit would take the end of one that it does not know for text. */
bool key_is_bound(const char *key, size_t length);

#endif
