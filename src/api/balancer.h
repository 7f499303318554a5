/* balancer: what the writer asks balancers (kafka/balancer.h).
 *
 * The writer looks up a topic's state once (kfk_balancer_topic_of) and asks by that for every message, so that a choice
 * costs neither a look-up nor, but for least bytes and functions of the application, a lock.
 *
 * Threads: everything here may be called from any thread, several at once. */
#ifndef KFK_API_BALANCER_H
#define KFK_API_BALANCER_H
#include "base/error.h"
#include "base/murmur2.h"
#include "kafka/balancer.h"
#include <stdbool.h>

/* A balancer's state for one topic. It lives as long as the balancer. */
typedef struct kfk_balancer_topic kfk_balancer_topic;

/* The partitions of a topic, both lists ascending. `led` are those that have a leader; none is as good as all. */
typedef struct kfk_balancer_offer {
    const int32_t *all, *led;
    size_t all_count, led_count;
} kfk_balancer_offer;

/* A reference, which kafka_balancer_free drops. NULL is fine. */
kafka_balancer *kfk_balancer_hold(kafka_balancer *b);
/* The state for a topic, made now if need be: the same for the same topic from then on. NULL without memory. */
kfk_balancer_topic *kfk_balancer_topic_of(kafka_balancer *b, const char *topic, size_t len);
/* Does it run functions of the application when it is asked? */
bool kfk_balancer_is_foreign(const kafka_balancer *b);
/* Does nobody have to be asked where there is one partition only? */
bool kfk_balancer_is_sure_of_one(const kafka_balancer *b);
/* Does a message with a key go where Java's producer would send it, whoever leads the partition? */
bool kfk_balancer_hashes_as_java(const kafka_balancer *b);
/* And that is the partition of this index, of so many. A null key counts as an empty one. */
static inline uint32_t kfk_balancer_java_index(kafka_bytes key, uint32_t count)
{
    return (kfk_murmur2(key.data, key.len) & INT32_MAX) % count;
}
/* The partition for a message: one of offer->all. Or a code of the library in *err: KAFKA_EINVAL when there is no
 * partition or the choice was none that was offered, KAFKA_EAGAIN when the balancer's own function asks, KAFKA_EFORKED,
 * KAFKA_ENOMEM. The message may leave its topic out. Functions of the application run inside. */
int32_t kfk_balancer_pick(kfk_balancer_topic *t, const kafka_message *m, const kfk_balancer_offer *offer,
                          kfk_error *err);

#endif
