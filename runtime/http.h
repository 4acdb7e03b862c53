/* http: one request in, one answer out, over libcurl. Plain C, knows nothing of Lua.
 *
 * Connections are kept and shared by all requests on one loop; each carries one request at a time, by HTTP/1.1. TLS
 * is verified, redirects are not followed, answers are bounded in size, and only https is spoken, or http to a
 * loopback address, unless an option allows it to any. */
#ifndef KMIRROR_HTTP_H
#define KMIRROR_HTTP_H

#include "ending.h"
#include "loop.h"

typedef struct http_options {
    const char *base; /* all its requests go there: a URL that http_url_allowed(), no slash at its end */
    const char *user_agent;
    const char *username, *password;  /* Basic auth, sent at once; NULL: none */
    const char *ca_file;              /* PEM; NULL: the system's */
    const char *ca_dir;               /* folder of the same, as OpenSSL's rehash makes it; NULL: none */
    const char *cert_file, *key_file; /* client certificate, PEM; NULL: none */
    const char *proxy;                /* NULL: from the environment, as libcurl reads it */
    const char *const *headers;       /* further ones, "Name: value", NULL at their end; NULL: none */
    bool insecure;                    /* http may go to another machine, too */
    double connect_timeout;           /* seconds */
    size_t max_body;                  /* bytes of one answer, after decompression */
} http_options;

typedef struct http_client http_client; /* options and idle handles, shared by its requests */
typedef struct http_request http_request;

typedef struct http_answer {
    http_failure failure;
    long status;      /* of the answer; 0 without one */
    bool sent;        /* the request, or part of it, may have reached the server */
    const char *body; /* NUL-terminated, valid until http_release() */
    size_t length;
    const char *type;               /* Content-Type; NULL without one */
    const char *redirect;           /* where it sends the request to, which is not followed; NULL: nowhere */
    double retry_after;             /* seconds that the server asks for; negative: it did not */
    const char *reason;             /* of a failure, in words, one line; never holds a credential */
    double started, sent_at, ended; /* on loop_now()'s clock; sent_at is 0 when nothing was sent */
} http_answer;

typedef struct http_events {
    bool (*sending)(void *owner, double at); /* `at` is on loop_now()'s clock; false: it must not go out */
    void (*done)(void *owner);
} http_events;

/* NULL when memory is short or an option cannot be used. The strings are copied. */
http_client *http_client_new(loop *l, const http_options *options);
/* Aborts what is under way, without callbacks, and frees. NULL is fine. */
void http_client_free(http_client *c);

/* True when kmirror may speak to that URL: https, or http to a loopback address, or with `insecure` to any. */
bool http_url_allowed(const char *url, bool insecure);

/* True when that URL goes to this machine, and so past any proxy. */
bool http_url_is_local(const char *url);

/* True when a proxy may have that URL. One in which a character of the password is not written as %XX is refused even
 * where libcurl would find something in it: that is another host than was meant. */
bool http_proxy_allowed(const char *url);

/* How many requests at once this process has descriptors for. */
int http_most_at_once(void);

/* The path of the base, without a slash at its end: what every path begins with. Lives as long as the client. */
const char *http_base_path(const http_client *c);

/* Starts a request for an absolute path on the base's host. `body` is copied; NULL for none. `done` is called once from
 * loop_step(), after `timeout` seconds at the latest, also when the request failed at once, unless http_release() came
 * first. `sending` is called when the request is about to go out on a connection, from inside libcurl: it may only take
 * note. NULL when memory is short. */
http_request *http_start(http_client *c, const char *method, const char *path, const char *body, size_t length,
                         double timeout, const http_events *events, void *owner);
/* The answer; valid from the moment `done` is called, but for when it was started. */
const http_answer *http_answer_of(const http_request *r);
/* Ends a request, aborting it when it is under way, and gives its handle back. */
void http_release(http_request *r);
/* Aborts a request so that nothing of it goes out any more, not even what the kernel still holds of it: before
 * http_release(). */
void http_cut(http_request *r);

#endif
