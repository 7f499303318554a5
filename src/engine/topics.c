/* The table itself: names, ids, watches. What answers do to it is in topics_apply.c.
 *
 * Watchers are told after an answer was taken over as a whole, so they see one consistent state. They may come and go
 * meanwhile: the list is moved aside and taken back one by one. Topics stay until the table's owner removes them. */
#include "engine/topics.h"
#include "base/mem.h"
#include "base/time.h"
#include <string.h>

static kfk_topic *named(const kfk_map_node *n)
{
    return KFK_CONTAINER((uintptr_t)n, kfk_topic, by_name);
}

void kfk_topics_init(kfk_topics *ts, uint64_t seed)
{
    *ts = (kfk_topics){0};
    kfk_map_init(&ts->by_name, seed);
    kfk_map_init(&ts->by_id, seed ^ 0x9e3779b97f4a7c15u);
    kfk_list_init(&ts->watches);
    kfk_list_init(&ts->changed);
}

void kfk_topics_fini(kfk_topics *ts)
{
    for (kfk_topic *t; (t = kfk_topics_next(ts, NULL)) != NULL;) kfk_topics_remove(ts, t);
    KFK_LIST_EACH (n, &ts->watches) {
        kfk_topics_unwatch(KFK_CONTAINER(n, kfk_topic_watch, node));
    }
    kfk_map_fini(&ts->by_name);
    kfk_map_fini(&ts->by_id);
}

static bool has_name(const kfk_map_node *n, const void *key, size_t len)
{
    const kfk_topic *t = named(n);
    return t->name_len == len && memcmp(t->name, key, len) == 0;
}

kfk_topic *kfk_topics_find(const kfk_topics *ts, kafka_bytes name)
{
    if (!name.data) return NULL;
    uint64_t hash = kfk_map_hash(&ts->by_name, name.data, name.len);
    kfk_map_node *n = kfk_map_find(&ts->by_name, hash, has_name, name.data, name.len);
    return n ? named(n) : NULL;
}

static bool has_id(const kfk_map_node *n, const void *key, size_t len)
{
    const kfk_topic *t = KFK_CONTAINER((uintptr_t)n, kfk_topic, by_id);
    return memcmp(&t->id, key, len) == 0;
}

kfk_topic *kfk_topics_find_id(const kfk_topics *ts, const kfk_uuid *id)
{
    kfk_map_node *n = kfk_map_find(&ts->by_id, kfk_map_hash(&ts->by_id, id, sizeof *id), has_id, id, sizeof *id);
    return n ? KFK_CONTAINER(n, kfk_topic, by_id) : NULL;
}

int kfk_topics_add(kfk_topics *ts, kafka_bytes name, kfk_topic **out)
{
    if ((*out = kfk_topics_find(ts, name)) != NULL) return 0;
    if (!kfk_metadata_topic_is_sane(name)) return KAFKA_ERR_INVALID_TOPIC;
    kfk_topic *t = kfk_mem_zalloc(sizeof *t + name.len + 1);
    if (!t) return KAFKA_ENOMEM;
    memcpy(t->name, name.data, name.len);
    t->name_len = name.len;
    kfk_list_init(&t->watches);
    kfk_list_init(&t->changed);
    kfk_list_init(&t->needing);
    t->retry_at_ms = KFK_TIME_NEVER;
    if (kfk_map_add(&ts->by_name, &t->by_name, kfk_map_hash(&ts->by_name, t->name, t->name_len)) != 0) {
        kfk_mem_free(t);
        return KAFKA_ENOMEM;
    }
    *out = t;
    return 0;
}

kfk_topic *kfk_topics_next(const kfk_topics *ts, const kfk_topic *after)
{
    const kfk_list *n = after ? after->by_name.order.next : ts->by_name.order.next;
    return n == &ts->by_name.order ? NULL : named(KFK_CONTAINER((uintptr_t)n, kfk_map_node, order));
}

void kfk_topics_remove(kfk_topics *ts, kfk_topic *t)
{
    KFK_LIST_EACH (n, &t->watches) {
        kfk_topics_unwatch(KFK_CONTAINER(n, kfk_topic_watch, node));
    }
    kfk_list_remove(&t->changed);
    kfk_list_remove(&t->needing);
    kfk_map_remove(&ts->by_name, &t->by_name);
    if (t->has_id) kfk_map_remove(&ts->by_id, &t->by_id);
    kfk_mem_free(t->partitions);
    kfk_mem_free(t);
}

void kfk_topics_forget(kfk_topics *ts)
{
    static const kfk_uuid none;
    for (kfk_topic *t = NULL; (t = kfk_topics_next(ts, t)) != NULL;) {
        if (t->has_id) kfk_map_remove(&ts->by_id, &t->by_id);
        t->has_id = false;
        t->id = t->previous_id = none;
        for (int32_t i = 0; i < t->count; i++) t->partitions[i].newest_epoch = -1;
    }
}

/* ---- watches ----------------------------------------------------------------------------------------------------- */

void kfk_topics_watch(kfk_topics *ts, kfk_topic *t, kfk_topic_watch *w)
{
    w->topic = t;
    w->on = true;
    kfk_list_push_back(t ? &t->watches : &ts->watches, &w->node);
}

void kfk_topics_unwatch(kfk_topic_watch *w)
{
    if (!w->on) return;
    kfk_list_remove(&w->node);
    w->on = false;
}

static void tell_all(kfk_topics *ts, kfk_list *watches, kfk_topic *t, unsigned changes)
{
    kfk_list telling;
    kfk_list_init(&telling);
    kfk_list_splice(&telling, watches);
    for (kfk_list *n; (n = kfk_list_first(&telling)) != NULL;) {
        kfk_topic_watch *w = KFK_CONTAINER(n, kfk_topic_watch, node);
        kfk_list_remove(n);
        kfk_list_push_back(watches, n);
        if (w->changed && !ts->closed) w->changed(w, t, changes);
    }
}

void kfk_topics_tell(kfk_topics *ts)
{
    if (ts->telling) return;
    ts->telling = true;
    for (kfk_list *n; (n = kfk_list_first(&ts->changed)) != NULL;) {
        kfk_topic *t = KFK_CONTAINER(n, kfk_topic, changed);
        unsigned changes = t->changes;
        kfk_list_remove(n);
        t->changes = 0;
        tell_all(ts, &t->watches, t, changes);
        tell_all(ts, &ts->watches, t, changes);
        if (changes & KFK_TOPIC_GONE && kfk_list_empty(&t->watches) && t->uses == 0) kfk_topics_remove(ts, t);
    }
    ts->telling = false;
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

int kfk_topic_error(const kfk_topic *t)
{
    bool missing = t->missing >= KFK_TOPIC_MISSING || (t->missing > 0 && t->count == 0);
    if (missing) return KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (t->error != 0) return t->error;
    return t->count > 0 ? 0 : KAFKA_ERR_LEADER_NOT_AVAILABLE;
}

int kfk_topic_partition(const kfk_topic *t, int32_t partition, const kfk_partition **out)
{
    int err = kfk_topic_error(t);
    if (err != 0) return err;
    if (partition < 0 || partition >= t->count) return KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    *out = &t->partitions[partition];
    return 0;
}

bool kfk_topic_is_incomplete(const kfk_topic *t)
{
    int err = t->missing > 0 ? KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION : kfk_topic_error(t);
    if (err != 0) return kafka_err_is_temporary(err);
    for (int32_t i = 0; i < t->count; i++) {
        if (t->partitions[i].leader < 0) return true;
    }
    return false;
}

bool kfk_topics_mark_stale(kfk_topic *t, int32_t partition, int32_t leader, int32_t leader_epoch)
{
    if (partition < 0 || partition >= t->count) return true;
    kfk_partition *p = &t->partitions[partition];
    if (p->leader != leader || p->leader_epoch != leader_epoch) return p->leader < 0;
    p->stale = t->stale = true;
    return true;
}
