/* A library to preload: in a process called kmirror, one call of a function of the C library fails. The environment
 * says which:
 *
 *   FAILING=NAME:N:COUNT:ERRNO   calls N to N + COUNT - 1 of NAME fail with that error number; NAME is that of a
 *                                function below, or `memory`: malloc(), calloc() and realloc(), together
 *   FAILING_COUNTS=FILE          at the end, FILE holds how often each was called, a line each: NAME COUNT
 *   FAILING_CHILD=1              this is about processes that it forks, not about itself
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Every function that can fail: what it returns, its name, its parameters, the arguments, what it returns then. */
#define FUNCTIONS(X)                                                                                                   \
    X(ssize_t, read, (int a, void *b, size_t c), (a, b, c), -1)                                                        \
    X(ssize_t, write, (int a, const void *b, size_t c), (a, b, c), -1)                                                 \
    X(ssize_t, pread64, (int a, void *b, size_t c, off64_t d), (a, b, c, d), -1)                                       \
    X(ssize_t, pwrite64, (int a, const void *b, size_t c, off64_t d), (a, b, c, d), -1)                                \
    X(int, fsync, (int a), (a), -1)                                                                                    \
    X(int, fdatasync, (int a), (a), -1)                                                                                \
    X(int, ftruncate, (int a, off_t b), (a, b), -1)                                                                    \
    X(int, ftruncate64, (int a, off64_t b), (a, b), -1)                                                                \
    X(void *, mmap, (void *a, size_t b, int c, int d, int e, off_t f), (a, b, c, d, e, f), MAP_FAILED)                 \
    X(void *, mmap64, (void *a, size_t b, int c, int d, int e, off64_t f), (a, b, c, d, e, f), MAP_FAILED)             \
    X(int, flock, (int a, int b), (a, b), -1)                                                                          \
    X(int, rename, (const char *a, const char *b), (a, b), -1)                                                         \
    X(int, unlink, (const char *a), (a), -1)                                                                           \
    X(int, mkdir, (const char *a, mode_t b), (a, b), -1)                                                               \
    X(int, access, (const char *a, int b), (a, b), -1)                                                                 \
    X(int, stat, (const char *a, struct stat *b), (a, b), -1)                                                          \
    X(int, lstat, (const char *a, struct stat *b), (a, b), -1)                                                         \
    X(int, fstat, (int a, struct stat *b), (a, b), -1)                                                                 \
    X(int, stat64, (const char *a, struct stat64 *b), (a, b), -1)                                                      \
    X(int, lstat64, (const char *a, struct stat64 *b), (a, b), -1)                                                     \
    X(int, fstat64, (int a, struct stat64 *b), (a, b), -1)                                                             \
    X(char *, getcwd, (char *a, size_t b), (a, b), NULL)                                                               \
    X(char *, realpath, (const char *a, char *b), (a, b), NULL)                                                        \
    X(DIR *, opendir, (const char *a), (a), NULL)                                                                      \
    X(FILE *, fopen, (const char *a, const char *b), (a, b), NULL)                                                     \
    X(FILE *, fopen64, (const char *a, const char *b), (a, b), NULL)                                                   \
    X(FILE *, popen, (const char *a, const char *b), (a, b), NULL)                                                     \
    X(int, fflush, (FILE * a), (a), -1)                                                                                \
    X(int, socket, (int a, int b, int c), (a, b, c), -1)                                                               \
    X(int, connect, (int a, const struct sockaddr *b, socklen_t c), (a, b, c), -1)                                     \
    X(ssize_t, send, (int a, const void *b, size_t c, int d), (a, b, c, d), -1)                                        \
    X(ssize_t, recv, (int a, void *b, size_t c, int d), (a, b, c, d), -1)                                              \
    X(int, poll, (struct pollfd * a, nfds_t b, int c), (a, b, c), -1)                                                  \
    X(int, getsockname, (int a, struct sockaddr *b, socklen_t *c), (a, b, c), -1)                                      \
    X(int, setsockopt, (int a, int b, int c, const void *d, socklen_t e), (a, b, c, d, e), -1)                         \
    X(int, socketpair, (int a, int b, int c, int d[2]), (a, b, c, d), -1)                                              \
    X(int, accept4, (int a, struct sockaddr *b, socklen_t *c, int d), (a, b, c, d), -1)                                \
    X(int, bind, (int a, const struct sockaddr *b, socklen_t c), (a, b, c), -1)                                        \
    X(int, listen, (int a, int b), (a, b), -1)                                                                         \
    X(int, epoll_create1, (int a), (a), -1)                                                                            \
    X(int, epoll_ctl, (int a, int b, int c, struct epoll_event *d), (a, b, c, d), -1)                                  \
    X(int, eventfd, (unsigned a, int b), (a, b), -1)                                                                   \
    X(int, pipe2, (int a[2], int b), (a, b), -1)                                                                       \
    X(int, dup2, (int a, int b), (a, b), -1)                                                                           \
    X(int, system, (const char *a), (a), -1)                                                                           \
    X(ssize_t, getrandom, (void *a, size_t b, unsigned c), (a, b, c), -1)

#define INDEX_OF(type, name, parameters, arguments, failed) OF_##name,
#define NAME_OF(type, name, parameters, arguments, failed) #name,
enum { FUNCTIONS(INDEX_OF) OF_open, OF_fcntl, OF_fwrite, OF_fclose, OF_fork, OF_memory, COUNT };
static const char *const names[COUNT] = {FUNCTIONS(NAME_OF) "open", "fcntl", "fwrite", "fclose", "fork", "memory"};

extern char *program_invocation_short_name;
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

static long counts[COUNT];
static bool watching, child;
static pid_t self;
static int failing = -1, why;
static long first, after;

__attribute__((constructor)) static void begin(void) {
    char name[32] = "";
    long length = 0;
    const char *text = getenv("FAILING");
    if (strcmp(program_invocation_short_name, "kmirror") != 0)
        return;
    self = getpid();
    child = getenv("FAILING_CHILD") != NULL;
    if (text != NULL && sscanf(text, "%31[^:]:%ld:%ld:%d", name, &first, &length, &why) == 4)
        for (int i = 0; i < COUNT; i++)
            failing = strcmp(names[i], name) == 0 ? i : failing;
    after = first + length;
    watching = true;
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("FAILING_COUNTS");
    if (!watching || path == NULL || (getpid() == self) == child)
        return;
    watching = false;
    FILE *out = fopen(path, "w");
    for (int i = 0; out != NULL && i < COUNT; i++)
        fprintf(out, "%s %ld\n", names[i], counts[i]);
    if (out != NULL)
        fclose(out);
}

_Noreturn void _exit(int status) {
    static void (*real)(int);
    *(void **)&real = dlsym(RTLD_NEXT, "_exit");
    end();
    real(status);
    abort();
}

static bool fails(int function) {
    if (!watching || (getpid() == self) == child)
        return false;
    long number = __atomic_add_fetch(&counts[function], 1, __ATOMIC_RELAXED);
    if (function != failing || number < first || number >= after)
        return false;
    errno = why;
    return true;
}

static void *next(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

#define REAL(type, name, parameters)                                                                                   \
    static type(*real) parameters;                                                                                     \
    if (real == NULL)                                                                                                  \
        *(void **)&real = next(#name);

#define WRAPPER(type, name, parameters, arguments, failed)                                                             \
    type name parameters {                                                                                             \
        REAL(type, name, parameters)                                                                                   \
        return fails(OF_##name) ? failed : real arguments;                                                             \
    }
FUNCTIONS(WRAPPER)

/* ---- those with more to them ---- */

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        REAL(int, name, (const char *, int, ...))                                                                      \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                                        \
        va_end(more);                                                                                                  \
        return fails(OF_open) ? -1 : real(path, flags, mode);                                                          \
    }
OPEN(open)
OPEN(open64)

#define FCNTL(name)                                                                                                    \
    int name(int fd, int command, ...) {                                                                               \
        REAL(int, name, (int, int, ...))                                                                               \
        va_list more;                                                                                                  \
        va_start(more, command);                                                                                       \
        void *argument = va_arg(more, void *);                                                                         \
        va_end(more);                                                                                                  \
        return fails(OF_fcntl) ? -1 : real(fd, command, argument);                                                     \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

size_t fwrite(const void *data, size_t size, size_t count, FILE *file) {
    REAL(size_t, fwrite, (const void *, size_t, size_t, FILE *))
    if (file == stderr || !fails(OF_fwrite))
        return real(data, size, count, file);
    file->_flags |= 0x20; /* what ferror() looks at, in the GNU library */
    return 0;
}

int fclose(FILE *file) {
    REAL(int, fclose, (FILE *))
    bool failed = fails(OF_fclose);
    int result = real(file);
    errno = failed ? why : errno;
    return failed ? EOF : result;
}

pid_t fork(void) {
    REAL(pid_t, fork, (void))
    if (fails(OF_fork))
        return -1;
    pid_t pid = real();
    if (pid == 0)
        memset(counts, 0, sizeof counts);
    return pid;
}

void *malloc(size_t size) {
    return fails(OF_memory) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails(OF_memory) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    return size > 0 && fails(OF_memory) ? NULL : __libc_realloc(block, size);
}
