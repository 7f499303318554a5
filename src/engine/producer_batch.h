/* producer_batch: the producer's part of a batch (engine/producer.h), embedded in kfk_produce_batch as `producer`. */
#ifndef KFK_ENGINE_PRODUCER_BATCH_H
#define KFK_ENGINE_PRODUCER_BATCH_H
#include "base/list.h"
#include "kafka/types.h"
#include <stdint.h>

typedef struct kfk_producer_partition kfk_producer_partition;

/* Zeroed when the batch is new; written and read under the baton, by its owner after `delivered`. */
typedef struct kfk_producer_batch {
    kfk_producer_partition *partition;
    /* What became of it, for `delivered`: */
    kafka_written written;
    int64_t base_offset;    /* of its first record, -1 = not known (acks none, or proven by a later batch) */
    int64_t append_time_ms; /* the log's, -1 = the records keep their own */
    /* While it has no outcome: */
    uint64_t serial;      /* in order of adoption, over all partitions */
    kfk_list outstanding; /* in the list of all, in this order */
    unsigned in_use;      /* requests that refer to its bytes */
} kfk_producer_batch;

#endif
