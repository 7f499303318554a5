/* A connection's life: its ends, limits, closing, what breaks it. */
#include "api/calls.h"
#include "wire/gen/metadata.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>

/* ---- the two ends ------------------------------------------------------------------------------------------------ */

static kafka_conn *inside;
static int agains, fine;

static void use_inside(void)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    kafka_message *m;
    kafka_batch *b;
    kafka_brokers *brokers;
    kafka_partitions *partitions;
    int64_t x;
    char buf[4];
    size_t n;
    agains += kafka_conn_write(inside, "x", 1) == KAFKA_EAGAIN;
    agains += kafka_conn_read_message(inside, 0, &m) == KAFKA_EAGAIN;
    agains += kafka_conn_read(inside, buf, 4, &n) == KAFKA_EAGAIN;
    agains += kafka_conn_read_batch(inside, NULL, &b) == KAFKA_EAGAIN;
    agains += kafka_conn_read_first_offset(inside, &x) == KAFKA_EAGAIN;
    agains += kafka_conn_seek(inside, 0, KAFKA_SEEK_END, NULL) == KAFKA_EAGAIN;
    agains += kafka_conn_brokers(inside, &brokers) == KAFKA_EAGAIN;
    agains += kafka_conn_read_partitions(inside, NULL, 0, &partitions) == KAFKA_EAGAIN;
    agains += kafka_conn_create_topics(inside, NULL, 0, NULL) == KAFKA_EAGAIN;
    agains += kafka_conn_delete_topics(inside, NULL, 0, NULL) == KAFKA_EAGAIN;
    fine += kafka_conn_local_addr(inside, (struct sockaddr *)&at, &len) == 0;
    kafka_conn_set_deadline(inside, 0);
    fine += kafka_conn_seek(inside, 7, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL) == 0;
    fine += kafka_conn_offset(inside, NULL) == 7;
    fine += kafka_conn_close(inside) == 0;
}

/* How often it was asked for what a dial does not ask for: of that, something may still be under way. */
static int asked(tcp_peer *p)
{
    static const int16_t apis[] = {KFK_API_PRODUCE, KFK_API_FETCH, KFK_API_LIST_OFFSETS, KFK_API_CREATE_TOPICS,
                                   KFK_API_DELETE_TOPICS};
    int n = 0;
    for (size_t i = 0; i < sizeof apis / sizeof apis[0]; i++) n += tcp_peer_requests(p, apis[i]);
    return n;
}

static void in_a_callback_only_what_does_not_wait_is_done(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    inside = calls_dial(p, 0);
    int before = asked(p);
    agains = fine = 0;
    calls_in_callback(use_inside);
    assert_int_equal(agains, 10);
    assert_int_equal(fine, 4);
    assert_int_equal(asked(p), before);
    kafka_conn_free(inside);
    tcp_peer_free(p);
}

static void both_ends_have_addresses(void **state)
{
    (void)state;
    struct sockaddr_in local = {0}, remote = {0};
    struct sockaddr_storage large;
    socklen_t len = sizeof local;
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_local_addr(c, (struct sockaddr *)&local, &len));
    assert_int_equal(len, sizeof local);
    assert_works(kafka_conn_remote_addr(c, (struct sockaddr *)&remote, &len));
    assert_int_equal(ntohs(remote.sin_port), tcp_peer_port(p));
    assert_int_equal(remote.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_int_not_equal(local.sin_port, remote.sin_port);
    len = sizeof large;
    assert_works(kafka_conn_remote_addr(c, (struct sockaddr *)&large, &len));
    assert_int_equal(len, sizeof remote);
    len = 2; /* cut, and the size is told */
    memset(&large, 0, sizeof large);
    assert_works(kafka_conn_remote_addr(c, (struct sockaddr *)&large, &len));
    assert_int_equal(len, sizeof remote);
    assert_int_equal(((struct sockaddr_in *)&large)->sin_port, 0);
    assert_fails(kafka_conn_local_addr(c, NULL, &len), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_local_addr(c, (struct sockaddr *)&large, NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_remote_addr(NULL, (struct sockaddr *)&large, &len), KAFKA_EINVAL, "NULL");
    assert_works(kafka_conn_close(c));
    assert_fails(kafka_conn_remote_addr(c, (struct sockaddr *)&large, &len), KAFKA_ECLOSED, "closed");
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

static void closing_twice_is_fine_and_everything_else_is_refused(void **state)
{
    (void)state;
    int64_t x;
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    int before = asked(p);
    assert_works(kafka_conn_close(c));
    assert_works(kafka_conn_close(c));
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_ECLOSED, "closed");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_fails(kafka_conn_read_first_offset(c, &x), KAFKA_ECLOSED, tcp_peer_address(p));
    kafka_conn_set_deadline(c, kafka_deadline_in(0)); /* settings of a closed connection change nothing */
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_ECLOSED, "closed");
    assert_int_equal(asked(p), before);
    kafka_conn_free(c);
    kafka_conn_free(NULL);
    assert_fails(kafka_conn_close(NULL), KAFKA_EINVAL, "NULL");
    kafka_conn_set_deadline(NULL, 1);
    kafka_conn_set_cancel(NULL, NULL);
    assert_fails(kafka_conn_set_required_acks(NULL, KAFKA_ACKS_ONE), KAFKA_EINVAL, "NULL");
    tcp_peer_free(p);
}

typedef struct waiter {
    kafka_conn *conn;
    int kind;
    atomic_int code;
} waiter;

static void *wait_for_something(void *arg)
{
    waiter *w = arg;
    kafka_message *m = NULL;
    kafka_brokers *b = NULL;
    int64_t x;
    switch (w->kind % 4) {
    case 0: w->code = kafka_conn_read_message(w->conn, 0, &m); break;
    case 1: w->code = kafka_conn_write(w->conn, "x", 1); break;
    case 2: w->code = kafka_conn_read_last_offset(w->conn, &x); break;
    default: w->code = kafka_conn_brokers(w->conn, &b); break;
    }
    kafka_message_free(m);
    kafka_brokers_free(b);
    return NULL;
}

static void a_close_from_another_thread_ends_whatever_waits(void **state)
{
    (void)state;
    waiter waiters[8];
    pthread_t threads[8];
    const tcp_rule silent = {.api = TCP_ANY, .times = TCP_ALWAYS, .then = TCP_SILENCE, .no_answer = true};
    tcp_peer *p = tcp_peer_new(NULL, 0); /* without any rule, which would be for the first Produce */
    kafka_conn *c = calls_dial(p, 0);
    int64_t first;
    assert_works(kafka_conn_read_first_offset(c, &first));
    tcp_peer_add_rules(p, &silent, 1);
    int answered = tcp_peer_requests(p, TCP_ANY);
    int64_t before = kafka_now_ms();
    for (int i = 0; i < 8; i++) {
        waiters[i].conn = c;
        waiters[i].kind = i;
        waiters[i].code = 0;
        threads[i] = calls_start(wait_for_something, &waiters[i]);
    }
    tcp_peer_wait(p, TCP_ANY, answered + 1);
    assert_works(kafka_conn_close(c));
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(waiters[i].code, KAFKA_ECLOSED);
    }
    assert_took(before, 0);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* The answer, and with it the end of the connection, may come at any moment of a close. */
static void closing_and_answers_race_without_harm(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        tcp_peer *p = TCP_PEER({.api = KFK_API_LIST_OFFSETS, .hold = true});
        kafka_conn *c = calls_dial(p, 0);
        waiter w = {c, 2, 0};
        pthread_t t = calls_start(wait_for_something, &w);
        if (i % 2) tcp_peer_wait(p, KFK_API_LIST_OFFSETS, 1);
        tcp_peer_release(p);
        assert_works(kafka_conn_close(c));
        pthread_join(t, NULL);
        assert_true(w.code == 0 || w.code == KAFKA_ECLOSED);
        kafka_conn_free(c);
        tcp_peer_free(p);
    }
}

static void a_close_that_finds_no_memory_closes(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    for (size_t n = 1; n < 6; n++) {
        kafka_conn *c = calls_dial(p, 0);
        memcheck_fail_from(n);
        assert_works(kafka_conn_close(c));
        kafka_conn_free(c);
        memcheck_fail_at(0);
    }
    kafka_conn *c = calls_dial(p, 0);
    kafka_conn_free(c); /* without a close */
    tcp_peer_free(p);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

/* False: the first deadline had passed before it could be put off. */
static bool deadlines_may_change(int64_t first_ms)
{
    tcp_peer *p = TCP_PEER({.api = KFK_API_LIST_OFFSETS, .hold = true});
    kafka_conn *c = calls_dial(p, 0);
    waiter w = {c, 2, 0};
    int64_t first = kafka_deadline_in(first_ms);
    kafka_conn_set_read_deadline(c, first);
    pthread_t t = calls_start(wait_for_something, &w);
    while (tcp_peer_requests(p, KFK_API_LIST_OFFSETS) == 0 && kafka_now_ms() < first) sched_yield();
    kafka_conn_set_read_deadline(c, kafka_deadline_in(100000)); /* put off */
    bool in_time = kafka_now_ms() < first;
    while (in_time && kafka_now_ms() < first + 60) sched_yield();
    if (in_time) assert_int_equal(w.code, 0);
    int64_t deadline = kafka_deadline_in(50);
    kafka_conn_set_read_deadline(c, deadline); /* brought forward */
    pthread_join(t, NULL);
    assert_int_equal(w.code, KAFKA_ETIMEDOUT);
    if (in_time) assert_took(deadline, 0);
    tcp_peer_release(p);
    kafka_conn_free(c);
    tcp_peer_free(p);
    return in_time;
}

static void deadlines_may_change_while_calls_wait(void **state)
{
    (void)state;
    int64_t first_ms = 60;
    while (!deadlines_may_change(first_ms)) assert_true((first_ms *= 4) < CALLS_PATIENCE_MS);
}

static void each_kind_of_call_has_its_deadline(void **state)
{
    (void)state;
    kafka_brokers *b = NULL;
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    kafka_conn_set_read_deadline(c, kafka_deadline_in(0));
    assert_fails(kafka_conn_brokers(c, &b), KAFKA_ETIMEDOUT, NULL);
    assert_works(kafka_conn_write(c, "x", 1));
    kafka_conn_set_deadline(c, 0);
    kafka_conn_set_write_deadline(c, -7); /* any but 0 is compared */
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_ETIMEDOUT, NULL);
    assert_works(kafka_conn_brokers(c, &b));
    kafka_brokers_free(b);
    kafka_conn_set_deadline(c, INT64_MAX);
    assert_works(kafka_conn_write(c, "x", 1));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_token_ends_this_and_all_later_calls_until_it_is_taken_away(void **state)
{
    (void)state;
    kafka_cancel *token, *other;
    assert_works(kafka_cancel_new(&token));
    assert_works(kafka_cancel_new(&other));
    tcp_peer *p = TCP_PEER({.api = KFK_API_PRODUCE, .hold = true});
    kafka_conn *c = calls_dial(p, 0);
    waiter w = {c, 1, 0};
    kafka_conn_set_cancel(c, token);
    pthread_t t = calls_start(wait_for_something, &w);
    tcp_peer_wait(p, KFK_API_PRODUCE, 1);
    kafka_cancel_fire(token);
    pthread_join(t, NULL);
    assert_int_equal(w.code, KAFKA_ECANCELED);
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_ECANCELED, "canceled");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    tcp_peer_release(p);
    kafka_conn_set_cancel(c, other);
    assert_works(kafka_conn_write(c, "x", 1));
    kafka_cancel_free(other); /* the connection has its own reference */
    assert_works(kafka_conn_write(c, "x", 1));
    kafka_conn_set_cancel(c, NULL);
    assert_works(kafka_conn_write(c, "x", 1));
    kafka_cancel_free(token);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_token_that_cannot_be_watched_is_tried_again(void **state)
{
    (void)state;
    kafka_cancel *token;
    assert_works(kafka_cancel_new(&token));
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    memcheck_fail_from(1);
    kafka_conn_set_cancel(c, token);
    memcheck_fail_at(0);
    assert_works(kafka_conn_write(c, "x", 1));
    kafka_cancel_fire(token);
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_ECANCELED, NULL);
    kafka_cancel_free(token);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- what breaks it ---------------------------------------------------------------------------------------------- */

static void bytes_that_the_protocol_does_not_allow_end_it_for_all(void **state)
{
    (void)state;
    static const tcp_rule ways[] = {
        {.api = KFK_API_LIST_OFFSETS, .id_off = 1},
        {.api = KFK_API_LIST_OFFSETS, .id_off = -1},
        {.api = KFK_API_LIST_OFFSETS, .extra = 1},
        {.api = KFK_API_LIST_OFFSETS, .extra = -1},
        {.api = KFK_API_LIST_OFFSETS, .raw = "\x7f\xff\xff\xff", .raw_len = 4},
        {.api = KFK_API_LIST_OFFSETS, .raw = "\0\0\0\0", .raw_len = 4},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        int64_t x = 77;
        tcp_peer *p = tcp_peer_new(&ways[i], 1);
        kafka_conn *c = calls_dial(p, 0);
        char sentence[700];
        assert_fails(kafka_conn_read_first_offset(c, &x), KAFKA_EPROTO, tcp_peer_address(p));
        if (i < 5) assert_non_null(strstr(kafka_last_error(), "ListOffsets"));
        snprintf(sentence, sizeof sentence, "%s", strchr(kafka_last_error(), ':'));
        for (int k = 0; k < 2; k++) assert_fails(kafka_conn_write(c, "x", 1), KAFKA_EPROTO, sentence);
        assert_int_equal(x, 77);
        assert_int_equal(tcp_peer_requests(p, KFK_API_PRODUCE), 0);
        kafka_conn_free(c);
        tcp_peer_free(p);
    }
}

static void an_answer_to_nothing_ends_it(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_PRODUCE, .raw = "\0\0\0\4\0\0\0\0", .raw_len = 8});
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_set_required_acks(c, KAFKA_ACKS_NONE));
    assert_works(kafka_conn_write(c, "x", 1));
    int err = 0;
    int64_t until = kafka_now_ms() + CALLS_PATIENCE_MS, x;
    while (err == 0 && kafka_now_ms() < until) err = kafka_conn_read_first_offset(c, &x);
    assert_fails(err, KAFKA_EPROTO, "correlation id 0");
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void an_answer_may_come_in_pieces_and_late(void **state)
{
    (void)state;
    int64_t x;
    calls_cut cut;
    tcp_peer *p = TCP_PEER({.api = KFK_API_LIST_OFFSETS, .hold = true});
    kafka_conn *c = calls_dial(p, 0);
    calls_cut_begin(&cut, p, c, KFK_API_LIST_OFFSETS, kafka_conn_set_read_deadline);
    assert_fails(kafka_conn_read_first_offset(c, &x), KAFKA_ETIMEDOUT, NULL);
    calls_cut_end(&cut);
    tcp_peer_release(p);
    kafka_conn_set_read_deadline(c, 0);
    for (int i = 0; i < 50; i++) assert_works(kafka_conn_read_first_offset(c, &x));
    assert_int_equal(tcp_peer_requests(p, KFK_API_LIST_OFFSETS), 51);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(in_a_callback_only_what_does_not_wait_is_done),
        API_TEST(both_ends_have_addresses),
        API_TEST(closing_twice_is_fine_and_everything_else_is_refused),
        API_TEST(a_close_from_another_thread_ends_whatever_waits),
        API_TEST(closing_and_answers_race_without_harm),
        API_TEST(a_close_that_finds_no_memory_closes),
        API_TEST(deadlines_may_change_while_calls_wait),
        API_TEST(each_kind_of_call_has_its_deadline),
        API_TEST(a_token_ends_this_and_all_later_calls_until_it_is_taken_away),
        API_TEST(a_token_that_cannot_be_watched_is_tried_again),
        API_TEST(bytes_that_the_protocol_does_not_allow_end_it_for_all),
        API_TEST(an_answer_to_nothing_ends_it),
        API_TEST(an_answer_may_come_in_pieces_and_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
