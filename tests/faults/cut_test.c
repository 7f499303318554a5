/* Cuts at every byte, between this library and a scripted broker, on real sockets. (In virtual time: sim/fault_test.c,
 * sim/dial_test.c.) And cuts anywhere, again and again, while somebody writes and reads. */
#include "base/rand.h"
#include "faults/cuts.h"

enum { MESSAGES = 6 };

static void a_dial_that_is_cut_at_any_byte_is_told_as_such(void **state)
{
    (void)state;
    tcp_peer *p = tcp_peer_new(NULL, 0);
    cuts_of_a_dial(&(cuts){.broker = tcp_peer_address(p), .topic = "t"});
    tcp_peer_free(p);
}

static void a_write_that_is_cut_at_any_byte_is_a_maybe_and_never_there_twice(void **state)
{
    (void)state;
    tcp_peer *p = tcp_peer_new(NULL, 0);
    cuts_of_a_write(&(cuts){.broker = tcp_peer_address(p), .topic = "t"});
    tcp_peer_free(p);
}

static void a_read_that_is_cut_at_any_byte_gives_nothing_torn(void **state)
{
    (void)state;
    tcp_peer *p = calls_peer_with(MESSAGES, NULL, 0);
    cuts_of_a_read(&(cuts){.broker = tcp_peer_address(p), .topic = "t"}, MESSAGES);
    tcp_peer_free(p);
}

/* Whoever sees it first, the caller that sends or the loop that reads: the other finds the end of the stream only. */
static void a_reset_that_meets_a_call_is_told_as_one(void **state)
{
    (void)state;
    tcp_peer *p = tcp_peer_new(NULL, 0);
    proxy *x = proxy_new(tcp_peer_address(p));
    for (int i = 0; i < 100; i++) {
        kafka_conn *c = through(proxy_address(x), "t");
        proxy_cut(x, PROXY_RESET);
        assert_fails(kafka_conn_write(c, "x", 1), KAFKA_EIO, proxy_address(x));
        kafka_conn_free(c);
    }
    assert_int_equal(tcp_peer_end(p, 0), 0);
    proxy_free(x);
    tcp_peer_free(p);
}

/* ---- cut again and again ----------------------------------------------------------------------------------------- */

enum { ROUNDS = 300 };

static kafka_conn *dial_again(proxy *x, kafka_conn *c, int64_t at)
{
    int64_t until = kafka_deadline_in(60000);
    kafka_conn_free(c);
    c = NULL;
    while (through_try(proxy_address(x), KAFKA_WITHIN(5000), "t", &c) != 0) {
        if (kafka_now_ms() > until) fail_msg("no connection comes about: %s", kafka_last_error());
        proxy_set(x, &(proxy_plan){.piece = 7}); /* where every dial would be cut */
    }
    /* It is cut long before: what a deadline gave up might arrive behind what is written next. */
    kafka_conn_set_deadline(c, kafka_deadline_in(60000));
    assert_works(kafka_conn_seek(c, at, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
    return c;
}

/* Every few hundred bytes, anywhere, the connection is gone. */
static void make_trouble(proxy *x, kfk_rand *r)
{
    uint64_t n = kfk_rand_next(r);
    proxy_set(x, &(proxy_plan){.cut = n & 1 ? PROXY_UP : PROXY_DOWN,
                               .then = n & 2 ? PROXY_CLOSE : PROXY_RESET,
                               .bytes = (int64_t)(n >> 8) % 900,
                               .piece = n & 4 ? (int)(n >> 32) % 40 + 1 : 0});
}

/* Message i has been told YES: it is in the log once; NO: it is not; MAYBE: once at most. They lie in their order. */
static void check_outcomes(tcp_peer *p, const kafka_written *told)
{
    int64_t end = tcp_peer_end(p, 0);
    int next = 0;
    kafka_conn *c = through(tcp_peer_address(p), "t");
    for (int64_t at = 0; at < end; at++) {
        kafka_message *m = NULL;
        char value[24];
        assert_works(kafka_conn_read_message(c, 0, &m));
        assert_int_equal(m->offset, at);
        snprintf(value, sizeof value, "%.*s", (int)m->value.len, (const char *)m->value.data);
        int number = atoi(value + 1);
        for (; next < number; next++) {
            if (told[next] == KAFKA_WRITTEN_YES) fail_msg("message %d was told to be written, and is not there", next);
        }
        assert_int_equal(number, next); /* not a second time, not out of order */
        assert_int_not_equal(told[number], KAFKA_WRITTEN_NO);
        next = number + 1;
        kafka_message_free(m);
    }
    for (; next < ROUNDS; next++) assert_int_not_equal(told[next], KAFKA_WRITTEN_YES);
    kafka_conn_free(c);
}

static void writes_and_reads_through_a_network_that_breaks_all_the_time_stay_true(void **state)
{
    (void)state;
    static kafka_written told[ROUNDS];
    kfk_rand r;
    uint64_t seed = kfk_rand_system_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    kfk_rand_seed(&r, seed);
    tcp_peer *p = tcp_peer_new(NULL, 0);
    proxy *x = proxy_new(tcp_peer_address(p));
    kafka_conn *c = through(proxy_address(x), "t");
    for (int i = 0; i < ROUNDS; i++) {
        char value[24];
        int len = snprintf(value, sizeof value, "m%d", i);
        if (i % 3 == 0) make_trouble(x, &r);
        int code = kafka_conn_write(c, value, (size_t)len);
        told[i] = code == 0 ? KAFKA_WRITTEN_YES : kafka_last_written();
        if (code != 0) c = dial_again(x, c, 0);
    }
    check_outcomes(p, told);

    int64_t at = 0, end = tcp_peer_end(p, 0);
    for (int tries = 0; at < end; tries++) {
        kafka_message *m = NULL;
        assert_true(tries < 20 * ROUNDS);
        if (tries % 3 == 0) make_trouble(x, &r);
        if (kafka_conn_read_message(c, 0, &m) == 0) {
            assert_int_equal(m->offset, at++);
            kafka_message_free(m);
        } else {
            assert_int_equal(kafka_conn_offset(c, NULL), at);
            c = dial_again(x, c, at);
        }
    }
    kafka_conn_free(c);
    proxy_free(x);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_dial_that_is_cut_at_any_byte_is_told_as_such),
        API_TEST(a_write_that_is_cut_at_any_byte_is_a_maybe_and_never_there_twice),
        API_TEST(a_read_that_is_cut_at_any_byte_gives_nothing_torn),
        API_TEST(a_reset_that_meets_a_call_is_told_as_one),
        API_TEST(writes_and_reads_through_a_network_that_breaks_all_the_time_stay_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
