/* record_v1.c: reading and writing messages of formats 0 and 1.
 *
 * Reading goes as with record batches: a first pass looks at every length, offset and CRC of a set, a second one hands
 * the messages out, in place. `parse` serves both. A set inside a wrapper is never opened as one: the walk is a loop
 * over messages, and one that is compressed itself is damage, so no peer makes us nest.
 *
 * The CRC of a message does not cover its offset, which brokers assign. Offsets inside a wrapper are covered by the CRC
 * of the wrapper, but meaningless if they do not lead to its own, the one that moves the position: a set in format 0
 * whose last offset is another one would be read at the wrong place, or be passed over without a word. */
#include "wire/record_v1.h"
#include "base/crc32.h"
#include "wire/compress.h"
#include "wire/prim.h"
#include <inttypes.h>
#include <string.h>

/* Where the fields of a message are. */
enum {
    AT_OFFSET = 0,
    AT_SIZE = 8,
    AT_CRC = 12,
    AT_MAGIC = KFK_RECORD_V1_MAGIC_AT,
    AT_ATTRIBUTES = 17,
    AT_TIMESTAMP = 18, /* format 1 */
    AT_KEY_V0 = 18,
    AT_KEY_V1 = 26
};
enum { SIZE_FROM = AT_CRC, SIZE_MIN = 14 };

/* A message, taken apart. */
typedef struct message {
    const uint8_t *end;
    int64_t offset, timestamp; /* -1 in format 0 */
    uint32_t crc;
    uint8_t magic, attributes;
    kafka_bytes key, value;
} message;

static inline size_t overhead(int magic)
{
    return (magic == 0 ? AT_KEY_V0 : AT_KEY_V1) + 8;
}

/* ---- one message ------------------------------------------------------------------------------------------------- */

/* Nullable bytes with their length. NULL: what is there is neither. */
static inline const uint8_t *get_bytes(const uint8_t *p, const uint8_t *end, kafka_bytes *b)
{
    if (end - p < 4) return NULL;
    int32_t len = (int32_t)kfk_prim_get_be32(p);
    p += 4;
    *b = (kafka_bytes){NULL, 0};
    if (len < 0) return len == -1 ? p : NULL;
    if (len > end - p) return NULL;
    *b = (kafka_bytes){p, (size_t)len};
    return p + len;
}

/* Takes the message at `p` apart. NULL, or what is wrong with it. Its CRC is not looked at. */
static const char *parse(const uint8_t *p, const uint8_t *end, message *m)
{
    if (end - p < SIZE_FROM + SIZE_MIN) return "it is cut off";
    m->offset = (int64_t)kfk_prim_get_be64(p + AT_OFFSET);
    int32_t size = (int32_t)kfk_prim_get_be32(p + AT_SIZE);
    if (size < SIZE_MIN) return "its size is impossible";
    if (size > end - p - SIZE_FROM) return "it is longer than what is left";
    m->end = end = p + SIZE_FROM + size;
    m->crc = kfk_prim_get_be32(p + AT_CRC);
    m->magic = p[AT_MAGIC];
    m->attributes = p[AT_ATTRIBUTES];
    if (m->magic > 1) return "its magic is neither 0 nor 1";
    m->timestamp = -1;
    if (m->magic == 1) {
        if (end - p < AT_KEY_V1) return "its size is impossible";
        m->timestamp = (int64_t)kfk_prim_get_be64(p + AT_TIMESTAMP);
    }
    p = get_bytes(p + (m->magic == 0 ? AT_KEY_V0 : AT_KEY_V1), end, &m->key);
    if (p == NULL) return "its key has an impossible length";
    p = get_bytes(p, end, &m->value);
    if (p == NULL) return "its value has an impossible length";
    return p == end ? NULL : "bytes are left over behind its value";
}

static inline uint32_t crc_of(const uint8_t *p, const uint8_t *end)
{
    return kfk_crc32(0, p + AT_MAGIC, (size_t)(end - p - AT_MAGIC));
}

/* ---- a message that is in no other ------------------------------------------------------------------------------- */

static int damaged(const kfk_batch_header *h, const char *why, kfk_error *err)
{
    return kfk_error_set(err, KAFKA_ECORRUPT, "message at offset %" PRId64 ": %s", h->base_offset, why);
}

int kfk_record_v1_parse(const void *bytes, size_t len, kfk_batch_header *h, kfk_error *err)
{
    const uint8_t *p = bytes;

    if (!kfk_record_v1_is(bytes, len)) {
        int rc = kfk_record_header_parse(bytes, len, h, err);
        return rc != 0 ? rc : kfk_error_set(err, KAFKA_EVERSION, "record batch at offset %" PRId64, h->base_offset);
    }
    if (kfk_record_header_parse(bytes, len, h, NULL) != KAFKA_EVERSION)
        return kfk_record_header_parse(bytes, len, h, err); /* for the words */
    if (h->base_offset < 0 || h->base_offset == INT64_MAX) return damaged(h, "there is no such offset", err);
    if (h->batch_length + SIZE_FROM < (int32_t)overhead(h->magic)) return damaged(h, "its size is impossible", err);
    h->leader_epoch = h->base_sequence = -1;
    h->producer_id = h->producer_epoch = -1;
    h->crc = kfk_prim_get_be32(p + AT_CRC);
    h->attributes = p[AT_ATTRIBUTES] & (h->magic == 0 ? KFK_BATCH_CODEC : KFK_BATCH_CODEC | KFK_BATCH_LOG_APPEND_TIME);
    h->base_timestamp = h->max_timestamp = h->magic == 0 ? -1 : (int64_t)kfk_prim_get_be64(p + AT_TIMESTAMP);
    h->record_count = 1;
    return 0;
}

int kfk_record_v1_crc_check(const kfk_batch_header *h, const void *p, kfk_error *err)
{
    uint32_t crc = crc_of(p, (const uint8_t *)p + kfk_batch_size(h));
    if (crc == h->crc) return 0;
    return kfk_error_set(err, KAFKA_ECORRUPT,
                         "message at offset %" PRId64 ": its CRC is %08" PRIx32 " but its bytes have %08" PRIx32,
                         h->base_offset, h->crc, crc);
}

/* Checks every message of the set inside a wrapper. `*count` and `*last` become their number and last offset. */
static int validate(const kfk_batch_header *h, const uint8_t *p, size_t len, int32_t *count, int64_t *last,
                    kfk_error *err)
{
    const uint8_t *end = len > 0 ? p + len : p;

    *last = -1;
    for (*count = 0; p < end; ++*count) {
        message m;
        const char *why = parse(p, end, &m);
        if (why == NULL && crc_of(p, m.end) != m.crc) why = "its CRC is wrong";
        if (why == NULL && (m.attributes & KFK_BATCH_CODEC) != 0) why = "it is compressed once more";
        if (why == NULL && m.offset <= *last) why = "its offset does not increase";
        if (why != NULL)
            return kfk_error_set(err, KAFKA_ECORRUPT, "message set at offset %" PRId64 ": message %" PRId32 ": %s",
                                 h->base_offset, *count + 1, why);
        *last = m.offset;
        p = m.end;
    }
    if (*count == 0) return damaged(h, "the set in it is empty", err);
    if (*last > h->base_offset || (h->magic == 0 && *last != h->base_offset))
        return kfk_error_set(err, KAFKA_ECORRUPT,
                             "message set at offset %" PRId64 ": the last message in it has offset %" PRId64,
                             h->base_offset, *last);
    return 0;
}

/* Inflates and checks the set in a wrapper. */
static int open_wrapper(const kfk_batch_header *h, const message *wrapper, kfk_buf *scratch, kfk_record_iter *it,
                        kfk_error *err)
{
    int codec = kfk_batch_codec(h);
    int64_t last;

    if (codec == KFK_CODEC_ZSTD) return damaged(h, "it is compressed with zstd, which this format does not know", err);
    if (wrapper->value.data == NULL) return damaged(h, "it is compressed and has no value", err);
    if (codec == KFK_CODEC_LZ4 && h->magic == 0) codec = KFK_CODEC_LZ4_OLD;
    kfk_buf_clear(scratch);
    int rc = kfk_decompress(codec, wrapper->value.data, wrapper->value.len, scratch, err);
    if (rc != 0) {
        if (err != NULL) kfk_error_prefix(err, "message set at offset %" PRId64 ": ", h->base_offset);
        return rc;
    }
    rc = validate(h, scratch->data, scratch->len, &it->left, &last, err);
    it->at = scratch->data;
    it->end = it->at != NULL ? it->at + scratch->len : NULL;
    it->base_offset = h->magic == 0 ? 0 : h->base_offset - last;
    it->has_append_time = kfk_batch_is_append_time(h);
    it->append_time = h->max_timestamp;
    return rc;
}

int kfk_record_v1_open(const kfk_batch_header *h, const void *bytes, kfk_buf *scratch, kfk_record_iter *it,
                       kfk_error *err)
{
    const uint8_t *p = bytes;
    message m;
    int rc = kfk_record_v1_crc_check(h, p, err);

    if (rc != 0) return rc;
    const char *why = parse(p, p + kfk_batch_size(h), &m);
    if (why != NULL) return damaged(h, why, err);
    *it = (kfk_record_iter){.at = p, .end = m.end, .left = 1};
    return kfk_batch_codec(h) != 0 ? open_wrapper(h, &m, scratch, it, err) : 0;
}

bool kfk_record_v1_next(kfk_record_iter *it, kfk_record *out)
{
    message m;

    if (it->left <= 0 || parse(it->at, it->end, &m) != NULL) return false;
    *out = (kfk_record){.offset = (int64_t)((uint64_t)it->base_offset + (uint64_t)m.offset),
                        .timestamp = it->has_append_time && m.magic != 0 ? it->append_time : m.timestamp,
                        .key = m.key,
                        .value = m.value,
                        .size = (size_t)(m.end - it->at)};
    it->at = m.end;
    it->left--;
    return true;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

void kfk_record_v1_writer_init(kfk_record_v1_writer *w, int8_t magic, void *memory, size_t cap)
{
    *w = (kfk_record_v1_writer){.set = memory, .at = memory, .max_timestamp = -1, .magic = magic};
    w->end = cap > 0 ? w->at + cap : w->at;
}

static uint8_t *put_bytes(uint8_t *p, kafka_bytes b)
{
    kfk_prim_put_be32(p, b.data != NULL ? (uint32_t)b.len : UINT32_MAX);
    if (b.data != NULL && b.len > 0) memcpy(p + 4, b.data, b.len);
    return p + 4 + (b.data != NULL ? b.len : 0);
}

/* What is in front of the key, but for the CRC; returns where the key goes. `size`: of the whole message. */
static uint8_t *put_front(uint8_t *p, int magic, int64_t offset, size_t size, int codec, int64_t timestamp)
{
    kfk_prim_put_be64(p + AT_OFFSET, (uint64_t)offset);
    kfk_prim_put_be32(p + AT_SIZE, (uint32_t)(size - SIZE_FROM));
    p[AT_MAGIC] = (uint8_t)magic;
    p[AT_ATTRIBUTES] = (uint8_t)codec;
    if (magic == 0) return p + AT_KEY_V0;
    kfk_prim_put_be64(p + AT_TIMESTAMP, (uint64_t)timestamp);
    return p + AT_KEY_V1;
}

static void put_crc(uint8_t *p, size_t size)
{
    kfk_prim_put_be32(p + AT_CRC, crc_of(p, p + size));
}

int kfk_record_v1_append(kfk_record_v1_writer *w, int64_t timestamp, kafka_bytes key, kafka_bytes value)
{
    const size_t most = (size_t)INT32_MAX - overhead(w->magic);
    if (key.data == NULL) key.len = 0;
    if (value.data == NULL) value.len = 0;
    if (key.len > most || value.len > most - key.len) return KAFKA_ETOOBIG;
    size_t size = overhead(w->magic) + key.len + value.len;
    if (size > (size_t)(w->end - w->at) || w->count == INT32_MAX) return KAFKA_EAGAIN;
    if (size > (size_t)INT32_MAX - kfk_record_v1_writer_size(w)) return KAFKA_EAGAIN;

    uint8_t *p = put_front(w->at, w->magic, w->count, size, 0, timestamp);
    put_bytes(put_bytes(p, key), value);
    put_crc(w->at, size);
    w->at += size;
    if (w->magic != 0 && (w->count == 0 || timestamp > w->max_timestamp)) w->max_timestamp = timestamp;
    w->count++;
    return 0;
}

int kfk_record_v1_wrap(const kfk_record_v1_writer *w, int codec, int level, kfk_buf *out, kfk_error *err)
{
    struct iovec set = {w->set, kfk_record_v1_writer_size(w)};
    size_t at = out->len, front = overhead(w->magic);

    if (codec == KFK_CODEC_ZSTD)
        return kfk_error_set(err, KAFKA_ECODEC, "message format %d does not know zstd", w->magic);
    if (kfk_buf_reserve(out, front) == NULL)
        return kfk_error_set(err, out->err, "no room for a compressed message set");
    kfk_buf_commit(out, front);
    int rc =
        kfk_compress(codec == KFK_CODEC_LZ4 && w->magic == 0 ? KFK_CODEC_LZ4_OLD : codec, level, &set, 1, out, err);
    if (rc != 0) return rc;
    if (out->len - at > INT32_MAX)
        return kfk_error_set(err, KAFKA_ETOOBIG, "a compressed message set of %zu bytes", out->len - at);

    uint8_t *p = out->data + at, *key = put_front(p, w->magic, w->count - 1, out->len - at, codec, w->max_timestamp);
    kfk_prim_put_be32(key, UINT32_MAX);
    kfk_prim_put_be32(key + 4, (uint32_t)(out->len - at - front));
    put_crc(p, out->len - at);
    return 0;
}
