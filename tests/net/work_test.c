#include "net_test.h"

#include "net/work.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKING = 16, COMPUTING = 2, QUEUED = 5 };

/* ---- a system without threads (the program is linked with --wrap=pthread_create) --------------------------------- */

static atomic_bool no_threads;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    return atomic_load(&no_threads) ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

/* A job that waits until it is let go. */
typedef struct waiting_job {
    kfk_job job;
    latch *go;
    atomic_int *begun, *delivered, *running, *most_running;
    bool ran_held, done_held;
    pthread_t thread;
} waiting_job;

static void note_most(atomic_int *most, int now)
{
    int seen = atomic_load(most);
    while (now > seen && !atomic_compare_exchange_weak(most, &seen, now)) continue;
}

static void waiting_run(kfk_job *job)
{
    waiting_job *w = KFK_CONTAINER(job, waiting_job, job);
    w->ran_held = kfk_loop_held(job->loop);
    w->thread = pthread_self();
    note_most(w->most_running, atomic_fetch_add(w->running, 1) + 1);
    atomic_fetch_add(w->begun, 1);
    latch_wait(w->go);
    atomic_fetch_sub(w->running, 1);
}

static void waiting_done(kfk_job *job)
{
    waiting_job *w = KFK_CONTAINER(job, waiting_job, job);
    w->done_held = kfk_loop_held(job->loop);
    atomic_fetch_add(w->delivered, 1);
}

typedef struct crowd {
    waiting_job jobs[BLOCKING + QUEUED];
    latch go;
    atomic_int begun, delivered, running, most_running;
} crowd;

static void crowd_init(crowd *c, kfk_work_kind kind, int count)
{
    memset(c, 0, sizeof *c);
    latch_init(&c->go);
    for (int i = 0; i < count; i++) {
        c->jobs[i] = (waiting_job){.job = {.kind = kind, .run = waiting_run, .done = waiting_done},
                                   .go = &c->go,
                                   .begun = &c->begun,
                                   .delivered = &c->delivered,
                                   .running = &c->running,
                                   .most_running = &c->most_running};
    }
}

static void crowd_start(crowd *c, kfk_loop *l, kfk_work_kind kind, int count)
{
    crowd_init(c, kind, count);
    for (int i = 0; i < count; i++) assert_int_equal(kfk_loop_work(l, &c->jobs[i].job), 0);
}

static void crowd_go(crowd *c, int count)
{
    for (int i = 0; i < count; i++) latch_post(&c->go);
}

/* Waits until there are no more threads of this name: one that ends for want of work is seen a little longer. */
static bool threads_come_down_to(const char *name, int most)
{
    for (int64_t until = kfk_time_now_ms() + PATIENCE_MS; kfk_time_now_ms() < until;) {
        if (threads_named(name) <= most) return true;
        sched_yield();
    }
    return false;
}

/* The first test of the program: no helper thread runs yet. */
static void without_threads_jobs_and_loops_are_refused(void **state)
{
    (void)state;
    kfk_loop *l = loop_start(), *other;
    kfk_error err = {0};
    static crowd c;

    crowd_init(&c, KFK_WORK_BLOCKING, 2);
    atomic_store(&no_threads, true);
    assert_int_equal(kfk_loop_work(l, &c.jobs[0].job), KAFKA_EAGAIN);
    assert_int_equal(kfk_loop_new("kafka-test", &other, &err), KAFKA_EIO);
    assert_string_equal(err.text, "starting the I/O thread: pthread_create: Resource temporarily unavailable");
    atomic_store(&no_threads, false);
    assert_int_equal(kfk_loop_work(l, &c.jobs[0].job), 0);
    assert_true(eventually_equal(&c.begun, 1));
    atomic_store(&no_threads, true);
    assert_int_equal(kfk_loop_work(l, &c.jobs[1].job), 0); /* the one thread there is will get to it */
    crowd_go(&c, 2);
    assert_true(eventually_equal(&c.delivered, 2));
    atomic_store(&no_threads, false);
    loop_end(l);
}

static void a_job_runs_without_the_baton_and_is_delivered_under_it(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static crowd c;

    crowd_start(&c, l, KFK_WORK_COMPUTING, 1);
    crowd_go(&c, 1);
    assert_true(eventually_equal(&c.delivered, 1));
    loop_end(l);
    assert_false(c.jobs[0].ran_held);
    assert_true(c.jobs[0].done_held);
    assert_false(pthread_equal(c.jobs[0].thread, pthread_self()));
}

static void sixteen_jobs_block_at_once_and_the_rest_queue(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static crowd c;

    crowd_start(&c, l, KFK_WORK_BLOCKING, BLOCKING + QUEUED);
    assert_true(eventually_equal(&c.begun, BLOCKING));
    assert_true(threads_come_down_to("kafka-block", BLOCKING));
    assert_true(threads_named("kafka-block") >= BLOCKING); /* they are in their jobs */
    crowd_go(&c, 1);                                       /* one gets through, and its thread takes the next */
    assert_true(eventually_equal(&c.begun, BLOCKING + 1));
    crowd_go(&c, BLOCKING + QUEUED - 1);
    assert_true(eventually_equal(&c.delivered, BLOCKING + QUEUED));
    assert_int_equal(atomic_load(&c.most_running), BLOCKING);
    loop_end(l);
}

static void a_job_that_no_thread_has_begun_can_be_taken_back(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static crowd c;

    crowd_start(&c, l, KFK_WORK_COMPUTING, COMPUTING + 3);
    assert_true(eventually_equal(&c.begun, COMPUTING));
    assert_false(kfk_loop_unwork(l, &c.jobs[0].job));
    assert_true(kfk_loop_unwork(l, &c.jobs[COMPUTING + 1].job)); /* from the middle of the queue, */
    assert_false(kfk_loop_unwork(l, &c.jobs[COMPUTING + 1].job));
    assert_true(kfk_loop_unwork(l, &c.jobs[COMPUTING + 2].job));       /* from its end, */
    assert_int_equal(kfk_loop_work(l, &c.jobs[COMPUTING + 1].job), 0); /* where another one goes then, */
    assert_true(kfk_loop_unwork(l, &c.jobs[COMPUTING].job));           /* and from its beginning */
    crowd_go(&c, COMPUTING + 1);
    assert_true(eventually_equal(&c.delivered, COMPUTING + 1));
    assert_int_equal(atomic_load(&c.begun), COMPUTING + 1);
    loop_end(l); /* the tear-down sees that none of them holds the loop any more */
}

static void computing_jobs_never_queue_behind_blocking_ones(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static crowd blocking, computing;

    crowd_start(&blocking, l, KFK_WORK_BLOCKING, BLOCKING + QUEUED);
    assert_true(eventually_equal(&blocking.begun, BLOCKING));
    crowd_start(&computing, l, KFK_WORK_COMPUTING, QUEUED);
    crowd_go(&computing, QUEUED);
    assert_true(eventually_equal(&computing.delivered, QUEUED));
    assert_true(atomic_load(&computing.most_running) <= COMPUTING);
    assert_true(threads_come_down_to("kafka-compute", COMPUTING));
    assert_int_equal(atomic_load(&blocking.delivered), 0);
    crowd_go(&blocking, BLOCKING + QUEUED);
    assert_true(eventually_equal(&blocking.delivered, BLOCKING + QUEUED));
    loop_end(l);
}

static void two_jobs_compute_at_once(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static crowd c;

    crowd_start(&c, l, KFK_WORK_COMPUTING, QUEUED);
    assert_true(eventually_equal(&c.begun, COMPUTING));
    crowd_go(&c, QUEUED);
    assert_true(eventually_equal(&c.delivered, QUEUED));
    assert_int_equal(atomic_load(&c.most_running), COMPUTING);
    loop_end(l);
}

static void a_thread_without_work_takes_the_next_job(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static crowd c;

    crowd_start(&c, l, KFK_WORK_COMPUTING, 1);
    crowd_go(&c, 1);
    assert_true(eventually_equal(&c.delivered, 1));
    for (int i = 0; i < 200; i++) {
        crowd_start(&c, l, KFK_WORK_COMPUTING, 1);
        crowd_go(&c, 1);
        assert_true(eventually_equal(&c.delivered, 1));
    }
    assert_true(threads_come_down_to("kafka-compute", COMPUTING));
    loop_end(l);
}

/* A job that is given away by its own delivery. */
typedef struct own_job {
    kfk_job job;
    atomic_int *gone;
    int again;
} own_job;

static void own_run(kfk_job *job)
{
    (void)job;
}

static void own_done(kfk_job *job)
{
    own_job *o = KFK_CONTAINER(job, own_job, job);
    if (o->again-- > 0 && kfk_loop_work(job->loop, job) == 0) return; /* it may be given out anew under the baton */
    atomic_fetch_add(o->gone, 1);
    free(o);
}

static void a_job_may_be_freed_or_given_out_again_when_it_is_delivered(void **state)
{
    (void)state;
    kfk_loop *loops[2] = {loop_start(), loop_start()};
    atomic_int gone = 0;

    for (int i = 0; i < 200; i++) {
        own_job *o = calloc(1, sizeof *o);
        assert_non_null(o);
        o->job = (kfk_job){.kind = i % 3 ? KFK_WORK_BLOCKING : KFK_WORK_COMPUTING, .run = own_run, .done = own_done};
        o->gone = &gone;
        o->again = i % 4;
        assert_int_equal(kfk_loop_work(loops[i % 2], &o->job), 0);
    }
    loop_end(loops[1]); /* jobs that are out do not mind */
    assert_true(eventually_equal(&gone, 200));
    loop_end(loops[0]);
}

static void *note_signals(void *arg)
{
    pthread_sigmask(SIG_BLOCK, NULL, arg);
    return NULL;
}

static void a_thread_of_the_library_inherits_no_open_signals(void **state)
{
    (void)state;
    pthread_t thread;
    sigset_t seen;
    assert_int_equal(kfk_work_thread(&thread, false, "kafka-signals", note_signals, &seen), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(sigismember(&seen, SIGTERM));
    assert_true(sigismember(&seen, SIGPIPE));
    assert_false(sigismember(&seen, SIGSEGV));
}

static bool helpers_are_gone(void *arg)
{
    (void)arg;
    return threads_named("kafka-block") + threads_named("kafka-compute") == 0;
}

static void helper_threads_end_after_some_seconds_without_work(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static crowd c;
    for (int i = 0; i < 2; i++) {
        crowd_start(&c, l, KFK_WORK_BLOCKING, 3);
        crowd_go(&c, 3);
        assert_true(eventually_equal(&c.delivered, 3));
        if (i == 0) assert_true(eventually(helpers_are_gone, NULL));
    }
    loop_end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(without_threads_jobs_and_loops_are_refused),
        NET_TEST(a_job_runs_without_the_baton_and_is_delivered_under_it),
        NET_TEST(sixteen_jobs_block_at_once_and_the_rest_queue),
        NET_TEST(a_job_that_no_thread_has_begun_can_be_taken_back),
        NET_TEST(computing_jobs_never_queue_behind_blocking_ones),
        NET_TEST(two_jobs_compute_at_once),
        NET_TEST(a_thread_without_work_takes_the_next_job),
        NET_TEST(a_job_may_be_freed_or_given_out_again_when_it_is_delivered),
        NET_TEST(a_thread_of_the_library_inherits_no_open_signals),
        NET_TEST(helper_threads_end_after_some_seconds_without_work),
    };
    return cmocka_run_group_tests_name("net/work", tests, NULL, NULL);
}
