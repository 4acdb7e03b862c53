/* json: what the API sends and takes, by lua-cjson, with integers as integers and null as nil. */
#ifndef KMIRROR_JSON_H
#define KMIRROR_JSON_H

#include <lua.h>
#include <stdbool.h>

/* To be called first: loads lua-cjson, and takes an instance that no script can reconfigure. [-0, +0, e] */
void json_open(lua_State *L);
/* Pushes the value of the text, and returns true; or a message, and false. A number without a fraction is an integer
 * (lua-cjson knows only floats), except averageRate, which the API describes as a double. [-0, +1, m] */
bool json_decode(lua_State *L, const char *text, size_t length);
/* Pushes the JSON form of the string at the index, quotes included. [-0, +1, m] */
void json_push_string(lua_State *L, int index);

#endif
