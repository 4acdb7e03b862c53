#include "printable.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

/* ---- UTF-8 ---- */

static bool continues(const char *text, size_t length, size_t at) {
    return at < length && ((unsigned char)text[at] & 0xC0) == 0x80;
}

long printable_decode(const char *text, size_t length, size_t *taken) {
    static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text[0];
    size_t bytes = first < 0x80 ? 1 : first < 0xC0 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 0;
    long code = bytes == 1 ? first : first & (0x7F >> bytes);
    *taken = 1;
    for (size_t at = 1; at < bytes; at++) {
        if (!continues(text, length, at))
            return -1;
        code = code << 6 | ((unsigned char)text[at] & 0x3F);
    }
    if (bytes == 0 || code < least[bytes] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return -1;
    *taken = bytes;
    return code;
}

bool printable_unsafe(long code) {
    static const struct {
        long first, last;
    } ranges[] = {{0x00, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C}, {0x200B, 0x200F},  {0x2028, 0x202E},
                  {0x2060, 0x2069}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    }
    return false;
}

static size_t escape(long code, char out[PRINTABLE_MOST]) {
    switch (code) {
    case '\t':
        return (size_t)snprintf(out, PRINTABLE_MOST, "\\t");
    case '\n':
        return (size_t)snprintf(out, PRINTABLE_MOST, "\\n");
    case '\r':
        return (size_t)snprintf(out, PRINTABLE_MOST, "\\r");
    default:
        return (size_t)snprintf(out, PRINTABLE_MOST, "\\u{%lX}", (unsigned long)code);
    }
}

size_t printable_next(const char *text, size_t length, bool lines, char out[PRINTABLE_MOST], size_t *taken) {
    long code = printable_decode(text, length, taken);
    if (code < 0)
        return (size_t)snprintf(out, PRINTABLE_MOST, "\xEF\xBF\xBD");
    if (printable_unsafe(code) && !(lines && (code == '\n' || code == '\t')))
        return escape(code, out);
    memcpy(out, text, *taken);
    return *taken;
}

/* ---- for Lua ---- */

static bool is_plain(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] < 0x20 || text[i] > 0x7E)
            return false;
    }
    return true;
}

void printable_push(lua_State *L, int index, bool lines) {
    size_t length;
    const char *text = lua_tolstring(L, index, &length);
    if (is_plain(text, length)) {
        lua_pushvalue(L, index);
        return;
    }
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (size_t at = 0, taken = 0; at < length; at += taken) {
        char *room = luaL_prepbuffsize(&buffer, PRINTABLE_MOST);
        luaL_addsize(&buffer, printable_next(text + at, length - at, lines, room, &taken));
    }
    luaL_pushresult(&buffer);
}

int printable_lua(lua_State *L) {
    luaL_checkstring(L, 1);
    printable_push(L, 1, lua_toboolean(L, 2));
    return 1;
}
