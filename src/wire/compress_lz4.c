/* compress_lz4.c: the lz4 frame format by liblz4.
 *
 * Written are independent blocks of 64 KiB without checksums, under the very header that Java writes: it refuses
 * frames with linked blocks, which are liblz4's default, and the CRC of the batch covers everything anyhow. Read is
 * every frame of the format, linked blocks and checksums included, one or several; liblz4 itself turns down the legacy
 * format.
 *
 * kfk_codec_lz4_old is for messages of format 0, whose frames have another checksum in their header
 * (compress_lz4_header.h). It writes that one, and reads both: liblz4 is shown a header with the checksum it wants.
 *
 * liblz4 is handed one block at a time and told to write it at once. Left to gather blocks by itself it would allocate
 * its buffer for that anew with every frame (1.9.4 does), and want room for two blocks in the worst case. A block that
 * lies in several chunks is gathered here; near the limit of the output one goes through a piece of memory of its own.
 *
 * A reader's context holds two blocks, of the size that the frame's header says. Contexts that saw more than 256 KiB
 * are not kept. They are touched only where output has no room for a whole block, which is why room is made early. */
#include "base/mem.h"
#include "wire/compress_impl.h"
#include "wire/compress_lz4_header.h"
#include <lz4frame.h>
#include <string.h>

enum {
    BLOCK = 64 * 1024,
    RATIO_MAX = 255, /* lz4 cannot do better */
    LEVEL_MAX = 17   /* Java's scale; liblz4 takes what is above 12 for 12 */
};

static kfk_compress_pool writers, readers;

static int failure(const kfk_codec *self, size_t code, kfk_error *err)
{
    const char *name = LZ4F_getErrorName(code);
    if (strcmp(name, "ERROR_allocation_failed") == 0) return kfk_compress_no_memory(self, err);
    if (strcmp(name, "ERROR_frameHeader_incomplete") == 0) return kfk_compress_truncated(self, err);
    return kfk_compress_corrupt(self, err, strncmp(name, "ERROR_", 6) == 0 ? name + 6 : name);
}

/* ---- compressing ------------------------------------------------------------------------------------------------- */

typedef struct writer {
    LZ4F_cctx *ctx;
    uint8_t block[BLOCK]; /* where one is gathered */
} writer;

static void writer_free(writer *w)
{
    if (w != NULL) LZ4F_freeCompressionContext(w->ctx);
    kfk_mem_free(w);
}

static writer *writer_take(void)
{
    writer *w = kfk_compress_pool_take(&writers);
    if (w != NULL) return w;
    w = kfk_mem_alloc(sizeof *w);
    if (w == NULL) return NULL;
    w->ctx = NULL;
    if (!LZ4F_isError(LZ4F_createCompressionContext(&w->ctx, LZ4F_VERSION))) return w;
    writer_free(w);
    return NULL;
}

/* A position in the chunks. */
typedef struct cursor {
    const struct iovec *chunk;
    size_t used; /* of the current one */
} cursor;

/* The next `len` bytes, which are there and at most a block: in place, or gathered. */
static const uint8_t *next_block(writer *w, cursor *at, size_t len)
{
    for (size_t have = 0, part; have < len; have += part) {
        while (at->used == at->chunk->iov_len) *at = (cursor){.chunk = at->chunk + 1};
        const uint8_t *p = (const uint8_t *)at->chunk->iov_base + at->used;
        part = at->chunk->iov_len - at->used;
        if (part > len - have) part = len - have;
        at->used += part;
        if (part == len) return p;
        memcpy(w->block + have, p, part);
    }
    return w->block;
}

/* One step of a frame: a block, or, without one, its start or its end. */
static int write_step(writer *w, const LZ4F_preferences_t *prefs, const uint8_t *block, size_t len, bool end,
                      kfk_buf *dst)
{
    kfk_compress_stage stage;
    size_t need = block != NULL || end ? LZ4F_compressBound(len, prefs) : LZ4F_HEADER_SIZE_MAX, made;
    int rc = kfk_compress_stage_open(&stage, dst, need);
    if (rc != 0) return rc;

    if (end)
        made = LZ4F_compressEnd(w->ctx, stage.at, need, NULL);
    else if (block != NULL)
        made = LZ4F_compressUpdate(w->ctx, stage.at, need, block, len, NULL);
    else
        made = LZ4F_compressBegin(w->ctx, stage.at, need, prefs);

    bool failed = LZ4F_isError(made) != 0; /* for want of memory: with room and in order nothing else can fail */
    rc = kfk_compress_stage_close(&stage, dst, failed ? 0 : made);
    return failed ? KAFKA_ENOMEM : rc;
}

static int write_frame(writer *w, int level, const struct iovec *src, size_t left, kfk_buf *dst)
{
    LZ4F_preferences_t prefs = LZ4F_INIT_PREFERENCES;
    cursor at = {.chunk = src};
    size_t room, len;

    prefs.frameInfo.blockSizeID = LZ4F_max64KB;
    prefs.frameInfo.blockMode = LZ4F_blockIndependent;
    prefs.autoFlush = 1;
    prefs.compressionLevel = level;
    /* Once for all; a few bytes more than the worst case, which every step asks for again. */
    if (kfk_compress_room(dst, LZ4F_compressFrameBound(left, &prefs) + 64, &room) == NULL) return dst->err;
    int rc = write_step(w, &prefs, NULL, 0, false, dst);
    for (; rc == 0 && left > 0; left -= len) {
        len = left < BLOCK ? left : BLOCK;
        rc = write_step(w, &prefs, next_block(w, &at, len), len, false, dst);
    }
    return rc == 0 ? write_step(w, &prefs, NULL, 0, true, dst) : rc;
}

/* Gives the frame that begins at `at` the checksum of old clients. */
static void make_old(kfk_buf *dst, size_t at)
{
    uint8_t *frame = dst->data + at;
    size_t size = kfk_lz4_header_size(frame, dst->len - at);
    frame[size - 1] = kfk_lz4_header_old_checksum(frame, size);
}

static int lz4_compress(const kfk_codec *self, int level, const struct iovec *src, int src_count, kfk_buf *dst,
                        kfk_error *err)
{
    writer *w = writer_take();
    if (w == NULL) return kfk_compress_no_memory(self, err);

    size_t at = dst->len;
    int rc = write_frame(w, level, src, kfk_compress_total(src, src_count), dst);
    if (rc == 0 && self == &kfk_codec_lz4_old) make_old(dst, at);
    /* A frame that was left open does not matter, the next one starts over; want of memory inside of liblz4 does. */
    if (rc == KAFKA_ENOMEM || !kfk_compress_pool_give(&writers, w)) writer_free(w);
    return rc != 0 ? kfk_compress_failed(self, rc, dst, err) : 0;
}

/* ---- decompressing ----------------------------------------------------------------------------------------------- */

static LZ4F_dctx *reader_take(void)
{
    LZ4F_dctx *ctx = kfk_compress_pool_take(&readers);
    if (ctx == NULL && LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION))) return NULL;
    return ctx;
}

static size_t block_size(LZ4F_blockSizeID_t id)
{
    return (size_t)1 << (8 + 2 * (id >= LZ4F_max64KB ? (int)id : LZ4F_max64KB));
}

/* Reads the header at `src`; `*len` becomes its size. */
static size_t read_header(const kfk_codec *self, LZ4F_dctx *ctx, LZ4F_frameInfo_t *info, const uint8_t *src,
                          size_t *len)
{
    uint8_t mended[KFK_LZ4_HEADER_MAX];
    size_t size = self == &kfk_codec_lz4_old ? kfk_lz4_header_size(src, *len) : 0;
    if (size == 0 || src[size - 1] != kfk_lz4_header_old_checksum(src, size))
        return LZ4F_getFrameInfo(ctx, info, src, len);
    memcpy(mended, src, size);
    mended[size - 1] = kfk_lz4_header_checksum(src, size);
    *len = size;
    return LZ4F_getFrameInfo(ctx, info, mended, len);
}

/* One frame from the front of *src. `*largest` becomes the size of its blocks if that is larger. */
static int read_frame(const kfk_codec *self, LZ4F_dctx *ctx, const uint8_t **src, const uint8_t *end, size_t *largest,
                      kfk_buf *dst, kfk_error *err)
{
    LZ4F_frameInfo_t info = LZ4F_INIT_FRAMEINFO;
    size_t in = (size_t)(end - *src), out_len, next;

    if (LZ4F_isError(next = read_header(self, ctx, &info, *src, &in))) return failure(self, next, err);
    *src += in;
    size_t block = block_size(info.blockSizeID);
    if (block > *largest) *largest = block;
    if (info.contentSize > dst->limit - dst->len) return kfk_compress_too_big(self, dst, err);

    while (next != 0) {
        uint8_t spill;
        size_t room, left = (size_t)(end - *src), best = left < block ? left * RATIO_MAX + 1 : block;
        uint8_t *out = kfk_compress_room(dst, best < block ? best : block, &room);
        if (out == NULL) return kfk_compress_failed(self, dst->err, dst, err);
        in = left;
        out_len = room > 0 ? room : 1;
        next = LZ4F_decompress(ctx, room > 0 ? out : &spill, &out_len, *src, &in, NULL);
        if (LZ4F_isError(next)) return failure(self, next, err);
        *src += in;
        if (room == 0 && out_len > 0) return kfk_compress_too_big(self, dst, err);
        kfk_buf_commit(dst, out_len);
        if (next != 0 && in == 0 && out_len == 0) return kfk_compress_truncated(self, err);
    }
    return 0;
}

static int lz4_decompress(const kfk_codec *self, const void *src, size_t len, kfk_buf *dst, kfk_error *err)
{
    if (len == 0) return kfk_compress_truncated(self, err);
    LZ4F_dctx *ctx = reader_take();
    if (ctx == NULL) return kfk_compress_no_memory(self, err);

    const uint8_t *p = src, *end = p + len;
    size_t largest = 0, room;
    int rc = kfk_compress_room(dst, 4 * len, &room) != NULL ? 0 : kfk_compress_failed(self, dst->err, dst, err);
    while (rc == 0 && p < end) rc = read_frame(self, ctx, &p, end, &largest, dst, err);

    if (rc != 0) LZ4F_resetDecompressionContext(ctx);
    if (rc == KAFKA_ENOMEM || largest > (size_t)4 * BLOCK || !kfk_compress_pool_give(&readers, ctx))
        LZ4F_freeDecompressionContext(ctx);
    return rc;
}

static void lz4_trim(void)
{
    writer *w;
    LZ4F_dctx *r;
    while ((w = kfk_compress_pool_take(&writers)) != NULL) writer_free(w);
    while ((r = kfk_compress_pool_take(&readers)) != NULL) LZ4F_freeDecompressionContext(r);
}

const kfk_codec kfk_codec_lz4 = {.name = "lz4",
                                 .code = KFK_CODEC_LZ4,
                                 .min_level = 1,
                                 .max_level = LEVEL_MAX,
                                 .compress = lz4_compress,
                                 .decompress = lz4_decompress,
                                 .trim = lz4_trim};
const kfk_codec kfk_codec_lz4_old = {.name = "lz4",
                                     .code = KFK_CODEC_LZ4_OLD,
                                     .min_level = 1,
                                     .max_level = LEVEL_MAX,
                                     .compress = lz4_compress,
                                     .decompress = lz4_decompress};
