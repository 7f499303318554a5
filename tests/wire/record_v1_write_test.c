/* Message sets that are written: byte for byte what Java writes where no codec is in between, and read again. */
#include "support/memcheck.h"

#include "wire/compress.h"
#include "wire/golden_sets.h"
#include "wire/helpers.h"
#include "wire/prim.h"
#include "wire/record_v1.h"

static const int64_t now = 1700000000000;
static const kafka_bytes null = {NULL, 0};

/* The records of the golden sets "plain". */
static void write_plain(kfk_record_v1_writer *w)
{
    assert_int_equal(kfk_record_v1_append(w, now, KAFKA_LIT("key"), KAFKA_LIT("value")), 0);
    assert_int_equal(kfk_record_v1_append(w, now + 5, KAFKA_LIT("k2"), KAFKA_LIT("a second value")), 0);
    assert_int_equal(kfk_record_v1_append(w, now + 2, null, KAFKA_LIT("no key")), 0);
}

static int teardown(void **state)
{
    kfk_compress_trim();
    return memcheck_teardown(state);
}
#define SET_TEST(function) cmocka_unit_test_setup_teardown(function, memcheck_setup, teardown)

static void a_set_without_codec_is_what_java_writes(void **state)
{
    (void)state;
    static const char *const names[] = {"plain/v0/none", "plain/v1/none"};
    for (int8_t magic = 0; magic < 2; magic++) {
        const golden_set *s = golden_sets_find(names[magic]);
        uint8_t memory[400];
        kfk_record_v1_writer w;
        kfk_record_v1_writer_init(&w, magic, memory, sizeof memory);
        write_plain(&w);
        assert_int_equal(w.count, 3);
        assert_int_equal(w.max_timestamp, magic == 0 ? -1 : now + 5);
        assert_int_equal(kfk_record_v1_writer_size(&w), s->len);
        assert_memory_equal(memory, s->bytes, s->len);
    }
}

/* The vectors of kafka-go's own tests: a null key and "Hello World!", whose checksum shows every field. */
static void messages_have_the_bytes_that_kafka_go_gives_them(void **state)
{
    (void)state;
    static const struct {
        int8_t magic;
        int64_t timestamp;
        uint32_t crc;
    } rows[] = {{0, 42, 0xa545b6a5}, {1, 42, 0x67f6f72b}};
    static const char item[] = "\0\0\0\x22\x31\x08\xda\xf8\1\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\x0cHello World!";
    uint8_t memory[100];
    kfk_record_v1_writer w;
    for (size_t i = 0; i < 2; i++) {
        kfk_record_v1_writer_init(&w, rows[i].magic, memory, sizeof memory);
        assert_int_equal(kfk_record_v1_append(&w, rows[i].timestamp, null, KAFKA_LIT("Hello World!")), 0);
        assert_int_equal(kfk_prim_get_be32(memory + 12), rows[i].crc);
    }
    kfk_record_v1_writer_init(&w, 1, memory, sizeof memory);
    assert_int_equal(kfk_record_v1_append(&w, 0, null, KAFKA_LIT("Hello World!")), 0);
    assert_int_equal(kfk_record_v1_writer_size(&w), 8 + sizeof item - 1);
    assert_memory_equal(memory + 8, item, sizeof item - 1); /* behind the offset, which is the broker's */
}

static void null_and_empty_stay_apart(void **state)
{
    (void)state;
    static const char text[] = "0 7 0 - -\n1 7 0 ' -\n2 7 0 - '\n3 7 0 ' '\n";
    uint8_t memory[200];
    kfk_record_v1_writer w;
    kfk_buf got;
    kfk_record_v1_writer_init(&w, 1, memory, sizeof memory);
    for (int i = 0; i < 4; i++) {
        kafka_bytes key = i % 2 ? KAFKA_LIT("") : null, value = i > 1 ? KAFKA_LIT("") : null;
        assert_int_equal(kfk_record_v1_append(&w, 7, key, value), 0);
    }
    assert_int_equal(sets_print_all(memory, kfk_record_v1_writer_size(&w), true, &got, NULL), 0);
    assert_string_equal((char *)got.data, text);
    kfk_buf_fini(&got);
}

/* Behind the CRC up to the value, and what is inside, once inflated: compressors may differ. */
static void expect_same_wrapper(const golden_set *s, const kfk_buf *ours, int magic, int codec)
{
    kfk_buf theirs_in, ours_in;
    kfk_error err = {0};
    size_t value = magic == 0 ? 26 : 34;
    int code = codec == KFK_CODEC_LZ4 && magic == 0 ? KFK_CODEC_LZ4_OLD : codec;
    kfk_buf_init(&theirs_in, SIZE_MAX);
    kfk_buf_init(&ours_in, SIZE_MAX);
    assert_memory_equal(ours->data, s->bytes, 8);
    assert_memory_equal(ours->data + 16, s->bytes + 16, value - 4 - 16);
    if (codec == KFK_CODEC_LZ4) assert_memory_equal(ours->data + value, s->bytes + value, 7); /* its header */
    assert_int_equal(kfk_decompress(code, s->bytes + value, s->len - value, &theirs_in, &err), 0);
    assert_int_equal(kfk_decompress(code, ours->data + value, ours->len - value, &ours_in, &err), 0);
    assert_int_equal(ours_in.len, theirs_in.len);
    assert_memory_equal(ours_in.data, theirs_in.data, ours_in.len);
    kfk_buf_fini(&theirs_in);
    kfk_buf_fini(&ours_in);
}

static void a_wrapper_is_what_java_writes_but_for_the_compressor(void **state)
{
    (void)state;
    for (int8_t magic = 0; magic < 2; magic++) {
        for (int codec = KFK_CODEC_GZIP; codec <= KFK_CODEC_LZ4; codec++) {
            uint8_t memory[400];
            char name[40];
            kfk_record_v1_writer w;
            kfk_buf out, got;
            kfk_error err = {0};
            if (kfk_compress_find(codec) == NULL) continue;
            kfk_record_v1_writer_init(&w, magic, memory, sizeof memory);
            write_plain(&w);
            kfk_buf_init(&out, SIZE_MAX);
            if (kfk_record_v1_wrap(&w, codec, 0, &out, &err) != 0) fail_msg("%s", err.text);
            snprintf(name, sizeof name, "plain/v%d/%s", magic, kfk_compress_name(codec));
            const golden_set *s = golden_sets_find(name);
            expect_same_wrapper(s, &out, magic, codec);
            if (sets_print_all(out.data, out.len, true, &got, &err) != 0) fail_msg("%s: %s", name, err.text);
            assert_string_equal((char *)got.data, s->records);
            kfk_buf_fini(&got);
            kfk_buf_fini(&out);
        }
    }
}

static void zstd_and_unknown_codecs_are_refused(void **state)
{
    (void)state;
    static const struct {
        int codec;
        const char *why;
    } rows[] = {{KFK_CODEC_ZSTD, "zstd"}, {5, "codec 5"}, {7, "codec 7"}};
    uint8_t memory[400];
    kfk_record_v1_writer w;
    kfk_buf out;
    kfk_record_v1_writer_init(&w, 1, memory, sizeof memory);
    write_plain(&w);
    kfk_buf_init(&out, SIZE_MAX);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kfk_error err = {0};
        assert_int_equal(kfk_record_v1_wrap(&w, rows[i].codec, 0, &out, &err), KAFKA_ECODEC);
        assert_non_null(strstr(err.text, rows[i].why));
    }
    kfk_buf_fini(&out);
}

static void a_message_that_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    for (int8_t magic = 0; magic < 2; magic++) {
        size_t one = magic == 0 ? 26 + 4 : 34 + 4;
        for (size_t cap = 0; cap <= 2 * one; cap++) {
            guarded g = guarded_new(4096);
            kfk_record_v1_writer w, before;
            kfk_record_v1_writer_init(&w, magic, guarded_put(&g, NULL, cap), cap);
            for (size_t fits = cap / one; fits > 0; fits--)
                assert_int_equal(kfk_record_v1_append(&w, 1, KAFKA_LIT("k"), KAFKA_LIT("abc")), 0);
            before = w;
            assert_int_equal(kfk_record_v1_append(&w, 9, KAFKA_LIT("k"), KAFKA_LIT("abc")), KAFKA_EAGAIN);
            assert_memory_equal(&w, &before, sizeof w);
            assert_int_equal(kfk_record_v1_writer_size(&w), cap / one * one);
            guarded_free(&g);
        }
    }
}

static void what_the_format_cannot_hold_is_too_big(void **state)
{
    (void)state;
    uint8_t memory[100];
    kfk_record_v1_writer w;
    kfk_record_v1_writer_init(&w, 1, memory, sizeof memory);
    kafka_bytes half = {memory, INT32_MAX / 2}, most = {memory, INT32_MAX - 34}, more = {memory, INT32_MAX - 33};
    assert_int_equal(kfk_record_v1_append(&w, 1, half, half), KAFKA_ETOOBIG);
    assert_int_equal(kfk_record_v1_append(&w, 1, null, more), KAFKA_ETOOBIG);
    assert_int_equal(kfk_record_v1_append(&w, 1, (kafka_bytes){memory, SIZE_MAX}, null), KAFKA_ETOOBIG);
    assert_int_equal(kfk_record_v1_append(&w, 1, most, null), KAFKA_EAGAIN); /* only the memory is too small */
    assert_int_equal(w.count, 0);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    kfk_rand rand = seeded();
    static uint8_t memory[1 << 20], bytes[3000];
    random_bytes(&rand, bytes, sizeof bytes);
    for (int round = 0; round < 300; round++) {
        int8_t magic = (int8_t)(kfk_rand_next(&rand) % 2);
        int codec = (int)(kfk_rand_next(&rand) % 4), count = 1 + (int)(kfk_rand_next(&rand) % 50);
        kfk_record_v1_writer w;
        kfk_buf out, want, got;
        kfk_error err = {0};
        if (kfk_compress_find(codec) == NULL) continue;
        kfk_buf_init(&out, SIZE_MAX);
        kfk_buf_init(&want, SIZE_MAX);
        kfk_record_v1_writer_init(&w, magic, memory, sizeof memory);
        for (int i = 0; i < count; i++) {
            kafka_bytes key = {kfk_rand_next(&rand) % 4 ? bytes : NULL, kfk_rand_next(&rand) % 30};
            kafka_bytes value = {bytes + kfk_rand_next(&rand) % 100, kfk_rand_next(&rand) % 2900};
            if (key.data == NULL) key.len = 0;
            int64_t time = (int64_t)(kfk_rand_next(&rand) >> 1);
            assert_int_equal(kfk_record_v1_append(&w, time, key, value), 0);
        }
        if (codec != 0)
            assert_int_equal(kfk_record_v1_wrap(&w, codec, 0, &out, &err), 0);
        else
            assert_int_equal(kfk_buf_append(&out, memory, kfk_record_v1_writer_size(&w)), 0);
        kfk_buf_fini(&want);
        assert_int_equal(sets_print_all(memory, kfk_record_v1_writer_size(&w), true, &want, &err), 0);
        if (sets_print_all(out.data, out.len, true, &got, &err) != 0) fail_msg("codec %d: %s", codec, err.text);
        assert_string_equal((char *)got.data, (char *)want.data);
        kfk_buf_fini(&got);
        kfk_buf_fini(&want);
        kfk_buf_fini(&out);
    }
}

static void the_limit_of_the_output_and_want_of_memory_are_told(void **state)
{
    (void)state;
    uint8_t memory[400];
    kfk_record_v1_writer w;
    kfk_buf out;
    kfk_error err = {0};
    int codec = kfk_compress_find(KFK_CODEC_LZ4) != NULL ? KFK_CODEC_LZ4 : KFK_CODEC_GZIP;
    if (kfk_compress_find(codec) == NULL) return;
    kfk_record_v1_writer_init(&w, 0, memory, sizeof memory);
    write_plain(&w);
    for (size_t limit = 0; limit < 60; limit++) {
        kfk_buf_init(&out, limit);
        assert_int_equal(kfk_record_v1_wrap(&w, codec, 0, &out, &err), KAFKA_ETOOBIG);
        assert_int_equal(err.code, KAFKA_ETOOBIG);
        kfk_buf_fini(&out);
    }
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_buf_init(&out, SIZE_MAX);
        int rc = kfk_record_v1_wrap(&w, codec, 0, &out, &err);
        assert_int_equal(rc, memcheck_failed() ? KAFKA_ENOMEM : 0);
        kfk_buf_fini(&out);
        kfk_compress_trim();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SET_TEST(a_set_without_codec_is_what_java_writes),
        SET_TEST(messages_have_the_bytes_that_kafka_go_gives_them),
        SET_TEST(null_and_empty_stay_apart),
        SET_TEST(a_wrapper_is_what_java_writes_but_for_the_compressor),
        SET_TEST(zstd_and_unknown_codecs_are_refused),
        SET_TEST(a_message_that_does_not_fit_changes_nothing),
        SET_TEST(what_the_format_cannot_hold_is_too_big),
        SET_TEST(what_is_written_is_read_again),
        SET_TEST(the_limit_of_the_output_and_want_of_memory_are_told),
    };
    return cmocka_run_group_tests(tests, golden_sets_load, golden_sets_free);
}
