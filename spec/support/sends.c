/* A library to preload: it knows when requests really went out, whatever becomes of them on their way.
 *   SENDS=FILE     each request adds a line: when it went out, in seconds of the monotonic clock
 *   STALLED=N      the first connection takes so many seconds, in which the process does nothing else
 *   KILLED_AT=N    SIGKILL comes just before the Nth call of send(), pwrite() or flock() */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void count(void) {
    static int calls;
    const char *last = getenv("KILLED_AT");
    if (last != NULL && ++calls == atoi(last))
        kill(getpid(), SIGKILL);
}

static void write_down(const char *path) {
    struct timespec now;
    char line[32];
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    clock_gettime(CLOCK_MONOTONIC, &now);
    int length = snprintf(line, sizeof line, "%lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    if (file < 0 || write(file, line, (size_t)length) != length)
        abort();
    close(file);
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
    static ssize_t (*real)(int, const void *, size_t, int);
    const char *path = getenv("SENDS");
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "send");
    count();
    ssize_t sent = real(fd, data, length, flags);
    if (path != NULL && sent > 4 && memcmp(data, "GET ", 4) == 0)
        write_down(path);
    return sent;
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    static int (*real)(int, const struct sockaddr *, socklen_t);
    const char *seconds = getenv("STALLED");
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "connect");
        if (seconds != NULL)
            nanosleep(&(struct timespec){.tv_sec = atoi(seconds)}, NULL);
    }
    return real(fd, address, length);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "pwrite");
    count();
    return real(fd, data, length, at);
}

int flock(int fd, int operation) {
    static int (*real)(int, int);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "flock");
    count();
    return real(fd, operation);
}
