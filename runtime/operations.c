#include "operations.h"

#include "error.h"
#include "json.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#define EXAMPLE_UUID "0c7067d6-c70a-11ea-87d0-0242ac130003"

enum {
    LONGEST_ID = 256,
    LONGEST_SHOWN = 60,
    LOWEST_TARGET_LATENCY = 1000 /* ms */
};

/* ---- checks of what goes out ---- */

bool operations_is_uuid(const char *text, size_t length) {
    if (length != 36)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

/* Pushes how a value is shown in a message: on one line, not too long. [-0, +1, m] */
static const char *shown(lua_State *L, int index) {
    size_t length;
    if (lua_isnoneornil(L, index))
        return lua_pushliteral(L, "nothing");
    if (lua_type(L, index) != LUA_TSTRING)
        return lua_type(L, index) == LUA_TNUMBER || lua_type(L, index) == LUA_TBOOLEAN
                   ? luaL_tolstring(L, index, NULL)
                   : lua_pushfstring(L, "a %s", luaL_typename(L, index));
    const char *text = lua_tolstring(L, index, &length);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addchar(&b, '\'');
    for (size_t i = 0; i < length && i < LONGEST_SHOWN; i++)
        luaL_addchar(&b, iscntrl((unsigned char)text[i]) ? '?' : text[i]);
    luaL_addstring(&b, length > LONGEST_SHOWN ? "…'" : "'");
    luaL_pushresult(&b);
    return lua_tostring(L, -1);
}

static int wrong(lua_State *L, const char *field, const char *expected, int index) {
    return error_raise(L, "invalid", "%s must be %s, got %s", field, expected, shown(L, index));
}

static void check_uuid(lua_State *L, const char *field, int index) {
    size_t length = 0;
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &length) : NULL;
    if (text == NULL || !operations_is_uuid(text, length))
        wrong(L, field, "a UUID such as " EXAMPLE_UUID, index);
}

static lua_Integer check_int32(lua_State *L, const char *field, const char *expected, lua_Integer lowest, int index) {
    int whole = 0;
    lua_Integer n = lua_type(L, index) == LUA_TNUMBER ? lua_tointegerx(L, index, &whole) : 0;
    if (!whole || n < lowest || n > INT32_MAX)
        wrong(L, field, expected, index);
    return n;
}

/* A mirror's id in the path of `get`: any string, so the contract. What it holds cannot leave its place there. */
static void check_any_id(lua_State *L, int index) {
    size_t length = 0;
    const char *id = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &length) : NULL;
    if (id == NULL || length == 0 || length > LONGEST_ID || strlen(id) != length || strcmp(id, ".") == 0 ||
        strcmp(id, "..") == 0)
        wrong(L, "id", "the id of a mirror, such as " EXAMPLE_UUID, index);
}

/* ---- the body of create ---- */

typedef enum { TEXT, BOOLEAN, UUID, POSITIVE, SOURCE_TYPE, SECRET } field_type;

/* In the order of the vendor's sample. */
static const struct {
    const char *name;
    field_type type;
    bool required; /* in both forms; the schema marks none, its description gives these to both */
} create_fields[] = {
    {"sourceType", SOURCE_TYPE, true}, {"useRenaming", BOOLEAN, true},
    {"kafkaSource", UUID, false},      {"sourceConnectionProperties", SECRET, false},
    {"usePrivateIps", BOOLEAN, false}, {"sourceAlias", TEXT, true},
    {"topicsRegex", TEXT, true},       {"maxTasks", POSITIVE, true},
};

enum { CREATE_FIELDS = sizeof create_fields / sizeof *create_fields };

static bool is_text(lua_State *L, int index) {
    return lua_type(L, index) == LUA_TSTRING && lua_rawlen(L, index) > 0;
}

/* Checks one field, whose value is on top, and pushes its JSON. [-0, +1, v] */
static void push_field(lua_State *L, const char *name, field_type type) {
    switch (type) {
    case BOOLEAN:
        if (!lua_isboolean(L, -1))
            wrong(L, name, "true or false", -1);
        lua_pushstring(L, lua_toboolean(L, -1) ? "true" : "false");
        return;
    case POSITIVE:
        lua_pushfstring(L, "%I", check_int32(L, name, "an integer from 1 to 2147483647", 1, -1));
        return;
    case UUID:
        check_uuid(L, name, -1);
        break;
    case SOURCE_TYPE:
        if (!is_text(L, -1) ||
            (strcmp(lua_tostring(L, -1), "instaclustr") != 0 && strcmp(lua_tostring(L, -1), "custom") != 0))
            wrong(L, name, "'instaclustr' or 'custom'", -1);
        break;
    case SECRET: /* not shown */
        if (!is_text(L, -1))
            error_raise(L, "invalid", "%s must be a non-empty string of Kafka client properties, got %s", name,
                        lua_type(L, -1) == LUA_TSTRING ? "an empty one" : luaL_typename(L, -1));
        break;
    case TEXT:
        if (!is_text(L, -1))
            wrong(L, name, "a non-empty string", -1);
    }
    json_push_string(L, -1);
}

static bool known_field(const char *name) {
    for (size_t i = 0; i < CREATE_FIELDS; i++)
        if (strcmp(create_fields[i].name, name) == 0)
            return true;
    return false;
}

static void refuse_unknown_fields(lua_State *L, int spec) {
    for (lua_pushnil(L); lua_next(L, spec) != 0; lua_pop(L, 1))
        if (lua_type(L, -2) != LUA_TSTRING || !known_field(lua_tostring(L, -2)))
            error_raise(L, "invalid",
                        "create knows no field %s; it takes sourceType, useRenaming, kafkaSource, "
                        "sourceConnectionProperties, usePrivateIps, sourceAlias, topicsRegex, maxTasks",
                        shown(L, -2));
}

static bool has(lua_State *L, int spec, const char *name) {
    bool there = lua_getfield(L, spec, name) != LUA_TNIL;
    lua_pop(L, 1);
    return there;
}

/* Which fields go with which sourceType. The vendor's sample has sourceType "custom" with kafkaSource, which mixes
 * the forms: it is the contract's own example, so it passes, with a warning. */
static void check_form(lua_State *L, int spec) {
    lua_getfield(L, spec, "sourceType");
    bool custom = strcmp(lua_tostring(L, -1), "custom") == 0;
    lua_pop(L, 1);
    bool source = has(L, spec, "kafkaSource"), properties = has(L, spec, "sourceConnectionProperties");
    if (!custom && !source)
        error_raise(L, "invalid",
                    "kafkaSource is missing: with sourceType 'instaclustr' it is the UUID of the source "
                    "Kafka cluster");
    if (!custom && properties)
        error_raise(L, "invalid", "sourceConnectionProperties goes with sourceType 'custom', not 'instaclustr'");
    if (custom && !properties && !source)
        error_raise(L, "invalid",
                    "sourceConnectionProperties is missing: with sourceType 'custom' it is a string of "
                    "Kafka client properties");
    if (custom && source)
        lua_warning(L,
                    "create: sourceType 'custom' goes with sourceConnectionProperties; kafkaSource is for "
                    "'instaclustr'. Sent as it is, as in the API's own example.",
                    0);
}

static void push_create_body(lua_State *L, int spec) {
    luaL_Buffer body;
    if (!lua_istable(L, spec))
        wrong(L, "what to create", "a table of fields", spec);
    refuse_unknown_fields(L, spec);
    luaL_buffinit(L, &body);
    char before = '{';
    for (size_t i = 0; i < CREATE_FIELDS; i++) {
        const char *name = create_fields[i].name;
        if (lua_getfield(L, spec, name) == LUA_TNIL) {
            if (create_fields[i].required)
                error_raise(L, "invalid", "%s is missing from what to create", name);
            lua_pop(L, 1);
            continue;
        }
        push_field(L, name, create_fields[i].type);
        lua_pushfstring(L, "%c\"%s\":%s", before, name, lua_tostring(L, -1));
        lua_insert(L, -3);
        lua_pop(L, 2);
        luaL_addvalue(&body);
        before = ',';
    }
    luaL_addchar(&body, '}');
    luaL_pushresult(&body);
    check_form(L, spec);
}

static void push_latency_body(lua_State *L, int latency) {
    lua_Integer ms = check_int32(L, "newTargetLatency", "an integer from 1000 to 2147483647, in milliseconds",
                                 LOWEST_TARGET_LATENCY, latency);
    lua_pushfstring(L, "{\"newTargetLatency\":%I}", ms);
}

/* ---- checks of what comes back ---- */

typedef struct shape {
    const char *name;
    int type;
    bool required;
    const struct shape *items; /* of a list of objects */
} shape;

static const shape listed_shape[] = {
    {"id", LUA_TSTRING, true, NULL},
    {"connectorName", LUA_TSTRING, false, NULL},
    {"topicsRegex", LUA_TSTRING, false, NULL},
    {NULL, 0, false, NULL},
};

static const shape list_shape[] = {{"mirrors", LUA_TTABLE, true, listed_shape}, {NULL, 0, false, NULL}};

static const shape created_shape[] = {{"mirrorId", LUA_TSTRING, true, NULL}, {NULL, 0, false, NULL}};

static const shape topic_shape[] = {
    {"name", LUA_TSTRING, false, NULL},
    {"averageLatency", LUA_TNUMBER, false, NULL},
    {"averageRate", LUA_TNUMBER, false, NULL},
    {NULL, 0, false, NULL},
};

static const shape mirror_shape[] = {
    {"id", LUA_TSTRING, true, NULL},
    {"status", LUA_TSTRING, false, NULL},
    {"connectorName", LUA_TSTRING, false, NULL},
    {"targetLatency", LUA_TNUMBER, false, NULL},
    {"topicsRegex", LUA_TSTRING, false, NULL},
    {"mirrorStatus", LUA_TSTRING, false, NULL},
    {"checkpointStatus", LUA_TSTRING, false, NULL},
    {"topicStatuses", LUA_TTABLE, false, topic_shape},
    {NULL, 0, false, NULL},
};

static const char *check_shape(lua_State *L, const shape *fields);

/* Of the table on top: nothing but objects of that shape. */
static const char *check_items(lua_State *L, const shape *items) {
    int list = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, list) != 0; lua_settop(L, list + 1)) {
        if (lua_type(L, -2) != LUA_TNUMBER)
            return "an object where a list was expected";
        const char *problem = check_shape(L, items);
        if (problem != NULL)
            return problem;
    }
    return NULL;
}

/* Of the value on top; leaves the stack in disorder when something is wrong. */
static const char *check_shape(lua_State *L, const shape *fields) {
    int object = lua_gettop(L);
    luaL_checkstack(L, 8, NULL);
    if (!lua_istable(L, object))
        return lua_pushfstring(L, "%s where an object was expected", luaL_typename(L, object));
    for (const shape *f = fields; f->name != NULL; f++) {
        int type = lua_getfield(L, object, f->name);
        if (type == LUA_TNIL && f->required)
            return lua_pushfstring(L, "'%s' is missing", f->name);
        if (type != LUA_TNIL && type != f->type)
            return lua_pushfstring(L, "'%s' is a %s", f->name, lua_typename(L, type));
        const char *problem = type == LUA_TTABLE && f->items != NULL ? check_items(L, f->items) : NULL;
        if (problem != NULL)
            return problem;
        lua_settop(L, object);
    }
    return NULL;
}

static const char *unwrap(lua_State *L, const shape *fields, const char *name) {
    const char *problem = check_shape(L, fields);
    if (problem == NULL) {
        lua_getfield(L, -1, name);
        lua_remove(L, -2);
    }
    return problem;
}

static const char *check_list(lua_State *L) {
    return unwrap(L, list_shape, "mirrors");
}

static const char *check_created(lua_State *L) {
    const char *problem = unwrap(L, created_shape, "mirrorId");
    return problem == NULL && lua_rawlen(L, -1) == 0 ? "'mirrorId' is empty" : problem;
}

static const char *check_mirror(lua_State *L) {
    return check_shape(L, mirror_shape);
}

/* ---- the operations ---- */

const operation operations[] = {
    {"list", "GET", "", 200, false, NO_ID, NULL, check_list},
    {"create", "POST", "", 200, true, NO_ID, push_create_body, check_created},
    {"get", "GET", "", 200, false, ANY_ID, NULL, check_mirror},
    {"delete", "DELETE", "", 204, true, UUID_ID, NULL, NULL},
    {"update_target_latency", "PUT", "/targetLatency", 204, true, UUID_ID, push_latency_body, NULL},
    {NULL, NULL, NULL, 0, false, NO_ID, NULL, NULL},
};

static void add_escaped(luaL_Buffer *b, const char *text) {
    static const char digits[] = "0123456789abcdef"; /* libcurl makes them small in any case */
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            luaL_addchar(b, (char)c);
        } else {
            luaL_addchar(b, '%');
            luaL_addchar(b, digits[c >> 4]);
            luaL_addchar(b, digits[c & 15]);
        }
    }
}

void operations_push_request(lua_State *L, const operation *op, const char *base_path, int first) {
    luaL_Buffer path;
    int argument = first + (op->id == NO_ID ? 1 : 2);
    if (lua_isnoneornil(L, first))
        error_raise(L, "invalid",
                    "no cluster was named: set KMIRROR_CLUSTER, give cluster to mirrors.connect{}, or use "
                    "api:on(cluster)");
    check_uuid(L, "cluster", first);
    if (op->id == ANY_ID)
        check_any_id(L, first + 1);
    else if (op->id == UUID_ID)
        check_uuid(L, "id", first + 1);
    luaL_buffinit(L, &path);
    luaL_addstring(&path, base_path);
    luaL_addstring(&path, "/provisioning/v1/");
    luaL_addstring(&path, lua_tostring(L, first));
    luaL_addstring(&path, "/kafka-connect/mirrors");
    if (op->id != NO_ID) {
        luaL_addchar(&path, '/');
        add_escaped(&path, lua_tostring(L, first + 1));
    }
    luaL_addstring(&path, op->suffix);
    luaL_pushresult(&path);
    if (op->push_body != NULL)
        op->push_body(L, argument);
    else
        lua_pushnil(L);
}
