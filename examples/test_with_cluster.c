/* A test of an application that writes to Kafka, with a Kafka in its own process. Build it with
 *
 *     cc test_with_cluster.c -o test $(pkg-config --cflags --libs libkafka-testing) */
#include <kafka/testing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the application: notes what was ordered --------------------------------------------------------------------- */

typedef enum { NOTED, NOT_NOTED, UNKNOWN } outcome;

/* Tries again what may pass, for as long as it has; says UNKNOWN when the order may or may not be in the log. */
static outcome note_order(const char *brokers, const char *order, int64_t deadline)
{
    do {
        kafka_conn *conn;
        int err = kafka_dial_leader(NULL, KAFKA_WITHIN(1000), brokers, "orders", 0, &conn);
        if (err != 0) {
            poll(NULL, 0, 20); /* nobody is there at the moment */
            continue;
        }
        kafka_conn_set_deadline(conn, deadline);
        err = kafka_conn_write(conn, order, strlen(order));
        int32_t written = err == 0 ? KAFKA_WRITTEN_YES : kafka_last_written();
        kafka_conn_free(conn);
        if (written == KAFKA_WRITTEN_YES) return NOTED;
        if (written == KAFKA_WRITTEN_MAYBE) return UNKNOWN;
        if (!kafka_err_is_temporary(err)) break;
    } while (kafka_now_ms() < deadline);
    return NOT_NOTED;
}

/* ---- its test ---------------------------------------------------------------------------------------------------- */

#define CHECK(condition)                                                                                 \
    do {                                                                                                 \
        if (!(condition)) {                                                                              \
            fprintf(stderr, "%s:%d: %s does not hold; last error: %s\n", __FILE__, __LINE__, #condition, \
                    kafka_last_error());                                                                 \
            exit(1);                                                                                     \
        }                                                                                                \
    } while (0)

static kafka_cluster *cluster;

static outcome note(const char *order)
{
    return note_order(kafka_cluster_bootstrap(cluster), order, kafka_deadline_in(30000));
}

/* The messages that have arrived are these, each followed by a blank. */
static void expect_orders(const char *expected)
{
    char all[256] = "";
    int64_t end;
    kafka_conn *conn;
    CHECK(kafka_cluster_log_size(cluster, "orders", 0, NULL, &end) == 0);
    CHECK(kafka_dial_leader(NULL, KAFKA_WITHIN(30000), kafka_cluster_bootstrap(cluster), "orders", 0, &conn) == 0);
    kafka_conn_set_deadline(conn, kafka_deadline_in(30000));
    for (int64_t i = 0; i < end; i++) {
        kafka_message *m;
        CHECK(kafka_conn_read_message(conn, 0, &m) == 0);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%.*s ", (int)m->value.len, (const char *)m->value.data);
        kafka_message_free(m);
    }
    kafka_conn_free(conn);
    if (strcmp(all, expected) != 0) fprintf(stderr, "the log holds: %s\n", all);
    CHECK(strcmp(all, expected) == 0);
}

static void orders_arrive(void)
{
    CHECK(note("tea") == NOTED);
    expect_orders("tea ");
}

static void a_broker_that_refuses_for_a_moment_is_asked_again(void)
{
    kafka_fault fault = kafka_fault_on(KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE);
    fault.error = KAFKA_ERR_NOT_ENOUGH_REPLICAS;
    fault.count = 2;
    CHECK(kafka_cluster_add_fault(cluster, &fault) == 0);
    CHECK(note("milk") == NOTED);
    CHECK(kafka_cluster_faults_met(cluster) == 2);
    expect_orders("tea milk ");
}

static void a_lost_answer_does_not_write_an_order_twice(void)
{
    kafka_fault fault = kafka_fault_on(KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE);
    int64_t before = kafka_cluster_requests(cluster, KAFKA_REQUEST_PRODUCE);
    CHECK(kafka_cluster_add_fault(cluster, &fault) == 0);
    CHECK(note("sugar") == UNKNOWN);
    CHECK(kafka_cluster_requests(cluster, KAFKA_REQUEST_PRODUCE) == before + 1);
    expect_orders("tea milk sugar ");
}

static void a_leader_that_dies_is_replaced(void)
{
    int32_t leader;
    CHECK(kafka_cluster_leader(cluster, "orders", 0, &leader) == 0);
    CHECK(kafka_cluster_stop_broker(cluster, leader) == 0);
    CHECK(note("cups") == NOTED);
    CHECK(kafka_cluster_start_broker(cluster, leader) == 0);
    expect_orders("tea milk sugar cups ");
}

int main(void)
{
    kafka_cluster_config config = {.brokers = 3};
    CHECK(kafka_cluster_new(&config, &cluster) == 0);
    CHECK(kafka_cluster_create_topic(cluster, "orders", 1) == 0);
    orders_arrive();
    a_broker_that_refuses_for_a_moment_is_asked_again();
    a_lost_answer_does_not_write_an_order_twice();
    a_leader_that_dies_is_replaced();
    kafka_cluster_free(cluster);
    puts("ok");
    return 0;
}
