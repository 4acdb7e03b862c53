#include "child.h"

#include "loop.h"
#include "scheduler.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t sandbox; /* 0: none */
static int (*command_line)(int argc, char **argv);

void child_runs(int (*runs)(int argc, char **argv)) {
    command_line = runs;
}

/* In the child: becomes a sandbox, in a Lua state of its own, that does not outlive its parent. */
static _Noreturn void become_sandbox(int out, pid_t parent, int argc, char **argv) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is for the parent, which may still need the sandbox to clean up */
    if (getppid() != parent || dup2(out, STDOUT_FILENO) < 0)
        _exit(1);
    close_range(3, ~0U, 0);
    int status = command_line(argc, argv);
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
int child_start(lua_State *L) {
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
        child_end();
        return luaL_error(L, "the sandbox did not start: what went wrong is above");
    }
    luaL_gsub(L, line, "listening on ", "");
    return 1;
}

/* It ends at once; one that is stuck is not waited for. */
void child_end(void) {
    static const struct timespec pause = {.tv_nsec = 2000000};
    if (sandbox > 0) {
        kill(sandbox, SIGTERM);
        for (double deadline = loop_now() + 5; waitpid(sandbox, NULL, WNOHANG) == 0; nanosleep(&pause, NULL))
            if (loop_now() > deadline)
                kill(sandbox, SIGKILL);
    }
    sandbox = 0;
}
