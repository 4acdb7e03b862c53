/* class: types of userdata that Lua has in hand. */
#ifndef KMIRROR_CLASS_H
#define KMIRROR_CLASS_H

#include <lauxlib.h>
#include <lua.h>

/* A type of that name. When one of it is collected, it ends by this function, which may be called more than once. One
 * with methods, which scripts have, can be a <close> variable, too; methods: NULL for none. [-0, +0, m] */
void class_new(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction end);

#endif
