/* codec_encode: structs to bytes.
 *
 * A walk over the fields that the version has, in order; in flexible versions the tagged ones that are not at their
 * defaults come behind them. A value of a fixed size is an array of length one to `fixed_put`, which alone knows the
 * fixed types and runs over arrays of numbers without looking at the schema again.
 *
 * Memory: room is asked of the gather, whose error is sticky, so a missing byte is noticed once, at the end. What is
 * wrong with a value returns at once, with the path to it; the output is then put back to where it began.
 *
 * A field that the version lacks is compared with its default: the value would be lost in silence otherwise. The size
 * in front of a tagged field is known only behind it; such fields are small and rare, so it is inserted afterwards. */
#include "wire/codec.h"
#include "wire/codec_walk.h"
#include "wire/prim.h"
#include <string.h>

static void fixed_put(kfk_type type, const void *in, uint8_t *out, size_t count)
{
    switch (type) {
    case KFK_TYPE_BOOL:
        for (size_t i = 0; i < count; i++) out[i] = ((const bool *)in)[i] ? 1 : 0;
        break;
    case KFK_TYPE_INT16:
    case KFK_TYPE_UINT16:
        for (size_t i = 0; i < count; i++) kfk_prim_put_be16(out + 2 * i, ((const uint16_t *)in)[i]);
        break;
    case KFK_TYPE_INT32:
    case KFK_TYPE_UINT32:
        for (size_t i = 0; i < count; i++) kfk_prim_put_be32(out + 4 * i, ((const uint32_t *)in)[i]);
        break;
    case KFK_TYPE_INT64:
        for (size_t i = 0; i < count; i++) kfk_prim_put_be64(out + 8 * i, ((const uint64_t *)in)[i]);
        break;
    case KFK_TYPE_FLOAT64:
        for (size_t i = 0; i < count; i++) {
            uint64_t bits;
            memcpy(&bits, (const double *)in + i, sizeof bits);
            kfk_prim_put_be64(out + 8 * i, bits);
        }
        break;
    default: memcpy(out, in, count * kfk_codec_fixed_sizes[type]); break;
    }
}

typedef struct encoder {
    const kfk_schema *message;
    kfk_gather *out;
    kfk_error *err;
    int16_t version;
    bool flexible;
} encoder;

static int encode_struct(encoder *e, const kfk_schema *s, const void *msg, const kfk_codec_path *up);

static int encode_fail(const encoder *e, const kfk_codec_path *at, int code, const char *why)
{
    char where[KFK_CODEC_WHERE];
    kfk_codec_where(e->message, e->version, at, where, sizeof where);
    return kfk_error_set(e->err, code, "%s%s", where, why);
}

/* A length or count, or -1 for null; `wide`: 32 bits where it is not compact. */
static int encode_length(encoder *e, const kfk_codec_path *at, bool wide, int64_t len)
{
    const kfk_field *f = at->field;
    if (len < 0 && !kfk_versions_have(f->nullable, e->version)) {
        if (f->nullable.max < f->nullable.min) return encode_fail(e, at, KAFKA_EINVAL, "null is not allowed");
        return encode_fail(e, at, KAFKA_EVERSION, "null is not allowed in this version");
    }
    if (e->flexible && !(f->flags & KFK_FIELD_RIGID)) {
        uint8_t *p = kfk_gather_room(e->out, kfk_prim_uvarint_size((uint32_t)(len + 1)));
        if (p) kfk_prim_put_uvarint(p, (uint32_t)(len + 1));
        return 0;
    }
    uint8_t *p = kfk_gather_room(e->out, wide ? 4 : 2);
    if (!p) return 0;
    if (wide)
        kfk_prim_put_be32(p, (uint32_t)len);
    else
        kfk_prim_put_be16(p, (uint16_t)len);
    return 0;
}

static int encode_bytes(encoder *e, const kfk_codec_path *at, const kafka_bytes *b)
{
    bool string = at->field->type == KFK_TYPE_STRING;
    if (!b->data) return encode_length(e, at, !string, -1);
    if (b->len > (string ? (size_t)KFK_CODEC_MAX_STRING : (size_t)INT32_MAX))
        return encode_fail(e, at, KAFKA_EINVAL, string ? "longer than 32767 bytes" : "longer than 2147483647 bytes");
    int err = encode_length(e, at, !string, (int64_t)b->len);
    if (err == 0) kfk_gather_append(e->out, b->data, b->len);
    return err;
}

static int encode_records(encoder *e, const kfk_codec_path *at, const kfk_records *r)
{
    if (r->part_count == 0) return encode_bytes(e, at, &r->bytes);
    if (r->part_count < 0 || !r->parts) return encode_fail(e, at, KAFKA_EINVAL, "a part count without parts");
    size_t len = 0;
    for (int32_t i = 0; i < r->part_count; i++) {
        if (r->parts[i].iov_len > INT32_MAX - len)
            return encode_fail(e, at, KAFKA_EINVAL, "longer than 2147483647 bytes");
        len += r->parts[i].iov_len;
    }
    int err = encode_length(e, at, true, (int64_t)len);
    if (err == 0) kfk_gather_splice(e->out, r->parts, (size_t)r->part_count);
    return err;
}

/* A struct that may be null: a byte says whether it is there. */
static int encode_pointer(encoder *e, const kfk_codec_path *at, const void *value)
{
    const void *msg;
    memcpy(&msg, value, sizeof msg);
    bool may_be_null = kfk_versions_have(at->field->nullable, e->version);
    if (!msg && !may_be_null) return encode_fail(e, at, KAFKA_EVERSION, "null is not allowed in this version");
    if (may_be_null) {
        uint8_t *p = kfk_gather_room(e->out, 1);
        if (p) *p = msg ? 1 : 0xff;
    }
    return msg ? encode_struct(e, at->field->element, msg, at) : 0;
}

static int encode_value(encoder *e, const kfk_codec_path *at, const void *value)
{
    const kfk_field *f = at->field;
    switch (f->type) {
    case KFK_TYPE_STRING:
    case KFK_TYPE_BYTES: return encode_bytes(e, at, value);
    case KFK_TYPE_RECORDS: return encode_records(e, at, value);
    case KFK_TYPE_STRUCT: return encode_struct(e, f->element, value, at);
    default: break;
    }
    uint8_t *p = kfk_gather_room(e->out, kfk_codec_fixed_sizes[f->type]);
    if (p) fixed_put((kfk_type)f->type, value, p, 1);
    return 0;
}

static int encode_array(encoder *e, const kfk_codec_path *at, const void *value)
{
    const kfk_field *f = at->field;
    kfk_array a;
    memcpy(&a, value, sizeof a);
    if (a.count < -1) return encode_fail(e, at, KAFKA_EINVAL, "the count is below -1");
    if (a.count > 0 && !a.items) return encode_fail(e, at, KAFKA_EINVAL, "a count without items");
    int err = encode_length(e, at, true, a.count);
    if (err != 0 || a.count <= 0) return err;
    size_t size = kfk_codec_element_size(f);
    if (kfk_codec_fixed_sizes[f->type]) {
        uint8_t *p = kfk_gather_room(e->out, size * (size_t)a.count);
        if (p) fixed_put((kfk_type)f->type, a.items, p, (size_t)a.count);
        return 0;
    }
    kfk_codec_path element = {at->up, f, 0};
    for (; element.index < a.count && err == 0; element.index++)
        err = encode_value(e, &element, (const char *)a.items + size * (size_t)element.index);
    return err;
}

static int encode_field(encoder *e, const kfk_codec_path *at, const void *msg)
{
    const void *value = kfk_codec_member(msg, at->field);
    if (at->field->flags & KFK_FIELD_ARRAY) return encode_array(e, at, value);
    if (at->field->flags & KFK_FIELD_POINTER) return encode_pointer(e, at, value);
    return encode_value(e, at, value);
}

static void encode_uvarint(encoder *e, uint32_t v)
{
    uint8_t *p = kfk_gather_room(e->out, kfk_prim_uvarint_size(v));
    if (p) kfk_prim_put_uvarint(p, v);
}

/* The tagged fields that are not at their defaults: tag, size, value each. */
static int encode_tags(encoder *e, const kfk_schema *s, const void *msg, const kfk_codec_path *up, uint32_t count)
{
    int err = 0;
    encode_uvarint(e, count);
    for (uint16_t i = 0; i < s->tagged_count && count > 0 && err == 0; i++) {
        const kfk_field *f = &s->fields[s->tagged[i]];
        if (!kfk_versions_have(f->tagged, e->version) || kfk_codec_is_default(s, f, msg)) continue;
        kfk_codec_path at = {up, f, -1};
        encode_uvarint(e, (uint32_t)f->tag);
        kfk_gather_mark mark = kfk_gather_here(e->out);
        err = encode_field(e, &at, msg);
        kfk_gather_prefix_uvarint(e->out, mark);
    }
    return err;
}

static int encode_struct(encoder *e, const kfk_schema *s, const void *msg, const kfk_codec_path *up)
{
    uint32_t tags = 0;
    for (uint16_t i = 0; i < s->field_count; i++) {
        const kfk_field *f = &s->fields[i];
        kfk_codec_path at = {up, f, -1};
        if (!kfk_versions_have(f->versions, e->version)) {
            if (!(f->flags & KFK_FIELD_IGNORABLE) && !kfk_codec_is_default(s, f, msg))
                return encode_fail(e, &at, KAFKA_EVERSION, "a value that this version cannot carry");
        } else if (kfk_versions_have(f->tagged, e->version)) {
            tags += !kfk_codec_is_default(s, f, msg);
        } else {
            int err = encode_field(e, &at, msg);
            if (err != 0) return err;
        }
    }
    return e->flexible ? encode_tags(e, s, msg, up, tags) : 0;
}

int kfk_codec_encode(const kfk_schema *s, int16_t version, const void *msg, kfk_gather *out, kfk_error *err)
{
    encoder e = {s, out, err, version, version >= s->flexible};
    if (!kfk_versions_have(s->versions, version)) return kfk_codec_refuse(s, version, err);
    kfk_gather_mark mark = kfk_gather_here(out);
    int code = encode_struct(&e, s, msg, NULL);
    if (code == 0 && out->buf.err != 0)
        code =
            encode_fail(&e, NULL, out->buf.err, out->buf.err == KAFKA_ENOMEM ? "no memory" : "larger than the limit");
    if (code != 0) kfk_gather_undo(out, mark);
    return code;
}
