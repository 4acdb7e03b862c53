/* A library to preload: a network that goes wrong in ways that no server on this machine can bring about.
 *   BAD_SENDS=N    the first N send()s fail: the connection was reset
 *   BAD_NAMES=S    looking up a name takes S seconds, and fails */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int setting(const char *name) {
    const char *value = getenv(name);
    return value == NULL ? 0 : atoi(value);
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
    static ssize_t (*real)(int, const void *, size_t, int);
    static int count;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "send");
    if (count++ >= setting("BAD_SENDS"))
        return real(fd, data, length, flags);
    errno = ECONNRESET;
    return -1;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (setting("BAD_NAMES") == 0)
        return real(name, service, hints, found);
    sleep((unsigned)setting("BAD_NAMES"));
    return EAI_AGAIN;
}
