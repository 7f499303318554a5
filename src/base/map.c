/* map.c: buckets of singly linked nodes, and one list through all nodes in the order they came.
 *
 * The hash is SipHash-1-3, keyed by the map's seed: topic and group names come from peers and users, and with a hash
 * that can be predicted they could all be made to fall into one bucket. It costs 35 ns for a topic name, and maps are
 * looked up per request, not per record.
 *
 * The number of buckets is a power of two and doubles when there are as many nodes. When there is no memory for that,
 * chains get longer and the next insertion tries again. Nodes carry their hash, so growing never asks for a key, and
 * `equal` runs on nodes with the same hash only. */
#include "base/map.h"
#include "base/mem.h"
#include "kafka/error.h"
#include <string.h>

enum { FIRST_BUCKETS = 8 };

void kfk_map_init(kfk_map *m, uint64_t seed)
{
    *m = (kfk_map){.seed = seed};
    kfk_list_init(&m->order);
}

void kfk_map_fini(kfk_map *m)
{
    kfk_mem_free(m->buckets);
    kfk_map_init(m, m->seed);
}

static uint64_t rotate_left(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] = rotate_left(v[2], 32);
}

static void sip_absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t kfk_map_hash(const kfk_map *m, const void *key, size_t len)
{
    const unsigned char *p = key;
    uint64_t k0 = m->seed, k1 = rotate_left(m->seed * 0x9e3779b97f4a7c15u, 29);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                     k1 ^ 0x7465646279746573u};
    uint64_t word;
    size_t rest = len;

    for (; rest >= sizeof word; rest -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        sip_absorb(v, word);
    }
    word = (uint64_t)len << 56; /* the length sets keys apart that differ in trailing zeros only */
    for (size_t i = 0; i < rest; i++) word |= (uint64_t)p[i] << (8 * i);
    sip_absorb(v, word);

    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static kfk_map_node **bucket_of(const kfk_map *m, uint64_t hash)
{
    return &m->buckets[hash & (m->bucket_count - 1)];
}

static void push(kfk_map *m, kfk_map_node *n)
{
    kfk_map_node **bucket = bucket_of(m, n->hash);
    n->next = *bucket;
    *bucket = n;
}

/* Doubles the buckets; without memory all stays as it is. */
static void grow(kfk_map *m)
{
    size_t count = m->bucket_count > 0 ? m->bucket_count * 2 : FIRST_BUCKETS;
    kfk_map_node **buckets = kfk_mem_array(count, sizeof(kfk_map_node *));
    if (buckets == NULL) return;

    kfk_mem_free(m->buckets);
    m->buckets = buckets;
    m->bucket_count = count;
    KFK_LIST_EACH (node, &m->order) {
        push(m, KFK_CONTAINER(node, kfk_map_node, order));
    }
}

kfk_map_node *kfk_map_find(const kfk_map *m, uint64_t hash, kfk_map_equal_fn equal, const void *key, size_t len)
{
    if (m->count == 0) return NULL;
    kfk_map_node *n = *bucket_of(m, hash);
    while (n != NULL && !(n->hash == hash && equal(n, key, len))) n = n->next;
    return n;
}

int kfk_map_add(kfk_map *m, kfk_map_node *n, uint64_t hash)
{
    if (m->count >= m->bucket_count) grow(m);
    if (m->buckets == NULL) return KAFKA_ENOMEM;
    n->hash = hash;
    push(m, n);
    kfk_list_push_back(&m->order, &n->order);
    m->count++;
    return 0;
}

void kfk_map_remove(kfk_map *m, kfk_map_node *n)
{
    kfk_map_node **link = bucket_of(m, n->hash);
    while (*link != n) link = &(*link)->next;
    *link = n->next;
    n->next = NULL;
    kfk_list_remove(&n->order);
    m->count--;
}
