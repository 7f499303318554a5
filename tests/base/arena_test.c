#include "support/memcheck.h"

#include "base/arena.h"
#include "base/rand.h"
#include "kafka/error.h"
#include <stdalign.h>
#include <string.h>

enum { UNIT = alignof(max_align_t) };

static void an_arena_that_is_not_used_allocates_nothing(void **state)
{
    (void)state;
    kfk_arena a;

    kfk_arena_init(&a, 1000);
    kfk_arena_fini(&a);
    assert_int_equal(memcheck_calls(), 0);
}

static void objects_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static unsigned char *objects[COUNT];
    static size_t sizes[COUNT];
    static const unsigned char zero[20000];
    kfk_arena a;
    kfk_rand r;

    kfk_rand_seed(&r, 1);
    kfk_arena_init(&a, SIZE_MAX);
    for (size_t i = 0; i < COUNT; i++) {
        sizes[i] = i % 100 == 0 ? 1 + kfk_rand_below(&r, sizeof zero) : 1 + kfk_rand_below(&r, 200);
        objects[i] = kfk_arena_alloc(&a, sizes[i]);
        assert_non_null(objects[i]);
        assert_int_equal((uintptr_t)objects[i] % UNIT, 0);
        assert_memory_equal(objects[i], zero, sizes[i]);
        memset(objects[i], (int)(i % 255 + 1), sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(objects[i][k], i % 255 + 1);
    }
    kfk_arena_fini(&a);
}

static void many_small_objects_take_few_chunks(void **state)
{
    (void)state;
    kfk_arena a;

    kfk_arena_init(&a, SIZE_MAX);
    for (int i = 0; i < 100000; i++) assert_non_null(kfk_arena_alloc(&a, 16));
    assert_in_range(memcheck_calls(), 1, 20);
    assert_in_range(memcheck_bytes(), 1600000, 2 * 1600000);
    kfk_arena_fini(&a);
}

static void a_large_object_does_not_end_the_chunk_in_use(void **state)
{
    (void)state;
    kfk_arena a;

    kfk_arena_init(&a, SIZE_MAX);
    char *before = kfk_arena_alloc(&a, UNIT);
    assert_non_null(kfk_arena_alloc(&a, 100000));
    char *behind = kfk_arena_alloc(&a, UNIT);
    assert_ptr_equal(behind, before + UNIT);
    assert_int_equal(memcheck_calls(), 2);
    kfk_arena_fini(&a);
}

static void the_budget_can_be_used_up_and_not_exceeded(void **state)
{
    (void)state;
    kfk_arena a;

    kfk_arena_init(&a, 10 * UNIT);
    for (int i = 0; i < 5; i++) assert_non_null(kfk_arena_alloc(&a, 2 * UNIT - 1));
    assert_int_equal(a.used, 10 * UNIT);
    assert_int_equal(a.err, 0);
    assert_null(kfk_arena_alloc(&a, 1));
    assert_int_equal(a.err, KAFKA_ETOOBIG);
    kfk_arena_fini(&a);
}

static void objects_of_no_bytes_are_charged_too(void **state)
{
    (void)state;
    kfk_arena a;

    kfk_arena_init(&a, 3 * UNIT);
    for (int i = 0; i < 3; i++) assert_non_null(kfk_arena_array(&a, 0, 100));
    assert_null(kfk_arena_array(&a, 0, 100));
    assert_null(kfk_arena_array(&a, 100, 0));
    assert_int_equal(a.err, KAFKA_ETOOBIG);
    kfk_arena_fini(&a);
}

static void a_small_budget_takes_little_memory(void **state)
{
    (void)state;
    kfk_arena a;

    kfk_arena_init(&a, 64);
    assert_non_null(kfk_arena_alloc(&a, 16));
    assert_in_range(memcheck_bytes(), 64, 200);
    kfk_arena_fini(&a);
}

static void sizes_beyond_all_bounds_are_refused_without_asking_for_memory(void **state)
{
    (void)state;
    kfk_arena a;

    kfk_arena_init(&a, SIZE_MAX);
    assert_null(kfk_arena_alloc(&a, SIZE_MAX));
    assert_null(kfk_arena_alloc(&a, SIZE_MAX - UNIT + 2));
    assert_null(kfk_arena_alloc(&a, SIZE_MAX - UNIT));
    assert_null(kfk_arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(kfk_arena_array(&a, 3, SIZE_MAX / 2));
    assert_int_equal(memcheck_calls(), 0);
    kfk_arena_fini(&a);
}

static void want_of_memory_is_told_from_want_of_budget(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_arena a;
        void *p = NULL;
        kfk_arena_init(&a, SIZE_MAX);
        for (int i = 0; i < 100; i++) {
            p = kfk_arena_alloc(&a, 200);
            if (p == NULL) break;
        }
        assert_int_equal(p == NULL, memcheck_failed());
        assert_int_equal(a.err, memcheck_failed() ? KAFKA_ENOMEM : 0);
        kfk_arena_fini(&a);
    }
}

static void an_arena_can_be_used_again_after_fini(void **state)
{
    (void)state;
    kfk_arena a;

    kfk_arena_init(&a, 2 * UNIT);
    for (int i = 0; i < 3; i++) {
        assert_non_null(kfk_arena_alloc(&a, 2 * UNIT));
        assert_null(kfk_arena_alloc(&a, 1));
        kfk_arena_fini(&a);
        assert_int_equal(a.err, 0);
        assert_int_equal(memcheck_blocks(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(an_arena_that_is_not_used_allocates_nothing),
        MEMCHECK_TEST(objects_are_zeroed_aligned_and_apart),
        MEMCHECK_TEST(many_small_objects_take_few_chunks),
        MEMCHECK_TEST(a_large_object_does_not_end_the_chunk_in_use),
        MEMCHECK_TEST(the_budget_can_be_used_up_and_not_exceeded),
        MEMCHECK_TEST(objects_of_no_bytes_are_charged_too),
        MEMCHECK_TEST(a_small_budget_takes_little_memory),
        MEMCHECK_TEST(sizes_beyond_all_bounds_are_refused_without_asking_for_memory),
        MEMCHECK_TEST(want_of_memory_is_told_from_want_of_budget),
        MEMCHECK_TEST(an_arena_can_be_used_again_after_fini),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
