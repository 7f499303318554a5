/* fork.c: one handler for the whole library, registered on first use.
 *
 * It is registered without a lock, which a fork could leave taken: threads that come first at the same time may
 * register it twice, and then the child counts two and makes its state new twice, which is as good as once. It stays
 * registered for ever; the library cannot be unloaded (-z nodelete), so its code stays as well. */
#include "base/fork.h"
#include "base/thread.h"
#include "kafka/error.h"
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

enum { MOST_WATCHERS = 8 };

_Atomic uint32_t kfk_fork_count;

static _Atomic bool registered;
static void (*_Atomic watchers[MOST_WATCHERS])(void);

static void in_child(void)
{
    atomic_fetch_add(&kfk_fork_count, 1);
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
    if (pthread_atfork(NULL, NULL, in_child) != 0) return KAFKA_ENOMEM;
    atomic_store(&registered, true);
    return 0;
}

void kfk_fork_close(_Atomic int *fd)
{
    int inherited = atomic_exchange(fd, -1);
    if (inherited < 0) return;
    int shield = kfk_thread_shield();
    close(inherited);
    kfk_thread_unshield(shield);
}
