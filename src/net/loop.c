/* The part of the loop that every backend shares: timers, tasks, operations, lifetime.
 *
 * The loop sleeps until its earliest timer. A caller that holds the baton while the loop sleeps may set an earlier one,
 * or defer work that only the loop does: then, and only then, it wakes the loop as it lets go. A wake-up that was
 * published is never put off, even when its timer was cleared meanwhile: the loop turns once for nothing. So a client
 * that sends one request at a time, each with the same timeout, does not wake the loop for each of them.
 *
 * An operation's futex word goes PENDING -> PARKED -> DONE or PENDING -> DONE. The one who finishes makes the wake-up
 * call only when somebody had parked, and does so after the baton is let go: the woken thread may want it at once. */
#include "base/fork.h"
#include "base/mem.h"
#include "base/time.h"
#include "net/loop_backend.h"
#include <assert.h>
#include <stdio.h>

enum { OP_PENDING, OP_PARKED, OP_DONE };

/* ---- lifetime ---------------------------------------------------------------------------------------------------- */

static void after_take(void *arg, bool by_loop)
{
    kfk_loop *l = arg;
    l->now_ms = kfk_time_now_ms();
    if (by_loop) l->asleep = l->poke = false;
}

static void *before_release(void *arg, bool by_loop)
{
    kfk_loop *l = arg;
    if (!by_loop && l->poke && l->asleep) l->ops->wake(l);
    l->poke = false;
    /* the finished operations go along as a chain of their own: the list belongs to the next holder */
    kfk_list *first = kfk_list_first(&l->finished);
    if (first) {
        kfk_list_remove(&l->finished);
        kfk_list_init(&l->finished);
    }
    return first;
}

static void after_release(void *arg, void *done)
{
    kfk_loop *l = arg;
    kfk_list *last = done;
    if (!last) return;
    last = last->prev;
    for (kfk_list *n = done, *next;; n = next) {
        bool end = n == last;
        next = n->next;
        kfk_op *op = KFK_CONTAINER(n, kfk_op, waking);
        if (atomic_exchange(&op->state, OP_DONE) == OP_PARKED) l->ops->unpark(l, &op->state);
        kfk_op_drop(op);
        if (end) return;
    }
}

int kfk_loop_init(kfk_loop *l, const kfk_loop_ops *ops, uint64_t seed)
{
    l->ops = ops;
    int err = kfk_baton_init(&l->baton);
    if (err != 0) return err;
    l->baton.after_take = after_take;
    l->baton.before_release = before_release;
    l->baton.after_release = after_release;
    l->baton.arg = l;
    kfk_ref_init(&l->refs);
    kfk_ref_init(&l->uses);
    l->born = kfk_fork_generation();
    l->forks = &kfk_fork_count;
    kfk_rand_seed(&l->rand, seed);
    kfk_heap_init(&l->timers);
    kfk_list_init(&l->watches);
    kfk_list_init(&l->finished);
    l->deferred = NULL;
    l->deferred_end = &l->deferred;
    l->now_ms = kfk_time_now_ms();
    atomic_init(&l->wake_at_ms, 0);
    l->asleep = l->poke = false;
    return 0;
}

void kfk_loop_fini(kfk_loop *l)
{
    assert(kfk_heap_min(&l->timers) == NULL && l->deferred == NULL);
    kfk_baton_fini(&l->baton);
}

void kfk_loop_use(kfk_loop *l)
{
    kfk_ref_hold(&l->uses);
}

void kfk_loop_unuse(kfk_loop *l)
{
    if (kfk_ref_drop(&l->uses)) l->ops->stop(l);
}

kfk_loop *kfk_loop_hold(kfk_loop *l)
{
    kfk_ref_hold(&l->refs);
    return l;
}

void kfk_loop_drop(kfk_loop *l)
{
    if (kfk_ref_drop(&l->refs)) l->ops->destroy(l);
}

bool kfk_loop_is_parents(const kfk_loop *l)
{
    return l->born != atomic_load_explicit(l->forks, memory_order_relaxed);
}

void kfk_loop_abandon_now(kfk_loop *l)
{
    if (l->ops->abandon) l->ops->abandon(l);
}

void kfk_loop_abandon(kfk_loop *l)
{
    if (kfk_ref_drop(&l->uses)) kfk_loop_abandon_now(l);
}

/* ---- time and timers --------------------------------------------------------------------------------------------- */

int64_t kfk_loop_now_ms(const kfk_loop *l)
{
    return l->now_ms;
}

int64_t kfk_loop_now_ns(const kfk_loop *l)
{
    (void)l;
    return kfk_time_now_ns();
}

uint64_t kfk_loop_random(kfk_loop *l)
{
    return kfk_rand_next(&l->rand);
}

void kfk_timer_init(kfk_timer *t, void (*fire)(kfk_timer *))
{
    *t = (kfk_timer){.fire = fire};
}

void kfk_loop_timer_set(kfk_loop *l, kfk_timer *t, int64_t at_ms)
{
    assert(kfk_loop_held(l));
    kfk_heap_remove(&l->timers, &t->node);
    if (at_ms == KFK_TIME_NEVER) return;
    kfk_heap_add(&l->timers, &t->node, at_ms);
    if (l->asleep && at_ms < atomic_load(&l->wake_at_ms)) {
        l->poke = true;
        atomic_store(&l->wake_at_ms, at_ms);
    }
}

void kfk_loop_timer_clear(kfk_loop *l, kfk_timer *t)
{
    assert(kfk_loop_held(l));
    kfk_heap_remove(&l->timers, &t->node);
}

/* Only what was set before: a timer that is set anew for now, to go on later, must not keep the loop from its
 * events. */
static void run_timers(kfk_loop *l)
{
    kfk_heap_node *n;
    uint64_t first_new = l->timers.next_seq;
    while ((n = kfk_heap_min(&l->timers)) != NULL && n->key <= l->now_ms && n->seq < first_new) {
        kfk_timer *t = KFK_CONTAINER(n, kfk_timer, node);
        kfk_heap_remove(&l->timers, n);
        t->fire(t);
    }
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

bool kfk_loop_held(kfk_loop *l)
{
    return kfk_baton_held(&l->baton);
}

void kfk_loop_submit(kfk_loop *l, kfk_task *t)
{
    if (kfk_loop_held(l))
        kfk_baton_push(&l->baton, t); /* inside a callback */
    else
        kfk_baton_submit(&l->baton, t);
}

void kfk_loop_defer(kfk_loop *l, kfk_task *t)
{
    assert(kfk_loop_held(l));
    t->next = NULL;
    *l->deferred_end = t;
    l->deferred_end = &t->next;
    l->poke = true;
}

/* Only what was deferred before: a task that defers another one must not keep the loop from its events. */
static void run_deferred(kfk_loop *l)
{
    kfk_task *t = l->deferred;
    l->deferred = NULL;
    l->deferred_end = &l->deferred;
    while (t) {
        kfk_task *next = t->next;
        t->run(t);
        t = next;
    }
}

void kfk_loop_run_deferred_loop(kfk_loop *l)
{
    assert(kfk_loop_held(l));
    while (l->deferred) run_deferred(l);
}

void kfk_loop_enter(kfk_loop *l)
{
    kfk_baton_enter(&l->baton);
}

int64_t kfk_loop_leave(kfk_loop *l)
{
    run_timers(l);
    run_deferred(l);
    kfk_heap_node *next = kfk_heap_min(&l->timers);
    int64_t at = l->deferred ? l->now_ms : next ? next->key : KFK_TIME_NEVER;
    int64_t published = atomic_load(&l->wake_at_ms);
    if (published > l->now_ms && published < at) at = published;
    atomic_store(&l->wake_at_ms, at);
    l->asleep = true;
    return kfk_baton_leave(&l->baton) ? 0 : at;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

void kfk_op_init(kfk_op *op, void (*run)(kfk_task *), void (*destroy)(kfk_op *))
{
    op->task.run = run;
    kfk_ref_init(&op->ref);
    kfk_ref_hold(&op->ref);
    kfk_list_init(&op->waking);
    atomic_init(&op->state, OP_PENDING);
    op->finished = false;
    op->error.code = 0;
    op->error.text[0] = '\0';
    op->destroy = destroy;
}

void kfk_op_drop(kfk_op *op)
{
    if (kfk_ref_drop(&op->ref)) op->destroy(op);
}

void kfk_op_finish_loop(kfk_loop *l, kfk_op *op)
{
    assert(kfk_loop_held(l) && !op->finished);
    op->finished = true;
    kfk_list_push_back(&l->finished, &op->waking);
}

int kfk_op_wait(kfk_loop *l, kfk_op *op, int64_t deadline_ms)
{
    for (;;) {
        uint32_t state = atomic_load(&op->state);
        if (state == OP_DONE) return 0;
        if (state == OP_PENDING && !atomic_compare_exchange_strong(&op->state, &state, OP_PARKED)) continue;
        if (deadline_ms != KFK_TIME_NEVER && kfk_time_now_ms() >= deadline_ms) return KAFKA_ETIMEDOUT;
        if (kfk_loop_is_parents(l)) /* a callback forked, inside the turn of a manual loop: nobody ends it here */
            return kfk_error_set(&op->error, KAFKA_EFORKED, "the process was forked during the call");
        l->ops->park(l, &op->state, OP_PARKED, deadline_ms);
    }
}

/* ---- cancel tokens ----------------------------------------------------------------------------------------------- */

void kfk_watch_init(kfk_watch *w, void (*fired)(kfk_watch *))
{
    kfk_list_init(&w->node);
    w->token = NULL;
    w->fired = fired;
}

static bool is_watched(kfk_loop *l, const kfk_cancel *token)
{
    KFK_LIST_EACH (n, &l->watches) {
        if (KFK_CONTAINER(n, kfk_watch, node)->token == token) return true;
    }
    return false;
}

int kfk_loop_watch(kfk_loop *l, kfk_watch *w, kfk_cancel *token)
{
    assert(kfk_loop_held(l) && w->token == NULL);
    int err = is_watched(l, token) ? 0 : l->ops->watch(l, token);
    if (err != 0) return err;
    w->token = kfk_cancel_hold(token);
    kfk_list_push_back(&l->watches, &w->node);
    return 0;
}

const char *kfk_loop_watch_refused(int code)
{
    return code == KAFKA_ENOMEM
               ? "no memory to watch the cancel token"
               : "the cancel token cannot be watched, the system gives no descriptor for it; if there are "
                 "too few, raise the limit on open files (ulimit -n)";
}

void kfk_loop_unwatch(kfk_loop *l, kfk_watch *w)
{
    assert(kfk_loop_held(l));
    kfk_cancel *token = w->token;
    kfk_list_remove(&w->node); /* it may be among those that kfk_loop_token_fired is about to call */
    if (token == NULL) return;
    w->token = NULL;
    if (!is_watched(l, token)) l->ops->unwatch(l, token);
    kfk_cancel_drop(token);
}

void kfk_loop_token_fired(kfk_loop *l, kfk_cancel *token)
{
    kfk_list fired;
    size_t held = 0;
    kfk_list_init(&fired);
    KFK_LIST_EACH (n, &l->watches) {
        kfk_watch *w = KFK_CONTAINER(n, kfk_watch, node);
        if (w->token != token) continue;
        w->token =
            NULL; /* off from here on: the backend is told once, whatever those who are called do to the others */
        held++;
        kfk_list_remove(n);
        kfk_list_push_back(&fired, n);
    }
    if (held == 0) return;
    l->ops->unwatch(l, token);
    for (kfk_list *n; (n = kfk_list_first(&fired)) != NULL;) {
        kfk_watch *w = KFK_CONTAINER(n, kfk_watch, node);
        kfk_list_remove(n);
        w->fired(w);
    }
    while (held-- > 0) kfk_cancel_drop(token);
}

/* ---- streams, names, helper threads ------------------------------------------------------------------------------ */

int kfk_loop_connect(kfk_loop *l, const kfk_address *to, const kfk_connect_options *options, kfk_stream **out,
                     kfk_error *err)
{
    static const kfk_connect_options nothing_particular;
    assert(kfk_loop_held(l));
    return l->ops->connect(l, to, options ? options : &nothing_particular, out, err);
}

int kfk_loop_adopt(kfk_loop *l, int fd, kfk_stream **out, kfk_error *err)
{
    return l->ops->adopt(l, fd, out, err);
}

int kfk_loop_listen(kfk_loop *l, const kfk_address *at, kfk_listener **out, kfk_error *err)
{
    assert(kfk_loop_held(l));
    return l->ops->listen(l, at, out, err);
}

kfk_lookup *kfk_lookup_new(const char *host, uint16_t port, void (*done)(kfk_lookup *), void *owner)
{
    kfk_lookup *lookup = kfk_mem_zalloc(sizeof *lookup);
    if (!lookup) return NULL;
    snprintf(lookup->host, sizeof lookup->host, "%s", host);
    lookup->port = port;
    lookup->done = done;
    atomic_init(&lookup->abandoned, false);
    lookup->owner = owner;
    return lookup;
}

int kfk_loop_lookup(kfk_loop *l, kfk_lookup *lookup)
{
    assert(kfk_loop_held(l));
    return l->ops->lookup(l, lookup);
}

void kfk_lookup_abandon(kfk_lookup *lookup)
{
    lookup->done = NULL;
    atomic_store(&lookup->abandoned, true);
    if (lookup->let_go) lookup->let_go(lookup);
}

void kfk_lookup_free(kfk_lookup *lookup)
{
    kfk_mem_free(lookup);
}

int kfk_loop_work(kfk_loop *l, kfk_job *job)
{
    return l->ops->work(l, job);
}

bool kfk_loop_unwork(kfk_loop *l, kfk_job *job)
{
    return l->ops->unwork(l, job);
}

int kfk_loop_resolve(kfk_loop *l, const char *host, uint16_t port, kfk_address *found, size_t *count, kfk_error *err)
{
    return l->ops->resolve(l, host, port, found, count, err);
}
