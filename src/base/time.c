/* time.c: the two clocks, and the seam through which the simulation replaces them.
 *
 * CLOCK_MONOTONIC and not CLOCK_BOOTTIME: a deadline that passed while the machine slept would fail requests that had
 * no chance to be sent. Both clocks go through one pair of functions, so that a test which sets a source cannot leave a
 * caller on the real clock. The pair is a plain variable for the reason given in mem.c. */
#include "base/time.h"
#include <stddef.h>
#include <time.h>

enum { NS_PER_MS = 1000000, MS_PER_S = 1000 };

static int64_t system_monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail: the clock exists and t is ours */
    return (int64_t)t.tv_sec * MS_PER_S * NS_PER_MS + t.tv_nsec;
}

static int64_t system_wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * MS_PER_S + t.tv_nsec / NS_PER_MS;
}

static int64_t (*source_monotonic_ns)(void) = system_monotonic_ns;
static int64_t (*source_wall_ms)(void) = system_wall_ms;

int64_t kfk_time_now_ns(void)
{
    return source_monotonic_ns();
}

int64_t kfk_time_now_ms(void)
{
    return source_monotonic_ns() / NS_PER_MS;
}

int64_t kfk_time_ceil_ms(void)
{
    return (source_monotonic_ns() + NS_PER_MS - 1) / NS_PER_MS;
}

int64_t kfk_time_wall_ms(void)
{
    return source_wall_ms();
}

int64_t kfk_time_left_ms(int64_t at_ms)
{
    if (at_ms == KFK_TIME_NEVER) return KFK_TIME_NEVER;
    int64_t now_ms = kfk_time_now_ms(); /* rounded down: that rounds up what is left */
    return at_ms <= now_ms ? 0 : at_ms - now_ms;
}

void kfk_time_set_source(int64_t (*monotonic_ns)(void), int64_t (*wall_ms)(void))
{
    source_monotonic_ns = monotonic_ns != NULL ? monotonic_ns : system_monotonic_ns;
    source_wall_ms = wall_ms != NULL ? wall_ms : system_wall_ms;
}
