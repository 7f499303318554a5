/* The producer on an in-memory cluster: what it sends, when, and what it says became of it. */
#include "base/time.h"
#include "sim/producers.h"
#include <stdio.h>
#include <string.h>

/* ---- what is sent, and when -------------------------------------------------------------------------------------- */

SCENARIO(the_first_message_of_a_writer_is_written)
{
    book *b = book_new(s, 1, 1);
    if (!b || !book_start(b)) return;
    sim_check_equal(s, book_send(b, 0, -1, 8, true), 0);
    book_wait(b, 5000);
    book_expect_written(b);
    sim_check_equal(s, b->records[0].offset, 0);
    sim_check_equal(s, book_requests(b, KAFKA_REQUEST_INIT_PRODUCER_ID), 1);
    book_end(b);
}

SCENARIO_WITH(a_lone_message_is_one_record_in_one_request_that_its_own_thread_sends, .seeds = 20, .config.calm = true)
{
    book *b = book_warm(s, 1, 1, NULL);
    if (!b) return;
    sim_sleep_ms(s, 20000); /* timers of the beginning are over */
    int64_t requests = book_requests(b, KAFKA_REQUEST_PRODUCE);
    uint64_t turns = sim_turns(s), wakes = sim_wakes(s);
    b->largest = 0;
    sim_check_equal(s, book_send(b, 0, 0, 100, true), 0);
    sim_check_equal(s, sim_turns(s), turns);
    sim_check(s, sim_wakes(s) <= wakes + 1);
    sim_check_equal(s, atomic_load(&book_broker(b, 1)->in_flight), 1);
    sim_check(s, !book_broker(b, 1)->unfilled);
    book_wait(b, 1000);
    book_expect_written(b);
    sim_check_equal(s, book_requests(b, KAFKA_REQUEST_PRODUCE), requests + 1);
    sim_check_equal(s, b->largest, 1);
    book_end(b);
}

SCENARIO(what_comes_while_a_broker_is_busy_goes_in_one_request)
{
    book *b = book_warm(s, 1, 1, NULL);
    if (!b) return;
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 1, 50), 0);
    int64_t requests = book_requests(b, KAFKA_REQUEST_PRODUCE);
    for (int i = 0; i < 1000; i++) book_send(b, 0, 0, 50, false);
    book_wait(b, 5000);
    book_expect_written(b);
    sim_check(s, book_requests(b, KAFKA_REQUEST_PRODUCE) <= requests + 4);
    sim_check(s, b->largest >= 400);
    book_end(b);
}

SCENARIO(a_rest_in_asynchronous_mode_leaves_at_its_time_although_the_broker_is_busy)
{
    book *b = book_warm(s, 1, 2, NULL);
    if (!b) return;
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 1, 3000), 0);
    book_send(b, 0, 0, 50, false);
    sim_sleep_ms(s, 10);
    int64_t requests = book_requests(b, KAFKA_REQUEST_PRODUCE);
    book_send(b, 0, 1, 50, false); /* one is in flight: it waits */
    sim_sleep_ms(s, 500);
    sim_check_equal(s, atomic_load(&book_broker(b, 1)->in_flight), 1);
    sim_sleep_ms(s, 600);
    sim_check_equal(s, atomic_load(&book_broker(b, 1)->in_flight), 2);
    (void)requests;
    book_wait(b, 10000);
    book_expect_written(b);
    book_end(b);
}

static void five_are_ready(kfk_producer_config *c)
{
    c->batch_size = 5;
}

SCENARIO_WITH(little_that_comes_right_behind_a_request_waits_for_a_millisecond_but_not_when_it_is_awaited, .seeds = 20,
              .config.calm = true)
{
    book *b = book_warm(s, 1, 2, five_are_ready);
    if (!b) return;
    sim_sleep_ms(s, 20000);
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 1, 50), 0);
    book_send(b, 0, 0, 50, false);
    sim_check_equal(s, atomic_load(&book_broker(b, 1)->in_flight), 1); /* nothing was sent for long: at once */
    for (int i = 0; i < 5; i++) book_send(b, 0, 1, 50, false);
    sim_check_equal(s, atomic_load(&book_broker(b, 1)->in_flight), 1);
    sim_sleep_ms(s, 2);
    sim_check_equal(s, atomic_load(&book_broker(b, 1)->in_flight), 2);
    book_send(b, 0, 0, 50, true);
    sim_check_equal(s, atomic_load(&book_broker(b, 1)->in_flight), 3);
    book_wait(b, 5000);
    book_expect_written(b);
    book_end(b);
}

/* A little for each partition in every millisecond, for so many of them. */
static void trickle(book *b, int partitions, size_t bytes, int ms)
{
    for (int i = 0; i < ms; i++) {
        for (int p = 0; p < partitions; p++) book_send(b, 0, p, bytes, false);
        sim_sleep_ms(b->sim, 1);
    }
}

SCENARIO_WITH(small_batches_that_come_thick_wait_for_more_for_five_milliseconds_and_no_longer, .seeds = 20,
              .config.calm = true)
{
    book *b = book_warm(s, 1, 8, NULL);
    if (!b) return;
    trickle(b, 8, 10000, 10); /* 80 KB a millisecond */
    int64_t requests = book_requests(b, KAFKA_REQUEST_PRODUCE);
    trickle(b, 8, 10000, 30);
    requests = book_requests(b, KAFKA_REQUEST_PRODUCE) - requests;
    sim_check(s, requests >= 5 && requests <= 12);
    book_wait(b, 5000);
    book_expect_written(b);
    book_end(b);
}

SCENARIO_WITH(small_batches_that_come_thin_wait_for_nothing, .seeds = 20, .config.calm = true)
{
    book *b = book_warm(s, 1, 8, NULL);
    if (!b) return;
    trickle(b, 8, 10000, 10);
    book_wait(b, 5000);
    sim_sleep_ms(s, 10);
    trickle(b, 8, 50, 10); /* the pause of what came thick has ended with it */
    for (int i = 0; i < 10; i++) {
        book_wait(b, 5000);
        sim_sleep_ms(s, 2);
        book_send(b, 0, i % 8, 50, false);
        sim_check_equal(s, atomic_load(&book_broker(b, 1)->in_flight), 1);
    }
    book_wait(b, 5000);
    book_expect_written(b);
    book_end(b);
}

static void small_batches(kfk_producer_config *c)
{
    c->batch_bytes = 2000;
}

SCENARIO(five_requests_are_in_flight_and_no_more)
{
    book *b = book_warm(s, 1, 1, small_batches);
    if (!b) return;
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 1, 20), 0);
    b->most_in_flight = 0;
    book_send_all(b, 0, 0, 500, 200);
    kfk_producer_broker *br = book_broker(b, 1);
    int most = 0;
    while (!b->all_told && !sim_failed(s)) {
        int n = atomic_load(&br->in_flight);
        if (n > most) most = n;
        sim_sleep_ms(s, 1);
    }
    sim_check_equal(s, most, 5);
    book_expect_written(b);
    book_end(b);
}

static void acks_one(kfk_producer_config *c)
{
    c->acks = 1;
    c->idempotence = false;
    c->batch_bytes = 2000;
}

SCENARIO_WITH(without_idempotence_one_batch_of_a_partition_is_in_flight_and_others_go_on, .seeds = 20,
              .config.calm = true)
{
    book *b = book_warm(s, 1, 2, acks_one);
    if (!b) return;
    sim_check_equal(s, book_requests(b, KAFKA_REQUEST_INIT_PRODUCER_ID), 0);
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 1, 20), 0);
    book_send_all(b, 0, 0, 500, 40);
    sim_sleep_ms(s, 5);
    sim_check_equal(s, atomic_load(&book_broker(b, 1)->in_flight), 1);
    book_send_all(b, 1, 1, 500, 40);
    sim_check_equal(s, atomic_load(&book_broker(b, 1)->in_flight), 2);
    while (!b->all_told && !sim_failed(s)) {
        sim_check(s, atomic_load(&book_broker(b, 1)->in_flight) <= 2);
        sim_sleep_ms(s, 1);
    }
    book_expect_written(b);
    book_end(b);
}

static void acks_none(kfk_producer_config *c)
{
    c->acks = 0;
    c->idempotence = false;
}

SCENARIO(acks_none_is_told_when_it_was_sent)
{
    book *b = book_warm(s, 1, 1, acks_none);
    if (!b) return;
    book_send_all(b, 0, 0, 100, 50);
    book_wait(b, 1000);
    book_expect_written(b);
    sim_check_equal(s, b->records[0].offset, -1);
    sim_sleep_ms(s, 100);
    int64_t start, end;
    sim_check_equal(s, kafka_cluster_log_size(b->cluster, BOOK_TOPIC, 0, &start, &end), 0);
    sim_check_equal(s, end, 51);
    book_end(b);
}

static void with_lz4(kfk_producer_config *c)
{
    c->codec = KFK_CODEC_LZ4;
    c->batch_bytes = 20000;
}

SCENARIO(compressed_batches_are_written)
{
    book *b = book_warm(s, 2, 3, with_lz4);
    if (!b) return;
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 1, 10), 0);
    for (int i = 0; i < 600; i++) {
        book_send(b, 0, i % 3, 200, i % 50 == 0);
        if (i % 20 == 0) sim_sleep_ms(s, (int64_t)sim_below(s, 5));
    }
    book_wait(b, 10000);
    book_expect_written(b);
    book_end(b);
}

/* ---- leaders and brokers ----------------------------------------------------------------------------------------- */

SCENARIO(a_leader_that_moves_is_followed)
{
    book *b = book_warm(s, 3, 3, NULL);
    if (!b) return;
    for (int i = 0; i < 200 && !sim_failed(s); i++) {
        book_send(b, 0, i % 3, 100, true);
        if (i % 40 == 7)
            sim_check_equal(s, kafka_cluster_move_leader(b->cluster, BOOK_TOPIC, i % 3, 1 + (int32_t)sim_below(s, 3)),
                            0);
        sim_sleep_ms(s, (int64_t)sim_below(s, 4));
    }
    book_wait(b, 20000);
    book_expect_written(b);
    book_end(b);
}

SCENARIO_WITH(a_moved_leader_is_found_by_its_hint_without_asking_for_metadata, .seeds = 20, .config.calm = true)
{
    book *b = book_warm(s, 3, 1, NULL);
    int32_t leader;
    if (!b) return;
    sim_sleep_ms(s, 1000);
    sim_check_equal(s, kafka_cluster_leader(b->cluster, BOOK_TOPIC, 0, &leader), 0);
    int64_t metadata = book_requests(b, KAFKA_REQUEST_METADATA), before = sim_now_ms(s);
    sim_check_equal(s, kafka_cluster_move_leader(b->cluster, BOOK_TOPIC, 0, leader % 3 + 1), 0);
    book_send(b, 0, 0, 100, true);
    book_wait(b, 1000);
    book_expect_written(b);
    sim_check(s, sim_now_ms(s) - before < 50);
    sim_check_equal(s, book_requests(b, KAFKA_REQUEST_METADATA), metadata);
    book_end(b);
}

SCENARIO(a_broker_that_is_away_for_longer_than_ten_paced_attempts_is_waited_for)
{
    book *b = book_warm(s, 3, 3, NULL);
    if (!b) return;
    sim_route *r = sim_net_route(s, book_address(1));
    sim_net_reset(s, book_address(1));
    r->reach = SIM_REFUSES;
    for (int i = 0; i < 30; i++) book_send(b, 0, i % 3, 100, false);
    sim_sleep_ms(s, 20000);
    sim_check(s, b->accepted - b->told <= 10); /* the others' are written */
    r->reach = SIM_ANSWERS;
    book_wait(b, 5000);
    book_expect_written(b);
    book_end(b);
}

SCENARIO(a_broker_that_is_stopped_costs_nothing_but_time)
{
    book *b = book_warm(s, 3, 3, NULL);
    if (!b) return;
    for (int i = 0; i < 300 && !sim_failed(s); i++) {
        book_send(b, 0, i % 3, 100, false);
        if (i == 50) sim_check_equal(s, kafka_cluster_stop_broker(b->cluster, 2), 0);
        if (i == 150) sim_check_equal(s, kafka_cluster_start_broker(b->cluster, 2), 0);
        sim_sleep_ms(s, (int64_t)sim_below(s, 20));
    }
    book_wait(b, 30000);
    book_expect_written(b);
    book_end(b);
}

SCENARIO(with_no_broker_at_all_a_write_fails_after_max_attempts)
{
    book *b = book_warm(s, 1, 1, NULL);
    if (!b) return;
    sim_route *r = sim_net_route(s, book_address(1));
    sim_net_reset(s, book_address(1));
    r->reach = SIM_REFUSES;
    book_send(b, 0, 0, 100, true);
    book_wait(b, 20000);
    sim_check(s, b->records[1].code == KAFKA_EIO);
    sim_check_text(s, b->why, BOOK_TOPIC);
    sim_check_text(s, b->why, "10.0.0.1:9092");
    r->reach = SIM_ANSWERS;
    book_end(b);
}

/* ---- topics ------------------------------------------------------------------------------------------------------ */

SCENARIO(a_topic_that_appears_later_gets_what_waited_for_it)
{
    book *b = book_new(s, 1, 0);
    if (!b || !book_start(b)) return;
    for (int i = 0; i < 20; i++) {
        book_send(b, 0, -1, 50, false);
        sim_sleep_ms(s, 50);
    }
    sim_check_equal(s, b->told, 0);
    b->partitions = 3;
    sim_check_equal(s, kafka_cluster_create_topic(b->cluster, BOOK_TOPIC, 3), 0);
    book_wait(b, 5000);
    book_expect_written(b);
    book_end(b);
}

SCENARIO(an_unknown_topic_fails_by_itself_and_slows_no_other)
{
    book *b = book_warm(s, 1, 1, NULL);
    if (!b) return;
    book_use_topic(b, "mistyped");
    book_send(b, 0, -1, 50, true);
    book_use_topic(b, NULL);
    int64_t from = sim_now_ms(s);
    for (int i = 0; i < 100; i++) {
        uint32_t id = b->accepted;
        book_send(b, 1, 0, 50, true);
        while (b->records[id].times == 0 && !sim_failed(s)) sim_sleep_ms(s, 1);
        sim_check(s, b->records[id].told_ms - b->records[id].accepted_ms < 50);
    }
    book_wait(b, 20000);
    sim_check_equal(s, b->records[1].code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    sim_check(s, b->records[1].told_ms - from < 10000);
    sim_check_text(s, b->why, "mistyped");
    for (uint32_t i = 2; i < b->accepted; i++) sim_check_equal(s, b->records[i].code, 0);
    book_end(b);
}

SCENARIO(a_partition_that_the_balancer_was_not_offered_fails_alone)
{
    book *b = book_new(s, 1, 2);
    if (!b || !book_start(b)) return;
    book_send(b, 0, 1, 50, false);
    book_send(b, 0, 7, 50, false);
    book_send(b, 0, 0, 50, false);
    book_wait(b, 5000);
    sim_check_equal(s, b->records[0].code, 0);
    sim_check_equal(s, b->records[1].code, KAFKA_EINVAL);
    sim_check_equal(s, b->records[2].code, 0);
    book_end(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(the_first_message_of_a_writer_is_written),
        MEMCHECK_TEST(a_lone_message_is_one_record_in_one_request_that_its_own_thread_sends),
        MEMCHECK_TEST(what_comes_while_a_broker_is_busy_goes_in_one_request),
        MEMCHECK_TEST(a_rest_in_asynchronous_mode_leaves_at_its_time_although_the_broker_is_busy),
        MEMCHECK_TEST(little_that_comes_right_behind_a_request_waits_for_a_millisecond_but_not_when_it_is_awaited),
        MEMCHECK_TEST(small_batches_that_come_thick_wait_for_more_for_five_milliseconds_and_no_longer),
        MEMCHECK_TEST(small_batches_that_come_thin_wait_for_nothing),
        MEMCHECK_TEST(five_requests_are_in_flight_and_no_more),
        MEMCHECK_TEST(without_idempotence_one_batch_of_a_partition_is_in_flight_and_others_go_on),
        MEMCHECK_TEST(acks_none_is_told_when_it_was_sent),
        MEMCHECK_TEST(compressed_batches_are_written),
        MEMCHECK_TEST(a_leader_that_moves_is_followed),
        MEMCHECK_TEST(a_moved_leader_is_found_by_its_hint_without_asking_for_metadata),
        MEMCHECK_TEST(a_broker_that_is_away_for_longer_than_ten_paced_attempts_is_waited_for),
        MEMCHECK_TEST(a_broker_that_is_stopped_costs_nothing_but_time),
        MEMCHECK_TEST(with_no_broker_at_all_a_write_fails_after_max_attempts),
        MEMCHECK_TEST(a_topic_that_appears_later_gets_what_waited_for_it),
        MEMCHECK_TEST(an_unknown_topic_fails_by_itself_and_slows_no_other),
        MEMCHECK_TEST(a_partition_that_the_balancer_was_not_offered_fails_alone),
    };
    int failed = RUNNER_MAIN(tests);
    runner_sum_up();
    return failed;
}
