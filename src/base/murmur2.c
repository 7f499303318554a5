/* murmur2.c: the constants and the order of operations are the published algorithm's: words read little endian, the
 * rest of up to three bytes folded in behind them. The tests hold results of Java's code.
 *
 * Java's bytes are signed but masked before use, so bytes above 127 need nothing special here. */
#include "base/murmur2.h"

static const uint32_t multiplier = 0x5bd1e995, seed = 0x9747b28c;

static inline uint32_t mix(uint32_t hash, const unsigned char *p)
{
    uint32_t word = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    word *= multiplier;
    word ^= word >> 24;
    return hash * multiplier ^ word * multiplier;
}

uint32_t kfk_murmur2(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t hash = seed ^ (uint32_t)len;
    for (; len >= 8; p += 8, len -= 8) hash = mix(mix(hash, p), p + 4);
    if (len >= 4) {
        hash = mix(hash, p);
        p += 4;
        len -= 4;
    }
    if (len > 0) {
        for (size_t i = 0; i < len; i++) hash ^= (uint32_t)p[i] << (8 * i);
        hash *= multiplier;
    }
    hash ^= hash >> 13;
    hash *= multiplier;
    return hash ^ hash >> 15;
}
