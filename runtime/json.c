#include "json.h"

#include <lauxlib.h>
#include <lua-cjson.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* ---- writing, by lua-cjson ---- */

static const char encode_key;

void json_open(lua_State *L) {
    lua_pushcfunction(L, luaopen_cjson); /* one of its own: what a script sets in that of require() is for the script */
    lua_call(L, 0, 1);
    lua_getfield(L, -1, "new");
    lua_call(L, 0, 1);
    lua_getfield(L, -1, "encode");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &encode_key);
    lua_pop(L, 2);
}

void json_push_string(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &encode_key);
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
}

/* ---- reading, straight from where the answer was received ----
 *
 * lua-cjson would want the answer as a Lua string first, and knows only floats: a second pass over all that it has
 * made, which costs as much as this does as a whole. */

enum {
    DEEPEST = 64,
    SHORT_NUMBER = 63,
    SAFE_DIGITS = 18, /* so many fit a lua_Integer in any case */
    FIRST_FIELDS = 8  /* room for those of a mirror */
};

/* The largest float up to which every integer has a float of its own. */
#define EXACT 9007199254740992.0

typedef struct reader {
    lua_State *L;
    const char *at, *start, *end; /* *end is '\0' */
    const char *expected;         /* what was not found at `at` */
    int depth;
} reader;

/* Each pushes what it reads, and returns true; or leaves the stack as it happens to be, and returns false. */
static bool read_value(reader *r, bool is_double, int *fields);

static bool fail(reader *r, const char *expected) {
    r->expected = expected;
    return false;
}

static void skip_blanks(reader *r) {
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')
        r->at++;
}

static bool skip(reader *r, char c) {
    skip_blanks(r);
    if (*r->at != c)
        return false;
    r->at++;
    return true;
}

static bool skip_word(reader *r, const char *word) {
    size_t length = strlen(word);
    if (strncmp(r->at, word, length) != 0)
        return fail(r, "a value");
    r->at += length;
    return true;
}

/* ---- numbers ---- */

static bool skip_digits(reader *r) {
    const char *first = r->at;
    while (*r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > first || fail(r, "a digit");
}

/* The grammar of RFC 8259; tells whether there is a fraction or an exponent. */
static bool skip_number(reader *r, bool *whole) {
    *whole = true;
    if (*r->at == '-')
        r->at++;
    if (*r->at == '0')
        r->at++;
    else if (!skip_digits(r))
        return false;
    if (*r->at == '.') {
        *whole = false;
        r->at++;
        if (!skip_digits(r))
            return false;
    }
    if (*r->at == 'e' || *r->at == 'E') {
        *whole = false;
        r->at++;
        if (*r->at == '+' || *r->at == '-')
            r->at++;
        return skip_digits(r);
    }
    return true;
}

static lua_Integer integer_of(const char *first, const char *last) {
    bool negative = *first == '-';
    lua_Integer n = 0;
    for (first += negative; first < last; first++)
        n = n * 10 + (*first - '0');
    return negative ? -n : n;
}

/* Lua's own conversion knows of locales and rounding. It wants a string that ends. */
static bool push_converted(lua_State *L, const char *first, size_t length) {
    char copy[SHORT_NUMBER + 1];
    if (length <= SHORT_NUMBER) {
        memcpy(copy, first, length);
        copy[length] = '\0';
        return lua_stringtonumber(L, copy) != 0;
    }
    if (lua_stringtonumber(L, lua_pushlstring(L, first, length)) == 0)
        return false;
    lua_remove(L, -2);
    return true;
}

/* Any number that is not short and whole. */
static bool push_long_number(reader *r, const char *first, bool is_double) {
    lua_Integer n;
    if (!push_converted(r->L, first, (size_t)(r->at - first)) || isinf(lua_tonumber(r->L, -1)))
        return fail(r, "a number in the range of a double before");
    if (lua_isinteger(r->L, -1) && !is_double)
        return true;
    lua_Number value = lua_tonumber(r->L, -1);
    bool exact =
        !is_double && value >= -EXACT && value <= EXACT && lua_numbertointeger(value, &n) && (lua_Number)n == value;
    lua_pop(r->L, 1);
    if (exact)
        lua_pushinteger(r->L, n);
    else
        lua_pushnumber(r->L, value);
    return true;
}

static bool read_number(reader *r, bool is_double) {
    const char *first = r->at;
    bool whole;
    if (!skip_number(r, &whole))
        return false;
    if (!whole || is_double || r->at - first > SAFE_DIGITS)
        return push_long_number(r, first, is_double);
    lua_pushinteger(r->L, integer_of(first, r->at));
    return true;
}

/* ---- strings ---- */

static bool read_hex(reader *r, uint32_t *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = *r->at;
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return fail(r, "four hexadecimal digits");
        *code = *code << 4 | digit;
    }
    return true;
}

/* After "\u": a character, which may take two such escapes. */
static bool read_code(reader *r, uint32_t *code) {
    uint32_t low;
    if (!read_hex(r, code))
        return false;
    if (*code < 0xD800 || *code > 0xDFFF)
        return true;
    if (*code > 0xDBFF || r->at[0] != '\\' || r->at[1] != 'u')
        return fail(r, "the other half of a surrogate pair");
    r->at += 2;
    if (!read_hex(r, &low) || low < 0xDC00 || low > 0xDFFF)
        return fail(r, "the other half of a surrogate pair");
    *code = 0x10000 + ((*code - 0xD800) << 10 | (low - 0xDC00));
    return true;
}

static void add_utf8(luaL_Buffer *b, uint32_t code) {
    if (code < 0x80) {
        luaL_addchar(b, (char)code);
        return;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xC0, 0xE0, 0xF0};
    luaL_addchar(b, (char)(first[more] | code >> (6 * more)));
    while (more-- > 0)
        luaL_addchar(b, (char)(0x80 | (code >> (6 * more) & 0x3F)));
}

static bool add_escape(reader *r, luaL_Buffer *b) {
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    uint32_t code;
    char name = *r->at;
    const char *found = name == '\0' ? NULL : strchr(names, name);
    if (found == NULL && name != 'u')
        return fail(r, "an escape sequence");
    r->at++;
    if (found != NULL)
        code = (unsigned char)meant[found - names];
    else if (!read_code(r, &code))
        return false;
    add_utf8(b, code);
    return true;
}

/* The end of the run of characters that stand for themselves. */
static const char *plain_run(const char *at) {
    while (*at != '"' && *at != '\\' && *at != '\0')
        at++;
    return at;
}

/* From behind the first quote. */
static bool read_string(reader *r) {
    const char *stop = plain_run(r->at);
    luaL_Buffer b;
    if (*stop == '"') {
        lua_pushlstring(r->L, r->at, (size_t)(stop - r->at));
        r->at = stop + 1;
        return true;
    }
    luaL_buffinit(r->L, &b);
    for (;; stop = plain_run(r->at)) {
        luaL_addlstring(&b, r->at, (size_t)(stop - r->at));
        r->at = stop;
        if (*stop == '\0')
            return fail(r, "the end of a string");
        r->at++;
        if (*stop == '"')
            break;
        if (!add_escape(r, &b))
            return false;
    }
    luaL_pushresult(&b);
    return true;
}

/* ---- tables ---- */

static bool read_field(reader *r, int inside) {
    static const char rate[] = "averageRate"; /* the one double that the API describes */
    if (!skip(r, '"'))
        return fail(r, "the name of a field");
    bool is_double = strncmp(r->at, rate, sizeof rate - 1) == 0 && r->at[sizeof rate - 1] == '"';
    if (!read_string(r))
        return false;
    if (!skip(r, ':'))
        return fail(r, "':'");
    int fields = FIRST_FIELDS;
    if (!read_value(r, is_double, &fields))
        return false;
    if (lua_islightuserdata(r->L, -1)) {
        lua_pop(r->L, 1);
        lua_pushnil(r->L);
    }
    lua_rawset(r->L, inside);
    return true;
}

/* From behind the brace. `fields` is a guess, and then how many there were. */
static bool read_object(reader *r, int *fields) {
    lua_createtable(r->L, 0, *fields);
    int inside = lua_gettop(r->L);
    *fields = 0;
    if (skip(r, '}'))
        return true;
    do {
        if (!read_field(r, inside))
            return false;
        ++*fields;
    } while (skip(r, ','));
    return skip(r, '}') || fail(r, "',' or '}'");
}

/* From behind the bracket. The objects of a list are much alike. */
static bool read_list(reader *r) {
    int fields = FIRST_FIELDS;
    lua_newtable(r->L);
    int inside = lua_gettop(r->L);
    if (skip(r, ']'))
        return true;
    lua_Integer count = 0;
    do {
        if (!read_value(r, false, &fields))
            return false;
        lua_rawseti(r->L, inside, ++count);
    } while (skip(r, ','));
    return skip(r, ']') || fail(r, "',' or ']'");
}

static bool read_table(reader *r, int *fields) {
    if (++r->depth > DEEPEST)
        return fail(r, "at most 64 levels");
    luaL_checkstack(r->L, 8, NULL);
    bool ok = *r->at++ == '{' ? read_object(r, fields) : read_list(r);
    r->depth--;
    return ok;
}

/* A null is a light userdata, as in lua-cjson. */
static bool read_value(reader *r, bool is_double, int *fields) {
    skip_blanks(r);
    switch (*r->at) {
    case '"':
        r->at++;
        return read_string(r);
    case '{':
    case '[':
        return read_table(r, fields);
    case 't':
    case 'f':
        lua_pushboolean(r->L, *r->at == 't');
        return skip_word(r, *r->at == 't' ? "true" : "false");
    case 'n':
        lua_pushlightuserdata(r->L, NULL);
        return skip_word(r, "null");
    default:
        return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? read_number(r, is_double) : fail(r, "a value");
    }
}

bool json_decode(lua_State *L, const char *text, size_t length) {
    int top = lua_gettop(L), fields = FIRST_FIELDS;
    reader r = {.L = L, .at = text, .start = text, .end = text + length};
    bool ok = read_value(&r, false, &fields);
    if (ok) {
        skip_blanks(&r);
        ok = r.at == r.end || fail(&r, "the end");
    }
    if (!ok) {
        lua_settop(L, top);
        lua_pushfstring(L, "expected %s at character %d", r.expected, (int)(r.at - r.start) + 1);
    }
    return ok;
}
