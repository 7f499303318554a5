/* prim: the cold half of the primitives.
 *
 * Everything hot is inline in the header; here is what runs when a varint has more than one byte and when input is bad.
 * A reader keeps what went wrong as a kind and a number, not as text: most readers never fail, and the one who formats
 * the sentence (codec.c) also knows the field. A failure leaves the reader at its end, which is what makes it sticky
 * without a test in every read: nothing is left, so the bounds check that is there anyway fails. */
#include "wire/prim.h"
#include <inttypes.h>
#include <stdio.h>

const uint8_t *kfk_prim_get_long(const uint8_t *p, const uint8_t *end, unsigned bits, bool strict, uint64_t *v)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        if (p >= end) return NULL;
        uint8_t byte = *p++;
        uint64_t group = byte & 0x7f;
        if (bits - shift < 7 && group >> (bits - shift) != 0) return NULL;
        value |= group << shift;
        if (byte < 0x80) {
            if (strict && byte == 0 && shift > 0) return NULL;
            *v = value;
            return p;
        }
    }
    return NULL;
}

void kfk_reader_fail(kfk_reader *r, kfk_reader_why why, int64_t value)
{
    if (r->why != KFK_READER_OK) return;
    r->why = why;
    r->value = value;
    r->failed = r->pos;
    r->pos = r->end;
}

size_t kfk_reader_offset(const kfk_reader *r)
{
    return (size_t)((r->failed ? r->failed : r->pos) - r->start);
}

void kfk_reader_explain(const kfk_reader *r, char *out, size_t size)
{
    size_t left = (size_t)(r->end - r->start) - kfk_reader_offset(r);
    const char *phrase = "invalid";
    switch (r->why) {
    case KFK_READER_OK: phrase = "no error"; break;
    case KFK_READER_SHORT: snprintf(out, size, "%" PRId64 " bytes wanted, %zu left", r->value, left); return;
    case KFK_READER_VARINT: phrase = "no valid varint"; break;
    case KFK_READER_LENGTH: snprintf(out, size, "impossible length %" PRId64, r->value); return;
    case KFK_READER_COUNT:
        snprintf(out, size, "%" PRId64 " elements announced, %zu bytes left", r->value, left);
        return;
    case KFK_READER_NULL: phrase = "null, which this version does not allow"; break;
    case KFK_READER_TAGS:
        snprintf(out, size, "%" PRId64 " tagged fields announced, %zu bytes left", r->value, left);
        return;
    case KFK_READER_ORDER: snprintf(out, size, "tag %" PRId64 " is not in ascending order", r->value); return;
    case KFK_READER_LEFTOVER: snprintf(out, size, "%" PRId64 " bytes left over", r->value); return;
    case KFK_READER_OTHER: break;
    }
    snprintf(out, size, "%s", phrase);
}
