/* computing: ends code that computes after an interrupt and does not come by the loop, where it would learn of it.
 *
 * The interrupt starts a clock of processor time. A task that has used up enough of it in one go is stopped by a debug
 * hook, by an error that pcall() does not catch; there is no hook before. A function of C calls no hook: one that goes
 * on for ever cannot be ended cleanly. */
#ifndef KMIRROR_COMPUTING_H
#define KMIRROR_COMPUTING_H

#include <lua.h>
#include <stdbool.h>

/* Starts the clock: it sends SIGPROF until computing_tick() stops it. For signal handlers. */
void computing_watch(void);
/* For the handler of SIGPROF. True when the hook did not help. */
bool computing_tick(void);
/* The end of the run has begun: the main task is not stopped any more. */
void computing_settle(lua_State *L);

#endif
