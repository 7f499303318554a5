/* Outcomes are counted, the failures worth telling are found, and a report has a line for each message. */
#include "support/memcheck.h"

#include "delivery.h"
#include <kafka/kafka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A run of messages from a number on, of partition 1, with one outcome; what the library last said is `why`. */
static void tell(kc_delivery *d, uint64_t number, size_t count, int64_t offset, kafka_written written, int err)
{
    kafka_message m[8] = {0};
    assert_in_range(count, 1, 8);
    for (size_t i = 0; i < count; i++)
        m[i] = (kafka_message){.userdata = (void *)(uintptr_t)(number + i),
                               .partition = 1,
                               .offset = offset < 0 ? -1 : offset + (int64_t)i,
                               .written = written};
    kc_delivery_told(d, m, count, err);
}

/* Makes kafka_last_error() say something. */
static void fail_once(void)
{
    kafka_balancer_balance(NULL, NULL, NULL, 0);
}

static void each_outcome_is_counted_where_it_belongs(void **state)
{
    (void)state;
    kc_delivery *d = kc_delivery_new(false);
    kc_failed f;
    tell(d, 1, 8, 0, KAFKA_WRITTEN_YES, 0);
    assert_false(kc_delivery_next_failure(d, &f));
    tell(d, 9, 3, -1, KAFKA_WRITTEN_NO, KAFKA_ERR_MESSAGE_TOO_LARGE);
    tell(d, 12, 2, -1, KAFKA_WRITTEN_MAYBE, KAFKA_ETIMEDOUT);
    tell(d, 14, 1, 8, KAFKA_WRITTEN_YES, 0);
    kc_delivery_refused(d, 15, KAFKA_ETOOBIG);
    kc_counts c = kc_delivery_counts(d);
    assert_int_equal(c.acknowledged, 9);
    assert_int_equal(c.failed, 4);
    assert_int_equal(c.unknown, 2);
    kc_delivery_free(d);
}

static void the_first_failure_is_told_once_with_its_reason(void **state)
{
    (void)state;
    kc_delivery *d = kc_delivery_new(false);
    kc_failed f;
    fail_once();
    tell(d, 7, 2, -1, KAFKA_WRITTEN_MAYBE, KAFKA_ETIMEDOUT);
    tell(d, 9, 2, -1, KAFKA_WRITTEN_NO, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_true(kc_delivery_next_failure(d, &f));
    assert_int_equal(f.err, KAFKA_ETIMEDOUT);
    assert_int_equal(f.number, 7);
    assert_int_equal(f.partition, 1);
    assert_int_equal(f.written, KAFKA_WRITTEN_MAYBE);
    assert_string_equal(f.why, kafka_last_error());
    assert_false(kc_delivery_next_failure(d, &f));
    kc_delivery_free(d);
}

static void a_message_that_is_refused_for_itself_does_not_stop_the_others(void **state)
{
    (void)state;
    static const int own[] = {KAFKA_ERR_MESSAGE_TOO_LARGE, KAFKA_ERR_RECORD_LIST_TOO_LARGE, KAFKA_ERR_INVALID_RECORD,
                              KAFKA_ERR_INVALID_TIMESTAMP, KAFKA_ETOOBIG};
    kc_delivery *d = kc_delivery_new(false);
    kc_failed f;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) tell(d, i + 1, 1, -1, KAFKA_WRITTEN_NO, own[i]);
    assert_false(kc_delivery_is_hopeless(d));
    assert_true(kc_delivery_next_failure(d, &f));
    assert_int_equal(f.number, 1);
    assert_false(kc_delivery_next_failure(d, &f));
    tell(d, 20, 1, -1, KAFKA_WRITTEN_NO, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION); /* what ends it is told, too */
    assert_true(kc_delivery_is_hopeless(d));
    assert_true(kc_delivery_next_failure(d, &f));
    assert_int_equal(f.number, 20);
    assert_false(kc_delivery_next_failure(d, &f));
    kc_delivery_free(d);
}

/* What kc_delivery_report prints. */
static void expect_report(kc_delivery *d, const char *expected)
{
    char text[512];
    int ends[2], saved = dup(STDOUT_FILENO);
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    kc_delivery_report(d);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_string_equal(text, expected);
}

static void the_report_has_a_line_for_each_message(void **state)
{
    (void)state;
    kc_delivery *d = kc_delivery_new(true);
    tell(d, 1, 2, 41, KAFKA_WRITTEN_YES, 0);
    tell(d, 3, 1, -1, KAFKA_WRITTEN_MAYBE, 0); /* acks none */
    tell(d, 4, 1, -1, KAFKA_WRITTEN_MAYBE, KAFKA_ETIMEDOUT);
    kc_delivery_refused(d, 5, KAFKA_ETOOBIG);
    expect_report(d, "1 1 41 yes OK\n"
                     "2 1 42 yes OK\n"
                     "3 1 - maybe OK\n"
                     "4 1 - maybe ETIMEDOUT\n"
                     "5 - - no ETOOBIG\n");
    expect_report(d, "");
    tell(d, 6, 1, 43, KAFKA_WRITTEN_YES, 0);
    expect_report(d, "6 1 43 yes OK\n");
    kc_delivery_free(d);
}

static void there_are_no_lines_that_nobody_asked_for(void **state)
{
    (void)state;
    kc_delivery *d = kc_delivery_new(false);
    tell(d, 1, 2, 41, KAFKA_WRITTEN_YES, 0);
    expect_report(d, "");
    kc_delivery_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_outcome_is_counted_where_it_belongs),
        cmocka_unit_test(the_first_failure_is_told_once_with_its_reason),
        cmocka_unit_test(a_message_that_is_refused_for_itself_does_not_stop_the_others),
        cmocka_unit_test(the_report_has_a_line_for_each_message),
        cmocka_unit_test(there_are_no_lines_that_nobody_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
