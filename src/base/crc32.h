/* crc32: the CRC of messages of formats 0 and 1, that of zlib and Ethernet (polynomial 0x04c11db7).
 *
 * Newer formats use CRC-32C (base/crc32c.h), for which processors have instructions.
 *
 * Threads: safe from any thread, the first call too. */
#ifndef KFK_BASE_CRC32_H
#define KFK_BASE_CRC32_H
#include <stddef.h>
#include <stdint.h>

/* Continues `crc`, which is 0 for the first bytes. */
uint32_t kfk_crc32(uint32_t crc, const void *data, size_t len);

#endif
