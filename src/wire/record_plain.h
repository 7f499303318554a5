/* record_plain: the encoder of the record that nearly every record is: no headers, not more than a few kilobytes,
 * written soon after the first one of its batch.
 *
 * kfk_record_append (wire/record.h) knows a record's size before it writes, since the size stands in front. Here it is
 * known beforehand only how many bytes that varint takes: for nearly all sizes of key and value it is the same whatever
 * the other fields take. So the fields are written in one go behind it, and then it. The value is left to the caller,
 * to be copied after all else: what is in registers need not survive a call of memcpy then. */
#ifndef KFK_WIRE_RECORD_PLAIN_H
#define KFK_WIRE_RECORD_PLAIN_H
#include "wire/prim.h"
#include "wire/record.h"
#include <string.h>

enum {
    /* What a record takes beside key and value, its length apart: attributes, time, offset, two lengths, headers. */
    KFK_PLAIN_BESIDE_MIN = 1 + 1 + 1 + 1 + 1 + 1,
    KFK_PLAIN_BESIDE_MAX = 1 + 3 + 3 + 2 + 2 + 1,
    /* Bytes of key and value for which the length in front takes one byte, or two; each of them has to be PART_MAX or
     * less. */
    KFK_PLAIN_SHORT_MAX = 0x3f - KFK_PLAIN_BESIDE_MAX,
    KFK_PLAIN_LONG_MIN = 0x40 - KFK_PLAIN_BESIDE_MIN,
    KFK_PLAIN_PART_MAX = (0x1fff - KFK_PLAIN_BESIDE_MAX) / 2,
    KFK_PLAIN_DELTA_MOST = 1 << 20, /* of timestamps, in zigzag; in three bytes */
    KFK_PLAIN_COUNT_MOST = 1 << 20  /* of records before it; the same */
};

/* A varint of up to 14 bits, and one of up to 21. */
static inline uint8_t *kfk_plain_put14(uint8_t *p, size_t v)
{
    if (v < 0x80) {
        *p = (uint8_t)v;
        return p + 1;
    }
    p[0] = (uint8_t)(v | 0x80);
    p[1] = (uint8_t)(v >> 7);
    return p + 2;
}

static inline uint8_t *kfk_plain_put21(uint8_t *p, size_t v)
{
    if (__builtin_expect(v < 0x4000, 1)) return kfk_plain_put14(p, v);
    p[0] = (uint8_t)(v | 0x80);
    p[1] = (uint8_t)(v >> 7 | 0x80);
    p[2] = (uint8_t)(v >> 14);
    return p + 3;
}

/* A key, of 8 to 16 bytes as a rule: two words, which overlap. */
static inline uint8_t *kfk_plain_put_key(uint8_t *p, kafka_bytes key)
{
    enum { WORD = sizeof(uint64_t) };
    uint64_t first, last;
    if (key.data == NULL) {
        *p = 1; /* -1 */
        return p + 1;
    }
    p = kfk_plain_put14(p, key.len << 1);
    if (__builtin_expect(key.len - WORD <= WORD, 1)) {
        memcpy(&first, key.data, WORD);
        memcpy(&last, (const uint8_t *)key.data + key.len - WORD, WORD);
        memcpy(p, &first, WORD);
        memcpy(p + key.len - WORD, &last, WORD);
    } else {
        memcpy(p, key.data, key.len);
    }
    return p + key.len;
}

/* Appends the record as kfk_record_append does, but for the value, which is to be copied to where this returns. NULL:
 * the record is for kfk_record_append, and nothing changed. What has no data has no length either. The window must not
 * be larger than what the batch may still hold. */
static inline __attribute__((always_inline)) uint8_t *kfk_record_append_plain(kfk_record_writer *w, int64_t timestamp,
                                                                              kafka_bytes key, kafka_bytes value)
{
    enum { LENGTH_MOST = 2 };
    uint8_t *from = w->at;
    size_t len = key.len + value.len;
    if ((key.len | value.len) > KFK_PLAIN_PART_MAX) return NULL;
    if (len > KFK_PLAIN_SHORT_MAX && len < KFK_PLAIN_LONG_MIN) return NULL;
    if ((ptrdiff_t)len + KFK_PLAIN_BESIDE_MAX + LENGTH_MOST > w->end - from) return NULL;
    uint32_t count = (uint32_t)w->count;
    if (count - 1 >= KFK_PLAIN_COUNT_MOST - 1) return NULL;
    if (__builtin_expect(timestamp != w->last_timestamp, 0)) { /* many records come within a millisecond */
        uint64_t other = kfk_prim_zigzag64((int64_t)((uint64_t)timestamp - (uint64_t)w->base_timestamp));
        if (other >= KFK_PLAIN_DELTA_MOST) return NULL;
        kfk_record_writer_note_time(w, timestamp, other);
    }
    uint32_t delta = w->last_delta;
    if (delta >= KFK_PLAIN_DELTA_MOST) return NULL;

    uint8_t *behind = from + 1 + (len > KFK_PLAIN_SHORT_MAX), *p = behind;
    *p++ = 0; /* attributes */
    if (__builtin_expect(delta < 0x80, 1))
        *p++ = (uint8_t)delta;
    else
        p = kfk_plain_put21(p, delta);
    p = kfk_plain_put21(p, (size_t)count << 1);
    p = kfk_plain_put_key(p, key);
    if (__builtin_expect(value.data != NULL, 1))
        p = kfk_plain_put14(p, value.len << 1);
    else
        *p++ = 1; /* -1 */
    uint8_t *end = p + value.len;
    *end++ = 0; /* headers */
    kfk_plain_put14(from, (size_t)(end - behind) << 1);
    w->at = end;
    w->bytes += (size_t)(end - from);
    w->count = (int32_t)(count + 1);
    return p;
}

#endif
