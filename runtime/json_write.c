/* JSON for people and files: keys in order, integers as integers, text that a terminal may show. In one pass: lua-cjson
 * writes keys as they come, every number as a float, and no empty array. */
#include "json.h"
#include "printable.h"

#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEEPEST = 1000,
    FIRST_ROOM = 1024, /* bytes */
    NUMBER_ROOM = 32,
    ESCAPE_ROOM = 16,
    INDENT = 2
};

typedef struct writer {
    lua_State *L;
    char *text; /* in the userdata at `holder` */
    size_t used, room;
    int holder;
    int array; /* the metatable of arrays */
    int depth;
    bool pretty;
} writer;

/* ---- text ---- */

/* What is raised meanwhile leaves nothing behind: the text is Lua's. */
static void grow(writer *w, size_t more) {
    size_t room = w->room * 2 > w->used + more ? w->room * 2 : w->used + more;
    char *text = lua_newuserdatauv(w->L, room, 0);
    if (w->used > 0)
        memcpy(text, w->text, w->used);
    lua_replace(w->L, w->holder);
    w->text = text;
    w->room = room;
}

static void add(writer *w, const char *text, size_t length) {
    if (length > w->room - w->used)
        grow(w, length);
    memcpy(w->text + w->used, text, length);
    w->used += length;
}

static void add_byte(writer *w, char c) {
    if (w->used == w->room)
        grow(w, 1);
    w->text[w->used++] = c;
}

static void break_line(writer *w) {
    if (!w->pretty)
        return;
    add_byte(w, '\n');
    for (int i = 0; i < w->depth * INDENT; i++)
        add_byte(w, ' ');
}

/* ---- strings ---- */

static bool stands_for_itself(unsigned char c) {
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

static void add_code(writer *w, unsigned long code) {
    char escape[ESCAPE_ROOM];
    if (code < 0x10000)
        add(w, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04lx", code));
    else
        add(w, escape,
            (size_t)snprintf(escape, sizeof escape, "\\u%04lx\\u%04lx", 0xD800 + ((code - 0x10000) >> 10),
                             0xDC00 + ((code - 0x10000) & 0x3FF)));
}

static void add_short_escape(writer *w, char c) {
    add_byte(w, '\\');
    add_byte(w, c);
}

/* JSON may reach a terminal, too: what one would obey is an escape. Returns how many bytes it took. */
static size_t add_character(writer *w, const char *text, size_t length) {
    size_t taken;
    long code = printable_decode(text, length, &taken);
    if (code == '"' || code == '\\')
        add_short_escape(w, (char)code);
    else if (code == '\n')
        add_short_escape(w, 'n');
    else if (code == '\r')
        add_short_escape(w, 'r');
    else if (code == '\t')
        add_short_escape(w, 't');
    else if (code < 0)
        add(w, "\xEF\xBF\xBD", 3);
    else if (printable_unsafe(code))
        add_code(w, (unsigned long)code);
    else
        add(w, text, taken);
    return taken;
}

static void add_string(writer *w, const char *text, size_t length) {
    add_byte(w, '"');
    for (size_t at = 0; at < length;) {
        size_t plain = at;
        while (plain < length && stands_for_itself((unsigned char)text[plain]))
            plain++;
        add(w, text + at, plain - at);
        at = plain < length ? plain + add_character(w, text + plain, length - plain) : length;
    }
    add_byte(w, '"');
}

/* The text of any value, as tostring() has it. */
static void add_as_text(writer *w, int index) {
    size_t length;
    const char *text = luaL_tolstring(w->L, index, &length);
    add_string(w, text, length);
    lua_pop(w->L, 1);
}

/* ---- numbers ---- */

static void add_float(writer *w, double value) {
    char text[NUMBER_ROOM];
    int length = snprintf(text, sizeof text, "%.15g", value);
    if (!isfinite(value))
        length = snprintf(text, sizeof text, "null");
    else if (strtod(text, NULL) != value)
        length = snprintf(text, sizeof text, "%.17g", value);
    add(w, text, (size_t)length);
}

static void add_number(writer *w, int index) {
    char text[NUMBER_ROOM];
    if (lua_isinteger(w->L, index))
        add(w, text, (size_t)snprintf(text, sizeof text, LUA_INTEGER_FMT, lua_tointeger(w->L, index)));
    else
        add_float(w, lua_tonumber(w->L, index));
}

/* ---- tables ---- */

static void add_value(writer *w, int index);

static void add_list(writer *w, int index) {
    for (lua_Integer i = 1; lua_geti(w->L, index, i) != LUA_TNIL; i++) {
        if (i > 1)
            add_byte(w, ',');
        break_line(w);
        add_value(w, lua_gettop(w->L));
        lua_pop(w->L, 1);
    }
    lua_pop(w->L, 1);
}

typedef struct field {
    const char *name; /* its text is at `at` on the stack, its value above */
    size_t length;
    int at;
} field;

static int by_name(const void *a, const void *b) {
    const field *one = a, *other = b;
    size_t shared = one->length < other->length ? one->length : other->length;
    int order = memcmp(one->name, other->name, shared);
    return order != 0 ? order : (one->length > other->length) - (one->length < other->length);
}

/* Replaces the key on top by the next one and its value, as pairs() goes on; or pops it. With an iterator of its own,
 * that and its state are at `iterator`. */
static bool next_field(lua_State *L, int index, int iterator) {
    if (iterator == 0)
        return lua_next(L, index);
    lua_pushvalue(L, iterator);
    lua_insert(L, -2);
    lua_pushvalue(L, iterator + 1);
    lua_insert(L, -2);
    lua_call(L, 2, 2);
    if (!lua_isnil(L, -2))
        return true;
    lua_pop(L, 2);
    return false;
}

/* Pushes name and value of each field. Returns how many there are. */
static int push_fields(lua_State *L, int index) {
    int count = 0, iterator = 0;
    if (luaL_getmetafield(L, index, "__pairs") != LUA_TNIL) {
        iterator = lua_gettop(L);
        lua_pushvalue(L, index);
        lua_call(L, 1, 3);
    } else {
        lua_pushnil(L);
    }
    for (; next_field(L, index, iterator); count++) {
        luaL_checkstack(L, LUA_MINSTACK, "too many fields for JSON");
        lua_pushvalue(L, -2); /* the key, to go on from */
        if (lua_type(L, -3) != LUA_TSTRING) {
            luaL_tolstring(L, -3, NULL);
            lua_replace(L, -4);
        }
    }
    return count;
}

/* The names and values are the topmost on the stack, in any order. */
static void add_fields(writer *w, int count) {
    lua_State *L = w->L;
    int first = lua_gettop(L) - 2 * count + 1;
    field *fields = lua_newuserdatauv(L, sizeof *fields * (size_t)count, 0);
    for (int i = 0; i < count; i++) {
        fields[i].at = first + 2 * i;
        fields[i].name = lua_tolstring(L, fields[i].at, &fields[i].length);
    }
    qsort(fields, (size_t)count, sizeof *fields, by_name);
    for (int i = 0; i < count; i++) {
        if (i > 0)
            add_byte(w, ',');
        break_line(w);
        add_string(w, fields[i].name, fields[i].length);
        add(w, ": ", w->pretty ? 2 : 1);
        add_value(w, fields[i].at + 1);
    }
}

static bool is_list(writer *w, int index) {
    bool marked = lua_getmetatable(w->L, index);
    if (marked) {
        marked = lua_rawequal(w->L, -1, w->array);
        lua_pop(w->L, 1);
    }
    return marked || luaL_len(w->L, index) > 0;
}

static void add_inside(writer *w, int index, bool list) {
    int top = lua_gettop(w->L);
    if (++w->depth > DEEPEST) {
        lua_pushfstring(w->L, "cannot write more than %d levels as JSON: does a table hold itself?", DEEPEST);
        lua_error(w->L);
    }
    luaL_checkstack(w->L, LUA_MINSTACK, "too many levels for JSON");
    if (list)
        add_list(w, index);
    else
        add_fields(w, push_fields(w->L, index));
    lua_settop(w->L, top);
    w->depth--;
}

static void add_table(writer *w, int index) {
    bool list = is_list(w, index);
    add_byte(w, list ? '[' : '{');
    size_t start = w->used;
    add_inside(w, index, list);
    if (w->used > start)
        break_line(w);
    add_byte(w, list ? ']' : '}');
}

/* ---- values ---- */

static bool is_secret(lua_State *L, int index) {
    bool secret = luaL_getmetafield(L, index, "__metatable") != LUA_TNIL;
    if (secret) {
        secret = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "mirrors.secret") == 0;
        lua_pop(L, 1);
    }
    return secret;
}

static void refuse(lua_State *L, int index) {
    lua_pushfstring(L, "cannot write a %s as JSON", lua_typename(L, lua_type(L, index)));
    lua_error(L);
}

static void add_string_at(writer *w, int index) {
    size_t length;
    const char *text = lua_tolstring(w->L, index, &length);
    add_string(w, text, length);
}

/* The index is counted from the bottom of the stack, which is left as it is. */
static void add_value(writer *w, int index) {
    lua_State *L = w->L;
    int type = lua_type(L, index);
    if (type == LUA_TSTRING)
        add_string_at(w, index);
    else if (type == LUA_TNUMBER)
        add_number(w, index);
    else if (type == LUA_TBOOLEAN)
        add(w, lua_toboolean(L, index) ? "true" : "false", lua_toboolean(L, index) ? 4 : 5);
    else if (type == LUA_TNIL || (type == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) == NULL))
        add(w, "null", 4);
    else if (is_secret(L, index))
        add_as_text(w, index);
    else if (type == LUA_TTABLE)
        add_table(w, index);
    else
        refuse(L, index);
}

int json_write(lua_State *L) {
    lua_settop(L, 3);
    lua_pushnil(L);
    writer w = {.L = L, .holder = 4, .array = 3, .pretty = lua_toboolean(L, 2)};
    grow(&w, FIRST_ROOM);
    add_value(&w, 1);
    lua_pushlstring(L, w.text, w.used);
    return 1;
}
