/* crc32.c: eight bytes a step through eight tables of 256 entries (slicing by eight).
 *
 * zlib has this function as well, but the library can be built without zlib and must read old messages all the same:
 * one implementation is simpler than a choice. The tables are computed once, by whoever comes first. */
#include "base/crc32.h"
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint32_t slices[8][256]; /* slices[i][b]: byte b followed by i zero bytes */

static void fill_slices(void)
{
    static const uint32_t polynomial = 0xedb88320; /* reflected */
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (polynomial & (0 - (crc & 1)));
        slices[0][byte] = crc;
    }
    for (int i = 1; i < 8; i++) {
        for (int byte = 0; byte < 256; byte++) {
            uint32_t crc = slices[i - 1][byte];
            slices[i][byte] = crc >> 8 ^ slices[0][crc & 0xff];
        }
    }
}

static uint32_t load_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t kfk_crc32(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;

    pthread_once(&once, fill_slices);
    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint32_t low = crc ^ load_le32(p), high = load_le32(p + 4);
        crc = slices[7][low & 0xff] ^ slices[6][low >> 8 & 0xff] ^ slices[5][low >> 16 & 0xff] ^ slices[4][low >> 24];
        crc ^=
            slices[3][high & 0xff] ^ slices[2][high >> 8 & 0xff] ^ slices[1][high >> 16 & 0xff] ^ slices[0][high >> 24];
    }
    for (; len > 0; len--, p++) crc = crc >> 8 ^ slices[0][(crc ^ *p) & 0xff];
    return ~crc;
}
