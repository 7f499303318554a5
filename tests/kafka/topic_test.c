/* topic_test.c: creating and deleting topics, and what is told about topics and brokers, next to what kcat is told. */
#include "kafka/peers.h"

#include <stdlib.h>
#include <string.h>

static kafka_conn *dial(void)
{
    kafka_conn *conn = NULL;
    assert_ok(kafka_dial(NULL, NULL, peers_brokers(), &conn));
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    return conn;
}

static void brokers_and_controller_are_those_that_kcat_lists(void **state)
{
    (void)state;
    kafka_conn *conn = dial();
    kafka_brokers *brokers = NULL;
    kafka_broker *controller = NULL;
    text out = peers_run("kcat", "-L", "-b", peers_brokers(), "-t", peers_topic("listed", 1, NULL));
    char line[400];
    assert_ok(kafka_conn_brokers(conn, &brokers));
    assert_true(brokers->count >= 1);
    snprintf(line, sizeof line, "\n %zu brokers:\n", brokers->count);
    assert_text_has(out.data, line);
    assert_ok(kafka_conn_controller(conn, &controller));
    bool listed = false;
    for (size_t i = 0; i < brokers->count; i++) {
        const kafka_broker *b = &brokers->items[i];
        snprintf(line, sizeof line, "\n  broker %d at %s:%d", b->id, b->host, b->port);
        assert_text_has(out.data, line);
        assert_non_null(b->rack); /* the harness gives each node one */
        snprintf(line, sizeof line, "rack%d", b->id);
        assert_string_equal(b->rack, line);
        if (controller->id == b->id) { /* for clients that is any node, when there are several */
            listed = true;
            assert_string_equal(controller->host, b->host);
            assert_int_equal(controller->port, b->port);
        }
    }
    assert_true(listed);
    text_free(&out);
    kafka_broker_free(controller);
    kafka_brokers_free(brokers);
    kafka_conn_free(conn);
}

static void partitions_are_those_that_kcat_lists(void **state)
{
    (void)state;
    const char *topic = peers_topic("partitions", 5, NULL);
    kafka_conn *conn = dial();
    kafka_partitions *partitions = NULL, *looked_up = NULL;
    text out = peers_run("kcat", "-L", "-b", peers_brokers(), "-t", topic), want = {0};
    assert_ok(kafka_conn_read_partitions(conn, &topic, 1, &partitions));
    assert_ok(kafka_lookup_partitions(NULL, NULL, peers_brokers(), topic, &looked_up));
    assert_int_equal(partitions->count, 5);
    assert_int_equal(looked_up->count, 5);
    text_addf(&want, "  topic \"%s\" with 5 partitions:\n", topic);
    for (int i = 0; i < 5; i++) {
        const kafka_partition *p = &partitions->items[i];
        assert_string_equal(p->topic, topic);
        assert_int_equal(p->id, i);
        assert_int_equal(p->error, 0);
        assert_int_equal(p->internal, 0);
        assert_true(p->leader_epoch >= 0);
        assert_int_equal(p->replica_count, 1);
        assert_int_equal(p->isr_count, 1);
        assert_int_equal(p->offline_count, 0);
        assert_int_equal(looked_up->items[i].leader.id, p->leader.id);
        assert_memory_equal(looked_up->items[i].topic_id, p->topic_id, 16);
        text_addf(&want, "    partition %d, leader %d, replicas: %d, isrs: %d\n", i, p->leader.id, p->replicas[0].id,
                  p->isr[0].id);
    }
    assert_text_has(out.data, want.data);
    text_free(&want);
    text_free(&out);
    kafka_partitions_free(partitions);
    kafka_partitions_free(looked_up);
    kafka_conn_free(conn);
}

static void a_topic_that_exists_is_created_again_without_a_change(void **state)
{
    (void)state;
    const char *topic = peers_topic("exists", 2, NULL);
    kafka_conn *conn = dial();
    kafka_partitions *partitions = NULL;
    int result = 77;
    kafka_topic_config cfg = {.topic = topic, .num_partitions = 4, .replication_factor = 1};
    assert_ok(kafka_conn_create_topics(conn, &cfg, 1, &result));
    assert_int_equal(result, 0);
    assert_ok(kafka_conn_read_partitions(conn, &topic, 1, &partitions));
    assert_int_equal(partitions->count, 2);
    kafka_partitions_free(partitions);
    kafka_conn_free(conn);
}

static void each_of_several_topics_has_its_own_result_and_the_brokers_words_are_told(void **state)
{
    (void)state;
    const char *good = peers_name("good");
    kafka_conn *conn = dial();
    const kafka_config_entry wrong = {"retention.ms", "not a number"};
    const kafka_topic_config list[] = {
        {.topic = "not a name!", .num_partitions = 1, .replication_factor = 1},
        {.topic = good, .num_partitions = 1, .replication_factor = 1},
        {.topic = peers_name("setting"),
         .num_partitions = 1,
         .replication_factor = 1,
         .entries = &wrong,
         .entry_count = 1},
        {.topic = peers_name("copies"), .num_partitions = 1, .replication_factor = 99},
    };
    int results[4] = {77, 77, 77, 77};
    assert_int_equal(kafka_conn_create_topics(conn, list, 4, results), KAFKA_ERR_INVALID_TOPIC);
    assert_text_has(kafka_last_error(), "not a name!");
    assert_text_has(kafka_last_error(), "ASCII alphanumerics"); /* which no text of ours says */
    assert_int_equal(results[0], KAFKA_ERR_INVALID_TOPIC);
    assert_int_equal(results[1], 0);
    assert_int_equal(results[2], KAFKA_ERR_INVALID_CONFIG);
    assert_int_equal(results[3], KAFKA_ERR_INVALID_REPLICATION_FACTOR);
    assert_ok(kafka_conn_delete_topics(conn, &good, 1, NULL));
    kafka_conn_free(conn);
}

static void a_deleted_topic_is_gone_and_an_unknown_one_is_an_error(void **state)
{
    (void)state;
    const char *topic = peers_topic("deleted", 1, NULL), *unknown = peers_name("unknown");
    const char *both[] = {unknown, topic};
    kafka_conn *conn = dial();
    kafka_partitions *partitions = NULL;
    int results[2] = {77, 77}, err;
    assert_int_equal(kafka_conn_delete_topics(conn, both, 2, results), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_text_has(kafka_last_error(), unknown);
    assert_int_equal(results[0], KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(results[1], 0);
    while ((err = kafka_conn_read_partitions(conn, &topic, 1, &partitions)) ==
           0) /* until this broker has heard of it */
        kafka_partitions_free(partitions);
    assert_int_equal(err, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(kafka_conn_delete_topics(conn, &topic, 1, NULL), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(kafka_lookup_partitions(NULL, NULL, peers_brokers(), topic, &partitions),
                     KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    text out = peers_run("kcat", "-L", "-b", peers_brokers());
    assert_null(strstr(out.data, topic));
    text_free(&out);
    kafka_conn_free(conn);
}

static void a_topic_or_partition_that_is_not_there_is_told_within_the_limits(void **state)
{
    (void)state;
    const char *topic = peers_topic("there", 1, NULL);
    const char *unknown = peers_name("unknown");
    kafka_dialer dialer = {.timeout_ms = 5000};
    kafka_conn *conn = NULL;
    int64_t start = kafka_now_ms();
    assert_int_equal(kafka_dial_leader(&dialer, NULL, peers_brokers(), unknown, 0, &conn),
                     KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_text_has(kafka_last_error(), unknown);
    assert_int_equal(kafka_dial_leader(&dialer, NULL, peers_brokers(), topic, 7, &conn),
                     KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_text_has(kafka_last_error(), topic);
    int64_t took = kafka_now_ms() - start;
    print_message("two dials within 5000 ms each: %d ms\n", (int)took);
    assert_true(took < 2 * 5000 + PATIENCE_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brokers_and_controller_are_those_that_kcat_lists),
        cmocka_unit_test(partitions_are_those_that_kcat_lists),
        cmocka_unit_test(a_topic_that_exists_is_created_again_without_a_change),
        cmocka_unit_test(each_of_several_topics_has_its_own_result_and_the_brokers_words_are_told),
        cmocka_unit_test(a_deleted_topic_is_gone_and_an_unknown_one_is_an_error),
        cmocka_unit_test(a_topic_or_partition_that_is_not_there_is_told_within_the_limits),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
