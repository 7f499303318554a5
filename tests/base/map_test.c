#include "support/memcheck.h"

#include "base/map.h"
#include "base/rand.h"
#include "kafka/error.h"
#include <stdio.h>
#include <string.h>

typedef struct entry {
    kfk_map_node node;
    char key[24];
} entry;

static bool has_key(const kfk_map_node *n, const void *key, size_t len)
{
    const entry *e = KFK_CONTAINER(n, entry, node);
    return strlen(e->key) == len && memcmp(e->key, key, len) == 0;
}

static entry *find(const kfk_map *m, const char *key)
{
    kfk_map_node *n = kfk_map_find(m, kfk_map_hash(m, key, strlen(key)), has_key, key, strlen(key));
    return n != NULL ? KFK_CONTAINER(n, entry, node) : NULL;
}

static int add(kfk_map *m, entry *e, int number)
{
    snprintf(e->key, sizeof e->key, "topic-%d", number);
    return kfk_map_add(m, &e->node, kfk_map_hash(m, e->key, strlen(e->key)));
}

static void an_empty_map_finds_nothing_and_holds_no_memory(void **state)
{
    (void)state;
    kfk_map m;

    kfk_map_init(&m, 1);
    assert_null(find(&m, "topic-1"));
    assert_int_equal(memcheck_calls(), 0);
    kfk_map_fini(&m);
}

static void what_was_added_is_found_until_it_is_removed(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static entry entries[COUNT];
    static bool present[COUNT];
    size_t count = 0;
    kfk_map m;
    kfk_rand r;

    memset(present, 0, sizeof present);
    kfk_rand_seed(&r, 3);
    kfk_map_init(&m, 77);
    for (int step = 0; step < 20000; step++) {
        int i = (int)kfk_rand_below(&r, COUNT);
        char key[24];
        snprintf(key, sizeof key, "topic-%d", i);
        assert_ptr_equal(find(&m, key), present[i] ? &entries[i] : NULL);
        if (present[i])
            kfk_map_remove(&m, &entries[i].node);
        else
            assert_int_equal(add(&m, &entries[i], i), 0);
        present[i] = !present[i];
        count += present[i] ? 1 : (size_t)-1;
        assert_int_equal(m.count, count);
    }
    kfk_map_fini(&m);
    assert_null(find(&m, "topic-1"));
}

static void iteration_goes_by_order_of_insertion_for_every_seed(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    static entry entries[COUNT];

    for (uint64_t seed = 0; seed < 20; seed++) {
        kfk_map m;
        int next = 1;
        kfk_map_init(&m, seed);
        for (int i = 0; i < COUNT; i++) assert_int_equal(add(&m, &entries[i], i), 0);
        for (int i = 0; i < COUNT; i += 2) kfk_map_remove(&m, &entries[i].node);
        KFK_LIST_EACH (node, &m.order) {
            assert_ptr_equal(KFK_CONTAINER(node, entry, node.order), &entries[next]);
            next += 2;
        }
        assert_int_equal(next, COUNT + 1);
        kfk_map_fini(&m);
    }
}

static void only_the_first_insertion_can_fail(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static entry entries[COUNT];
    kfk_map m;

    kfk_map_init(&m, 5);
    memcheck_fail_at(1);
    assert_int_equal(add(&m, &entries[0], 0), KAFKA_ENOMEM);
    assert_int_equal(m.count, 0);
    assert_true(kfk_list_empty(&m.order));

    assert_int_equal(add(&m, &entries[0], 0), 0);
    memcheck_fail_from(1);
    for (int i = 1; i < COUNT; i++) assert_int_equal(add(&m, &entries[i], i), 0);
    assert_true(memcheck_failed());
    for (int i = 0; i < COUNT; i++) assert_ptr_equal(find(&m, entries[i].key), &entries[i]);
    memcheck_fail_at(0);

    size_t before = m.bucket_count;
    kfk_map_remove(&m, &entries[0].node);
    assert_int_equal(add(&m, &entries[0], 0), 0);
    assert_true(m.bucket_count > before); /* it caught up as soon as there was memory */
    for (int i = 0; i < COUNT; i++) assert_ptr_equal(find(&m, entries[i].key), &entries[i]);
    kfk_map_fini(&m);
}

static void integers_may_be_keys(void **state)
{
    (void)state;
    kfk_map m;
    int32_t a = 1, b = 1, c = 2;

    kfk_map_init(&m, 1);
    assert_true(kfk_map_hash(&m, &a, sizeof a) == kfk_map_hash(&m, &b, sizeof b));
    assert_true(kfk_map_hash(&m, &a, sizeof a) != kfk_map_hash(&m, &c, sizeof c));
    kfk_map_fini(&m);
}

static void the_hash_depends_on_the_seed_and_on_every_byte(void **state)
{
    (void)state;
    char key[40];
    kfk_map one, two;

    memset(key, 0, sizeof key);
    kfk_map_init(&one, 1);
    kfk_map_init(&two, 2);
    for (size_t len = 0; len < sizeof key; len++) {
        uint64_t hash = kfk_map_hash(&one, key, len);
        assert_true(hash != kfk_map_hash(&two, key, len));
        assert_true(hash != kfk_map_hash(&one, key, len + 1));
        for (size_t i = 0; i < len; i++) {
            key[i] = 1;
            assert_true(hash != kfk_map_hash(&one, key, len));
            key[i] = 0;
        }
    }
}

/* A flipped bit of the key changes each bit of the hash about half of the time: 524288 bits seen. */
static void a_bit_of_the_key_changes_half_of_the_hash(void **state)
{
    (void)state;
    kfk_map m;
    long changed = 0;

    kfk_map_init(&m, 99);
    for (uint64_t key = 0; key < 128; key++) {
        for (int bit = 0; bit < 64; bit++) {
            uint64_t other = key ^ UINT64_C(1) << bit;
            changed +=
                __builtin_popcountll(kfk_map_hash(&m, &key, sizeof key) ^ kfk_map_hash(&m, &other, sizeof other));
        }
    }
    assert_in_range(changed, 262144 - 3000, 262144 + 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(an_empty_map_finds_nothing_and_holds_no_memory),
        MEMCHECK_TEST(what_was_added_is_found_until_it_is_removed),
        MEMCHECK_TEST(iteration_goes_by_order_of_insertion_for_every_seed),
        MEMCHECK_TEST(only_the_first_insertion_can_fail),
        MEMCHECK_TEST(integers_may_be_keys),
        MEMCHECK_TEST(the_hash_depends_on_the_seed_and_on_every_byte),
        MEMCHECK_TEST(a_bit_of_the_key_changes_half_of_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
