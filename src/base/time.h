/* time: monotonic and wall clock, and arithmetic that saturates instead of wrapping.
 *
 * All waiting in the library counts monotonic milliseconds in an int64. The clocks are a seam: the simulation puts its
 * virtual clock here, so that `kafka_now_ms` and the engine's loop always agree. */
#ifndef KFK_BASE_TIME_H
#define KFK_BASE_TIME_H
#include <stdint.h>

/* A time that never comes. */
#define KFK_TIME_NEVER INT64_MAX

int64_t kfk_time_now_ns(void);  /* monotonic */
int64_t kfk_time_now_ms(void);  /* monotonic, rounded down */
int64_t kfk_time_ceil_ms(void); /* the same, rounded up: what begins then has not begun before now */
int64_t kfk_time_wall_ms(void); /* Unix time */

/* Milliseconds until then, rounded up, so that who waits so long does not come early: 0 = it has passed, KFK_TIME_NEVER
 * stays. */
int64_t kfk_time_left_ms(int64_t at_ms);

/* at + ms without overflow; KFK_TIME_NEVER stays. ms >= 0. */
static inline int64_t kfk_time_add(int64_t at, int64_t ms)
{
    return at > INT64_MAX - ms ? INT64_MAX : at + ms;
}

/* The earlier of two deadlines of the public interface, where 0 means none. */
static inline int64_t kfk_time_earlier(int64_t a, int64_t b)
{
    if (a == 0) return b;
    if (b == 0) return a;
    return a < b ? a : b;
}

/* Tests only: both clocks come from these functions; NULL restores the system's. Only while no other thread uses the
 * library. */
void kfk_time_set_source(int64_t (*monotonic_ns)(void), int64_t (*wall_ms)(void));

#endif
