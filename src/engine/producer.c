/* The object: its birth and end, the calls of writing threads, and how these tell it what they did.
 *
 * A call collects accumulators that the producer has not been told of. They go to a stack, and one task, which is on
 * its way at most once, takes the whole stack under the baton. Who ends a call runs that task by itself when the baton
 * is free; otherwise whoever has it does, and the thread goes on.
 *
 * After anything that happens the producer is *pumped*: brokers for which something may have changed are drained, then
 * those who wait (for room, for a flush, for the end) are served, then timers are set. A pump inside of a pump is left
 * to the outer one, since a request that is sent may be done before the function that sends it returns (acks none). */
#include "base/mem.h"
#include "base/time.h"
#include "engine/producer_impl.h"
#include <assert.h>
#include <string.h>

enum { ASKED_MS = 1, TRIM_MS = 10000 };

void kfk_producer_count(kfk_producer *p, int what, int64_t value)
{
    if (p->cfg.counted) p->cfg.counted(p->cfg.owner, what, value);
}

/* ---- kicks ------------------------------------------------------------------------------------------------------- */

/* Any thread: the task is on its way, once. */
static void tell(kfk_producer *p)
{
    if (atomic_exchange(&p->told, true)) return;
    kfk_producer_hold(p);
    kfk_loop *l = kfk_loop_hold(p->loop); /* a callback may free writer and loop before the submission is over */
    kfk_loop_submit(l, &p->kick);
    kfk_loop_drop(l);
}

static void push_kicks(kfk_producer *p, kfk_accum *first)
{
    kfk_accum *last = first;
    while (last->next_kick) last = last->next_kick;
    kfk_accum *head = atomic_load_explicit(&p->kicked, memory_order_relaxed);
    do {
        last->next_kick = head;
    } while (!atomic_compare_exchange_weak(&p->kicked, &head, first));
}

void kfk_producer_deliver(kfk_producer *p, kfk_accum_call *call)
{
    kfk_accum *first = call->kicks;
    bool room = call->room;
    call->kicks = NULL;
    call->room = false;
    if (first) push_kicks(p, first);
    if (first || room) tell(p);
}

/* The cluster needs the baton, so it is made with the first kick. */
static bool has_cluster(kfk_producer *p)
{
    if (p->cluster || p->stopped) return p->cluster != NULL;
    if (kfk_cluster_new_loop(&p->cfg.cluster, &p->cluster) == 0) {
        kfk_producer_ids_init(p);
        return true;
    }
    p->cluster = NULL;
    kfk_producer_retry_loop(p);
    return false;
}

void kfk_producer_kicked_loop(kfk_producer *p)
{
    kfk_accum *newest = atomic_exchange(&p->kicked, NULL), *oldest = NULL;
    while (newest) {
        kfk_accum *next = newest->next_kick;
        newest->next_kick = oldest;
        oldest = newest;
        newest = next;
    }
    if ((oldest || p->cluster) && has_cluster(p)) kfk_producer_topics_watch_loop(p);
    while (oldest) {
        kfk_producer_partition *pt = kfk_partition_of(oldest);
        oldest = oldest->next_kick; /* once it was looked at, it may be kicked again */
        kfk_partition_look_loop(pt, true);
        kfk_partition_settle_loop(pt);
    }
    kfk_producer_pump_loop(p);
}

static void kick_run(kfk_task *t)
{
    kfk_producer *p = KFK_CONTAINER(t, kfk_producer, kick);
    atomic_store(&p->told, false);
    kfk_producer_kicked_loop(p);
    kfk_producer_drop(p);
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

void kfk_producer_call_full(kfk_producer_call *c)
{
    kfk_accum_seal(&c->accum); /* while it is in the cache, and on its way while this thread fills the next */
    kfk_producer_deliver(c->producer, &c->accum);
}

int kfk_producer_call_wait(kfk_producer_call *c, kfk_producer_topic *t, const kafka_message *m, int64_t time_ms,
                           int32_t codec, const void *side)
{
    _Alignas(uint64_t) uint8_t with_partition[KFK_PRODUCER_SIDE_MOST];
    size_t size = c->producer->cfg.side_size;
    int64_t partition = m->partition;
    if (size > 0) memcpy(with_partition, side, size);
    memcpy(with_partition + size, &partition, sizeof partition);
    if (!c->told) c->lobby = (kfk_accum_call){.now_ms = c->accum.now_ms, .waits = c->waits};
    c->told = true;
    kfk_lock_take(&t->lock);
    int err = 1;
    if (!atomic_load(&t->maps.now))
        err = kfk_accum_append(&t->lobby.accum, &c->lobby, m, time_ms, codec, with_partition);
    kfk_lock_give(&t->lock);
    if (c->lobby.seals) {
        kfk_producer_seal_plain(&c->lobby);
        kfk_producer_deliver(c->producer, &c->lobby);
    }
    return err;
}

/* Could what was appended go out at once? Only then it is worth compressing it here. */
static bool has_room(const kfk_producer_partition *pt, const kfk_accum_call *call)
{
    kfk_producer_broker *br = atomic_load_explicit(&pt->pipe, memory_order_acquire);
    if (!br || !atomic_load_explicit(&pt->may_send, memory_order_relaxed)) return false;
    int in_flight = atomic_load_explicit(&br->in_flight, memory_order_relaxed);
    if (call->waits) return in_flight < KFK_PRODUCER_IN_FLIGHT;
    return in_flight == 0 && kfk_broker_rested(br, call->now_ms);
}

/* Pushes what is to be told. Is there anything? */
static bool push_news(kfk_producer_call *c, kfk_accum_call *of)
{
    bool any = of->kicks || of->room;
    if (of->kicks) push_kicks(c->producer, of->kicks);
    of->kicks = NULL;
    of->room = false;
    return any;
}

static bool seal_and_push(kfk_producer_call *c)
{
    for (kfk_accum *a = c->accum.kicks; a; a = a->next_kick) {
        if (a->config->codec != KFK_CODEC_NONE && has_room(kfk_partition_of(a), &c->accum))
            kfk_accum_swap_out(a, &c->accum);
    }
    if (c->accum.seals) kfk_accum_seal(&c->accum);
    bool tells = push_news(c, &c->accum);
    return (c->told && push_news(c, &c->lobby)) || tells;
}

void kfk_producer_call_seal(kfk_producer_call *c)
{
    seal_and_push(c);
}

void kfk_producer_call_tell(kfk_producer_call *c)
{
    bool tells = seal_and_push(c) || c->told;
    c->told = false;
    if (tells) tell(c->producer);
}

void kfk_producer_batch_drop(kfk_produce_batch *b)
{
    if (!kfk_ref_drop(&b->producer.uses)) return;
    kfk_producer *p = kfk_partition_producer(b->producer.partition);
    kfk_mem_free(b->producer.bad);
    kfk_mem_free(b->producer.why);
    if (kfk_produce_batch_free(b)) tell(p);
}

void kfk_producer_batch_free(kfk_produce_batch *b)
{
    kfk_producer_batch_drop(b);
}

/* ---- the pump ---------------------------------------------------------------------------------------------------- */

static void age(kfk_producer *p, int64_t now)
{
    kfk_list *n;
    while (p->cfg.batch_timeout_ms != KFK_TIME_NEVER && (n = kfk_list_first(&p->aging)) != NULL) {
        kfk_producer_partition *pt = KFK_CONTAINER(n, kfk_producer_partition, aging);
        if (kfk_time_add(pt->aging_ms, p->cfg.batch_timeout_ms) > now) break;
        kfk_list_remove(n);
        pt->overdue = true;
        kfk_partition_look_loop(pt, false);
        kfk_partition_settle_loop(pt);
    }
    while ((n = kfk_list_first(&p->asked)) != NULL) {
        kfk_producer_partition *pt = KFK_CONTAINER(n, kfk_producer_partition, asked_node);
        if (pt->asked_ms + ASKED_MS > now) break;
        kfk_list_remove(n);
        kfk_producer_seal_job_loop(pt);
    }
}

static void look_again(kfk_producer_partition *pt, void *arg)
{
    (void)arg;
    kfk_partition_look_loop(pt, false);
    kfk_partition_settle_loop(pt);
}

static void timer_due(kfk_timer *timer)
{
    kfk_producer *p = KFK_CONTAINER(timer, kfk_producer, timer);
    int64_t now = kfk_loop_now_ms(p->loop);
    kfk_producer_hold(p);
    if (p->retry_at_ms <= now) {
        p->retry_at_ms = KFK_TIME_NEVER;
        if (has_cluster(p)) kfk_producer_topics_watch_loop(p);
        kfk_producer_each_loop(p, look_again, NULL);
    }
    age(p, now);
    kfk_producer_pump_loop(p);
    kfk_producer_drop(p);
}

void kfk_producer_retry_loop(kfk_producer *p)
{
    if (p->retry_at_ms != KFK_TIME_NEVER) return;
    p->retry_at_ms = kfk_time_add(kfk_loop_now_ms(p->loop), KFK_PRODUCER_RETRY_MS);
}

/* A timer that is set too early fires for nothing; one that is moved for each batch would wake a sleeping loop. */
void kfk_producer_plan_loop(kfk_producer *p)
{
    int64_t at = p->retry_at_ms;
    kfk_list *n = kfk_list_first(&p->aging);
    if (n && p->cfg.batch_timeout_ms != KFK_TIME_NEVER) {
        int64_t due = kfk_time_add(KFK_CONTAINER(n, kfk_producer_partition, aging)->aging_ms, p->cfg.batch_timeout_ms);
        if (due < at) at = due;
    }
    n = kfk_list_first(&p->asked);
    if (n) {
        int64_t due = KFK_CONTAINER(n, kfk_producer_partition, asked_node)->asked_ms + ASKED_MS;
        if (due < at) at = due;
    }
    if (p->finished || at == KFK_TIME_NEVER) return;
    if (!kfk_timer_is_set(&p->timer) || kfk_timer_at_ms(&p->timer) > at) kfk_loop_timer_set(p->loop, &p->timer, at);
}

static void trim_due(kfk_timer *timer)
{
    kfk_producer *p = KFK_CONTAINER(timer, kfk_producer, trim);
    if (kfk_slots_trim(p->slots)) kfk_loop_timer_set(p->loop, timer, kfk_time_add(kfk_loop_now_ms(p->loop), TRIM_MS));
}

void kfk_producer_pump_loop(kfk_producer *p)
{
    kfk_list *n;
    p->pump_again = true;
    if (p->pumping) return;
    p->pumping = true;
    kfk_producer_hold(p);
    while (p->pump_again) {
        p->pump_again = false;
        while ((n = kfk_list_first(&p->dirty)) != NULL) {
            kfk_producer_broker *br = KFK_CONTAINER(n, kfk_producer_broker, dirty_node);
            kfk_list_remove(n);
            kfk_broker_drain_loop(br);
        }
        kfk_producer_ops_serve_loop(p);
    }
    p->pumping = false;
    kfk_producer_plan_loop(p);
    if (!p->finished && !kfk_timer_is_set(&p->trim))
        kfk_loop_timer_set(p->loop, &p->trim, kfk_time_add(kfk_loop_now_ms(p->loop), TRIM_MS));
    kfk_producer_drop(p);
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

void kfk_producer_adopt_loop(kfk_producer *p, kfk_produce_batch *b)
{
    b->producer.serial = ++p->serial;
    kfk_ref_init(&b->producer.uses);
    kfk_list_push_back(&p->outstanding, &b->producer.outstanding);
}

void kfk_producer_deliver_outcome_loop(kfk_producer *p, kfk_produce_batch *b, const kfk_error *why)
{
    kfk_list_remove(&b->producer.outstanding);
    bool by_limit = why && why->code != KAFKA_ECANCELED && (why->code <= KAFKA_EINVAL || b->producer.attempts == 0);
    if (by_limit) kfk_producer_count(p, KFK_COUNT_REFUSED, why->code);
    p->cfg.delivered(p->cfg.owner, b, why);
}

/* ---- birth ------------------------------------------------------------------------------------------------------- */

static void free_producer(kfk_producer *p)
{
    kfk_list *n;
    kfk_loop *l = p->loop;
    for (kfk_producer_topic *t; (t = kfk_producer_topic_next(p, NULL)) != NULL;) {
        kfk_map_remove(&p->topics, &t->by_name);
        kfk_producer_topic_free(t);
    }
    while ((n = kfk_list_first(&p->brokers)) != NULL) {
        kfk_list_remove(n);
        kfk_producer_broker_free(KFK_CONTAINER(n, kfk_producer_broker, node));
    }
    if (p->cluster) kfk_cluster_drop(p->cluster);
    kfk_map_fini(&p->topics);
    kfk_slots_drop(p->slots);
    kfk_lock_fini(&p->lock);
    kfk_mem_free(p->client_id);
    kfk_mem_free(p->bootstrap);
    kfk_mem_free(p);
    kfk_loop_drop(l);
}

static int copy_config(kfk_producer *p, const kfk_producer_config *cfg)
{
    const kfk_cluster_config *c = &cfg->cluster;
    p->cfg = *cfg;
    p->client_id = kfk_mem_strdup(c->connect.client_id);
    p->bootstrap = kfk_mem_array(c->bootstrap_count, sizeof *p->bootstrap);
    if (!p->client_id || !p->bootstrap) return KAFKA_ENOMEM;
    memcpy(p->bootstrap, c->bootstrap, c->bootstrap_count * sizeof *p->bootstrap);
    p->cfg.cluster.bootstrap = p->bootstrap;
    p->cfg.cluster.connect.client_id = p->client_id;
    if (c->connect.log) p->log = *c->connect.log;
    p->cfg.cluster.connect.log = &p->log;
    p->cfg.cluster.max_age_ms = cfg->rebalance_interval_ms;
    return 0;
}

static void set_up(kfk_producer *p, const kfk_producer_config *cfg)
{
    kfk_ref_init(&p->ref);
    p->kick.run = kick_run;
    kfk_map_init(&p->topics, 0);
    kfk_list_init(&p->fresh);
    kfk_list_init(&p->brokers);
    kfk_list_init(&p->dirty);
    kfk_list_init(&p->outstanding);
    kfk_list_init(&p->aging);
    kfk_list_init(&p->asked);
    kfk_list_init(&p->rooms);
    kfk_list_init(&p->flushes);
    kfk_timer_init(&p->timer, timer_due);
    kfk_timer_init(&p->trim, trim_due);
    p->retry_at_ms = KFK_TIME_NEVER;
    p->sequence_config = (kfk_sequence_config){
        .idempotence = cfg->idempotence && cfg->acks == -1, .acks = cfg->acks, .max_attempts = cfg->max_attempts};
    size_t least = KFK_RECORD_HEADER; /* below that nothing fits, as with that */
    p->accum_config = (kfk_accum_config){.slots = p->slots,
                                         .batch_bytes = cfg->batch_bytes > least ? cfg->batch_bytes : least,
                                         .batch_size = cfg->batch_size,
                                         .codec = cfg->codec,
                                         .level = cfg->level,
                                         .side_size = cfg->side_size};
    p->lobby_config = p->accum_config;
    p->lobby_config.side_size += (uint32_t)sizeof(int64_t); /* the partition that the message names */
}

int kfk_producer_new(const kfk_producer_config *cfg, kfk_producer **out)
{
    assert(cfg->side_size + sizeof(int64_t) <= KFK_PRODUCER_SIDE_MOST);
    kfk_producer *p = kfk_mem_zalloc(sizeof *p);
    if (!p) return KAFKA_ENOMEM;
    int err = copy_config(p, cfg);
    if (err == 0) err = kfk_slots_new(cfg->buffer_bytes, sizeof(kfk_produce_batch), &p->slots);
    if (err != 0) {
        kfk_slots_drop(p->slots);
        kfk_mem_free(p->client_id);
        kfk_mem_free(p->bootstrap);
        kfk_mem_free(p);
        return err;
    }
    kfk_lock_init(&p->lock);
    set_up(p, cfg);
    p->loop = kfk_loop_hold(cfg->cluster.connect.loop);
    kfk_loop_use(p->loop);
    *out = p;
    return 0;
}

kfk_producer *kfk_producer_hold(kfk_producer *p)
{
    kfk_ref_hold(&p->ref);
    return p;
}

void kfk_producer_drop(kfk_producer *p)
{
    if (!kfk_ref_drop(&p->ref)) return;
    assert(p->finished);
    free_producer(p);
}

kfk_loop *kfk_producer_loop(const kfk_producer *p)
{
    return p->loop;
}

bool kfk_producer_is_finished_loop(const kfk_producer *p)
{
    return p->finished;
}

void kfk_producer_abandon(kfk_producer *p)
{
    (void)p; /* its connections' descriptors are the loop's, which knows them */
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void refuse_appends(kfk_producer_partition *pt, void *arg)
{
    kfk_accum_call *call = arg;
    kfk_accum_close(&pt->accum, KAFKA_ECLOSED, call);
}

static void fail_all(kfk_producer_partition *pt, void *arg)
{
    (void)arg;
    kfk_partition_look_loop(pt, false);
    kfk_partition_settle_loop(pt);
    kfk_loop_timer_clear(kfk_partition_producer(pt)->loop, &pt->timer);
}

void kfk_producer_refuse_appends_loop(kfk_producer *p, bool plain)
{
    kfk_accum_call call = {.now_ms = kfk_loop_now_ms(p->loop)};
    kfk_lock_take(&p->lock);
    atomic_store(&p->closed, true);
    kfk_lock_give(&p->lock);
    kfk_producer_each_loop(p, refuse_appends, &call);
    if (plain)
        kfk_producer_seal_plain(&call);
    else
        kfk_producer_seal_list_job_loop(p, &call);
    if (call.kicks) push_kicks(p, call.kicks);
    kfk_producer_kicked_loop(p);
}

void kfk_producer_stop_loop(kfk_producer *p, const kfk_error *why)
{
    assert(kfk_loop_held(p->loop));
    if (p->stopped) return;
    kfk_producer_hold(p);
    p->stopped = true;
    p->stop_why = *why;
    kfk_producer_refuse_appends_loop(p, true);
    kfk_producer_topics_close_loop(p);
    kfk_producer_ids_close_loop(p);
    if (p->cluster) kfk_cluster_close_loop(p->cluster);
    kfk_producer_each_loop(p, fail_all, NULL);
    KFK_LIST_EACH (n, &p->brokers) {
        kfk_producer_broker *br = KFK_CONTAINER(n, kfk_producer_broker, node);
        kfk_loop_timer_clear(p->loop, &br->timer);
        kfk_loop_timer_clear(p->loop, &br->suspicion);
    }
    kfk_producer_pump_loop(p);
    kfk_producer_drop(p);
}

static void count_left(kfk_producer_partition *pt, void *arg)
{
    size_t *left = arg;
    if (!kfk_partition_is_empty(pt)) (*left)++;
}

bool kfk_producer_is_empty_loop(kfk_producer *p)
{
    size_t left = 0;
    if (!kfk_list_empty(&p->outstanding)) return false;
    kfk_producer_each_loop(p, count_left, &left);
    return left == 0;
}

void kfk_producer_finish_loop(kfk_producer *p)
{
    if (p->finished || !p->stopped || !kfk_producer_is_empty_loop(p)) return;
    p->finished = true;
    kfk_loop_timer_clear(p->loop, &p->timer);
    kfk_loop_timer_clear(p->loop, &p->trim);
    if (p->cfg.finished) p->cfg.finished(p->cfg.owner);
    kfk_loop_unuse(p->loop);
}
