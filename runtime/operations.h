/* operations: the five operations of the mirroring API (provisioning v1), as Lua values in and out.
 *
 * Source of every rule: the vendor's "Kafka Mirroring API" page and its OpenAPI form. */
#ifndef KMIRROR_OPERATIONS_H
#define KMIRROR_OPERATIONS_H

#include <lua.h>
#include <stdbool.h>

typedef struct operation operation;

struct operation {
    const char *name, *method;
    const char *suffix; /* of the path, behind the mirror's id */
    long success;       /* the status of an answer that says it was done */
    bool change;
    enum { NO_ID, ANY_ID, UUID_ID } id;            /* what comes before the argument */
    void (*push_body)(lua_State *L, int argument); /* checks and encodes; NULL: no body [-0, +1, v] */
    const char *(*check_result)(lua_State *L);     /* of the value on top; NULL when right, else what is wrong */
};

/* All five; the last one has no name. */
extern const operation operations[];

/* True of 8-4-4-4-12 hexadecimal digits. */
bool operations_is_uuid(const char *text, size_t length);
/* Pushes path and body (nil without one) of an operation whose arguments stand from index `first` on: the cluster, the
 * mirror's id where it takes one, then its argument. Raises `invalid` when one of them is wrong. [-0, +2, v] */
void operations_push_request(lua_State *L, const operation *op, const char *base_path, int first);

#endif
