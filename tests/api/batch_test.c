/* Batches: what a fetch brought, read message by message, and what closing one does to the connection. */
#include "api/calls.h"

static tcp_peer *peer_with_log(const batch_bytes *log, int64_t end, const tcp_rule *rules, size_t count)
{
    tcp_peer *p = tcp_peer_new(rules, count);
    tcp_peer_fill(p, log, end);
    return p;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void a_batch_has_all_that_was_fetched_and_then_ends(void **state)
{
    (void)state;
    kafka_message m = {.offset = 77};
    tcp_peer *p = calls_peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, NULL);
    assert_string_equal(kafka_batch_topic(b), "t");
    assert_int_equal(kafka_batch_partition(b), 0);
    assert_int_equal(kafka_batch_assignment(b), 0);
    assert_int_equal(kafka_batch_high_watermark(b), 10);
    assert_int_equal(kafka_batch_throttle_ms(b), 0);
    assert_int_equal(kafka_batch_offset(b), 0);
    for (int i = 0; i < 10; i++) calls_expect_next(b, i);
    assert_int_equal(kafka_batch_error(b), 0);
    for (int i = 0; i < 2; i++) assert_fails(kafka_batch_read_message(b, &m), KAFKA_EOF, "no more");
    assert_int_equal(m.offset, 77);
    assert_int_equal(kafka_batch_error(b), KAFKA_EOF);
    assert_works(kafka_batch_close(b));
    assert_int_equal(kafka_conn_offset(c, NULL), 10);
    assert_works(kafka_batch_close(NULL));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void closing_sets_the_position_to_the_first_message_not_read(void **state)
{
    (void)state;
    int whence;
    tcp_peer *p = calls_peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, NULL);
    for (int i = 0; i < 3; i++) calls_expect_next(b, i);
    assert_works(kafka_batch_close(b));
    assert_int_equal(kafka_conn_offset(c, &whence), 3);
    assert_int_equal(whence, KAFKA_SEEK_ABSOLUTE);
    b = calls_read_batch(c, NULL);
    calls_expect_next(b, 3);
    assert_works(kafka_batch_close(b));
    b = calls_read_batch(c, NULL); /* nothing read of it */
    assert_works(kafka_batch_close(b));
    assert_int_equal(kafka_conn_offset(c, NULL), 4);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* At the end lie gaps and markers: the next batch begins behind them. */
static void the_position_ends_behind_what_has_no_messages(void **state)
{
    (void)state;
    kafka_message m;
    batch_bytes log = {0};
    BATCH(&log, .base = 0, .count = 1, .tail = 3);
    batch_append_marker(&log, 4, 7, KFK_CONTROL_ABORT);
    BATCH(&log, .base = 5, .count = 0, .tail = 2);
    tcp_peer *p = peer_with_log(&log, 7, NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, NULL);
    calls_expect_next(b, 0);
    assert_fails(kafka_batch_read_message(b, &m), KAFKA_EOF, NULL);
    assert_int_equal(kafka_batch_offset(b), 7);
    assert_works(kafka_batch_close(b));
    assert_int_equal(kafka_conn_offset(c, NULL), 7);
    kafka_conn_free(c);
    tcp_peer_free(p);
    batch_free(&log);
}

static void a_seek_beside_an_open_batch_wins_over_its_close(void **state)
{
    (void)state;
    static const int64_t targets[] = {7, 0}; /* 0: where the batch began */
    tcp_peer *p = calls_peer_with_ten(NULL, 0);
    for (size_t i = 0; i < 2; i++) {
        kafka_conn *c = calls_dial(p, 0);
        kafka_batch *b = calls_read_batch(c, NULL);
        calls_expect_next(b, 0);
        assert_works(kafka_conn_seek(c, targets[i], KAFKA_SEEK_ABSOLUTE, NULL));
        calls_expect_next(b, 1);
        assert_works(kafka_batch_close(b));
        assert_int_equal(kafka_conn_offset(c, NULL), targets[i]);
        kafka_conn_free(c);
    }
    tcp_peer_free(p);
}

static void values_alone_are_copied_into_a_buffer(void **state)
{
    (void)state;
    char buf[8] = "#######";
    size_t len;
    tcp_peer *p = calls_peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, NULL);
    assert_works(kafka_batch_read(b, buf, sizeof buf, &len));
    assert_int_equal(len, 2);
    assert_memory_equal(buf, "v0#####", 7);
    calls_expect_next(b, 1);
    for (int i = 0; i < 2; i++) assert_fails(kafka_batch_read(b, buf, 1, &len), KAFKA_ESHORTBUF, "offset 2");
    assert_int_equal(len, 2);
    assert_int_equal(kafka_batch_offset(b), 2);
    assert_fails(kafka_batch_close(b), KAFKA_ESHORTBUF, "offset 2");
    assert_int_equal(kafka_conn_offset(c, NULL), 2);
    b = calls_read_batch(c, NULL);
    assert_fails(kafka_batch_read(b, NULL, 0, &len), KAFKA_ESHORTBUF, NULL);
    assert_int_equal(len, 2);
    assert_int_equal(kafka_batch_close(b), KAFKA_ESHORTBUF);
    b = calls_read_batch(c, NULL);
    calls_expect_next(b, 2);
    assert_works(kafka_batch_close(b));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void committed_reads_leave_out_what_was_aborted(void **state)
{
    (void)state;
    batch_bytes log = {0};
    BATCH(&log, .base = 0, .count = 1);
    BATCH(&log, .base = 1, .count = 2, .producer_id = 7, .attributes = KFK_BATCH_TRANSACTIONAL);
    batch_append_marker(&log, 3, 7, KFK_CONTROL_ABORT);
    BATCH(&log, .base = 4, .count = 1);
    tcp_peer *p = peer_with_log(&log, 5, NULL, 0);
    tcp_peer_abort(p, 7, 1);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, &(kafka_fetch){.read_committed = 1});
    calls_expect_next(b, 0);
    calls_expect_next(b, 4);
    assert_works(kafka_batch_close(b));
    assert_works(kafka_conn_seek(c, 0, KAFKA_SEEK_START, NULL));
    b = calls_read_batch(c, NULL);
    calls_expect_next(b, 0);
    calls_expect_next(b, 1);
    assert_works(kafka_batch_close(b));
    kafka_conn_free(c);
    tcp_peer_free(p);
    batch_free(&log);
}

static void damage_ends_a_batch_behind_what_is_good(void **state)
{
    (void)state;
    kafka_message m;
    batch_bytes log = {0};
    BATCH(&log, .base = 0, .count = 2);
    size_t bad = BATCH(&log, .base = 2, .count = 2);
    log.data[bad + KFK_RECORD_HEADER] ^= 2;
    tcp_peer *p = peer_with_log(&log, 4, NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, NULL);
    calls_expect_next(b, 0);
    calls_expect_next(b, 1);
    for (int i = 0; i < 2; i++)
        assert_fails(kafka_batch_read_message(b, &m), KAFKA_ECORRUPT, "reading topic t partition 0 from 127.0.0.1:");
    assert_int_equal(kafka_batch_error(b), KAFKA_ECORRUPT);
    assert_fails(kafka_batch_close(b), KAFKA_ECORRUPT, "offset 2");
    assert_int_equal(kafka_conn_offset(c, NULL), 2);
    kafka_conn_free(c);
    tcp_peer_free(p);
    batch_free(&log);
}

/* ---- the read turn ----------------------------------------------------------------------------------------------- */

static void an_open_batch_blocks_reads_and_nothing_else(void **state)
{
    (void)state;
    kafka_message *m = NULL;
    int64_t first, last;
    tcp_peer *p = calls_peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, NULL), *other = NULL;
    kafka_conn_set_read_deadline(c, kafka_deadline_in(100));
    assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_ETIMEDOUT, "another read");
    kafka_conn_set_read_deadline(c, kafka_deadline_in(100));
    assert_fails(kafka_conn_read_batch(c, NULL, &other), KAFKA_ETIMEDOUT, "another read");
    kafka_conn_set_read_deadline(c, kafka_deadline_in(CALLS_PATIENCE_MS));
    assert_works(kafka_conn_read_offsets(c, &first, &last));
    assert_int_equal(last, 10);
    assert_works(kafka_conn_write(c, "v10", 3));
    calls_expect_next(b, 0);
    assert_works(kafka_batch_close(b));
    assert_works(kafka_conn_read_message(c, 0, &m));
    assert_int_equal(m->offset, 1);
    kafka_message_free(m);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void *read_one(void *arg)
{
    kafka_message *m = NULL;
    int err = kafka_conn_read_message(arg, 0, &m);
    int64_t offset = m != NULL ? m->offset : -1;
    kafka_message_free(m);
    return (void *)(intptr_t)(err != 0 ? err : offset);
}

static void who_waits_for_the_turn_gets_it_when_the_batch_is_closed(void **state)
{
    (void)state;
    pthread_t threads[4];
    int64_t sum = 0;
    tcp_peer *p = calls_peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, NULL);
    calls_expect_next(b, 0);
    for (int i = 0; i < 4; i++) threads[i] = calls_start(read_one, c);
    assert_works(kafka_batch_close(b));
    for (int i = 0; i < 4; i++) {
        void *offset;
        pthread_join(threads[i], &offset);
        sum += (intptr_t)offset;
    }
    assert_int_equal(sum, 1 + 2 + 3 + 4); /* each of them once */
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* The turn is held by a batch, and the connection breaks: there is nothing to wait for. */
static void on_a_connection_that_broke_nobody_waits_for_the_turn(void **state)
{
    (void)state;
    kafka_message *m = NULL;
    int64_t offset;
    tcp_peer *p = calls_peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, NULL);
    tcp_peer_hang_up(p);
    assert_int_equal(kafka_conn_read_last_offset(c, &offset), KAFKA_EUNEXPECTED_EOF);
    int64_t before = kafka_now_ms();
    kafka_conn_set_read_deadline(c, kafka_deadline_in(CALLS_PATIENCE_MS));
    assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_EUNEXPECTED_EOF, NULL);
    assert_took(before, 0);
    calls_expect_next(b, 0); /* what was fetched is there */
    assert_works(kafka_batch_close(b));
    assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_EUNEXPECTED_EOF, NULL);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void *close_it(void *arg)
{
    return (void *)(intptr_t)kafka_batch_close(arg);
}

static void a_batch_may_be_read_and_closed_by_another_thread(void **state)
{
    (void)state;
    tcp_peer *p = calls_peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, NULL);
    calls_expect_next(b, 0);
    pthread_t t = calls_start(close_it, b);
    pthread_join(t, NULL);
    assert_int_equal(kafka_conn_offset(c, NULL), 1);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_batch_that_finds_no_memory_is_told_and_the_next_one_works(void **state)
{
    (void)state;
    batch_bytes log = {0};
    BATCH(&log, .base = 0, .count = 2, .headers = 1);
    BATCH(&log, .base = 2, .count = 2, .headers = 1, .codec = batch_some_codec());
    tcp_peer *p = peer_with_log(&log, 4, NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    for (size_t n = 1, failed = 1; failed; n++) {
        kafka_message m;
        kafka_batch *b = NULL;
        assert_works(kafka_conn_seek(c, 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
        kfk_compress_trim();
        memcheck_fail_at(n);
        int read = 0, err = kafka_conn_read_batch(c, NULL, &b), closed = err;
        if (err == 0) {
            while ((err = kafka_batch_read_message(b, &m)) == 0) read++;
            closed = kafka_batch_close(b);
        }
        failed = memcheck_failed();
        memcheck_fail_at(0);
        if (err != KAFKA_EOF) assert_fails(err, KAFKA_ENOMEM, "memory");
        assert_int_equal(closed, err == KAFKA_EOF ? 0 : err);
        assert_int_equal(kafka_conn_offset(c, NULL), read);
        if (read < 4) {
            b = calls_read_batch(c, NULL);
            calls_expect_next(b, read);
            assert_works(kafka_batch_close(b));
        }
    }
    kafka_conn_free(c);
    tcp_peer_free(p);
    batch_free(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_batch_has_all_that_was_fetched_and_then_ends),
        API_TEST(closing_sets_the_position_to_the_first_message_not_read),
        API_TEST(the_position_ends_behind_what_has_no_messages),
        API_TEST(a_seek_beside_an_open_batch_wins_over_its_close),
        API_TEST(values_alone_are_copied_into_a_buffer),
        API_TEST(committed_reads_leave_out_what_was_aborted),
        API_TEST(damage_ends_a_batch_behind_what_is_good),
        API_TEST(an_open_batch_blocks_reads_and_nothing_else),
        API_TEST(who_waits_for_the_turn_gets_it_when_the_batch_is_closed),
        API_TEST(on_a_connection_that_broke_nobody_waits_for_the_turn),
        API_TEST(a_batch_may_be_read_and_closed_by_another_thread),
        API_TEST(a_batch_that_finds_no_memory_is_told_and_the_next_one_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
