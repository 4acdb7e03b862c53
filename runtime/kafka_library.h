/* kafka_library: what is used of librdkafka, as its header declares it. The library is looked for when it is first
 * needed, by its name, so that nobody else has to have it. */
#ifndef KMIRROR_KAFKA_LIBRARY_H
#define KMIRROR_KAFKA_LIBRARY_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

typedef struct rd_kafka_message {
    int err;
    void *topic;
    int32_t partition;
    void *payload;
    size_t length;
    void *key;
    size_t key_length;
    int64_t offset;
    void *own;
} rd_kafka_message;

typedef struct rd_kafka_group_info {
    struct {
        int32_t id;
        char *host;
        int port;
    } broker;
    char *group;
    int err;
    char *state, *protocol_type, *protocol;
    void *members;
    int member_cnt;
} rd_kafka_group_info;

typedef struct rd_kafka_group_list {
    rd_kafka_group_info *groups;
    int group_cnt;
} rd_kafka_group_list;

enum {
    RD_KAFKA_CONSUMER = 1,
    RD_KAFKA_CONF_OK = 0,
    RD_KAFKA_OFFSET_BEGINNING = -2,
    RD_KAFKA_OFFSET_END = -1,
    RD_KAFKA_PARTITION_EOF = -191
};

extern struct kafka_library {
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
    /* of single records */
    void *(*topic_new)(void *handle, const char *name, void *conf);
    void (*topic_destroy)(void *topic);
    int (*consume_start)(void *topic, int32_t partition, int64_t offset);
    int (*consume_stop)(void *topic, int32_t partition);
    rd_kafka_message *(*consume)(void *topic, int32_t partition, int timeout_ms);
    void (*message_destroy)(rd_kafka_message *message);
    /* of consumer groups */
    int (*list_groups)(void *handle, const char *group, const rd_kafka_group_list **list, int timeout_ms);
    void (*group_list_destroy)(const rd_kafka_group_list *list);
    void *(*queue_new)(void *handle);
    void (*queue_destroy)(void *queue);
    void *(*queue_poll)(void *queue, int timeout_ms);
    void *(*request_new)(const char *group, const rd_kafka_topic_partition_list *list);
    void (*request_destroy)(void *request);
    void (*request)(void *handle, void **requests, size_t count, const void *options, void *queue);
    int (*event_error)(void *event);
    const char *(*event_error_string)(void *event);
    void (*event_destroy)(void *event);
    const void *(*event_result)(void *event);
    const void **(*result_groups)(const void *result, size_t *count);
    const char *(*group_name)(const void *group);
    const rd_kafka_topic_partition_list *(*group_partitions)(const void *group);
} rdkafka;

/* Loads the library when that was not done yet. Without it, or where it lacks a function: pushes nil and what is wrong,
 * and returns false. [-0, +(0|2), m] */
bool kafka_has_library(lua_State *L, bool groups);

#endif
