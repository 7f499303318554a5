/* histogram: what a set of observations looks like, in a fixed 4 KiB, at the cost of a few instructions each.
 *
 * Count, sum, least and greatest are exact. Percentiles come from buckets that are as wide as a sixteenth of what they
 * hold, or less, and are answered with the middle of one, so they are wrong by 3.1 % at most. Values below 32 have a
 * bucket each.
 *
 * Not safe from several threads: the owner has a lock, or the baton. */
#ifndef KFK_BASE_HISTOGRAM_H
#define KFK_BASE_HISTOGRAM_H
#include "kafka/stats.h"

enum {
    KFK_HISTOGRAM_BITS = 4, /* of a value beside its highest one that choose its bucket */
    KFK_HISTOGRAM_BUCKETS = (64 - KFK_HISTOGRAM_BITS) << KFK_HISTOGRAM_BITS
};

/* Zeroed = empty. */
typedef struct kfk_histogram {
    int64_t count, sum, min, max;
    uint32_t buckets[KFK_HISTOGRAM_BUCKETS]; /* saturate */
} kfk_histogram;

/* One observation, or `times` equal ones; below 0 it counts as 0. */
void kfk_histogram_add(kfk_histogram *h, int64_t value);
void kfk_histogram_add_times(kfk_histogram *h, int64_t value, int64_t times);
/* The value at this share of the observations, 0 to 1: 0 when there are none. */
int64_t kfk_histogram_at(const kfk_histogram *h, double share);
/* Describes what was observed, and begins again. */
void kfk_histogram_take(kfk_histogram *h, kafka_summary *out);

#endif
