#include "shape.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

typedef struct field {
    const char *name;
    int type;
    bool required, filled;
    const shape *items; /* of a list of objects */
} field;

/* A userdata; its user value holds the names and the shapes of items. */
struct shape {
    lua_Integer count;
    field fields[];
};

/* ---- from the description ---- */

static int type_of(lua_State *L, const char *name) {
    static const int types[] = {LUA_TSTRING, LUA_TSTRING, LUA_TNUMBER, LUA_TBOOLEAN, LUA_TTABLE};
    static const char *const names[] = {"string", "text", "number", "boolean", "table", NULL};
    lua_pushstring(L, name);
    int type = types[luaL_checkoption(L, -1, NULL, names)];
    lua_pop(L, 1);
    return type;
}

/* From the table on top; `kept` is the table that keeps alive what the field points to. [-0, +0, e] */
static void describe(lua_State *L, field *f, int kept) {
    int top = lua_gettop(L);
    lua_geti(L, top, 1);
    f->name = luaL_checkstring(L, -1);
    luaL_ref(L, kept);
    lua_geti(L, top, 2);
    const char *type = luaL_checkstring(L, -1);
    f->type = type_of(L, type);
    f->filled = strcmp(type, "text") == 0;
    lua_geti(L, top, 3);
    f->required = lua_toboolean(L, -1);
    if (lua_geti(L, top, 4) == LUA_TTABLE) {
        f->items = shape_new(L, lua_gettop(L));
        luaL_ref(L, kept);
    }
    lua_settop(L, top);
}

const shape *shape_new(lua_State *L, int index) {
    luaL_checkstack(L, 12, NULL);
    lua_Integer count = luaL_len(L, index);
    shape *s = lua_newuserdatauv(L, sizeof *s + (size_t)count * sizeof *s->fields, 1);
    *s = (shape){.count = count};
    memset(s->fields, 0, (size_t)count * sizeof *s->fields);
    lua_newtable(L);
    int kept = lua_gettop(L);
    for (lua_Integer i = 0; i < count; i++) {
        lua_geti(L, index, i + 1);
        describe(L, &s->fields[i], kept);
        lua_pop(L, 1);
    }
    lua_setiuservalue(L, -2, 1);
    return s;
}

/* ---- the check ---- */

/* Of the table on top: nothing but objects of that shape. */
static const char *check_items(lua_State *L, const shape *items) {
    int list = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, list) != 0; lua_settop(L, list + 1)) {
        if (lua_type(L, -2) != LUA_TNUMBER)
            return "an object where a list was expected";
        const char *problem = shape_check(L, items);
        if (problem != NULL)
            return problem;
    }
    return NULL;
}

/* Of the value on top, which has the type. */
static const char *check_field(lua_State *L, const field *f) {
    if (f->filled && lua_rawlen(L, -1) == 0)
        return lua_pushfstring(L, "'%s' is empty", f->name);
    return f->items != NULL ? check_items(L, f->items) : NULL;
}

const char *shape_check(lua_State *L, const shape *s) {
    int object = lua_gettop(L);
    luaL_checkstack(L, 8, NULL);
    if (!lua_istable(L, object))
        return lua_pushfstring(L, "%s where an object was expected", luaL_typename(L, object));
    for (const field *f = s->fields; f < s->fields + s->count; f++) {
        int type = lua_getfield(L, object, f->name);
        if (type == LUA_TNIL && f->required)
            return lua_pushfstring(L, "'%s' is missing", f->name);
        if (type != LUA_TNIL && type != f->type)
            return lua_pushfstring(L, "'%s' is a %s", f->name, lua_typename(L, type));
        const char *problem = type != LUA_TNIL ? check_field(L, f) : NULL;
        if (problem != NULL)
            return problem;
        lua_settop(L, object);
    }
    return NULL;
}
