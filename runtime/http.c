#include "http.h"

#include "headers.h"
#include "libcurl.h"

#include <arpa/inet.h>
#include <limits.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
    KEPT_BODY = 256 * 1024, /* a larger buffer is given back with its request */
    IDLE_REQUESTS = 64,
    LONGEST_HEADER = 256 * 1024,
    FIRST_BODY = 4096
};

struct http_client {
    loop *loop;
    http_options options;
    CURLU *base;
    char *base_path;
    char *origin;  /* of plain http to another machine, with a slash at its end; NULL: all else */
    bool loopback; /* the base is on this machine */
    headers headers;
    http_request *active; /* under way or unreleased */
    http_request *idle;   /* handles and buffers to use again */
    size_t idle_count;
};

struct http_request {
    http_client *client;
    loop_transfer transfer;
    loop_timer limit; /* ends the request, whatever libcurl makes of it */
    double timeout;
    const http_events *events;
    void *owner;
    http_answer answer;
    char *body;
    size_t length, room, header; /* bytes of the body, for a body, of the header */
    bool too_large, told;
    bool accepted, timed_out; /* libcurl took it on; it did not end in time */
    bool out_of_memory;       /* for the answer */
    bool is_get;              /* its handle has the options of one, but for the path */
    char error[CURL_ERROR_SIZE];
    http_request *next, *previous;
};

/* ---- which URLs ---- */

static bool loopback_host(const char *host) {
    struct in_addr v4;
    struct in6_addr v6;
    char bare[INET6_ADDRSTRLEN];
    if (strcasecmp(host, "localhost") == 0) /* libcurl never asks a resolver for it */
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    size_t length = strlen(host);
    if (host[0] != '[' || length < 3 || length - 2 >= sizeof bare)
        return false;
    memcpy(bare, host + 1, length - 2);
    bare[length - 2] = '\0';
    return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool is_allowed(CURLU *url, bool insecure, bool *loopback) {
    char *scheme = NULL, *host = NULL;
    bool https = false, http = false;
    *loopback = false;
    if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        https = strcmp(scheme, "https") == 0;
        http = strcmp(scheme, "http") == 0;
        *loopback = loopback_host(host);
    }
    curl_free(scheme);
    curl_free(host);
    return https || (http && (*loopback || insecure));
}

/* libcurl takes what is behind three slashes for the host. */
static bool names_host(const char *url) {
    const char *behind = strstr(url, "://");
    return behind != NULL && behind[3] != '/';
}

bool http_url_allowed(const char *url, bool insecure) {
    bool loopback;
    CURLU *parsed = curl_url();
    bool allowed = parsed != NULL && names_host(url) && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                   is_allowed(parsed, insecure, &loopback);
    curl_url_cleanup(parsed);
    return allowed;
}

bool http_url_is_local(const char *url) {
    bool loopback = false;
    CURLU *parsed = curl_url();
    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK)
        is_allowed(parsed, false, &loopback);
    curl_url_cleanup(parsed);
    return loopback;
}

/* ---- which proxies ---- */

static bool has_part(CURLU *url, CURLUPart part, const char *unless) {
    char *text = NULL;
    bool there = curl_url_get(url, part, &text, 0) == CURLUE_OK && strcmp(text, unless) != 0;
    curl_free(text);
    return there;
}

/* libcurl goes past a proxy whose name or password it cannot decode: an escaped control character in it. */
static bool can_be_decoded(CURLU *url, CURLUPart part) {
    char *text = NULL;
    CURLUcode code = curl_url_get(url, part, &text, CURLU_URLDECODE);
    curl_free(text);
    return code != CURLUE_URLDECODE;
}

static bool is_proxy_scheme(CURLU *url) {
    static const char *const known[] = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"};
    char *scheme = NULL;
    bool found = false;
    if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK)
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcasecmp(scheme, known[i]) == 0;
    curl_free(scheme);
    return found;
}

bool http_proxy_allowed(const char *url) {
    CURLU *parsed = curl_url();
    const char *at = strchr(url, '@');
    bool allowed =
        parsed != NULL &&
        curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) == CURLUE_OK &&
        is_proxy_scheme(parsed) && has_part(parsed, CURLUPART_HOST, "") && !has_part(parsed, CURLUPART_PATH, "/") &&
        !has_part(parsed, CURLUPART_QUERY, "") && !has_part(parsed, CURLUPART_FRAGMENT, "") &&
        can_be_decoded(parsed, CURLUPART_USER) && can_be_decoded(parsed, CURLUPART_PASSWORD) &&
        (at == NULL || (strchr(at + 1, '@') == NULL && has_part(parsed, CURLUPART_USER, "")));
    curl_url_cleanup(parsed);
    return allowed;
}

/* ---- how many ---- */

/* Descriptors for everything but connections: files, the store, children, name servers. */
enum { SPARE = 16 };

int http_most_at_once(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX)
        return INT_MAX;
    return limit.rlim_cur > SPARE ? (int)limit.rlim_cur - SPARE : 1;
}

/* ---- libcurl's callbacks: they only touch the request ---- */

static size_t receive(char *data, size_t size, size_t count, void *owner) {
    http_request *r = owner;
    size_t more = size * count, needed = r->length + more + 1;
    if (needed - 1 > r->client->options.max_body) {
        r->too_large = true;
        return 0;
    }
    if (needed > r->room) {
        size_t room = r->room == 0 ? FIRST_BODY : r->room;
        while (room < needed)
            room *= 2;
        char *body = realloc(r->body, room);
        r->out_of_memory = body == NULL;
        if (body == NULL)
            return 0;
        r->body = body;
        r->room = room;
    }
    memcpy(r->body + r->length, data, more);
    r->length += more;
    return more;
}

static size_t receive_header(char *data, size_t size, size_t count, void *owner) {
    http_request *r = owner;
    (void)data;
    r->header += size * count;
    r->too_large = r->header > LONGEST_HEADER;
    return r->too_large ? 0 : size * count;
}

/* libcurl sends a request again by itself when a kept connection turns out dead. Whether to send again is not
 * its decision (a create must not be), and the governor would not know of it: the second time ends the transfer. */
static int about_to_send(void *owner, char *ip, char *local_ip, int port, int local_port) {
    http_request *r = owner;
    (void)ip, (void)local_ip, (void)port, (void)local_port;
    if (r->answer.sent)
        return CURL_PREREQFUNC_ABORT;
    double at = loop_now();
    if (!r->events->sending(r->owner, at))
        return CURL_PREREQFUNC_ABORT;
    r->answer.sent = true;
    r->answer.sent_at = at;
    return CURL_PREREQFUNC_OK;
}

/* ---- how it ended ---- */

static http_failure failure_of(CURLcode code, const http_request *r) {
    return r->too_large || r->out_of_memory ? HTTP_PROTOCOL : ending_failure(r->transfer.easy, code, r->answer.sent);
}

static const char *reason_of(CURLcode code, http_request *r) {
    if (r->too_large || code == CURLE_FILESIZE_EXCEEDED)
        return "the answer is larger than allowed";
    if (r->out_of_memory)
        return "not enough memory for the answer";
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return "the server closed the connection without an answer";
    if (!r->timed_out)
        return ending_reason(r->transfer.easy, code, r->answer.sent, r->client->options.base, r->error);
    snprintf(r->error, sizeof r->error, "no %s within %g s", r->answer.sent ? "complete answer" : "connection",
             r->timeout);
    return r->error;
}

static void finish(http_request *r, CURLcode code) {
    http_answer *answer = &r->answer;
    curl_off_t retry_after = 0;
    char *type = NULL, *redirect = NULL;
    loop_stop(r->client->loop, &r->limit);
    answer->failure = failure_of(code, r);
    answer->ended = loop_now();
    answer->retry_after = -1;
    if (code != CURLE_OK)
        answer->reason = reason_of(code, r);
    if (r->accepted) /* else it still holds that of the request before */
        curl_easy_getinfo(r->transfer.easy, CURLINFO_RESPONSE_CODE, &answer->status);
    if (curl_easy_getinfo(r->transfer.easy, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK && retry_after > 0)
        answer->retry_after = (double)retry_after;
    curl_easy_getinfo(r->transfer.easy, CURLINFO_CONTENT_TYPE, &type);
    answer->type = type;
    curl_easy_getinfo(r->transfer.easy, CURLINFO_REDIRECT_URL, &redirect);
    answer->redirect = redirect;
    answer->body = r->body == NULL ? "" : r->body;
    if (r->body != NULL)
        r->body[r->length] = '\0';
    answer->length = r->length;
    r->told = true;
    r->events->done(r->owner);
}

static void transfer_done(loop_transfer *t, CURLcode code) {
    finish(t->owner, code);
}

/* libcurl has timers for this, too, but not in each of its states: a transfer that waits for a connection has none. */
static void out_of_time(loop_timer *t) {
    http_request *r = t->owner;
    r->timed_out = r->accepted;
    loop_remove(r->client->loop, &r->transfer);
    finish(r, r->accepted ? CURLE_OPERATION_TIMEDOUT : CURLE_OUT_OF_MEMORY);
}

/* ---- requests ---- */

/* For libcurl, to which 0 would mean no limit. */
static long milliseconds(double seconds) {
    return (long)fmax(1, fmin(ceil(seconds * 1000), INT_MAX));
}

/* The options that are the same for each request of a client. The URL only says where to connect to: libcurl takes one
 * apart and puts it together again for each request. The path is the target, which it sends as it is. But a proxy of
 * plain http wants the whole URL as the target, and gets the headers of the request itself. */
static bool configure(http_request *r) {
    const http_options *o = &r->client->options;
    CURL *e = r->transfer.easy;
    bool ok = true;
#define SET(option, value) ok = ok && curl_easy_setopt(e, option, value) == CURLE_OK
    SET(CURLOPT_NOSIGNAL, 1L);
    if (r->client->origin == NULL)
        SET(CURLOPT_CURLU, r->client->base);
    else
        SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    /* By HTTP/2 a server that ends a connection refuses the requests it has not begun (RFC 9113, 6.8): they may safely
     * be sent again. libcurl does not tell them from those whose answer was lost, so HTTP/2 is not spoken. */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* or a request's end waits for a resolver that does not answer */
    SET(CURLOPT_ACCEPT_ENCODING, HEADERS_ENCODING);
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* a proxy is not told the user */
    if (r->client->origin == NULL)
        SET(CURLOPT_PROXYHEADER, r->client->headers.to_proxy);
    SET(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(o->connect_timeout));
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)o->max_body);
    SET(CURLOPT_ERRORBUFFER, r->error);
    SET(CURLOPT_WRITEFUNCTION, receive);
    SET(CURLOPT_WRITEDATA, r);
    SET(CURLOPT_HEADERFUNCTION, receive_header);
    SET(CURLOPT_HEADERDATA, r);
    SET(CURLOPT_PREREQFUNCTION, about_to_send);
    SET(CURLOPT_PREREQDATA, r);
    if (o->ca_file != NULL)
        SET(CURLOPT_CAINFO, o->ca_file);
    if (o->ca_dir != NULL)
        SET(CURLOPT_CAPATH, o->ca_dir);
    if (o->cert_file != NULL)
        SET(CURLOPT_SSLCERT, o->cert_file);
    if (o->key_file != NULL)
        SET(CURLOPT_SSLKEY, o->key_file);
    if (o->proxy != NULL)
        SET(CURLOPT_PROXY, o->proxy);
    if (r->client->loopback) /* a proxy would be told the credentials in the clear */
        SET(CURLOPT_NOPROXY, "*");
    return ok;
}

static bool set_url(CURL *e, const char *origin, const char *path) {
    size_t size = strlen(origin) + strlen(path);
    char *url = malloc(size);
    bool ok = url != NULL;
    if (ok) {
        snprintf(url, size, "%s%s", origin, path + 1);
        ok = curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK;
    }
    free(url);
    return ok;
}

/* The options that differ from one request to the next: from one get to the next, the path alone. */
static bool address(http_request *r, const char *method, const char *path, const char *body, size_t length) {
    CURL *e = r->transfer.easy;
    const char *origin = r->client->origin;
    bool ok = path[0] == '/';
    if (origin == NULL)
        SET(CURLOPT_REQUEST_TARGET, path);
    else
        ok = ok && set_url(e, origin, path);
    bool is_get = body == NULL && strcmp(method, "GET") == 0;
    if (is_get && r->is_get)
        return ok;
    if (body != NULL) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
        SET(CURLOPT_COPYPOSTFIELDS, body);
        SET(CURLOPT_HTTPHEADER, r->client->headers.with_body);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
        SET(CURLOPT_HTTPHEADER, r->client->headers.plain);
    }
    SET(CURLOPT_CUSTOMREQUEST, method);
    r->is_get = is_get && ok;
    return ok;
#undef SET
}

static void free_request(http_request *r) {
    curl_easy_cleanup(r->transfer.easy);
    free(r->body);
    free(r);
}

static http_request *new_request(http_client *c) {
    http_request *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->client = c;
    r->transfer = (loop_transfer){.easy = curl_easy_init(), .done = transfer_done, .owner = r};
    r->limit = (loop_timer){.fire = out_of_time, .owner = r};
    if (r->transfer.easy == NULL || !configure(r)) {
        free_request(r);
        return NULL;
    }
    return r;
}

/* One from the idle ones, else a new one; on the active list. */
static http_request *take_request(http_client *c) {
    http_request *r = c->idle;
    if (r != NULL) {
        c->idle = r->next;
        c->idle_count--;
    } else if ((r = new_request(c)) == NULL) {
        return NULL;
    }
    r->previous = NULL;
    r->next = c->active;
    if (r->next != NULL)
        r->next->previous = r;
    c->active = r;
    return r;
}

http_request *http_start(http_client *c, const char *method, const char *path, const char *body, size_t length,
                         double timeout, const http_events *events, void *owner) {
    http_request *r = take_request(c);
    if (r == NULL)
        return NULL;
    r->events = events;
    r->owner = owner;
    r->answer = (http_answer){.started = loop_now()};
    r->length = r->header = 0;
    r->too_large = r->told = r->timed_out = r->out_of_memory = false;
    r->timeout = timeout;
    r->error[0] = '\0';
    r->accepted = address(r, method, path, body, length) && loop_add(c->loop, &r->transfer);
    if (loop_start(c->loop, &r->limit, r->answer.started + (r->accepted ? timeout : 0)))
        return r;
    http_release(r);
    return NULL;
}

const http_answer *http_answer_of(const http_request *r) {
    return &r->answer;
}

void http_cut(http_request *r) {
    static const struct linger at_once = {.l_onoff = 1};
    curl_socket_t socket = CURL_SOCKET_BAD;
    if (r->answer.sent && curl_easy_getinfo(r->transfer.easy, CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK &&
        socket != CURL_SOCKET_BAD)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    loop_remove(r->client->loop, &r->transfer);
}

void http_release(http_request *r) {
    http_client *c = r->client;
    bool healthy = r->told && r->answer.failure == HTTP_OK;
    loop_remove(c->loop, &r->transfer);
    loop_stop(c->loop, &r->limit);
    if (r->previous != NULL)
        r->previous->next = r->next;
    else
        c->active = r->next;
    if (r->next != NULL)
        r->next->previous = r->previous;
    if (!healthy || r->room > KEPT_BODY || c->idle_count >= IDLE_REQUESTS) {
        free_request(r);
        return;
    }
    r->next = c->idle;
    c->idle = r;
    c->idle_count++;
}

/* ---- clients ---- */

static bool copy_string(const char **to) {
    return *to == NULL || (*to = strdup(*to)) != NULL;
}

static bool copy_options(http_options *to, const http_options *from) {
    const char **strings[] = {&to->base, &to->ca_file, &to->ca_dir, &to->cert_file, &to->key_file, &to->proxy};
    *to = *from;
    to->user_agent = to->username = to->password = NULL; /* are in the headers, */
    to->headers = NULL;                                  /* as these are */
    bool ok = true;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        ok = copy_string(strings[i]) && ok;
    return ok;
}

static void free_options(http_options *o) {
    const char *strings[] = {o->base, o->ca_file, o->ca_dir, o->cert_file, o->key_file, o->proxy};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free((char *)strings[i]);
}

/* The base without its path. */
static bool find_origin(http_client *c) {
    CURLU *url = curl_url_dup(c->base);
    bool ok = url != NULL && curl_url_set(url, CURLUPART_PATH, "/", 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_URL, &c->origin, 0) == CURLUE_OK;
    curl_url_cleanup(url);
    return ok;
}

/* Takes the base apart: what may go there, and the path that begins every path. */
static bool parse_base(http_client *c) {
    c->base = curl_url();
    if (c->base == NULL || curl_url_set(c->base, CURLUPART_URL, c->options.base, 0) != CURLUE_OK ||
        !is_allowed(c->base, c->options.insecure, &c->loopback) ||
        curl_url_get(c->base, CURLUPART_PATH, &c->base_path, 0) != CURLUE_OK)
        return false;
    if (strcmp(c->base_path, "/") == 0)
        c->base_path[0] = '\0';
    return is_allowed(c->base, false, &c->loopback) || find_origin(c);
}

const char *http_base_path(const http_client *c) {
    return c->base_path;
}

http_client *http_client_new(loop *l, const http_options *options) {
    http_client *c = libcurl_ready() ? calloc(1, sizeof *c) : NULL;
    if (c == NULL)
        return NULL;
    c->loop = l;
    if (copy_options(&c->options, options) && parse_base(c) &&
        headers_make(&c->headers, options->user_agent, options->username, options->password, options->headers))
        return c;
    http_client_free(c);
    return NULL;
}

void http_client_free(http_client *c) {
    if (c == NULL)
        return;
    for (http_request *r = c->active, *next; r != NULL; r = next) {
        next = r->next;
        http_release(r);
    }
    for (http_request *r = c->idle, *next; r != NULL; r = next) {
        next = r->next;
        free_request(r);
    }
    headers_free(&c->headers);
    curl_url_cleanup(c->base);
    curl_free(c->base_path);
    curl_free(c->origin);
    free_options(&c->options);
    free(c);
}
