/* Reading single messages: what comes, in which order, until when. */
#include "api/calls.h"
#include "wire/gen/fetch.h"

static void expect_read(kafka_conn *c, const char *value)
{
    char buf[64];
    size_t len = 99;
    assert_works(kafka_conn_read(c, buf, sizeof buf, &len));
    assert_int_equal(len, strlen(value));
    assert_memory_equal(buf, value, len);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static void messages_come_in_order_and_the_position_moves_along(void **state)
{
    (void)state;
    tcp_peer *p = calls_peer_with(4, NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    calls_expect_message(c, 0, "v0");
    expect_read(c, "v1");
    calls_expect_message(c, 2, "v2");
    assert_int_equal(kafka_conn_offset(c, NULL), 3);
    expect_read(c, "v3");
    assert_int_equal(tcp_peer_requests(p, KFK_API_FETCH), 1); /* the rest of a fetch is read on */
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_message_says_all_that_is_known_of_it(void **state)
{
    (void)state;
    kafka_message *m;
    batch_bytes log = {0};
    tcp_peer *p = tcp_peer_new(NULL, 0);
    BATCH(&log, .base = 0, .count = 1, .leader_epoch = 7, .time_ms = 1234, .headers = 2);
    BATCH(&log, .base = 1, .count = 1, .time_ms = -1, .attributes = KFK_BATCH_LOG_APPEND_TIME, .leader_epoch = -1);
    calls_fill(p, &log, 2);
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_read_message(c, 0, &m));
    assert_string_equal(m->topic, "t");
    assert_int_equal(m->partition, 0);
    assert_int_equal(m->high_watermark, 2);
    assert_int_equal(m->time_ms, 1234);
    assert_int_equal(m->time_type, 0);
    assert_int_equal(m->leader_epoch, 7);
    assert_null(m->key.data);
    assert_int_equal(m->header_count, 2);
    assert_string_equal(m->headers[0].key, "h");
    assert_null(m->headers[1].value.data);
    assert_null(m->userdata);
    assert_int_equal(m->assignment, 0);
    kafka_message *kept = m;
    assert_works(kafka_conn_read_message(c, 0, &m));
    assert_int_equal(m->time_ms, -1);
    assert_int_equal(m->time_type, -1);
    kafka_conn_free(c);
    tcp_peer_free(p);
    kafka_message_free(m);
    kafka_message_free(kept); /* messages outlive the connection */
}

/* The position lies in front of what is passed over: markers, gaps, empty batches, old records. */
static void what_is_not_for_the_caller_is_passed_over(void **state)
{
    (void)state;
    batch_bytes log = {0};
    tcp_peer *p = tcp_peer_new(NULL, 0);
    batch_append_marker(&log, 0, 7, KFK_CONTROL_COMMIT);
    BATCH(&log, .base = 1, .count = 0, .tail = 4);
    BATCH(&log, .base = 5, .count = 2, .step = 3, .tail = 2);
    batch_append_marker(&log, 11, 7, KFK_CONTROL_ABORT);
    BATCH(&log, .base = 12, .count = 1);
    calls_fill(p, &log, 13);
    kafka_conn *c = calls_dial(p, 0);
    kafka_conn_set_read_deadline(c, kafka_deadline_in(CALLS_PATIENCE_MS));
    calls_expect_message(c, 5, "v5");
    calls_expect_message(c, 8, "v8");
    calls_expect_message(c, 12, "v12");
    assert_works(kafka_conn_seek(c, 9, KAFKA_SEEK_ABSOLUTE, NULL));
    expect_read(c, "v12");
    assert_true(tcp_peer_requests(p, KFK_API_FETCH) <= 4);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_seek_is_met_by_the_next_read(void **state)
{
    (void)state;
    tcp_peer *p = calls_peer_with(9, NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    calls_expect_message(c, 0, "v0");
    assert_works(kafka_conn_seek(c, 7, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
    calls_expect_message(c, 7, "v7");
    assert_works(kafka_conn_seek(c, 3, KAFKA_SEEK_ABSOLUTE, NULL));
    expect_read(c, "v3");
    assert_works(kafka_conn_seek(c, 1, KAFKA_SEEK_END, NULL));
    calls_expect_message(c, 8, "v8");
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* A seek that comes while a fetch is out wins over what the fetch brings. */
static void *seek_while_held(void *arg)
{
    void **both = arg;
    if (!tcp_peer_saw(both[0], KFK_API_FETCH, 1)) return "nothing came";
    int err = kafka_conn_seek(both[1], 5, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL);
    tcp_peer_release(both[0]);
    return err == 0 ? NULL : "the seek failed";
}

static void a_seek_beside_a_read_that_waits_wins(void **state)
{
    (void)state;
    tcp_rule rules[] = {{.api = KFK_API_FETCH, .hold = true}};
    tcp_peer *p = calls_peer_with(9, rules, 1);
    kafka_conn *c = calls_dial(p, 0);
    void *both[] = {p, c};
    pthread_t t = calls_start(seek_while_held, both);
    calls_expect_message(c, 5, "v5");
    void *failure;
    pthread_join(t, &failure);
    assert_null(failure);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

static void a_short_buffer_gets_the_beginning_and_the_message_comes_again(void **state)
{
    (void)state;
    tcp_peer *p = calls_peer_with(2, NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    char buf[4] = "####";
    size_t len = 99;
    for (int i = 0; i < 3; i++) {
        assert_fails(kafka_conn_read(c, buf, 1, &len), KAFKA_ESHORTBUF, "offset 0");
        assert_int_equal(len, 2);
        assert_memory_equal(buf, "v###", 4);
        assert_fails(kafka_conn_read(c, NULL, 0, &len), KAFKA_ESHORTBUF, NULL);
        assert_int_equal(len, 2);
        assert_int_equal(kafka_conn_offset(c, NULL), 0);
    }
    assert_works(kafka_conn_read(c, buf, 2, &len));
    assert_memory_equal(buf, "v0##", 4);
    calls_expect_message(c, 1, "v1");
    assert_int_equal(tcp_peer_requests(p, KFK_API_FETCH), 1);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_message_larger_than_max_bytes_comes_whole(void **state)
{
    (void)state;
    kafka_message *m;
    batch_bytes log = {0};
    tcp_peer *p = tcp_peer_new(NULL, 0);
    BATCH(&log, .base = 0, .count = 1, .value_size = 300000);
    BATCH(&log, .base = 1, .count = 1);
    calls_fill(p, &log, 2);
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_read_message(c, 10, &m));
    assert_int_equal(m->value.len, 300000);
    kafka_message_free(m);
    calls_expect_message(c, 1, "v1");
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void cut_records(tcp_call *call, void *answer, void *arg)
{
    (void)call;
    (void)arg;
    ((kfk_fetch_response *)answer)->responses.items[0].partitions.items[0].records.bytes.len = 40;
}

static void or_where_the_broker_does_not_send_it_is_too_big(void **state)
{
    (void)state;
    tcp_rule rules[] = {{.api = KFK_API_FETCH, .edit = cut_records}};
    tcp_peer *p = calls_peer_with(2, rules, 1);
    kafka_conn *c = calls_dial(p, 0);
    kafka_message *m = NULL;
    assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_ETOOBIG, "topic t partition 0");
    assert_null(m);
    calls_expect_message(c, 0, "v0"); /* the connection is usable */
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static void damage_is_told_with_its_place_until_somebody_seeks(void **state)
{
    (void)state;
    batch_bytes log = {0};
    tcp_peer *p = tcp_peer_new(NULL, 0);
    kafka_message *m;
    BATCH(&log, .base = 0, .count = 1);
    size_t bad = BATCH(&log, .base = 1, .count = 1);
    BATCH(&log, .base = 2, .count = 1);
    log.data[bad + KFK_RECORD_HEADER + 6] ^= 4;
    calls_fill(p, &log, 3);
    kafka_conn *c = calls_dial(p, 0);
    calls_expect_message(c, 0, "v0");
    for (int i = 0; i < 2; i++) {
        assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_ECORRUPT, "reading topic t partition 0 from 127.0.0.1:");
        assert_non_null(strstr(kafka_last_error(), "offset 1"));
        assert_int_equal(kafka_conn_offset(c, NULL), 1);
    }
    assert_works(kafka_conn_seek(c, 2, KAFKA_SEEK_ABSOLUTE, NULL));
    calls_expect_message(c, 2, "v2");
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void old_records(tcp_call *call, void *answer, void *arg)
{
    batch_bytes *old = arg;
    (void)call;
    ((kfk_fetch_response *)answer)->responses.items[0].partitions.items[0].records.bytes =
        (kafka_bytes){old->data, old->len};
}

static void data_that_makes_no_progress_is_asked_for_again(void **state)
{
    (void)state;
    batch_bytes old = {0};
    BATCH(&old, .base = 0, .count = 1);
    tcp_rule rules[] = {{.api = KFK_API_FETCH, .edit = old_records, .arg = &old}};
    tcp_peer *p = calls_peer_with(9, rules, 1);
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_seek(c, 4, KAFKA_SEEK_ABSOLUTE, NULL));
    calls_expect_message(c, 4, "v4");
    kafka_conn_free(c);
    tcp_peer_free(p);
    batch_free(&old);
}

static void an_error_of_the_broker_leaves_the_connection_usable(void **state)
{
    (void)state;
    tcp_rule rules[] = {{.api = KFK_API_FETCH, .code = KAFKA_ERR_NOT_LEADER_FOR_PARTITION}};
    tcp_peer *p = calls_peer_with(2, rules, 1);
    kafka_conn *c = calls_dial(p, 0);
    kafka_message *m;
    assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_ERR_NOT_LEADER_FOR_PARTITION, "topic t partition 0");
    calls_expect_message(c, 0, "v0");
    assert_works(kafka_conn_seek(c, 50, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
    assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_ERR_OFFSET_OUT_OF_RANGE, "offset 50");
    assert_int_equal(kafka_conn_offset(c, NULL), 50);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- refusals, and memory ---------------------------------------------------------------------------------------- */

static void arguments_are_checked(void **state)
{
    (void)state;
    tcp_peer *p = calls_peer_with(1, NULL, 0);
    kafka_conn *c = calls_dial(p, 0), *plain;
    kafka_message *m;
    char buf[4];
    size_t len;
    assert_works(kafka_dial(NULL, NULL, tcp_peer_address(p), &plain));
    assert_fails(kafka_conn_read_message(plain, 0, &m), KAFKA_EINVAL, "no topic");
    assert_fails(kafka_conn_read(plain, buf, 4, &len), KAFKA_EINVAL, "no topic");
    assert_fails(kafka_conn_read_message(NULL, 0, &m), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_read_message(c, -1, &m), KAFKA_EINVAL, "max_bytes");
    assert_fails(kafka_conn_read_message(c, 0, NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_read(c, NULL, 4, &len), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_read(c, buf, 4, NULL), KAFKA_EINVAL, "NULL");
    assert_int_equal(tcp_peer_requests(p, KFK_API_FETCH), 0);
    kafka_conn_free(plain);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_read_that_finds_no_memory_is_told_and_the_next_one_works(void **state)
{
    (void)state;
    batch_bytes log = {0};
    tcp_peer *p = tcp_peer_new(NULL, 0);
    for (int i = 0; i < 3; i++)
        BATCH(&log, .base = i, .count = 1, .headers = 1, .codec = i == 1 ? batch_some_codec() : 0);
    calls_fill(p, &log, 3);
    kafka_conn *c = calls_dial(p, 0);
    for (size_t n = 1, failed = 1; failed; n++) {
        kafka_message *m[3] = {NULL, NULL, NULL};
        kfk_compress_trim();
        memcheck_fail_at(n);
        int err = 0;
        for (int i = 0; i < 3 && err == 0; i++) err = kafka_conn_read_message(c, 0, &m[i]);
        failed = memcheck_failed();
        memcheck_fail_at(0);
        if (err != 0) assert_fails(err, KAFKA_ENOMEM, "memory");
        int64_t next = kafka_conn_offset(c, NULL);
        if (err != 0) calls_expect_message(c, next, next == 0 ? "v0" : next == 1 ? "v1" : "v2");
        for (int i = 0; i < 3; i++) kafka_message_free(m[i]);
        assert_works(kafka_conn_seek(c, 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
    }
    kafka_conn_free(c);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(messages_come_in_order_and_the_position_moves_along),
        API_TEST(a_message_says_all_that_is_known_of_it),
        API_TEST(what_is_not_for_the_caller_is_passed_over),
        API_TEST(a_seek_is_met_by_the_next_read),
        API_TEST(a_seek_beside_a_read_that_waits_wins),
        API_TEST(a_short_buffer_gets_the_beginning_and_the_message_comes_again),
        API_TEST(a_message_larger_than_max_bytes_comes_whole),
        API_TEST(or_where_the_broker_does_not_send_it_is_too_big),
        API_TEST(damage_is_told_with_its_place_until_somebody_seeks),
        API_TEST(data_that_makes_no_progress_is_asked_for_again),
        API_TEST(an_error_of_the_broker_leaves_the_connection_usable),
        API_TEST(arguments_are_checked),
        API_TEST(a_read_that_finds_no_memory_is_told_and_the_next_one_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
