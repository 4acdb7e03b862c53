/* headers: those that requests are sent with, made once and ready. libcurl takes 75 instructions for each byte of what
 * it formats anew for each request. Plain C, knows nothing of Lua. */
#ifndef KMIRROR_HEADERS_H
#define KMIRROR_HEADERS_H

#include <curl/curl.h>
#include <stdbool.h>

/* How answers may be encoded. */
#define HEADERS_ENCODING "gzip"

typedef struct headers {
    struct curl_slist *plain, *with_body; /* to the server: of a request without a body, and of one with JSON in it */
    struct curl_slist *to_proxy;          /* when asked for a tunnel: nothing of the user */
} headers;

/* By Basic authentication, with the user's name and password (RFC 7617); none without a name. `more` are further ones,
 * "Name: value", with NULL at their end, which come in place of those of that name; NULL for none. False when memory is
 * short: headers_free() is to be called in any case. */
bool headers_make(headers *h, const char *user_agent, const char *username, const char *password,
                  const char *const *more);

/* Leaves nothing of them in memory. */
void headers_free(headers *h);

#endif
