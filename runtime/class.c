#include "class.h"

#include <stddef.h>

void class_new(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction end) {
    luaL_newmetatable(L, name);
    lua_pushcfunction(L, end);
    lua_setfield(L, -2, "__gc");
    if (methods != NULL) {
        lua_pushcfunction(L, end);
        lua_setfield(L, -2, "__close");
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
}
