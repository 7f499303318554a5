/* Dialling a list of addresses: the race of engine/bootstrap.h as an operation, with a limit. */
#include "engine/dial.h"
#include "base/mem.h"
#include <stdio.h>
#include <string.h>

static void finish(kfk_dial *d, const kfk_error *err)
{
    kfk_loop *l = d->cfg.loop;
    kfk_limit_stop_loop(l, &d->limit);
    if (d->race) kfk_bootstrap_abandon_loop(d->race);
    d->race = NULL;
    if (err) d->op.error = *err;
    kfk_op_finish_loop(l, &d->op);
}

/* The time is up, or the token fired: says where each attempt stands. */
static void limit_hit(kfk_limit *limit, int code)
{
    kfk_dial *d = KFK_CONTAINER(limit, kfk_dial, limit);
    kfk_error why;
    char doing[320], ended[64] = "canceled";
    const kfk_error *before = kfk_bootstrap_error(d->race);
    kfk_broker *only = kfk_bootstrap_only(d->race);
    if (code == KAFKA_ETIMEDOUT)
        snprintf(ended, sizeof ended, "timed out after %lld ms",
                 (long long)(kfk_loop_now_ms(d->cfg.loop) - d->started_ms));
    if (only)
        kfk_broker_describe(only, doing, sizeof doing);
    else
        kfk_bootstrap_describe(d->race, doing, sizeof doing);
    kfk_error_set(&why, code, "dial %s%s%s, %s%s%s", only ? kfk_broker_name(only) : "", only ? ": " : "", ended, doing,
                  before->code ? "; before that: " : "", before->text);
    finish(d, &why);
}

static void race_done(void *owner, kfk_broker *winner_take, const kfk_error *why)
{
    kfk_dial *d = owner;
    d->race = NULL;
    d->broker = winner_take;
    finish(d, winner_take ? NULL : why);
}

static void start_race(kfk_dial *d)
{
    kfk_bootstrap_config cfg = {
        .connect =
            {
                .loop = d->cfg.loop,
                .client_id = d->client_id,
                .fallback_delay_ms = d->cfg.fallback_delay_ms,
                .options = d->cfg.options,
                .resolver = d->cfg.resolver,
                .dual_stack = d->cfg.dual_stack,
            },
        .addresses = d->addresses,
        .count = d->cfg.count,
        .deadline_ms = d->cfg.deadline_ms,
        .done = race_done,
        .owner = d,
    };
    int err = kfk_bootstrap_start_loop(&cfg, &d->race);
    if (err == 0) return;
    kfk_error why;
    d->race = NULL;
    kfk_error_set(&why, err, "dial: no memory for a connection");
    finish(d, &why);
}

static void start(kfk_task *t)
{
    kfk_dial *d = KFK_CONTAINER(t, kfk_dial, op.task);
    kfk_error why;
    d->started_ms = kfk_loop_now_ms(d->cfg.loop);
    if (kfk_cancel_fired(d->cfg.cancel)) {
        kfk_error_set(&why, KAFKA_ECANCELED, "dial: canceled before it began");
        finish(d, &why);
        return;
    }
    if (d->cfg.deadline_ms <= d->started_ms) {
        kfk_error_set(&why, KAFKA_ETIMEDOUT, "dial: the deadline had passed before it began");
        finish(d, &why);
        return;
    }
    int err = kfk_limit_start_loop(d->cfg.loop, &d->limit, d->cfg.deadline_ms, d->cfg.cancel);
    if (err != 0) {
        kfk_error_set(&why, err, "dial: %s", kfk_loop_watch_refused(err));
        finish(d, &why);
        return;
    }
    start_race(d);
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
