/* One broker: which of its partitions may go, and when a request is worth it.
 *
 * Partitions stand in two lists. The *ready* ones may go whenever a request goes. The *resting* ones have an open batch
 * that is not ready: it goes when nothing at all is in flight to the broker (then waiting would gain nothing) or when
 * memory is wanted. So an idle writer sends at once and a busy one fills its batches for a millisecond at least.
 *
 *   in flight   what a request takes
 *   0           everything
 *   1           ready ones
 *   2, 3, 4     ready ones, if they bring 64 KiB
 *
 * One that follows another closely has to bring more, or a broker that answers in 50 us would be given the few messages
 * that one fast thread writes in so short a time, at the price of a system call each: 64 KiB for each of its
 * partitions, or 1 MiB, or a batch that is full by its bytes, flushed, awaited, overdue or sent again. What is less
 * waits for a millisecond. Where messages come so fast that a millisecond brings 64 KiB and more, but spread over many
 * partitions, it waits as long as it takes to bring 64 KiB for each, 5 ms at most, and not longer than it takes to fill
 * a request: batches would else be small just when there are many. Whoever writes less never waits for this.
 *
 * A request that waits for its connection, or for the socket to take more, is not filled yet: it takes what is there
 * when its turn comes. There is one of these at a time. */
#include "base/mem.h"
#include "base/time.h"
#include "engine/producer_impl.h"
#include <string.h>

void kfk_broker_dirty_loop(kfk_producer_broker *br)
{
    if (kfk_list_empty(&br->dirty_node)) kfk_list_push_back(&br->producer->dirty, &br->dirty_node);
}

void kfk_broker_list_loop(kfk_producer_broker *br, kfk_producer_partition *pt, kfk_listing listing, size_t worth,
                          bool urgent)
{
    if (pt->listing == KFK_READY) {
        br->ready_count--;
        br->worth -= pt->worth;
        br->urgent -= pt->urgent;
    }
    if (pt->listing != listing) {
        kfk_list_remove(&pt->listed);
        if (listing != KFK_UNLISTED) kfk_list_push_back(listing == KFK_READY ? &br->ready : &br->resting, &pt->listed);
    }
    pt->listing = listing;
    pt->worth = worth;
    pt->urgent = urgent;
    if (listing == KFK_READY) {
        br->ready_count++;
        br->worth += worth;
        br->urgent += urgent;
    }
    if (listing != KFK_UNLISTED) kfk_broker_dirty_loop(br);
}

/* What as many batches should bring. */
static size_t worthy_bytes(size_t batches)
{
    size_t bytes = batches * KFK_PRODUCER_WORTH_BYTES;
    return bytes < KFK_PRODUCER_REQUEST_BYTES ? bytes : KFK_PRODUCER_REQUEST_BYTES;
}

/* Worth a request, however soon after another one. */
static bool is_much(const kfk_producer_broker *br)
{
    return br->urgent > 0 || (br->ready_count > 0 && br->worth >= worthy_bytes(br->ready_count)) ||
           br->producer->closing || kfk_slots_wanted(br->producer->slots);
}

static bool is_worth_it(kfk_producer_broker *br)
{
    kfk_loop *l = br->producer->loop;
    int in_flight = atomic_load_explicit(&br->in_flight, memory_order_relaxed);
    bool ready = br->ready_count > 0, resting = !kfk_list_empty(&br->resting);
    if (in_flight >= KFK_PRODUCER_IN_FLIGHT || br->unfilled) return false;
    if (in_flight > 0 && kfk_slots_wanted(br->producer->slots) && resting) return true;
    if (!ready && (in_flight > 0 || !resting)) return false;
    if (is_much(br)) return true;
    if (in_flight > 1 && br->worth < KFK_PRODUCER_WORTH_BYTES) return false;
    if (kfk_broker_rested(br, kfk_loop_now_ms(l))) return true;
    kfk_loop_timer_set(l, &br->timer, kfk_broker_rested_ms(br));
    return false;
}

static void wait_until(kfk_producer_broker *br, int64_t at_ms)
{
    br->not_before_ms = at_ms;
    kfk_loop_timer_set(br->producer->loop, &br->timer, at_ms);
}

/* Its partitions have to look for another leader; or it comes back. */
static void search_all(kfk_producer_broker *br)
{
    kfk_list *lists[] = {&br->ready, &br->resting};
    for (int i = 0; i < 2; i++) {
        KFK_LIST_EACH (n, lists[i]) {
            kfk_producer_search_loop(KFK_CONTAINER(n, kfk_producer_partition, listed)->topic);
        }
    }
}

void kfk_broker_unreachable_loop(kfk_producer_broker *br, const kfk_error *why)
{
    br->unreachable = true;
    br->failure = *why;
    search_all(br);
}

/* Its connection, if there can be one now. */
static kfk_broker *link_to(kfk_producer_broker *br)
{
    kfk_producer *p = br->producer;
    kfk_broker *link = NULL;
    kfk_error why = {0};
    int64_t now = kfk_loop_now_ms(p->loop), retry_at = now;
    int err = kfk_cluster_link_loop(p->cluster, br->id, KFK_LINK_PRODUCE, &link, &retry_at, &why);
    if (err == 0) return link;
    if (err == KAFKA_ERR_BROKER_NOT_AVAILABLE) kfk_cluster_refresh_loop(p->cluster);
    wait_until(br, err == KAFKA_EAGAIN && retry_at > now ? retry_at : kfk_time_add(now, KFK_PRODUCER_RETRY_MS));
    if (err != KAFKA_ENOMEM) kfk_broker_unreachable_loop(br, &why);
    return NULL;
}

void kfk_broker_drain_loop(kfk_producer_broker *br)
{
    kfk_producer *p = br->producer;
    while (!p->stopped && br->not_before_ms <= kfk_loop_now_ms(p->loop) && is_worth_it(br)) {
        kfk_broker *link = link_to(br);
        if (!link) return;
        if (kfk_producer_request_send_loop(br, link) != 0) {
            wait_until(br, kfk_time_add(kfk_loop_now_ms(p->loop), KFK_PRODUCER_RETRY_MS));
            return;
        }
        atomic_store_explicit(&br->sent_ms, kfk_loop_now_ms(p->loop), memory_order_relaxed);
    }
}

void kfk_broker_pause_loop(kfk_producer_broker *br, int64_t ms)
{
    if (ms <= 0) return; /* most answers: a timer for nothing costs a turn */
    int64_t until = kfk_time_add(kfk_loop_now_ms(br->producer->loop), ms);
    if (until > br->not_before_ms) wait_until(br, until);
}

/* ---- brokers that are silent ------------------------------------------------------------------------------------- */

static void doubt(kfk_producer_broker *br, kfk_producer_topic *t)
{
    for (int32_t i = 0; i < t->count && t->watch.on; i++) {
        const kfk_producer_partition *pt = t->partitions[i];
        if (pt->broker == br && !kfk_list_empty(&pt->sequence.copies))
            kfk_cluster_stale_loop(br->producer->cluster, t->watch.topic, i, pt->leader, pt->leader_epoch);
    }
}

/* It may be gone without a word: metadata tells, again and again, so that nobody waits for write_timeout_ms. */
static void suspect(kfk_timer *timer)
{
    kfk_producer_broker *br = KFK_CONTAINER(timer, kfk_producer_broker, suspicion);
    kfk_producer *p = br->producer;
    int64_t now = kfk_loop_now_ms(p->loop), due = kfk_time_add(br->heard_ms, KFK_PRODUCER_SUSPECT_MS);
    if (atomic_load_explicit(&br->in_flight, memory_order_relaxed) == 0 || p->stopped) return;
    if (due <= now) {
        due = kfk_time_add(now, KFK_PRODUCER_SUSPECT_AGAIN_MS);
        for (kfk_producer_topic *t = NULL; (t = kfk_producer_topic_next(p, t)) != NULL;) doubt(br, t);
    }
    kfk_loop_timer_set(p->loop, &br->suspicion, due);
}

void kfk_broker_heard_loop(kfk_producer_broker *br)
{
    br->heard_ms = kfk_loop_now_ms(br->producer->loop);
}

/* How long the next request waits: until each of as many batches has 64 KiB, if what comes in makes that so soon and a
 * request holds as much. */
static int32_t next_pace_ms(size_t batches, size_t bytes, int64_t took_ms)
{
    size_t a_ms = bytes / (took_ms > 1 ? (size_t)took_ms : 1);
    if (a_ms < KFK_PRODUCER_WORTH_BYTES) return KFK_PRODUCER_PACE_MS;
    size_t ms = (worthy_bytes(batches) + a_ms - 1) / a_ms;
    return ms < KFK_PRODUCER_PACE_MOST_MS ? (int32_t)ms : KFK_PRODUCER_PACE_MOST_MS;
}

void kfk_broker_sent_loop(kfk_producer_broker *br, size_t batches, size_t bytes)
{
    int64_t now = kfk_loop_now_ms(br->producer->loop);
    atomic_store_explicit(&br->pace_ms, next_pace_ms(batches, bytes, now - br->filled_ms), memory_order_relaxed);
    br->filled_ms = now;
    if (atomic_load_explicit(&br->in_flight, memory_order_relaxed) == 1) kfk_broker_heard_loop(br);
    if (!kfk_timer_is_set(&br->suspicion))
        kfk_loop_timer_set(br->producer->loop, &br->suspicion, kfk_time_add(br->heard_ms, KFK_PRODUCER_SUSPECT_MS));
}

static void timer_due(kfk_timer *timer)
{
    kfk_producer_broker *br = KFK_CONTAINER(timer, kfk_producer_broker, timer);
    kfk_broker_dirty_loop(br);
    kfk_producer_pump_loop(br->producer);
}

kfk_producer_broker *kfk_producer_broker_get_loop(kfk_producer *p, int32_t id)
{
    KFK_LIST_EACH (n, &p->brokers) {
        kfk_producer_broker *br = KFK_CONTAINER(n, kfk_producer_broker, node);
        if (br->id == id) return br;
    }
    kfk_producer_broker *br = kfk_mem_zalloc(sizeof *br);
    if (!br) return NULL;
    br->producer = p;
    br->id = id;
    atomic_init(&br->pace_ms, KFK_PRODUCER_PACE_MS);
    kfk_list_init(&br->dirty_node);
    kfk_list_init(&br->ready);
    kfk_list_init(&br->resting);
    kfk_list_init(&br->spare);
    kfk_timer_init(&br->timer, timer_due);
    kfk_timer_init(&br->suspicion, suspect);
    kfk_list_push_back(&p->brokers, &br->node);
    return br;
}

void kfk_producer_broker_free(kfk_producer_broker *br)
{
    for (kfk_list *n; (n = kfk_list_first(&br->spare)) != NULL;) {
        kfk_list_remove(n);
        kfk_producer_request_free(n);
    }
    kfk_mem_free(br);
}
