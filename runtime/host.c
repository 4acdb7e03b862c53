#include "host.h"

#include "embedded.h"
#include "error.h"
#include "exit.h"
#include "files.h"
#include "loop.h"
#include "message.h"
#include "output.h"
#include "task.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOCK "host.lock"

static pid_t sandbox; /* 0: none */
static bool traceback;

/* ---- the terminal and the clock ---- */

/* isatty(descriptor) -> whether it is a terminal */
static int is_terminal(lua_State *L) {
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

/* columns(descriptor) -> width of the terminal, nil when it is none */
static int columns(lua_State *L) {
    struct winsize size;
    if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 0;
    lua_pushinteger(L, size.ws_col);
    return 1;
}

/* monotonic() -> seconds */
static int monotonic(lua_State *L) {
    lua_pushnumber(L, loop_now());
    return 1;
}

/* time() -> seconds since 1970, with fraction */
static int wall_clock(lua_State *L) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
    return 1;
}

/* ---- the shipped runbooks ---- */

/* scripts() -> names, in order */
static int scripts(lua_State *L) {
    lua_newtable(L);
    files_list_scripts(L);
    return 1;
}

/* script(name) -> source, chunk name | nil */
static int script(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0')
        return 0;
    return files_read(L, lua_pushfstring(L, "scripts/%s.lua", name));
}

/* source(name) -> source, chunk name | nil: one of kmirror's own Lua files, such as "lib/kmirror/wait.lua" */
static int source(lua_State *L) {
    return files_read(L, luaL_checkstring(L, 1));
}

/* ---- secrets and locks ---- */

/* hmac_sha256(key, text) -> 64 hexadecimal digits */
static int hmac_sha256(lua_State *L) {
    size_t key_length, length;
    unsigned char digest[32];
    char hex[2 * sizeof digest + 1];
    const char *key = luaL_checklstring(L, 1, &key_length);
    const char *text = luaL_checklstring(L, 2, &length);
    int status = gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_length, text, length, digest);
    if (status < 0)
        return luaL_error(L, "HMAC-SHA-256 failed: %s", gnutls_strerror(status));
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    lua_pushstring(L, hex);
    return 1;
}

/* random(n) -> n random bytes, fit for keys */
static int random_bytes(lua_State *L) {
    unsigned char bytes[64];
    lua_Integer count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count > 0 && count <= (lua_Integer)sizeof bytes, 1, "from 1 to 64");
    if (gnutls_rnd(GNUTLS_RND_KEY, bytes, (size_t)count) < 0)
        return luaL_error(L, "no random bytes to be had");
    lua_pushlstring(L, (const char *)bytes, (size_t)count);
    return 1;
}

static int lock_close(lua_State *L) {
    int *file = luaL_checkudata(L, 1, LOCK);
    if (*file >= 0)
        close(*file);
    *file = -1;
    return 0;
}

/* lock(path) -> lock | nil, "held" or what went wrong. The kernel drops it with its holder. */
static int lock(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    int *file = lua_newuserdatauv(L, sizeof *file, 0);
    *file = -1;
    luaL_setmetatable(L, LOCK);
    *file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*file >= 0 && flock(*file, LOCK_EX | LOCK_NB) == 0)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, errno == EWOULDBLOCK ? "held" : strerror(errno));
    return 2;
}

/* make_directory(path) -> true | nil, what went wrong. With all above it; what is new only the owner may enter. */
static int make_directory(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    char *part = lua_newuserdatauv(L, strlen(path) + 1, 0);
    strcpy(part, path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(part, 0700); /* one that is there, or cannot be made, shows below */
        *slash = '/';
    }
    bool ok = mkdir(part, 0700) == 0 || (errno == EEXIST && access(part, W_OK | X_OK) == 0);
    return luaL_fileresult(L, ok, path);
}

/* directory() -> the one that this process runs in */
static int directory(lua_State *L) {
    char *path = getcwd(NULL, 0);
    if (path == NULL)
        return luaL_fileresult(L, 0, NULL);
    lua_pushstring(L, path);
    free(path);
    return 1;
}

/* ---- the sandbox ---- */

/* In the child: becomes a sandbox, in a Lua state of its own, that does not outlive its parent. */
static _Noreturn void become_sandbox(int out, pid_t parent, int argc, char **argv) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is for the parent, which may still need the sandbox to clean up */
    if (getppid() != parent || dup2(out, STDOUT_FILENO) < 0)
        _exit(1);
    close_range(3, ~0U, 0);
    int status = kmirror_main(argc, argv);
    fflush(NULL);
    _exit(status);
}

/* How long a sandbox may take to say where it listens, in seconds. */
#define SANDBOX_PATIENCE 30.0

/* The next character that comes out of the pipe; -1 when there is none, in time or at all. */
static int next_character(int in, double deadline) {
    struct pollfd ready = {.fd = in, .events = POLLIN};
    unsigned char c;
    for (double left; !task_interrupted() && (left = deadline - loop_now()) > 0;) {
        int status = poll(&ready, 1, (int)(left * 1000) + 1);
        ssize_t got = status > 0 ? read(in, &c, 1) : status;
        if (got == 1)
            return c;
        if ((status > 0 && got == 0) || (got < 0 && errno != EINTR))
            return -1;
    }
    return -1;
}

/* Reads the sandbox's first line: into a buffer of its own, as an error must not leave the pipe open. */
static bool read_first_line(int in, char *line, size_t size) {
    double deadline = loop_now() + SANDBOX_PATIENCE;
    size_t length = 0;
    int c;
    while ((c = next_character(in, deadline)) >= 0 && c != '\n' && length + 1 < size)
        line[length++] = (char)c;
    line[length] = '\0';
    return c == '\n';
}

static char **sandbox_arguments(lua_State *L, int *argc) {
    static char *const fixed[] = {"kmirror", "sandbox", "--port", "0"};
    enum { FIXED = sizeof fixed / sizeof *fixed };
    lua_Integer more = luaL_len(L, 1);
    char **argv = lua_newuserdatauv(L, sizeof *argv * (FIXED + (size_t)more + 1), 0);
    memcpy(argv, fixed, sizeof fixed);
    for (lua_Integer i = 1; i <= more; i++) {
        lua_geti(L, 1, i);
        argv[FIXED + i - 1] = (char *)luaL_checkstring(L, -1);
        lua_pop(L, 1); /* the table still holds it */
    }
    *argc = FIXED + (int)more;
    argv[*argc] = NULL;
    return argv;
}

/* start_sandbox(arguments) -> URL. One for the length of this process, however that ends. */
static int start_sandbox(lua_State *L) {
    int argc, ends[2];
    luaL_checktype(L, 1, LUA_TTABLE);
    char **argv = sandbox_arguments(L, &argc);
    if (sandbox != 0)
        return luaL_error(L, "a sandbox is running already");
    if (pipe2(ends, O_CLOEXEC) != 0)
        return luaL_error(L, "cannot start a sandbox: %s", strerror(errno));
    fflush(NULL);
    pid_t parent = getpid();
    sandbox = fork();
    if (sandbox == 0)
        become_sandbox(ends[1], parent, argc, argv);
    close(ends[1]);
    if (sandbox < 0) {
        close(ends[0]);
        sandbox = 0;
        return luaL_error(L, "cannot start a sandbox: %s", strerror(errno));
    }
    char line[256];
    bool ok = read_first_line(ends[0], line, sizeof line);
    close(ends[0]);
    if (!ok) {
        host_end_sandbox();
        return luaL_error(L, "the sandbox did not start: what went wrong is above");
    }
    luaL_gsub(L, line, "listening on ", "");
    return 1;
}

/* It ends at once; one that is stuck is not waited for. */
void host_end_sandbox(void) {
    static const struct timespec pause = {.tv_nsec = 2000000};
    if (sandbox > 0) {
        kill(sandbox, SIGTERM);
        for (double deadline = loop_now() + 5; waitpid(sandbox, NULL, WNOHANG) == 0; nanosleep(&pause, NULL))
            if (loop_now() > deadline)
                kill(sandbox, SIGKILL);
    }
    sandbox = 0;
}

/* ---- how a run ends ---- */

/* status_of(error) -> exit status of a run that ends with it */
static int status_of(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushinteger(L, kmirror_status_of(L, 1));
    return 1;
}

/* ---- the module ---- */

/* json_messages(yes): what the executable itself says is JSON from now on, or text again */
static int json_messages(lua_State *L) {
    message_as_json(lua_toboolean(L, 1));
    return 0;
}

/* settled(status) -> the status that a run ends with which would end with that one: what it has printed may be lost, and
 * tasks may have failed that nobody joined */
static int settled(lua_State *L) {
    lua_Integer status = luaL_checkinteger(L, 1);
    bool well = output_arrived() && !task_has_failures(L);
    lua_pushinteger(L, status == 0 && !well ? 1 : status);
    return 1;
}

/* lost_output(): a file that was asked for could not be written: the exit status will not be 0 */
static int lost_output(lua_State *L) {
    (void)L;
    output_lost();
    return 0;
}

/* traceback(): from now on an uncaught error shows one */
static int want_traceback(lua_State *L) {
    (void)L;
    traceback = true;
    return 0;
}

bool host_wants_traceback(void) {
    return traceback;
}

int luaopen_host(lua_State *L) {
    static const luaL_Reg functions[] = {{"isatty", is_terminal},
                                         {"columns", columns},
                                         {"monotonic", monotonic},
                                         {"time", wall_clock},
                                         {"scripts", scripts},
                                         {"script", script},
                                         {"source", source},
                                         {"hmac_sha256", hmac_sha256},
                                         {"random", random_bytes},
                                         {"lock", lock},
                                         {"directory", directory},
                                         {"folders", files_folders},
                                         {"make_directory", make_directory},
                                         {"start_sandbox", start_sandbox},
                                         {"lost_output", lost_output},
                                         {"traceback", want_traceback},
                                         {"status_of", status_of},
                                         {"settled", settled},
                                         {"catch", exit_catch},
                                         {"background", exit_background},
                                         {"left", exit_left},
                                         {"rest", exit_rest},
                                         {"json_messages", json_messages},
                                         {NULL, NULL}};
    luaL_newmetatable(L, LOCK);
    lua_pushcfunction(L, lock_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, lock_close);
    lua_setfield(L, -2, "__close");
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, lock_close);
    lua_setfield(L, -2, "close");
    luaL_newlib(L, functions);
    lua_pushliteral(L, KMIRROR_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
