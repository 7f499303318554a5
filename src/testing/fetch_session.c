/* Fetch sessions; see the header. */
#include "testing/fetch_session.h"
#include "base/mem.h"
#include "testing/topic.h"
#include <string.h>

void kft_fetch_sessions_init(kft_fetch_sessions *s, uint64_t seed)
{
    kfk_map_init(&s->by_id, seed);
    s->seed = seed;
    s->partition_count = 0;
    s->next_id = 1 + (int32_t)(seed % 1000000);
}

void kft_fetch_sessions_clear(kft_fetch_sessions *s)
{
    for (kfk_list *n; (n = kfk_list_first(&s->by_id.order)) != NULL;)
        kft_fetch_session_free(s, KFK_CONTAINER(n, kft_fetch_session, node.order));
    kfk_map_fini(&s->by_id);
    kfk_map_init(&s->by_id, s->seed);
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static bool session_is(const kfk_map_node *n, const void *key, size_t len)
{
    (void)len;
    return memcmp(&KFK_CONTAINER(n, kft_fetch_session, node)->id, key, sizeof(int32_t)) == 0;
}

kft_fetch_session *kft_fetch_session_find(kft_fetch_sessions *s, int32_t id)
{
    kfk_map_node *n = kfk_map_find(&s->by_id, kfk_map_hash(&s->by_id, &id, sizeof id), session_is, &id, sizeof id);
    return n ? KFK_CONTAINER(n, kft_fetch_session, node) : NULL;
}

kft_fetch_session *kft_fetch_session_new(kft_fetch_sessions *s, bool by_id)
{
    if (s->by_id.count >= KFT_MOST_FETCH_SESSIONS)
        kft_fetch_session_free(s, KFK_CONTAINER(kfk_list_first(&s->by_id.order), kft_fetch_session, node.order));
    kft_fetch_session *x = kfk_mem_zalloc(sizeof *x);
    if (!x) return NULL;
    while (s->next_id < 1 || kft_fetch_session_find(s, s->next_id)) s->next_id = s->next_id < 1 ? 1 : s->next_id + 1;
    x->id = s->next_id;
    s->next_id = x->id == INT32_MAX ? 1 : x->id + 1;
    x->epoch = 1;
    x->all = s;
    x->by_id = by_id;
    kfk_map_init(&x->partitions, s->seed);
    if (kfk_map_add(&s->by_id, &x->node, kfk_map_hash(&s->by_id, &x->id, sizeof x->id)) == 0) return x;
    kfk_mem_free(x);
    return NULL;
}

static void remove_partition(kft_fetch_session *x, kft_fetch_partition *p)
{
    kfk_map_remove(&x->partitions, &p->node);
    x->all->partition_count--;
    kfk_mem_free(p->topic);
    kfk_mem_free(p);
}

void kft_fetch_session_free(kft_fetch_sessions *s, kft_fetch_session *x)
{
    for (kfk_list *n; (n = kfk_list_first(&x->partitions.order)) != NULL;)
        remove_partition(x, KFK_CONTAINER(n, kft_fetch_partition, node.order));
    kfk_map_fini(&x->partitions);
    kfk_map_remove(&s->by_id, &x->node);
    kfk_mem_free(x);
}

void kft_fetch_session_used(kft_fetch_sessions *s, kft_fetch_session *x)
{
    x->epoch = x->epoch == INT32_MAX ? 1 : x->epoch + 1;
    kfk_list_remove(&x->node.order);
    kfk_list_push_back(&s->by_id.order, &x->node.order);
}

/* ---- partitions -------------------------------------------------------------------------------------------------- */

typedef struct partition_key {
    kafka_bytes topic;
    kfk_uuid id;
    int32_t index;
} partition_key;

static bool partition_is(const kfk_map_node *n, const void *key, size_t len)
{
    const kft_fetch_partition *p = KFK_CONTAINER(n, kft_fetch_partition, node);
    const partition_key *k = key;
    (void)len;
    if (p->asked.partition != k->index || memcmp(&p->topic_id, &k->id, sizeof k->id) != 0) return false;
    if (!p->topic) return true;
    return k->topic.data && strlen(p->topic) == k->topic.len && memcmp(p->topic, k->topic.data, k->topic.len) == 0;
}

static uint64_t hash_of(const kft_fetch_session *x, const partition_key *k)
{
    uint64_t parts[3] = {kfk_map_hash(&x->partitions, k->id.bytes, sizeof k->id.bytes), (uint64_t)k->index,
                         x->by_id ? 0 : kfk_map_hash(&x->partitions, k->topic.data, k->topic.len)};
    return kfk_map_hash(&x->partitions, parts, sizeof parts);
}

static kft_fetch_partition *find(kft_fetch_session *x, const partition_key *k)
{
    kfk_map_node *n = kfk_map_find(&x->partitions, hash_of(x, k), partition_is, k, sizeof *k);
    return n ? KFK_CONTAINER(n, kft_fetch_partition, node) : NULL;
}

kft_fetch_partition *kft_fetch_session_partition(kft_fetch_session *x, kafka_bytes topic, const kfk_uuid *id,
                                                 int32_t index)
{
    return find(x, &(partition_key){topic, *id, index});
}

/* For one more partition. */
static bool make_room(const kft_fetch_session *x)
{
    kft_fetch_sessions *s = x->all;
    while (s->partition_count >= KFT_MOST_SESSION_PARTITIONS) {
        kft_fetch_session *oldest = KFK_CONTAINER(kfk_list_first(&s->by_id.order), kft_fetch_session, node.order);
        if (oldest == x) return false;
        kft_fetch_session_free(s, oldest);
    }
    return true;
}

static kft_fetch_partition *add(kft_fetch_session *x, const partition_key *k)
{
    if (!make_room(x) || k->topic.len > KFT_TOPIC_NAME_MAX) return NULL;
    kft_fetch_partition *p = kfk_mem_zalloc(sizeof *p);
    if (!p) return NULL;
    p->topic_id = k->id;
    p->told_high_watermark = p->told_log_start = -1;
    if ((x->by_id || (p->topic = kfk_mem_strndup(k->topic.data, k->topic.len)) != NULL) &&
        kfk_map_add(&x->partitions, &p->node, hash_of(x, k)) == 0) {
        x->all->partition_count++;
        return p;
    }
    kfk_mem_free(p->topic);
    kfk_mem_free(p);
    return NULL;
}

bool kft_fetch_session_update(kft_fetch_session *x, const kfk_fetch_request *r)
{
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_fetch_request_topic *t = &r->topics.items[i];
        for (int32_t k = 0; k < t->partitions.count; k++) {
            partition_key key = {t->topic, t->topic_id, t->partitions.items[k].partition};
            kft_fetch_partition *p = find(x, &key);
            if (!p && !(p = add(x, &key))) return false;
            p->asked = t->partitions.items[k];
        }
    }
    for (int32_t i = 0; i < r->forgotten_topics_data.count; i++) {
        const kfk_fetch_request_forgotten *t = &r->forgotten_topics_data.items[i];
        for (int32_t k = 0; k < t->partitions.count; k++) {
            kft_fetch_partition *p = find(x, &(partition_key){t->topic, t->topic_id, t->partitions.items[k]});
            if (p) remove_partition(x, p);
        }
    }
    return true;
}

void kft_fetch_session_had_turn(kft_fetch_session *x, kft_fetch_partition *p)
{
    kfk_list_remove(&p->node.order);
    kfk_list_push_back(&x->partitions.order, &p->node.order);
}
