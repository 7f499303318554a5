/* One compression codec, FUZZ_CODEC (a number), both ways.
 *
 * Input: what to do (bit 0: compress; the others: which allocation fails), a limit, then the bytes.
 *
 * Reading: never more than the limit, whatever the stream says, and no more memory than that and what a context takes;
 * what was in the buffer stays; the same twice; a limit of exactly the size is enough, and one byte less is not.
 * Writing: what is written reads back, whatever the level and however the bytes are cut into chunks. */
#include "fuzz.h"
#include "wire/compress.h"
#include <stdlib.h>
#include <string.h>

enum {
    PREFIX = 3,
    MOST = 1 << 20,
    CHUNKS = 4,
    /* Contexts: lz4 holds two blocks of up to 4 MiB each while it reads a frame that asks for such. */
    CONTEXT = FUZZ_CODEC == KFK_CODEC_LZ4 ? 9 << 20 : 1 << 20
};

static size_t limit_of(uint8_t choice)
{
    static const size_t some[] = {0, 1, 100, 4096, 65536};
    return choice < sizeof some / sizeof *some ? some[choice] : MOST;
}

/* A buffer that holds something already and may take `limit` bytes more. */
static void buf_with_prefix(kfk_buf *b, size_t limit)
{
    kfk_buf_init(b, PREFIX + limit);
    int failed = kfk_buf_append(b, "old", PREFIX);
    FUZZ_REQUIRE(failed == 0 || fuzz_memory_failed(), "%d", failed);
}

static int inflate(const uint8_t *data, size_t len, size_t limit, kfk_buf *out)
{
    kfk_error err = {0};
    buf_with_prefix(out, limit);
    if (out->err != 0) return out->err;
    int code = kfk_decompress(FUZZ_CODEC, data, len, out, &err);
    FUZZ_REQUIRE(out->len >= PREFIX && out->len - PREFIX <= limit, "%zu, limit %zu", out->len, limit);
    FUZZ_REQUIRE(memcmp(out->data, "old", PREFIX) == 0, "%s", err.text);
    if (code != 0) {
        fuzz_require_error(code, &err);
        FUZZ_REQUIRE(code == KAFKA_ETOOBIG || code == KAFKA_ECORRUPT || (code == KAFKA_ENOMEM && fuzz_memory_failed()),
                     "%s", err.text);
    }
    return code;
}

static void check_limits(const uint8_t *data, size_t len, const kfk_buf *whole)
{
    kfk_buf out;
    size_t size = whole->len - PREFIX;
    int code = inflate(data, len, size, &out);
    FUZZ_REQUIRE(code == 0, "%zu bytes do not fit into exactly so many: %d", size, code);
    FUZZ_REQUIRE(out.len == whole->len && memcmp(out.data, whole->data, out.len) == 0, "another %zu bytes", size);
    kfk_buf_fini(&out);
    if (size == 0) return;
    code = inflate(data, len, size - 1, &out);
    FUZZ_REQUIRE(code == KAFKA_ETOOBIG, "%zu bytes fit into one less: %d", size, code);
    kfk_buf_fini(&out);
}

static void read_stream(const uint8_t *data, size_t len, size_t limit)
{
    kfk_buf out;
    int code = inflate(data, len, limit, &out);
    size_t peak = fuzz_memory_peak();
    /* a buffer that moves as it grows is there twice for a moment */
    FUZZ_REQUIRE(peak <= 3 * (PREFIX + limit) + CONTEXT, "%zu bytes for a limit of %zu", peak, limit);
    fuzz_memory_stop_failing();
    if (code == 0) check_limits(data, len, &out);
    kfk_buf_fini(&out);
}

static void write_stream(uint8_t *data, size_t len, size_t limit)
{
    const kfk_codec *codec = kfk_compress_find(FUZZ_CODEC);
    struct iovec chunks[CHUNKS];
    kfk_error err = {0};
    kfk_buf packed, back;
    int levels = codec->max_level - codec->min_level + 1;
    int level = len > 0 ? codec->min_level + data[0] % levels : 0;
    size_t at = 0;
    for (size_t i = 0; i < CHUNKS; i++) { /* three cuts where bytes say so */
        size_t n = i + 1 < CHUNKS && at < len ? data[at] % (len - at + 1) : len - at;
        chunks[i] = (struct iovec){data + at, n};
        at += n;
    }
    buf_with_prefix(&packed, limit);
    int code = packed.err ? packed.err : kfk_compress(FUZZ_CODEC, level, chunks, CHUNKS, &packed, &err);
    FUZZ_REQUIRE(packed.len <= PREFIX + limit, "%zu, limit %zu", packed.len, limit);
    if (code != 0) {
        FUZZ_REQUIRE((code == KAFKA_ETOOBIG && limit < MOST) || (code == KAFKA_ENOMEM && fuzz_memory_failed()),
                     "%d: %s", code, err.text);
    } else {
        fuzz_memory_stop_failing();
        code = inflate(packed.data + PREFIX, packed.len - PREFIX, len, &back);
        FUZZ_REQUIRE(code == 0, "what was written at level %d cannot be read", level);
        FUZZ_REQUIRE(back.len - PREFIX == len && (len == 0 || memcmp(back.data + PREFIX, data, len) == 0), "level %d",
                     level);
        kfk_buf_fini(&back);
    }
    kfk_buf_fini(&packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    uint8_t what = fuzz_byte(&in);
    size_t limit = limit_of(fuzz_byte(&in)), len;
    uint8_t *bytes = fuzz_copy(&in, 256 * 1024, &len);
    fuzz_memory_begin(what >> 1);
    if (what & 1)
        write_stream(bytes, len, limit);
    else
        read_stream(bytes, len, limit);
    fuzz_memory_end();
    free(bytes);
    return 0;
}
