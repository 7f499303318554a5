/* write_test.c: kcat finds what this library has written. */
#include "kafka/peers.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What kcat reads of a partition has to be these messages, from offset 0 on. */
static void assert_kcat_reads(const char *topic, int32_t partition, const kafka_message *list, size_t count)
{
    text want = {0}, got = kcat_read(topic, partition, "beginning", "read_committed");
    kcat_expect(&want, partition, 0, list, count);
    assert_same_text(&got, &want);
    text_free(&got);
    text_free(&want);
}

static void kcat_reads_what_we_wrote_in_every_codec(void **state)
{
    (void)state;
    const char *topic = peers_topic("written", CODECS, NULL);
    samples s = peers_samples();
    for (int32_t i = 0; i < CODECS; i++) {
        peers_write(topic, i, s.items, 5, codecs[i].code);
        peers_write(topic, i, s.items + 5, s.count - 5, codecs[i].code);
        assert_kcat_reads(topic, i, s.items, s.count);
    }
}

static void kcat_tells_null_from_empty_in_values_and_headers(void **state)
{
    (void)state;
    const char *topic = peers_topic("null", 1, NULL);
    samples s = peers_samples();
    peers_write(topic, 0, s.items, s.text, KAFKA_COMPRESSION_ZSTD);
    text got = kcat_consume(topic, 0, "beginning", "read_committed", NULL);
    assert_text_has(got.data, "\"key\":\"its value is null\",\"payload\":null}");
    assert_text_has(got.data, "\"key\":\"its value is empty\",\"payload\":\"\"}");
    assert_text_has(got.data, "\"key\":null,\"payload\":\"its key is null\"}");
    assert_text_has(got.data, "\"key\":\"\",\"payload\":\"its key is empty\"}");
    assert_text_has(got.data, "\"key\":null,\"payload\":null}");
    assert_text_has(got.data, "\"key\":\"\",\"payload\":\"\"}");
    assert_text_has(got.data, "\"headers\":[\"null\",null,\"empty\",\"\",\"\",\"its name is empty\"]");
    text_free(&got);
}

static void messages_of_a_megabyte_arrive_whole(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20, N = 3 };
    const char *topic = peers_topic("large", CODECS, (const char *const[]){"max.message.bytes", "8000000", NULL});
    unsigned char *noise = peers_noise(SIZE, 7), *flat = malloc(SIZE);
    assert_non_null(flat);
    memset(flat, '.', SIZE);
    const kafka_message list[N] = {
        {.key = KAFKA_LIT("noise"), .value = {noise, SIZE}, .time_ms = 1600000000000},
        {.key = KAFKA_LIT("dots"), .value = {flat, SIZE}, .time_ms = 1600000000001},
        {.key = {noise, SIZE}, .value = KAFKA_LIT("behind a large key"), .time_ms = 1600000000002},
    };
    for (int32_t i = 0; i < CODECS; i++) {
        peers_write(topic, i, list, N, codecs[i].code);
        assert_kcat_reads(topic, i, list, N);
    }
    free(noise);
    free(flat);
}

static void a_message_above_the_topics_limit_is_refused_and_the_connection_goes_on(void **state)
{
    (void)state;
    const char *topic = peers_topic("limited", 1, (const char *const[]){"max.message.bytes", "1000", NULL});
    unsigned char *noise = peers_noise(2000, 3);
    kafka_conn *conn = peers_dial(topic, 0);
    int64_t last;
    assert_int_equal(kafka_conn_write(conn, noise, 2000), KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE);
    assert_text_has(kafka_last_error(), topic);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_ok(kafka_conn_write(conn, noise, 900));
    assert_ok(kafka_conn_read_last_offset(conn, &last));
    assert_int_equal(last, 1);
    kafka_conn_free(conn);
    free(noise);
}

static void ten_thousand_messages_keep_their_order(void **state)
{
    (void)state;
    enum { CALL = 400 };
    const char *topic = peers_topic("many", 1, NULL);
    series many = peers_series(10000);
    kafka_conn *conn = peers_dial(topic, 0);
    int64_t start = kafka_now_ms();
    for (size_t i = 0; i < many.count; i += CALL) {
        size_t bytes = 0, want_bytes = 0;
        for (size_t k = i; k < i + CALL; k++) want_bytes += many.items[k].key.len + many.items[k].value.len;
        assert_ok(kafka_conn_write_messages(conn, &many.items[i], CALL, codecs[i / CALL % CODECS].code, &bytes));
        assert_int_equal(bytes, want_bytes);
    }
    print_message("10000 messages in %zu acknowledged calls: %d ms\n", many.count / CALL,
                  (int)(kafka_now_ms() - start));
    kafka_conn_free(conn);
    assert_kcat_reads(topic, 0, many.items, many.count);
    series_free(&many);
}

static int64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void a_time_of_zero_is_now_and_one_now_for_the_whole_call(void **state)
{
    (void)state;
    const kafka_message list[] = {{.value = KAFKA_LIT("a")}, {.value = KAFKA_LIT("b"), .time_ms = -1}};
    const char *topic = peers_topic("now", 1, NULL);
    int64_t before = unix_ms();
    peers_write(topic, 0, list, 2, KAFKA_COMPRESSION_NONE);
    int64_t after = unix_ms();
    text got = kcat_read(topic, 0, "beginning", "read_committed");
    long long first, second;
    assert_int_equal(sscanf(got.data, "0 0 %lld -1 1 |a|\n0 1 %lld -1 1 |b|\n", &first, &second), 2);
    assert_int_equal(first, second);
    assert_in_range(first, before, after);
    text_free(&got);
}

static void a_topic_with_the_brokers_clock_keeps_the_brokers_time(void **state)
{
    (void)state;
    samples s = peers_samples();
    const char *topic =
        peers_topic("appended", CODECS, (const char *const[]){"message.timestamp.type", "LogAppendTime", NULL});
    for (int32_t i = 0; i < CODECS; i++) {
        long long time;
        int64_t before = unix_ms();
        peers_write(topic, i, s.items, s.text, codecs[i].code);
        int64_t after = unix_ms();
        text got = kcat_consume(topic, i, "beginning", "read_committed", "%o %T\n");
        assert_int_equal(sscanf(got.data, "0 %lld\n", &time), 1);
        assert_in_range(time, before, after);
        text want = {0};
        for (size_t k = 0; k < s.text; k++) text_addf(&want, "%zu %lld\n", k, time);
        assert_same_text(&got, &want);
        text_free(&got);
        text_free(&want);
        got = kcat_consume(topic, i, "beginning", "read_committed", NULL);
        assert_text_has(got.data, "\"tstype\":\"logappend\"");
        text_free(&got);
    }
}

static void writes_without_and_with_one_acknowledgement_arrive_too(void **state)
{
    (void)state;
    const char *topic = peers_topic("acks", 1, NULL);
    kafka_conn *conn = peers_dial(topic, 0);
    const kafka_message list[] = {
        {.value = KAFKA_LIT("unacknowledged"), .time_ms = 1600000000000},
        {.value = KAFKA_LIT("acknowledged by the leader"), .time_ms = 1600000000001},
    };
    int64_t last;
    assert_ok(kafka_conn_set_required_acks(conn, KAFKA_ACKS_NONE));
    assert_ok(kafka_conn_write_messages(conn, &list[0], 1, KAFKA_COMPRESSION_NONE, NULL));
    assert_ok(kafka_conn_set_required_acks(conn, KAFKA_ACKS_ONE));
    assert_ok(kafka_conn_write_messages(conn, &list[1], 1, KAFKA_COMPRESSION_NONE, NULL));
    assert_ok(kafka_conn_read_last_offset(conn, &last));
    assert_int_equal(last, 2);
    kafka_conn_free(conn);
    assert_kcat_reads(topic, 0, list, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kcat_reads_what_we_wrote_in_every_codec),
        cmocka_unit_test(kcat_tells_null_from_empty_in_values_and_headers),
        cmocka_unit_test(messages_of_a_megabyte_arrive_whole),
        cmocka_unit_test(a_message_above_the_topics_limit_is_refused_and_the_connection_goes_on),
        cmocka_unit_test(ten_thousand_messages_keep_their_order),
        cmocka_unit_test(a_time_of_zero_is_now_and_one_now_for_the_whole_call),
        cmocka_unit_test(a_topic_with_the_brokers_clock_keeps_the_brokers_time),
        cmocka_unit_test(writes_without_and_with_one_acknowledgement_arrive_too),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
