/* compress_snappy_block: blocks of snappy, without any framing, from C.
 *
 * libsnappy is C++ and allocates with `new`; nothing it throws leaves these functions. */
#ifndef KFK_WIRE_COMPRESS_SNAPPY_BLOCK_H
#define KFK_WIRE_COMPRESS_SNAPPY_BLOCK_H
#include <stddef.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A position in a list of chunks. */
typedef struct kfk_snappy_cursor {
    const struct iovec *chunk; /* the current one, of which `used` bytes were taken */
    size_t used;
} kfk_snappy_cursor;

/* Most bytes that `len` bytes become. */
size_t kfk_snappy_block_bound(size_t len);
/* Compresses the next `len` bytes, which the chunks must have, into `dst` with room for kfk_snappy_block_bound(len).
 * 0 or KAFKA_ENOMEM. */
int kfk_snappy_block_compress(kfk_snappy_cursor *src, size_t len, void *dst, size_t *made);
/* The size that a block declares, not checked in any way. 0 or KAFKA_ECORRUPT. */
int kfk_snappy_block_size(const void *src, size_t len, size_t *size);
/* Inflates a block into `dst` with room for kfk_snappy_block_size. 0, KAFKA_ECORRUPT or KAFKA_ENOMEM. */
int kfk_snappy_block_inflate(const void *src, size_t len, void *dst);

#ifdef __cplusplus
}
#endif
#endif
