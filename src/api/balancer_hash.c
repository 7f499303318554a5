/* balancer_hash.c: balancers that hash the key, each to the partition that the client it is named for would choose.
 *
 * What they share is that a key belongs to one partition for as long as their number stays: so a key is looked up among
 * all of them, also where its partition has no leader at the moment, as all these clients do. Messages without a key
 * may go anywhere, and go where somebody is.
 *
 * n partitions, a hash h, and where a null key goes:
 *
 *   hash            Sarama: |int32(h) % n|; null keys in turn, as in kafka-go
 *   reference_hash  Sarama: (h & 0x7fffffff) % n; null keys at random
 *   murmur2         Java: (h & 0x7fffffff) % n; null keys at random, or with `consistent` as empty ones
 *   crc32           librdkafka: h % n; null and empty keys at random, or with `consistent` by their hash, which is 0 */
#include "api/balancer_impl.h"
#include "base/crc32.h"
#include "base/fnv1a.h"
#include "base/murmur2.h"

/* ---- Sarama ------------------------------------------------------------------------------------------------------ */

static int key_hash(kafka_balancer *b, const kafka_message *m, uint32_t *hash, kfk_error *err)
{
    if (b->hash != NULL) return kfk_balancer_foreign_hash(b, m->key, hash, err);
    *hash = kfk_fnv1a(m->key.data, m->key.len);
    return 0;
}

/* The remainder of the hash as a signed number, without its sign. Taken first: -2^31 has no counterpart. */
static uint32_t sarama_index(uint32_t hash, size_t count)
{
    int64_t as_signed = hash <= INT32_MAX ? (int64_t)hash : (int64_t)hash - ((int64_t)1 << 32);
    int64_t rest = as_signed % (int64_t)count;
    return (uint32_t)(rest < 0 ? -rest : rest);
}

static int pick_hash(kfk_balancer_topic *t, const kafka_message *m, const kfk_balancer_offer *offer, int32_t *partition,
                     kfk_error *err)
{
    uint32_t hash;
    if (m->key.data == NULL) {
        *partition = kfk_balancer_turn(t, offer->led, offer->led_count);
        return 0;
    }
    int code = key_hash(t->balancer, m, &hash, err);
    if (code == 0) *partition = offer->all[sarama_index(hash, offer->all_count)];
    return code;
}

static int pick_reference(kfk_balancer_topic *t, const kafka_message *m, const kfk_balancer_offer *offer,
                          int32_t *partition, kfk_error *err)
{
    uint32_t hash;
    if (m->key.data == NULL) {
        *partition = kfk_balancer_any(t->balancer, offer->led, offer->led_count);
        return 0;
    }
    int code = key_hash(t->balancer, m, &hash, err);
    if (code == 0) *partition = offer->all[(hash & INT32_MAX) % offer->all_count];
    return code;
}

static kafka_balancer *new_hash(const kfk_balancer_kind *kind, kafka_hash32_fn hash, const char *call)
{
    kafka_balancer *b = kfk_balancer_new(kind, call);
    if (b != NULL) b->hash = hash;
    return b;
}

kafka_balancer *kafka_balancer_hash(kafka_hash32_fn hash)
{
    static const kfk_balancer_kind kind = {.pick = pick_hash};
    return new_hash(&kind, hash, "kafka_balancer_hash");
}

kafka_balancer *kafka_balancer_reference_hash(kafka_hash32_fn hash)
{
    static const kfk_balancer_kind kind = {.pick = pick_reference, .stateless = true};
    return new_hash(&kind, hash, "kafka_balancer_reference_hash");
}

/* ---- Java and librdkafka ----------------------------------------------------------------------------------------- */

int32_t kfk_balancer_murmur2(const kafka_message *m, const kfk_balancer_offer *offer)
{
    return offer->all[kfk_balancer_java_index(m->key, (uint32_t)offer->all_count)];
}

static int pick_murmur2(kfk_balancer_topic *t, const kafka_message *m, const kfk_balancer_offer *offer,
                        int32_t *partition, kfk_error *err)
{
    (void)err;
    *partition = m->key.data == NULL && !t->balancer->consistent
                     ? kfk_balancer_any(t->balancer, offer->led, offer->led_count)
                     : kfk_balancer_murmur2(m, offer);
    return 0;
}

static int pick_crc32(kfk_balancer_topic *t, const kafka_message *m, const kfk_balancer_offer *offer,
                      int32_t *partition, kfk_error *err)
{
    (void)err;
    *partition = m->key.len == 0 && !t->balancer->consistent
                     ? kfk_balancer_any(t->balancer, offer->led, offer->led_count)
                     : offer->all[kfk_crc32(0, m->key.data, m->key.len) % offer->all_count];
    return 0;
}

static kafka_balancer *new_consistent(const kfk_balancer_kind *kind, bool consistent, const char *call)
{
    kafka_balancer *b = kfk_balancer_new(kind, call);
    if (b != NULL) b->consistent = consistent;
    return b;
}

kafka_balancer *kafka_balancer_murmur2(bool consistent)
{
    static const kfk_balancer_kind kind = {.pick = pick_murmur2, .stateless = true, .java = true};
    return new_consistent(&kind, consistent, "kafka_balancer_murmur2");
}

kafka_balancer *kafka_balancer_crc32(bool consistent)
{
    static const kfk_balancer_kind kind = {.pick = pick_crc32, .stateless = true};
    return new_consistent(&kind, consistent, "kafka_balancer_crc32");
}
