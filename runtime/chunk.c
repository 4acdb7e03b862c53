#include "chunk.h"

#include "embedded.h"

#include <lauxlib.h>

/* Reading what is compiled takes a tenth of the time. A Lua of another kind than that of the build (mirrors.so loads
 * into any 5.4) refuses it by its header, and takes the source. */
void chunk_load(lua_State *L, const struct embedded_file *file) {
    const char *name = lua_pushfstring(L, "@%s", file->name);
    if (luaL_loadbufferx(L, file->code, file->code_size, name, "b") != LUA_OK) {
        lua_pop(L, 1);
        if (luaL_loadbufferx(L, file->source, file->size, name, "t") != LUA_OK)
            lua_error(L);
    }
    lua_remove(L, -2);
}

void chunk_run(lua_State *L, const char *name, int nargs) {
    const struct embedded_file *file = embedded_find(name);
    if (file == NULL) {
        luaL_error(L, "%s was not built into this executable", name);
        return;
    }
    chunk_load(L, file);
    lua_insert(L, -nargs - 1);
    lua_call(L, nargs, 1);
}
