/* accum_append: the append of accum.h that nearly every one is, for the callers to inline.
 *
 * One lock, one encoded record, and four comparisons that say there is nothing else to do. It is short enough for a
 * call of a function to show: six arguments, six registers saved, 20 of 435 instructions for a message of 100 bytes.
 * What is not common is behind the functions named here. */
#ifndef KFK_ENGINE_ACCUM_APPEND_H
#define KFK_ENGINE_ACCUM_APPEND_H
#include "engine/accum.h"

/* Under the lock: the record needs a slot, a batch, or the long way to be encoded. */
int kfk_accum_append_slowly(kfk_accum *a, kfk_accum_call *call, const kafka_message *m, int64_t timestamp,
                            int32_t codec, const void *side);
/* The same: the record is in, and something is to be done besides. */
void kfk_accum_attend(kfk_accum *a, kfk_accum_call *call);

static inline __attribute__((always_inline)) int kfk_accum_append_locked(kfk_accum *a, kfk_accum_call *call,
                                                                         const kafka_message *m, int64_t timestamp,
                                                                         int32_t codec, const void *side)
{
    const ptrdiff_t line = 64;
    kfk_produce_batch *b = a->open;
    bool is_in = b != NULL && b->codec == codec && kfk_produce_batch_append_plain(b, timestamp, m, side);
    if (__builtin_expect(!is_in, 0)) return kfk_accum_append_slowly(a, call, m, timestamp, codec, side);
    /* With many partitions the place of the next record has left the cache by the time there is one. */
    __builtin_prefetch(b->writer.at + line, 1);
    __builtin_prefetch(b->writer.at + 2 * line, 1);
    bool is_all = b->writer.count != a->config->batch_size && !a->asked && (!call->waits || a->awaited);
    if (__builtin_expect(!is_all, 0)) kfk_accum_attend(a, call);
    return 0;
}

/* Takes the lock where tests hear of it. */
int kfk_accum_append_heard(kfk_accum *a, kfk_accum_call *call, const kafka_message *m, int64_t timestamp, int32_t codec,
                           const void *side);

/* kfk_accum_append. */
static inline __attribute__((always_inline)) int kfk_accum_append_inline(kfk_accum *a, kfk_accum_call *call,
                                                                         const kafka_message *m, int64_t timestamp,
                                                                         int32_t codec, const void *side)
{
    if (__builtin_expect(kfk_lock_heard != NULL, 0)) return kfk_accum_append_heard(a, call, m, timestamp, codec, side);
    kfk_lock_take_quietly(&a->lock);
    int rc = kfk_accum_append_locked(a, call, m, timestamp, codec, side);
    kfk_lock_give_quietly(&a->lock);
    return rc;
}

#endif
