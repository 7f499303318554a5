/* The loop of the simulation: what net/loop_backend.h asks of a loop, without a system call.
 *
 * It turns only for the reasons a real one has: its time came, a caller woke it, there is something to report, or it
 * found the mailbox filled as it left. So an engine that forgets to wake its loop hangs here too, and the run says so.
 *
 * Fibers may be interrupted around the baton: before they try to take it, once they have it, when they are about to let
 * go, when they have, and when they could not, before and behind the push. One that is interrupted inside keeps the
 * others out, also the loop, which then waits for the baton (`wants`). The loop is interrupted by others likewise: as
 * it leaves, when it has said that it sleeps, before and after it unlocks, some fiber may run. The same goes for all of
 * them where they want one of the locks beside the baton (base/lock.h), and where they gave it back. Nobody is
 * interrupted who holds one; who waits then, or takes the baton, breaks the lock order, and a run that sees it ends.
 *
 * The try-lock may also fail by seed, as if an outsider were inside, who then has to do what a holder does and look
 * into the mailbox, at some later step: either the loop, by a turn, or another caller, by an empty submission.
 *
 * Tokens are watched by looking at them before each step. Jobs run as events, on a helper thread as far as the library
 * can see. */
#include "sim/loop_sim.h"
#include "base/mem.h"
#include "base/time.h"
#include "sim/sim_impl.h"
#include <stdio.h>
#include <stdlib.h>

enum { MOST_JOB_US = 800, INTERRUPTED = 6 /* one in so many times at each point */ };

/* ---- what the loop reports --------------------------------------------------------------------------------------- */

void sim_report_init(sim_report *r, void (*run)(sim *, sim_report *))
{
    kfk_list_init(&r->node);
    r->run = run;
}

void sim_report_add(sim *s, sim_report *r)
{
    if (kfk_list_empty(&r->node)) kfk_list_push_back(&s->reports, &r->node);
}

void sim_report_remove(sim_report *r)
{
    kfk_list_remove(&r->node);
}

static size_t length(const kfk_list *list)
{
    size_t n = 0;
    KFK_LIST_EACH (node, list) n++;
    return n;
}

/* Some of what there is, in any order: the rest comes with the next turn, as from a poller with a small array. */
static void report(sim *s)
{
    for (size_t left = length(&s->reports); left > 0 && !sim_chance(s, 8); left = length(&s->reports)) {
        uint64_t index = sim_below(s, left);
        kfk_list *node = s->reports.next;
        while (index-- > 0) node = node->next;
        kfk_list_remove(node);
        sim_report *r = KFK_CONTAINER(node, sim_report, node);
        r->run(s, r);
    }
}

/* ---- cancel tokens ----------------------------------------------------------------------------------------------- */

typedef struct token {
    kfk_list node;
    kfk_cancel *cancel;
    sim_report report;
} token;

static sim *self(kfk_loop *l)
{
    return KFK_CONTAINER(l, sim, loop);
}

static void token_report(sim *s, sim_report *r)
{
    sim_trace(s, "loop: a token fired");
    kfk_loop_token_fired(&s->loop, KFK_CONTAINER(r, token, report)->cancel);
}

static int loop_watch(kfk_loop *l, kfk_cancel *cancel)
{
    token *t = kfk_mem_zalloc(sizeof *t);
    if (!t) return KAFKA_ENOMEM;
    t->cancel = cancel;
    sim_report_init(&t->report, token_report);
    kfk_list_push_back(&self(l)->tokens, &t->node);
    return 0;
}

static void loop_unwatch(kfk_loop *l, kfk_cancel *cancel)
{
    KFK_LIST_EACH (node, &self(l)->tokens) {
        token *t = KFK_CONTAINER(node, token, node);
        if (t->cancel != cancel) continue;
        kfk_list_remove(node);
        sim_report_remove(&t->report);
        kfk_mem_free(t);
        return;
    }
}

/* Firing is a store: it is found when somebody looks, which is before each step. */
void sim_loop_look_at_tokens(sim *s)
{
    KFK_LIST_EACH (node, &s->tokens) {
        token *t = KFK_CONTAINER(node, token, node);
        if (kfk_cancel_fired(t->cancel)) sim_report_add(s, &t->report);
    }
}

/* ---- jobs of helper threads -------------------------------------------------------------------------------------- */

typedef struct sim_job {
    kfk_list node;
    sim_event event;
    kfk_job *job;
    bool begun, hangs;
} sim_job;

static void job_deliver(kfk_task *t)
{
    kfk_job *job = KFK_CONTAINER(t, kfk_job, task);
    job->done(job);
}

static void job_done(sim *s, sim_event *e)
{
    sim_job *j = KFK_CONTAINER(e, sim_job, event);
    kfk_job *job = j->job;
    if (!j->hangs) s->jobs--;
    kfk_list_remove(&j->node);
    free(j);
    sim_trace(s, "helper thread hands a job back");
    s->thread = &s->helper_thread;
    job->task.run = job_deliver;
    kfk_loop_submit(&s->loop, &job->task);
    kfk_loop_drop(&s->loop);
    s->thread = &s->outside;
}

static void job_run(sim *s, sim_event *e)
{
    sim_job *j = KFK_CONTAINER(e, sim_job, event);
    sim_trace(s, "helper thread runs a job");
    s->thread = &s->helper_thread;
    s->job_takes_us = 0;
    j->begun = true;
    j->job->run(j->job);
    s->thread = &s->outside;
    sim_event_init(&j->event, job_done);
    j->hangs = s->job_takes_us < 0;
    if (j->hangs)
        s->jobs--; /* nobody waits for it */
    else
        sim_event_set(s, &j->event, s->now_us + s->job_takes_us);
}

void sim_job_takes_ms(sim *s, int64_t ms)
{
    if (ms < 0)
        s->job_takes_us = -1;
    else if (s->job_takes_us >= 0)
        s->job_takes_us += ms * 1000;
}

void sim_jobs_let_go(sim *s)
{
    s->must_not_fail = true; /* nobody is left who would look into the mailbox */
    KFK_LIST_EACH (node, &s->job_list) {
        sim_job *j = KFK_CONTAINER(node, sim_job, node);
        if (j->hangs) job_done(s, &j->event);
    }
    s->must_not_fail = false;
}

static bool loop_unwork(kfk_loop *l, kfk_job *job)
{
    sim *s = self(l);
    KFK_LIST_EACH (node, &s->job_list) {
        sim_job *j = KFK_CONTAINER(node, sim_job, node);
        if (j->job != job || j->begun) continue;
        sim_trace(s, "a job is taken back");
        sim_event_clear(s, &j->event);
        kfk_list_remove(node);
        free(j);
        s->jobs--;
        kfk_loop_drop(l);
        return true;
    }
    return false;
}

static int loop_work(kfk_loop *l, kfk_job *job)
{
    sim *s = self(l);
    if (s->refuse_work) return KAFKA_EAGAIN;
    sim_job *j = sim_alloc(sizeof *j);
    job->loop = kfk_loop_hold(l);
    j->job = job;
    s->jobs++;
    kfk_list_init(&j->node);
    kfk_list_push_back(&s->job_list, &j->node);
    sim_event_init(&j->event, job_run);
    sim_event_set(s, &j->event, s->now_us + (s->cfg.calm ? 0 : (int64_t)sim_below(s, MOST_JOB_US)));
    return 0;
}

void sim_refuse_work(sim *s, bool refuse)
{
    s->refuse_work = refuse;
}

/* ---- the other operations of the loop ---------------------------------------------------------------------------- */

static void loop_wake(kfk_loop *l)
{
    sim *s = self(l);
    sim_trace(s, "wakes the loop");
    s->woken = true;
    s->wakes++;
}

static void loop_park(kfk_loop *l, _Atomic uint32_t *word, uint32_t value, int64_t deadline_ms)
{
    sim_task_park(self(l), word, value, deadline_ms);
}

static void loop_unpark(kfk_loop *l, _Atomic uint32_t *word)
{
    sim_task_unpark(self(l), word);
}

static void loop_stop(kfk_loop *l)
{
    (void)l; /* the sim has a use of its own: this is its end */
}

static void loop_destroy(kfk_loop *l)
{
    self(l)->loop_gone = true;
}

static const kfk_loop_ops sim_ops = {
    .wake = loop_wake,
    .connect = sim_network_connect,
    .adopt = sim_network_adopt,
    .listen = sim_network_listen,
    .lookup = sim_names_lookup,
    .resolve = sim_names_resolve,
    .work = loop_work,
    .unwork = loop_unwork,
    .watch = loop_watch,
    .unwatch = loop_unwatch,
    .park = loop_park,
    .unpark = loop_unpark,
    .stop = loop_stop,
    .destroy = loop_destroy,
};

/* ---- the baton --------------------------------------------------------------------------------------------------- */

static bool try_fails(void *arg)
{
    sim *s = self(arg);
    sim_loop_demand_no_lock(s, "takes the baton");
    if (s->must_not_fail) return false;
    if (s->running) sim_yield(s);
    if (s->inside) { /* it will fail by itself */
        s->contended = true;
        return false;
    }
    if (!sim_chance(s, 4)) return false;
    sim_trace(s, "the baton is taken");
    s->drain_owed = true;
    return true;
}

/* Somebody else runs for a moment, unless the seed says no. */
static void interrupt(sim *s)
{
    if (s->running) {
        sim_yield(s);
        return;
    }
    size_t ready = sim_tasks_ready(s);
    if (ready == 0) return;
    sim_trace(s, "the loop is interrupted");
    sim_task_run(s, sim_tasks_ready_at(s, sim_below(s, ready)));
    s->thread = &s->loop_thread;
}

/* `inside`: holding the baton. */
static void perhaps_interrupt(sim *s, bool inside)
{
    static char somebody; /* whom the baton belongs to as others see it */
    kfk_baton *b = &s->loop.baton;
    bool by_fiber = s->running != NULL;
    if (s->must_not_fail || (!by_fiber && s->thread != &s->loop_thread) || !sim_chance(s, INTERRUPTED)) return;
    void *holder = NULL;
    if (inside) holder = atomic_exchange(&b->holder, (void *)&somebody);
    s->inside += by_fiber && inside;
    interrupt(s);
    s->inside -= by_fiber && inside;
    if (inside) atomic_store(&b->holder, holder);
}

static void pass(void *arg, kfk_baton_point point)
{
    perhaps_interrupt(self(arg), point == KFK_BATON_TAKEN || point == KFK_BATON_LEAVING);
}

/* ---- the locks beside the baton ---------------------------------------------------------------------------------- */

/* Another fiber would wait for the lock for ever, and the run with it. */
void sim_loop_demand_no_lock(const sim *s, const char *what)
{
    if (s->locks == 0) return;
    fprintf(stderr, "%s\nsimulation: something %s while it holds a lock\n", sim_trace_tail(s, 40), what);
    abort();
}

void sim_loop_lock_heard(sim *s, kfk_lock_point point)
{
    if (point == KFK_LOCK_TAKEN) s->locks++;
    if (point == KFK_LOCK_GIVEN) s->locks--;
    if (s->locks > 0) return;
    perhaps_interrupt(s, kfk_baton_held(&s->loop.baton));
}

/* ---- who owes a look into the mailbox ---------------------------------------------------------------------------- */

static void nothing(kfk_task *t)
{
    (void)t;
}

/* The caller who was said to be inside looks into the mailbox before it lets go. */
void sim_loop_drain(sim *s)
{
    kfk_task empty = {.run = nothing};
    sim_trace(s, "another caller drains the mailbox");
    s->drain_owed = false;
    s->must_not_fail = true;
    kfk_loop_submit(&s->loop, &empty);
    s->must_not_fail = false;
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

bool sim_loop_must_turn(const sim *s)
{
    return s->woken || atomic_load(&s->loop.baton.wants) || !kfk_list_empty(&s->reports) ||
           s->turn_at_ms <= s->now_us / 1000;
}

void sim_loop_turn(sim *s)
{
    if (s->inside) { /* by a fiber that was interrupted there: it leaves, and finds that nobody may barge in */
        sim_trace(s, "the loop waits for the baton");
        atomic_store(&s->loop.baton.wants, true);
        return;
    }
    s->turns++;
    s->woken = s->drain_owed = false;
    s->thread = &s->loop_thread;
    sim_trace(s, "loop turns");
    sim_network_disturb(s);
    kfk_loop_enter(&s->loop);
    report(s);
    s->turn_at_ms = kfk_loop_leave(&s->loop);
    s->thread = &s->outside;
}

/* ---- birth ------------------------------------------------------------------------------------------------------- */

void sim_loop_init(sim *s)
{
    if (kfk_loop_init(&s->loop, &sim_ops, kfk_rand_next(&s->rand)) != 0) abort();
    s->loop.baton.try_fails = try_fails;
    s->loop.baton.pass = pass;
}

kfk_loop *sim_loop(sim *s)
{
    return &s->loop;
}

bool sim_on_loop_thread(const sim *s)
{
    return s->thread == &s->loop_thread;
}

uint64_t sim_turns(const sim *s)
{
    return s->turns;
}

uint64_t sim_wakes(const sim *s)
{
    return s->wakes;
}

bool sim_contended(const sim *s)
{
    return s->contended;
}

/* ---- for tests of what lies below the public interface ----------------------------------------------------------- */

typedef struct baton_call {
    kfk_op op;
    sim *sim;
    void (*fn)(void *);
    void *arg;
} baton_call;

static void call_run(kfk_task *t)
{
    baton_call *c = KFK_CONTAINER(t, baton_call, op.task);
    c->fn(c->arg);
    kfk_op_finish_loop(&c->sim->loop, &c->op);
}

static void call_destroy(kfk_op *op)
{
    free(KFK_CONTAINER(op, baton_call, op));
}

void sim_under_baton(sim *s, void (*fn)(void *), void *arg)
{
    baton_call *c = sim_alloc(sizeof *c);
    kfk_op_init(&c->op, call_run, call_destroy);
    c->sim = s;
    c->fn = fn;
    c->arg = arg;
    kfk_loop_submit(&s->loop, &c->op.task);
    kfk_op_wait(&s->loop, &c->op, KFK_TIME_NEVER);
    kfk_op_drop(&c->op);
}
