/* What lies below the public manual loops: waiting for an operation that another thread finishes, and the end of the
 * last use wherever it is given up. */
#include "net_test.h"

#include "net/loop_manual.h"
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static kfk_loop *manual_start(void)
{
    kfk_loop *l = NULL;
    kfk_error err = {0};
    if (kfk_loop_new_manual(&l, &err) != 0) fail_msg("no loop: %s", err.text);
    return l;
}

static bool readable(kfk_loop *l)
{
    struct pollfd p = {.fd = kfk_loop_manual_fd(l), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static pthread_t start(void *(*run)(void *), void *arg)
{
    pthread_t t;
    if (pthread_create(&t, NULL, run, arg) != 0) abort();
    return t;
}

/* ---- an operation that ends when it is told to ------------------------------------------------------------------- */

typedef struct slow_op {
    kfk_op op;
    kfk_task finish, defer;
    kfk_loop *loop;
    int waited;
    atomic_int has_run; /* by kfk_loop_manual_run */
    pthread_t ran_on;
} slow_op;

static void op_begin(kfk_task *t)
{
    (void)t; /* ends later */
}

static void op_free(kfk_op *op)
{
    free(KFK_CONTAINER(op, slow_op, op));
}

static void op_finish(kfk_task *t)
{
    slow_op *o = KFK_CONTAINER(t, slow_op, finish);
    kfk_op_finish_loop(o->loop, &o->op);
}

static void op_finish_deferred(kfk_task *t)
{
    slow_op *o = KFK_CONTAINER(t, slow_op, defer);
    o->ran_on = pthread_self();
    kfk_op_finish_loop(o->loop, &o->op);
}

static void op_defer(kfk_task *t)
{
    slow_op *o = KFK_CONTAINER(t, slow_op, finish);
    o->defer.run = op_finish_deferred;
    kfk_loop_defer(o->loop, &o->defer);
}

static slow_op *op_new(kfk_loop *l, void (*finish)(kfk_task *))
{
    slow_op *o = calloc(1, sizeof *o);
    if (!o) abort();
    kfk_op_init(&o->op, op_begin, op_free);
    o->finish.run = finish;
    o->loop = l;
    kfk_loop_submit(l, &o->op.task);
    return o;
}

/* By a submission, which runs on this thread unless another one is under the baton. */
static void *finish_it(void *arg)
{
    slow_op *o = arg;
    kfk_loop_submit(o->loop, &o->finish);
    return NULL;
}

static void an_operation_that_another_thread_finishes_ends_the_wait_of_the_one_that_turns(void **state)
{
    (void)state;
    kfk_loop *l = manual_start();
    for (int i = 0; i < 2000; i++) { /* the one may come at any moment of the other */
        slow_op *o = op_new(l, op_finish);
        pthread_t t = start(finish_it, o);
        int err = kfk_op_wait(l, &o->op, kfk_time_now_ms() + PATIENCE_MS);
        pthread_join(t, NULL);
        kfk_op_drop(&o->op);
        assert_int_equal(err, 0);
    }
    loop_end(l);
}

static void what_another_thread_defers_runs_on_the_one_that_turns(void **state)
{
    (void)state;
    kfk_loop *l = manual_start();
    for (int i = 0; i < 500; i++) {
        slow_op *o = op_new(l, op_defer);
        pthread_t t = start(finish_it, o);
        int err = kfk_op_wait(l, &o->op, kfk_time_now_ms() + PATIENCE_MS);
        pthread_join(t, NULL);
        assert_true(pthread_equal(o->ran_on, pthread_self()));
        kfk_op_drop(&o->op);
        assert_int_equal(err, 0);
    }
    loop_end(l);
}

static void *wait_for_it(void *arg)
{
    slow_op *o = arg;
    o->waited = kfk_op_wait(o->loop, &o->op, kfk_time_now_ms() + PATIENCE_MS);
    return NULL;
}

static void a_thread_that_does_not_turn_waits_for_the_turns_of_others(void **state)
{
    (void)state;
    kfk_loop *l = manual_start();
    for (int i = 0; i < 200; i++) {
        slow_op *o = op_new(l, op_defer);
        pthread_t t = start(wait_for_it, o); /* never turned the loop */
        finish_it(o);
        assert_true(readable(l));
        assert_int_equal(kfk_loop_manual_run(l), 0);
        pthread_join(t, NULL);
        assert_int_equal(o->waited, 0);
        assert_true(pthread_equal(o->ran_on, pthread_self()));
        kfk_op_drop(&o->op);
    }
    loop_end(l);
}

static void a_wait_that_turns_the_loop_ends_at_its_deadline(void **state)
{
    (void)state;
    kfk_loop *l = manual_start();
    slow_op *o = op_new(l, op_finish);
    int64_t deadline = kfk_time_now_ms() + 40;
    assert_int_equal(kfk_op_wait(l, &o->op, deadline), KAFKA_ETIMEDOUT);
    assert_true(kfk_time_now_ms() >= deadline);
    finish_it(o);
    assert_int_equal(kfk_op_wait(l, &o->op, KFK_TIME_NEVER), 0);
    kfk_op_drop(&o->op);
    loop_end(l);
}

/* ---- the time it tells ------------------------------------------------------------------------------------------- */

typedef struct alarm_clock {
    kfk_timer timer;
    int64_t after_ms, fired_ms;
} alarm_clock;

static void alarm_fired(kfk_timer *t)
{
    KFK_CONTAINER(t, alarm_clock, timer)->fired_ms = kfk_time_now_ms();
}

static void alarm_set(kfk_loop *l, void *arg)
{
    alarm_clock *a = arg;
    kfk_timer_init(&a->timer, alarm_fired);
    kfk_loop_timer_set(l, &a->timer, kfk_time_add(kfk_loop_now_ms(l), a->after_ms));
}

static void alarm_clear(kfk_loop *l, void *arg)
{
    kfk_loop_timer_clear(l, &((alarm_clock *)arg)->timer);
}

static void the_timeout_is_that_of_the_earliest_timer_and_is_never_too_short(void **state)
{
    (void)state;
    kfk_loop *l = manual_start();
    alarm_clock late = {.after_ms = 3600000}, soon = {.after_ms = 50};
    run_held(l, alarm_set, &late);
    assert_true(readable(l));
    assert_int_equal(kfk_loop_manual_run(l), 0);
    assert_in_range(kfk_loop_manual_timeout_ms(l), 3590000, 3600000);
    int64_t began = kfk_time_now_ms();
    run_held(l, alarm_set, &soon);
    assert_true(readable(l));
    for (int turns = 0; soon.fired_ms == 0; turns++) {
        int64_t ms = kfk_loop_manual_timeout_ms(l);
        assert_in_range(ms, 0, 50);
        struct pollfd p = {.fd = kfk_loop_manual_fd(l), .events = POLLIN};
        poll(&p, 1, (int)ms);
        assert_int_equal(kfk_loop_manual_run(l), 0);
        assert_true(turns < 3); /* it does not spin towards the time */
    }
    assert_true(soon.fired_ms >= began + 50);
    run_held(l, alarm_clear, &late);
    loop_end(l);
}

/* ---- the end of the last use ------------------------------------------------------------------------------------- */

typedef struct leaver {
    kfk_task task, last;
    kfk_timer timer;
    kfk_loop *loop;
    bool ran_last;
} leaver;

static void last_ran(kfk_task *t)
{
    KFK_CONTAINER(t, leaver, last)->ran_last = true;
}

/* Leaves something to be done by a turn, as a close does. */
static void leave(leaver *g)
{
    g->last.run = last_ran;
    kfk_loop_defer(g->loop, &g->last);
    kfk_loop_unuse(g->loop);
    kfk_loop_drop(g->loop);
}

static void leave_deferred(kfk_task *t)
{
    leave(KFK_CONTAINER(t, leaver, task));
}

static void leave_timer(kfk_timer *t)
{
    leave(KFK_CONTAINER(t, leaver, timer));
}

static void leave_by_deferred(kfk_loop *l, void *arg)
{
    leaver *g = arg;
    g->task.run = leave_deferred;
    kfk_loop_defer(l, &g->task);
}

static void leave_by_timer(kfk_loop *l, void *arg)
{
    leaver *g = arg;
    kfk_timer_init(&g->timer, leave_timer);
    kfk_loop_timer_set(l, &g->timer, kfk_loop_now_ms(l));
}

static void leave_at_once(kfk_loop *l, void *arg)
{
    (void)l;
    leave(arg);
}

static void the_last_use_may_be_given_up_under_the_baton(void **state)
{
    (void)state;
    static void (*const ways[])(kfk_loop *, void *) = {leave_by_deferred, leave_by_timer, leave_at_once};
    for (int i = 0; i < 3; i++) {
        kfk_loop *l = manual_start();
        leaver g = {.loop = l};
        kfk_loop_hold(l);
        run_held(l, ways[i], &g);
        if (i < 2) assert_int_equal(kfk_loop_manual_run(l), 0); /* inside which it happens */
        assert_true(g.ran_last);
        kfk_loop_drop(l);
    }
}

static void defer_last(kfk_loop *l, void *arg)
{
    leaver *g = arg;
    g->last.run = last_ran;
    kfk_loop_defer(l, &g->last);
}

static void *end_it(void *arg)
{
    loop_end(arg);
    return NULL;
}

static void what_is_left_is_done_by_whoever_gives_up_the_last_use(void **state)
{
    (void)state;
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        kfk_loop *l = manual_start();
        leaver g = {.loop = l};
        run_held(l, defer_last, &g);
        assert_false(g.ran_last);
        if (elsewhere)
            pthread_join(start(end_it, l), NULL);
        else
            loop_end(l);
        assert_true(g.ran_last);
    }
}

/* ---- one at a time ----------------------------------------------------------------------------------------------- */

static int run_inside = 1;

static void run_again(kfk_loop *l, void *arg)
{
    (void)arg;
    run_inside = kfk_loop_manual_run(l);
}

static void a_turn_within_a_turn_or_under_the_baton_is_refused(void **state)
{
    (void)state;
    kfk_loop *l = manual_start();
    run_held(l, run_again, NULL);
    assert_int_equal(run_inside, KAFKA_EAGAIN);
    run_inside = 1;
    run_turning(l, run_again, NULL);
    assert_int_equal(run_inside, KAFKA_EAGAIN);
    assert_int_equal(kfk_loop_manual_run(l), 0);
    loop_end(l);
}

static void *wait_on_a_loop_of_its_own(void *arg)
{
    slow_op *o = arg;
    while (kfk_loop_manual_run(o->loop) != 0) continue; /* turned it last from now on */
    atomic_store(&o->has_run, 1);
    return wait_for_it(o);
}

static void a_run_is_refused_while_another_thread_waits_and_turns(void **state)
{
    (void)state;
    kfk_loop *l = manual_start();
    slow_op *o = op_new(l, op_finish);
    pthread_t t = start(wait_on_a_loop_of_its_own, o);
    assert_true(eventually_equal(&o->has_run, 1));
    slow_op *probe = op_new(l, op_defer); /* what is deferred now that thread runs in its wait, where it stays */
    finish_it(probe);
    assert_int_equal(kfk_op_wait(l, &probe->op, kfk_time_now_ms() + PATIENCE_MS), 0);
    assert_false(pthread_equal(probe->ran_on, pthread_self()));
    kfk_op_drop(&probe->op);
    for (int i = 0; i < 100; i++) assert_int_equal(kfk_loop_manual_run(l), KAFKA_EAGAIN);
    finish_it(o);
    pthread_join(t, NULL);
    assert_int_equal(o->waited, 0);
    assert_int_equal(kfk_loop_manual_run(l), 0);
    kfk_op_drop(&o->op);
    loop_end(l);
}

typedef struct crowd {
    kfk_loop *loop;
    atomic_int inside, most, turns;
    atomic_bool stop;
} crowd;

typedef struct count_task {
    kfk_task task, deferred;
    crowd *crowd;
} count_task;

static void counted_run(kfk_task *t)
{
    crowd *c = KFK_CONTAINER(t, count_task, deferred)->crowd;
    int now = atomic_fetch_add(&c->inside, 1) + 1;
    if (now > atomic_load(&c->most)) atomic_store(&c->most, now);
    atomic_fetch_add(&c->turns, 1);
    atomic_fetch_sub(&c->inside, 1);
    free(KFK_CONTAINER(t, count_task, deferred));
}

static void count_submitted(kfk_task *t)
{
    count_task *c = KFK_CONTAINER(t, count_task, task);
    c->deferred.run = counted_run;
    kfk_loop_defer(c->crowd->loop, &c->deferred);
}

static void *run_and_submit(void *arg)
{
    crowd *c = arg;
    for (int i = 0; i < 500; i++) {
        count_task *t = calloc(1, sizeof *t);
        if (!t) abort();
        t->task.run = count_submitted;
        t->crowd = c;
        kfk_loop_submit(c->loop, &t->task);
        (void)kfk_loop_manual_run(c->loop);
    }
    return NULL;
}

static void of_many_that_run_it_one_is_inside_and_nothing_gets_lost(void **state)
{
    (void)state;
    crowd c = {.loop = manual_start()};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) threads[i] = start(run_and_submit, &c);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    while (readable(c.loop)) assert_int_equal(kfk_loop_manual_run(c.loop), 0);
    assert_int_equal(atomic_load(&c.turns), 4 * 500);
    assert_int_equal(atomic_load(&c.most), 1);
    loop_end(c.loop);
}

/* ---- what it cannot have ----------------------------------------------------------------------------------------- */

static void a_manual_loop_without_memory_or_descriptors_says_so(void **state)
{
    (void)state;
    struct rlimit before, none;
    kfk_error err = {0};
    kfk_loop *l = NULL;
    MEMCHECK_EACH_FAILURE(n)
    {
        int code = kfk_loop_new_manual(&l, &err);
        assert_int_equal(code, memcheck_failed() ? KAFKA_ENOMEM : 0);
        if (code == 0) loop_end(l);
    }
    getrlimit(RLIMIT_NOFILE, &before);
    for (int more = 0; more < 2; more++) {
        int probe = dup(0), code;
        close(probe);
        none = before;
        none.rlim_cur = (rlim_t)(probe + more);
        setrlimit(RLIMIT_NOFILE, &none);
        code = kfk_loop_new_manual(&l, &err);
        setrlimit(RLIMIT_NOFILE, &before);
        assert_int_equal(code, KAFKA_EIO);
        assert_non_null(strstr(err.text, more ? "eventfd: Too many open files" : "epoll_create1: Too many open files"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(an_operation_that_another_thread_finishes_ends_the_wait_of_the_one_that_turns),
        NET_TEST(what_another_thread_defers_runs_on_the_one_that_turns),
        NET_TEST(a_thread_that_does_not_turn_waits_for_the_turns_of_others),
        NET_TEST(a_wait_that_turns_the_loop_ends_at_its_deadline),
        NET_TEST(the_timeout_is_that_of_the_earliest_timer_and_is_never_too_short),
        NET_TEST(the_last_use_may_be_given_up_under_the_baton),
        NET_TEST(what_is_left_is_done_by_whoever_gives_up_the_last_use),
        NET_TEST(a_turn_within_a_turn_or_under_the_baton_is_refused),
        NET_TEST(a_run_is_refused_while_another_thread_waits_and_turns),
        NET_TEST(of_many_that_run_it_one_is_inside_and_nothing_gets_lost),
        NET_TEST(a_manual_loop_without_memory_or_descriptors_says_so),
    };
    return cmocka_run_group_tests_name("net/loop_manual", tests, NULL, NULL);
}
