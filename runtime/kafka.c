#include "kafka.h"

#include "class.h"
#include "kafka_library.h"
#include "thread.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUESTION "mirrors.kafka.question"

/* ---- a question ---- */

typedef struct partition {
    char *topic;
    int32_t number;
    int64_t beginning, end; /* -1: not known */
    int64_t next;           /* what is there from here on is looked for; -1: nothing is */
    int64_t first;          /* where the first record from `next` on is, or the end; -1: not known */
    void *reading;
} partition;

typedef struct group {
    char *name;
    int64_t *offsets; /* committed, a partition each; -1: none */
} group;

typedef struct question {
    thread_work work;
    atomic_bool answered;
    char **settings; /* names and values in turn */
    size_t settings_count, count, groups_count;
    partition *partitions;
    group *groups;  /* those asked for, or those that were found */
    bool of_groups; /* their offsets are asked for, and not where the partitions begin and end */
    int timeout_ms;
    char problem[512];
} question;

static void forget(void *owned) {
    question *q = owned;
    for (size_t i = 0; i < q->settings_count; i++) {
        explicit_bzero(q->settings[i], strlen(q->settings[i]));
        free(q->settings[i]);
    }
    for (size_t i = 0; i < q->count; i++)
        free(q->partitions[i].topic);
    for (size_t i = 0; i < q->groups_count; i++) {
        free(q->groups[i].name);
        free(q->groups[i].offsets);
    }
    free(q->settings);
    free(q->partitions);
    free(q->groups);
    free(q);
}

/* ---- in the thread ---- */

static void *connect_to(question *q) {
    char error[256] = "";
    void *conf = rdkafka.conf_new();
    rdkafka.conf_set_log_cb(conf, NULL);
    for (size_t i = 0; i < q->settings_count; i += 2) {
        if (rdkafka.conf_set(conf, q->settings[i], q->settings[i + 1], error, sizeof error) != RD_KAFKA_CONF_OK) {
            snprintf(q->problem, sizeof q->problem, "librdkafka does not take %s as it is", q->settings[i]);
            rdkafka.conf_destroy(conf);
            return NULL;
        }
    }
    void *handle = rdkafka.new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (handle == NULL) {
        snprintf(q->problem, sizeof q->problem, "%s", error);
        rdkafka.conf_destroy(conf);
    }
    return handle;
}

/* One end of all partitions: the beginnings, or the ends. */
static bool look_up(question *q, void *handle, int64_t which) {
    rd_kafka_topic_partition_list *list = rdkafka.list_new((int)q->count);
    for (size_t i = 0; i < q->count; i++)
        rdkafka.list_add(list, q->partitions[i].topic, q->partitions[i].number)->offset = which;
    int error = rdkafka.offsets_for_times(handle, list, q->timeout_ms);
    if (error != 0)
        snprintf(q->problem, sizeof q->problem, "%s", rdkafka.err2str(error));
    for (size_t i = 0; i < q->count; i++) {
        int64_t found = list->elems[i].err == 0 && list->elems[i].offset >= 0 ? list->elems[i].offset : -1;
        *(which == RD_KAFKA_OFFSET_END ? &q->partitions[i].end : &q->partitions[i].beginning) = found;
    }
    rdkafka.list_destroy(list);
    return error == 0;
}

/* ---- whether there are records ---- */

/* Behind the last record of a topic that is written in transactions stand their markers, which nobody can read. As many
 * as this are looked into; more are records, some of them at least. */
#define MOST_MARKERS 64
#define PATIENCE_MS 3000

static bool may_be_markers(const partition *p) {
    int64_t from = p->next > p->beginning ? p->next : p->beginning;
    return p->next >= 0 && p->end > from && p->end - from <= MOST_MARKERS;
}

static void read_from_next(void *handle, partition *p) {
    p->reading = rdkafka.topic_new(handle, p->topic, NULL);
    if (p->reading != NULL &&
        rdkafka.consume_start(p->reading, p->number, p->next > p->beginning ? p->next : p->beginning) != 0) {
        rdkafka.topic_destroy(p->reading);
        p->reading = NULL;
    }
}

static int64_t first_record(const partition *p) {
    rd_kafka_message *message = rdkafka.consume(p->reading, p->number, PATIENCE_MS);
    int64_t first = -1;
    if (message != NULL && (message->err == 0 || message->err == RD_KAFKA_PARTITION_EOF))
        first = message->err == 0 && message->offset < p->end ? message->offset : p->end;
    if (message != NULL)
        rdkafka.message_destroy(message);
    return first;
}

/* All are read at once. */
static void look_for_records(question *q, void *handle) {
    for (size_t i = 0; i < q->count; i++)
        if (may_be_markers(&q->partitions[i]))
            read_from_next(handle, &q->partitions[i]);
    bool answers = true; /* where one is waited for in vain, the others are not */
    for (size_t i = 0; i < q->count; i++) {
        partition *p = &q->partitions[i];
        if (p->reading == NULL)
            continue;
        if (answers)
            p->first = first_record(p);
        answers = answers && p->first >= 0;
        rdkafka.consume_stop(p->reading, p->number);
        rdkafka.topic_destroy(p->reading);
    }
}

/* ---- consumer groups ---- */

/* Makes room for one more, that has no offsets yet. Returns false when memory is short. */
static bool add_group(question *q, const char *name) {
    group *more = realloc(q->groups, (q->groups_count + 1) * sizeof *more);
    if (more == NULL)
        return false;
    q->groups = more;
    group *g = &q->groups[q->groups_count];
    *g = (group){.name = strdup(name), .offsets = malloc((q->count + 1) * sizeof *g->offsets)};
    q->groups_count++;
    for (size_t i = 0; g->offsets != NULL && i < q->count; i++)
        g->offsets[i] = -1;
    return g->name != NULL && g->offsets != NULL;
}

/* All groups of the cluster; those that cannot be described have a name, too. */
static bool find_groups(question *q, void *handle) {
    const rd_kafka_group_list *list = NULL;
    int error = rdkafka.list_groups(handle, NULL, &list, q->timeout_ms);
    if (list == NULL) {
        snprintf(q->problem, sizeof q->problem, "its consumer groups cannot be listed: %s", rdkafka.err2str(error));
        return false;
    }
    bool ok = true;
    for (int i = 0; ok && i < list->group_cnt; i++)
        ok = add_group(q, list->groups[i].group);
    rdkafka.group_list_destroy(list);
    if (!ok)
        snprintf(q->problem, sizeof q->problem, "not enough memory for its consumer groups");
    return ok;
}

static void ask_for(const question *q, void *handle, const group *g, void *queue) {
    rd_kafka_topic_partition_list *list = rdkafka.list_new((int)q->count);
    for (size_t i = 0; i < q->count; i++)
        rdkafka.list_add(list, q->partitions[i].topic, q->partitions[i].number);
    void *request = rdkafka.request_new(g->name, list);
    rdkafka.request(handle, &request, 1, NULL, queue);
    rdkafka.request_destroy(request);
    rdkafka.list_destroy(list);
}

static void take_offsets(question *q, const char *name, const rd_kafka_topic_partition_list *list) {
    for (size_t g = 0; g < q->groups_count; g++) {
        if (strcmp(q->groups[g].name, name) != 0)
            continue;
        for (int k = 0; list != NULL && k < list->cnt; k++)
            for (size_t i = 0; i < q->count; i++)
                if (list->elems[k].partition == q->partitions[i].number &&
                    strcmp(list->elems[k].topic, q->partitions[i].topic) == 0 && list->elems[k].err == 0)
                    q->groups[g].offsets[i] = list->elems[k].offset >= 0 ? list->elems[k].offset : -1;
    }
}

/* What one answer says. Returns false when it is an error. */
static bool take_event(question *q, void *event) {
    size_t count = 0;
    if (rdkafka.event_error(event) != 0) {
        snprintf(q->problem, sizeof q->problem, "the offsets of a consumer group: %s",
                 rdkafka.event_error_string(event));
        return false;
    }
    const void **groups = rdkafka.result_groups(rdkafka.event_result(event), &count);
    for (size_t i = 0; i < count; i++)
        take_offsets(q, rdkafka.group_name(groups[i]), rdkafka.group_partitions(groups[i]));
    return true;
}

/* All groups are asked for at once. */
static void look_up_groups(question *q, void *handle) {
    if (q->groups == NULL && !find_groups(q, handle))
        return;
    if (q->groups == NULL)
        return; /* the cluster has none */
    void *queue = rdkafka.queue_new(handle);
    for (size_t i = 0; i < q->groups_count; i++)
        ask_for(q, handle, &q->groups[i], queue);
    bool ok = true;
    for (size_t i = 0; ok && i < q->groups_count; i++) {
        void *event = rdkafka.queue_poll(queue, q->timeout_ms);
        if (event == NULL) {
            snprintf(q->problem, sizeof q->problem, "no answer of the offsets of consumer groups");
            break;
        }
        ok = take_event(q, event);
        rdkafka.event_destroy(event);
    }
    rdkafka.queue_destroy(queue);
}

static void answer(void *owned) {
    question *q = owned;
    void *handle = connect_to(q);
    if (handle != NULL) {
        if (q->of_groups)
            look_up_groups(q, handle);
        else if (look_up(q, handle, RD_KAFKA_OFFSET_BEGINNING) &&
                 look_up(q, handle, RD_KAFKA_OFFSET_END)) /* the ends last: what is written meanwhile is counted */
            look_for_records(q, handle);
        rdkafka.destroy(handle);
    }
    atomic_store(&q->answered, true);
}

/* ---- in Lua ---- */

static int question_gc(lua_State *L) {
    question **box = luaL_checkudata(L, 1, QUESTION);
    if (*box != NULL)
        thread_leave(&(*box)->work);
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

/* Takes a list of { topic, partition, next? } at the index, likewise. */
static bool take_partitions(lua_State *L, int index, question *q) {
    size_t count = (size_t)lua_rawlen(L, index);
    q->partitions = calloc(count + 1, sizeof *q->partitions);
    for (size_t i = 0; q->partitions != NULL && i < count; i++) {
        partition *p = &q->partitions[i];
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        lua_rawgeti(L, -3, 3);
        *p = (partition){.topic = strdup(lua_tostring(L, -3) != NULL ? lua_tostring(L, -3) : ""),
                         .number = (int32_t)lua_tointeger(L, -2),
                         .beginning = -1,
                         .end = -1,
                         .next = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1,
                         .first = -1};
        lua_pop(L, 4);
        if (p->topic == NULL)
            return false;
        q->count++;
    }
    return q->partitions != NULL;
}

/* Takes a list of names at the index, or nothing, likewise. */
static bool take_groups(lua_State *L, int index, question *q) {
    bool ok = true;
    size_t count = lua_istable(L, index) ? (size_t)lua_rawlen(L, index) : 0;
    for (size_t i = 0; ok && i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        ok = add_group(q, lua_tostring(L, -1) != NULL ? lua_tostring(L, -1) : "");
        lua_pop(L, 1);
    }
    return ok;
}

/* Asks for settings, partitions, seconds, and groups at the indexes 1 to 4. [-0, +(1|2), e] */
static int ask(lua_State *L, bool of_groups) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    double seconds = luaL_checknumber(L, 3);
    if (!kafka_has_library(L, of_groups))
        return 2;
    question **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = calloc(1, sizeof **box);
    luaL_setmetatable(L, QUESTION);
    if (*box != NULL) {
        thread_prepare(&(*box)->work, *box, answer, forget);
        (*box)->timeout_ms = (int)(seconds * 1000);
        (*box)->of_groups = of_groups;
    }
    if (*box == NULL || !take_settings(L, 1, *box) || !take_partitions(L, 2, *box) ||
        (of_groups && !take_groups(L, 4, *box)) || !thread_start(&(*box)->work))
        return luaL_error(L, "not enough memory to ask Kafka");
    return 1;
}

int kafka_ask(lua_State *L) {
    return ask(L, false);
}

int kafka_ask_groups(lua_State *L) {
    lua_settop(L, 4);
    return ask(L, true);
}

/* A number, or false when it is not known. [-0, +0, m] */
static void set_offset(lua_State *L, size_t index, int64_t offset) {
    if (offset < 0)
        lua_pushboolean(L, false);
    else
        lua_pushinteger(L, offset);
    lua_rawseti(L, -2, (lua_Integer)index + 1);
}

/* What each partition has at a place in its struct. [-0, +1, m] */
static void push_offsets(lua_State *L, const question *q, size_t place) {
    lua_createtable(L, (int)q->count, 0);
    for (size_t i = 0; i < q->count; i++)
        set_offset(L, i, *(const int64_t *)((const char *)&q->partitions[i] + place));
}

/* [-0, +1, m] */
static void push_groups(lua_State *L, const question *q) {
    lua_createtable(L, 0, (int)q->groups_count);
    for (size_t g = 0; g < q->groups_count; g++) {
        lua_createtable(L, (int)q->count, 0);
        for (size_t i = 0; i < q->count; i++)
            set_offset(L, i, q->groups[g].offsets[i]);
        lua_setfield(L, -2, q->groups[g].name);
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
    if (q->of_groups) {
        push_groups(L, q);
        return 2;
    }
    push_offsets(L, q, offsetof(partition, beginning));
    push_offsets(L, q, offsetof(partition, end));
    push_offsets(L, q, offsetof(partition, first));
    return 4;
}

void kafka_open(lua_State *L) {
    class_new(L, QUESTION, NULL, question_gc);
}
