/* lua_count: preloaded into kmirror, counts the instructions of Lua that it takes, in all of its states and coroutines
 * (these have the hook of who makes them), and adds the number to the file that LUA_COUNT names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <lua5.4/lua.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEP = 100 };

static atomic_ulong steps;

static void count(lua_State *L, lua_Debug *debug) {
    (void)L;
    (void)debug;
    atomic_fetch_add_explicit(&steps, 1, memory_order_relaxed);
}

static void tell(void) {
    FILE *file = fopen(getenv("LUA_COUNT"), "a");
    fprintf(file, "%lu\n", STEP * atomic_load(&steps));
    fclose(file);
}

lua_State *luaL_newstate(void) {
    static atomic_flag is_registered = ATOMIC_FLAG_INIT;
    lua_State *(*real)(void);
    *(void **)&real = dlsym(RTLD_NEXT, "luaL_newstate");
    lua_State *L = real();
    if (L != NULL)
        lua_sethook(L, count, LUA_MASKCOUNT, STEP);
    if (!atomic_flag_test_and_set(&is_registered))
        atexit(tell);
    return L;
}
