/* The simulation itself: its clock, its scheduler, and what net/loop.h promises, here in virtual time. */
#include "base/cancel.h"
#include "base/lock.h"
#include "base/thread.h"
#include "base/time.h"
#include "kafka/types.h"
#include "sim/loop_sim.h"
#include "sim/runner.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- time and timers --------------------------------------------------------------------------------------------- */

SCENARIO(sleeping_moves_the_clock_by_exactly_that_much)
{
    int64_t before = sim_now_us(s), library = kafka_now_ms();
    sim_sleep_ms(s, 250);
    sim_check_equal(s, sim_now_us(s) - before, 250000);
    sim_check_equal(s, kafka_now_ms() - library, 250);
    sim_check_equal(s, kafka_now_ms(), sim_now_ms(s));
}

typedef struct alarm_timer {
    kfk_timer timer;
    sim *sim;
    int64_t at_ms, fired_ms;
    int fired, order, *next_order;
    bool done;
} alarm_timer;

static void alarm_fires(kfk_timer *t)
{
    alarm_timer *a = KFK_CONTAINER(t, alarm_timer, timer);
    a->fired++;
    a->fired_ms = kfk_loop_now_ms(sim_loop(a->sim));
    if (a->next_order) a->order = (*a->next_order)++;
    a->done = true;
}

static void alarm_set(void *arg)
{
    alarm_timer *a = arg;
    kfk_timer_init(&a->timer, alarm_fires);
    kfk_loop_timer_set(sim_loop(a->sim), &a->timer, a->at_ms);
}

static void meet(sim *s, void *arg)
{
    int64_t *met_us = arg;
    sim_sleep_us(s, 1 + (int64_t)sim_below(s, 900));
    sim_meet_us(s, 1000);
    *met_us = sim_now_us(s);
}

SCENARIO(who_meets_is_there_at_the_same_moment)
{
    int64_t met_us[2] = {0};
    sim_meet_us(s, 1000);
    for (int i = 0; i < 2; i++) sim_spawn(s, "meets", meet, &met_us[i]);
    sim_sleep_ms(s, 2);
    sim_check(s, met_us[0] > 0 && met_us[0] % 1000 == 0);
    sim_check_equal(s, met_us[0], met_us[1]);
}

SCENARIO(timers_fire_at_their_millisecond_in_the_order_of_time_and_of_setting)
{
    static const int64_t after_ms[] = {30, 10, 20, 10, 0, 10};
    static const int expected[] = {5, 1, 4, 2, 0, 3};
    alarm_timer a[6];
    int order = 0;
    int64_t now = sim_now_ms(s);
    for (size_t i = 0; i < 6; i++) {
        a[i] = (alarm_timer){.sim = s, .at_ms = now + after_ms[i], .next_order = &order};
        sim_under_baton(s, alarm_set, &a[i]);
    }
    for (size_t i = 0; i < 6; i++) sim_wait_for(s, &a[i].done);
    for (size_t i = 0; i < 6; i++) {
        sim_check_equal(s, a[i].fired_ms, a[i].at_ms);
        sim_check_equal(s, a[i].fired, 1);
        sim_check_equal(s, a[i].order, expected[i]);
    }
}

static void alarm_clear(void *arg)
{
    alarm_timer *a = arg;
    kfk_loop_timer_clear(sim_loop(a->sim), &a->timer);
}

SCENARIO(a_timer_that_was_cleared_does_not_fire_and_one_that_was_moved_fires_once)
{
    alarm_timer gone = {.sim = s, .at_ms = sim_now_ms(s) + 10}, moved = gone;
    sim_under_baton(s, alarm_set, &gone);
    sim_under_baton(s, alarm_set, &moved);
    sim_under_baton(s, alarm_clear, &gone);
    sim_sleep_ms(s, 5);
    sim_under_baton(s, alarm_clear, &moved);
    moved.at_ms += 10;
    sim_under_baton(s, alarm_set, &moved);
    sim_sleep_ms(s, 100);
    sim_check_equal(s, gone.fired, 0);
    sim_check_equal(s, moved.fired, 1);
    sim_check_equal(s, moved.fired_ms, moved.at_ms);
}

SCENARIO_WITH(equal_timeouts_one_after_another_do_not_wake_the_loop, .config.calm = true, .seeds = 1)
{
    alarm_timer a = {.sim = s};
    uint64_t wakes = 0;
    for (int i = 0; i < 10; i++) {
        a.at_ms = sim_now_ms(s) + 1000;
        sim_under_baton(s, alarm_set, &a);
        if (i == 0) wakes = sim_wakes(s);
        sim_sleep_ms(s, 7);
        sim_under_baton(s, alarm_clear, &a);
    }
    sim_check_equal(s, sim_wakes(s), wakes);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

typedef struct slow_op {
    kfk_op op;
    kfk_timer timer;
    sim *sim;
    int64_t after_ms;
    bool freed;
} slow_op;

static void slow_op_over(kfk_timer *t)
{
    slow_op *o = KFK_CONTAINER(t, slow_op, timer);
    kfk_error_set(&o->op.error, 0, "%s", "");
    kfk_op_finish_loop(sim_loop(o->sim), &o->op);
}

static void slow_op_run(kfk_task *t)
{
    slow_op *o = KFK_CONTAINER(t, slow_op, op.task);
    kfk_timer_init(&o->timer, slow_op_over);
    kfk_loop_timer_set(sim_loop(o->sim), &o->timer, kfk_loop_now_ms(sim_loop(o->sim)) + o->after_ms);
}

static void slow_op_freed(kfk_op *op)
{
    KFK_CONTAINER(op, slow_op, op)->freed = true;
}

static void slow_op_submit(slow_op *o, sim *s, int64_t after_ms)
{
    o->sim = s;
    o->after_ms = after_ms;
    o->freed = false;
    kfk_op_init(&o->op, slow_op_run, slow_op_freed);
    kfk_loop_submit(sim_loop(s), &o->op.task);
}

SCENARIO(a_blocking_call_returns_when_its_operation_is_finished)
{
    slow_op o;
    int64_t before = sim_now_ms(s);
    slow_op_submit(&o, s, 40);
    sim_check_equal(s, kfk_op_wait(sim_loop(s), &o.op, KFK_TIME_NEVER), 0);
    sim_check_equal(s, sim_now_ms(s) - before, 40);
    kfk_op_drop(&o.op);
    sim_wait_for(s, &o.freed);
}

SCENARIO(a_wait_that_meets_its_deadline_leaves_the_operation_to_be_finished)
{
    slow_op o;
    int64_t before = sim_now_ms(s);
    slow_op_submit(&o, s, 40);
    sim_check_equal(s, kfk_op_wait(sim_loop(s), &o.op, before + 15), KAFKA_ETIMEDOUT);
    sim_check_equal(s, sim_now_ms(s) - before, 15);
    kfk_op_drop(&o.op);
    sim_check(s, !o.freed);
    sim_wait_for(s, &o.freed);
    sim_check_equal(s, sim_now_ms(s) - before, 40);
}

/* ---- the baton and the mailbox ----------------------------------------------------------------------------------- */

enum { SUBMITTERS = 4, SUBMISSIONS = 20 };

typedef struct submitter {
    struct numbered {
        kfk_task task;
        struct submitter *by;
        int number;
    } tasks[SUBMISSIONS];
    int ran;
    bool in_order, all;
} submitter;

static void numbered_runs(kfk_task *t)
{
    struct numbered *n = KFK_CONTAINER(t, struct numbered, task);
    if (n->number != n->by->ran++) n->by->in_order = false;
    n->by->all = n->by->ran == SUBMISSIONS;
}

static void submit_all(sim *s, void *arg)
{
    submitter *me = arg;
    for (int i = 0; i < SUBMISSIONS; i++) {
        me->tasks[i] = (struct numbered){.task.run = numbered_runs, .by = me, .number = i};
        kfk_loop_submit(sim_loop(s), &me->tasks[i].task);
        if (me->ran <= i) sim_sometimes(s, "a task went through the mailbox");
        if (i % 5 == 0) sim_sleep_us(s, 100);
    }
    sim_wait_for(s, &me->all);
    sim_check(s, me->in_order);
}

static const char *const mailbox_used[] = {"a task went through the mailbox", NULL};

SCENARIO_WITH(every_task_runs_once_in_its_threads_order_whether_or_not_the_baton_is_free, .sometimes = mailbox_used)
{
    static submitter all[SUBMITTERS];
    for (int i = 0; i < SUBMITTERS; i++) {
        all[i] = (submitter){.in_order = true};
        sim_spawn(s, "submitter", submit_all, &all[i]);
    }
    for (int i = 0; i < SUBMITTERS; i++) sim_wait_for(s, &all[i].all);
}

/* A timer that fires again and again, so that the loop has reasons to turn. */
typedef struct alarm_clock {
    sim *sim;
    kfk_timer timer;
    int left;
    bool over;
} alarm_clock;

static void clock_ticks(kfk_timer *t)
{
    alarm_clock *a = KFK_CONTAINER(t, alarm_clock, timer);
    a->over = --a->left == 0;
    if (!a->over) kfk_loop_timer_set(sim_loop(a->sim), t, kfk_loop_now_ms(sim_loop(a->sim)));
}

static void clock_begins(void *arg)
{
    alarm_clock *a = arg;
    a->left = 30;
    kfk_loop_timer_set(sim_loop(a->sim), &a->timer, kfk_loop_now_ms(sim_loop(a->sim)));
}

/* The points at which others may come in between: what the model of the baton (tests/models) interleaves. */
static const char *const interrupted[] = {"a fiber found the baton taken by another", "the loop waits for the baton",
                                          "the loop is interrupted", NULL};

static void look_into_trace(sim *s, const char *what)
{
    if (strstr(sim_trace_text(s), what)) sim_sometimes(s, what);
}

SCENARIO_WITH(callers_and_the_loop_are_interrupted_around_the_baton, .sometimes = interrupted)
{
    static submitter all[SUBMITTERS];
    static alarm_clock ticking;
    ticking = (alarm_clock){.sim = s};
    kfk_timer_init(&ticking.timer, clock_ticks);
    sim_under_baton(s, clock_begins, &ticking);
    for (int i = 0; i < SUBMITTERS; i++) {
        all[i] = (submitter){.in_order = true};
        sim_spawn(s, "submitter", submit_all, &all[i]);
    }
    for (int i = 0; i < SUBMITTERS; i++) sim_wait_for(s, &all[i].all);
    if (sim_contended(s)) sim_sometimes(s, interrupted[0]);
    for (int i = 1; interrupted[i]; i++) look_into_trace(s, interrupted[i]);
    sim_wait_for(s, &ticking.over);
}

/* ---- the locks beside the baton ---------------------------------------------------------------------------------- */

enum { LOCKERS = 3, LOCKINGS = 20 };

/* One at a time is inside, and others come in between where one wants the lock, and where one has given it back. */
typedef struct shared_count {
    kfk_lock lock;
    sim *sim;
    int inside, all, left;
    bool over;
} shared_count;

static const char *const came_between[] = {"another came in front", "another came behind", NULL};

static void count_once(sim *s, shared_count *c)
{
    int wanted_at = c->all;
    kfk_lock_take(&c->lock);
    sim_check_equal(s, ++c->inside, 1);
    if (c->all != wanted_at) sim_sometimes(s, came_between[0]);
    int mine = ++c->all;
    c->inside--;
    kfk_lock_give(&c->lock);
    if (c->all != mine) sim_sometimes(s, came_between[1]);
}

static void count_many(sim *s, void *arg)
{
    shared_count *c = arg;
    for (int i = 0; i < LOCKINGS; i++) count_once(s, c);
    c->over = --c->left == 0;
}

static void count_under_baton(void *arg)
{
    shared_count *c = arg;
    count_once(c->sim, c);
}

SCENARIO_WITH(who_wants_a_lock_may_be_interrupted_and_who_holds_one_is_not, .sometimes = came_between)
{
    shared_count c = {.sim = s, .left = LOCKERS};
    kfk_lock_init(&c.lock);
    for (int i = 0; i < LOCKERS; i++) sim_spawn(s, "locker", count_many, &c);
    for (int i = 0; i < LOCKINGS; i++) sim_under_baton(s, count_under_baton, &c);
    sim_wait_for(s, &c.over);
    sim_check_equal(s, c.all, (LOCKERS + 1) * LOCKINGS);
    kfk_lock_fini(&c.lock);
}

static void wait_with_a_lock(sim *s, void *arg)
{
    kfk_lock_take(arg);
    sim_sleep_ms(s, 1);
}

static void never_run(kfk_task *t)
{
    (void)t;
    abort();
}

static void submit_with_a_lock(sim *s, void *arg)
{
    static kfk_task empty = {.run = never_run};
    kfk_lock_take(arg);
    kfk_loop_submit(sim_loop(s), &empty);
}

/* What a run of this fiber says as it ends its process. */
static const char *last_words_of(void (*run)(sim *, void *))
{
    static char text[16 * 1024];
    int pipes[2], status;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        kfk_lock lock;
        signal(SIGABRT, SIG_DFL);
        kfk_lock_init(&lock);
        dup2(pipes[1], STDERR_FILENO);
        sim *s = sim_new(1, NULL);
        sim_spawn(s, "wretch", run, &lock);
        sim_run(s);
        _exit(0);
    }
    close(pipes[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(pipes[0], text + len, sizeof text - 1 - len)) > 0;) len += (size_t)n;
    text[len] = '\0';
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return text;
}

static void a_run_ends_where_the_lock_order_is_broken(void **state)
{
    (void)state;
    assert_non_null(strstr(last_words_of(wait_with_a_lock), "something waits while it holds a lock"));
    assert_non_null(strstr(last_words_of(submit_with_a_lock), "something takes the baton while it holds a lock"));
}

typedef struct deferral {
    kfk_task task;
    sim *sim;
    bool ran;
} deferral;

static void deferral_runs(kfk_task *t)
{
    KFK_CONTAINER(t, deferral, task)->ran = true;
}

static void defer_it(void *arg)
{
    deferral *d = arg;
    d->task.run = deferral_runs;
    kfk_loop_defer(sim_loop(d->sim), &d->task);
}

SCENARIO(what_a_caller_defers_wakes_the_loop_and_runs_at_once)
{
    deferral d = {.sim = s};
    sim_sleep_ms(s, 10);
    int64_t before = sim_now_us(s);
    sim_under_baton(s, defer_it, &d);
    sim_wait_for(s, &d.ran);
    sim_check_equal(s, sim_now_us(s), before);
}

/* ---- cancel tokens ----------------------------------------------------------------------------------------------- */

typedef struct watching {
    kfk_watch watch;
    kfk_cancel *token;
    sim *sim;
    int fired, error;
    int64_t at_us;
    bool done;
} watching;

static void watch_fires(kfk_watch *w)
{
    watching *x = KFK_CONTAINER(w, watching, watch);
    x->fired++;
    x->at_us = sim_now_us(x->sim);
    x->done = true;
}

static void watch_on(void *arg)
{
    watching *x = arg;
    kfk_watch_init(&x->watch, watch_fires);
    x->error = kfk_loop_watch(sim_loop(x->sim), &x->watch, x->token);
}

static void watch_off(void *arg)
{
    watching *x = arg;
    kfk_loop_unwatch(sim_loop(x->sim), &x->watch);
}

static void fire_later(sim *s, void *arg)
{
    sim_sleep_ms(s, 33);
    kfk_cancel_fire(arg);
}

SCENARIO(a_token_that_fires_is_told_to_all_who_still_watch_it)
{
    kfk_cancel *token = kfk_cancel_new();
    watching a = {.token = token, .sim = s}, b = a, c = a;
    int64_t before = sim_now_us(s);
    sim_under_baton(s, watch_on, &a);
    sim_under_baton(s, watch_on, &b);
    sim_under_baton(s, watch_on, &c);
    sim_under_baton(s, watch_off, &b);
    sim_spawn(s, "firing", fire_later, token);
    sim_wait_for(s, &a.done);
    sim_wait_for(s, &c.done);
    sim_check_equal(s, a.fired + c.fired, 2);
    sim_check_equal(s, b.fired, 0);
    sim_check_equal(s, a.at_us - before, 33000);
    kfk_cancel_drop(token);
}

SCENARIO(a_token_that_has_fired_already_is_told_as_well)
{
    kfk_cancel *token = kfk_cancel_new();
    watching a = {.token = token, .sim = s};
    kfk_cancel_fire(token);
    sim_under_baton(s, watch_on, &a);
    sim_wait_for(s, &a.done);
    sim_check_equal(s, a.fired, 1);
    kfk_cancel_drop(token);
}

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

typedef struct work {
    kfk_job job;
    sim *sim;
    bool ran, done, held_while_running, held_at_the_end;
} work;

static void work_run(kfk_job *j)
{
    work *w = KFK_CONTAINER(j, work, job);
    w->ran = true;
    w->held_while_running = kfk_loop_held(sim_loop(w->sim));
}

static void work_done(kfk_job *j)
{
    work *w = KFK_CONTAINER(j, work, job);
    w->held_at_the_end = kfk_loop_held(sim_loop(w->sim));
    w->done = true;
}

SCENARIO(a_job_runs_without_the_baton_and_is_handed_back_under_it)
{
    work w[3];
    for (int i = 0; i < 3; i++) {
        w[i] = (work){.job = {.kind = KFK_WORK_COMPUTING, .run = work_run, .done = work_done}, .sim = s};
        sim_check_equal(s, kfk_loop_work(sim_loop(s), &w[i].job), 0);
    }
    for (int i = 0; i < 3; i++) {
        sim_wait_for(s, &w[i].done);
        sim_check(s, w[i].ran && !w[i].held_while_running && w[i].held_at_the_end);
    }
    sim_refuse_work(s, true);
    sim_check_equal(s, kfk_loop_work(sim_loop(s), &w[0].job), KAFKA_EAGAIN);
}

/* ---- what belongs to a thread ------------------------------------------------------------------------------------ */

static void fail_as_another(sim *s, void *arg)
{
    kfk_thread_failf(KAFKA_EIO, "the other's");
    sim_sleep_ms(s, 1);
    sim_check_text(s, kafka_last_error(), "the other's");
    *(bool *)arg = true;
}

SCENARIO(each_fiber_has_a_last_error_of_its_own)
{
    bool over = false;
    sim_spawn(s, "other", fail_as_another, &over);
    kfk_thread_failf(KAFKA_EINVAL, "mine");
    sim_wait_for(s, &over);
    sim_check_text(s, kafka_last_error(), "mine");
}

/* ---- the runs themselves ----------------------------------------------------------------------------------------- */

static void some_life(sim *s, void *arg)
{
    (void)arg;
    alarm_timer a = {.sim = s, .at_ms = sim_now_ms(s) + 5};
    static submitter x;
    x = (submitter){.in_order = true};
    sim_spawn(s, "submitter", submit_all, &x);
    sim_under_baton(s, alarm_set, &a);
    sim_wait_for(s, &a.done);
    sim_wait_for(s, &x.all);
}

static void the_same_seed_gives_the_same_trace_and_another_seed_another(void **state)
{
    (void)state;
    const scenario sc = {.name = "some_life", .run = some_life};
    uint64_t first, again, different;
    assert_true(runner_seed(&sc, 1, &first));
    assert_true(runner_seed(&sc, 1, &again));
    assert_true(runner_seed(&sc, 2, &different));
    assert_true(first == again);
    assert_true(first != different);
}

/* Runs one fiber, which is to fail, and tells why the run failed. */
static const char *failure_of(void (*run)(sim *, void *), const sim_config *cfg)
{
    static char text[1024];
    sim *s = sim_new(1, cfg);
    sim_spawn(s, "wretch", run, NULL);
    assert_false(sim_run(s));
    snprintf(text, sizeof text, "%s", sim_failure(s));
    sim_free(s);
    return text;
}

static void wait_for_nothing(sim *s, void *arg)
{
    static const bool never = false;
    (void)arg;
    sim_sleep_ms(s, 7);
    sim_wait_for(s, &never);
}

static void tick(sim *s, void *arg)
{
    (void)arg;
    for (;;) sim_sleep_ms(s, 10);
}

static void check_what_is_wrong(sim *s, void *arg)
{
    (void)arg;
    sim_check(s, sim_now_ms(s) < 0);
    sim_check(s, 1 > 2);
}

static void set_an_alarm(sim *s, void *arg)
{
    static alarm_timer a;
    (void)arg;
    a = (alarm_timer){.sim = s, .at_ms = sim_now_ms(s) + 1000000};
    sim_under_baton(s, alarm_set, &a);
}

static void use_the_loop(sim *s, void *arg)
{
    (void)arg;
    kfk_loop_use(sim_loop(s));
}

static void a_run_fails_when_no_task_can_ever_go_on(void **state)
{
    (void)state;
    assert_non_null(
        strstr(failure_of(wait_for_nothing, NULL), "nothing can go on: wretch waits for a flag since 7 ms"));
}

static void a_run_fails_when_it_takes_too_long(void **state)
{
    (void)state;
    assert_non_null(strstr(failure_of(tick, &(sim_config){.budget_ms = 1000}), "too much virtual time: wretch sleeps"));
    assert_non_null(strstr(failure_of(tick, &(sim_config){.steps = 1000}), "too many steps: wretch"));
}

static void a_run_fails_with_its_first_failed_check(void **state)
{
    (void)state;
    const char *why = failure_of(check_what_is_wrong, NULL);
    assert_non_null(strstr(why, "loop_sim_test.c:"));
    assert_non_null(strstr(why, "sim_now_ms(s) < 0"));
}

/* Fails when faults 2 and 5 happen, and in another way when 1 happens alone. */
static void suffer_faults(sim *s, void *arg)
{
    bool happens[8];
    (void)arg;
    for (int i = 0; i < 8; i++) happens[i] = sim_fault(s, "fault of size %d", (int)sim_plan_below(s, 100));
    if (happens[2] && happens[5])
        sim_fail(s, "both");
    else if (happens[1])
        sim_fail(s, "another failure");
}

static void a_failing_seed_is_shrunk_to_the_faults_it_needs(void **state)
{
    (void)state;
    const scenario sc = {.name = "suffer_faults", .run = suffer_faults};
    sim *s = sim_new(1, NULL);
    sim_spawn(s, "main", suffer_faults, NULL);
    assert_false(sim_run(s));
    assert_int_equal(sim_faults(s), 8);
    char failure[256];
    snprintf(failure, sizeof failure, "%s", sim_failure(s));
    char *around = sim_trace_around_failure(s, 2, 1);
    assert_non_null(strstr(around, "FAULT 7"));
    assert_null(strstr(around, "FAULT 5"));
    free(around);
    sim_free(s);
    assert_int_equal(runner_shrink(&sc, 1, 0, 8, failure), 0xff & ~(1 << 2 | 1 << 5));
}

/* One line tells of several anomalies, as the journal's does: with faults 0 and 1 of one, with fault 1 alone of
 * another. */
static void suffer_anomalies(sim *s, void *arg)
{
    (void)arg;
    bool first = sim_fault(s, "first"), second = sim_fault(s, "second");
    if (second) sim_fail(s, "%s: record %d", first ? "lost-write" : "duplicate", 7);
}

static void a_seed_is_not_shrunk_to_another_anomaly(void **state)
{
    (void)state;
    const scenario sc = {.name = "suffer_anomalies", .run = suffer_anomalies};
    sim *s = sim_new(1, NULL);
    sim_spawn(s, "main", suffer_anomalies, NULL);
    assert_false(sim_run(s));
    char failure[256];
    snprintf(failure, sizeof failure, "%s", sim_failure(s));
    sim_free(s);
    assert_int_equal(runner_shrink(&sc, 1, 0, 2, failure), 0);
}

static void a_run_fails_when_something_is_left_over(void **state)
{
    (void)state;
    assert_non_null(strstr(failure_of(set_an_alarm, NULL), "left over at the end: 1 timers"));
    assert_non_null(strstr(failure_of(use_the_loop, NULL), "1 uses of the loop are left"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(sleeping_moves_the_clock_by_exactly_that_much),
        MEMCHECK_TEST(who_meets_is_there_at_the_same_moment),
        MEMCHECK_TEST(timers_fire_at_their_millisecond_in_the_order_of_time_and_of_setting),
        MEMCHECK_TEST(a_timer_that_was_cleared_does_not_fire_and_one_that_was_moved_fires_once),
        MEMCHECK_TEST(equal_timeouts_one_after_another_do_not_wake_the_loop),
        MEMCHECK_TEST(a_blocking_call_returns_when_its_operation_is_finished),
        MEMCHECK_TEST(a_wait_that_meets_its_deadline_leaves_the_operation_to_be_finished),
        MEMCHECK_TEST(callers_and_the_loop_are_interrupted_around_the_baton),
        MEMCHECK_TEST(who_wants_a_lock_may_be_interrupted_and_who_holds_one_is_not),
        MEMCHECK_TEST(a_run_ends_where_the_lock_order_is_broken),
        MEMCHECK_TEST(every_task_runs_once_in_its_threads_order_whether_or_not_the_baton_is_free),
        MEMCHECK_TEST(what_a_caller_defers_wakes_the_loop_and_runs_at_once),
        MEMCHECK_TEST(a_token_that_fires_is_told_to_all_who_still_watch_it),
        MEMCHECK_TEST(a_token_that_has_fired_already_is_told_as_well),
        MEMCHECK_TEST(a_job_runs_without_the_baton_and_is_handed_back_under_it),
        MEMCHECK_TEST(each_fiber_has_a_last_error_of_its_own),
        MEMCHECK_TEST(the_same_seed_gives_the_same_trace_and_another_seed_another),
        MEMCHECK_TEST(a_run_fails_when_no_task_can_ever_go_on),
        MEMCHECK_TEST(a_run_fails_when_it_takes_too_long),
        MEMCHECK_TEST(a_run_fails_with_its_first_failed_check),
        MEMCHECK_TEST(a_failing_seed_is_shrunk_to_the_faults_it_needs),
        MEMCHECK_TEST(a_seed_is_not_shrunk_to_another_anomaly),
        MEMCHECK_TEST(a_run_fails_when_something_is_left_over),
    };
    return RUNNER_MAIN(tests);
}
