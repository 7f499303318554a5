#include "support/memcheck.h"

#include "base/mem.h"
#include <string.h>

static void a_size_of_zero_still_gives_memory(void **state)
{
    (void)state;
    void *p = kfk_mem_alloc(0), *z = kfk_mem_zalloc(0), *a = kfk_mem_array(0, 8);

    assert_non_null(p);
    assert_non_null(z);
    assert_non_null(a);
    p = kfk_mem_realloc(p, 0);
    assert_non_null(p);
    kfk_mem_free(p);
    kfk_mem_free(z);
    kfk_mem_free(a);
}

static void zeroed_memory_is_zero(void **state)
{
    (void)state;
    static const char zero[300];
    char *z = kfk_mem_zalloc(sizeof zero), *a = kfk_mem_array(100, 3);

    assert_memory_equal(z, zero, sizeof zero);
    assert_memory_equal(a, zero, sizeof zero);
    kfk_mem_free(z);
    kfk_mem_free(a);
}

static void an_array_whose_size_overflows_is_refused_without_asking_for_memory(void **state)
{
    (void)state;
    assert_null(kfk_mem_array(SIZE_MAX / 2, 3));
    assert_null(kfk_mem_array(3, SIZE_MAX / 2));
    assert_null(kfk_mem_strndup("", SIZE_MAX));
    assert_int_equal(memcheck_calls(), 0);
}

static void growing_memory_keeps_its_content(void **state)
{
    (void)state;
    char *p = kfk_mem_strdup("content");

    p = kfk_mem_realloc(p, 4000);
    assert_string_equal(p, "content");
    p = kfk_mem_realloc(p, 4);
    assert_memory_equal(p, "cont", 4);
    kfk_mem_free(p);
}

static void a_failed_realloc_leaves_the_memory_valid(void **state)
{
    (void)state;
    char *p = kfk_mem_strdup("content");

    memcheck_fail_at(1);
    assert_null(kfk_mem_realloc(p, 4000));
    assert_string_equal(p, "content");
    kfk_mem_free(p);
}

static void freeing_null_does_nothing(void **state)
{
    (void)state;
    kfk_mem_free(NULL);
    assert_int_equal(memcheck_blocks(), 0);
}

static void copies_of_strings_end_in_nul(void **state)
{
    (void)state;
    char *whole = kfk_mem_strdup("topic"), *part = kfk_mem_strndup("topic", 3), *none = kfk_mem_strndup(NULL, 0);
    char *binary = kfk_mem_strndup("a\0b", 3);

    assert_string_equal(whole, "topic");
    assert_string_equal(part, "top");
    assert_string_equal(none, "");
    assert_memory_equal(binary, "a\0b", 4);
    kfk_mem_free(whole);
    kfk_mem_free(part);
    kfk_mem_free(none);
    kfk_mem_free(binary);
}

static void each_function_reports_that_there_is_no_memory(void **state)
{
    (void)state;
    memcheck_fail_from(1);
    assert_null(kfk_mem_alloc(1));
    assert_null(kfk_mem_zalloc(1));
    assert_null(kfk_mem_array(1, 1));
    assert_null(kfk_mem_realloc(NULL, 1));
    assert_null(kfk_mem_strdup("s"));
    assert_null(kfk_mem_strndup("s", 1));
    assert_true(memcheck_failed());
}

static void memcheck_counts_what_is_alive(void **state)
{
    (void)state;
    void *a = kfk_mem_alloc(100), *b = kfk_mem_alloc(1000);

    assert_int_equal(memcheck_calls(), 2);
    assert_int_equal(memcheck_blocks(), 2);
    assert_in_range(memcheck_bytes(), 1100, 1200);
    b = kfk_mem_realloc(b, 10);
    assert_int_equal(memcheck_calls(), 3);
    assert_int_equal(memcheck_blocks(), 2);
    assert_in_range(memcheck_bytes(), 110, 200);
    kfk_mem_free(a);
    kfk_mem_free(b);
    assert_int_equal(memcheck_blocks(), 0);
    assert_int_equal(memcheck_bytes(), 0);
}

static void memcheck_fails_the_nth_allocation_and_no_other(void **state)
{
    (void)state;
    void *p[4];

    memcheck_fail_at(3);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(memcheck_failed(), i == 3);
        p[i] = kfk_mem_alloc(1);
        assert_int_equal(p[i] == NULL, i == 2);
    }
    for (int i = 0; i < 4; i++) kfk_mem_free(p[i]);
}

static void memcheck_visits_each_allocation_once(void **state)
{
    (void)state;
    size_t runs = 0;

    MEMCHECK_EACH_FAILURE(n)
    {
        void *p[3];
        for (size_t i = 0; i < 3; i++) {
            p[i] = kfk_mem_alloc(1);
            assert_int_equal(p[i] == NULL, i + 1 == n);
        }
        for (size_t i = 0; i < 3; i++) kfk_mem_free(p[i]);
        runs = n;
    }
    assert_int_equal(runs, 4);
    assert_false(memcheck_failed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_size_of_zero_still_gives_memory),
        MEMCHECK_TEST(zeroed_memory_is_zero),
        MEMCHECK_TEST(an_array_whose_size_overflows_is_refused_without_asking_for_memory),
        MEMCHECK_TEST(growing_memory_keeps_its_content),
        MEMCHECK_TEST(a_failed_realloc_leaves_the_memory_valid),
        MEMCHECK_TEST(freeing_null_does_nothing),
        MEMCHECK_TEST(copies_of_strings_end_in_nul),
        MEMCHECK_TEST(each_function_reports_that_there_is_no_memory),
        MEMCHECK_TEST(memcheck_counts_what_is_alive),
        MEMCHECK_TEST(memcheck_fails_the_nth_allocation_and_no_other),
        MEMCHECK_TEST(memcheck_visits_each_allocation_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
