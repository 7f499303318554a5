/* Each row of the table of outcomes, each rule, and the schedules that broke simpler rules, as one partition sees them.
 *
 * Batches are named by their number. `send` asks the machine what may go out on a connection, and checks which it is;
 * `answer`, `lose` and `take_back` tell what became of the newest copy of a batch. */
#include "support/memcheck.h"

#include "engine/sequence.h"
#include <string.h>

enum { NONE = -1, DAY_MS = 24 * 3600 * 1000 };

typedef struct partition {
    kfk_sequence_config cfg;
    kfk_sequence s;
    kfk_sequence_batch b[16];
    kfk_sequence_copy copies[64];
    int pushed, copied, newest[16]; /* copy of a batch */
    int64_t now_ms;
} partition;

static void begin(partition *p)
{
    memset(p, 0, sizeof *p);
    p->cfg = (kfk_sequence_config){.idempotence = true, .acks = -1, .max_attempts = 3};
    p->now_ms = 1000;
    kfk_sequence_init(&p->s, &p->cfg, 7);
    kfk_sequence_id(&p->s, 100, 0);
}

static void begin_without_idempotence(partition *p, int16_t acks)
{
    begin(p);
    p->cfg.idempotence = false;
    p->cfg.acks = acks;
    kfk_sequence_init(&p->s, &p->cfg, 7);
}

static int64_t wall_ms(const partition *p)
{
    return p->now_ms + 1000 * (int64_t)DAY_MS;
}

/* The number of the batch. */
static int push(partition *p, int records)
{
    kfk_sequence_batch *b = &p->b[p->pushed];
    b->records = records;
    b->newest_ms = wall_ms(p);
    b->deadline_ms = p->now_ms + 120000;
    kfk_sequence_push(&p->s, b);
    return p->pushed++;
}

/* What may go out on the connection now: its number, or NONE. It is not sent. */
static int next(partition *p, uint64_t connection)
{
    kfk_sequence_batch *b = kfk_sequence_next(&p->s, connection, p->now_ms, wall_ms(p));
    return b ? (int)(b - p->b) : NONE;
}

static void wait_for_pause(partition *p)
{
    if (p->s.pause_until_ms > p->now_ms) p->now_ms = p->s.pause_until_ms;
}

static void send(partition *p, uint64_t connection, int expected)
{
    wait_for_pause(p);
    assert_int_equal(next(p, connection), expected);
    p->newest[expected] = p->copied;
    kfk_sequence_sent(&p->s, &p->b[expected], &p->copies[p->copied++], connection);
}

static void answer(partition *p, int b, int code, int64_t base)
{
    kfk_sequence_answered(&p->s, &p->copies[p->newest[b]], &(kfk_sequence_answer){(int16_t)code, base, -1, 0},
                          p->now_ms);
}

static void lose(partition *p, int b)
{
    kfk_sequence_lost(&p->s, &p->copies[p->newest[b]], KAFKA_ERR_NETWORK_EXCEPTION, p->now_ms);
}

static void written(partition *p, int b, int64_t base)
{
    kfk_sequence_batch *taken = kfk_sequence_take_ended(&p->s);
    assert_ptr_equal(taken, &p->b[b]);
    assert_int_equal(taken->code, 0);
    assert_int_equal(taken->written, KAFKA_WRITTEN_YES);
    assert_int_equal(taken->base_offset, base);
}

static void failed(partition *p, int b, int code, kafka_written w)
{
    kfk_sequence_batch *taken = kfk_sequence_take_ended(&p->s);
    assert_ptr_equal(taken, &p->b[b]);
    assert_int_equal(taken->code, code);
    assert_int_equal(taken->written, w);
    assert_int_equal(taken->base_offset, -1);
}

static void none_ended(partition *p)
{
    assert_null(kfk_sequence_take_ended(&p->s));
}

static void triple(const partition *p, int b, int64_t id, int epoch, int32_t sequence)
{
    assert_int_equal(p->b[b].producer_id, id);
    assert_int_equal(p->b[b].epoch, epoch);
    assert_int_equal(p->b[b].base_sequence, sequence);
}

/* A partition whose first batch, with number 0, was acknowledged at offset 0 on connection 1. */
static void begin_acknowledged(partition *p)
{
    begin(p);
    push(p, 1);
    send(p, 1, 0);
    answer(p, 0, 0, 0);
    written(p, 0, 0);
}

/* The same, with batches 1 to n in flight on connection 1. */
static void begin_in_flight(partition *p, int n)
{
    begin_acknowledged(p);
    for (int i = 0; i < n; i++) push(p, 1);
    for (int i = 1; i <= n; i++) send(p, 1, i);
}

/* ---- ids and sequences ------------------------------------------------------------------------------------------- */

static void nothing_is_sent_without_a_producer_id(void **state)
{
    partition p;
    (void)state;
    begin(&p);
    kfk_sequence_init(&p.s, &p.cfg, 1);
    push(&p, 1);
    assert_int_equal(next(&p, 1), NONE);
    assert_int_equal(kfk_sequence_take_wants(&p.s), KFK_SEQUENCE_WANT_ID);
    push(&p, 1);
    assert_int_equal(kfk_sequence_take_wants(&p.s), 0); /* told once */
    kfk_sequence_id(&p.s, 5, 2);
    assert_int_equal(next(&p, 1), 0);
    triple(&p, 0, 5, 2, 0);
}

static void sequences_count_records_and_wrap_to_zero(void **state)
{
    partition p;
    (void)state;
    begin_acknowledged(&p);
    p.s.next_sequence = INT32_MAX - 2;
    push(&p, 2);
    push(&p, 4);
    push(&p, 1);
    send(&p, 1, 1);
    send(&p, 1, 2);
    send(&p, 1, 3);
    triple(&p, 1, 100, 0, INT32_MAX - 2);
    triple(&p, 2, 100, 0, INT32_MAX);
    triple(&p, 3, 100, 0, 3);
}

static void a_batch_goes_out_again_under_the_same_triple(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 2);
    answer(&p, 1, KAFKA_ERR_NOT_ENOUGH_REPLICAS, -1);
    answer(&p, 2, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    send(&p, 1, 1);
    triple(&p, 1, 100, 0, 1);
    answer(&p, 1, 0, 1);
    send(&p, 1, 2);
    triple(&p, 2, 100, 0, 2);
}

static void metadata_that_forgets_the_topic_does_not_reset_sequences(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 1);
    answer(&p, 1, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, -1);
    kfk_sequence_leader_changed(&p.s);
    kfk_sequence_leader_changed(&p.s);
    send(&p, 2, 1);
    triple(&p, 1, 100, 0, 1);
    answer(&p, 1, 0, 1);
    push(&p, 1);
    send(&p, 2, 2);
    triple(&p, 2, 100, 0, 2);
}

static void a_topic_created_anew_gets_a_new_epoch(void **state)
{
    partition p;
    (void)state;
    begin_acknowledged(&p);
    push(&p, 1);
    kfk_sequence_topic_recreated(&p.s);
    send(&p, 2, 1);
    triple(&p, 1, 100, 1, 0);
}

static void after_the_last_epoch_comes_a_new_id(void **state)
{
    partition p;
    (void)state;
    begin(&p);
    p.s.epoch = INT16_MAX;
    push(&p, 1);
    push(&p, 1);
    send(&p, 1, 0);
    answer(&p, 0, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, -1);
    assert_int_equal(next(&p, 1), NONE);
    assert_int_equal(kfk_sequence_take_wants(&p.s), KFK_SEQUENCE_WANT_NEW_ID);
    kfk_sequence_id(&p.s, 200, 0);
    send(&p, 1, 1);
    triple(&p, 1, 200, 0, 0);
}

/* ---- alone, the window ------------------------------------------------------------------------------------------- */

static void the_first_batch_of_an_epoch_is_alone(void **state)
{
    partition p;
    (void)state;
    begin(&p);
    push(&p, 1);
    push(&p, 1);
    send(&p, 1, 0);
    assert_int_equal(next(&p, 1), NONE);
    answer(&p, 0, 0, 0);
    assert_int_equal(next(&p, 1), 1);
}

static void a_new_connection_is_not_trusted(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 1);
    push(&p, 1);
    answer(&p, 1, 0, 1);
    send(&p, 2, 2);
    push(&p, 1);
    assert_int_equal(next(&p, 2), NONE);
    answer(&p, 2, 0, 2);
    assert_int_equal(next(&p, 2), 3);
}

static void a_new_leader_is_not_trusted(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 1);
    push(&p, 1);
    push(&p, 1);
    kfk_sequence_leader_changed(&p.s);
    answer(&p, 1, 0, 1); /* sent before, so it says nothing of the present one */
    send(&p, 1, 2);
    assert_int_equal(next(&p, 1), NONE);
}

static void after_an_idle_minute_a_batch_is_alone(void **state)
{
    partition p;
    (void)state;
    begin_acknowledged(&p);
    push(&p, 1);
    push(&p, 1);
    p.now_ms += 60001;
    send(&p, 1, 1);
    assert_int_equal(next(&p, 1), NONE);
    answer(&p, 1, 0, 1);
    assert_int_equal(next(&p, 1), 2);
}

static void old_records_are_alone_and_earn_no_trust(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 1);
    push(&p, 1);
    p.b[2].newest_ms -= DAY_MS / 2 + 1;
    push(&p, 1);
    push(&p, 1);
    assert_int_equal(next(&p, 1), NONE); /* not beside batch 1 */
    answer(&p, 1, 0, 1);
    send(&p, 1, 2);
    assert_int_equal(next(&p, 1), NONE);
    answer(&p, 2, 0, 2);
    send(&p, 1, 3); /* the broker may have forgotten the producer by now */
    assert_int_equal(next(&p, 1), NONE);
    answer(&p, 3, 0, 3);
    assert_int_equal(next(&p, 1), 4);
}

static void five_are_in_flight_counted_from_the_oldest_open_one(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 5);
    push(&p, 1);
    assert_int_equal(next(&p, 1), NONE);
    answer(&p, 1, KAFKA_ERR_REQUEST_TIMED_OUT, -1);
    answer(&p, 2, 0, 2);
    answer(&p, 3, 0, 3);
    answer(&p, 4, 0, 4);
    wait_for_pause(&p);
    assert_int_equal(next(&p, 1), NONE); /* 1 again, but not beside 5 */
    answer(&p, 5, 0, 5);
    send(&p, 1, 1);
    assert_int_equal(next(&p, 1), NONE); /* 6 would be the sixth */
    none_ended(&p);
    answer(&p, 1, 0, 1);
    for (int i = 1; i <= 5; i++) written(&p, i, i);
    assert_int_equal(next(&p, 1), 6);
}

static void a_frozen_leader_does_not_hold_up_its_successor(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 2);
    int old1 = p.newest[1], old2 = p.newest[2];
    kfk_sequence_leader_changed(&p.s);
    send(&p, 2, 1);
    assert_int_equal(next(&p, 2), NONE);
    answer(&p, 1, 0, 1);
    send(&p, 2, 2);
    answer(&p, 2, 0, 2);
    written(&p, 1, 1);
    written(&p, 2, 2);
    kfk_sequence_answered(&p.s, &p.copies[old1], &(kfk_sequence_answer){KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, -1, -1, 0},
                          0);
    kfk_sequence_lost(&p.s, &p.copies[old2], KAFKA_ETIMEDOUT, 0);
    push(&p, 1);
    assert_int_equal(next(&p, 2), 3);
    triple(&p, 3, 100, 0, 3);
}

/* ---- rows of the table ------------------------------------------------------------------------------------------- */

static void row_0_is_complete_in_queue_order(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 2);
    kfk_sequence_answered(&p.s, &p.copies[p.newest[2]], &(kfk_sequence_answer){0, 2, 777, 0}, 0);
    none_ended(&p);
    answer(&p, 1, 0, 1);
    written(&p, 1, 1);
    written(&p, 2, 2);
    assert_int_equal(p.b[2].append_time_ms, 777);
    none_ended(&p);
}

static void row_retriable_refusals_count_until_the_last_attempt(void **state)
{
    static const int codes[] = {2, 3, 5, 6, 19, 74, 75, 100, 103};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        partition p;
        begin_in_flight(&p, 1);
        answer(&p, 1, codes[i], -1);
        assert_int_equal(kfk_sequence_take_wants(&p.s), KFK_SEQUENCE_WANT_METADATA);
        assert_int_equal(next(&p, 1), NONE); /* a pause */
        assert_true(kfk_sequence_due_ms(&p.s) >= p.now_ms + 80 && kfk_sequence_due_ms(&p.s) <= p.now_ms + 120);
        send(&p, 1, 1);
        answer(&p, 1, codes[i], -1);
        assert_true(kfk_sequence_due_ms(&p.s) >= p.now_ms + 160 && kfk_sequence_due_ms(&p.s) <= p.now_ms + 240);
        send(&p, 1, 1);
        none_ended(&p);
        answer(&p, 1, codes[i], -1);
        failed(&p, 1, codes[i], KAFKA_WRITTEN_NO);
        assert_int_equal(p.b[1].attempts, 3);
        assert_int_equal(p.b[1].sent, 3);
        push(&p, 1);
        send(&p, 1, 2);
        triple(&p, 2, 100, 1, 0); /* a cut */
    }
}

static void row_a_new_leader_ends_the_pause(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 1);
    answer(&p, 1, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, -1);
    assert_int_equal(next(&p, 1), NONE);
    kfk_sequence_leader_changed(&p.s);
    assert_int_equal(next(&p, 2), 1);
}

static void row_3_and_6_with_an_offset_are_unknown(void **state)
{
    static const int codes[] = {3, 6};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        partition p;
        begin_in_flight(&p, 1);
        answer(&p, 1, codes[i], 1);
        assert_int_equal(p.b[1].attempts, 0);
        kfk_sequence_tick(&p.s, p.b[1].deadline_ms);
        failed(&p, 1, KAFKA_ETIMEDOUT, KAFKA_WRITTEN_MAYBE);
    }
}

static void row_unknown_outcomes_are_tried_until_the_delivery_timeout(void **state)
{
    static const int codes[] = {7, 13, 20, 56, 0};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        partition p;
        uint64_t connection = 1;
        begin_in_flight(&p, 1);
        for (int n = 0; n < 20; n++) {
            if (codes[i])
                answer(&p, 1, codes[i], -1);
            else
                lose(&p, 1), connection++;
            none_ended(&p);
            send(&p, connection, 1);
            triple(&p, 1, 100, 0, 1);
        }
        assert_int_equal(p.b[1].attempts, 0);
        lose(&p, 1);
        kfk_sequence_tick(&p.s, p.b[1].deadline_ms - 1);
        none_ended(&p);
        kfk_sequence_tick(&p.s, p.b[1].deadline_ms);
        failed(&p, 1, KAFKA_ETIMEDOUT, KAFKA_WRITTEN_MAYBE);
        push(&p, 1);
        send(&p, 99, 2);
        triple(&p, 2, 100, 1, 0);
    }
}

static void row_minus_1_is_unknown_and_an_attempt(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 1);
    answer(&p, 1, -1, -1);
    send(&p, 1, 1);
    answer(&p, 1, -1, -1);
    send(&p, 1, 1);
    answer(&p, 1, -1, -1);
    failed(&p, 1, -1, KAFKA_WRITTEN_MAYBE);
}

static void row_45_waits_for_what_is_older(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 3);
    answer(&p, 1, KAFKA_ERR_NOT_ENOUGH_REPLICAS, -1);
    wait_for_pause(&p);
    assert_int_equal(next(&p, 1), NONE);
    answer(&p, 2, 45, -1);
    answer(&p, 3, 45, -1);
    assert_int_equal(p.b[2].attempts, 0);
    send(&p, 1, 1);
    assert_int_equal(next(&p, 1), NONE);
    answer(&p, 1, 0, 1);
    send(&p, 1, 2); /* one at a time */
    assert_int_equal(next(&p, 1), NONE);
    answer(&p, 2, 0, 2);
    send(&p, 1, 3);
    triple(&p, 3, 100, 0, 3);
}

static void row_45_and_59_on_the_oldest_are_a_cut(void **state)
{
    static const int codes[] = {45, 59};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        partition p;
        begin_in_flight(&p, 2);
        answer(&p, 1, codes[i], -1);
        assert_int_equal(next(&p, 1), NONE); /* 2 is owed an answer */
        answer(&p, 2, codes[i], -1);
        send(&p, 1, 1);
        triple(&p, 1, 100, 1, 0);
        assert_int_equal(next(&p, 1), NONE);
        answer(&p, 1, 0, 1);
        send(&p, 1, 2);
        triple(&p, 2, 100, 1, 1);
    }
}

static void row_45_the_proof_of_five_after_a_restart(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 5);
    for (int i = 1; i <= 5; i++) lose(&p, i);
    for (int i = 1; i <= 4; i++) {
        send(&p, 2, i);
        assert_int_equal(next(&p, 2), NONE);
        answer(&p, i, 45, -1);
    }
    send(&p, 2, 5);
    triple(&p, 5, 100, 0, 5);
    answer(&p, 5, 0, 5); /* behind 0..4: all of them are there */
    for (int i = 1; i <= 4; i++) written(&p, i, -1);
    written(&p, 5, 5);
    push(&p, 1);
    assert_int_equal(next(&p, 2), 6);
    triple(&p, 6, 100, 0, 6);
}

static void row_46_is_proved_by_a_younger_one(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 2);
    answer(&p, 1, KAFKA_ERR_REQUEST_TIMED_OUT, -1);
    answer(&p, 2, 0, 2); /* so the log was replicated beyond 1 */
    send(&p, 1, 1);
    answer(&p, 1, 46, -1);
    written(&p, 1, -1);
    written(&p, 2, 2);
}

static void row_46_alone_is_not_written(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 1);
    lose(&p, 1);
    for (int i = 0; i < 5; i++) {
        none_ended(&p);
        send(&p, 2, 1);
        answer(&p, 1, 46, -1);
    }
    failed(&p, 1, 46, KAFKA_WRITTEN_MAYBE);
}

static void row_45_nothing_is_proved_when_all_are_refused(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 2);
    lose(&p, 1);
    lose(&p, 2);
    for (int i = 0; i < 5; i++) { /* a former leader would say so, too: five rounds with fresh metadata */
        none_ended(&p);
        send(&p, 2, 1);
        answer(&p, 1, 45, -1);
        assert_true(kfk_sequence_take_wants(&p.s) != 0 || i == 0);
        send(&p, 2, 2);
        answer(&p, 2, 45, -1);
    }
    failed(&p, 1, 45, KAFKA_WRITTEN_MAYBE);
    none_ended(&p); /* 2 is settled for itself */
    for (int i = 0; i < 5; i++) {
        send(&p, 2, 2);
        answer(&p, 2, 45, -1);
    }
    failed(&p, 2, 45, KAFKA_WRITTEN_MAYBE);
    push(&p, 1);
    send(&p, 2, 3);
    triple(&p, 3, 100, 1, 0);
}

static void row_45_another_answer_begins_the_proof_again(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 3);
    for (int i = 1; i <= 3; i++) lose(&p, i);
    send(&p, 2, 1);
    answer(&p, 1, 45, -1);
    send(&p, 2, 2);
    answer(&p, 2, KAFKA_ERR_NOT_ENOUGH_REPLICAS, -1);
    send(&p, 2, 1);
    answer(&p, 1, 45, -1);
    send(&p, 2, 2);
    lose(&p, 2);
    send(&p, 3, 1); /* on another connection, too */
    answer(&p, 1, 45, -1);
    p.now_ms += 60001; /* and when it lasted too long */
    assert_int_equal(next(&p, 3), 1);
}

static void row_45_of_a_former_leader_is_no_verdict(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 1);
    lose(&p, 1);
    send(&p, 2, 1);
    kfk_sequence_leader_changed(&p.s);
    answer(&p, 1, 45, -1);
    none_ended(&p);
    send(&p, 3, 1);
    answer(&p, 1, 0, 1);
    written(&p, 1, 1);
}

static void row_10_and_18_split_and_keep_the_order(void **state)
{
    static const int codes[] = {10, 18};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        partition p;
        kfk_sequence_split how = KFK_SEQUENCE_SPLIT_NOT;
        begin_acknowledged(&p);
        push(&p, 3);
        push(&p, 1);
        send(&p, 1, 1);
        send(&p, 1, 2);
        answer(&p, 1, codes[i], -1);
        answer(&p, 2, 45, -1);
        assert_ptr_equal(kfk_sequence_split_due(&p.s, &how), &p.b[1]);
        assert_int_equal(how, KFK_SEQUENCE_SPLIT_SMALLER);
        assert_int_equal(next(&p, 1), NONE);
        p.b[3] = (kfk_sequence_batch){.records = 1, .newest_ms = wall_ms(&p), .deadline_ms = p.b[1].deadline_ms};
        p.b[4] = (kfk_sequence_batch){.records = 2, .newest_ms = wall_ms(&p), .deadline_ms = p.b[1].deadline_ms};
        kfk_sequence_replace(&p.s, &p.b[1], (kfk_sequence_batch *[]){&p.b[3], &p.b[4]}, 2);
        assert_null(kfk_sequence_split_due(&p.s, &how));
        send(&p, 1, 3);
        triple(&p, 3, 100, 1, 0);
        answer(&p, 3, 0, 1);
        send(&p, 1, 4);
        triple(&p, 4, 100, 1, 1);
        send(&p, 1, 2);
        triple(&p, 2, 100, 1, 3);
        answer(&p, 4, 0, 2);
        answer(&p, 2, 0, 4);
        written(&p, 3, 1);
        written(&p, 4, 2);
        written(&p, 2, 4);
    }
}

static void row_10_fails_a_single_record(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 2);
    answer(&p, 1, 10, -1);
    answer(&p, 2, 45, -1);
    failed(&p, 1, 10, KAFKA_WRITTEN_NO);
    send(&p, 1, 2);
    triple(&p, 2, 100, 1, 0);
}

static void row_10_after_an_unknown_copy_is_possibly_written(void **state)
{
    partition p;
    (void)state;
    begin_acknowledged(&p);
    push(&p, 3);
    send(&p, 1, 1);
    lose(&p, 1);
    send(&p, 2, 1);
    answer(&p, 1, 10, -1);
    failed(&p, 1, 10, KAFKA_WRITTEN_MAYBE);
}

static void row_87_and_32_fail_the_named_records_alone(void **state)
{
    static const int codes[] = {87, 32};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        partition p;
        kfk_sequence_split how = KFK_SEQUENCE_SPLIT_NOT;
        begin_acknowledged(&p);
        push(&p, 3);
        send(&p, 1, 1);
        kfk_sequence_answered(&p.s, &p.copies[p.newest[1]], &(kfk_sequence_answer){(int16_t)codes[i], -1, -1, 1}, 0);
        assert_ptr_equal(kfk_sequence_split_due(&p.s, &how), &p.b[1]);
        assert_int_equal(how, KFK_SEQUENCE_SPLIT_BAD);
        for (int j = 2; j < 5; j++)
            p.b[j] = (kfk_sequence_batch){.records = 1, .newest_ms = wall_ms(&p), .deadline_ms = p.b[1].deadline_ms};
        p.b[3].ended = true;
        p.b[3].code = codes[i];
        kfk_sequence_replace(&p.s, &p.b[1], (kfk_sequence_batch *[]){&p.b[2], &p.b[3], &p.b[4]}, 3);
        send(&p, 1, 2);
        triple(&p, 2, 100, 1, 0);
        none_ended(&p);
        answer(&p, 2, 0, 1);
        send(&p, 1, 4);
        triple(&p, 4, 100, 1, 1);
        answer(&p, 4, 0, 2);
        written(&p, 2, 1);
        failed(&p, 3, codes[i], KAFKA_WRITTEN_NO);
        written(&p, 4, 2);
    }
}

static void row_87_without_names_fails_all(void **state)
{
    partition p;
    (void)state;
    begin_acknowledged(&p);
    push(&p, 3);
    send(&p, 1, 1);
    answer(&p, 1, 87, -1);
    failed(&p, 1, 87, KAFKA_WRITTEN_NO);
}

static void row_47_continues_under_a_new_id(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 2);
    answer(&p, 1, 47, -1);
    assert_int_equal(kfk_sequence_take_wants(&p.s), 0); /* 2 is owed an answer */
    answer(&p, 2, 47, -1);
    assert_int_equal(kfk_sequence_take_wants(&p.s), KFK_SEQUENCE_WANT_NEW_ID);
    wait_for_pause(&p);
    assert_int_equal(next(&p, 1), NONE);
    kfk_sequence_id(&p.s, 300, 0);
    send(&p, 1, 1);
    triple(&p, 1, 300, 0, 0);
    answer(&p, 1, 0, 1);
    send(&p, 1, 2);
    triple(&p, 2, 300, 0, 1);
}

static void row_other_codes_fail_at_once(void **state)
{
    static const int codes[] = {17, 21, 29, 31, 35, 42, 43, 44, 54, 76, 90, 9999};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        partition p;
        begin_in_flight(&p, 2);
        answer(&p, 1, codes[i], -1);
        failed(&p, 1, codes[i], KAFKA_WRITTEN_NO);
        answer(&p, 2, 45, -1);
        send(&p, 1, 2);
        triple(&p, 2, 100, 1, 0);
    }
}

static void row_delivery_timeout_of_what_cannot_be_there(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 2);
    push(&p, 1);
    answer(&p, 1, KAFKA_ERR_NOT_ENOUGH_REPLICAS, -1); /* refused */
    lose(&p, 2);                                      /* unknown, but behind what fails */
    kfk_sequence_tick(&p.s, p.b[3].deadline_ms);
    failed(&p, 1, KAFKA_ETIMEDOUT, KAFKA_WRITTEN_NO);
    failed(&p, 2, KAFKA_ETIMEDOUT, KAFKA_WRITTEN_NO);
    failed(&p, 3, KAFKA_ETIMEDOUT, KAFKA_WRITTEN_NO); /* never sent */
    assert_int_equal(kfk_sequence_due_ms(&p.s), KFK_TIME_NEVER);
    push(&p, 1);
    send(&p, 2, 4);
    triple(&p, 4, 100, 1, 0);
}

static void row_delivery_timeout_settles_the_younger_and_waits_for_answers(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 2);
    p.b[2].deadline_ms += 1000;
    lose(&p, 2);
    kfk_sequence_tick(&p.s, p.b[1].deadline_ms);
    failed(&p, 1, KAFKA_ETIMEDOUT, KAFKA_WRITTEN_MAYBE); /* in flight */
    p.now_ms = p.b[1].deadline_ms;
    push(&p, 1);
    send(&p, 2, 2); /* the same triple: 1 may be there */
    triple(&p, 2, 100, 0, 2);
    answer(&p, 2, 0, 2);
    written(&p, 2, 2);
    wait_for_pause(&p);
    assert_int_equal(next(&p, 2), NONE); /* connection 1 owes an answer */
    lose(&p, 1);
    send(&p, 2, 3);
    triple(&p, 3, 100, 1, 0);
}

/* ---- the schedules ----------------------------------------------------------------------------------------------- */

static void schedule_1_a_refused_batch_does_not_deadlock_what_is_behind(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 2);
    answer(&p, 1, 10, -1);
    lose(&p, 2);
    failed(&p, 1, 10, KAFKA_WRITTEN_NO);
    send(&p, 2, 2); /* it cannot be there */
    triple(&p, 2, 100, 1, 0);
    answer(&p, 2, 0, 1);
    written(&p, 2, 1);
}

static void schedule_2_46_does_not_count_as_written(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 1);
    lose(&p, 1);
    send(&p, 2, 1);
    answer(&p, 1, 46, -1);
    none_ended(&p);
    kfk_sequence_leader_changed(&p.s); /* without the batch */
    send(&p, 3, 1);
    triple(&p, 1, 100, 0, 1);
    answer(&p, 1, 0, 1);
    written(&p, 1, 1);
}

static void schedule_3_offsets_unmask_a_false_proof(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 2);
    lose(&p, 1);
    lose(&p, 2);
    send(&p, 2, 1);
    answer(&p, 1, 45, -1);
    send(&p, 2, 2);
    answer(&p, 2, 0, 1); /* directly behind batch 0: there is no room for 1 */
    none_ended(&p);
    for (int i = 1; i < 5; i++) {
        send(&p, 2, 1);
        answer(&p, 1, 45, -1);
    }
    failed(&p, 1, 45, KAFKA_WRITTEN_MAYBE);
    written(&p, 2, 1);
}

static void schedule_3_what_failed_as_possibly_written_needs_room_too(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 3);
    for (int i = 1; i <= 3; i++) lose(&p, i);
    p.b[2].deadline_ms = p.b[3].deadline_ms += 100000;
    kfk_sequence_tick(&p.s, p.b[1].deadline_ms);
    failed(&p, 1, KAFKA_ETIMEDOUT, KAFKA_WRITTEN_MAYBE);
    p.now_ms = p.b[1].deadline_ms;
    send(&p, 2, 2);
    answer(&p, 2, 45, -1);
    send(&p, 2, 3);
    answer(&p, 3, 0, 2); /* 1 may be at offset 1, then there is no room for 2 */
    none_ended(&p);
}

static void schedule_4_old_records_wait_for_each_other(void **state)
{
    partition p;
    (void)state;
    begin_acknowledged(&p);
    for (int i = 1; i <= 2; i++) {
        push(&p, 1);
        p.b[i].newest_ms -= 2 * (int64_t)DAY_MS;
    }
    send(&p, 1, 1);
    assert_int_equal(next(&p, 1), NONE);
    answer(&p, 1, 0, 1);
    assert_int_equal(next(&p, 1), 2);
}

static void schedule_5_56_with_offset_minus_1_may_be_there(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 1);
    answer(&p, 1, 56, -1);
    kfk_sequence_give_up(&p.s, KAFKA_ECLOSED, p.now_ms);
    failed(&p, 1, KAFKA_ECLOSED, KAFKA_WRITTEN_MAYBE);
}

static void schedule_6_no_bump_while_an_answer_is_owed(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 3);
    answer(&p, 1, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, -1);
    failed(&p, 1, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, KAFKA_WRITTEN_NO);
    kfk_sequence_leader_changed(&p.s);
    assert_int_equal(next(&p, 2), NONE);
    answer(&p, 2, 45, -1);
    assert_int_equal(next(&p, 2), NONE);
    lose(&p, 3);
    send(&p, 2, 2);
    triple(&p, 2, 100, 1, 0);
}

/* ---- attempts, endings ------------------------------------------------------------------------------------------- */

static void rounds_without_any_broker_are_attempts(void **state)
{
    partition p;
    (void)state;
    begin(&p);
    push(&p, 1);
    push(&p, 1);
    kfk_sequence_missed(&p.s, KAFKA_ERR_BROKER_NOT_AVAILABLE, p.now_ms);
    kfk_sequence_missed(&p.s, KAFKA_ERR_BROKER_NOT_AVAILABLE, p.now_ms);
    none_ended(&p);
    kfk_sequence_missed(&p.s, KAFKA_ERR_BROKER_NOT_AVAILABLE, p.now_ms);
    failed(&p, 0, KAFKA_ERR_BROKER_NOT_AVAILABLE, KAFKA_WRITTEN_NO);
    failed(&p, 1, KAFKA_ERR_BROKER_NOT_AVAILABLE, KAFKA_WRITTEN_NO);
}

static void what_was_taken_back_was_never_sent(void **state)
{
    partition p;
    (void)state;
    begin(&p);
    push(&p, 1);
    send(&p, 1, 0);
    kfk_sequence_unsent(&p.s, &p.copies[0], p.now_ms);
    assert_int_equal(p.b[0].sent, 0);
    assert_int_equal(next(&p, 2), 0);
    triple(&p, 0, 100, 0, 0);
    kfk_sequence_give_up(&p.s, KAFKA_ECLOSED, p.now_ms);
    failed(&p, 0, KAFKA_ECLOSED, KAFKA_WRITTEN_NO);
}

static void giving_up_tells_what_may_be_there(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 2);
    push(&p, 1);
    answer(&p, 1, 0, 1);
    kfk_sequence_give_up(&p.s, KAFKA_ECLOSED, p.now_ms);
    written(&p, 1, 1);
    failed(&p, 2, KAFKA_ECLOSED, KAFKA_WRITTEN_MAYBE);
    failed(&p, 3, KAFKA_ECLOSED, KAFKA_WRITTEN_NO);
    assert_null(p.copies[p.newest[2]].batch);
    answer(&p, 2, 0, 2); /* too late */
    none_ended(&p);
}

static void a_split_without_memory_fails_the_batch(void **state)
{
    partition p;
    kfk_sequence_split how;
    (void)state;
    begin_acknowledged(&p);
    push(&p, 2);
    push(&p, 1);
    send(&p, 1, 1);
    answer(&p, 1, 10, -1);
    assert_ptr_equal(kfk_sequence_split_due(&p.s, &how), &p.b[1]);
    p.b[1].ended = true;
    p.b[1].code = KAFKA_ENOMEM;
    kfk_sequence_replace(&p.s, &p.b[1], (kfk_sequence_batch *[]){&p.b[1]}, 1);
    failed(&p, 1, KAFKA_ENOMEM, KAFKA_WRITTEN_NO);
    send(&p, 1, 2);
    triple(&p, 2, 100, 1, 0);
}

/* ---- without idempotence ----------------------------------------------------------------------------------------- */

static void plain_one_batch_is_in_flight(void **state)
{
    partition p;
    (void)state;
    begin_without_idempotence(&p, -1);
    push(&p, 1);
    push(&p, 1);
    send(&p, 1, 0);
    triple(&p, 0, -1, -1, -1);
    assert_int_equal(next(&p, 1), NONE);
    assert_int_equal(next(&p, 2), NONE);
    answer(&p, 0, 0, 0);
    written(&p, 0, 0);
    send(&p, 1, 1);
}

static void plain_rows(void **state)
{
    static const struct {
        int code;
        int64_t base;
        int tries; /* until it ends; 0 = the delivery timeout */
        kafka_written written;
    } rows[] = {
        {2, -1, 3, KAFKA_WRITTEN_NO},     {3, -1, 3, KAFKA_WRITTEN_NO},     {3, 4, 0, KAFKA_WRITTEN_MAYBE},
        {5, -1, 3, KAFKA_WRITTEN_NO},     {6, -1, 3, KAFKA_WRITTEN_NO},     {6, 0, 0, KAFKA_WRITTEN_MAYBE},
        {19, -1, 3, KAFKA_WRITTEN_NO},    {74, -1, 3, KAFKA_WRITTEN_NO},    {75, -1, 3, KAFKA_WRITTEN_NO},
        {100, -1, 3, KAFKA_WRITTEN_NO},   {103, -1, 3, KAFKA_WRITTEN_NO},   {7, -1, 0, KAFKA_WRITTEN_MAYBE},
        {13, -1, 0, KAFKA_WRITTEN_MAYBE}, {20, -1, 0, KAFKA_WRITTEN_MAYBE}, {56, -1, 0, KAFKA_WRITTEN_MAYBE},
        {-1, -1, 3, KAFKA_WRITTEN_MAYBE}, {10, -1, 1, KAFKA_WRITTEN_NO},    {18, -1, 1, KAFKA_WRITTEN_NO},
        {87, -1, 1, KAFKA_WRITTEN_NO},    {45, -1, 1, KAFKA_WRITTEN_NO},    {46, -1, 1, KAFKA_WRITTEN_NO},
        {47, -1, 1, KAFKA_WRITTEN_NO},    {59, -1, 1, KAFKA_WRITTEN_NO},    {29, -1, 1, KAFKA_WRITTEN_NO},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        partition p;
        begin_without_idempotence(&p, -1);
        push(&p, 1);
        push(&p, 1);
        for (int n = 0; n < (rows[i].tries ? rows[i].tries : 10); n++) {
            none_ended(&p);
            send(&p, 1, 0);
            answer(&p, 0, rows[i].code, rows[i].base);
        }
        if (rows[i].tries == 0) {
            none_ended(&p);
            p.b[1].deadline_ms++;
            kfk_sequence_tick(&p.s, p.b[0].deadline_ms);
        }
        failed(&p, 0, rows[i].tries ? rows[i].code : KAFKA_ETIMEDOUT, rows[i].written);
        send(&p, 1, 1);
        assert_int_equal(kfk_sequence_take_wants(&p.s) & (KFK_SEQUENCE_WANT_ID | KFK_SEQUENCE_WANT_NEW_ID), 0);
    }
}

static void plain_a_lost_copy_is_sent_again(void **state)
{
    partition p;
    (void)state;
    begin_without_idempotence(&p, 1);
    push(&p, 1);
    send(&p, 1, 0);
    lose(&p, 0);
    send(&p, 2, 0);
    answer(&p, 0, KAFKA_ERR_MESSAGE_TOO_LARGE, -1);
    failed(&p, 0, KAFKA_ERR_MESSAGE_TOO_LARGE, KAFKA_WRITTEN_MAYBE);
}

static void plain_a_batch_that_is_too_large_is_split(void **state)
{
    partition p;
    kfk_sequence_split how = KFK_SEQUENCE_SPLIT_NOT;
    (void)state;
    begin_without_idempotence(&p, -1);
    push(&p, 2);
    push(&p, 1);
    send(&p, 1, 0);
    answer(&p, 0, 10, -1);
    assert_ptr_equal(kfk_sequence_split_due(&p.s, &how), &p.b[0]);
    assert_int_equal(next(&p, 1), NONE);
    p.b[2] = p.b[3] = (kfk_sequence_batch){.records = 1, .deadline_ms = p.b[0].deadline_ms};
    kfk_sequence_replace(&p.s, &p.b[0], (kfk_sequence_batch *[]){&p.b[2], &p.b[3]}, 2);
    for (int i = 0; i < 3; i++) {
        int b = i < 2 ? i + 2 : 1;
        send(&p, 1, b);
        answer(&p, b, 0, i);
        written(&p, b, i);
    }
}

static void acks_none_is_possibly_written_when_it_is_on_its_way(void **state)
{
    partition p;
    (void)state;
    begin_without_idempotence(&p, 0);
    push(&p, 1);
    push(&p, 1);
    send(&p, 1, 0);
    answer(&p, 0, 0, -1);
    kfk_sequence_batch *b = kfk_sequence_take_ended(&p.s);
    assert_ptr_equal(b, &p.b[0]);
    assert_int_equal(b->code, 0);
    assert_int_equal(b->written, KAFKA_WRITTEN_MAYBE);
    send(&p, 1, 1);
    lose(&p, 1);
    failed(&p, 1, KAFKA_ERR_NETWORK_EXCEPTION, KAFKA_WRITTEN_MAYBE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(nothing_is_sent_without_a_producer_id),
        MEMCHECK_TEST(sequences_count_records_and_wrap_to_zero),
        MEMCHECK_TEST(a_batch_goes_out_again_under_the_same_triple),
        MEMCHECK_TEST(metadata_that_forgets_the_topic_does_not_reset_sequences),
        MEMCHECK_TEST(a_topic_created_anew_gets_a_new_epoch),
        MEMCHECK_TEST(after_the_last_epoch_comes_a_new_id),
        MEMCHECK_TEST(the_first_batch_of_an_epoch_is_alone),
        MEMCHECK_TEST(a_new_connection_is_not_trusted),
        MEMCHECK_TEST(a_new_leader_is_not_trusted),
        MEMCHECK_TEST(after_an_idle_minute_a_batch_is_alone),
        MEMCHECK_TEST(old_records_are_alone_and_earn_no_trust),
        MEMCHECK_TEST(five_are_in_flight_counted_from_the_oldest_open_one),
        MEMCHECK_TEST(a_frozen_leader_does_not_hold_up_its_successor),
        MEMCHECK_TEST(row_0_is_complete_in_queue_order),
        MEMCHECK_TEST(row_retriable_refusals_count_until_the_last_attempt),
        MEMCHECK_TEST(row_a_new_leader_ends_the_pause),
        MEMCHECK_TEST(row_3_and_6_with_an_offset_are_unknown),
        MEMCHECK_TEST(row_unknown_outcomes_are_tried_until_the_delivery_timeout),
        MEMCHECK_TEST(row_minus_1_is_unknown_and_an_attempt),
        MEMCHECK_TEST(row_45_waits_for_what_is_older),
        MEMCHECK_TEST(row_45_and_59_on_the_oldest_are_a_cut),
        MEMCHECK_TEST(row_45_the_proof_of_five_after_a_restart),
        MEMCHECK_TEST(row_46_is_proved_by_a_younger_one),
        MEMCHECK_TEST(row_46_alone_is_not_written),
        MEMCHECK_TEST(row_45_nothing_is_proved_when_all_are_refused),
        MEMCHECK_TEST(row_45_another_answer_begins_the_proof_again),
        MEMCHECK_TEST(row_45_of_a_former_leader_is_no_verdict),
        MEMCHECK_TEST(row_10_and_18_split_and_keep_the_order),
        MEMCHECK_TEST(row_10_fails_a_single_record),
        MEMCHECK_TEST(row_10_after_an_unknown_copy_is_possibly_written),
        MEMCHECK_TEST(row_87_and_32_fail_the_named_records_alone),
        MEMCHECK_TEST(row_87_without_names_fails_all),
        MEMCHECK_TEST(row_47_continues_under_a_new_id),
        MEMCHECK_TEST(row_other_codes_fail_at_once),
        MEMCHECK_TEST(row_delivery_timeout_of_what_cannot_be_there),
        MEMCHECK_TEST(row_delivery_timeout_settles_the_younger_and_waits_for_answers),
        MEMCHECK_TEST(schedule_1_a_refused_batch_does_not_deadlock_what_is_behind),
        MEMCHECK_TEST(schedule_2_46_does_not_count_as_written),
        MEMCHECK_TEST(schedule_3_offsets_unmask_a_false_proof),
        MEMCHECK_TEST(schedule_3_what_failed_as_possibly_written_needs_room_too),
        MEMCHECK_TEST(schedule_4_old_records_wait_for_each_other),
        MEMCHECK_TEST(schedule_5_56_with_offset_minus_1_may_be_there),
        MEMCHECK_TEST(schedule_6_no_bump_while_an_answer_is_owed),
        MEMCHECK_TEST(rounds_without_any_broker_are_attempts),
        MEMCHECK_TEST(what_was_taken_back_was_never_sent),
        MEMCHECK_TEST(giving_up_tells_what_may_be_there),
        MEMCHECK_TEST(a_split_without_memory_fails_the_batch),
        MEMCHECK_TEST(plain_one_batch_is_in_flight),
        MEMCHECK_TEST(plain_rows),
        MEMCHECK_TEST(plain_a_lost_copy_is_sent_again),
        MEMCHECK_TEST(plain_a_batch_that_is_too_large_is_split),
        MEMCHECK_TEST(acks_none_is_possibly_written_when_it_is_on_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
