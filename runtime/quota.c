#include "quota.h"

#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x6b6d6972726f7233) /* kmirror3 */

/* Whoever has the lock has it for microseconds. One that keeps it for longer was stopped meanwhile, or is no
 * kmirror. */
enum { LOCK_TRIES = 500, LOCK_PAUSE_NS = 1000000 };

enum { CLOCK_NAME = 64, PROBLEM = 160 };

/* How the file begins; the moments follow. */
typedef struct header {
    uint64_t magic;
    char clock[CLOCK_NAME]; /* whose moments these are */
    double written_at;
    quota_head head;
} header;

struct quota {
    int file;  /* -1: counts alone */
    bool used; /* what is in the file was found, or made, to be of this clock */
    header header;
    double now;
    char problem[PROBLEM];
    double moments[QUOTA_PLACES];
};

/* ---- whose clock it is ---- */

/* The kernel's name for this boot of this machine; a time namespace has a clock of its own. */
static void name_clock(char name[CLOCK_NAME]) {
    memset(name, 0, CLOCK_NAME);
    int boot = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t length = boot >= 0 ? read(boot, name, 36) : 0;
    if (boot >= 0)
        close(boot);
    length = length > 0 ? length : 0;
    (void)!readlink("/proc/self/ns/time", name + length, (size_t)(CLOCK_NAME - 1 - length));
}

static const char *this_clock(void) {
    static char name[CLOCK_NAME];
    if (name[0] == '\0')
        name_clock(name);
    return name;
}

/* ---- the file ---- */

static void count_alone(quota *q, const char *why) {
    snprintf(q->problem, sizeof q->problem, "%s", why);
    close(q->file); /* and with it goes the lock */
    q->file = -1;
}

static bool take_lock(quota *q) {
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(q->file, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno == EWOULDBLOCK)
            nanosleep(&pause, NULL);
        else if (errno != EINTR)
            break;
    }
    count_alone(q, errno == EWOULDBLOCK || errno == EINTR ? "another process keeps it locked" : strerror(errno));
    return false;
}

/* What a file does not hold (it may be new, or cut short) reads as zeros. */
static void read_at(quota *q, size_t offset, void *to, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(q->file, (char *)to + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno != EINTR) {
            count_alone(q, strerror(errno));
            return;
        }
        if (got == 0) {
            memset((char *)to + done, 0, size - done);
            return;
        }
        done += got > 0 ? (size_t)got : 0;
    }
}

static void write_at(quota *q, size_t offset, const void *from, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t put = pwrite(q->file, (const char *)from + done, size - done, (off_t)(offset + done));
        if (put < 0 && errno != EINTR) {
            count_alone(q, strerror(errno));
            return;
        }
        done += put > 0 ? (size_t)put : 0;
    }
}

/* ---- the log ---- */

/* Nothing in the header can be later than now: then it is of a clock that ran ahead of this one. */
static bool is_of_this_clock(const quota *q, const header *found) {
    return found->magic == MAGIC && memcmp(found->clock, this_clock(), CLOCK_NAME) == 0 && found->written_at >= 0 &&
           found->written_at <= q->now;
}

/* Whether it is ours to write to: new or emptied, or written by a kmirror of whatever version (the last byte of it). */
static bool is_quota_file(const header *found) {
    return found->magic == 0 || found->magic >> 8 == MAGIC >> 8;
}

static void read_header(quota *q) {
    header found;
    read_at(q, 0, &found, sizeof found);
    if (q->file >= 0 && !is_quota_file(&found))
        count_alone(q, "it holds something else, which stays as it is");
    if (q->file < 0)
        return;
    bool ours = is_of_this_clock(q, &found);
    if (ours)
        q->header = found;
    else if (!q->used)
        q->header = (header){.magic = MAGIC, .head.learnt.rate = found.magic == MAGIC ? found.head.learnt.rate : 0};
    else if (found.magic == MAGIC && memcmp(found.clock, this_clock(), CLOCK_NAME) != 0)
        count_alone(q, "a machine or container with another clock uses it, too");
    q->used = true; /* cut short, or overwritten: what this process knows of the log stands */
}

double quota_begin(quota *q) {
    bool locked = q->file >= 0 && take_lock(q);
    q->now = loop_now();
    if (locked)
        read_header(q);
    return q->now;
}

quota_head *quota_head_of(quota *q) {
    return &q->header.head;
}

static size_t offset_of(uint64_t place) {
    return sizeof(header) + (size_t)(place % QUOTA_PLACES) * sizeof(double);
}

double quota_moment(quota *q, uint64_t place) {
    double *moment = &q->moments[place % QUOTA_PLACES], found;
    if (q->file >= 0) {
        read_at(q, offset_of(place), &found, sizeof found);
        if (q->file >= 0)
            *moment = found;
    }
    return *moment;
}

void quota_set_moment(quota *q, uint64_t place, double at) {
    q->moments[place % QUOTA_PLACES] = at;
    if (q->file >= 0)
        write_at(q, offset_of(place), &at, sizeof at);
}

void quota_end(quota *q) {
    if (q->file < 0)
        return;
    memcpy(q->header.clock, this_clock(), CLOCK_NAME);
    q->header.magic = MAGIC;
    q->header.written_at = q->now;
    write_at(q, 0, &q->header, sizeof q->header);
    if (q->file >= 0)
        flock(q->file, LOCK_UN);
}

const char *quota_alone(const quota *q) {
    return q->problem[0] != '\0' ? q->problem : NULL;
}

/* ---- making one ---- */

static void open_file(quota *q, const char *path) {
    struct stat status;
    q->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (q->file < 0)
        count_alone(q, errno == ELOOP ? "it is a symbolic link" : strerror(errno));
    else if (fstat(q->file, &status) != 0)
        count_alone(q, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        count_alone(q, "it is not a regular file");
}

quota *quota_new(const char *file) {
    quota *q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    q->file = -1;
    if (file != NULL)
        open_file(q, file);
    if (q->file >= 0) { /* what is wrong with it shows now, not with the first request */
        quota_begin(q);
        quota_end(q);
    }
    return q;
}

void quota_free(quota *q) {
    if (q != NULL && q->file >= 0)
        close(q->file);
    free(q);
}
