/* shape: what the JSON of an answer must be, checked quickly. Described in Lua, once. */
#ifndef KMIRROR_SHAPE_H
#define KMIRROR_SHAPE_H

#include <lua.h>

typedef struct shape shape;

/* Makes a shape of the description at the index, an array of {name, type, required?, items?}: type is "string", "text"
 * (a string that is not empty), "number", "boolean" or "table"; items describes the objects of a list. What is left on the stack
 * keeps it alive. [-0, +1, e] */
const shape *shape_new(lua_State *L, int index);
/* Of the value on top: NULL when it is of that shape; else what is wrong, and the stack is left in disorder. */
const char *shape_check(lua_State *L, const shape *fields);

#endif
