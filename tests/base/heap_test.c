#include "support/memcheck.h"

#include "base/heap.h"
#include "base/rand.h"
#include <string.h>

static kfk_heap_node *take_min(kfk_heap *h)
{
    kfk_heap_node *n = kfk_heap_min(h);
    kfk_heap_remove(h, n);
    return n;
}

static void an_empty_heap_has_no_minimum(void **state)
{
    (void)state;
    kfk_heap h;
    kfk_heap_node n = {0};

    kfk_heap_init(&h);
    assert_null(kfk_heap_min(&h));
    kfk_heap_remove(&h, &n);
    assert_int_equal(h.count, 0);
}

static void equal_keys_come_out_in_the_order_they_went_in(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static kfk_heap_node nodes[COUNT];
    kfk_heap h;

    memset(nodes, 0, sizeof nodes);
    kfk_heap_init(&h);
    for (int i = 0; i < COUNT; i++) kfk_heap_add(&h, &nodes[i], i % 3);
    for (int key = 0; key < 3; key++) {
        for (int i = key; i < COUNT; i += 3) assert_ptr_equal(take_min(&h), &nodes[i]);
    }
    assert_null(kfk_heap_min(&h));
}

static void the_extreme_keys_are_ordered_too(void **state)
{
    (void)state;
    kfk_heap h;
    kfk_heap_node never = {0}, zero = {0}, ever = {0};

    kfk_heap_init(&h);
    kfk_heap_add(&h, &never, INT64_MAX);
    kfk_heap_add(&h, &zero, 0);
    kfk_heap_add(&h, &ever, INT64_MIN);
    assert_ptr_equal(take_min(&h), &ever);
    assert_ptr_equal(take_min(&h), &zero);
    assert_ptr_equal(take_min(&h), &never);
}

static void removing_a_node_twice_is_harmless(void **state)
{
    (void)state;
    kfk_heap h;
    kfk_heap_node a = {0}, b = {0};

    kfk_heap_init(&h);
    kfk_heap_add(&h, &a, 1);
    kfk_heap_add(&h, &b, 2);
    kfk_heap_remove(&h, &b);
    kfk_heap_remove(&h, &b);
    assert_int_equal(h.count, 1);
    assert_ptr_equal(kfk_heap_min(&h), &a);
    kfk_heap_add(&h, &b, 0); /* and it may come back */
    assert_ptr_equal(kfk_heap_min(&h), &b);
}

/* The reference: an array whose first `count` nodes are sorted by key and order of insertion. */
typedef struct sorted {
    kfk_heap_node *nodes[600];
    int64_t keys[600];
    size_t count;
} sorted;

static void sorted_add(sorted *s, kfk_heap_node *n, int64_t key)
{
    size_t at = s->count++;
    for (; at > 0 && s->keys[at - 1] > key; at--) {
        s->nodes[at] = s->nodes[at - 1];
        s->keys[at] = s->keys[at - 1];
    }
    s->nodes[at] = n;
    s->keys[at] = key;
}

static void sorted_remove(sorted *s, const kfk_heap_node *n)
{
    size_t at = 0;
    while (s->nodes[at] != n) at++;
    s->count--;
    for (; at < s->count; at++) {
        s->nodes[at] = s->nodes[at + 1];
        s->keys[at] = s->keys[at + 1];
    }
}

static void random_additions_and_removals_agree_with_a_sorted_array(void **state)
{
    (void)state;
    static kfk_heap_node nodes[600];
    static sorted reference;

    for (uint64_t seed = 0; seed < 20; seed++) {
        kfk_heap h;
        kfk_rand r;
        memset(nodes, 0, sizeof nodes);
        reference.count = 0;
        kfk_rand_seed(&r, seed);
        kfk_heap_init(&h);
        for (int step = 0; step < 5000; step++) {
            kfk_heap_node *n = &nodes[kfk_rand_below(&r, 600)];
            if (kfk_rand_below(&r, 4) == 0 && reference.count > 0) n = kfk_heap_min(&h);
            if (n->queued) {
                kfk_heap_remove(&h, n);
                sorted_remove(&reference, n);
            } else {
                int64_t key = (int64_t)kfk_rand_below(&r, 100);
                kfk_heap_add(&h, n, key);
                sorted_add(&reference, n, key);
            }
            assert_int_equal(h.count, reference.count);
            assert_ptr_equal(kfk_heap_min(&h), reference.count > 0 ? reference.nodes[0] : NULL);
        }
        for (size_t i = 0; i < reference.count; i++) assert_ptr_equal(take_min(&h), reference.nodes[i]);
        assert_null(kfk_heap_min(&h));
    }
}

/* In these orders of insertion the tree is as wide or as deep as can be; recursion over it would end the stack. */
static void a_million_nodes_need_no_stack(void **state)
{
    (void)state;
    enum { COUNT = 1000000 };
    static kfk_heap_node nodes[COUNT];

    for (int rising = 0; rising < 2; rising++) {
        kfk_heap h;
        int64_t before = INT64_MIN;
        kfk_heap_init(&h);
        for (int i = 0; i < COUNT; i++) kfk_heap_add(&h, &nodes[i], rising ? i : -i);
        for (int i = 0; i < COUNT; i++) {
            kfk_heap_node *n = take_min(&h);
            assert_true(n->key > before);
            before = n->key;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(an_empty_heap_has_no_minimum),
        MEMCHECK_TEST(equal_keys_come_out_in_the_order_they_went_in),
        MEMCHECK_TEST(the_extreme_keys_are_ordered_too),
        MEMCHECK_TEST(removing_a_node_twice_is_harmless),
        MEMCHECK_TEST(random_additions_and_removals_agree_with_a_sorted_array),
        MEMCHECK_TEST(a_million_nodes_need_no_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
