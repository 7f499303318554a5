#include "support/memcheck.h"

#include "base/crc32c.h"
#include "base/rand.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 100000, ALIGNMENTS = 64, MAX_IMPLS = 8 };
static uint8_t bytes[LARGEST + ALIGNMENTS];

static void fill_with_random_bytes(uint64_t seed)
{
    kfk_rand r;
    kfk_rand_seed(&r, seed);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)kfk_rand_next(&r);
}

/* The definition, bit by bit: what all else is compared with. */
static uint32_t by_definition(const uint8_t *p, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (; len > 0; len--, p++) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

static size_t get_impls(kfk_crc32c_impl impls[MAX_IMPLS])
{
    size_t count = kfk_crc32c_impls(impls, MAX_IMPLS);
    assert_in_range(count, 1, MAX_IMPLS);
    return count;
}

static void assert_all_give(uint32_t expected, const void *data, size_t len)
{
    kfk_crc32c_impl impls[MAX_IMPLS];
    size_t count = get_impls(impls);

    assert_int_equal(kfk_crc32c(0, data, len), expected);
    for (size_t i = 0; i < count; i++) {
        uint32_t crc = impls[i].update(0, data, len);
        if (crc != expected) fail_msg("%s, %zu bytes: %08x, not %08x", impls[i].name, len, crc, expected);
    }
}

static void the_vectors_of_rfc_3720_and_the_check_value_come_out(void **state)
{
    (void)state;
    static const uint8_t scsi_read[48] = {0x01, 0xc0, 0, 0, 0, 0, 0,    0, 0,    0, 0, 0,    0, 0, 0, 0,
                                          0x14, 0,    0, 0, 0, 0, 0x04, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
                                          0x28, 0,    0, 0, 0, 0, 0,    0, 0x02, 0, 0, 0,    0, 0, 0, 0};
    uint8_t data[32];

    assert_all_give(0, NULL, 0);
    assert_all_give(0xe3069283, "123456789", 9);
    memset(data, 0, sizeof data);
    assert_all_give(0x8a9136aa, data, sizeof data);
    memset(data, 0xff, sizeof data);
    assert_all_give(0x62a8ab43, data, sizeof data);
    for (int i = 0; i < 32; i++) data[i] = (uint8_t)i;
    assert_all_give(0x46dd794e, data, sizeof data);
    for (int i = 0; i < 32; i++) data[i] = (uint8_t)(31 - i);
    assert_all_give(0x113fdb5c, data, sizeof data);
    assert_all_give(0xd9963a56, scsi_read, sizeof scsi_read);
}

static void all_implementations_agree_at_each_alignment(void **state)
{
    (void)state;
    kfk_rand r;

    fill_with_random_bytes(1);
    kfk_rand_seed(&r, 2);
    for (size_t align = 0; align < ALIGNMENTS; align++) {
        for (size_t len = 0; len < 64; len++) assert_all_give(by_definition(bytes + align, len), bytes + align, len);
        size_t len = kfk_rand_below(&r, 3000);
        assert_all_give(by_definition(bytes + align, len), bytes + align, len);
        len = kfk_rand_below(&r, LARGEST + 1);
        assert_all_give(by_definition(bytes + align, len), bytes + align, len);
    }
    assert_all_give(by_definition(bytes, LARGEST), bytes, LARGEST);
}

/* Around the lengths where an implementation changes its ways: blocks of 256 and 4096 bytes in threes, 1 KiB, words. */
static void all_implementations_agree_around_their_block_lengths(void **state)
{
    (void)state;
    static const size_t lengths[] = {256, 768, 1024, 1280, 1536, 2048, 4096, 12288, 12288 + 768, 24576, 65536};

    fill_with_random_bytes(3);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (size_t len = lengths[i] - 9; len <= lengths[i] + 9; len++)
            assert_all_give(by_definition(bytes + 1, len), bytes + 1, len);
    }
}

static void a_crc_may_be_continued_at_any_place(void **state)
{
    (void)state;
    kfk_crc32c_impl impls[MAX_IMPLS];
    size_t count = get_impls(impls);
    kfk_rand r;

    fill_with_random_bytes(4);
    kfk_rand_seed(&r, 5);
    for (int round = 0; round < 200; round++) {
        size_t len = kfk_rand_below(&r, 20000), cut = kfk_rand_below(&r, len + 1);
        uint32_t whole = kfk_crc32c(0, bytes, len);
        for (size_t i = 0; i < count; i++) {
            uint32_t crc = impls[i].update(0, bytes, cut);
            assert_int_equal(impls[i].update(crc, bytes + cut, len - cut), whole);
        }
    }
}

static void combining_the_crcs_of_two_parts_gives_that_of_the_whole(void **state)
{
    (void)state;
    kfk_rand r;

    fill_with_random_bytes(6);
    kfk_rand_seed(&r, 7);
    for (int round = 0; round < 1000; round++) {
        size_t len = kfk_rand_below(&r, LARGEST), len_a = kfk_rand_below(&r, len + 1), len_b = len - len_a;
        if (round % 10 == 0) len_b = 0;
        if (round % 10 == 1) len_b = 1;
        uint32_t a = kfk_crc32c(0, bytes, len_a), b = kfk_crc32c(0, bytes + len_a, len_b);
        assert_int_equal(kfk_crc32c_combine(a, b, len_b), kfk_crc32c(0, bytes, len_a + len_b));
    }
    assert_int_equal(kfk_crc32c_combine(0x12345678, 0, 0), 0x12345678);
}

/* The CRC of `len` copies of a byte, put together from single bytes by doubling: 2^k copies follow 2^k copies. */
static uint32_t crc_of_copies(uint8_t byte, uint64_t len)
{
    uint32_t crc = 0, part = kfk_crc32c(0, &byte, 1);
    for (uint64_t part_len = 1; part_len <= len; part_len *= 2) {
        if (len & part_len) crc = kfk_crc32c_combine(crc, part, part_len);
        part = kfk_crc32c_combine(part, part, part_len);
    }
    return crc;
}

static void a_part_of_more_than_4_gib_can_be_combined(void **state)
{
    (void)state;
    uint64_t len = (UINT64_C(1) << 32) + 5;
    uint32_t a = kfk_crc32c(0, "abc", 3), b = crc_of_copies('x', len), step = a;

    memset(bytes, 'x', LARGEST);
    assert_int_equal(crc_of_copies('x', LARGEST), kfk_crc32c(0, bytes, LARGEST));

    uint32_t block = crc_of_copies('x', UINT64_C(1) << 22);
    for (int i = 0; i < 1024; i++) step = kfk_crc32c_combine(step, block, UINT64_C(1) << 22);
    step = kfk_crc32c_combine(step, kfk_crc32c(0, "xxxxx", 5), 5);
    assert_int_equal(kfk_crc32c_combine(a, b, len), step);
}

/* A length with all 64 bits: going on by 2^64 - 1 bytes in one step and in two. */
static void the_largest_length_is_no_exception(void **state)
{
    (void)state;
    uint32_t a = kfk_crc32c(0, "abc", 3);
    uint32_t halves = kfk_crc32c_combine(kfk_crc32c_combine(a, 0, UINT64_MAX / 2), 0, UINT64_MAX / 2 + 1);

    assert_int_equal(kfk_crc32c_combine(a, 0, UINT64_MAX), halves);
}

static void the_implementation_in_use_comes_first(void **state)
{
    (void)state;
    kfk_crc32c_impl one, impls[MAX_IMPLS];
    size_t count = get_impls(impls);

    assert_int_equal(kfk_crc32c_impls(&one, 1), count);
    assert_string_equal(one.name, impls[0].name);
    assert_int_equal(kfk_crc32c_impls(NULL, 0), count);
    assert_string_equal(impls[count - 1].name, "tables");
}

static void *crc_of_check_value(void *arg)
{
    uint32_t *result = arg;
    *result = kfk_crc32c_combine(kfk_crc32c(0, "1234", 4), kfk_crc32c(0, "56789", 5), 5);
    return NULL;
}

/* Must run first: it is about the first calls of a process. */
static void several_threads_may_come_first_together(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    uint32_t results[THREADS] = {0};

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crc_of_check_value, &results[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(results[i], 0xe3069283);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(several_threads_may_come_first_together),
        MEMCHECK_TEST(the_vectors_of_rfc_3720_and_the_check_value_come_out),
        MEMCHECK_TEST(all_implementations_agree_at_each_alignment),
        MEMCHECK_TEST(all_implementations_agree_around_their_block_lengths),
        MEMCHECK_TEST(a_crc_may_be_continued_at_any_place),
        MEMCHECK_TEST(combining_the_crcs_of_two_parts_gives_that_of_the_whole),
        MEMCHECK_TEST(a_part_of_more_than_4_gib_can_be_combined),
        MEMCHECK_TEST(the_largest_length_is_no_exception),
        MEMCHECK_TEST(the_implementation_in_use_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
