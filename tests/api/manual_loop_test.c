/* Manual loops in use: every call works on them, and the descriptor and the time tell when they want to run. */
#include "api/manual.h"

/* ---- the calls that wait ----------------------------------------------------------------------------------------- */

/* All kinds of calls there are; gives the code of the first that failed. No assertions: it also runs beside the
 * test. */
static int use(tcp_peer *p, kafka_loop *l)
{
    kafka_dialer dialer = {.loop = l};
    kafka_conn *c = NULL, *any = NULL;
    kafka_message *m = NULL, out = {.value = KAFKA_LIT("v0")};
    kafka_partitions *parts = NULL;
    kafka_broker *leader = NULL;
    int64_t first, last;
    char address[64];
    snprintf(address, sizeof address, "localhost:%d", tcp_peer_port(p)); /* resolved on a helper thread */
    int err = kafka_dial(&dialer, KAFKA_WITHIN(PATIENCE_MS), address, &any);
    if (err == 0) err = kafka_conn_read_partitions(any, NULL, 0, &parts);
    if (err == 0) err = kafka_lookup_leader(&dialer, KAFKA_WITHIN(PATIENCE_MS), tcp_peer_address(p), "t", 0, &leader);
    if (err == 0) err = kafka_dial_leader(&dialer, KAFKA_WITHIN(PATIENCE_MS), tcp_peer_address(p), "t", 0, &c);
    if (err == 0) err = kafka_conn_write_messages(c, &out, 1, KAFKA_COMPRESSION_NONE, NULL);
    if (err == 0) err = kafka_conn_read_offsets(c, &first, &last);
    if (err == 0) err = kafka_conn_read_message(c, 0, &m);
    kafka_message_free(m);
    kafka_partitions_free(parts);
    kafka_broker_free(leader);
    kafka_conn_free(any);
    kafka_conn_free(c);
    return err;
}

static void a_manual_loop_has_no_thread_and_nothing_to_do_at_first(void **state)
{
    (void)state;
    kafka_loop *l = manual_loop();
    assert_true(no_io_thread());
    assert_true(kafka_loop_fd(l) >= 0);
    assert_false(readable(l, 0));
    assert_int_equal(kafka_loop_timeout_ms(l), -1);
    for (int i = 0; i < 3; i++) assert_works(kafka_loop_run(l));
    assert_false(readable(l, 0));
    assert_int_equal(kafka_loop_timeout_ms(l), -1);
    kafka_loop_free(l);
}

static void what_is_wrong_with_a_call_is_told(void **state)
{
    (void)state;
    kafka_loop *l = NULL;
    assert_fails(kafka_loop_new(&(kafka_loop_config){.manual = 1, .reserved = 1}, &l), KAFKA_EINVAL, "reserved");
    assert_fails(kafka_loop_new(&(kafka_loop_config){.manual = 2}, &l), KAFKA_EINVAL, "manual");
    assert_null(l);
    assert_fails(kafka_loop_fd(NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_loop_run(NULL), KAFKA_EINVAL, "NULL");
    assert_int_equal(kafka_loop_timeout_ms(NULL), -1);
    assert_works(kafka_loop_new(NULL, &l));
    assert_fails(kafka_loop_fd(l), KAFKA_ENOTSUP, "thread of its own");
    assert_fails(kafka_loop_run(l), KAFKA_ENOTSUP, "kafka_loop_config.manual");
    assert_int_equal(kafka_loop_timeout_ms(l), -1);
    kafka_loop_free(l);
}

static void the_thread_that_made_the_loop_turns_it_in_its_calls(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_loop *l = manual_loop();
    for (int i = 0; i < 3; i++) assert_works(use(p, l));
    assert_true(no_io_thread());
    kafka_loop_free(l);
    tcp_peer_free(p);
}

static void calls_of_other_threads_end_by_the_turns_of_the_application(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    for (int by_epoll = 0; by_epoll < 2; by_epoll++) {
        app a = {.loops = {manual_loop()}, .count = 1, .by_epoll = by_epoll};
        app_start(&a);
        for (int i = 0; i < 3; i++) assert_works(use(p, a.loops[0]));
        assert_true(no_io_thread());
        assert_int_equal(atomic_load(&a.refused), 0);
        app_stop(&a);
        kafka_loop_free(a.loops[0]);
    }
    tcp_peer_free(p);
}

static void two_loops_of_one_application_do_not_mix(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    app a = {.loops = {manual_loop(), manual_loop()}, .count = 2, .by_epoll = true};
    app_start(&a);
    kafka_conn *c[2] = {dial_on(p, a.loops[0]), dial_on(p, a.loops[1])};
    for (int i = 0; i < 10; i++) assert_works(kafka_conn_write(c[i % 2], "x", 1));
    kafka_conn_free(c[0]);
    assert_works(kafka_conn_write(c[1], "x", 1));
    kafka_conn_free(c[1]);
    app_stop(&a);
    kafka_loop_free(a.loops[0]);
    kafka_loop_free(a.loops[1]);
    assert_int_equal(tcp_peer_end(p, 0), 11);
    tcp_peer_free(p);
}

/* Single-threaded use of two: each call turns its own loop only, and the other one's descriptor tells what waits
 * there. */
static void a_call_turns_its_own_loop_only(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_loop *one = manual_loop(), *two = manual_loop();
    kafka_conn *c = dial_on(p, one), *d = dial_on(p, two);
    turn_until_quiet(one);
    turn_until_quiet(two);
    tcp_peer_hang_up(p); /* both are told, and nobody has looked */
    assert_true(readable(one, PATIENCE_MS) && readable(two, PATIENCE_MS));
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_EUNEXPECTED_EOF, NULL);
    assert_true(readable(two, 0));
    turn_until_quiet(two);
    assert_fails(kafka_conn_write(d, "x", 1), KAFKA_EUNEXPECTED_EOF, NULL);
    kafka_conn_free(c);
    kafka_conn_free(d);
    kafka_loop_free(one);
    kafka_loop_free(two);
    tcp_peer_free(p);
}

/* ---- deadlines and tokens ---------------------------------------------------------------------------------------- */

static void *fire_when_asked(void *arg)
{
    void **both = arg;
    if (!tcp_peer_saw(both[0], KFK_API_FETCH, 1)) return "nothing came";
    kafka_cancel_fire(both[1]);
    return NULL;
}

static void *close_when_asked(void *arg)
{
    void **both = arg;
    if (!tcp_peer_saw(both[0], KFK_API_FETCH, 1)) return "nothing came";
    return kafka_conn_close(both[1]) == 0 ? NULL : "the close failed";
}

static void *shorten_when_asked(void *arg)
{
    void **both = arg;
    if (!tcp_peer_saw(both[0], KFK_API_FETCH, 1)) return "nothing came";
    kafka_conn_set_read_deadline(both[1], kafka_deadline_in(30));
    return NULL;
}

/* A read on the loop's own thread, or beside an application that turns the loop, ended by what another thread does. */
static void end_a_read(bool by_app, void *(*how)(void *), bool with_token, int code)
{
    tcp_peer *p = TCP_PEER({0});
    app a = {.loops = {manual_loop()}, .count = 1};
    kafka_cancel *token;
    assert_works(kafka_cancel_new(&token));
    if (by_app) app_start(&a);
    kafka_conn *c = dial_on(p, a.loops[0]);
    if (with_token) kafka_conn_set_cancel(c, token);
    kafka_conn_set_read_deadline(c, kafka_deadline_in(10 * PATIENCE_MS));
    void *both[] = {p, with_token ? (void *)token : (void *)c}, *failure;
    int64_t before = kafka_now_ms();
    pthread_t t = calls_start(how, both);
    reading r = {.conn = c};
    read_one(&r);
    pthread_join(t, &failure);
    assert_null(failure);
    assert_int_equal(r.err, code);
    assert_true(r.ended_ms - before < PATIENCE_MS);
    if (by_app) app_stop(&a);
    kafka_conn_free(c);
    kafka_loop_free(a.loops[0]);
    kafka_cancel_free(token);
    tcp_peer_free(p);
}

static void whatever_another_thread_does_ends_a_call_that_turns_the_loop(void **state)
{
    (void)state;
    end_a_read(false, fire_when_asked, true, KAFKA_ECANCELED);
    end_a_read(false, close_when_asked, false, KAFKA_ECLOSED);
    end_a_read(false, shorten_when_asked, false, KAFKA_ETIMEDOUT);
}

static void and_one_that_waits_for_the_application_to_turn_it(void **state)
{
    (void)state;
    end_a_read(true, fire_when_asked, true, KAFKA_ECANCELED);
    end_a_read(true, close_when_asked, false, KAFKA_ECLOSED);
    end_a_read(true, shorten_when_asked, false, KAFKA_ETIMEDOUT);
}

static void a_deadline_ends_a_call_whoever_turns_the_loop(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    app a = {.loops = {manual_loop()}, .count = 1, .by_epoll = true};
    kafka_conn *c = dial_on(p, a.loops[0]);
    for (int by_app = 0; by_app < 2; by_app++) {
        if (by_app) app_start(&a);
        for (int i = 0; i < 3; i++) {
            int64_t deadline = kafka_deadline_in(20 + 40 * i);
            kafka_conn_set_read_deadline(c, deadline);
            reading r = {.conn = c};
            read_one(&r);
            assert_int_equal(r.err, KAFKA_ETIMEDOUT);
            assert_true(r.ended_ms >= deadline);
            assert_true(r.ended_ms - deadline < CALLS_LATE_MS);
        }
    }
    app_stop(&a);
    kafka_conn_free(c);
    kafka_loop_free(a.loops[0]);
    tcp_peer_free(p);
}

/* ---- when the descriptor is readable ----------------------------------------------------------------------------- */

typedef struct short_read {
    kafka_conn *conn;
    _Atomic int64_t deadline; /* of the last read */
    int64_t ended_ms;
    int err;
    atomic_int done;
} short_read;

/* Again if the deadline has passed before anything was asked for: then the loop was not told of it either. */
static void *read_for_a_moment(void *arg)
{
    short_read *r = arg;
    kafka_message *m = NULL;
    do {
        int64_t deadline = kafka_deadline_in(60);
        kafka_conn_set_read_deadline(r->conn, deadline);
        atomic_store(&r->deadline, deadline);
        r->err = kafka_conn_read_message(r->conn, 0, &m);
        r->ended_ms = kafka_now_ms();
    } while (r->err == KAFKA_ETIMEDOUT && strstr(kafka_last_error(), "nothing was sent"));
    kafka_message_free(m);
    atomic_store(&r->done, 1);
    return NULL;
}

static bool is_due(short_read *r)
{
    int64_t deadline = atomic_load(&r->deadline);
    return deadline != 0 && kafka_now_ms() >= deadline;
}

/* The application polls without a limit, since nothing has to be done; then another thread's call sets a deadline. */
static void an_earlier_deadline_of_another_threads_call_makes_it_readable(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_loop *l = manual_loop();
    kafka_conn *c = dial_on(p, l);
    turn_until_quiet(l);
    short_read r = {.conn = c};
    pthread_t t = calls_start(read_for_a_moment, &r);
    while (!is_due(&r)) turn_once(l);
    turn_until(l, &r.done);
    pthread_join(t, NULL);
    assert_int_equal(r.err, KAFKA_ETIMEDOUT);
    assert_true(r.ended_ms >= r.deadline);
    kafka_conn_free(c);
    kafka_loop_free(l);
    tcp_peer_free(p);
}

static void a_close_from_any_thread_makes_it_readable_until_it_was_done(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    int fds = open_fds();
    kafka_loop *l = manual_loop();
    kafka_conn *c = dial_on(p, l);
    turn_until_quiet(l);
    assert_true(descriptors_become(fds + 4)); /* the loop's two, both ends of the connection */
    kafka_conn_free(c);
    assert_true(readable(l, 0));
    assert_true(readable(l, 0)); /* looking does not change it */
    turn_until_quiet(l);
    assert_true(descriptors_become(fds + 2));
    kafka_loop_free(l);
    tcp_peer_free(p);
}

/* Its request has set a timer, which the application would not know of: it asked before. */
static void a_blocking_call_that_leaves_an_earlier_time_makes_it_readable(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_loop *l = manual_loop();
    assert_int_equal(kafka_loop_timeout_ms(l), -1);
    kafka_conn *c = dial_on(p, l);
    assert_true(readable(l, 0));
    turn_until_quiet(l);
    assert_true(kafka_loop_timeout_ms(l) > 0);
    for (int i = 0; i < 20; i++) {
        assert_works(kafka_conn_write(c, "x", 1));
        assert_false(readable(l, 0)); /* with what it knows it comes early enough */
    }
    kafka_conn_free(c);
    kafka_loop_free(l);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(a_manual_loop_has_no_thread_and_nothing_to_do_at_first),
        LOOP_TEST(what_is_wrong_with_a_call_is_told),
        LOOP_TEST(the_thread_that_made_the_loop_turns_it_in_its_calls),
        LOOP_TEST(calls_of_other_threads_end_by_the_turns_of_the_application),
        LOOP_TEST(two_loops_of_one_application_do_not_mix),
        LOOP_TEST(a_call_turns_its_own_loop_only),
        LOOP_TEST(whatever_another_thread_does_ends_a_call_that_turns_the_loop),
        LOOP_TEST(and_one_that_waits_for_the_application_to_turn_it),
        LOOP_TEST(a_deadline_ends_a_call_whoever_turns_the_loop),
        LOOP_TEST(an_earlier_deadline_of_another_threads_call_makes_it_readable),
        LOOP_TEST(a_close_from_any_thread_makes_it_readable_until_it_was_done),
        LOOP_TEST(a_blocking_call_that_leaves_an_earlier_time_makes_it_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
