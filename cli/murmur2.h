/* murmur2: the hash by which Java's producer, and so everybody else, chooses the partition of a key. */
#ifndef KC_MURMUR2_H
#define KC_MURMUR2_H
#include <stddef.h>
#include <stdint.h>

/* The 32-bit murmur2 of org.apache.kafka.common.utils.Utils (kafka-clients), bit for bit. */
uint32_t kc_murmur2(const void *data, size_t len);
/* The partition, from 0, of `count` (> 0) that Java's default partitioner gives to a key. An empty key is a key. */
int32_t kc_murmur2_partition(const void *key, size_t len, int32_t count);

#endif
