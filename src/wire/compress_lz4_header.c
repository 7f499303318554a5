/* compress_lz4_header.c: 32-bit xxHash, of which a header needs 18 bytes at most. */
#include "wire/compress_lz4_header.h"

enum {
    AT_FLAGS = 4,
    HAS_CONTENT_SIZE = 0x08,
    HAS_DICTIONARY = 0x01,
    SMALLEST = 7 /* magic number, flags, block size, checksum */
};
static const uint32_t frame_magic = 0x184d2204;
static const uint32_t prime1 = 0x9e3779b1, prime2 = 0x85ebca77, prime3 = 0xc2b2ae3d, prime4 = 0x27d4eb2f,
                      prime5 = 0x165667b1;

static uint32_t load_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t rotate(uint32_t v, unsigned by)
{
    return v << by | v >> (32 - by);
}

/* Four lanes take four bytes each of every stripe of 16; the lanes begin apart from one another. */
static uint32_t hash_stripes(const uint8_t **p, const uint8_t *end)
{
    uint32_t lanes[4] = {prime1 + prime2, prime2, 0, 0 - prime1};
    for (; end - *p >= 16; *p += 16) {
        for (size_t i = 0; i < 4; i++) lanes[i] = rotate(lanes[i] + load_le32(*p + 4 * i) * prime2, 13) * prime1;
    }
    return rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
}

static uint32_t hash(const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;
    uint32_t h = (len >= 16 ? hash_stripes(&p, end) : prime5) + (uint32_t)len;
    for (; end - p >= 4; p += 4) h = rotate(h + load_le32(p) * prime3, 17) * prime4;
    for (; p < end; p++) h = rotate(h + *p * prime5, 11) * prime1;
    h = (h ^ h >> 15) * prime2;
    h = (h ^ h >> 13) * prime3;
    return h ^ h >> 16;
}

size_t kfk_lz4_header_size(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    if (len < SMALLEST || load_le32(p) != frame_magic) return 0;
    size_t size = SMALLEST;
    if ((p[AT_FLAGS] & HAS_CONTENT_SIZE) != 0) size += 8;
    if ((p[AT_FLAGS] & HAS_DICTIONARY) != 0) size += 4;
    return size <= len ? size : 0;
}

uint8_t kfk_lz4_header_checksum(const void *p, size_t size)
{
    return (uint8_t)(hash((const uint8_t *)p + AT_FLAGS, size - AT_FLAGS - 1) >> 8);
}

uint8_t kfk_lz4_header_old_checksum(const void *p, size_t size)
{
    return (uint8_t)(hash(p, size - 1) >> 8);
}
