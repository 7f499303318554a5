/* append: what a leader does with the records of one partition of a Produce request, up to their place in the log. */
#ifndef KFT_APPEND_H
#define KFT_APPEND_H
#include "testing/handler.h"

enum { KFT_MOST_RECORD_ERRORS = 16 };

typedef struct kft_append {
    int16_t code;    /* 0, or why it was refused */
    const char *why; /* constant; NULL = nothing to add */
    int64_t base_offset;
    int64_t end_offset; /* behind its last record: the high watermark to be reached */
    int64_t append_time_ms;
    int32_t leader_epoch;                          /* in which it was appended, or found */
    int64_t log_start;                             /* where the log begins, -1 = not told */
    bool skipped;                                  /* the request names the partition again behind it: that counts */
    bool duplicate;                                /* nothing was written: it was there already */
    int32_t record_errors[KFT_MOST_RECORD_ERRORS]; /* places in the batch of records it was refused for (KIP-467) */
    int record_error_count;
} kft_append;

/* What is checked of record data before anything else, whoever leads the partition: one batch that this version of
 * Produce may carry. False: *out says why not. */
bool kft_append_check(int16_t version, kafka_bytes data, kft_append *out);
/* Appends the record data of a request that wants these acks, as version `version` of Produce defines it. `data` lies
 * in ask->frame and may be kept. With ask->dry nothing is changed. */
void kft_append_records(kft_ask *ask, kft_partition *p, kafka_bytes data, int16_t acks, kft_append *out);

#endif
