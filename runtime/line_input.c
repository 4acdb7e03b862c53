#include "line_inside.h"

#include "keys.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* In milliseconds: how long after the last byte of a paste it is over for certain. */
#define PASTED 50

/* ---- text for libedit ----
 *
 * libedit crashes on a prompt that is no text in the locale's encoding, and takes no such text into the line. */

#define NO_CHARACTER 0xFFFD

/* The first character, and how many bytes it has. A byte that begins none is one that stands for it. */
static size_t character(wchar_t *c, const char *bytes, size_t count) {
    mbstate_t state = {0};
    size_t length = mbrtowc(c, bytes, count, &state);
    if (length <= count)
        return length > 0 ? length : 1;
    *c = NO_CHARACTER;
    return 1;
}

char *line_valid_copy(const char *text) {
    size_t count = strlen(text);
    char *copy = malloc(count * MB_CUR_MAX + 1), *end = copy;
    mbstate_t state = {0};
    if (copy == NULL)
        return NULL;
    for (wchar_t c; count > 0;) {
        size_t length = character(&c, text, count), written = wcrtomb(end, c, &state);
        if (written == (size_t)-1)
            *end = '?', written = 1, state = (mbstate_t){0};
        end += written;
        text += length;
        count -= length;
    }
    *end = '\0';
    return copy;
}

/* ---- input ---- */

void line_take(reader *r, size_t count) {
    r->count -= count;
    memmove(r->bytes, r->bytes + count, r->count);
}

static bool has_room(reader *r) {
    enum { PART = 4096 };
    if (r->room - r->count >= PART)
        return true;
    char *bytes = realloc(r->bytes, r->room * 2 + PART);
    if (bytes == NULL)
        return false;
    r->bytes = bytes;
    r->room = r->room * 2 + PART;
    return true;
}

void line_on_input(loop_watch *w, short events) {
    reader *r = w->owner;
    (void)events;
    if (has_room(r)) {
        ssize_t got = read(w->fd, r->bytes + r->count, r->room - r->count);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            return;
        r->ended = got <= 0;
        r->count += got > 0 ? (size_t)got : 0;
    } else {
        r->out_of_memory = true;
    }
    loop_watch_remove(r->loop, w);
    task_wake(&r->wait);
}

static bool is_text(wchar_t c) {
    return c >= 0x20 && (c < 0x7f || c >= 0xa0);
}

size_t line_text_length(const reader *r) {
    size_t length = 0, key;
    wchar_t c;
    while ((key = key_length(r->bytes + length, r->count - length)) > 0) {
        character(&c, r->bytes + length, key);
        if (!is_text(c))
            break;
        length += key;
    }
    return length;
}

size_t line_first_key(const reader *r) {
    size_t length = key_length(r->bytes, r->count);
    return length == 0 && r->search != NULL && r->count == 1 && r->bytes[0] == '\033' ? 1 : length;
}

bool line_has_key(reader *r) {
    size_t length;
    while ((length = line_first_key(r)) > 0 && r->search == NULL && line_text_length(r) == 0 &&
           !key_is_bound(r->bytes, length))
        line_take(r, length);
    return length > 0;
}

int line_next_character(EditLine *el, wchar_t *c) {
    reader *r = line_of(el);
    bool begins = r->at_key;
    r->at_key = false;
    if (r->count == 0)
        return 0;
    if (r->search != NULL || (begins && line_text_length(r) > 0)) {
        *c = r->search != NULL ? L'R' & 0x1f : LINE_INSERT;
        return 1;
    }
    bool line_end = r->count > 1 && memcmp(r->bytes, "\r\n", 2) == 0; /* one Enter, not two */
    line_take(r, line_end ? 2 : character(c, r->bytes, r->count));
    if (line_end)
        *c = L'\r';
    return 1;
}

void line_drop(reader *r) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    r->count = 0;
    for (int left = 100; left > 0 && isatty(STDIN_FILENO) && poll(&input, 1, PASTED) > 0; left--)
        tcflush(STDIN_FILENO, TCIFLUSH);
}
