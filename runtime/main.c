/* kmirror: makes a Lua state, runs the command line (lib/kmirror/cli.lua) in it as the main task, and turns what
 * comes of it into messages and an exit status. */
#include "child.h"
#include "computing.h"
#include "environment.h"
#include "exit.h"
#include "fetch.h"
#include "files.h"
#include "host.h"
#include "httpd.h"
#include "line.h"
#include "message.h"
#include "mirrors.h"
#include "outcome.h"
#include "outfile.h"
#include "output.h"
#include "pool.h"
#include "postgres.h"
#include "probe.h"
#include "scheduler.h"
#include "sharing.h"
#include "task.h"
#include "terminal.h"

#include <lauxlib.h>
#include <lua-cjson.h>
#include <lualib.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- signals ---- */

/* At a prompt, Ctrl-C is for what was typed last. Otherwise the first one lets tasks clean up; with the second, nobody
 * has the patience for that. */
static void on_signal(int number) {
    computing_watch();
    if (number == SIGINT && task_interrupt_turn())
        return;
    if (number == SIGHUP && task_interrupted()) /* a connection that breaks off may say so twice */
        return;
    if (task_interrupted()) {
        terminal_return();
        _exit(INTERRUPTED);
    }
    task_interrupt();
}

/* Processor time has passed since then, and a task does not end: not even by force. */
static void on_tick(int number) {
    (void)number;
    if (!computing_tick())
        return;
    terminal_return();
    message_write("error",
                  "interrupted: ended at once, with nothing closed, as a function of Lua's own does not return (a "
                  "pattern that takes too long, a finalizer?); kmirror jobs shows what a job has done",
                  NULL);
    _exit(INTERRUPTED);
}

/* One that whoever started kmirror has it ignore, as nohup does, stays so. */
static void handle(int number, const struct sigaction *action) {
    struct sigaction present;
    if (sigaction(number, NULL, &present) == 0 && present.sa_handler != SIG_IGN)
        sigaction(number, action, NULL);
}

static void handle_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    handle(SIGINT, &action);
    handle(SIGHUP, &action);
    action = (struct sigaction){.sa_handler = on_tick, .sa_flags = SA_RESTART};
    sigaction(SIGPROF, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error of the write */
}

/* After the first signal: nothing new begins, changes that are under way are waited for. */
static void tell_waiting(lua_State *L) {
    size_t requests = mirrors_under_way();
    char text[160];
    (void)L;
    if (requests > 0)
        snprintf(text, sizeof text,
                 "interrupted: waiting for the answers to %zu request%s; another Ctrl-C ends at once", requests,
                 requests == 1 ? "" : "s");
    else
        snprintf(text, sizeof text, "interrupted: waiting until all is closed; another Ctrl-C ends at once");
    message_write("info", text, NULL);
}

/* ---- the Lua state ---- */

/* What warn() goes by: scripts turn warnings off and on with warn("@off") and warn("@on"). One may come in pieces. */
typedef struct warnings {
    bool off, begun;
    FILE *pieces;
    char *text;
    size_t size;
} warnings;

static void begin_warning(warnings *w) {
    w->pieces = open_memstream(&w->text, &w->size);
    w->begun = true;
}

static void end_warning(warnings *w) {
    static const char finalizer[] = "error in __gc (error object is not a string)";
    bool told = w->pieces != NULL && fclose(w->pieces) == 0;
    bool of_exit = told && strcmp(w->text, finalizer) == 0 && exit_swallowed();
    if (told && !w->off && !of_exit)
        message_write("warn", w->text, NULL);
    if (w->pieces != NULL)
        free(w->text);
    w->begun = false;
}

static void warn(void *data, const char *message, int more) {
    warnings *w = data;
    if (!w->begun && !more && message[0] == '@') {
        w->off = strcmp(message, "@off") == 0;
        return;
    }
    if (!w->begun)
        begin_warning(w);
    if (w->pieces != NULL)
        fputs(message, w->pieces);
    if (!more)
        end_warning(w);
}

static void open_modules(lua_State *L) {
    static const luaL_Reg natives[] = {
        {"mirrors", luaopen_mirrors}, {"task", luaopen_task},       {"host", luaopen_host},
        {"httpd", luaopen_httpd},     {"cjson", luaopen_cjson},     {"line", luaopen_line},
        {"probe", luaopen_probe},     {"outfile", luaopen_outfile}, {"postgres", luaopen_postgres},
        {"sharing", luaopen_sharing}, {"fetch", luaopen_fetch},     {NULL, NULL}};
    luaL_newlib(L, natives);
    files_open(L);
}

/* ---- how it ended ---- */

/* message(error, traceback) -> what kmirror.uncaught says of it */
static int say(lua_State *L) {
    lua_settop(L, 2);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "kmirror.modules");
    lua_getfield(L, -1, "require");
    lua_pushliteral(L, "kmirror.uncaught");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "message");
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    return 1;
}

/* Reports the error at the index, whose traceback is behind it. */
static void report(lua_State *L, int index) {
    const char *traceback = host_wants_traceback() ? lua_tostring(L, index + 1) : NULL;
    lua_pushcfunction(L, say);
    lua_pushvalue(L, index);
    lua_pushvalue(L, index + 1);
    const char *message = lua_pcall(L, 2, 1, 0) == LUA_OK ? lua_tostring(L, -1) : luaL_tolstring(L, index, NULL);
    message_write("error", message, traceback);
}

static int report_error(lua_State *L, int index) {
    int status = outcome_status(L, index);
    if (outcome_is_exit(L, index))
        return status;
    if (task_interrupted() && outcome_has_kind(L, index, "cancelled"))
        lua_pushliteral(L, "interrupted"), lua_replace(L, index);
    report(L, index);
    return status;
}

typedef struct arguments {
    int count;
    char **words;
} arguments;

/* [-0, +1, m] */
static void push_arguments(lua_State *L, const arguments *given) {
    lua_createtable(L, given->count, 0);
    for (int i = 1; i < given->count; i++) {
        lua_pushstring(L, given->words[i]);
        lua_rawseti(L, -2, i);
    }
}

/* Runs the command line, which is at the index 1; leaves the exit status. */
static int protected_main(lua_State *L) {
    push_arguments(L, lua_touserdata(L, 1));
    lua_replace(L, 1);
    luaL_openlibs(L);
    environment_open(L);
    lua_gc(L, LUA_GCGEN, 0, 0); /* as in lua.c: what a request leaves behind dies young */
    exit_open(L);
    open_modules(L);
    task_interruptible(L, tell_waiting);
    handle_signals();
    lua_getglobal(L, "require");
    lua_pushliteral(L, "kmirror.cli");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_pushvalue(L, 1);
    lua_replace(L, 2);
    lua_insert(L, 2);
    lua_settop(L, 3);
    int status = task_run(L, 1) == LUA_OK ? (int)luaL_optinteger(L, 2, DONE) : report_error(L, 2);
    if (status == DONE && task_exit_status(L) > DONE) /* it was lost, as nothing of the runbook ran after it */
        status = task_exit_status(L);
    for (lua_settop(L, 1); task_failure(L); lua_settop(L, 1)) {
        message_write("error", "a task failed that nobody waited for:", NULL);
        report(L, 2);
        status = status == DONE ? FAILED : status;
    }
    lua_pushinteger(L, status);
    return 1;
}

static int run_command_line(int argc, char **argv) {
    warnings warning = {.off = false};
    pool *memory = pool_new();
    lua_State *L = memory == NULL ? NULL : lua_newstate(pool_allocate, memory);
    if (L == NULL) {
        message_write("error", "not enough memory", NULL);
        pool_free(memory);
        return FAILED;
    }
    lua_setwarnf(L, warn, &warning);
    lua_pushcfunction(L, protected_main);
    lua_pushlightuserdata(L, &(arguments){argc, argv});
    int status = FAILED;
    if (lua_pcall(L, 1, 1, 0) == LUA_OK)
        status = (int)lua_tointeger(L, -1);
    else
        message_write("error", lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "unknown error", NULL);
    lua_close(L);
    pool_free(memory);
    return status == DONE && exit_closing_status() >= 0 ? exit_closing_status() : status;
}

enum { KEPT = 64 << 20 }; /* bytes */

/* What one request leaves free the next one takes. glibc would give the end of its heap back to the kernel again and
 * again, and fault each page in anew: thousands of times in 20,000 gets, an eighth of their processor time. */
static void keep_free_memory(void) {
    mallopt(M_TRIM_THRESHOLD, KEPT);
}

int main(int argc, char **argv) {
    keep_free_memory();
    environment_hide_secrets();
    output_open();
    message_keep_lines_whole();
    child_runs(run_command_line);
    int status = run_command_line(argc, argv);
    child_end();
    return output_arrived() || status != DONE ? status : FAILED;
}
