/* producer_batch: the producer's part of a batch (engine/producer.h), embedded in kfk_produce_batch as `producer`. */
#ifndef KFK_ENGINE_PRODUCER_BATCH_H
#define KFK_ENGINE_PRODUCER_BATCH_H
#include "base/list.h"
#include "base/ref.h"
#include "kafka/types.h"
#include <stdint.h>

typedef struct kfk_producer_partition kfk_producer_partition;

/* Zeroed when the batch is new. Under the baton until `delivered`, then its owner's. */
typedef struct kfk_producer_batch {
    kfk_producer_partition *partition; /* the topic's partition -1: it never got one */
    /* What became of it, for `delivered`: */
    kafka_written written;
    int32_t attempts;       /* how often it was sent */
    int64_t base_offset;    /* of its first record, -1 = not known (acks none, or proven by a later batch) */
    int64_t append_time_ms; /* the log's, -1 = the records keep their own */
    /* The producer's own: */
    uint64_t serial;      /* in order of coming, over all partitions; 0 = not seen yet */
    kfk_list outstanding; /* in the list of all that have no outcome, in this order */
    unsigned rounds;      /* of looking for its topic, before it came */
    int32_t codec;        /* of one that waits for its topic: what its records want */
    int32_t *bad;         /* the records that its last answer refused, sorted once it is split; NULL = none */
    size_t bad_count;
    char *why;    /* it failed and waits for its turn to be told: the cause; NULL = the partition's */
    kfk_ref uses; /* the producer or the owner, and each request that refers to its bytes */
} kfk_producer_batch;

#endif
