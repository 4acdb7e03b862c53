/* mirrors: the native module of the five operations. Mechanism here (one attempt of one operation: pass, transfer,
 * decoding), policy in mirrors.lua (options, retries, lost creates). */
#ifndef KMIRROR_MIRRORS_H
#define KMIRROR_MIRRORS_H

#include "governor.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

int luaopen_mirrors(lua_State *L);

/* Whether a request that changes something has gone out. */
bool mirrors_changed(void);
/* Requests that wait for their turn or their answer. */
size_t mirrors_under_way(void);

/* The governor at that index. [-0, +0, v] */
governor *mirrors_governor(lua_State *L, int index);

#endif
