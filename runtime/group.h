/* group: tasks that end together, of which so many may run at once. Its members are linked to each other, and who has
 * ended leaves from within the scheduler: keeping a group takes no memory that could run out. */
#ifndef KMIRROR_GROUP_H
#define KMIRROR_GROUP_H

#include <lua.h>

#define GROUP "task.group"

/* Adds to the table on top what task.lua makes groups of, and leaves the groups' metatable on top of it.
 * [-0, +1, m] */
void group_functions(lua_State *L);

#endif
