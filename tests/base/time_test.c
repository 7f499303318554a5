#include "support/memcheck.h"

#include "base/time.h"
#include <time.h>

static void the_monotonic_clock_does_not_go_back(void **state)
{
    (void)state;
    int64_t before = kfk_time_now_ns();

    assert_true(before > 0);
    for (int i = 0; i < 100000; i++) {
        int64_t now = kfk_time_now_ns();
        assert_true(now >= before);
        before = now;
    }
}

static void milliseconds_and_nanoseconds_are_one_clock(void **state)
{
    (void)state;
    int64_t before_ns = kfk_time_now_ns(), ms = kfk_time_now_ms(), after_ns = kfk_time_now_ns();

    assert_true(before_ns / 1000000 <= ms && ms <= after_ns / 1000000);
}

static void the_wall_clock_is_unix_time(void **state)
{
    (void)state;
    int64_t before = (int64_t)time(NULL) - 1, wall = kfk_time_wall_ms() / 1000, after = (int64_t)time(NULL) + 1;

    assert_true(before <= wall && wall <= after);
}

static int64_t ns_of_test(void)
{
    return 5999999;
}

static int64_t ms_of_test(void)
{
    return 42;
}

static void a_source_replaces_both_clocks_until_it_is_taken_away(void **state)
{
    (void)state;
    kfk_time_set_source(ns_of_test, ms_of_test);
    assert_int_equal(kfk_time_now_ns(), 5999999);
    assert_int_equal(kfk_time_now_ms(), 5);
    assert_int_equal(kfk_time_wall_ms(), 42);
    kfk_time_set_source(NULL, NULL);
    assert_true(kfk_time_wall_ms() > 42);
    assert_true(kfk_time_now_ns() != 5999999);
}

static void adding_to_a_time_saturates(void **state)
{
    (void)state;
    assert_int_equal(kfk_time_add(1000, 24), 1024);
    assert_int_equal(kfk_time_add(-5, 5), 0);
    assert_true(kfk_time_add(INT64_MAX - 5, 5) == INT64_MAX);
    assert_true(kfk_time_add(INT64_MAX - 5, 6) == KFK_TIME_NEVER);
    assert_true(kfk_time_add(1, INT64_MAX) == KFK_TIME_NEVER);
    assert_true(kfk_time_add(KFK_TIME_NEVER, 0) == KFK_TIME_NEVER);
    assert_true(kfk_time_add(KFK_TIME_NEVER, INT64_MAX) == KFK_TIME_NEVER);
}

static void the_earlier_of_two_deadlines_ignores_the_one_that_is_none(void **state)
{
    (void)state;
    assert_int_equal(kfk_time_earlier(3, 5), 3);
    assert_int_equal(kfk_time_earlier(5, 3), 3);
    assert_int_equal(kfk_time_earlier(0, 5), 5);
    assert_int_equal(kfk_time_earlier(5, 0), 5);
    assert_int_equal(kfk_time_earlier(0, 0), 0);
}

static void what_is_left_is_rounded_up_wherever_the_clock_stands(void **state)
{
    (void)state;
    static const int64_t later_ms[] = {1, 2, 1000, INT64_C(2147483648), INT64_C(4294967296)};
    kfk_time_set_source(ns_of_test, ms_of_test); /* a nanosecond before 6 ms */
    assert_int_equal(kfk_time_now_ms(), 5);
    assert_int_equal(kfk_time_ceil_ms(), 6);
    assert_int_equal(kfk_time_left_ms(6), 1);
    assert_int_equal(kfk_time_left_ms(5), 0);
    assert_int_equal(kfk_time_left_ms(0), 0);
    assert_int_equal(kfk_time_left_ms(INT64_MIN), 0);
    assert_int_equal(kfk_time_left_ms(KFK_TIME_NEVER), KFK_TIME_NEVER);
    assert_int_equal(kfk_time_left_ms(KFK_TIME_NEVER - 1), KFK_TIME_NEVER - 6);
    for (size_t i = 0; i < sizeof later_ms / sizeof later_ms[0]; i++)
        assert_int_equal(kfk_time_left_ms(5 + later_ms[i]), later_ms[i]);
    kfk_time_set_source(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(the_monotonic_clock_does_not_go_back),
        MEMCHECK_TEST(milliseconds_and_nanoseconds_are_one_clock),
        MEMCHECK_TEST(the_wall_clock_is_unix_time),
        MEMCHECK_TEST(a_source_replaces_both_clocks_until_it_is_taken_away),
        MEMCHECK_TEST(adding_to_a_time_saturates),
        MEMCHECK_TEST(what_is_left_is_rounded_up_wherever_the_clock_stands),
        MEMCHECK_TEST(the_earlier_of_two_deadlines_ignores_the_one_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
