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

static void give_back(void) {
    if (borrowed)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &as_found);
    borrowed = false;
}

void terminal_borrow(void) {
    static bool at_exit;
    if (!at_exit)
        at_exit = atexit(give_back) == 0;
    borrowed = tcgetattr(STDIN_FILENO, &as_found) == 0;
}

void terminal_returned(void) {
    borrowed = false;
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
