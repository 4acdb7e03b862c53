/* measure N COMMAND...: runs the command N times, one after the other, and adds to what it prints how many seconds it
 * took, how many seconds of the processor, its user's and the kernel's (both for one run), and the most memory, in
 * bytes. Small, because a child's peak cannot be told from what its parent had when it was made. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* Its exit status, as a shell would give it. */
static int run(char **command, struct rusage *usage) {
    pid_t child;
    int status, problem = posix_spawnp(&child, command[0], NULL, NULL, command, environ);
    if (problem != 0) {
        fprintf(stderr, "measure: cannot start %s: %s\n", command[0], strerror(problem));
        return 127;
    }
    while (wait4(child, &status, 0, usage) < 0)
        if (errno != EINTR)
            return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv) {
    int count = argc < 3 ? 0 : atoi(argv[1]);
    double cpu = 0, began = now();
    long peak = 0;
    if (count < 1) {
        fprintf(stderr, "usage: measure N COMMAND...\n");
        return 2;
    }
    for (int i = 0; i < count; i++) {
        struct rusage usage;
        int status = run(argv + 2, &usage);
        if (status != 0)
            return status;
        cpu += seconds(usage.ru_utime) + seconds(usage.ru_stime);
        peak = usage.ru_maxrss > peak ? usage.ru_maxrss : peak;
    }
    printf("wall %.6f\ncpu %.6f\nrss %ld\n", (now() - began) / count, cpu / count, peak * 1024);
    return 0;
}
