#include "support/memcheck.h"

#include "base/histogram.h"
#include "base/rand.h"
#include <stdlib.h>
#include <string.h>

static kfk_histogram h;

static int clear(void **state)
{
    (void)state;
    memset(&h, 0, sizeof h);
    return 0;
}

static void without_observations_everything_is_zero(void **state)
{
    (void)state;
    kafka_summary s, zero = {0};
    memset(&s, 1, sizeof s);
    kfk_histogram_take(&h, &s);
    assert_memory_equal(&s, &zero, sizeof s);
    assert_int_equal(kfk_histogram_at(&h, 0.99), 0);
}

static void one_observation_is_all_there_is_to_say(void **state)
{
    (void)state;
    const int64_t values[] = {0, 1, 15, 16, 31, 32, 33, 1000, INT32_MAX, INT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        kafka_summary s;
        kfk_histogram_add(&h, values[i]);
        kfk_histogram_take(&h, &s);
        assert_int_equal(s.count, 1);
        assert_int_equal(s.min, values[i]);
        assert_int_equal(s.max, values[i]);
        assert_int_equal(s.avg, values[i]);
        assert_int_equal(s.sum, values[i]);
        assert_int_equal(s.p50, values[i]);
        assert_int_equal(s.p99, values[i]);
        assert_int_equal(s.reserved, 0);
    }
}

static void a_summary_begins_again_after_it_was_taken(void **state)
{
    (void)state;
    kafka_summary s;
    kfk_histogram_add(&h, 7);
    kfk_histogram_take(&h, &s);
    kfk_histogram_add(&h, 9);
    kfk_histogram_take(&h, &s);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.min, 9);
    kfk_histogram_take(&h, &s);
    assert_int_equal(s.count, 0);
    assert_int_equal(s.min, 0);
}

static void the_least_is_not_zero_when_zero_was_not_observed(void **state)
{
    (void)state;
    kafka_summary s;
    kfk_histogram_add(&h, 100);
    kfk_histogram_add(&h, 50);
    kfk_histogram_take(&h, &s);
    assert_int_equal(s.min, 50);
    assert_int_equal(s.max, 100);
    assert_int_equal(s.avg, 75);
}

static void what_is_negative_counts_as_zero_and_no_times_as_nothing(void **state)
{
    (void)state;
    kafka_summary s;
    kfk_histogram_add(&h, -5);
    kfk_histogram_add_times(&h, 5, 0);
    kfk_histogram_add_times(&h, 5, -1);
    kfk_histogram_take(&h, &s);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.min, 0);
    assert_int_equal(s.max, 0);
}

static void equal_observations_can_be_added_at_once(void **state)
{
    (void)state;
    kafka_summary s;
    kfk_histogram_add_times(&h, 1000, 99);
    kfk_histogram_add(&h, 5000);
    kfk_histogram_take(&h, &s);
    assert_int_equal(s.count, 100);
    assert_int_equal(s.sum, 104000);
    assert_int_equal(s.avg, 1040);
    assert_in_range(s.p50, 960, 1040);
    assert_in_range(s.p99, 960, 1040);
}

static void sums_and_buckets_saturate(void **state)
{
    (void)state;
    kafka_summary s;
    kfk_histogram_add_times(&h, 3, INT64_C(6000000000));
    kfk_histogram_add_times(&h, INT64_MAX, 2);
    kfk_histogram_take(&h, &s);
    assert_int_equal(s.count, INT64_C(6000000002));
    assert_true(s.sum == INT64_MAX);
    assert_int_equal(s.p50, 3);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The observation of that rank itself. */
static int64_t exact(int64_t *sorted, size_t count, double share)
{
    size_t rank = (size_t)(share * (double)count);
    if ((double)rank < share * (double)count) rank++;
    return sorted[rank == 0 ? 0 : rank - 1];
}

static void percentiles_are_within_four_percent_of_the_observation_of_that_rank(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static int64_t values[COUNT];
    static const double shares[] = {0.01, 0.5, 0.9, 0.99, 1};
    kfk_rand r;
    kfk_rand_seed(&r, 7);
    for (unsigned round = 0; round < 60; round++) {
        memset(&h, 0, sizeof h);
        for (size_t i = 0; i < COUNT; i++) { /* of all magnitudes up to 2^round */
            unsigned bits = (unsigned)(kfk_rand_below(&r, round + 1));
            values[i] = (int64_t)(kfk_rand_next(&r) & ((UINT64_C(2) << bits) - 1));
            kfk_histogram_add(&h, values[i]);
        }
        qsort(values, COUNT, sizeof *values, by_value);
        for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
            double is = (double)kfk_histogram_at(&h, shares[i]), should = (double)exact(values, COUNT, shares[i]);
            double off = is > should ? is - should : should - is;
            if (off > 0.04 * should) fail_msg("2^%u, share %g: %g instead of %g", round, shares[i], is, should);
        }
    }
}

/* From 0 on: as long as values fall into the same bucket or the next one, none is left out. */
static void every_value_has_a_bucket_near_it(void **state)
{
    (void)state;
    int64_t before = 0;
    for (int64_t value = 0; value < 200000; value++) {
        memset(&h, 0, sizeof h);
        kfk_histogram_add_times(&h, value, 3);
        kfk_histogram_add(&h, 0);
        kfk_histogram_add(&h, INT64_MAX); /* so that neither end hides what the bucket says */
        int64_t is = kfk_histogram_at(&h, 0.6);
        assert_in_range(is, value - value / 25, value + value / 25);
        assert_true(is >= before);
        before = is;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_observations_everything_is_zero, clear),
        cmocka_unit_test_setup(one_observation_is_all_there_is_to_say, clear),
        cmocka_unit_test_setup(a_summary_begins_again_after_it_was_taken, clear),
        cmocka_unit_test_setup(the_least_is_not_zero_when_zero_was_not_observed, clear),
        cmocka_unit_test_setup(what_is_negative_counts_as_zero_and_no_times_as_nothing, clear),
        cmocka_unit_test_setup(equal_observations_can_be_added_at_once, clear),
        cmocka_unit_test_setup(sums_and_buckets_saturate, clear),
        cmocka_unit_test_setup(percentiles_are_within_four_percent_of_the_observation_of_that_rank, clear),
        cmocka_unit_test_setup(every_value_has_a_bucket_near_it, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
