/* prompt_bytes COUNT SEED PROGRAM [ARGUMENT...]: types COUNT bytes, at random, into a program on a terminal of its own,
 * and starts it again when they ended it (Ctrl-D). Then ends it with SIGTERM. Says what came of it in one line, and
 * exits with 0 when every end was one that the program chose and left the terminal as it was. For specs. */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

static uint64_t state;

static unsigned random_below(unsigned limit) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (unsigned)((state >> 33) % limit);
}

/* What a byte alone seldom comes to. */
static const char *const words[] = {
    "\x12", "\r", "\r\n", "\t", "\t\t", "\033[A", "\033[B", "\033[C", "\033[D", "\033[3~", "\033[1;5C", "\033",
    "\033[200~1 +\r\n\t2\033[201~", "\033[201~", "\xef", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xcc\x81", "api:", "api:list()",
    "for i = 1, 2 do", "end", "{", "}", "\"", "[[", ":help ", ":x ", "print(", "task.sleep(0.001)", "error('x')", "--",
    "task.spawn(function() print(1) end)", "  ", "\x15", "\x17", "\x7f", "\x01", "\x05", "\x0b", "\x19", "\x14", "\x0c"};

/* Ctrl-Z and Ctrl-\ are the terminal's own: they stop and end whatever runs on it. With Ctrl-C it forgets what it has
 * not passed on yet, as nobody would see with much of it; a paste that does not end takes all up to there. */
static size_t next(char *to) {
    static const char rare[][8] = {"\x03", "\x03", "\033[200~"};
    if (random_below(500) == 0) {
        const char *word = rare[random_below(sizeof rare / sizeof *rare)];
        memcpy(to, word, strlen(word));
        return strlen(word);
    }
    if (random_below(3) == 0) {
        const char *word = words[random_below(sizeof words / sizeof *words)];
        memcpy(to, word, strlen(word));
        return strlen(word);
    }
    do
        *to = (char)random_below(256);
    while (*to == 0x1a || *to == 0x1c || *to == 0x13 || *to == 0x03);
    return 1;
}

/* Milliseconds of rest that make what came before no paste. */
#define TYPING 20

/* Seconds until what takes no input is interrupted. */
#define PATIENCE 3

static int terminal;
static pid_t child;
static struct termios before;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Reads what is shown until the text, when there is one, has come, or nothing has for so many milliseconds. */
static bool drain(int patience, const char *text) {
    char shown[65536];
    struct pollfd p = {.fd = terminal, .events = POLLIN};
    while (poll(&p, 1, patience) > 0) {
        ssize_t got = read(terminal, shown, sizeof shown - 1);
        if (got <= 0)
            return false;
        shown[got] = '\0';
        if (getenv("PB_LOG") != NULL)
            fwrite(shown, 1, (size_t)got, stderr);
        if (text != NULL && memmem(shown, (size_t)got, text, strlen(text)) != NULL)
            return true;
    }
    return text == NULL;
}

static void start(char **command) {
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    int slave;
    if (openpty(&terminal, &slave, NULL, NULL, &size) != 0)
        exit(3);
    tcgetattr(terminal, &before);
    child = fork();
    if (child == 0) {
        close(terminal);
        login_tty(slave);
        execv(command[0], command);
        _exit(127);
    }
    close(slave);
    drain(20000, "> ");
}

static void fail(const char *what, long typed, int status) {
    printf("%s after %ld bytes (status %x)\n", what, typed, (unsigned)status);
    exit(1);
}

static void check_end(long typed) {
    int status;
    struct termios after;
    for (double deadline = now() + 20; waitpid(child, &status, WNOHANG) == 0; drain(10, NULL))
        if (now() > deadline)
            fail("did not end", typed, 0);
    drain(10, NULL);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 130))
        fail("crashed", typed, status);
    tcgetattr(terminal, &after);
    if (after.c_lflag != before.c_lflag || after.c_iflag != before.c_iflag || after.c_oflag != before.c_oflag)
        fail("left the terminal raw", typed, status);
    close(terminal);
}

static bool ended(void) {
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

int main(int argc, char **argv) {
    long count = argc > 3 ? atol(argv[1]) : 0, typed = 0;
    int sessions = 1;
    state = argc > 3 ? strtoull(argv[2], NULL, 10) * 2654435761u + 1 : 1;
    if (count <= 0)
        return 2;
    start(argv + 3);
    while (typed < count) {
        char bytes[512];
        size_t length = 0, sent = 0, wanted = 1 + random_below(400);
        while (length < wanted)
            length += next(bytes + length);
        double since = now(), deadline = since + 60;
        while (sent < length && !ended()) {
            struct pollfd p = {.fd = terminal, .events = POLLIN | POLLOUT};
            poll(&p, 1, 1000);
            ssize_t wrote = p.revents & POLLOUT ? write(terminal, bytes + sent, length - sent) : 0;
            sent += wrote > 0 ? (size_t)wrote : 0;
            drain(0, NULL);
            if (wrote > 0)
                since = now();
            if (now() > since + PATIENCE) { /* something like `:watch 1`, and its Ctrl-C is behind all the rest */
                kill(child, SIGINT);
                since = now();
            }
            if (now() > deadline)
                fail("took nothing for a minute", typed, 0);
        }
        typed += (long)sent;
        drain(TYPING, NULL);
        if (ended()) {
            check_end(typed);
            start(argv + 3);
            sessions++;
        }
    }
    drain(100, NULL);
    kill(child, SIGTERM);
    check_end(typed);
    printf("%ld bytes in %d sessions\n", typed, sessions);
    return 0;
}
