/* From a batch's outcome to those who want to know.
 *
 * The producer tells an outcome under the baton, on whatever thread holds it. The application is called back on the
 * thread that turns the loop only, so batches wait in `untold` until it comes round; they keep their memory for so
 * long, and with it their claim to the budget, so that callbacks that cannot keep up slow the writer down instead of
 * letting it grow. Calls that wait for messages of a batch are ended after its callbacks have run.
 *
 * Nothing here may fail: what a callback is given comes from a few messages of reserve when there is no memory, and a
 * reason that cannot be kept is replaced by the text of its code. */
#include "api/writer.h"
#include "base/mem.h"
#include "base/thread.h"
#include <string.h>

enum { MOST_AT_ONCE = 1024, RESERVE = 8 };

/* ---- calls that wait --------------------------------------------------------------------------------------------- */

static const kfk_waiting_side *waiting_part(const kafka_writer *w, const void *side)
{
    const char *at = side;
    return (const void *)(w->config->on_delivery ? at + sizeof(kfk_told_side) : at);
}

/* Messages of one call stand one behind the other: they end it together. */
static void settle_calls(kafka_writer *w, kfk_produce_batch *b, const kfk_error *err)
{
    kfk_side_iter sides;
    kfk_write_call *call = NULL;
    int64_t run = 0;
    if (w->config->async) return;
    kfk_side_iter_init(&sides, b);
    for (const void *side; (side = kfk_side_iter_next(&sides)) != NULL; run++) {
        const kfk_waiting_side *at = waiting_part(w, side);
        if (call && at->call != call) {
            kfk_write_call_ended_loop(call, run);
            run = 0;
        }
        call = at->call;
        kfk_write_call_outcome_loop(call, (size_t)at->index, b->producer.written, err);
    }
    if (call) kfk_write_call_ended_loop(call, run);
}

/* ---- callbacks --------------------------------------------------------------------------------------------------- */

/* Why a batch failed, until it is told. The batch itself has a place for it, made for batches that cannot be sealed. */
static void keep_reason(kfk_produce_batch *b, const kfk_error *err)
{
    b->seal_code = err ? err->code : 0;
    if (!err) return;
    if (!b->seal_error) b->seal_error = kfk_mem_alloc(sizeof *b->seal_error);
    if (b->seal_error && b->seal_error != err) *b->seal_error = *err;
}

static const kfk_error *reason_of(const kfk_produce_batch *b, kfk_error *reserve)
{
    if (b->seal_code == 0) return NULL;
    if (b->seal_error) return b->seal_error;
    kfk_error_set(reserve, b->seal_code, "%s", kafka_strerror(b->seal_code));
    return reserve;
}

/* Room for the messages of a callback; *cap is how many at once. What is the same in every outcome stands there. */
static kafka_message *room_for(kafka_writer *w, size_t count, kafka_message reserve[RESERVE], size_t *cap)
{
    if (count > MOST_AT_ONCE) count = MOST_AT_ONCE;
    if (w->message_cap < count) {
        kfk_mem_free(w->messages);
        w->messages = kfk_mem_array(count, sizeof *w->messages);
        w->message_cap = w->messages ? count : 0;
        for (size_t i = 0; i < w->message_cap; i++) w->messages[i] = (kafka_message){.leader_epoch = -1};
    }
    *cap = w->messages ? w->message_cap : RESERVE;
    for (size_t i = 0; !w->messages && i < RESERVE; i++) reserve[i] = (kafka_message){.leader_epoch = -1};
    return w->messages ? w->messages : reserve;
}

static void call_back(kafka_writer *w, const kafka_message *messages, size_t count, const kfk_error *err)
{
    kfk_thread saved;
    kfk_thread_callback_begin(&saved, err);
    w->config->on_delivery(w->config->on_delivery_userdata, messages, count, err ? err->code : 0);
    kfk_thread_callback_end(&saved);
}

/* What all messages of a batch are told, and the offset of the next one. */
typedef struct outcome {
    const char *topic;
    int64_t offset, append_time_ms; /* -1 = not known */
    int32_t partition;
    kafka_written written;
} outcome;

static void fill_in(kafka_message *m, size_t count, outcome *o, const kfk_told_side *side, size_t side_size)
{
    const outcome all = *o; /* which no store below can change */
    int64_t offset = all.offset, step = offset >= 0;
    o->offset += step * (int64_t)count;
    for (const kafka_message *end = m + count; m < end; m++, offset += step) {
        m->topic = all.topic;
        m->partition = all.partition;
        m->written = all.written;
        m->offset = offset;
        m->time_ms = all.append_time_ms >= 0 ? all.append_time_ms : side->time_ms;
        m->userdata = side->userdata;
        side = (const void *)((const char *)side - side_size); /* they grow downwards */
    }
}

static void call_back_about(kafka_writer *w, kfk_produce_batch *b, const kfk_error *err)
{
    const kfk_producer_batch *p = &b->producer;
    kafka_message reserve[RESERVE];
    size_t cap, run, filled = 0;
    kafka_message *messages = room_for(w, (size_t)kfk_produce_batch_count(b), reserve, &cap);
    outcome o = {
        .topic = kfk_producer_topic_name(kfk_producer_partition_topic(p->partition)),
        .offset = err || p->base_offset < 0 ? -1 : p->base_offset,
        .append_time_ms = p->append_time_ms,
        .partition = kfk_producer_partition_id(p->partition),
        .written = p->written,
    };
    kfk_side_iter sides;
    kfk_side_iter_init(&sides, b);
    for (const kfk_told_side *side; (side = kfk_side_iter_run(&sides, cap - filled, &run)) != NULL;) {
        fill_in(messages + filled, run, &o, side, b->side_size);
        filled += run;
        if (filled < cap) continue;
        call_back(w, messages, filled, err);
        filled = 0;
    }
    if (filled > 0) call_back(w, messages, filled, err);
}

static void tell_all(kafka_writer *w)
{
    kfk_error reserve;
    for (kfk_list *n; (n = kfk_list_first(&w->untold)) != NULL;) {
        kfk_list_remove(n);
        kfk_produce_batch *b = KFK_CONTAINER(n, kfk_produce_batch, node);
        const kfk_error *err = reason_of(b, &reserve);
        call_back_about(w, b, err);
        settle_calls(w, b, err);
        kfk_producer_batch_free(b);
    }
}

/* ---- waiting for callbacks --------------------------------------------------------------------------------------- */

static void drain_finish(kfk_writer_drain *d)
{
    kfk_list_remove(&d->node);
    kfk_limit_stop_loop(d->writer->loop, &d->limit);
    kfk_op_finish_loop(d->writer->loop, &d->op);
}

static void drain_hit(kfk_limit *limit, int code)
{
    kfk_writer_drain *d = KFK_CONTAINER(limit, kfk_writer_drain, limit);
    kfk_error_set(&d->op.error, code, "%s while delivery callbacks were still to be run",
                  code == KAFKA_ETIMEDOUT ? "the deadline passed" : "canceled");
    drain_finish(d);
}

/* A batch that a thread is just sealing has its outcome after that, also when everything is stopped. */
static bool is_drained(const kfk_writer_drain *d)
{
    const kafka_writer *w = d->writer;
    return !w->tell_queued && (!d->stop || kfk_producer_is_finished_loop(w->producer));
}

static void serve_drains(kafka_writer *w)
{
    KFK_LIST_EACH (n, &w->waiting) {
        kfk_writer_drain *d = KFK_CONTAINER(n, kfk_writer_drain, node);
        if (is_drained(d)) drain_finish(d);
    }
}

static void drain_run(kfk_task *t)
{
    kfk_writer_drain *d = KFK_CONTAINER(t, kfk_writer_drain, op.task);
    kafka_writer *w = d->writer;
    if (d->stop) {
        kfk_error why = {0};
        kfk_error_set(&why, KAFKA_ECANCELED, "the writer was freed before it was known what became of the message");
        kfk_producer_stop_loop(w->producer, &why);
    }
    if (is_drained(d)) {
        drain_finish(d);
        return;
    }
    int err = kfk_limit_start_loop(w->loop, &d->limit, d->deadline_ms, d->token);
    if (err == 0) {
        kfk_list_push_back(&w->waiting, &d->node);
        return;
    }
    kfk_error_set(&d->op.error, err, "%s", kfk_loop_watch_refused(err));
    drain_finish(d);
}

void kfk_writer_drain_init(kfk_writer_drain *d, kafka_writer *w, int64_t deadline_ms, kfk_cancel *token,
                           void (*destroy)(kfk_op *))
{
    kfk_op_init(&d->op, drain_run, destroy);
    kfk_list_init(&d->node);
    kfk_limit_init(&d->limit, drain_hit);
    d->writer = w;
    d->deadline_ms = deadline_ms;
    d->token = token;
    d->stop = false;
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

void kfk_writer_tell(kfk_task *t)
{
    kafka_writer *w = KFK_CONTAINER(t, kafka_writer, tell);
    tell_all(w);
    w->tell_queued = false;
    serve_drains(w);
    kfk_writer_drop(w);
}

void kfk_writer_finished(void *writer)
{
    serve_drains(writer);
}

void kfk_writer_delivered(void *writer, kfk_produce_batch *b, const kfk_error *err)
{
    kafka_writer *w = writer;
    kfk_writer_counts_outcome(w, b, err == NULL);
    if (!w->config->on_delivery) {
        settle_calls(w, b, err);
        kfk_producer_batch_free(b);
        return;
    }
    keep_reason(b, err);
    kfk_list_push_back(&w->untold, &b->node);
    if (w->tell_queued) return;
    w->tell_queued = true;
    kfk_ref_hold(&w->ref);
    kfk_loop_defer(w->loop, &w->tell);
}
