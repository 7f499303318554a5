/* chunk: what a Fetch brought of one partition, and the way through it, record by record.
 *
 * What is called a batch here may also be a message of format 0 or 1 (wire/record_v1.h), alone or with a compressed set
 * inside: old logs hold them, the three formats one behind the other.
 *
 * Batches are checked (CRC, every record) and inflated one at a time, on the thread that reads; records are views into
 * the fetched frame or into inflated blocks, all of which the chunk keeps until it is freed. What one chunk inflates,
 * and what its headers take, is bounded: at the limit it ends early, and the next fetch goes on behind it. Records in
 * front of the asked-for offset, control batches, and with read_committed what aborted transactions wrote, are passed
 * over.
 *
 * Damage ends a chunk: everything whole in front of it comes out first, then the error, which sticks. A chunk belongs
 * to one thread at a time. */
#ifndef KFK_ENGINE_CHUNK_H
#define KFK_ENGINE_CHUNK_H
#include "base/arena.h"
#include "base/buf.h"
#include "wire/gen/fetch.h"
#include "wire/record_v1.h"

enum { KFK_CHUNK_INFLATE_LIMIT = 64 * 1024 * 1024 };

typedef struct kfk_aborted {
    int64_t producer_id, first_offset;
    size_t ended; /* in the producer's first entry: how many of its transactions have ended, from that one on */
} kfk_aborted;

typedef struct kfk_chunk {
    kfk_block *frame;
    const uint8_t *at, *end; /* batches that were not opened yet */
    int64_t from;            /* what was asked for */
    int64_t next_offset;     /* of the next record to hand out, or behind all that was looked at */
    int64_t high_watermark, throttle_ms;
    size_t inflate_left;
    kfk_aborted *aborted; /* by producer and first offset; NULL unless read_committed */
    size_t aborted_count;
    kfk_batch_header batch; /* the one that is open */
    kfk_record_iter iter;
    bool open;          /* `batch` lies at `at`, `iter` walks it */
    uint8_t **inflated; /* the inflated bodies so far */
    size_t inflated_count, inflated_cap;
    kfk_arena headers; /* arrays and keys of message headers */
    int err;           /* sticky: KAFKA_EOF behind the last record, or why it ends */
    kfk_error error;
} kfk_chunk;

/* Takes over a reference to the frame that holds the partition's records; `p` may lie in the request's arena and is not
 * needed afterwards. `max_bytes`: what was asked for, for the inflating limit. 0, or KAFKA_ENOMEM (the reference is
 * given up then, too). */
int kfk_chunk_init(kfk_chunk *c, kfk_block *frame_take, const kfk_fetch_response_partition *p, int64_t from_offset,
                   bool read_committed, int32_t max_bytes);
void kfk_chunk_fini(kfk_chunk *c);

/* Goes as far as the next batch that has records, without taking one: afterwards c->err is 0 when there are, else as
 * kfk_chunk_next will return. */
void kfk_chunk_peek(kfk_chunk *c);
/* The next record. KAFKA_EOF at the end; KAFKA_ECORRUPT, KAFKA_ECODEC, KAFKA_ETOOBIG (a batch that inflates past the
 * limit, or that the broker sent only part of): with c->error filled. */
int kfk_chunk_next(kfk_chunk *c, kfk_record *out);
/* Puts back the record that was taken last: it comes out again. */
void kfk_chunk_unread(kfk_chunk *c, const kfk_record *r);
/* The headers of the record that was taken last, as an array, valid until the chunk is freed. On failure the record is
 * put back and the chunk has ended: KAFKA_ENOMEM, KAFKA_ETOOBIG when they alone take more than a chunk may hold,
 * KAFKA_EOF when there is no room left for them: the next fetch begins with this record. */
int kfk_chunk_headers(kfk_chunk *c, const kfk_record *r, const kafka_header **out);

#endif
