/* Fetched data in message formats 0 and 1. */
#include "base/rand.h"
#include "engine/chunks.h"
#include "support/message_sets.h"
#include "wire/prim.h"

static void messages_of_all_formats_come_out_one_behind_the_other(void **state)
{
    (void)state;
    int codec = set_some_codec();
    SET(&log_, .magic = 0, .first = 0, .count = 2);
    SET(&log_, .magic = 0, .first = 2, .count = 2, .codec = codec);
    SET(&log_, .magic = 1, .first = 4, .count = 2);
    SET(&log_, .magic = 1, .first = 6, .count = 2, .codec = codec);
    BATCH(&log_, .base = 8, .count = 2, .codec = codec);
    SET(&log_, .magic = 1, .first = 10, .count = 1);
    expect_and_free(whole(0), "0 1 2 3 4 5 6 7 8 9 10", KAFKA_EOF, 11);
}

static void a_position_inside_a_set_skips_what_lies_before_it(void **state)
{
    (void)state;
    SET(&log_, .magic = 0, .first = 10, .count = 4, .codec = set_some_codec());
    SET(&log_, .magic = 1, .first = 20, .count = 4, .codec = set_some_codec(), .step = 2);
    SET(&log_, .magic = 1, .first = 30, .count = 3);
    expect_and_free(whole(12), "12 13 20 22 24 26 30 31 32", KAFKA_EOF, 33);
    expect_and_free(whole(23), "24 26 30 31 32", KAFKA_EOF, 33);
    expect_and_free(whole(27), "30 31 32", KAFKA_EOF, 33);
    expect_and_free(whole(31), "31 32", KAFKA_EOF, 33);
    expect_and_free(whole(33), "", KAFKA_EOF, 33);
}

static void times_are_the_messages_or_the_brokers_or_none(void **state)
{
    (void)state;
    int codec = set_some_codec();
    SET(&log_, .magic = 0, .first = 0, .count = 1, .codec = codec);
    SET(&log_, .magic = 1, .first = 1, .count = 2, .codec = codec);
    SET(&log_, .magic = 1, .first = 3, .count = 2, .codec = codec, .append_time = true);
    SET(&log_, .magic = 1, .first = 5, .count = 1, .append_time = true);
    static const int64_t times[] = {-1, 1000, 1001, 5000, 5000, 5000};
    kfk_chunk c = whole(0);
    kfk_record r;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(kfk_chunk_next(&c, &r), 0);
        assert_int_equal(r.timestamp, times[i]);
        assert_int_equal(kfk_batch_is_append_time(&c.batch), i > 2);
        assert_int_equal(c.batch.leader_epoch, -1);
    }
    kfk_chunk_fini(&c);
}

static void a_record_of_a_set_that_was_put_back_comes_again(void **state)
{
    (void)state;
    kfk_record r;
    SET(&log_, .magic = 1, .first = 0, .count = 2, .codec = set_some_codec());
    SET(&log_, .magic = 0, .first = 2, .count = 1);
    kfk_chunk c = whole(0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kfk_chunk_next(&c, &r), 0);
        kfk_chunk_unread(&c, &r);
        assert_int_equal(c.next_offset, i);
        kfk_chunk_peek(&c);
        assert_int_equal(kfk_chunk_next(&c, &r), 0);
        assert_int_equal(r.offset, i);
    }
    expect_and_free(c, "", KAFKA_EOF, 3);
}

static void committed_reads_see_them_all(void **state)
{
    (void)state;
    MESSAGE(&log_, .magic = 1, .attributes = 0x30, .offset = 0, .value = KAFKA_LIT("v0")); /* bits of a batch's */
    kfk_fetch_response_aborted list[] = {{-1, 0}, {7, 0}};
    expect_and_free(committed(0, list, 2), "0", KAFKA_EOF, 1);
}

/* ---- what does not come whole ------------------------------------------------------------------------------------ */

static void a_message_that_the_broker_cut_off_ends_the_chunk(void **state)
{
    (void)state;
    for (int magic = 0; magic < 2; magic++) {
        SET(&log_, .magic = magic, .first = 0, .count = 2);
        size_t first = log_.len;
        SET(&log_, .magic = magic, .first = 2, .count = 3, .codec = set_some_codec());
        if (set_some_codec() == 0) log_.len = first + 28; /* one message */
        for (size_t len = first; len < log_.len; len++) {
            kfk_chunk c;
            assert_int_equal(begin(&c, len, 0, NULL), 0);
            expect_and_free(c, "0 1", KAFKA_EOF, 2);
        }
        log_.len = 0;
    }
}

static void a_first_message_that_was_cut_off_is_too_big(void **state)
{
    (void)state;
    for (int magic = 0; magic < 2; magic++) {
        SET(&log_, .magic = magic, .first = 5, .count = 1, .value_size = 100);
        for (size_t len = 1; len < log_.len; len++) {
            kfk_chunk c;
            assert_int_equal(begin(&c, len, 5, NULL), 0);
            expect(&c, "", KAFKA_ETOOBIG);
            assert_non_null(strstr(c.error.text, "max_bytes"));
            kfk_chunk_fini(&c);
        }
        log_.len = 0;
    }
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static void good_sets_come_out_before_a_damaged_one_is_told(void **state)
{
    (void)state;
    SET(&log_, .magic = 1, .first = 0, .count = 2, .codec = set_some_codec());
    size_t bad = SET(&log_, .magic = 1, .first = 2, .count = 2, .codec = set_some_codec());
    SET(&log_, .magic = 1, .first = 4, .count = 2);
    log_.data[bad + 34] ^= 1;
    expect_and_free(whole(0), "0 1", KAFKA_ECORRUPT, 2);
    expect_and_free(whole(2), "", KAFKA_ECORRUPT, 2);
}

static void one_damaged_message_keeps_its_whole_set_back(void **state)
{
    (void)state;
    if (set_some_codec() == 0) return;
    batch_bytes inside = {0};
    SET(&inside, .magic = 1, .first = 0, .count = 3);
    inside.data[inside.len - 1] ^= 1;
    set_wrap(&log_, 1, set_some_codec(), 12, &inside);
    batch_free(&inside);
    expect_and_free(whole(10), "", KAFKA_ECORRUPT, 10);
}

/* Nothing that is passed over is believed either. */
static void damage_in_front_of_the_position_is_found(void **state)
{
    (void)state;
    SET(&log_, .magic = 1, .first = 0, .count = 3);
    log_.data[17] ^= 8;
    expect_and_free(whole(2), "", KAFKA_ECORRUPT, 2);
}

static void an_unknown_codec_and_zstd_are_told(void **state)
{
    (void)state;
    SET(&log_, .magic = 1, .first = 0, .count = 1);
    size_t odd = MESSAGE(&log_, .magic = 1, .attributes = 6, .offset = 1, .value = KAFKA_LIT("x"));
    expect_and_free(whole(0), "0", KAFKA_ECODEC, 1);
    log_.data[odd + 17] = KFK_CODEC_ZSTD;
    message_seal(&log_, odd);
    expect_and_free(whole(0), "0", KAFKA_ECORRUPT, 1);
}

static void whatever_a_peer_sends_ends_in_one_of_a_few_ways(void **state)
{
    (void)state;
    kfk_rand rand;
    uint64_t seed = kfk_rand_system_seed();
    kfk_rand_seed(&rand, seed);
    SET(&log_, .magic = 0, .first = 0, .count = 2);
    size_t wrapper = SET(&log_, .magic = 1, .first = 2, .count = 4, .codec = set_some_codec());
    size_t end = log_.len;
    SET(&log_, .magic = 1, .first = 6, .count = 2);
    for (int round = 0; round < 5000; round++) {
        size_t at = kfk_rand_next(&rand) % log_.len;
        uint8_t was = log_.data[at];
        log_.data[at] = (uint8_t)kfk_rand_next(&rand);
        bool seal = set_some_codec() != 0 && at >= wrapper + 16 && at < end && kfk_rand_next(&rand) % 2 != 0;
        if (seal) message_seal(&log_, wrapper); /* as a malicious broker: with a CRC that is right */
        kfk_chunk c = whole((int64_t)(kfk_rand_next(&rand) % 12));
        kfk_record r;
        int64_t last = -1;
        while (kfk_chunk_next(&c, &r) == 0) {
            if (r.offset <= last)
                fail_msg("seed %llu: offset %lld behind %lld", (unsigned long long)seed, (long long)r.offset,
                         (long long)last);
            last = r.offset;
        }
        bool known = c.err == KAFKA_EOF || c.err == KAFKA_ECORRUPT || c.err == KAFKA_ECODEC || c.err == KAFKA_ETOOBIG;
        if (!known) fail_msg("seed %llu: %d %s", (unsigned long long)seed, c.err, c.error.text);
        kfk_chunk_fini(&c);
        log_.data[at] = was;
        if (seal) message_seal(&log_, wrapper);
    }
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static void at_the_inflating_limit_a_chunk_ends_and_the_next_one_goes_on(void **state)
{
    (void)state;
    if (set_some_codec() == 0) return;
    for (int i = 0; i < 4; i++) SET(&log_, .magic = 1, .first = i, .count = 1, .codec = set_some_codec());
    kfk_chunk c = whole(0);
    c.inflate_left = 80; /* a message takes 36 bytes */
    expect_and_free(c, "0 1", KAFKA_EOF, 2);
    c = whole(2);
    c.inflate_left = 80;
    expect_and_free(c, "2 3", KAFKA_EOF, 4);
    c = whole(0);
    c.inflate_left = 30;
    expect_and_free(c, "", KAFKA_ETOOBIG, 0);
}

static void an_allocation_that_fails_is_told_and_nothing_leaks(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        SET(&log_, .magic = i % 2, .first = i, .count = 1, .codec = i % 3 ? set_some_codec() : 0);
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_chunk c;
        kfk_record r;
        int records = 0, err = begin(&c, log_.len, 0, NULL);
        if (err == 0) {
            while ((err = kfk_chunk_next(&c, &r)) == 0) records++;
            assert_int_equal(c.next_offset, records);
            assert_int_equal(kfk_chunk_next(&c, &r), err);
            if (err != KAFKA_EOF) assert_int_equal(c.error.code, KAFKA_ENOMEM);
            kfk_chunk_fini(&c);
        }
        assert_int_equal(err, memcheck_failed() ? KAFKA_ENOMEM : KAFKA_EOF);
        kfk_compress_trim();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHUNK_TEST(messages_of_all_formats_come_out_one_behind_the_other),
        CHUNK_TEST(a_position_inside_a_set_skips_what_lies_before_it),
        CHUNK_TEST(times_are_the_messages_or_the_brokers_or_none),
        CHUNK_TEST(a_record_of_a_set_that_was_put_back_comes_again),
        CHUNK_TEST(committed_reads_see_them_all),
        CHUNK_TEST(a_message_that_the_broker_cut_off_ends_the_chunk),
        CHUNK_TEST(a_first_message_that_was_cut_off_is_too_big),
        CHUNK_TEST(good_sets_come_out_before_a_damaged_one_is_told),
        CHUNK_TEST(one_damaged_message_keeps_its_whole_set_back),
        CHUNK_TEST(damage_in_front_of_the_position_is_found),
        CHUNK_TEST(an_unknown_codec_and_zstd_are_told),
        CHUNK_TEST(whatever_a_peer_sends_ends_in_one_of_a_few_ways),
        CHUNK_TEST(at_the_inflating_limit_a_chunk_ends_and_the_next_one_goes_on),
        CHUNK_TEST(an_allocation_that_fails_is_told_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
