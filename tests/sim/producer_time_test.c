/* The producer's times: how long a silent broker is waited for, how often partitions are looked up and how soon new
 * ones are used, and how attempts are spaced. */
#include "sim/producers.h"
#include "testing/call.h"

/* ---- answers that do not come ------------------------------------------------------------------------------------ */

static void answers_take_two_seconds_at_most(kfk_producer_config *c)
{
    c->write_timeout_ms = 2000;
}

SCENARIO_WITH(a_batch_is_sent_again_after_write_timeout, .seeds = 20, .config.calm = true)
{
    book *b = book_warm(s, 1, 1, answers_take_two_seconds_at_most);
    if (!b) return;
    sim_sleep_ms(s, 1000);
    int64_t requests = book_requests(b, KAFKA_REQUEST_PRODUCE), before = sim_now_ms(s);
    book_fault(b, KAFKA_FAULT_SILENCE, KAFKA_REQUEST_PRODUCE, 0, 1, 0, -1);
    book_send(b, 0, 0, 100, true);
    sim_sleep_ms(s, 1900);
    sim_check_equal(s, b->told, 1);
    sim_check_equal(s, book_requests(b, KAFKA_REQUEST_PRODUCE), requests + 1);
    book_wait(b, 5000);
    sim_check(s, sim_now_ms(s) - before >= 2000 && sim_now_ms(s) - before < 2500);
    sim_check_equal(s, book_requests(b, KAFKA_REQUEST_PRODUCE), requests + 2);
    book_expect_written(b);
    book_end(b);
}

/* ---- partitions -------------------------------------------------------------------------------------------------- */

static int grow_run(kft_call *x, kfk_error *err)
{
    const char *why = "";
    kft_topic *t = kft_topic_find(&x->cluster->topics, kafka_str(BOOK_TOPIC));
    int16_t code = kft_topic_grow(x->cluster, t, (int32_t)x->number, NULL, &why);
    return code == 0 ? 0 : kfk_error_set(err, code, "%s", why);
}

static void grow(book *b, int partitions)
{
    kfk_error err = {0};
    kft_call x = {.cluster = b->cluster, .run = grow_run, .number = partitions};
    if (kft_call_run(&x, &err) != 0) sim_fail(b->sim, "%s", err.text);
    b->partitions = partitions;
}

static size_t known(const book *b)
{
    kfk_producer_map *map = kfk_producer_topic_map(b->topic);
    size_t count = map ? map->count : 0;
    kfk_producer_map_drop(map);
    return count;
}

SCENARIO_WITH(partitions_are_looked_up_at_each_interval_also_when_nothing_is_written, .seeds = 20, .config.calm = true)
{
    book *b = book_warm(s, 1, 1, NULL);
    if (!b) return;
    int64_t before = b->counted[KFK_COUNT_REBALANCE];
    sim_sleep_ms(s, 151000);
    int64_t looked = b->counted[KFK_COUNT_REBALANCE] - before;
    sim_check(s, looked >= 9 && looked <= 11);
    book_end(b);
}

SCENARIO(a_partition_that_comes_is_known_within_the_interval_while_writing_goes_on)
{
    book *b = book_warm(s, 3, 2, NULL);
    if (!b) return;
    sim_sleep_ms(s, (int64_t)sim_below(s, 15000));
    grow(b, 5);
    int64_t before = sim_now_ms(s);
    while (known(b) < 5 && sim_now_ms(s) - before < 20000) {
        int64_t sent = sim_now_ms(s);
        book_send(b, 0, -1, 50, true);
        book_wait(b, 5000);
        sim_check(s, sim_now_ms(s) - sent < 1000); /* nothing waits for the look-up */
        sim_sleep_ms(s, 100);
    }
    sim_check_equal(s, (int64_t)known(b), 5);
    sim_check(s, sim_now_ms(s) - before <= 15000 + 1500);
    for (int32_t p = 0; p < 5; p++) book_send(b, 0, p, 50, true);
    book_wait(b, 5000);
    book_expect_written(b);
    book_end(b);
}

static void looks_up_on_errors_only(kfk_producer_config *c)
{
    c->rebalance_interval_ms = KFK_TIME_NEVER;
}

SCENARIO(without_an_interval_an_error_about_the_topic_brings_the_new_partitions)
{
    book *b = book_warm(s, 3, 2, looks_up_on_errors_only);
    if (!b) return;
    sim_sleep_ms(s, 1000);
    grow(b, 5);
    sim_sleep_ms(s, 100000);
    sim_check_equal(s, (int64_t)known(b), 2);
    book_fault(b, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, 1, 0, -1);
    book_send(b, 0, 0, 50, true);
    book_wait(b, 5000);
    sim_sleep_ms(s, 1000);
    sim_check_equal(s, (int64_t)known(b), 5);
    book_expect_written(b);
    book_end(b);
}

SCENARIO_WITH(a_broker_that_answers_no_question_is_given_up_after_read_timeout, .seeds = 20, .config.calm = true)
{
    book *b = book_new(s, 1, 1);
    if (!b) return;
    b->cfg.cluster.request_timeout_ms = 2000;
    b->cfg.delivery_timeout_ms = 9000;
    if (!book_start(b)) return;
    book_fault(b, KAFKA_FAULT_SILENCE, KAFKA_REQUEST_METADATA, 0, KAFKA_NEVER, 0, -1);
    book_send(b, 0, -1, 100, true);
    book_wait(b, 20000);
    sim_check_equal(s, b->records[0].code, KAFKA_ETIMEDOUT);
    sim_check_text(s, b->why, "no answer to Metadata v13 within 2000 ms");
    book_end(b);
}

SCENARIO(a_look_up_that_fails_takes_nothing_away)
{
    book *b = book_warm(s, 2, 2, NULL);
    if (!b) return;
    book_fault(b, KAFKA_FAULT_DROP, KAFKA_REQUEST_METADATA, 0, 20, 0, -1);
    sim_sleep_ms(s, 16000);
    sim_check_equal(s, (int64_t)known(b), 2);
    for (int i = 0; i < 10; i++) book_send(b, 0, i % 2, 50, true);
    book_wait(b, 10000);
    book_expect_written(b);
    book_end(b);
}

/* ---- attempts ---------------------------------------------------------------------------------------------------- */

static void four_attempts(kfk_producer_config *c)
{
    c->max_attempts = 4;
}

/* 100, 200 and 400 ms, with a fifth of jitter. */
SCENARIO_WITH(pauses_between_attempts_grow_and_there_is_none_after_the_last, .seeds = 50, .config.calm = true)
{
    book *b = book_warm(s, 1, 1, four_attempts);
    if (!b) return;
    int64_t requests = book_requests(b, KAFKA_REQUEST_PRODUCE), at[5] = {0};
    book_fault(b, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE, KAFKA_ERR_NOT_ENOUGH_REPLICAS, KAFKA_NEVER, 0, -1);
    at[0] = sim_now_ms(s);
    book_send(b, 0, 0, 50, true);
    for (int i = 1; i < 5 && !sim_failed(s); i++) {
        int64_t until = sim_now_ms(s) + 5000;
        while (book_requests(b, KAFKA_REQUEST_PRODUCE) < requests + i && sim_now_ms(s) < until) sim_sleep_ms(s, 1);
        at[i] = sim_now_ms(s);
    }
    sim_check(s, at[2] - at[1] >= 80);
    sim_check(s, at[3] - at[2] > at[2] - at[1]);
    sim_check(s, at[4] - at[3] > at[3] - at[2]);
    sim_check(s, at[4] - at[0] < 2000);
    book_wait(b, 5000);
    sim_check(s, b->records[1].told_ms - at[4] < 80);
    sim_check_equal(s, b->records[1].code, KAFKA_ERR_NOT_ENOUGH_REPLICAS);
    sim_check_equal(s, book_requests(b, KAFKA_REQUEST_PRODUCE), requests + 4);
    kafka_cluster_clear_faults(b->cluster);
    book_end(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_batch_is_sent_again_after_write_timeout),
        MEMCHECK_TEST(a_broker_that_answers_no_question_is_given_up_after_read_timeout),
        MEMCHECK_TEST(partitions_are_looked_up_at_each_interval_also_when_nothing_is_written),
        MEMCHECK_TEST(a_partition_that_comes_is_known_within_the_interval_while_writing_goes_on),
        MEMCHECK_TEST(without_an_interval_an_error_about_the_topic_brings_the_new_partitions),
        MEMCHECK_TEST(a_look_up_that_fails_takes_nothing_away),
        MEMCHECK_TEST(pauses_between_attempts_grow_and_there_is_none_after_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
