/* read_java_test.c: this library reads what Java's producer has written: the producer itself, driven by a script
 * (Produce.java), and the console producer. Nothing is sent before a flush, so a partition's messages are one batch. */
#include "kafka/peers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A producer for each codec, named after it. */
static void script_producers(text *script)
{
    for (size_t i = 0; i < CODECS; i++)
        text_addf(script,
                  "new %s compression.type=%s linger.ms=60000 batch.size=10000000 buffer.memory=100000000 acks=all\n",
                  codecs[i].name, codecs[i].name);
}

static void we_read_every_codec_of_javas(void **state)
{
    (void)state;
    const char *topic = peers_topic("java", CODECS, NULL);
    samples s = peers_samples();
    text script = {0};
    dump dumps[CODECS];
    script_producers(&script);
    for (int32_t i = 0; i < CODECS; i++)
        for (size_t k = 0; k < s.count; k++) script_send(&script, codecs[i].name, topic, i, &s.items[k]);
    script_run(&script);
    text_free(&script);
    peers_dump(topic, CODECS, dumps);
    for (int32_t i = 0; i < CODECS; i++) {
        assert_int_equal(dumps[i].count, 1); /* it is what this test wants to read */
        assert_int_equal(dumps[i].batches[0].count, s.count);
        assert_string_equal(dumps[i].batches[0].codec, codecs[i].name);
        assert_true(dumps[i].batches[0].producer_id >= 0);
        dump_free(&dumps[i]);
        kafka_conn *conn = peers_dial(topic, i);
        messages all = peers_read_all(conn, NULL);
        assert_int_equal(all.count, s.count);
        for (size_t k = 0; k < s.count; k++) {
            assert_same_message(all.items[k], &s.items[k]);
            assert_int_equal(all.items[k]->offset, k);
            assert_int_equal(all.items[k]->time_type, 0);
        }
        messages_free(&all);
        for (size_t from = s.count; from-- > 0;) { /* beginning anywhere in the batch */
            kafka_message *m = NULL;
            assert_ok(kafka_conn_seek(conn, (int64_t)from, KAFKA_SEEK_ABSOLUTE, NULL));
            assert_ok(kafka_conn_read_message(conn, 0, &m));
            assert_int_equal(m->offset, from);
            assert_same_message(m, &s.items[from]);
            kafka_message_free(m);
        }
        kafka_conn_free(conn);
    }
}

static void we_read_what_the_console_producer_reads_from_its_input(void **state)
{
    (void)state;
    const char *topic = peers_topic("console", 1, NULL);
    samples s = peers_samples();
    text lines = {0};
    kafka_message want[20];
    size_t count = 0;
    for (size_t i = 0; i < s.text; i++) {
        const kafka_message *m = &s.items[i];
        for (size_t k = 0; k < m->header_count; k++) {
            kafka_bytes value = m->headers[k].value;
            text_addf(&lines, "%s%s<is>", k == 0 ? "" : "<and>", m->headers[k].key);
            text_addf(&lines, "%.*s", value.data == NULL ? 6 : (int)value.len,
                      value.data == NULL ? "<null>" : (const char *)value.data);
        }
        text_addf(&lines, "%s<headers>", m->header_count == 0 ? "<null>" : "");
        text_addf(&lines, "%.*s<key>", m->key.data == NULL ? 6 : (int)m->key.len,
                  m->key.data == NULL ? "<null>" : (const char *)m->key.data);
        if (m->value.data == NULL)
            text_addf(&lines, "<null>");
        else
            text_add(&lines, m->value.data, m->value.len);
        text_addf(&lines, "\n");
        want[count] = *m;
        want[count++].time_ms = 0; /* not on its command line */
    }
    text out = peers_java_with(&lines, "org.apache.kafka.tools.ConsoleProducer",
                               (const char *const[]){"--bootstrap-server",
                                                     peers_brokers(),
                                                     "--topic",
                                                     topic,
                                                     "--compression-codec",
                                                     "zstd",
                                                     "--command-property",
                                                     "linger.ms=1000",
                                                     "--batch-size",
                                                     "500000",
                                                     "--reader-property",
                                                     "parse.key=true",
                                                     "--reader-property",
                                                     "parse.headers=true",
                                                     "--reader-property",
                                                     "headers.delimiter=<headers>",
                                                     "--reader-property",
                                                     "headers.separator=<and>",
                                                     "--reader-property",
                                                     "headers.key.separator=<is>",
                                                     "--reader-property",
                                                     "key.separator=<key>",
                                                     "--reader-property",
                                                     "null.marker=<null>",
                                                     NULL});
    text_free(&out);
    text_free(&lines);
    kafka_conn *conn = peers_dial(topic, 0);
    messages all = peers_read_all(conn, NULL);
    assert_int_equal(all.count, count);
    for (size_t i = 0; i < count; i++) assert_same_message(all.items[i], &want[i]);
    messages_free(&all);
    kafka_conn_free(conn);
}

static void we_read_large_and_many_messages_and_the_brokers_time(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20, MANY = 10000 };
    const char *large = peers_topic("large", CODECS, (const char *const[]){"max.message.bytes", "8000000", NULL});
    const char *many = peers_topic("many", 1, NULL);
    const char *appended =
        peers_topic("appended", CODECS, (const char *const[]){"message.timestamp.type", "LogAppendTime", NULL});
    unsigned char *noise = peers_noise(SIZE, 9);
    const kafka_message first = {.key = KAFKA_LIT("noise"), .value = {noise, SIZE}, .time_ms = 1600000000000},
                        second = {.key = {noise, SIZE}, .value = {noise, SIZE / 2}, .time_ms = 1600000000001};
    series s = peers_series(MANY);
    text script = {0};
    script_producers(&script);
    for (int32_t i = 0; i < CODECS; i++) {
        script_send(&script, codecs[i].name, large, i, &first);
        script_send(&script, codecs[i].name, large, i, &second);
        for (size_t k = 0; k < 10; k++) script_send(&script, codecs[i].name, appended, i, &s.items[k]);
    }
    text_addf(&script, "new usual compression.type=snappy\n"); /* sends when it likes */
    for (size_t k = 0; k < MANY; k++) script_send(&script, "usual", many, 0, &s.items[k]);
    script_run(&script);
    text_free(&script);

    for (int32_t i = 0; i < CODECS; i++) {
        kafka_conn *conn = peers_dial(large, i);
        messages all = peers_read_all(conn, &(kafka_fetch){.max_bytes = 1000});
        assert_int_equal(all.count, 2);
        assert_same_message(all.items[0], &first);
        assert_same_message(all.items[1], &second);
        messages_free(&all);
        kafka_conn_free(conn);

        text got = {0}, want = kcat_consume(appended, i, "beginning", "read_committed", "%T %s\n");
        conn = peers_dial(appended, i);
        all = peers_read_all(conn, NULL);
        assert_int_equal(all.count, 10);
        for (size_t k = 0; k < 10; k++) {
            assert_int_equal(all.items[k]->time_type, 1);
            assert_true(all.items[k]->time_ms > s.items[k].time_ms);
            text_addf(&got, "%" PRId64 " %.*s\n", all.items[k]->time_ms, (int)all.items[k]->value.len,
                      (const char *)all.items[k]->value.data);
        }
        assert_same_text(&got, &want);
        text_free(&got);
        text_free(&want);
        messages_free(&all);
        kafka_conn_free(conn);
    }
    kafka_conn *conn = peers_dial(many, 0);
    messages all = peers_read_all(conn, NULL);
    assert_int_equal(all.count, MANY);
    for (size_t k = 0; k < MANY; k++) {
        assert_int_equal(all.items[k]->offset, k);
        assert_same_message(all.items[k], &s.items[k]);
    }
    messages_free(&all);
    kafka_conn_free(conn);
    series_free(&s);
    free(noise);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(we_read_every_codec_of_javas),
        cmocka_unit_test(we_read_what_the_console_producer_reads_from_its_input),
        cmocka_unit_test(we_read_large_and_many_messages_and_the_brokers_time),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
