/* produce_batch: a batch of records on its way to one partition.
 *
 * Its life: OPEN, it belongs to its partition's accumulator (engine/accum.h) and takes records under that one's lock.
 * SEALING, it was swapped out, takes no more, and waits in the accumulator's queue, where its place fixes the order;
 * it belongs to whoever swapped it out, to be sealed (engine/seal.h). SEALED or FAILED, it belongs to the producer,
 * under the baton, until its outcome was told and no write refers to it any more.
 *
 * The body is a chain of slots. While the batch is open, records grow from the front of a slot; where the writer keeps
 * something beside each record (a side: userdata, time, whom to tell), these grow from its back towards them, so that
 * a record and what belongs to it need no memory of their own. Sealing computes the CRC; with a codec it replaces the
 * chain by another one that holds the compressed bytes, and the sides. From then on the body never changes, however
 * often the batch is sent. The header of 61 bytes is not part of it: kfk_produce_batch_header makes one for each send.
 *
 * A batch belongs to one thread at a time; what hands it over orders memory (the accumulator's lock, the baton). */
#ifndef KFK_ENGINE_PRODUCE_BATCH_H
#define KFK_ENGINE_PRODUCE_BATCH_H
#include "engine/producer_batch.h"
#include "engine/sequence.h"
#include "engine/slots.h"
#include "wire/record_plain.h"
#include <sys/uio.h>

typedef struct kfk_accum kfk_accum;

typedef enum kfk_produce_state {
    KFK_PRODUCE_OPEN,
    KFK_PRODUCE_SEALING,
    KFK_PRODUCE_SEALED,
    KFK_PRODUCE_FAILED
} kfk_produce_state;

/* A body as it goes out. */
typedef struct kfk_produce_body {
    kfk_slot *chain;
    size_t len;
    uint32_t part_count; /* iovecs that it takes */
    uint32_t crc;        /* CRC32C; 0 of a message set */
} kfk_produce_body;

typedef struct kfk_produce_batch kfk_produce_batch;
struct kfk_produce_batch {
    /* What an append looks at. */
    kfk_record_writer writer; /* count, base and newest timestamp, uncompressed bytes */
    uint64_t payload;         /* bytes of keys and values */
    int32_t codec, level;     /* as configured, whatever comes out of it */
    uint32_t side_size;       /* bytes beside each record, a multiple of 8, 0 = nothing */
    uint8_t share;            /* kfk_slots_share of its slots */
    bool packed;              /* body.chain holds the compressed records */
    int8_t set_magic;         /* the format of `set` */
    uint8_t *sides_at;        /* the lowest side of the last slot */

    kfk_list node;                /* in the accumulator's queue, later in whatever list its owner keeps */
    kfk_accum *accum;             /* its partition's */
    kfk_slots *slots;             /* a reference */
    kfk_produce_batch *seal_next; /* of the call that has to seal it */
    kfk_produce_state state;      /* under the accumulator's lock while it is in its queue */
    int64_t accepted_ms;          /* monotonic: when its first message was accepted */
    kfk_slot *last;               /* of body.chain, while records are added */
    int32_t earlier;              /* records in the slots before it */
    int seal_code;                /* FAILED: why; 0 otherwise */
    kfk_error *seal_error;        /* with words, if there was memory for them */
    kfk_slot *sides;              /* sealed with a codec: they have a chain of their own; else NULL */
    kfk_produce_body body;        /* len, part_count and crc from sealing on */
    kfk_produce_body set;         /* the same records as a message set (kfk_seal_set), or empty */
    kfk_sequence_batch sequence;  /* of the machine of sequences, */
    kfk_producer_batch producer;  /* and of the producer: zeroed in a new one */
};

/* An open batch without records, all its fields zero that are not said otherwise. NULL without memory. Its first slot
 * comes with the first record. */
kfk_produce_batch *kfk_produce_batch_new(kfk_slots *s, kfk_accum *a, kfk_slots_share share, int32_t codec,
                                         int32_t level, uint32_t side_size);
/* It takes no more records: it is SEALING. It has one at least. */
void kfk_produce_batch_close(kfk_produce_batch *b);
/* Gives back all it holds; it must be in no list that matters. True: somebody waits for the memory, see
 * kfk_slots_give. NULL is fine. */
bool kfk_produce_batch_free(kfk_produce_batch *b);

/* Records in it. */
static inline int32_t kfk_produce_batch_count(const kfk_produce_batch *b)
{
    return b->writer.count;
}

/* Bytes of the whole batch without compression, header included: what batch_bytes bounds. */
static inline size_t kfk_produce_batch_plain_bytes(const kfk_produce_batch *b)
{
    return KFK_RECORD_HEADER + b->writer.bytes;
}

/* Bytes it takes in a request: header and body. */
static inline size_t kfk_produce_batch_wire_bytes(const kfk_produce_batch *b)
{
    return KFK_RECORD_HEADER + b->body.len;
}

/* Bytes of memory it is charged with. */
size_t kfk_produce_batch_charged(const kfk_produce_batch *b);

/* Appends a message's key, value and headers, and its side (side_size bytes, copied), to an open batch whose records
 * take `most` bytes at most. `most` must be the same in every call. Sides are aligned to 8 bytes. A side of 16 bytes
 * may be NULL: it is the message's userdata and the timestamp then.
 *
 *  KAFKA_EAGAIN   the budget has no room.
 *  KAFKA_EOF      the batch is full: the record needs the next one.
 *  KAFKA_ETOOBIG  the record does not fit into any batch of this size, nor ever into the budget.
 *  KAFKA_EINVAL   a header without a name.
 *  KAFKA_ENOMEM
 * In all of them nothing changed. */
int kfk_produce_batch_append(kfk_produce_batch *b, size_t most, int64_t timestamp, const kafka_message *m,
                             const void *side);

/* Stores the side of the record that was just appended, and keeps room for the next one. */
static inline void kfk_produce_batch_add_side(kfk_produce_batch *b, const void *side, const kafka_message *m,
                                              int64_t timestamp)
{
    size_t size = b->side_size;
    uint64_t *to = (uint64_t *)(void *)(b->sides_at - size);
    b->sides_at = (uint8_t *)to;
    b->writer.end -= size; /* of the next one; where it is the batch that is nearly full this takes back too much */
    if (__builtin_expect(side != NULL, 0)) {
        memcpy(to, side, size);
    } else {
        to[0] = (uintptr_t)m->userdata;
        to[1] = (uint64_t)timestamp;
    }
}

/* The same for what wire/record_plain.h encodes; false for all else, and when there is no room: nothing changed
 * then. */
static inline __attribute__((always_inline)) bool kfk_produce_batch_append_plain(kfk_produce_batch *b,
                                                                                 int64_t timestamp,
                                                                                 const kafka_message *m,
                                                                                 const void *side)
{
    if (__builtin_expect(m->header_count > 0, 0)) return false;
    uint8_t *to = kfk_record_append_plain(&b->writer, timestamp, m->key, m->value);
    if (__builtin_expect(to == NULL, 0)) return false;
    b->payload += m->key.len + m->value.len;
    if (__builtin_expect(b->side_size > 0, 1)) kfk_produce_batch_add_side(b, side, m, timestamp);
    if (__builtin_expect(m->value.len > 0, 1)) memcpy(to, m->value.data, m->value.len);
    return true;
}

/* ---- sending: of a SEALED batch ---------------------------------------------------------------------------------- */

/* Writes the header for this producer id, epoch and first sequence (-1 each without idempotence). */
void kfk_produce_batch_header(const kfk_produce_batch *b, int64_t producer_id, int16_t producer_epoch,
                              int32_t base_sequence, uint8_t out[KFK_RECORD_HEADER]);
/* Fills in body->part_count iovecs, which stay valid as long as the body. */
void kfk_produce_body_parts(const kfk_produce_body *body, struct iovec *out);

/* ---- the sides, in the order of the records: of a batch that takes no more --------------------------------------- */

typedef struct kfk_side_iter {
    const kfk_slot *slot;
    const uint8_t *at;
    uint32_t size, left; /* in this slot */
} kfk_side_iter;

void kfk_side_iter_init(kfk_side_iter *it, const kfk_produce_batch *b);
/* The next record's side, aligned to 8 bytes; NULL behind the last, and without sides. */
void *kfk_side_iter_next(kfk_side_iter *it);
/* So many sides at once: the next one's, the others lie below it in memory, each side_size bytes under the one before.
 * Takes *count of them, which is `most` or less. NULL behind the last. */
void *kfk_side_iter_run(kfk_side_iter *it, size_t most, size_t *count);

/* ---- the records, with their sides ------------------------------------------------------------------------------- */

/* A walk over a batch that takes no more records. A compressed body is inflated first, into memory that is not
 * charged. */
typedef struct kfk_produce_walk {
    const kfk_produce_batch *batch;
    const kfk_slot *slot; /* the next one of an uncompressed body */
    kfk_record_iter records;
    kfk_side_iter sides;
    kfk_buf inflated;
} kfk_produce_walk;

/* 0; KAFKA_ENOMEM; KAFKA_ECODEC, KAFKA_ECORRUPT when a codec of the application does not read what it wrote. `err` may
 * be NULL. kfk_produce_walk_fini is needed in any case. */
int kfk_produce_walk_init(kfk_produce_walk *w, const kfk_produce_batch *b, kfk_error *err);
/* The next record, and its side (NULL without); both stay valid until the walk ends. False behind the last.
 * record->offset counts from 0. */
bool kfk_produce_walk_next(kfk_produce_walk *w, kfk_record *record, void **side);
void kfk_produce_walk_fini(kfk_produce_walk *w);

/* ---- splitting --------------------------------------------------------------------------------------------------- */

/* Distributes the records of a batch that takes no more of them over up to `count` new ones: record i goes to
 * out[pick(context, i, record)], and keeps its order, side and timestamp there. A batch that gets nothing is NULL. The
 * new ones are SEALING, have the accumulator, codec and acceptance time of the old one, and are in no list; their
 * memory is taken by force, as it was charged once already. The old one stays as it is, for the caller to free.
 * 0, or as kfk_produce_walk_init, with nothing made. */
int kfk_produce_batch_distribute(const kfk_produce_batch *b,
                                 size_t (*pick)(void *context, int32_t i, const kfk_record *r), void *context,
                                 kfk_produce_batch **out, size_t count, kfk_error *err);

/* The broker finds the batch too large (10, 18): two batches of about half its uncompressed bytes each. It holds two
 * records at least. */
int kfk_produce_batch_halve(const kfk_produce_batch *b, kfk_produce_batch *out[2], kfk_error *err);
/* The broker refuses some records (87): those with these numbers, sorted, are parted from the others, in runs, so that
 * outcomes can be told in order: parts with an odd place in `out` hold named ones, those with an even place the others.
 * There are `most` places, which is even; what no longer finds a place of its own joins the last two. Numbers beyond
 * the batch are passed over. */
int kfk_produce_batch_pick(const kfk_produce_batch *b, const int32_t *numbers, size_t count, kfk_produce_batch **out,
                           size_t most, kfk_error *err);
/* The broker knows no headers: the same with the records that have some. */
int kfk_produce_batch_part_headers(const kfk_produce_batch *b, kfk_produce_batch **out, size_t most, kfk_error *err);

#endif
