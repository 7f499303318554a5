/* producer: what a partition's leader knows of idempotent producers (KIP-98), enforced as Apache Kafka 4.3 does.
 *
 *   - A producer it does not know may start at any sequence (KAFKA-14359; brokers before 4.5 allow it).
 *   - Within an epoch a batch must follow the last one: else OUT_OF_ORDER_SEQUENCE_NUMBER (45). Sequences wrap to 0
 *     behind 2^31 - 1.
 *   - A batch with first and last sequence of one of the last five is a duplicate: acknowledged with its old offset.
 *   - An epoch below the known one is INVALID_PRODUCER_EPOCH (47); a higher one must start at sequence 0, else 45.
 *   - A restarted broker remembers of each producer only its newest batch, and nothing of those whose records it would
 *     have forgotten by time, or whose log had none left.
 *   - A producer is forgotten when the time of its newest record is older than producer.id.expiration.ms, which is
 *     looked after every ten minutes (producer.id.expiration.check.interval.ms).
 *   - Beyond KFT_MOST_PRODUCERS of a cluster, which anybody can make up, the one that wrote least recently goes,
 *     whichever partition it wrote to. */
#ifndef KFT_PRODUCER_H
#define KFT_PRODUCER_H
#include "base/map.h"
#include "wire/record.h"

enum {
    KFT_PRODUCER_BATCHES = 5,
    KFT_PRODUCER_EXPIRATION_MS = 24 * 3600 * 1000,
    KFT_PRODUCER_SWEEP_MS = 600 * 1000,
    KFT_MOST_PRODUCERS = 100000 /* of all partitions together; one in two partitions counts twice */
};

typedef struct kft_producer_batch {
    int32_t first_sequence, last_sequence;
    int64_t base_offset, last_offset, time_ms;
} kft_producer_batch;

typedef struct kft_producer {
    kfk_map_node node;
    kfk_list age;             /* in kft_producer_pool.by_age */
    struct kft_producers *of; /* that it is one of */
    int64_t id;
    int16_t epoch;
    uint8_t count; /* of `batches`, oldest first */
    kft_producer_batch batches[KFT_PRODUCER_BATCHES];
} kft_producer;

/* What all partitions of a cluster know together. */
typedef struct kft_producer_pool {
    kfk_list by_age; /* the one that wrote least recently first */
    size_t count;
} kft_producer_pool;
void kft_producer_pool_init(kft_producer_pool *pool);

typedef struct kft_producers {
    kft_producer_pool *pool;
    kfk_map map;
    int64_t swept_wall_ms; /* when it was last looked for old ones */
} kft_producers;

/* Its address must last while it knows any. */
void kft_producers_init(kft_producers *p, kft_producer_pool *pool, uint64_t seed);
void kft_producers_fini(kft_producers *p);

typedef enum kft_producer_verdict {
    KFT_PRODUCER_APPEND,
    KFT_PRODUCER_DUPLICATE,
    KFT_PRODUCER_REFUSE
} kft_producer_verdict;

/* What to do with a batch that has a producer id. DUPLICATE: *duplicate is the batch it repeats. REFUSE: *code is the
 * broker's, *why a sentence for the answer's error_message (constant). */
kft_producer_verdict kft_producers_check(kft_producers *p, const kfk_batch_header *h, int64_t now_wall_ms,
                                         const kft_producer_batch **duplicate, int16_t *code, const char **why);
/* Makes room for what kft_producers_appended will note. 0 or KAFKA_ENOMEM. */
int kft_producers_reserve(kft_producers *p, int64_t id);
/* It was appended at this offset; time_ms: the largest time of its records, as stored. After kft_producers_reserve. */
void kft_producers_appended(kft_producers *p, const kfk_batch_header *h, int64_t base_offset, int64_t time_ms);

/* What a broker knows that was restarted when the log ended at `end`: of what was in front of that, one batch each, and
 * nothing when that log was empty. */
void kft_producers_restart(kft_producers *p, int64_t end, bool empty, int64_t now_wall_ms);
/* Forgets one (id), or all (-1). */
void kft_producers_expire(kft_producers *p, int64_t id);
/* Forgets what was learned from batches at or behind `offset`, which are cut off; and, with those in front of `start`
 * deleted, nothing: producers outlive their records. */
void kft_producers_truncate(kft_producers *p, int64_t offset);

#endif
