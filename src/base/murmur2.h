/* murmur2: the hash by which Java's producer, and so everybody else, chooses the partition of a key.
 *
 * It is 32-bit MurmurHash2 with Kafka's seed, as org.apache.kafka.common.utils.Utils has it, bit for bit. Not for hash
 * tables that a peer can fill: the seed is known to all. */
#ifndef KFK_BASE_MURMUR2_H
#define KFK_BASE_MURMUR2_H
#include <stddef.h>
#include <stdint.h>

/* `data` may be NULL when len is 0. */
uint32_t kfk_murmur2(const void *data, size_t len);

#endif
