/* record_v1: messages of formats 0 and 1, in which brokers before 0.11 store records and clients of their time send
 * them.
 *
 * A message is offset and size, a CRC-32 of all that follows it, magic, attributes, from format 1 on a timestamp
 * (KIP-32), key and value. A message set is messages one behind the other, without anything around them. A compressed
 * set is one message more, the wrapper, whose value is another set; its offset is that of the last message inside.
 * Inside, offsets are absolute in format 0 and count from the first message in format 1 (KIP-31). Adding
 * (wrapper's offset - last inner offset) makes either absolute in format 1, so sets that keep absolute ones there are
 * read as well. A wrapper with log-append time gives its time to all messages inside. Wrappers do not nest, and zstd
 * is too young for them.
 *
 * What record.h calls a batch is here a message that is in no other: one record, or the wrapper with all of its
 * records, of which all are in order or none comes out. The functions mirror those of record.h, share its types, and
 * like them neither block nor keep state; they allocate to inflate and to compress alone.
 *
 * Errors: damage is KAFKA_ECORRUPT, with offset and reason. */
#ifndef KFK_WIRE_RECORD_V1_H
#define KFK_WIRE_RECORD_V1_H
#include "wire/record.h"

enum {
    KFK_RECORD_V1_MAGIC_AT = 16,
    KFK_RECORD_V1_MOST = 34 /* bytes of a message beside its key and value */
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Is what begins at `p` a message of format 0 or 1? False also when its magic is not there yet. */
static inline bool kfk_record_v1_is(const void *p, size_t len)
{
    return len > KFK_RECORD_V1_MAGIC_AT && ((const uint8_t *)p)[KFK_RECORD_V1_MAGIC_AT] < 2;
}

/* Reads the beginning of the message at `bytes` into the header of a batch, of which it sets what a message has: its
 * offset, size, magic, CRC, codec, whose clock (KFK_BATCH_LOG_APPEND_TIME), and, as max_timestamp, its time, -1 in
 * format 0. `record_count` is 1: how many records a wrapper holds is known once it is open. 0; KAFKA_EUNEXPECTED_EOF
 * and KAFKA_ECORRUPT as kfk_record_header_parse; KAFKA_EVERSION for a record batch. */
int kfk_record_v1_parse(const void *bytes, size_t len, kfk_batch_header *h, kfk_error *err);
/* The CRC of the message at `p`, which was parsed: 0 or KAFKA_ECORRUPT. */
int kfk_record_v1_crc_check(const kfk_batch_header *h, const void *p, kfk_error *err);
/* All steps for the message at `bytes`, which was parsed: as kfk_record_open. */
int kfk_record_v1_open(const kfk_batch_header *h, const void *bytes, kfk_buf *scratch, kfk_record_iter *it,
                       kfk_error *err);
/* The next record of an opened message, as kfk_record_iter_next; its headers are none. */
bool kfk_record_v1_next(kfk_record_iter *it, kfk_record *out);

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* A set that is being written; offsets are 0, 1, 2 ... The fields are for reading. */
typedef struct kfk_record_v1_writer {
    uint8_t *set, *at, *end; /* the set begins, the next message starts, the memory ends */
    int64_t max_timestamp;   /* -1 without a message, and in format 0 */
    int32_t count;
    int8_t magic;
} kfk_record_v1_writer;

/* A set without messages, of magic 0 or 1, in memory of the caller's (cap may be 0). */
void kfk_record_v1_writer_init(kfk_record_v1_writer *w, int8_t magic, void *memory, size_t cap);
/* Bytes of the set so far. */
static inline size_t kfk_record_v1_writer_size(const kfk_record_v1_writer *w)
{
    return w->count > 0 ? (size_t)(w->at - w->set) : 0;
}

/* Appends a message; format 0 has no place for the timestamp. NULL data is null, and differs from empty.
 *
 *  KAFKA_EAGAIN  it does not fit into what is left of the memory or of the set's 2 GiB; nothing changed.
 *  KAFKA_ETOOBIG the format cannot hold it; nothing changed. */
int kfk_record_v1_append(kfk_record_v1_writer *w, int64_t timestamp, kafka_bytes key, kafka_bytes value);

/* Appends to `out` the wrapper that holds the set, compressed; the set has a message at least. KAFKA_ECODEC: also for
 * zstd. The rest as kfk_compress. */
int kfk_record_v1_wrap(const kfk_record_v1_writer *w, int codec, int level, kfk_buf *out, kfk_error *err);

#endif
