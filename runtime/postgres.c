#include "postgres.h"

#include "alarm.h"
#include "class.h"
#include "postgres_inside.h"

#include <dlfcn.h>
#include <string.h>

postgres_library pq;

static bool load_library(void) {
    static const struct {
        const char *name;
        void **function;
    } needed[] = {
#define NEEDED(name) {"PQ" #name, (void **)&pq.name},
        POSTGRES_FUNCTIONS(NEEDED)};
    static bool loaded;
    if (loaded)
        return true;
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; library != NULL && i < sizeof needed / sizeof *needed; i++)
        if ((*needed[i].function = dlsym(library, needed[i].name)) == NULL)
            return false;
    loaded = library != NULL;
    return loaded;
}

bool postgres_has_library(lua_State *L) {
    bool there = load_library();
    if (!there)
        postgres_push_problem(L, "libpq is not there: install Debian's libpq5, or what has libpq.so.5");
    return there;
}

int postgres_push_problem(lua_State *L, const char *message) {
    size_t length = strlen(message);
    while (length > 0 && message[length - 1] == '\n')
        length--;
    lua_pushnil(L);
    lua_createtable(L, 0, 3);
    lua_pushlstring(L, message, length);
    lua_setfield(L, -2, "message");
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "lost");
    return 2;
}

int postgres_no_memory(lua_State *L) {
    return luaL_error(L, "not enough memory for the database");
}

int luaopen_postgres(lua_State *L) {
    static const luaL_Reg methods[] = {{"query", postgres_query},
                                       {"transaction", postgres_transaction},
                                       {"close", postgres_connection_close},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {{"connect", postgres_connect}, {"parse", postgres_parse}, {NULL, NULL}};
    class_new(L, POSTGRES_CONNECTION, methods, postgres_connection_close);
    class_new(L, POSTGRES_REQUEST, NULL, postgres_request_gc);
    class_new(L, POSTGRES_WAITING, NULL, postgres_waiting_gc);
    luaL_newlib(L, functions);
    alarm_functions(L);
    return 1;
}
