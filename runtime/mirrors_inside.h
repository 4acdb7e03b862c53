/* The inside of mirrors.c, which it shares with mirrors_account.c, which has accounts and their governors, and
 * mirrors_call.c, which sends one operation, once or more often. */
#ifndef KMIRROR_MIRRORS_INSIDE_H
#define KMIRROR_MIRRORS_INSIDE_H

#include "governor.h"
#include "http.h"

#include <lua.h>

#define MIRRORS_ACCOUNT "mirrors.account"

/* One user at one endpoint. Its user value is its governor. */
typedef struct account {
    http_client *http;
    governor *governor;
} account;

/* Add their functions to the table on top, and make the types of what these take. [-0, +0, m] */
void mirrors_account_functions(lua_State *L);
void mirrors_call_functions(lua_State *L);

#endif
