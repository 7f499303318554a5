/* describe: a topic as metadata shows it, for people and for programs. */
#ifndef KC_DESCRIBE_H
#define KC_DESCRIBE_H
#include "json.h"
#include <kafka/kafka.h>

/* The partitions of one topic: a run within a list that is sorted by topic. */
typedef struct kc_topic {
    const kafka_partition *items;
    size_t count;
} kc_topic;

/* The topic whose first partition is all->items[at]. */
kc_topic kc_topic_next(const kafka_partitions *all, size_t at);
/* The most replicas that one of its partitions has. */
size_t kc_topic_replicas(const kc_topic *t);
/* object["id"], as Kafka's own tools print it; null from brokers without topic ids. */
void kc_topic_set_id(json_t *object, const kc_topic *t);

/* All there is to know about it: {"topic":...,"id":...,"internal":...,"partitions":[{...},...]}. */
json_t *kc_topic_json(const kc_topic *t);
/* The same on standard output, with stdio: a line for the topic and a table of its partitions. */
void kc_topic_print(const kc_topic *t);

#endif
