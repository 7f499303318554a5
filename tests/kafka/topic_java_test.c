/* topic_java_test.c: topics with settings and assignments, as Java's TopicCommand describes them. */
#include "kafka/peers.h"

#include <string.h>

/* A topic id as Java writes it: base64 for URLs. */
static void format_id(const uint8_t id[16], char out[23])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < 22; i++) {
        unsigned bits = 0;
        for (size_t b = i * 6; b < i * 6 + 6; b++)
            bits = bits << 1 | (b < 128 ? (unsigned)id[b / 8] >> (7 - b % 8) & 1 : 0);
        out[i] = digits[bits];
    }
    out[22] = '\0';
}

static void topics_are_as_we_asked_and_described_as_we_describe_them(void **state)
{
    (void)state;
    kafka_conn *conn = NULL;
    kafka_brokers *brokers = NULL;
    kafka_partitions *partitions = NULL;
    assert_ok(kafka_dial(NULL, NULL, peers_brokers(), &conn));
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    assert_ok(kafka_conn_brokers(conn, &brokers));

    /* both partitions on the broker listed last */
    int32_t ids[9];
    size_t n = 0;
    for (size_t i = brokers->count; i-- > 0 && n < 9;) ids[n++] = brokers->items[i].id;
    const kafka_replica_assignment assigned[] = {
        {.brokers = ids, .broker_count = 1, .partition = 0},
        {.brokers = ids, .broker_count = 1, .partition = 1},
    };
    const kafka_config_entry entries[] = {{"retention.ms", "123456789"}, {"cleanup.policy", "compact,delete"}};
    const char *stem = peers_name("described");
    char counted_name[320], assigned_name[320], plain_name[320], pattern[330];
    snprintf(counted_name, sizeof counted_name, "%s-counted", stem);
    snprintf(assigned_name, sizeof assigned_name, "%s-assigned", stem);
    snprintf(plain_name, sizeof plain_name, "%s-plain", stem);
    const char *names[] = {assigned_name, counted_name, plain_name}; /* in the order that lists have */
    const kafka_topic_config list[] = {
        {.topic = counted_name, .num_partitions = 3, .replication_factor = 1, .entries = entries, .entry_count = 2},
        {.topic = assigned_name, .assignments = assigned, .assignment_count = 2},
        {.topic = plain_name},
    };
    int results[3] = {77, 77, 77};
    assert_ok(kafka_conn_create_topics(conn, list, 3, results));
    assert_int_equal(results[0] | results[1] | results[2], 0);
    for (size_t i = 0; i < 3; i++) { /* this waits for the broker to hear of it */
        kafka_broker *leader = NULL;
        assert_ok(kafka_lookup_leader(NULL, NULL, peers_brokers(), names[i], 0, &leader));
        if (i == 0) assert_int_equal(leader->id, ids[0]);
        kafka_broker_free(leader);
    }
    snprintf(pattern, sizeof pattern, "%s.*", stem);
    text out = peers_java("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", peers_brokers(), "--describe",
                          "--topic", pattern);
    assert_ok(kafka_conn_read_partitions(conn, names, 3, &partitions));
    assert_int_equal(partitions->count, 2 + 3 + 1);
    for (size_t i = 0; i < partitions->count; i++) {
        const kafka_partition *p = &partitions->items[i];
        char id[23];
        text line = {0};
        assert_int_equal(p->error, 0);
        text_addf(&line, "\tTopic: %s\tPartition: %d\tLeader: %d\tReplicas: ", p->topic, p->id, p->leader.id);
        for (size_t k = 0; k < p->replica_count; k++) text_addf(&line, "%s%d", k == 0 ? "" : ",", p->replicas[k].id);
        text_addf(&line, "\tIsr: ");
        for (size_t k = 0; k < p->isr_count; k++) text_addf(&line, "%s%d", k == 0 ? "" : ",", p->isr[k].id);
        assert_text_has(out.data, line.data);
        text_free(&line);
        format_id(p->topic_id, id);
        text_addf(&line, "Topic: %s\tTopicId: %s\tPartitionCount: ", p->topic, id);
        assert_text_has(out.data, line.data);
        text_free(&line);
    }
    assert_text_has(out.data, "retention.ms=123456789");
    assert_text_has(out.data, "cleanup.policy=compact,delete");
    text_free(&out);
    kafka_partitions_free(partitions);
    kafka_brokers_free(brokers);
    assert_ok(kafka_conn_delete_topics(conn, names, 3, results));
    kafka_conn_free(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_as_we_asked_and_described_as_we_describe_them),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
