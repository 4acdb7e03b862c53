#include "line_inside.h"

#include "keys.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In milliseconds: how soon the next byte of a paste comes. It is short, as what is typed ahead is no paste. */
#define PASTING 2

/* ---- text that is typed ----
 *
 * libedit has a short cut for a character at the end of the line, which crashes where the text is as tall as the
 * terminal. What is inserted like this goes another way, and as many characters at a time as there are. */

static bool insert(reader *r, const char *text) {
    char *valid = line_valid_copy(text);
    bool ok = valid != NULL && (*valid == '\0' || el_insertstr(r->el, valid) == 0);
    free(valid);
    return ok;
}

static unsigned char key_insert(EditLine *el, int c) {
    reader *r = line_of(el);
    (void)c;
    size_t length = line_text_length(r);
    char *text = strndup(r->bytes, length);
    bool ok = text != NULL && insert(r, text);
    free(text);
    line_take(r, length);
    return ok ? CC_REFRESH : CC_ERROR;
}

/* ---- keys that Lua decides about ---- */

static void replace(reader *r, const char *text, lua_Integer cursor) {
    const LineInfoW *line = el_wline(r->el);
    int count = (int)(line->lastchar - line->buffer);
    line_move_to_end(r);
    if (count > 0)
        el_deletestr(r->el, count);
    insert(r, text);
    const LineInfo *now = el_line(r->el);
    int back = 0; /* in characters, not in bytes */
    for (const char *c = now->buffer + (cursor < 0 ? 0 : cursor); c < now->lastchar; c++)
        back += (*c & 0xc0) != 0x80;
    el_cursor(r->el, -back);
}

/* Does as Lua said, in the values from `result` on. */
static unsigned char obey(lua_State *L, reader *r, int result) {
    if (lua_isnil(L, result))
        return CC_ERROR;
    if (lua_isboolean(L, result)) {
        r->outcome = lua_toboolean(L, result) ? ACCEPTED : ENDED;
        line_move_to_end(r);
    } else {
        replace(r, lua_tostring(L, result), lua_tointeger(L, result + 1));
    }
    return CC_REFRESH;
}

/* What was pasted goes on after its beginning, up to its end. */
static size_t length_of_pasted(const reader *r) {
    const char *end = memmem(r->bytes, r->count, PASTE_ENDS, strlen(PASTE_ENDS));
    return end == NULL ? 0 : (size_t)(end - r->bytes) + strlen(PASTE_ENDS);
}

/* Whether more comes at once: a program's typing, or a paste, is faster than a person's. */
static bool goes_on(void) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, PASTING) > 0;
}

/* Calls keys[name](text, cursor, more, key) in Lua, where the cursor is in bytes, `more` says that more input is there
 * already, and `key` is what was pressed in a search, or pasted, else nil. It returns a text and a cursor, true to
 * accept the line, false to end the input, or nil to beep. A third value is the prompt of a search, which has the next
 * key, or true when this key ended one and is to do now what it does elsewhere. */
static void call_key(lua_State *L, reader *r, const char *name, size_t key, bool more) {
    const LineInfo *line = el_line(r->el);
    int top = lua_gettop(L);
    lua_getiuservalue(L, 1, KEYS);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    lua_pushlstring(L, line->buffer, (size_t)(line->lastchar - line->buffer));
    lua_pushinteger(L, line->cursor - line->buffer);
    lua_pushboolean(L, more);
    if (key > 0)
        lua_pushlstring(L, r->bytes, key);
    else
        lua_pushnil(L);
    if (lua_pcall(L, 4, 3, 0) != LUA_OK) {
        lua_settop(L, top); /* as if it had returned nothing */
        lua_settop(L, top + 3);
    }
}

static unsigned char call(EditLine *el, const char *name) {
    reader *r = line_of(el);
    lua_State *L = r->L;
    int top = lua_gettop(L);
    bool pasted = strcmp(name, "paste") == 0;
    size_t key = pasted ? length_of_pasted(r) : r->search != NULL ? line_first_key(r) : 0;
    size_t shown = pasted && key > 0 ? key - strlen(PASTE_ENDS) : key;
    call_key(L, r, name, shown, r->count > key);
    if (strcmp(name, "enter") == 0 && lua_isboolean(L, top + 1) && goes_on()) {
        lua_settop(L, top);
        call_key(L, r, name, shown, true);
    }
    line_set_search(r, lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL);
    if (!lua_isboolean(L, -1))
        line_take(r, key);
    unsigned char result = obey(L, r, top + 1);
    lua_settop(L, top);
    return result;
}

#define KEY(name)                                                                                                      \
    static unsigned char key_##name(EditLine *el, int c) {                                                             \
        (void)c;                                                                                                       \
        return call(el, #name);                                                                                        \
    }
KEY(enter)
KEY(complete)
KEY(finish)
KEY(older)
KEY(newer)
KEY(search)
KEY(paste)

void line_bind_keys(EditLine *el) {
    el_wset(el, EL_ADDFN, L"kmirror-enter", L"Accept, or continue on another line", key_enter);
    el_wset(el, EL_ADDFN, L"kmirror-complete", L"Complete the word", key_complete);
    el_wset(el, EL_ADDFN, L"kmirror-finish", L"Delete a character, or end", key_finish);
    el_wset(el, EL_ADDFN, L"kmirror-older", L"The entry before", key_older);
    el_wset(el, EL_ADDFN, L"kmirror-newer", L"The entry after", key_newer);
    el_wset(el, EL_ADDFN, L"kmirror-search", L"Search the history", key_search);
    el_wset(el, EL_ADDFN, L"kmirror-paste", L"Take what is pasted as it is", key_paste);
    el_wset(el, EL_ADDFN, L"kmirror-insert", L"Insert what is typed", key_insert);
    el_set(el, EL_BIND, LINE_INSERT_KEY, "kmirror-insert", NULL);
    for (const key_binding *b = key_bindings; b->key != NULL; b++)
        el_set(el, EL_BIND, b->key, b->function, NULL);
}
