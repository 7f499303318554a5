/* The application's tasks, one fiber each.
 *
 * A task is ready, or waits: for a time, for a futex word to change (park), for a flag. What it waits for is looked at
 * before every step, so a flag needs nobody to announce it. A word is announced by unpark, as a futex is: that it
 * changed is not enough, or a lost wake-up would never show. */
#include "base/time.h"
#include "sim/sim_impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum task_state { TASK_READY, TASK_SLEEPS, TASK_PARKED, TASK_FLAG, TASK_ENDED } task_state;

struct sim_task {
    kfk_list node;
    sim *sim;
    char name[32];
    fiber *fiber;
    void (*run)(sim *, void *);
    void *arg;
    kfk_thread thread;
    task_state state;
    int64_t until_us, since_us;
    _Atomic uint32_t *word;
    const bool *flag;
};

static void begin(void *arg)
{
    sim_task *t = arg;
    t->run(t->sim, t->arg);
}

void sim_spawn(sim *s, const char *name, void (*run)(sim *, void *), void *arg)
{
    sim_task *t = sim_alloc(sizeof *t);
    snprintf(t->name, sizeof t->name, "%s", name);
    t->sim = s;
    t->fiber = fiber_new(begin, t);
    t->run = run;
    t->arg = arg;
    t->until_us = INT64_MAX;
    kfk_list_push_back(&s->tasks, &t->node);
}

static bool ready(const sim *s, const sim_task *t)
{
    switch (t->state) {
    case TASK_READY: return true;
    case TASK_SLEEPS:
    case TASK_PARKED: return t->until_us <= s->now_us;
    case TASK_FLAG: return *t->flag;
    case TASK_ENDED: break;
    }
    return false;
}

size_t sim_tasks_ready(const sim *s)
{
    size_t n = 0;
    KFK_LIST_EACH (node, &s->tasks) n += ready(s, KFK_CONTAINER(node, sim_task, node));
    return n;
}

sim_task *sim_tasks_ready_at(const sim *s, size_t index)
{
    KFK_LIST_EACH (node, &s->tasks) {
        sim_task *t = KFK_CONTAINER(node, sim_task, node);
        if (ready(s, t) && index-- == 0) return t;
    }
    return NULL;
}

void sim_task_run(sim *s, sim_task *t)
{
    t->state = TASK_READY;
    t->until_us = INT64_MAX;
    s->running = t;
    s->thread = &t->thread;
    sim_trace(s, "%s", t->name);
    fiber_resume(t->fiber);
    s->running = NULL;
    s->thread = &s->outside;
    if (!fiber_has_ended(t->fiber)) return;
    sim_trace(s, "%s ended", t->name);
    fiber_free(t->fiber);
    t->fiber = NULL;
    t->state = TASK_ENDED;
}

int64_t sim_tasks_next_us(const sim *s)
{
    int64_t next = INT64_MAX;
    KFK_LIST_EACH (node, &s->tasks) {
        const sim_task *t = KFK_CONTAINER(node, sim_task, node);
        if ((t->state == TASK_SLEEPS || t->state == TASK_PARKED) && t->until_us < next) next = t->until_us;
    }
    return next;
}

bool sim_tasks_left(const sim *s)
{
    KFK_LIST_EACH (node, &s->tasks) {
        if (KFK_CONTAINER(node, sim_task, node)->state != TASK_ENDED) return true;
    }
    return false;
}

void sim_tasks_free(sim *s)
{
    for (kfk_list *node; (node = kfk_list_first(&s->tasks)) != NULL;) {
        sim_task *t = KFK_CONTAINER(node, sim_task, node);
        kfk_list_remove(node);
        if (t->fiber) fiber_free(t->fiber);
        free(t);
    }
}

void sim_tasks_describe(const sim *s, char *out, size_t cap)
{
    static const char *const waits[] = {[TASK_READY] = "is ready",
                                        [TASK_SLEEPS] = "sleeps",
                                        [TASK_PARKED] = "is in a blocking call",
                                        [TASK_FLAG] = "waits for a flag"};
    size_t at = 0;
    out[0] = '\0';
    KFK_LIST_EACH (node, &s->tasks) {
        const sim_task *t = KFK_CONTAINER(node, sim_task, node);
        if (t->state == TASK_ENDED || at >= cap) continue;
        int n = snprintf(out + at, cap - at, "%s%s %s since %lld ms", at ? ", " : "", t->name, waits[t->state],
                         (long long)((t->since_us - s->start_us) / 1000));
        at += n > 0 ? (size_t)n : 0;
    }
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* The task that runs; waiting outside of all tasks is a mistake in the test, or a library that blocks its loop. */
static sim_task *me(sim *s)
{
    if (s->running) return s->running;
    fprintf(stderr, "simulation: something waits outside of all tasks\n%s", sim_trace_tail(s, 40));
    abort();
}

static void wait_as(sim *s, task_state state)
{
    sim_task *t = me(s);
    sim_loop_demand_no_lock(s, "waits");
    t->state = state;
    t->since_us = s->now_us;
    fiber_suspend();
}

void sim_sleep_us(sim *s, int64_t us)
{
    me(s)->until_us = s->now_us + us;
    wait_as(s, TASK_SLEEPS);
}

void sim_sleep_ms(sim *s, int64_t ms)
{
    sim_sleep_us(s, ms * 1000);
}

void sim_meet_us(sim *s, int64_t every_us)
{
    sim_sleep_us(s, every_us - s->now_us % every_us);
}

void sim_wait_for(sim *s, const bool *flag)
{
    me(s)->flag = flag;
    if (!*flag) wait_as(s, TASK_FLAG);
}

void sim_yield(sim *s)
{
    if (sim_chance(s, 2)) wait_as(s, TASK_READY);
}

void sim_task_park(sim *s, _Atomic uint32_t *word, uint32_t value, int64_t deadline_ms)
{
    sim_task *t = me(s);
    if (atomic_load(word) != value) return;
    if (sim_chance(s, 16)) { /* a futex may wake for no reason */
        wait_as(s, TASK_READY);
        return;
    }
    t->word = word;
    t->until_us = deadline_ms >= INT64_MAX / 1000 ? INT64_MAX : deadline_ms * 1000;
    wait_as(s, TASK_PARKED);
    t->word = NULL;
}

void sim_task_unpark(sim *s, _Atomic uint32_t *word)
{
    KFK_LIST_EACH (node, &s->tasks) {
        sim_task *t = KFK_CONTAINER(node, sim_task, node);
        if (t->state != TASK_PARKED || t->word != word) continue;
        t->state = TASK_READY;
        sim_trace(s, "wakes %s", t->name);
    }
}
