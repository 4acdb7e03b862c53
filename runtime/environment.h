/* environment: the API key is taken out of the environment at the start, so that no process which kmirror, a hook or a
 * runbook starts inherits it, and /proc does not show it. */
#ifndef KMIRROR_ENVIRONMENT_H
#define KMIRROR_ENVIRONMENT_H

#include <lua.h>

/* Takes KMIRROR_API_KEY out. To be called once, before anything else. */
void environment_hide_key(void);
/* From now on os.getenv() answers for what was taken out, too. [-0, +0, m] */
void environment_open(lua_State *L);

#endif
