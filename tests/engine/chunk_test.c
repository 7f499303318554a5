#include "support/memcheck.h"

#include "base/rand.h"
#include "engine/chunk.h"
#include "support/batches.h"
#include "wire/compress.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRANSACTIONAL = KFK_BATCH_TRANSACTIONAL, CONTROL = KFK_BATCH_CONTROL };

static batch_bytes log_;

static int teardown(void **state)
{
    batch_free(&log_);
    kfk_compress_trim();
    return memcheck_teardown(state);
}
#define CHUNK_TEST(function) cmocka_unit_test_setup_teardown(function, memcheck_setup, teardown)

/* A chunk of the first `len` bytes of the log, read from `from` on; with `aborted` as read_committed. */
static int begin(kfk_chunk *c, size_t len, int64_t from, const kfk_fetch_response_aborted_array *aborted)
{
    kfk_block *frame = kfk_block_new(len + 1);
    if (frame == NULL) return KAFKA_ENOMEM;
    if (len > 0) memcpy(frame->data, log_.data, len);
    kfk_fetch_response_partition p = {.high_watermark = 99, .records.bytes = {frame->data, len}};
    if (aborted != NULL) p.aborted_transactions = *aborted;
    return kfk_chunk_init(c, frame, &p, from, aborted != NULL, 1000);
}

static kfk_chunk whole(int64_t from)
{
    kfk_chunk c;
    assert_int_equal(begin(&c, log_.len, from, NULL), 0);
    return c;
}

static kfk_chunk committed(int64_t from, kfk_fetch_response_aborted *items, int32_t count)
{
    kfk_chunk c;
    kfk_fetch_response_aborted_array list = {items, count};
    assert_int_equal(begin(&c, log_.len, from, &list), 0);
    return c;
}

/* The chunk yields the records of these offsets, with their values, then this error, which sticks. */
static void expect(kfk_chunk *c, const char *offsets, int err)
{
    kfk_record r;
    char got[256] = "";
    int code;
    while ((code = kfk_chunk_next(c, &r)) == 0) {
        size_t at = strlen(got);
        char value[32];
        snprintf(got + at, sizeof got - at, "%s%lld", at > 0 ? " " : "", (long long)r.offset);
        snprintf(value, sizeof value, "v%lld", (long long)r.offset);
        assert_int_equal(r.value.len, strlen(value));
        assert_memory_equal(r.value.data, value, r.value.len);
        assert_int_equal(c->next_offset, r.offset + 1);
    }
    assert_string_equal(got, offsets);
    assert_int_equal(code, err);
    assert_int_equal(kfk_chunk_next(c, &r), err);
    if (err != KAFKA_EOF) {
        assert_int_equal(c->error.code, err);
        assert_true(strlen(c->error.text) > 10);
    }
}

static void expect_and_free(kfk_chunk c, const char *offsets, int err, int64_t next)
{
    expect(&c, offsets, err);
    assert_int_equal(c.next_offset, next);
    kfk_chunk_fini(&c);
}

/* ---- walking ----------------------------------------------------------------------------------------------------- */

static void records_come_out_in_order_and_the_position_ends_behind_them(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 3);
    BATCH(&log_, .base = 3, .count = 1);
    expect_and_free(whole(0), "0 1 2 3", KAFKA_EOF, 4);
}

static void nothing_fetched_is_the_end_at_once(void **state)
{
    (void)state;
    expect_and_free(whole(7), "", KAFKA_EOF, 7);
}

static void a_position_in_the_middle_of_a_batch_skips_what_lies_before_it(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 5);
    BATCH(&log_, .base = 5, .count = 2, .codec = KFK_CODEC_GZIP);
    expect_and_free(whole(3), "3 4 5 6", KAFKA_EOF, 7);
    expect_and_free(whole(6), "6", KAFKA_EOF, 7);
}

static void gaps_within_and_between_batches_are_skipped(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 3, .step = 4, .tail = 1);
    BATCH(&log_, .base = 20, .count = 2);
    expect_and_free(whole(1), "4 8 20 21", KAFKA_EOF, 22);
}

static void the_position_passes_what_compaction_emptied_at_the_end(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 2, .tail = 5);
    BATCH(&log_, .base = 7, .count = 0, .tail = 3);
    expect_and_free(whole(0), "0 1", KAFKA_EOF, 10);
    expect_and_free(whole(4), "", KAFKA_EOF, 10);
}

static void markers_move_the_position_and_are_not_handed_out(void **state)
{
    (void)state;
    batch_append_marker(&log_, 0, 7, KFK_CONTROL_COMMIT);
    BATCH(&log_, .base = 1, .count = 1);
    batch_append_marker(&log_, 2, 7, KFK_CONTROL_ABORT);
    expect_and_free(whole(0), "1", KAFKA_EOF, 3);
}

static void a_record_that_was_put_back_comes_again(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 2, .step = 3);
    kfk_chunk c = whole(0);
    kfk_record r;
    assert_int_equal(kfk_chunk_next(&c, &r), 0);
    kfk_chunk_unread(&c, &r);
    assert_int_equal(c.next_offset, 0);
    assert_int_equal(kfk_chunk_next(&c, &r), 0);
    assert_int_equal(kfk_chunk_next(&c, &r), 0);
    kfk_chunk_unread(&c, &r);
    expect_and_free(c, "3", KAFKA_EOF, 4);
}

static void looking_ahead_takes_nothing(void **state)
{
    (void)state;
    batch_append_marker(&log_, 0, 7, KFK_CONTROL_COMMIT);
    BATCH(&log_, .base = 1, .count = 2, .step = 5);
    kfk_chunk c = whole(0);
    kfk_chunk_peek(&c);
    assert_int_equal(c.err, 0);
    kfk_chunk_peek(&c);
    expect_and_free(c, "1 6", KAFKA_EOF, 7);
    c = whole(7);
    kfk_chunk_peek(&c);
    assert_int_equal(c.err, KAFKA_EOF);
    kfk_chunk_fini(&c);
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */

/* Offsets 0-1 aborted of 7, 2 committed of 8, 3 plain, 4 marker of 7, 5 committed of 7, 6-7 markers, 8 aborted of 7, 9
 * marker. */
static void make_transactions(void)
{
    BATCH(&log_, .base = 0, .count = 2, .producer_id = 7, .attributes = TRANSACTIONAL);
    BATCH(&log_, .base = 2, .count = 1, .producer_id = 8, .attributes = TRANSACTIONAL);
    BATCH(&log_, .base = 3, .count = 1, .producer_id = 7);
    batch_append_marker(&log_, 4, 7, KFK_CONTROL_ABORT);
    BATCH(&log_, .base = 5, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL);
    batch_append_marker(&log_, 6, 8, KFK_CONTROL_COMMIT);
    batch_append_marker(&log_, 7, 7, KFK_CONTROL_COMMIT);
    BATCH(&log_, .base = 8, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL);
    batch_append_marker(&log_, 9, 7, KFK_CONTROL_ABORT);
}

static void what_was_aborted_is_left_out_of_committed_reads_alone(void **state)
{
    (void)state;
    make_transactions();
    kfk_fetch_response_aborted sorted[] = {{7, 0}, {7, 8}}, unsorted[] = {{7, 8}, {7, 0}, {9, 3}};
    expect_and_free(committed(0, sorted, 2), "2 3 5", KAFKA_EOF, 10);
    expect_and_free(committed(0, unsorted, 3), "2 3 5", KAFKA_EOF, 10);
    expect_and_free(whole(0), "0 1 2 3 5 8", KAFKA_EOF, 10);
    expect_and_free(committed(0, NULL, -1), "0 1 2 3 5 8", KAFKA_EOF, 10);
}

static void transactions_of_several_producers_may_interleave(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 1, .producer_id = 1, .attributes = TRANSACTIONAL);
    BATCH(&log_, .base = 1, .count = 1, .producer_id = 2, .attributes = TRANSACTIONAL);
    batch_append_marker(&log_, 2, 2, KFK_CONTROL_ABORT);
    BATCH(&log_, .base = 3, .count = 1, .producer_id = 2, .attributes = TRANSACTIONAL);
    BATCH(&log_, .base = 4, .count = 1, .producer_id = 1, .attributes = TRANSACTIONAL);
    batch_append_marker(&log_, 5, 1, KFK_CONTROL_ABORT);
    kfk_fetch_response_aborted list[] = {{2, 1}, {1, 0}};
    expect_and_free(committed(0, list, 2), "3", KAFKA_EOF, 6);
}

static void an_aborted_transaction_without_data_hides_nothing_behind_its_marker(void **state)
{
    (void)state;
    batch_append_marker(&log_, 0, 7, KFK_CONTROL_ABORT);
    batch_append_marker(&log_, 1, 7, KFK_CONTROL_ABORT);
    BATCH(&log_, .base = 2, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL);
    kfk_fetch_response_aborted list[] = {{7, 0}};
    expect_and_free(committed(0, list, 1), "2", KAFKA_EOF, 3);
}

/* ---- what does not come whole ------------------------------------------------------------------------------------ */

static void a_batch_that_the_broker_cut_off_ends_the_chunk(void **state)
{
    (void)state;
    size_t first = (BATCH(&log_, .base = 0, .count = 2), log_.len);
    BATCH(&log_, .base = 2, .count = 2);
    for (size_t len = first; len < log_.len; len++) {
        kfk_chunk c;
        assert_int_equal(begin(&c, len, 0, NULL), 0);
        expect_and_free(c, "0 1", KAFKA_EOF, 2);
    }
}

static void a_first_batch_that_was_cut_off_is_too_big(void **state)
{
    (void)state;
    BATCH(&log_, .base = 5, .count = 2, .value_size = 100);
    for (size_t len = 1; len < log_.len; len++) {
        kfk_chunk c;
        assert_int_equal(begin(&c, len, 5, NULL), 0);
        expect_and_free(c, "", KAFKA_ETOOBIG, 5);
    }
}

static void so_is_one_in_front_of_which_only_old_batches_came(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 5);
    BATCH(&log_, .base = 5, .count = 2);
    kfk_chunk c;
    assert_int_equal(begin(&c, log_.len - 1, 5, NULL), 0);
    expect_and_free(c, "", KAFKA_ETOOBIG, 5);
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static void good_batches_come_out_before_a_damaged_one_is_told(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 2);
    size_t bad = BATCH(&log_, .base = 2, .count = 2);
    BATCH(&log_, .base = 4, .count = 2);
    log_.data[bad + KFK_RECORD_HEADER + 8] ^= 1;
    expect_and_free(whole(0), "0 1", KAFKA_ECORRUPT, 2);
    expect_and_free(whole(2), "", KAFKA_ECORRUPT, 2);
}

static void one_damaged_record_keeps_its_whole_batch_back(void **state)
{
    (void)state;
    size_t bad = BATCH(&log_, .base = 0, .count = 3);
    log_.data[log_.len - 1] = 9; /* the last record's header count */
    batch_seal(&log_, bad);
    expect_and_free(whole(0), "", KAFKA_ECORRUPT, 0);
}

/* A flag that was flipped, or a count, must not make a batch vanish without a word. */
static void damage_that_makes_a_batch_look_unwanted_is_found(void **state)
{
    (void)state;
    size_t attributes_low = 22, delta_low = 26, count_low = 60;
    size_t bad = BATCH(&log_, .base = 0, .count = 4);
    log_.data[bad + attributes_low] = CONTROL;
    expect_and_free(whole(0), "", KAFKA_ECORRUPT, 0);
    log_.data[bad + attributes_low] = 0;
    log_.data[bad + count_low] = 0;
    expect_and_free(whole(0), "", KAFKA_ECORRUPT, 0);
    log_.data[bad + count_low] = 2;
    log_.data[bad + delta_low] = 1;
    expect_and_free(whole(2), "", KAFKA_ECORRUPT, 2);
    log_.data[bad + count_low] = 4;
    log_.data[bad + delta_low] = 3;
    log_.data[bad + attributes_low] = TRANSACTIONAL;
    kfk_fetch_response_aborted list[] = {{-1, 0}};
    expect_and_free(committed(0, list, 1), "", KAFKA_ECORRUPT, 0);
}

static void a_marker_whose_key_is_too_short_is_damage(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL | CONTROL);
    kfk_fetch_response_aborted list[] = {{7, 0}};
    expect_and_free(committed(0, list, 1), "", KAFKA_ECORRUPT, 0);
}

static void message_formats_from_before_0_11_are_told_as_such(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 1);
    size_t old = BATCH(&log_, .base = 1, .count = 1);
    for (uint8_t magic = 0; magic < 2; magic++) {
        log_.data[old + 16] = magic;
        kfk_chunk c = whole(0);
        expect(&c, "0", KAFKA_ENOTSUP);
        assert_non_null(strstr(c.error.text, "format"));
        kfk_chunk_fini(&c);
    }
}

static void an_unknown_codec_is_told_behind_what_can_be_read(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 1);
    size_t odd = BATCH(&log_, .base = 1, .count = 1);
    log_.data[odd + 22] = 6;
    batch_seal(&log_, odd);
    expect_and_free(whole(0), "0", KAFKA_ECODEC, 1);
}

static void whatever_a_peer_sends_ends_in_one_of_a_few_ways(void **state)
{
    (void)state;
    kfk_rand rand;
    uint64_t seed = kfk_rand_system_seed();
    kfk_rand_seed(&rand, seed);
    make_transactions();
    BATCH(&log_, .base = 10, .count = 5, .codec = KFK_CODEC_LZ4, .headers = 2);
    for (int round = 0; round < 3000; round++) {
        size_t at = kfk_rand_next(&rand) % log_.len;
        uint8_t was = log_.data[at];
        log_.data[at] = (uint8_t)kfk_rand_next(&rand);
        if (kfk_rand_next(&rand) % 2) { /* as a malicious broker: with a CRC that is right */
            size_t bad = 0;
            if (at >= KFK_RECORD_HEADER) batch_seal(&log_, bad);
        }
        kfk_fetch_response_aborted list[] = {{7, 0}, {7, 8}};
        kfk_chunk c = committed((int64_t)(kfk_rand_next(&rand) % 12), list, 2);
        kfk_record r;
        int64_t last = -1;
        while (kfk_chunk_next(&c, &r) == 0) {
            if (r.offset <= last)
                fail_msg("seed %llu: offset %lld behind %lld", (unsigned long long)seed, (long long)r.offset,
                         (long long)last);
            last = r.offset;
        }
        bool known = c.err == KAFKA_EOF || c.err == KAFKA_ECORRUPT || c.err == KAFKA_ECODEC || c.err == KAFKA_ETOOBIG ||
                     c.err == KAFKA_ENOTSUP;
        if (!known) fail_msg("seed %llu: %d %s", (unsigned long long)seed, c.err, c.error.text);
        kfk_chunk_fini(&c);
        log_.data[at] = was;
        batch_seal(&log_, 0);
    }
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static void at_the_inflating_limit_a_chunk_ends_and_the_next_one_goes_on(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) BATCH(&log_, .base = i, .count = 1, .codec = KFK_CODEC_GZIP);
    kfk_chunk c = whole(0);
    c.inflate_left = 25; /* a record takes ten bytes */
    expect_and_free(c, "0 1", KAFKA_EOF, 2);
    c = whole(2);
    c.inflate_left = 25;
    expect_and_free(c, "2 3", KAFKA_EOF, 4);
}

static void a_batch_that_alone_inflates_past_the_limit_is_too_big(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 1);
    BATCH(&log_, .base = 1, .count = 1, .value_size = 1000, .codec = KFK_CODEC_GZIP);
    kfk_chunk c = whole(0);
    c.inflate_left = 100;
    expect_and_free(c, "0", KAFKA_ETOOBIG, 1);
}

/* The room was taken by a batch of which nothing came out: that is no reason to call the next one too big. */
static void a_batch_that_only_finds_too_little_room_left_is_not_too_big(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 2, .tail = 3, .codec = KFK_CODEC_GZIP);
    BATCH(&log_, .base = 5, .count = 2, .codec = KFK_CODEC_GZIP);
    kfk_chunk c = whole(3);
    c.inflate_left = 30;
    expect_and_free(c, "", KAFKA_EOF, 5);
}

static void headers_come_as_an_array_with_null_and_empty_apart(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 1, .headers = 2);
    kfk_chunk c = whole(0);
    kfk_record r;
    const kafka_header *h;
    assert_int_equal(kfk_chunk_next(&c, &r), 0);
    assert_int_equal(r.header_count, 2);
    assert_int_equal(kfk_chunk_headers(&c, &r, &h), 0);
    assert_string_equal(h[0].key, "h");
    assert_int_equal(h[0].value.len, 1);
    assert_memory_equal(h[0].value.data, "1", 1);
    assert_string_equal(h[1].key, "h");
    assert_null(h[1].value.data);
    kfk_chunk_fini(&c);
}

static void where_headers_take_too_much_memory_the_chunk_ends_and_the_next_one_goes_on(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 3, .headers = 10);
    kfk_chunk c = whole(0);
    kfk_record r;
    const kafka_header *h;
    kfk_arena_init(&c.headers, 500);
    assert_int_equal(kfk_chunk_next(&c, &r), 0);
    assert_int_equal(kfk_chunk_headers(&c, &r, &h), 0);
    assert_int_equal(kfk_chunk_next(&c, &r), 0);
    assert_int_equal(kfk_chunk_headers(&c, &r, &h), KAFKA_EOF);
    assert_int_equal(c.next_offset, 1);
    assert_int_equal(kfk_chunk_next(&c, &r), KAFKA_EOF);
    kfk_chunk_fini(&c);

    c = whole(1);
    kfk_arena_init(&c.headers, 100);
    assert_int_equal(kfk_chunk_next(&c, &r), 0);
    assert_int_equal(kfk_chunk_headers(&c, &r, &h), KAFKA_ETOOBIG);
    assert_int_equal(c.next_offset, 1);
    assert_int_equal(kfk_chunk_next(&c, &r), KAFKA_ETOOBIG);
    assert_int_equal(c.error.code, KAFKA_ETOOBIG);
    kfk_chunk_fini(&c);
}

static void with_the_brokers_clock_all_records_of_a_batch_have_one_time(void **state)
{
    (void)state;
    BATCH(&log_, .base = 0, .count = 3);
    BATCH(&log_, .base = 3, .count = 2, .attributes = KFK_BATCH_LOG_APPEND_TIME);
    kfk_chunk c = whole(0);
    kfk_record r;
    static const int64_t times[] = {1000, 1001, 1002, 1001, 1001};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(kfk_chunk_next(&c, &r), 0);
        assert_int_equal(r.timestamp, times[i]);
        assert_int_equal(kfk_batch_is_append_time(&c.batch), i > 2);
    }
    kfk_chunk_fini(&c);
}

static void an_allocation_that_fails_is_told_and_nothing_leaks(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) BATCH(&log_, .base = i, .count = 1, .codec = i % 2 ? KFK_CODEC_GZIP : 0, .headers = 1);
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_chunk c;
        kfk_record r;
        const kafka_header *h;
        kfk_fetch_response_aborted item = {7, 0};
        kfk_fetch_response_aborted_array list = {&item, 1};
        int records = 0, err = begin(&c, log_.len, 0, &list);
        if (err == 0) {
            while ((err = kfk_chunk_next(&c, &r)) == 0 && (err = kfk_chunk_headers(&c, &r, &h)) == 0) records++;
            assert_int_equal(c.next_offset, records);
            assert_int_equal(kfk_chunk_next(&c, &r), err);
            if (err != KAFKA_EOF) assert_int_equal(c.error.code, KAFKA_ENOMEM);
            kfk_chunk_fini(&c);
        }
        assert_int_equal(err, memcheck_failed() ? KAFKA_ENOMEM : KAFKA_EOF);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHUNK_TEST(records_come_out_in_order_and_the_position_ends_behind_them),
        CHUNK_TEST(nothing_fetched_is_the_end_at_once),
        CHUNK_TEST(a_position_in_the_middle_of_a_batch_skips_what_lies_before_it),
        CHUNK_TEST(gaps_within_and_between_batches_are_skipped),
        CHUNK_TEST(the_position_passes_what_compaction_emptied_at_the_end),
        CHUNK_TEST(markers_move_the_position_and_are_not_handed_out),
        CHUNK_TEST(a_record_that_was_put_back_comes_again),
        CHUNK_TEST(looking_ahead_takes_nothing),
        CHUNK_TEST(what_was_aborted_is_left_out_of_committed_reads_alone),
        CHUNK_TEST(transactions_of_several_producers_may_interleave),
        CHUNK_TEST(an_aborted_transaction_without_data_hides_nothing_behind_its_marker),
        CHUNK_TEST(a_batch_that_the_broker_cut_off_ends_the_chunk),
        CHUNK_TEST(a_first_batch_that_was_cut_off_is_too_big),
        CHUNK_TEST(so_is_one_in_front_of_which_only_old_batches_came),
        CHUNK_TEST(good_batches_come_out_before_a_damaged_one_is_told),
        CHUNK_TEST(one_damaged_record_keeps_its_whole_batch_back),
        CHUNK_TEST(damage_that_makes_a_batch_look_unwanted_is_found),
        CHUNK_TEST(a_marker_whose_key_is_too_short_is_damage),
        CHUNK_TEST(message_formats_from_before_0_11_are_told_as_such),
        CHUNK_TEST(an_unknown_codec_is_told_behind_what_can_be_read),
        CHUNK_TEST(whatever_a_peer_sends_ends_in_one_of_a_few_ways),
        CHUNK_TEST(at_the_inflating_limit_a_chunk_ends_and_the_next_one_goes_on),
        CHUNK_TEST(a_batch_that_alone_inflates_past_the_limit_is_too_big),
        CHUNK_TEST(a_batch_that_only_finds_too_little_room_left_is_not_too_big),
        CHUNK_TEST(headers_come_as_an_array_with_null_and_empty_apart),
        CHUNK_TEST(where_headers_take_too_much_memory_the_chunk_ends_and_the_next_one_goes_on),
        CHUNK_TEST(with_the_brokers_clock_all_records_of_a_batch_have_one_time),
        CHUNK_TEST(an_allocation_that_fails_is_told_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
