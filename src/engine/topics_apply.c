/* What answers do to the table of topics: the rules in the header.
 *
 * A topic's new partitions are made beside the old ones and then take their place, so that a lack of memory in the
 * middle changes nothing, and what is idle is one block: about 40 bytes a partition with three replicas. */
#include "base/mem.h"
#include "engine/topics.h"
#include <string.h>

enum { WORTH_GIVING_BACK = 32 /* replicas */ };

/* One answer while it is taken over. */
typedef struct applying {
    kfk_topics *ts;
    const kfk_brokers *brokers;
    uint64_t number;
    kfk_ignored *ignored;
    kfk_error *err;
    int32_t last_leader; /* looked up last: it is named, as most others with it */
} applying;

static void note_change(kfk_topics *ts, kfk_topic *t, unsigned changes)
{
    if (changes == 0) return;
    if (t->changes == 0) kfk_list_push_back(&ts->changed, &t->changed);
    t->changes |= changes;
}

/* ---- partitions -------------------------------------------------------------------------------------------------- */

/* Is it certain that what has the epoch `epoch` was said before what has `known`? -1 is "unknown", never "older". */
static bool is_older(int32_t epoch, int32_t known)
{
    return epoch >= 0 && known >= 0 && epoch < known;
}

static bool is_named(applying *x, int32_t id)
{
    if (id < 0) return false;
    if (id == x->last_leader) return true;
    const kfk_node *n = kfk_brokers_find(x->brokers, id);
    if (!n || !kfk_brokers_is_named(x->brokers, n)) return false;
    x->last_leader = id;
    return true;
}

static bool same_leader(const kfk_partition *a, const kfk_partition *b)
{
    return a->leader == b->leader && a->leader_epoch == b->leader_epoch && a->error == b->error;
}

/* Who leads now. */
static void take_leader(applying *x, kfk_partition *p, const kfk_metadata_response_partition *e)
{
    int32_t epoch = e->leader_epoch < 0 ? -1 : e->leader_epoch;
    if (is_older(epoch, p->newest_epoch)) return;
    bool led = is_named(x, e->leader_id);
    p->leader = led ? e->leader_id : -1;
    p->absent_leader = led || e->leader_id < 0 ? -1 : e->leader_id;
    p->leader_epoch = epoch;
    p->error = 0;
    if (!led)
        p->error = e->error_code != 0 && e->leader_id < 0 ? kfk_error_of_broker(e->error_code)
                                                          : (int16_t)KAFKA_ERR_LEADER_NOT_AVAILABLE;
    if (epoch > p->newest_epoch) p->newest_epoch = epoch;
}

static const kfk_partition nothing_known = {
    .leader = -1, .absent_leader = -1, .leader_epoch = -1, .newest_epoch = -1, .error = KAFKA_ERR_LEADER_NOT_AVAILABLE};

static size_t replicas_of(const kfk_metadata_response_partition *e)
{
    int32_t n = e->replica_nodes.count;
    return n < 0 ? 0 : n > UINT16_MAX ? UINT16_MAX : (size_t)n;
}

/* The partitions of a topic, old and new. `taken` marks those that were taken over: the first of two entries counts. */
typedef struct merge {
    kfk_partition *now;
    int32_t *replicas;
    size_t replica_count, replica_room;
    int32_t count;
} merge;

static int merge_new(merge *m, const kfk_topic *t, const kfk_metadata_response_topic *e)
{
    size_t replicas = 0, old = (size_t)t->count;
    for (int32_t i = 0; i < t->count; i++) replicas += t->partitions[i].replica_count;
    for (int32_t i = 0; i < e->partitions.count; i++) replicas += replicas_of(&e->partitions.items[i]);
    size_t count = e->partitions.count > t->count ? (size_t)e->partitions.count : old;
    if (replicas > UINT32_MAX / sizeof(int32_t)) return KAFKA_ENOMEM;
    *m = (merge){.count = (int32_t)count, .replica_room = replicas};
    m->now = kfk_mem_alloc(count * sizeof *m->now + replicas * sizeof(int32_t));
    if (!m->now) return KAFKA_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        m->now[i] = i < old ? t->partitions[i] : nothing_known;
        m->now[i].taken = false;
    }
    m->replicas = (int32_t *)(void *)(m->now + count);
    return 0;
}

static void add_replicas(merge *m, kfk_partition *p, const int32_t *ids, size_t count)
{
    p->replicas_at = (uint32_t)m->replica_count;
    p->replica_count = (uint16_t)count;
    if (count > 0) memcpy(m->replicas + m->replica_count, ids, count * sizeof *ids);
    m->replica_count += count;
}

/* Takes over what can be of the entries. */
static void merge_entries(applying *x, merge *m, const kfk_topic *t, const kfk_metadata_response_topic *e)
{
    for (int32_t i = 0; i < e->partitions.count; i++) {
        const kfk_metadata_response_partition *ep = &e->partitions.items[i];
        int32_t index = ep->partition_index;
        if (!kfk_metadata_partition_is_sane(index) || index >= m->count) {
            kfk_ignored_note(x->ignored, "partition %d among %d of topic %s", (int)index, (int)e->partitions.count,
                             t->name);
        } else if (m->now[index].taken) {
            kfk_ignored_note(x->ignored, "partition %d of topic %s is named twice", (int)index, t->name);
        } else {
            m->now[index].taken = true;
            take_leader(x, &m->now[index], ep);
            add_replicas(m, &m->now[index], ep->replica_nodes.items, replicas_of(ep));
        }
    }
    for (int32_t i = 0; i < t->count; i++) {
        const kfk_partition *old = &t->partitions[i];
        if (!m->now[i].taken) add_replicas(m, &m->now[i], t->replicas + old->replicas_at, old->replica_count);
    }
    while (m->count > t->count && !m->now[m->count - 1].taken) m->count--;
}

/* There was room for the replicas of both, since which entries count was not known: gives back what is worth it. */
static void merge_shrink(merge *m)
{
    size_t used = (size_t)((char *)(m->replicas + m->replica_count) - (char *)m->now);
    size_t at = (size_t)((char *)m->replicas - (char *)m->now), spare = m->replica_room - m->replica_count;
    if (spare < WORTH_GIVING_BACK) return;
    kfk_partition *smaller = kfk_mem_realloc(m->now, used);
    if (!smaller) return;
    m->now = smaller;
    m->replicas = (int32_t *)(void *)((char *)smaller + at);
}

/* Puts the new partitions in place and tells what is different. */
static unsigned merge_finish(applying *x, merge *m, kfk_topic *t)
{
    unsigned changes = m->count > t->count ? KFK_TOPIC_COUNT : 0;
    t->stale = false;
    for (int32_t i = 0; i < m->count; i++) {
        bool moved = i >= t->count || !same_leader(&m->now[i], &t->partitions[i]);
        if (moved) changes |= KFK_TOPIC_LEADERS;
        if (moved || t->need <= x->number) m->now[i].stale = false;
        t->stale = t->stale || m->now[i].stale;
    }
    merge_shrink(m);
    kfk_mem_free(t->partitions);
    t->partitions = m->now;
    t->replicas = m->replicas;
    t->count = m->count;
    return changes;
}

/* ---- topics ------------------------------------------------------------------------------------------------------ */

static bool is_zero(const kfk_uuid *id)
{
    static const kfk_uuid none;
    return memcmp(id, &none, sizeof none) == 0;
}

static bool same_id(const kfk_uuid *a, const kfk_uuid *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* May what the entry says be taken for this topic, as far as its id goes? */
static bool id_is_good(applying *x, const kfk_topic *t, const kfk_uuid *id)
{
    if (is_zero(id)) return true;
    const kfk_topic *other = kfk_topics_find_id(x->ts, id);
    if (other && other != t) {
        kfk_ignored_note(x->ignored, "topic %s has the id of topic %s", t->name, other->name);
        return false;
    }
    return !same_id(id, &t->previous_id); /* replaced before: the broker is behind */
}

/* Takes over the id. A new one begins a new topic. */
static int take_id(applying *x, kfk_topic *t, const kfk_uuid *id, unsigned *changes)
{
    if (is_zero(id) || (t->has_id && same_id(id, &t->id))) return 0;
    if (t->has_id) {
        kfk_map_remove(&x->ts->by_id, &t->by_id);
        t->previous_id = t->id;
        t->has_id = false;
        kfk_mem_free(t->partitions);
        t->partitions = NULL;
        t->replicas = NULL;
        t->count = 0;
        t->stale = false;
        *changes |= KFK_TOPIC_NEW_ID;
    }
    t->id = *id;
    if (kfk_map_add(&x->ts->by_id, &t->by_id, kfk_map_hash(&x->ts->by_id, id, sizeof *id)) != 0) return KAFKA_ENOMEM;
    t->has_id = true;
    return 0;
}

static void is_missing(kfk_topic *t)
{
    t->missing++;
    if (t->has_id) return;
    for (int32_t i = 0; i < t->count; i++) t->partitions[i].newest_epoch = -1; /* it may come back as another one */
}

static void tell_looked_up(const kfk_topic *t)
{
    KFK_LIST_EACH (n, &t->watches) {
        kfk_topic_watch *w = KFK_CONTAINER(n, kfk_topic_watch, node);
        if (w->looked_up) w->looked_up(w);
    }
}

static int apply_topic(applying *x, kfk_topic *t, const kfk_metadata_response_topic *e)
{
    unsigned changes = 0;
    merge m;
    int error_before = kfk_topic_error(t), code = 0;
    t->answered = x->number;
    if (e->error_code == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION) {
        is_missing(t);
    } else if (e->error_code != 0) {
        t->error = kfk_error_of_broker(e->error_code);
        t->missing = 0;
    } else if (id_is_good(x, t, &e->topic_id)) {
        t->error = 0;
        t->missing = 0;
        t->is_internal = e->is_internal;
        code = take_id(x, t, &e->topic_id, &changes);
        if (code == 0 && e->partitions.count > 0 && (code = merge_new(&m, t, e)) == 0) {
            merge_entries(x, &m, t, e);
            changes |= merge_finish(x, &m, t);
            tell_looked_up(t);
        }
    }
    if (t->need <= x->number) t->stale = false;
    if (kfk_topic_error(t) != error_before) changes |= KFK_TOPIC_ERROR;
    note_change(x->ts, t, changes);
    return code == 0 ? 0 : kfk_error_set(x->err, code, "no memory for the partitions of topic %s", t->name);
}

/* The topic that an entry is about; NULL = none that is wanted. */
static int topic_of(applying *x, const kfk_metadata_response_topic *e, bool all, kfk_topic **out)
{
    *out = kfk_topics_find(x->ts, e->name);
    if (*out) return 0;
    if (!kfk_metadata_topic_is_sane(e->name)) {
        kfk_ignored_note(x->ignored, "topic \"%.*s\"", e->name.len > 80 ? 80 : (int)e->name.len,
                         e->name.data ? (const char *)e->name.data : "");
        return 0;
    }
    if (!all || kfk_list_empty(&x->ts->watches) || e->error_code == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION) return 0;
    int code = kfk_topics_add(x->ts, e->name, out);
    return code == 0 ? 0 : kfk_error_set(x->err, code, "no memory for a topic");
}

void kfk_topics_left_out(kfk_topics *ts, kfk_topic *t, uint64_t number)
{
    int before = kfk_topic_error(t);
    t->answered = number;
    is_missing(t);
    if (t->need <= number) t->stale = false;
    if (kfk_topic_error(t) != before) note_change(ts, t, KFK_TOPIC_ERROR);
}

/* All were asked for: what was left out does not exist. */
static void apply_absence(applying *x)
{
    for (kfk_topic *t = NULL; (t = kfk_topics_next(x->ts, t)) != NULL;) {
        if (t->answered == x->number) continue;
        kfk_topics_left_out(x->ts, t, x->number);
        if (kfk_list_empty(&t->watches) && t->uses == 0) note_change(x->ts, t, KFK_TOPIC_GONE);
    }
}

int kfk_topics_apply(kfk_topics *ts, const kfk_brokers *brokers, const kfk_metadata_response *answer, uint64_t number,
                     bool all, kfk_ignored *ignored, kfk_error *err)
{
    applying x = {.ts = ts, .brokers = brokers, .number = number, .ignored = ignored, .err = err, .last_leader = -1};
    for (int32_t i = 0; i < answer->topics.count; i++) {
        const kfk_metadata_response_topic *e = &answer->topics.items[i];
        kfk_topic *t;
        int code = topic_of(&x, e, all, &t);
        if (code != 0) return code;
        if (!t) continue;
        if (t->answered == number) {
            kfk_ignored_note(ignored, "topic %s is named twice", t->name);
            continue;
        }
        if ((code = apply_topic(&x, t, e)) != 0) return code;
    }
    if (all) apply_absence(&x);
    return 0;
}

bool kfk_topics_hint(kfk_topics *ts, const kfk_brokers *brokers, kfk_topic *t, int32_t partition, int32_t leader,
                     int32_t epoch)
{
    applying x = {.ts = ts, .brokers = brokers, .last_leader = -1};
    if (partition < 0 || partition >= t->count || epoch < 0) return false;
    kfk_partition *p = &t->partitions[partition];
    if (epoch <= p->newest_epoch || !is_named(&x, leader)) return false;
    p->leader = leader;
    p->absent_leader = -1;
    p->leader_epoch = p->newest_epoch = epoch;
    p->error = 0;
    p->stale = false;
    note_change(ts, t, KFK_TOPIC_LEADERS);
    return true;
}
