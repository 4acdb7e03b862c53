/* outcome: what the end of a run means as an exit status. All who tell of it ask here: the process, a job's record,
 * the report, the metrics. */
#ifndef KMIRROR_OUTCOME_H
#define KMIRROR_OUTCOME_H

#include <lua.h>
#include <stdbool.h>

enum { DONE = 0, FAILED = 1, USAGE = 2, INTERRUPTED = 130 };

/* Whether the value at the index is an error object of that kind. [-0, +0, m] */
bool outcome_has_kind(lua_State *L, int index, const char *kind);
/* Whether a run that ended with the error at the index did so by os.exit(), with no more to tell. [-0, +0, m] */
bool outcome_is_exit(lua_State *L, int index);

/* The exit status of a run that ended with the error at the index. [-0, +0, m] */
int outcome_status(lua_State *L, int index);
/* The status that a run ends with which would end with that one: what it has printed may be lost, and tasks may have
 * failed that nobody joined. [-0, +0, m] */
lua_Integer outcome_settled(lua_State *L, lua_Integer status);

#endif
