/* Buckets are log-linear: a value of at least 2^BITS belongs to one of 2^BITS that its power of two is divided into, so
 * the bucket's number is the value's highest bit and the BITS below it, read as one number. Below, every value is its
 * own bucket. The two rules meet without a gap: from 2^BITS to 2^(BITS+1) a bucket is one wide. */
#include "base/histogram.h"
#include <string.h>

enum { BITS = KFK_HISTOGRAM_BITS, PART = 1 << BITS };

static unsigned bucket_of(uint64_t value)
{
    if (value < PART) return (unsigned)value;
    unsigned shift = 63u - BITS - (unsigned)__builtin_clzll(value);
    return (shift << BITS) + (unsigned)(value >> shift); /* the highest bit, 2^BITS, adds one to the shift */
}

/* The middle of a bucket. */
static int64_t value_of(unsigned bucket)
{
    if (bucket < 2 * PART) return bucket;
    unsigned shift = (bucket >> BITS) - 1;
    uint64_t low = (uint64_t)(PART | (bucket & (PART - 1))) << shift;
    return (int64_t)(low + ((UINT64_C(1) << shift) - 1) / 2);
}

static int64_t sum_of(int64_t sum, int64_t value, int64_t times)
{
    int64_t more;
    if (__builtin_mul_overflow(value, times, &more) || __builtin_add_overflow(sum, more, &sum)) return INT64_MAX;
    return sum;
}

void kfk_histogram_add_times(kfk_histogram *h, int64_t value, int64_t times)
{
    if (times <= 0) return;
    if (value < 0) value = 0;
    if (h->count == 0 || value < h->min) h->min = value;
    if (h->count == 0 || value > h->max) h->max = value;
    h->count += times;
    h->sum = sum_of(h->sum, value, times);
    uint32_t *bucket = &h->buckets[bucket_of((uint64_t)value)];
    *bucket = times > (int64_t)(UINT32_MAX - *bucket) ? UINT32_MAX : *bucket + (uint32_t)times;
}

void kfk_histogram_add(kfk_histogram *h, int64_t value)
{
    kfk_histogram_add_times(h, value, 1);
}

/* By nearest rank: the smallest value that at least this share of all observations do not exceed. */
int64_t kfk_histogram_at(const kfk_histogram *h, double share)
{
    double rank = share * (double)h->count;
    int64_t seen = 0;
    if (h->count == 0) return 0;
    for (unsigned i = 0; i < KFK_HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (h->buckets[i] == 0 || (double)seen < rank) continue;
        int64_t value = value_of(i);
        return value < h->min ? h->min : value > h->max ? h->max : value;
    }
    return h->max;
}

void kfk_histogram_take(kfk_histogram *h, kafka_summary *out)
{
    memset(out, 0, sizeof *out);
    if (h->count == 0) return;
    out->avg = h->sum / h->count;
    out->min = h->min;
    out->max = h->max;
    out->count = h->count;
    out->sum = h->sum;
    out->p50 = kfk_histogram_at(h, 0.5);
    out->p99 = kfk_histogram_at(h, 0.99);
    memset(h, 0, sizeof *h);
}
