/* task: the Lua module `task`, structured concurrency for scripts, on top of the scheduler. */
#ifndef KMIRROR_TASK_H
#define KMIRROR_TASK_H

#include <lua.h>

int luaopen_task(lua_State *L);

#endif
