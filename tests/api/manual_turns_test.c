/* Manual loops: which thread turns them, and who cleans up when nobody does any more. */
#include "api/manual.h"

/* ---- who is in it ------------------------------------------------------------------------------------------------ */

static void a_thread_takes_over_from_one_that_has_ended(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_loop *l = manual_loop();
    app a = {.loops = {l}, .count = 1};
    app_start(&a);
    kafka_conn *c = dial_on(p, l), *d = dial_on(p, l);
    app_stop(&a);                    /* the thread that turned it last is gone */
    assert_works(kafka_loop_run(l)); /* from now on it is this one */

    reading r = {.conn = c};
    pthread_t t = calls_start(read_one, &r);
    while (tcp_peer_requests(p, KFK_API_FETCH) == 0) turn_once(l);
    app b = {.loops = {l}, .count = 1};
    assert_works(kafka_conn_write(d, "x", 1)); /* turns it, also for the one that reads */
    turn_until(l, &r.done);
    pthread_join(t, NULL);
    assert_int_equal(r.err, 0);

    app_start(&b); /* takes over */
    assert_works(kafka_conn_write(d, "x", 1));
    app_stop(&b);
    kafka_conn_free(c);
    kafka_conn_free(d);
    kafka_loop_free(l);
    tcp_peer_free(p);
}

typedef struct own_loop {
    tcp_peer *peer;
    kafka_loop *loop;
    kafka_conn *conn;
    int err;
} own_loop;

static void *read_on_a_loop_of_its_own(void *arg)
{
    own_loop *o = arg;
    kafka_message *m = NULL;
    if (kafka_loop_new(&(kafka_loop_config){.manual = 1}, &o->loop) != 0) return "no loop";
    kafka_dialer dialer = {.loop = o->loop};
    if (kafka_dial_leader(&dialer, NULL, tcp_peer_address(o->peer), "t", 0, &o->conn) != 0) return "no connection";
    o->err = kafka_conn_read_message(o->conn, 0, &m);
    return NULL;
}

static void calls_of_others_end_while_a_call_turns_the_loop(void **state)
{
    (void)state;
    own_loop o = {.peer = TCP_PEER({0})};
    void *failure;
    pthread_t t = calls_start(read_on_a_loop_of_its_own, &o);
    tcp_peer_wait(o.peer, KFK_API_FETCH, 1);
    kafka_conn *c = NULL; /* ends by that thread's turns */
    assert_works(kafka_dial_leader(&(kafka_dialer){.loop = o.loop}, NULL, tcp_peer_address(o.peer), "t", 1, &c));
    assert_works(kafka_conn_write(c, "v", 1));
    assert_works(kafka_conn_close(o.conn));
    pthread_join(t, &failure);
    assert_null(failure);
    assert_int_equal(o.err, KAFKA_ECLOSED);
    assert_works(kafka_loop_run(o.loop)); /* from that thread, which is gone */
    assert_works(kafka_conn_write(c, "v", 1));
    kafka_conn_free(o.conn);
    kafka_conn_free(c);
    kafka_loop_free(o.loop);
    tcp_peer_free(o.peer);
}

static kafka_loop *callbacks_loop;
static int run_in_callback;

static void run_it(void)
{
    run_in_callback = kafka_loop_run(callbacks_loop);
}

static void run_in_a_callback_gives_eagain(void **state)
{
    (void)state;
    callbacks_loop = manual_loop();
    calls_in_callback(run_it);
    assert_int_equal(run_in_callback, KAFKA_EAGAIN);
    assert_works(kafka_loop_run(callbacks_loop));
    kafka_loop_free(callbacks_loop);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void *free_conn(void *arg)
{
    kafka_conn_free(arg);
    return NULL;
}

static void *free_loop(void *arg)
{
    kafka_loop_free(arg);
    return NULL;
}

static void elsewhere(void *(*run)(void *), void *arg)
{
    pthread_t t = calls_start(run, arg);
    pthread_join(t, NULL);
}

/* Nobody runs the loop after the frees, in whatever order and on whatever thread they come: the tear-down sees what
 * they leave. */
static void nothing_is_left_when_everything_was_freed(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    for (int order = 0; order < 8; order++) {
        int fds = open_fds();
        kafka_loop *l = manual_loop();
        kafka_conn *c = dial_on(p, l), *d = dial_on(p, l);
        bool loop_first = order & 1, conn_elsewhere = order & 2, loop_elsewhere = order & 4;
        if (loop_first) loop_elsewhere ? elsewhere(free_loop, l) : kafka_loop_free(l);
        if (loop_first) assert_works(kafka_conn_write(d, "x", 1)); /* still turns in a call */
        conn_elsewhere ? elsewhere(free_conn, c) : kafka_conn_free(c);
        kafka_conn_free(d);
        if (!loop_first) loop_elsewhere ? elsewhere(free_loop, l) : kafka_loop_free(l);
        assert_true(descriptors_become(fds));
    }
    tcp_peer_free(p);
}

/* Resolves nothing before it is told to. */
static int hang(void *go, const char *host, kafka_addrs *out)
{
    (void)host;
    (void)out;
    while (!atomic_load((atomic_int *)go)) poll(NULL, 0, 1);
    return -1;
}

static void a_name_that_is_still_being_resolved_does_not_hold_up_the_end(void **state)
{
    (void)state;
    static atomic_int go; /* the tear-down waits until nobody looks at it any more */
    const kafka_resolver hanging = {.lookup = hang, .userdata = &go};
    kafka_conn *c = NULL;
    kafka_loop *l = manual_loop();
    atomic_store(&go, 0);
    int err = kafka_dial(&(kafka_dialer){.loop = l, .resolver = &hanging}, KAFKA_WITHIN(50), "kafka.example", &c);
    assert_int_equal(err, KAFKA_ETIMEDOUT);
    kafka_loop_free(l);
    atomic_store(&go, 1);
}

static void whatever_allocation_fails_a_manual_loop_leaves_nothing_behind(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    MEMCHECK_EACH_FAILURE(n)
    {
        kafka_loop *l = NULL;
        kafka_conn *c = NULL;
        int err = kafka_loop_new(&(kafka_loop_config){.manual = 1}, &l);
        if (err == 0)
            err = kafka_dial_leader(&(kafka_dialer){.loop = l}, KAFKA_WITHIN(PATIENCE_MS), tcp_peer_address(p), "t", 0,
                                    &c);
        if (err == 0) err = kafka_conn_write(c, "x", 1);
        assert_true(err == 0 || err == KAFKA_ENOMEM);
        if (!memcheck_failed()) assert_int_equal(err, 0);
        kafka_conn_free(c);
        kafka_loop_free(l);
    }
    tcp_peer_free(p);
}

/* ---- everything at once ------------------------------------------------------------------------------------------ */

typedef struct user {
    tcp_peer *peer;
    kafka_loop *loop;
    int rounds;
} user;

static void *come_and_go(void *arg)
{
    user *u = arg;
    for (int i = 0; i < u->rounds; i++) {
        kafka_conn *c = NULL;
        kafka_dialer dialer = {.loop = u->loop};
        int err = kafka_dial_leader(&dialer, KAFKA_WITHIN(PATIENCE_MS), tcp_peer_address(u->peer), "t", 1, &c);
        for (int k = 0; k < 20 && err == 0; k++) err = kafka_conn_write(c, "x", 1);
        kafka_conn_free(c);
        if (err != 0) return "a call failed";
    }
    return NULL;
}

/* Two threads take turns at running the loop while others call: who turned last changes all the time, and those who run
 * it call as well. */
static void *run_and_call(void *arg)
{
    user *u = arg;
    for (int i = 0; i < u->rounds; i++) {
        kafka_conn *c = NULL;
        kafka_dialer dialer = {.loop = u->loop};
        (void)kafka_loop_run(u->loop);
        /* if another one has turned it meanwhile, by that one's turns, or by the application's */
        int err = kafka_dial_leader(&dialer, KAFKA_WITHIN(PATIENCE_MS), tcp_peer_address(u->peer), "t", 1, &c);
        kafka_conn_free(c);
        if (err != 0) return "a dial failed";
    }
    return NULL;
}

static void threads_may_call_and_run_at_the_same_time(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    app a = {.loops = {manual_loop()}, .count = 1, .by_epoll = true};
    user u = {p, a.loops[0], 15};
    pthread_t threads[5];
    app_start(&a);
    for (int i = 0; i < 5; i++) threads[i] = calls_start(i < 3 ? come_and_go : run_and_call, &u);
    for (int i = 0; i < 5; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        if (failure != NULL) fail_msg("%s", (const char *)failure);
    }
    app_stop(&a);
    kafka_loop_free(a.loops[0]);
    assert_int_equal(tcp_peer_end(p, 1), 3 * 15 * 20);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(a_thread_takes_over_from_one_that_has_ended),
        LOOP_TEST(calls_of_others_end_while_a_call_turns_the_loop),
        LOOP_TEST(run_in_a_callback_gives_eagain),
        LOOP_TEST(nothing_is_left_when_everything_was_freed),
        LOOP_TEST(a_name_that_is_still_being_resolved_does_not_hold_up_the_end),
        LOOP_TEST(whatever_allocation_fails_a_manual_loop_leaves_nothing_behind),
        LOOP_TEST(threads_may_call_and_run_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
