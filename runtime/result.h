/* result: what an answer comes to: the result of the operation as a Lua value, or the error. */
#ifndef KMIRROR_RESULT_H
#define KMIRROR_RESULT_H

#include "http.h"
#include "shape.h"

#include <lua.h>
#include <stdbool.h>

/* What an answer must be. */
typedef struct result_wanted {
    long success;       /* the status that says that it was done */
    bool json;          /* it is JSON, else it has no content */
    const shape *shape; /* of it; NULL: any, others look at it */
    const char *value;  /* the field of it that is the result; NULL: all of it */
} result_wanted;

/* The kind of error that an answer is, unless it is the one that was hoped for; or that no answer came. */
const char *result_kind(const http_answer *answer);

/* Pushes true and the result, where there is one; or false, the error object, whether the request may have been carried
 * out, the seconds that the server asks to wait (nil: it does not), and what it says of the failure (nil: nothing).
 * Returns how many. [-0, +n, m] */
int result_push(lua_State *L, const http_answer *answer, const result_wanted *wanted);

#endif
