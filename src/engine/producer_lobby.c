/* The lobby of a topic: where messages wait whose partitions are not known yet; and how the first map ends that.
 *
 * The lobby is the accumulator of a partition that does not exist. As soon as the cluster knows the topic its batches
 * are distributed over the partitions, by the writer's balancer, and only then writers see a map, so that nothing
 * overtakes what waited. Finding the lobby empty and publishing the map is one step under the topic's lock, which every
 * append to the lobby holds too.
 *
 * Its records have the partition that the message names beside them, behind what the writer keeps there, since the
 * encoded record does not. They are not compressed before they have found their partitions. */
#include "base/mem.h"
#include "base/time.h"
#include "engine/producer_impl.h"
#include <string.h>

enum { MOST_ROUNDS = 8 };

/* How many partitions there are to write to; 0 = the topic is not known. */
static size_t known_count(const kfk_producer_topic *t)
{
    const kfk_topic *k = t->watch.on ? t->watch.topic : NULL;
    if (!k || kfk_topic_error(k) != 0 || k->count > t->count) return 0;
    return (size_t)k->count;
}

/* ---- the lobby --------------------------------------------------------------------------------------------------- */

static void collect(kfk_producer_topic *t)
{
    kfk_producer_partition *pt = &t->lobby;
    kfk_produce_batch *b;
    kfk_accum_peek(&pt->accum, &pt->view);
    while ((b = kfk_accum_pop(&pt->accum)) != NULL) {
        pt->view.queued--;
        pt->popped++;
        b->producer.partition = pt;
        b->producer.rounds = t->rounds;
        kfk_producer_adopt_loop(t->producer, b);
        kfk_list_push_back(&t->waiting, &b->node);
    }
}

/* Each record's place: the partition, or `count` for those whose balancer named something else. */
typedef struct placing {
    int32_t *of;
    size_t count;
    kfk_error refused; /* why, the last time */
} placing;

static size_t pick(void *context, int32_t i, const kfk_record *r)
{
    const placing *p = context;
    (void)r;
    return (size_t)p->of[i];
}

static int32_t balance(kfk_producer_topic *t, const kfk_record *r, const void *side, const kfk_producer_map *map,
                       kfk_error *refused)
{
    kfk_producer *p = t->producer;
    kafka_message m = {.topic = t->name, .key = r->key, .value = r->value};
    int64_t own = 0;
    kafka_header *headers = NULL;
    memcpy(&own, (const uint8_t *)side + p->cfg.side_size, sizeof own);
    m.partition = (int32_t)own;
    if (r->header_count > 0) { /* without memory for them they are left out */
        size_t keys = kfk_record_header_keys_size(r);
        headers = kfk_mem_alloc(r->header_count * sizeof *headers + keys);
        if (headers && kfk_record_headers(r, headers, (char *)(headers + r->header_count)) == 0) {
            m.headers = headers;
            m.header_count = r->header_count;
        }
    }
    kfk_error why = {0};
    int32_t chosen = p->cfg.balance(p->cfg.owner, &m, map, &why);
    kfk_mem_free(headers);
    if (chosen >= 0 && (size_t)chosen < map->count) return chosen;
    if (why.code == 0) kfk_error_set(&why, KAFKA_EINVAL, "the balancer chose partition %d", (int)chosen);
    *refused = why;
    return (int32_t)map->count;
}

static int place(kfk_producer_topic *t, const kfk_produce_batch *b, const kfk_producer_map *map, placing *out)
{
    kfk_produce_walk walk;
    kfk_record r;
    void *side;
    size_t i = 0;
    out->count = map->count;
    out->of = kfk_mem_array((size_t)kfk_produce_batch_count(b), sizeof *out->of);
    if (!out->of) return KAFKA_ENOMEM;
    int err = kfk_produce_walk_init(&walk, b, NULL);
    while (err == 0 && kfk_produce_walk_next(&walk, &r, &side)) out->of[i++] = balance(t, &r, side, map, &out->refused);
    kfk_produce_walk_fini(&walk);
    return err;
}

static void refuse_part(kfk_producer_topic *t, kfk_produce_batch *b, const kfk_error *refused)
{
    kfk_error why = *refused;
    kfk_error_prefix(&why, "topic %s: ", t->name);
    b->producer.written = KAFKA_WRITTEN_NO;
    b->producer.base_offset = b->producer.append_time_ms = -1;
    kfk_producer_deliver_outcome_loop(t->producer, b, &why);
}

/* A batch of the lobby becomes one of each partition that it has records for; they count as having come when it did. */
static int distribute(kfk_producer_topic *t, kfk_produce_batch *b, const kfk_producer_map *map)
{
    placing places = {0};
    kfk_accum_call call = {.now_ms = kfk_loop_now_ms(t->producer->loop)};
    kfk_produce_batch **parts = kfk_mem_array(map->count + 1, sizeof *parts);
    int err = parts ? place(t, b, map, &places) : KAFKA_ENOMEM;
    if (err == 0) err = kfk_produce_batch_distribute(b, pick, &places, parts, map->count + 1, NULL);
    for (size_t i = 0; err == 0 && i <= map->count; i++) {
        kfk_produce_batch *part = parts[i];
        kfk_list one;
        if (!part) continue;
        kfk_producer_partition *pt = i < map->count ? map->partitions[i] : &t->lobby;
        part->producer = (kfk_producer_batch){.partition = pt, .serial = b->producer.serial};
        part->codec = b->producer.codec;
        part->level = part->codec == t->producer->cfg.codec ? t->producer->cfg.level : 0;
        part->accum = &pt->accum;
        kfk_ref_init(&part->producer.uses);
        kfk_list_push_back(&b->producer.outstanding, &part->producer.outstanding); /* in front of it */
        if (i == map->count) {
            refuse_part(t, part, &places.refused);
            continue;
        }
        kfk_list_init(&one);
        kfk_list_push_back(&one, &part->node);
        kfk_accum_push_back(&pt->accum, &one);
        kfk_accum_seal_later(&call, part);
    }
    kfk_mem_free(places.of);
    kfk_mem_free(parts);
    if (err != 0) return err;
    kfk_list_remove(&b->producer.outstanding);
    kfk_producer_batch_drop(b);
    kfk_producer_seal_list_job_loop(t->producer, &call);
    return 0;
}

static int distribute_all(kfk_producer_topic *t, const kfk_producer_map *map)
{
    kfk_list *n;
    int err = 0;
    while (err == 0 && (n = kfk_list_first(&t->waiting)) != NULL) {
        kfk_list_remove(n);
        err = distribute(t, KFK_CONTAINER(n, kfk_produce_batch, node), map);
        if (err != 0) kfk_list_push_front(&t->waiting, n);
    }
    return err;
}

/* Takes what came into the lobby; when that is nothing, writers see the map from now on. */
static bool take_or_publish(kfk_producer_topic *t, kfk_producer_map *map, kfk_accum_call *call)
{
    kfk_lock_take(&t->lock);
    kfk_producer_lobby_swap_out(t, call);
    collect(t);
    bool empty = kfk_list_empty(&t->waiting) && t->lobby.view.queued == 0;
    if (empty) atomic_store(&t->maps.now, map);
    kfk_lock_give(&t->lock);
    return empty;
}

/* The lobby is emptied, and writers see the map from then on. The balancer may be the application's function, so it is
 * not called under the lock; while others fill the lobby as fast, the rest is left to their kicks. What somebody still
 * seals comes with a kick, too. */
static void publish(kfk_producer_topic *t, kfk_producer_map *map)
{
    kfk_accum_call call = {.now_ms = kfk_loop_now_ms(t->producer->loop)};
    int err = 0;
    for (int round = 0; round < MOST_ROUNDS && err == 0 && !take_or_publish(t, map, &call); round++) {
        if (kfk_list_empty(&t->waiting)) break;
        err = distribute_all(t, map);
    }
    if (err != 0 || !kfk_list_empty(&t->waiting)) kfk_producer_retry_loop(t->producer);
    kfk_producer_deliver(t->producer, &call);
    for (size_t i = 0; i < map->count; i++) { /* what was distributed without a codec is sealed already */
        kfk_partition_look_loop(map->partitions[i], false);
        kfk_partition_settle_loop(map->partitions[i]);
    }
}

void kfk_producer_map_update_loop(kfk_producer_topic *t)
{
    size_t count = known_count(t);
    if (count == 0) return;
    kfk_producer_map *map = kfk_producer_map_new_loop(t, count), *now = atomic_load(&t->maps.now);
    if (!map)
        kfk_producer_retry_loop(t->producer);
    else if (!now)
        publish(t, map);
    else if (!kfk_producer_map_is_as(now, map))
        atomic_store(&t->maps.now, map);
    kfk_producer_map_drop(map);
}

/* Gives an outcome to what waits, as `which` says: all, or what has waited too long, or for too many rounds. */
void kfk_producer_lobby_fail_loop(kfk_producer_topic *t, const kfk_error *why, unsigned rounds,
                                  int64_t accepted_before_ms)
{
    KFK_LIST_EACH (n, &t->waiting) {
        kfk_produce_batch *b = KFK_CONTAINER(n, kfk_produce_batch, node);
        if (t->rounds - b->producer.rounds < rounds || b->accepted_ms > accepted_before_ms) continue;
        kfk_list_remove(n);
        b->producer.written = KAFKA_WRITTEN_NO;
        b->producer.base_offset = b->producer.append_time_ms = -1;
        kfk_producer_deliver_outcome_loop(t->producer, b, why);
    }
}

/* When the first of what waits was accepted. */
static int64_t oldest_ms(const kfk_producer_topic *t)
{
    const kfk_list *n = kfk_list_first(&t->waiting);
    if (n) return KFK_CONTAINER(n, const kfk_produce_batch, node)->accepted_ms;
    return t->lobby.view.open_count > 0 ? t->lobby.view.open_since_ms : KFK_TIME_NEVER;
}

static void sweep(kfk_producer_topic *t)
{
    kfk_producer *p = t->producer;
    int64_t now = kfk_loop_now_ms(p->loop), timeout = p->cfg.delivery_timeout_ms;
    kfk_error why;
    char doing[300] = "";
    const char *cause = t->lobby.why;
    if (p->stopped) {
        kfk_producer_lobby_fail_loop(t, &p->stop_why, 0, INT64_MAX);
        return;
    }
    if (timeout == KFK_TIME_NEVER || oldest_ms(t) == KFK_TIME_NEVER) return;
    if (kfk_time_add(oldest_ms(t), timeout) <= now) {
        if (!cause && p->cluster) {
            kfk_cluster_describe_loop(p->cluster, doing, sizeof doing);
            cause = doing;
        }
        kfk_error_set(&why, KAFKA_ETIMEDOUT, "topic %s: its partitions were not found within %lld ms%s%s", t->name,
                      (long long)timeout, cause && cause[0] ? ": " : "", cause ? cause : "");
        kfk_producer_lobby_fail_loop(t, &why, 0, now - timeout);
    }
    if (oldest_ms(t) == KFK_TIME_NEVER)
        kfk_loop_timer_clear(p->loop, &t->lobby.timer);
    else
        kfk_loop_timer_set(p->loop, &t->lobby.timer, kfk_time_add(oldest_ms(t), timeout));
}

void kfk_producer_lobby_swap_out(kfk_producer_topic *t, kfk_accum_call *call)
{
    if (!kfk_accum_swap_out(&t->lobby.accum, call)) return;
    kfk_producer_seal_plain(call);
}

/* A kick alone leaves the open batch open: what comes next joins it, and does not stand in a batch of its own. */
void kfk_producer_lobby_loop(kfk_producer_topic *t, bool kicked)
{
    kfk_accum_call call = {.now_ms = kfk_loop_now_ms(t->producer->loop)};
    if (kicked) kfk_accum_look(&t->lobby.accum, &t->lobby.view);
    if (known_count(t) > 0 && !t->producer->stopped) {
        kfk_producer_map_update_loop(t);
    } else {
        if (!kicked || t->producer->stopped) kfk_producer_lobby_swap_out(t, &call);
        collect(t);
        kfk_producer_deliver(t->producer, &call);
    }
    sweep(t);
    if (oldest_ms(t) != KFK_TIME_NEVER) kfk_producer_search_loop(t);
}
