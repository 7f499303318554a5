/* Topics and partitions; see the header. */
#include "testing/topic.h"
#include "base/mem.h"
#include "base/time.h"
#include "testing/cluster.h"
#include "testing/node.h"
#include "testing/session.h"
#include <string.h>

enum { RETENTION_CHECK_MS = 5 * 60 * 1000 };

/* ---- the tables -------------------------------------------------------------------------------------------------- */

void kft_topics_init(kft_topics *t, uint64_t seed)
{
    kfk_map_init(&t->by_name, seed);
    kfk_map_init(&t->by_id, seed);
    kfk_map_init(&t->by_folded, seed);
    t->partition_count = 0;
}

static bool name_is(const kfk_map_node *n, const void *key, size_t len)
{
    const kft_topic *t = KFK_CONTAINER(n, kft_topic, by_name);
    return strlen(t->name) == len && memcmp(t->name, key, len) == 0;
}

static bool id_is(const kfk_map_node *n, const void *key, size_t len)
{
    return memcmp(KFK_CONTAINER(n, kft_topic, by_id)->id.bytes, key, len) == 0;
}

kft_topic *kft_topic_find(const kft_topics *t, kafka_bytes name)
{
    if (!name.data) return NULL;
    kfk_map_node *n =
        kfk_map_find(&t->by_name, kfk_map_hash(&t->by_name, name.data, name.len), name_is, name.data, name.len);
    return n ? KFK_CONTAINER(n, kft_topic, by_name) : NULL;
}

kft_topic *kft_topic_find_id(const kft_topics *t, const kfk_uuid *id)
{
    kfk_map_node *n = kfk_map_find(&t->by_id, kfk_map_hash(&t->by_id, id->bytes, sizeof id->bytes), id_is, id->bytes,
                                   sizeof id->bytes);
    return n ? KFK_CONTAINER(n, kft_topic, by_id) : NULL;
}

kft_topic *kft_topic_find_any(const kft_topics *t, kafka_bytes name, const kfk_uuid *id)
{
    static const kfk_uuid none;
    return memcmp(id, &none, sizeof none) != 0 ? kft_topic_find_id(t, id) : kft_topic_find(t, name);
}

kft_partition *kft_topic_partition(const kft_topic *t, int32_t index)
{
    return t && index >= 0 && index < t->partition_count ? t->partitions[index] : NULL;
}

/* Metrics cannot tell apart names that differ only in dots and underscores. The name is valid. */
static uint64_t hash_folded(const kft_topics *t, kafka_bytes name)
{
    char folded[KFT_TOPIC_NAME_MAX];
    for (size_t i = 0; i < name.len; i++)
        folded[i] = ((const char *)name.data)[i] == '.' ? '_' : ((const char *)name.data)[i];
    return kfk_map_hash(&t->by_folded, folded, name.len);
}

static bool folded_is(const kfk_map_node *n, const void *key, size_t len)
{
    const char *a = KFK_CONTAINER(n, kft_topic, by_folded)->name, *b = key;
    size_t i = 0;
    if (strlen(a) != len) return false;
    while (i < len && (a[i] == b[i] || ((a[i] == '.' || a[i] == '_') && (b[i] == '.' || b[i] == '_')))) i++;
    return i == len;
}

static bool collides(const kft_topics *t, kafka_bytes name)
{
    return kfk_map_find(&t->by_folded, hash_folded(t, name), folded_is, name.data, name.len) != NULL;
}

bool kft_topic_name_is_valid(kafka_bytes name, const char **why)
{
    const char *s = name.data;
    *why = NULL;
    if (!s || name.len == 0)
        *why = "The topic name is empty.";
    else if (name.len > KFT_TOPIC_NAME_MAX)
        *why = "The topic name is longer than 249 characters.";
    else if ((name.len == 1 && s[0] == '.') || (name.len == 2 && s[0] == '.' && s[1] == '.'))
        *why = "The topic name must not be \".\" or \"..\".";
    for (size_t i = 0; !*why && i < name.len; i++) {
        bool fine = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') ||
                    s[i] == '.' || s[i] == '_' || s[i] == '-';
        if (!fine) *why = "The topic name has other characters than letters, digits, '.', '_' and '-'.";
    }
    return !*why;
}

/* ---- partitions -------------------------------------------------------------------------------------------------- */

static bool is_up(kafka_cluster *c, int32_t id)
{
    return kft_cluster_node(c, id) != NULL;
}

bool kft_partition_has_replica(const kft_partition *p, int32_t broker)
{
    for (int i = 0; i < p->replica_count; i++) {
        if (p->replicas[i] == broker) return true;
    }
    return false;
}

int kft_partition_min_in_sync(const kft_partition *p)
{
    int32_t least = p->topic->settings.min_in_sync;
    return least < p->replica_count ? least : p->replica_count;
}

int16_t kft_partition_check_epoch(const kft_partition *p, int32_t epoch)
{
    if (epoch < 0 || epoch == p->leader_epoch) return 0;
    return epoch < p->leader_epoch ? KAFKA_ERR_FENCED_LEADER_EPOCH : KAFKA_ERR_UNKNOWN_LEADER_EPOCH;
}

static bool is_in_sync(const kft_partition *p, int32_t broker)
{
    for (int i = 0; i < p->isr_count; i++) {
        if (p->isr[i] == broker) return true;
    }
    return false;
}

void kft_partition_changed(kafka_cluster *c, kft_partition *p)
{
    (void)c;
    KFK_LIST_EACH (n, &p->waiters) kft_session_wake(KFK_CONTAINER(n, kft_wait, node)->ask);
}

void kft_partition_replicate(kafka_cluster *c, kft_partition *p)
{
    if (p->replication_held || p->log.high_watermark == p->log.end) return;
    p->log.high_watermark = p->log.end;
    kft_partition_changed(c, p);
}

void kft_partition_retain(kft_partition *p, int64_t now_wall_ms)
{
    const kft_settings *s = &p->topic->settings;
    int64_t interval_ms =
        s->retention_ms >= 0 && s->retention_ms < RETENTION_CHECK_MS ? s->retention_ms : RETENTION_CHECK_MS;
    if (!s->deletes) return; /* compacted alone: nothing is too old */
    if (p->retained_wall_ms == 0) p->retained_wall_ms = now_wall_ms;
    bool due = now_wall_ms - p->retained_wall_ms >= interval_ms;
    kft_log_retain(&p->log, due ? s->retention_ms : -1, s->retention_bytes, now_wall_ms);
    if (due) p->retained_wall_ms = now_wall_ms;
}

/* What another leader never saw is cut off. */
static void cut_back(kft_partition *p)
{
    kft_producers_truncate(&p->producers, p->log.high_watermark);
    kft_log_truncate(&p->log, p->log.high_watermark);
    for (int i = 0; i < p->replica_count; i++) {
        if (p->restarts[i].end > p->log.end) p->restarts[i].end = p->log.end;
    }
    p->cut_epoch = p->leader_epoch + 1;
}

static kft_restart *restart_of(kft_partition *p, int32_t broker)
{
    int i = 0;
    while (i < p->replica_count - 1 && p->replicas[i] != broker) i++;
    return &p->restarts[i];
}

/* A leader that was restarted knows less of producers than the one before it. */
static void remember_as(kft_partition *p, int32_t leader)
{
    const kft_restart *r = restart_of(p, leader);
    kft_producers_restart(&p->producers, r->end, r->empty, kfk_time_wall_ms());
}

void kft_partition_set_leader(kafka_cluster *c, kft_partition *p, int32_t leader)
{
    if (leader != -1 && leader != p->last_leader && p->replication_held) cut_back(p);
    p->leader = leader;
    p->leader_epoch++;
    if (leader != -1) {
        p->last_leader = leader;
        remember_as(p, leader);
        if (kft_log_begin_epoch(&p->log, p->leader_epoch) != 0)
            kft_log(c, KAFKA_LOG_WARN, "no memory to note a leader epoch of %s-%d", p->topic->name, (int)p->index);
        if (!p->replication_held) p->log.high_watermark = p->log.end;
    }
    kft_log(c, KAFKA_LOG_INFO, "%s-%d is led by broker %d, epoch %d", p->topic->name, (int)p->index, (int)leader,
            (int)p->leader_epoch);
    kft_partition_changed(c, p);
}

int kft_partition_move(kafka_cluster *c, kft_partition *p, int32_t leader, kfk_error *err)
{
    if (!kft_partition_has_replica(p, leader)) {
        if (p->replica_count == KFT_MOST_REPLICAS)
            return kfk_error_set(err, KAFKA_EINVAL, "the partition has %d replicas already", KFT_MOST_REPLICAS);
        p->restarts[p->replica_count] = (kft_restart){0};
        p->replicas[p->replica_count++] = leader;
    }
    if (!is_in_sync(p, leader)) p->isr[p->isr_count++] = leader;
    kft_partition_set_leader(c, p, leader);
    return 0;
}

static void shrink_isr(kft_partition *p, int32_t id)
{
    int kept = 0;
    if (p->isr_count == 1) return; /* the last one in sync stays: it alone may lead again */
    for (int i = 0; i < p->isr_count; i++) {
        if (p->isr[i] != id) p->isr[kept++] = p->isr[i];
    }
    p->isr_count = kept;
}

static void broker_down(kafka_cluster *c, kft_partition *p, int32_t id)
{
    int32_t next = -1;
    if (!kft_partition_has_replica(p, id)) return;
    restart_of(p, id)->end = p->log.end;
    shrink_isr(p, id);
    if (p->leader != id) return;
    for (int i = 0; i < p->replica_count && next == -1; i++) {
        if (is_in_sync(p, p->replicas[i]) && is_up(c, p->replicas[i])) next = p->replicas[i];
    }
    kft_partition_set_leader(c, p, next);
}

static void broker_up(kafka_cluster *c, kft_partition *p, int32_t id)
{
    if (!kft_partition_has_replica(p, id)) return;
    restart_of(p, id)->empty = p->log.start >= restart_of(p, id)->end;
    if (p->leader == -1 && is_in_sync(p, id)) kft_partition_set_leader(c, p, id);
    if (p->leader != -1 && !is_in_sync(p, id)) p->isr[p->isr_count++] = id;
}

/* Something happened to a broker: each partition, in the order of the topics' coming, is told. */
static void each_partition(kafka_cluster *c, int32_t id, void (*tell)(kafka_cluster *, kft_partition *, int32_t id))
{
    KFK_LIST_EACH (order, &c->topics.by_name.order) {
        kft_topic *t = KFK_CONTAINER(order, kft_topic, by_name.order);
        for (int32_t i = 0; i < t->partition_count; i++) tell(c, t->partitions[i], id);
    }
}

void kft_topics_broker_down(kafka_cluster *c, int32_t id)
{
    each_partition(c, id, broker_down);
}

void kft_topics_broker_up(kafka_cluster *c, int32_t id)
{
    each_partition(c, id, broker_up);
}

/* ---- birth and death of topics ----------------------------------------------------------------------------------- */

static void partition_free(kft_partition *p)
{
    kft_log_fini(&p->log);
    kft_producers_fini(&p->producers);
    kfk_mem_free(p);
}

static void topic_free(kft_topic *t)
{
    for (int32_t i = 0; i < t->partition_count; i++) partition_free(t->partitions[i]);
    kfk_mem_free(t->partitions);
    kft_settings_fini(&t->settings);
    kfk_mem_free(t);
}

void kft_topics_fini(kft_topics *t)
{
    for (kfk_list *n; (n = kfk_list_first(&t->by_name.order)) != NULL;) {
        kft_topic *topic = KFK_CONTAINER(n, kft_topic, by_name.order);
        kfk_map_remove(&t->by_name, &topic->by_name);
        kfk_map_remove(&t->by_id, &topic->by_id);
        kfk_map_remove(&t->by_folded, &topic->by_folded);
        topic_free(topic);
    }
    kfk_map_fini(&t->by_name);
    kfk_map_fini(&t->by_id);
    kfk_map_fini(&t->by_folded);
}

/* Replicas in turn over the brokers, so that leaders are spread. */
static void spread(kafka_cluster *c, kft_partition *p, int replication)
{
    int32_t first = p->index % c->node_count;
    for (int i = 0; i < replication; i++) p->replicas[i] = 1 + (first + i) % c->node_count;
    p->replica_count = replication;
}

static kft_partition *partition_new(kafka_cluster *c, kft_topic *t, int32_t index, int replication,
                                    const kft_assignment *assignment)
{
    kft_partition *p = kfk_mem_zalloc(sizeof *p);
    if (!p) return NULL;
    p->topic = t;
    p->index = index;
    p->leader = -1;
    kfk_list_init(&p->waiters);
    kft_log_init(&p->log, &c->memory);
    kft_producers_init(&p->producers, &c->producers, kfk_loop_random(c->loop));
    if (assignment) {
        memcpy(p->replicas, assignment->replicas, (size_t)assignment->count * sizeof p->replicas[0]);
        p->replica_count = assignment->count;
    } else {
        spread(c, p, replication);
    }
    for (int i = 0; i < p->replica_count; i++) {
        if (!is_up(c, p->replicas[i])) continue;
        p->isr[p->isr_count++] = p->replicas[i];
        if (p->leader == -1) p->leader = p->replicas[i];
    }
    p->last_leader = p->leader;
    if (p->isr_count == 0) p->isr[p->isr_count++] = p->replicas[0];
    if (kft_log_begin_epoch(&p->log, 0) != 0) {
        partition_free(p);
        return NULL;
    }
    return p;
}

static int16_t refuse(const char **why, int16_t code, const char *text)
{
    *why = text;
    return code;
}

static int16_t add_partitions(kafka_cluster *c, kft_topic *t, int32_t count, int replication,
                              const kft_assignment *assignment, const char **why)
{
    int32_t before = t->partition_count;
    kft_partition **grown = kfk_mem_realloc(t->partitions, (size_t)count * sizeof(kft_partition *));
    if (grown) t->partitions = grown;
    while (grown && t->partition_count < count) {
        int32_t i = t->partition_count;
        t->partitions[i] = partition_new(c, t, i, replication, assignment ? &assignment[i - before] : NULL);
        if (!t->partitions[i]) break;
        t->partition_count++;
    }
    if (t->partition_count < count) {
        while (t->partition_count > before) partition_free(t->partitions[--t->partition_count]);
        return refuse(why, KAFKA_ERR_UNKNOWN, "There is no memory for the partitions.");
    }
    return 0;
}

static int16_t check_assignment(const kafka_cluster *c, const kft_assignment *a, int32_t count, const char **why)
{
    for (int32_t i = 0; i < count; i++) {
        if (a[i].count < 1 || a[i].count > KFT_MOST_REPLICAS || a[i].count != a[0].count)
            return refuse(why, KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT,
                          "Every partition needs the same number of replicas, at least one.");
        for (int k = 0; k < a[i].count; k++) {
            if (a[i].replicas[k] < 1 || a[i].replicas[k] > c->node_count)
                return refuse(why, KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT, "A replica is assigned to an unknown broker.");
            for (int m = 0; m < k; m++) {
                if (a[i].replicas[m] == a[i].replicas[k])
                    return refuse(why, KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT,
                                  "A broker is named twice for a partition.");
            }
        }
    }
    return 0;
}

int16_t kft_topic_check(const kafka_cluster *c, kafka_bytes name, int32_t partitions, int replication,
                        const kft_assignment *assignment, const char **why)
{
    if (!kft_topic_name_is_valid(name, why)) return KAFKA_ERR_INVALID_TOPIC;
    if (kft_topic_find(&c->topics, name))
        return refuse(why, KAFKA_ERR_TOPIC_ALREADY_EXISTS, "The topic exists already.");
    if (collides(&c->topics, name))
        return refuse(why, KAFKA_ERR_INVALID_TOPIC, "A topic exists whose name differs only in '.' and '_'.");
    if (partitions < 1) return refuse(why, KAFKA_ERR_INVALID_PARTITIONS, "A topic has one partition at least.");
    if (partitions > KFT_MOST_PARTITIONS - c->topics.partition_count)
        return refuse(why, KAFKA_ERR_POLICY_VIOLATION, "The cluster has no room for so many partitions.");
    if (assignment) return check_assignment(c, assignment, partitions, why);
    if (replication < 1)
        return refuse(why, KAFKA_ERR_INVALID_REPLICATION_FACTOR, "There has to be one replica at least.");
    if (replication > c->node_count || replication > KFT_MOST_REPLICAS)
        return refuse(why, KAFKA_ERR_INVALID_REPLICATION_FACTOR, "There are more replicas than brokers.");
    return 0;
}

kfk_uuid kft_topic_new_id(kafka_cluster *c)
{
    kfk_uuid id;
    uint64_t halves[2] = {kfk_loop_random(c->loop), kfk_loop_random(c->loop)};
    memcpy(id.bytes, halves, sizeof id.bytes);
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

/* Into all tables or none. */
static bool enter(kft_topics *all, kft_topic *t)
{
    kafka_bytes name = kafka_str(t->name);
    if (kfk_map_add(&all->by_name, &t->by_name, kfk_map_hash(&all->by_name, name.data, name.len)) != 0) return false;
    if (kfk_map_add(&all->by_id, &t->by_id, kfk_map_hash(&all->by_id, t->id.bytes, sizeof t->id.bytes)) == 0) {
        if (kfk_map_add(&all->by_folded, &t->by_folded, hash_folded(all, name)) == 0) return true;
        kfk_map_remove(&all->by_id, &t->by_id);
    }
    kfk_map_remove(&all->by_name, &t->by_name);
    return false;
}

int16_t kft_topic_create(kafka_cluster *c, kafka_bytes name, int32_t partitions, int replication,
                         const kft_assignment *assignment, kft_topic **out, const char **why)
{
    int16_t code = kft_topic_check(c, name, partitions, replication, assignment, why);
    if (code != 0) return code;
    kft_topic *t = kfk_mem_zalloc(sizeof *t);
    if (!t) return refuse(why, KAFKA_ERR_UNKNOWN, "There is no memory for the topic.");
    memcpy(t->name, name.data, name.len);
    t->id = kft_topic_new_id(c);
    kft_settings_init(&t->settings);
    code = add_partitions(c, t, partitions, replication, assignment, why);
    if (code == 0 && !enter(&c->topics, t)) code = refuse(why, KAFKA_ERR_UNKNOWN, "There is no memory for the topic.");
    if (code != 0) {
        topic_free(t);
        return code;
    }
    c->topics.partition_count += partitions;
    if (out) *out = t;
    return 0;
}

int16_t kft_topic_check_growth(const kafka_cluster *c, const kft_topic *t, int32_t partitions,
                               const kft_assignment *assignment, const char **why)
{
    int32_t more = partitions - t->partition_count;
    if (more <= 0)
        return refuse(why, KAFKA_ERR_INVALID_PARTITIONS, "The topic has as many partitions already, or more.");
    if (more > KFT_MOST_PARTITIONS - c->topics.partition_count)
        return refuse(why, KAFKA_ERR_POLICY_VIOLATION, "The cluster has no room for so many partitions.");
    return assignment ? check_assignment(c, assignment, more, why) : 0;
}

int16_t kft_topic_grow(kafka_cluster *c, kft_topic *t, int32_t partitions, const kft_assignment *assignment,
                       const char **why)
{
    int32_t more = partitions - t->partition_count;
    int16_t code = kft_topic_check_growth(c, t, partitions, assignment, why);
    if (code == 0) code = add_partitions(c, t, partitions, t->partitions[0]->replica_count, assignment, why);
    if (code == 0) c->topics.partition_count += more;
    return code;
}

void kft_topic_delete(kafka_cluster *c, kft_topic *t)
{
    for (int32_t i = 0; i < t->partition_count; i++) {
        kft_partition *p = t->partitions[i];
        kft_partition_changed(c, p);
        for (kfk_list *n; (n = kfk_list_first(&p->waiters)) != NULL;) kfk_list_remove(n);
    }
    c->topics.partition_count -= t->partition_count;
    kfk_map_remove(&c->topics.by_name, &t->by_name);
    kfk_map_remove(&c->topics.by_id, &t->by_id);
    kfk_map_remove(&c->topics.by_folded, &t->by_folded);
    topic_free(t);
}
