/* base64: bytes as text (RFC 4648). Plain C, knows nothing of Lua. */
#ifndef KMIRROR_BASE64_H
#define KMIRROR_BASE64_H

#include <stddef.h>

/* How many characters that many bytes take, with the '\0'. */
#define BASE64_SIZE(length) (((length) + 2) / 3 * 4 + 1)

/* Writes them, and a '\0'. */
void base64_write(char *to, const void *bytes, size_t length);

#endif
