/* record: record batches of format 2, the bytes in which records travel and lie in a log (KIP-98, headers KIP-82).
 *
 * A batch is a header of 61 bytes and a body. The body is the records one behind the other, compressed as a whole when
 * the attributes name a codec (wire/compress.h). The CRC covers the last 40 bytes of the header and the body; base
 * offset, length, leader epoch and magic lie outside it, so that a broker may set them.
 *
 * Writing: a `kfk_record_writer` appends records to a body in memory of the caller's; `kfk_record_header_build` makes
 * the header beside it when the batch is sent. Reading: parse the header, check the CRC, inflate, validate the body as
 * a whole, then walk it in place; `kfk_record_open` does these in order. Nothing here allocates (but inflating does,
 * into the caller's buffer), blocks or keeps state of its own; a value belongs to one thread at a time.
 *
 * Varints may be padded, as Java's reader takes them too, but not longer than 5 bytes (10 for timestamps).
 *
 * Errors: damage is KAFKA_ECORRUPT, with the offset of batch and record and the reason. */
#ifndef KFK_WIRE_RECORD_H
#define KFK_WIRE_RECORD_H
#include "base/buf.h"
#include "base/error.h"
#include "kafka/types.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KFK_RECORD_HEADER = 61,     /* bytes of a batch header */
    KFK_RECORD_CRC_FROM = 21,   /* the CRC covers the header from here, */
    KFK_RECORD_LENGTH_FROM = 12 /* batch_length counts from here */
};

/* ---- the header of a batch --------------------------------------------------------------------------------------- */

/* The fields of a batch header, in the order of the wire. */
typedef struct kfk_batch_header {
    int64_t base_offset;
    int32_t batch_length; /* bytes behind this field: 49 + the body */
    int32_t leader_epoch; /* -1 = unknown */
    int8_t magic;
    uint32_t crc;
    uint16_t attributes;
    int32_t last_offset_delta; /* offsets of the batch - 1, also when records were compacted away */
    int64_t base_timestamp;    /* what the times of records count from; maybe the delete horizon */
    int64_t max_timestamp;     /* with log-append time: the time of every record */
    int64_t producer_id;       /* -1 = not idempotent */
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
} kfk_batch_header;

/* Bits of the attributes. */
enum {
    KFK_BATCH_CODEC = 0x07,
    KFK_BATCH_LOG_APPEND_TIME = 0x08,
    KFK_BATCH_TRANSACTIONAL = 0x10,
    KFK_BATCH_CONTROL = 0x20,
    KFK_BATCH_DELETE_HORIZON = 0x40 /* KIP-534 */
};

/* 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; 5 to 7 are unknown to Kafka. */
static inline int kfk_batch_codec(const kfk_batch_header *h)
{
    return h->attributes & KFK_BATCH_CODEC;
}

static inline bool kfk_batch_is_append_time(const kfk_batch_header *h)
{
    return (h->attributes & KFK_BATCH_LOG_APPEND_TIME) != 0;
}

static inline bool kfk_batch_is_transactional(const kfk_batch_header *h)
{
    return (h->attributes & KFK_BATCH_TRANSACTIONAL) != 0;
}

/* A control batch holds markers (kfk_record_control) and nothing for the application. */
static inline bool kfk_batch_is_control(const kfk_batch_header *h)
{
    return (h->attributes & KFK_BATCH_CONTROL) != 0;
}

/* The wall time in ms after which the cleaner may drop the batch's tombstones, or -1. */
static inline int64_t kfk_batch_delete_horizon(const kfk_batch_header *h)
{
    return (h->attributes & KFK_BATCH_DELETE_HORIZON) != 0 ? h->base_timestamp : -1;
}

/* Bytes of the whole batch, header included, of any magic. */
static inline size_t kfk_batch_size(const kfk_batch_header *h)
{
    return (size_t)KFK_RECORD_LENGTH_FROM + (size_t)h->batch_length;
}

/* Bytes of the body as it lies in the batch. */
static inline size_t kfk_batch_body_size(const kfk_batch_header *h)
{
    return kfk_batch_size(h) - (size_t)KFK_RECORD_HEADER;
}

/* The offset behind the batch (B26: never taken from the last record). */
static inline int64_t kfk_batch_next_offset(const kfk_batch_header *h)
{
    return h->base_offset + h->last_offset_delta + 1;
}

/* Reads the header of the batch that starts at `bytes`, of which `len` bytes are there.
 *
 *  0                      magic 2, every length and count plausible, and all of the batch's bytes are there.
 *  KAFKA_EUNEXPECTED_EOF  the batch goes on behind `len`: Fetch answers may end so. `batch_length` is set, or is -1
 *                         when not even that field is there. A caller that got nothing whole decides whether that is
 *                         damage.
 *  KAFKA_EVERSION         a message of magic 0 or 1: base_offset, batch_length and magic are set, nothing else; the
 *                         bytes are there. It belongs to a message set, which is another format.
 *  KAFKA_ECORRUPT         lengths or counts that cannot be, magic above 2.
 *
 * The CRC is not looked at. `err` may be NULL. */
int kfk_record_header_parse(const void *bytes, size_t len, kfk_batch_header *h, kfk_error *err);

/* The CRC of a whole batch at `p`, whose header was parsed: 0 or KAFKA_ECORRUPT. */
int kfk_record_crc_check(const kfk_batch_header *h, const void *p, kfk_error *err);

/* Writes the 61 bytes. batch_length, magic and crc come from here, `body_len` (at most INT32_MAX - 49) and `body_crc`,
 * the CRC32C of the body alone; the other fields from `h`. Costs a CRC of 40 bytes and one combination. */
void kfk_record_header_build(uint8_t out[KFK_RECORD_HEADER], const kfk_batch_header *h, size_t body_len,
                             uint32_t body_crc);

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* An open batch. Offset deltas are 0, 1, 2 ...; the first record's timestamp is the base. The fields are for
 * reading. */
typedef struct kfk_record_writer {
    uint8_t *at, *end; /* the window: where the next record starts, and the window's end, maybe before that */
    size_t bytes;      /* size of the body so far, over all windows */
    int64_t base_timestamp, max_timestamp; /* -1 without a record */
    int64_t last_timestamp;                /* of the newest record, */
    uint32_t last_delta;                   /* its difference to the first one's in zigzag; UINT32_MAX = that or more */
    int32_t count;
} kfk_record_writer;

/* For what writes records: the newest one's time and delta. */
static inline void kfk_record_writer_note_time(kfk_record_writer *w, int64_t timestamp, uint64_t delta)
{
    if (timestamp > w->max_timestamp) w->max_timestamp = timestamp;
    w->last_timestamp = timestamp;
    w->last_delta = delta < UINT32_MAX ? (uint32_t)delta : UINT32_MAX;
}

/* A batch without records, and its first window (cap may be 0). */
void kfk_record_writer_init(kfk_record_writer *w, void *window, size_t cap);
/* The next records go to another window. A record never spans two: what is left of the old window (end - at) stays
 * unused. */
void kfk_record_writer_window(kfk_record_writer *w, void *window, size_t cap);

/* The exact size that this record would take as the next one of `w`, or, with NULL, as the first one of a batch.
 * SIZE_MAX: it cannot be encoded (a part beyond INT32_MAX bytes, a header without a key). */
size_t kfk_record_size(const kfk_record_writer *w, int64_t timestamp, kafka_bytes key, kafka_bytes value,
                       const kafka_header *headers, size_t header_count);

/* Appends a record. NULL data is null, and differs from empty, in key, value and header values.
 *
 *  KAFKA_EAGAIN  it does not fit into what is left of the window, or the batch holds 2^31-1 records; nothing changed.
 *  KAFKA_ETOOBIG the format cannot hold it (a part, or the record, beyond INT32_MAX bytes); nothing changed.
 *  KAFKA_EINVAL  a header key is NULL; nothing changed. */
int kfk_record_append(kfk_record_writer *w, int64_t timestamp, kafka_bytes key, kafka_bytes value,
                      const kafka_header *headers, size_t header_count);

/* The header of what was written so far, to be completed (attributes, producer) and built: base offset 0, leader epoch,
 * producer id, epoch and sequence -1. */
void kfk_record_writer_header(const kfk_record_writer *w, kfk_batch_header *out);

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* One record; all pointers point into the body. */
typedef struct kfk_record {
    int64_t offset, timestamp;
    kafka_bytes key, value;
    const uint8_t *headers; /* the encoded headers: */
    size_t headers_len;
    size_t header_count;
    size_t size; /* bytes it takes in the body */
} kfk_record;

typedef struct kfk_record_iter {
    const uint8_t *at, *end;
    int64_t base_offset, base_timestamp, append_time; /* append_time: of every record, if has_append_time */
    int32_t left;                                     /* records that are still to come */
    bool has_append_time;
} kfk_record_iter;

/* Checks every record of an uncompressed (or inflated) body: each length, offset delta (strictly increasing, within the
 * batch; gaps are compaction's), header and the count. 0 means that kfk_record_iter_next will yield exactly
 * h->record_count records. KAFKA_ECORRUPT otherwise: hand out none of them. */
int kfk_record_validate(const kfk_batch_header *h, const void *body, size_t len, kfk_error *err);

/* Starts before the first record of a validated body. */
void kfk_record_iter_init(kfk_record_iter *it, const kfk_batch_header *h, const void *body, size_t len);
/* The next record; false behind the last. What it says is what was validated; on a body that was not, it may be
 * nonsense or end early (`left` > 0), but nothing outside the body is read. */
bool kfk_record_iter_next(kfk_record_iter *it, kfk_record *out);

/* All steps for the batch at `p`, whose header was parsed: CRC, inflating into `scratch` (if compressed; its limit
 * bounds the body, its old content goes), validation. The iterator then points into `p` or into `scratch`, which must
 * outlive it. A batch without records is not inflated. KAFKA_ECORRUPT, KAFKA_ECODEC, KAFKA_ETOOBIG (beyond the limit),
 * KAFKA_ENOMEM. */
int kfk_record_open(const kfk_batch_header *h, const void *p, kfk_buf *scratch, kfk_record_iter *it, kfk_error *err);

/* Bytes that kfk_record_headers needs for the keys of a record. */
size_t kfk_record_header_keys_size(const kfk_record *r);
/* Decodes the headers of a record: `out` has room for r->header_count of them, `keys` for
 * kfk_record_header_keys_size(r) bytes. Keys are copied there, as on the wire they have no NUL behind them; values
 * stay in the body. A key that holds a NUL is copied whole, and reads as cut there. 0, or KAFKA_ECORRUPT (not after
 * validation). */
int kfk_record_headers(const kfk_record *r, kafka_header *out, char *keys);

/* ---- control records --------------------------------------------------------------------------------------------- */

/* Types of control records; Kafka has more (leader change, snapshots ...), none of them in topics of users. */
enum { KFK_CONTROL_ABORT = 0, KFK_CONTROL_COMMIT = 1 };

typedef struct kfk_control {
    int16_t version; /* of the key */
    int16_t type;
    int32_t coordinator_epoch; /* of abort and commit; -1 where the value is too short for it */
} kfk_control;

enum { KFK_CONTROL_KEY = 4, KFK_CONTROL_VALUE = 6 };

/* What the record of a control batch says. A version above the known one is read as the known one, as Java does.
 * KAFKA_ECORRUPT: no key, one shorter than 4 bytes, or a negative version. */
int kfk_record_control(const kfk_record *r, kfk_control *out, kfk_error *err);
/* Key and value of an end-of-transaction marker. */
void kfk_record_control_build(const kfk_control *c, uint8_t key[KFK_CONTROL_KEY], uint8_t value[KFK_CONTROL_VALUE]);

#endif
