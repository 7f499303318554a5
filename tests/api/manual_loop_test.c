/* Manual loops: who turns them, when the application is told to, and who cleans up when nobody does any more. */
#include "api/calls.h"
#include <dirent.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

/* ---- set-up: neither memory, nor a descriptor, nor a thread may be left ------------------------------------------------ */

static int entries(const char *path, const char *comm)
{
    int n = 0;
    DIR *dir = opendir(path);
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        char file[300], line[64] = "";
        if (d->d_name[0] == '.') continue;
        snprintf(file, sizeof file, "%s/%s/comm", path, d->d_name);
        FILE *f = comm != NULL ? fopen(file, "r") : NULL;
        if (f != NULL && fgets(line, sizeof line, f) == NULL) line[0] = '\0';
        if (f != NULL) fclose(f);
        n += comm == NULL || strncmp(line, comm, strlen(comm)) == 0;
    }
    if (dir != NULL) closedir(dir);
    return n;
}

static int open_fds(void)
{
    return entries("/proc/self/fd", NULL);
}

static int io_threads(void)
{
    return entries("/proc/self/task", "kafka-io");
}

/* The peer closes its ends a little later, and a resolver's thread may hold a loop a moment longer. */
static bool descriptors_become(int count)
{
    int64_t until = kafka_now_ms() + 5000;
    while (open_fds() != count && kafka_now_ms() < until) poll(NULL, 0, 1);
    return open_fds() == count;
}

static int fds_before;

static int setup(void **state)
{
    fds_before = open_fds();
    return memcheck_setup(state);
}

static int teardown(void **state)
{
    if (!descriptors_become(fds_before))
        fail_msg("%d descriptors were open before, %d are now", fds_before, open_fds());
    return calls_teardown(state);
}
#define LOOP_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static kafka_loop *manual_loop(void)
{
    kafka_loop *l = NULL;
    assert_works(kafka_loop_new(&(kafka_loop_config){.manual = 1}, &l));
    return l;
}

static kafka_conn *dial_on(tcp_peer *p, kafka_loop *l)
{
    kafka_conn *c = NULL;
    assert_works(
        kafka_dial_leader(&(kafka_dialer){.loop = l}, KAFKA_WITHIN(PATIENCE_MS), tcp_peer_address(p), "t", 0, &c));
    return c;
}

static bool readable(kafka_loop *l, int ms)
{
    struct pollfd p = {.fd = kafka_loop_fd(l), .events = POLLIN};
    return poll(&p, 1, ms) == 1 && p.revents == POLLIN;
}

static bool wait_until(const atomic_int *value, int at_least)
{
    int64_t until = kafka_now_ms() + PATIENCE_MS;
    while (atomic_load(value) < at_least && kafka_now_ms() < until) poll(NULL, 0, 1);
    return atomic_load(value) >= at_least;
}

/* Turns the loop until it is quiet, as an application does that waits for nothing. */
static void turn_until_quiet(kafka_loop *l)
{
    for (int i = 0; i < 100 && (readable(l, 0) || kafka_loop_timeout_ms(l) == 0); i++) assert_works(kafka_loop_run(l));
    assert_false(readable(l, 0));
}

/* Waits as long as the loop says, and runs it: it must never say longer than what the test waits for takes. */
static void turn_once(kafka_loop *l)
{
    int64_t ms = kafka_loop_timeout_ms(l), before = kafka_now_ms();
    readable(l, ms < 0 || ms > PATIENCE_MS ? PATIENCE_MS : (int)ms);
    assert_true(kafka_now_ms() - before < PATIENCE_MS);
    assert_works(kafka_loop_run(l));
}

/* For what happens soon on another thread, by what the loop does. */
static void turn_until(kafka_loop *l, const atomic_int *done)
{
    int64_t until = kafka_now_ms() + PATIENCE_MS;
    while (!atomic_load(done) && kafka_now_ms() < until) {
        readable(l, 1);
        assert_works(kafka_loop_run(l));
    }
    assert_true(atomic_load(done));
}

/* ---- an application's own event loop, on a thread of its own ------------------------------------------------------------ */

typedef struct app {
    kafka_loop *loops[2];
    int count;
    bool by_epoll;
    int stop_fd;
    atomic_int turns, refused;
    pthread_t thread;
} app;

static int app_timeout(app *a)
{
    int64_t least = -1;
    for (int i = 0; i < a->count; i++) {
        int64_t ms = kafka_loop_timeout_ms(a->loops[i]);
        if (ms >= 0 && (least < 0 || ms < least)) least = ms;
    }
    return least > 1000000 ? 1000000 : (int)least;
}

static void app_turn(app *a)
{
    for (int i = 0; i < a->count; i++) {
        if (kafka_loop_run(a->loops[i]) == 0)
            atomic_fetch_add(&a->turns, 1);
        else
            atomic_fetch_add(&a->refused, 1);
    }
}

static void *app_by_poll(void *arg)
{
    app *a = arg;
    struct pollfd p[3] = {{.fd = a->stop_fd, .events = POLLIN}};
    for (int i = 0; i < a->count; i++) p[i + 1] = (struct pollfd){.fd = kafka_loop_fd(a->loops[i]), .events = POLLIN};
    do {
        app_turn(a);
        poll(p, (nfds_t)a->count + 1, app_timeout(a));
    } while (!p[0].revents);
    return NULL;
}

static void *app_by_epoll(void *arg)
{
    app *a = arg;
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = -1}, got[3];
    epoll_ctl(ep, EPOLL_CTL_ADD, a->stop_fd, &ev);
    for (int i = 0; i < a->count; i++) {
        ev.data.fd = i;
        epoll_ctl(ep, EPOLL_CTL_ADD, kafka_loop_fd(a->loops[i]), &ev);
    }
    for (bool stop = false; !stop;) {
        app_turn(a);
        int n = epoll_wait(ep, got, 3, app_timeout(a));
        for (int i = 0; i < n; i++) stop = stop || got[i].data.fd == -1;
    }
    close(ep);
    return NULL;
}

/* Returns when it has turned its loops: then it is the one that turned them last. */
static void app_start(app *a)
{
    a->stop_fd = eventfd(0, EFD_CLOEXEC);
    a->thread = calls_start(a->by_epoll ? app_by_epoll : app_by_poll, a);
    assert_true(wait_until(&a->turns, a->count));
}

static void app_stop(app *a)
{
    uint64_t one = 1;
    assert_int_equal(write(a->stop_fd, &one, sizeof one), sizeof one);
    pthread_join(a->thread, NULL);
    close(a->stop_fd);
}

/* ---- the calls that wait ------------------------------------------------------------------------------------------------ */

/* All kinds of calls there are; gives the code of the first that failed. No assertions: it also runs beside the test. */
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
    assert_int_equal(io_threads(), 0);
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
    assert_int_equal(io_threads(), 0);
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
        assert_int_equal(io_threads(), 0);
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

/* Single-threaded use of two: each call turns its own loop only, and the other one's descriptor tells what waits there. */
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

/* ---- deadlines and tokens ----------------------------------------------------------------------------------------------- */

typedef struct reading {
    kafka_conn *conn;
    int err;
    int64_t ended_ms;
    atomic_int done;
} reading;

static void *read_one(void *arg)
{
    reading *r = arg;
    kafka_message *m = NULL;
    r->err = kafka_conn_read_message(r->conn, 0, &m);
    r->ended_ms = kafka_now_ms();
    kafka_message_free(m);
    atomic_store(&r->done, 1);
    return NULL;
}

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
            assert_true(r.ended_ms - deadline < 1000);
        }
    }
    app_stop(&a);
    kafka_conn_free(c);
    kafka_loop_free(a.loops[0]);
    tcp_peer_free(p);
}

/* ---- when the descriptor is readable ------------------------------------------------------------------------------------ */

/* The application polls without a limit, since nothing has to be done; then another thread's call sets a deadline. */
static void an_earlier_deadline_of_another_threads_call_makes_it_readable(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_loop *l = manual_loop();
    kafka_conn *c = dial_on(p, l);
    turn_until_quiet(l);
    int64_t deadline = kafka_deadline_in(60);
    kafka_conn_set_read_deadline(c, deadline);
    reading r = {.conn = c};
    pthread_t t = calls_start(read_one, &r);
    while (kafka_now_ms() < deadline) turn_once(l);
    turn_until(l, &r.done);
    pthread_join(t, NULL);
    assert_int_equal(r.err, KAFKA_ETIMEDOUT);
    assert_true(r.ended_ms >= deadline);
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

/* ---- who is in it ------------------------------------------------------------------------------------------------------- */

static void a_loop_that_waits_in_a_call_is_not_run_by_others(void **state)
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

static void run_gives_eagain_while_a_call_turns_the_loop(void **state)
{
    (void)state;
    own_loop o = {.peer = TCP_PEER({0})};
    void *failure;
    pthread_t t = calls_start(read_on_a_loop_of_its_own, &o);
    tcp_peer_wait(o.peer, KFK_API_FETCH, 1);
    for (int i = 0; i < 100; i++) assert_fails(kafka_loop_run(o.loop), KAFKA_EAGAIN, "another thread");
    kafka_conn *c = NULL; /* ends by that thread's turns */
    assert_works(kafka_dial_leader(&(kafka_dialer){.loop = o.loop}, NULL, tcp_peer_address(o.peer), "t", 1, &c));
    assert_works(kafka_conn_write(c, "v", 1));
    assert_fails(kafka_loop_run(o.loop), KAFKA_EAGAIN, NULL);
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

/* ---- the end ------------------------------------------------------------------------------------------------------------ */

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

/* Nobody runs the loop after the frees, in whatever order and on whatever thread they come: the tear-down sees what they
 * leave. */
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

static void a_name_that_is_still_being_resolved_does_not_hold_up_the_end(void **state)
{
    (void)state;
    kafka_conn *c = NULL;
    kafka_loop *l = manual_loop();
    int64_t before = kafka_now_ms();
    int err = kafka_dial(&(kafka_dialer){.loop = l}, KAFKA_WITHIN(1), "no-such-host.invalid:9092", &c);
    assert_true(err == KAFKA_ETIMEDOUT || err == KAFKA_ERESOLVE);
    kafka_loop_free(l);
    assert_true(kafka_now_ms() - before < PATIENCE_MS);
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

/* ---- everything at once ------------------------------------------------------------------------------------------------- */

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

/* Two threads take turns at running the loop while others call: who turned last changes all the time, and those who run it
 * call as well. */
static void *run_and_call(void *arg)
{
    user *u = arg;
    for (int i = 0; i < u->rounds; i++) {
        kafka_conn *c = NULL;
        kafka_dialer dialer = {.loop = u->loop};
        (void)kafka_loop_run(u->loop);
        /* it may have been overtaken: then it needs the other one, which may have ended; hence the deadline's sense */
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
        LOOP_TEST(a_loop_that_waits_in_a_call_is_not_run_by_others),
        LOOP_TEST(run_gives_eagain_while_a_call_turns_the_loop),
        LOOP_TEST(run_in_a_callback_gives_eagain),
        LOOP_TEST(nothing_is_left_when_everything_was_freed),
        LOOP_TEST(a_name_that_is_still_being_resolved_does_not_hold_up_the_end),
        LOOP_TEST(whatever_allocation_fails_a_manual_loop_leaves_nothing_behind),
        LOOP_TEST(threads_may_call_and_run_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
