/* Many threads at one loop, with all that an operation may do: it finishes on the spot, by a timer, by a deferred task,
 * by a token that another thread fires, by a job, by whichever comes first; and whoever waits may give up meanwhile.
 * Counted: each operation is run once, in its thread's order, finishes once, and is freed once. Meant for the thread
 * sanitizer. */
#include "net_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 5, ROUNDS = 400, PIPELINE = 8, SLOTS = 16, FAR_MS = 3600000 };

typedef enum kind {
    AT_ONCE,
    BY_TIMER,
    BY_DEFERRED,
    BY_TOKEN,
    BY_TOKEN_OR_TIMER,
    BY_JOB,
    BY_TIMER_THEN_DEFERRED,
    GIVEN_UP,
    TIMER_MOVED,
    KINDS
} kind;

typedef struct submitter {
    kfk_loop *loop;
    pthread_t thread;
    unsigned number;
    int next_run;     /* under the baton */
    int out_of_order; /* under the baton */
    int wait_failures, wrong_outcomes;
} submitter;

typedef struct operation {
    kfk_op op;
    kfk_timer timer;
    kfk_watch watch;
    kfk_task deferred;
    kfk_job job;
    kfk_loop *loop;
    submitter *from;
    kfk_cancel *token;
    kind kind;
    int number, runs, finishes;
    int64_t delay_ms;
} operation;

static atomic_int made, freed, finished_twice, run_twice, unfinished, watch_failures, work_failures;
static atomic_int finished[KINDS];

static void operation_free(kfk_op *op)
{
    operation *o = KFK_CONTAINER(op, operation, op);
    if (o->finishes != 1) atomic_fetch_add(&unfinished, 1);
    kfk_cancel_drop(o->token);
    free(o);
    atomic_fetch_add(&freed, 1);
}

static void finish(operation *o, int code)
{
    if (++o->finishes > 1) {
        atomic_fetch_add(&finished_twice, 1);
        return;
    }
    kfk_loop_timer_clear(o->loop, &o->timer);
    kfk_loop_unwatch(o->loop, &o->watch);
    atomic_fetch_add(&finished[o->kind], 1);
    kfk_error_set(&o->op.error, code, "operation %d", o->number);
    kfk_op_finish_loop(o->loop, &o->op);
}

static void timer_fired(kfk_timer *t)
{
    operation *o = KFK_CONTAINER(t, operation, timer);
    if (o->kind == BY_TIMER_THEN_DEFERRED)
        kfk_loop_defer(o->loop, &o->deferred);
    else
        finish(o, 0);
}

static void deferred_ran(kfk_task *t)
{
    finish(KFK_CONTAINER(t, operation, deferred), 0);
}

static void token_fired(kfk_watch *w)
{
    finish(KFK_CONTAINER(w, operation, watch), KAFKA_ECANCELED);
}

static void job_run(kfk_job *job)
{
    operation *o = KFK_CONTAINER(job, operation, job);
    o->delay_ms++; /* something that the sanitizer can see */
}

static void job_done(kfk_job *job)
{
    finish(KFK_CONTAINER(job, operation, job), 0);
}

static void operation_run(kfk_task *t)
{
    operation *o = KFK_CONTAINER(t, operation, op.task);
    kfk_loop *l = o->loop;
    if (++o->runs > 1) atomic_fetch_add(&run_twice, 1);
    if (o->number != o->from->next_run++) o->from->out_of_order++;
    int64_t at_ms = kfk_time_add(kfk_loop_now_ms(l), o->delay_ms);
    switch (o->kind) {
    case AT_ONCE: finish(o, 0); break;
    case BY_TIMER_THEN_DEFERRED:
    case GIVEN_UP:
    case BY_TIMER: kfk_loop_timer_set(l, &o->timer, at_ms); break;
    case BY_DEFERRED: kfk_loop_defer(l, &o->deferred); break;
    case BY_TOKEN:
    case BY_TOKEN_OR_TIMER:
        kfk_loop_timer_set(l, &o->timer, o->kind == BY_TOKEN ? kfk_time_add(at_ms, FAR_MS) : at_ms);
        if (kfk_loop_watch(l, &o->watch, o->token) != 0) {
            atomic_fetch_add(&watch_failures, 1);
            finish(o, 0);
        }
        break;
    case BY_JOB:
        if (kfk_loop_work(l, &o->job) != 0) {
            atomic_fetch_add(&work_failures, 1);
            finish(o, 0);
        }
        break;
    case TIMER_MOVED:
        kfk_loop_timer_set(l, &o->timer, kfk_time_add(at_ms, FAR_MS));
        kfk_loop_timer_set(l, &o->timer, at_ms);
        break;
    case KINDS: break;
    }
}

/* ---- one thread fires the tokens of all -------------------------------------------------------------------------- */

static _Atomic(kfk_cancel *) slots[SLOTS];
static atomic_bool all_submitted;

static void have_fired(kfk_cancel *token)
{
    kfk_cancel_hold(token);
    for (unsigned i = 0;; i++) {
        kfk_cancel *none = NULL;
        if (atomic_compare_exchange_strong(&slots[i % SLOTS], &none, token)) return;
        if (i % SLOTS == SLOTS - 1) sched_yield();
    }
}

static void *firing_thread(void *arg)
{
    (void)arg;
    for (;;) {
        bool last = atomic_load(&all_submitted), any = false;
        for (int i = 0; i < SLOTS; i++) {
            kfk_cancel *token = atomic_exchange(&slots[i], NULL);
            if (!token) continue;
            any = true;
            kfk_cancel_fire(token);
            kfk_cancel_drop(token);
        }
        if (last && !any) return NULL;
        if (!any) sched_yield();
    }
}

/* ---- the submitters ---------------------------------------------------------------------------------------------- */

static operation *operation_new(submitter *s, int number, kind k, kfk_cancel *shared)
{
    operation *o = calloc(1, sizeof *o);
    if (!o) abort();
    kfk_op_init(&o->op, operation_run, operation_free);
    kfk_timer_init(&o->timer, timer_fired);
    kfk_watch_init(&o->watch, token_fired);
    o->deferred.run = deferred_ran;
    o->job = (kfk_job){.kind = number % 2 ? KFK_WORK_BLOCKING : KFK_WORK_COMPUTING, .run = job_run, .done = job_done};
    o->loop = s->loop;
    o->from = s;
    o->kind = k;
    o->number = number;
    o->delay_ms = number % 3;
    if (k == BY_TOKEN || k == BY_TOKEN_OR_TIMER) o->token = shared ? kfk_cancel_hold(shared) : kfk_cancel_new();
    atomic_fetch_add(&made, 1);
    return o;
}

static void *submitting_thread(void *arg)
{
    submitter *s = arg;
    int number = 0;
    unsigned random = s->number * 2654435761u + 1;
    for (int round = 0; round < ROUNDS; round++) {
        operation *all[PIPELINE];
        kfk_cancel *shared = kfk_cancel_new(); /* some operations of a round have a token in common */
        for (int i = 0; i < PIPELINE; i++) {
            random = random * 1664525u + 1013904223u;
            kind k = (kind)(random >> 16) % KINDS;
            operation *o = all[i] = operation_new(s, number++, k, random & 0x1000 ? shared : NULL);
            if (o->token && random & 0x2000) have_fired(o->token); /* before, */
            kfk_loop_submit(s->loop, &o->op.task);
            if (o->token && !(random & 0x2000)) have_fired(o->token); /* or after it is watched */
        }
        kfk_cancel_drop(shared);
        for (int i = 0; i < PIPELINE; i++) {
            operation *o = all[i];
            if (o->kind == GIVEN_UP) {
                (void)kfk_op_wait(s->loop, &o->op, kfk_time_now_ms());
            } else if (kfk_op_wait(s->loop, &o->op, kfk_time_now_ms() + PATIENCE_MS) != 0) {
                s->wait_failures++;
            } else if (o->op.error.code != 0 && o->kind != BY_TOKEN && o->kind != BY_TOKEN_OR_TIMER) {
                s->wrong_outcomes++;
            } else if (o->op.error.code != KAFKA_ECANCELED && o->kind == BY_TOKEN) {
                s->wrong_outcomes++;
            }
            kfk_op_drop(&o->op);
        }
    }
    return NULL;
}

static void each_operation_runs_and_finishes_once_whatever_it_waits_for(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static submitter s[THREADS];
    pthread_t firing;

    assert_int_equal(pthread_create(&firing, NULL, firing_thread, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        s[i] = (submitter){.loop = l, .number = i};
        assert_int_equal(pthread_create(&s[i].thread, NULL, submitting_thread, &s[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(s[i].thread, NULL);
    atomic_store(&all_submitted, true);
    pthread_join(firing, NULL);
    assert_int_equal(atomic_load(&made), THREADS * ROUNDS * PIPELINE);
    assert_true(eventually_equal(&freed, THREADS * ROUNDS * PIPELINE)); /* those given up finish later */
    assert_true(loop_is_quiet(l));
    loop_end(l);

    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(s[i].next_run, ROUNDS * PIPELINE);
        assert_int_equal(s[i].out_of_order, 0);
        assert_int_equal(s[i].wait_failures, 0);
        assert_int_equal(s[i].wrong_outcomes, 0);
    }
    assert_int_equal(atomic_load(&run_twice), 0);
    assert_int_equal(atomic_load(&finished_twice), 0);
    assert_int_equal(atomic_load(&unfinished), 0);
    assert_int_equal(atomic_load(&watch_failures), 0);
    assert_int_equal(atomic_load(&work_failures), 0);
    for (int i = 0; i < KINDS; i++) assert_true(atomic_load(&finished[i]) > 0);
}

/* ---- loops that come and go -------------------------------------------------------------------------------------- */

typedef struct visitor {
    pthread_t thread;
    int failures;
} visitor;

static void *visiting_thread(void *arg)
{
    visitor *v = arg;
    for (int i = 0; i < 60; i++) {
        kfk_loop *l = NULL;
        kfk_error err = {0};
        if (kfk_loop_new("kafka-test", &l, &err) != 0) {
            v->failures++;
            continue;
        }
        submitter s = {.loop = l};
        operation *o = operation_new(&s, 0, i % 2 ? BY_DEFERRED : BY_JOB, NULL);
        kfk_loop_submit(l, &o->op.task);
        if (kfk_op_wait(l, &o->op, kfk_time_now_ms() + PATIENCE_MS) != 0) v->failures++;
        kfk_op_drop(&o->op);
        loop_end(l);
    }
    return NULL;
}

static void loops_come_and_go_beside_each_other(void **state)
{
    (void)state;
    visitor v[3] = {{.failures = 0}};
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&v[i].thread, NULL, visiting_thread, &v[i]), 0);
    for (int i = 0; i < 3; i++) pthread_join(v[i].thread, NULL);
    for (int i = 0; i < 3; i++) assert_int_equal(v[i].failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(each_operation_runs_and_finishes_once_whatever_it_waits_for),
        NET_TEST(loops_come_and_go_beside_each_other),
    };
    return cmocka_run_group_tests_name("net/baton stress", tests, NULL, NULL);
}
