/* Writing: what reaches the log, what is refused, and what is known after a failure. */
#include "api/calls.h"
#include "wire/gen/produce.h"

typedef struct produced {
    int count; /* requests */
    int16_t acks;
    int32_t timeout_ms;
    int codec, records;
    int64_t base_timestamp, producer_id;
} produced;

static void note_produce(tcp_call *call, void *answer, void *arg)
{
    const kfk_produce_request *r = call->request;
    kafka_bytes batch = r->topic_data.items[0].partition_data.items[0].records.bytes;
    produced *x = arg;
    kfk_batch_header h;
    (void)answer;
    if (kfk_record_header_parse(batch.data, batch.len, &h, NULL) != 0) return;
    *x = (produced){x->count + 1,   r->acks,          r->timeout_ms, kfk_batch_codec(&h),
                    h.record_count, h.base_timestamp, h.producer_id};
}

static void expect_message(kafka_conn *c, const kafka_message *wrote, int64_t offset)
{
    kafka_message *m;
    assert_works(kafka_conn_read_message(c, 0, &m));
    assert_int_equal(m->offset, offset);
    assert_true((m->key.data == NULL) == (wrote->key.data == NULL) && m->key.len == wrote->key.len);
    assert_true((m->value.data == NULL) == (wrote->value.data == NULL) && m->value.len == wrote->value.len);
    if (m->key.len > 0) assert_memory_equal(m->key.data, wrote->key.data, m->key.len);
    if (m->value.len > 0) assert_memory_equal(m->value.data, wrote->value.data, m->value.len);
    assert_int_equal(m->header_count, wrote->header_count);
    for (size_t i = 0; i < m->header_count; i++) {
        assert_string_equal(m->headers[i].key, wrote->headers[i].key);
        assert_true((m->headers[i].value.data == NULL) == (wrote->headers[i].value.data == NULL));
        assert_int_equal(m->headers[i].value.len, wrote->headers[i].value.len);
    }
    kafka_message_free(m);
}

/* ---- what is written --------------------------------------------------------------------------------------------- */

static void messages_arrive_as_they_are_with_every_codec(void **state)
{
    (void)state;
    produced seen = {0};
    static char big[5000];
    memset(big, 'b', sizeof big);
    kafka_header headers[] = {{"h", KAFKA_LIT("1")}, {"", {NULL, 0}}, {"h", KAFKA_LIT("")}};
    kafka_message msgs[] = {
        {.key = KAFKA_LIT("k"), .value = KAFKA_LIT("v"), .headers = headers, .header_count = 3},
        {.key = {NULL, 0}, .value = {NULL, 0}, .offset = 4711}, /* which counts for nothing */
        {.key = KAFKA_LIT(""), .value = KAFKA_LIT("")},
        {.value = {big, sizeof big}},
    };
    tcp_peer *p = TCP_PEER({.api = KFK_API_PRODUCE, .times = TCP_ALWAYS, .edit = note_produce, .arg = &seen});
    kafka_conn *c = calls_dial(p, 0);
    int64_t offset = 0;
    for (kafka_compression codec = KAFKA_COMPRESSION_NONE; codec <= KAFKA_COMPRESSION_ZSTD; codec++) {
        size_t bytes = 77;
        if (codec > 0 && !kfk_compress_find(codec)) continue;
        assert_works(kafka_conn_write_messages(c, msgs, 4, codec, &bytes));
        assert_int_equal(bytes, 2 + sizeof big); /* keys and values, before compression */
        assert_int_equal(seen.codec, codec > 0 ? codec : 0);
        assert_int_equal(seen.records, 4); /* one batch */
        assert_int_equal(seen.producer_id, -1);
        for (int i = 0; i < 4; i++) expect_message(c, &msgs[i], offset++);
    }
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_single_value_has_a_null_key(void **state)
{
    (void)state;
    kafka_message empty = {.value = KAFKA_LIT("")}, hello = {.value = KAFKA_LIT("hello")};
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_write(c, "hello", 5));
    assert_works(kafka_conn_write(c, "", 0));
    assert_works(kafka_conn_write(c, NULL, 0)); /* empty, not null */
    expect_message(c, &hello, 0);
    expect_message(c, &empty, 1);
    expect_message(c, &empty, 2);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void no_messages_are_written_without_asking(void **state)
{
    (void)state;
    size_t bytes = 77;
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_write_messages(c, NULL, 0, KAFKA_COMPRESSION_DEFAULT, &bytes));
    assert_int_equal(bytes, 0);
    assert_int_equal(tcp_peer_requests(p, KFK_API_PRODUCE), 0);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void times_are_kept_and_missing_ones_are_one_now(void **state)
{
    (void)state;
    kafka_message *m;
    kafka_message msgs[] = {{.time_ms = 0}, {.time_ms = 1234}, {.time_ms = -1}};
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_write_messages(c, msgs, 3, KAFKA_COMPRESSION_DEFAULT, NULL));
    assert_true(msgs[0].time_ms == 0 && msgs[2].time_ms == -1); /* not the caller's */
    int64_t times[3];
    for (int i = 0; i < 3; i++) {
        assert_works(kafka_conn_read_message(c, 0, &m));
        times[i] = m->time_ms;
        kafka_message_free(m);
    }
    assert_int_equal(times[1], 1234);
    assert_int_equal(times[0], times[2]);
    assert_true(times[0] > 1600000000000);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* What is left to it of this: a second is for the way, or a quarter. */
static int64_t time_for_broker(int64_t left_ms)
{
    int64_t rest = left_ms - (left_ms < 1000 ? left_ms / 4 : 1000);
    return rest < 0 ? 0 : rest;
}

static void acks_and_time_reach_the_broker(void **state)
{
    (void)state;
    produced seen = {0};
    tcp_peer *p = TCP_PEER({.api = KFK_API_PRODUCE, .times = TCP_ALWAYS, .edit = note_produce, .arg = &seen});
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_write(c, "x", 1));
    assert_int_equal(seen.acks, -1);
    assert_int_equal(seen.timeout_ms, 30000); /* without a deadline */
    assert_works(kafka_conn_set_required_acks(c, KAFKA_ACKS_ONE));
    assert_works(kafka_conn_write(c, "x", 1));
    assert_int_equal(seen.acks, 1);
    static const kafka_acks wrong[] = {2, -3, 3, 100};
    for (size_t i = 0; i < 4; i++)
        assert_fails(kafka_conn_set_required_acks(c, wrong[i]), KAFKA_ERR_INVALID_REQUIRED_ACKS, "ACKS");
    assert_works(kafka_conn_write(c, "x", 1));
    assert_int_equal(seen.acks, 1);
    assert_works(kafka_conn_set_required_acks(c, KAFKA_ACKS_DEFAULT));
    static const int64_t within[] = {10000, 1500, 400};
    for (size_t i = 0; i < 3; i++) {
        int64_t before, deadline, patience = kafka_deadline_in(CALLS_PATIENCE_MS);
        int err;
        do { /* until the machine is fast enough */
            before = kafka_now_ms();
            kafka_conn_set_write_deadline(c, deadline = kafka_deadline_in(within[i]));
            err = kafka_conn_write(c, "x", 1);
        } while (err == KAFKA_ETIMEDOUT && kafka_now_ms() < patience);
        assert_works(err);
        assert_int_equal(seen.acks, -1);
        assert_in_range(seen.timeout_ms, time_for_broker(deadline - kafka_now_ms()),
                        time_for_broker(deadline - before));
    }
    kafka_conn_set_write_deadline(c, INT64_MAX);
    assert_works(kafka_conn_write(c, "x", 1));
    assert_int_equal(seen.timeout_ms, INT32_MAX); /* the most that a request can say */
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* The peer is held at the first write: nobody acknowledges anything. */
static void without_acks_nothing_is_waited_for(void **state)
{
    (void)state;
    produced seen = {0};
    tcp_peer *p = TCP_PEER({.api = KFK_API_PRODUCE, .hold = true, .edit = note_produce, .arg = &seen},
                           {.api = KFK_API_PRODUCE, .times = TCP_ALWAYS, .edit = note_produce, .arg = &seen});
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_set_required_acks(c, KAFKA_ACKS_NONE));
    for (int i = 0; i < 3; i++) assert_works(kafka_conn_write(c, "x", 1));
    tcp_peer_release(p);
    assert_works(kafka_conn_set_required_acks(c, KAFKA_ACKS_ALL));
    assert_works(kafka_conn_write(c, "y", 1)); /* its answer is not mistaken for one of theirs */
    assert_int_equal(tcp_peer_end(p, 0), 4);
    assert_int_equal(seen.count, 4);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void refuses(kafka_conn *c, kafka_message m, kafka_compression codec, int code, const char *part)
{
    size_t bytes = 77;
    kafka_message msgs[] = {{.value = KAFKA_LIT("good")}, m};
    assert_fails(kafka_conn_write_messages(c, msgs, 2, codec, &bytes), code, part);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_int_equal(bytes, 77);
}

static void what_a_message_may_not_say_is_refused_before_anything_is_sent(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 1), *plain;
    kafka_header nameless[] = {{NULL, KAFKA_LIT("x")}};
    refuses(c, (kafka_message){.topic = "u"}, 0, KAFKA_EINVAL, "message 1 is for topic u");
    refuses(c, (kafka_message){.partition = 2}, 0, KAFKA_EINVAL, "message 1 is for partition 2");
    refuses(c, (kafka_message){.compression = KAFKA_COMPRESSION_GZIP}, 0, KAFKA_EINVAL, "compression");
    bool gzip = strstr(kafka_features(), "gzip") != NULL; /* else the call is refused for its codec */
    refuses(c, (kafka_message){.compression = KAFKA_COMPRESSION_NONE}, KAFKA_COMPRESSION_GZIP,
            gzip ? KAFKA_EINVAL : KAFKA_ECODEC, gzip ? "compression" : "not built in");
    refuses(c, (kafka_message){.key.len = 5}, 0, KAFKA_EINVAL, "key");
    refuses(c, (kafka_message){.headers = nameless, .header_count = 1}, 0, KAFKA_EINVAL, "header 0");
    refuses(c, (kafka_message){.header_count = 1}, 0, KAFKA_EINVAL, "header_count");
    refuses(c, (kafka_message){.reserved = 1}, 0, KAFKA_EINVAL, "reserved");
    refuses(c, (kafka_message){.time_ms = -2}, 0, KAFKA_EINVAL, "time");
    refuses(c, (kafka_message){0}, 5, KAFKA_EINVAL, "compression 5");
    refuses(c, (kafka_message){0}, -2, KAFKA_EINVAL, "compression -2");
    assert_fails(kafka_conn_write_messages(c, NULL, 1, 0, NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_write(c, NULL, 1), KAFKA_EINVAL, "NULL");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_fails(kafka_conn_write(NULL, "x", 1), KAFKA_EINVAL, "NULL");
    assert_works(kafka_dial(NULL, NULL, tcp_peer_address(p), &plain));
    assert_fails(kafka_conn_write(plain, "x", 1), KAFKA_EINVAL, "no topic");
    kafka_conn_free(plain);
    assert_int_equal(tcp_peer_requests(p, KFK_API_PRODUCE), 0);
    kafka_message good[] = {{.topic = "t", .partition = 1, .compression = KAFKA_COMPRESSION_NONE}, {.partition = 0}};
    assert_works(kafka_conn_write_messages(c, good, 2, KAFKA_COMPRESSION_DEFAULT, NULL));
    assert_int_equal(tcp_peer_end(p, 1), 2);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_codec_that_the_broker_is_too_old_for_says_so(void **state)
{
    (void)state;
    if (!kfk_compress_find(KFK_CODEC_ZSTD)) return;
    tcp_peer *p = TCP_PEER({0});
    tcp_peer_set_versions(p, KFK_API_PRODUCE, 0, 6);
    kafka_conn *c = calls_dial(p, 0);
    kafka_message m = {.value = KAFKA_LIT("x")};
    assert_fails(kafka_conn_write_messages(c, &m, 1, KAFKA_COMPRESSION_ZSTD, NULL), KAFKA_EVERSION, "zstd");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_works(kafka_conn_write_messages(c, &m, 1, KAFKA_COMPRESSION_NONE, NULL));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- what is known after a failure ------------------------------------------------------------------------------- */

static void appended_all_the_same(tcp_call *call, void *answer, void *arg)
{
    (void)call;
    (void)arg;
    kfk_produce_response_partition *p =
        &((kfk_produce_response *)answer)->responses.items[0].partition_responses.items[0];
    p->base_offset = 5;
    p->error_message = kafka_str("the broker's\nwords");
}

static void leave_out(tcp_call *call, void *answer, void *arg)
{
    (void)call;
    (void)arg;
    ((kfk_produce_response *)answer)->responses.count = 0;
}

static void an_error_of_the_broker_tells_whether_it_wrote(void **state)
{
    (void)state;
    static const struct {
        int16_t code;
        bool with_offset;
        kafka_written written;
    } rows[] = {
        {KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE, false, KAFKA_WRITTEN_NO},
        {KAFKA_ERR_NOT_ENOUGH_REPLICAS, false, KAFKA_WRITTEN_NO},
        {KAFKA_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, false, KAFKA_WRITTEN_MAYBE},
        {KAFKA_ERR_REQUEST_TIMED_OUT, false, KAFKA_WRITTEN_MAYBE},
        {KAFKA_ERR_KAFKA_STORAGE_ERROR, false, KAFKA_WRITTEN_MAYBE},
        {KAFKA_ERR_UNKNOWN, false, KAFKA_WRITTEN_MAYBE},
        {KAFKA_ERR_NOT_LEADER_FOR_PARTITION, false, KAFKA_WRITTEN_NO},
        {KAFKA_ERR_NOT_LEADER_FOR_PARTITION, true, KAFKA_WRITTEN_MAYBE},
        {KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, true, KAFKA_WRITTEN_MAYBE},
        {KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, true, KAFKA_WRITTEN_NO},
    };
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tcp_rule rule = {
            .api = KFK_API_PRODUCE, .code = rows[i].code, .edit = rows[i].with_offset ? appended_all_the_same : NULL};
        if (i == 0) assert_works(kafka_conn_write(c, "x", 1)); /* uses up the first rule */
        tcp_peer_add_rules(p, &rule, 1);
        assert_fails(kafka_conn_write(c, "x", 1), rows[i].code, "topic t partition 0");
        assert_int_equal(kafka_last_written(), rows[i].written);
        if (rows[i].with_offset) assert_non_null(strstr(kafka_last_error(), "the broker's?words"));
    }
    assert_works(kafka_conn_write(c, "x", 1));
    tcp_peer_add_rules(p, &(tcp_rule){.api = KFK_API_PRODUCE, .edit = leave_out}, 1);
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_EPROTO, "topic t partition 0");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void an_outcome_that_did_not_come_is_a_maybe(void **state)
{
    (void)state;
    static const tcp_rule ways[] = {
        {.api = KFK_API_PRODUCE, .no_answer = true, .then = TCP_CLOSE},
        {.api = KFK_API_PRODUCE, .cut = 12, .then = TCP_CLOSE},
        {.api = KFK_API_PRODUCE, .extra = 1},
        {.api = KFK_API_PRODUCE, .id_off = 1},
    };
    static const int codes[] = {KAFKA_EUNEXPECTED_EOF, KAFKA_EUNEXPECTED_EOF, KAFKA_EPROTO, KAFKA_EPROTO};
    for (size_t i = 0; i < 4; i++) {
        tcp_peer *p = tcp_peer_new(&ways[i], 1);
        kafka_conn *c = calls_dial(p, 0);
        assert_fails(kafka_conn_write(c, "x", 1), codes[i], tcp_peer_address(p));
        assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE);
        assert_fails(kafka_conn_write(c, "x", 1), codes[i], tcp_peer_address(p)); /* broken: the same error, at once */
        assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
        assert_int_equal(tcp_peer_requests(p, KFK_API_PRODUCE), 1);
        kafka_conn_free(c);
        tcp_peer_free(p);
    }
}

static void what_is_known_of_a_failed_write_outlives_later_successes(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_PRODUCE, .code = KAFKA_ERR_REQUEST_TIMED_OUT});
    kafka_conn *c = calls_dial(p, 0);
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_ERR_REQUEST_TIMED_OUT, NULL);
    assert_works(kafka_conn_write(c, "y", 1));
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    assert_non_null(strstr(kafka_last_error(), "writing"));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_deadline_tells_what_was_sent(void **state)
{
    (void)state;
    calls_cut cut;
    tcp_peer *p = TCP_PEER({.api = KFK_API_PRODUCE, .hold = true});
    kafka_conn *c = calls_dial(p, 0);
    kafka_conn_set_read_deadline(c, kafka_deadline_in(0)); /* is not its */
    calls_cut_begin(&cut, p, c, KFK_API_PRODUCE, kafka_conn_set_write_deadline);
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_ETIMEDOUT, "writing");
    calls_cut_end(&cut);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_ETIMEDOUT, "nothing was sent");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_int_equal(tcp_peer_requests(p, KFK_API_PRODUCE), 1);
    tcp_peer_release(p);
    kafka_conn_set_write_deadline(c, 0);
    assert_works(kafka_conn_write(c, "y", 1));
    assert_int_equal(tcp_peer_end(p, 0), 2);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* A connection whose peer is busy until it is released. */
static kafka_conn *dial_one_that_is_busy(tcp_peer *p)
{
    calls_cut cut;
    int64_t first;
    kafka_conn *c = calls_dial(p, 0);
    calls_cut_begin(&cut, p, c, KFK_API_LIST_OFFSETS, kafka_conn_set_read_deadline);
    assert_int_equal(kafka_conn_read_first_offset(c, &first), KAFKA_ETIMEDOUT);
    calls_cut_end(&cut);
    return c;
}

/* False: the time was over before a byte was sent. */
static bool a_large_write_gives_up(int64_t within_ms)
{
    enum { SIZE = 12 * 1024 * 1024 };
    tcp_peer *p = TCP_PEER({.api = KFK_API_LIST_OFFSETS, .hold = true});
    kafka_conn *c = dial_one_that_is_busy(p);
    char *big = malloc(SIZE);
    memset(big, 'x', SIZE);
    kafka_conn_set_write_deadline(c, kafka_deadline_in(within_ms));
    assert_fails(kafka_conn_write(c, big, SIZE), KAFKA_ETIMEDOUT, "writing");
    bool was_begun = kafka_last_written() == KAFKA_WRITTEN_MAYBE;
    memset(big, 'y', SIZE);
    free(big);
    tcp_peer_release(p);
    kafka_conn_set_deadline(c, 0);
    assert_works(kafka_conn_write(c, "z", 1));
    kafka_message *m;
    assert_works(kafka_conn_read_message(c, 0, &m)); /* the peer has checked its CRC */
    assert_int_equal(m->value.len, was_begun ? SIZE : 1);
    for (size_t i = 0; was_begun && i < SIZE; i += 4096) assert_int_equal(((const char *)m->value.data)[i], 'x');
    kafka_message_free(m);
    kafka_conn_free(c);
    tcp_peer_free(p);
    return was_begun;
}

/* The socket's buffers fill up while the peer is held; the caller's memory may go as soon as the call has returned.
 * Encoding it takes its time with sanitizers. */
static void a_large_write_that_gives_up_goes_on_from_its_own_memory(void **state)
{
    (void)state;
    int64_t within_ms = 1500;
    while (!a_large_write_gives_up(within_ms)) assert_true((within_ms *= 4) < 2 * CALLS_PATIENCE_MS);
}

static void a_connection_keeps_no_large_buffer_for_the_next_write(void **state)
{
    (void)state;
    enum { SIZE = 20 * 1024 * 1024 };
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    char *big = calloc(1, SIZE);
    assert_works(kafka_conn_write(c, big, SIZE));
    free(big);
    int64_t until = kafka_now_ms() + CALLS_PATIENCE_MS; /* the loop's thread may be the last to let go of it */
    while (memcheck_bytes() >= 4 * 1024 * 1024 && kafka_now_ms() < until) sched_yield();
    assert_true(memcheck_bytes() < 4 * 1024 * 1024);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_write_that_finds_no_memory_is_told_and_the_next_one_works(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_message m = {.value = KAFKA_LIT("value"), .key = KAFKA_LIT("key")};
    for (kafka_compression codec = KAFKA_COMPRESSION_NONE; codec <= KAFKA_COMPRESSION_ZSTD; codec++) {
        if (codec == 0 || (codec > 0 && !kfk_compress_find(codec))) continue;
        for (size_t n = 1, failed = 1; failed; n++) {
            kafka_conn *c = calls_dial(p, 0); /* a fresh one: it has no spare buffer */
            kfk_compress_trim();
            int64_t before = tcp_peer_end(p, 0);
            memcheck_fail_at(n);
            int err = kafka_conn_write_messages(c, &m, 1, codec, NULL);
            failed = memcheck_failed();
            memcheck_fail_at(0);
            if (err != 0) assert_fails(err, KAFKA_ENOMEM, "memory");
            if (err != 0 && kafka_last_written() == KAFKA_WRITTEN_NO) assert_int_equal(tcp_peer_end(p, 0), before);
            assert_works(kafka_conn_write_messages(c, &m, 1, codec, NULL));
            kafka_conn_free(c);
        }
    }
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(messages_arrive_as_they_are_with_every_codec),
        API_TEST(a_single_value_has_a_null_key),
        API_TEST(no_messages_are_written_without_asking),
        API_TEST(times_are_kept_and_missing_ones_are_one_now),
        API_TEST(acks_and_time_reach_the_broker),
        API_TEST(without_acks_nothing_is_waited_for),
        API_TEST(what_a_message_may_not_say_is_refused_before_anything_is_sent),
        API_TEST(a_codec_that_the_broker_is_too_old_for_says_so),
        API_TEST(an_error_of_the_broker_tells_whether_it_wrote),
        API_TEST(an_outcome_that_did_not_come_is_a_maybe),
        API_TEST(what_is_known_of_a_failed_write_outlives_later_successes),
        API_TEST(a_deadline_tells_what_was_sent),
        API_TEST(a_large_write_that_gives_up_goes_on_from_its_own_memory),
        API_TEST(a_connection_keeps_no_large_buffer_for_the_next_write),
        API_TEST(a_write_that_finds_no_memory_is_told_and_the_next_one_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
