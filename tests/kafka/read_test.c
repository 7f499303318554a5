/* read_test.c: this library reads what kcat has written, which is librdkafka. Its snappy is raw, Java frames it. */
#include "kafka/peers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Lets kcat write the messages' keys and values, many to a batch. */
static void kcat_writes(const char *topic, int32_t partition, const char *codec_name, const kafka_message *list,
                        size_t count)
{
    text lines = {0};
    for (size_t i = 0; i < count; i++) {
        text_add(&lines, list[i].key.data, list[i].key.len);
        text_add(&lines, "<key>", 5);
        text_add(&lines, list[i].value.data, list[i].value.len);
        text_add(&lines, "<end>", 5);
    }
    kcat_produce(topic, partition, &lines,
                 (const char *const[]){"-K", "<key>", "-D", "<end>", "-X", "linger.ms=200", "-z", codec_name, NULL});
    text_free(&lines);
}

/* All that is not in the message itself. */
static void assert_comes_from(const kafka_message *m, const char *topic, int32_t partition, int64_t offset, int64_t end)
{
    assert_string_equal(m->topic, topic);
    assert_int_equal(m->partition, partition);
    assert_int_equal(m->offset, offset);
    assert_int_equal(m->high_watermark, end);
    assert_true(m->leader_epoch >= 0);
    assert_null(m->userdata);
    assert_int_equal(m->assignment, 0);
}

/* `want` without what kcat cannot set, or only by command line. */
static kafka_message plain(const kafka_message *want)
{
    return (kafka_message){.key = want->key, .value = want->value};
}

static void we_read_every_codec_of_kcats_in_batches_message_by_message_and_value_by_value(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    const char *topic = peers_topic("kcat", CODECS, NULL);
    series s = peers_series(COUNT);
    for (int32_t i = 0; i < CODECS; i++) {
        int64_t before = unix_ms();
        kcat_writes(topic, i, codecs[i].name, s.items, s.count);
        int64_t after = unix_ms();
        kafka_conn *conn = peers_dial(topic, i);

        messages all = peers_read_all(conn, NULL);
        assert_int_equal(all.count, COUNT);
        for (size_t k = 0; k < COUNT; k++) {
            kafka_message want = plain(&s.items[k]);
            assert_same_message(all.items[k], &want);
            assert_comes_from(all.items[k], topic, i, (int64_t)k, COUNT);
            assert_in_range(all.items[k]->time_ms, before, after);
            assert_int_equal(all.items[k]->time_type, 0);
        }
        messages_free(&all);

        assert_ok(kafka_conn_seek(conn, COUNT / 2, KAFKA_SEEK_ABSOLUTE, NULL)); /* in the middle of a batch */
        for (size_t k = COUNT / 2; k < COUNT; k++) {
            kafka_message *m = NULL, want = plain(&s.items[k]);
            assert_ok(kafka_conn_read_message(conn, 0, &m));
            assert_same_message(m, &want);
            assert_int_equal(m->offset, k);
            kafka_message_free(m);
        }

        assert_ok(kafka_conn_seek(conn, 0, KAFKA_SEEK_START, NULL));
        for (size_t k = 0; k < 50; k++) {
            char value[200];
            size_t len = 0;
            assert_ok(kafka_conn_read(conn, value, sizeof value, &len));
            assert_int_equal(len, s.items[k].value.len);
            assert_memory_equal(value, s.items[k].value.data, len);
            assert_int_equal(kafka_conn_offset(conn, NULL), k + 1);
        }
        kafka_conn_free(conn);
    }
    series_free(&s);
}

static void we_tell_null_from_empty_and_read_headers(void **state)
{
    (void)state;
    static const kafka_header headers[] = {
        {"name", {"value", 5}}, {"empty", {"", 0}}, {"null", {NULL, 0}}, {"name", {"again", 5}}};
    const kafka_message want[] = {
        {.key = KAFKA_LIT("null value")},
        {.value = KAFKA_LIT("null key")},
        {.key = KAFKA_LIT("empty value"), .value = KAFKA_LIT("")},
        {.value = KAFKA_LIT("headers"), .headers = headers, .header_count = 4},
    };
    const char *topic = peers_topic("null", 1, NULL);
    text input = {0};
    text_addf(&input, "null value|\n|null key\n");
    kcat_produce(topic, 0, &input, (const char *const[]){"-K", "|", "-Z", NULL});
    text_free(&input);
    text_addf(&input, "empty value|\n");
    kcat_produce(topic, 0, &input, (const char *const[]){"-K", "|", NULL});
    text_free(&input);
    text_addf(&input, "headers\n");
    kcat_produce(topic, 0, &input,
                 (const char *const[]){"-H", "name=value", "-H", "empty=", "-H", "null", "-H", "name=again", NULL});
    text_free(&input);
    kafka_conn *conn = peers_dial(topic, 0);
    messages all = peers_read_all(conn, NULL);
    assert_int_equal(all.count, 4);
    for (size_t i = 0; i < 4; i++) assert_same_message(all.items[i], &want[i]);
    messages_free(&all);
    kafka_conn_free(conn);
}

static void we_read_binary_messages_of_a_megabyte_whole_whatever_the_limit(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    const char *topic = peers_topic("large", CODECS, (const char *const[]){"max.message.bytes", "8000000", NULL});
    unsigned char *noise = peers_noise(SIZE, 5), *into = malloc(SIZE);
    assert_non_null(into);
    const kafka_message list[] = {
        {.key = KAFKA_LIT("small"), .value = KAFKA_LIT("in front")},
        {.key = KAFKA_LIT("large"), .value = {noise, SIZE}},
        {.key = KAFKA_LIT("small"), .value = KAFKA_LIT("behind")},
    };
    for (int32_t i = 0; i < CODECS; i++) {
        size_t len = 0;
        kcat_writes(topic, i, codecs[i].name, list, 3);
        kafka_conn *conn = peers_dial(topic, i);
        messages all = peers_read_all(conn, &(kafka_fetch){.max_bytes = 1000});
        assert_int_equal(all.count, 3);
        for (size_t k = 0; k < 3; k++) assert_same_message(all.items[k], &list[k]);
        messages_free(&all);

        kafka_message *m = NULL;
        assert_ok(kafka_conn_seek(conn, 1, KAFKA_SEEK_ABSOLUTE, NULL));
        assert_ok(kafka_conn_read_message(conn, 1, &m));
        assert_same_message(m, &list[1]);
        kafka_message_free(m);

        assert_ok(kafka_conn_seek(conn, 1, KAFKA_SEEK_ABSOLUTE, NULL));
        assert_int_equal(kafka_conn_read(conn, NULL, 0, &len), KAFKA_ESHORTBUF);
        assert_int_equal(len, SIZE);
        len = 0;
        assert_int_equal(kafka_conn_read(conn, into, 100, &len), KAFKA_ESHORTBUF);
        assert_int_equal(len, SIZE);
        assert_memory_equal(into, noise, 100);
        assert_ok(kafka_conn_read(conn, into, SIZE, &len));
        assert_memory_equal(into, noise, SIZE);
        assert_ok(kafka_conn_read(conn, into, SIZE, &len));
        assert_int_equal(len, 6);
        kafka_conn_free(conn);
    }
    free(into);
    free(noise);
}

static void ten_thousand_messages_keep_their_order(void **state)
{
    (void)state;
    const char *topic = peers_topic("many", 1, NULL);
    series s = peers_series(10000);
    kcat_writes(topic, 0, "lz4", s.items, s.count);
    kafka_conn *conn = peers_dial(topic, 0);
    int64_t start = kafka_now_ms();
    messages all = peers_read_all(conn, NULL);
    print_message("10000 messages read and copied: %d ms\n", (int)(kafka_now_ms() - start));
    assert_int_equal(all.count, s.count);
    for (size_t k = 0; k < s.count; k++) {
        kafka_message want = plain(&s.items[k]);
        assert_int_equal(all.items[k]->offset, k);
        assert_same_message(all.items[k], &want);
    }
    messages_free(&all);
    kafka_conn_free(conn);
    series_free(&s);
}

static void a_topic_with_the_brokers_clock_gives_the_brokers_time(void **state)
{
    (void)state;
    const char *topic =
        peers_topic("appended", CODECS, (const char *const[]){"message.timestamp.type", "LogAppendTime", NULL});
    series s = peers_series(20);
    for (int32_t i = 0; i < CODECS; i++) {
        int64_t before = unix_ms();
        kcat_writes(topic, i, codecs[i].name, s.items, s.count);
        int64_t after = unix_ms();
        text want = kcat_consume(topic, i, "beginning", "read_committed", "%T\n"), got = {0};
        kafka_conn *conn = peers_dial(topic, i);
        messages all = peers_read_all(conn, NULL);
        for (size_t k = 0; k < all.count; k++) {
            assert_int_equal(all.items[k]->time_type, 1);
            assert_in_range(all.items[k]->time_ms, before, after);
            text_addf(&got, "%" PRId64 "\n", all.items[k]->time_ms);
        }
        assert_same_text(&got, &want);
        text_free(&got);
        text_free(&want);
        messages_free(&all);
        kafka_conn_free(conn);
    }
    series_free(&s);
}

static void a_transaction_of_kcats_is_read_when_it_is_committed(void **state)
{
    (void)state;
    const char *topic = peers_topic("transaction", 1, NULL);
    text input = {0};
    char id[350];
    snprintf(id, sizeof id, "transactional.id=%s", peers_name("id"));
    text_addf(&input, "one\ntwo\n");
    kcat_produce(topic, 0, &input, (const char *const[]){"-X", id, NULL});
    text_free(&input);
    kafka_conn *conn = peers_dial(topic, 0);
    peers_await_end(conn, 3); /* two messages and the marker */
    messages all = peers_read_all(conn, &(kafka_fetch){.read_committed = 1});
    assert_int_equal(all.count, 2);
    assert_memory_equal(all.items[0]->value.data, "one", 3);
    assert_memory_equal(all.items[1]->value.data, "two", 3);
    assert_int_equal(kafka_conn_offset(conn, NULL), 3);
    messages_free(&all);
    kafka_conn_free(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(we_read_every_codec_of_kcats_in_batches_message_by_message_and_value_by_value),
        cmocka_unit_test(we_tell_null_from_empty_and_read_headers),
        cmocka_unit_test(we_read_binary_messages_of_a_megabyte_whole_whatever_the_limit),
        cmocka_unit_test(ten_thousand_messages_keep_their_order),
        cmocka_unit_test(a_topic_with_the_brokers_clock_gives_the_brokers_time),
        cmocka_unit_test(a_transaction_of_kcats_is_read_when_it_is_committed),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
