/* See the header. */
#include "support/lag.h"
#include "base/time.h"
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { EVERY_MS = 5 };

static pthread_t thread;
static atomic_bool stop;
static atomic_llong worst, begun; /* begun: when the sleep that is going on began */

static void note(int64_t late)
{
    for (long long most = atomic_load(&worst); late > most && !atomic_compare_exchange_weak(&worst, &most, late);) {}
}

static void *watch(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        int64_t before = kfk_time_now_ms();
        atomic_store(&begun, before);
        poll(NULL, 0, EVERY_MS);
        note(kfk_time_now_ms() - before - EVERY_MS);
    }
    return NULL;
}

void lag_start(void)
{
    atomic_store(&stop, false);
    atomic_store(&begun, kfk_time_now_ms());
    if (pthread_create(&thread, NULL, watch, NULL) != 0) abort();
}

void lag_stop(void)
{
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}

int64_t lag_worst_ms(void)
{
    note(kfk_time_now_ms() - atomic_load(&begun) - EVERY_MS); /* it may still be asleep */
    return atomic_exchange(&worst, 0);
}
