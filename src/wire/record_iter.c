/* record_iter.c: reading the records of a batch.
 *
 * No record comes out of a batch one of whose records is damaged, so a body is gone over twice: `validate` looks at
 * every length of every record, and only then the iterator hands them out, one per call, in place. Both use the same
 * `parse`; the compiler drops from each what it does not look at, and the second pass finds the few bytes of each
 * record that matter in the cache. Headers are walked when validating and when somebody asks for them, otherwise
 * skipped as a whole.
 *
 * The iterator checks bounds again although a validated body does not need it. It costs next to nothing, and so no
 * mistake in the order of calls can make it read outside the body.
 *
 * Timestamps count from the base timestamp of the header. The cleaner puts a batch's delete horizon there (KIP-534)
 * and rewrites the deltas to count from it, so that adding remains right; only with log-append time all deltas are
 * moot. The sum wraps, as the difference did when it was written. */
#include "wire/compress.h"
#include "wire/prim.h"
#include "wire/record.h"
#include <inttypes.h>
#include <string.h>

#define LIKELY(x)     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* A record as it is encoded; its headers go up to `end`. */
typedef struct raw {
    const uint8_t *end, *headers;
    int64_t timestamp_delta;
    int32_t offset_delta;
    int32_t header_count;
    kafka_bytes key, value;
} raw;

/* ---- one record, whatever it looks like -------------------------------------------------------------------------- */

/* Bytes with their length; -1 is null if `nullable`. NULL: what is there is neither. */
static const uint8_t *get_bytes(const uint8_t *p, const uint8_t *end, bool nullable, kafka_bytes *b)
{
    int32_t len;
    p = kfk_prim_get_varint(p, end, &len);
    if (p == NULL) return NULL;
    if (len < 0) {
        *b = (kafka_bytes){NULL, 0};
        return nullable && len == -1 ? p : NULL;
    }
    if (len > end - p) return NULL;
    *b = (kafka_bytes){p, (size_t)len};
    return p + len;
}

/* Takes the record at `p` apart, but for its headers. NULL, or what is wrong with it. */
static __attribute__((noinline)) const char *parse_any(const uint8_t *p, const uint8_t *end, raw *r)
{
    int32_t length;
    if ((p = kfk_prim_get_varint(p, end, &length)) == NULL) return "its length is no varint";
    if (length < 0) return "its length is negative";
    if (length > end - p) return "it is longer than what is left of the batch";
    if (length < 1) return "it is empty";
    r->end = end = p + length;
    p++; /* attributes: no bit is in use */
    if ((p = kfk_prim_get_varlong(p, end, &r->timestamp_delta)) == NULL) return "its timestamp is no varint";
    if ((p = kfk_prim_get_varint(p, end, &r->offset_delta)) == NULL) return "its offset is no varint";
    if ((p = get_bytes(p, end, true, &r->key)) == NULL) return "its key has an impossible length";
    if ((p = get_bytes(p, end, true, &r->value)) == NULL) return "its value has an impossible length";
    if ((p = kfk_prim_get_varint(p, end, &r->header_count)) == NULL) return "its header count is no varint";
    r->headers = p;
    /* A header takes two bytes at least. */
    if (r->header_count < 0 || r->header_count > (end - p) / 2) return "its header count is impossible";
    return NULL;
}

/* ---- one record of the usual kind -------------------------------------------------------------------------------- */

enum { HEAD_MAX = 13 }; /* four varints of three bytes and the attributes */

/* A varint of up to three bytes, unsigned; the caller knows that three bytes are there. NULL if it is longer. */
ALWAYS_INLINE const uint8_t *get_short(const uint8_t *p, uint32_t *v)
{
    uint32_t value = p[0];
    if (LIKELY(value < 0x80)) {
        *v = value;
        return p + 1;
    }
    value = (value & 0x7f) | (uint32_t)p[1] << 7;
    if (LIKELY(p[1] < 0x80)) {
        *v = value;
        return p + 2;
    }
    *v = (value & 0x3fff) | (uint32_t)p[2] << 14;
    return p[2] < 0x80 ? p + 3 : NULL;
}

/* Nullable bytes with a length of that kind. On return four bytes are there behind them; NULL if not. */
ALWAYS_INLINE const uint8_t *get_short_bytes(const uint8_t *p, const uint8_t *end, kafka_bytes *b)
{
    uint32_t v;
    p = get_short(p, &v);
    if (UNLIKELY(p == NULL)) return NULL;
    if (v == 1) { /* -1 */
        *b = (kafka_bytes){NULL, 0};
        v = 0;
    } else {
        *b = (kafka_bytes){p, v >> 1};
    }
    if (UNLIKELY((v & 1) != 0 || (ptrdiff_t)(v >> 1) > end - p - 4)) return NULL;
    return p + (v >> 1);
}

/* The same as parse_any for a record whose varints are short and that is not the last one of the body. Varints are read
 * without regard to the record's end, which is compared once at the end of all. false: let parse_any have a look. */
ALWAYS_INLINE bool parse_usual(const uint8_t *p, const uint8_t *end, raw *r)
{
    uint32_t length, time, offset;
    if (UNLIKELY(end - p < HEAD_MAX)) return false;
    if (UNLIKELY((p = get_short(p, &length)) == NULL)) return false;
    if (UNLIKELY((length & 1) != 0 || (ptrdiff_t)(length >> 1) > end - p)) return false;
    r->end = p + (length >> 1);
    if (UNLIKELY((p = get_short(p + 1, &time)) == NULL)) return false;
    if (UNLIKELY((p = get_short(p, &offset)) == NULL)) return false;
    if (UNLIKELY((p = get_short_bytes(p, end, &r->key)) == NULL)) return false;
    if (UNLIKELY((p = get_short_bytes(p, end, &r->value)) == NULL)) return false;
    r->timestamp_delta = kfk_prim_unzigzag32(time);
    r->offset_delta = kfk_prim_unzigzag32(offset);
    r->header_count = *p >> 1;
    r->headers = p + 1;
    return *p < 0x80 && (*p & 1) == 0 && *p <= r->end - r->headers; /* two bytes each at least */
}

/* Takes the record at `p` apart: NULL, or what is wrong with it. Only the rare case has its result in memory. */
ALWAYS_INLINE const char *parse(const uint8_t *p, const uint8_t *end, raw *r)
{
    if (LIKELY(parse_usual(p, end, r))) return NULL;
    raw any = {0};
    const char *why = parse_any(p, end, &any);
    *r = any;
    return why;
}

/* Walks the headers in [p, end). NULL, or what is wrong with them. */
static const char *check_headers(const uint8_t *p, const uint8_t *end, int32_t count)
{
    kafka_bytes bytes;
    for (int32_t i = 0; i < count; i++) {
        p = get_bytes(p, end, false, &bytes);
        if (p == NULL) return "the key of a header has an impossible length";
        p = get_bytes(p, end, true, &bytes);
        if (p == NULL) return "the value of a header has an impossible length";
    }
    return p == end ? NULL : "bytes are left over behind it";
}

/* The sentence about record `index`, whose offset delta is -1 where it is not known. */
static int damaged(const kfk_batch_header *h, int32_t index, int64_t offset_delta, const char *why, kfk_error *err)
{
    if (offset_delta < 0)
        return kfk_error_set(err, KAFKA_ECORRUPT,
                             "record batch at offset %" PRId64 ": record %" PRId32 " of %" PRId32 ": %s",
                             h->base_offset, index + 1, h->record_count, why);
    return kfk_error_set(err, KAFKA_ECORRUPT,
                         "record batch at offset %" PRId64 ": record %" PRId32 " of %" PRId32 " at offset %" PRId64
                         ": %s",
                         h->base_offset, index + 1, h->record_count, h->base_offset + offset_delta, why);
}

int kfk_record_validate(const kfk_batch_header *h, const void *body, size_t len, kfk_error *err)
{
    const uint8_t *p = body, *end = len > 0 ? p + len : p;
    int64_t last = -1; /* offset delta of the record before */

    for (int32_t i = 0; i < h->record_count; i++) {
        raw r;
        const char *why = parse(p, end, &r);
        if (UNLIKELY(why != NULL)) return damaged(h, i, -1, why, err);
        if (UNLIKELY(r.offset_delta <= last)) return damaged(h, i, -1, "its offset does not increase", err);
        if (UNLIKELY(r.offset_delta > h->last_offset_delta))
            return damaged(h, i, -1, "its offset is not in the batch", err);
        if (r.headers != r.end || r.header_count > 0) {
            why = check_headers(r.headers, r.end, r.header_count);
            if (why != NULL) return damaged(h, i, r.offset_delta, why, err);
        }
        last = r.offset_delta;
        p = r.end;
    }
    if (p != end)
        return kfk_error_set(err, KAFKA_ECORRUPT,
                             "record batch at offset %" PRId64 ": %zu bytes are left over behind its %" PRId32
                             " records",
                             h->base_offset, (size_t)(end - p), h->record_count);
    return 0;
}

void kfk_record_iter_init(kfk_record_iter *it, const kfk_batch_header *h, const void *body, size_t len)
{
    it->at = body;
    it->end = len > 0 ? it->at + len : it->at;
    it->base_offset = h->base_offset;
    it->base_timestamp = h->base_timestamp;
    it->append_time = h->max_timestamp;
    it->left = h->record_count;
    it->has_append_time = kfk_batch_is_append_time(h);
}

static inline int64_t time_of(const kfk_record_iter *it, int64_t delta)
{
    return it->has_append_time ? it->append_time : (int64_t)((uint64_t)it->base_timestamp + (uint64_t)delta);
}

/* The next record, whatever it looks like. */
static __attribute__((noinline)) bool next_any(kfk_record_iter *it, kfk_record *out)
{
    raw r;
    if (parse_any(it->at, it->end, &r) != NULL) return false;
    *out = (kfk_record){.offset = (int64_t)((uint64_t)it->base_offset + (uint64_t)r.offset_delta),
                        .timestamp = time_of(it, r.timestamp_delta),
                        .key = r.key,
                        .value = r.value,
                        .headers = r.headers,
                        .headers_len = (size_t)(r.end - r.headers),
                        .header_count = (size_t)r.header_count,
                        .size = (size_t)(r.end - it->at)};
    it->at = r.end;
    it->left--;
    return true;
}

/* The next one, if it is of the usual kind. What it means was checked when it was validated; here it is only made sure
 * that nothing outside of the body is read, and each field is stored as soon as it is known. */
bool kfk_record_iter_next(kfk_record_iter *it, kfk_record *out)
{
    const uint8_t *start = it->at, *end = it->end, *p;
    uint32_t length, time, offset;

    if (UNLIKELY(it->left <= 0)) return false;
    if (UNLIKELY(end - start < HEAD_MAX)) return next_any(it, out);
    if (UNLIKELY((p = get_short(start, &length)) == NULL)) return next_any(it, out);
    if (UNLIKELY((ptrdiff_t)(length >> 1) > end - p)) return next_any(it, out);
    const uint8_t *record_end = p + (length >> 1);
    if (UNLIKELY((p = get_short(p + 1, &time)) == NULL)) return next_any(it, out);
    if (UNLIKELY((p = get_short(p, &offset)) == NULL)) return next_any(it, out);
    if (UNLIKELY((p = get_short_bytes(p, end, &out->key)) == NULL)) return next_any(it, out);
    if (UNLIKELY((p = get_short_bytes(p, end, &out->value)) == NULL)) return next_any(it, out);
    if (UNLIKELY(*p >= 0x80 || p >= record_end)) return next_any(it, out);
    out->header_count = *p++ >> 1;
    out->headers = p;
    out->headers_len = (size_t)(record_end - p);
    out->size = (size_t)(record_end - start);
    out->offset = (int64_t)((uint64_t)it->base_offset + (offset >> 1));
    out->timestamp = time_of(it, kfk_prim_unzigzag32(time));
    it->at = record_end;
    it->left--;
    return true;
}

int kfk_record_open(const kfk_batch_header *h, const void *p, kfk_buf *scratch, kfk_record_iter *it, kfk_error *err)
{
    const void *body = (const uint8_t *)p + KFK_RECORD_HEADER;
    size_t len = kfk_batch_body_size(h);
    int rc = kfk_record_crc_check(h, p, err);

    if (rc != 0) return rc;
    if (kfk_batch_codec(h) != 0) {
        kfk_buf_clear(scratch);
        rc = h->record_count > 0 ? kfk_decompress(kfk_batch_codec(h), body, len, scratch, err) : 0;
        if (rc != 0) {
            if (err != NULL) kfk_error_prefix(err, "record batch at offset %" PRId64 ": ", h->base_offset);
            return rc;
        }
        body = scratch->data;
        len = scratch->len;
    }
    rc = kfk_record_validate(h, body, len, err);
    if (rc == 0) kfk_record_iter_init(it, h, body, len);
    return rc;
}

size_t kfk_record_header_keys_size(const kfk_record *r)
{
    const uint8_t *p = r->headers, *end = p + r->headers_len;
    kafka_bytes key, value;
    size_t size = 0;

    for (size_t i = 0; i < r->header_count; i++) {
        p = get_bytes(p, end, false, &key);
        if (p != NULL) p = get_bytes(p, end, true, &value);
        if (p == NULL) break; /* kfk_record_headers says so */
        size += key.len + 1;
    }
    return size;
}

int kfk_record_headers(const kfk_record *r, kafka_header *out, char *keys)
{
    const uint8_t *p = r->headers, *end = p + r->headers_len;
    kafka_bytes key;

    for (size_t i = 0; i < r->header_count; i++) {
        p = get_bytes(p, end, false, &key);
        if (p != NULL) p = get_bytes(p, end, true, &out[i].value);
        if (p == NULL) return KAFKA_ECORRUPT;
        memcpy(keys, key.data, key.len);
        keys[key.len] = '\0';
        out[i].key = keys;
        keys += key.len + 1;
    }
    return 0;
}

int kfk_record_control(const kfk_record *r, kfk_control *out, kfk_error *err)
{
    const uint8_t *key = r->key.data, *value = r->value.data;

    if (key == NULL || r->key.len < KFK_CONTROL_KEY)
        return kfk_error_set(err, KAFKA_ECORRUPT, "control record at offset %" PRId64 ": its key has %zu bytes",
                             r->offset, r->key.len);
    out->version = (int16_t)kfk_prim_get_be16(key);
    out->type = (int16_t)kfk_prim_get_be16(key + 2);
    if (out->version < 0)
        return kfk_error_set(err, KAFKA_ECORRUPT, "control record at offset %" PRId64 ": its key has version %d",
                             r->offset, out->version);
    out->coordinator_epoch = -1;
    if ((out->type == KFK_CONTROL_ABORT || out->type == KFK_CONTROL_COMMIT) && r->value.len >= KFK_CONTROL_VALUE)
        out->coordinator_epoch = (int32_t)kfk_prim_get_be32(value + 2);
    return 0;
}
