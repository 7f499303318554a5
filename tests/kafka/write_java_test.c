/* write_java_test.c: Java's console consumer reads what this library has written, and Java's DumpLogSegments finds the
 * very batches in the broker's files. Partition i of a topic holds what was written with codecs[i]. */
#include "kafka/peers.h"

#include <stdlib.h>
#include <string.h>

enum { AGAIN = 3 };

/* A topic with two batches in each partition: all samples, then the first AGAIN of them once more. */
static const char *written_topic(void)
{
    static const char *topic;
    if (topic == NULL) {
        samples s = peers_samples();
        topic = peers_topic("written", CODECS, NULL);
        for (int32_t i = 0; i < CODECS; i++) {
            peers_write(topic, i, s.items, s.count, codecs[i].code);
            peers_write(topic, i, s.items, AGAIN, codecs[i].code);
        }
    }
    return topic;
}

/* ---- the console consumer ---------------------------------------------------------------------------------------- */

#define FIELD_END  "<|>"
#define RECORD_END "<end>\n"

/* Reads `count` messages of a topic and sorts what was printed by partition. */
static void java_read(const char *topic, size_t count, text *by_partition, size_t partitions)
{
    char number[24];
    snprintf(number, sizeof number, "%zu", count);
    text all = peers_java("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", peers_brokers(),
                          "--topic", topic, "--from-beginning", "--max-messages", number, "--timeout-ms", "20000",
                          "--command-property", "max.partition.fetch.bytes=20000000", /* and everything about them: */
                          "--formatter-property", "print.timestamp=true", "--formatter-property",
                          "print.partition=true", "--formatter-property", "print.offset=true", "--formatter-property",
                          "print.headers=true", "--formatter-property", "print.key=true", "--formatter-property",
                          "null.literal=<null>", "--formatter-property", "key.separator=" FIELD_END,
                          "--formatter-property", "line.separator=" RECORD_END);
    for (size_t at = 0; at < all.len;) {
        char *end = memmem(all.data + at, all.len - at, RECORD_END, strlen(RECORD_END));
        assert_non_null(end);
        const char *partition = memmem(all.data + at, (size_t)(end - all.data) - at,
                                       FIELD_END "Partition:", strlen(FIELD_END "Partition:"));
        assert_non_null(partition);
        size_t p = strtoul(partition + strlen(FIELD_END "Partition:"), NULL, 10);
        size_t len = (size_t)(end - all.data) + strlen(RECORD_END) - at;
        assert_true(p < partitions);
        text_add(&by_partition[p], all.data + at, len);
        at += len;
    }
    text_free(&all);
}

static void java_bytes(text *t, kafka_bytes b)
{
    if (b.data == NULL)
        text_add(t, "<null>", 6);
    else
        text_add(t, b.data, b.len);
}

static void java_expect(text *t, const char *clock, size_t partition, int64_t offset, const kafka_message *list,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        text_addf(t, "%s:%lld" FIELD_END "Partition:%zu" FIELD_END "Offset:%lld" FIELD_END, clock,
                  (long long)list[i].time_ms, partition, (long long)offset + (long long)i);
        for (size_t k = 0; k < list[i].header_count; k++) {
            text_addf(t, "%s%s:", k == 0 ? "" : ",", list[i].headers[k].key);
            java_bytes(t, list[i].headers[k].value);
        }
        text_addf(t, list[i].header_count == 0 ? "NO_HEADERS" FIELD_END : FIELD_END);
        java_bytes(t, list[i].key);
        text_add(t, FIELD_END, strlen(FIELD_END));
        java_bytes(t, list[i].value);
        text_add(t, RECORD_END, strlen(RECORD_END));
    }
}

static void the_console_consumer_reads_what_we_wrote_in_every_codec(void **state)
{
    (void)state;
    const char *topic = written_topic();
    samples s = peers_samples();
    text got[CODECS] = {{0}};
    java_read(topic, CODECS * (s.count + AGAIN), got, CODECS);
    for (size_t i = 0; i < CODECS; i++) {
        text want = {0};
        java_expect(&want, "CreateTime", i, 0, s.items, s.count);
        java_expect(&want, "CreateTime", i, (int64_t)s.count, s.items, AGAIN);
        assert_same_text(&got[i], &want);
        text_free(&got[i]);
        text_free(&want);
    }
}

static void large_and_many_messages_arrive_whole_and_in_order(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20, LARGE = 2 };
    const char *topic = peers_topic("much", CODECS, (const char *const[]){"max.message.bytes", "8000000", NULL});
    series many = peers_series(2000);
    unsigned char *noise = peers_noise(SIZE, 7), *flat = malloc(SIZE);
    assert_non_null(flat);
    memset(flat, '.', SIZE);
    const kafka_message large[LARGE] = {
        {.key = KAFKA_LIT("noise"), .value = {noise, SIZE}, .time_ms = 1600000000000},
        {.key = {noise, SIZE}, .value = {flat, SIZE}, .time_ms = 1600000000001},
    };
    text got[CODECS] = {{0}};
    for (int32_t i = 0; i < CODECS; i++) {
        peers_write(topic, i, large, LARGE, codecs[i].code);
        peers_write(topic, i, many.items, many.count, codecs[i].code);
    }
    java_read(topic, CODECS * (LARGE + many.count), got, CODECS);
    for (size_t i = 0; i < CODECS; i++) {
        text want = {0};
        java_expect(&want, "CreateTime", i, 0, large, LARGE);
        java_expect(&want, "CreateTime", i, LARGE, many.items, many.count);
        assert_same_text(&got[i], &want);
        text_free(&got[i]);
        text_free(&want);
    }
    series_free(&many);
    free(noise);
    free(flat);
}

/* ---- the broker's files ------------------------------------------------------------------------------------------ */

static int64_t latest(const kafka_message *list, size_t count)
{
    int64_t time = list[0].time_ms;
    for (size_t i = 1; i < count; i++)
        if (list[i].time_ms > time) time = list[i].time_ms;
    return time;
}

static void assert_batch(const dumped_batch *b, long long base, size_t count, const char *codec_name)
{
    assert_int_equal(b->base_offset, base);
    assert_int_equal(b->last_offset, base + (long long)count - 1);
    assert_int_equal(b->count, count);
    assert_string_equal(b->codec, codec_name);
    assert_true(b->valid);
    assert_int_equal(b->producer_id, -1);
    assert_int_equal(b->producer_epoch, -1);
    assert_int_equal(b->base_sequence, -1);
    assert_false(b->transactional || b->control);
}

/* The line of record `m`: for text all of it, else up to the key. */
static void add_record_line(text *t, int64_t offset, const kafka_message *m, bool is_text)
{
    text_addf(t, "| offset: %lld CreateTime: %lld keySize: %lld valueSize: %lld sequence: -1 headerKeys: [",
              (long long)offset, (long long)m->time_ms, m->key.data == NULL ? -1 : (long long)m->key.len,
              m->value.data == NULL ? -1 : (long long)m->value.len);
    for (size_t k = 0; k < m->header_count; k++) text_addf(t, "%s%s", k == 0 ? "" : ",", m->headers[k].key);
    text_addf(t, "]");
    if (is_text && m->key.data != NULL) text_addf(t, " key: %.*s", (int)m->key.len, (const char *)m->key.data);
    if (is_text && m->value.data != NULL) {
        text_addf(t, " payload: ");
        text_add(t, m->value.data, m->value.len);
    }
    if (is_text) text_addf(t, "\n");
}

static void the_segments_hold_the_batches_that_we_sent(void **state)
{
    (void)state;
    samples s = peers_samples();
    dump dumps[CODECS];
    peers_dump(written_topic(), CODECS, dumps);
    for (size_t i = 0; i < CODECS; i++) {
        assert_int_equal(dumps[i].count, 2);
        const dumped_batch *b = dumps[i].batches;
        assert_batch(&b[0], 0, s.count, codecs[i].name);
        assert_batch(&b[1], (long long)s.count, AGAIN, codecs[i].name);
        assert_false(b[0].log_append || b[1].log_append);
        assert_int_equal(b[0].time, latest(s.items, s.count));
        assert_int_equal(b[1].time, latest(s.items, AGAIN));
        for (size_t k = 0; k < s.count; k++) {
            text line = {0};
            add_record_line(&line, (int64_t)k, &s.items[k], k < s.text);
            assert_text_has(dumps[i].all.data, line.data);
            text_free(&line);
        }
        dump_free(&dumps[i]);
    }
}

static void a_topic_with_the_brokers_clock_keeps_the_brokers_time(void **state)
{
    (void)state;
    samples s = peers_samples();
    const char *topic =
        peers_topic("appended", CODECS, (const char *const[]){"message.timestamp.type", "LogAppendTime", NULL});
    dump dumps[CODECS];
    text got[CODECS] = {{0}};
    for (int32_t i = 0; i < CODECS; i++) peers_write(topic, i, s.items, s.count, codecs[i].code);
    peers_dump(topic, CODECS, dumps);
    java_read(topic, CODECS * s.count, got, CODECS);
    for (size_t i = 0; i < CODECS; i++) {
        kafka_message list[20];
        text want = {0};
        assert_int_equal(dumps[i].count, 1);
        assert_batch(dumps[i].batches, 0, s.count, codecs[i].name);
        assert_true(dumps[i].batches[0].log_append);
        memcpy(list, s.items, s.count * sizeof *list);
        for (size_t k = 0; k < s.count; k++) list[k].time_ms = dumps[i].batches[0].time;
        java_expect(&want, "LogAppendTime", i, 0, list, s.count);
        assert_same_text(&got[i], &want);
        text_free(&want);
        text_free(&got[i]);
        dump_free(&dumps[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_console_consumer_reads_what_we_wrote_in_every_codec),
        cmocka_unit_test(large_and_many_messages_arrive_whole_and_in_order),
        cmocka_unit_test(the_segments_hold_the_batches_that_we_sent),
        cmocka_unit_test(a_topic_with_the_brokers_clock_keeps_the_brokers_time),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
