/* offset_java_test.c: partitions that Kafka's tools have changed: a deleted beginning, gaps from compaction; and
 * offsets for times as Java's GetOffsetShell tells them. */
#include "kafka/peers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void offsets_for_times_are_those_of_javas_tool(void **state)
{
    (void)state;
    enum { COUNT = 50, BASE = 1000 };
    const char *topic = peers_topic("times", 1, NULL);
    kafka_conn *conn = peers_dial(topic, 0);
    kafka_message list[COUNT];
    int64_t found, first, last;
    for (int k = 0; k < COUNT; k++)
        list[k] = (kafka_message){.value = KAFKA_LIT("v"), .time_ms = BASE + k * 7 % COUNT * 10};
    assert_ok(kafka_conn_write_messages(conn, list, COUNT, KAFKA_COMPRESSION_GZIP, NULL));
    assert_ok(kafka_conn_read_offsets(conn, &first, &last));
    static const char *const times[] = {"-2", "-1", "1200", "1495"};
    for (size_t i = 0; i < 4; i++) {
        text want = {0}, got = peers_java("org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server",
                                          peers_brokers(), "--topic", topic, "--time", times[i]);
        if (i < 2)
            found = i == 0 ? first : last;
        else
            assert_ok(kafka_conn_read_offset(conn, strtoll(times[i], NULL, 10), &found));
        if (found >= 0) /* the tool is silent about a partition without one */
            text_addf(&want, "%s:0:%" PRId64 "\n", topic, found);
        assert_same_text(&got, &want);
        text_free(&got);
        text_free(&want);
    }
    assert_int_equal(found, -1);
    kafka_conn_free(conn);
}

static void a_reader_whose_position_was_deleted_is_told_and_can_seek_to_the_first(void **state)
{
    (void)state;
    const char *topic = peers_topic("deleted", 1, NULL);
    kafka_conn *conn = peers_dial(topic, 0);
    series s = peers_series(20);
    kafka_message *m = NULL;
    int64_t first, last, offset;
    assert_ok(kafka_conn_write_messages(conn, s.items, 10, KAFKA_COMPRESSION_LZ4, NULL));
    assert_ok(kafka_conn_write_messages(conn, s.items + 10, 10, KAFKA_COMPRESSION_NONE, NULL));
    assert_ok(kafka_conn_seek(conn, 1, KAFKA_SEEK_ABSOLUTE, NULL));
    text json = {0};
    text_addf(&json, "{\"version\":1,\"partitions\":[{\"topic\":\"%s\",\"partition\":0,\"offset\":7}]}", topic);
    text out = peers_java_with(
        &json, "org.apache.kafka.tools.DeleteRecordsCommand",
        (const char *const[]){"--bootstrap-server", peers_brokers(), "--offset-json-file", "/dev/stdin", NULL});
    text_free(&out);
    text_free(&json);
    assert_int_equal(kafka_conn_read_message(conn, 0, &m), KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    assert_text_has(kafka_last_error(), topic);
    assert_int_equal(kafka_conn_offset(conn, NULL), 1);
    assert_ok(kafka_conn_read_offsets(conn, &first, &last));
    assert_int_equal(first, 7);
    assert_int_equal(last, 20);
    assert_ok(kafka_conn_seek(conn, 0, KAFKA_SEEK_START, &offset));
    assert_int_equal(offset, 7);
    messages all = peers_read_all(conn, NULL);
    assert_int_equal(all.count, 13);
    for (size_t i = 0; i < all.count; i++) {
        assert_int_equal(all.items[i]->offset, 7 + i);
        assert_same_message(all.items[i], &s.items[7 + i]);
    }
    messages_free(&all);
    kafka_conn_free(conn);
    conn = peers_dial(topic, 0); /* a new connection begins at what there is */
    assert_ok(kafka_conn_read_message(conn, 0, &m));
    assert_int_equal(m->offset, 7);
    kafka_message_free(m);
    kafka_conn_free(conn);
    series_free(&s);
}

/* How often the cleaner looks for work; NULL = the broker's own setting. The default is 15 s. */
static void set_cleaner_pause(const char *ms)
{
    char setting[60];
    snprintf(setting, sizeof setting, "log.cleaner.backoff.ms%s%s", ms == NULL ? "" : "=", ms == NULL ? "" : ms);
    text out =
        peers_java("kafka.admin.ConfigCommand", "--bootstrap-server", peers_brokers(), "--alter", "--entity-type",
                   "brokers", "--entity-default", ms == NULL ? "--delete-config" : "--add-config", setting);
    text_free(&out);
}

static void gaps_that_compaction_left_are_stepped_over(void **state)
{
    (void)state;
    enum { BATCHES = 12, EACH = 10, KEYS = 37, TOTAL = BATCHES * EACH };
    const char *topic = peers_topic("compacted", 1,
                                    (const char *const[]){"cleanup.policy", "compact", "min.cleanable.dirty.ratio",
                                                          "0.01", "segment.ms", "1000", NULL});
    set_cleaner_pause("50");
    kafka_conn *conn = peers_dial(topic, 0);
    char keys[TOTAL][16], values[TOTAL][16];
    bool stays[TOTAL];
    for (int i = 0; i < BATCHES; i++) { /* a segment each, since they are an hour apart; the cleaner leaves the last */
        kafka_message list[EACH];
        for (int k = 0; k < EACH; k++) {
            int n = i * EACH + k, key = i < 2 ? 0 : n * n % KEYS; /* of the first two batches nothing will be left */
            snprintf(keys[n], sizeof keys[n], "key %d", i == BATCHES - 1 ? 1000 + n : key);
            snprintf(values[n], sizeof values[n], "%d", n);
            list[k] = (kafka_message){.key = kafka_str(keys[n]), .time_ms = 1600000000000 + i * INT64_C(3600000)};
            if (n % 5 != 0) /* the others delete their key, and stay for a day themselves */
                list[k].value = kafka_str(values[n]);
        }
        assert_ok(kafka_conn_write_messages(conn, list, EACH, codecs[i % CODECS].code, NULL));
    }
    size_t left = 0;
    for (int n = 0; n < TOTAL; n++) {
        stays[n] = true;
        for (int later = n + 1; later < TOTAL && stays[n]; later++) stays[n] = strcmp(keys[n], keys[later]) != 0;
        left += stays[n];
    }
    messages all = {0};
    int64_t start = kafka_now_ms(), deadline = kafka_deadline_in(PATIENCE_MS);
    do {
        messages_free(&all);
        assert_ok(kafka_conn_seek(conn, 0, KAFKA_SEEK_START, NULL));
        all = peers_read_all(conn, NULL);
    } while (all.count > left && kafka_now_ms() < deadline);
    print_message("%d messages compacted to %zu after %d ms\n", TOTAL, left, (int)(kafka_now_ms() - start));
    set_cleaner_pause(NULL);
    assert_int_equal(all.count, left);
    assert_int_equal(kafka_conn_offset(conn, NULL), TOTAL);
    text want = {0}, got = kcat_consume(topic, 0, "beginning", "read_committed", "%o %k %S %s\n");
    for (size_t i = 0; i < all.count; i++) {
        const kafka_message *m = all.items[i];
        assert_true(stays[m->offset]);
        text_addf(&want, "%" PRId64 " %.*s %d %.*s\n", m->offset, (int)m->key.len, (const char *)m->key.data,
                  m->value.data == NULL ? -1 : (int)m->value.len, (int)m->value.len,
                  m->value.data == NULL ? "" : (const char *)m->value.data);
    }
    assert_same_text(&got, &want);
    text_free(&got);
    text_free(&want);
    for (int64_t from = 0; from < TOTAL; from++) { /* a position in a gap is one in front of the next message */
        kafka_message *m = NULL;
        int64_t next = from;
        while (!stays[next]) next++;
        assert_ok(kafka_conn_seek(conn, from, KAFKA_SEEK_ABSOLUTE, NULL));
        assert_ok(kafka_conn_read_message(conn, 1, &m));
        assert_int_equal(m->offset, next);
        assert_int_equal(kafka_conn_offset(conn, NULL), next + 1);
        kafka_message_free(m);
    }
    messages_free(&all);
    kafka_conn_free(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_for_times_are_those_of_javas_tool),
        cmocka_unit_test(a_reader_whose_position_was_deleted_is_told_and_can_seek_to_the_first),
        cmocka_unit_test(gaps_that_compaction_left_are_stepped_over),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
