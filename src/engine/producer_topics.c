/* Topics: finding them, watching them, and looking for what is not there.
 *
 * A topic is *searched* while it has something that cannot go anywhere: it is missing, nobody leads a partition, or its
 * leader cannot be reached. Each round asks the cluster once, with growing pauses. A round counts against max_attempts
 * when no broker at all could be reached, or when the topic does not exist; an election does not, since ten paced
 * rounds are over before a cluster has fenced a dead broker. */
#include "base/mem.h"
#include "base/time.h"
#include "engine/producer_impl.h"
#include <string.h>

/* ---- what the cluster says --------------------------------------------------------------------------------------- */

static int add_partitions(kfk_producer_topic *t, int32_t count)
{
    if (count <= t->count) return 0;
    kfk_producer_partition **all = kfk_mem_realloc(t->partitions, (size_t)count * sizeof(void *));
    if (!all) return KAFKA_ENOMEM;
    t->partitions = all;
    while (t->count < count) {
        kfk_producer_partition *pt = kfk_mem_zalloc(sizeof *pt);
        if (!pt) return KAFKA_ENOMEM;
        kfk_partition_init(pt, t, t->count);
        t->partitions[t->count++] = pt;
    }
    return 0;
}

static void lead(kfk_producer_topic *t, int32_t i)
{
    kfk_producer_partition *pt = t->partitions[i];
    const kfk_topic *k = t->watch.topic;
    const kfk_partition *known;
    kfk_producer_broker *br = NULL;
    int err = kfk_topic_partition(k, i, &known);
    if (err == 0 && pt->broker && pt->broker->id == known->leader)
        br = pt->broker; /* the common case is not looked for: there are many partitions */
    else if (err == 0 && known->leader >= 0 && !(br = kfk_producer_broker_get_loop(t->producer, known->leader)))
        kfk_producer_retry_loop(t->producer);
    kfk_partition_lead_loop(pt, br, br ? known->leader : -1, br ? known->leader_epoch : -1);
}

static void take_over(kfk_producer_topic *t)
{
    const kfk_topic *k = t->watch.topic;
    bool another = t->has_id && k->has_id && memcmp(&t->id, &k->id, sizeof t->id) != 0;
    if (add_partitions(t, k->count) != 0) kfk_producer_retry_loop(t->producer);
    if (k->has_id) {
        t->has_id = true;
        t->id = k->id;
    }
    for (int32_t i = 0; i < t->count; i++) {
        if (another) kfk_sequence_topic_recreated(&t->partitions[i]->sequence);
        lead(t, i);
        if (another) kfk_partition_settle_loop(t->partitions[i]);
    }
    kfk_producer_map_update_loop(t);
}

static void looked_up(kfk_topic_watch *w)
{
    kfk_producer *p = KFK_CONTAINER(w, kfk_producer_topic, watch)->producer;
    if (!p->stopped) kfk_producer_count(p, KFK_COUNT_REBALANCE, 1);
}

static void changed(kfk_topic_watch *w, kfk_topic *topic, unsigned changes)
{
    kfk_producer_topic *t = KFK_CONTAINER(w, kfk_producer_topic, watch);
    (void)topic;
    (void)changes;
    if (t->producer->stopped) return;
    take_over(t);
    kfk_producer_lobby_loop(t, false);
    kfk_producer_pump_loop(t->producer);
}

/* ---- searching --------------------------------------------------------------------------------------------------- */

static bool is_needed(kfk_producer_topic *t)
{
    if (!kfk_list_empty(&t->waiting) || t->lobby.view.open_count > 0) return true;
    for (int32_t i = 0; i < t->count; i++) {
        if (kfk_partition_waits_for_leader(t->partitions[i])) return true;
    }
    return false;
}

/* A round that counts: whoever has had too many of them fails. */
static void miss(kfk_producer_topic *t, const kfk_error *why)
{
    kfk_producer *p = t->producer;
    kfk_error all;
    t->rounds++;
    kfk_partition_note(&t->lobby, "%s", why->text);
    kfk_error_set(&all, why->code, "topic %s: %s; looked for %d times", t->name, why->text, (int)p->cfg.max_attempts);
    kfk_producer_lobby_fail_loop(t, &all, (unsigned)p->cfg.max_attempts, INT64_MAX);
    for (int32_t i = 0; i < t->count; i++) {
        kfk_producer_partition *pt = t->partitions[i];
        if (!kfk_partition_waits_for_leader(pt)) continue;
        kfk_partition_push_open_loop(pt);
        kfk_partition_note(pt, "%s", why->text);
        kfk_sequence_missed(&pt->sequence, why->code, kfk_loop_now_ms(p->loop));
        kfk_partition_settle_loop(pt);
    }
}

/* It exists, or may; but it is not for us. */
static void refuse(kfk_producer_topic *t, const kfk_error *why)
{
    kfk_error all;
    kfk_error_set(&all, why->code, "topic %s: %s", t->name, why->text);
    kfk_producer_lobby_fail_loop(t, &all, 0, INT64_MAX);
    for (int32_t i = 0; i < t->count; i++) {
        kfk_producer_partition *pt = t->partitions[i];
        if (!kfk_partition_waits_for_leader(pt)) continue;
        kfk_partition_push_open_loop(pt);
        kfk_partition_note(pt, "%s", why->text);
        kfk_partition_give_up_loop(pt, why->code);
    }
}

static void answered(kfk_ask *ask, const kfk_error *err)
{
    kfk_producer_topic *t = KFK_CONTAINER(ask, kfk_producer_topic, ask);
    kfk_producer *p = t->producer;
    kfk_error why;
    if (p->stopped) return;
    kfk_producer_hold(p);
    if (!err && t->watch.on) take_over(t);
    kfk_producer_lobby_loop(t, false);
    int code = err ? err->code : t->watch.on ? kfk_topic_error(t->watch.topic) : 0;
    bool missing = code == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION && !err;
    if (err)
        why = *err;
    else if (code != 0)
        kfk_error_set(&why, code, "%s, says %s", kafka_strerror(code), kfk_cluster_answered_by_loop(p->cluster));
    if (err || missing)
        miss(t, &why);
    else if (code != 0 && !kafka_err_is_temporary(code))
        refuse(t, &why);
    t->failures++;
    if (is_needed(t)) {
        int64_t pause = kfk_backoff_ms(p->loop, t->failures, KFK_BACKOFF_LAST_MS);
        kfk_loop_timer_set(p->loop, &t->again, kfk_time_add(kfk_loop_now_ms(p->loop), pause));
    } else {
        t->failures = 0;
        t->searching = false;
    }
    kfk_producer_pump_loop(p);
    kfk_producer_drop(p);
}

static void ask(kfk_producer_topic *t)
{
    int err = kfk_cluster_ask_loop(t->producer->cluster, kafka_str(t->name), &t->ask);
    if (err == 0) return;
    t->searching = false;
    if (err == KAFKA_ENOMEM) kfk_producer_retry_loop(t->producer);
}

static void again_due(kfk_timer *timer)
{
    kfk_producer_topic *t = KFK_CONTAINER(timer, kfk_producer_topic, again);
    kfk_producer_lobby_loop(t, false); /* what is in the lobby now has its rounds counted from here */
    if (is_needed(t))
        ask(t);
    else
        t->searching = false;
    kfk_producer_pump_loop(t->producer);
}

void kfk_producer_search_loop(kfk_producer_topic *t)
{
    kfk_producer *p = t->producer;
    if (t->searching || p->stopped || !p->cluster || !t->watch.on) return;
    t->searching = true;
    t->failures = 0;
    ask(t);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static bool has_name(const kfk_map_node *n, const void *key, size_t len)
{
    const kfk_producer_topic *t = KFK_CONTAINER((uintptr_t)n, kfk_producer_topic, by_name);
    return strlen(t->name) == len && memcmp(t->name, key, len) == 0;
}

static void lobby_timer_due(kfk_timer *timer)
{
    kfk_producer_topic *t = KFK_CONTAINER(timer, kfk_producer_partition, timer)->topic;
    kfk_producer_lobby_loop(t, false);
    kfk_producer_pump_loop(t->producer);
}

static int topic_new(kfk_producer *p, kafka_bytes name, kfk_producer_topic **out)
{
    kfk_producer_topic *t = kfk_mem_zalloc(sizeof *t + name.len + 1);
    if (!t) return KAFKA_ENOMEM;
    memcpy(t->name, name.data, name.len);
    t->producer = p;
    kfk_list_init(&t->fresh);
    kfk_list_init(&t->waiting);
    kfk_timer_init(&t->again, again_due);
    t->watch.changed = changed;
    t->watch.looked_up = looked_up;
    t->ask.done = answered;
    kfk_partition_init(&t->lobby, t, KFK_PRODUCER_LOBBY);
    kfk_lock_init(&t->lock);
    kfk_timer_init(&t->lobby.timer, lobby_timer_due);
    *out = t;
    return 0;
}

void kfk_producer_topic_free(kfk_producer_topic *t)
{
    for (int32_t i = 0; i < t->count; i++) {
        kfk_partition_fini(t->partitions[i]);
        kfk_mem_free(t->partitions[i]);
    }
    kfk_mem_free(t->partitions);
    kfk_partition_fini(&t->lobby);
    kfk_producer_maps_fini(&t->maps);
    kfk_lock_fini(&t->lock);
    kfk_mem_free(t);
}

int kfk_producer_topic_get(kfk_producer *p, kafka_bytes name, kfk_producer_topic **out)
{
    kfk_producer_topic *t = NULL;
    if (!kfk_metadata_topic_is_sane(name)) return KAFKA_ERR_INVALID_TOPIC;
    uint64_t hash = kfk_map_hash(&p->topics, name.data, name.len);
    int err = 0;
    kfk_lock_take(&p->lock);
    kfk_map_node *n = kfk_map_find(&p->topics, hash, has_name, name.data, name.len);
    if (n) {
        t = KFK_CONTAINER(n, kfk_producer_topic, by_name);
    } else if (atomic_load(&p->closed)) {
        err = KAFKA_ECLOSED;
    } else if (p->topics.count >= KFK_PRODUCER_TOPICS) { /* names made of messages would never end */
        err = KAFKA_EAGAIN;
    } else if ((err = topic_new(p, name, &t)) == 0 && (err = kfk_map_add(&p->topics, &t->by_name, hash)) != 0) {
        kfk_producer_topic_free(t);
    } else if (err == 0) {
        kfk_list_push_back(&p->fresh, &t->fresh);
    }
    kfk_lock_give(&p->lock);
    if (err != 0) return err;
    kfk_producer_hold(p);
    *out = t;
    return 0;
}

kfk_producer_topic *kfk_producer_topic_hold(kfk_producer_topic *t)
{
    kfk_producer_hold(t->producer);
    return t;
}

void kfk_producer_topic_drop(kfk_producer_topic *t)
{
    if (t) kfk_producer_drop(t->producer);
}

kfk_producer_topic *kfk_producer_topic_next(kfk_producer *p, kfk_producer_topic *after)
{
    kfk_lock_take(&p->lock);
    kfk_list *n = after ? after->by_name.order.next : p->topics.order.next;
    kfk_producer_topic *t = NULL;
    if (n != &p->topics.order) t = KFK_CONTAINER(KFK_CONTAINER(n, kfk_map_node, order), kfk_producer_topic, by_name);
    kfk_lock_give(&p->lock);
    return t;
}

void kfk_producer_each_loop(kfk_producer *p, void (*fn)(kfk_producer_partition *, void *), void *arg)
{
    for (kfk_producer_topic *t = NULL; (t = kfk_producer_topic_next(p, t)) != NULL;) {
        fn(&t->lobby, arg);
        for (int32_t i = 0; i < t->count; i++) fn(t->partitions[i], arg);
    }
}

const char *kfk_producer_topic_name(const kfk_producer_topic *t)
{
    return t->name;
}

void kfk_producer_topics_watch_loop(kfk_producer *p)
{
    while (!p->stopped) {
        kfk_lock_take(&p->lock);
        kfk_list *n = kfk_list_first(&p->fresh);
        if (n) kfk_list_remove(n);
        kfk_lock_give(&p->lock);
        if (!n) return;
        kfk_producer_topic *t = KFK_CONTAINER(n, kfk_producer_topic, fresh);
        if (kfk_cluster_watch_loop(p->cluster, kafka_str(t->name), &t->watch) != 0) {
            kfk_lock_take(&p->lock);
            kfk_list_push_front(&p->fresh, n);
            kfk_lock_give(&p->lock);
            kfk_producer_retry_loop(p);
            return;
        }
        if (p->sequence_config.idempotence) kfk_producer_ids_want_loop(p);
        if (t->watch.topic->answered > 0) take_over(t);
        kfk_producer_lobby_loop(t, false);
    }
}

void kfk_producer_topics_close_loop(kfk_producer *p)
{
    for (kfk_producer_topic *t = NULL; (t = kfk_producer_topic_next(p, t)) != NULL;) {
        if (p->cluster) {
            kfk_cluster_unask_loop(p->cluster, &t->ask);
            kfk_cluster_unwatch_loop(p->cluster, &t->watch);
        }
        kfk_loop_timer_clear(p->loop, &t->again);
        kfk_loop_timer_clear(p->loop, &t->lobby.timer);
        t->searching = false;
    }
}
