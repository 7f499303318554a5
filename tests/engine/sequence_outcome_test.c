/* Each row of the table of outcomes, and the schedules that broke simpler rules. */
#include "sequence_partition.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
