/* fork.c: one set of handlers for the whole library, registered on first use.
 *
 * They are registered without a lock, which a fork could leave taken: threads that come first at the same time may
 * register them twice. Then each fork is counted twice, before and after, and the child makes its state new twice,
 * which is as good as once. They stay registered for ever; the library cannot be unloaded (-z nodelete), so its code
 * stays.
 *
 * Who holds forks off and who forks look at each other's counter after raising their own, so that at least one of them
 * sees the other and waits. Neither waits for ever: a look-up may hang, and a handler that took a lock could, too. */
#include "base/fork.h"
#include "base/thread.h"
#include "base/time.h"
#include "kafka/error.h"
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

enum { MOST_WATCHERS = 8, HOLD_MS = 200, SLEEP_NS = 100000, MOST_SLEEPS = 2 * HOLD_MS * (1000000 / SLEEP_NS) };

_Atomic uint32_t kfk_fork_count;

static _Atomic bool registered;
static void (*_Atomic watchers[MOST_WATCHERS])(void);
static atomic_int holders, forks; /* threads that hold forks off; threads that fork */

/* Not cancelled, and errno stays: fork is no cancellation point. */
static void sleep_a_little(void)
{
    const struct timespec little = {.tv_nsec = SLEEP_NS}; /* or a tick, where the kernel counts in those */
    int shield = kfk_thread_shield(), number = errno;
    nanosleep(&little, NULL);
    errno = number;
    kfk_thread_unshield(shield);
}

/* A virtual clock may stand still: the sleeps are counted, too. Twice as many as fit into the time: signals cut some
 * short. */
static bool is_late(int sleeps, int64_t until_ms)
{
    return sleeps >= MOST_SLEEPS || kfk_time_now_ms() > until_ms;
}

static void before_fork(void)
{
    int64_t until = kfk_time_add(kfk_time_now_ms(), HOLD_MS);
    atomic_fetch_add(&forks, 1);
    for (int i = 0; atomic_load(&holders) > 0 && !is_late(i, until); i++) sleep_a_little();
}

/* An old C library calls this also for a fork that began before the handlers were registered. */
static void in_parent(void)
{
    int now = atomic_load(&forks);
    while (now > 0 && !atomic_compare_exchange_weak(&forks, &now, now - 1)) continue;
}

static void in_child(void)
{
    atomic_fetch_add(&kfk_fork_count, 1);
    atomic_store(&holders, 0);
    atomic_store(&forks, 0);
    for (int i = 0; i < MOST_WATCHERS; i++) {
        void (*run)(void) = atomic_load(&watchers[i]);
        if (run != NULL) run();
    }
}

static int add_watcher(void (*run)(void))
{
    for (int i = 0; i < MOST_WATCHERS; i++) {
        void (*there)(void) = NULL;
        if (atomic_compare_exchange_strong(&watchers[i], &there, run) || there == run) return 0;
    }
    return KAFKA_ENOMEM; /* our own mistake: the table is too short */
}

int kfk_fork_watch(void (*run)(void))
{
    if (run != NULL && add_watcher(run) != 0) return KAFKA_ENOMEM;
    if (atomic_load(&registered)) return 0;
    if (pthread_atfork(before_fork, in_parent, in_child) != 0) return KAFKA_ENOMEM;
    atomic_store(&registered, true);
    return 0;
}

void kfk_fork_hold(void)
{
    int64_t until = kfk_time_add(kfk_time_now_ms(), HOLD_MS);
    for (int i = 0;; i++) {
        atomic_fetch_add(&holders, 1);
        if (atomic_load(&forks) == 0 || is_late(i, until)) return;
        atomic_fetch_sub(&holders, 1);
        sleep_a_little();
    }
}

void kfk_fork_let(void)
{
    atomic_fetch_sub(&holders, 1);
}

void kfk_fork_close(_Atomic int *fd)
{
    int inherited = atomic_exchange(fd, -1);
    if (inherited < 0) return;
    int shield = kfk_thread_shield();
    close(inherited);
    kfk_thread_unshield(shield);
}
