/* printable: text from outside as it may be shown on a terminal. The one gate for whatever reaches one: table cells,
 * log lines, progress titles, messages of the API and of runbooks.
 *
 * A character that would move the cursor, hide text or reverse its direction (C0, DEL, C1, bidirectional marks, the
 * separators of lines and paragraphs) is written as an escape such as \u{9B}, \n or \t; a byte that is not UTF-8 as
 * U+FFFD. */
#ifndef KMIRROR_PRINTABLE_H
#define KMIRROR_PRINTABLE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

enum { PRINTABLE_MOST = 16 }; /* bytes that one character can become */

/* The first character of a text that is not empty, and how many bytes it takes; -1, and one byte, when it is not UTF-8. */
long printable_decode(const char *text, size_t length, size_t *taken);

/* Whether a terminal would obey the character, or nobody would see it. */
bool printable_unsafe(long code);

/* Writes the first character of a text that is not empty, and how many bytes that was. Returns how many bytes it has
 * become. With `lines`, line feeds and tabs stay. */
size_t printable_next(const char *text, size_t length, bool lines, char out[PRINTABLE_MOST], size_t *taken);

/* [-0, +1, m] the text at the index, a string */
void printable_push(lua_State *L, int index, bool lines);

/* For Lua: printable(text, lines?) -> string */
int printable_lua(lua_State *L);

#endif
