/* The way through fetched data: what comes out, what is passed over, where it ends. */
#include "engine/chunks.h"

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
    BATCH(&log_, .base = 5, .count = 2, .codec = batch_some_codec());
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
