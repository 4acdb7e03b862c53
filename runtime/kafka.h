/* kafka: where the partitions of topics begin and end, asked of a Kafka cluster by librdkafka. The library is loaded
 * when it is first needed, so that nobody else has to have it. What waits for the cluster is a thread of its own: Lua
 * looks now and then whether it is done. */
#ifndef KMIRROR_KAFKA_H
#define KMIRROR_KAFKA_H

#include <lua.h>

/* kafka_ask(settings, partitions, seconds) -> a question | nil, why it cannot be asked
 * settings: librdkafka's, by name; partitions: { {topic, partition}, … } */
int kafka_ask(lua_State *L);
/* kafka_answer(question) -> nil: not yet | true, beginnings, ends (lists as long as the partitions; false: not known)
 * | false, problem */
int kafka_answer(lua_State *L);
/* What questions are made of. [-0, +0, m] */
void kafka_open(lua_State *L);

#endif
