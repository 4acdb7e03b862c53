/* status: what the status of an HTTP answer says of the request. Plain C, knows nothing of Lua. */
#ifndef KMIRROR_STATUS_H
#define KMIRROR_STATUS_H

#include <stdbool.h>

/* The kind of error that an answer of that status is, unless it is the one that was hoped for. */
const char *status_kind(long status);

/* True when such an answer proves that the request was not carried out. After any other that is not known: what was to
 * be changed may be changed. */
bool status_is_refusal(long status);

#endif
