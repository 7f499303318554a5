/* readback: the logs of a topic, into its journal: by kcat, which is librdkafka, and by this library. */
#ifndef KAFKA_TESTS_CHAOS_READBACK_H
#define KAFKA_TESTS_CHAOS_READBACK_H
#include "support/journal.h"

typedef struct readback_sum {
    int64_t records;
    int changes; /* of leaders, that the records tell of */
} readback_sum;

/* The cluster is well, and nobody writes to the topic any more. What cannot be read is an anomaly. */
readback_sum readback(journal *j, int32_t partitions);

#endif
