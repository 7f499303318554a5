/* What threads wait for: room, a flush, the end.
 *
 * Room is given out in the order of coming. A waiter is told when the budget has what its record takes; it then tries
 * again, and may find that somebody was faster, who had not to wait. While anybody waits all open batches are ready.
 *
 * A flush waits for the batches that were there when it began. It swaps out what is open, on the caller's thread, which
 * also seals it. Batches have serial numbers in the order in which the producer first saw them, so what it waits for is
 * that none up to a number is outstanding; those that other threads were still sealing are waited for one by one. */
#include "base/mem.h"
#include "base/time.h"
#include "engine/limit.h"
#include "engine/producer_impl.h"

typedef enum op_kind { OP_ROOM, OP_FLUSH, OP_CLOSE } op_kind;

/* A partition whose batches are being sealed. */
typedef struct sealing {
    kfk_producer_partition *partition;
    uint64_t popped; /* until so many have come out of it */
} sealing;

typedef struct wait {
    kfk_op op;
    kfk_list node;
    op_kind kind;
    kfk_producer *producer;
    kfk_producer_topic *topic; /* OP_ROOM */
    size_t bytes;
    kfk_limit limit;
    int64_t deadline_ms;
    kfk_cancel *token;
    sealing *sealing;
    size_t sealing_count, sealing_cap;
    bool numbered; /* nothing is being sealed any more: `serial` counts */
    uint64_t serial;
    bool done;
} wait;

enum { RECORD_BESIDE = 128 };

/* ---- ending ------------------------------------------------------------------------------------------------------ */

static void finish(wait *w)
{
    kfk_producer *p = w->producer;
    if (w->done) return;
    w->done = true;
    kfk_list_remove(&w->node);
    kfk_limit_stop_loop(p->loop, &w->limit);
    if (w->kind == OP_ROOM) kfk_slots_wait_end(p->slots);
    if (w->kind == OP_CLOSE) p->closes--;
    kfk_op_finish_loop(p->loop, &w->op);
}

static void destroy(kfk_op *op)
{
    wait *w = KFK_CONTAINER(op, wait, op);
    kfk_cancel_drop(w->token);
    kfk_producer_drop(w->producer);
    kfk_mem_free(w->sealing);
    kfk_mem_free(w);
}

static void limit_hit(kfk_limit *limit, int code)
{
    static const char *const doing[] = {"waiting for room in the buffer", "flushing", "closing"};
    wait *w = KFK_CONTAINER(limit, wait, limit);
    kfk_producer *p = w->producer;
    kfk_error why;
    char oldest[500];
    size_t left = 0;
    KFK_LIST_EACH (n, &p->outstanding) left++;
    kfk_producer_describe_loop(p, oldest, sizeof oldest);
    kfk_error_set(&w->op.error, code, "%s: %s, %zu batches have no outcome yet%s%s", doing[w->kind],
                  code == KAFKA_ETIMEDOUT ? "the time is up" : "canceled", left, oldest[0] ? "; the oldest: " : "",
                  oldest);
    kfk_producer_hold(p);
    if (w->kind == OP_CLOSE) { /* what is left has failed before the caller knows */
        kfk_error_set(&why, KAFKA_ECANCELED, "the writer was closed before it had an outcome");
        kfk_producer_stop_loop(p, &why);
    }
    if (w->kind != OP_CLOSE || p->finished) finish(w); /* a batch that is just being sealed fails after that */
    kfk_producer_drop(p);
}

/* ---- room -------------------------------------------------------------------------------------------------------- */

/* The smallest slot that holds it, and what stands beside it. */
static size_t slot_for(size_t bytes)
{
    size_t need = bytes + RECORD_BESIDE;
    for (unsigned size = 0; size < KFK_SLOT_SIZES; size++) {
        if (need <= kfk_slot_bytes(size)) return kfk_slot_bytes(size);
    }
    return need;
}

static void serve_rooms(kfk_producer *p)
{
    size_t limit = kfk_slots_limit(p->slots), used = kfk_slots_used(p->slots);
    size_t unknown = kfk_slots_used_unknown(p->slots), most_unknown = limit / 4;
    KFK_LIST_EACH (n, &p->rooms) {
        wait *w = KFK_CONTAINER(n, wait, node);
        size_t need = slot_for(w->bytes);
        bool fits = need >= limit ? used == 0 : used + need <= limit;
        bool lobby = w->topic && !atomic_load(&w->topic->maps.now);
        if (lobby && fits) fits = need >= most_unknown ? unknown == 0 : unknown + need <= most_unknown;
        if (lobby && !fits) continue; /* it must not hold up the others */
        if (!fits) return;
        used += need;
        if (lobby) unknown += need;
        finish(w);
    }
}

/* ---- flush and close --------------------------------------------------------------------------------------------- */

static void note_sealing(kfk_producer_partition *pt, void *arg)
{
    wait *w = arg;
    kfk_partition_look_loop(pt, false);
    kfk_partition_settle_loop(pt);
    if (pt->view.queued == 0 || w->kind == OP_CLOSE) return; /* a close waits for the end of everything */
    if (w->sealing_count == w->sealing_cap) {
        size_t cap = w->sealing_cap > 0 ? w->sealing_cap * 2 : 8;
        sealing *more = kfk_mem_realloc(w->sealing, cap * sizeof *more);
        if (!more) {
            kfk_error_set(&w->op.error, KAFKA_ENOMEM, "no memory for a flush");
            return;
        }
        w->sealing = more;
        w->sealing_cap = cap;
    }
    w->sealing[w->sealing_count++] = (sealing){pt, pt->popped + (uint64_t)pt->view.queued};
}

static bool is_flushed(wait *w)
{
    const kfk_producer *p = w->producer;
    while (w->sealing_count > 0) {
        const sealing *s = &w->sealing[w->sealing_count - 1];
        if (s->partition->popped < s->popped) return false;
        w->sealing_count--;
    }
    if (!w->numbered) {
        w->numbered = true;
        w->serial = p->serial;
    }
    kfk_list *n = kfk_list_first(&p->outstanding);
    return !n || KFK_CONTAINER(n, kfk_produce_batch, producer.outstanding)->producer.serial > w->serial;
}

static void serve_flushes(kfk_producer *p)
{
    KFK_LIST_EACH (n, &p->flushes) {
        wait *w = KFK_CONTAINER(n, wait, node);
        if (w->kind == OP_CLOSE ? p->finished : is_flushed(w)) finish(w);
    }
}

void kfk_producer_ops_serve_loop(kfk_producer *p)
{
    static const kfk_error nothing = {.code = KAFKA_ECLOSED, .text = "the writer was closed"};
    if (p->closing && !p->stopped && kfk_producer_is_empty_loop(p)) kfk_producer_stop_loop(p, &nothing);
    kfk_producer_finish_loop(p);
    if (p->stopped) {
        KFK_LIST_EACH (n, &p->rooms) {
            wait *w = KFK_CONTAINER(n, wait, node);
            kfk_error_set(&w->op.error, KAFKA_ECLOSED, "the writer was closed");
            finish(w);
        }
    }
    if (!kfk_list_empty(&p->rooms)) serve_rooms(p);
    serve_flushes(p);
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static void begin_room(wait *w)
{
    kfk_producer *p = w->producer;
    kfk_slots_wait_begin(p->slots);
    kfk_list_push_back(&p->rooms, &w->node);
    if (p->closing) kfk_error_set(&w->op.error, KAFKA_ECLOSED, "the writer was closed");
    KFK_LIST_EACH (n, &p->brokers) { /* what rests is ready now */
        kfk_broker_dirty_loop(KFK_CONTAINER(n, kfk_producer_broker, node));
    }
}

static void begin_flush(wait *w)
{
    kfk_producer *p = w->producer;
    if (w->kind == OP_CLOSE) {
        p->closes++;
        p->closing = true;
        kfk_producer_refuse_appends_loop(p, false);
        KFK_LIST_EACH (n, &p->rooms) {
            wait *room = KFK_CONTAINER(n, wait, node);
            kfk_error_set(&room->op.error, KAFKA_ECLOSED, "the writer was closed");
            finish(room);
        }
    }
    kfk_list_push_back(&p->flushes, &w->node);
    kfk_producer_each_loop(p, note_sealing, w);
}

static void run(kfk_task *t)
{
    wait *w = KFK_CONTAINER(KFK_CONTAINER(t, kfk_op, task), wait, op);
    kfk_producer *p = w->producer;
    if (p->finished) {
        if (w->kind != OP_CLOSE) kfk_error_set(&w->op.error, KAFKA_ECLOSED, "the writer was closed");
        w->done = true;
        kfk_op_finish_loop(p->loop, &w->op);
        return;
    }
    kfk_producer_hold(p);
    kfk_producer_kicked_loop(p);
    if (w->kind == OP_ROOM)
        begin_room(w);
    else
        begin_flush(w);
    if (w->op.error.code != 0 && !w->done) finish(w);
    if (!w->done) {
        int err = kfk_limit_start_loop(p->loop, &w->limit, w->deadline_ms, w->token);
        if (err != 0) {
            kfk_error_set(&w->op.error, err, "%s", kfk_loop_watch_refused(err));
            finish(w);
        }
    }
    kfk_producer_pump_loop(p);
    kfk_producer_drop(p);
}

static wait *wait_new(kfk_producer *p, op_kind kind, int64_t deadline_ms, kfk_cancel *token)
{
    wait *w = kfk_mem_zalloc(sizeof *w);
    if (!w) return NULL;
    kfk_op_init(&w->op, run, destroy);
    kfk_list_init(&w->node);
    kfk_limit_init(&w->limit, limit_hit);
    w->kind = kind;
    w->producer = kfk_producer_hold(p);
    w->deadline_ms = deadline_ms;
    w->token = kfk_cancel_hold(token);
    return w;
}

int kfk_producer_room_new(kfk_producer *p, kfk_producer_topic *t, size_t bytes, int64_t deadline_ms, kfk_cancel *token,
                          kfk_op **out)
{
    wait *w = wait_new(p, OP_ROOM, deadline_ms, token);
    if (!w) return KAFKA_ENOMEM;
    w->topic = t;
    w->bytes = bytes;
    *out = &w->op;
    return 0;
}

/* Swaps out all that is open, on this thread, and seals it. `code` != 0: nothing more is accepted. */
static void swap_out_all(kfk_producer *p, int code)
{
    kfk_accum_call call = {.now_ms = kfk_time_now_ms()}, lobby = call;
    for (kfk_producer_topic *t = NULL; (t = kfk_producer_topic_next(p, t)) != NULL;) {
        kfk_producer_map *map = kfk_producer_topic_map(t);
        if (code != 0)
            kfk_accum_close(&t->lobby.accum, code, &lobby);
        else
            kfk_accum_swap_out(&t->lobby.accum, &lobby);
        for (size_t i = 0; map && i < map->count; i++) {
            kfk_accum *a = &map->partitions[i]->accum;
            if (code != 0)
                kfk_accum_close(a, code, &call);
            else
                kfk_accum_swap_out(a, &call);
        }
        kfk_producer_map_drop(map);
    }
    kfk_producer_seal_plain(&lobby);
    if (call.seals) kfk_accum_seal(&call);
    kfk_producer_deliver(p, &lobby);
    kfk_producer_deliver(p, &call);
}

int kfk_producer_flush_new(kfk_producer *p, int64_t deadline_ms, kfk_cancel *token, kfk_op **out)
{
    wait *w = wait_new(p, OP_FLUSH, deadline_ms, token);
    if (!w) return KAFKA_ENOMEM;
    swap_out_all(p, 0);
    *out = &w->op;
    return 0;
}

int kfk_producer_close_new(kfk_producer *p, int64_t deadline_ms, kfk_cancel *token, kfk_op **out)
{
    wait *w = wait_new(p, OP_CLOSE, deadline_ms, token);
    if (!w) return KAFKA_ENOMEM;
    kfk_lock_take(&p->lock);
    atomic_store(&p->closed, true);
    kfk_lock_give(&p->lock);
    swap_out_all(p, KAFKA_ECLOSED);
    *out = &w->op;
    return 0;
}
