/* json: what the API sends, read straight into Lua tables, with integers as integers and null as nil; strings of what
 * it takes, written by lua-cjson; and values for people and files. */
#ifndef KMIRROR_JSON_H
#define KMIRROR_JSON_H

#include "shape.h"

#include <lua.h>

typedef enum json_outcome {
    JSON_READ,   /* and on top of the stack */
    JSON_BROKEN, /* is no JSON; on top is what was expected where */
    JSON_MISFIT, /* is JSON of another shape; on top is what is wrong with it */
} json_outcome;

/* To be called before json_push_string(): takes an instance of lua-cjson that no script can reconfigure. [-0, +0, e] */
void json_open(lua_State *L);
/* Pushes the value of the text (RFC 8259; text[length] is '\0'), which is to be of that shape, or of any when it is
 * NULL; or a message. A number without a fraction is an integer, except averageRate, which the API describes as a
 * double. A null in an object is nothing, elsewhere lua-cjson's null. [-0, +1, m] */
json_outcome json_decode(lua_State *L, const char *text, size_t length, const shape *s);
/* Pushes the JSON form of the string at the index, quotes included. [-0, +1, m] */
void json_push_string(lua_State *L, int index);
/* For Lua: write(value, pretty, array) -> its JSON, with its keys in order. A table with items, or with the metatable
 * `array`, is an array; lua-cjson's null is null, a secret is what it shows. `pretty`: on several lines. Raises a text
 * for what JSON has no word for. */
int json_write(lua_State *L);

#endif
