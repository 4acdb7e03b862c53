#include "outcome.h"

#include "mirrors.h"
#include "output.h"
#include "scheduler.h"

#include <string.h>

bool outcome_has_kind(lua_State *L, int index, const char *kind) {
    int top = lua_gettop(L);
    bool has = lua_istable(L, index) && lua_getfield(L, index, "kind") == LUA_TSTRING &&
               strcmp(lua_tostring(L, -1), kind) == 0;
    lua_settop(L, top);
    return has;
}

static bool has_field(lua_State *L, int index, const char *name) {
    int top = lua_gettop(L);
    bool has = lua_istable(L, index) && lua_getfield(L, index, name) != LUA_TNIL;
    lua_settop(L, top);
    return has;
}

/* Wrong usage, or a configuration that was found wanting, before any change was sent. */
static bool is_usage(lua_State *L, int index) {
    bool wrong =
        outcome_has_kind(L, index, "usage") ||
        (outcome_has_kind(L, index, "invalid") && !has_field(L, index, "operation") && !has_field(L, index, "status"));
    return wrong && !mirrors_changed();
}

/* os.exit() was called, and that is all there is to tell. */
bool outcome_is_exit(lua_State *L, int index) {
    return !task_interrupted() && task_exit_status(L) >= 0 && outcome_has_kind(L, index, "cancelled");
}

int outcome_status(lua_State *L, int index) {
    if (task_interrupted())
        return INTERRUPTED;
    if (outcome_is_exit(L, index))
        return task_exit_status(L);
    return is_usage(L, index) ? USAGE : FAILED;
}

lua_Integer outcome_settled(lua_State *L, lua_Integer status) {
    if (status == DONE && !task_interrupted() && task_exit_status(L) > DONE)
        status = task_exit_status(L);
    return status == DONE && (!output_arrived() || task_has_failures(L)) ? FAILED : status;
}
