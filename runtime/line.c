#include "line.h"

#include "class.h"
#include "line_inside.h"
#include "scheduler_inside.h"
#include "terminal.h"
#include "turn.h"

#include <langinfo.h>
#include <lauxlib.h>
#include <locale.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READER "line.reader"

reader *line_of(EditLine *el) {
    void *r;
    el_get(el, EL_CLIENTDATA, &r);
    return r;
}

char *line_prompt_of(EditLine *el) {
    const reader *r = line_of(el);
    return r->search != NULL ? r->search : r->prompt;
}

void line_set_search(reader *r, const char *prompt) {
    free(r->search);
    r->search = prompt != NULL ? line_valid_copy(prompt) : NULL;
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
            line_edit(r, false);
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
    el_set(r->el, EL_GETCFN, line_next_character);
    el_set(r->el, EL_PROMPT_ESC, line_prompt_of, '\1');
    line_bind_keys(r->el);
    r->changes = (loop_watch){
        .fd = changes, .events = CURL_WAIT_POLLIN, .background = true, .ready = line_on_change, .owner = r};
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
    r->input = (loop_watch){.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN, .ready = line_on_input, .owner = r};
    if (terminal)
        open_terminal(L, r);
    return 1;
}

/* ---- reading ---- */

static void finish(reader *r) {
    if (r->el != NULL && r->reading) {
        fflush(stdout);
        line_edit(r, false);
    }
    r->reading = false;
    r->L = NULL;
    line_set_search(r, NULL);
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
    line_take(r, length + (newline != NULL ? 1 : 0));
    finish(r);
    return true;
}

static void handle_keys(lua_State *L, reader *r) {
    int count;
    r->L = L;
    while (r->outcome == EDITING && line_has_key(r)) {
        r->at_key = true;
        el_gets(r->el, &count);
    }
    r->L = NULL;
    if (r->ended && r->outcome == EDITING)
        r->outcome = ENDED;
}

static int give_up(lua_State *L, reader *r) {
    const scheduler *s = scheduler_of(L);
    if (r->el != NULL && r->count > 0) /* the beginning of a paste, whose end may never come */
        line_drop(r);
    if (r->el != NULL) {
        line_hide(r);
        line_move_to_end(r);
        line_show(r);
        fputs(s->exit_status < 0 ? "^C\n" : "\n", stdout);
    }
    finish(r);
    return scheduler_cancelled(L);
}

static void cancel_wait(task_wait *w) {
    reader *r = (reader *)((char *)w - offsetof(reader, wait));
    loop_watch_remove(r->loop, &r->input);
    w->cancelled = true;
    task_wake(w);
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
    if ((r->prompt = line_valid_copy(prompt)) == NULL)
        return luaL_error(L, "not enough memory");
    r->reading = true;
    r->hidden = false;
    r->outcome = EDITING;
    fflush(stdout);
    if (r->el != NULL)
        line_edit(r, true);
    return go_on(L, r);
}

/* line_hide(reader): takes the prompt away, so that something else can be written */
static int hide_(lua_State *L) {
    line_hide(check_reader(L));
    return 0;
}

/* line_show(reader): puts it below */
static int show_(lua_State *L) {
    line_show(check_reader(L));
    return 0;
}

/* line_drop(reader) */
static int drop_(lua_State *L) {
    line_drop(check_reader(L));
    return 0;
}

int luaopen_line(lua_State *L) {
    static const luaL_Reg methods[] = {{"read", read_}, {"hide", hide_},   {"show", show_},
                                       {"drop", drop_}, {"close", close_}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open", open_}, {NULL, NULL}};
    class_new(L, READER, methods, close_);
    luaL_newlib(L, functions);
    turn_functions(L);
    return 1;
}
