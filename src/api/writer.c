/* A writer's life: birth, flush, close, free.
 *
 * Everything with a memory of its own between calls is in the producer (engine/producer.h); the writer is what callers
 * see of it. It holds a use of its loop, as every handle does; the producer has one of its own until it is closed, so a
 * writer that is freed in a callback can give its use up at once.
 *
 * When flush or close return 0 every callback has run: outcomes first (the producer's operation), then callbacks (a
 * drain). kafka_writer_free must not fail for want of memory: where close cannot be had, its own drain, which is part
 * of the writer, stops the producer instead. */
#include "api/writer.h"
#include "api/dialer.h"
#include "api/loop.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"
#include <string.h>

/* ---- birth ------------------------------------------------------------------------------------------------------- */

static kfk_cluster_config cluster_config(const kafka_writer *w, const kfk_log *log)
{
    const kfk_writer_settings *s = w->settings;
    const kafka_dialer *d = w->config->dialer;
    return (kfk_cluster_config){
        .connect =
            {
                .loop = w->loop,
                .client_id = d->client_id,
                .connect_timeout_ms = kfk_writer_number(d->timeout_ms, INT32_MAX),
                .fallback_delay_ms = d->fallback_delay_ms,
                .options = s->options,
                .resolver = d->resolver ? *d->resolver : (kafka_resolver){0},
                .dual_stack = !d->no_dual_stack,
                .log = log,
            },
        .bootstrap = s->addresses,
        .bootstrap_count = s->address_count,
        .shuffle = true,
        .create_topics = true,
        .request_timeout_ms = kfk_writer_number(w->config->read_timeout_ms, INT32_MAX),
    };
}

static int make_producer(kafka_writer *w)
{
    const kafka_writer_config *c = w->config;
    kfk_log log;
    kfk_log_init(&log, c->logger);
    w->codec = c->compression == KAFKA_COMPRESSION_NONE ? 0 : c->compression;
    w->side_size = (uint32_t)((c->on_delivery ? sizeof(kfk_told_side) : 0) + (c->async ? 0 : sizeof(kfk_waiting_side)));
    kfk_producer_config cfg = {
        .cluster = cluster_config(w, &log),
        .batch_timeout_ms = kfk_writer_number(c->batch_timeout_ms, KFK_TIME_NEVER),
        .delivery_timeout_ms = kfk_writer_number(c->delivery_timeout_ms, KFK_TIME_NEVER),
        .write_timeout_ms = kfk_writer_number(c->write_timeout_ms, KFK_TIME_NEVER),
        .rebalance_interval_ms = kfk_writer_number(c->rebalance_interval_ms, KFK_TIME_NEVER),
        .buffer_bytes = c->buffer_bytes == KAFKA_NEVER ? SIZE_MAX : (size_t)c->buffer_bytes,
        .batch_bytes = (size_t)kfk_writer_number(c->batch_bytes, INT32_MAX),
        .batch_size = (int32_t)kfk_writer_number(c->batch_size, INT32_MAX),
        .max_attempts = (int32_t)kfk_writer_number(c->max_attempts, INT32_MAX),
        .acks = c->required_acks == KAFKA_ACKS_NONE ? 0 : (int16_t)c->required_acks,
        .idempotence = w->settings->idempotence,
        .codec = w->codec,
        .level = c->compression_level,
        .side_size = w->side_size,
        .delivered = kfk_writer_delivered,
        .balance = kfk_writer_balance,
        .finished = kfk_writer_finished,
        .counted = kfk_writer_counts_event,
        .owner = w,
    };
    return kfk_producer_new(&cfg, &w->producer);
}

/* A name that cannot be one is told to whoever writes to it. */
static int find_own_topic(kafka_writer *w)
{
    kafka_bytes name = kafka_str(w->config->topic);
    if (!name.data) return 0;
    int code = kfk_producer_topic_get(w->producer, name, &w->topic);
    if (code != 0) return code == KAFKA_ENOMEM ? code : 0;
    w->balance = kfk_balancer_topic_of(w->balancer, name.data, name.len);
    if (!w->balance) return KAFKA_ENOMEM;
    w->java = kfk_balancer_hashes_as_java(w->balancer);
    w->maps = kfk_producer_topic_maps(w->topic);
    w->sure_of_one = kfk_balancer_is_sure_of_one(w->balancer);
    atomic_init(&w->quick, kfk_writer_can_be_quick(w));
    return 0;
}

/* What one has that was made as far as it got. */
static void take_down(kafka_writer *w)
{
    if (w->topic) kfk_producer_topic_drop(w->topic);
    if (w->producer) kfk_producer_drop(w->producer);
    kafka_balancer_free(w->balancer);
    kfk_writer_counts_fini(&w->counts);
    kfk_mem_free(w->messages);
    kfk_mem_free(w->settings);
    kfk_mem_free(w);
}

static kafka_writer *allocate(kfk_writer_settings *settings_take)
{
    kafka_writer *w = kfk_mem_zalloc(sizeof *w);
    if (!w) {
        kfk_mem_free(settings_take);
        return NULL;
    }
    kfk_ref_init(&w->ref);
    w->born = kfk_fork_generation();
    w->settings = settings_take;
    w->config = settings_take->config;
    w->tell.run = kfk_writer_tell;
    kfk_list_init(&w->untold);
    kfk_list_init(&w->waiting);
    atomic_init(&w->closed, false);
    atomic_init(&w->wall_read_ms, INT64_MIN);
    kfk_writer_counts_init(&w->counts);
    return w;
}

/* 0; KAFKA_ENOMEM, or what err says. What was made by then stays. */
static int equip(kafka_writer *w, kfk_error *err)
{
    kafka_writer_config *c = w->settings->config;
    w->balancer = c->balancer ? kfk_balancer_hold(c->balancer) : kafka_balancer_round_robin();
    if (!w->balancer) return KAFKA_ENOMEM;
    c->balancer = w->balancer;
    int code = kfk_loop_acquire(c->dialer->loop, &w->loop, err);
    if (code == 0) code = make_producer(w);
    return code == 0 ? find_own_topic(w) : code;
}

static void undo(kafka_writer *w)
{
    kfk_loop *l = w->loop;
    if (w->producer) {
        kafka_writer_free(w);
        return;
    }
    take_down(w);
    if (l) kfk_loop_release(l);
}

int kafka_writer_new_sized(const kafka_writer_config *cfg, size_t size, kafka_writer **out)
{
    kfk_error err = {0};
    kfk_writer_settings *settings;
    if (!out) return kfk_failf(NULL, KAFKA_EINVAL, "kafka_writer_new: out is NULL");
    int code = kfk_writer_settings_new(cfg, size, &settings, &err);
    if (code == 0) {
        kafka_writer *w = allocate(settings);
        code = w ? equip(w, &err) : KAFKA_ENOMEM;
        if (code == 0) {
            *out = w;
            return 0;
        }
        if (w) undo(w);
    }
    if (err.code == 0) kfk_error_set(&err, code, "no memory for a writer");
    kfk_error_prefix(&err, "kafka_writer_new: ");
    return kfk_fail(NULL, &err);
}

const kafka_writer_config *kafka_writer_get_config(const kafka_writer *w)
{
    return w ? w->config : NULL;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static void refuse_calls(kafka_writer *w)
{
    atomic_store(&w->closed, true);
    atomic_store(&w->quick, false);
}

int kfk_writer_check(const kafka_writer *w, const kafka_ctx *ctx, const char *call)
{
    if (!w) return kfk_failf(ctx, KAFKA_EINVAL, "%s: the writer is NULL", call);
    if (kfk_fork_is_parents(w->born))
        return kfk_failf(ctx, KAFKA_EFORKED,
                         "%s: the writer is the parent process's; a forked child can free it, and has to make one of "
                         "its own",
                         call);
    return 0;
}

/* Submits an operation, waits for it, and copies why it failed. */
static int run_op(kafka_writer *w, kfk_op *op, kfk_error *err)
{
    kfk_loop_submit(w->loop, &op->task);
    int code = kfk_op_wait(w->loop, op, KFK_TIME_NEVER);
    if (code == 0) code = op->error.code;
    if (code != 0) *err = op->error;
    kfk_op_drop(op);
    return code;
}

static void drain_destroy(kfk_op *op)
{
    kfk_mem_free(KFK_CONTAINER(op, kfk_writer_drain, op));
}

/* Waits until the callbacks that are due have run. */
static int drain(kafka_writer *w, int64_t deadline_ms, kfk_cancel *token, kfk_error *err)
{
    if (!w->config->on_delivery) return 0;
    kfk_writer_drain *d = kfk_mem_alloc(sizeof *d);
    if (!d) return kfk_error_set(err, KAFKA_ENOMEM, "no memory to wait for delivery callbacks");
    kfk_writer_drain_init(d, w, deadline_ms, token, drain_destroy);
    return run_op(w, &d->op, err);
}

static int failed(const kafka_ctx *ctx, const char *call, kfk_error *err)
{
    kfk_error_prefix(err, "%s: ", call);
    return kfk_fail(ctx, err);
}

int kafka_writer_flush(kafka_writer *w, const kafka_ctx *ctx)
{
    kfk_error err = {0};
    kfk_op *op;
    int code = kfk_writer_check(w, ctx, "kafka_writer_flush");
    if (code == 0) code = kfk_fail_unless_may_wait(ctx, "kafka_writer_flush");
    if (code != 0) return code;
    if (atomic_load(&w->closed)) return kfk_failf(ctx, KAFKA_ECLOSED, "kafka_writer_flush: the writer was closed");
    int64_t deadline = kfk_writer_deadline(ctx);
    kfk_cancel *token = ctx ? ctx->cancel : NULL;
    code = kfk_producer_flush_new(w->producer, deadline, token, &op);
    if (code != 0)
        kfk_error_set(&err, code, "no memory to flush");
    else if ((code = run_op(w, op, &err)) == 0)
        code = drain(w, deadline, token, &err);
    return code == 0 ? 0 : failed(ctx, "kafka_writer_flush", &err);
}

/* 0; or how the wait for outcomes ended, after which all of them are there all the same; KAFKA_ENOMEM: it is still
 * open. */
static int close_and_tell(kafka_writer *w, int64_t deadline_ms, kfk_cancel *token, kfk_error *err)
{
    kfk_op *op;
    kfk_writer_drain *d = kfk_mem_alloc(sizeof *d);
    if (!d || kfk_producer_close_new(w->producer, deadline_ms, token, &op) != 0) {
        kfk_mem_free(d);
        return kfk_error_set(err, KAFKA_ENOMEM, "no memory to close the writer");
    }
    refuse_calls(w);
    int code = run_op(w, op, err);
    kfk_writer_drain_init(d, w, KFK_TIME_NEVER, NULL, drain_destroy);
    int drained = run_op(w, &d->op, err);
    return drained != 0 ? drained : code;
}

int kafka_writer_close(kafka_writer *w, const kafka_ctx *ctx)
{
    kfk_error err = {0};
    int code = kfk_writer_check(w, ctx, "kafka_writer_close");
    if (code == 0) code = kfk_fail_unless_may_wait(ctx, "kafka_writer_close");
    if (code != 0) return code;
    code = close_and_tell(w, kfk_writer_deadline(ctx), ctx ? ctx->cancel : NULL, &err);
    return code == 0 ? 0 : failed(ctx, "kafka_writer_close", &err);
}

/* ---- death ------------------------------------------------------------------------------------------------------- */

void kfk_writer_drop(kafka_writer *w)
{
    if (kfk_ref_drop(&w->ref)) take_down(w);
}

static void last_destroy(kfk_op *op)
{
    kfk_writer_drop(KFK_CONTAINER(op, kafka_writer, last.op));
}

/* In a forked child. */
static void abandon(kafka_writer *w)
{
    kfk_producer_abandon(w->producer);
    kfk_loop_abandon(w->loop);
}

void kafka_writer_free(kafka_writer *w)
{
    if (!w) return;
    if (kfk_fork_is_parents(w->born)) {
        abandon(w);
        return;
    }
    kfk_loop *l = w->loop;
    kfk_error ignored = {0};
    bool may_wait = kfk_thread_self()->callback_depth == 0;
    if (may_wait && !atomic_load(&w->closed)) close_and_tell(w, KFK_TIME_NEVER, NULL, &ignored);
    refuse_calls(w);
    kfk_ref_hold(&w->ref); /* the drain's */
    kfk_writer_drain_init(&w->last, w, KFK_TIME_NEVER, NULL, last_destroy);
    w->last.stop = true;
    kfk_loop_submit(l, &w->last.op.task);
    if (may_wait) kfk_op_wait(l, &w->last.op, KFK_TIME_NEVER);
    kfk_op_drop(&w->last.op);
    kfk_writer_drop(w);
    kfk_loop_release(l);
}
