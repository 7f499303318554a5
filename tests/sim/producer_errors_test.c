/* The producer when something goes wrong: what brokers refuse, what takes too long, what cannot be sent, and all of it
 * at once. */
#include "base/time.h"
#include "sim/producers.h"
#include <stdio.h>
#include <string.h>

static void two_seconds_to_deliver(kfk_producer_config *c)
{
    c->delivery_timeout_ms = 2000;
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

SCENARIO(a_batch_that_is_too_large_for_the_topic_is_split)
{
    book *b = book_warm(s, 1, 1, NULL);
    if (!b) return;
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 1, 20), 0);
    book_send(b, 0, 0, 100, false);
    sim_sleep_ms(s, 5);
    for (int i = 0; i < 200; i++) book_send(b, 0, 0, 100, false);
    book_fault(b, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE, KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE, 3, 0, -1);
    book_wait(b, 10000);
    book_expect_written(b);
    book_end(b);
}

SCENARIO(a_message_that_is_too_large_for_the_topic_fails_alone)
{
    book *b = book_new(s, 1, 0);
    if (!b) return;
    kafka_conn *c = NULL;
    kafka_dialer d = client_dialer(0);
    if (!sim_check_equal(s, kafka_dial(&d, NULL, BROKER, &c), 0)) return;
    const kafka_config_entry limit = {"max.message.bytes", "1000"};
    const kafka_topic_config t = {
        .topic = "narrow", .num_partitions = 1, .replication_factor = 1, .entries = &limit, .entry_count = 1};
    sim_check_equal(s, kafka_conn_create_topics(c, &t, 1, NULL), 0);
    kafka_conn_free(c);
    if (!book_start(b)) return;
    book_use_topic(b, "narrow");
    b->partitions = 1;
    for (int i = 0; i < 9; i++) book_send(b, 0, -1, i == 4 ? 2000 : 200, false);
    book_wait(b, 20000);
    for (uint32_t i = 0; i < b->accepted; i++)
        sim_check_equal(s, b->records[i].code, i == 4 ? KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE : 0);
    sim_check_text(s, b->why, "narrow");
    book_end(b);
}

SCENARIO(a_producer_id_that_cannot_be_had_yet_is_asked_for_again)
{
    book *b = book_new(s, 2, 1);
    if (!b) return;
    b->cfg.max_attempts = 1;
    book_fault(b, KAFKA_FAULT_ERROR, KAFKA_REQUEST_INIT_PRODUCER_ID, KAFKA_ERR_GROUP_LOAD_IN_PROGRESS, 7, 0, -1);
    if (!book_start(b)) return;
    book_send(b, 0, -1, 50, true);
    book_wait(b, 20000);
    book_expect_written(b);
    book_end(b);
}

SCENARIO(a_producer_id_that_is_refused_fails_the_write_and_says_what_to_do)
{
    book *b = book_new(s, 1, 1);
    if (!b) return;
    book_fault(b, KAFKA_FAULT_ERROR, KAFKA_REQUEST_INIT_PRODUCER_ID, KAFKA_ERR_CLUSTER_AUTHORIZATION_FAILED,
               KAFKA_NEVER, 0, -1);
    if (!book_start(b)) return;
    book_send(b, 0, -1, 50, true);
    book_wait(b, 5000);
    sim_check_equal(s, b->records[0].code, KAFKA_ERR_CLUSTER_AUTHORIZATION_FAILED);
    sim_check_equal(s, b->records[0].written, KAFKA_WRITTEN_NO);
    sim_check_text(s, b->why, "no_idempotence");
    sim_check_text(s, b->why, "IDEMPOTENT_WRITE");
    kafka_cluster_clear_faults(b->cluster);
    book_send(b, 0, -1, 50, true); /* the administrator has granted it meanwhile */
    book_wait(b, 5000);
    sim_check_equal(s, b->records[1].code, 0);
    book_end(b);
}

static void half_a_second_to_deliver(kfk_producer_config *c)
{
    c->delivery_timeout_ms = 500;
}

/* Its message expires before the answer comes, so that nobody is there to be refused; the next one asks again. */
SCENARIO(a_partition_whose_new_id_was_refused_asks_again)
{
    book *b = book_warm(s, 1, 1, half_a_second_to_deliver);
    if (!b) return;
    book_fault(b, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE, KAFKA_ERR_INVALID_PRODUCER_EPOCH, 1, 0, -1);
    book_fault(b, KAFKA_FAULT_ERROR, KAFKA_REQUEST_INIT_PRODUCER_ID, KAFKA_ERR_CLUSTER_AUTHORIZATION_FAILED, 1, 800,
               -1);
    book_send(b, 0, 0, 100, true);
    book_wait(b, 700);
    sim_check_equal(s, b->records[1].code, KAFKA_ETIMEDOUT);
    sim_check_equal(s, b->records[1].written, KAFKA_WRITTEN_NO);
    sim_sleep_ms(s, 1000);
    book_send(b, 0, 0, 100, true);
    book_wait(b, 700);
    sim_check_equal(s, b->records[2].code, 0);
    book_end(b);
}

SCENARIO(a_fatal_answer_fails_its_batch_and_no_other)
{
    book *b = book_warm(s, 1, 1, NULL);
    if (!b) return;
    book_fault(b, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, 1, 0, -1);
    book_send(b, 0, 0, 50, true);
    book_wait(b, 5000);
    sim_check_equal(s, b->records[1].code, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED);
    sim_check_text(s, b->why, "partition 0");
    sim_check_text(s, b->why, "10.0.0.1:9092");
    book_send(b, 0, 0, 50, true);
    book_wait(b, 5000);
    sim_check_equal(s, b->records[2].code, 0);
    book_end(b);
}

SCENARIO(a_refusal_that_passes_is_tried_max_attempts_times)
{
    book *b = book_warm(s, 1, 1, NULL);
    if (!b) return;
    book_fault(b, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE, KAFKA_ERR_NOT_ENOUGH_REPLICAS, 10, 0, -1);
    book_send(b, 0, 0, 50, true);
    book_wait(b, 20000);
    sim_check_equal(s, b->records[1].code, KAFKA_ERR_NOT_ENOUGH_REPLICAS);
    sim_check_text(s, b->why, "sent 10 times");
    sim_check_equal(s, b->counted[KFK_COUNT_RETRY], 9);
    book_end(b);
}

SCENARIO(an_answer_that_was_lost_does_not_double_what_was_written)
{
    book *b = book_warm(s, 1, 1, NULL);
    if (!b) return;
    book_fault(b, KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE, 0, 3, 0, -1);
    for (int i = 0; i < 100; i++) book_send(b, 0, 0, 50, false);
    book_wait(b, 20000);
    book_expect_written(b);
    book_end(b);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

SCENARIO(what_waits_for_a_topic_ends_at_its_time)
{
    book *b = book_new(s, 1, 0);
    if (!b) return;
    two_seconds_to_deliver(&b->cfg);
    if (!book_start(b)) return;
    book_send(b, 0, -1, 50, true);
    book_wait(b, 2500);
    sim_check_equal(s, b->records[0].code, KAFKA_ETIMEDOUT);
    sim_check_text(s, b->why, BOOK_TOPIC);
    book_end(b);
}

SCENARIO(the_delivery_timeout_ends_a_batch_within_half_a_second)
{
    book *b = book_warm(s, 1, 2, two_seconds_to_deliver);
    if (!b) return;
    book_fault(b, KAFKA_FAULT_SILENCE, KAFKA_REQUEST_PRODUCE, 0, 1, 0, -1);
    for (int i = 0; i < 50; i++) {
        book_send(b, 0, i % 2, 50, false);
        sim_sleep_ms(s, 20);
    }
    book_wait(b, 4000);
    for (uint32_t i = 2; i < b->accepted; i++) {
        sim_check_equal(s, b->records[i].code, KAFKA_ETIMEDOUT);
        sim_check(s, b->records[i].told_ms <= b->records[i].accepted_ms + 2500);
        sim_check(s, b->records[i].told_ms + 1000 >= b->records[i].accepted_ms + 2000);
    }
    sim_check_equal(s, b->records[2].written, KAFKA_WRITTEN_MAYBE);
    book_end(b);
}

SCENARIO(a_flush_waits_for_what_was_there_and_for_nothing_else)
{
    book *b = book_warm(s, 2, 3, NULL);
    if (!b) return;
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 1, 30), 0);
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 2, 30), 0);
    for (int i = 0; i < 90; i++) book_send(b, 0, i % 3, 50, false);
    uint32_t before = b->accepted;
    sim_check_equal(s, book_flush(b, 5000), 0);
    for (uint32_t i = 0; i < before; i++) sim_check_equal(s, b->records[i].times, 1);
    sim_check_equal(s, book_flush(b, 5000), 0); /* nothing is left */
    book_send(b, 0, 0, 50, false);
    sim_check_equal(s, book_flush(b, -1), KAFKA_ETIMEDOUT); /* begins to send */
    book_wait(b, 1000);
    book_expect_written(b);
    book_end(b);
}

SCENARIO(a_close_writes_what_is_there)
{
    book *b = book_warm(s, 2, 3, NULL);
    if (!b) return;
    for (int i = 0; i < 90; i++) book_send(b, 0, i % 3, 50, false);
    sim_check_equal(s, book_close(b, 5000), 0);
    sim_check(s, b->all_told);
    book_expect_written(b);
    sim_check_equal(s, book_send(b, 0, 0, 50, false), KAFKA_ECLOSED);
    book_end(b);
}

SCENARIO(a_close_that_meets_its_deadline_has_failed_what_was_left)
{
    book *b = book_warm(s, 1, 2, NULL);
    if (!b) return;
    book_fault(b, KAFKA_FAULT_SILENCE, KAFKA_REQUEST_PRODUCE, 0, KAFKA_NEVER, 0, -1);
    for (int i = 0; i < 90; i++) book_send(b, 0, i % 2, 50, false);
    int64_t from = sim_now_ms(s);
    sim_check_equal(s, book_close(b, 300), KAFKA_ETIMEDOUT);
    sim_check_equal(s, sim_now_ms(s), from + 300);
    sim_check(s, b->all_told);
    for (uint32_t i = 2; i < b->accepted; i++) sim_check_equal(s, b->records[i].code, KAFKA_ECANCELED);
    book_end(b);
}

SCENARIO(a_close_of_what_was_never_used_ends_at_once)
{
    book *b = book_new(s, 1, 1);
    if (!b || !book_start(b)) return;
    sim_check_equal(s, book_close(b, 1000), 0);
    sim_check_equal(s, book_close(b, 1000), 0);
    book_end(b);
}

static void little_memory(kfk_producer_config *c)
{
    c->buffer_bytes = 64 * 1024;
    c->batch_bytes = 8 * 1024;
}

SCENARIO(who_finds_no_room_waits_for_it)
{
    book *b = book_warm(s, 1, 3, little_memory);
    if (!b) return;
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 1, 5), 0);
    for (uint32_t i = 0; i < 3; i++) book_send_all(b, i, (int32_t)i, 1000, 150);
    book_wait(b, 60000);
    for (uint32_t i = 0; i < b->accepted; i++)
        sim_check(s, b->records[i].code == 0 || b->records[i].code == KAFKA_EAGAIN);
    sim_sleep_ms(s, 1); /* the last request lets go of its batches */
    sim_check(s, kfk_slots_used(b->producer->slots) == 0);
    book_end(b);
}

typedef struct stopping {
    kfk_producer *producer;
    const kfk_error *why;
} stopping;

static void stop(void *arg)
{
    const stopping *st = arg;
    kfk_producer_stop_loop(st->producer, st->why);
}

SCENARIO(unknown_topics_hold_a_quarter_of_the_budget_and_stop_no_other)
{
    book *b = book_warm(s, 1, 1, little_memory);
    int accepted = 0;
    if (!b) return;
    book_use_topic(b, "mistyped");
    while (accepted < 1000 && book_send(b, 0, -1, 500, false) == 0) accepted++;
    sim_check(s, accepted >= 8 && accepted <= 32);
    sim_check(s, kfk_slots_used_unknown(b->producer->slots) <= 16 * 1024);
    book_use_topic(b, NULL);
    for (int i = 0; i < 20; i++) sim_check_equal(s, book_send(b, 1, 0, 500, false), 0);
    sim_check_equal(s, book_flush(b, 100), KAFKA_ETIMEDOUT); /* the mistyped ones are still looked for */
    book_wait(b, 20000);
    sim_check_equal(s, kfk_slots_used_unknown(b->producer->slots), 0);
    book_end(b);
}

SCENARIO(a_stop_gives_everything_its_outcome_at_once)
{
    book *b = book_warm(s, 1, 2, NULL);
    kfk_error why;
    if (!b) return;
    book_fault(b, KAFKA_FAULT_SILENCE, KAFKA_REQUEST_PRODUCE, 0, KAFKA_NEVER, 0, -1);
    for (int i = 0; i < 50; i++) book_send(b, 0, i % 2, 50, false);
    book_use_topic(b, "mistyped");
    book_send(b, 0, -1, 50, false);
    book_use_topic(b, NULL);
    kfk_error_set(&why, KAFKA_ECANCELED, "the writer was freed");
    stopping st = {b->producer, &why};
    sim_under_baton(s, stop, &st);
    sim_check(s, b->all_told);
    for (uint32_t i = 2; i < b->accepted; i++) sim_check_equal(s, b->records[i].code, KAFKA_ECANCELED);
    sim_check_text(s, b->why, "freed");
    book_end(b);
}

SCENARIO(a_topic_that_is_created_anew_is_written_to)
{
    book *b = book_warm(s, 2, 2, NULL);
    if (!b) return;
    sim_check_equal(s, kafka_cluster_delete_topic(b->cluster, BOOK_TOPIC), 0);
    sim_check_equal(s, kafka_cluster_create_topic(b->cluster, BOOK_TOPIC, 2), 0);
    uint32_t from = b->accepted;
    for (int i = 0; i < 40; i++) {
        book_send(b, 0, i % 2, 50, true);
        sim_sleep_ms(s, (int64_t)sim_below(s, 30));
    }
    book_wait(b, 20000);
    for (uint32_t i = from; i < b->accepted; i++) sim_check_equal(s, b->records[i].code, 0);
    b->partitions = 0; /* what was written before is gone, as it should be */
    b->cfg.acks = 0;
    book_end(b);
}

SCENARIO(new_partitions_are_seen_within_the_interval)
{
    book *b = book_warm(s, 1, 1, NULL);
    if (!b) return;
    kfk_producer_map *before = kfk_producer_topic_map(b->topic);
    sim_check_equal(s, before->count, 1);
    sim_check_equal(s, kafka_cluster_delete_topic(b->cluster, BOOK_TOPIC), 0);
    sim_check_equal(s, kafka_cluster_create_topic(b->cluster, BOOK_TOPIC, 4), 0);
    sim_sleep_ms(s, 16000);
    kfk_producer_map *after = kfk_producer_topic_map(b->topic);
    sim_check_equal(s, after->count, 4);
    sim_check_equal(s, before->count, 1); /* who holds one keeps it as it is */
    kfk_producer_map_drop(before);
    kfk_producer_map_drop(after);
    b->partitions = 0;
    b->cfg.acks = 0;
    book_end(b);
}

SCENARIO(a_throttled_writer_sends_nothing_until_it_may)
{
    book *b = book_on_peers(s, 1, 1);
    if (!b || !book_start(b)) return;
    book_send(b, 0, 0, 50, true);
    book_wait(b, 5000);
    peer_set_throttle_ms(b->peer[1], 400);
    book_send(b, 0, 0, 50, true);
    book_wait(b, 1000);
    int requests = peer_requests(b->peer[1], KFK_API_PRODUCE);
    for (int i = 0; i < 20; i++) {
        book_send(b, 0, 0, 50, true);
        sim_sleep_ms(s, 15);
    }
    sim_check_equal(s, peer_requests(b->peer[1], KFK_API_PRODUCE), requests);
    b->largest = 0;
    book_wait(b, 500);
    sim_check_equal(s, b->largest, 20); /* what came meanwhile went together */
    book_expect_written(b);
    book_end(b);
}

/* ---- answers that come close together ---------------------------------------------------------------------------- */

/* What a scripted broker says to the next Produce requests: code 87 that names one record, or another code. */
typedef struct verdict {
    int16_t code;
    int32_t bad; /* -1 = none is named */
} verdict;

typedef struct verdicts {
    const verdict *next;
    size_t left;
} verdicts;

static void pronounce(void *arg, const kfk_api *api, void *answer, kfk_arena *memory)
{
    verdicts *v = arg;
    kfk_produce_response *a = answer;
    if (api->key != KFK_API_PRODUCE || v->left == 0) return;
    kfk_produce_response_partition *p = a->responses.items[0].partition_responses.items;
    p->error_code = v->next->code;
    if (p->error_code != 0) p->base_offset = -1;
    if (v->next->bad >= 0) {
        p->record_errors.items = kfk_arena_alloc(memory, sizeof *p->record_errors.items);
        memset(p->record_errors.items, 0, sizeof *p->record_errors.items);
        p->record_errors.items[0].batch_index = v->next->bad;
        p->record_errors.count = 1;
    }
    v->next++;
    v->left--;
}

static void batches_of_three(kfk_producer_config *c)
{
    c->batch_bytes = 400;
}

/* Three batches of three records each are in flight behind another message, and this is said about the four: `bad` are
 * the records that fail. */
static void three_batches_meet(sim *s, const verdict said[4], const int *bad, size_t bad_count)
{
    book *b = book_on_peers(s, 1, 1);
    verdicts v = {.next = said, .left = 4};
    if (!b) return;
    batches_of_three(&b->cfg);
    if (!book_start(b)) return;
    book_send(b, 0, 0, 100, true);
    book_wait(b, 5000);
    peer_set_edit(b->peer[1], pronounce, &v);
    peer_set_delay_us(b->peer[1], 20000);
    book_send(b, 0, 0, 100, true);
    while (peer_requests(b->peer[1], KFK_API_PRODUCE) < 2 && !sim_failed(s)) sim_sleep_ms(s, 1);
    for (int i = 0; i < 9; i++) book_send(b, 0, 0, 100, i == 8);
    book_wait(b, 20000);
    sim_check_equal(s, v.left, 0);
    for (uint32_t i = 1; i < b->accepted && !sim_failed(s); i++) {
        bool is_bad = false;
        for (size_t k = 0; k < bad_count; k++) is_bad = is_bad || (uint32_t)bad[k] == i;
        sim_check_equal(s, b->records[i].code, is_bad ? KAFKA_ERR_INVALID_RECORD : 0);
    }
    book_end(b);
}

SCENARIO(records_that_were_refused_are_found_although_younger_batches_are_answered_meanwhile)
{
    static const verdict said[] = {{0, -1},
                                   {KAFKA_ERR_INVALID_RECORD, 1},
                                   {KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1},
                                   {KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1}};
    static const int bad[] = {3};
    three_batches_meet(s, said, bad, 1);
}

SCENARIO(each_of_several_batches_loses_the_records_that_its_own_answer_named)
{
    static const verdict said[] = {
        {0, -1}, {KAFKA_ERR_INVALID_RECORD, 0}, {KAFKA_ERR_INVALID_RECORD, 1}, {KAFKA_ERR_INVALID_RECORD, 2}};
    static const int bad[] = {2, 6, 10};
    three_batches_meet(s, said, bad, 3);
}

/* ---- what cannot be sent ----------------------------------------------------------------------------------------- */

SCENARIO_WITH(a_leader_that_takes_no_produce_of_ours_costs_no_turns_and_is_named, .seeds = 5)
{
    book *b = book_on_peers(s, 1, 1);
    if (!b) return;
    b->cfg.delivery_timeout_ms = 3000;
    peer_set_versions(b->peer[1], KFK_API_PRODUCE, 14, 15);
    if (!book_start(b)) return;
    book_send(b, 0, 0, 50, true);
    book_wait(b, 4000);
    sim_check_equal(s, b->records[0].code, KAFKA_ETIMEDOUT);
    sim_check_equal(s, b->records[0].written, KAFKA_WRITTEN_NO);
    sim_check_text(s, b->why, "10.0.0.1:9092");
    sim_check_text(s, b->why, "Produce");
    book_end(b);
}

SCENARIO(an_outcome_names_the_leader_that_could_not_be_reached)
{
    book *b = book_warm(s, 3, 3, two_seconds_to_deliver);
    if (!b) return;
    sim_route *r = sim_net_route(s, book_address(1));
    sim_net_reset(s, book_address(1));
    r->reach = SIM_REFUSES;
    for (int i = 0; i < 3; i++) book_send(b, 0, i, 100, true);
    book_wait(b, 4000);
    sim_check_text(s, b->why, "10.0.0.1:9092");
    r->reach = SIM_ANSWERS;
    book_end(b);
}

SCENARIO(an_outcome_says_that_there_was_no_producer_id)
{
    book *b = book_new(s, 1, 1);
    if (!b) return;
    two_seconds_to_deliver(&b->cfg);
    book_fault(b, KAFKA_FAULT_ERROR, KAFKA_REQUEST_INIT_PRODUCER_ID, KAFKA_ERR_GROUP_LOAD_IN_PROGRESS, KAFKA_NEVER, 0,
               -1);
    if (!book_start(b)) return;
    book_send(b, 0, -1, 50, true);
    book_wait(b, 4000);
    sim_check_equal(s, b->records[0].code, KAFKA_ETIMEDOUT);
    sim_check_text(s, b->why, "InitProducerId");
    book_end(b);
}

/* ---- the lobby --------------------------------------------------------------------------------------------------- */

SCENARIO_WITH(names_of_topics_end_somewhere, .seeds = 1, .parts = KFK_PRODUCER_TOPICS / 1000)
{
    book *b = book_new(s, 1, 0);
    if (!b || !book_start(b)) return; /* which has given the first one */
    for (int i = 1; i <= KFK_PRODUCER_TOPICS && !sim_failed(s); i++) {
        char name[32];
        kfk_producer_topic *t = NULL;
        snprintf(name, sizeof name, "t%d", i);
        int err = kfk_producer_topic_get(b->producer, kafka_str(name), &t);
        sim_check_equal(s, err, i < KFK_PRODUCER_TOPICS ? 0 : KAFKA_EAGAIN);
        kfk_producer_topic_drop(t);
    }
    kfk_producer_topic *known = NULL;
    sim_check_equal(s, kfk_producer_topic_get(b->producer, kafka_str("t7"), &known), 0);
    kfk_producer_topic_drop(known);
    book_end(b);
}

SCENARIO(what_waits_for_its_topic_stands_in_few_batches)
{
    book *b = book_new(s, 1, 0);
    if (!b || !book_start(b)) return;
    for (int i = 0; i < 500; i++) {
        book_send(b, 0, -1, 50, false);
        if (i % 100 == 0) sim_sleep_ms(s, 50);
    }
    sim_check_equal(s, b->told, 0);
    b->partitions = 1;
    sim_check_equal(s, kafka_cluster_create_topic(b->cluster, BOOK_TOPIC, 1), 0);
    book_wait(b, 5000);
    book_expect_written(b);
    sim_check(s, b->batches < 50);
    book_end(b);
}

SCENARIO(a_message_above_the_quarter_for_unknown_topics_is_taken_where_nothing_else_waits)
{
    book *b = book_new(s, 1, 0);
    if (!b) return;
    b->cfg.buffer_bytes = b->cfg.batch_bytes = 128 * 1024;
    if (!book_start(b)) return;
    sim_check_equal(s, book_send(b, 0, 0, 40000, false), 0);
    sim_check_equal(s, book_send(b, 0, 0, 40000, false), KAFKA_EAGAIN);
    b->partitions = 1;
    sim_check_equal(s, kafka_cluster_create_topic(b->cluster, BOOK_TOPIC, 1), 0);
    book_send_all(b, 0, 0, 40000, 3);
    book_wait(b, 5000);
    sim_check_equal(s, b->records[b->accepted - 1].code, 0);
    book_end(b);
}

/* ---- everything at once ------------------------------------------------------------------------------------------ */

typedef struct sender {
    book *book;
    uint32_t number;
    bool ended;
} sender;

static void send_some(sim *s, void *arg)
{
    sender *me = arg;
    book *b = me->book;
    for (int i = 0; i < 60 && !sim_failed(s); i++) {
        int32_t p = (int32_t)sim_below(s, (uint64_t)b->partitions);
        book_send(b, me->number, p, 8 + sim_below(s, 800), sim_below(s, 3) == 0);
        if (sim_below(s, 2)) sim_sleep_ms(s, (int64_t)sim_below(s, 60));
    }
    me->ended = true;
}

static void trouble(book *b)
{
    static const int16_t codes[] = {
        KAFKA_ERR_NOT_LEADER_FOR_PARTITION,         KAFKA_ERR_REQUEST_TIMED_OUT,    KAFKA_ERR_NOT_ENOUGH_REPLICAS,
        KAFKA_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, KAFKA_ERR_KAFKA_STORAGE_ERROR,  KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE,
        KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION,       KAFKA_ERR_LEADER_NOT_AVAILABLE, KAFKA_ERR_UNKNOWN,
    };
    static const kafka_fault_kind kinds[] = {KAFKA_FAULT_ERROR, KAFKA_FAULT_DROP, KAFKA_FAULT_APPLY_THEN_DROP,
                                             KAFKA_FAULT_DELAY};
    sim *s = b->sim;
    int brokers = (int)b->cfg.cluster.bootstrap_count;
    int one = 1 + (int)sim_plan_below(s, (uint64_t)brokers);
    int16_t code = codes[sim_plan_below(s, sizeof codes / sizeof codes[0])];
    kafka_fault_kind kind = kinds[sim_plan_below(s, 4)];
    int64_t ms = (int64_t)sim_plan_below(s, 800);
    switch (sim_plan_below(s, 4)) {
    case 0:
        if (sim_fault(s, "the leader of partition 0 moves to %d", one))
            (void)!kafka_cluster_move_leader(b->cluster, BOOK_TOPIC, 0, one);
        break;
    case 1:
        if (sim_fault(s, "broker %d is away for %lld ms", one, (long long)ms)) {
            sim_check_equal(s, kafka_cluster_stop_broker(b->cluster, one), 0);
            sim_sleep_ms(s, ms);
            sim_check_equal(s, kafka_cluster_start_broker(b->cluster, one), 0);
        }
        break;
    case 2:
        if (sim_fault(s, "connections to broker %d are reset", one)) sim_net_reset(s, book_address(one));
        break;
    default:
        if (sim_fault(s, "Produce meets fault %d, code %d", (int)kind, code))
            book_fault(b, kind, KAFKA_REQUEST_PRODUCE, code, 1 + (int64_t)sim_below(s, 3), ms, -1);
    }
    sim_sleep_ms(s, (int64_t)sim_plan_below(s, 400));
}

static void with_trouble(sim *s, bool idempotence, int32_t codec)
{
    book *b = book_new(s, 3, 3);
    sender senders[3];
    if (!b) return;
    b->cfg.idempotence = idempotence;
    b->cfg.codec = codec;
    b->cfg.batch_bytes = 4000;
    b->cfg.delivery_timeout_ms = 20000;
    b->cfg.write_timeout_ms = 1500;
    if (!book_start(b)) return;
    for (uint32_t i = 0; i < 3; i++) {
        senders[i] = (sender){.book = b, .number = i};
        sim_spawn(s, "sender", send_some, &senders[i]);
    }
    for (int i = 0; i < 6; i++) trouble(b);
    for (int i = 0; i < 3; i++) sim_wait_for(s, &senders[i].ended);
    if (sim_below(s, 2)) {
        sim_check_equal(s, book_flush(b, 30000), 0);
        sim_check(s, b->all_told);
    }
    book_wait(b, 21000);
    book_end(b);
}

SCENARIO_WITH(whatever_happens_each_message_has_one_outcome_and_it_is_true, .seeds = 300)
{
    with_trouble(s, true, KFK_CODEC_NONE);
}

SCENARIO_WITH(the_same_with_compression, .seeds = 100)
{
    with_trouble(s, true, KFK_CODEC_LZ4);
}

SCENARIO_WITH(the_same_without_idempotence, .seeds = 100)
{
    with_trouble(s, false, KFK_CODEC_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_batch_that_is_too_large_for_the_topic_is_split),
        MEMCHECK_TEST(a_message_that_is_too_large_for_the_topic_fails_alone),
        MEMCHECK_TEST(a_producer_id_that_cannot_be_had_yet_is_asked_for_again),
        MEMCHECK_TEST(a_producer_id_that_is_refused_fails_the_write_and_says_what_to_do),
        MEMCHECK_TEST(a_partition_whose_new_id_was_refused_asks_again),
        MEMCHECK_TEST(a_fatal_answer_fails_its_batch_and_no_other),
        MEMCHECK_TEST(a_refusal_that_passes_is_tried_max_attempts_times),
        MEMCHECK_TEST(an_answer_that_was_lost_does_not_double_what_was_written),
        MEMCHECK_TEST(what_waits_for_a_topic_ends_at_its_time),
        MEMCHECK_TEST(the_delivery_timeout_ends_a_batch_within_half_a_second),
        MEMCHECK_TEST(a_flush_waits_for_what_was_there_and_for_nothing_else),
        MEMCHECK_TEST(a_close_writes_what_is_there),
        MEMCHECK_TEST(a_close_that_meets_its_deadline_has_failed_what_was_left),
        MEMCHECK_TEST(a_close_of_what_was_never_used_ends_at_once),
        MEMCHECK_TEST(who_finds_no_room_waits_for_it),
        MEMCHECK_TEST(unknown_topics_hold_a_quarter_of_the_budget_and_stop_no_other),
        MEMCHECK_TEST(a_stop_gives_everything_its_outcome_at_once),
        MEMCHECK_TEST(a_topic_that_is_created_anew_is_written_to),
        MEMCHECK_TEST(new_partitions_are_seen_within_the_interval),
        MEMCHECK_TEST(a_throttled_writer_sends_nothing_until_it_may),
        MEMCHECK_TEST(a_leader_that_takes_no_produce_of_ours_costs_no_turns_and_is_named),
        MEMCHECK_TEST(an_outcome_names_the_leader_that_could_not_be_reached),
        MEMCHECK_TEST(an_outcome_says_that_there_was_no_producer_id),
        MEMCHECK_TEST(names_of_topics_end_somewhere),
        MEMCHECK_TEST(what_waits_for_its_topic_stands_in_few_batches),
        MEMCHECK_TEST(a_message_above_the_quarter_for_unknown_topics_is_taken_where_nothing_else_waits),
        MEMCHECK_TEST(records_that_were_refused_are_found_although_younger_batches_are_answered_meanwhile),
        MEMCHECK_TEST(each_of_several_batches_loses_the_records_that_its_own_answer_named),
        MEMCHECK_TEST(whatever_happens_each_message_has_one_outcome_and_it_is_true),
        MEMCHECK_TEST(the_same_with_compression),
        MEMCHECK_TEST(the_same_without_idempotence),
    };
    int failed = RUNNER_MAIN(tests);
    runner_sum_up();
    return failed;
}
