/* See the header.
 *
 * An entry is `asking` while the request under way contains it; only requests set that, and their end clears it, so it
 * cannot stay behind. One discovery for each type of key asks for all entries of the type that somebody waits for and
 * whose backoff is over; one timer wakes it. A broker before FindCoordinator v4 gets one key at a time. */
#include "engine/coordinator.h"
#include "base/mem.h"
#include "base/time.h"
#include "engine/cluster_impl.h"
#include "wire/gen/find_coordinator.h"
#include <stdio.h>
#include <string.h>

enum { SEVERAL_KEYS = 4, MOST_ENTRIES = 1000 };

typedef struct kfk_coordinator {
    kfk_map_node by_key;
    kfk_cluster *cluster;
    int32_t id; /* -1 = not known */
    bool asking;
    int code; /* of the last answer, 0 = none */
    unsigned failures;
    int64_t retry_at_ms;
    kfk_list waits;
    size_t len;
    char key[]; /* the type as a byte, then the key */
} entry;

static const char *const nouns[] = {"group", "transactional id", "share group"};

static entry *entry_of(const kfk_list *n)
{
    return KFK_CONTAINER(KFK_CONTAINER((uintptr_t)n, kfk_map_node, order), entry, by_key);
}

static kafka_bytes key_of(const entry *e)
{
    return (kafka_bytes){e->key + 1, e->len - 1};
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static bool has_key(const kfk_map_node *n, const void *key, size_t len)
{
    const entry *e = KFK_CONTAINER((uintptr_t)n, entry, by_key);
    return e->len == 1 + len && memcmp(e->key + 1, key, len) == 0;
}

/* The seed of the hash differs by type, so that entries of two types with one key are told apart by it. */
static entry *find(const kfk_cluster *c, kfk_coordinator_type type, kafka_bytes key)
{
    const kfk_map *m = &c->coordinators.by_key;
    uint64_t hash = kfk_map_hash(m, key.data, key.len) + (uint64_t)type;
    kfk_map_node *n = kfk_map_find(m, hash, has_key, key.data, key.len);
    return n ? KFK_CONTAINER(n, entry, by_key) : NULL;
}

static void free_entry(entry *e)
{
    kfk_map_remove(&e->cluster->coordinators.by_key, &e->by_key);
    kfk_mem_free(e);
}

/* The oldest that nobody waits for makes room. */
static void make_room(kfk_map *m)
{
    if (m->count < MOST_ENTRIES) return;
    KFK_LIST_EACH (n, &m->order) {
        entry *e = entry_of(n);
        if (!kfk_list_empty(&e->waits) || e->asking) continue;
        free_entry(e);
        return;
    }
}

static entry *find_or_add(kfk_cluster *c, kfk_coordinator_type type, kafka_bytes key)
{
    kfk_map *m = &c->coordinators.by_key;
    entry *e = find(c, type, key);
    if (e) return e;
    make_room(m);
    e = kfk_mem_zalloc(sizeof *e + 1 + key.len);
    if (!e) return NULL;
    e->cluster = c;
    e->id = -1;
    e->len = 1 + key.len;
    e->key[0] = (char)type;
    if (key.len > 0) memcpy(e->key + 1, key.data, key.len);
    kfk_list_init(&e->waits);
    if (kfk_map_add(m, &e->by_key, kfk_map_hash(m, key.data, key.len) + (uint64_t)type) == 0) return e;
    kfk_mem_free(e);
    return NULL;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static void end_wait(kfk_coordinator_wait *w)
{
    w->on = false;
    kfk_list_remove(&w->node);
    kfk_limit_stop_loop(w->cluster->loop, &w->limit);
}

/* All who wait for the entry have their outcome. */
static void tell(entry *e, const kfk_error *err)
{
    kfk_list telling;
    kfk_list_init(&telling);
    kfk_list_splice(&telling, &e->waits);
    int32_t id = e->id;
    for (kfk_list *n; (n = kfk_list_first(&telling)) != NULL;) {
        kfk_coordinator_wait *w = KFK_CONTAINER(n, kfk_coordinator_wait, node);
        end_wait(w);
        w->id = id;
        w->done(w, err);
    }
}

static void name(const entry *e, char *out, size_t cap)
{
    kafka_bytes key = key_of(e);
    snprintf(out, cap, "finding the coordinator of %s %.*s", nouns[(int)e->key[0]], key.len > 100 ? 100 : (int)key.len,
             (const char *)key.data);
}

static void limit_hit(kfk_limit *limit, int code)
{
    kfk_coordinator_wait *w = KFK_CONTAINER(limit, kfk_coordinator_wait, limit);
    const entry *e = w->coordinator;
    const kfk_discovery *d = &w->cluster->coordinators.discoveries[(int)e->key[0]];
    kfk_error why;
    char what[160], doing[320] = "";
    name(e, what, sizeof what);
    if (d->active) kfk_discovery_describe(d, doing, sizeof doing);
    kfk_error_set(&why, code, "%s: %s%s%s%s%s%s%s", what, code == KAFKA_ETIMEDOUT ? "the time is up" : "canceled",
                  doing[0] ? "; " : "", doing, e->code ? "; the last answer: " : "",
                  e->code ? kafka_strerror(e->code) : "", d->error.code ? "; before that: " : "",
                  d->error.code ? d->error.text : "");
    end_wait(w);
    w->done(w, &why);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static kfk_coordinator_type type_of(const kfk_discovery *d)
{
    return (kfk_coordinator_type)(d - d->cluster->coordinators.discoveries);
}

static bool is_wanted(const entry *e)
{
    return e->id < 0 && !kfk_list_empty(&e->waits);
}

/* Begins what can begin now, and sets the timer for what can later. */
static void run(kfk_cluster *c)
{
    kfk_coordinators *all = &c->coordinators;
    bool due[KFK_COORDINATOR_TYPES] = {false};
    int64_t now = kfk_loop_now_ms(c->loop), next = KFK_TIME_NEVER;
    if (c->closed) return;
    KFK_LIST_EACH (n, &all->by_key.order) {
        entry *e = entry_of(n);
        if (!is_wanted(e) || all->discoveries[(int)e->key[0]].active) continue;
        e->asking = e->retry_at_ms <= now;
        if (e->asking)
            due[(int)e->key[0]] = true;
        else if (e->retry_at_ms < next)
            next = e->retry_at_ms;
    }
    kfk_loop_timer_set(c->loop, &all->timer, next);
    kfk_cluster_hold(c); /* who is told of a failure may close it */
    for (int type = 0; type < KFK_COORDINATOR_TYPES; type++) {
        if (due[type] && !c->closed && !all->discoveries[type].active)
            kfk_discovery_begin_loop(&all->discoveries[type]);
    }
    kfk_cluster_drop(c);
}

static void timer_due(kfk_timer *t)
{
    run(KFK_CONTAINER(t, kfk_cluster, coordinators.timer));
}

/* The version is chosen: old ones take one key. */
static int adapt(kfk_request *r, kfk_error *err)
{
    kfk_find_coordinator_request *m = r->message;
    (void)err;
    bool several = r->version >= SEVERAL_KEYS;
    if (several) m->key = kafka_str("");
    if (!several) m->coordinator_keys.count = 0;
    return 0;
}

static int prepare(kfk_discovery *d, kfk_request *r, kfk_arena *memory)
{
    kfk_cluster *c = d->cluster;
    kfk_find_coordinator_request *m = kfk_arena_alloc(memory, sizeof *m);
    void *answer = kfk_arena_alloc(memory, r->api->response->size);
    size_t count = 0;
    if (!m || !answer) return KAFKA_ENOMEM;
    kfk_codec_default(r->api->request, m);
    r->message = m;
    r->response = answer;
    r->prepare = adapt;
    if (type_of(d) == KFK_COORDINATOR_TXN) r->min_version = 1;
    if (type_of(d) == KFK_COORDINATOR_SHARE) r->min_version = 6;
    m->key_type = (int8_t)type_of(d);
    KFK_LIST_EACH (n, &c->coordinators.by_key.order) {
        count += entry_of(n)->asking && entry_of(n)->key[0] == (char)type_of(d);
    }
    if (!(m->coordinator_keys.items = kfk_arena_array(memory, count + 1, sizeof *m->coordinator_keys.items)))
        return KAFKA_ENOMEM;
    KFK_LIST_EACH (n, &c->coordinators.by_key.order) {
        const entry *e = entry_of(n);
        if (!e->asking || e->key[0] != (char)type_of(d)) continue;
        char *key = kfk_arena_alloc(memory, e->len);
        if (!key) return KAFKA_ENOMEM;
        memcpy(key, e->key + 1, e->len - 1);
        m->coordinator_keys.items[m->coordinator_keys.count++] = (kafka_bytes){key, e->len - 1};
    }
    if (m->coordinator_keys.count > 0) m->key = m->coordinator_keys.items[0];
    return 0;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void wait_longer(entry *e)
{
    kfk_loop *l = e->cluster->loop;
    e->failures++;
    e->retry_at_ms = kfk_time_add(kfk_loop_now_ms(l), kfk_backoff_ms(l, e->failures, KFK_BACKOFF_LAST_MS));
}

/* What an answer says about one key. */
static void take_one(entry *e, const kfk_find_coordinator_response_coordinator *a)
{
    kfk_cluster *c = e->cluster;
    kfk_error why;
    char what[160];
    e->asking = false;
    e->code = kfk_error_of_broker(a->error_code);
    if (e->code == 0) {
        kafka_bytes no_rack = {0};
        int err = kfk_brokers_learn(&c->brokers, a->node_id, a->host, a->port, no_rack);
        if (err == 0) {
            e->id = a->node_id;
            e->failures = 0;
            tell(e, NULL);
            return;
        }
        if (err == KAFKA_EINVAL) kfk_cluster_learn_loop(c, a->node_id, a->host, a->port, no_rack); /* logs it */
        e->code = KAFKA_ERR_GROUP_COORDINATOR_NOT_AVAILABLE; /* as if it were not named */
    }
    if (kafka_err_is_temporary(e->code)) {
        wait_longer(e);
        return;
    }
    name(e, what, sizeof what);
    const char *said = a->error_message.data ? (const char *)a->error_message.data : "";
    int len = a->error_message.data ? (int)a->error_message.len : 0;
    kfk_error_set(&why, e->code, "%s: %s%s%.*s", what, kafka_strerror(e->code), len ? ": " : "", len > 200 ? 200 : len,
                  said);
    tell(e, &why);
}

static int take(kfk_discovery *d, const kfk_request *r, kfk_error *err)
{
    kfk_cluster *c = d->cluster;
    const kfk_find_coordinator_request *m = r->message;
    const kfk_find_coordinator_response *a = r->response;
    kfk_find_coordinator_response_coordinator one = {.key = m->key,
                                                     .node_id = a->node_id,
                                                     .host = a->host,
                                                     .port = a->port,
                                                     .error_code = a->error_code,
                                                     .error_message = a->error_message};
    bool several = r->version >= SEVERAL_KEYS;
    const kfk_find_coordinator_response_coordinator *items = several ? a->coordinators.items : &one;
    int32_t count = several ? a->coordinators.count : 1, taken = 0;
    for (int32_t i = 0; i < count; i++) {
        entry *e = items[i].key.data ? find(c, type_of(d), items[i].key) : NULL;
        if (!e || !e->asking) continue;
        taken++;
        take_one(e, &items[i]);
    }
    return taken > 0 ? 0 : kfk_error_set(err, KAFKA_EPROTO, "the answer to FindCoordinator names none of the keys");
}

/* Those that were not told of have their turn again: at once behind an answer, later after a failure. */
static void done(kfk_discovery *d, const kfk_error *err)
{
    kfk_cluster *c = d->cluster;
    if (err) d->error = *err;
    KFK_LIST_EACH (n, &c->coordinators.by_key.order) {
        entry *e = entry_of(n);
        if (!e->asking || e->key[0] != (char)type_of(d)) continue;
        e->asking = false;
        if (err) wait_longer(e);
    }
    run(c);
}

/* ---- for others -------------------------------------------------------------------------------------------------- */

void kfk_cluster_coordinator_loop(kfk_cluster *c, kfk_coordinator_type type, kafka_bytes key, int64_t deadline_ms,
                                  kfk_cancel *token, kfk_coordinator_wait *w)
{
    kfk_error why;
    entry *e = c->closed ? NULL : find_or_add(c, type, key);
    w->cluster = c;
    w->on = false;
    w->id = -1;
    kfk_list_init(&w->node);
    kfk_limit_init(&w->limit, limit_hit);
    const kfk_node *known = e && e->id >= 0 ? kfk_brokers_find(&c->brokers, e->id) : NULL;
    if (known && kfk_brokers_is_named(&c->brokers, known)) {
        w->id = e->id;
        w->done(w, NULL);
        return;
    }
    int err = !e ? c->closed ? KAFKA_ECLOSED : KAFKA_ENOMEM : 0;
    if (err == 0) err = kfk_limit_start_loop(c->loop, &w->limit, deadline_ms, token);
    if (err != 0) {
        kfk_limit_stop_loop(c->loop, &w->limit);
        kfk_error_set(&why, err, "finding a coordinator: %s",
                      c->closed             ? "the client was closed"
                      : err == KAFKA_ENOMEM ? "no memory"
                                            : kfk_loop_watch_refused(err));
        w->done(w, &why);
        return;
    }
    e->id = -1; /* or a broker that nobody knows any more */
    w->coordinator = e;
    w->on = true;
    kfk_list_push_back(&e->waits, &w->node);
    run(c);
}

void kfk_cluster_coordinator_cancel_loop(kfk_coordinator_wait *w)
{
    if (w->on) end_wait(w);
}

void kfk_cluster_coordinator_gone_loop(kfk_cluster *c, kfk_coordinator_type type, kafka_bytes key, int32_t id)
{
    entry *e = find(c, type, key);
    if (!e || e->id != id || id < 0) return;
    e->id = -1;
    wait_longer(e); /* who says so has just been asked, or its neighbours have not heard of it yet */
}

void kfk_coordinators_init(kfk_cluster *c)
{
    static const kfk_discovery_ops ops = {
        .api_key = KFK_API_FIND_COORDINATOR, .prepare = prepare, .take = take, .done = done};
    kfk_map_init(&c->coordinators.by_key, kfk_loop_random(c->loop));
    for (int i = 0; i < KFK_COORDINATOR_TYPES; i++) kfk_discovery_init(&c->coordinators.discoveries[i], c, &ops);
    kfk_timer_init(&c->coordinators.timer, timer_due);
}

void kfk_coordinators_close_loop(kfk_cluster *c, const kfk_error *why)
{
    kfk_loop_timer_clear(c->loop, &c->coordinators.timer);
    for (int i = 0; i < KFK_COORDINATOR_TYPES; i++) kfk_discovery_abandon_loop(&c->coordinators.discoveries[i]);
    KFK_LIST_EACH (n, &c->coordinators.by_key.order) {
        tell(entry_of(n), why);
    }
}

void kfk_coordinators_fini(kfk_cluster *c)
{
    KFK_LIST_EACH (n, &c->coordinators.by_key.order) {
        free_entry(entry_of(n));
    }
    kfk_map_fini(&c->coordinators.by_key);
}
