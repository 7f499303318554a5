#include "net_test.h"

#include "net/tcp.h"
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- names that resolve to what a test wants --------------------------------------------------------------------- */

static kfk_address told[KFK_LOOKUP_MAX];
static size_t told_count;
static bool lookup_hangs;

typedef struct fake_answer {
    kfk_task task;
    kfk_lookup *lookup;
} fake_answer;

static kfk_lookup *hanging;

static void fake_tell(kfk_task *t)
{
    fake_answer *a = KFK_CONTAINER(t, fake_answer, task);
    memcpy(a->lookup->found, told, sizeof told);
    a->lookup->count = told_count;
    if (a->lookup->done) a->lookup->done(a->lookup);
    kfk_lookup_free(a->lookup);
    free(a);
}

static int fake_lookup(kfk_loop *l, kfk_lookup *lookup)
{
    if (lookup_hangs) {
        hanging = lookup;
        return 0;
    }
    fake_answer *a = calloc(1, sizeof *a);
    if (!a) return KAFKA_ENOMEM;
    a->task.run = fake_tell;
    a->lookup = lookup;
    kfk_loop_defer(l, &a->task);
    return 0;
}

static void fake_names(kfk_loop *l, void *arg)
{
    static kfk_loop_ops ops;
    (void)arg;
    ops = *l->ops;
    ops.lookup = fake_lookup;
    l->ops = &ops;
}

static kfk_loop *loop_with_names(void)
{
    kfk_loop *l = loop_start();
    loop_change(l, fake_names, NULL);
    told_count = 0;
    lookup_hangs = false;
    return l;
}

static void tell(const kfk_address *a)
{
    told[told_count++] = *a;
}

static void tell_refusing(const char *ip)
{
    refusing(ip, &told[told_count++]);
}

/* ---- one connection ---------------------------------------------------------------------------------------------- */

typedef struct dial {
    kfk_tcp_config cfg;
    kfk_tcp *tcp;
    int started;
    kfk_error start_error, error;
    kfk_stream *stream;
    kfk_loop *loop;
    kfk_address peer;
    int64_t started_ms, done_ms, within_ms; /* within_ms: its deadline */
    pthread_t thread;
    bool held;
    atomic_int done, readable;
    char where[300];
} dial;

static void dial_ready(void *owner, unsigned events)
{
    dial *d = owner;
    if (events & KFK_STREAM_READABLE) atomic_fetch_add(&d->readable, 1);
}

static void dial_done(void *owner, kfk_stream *stream, const kfk_error *err)
{
    dial *d = owner;
    d->tcp = NULL;
    d->stream = stream;
    d->error = *err;
    d->done_ms = kfk_time_now_ms();
    d->thread = pthread_self();
    d->held = kfk_loop_held(d->loop);
    d->peer.len = sizeof d->peer.addr;
    if (stream) {
        stream->ops->peer_addr(stream, (struct sockaddr *)&d->peer.addr, &d->peer.len);
        stream->owner = d;
        stream->ready = dial_ready;
    }
    atomic_fetch_add(&d->done, 1);
}

static void dial_start(kfk_loop *l, void *arg)
{
    dial *d = arg;
    d->loop = l;
    d->cfg.done = dial_done;
    d->cfg.owner = d;
    d->cfg.deadline_ms = d->within_ms ? kfk_loop_now_ms(l) + d->within_ms : KFK_TIME_NEVER;
    d->started_ms = kfk_loop_now_ms(l); /* from which its times count */
    d->started = kfk_tcp_start(l, &d->cfg, &d->tcp, &d->start_error);
    if (d->started != 0) d->tcp = NULL;
}

static void dial_describe(kfk_loop *l, void *arg)
{
    dial *d = arg;
    (void)l;
    snprintf(d->where, sizeof d->where, "gone");
    if (d->tcp) kfk_tcp_describe(d->tcp, d->where, sizeof d->where);
}

static void dial_end(kfk_loop *l, void *arg)
{
    dial *d = arg;
    (void)l;
    if (d->tcp) kfk_tcp_abandon(d->tcp);
    if (d->stream) d->stream->ops->close(d->stream);
    d->tcp = NULL;
    d->stream = NULL;
}

static void dial_to(dial *d, const char *host, uint16_t port, bool dual_stack)
{
    memset(d, 0, sizeof *d);
    snprintf(d->cfg.to.host, sizeof d->cfg.to.host, "%s", host);
    d->cfg.to.port = port;
    d->cfg.dual_stack = dual_stack;
    d->cfg.fallback_delay_ms = 3600000; /* nothing goes on by time, unless a test says so */
}

static void dial_wait(dial *d)
{
    assert_int_equal(d->started, 0);
    assert_true(eventually_equal(&d->done, 1));
    assert_true(d->held);
    assert_false(pthread_equal(d->thread, pthread_self()));
}

typedef struct description {
    dial *d;
    const char *want;
} description;

static bool is_described(void *arg)
{
    description *x = arg;
    run_held(x->d->loop, dial_describe, x->d);
    return strcmp(x->d->where, x->want) == 0;
}

/* ---- the tests --------------------------------------------------------------------------------------------------- */

static void a_numeric_address_needs_no_look_up(void **state)
{
    (void)state;
    kfk_loop *l = loop_with_names();
    lookup_hangs = true;
    kfk_address at;
    int listener = listen_on("127.0.0.2", 5, &at);
    dial d;

    dial_to(&d, "127.0.0.2", port_of(&at), true);
    run_held(l, dial_start, &d);
    dial_wait(&d);
    assert_non_null(d.stream);
    assert_int_equal(port_of(&d.peer), port_of(&at));
    run_turning(l, dial_end, &d);
    close(listener);
    loop_end(l);
}

static void localhost_is_reached_by_the_systems_resolver(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    kfk_address at;
    int listener = listen_on("127.0.0.1", 5, &at);
    dial d;

    dial_to(&d, "localhost", port_of(&at), true); /* ::1, if there is one, refuses */
    run_held(l, dial_start, &d);
    dial_wait(&d);
    if (!d.stream) fail_msg("%s", d.error.text);
    assert_int_equal(port_of(&d.peer), port_of(&at));
    run_turning(l, dial_end, &d);
    close(listener);
    loop_end(l);
}

static void a_refused_numeric_address_is_told_with_its_reason(void **state)
{
    (void)state;
    kfk_loop *l = loop_with_names();
    kfk_address at;
    char want[100];
    dial d;
    refusing("127.0.0.3", &at);

    dial_to(&d, "127.0.0.3", port_of(&at), false);
    run_held(l, dial_start, &d);
    if (d.started == 0) dial_wait(&d);
    const kfk_error *err = d.started ? &d.start_error : &d.error;
    snprintf(want, sizeof want, "127.0.0.3:%u: connect: Connection refused", (unsigned)port_of(&at));
    assert_int_equal(err->code, KAFKA_EIO);
    assert_string_equal(err->text, want);
    assert_null(d.stream);
    loop_end(l);
}

static void an_address_that_refuses_is_followed_by_the_next_at_once(void **state)
{
    (void)state;
    kfk_loop *l = loop_with_names();
    for (int dual_stack = 0; dual_stack < 2; dual_stack++) {
        kfk_address at;
        int listener = listen_on("127.0.0.5", 5, &at);
        dial d;
        told_count = 0;
        tell_refusing("127.0.0.3");
        tell_refusing("::1");
        tell_refusing("127.0.0.4");
        tell(&at);

        dial_to(&d, "broker", 9092, dual_stack);
        run_held(l, dial_start, &d);
        dial_wait(&d);
        if (!d.stream) fail_msg("%s", d.error.text);
        assert_int_equal(port_of(&d.peer), port_of(&at)); /* no timer brought it there: they are an hour away */
        run_turning(l, dial_end, &d);
        close(listener);
    }
    loop_end(l);
}

static void when_all_addresses_fail_each_one_is_named_and_families_took_turns(void **state)
{
    (void)state;
    kfk_loop *l = loop_with_names();
    dial d;
    tell_refusing("127.0.0.3");
    tell_refusing("127.0.0.4");
    tell_refusing("127.0.0.5");
    tell_refusing("::1");
    tell_refusing("::1");

    dial_to(&d, "broker", 9092, true);
    run_held(l, dial_start, &d);
    dial_wait(&d);
    assert_null(d.stream);
    assert_int_equal(d.error.code, KAFKA_EIO);
    const char *order[] = {"127.0.0.3:", "[::1]:", "127.0.0.4:", "[::1]:", "127.0.0.5:"}, *at = d.error.text;
    for (int i = 0; i < 5; i++) {
        at = strstr(at, order[i]);
        if (!at) fail_msg("%s is not in its place: %s", order[i], d.error.text);
        at++;
    }
    loop_end(l);
}

static void an_address_that_is_silent_is_overtaken_after_the_fallback_delay(void **state)
{
    (void)state;
    kfk_loop *l = loop_with_names();
    kfk_address at;
    black_hole hole;
    int listener = listen_on("127.0.0.5", 5, &at);
    dial d;
    assert_true(black_hole_begin(&hole, "127.0.0.6"));
    tell(&hole.where);
    tell(&at);

    dial_to(&d, "broker", 9092, true);
    d.cfg.fallback_delay_ms = 50;
    run_held(l, dial_start, &d);
    dial_wait(&d);
    if (!d.stream) fail_msg("%s", d.error.text);
    assert_int_equal(port_of(&d.peer), port_of(&at));
    int64_t took = d.done_ms - d.started_ms; /* how exactly, virtual time tells: sim/tcp_test.c */
    assert_true(took >= 50);
    print_message("(a fallback delay of 50 ms took %d ms)\n", (int)took);
    run_turning(l, dial_end, &d);
    close(listener);
    black_hole_end(&hole);
    loop_end(l);
}

/* The first address answers late, but before the second, which was started meanwhile: it wins, the other is closed. */
static void a_late_answer_still_wins(void **state)
{
    (void)state;
    kfk_loop *l = loop_with_names();
    black_hole first, second;
    dial d;
    assert_true(black_hole_begin(&first, "127.0.0.6"));
    assert_true(black_hole_begin(&second, "127.0.0.7"));
    tell(&first.where);
    tell(&second.where);
    char want[100];

    dial_to(&d, "broker", 9092, true);
    d.cfg.fallback_delay_ms = 10;
    run_held(l, dial_start, &d);
    snprintf(want, sizeof want, "connecting to 127.0.0.7:%u", (unsigned)port_of(&second.where));
    description x = {&d, want};
    assert_true(eventually(is_described, &x));
    black_hole_open(&first); /* the next SYN, which the kernel sends after a second, is answered */
    dial_wait(&d);
    if (!d.stream) fail_msg("%s", d.error.text);
    assert_int_equal(port_of(&d.peer), port_of(&first.where));
    run_turning(l, dial_end, &d);
    black_hole_end(&first);
    black_hole_end(&second);
    loop_end(l);
}

static void without_dual_stack_a_silent_address_gets_its_share_of_the_time(void **state)
{
    (void)state;
    kfk_loop *l = loop_with_names();
    kfk_address at;
    black_hole hole;
    int listener = listen_on("127.0.0.5", 5, &at);
    dial d;
    assert_true(black_hole_begin(&hole, "127.0.0.6"));
    tell(&hole.where);
    for (int i = 0; i < 5; i++) tell(&at); /* should the machine stand still for the share of one of them */

    dial_to(&d, "broker", 9092, false);
    d.cfg.fallback_delay_ms = 1; /* does not count */
    d.within_ms = 12000;         /* six addresses, two seconds each */
    run_held(l, dial_start, &d);
    dial_wait(&d);
    if (!d.stream) fail_msg("%s", d.error.text);
    assert_int_equal(port_of(&d.peer), port_of(&at));
    assert_true(d.done_ms - d.started_ms >= 2000);
    assert_non_null(strstr(d.error.text, "no answer in its share of the time"));
    run_turning(l, dial_end, &d);
    close(listener);
    black_hole_end(&hole);
    loop_end(l);
}

typedef struct early_peer {
    int listener, peer;
    bool bytes;
    dial *d;
} early_peer;

/* On the loop's thread, so that it sees the connection and what came with it in one edge. */
static void dial_and_answer(kfk_loop *l, void *arg)
{
    early_peer *p = arg;
    dial_start(l, p->d);
    p->peer = accept_one(p->listener);
    if (p->bytes && send(p->peer, "x", 1, MSG_NOSIGNAL) != 1) p->peer = -1;
    shutdown(p->peer, SHUT_WR);
}

static bool is_readable(void *arg)
{
    return atomic_load(&((dial *)arg)->readable) > 0;
}

static void what_comes_together_with_the_connection_is_told_to_the_new_owner(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    kfk_address at;
    int listener = listen_on("127.0.0.1", 5, &at);
    for (int bytes = 0; bytes < 2; bytes++) {
        dial d;
        early_peer p = {.listener = listener, .bytes = bytes, .d = &d};
        dial_to(&d, "127.0.0.1", port_of(&at), true);
        run_turning(l, dial_and_answer, &p);
        assert_true(p.peer >= 0);
        dial_wait(&d);
        assert_non_null(d.stream);
        assert_true(eventually(is_readable, &d));
        run_turning(l, dial_end, &d);
        close(p.peer);
    }
    close(listener);
    loop_end(l);
}

static void a_name_that_does_not_resolve_is_told(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    dial d;

    dial_to(&d, "no-such-broker.invalid", 9092, true);
    run_held(l, dial_start, &d);
    dial_wait(&d);
    assert_null(d.stream);
    assert_int_equal(d.error.code, KAFKA_ERESOLVE);
    assert_non_null(strstr(d.error.text, "resolving no-such-broker.invalid: "));
    loop_end(l);
}

static void where_it_stands_can_be_said(void **state)
{
    (void)state;
    kfk_loop *l = loop_with_names();
    black_hole hole;
    dial d;
    char want[100];
    assert_true(black_hole_begin(&hole, "127.0.0.6"));

    lookup_hangs = true;
    dial_to(&d, "broker", 9092, true);
    run_held(l, dial_start, &d);
    run_held(l, dial_describe, &d);
    assert_string_equal(d.where, "resolving broker");
    run_turning(l, dial_end, &d);
    kfk_lookup_free(hanging);

    dial_to(&d, "127.0.0.6", port_of(&hole.where), true);
    run_held(l, dial_start, &d);
    run_held(l, dial_describe, &d);
    snprintf(want, sizeof want, "connecting to 127.0.0.6:%u", (unsigned)port_of(&hole.where));
    assert_string_equal(d.where, want);
    run_turning(l, dial_end, &d);
    black_hole_end(&hole);
    loop_end(l);
}

static void what_is_abandoned_is_never_told(void **state)
{
    (void)state;
    kfk_loop *l = loop_with_names();
    black_hole hole;
    dial d[3];
    assert_true(black_hole_begin(&hole, "127.0.0.6"));
    for (int i = 0; i < 5; i++) tell(&hole.where);

    dial_to(&d[0], "broker", 9092, true); /* several attempts at a time */
    d[0].cfg.fallback_delay_ms = 0;
    dial_to(&d[1], "broker", 9092, true);
    dial_to(&d[2], "localhost", 1, true);
    for (int i = 0; i < 2; i++) run_held(l, dial_start, &d[i]);
    lookup_hangs = true;
    run_held(l, dial_start, &d[2]);
    assert_true(loop_is_quiet(l));
    for (int i = 0; i < 3; i++) run_turning(l, dial_end, &d[i]);
    assert_null(hanging->done);
    kfk_lookup_free(hanging);
    assert_true(loop_is_quiet(l));
    loop_end(l);
    black_hole_end(&hole);
    for (int i = 0; i < 3; i++) assert_int_equal(atomic_load(&d[i].done), 0);
}

static void without_memory_it_fails_and_leaves_nothing_behind(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    kfk_address at;
    int listener = listen_on("127.0.0.1", 100, &at);
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (int i = 0; i < 2; i++) {
        bool failed = true;
        for (size_t n = 1; failed; n++) { /* the n-th allocation of a dial fails, until there is none to fail */
            dial d;
            dial_to(&d, hosts[i], port_of(&at), true);
            memcheck_fail_at(n);
            run_held(l, dial_start, &d);
            if (d.started == 0) dial_wait(&d);
            failed = memcheck_failed();
            memcheck_fail_at(0);
            if (!d.stream) {
                const kfk_error *err = d.started ? &d.start_error : &d.error;
                if (!failed) fail_msg("%s", err->text);
                /* a socket without memory is one address that failed: the last one's code is told */
                assert_true(err->code == KAFKA_ENOMEM || strstr(err->text, "no memory"));
            }
            run_turning(l, dial_end, &d);
        }
    }
    close(listener);
    loop_end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(a_numeric_address_needs_no_look_up),
        NET_TEST(localhost_is_reached_by_the_systems_resolver),
        NET_TEST(a_refused_numeric_address_is_told_with_its_reason),
        NET_TEST(an_address_that_refuses_is_followed_by_the_next_at_once),
        NET_TEST(when_all_addresses_fail_each_one_is_named_and_families_took_turns),
        NET_TEST(an_address_that_is_silent_is_overtaken_after_the_fallback_delay),
        NET_TEST(a_late_answer_still_wins),
        NET_TEST(without_dual_stack_a_silent_address_gets_its_share_of_the_time),
        NET_TEST(what_comes_together_with_the_connection_is_told_to_the_new_owner),
        NET_TEST(a_name_that_does_not_resolve_is_told),
        NET_TEST(where_it_stands_can_be_said),
        NET_TEST(what_is_abandoned_is_never_told),
        NET_TEST(without_memory_it_fails_and_leaves_nothing_behind),
    };
    setenv("RES_OPTIONS", "timeout:1 attempts:1", 1); /* where nobody answers for names that do not exist */
    return cmocka_run_group_tests_name("net/tcp", tests, NULL, NULL);
}
