#include "terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* ---- given back ---- */

static struct termios as_found;
static bool borrowed;

static void mark_pastes(bool on) {
    static const char modes[][9] = {"\033[?2004l", "\033[?2004h"};
    (void)!write(STDOUT_FILENO, modes[on], sizeof modes[on] - 1);
}

void terminal_return(void) {
    if (!borrowed)
        return;
    borrowed = false;
    mark_pastes(false);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &as_found);
}

/* What ends a process without a chance to clean up. */
static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGQUIT};
enum { FATAL = sizeof fatal / sizeof *fatal };
static struct sigaction fatal_before[FATAL];

/* Whoever would have had the signal has it afterwards: a crash by doing once more what crashed. */
static void on_fatal(int number, siginfo_t *info, void *context) {
    (void)context;
    terminal_return();
    for (int i = 0; i < FATAL; i++)
        if (fatal[i] == number)
            sigaction(number, &fatal_before[i], NULL);
    if (number == SIGQUIT || info->si_code <= 0)
        raise(number);
}

static void return_at_exit(void) {
    struct sigaction action = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    atexit(terminal_return);
    for (int i = 0; i < FATAL; i++)
        sigaction(fatal[i], &action, &fatal_before[i]);
}

void terminal_borrow(void) {
    static bool once;
    if (!once)
        return_at_exit();
    once = true;
    borrowed = tcgetattr(STDIN_FILENO, &as_found) == 0;
    mark_pastes(borrowed);
}

/* ---- changes ---- */

enum { CONTINUES = 1 << 16 }; /* in the count of signals */

static int changes = -1;
static struct sigaction window_before, continue_before;

static void on_signal(int number) {
    int saved = errno;
    uint64_t what = number == SIGCONT ? CONTINUES : 1;
    (void)!write(changes, &what, sizeof what);
    errno = saved;
}

int terminal_watch(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    if (changes >= 0 || (changes = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        return -1;
    sigemptyset(&action.sa_mask);
    sigaction(SIGWINCH, &action, &window_before);
    sigaction(SIGCONT, &action, &continue_before);
    return changes;
}

void terminal_unwatch(void) {
    sigaction(SIGWINCH, &window_before, NULL);
    sigaction(SIGCONT, &continue_before, NULL);
    close(changes);
    changes = -1;
}

terminal_change terminal_changed(void) {
    uint64_t what = 0;
    if (read(changes, &what, sizeof what) < 0)
        return UNCHANGED;
    return what >= CONTINUES ? CONTINUED : RESIZED;
}

/* ---- measures ---- */

int terminal_columns(void) {
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void terminal_step(terminal_place *at, wchar_t c, int columns) {
    int wide = c == L'\n' ? 0 : wcwidth(c);
    if (c == L'\n' || at->column + wide > columns)
        *at = (terminal_place){.row = at->row + 1};
    at->column += wide > 0 ? wide : 0;
}
