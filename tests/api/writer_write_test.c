/* writer_write_test.c: what becomes of the messages of a call, and what the call says about them. */
#include "api/writers.h"

/* ---- what arrives ------------------------------------------------------------------------------------------------ */

static void a_synchronous_write_returns_when_the_message_is_in_the_log(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t");
    kafka_message m = {.key = KAFKA_LIT("k"), .value = KAFKA_LIT("v")};
    int result = 77;
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, &result));
    assert_int_equal(result, 0);
    assert_int_equal(writers_end(c, "t", 0), 1);
    writers_expect_value(c, "t", 0, 0, "v");
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void all_of_a_message_arrives_null_and_empty_apart(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t");
    kafka_header headers[] = {{"a", KAFKA_LIT("1")}, {"a", KAFKA_LIT("")}, {"", {NULL, 0}}};
    kafka_message m[] = {
        {.value = KAFKA_LIT("no key"), .time_ms = 12345},
        {.key = KAFKA_LIT(""), .headers = headers, .header_count = 3, .topic = "t"},
    };
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 2, NULL));
    kafka_message *got = writers_read(c, "t", 0, 0);
    assert_null(got->key.data);
    assert_int_equal(got->time_ms, 12345);
    kafka_message_free(got);
    got = writers_read(c, "t", 0, 1);
    assert_non_null(got->key.data);
    assert_int_equal(got->key.len, 0);
    assert_null(got->value.data);
    assert_int_equal(got->header_count, 3);
    assert_string_equal(got->headers[1].key, "a");
    assert_non_null(got->headers[1].value.data);
    assert_null(got->headers[2].value.data);
    kafka_message_free(got);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void the_caller_s_memory_is_its_own_again_when_the_call_returns(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .async = 1);
    writers_delay(c, 50, 1); /* the first one is under way while the second waits in memory */
    char value[] = "original";
    for (int i = 0; i < 2; i++) {
        char header[] = "name";
        kafka_header h = {header, kafka_str(value)};
        kafka_message m = {.key = kafka_str(value), .value = kafka_str(value), .headers = &h, .header_count = 1};
        memcpy(value, "original", 8);
        assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
        memset(value, 'x', 8);
        memset(header, 'x', 4);
    }
    assert_works(kafka_writer_flush(w, PATIENTLY));
    for (int i = 0; i < 2; i++) {
        kafka_message *got = writers_read(c, "t", 0, i);
        assert_memory_equal(got->key.data, "original", 8);
        assert_memory_equal(got->value.data, "original", 8);
        assert_string_equal(got->headers[0].key, "name");
        assert_memory_equal(got->headers[0].value.data, "original", 8);
        kafka_message_free(got);
    }
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_message_without_a_time_gets_one_now_per_call(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t");
    kafka_message m[3] = {{.value = KAFKA_LIT("a")}, {.value = KAFKA_LIT("b"), .time_ms = -1}, {.time_ms = 7}};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t before = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 3, NULL));
    kafka_message *a = writers_read(c, "t", 0, 0), *b = writers_read(c, "t", 0, 1), *given = writers_read(c, "t", 0, 2);
    assert_true(a->time_ms >= before - 20 && a->time_ms < before + WRITERS_PATIENCE_MS);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(given->time_ms, 7);
    assert_int_equal(m[0].time_ms, 0); /* the caller's stay as they are */
    kafka_message_free(a);
    kafka_message_free(b);
    kafka_message_free(given);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void without_a_topic_of_its_own_a_writer_takes_messages_for_any(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = NULL);
    enum { TOPICS = 9, ROUNDS = 3 };
    char names[TOPICS][8];
    kafka_message m[TOPICS * ROUNDS] = {0};
    for (int i = 0; i < TOPICS; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        assert_works(kafka_cluster_create_topic(c, names[i], 1));
    }
    for (int i = 0; i < TOPICS * ROUNDS; i++)
        m[i] = (kafka_message){.topic = names[i % TOPICS], .value = KAFKA_LIT("v")};
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, TOPICS * ROUNDS, NULL));
    for (int i = 0; i < TOPICS; i++) assert_int_equal(writers_end(c, names[i], 0), ROUNDS);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void the_balancer_chooses_from_all_partitions(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(4);
    kafka_writer *w = WRITER(c, .topic = "t");
    kafka_message *m = writers_messages(40);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 40, NULL));
    for (int32_t i = 0; i < 4; i++) assert_int_equal(writers_end(c, "t", i), 10);
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_message_s_own_codec_is_honoured_and_order_stays(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .compression = writers_codec(KAFKA_COMPRESSION_LZ4));
    static const kafka_compression codecs[] = {KAFKA_COMPRESSION_DEFAULT, KAFKA_COMPRESSION_NONE,
                                               KAFKA_COMPRESSION_GZIP,    KAFKA_COMPRESSION_GZIP,
                                               KAFKA_COMPRESSION_ZSTD,    KAFKA_COMPRESSION_LZ4};
    kafka_message *m = writers_messages(6);
    for (int i = 0; i < 6; i++) m[i].compression = i == 0 ? codecs[i] : writers_codec(codecs[i]);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 6, NULL));
    for (int i = 0; i < 6; i++) writers_expect_value(c, "t", 0, i, m[i].userdata);
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void no_messages_are_fine_also_after_close(void **state)
{
    (void)state;
    kafka_writer *w = writers_new(&(kafka_writer_config){.brokers = "127.0.0.1:1", .topic = "t"});
    assert_works(kafka_writer_write_messages(w, NULL, NULL, 0, NULL));
    assert_works(kafka_writer_close(w, NULL));
    assert_works(kafka_writer_write_messages(w, NULL, NULL, 0, NULL));
    kafka_writer_free(w);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void a_malformed_message_fails_alone(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t");
    kafka_header nameless = {NULL, KAFKA_LIT("v")};
    kafka_message m[] = {
        {.value = KAFKA_LIT("good")}, {.value = {NULL, 5}}, {.headers = &nameless, .header_count = 1},
        {.header_count = 1},          {.time_ms = -2},      {.reserved = 1},
        {.compression = 99},          {.topic = "other"},   {.value = KAFKA_LIT("good, too"), .topic = "t"},
    };
    enum { COUNT = sizeof m / sizeof *m };
    int results[COUNT];
    assert_fails(
        kafka_writer_write_messages(w, PATIENTLY, m, COUNT, results), KAFKA_EPARTIAL,
        "7 of 9 messages failed, the first of them, number 1: the message: value has a length of 5 and no data");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_int_equal(results[0], 0);
    for (int i = 1; i < COUNT - 1; i++) assert_int_equal(results[i], KAFKA_EINVAL);
    assert_int_equal(results[COUNT - 1], 0);
    assert_int_equal(writers_end(c, "t", 0), 2);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void one_code_for_all_is_that_code(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .async = 1);
    kafka_message m[2] = {{.topic = "a"}, {.topic = "b"}};
    int results[2] = {0};
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, m, 2, results), KAFKA_EINVAL,
                 "all 2 messages failed: the message is for topic a, the writer for t");
    assert_int_equal(results[0], KAFKA_EINVAL);
    assert_int_equal(results[1], KAFKA_EINVAL);
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, m, 1, NULL), KAFKA_EINVAL, "the message is for topic a");
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_message_without_any_topic_fails_alone(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = NULL);
    kafka_message m[3] = {{.value = KAFKA_LIT("v")}, {.topic = "t"}, {.topic = ""}};
    int results[3];
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, m, 3, results), KAFKA_EPARTIAL, "no topic");
    assert_int_equal(results[0], KAFKA_EINVAL);
    assert_int_equal(results[1], 0);
    assert_int_equal(results[2], KAFKA_EINVAL);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void what_cannot_be_a_topic_is_refused(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *any = WRITER(c, .topic = NULL), *own = WRITER(c, .topic = "not a name!");
    kafka_message m = {.topic = "not a name!"};
    assert_fails(kafka_writer_write_messages(any, PATIENTLY, &m, 1, NULL), KAFKA_ERR_INVALID_TOPIC, "\"not a name!\"");
    assert_fails(kafka_writer_write_messages(own, PATIENTLY, &m, 1, NULL), KAFKA_ERR_INVALID_TOPIC, "\"not a name!\"");
    assert_non_null(strstr(kafka_last_error(), "1 to 249 letters (a-z, A-Z), digits, '.', '_' or '-'"));
    kafka_writer_free(any);
    kafka_writer_free(own);
    kafka_cluster_free(c);
}

static void a_message_above_batch_bytes_is_refused_at_once_and_the_limit_is_named(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .batch_bytes = 200, .compression = writers_codec(KAFKA_COMPRESSION_GZIP));
    static const char zeros[200];
    int results[3];
    kafka_message m[3] = {{.value = KAFKA_LIT("a")}, {.value = {zeros, 200}}, {.value = KAFKA_LIT("b")}};
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, m, 3, results), KAFKA_EPARTIAL, "batch_bytes, 200");
    assert_int_equal(results[0], 0);
    assert_int_equal(results[1], KAFKA_ETOOBIG);
    assert_int_equal(results[2], 0);
    /* 61 bytes and its record: length, attributes, two deltas, null key, value length, value, no headers */
    m[1].value.len = 200 - 61 - 9;
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m[1], 1, NULL));
    m[1].value.len++;
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, &m[1], 1, NULL), KAFKA_ETOOBIG, "takes 201 bytes");
    assert_int_equal(writers_end(c, "t", 0), 3);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void batch_bytes_below_a_header_let_nothing_pass(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_message m = {.value = KAFKA_LIT("a")};
    for (int32_t bytes = 1; bytes <= 61; bytes += 30) {
        kafka_writer *w = WRITER(c, .topic = "t", .batch_bytes = bytes);
        assert_fails(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL), KAFKA_ETOOBIG, "batch_bytes");
        kafka_writer_free(w);
    }
    kafka_cluster_free(c);
}

static int32_t choose_four(void *userdata, const kafka_message *m, const int32_t *partitions, size_t count)
{
    (void)partitions;
    (void)count;
    if (strcmp(m->topic, "t") != 0) return -3;
    (*(atomic_int *)userdata)++;
    return m->key.data ? 4 : 0;
}

static void a_partition_that_was_not_offered_fails_that_message_alone(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(2);
    atomic_int asked = 0;
    kafka_balancer *b = kafka_balancer_func(choose_four, &asked, NULL);
    kafka_writer *w = WRITER(c, .topic = "t", .balancer = b);
    kafka_message m[3] = {{.value = KAFKA_LIT("a")}, {.key = KAFKA_LIT("k")}, {.value = KAFKA_LIT("b")}};
    for (int round = 0; round < 2; round++) { /* at first the partitions are not known yet */
        int results[3];
        assert_fails(kafka_writer_write_messages(w, PATIENTLY, m, 3, results), KAFKA_EPARTIAL, "1 of 3 messages");
        assert_int_equal(results[0], 0);
        assert_int_equal(results[1], KAFKA_EINVAL);
        assert_int_equal(results[2], 0);
        assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    }
    assert_int_equal(asked, 6); /* once for each message */
    assert_int_equal(writers_end(c, "t", 0), 4);
    kafka_balancer_free(b);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

/* ---- what brokers say -------------------------------------------------------------------------------------------- */

static void a_broker_s_refusal_is_the_result_with_topic_and_partition(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .batch_timeout_ms = 60000); /* both in one batch */
    kafka_message *m = writers_messages(2);
    int results[2];
    writers_refuse(c, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, m, 2, results), KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED,
                 "topic t");
    assert_non_null(strstr(kafka_last_error(), "partition 0"));
    assert_int_equal(results[0], KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(results[1], KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 2, results));
    assert_int_equal(writers_end(c, "t", 0), 2);
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_code_below_minus_one_counts_as_unknown(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .max_attempts = 1);
    kafka_message m = {.value = KAFKA_LIT("v")};
    writers_refuse(c, -5, 1);
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL), KAFKA_ERR_UNKNOWN, NULL);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void what_passes_is_tried_again(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t");
    kafka_message m = {.value = KAFKA_LIT("v")};
    writers_refuse(c, KAFKA_ERR_NOT_ENOUGH_REPLICAS, 2);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    assert_int_equal(writers_end(c, "t", 0), 1);
    assert_int_equal(kafka_cluster_requests(c, KAFKA_REQUEST_PRODUCE), 3);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void max_attempts_bounds_the_refusals(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .max_attempts = 2);
    kafka_message m = {.value = KAFKA_LIT("v")};
    writers_refuse(c, KAFKA_ERR_NOT_ENOUGH_REPLICAS, KAFKA_NEVER);
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL), KAFKA_ERR_NOT_ENOUGH_REPLICAS, "topic t");
    assert_int_equal(kafka_cluster_requests(c, KAFKA_REQUEST_PRODUCE), 2);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void an_unknown_topic_fails_by_itself_names_itself_and_slows_no_other(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = NULL);
    kafka_message m[2] = {{.topic = "nowhere", .value = KAFKA_LIT("v")}, {.topic = "t", .value = KAFKA_LIT("v")}};
    int results[2];
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, m, 2, results), KAFKA_EPARTIAL, "nowhere");
    assert_int_equal(results[0], KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(results[1], 0);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void some_that_failed_are_partial_and_each_has_its_result(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(2);
    kafka_writer *w = WRITER(c, .topic = "t");
    kafka_message *m = writers_messages(10);
    int results[10];
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE);
    f.error = KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED;
    f.topic = "t";
    f.partition = 1;
    writers_fault(c, f);
    int err = kafka_writer_write_messages(w, PATIENTLY, m, 10, results);
    int64_t there = writers_end(c, "t", 0), other = writers_end(c, "t", 1);
    int fine = 0;
    for (int i = 0; i < 10; i++) fine += results[i] == 0;
    for (int i = 0; i < 10; i++) assert_true(results[i] == 0 || results[i] == KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(fine, there + other);
    assert_int_equal(err, fine > 0 ? KAFKA_EPARTIAL : KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_true(fine < 10);
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void acks_none_and_one_work_and_have_no_producer_id(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    static const kafka_acks acks[] = {KAFKA_ACKS_NONE, KAFKA_ACKS_ONE, KAFKA_ACKS_ALL};
    for (int i = 0; i < 3; i++) {
        kafka_writer *w = WRITER(c, .topic = "t", .required_acks = acks[i], .no_idempotence = i == 2);
        kafka_message m = {.value = KAFKA_LIT("v")};
        assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
        assert_works(kafka_writer_close(w, PATIENTLY));
        kafka_writer_free(w);
        writers_await(c, KAFKA_REQUEST_PRODUCE, i + 1);
    }
    int64_t until = kafka_now_ms() + WRITERS_PATIENCE_MS;
    while (writers_end(c, "t", 0) < 3 && kafka_now_ms() < until) poll(NULL, 0, 1);
    assert_int_equal(writers_end(c, "t", 0), 3);
    assert_int_equal(kafka_cluster_requests(c, KAFKA_REQUEST_INIT_PRODUCER_ID), 0);
    kafka_cluster_free(c);
}

static void one_producer_id_is_asked_for(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(8);
    kafka_writer *w = WRITER(c, .topic = "t");
    int64_t before = kafka_now_ms();
    for (int i = 0; i < 3; i++) {
        kafka_message *m = writers_messages(40);
        assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 40, NULL));
        writers_messages_free(m);
    }
    /* Whoever owes it for a second is asked once more, on another connection. */
    assert_in_range(kafka_cluster_requests(c, KAFKA_REQUEST_INIT_PRODUCER_ID), 1, 1 + (kafka_now_ms() - before) / 1000);
    assert_int_equal(writers_total(c, 8), 120);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_lone_synchronous_message_does_not_wait_for_company(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .batch_timeout_ms = 60000);
    kafka_message m = {.value = KAFKA_LIT("v")};
    int64_t before = kafka_now_ms();
    for (int i = 0; i < 3; i++) assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    assert_true(kafka_now_ms() - before < 15000);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void one_batch_is_one_request_for_a_whole_call(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .batch_timeout_ms = 60000);
    kafka_message *m = writers_messages(5000); /* more than batch_size: it may grow */
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 1, NULL));
    int64_t before = kafka_cluster_requests(c, KAFKA_REQUEST_PRODUCE);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 5000, NULL));
    assert_int_equal(kafka_cluster_requests(c, KAFKA_REQUEST_PRODUCE), before + 1);
    assert_int_equal(writers_end(c, "t", 0), 5001);
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static void impossible_arguments_are_named(void **state)
{
    (void)state;
    kafka_writer *w = writers_new(&(kafka_writer_config){.brokers = "127.0.0.1:1", .topic = "t"});
    kafka_message m = {.value = KAFKA_LIT("v")};
    kafka_ctx bad = {.reserved = {&m, NULL}};
    int result = 0;
    assert_fails(kafka_writer_write_messages(NULL, NULL, &m, 1, &result), KAFKA_EINVAL, "the writer is NULL");
    assert_int_equal(result, KAFKA_EINVAL);
    assert_fails(kafka_writer_write_messages(w, NULL, NULL, 1, NULL), KAFKA_EINVAL, "the messages are NULL");
    assert_fails(kafka_writer_write_messages(w, &bad, &m, 1, NULL), KAFKA_EINVAL, "reserved");
    assert_fails(kafka_writer_flush(NULL, NULL), KAFKA_EINVAL, "the writer is NULL");
    assert_fails(kafka_writer_close(NULL, NULL), KAFKA_EINVAL, "the writer is NULL");
    kafka_writer_stats_snapshot(NULL, NULL);
    kafka_writer_free(NULL);
    kafka_writer_free(w);
}

static void the_sentence_also_stands_in_the_context(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t");
    kafka_message m = {.topic = "u"};
    char why[256] = "";
    kafka_ctx ctx = {.error = why, .error_cap = sizeof why};
    assert_fails(kafka_writer_write_messages(w, &ctx, &m, 1, NULL), KAFKA_EINVAL, "topic u");
    assert_string_equal(why, kafka_last_error());
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_synchronous_write_returns_when_the_message_is_in_the_log),
        API_TEST(all_of_a_message_arrives_null_and_empty_apart),
        API_TEST(the_caller_s_memory_is_its_own_again_when_the_call_returns),
        API_TEST(a_message_without_a_time_gets_one_now_per_call),
        API_TEST(without_a_topic_of_its_own_a_writer_takes_messages_for_any),
        API_TEST(the_balancer_chooses_from_all_partitions),
        API_TEST(a_message_s_own_codec_is_honoured_and_order_stays),
        API_TEST(no_messages_are_fine_also_after_close),
        API_TEST(a_malformed_message_fails_alone),
        API_TEST(one_code_for_all_is_that_code),
        API_TEST(a_message_without_any_topic_fails_alone),
        API_TEST(what_cannot_be_a_topic_is_refused),
        API_TEST(a_message_above_batch_bytes_is_refused_at_once_and_the_limit_is_named),
        API_TEST(batch_bytes_below_a_header_let_nothing_pass),
        API_TEST(a_partition_that_was_not_offered_fails_that_message_alone),
        API_TEST(a_broker_s_refusal_is_the_result_with_topic_and_partition),
        API_TEST(a_code_below_minus_one_counts_as_unknown),
        API_TEST(what_passes_is_tried_again),
        API_TEST(max_attempts_bounds_the_refusals),
        API_TEST(an_unknown_topic_fails_by_itself_names_itself_and_slows_no_other),
        API_TEST(some_that_failed_are_partial_and_each_has_its_result),
        API_TEST(acks_none_and_one_work_and_have_no_producer_id),
        API_TEST(one_producer_id_is_asked_for),
        API_TEST(a_lone_synchronous_message_does_not_wait_for_company),
        API_TEST(one_batch_is_one_request_for_a_whole_call),
        API_TEST(impossible_arguments_are_named),
        API_TEST(the_sentence_also_stands_in_the_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
