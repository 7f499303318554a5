/* One balancer and many threads, which find topics for the first time, take turns, and count bytes at once. For the
 * thread sanitizer, most of all; but sums have to be right, too. */
#include "api/calls.h"

#include "api/balancer.h"
#include <stdatomic.h>

enum { THREADS = 4, TOPICS = 16, ROUNDS = 2000, PARTITIONS = 4 };

static const int32_t four[PARTITIONS] = {0, 1, 2, 3};

typedef struct shared {
    kafka_balancer *balancer;
    atomic_int inside; /* threads in the function */
    bool overlap;
    atomic_int hits[TOPICS][PARTITIONS];
    atomic_int failures;
} shared;

/* Sends ROUNDS messages of 10 bytes to each topic, every second one by the state, as a writer does. */
static void *send_all(void *arg)
{
    shared *s = arg;
    kafka_balancer *b = kfk_balancer_hold(s->balancer);
    const kfk_balancer_offer offer = {.all = four, .led = four, .all_count = PARTITIONS, .led_count = PARTITIONS};
    for (int i = 0; i < ROUNDS; i++) {
        for (int topic = 0; topic < TOPICS; topic++) {
            char name[16];
            int len = snprintf(name, sizeof name, "topic-%d", topic);
            kfk_error err;
            const kafka_message m = {.topic = name, .value = {"0123456789", 10}};
            int32_t p = i % 2 == 0 ? kafka_balancer_balance(b, &m, four, PARTITIONS)
                                   : kfk_balancer_pick(kfk_balancer_topic_of(b, name, (size_t)len), &m, &offer, &err);
            if (p >= 0 && p < PARTITIONS)
                atomic_fetch_add(&s->hits[topic][p], 1);
            else
                atomic_fetch_add(&s->failures, 1);
        }
    }
    kafka_balancer_free(b);
    return NULL;
}

static void run(shared *s)
{
    pthread_t threads[THREADS];
    assert_non_null(s->balancer);
    for (int i = 0; i < THREADS; i++) threads[i] = calls_start(send_all, s);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    kafka_balancer_free(s->balancer);
    assert_int_equal(atomic_load(&s->failures), 0);
}

/* Every partition of every topic got the same. */
static void expect_even(shared *s)
{
    for (int topic = 0; topic < TOPICS; topic++)
        for (int p = 0; p < PARTITIONS; p++)
            assert_int_equal(atomic_load(&s->hits[topic][p]), THREADS * ROUNDS / PARTITIONS);
}

static void no_turn_is_lost_or_taken_twice(void **state)
{
    (void)state;
    static shared s;
    s.balancer = kafka_balancer_round_robin();
    run(&s);
    expect_even(&s);
}

static void no_byte_is_lost(void **state)
{
    (void)state;
    static shared s;
    s.balancer = kafka_balancer_least_bytes();
    run(&s);
    expect_even(&s);
}

static void runs_are_whole(void **state)
{
    (void)state;
    static shared s;
    s.balancer = kafka_balancer_sticky();
    run(&s);
    /* 26 bytes count for a message, so a run is 631 of them: that each is, but for the last, shows at the end. */
    for (int topic = 0; topic < TOPICS; topic++) {
        int unfinished = 0, sum = 0;
        for (int p = 0; p < PARTITIONS; p++) {
            int hits = atomic_load(&s.hits[topic][p]);
            unfinished += hits % 631 != 0;
            sum += hits;
        }
        assert_true(unfinished <= 1);
        assert_int_equal(sum, THREADS * ROUNDS);
    }
}

static void random_ones_need_no_lock(void **state)
{
    (void)state;
    static shared s;
    s.balancer = kafka_balancer_crc32(false);
    run(&s);
    for (int topic = 0; topic < TOPICS; topic++)
        for (int p = 0; p < PARTITIONS; p++) /* ten standard deviations */
            assert_in_range(atomic_load(&s.hits[topic][p]), THREADS * ROUNDS / 4 - 400, THREADS * ROUNDS / 4 + 400);
}

static int calls; /* of the function: no atomic */

static int32_t count_calls(void *userdata, const kafka_message *m, const int32_t *partitions, size_t count)
{
    shared *s = userdata;
    (void)m;
    if (atomic_fetch_add(&s->inside, 1) != 0) s->overlap = true;
    int32_t p = partitions[(size_t)calls++ % count];
    atomic_fetch_sub(&s->inside, 1);
    return p;
}

static void a_function_is_never_called_twice_at_once(void **state)
{
    (void)state;
    static shared s;
    calls = 0;
    s.balancer = kafka_balancer_func(count_calls, &s, NULL);
    run(&s);
    assert_false(s.overlap);
    assert_int_equal(calls, THREADS * ROUNDS * TOPICS);
}

static uint32_t count_hashes(const void *data, size_t len)
{
    (void)data;
    return (uint32_t)(calls++) + (uint32_t)len;
}

static void *hash_keys(void *arg)
{
    shared *s = arg;
    for (int i = 0; i < ROUNDS; i++) {
        const kafka_message m = {.key = {"key", 3}};
        if (kafka_balancer_balance(s->balancer, &m, four, PARTITIONS) < 0) atomic_fetch_add(&s->failures, 1);
    }
    return NULL;
}

static void nor_is_a_hash_function(void **state)
{
    (void)state;
    static shared s;
    pthread_t threads[THREADS];
    calls = 0;
    s.balancer = kafka_balancer_hash(count_hashes);
    for (int i = 0; i < THREADS; i++) threads[i] = calls_start(hash_keys, &s);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    kafka_balancer_free(s.balancer);
    assert_int_equal(atomic_load(&s.failures), 0);
    assert_int_equal(calls, THREADS * ROUNDS);
}

static void *free_it(void *arg)
{
    kafka_balancer_free(arg);
    return NULL;
}

static void destroy_once(void *userdata)
{
    ++*(int *)userdata;
}

static void whoever_lets_go_last_frees_it(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        int destroyed = 0;
        pthread_t threads[THREADS];
        kafka_balancer *b = kafka_balancer_func(count_calls, &destroyed, destroy_once);
        for (int i = 0; i < THREADS; i++) kfk_balancer_hold(b);
        for (int i = 0; i < THREADS; i++) threads[i] = calls_start(free_it, b);
        kafka_balancer_free(b);
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        assert_int_equal(destroyed, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(no_turn_is_lost_or_taken_twice),
        MEMCHECK_TEST(no_byte_is_lost),
        MEMCHECK_TEST(runs_are_whole),
        MEMCHECK_TEST(random_ones_need_no_lock),
        MEMCHECK_TEST(a_function_is_never_called_twice_at_once),
        MEMCHECK_TEST(nor_is_a_hash_function),
        MEMCHECK_TEST(whoever_lets_go_last_frees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
