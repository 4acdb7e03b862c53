/* environment: the API key, and a store that is a URL, which may hold a password, are taken out of the environment at
 * the start, so that no process which kmirror, a hook or a runbook starts inherits them, and /proc does not show them.
 *
 * All else is inherited: the user's own settings, without which a hook might not find its programs, or, by a proxy's
 * variables, not the network. Those may hold a password, too, but are there for every program of the user. */
#ifndef KMIRROR_ENVIRONMENT_H
#define KMIRROR_ENVIRONMENT_H

#include <lua.h>

/* Takes them out. To be called once, before anything else. */
void environment_hide_secrets(void);
/* From now on os.getenv() answers for what was taken out, too. [-0, +0, m] */
void environment_open(lua_State *L);

#endif
