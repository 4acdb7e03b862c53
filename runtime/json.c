#include "json.h"

#include <lauxlib.h>
#include <lua-cjson.h>
#include <math.h>
#include <string.h>

/* The largest float up to which every integer has a float of its own. */
#define EXACT 9007199254740992.0

enum { DEEPEST = 64 };

static const char decode_key, encode_key;

void json_open(lua_State *L) {
    luaL_requiref(L, "cjson", luaopen_cjson, 0);
    lua_getfield(L, -1, "new");
    lua_call(L, 0, 1);
    lua_getfield(L, -1, "decode_max_depth");
    lua_pushinteger(L, DEEPEST);
    lua_call(L, 1, 0);
    lua_getfield(L, -1, "decode_invalid_numbers");
    lua_pushboolean(L, false);
    lua_call(L, 1, 0);
    lua_getfield(L, -1, "decode");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &decode_key);
    lua_getfield(L, -1, "encode");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &encode_key);
    lua_pop(L, 2);
}

static void push_function(lua_State *L, const void *key) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, key);
}

static bool is_double(lua_State *L, int key) {
    return lua_type(L, key) == LUA_TSTRING && strcmp(lua_tostring(L, key), "averageRate") == 0;
}

static bool is_whole(lua_Number n) {
    return n >= -EXACT && n <= EXACT && floor(n) == n;
}

/* Sets the field whose key is at -2 to the value at -1, which it pops. [-1, +0, m] */
static void replace(lua_State *L, int table) {
    lua_pushvalue(L, -3);
    lua_insert(L, -2);
    lua_rawset(L, table);
}

/* Puts integers and nils where lua-cjson left floats and nulls, in the table on top and all below it. A null in a list
 * stays cjson.null: a hole would move what follows. [-0, +0, m] */
static void normalise(lua_State *L) {
    int table = lua_gettop(L);
    luaL_checkstack(L, 6, NULL);
    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -1) == LUA_TTABLE) {
            normalise(L);
        } else if (lua_type(L, -1) == LUA_TNUMBER && is_whole(lua_tonumber(L, -1)) && !is_double(L, -2)) {
            lua_pushinteger(L, (lua_Integer)lua_tonumber(L, -1));
            replace(L, table);
        } else if (lua_type(L, -1) == LUA_TLIGHTUSERDATA && lua_type(L, -2) == LUA_TSTRING) {
            lua_pushnil(L);
            replace(L, table);
        }
    }
}

bool json_decode(lua_State *L, const char *text, size_t length) {
    push_function(L, &decode_key);
    lua_pushlstring(L, text, length);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK)
        return false;
    if (lua_type(L, -1) == LUA_TTABLE)
        normalise(L);
    return true;
}

void json_push_string(lua_State *L, int index) {
    index = lua_absindex(L, index);
    push_function(L, &encode_key);
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
}
