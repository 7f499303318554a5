/* memcheck: counts what the library has allocated and fails the allocations a test wants to fail.
 *
 * It includes cmocka and the headers cmocka wants in front of it, so a test file starts with this one.
 *
 * Leaks. List a test with MEMCHECK_TEST and it fails when the library still holds memory at its end:
 *
 *     static void a_reader_frees_what_it_fetched(void **state) { (void)state; ... }
 *
 *     int main(void)
 *     {
 *         const struct CMUnitTest tests[] = {MEMCHECK_TEST(a_reader_frees_what_it_fetched)};
 *         return cmocka_run_group_tests(tests, NULL, NULL);
 *     }
 *
 * Who allocated what leaked is in the report that the address sanitizer writes at exit (preset asan).
 *
 * Failing allocations. The body of MEMCHECK_EACH_FAILURE runs with its first allocation failing, then with its second,
 * and so on; its last run is the first in which none was left to fail. Each run must free what it made:
 *
 *     MEMCHECK_EACH_FAILURE(n)
 *     {
 *         thing *t = thing_new();
 *         assert_int_equal(t == NULL, memcheck_failed());
 *         thing_free(t);
 *     }
 *
 * Whether a failure reaches the caller depends on what is tested: a map that cannot grow, say, works on. A body that
 * does not allocate the same in each run (threads, timing) is still correct, only which allocation fails then varies.
 *
 * What else it does to find mistakes: fresh memory is filled with 0xa5, and realloc always moves.
 *
 * What is counted are the library's allocations through base/mem.h; those of libc and of third parties are not. Blocks
 * are plain malloc blocks: one that was allocated before memcheck_begin or is freed after memcheck_end is no accident,
 * it only makes the count wrong. So begin before the test's first call into the library and end after its last.
 *
 * Threads: the library may allocate from any thread. The functions below, except memcheck_begin and memcheck_end, may
 * be called from any thread too; cmocka's assertions only from the test's own. */
#ifndef KAFKA_TESTS_SUPPORT_MEMCHECK_H
#define KAFKA_TESTS_SUPPORT_MEMCHECK_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Puts the counting allocator under the library, with all counts at 0 and nothing failing. */
void memcheck_begin(void);
/* Fails the running test when something is still allocated, and gives libc's allocator back to the library. */
void memcheck_end(void);

/* memcheck_begin and memcheck_end as cmocka's set-up and tear-down, and a row of a table of tests that uses them. */
int memcheck_setup(void **state);
int memcheck_teardown(void **state);
#define MEMCHECK_TEST(function) cmocka_unit_test_setup_teardown(function, memcheck_setup, memcheck_teardown)

/* Makes one allocation fail: n = 1 is the next, 0 none any more. Forgets earlier failures. */
void memcheck_fail_at(size_t n);
/* Makes the n-th allocation from now and all behind it fail, until memcheck_fail_at(0). Forgets earlier failures. */
void memcheck_fail_from(size_t n);
/* True when an allocation was made to fail since the last call of memcheck_fail_at or memcheck_fail_from. */
bool memcheck_failed(void);

/* Since memcheck_begin: calls that asked for memory (a realloc is one), failed ones included. */
size_t memcheck_calls(void);
/* Blocks alive now, and their bytes (as malloc counts them: a little more than what was asked for, without a
 * sanitizer). */
size_t memcheck_blocks(void);
size_t memcheck_bytes(void);

/* The most bytes that were alive at once since memcheck_peak_begin. */
void memcheck_peak_begin(void);
size_t memcheck_peak(void);
/* For measuring: memory is as libc gives it, neither filled nor moved. Until memcheck_begin. */
void memcheck_set_plain(bool on);

/* See above. `n` is the number of the allocation that fails, from 1. */
#define MEMCHECK_EACH_FAILURE(n) for (size_t n = 1; memcheck_next_failure(n); n++)
bool memcheck_next_failure(size_t n);

#endif
