/* compress_snappy.c: snappy in the framing of snappy-java, and bare.
 *
 * A stream of snappy-java (its authors call themselves xerial) is 16 bytes, a magic of 8 and two version numbers, and
 * then blocks with their length in front as 32 bits, big-endian. Java writes it and reads nothing else; other clients
 * write one bare block. Where the magic is missing it is a bare block: as one, the magic would make no sense. Streams
 * may be appended to one another; a length that equals the first four bytes of the magic starts the next.
 *
 * The two version numbers are 1 since ever and are not looked at, like in other clients.
 *
 * A block declares its size. That is checked against the limit, and against what snappy can do at best (64 bytes from
 * a copy of 3), before any memory is asked for. */
#include "wire/compress_impl.h"
#include "wire/compress_snappy_block.h"
#include "wire/prim.h"
#include <string.h>

enum {
    STREAM_HEADER = 16,
    BLOCK = 32 * 1024,    /* what Java puts into a block */
    BLOCK_RATIO_MAX = 22, /* bytes out per byte in, rounded up */
    BLOCK_VARINT_MAX = 5
};
static const uint32_t magic = 0x82534e41; /* its first half */
static const uint8_t stream_header[STREAM_HEADER] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};

static int write_block(kfk_snappy_cursor *at, size_t len, kfk_buf *dst)
{
    kfk_compress_stage stage;
    size_t made = 0;
    int rc = kfk_compress_stage_open(&stage, dst, 4 + kfk_snappy_block_bound(len));
    if (rc != 0) return rc;

    rc = kfk_snappy_block_compress(at, len, stage.at + 4, &made);
    if (rc == 0) kfk_prim_put_be32(stage.at, (uint32_t)made);
    int closed = kfk_compress_stage_close(&stage, dst, rc == 0 ? 4 + made : 0);
    return rc != 0 ? rc : closed;
}

static int snappy_compress(const kfk_codec *self, int level, const struct iovec *src, int src_count, kfk_buf *dst,
                           kfk_error *err)
{
    (void)level;
    size_t left = kfk_compress_total(src, src_count), len, room;
    size_t blocks = left / BLOCK + 1;
    kfk_snappy_cursor at = {.chunk = src};

    /* Once for all: then every block finds its worst case. */
    int rc = kfk_compress_room(dst, STREAM_HEADER + blocks * (4 + kfk_snappy_block_bound(BLOCK)), &room) ? 0 : dst->err;
    if (rc == 0) rc = kfk_buf_append(dst, stream_header, STREAM_HEADER);
    for (; rc == 0 && left > 0; left -= len) {
        len = left < BLOCK ? left : BLOCK;
        rc = write_block(&at, len, dst);
    }
    return rc != 0 ? kfk_compress_failed(self, rc, dst, err) : 0;
}

static int read_block(const kfk_codec *self, const uint8_t *src, size_t len, kfk_buf *dst, kfk_error *err)
{
    size_t size;
    if (kfk_snappy_block_size(src, len, &size) != 0) return kfk_compress_corrupt(self, err, "a block without a size");
    if (size > dst->limit - dst->len) return kfk_compress_too_big(self, dst, err);
    if (size / BLOCK_RATIO_MAX > len)
        return kfk_compress_corrupt(self, err, "a block cannot be of the size it declares");
    void *out = kfk_buf_reserve(dst, size);
    if (out == NULL) return kfk_compress_failed(self, dst->err, dst, err);

    int rc = kfk_snappy_block_inflate(src, len, out);
    if (rc == KAFKA_ECORRUPT) return kfk_compress_corrupt(self, err, "a block that is not snappy");
    if (rc != 0) return kfk_compress_no_memory(self, err);
    kfk_buf_commit(dst, size);
    return 0;
}

static int snappy_decompress(const kfk_codec *self, const void *src, size_t len, kfk_buf *dst, kfk_error *err)
{
    const uint8_t *p = src, *end = len > 0 ? p + len : p;
    int rc;

    if (len < 8 || memcmp(p, stream_header, 8) != 0) return read_block(self, p, len, dst, err);
    while (p < end) {
        if (end - p < 4) return kfk_compress_truncated(self, err);
        uint32_t block = kfk_prim_get_be32(p);
        if (block == magic) {
            if (end - p < STREAM_HEADER) return kfk_compress_truncated(self, err);
            if (memcmp(p, stream_header, 8) != 0)
                return kfk_compress_corrupt(self, err, "a stream header without magic");
            p += STREAM_HEADER;
            continue;
        }
        p += 4;
        if (block > (size_t)(end - p)) return kfk_compress_truncated(self, err);
        if ((rc = read_block(self, p, block, dst, err)) != 0) return rc;
        p += block;
    }
    return 0;
}

const kfk_codec kfk_codec_snappy = {
    .name = "snappy", .code = KFK_CODEC_SNAPPY, .compress = snappy_compress, .decompress = snappy_decompress};
