#include "kafka_library.h"

#include <dlfcn.h>

struct kafka_library rdkafka;

typedef struct symbol {
    const char *name;
    void **function;
} symbol;

static const symbol for_offsets[] = {{"rd_kafka_conf_new", (void **)&rdkafka.conf_new},
                                     {"rd_kafka_conf_set", (void **)&rdkafka.conf_set},
                                     {"rd_kafka_conf_set_log_cb", (void **)&rdkafka.conf_set_log_cb},
                                     {"rd_kafka_conf_destroy", (void **)&rdkafka.conf_destroy},
                                     {"rd_kafka_new", (void **)&rdkafka.new},
                                     {"rd_kafka_destroy", (void **)&rdkafka.destroy},
                                     {"rd_kafka_topic_partition_list_new", (void **)&rdkafka.list_new},
                                     {"rd_kafka_topic_partition_list_add", (void **)&rdkafka.list_add},
                                     {"rd_kafka_topic_partition_list_destroy", (void **)&rdkafka.list_destroy},
                                     {"rd_kafka_offsets_for_times", (void **)&rdkafka.offsets_for_times},
                                     {"rd_kafka_err2str", (void **)&rdkafka.err2str},
                                     {"rd_kafka_topic_new", (void **)&rdkafka.topic_new},
                                     {"rd_kafka_topic_destroy", (void **)&rdkafka.topic_destroy},
                                     {"rd_kafka_consume_start", (void **)&rdkafka.consume_start},
                                     {"rd_kafka_consume_stop", (void **)&rdkafka.consume_stop},
                                     {"rd_kafka_consume", (void **)&rdkafka.consume},
                                     {"rd_kafka_message_destroy", (void **)&rdkafka.message_destroy},
                                     {NULL, NULL}};

/* Since librdkafka 2.0. */
static const symbol for_groups[] = {
    {"rd_kafka_list_groups", (void **)&rdkafka.list_groups},
    {"rd_kafka_group_list_destroy", (void **)&rdkafka.group_list_destroy},
    {"rd_kafka_queue_new", (void **)&rdkafka.queue_new},
    {"rd_kafka_queue_destroy", (void **)&rdkafka.queue_destroy},
    {"rd_kafka_queue_poll", (void **)&rdkafka.queue_poll},
    {"rd_kafka_ListConsumerGroupOffsets_new", (void **)&rdkafka.request_new},
    {"rd_kafka_ListConsumerGroupOffsets_destroy", (void **)&rdkafka.request_destroy},
    {"rd_kafka_ListConsumerGroupOffsets", (void **)&rdkafka.request},
    {"rd_kafka_event_error", (void **)&rdkafka.event_error},
    {"rd_kafka_event_error_string", (void **)&rdkafka.event_error_string},
    {"rd_kafka_event_destroy", (void **)&rdkafka.event_destroy},
    {"rd_kafka_event_ListConsumerGroupOffsets_result", (void **)&rdkafka.event_result},
    {"rd_kafka_ListConsumerGroupOffsets_result_groups", (void **)&rdkafka.result_groups},
    {"rd_kafka_group_result_name", (void **)&rdkafka.group_name},
    {"rd_kafka_group_result_partitions", (void **)&rdkafka.group_partitions},
    {NULL, NULL}};

/* Returns NULL, or the name of the first that the library does not have. */
static const char *resolve(const symbol *symbols) {
    for (const symbol *s = symbols; s->name != NULL; s++)
        if (*s->function == NULL && (*s->function = dlsym(rdkafka.library, s->name)) == NULL)
            return s->name;
    return NULL;
}

bool kafka_has_library(lua_State *L, bool groups) {
    const char *lacking = NULL;
    if (rdkafka.library == NULL)
        rdkafka.library = dlopen("librdkafka.so.1", RTLD_NOW | RTLD_LOCAL);
    if (rdkafka.library != NULL && (lacking = resolve(for_offsets)) == NULL && groups)
        lacking = resolve(for_groups);
    if (rdkafka.library != NULL && lacking == NULL)
        return true;
    lua_pushnil(L);
    if (rdkafka.library == NULL)
        lua_pushliteral(L, "librdkafka is not there: install Debian's librdkafka1, or what has librdkafka.so.1");
    else
        lua_pushfstring(L, "the librdkafka.so.1 of this machine lacks %s: it needs librdkafka %s or later", lacking,
                        groups ? "2.0" : "1.0");
    return false;
}
