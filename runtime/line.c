#include "line.h"

#include "error.h"
#include "scheduler.h"

#include <errno.h>
#include <histedit.h>
#include <lauxlib.h>
#include <locale.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#define READER "line.reader"

/* What is kept with the userdata: the functions that keys call, by name. */
enum { KEYS = 1, VALUES = 1 };

typedef enum { EDITING, ACCEPTED, ENDED } outcome;

typedef struct reader {
    EditLine *el; /* NULL: not a terminal, lines are taken as they come */
    loop *loop;
    loop_watch input, signals;
    task_wait wait;
    lua_State *L; /* who reads, while keys are looked at */
    char *bytes;  /* read, and not looked at yet */
    size_t count, room;
    char *prompt;
    outcome outcome;
    bool reading, hidden, ended, out_of_memory;
} reader;

/* ---- the terminal, given back however the process ends ---- */

static struct termios as_found;
static bool edited;

static void give_back(void) {
    if (edited)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &as_found);
    edited = false;
}

static void edit(reader *r, bool on) {
    if (on)
        tcgetattr(STDIN_FILENO, &as_found);
    edited = on;
    el_set(r->el, EL_UNBUFFERED, on ? 1 : 0);
}

static int columns(void) {
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* ---- signals: the terminal has another size, or the process goes on after a stop ---- */

static int signal_fd = -1;
static struct sigaction window_before, continue_before;

static void on_terminal_signal(int number) {
    int saved = errno;
    uint64_t what = number == SIGCONT ? 1 << 16 : 1;
    (void)!write(signal_fd, &what, sizeof what);
    errno = saved;
}

static bool catch_signals(void) {
    struct sigaction action = {.sa_handler = on_terminal_signal, .sa_flags = SA_RESTART};
    signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (signal_fd < 0)
        return false;
    sigemptyset(&action.sa_mask);
    sigaction(SIGWINCH, &action, &window_before);
    sigaction(SIGCONT, &action, &continue_before);
    return true;
}

static void release_signals(void) {
    sigaction(SIGWINCH, &window_before, NULL);
    sigaction(SIGCONT, &continue_before, NULL);
    close(signal_fd);
    signal_fd = -1;
}

/* ---- where the cursor is ---- */

typedef struct place {
    int row, column;
} place;

static void step(place *at, wchar_t c, int width) {
    int wide = c == L'\n' ? 0 : wcwidth(c);
    if (c == L'\n' || at->column + wide > width)
        *at = (place){.row = at->row + 1};
    at->column += wide > 0 ? wide : 0;
}

/* What stands between two \1 takes no room: colours. */
static void step_over_prompt(place *at, const char *prompt, int width) {
    mbstate_t state = {0};
    size_t length = strlen(prompt), got;
    bool shown = true;
    wchar_t c;
    for (; length > 0 && (got = mbrtowc(&c, prompt, length, &state)) - 1 < length; prompt += got, length -= got) {
        if (c == L'\1')
            shown = !shown;
        else if (shown)
            step(at, c, width);
    }
}

static int row_of_cursor(const reader *r) {
    int width = columns();
    place at = {0};
    const LineInfoW *line = el_wline(r->el);
    step_over_prompt(&at, r->prompt, width);
    for (const wchar_t *c = line->buffer; c < line->cursor; c++)
        step(&at, *c, width);
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

static void on_signals(loop_watch *w, short events) {
    reader *r = w->owner;
    uint64_t what = 0;
    (void)events;
    if (read(signal_fd, &what, sizeof what) < 0 || !r->reading)
        return;
    if (what >= 1 << 16) { /* somebody else had the terminal */
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

/* Sequences that start with an escape, beside the single keys after one. The others do nothing. */
static const char *const sequences[] = {"[A",  "[B",  "[C",  "[D",    "[H",    "[F",    "OA",
                                        "OB",  "OC",  "OD",  "OH",    "OF",    "[1~",   "[3~",
                                        "[4~", "[7~", "[8~", "[1;5C", "[1;5D", "[1;3C", "[1;3D"};

static bool is_known(const char *sequence, size_t length) {
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++)
        if (strlen(sequences[i]) == length && memcmp(sequences[i], sequence, length) == 0)
            return true;
    return false;
}

/* The length of the escape sequence that the input begins with; 0 while a part of it is missing. */
static size_t length_of_sequence(const reader *r) {
    if (r->count < 2)
        return 0;
    if (r->bytes[1] == 'O')
        return r->count < 3 ? 0 : 3;
    if (r->bytes[1] != '[')
        return 2;
    for (size_t i = 2; i < r->count; i++)
        if (r->bytes[i] >= 0x40 && r->bytes[i] <= 0x7e)
            return i + 1;
    return 0;
}

static size_t length_of_character(unsigned char first) {
    return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
}

/* True when libedit can have a whole key: it would block for the rest of one. */
static bool has_key(reader *r) {
    while (r->count > 0 && r->bytes[0] == '\033') {
        size_t length = length_of_sequence(r);
        if (length < 3 || is_known(r->bytes + 1, length - 1))
            return length > 0;
        take(r, length);
    }
    return r->count > 0 && r->count >= length_of_character((unsigned char)r->bytes[0]);
}

static reader *of(EditLine *el) {
    void *r;
    el_get(el, EL_CLIENTDATA, &r);
    return r;
}

/* What libedit reads characters with. */
static int next_character(EditLine *el, wchar_t *c) {
    reader *r = of(el);
    mbstate_t state = {0};
    if (r->count == 0)
        return 0;
    size_t length = mbrtowc(c, r->bytes, r->count, &state);
    if (length > r->count) { /* not UTF-8 */
        *c = 0xFFFD;
        length = 1;
    }
    take(r, length > 0 ? length : 1);
    return 1;
}

static char *prompt_of(EditLine *el) {
    return of(el)->prompt;
}

/* ---- keys that Lua decides about ---- */

static void replace(reader *r, const char *text, lua_Integer cursor) {
    const LineInfoW *line = el_wline(r->el);
    int count = (int)(line->lastchar - line->buffer);
    move_to_end(r);
    if (count > 0)
        el_deletestr(r->el, count);
    if (*text != '\0')
        el_insertstr(r->el, text);
    const LineInfo *now = el_line(r->el);
    int back = 0; /* in characters, not in bytes */
    for (const char *c = now->buffer + (cursor < 0 ? 0 : cursor); c < now->lastchar; c++)
        back += (*c & 0xc0) != 0x80;
    el_cursor(r->el, -back);
}

/* Calls keys[name](text, cursor, more) in Lua, where the cursor is in bytes and `more` says that more input is there
 * already. It returns a text and a cursor, true to accept the line, false to end the input, or nil to beep. */
static unsigned char call(EditLine *el, const char *name) {
    reader *r = of(el);
    lua_State *L = r->L;
    const LineInfo *line = el_line(el);
    unsigned char result = CC_ERROR;
    int top = lua_gettop(L);
    lua_getiuservalue(L, 1, KEYS);
    lua_getfield(L, -1, name);
    lua_pushlstring(L, line->buffer, (size_t)(line->lastchar - line->buffer));
    lua_pushinteger(L, line->cursor - line->buffer);
    lua_pushboolean(L, r->count > 0);
    if (lua_pcall(L, 3, 2, 0) == LUA_OK && !lua_isnil(L, -2)) {
        result = CC_REFRESH;
        if (lua_isboolean(L, -2)) {
            r->outcome = lua_toboolean(L, -2) ? ACCEPTED : ENDED;
            move_to_end(r);
        } else {
            replace(r, lua_tostring(L, -2), lua_tointeger(L, -1));
        }
    }
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

typedef struct binding {
    const char *key, *function;
} binding;

static void bind_keys(EditLine *el) {
    static const binding bindings[] = {
        {"^M", "kmirror-enter"},       {"^J", "kmirror-enter"},
        {"^I", "kmirror-complete"},    {"^D", "kmirror-finish"},
        {"^P", "kmirror-older"},       {"\033[A", "kmirror-older"},
        {"\033OA", "kmirror-older"},   {"^N", "kmirror-newer"},
        {"\033[B", "kmirror-newer"},   {"\033OB", "kmirror-newer"},
        {"^R", "kmirror-search"},      {"^W", "ed-delete-prev-word"},
        {"^U", "vi-kill-line-prev"},   {"\033[3~", "ed-delete-next-char"},
        {"\033[H", "ed-move-to-beg"},  {"\033OH", "ed-move-to-beg"},
        {"\033[1~", "ed-move-to-beg"}, {"\033[7~", "ed-move-to-beg"},
        {"\033[F", "ed-move-to-end"},  {"\033OF", "ed-move-to-end"},
        {"\033[4~", "ed-move-to-end"}, {"\033[8~", "ed-move-to-end"},
        {"\033[1;5C", "em-next-word"}, {"\033[1;5D", "ed-prev-word"},
        {"\033[1;3C", "em-next-word"}, {"\033[1;3D", "ed-prev-word"},
    };
    el_wset(el, EL_ADDFN, L"kmirror-enter", L"Accept, or go on in another line", key_enter);
    el_wset(el, EL_ADDFN, L"kmirror-complete", L"Complete the word", key_complete);
    el_wset(el, EL_ADDFN, L"kmirror-finish", L"Delete a character, or end", key_finish);
    el_wset(el, EL_ADDFN, L"kmirror-older", L"The entry before", key_older);
    el_wset(el, EL_ADDFN, L"kmirror-newer", L"The entry after", key_newer);
    el_wset(el, EL_ADDFN, L"kmirror-search", L"The last entry with this text in it", key_search);
    for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++)
        el_set(el, EL_BIND, bindings[i].key, bindings[i].function, NULL);
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
        loop_watch_remove(r->loop, &r->signals);
        release_signals();
        el_end(r->el);
    }
    free(r->bytes);
    free(r->prompt);
    *r = (reader){.el = NULL};
    return 0;
}

/* libedit measures and reads characters as the locale says; without one, as UTF-8. */
static void use_locale(void) {
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static void open_terminal(lua_State *L, reader *r) {
    static bool at_exit;
    use_locale();
    if (!at_exit)
        at_exit = atexit(give_back) == 0;
    if (signal_fd >= 0 || !catch_signals())
        luaL_error(L, "the terminal can be opened only once");
    if ((r->el = el_init("kmirror", stdin, stdout, stderr)) == NULL) {
        release_signals();
        luaL_error(L, "not enough memory for the line editor");
    }
    el_set(r->el, EL_CLIENTDATA, r);
    el_set(r->el, EL_SIGNAL, 0);
    el_set(r->el, EL_EDITOR, "emacs");
    el_set(r->el, EL_GETCFN, next_character);
    el_set(r->el, EL_PROMPT_ESC, prompt_of, '\1');
    bind_keys(r->el);
    r->signals =
        (loop_watch){.fd = signal_fd, .events = CURL_WAIT_POLLIN, .background = true, .ready = on_signals, .owner = r};
    loop_watch_add(r->loop, &r->signals);
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

/* The next line of what is there, or at the end the rest of it. [-0, +(0|1), m] */
static bool push_plain(lua_State *L, reader *r) {
    const char *newline = r->count > 0 ? memchr(r->bytes, '\n', r->count) : NULL;
    size_t length = newline != NULL ? (size_t)(newline - r->bytes) : r->count;
    if (newline == NULL && !r->ended)
        return false;
    if (newline == NULL && r->count == 0)
        lua_pushnil(L);
    else
        lua_pushlstring(L, r->bytes, length);
    take(r, length + (newline != NULL ? 1 : 0));
    finish(r);
    return true;
}

static void handle_keys(lua_State *L, reader *r) {
    int count;
    r->L = L;
    while (r->outcome == EDITING && has_key(r))
        el_gets(r->el, &count);
    r->L = NULL;
    if (r->ended && r->outcome == EDITING)
        r->outcome = ENDED;
}

static int give_up(lua_State *L, reader *r) {
    const scheduler *s = scheduler_of(L);
    if (r->el != NULL) {
        hide(r);
        move_to_end(r);
        show(r);
        fputs("^C\n", stdout);
    }
    finish(r);
    return error_raise(L, "cancelled", "%s", s->why);
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
    if ((r->prompt = strdup(prompt)) == NULL)
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

/* ---- turns ---- */

/* turn(task): until it has ended, Ctrl-C cancels it and nothing else. turn(): there are no more turns. */
static int turn(lua_State *L) {
    scheduler *s = scheduler_of(L);
    s->foreground = lua_isnoneornil(L, 1) ? NULL : luaL_checkudata(L, 1, TASK);
    s->prompting = s->foreground != NULL;
    s->turn_interrupted = 0;
    if (s->foreground != NULL && scheduler_ended(s->foreground))
        s->foreground = NULL;
    return 0;
}

/* end(): cancels every task, as Ctrl-C does elsewhere */
static int end_(lua_State *L) {
    (void)L;
    task_interrupt();
    return 0;
}

static void cancel_failure(task_wait *w) {
    w->cancelled = true;
    task_wake(w);
}

static int failed(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    scheduler *s = scheduler_of(L);
    s->failed = NULL;
    if (((task_wait *)lua_touserdata(L, 1))->cancelled)
        return error_raise(L, "cancelled", "%s", s->why);
    return task_failure(L) ? 2 : 0;
}

/* failure() -> error, traceback: waits for a task that fails while nobody has joined it */
static int failure(lua_State *L) {
    scheduler *s = scheduler_of(L);
    task_check(L);
    if (task_failure(L))
        return 2;
    lua_settop(L, 0);
    s->failed = lua_newuserdatauv(L, sizeof *s->failed, 0);
    *s->failed = (task_wait){.cancel = cancel_failure};
    return task_await(L, s->failed, 0, failed);
}

int luaopen_line(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"read", read_}, {"hide", hide_}, {"show", show_}, {"close", close_}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"open", open_}, {"turn", turn}, {"finish", end_}, {"failure", failure}, {NULL, NULL}};
    luaL_newmetatable(L, READER);
    lua_pushcfunction(L, close_);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, close_);
    lua_setfield(L, -2, "__close");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
