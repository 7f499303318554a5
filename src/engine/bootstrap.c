/* Racing the addresses of a list.
 *
 * Each attempt is a connection in a slot of its own; a slot is free again when its attempt has failed. One timer starts
 * the next attempt. The race ends when an attempt became usable, or when all addresses have had their turn and no slot
 * is taken any more. It is freed before its owner is told. */
#include "engine/bootstrap.h"
#include "base/mem.h"
#include "base/time.h"
#include <stdio.h>
#include <string.h>

enum { AT_ONCE = 10 /* attempts under way when it goes round and round */ };

struct kfk_bootstrap {
    kfk_bootstrap_config cfg;
    kfk_timer timer;
    kfk_error error; /* what happened so far, address by address */
    size_t started;  /* attempts so far */
    size_t running, slots;
    kfk_broker *attempts[];
};

static void free_race(kfk_bootstrap *r)
{
    kfk_loop_timer_clear(r->cfg.connect.loop, &r->timer);
    for (size_t i = 0; i < r->slots; i++) {
        if (r->attempts[i]) kfk_broker_free_loop(r->attempts[i]);
    }
    kfk_mem_free(r);
}

void kfk_bootstrap_abandon_loop(kfk_bootstrap *r)
{
    free_race(r);
}

static void conclude(kfk_bootstrap *r, kfk_broker *winner)
{
    kfk_bootstrap_config cfg = r->cfg;
    kfk_error error = r->error;
    free_race(r);
    cfg.done(cfg.owner, winner, &error);
}

static size_t slot_of(const kfk_bootstrap *r, const kfk_broker *b)
{
    size_t i = 0;
    while (i < r->slots && r->attempts[i] != b) i++;
    return i;
}

static bool has_next(const kfk_bootstrap *r)
{
    return r->started < r->cfg.count || (r->cfg.again && r->running > 0);
}

static int64_t time_left_ms(const kfk_bootstrap *r)
{
    if (r->cfg.deadline_ms == KFK_TIME_NEVER) return KFK_TIME_NEVER;
    int64_t left = r->cfg.deadline_ms - kfk_loop_now_ms(r->cfg.connect.loop);
    return left < 1 ? 1 : left;
}

/* How long the attempts under way have before another one starts beside them. */
static int64_t pace_ms(const kfk_bootstrap *r)
{
    if (r->started >= r->cfg.count) return KFK_BOOTSTRAP_PACE_MS;
    int64_t share = time_left_ms(r) / (int64_t)(r->cfg.count - r->started + 1);
    return share < KFK_BOOTSTRAP_PACE_MS ? share : KFK_BOOTSTRAP_PACE_MS;
}

static void attempt_changed(void *owner, kfk_broker *b, const kfk_error *err);

static int start_one(kfk_bootstrap *r, size_t slot)
{
    kfk_broker_config cfg = r->cfg.connect;
    cfg.address = r->cfg.addresses[(r->cfg.first + r->started++) % r->cfg.count];
    if (cfg.connect_timeout_ms == 0 && r->cfg.deadline_ms != KFK_TIME_NEVER) cfg.connect_timeout_ms = time_left_ms(r);
    cfg.changed = attempt_changed;
    cfg.owner = r;
    int code = kfk_broker_new(&cfg, &r->attempts[slot]);
    if (code != 0) {
        r->attempts[slot] = NULL;
        return kfk_error_append(&r->error, code, "dial: no memory for a connection");
    }
    r->running++;
    kfk_broker_connect_loop(r->attempts[slot]);
    return 0;
}

/* Starts the next attempt that can be started, and sets the time of the one behind it. */
static void start_next(kfk_bootstrap *r)
{
    while (has_next(r)) {
        size_t slot = slot_of(r, NULL);
        if (slot == r->slots || start_one(r, slot) == 0) break;
        if (r->started >= r->cfg.count) break; /* there is no memory: not round and round, but at the next time */
    }
    int64_t at = KFK_TIME_NEVER;
    if (has_next(r)) at = kfk_time_add(kfk_loop_now_ms(r->cfg.connect.loop), pace_ms(r));
    kfk_loop_timer_set(r->cfg.connect.loop, &r->timer, at);
}

static void attempt_changed(void *owner, kfk_broker *b, const kfk_error *err)
{
    kfk_bootstrap *r = owner;
    size_t slot = slot_of(r, b);
    r->attempts[slot] = NULL;
    r->running--;
    if (!err) {
        kfk_broker_forget_owner_loop(b);
        conclude(r, b);
        return;
    }
    /* what happened at an address is told once, however often it was tried */
    if (!strstr(r->error.text, err->text)) kfk_error_append(&r->error, err->code, "%s", err->text);
    kfk_broker_free_loop(b);
    if (r->started < r->cfg.count) start_next(r);
    if (r->running == 0) conclude(r, NULL);
}

static void next_due(kfk_timer *t)
{
    kfk_bootstrap *r = KFK_CONTAINER(t, kfk_bootstrap, timer);
    start_next(r);
    if (r->running == 0) conclude(r, NULL);
}

int kfk_bootstrap_start_loop(const kfk_bootstrap_config *cfg, kfk_bootstrap **out)
{
    size_t slots = cfg->again ? AT_ONCE : cfg->count;
    kfk_bootstrap *r = kfk_mem_zalloc(sizeof *r + slots * sizeof r->attempts[0]);
    if (!r) return KAFKA_ENOMEM;
    r->cfg = *cfg;
    r->slots = slots;
    kfk_timer_init(&r->timer, next_due);
    start_next(r);
    if (r->running == 0) { /* nothing but the lack of memory keeps an attempt from starting */
        free_race(r);
        return KAFKA_ENOMEM;
    }
    *out = r;
    return 0;
}

void kfk_bootstrap_describe(const kfk_bootstrap *r, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < r->slots && len < cap; i++) {
        char doing[160], what[sizeof doing + KFK_HOST_MAX + 32];
        if (!r->attempts[i]) continue;
        kfk_broker_describe(r->attempts[i], doing, sizeof doing);
        snprintf(what, sizeof what, "%s: %s", kfk_broker_name(r->attempts[i]), doing);
        if (strstr(out, what)) continue; /* the same address once more */
        int n = snprintf(out + len, cap - len, "%s%s", len ? ", " : "", what);
        len += n < 0 ? 0 : (size_t)n;
    }
}

kfk_broker *kfk_bootstrap_only(const kfk_bootstrap *r)
{
    kfk_broker *only = NULL;
    for (size_t i = 0; i < r->slots && r->running == 1; i++) {
        if (r->attempts[i]) only = r->attempts[i];
    }
    return only;
}

const kfk_error *kfk_bootstrap_error(const kfk_bootstrap *r)
{
    return &r->error;
}
