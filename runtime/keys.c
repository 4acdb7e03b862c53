#include "keys.h"

#include <string.h>

enum { LONGEST = 16 }; /* of a key, in bytes */

/* Functions that begin with kmirror- are decided about in Lua; see line.c. Keys that are not here do nothing: among
 * what libedit binds by itself are functions that read a line of their own, and crash when there is none. */
const key_binding key_bindings[] = {
    {"^M", "kmirror-enter"},
    {"^J", "kmirror-enter"},
    {"^I", "kmirror-complete"},
    {"^D", "kmirror-finish"},
    {"^R", "kmirror-search"},
    {"^P", "kmirror-older"},
    {"\033[A", "kmirror-older"},
    {"\033OA", "kmirror-older"},
    {"^N", "kmirror-newer"},
    {"\033[B", "kmirror-newer"},
    {"\033OB", "kmirror-newer"},
    {"\033[C", "ed-next-char"},
    {"\033OC", "ed-next-char"},
    {"\033[D", "ed-prev-char"},
    {"\033OD", "ed-prev-char"},
    {"\033[1;5C", "em-next-word"},
    {"\033[1;3C", "em-next-word"},
    {"\033[1;5D", "ed-prev-word"},
    {"\033[1;3D", "ed-prev-word"},
    {"\033[H", "ed-move-to-beg"},
    {"\033OH", "ed-move-to-beg"},
    {"\033[1~", "ed-move-to-beg"},
    {"\033[7~", "ed-move-to-beg"},
    {"\033[F", "ed-move-to-end"},
    {"\033OF", "ed-move-to-end"},
    {"\033[4~", "ed-move-to-end"},
    {"\033[8~", "ed-move-to-end"},
    {"\033[3~", "ed-delete-next-char"},
    {PASTE_BEGINS, "kmirror-paste"},
    {"^A", "ed-move-to-beg"},
    {"^B", "ed-prev-char"},
    {"^E", "ed-move-to-end"},
    {"^F", "ed-next-char"},
    {"^H", "em-delete-prev-char"},
    {"^?", "em-delete-prev-char"},
    {"^K", "ed-kill-line"},
    {"^L", "ed-clear-screen"},
    {"^T", "ed-transpose-chars"},
    {"^Y", "em-yank"},
    {"\033b", "ed-prev-word"},
    {"\033f", "em-next-word"},
    {"\033d", "em-delete-next-word"},
    {"\033\010", "ed-delete-prev-word"},
    {"\033\177", "ed-delete-prev-word"},
    {"^W", "ed-delete-prev-word"},
    {"^U", "vi-kill-line-prev"},
    {NULL, NULL},
};

static bool begins_with(const char *input, size_t count, const char *beginning) {
    return count >= strlen(beginning) && memcmp(input, beginning, strlen(beginning)) == 0;
}

/* What a binding stands for: "^A" is one byte. */
static size_t bytes_of(const key_binding *b, char *bytes) {
    size_t length = strlen(b->key);
    memcpy(bytes, b->key, length);
    if (length != 2 || b->key[0] != '^')
        return length;
    int byte = b->key[1] == '?' ? 0x7f : b->key[1] & 0x1f;
    bytes[0] = (char)byte;
    return 1;
}

bool key_is_bound(const char *key, size_t length) {
    for (const key_binding *b = key_bindings; b->key != NULL; b++) {
        char bytes[LONGEST];
        if (bytes_of(b, bytes) == length && memcmp(bytes, key, length) == 0)
            return true;
    }
    return begins_with(key, length, PASTE_BEGINS);
}

static size_t length_of_paste(const char *input, size_t count) {
    const char *end = memmem(input, count, PASTE_ENDS, strlen(PASTE_ENDS));
    return end == NULL ? 0 : (size_t)(end - input) + strlen(PASTE_ENDS);
}

/* A character that breaks off is a key as far as it goes: what comes behind it is none of it. */
static size_t length_of_character(const char *input, size_t count) {
    unsigned char first = (unsigned char)input[0];
    size_t whole = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    for (size_t i = 1; i < whole; i++) {
        if (i == count)
            return 0;
        if (((unsigned char)input[i] & 0xc0) != 0x80)
            return i;
    }
    return whole;
}

/* A paste, ESC [ … letter, ESC O letter, or ESC and a single key: what Alt makes of it. */
static size_t length_of_sequence(const char *input, size_t count) {
    if (begins_with(input, count, PASTE_BEGINS))
        return length_of_paste(input, count);
    if (count < 2)
        return 0;
    if (input[1] == 'O')
        return count < 3 ? 0 : 3;
    if (input[1] != '[') {
        size_t length = length_of_character(input + 1, count - 1);
        return length == 0 ? 0 : length + 1;
    }
    for (size_t i = 2; i < count; i++)
        if (input[i] >= 0x40 && input[i] <= 0x7e)
            return i + 1;
    return 0;
}

size_t key_length(const char *input, size_t count) {
    if (count == 0)
        return 0;
    return input[0] == '\033' ? length_of_sequence(input, count) : length_of_character(input, count);
}
