#include "shape.h"

#include <lauxlib.h>
#include <string.h>

enum { MOST_FIELDS = 64 };

/* ---- from the description ---- */

static int type_of(lua_State *L, const char *name) {
    static const int types[] = {LUA_TSTRING, LUA_TSTRING, LUA_TNUMBER, LUA_TBOOLEAN, LUA_TTABLE};
    static const char *const names[] = {"string", "text", "number", "boolean", "table", NULL};
    lua_pushstring(L, name);
    int type = types[luaL_checkoption(L, -1, NULL, names)];
    lua_pop(L, 1);
    return type;
}

static shape *describe(lua_State *L, int index, int names);

/* From the table on top. [-0, +0, e] */
static void describe_field(lua_State *L, shape *s, shape_field *f, int names) {
    int top = lua_gettop(L);
    lua_geti(L, top, 1);
    f->name = luaL_checklstring(L, -1, &f->length);
    f->key = luaL_ref(L, names);
    f->bit = UINT64_C(1) << (f - s->fields);
    lua_geti(L, top, 2);
    const char *type = luaL_checkstring(L, -1);
    f->type = type_of(L, type);
    f->filled = strcmp(type, "text") == 0;
    lua_geti(L, top, 3);
    if (lua_toboolean(L, -1))
        s->required |= f->bit;
    if (lua_geti(L, top, 4) == LUA_TTABLE)
        f->items = describe(L, lua_gettop(L), names);
    lua_settop(L, top);
}

/* A userdata; what it points to is kept by the table of names, and so is itself. [-0, +0, e] */
static shape *describe(lua_State *L, int index, int names) {
    luaL_checkstack(L, 12, NULL);
    lua_Integer count = luaL_len(L, index);
    luaL_argcheck(L, count <= MOST_FIELDS, index, "too many fields");
    size_t size = sizeof(shape) + (size_t)count * sizeof(shape_field);
    shape *s = memset(lua_newuserdatauv(L, size, 0), 0, size);
    luaL_ref(L, names);
    for (; s->count < count; s->count++) {
        lua_geti(L, index, s->count + 1);
        describe_field(L, s, &s->fields[s->count], names);
        lua_pop(L, 1);
    }
    return s;
}

const shape *shape_new(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_newtable(L);
    const shape *s = describe(L, index, lua_gettop(L));
    lua_rawsetp(L, LUA_REGISTRYINDEX, s);
    return s;
}

void shape_push_names(lua_State *L, const shape *s) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, s);
}

/* ---- its fields ---- */

static bool begins(const char *text, const shape_field *f) {
    return strncmp(text, f->name, f->length) == 0 && text[f->length] == '"';
}

const shape_field *shape_after(const shape *s, const shape_field *f) {
    return f + 1 < s->fields + s->count ? f + 1 : s->fields;
}

const shape_field *shape_find(const shape *s, const shape_field *likely, const char *text) {
    const shape_field *f = likely;
    for (int i = 0; i < s->count; i++, f = shape_after(s, f))
        if (begins(text, f))
            return f;
    return NULL;
}

/* ---- the checks ---- */

const char *shape_check_field(lua_State *L, const shape_field *f) {
    int type = lua_type(L, -1);
    if (type != f->type && type != LUA_TNIL)
        return lua_pushfstring(L, "'%s' is a %s", f->name, lua_typename(L, type));
    return f->filled && type != LUA_TNIL && lua_rawlen(L, -1) == 0 ? lua_pushfstring(L, "'%s' is empty", f->name)
                                                                   : NULL;
}

const char *shape_check_present(lua_State *L, const shape *s, uint64_t present) {
    uint64_t missing = s->required & ~present;
    for (const shape_field *f = s->fields; missing != 0; f++)
        if (missing & f->bit)
            return lua_pushfstring(L, "'%s' is missing", f->name);
    return NULL;
}

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

const char *shape_check(lua_State *L, const shape *s) {
    int object = lua_gettop(L);
    uint64_t present = 0;
    luaL_checkstack(L, 8, NULL);
    if (!lua_istable(L, object))
        return lua_pushfstring(L, "%s where an object was expected", luaL_typename(L, object));
    for (const shape_field *f = s->fields; f < s->fields + s->count; f++) {
        bool there = lua_getfield(L, object, f->name) != LUA_TNIL;
        const char *problem = shape_check_field(L, f);
        if (problem == NULL && there && f->items != NULL)
            problem = check_items(L, f->items);
        if (problem != NULL)
            return problem;
        present |= there ? f->bit : 0;
        lua_settop(L, object);
    }
    return shape_check_present(L, s, present);
}
