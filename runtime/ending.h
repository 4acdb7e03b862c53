/* ending: why a transfer of libcurl ended without an answer, told in kmirror's words. Plain C, knows nothing of Lua. */
#ifndef KMIRROR_ENDING_H
#define KMIRROR_ENDING_H

#include <curl/curl.h>
#include <stdbool.h>

/* How a request ended when it did not end with an answer. */
typedef enum http_failure {
    HTTP_OK = 0,    /* an answer came, whatever its status */
    HTTP_TRANSPORT, /* name not found, refused, reset, closed, cut short */
    HTTP_TLS,       /* no TLS session: certificate, host name, protocol */
    HTTP_TIMEOUT,   /* out of time while connecting or waiting for the answer */
    HTTP_PROTOCOL,  /* not HTTP, or an answer larger than allowed */
    HTTP_REFUSED, /* it did not go out, and cannot: bad URL or option, no memory or descriptors, a proxy that says no */
} http_failure;

/* What kind of failure it is. `sent`: the request, or part of it, went out. HTTP_OK for CURLE_OK. */
http_failure ending_failure(CURL *e, CURLcode code, bool sent);

/* The reason of the failure, one line. `text` holds what libcurl wrote into its error buffer, and takes the reason; `url`
 * is where the request was to go. Nothing of a proxy's URL is told. */
const char *ending_reason(CURL *e, CURLcode code, bool sent, const char *url, char text[CURL_ERROR_SIZE]);

#endif
