/* host: the Lua module `host`, what the command line needs of the process and of the machine. */
#ifndef KMIRROR_HOST_H
#define KMIRROR_HOST_H

#include <lua.h>
#include <stdbool.h>

/* kmirror's main(): runs the command line in a Lua state of its own and returns the exit status. Defined in main.c;
 * a forked sandbox runs it once more. */
int kmirror_main(int argc, char **argv);

/* The exit status of a run that ended with the error at the index. Defined in main.c. [-0, +0, m] */
int kmirror_status_of(lua_State *L, int index);

/* True once the command line asked for tracebacks. */
bool host_wants_traceback(void);
/* Ends the sandbox that host.start_sandbox() started, if any, and waits until it is gone. */
void host_end_sandbox(void);

int luaopen_host(lua_State *L);

#endif
