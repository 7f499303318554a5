/* What may be sent, under which triple, and how batches end: with idempotence and without. */
#include "engine/sequence_impl.h"
#include "sequence_partition.h"
#include <string.h>
#include <time.h>

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

static void a_new_id_that_was_refused_is_wanted_again_by_the_next_batch(void **state)
{
    partition p;
    (void)state;
    begin_acknowledged(&p);
    push(&p, 1);
    send(&p, 1, 1);
    answer(&p, 1, KAFKA_ERR_INVALID_PRODUCER_EPOCH, -1);
    assert_int_equal(kfk_sequence_take_wants(&p.s), KFK_SEQUENCE_WANT_NEW_ID);
    p.now_ms = p.b[1].deadline_ms;
    kfk_sequence_tick(&p.s, p.now_ms);
    failed(&p, 1, KAFKA_ETIMEDOUT, KAFKA_WRITTEN_NO);
    kfk_sequence_id_refused(&p.s);
    kfk_sequence_tick(&p.s, p.now_ms);
    assert_int_equal(kfk_sequence_take_wants(&p.s), 0); /* nobody waits for it */
    push(&p, 1);
    assert_int_equal(kfk_sequence_take_wants(&p.s), KFK_SEQUENCE_WANT_NEW_ID);
    kfk_sequence_id(&p.s, 200, 0);
    send(&p, 1, 2);
    triple(&p, 2, 200, 0, 0);
}

static void what_an_earlier_leader_says_late_begins_no_pause(void **state)
{
    partition p;
    (void)state;
    begin_acknowledged(&p);
    push(&p, 1);
    push(&p, 1);
    send(&p, 1, 1);
    send(&p, 1, 2);
    answer(&p, 1, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, -1);
    assert_int_equal(next(&p, 2), NONE); /* a pause */
    kfk_sequence_leader_changed(&p.s);
    assert_int_equal(next(&p, 2), 1);
    answer(&p, 2, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, -1);
    assert_int_equal(next(&p, 2), 1);
}

static void an_id_that_was_refused_is_wanted_again_by_the_next_batch(void **state)
{
    partition p;
    (void)state;
    begin(&p);
    kfk_sequence_init(&p.s, &p.cfg, 1);
    push(&p, 1);
    assert_int_equal(kfk_sequence_take_wants(&p.s), KFK_SEQUENCE_WANT_ID);
    p.now_ms = p.b[0].deadline_ms;
    kfk_sequence_tick(&p.s, p.now_ms);
    failed(&p, 0, KAFKA_ETIMEDOUT, KAFKA_WRITTEN_NO);
    kfk_sequence_id_refused(&p.s);
    push(&p, 1);
    assert_int_equal(kfk_sequence_take_wants(&p.s), KFK_SEQUENCE_WANT_ID);
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

static void offsets_at_the_end_of_all_numbers_do_not_overflow(void **state)
{
    partition p;
    (void)state;
    begin(&p);
    push(&p, 3);
    send(&p, 1, 0);
    answer(&p, 0, 0, INT64_MAX - 1);
    written(&p, 0, INT64_MAX - 1);
    assert_int_equal(p.s.written_end, INT64_MAX);
    push(&p, 3);
    send(&p, 1, 1);
    answer(&p, 1, 0, -1);
    written(&p, 1, -1);
    assert_int_equal(p.s.written_end, INT64_MAX);
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

/* Small batches, a large buffer, and no leader: everything ends at once, under the baton. */
static void many_batches_end_in_time_that_grows_with_their_number(void **state)
{
    enum { MANY = 100000 };
    static kfk_sequence_batch batches[MANY];
    partition p;
    (void)state;
    for (int way = 0; way < 2; way++) {
        begin(&p);
        memset(batches, 0, sizeof batches);
        for (int i = 0; i < MANY; i++) {
            batches[i].records = 1;
            batches[i].deadline_ms = p.now_ms + 10;
            kfk_sequence_push(&p.s, &batches[i]);
        }
        clock_t before = clock();
        if (way == 0)
            kfk_sequence_give_up(&p.s, KAFKA_ECLOSED, p.now_ms);
        else
            kfk_sequence_tick(&p.s, p.now_ms + 10);
        for (int i = 0; i < MANY; i++) assert_ptr_equal(kfk_sequence_take_ended(&p.s), &batches[i]);
        assert_null(kfk_sequence_first(&p.s));
        assert_true(clock() - before < 2 * CLOCKS_PER_SEC); /* it takes a hundredth of that */
    }
}

/* A right that was taken away, say: each of very many is sent, and refused for good. */
static void many_batches_are_refused_in_time_that_grows_with_their_number(void **state)
{
    enum { MANY = 100000 };
    static kfk_sequence_batch batches[MANY];
    partition p;
    (void)state;
    begin(&p);
    memset(batches, 0, sizeof batches);
    for (int i = 0; i < MANY; i++) {
        batches[i] = (kfk_sequence_batch){.records = 1, .newest_ms = wall_ms(&p), .deadline_ms = KFK_TIME_NEVER};
        kfk_sequence_push(&p.s, &batches[i]);
    }
    clock_t before = clock();
    for (int i = 0; i < MANY; i++) {
        kfk_sequence_copy copy = {0};
        const kfk_sequence_answer no = {KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, -1, -1, 0};
        assert_ptr_equal(kfk_sequence_next(&p.s, 1, p.now_ms, wall_ms(&p)), &batches[i]);
        kfk_sequence_sent(&p.s, &batches[i], &copy, 1);
        kfk_sequence_answered(&p.s, &copy, &no, p.now_ms);
        assert_ptr_equal(kfk_sequence_take_ended(&p.s), &batches[i]);
        assert_int_equal(batches[i].written, KAFKA_WRITTEN_NO);
        if (kfk_sequence_take_wants(&p.s) & KFK_SEQUENCE_WANT_NEW_ID) kfk_sequence_id(&p.s, 101 + i, 0);
        assert_true(clock() - before < 5 * CLOCKS_PER_SEC); /* it takes a hundredth of that */
    }
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
    kfk_sequence_refuse(&p.s, &p.b[1], KAFKA_ENOMEM, p.now_ms);
    failed(&p, 1, KAFKA_ENOMEM, KAFKA_WRITTEN_NO);
    send(&p, 1, 2);
    triple(&p, 2, 100, 1, 0);
}

static void what_cannot_be_sent_again_may_be_there(void **state)
{
    partition p;
    (void)state;
    begin_in_flight(&p, 1);
    lose(&p, 1);
    kfk_sequence_refuse(&p.s, &p.b[1], KAFKA_EVERSION, p.now_ms);
    failed(&p, 1, KAFKA_EVERSION, KAFKA_WRITTEN_MAYBE);
    push(&p, 1);
    assert_int_equal(next(&p, 1), 2);
    triple(&p, 2, 100, 1, 0);
    kfk_sequence_refuse(&p.s, &p.b[2], KAFKA_EVERSION, p.now_ms);
    kfk_sequence_refuse(&p.s, &p.b[2], KAFKA_ENOMEM, p.now_ms);
    failed(&p, 2, KAFKA_EVERSION, KAFKA_WRITTEN_NO);
}

static void it_is_told_whether_one_more_would_be_sent(void **state)
{
    partition p;
    (void)state;
    begin(&p);
    assert_true(kfk_sequence_takes_more(&p.s, 1, p.now_ms));
    push(&p, 1);
    send(&p, 1, 0);
    assert_false(kfk_sequence_takes_more(&p.s, 1, p.now_ms)); /* it is alone */
    answer(&p, 0, 0, 0);
    for (int i = 1; i <= 4; i++) {
        assert_true(kfk_sequence_takes_more(&p.s, 1, p.now_ms));
        push(&p, 1);
        send(&p, 1, i);
    }
    written(&p, 0, 0);
    assert_true(kfk_sequence_takes_more(&p.s, 1, p.now_ms));
    assert_false(kfk_sequence_takes_more(&p.s, 1, p.now_ms + 60001));
    assert_false(kfk_sequence_takes_more(&p.s, 2, p.now_ms)); /* what is in flight has to go there first */
    push(&p, 1);
    send(&p, 1, 5);
    assert_false(kfk_sequence_takes_more(&p.s, 1, p.now_ms));
    for (int i = 1; i <= 4; i++) answer(&p, i, 0, i);
    answer(&p, 5, KAFKA_ERR_NOT_ENOUGH_REPLICAS, -1);
    assert_false(kfk_sequence_takes_more(&p.s, 1, p.now_ms)); /* a pause */
    wait_for_pause(&p);
    assert_false(kfk_sequence_takes_more(&p.s, 1, p.now_ms)); /* 5 goes first */
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
        MEMCHECK_TEST(a_new_id_that_was_refused_is_wanted_again_by_the_next_batch),
        MEMCHECK_TEST(what_an_earlier_leader_says_late_begins_no_pause),
        MEMCHECK_TEST(an_id_that_was_refused_is_wanted_again_by_the_next_batch),
        MEMCHECK_TEST(the_first_batch_of_an_epoch_is_alone),
        MEMCHECK_TEST(a_new_connection_is_not_trusted),
        MEMCHECK_TEST(a_new_leader_is_not_trusted),
        MEMCHECK_TEST(after_an_idle_minute_a_batch_is_alone),
        MEMCHECK_TEST(old_records_are_alone_and_earn_no_trust),
        MEMCHECK_TEST(five_are_in_flight_counted_from_the_oldest_open_one),
        MEMCHECK_TEST(a_frozen_leader_does_not_hold_up_its_successor),
        MEMCHECK_TEST(offsets_at_the_end_of_all_numbers_do_not_overflow),
        MEMCHECK_TEST(rounds_without_any_broker_are_attempts),
        MEMCHECK_TEST(what_was_taken_back_was_never_sent),
        MEMCHECK_TEST(giving_up_tells_what_may_be_there),
        MEMCHECK_TEST(many_batches_end_in_time_that_grows_with_their_number),
        MEMCHECK_TEST(many_batches_are_refused_in_time_that_grows_with_their_number),
        MEMCHECK_TEST(a_split_without_memory_fails_the_batch),
        MEMCHECK_TEST(what_cannot_be_sent_again_may_be_there),
        MEMCHECK_TEST(it_is_told_whether_one_more_would_be_sent),
        MEMCHECK_TEST(plain_one_batch_is_in_flight),
        MEMCHECK_TEST(plain_rows),
        MEMCHECK_TEST(plain_a_lost_copy_is_sent_again),
        MEMCHECK_TEST(plain_a_batch_that_is_too_large_is_split),
        MEMCHECK_TEST(acks_none_is_possibly_written_when_it_is_on_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
