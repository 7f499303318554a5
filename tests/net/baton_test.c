#include "net_test.h"

#include <pthread.h>
#include <string.h>

/* A baton, and what its callbacks saw. */
typedef struct stage {
    kfk_baton baton;
    int taken_by_loop, taken_by_caller, releases, woken, woken_held;
    bool deny; /* the baton cannot be had */
    kfk_task *push_after_release;
} stage;

static bool try_fails(void *arg)
{
    return ((stage *)arg)->deny;
}

static void after_take(void *arg, bool by_loop)
{
    stage *s = arg;
    if (by_loop)
        s->taken_by_loop++;
    else
        s->taken_by_caller++;
}

static void *before_release(void *arg, bool by_loop)
{
    stage *s = arg;
    (void)by_loop;
    return s->releases++ == 0 ? "first" : NULL;
}

static void after_release(void *arg, void *done)
{
    stage *s = arg;
    if (kfk_baton_held(&s->baton)) s->woken_held++;
    if (done) s->woken++;
    if (!s->push_after_release) return;
    kfk_task *t = s->push_after_release;
    s->push_after_release = NULL;
    kfk_baton_push(&s->baton, t);
}

static void stage_init(stage *s)
{
    memset(s, 0, sizeof *s);
    assert_int_equal(kfk_baton_init(&s->baton), 0);
    s->baton.try_fails = try_fails;
    s->baton.after_take = after_take;
    s->baton.before_release = before_release;
    s->baton.after_release = after_release;
    s->baton.arg = s;
}

static void stage_fini(stage *s)
{
    assert_int_equal(s->woken_held, 0);
    kfk_baton_fini(&s->baton);
}

/* A task that notes when and where it ran. */
typedef struct step {
    kfk_task task;
    stage *stage;
    int *clock, ran_at, times;
    bool held;
    pthread_t thread;
    struct step *push, *submit_elsewhere;
} step;

static void step_run(kfk_task *t)
{
    step *s = KFK_CONTAINER(t, step, task);
    s->ran_at = ++*s->clock;
    s->times++;
    s->thread = pthread_self();
    s->held = kfk_baton_held(&s->stage->baton);
    if (s->push) kfk_baton_push(&s->stage->baton, &s->push->task);
}

static step step_make(stage *s, int *clock)
{
    return (step){.task = {.run = step_run}, .stage = s, .clock = clock};
}

static void a_task_runs_at_once_when_the_baton_is_free(void **state)
{
    (void)state;
    stage s;
    int clock = 0;
    stage_init(&s);
    step a = step_make(&s, &clock);

    kfk_baton_submit(&s.baton, &a.task);
    assert_int_equal(a.times, 1);
    assert_true(a.held);
    assert_true(pthread_equal(a.thread, pthread_self()));
    assert_false(kfk_baton_held(&s.baton));
    assert_int_equal(s.taken_by_caller, 1);
    assert_int_equal(s.woken, 1); /* what before_release returned reached after_release */
    stage_fini(&s);
}

static void a_task_whose_tries_fail_waits_for_the_next_holder(void **state)
{
    (void)state;
    stage s;
    int clock = 0;
    stage_init(&s);
    step a = step_make(&s, &clock), b = step_make(&s, &clock);

    s.deny = true;
    kfk_baton_submit(&s.baton, &a.task);
    kfk_baton_submit(&s.baton, &b.task);
    assert_int_equal(a.times + b.times, 0);
    kfk_baton_enter(&s.baton);
    assert_int_equal(a.ran_at, 1);
    assert_int_equal(b.ran_at, 2);
    assert_true(kfk_baton_held(&s.baton));
    assert_false(kfk_baton_leave(&s.baton));
    assert_int_equal(s.taken_by_loop, 1);
    stage_fini(&s);
}

static void a_thread_does_not_overtake_itself(void **state)
{
    (void)state;
    stage s;
    int clock = 0;
    stage_init(&s);
    step a = step_make(&s, &clock), b = step_make(&s, &clock), c = step_make(&s, &clock);

    kfk_baton_push(&s.baton, &a.task);
    kfk_baton_push(&s.baton, &b.task);
    assert_int_equal(clock, 0);
    kfk_baton_submit(&s.baton, &c.task);
    assert_int_equal(a.ran_at, 1);
    assert_int_equal(b.ran_at, 2);
    assert_int_equal(c.ran_at, 3);
    stage_fini(&s);
}

static void what_is_pushed_while_tasks_run_is_run_before_submit_returns(void **state)
{
    (void)state;
    stage s;
    int clock = 0;
    stage_init(&s);
    step a = step_make(&s, &clock), b = step_make(&s, &clock), c = step_make(&s, &clock);

    a.push = &b;
    b.push = &c;
    kfk_baton_submit(&s.baton, &a.task);
    assert_int_equal(a.ran_at, 1);
    assert_int_equal(b.ran_at, 2);
    assert_int_equal(c.ran_at, 3);
    assert_int_equal(s.releases, 2); /* c came while b was drained: its turn is after the baton was free for a moment */
    stage_fini(&s);
}

static void what_is_pushed_after_the_unlock_is_not_lost(void **state)
{
    (void)state;
    stage s;
    int clock = 0;
    stage_init(&s);
    step a = step_make(&s, &clock), b = step_make(&s, &clock), c = step_make(&s, &clock);

    s.push_after_release = &b.task;
    kfk_baton_submit(&s.baton, &a.task);
    assert_int_equal(b.ran_at, 2);
    s.push_after_release = &c.task;
    kfk_baton_enter(&s.baton);
    assert_true(kfk_baton_leave(&s.baton)); /* so the loop does not sleep */
    assert_int_equal(c.times, 0);
    kfk_baton_enter(&s.baton);
    assert_int_equal(c.times, 1);
    assert_false(kfk_baton_leave(&s.baton));
    stage_fini(&s);
}

static void a_task_may_be_submitted_again_as_soon_as_it_runs(void **state)
{
    (void)state;
    stage s;
    int clock = 0;
    stage_init(&s);
    step a = step_make(&s, &clock), b = step_make(&s, &clock);

    kfk_baton_push(&s.baton, &a.task);
    kfk_baton_push(&s.baton, &b.task);
    for (int i = 0; i < 3; i++) {
        step c = step_make(&s, &clock);
        c.push = &a; /* a has run by then */
        kfk_baton_submit(&s.baton, &c.task);
    }
    assert_int_equal(a.times, 4);
    assert_int_equal(b.times, 1);
    stage_fini(&s);
}

/* ---- with threads ------------------------------------------------------------------------------------------------ */

typedef struct blocker {
    kfk_task task;
    stage *stage;
    latch inside, go_on;
} blocker;

static void blocker_run(kfk_task *t)
{
    blocker *b = KFK_CONTAINER(t, blocker, task);
    latch_post(&b->inside);
    latch_wait(&b->go_on);
}

static void *blocker_thread(void *arg)
{
    blocker *b = arg;
    kfk_baton_submit(&b->stage->baton, &b->task);
    return NULL;
}

static void a_task_is_run_by_whoever_holds_the_baton(void **state)
{
    (void)state;
    stage s;
    int clock = 0;
    pthread_t thread;
    stage_init(&s);
    step a = step_make(&s, &clock);
    blocker b = {.task = {.run = blocker_run}, .stage = &s};
    latch_init(&b.inside);
    latch_init(&b.go_on);

    assert_int_equal(pthread_create(&thread, NULL, blocker_thread, &b), 0);
    assert_true(latch_wait(&b.inside));
    kfk_baton_submit(&s.baton, &a.task); /* does not wait */
    latch_post(&b.go_on);
    pthread_t holder = thread;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(a.times, 1);
    assert_true(pthread_equal(a.thread, holder));
    stage_fini(&s);
}

typedef struct canceled {
    kfk_task task;
    stage *stage;
    latch inside, cancel_sent;
    bool survived, returned;
} canceled;

static void canceled_run(kfk_task *t)
{
    canceled *c = KFK_CONTAINER(t, canceled, task);
    latch_post(&c->inside);
    latch_wait(&c->cancel_sent); /* a cancellation point */
    pthread_testcancel();
    c->survived = true;
}

static void *canceled_thread(void *arg)
{
    canceled *c = arg;
    kfk_baton_submit(&c->stage->baton, &c->task);
    pthread_testcancel();
    c->returned = true;
    return NULL;
}

static void a_thread_is_not_cancelled_while_it_holds_the_baton(void **state)
{
    (void)state;
    stage s;
    int clock = 0;
    pthread_t thread;
    void *result;
    stage_init(&s);
    step a = step_make(&s, &clock);
    canceled c = {.task = {.run = canceled_run}, .stage = &s};
    latch_init(&c.inside);
    latch_init(&c.cancel_sent);

    assert_int_equal(pthread_create(&thread, NULL, canceled_thread, &c), 0);
    assert_true(latch_wait(&c.inside));
    pthread_cancel(thread);
    latch_post(&c.cancel_sent);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_true(c.survived);
    assert_false(c.returned);
    kfk_baton_submit(&s.baton, &a.task);
    assert_int_equal(a.times, 1);
    stage_fini(&s);
}

/* Many threads, and one that plays the loop: it enters, leaves, and sleeps only when the model says it may. */
enum { THREADS = 4, TASKS = 20000, RING = 64 };

typedef struct numbered {
    kfk_task task;
    struct submitter *from;
    int number;
    atomic_bool busy;
} numbered;

typedef struct submitter {
    stage *stage;
    pthread_t thread;
    numbered ring[RING];
    int expected;      /* under the baton: the next number */
    bool out_of_order; /* under the baton */
    atomic_int done;
} submitter;

static void numbered_run(kfk_task *t)
{
    numbered *n = KFK_CONTAINER(t, numbered, task);
    submitter *from = n->from;
    if (n->number != from->expected++) from->out_of_order = true;
    atomic_store(&n->busy, false);
    atomic_fetch_add(&from->done, 1);
}

static void *submitter_thread(void *arg)
{
    submitter *s = arg;
    for (int i = 0; i < TASKS; i++) {
        numbered *n = &s->ring[i % RING];
        while (atomic_load(&n->busy)) sched_yield();
        n->task.run = numbered_run;
        n->from = s;
        n->number = i;
        atomic_store(&n->busy, true);
        kfk_baton_submit(&s->stage->baton, &n->task);
    }
    return NULL;
}

typedef struct turner {
    stage *stage;
    atomic_bool stop;
} turner;

static void *turner_thread(void *arg)
{
    turner *t = arg;
    while (!atomic_load(&t->stop)) {
        kfk_baton_enter(&t->stage->baton);
        while (kfk_baton_leave(&t->stage->baton)) kfk_baton_enter(&t->stage->baton);
        sched_yield();
    }
    return NULL;
}

static void tasks_of_many_threads(bool with_loop)
{
    stage s;
    static submitter submitters[THREADS];
    turner t = {.stage = &s};
    pthread_t loop;
    stage_init(&s);
    memset(submitters, 0, sizeof submitters);

    if (with_loop) assert_int_equal(pthread_create(&loop, NULL, turner_thread, &t), 0);
    for (int i = 0; i < THREADS; i++) {
        submitters[i].stage = &s;
        assert_int_equal(pthread_create(&submitters[i].thread, NULL, submitter_thread, &submitters[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(submitters[i].thread, NULL);
    /* nobody submits any more, and nobody was woken: all must have run, or be with the one that turns */
    for (int i = 0; i < THREADS; i++) assert_true(eventually_equal(&submitters[i].done, TASKS));
    atomic_store(&t.stop, true);
    if (with_loop) pthread_join(loop, NULL);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(submitters[i].expected, TASKS);
        assert_false(submitters[i].out_of_order);
    }
    stage_fini(&s);
}

static void tasks_of_many_threads_run_once_and_in_order_without_a_loop(void **state)
{
    (void)state;
    tasks_of_many_threads(false);
}

static void tasks_of_many_threads_run_once_and_in_order_beside_a_loop(void **state)
{
    (void)state;
    tasks_of_many_threads(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(a_task_runs_at_once_when_the_baton_is_free),
        NET_TEST(a_task_whose_tries_fail_waits_for_the_next_holder),
        NET_TEST(a_thread_does_not_overtake_itself),
        NET_TEST(what_is_pushed_while_tasks_run_is_run_before_submit_returns),
        NET_TEST(what_is_pushed_after_the_unlock_is_not_lost),
        NET_TEST(a_task_may_be_submitted_again_as_soon_as_it_runs),
        NET_TEST(a_task_is_run_by_whoever_holds_the_baton),
        NET_TEST(a_thread_is_not_cancelled_while_it_holds_the_baton),
        NET_TEST(tasks_of_many_threads_run_once_and_in_order_without_a_loop),
        NET_TEST(tasks_of_many_threads_run_once_and_in_order_beside_a_loop),
    };
    return cmocka_run_group_tests_name("net/baton", tests, NULL, NULL);
}
