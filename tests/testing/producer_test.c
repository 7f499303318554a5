/* producer_test.c: what a leader takes from idempotent producers. */
#include "support/memcheck.h"

#include "kafka/error.h"
#include "testing/producer.h"
#include <string.h>

enum { NOW = 1000000000, LAST = INT32_MAX };

/* A batch of `count` records of producer `id`. */
static kfk_batch_header batch_of(int64_t id, int16_t epoch, int32_t first, int32_t count)
{
    return (kfk_batch_header){.producer_id = id,
                              .producer_epoch = epoch,
                              .base_sequence = first,
                              .record_count = count,
                              .last_offset_delta = count - 1,
                              .max_timestamp = NOW};
}

/* Each test has one cluster. */
static kft_producer_pool *new_pool(void)
{
    static kft_producer_pool pool;
    kft_producer_pool_init(&pool);
    return &pool;
}

static void take(kft_producers *p, kfk_batch_header h, int64_t offset)
{
    const kft_producer_batch *duplicate;
    int16_t code;
    const char *why;
    assert_int_equal(kft_producers_check(p, &h, NOW, &duplicate, &code, &why), KFT_PRODUCER_APPEND);
    assert_int_equal(kft_producers_reserve(p, h.producer_id), 0);
    kft_producers_appended(p, &h, offset, h.max_timestamp);
}

static void expect_refusal(kft_producers *p, kfk_batch_header h, int16_t expected)
{
    const kft_producer_batch *duplicate;
    int16_t code = 0;
    const char *why = NULL;
    assert_int_equal(kft_producers_check(p, &h, NOW, &duplicate, &code, &why), KFT_PRODUCER_REFUSE);
    assert_int_equal(code, expected);
    assert_true(strlen(why) > 10);
}

static void expect_duplicate(kft_producers *p, kfk_batch_header h, int64_t offset)
{
    const kft_producer_batch *duplicate = NULL;
    int16_t code;
    const char *why;
    assert_int_equal(kft_producers_check(p, &h, NOW, &duplicate, &code, &why), KFT_PRODUCER_DUPLICATE);
    assert_int_equal(duplicate->base_offset, offset);
}

static bool is_taken(kft_producers *p, kfk_batch_header h)
{
    const kft_producer_batch *duplicate;
    int16_t code;
    const char *why;
    return kft_producers_check(p, &h, NOW, &duplicate, &code, &why) == KFT_PRODUCER_APPEND;
}

static void an_unknown_producer_may_start_at_any_sequence(void **state)
{
    (void)state;
    kft_producers p;
    kft_producers_init(&p, new_pool(), 1);
    take(&p, batch_of(1, 7, 12345, 3), 0);
    take(&p, batch_of(2, 0, 0, 1), 3);
    take(&p, batch_of(3, 0, LAST, 1), 4);
    kft_producers_fini(&p);
}

static void a_batch_must_follow_the_last_one(void **state)
{
    (void)state;
    kft_producers p;
    kft_producers_init(&p, new_pool(), 1);
    take(&p, batch_of(1, 0, 0, 10), 0);
    take(&p, batch_of(1, 0, 10, 5), 10);
    expect_refusal(&p, batch_of(1, 0, 16, 1), KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER); /* a gap */
    expect_refusal(&p, batch_of(1, 0, 12, 3), KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER); /* part of one */
    expect_refusal(&p, batch_of(1, 0, 10, 4), KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER); /* not the same batch */
    take(&p, batch_of(1, 0, 15, 1), 15);
    assert_true(is_taken(&p, batch_of(2, 0, 99, 1))); /* others have sequences of their own */
    kft_producers_fini(&p);
}

static void the_last_five_batches_are_known_again_with_their_offsets(void **state)
{
    (void)state;
    kft_producers p;
    kft_producers_init(&p, new_pool(), 1);
    for (int i = 0; i < 7; i++) take(&p, batch_of(1, 0, 2 * i, 2), 100 + 10 * i);
    for (int i = 2; i < 7; i++) expect_duplicate(&p, batch_of(1, 0, 2 * i, 2), 100 + 10 * i);
    expect_refusal(&p, batch_of(1, 0, 2, 2), KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    take(&p, batch_of(1, 0, 14, 2), 170);
    kft_producers_fini(&p);
}

static void sequences_wrap_to_zero_behind_the_largest(void **state)
{
    (void)state;
    kft_producers p;
    kft_producers_init(&p, new_pool(), 1);
    take(&p, batch_of(1, 0, LAST - 1, 2), 0);
    take(&p, batch_of(1, 0, 0, 2), 2);
    take(&p, batch_of(2, 0, LAST - 1, 4), 4); /* LAST - 1, LAST, 0, 1 */
    expect_duplicate(&p, batch_of(2, 0, LAST - 1, 4), 4);
    expect_refusal(&p, batch_of(2, 0, 0, 1), KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    take(&p, batch_of(2, 0, 2, 1), 8);
    kft_producers_fini(&p);
}

static void an_older_epoch_is_fenced_and_a_newer_one_begins_at_zero(void **state)
{
    (void)state;
    kft_producers p;
    kft_producers_init(&p, new_pool(), 1);
    take(&p, batch_of(1, 3, 0, 2), 0);
    expect_refusal(&p, batch_of(1, 2, 2, 1), KAFKA_ERR_INVALID_PRODUCER_EPOCH);
    expect_refusal(&p, batch_of(1, 4, 2, 1), KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    take(&p, batch_of(1, 4, 0, 1), 2);
    expect_refusal(&p, batch_of(1, 3, 0, 2), KAFKA_ERR_INVALID_PRODUCER_EPOCH); /* no duplicate any more */
    take(&p, batch_of(1, 4, 1, 1), 3);
    kft_producers_fini(&p);
}

static void a_restarted_broker_knows_the_newest_batch_only(void **state)
{
    (void)state;
    kft_producers p;
    kft_producers_init(&p, new_pool(), 1);
    for (int i = 0; i < 3; i++) take(&p, batch_of(1, 0, i, 1), i);
    kft_producers_restart(&p, 3, false, NOW);
    expect_duplicate(&p, batch_of(1, 0, 2, 1), 2);
    expect_refusal(&p, batch_of(1, 0, 1, 1), KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    take(&p, batch_of(1, 0, 3, 1), 3);
    kft_producers_fini(&p);
}

static void a_producer_is_forgotten_by_the_time_of_its_newest_record(void **state)
{
    (void)state;
    kft_producers p;
    const kft_producer_batch *duplicate;
    int16_t code;
    const char *why;
    kft_producers_init(&p, new_pool(), 1);
    kfk_batch_header first = batch_of(1, 0, 0, 1), next = batch_of(1, 0, 50, 1);
    take(&p, first, 0);
    static const struct {
        int64_t later_ms;
        kft_producer_verdict verdict;
    } looks[] = {{KFT_PRODUCER_EXPIRATION_MS - 1, KFT_PRODUCER_REFUSE},
                 {KFT_PRODUCER_EXPIRATION_MS, KFT_PRODUCER_REFUSE}, /* it was looked a moment ago */
                 {KFT_PRODUCER_EXPIRATION_MS - 2 + KFT_PRODUCER_SWEEP_MS, KFT_PRODUCER_REFUSE},
                 {KFT_PRODUCER_EXPIRATION_MS - 1 + KFT_PRODUCER_SWEEP_MS, KFT_PRODUCER_APPEND}};
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++)
        assert_int_equal(kft_producers_check(&p, &next, NOW + looks[i].later_ms, &duplicate, &code, &why),
                         looks[i].verdict);
    assert_int_equal(p.map.count, 0);
    kft_producers_fini(&p);
}

static void what_came_after_a_restart_is_known_in_full(void **state)
{
    (void)state;
    kft_producers p;
    kft_producers_init(&p, new_pool(), 1);
    for (int i = 0; i < 5; i++) take(&p, batch_of(1, 0, i, 1), i);
    kft_producers_restart(&p, 3, true, NOW);
    for (int i = 2; i < 5; i++) expect_duplicate(&p, batch_of(1, 0, i, 1), i);
    expect_refusal(&p, batch_of(1, 0, 1, 1), KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    kft_producers_fini(&p);
}

static void a_restart_forgets_who_is_expired_and_who_has_no_records(void **state)
{
    (void)state;
    kft_producers p;
    kft_producers_init(&p, new_pool(), 1);
    kfk_batch_header old = batch_of(1, 0, 0, 1);
    old.max_timestamp = NOW - KFT_PRODUCER_EXPIRATION_MS;
    take(&p, old, 0);
    take(&p, batch_of(2, 0, 0, 1), 1);
    assert_false(is_taken(&p, batch_of(1, 0, 9, 1))); /* the next sweep is ten minutes away */
    kft_producers_restart(&p, 2, false, NOW);
    assert_true(is_taken(&p, batch_of(1, 0, 9, 1)));
    assert_false(is_taken(&p, batch_of(2, 0, 9, 1)));
    kft_producers_restart(&p, 2, true, NOW);
    assert_true(is_taken(&p, batch_of(2, 0, 9, 1)));
    assert_int_equal(p.map.count, 0);
    kft_producers_fini(&p);
}

/* Clients say what the time of a record is. */
static void no_time_of_a_record_is_too_old_or_too_new_to_be_compared(void **state)
{
    (void)state;
    kft_producers p;
    static const int64_t times[] = {INT64_MIN, INT64_MAX};
    const kft_producer_batch *duplicate;
    int16_t code;
    const char *why;
    kft_producers_init(&p, new_pool(), 1);
    for (int i = 0; i < 2; i++) {
        kfk_batch_header h = batch_of(i + 1, 0, 0, 1);
        h.max_timestamp = times[i];
        take(&p, h, i);
    }
    kfk_batch_header other = batch_of(3, 0, 0, 1);
    assert_int_equal(kft_producers_check(&p, &other, NOW + KFT_PRODUCER_SWEEP_MS, &duplicate, &code, &why),
                     KFT_PRODUCER_APPEND);
    assert_true(is_taken(&p, batch_of(1, 0, 9, 1)));
    assert_false(is_taken(&p, batch_of(2, 0, 9, 1)));
    kft_producers_fini(&p);
}

static void partitions_share_what_they_may_remember(void **state)
{
    (void)state;
    kft_producer_pool *pool = new_pool();
    kft_producers p, q;
    kft_producers_init(&p, pool, 1);
    kft_producers_init(&q, pool, 1);
    take(&p, batch_of(1, 0, 0, 1), 0);
    take(&p, batch_of(2, 0, 0, 1), 1);
    for (int64_t id = 0; id < KFT_MOST_PRODUCERS - 1; id++) {
        kfk_batch_header h = batch_of(id, 0, 0, 1);
        assert_int_equal(kft_producers_reserve(&q, id), 0);
        kft_producers_appended(&q, &h, id, NOW);
    }
    assert_int_equal(pool->count, KFT_MOST_PRODUCERS);
    assert_int_equal(p.map.count, 1);
    assert_true(is_taken(&p, batch_of(1, 0, 9, 1))); /* wrote least recently, if to another partition */
    assert_false(is_taken(&p, batch_of(2, 0, 9, 1)));
    kft_producers_fini(&q);
    assert_int_equal(pool->count, 1);
    kft_producers_fini(&p);
    assert_int_equal(pool->count, 0);
}

static void producers_are_made_to_be_forgotten(void **state)
{
    (void)state;
    kft_producers p;
    kft_producers_init(&p, new_pool(), 1);
    for (int64_t id = 1; id <= 3; id++) take(&p, batch_of(id, 0, 0, 1), id);
    kft_producers_expire(&p, 2);
    kft_producers_expire(&p, 77);
    assert_true(is_taken(&p, batch_of(2, 0, 9, 1)));
    assert_false(is_taken(&p, batch_of(1, 0, 9, 1)));
    kft_producers_expire(&p, -1);
    assert_true(is_taken(&p, batch_of(1, 0, 9, 1)));
    assert_int_equal(p.map.count, 0);
    kft_producers_fini(&p);
}

static void batches_that_are_cut_off_are_forgotten(void **state)
{
    (void)state;
    kft_producers p;
    kft_producers_init(&p, new_pool(), 1);
    for (int i = 0; i < 4; i++) take(&p, batch_of(1, 0, 2 * i, 2), 10 * i);
    take(&p, batch_of(2, 0, 0, 1), 31);
    kft_producers_truncate(&p, 21); /* inside of the third */
    expect_duplicate(&p, batch_of(1, 0, 2, 2), 10);
    assert_true(is_taken(&p, batch_of(1, 0, 4, 2)));
    assert_true(is_taken(&p, batch_of(2, 0, 5, 1)));
    kft_producers_truncate(&p, 0);
    assert_int_equal(p.map.count, 0);
    kft_producers_fini(&p);
}

static void beyond_the_limit_the_one_that_wrote_least_recently_goes(void **state)
{
    (void)state;
    kft_producers p;
    kft_producers_init(&p, new_pool(), 1);
    for (int64_t id = 0; id < KFT_MOST_PRODUCERS; id++) {
        kfk_batch_header h = batch_of(id, 0, 0, 1);
        assert_int_equal(kft_producers_reserve(&p, id), 0);
        kft_producers_appended(&p, &h, id, NOW);
    }
    take(&p, batch_of(0, 0, 1, 1), 5); /* the oldest writes again */
    take(&p, batch_of(KFT_MOST_PRODUCERS, 0, 0, 1), 6);
    assert_int_equal(p.map.count, KFT_MOST_PRODUCERS);
    expect_duplicate(&p, batch_of(0, 0, 1, 1), 5);
    assert_true(is_taken(&p, batch_of(1, 0, 50, 1)));
    assert_false(is_taken(&p, batch_of(2, 0, 50, 1)));
    kft_producers_fini(&p);
}

static void without_memory_a_producer_stays_unknown(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kft_producers p;
        kft_producers_init(&p, new_pool(), 1);
        int code = kft_producers_reserve(&p, 1);
        assert_int_equal(code, memcheck_failed() ? KAFKA_ENOMEM : 0);
        assert_true(is_taken(&p, batch_of(1, 0, 42, 1)));
        kft_producers_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(an_unknown_producer_may_start_at_any_sequence),
        MEMCHECK_TEST(a_batch_must_follow_the_last_one),
        MEMCHECK_TEST(the_last_five_batches_are_known_again_with_their_offsets),
        MEMCHECK_TEST(sequences_wrap_to_zero_behind_the_largest),
        MEMCHECK_TEST(an_older_epoch_is_fenced_and_a_newer_one_begins_at_zero),
        MEMCHECK_TEST(a_restarted_broker_knows_the_newest_batch_only),
        MEMCHECK_TEST(what_came_after_a_restart_is_known_in_full),
        MEMCHECK_TEST(a_restart_forgets_who_is_expired_and_who_has_no_records),
        MEMCHECK_TEST(a_producer_is_forgotten_by_the_time_of_its_newest_record),
        MEMCHECK_TEST(no_time_of_a_record_is_too_old_or_too_new_to_be_compared),
        MEMCHECK_TEST(partitions_share_what_they_may_remember),
        MEMCHECK_TEST(producers_are_made_to_be_forgotten),
        MEMCHECK_TEST(batches_that_are_cut_off_are_forgotten),
        MEMCHECK_TEST(beyond_the_limit_the_one_that_wrote_least_recently_goes),
        MEMCHECK_TEST(without_memory_a_producer_stays_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
