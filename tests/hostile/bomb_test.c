/* Bombs (H20, H21, H22, H23, H24): batches that inflate to more than anybody wants, and streams that say they would. A
 * read gives up at the limit of 64 MiB a chunk, and takes no more memory than that. */
#include "base/buf.h"
#include "hostile/hostile.h"
#include <time.h>

enum { MIB = 1024 * 1024, LIMIT = 64 * MIB, PIECE = 4 * MIB };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* `mib` MiB of zeros, as streams of 4 MiB behind each other, which every codec's reader takes for one. */
static batch_bytes make_bomb(int codec, size_t mib)
{
    batch_bytes bomb = {0};
    void *zeros = calloc(1, PIECE);
    struct iovec piece = {zeros, PIECE};
    kfk_buf one;
    kfk_buf_init(&one, SIZE_MAX);
    assert_int_equal(kfk_compress(codec, 0, &piece, 1, &one, NULL), 0);
    size_t times = mib * MIB / PIECE;
    bomb.data = malloc(bomb.cap = times * one.len);
    assert_non_null(bomb.data);
    for (size_t i = 0; i < times; i++, bomb.len += one.len) memcpy(bomb.data + bomb.len, one.data, one.len);
    kfk_buf_fini(&one);
    free(zeros);
    return bomb;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The log has one good message, then this; reading it gives the code, and whoever seeks behind it reads on. */
static void explode(const char *what, int codec, const void *body, size_t len, int code, const char *part)
{
    batch_bytes log = {0};
    kafka_message *m = NULL;
    static const tcp_rule none[1];
    tcp_peer *p = tcp_peer_new(none, 0);
    BATCH(&log, .base = 0, .count = 1);
    batch_append_body(&log, &(batch_spec){.base = 1, .count = 1, .codec = codec}, body, len);
    BATCH(&log, .base = 2, .count = 1);
    calls_fill(p, &log, 3);
    kafka_conn *c = calls_dial(p, 0);
    calls_expect_message(c, 0, "v0");
    hostile_witness_begin();
    size_t before = memcheck_bytes();
    memcheck_peak_begin();
    double start = cpu_seconds();
    int got = kafka_conn_read_message(c, 0, &m);
    double took = cpu_seconds() - start;
    size_t more = memcheck_peak() > before ? memcheck_peak() - before : 0, frame = 2 * len + MIB;
    if (got != code || !strstr(kafka_last_error(), part))
        fail_msg("%s: %d, not %d with \"%s\": %s", what, got, code, part, kafka_last_error());
    assert_non_null(strstr(kafka_last_error(), tcp_peer_address(p)));
    assert_non_null(strstr(kafka_last_error(), "of the Fetch response"));
    assert_non_null(strstr(kafka_last_error(), "at offset 1"));
    print_message("%s: %zu bytes, %zu KiB more memory, %.3f s CPU\n", what, len, more / 1024, took);
    if (more > LIMIT + 2 * MIB + frame) fail_msg("%s: took %zu bytes", what, more);
    if (!SANITIZED) assert_true(took < 2.0); /* 0.2 are the goal */
    assert_int_equal(kafka_conn_offset(c, NULL), 1);
    assert_works(kafka_conn_seek(c, 2, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
    calls_expect_message(c, 2, "v2");
    hostile_witness_end();
    kafka_conn_free(c);
    tcp_peer_free(p);
    kfk_compress_trim();
}

static void explode_zeros(const char *what, int codec, size_t mib)
{
    if (!kfk_compress_find(codec)) return;
    batch_bytes bomb = make_bomb(codec, mib);
    explode(what, codec, bomb.data, bomb.len, KAFKA_ETOOBIG, "67108864");
    batch_free(&bomb);
}

static void H20_H23_H24_a_gibibyte_in_a_batch_ends_at_the_limit(void **state)
{
    (void)state;
    explode_zeros("gzip, 1 GiB", KFK_CODEC_GZIP, 1024);
    explode_zeros("lz4, 1 GiB", KFK_CODEC_LZ4, 1024);
    explode_zeros("zstd, 1 GiB", KFK_CODEC_ZSTD, 1024);
    explode_zeros("snappy chunks, 72 MiB", KFK_CODEC_SNAPPY, 72);
}

static void H21_more_than_4_gibibytes_in_a_batch_end_at_the_limit(void **state)
{
    (void)state;
    explode_zeros("gzip, 4.5 GiB", KFK_CODEC_GZIP, 4608);
    explode_zeros("zstd, 4.5 GiB", KFK_CODEC_ZSTD, 4608);
}

#define CRAFTED(name, codec, bytes, code, text)                                                             \
    do {                                                                                                    \
        if (kfk_compress_find(codec)) explode((name), (codec), (bytes), sizeof(bytes) - 1, (code), (text)); \
    } while (0)

static void H22_a_raw_snappy_block_is_refused_by_the_size_it_declares(void **state)
{
    (void)state;
    CRAFTED("4 GiB - 1", KFK_CODEC_SNAPPY, "\xff\xff\xff\xff\x0f\0\0\0\0\0\0\0\0\0\0\0", KAFKA_ETOOBIG, "67108864");
    CRAFTED("no size", KFK_CODEC_SNAPPY, "\xff\xff\xff\xff\xff\xff", KAFKA_ECORRUPT, "snappy");
}

/* 64-bit sizes of zstd and lz4 are little-endian. */
static void H23_H24_streams_that_say_they_would_are_refused_by_their_headers(void **state)
{
    (void)state;
    CRAFTED("zstd of 8 GiB", KFK_CODEC_ZSTD, "\x28\xb5\x2f\xfd\xe0\0\0\0\0\2\0\0\0\1\0\0", KAFKA_ETOOBIG, "67108864");
    CRAFTED("zstd of 2^64-1", KFK_CODEC_ZSTD, "\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0",
            KAFKA_ETOOBIG, "67108864");
    CRAFTED("a zstd window of 2^31", KFK_CODEC_ZSTD, "\x28\xb5\x2f\xfd\0\xa8\1\0\0", KAFKA_ECORRUPT, "window");
    CRAFTED("a legacy lz4 frame", KFK_CODEC_LZ4, "\x02\x21\x4c\x18\4\0\0\0abcd", KAFKA_ECORRUPT, "lz4");
}

/* A stream that is cut anywhere is damage, as is one that goes on with something else. */
static void H24_streams_that_are_cut_are_damage(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    for (int codec = KFK_CODEC_GZIP; codec <= KFK_CODEC_ZSTD; codec++) {
        if (!kfk_compress_find(codec)) continue;
        char text[300];
        struct iovec src = {text, sizeof text};
        kfk_buf whole;
        for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 7 + i / 9);
        kfk_buf_init(&whole, SIZE_MAX);
        assert_int_equal(kfk_compress(codec, 0, &src, 1, &whole, NULL), 0);
        for (size_t len = whole.len / 3; len < whole.len; len += whole.len / 3)
            explode(names[codec], codec, whole.data, len, KAFKA_ECORRUPT, names[codec]);
        kfk_buf_append(&whole, "garbage behind it", 17);
        explode(names[codec], codec, whole.data, whole.len, KAFKA_ECORRUPT, names[codec]);
        kfk_buf_fini(&whole);
        kfk_compress_trim();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE_TEST(H20_H23_H24_a_gibibyte_in_a_batch_ends_at_the_limit),
        HOSTILE_TEST(H21_more_than_4_gibibytes_in_a_batch_end_at_the_limit),
        HOSTILE_TEST(H22_a_raw_snappy_block_is_refused_by_the_size_it_declares),
        HOSTILE_TEST(H23_H24_streams_that_say_they_would_are_refused_by_their_headers),
        HOSTILE_TEST(H24_streams_that_are_cut_are_damage),
    };
    return hostile_main(tests);
}
