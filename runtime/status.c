#include "status.h"

#include <stddef.h>

/* `server` passes by itself, and is worth another attempt. A gateway that gave up waiting (408, 460, 499) knows nothing
 * of what became of the request. What is not listed proves nothing either: a 302 or 303 may be how something says that
 * it is done, a 409 that an earlier, lost attempt has succeeded. */
static const struct verdict {
    long status;
    const char *kind;
    bool refusal;
} verdicts[] = {
    {301, "protocol", true}, /* Moved Permanently */
    {307, "protocol", true}, /* Temporary Redirect */
    {308, "protocol", true}, /* Permanent Redirect */
    {400, "invalid", true},  /* Bad Request */
    {401, "unauthorized", true},
    {403, "forbidden", true},
    {404, "not_found", true},
    {405, "protocol", true}, /* Method Not Allowed */
    {407, "protocol", true}, /* Proxy Authentication Required */
    {408, "server", false},  /* Request Timeout */
    {410, "protocol", true}, /* Gone */
    {411, "protocol", true}, /* Length Required */
    {413, "protocol", true}, /* Content Too Large */
    {414, "protocol", true}, /* URI Too Long */
    {415, "unsupported_media_type", true},
    {417, "protocol", true}, /* Expectation Failed */
    {421, "server", true},   /* Misdirected Request: another connection may do */
    {422, "invalid", true},  /* Unprocessable Content: seen of v2 */
    {425, "server", true},   /* Too Early: later will do */
    {426, "protocol", true}, /* Upgrade Required */
    {428, "protocol", true}, /* Precondition Required */
    {429, "rate_limited", true},
    {431, "protocol", true}, /* Request Header Fields Too Large */
    {451, "protocol", true}, /* Unavailable For Legal Reasons */
    {460, "server", false},  /* of a load balancer of AWS: the client has gone */
    {499, "server", false},  /* of nginx: the client has gone */
};

static const struct verdict *verdict_on(long status) {
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (verdicts[i].status == status)
            return &verdicts[i];
    return NULL;
}

const char *status_kind(long status) {
    const struct verdict *v = verdict_on(status);
    if (v != NULL)
        return v->kind;
    return status >= 500 ? "server" : "protocol";
}

bool status_is_refusal(long status) {
    const struct verdict *v = verdict_on(status);
    return v != NULL && v->refusal;
}
