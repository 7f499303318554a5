/* kafka/compress.h: compression codecs of the application's own, in place of the built-in ones or beside them.
 *
 * The records of a batch are compressed as a whole, and the batch carries the code of its codec: 1 to 4 are gzip,
 * snappy, lz4 and zstd (kafka_compression), 5 to 7 mean nothing to Kafka. A codec that is registered here is used from
 * then on for everything that is written with its code and everything read that carries it, in all objects of the
 * process. Brokers look into batches as well: one that is given a code beyond 4, or bytes that its own codec does not
 * read, refuses them. */
#ifndef KAFKA_COMPRESS_H
#define KAFKA_COMPRESS_H
#include <kafka/error.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- output ------------------------------------------------------------------------------------------------------ */

/* kafka_buf is where a codec puts its output. It belongs to the library, lives as long as the call that it was handed
 * to, and is used by that thread alone. It grows by itself up to a limit, which bounds what a few bytes of a peer's can
 * inflate to.
 *
 * Its first failure sticks: nothing is appended any more, and the call that the codec works for fails whatever the
 * codec returns, with KAFKA_ETOOBIG beyond the limit, KAFKA_ENOMEM, or, where a codec breaks the contract of these
 * functions (they return KAFKA_EINVAL then), KAFKA_ECODEC. */
typedef struct kafka_buf kafka_buf;
/* kafka_buf_append copies `len` bytes behind what is there. 0, or the error that sticks. */
KAFKA_API int kafka_buf_append(kafka_buf *, const void *data, size_t len);
/* kafka_buf_reserve returns room for `len` bytes behind what is there, to be written to in place, or NULL when there is
 * none: the error sticks. The room is good until the next append or reserve. It is not zeroed. */
KAFKA_API void *kafka_buf_reserve(kafka_buf *, size_t len);
/* kafka_buf_commit makes the next `used` bytes of the reserved room part of the output; bytes that are not committed
 * are forgotten. More than was reserved is KAFKA_EINVAL, and nothing is committed. */
KAFKA_API void kafka_buf_commit(kafka_buf *, size_t used);

/* ---- codecs ------------------------------------------------------------------------------------------------------ */

/* kafka_codec is a codec. Its functions run on whatever thread writes or reads, on several at once, and hold it up.
 * They may use the library, but calls that would have to wait return KAFKA_EAGAIN; they must neither throw nor longjmp.
 * `userdata` and what the functions need has to stay until the process ends. */
typedef struct kafka_codec {
    const char *name; /* for texts: "gzip" */
    void *userdata;
    /* encode appends `len` bytes at `src`, compressed, to `dst`. `level` is the codec's own scale, 0 = its default. 0,
     * or why not: KAFKA_EINVAL (no such level), KAFKA_ENOMEM, KAFKA_ETOOBIG; the write fails with that code, and with
     * KAFKA_ECODEC for anything else. */
    int (*encode)(void *userdata, int level, const void *src, size_t len, kafka_buf *dst);
    /* decode appends what the `len` bytes at `src` hold to `dst`. They may be damaged, or made to do harm: check them.
     * 0, or why not: KAFKA_ECORRUPT, KAFKA_ENOMEM, KAFKA_ETOOBIG; the read fails with that code, and with
     * KAFKA_ECORRUPT for anything else. What came out is checked like any other batch. */
    int (*decode)(void *userdata, const void *src, size_t len, kafka_buf *dst);
    int32_t code, reserved; /* 1 to 7 */
    int64_t reserved2[2];
} kafka_codec;

/* kafka_codec_register makes the codec the one of its code, in place of a built-in one or one that was registered
 * before. The struct is copied, the name too. Batches that are under way in another thread are finished with the codec
 * that they began with, so the replaced one must go on working. Registering what kafka_codec_find had returned brings
 * that one back. It does not block, and any thread may call it at any time.
 *
 * KAFKA_EINVAL: no name or function, a code that is not 1 to 7, a reserved field that is not 0. KAFKA_ETOOBIG: a
 * process can register 256 different codecs, all of which are kept. KAFKA_ENOMEM. */
KAFKA_API int kafka_codec_register(const kafka_codec *);
/* kafka_codec_find returns the codec that is in use for a code, built-in ones included, or NULL: that code has none, as
 * when it was not built in. It stays valid, and the same, until the process ends. Its functions may be called by codecs
 * that build on it, with the kafka_buf that they were given; levels of built-in ones: gzip 1 to 9, lz4 1 to 17, zstd as
 * libzstd, snappy ignores them. */
KAFKA_API const kafka_codec *kafka_codec_find(int32_t code);

#ifdef __cplusplus
}
#endif
#endif
