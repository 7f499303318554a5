/* fnv1a: the 32-bit FNV-1a hash of Fowler, Noll and Vo: one xor and one multiplication a byte.
 *
 * Sarama and kafka-go choose the partition of a key by it. Not for hash tables that a peer can fill. */
#ifndef KFK_BASE_FNV1A_H
#define KFK_BASE_FNV1A_H
#include <stddef.h>
#include <stdint.h>

/* `data` may be NULL when len is 0. */
static inline uint32_t kfk_fnv1a(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t hash = 0x811c9dc5;
    for (size_t i = 0; i < len; i++) hash = (hash ^ p[i]) * 0x01000193;
    return hash;
}

#endif
