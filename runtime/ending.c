#include "ending.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- what lies behind libcurl's code ---- */

/* What a proxy answered when it was asked for a tunnel; 0 when none was asked, or it did not answer. */
static long tunnel_status(CURL *e) {
    long status = 0;
    curl_easy_getinfo(e, CURLINFO_HTTP_CONNECTCODE, &status);
    return status;
}

static bool proxy_passes_by(long status) {
    return status >= 500 || status == 408 || status == 425 || status == 429;
}

static bool socks_refused(CURL *e) {
    long problem = CURLPX_OK;
    curl_easy_getinfo(e, CURLINFO_PROXY_ERROR, &problem);
    return problem == CURLPX_USER_REJECTED || problem == CURLPX_NO_AUTH || problem == CURLPX_REPLY_NOT_ALLOWED;
}

/* A connection takes a descriptor, and its name and certificates are read from files: fewer than these are too few. */
enum { FEW = 4 };

static bool few_descriptors(CURLcode code) {
    int fds[FEW], count = 0;
    if (code != CURLE_COULDNT_RESOLVE_HOST && code != CURLE_COULDNT_RESOLVE_PROXY && code != CURLE_COULDNT_CONNECT &&
        code != CURLE_SSL_CACERT_BADFILE && code != CURLE_SSL_CERTPROBLEM)
        return false;
    while (count < FEW && (fds[count] = eventfd(0, EFD_CLOEXEC)) >= 0)
        count++;
    for (int i = 0; i < count; i++)
        close(fds[i]);
    return count < FEW;
}

/* libcurl says so of lines in the answer's header that are longer than it takes, or that it cannot make sense of. */
static bool bad_header(CURLcode code, bool sent) {
    return (code == CURLE_OUT_OF_MEMORY || code == CURLE_BAD_FUNCTION_ARGUMENT) && sent;
}

/* ---- the kind ---- */

static http_failure kind_of(CURLcode code) {
    switch (code) {
    case CURLE_OK:
        return HTTP_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_SSL_SHUTDOWN_FAILED:
    case CURLE_USE_SSL_FAILED:
        return HTTP_TLS;
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_UNSUPPORTED_PROTOCOL: /* an answer that is not HTTP */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return HTTP_PROTOCOL;
    case CURLE_URL_MALFORMAT:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_UNKNOWN_OPTION:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_FAILED_INIT:
    case CURLE_NOT_BUILT_IN:
    case CURLE_WRITE_ERROR:
        return HTTP_REFUSED;
    default:
        return HTTP_TRANSPORT;
    }
}

http_failure ending_failure(CURL *e, CURLcode code, bool sent) {
    long tunnel = sent || code == CURLE_OK ? 0 : tunnel_status(e);
    if (tunnel >= 300)
        return proxy_passes_by(tunnel) ? HTTP_TRANSPORT : HTTP_REFUSED;
    if (code == CURLE_PROXY && socks_refused(e))
        return HTTP_REFUSED;
    if (few_descriptors(code))
        return HTTP_REFUSED;
    return bad_header(code, sent) ? HTTP_PROTOCOL : kind_of(code);
}

/* ---- the reason ---- */

static const char *tunnel_reason(long status, const char *url, char text[CURL_ERROR_SIZE]) {
    if (status == 407)
        return "the proxy wants another user name and password (407): they go into its URL, in https_proxy or "
               "all_proxy, "
               "as in http://USER:PASSWORD@HOST:PORT";
    snprintf(text, CURL_ERROR_SIZE,
             "the proxy does not connect to %.100s: it answers with %ld; see https_proxy, "
             "all_proxy and no_proxy",
             url, status);
    return text;
}

static const char *descriptors_reason(char text[CURL_ERROR_SIZE]) {
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    snprintf(text, CURL_ERROR_SIZE,
             "too few file descriptors: this process may have %llu; raise that by ulimit -n, or "
             "lower --concurrency",
             (unsigned long long)limit.rlim_cur);
    return text;
}

static const char *socks_reason(char text[CURL_ERROR_SIZE]) {
    char told[128];
    snprintf(told, sizeof told, "%s", text);
    snprintf(text, CURL_ERROR_SIZE, "the proxy refuses: %s; see the user name and password in https_proxy or all_proxy",
             told);
    return text;
}

const char *ending_reason(CURL *e, CURLcode code, bool sent, const char *url, char text[CURL_ERROR_SIZE]) {
    long tunnel = sent ? 0 : tunnel_status(e);
    if (tunnel >= 300)
        return tunnel_reason(tunnel, url, text);
    if (few_descriptors(code))
        return descriptors_reason(text);
    if (bad_header(code, sent))
        return "a line in the header of the answer is too long or makes no sense, or there is not enough memory for it";
    if (code == CURLE_OUT_OF_MEMORY || code == CURLE_URL_MALFORMAT) /* so it calls a URL that it cannot copy */
        return "not enough memory";
    text[strcspn(text, "\r\n")] = '\0';
    if (code == CURLE_PROXY && socks_refused(e))
        return socks_reason(text);
    /* libcurl quotes a proxy's URL that it cannot use, with the password. */
    bool quotes_proxy = strstr(text, "nsupported proxy") != NULL || strchr(text, '@') != NULL;
    if (text[0] == '\0' || quotes_proxy)
        return quotes_proxy ? "the URL of the proxy cannot be used" : curl_easy_strerror(code);
    return text;
}
