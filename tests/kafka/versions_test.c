/* A writer and brokers of any version: it writes what that version can hold, says what it cannot, and both the broker's
 * own console consumer and this library read what was meant. versions.sh starts it beside each version, kafka.sh beside
 * the newest; KAFKA_TEST_VERSION decides what is expected. */
#include "kafka/peers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PATIENTLY KAFKA_WITHIN(PATIENCE_MS)

/* ---- versions ---------------------------------------------------------------------------------------------------- */

static bool at_least(int major, int minor)
{
    int have_major = 0, have_minor = 0;
    assert_int_equal(sscanf(peers_env("KAFKA_TEST_VERSION"), "%d.%d", &have_major, &have_minor), 2);
    return have_major != major ? have_major > major : have_minor >= minor;
}

/* Headers and producer ids came with them, and so, just before, CreateTopics. */
static bool has_record_batches(void)
{
    return at_least(0, 11);
}

static bool has_zstd(void)
{
    return at_least(2, 1);
}

static bool names_bad_records(void)
{
    return at_least(2, 4);
}

/* A topic of one partition; brokers without CreateTopics have a tool that tells their ZooKeeper. */
static const char *topic_with(const char *what, const char *name, const char *value)
{
    static int count;
    char stem[60];
    snprintf(stem, sizeof stem, "%s-%d", what, ++count);
    if (has_record_batches()) return peers_topic(stem, 1, (const char *const[]){name, value, NULL});
    const char *topic = peers_name(stem);
    char setting[200];
    snprintf(setting, sizeof setting, "%s=%s", name, value);
    text out = peers_run("bash", peers_env("KAFKA_TEST_SH"), "create", topic, "1", setting);
    text_free(&out);
    return topic;
}

static const char *topic_of(const char *stem)
{
    return topic_with(stem, "retention.ms", "-1");
}

/* ---- writers ----------------------------------------------------------------------------------------------------- */

/* What a writer said, in its log and in its callbacks. */
static struct {
    pthread_mutex_t lock;
    text log;
    int64_t next_offset, told, failed, out_of_order;
} said = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note_line(void *unused, kafka_log_level level, const char *line)
{
    (void)unused;
    (void)level;
    pthread_mutex_lock(&said.lock);
    text_addf(&said.log, "%.900s\n", line);
    pthread_mutex_unlock(&said.lock);
}

static void note_delivery(void *unused, const kafka_message *msgs, size_t count, int err)
{
    (void)unused;
    pthread_mutex_lock(&said.lock);
    for (size_t i = 0; i < count; i++) {
        said.told++;
        if (err != 0) {
            said.failed++;
            continue;
        }
        if (msgs[i].offset != said.next_offset) said.out_of_order++;
        said.next_offset = msgs[i].offset + 1;
    }
    pthread_mutex_unlock(&said.lock);
}

/* A writer to the topic that is as `cfg` says and otherwise as it comes, and `said` without what another has said. */
static kafka_writer *writer_of(const char *topic, kafka_writer_config cfg)
{
    static const kafka_logger logger = {.log = note_line, .max_level = KAFKA_LOG_INFO};
    kafka_writer *w = NULL;
    text_free(&said.log);
    text_add(&said.log, "", 0);
    said.next_offset = said.told = said.failed = said.out_of_order = 0;
    cfg.brokers = peers_brokers();
    cfg.topic = topic;
    cfg.logger = &logger;
    cfg.on_delivery = note_delivery;
    assert_ok(kafka_writer_new(&cfg, &w));
    return w;
}

static void close_writer(kafka_writer *w)
{
    assert_ok(kafka_writer_close(w, PATIENTLY));
    kafka_writer_free(w);
}

/* Writes and reads the outcomes: all well, at the offsets that follow. */
static void write_all(const char *topic, kafka_writer_config cfg, const kafka_message *list, size_t count,
                      int64_t first)
{
    kafka_writer *w = writer_of(topic, cfg);
    said.next_offset = first;
    assert_ok(kafka_writer_write_messages(w, PATIENTLY, list, count, NULL));
    close_writer(w);
    assert_int_equal(said.told, count);
    assert_int_equal(said.failed, 0);
    assert_int_equal(said.out_of_order, 0);
}

/* Reads from offset 0 to the high watermark, until `count` are there. (Brokers before 0.10.1 cannot be asked for the
 * end: this library knows ListOffsets from version 1 on.) */
static messages read_all(const char *topic, size_t count)
{
    kafka_conn *conn = peers_dial(topic, 0);
    messages got = {calloc(count + 1, sizeof *got.items), 0};
    int64_t watermark = 0;
    assert_non_null(got.items);
    assert_ok(kafka_conn_seek(conn, 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
    do {
        kafka_batch *batch = NULL;
        kafka_message m;
        assert_ok(kafka_conn_read_batch(conn, &(kafka_fetch){.max_bytes = 8000000, .max_wait_ms = 100}, &batch));
        while (kafka_batch_read_message(batch, &m) == 0 && got.count <= count) {
            assert_ok(kafka_message_dup(&m, &got.items[got.count]));
            got.count++;
        }
        watermark = kafka_batch_high_watermark(batch);
        assert_ok(kafka_batch_close(batch));
    } while (got.count < count || (int64_t)got.count < watermark);
    kafka_conn_free(conn);
    return got;
}

static void assert_holds(const char *topic, const kafka_message *list, size_t count)
{
    messages got = read_all(topic, count);
    assert_int_equal(got.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_same_message(got.items[i], &list[i]);
        assert_int_equal(got.items[i]->offset, (int64_t)i);
    }
    messages_free(&got);
}

/* The samples, without headers where a broker has none. */
static size_t samples_for(kafka_message *list)
{
    samples s = peers_samples();
    for (size_t i = 0; i < s.count; i++) {
        list[i] = s.items[i];
        if (!has_record_batches()) list[i].header_count = 0;
    }
    return s.count;
}

/* ---- the broker's own tools -------------------------------------------------------------------------------------- */

static text console_consumer(const char *topic, size_t count)
{
    char most[24];
    snprintf(most, sizeof most, "%zu", count);
    const char *property = at_least(4, 0) ? "--formatter-property" : "--property";
    const char *args[] = {"--bootstrap-server",
                          peers_brokers(),
                          "--topic",
                          topic,
                          "--from-beginning",
                          "--max-messages",
                          most,
                          "--timeout-ms",
                          "20000",
                          property,
                          "print.timestamp=true",
                          property,
                          "print.key=true",
                          has_record_batches() ? NULL : "--new-consumer",
                          NULL};
    return peers_java_with(
        NULL, at_least(3, 8) ? "org.apache.kafka.tools.consumer.ConsoleConsumer" : "kafka.tools.ConsoleConsumer", args);
}

static void expect_on_console(text *t, const kafka_message *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        text_addf(t, "CreateTime:%lld\t", (long long)list[i].time_ms);
        text_add(t, list[i].key.data ? list[i].key.data : "null", list[i].key.data ? list[i].key.len : 4);
        text_add(t, "\t", 1);
        text_add(t, list[i].value.data ? list[i].value.data : "null", list[i].value.data ? list[i].value.len : 4);
        text_add(t, "\n", 1);
    }
}

/* What the broker's tool says of the topic's file. */
static text dump_of(const char *topic)
{
    text dir = peers_run("bash", peers_env("KAFKA_TEST_SH"), "log-dir", topic, "0"), file = {0};
    text_addf(&file, "%.*s/00000000000000000000.log", (int)dir.len - 1, dir.data);
    text segment = peers_java(at_least(4, 0) ? "org.apache.kafka.tools.DumpLogSegments" : "kafka.tools.DumpLogSegments",
                              "--files", file.data);
    text_free(&dir);
    text_free(&file);
    return segment;
}

static bool has(const text *t, const char *part)
{
    return t->data != NULL && strstr(t->data, part) != NULL;
}

/* ---- what every version takes ------------------------------------------------------------------------------------ */

static void messages_arrive_as_they_were_given_in_each_codec(void **state)
{
    (void)state;
    kafka_message list[CODECS * 20];
    size_t count = samples_for(list), total = 0;
    const char *topic = topic_of("codecs");
    text want = {0};
    for (size_t i = 0; i < CODECS; i++) {
        if (codecs[i].code == KAFKA_COMPRESSION_ZSTD && !has_zstd()) continue;
        memcpy(list + total, list, total > 0 ? count * sizeof *list : 0);
        write_all(topic, (kafka_writer_config){.compression = codecs[i].code}, list, count, (int64_t)total);
        total += count;
    }
    assert_holds(topic, list, total);
    expect_on_console(&want, list, total);
    text got = console_consumer(topic, total);
    assert_same_text(&got, &want);
    text_free(&got);
    text_free(&want);
}

static void a_codec_in_the_log_is_the_one_that_was_asked_for(void **state)
{
    (void)state;
    kafka_message list[20];
    size_t count = samples_for(list), written = 0;
    const char *topic = topic_of("dumped");
    for (size_t i = 0; i < CODECS - 1; i++, written += count)
        write_all(topic, (kafka_writer_config){.compression = codecs[i].code}, list, count, (int64_t)written);
    text segment = dump_of(topic);
    for (char *c = segment.data; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z') *c += 'a' - 'A'; /* GZIPCompressionCodec, GZIP, gzip: as the versions like it */
    for (size_t i = 0; i < CODECS - 1; i++) {
        char codec[40];
        snprintf(codec, sizeof codec, "compresscodec: %s", i == 0 ? "no" : codecs[i].name);
        assert_text_has(segment.data, codec);
    }
    assert_text_has(segment.data, has_record_batches() ? "magic: 2" : "magic: 1");
    text_free(&segment);
}

static void twenty_thousand_messages_keep_their_order_with_any_acks(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    static const kafka_acks acks[] = {KAFKA_ACKS_DEFAULT, KAFKA_ACKS_ALL, KAFKA_ACKS_ONE, KAFKA_ACKS_NONE};
    series many = peers_series(MANY);
    for (size_t i = 0; i < 4; i++) {
        const char *topic = topic_of("many");
        kafka_writer *w = writer_of(
            topic, (kafka_writer_config){.async = 1, .required_acks = acks[i], .compression = KAFKA_COMPRESSION_LZ4});
        for (size_t k = 0; k < MANY; k += 100)
            assert_ok(kafka_writer_write_messages(w, PATIENTLY, &many.items[k], 100, NULL));
        assert_ok(kafka_writer_flush(w, PATIENTLY));
        assert_int_equal(said.told, MANY);
        assert_int_equal(said.failed, 0);
        if (acks[i] != KAFKA_ACKS_NONE) assert_int_equal(said.out_of_order, 0);
        assert_holds(topic, many.items, MANY);
        close_writer(
            w); /* not before: old brokers drop what they have not looked at when a connection ends (KAFKA-3703) */
    }
    series_free(&many);
}

static void without_idempotence_it_is_the_same(void **state)
{
    (void)state;
    kafka_message list[20];
    size_t count = samples_for(list);
    const char *topic = topic_of("plain");
    write_all(topic, (kafka_writer_config){.no_idempotence = 1}, list, count, 0);
    assert_holds(topic, list, count);
    if (!has_record_batches()) return;
    text segment = dump_of(topic);
    assert_text_has(segment.data, "producerId: -1");
    text_free(&segment);
}

static void idempotence_is_on_where_brokers_have_it_and_its_absence_is_told(void **state)
{
    (void)state;
    const kafka_message one = {.value = KAFKA_LIT("once")};
    const char *topic = topic_of("once");
    kafka_writer *w = writer_of(topic, (kafka_writer_config){0});
    assert_ok(kafka_writer_write_messages(w, PATIENTLY, &one, 1, NULL));
    close_writer(w);
    if (!has_record_batches()) {
        assert_text_has(said.log.data, "without idempotence");
        return;
    }
    assert_false(has(&said.log, "without idempotence"));
    text segment = dump_of(topic);
    assert_text_has(segment.data, "producerId: ");
    assert_false(has(&segment, "producerId: -1"));
    text_free(&segment);
}

/* ---- what some do not take --------------------------------------------------------------------------------------- */

static void headers_fail_alone_where_brokers_have_none(void **state)
{
    (void)state;
    const kafka_header header = {"trace", KAFKA_LIT("7")};
    const kafka_message list[] = {{.value = KAFKA_LIT("before"), .time_ms = 1600000000000},
                                  {.value = KAFKA_LIT("with a header"), .headers = &header, .header_count = 1},
                                  {.value = KAFKA_LIT("behind"), .time_ms = 1600000000001}};
    if (has_record_batches()) {
        const char *all = topic_of("headers");
        write_all(all, (kafka_writer_config){0}, list, 3, 0);
        assert_holds(all, list, 3);
        return;
    }
    for (size_t i = 0; i < CODECS - 1; i++) {
        const char *topic = topic_of("headers");
        kafka_writer *w = writer_of(topic, (kafka_writer_config){.compression = codecs[i].code});
        int results[3];
        assert_int_equal(kafka_writer_write_messages(w, PATIENTLY, list, 3, results), KAFKA_EPARTIAL);
        assert_text_has(kafka_last_error(), topic);
        assert_text_has(kafka_last_error(), "headers need");
        assert_text_has(kafka_last_error(), "0.11");
        assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
        assert_int_equal(results[0], 0);
        assert_int_equal(results[1], KAFKA_EVERSION);
        assert_int_equal(results[2], 0);
        close_writer(w);
        assert_holds(topic, (const kafka_message[]){list[0], list[2]}, 2);
    }
}

static void zstd_fails_with_its_reason_where_brokers_do_not_know_it(void **state)
{
    (void)state;
    const kafka_message list[] = {{.value = KAFKA_LIT("zstd")},
                                  {.value = KAFKA_LIT("too")},
                                  {.value = KAFKA_LIT("not"), .compression = KAFKA_COMPRESSION_GZIP}};
    if (has_zstd()) return; /* it is among the codecs above */
    const char *topic = topic_of("zstd");
    kafka_writer *w = writer_of(topic, (kafka_writer_config){.compression = KAFKA_COMPRESSION_ZSTD});
    int results[3];
    assert_int_equal(kafka_writer_write_messages(w, PATIENTLY, list, 3, results), KAFKA_EPARTIAL);
    assert_text_has(kafka_last_error(), topic);
    assert_text_has(kafka_last_error(), "zstd");
    assert_text_has(kafka_last_error(), "2.1");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_int_equal(results[0], KAFKA_EVERSION);
    assert_int_equal(results[1], KAFKA_EVERSION);
    assert_int_equal(results[2], 0);
    close_writer(w);
    assert_holds(topic, &list[2], 1);
}

/* Noise, so that compressed batches are too large as well: a message set counts as one message there. */
static void a_batch_above_the_brokers_limit_is_split_and_a_message_above_it_fails_alone(void **state)
{
    (void)state;
    enum { N = 24, SIZE = 60000, LARGE = 300000, THE_LARGE = 11 };
    unsigned char *noise = peers_noise(LARGE + N, 3);
    kafka_message list[N], expected[N];
    size_t left = 0;
    for (int i = 0; i < N; i++) {
        list[i] = (kafka_message){.value = {noise + i, i == THE_LARGE ? LARGE : SIZE}, .time_ms = 1600000000000 + i};
        if (i != THE_LARGE) expected[left++] = list[i];
    }
    for (size_t i = 0; i < 2; i++) {
        const char *topic = topic_with("limited", "max.message.bytes", "200000");
        kafka_writer *w = writer_of(
            topic, (kafka_writer_config){.batch_bytes = 8000000,
                                         .compression = i == 0 ? KAFKA_COMPRESSION_NONE : KAFKA_COMPRESSION_SNAPPY});
        int results[N];
        assert_int_equal(kafka_writer_write_messages(w, PATIENTLY, list, N, results), KAFKA_EPARTIAL);
        assert_text_has(kafka_last_error(), topic);
        assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
        for (int k = 0; k < N; k++) assert_int_equal(results[k], k == THE_LARGE ? KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE : 0);
        close_writer(w);
        assert_holds(topic, expected, left);
    }
    free(noise);
}

/* A compacted topic takes no message without a key. Brokers from 2.4 on name it (KIP-467); before, the whole batch is
 * refused as damaged, and it is tried in vain until its attempts are over. */
static void a_message_without_a_key_fails_in_a_compacted_topic(void **state)
{
    (void)state;
    const kafka_message list[] = {{.key = KAFKA_LIT("a"), .value = KAFKA_LIT("1"), .time_ms = 1600000000000},
                                  {.value = KAFKA_LIT("keyless"), .time_ms = 1600000000001},
                                  {.key = KAFKA_LIT("b"), .value = KAFKA_LIT("2"), .time_ms = 1600000000002},
                                  {.key = KAFKA_LIT("c"), .value = KAFKA_LIT("3"), .time_ms = 1600000000003}};
    const char *topic = topic_with("compacted", "cleanup.policy", "compact");
    kafka_writer *w = writer_of(topic, (kafka_writer_config){.max_attempts = 2});
    int results[4], err = kafka_writer_write_messages(w, PATIENTLY, list, 4, results);
    assert_text_has(kafka_last_error(), topic);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    if (names_bad_records()) {
        assert_int_equal(err, KAFKA_EPARTIAL);
        assert_text_has(kafka_last_error(), "without key");
        for (int i = 0; i < 4; i++) assert_int_equal(results[i], i == 1 ? KAFKA_ERR_INVALID_RECORD : 0);
    } else {
        assert_int_equal(err, KAFKA_ERR_INVALID_MESSAGE);
    }
    assert_ok(kafka_writer_write_messages(w, PATIENTLY, &list[3], 1, NULL)); /* it goes on */
    close_writer(w);
    if (names_bad_records())
        assert_holds(topic, (const kafka_message[]){list[0], list[2], list[3], list[3]}, 4);
    else
        assert_holds(topic, &list[3], 1);
}

/* ---- kc ---------------------------------------------------------------------------------------------------------- */

static void kc_produces_with_its_defaults(void **state)
{
    (void)state;
    const char *kc = getenv("KC"), *topic = topic_of("kc");
    if (kc == NULL || *kc == '\0') skip();
    char command[4096];
    snprintf(command, sizeof command, "printf 'k1:v1\\nk2:\\n:v3\\n' | %s produce -b %s -t %s -k : -v 2>&1", kc,
             peers_brokers(), topic);
    text said_by_kc = peers_run("bash", "-c", command);
    assert_text_has(said_by_kc.data, has_record_batches() ? "idempotence" : "without idempotence");
    text_free(&said_by_kc);
    assert_holds(topic,
                 (const kafka_message[]){{.key = KAFKA_LIT("k1"), .value = KAFKA_LIT("v1")},
                                         {.key = KAFKA_LIT("k2"), .value = KAFKA_LIT("")},
                                         {.key = KAFKA_LIT(""), .value = KAFKA_LIT("v3")}},
                 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_as_they_were_given_in_each_codec),
        cmocka_unit_test(a_codec_in_the_log_is_the_one_that_was_asked_for),
        cmocka_unit_test(twenty_thousand_messages_keep_their_order_with_any_acks),
        cmocka_unit_test(without_idempotence_it_is_the_same),
        cmocka_unit_test(idempotence_is_on_where_brokers_have_it_and_its_absence_is_told),
        cmocka_unit_test(headers_fail_alone_where_brokers_have_none),
        cmocka_unit_test(zstd_fails_with_its_reason_where_brokers_do_not_know_it),
        cmocka_unit_test(a_batch_above_the_brokers_limit_is_split_and_a_message_above_it_fails_alone),
        cmocka_unit_test(a_message_without_a_key_fails_in_a_compacted_topic),
        cmocka_unit_test(kc_produces_with_its_defaults),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
