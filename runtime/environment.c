#include "environment.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static const char name[] = "KMIRROR_API_KEY";

static char *key; /* NULL: it was not set */

/* Without memory for a copy it stays where it is. */
void environment_hide_key(void) {
    char *value = getenv(name);
    if (value == NULL || (key = strdup(value)) == NULL)
        return;
    explicit_bzero(value, strlen(value));
    unsetenv(name);
}

/* getenv(name) -> value | nil */
static int get(lua_State *L) {
    const char *asked = luaL_checkstring(L, 1);
    lua_pushstring(L, key != NULL && strcmp(asked, name) == 0 ? key : getenv(asked));
    return 1;
}

void environment_open(lua_State *L) {
    lua_getglobal(L, "os");
    lua_pushcfunction(L, get);
    lua_setfield(L, -2, "getenv");
    lua_pop(L, 1);
}
