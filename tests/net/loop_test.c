#include "net_test.h"

#include "base/rand.h"
#include "base/thread.h"
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- a loop whose wake-ups, waits and turns are counted ---------------------------------------------------------- */

static atomic_int wakes, parks, unparks, turns;
static const kfk_loop_ops *real_ops;
static void (*real_after_take)(void *, bool);

static void counting_wake(kfk_loop *l)
{
    atomic_fetch_add(&wakes, 1);
    real_ops->wake(l);
}

static void counting_park(kfk_loop *l, _Atomic uint32_t *word, uint32_t value, int64_t deadline_ms)
{
    atomic_fetch_add(&parks, 1);
    real_ops->park(l, word, value, deadline_ms);
}

static void counting_unpark(kfk_loop *l, _Atomic uint32_t *word)
{
    atomic_fetch_add(&unparks, 1);
    real_ops->unpark(l, word);
}

static void counting_after_take(void *arg, bool by_loop)
{
    if (by_loop) atomic_fetch_add(&turns, 1);
    real_after_take(arg, by_loop);
}

static void count_held(kfk_loop *l, void *arg)
{
    static kfk_loop_ops ops;
    (void)arg;
    real_ops = l->ops;
    ops = *l->ops;
    ops.wake = counting_wake;
    l->ops = &ops;
    real_after_take = l->baton.after_take;
    l->baton.after_take = counting_after_take;
}

static kfk_loop *counting_loop(void)
{
    kfk_loop *l = loop_start();
    loop_change(l, count_held, NULL);
    loop_is_quiet(l);
    atomic_store(&wakes, 0);
    atomic_store(&turns, 0);
    return l;
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

enum { MANY = 300 };

typedef struct alarm_clock {
    kfk_timer timer;
    kfk_loop *loop;
    int64_t at_ms, fired_at_ms;
    int order;
    atomic_int *fired;
} alarm_clock;

static void alarm_fired(kfk_timer *t)
{
    alarm_clock *a = KFK_CONTAINER(t, alarm_clock, timer);
    a->fired_at_ms = kfk_time_now_ms();
    a->order = atomic_fetch_add(a->fired, 1);
}

typedef struct alarms {
    alarm_clock all[MANY];
    atomic_int fired;
    kfk_rand rand;
    int64_t base_ms;
} alarms;

static void set_many(kfk_loop *l, void *arg)
{
    alarms *a = arg;
    a->base_ms = kfk_loop_now_ms(l);
    for (int i = 0; i < MANY; i++) {
        alarm_clock *c = &a->all[i];
        kfk_timer_init(&c->timer, alarm_fired);
        c->loop = l;
        c->fired = &a->fired;
        c->at_ms = a->base_ms + (int64_t)kfk_rand_below(&a->rand, 50) - 5; /* some of them in the past */
        kfk_loop_timer_set(l, &c->timer, c->at_ms);
    }
}

static void timers_fire_in_order_and_never_early(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static alarms a;
    memset(&a, 0, sizeof a);
    kfk_rand_seed(&a.rand, 1);

    run_held(l, set_many, &a);
    assert_true(eventually_equal(&a.fired, MANY));
    loop_end(l);
    for (int i = 0; i < MANY; i++) {
        assert_true(a.all[i].fired_at_ms >= a.all[i].at_ms);
        for (int j = 0; j < i; j++) {
            /* of those for the same time the one that was set first, even though later ones may come in a turn of their
             * own */
            if (a.all[i].at_ms >= a.all[j].at_ms)
                assert_true(a.all[i].order > a.all[j].order);
            else
                assert_true(a.all[i].order < a.all[j].order);
        }
    }
}

static void set_and_clear(kfk_loop *l, void *arg)
{
    alarms *a = arg;
    set_many(l, a);
    for (int i = 0; i < MANY; i++) {
        alarm_clock *c = &a->all[i];
        if (i % 3 == 0) kfk_loop_timer_clear(l, &c->timer);
        if (i % 3 == 1) kfk_loop_timer_set(l, &c->timer, KFK_TIME_NEVER);
        if (i % 3 != 2) continue;
        c->at_ms += 20;
        kfk_loop_timer_set(l, &c->timer, c->at_ms);
        c->loop = NULL; /* to be seen: this one was moved */
    }
}

static void a_timer_that_was_cleared_does_not_fire_and_one_that_was_moved_fires_once(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static alarms a;
    memset(&a, 0, sizeof a);
    kfk_rand_seed(&a.rand, 2);

    run_held(l, set_and_clear, &a);
    assert_true(eventually_equal(&a.fired, MANY / 3));
    loop_end(l);
    assert_int_equal(atomic_load(&a.fired), MANY / 3);
    for (int i = 0; i < MANY; i++) {
        assert_false(kfk_timer_is_set(&a.all[i].timer));
        if (a.all[i].loop)
            assert_int_equal(a.all[i].fired_at_ms, 0);
        else
            assert_true(a.all[i].fired_at_ms >= a.all[i].at_ms);
    }
}

typedef struct greedy {
    kfk_timer timer;
    kfk_loop *loop;
    kfk_task between;
    int fired, fired_when_deferred_ran;
    bool enough;
    latch done;
} greedy;

static void greedy_fired(kfk_timer *t)
{
    greedy *g = KFK_CONTAINER(t, greedy, timer);
    if (g->fired++ == 0) kfk_loop_defer(g->loop, &g->between);
    if (!g->enough && g->fired < 1000000) kfk_loop_timer_set(g->loop, t, kfk_loop_now_ms(g->loop));
}

static void greedy_between(kfk_task *t)
{
    greedy *g = KFK_CONTAINER(t, greedy, between);
    g->fired_when_deferred_ran = g->fired;
    g->enough = true;
    latch_post(&g->done);
}

static void greedy_start(kfk_loop *l, void *arg)
{
    greedy *g = arg;
    kfk_timer_init(&g->timer, greedy_fired);
    g->between.run = greedy_between;
    g->loop = l;
    kfk_loop_timer_set(l, &g->timer, kfk_loop_now_ms(l));
}

static void a_timer_that_sets_itself_for_now_does_not_keep_the_loop(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    greedy g = {.fired = 0};
    latch_init(&g.done);

    run_held(l, greedy_start, &g);
    assert_true(latch_wait(&g.done));
    assert_true(loop_is_quiet(l));
    loop_end(l);
    assert_int_equal(g.fired_when_deferred_ran, 1);
    assert_int_equal(g.fired, 2);
}

typedef struct at_time {
    kfk_timer *timer;
    int64_t after_ms;
} at_time;

static void timer_set_after(kfk_loop *l, void *arg)
{
    at_time *a = arg;
    kfk_loop_timer_set(l, a->timer, kfk_time_add(kfk_loop_now_ms(l), a->after_ms));
}

static void set_after(kfk_loop *l, kfk_timer *t, int64_t after_ms)
{
    at_time a = {t, after_ms};
    run_held(l, timer_set_after, &a);
}

static void timer_cleared(kfk_loop *l, void *arg)
{
    kfk_loop_timer_clear(l, arg);
}

static void never_fires(kfk_timer *t)
{
    (void)t;
}

static void a_caller_wakes_the_loop_only_for_a_timer_before_the_published_wake_up(void **state)
{
    (void)state;
    kfk_loop *l = counting_loop();
    kfk_timer hour, two_hours, half_hour, forty_minutes;
    kfk_timer_init(&hour, never_fires);
    kfk_timer_init(&two_hours, never_fires);
    kfk_timer_init(&half_hour, never_fires);
    kfk_timer_init(&forty_minutes, never_fires);

    set_after(l, &hour, 3600000);
    assert_int_equal(atomic_load(&wakes), 1);
    assert_true(loop_is_quiet(l));
    set_after(l, &two_hours, 7200000);
    assert_int_equal(atomic_load(&wakes), 1);
    set_after(l, &half_hour, 1800000);
    assert_int_equal(atomic_load(&wakes), 2);
    set_after(l, &forty_minutes, 2400000); /* whether or not the loop has come round meanwhile */
    assert_int_equal(atomic_load(&wakes), 2);

    run_held(l, timer_cleared, &hour);
    run_held(l, timer_cleared, &two_hours);
    run_held(l, timer_cleared, &half_hour);
    run_held(l, timer_cleared, &forty_minutes);
    assert_int_equal(atomic_load(&wakes), 2);
    loop_end(l);
}

static void requests_with_the_same_timeout_do_not_wake_the_loop_again(void **state)
{
    (void)state;
    kfk_loop *l = counting_loop();
    kfk_timer timer;
    kfk_timer_init(&timer, never_fires);

    for (int i = 0; i < 100; i++) {
        set_after(l, &timer, 3600000);
        if (i % 10 == 0) assert_true(loop_is_quiet(l));
        run_held(l, timer_cleared, &timer);
        if (i % 10 == 5) assert_true(loop_is_quiet(l));
    }
    assert_int_equal(atomic_load(&wakes), 1);
    loop_end(l);
}

static void a_quiet_loop_does_not_turn(void **state)
{
    (void)state;
    kfk_loop *l = counting_loop();
    kfk_timer timer;
    kfk_timer_init(&timer, never_fires);

    set_after(l, &timer, 3600000);
    assert_true(loop_is_quiet(l));
    int before = atomic_load(&turns);
    for (int i = 0; i < 100; i++) assert_true(loop_is_quiet(l)); /* submits */
    assert_int_equal(atomic_load(&turns), before);
    run_held(l, timer_cleared, &timer);
    loop_end(l);
}

/* ---- deferred tasks ---------------------------------------------------------------------------------------------- */

typedef struct deferred {
    kfk_task task;
    kfk_loop *loop;
    struct deferred *then;
    int *clock, ran_at, turn;
    pthread_t thread;
    bool held;
    latch *done;
} deferred;

static void deferred_run(kfk_task *t)
{
    deferred *d = KFK_CONTAINER(t, deferred, task);
    d->ran_at = ++*d->clock;
    d->turn = atomic_load(&turns);
    d->thread = pthread_self();
    d->held = kfk_loop_held(d->loop);
    if (d->then) kfk_loop_defer(d->loop, &d->then->task);
    if (d->done) latch_post(d->done);
}

static void defer_three(kfk_loop *l, void *arg)
{
    deferred *d = arg;
    for (int i = 0; i < 3; i++) kfk_loop_defer(l, &d[i].task);
}

static void deferred_tasks_run_in_order_on_the_loops_thread(void **state)
{
    (void)state;
    kfk_loop *l = counting_loop();
    int clock = 0;
    latch done;
    deferred d[4];
    latch_init(&done);
    for (int i = 0; i < 4; i++) d[i] = (deferred){.task = {.run = deferred_run}, .loop = l, .clock = &clock};
    d[1].then = &d[3]; /* in the next turn, behind d[2] */
    d[3].done = &done;

    run_held(l, defer_three, d);
    assert_true(latch_wait(&done));
    assert_int_equal(atomic_load(&wakes), 1);
    loop_end(l);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(d[i].ran_at, i + 1);
        assert_true(d[i].held);
        assert_false(pthread_equal(d[i].thread, pthread_self()));
        assert_true(pthread_equal(d[i].thread, d[0].thread));
    }
    assert_int_equal(d[2].turn, d[0].turn);
    assert_int_equal(d[3].turn, d[0].turn + 1);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

typedef struct call {
    kfk_op op;
    kfk_loop *loop;
    kfk_timer timer;
    int64_t after_ms;
    const atomic_int *once; /* NULL, or: it does not finish while this is 0 */
    atomic_int *freed;
} call;

static void call_free(kfk_op *op)
{
    call *c = KFK_CONTAINER(op, call, op);
    atomic_fetch_add(c->freed, 1);
    free(c);
}

static void call_fired(kfk_timer *t)
{
    call *c = KFK_CONTAINER(t, call, timer);
    if (c->once && atomic_load(c->once) == 0) {
        kfk_loop_timer_set(c->loop, t, kfk_loop_now_ms(c->loop) + 1);
        return;
    }
    kfk_error_set(&c->op.error, KAFKA_EIO, "by timer");
    kfk_op_finish_loop(c->loop, &c->op);
}

static void call_run(kfk_task *t)
{
    call *c = KFK_CONTAINER(t, call, op.task);
    if (c->after_ms < 0) {
        kfk_error_set(&c->op.error, 0, "at once");
        kfk_op_finish_loop(c->loop, &c->op);
        return;
    }
    kfk_loop_timer_set(c->loop, &c->timer, kfk_time_add(kfk_loop_now_ms(c->loop), c->after_ms));
}

static call *call_new(kfk_loop *l, int64_t after_ms, atomic_int *freed)
{
    call *c = calloc(1, sizeof *c);
    if (!c) abort();
    kfk_op_init(&c->op, call_run, call_free);
    kfk_timer_init(&c->timer, call_fired);
    c->loop = l;
    c->after_ms = after_ms;
    c->freed = freed;
    return c;
}

static void count_parks(kfk_loop *l, void *arg)
{
    static kfk_loop_ops ops;
    (void)arg;
    real_ops = l->ops;
    ops = *l->ops;
    ops.park = counting_park;
    ops.unpark = counting_unpark;
    l->ops = &ops;
    atomic_store(&parks, 0);
    atomic_store(&unparks, 0);
}

static void an_operation_that_finishes_at_once_makes_nobody_wait(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    atomic_int freed = 0;
    loop_change(l, count_parks, NULL);
    assert_true(loop_is_quiet(l)); /* in its first turn it would run the operation itself */
    atomic_store(&parks, 0);
    atomic_store(&unparks, 0);
    call *c = call_new(l, -1, &freed);

    kfk_loop_submit(l, &c->op.task);
    assert_int_equal(kfk_op_wait(l, &c->op, KFK_TIME_NEVER), 0);
    assert_string_equal(c->op.error.text, "at once");
    assert_int_equal(atomic_load(&parks) + atomic_load(&unparks), 0);
    kfk_op_drop(&c->op);
    assert_int_equal(atomic_load(&freed), 1);
    loop_end(l);
}

static void an_operation_that_finishes_later_wakes_who_waits(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    atomic_int freed = 0;
    loop_change(l, count_parks, NULL);
    assert_true(loop_is_quiet(l)); /* its first turn may have begun before the time that follows */
    atomic_store(&parks, 0);
    atomic_store(&unparks, 0);
    call *c = call_new(l, 20, &freed);
    c->once = &parks; /* however late this thread comes to wait */

    int64_t before = kfk_time_now_ms();
    kfk_loop_submit(l, &c->op.task);
    assert_int_equal(kfk_op_wait(l, &c->op, KFK_TIME_NEVER), 0);
    assert_true(kfk_time_now_ms() >= before + 20);
    assert_int_equal(c->op.error.code, KAFKA_EIO);
    assert_string_equal(c->op.error.text, "by timer");
    assert_int_equal(kfk_op_wait(l, &c->op, 0), 0); /* once more: it has finished */
    kfk_op_drop(&c->op);
    assert_true(eventually_equal(&freed, 1));
    assert_true(atomic_load(&parks) >= 1);
    assert_int_equal(atomic_load(&unparks), 1);
    loop_end(l);
}

static void a_wait_ends_at_its_deadline_and_the_operation_can_still_finish(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    atomic_int freed = 0;
    atomic_int given_up = 0;
    call *c = call_new(l, 60, &freed);
    c->once = &given_up;

    int64_t deadline = kfk_time_now_ms() + 20;
    kfk_loop_submit(l, &c->op.task);
    assert_int_equal(kfk_op_wait(l, &c->op, deadline - 1000), KAFKA_ETIMEDOUT);
    assert_int_equal(kfk_op_wait(l, &c->op, -1), KAFKA_ETIMEDOUT);
    assert_int_equal(kfk_op_wait(l, &c->op, deadline), KAFKA_ETIMEDOUT);
    assert_true(kfk_time_now_ms() >= deadline);
    kfk_op_drop(&c->op);
    atomic_store(&given_up, 1);
    assert_true(eventually_equal(&freed, 1));
    loop_end(l);
}

/* ---- cancel tokens ----------------------------------------------------------------------------------------------- */

typedef struct guard {
    kfk_watch watch, *take_back, *watch_again;
    kfk_loop *loop;
    kfk_cancel *token;
    int err;
    atomic_int fired;
    bool on_loop;
    pthread_t loop_thread;
} guard;

static void guard_fired(kfk_watch *w)
{
    guard *g = KFK_CONTAINER(w, guard, watch);
    g->on_loop = pthread_equal(pthread_self(), g->loop_thread) && kfk_loop_held(g->loop);
    if (g->take_back) kfk_loop_unwatch(g->loop, g->take_back);
    int times = atomic_fetch_add(&g->fired, 1) + 1;
    if (g->watch_again && times < 3) g->err = kfk_loop_watch(g->loop, g->watch_again, g->token);
}

static void guard_on(kfk_loop *l, void *arg)
{
    guard *g = arg;
    g->err = kfk_loop_watch(l, &g->watch, g->token);
}

static void guard_off(kfk_loop *l, void *arg)
{
    guard *g = arg;
    kfk_loop_unwatch(l, &g->watch);
}

static void note_thread(kfk_loop *l, void *arg)
{
    (void)l;
    *(pthread_t *)arg = pthread_self();
}

static void guard_init(guard *g, kfk_loop *l, kfk_cancel *token)
{
    memset(g, 0, sizeof *g);
    kfk_watch_init(&g->watch, guard_fired);
    g->loop = l;
    g->token = token;
    run_turning(l, note_thread, &g->loop_thread);
}

static void a_token_fired_after_the_watch_began_is_told_once_by_the_loop(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    kfk_cancel *token = kfk_cancel_new();
    guard g;
    guard_init(&g, l, token);

    run_held(l, guard_on, &g);
    assert_int_equal(g.err, 0);
    assert_int_equal(atomic_load(&g.fired), 0);
    kfk_cancel_fire(token);
    assert_true(eventually_equal(&g.fired, 1));
    kfk_cancel_fire(token);
    assert_true(loop_is_quiet(l));
    assert_int_equal(atomic_load(&g.fired), 1);
    assert_true(g.on_loop);
    assert_null(g.watch.token);
    kfk_cancel_drop(token);
    loop_end(l);
}

static void a_token_that_had_fired_before_is_told_as_well(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    kfk_cancel *token = kfk_cancel_new();
    guard g;
    guard_init(&g, l, token);

    kfk_cancel_fire(token);
    for (int i = 1; i <= 3; i++) {
        run_held(l, guard_on, &g);
        assert_true(eventually_equal(&g.fired, i));
        assert_true(g.on_loop);
    }
    kfk_cancel_drop(token);
    loop_end(l);
}

static kfk_cancel *token_for_handler;

static void handler(int signal)
{
    (void)signal;
    kfk_cancel_fire(token_for_handler);
}

static void a_token_may_be_fired_by_a_signal_handler(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    token_for_handler = kfk_cancel_new();
    guard g;
    guard_init(&g, l, token_for_handler);
    struct sigaction action = {.sa_handler = handler}, before;
    sigaction(SIGUSR1, &action, &before);

    run_held(l, guard_on, &g);
    raise(SIGUSR1);
    assert_true(eventually_equal(&g.fired, 1));
    sigaction(SIGUSR1, &before, NULL);
    kfk_cancel_drop(token_for_handler);
    loop_end(l);
}

static void all_watchers_of_a_token_are_told_but_for_those_taken_back(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    kfk_cancel *token = kfk_cancel_new(), *other = kfk_cancel_new();
    guard g[4];
    for (int i = 0; i < 4; i++) guard_init(&g[i], l, i == 3 ? other : token);
    g[0].take_back = &g[1].watch; /* while g[1] is about to be told */

    for (int i = 0; i < 4; i++) run_held(l, guard_on, &g[i]);
    kfk_cancel_fire(token);
    assert_true(eventually_equal(&g[2].fired, 1));
    assert_true(loop_is_quiet(l));
    assert_int_equal(atomic_load(&g[0].fired), 1);
    assert_int_equal(atomic_load(&g[1].fired), 0);
    assert_int_equal(atomic_load(&g[3].fired), 0);
    run_held(l, guard_off, &g[1]); /* off already: left alone */
    run_held(l, guard_off, &g[3]);
    kfk_cancel_fire(other);
    assert_true(loop_is_quiet(l));
    assert_int_equal(atomic_load(&g[3].fired), 0);
    kfk_cancel_drop(token);
    kfk_cancel_drop(other);
    loop_end(l);
}

static void a_watch_may_be_renewed_while_it_is_told(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    kfk_cancel *token = kfk_cancel_new();
    guard g;
    guard_init(&g, l, token);
    g.watch_again = &g.watch;

    kfk_cancel_fire(token);
    run_held(l, guard_on, &g);
    assert_true(eventually_equal(&g.fired, 3));
    assert_true(loop_is_quiet(l));
    assert_int_equal(g.err, 0);
    assert_int_equal(atomic_load(&g.fired), 3);
    kfk_cancel_drop(token);
    loop_end(l);
}

static void watching_a_token_does_not_turn_the_loop(void **state)
{
    (void)state;
    kfk_loop *l = counting_loop();
    kfk_cancel *token = kfk_cancel_new();
    guard g;
    guard_init(&g, l, token);

    assert_true(loop_is_quiet(l));
    int before = atomic_load(&turns);
    for (int i = 0; i < 50; i++) {
        run_held(l, guard_on, &g);
        assert_true(loop_is_quiet(l));
        run_held(l, guard_off, &g);
    }
    assert_int_equal(atomic_load(&turns), before);
    kfk_cancel_drop(token);
    loop_end(l);
}

static void *fire_from_a_thread(void *arg)
{
    kfk_cancel_fire(arg);
    return NULL;
}

/* The loop's thread may have the event in hand when the watch is taken back here. */
static void a_watch_may_be_taken_back_on_any_thread_while_its_token_fires(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    for (int i = 0; i < 300; i++) {
        kfk_cancel *token = kfk_cancel_new();
        guard g;
        pthread_t thread;
        memset(&g, 0, sizeof g);
        kfk_watch_init(&g.watch, guard_fired);
        g.loop = l;
        g.token = token;
        run_held(l, guard_on, &g);
        assert_int_equal(pthread_create(&thread, NULL, fire_from_a_thread, token), 0);
        if (i % 2) pthread_join(thread, NULL);
        run_held(l, guard_off, &g);
        if (i % 2 == 0) pthread_join(thread, NULL);
        int told = atomic_load(&g.fired);
        run_turning(l, note_thread, &g.loop_thread);
        assert_int_equal(atomic_load(&g.fired), told); /* not after it was taken back */
        kfk_cancel_drop(token);
    }
    loop_end(l);
}

static void a_watch_that_cannot_be_had_leaves_nothing_behind(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    kfk_cancel *token = kfk_cancel_new();
    guard g;
    guard_init(&g, l, token);
    struct rlimit before, none;

    memcheck_fail_at(1);
    run_held(l, guard_on, &g);
    memcheck_fail_at(0);
    assert_int_equal(g.err, KAFKA_ENOMEM);
    assert_null(g.watch.token);
    kfk_cancel_drop(token);
    token = g.token = kfk_cancel_new();
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    run_held(l, guard_on, &g);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(g.err, KAFKA_EIO);
    assert_null(g.watch.token);
    run_held(l, guard_on, &g);
    assert_int_equal(g.err, 0);
    run_held(l, guard_off, &g);
    kfk_cancel_drop(token);
    loop_end(l);
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

typedef struct identity {
    pid_t tid;
    char name[32];
    unsigned long long blocked;
} identity;

static void identify(kfk_loop *l, void *arg)
{
    identity *id = arg;
    char path[64], line[256];
    (void)l;
    id->tid = (pid_t)syscall(SYS_gettid);
    snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)id->tid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "Name: %31s", id->name) == 1) continue;
        if (sscanf(line, "SigBlk: %llx", &id->blocked) == 1) continue;
    }
    if (f) fclose(f);
}

static bool thread_is_gone(void *arg)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d", (int)((identity *)arg)->tid);
    return access(path, F_OK) != 0;
}

static bool blocks(const identity *id, int signal)
{
    return (id->blocked >> (signal - 1)) & 1;
}

static void the_thread_has_a_name_and_takes_no_signals(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    identity id = {.tid = 0};
    run_turning(l, identify, &id);
    loop_end(l);
    assert_string_equal(id.name, "kafka-test");
    static const int blocked[] = {SIGTERM, SIGINT, SIGALRM, SIGPIPE, SIGCHLD, SIGUSR1, SIGPROF};
    static const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof blocked / sizeof blocked[0]; i++) assert_true(blocks(&id, blocked[i]));
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) assert_false(blocks(&id, open[i]));
    sigset_t mine;
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    assert_false(sigismember(&mine, SIGTERM));
}

static void the_thread_is_gone_when_the_last_use_was_given_up(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    identity id = {.tid = 0};
    run_turning(l, identify, &id);
    kfk_loop_use(l);
    kfk_loop_unuse(l);
    run_turning(l, identify, &id); /* still turns */
    assert_false(thread_is_gone(&id));
    kfk_loop_unuse(l);
    assert_true(eventually(thread_is_gone, &id)); /* joined; the kernel tidies up a little later */
    kfk_loop_drop(l);
}

typedef struct leaver {
    kfk_task task;
    kfk_timer timer;
    kfk_loop *loop;
    latch gone;
} leaver;

static void leaver_leave(leaver *g)
{
    kfk_loop_unuse(g->loop);
    kfk_loop_drop(g->loop);
    latch_post(&g->gone);
}

static void leave_deferred(kfk_task *t)
{
    leaver_leave(KFK_CONTAINER(t, leaver, task));
}

static void leave_timer(kfk_timer *t)
{
    leaver_leave(KFK_CONTAINER(t, leaver, timer));
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
    kfk_loop_timer_set(l, &g->timer, kfk_loop_now_ms(l) + 3);
}

static void leave_at_once(kfk_loop *l, void *arg)
{
    (void)l;
    leaver_leave(arg); /* under the baton, on a thread that must not wait for the loop's */
}

static void the_last_use_may_be_given_up_under_the_baton(void **state)
{
    (void)state;
    static void (*const ways[])(kfk_loop *, void *) = {leave_by_deferred, leave_by_timer, leave_at_once};
    for (int i = 0; i < 30; i++) {
        kfk_loop *l = loop_start();
        identity id = {.tid = 0};
        leaver g = {.loop = l};
        latch_init(&g.gone);
        run_turning(l, identify, &id);
        kfk_loop_hold(l); /* run_held's */
        run_held(l, ways[i % 3], &g);
        kfk_loop_drop(l);
        assert_true(latch_wait(&g.gone));
        assert_true(eventually(thread_is_gone, &id));
    }
}

typedef struct blocker {
    kfk_task task;
    latch began, release;
} blocker;

static void block(kfk_task *t)
{
    blocker *b = KFK_CONTAINER(t, blocker, task);
    latch_post(&b->began);
    latch_wait(&b->release);
}

static void block_the_thread(kfk_loop *l, void *arg)
{
    blocker *b = arg;
    b->task.run = block;
    kfk_loop_defer(l, &b->task);
}

static void *leave_in_callback(void *arg)
{
    leaver *g = arg;
    kfk_thread saved;
    kfk_thread_callback_begin(&saved, NULL);
    leaver_leave(g);
    kfk_thread_callback_end(&saved);
    return NULL;
}

/* Its thread may be in a callback as well, where it waits for what the one that gives the loop up holds. */
static void a_callback_that_gives_up_another_loop_does_not_wait_for_its_thread(void **state)
{
    (void)state;
    pthread_t thread;
    identity id = {.tid = 0};
    blocker b;
    leaver g = {.loop = loop_start()};
    latch_init(&g.gone);
    latch_init(&b.began);
    latch_init(&b.release);
    run_turning(g.loop, identify, &id);
    run_held(g.loop, block_the_thread, &b);
    assert_true(latch_wait(&b.began));
    assert_int_equal(pthread_create(&thread, NULL, leave_in_callback, &g), 0);
    bool left = latch_wait(&g.gone);
    latch_post(&b.release);
    pthread_join(thread, NULL);
    assert_true(left);
    assert_true(eventually(thread_is_gone, &id));
}

static void what_was_deferred_before_the_last_use_was_given_up_still_runs(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        kfk_loop *l = loop_start();
        int clock = 0;
        deferred d[4];
        for (int k = 0; k < 4; k++) d[k] = (deferred){.task = {.run = deferred_run}, .loop = l, .clock = &clock};
        d[2].then = &d[3];
        run_held(l, defer_three, d);
        loop_end(l);
        assert_int_equal(clock, 4);
    }
}

typedef struct slow_job {
    kfk_job job;
    latch begun, go_on, delivered;
    bool held;
} slow_job;

static void slow_run(kfk_job *job)
{
    slow_job *s = KFK_CONTAINER(job, slow_job, job);
    latch_post(&s->begun);
    latch_wait(&s->go_on);
}

static void slow_done(kfk_job *job)
{
    slow_job *s = KFK_CONTAINER(job, slow_job, job);
    s->held = kfk_loop_held(job->loop);
    latch_post(&s->delivered);
}

static void a_job_may_outlive_its_loops_thread(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    slow_job s = {.job = {.kind = KFK_WORK_BLOCKING, .run = slow_run, .done = slow_done}};
    latch_init(&s.begun);
    latch_init(&s.go_on);
    latch_init(&s.delivered);

    assert_int_equal(kfk_loop_work(l, &s.job), 0);
    assert_true(latch_wait(&s.begun));
    loop_end(l); /* does not wait for the job */
    assert_true(memcheck_blocks() > 0);
    latch_post(&s.go_on);
    assert_true(latch_wait(&s.delivered));
    assert_true(s.held); /* and the tear-down sees that the loop was freed */
}

static void a_loop_without_memory_or_descriptors_says_so(void **state)
{
    (void)state;
    struct rlimit before, none;
    kfk_error err = {0};
    kfk_loop *l = NULL;

    MEMCHECK_EACH_FAILURE(n)
    {
        int code = kfk_loop_new("kafka-test", &l, &err);
        assert_int_equal(code, memcheck_failed() ? KAFKA_ENOMEM : 0);
        if (code == 0) loop_end(l);
    }
    getrlimit(RLIMIT_NOFILE, &before);
    for (int more = 0; more < 2; more++) {
        /* room for none, for the epoll set alone */
        int probe = dup(0), code;
        close(probe);
        none = before;
        none.rlim_cur = (rlim_t)(probe + more);
        setrlimit(RLIMIT_NOFILE, &none);
        code = kfk_loop_new("kafka-test", &l, &err);
        setrlimit(RLIMIT_NOFILE, &before);
        assert_int_equal(code, KAFKA_EIO);
        assert_non_null(strstr(err.text, more ? "eventfd: Too many open files" : "epoll_create1: Too many open files"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(timers_fire_in_order_and_never_early),
        NET_TEST(a_timer_that_was_cleared_does_not_fire_and_one_that_was_moved_fires_once),
        NET_TEST(a_timer_that_sets_itself_for_now_does_not_keep_the_loop),
        NET_TEST(a_caller_wakes_the_loop_only_for_a_timer_before_the_published_wake_up),
        NET_TEST(requests_with_the_same_timeout_do_not_wake_the_loop_again),
        NET_TEST(a_quiet_loop_does_not_turn),
        NET_TEST(deferred_tasks_run_in_order_on_the_loops_thread),
        NET_TEST(an_operation_that_finishes_at_once_makes_nobody_wait),
        NET_TEST(an_operation_that_finishes_later_wakes_who_waits),
        NET_TEST(a_wait_ends_at_its_deadline_and_the_operation_can_still_finish),
        NET_TEST(a_token_fired_after_the_watch_began_is_told_once_by_the_loop),
        NET_TEST(a_token_that_had_fired_before_is_told_as_well),
        NET_TEST(a_token_may_be_fired_by_a_signal_handler),
        NET_TEST(all_watchers_of_a_token_are_told_but_for_those_taken_back),
        NET_TEST(a_watch_may_be_renewed_while_it_is_told),
        NET_TEST(watching_a_token_does_not_turn_the_loop),
        NET_TEST(a_watch_may_be_taken_back_on_any_thread_while_its_token_fires),
        NET_TEST(a_watch_that_cannot_be_had_leaves_nothing_behind),
        NET_TEST(the_thread_has_a_name_and_takes_no_signals),
        NET_TEST(the_thread_is_gone_when_the_last_use_was_given_up),
        NET_TEST(the_last_use_may_be_given_up_under_the_baton),
        NET_TEST(a_callback_that_gives_up_another_loop_does_not_wait_for_its_thread),
        NET_TEST(what_was_deferred_before_the_last_use_was_given_up_still_runs),
        NET_TEST(a_job_may_outlive_its_loops_thread),
        NET_TEST(a_loop_without_memory_or_descriptors_says_so),
    };
    return cmocka_run_group_tests_name("net/loop", tests, NULL, NULL);
}
