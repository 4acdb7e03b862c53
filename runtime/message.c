#include "message.h"

#include "printable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool as_json;

void message_as_json(bool json) {
    as_json = json;
}

/* ---- as text ---- */

static void put_printable(FILE *out, const char *text) {
    char piece[PRINTABLE_MOST];
    size_t length = strlen(text);
    for (size_t at = 0, taken = 0; at < length; at += taken)
        fwrite(piece, 1, printable_next(text + at, length - at, true, piece, &taken), out);
}

static void put_text(FILE *out, const char *level, const char *text, const char *traceback) {
    fprintf(out, "kmirror: %s", strcmp(level, "warn") == 0 ? "warning: " : "");
    put_printable(out, text);
    fputc('\n', out);
    if (traceback != NULL) {
        put_printable(out, traceback);
        fputc('\n', out);
    }
}

/* ---- as JSON ---- */

static void put_string(FILE *out, const char *text) {
    char piece[PRINTABLE_MOST];
    size_t length = strlen(text);
    fputc('"', out);
    for (size_t at = 0, taken = 0; at < length; at += taken) {
        size_t size = printable_next(text + at, length - at, true, piece, &taken);
        for (size_t i = 0; i < size; i++) {
            if (piece[i] == '\n' || piece[i] == '\t')
                fputs(piece[i] == '\n' ? "\\n" : "\\t", out);
            else
                fprintf(out, piece[i] == '"' || piece[i] == '\\' ? "\\%c" : "%c", piece[i]);
        }
    }
    fputc('"', out);
}

static void put_json(FILE *out, const char *level, const char *text, const char *traceback) {
    struct timespec now;
    struct tm parts;
    char moment[32];
    clock_gettime(CLOCK_REALTIME, &now);
    strftime(moment, sizeof moment, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &parts));
    fprintf(out, "{\"level\":\"%s\",\"message\":", level);
    put_string(out, text);
    fprintf(out, ",\"time\":\"%s.%03ldZ\"", moment, now.tv_nsec / 1000000);
    if (traceback != NULL) {
        fputs(",\"traceback\":", out);
        put_string(out, traceback);
    }
    fputs("}\n", out);
}

/* ---- either ---- */

void message_write(const char *level, const char *text, const char *traceback) {
    char *line = NULL;
    size_t size = 0;
    FILE *whole = open_memstream(&line, &size);
    if (whole != NULL) {
        (as_json ? put_json : put_text)(whole, level, text, traceback);
        if (fclose(whole) == 0) {
            fwrite(line, 1, size, stderr);
            free(line);
            return;
        }
        free(line);
    }
    /* No memory: then without the one write. */
    (as_json ? put_json : put_text)(stderr, level, text, traceback);
}

void message_keep_lines_whole(void) {
    struct stat out, err;
    if (fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 && out.st_dev == err.st_dev &&
        out.st_ino == err.st_ino && !isatty(STDOUT_FILENO))
        setvbuf(stdout, NULL, _IOLBF, 1 << 16);
}
