/* memory_test.c: each allocation of cluster and client fails once, and those of the cluster from some point on.
 *
 * Whichever it is: nothing ends the process, nothing hangs, nothing leaks; a writer whose message was not taken is
 * told; what was acknowledged is there; and the cluster works afterwards. */
#include "testing/client.h"
#include "wire/gen/produce.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEADLINE_MS = 20000 };

/* It may fail, but not by waiting for an answer that never comes. */
static int soon(int code)
{
    if (code == KAFKA_ETIMEDOUT) fail_msg("something hangs: %s", kafka_last_error());
    if (code != 0 && !memcheck_failed()) fail_msg("without any failure: %s", kafka_last_error());
    return code;
}

/* What users do; each step whatever became of those before. Returns how many messages were acknowledged. */
static int64_t use(kafka_cluster *c)
{
    kafka_conn *conn = NULL;
    kafka_message *m = NULL;
    kafka_partitions *list = NULL;
    int64_t acknowledged = 0, first, last;
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_DROP, KAFKA_REQUEST_END_TXN);
    static const char *const gone[] = {"made"};
    kafka_topic_config made = {.topic = "made", .num_partitions = 2, .replication_factor = 1};
    f.topic = "t";
    soon(kafka_cluster_add_fault(c, &f));
    soon(kafka_cluster_create_topic(c, "another", 3));
    if (soon(kafka_dial_leader(NULL, KAFKA_WITHIN(DEADLINE_MS), kafka_cluster_bootstrap(c), "t", 0, &conn)) == 0) {
        kafka_conn_set_deadline(conn, kafka_deadline_in(DEADLINE_MS));
        for (int i = 0; i < 3; i++) acknowledged += soon(kafka_conn_write(conn, "v", 1)) == 0;
        soon(kafka_conn_read_offsets(conn, &first, &last));
        if (soon(kafka_conn_read_partitions(conn, NULL, 0, &list)) == 0) kafka_partitions_free(list);
        if (acknowledged > 0 && soon(kafka_conn_read_message(conn, 0, &m)) == 0) kafka_message_free(m);
        soon(kafka_conn_create_topics(conn, &made, 1, NULL));
        int code = kafka_conn_delete_topics(conn, gone, 1, NULL);
        assert_int_not_equal(code, KAFKA_ETIMEDOUT);
        kafka_conn_free(conn);
    }
    soon(kafka_cluster_move_leader(c, "t", 0, 2));
    soon(kafka_cluster_stop_broker(c, 2));
    soon(kafka_cluster_start_broker(c, 2));
    kafka_cluster_clear_faults(c);
    return acknowledged;
}

static void each_allocation_may_fail_once(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kafka_cluster *c = NULL;
        int code = kafka_cluster_new(&(kafka_cluster_config){.brokers = 2}, &c);
        if (code != 0) {
            assert_int_equal(code, KAFKA_ENOMEM);
            assert_true(memcheck_failed());
            assert_null(c);
        } else {
            soon(kafka_cluster_create_topic(c, "t", 1));
            int64_t acknowledged = use(c), end;
            bool failed = memcheck_failed();
            memcheck_fail_at(0);
            if (kafka_cluster_log_size(c, "t", 0, NULL, &end) != 0) works(kafka_cluster_create_topic(c, "t", 1));
            end = end_of(c, "t", 0);
            assert_true(end >= acknowledged);
            if (kafka_cluster_start_broker(c, 1) != 0 || kafka_cluster_start_broker(c, 2) != 0)
                fail_msg("a broker does not start again: %s", kafka_last_error());
            kafka_conn *conn = dial_leader(c, "t", 0);
            works(write_value(conn, "afterwards"));
            assert_int_equal(end_of(c, "t", 0), end + 1);
            kafka_conn_free(conn);
            memcheck_fail_at(failed ? 1 : 0); /* the loop over failures asks whether there was one ... */
            if (failed) kafka_cluster_create_topic(c, "x", 1);
            assert_int_equal(memcheck_failed(), failed);
        }
        kafka_cluster_free(c);
    }
}

/* With raw frames, so that only the cluster is without memory. */
static void a_cluster_without_memory_refuses_or_hangs_up(void **state)
{
    (void)state;
    batch_bytes batch = {0};
    produce_one p;
    size_t len;
    BATCH(&batch, .count = 1, .value_size = 100);
    uint8_t *request = wire_encode(KFK_API_PRODUCE, PRODUCE_VERSION, 1, produce_of(&p, -1, 1000, &batch), &len);
    for (size_t n = 1; n <= 40; n++) {
        kafka_cluster *c = cluster_with(1, 1);
        int fd = wire_dial(c, 1);
        wire_answer a;
        expect_sessions(c, 1);
        memcheck_fail_from(n);
        wire_send_bytes(fd, request, len);
        uint8_t byte;
        ssize_t got = recv(fd, &byte, 1, MSG_PEEK); /* an answer or the end, and nothing in between for long */
        memcheck_fail_at(0);
        if (got > 0) {
            wire_expect(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 1, &a);
            int16_t code = produced(&a)->error_code;
            assert_true(code == 0 || code == KAFKA_ERR_KAFKA_STORAGE_ERROR || code == KAFKA_ERR_UNKNOWN);
            assert_int_equal(end_of(c, "t", 0), code == 0);
            wire_answer_free(&a);
        }
        close(fd);
        fd = wire_dial(c, 1);
        wire_send_bytes(fd, request, len);
        wire_expect(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 1, &a);
        assert_int_equal(produced(&a)->error_code, 0);
        wire_answer_free(&a);
        close(fd);
        kafka_cluster_free(c);
    }
    free(request);
    batch_free(&batch);
}

static void a_cluster_ends_without_memory(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(2, 1);
    memcheck_fail_from(1);
    kafka_cluster_free(c);
    memcheck_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(each_allocation_may_fail_once),
        MEMCHECK_TEST(a_cluster_without_memory_refuses_or_hangs_up),
        MEMCHECK_TEST(a_cluster_ends_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
