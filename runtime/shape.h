/* shape: what the JSON of an answer must be, checked as it is read. Described in Lua, once. */
#ifndef KMIRROR_SHAPE_H
#define KMIRROR_SHAPE_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct shape shape;

typedef struct shape_field {
    const char *name;
    size_t length;      /* of its name */
    int key;            /* where its name is among the shape's names */
    int type;           /* LUA_T... */
    bool filled;        /* a string that is not empty */
    uint64_t bit;       /* of this field, in a set of its object's fields */
    const shape *items; /* of a list of objects; else NULL */
} shape_field;

struct shape {
    int count;
    uint64_t required; /* fields */
    shape_field fields[];
};

/* Makes a shape of the description at the index, an array of {name, type, required?, items?}: type is "string", "text"
 * (a string that is not empty), "number", "boolean" or "table"; items describes the objects of a list. It lives as long
 * as L. [-0, +0, e] */
const shape *shape_new(lua_State *L, int index);

/* Pushes the table of the names of its fields, and of those of the shapes in it. [-0, +1, -] */
void shape_push_names(lua_State *L, const shape *s);

/* The field whose name, and then a quote, the text begins with; NULL: none. The `likely` one is looked at first, and
 * then those behind it. */
const shape_field *shape_find(const shape *s, const shape_field *likely, const char *text);

/* The one that mostly comes after it. */
const shape_field *shape_after(const shape *s, const shape_field *f);

/* Each of these returns NULL when there is nothing wrong, or pushes what is: with the value on top, which a field
 * holds, but for what is in it; with an object that holds these fields; and with the value on top, looked at as a
 * whole, which leaves the stack in disorder. */
const char *shape_check_field(lua_State *L, const shape_field *f);
const char *shape_check_present(lua_State *L, const shape *s, uint64_t present);
const char *shape_check(lua_State *L, const shape *s);

#endif
