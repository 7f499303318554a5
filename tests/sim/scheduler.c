/* The clock of a run, and what decides who comes next.
 *
 * One thread runs everything: the scheduler here, the fibers it resumes, the loop's turns, the events of the network.
 * At each step the ready things are counted and the seed picks one:
 *
 *     a fiber that can go on | an event whose time has come | the loop, if it has a reason to turn | the holder's drain
 *
 * When nothing is ready, time jumps to the next event, wake-up or turn. Nothing is ordered by address: events of one
 * time come in the order of their making to the list of which the seed picks, fibers are walked in the order of their
 * making. */
#include "api/loop.h"
#include "base/time.h"
#include "sim/loop_sim.h"
#include "sim/sim_impl.h"
#include <stdio.h>
#include <stdlib.h>

#define WALL_START_MS INT64_C(1700000000000)

enum { DEFAULT_START_MS = 1000000, DEFAULT_BUDGET_MS = 3600000, DEFAULT_STEPS = 1000000 };
/* How long after its last task a run may take to become idle. */
#define WIND_DOWN_US INT64_C(300000000)

static sim *current;

void *sim_alloc(size_t size)
{
    void *p = calloc(1, size);
    if (p) return p;
    perror("simulation");
    exit(2);
}

/* ---- clock, chance, per-thread state ----------------------------------------------------------------------------- */

static int64_t monotonic_ns(void)
{
    return current->now_us * 1000;
}

static int64_t wall_ms(void)
{
    return WALL_START_MS + (current->now_us - current->start_us) / 1000;
}

static uint64_t seed_of_now(void)
{
    return kfk_rand_next(&current->rand);
}

static kfk_thread *thread_of_now(void)
{
    return current->thread;
}

static void lock_heard(kfk_lock_point point)
{
    sim_loop_lock_heard(current, point);
}

int64_t sim_now_us(const sim *s)
{
    return s->now_us;
}

void sim_suspend_ms(sim *s, int64_t ms)
{
    sim_trace(s, "suspended for %lld ms", (long long)ms);
    s->asleep_until_us = s->now_us + ms * 1000;
    sim_sleep_ms(s, ms);
}

int64_t sim_now_ms(const sim *s)
{
    return s->now_us / 1000;
}

uint64_t sim_below(sim *s, uint64_t n)
{
    return kfk_rand_below(&s->rand, n);
}

bool sim_chance(sim *s, unsigned n)
{
    return !s->cfg.calm && sim_below(s, n) == 0;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

void sim_event_init(sim_event *e, void (*run)(sim *, sim_event *))
{
    *e = (sim_event){.run = run};
    kfk_list_init(&e->due);
}

void sim_event_clear(sim *s, sim_event *e)
{
    kfk_heap_remove(&s->events, &e->node);
    kfk_list_remove(&e->due);
}

void sim_event_set(sim *s, sim_event *e, int64_t at_us)
{
    sim_event_clear(s, e);
    kfk_heap_add(&s->events, &e->node, at_us);
}

bool sim_event_is_set(const sim_event *e)
{
    return e->node.queued || !kfk_list_empty(&e->due);
}

/* Moves what is due to the list of due events; returns how many there are. */
static size_t collect_due(sim *s)
{
    size_t n = 0;
    for (kfk_heap_node *node; (node = kfk_heap_min(&s->events)) != NULL && node->key <= s->now_us;) {
        kfk_heap_remove(&s->events, node);
        kfk_list_push_back(&s->due, &KFK_CONTAINER(node, sim_event, node)->due);
    }
    KFK_LIST_EACH (node, &s->due) n++;
    return n;
}

static void run_due(sim *s, size_t index)
{
    KFK_LIST_EACH (node, &s->due) {
        if (index-- > 0) continue;
        sim_event *e = KFK_CONTAINER(node, sim_event, due);
        kfk_list_remove(node);
        e->run(s, e);
        return;
    }
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static bool is_suspended(const sim *s)
{
    return s->now_us < s->asleep_until_us;
}

/* Time jumps to what comes next. False when nothing does. */
static bool advance(sim *s)
{
    int64_t next = sim_tasks_next_us(s);
    const kfk_heap_node *event = kfk_heap_min(&s->events);
    if (event && event->key < next) next = event->key;
    if (s->turn_at_ms < INT64_MAX / 1000 && s->turn_at_ms * 1000 < next) next = s->turn_at_ms * 1000;
    if (is_suspended(s)) next = event && event->key < s->asleep_until_us ? event->key : s->asleep_until_us;
    if (next == INT64_MAX) return false;
    s->now_us = next;
    return true;
}

static bool step(sim *s)
{
    if (s->cfg.slow_us > 0 && sim_chance(s, 8)) s->now_us += (int64_t)sim_below(s, (uint64_t)s->cfg.slow_us);
    sim_loop_look_at_tokens(s);
    size_t due = collect_due(s), tasks = sim_tasks_ready(s);
    bool wanted = atomic_load(&s->loop.baton.wants); /* the loop waits for the baton already */
    size_t turns = sim_loop_must_turn(s) && !(s->inside && wanted), drains = s->drain_owed && !s->inside && !wanted;
    if (is_suspended(s)) tasks = turns = drains = 0;
    size_t all = due + tasks + turns + drains;
    if (all == 0) return advance(s);
    size_t pick = all == 1 ? 0 : sim_below(s, all);
    if (pick < due)
        run_due(s, pick);
    else if (pick < due + tasks)
        sim_task_run(s, sim_tasks_ready_at(s, pick - due));
    else if (pick < due + tasks + turns)
        sim_loop_turn(s);
    else
        sim_loop_drain(s);
    return true;
}

/* ---- a run ------------------------------------------------------------------------------------------------------- */

/* The library has nothing left that it waits for. What still travels through the network does not count. */
static bool is_idle(const sim *s)
{
    return s->jobs == 0 && sim_names_waiting(s) == 0 && sim_network_streams(s) == 0 && !sim_loop_must_turn(s) &&
           !s->drain_owed && kfk_heap_min(&s->loop.timers) == NULL && s->loop.deferred == NULL &&
           atomic_load(&s->loop.baton.mailbox) == NULL;
}

static void fail_stuck(sim *s, const char *why)
{
    char tasks[SIM_FAILURE_TEXT / 4];
    sim_tasks_describe(s, tasks, sizeof tasks);
    sim_fail(s, "%s: %s", why, tasks[0] ? tasks : "no task left");
}

static void fail_left_over(sim *s)
{
    sim_fail(s, "left over at the end: %zu timers, %d streams, %d look-ups, %d jobs", s->loop.timers.count,
             sim_network_streams(s), sim_names_waiting(s), s->jobs);
}

/* One step, and whether there should be another. */
static bool go_on(sim *s, int64_t *ended_us)
{
    bool tasks = sim_tasks_left(s);
    if (!tasks && is_idle(s)) return false;
    if (!tasks && *ended_us == INT64_MAX) *ended_us = s->now_us;
    if (s->now_us - *ended_us > WIND_DOWN_US || !step(s)) {
        if (tasks)
            fail_stuck(s, "nothing can go on");
        else
            fail_left_over(s);
        return false;
    }
    if (s->steps_left-- == 0)
        fail_stuck(s, "too many steps");
    else if ((s->now_us - s->start_us) / 1000 > s->cfg.budget_ms)
        fail_stuck(s, "too much virtual time");
    else
        return true;
    return false;
}

bool sim_run(sim *s)
{
    int64_t ended_us = INT64_MAX;
    while (go_on(s, &ended_us)) continue;
    sim_names_let_go(s);
    sim_jobs_let_go(s);
    if (!sim_failed(s) && atomic_load(&s->loop.uses.count) != 1)
        sim_fail(s, "%u uses of the loop are left", (unsigned)atomic_load(&s->loop.uses.count) - 1);
    if (!sim_failed(s) && atomic_load(&s->loop.refs.count) != 1)
        sim_fail(s, "%u references to the loop are left", (unsigned)atomic_load(&s->loop.refs.count) - 1);
    return !sim_failed(s);
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

static void redirect_library(sim *s)
{
    current = s;
    kfk_time_set_source(s ? monotonic_ns : NULL, s ? wall_ms : NULL);
    kfk_rand_set_source(s ? seed_of_now : NULL);
    kfk_thread_set_source(s ? thread_of_now : NULL);
    kfk_lock_heard = s ? lock_heard : NULL;
}

static sim_config with_defaults(const sim_config *cfg)
{
    sim_config c = cfg ? *cfg : (sim_config){0};
    if (c.start_ms == 0) c.start_ms = DEFAULT_START_MS;
    if (c.budget_ms == 0) c.budget_ms = DEFAULT_BUDGET_MS;
    if (c.steps == 0) c.steps = DEFAULT_STEPS;
    return c;
}

sim *sim_new(uint64_t seed, const sim_config *cfg)
{
    sim *s = sim_alloc(sizeof *s);
    s->cfg = with_defaults(cfg);
    s->steps_left = s->cfg.steps;
    kfk_rand_seed(&s->rand, seed);
    kfk_rand_seed(&s->plan, ~seed);
    trace_init(&s->trace);
    kfk_heap_init(&s->events);
    kfk_list_init(&s->due);
    kfk_list_init(&s->tasks);
    kfk_list_init(&s->job_list);
    kfk_list_init(&s->reports);
    kfk_list_init(&s->tokens);
    /* not on a whole millisecond: what rounds wrongly should show */
    s->now_us = s->start_us = s->cfg.start_ms * 1000 + (s->cfg.calm ? 0 : (int64_t)sim_below(s, 1000));
    s->thread = &s->outside;
    sim_network_new(s);
    sim_names_new(s);
    redirect_library(s);
    sim_loop_init(s);
    kfk_api_set_default_loop(&s->loop);
    return s;
}

/* After a failed run the loop may still have timers and references; its memory is ours all the same. */
void sim_free(sim *s)
{
    bool clean = !sim_failed(s);
    kfk_api_set_default_loop(NULL);
    sim_names_free(s);
    kfk_loop_unuse(&s->loop);
    kfk_loop_drop(&s->loop);
    if (clean && s->loop_gone) kfk_loop_fini(&s->loop);
    redirect_library(NULL);
    sim_network_free(s);
    while (s->owned_count > 0) {
        s->owned_count--;
        s->owned[s->owned_count].fini(s->owned[s->owned_count].arg);
    }
    sim_tasks_free(s);
    trace_fini(&s->trace);
    free(s);
}

bool sim_in_library(const sim *s)
{
    return s->thread != &s->outside;
}

void sim_own(sim *s, void (*fini)(void *), void *arg)
{
    if (s->owned_count == SIM_OWNED) {
        fprintf(stderr, "simulation: more than %d things to free\n", (int)SIM_OWNED);
        exit(2);
    }
    s->owned[s->owned_count].fini = fini;
    s->owned[s->owned_count++].arg = arg;
}
