#include "support/memcheck.h"

#include "base/lock.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum { THREADS = 4, ROUNDS = 20000 };

static kfk_lock lock;
static long plain;                 /* guarded by the lock */
static _Atomic int inside, crowds; /* inside more than one at a time */

static void *count_up(void *arg)
{
    unsigned seed = *(unsigned *)arg;
    for (int i = 0; i < ROUNDS; i++) {
        kfk_lock_take(&lock);
        if (atomic_fetch_add(&inside, 1) != 0) atomic_fetch_add(&crowds, 1);
        plain++;
        if (rand_r(&seed) % 500 == 0) sched_yield(); /* longer than anybody spins: the others go to sleep */
        atomic_fetch_sub(&inside, 1);
        kfk_lock_give(&lock);
    }
    return NULL;
}

static void one_thread_at_a_time_is_inside_and_none_is_forgotten_asleep(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    plain = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &seeds[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(plain, (long)THREADS * ROUNDS);
    assert_int_equal(crowds, 0);
}

static void a_lock_that_was_given_back_is_free_again(void **state)
{
    (void)state;
    kfk_lock l = {0};
    for (int i = 0; i < 3; i++) {
        kfk_lock_take(&l);
        assert_int_equal(l.word, 1);
        kfk_lock_give(&l);
        assert_int_equal(l.word, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_lock_that_was_given_back_is_free_again),
        MEMCHECK_TEST(one_thread_at_a_time_is_inside_and_none_is_forgotten_asleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
