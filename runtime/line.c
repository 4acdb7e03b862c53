#include "line.h"

#include "error.h"
#include "keys.h"
#include "scheduler_inside.h"
#include "terminal.h"
#include "turn.h"

#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <lauxlib.h>
#include <locale.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#define READER "line.reader"

/* In milliseconds: how soon the next byte of a paste comes, and how long after the last one a paste is over for
 * certain. The first is short, as what is typed ahead is no paste. */
#define PASTING 2
#define PASTED 50

/* What is kept with the userdata: the functions that keys call, by name. */
enum { KEYS = 1, VALUES = 1 };

typedef enum { EDITING, ACCEPTED, ENDED } outcome;

typedef struct reader {
    EditLine *el; /* NULL: not a terminal, lines are taken as they come */
    loop *loop;
    loop_watch input, changes;
    task_wait wait;
    lua_State *L; /* who reads, while keys are looked at */
    char *bytes;  /* read, and not looked at yet */
    size_t count, room;
    char *prompt;
    char *search; /* the prompt of a search in the history, to which all keys go; NULL when there is none */
    outcome outcome;
    bool at_key; /* the next character begins a key */
    bool reading, hidden, ended, out_of_memory;
} reader;

static reader *of(EditLine *el) {
    void *r;
    el_get(el, EL_CLIENTDATA, &r);
    return r;
}

static char *prompt_of(EditLine *el) {
    const reader *r = of(el);
    return r->search != NULL ? r->search : r->prompt;
}

/* ---- text for libedit ----
 *
 * libedit crashes on a prompt that is no text in the locale's encoding, and takes no such text into the line. */

#define NO_CHARACTER 0xFFFD

/* The key that text is turned into; as text itself it never comes to libedit as a key. */
#define INSERT 0xFF
#define INSERT_KEY "\303\277"

/* The first character, and how many bytes it has. A byte that begins none is one that stands for it. */
static size_t character(wchar_t *c, const char *bytes, size_t count) {
    mbstate_t state = {0};
    size_t length = mbrtowc(c, bytes, count, &state);
    if (length <= count)
        return length > 0 ? length : 1;
    *c = NO_CHARACTER;
    return 1;
}

/* A copy, valid in any case; NULL when there is no memory. */
static char *valid_copy(const char *text) {
    size_t count = strlen(text);
    char *copy = malloc(count * MB_CUR_MAX + 1), *end = copy;
    mbstate_t state = {0};
    if (copy == NULL)
        return NULL;
    for (wchar_t c; count > 0;) {
        size_t length = character(&c, text, count), written = wcrtomb(end, c, &state);
        if (written == (size_t)-1)
            *end = '?', written = 1, state = (mbstate_t){0};
        end += written;
        text += length;
        count -= length;
    }
    *end = '\0';
    return copy;
}

/* ---- on the screen ---- */

static void edit(reader *r, bool on) {
    if (on)
        terminal_borrow();
    el_set(r->el, EL_UNBUFFERED, on ? 1 : 0);
    if (!on)
        terminal_return();
}

/* What stands between two \1 takes no room: colours. */
static void step_over_prompt(terminal_place *at, const char *prompt, int width) {
    mbstate_t state = {0};
    size_t length = strlen(prompt), got;
    bool shown = true;
    wchar_t c;
    for (; length > 0 && (got = mbrtowc(&c, prompt, length, &state)) - 1 < length; prompt += got, length -= got) {
        if (c == L'\1')
            shown = !shown;
        else if (shown)
            terminal_step(at, c, width);
    }
}

static int row_of_cursor(const reader *r) {
    int width = terminal_columns();
    terminal_place at = {0};
    const LineInfoW *line = el_wline(r->el);
    step_over_prompt(&at, prompt_of(r->el), width);
    for (const wchar_t *c = line->buffer; c < line->cursor; c++)
        terminal_step(&at, *c, width);
    return at.row + (at.column == width ? 1 : 0);
}

/* Takes the prompt off the screen, so that something else can be written. */
static void hide(reader *r) {
    if (r->el == NULL || !r->reading || r->hidden)
        return;
    int row = row_of_cursor(r);
    r->hidden = true;
    if (row > 0)
        printf("\033[%dA", row);
    fputs("\r\033[J", stdout);
    fflush(stdout);
}

static void show(reader *r) {
    if (r->el == NULL || !r->reading || !r->hidden)
        return;
    r->hidden = false;
    fflush(stdout);
    el_set(r->el, EL_REFRESH);
}

static void move_to_end(reader *r) {
    const LineInfoW *line = el_wline(r->el);
    el_cursor(r->el, (int)(line->lastchar - line->cursor));
}

static void on_change(loop_watch *w, short events) {
    reader *r = w->owner;
    (void)events;
    terminal_change change = terminal_changed();
    if (change == UNCHANGED || !r->reading)
        return;
    if (change == CONTINUED) {
        el_set(r->el, EL_PREP_TERM, 0);
        el_set(r->el, EL_PREP_TERM, 1);
    }
    hide(r);
    el_resize(r->el);
    show(r);
}

/* ---- input ---- */

static void take(reader *r, size_t count) {
    r->count -= count;
    memmove(r->bytes, r->bytes + count, r->count);
}

static bool has_room(reader *r) {
    enum { PART = 4096 };
    if (r->room - r->count >= PART)
        return true;
    char *bytes = realloc(r->bytes, r->room * 2 + PART);
    if (bytes == NULL)
        return false;
    r->bytes = bytes;
    r->room = r->room * 2 + PART;
    return true;
}

/* There is something to read, or never will be again. */
static void on_input(loop_watch *w, short events) {
    reader *r = w->owner;
    (void)events;
    if (has_room(r)) {
        ssize_t got = read(w->fd, r->bytes + r->count, r->room - r->count);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            return;
        r->ended = got <= 0;
        r->count += got > 0 ? (size_t)got : 0;
    } else {
        r->out_of_memory = true;
    }
    loop_watch_remove(r->loop, w);
    task_wake(&r->wait);
}

static void cancel_wait(task_wait *w) {
    reader *r = (reader *)((char *)w - offsetof(reader, wait));
    loop_watch_remove(r->loop, &r->input);
    w->cancelled = true;
    task_wake(w);
}

static bool is_text(wchar_t c) {
    return c >= 0x20 && (c < 0x7f || c >= 0xa0);
}

/* How many bytes at the beginning of the input are text. A character that is not there as a whole yet ends them. */
static size_t text_length(const reader *r) {
    size_t length = 0, key;
    wchar_t c;
    while ((key = key_length(r->bytes + length, r->count - length)) > 0) {
        character(&c, r->bytes + length, key);
        if (!is_text(c))
            break;
        length += key;
    }
    return length;
}

/* The length of the first key, 0 while a part of it is missing. In a search an escape can be a key by itself. */
static size_t first_key(const reader *r) {
    size_t length = key_length(r->bytes, r->count);
    return length == 0 && r->search != NULL && r->count == 1 && r->bytes[0] == '\033' ? 1 : length;
}

/* True when libedit can have a whole key: it would block for the rest of one. Keys without a meaning are skipped. */
static bool has_key(reader *r) {
    size_t length;
    while ((length = first_key(r)) > 0 && r->search == NULL && text_length(r) == 0 && !key_is_bound(r->bytes, length))
        take(r, length);
    return length > 0;
}

/* What libedit reads characters with. In a search it takes all keys for that of the search, and where a key begins,
 * text for that of key_insert(). */
static int next_character(EditLine *el, wchar_t *c) {
    reader *r = of(el);
    bool begins = r->at_key;
    r->at_key = false;
    if (r->count == 0)
        return 0;
    if (r->search != NULL || (begins && text_length(r) > 0)) {
        *c = r->search != NULL ? L'R' & 0x1f : INSERT;
        return 1;
    }
    bool line_end = r->count > 1 && memcmp(r->bytes, "\r\n", 2) == 0; /* one Enter, not two */
    take(r, line_end ? 2 : character(c, r->bytes, r->count));
    if (line_end)
        *c = L'\r';
    return 1;
}

/* ---- text that is typed ----
 *
 * libedit has a short cut for a character at the end of the line, which crashes where the text is as tall as the
 * terminal. What is inserted like this goes another way, and as many characters at a time as there are. */

static bool insert(reader *r, const char *text) {
    char *valid = valid_copy(text);
    bool ok = valid != NULL && (*valid == '\0' || el_insertstr(r->el, valid) == 0);
    free(valid);
    return ok;
}

static unsigned char key_insert(EditLine *el, int c) {
    reader *r = of(el);
    (void)c;
    size_t length = text_length(r);
    char *text = strndup(r->bytes, length);
    bool ok = text != NULL && insert(r, text);
    free(text);
    take(r, length);
    return ok ? CC_REFRESH : CC_ERROR;
}

/* ---- keys that Lua decides about ---- */

static void replace(reader *r, const char *text, lua_Integer cursor) {
    const LineInfoW *line = el_wline(r->el);
    int count = (int)(line->lastchar - line->buffer);
    move_to_end(r);
    if (count > 0)
        el_deletestr(r->el, count);
    insert(r, text);
    const LineInfo *now = el_line(r->el);
    int back = 0; /* in characters, not in bytes */
    for (const char *c = now->buffer + (cursor < 0 ? 0 : cursor); c < now->lastchar; c++)
        back += (*c & 0xc0) != 0x80;
    el_cursor(r->el, -back);
}

static void set_search(reader *r, const char *prompt) {
    free(r->search);
    r->search = prompt != NULL ? valid_copy(prompt) : NULL;
}

/* Does as Lua said, in the values from `result` on. */
static unsigned char obey(lua_State *L, reader *r, int result) {
    if (lua_isnil(L, result))
        return CC_ERROR;
    if (lua_isboolean(L, result)) {
        r->outcome = lua_toboolean(L, result) ? ACCEPTED : ENDED;
        move_to_end(r);
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
    reader *r = of(el);
    lua_State *L = r->L;
    int top = lua_gettop(L);
    bool pasted = strcmp(name, "paste") == 0;
    size_t key = pasted ? length_of_pasted(r) : r->search != NULL ? first_key(r) : 0;
    size_t shown = pasted && key > 0 ? key - strlen(PASTE_ENDS) : key;
    call_key(L, r, name, shown, r->count > key);
    if (strcmp(name, "enter") == 0 && lua_isboolean(L, top + 1) && goes_on()) {
        lua_settop(L, top);
        call_key(L, r, name, shown, true);
    }
    set_search(r, lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL);
    if (!lua_isboolean(L, -1))
        take(r, key);
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

static void bind_keys(EditLine *el) {
    el_wset(el, EL_ADDFN, L"kmirror-enter", L"Accept, or continue on another line", key_enter);
    el_wset(el, EL_ADDFN, L"kmirror-complete", L"Complete the word", key_complete);
    el_wset(el, EL_ADDFN, L"kmirror-finish", L"Delete a character, or end", key_finish);
    el_wset(el, EL_ADDFN, L"kmirror-older", L"The entry before", key_older);
    el_wset(el, EL_ADDFN, L"kmirror-newer", L"The entry after", key_newer);
    el_wset(el, EL_ADDFN, L"kmirror-search", L"Search the history", key_search);
    el_wset(el, EL_ADDFN, L"kmirror-paste", L"Take what is pasted as it is", key_paste);
    el_wset(el, EL_ADDFN, L"kmirror-insert", L"Insert what is typed", key_insert);
    el_set(el, EL_BIND, INSERT_KEY, "kmirror-insert", NULL);
    for (const key_binding *b = key_bindings; b->key != NULL; b++)
        el_set(el, EL_BIND, b->key, b->function, NULL);
}

/* ---- opening and closing ---- */

static reader *check_reader(lua_State *L) {
    reader *r = luaL_checkudata(L, 1, READER);
    if (r->loop == NULL)
        luaL_error(L, "the reader is closed");
    return r;
}

/* close(reader). The terminal is as it was found. */
static int close_(lua_State *L) {
    reader *r = luaL_checkudata(L, 1, READER);
    if (r->loop == NULL)
        return 0;
    loop_watch_remove(r->loop, &r->input);
    if (r->el != NULL) {
        if (r->reading)
            edit(r, false);
        loop_watch_remove(r->loop, &r->changes);
        terminal_unwatch();
        el_end(r->el);
    }
    free(r->bytes);
    free(r->prompt);
    free(r->search);
    *r = (reader){.el = NULL};
    return 0;
}

/* libedit measures and reads characters as the locale says; what kmirror writes is UTF-8. */
static void use_locale(void) {
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static void open_terminal(lua_State *L, reader *r) {
    use_locale();
    int changes = terminal_watch();
    if (changes < 0)
        luaL_error(L, "the terminal can be opened only once");
    if ((r->el = el_init("kmirror", stdin, stdout, stderr)) == NULL) {
        terminal_unwatch();
        luaL_error(L, "not enough memory for the line editor");
    }
    el_set(r->el, EL_CLIENTDATA, r);
    el_set(r->el, EL_SIGNAL, 0);
    el_set(r->el, EL_EDITOR, "emacs");
    el_set(r->el, EL_SETTY, "-d", "-icrnl", NULL); /* CR LF would come as two of the same */
    el_set(r->el, EL_SETTY, "-d", "-inlcr", NULL);
    el_set(r->el, EL_GETCFN, next_character);
    el_set(r->el, EL_PROMPT_ESC, prompt_of, '\1');
    bind_keys(r->el);
    r->changes =
        (loop_watch){.fd = changes, .events = CURL_WAIT_POLLIN, .background = true, .ready = on_change, .owner = r};
    loop_watch_add(r->loop, &r->changes);
}

/* open(keys|nil) -> reader of standard input. With keys it is a terminal, where lines can be edited; see call(). */
static int open_(lua_State *L) {
    bool terminal = !lua_isnoneornil(L, 1);
    lua_settop(L, 1);
    reader *r = lua_newuserdatauv(L, sizeof *r, VALUES);
    *r = (reader){.el = NULL};
    luaL_setmetatable(L, READER);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 2, KEYS);
    r->loop = task_loop(L);
    r->input = (loop_watch){.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN, .ready = on_input, .owner = r};
    if (terminal)
        open_terminal(L, r);
    return 1;
}

/* ---- reading ---- */

static void finish(reader *r) {
    if (r->el != NULL && r->reading) {
        fflush(stdout);
        edit(r, false);
    }
    r->reading = false;
    r->L = NULL;
    set_search(r, NULL);
}

static int push_edited(lua_State *L, reader *r) {
    const LineInfo *line = el_line(r->el);
    if (r->outcome == ACCEPTED)
        lua_pushlstring(L, line->buffer, (size_t)(line->lastchar - line->buffer));
    else
        lua_pushnil(L);
    putchar('\n');
    finish(r);
    return 1;
}

/* The next line of what is there, or at the end the rest of it; CR LF ends one, too. [-0, +(0|1), m] */
static bool push_plain(lua_State *L, reader *r) {
    const char *newline = r->count > 0 ? memchr(r->bytes, '\n', r->count) : NULL;
    size_t length = newline != NULL ? (size_t)(newline - r->bytes) : r->count;
    size_t text = length > 0 && r->bytes[length - 1] == '\r' ? length - 1 : length;
    if (newline == NULL && !r->ended)
        return false;
    if (newline == NULL && r->count == 0)
        lua_pushnil(L);
    else
        lua_pushlstring(L, r->bytes, text);
    take(r, length + (newline != NULL ? 1 : 0));
    finish(r);
    return true;
}

static void handle_keys(lua_State *L, reader *r) {
    int count;
    r->L = L;
    while (r->outcome == EDITING && has_key(r)) {
        r->at_key = true;
        el_gets(r->el, &count);
    }
    r->L = NULL;
    if (r->ended && r->outcome == EDITING)
        r->outcome = ENDED;
}

/* Forgets what was typed or pasted and not read yet, on a terminal, until nothing has come for a moment. */
static void drop(reader *r) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    r->count = 0;
    for (int left = 100; left > 0 && isatty(STDIN_FILENO) && poll(&input, 1, PASTED) > 0; left--)
        tcflush(STDIN_FILENO, TCIFLUSH);
}

static int give_up(lua_State *L, reader *r) {
    const scheduler *s = scheduler_of(L);
    if (r->el != NULL && r->count > 0) /* the beginning of a paste, whose end may never come */
        drop(r);
    if (r->el != NULL) {
        hide(r);
        move_to_end(r);
        show(r);
        fputs(s->exit_status < 0 ? "^C\n" : "\n", stdout);
    }
    finish(r);
    return scheduler_cancelled(L);
}

static int continued(lua_State *L, int status, lua_KContext context);

static int go_on(lua_State *L, reader *r) {
    if (r->out_of_memory) {
        finish(r);
        return luaL_error(L, "not enough memory for the input");
    }
    if (r->el == NULL && push_plain(L, r))
        return 1;
    if (r->el != NULL)
        handle_keys(L, r);
    if (r->outcome != EDITING)
        return push_edited(L, r);
    r->wait = (task_wait){.cancel = cancel_wait};
    loop_watch_add(r->loop, &r->input);
    return task_await(L, &r->wait, 0, continued);
}

static int continued(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    reader *r = check_reader(L);
    return r->wait.cancelled ? give_up(L, r) : go_on(L, r);
}

/* read(reader, prompt) -> line | nil at the end of the input. Raises `cancelled`. */
static int read_(lua_State *L) {
    reader *r = check_reader(L);
    const char *prompt = luaL_optstring(L, 2, "");
    task_check(L);
    if (r->reading)
        return luaL_error(L, "the reader is busy");
    lua_settop(L, 2);
    free(r->prompt);
    if ((r->prompt = valid_copy(prompt)) == NULL)
        return luaL_error(L, "not enough memory");
    r->reading = true;
    r->hidden = false;
    r->outcome = EDITING;
    fflush(stdout);
    if (r->el != NULL)
        edit(r, true);
    return go_on(L, r);
}

/* hide(reader): takes the prompt away, so that something else can be written */
static int hide_(lua_State *L) {
    hide(check_reader(L));
    return 0;
}

/* show(reader): puts it below */
static int show_(lua_State *L) {
    show(check_reader(L));
    return 0;
}

/* drop(reader) */
static int drop_(lua_State *L) {
    drop(check_reader(L));
    return 0;
}

int luaopen_line(lua_State *L) {
    static const luaL_Reg methods[] = {{"read", read_}, {"hide", hide_},   {"show", show_},
                                       {"drop", drop_}, {"close", close_}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open", open_}, {NULL, NULL}};
    luaL_newmetatable(L, READER);
    lua_pushcfunction(L, close_);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, close_);
    lua_setfield(L, -2, "__close");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    turn_functions(L);
    return 1;
}
