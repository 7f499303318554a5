/* Fetched data that is damaged, hostile, or too much. */
#include "base/rand.h"
#include "engine/chunks.h"

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
    BATCH(&log_, .base = 10, .count = 5, .codec = batch_some_codec(), .headers = 2);
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
        bool known = c.err == KAFKA_EOF || c.err == KAFKA_ECORRUPT || c.err == KAFKA_ECODEC || c.err == KAFKA_ETOOBIG;
        if (!known) fail_msg("seed %llu: %d %s", (unsigned long long)seed, c.err, c.error.text);
        kfk_chunk_fini(&c);
        log_.data[at] = was;
        batch_seal(&log_, 0);
    }
}

/* H26: unsorted, twice, and of producers that wrote nothing. */
static void a_long_list_of_aborted_transactions_costs_no_more_than_sorting_it(void **state)
{
    (void)state;
    enum { PRODUCERS = 50000, FIRST = 10, END = 2010 };
    static kfk_fetch_response_aborted list[2 * PRODUCERS];
    for (int i = 0; i < PRODUCERS; i++)
        list[i] = list[2 * PRODUCERS - 1 - i] = (kfk_fetch_response_aborted){PRODUCERS - i, i % FIRST};
    for (int i = FIRST; i < END; i += 4) {
        BATCH(&log_, .base = i, .count = 1, .producer_id = i, .attributes = TRANSACTIONAL);
        batch_append_marker(&log_, i + 1, i, KFK_CONTROL_ABORT);
        BATCH(&log_, .base = i + 2, .count = 1, .producer_id = i, .attributes = TRANSACTIONAL);
        BATCH(&log_, .base = i + 3, .count = 1, .producer_id = PRODUCERS + 1, .attributes = TRANSACTIONAL);
    }
    kfk_chunk c = committed(FIRST, list, 2 * PRODUCERS);
    kfk_record r;
    for (int i = FIRST; i < END; i += 4) {
        assert_int_equal(kfk_chunk_next(&c, &r), 0);
        assert_int_equal(r.offset, i + 2);
        assert_int_equal(kfk_chunk_next(&c, &r), 0);
        assert_int_equal(r.offset, i + 3);
    }
    assert_int_equal(kfk_chunk_next(&c, &r), KAFKA_EOF);
    kfk_chunk_fini(&c);
}

static void of_two_markers_in_one_control_batch_both_count(void **state)
{
    (void)state;
    batch_bytes body = {0};
    for (int i = 0; i < 2; i++) {
        size_t at = batch_append_marker(&body, i, 7, i == 0 ? KFK_CONTROL_COMMIT : KFK_CONTROL_ABORT);
        size_t size = body.len - at - KFK_RECORD_HEADER;
        if (i == 0) continue;
        /* the second record behind the first one: one offset later, which is the only byte that differs */
        memmove(body.data + at, body.data + at + KFK_RECORD_HEADER, size);
        body.data[at + 3] = 2;
        body.len -= KFK_RECORD_HEADER;
        body.data[11] = (uint8_t)(body.data[11] + size); /* length */
        body.data[26] = 1;                               /* last offset delta */
        body.data[60] = 2;                               /* count */
    }
    batch_seal(&body, 0);
    BATCH(&log_, .base = 0, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL);
    size_t marker = log_.len;
    log_.data = realloc(log_.data, log_.len + body.len);
    log_.cap = log_.len += body.len;
    memcpy(log_.data + marker, body.data, body.len);
    log_.data[marker + 7] = 1; /* base offset */
    BATCH(&log_, .base = 3, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL);
    batch_free(&body);
    kfk_fetch_response_aborted list[] = {{7, 0}};
    expect_and_free(committed(0, list, 1), "3", KAFKA_EOF, 4);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static void at_the_inflating_limit_a_chunk_ends_and_the_next_one_goes_on(void **state)
{
    (void)state;
    if (batch_some_codec() == 0) return;
    for (int i = 0; i < 4; i++) BATCH(&log_, .base = i, .count = 1, .codec = batch_some_codec());
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
    if (batch_some_codec() == 0) return;
    BATCH(&log_, .base = 0, .count = 1);
    BATCH(&log_, .base = 1, .count = 1, .value_size = 1000, .codec = batch_some_codec());
    kfk_chunk c = whole(0);
    c.inflate_left = 100;
    expect_and_free(c, "0", KAFKA_ETOOBIG, 1);
}

/* The room was taken by a batch of which nothing came out: that is no reason to call the next one too big. */
static void a_batch_that_only_finds_too_little_room_left_is_not_too_big(void **state)
{
    (void)state;
    if (batch_some_codec() == 0) return;
    BATCH(&log_, .base = 0, .count = 2, .tail = 3, .codec = batch_some_codec());
    BATCH(&log_, .base = 5, .count = 2, .codec = batch_some_codec());
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
    for (int i = 0; i < 10; i++)
        BATCH(&log_, .base = i, .count = 1, .codec = i % 2 ? batch_some_codec() : 0, .headers = 1);
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
        CHUNK_TEST(good_batches_come_out_before_a_damaged_one_is_told),
        CHUNK_TEST(one_damaged_record_keeps_its_whole_batch_back),
        CHUNK_TEST(damage_that_makes_a_batch_look_unwanted_is_found),
        CHUNK_TEST(a_marker_whose_key_is_too_short_is_damage),
        CHUNK_TEST(an_unknown_codec_is_told_behind_what_can_be_read),
        CHUNK_TEST(whatever_a_peer_sends_ends_in_one_of_a_few_ways),
        CHUNK_TEST(a_long_list_of_aborted_transactions_costs_no_more_than_sorting_it),
        CHUNK_TEST(of_two_markers_in_one_control_batch_both_count),
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
