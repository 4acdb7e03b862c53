/* child: the sandbox of `kmirror --sandbox`, a process of its own for the length of this one. */
#ifndef KMIRROR_CHILD_H
#define KMIRROR_CHILD_H

#include <lua.h>

/* Says what a child runs: kmirror's command line, in a Lua state of its own; gives the exit status. */
void child_runs(int (*command_line)(int argc, char **argv));

/* start_sandbox(arguments) -> URL, for the Lua module `host` */
int child_start(lua_State *L);
/* Ends the sandbox that was started, if any, and waits until it is gone. */
void child_end(void);

#endif
