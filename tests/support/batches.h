/* batches: record batches as a log may hold them, made by hand: gaps, markers, damage.
 *
 * They are encoded here from the protocol's description and not by the library's writer, so that reading is not tested
 * against our own idea of writing. Memory is malloc's and not counted by memcheck. */
#ifndef KAFKA_TESTS_SUPPORT_BATCHES_H
#define KAFKA_TESTS_SUPPORT_BATCHES_H
#include "wire/record.h"

typedef struct batch_bytes {
    uint8_t *data;
    size_t len, cap;
} batch_bytes;

/* Record i has offset base + i * step and, unless value_size says so, the value "v<offset>"; keys are null. */
typedef struct batch_spec {
    int64_t base;
    int64_t producer_id; /* 0 = none */
    int64_t time_ms;     /* of the first record, 0 = 1000; each later one is 1 ms younger */
    int count, step;     /* step 0 = 1 */
    int tail;            /* offsets behind the last record that compaction left empty */
    int codec;
    int value_size; /* bytes, all 'x' */
    int headers;    /* of each record: "h" = "1", "h" = null, "h" = "1" ... */
    uint16_t attributes;
    int32_t leader_epoch;
} batch_spec;

/* A codec that is built in, 0 = none is. */
int batch_some_codec(void);
/* Appends a batch; returns where it begins. */
size_t batch_append(batch_bytes *to, const batch_spec *spec);
#define BATCH(to, ...) batch_append((to), &(batch_spec){__VA_ARGS__})
/* Appends a batch with these bytes in place of its records, whatever they are; its header says what the spec says. */
size_t batch_append_body(batch_bytes *to, const batch_spec *spec, const void *bytes, size_t len);
/* Appends an end-of-transaction marker: KFK_CONTROL_ABORT, KFK_CONTROL_COMMIT. */
size_t batch_append_marker(batch_bytes *to, int64_t offset, int64_t producer_id, int16_t type);
/* Computes the CRC of the batch at `at` anew. */
void batch_seal(batch_bytes *of, size_t at);
void batch_free(batch_bytes *b);

#endif
