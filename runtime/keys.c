#include "keys.h"

#include <string.h>

/* Functions that begin with kmirror- are decided about in Lua; see line.c. */
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
    {"^W", "ed-delete-prev-word"},
    {"^U", "vi-kill-line-prev"},
    {NULL, NULL},
};

bool key_is_bound(const char *key, size_t length) {
    for (const key_binding *b = key_bindings; b->key != NULL; b++)
        if (strlen(b->key) == length && memcmp(b->key, key, length) == 0)
            return true;
    return false;
}

/* ESC [ … letter, ESC O letter, or ESC and a single key: what Alt makes of it. */
static size_t length_of_sequence(const char *input, size_t count) {
    if (count < 2)
        return 0;
    if (input[1] == 'O')
        return count < 3 ? 0 : 3;
    if (input[1] != '[')
        return 2;
    for (size_t i = 2; i < count; i++)
        if (input[i] >= 0x40 && input[i] <= 0x7e)
            return i + 1;
    return 0;
}

static size_t length_of_character(unsigned char first) {
    return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
}

size_t key_length(const char *input, size_t count) {
    if (count == 0)
        return 0;
    if (input[0] == '\033')
        return length_of_sequence(input, count);
    size_t length = length_of_character((unsigned char)input[0]);
    return length <= count ? length : 0;
}
