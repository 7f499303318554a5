/* compress: the codecs of record data, gzip, snappy, lz4 and zstd, in the framings that Kafka's other clients read.
 *
 * Each is optional at build time (KAFKA_HAVE_GZIP ...); one that was left out is KAFKA_ECODEC when used. Output is
 * appended to a buffer whose limit bounds it: growing is incremental, a size that a stream declares is believed only
 * within bounds, so that a peer costs us at most the limit. Contexts of the libraries are kept and reused, at most a
 * few of each kind.
 *
 * Threads: every function may run on several threads at once; none blocks. No lock is held, so a fork is harmless. */
#ifndef KFK_WIRE_COMPRESS_H
#define KFK_WIRE_COMPRESS_H
#include "base/buf.h"
#include "base/error.h"
#include <stddef.h>
#include <sys/uio.h>

/* Values of the codec bits of a batch. */
enum {
    KFK_CODEC_NONE = 0,
    KFK_CODEC_GZIP = 1,
    KFK_CODEC_SNAPPY = 2,
    KFK_CODEC_LZ4 = 3,
    KFK_CODEC_ZSTD = 4,
    KFK_CODEC_MAX = 7,
    KFK_CODEC_LZ4_OLD = 8 /* on no wire: lz4 as messages of format 0 have it (compress_lz4_header.h) */
};

/* A codec: a constant object, one per algorithm. */
typedef struct kfk_codec kfk_codec;
struct kfk_codec {
    const char *name;
    int code;
    int min_level, max_level; /* levels it takes beside 0; both 0 = it has none and ignores them */
    /* Appends one stream that holds the chunks of `src` one behind the other. */
    int (*compress)(const kfk_codec *self, int level, const struct iovec *src, int src_count, kfk_buf *dst,
                    kfk_error *err);
    /* Appends what all streams of `src` hold. */
    int (*decompress)(const kfk_codec *self, const void *src, size_t len, kfk_buf *dst, kfk_error *err);
    /* Frees the contexts that are kept for reuse. */
    void (*trim)(void);
    void *userdata; /* of a codec that the application brought */
};

/* The codec of a code, or NULL: unknown, or neither built in nor brought along by the application. */
const kfk_codec *kfk_compress_find(int code);
/* The same, whatever the application brought along. */
const kfk_codec *kfk_compress_built_in(int code);
/* The codec of a code, 1 to KFK_CODEC_MAX, from now on; it must stay valid for ever. NULL: the built-in one again. */
void kfk_compress_replace(int code, const kfk_codec *codec);
/* "gzip"; "codec 6" has no name: NULL. Known codes have one also when not built in. */
const char *kfk_compress_name(int code);

/* Appends the chunks of `src`, compressed, to `dst`. level: 0 = the codec's default, else its own scale. Code 0 copies.
 * On failure `dst` keeps its old content, and more may stand behind it.
 *
 *  KAFKA_ECODEC   unknown, or not built in: the text names it.
 *  KAFKA_EINVAL   the codec has no such level.
 *  KAFKA_ETOOBIG  beyond dst->limit.
 *  KAFKA_ENOMEM */
int kfk_compress(int code, int level, const struct iovec *src, int src_count, kfk_buf *dst, kfk_error *err);

/* The same with this codec. */
int kfk_compress_with(const kfk_codec *c, int level, const struct iovec *src, int src_count, kfk_buf *dst,
                      kfk_error *err);

/* Appends what `src` holds, inflated, to `dst`.
 *
 *  KAFKA_ETOOBIG  it would exceed dst->limit; found out without allocating more than that.
 *  KAFKA_ECORRUPT damaged, truncated, followed by garbage, or a frame that Kafka's clients do not read. No bytes at all
 *                 are a truncated stream too.
 *  KAFKA_ECODEC, KAFKA_ENOMEM as above. */
int kfk_decompress(int code, const void *src, size_t len, kfk_buf *dst, kfk_error *err);

/* Frees all contexts that are kept for reuse. Contexts in use at this moment come back later. */
void kfk_compress_trim(void);

#endif
