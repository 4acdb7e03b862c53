#include "chunk.h"

#include "embedded.h"

#include <lauxlib.h>

void chunk_run(lua_State *L, const char *name, int nargs) {
    const struct embedded_file *file = embedded_find(name);
    if (file == NULL) {
        luaL_error(L, "%s was not built into this executable", name);
        return;
    }
    lua_pushfstring(L, "@%s", name);
    if (luaL_loadbufferx(L, file->data, file->size, lua_tostring(L, -1), "t") != LUA_OK)
        lua_error(L);
    lua_remove(L, -2);
    lua_insert(L, -nargs - 1);
    lua_call(L, nargs, 1);
}
