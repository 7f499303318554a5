/* prim: the primitive types of Kafka's wire format: big-endian integers, varints, and a reader that cannot run over.
 *
 * Plain functions over bytes: nothing is allocated, nothing blocks, no error text is formatted. The `get` and `put`
 * functions work on naked pointers for hand-written hot paths (record batches); `kfk_reader` is for everything else.
 *
 * Two kinds of varint exist on the wire and they differ in strictness:
 *   uvarint           unsigned, 7 bits a byte, at most 32 bits of value: lengths and tags of flexible messages. Only
 *                     the shortest form is accepted, so that a message has one encoding.
 *   varint, varlong   zigzag, 32 and 64 bits: the fields of a record. Padded forms that fit in 5 and 10 bytes are
 *                     accepted as Java does, since records of foreign producers lie in logs for ever; a value beyond
 *                     32 or 64 bits is not. */
#ifndef KFK_WIRE_PRIM_H
#define KFK_WIRE_PRIM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Most bytes that the three kinds take. */
enum { KFK_PRIM_UVARINT_MAX = 5, KFK_PRIM_VARINT_MAX = 5, KFK_PRIM_VARLONG_MAX = 10 };

/* ---- big-endian integers at any alignment; the caller has checked the room --------------------------------------- */

static inline uint16_t kfk_prim_get_be16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap16(v);
#endif
    return v;
}

static inline uint32_t kfk_prim_get_be32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

static inline uint64_t kfk_prim_get_be64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline void kfk_prim_put_be16(void *p, uint16_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap16(v);
#endif
    memcpy(p, &v, sizeof v);
}

static inline void kfk_prim_put_be32(void *p, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    memcpy(p, &v, sizeof v);
}

static inline void kfk_prim_put_be64(void *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof v);
}

/* ---- zigzag: small magnitudes become small unsigned numbers ------------------------------------------------------ */

static inline uint32_t kfk_prim_zigzag32(int32_t v)
{
    return ((uint32_t)v << 1) ^ (0u - ((uint32_t)v >> 31));
}

static inline int32_t kfk_prim_unzigzag32(uint32_t v)
{
    return (int32_t)((v >> 1) ^ (0u - (v & 1)));
}

static inline uint64_t kfk_prim_zigzag64(int64_t v)
{
    return ((uint64_t)v << 1) ^ (UINT64_C(0) - ((uint64_t)v >> 63));
}

static inline int64_t kfk_prim_unzigzag64(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (UINT64_C(0) - (v & 1)));
}

/* ---- sizes: how many bytes `put` will write ---------------------------------------------------------------------- */

static inline size_t kfk_prim_uvarint64_size(uint64_t v)
{
    /* ceil(bits / 7) with at least one bit, without a division by 7: exact for 1 to 64 bits. */
    unsigned bits = 64u - (unsigned)__builtin_clzll(v | 1);
    return (bits * 9 + 64) / 64;
}

static inline size_t kfk_prim_uvarint_size(uint32_t v)
{
    return kfk_prim_uvarint64_size(v);
}

static inline size_t kfk_prim_varint_size(int32_t v)
{
    return kfk_prim_uvarint64_size(kfk_prim_zigzag32(v));
}

static inline size_t kfk_prim_varlong_size(int64_t v)
{
    return kfk_prim_uvarint64_size(kfk_prim_zigzag64(v));
}

/* ---- writing varints: returns the bytes written; the caller has made room for the longest form ------------------- */

static inline size_t kfk_prim_put_uvarint64(uint8_t *out, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

static inline size_t kfk_prim_put_uvarint(uint8_t *out, uint32_t v)
{
    return kfk_prim_put_uvarint64(out, v);
}

static inline size_t kfk_prim_put_varint(uint8_t *out, int32_t v)
{
    return kfk_prim_put_uvarint64(out, kfk_prim_zigzag32(v));
}

static inline size_t kfk_prim_put_varlong(uint8_t *out, int64_t v)
{
    return kfk_prim_put_uvarint64(out, kfk_prim_zigzag64(v));
}

/* ---- reading varints: returns the byte behind it, or NULL when [p, end) does not begin with a valid one ---------- */

/* What is left when the first byte is not all; `bits` of value at most, `strict` refuses padded forms. */
const uint8_t *kfk_prim_get_long(const uint8_t *p, const uint8_t *end, unsigned bits, bool strict, uint64_t *v);

static inline const uint8_t *kfk_prim_get_uvarint(const uint8_t *p, const uint8_t *end, uint32_t *v)
{
    uint64_t wide;
    if (p < end && *p < 0x80) {
        *v = *p;
        return p + 1;
    }
    p = kfk_prim_get_long(p, end, 32, true, &wide);
    if (p) *v = (uint32_t)wide;
    return p;
}

static inline const uint8_t *kfk_prim_get_varint(const uint8_t *p, const uint8_t *end, int32_t *v)
{
    uint64_t wide;
    if (p < end && *p < 0x80) {
        *v = kfk_prim_unzigzag32(*p);
        return p + 1;
    }
    p = kfk_prim_get_long(p, end, 32, false, &wide);
    if (p) *v = kfk_prim_unzigzag32((uint32_t)wide);
    return p;
}

static inline const uint8_t *kfk_prim_get_varlong(const uint8_t *p, const uint8_t *end, int64_t *v)
{
    uint64_t wide;
    if (p < end && *p < 0x80) {
        *v = kfk_prim_unzigzag64(*p);
        return p + 1;
    }
    p = kfk_prim_get_long(p, end, 64, false, &wide);
    if (p) *v = kfk_prim_unzigzag64(wide);
    return p;
}

/* ---- kfk_reader: read straight down, check once ------------------------------------------------------------------ */

typedef enum kfk_reader_why {
    KFK_READER_OK,
    KFK_READER_SHORT,    /* `value` bytes were wanted */
    KFK_READER_VARINT,   /* cut off, longer than it may be, or not the shortest form */
    KFK_READER_LENGTH,   /* a length cannot be `value` */
    KFK_READER_COUNT,    /* an array cannot have `value` elements */
    KFK_READER_NULL,     /* null where it is not allowed */
    KFK_READER_TAGS,     /* a struct cannot have `value` tagged fields */
    KFK_READER_ORDER,    /* tag `value` is not greater than the one before */
    KFK_READER_LEFTOVER, /* `value` bytes behind the end */
    KFK_READER_OTHER     /* whoever called kfk_reader_fail knows more */
} kfk_reader_why;

/* A position in bytes that the reader does not own. The first failure is sticky: it moves the position to the end, so
 * that every later read fails too and yields 0, and later failures do not overwrite what is known of the first. */
typedef struct kfk_reader {
    const uint8_t *start, *pos, *end;
    const uint8_t *failed; /* where the first failing read began */
    int64_t value;         /* see kfk_reader_why */
    kfk_reader_why why;
} kfk_reader;

/* `data` may be NULL when len is 0. */
static inline void kfk_reader_init(kfk_reader *r, const void *data, size_t len)
{
    static const uint8_t nothing;
    r->start = r->pos = data ? data : &nothing;
    r->end = r->start + len;
    r->failed = NULL;
    r->value = 0;
    r->why = KFK_READER_OK;
}

static inline bool kfk_reader_ok(const kfk_reader *r)
{
    return r->why == KFK_READER_OK;
}

static inline size_t kfk_reader_left(const kfk_reader *r)
{
    return (size_t)(r->end - r->pos);
}

/* Records the first failure at the current position; nothing is left to read afterwards. */
void kfk_reader_fail(kfk_reader *r, kfk_reader_why why, int64_t value);
/* The offset of the failure, or of the position while there is none. */
size_t kfk_reader_offset(const kfk_reader *r);
/* The failure as a phrase, e.g. "4 bytes wanted, 1 left"; cut at `size`, always terminated when size > 0. */
void kfk_reader_explain(const kfk_reader *r, char *out, size_t size);

/* `n` bytes in place, or NULL and a failure. */
static inline const uint8_t *kfk_reader_take(kfk_reader *r, size_t n)
{
    const uint8_t *p = r->pos;
    if (__builtin_expect(n > kfk_reader_left(r), 0)) {
        kfk_reader_fail(r, KFK_READER_SHORT, n > INT64_MAX ? INT64_MAX : (int64_t)n);
        return NULL;
    }
    r->pos = p + n;
    return p;
}

static inline int8_t kfk_reader_int8(kfk_reader *r)
{
    const uint8_t *p = kfk_reader_take(r, 1);
    return p ? (int8_t)*p : 0;
}

static inline uint16_t kfk_reader_uint16(kfk_reader *r)
{
    const uint8_t *p = kfk_reader_take(r, 2);
    return p ? kfk_prim_get_be16(p) : 0;
}

static inline int16_t kfk_reader_int16(kfk_reader *r)
{
    return (int16_t)kfk_reader_uint16(r);
}

static inline uint32_t kfk_reader_uint32(kfk_reader *r)
{
    const uint8_t *p = kfk_reader_take(r, 4);
    return p ? kfk_prim_get_be32(p) : 0;
}

static inline int32_t kfk_reader_int32(kfk_reader *r)
{
    return (int32_t)kfk_reader_uint32(r);
}

static inline int64_t kfk_reader_int64(kfk_reader *r)
{
    const uint8_t *p = kfk_reader_take(r, 8);
    return p ? (int64_t)kfk_prim_get_be64(p) : 0;
}

static inline uint32_t kfk_reader_uvarint(kfk_reader *r)
{
    uint32_t v = 0;
    const uint8_t *p = kfk_prim_get_uvarint(r->pos, r->end, &v);
    if (p)
        r->pos = p;
    else
        kfk_reader_fail(r, KFK_READER_VARINT, 0);
    return v;
}

static inline int32_t kfk_reader_varint(kfk_reader *r)
{
    int32_t v = 0;
    const uint8_t *p = kfk_prim_get_varint(r->pos, r->end, &v);
    if (p)
        r->pos = p;
    else
        kfk_reader_fail(r, KFK_READER_VARINT, 0);
    return v;
}

static inline int64_t kfk_reader_varlong(kfk_reader *r)
{
    int64_t v = 0;
    const uint8_t *p = kfk_prim_get_varlong(r->pos, r->end, &v);
    if (p)
        r->pos = p;
    else
        kfk_reader_fail(r, KFK_READER_VARINT, 0);
    return v;
}

#endif
