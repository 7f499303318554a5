/* map: an intrusive hash map with chaining. Elements embed a `kfk_map_node`; keys stay in the elements.
 *
 * Keys are byte strings or integers that the caller hashes with `kfk_map_hash`, seeded per map against peers that
 * choose colliding keys. Iteration goes by insertion order, never by address or bucket, so that it is the same in every
 * run. Growing may fail: then the map keeps its size and gets slower, and nothing is lost; only the first insertion of
 * an element can fail, for want of the first bucket array. Not safe from several threads. */
#ifndef KFK_BASE_MAP_H
#define KFK_BASE_MAP_H
#include "base/list.h"
#include <stdint.h>

typedef struct kfk_map_node {
    struct kfk_map_node *next; /* in the bucket */
    kfk_list order;            /* in the map's insertion order */
    uint64_t hash;
} kfk_map_node;

typedef struct kfk_map {
    kfk_map_node **buckets;
    size_t bucket_count, count;
    kfk_list order;
    uint64_t seed;
} kfk_map;

/* True when the node's element has the key. */
typedef bool (*kfk_map_equal_fn)(const kfk_map_node *, const void *key, size_t len);

void kfk_map_init(kfk_map *m, uint64_t seed);
/* Frees the buckets; the elements are the caller's. */
void kfk_map_fini(kfk_map *m);
uint64_t kfk_map_hash(const kfk_map *m, const void *key, size_t len);
/* The element with the key, or NULL. */
kfk_map_node *kfk_map_find(const kfk_map *m, uint64_t hash, kfk_map_equal_fn equal, const void *key, size_t len);
/* Adds a node whose key is not in the map. 0 or KAFKA_ENOMEM. */
int kfk_map_add(kfk_map *m, kfk_map_node *n, uint64_t hash);
/* Removes a node that is in the map. */
void kfk_map_remove(kfk_map *m, kfk_map_node *n);

#endif
