/* metadata: asking for brokers, topics and partitions, and reading the answer without believing it.
 *
 * What may stand in an answer is decided here, for all who read one. A broker whose id, host or port cannot be counts
 * as not named (its host could end up in a resolver or a log), and so do a partition and a topic that cannot be. What
 * is named twice counts once, the first time. Partitions and leaders are looked up by id; a table by index must not
 * become larger than the answer that fills it. */
#ifndef KFK_ENGINE_METADATA_H
#define KFK_ENGINE_METADATA_H
#include "engine/request.h"
#include "wire/gen/metadata.h"

/* Prepares a request for the named topics, copied into `memory`; with `topics` NULL for all of them (`all`) or for the
 * brokers alone. Named topics are created by brokers that are configured to do so, as in the Go package. The structs
 * and the memory must live as long as the request. 0, KAFKA_ENOMEM. */
int kfk_metadata_prepare(kfk_request *r, kfk_metadata_request *message, kfk_metadata_response *answer,
                         kfk_arena *memory, const char *const *topics, size_t count, bool all);

/* Of more brokers in one answer only so many are looked at; and no topic has a partition of a higher number. */
enum { KFK_METADATA_MOST_BROKERS = 10000, KFK_METADATA_LAST_PARTITION = 999999 };

/* Can a topic be called so? Nothing else may stand in metadata. */
bool kfk_metadata_topic_is_sane(kafka_bytes name);
/* Can it be the number of a partition? */
bool kfk_metadata_partition_is_sane(int32_t index);
/* May a broker be called so? */
bool kfk_metadata_broker_is_sane(const kfk_metadata_response_broker *b);
/* How many brokers of an answer are looked at; 0 also when it has none. */
int32_t kfk_metadata_broker_count(const kfk_metadata_response *r);
/* NULL when the answer does not speak of it. */
const kfk_metadata_response_topic *kfk_metadata_topic(const kfk_metadata_response *r, kafka_bytes name);

#endif
