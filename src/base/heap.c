/* heap.c: a pairing heap; children are a doubly linked list, so that any node can leave.
 *
 * Invariant: no child comes before its parent in the order (key, seq). The numbers in `seq` are all different, so the
 * order is total, and what comes out depends on the sequence of calls alone, never on the shape of the tree.
 *
 * Taking a node out leaves its children without a parent. They are joined in two passes, first in pairs, then the pairs
 * from the last to the first; that gives the amortised O(log n). Both passes are loops: after many insertions one
 * node may have all others as children, and recursion would go as deep as there are timers. */
#include "base/heap.h"
#include <assert.h>

void kfk_heap_init(kfk_heap *h)
{
    *h = (kfk_heap){0};
}

static bool comes_before(const kfk_heap_node *a, const kfk_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

/* Joins two trees, either of which may be NULL: the later root becomes the first child of the earlier one. */
static kfk_heap_node *join(kfk_heap_node *a, kfk_heap_node *b)
{
    if (a == NULL) return b;
    if (b == NULL) return a;
    kfk_heap_node *top = comes_before(a, b) ? a : b;
    kfk_heap_node *low = top == a ? b : a;

    low->prev = top;
    low->next = top->child;
    if (low->next != NULL) low->next->prev = low;
    top->child = low;
    return top;
}

/* Takes the first tree off a list linked by `next`; NULL when the list is empty. */
static kfk_heap_node *pop(kfk_heap_node **list)
{
    kfk_heap_node *n = *list;
    if (n == NULL) return NULL;
    *list = n->next;
    n->next = n->prev = NULL;
    return n;
}

/* One tree from a list of siblings. */
static kfk_heap_node *join_siblings(kfk_heap_node *siblings)
{
    kfk_heap_node *pairs = NULL, *root = NULL, *n;

    while ((n = pop(&siblings)) != NULL) {
        n = join(n, pop(&siblings));
        n->next = pairs;
        pairs = n;
    }
    while ((n = pop(&pairs)) != NULL) root = join(root, n);
    return root;
}

/* Takes a node that is not the root out of its siblings. */
static void cut(kfk_heap_node *n)
{
    if (n->prev->child == n)
        n->prev->child = n->next;
    else
        n->prev->next = n->next;
    if (n->next != NULL) n->next->prev = n->prev;
}

void kfk_heap_add(kfk_heap *h, kfk_heap_node *n, int64_t key)
{
    assert(!n->queued);
    *n = (kfk_heap_node){.key = key, .seq = h->next_seq++, .queued = true};
    h->root = join(h->root, n);
    h->count++;
}

void kfk_heap_remove(kfk_heap *h, kfk_heap_node *n)
{
    if (!n->queued) return;
    kfk_heap_node *orphans = join_siblings(n->child);
    if (n == h->root) {
        h->root = orphans;
    } else {
        cut(n);
        h->root = join(h->root, orphans);
    }
    n->child = n->next = n->prev = NULL;
    n->queued = false;
    h->count--;
}
