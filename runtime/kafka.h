/* kafka: where the partitions of topics begin and end, and where consumer groups are on them, asked of a Kafka cluster
 * by librdkafka. The library is loaded when it is first needed, so that nobody else has to have it. What waits for the
 * cluster is a thread of its own: Lua looks now and then whether it is done. */
#ifndef KMIRROR_KAFKA_H
#define KMIRROR_KAFKA_H

#include <lua.h>

/* kafka_ask(settings, partitions, seconds) -> a question | nil, why it cannot be asked
 * settings: librdkafka's, by name; partitions: { {topic, partition, next?}, … }, where `next` asks for the first record
 * from that offset on, when so little is behind it that it may all be markers of transactions */
int kafka_ask(lua_State *L);
/* kafka_ask_groups(settings, partitions, seconds, groups) -> likewise
 * groups: their names; nil or none: all of the cluster. Asked for is where they have committed on the partitions. */
int kafka_ask_groups(lua_State *L);
/* kafka_answer(question) -> nil: not yet | true, beginnings, ends, firsts (lists as long as the partitions; false: not
 * known; the first record from `next` on, or the end) | true, groups (by name a list as long as the partitions; false: nothing committed) | false, problem */
int kafka_answer(lua_State *L);
/* What questions are made of. [-0, +0, m] */
void kafka_open(lua_State *L);

#endif
