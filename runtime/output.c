#include "output.h"

#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool lost, told;

void output_open(void) {
    static const int against[] = {O_WRONLY, O_RDONLY, O_WRONLY}; /* so that using it is an error, but stderr's */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", against[fd]); /* the lowest number that is free: this one */
}

void output_lost(void) {
    lost = true;
}

static bool reader_has_gone(void) {
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

bool output_arrived(void) {
    char text[160];
    const char *reason = "some of it is lost; is there room on the disk?"; /* of an earlier write nobody knows */
    bool failed = ferror(stdout) != 0;
    if (fflush(stdout) != 0) {
        reason = strerror(errno);
        failed = true;
    }
    if (failed && !told && !reader_has_gone()) {
        told = true;
        snprintf(text, sizeof text, "cannot write the output: %s", reason);
        message_write("error", text, NULL);
        lost = true;
    }
    return !lost;
}
