/* produce_outcome: what the answer to a Produce request says about one copy of a batch.
 *
 * One table has a row for every code that a broker may answer with, docs/errors.md explains each, and a test compares
 * the two. The rows say what an answer means by itself. What follows for the batch depends on its other copies and on
 * the batches around it: that is engine/sequence.h. Pure functions, any thread. */
#ifndef KFK_ENGINE_PRODUCE_OUTCOME_H
#define KFK_ENGINE_PRODUCE_OUTCOME_H
#include "kafka/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum kfk_produce_class {
    KFK_PRODUCE_DONE,        /* written */
    KFK_PRODUCE_RETRY,       /* not written, passes: the same again, which counts as an attempt */
    KFK_PRODUCE_UNKNOWN,     /* may be written: the same again until it is known, or until the delivery timeout */
    KFK_PRODUCE_UNTOLD,      /* may be written, the broker does not say what happened: the same again, an attempt */
    KFK_PRODUCE_OUT_OF_LINE, /* the broker expected another sequence, or does not know the producer */
    KFK_PRODUCE_DUPLICATE,   /* brokers before 1.1: appended before, perhaps not replicated */
    KFK_PRODUCE_TOO_LARGE,   /* not written: in smaller parts, or never */
    KFK_PRODUCE_BAD_RECORDS, /* not written: without the records that the answer names, or never if it names none */
    KFK_PRODUCE_FENCED,      /* not written: under another producer id */
    KFK_PRODUCE_FATAL,       /* not written, and will not be */
} kfk_produce_class;

typedef struct kfk_produce_outcome {
    kfk_produce_class kind;
    int16_t code;
    bool refresh; /* the leader may be another one: ask for metadata */
} kfk_produce_outcome;

/* The row of a code. A code that the table does not have is KFK_PRODUCE_FATAL. */
kfk_produce_outcome kfk_produce_outcome_of(int16_t code);
/* All rows, ascending by code. */
const kfk_produce_outcome *kfk_produce_outcome_table(size_t *count);

/* The same for an answer: with acks all, codes 3 and 6 beside a base offset come from a leader that appended and then
 * lost its leadership: KFK_PRODUCE_UNKNOWN. Without idempotence no code means DUPLICATE, OUT_OF_LINE or FENCED: these
 * are KFK_PRODUCE_FATAL. */
kfk_produce_outcome kfk_produce_outcome_read(int16_t code, int64_t base_offset, int16_t acks, bool idempotence);
/* Whether one copy that got this outcome may be in the log. */
kafka_written kfk_produce_outcome_written(kfk_produce_class kind);

#endif
