/* fault_test.c: faults, as clients meet them and as their counts tell. */
#include "testing/client.h"
#include "wire/gen/metadata.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void add(kafka_cluster *c, kafka_fault f)
{
    works(kafka_cluster_add_fault(c, &f));
}

static kafka_fault error_on(int32_t api, int32_t error)
{
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_ERROR, api);
    f.error = error;
    return f;
}

/* ---- each kind --------------------------------------------------------------------------------------------------- */

static void an_error_changes_nothing(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial_leader(c, "t", 0);
    int64_t first, last;
    add(c, error_on(KAFKA_REQUEST_PRODUCE, KAFKA_ERR_NOT_ENOUGH_REPLICAS));
    assert_int_equal(write_value(conn, "a"), KAFKA_ERR_NOT_ENOUGH_REPLICAS);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_int_equal(end_of(c, "t", 0), 0);
    assert_int_equal(kafka_cluster_faults_met(c), 1);
    works(write_value(conn, "b"));
    assert_int_equal(end_of(c, "t", 0), 1);
    add(c, error_on(KAFKA_REQUEST_LIST_OFFSETS, KAFKA_ERR_LEADER_NOT_AVAILABLE));
    assert_int_equal(kafka_conn_read_offsets(conn, &first, &last), KAFKA_ERR_LEADER_NOT_AVAILABLE);
    works(kafka_conn_read_offsets(conn, &first, &last));
    assert_int_equal(last, 1);
    assert_int_equal(kafka_cluster_faults_met(c), 2);
    add(c, error_on(KAFKA_REQUEST_CREATE_TOPICS, KAFKA_ERR_NOT_CONTROLLER));
    kafka_topic_config topic = {.topic = "new"};
    assert_int_equal(kafka_conn_create_topics(conn, &topic, 1, NULL), KAFKA_ERR_NOT_CONTROLLER);
    assert_int_equal(kafka_cluster_delete_topic(c, "new"), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

static void an_error_on_a_fetch_sends_no_records_and_begins_no_session(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial_leader(c, "t", 0);
    int fd = wire_dial(c, 1);
    fetch_one f;
    wire_answer a;
    works(write_value(conn, "a"));
    add(c, error_on(KAFKA_REQUEST_FETCH, KAFKA_ERR_UNKNOWN_LEADER_EPOCH));
    fetch_of(&f, 0, 0)->session_epoch = 0;
    wire_send(fd, KFK_API_FETCH, FETCH_VERSION, 1, &f.request);
    wire_expect(fd, KFK_API_FETCH, FETCH_VERSION, 1, &a);
    assert_int_equal(((kfk_fetch_response *)a.msg)->error_code, KAFKA_ERR_UNKNOWN_LEADER_EPOCH);
    assert_int_equal(((kfk_fetch_response *)a.msg)->session_id, 0);
    assert_int_equal(fetched(&a)->error_code, KAFKA_ERR_UNKNOWN_LEADER_EPOCH);
    assert_int_equal(fetched(&a)->records.bytes.len, 0);
    wire_answer_free(&a);
    close(fd);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

static void an_old_leader_appends_and_then_says_that_it_is_none(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial_leader(c, "t", 0);
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_APPLY_THEN_ERROR, KAFKA_REQUEST_PRODUCE);
    f.error = KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
    f.count = 2;
    add(c, f);
    assert_int_equal(write_value(conn, "a"), KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE); /* an offset in the answer gives it away */
    assert_int_equal(end_of(c, "t", 0), 1);
    int fd = wire_dial(c, 1);
    produce_one p;
    wire_answer a;
    batch_bytes batch = {0};
    BATCH(&batch, .count = 3);
    wire_send(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 1, produce_of(&p, -1, 1000, &batch));
    wire_expect(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 1, &a);
    assert_int_equal(produced(&a)->error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(produced(&a)->base_offset, 1);
    wire_answer_free(&a);
    assert_int_equal(end_of(c, "t", 0), 4);
    batch_free(&batch);
    close(fd);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

static void a_request_is_dropped_with_its_connection(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial_leader(c, "t", 0);
    add(c, kafka_fault_on(KAFKA_FAULT_DROP, KAFKA_REQUEST_PRODUCE));
    assert_int_not_equal(write_value(conn, "a"), 0);
    assert_int_equal(end_of(c, "t", 0), 0);
    kafka_conn_free(conn);
    conn = dial_leader(c, "t", 0);
    add(c, kafka_fault_on(KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE));
    assert_int_not_equal(write_value(conn, "b"), 0);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    assert_int_equal(end_of(c, "t", 0), 1);
    assert_int_equal(kafka_cluster_faults_met(c), 2);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

/* A write that is sent, as request `number`, and whose answer takes longer than its deadline. Where the machine stood
 * still until that was over, nothing was sent, which calls for a later one. */
static void write_in_vain(kafka_cluster *c, kafka_conn *conn, const char *value, int64_t number)
{
    kafka_written written = KAFKA_WRITTEN_NO;
    for (int64_t within_ms = 50; written == KAFKA_WRITTEN_NO; within_ms *= 2) {
        assert_true(within_ms < PATIENCE_MS);
        kafka_conn_set_write_deadline(conn, kafka_deadline_in(within_ms));
        assert_int_equal(write_value(conn, value), KAFKA_ETIMEDOUT);
        written = kafka_last_written();
    }
    assert_int_equal(written, KAFKA_WRITTEN_MAYBE);
    expect_requests(c, KAFKA_REQUEST_PRODUCE, number);
}

static void an_answer_may_be_late(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial_leader(c, "t", 0), *other = dial_leader(c, "t", 0);
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_DELAY, KAFKA_REQUEST_PRODUCE);
    f.delay_ms = 150;
    add(c, f);
    int64_t before = kafka_now_ms();
    works(write_value(conn, "a"));
    assert_true(kafka_now_ms() - before >= 150);
    f.delay_ms = 600000;
    add(c, f);
    write_in_vain(c, conn, "b", 2);
    works(write_value(other, "c"));
    assert_int_equal(end_of(c, "t", 0), 2);
    kafka_conn_free(conn);
    kafka_conn_free(other);
    kafka_cluster_free(c);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void a_late_answer_is_late_by_all_of_the_delay_to_the_nanosecond(void **state)
{
    (void)state;
    enum { DELAY_MS = 1, TRIES = 400 };
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial_leader(c, "t", 0);
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_DELAY, KAFKA_REQUEST_PRODUCE);
    f.delay_ms = DELAY_MS;
    f.count = TRIES;
    add(c, f);
    for (int i = 0; i < TRIES; i++) {
        int64_t before = now_ns();
        works(write_value(conn, "a"));
        assert_in_range(now_ns() - before, DELAY_MS * 1000000, INT64_MAX);
    }
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

static void a_request_may_never_be_answered(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial_leader(c, "t", 0);
    add(c, kafka_fault_on(KAFKA_FAULT_SILENCE, KAFKA_REQUEST_PRODUCE));
    write_in_vain(c, conn, "a", 1);
    assert_int_equal(end_of(c, "t", 0), 0);
    kafka_conn_free(conn);
    int fd = wire_dial(c, 1);
    kfk_metadata_request m;
    kfk_codec_default(&kfk_metadata_request_schema, &m);
    add(c, kafka_fault_on(KAFKA_FAULT_SILENCE, KAFKA_REQUEST_METADATA));
    wire_send(fd, KFK_API_METADATA, 9, 1, &m);
    wire_send(fd, KFK_API_METADATA, 9, 2, &m); /* nothing that comes behind it is answered either */
    expect_requests(c, KAFKA_REQUEST_METADATA, 1);
    struct pollfd quiet = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&quiet, 1, 100), 0);
    close(fd);
    expect_sessions(c, 0); /* but the broker notices that the client has gone */
    kafka_cluster_free(c);
}

static void an_answer_may_break_off(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kfk_metadata_request m;
    kfk_codec_default(&kfk_metadata_request_schema, &m);
    static const int64_t cuts[] = {0, 1, 4, 9};
    for (size_t i = 0; i < 4; i++) {
        kafka_fault f = kafka_fault_on(KAFKA_FAULT_TRUNCATE, KAFKA_REQUEST_METADATA);
        int fd = wire_dial(c, 1);
        char got[64];
        int64_t len = 0;
        f.bytes = cuts[i];
        add(c, f);
        wire_send(fd, KFK_API_METADATA, 9, 1, &m);
        for (ssize_t n; (n = recv(fd, got, sizeof got, 0)) > 0;) len += n;
        assert_int_equal(len, cuts[i]);
        close(fd);
    }
    kafka_fault whole = kafka_fault_on(KAFKA_FAULT_TRUNCATE, KAFKA_REQUEST_METADATA); /* more than there is */
    wire_answer a;
    int fd = wire_dial(c, 1);
    whole.bytes = 1 << 20;
    add(c, whole);
    wire_send(fd, KFK_API_METADATA, 9, 1, &m);
    wire_expect(fd, KFK_API_METADATA, 9, 1, &a);
    wire_answer_free(&a);
    wire_expect_end(fd);
    kafka_conn_free(dial(c));
    kafka_cluster_free(c);
}

static void what_has_no_answer_loses_its_connection(void **state)
{
    (void)state;
    static const kafka_fault_kind kinds[] = {KAFKA_FAULT_ERROR, KAFKA_FAULT_APPLY_THEN_ERROR, KAFKA_FAULT_DROP,
                                             KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_FAULT_TRUNCATE};
    static const int64_t applied[] = {0, 1, 0, 1, 1};
    batch_bytes batch = {0};
    BATCH(&batch, .count = 1);
    for (size_t i = 0; i < 5; i++) {
        kafka_cluster *c = cluster_with(1, 1);
        int fd = wire_dial(c, 1);
        produce_one p;
        kafka_fault f = kafka_fault_on(kinds[i], KAFKA_REQUEST_PRODUCE);
        f.error = KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
        add(c, f);
        wire_send(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 1, produce_of(&p, 0, 1000, &batch));
        wire_expect_end(fd);
        assert_int_equal(end_of(c, "t", 0), applied[i]);
        kafka_cluster_free(c);
    }
    batch_free(&batch);
}

/* ---- which requests ---------------------------------------------------------------------------------------------- */

static void a_fault_may_be_for_a_topic_a_partition_a_broker(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(2, 4); /* partitions 0 and 2 are led by broker 1 */
    works(kafka_cluster_create_topic(c, "u", 1));
    kafka_conn *conns[4], *other = dial_leader(c, "u", 0);
    for (int32_t i = 0; i < 4; i++) conns[i] = dial_leader(c, "t", i);
    kafka_fault f = error_on(KAFKA_REQUEST_PRODUCE, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    f.topic = "t";
    f.count = KAFKA_NEVER;
    add(c, f);
    works(write_value(other, "x"));
    for (int i = 0; i < 4; i++) assert_int_equal(write_value(conns[i], "x"), f.error);
    kafka_cluster_clear_faults(c);
    f.partition = 2;
    add(c, f);
    for (int i = 0; i < 4; i++) assert_int_equal(write_value(conns[i], "x"), i == 2 ? f.error : 0);
    kafka_cluster_clear_faults(c);
    f.partition = -1;
    f.topic = NULL;
    f.broker = 2;
    add(c, f);
    for (int i = 0; i < 4; i++) assert_int_equal(write_value(conns[i], "x"), i % 2 ? f.error : 0);
    kafka_cluster_clear_faults(c);
    f.broker = -1;
    f.partition = 0; /* of any topic */
    add(c, f);
    assert_int_equal(write_value(other, "x"), f.error);
    for (int i = 0; i < 4; i++) assert_int_equal(write_value(conns[i], "x"), i == 0 ? f.error : 0);
    assert_int_equal(kafka_cluster_faults_met(c), 4 + 1 + 2 + 2);
    kafka_cluster_clear_faults(c);
    works(write_value(conns[0], "x"));
    for (int i = 0; i < 4; i++) kafka_conn_free(conns[i]);
    kafka_conn_free(other);
    kafka_cluster_free(c);
}

/* Every API that names topics is found by the topic, whether a version names it or gives its id. */
static void other_requests_are_found_by_their_topic_too(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial_leader(c, "t", 0);
    kafka_partitions *list = NULL;
    kafka_batch *batch = NULL;
    static const char *const names[] = {"t"};
    int64_t first, last;
    kafka_fault f = error_on(-1, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    f.topic = "t";
    add(c, f);
    assert_int_not_equal(kafka_conn_read_offsets(conn, &first, &last), 0);
    add(c, f);
    assert_int_not_equal(kafka_conn_read_batch(conn, NULL, &batch), 0);
    f.error = KAFKA_ERR_INVALID_TOPIC;
    add(c, f);
    assert_int_not_equal(kafka_conn_read_partitions(conn, names, 1, &list), 0);
    add(c, f);
    assert_int_not_equal(kafka_conn_delete_topics(conn, names, 1, NULL), 0);
    assert_int_equal(kafka_cluster_faults_met(c), 4);
    f.topic = "other";
    f.count = KAFKA_NEVER;
    add(c, f);
    works(kafka_conn_read_offsets(conn, &first, &last));
    works(kafka_conn_delete_topics(conn, names, 1, NULL));
    assert_int_equal(kafka_cluster_faults_met(c), 4);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

static void faults_are_met_in_the_order_of_adding_and_as_often_as_was_said(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial_leader(c, "t", 0);
    kafka_fault two = error_on(KAFKA_REQUEST_PRODUCE, KAFKA_ERR_NOT_ENOUGH_REPLICAS);
    two.count = 2;
    add(c, two);
    add(c, error_on(KAFKA_REQUEST_PRODUCE, KAFKA_ERR_KAFKA_STORAGE_ERROR));
    add(c, (kafka_fault){.kind = KAFKA_FAULT_DROP, .api = -1, .broker = -1, .partition = -1}); /* count 0: none */
    static const int expected[] = {KAFKA_ERR_NOT_ENOUGH_REPLICAS, KAFKA_ERR_NOT_ENOUGH_REPLICAS,
                                   KAFKA_ERR_KAFKA_STORAGE_ERROR, 0};
    for (int i = 0; i < 4; i++) assert_int_equal(write_value(conn, "x"), expected[i]);
    assert_int_equal(kafka_cluster_faults_met(c), 3);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_DROP, KAFKA_REQUEST_FETCH);
    assert_true(f.count == 1 && f.kind == KAFKA_FAULT_DROP && f.api == 1 && f.broker == -1 && f.partition == -1);
    assert_true(f.topic == NULL && f.error == 0 && f.delay_ms == 0 && f.bytes == 0);
#define REFUSED(part, ...)                                                         \
    do {                                                                           \
        kafka_fault wrong = kafka_fault_on(KAFKA_FAULT_DROP, KAFKA_REQUEST_FETCH); \
        __VA_ARGS__;                                                               \
        fails(kafka_cluster_add_fault(c, &wrong), KAFKA_EINVAL, part);             \
    } while (0)
    REFUSED("kind", wrong.kind = 0);
    REFUSED("kind", wrong.kind = 8);
    REFUSED("count", wrong.count = -2);
    REFUSED("delay_ms", wrong.delay_ms = -1);
    REFUSED("bytes", wrong.bytes = -1);
    REFUSED("error", wrong.error = 40000);
    REFUSED("api", wrong.api = -2);
    REFUSED("api", wrong.api = 1000);
    REFUSED("reserved", wrong.reserved = 1);
    fails(kafka_cluster_add_fault(c, NULL), KAFKA_EINVAL, "NULL");
    for (int i = 0; i < KFT_MOST_FAULTS; i++) add(c, f);
    fails(kafka_cluster_add_fault(c, &f), KAFKA_EAGAIN, "too many");
    kafka_cluster_clear_faults(c);
    add(c, f);
    kafka_cluster_free(c);
}

static void what_a_request_has_met_goes_on_when_faults_are_cleared(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int fd = wire_dial(c, 1);
    kfk_metadata_request m;
    wire_answer a;
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_DELAY, -1);
    int64_t before = kafka_now_ms();
    f.delay_ms = 200;
    add(c, f);
    kfk_codec_default(&kfk_metadata_request_schema, &m);
    wire_send(fd, KFK_API_METADATA, 9, 1, &m);
    expect_requests(c, -1, 1);
    kafka_cluster_clear_faults(c);
    wire_expect(fd, KFK_API_METADATA, 9, 1, &a);
    assert_true(kafka_now_ms() - before >= 200);
    wire_answer_free(&a);
    close(fd);
    kafka_cluster_free(c);
}

static void a_slow_disk_delays_writes_of_one_broker_and_loses_none(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(2, 2);
    kafka_conn *slow = dial_leader(c, "t", 0), *fast = dial_leader(c, "t", 1);
    works(kafka_cluster_set_disk_delay(c, 1, 200));
    int64_t before = kafka_now_ms();
    works(write_value(slow, "a"));
    assert_true(kafka_now_ms() - before >= 200);
    works(kafka_cluster_set_disk_delay(c, 1, 60000));
    works(write_value(fast, "b"));
    assert_true(kafka_now_ms() - before < 60000);
    works(kafka_cluster_set_disk_delay(c, 1, 4000)); /* much longer than the client may be late */
    write_in_vain(c, slow, "c", 3);
    kafka_conn_free(slow); /* what came is written all the same, if nobody waits for it */
    for (int64_t until = kafka_deadline_in(PATIENCE_MS); end_of(c, "t", 0) != 2;) assert_true(kafka_now_ms() < until);
    kafka_conn_free(fast);
    kafka_cluster_free(c);
}

static void delays_add_up_to_for_ever_at_most(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int fd = wire_dial(c, 1);
    produce_one p;
    batch_bytes batch = {0};
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_DELAY, KAFKA_REQUEST_PRODUCE);
    f.delay_ms = INT64_MAX;
    add(c, f);
    works(kafka_cluster_set_disk_delay(c, 1, INT64_MAX));
    BATCH(&batch, .count = 1);
    wire_send(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 1, produce_of(&p, 1, 1000, &batch));
    expect_requests(c, KAFKA_REQUEST_PRODUCE, 1);
    assert_int_equal(end_of(c, "t", 0), 0);
    assert_true(wire_is_quiet(fd));
    batch_free(&batch);
    close(fd);
    kafka_cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(an_error_changes_nothing),
        MEMCHECK_TEST(an_error_on_a_fetch_sends_no_records_and_begins_no_session),
        MEMCHECK_TEST(an_old_leader_appends_and_then_says_that_it_is_none),
        MEMCHECK_TEST(a_request_is_dropped_with_its_connection),
        MEMCHECK_TEST(an_answer_may_be_late),
        MEMCHECK_TEST(a_late_answer_is_late_by_all_of_the_delay_to_the_nanosecond),
        MEMCHECK_TEST(a_request_may_never_be_answered),
        MEMCHECK_TEST(an_answer_may_break_off),
        MEMCHECK_TEST(what_has_no_answer_loses_its_connection),
        MEMCHECK_TEST(a_fault_may_be_for_a_topic_a_partition_a_broker),
        MEMCHECK_TEST(other_requests_are_found_by_their_topic_too),
        MEMCHECK_TEST(faults_are_met_in_the_order_of_adding_and_as_often_as_was_said),
        MEMCHECK_TEST(what_cannot_be_is_refused),
        MEMCHECK_TEST(what_a_request_has_met_goes_on_when_faults_are_cleared),
        MEMCHECK_TEST(a_slow_disk_delays_writes_of_one_broker_and_loses_none),
        MEMCHECK_TEST(delays_add_up_to_for_ever_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
