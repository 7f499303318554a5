/* record_iter.c: reading the records of a batch.
 *
 * No record comes out of a batch one of whose records is damaged, so a body is gone over twice: `validate` looks at
 * every length of every record, and only then the iterator hands them out, one per call, in place. The second pass
 * finds the few bytes of each record that matter in the cache. Headers are walked when validating and when somebody
 * asks for them.
 *
 * Each pass has two ways. `parse` takes any record apart, carefully, and knows what is wrong with it. In front of it
 * is a quick way for plain records, nearly all: short varints, enough bytes behind them that they need not look for
 * the end. It never says why, it gives up, and the careful way has its turn. Validation reads the length of a plain
 * record and compares it at the end; the iterator does not even do that, because where the record ends is known by
 * then.
 *
 * The iterator trusts the meaning of what was validated, not the bounds: whatever is walked, it reads within the body.
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

/* A varint of up to `bits` bits, not yet unzigzagged; NULL if none is there. */
ALWAYS_INLINE const uint8_t *get(const uint8_t *p, const uint8_t *end, unsigned bits, uint64_t *v)
{
    if (LIKELY(end - p >= 2)) {
        if (LIKELY(p[0] < 0x80)) {
            *v = p[0];
            return p + 1;
        }
        if (LIKELY(p[1] < 0x80)) {
            *v = (p[0] & 0x7fu) | (uint64_t)p[1] << 7;
            return p + 2;
        }
    }
    return kfk_prim_get_long(p, end, bits, false, v);
}

ALWAYS_INLINE const uint8_t *get32(const uint8_t *p, const uint8_t *end, int32_t *v)
{
    uint64_t wide = 0;
    p = get(p, end, 32, &wide);
    *v = kfk_prim_unzigzag32((uint32_t)wide);
    return p;
}

ALWAYS_INLINE const uint8_t *get64(const uint8_t *p, const uint8_t *end, int64_t *v)
{
    uint64_t wide = 0;
    p = get(p, end, 64, &wide);
    *v = kfk_prim_unzigzag64(wide);
    return p;
}

/* Bytes with their length; -1 is null if `nullable`. NULL: what is there is neither. */
ALWAYS_INLINE const uint8_t *get_bytes(const uint8_t *p, const uint8_t *end, bool nullable, kafka_bytes *b)
{
    int32_t len;
    p = get32(p, end, &len);
    if (UNLIKELY(p == NULL)) return NULL;
    if (len < 0) {
        *b = (kafka_bytes){NULL, 0};
        return nullable && len == -1 ? p : NULL;
    }
    if (UNLIKELY(len > end - p)) return NULL;
    *b = (kafka_bytes){p, (size_t)len};
    return p + len;
}

/* Takes the record at `p` apart, but for its headers. NULL, or what is wrong with it. */
static const char *parse(const uint8_t *p, const uint8_t *end, raw *r)
{
    int32_t length;
    if (UNLIKELY((p = get32(p, end, &length)) == NULL)) return "its length is no varint";
    if (UNLIKELY(length < 0)) return "its length is negative";
    if (UNLIKELY(length > end - p)) return "it is longer than what is left of the batch";
    if (UNLIKELY(length < 1)) return "it is empty";
    r->end = end = p + length;
    p++; /* attributes: no bit is in use */
    if (UNLIKELY((p = get64(p, end, &r->timestamp_delta)) == NULL)) return "its timestamp is no varint";
    if (UNLIKELY((p = get32(p, end, &r->offset_delta)) == NULL)) return "its offset is no varint";
    if (UNLIKELY((p = get_bytes(p, end, true, &r->key)) == NULL)) return "its key has an impossible length";
    if (UNLIKELY((p = get_bytes(p, end, true, &r->value)) == NULL)) return "its value has an impossible length";
    if (UNLIKELY((p = get32(p, end, &r->header_count)) == NULL)) return "its header count is no varint";
    r->headers = p;
    /* A header takes two bytes at least. */
    if (UNLIKELY(r->header_count < 0 || r->header_count > (end - p) / 2)) return "its header count is impossible";
    return NULL;
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

/* ---- one record of the usual kind -------------------------------------------------------------------------------- */

/* Plain is a record whose varints up to its value have at most three bytes, with PLAIN_MIN bytes left in the body:
 * five such varints, the attributes, and the first byte of the header count. Then only a key and a value can lead out
 * of the body, and what the record says of its length is compared once, at its end. */
enum { PLAIN_MIN = 17 };

typedef struct plain {
    const uint8_t *start; /* behind the length */
    uint32_t length;      /* twice that; odd if it is negative */
    uint32_t offset_delta;
} plain;

ALWAYS_INLINE const uint8_t *skip_short(const uint8_t *p)
{
    if (LIKELY(p[0] < 0x80)) return p + 1;
    if (LIKELY(p[1] < 0x80)) return p + 2;
    return p[2] < 0x80 ? p + 3 : NULL;
}

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

/* Nullable bytes, behind which `more` bytes are left of the body; NULL if not. A length below -1 comes out as some
 * other and sets `*odd`. */
ALWAYS_INLINE const uint8_t *get_short_bytes(const uint8_t *p, const uint8_t *end, ptrdiff_t more, kafka_bytes *b,
                                             uint32_t *odd)
{
    uint32_t v;
    if (UNLIKELY((p = get_short(p, &v)) == NULL)) return NULL;
    if (v == 1) { /* -1 */
        *b = (kafka_bytes){NULL, 0};
        return p;
    }
    *odd |= v;
    v >>= 1;
    if (UNLIKELY(v > end - p - more)) return NULL;
    *b = (kafka_bytes){p, v};
    return p + v;
}

/* Where the header count of the record at `p` is, if it is plain up to there and its offset delta is in [least, most].
 * Else NULL: `parse` knows why. What the record's length says is not compared yet. */
ALWAYS_INLINE const uint8_t *check_plain(const uint8_t *p, const uint8_t *end, uint32_t least, uint32_t most, plain *r)
{
    uint32_t odd = 0;
    kafka_bytes bytes;
    if (UNLIKELY(end - p < PLAIN_MIN)) return NULL;
    if (UNLIKELY((p = get_short(p, &r->length)) == NULL)) return NULL;
    r->start = p;
    if (UNLIKELY((p = skip_short(p + 1)) == NULL)) return NULL;
    if (UNLIKELY((p = get_short(p, &r->offset_delta)) == NULL)) return NULL;
    odd |= r->offset_delta;
    r->offset_delta >>= 1;
    if (UNLIKELY(r->offset_delta < least || r->offset_delta > most)) return NULL;
    if (UNLIKELY((p = get_short_bytes(p, end, 4, &bytes, &odd)) == NULL)) return NULL;
    if (UNLIKELY((p = get_short_bytes(p, end, 1, &bytes, &odd)) == NULL)) return NULL;
    return UNLIKELY((odd & 1) != 0) ? NULL : p;
}

/* The end of a plain record whose header count is at `p`, if that, all headers and the record's length are right. */
static __attribute__((noinline)) const uint8_t *check_plain_headers(const uint8_t *p, const uint8_t *end,
                                                                    const plain *r)
{
    int32_t count;
    if ((r->length & 1) != 0 || (ptrdiff_t)(r->length >> 1) > end - r->start) return NULL;
    end = r->start + (r->length >> 1);
    if ((p = get32(p, end, &count)) == NULL || count < 0) return NULL;
    return check_headers(p, end, count) == NULL ? end : NULL;
}

/* ---- all records of a batch -------------------------------------------------------------------------------------- */

/* Validates the i-th record, at *p, whatever it looks like, and moves on. */
static __attribute__((noinline)) int validate_any(const kfk_batch_header *h, int32_t i, const uint8_t **p,
                                                  const uint8_t *end, uint32_t *next, kfk_error *err)
{
    raw r;
    const char *why = parse(*p, end, &r);
    if (why != NULL) return damaged(h, i, -1, why, err);
    if (r.offset_delta < 0 || (uint32_t)r.offset_delta < *next)
        return damaged(h, i, -1, "its offset does not increase", err);
    if (r.offset_delta > h->last_offset_delta) return damaged(h, i, -1, "its offset is not in the batch", err);
    why = check_headers(r.headers, r.end, r.header_count);
    if (why != NULL) return damaged(h, i, r.offset_delta, why, err);
    *next = (uint32_t)r.offset_delta + 1;
    *p = r.end;
    return 0;
}

int kfk_record_validate(const kfk_batch_header *h, const void *body, size_t len, kfk_error *err)
{
    const uint8_t *p = body, *end = len > 0 ? p + len : p;
    uint32_t next = 0, most = (uint32_t)h->last_offset_delta; /* what the next offset delta is at least and at most */

    for (int32_t i = 0; i < h->record_count; i++) {
        plain r;
        const uint8_t *behind = check_plain(p, end, next, most, &r);
        if (LIKELY(behind != NULL)) {
            if (LIKELY(*behind == 0 && 2 * (size_t)(behind + 1 - r.start) == r.length))
                behind++;
            else
                behind = check_plain_headers(behind, end, &r);
        }
        if (UNLIKELY(behind == NULL)) {
            int rc = validate_any(h, i, &p, end, &next, err);
            if (rc != 0) return rc;
            continue;
        }
        next = r.offset_delta + 1;
        p = behind;
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
    if (parse(it->at, it->end, &r) != NULL) return false;
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

/* The rest of a plain record that is in `out` up to its value, and has its header count at `p`. */
static __attribute__((noinline)) bool next_with_headers(kfk_record_iter *it, const uint8_t *p, uint32_t offset,
                                                        uint32_t time, kfk_record *out)
{
    int32_t length, count;
    const uint8_t *end = get32(it->at, it->end, &length);
    if (end == NULL || length < 0 || length > it->end - end) return false;
    end += length;
    if ((p = get32(p, end, &count)) == NULL || count < 0) return false;
    out->header_count = (size_t)count;
    out->headers = p;
    out->headers_len = (size_t)(end - p);
    out->size = (size_t)(end - it->at);
    out->offset = (int64_t)((uint64_t)it->base_offset + (offset >> 1));
    out->timestamp = time_of(it, kfk_prim_unzigzag32(time));
    it->at = end;
    it->left--;
    return true;
}

bool kfk_record_iter_next(kfk_record_iter *it, kfk_record *out)
{
    const uint8_t *start = it->at, *end = it->end, *p;
    uint32_t time, offset, odd = 0;

    if (UNLIKELY(it->left <= 0)) return false;
    if (UNLIKELY(end - start < PLAIN_MIN)) return next_any(it, out);
    if (UNLIKELY((p = skip_short(start)) == NULL)) return next_any(it, out);
    if (UNLIKELY((p = get_short(p + 1, &time)) == NULL)) return next_any(it, out);
    if (UNLIKELY((p = get_short(p, &offset)) == NULL)) return next_any(it, out);
    if (UNLIKELY((p = get_short_bytes(p, end, 4, &out->key, &odd)) == NULL)) return next_any(it, out);
    if (UNLIKELY((p = get_short_bytes(p, end, 1, &out->value, &odd)) == NULL)) return next_any(it, out);
    if (UNLIKELY(*p != 0)) return next_with_headers(it, p, offset, time, out);
    /* Without headers it ends here, as was validated; its length says the same. */
    p++;
    out->header_count = 0;
    out->headers = p;
    out->headers_len = 0;
    out->size = (size_t)(p - start);
    out->offset = (int64_t)((uint64_t)it->base_offset + (offset >> 1));
    out->timestamp = time_of(it, kfk_prim_unzigzag32(time));
    it->at = p;
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
