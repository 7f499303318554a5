/* record.c: the header of a batch, and writing one.
 *
 * A batch is written in two halves that meet only when it is sent. The body grows record by record in memory of the
 * caller's and is final once sealed, while producer id, epoch and sequence are known late and change with an epoch
 * bump. So the header is never stored: it is built beside the body, as often as needed, and its CRC is combined from
 * the CRC of its own 40 covered bytes and the one of the body. Whether a batch of a megabyte is sent once or five
 * times, it is read once.
 *
 * A record carries its own length in front, a varint, so its size has to be known before its first byte. `measure`
 * adds it up once, the same number decides whether the record fits, and then every field is written straight down: no
 * second look at the window's end, no back-patching. Varints of one and two bytes, which is nearly all, are written
 * without a loop.
 *
 * A record that does not fit changes nothing: the caller hands in its next window and appends again. */
#include "wire/record.h"
#include "base/crc32c.h"
#include "wire/prim.h"
#include <inttypes.h>
#include <string.h>

#define LIKELY(x)     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Where the fields of a header are. */
enum {
    AT_BASE_OFFSET = 0,
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_LAST_OFFSET_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_RECORD_COUNT = 57
};
enum {
    MAGIC = 2,
    LENGTH_MIN = KFK_RECORD_HEADER - KFK_RECORD_LENGTH_FROM, /* a batch without records */
    OLD_LENGTH_MIN = 14, /* magic 0 without key and value: CRC, magic, attributes and two lengths */
    RECORD_MIN = 7       /* length, attributes, two deltas, two lengths, header count */
};

/* ---- reading and building a header ------------------------------------------------------------------------------- */

/* The fields behind the CRC, and whether they can be true of a batch of this length. */
static int parse_covered(const uint8_t *p, kfk_batch_header *h, kfk_error *err)
{
    h->crc = kfk_prim_get_be32(p + AT_CRC);
    h->attributes = kfk_prim_get_be16(p + AT_ATTRIBUTES);
    h->last_offset_delta = (int32_t)kfk_prim_get_be32(p + AT_LAST_OFFSET_DELTA);
    h->base_timestamp = (int64_t)kfk_prim_get_be64(p + AT_BASE_TIMESTAMP);
    h->max_timestamp = (int64_t)kfk_prim_get_be64(p + AT_MAX_TIMESTAMP);
    h->producer_id = (int64_t)kfk_prim_get_be64(p + AT_PRODUCER_ID);
    h->producer_epoch = (int16_t)kfk_prim_get_be16(p + AT_PRODUCER_EPOCH);
    h->base_sequence = (int32_t)kfk_prim_get_be32(p + AT_BASE_SEQUENCE);
    h->record_count = (int32_t)kfk_prim_get_be32(p + AT_RECORD_COUNT);

    if (h->base_offset < 0)
        return kfk_error_set(err, KAFKA_ECORRUPT, "record batch at offset %" PRId64, h->base_offset);
    if (h->last_offset_delta < 0 || h->base_offset > INT64_MAX - 1 - h->last_offset_delta)
        return kfk_error_set(err, KAFKA_ECORRUPT,
                             "record batch at offset %" PRId64 ": impossible last offset delta %" PRId32,
                             h->base_offset, h->last_offset_delta);
    if (h->record_count < 0 || h->record_count - 1 > h->last_offset_delta)
        return kfk_error_set(err, KAFKA_ECORRUPT,
                             "record batch at offset %" PRId64 ": impossible count of %" PRId32 " records in %" PRId64
                             " offsets",
                             h->base_offset, h->record_count, (int64_t)h->last_offset_delta + 1);
    if (kfk_batch_codec(h) == 0 && (size_t)h->record_count > kfk_batch_body_size(h) / RECORD_MIN)
        return kfk_error_set(err, KAFKA_ECORRUPT,
                             "record batch at offset %" PRId64 ": %" PRId32 " records cannot be in %zu bytes",
                             h->base_offset, h->record_count, kfk_batch_body_size(h));
    return 0;
}

int kfk_record_header_parse(const void *bytes, size_t len, kfk_batch_header *h, kfk_error *err)
{
    const uint8_t *p = bytes;

    memset(h, 0, sizeof *h);
    h->batch_length = -1;
    if (len < KFK_RECORD_LENGTH_FROM)
        return kfk_error_set(err, KAFKA_EUNEXPECTED_EOF, "record batch: %zu bytes do not hold its length", len);
    h->base_offset = (int64_t)kfk_prim_get_be64(p + AT_BASE_OFFSET);
    h->batch_length = (int32_t)kfk_prim_get_be32(p + AT_LENGTH);
    if (h->batch_length < OLD_LENGTH_MIN || h->batch_length > INT32_MAX - KFK_RECORD_LENGTH_FROM)
        return kfk_error_set(err, KAFKA_ECORRUPT, "record batch at offset %" PRId64 ": impossible length %" PRId32,
                             h->base_offset, h->batch_length);

    /* The magic is looked at as soon as it is there: garbage should not make anybody wait for the rest of it. */
    if (len > AT_MAGIC) {
        h->magic = (int8_t)p[AT_MAGIC];
        if (h->magic < 0 || h->magic > MAGIC)
            return kfk_error_set(err, KAFKA_ECORRUPT, "record batch at offset %" PRId64 ": unknown magic %d",
                                 h->base_offset, h->magic);
        if (h->magic == MAGIC && h->batch_length < LENGTH_MIN)
            return kfk_error_set(err, KAFKA_ECORRUPT,
                                 "record batch at offset %" PRId64 ": length %" PRId32 " is less than its header",
                                 h->base_offset, h->batch_length);
    }
    if (len < kfk_batch_size(h))
        return kfk_error_set(err, KAFKA_EUNEXPECTED_EOF,
                             "record batch at offset %" PRId64 ": %zu bytes of %zu are there", h->base_offset, len,
                             kfk_batch_size(h));
    if (h->magic < MAGIC)
        return kfk_error_set(err, KAFKA_EVERSION, "message at offset %" PRId64 ": has the old format of magic %d",
                             h->base_offset, h->magic);
    h->leader_epoch = (int32_t)kfk_prim_get_be32(p + AT_LEADER_EPOCH);
    return parse_covered(p, h, err);
}

int kfk_record_crc_check(const kfk_batch_header *h, const void *p, kfk_error *err)
{
    const uint8_t *from = (const uint8_t *)p + KFK_RECORD_CRC_FROM;
    uint32_t crc = kfk_crc32c(0, from, kfk_batch_size(h) - KFK_RECORD_CRC_FROM);
    if (LIKELY(crc == h->crc)) return 0;
    return kfk_error_set(err, KAFKA_ECORRUPT,
                         "record batch at offset %" PRId64 ": its CRC is %08" PRIx32 " but its bytes have %08" PRIx32,
                         h->base_offset, h->crc, crc);
}

void kfk_record_header_build(uint8_t out[KFK_RECORD_HEADER], const kfk_batch_header *h, size_t body_len,
                             uint32_t body_crc)
{
    kfk_prim_put_be64(out + AT_BASE_OFFSET, (uint64_t)h->base_offset);
    kfk_prim_put_be32(out + AT_LENGTH, (uint32_t)(LENGTH_MIN + body_len));
    kfk_prim_put_be32(out + AT_LEADER_EPOCH, (uint32_t)h->leader_epoch);
    out[AT_MAGIC] = MAGIC;
    kfk_prim_put_be16(out + AT_ATTRIBUTES, h->attributes);
    kfk_prim_put_be32(out + AT_LAST_OFFSET_DELTA, (uint32_t)h->last_offset_delta);
    kfk_prim_put_be64(out + AT_BASE_TIMESTAMP, (uint64_t)h->base_timestamp);
    kfk_prim_put_be64(out + AT_MAX_TIMESTAMP, (uint64_t)h->max_timestamp);
    kfk_prim_put_be64(out + AT_PRODUCER_ID, (uint64_t)h->producer_id);
    kfk_prim_put_be16(out + AT_PRODUCER_EPOCH, (uint16_t)h->producer_epoch);
    kfk_prim_put_be32(out + AT_BASE_SEQUENCE, (uint32_t)h->base_sequence);
    kfk_prim_put_be32(out + AT_RECORD_COUNT, (uint32_t)h->record_count);

    uint32_t covered = kfk_crc32c(0, out + KFK_RECORD_CRC_FROM, KFK_RECORD_HEADER - KFK_RECORD_CRC_FROM);
    kfk_prim_put_be32(out + AT_CRC, kfk_crc32c_combine(covered, body_crc, body_len));
}

/* ---- writing records --------------------------------------------------------------------------------------------- */

void kfk_record_writer_init(kfk_record_writer *w, void *window, size_t cap)
{
    *w = (kfk_record_writer){.base_timestamp = -1, .max_timestamp = -1, .last_timestamp = -1};
    kfk_record_writer_window(w, window, cap);
}

void kfk_record_writer_window(kfk_record_writer *w, void *window, size_t cap)
{
    w->at = window;
    w->end = cap > 0 ? w->at + cap : w->at;
}

void kfk_record_writer_header(const kfk_record_writer *w, kfk_batch_header *out)
{
    *out = (kfk_batch_header){
        .batch_length = (int32_t)(LENGTH_MIN + w->bytes),
        .leader_epoch = -1,
        .magic = MAGIC,
        .last_offset_delta = w->count > 0 ? w->count - 1 : 0,
        .base_timestamp = w->base_timestamp,
        .max_timestamp = w->max_timestamp,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
        .record_count = w->count,
    };
}

/* Timestamps are 64 bits that an application chose: the difference wraps, as it does in the reader that adds it. */
static inline int64_t timestamp_delta(const kfk_record_writer *w, int64_t timestamp)
{
    return w->count > 0 ? (int64_t)((uint64_t)timestamp - (uint64_t)w->base_timestamp) : 0;
}

/* Size of nullable bytes with their length; len <= INT32_MAX. */
static inline size_t bytes_size(kafka_bytes b)
{
    return b.data ? kfk_prim_uvarint64_size((uint64_t)b.len << 1) + b.len : 1;
}

/* Adds the headers to `*length`. */
static int measure_headers(const kafka_header *headers, size_t count, uint64_t *length)
{
    if (count > INT32_MAX) return KAFKA_ETOOBIG;
    for (size_t i = 0; i < count; i++) {
        if (headers[i].key == NULL) return KAFKA_EINVAL;
        kafka_bytes key = {headers[i].key, strlen(headers[i].key)};
        if (key.len > INT32_MAX || headers[i].value.len > INT32_MAX) return KAFKA_ETOOBIG;
        *length += bytes_size(key) + bytes_size(headers[i].value);
        if (*length > INT32_MAX) return KAFKA_ETOOBIG;
    }
    return 0;
}

/* What the record's length field will say: all of it but that field. */
ALWAYS_INLINE int measure(int64_t time_delta, int32_t offset_delta, kafka_bytes key, kafka_bytes value,
                          const kafka_header *headers, size_t header_count, size_t *length)
{
    if (UNLIKELY(key.len > INT32_MAX || value.len > INT32_MAX)) return KAFKA_ETOOBIG;
    uint64_t sum = 1 + kfk_prim_varlong_size(time_delta) + kfk_prim_uvarint64_size((uint64_t)offset_delta << 1) +
                   bytes_size(key) + bytes_size(value) + 1;
    if (header_count > 0) {
        int rc = measure_headers(headers, header_count, &sum);
        if (rc != 0) return rc;
        sum += kfk_prim_uvarint64_size((uint64_t)header_count << 1) - 1;
    }
    if (UNLIKELY(sum > INT32_MAX)) return KAFKA_ETOOBIG;
    *length = (size_t)sum;
    return 0;
}

static inline uint8_t *put(uint8_t *p, uint64_t v)
{
    if (LIKELY(v < 0x80)) {
        *p = (uint8_t)v;
        return p + 1;
    }
    if (LIKELY(v < 0x4000)) {
        p[0] = (uint8_t)(v | 0x80);
        p[1] = (uint8_t)(v >> 7);
        return p + 2;
    }
    return p + kfk_prim_put_uvarint64(p, v);
}

/* A length or count that is not negative, in zigzag. */
static inline uint8_t *put_size(uint8_t *p, size_t n)
{
    return put(p, (uint64_t)n << 1);
}

static inline uint8_t *put_bytes(uint8_t *p, kafka_bytes b)
{
    if (b.data == NULL) {
        *p = 1; /* -1 */
        return p + 1;
    }
    p = put_size(p, b.len);
    memcpy(p, b.data, b.len);
    return p + b.len;
}

static void put_headers(uint8_t *p, const kafka_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        p = put_bytes(p, (kafka_bytes){headers[i].key, strlen(headers[i].key)});
        p = put_bytes(p, headers[i].value);
    }
}

size_t kfk_record_size(const kfk_record_writer *w, int64_t timestamp, kafka_bytes key, kafka_bytes value,
                       const kafka_header *headers, size_t header_count)
{
    size_t length;
    int64_t delta = w ? timestamp_delta(w, timestamp) : 0;
    if (measure(delta, w ? w->count : 0, key, value, headers, header_count, &length) != 0) return SIZE_MAX;
    return kfk_prim_uvarint64_size((uint64_t)length << 1) + length;
}

ALWAYS_INLINE int append(kfk_record_writer *w, int64_t timestamp, kafka_bytes key, kafka_bytes value,
                         const kafka_header *headers, size_t header_count)
{
    int64_t delta = timestamp_delta(w, timestamp);
    size_t length;
    int rc = measure(delta, w->count, key, value, headers, header_count, &length);
    if (UNLIKELY(rc != 0)) return rc;

    size_t total = kfk_prim_uvarint64_size((uint64_t)length << 1) + length;
    if (UNLIKELY((ptrdiff_t)total > w->end - w->at)) return KAFKA_EAGAIN;
    if (UNLIKELY(total > (size_t)INT32_MAX - LENGTH_MIN - w->bytes || w->count == INT32_MAX)) return KAFKA_EAGAIN;

    uint8_t *p = put_size(w->at, length);
    *p++ = 0; /* attributes: no bit is in use */
    p = put(p, kfk_prim_zigzag64(delta));
    p = put_size(p, (size_t)w->count);
    w->at += total;
    w->bytes += total;
    if (w->count++ == 0) w->base_timestamp = w->max_timestamp = timestamp;
    kfk_record_writer_note_time(w, timestamp, kfk_prim_zigzag64(delta));
    p = put_bytes(p, key);
    p = put_bytes(p, value);
    p = put_size(p, header_count);
    if (header_count > 0) put_headers(p, headers, header_count);
    return 0;
}

static __attribute__((noinline)) int append_with_headers(kfk_record_writer *w, int64_t timestamp, kafka_bytes key,
                                                         kafka_bytes value, const kafka_header *headers,
                                                         size_t header_count)
{
    return append(w, timestamp, key, value, headers, header_count);
}

int kfk_record_append(kfk_record_writer *w, int64_t timestamp, kafka_bytes key, kafka_bytes value,
                      const kafka_header *headers, size_t header_count)
{
    /* Most records have none, and then much of the above is not even compiled. */
    if (LIKELY(header_count == 0)) return append(w, timestamp, key, value, NULL, 0);
    return append_with_headers(w, timestamp, key, value, headers, header_count);
}

void kfk_record_control_build(const kfk_control *c, uint8_t key[KFK_CONTROL_KEY], uint8_t value[KFK_CONTROL_VALUE])
{
    kfk_prim_put_be16(key, (uint16_t)c->version);
    kfk_prim_put_be16(key + 2, (uint16_t)c->type);
    kfk_prim_put_be16(value, 0);
    kfk_prim_put_be32(value + 2, (uint32_t)c->coordinator_epoch);
}
