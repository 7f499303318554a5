/* crc_slices: CRCs of 32 bits, reflected, by tables, eight bytes a step (slicing by eight). What crc32.c and crc32c.c
 * have in common: there the polynomials are. */
#ifndef KFK_BASE_CRC_SLICES_H
#define KFK_BASE_CRC_SLICES_H
#include <stddef.h>
#include <stdint.h>

typedef uint32_t kfk_crc_slices[8][256]; /* [i][b]: byte b followed by i zero bytes */

static inline void kfk_crc_slices_fill(kfk_crc_slices slices, uint32_t polynomial)
{
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

static inline uint32_t kfk_crc_slices_load_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* `crc` is that of the bytes before, 0 = none. */
static inline uint32_t kfk_crc_slices_update(kfk_crc_slices slices, uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;

    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint32_t low = crc ^ kfk_crc_slices_load_le32(p), high = kfk_crc_slices_load_le32(p + 4);
        crc = slices[7][low & 0xff] ^ slices[6][low >> 8 & 0xff] ^ slices[5][low >> 16 & 0xff] ^ slices[4][low >> 24];
        crc ^=
            slices[3][high & 0xff] ^ slices[2][high >> 8 & 0xff] ^ slices[1][high >> 16 & 0xff] ^ slices[0][high >> 24];
    }
    for (; len > 0; len--, p++) crc = crc >> 8 ^ slices[0][(crc ^ *p) & 0xff];
    return ~crc;
}

#endif
