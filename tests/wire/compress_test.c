#include "support/memcheck.h"

#include "base/mem.h"
#include "wire/compress.h"
#include "wire/helpers.h"
#include "wire/prim.h"
#include <pthread.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { MIB = 1 << 20, FIRST = KFK_CODEC_GZIP, LAST = KFK_CODEC_ZSTD };

/* The codecs that were built in; says which were not. */
#define EACH_CODEC(code)                         \
    for (int code = FIRST; code <= LAST; code++) \
        if (is_built_in(code))

static bool is_built_in(int code)
{
    if (kfk_compress_find(code) != NULL) return true;
    print_message("%s is not built in\n", kfk_compress_name(code));
    return false;
}

/* Contexts that wait for reuse are no leak, but the allocations of the next test should not depend on them either. */
static int begin(void **state)
{
    kfk_compress_trim();
    return memcheck_setup(state);
}

static int end(void **state)
{
    kfk_compress_trim();
    return memcheck_teardown(state);
}

#define COMPRESS_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static void deflates(int code, int level, const void *src, size_t len, kfk_buf *dst)
{
    struct iovec chunk = {(void *)(uintptr_t)src, len};
    kfk_error err = {0};
    if (kfk_compress(code, level, &chunk, 1, dst, &err) != 0) fail_msg("%s", err.text);
}

static kfk_buf compressed(int code, int level, const void *src, size_t len)
{
    kfk_buf b;
    kfk_buf_init(&b, SIZE_MAX);
    deflates(code, level, src, len, &b);
    return b;
}

/* Inflates and wants to see these bytes. */
static void inflates_to(int code, const void *src, size_t src_len, const void *want, size_t len)
{
    kfk_buf b;
    kfk_error err = {0};
    kfk_buf_init(&b, SIZE_MAX);
    if (kfk_decompress(code, src, src_len, &b, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(b.len, len);
    if (len > 0) assert_memory_equal(b.data, want, len);
    kfk_buf_fini(&b);
}

/* Inflates within a limit, and wants to see it fail, or succeed with 0. Nothing larger than the limit is held. */
static void inflates_with(int code, const void *src, size_t len, size_t limit, int want)
{
    kfk_buf b;
    kfk_error err = {0};
    kfk_buf_init(&b, limit);
    int rc = kfk_decompress(code, src, len, &b, &err);
    if (rc != want) fail_msg("%s gave %d instead of %d: %s", kfk_compress_name(code), rc, want, err.text);
    assert_int_equal(err.code, rc);
    assert_in_range(b.cap, 0, limit);
    if (rc != 0 && strncmp(err.text, kfk_compress_name(code), strlen(kfk_compress_name(code))) != 0)
        fail_msg("'%s' does not name the codec", err.text);
    if (rc == KAFKA_ETOOBIG) assert_int_equal(b.err, KAFKA_ETOOBIG);
    kfk_buf_fini(&b);
}

/* Bytes of three kinds: noise, text, and one letter. */
static void fill(kfk_rand *r, uint8_t *out, size_t len, int kind)
{
    static const char words[] = "{\"level\":\"info\",\"path\":\"/a/b/c\",\"status\":200,\"user\":\"someone else\"}\n";
    if (kind == 0) random_bytes(r, out, len);
    if (kind == 2) memset(out, 'z', len);
    for (size_t i = 0; kind == 1 && i < len; i++)
        out[i] = kfk_rand_below(r, 16) == 0 ? (uint8_t)kfk_rand_next(r) : (uint8_t)words[i % (sizeof words - 1)];
}

/* Cuts `len` bytes into random chunks, some of them empty; returns how many. */
static int cut(kfk_rand *r, uint8_t *src, size_t len, struct iovec *chunks, int most)
{
    int n = 0;
    for (size_t at = 0; n < most; n++) {
        size_t left = len - at,
               size = n + 1 == most ? left : kfk_rand_below(r, kfk_rand_below(r, 3) == 0 ? left + 1 : left / 8 + 1);
        chunks[n] = (struct iovec){src + at, size};
        at += size;
    }
    return n;
}

/* ---- both ways --------------------------------------------------------------------------------------------------- */

static void what_was_compressed_in_any_chunks_comes_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,     1,     2,     100,   4096,   32767,  32768,  32769,
                                   65535, 65536, 65537, 98304, 131071, 131072, 131073, 1000000};
    kfk_rand r = seeded();
    uint8_t *src = malloc(MIB);

    EACH_CODEC(code)
    {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            for (int kind = 0; kind < 3; kind++) {
                struct iovec chunks[12];
                kfk_buf packed;
                kfk_error err = {0};
                fill(&r, src, sizes[i], kind);
                kfk_buf_init(&packed, SIZE_MAX);
                int count = cut(&r, src, sizes[i], chunks, 1 + (int)kfk_rand_below(&r, 12));
                if (kfk_compress(code, 0, chunks, count, &packed, &err) != 0) fail_msg("%s", err.text);
                inflates_to(code, packed.data, packed.len, src, sizes[i]);
                kfk_buf_fini(&packed);
            }
        }
    }
    free(src);
}

static void nothing_at_all_can_be_compressed_too(void **state)
{
    (void)state;
    EACH_CODEC(code)
    {
        kfk_buf b;
        kfk_buf_init(&b, SIZE_MAX);
        assert_int_equal(kfk_compress(code, 0, NULL, 0, &b, NULL), 0);
        assert_true(b.len > 0);
        inflates_to(code, b.data, b.len, NULL, 0);
        kfk_buf_fini(&b);
    }
}

static void codec_0_copies(void **state)
{
    (void)state;
    struct iovec chunks[] = {{(char[]){'a', 'b'}, 2}, {NULL, 0}, {(char[]){'c'}, 1}};
    kfk_buf b;
    kfk_buf_init(&b, 3);
    assert_int_equal(kfk_compress(0, 0, chunks, 3, &b, NULL), 0);
    inflates_to(0, b.data, b.len, "abc", 3);
    inflates_with(0, "abcd", 4, 3, KAFKA_ETOOBIG);
    assert_int_equal(kfk_compress(0, 0, chunks, 3, &b, NULL), KAFKA_ETOOBIG);
    kfk_buf_fini(&b);
}

static void output_goes_behind_what_the_buffer_holds(void **state)
{
    (void)state;
    static uint8_t src[100000];
    memset(src, 'x', sizeof src);
    EACH_CODEC(code)
    {
        kfk_buf packed, plain;
        kfk_buf_init(&packed, SIZE_MAX);
        kfk_buf_init(&plain, sizeof src + 6);
        kfk_buf_append(&packed, "before", 6);
        kfk_buf_append(&plain, "before", 6);
        deflates(code, 0, src, sizeof src, &packed);
        assert_memory_equal(packed.data, "before", 6);
        assert_int_equal(kfk_decompress(code, packed.data + 6, packed.len - 6, &plain, NULL), 0);
        assert_int_equal(plain.len, sizeof src + 6);
        assert_memory_equal(plain.data, "before", 6);
        assert_memory_equal(plain.data + 6, src, sizeof src);
        kfk_buf_fini(&packed);
        kfk_buf_fini(&plain);
    }
}

static void every_level_is_taken_and_those_beyond_are_named(void **state)
{
    (void)state;
    enum { LEN = 100000 };
    static uint8_t src[LEN];
    kfk_rand r = seeded();

    fill(&r, src, LEN, 1);
    EACH_CODEC(code)
    {
        const kfk_codec *c = kfk_compress_find(code);
        int lowest = c->min_level < -7 ? -7 : c->min_level;
        for (int level = lowest; level <= c->max_level; level++) {
            kfk_buf b = compressed(code, level, src, LEN);
            inflates_to(code, b.data, b.len, src, LEN);
            kfk_buf_fini(&b);
        }
        struct iovec chunk = {src, LEN};
        kfk_error err = {0};
        kfk_buf b;
        kfk_buf_init(&b, SIZE_MAX);
        bool has_levels = c->max_level > 0;
        assert_int_equal(kfk_compress(code, c->max_level + 1, &chunk, 1, &b, &err), has_levels ? KAFKA_EINVAL : 0);
        if (has_levels) assert_non_null(strstr(err.text, c->name));
        int below = c->min_level > 0 ? -1 : c->min_level - 1; /* 0 is the default */
        assert_int_equal(kfk_compress(code, below, &chunk, 1, &b, NULL), has_levels ? KAFKA_EINVAL : 0);
        kfk_buf_fini(&b);
    }
}

static void a_higher_level_makes_it_smaller(void **state)
{
    (void)state;
    enum { LEN = 200000 };
    static uint8_t src[LEN];
    kfk_rand r = seeded();

    fill(&r, src, LEN, 1);
    EACH_CODEC(code)
    {
        const kfk_codec *c = kfk_compress_find(code);
        if (c->max_level == 0) continue;
        /* Low after high: the context that is reused must not keep its level. */
        kfk_buf high = compressed(code, c->max_level, src, LEN), low = compressed(code, 1, src, LEN),
                none = compressed(code, 0, src, LEN);
        assert_true(high.len < low.len);
        kfk_compress_trim();
        kfk_buf fresh = compressed(code, 1, src, LEN);
        kfk_compress_trim();
        kfk_buf fresh_none = compressed(code, 0, src, LEN);
        assert_int_equal(low.len, fresh.len);
        assert_memory_equal(low.data, fresh.data, low.len);
        assert_int_equal(none.len, fresh_none.len);
        kfk_buf_fini(&high);
        kfk_buf_fini(&low);
        kfk_buf_fini(&none);
        kfk_buf_fini(&fresh);
        kfk_buf_fini(&fresh_none);
    }
}

/* ---- framings ---------------------------------------------------------------------------------------------------- */

static void streams_begin_as_those_of_java(void **state)
{
    (void)state;
    static const struct {
        int code;
        size_t len;
        const char *bytes;
    } rows[] = {
        {KFK_CODEC_GZIP, 4, "\x1f\x8b\x08\x00"},
        {KFK_CODEC_SNAPPY, 16, "\x82SNAPPY\0\0\0\0\1\0\0\0\1"},
        {KFK_CODEC_LZ4, 7, "\x04\x22\x4d\x18\x60\x40\x82"}, /* version 1, independent blocks of 64 KiB, no checksums */
        {KFK_CODEC_ZSTD, 4, "\x28\xb5\x2f\xfd"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!is_built_in(rows[i].code)) continue;
        kfk_buf b = compressed(rows[i].code, 0, "some text", 9);
        assert_memory_equal(b.data, rows[i].bytes, rows[i].len);
        kfk_buf_fini(&b);
    }
}

static void snappy_is_written_in_blocks_of_32_kib(void **state)
{
    (void)state;
    enum { LEN = 100000 };
    static uint8_t src[LEN];
    kfk_rand r = seeded();
    size_t at = 16, blocks = 0;

    if (!is_built_in(KFK_CODEC_SNAPPY)) return;
    fill(&r, src, LEN, 1);
    kfk_buf b = compressed(KFK_CODEC_SNAPPY, 0, src, LEN);
    for (; at < b.len; blocks++) {
        size_t size = kfk_prim_get_be32(b.data + at), from = blocks * 32768,
               len = LEN - from < 32768 ? LEN - from : 32768;
        inflates_to(KFK_CODEC_SNAPPY, b.data + at + 4, size, src + from, len); /* a bare block is fine as well */
        at += 4 + size;
    }
    assert_int_equal(blocks, 4);
    kfk_buf_fini(&b);
}

static void several_streams_in_a_row_are_read_as_one(void **state)
{
    (void)state;
    EACH_CODEC(code)
    {
        kfk_buf b = compressed(code, 0, "one, ", 5);
        deflates(code, 0, "", 0, &b);
        deflates(code, 0, "two", 3, &b);
        inflates_to(code, b.data, b.len, "one, two", 8);
        kfk_buf_fini(&b);
    }
}

/* A line of tests/golden/streams.txt: which codec it is for, and what it holds. */
static void try_foreign_stream(char *line)
{
    char *save, *kind = strtok_r(line, " ", &save), *codec = strtok_r(NULL, " ", &save);
    char *name = strtok_r(NULL, " ", &save), *hex = strtok_r(NULL, " \n", &save);
    static uint8_t bytes[4096], plain[70000];
    size_t len = 0;

    if (strcmp(kind, "stream") != 0) return;
    for (const char *s = hex; *s != '\0'; s += 2) {
        unsigned byte;
        assert_int_equal(sscanf(s, "%2x", &byte), 1);
        bytes[len++] = (uint8_t)byte;
    }
    memset(plain, 'f', sizeof plain);
    EACH_CODEC(code)
    {
        size_t name_len = strlen(kfk_compress_name(code));
        if (strncmp(codec, kfk_compress_name(code), name_len) != 0) continue;
        print_message("%s %s\n", codec, name);
        if (codec[name_len] == '\0')
            inflates_to(code, bytes, len, plain, sizeof plain);
        else /* lz4-legacy, zstd-refused */
            inflates_with(code, bytes, len, SIZE_MAX, KAFKA_ECORRUPT);
    }
}

static void what_the_tools_of_the_codecs_make_is_read(void **state)
{
    (void)state;
    FILE *f = fopen(KAFKA_GOLDEN_DIR "/streams.txt", "r");
    char *line = NULL;
    size_t cap = 0;
    assert_non_null(f);
    while (getline(&line, &cap, f) > 0) try_foreign_stream(line);
    free(line);
    fclose(f);
}

static void snappy_streams_are_read_whatever_their_version(void **state)
{
    (void)state;
    if (!is_built_in(KFK_CODEC_SNAPPY)) return;
    static const uint8_t stream[] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 9, 9, 9,  9,
                                     0,    0,   0,   2,   0,   0,   0,   3, 1, 0, 'x'};
    inflates_to(KFK_CODEC_SNAPPY, stream, sizeof stream, "x", 1);
    static const uint8_t bare[] = {1, 0, 'x'};
    inflates_to(KFK_CODEC_SNAPPY, bare, sizeof bare, "x", 1);
    inflates_to(KFK_CODEC_SNAPPY, "", 1, "", 0); /* one byte: a size of 0 */
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

/* A snappy stream may end behind its header and behind any of its blocks. */
static bool is_complete(int code, const kfk_buf *b, size_t len)
{
    size_t at = 16;
    if (code != KFK_CODEC_SNAPPY) return false;
    while (at < len) at += 4 + (size_t)kfk_prim_get_be32(b->data + at);
    return at == len;
}

static void a_stream_cut_anywhere_is_damage(void **state)
{
    (void)state;
    static uint8_t src[70000];
    kfk_rand r = seeded();

    EACH_CODEC(code)
    {
        for (int kind = 0; kind < 3; kind++) {
            fill(&r, src, sizeof src, kind);
            kfk_buf b = compressed(code, 0, src, kind == 0 ? 300 : sizeof src);
            guarded g = guarded_new(b.len);
            size_t step = b.len < 2000 ? 1 : b.len / 1000;
            for (size_t len = 0; len < b.len; len += step) {
                int want = is_complete(code, &b, len) ? 0 : KAFKA_ECORRUPT;
                inflates_with(code, guarded_put(&g, b.data, len), len, SIZE_MAX, want);
            }
            guarded_free(&g);
            kfk_buf_fini(&b);
        }
    }
}

static void garbage_behind_a_stream_is_damage(void **state)
{
    (void)state;
    static const char *const garbage[] = {"x", "xx", "garbage",
                                          "a longer piece of garbage that is no header of anything"};
    EACH_CODEC(code)
    {
        for (size_t i = 0; i < 4; i++) {
            kfk_buf b = compressed(code, 0, "text", 4);
            kfk_buf_append(&b, garbage[i], strlen(garbage[i]));
            inflates_with(code, b.data, b.len, SIZE_MAX, KAFKA_ECORRUPT);
            kfk_buf_fini(&b);
        }
    }
}

/* Damage may go unnoticed, where there is no checksum, but must do no harm. */
static void harmless(int code, const uint8_t *src, size_t len)
{
    kfk_buf b;
    kfk_error err = {0};
    kfk_buf_init(&b, 1 << 20);
    int rc = kfk_decompress(code, src, len, &b, &err);
    assert_true(rc == 0 || rc == KAFKA_ECORRUPT || rc == KAFKA_ETOOBIG);
    assert_int_equal(err.code, rc);
    assert_in_range(b.cap, 0, 1 << 20);
    kfk_buf_fini(&b);
}

static void every_flipped_bit_is_found_or_harmless(void **state)
{
    (void)state;
    static uint8_t src[600];
    kfk_rand r = seeded();

    fill(&r, src, sizeof src, 1);
    EACH_CODEC(code)
    {
        kfk_buf b = compressed(code, 0, src, sizeof src);
        guarded g = guarded_new(b.len);
        for (size_t bit = 0; bit < 8 * b.len; bit++) {
            uint8_t *p = guarded_put(&g, b.data, b.len);
            p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            harmless(code, p, b.len);
        }
        guarded_free(&g);
        kfk_buf_fini(&b);
    }
}

static void noise_is_found_or_harmless(void **state)
{
    (void)state;
    kfk_rand r = seeded();
    guarded g = guarded_new(512);

    EACH_CODEC(code)
    {
        kfk_buf b = compressed(code, 0, "some text, some text, some text", 31);
        for (int round = 0; round < 20000; round++) {
            size_t len = kfk_rand_below(&r, 400), head = kfk_rand_below(&r, b.len + 1);
            uint8_t *p = guarded_put(&g, NULL, len);
            random_bytes(&r, p, len);
            memcpy(p, b.data, head < len ? head : len);
            harmless(code, p, len);
        }
        kfk_buf_fini(&b);
    }
    guarded_free(&g);
}

/* One stream in hex, and what comes of it. */
static void crafted_streams_are_refused(void **state)
{
    (void)state;
    static const struct {
        int code, rc;
        size_t limit;
        const char *what, *hex;
    } rows[] = {
        {2, KAFKA_ETOOBIG, MIB, "H22: a block of 4 GiB - 1", "ffffffff0f 00"},
        {2, KAFKA_ECORRUPT, SIZE_MAX, "H22: the same without a limit", "ffffffff0f 00"},
        {2, KAFKA_ECORRUPT, SIZE_MAX, "a size of 33 bits", "ffffffff1f 00"},
        {2, KAFKA_ECORRUPT, SIZE_MAX, "a size without an end", "ffffffffff"},
        {2, KAFKA_ECORRUPT, SIZE_MAX, "less than it declares", "05 00 78"},
        {2, KAFKA_ECORRUPT, SIZE_MAX, "a negative block", "82534e4150505900 00000001 00000001 ffffffff 010078"},
        {2, KAFKA_ECORRUPT, SIZE_MAX, "a block of nothing", "82534e4150505900 00000001 00000001 00000000"},
        {2, KAFKA_ECORRUPT, SIZE_MAX, "half a second header", "82534e4150505900 00000001 00000001 82534e41505059"},
        {2, KAFKA_ECORRUPT, SIZE_MAX, "a wrong second header",
         "82534e4150505900 00000001 00000001 82534e4150505901 00000001 00000001"},
        {2, KAFKA_ETOOBIG, 2, "blocks that sum up past the limit",
         "82534e4150505900 00000001 00000001 00000003 010078 00000003 010078 00000003 010078"},
        {2, 0, 2, "blocks that sum up to the limit",
         "82534e4150505900 00000001 00000001 00000003 010078 00000003 010078"},
        {4, KAFKA_ETOOBIG, MIB, "H24: a frame of 8 GiB, which ends", "28b52ffd e0 0000000002000000 010000"},
        {4, KAFKA_ETOOBIG, MIB, "H24: a frame of 8 GiB, which is cut", "28b52ffd e0 0000000002000000"},
        {4, KAFKA_ECORRUPT, SIZE_MAX, "H24: the same without a limit", "28b52ffd e0 0000000002000000 010000"},
        {4, KAFKA_ECORRUPT, MIB, "H24: a window of 2 GiB", "28b52ffd 00 a8 010000"},
        {4, KAFKA_ECORRUPT, MIB, "a window of 144 MiB", "28b52ffd 00 89 010000"},
        {4, 0, MIB, "a window of 128 MiB", "28b52ffd 00 88 010000"},
        {4, KAFKA_ECORRUPT, MIB, "a dictionary", "28b52ffd 01 88 05 010000"},
        {4, KAFKA_ECORRUPT, MIB, "a reserved bit", "28b52ffd 08 88 010000"},
        {4, KAFKA_ECORRUPT, MIB, "a block of the reserved type", "28b52ffd 00 88 070000"},
        {4, KAFKA_ECORRUPT, MIB, "a block of more than 128 KiB", "28b52ffd 00 88 0b0010 78"},
        {4, KAFKA_ETOOBIG, 131071, "a repeated byte past the limit", "28b52ffd 00 88 030010 78"},
        {4, 0, 131072, "a repeated byte up to the limit", "28b52ffd 00 88 030010 78"},
        {4, KAFKA_ECORRUPT, MIB, "a size that lies", "28b52ffd 20 05 1b0000 78"},
        {4, 0, MIB, "a size that does not", "28b52ffd 20 03 1b0000 78"},
        {4, 0, MIB, "a frame to skip, and one behind it", "502a4d18 03000000 616263 28b52ffd 20 03 1b0000 78"},
        {4, KAFKA_ECORRUPT, MIB, "a frame to skip that is cut", "502a4d18 03000000 6162"},
        {4, KAFKA_ECORRUPT, MIB, "a format of long ago", "27b52ffd 00 88 010000"},
        {3, KAFKA_ECORRUPT, MIB, "H23: the legacy format", "02214c18 01000000 00"},
        {3, KAFKA_ECORRUPT, MIB, "a wrong header checksum", "04224d18 6040 83 00000000"},
        {3, 0, MIB, "the right one", "04224d18 6040 82 00000000"},
        {3, KAFKA_ECORRUPT, MIB, "a block of more than 64 KiB", "04224d18 6040 82 ffff0100 00"},
        {1, KAFKA_ECORRUPT, MIB, "a zlib header", "789c 030000000001"},
        {1, KAFKA_ECORRUPT, MIB, "a wrong CRC", "1f8b0800000000000003 0300 0100000000000000"},
        {1, 0, MIB, "the right one", "1f8b0800000000000003 0300 0000000000000000"},
        {1, KAFKA_ECORRUPT, MIB, "a wrong size", "1f8b0800000000000003 0300 0000000001000000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[256];
        size_t len = 0;
        for (const char *s = rows[i].hex; *s != '\0'; s += *s == ' ' ? 1 : 2) {
            unsigned byte;
            if (*s != ' ' && sscanf(s, "%2x", &byte) == 1) bytes[len++] = (uint8_t)byte;
        }
        if (!is_built_in(rows[i].code)) continue;
        print_message("%s: %s\n", kfk_compress_name(rows[i].code), rows[i].what);
        inflates_with(rows[i].code, bytes, len, rows[i].limit, rows[i].rc);
    }
}

static void a_raw_snappy_size_allocates_nothing(void **state)
{
    (void)state;
    if (!is_built_in(KFK_CODEC_SNAPPY)) return;
    inflates_with(KFK_CODEC_SNAPPY, "\xff\xff\xff\xff\x0f\x00", 6, MIB, KAFKA_ETOOBIG);
    inflates_with(KFK_CODEC_SNAPPY, "\xff\xff\xff\xff\x0f\x00", 6, SIZE_MAX, KAFKA_ECORRUPT);
    assert_int_equal(memcheck_calls(), 0);
}

static void a_content_size_that_lies_is_found_by_lz4(void **state)
{
    (void)state;
    if (!is_built_in(KFK_CODEC_LZ4)) return;
    /* "x" with a content size; the header's checksum is the byte behind it, and one of all values is right. */
    uint8_t frame[] = {0x04, 0x22, 0x4d, 0x18, 0x68, 0x40, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x80, 'x', 0, 0, 0, 0};
    int accepted = 0;
    for (int size = 0; size < 3; size++) {
        frame[6] = (uint8_t)(size < 2 ? size + 1 : 0);
        frame[10] = (uint8_t)(size < 2 ? 0 : 2); /* 8 GiB */
        for (int checksum = 0; checksum < 256; checksum++) {
            kfk_buf b;
            kfk_buf_init(&b, MIB);
            frame[14] = (uint8_t)checksum;
            int rc = kfk_decompress(KFK_CODEC_LZ4, frame, sizeof frame, &b, NULL);
            assert_true(rc == KAFKA_ECORRUPT || (size == 0 && rc == 0) || (size == 2 && rc == KAFKA_ETOOBIG));
            if (rc != KAFKA_ECORRUPT) accepted++;
            kfk_buf_fini(&b);
        }
    }
    assert_int_equal(accepted, 2);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static void output_may_fill_the_limit_and_not_exceed_it(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 1000, 32768, 65536, 65537, 300000};
    static uint8_t src[300000];
    kfk_rand r = seeded();

    EACH_CODEC(code)
    {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            for (int kind = 0; kind < 3; kind++) {
                fill(&r, src, sizes[i], kind);
                kfk_buf b = compressed(code, 0, src, sizes[i]);
                inflates_with(code, b.data, b.len, sizes[i], 0);
                inflates_with(code, b.data, b.len, sizes[i] - 1, KAFKA_ETOOBIG);
                inflates_with(code, b.data, b.len, sizes[i] / 2, KAFKA_ETOOBIG);
                inflates_with(code, b.data, b.len, 0, KAFKA_ETOOBIG);
                kfk_buf_fini(&b);
            }
        }
    }
}

static void an_empty_stream_at_the_limit_is_no_excess(void **state)
{
    (void)state;
    static uint8_t src[70000];
    kfk_rand r = seeded();

    fill(&r, src, sizeof src, 1);
    EACH_CODEC(code)
    {
        kfk_buf b = compressed(code, 0, src, sizeof src);
        deflates(code, 0, "", 0, &b);
        deflates(code, 0, "", 0, &b);
        inflates_with(code, b.data, b.len, sizeof src, 0);
        deflates(code, 0, "x", 1, &b);
        inflates_with(code, b.data, b.len, sizeof src, KAFKA_ETOOBIG);
        kfk_buf_fini(&b);
    }
}

static void compressed_output_has_a_limit_too(void **state)
{
    (void)state;
    static uint8_t src[200000];
    kfk_rand r = seeded();

    EACH_CODEC(code)
    {
        for (int kind = 0; kind < 3; kind++) {
            fill(&r, src, sizeof src, kind);
            kfk_buf packed = compressed(code, 0, src, sizeof src);
            /* What a batch is given: its own size, 1/256 of it, and 1 KiB. Nothing becomes larger. */
            size_t usual = sizeof src + sizeof src / 256 + 1024, limits[] = {usual, packed.len, packed.len - 1, 10, 0};
            for (size_t i = 0; i < 5; i++) {
                struct iovec chunk = {src, sizeof src};
                kfk_error err = {0};
                kfk_buf b;
                kfk_buf_init(&b, limits[i]);
                int rc = kfk_compress(code, 0, &chunk, 1, &b, &err);
                /* zstd wants a little more room than it fills. */
                if (i == 1 && code == KFK_CODEC_ZSTD && rc == KAFKA_ETOOBIG) rc = 0;
                assert_int_equal(rc, i < 2 ? 0 : KAFKA_ETOOBIG);
                if (i >= 2) assert_int_equal(b.err, KAFKA_ETOOBIG);
                if (i >= 2) assert_int_equal(err.code, KAFKA_ETOOBIG);
                assert_in_range(b.cap, 0, limits[i]);
                kfk_buf_fini(&b);
            }
            kfk_buf_fini(&packed);
        }
    }
}

/* Found by libFuzzer: a window of 8 KiB, and one block of 70000 bytes, which libzstd 1.5.4 took if there was room. */
static void a_zstd_block_above_its_window_is_damage_however_much_room_there_is(void **state)
{
    (void)state;
    static const char frame[] =
        "\x28\xb5\x2f\xfd\x04\x18\x55\x00\x00\x10\x66\x66\x01\x00\x6b\x11\x39\xc0\x02\xdd\x01\x1f\x4b";
    static const size_t limits[] = {8192, 8193, 69999, 70000, 70001, 140000, MIB};

    if (kfk_compress_find(KFK_CODEC_ZSTD) == NULL) return;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        inflates_with(KFK_CODEC_ZSTD, frame, sizeof frame - 1, limits[i], KAFKA_ECORRUPT);
}

/* A figure in kB of /proc/self/status. */
static size_t status_kb(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    size_t kb = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0) kb = strtoul(line + strlen(name) + 1, NULL, 10);
    if (f != NULL) fclose(f);
    return kb;
}

/* The high-water mark of memory starts again at what is in use. */
static bool reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f == NULL) return false;
    bool done = fputs("5", f) >= 0;
    return fclose(f) == 0 && done;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

enum { BOMB_LIMIT = 64 * MIB };

static void explode(int code, const kfk_buf *bomb, size_t mib)
{
    kfk_buf out;
    kfk_error err = {0};
    kfk_buf_init(&out, BOMB_LIMIT);
    bool measured = reset_peak();
    size_t before = status_kb("VmRSS");
    double start = cpu_seconds();
    assert_int_equal(kfk_decompress(code, bomb->data, bomb->len, &out, &err), KAFKA_ETOOBIG);
    double took = cpu_seconds() - start;
    size_t peak = status_kb("VmHWM"), more = peak > before ? peak - before : 0;

    print_message("%s: %zu bytes to %zu MiB, stopped at 64 MiB after %.3f s CPU with %zu KiB more memory\n",
                  kfk_compress_name(code), bomb->len, mib, took, more);
    assert_in_range(out.cap, 0, BOMB_LIMIT);
    if (!SANITIZED && measured) assert_in_range(more, 0, (BOMB_LIMIT + 2 * MIB) / 1024);
    if (!SANITIZED) assert_true(took < 2.0);
    kfk_buf_fini(&out);
}

/* Rewrites the header of a zstd frame so that it does not tell its size; it has a window and four bytes of size. */
static void drop_content_size(kfk_buf *frame)
{
    assert_int_equal(frame->data[4] & 0xe3, 0x80);
    frame->data[4] &= 0x3f;
    memmove(frame->data + 6, frame->data + 10, frame->len - 10);
    frame->len -= 4;
}

/* H20, H23, H24: zeros, and a pattern, from which zstd makes blocks that do not tell their size. Not under memcheck,
 * which touches all memory that it hands out. */
static void a_gibibyte_in_a_bomb_costs_no_more_than_the_limit(void **state)
{
    (void)state;
    enum { PIECES = 1024 };
    static uint8_t piece[2][MIB];
    static struct iovec chunks[2][PIECES];

    for (size_t i = 0; i < MIB; i++) piece[1][i] = (uint8_t)(i % 7);
    for (int kind = 0; kind < 2; kind++)
        for (int i = 0; i < PIECES; i++) chunks[kind][i] = (struct iovec){piece[kind], MIB};
    EACH_CODEC(code)
    {
        for (int kind = 0; kind < 2; kind++) {
            int pieces = kind == 0 && code != KFK_CODEC_SNAPPY ? PIECES : PIECES / 4;
            kfk_buf bomb;
            kfk_buf_init(&bomb, SIZE_MAX);
            assert_int_equal(kfk_compress(code, 0, chunks[kind], pieces, &bomb, NULL), 0);
            explode(code, &bomb, (size_t)pieces);
            if (code == KFK_CODEC_ZSTD) {
                drop_content_size(&bomb);
                explode(code, &bomb, (size_t)pieces);
            }
            kfk_buf_fini(&bomb);
        }
    }
    kfk_compress_trim();
}

/* ---- what is not there ------------------------------------------------------------------------------------------- */

static void an_unknown_codec_is_named(void **state)
{
    (void)state;
    static const int codes[] = {5, 6, 7, 9, -1, INT32_MAX, INT32_MIN};
    kfk_buf b;

    kfk_buf_init(&b, SIZE_MAX);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char number[32];
        kfk_error err = {0};
        snprintf(number, sizeof number, "codec %d", codes[i]);
        assert_int_equal(kfk_decompress(codes[i], "x", 1, &b, &err), KAFKA_ECODEC);
        assert_non_null(strstr(err.text, number));
        assert_int_equal(kfk_compress(codes[i], 0, NULL, 0, &b, &err), KAFKA_ECODEC);
        assert_null(kfk_compress_find(codes[i]));
        assert_null(kfk_compress_name(codes[i]));
    }
    kfk_buf_fini(&b);
}

static void a_codec_that_was_left_out_is_named(void **state)
{
    (void)state;
    kfk_buf b;

    kfk_buf_init(&b, SIZE_MAX);
    for (int code = FIRST; code <= LAST; code++) {
        kfk_error err = {0};
        if (kfk_compress_find(code) != NULL) {
            assert_string_equal(kfk_compress_find(code)->name, kfk_compress_name(code));
            assert_int_equal(kfk_compress_find(code)->code, code);
            continue;
        }
        assert_int_equal(kfk_decompress(code, "x", 1, &b, &err), KAFKA_ECODEC);
        assert_non_null(strstr(err.text, kfk_compress_name(code)));
        assert_non_null(strstr(err.text, "not built in"));
    }
    kfk_buf_fini(&b);
}

/* ---- contexts and memory ----------------------------------------------------------------------------------------- */

static void each_failing_allocation_is_reported(void **state)
{
    (void)state;
    static uint8_t src[100000];
    kfk_rand r = seeded();

    fill(&r, src, sizeof src, 1);
    EACH_CODEC(code)
    {
        kfk_buf packed = compressed(code, 0, src, sizeof src);
        MEMCHECK_EACH_FAILURE(n)
        {
            struct iovec chunks[2] = {{src, 40000}, {src + 40000, sizeof src - 40000}};
            kfk_error err = {0};
            kfk_buf b;
            kfk_compress_trim();
            kfk_buf_init(&b, SIZE_MAX);
            int rc = kfk_compress(code, 0, chunks, 2, &b, &err);
            assert_int_equal(rc, memcheck_failed() ? KAFKA_ENOMEM : 0);
            assert_int_equal(err.code, rc);
            kfk_buf_fini(&b);
        }
        MEMCHECK_EACH_FAILURE(n)
        {
            kfk_error err = {0};
            kfk_buf b;
            kfk_compress_trim();
            kfk_buf_init(&b, SIZE_MAX);
            int rc = kfk_decompress(code, packed.data, packed.len, &b, &err);
            assert_int_equal(rc, memcheck_failed() ? KAFKA_ENOMEM : 0);
            assert_int_equal(err.code, rc);
            kfk_buf_fini(&b);
        }
        kfk_buf_fini(&packed);
    }
}

static void a_used_context_serves_the_next_caller(void **state)
{
    (void)state;
    static uint8_t src[100000];
    kfk_rand r = seeded();

    fill(&r, src, sizeof src, 1);
    EACH_CODEC(code)
    {
        kfk_buf packed, plain;
        kfk_buf_init(&packed, SIZE_MAX);
        kfk_buf_init(&plain, SIZE_MAX);
        size_t warm = 0;
        for (int round = 0; round < 3; round++) {
            kfk_buf_clear(&packed);
            kfk_buf_clear(&plain);
            deflates(code, 0, src, sizeof src, &packed);
            assert_int_equal(kfk_decompress(code, packed.data, packed.len, &plain, NULL), 0);
            if (round == 0) warm = memcheck_calls();
        }
        assert_int_equal(memcheck_calls(), warm); /* of ours: compress_malloc_test counts libc's */
        kfk_buf_fini(&packed);
        kfk_buf_fini(&plain);
    }
}

static void damage_does_not_stick_to_a_context(void **state)
{
    (void)state;
    static uint8_t src[70000];
    kfk_rand r = seeded();

    fill(&r, src, sizeof src, 1);
    EACH_CODEC(code)
    {
        kfk_buf b = compressed(code, 0, src, sizeof src);
        for (int round = 0; round < 50; round++) {
            kfk_buf small;
            struct iovec chunk = {src, sizeof src};
            size_t part = kfk_rand_below(&r, b.len);
            inflates_with(code, b.data, part, SIZE_MAX, is_complete(code, &b, part) ? 0 : KAFKA_ECORRUPT);
            inflates_with(code, b.data, b.len, kfk_rand_below(&r, sizeof src), KAFKA_ETOOBIG);
            inflates_to(code, b.data, b.len, src, sizeof src);
            kfk_buf_init(&small, kfk_rand_below(&r, 1000));
            assert_int_equal(kfk_compress(code, 0, &chunk, 1, &small, NULL), KAFKA_ETOOBIG);
            kfk_buf again = compressed(code, 0, src, sizeof src);
            assert_int_equal(again.len, b.len);
            assert_memory_equal(again.data, b.data, b.len);
            kfk_buf_fini(&again);
            kfk_buf_fini(&small);
        }
        kfk_buf_fini(&b);
    }
}

static void *compress_a_while(void *arg)
{
    kfk_rand r;
    static const size_t most = 50000;
    uint8_t *src = malloc(most);
    bool good = src != NULL;

    kfk_rand_seed(&r, *(const uint64_t *)arg);
    for (int round = 0; round < 40 && good; round++) {
        int code = FIRST + (int)kfk_rand_below(&r, 4);
        size_t len = kfk_rand_below(&r, most);
        struct iovec chunk = {src, len};
        kfk_buf packed, plain;
        if (kfk_compress_find(code) == NULL) continue;
        fill(&r, src, len, (int)kfk_rand_below(&r, 3));
        kfk_buf_init(&packed, SIZE_MAX);
        kfk_buf_init(&plain, len);
        good = kfk_compress(code, 0, &chunk, 1, &packed, NULL) == 0 &&
               kfk_decompress(code, packed.data, packed.len, &plain, NULL) == 0 && plain.len == len &&
               (len == 0 || memcmp(plain.data, src, len) == 0);
        if (kfk_rand_below(&r, 20) == 0) kfk_compress_trim();
        kfk_buf_fini(&packed);
        kfk_buf_fini(&plain);
    }
    free(src);
    return good ? arg : NULL;
}

static void threads_share_the_contexts(void **state)
{
    (void)state;
    enum { THREADS = 12 }; /* more than there are places for waiting contexts */
    pthread_t threads[THREADS];
    uint64_t seeds[THREADS];
    kfk_rand r = seeded();

    for (int i = 0; i < THREADS; i++) {
        seeds[i] = kfk_rand_next(&r);
        assert_int_equal(pthread_create(&threads[i], NULL, compress_a_while, &seeds[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *good;
        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_non_null(good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMPRESS_TEST(what_was_compressed_in_any_chunks_comes_back),
        COMPRESS_TEST(nothing_at_all_can_be_compressed_too),
        COMPRESS_TEST(codec_0_copies),
        COMPRESS_TEST(output_goes_behind_what_the_buffer_holds),
        COMPRESS_TEST(every_level_is_taken_and_those_beyond_are_named),
        COMPRESS_TEST(a_higher_level_makes_it_smaller),
        COMPRESS_TEST(streams_begin_as_those_of_java),
        COMPRESS_TEST(snappy_is_written_in_blocks_of_32_kib),
        COMPRESS_TEST(several_streams_in_a_row_are_read_as_one),
        COMPRESS_TEST(what_the_tools_of_the_codecs_make_is_read),
        COMPRESS_TEST(snappy_streams_are_read_whatever_their_version),
        COMPRESS_TEST(a_stream_cut_anywhere_is_damage),
        COMPRESS_TEST(garbage_behind_a_stream_is_damage),
        COMPRESS_TEST(every_flipped_bit_is_found_or_harmless),
        COMPRESS_TEST(noise_is_found_or_harmless),
        COMPRESS_TEST(crafted_streams_are_refused),
        COMPRESS_TEST(a_raw_snappy_size_allocates_nothing),
        COMPRESS_TEST(a_content_size_that_lies_is_found_by_lz4),
        COMPRESS_TEST(output_may_fill_the_limit_and_not_exceed_it),
        COMPRESS_TEST(an_empty_stream_at_the_limit_is_no_excess),
        COMPRESS_TEST(compressed_output_has_a_limit_too),
        COMPRESS_TEST(a_zstd_block_above_its_window_is_damage_however_much_room_there_is),
        cmocka_unit_test(a_gibibyte_in_a_bomb_costs_no_more_than_the_limit),
        COMPRESS_TEST(an_unknown_codec_is_named),
        COMPRESS_TEST(a_codec_that_was_left_out_is_named),
        COMPRESS_TEST(each_failing_allocation_is_reported),
        COMPRESS_TEST(a_used_context_serves_the_next_caller),
        COMPRESS_TEST(damage_does_not_stick_to_a_context),
        COMPRESS_TEST(threads_share_the_contexts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
