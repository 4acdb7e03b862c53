#include "kafka.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUESTION "mirrors.kafka.question"

/* ---- what is used of librdkafka, as its header declares it ---- */

typedef struct rd_kafka_topic_partition {
    char *topic;
    int32_t partition;
    int64_t offset;
    void *metadata;
    size_t metadata_size;
    void *opaque;
    int err;
    void *own;
} rd_kafka_topic_partition;

typedef struct rd_kafka_topic_partition_list {
    int cnt, size;
    rd_kafka_topic_partition *elems;
} rd_kafka_topic_partition_list;

enum { RD_KAFKA_CONSUMER = 1, RD_KAFKA_CONF_OK = 0, RD_KAFKA_OFFSET_BEGINNING = -2, RD_KAFKA_OFFSET_END = -1 };

static struct {
    void *library;
    void *(*conf_new)(void);
    int (*conf_set)(void *conf, const char *name, const char *value, char *error, size_t size);
    void (*conf_set_log_cb)(void *conf, void *callback);
    void (*conf_destroy)(void *conf);
    void *(*new)(int type, void *conf, char *error, size_t size);
    void (*destroy)(void *handle);
    rd_kafka_topic_partition_list *(*list_new)(int size);
    rd_kafka_topic_partition *(*list_add)(rd_kafka_topic_partition_list *list, const char *topic, int32_t partition);
    void (*list_destroy)(rd_kafka_topic_partition_list *list);
    int (*offsets_for_times)(void *handle, rd_kafka_topic_partition_list *list, int timeout_ms);
    const char *(*err2str)(int error);
} rd;

static bool load_library(void) {
    static const struct {
        const char *name;
        void **function;
    } needed[] = {{"rd_kafka_conf_new", (void **)&rd.conf_new},
                  {"rd_kafka_conf_set", (void **)&rd.conf_set},
                  {"rd_kafka_conf_set_log_cb", (void **)&rd.conf_set_log_cb},
                  {"rd_kafka_conf_destroy", (void **)&rd.conf_destroy},
                  {"rd_kafka_new", (void **)&rd.new},
                  {"rd_kafka_destroy", (void **)&rd.destroy},
                  {"rd_kafka_topic_partition_list_new", (void **)&rd.list_new},
                  {"rd_kafka_topic_partition_list_add", (void **)&rd.list_add},
                  {"rd_kafka_topic_partition_list_destroy", (void **)&rd.list_destroy},
                  {"rd_kafka_offsets_for_times", (void **)&rd.offsets_for_times},
                  {"rd_kafka_err2str", (void **)&rd.err2str}};
    if (rd.library != NULL)
        return true;
    void *library = dlopen("librdkafka.so.1", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; library != NULL && i < sizeof needed / sizeof *needed; i++)
        if ((*needed[i].function = dlsym(library, needed[i].name)) == NULL)
            return false;
    rd.library = library;
    return library != NULL;
}

/* ---- a question ---- */

typedef struct partition {
    char *topic;
    int32_t number;
    int64_t beginning, end; /* -1: not known */
} partition;

/* Lua and the thread own it both: who is done last frees it. */
typedef struct question {
    atomic_int owners;
    atomic_bool answered;
    char **settings; /* names and values in turn */
    size_t settings_count, count;
    partition *partitions;
    int timeout_ms;
    char problem[512];
} question;

static void leave(question *q) {
    if (q == NULL || atomic_fetch_sub(&q->owners, 1) > 1)
        return;
    for (size_t i = 0; i < q->settings_count; i++) {
        explicit_bzero(q->settings[i], strlen(q->settings[i]));
        free(q->settings[i]);
    }
    for (size_t i = 0; i < q->count; i++)
        free(q->partitions[i].topic);
    free(q->settings);
    free(q->partitions);
    free(q);
}

/* ---- in the thread ---- */

static void *connect_to(question *q) {
    char error[256] = "";
    void *conf = rd.conf_new();
    rd.conf_set_log_cb(conf, NULL);
    for (size_t i = 0; i < q->settings_count; i += 2) {
        if (rd.conf_set(conf, q->settings[i], q->settings[i + 1], error, sizeof error) != RD_KAFKA_CONF_OK) {
            snprintf(q->problem, sizeof q->problem, "librdkafka does not take %s as it is", q->settings[i]);
            rd.conf_destroy(conf);
            return NULL;
        }
    }
    void *handle = rd.new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (handle == NULL) {
        snprintf(q->problem, sizeof q->problem, "%s", error);
        rd.conf_destroy(conf);
    }
    return handle;
}

/* One end of all partitions: the beginnings, or the ends. */
static bool look_up(question *q, void *handle, int64_t which) {
    rd_kafka_topic_partition_list *list = rd.list_new((int)q->count);
    for (size_t i = 0; i < q->count; i++)
        rd.list_add(list, q->partitions[i].topic, q->partitions[i].number)->offset = which;
    int error = rd.offsets_for_times(handle, list, q->timeout_ms);
    if (error != 0)
        snprintf(q->problem, sizeof q->problem, "%s", rd.err2str(error));
    for (size_t i = 0; i < q->count; i++) {
        int64_t found = list->elems[i].err == 0 && list->elems[i].offset >= 0 ? list->elems[i].offset : -1;
        *(which == RD_KAFKA_OFFSET_END ? &q->partitions[i].end : &q->partitions[i].beginning) = found;
    }
    rd.list_destroy(list);
    return error == 0;
}

static void *work(void *owned) {
    question *q = owned;
    void *handle = connect_to(q);
    if (handle != NULL) {
        /* The ends last: what is written meanwhile is counted. */
        if (look_up(q, handle, RD_KAFKA_OFFSET_BEGINNING))
            look_up(q, handle, RD_KAFKA_OFFSET_END);
        rd.destroy(handle);
    }
    atomic_store(&q->answered, true);
    leave(q);
    return NULL;
}

/* Signals are for the thread that Lua runs in. */
static bool start(question *q) {
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    atomic_store(&q->owners, 2);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&thread, NULL, work, q) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ok)
        pthread_detach(thread);
    else
        atomic_store(&q->owners, 1);
    return ok;
}

/* ---- in Lua ---- */

static int question_gc(lua_State *L) {
    question **box = luaL_checkudata(L, 1, QUESTION);
    leave(*box);
    *box = NULL;
    return 0;
}

/* Takes a table of settings at the index. Returns false when memory is short. [-0, +0, -] */
static bool take_settings(lua_State *L, int index, question *q) {
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1))
        count++;
    q->settings = calloc(2 * count + 1, sizeof *q->settings);
    if (q->settings == NULL)
        return false;
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        for (int i = -2; i <= -1; i++) {
            const char *text = lua_type(L, i) == LUA_TSTRING ? lua_tostring(L, i) : "";
            if ((q->settings[q->settings_count] = strdup(text)) == NULL)
                return lua_pop(L, 2), false;
            q->settings_count++;
        }
    }
    return true;
}

/* Takes a list of { topic, partition } at the index, likewise. */
static bool take_partitions(lua_State *L, int index, question *q) {
    size_t count = (size_t)lua_rawlen(L, index);
    q->partitions = calloc(count + 1, sizeof *q->partitions);
    for (size_t i = 0; q->partitions != NULL && i < count; i++) {
        partition *p = &q->partitions[i];
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        *p = (partition){.topic = strdup(lua_tostring(L, -2) != NULL ? lua_tostring(L, -2) : ""),
                         .number = (int32_t)lua_tointeger(L, -1),
                         .beginning = -1,
                         .end = -1};
        lua_pop(L, 3);
        if (p->topic == NULL)
            return false;
        q->count++;
    }
    return q->partitions != NULL;
}

int kafka_ask(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    double seconds = luaL_checknumber(L, 3);
    if (!load_library()) {
        lua_pushnil(L);
        lua_pushliteral(L, "librdkafka is not there: install Debian's librdkafka1, or what has librdkafka.so.1");
        return 2;
    }
    question **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = calloc(1, sizeof **box);
    luaL_setmetatable(L, QUESTION);
    if (*box != NULL) {
        atomic_init(&(*box)->owners, 1);
        (*box)->timeout_ms = (int)(seconds * 1000);
    }
    if (*box == NULL || !take_settings(L, 1, *box) || !take_partitions(L, 2, *box) || !start(*box))
        return luaL_error(L, "not enough memory to ask Kafka");
    return 1;
}

/* [-0, +1, m] */
static void push_offsets(lua_State *L, const question *q, bool ends) {
    lua_createtable(L, (int)q->count, 0);
    for (size_t i = 0; i < q->count; i++) {
        int64_t found = ends ? q->partitions[i].end : q->partitions[i].beginning;
        if (found < 0)
            lua_pushboolean(L, false);
        else
            lua_pushinteger(L, found);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

int kafka_answer(lua_State *L) {
    question **box = luaL_checkudata(L, 1, QUESTION);
    if (*box == NULL || !atomic_load(&(*box)->answered))
        return 0;
    const question *q = *box;
    lua_pushboolean(L, q->problem[0] == '\0');
    if (q->problem[0] != '\0') {
        lua_pushstring(L, q->problem);
        return 2;
    }
    push_offsets(L, q, false);
    push_offsets(L, q, true);
    return 3;
}

void kafka_open(lua_State *L) {
    luaL_newmetatable(L, QUESTION);
    lua_pushcfunction(L, question_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
