#include "support/memcheck.h"

#include "base/rand.h"

static void the_same_seed_gives_the_same_sequence(void **state)
{
    (void)state;
    kfk_rand a, b;

    kfk_rand_seed(&a, 42);
    kfk_rand_seed(&b, 42);
    for (int i = 0; i < 1000; i++) assert_true(kfk_rand_next(&a) == kfk_rand_next(&b));
}

/* The first values of xoshiro256** from the state 1, 2, 3, 4, worked out by hand: next = rotl(s1 * 5, 7) * 9. */
static void the_sequence_is_that_of_xoshiro256starstar(void **state)
{
    (void)state;
    kfk_rand r = {{1, 2, 3, 4}};

    assert_int_equal(kfk_rand_next(&r), 11520); /* state becomes 7, 0, 262146, 6 << 45 */
    assert_int_equal(kfk_rand_next(&r), 0);
    assert_int_equal(kfk_rand_next(&r), 1509978240);
}

static void neighbouring_seeds_give_unrelated_sequences(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        kfk_rand a, b;
        kfk_rand_seed(&a, seed);
        kfk_rand_seed(&b, seed + 1);
        assert_true(a.s[0] != 0 || a.s[1] != 0 || a.s[2] != 0 || a.s[3] != 0);
        int differing_bits = __builtin_popcountll(kfk_rand_next(&a) ^ kfk_rand_next(&b));
        assert_in_range(differing_bits, 8, 56);
    }
}

static void values_stay_below_their_bound_and_reach_all_of_it(void **state)
{
    (void)state;
    kfk_rand r;

    kfk_rand_seed(&r, 7);
    for (uint64_t n = 1; n <= 20; n++) {
        uint32_t seen = 0;
        for (int i = 0; i < 2000; i++) {
            uint64_t x = kfk_rand_below(&r, n);
            assert_true(x < n);
            seen |= UINT32_C(1) << x;
        }
        assert_int_equal(seen, (UINT32_C(1) << n) - 1);
    }
    for (int i = 0; i < 1000; i++) assert_true(kfk_rand_below(&r, UINT64_MAX) < UINT64_MAX);
}

/* With n = 3/4 of 2^64, the remainder of a plain value would be in the lower third half of the time. */
static void a_large_bound_has_no_bias(void **state)
{
    (void)state;
    enum { DRAWS = 30000 };
    uint64_t third = UINT64_C(1) << 62;
    int low = 0;
    kfk_rand r;

    kfk_rand_seed(&r, 9);
    for (int i = 0; i < DRAWS; i++) low += kfk_rand_below(&r, 3 * third) < third;
    assert_in_range(low, DRAWS / 3 - 500, DRAWS / 3 + 500); /* 6 standard deviations */
}

static void small_bounds_are_drawn_evenly(void **state)
{
    (void)state;
    enum { BINS = 10, DRAWS = 100000 };
    int counts[BINS] = {0};
    kfk_rand r;

    kfk_rand_seed(&r, 11);
    for (int i = 0; i < DRAWS; i++) counts[kfk_rand_below(&r, BINS)]++;
    for (int i = 0; i < BINS; i++) assert_in_range(counts[i], DRAWS / BINS - 600, DRAWS / BINS + 600);
}

static void a_shared_generator_draws_evenly_and_repeats_from_its_start(void **state)
{
    (void)state;
    enum { BINS = 16, DRAWS = 160000 };
    int high[BINS] = {0}, low[BINS] = {0};
    kfk_rand_shared a = {5}, b = {5};

    for (int i = 0; i < DRAWS; i++) {
        uint64_t x = kfk_rand_shared_next(&a);
        assert_true(x == kfk_rand_shared_next(&b));
        high[x >> 60]++;
        low[x & 15]++;
    }
    for (int i = 0; i < BINS; i++) {
        assert_in_range(high[i], DRAWS / BINS - 600, DRAWS / BINS + 600);
        assert_in_range(low[i], DRAWS / BINS - 600, DRAWS / BINS + 600);
    }
}

static void two_seeds_from_the_system_differ(void **state)
{
    (void)state;
    assert_true(kfk_rand_system_seed() != kfk_rand_system_seed());
}

static uint64_t not_the_system(void)
{
    return 77;
}

static void the_simulation_has_seeds_of_its_own(void **state)
{
    (void)state;
    kfk_rand_set_source(not_the_system);
    assert_int_equal(kfk_rand_system_seed(), 77);
    kfk_rand_set_source(NULL);
    assert_true(kfk_rand_system_seed() != kfk_rand_system_seed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(the_same_seed_gives_the_same_sequence),
        MEMCHECK_TEST(the_sequence_is_that_of_xoshiro256starstar),
        MEMCHECK_TEST(neighbouring_seeds_give_unrelated_sequences),
        MEMCHECK_TEST(values_stay_below_their_bound_and_reach_all_of_it),
        MEMCHECK_TEST(a_large_bound_has_no_bias),
        MEMCHECK_TEST(small_bounds_are_drawn_evenly),
        MEMCHECK_TEST(a_shared_generator_draws_evenly_and_repeats_from_its_start),
        MEMCHECK_TEST(two_seeds_from_the_system_differ),
        MEMCHECK_TEST(the_simulation_has_seeds_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
