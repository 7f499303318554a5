/* What a leader knows of producers; see the header for the rules, which are those of Kafka's ProducerStateManager. */
#include "testing/producer.h"
#include "base/mem.h"
#include "kafka/error.h"
#include <string.h>

void kft_producer_pool_init(kft_producer_pool *pool)
{
    kfk_list_init(&pool->by_age);
    pool->count = 0;
}

void kft_producers_init(kft_producers *p, kft_producer_pool *pool, uint64_t seed)
{
    p->pool = pool;
    kfk_map_init(&p->map, seed);
    p->swept_wall_ms = 0;
}

static kft_producer *of_order(kfk_list *n)
{
    return KFK_CONTAINER(n, kft_producer, node.order);
}

static void forget(kft_producers *p, kft_producer *x)
{
    kfk_map_remove(&p->map, &x->node);
    kfk_list_remove(&x->age);
    p->pool->count--;
    kfk_mem_free(x);
}

void kft_producers_fini(kft_producers *p)
{
    for (kfk_list *n; (n = kfk_list_first(&p->map.order)) != NULL;) forget(p, of_order(n));
    kfk_map_fini(&p->map);
}

static bool id_is(const kfk_map_node *n, const void *key, size_t len)
{
    (void)len;
    return memcmp(&KFK_CONTAINER(n, kft_producer, node)->id, key, sizeof(int64_t)) == 0;
}

static kft_producer *find(const kft_producers *p, int64_t id)
{
    kfk_map_node *n = kfk_map_find(&p->map, kfk_map_hash(&p->map, &id, sizeof id), id_is, &id, sizeof id);
    return n ? KFK_CONTAINER(n, kft_producer, node) : NULL;
}

static const kft_producer_batch *newest(const kft_producer *x)
{
    return x->count > 0 ? &x->batches[x->count - 1] : NULL;
}

/* Sequences count to 2^31 - 1, then from 0 again. */
static int32_t sequence_behind(int32_t first, int32_t delta)
{
    return (int32_t)(((uint32_t)first + (uint32_t)delta) & 0x7fffffff);
}

/* Times come from clients: any number, which must not overflow. */
static bool is_expired(const kft_producer *x, int64_t now_wall_ms)
{
    return newest(x) && newest(x)->time_ms <= now_wall_ms - KFT_PRODUCER_EXPIRATION_MS;
}

/* Producers whose newest record is old are looked for from time to time only, so that one which writes records of long
 * ago is remembered for a while. */
static void expire_old(kft_producers *p, int64_t now_wall_ms)
{
    if (now_wall_ms - p->swept_wall_ms < KFT_PRODUCER_SWEEP_MS) return;
    p->swept_wall_ms = now_wall_ms;
    KFK_LIST_EACH (n, &p->map.order) {
        kft_producer *x = of_order(n);
        if (is_expired(x, now_wall_ms)) forget(p, x);
    }
}

static kft_producer_verdict refuse(int16_t code, const char *text, int16_t *out, const char **why)
{
    *out = code;
    *why = text;
    return KFT_PRODUCER_REFUSE;
}

kft_producer_verdict kft_producers_check(kft_producers *p, const kfk_batch_header *h, int64_t now_wall_ms,
                                         const kft_producer_batch **duplicate, int16_t *code, const char **why)
{
    expire_old(p, now_wall_ms);
    kft_producer *x = find(p, h->producer_id);
    if (!x || x->count == 0) return KFT_PRODUCER_APPEND;
    if (h->producer_epoch < x->epoch)
        return refuse(KAFKA_ERR_INVALID_PRODUCER_EPOCH, "The producer's epoch is older than the known one.", code, why);
    if (h->producer_epoch > x->epoch) {
        if (h->base_sequence == 0) return KFT_PRODUCER_APPEND;
        return refuse(KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "A new epoch has to begin at sequence 0.", code, why);
    }
    int32_t last = sequence_behind(h->base_sequence, h->last_offset_delta);
    for (uint8_t i = 0; i < x->count; i++) {
        if (x->batches[i].first_sequence != h->base_sequence || x->batches[i].last_sequence != last) continue;
        *duplicate = &x->batches[i];
        return KFT_PRODUCER_DUPLICATE;
    }
    if (h->base_sequence == sequence_behind(newest(x)->last_sequence, 1)) return KFT_PRODUCER_APPEND;
    return refuse(KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "The batch does not follow the producer's last one.", code,
                  why);
}

int kft_producers_reserve(kft_producers *p, int64_t id)
{
    if (find(p, id)) return 0;
    if (p->pool->count >= KFT_MOST_PRODUCERS) {
        kft_producer *oldest = KFK_CONTAINER(kfk_list_first(&p->pool->by_age), kft_producer, age);
        forget(oldest->of, oldest);
    }
    kft_producer *x = kfk_mem_zalloc(sizeof *x);
    if (!x) return KAFKA_ENOMEM;
    x->id = id;
    x->of = p;
    if (kfk_map_add(&p->map, &x->node, kfk_map_hash(&p->map, &id, sizeof id)) != 0) {
        kfk_mem_free(x);
        return KAFKA_ENOMEM;
    }
    kfk_list_push_back(&p->pool->by_age, &x->age);
    p->pool->count++;
    return 0;
}

void kft_producers_appended(kft_producers *p, const kfk_batch_header *h, int64_t base_offset, int64_t time_ms)
{
    kft_producer *x = find(p, h->producer_id);
    if (!x) return;
    kfk_list_remove(&x->age);
    kfk_list_push_back(&p->pool->by_age, &x->age);
    if (h->producer_epoch != x->epoch) x->count = 0;
    x->epoch = h->producer_epoch;
    if (x->count == KFT_PRODUCER_BATCHES) {
        memmove(x->batches, x->batches + 1, sizeof x->batches - sizeof x->batches[0]);
        x->count--;
    }
    x->batches[x->count++] =
        (kft_producer_batch){.first_sequence = h->base_sequence,
                             .last_sequence = sequence_behind(h->base_sequence, h->last_offset_delta),
                             .base_offset = base_offset,
                             .last_offset = base_offset + h->last_offset_delta,
                             .time_ms = time_ms};
}

void kft_producers_restart(kft_producers *p, int64_t end, bool empty, int64_t now_wall_ms)
{
    KFK_LIST_EACH (n, &p->map.order) {
        kft_producer *x = of_order(n);
        uint8_t before = 0; /* batches in front of the end, of which the last one stays */
        while (before < x->count && x->batches[before].last_offset < end) before++;
        if (before > 0 && before == x->count && (empty || is_expired(x, now_wall_ms))) {
            forget(p, x);
        } else if (before > 1) {
            x->count = (uint8_t)(x->count - (before - 1));
            memmove(x->batches, x->batches + before - 1, x->count * sizeof x->batches[0]);
        }
    }
}

void kft_producers_expire(kft_producers *p, int64_t id)
{
    KFK_LIST_EACH (n, &p->map.order) {
        if (id == -1 || of_order(n)->id == id) forget(p, of_order(n));
    }
}

void kft_producers_truncate(kft_producers *p, int64_t offset)
{
    KFK_LIST_EACH (n, &p->map.order) {
        kft_producer *x = of_order(n);
        while (x->count > 0 && x->batches[x->count - 1].last_offset >= offset) x->count--;
        if (x->count == 0) forget(p, x);
    }
}
