/* The checksum of lz4 headers, the right one and that of old clients. */
#include "support/memcheck.h"

#include "wire/compress.h"
#include "wire/compress_lz4_header.h"
#include "wire/helpers.h"

static kfk_buf frame;

static int setup(void **state)
{
    memcheck_setup(state);
    kfk_buf_init(&frame, SIZE_MAX);
    return 0;
}

static int teardown(void **state)
{
    kfk_buf_fini(&frame);
    kfk_compress_trim();
    return memcheck_teardown(state);
}
#define LZ4_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static void make_frame(int code)
{
    struct iovec text = {(void *)(uintptr_t) "some text, some text", 20};
    kfk_buf_clear(&frame);
    assert_int_equal(kfk_compress(code, 0, &text, 1, &frame, NULL), 0);
}

static void expect_text(int code, int times)
{
    kfk_buf out;
    kfk_error err = {0};
    kfk_buf_init(&out, SIZE_MAX);
    if (kfk_decompress(code, frame.data, frame.len, &out, &err) != 0) fail_msg("codec %d: %s", code, err.text);
    assert_int_equal(out.len, 20 * times);
    for (int i = 0; i < times; i++) assert_memory_equal(out.data + 20 * i, "some text, some text", 20);
    kfk_buf_fini(&out);
}

static void the_checksum_is_the_one_that_liblz4_writes(void **state)
{
    (void)state;
    /* Written by lz4 1.9.4: with linked blocks, with a content size, with blocks of 4 MiB. */
    static const uint8_t headers[][15] = {
        {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82},
        {0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7},
        {0x04, 0x22, 0x4d, 0x18, 0x64, 0x70, 0xb9},
    };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(kfk_lz4_header_size(headers[i], 15), 7);
        assert_int_equal(kfk_lz4_header_checksum(headers[i], 7), headers[i][6]);
    }
}

/* Of headers of all sizes, also those that our writer never makes: liblz4 refuses any other checksum. */
static void liblz4_takes_headers_of_every_size_with_it(void **state)
{
    (void)state;
    static const uint8_t flags[] = {0x60, 0x68}; /* without, with a content size */
    for (size_t i = 0; i < 2; i++) {
        for (int old = 0; old < 2; old++) {
            make_frame(KFK_CODEC_LZ4);
            uint8_t bytes[100] = {0x04, 0x22, 0x4d, 0x18, flags[i], 0x40, 20};
            size_t size = kfk_lz4_header_size(bytes, sizeof bytes);
            assert_int_equal(size, i == 0 ? 7 : 15);
            bytes[size - 1] = old ? kfk_lz4_header_old_checksum(bytes, size) : kfk_lz4_header_checksum(bytes, size);
            memcpy(bytes + size, frame.data + 7, frame.len - 7);
            size_t len = size + frame.len - 7;
            kfk_buf_clear(&frame);
            kfk_buf_append(&frame, bytes, len);
            expect_text(KFK_CODEC_LZ4_OLD, 1);
            if (!old) expect_text(KFK_CODEC_LZ4, 1);
        }
    }
}

/* Computed once with XXH32 of xxhash 0.8.1, over 18 bytes: more than a stripe. */
static void a_header_with_everything_in_it_is_hashed_as_xxhash_does(void **state)
{
    (void)state;
    uint8_t header[19] = {0x04, 0x22, 0x4d, 0x18, 0x69, 0x40, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0};
    assert_int_equal(kfk_lz4_header_size(header, 19), 19);
    assert_int_equal(kfk_lz4_header_checksum(header, 19), 0x8b);
    assert_int_equal(kfk_lz4_header_old_checksum(header, 19), 0xc4);
}

static void old_frames_are_read_where_they_are_allowed_alone(void **state)
{
    (void)state;
    kfk_buf out;
    kfk_error err = {0};
    make_frame(KFK_CODEC_LZ4_OLD);
    assert_int_equal(frame.data[6], 0x1a); /* as Java has it: tests/golden/message_sets.txt */
    expect_text(KFK_CODEC_LZ4_OLD, 1);
    kfk_buf_init(&out, SIZE_MAX);
    assert_int_equal(kfk_decompress(KFK_CODEC_LZ4, frame.data, frame.len, &out, &err), KAFKA_ECORRUPT);
    frame.data[6] = 0x82;
    expect_text(KFK_CODEC_LZ4_OLD, 1);
    for (int checksum = 0; checksum < 256; checksum++) { /* any other is damage */
        if (checksum == 0x1a || checksum == 0x82) continue;
        frame.data[6] = (uint8_t)checksum;
        assert_int_equal(kfk_decompress(KFK_CODEC_LZ4_OLD, frame.data, frame.len, &out, &err), KAFKA_ECORRUPT);
    }
    kfk_buf_fini(&out);
}

static void several_old_frames_are_read_one_behind_the_other(void **state)
{
    (void)state;
    make_frame(KFK_CODEC_LZ4_OLD);
    size_t len = frame.len;
    kfk_buf_reserve(&frame, len);
    kfk_buf_append(&frame, frame.data, len);
    expect_text(KFK_CODEC_LZ4_OLD, 2);
    frame.data[len + 6] = 0x82;
    expect_text(KFK_CODEC_LZ4_OLD, 2);
}

static void what_is_no_whole_header_has_no_size(void **state)
{
    (void)state;
    make_frame(KFK_CODEC_LZ4);
    for (size_t len = 0; len < 7; len++) assert_int_equal(kfk_lz4_header_size(frame.data, len), 0);
    assert_int_equal(kfk_lz4_header_size(frame.data, 7), 7);
    frame.data[4] |= 0x08;
    assert_int_equal(kfk_lz4_header_size(frame.data, 14), 0);
    assert_int_equal(kfk_lz4_header_size(frame.data, 15), 15);
    frame.data[0] ^= 1;
    assert_int_equal(kfk_lz4_header_size(frame.data, 15), 0);
}

static void a_truncated_old_frame_is_damage(void **state)
{
    (void)state;
    make_frame(KFK_CODEC_LZ4_OLD);
    guarded g = guarded_new(4096);
    for (size_t len = 0; len < frame.len; len++) {
        kfk_buf out;
        kfk_error err = {0};
        kfk_buf_init(&out, SIZE_MAX);
        assert_int_equal(kfk_decompress(KFK_CODEC_LZ4_OLD, guarded_put(&g, frame.data, len), len, &out, &err),
                         KAFKA_ECORRUPT);
        kfk_buf_fini(&out);
    }
    guarded_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LZ4_TEST(the_checksum_is_the_one_that_liblz4_writes),
        LZ4_TEST(liblz4_takes_headers_of_every_size_with_it),
        LZ4_TEST(a_header_with_everything_in_it_is_hashed_as_xxhash_does),
        LZ4_TEST(old_frames_are_read_where_they_are_allowed_alone),
        LZ4_TEST(several_old_frames_are_read_one_behind_the_other),
        LZ4_TEST(what_is_no_whole_header_has_no_size),
        LZ4_TEST(a_truncated_old_frame_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
