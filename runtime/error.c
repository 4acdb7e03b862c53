#include "error.h"

#include "chunk.h"
#include "printable.h"

#include <lauxlib.h>
#include <stdarg.h>

/* operations() -> what they are called */
static int load_operations(lua_State *L) {
    chunk_run(L, "runtime/operations.lua", 0);
    return 1;
}

void error_constructor(lua_State *L) {
    static const char key;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    lua_pushcfunction(L, load_operations);
    lua_pushcfunction(L, printable_lua);
    chunk_run(L, "runtime/error.lua", 2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
}

int error_raise(lua_State *L, const char *kind, const char *format, ...) {
    va_list arguments;
    luaL_checkstack(L, 8, NULL);
    error_constructor(L);
    lua_pushstring(L, kind);
    va_start(arguments, format);
    lua_pushvfstring(L, format, arguments);
    va_end(arguments);
    lua_call(L, 2, 1);
    return lua_error(L);
}
