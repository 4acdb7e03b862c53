/* alarm: a wait that nothing but its time and ring() ends, also in a task that was cancelled. One in the background also
 * ends whenever its task is cancelled, which is how such tasks learn that all others have ended. */
#ifndef KMIRROR_ALARM_H
#define KMIRROR_ALARM_H

#include <lua.h>

/* Adds alarm() -> an alarm to the table on top, with
 *   alarm:wait(seconds, in the background) -> whether other tasks could run meanwhile; one at a time
 *   alarm:ring(), which ends that at once
 * [-0, +0, m] */
void alarm_functions(lua_State *L);

/* The moment, on loop_now()'s clock, that is so many seconds from now: a number at the index. [-0, +0, v] */
double alarm_deadline(lua_State *L, int index);

#endif
