/* kafka/balancer.h: which partition a message goes to.
 *
 * A balancer belongs to whoever made it and is counted: a writer that was given one holds a reference of its own, so it
 * can be freed as soon as the writer is made, and several writers may share one.
 *
 * It keeps its state, such as whose turn it is, for each topic apart. The topic is that of the message; messages
 * without one have a state in common. In a writer it is the topic that the message is written to. Beyond 65 536 topics
 * of one balancer further ones share a state.
 *
 * Which partitions it chooses from. A writer hands over the numbers of all partitions of the topic, ascending, where
 * the choice has to stay the same while brokers come and go: for keys that are hashed, for the manual balancer and for
 * functions of the application. For everything else it hands over those that have a leader, if there are any.
 *
 * Threads: all functions may be called from any thread, several at once with the same balancer, free excepted. None
 * waits, but for a function of the application that another thread is in. A forked child can only free those of its
 * parent, which leaves them where they are and destroys nothing. */
#ifndef KAFKA_BALANCER_H
#define KAFKA_BALANCER_H
#include <kafka/error.h>
#include <kafka/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kafka_balancer kafka_balancer;

/* ---- functions of the application -------------------------------------------------------------------------------- */

/* kafka_balance_fn returns one of the `count` (at least 1) numbers at `partitions`. A message for which it returns
 * anything else fails with KAFKA_EINVAL. The message is the one that is written, with its topic, headers and partition;
 * time and userdata may be missing. It and the list are valid during the call.
 *
 * It runs on the thread that writes; where the topic's partitions were not known yet, on whichever works for the
 * library when they become known, which may be one of the application's that is in a call. It holds that up, and is
 * never called twice at once for one balancer. It is a callback like any other (kafka.h): it may use the library, but
 * calls that would have to wait return KAFKA_EAGAIN. It may ask other balancers, if these do not ask this one in turn;
 * this one answers it with KAFKA_EAGAIN. */
typedef int32_t (*kafka_balance_fn)(void *userdata, const kafka_message *, const int32_t *partitions, size_t count);
/* kafka_hash32_fn returns a number that depends on the `len` bytes alone; `data` may be NULL when len is 0. It runs as
 * a kafka_balance_fn does, never twice at once for one balancer. */
typedef uint32_t (*kafka_hash32_fn)(const void *data, size_t len);

/* ---- making one -------------------------------------------------------------------------------------------------- */

/* All of these return NULL when there is no memory (and kafka_balancer_func without a function); kafka_last_error()
 * says so. "Null key" is a key whose data is NULL; an empty one is a key unless something else is said. */

/* kafka_balancer_func asks `balance`. `destroy`, which may be NULL, is called with the userdata once nobody holds the
 * balancer any more, on the thread that lets go last, which may be the loop's; not when NULL is returned: what the
 * userdata is then stays the caller's. */
KAFKA_API kafka_balancer *kafka_balancer_func(kafka_balance_fn balance, void *userdata, void (*destroy)(void *));

/* kafka_balancer_round_robin takes one after the other, beginning with the first, whatever the key: messages with the
 * same key go to different partitions. */
KAFKA_API kafka_balancer *kafka_balancer_round_robin(void);

/* kafka_balancer_least_bytes takes the partition that it has sent the fewest bytes to, keys and values counted, the
 * lowest number where several have the fewest. When the set of partitions changes, all begin again at 0. */
KAFKA_API kafka_balancer *kafka_balancer_least_bytes(void);

/* kafka_balancer_hash chooses by the key as the hash partitioner of Sarama (Go) does: the hash is read as a signed
 * 32-bit number, the remainder by the count keeps its sign and loses it then. `hash` NULL is FNV-1a, Sarama's. Messages
 * with a null key take turns; only they move the turn. */
KAFKA_API kafka_balancer *kafka_balancer_hash(kafka_hash32_fn hash);
/* kafka_balancer_reference_hash is Sarama's reference hash partitioner: the remainder of the lower 31 bits of the hash.
 * Messages with a null key go anywhere, at random. */
KAFKA_API kafka_balancer *kafka_balancer_reference_hash(kafka_hash32_fn hash);

/* kafka_balancer_murmur2 chooses by the key as Java's producer does, and all that follow it. A null key goes anywhere,
 * at random (librdkafka's `murmur2_random`), or with `consistent` where an empty one goes (its `murmur2`). For null
 * keys as Java places them take kafka_balancer_sticky. */
KAFKA_API kafka_balancer *kafka_balancer_murmur2(bool consistent);

/* kafka_balancer_crc32 chooses by the CRC-32 of the key as librdkafka does. Null and empty keys, which are the same
 * here, go anywhere, at random (its `consistent_random`), or with `consistent` to the first of the list (its
 * `consistent`). */
KAFKA_API kafka_balancer *kafka_balancer_crc32(bool consistent);

/* kafka_balancer_sticky is what Java's producer does without a partitioner: messages with a key go where
 * kafka_balancer_murmur2 sends them; those with a null key stay with one partition for 16 KiB, so that batches are
 * large, and then go on to another one, at random (KIP-480, KIP-794). */
KAFKA_API kafka_balancer *kafka_balancer_sticky(void);

/* kafka_balancer_manual takes the message's `partition`, which all others ignore. */
KAFKA_API kafka_balancer *kafka_balancer_manual(void);

/* ---- using one --------------------------------------------------------------------------------------------------- */

/* kafka_balancer_balance returns the partition for a message, as a writer would ask for it: what the balancer decided,
 * one of the `count` numbers at `partitions` unless the manual balancer or a function of the application said something
 * else. Failures are codes of the library, all of them below -99: KAFKA_EINVAL (an argument is NULL, the list empty or
 * longer than a topic's can be), KAFKA_ENOMEM (no state for a topic that is new to the balancer), KAFKA_EAGAIN (called
 * by the balancer's own function), KAFKA_EFORKED. */
KAFKA_API int32_t kafka_balancer_balance(kafka_balancer *, const kafka_message *, const int32_t *partitions,
                                         size_t count);
/* kafka_balancer_free drops the caller's reference; writers that have it go on. NULL is fine. */
KAFKA_API void kafka_balancer_free(kafka_balancer *);

#ifdef __cplusplus
}
#endif
#endif
