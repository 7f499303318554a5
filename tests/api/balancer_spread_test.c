/* Balancers that spread: by messages, by bytes, by batches. */
#include "api/calls.h"

#include "api/balancer_impl.h"

static const int32_t four[] = {0, 1, 2, 3};
static char value[1 << 17];

/* The partition for a message of `bytes` bytes without a key. */
static int32_t put(kafka_balancer *b, size_t bytes, const int32_t *partitions, size_t count)
{
    const kafka_message m = {.topic = "t", .value = {value, bytes}};
    return kafka_balancer_balance(b, &m, partitions, count);
}

/* ---- round robin ------------------------------------------------------------------------------------------------- */

static void round_robin_takes_one_after_the_other_from_the_first(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_round_robin();
    for (int32_t i = 0; i < 100; i++) {
        const kafka_message m = {.topic = "t", .key = {"same key", 8}, .partition = 3};
        assert_int_equal(kafka_balancer_balance(b, &m, four, 4), i % 4);
    }
    kafka_balancer_free(b);
}

static void its_turn_goes_on_when_partitions_come(void **state)
{
    (void)state;
    static const int32_t gaps[] = {5, 7, 90};
    kafka_balancer *b = kafka_balancer_round_robin();
    for (int32_t i = 0; i < 10; i++) assert_int_equal(put(b, 1, four, 2), i % 2);
    for (size_t i = 10; i < 20; i++) assert_int_equal(put(b, 1, gaps, 3), gaps[i % 3]);
    kafka_balancer_free(b);
}

static void its_count_may_grow_beyond_32_bits(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_round_robin();
    kfk_balancer_topic *t = kfk_balancer_topic_of(b, "t", 1);
    atomic_store(&t->turns, (UINT64_C(1) << 32) - 1); /* 4294967295 % 3 = 0 */
    for (int32_t i = 0; i < 9; i++) assert_int_equal(put(b, 1, four, 3), i % 3);
    kafka_balancer_free(b);
}

/* ---- least bytes ------------------------------------------------------------------------------------------------- */

static void least_bytes_takes_the_partition_with_the_fewest_and_the_lowest_of_equals(void **state)
{
    (void)state;
    static const struct {
        size_t bytes;
        int32_t partition;
    } rows[] = {
        {100, 0}, {10, 1}, {20, 2}, {30, 3}, /* 100 10 20 30 */
        {5, 1},   {5, 1},                    /* 100 20 20 30 */
        {0, 1},   {5, 1},  {90, 2}, {1, 1},  /* 100 26 110 30 */
        {4, 1},   {1, 1},  {1, 3},           /* 100 31 110 31 */
        {1, 1},   {80, 3}, {80, 1}, {1, 0},
    };
    kafka_balancer *b = kafka_balancer_least_bytes();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(put(b, rows[i].bytes, four, 4), rows[i].partition);
    kafka_balancer_free(b);
}

static void keys_count_and_headers_do_not(void **state)
{
    (void)state;
    kafka_header h = {"name", {"a long value", 12}};
    const kafka_message keyed = {.topic = "t", .key = {"12345", 5}, .headers = &h, .header_count = 1},
                        valued = {.topic = "t", .value = {"123456", 6}};
    kafka_balancer *b = kafka_balancer_least_bytes();
    assert_int_equal(kafka_balancer_balance(b, &keyed, four, 2), 0);
    assert_int_equal(kafka_balancer_balance(b, &valued, four, 2), 1);
    assert_int_equal(put(b, 0, four, 2), 0); /* 5 against 6 */
    kafka_balancer_free(b);
}

static void it_agrees_with_a_plain_search_whatever_comes(void **state)
{
    (void)state;
    enum { MOST = 50 };
    kafka_balancer *b = kafka_balancer_least_bytes();
    int32_t list[MOST];
    uint64_t held[MOST];
    kfk_rand r;
    kfk_rand_seed(&r, 3);
    for (int round = 0; round < 40; round++) {
        size_t count = 1 + kfk_rand_below(&r, MOST);
        for (size_t i = 0; i < count; i++) {
            list[i] = (int32_t)(i * 3) + round; /* another set each round */
            held[i] = 0;
        }
        for (int n = 0; n < 500; n++) {
            size_t bytes = kfk_rand_below(&r, 4) == 0 ? 0 : kfk_rand_below(&r, 1000), least = 0;
            for (size_t i = 1; i < count; i++)
                if (held[i] < held[least]) least = i;
            assert_int_equal(put(b, bytes, list, count), list[least]);
            held[least] += bytes;
        }
    }
    kafka_balancer_free(b);
}

static void it_begins_again_when_the_set_changes_but_not_when_the_order_does(void **state)
{
    (void)state;
    static const int32_t mixed[] = {2, 0, 3, 1}, other[] = {0, 1, 2, 4};
    kafka_balancer *b = kafka_balancer_least_bytes();
    for (int32_t i = 0; i < 4; i++) assert_int_equal(put(b, (size_t)(40 - 10 * i), four, 4), i); /* 40 30 20 10 */
    assert_int_equal(put(b, 1, mixed, 4), 3);
    assert_int_equal(put(b, 100, four, 4), 3);
    assert_int_equal(put(b, 1, four, 4), 2);  /* 21 */
    assert_int_equal(put(b, 50, four, 3), 0); /* lost one: 0 0 0 */
    assert_int_equal(put(b, 1, four, 3), 1);
    assert_int_equal(put(b, 7, four, 4), 0); /* gained one */
    assert_int_equal(put(b, 7, four, 4), 1);
    assert_int_equal(put(b, 7, other, 4), 0); /* as many, but others */
    kafka_balancer_free(b);
}

static void without_memory_for_a_new_set_it_says_so_and_keeps_the_old_one(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        memcheck_fail_at(0);
        kafka_balancer *b = kafka_balancer_least_bytes();
        assert_int_equal(put(b, 10, four, 2), 0);
        memcheck_fail_at(n);
        int32_t p = put(b, 1, four, 3);
        if (memcheck_failed()) {
            assert_fails(p, KAFKA_ENOMEM, "3 partitions of topic t");
            assert_int_equal(put(b, 20, four, 2), 1);
            assert_int_equal(put(b, 1, four, 2), 0);
            assert_int_equal(put(b, 1, four, 3), 0);
        } else {
            assert_int_equal(p, 0);
        }
        kafka_balancer_free(b);
    }
}

/* ---- sticky ------------------------------------------------------------------------------------------------------ */

enum { RUN = 16 << 10 };

static void sticky_stays_for_16_kib_and_goes_to_another_one(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_sticky();
    int32_t before = -1;
    int used[4] = {0};
    for (int run = 0; run < 200; run++) {
        int32_t p = put(b, 1024 - 16, four, 4);
        assert_true(p != before);
        for (int i = 1; i < 16; i++) assert_int_equal(put(b, 1024 - 16, four, 4), p);
        used[p]++;
        before = p;
    }
    for (int i = 0; i < 4; i++) assert_in_range(used[i], 20, 80);
    kafka_balancer_free(b);
}

static void large_messages_change_partition_each_time(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_sticky();
    int32_t before = -1;
    for (int i = 0; i < 100; i++) {
        int32_t p = put(b, (size_t)RUN << (i % 3), four, 4);
        assert_true(p != before);
        before = p;
    }
    kafka_balancer_free(b);
}

static void empty_messages_do_not_stick_for_ever_and_headers_count(void **state)
{
    (void)state;
    kafka_header headers[64];
    for (int i = 0; i < 64; i++)
        headers[i] = (kafka_header){"h", {value, 240}}; /* with 64 of these a message is a run */
    kafka_balancer *b = kafka_balancer_sticky();
    int32_t first = put(b, 0, four, 4), p = first;
    int n = 1;
    for (; n < 3000 && p == first; n++) p = put(b, 0, four, 4);
    assert_int_equal(n, RUN / 16 + 1);
    const kafka_message m = {.topic = "t", .headers = headers, .header_count = 64};
    assert_int_equal(kafka_balancer_balance(b, &m, four, 4), p); /* which fills the run */
    assert_int_not_equal(put(b, 0, four, 4), p);
    kafka_balancer_free(b);
}

static void keys_do_not_use_up_the_run(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_sticky();
    int32_t p = put(b, 1000, four, 4);
    for (int i = 0; i < 100; i++) {
        const kafka_message m = {.topic = "t", .key = {&i, sizeof i}, .value = {value, 10000}};
        kafka_balancer_balance(b, &m, four, 4);
    }
    assert_int_equal(put(b, 1000, four, 4), p);
    kafka_balancer_free(b);
}

static void one_partition_is_enough_and_a_shorter_list_does_no_harm(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_sticky();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(put(b, 4000, four, 1), 0);
        assert_in_range(put(b, 4000, four, 4), 0, 3);
        assert_in_range(put(b, 4000, &four[1], 2), 1, 2);
    }
    kafka_balancer_free(b);
}

static void the_same_seed_makes_the_same_choices(void **state)
{
    (void)state;
    kafka_balancer *a = kafka_balancer_sticky(), *b = kafka_balancer_sticky();
    kafka_balancer *c = kafka_balancer_murmur2(false), *d = kafka_balancer_murmur2(false);
    kfk_balancer_seed(a, 1);
    kfk_balancer_seed(b, 1);
    kfk_balancer_seed(c, 2);
    kfk_balancer_seed(d, 2);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(put(a, 9000, four, 4), put(b, 9000, four, 4));
        assert_int_equal(put(c, 9000, four, 4), put(d, 9000, four, 4));
    }
    kafka_balancer_free(a);
    kafka_balancer_free(b);
    kafka_balancer_free(c);
    kafka_balancer_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(round_robin_takes_one_after_the_other_from_the_first),
        MEMCHECK_TEST(its_turn_goes_on_when_partitions_come),
        MEMCHECK_TEST(its_count_may_grow_beyond_32_bits),
        MEMCHECK_TEST(least_bytes_takes_the_partition_with_the_fewest_and_the_lowest_of_equals),
        MEMCHECK_TEST(keys_count_and_headers_do_not),
        MEMCHECK_TEST(it_agrees_with_a_plain_search_whatever_comes),
        MEMCHECK_TEST(it_begins_again_when_the_set_changes_but_not_when_the_order_does),
        MEMCHECK_TEST(without_memory_for_a_new_set_it_says_so_and_keeps_the_old_one),
        MEMCHECK_TEST(sticky_stays_for_16_kib_and_goes_to_another_one),
        MEMCHECK_TEST(large_messages_change_partition_each_time),
        MEMCHECK_TEST(empty_messages_do_not_stick_for_ever_and_headers_count),
        MEMCHECK_TEST(keys_do_not_use_up_the_run),
        MEMCHECK_TEST(one_partition_is_enough_and_a_shorter_list_does_no_harm),
        MEMCHECK_TEST(the_same_seed_makes_the_same_choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
