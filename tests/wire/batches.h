/* batches: the record batches of tests/golden/batches.txt, which Kafka's own classes made, and what their reader finds
 * in them. A test program loads them once, as the set-up of its group. */
#ifndef KAFKA_TESTS_WIRE_BATCHES_H
#define KAFKA_TESTS_WIRE_BATCHES_H
#include "support/memcheck.h"

#include "wire/record.h"

typedef struct golden_record {
    int64_t offset, timestamp;
    kafka_bytes key, value;
    size_t header_count;
    kafka_bytes headers[2 * 8]; /* keys and values */
    int control_type, coordinator_epoch;
} golden_record;

typedef struct golden_batch {
    char *name;
    uint8_t *bytes;
    size_t len;
    int64_t horizon;
    bool has_records; /* the file lists them */
    size_t record_count;
    golden_record records[32];
} golden_batch;

extern golden_batch *golden;
extern size_t golden_count;

/* Set-up and tear-down of a group of tests. */
int golden_load(void **state);
int golden_free(void **state);

/* The batch of that name, `len` bytes long; fails the test when there is none. */
const golden_batch *golden_find(const char *name, size_t len);
const golden_batch *golden_get(const char *name);

/* The header of a batch that is in order. */
kfk_batch_header header_of(const golden_batch *b);
/* Whether this build can read the batch; says so if not. */
bool readable(const golden_batch *b);
/* Opens a batch that is in order; `scratch` holds what was inflated. */
kfk_record_iter open_batch(const golden_batch *b, kfk_buf *scratch);

/* The same bytes, null told from empty. */
void assert_bytes_equal(kafka_bytes a, kafka_bytes b);

#endif
