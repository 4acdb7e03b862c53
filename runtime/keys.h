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

/* What a terminal that was asked to (DEC mode 2004) puts around what is pasted. */
#define PASTE_BEGINS "\033[200~"
#define PASTE_ENDS "\033[201~"

/* How many bytes of the input are its first key; 0 while a part of that is missing. A paste is one key. */
size_t key_length(const char *input, size_t count);

/* Whether a key that is no text means something here. */
bool key_is_bound(const char *key, size_t length);

#endif
