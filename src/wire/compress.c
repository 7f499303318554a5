/* compress.c: finding a codec, and what they have in common.
 *
 * A codec is a constant object with functions; the first table below holds those that were built in, the second what
 * the application brought along. Whatever differs between them is in a file of their own. A codec that was found is
 * used without being held: those of an application are never freed.
 *
 * Memory. Nothing a stream says about its size is believed further than the limit of the output buffer, and output
 * grows as it is made. All codecs write straight into that buffer: what they decode into windows of their own would
 * come on top of the limit. At the limit itself a codec gets one byte of spill, to see whether the stream just ended
 * there.
 *
 * Contexts cost tens of microseconds and up to megabytes of fresh pages to set up, more than a small batch costs to
 * compress. A few of each kind therefore wait in slots that are exchanged atomically. That is neither a lock, which a
 * fork could leave taken for ever in the child, nor thread-local storage, which would need destructors when threads
 * end and would keep one context per thread of the application, busy or not. */
#include "base/mem.h"
#include "wire/compress_impl.h"
#include <string.h>

enum { CODES = KFK_CODEC_LZ4_OLD + 1 };
static const char *const names[CODES] = {"none", "gzip", "snappy", "lz4", "zstd", [KFK_CODEC_LZ4_OLD] = "lz4"};

static int copy_chunks(const kfk_codec *self, int level, const struct iovec *src, int src_count, kfk_buf *dst,
                       kfk_error *err)
{
    (void)level;
    for (int i = 0; i < src_count; i++) {
        int rc = kfk_buf_append(dst, src[i].iov_base, src[i].iov_len);
        if (rc != 0) return kfk_compress_failed(self, rc, dst, err);
    }
    return 0;
}

static int copy_all(const kfk_codec *self, const void *src, size_t len, kfk_buf *dst, kfk_error *err)
{
    int rc = kfk_buf_append(dst, src, len);
    return rc != 0 ? kfk_compress_failed(self, rc, dst, err) : 0;
}

static const kfk_codec none = {.name = "none", .code = KFK_CODEC_NONE, .compress = copy_chunks, .decompress = copy_all};

static const kfk_codec *const built_in[CODES] = {
    [KFK_CODEC_NONE] = &none,
#ifdef KAFKA_HAVE_GZIP
    [KFK_CODEC_GZIP] = &kfk_codec_gzip,
#endif
#ifdef KAFKA_HAVE_SNAPPY
    [KFK_CODEC_SNAPPY] = &kfk_codec_snappy,
#endif
#ifdef KAFKA_HAVE_LZ4
    [KFK_CODEC_LZ4] = &kfk_codec_lz4,
    [KFK_CODEC_LZ4_OLD] = &kfk_codec_lz4_old,
#endif
#ifdef KAFKA_HAVE_ZSTD
    [KFK_CODEC_ZSTD] = &kfk_codec_zstd,
#endif
};

/* What the application put in their place; NULL = nothing. */
static _Atomic(const kfk_codec *) brought[CODES];

const kfk_codec *kfk_compress_find(int code)
{
    if (code < 0 || code >= CODES) return NULL;
    const kfk_codec *own = atomic_load_explicit(&brought[code], memory_order_acquire);
    return own != NULL ? own : built_in[code];
}

const kfk_codec *kfk_compress_built_in(int code)
{
    return code >= 0 && code < CODES ? built_in[code] : NULL;
}

void kfk_compress_replace(int code, const kfk_codec *codec)
{
    atomic_store_explicit(&brought[code], codec, memory_order_release);
    if (code == KFK_CODEC_LZ4) atomic_store_explicit(&brought[KFK_CODEC_LZ4_OLD], codec, memory_order_release);
}

const char *kfk_compress_name(int code)
{
    const kfk_codec *c = kfk_compress_find(code);
    if (c != NULL) return c->name;
    return code >= 0 && code < CODES ? names[code] : NULL;
}

static int no_codec(int code, kfk_error *err)
{
    const char *name = kfk_compress_name(code);
    if (name == NULL) return kfk_error_set(err, KAFKA_ECODEC, "unknown compression codec %d", code);
    if (code == KFK_CODEC_LZ4_OLD) code = KFK_CODEC_LZ4;
    return kfk_error_set(err, KAFKA_ECODEC, "compression codec %d (%s) is not built in", code, name);
}

int kfk_compress(int code, int level, const struct iovec *src, int src_count, kfk_buf *dst, kfk_error *err)
{
    const kfk_codec *c = kfk_compress_find(code);
    return c != NULL ? kfk_compress_with(c, level, src, src_count, dst, err) : no_codec(code, err);
}

int kfk_compress_with(const kfk_codec *c, int level, const struct iovec *src, int src_count, kfk_buf *dst,
                      kfk_error *err)
{
    if (c->min_level == 0 && c->max_level == 0) level = 0;
    if (level != 0 && (level < c->min_level || level > c->max_level))
        return kfk_error_set(err, KAFKA_EINVAL, "%s has compression levels from %d to %d, not %d", c->name,
                             c->min_level, c->max_level, level);
    return c->compress(c, level, src, src_count, dst, err);
}

int kfk_decompress(int code, const void *src, size_t len, kfk_buf *dst, kfk_error *err)
{
    const kfk_codec *c = kfk_compress_find(code);
    return c != NULL ? c->decompress(c, src, len, dst, err) : no_codec(code, err);
}

void kfk_compress_trim(void)
{
    for (int i = 0; i < CODES; i++)
        if (built_in[i] != NULL && built_in[i]->trim != NULL) built_in[i]->trim();
}

/* ---- contexts ---------------------------------------------------------------------------------------------------- */

void *kfk_compress_pool_take(kfk_compress_pool *pool)
{
    for (int i = 0; i < KFK_POOL_SLOTS; i++) {
        if (atomic_load_explicit(&pool->slots[i], memory_order_relaxed) == NULL) continue;
        void *ctx = atomic_exchange_explicit(&pool->slots[i], NULL, memory_order_acquire);
        if (ctx != NULL) return ctx;
    }
    return NULL;
}

bool kfk_compress_pool_give(kfk_compress_pool *pool, void *ctx)
{
    for (int i = 0; i < KFK_POOL_SLOTS; i++) {
        void *none_there = NULL;
        if (atomic_compare_exchange_strong_explicit(&pool->slots[i], &none_there, ctx, memory_order_release,
                                                    memory_order_relaxed))
            return true;
    }
    return false;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

uint8_t *kfk_compress_room(kfk_buf *dst, size_t want, size_t *room)
{
    size_t left = dst->limit - dst->len;
    uint8_t *at = kfk_buf_reserve(dst, want < left ? want : left);

    *room = at != NULL ? dst->cap - dst->len : 0;
    return at;
}

int kfk_compress_stage_open(kfk_compress_stage *s, kfk_buf *dst, size_t need)
{
    size_t room;

    s->own = NULL;
    s->at = kfk_compress_room(dst, need, &room);
    if (s->at != NULL && room < need) s->at = s->own = kfk_mem_alloc(need);
    return s->at != NULL ? 0 : KAFKA_ENOMEM;
}

int kfk_compress_stage_close(kfk_compress_stage *s, kfk_buf *dst, size_t used)
{
    int rc = 0;

    if (s->own == NULL)
        kfk_buf_commit(dst, used);
    else
        rc = kfk_buf_append(dst, s->own, used);
    kfk_mem_free(s->own);
    return rc;
}

size_t kfk_compress_total(const struct iovec *src, int src_count)
{
    size_t total = 0;
    for (int i = 0; i < src_count; i++) total += src[i].iov_len;
    return total;
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

int kfk_compress_too_big(const kfk_codec *c, kfk_buf *dst, kfk_error *err)
{
    dst->err = KAFKA_ETOOBIG;
    return kfk_error_set(err, KAFKA_ETOOBIG, "%s: more than the limit of %zu bytes would come out", c->name,
                         dst->limit);
}

int kfk_compress_no_memory(const kfk_codec *c, kfk_error *err)
{
    return kfk_error_set(err, KAFKA_ENOMEM, "%s: no memory", c->name);
}

int kfk_compress_corrupt(const kfk_codec *c, kfk_error *err, const char *why)
{
    return kfk_error_set(err, KAFKA_ECORRUPT, "%s: damaged data: %s", c->name, why);
}

int kfk_compress_truncated(const kfk_codec *c, kfk_error *err)
{
    return kfk_compress_corrupt(c, err, "it ends too early");
}

int kfk_compress_failed(const kfk_codec *c, int code, kfk_buf *dst, kfk_error *err)
{
    return code == KAFKA_ETOOBIG ? kfk_compress_too_big(c, dst, err) : kfk_compress_no_memory(c, err);
}
