/* murmur2.c: Kafka's murmur2: seed 0x9747b28c, words read little endian, the partition from the lower 31 bits.
 *
 * The constants and the order of operations are the published algorithm's; the tests hold results of Java's code. */
#include "murmur2.h"

static const uint32_t multiplier = 0x5bd1e995, seed = 0x9747b28c;

uint32_t kc_murmur2(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t hash = seed ^ (uint32_t)len;
    for (; len >= 4; p += 4, len -= 4) {
        uint32_t word = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        word *= multiplier;
        word ^= word >> 24;
        hash = hash * multiplier ^ word * multiplier;
    }
    if (len > 0) {
        for (size_t i = 0; i < len; i++) hash ^= (uint32_t)p[i] << (8 * i);
        hash *= multiplier;
    }
    hash ^= hash >> 13;
    hash *= multiplier;
    return hash ^ hash >> 15;
}

int32_t kc_murmur2_partition(const void *key, size_t len, int32_t count)
{
    return (int32_t)(kc_murmur2(key, len) & 0x7fffffff) % count;
}
