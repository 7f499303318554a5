/* The journal finds each anomaly that it is there for, and none where all is as it should be. */
#include "sim/journal.h"
#include "sim/runner.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What happened to a run whose journal a test fills. */
static const char *verdict(void (*fill)(journal *))
{
    static char failure[512];
    sim *s = sim_new(1, NULL);
    journal *j = calloc(1, sizeof *j);
    assert_non_null(j);
    sim_journal_init(j, s, 7, "t");
    fill(j);
    journal_check(j, 1);
    snprintf(failure, sizeof failure, "%s", sim_failure(s));
    sim_free(s);
    free(j);
    return failure;
}

static void expect(void (*fill)(journal *), const char *anomaly)
{
    const char *found = verdict(fill);
    if (strstr(found, anomaly) == NULL) fail_msg("\"%s\" instead of %s", found, anomaly);
}

/* ---- short words for what happens -------------------------------------------------------------------------------- */

static kafka_bytes value_of(journal *j, int32_t partition, uint32_t sequence)
{
    static uint8_t value[JOURNAL_VALUE + 10];
    journal_fill(j, 0, partition, sequence, value, sizeof value);
    return KAFKA_BYTES(value, sizeof value);
}

static void told(journal *j, uint32_t sequence, kafka_written outcome)
{
    journal_written(j, 0, sequence, 1, outcome, 1);
}

static void holds(journal *j, int64_t offset, uint32_t sequence)
{
    journal_log(j, 0, offset, value_of(j, 0, sequence));
}

static void reads(journal *j, int64_t offset, int64_t expected, uint32_t sequence)
{
    journal_read(j, 0, offset, expected, value_of(j, 0, sequence));
}

/* ---- what they find ---------------------------------------------------------------------------------------------- */

static void all_is_well(journal *j)
{
    told(j, 0, KAFKA_WRITTEN_YES);
    told(j, 1, KAFKA_WRITTEN_NO);
    told(j, 2, KAFKA_WRITTEN_MAYBE); /* it is there after all, */
    told(j, 2, KAFKA_WRITTEN_YES);   /* and so is the second attempt */
    told(j, 3, KAFKA_WRITTEN_MAYBE); /* and this one is not */
    journal_log_bounds(j, 0, 0, 4);
    holds(j, 0, 0);
    holds(j, 1, 2);
    holds(j, 2, 2);
    journal_hole(j, 0, 3, 4);
    reads(j, 0, -1, 0);
    reads(j, 1, 1, 2);
    reads(j, 1, -1, 2); /* another reader */
}

static void what_is_as_it_should_be_passes(void **state)
{
    (void)state;
    assert_string_equal(verdict(all_is_well), "");
}

static void lost_write(journal *j)
{
    told(j, 0, KAFKA_WRITTEN_YES);
}

static void failed_but_written(journal *j)
{
    told(j, 0, KAFKA_WRITTEN_NO);
    journal_log_bounds(j, 0, 0, 1);
    holds(j, 0, 0);
}

static void duplicate(journal *j)
{
    told(j, 0, KAFKA_WRITTEN_NO);
    told(j, 0, KAFKA_WRITTEN_YES);
    journal_log_bounds(j, 0, 0, 2);
    holds(j, 0, 0);
    holds(j, 1, 0);
}

static void nonmonotonic_send(journal *j)
{
    told(j, 0, KAFKA_WRITTEN_YES);
    told(j, 1, KAFKA_WRITTEN_YES);
    journal_log_bounds(j, 0, 0, 2);
    holds(j, 0, 1);
    holds(j, 1, 0);
}

static void wrong_partition(journal *j)
{
    journal_log(j, 0, 0, value_of(j, 1, 0));
}

static void wrong_topic(journal *j)
{
    kafka_bytes value = value_of(j, 0, 0);
    strcpy(j->topic, "u");
    journal_log(j, 0, 0, value);
}

static void damaged(journal *j)
{
    kafka_bytes value = value_of(j, 0, 0);
    ((uint8_t *)(uintptr_t)value.data)[JOURNAL_VALUE + 3] ^= 4;
    journal_read(j, 0, 0, -1, value);
}

static void of_another_run(journal *j)
{
    kafka_bytes value = value_of(j, 0, 0);
    j->run++;
    journal_read(j, 0, 0, -1, value);
}

static void cut_short(journal *j)
{
    kafka_bytes value = value_of(j, 0, 0);
    value.len--;
    journal_read(j, 0, 0, -1, value);
}

static void skipped(journal *j)
{
    reads(j, 5, 4, 0);
}

static void went_back(journal *j)
{
    reads(j, 3, 4, 0);
}

static void unseen(journal *j)
{
    journal_log_bounds(j, 0, 2, 3);
}

static void phantom(journal *j)
{
    told(j, 0, KAFKA_WRITTEN_YES);
    told(j, 1, KAFKA_WRITTEN_NO);
    reads(j, 0, -1, 1);
    journal_log_bounds(j, 0, 0, 1);
    holds(j, 0, 0);
}

static void changed_under_readers(journal *j)
{
    reads(j, 0, -1, 0);
    reads(j, 0, -1, 1);
}

/* The log was cut back after it had been read: a reader was shown what was not safe yet. */
static void seen_behind_the_end(journal *j)
{
    told(j, 0, KAFKA_WRITTEN_YES);
    told(j, 1, KAFKA_WRITTEN_MAYBE);
    reads(j, 0, -1, 0);
    reads(j, 1, 1, 1);
    journal_log_bounds(j, 0, 0, 1);
    holds(j, 0, 0);
}

static void more_is_lost_than_was_deleted(journal *j)
{
    for (uint32_t i = 0; i < 3; i++) told(j, i, KAFKA_WRITTEN_YES);
    journal_log_bounds(j, 0, 2, 2);
}

/* The unknown outcome was not waited for. */
static void overtaken(journal *j)
{
    told(j, 0, KAFKA_WRITTEN_MAYBE);
    told(j, 1, KAFKA_WRITTEN_YES);
    journal_log_bounds(j, 0, 0, 2);
    holds(j, 0, 1);
    holds(j, 1, 0);
}

static void overtaken_by_a_writer_that_keeps_order(journal *j)
{
    j->keeps_order = true;
    overtaken(j);
}

static void never_told(journal *j)
{
    journal_owed(j, 0, 0, 2);
    told(j, 0, KAFKA_WRITTEN_YES);
    journal_log_bounds(j, 0, 0, 1);
    holds(j, 0, 0);
}

static void told_twice(journal *j)
{
    journal_owed(j, 0, 0, 1);
    told(j, 0, KAFKA_WRITTEN_MAYBE);
    told(j, 0, KAFKA_WRITTEN_NO);
}

static void told_although_refused(journal *j)
{
    journal_owed(j, 0, 0, 1);
    journal_refused(j, 0, 0, 1);
    told(j, 0, KAFKA_WRITTEN_NO);
}

static void refused_and_written(journal *j)
{
    journal_owed(j, 0, 0, 1);
    journal_refused(j, 0, 0, 1);
    journal_log_bounds(j, 0, 0, 1);
    holds(j, 0, 0);
}

static void told_of_another_offset(journal *j)
{
    value_of(j, 0, 0); /* of partition 0 */
    journal_owed(j, 0, 0, 2);
    journal_delivered(j, journal_ticket(0, 0), 0, 0, KAFKA_WRITTEN_YES);
    journal_delivered(j, journal_ticket(0, 1), 0, 0, KAFKA_WRITTEN_YES);
    journal_log_bounds(j, 0, 0, 2);
    holds(j, 0, 0);
    holds(j, 1, 1);
}

static void told_of_another_partition(journal *j)
{
    value_of(j, 0, 0);
    journal_owed(j, 0, 0, 1);
    journal_delivered(j, journal_ticket(0, 0), 1, 0, KAFKA_WRITTEN_YES);
}

static void told_of_nobodys_record(journal *j)
{
    journal_owed(j, 0, 0, 1);
    journal_delivered(j, journal_ticket(0, 1), 0, 0, KAFKA_WRITTEN_YES);
}

/* The leader alone acknowledged record 1, at offset 1; then another one led from there on, or nobody did. */
static void lost_with_its_leader(journal *j)
{
    j->may_lose = true;
    value_of(j, 0, 0);
    journal_owed(j, 0, 0, 3);
    journal_delivered(j, journal_ticket(0, 0), 0, 0, KAFKA_WRITTEN_YES);
    journal_delivered(j, journal_ticket(0, 1), 0, 1, KAFKA_WRITTEN_YES);
    journal_delivered(j, journal_ticket(0, 2), 0, 1, KAFKA_WRITTEN_YES);
    journal_log_bounds(j, 0, 0, 2);
    holds(j, 0, 0);
    holds(j, 1, 2);
    journal_epoch(j, 0, 0, 0);
    journal_epoch(j, 0, 1, 1);
    journal_epoch(j, 0, 2, 1);
}

static void lost_at_the_end_of_the_log(journal *j)
{
    j->may_lose = true;
    value_of(j, 0, 0);
    journal_owed(j, 0, 0, 2);
    journal_delivered(j, journal_ticket(0, 0), 0, 0, KAFKA_WRITTEN_YES);
    journal_delivered(j, journal_ticket(0, 1), 0, 1, KAFKA_WRITTEN_YES);
    journal_log_bounds(j, 0, 0, 1);
    holds(j, 0, 0);
    journal_epoch(j, 0, 0, 4);
    journal_epoch(j, 0, 1, 5);
}

static void lost_although_nobody_else_led(journal *j)
{
    lost_with_its_leader(j);
    journal_epoch(j, 0, 1, 0);
    journal_epoch(j, 0, 2, 0);
}

static void lost_in_front_of_another_leader(journal *j)
{
    lost_at_the_end_of_the_log(j);
    journal_log_bounds(j, 0, 0, 3);
    journal_hole(j, 0, 1, 3);
    journal_epoch(j, 0, 1, 4);
    journal_epoch(j, 0, 2, 5);
}

static void each_anomaly_is_found_and_named(void **state)
{
    (void)state;
    expect(lost_write, "lost-write");
    expect(failed_but_written, "failed-but-written");
    expect(duplicate, "duplicate");
    expect(nonmonotonic_send, "nonmonotonic-send");
    expect(wrong_partition, "wrong-topic-partition");
    expect(wrong_topic, "wrong-topic-partition");
    expect(damaged, "corrupt");
    expect(of_another_run, "corrupt");
    expect(cut_short, "corrupt");
    expect(skipped, "poll-skip");
    expect(went_back, "nonmonotonic-poll");
    expect(unseen, "unseen-after-drain");
    expect(phantom, "phantom-read");
    expect(changed_under_readers, "phantom-read");
    expect(seen_behind_the_end, "phantom-read");
    expect(more_is_lost_than_was_deleted, "lost-write");
    expect(overtaken_by_a_writer_that_keeps_order, "nonmonotonic-send");
    expect(told_of_another_offset, "wrong-offset");
    expect(told_of_another_partition, "wrong-topic-partition");
    expect(told_of_nobodys_record, "callback-extra");
    expect(never_told, "callback-missing");
    expect(told_twice, "callback-extra");
    expect(told_although_refused, "callback-extra");
    expect(refused_and_written, "failed-but-written");
    expect(lost_although_nobody_else_led, "lost-write");
    expect(lost_in_front_of_another_leader, "lost-write");
}

/* ---- what does not count ----------------------------------------------------------------------------------------- */

static void deleted_in_front(journal *j)
{
    told(j, 0, KAFKA_WRITTEN_YES);
    told(j, 1, KAFKA_WRITTEN_YES);
    journal_log_bounds(j, 0, 1, 2);
    holds(j, 1, 1);
}

static void of_a_topic_that_is_gone(journal *j)
{
    told(j, 0, KAFKA_WRITTEN_YES);
    reads(j, 0, -1, 0);
    journal_forget(j);
    journal_written(j, 0, 1, 1, KAFKA_WRITTEN_YES, j->valid_from_us);
    journal_log_bounds(j, 0, 0, 1);
    holds(j, 0, 1);
}

/* Each is owed one outcome, and a second attempt owes another. */
static void all_are_told(journal *j)
{
    journal_owed(j, 0, 0, 3);
    told(j, 2, KAFKA_WRITTEN_NO);
    journal_delivered(j, journal_ticket(0, 0), 0, 0, KAFKA_WRITTEN_YES);
    journal_delivered(j, journal_ticket(0, 1), 0, -1, KAFKA_WRITTEN_YES); /* the broker does not know it any more */
    journal_owed(j, 0, 2, 1);
    told(j, 2, KAFKA_WRITTEN_YES);
    journal_owed(j, 0, 3, 1);
    journal_refused(j, 0, 3, 1);
    journal_log_bounds(j, 0, 0, 3);
    for (uint32_t i = 0; i < 3; i++) holds(j, i, i);
}

static void what_is_told_once_for_each_record_passes(void **state)
{
    (void)state;
    assert_string_equal(verdict(all_are_told), "");
    assert_string_equal(verdict(overtaken), "");
}

static void what_was_deleted_is_not_missed(void **state)
{
    (void)state;
    assert_string_equal(verdict(deleted_in_front), "");
    assert_string_equal(verdict(of_a_topic_that_is_gone), "");
}

static void what_a_leader_alone_acknowledged_may_be_lost_with_it(void **state)
{
    (void)state;
    assert_string_equal(verdict(lost_with_its_leader), "");
    assert_string_equal(verdict(lost_at_the_end_of_the_log), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(what_is_as_it_should_be_passes),
        MEMCHECK_TEST(each_anomaly_is_found_and_named),
        MEMCHECK_TEST(what_is_told_once_for_each_record_passes),
        MEMCHECK_TEST(what_was_deleted_is_not_missed),
        MEMCHECK_TEST(what_a_leader_alone_acknowledged_may_be_lost_with_it),
    };
    return RUNNER_MAIN(tests);
}
