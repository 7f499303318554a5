/* lists: the objects that describe a cluster to an application, each one allocation that is freed whole. */
#ifndef KFK_API_LISTS_H
#define KFK_API_LISTS_H
#include "kafka/types.h"

/* Deep copies: strings and arrays are the new object's. A host or topic that is NULL becomes "", a rack stays NULL.
 * 0 or KAFKA_ENOMEM, without a text; `*out` is set on success only. */
int kfk_broker_new_copy(const kafka_broker *from, kafka_broker **out);
/* In the order given. */
int kfk_brokers_new(const kafka_broker *items, size_t count, kafka_brokers **out);
/* Sorted by topic, then id. */
int kfk_partitions_new(const kafka_partition *items, size_t count, kafka_partitions **out);

#endif
