/* compress_zstd.c: zstd by libzstd.
 *
 * Reading does not use libzstd's streaming decoder. That one decodes into a window of its own and copies from there:
 * it would hold up to 128 MiB besides the output, and touch every byte twice. Instead each frame is gone over first,
 * block header by block header, which costs nothing: that yields its length, and bounds of what comes out, from below
 * (raw and repeated blocks tell their size) and from above (no block yields more than 128 KiB). A frame that cannot
 * stay within the limit is refused there and then; any other is decoded in one go, straight into the output. A
 * declared size counts only where it makes the upper bound smaller. libzstd is given no more room than that: some
 * versions let a block yield more than its window allows, if there happens to be room.
 *
 * Windows above 128 MiB are refused, as Java's reader does, though they would cost nothing here: such a batch is
 * unreadable for everybody else.
 *
 * Only libzstd's stable interface is used, so its contexts come from malloc. Contexts above 4 MiB (high levels) are
 * not kept: their pages are cheap against the time those levels take. */
#include "wire/compress_impl.h"
#include "wire/prim.h"
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

static const uint32_t frame_magic = 0xfd2fb528, skip_magic = 0x184d2a50; /* and the 15 behind it */
enum { WINDOW_LOG_MAX = 27, BLOCK_MAX = 128 * 1024, KEEP_MAX = 4 * 1024 * 1024 };

static kfk_compress_pool writers, readers;

/* ---- compressing ------------------------------------------------------------------------------------------------- */

static ZSTD_CCtx *writer_take(void)
{
    ZSTD_CCtx *ctx = kfk_compress_pool_take(&writers);
    return ctx != NULL ? ctx : ZSTD_createCCtx();
}

static void writer_give(ZSTD_CCtx *ctx)
{
    if (ZSTD_sizeof_CCtx(ctx) > KEEP_MAX || !kfk_compress_pool_give(&writers, ctx)) ZSTD_freeCCtx(ctx);
}

/* What libzstd says, as a code: writing fails only for want of room or memory. */
static int write_result(size_t rc)
{
    if (!ZSTD_isError(rc)) return 0;
    return ZSTD_getErrorCode(rc) == ZSTD_error_dstSize_tooSmall ? KAFKA_ETOOBIG : KAFKA_ENOMEM;
}

/* Compresses one chunk, or with ZSTD_e_end what is left of the frame. */
static int write_chunk(ZSTD_CCtx *ctx, const struct iovec *chunk, ZSTD_EndDirective end, kfk_buf *dst)
{
    ZSTD_inBuffer in = {.src = chunk->iov_base, .size = chunk->iov_len};
    for (;;) {
        size_t room;
        uint8_t *at = kfk_compress_room(dst, 1, &room);
        if (at == NULL) return dst->err;
        if (room == 0) return KAFKA_ETOOBIG;
        ZSTD_outBuffer out = {.dst = at, .size = room};
        size_t left = ZSTD_compressStream2(ctx, &out, &in, end);
        if (ZSTD_isError(left)) return write_result(left);
        kfk_buf_commit(dst, out.pos);
        if (in.pos == in.size && (end == ZSTD_e_continue || left == 0)) return 0;
    }
}

static int write_frame(ZSTD_CCtx *ctx, const struct iovec *src, int src_count, size_t total, kfk_buf *dst)
{
    static const struct iovec nothing;
    size_t room;
    uint8_t *out = kfk_compress_room(dst, ZSTD_compressBound(total), &room);
    if (out == NULL) return dst->err;
    if (src_count <= 1) {
        size_t made = ZSTD_compress2(ctx, out, room, src_count ? src->iov_base : NULL, total);
        if (!ZSTD_isError(made)) kfk_buf_commit(dst, made);
        return write_result(made);
    }
    int rc = write_result(ZSTD_CCtx_setPledgedSrcSize(ctx, total));
    for (int i = 0; i < src_count && rc == 0; i++)
        if (src[i].iov_len > 0) rc = write_chunk(ctx, &src[i], ZSTD_e_continue, dst);
    return rc == 0 ? write_chunk(ctx, &nothing, ZSTD_e_end, dst) : rc;
}

static int zstd_compress(const kfk_codec *self, int level, const struct iovec *src, int src_count, kfk_buf *dst,
                         kfk_error *err)
{
    ZSTD_CCtx *ctx = writer_take();
    if (ctx == NULL) return kfk_compress_no_memory(self, err);

    ZSTD_CCtx_reset(ctx, ZSTD_reset_session_only);
    ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level != 0 ? level : ZSTD_CLEVEL_DEFAULT);
    int rc = write_frame(ctx, src, src_count, kfk_compress_total(src, src_count), dst);
    if (rc == KAFKA_ENOMEM)
        ZSTD_freeCCtx(ctx);
    else
        writer_give(ctx);
    return rc != 0 ? kfk_compress_failed(self, rc, dst, err) : 0;
}

/* ---- decompressing ----------------------------------------------------------------------------------------------- */

/* What the headers of a frame and of its blocks say. */
typedef struct frame {
    size_t length;        /* bytes it takes; less than the input when others follow */
    uint64_t least, most; /* bounds of what comes out */
    const char *bad;      /* what is wrong with it, or NULL */
} frame;

static frame damaged(const char *why)
{
    return (frame){.bad = why};
}

static const char *const too_early = "it ends too early";

/* A little-endian number of up to 8 bytes. */
static uint64_t get_le(const uint8_t *p, size_t size)
{
    uint64_t v = 0;
    while (size > 0) v = v << 8 | p[--size];
    return v;
}

/* The size of the window that its descriptor means: a power of two and eighths of it. */
static uint64_t window_of(uint8_t descriptor)
{
    uint64_t base = UINT64_C(1) << (10 + (descriptor >> 3));
    return base + base / 8 * (descriptor & 7);
}

/* Adds up the blocks from `at` on; the frame's length is then behind the last. */
static frame scan_blocks(const uint8_t *p, size_t len, size_t at, uint64_t block_max)
{
    enum { RAW, REPEATED, COMPRESSED, RESERVED };
    frame f = {0};
    bool last = false;
    while (!last) {
        if (len - at < 3) return damaged(too_early);
        uint32_t head = (uint32_t)get_le(p + at, 3), size = head >> 3, type = head >> 1 & 3;
        size_t stored = type == REPEATED ? 1 : size;
        last = (head & 1) != 0;
        at += 3;
        if (type == RESERVED || size > block_max) return damaged("an impossible block");
        if (stored > len - at) return damaged(too_early);
        at += stored;
        if (type != COMPRESSED) f.least += size;
        f.most += type == COMPRESSED ? block_max : size;
    }
    f.length = at;
    return f;
}

/* Looks at a frame of `len` bytes or less, of which not more than `limit` bytes may come out: if its header already
 * says that it is more, nothing else is looked at. */
static frame scan_frame(const uint8_t *p, size_t len, uint64_t limit)
{
    static const uint8_t dictionary_size[] = {0, 1, 2, 4}, content_size[] = {0, 2, 4, 8};
    if (len < 6) return damaged(too_early);
    uint8_t descriptor = p[4];
    bool single = (descriptor & 0x20) != 0, checksum = (descriptor & 0x04) != 0;
    size_t at = single ? 5 : 6;
    at += dictionary_size[descriptor & 3];
    size_t size_len = content_size[descriptor >> 6];
    if (size_len == 0 && single) size_len = 1;
    if (at + size_len > len) return damaged(too_early);

    /* Two bytes say what one could not. */
    uint64_t declared = size_len == 0 ? UINT64_MAX : get_le(p + at, size_len) + (size_len == 2 ? 256 : 0);
    uint64_t window = single ? declared : window_of(p[5]);
    if (!single && window > UINT64_C(1) << WINDOW_LOG_MAX) return damaged("its window is larger than 128 MiB");
    if (size_len > 0 && declared > limit) return (frame){.least = declared, .most = declared};

    frame f = scan_blocks(p, len, at + size_len, window < BLOCK_MAX ? window : BLOCK_MAX);
    if (f.bad != NULL) return f;
    if (checksum && len - f.length < 4) return damaged(too_early);
    if (checksum) f.length += 4;
    if (size_len > 0) {
        if (declared < f.least || declared > f.most) return damaged("it cannot be of the size it declares");
        f.least = f.most = declared;
    }
    return f;
}

static int read_frame(const kfk_codec *self, ZSTD_DCtx *ctx, const uint8_t *src, size_t len, size_t *used, kfk_buf *dst,
                      kfk_error *err)
{
    size_t limit = dst->limit - dst->len, room;
    frame f = scan_frame(src, len, limit);
    if (f.bad != NULL) return kfk_compress_corrupt(self, err, f.bad);
    if (f.least > limit) return kfk_compress_too_big(self, dst, err);
    uint8_t *out = kfk_compress_room(dst, f.most < limit ? (size_t)f.most : limit, &room);
    if (out == NULL) return kfk_compress_failed(self, dst->err, dst, err);

    if (room > f.most) room = (size_t)f.most;
    *used = f.length;
    size_t made = ZSTD_decompressDCtx(ctx, out, room, src, f.length);
    if (!ZSTD_isError(made)) {
        kfk_buf_commit(dst, made);
        return 0;
    }
    ZSTD_ErrorCode code = ZSTD_getErrorCode(made);
    if (code == ZSTD_error_memory_allocation) return kfk_compress_no_memory(self, err);
    if (code == ZSTD_error_dstSize_tooSmall && room < f.most) return kfk_compress_too_big(self, dst, err);
    return kfk_compress_corrupt(self, err, ZSTD_getErrorName(made));
}

static int read_frames(const kfk_codec *self, ZSTD_DCtx *ctx, const uint8_t *p, size_t len, kfk_buf *dst,
                       kfk_error *err)
{
    if (len == 0) return kfk_compress_truncated(self, err);
    while (len > 0) {
        size_t used = 0;
        if (len < 4) return kfk_compress_truncated(self, err);
        uint32_t magic = (uint32_t)get_le(p, 4);
        if (magic == frame_magic) {
            int rc = read_frame(self, ctx, p, len, &used, dst, err);
            if (rc != 0) return rc;
        } else if ((magic & 0xfffffff0) == skip_magic) {
            if (len < 8 || get_le(p + 4, 4) > len - 8) return kfk_compress_truncated(self, err);
            used = 8 + (size_t)get_le(p + 4, 4);
        } else {
            return kfk_compress_corrupt(self, err, "no frame starts here");
        }
        p += used;
        len -= used;
    }
    return 0;
}

static int zstd_decompress(const kfk_codec *self, const void *src, size_t len, kfk_buf *dst, kfk_error *err)
{
    ZSTD_DCtx *ctx = kfk_compress_pool_take(&readers);
    if (ctx == NULL) ctx = ZSTD_createDCtx();
    if (ctx == NULL) return kfk_compress_no_memory(self, err);

    int rc = read_frames(self, ctx, src, len, dst, err);
    if (!kfk_compress_pool_give(&readers, ctx)) ZSTD_freeDCtx(ctx);
    return rc;
}

static void zstd_trim(void)
{
    void *ctx;
    while ((ctx = kfk_compress_pool_take(&writers)) != NULL) ZSTD_freeCCtx(ctx);
    while ((ctx = kfk_compress_pool_take(&readers)) != NULL) ZSTD_freeDCtx(ctx);
}

const kfk_codec kfk_codec_zstd = {.name = "zstd",
                                  .code = KFK_CODEC_ZSTD,
                                  .min_level = -131072,
                                  .max_level = 22,
                                  .compress = zstd_compress,
                                  .decompress = zstd_decompress,
                                  .trim = zstd_trim};
