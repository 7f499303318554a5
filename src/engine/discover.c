/* See the header.
 *
 * A try is one request to one broker; it lives until it is done, also when its discovery has ended before: then it is
 * an orphan, whose answer is dropped, and whose only use is that the link knows that it owes one. */
#include "engine/discover.h"
#include "base/mem.h"
#include "base/time.h"
#include "engine/cluster_impl.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

typedef struct
try {
    kfk_request request;
    kfk_arena memory;
    kfk_list node;    /* in the discovery's tries, or among the orphans */
    kfk_discovery *d; /* NULL = orphan */
    kfk_cluster *cluster;
    kfk_link *link;
    int64_t sent_ms, sent_before_ms;
}
try;

static void advance(kfk_discovery *d);

/* ---- who is next ------------------------------------------------------------------------------------------------- */

static bool was_asked(const kfk_discovery *d, int32_t id)
{
    for (unsigned i = 0; i < d->learned; i++) {
        if (d->asked[i] == id) return true;
    }
    return false;
}

/* How well a broker can be asked now: 4 = the one that answered last, 3 = connected, 2 = connects soon, 1 = what it
 * said last was not all that is wanted, and others may know more; 0 = not. */
static int rank(const kfk_discovery *d, const kfk_node *n)
{
    const kfk_link *l = n->links ? &n->links->of[KFK_LINK_CONTROL] : NULL;
    if (was_asked(d, n->id)) return 0;
    if (l && kfk_link_is_late(d->cluster, l)) return 0;
    bool connected = l && kfk_link_is_alive(l) && kfk_broker_is_ready(l->broker);
    if (!connected && kfk_link_ready_at_ms(n, KFK_LINK_CONTROL) > kfk_loop_now_ms(d->cluster->loop)) return 0;
    if (d->unsatisfied && n->id == d->answered) return 1;
    if (!connected) return 2;
    return n->id == d->cluster->seeds.favourite ? 4 : 3;
}

/* One of the best ranked, by chance: clients should not all ask the same. */
static kfk_node *choose(const kfk_discovery *d, int *best)
{
    kfk_cluster *c = d->cluster;
    kfk_node *chosen = NULL;
    uint64_t equals = 0;
    *best = 0;
    for (kfk_node *n = NULL; (n = kfk_brokers_next(&c->brokers, n)) != NULL;) {
        int r = rank(d, n);
        if (r == 0 || r < *best) continue;
        equals = r > *best ? 1 : equals + 1;
        *best = r;
        if (equals == 1 || kfk_loop_random(c->loop) % equals == 0) chosen = n;
    }
    return chosen;
}

static unsigned seed_bit(const kfk_discovery *d, const kfk_link *seed)
{
    return 1u << (seed - d->cluster->seeds.of);
}

/* A connection to a bootstrap address that can be asked. */
static kfk_link *choose_seed(const kfk_discovery *d)
{
    for (int i = 0; i < KFK_SEEDS; i++) {
        kfk_link *l = &d->cluster->seeds.of[i];
        if (kfk_link_is_alive(l) && !kfk_link_is_late(d->cluster, l) && !(d->seeds & seed_bit(d, l))) return l;
    }
    return NULL;
}

/* ---- tries ------------------------------------------------------------------------------------------------------- */

static void free_try(try *t)
{
    kfk_cluster *c = t->cluster;
    kfk_list_remove(&t->node);
    kfk_request_fini(&t->request);
    kfk_arena_fini(&t->memory);
    kfk_mem_free(t);
    kfk_cluster_drop(c);
}

/* Adds what happened at one broker. What the last round left goes with the first. */
static void note_failure(kfk_discovery *d, const kfk_error *why)
{
    if (!d->failed) d->error = (kfk_error){0};
    d->failed = true;
    if (!strstr(d->error.text, why->text)) kfk_error_append(&d->error, why->code, "%s", why->text);
}

static void finish(kfk_discovery *d, const kfk_error *err)
{
    if (!d->active) return;
    if (!err) d->error = (kfk_error){0};
    kfk_cluster *c = kfk_cluster_hold(d->cluster);
    kfk_discovery_abandon_loop(d);
    d->ops->done(d, err);
    kfk_cluster_drop(c);
}

/* The answer of a try. Notes who gave it. */
static int take(try *t, kfk_error *why)
{
    kfk_discovery *d = t->d;
    kfk_cluster *c = d->cluster;
    kfk_link *l = t->link;
    char name[sizeof c->answered_by];
    snprintf(name, sizeof name, "%s", l->broker ? kfk_broker_name(l->broker) : "?");
    d->taking = true;
    int err = d->ops->take(d, &t->request, why);
    d->taking = false;
    if (err != 0) return kfk_error_prefix(why, "%s: ", name);
    memcpy(c->answered_by, name, sizeof name);
    d->answered = l->node ? l->node->id : -1;
    kfk_seeds_good_loop(c, l);
    return 0;
}

/* The outcome of a try of an active discovery; the cluster lives as long. */
static void conclude_try(kfk_discovery *d, try *t, const kfk_error *lost)
{
    kfk_error why = {0};
    if (lost && !t->request.touched && d->sent_ms == t->sent_ms) d->sent_ms = t->sent_before_ms; /* it was not */
    int err = lost ? lost->code : take(t, &why);
    if (lost) why = *lost;
    free_try(t);
    if (err == 0 || err == KAFKA_ENOMEM) {
        finish(d, err == 0 ? NULL : &why);
        return;
    }
    note_failure(d, &why);
    /* what does not pass is not tried again at the same addresses */
    size_t addresses = d->cluster->cfg.bootstrap_count;
    if (!kafka_err_is_temporary(err) && err != KAFKA_ERR_REBOOTSTRAP_REQUIRED && addresses < d->most_boots)
        d->most_boots = (unsigned)addresses;
    advance(d);
}

static void try_done(kfk_request *r, const kfk_error *lost)
{
    try *t = KFK_CONTAINER(r, try, request);
    kfk_discovery *d = t->d;
    kfk_cluster *c = kfk_cluster_hold(t->cluster);
    t->link->asked--;
    t->link->asked_ms = kfk_loop_now_ms(t->cluster->loop);
    kfk_list_remove(&t->node);
    if (d && !d->taking)
        conclude_try(d, t, lost);
    else
        free_try(t);
    kfk_cluster_drop(c);
}

static void out_of_memory(kfk_discovery *d, const char *what)
{
    kfk_error why;
    kfk_error_set(&why, KAFKA_ENOMEM, "no memory for %s", what);
    finish(d, &why);
}

static void start_try(kfk_discovery *d, kfk_link *l)
{
    kfk_cluster *c = d->cluster;
    assert(c != NULL); /* static analysis thinks that lists reach it */
    try *t = kfk_mem_zalloc(sizeof *t);
    if (!t) {
        out_of_memory(d, "a request");
        return;
    }
    t->d = d;
    t->link = l;
    t->cluster = kfk_cluster_hold(c);
    kfk_list_init(&t->node);
    kfk_arena_init(&t->memory, SIZE_MAX);
    kfk_request_init(&t->request, d->ops->api_key);
    t->request.timeout_ms = c->cfg.request_timeout_ms;
    if (d->ops->prepare(d, &t->request, &t->memory) != 0) {
        free_try(t);
        out_of_memory(d, "a request");
        return;
    }
    t->request.done = try_done;
    t->sent_before_ms = d->sent_ms;
    t->sent_ms = d->sent_ms = kfk_loop_now_ms(c->loop);
    if (l->asked++ == 0) l->asked_ms = d->sent_ms;
    if (!l->node) d->seeds |= seed_bit(d, l);
    kfk_list_push_back(&d->tries, &t->node);
    kfk_loop_timer_set(c->loop, &d->timer, kfk_time_add(d->sent_ms, KFK_DISCOVER_HEDGE_MS));
    kfk_broker_send_loop(l->broker, &t->request);
}

/* ---- the order of things ----------------------------------------------------------------------------------------- */

/* Asks a known broker. False = none is left. */
static bool ask_learned(kfk_discovery *d)
{
    int how_good;
    while (d->learned < KFK_DISCOVER_LEARNED) {
        kfk_node *n = choose(d, &how_good);
        if (how_good < 3 && choose_seed(d)) return false; /* connected is better than known */
        kfk_link *l;
        kfk_error why = {0};
        int64_t at;
        if (!n) return false;
        d->asked[d->learned++] = n->id;
        int err = kfk_link_open_loop(d->cluster, n, KFK_LINK_CONTROL, &l, &at, &why);
        if (err == KAFKA_ENOMEM) {
            finish(d, &why);
            return true;
        }
        if (err != 0) continue;
        start_try(d, l);
        return true;
    }
    return false;
}

/* Nobody is left who does not owe an answer: one more chance for those that do, beside a new connection. */
static void ask_suspects(kfk_discovery *d)
{
    for (kfk_node *n = NULL; (n = kfk_brokers_next(&d->cluster->brokers, n)) != NULL;) {
        kfk_link *l = n->links ? &n->links->of[KFK_LINK_CONTROL] : NULL;
        if (d->learned == KFK_DISCOVER_LEARNED || !l || !kfk_link_is_alive(l) || was_asked(d, n->id)) continue;
        d->asked[d->learned++] = n->id;
        start_try(d, l);
        return;
    }
}

static void ask_next(kfk_discovery *d)
{
    kfk_cluster *c = d->cluster;
    int64_t next = kfk_time_add(d->sent_ms, KFK_DISCOVER_GAP_MS);
    if (!d->active || d->taking || d->waits_for_seed) return;
    if (d->sent_ms != 0 && next > kfk_loop_now_ms(c->loop)) {
        kfk_loop_timer_set(c->loop, &d->timer, next);
        return;
    }
    kfk_loop_timer_clear(c->loop, &d->timer);
    if (ask_learned(d)) return;
    kfk_link *seed = choose_seed(d);
    if (seed) {
        start_try(d, seed);
    } else if (d->boots < d->most_boots) {
        d->boots++;
        d->waits_for_seed = true;
        bool idle = kfk_list_empty(&d->tries);
        kfk_seeds_want_loop(c);
        if (idle && d->active && d->waits_for_seed) ask_suspects(d);
    } else if (kfk_list_empty(&d->tries)) {
        finish(d, &d->error);
    }
}

/* Whoever is told that it has ended may close the cluster. */
static void advance(kfk_discovery *d)
{
    kfk_cluster *c = kfk_cluster_hold(d->cluster);
    ask_next(d);
    kfk_cluster_drop(c);
}

void kfk_discovery_seed_loop(kfk_discovery *d, kfk_link *seed, const kfk_error *why)
{
    if (seed) {
        if (kfk_link_is_alive(seed))
            start_try(d, seed);
        else
            advance(d);
        return;
    }
    d->boots = KFK_DISCOVER_BOOTS; /* all addresses were tried */
    if (why->code == KAFKA_ENOMEM) {
        finish(d, why);
        return;
    }
    note_failure(d, why);
    if (kfk_list_empty(&d->tries)) finish(d, &d->error);
}

static void hedge(kfk_timer *t)
{
    advance(KFK_CONTAINER(t, kfk_discovery, timer));
}

void kfk_discovery_init(kfk_discovery *d, kfk_cluster *c, const kfk_discovery_ops *ops)
{
    memset(d, 0, sizeof *d);
    d->ops = ops;
    d->cluster = c;
    kfk_list_init(&d->node);
    kfk_list_init(&d->tries);
    kfk_timer_init(&d->timer, hedge);
}

void kfk_discovery_begin_loop(kfk_discovery *d)
{
    d->active = true;
    d->waits_for_seed = false;
    d->boots = d->learned = d->seeds = 0;
    d->most_boots = KFK_DISCOVER_BOOTS;
    d->begun_ms = kfk_loop_now_ms(d->cluster->loop);
    d->failed = false;
    kfk_list_push_back(&d->cluster->discoveries, &d->node);
    advance(d);
}

void kfk_discovery_abandon_loop(kfk_discovery *d)
{
    kfk_cluster *c = d->cluster;
    assert(c != NULL); /* as above */
    if (!d->active) return;
    d->active = d->waits_for_seed = false;
    kfk_list_remove(&d->node);
    kfk_loop_timer_clear(c->loop, &d->timer);
    for (kfk_list *n; (n = kfk_list_first(&d->tries)) != NULL;) {
        try *t = KFK_CONTAINER(n, try, node);
        kfk_list_remove(n);
        kfk_list_push_back(&c->orphans, n);
        t->d = NULL;
        if (t->link->broker) kfk_broker_withdraw_loop(t->link->broker, &t->request);
    }
    kfk_seeds_unwant_loop(c);
}

void kfk_discovery_describe(const kfk_discovery *d, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (const kfk_list *n = d->tries.next; n != &d->tries && len < cap; n = n->next) {
        const try *t = KFK_CONTAINER((uintptr_t)n, try, node);
        const kfk_broker *b = t->link->broker;
        char doing[160] = "gone";
        if (b) kfk_broker_describe(b, doing, sizeof doing);
        if (t->request.touched) snprintf(doing, sizeof doing, "waiting for the answer to %s", t->request.api->name);
        int w = snprintf(out + len, cap - len, "%s%s: %s", len ? ", " : "", b ? kfk_broker_name(b) : "?", doing);
        len += w < 0 ? 0 : (size_t)w;
    }
    if (!d->waits_for_seed || len >= cap) return;
    if (len > 0 && len + 3 < cap) len += (size_t)snprintf(out + len, cap - len, ", ");
    if (d->cluster->seeds.race)
        kfk_bootstrap_describe(d->cluster->seeds.race, out + len, cap - len);
    else
        snprintf(out + len, cap - len, "waiting to connect again");
}
