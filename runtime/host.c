#include "host.h"

#include "base64.h"
#include "child.h"
#include "class.h"
#include "computing.h"
#include "exit.h"
#include "files.h"
#include "loop.h"
#include "message.h"
#include "outcome.h"
#include "output.h"
#include "scheduler.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <lauxlib.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK "host.lock"

static bool traceback;

/* ---- the terminal and the clock ---- */

/* isatty(descriptor) -> whether it is a terminal */
static int is_terminal(lua_State *L) {
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

/* columns(descriptor) -> width of the terminal, its height; nil when it is none */
static int columns(lua_State *L) {
    struct winsize size;
    if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 0;
    lua_pushinteger(L, size.ws_col);
    lua_pushinteger(L, size.ws_row);
    return 2;
}

/* monotonic() -> seconds */
static int monotonic(lua_State *L) {
    lua_pushnumber(L, loop_now());
    return 1;
}

/* jump(): from now on the clock jumps over what would be waited for */
static int jump(lua_State *L) {
    (void)L;
    loop_jump();
    return 0;
}

/* time() -> seconds since 1970, with fraction */
static int wall_clock(lua_State *L) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
    return 1;
}

/* ---- the shipped runbooks ---- */

/* scripts(folder, "scripts/" by default) -> names, in order */
static int scripts(lua_State *L) {
    const char *folder = luaL_optstring(L, 1, "scripts/");
    lua_newtable(L);
    files_list_scripts(L, folder);
    return 1;
}

/* script(name) -> source, chunk name | nil */
static int script(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0')
        return 0;
    return files_read(L, lua_pushfstring(L, "scripts/%s.lua", name));
}

/* source(name) -> source, chunk name | nil: one of kmirror's own files, such as "lib/kmirror/wait.lua" */
static int source(lua_State *L) {
    return files_read(L, luaL_checkstring(L, 1));
}

/* ---- secrets and locks ---- */

/* hmac_sha256(key, text) -> 64 hexadecimal digits */
static int hmac_sha256(lua_State *L) {
    static const char digits[] = "0123456789abcdef";
    size_t key_length, length;
    unsigned char digest[32];
    char hex[2 * sizeof digest];
    const char *key = luaL_checklstring(L, 1, &key_length);
    const char *text = luaL_checklstring(L, 2, &length);
    int status = gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_length, text, length, digest);
    if (status < 0)
        return luaL_error(L, "HMAC-SHA-256 failed: %s", gnutls_strerror(status));
    for (size_t i = 0; i < sizeof hex; i++)
        hex[i] = digits[digest[i / 2] >> (i % 2 == 0 ? 4 : 0) & 0xF];
    lua_pushlstring(L, hex, sizeof hex);
    return 1;
}

/* sha256_base64(text) -> the digest, as a page's Content-Security-Policy has it */
static int sha256_base64(lua_State *L) {
    size_t length;
    unsigned char digest[32];
    char written[BASE64_SIZE(sizeof digest)];
    const char *text = luaL_checklstring(L, 1, &length);
    int status = gnutls_hash_fast(GNUTLS_DIG_SHA256, text, length, digest);
    if (status < 0)
        return luaL_error(L, "SHA-256 failed: %s", gnutls_strerror(status));
    base64_write(written, digest, sizeof digest);
    lua_pushstring(L, written);
    return 1;
}

/* base64(text) -> the text in base64 */
static int base64(lua_State *L) {
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    luaL_Buffer written;
    base64_write(luaL_buffinitsize(L, &written, BASE64_SIZE(length)), text, length);
    luaL_pushresultsize(&written, BASE64_SIZE(length) - 1);
    return 1;
}

/* random(n) -> n random bytes, fit for keys */
static int random_bytes(lua_State *L) {
    unsigned char bytes[64];
    lua_Integer count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count > 0 && count <= (lua_Integer)sizeof bytes, 1, "from 1 to 64");
    ssize_t got; /* so few come all at once */
    while ((got = getrandom(bytes, (size_t)count, 0)) < 0 && errno == EINTR) {
    }
    if (got != (ssize_t)count)
        return luaL_error(L, "no random bytes to be had: %s", strerror(errno));
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

/* Waits for a lock that is only ever held for a moment: while this process sleeps, nothing else of it goes on. */
static bool take_lock(int file, double seconds) {
    static const struct timespec pause = {.tv_nsec = 2000000};
    double deadline = loop_now() + seconds;
    while (flock(file, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || loop_now() >= deadline)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

/* lock(path, seconds to wait for it, 0 by default) -> lock | nil, "held" or what went wrong. The kernel drops it with
 * its holder. */
static int lock(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    double seconds = luaL_optnumber(L, 2, 0);
    int *file = lua_newuserdatauv(L, sizeof *file, 0);
    *file = -1;
    luaL_setmetatable(L, LOCK);
    *file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*file >= 0 && take_lock(*file, seconds))
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

/* ---- who runs it ---- */

/* user() -> name of the user of the system, or "uid N" for one without a name */
static int user(lua_State *L) {
    const struct passwd *entry = getpwuid(getuid());
    if (entry != NULL)
        lua_pushstring(L, entry->pw_name);
    else
        lua_pushfstring(L, "uid %d", (int)getuid());
    return 1;
}

/* machine() -> its name */
static int machine(lua_State *L) {
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    lua_pushstring(L, name[0] != '\0' ? name : "unknown");
    return 1;
}

/* process() -> its id */
static int process(lua_State *L) {
    lua_pushinteger(L, getpid());
    return 1;
}

/* ---- how a run ends ---- */

/* status_of(error) -> exit status of a run that ends with it */
static int status_of(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushinteger(L, outcome_status(L, 1));
    return 1;
}

/* ---- the module ---- */

/* settle(): what is left is to bring the run to its end, which no interrupt stops */
static int settle(lua_State *L) {
    computing_settle(L);
    return 0;
}

/* interrupt(): ends the run as the first Ctrl-C does */
static int interrupt(lua_State *L) {
    (void)L;
    computing_watch();
    task_interrupt();
    return 0;
}

/* on_failure(fn): see scheduler.h */
static int on_failure(lua_State *L) {
    scheduler_on_failure(L);
    return 0;
}

/* json_messages(yes): what the executable itself says is JSON from now on, or text again */
static int json_messages(lua_State *L) {
    message_as_json(lua_toboolean(L, 1));
    return 0;
}

/* settled(status) -> the status that a run ends with which would end with that one */
static int settled(lua_State *L) {
    lua_pushinteger(L, outcome_settled(L, luaL_checkinteger(L, 1)));
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
    static const luaL_Reg lock_methods[] = {{"close", lock_close}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"isatty", is_terminal},
                                         {"columns", columns},
                                         {"monotonic", monotonic},
                                         {"time", wall_clock},
                                         {"scripts", scripts},
                                         {"script", script},
                                         {"source", source},
                                         {"hmac_sha256", hmac_sha256},
                                         {"sha256_base64", sha256_base64},
                                         {"base64", base64},
                                         {"random", random_bytes},
                                         {"lock", lock},
                                         {"directory", directory},
                                         {"interrupt", interrupt},
                                         {"user", user},
                                         {"machine", machine},
                                         {"process", process},
                                         {"folders", files_folders},
                                         {"make_directory", make_directory},
                                         {"start_sandbox", child_start},
                                         {"lost_output", lost_output},
                                         {"jump", jump},
                                         {"traceback", want_traceback},
                                         {"status_of", status_of},
                                         {"settle", settle},
                                         {"settled", settled},
                                         {"catch", exit_catch},
                                         {"background", exit_background},
                                         {"left", exit_left},
                                         {"rest", exit_rest},
                                         {"go_on", exit_go_on},
                                         {"on_failure", on_failure},
                                         {"json_messages", json_messages},
                                         {NULL, NULL}};
    class_new(L, LOCK, lock_methods, lock_close);
    luaL_newlib(L, functions);
    lua_pushliteral(L, KMIRROR_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
