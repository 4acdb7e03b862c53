#include "json.h"

#include <float.h>
#include <lauxlib.h>
#include <lua-cjson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
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
    FIRST_FIELDS = 8, /* room for those of a mirror */
    FAR_SCALE = 1000  /* a power of ten that is not looked at further */
};

/* The largest float up to which every integer has a float of its own. */
#define EXACT 9007199254740992.0

typedef struct reader {
    lua_State *L;
    const char *at, *start, *end; /* *end is '\0' */
    const char *expected;         /* what was not found at `at` */
    int depth;
    int names;  /* where on the stack those of the shape's fields are */
    int misfit; /* where on the stack is what first does not fit the shape; nil: all does */
} reader;

/* What a value is to be. */
typedef struct wanted {
    const shape *object; /* such an object; NULL: anything */
    const shape *items;  /* if it is a list, of such objects */
    bool is_double;      /* if it is a number */
    int fields;          /* if it is an object: a guess of how many it has, and then how many there were */
} wanted;

/* Each pushes what it reads, and returns true; or leaves the stack as it happens to be, and returns false. */
static bool read_value(reader *r, wanted *w);

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

typedef struct number {
    const char *first;
    uint64_t digits; /* as if there were no point */
    int count;       /* of them */
    int scale;       /* the power of ten that they are to be multiplied with */
    bool whole;      /* neither fraction nor exponent */
} number;

static bool read_digits(reader *r, number *n) {
    const char *first = r->at;
    for (; *r->at >= '0' && *r->at <= '9'; r->at++)
        n->digits = n->digits * 10 + (uint64_t)(*r->at - '0');
    n->count += (int)(r->at - first);
    return r->at > first || fail(r, "a digit");
}

static bool read_exponent(reader *r, number *n) {
    bool negative = *r->at == '-';
    number exponent = {.count = 0};
    if (*r->at == '+' || *r->at == '-')
        r->at++;
    if (!read_digits(r, &exponent))
        return false;
    int power = exponent.count <= 3 ? (int)exponent.digits : FAR_SCALE;
    n->scale += negative ? -power : power;
    return true;
}

/* The grammar of RFC 8259. */
static bool read_parts(reader *r, number *n) {
    *n = (number){.first = r->at, .whole = true};
    if (*r->at == '-')
        r->at++;
    if (*r->at == '0')
        r->at++, n->count++;
    else if (!read_digits(r, n))
        return false;
    if (*r->at == '.') {
        n->whole = false;
        n->scale = n->count;
        r->at++;
        if (!read_digits(r, n))
            return false;
        n->scale -= n->count;
    }
    if (*r->at == 'e' || *r->at == 'E') {
        n->whole = false;
        r->at++;
        return read_exponent(r, n);
    }
    return true;
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

/* Most have few digits: they and the power of ten are floats without loss, and so their quotient is the nearest there
 * is, as long as nothing is computed with more digits than a double has. */
static bool push_short(lua_State *L, const number *n) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const int most = sizeof powers / sizeof *powers - 1;
    if (FLT_EVAL_METHOD != 0 || n->count > SAFE_DIGITS || (double)n->digits > EXACT || abs(n->scale) > most)
        return false;
    double value = (double)n->digits;
    value = n->scale < 0 ? value / powers[-n->scale] : value * powers[n->scale];
    lua_pushnumber(L, *n->first == '-' ? -value : value);
    return true;
}

/* Any number that is not short and whole. */
static bool push_float(reader *r, const number *n, bool is_double) {
    lua_Integer whole;
    if (!push_short(r->L, n) &&
        (!push_converted(r->L, n->first, (size_t)(r->at - n->first)) || isinf(lua_tonumber(r->L, -1))))
        return fail(r, "a number in the range of a double before");
    if (lua_isinteger(r->L, -1) && !is_double)
        return true;
    lua_Number value = lua_tonumber(r->L, -1);
    bool exact = !is_double && value >= -EXACT && value <= EXACT && lua_numbertointeger(value, &whole) &&
                 (lua_Number)whole == value;
    lua_pop(r->L, 1);
    if (exact)
        lua_pushinteger(r->L, whole);
    else
        lua_pushnumber(r->L, value);
    return true;
}

static bool read_number(reader *r, bool is_double) {
    number n;
    if (!read_parts(r, &n))
        return false;
    if (!n.whole || is_double || n.count > SAFE_DIGITS)
        return push_float(r, &n, is_double);
    lua_pushinteger(r->L, *n.first == '-' ? -(lua_Integer)n.digits : (lua_Integer)n.digits);
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

/* An object that is being read. */
typedef struct object {
    const shape *shape;        /* NULL: any */
    const shape_field *likely; /* to come next */
    uint64_t present;          /* fields of the shape */
    int table;                 /* where it is on the stack */
} object;

/* Keeps what is wrong, unless something was before. [-0, +0, m] */
static void note(reader *r, const char *problem) {
    if (problem == NULL || !lua_isnil(r->L, r->misfit))
        return;
    lua_pushstring(r->L, problem);
    lua_replace(r->L, r->misfit);
}

/* The field of the name on top, in which there were escapes. */
static const shape_field *find_unescaped(reader *r, const object *o) {
    lua_pushfstring(r->L, "%s\"", lua_tostring(r->L, -1));
    const shape_field *f = shape_find(o->shape, o->likely, lua_tostring(r->L, -1));
    lua_pop(r->L, 1);
    return f != NULL && f->length == lua_rawlen(r->L, -1) ? f : NULL;
}

/* Reads a name, from behind its quote, and what field of the shape it is. NULL: of none. */
static bool read_name(reader *r, object *o, const shape_field **field) {
    const shape_field *f = o->shape == NULL ? NULL : shape_find(o->shape, o->likely, r->at);
    const char *start = r->at;
    if (f != NULL) {
        r->at += f->length + 1;
        lua_rawgeti(r->L, r->names, f->key);
    } else {
        if (!read_string(r))
            return false;
        if (o->shape != NULL && memchr(start, '\\', (size_t)(r->at - start)) != NULL)
            f = find_unescaped(r, o);
    }
    if (f != NULL)
        o->likely = shape_after(o->shape, f);
    *field = f;
    return true;
}

/* The value on top is that of a field of the shape. */
static void check_known(reader *r, object *o, const shape_field *f, bool is_object) {
    int top = lua_gettop(r->L);
    if (!lua_isnil(r->L, top))
        o->present |= f->bit;
    const char *problem = shape_check_field(r->L, f);
    if (problem == NULL && f->items != NULL && is_object)
        problem = "an object where a list was expected";
    note(r, problem);
    if (problem != NULL)
        lua_settop(r->L, top);
}

static bool begins_number(char c) {
    return c == '-' || (c >= '0' && c <= '9');
}

/* The one double that the API describes; from behind the quote. */
static bool is_rate(const char *name) {
    static const char rate[] = "averageRate\"";
    return strncmp(name, rate, sizeof rate - 1) == 0;
}

static bool read_field(reader *r, object *o) {
    const shape_field *f;
    if (!skip(r, '"'))
        return fail(r, "the name of a field");
    const char *name = r->at;
    if (!read_name(r, o, &f))
        return false;
    if (!skip(r, ':'))
        return fail(r, "':'");
    skip_blanks(r);
    wanted w = {.items = f == NULL ? NULL : f->items, .fields = FIRST_FIELDS};
    w.is_double = begins_number(*r->at) && is_rate(name);
    bool is_object = *r->at == '{';
    if (!read_value(r, &w))
        return false;
    if (lua_islightuserdata(r->L, -1)) {
        lua_pop(r->L, 1);
        lua_pushnil(r->L);
    }
    if (f != NULL)
        check_known(r, o, f, is_object && w.fields > 0);
    lua_rawset(r->L, o->table);
    return true;
}

/* From behind the brace. */
static bool read_object(reader *r, wanted *w) {
    lua_createtable(r->L, 0, w->fields);
    object o = {.shape = w->object, .table = lua_gettop(r->L)};
    w->fields = 0;
    if (o.shape != NULL)
        o.likely = o.shape->fields;
    if (!skip(r, '}')) {
        do {
            if (!read_field(r, &o))
                return false;
            w->fields++;
        } while (skip(r, ','));
        if (!skip(r, '}'))
            return fail(r, "',' or '}'");
    }
    if (o.shape != NULL)
        note(r, shape_check_present(r->L, o.shape, o.present));
    lua_settop(r->L, o.table);
    return true;
}

static int guess(const shape *s) {
    return s == NULL || s->count == 0 ? FIRST_FIELDS : s->count;
}

/* From behind the bracket. The objects of a list are much alike. */
static bool read_list(reader *r, const shape *items) {
    wanted w = {.object = items, .fields = guess(items)};
    lua_newtable(r->L);
    int inside = lua_gettop(r->L);
    if (skip(r, ']'))
        return true;
    lua_Integer count = 0;
    do {
        if (!read_value(r, &w))
            return false;
        lua_rawseti(r->L, inside, ++count);
    } while (skip(r, ','));
    return skip(r, ']') || fail(r, "',' or ']'");
}

static bool read_table(reader *r, wanted *w) {
    if (++r->depth > DEEPEST)
        return fail(r, "at most 64 levels");
    luaL_checkstack(r->L, 12, NULL);
    bool ok = *r->at++ == '{' ? read_object(r, w) : read_list(r, w->items);
    r->depth--;
    return ok;
}

/* A null is a light userdata, as in lua-cjson. */
static bool read_plain(reader *r, bool is_double) {
    switch (*r->at) {
    case '"':
        r->at++;
        return read_string(r);
    case 't':
    case 'f':
        lua_pushboolean(r->L, *r->at == 't');
        return skip_word(r, *r->at == 't' ? "true" : "false");
    case 'n':
        lua_pushlightuserdata(r->L, NULL);
        return skip_word(r, "null");
    default:
        return begins_number(*r->at) ? read_number(r, is_double) : fail(r, "a value");
    }
}

static bool read_value(reader *r, wanted *w) {
    skip_blanks(r);
    bool is_object = *r->at == '{';
    if (!(is_object || *r->at == '[' ? read_table(r, w) : read_plain(r, w->is_double)))
        return false;
    if (w->object != NULL && !is_object) {
        int top = lua_gettop(r->L);
        note(r, shape_check(r->L, w->object));
        lua_settop(r->L, top);
    }
    return true;
}

static bool read_all(reader *r, const shape *s) {
    wanted w = {.object = s, .fields = guess(s)};
    if (!read_value(r, &w))
        return false;
    skip_blanks(r);
    return r->at == r->end || fail(r, "the end");
}

json_outcome json_decode(lua_State *L, const char *text, size_t length, const shape *s) {
    luaL_checkstack(L, 8, NULL);
    int top = lua_gettop(L);
    reader r = {.L = L, .at = text, .start = text, .end = text + length, .names = top + 1, .misfit = top + 2};
    if (s == NULL)
        lua_pushnil(L);
    else
        shape_push_names(L, s);
    lua_pushnil(L);
    json_outcome outcome = !read_all(&r, s) ? JSON_BROKEN : lua_isnil(L, r.misfit) ? JSON_READ : JSON_MISFIT;
    if (outcome == JSON_BROKEN)
        lua_pushfstring(L, "expected %s at character %d", r.expected, (int)(r.at - r.start) + 1);
    if (outcome == JSON_MISFIT)
        lua_pushvalue(L, r.misfit);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return outcome;
}
