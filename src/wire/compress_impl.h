/* compress_impl: what the files of the codecs share; for compress*.c here and in api/ alone. */
#ifndef KFK_WIRE_COMPRESS_IMPL_H
#define KFK_WIRE_COMPRESS_IMPL_H
#include "wire/compress.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern const kfk_codec kfk_codec_gzip, kfk_codec_snappy, kfk_codec_lz4, kfk_codec_lz4_old, kfk_codec_zstd;

/* Contexts of one kind that wait for their next use. Zero is an empty pool. */
enum { KFK_POOL_SLOTS = 8 };
typedef struct kfk_compress_pool {
    _Atomic(void *) slots[KFK_POOL_SLOTS];
} kfk_compress_pool;
/* A context, which is the caller's until it gives it back, or NULL: make one. */
void *kfk_compress_pool_take(kfk_compress_pool *pool);
/* False when all slots are taken: the context stays the caller's, to free. */
bool kfk_compress_pool_give(kfk_compress_pool *pool, void *ctx);

/* Room behind the content of `dst`: all that it has, at least `want` bytes if its limit allows; *room = how much, 0 at
 * the limit. NULL without memory (dst->err). */
uint8_t *kfk_compress_room(kfk_buf *dst, size_t want, size_t *room);

/* A place for output that has to be offered its worst case although it will turn out smaller: in `dst`, or, where the
 * limit is nearer than the worst case, in a block of its own that is appended afterwards. */
typedef struct kfk_compress_stage {
    uint8_t *at;  /* `need` bytes */
    uint8_t *own; /* the block, or NULL */
} kfk_compress_stage;
/* 0 or KAFKA_ENOMEM. */
int kfk_compress_stage_open(kfk_compress_stage *s, kfk_buf *dst, size_t need);
/* `used` bytes of it become content of `dst` (0 gives it up). 0, KAFKA_ETOOBIG or KAFKA_ENOMEM. */
int kfk_compress_stage_close(kfk_compress_stage *s, kfk_buf *dst, size_t used);

/* All bytes of the chunks. */
size_t kfk_compress_total(const struct iovec *src, int src_count);

/* The failures, in words, returned as codes. Of the output buffer: no memory, or its limit, which is then its error. */
int kfk_compress_too_big(const kfk_codec *c, kfk_buf *dst, kfk_error *err);
int kfk_compress_no_memory(const kfk_codec *c, kfk_error *err);
int kfk_compress_corrupt(const kfk_codec *c, kfk_error *err, const char *why);
int kfk_compress_truncated(const kfk_codec *c, kfk_error *err);
/* One of the first two, as `code` says. */
int kfk_compress_failed(const kfk_codec *c, int code, kfk_buf *dst, kfk_error *err);

#endif
