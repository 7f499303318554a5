/* examples_test.c: the writers in examples/ do what they say, run as programs against a cluster in this process. */
#include "api/writers.h"
#include <stdlib.h>

/* Runs an example with these brokers; `input` is its standard input. */
static void run_example(kafka_cluster *c, const char *name, const char *input)
{
    char command[512];
    snprintf(command, sizeof command, "printf '%s' | " EXAMPLES "/example_%s %s t", input, name,
             kafka_cluster_bootstrap(c));
    int status = system(command); /* NOLINT(cert-env33-c): of our own making */
    if (status != 0) fail_msg("%s ended with %d", command, status);
}

static void write_sync_writes_the_lines_it_is_given(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    run_example(c, "write_sync", "one\\ntwo\\nthree");
    assert_int_equal(writers_end(c, "t", 0), 3);
    writers_expect_value(c, "t", 0, 0, "one");
    writers_expect_value(c, "t", 0, 2, "three");
    kafka_cluster_free(c);
}

static void write_async_counts_its_outcomes(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(6);
    run_example(c, "write_async", "");
    assert_int_equal(writers_total(c, 6), 100000);
    kafka_cluster_free(c);
}

static void write_keyed_keeps_the_order_of_each_key(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(3);
    int next[128] = {0};
    static const char *const events[] = {"signed in", "bought a ticket", "signed out", NULL};
    run_example(c, "write_keyed", "");
    assert_int_equal(writers_total(c, 3), 10);
    for (int32_t p = 0; p < 3; p++) {
        for (int64_t at = 0; at < writers_end(c, "t", p); at++) {
            kafka_message *m = writers_read(c, "t", p, at);
            const char *expected = events[next[*(const unsigned char *)m->key.data]++];
            if (expected)
                assert_memory_equal(m->value.data, expected, m->value.len);
            else
                assert_null(m->value.data); /* forgotten */
            kafka_message_free(m);
        }
    }
    kafka_cluster_free(c);
}

static void write_threads_shares_a_writer(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(3);
    run_example(c, "write_threads", "");
    assert_int_equal(writers_total(c, 3), 8000);
    kafka_cluster_free(c);
}

static void write_event_loop_needs_no_thread(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    run_example(c, "write_event_loop", "");
    assert_int_equal(writers_end(c, "t", 0), 20);
    kafka_cluster_free(c);
}

static void they_say_why_they_fail(void **state)
{
    (void)state;
    assert_int_not_equal(system(EXAMPLES "/example_write_sync 'not an address' t 2> /dev/null"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(write_sync_writes_the_lines_it_is_given), API_TEST(write_async_counts_its_outcomes),
        API_TEST(write_keyed_keeps_the_order_of_each_key), API_TEST(write_threads_shares_a_writer),
        API_TEST(write_event_loop_needs_no_thread),        API_TEST(they_say_why_they_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
