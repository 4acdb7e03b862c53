/* ending: why a transfer of libcurl ended without an answer, told in kmirror's words. Plain C, knows nothing of Lua. */
#ifndef KMIRROR_ENDING_H
#define KMIRROR_ENDING_H

#include "http.h"

#include <curl/curl.h>
#include <stdbool.h>

/* What kind of failure it is. `sent`: the request, or part of it, went out. HTTP_OK for CURLE_OK. */
http_failure ending_failure(CURL *e, CURLcode code, bool sent);

/* The reason of the failure, one line. `text` holds what libcurl wrote into its error buffer, and takes the reason; `url`
 * is where the request was to go. Nothing of a proxy's URL is told. */
const char *ending_reason(CURL *e, CURLcode code, bool sent, const char *url, char text[CURL_ERROR_SIZE]);

#endif
