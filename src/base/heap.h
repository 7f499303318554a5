/* heap: an intrusive pairing heap of int64 keys, the timers' queue.
 *
 * Intrusive and pointer-linked rather than an array, so that adding a timer can never fail for want of memory.
 * Insert is O(1), removal O(log n) amortised. Equal keys come out in the order of insertion (`seq`), which keeps the
 * simulation deterministic. Not safe from several threads. */
#ifndef KFK_BASE_HEAP_H
#define KFK_BASE_HEAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kfk_heap_node {
    struct kfk_heap_node *child, *next, *prev; /* prev: left sibling, or parent of a first child; NULL at the root */
    int64_t key;
    uint64_t seq;
    bool queued;
} kfk_heap_node;

typedef struct kfk_heap {
    kfk_heap_node *root;
    uint64_t next_seq;
    size_t count;
} kfk_heap;

void kfk_heap_init(kfk_heap *h);
/* Adds a node that is in no heap; zeroed memory is such a node. */
void kfk_heap_add(kfk_heap *h, kfk_heap_node *n, int64_t key);
/* Removes a node; one that is in no heap is left alone. */
void kfk_heap_remove(kfk_heap *h, kfk_heap_node *n);
/* The node with the smallest key, or NULL. */
static inline kfk_heap_node *kfk_heap_min(const kfk_heap *h)
{
    return h->root;
}

#endif
