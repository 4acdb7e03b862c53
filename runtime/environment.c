#include "environment.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

/* A variable that holds a secret: always, or when it is a URL, which may have a password in it. */
static struct secret {
    const char *name, *mark;
    char *value; /* NULL: it was not set, or holds none */
} secrets[] = {{.name = "KMIRROR_API_KEY", .mark = ""}, {.name = "KMIRROR_STORE", .mark = "://"}};

enum { SECRETS = sizeof secrets / sizeof *secrets };

/* Without memory for a copy it stays where it is. */
void environment_hide_secrets(void) {
    for (size_t i = 0; i < SECRETS; i++) {
        char *value = getenv(secrets[i].name);
        if (value == NULL || strstr(value, secrets[i].mark) == NULL || (secrets[i].value = strdup(value)) == NULL)
            continue;
        explicit_bzero(value, strlen(value));
        unsetenv(secrets[i].name);
    }
}

/* getenv(name) -> value | nil */
static int get(lua_State *L) {
    const char *asked = luaL_checkstring(L, 1);
    const char *value = getenv(asked);
    for (size_t i = 0; i < SECRETS; i++)
        if (secrets[i].value != NULL && strcmp(asked, secrets[i].name) == 0)
            value = secrets[i].value;
    lua_pushstring(L, value);
    return 1;
}

void environment_open(lua_State *L) {
    lua_getglobal(L, "os");
    lua_pushcfunction(L, get);
    lua_setfield(L, -2, "getenv");
    lua_pop(L, 1);
}
