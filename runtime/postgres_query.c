#include "postgres_inside.h"

#include "alarm.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- what is asked, taken from Lua ---- */

int postgres_request_gc(lua_State *L) {
    request *r = luaL_checkudata(L, 1, POSTGRES_REQUEST);
    for (size_t i = 0; i < r->count; i++) {
        if (r->statements[i].result != NULL)
            pq.clear(r->statements[i].result);
        r->statements[i].result = NULL;
    }
    return 0;
}

static connection *check_connection(lua_State *L) {
    return luaL_checkudata(L, 1, POSTGRES_CONNECTION);
}

int postgres_connection_close(lua_State *L) {
    postgres_lose(check_connection(L), "the connection was closed");
    return 0;
}

/* A request of so many statements, with a table in which what they point to is kept. [-0, +1, m] */
static request *push_request(lua_State *L, connection *c, size_t count) {
    request *r = lua_newuserdatauv(L, sizeof *r + count * sizeof *r->statements, 1);
    postgres_new_request(r, c, count);
    luaL_setmetatable(L, POSTGRES_REQUEST);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    return r;
}

/* Keeps the value on top as long as the request at the index. [-1, +0, m] */
static void keep(lua_State *L, int request_index) {
    lua_getiuservalue(L, request_index, 1);
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

/* The value on top as libpq takes it. [-1, +0, e] */
static const char *take_value(lua_State *L, int request_index) {
    const char *text = NULL;
    if (lua_isboolean(L, -1))
        lua_pushstring(L, lua_toboolean(L, -1) ? "true" : "false"), lua_remove(L, -2);
    else if (lua_type(L, -1) == LUA_TNUMBER && !lua_isinteger(L, -1)) {
        char buffer[40];
        snprintf(buffer, sizeof buffer, "%.17g", lua_tonumber(L, -1));
        lua_pop(L, 1);
        lua_pushstring(L, buffer);
    } else if (!lua_isnil(L, -1) && !lua_isstring(L, -1))
        luaL_error(L, "a statement's value cannot be a %s", luaL_typename(L, -1));
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return NULL;
    }
    text = lua_tostring(L, -1);
    keep(L, request_index);
    return text;
}

/* SQL at one index, the table of values at another: nil, or a list with nil in it and n. [-0, +0, e] */
static void take_statement(lua_State *L, int request_index, statement *s, int sql, int values) {
    s->sql = luaL_checkstring(L, sql);
    lua_pushvalue(L, sql);
    keep(L, request_index);
    if (lua_isnoneornil(L, values))
        return;
    luaL_checktype(L, values, LUA_TTABLE);
    s->count = lua_getfield(L, values, "n") == LUA_TNUMBER ? (int)lua_tointeger(L, -1) : (int)lua_rawlen(L, values);
    lua_pop(L, 1);
    luaL_argcheck(L, s->count >= 0 && s->count <= UINT16_MAX, values, "too many values");
    s->values = lua_newuserdatauv(L, sizeof *s->values * ((size_t)s->count + 1), 0);
    keep(L, request_index);
    for (int i = 0; i < s->count; i++) {
        lua_rawgeti(L, values, i + 1);
        s->values[i] = take_value(L, request_index);
    }
}

/* ---- what was answered, pushed to Lua ---- */

/* A value as Lua has it: numbers and booleans as such, all else as the text that it is. [-0, +1, m] */
static void push_value(lua_State *L, const PGresult *result, int row, int column) {
    enum { BOOL = 16, INT8 = 20, INT2 = 21, INT4 = 23, FLOAT4 = 700, FLOAT8 = 701, NUMERIC = 1700 };
    const char *text = pq.getvalue(result, row, column);
    switch (pq.ftype(result, column)) {
    case BOOL:
        lua_pushboolean(L, text[0] == 't');
        break;
    case INT2:
    case INT4:
    case INT8:
        lua_pushinteger(L, strtoll(text, NULL, 10));
        break;
    case FLOAT4:
    case FLOAT8:
    case NUMERIC:
        lua_pushnumber(L, strtod(text, NULL));
        break;
    default:
        lua_pushlstring(L, text, (size_t)pq.getlength(result, row, column));
    }
}

/* A list of rows, each by column; `count`: how many rows a change has changed. [-0, +1, m] */
static void push_rows(lua_State *L, const PGresult *result) {
    int rows = pq.ntuples(result), columns = pq.nfields(result);
    lua_createtable(L, rows, 1);
    for (int row = 0; row < rows; row++) {
        lua_createtable(L, 0, columns);
        for (int column = 0; column < columns; column++) {
            if (pq.getisnull(result, row, column))
                continue;
            push_value(L, result, row, column);
            lua_setfield(L, -2, pq.fname(result, column));
        }
        lua_rawseti(L, -2, row + 1);
    }
    lua_pushinteger(L, strtoll(pq.cmdTuples((PGresult *)result), NULL, 10));
    lua_setfield(L, -2, "count");
}

static void set_part(lua_State *L, const PGresult *result, int code, const char *name) {
    const char *text = pq.resultErrorField(result, code);
    if (text == NULL)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

/* nil, { message, sqlstate, detail, hint, lost } of the statement that failed [-0, +2, m] */
static int push_failure(lua_State *L, const request *r) {
    const PGresult *result = r->at < r->count ? r->statements[r->at].result : NULL;
    postgres_push_problem(L, r->problem);
    lua_pushboolean(L, r->lost);
    lua_setfield(L, -2, "lost");
    if (result != NULL && postgres_failed(result)) {
        set_part(L, result, PG_DIAG_MESSAGE_PRIMARY, "message");
        set_part(L, result, PG_DIAG_MESSAGE_DETAIL, "detail");
        set_part(L, result, PG_DIAG_MESSAGE_HINT, "hint");
        set_part(L, result, PG_DIAG_SQLSTATE, "sqlstate");
    }
    return 2;
}

static int request_ended(lua_State *L, int status, lua_KContext context) {
    (void)status;
    const request *r = (const request *)context;
    if (r->at < r->count)
        return push_failure(L, r);
    if (!r->transaction) {
        push_rows(L, r->statements[0].result);
        return 1;
    }
    lua_createtable(L, (int)r->count - 2, 0);
    for (size_t i = 1; i + 1 < r->count; i++) {
        push_rows(L, r->statements[i].result);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
    return 1;
}

/* ---- asking ---- */

/* Puts the request on top into the queue and waits for it. */
static int ask(lua_State *L, const connection *c, request *r, double deadline) {
    if (c->pg == NULL)
        return postgres_push_problem(L, "the connection is closed");
    if (!postgres_enqueue(r, deadline))
        return postgres_no_memory(L);
    if (r->wait.done) /* it could not even be sent */
        return request_ended(L, LUA_OK, (lua_KContext)r);
    return task_await(L, &r->wait, (lua_KContext)r, request_ended);
}

/* query(connection, sql, values|nil, seconds) -> rows | nil, problem */
int postgres_query(lua_State *L) {
    connection *c = check_connection(L);
    double deadline = alarm_deadline(L, 4);
    lua_settop(L, 4);
    request *r = push_request(L, c, 1);
    take_statement(L, 5, r->statements, 2, 3);
    return ask(L, c, r, deadline);
}

/* transaction(connection, { { sql, values|nil }, … }, seconds) -> list of rows | nil, problem. All of it or nothing. */
int postgres_transaction(lua_State *L) {
    connection *c = check_connection(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    double deadline = alarm_deadline(L, 3);
    size_t count = (size_t)lua_rawlen(L, 2);
    lua_settop(L, 3);
    request *r = push_request(L, c, count + 2);
    r->transaction = true;
    r->statements[count + 1].sql = "COMMIT";
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i);
        luaL_checktype(L, 5, LUA_TTABLE);
        lua_rawgeti(L, 5, 1);
        lua_rawgeti(L, 5, 2);
        take_statement(L, 4, &r->statements[i], 6, 7);
        lua_settop(L, 4);
    }
    return ask(L, c, r, deadline);
}
