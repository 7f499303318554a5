/* compress_gzip.c: gzip by zlib.
 *
 * Written is one member without name or time. Read are any number of members one behind the other; what follows them
 * and is not one is damage.
 *
 * zlib takes our allocator. A reader keeps 7 KiB and, if its output did not fit at once, a window of 32 KiB; a writer
 * 256 KiB whatever its level, so one pool serves all levels: deflateParams changes it in a fresh stream for nothing. */
#include "base/mem.h"
#include "wire/compress_impl.h"
#include <limits.h>
#include <string.h>
#include <zlib.h>

enum {
    GZIP_WINDOW = 15 + 16, /* the largest window, with a gzip header instead of zlib's */
    MEM_LEVEL = 8,
    RATIO_MAX = 1032 /* deflate cannot do better */
};

static kfk_compress_pool writers, readers;

static voidpf zlib_alloc(voidpf opaque, uInt items, uInt size)
{
    (void)opaque;
    if (size != 0 && items > SIZE_MAX / size) return Z_NULL;
    return kfk_mem_alloc((size_t)items * size);
}

static void zlib_free(voidpf opaque, voidpf p)
{
    (void)opaque;
    kfk_mem_free(p);
}

static z_stream *stream_new(void)
{
    z_stream *z = kfk_mem_zalloc(sizeof *z);
    if (z == NULL) return NULL;
    z->zalloc = zlib_alloc;
    z->zfree = zlib_free;
    return z;
}

static uInt at_most(size_t n)
{
    return n < UINT_MAX ? (uInt)n : UINT_MAX;
}

/* ---- compressing ------------------------------------------------------------------------------------------------- */

static void writer_free(z_stream *z)
{
    deflateEnd(z);
    kfk_mem_free(z);
}

static z_stream *writer_take(int level)
{
    z_stream *z = kfk_compress_pool_take(&writers);
    if (z != NULL) {
        deflateReset(z);
        deflateParams(z, level, Z_DEFAULT_STRATEGY);
        return z;
    }
    z = stream_new();
    if (z != NULL && deflateInit2(z, level, Z_DEFLATED, GZIP_WINDOW, MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        kfk_mem_free(z);
        z = NULL;
    }
    return z;
}

/* Deflates one chunk, and the end of the stream behind it if `flush` is Z_FINISH. */
static int deflate_chunk(z_stream *z, const uint8_t *src, size_t len, int flush, kfk_buf *dst)
{
    for (;;) {
        size_t room;
        uint8_t *out = kfk_compress_room(dst, 1, &room);
        if (out == NULL) return dst->err;
        if (room == 0) return KAFKA_ETOOBIG;
        uInt in = at_most(len), out_len = at_most(room);
        z->next_in = (z_const Bytef *)(uintptr_t)src;
        z->avail_in = in;
        z->next_out = out;
        z->avail_out = out_len;
        int rc = deflate(z, len > in ? Z_NO_FLUSH : flush);
        kfk_buf_commit(dst, out_len - z->avail_out);
        src += in - z->avail_in;
        len -= in - z->avail_in;
        if (rc == Z_STREAM_END || (flush == Z_NO_FLUSH && len == 0)) return 0;
    }
}

static int gzip_compress(const kfk_codec *self, int level, const struct iovec *src, int src_count, kfk_buf *dst,
                         kfk_error *err)
{
    z_stream *z = writer_take(level != 0 ? level : Z_DEFAULT_COMPRESSION);
    if (z == NULL) return kfk_compress_no_memory(self, err);

    size_t room;
    uLong bound = deflateBound(z, (uLong)kfk_compress_total(src, src_count));
    int rc = kfk_compress_room(dst, bound, &room) != NULL ? 0 : dst->err;
    for (int i = 0; i < src_count && rc == 0; i++)
        if (src[i].iov_len > 0) rc = deflate_chunk(z, src[i].iov_base, src[i].iov_len, Z_NO_FLUSH, dst);
    if (rc == 0) rc = deflate_chunk(z, (const uint8_t *)"", 0, Z_FINISH, dst);

    if (!kfk_compress_pool_give(&writers, z)) writer_free(z);
    return rc != 0 ? kfk_compress_failed(self, rc, dst, err) : 0;
}

/* ---- decompressing ----------------------------------------------------------------------------------------------- */

static void reader_free(z_stream *z)
{
    inflateEnd(z);
    kfk_mem_free(z);
}

static z_stream *reader_take(void)
{
    z_stream *z = kfk_compress_pool_take(&readers);
    if (z != NULL) {
        inflateReset(z);
        return z;
    }
    z = stream_new();
    if (z != NULL && inflateInit2(z, GZIP_WINDOW) != Z_OK) {
        kfk_mem_free(z);
        z = NULL;
    }
    return z;
}

/* The size to start with. The last four bytes tell the size of the last member, nearly always the only one; it is taken
 * if it is possible at all and not far out, else some ratio is guessed and the output grows from there. */
static size_t first_size(const uint8_t *src, size_t len)
{
    size_t guess = 4 * len + 64;
    if (len < 18) return guess;
    size_t declared =
        (size_t)src[len - 4] | (size_t)src[len - 3] << 8 | (size_t)src[len - 2] << 16 | (size_t)src[len - 1] << 24;
    if (declared > 0 && declared / 32 <= len && declared / RATIO_MAX <= len) return declared;
    return guess;
}

static int inflate_all(const kfk_codec *self, z_stream *z, const uint8_t *src, size_t len, kfk_buf *dst, kfk_error *err)
{
    size_t want = first_size(src, len);
    for (;; want = 1) {
        uint8_t spill;
        size_t room;
        uint8_t *out = kfk_compress_room(dst, want, &room);
        if (out == NULL) return kfk_compress_failed(self, dst->err, dst, err);
        uInt in = at_most(len), out_len = room > 0 ? at_most(room) : 1;
        z->next_in = (z_const Bytef *)(uintptr_t)src;
        z->avail_in = in;
        z->next_out = room > 0 ? out : &spill;
        z->avail_out = out_len;
        int rc = inflate(z, Z_NO_FLUSH);
        in -= z->avail_in;
        out_len -= z->avail_out;
        src += in;
        len -= in;
        if (room == 0 && out_len > 0) return kfk_compress_too_big(self, dst, err);
        kfk_buf_commit(dst, out_len);

        if (rc == Z_STREAM_END && len == 0) return 0;
        if (rc == Z_STREAM_END && inflateReset(z) == Z_OK) continue; /* another member */
        if (rc == Z_MEM_ERROR) return kfk_compress_no_memory(self, err);
        if (rc != Z_OK && rc != Z_BUF_ERROR) return kfk_compress_corrupt(self, err, z->msg ? z->msg : "not gzip");
        if (in == 0 && out_len == 0) return kfk_compress_truncated(self, err);
    }
}

static int gzip_decompress(const kfk_codec *self, const void *src, size_t len, kfk_buf *dst, kfk_error *err)
{
    if (len == 0) return kfk_compress_truncated(self, err);
    z_stream *z = reader_take();
    if (z == NULL) return kfk_compress_no_memory(self, err);

    int rc = inflate_all(self, z, src, len, dst, err);
    if (!kfk_compress_pool_give(&readers, z)) reader_free(z);
    return rc;
}

static void gzip_trim(void)
{
    z_stream *z;
    while ((z = kfk_compress_pool_take(&writers)) != NULL) writer_free(z);
    while ((z = kfk_compress_pool_take(&readers)) != NULL) reader_free(z);
}

const kfk_codec kfk_codec_gzip = {.name = "gzip",
                                  .code = KFK_CODEC_GZIP,
                                  .min_level = 1,
                                  .max_level = 9,
                                  .compress = gzip_compress,
                                  .decompress = gzip_decompress,
                                  .trim = gzip_trim};
