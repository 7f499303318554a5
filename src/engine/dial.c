/* Dialling a list of addresses, one after the other.
 *
 * Each address gets an equal share of the time that is left, two seconds at least, so that one that swallows packets
 * does not use up the time of those behind it. */
#include "engine/dial.h"
#include "base/mem.h"
#include "base/time.h"
#include <string.h>

enum { SMALLEST_SHARE_MS = 2000 };

static void try_next(kfk_dial *d);

static void finish(kfk_dial *d, const kfk_error *err)
{
    kfk_loop *l = d->cfg.loop;
    kfk_limit_stop_loop(l, &d->limit);
    if (err) {
        d->op.error = *err;
        if (d->broker) kfk_broker_free_loop(d->broker);
        d->broker = NULL;
    } else {
        kfk_broker_forget_owner_loop(d->broker);
    }
    kfk_op_finish_loop(l, &d->op);
}

static void limit_hit(kfk_limit *limit, int code)
{
    kfk_dial *d = KFK_CONTAINER(limit, kfk_dial, limit);
    kfk_error why;
    char doing[160] = "not connected";
    const char *name = "?";
    if (d->broker) {
        kfk_broker_describe(d->broker, doing, sizeof doing);
        name = kfk_broker_name(d->broker);
    }
    if (code == KAFKA_ETIMEDOUT) {
        kfk_error_set(&why, code, "dial %s: timed out after %lld ms, %s%s%s", name,
                      (long long)(kfk_loop_now_ms(d->cfg.loop) - d->started_ms), doing,
                      d->error.code ? "; before that: " : "", d->error.text);
    } else {
        kfk_error_set(&why, code, "dial %s: canceled, %s", name, doing);
    }
    finish(d, &why);
}

static void broker_changed(void *owner, kfk_broker *b, const kfk_error *err)
{
    kfk_dial *d = owner;
    if (!err) {
        finish(d, NULL);
        return;
    }
    kfk_error_append(&d->error, err->code, "%s", err->text);
    kfk_broker_free_loop(b);
    d->broker = NULL;
    if (d->next < d->cfg.count)
        try_next(d);
    else
        finish(d, &d->error);
}

/* What the next address gets of the time that is left, 0 = no limit. The last one gets all of it: the deadline itself
 * ends it, the connection only needs to know how much there is to share among the addresses of its host. */
static int64_t share_ms(const kfk_dial *d)
{
    if (d->cfg.deadline_ms == KFK_TIME_NEVER) return 0;
    int64_t addresses = (int64_t)(d->cfg.count - d->next), left = d->cfg.deadline_ms - kfk_loop_now_ms(d->cfg.loop);
    int64_t least = addresses > 1 ? SMALLEST_SHARE_MS : 1;
    return left / addresses > least ? left / addresses : least;
}

static void try_next(kfk_dial *d)
{
    int64_t share = share_ms(d);
    kfk_broker_config cfg = {
        .loop = d->cfg.loop,
        .address = d->addresses[d->next++],
        .client_id = d->client_id,
        .connect_timeout_ms = share,
        .fallback_delay_ms = d->cfg.fallback_delay_ms,
        .dual_stack = d->cfg.dual_stack,
        .reconnect = d->cfg.reconnect,
        .changed = broker_changed,
        .owner = d,
    };
    int err = kfk_broker_new(&cfg, &d->broker);
    if (err != 0) {
        d->broker = NULL;
        kfk_error_set(&d->error, err, "dial: no memory for a connection");
        finish(d, &d->error);
        return;
    }
    kfk_broker_connect_loop(d->broker);
}

static void start(kfk_task *t)
{
    kfk_dial *d = KFK_CONTAINER(t, kfk_dial, op.task);
    d->started_ms = kfk_loop_now_ms(d->cfg.loop);
    if (kfk_cancel_fired(d->cfg.cancel)) {
        kfk_error_set(&d->error, KAFKA_ECANCELED, "dial: canceled before it began");
        finish(d, &d->error);
        return;
    }
    if (d->cfg.deadline_ms <= d->started_ms) {
        kfk_error_set(&d->error, KAFKA_ETIMEDOUT, "dial: the deadline had passed before it began");
        finish(d, &d->error);
        return;
    }
    int err = kfk_limit_start_loop(d->cfg.loop, &d->limit, d->cfg.deadline_ms, d->cfg.cancel);
    if (err != 0) {
        kfk_error_set(&d->error, err, "dial: the cancel token cannot be watched");
        finish(d, &d->error);
        return;
    }
    try_next(d);
}

static void destroy(kfk_op *op)
{
    kfk_dial *d = KFK_CONTAINER(op, kfk_dial, op);
    if (d->broker) kfk_broker_free(d->broker);
    kfk_loop_drop(d->cfg.loop);
    kfk_cancel_drop(d->cfg.cancel);
    kfk_mem_free(d->addresses);
    kfk_mem_free(d->client_id);
    kfk_mem_free(d);
}

int kfk_dial_new(const kfk_dial_config *cfg, kfk_dial **out)
{
    kfk_dial *d = kfk_mem_zalloc(sizeof *d);
    if (!d) return KAFKA_ENOMEM;
    d->addresses = kfk_mem_array(cfg->count, sizeof *d->addresses);
    d->client_id = kfk_mem_strdup(cfg->client_id);
    if (!d->addresses || !d->client_id) {
        kfk_mem_free(d->addresses);
        kfk_mem_free(d->client_id);
        kfk_mem_free(d);
        return KAFKA_ENOMEM;
    }
    memcpy(d->addresses, cfg->addresses, cfg->count * sizeof *d->addresses);
    d->cfg = *cfg;
    d->cfg.addresses = d->addresses;
    d->cfg.client_id = d->client_id;
    kfk_loop_hold(cfg->loop);
    kfk_cancel_hold(cfg->cancel);
    kfk_op_init(&d->op, start, destroy);
    kfk_limit_init(&d->limit, limit_hit);
    *out = d;
    return 0;
}
