/* codec_decode: bytes to structs.
 *
 * A walk over the fields that the version has, in order, then, in flexible versions, the tagged ones. The reader is
 * sticky and is asked once after each field; what it says gets the field's path.
 *
 * Nothing from the peer is believed: a length is compared with what is left, a count with what is left divided by the
 * least size of an element, before memory is asked for; a tagged field is read with the reader's end moved to its own.
 * What then is allocated is at most a small multiple of the frame, and the arena's budget bounds that too.
 *
 * A struct begins as a copy of the schema's default struct, so fields that the version lacks need no attention. */
#include "wire/codec.h"
#include "wire/codec_walk.h"
#include "wire/prim.h"
#include <string.h>

static void fixed_get(kfk_type type, const uint8_t *in, void *out, size_t count)
{
    switch (type) {
    case KFK_TYPE_BOOL:
        for (size_t i = 0; i < count; i++) ((bool *)out)[i] = in[i] != 0;
        break;
    case KFK_TYPE_INT16:
    case KFK_TYPE_UINT16:
        for (size_t i = 0; i < count; i++) ((uint16_t *)out)[i] = kfk_prim_get_be16(in + 2 * i);
        break;
    case KFK_TYPE_INT32:
    case KFK_TYPE_UINT32:
        for (size_t i = 0; i < count; i++) ((uint32_t *)out)[i] = kfk_prim_get_be32(in + 4 * i);
        break;
    case KFK_TYPE_INT64:
        for (size_t i = 0; i < count; i++) ((uint64_t *)out)[i] = kfk_prim_get_be64(in + 8 * i);
        break;
    case KFK_TYPE_FLOAT64:
        for (size_t i = 0; i < count; i++) {
            uint64_t bits = kfk_prim_get_be64(in + 8 * i);
            memcpy((double *)out + i, &bits, sizeof bits);
        }
        break;
    default: memcpy(out, in, count * kfk_codec_fixed_sizes[type]); break;
    }
}

typedef struct decoder {
    kfk_reader in;
    const kfk_schema *message;
    kfk_arena *arena;
    kfk_error *err;
    int16_t version;
    bool flexible;
} decoder;

static int decode_struct(decoder *d, const kfk_schema *s, void *msg, const kfk_codec_path *up);

/* What the reader found wrong, with the field. */
static int decode_fail(const decoder *d, const kfk_codec_path *at)
{
    char where[KFK_CODEC_WHERE], why[96];
    kfk_codec_where(d->message, d->version, at, where, sizeof where);
    kfk_reader_explain(&d->in, why, sizeof why);
    return kfk_error_set(d->err, KAFKA_EPROTO, "%s%s (byte %zu)", where, why, kfk_reader_offset(&d->in));
}

static int decode_memory(const decoder *d, const kfk_codec_path *at)
{
    char where[KFK_CODEC_WHERE];
    kfk_codec_where(d->message, d->version, at, where, sizeof where);
    if (d->arena->err == KAFKA_ENOMEM) return kfk_error_set(d->err, KAFKA_ENOMEM, "%sno memory", where);
    return kfk_error_set(d->err, KAFKA_ETOOBIG, "%smore than the %zu bytes that a message may take decoded (byte %zu)",
                         where, d->arena->budget, kfk_reader_offset(&d->in));
}

/* A length or count; -1 = null, also after a failure. */
static int64_t decode_length(decoder *d, const kfk_field *f, bool wide, kfk_reader_why why)
{
    int64_t len;
    if (d->flexible && !(f->flags & KFK_FIELD_RIGID))
        len = (int64_t)kfk_reader_uvarint(&d->in) - 1;
    else
        len = wide ? kfk_reader_int32(&d->in) : kfk_reader_int16(&d->in);
    if (len >= 0 || !kfk_reader_ok(&d->in)) return len;
    if (len < -1)
        kfk_reader_fail(&d->in, why, len);
    else if (!kfk_versions_have(f->nullable, d->version))
        kfk_reader_fail(&d->in, KFK_READER_NULL, 0);
    return -1;
}

static void decode_bytes(decoder *d, const kfk_field *f, kafka_bytes *out)
{
    bool string = f->type == KFK_TYPE_STRING;
    int64_t len = decode_length(d, f, !string, KFK_READER_LENGTH);
    *out = (kafka_bytes){NULL, 0};
    if (len < 0 || !kfk_reader_ok(&d->in)) return;
    if (string && len > KFK_CODEC_MAX_STRING) {
        kfk_reader_fail(&d->in, KFK_READER_LENGTH, len);
        return;
    }
    const uint8_t *p = kfk_reader_take(&d->in, (size_t)len);
    if (p) *out = (kafka_bytes){p, (size_t)len};
}

static int decode_pointer(decoder *d, const kfk_codec_path *at, void *value)
{
    const kfk_schema *s = at->field->element;
    if (kfk_versions_have(at->field->nullable, d->version)) {
        int8_t mark = kfk_reader_int8(&d->in);
        if (mark == -1 || !kfk_reader_ok(&d->in)) return 0;
        if (mark != 1) {
            kfk_reader_fail(&d->in, KFK_READER_LENGTH, mark);
            return 0;
        }
    }
    void *msg = kfk_arena_alloc(d->arena, s->size);
    if (!msg) return decode_memory(d, at);
    memcpy(value, &msg, sizeof msg);
    kfk_codec_default(s, msg);
    return decode_struct(d, s, msg, at);
}

static int decode_value(decoder *d, const kfk_codec_path *at, void *value)
{
    const kfk_field *f = at->field;
    switch (f->type) {
    case KFK_TYPE_STRING:
    case KFK_TYPE_BYTES: decode_bytes(d, f, value); return 0;
    case KFK_TYPE_RECORDS: decode_bytes(d, f, &((kfk_records *)value)->bytes); return 0;
    case KFK_TYPE_STRUCT: return decode_struct(d, f->element, value, at);
    default: break;
    }
    const uint8_t *p = kfk_reader_take(&d->in, kfk_codec_fixed_sizes[f->type]);
    if (p) fixed_get((kfk_type)f->type, p, value, 1);
    return 0;
}

/* Least bytes of an element, at least 1: what a count is multiplied with before it is believed. */
static size_t element_least(const decoder *d, const kfk_field *f)
{
    switch (f->type) {
    case KFK_TYPE_STRUCT: return f->element->min_sizes[d->version - f->element->versions.min];
    case KFK_TYPE_STRING: return d->flexible && !(f->flags & KFK_FIELD_RIGID) ? 1 : 2;
    case KFK_TYPE_BYTES:
    case KFK_TYPE_RECORDS: return d->flexible && !(f->flags & KFK_FIELD_RIGID) ? 1 : 4;
    default: return kfk_codec_fixed_sizes[f->type];
    }
}

static int decode_elements(decoder *d, const kfk_codec_path *at, kfk_array *a)
{
    const kfk_field *f = at->field;
    size_t size = kfk_codec_element_size(f), count = (size_t)a->count;
    if (kfk_codec_fixed_sizes[f->type]) {
        const uint8_t *p = kfk_reader_take(&d->in, size * count);
        if (p) fixed_get((kfk_type)f->type, p, a->items, count);
        return 0;
    }
    kfk_codec_path element = {at->up, f, 0};
    for (; element.index < a->count; element.index++) {
        void *value = (char *)a->items + size * (size_t)element.index;
        if (f->type == KFK_TYPE_STRUCT) kfk_codec_default(f->element, value);
        int err = decode_value(d, &element, value);
        if (err != 0) return err;
        if (!kfk_reader_ok(&d->in)) return decode_fail(d, &element);
    }
    return 0;
}

static int decode_array(decoder *d, const kfk_codec_path *at, void *value)
{
    const kfk_field *f = at->field;
    int64_t count = decode_length(d, f, true, KFK_READER_COUNT);
    if (!kfk_reader_ok(&d->in)) return 0;
    kfk_array a = {NULL, -1};
    if (count >= 0) {
        if (count > INT32_MAX || (uint64_t)count > kfk_reader_left(&d->in) / element_least(d, f)) {
            kfk_reader_fail(&d->in, KFK_READER_COUNT, count);
            return 0;
        }
        a.count = (int32_t)count;
        if (count > 0 && !(a.items = kfk_arena_array(d->arena, (size_t)count, kfk_codec_element_size(f))))
            return decode_memory(d, at);
    }
    memcpy(value, &a, sizeof a);
    return count > 0 ? decode_elements(d, at, &a) : 0;
}

static int decode_field(decoder *d, const kfk_codec_path *at, void *msg)
{
    void *value = kfk_codec_member_mut(msg, at->field);
    int err;
    if (at->field->flags & KFK_FIELD_ARRAY)
        err = decode_array(d, at, value);
    else if (at->field->flags & KFK_FIELD_POINTER)
        err = decode_pointer(d, at, value);
    else
        err = decode_value(d, at, value);
    return err == 0 && !kfk_reader_ok(&d->in) ? decode_fail(d, at) : err;
}

static const kfk_field *find_tagged(const decoder *d, const kfk_schema *s, uint32_t tag)
{
    for (uint16_t i = 0; i < s->tagged_count; i++) {
        const kfk_field *f = &s->fields[s->tagged[i]];
        if ((uint32_t)f->tag == tag && kfk_versions_have(f->tagged, d->version)) return f;
    }
    return NULL;
}

/* A known tagged field: it must fill its `size` bytes exactly. */
static int decode_tagged(decoder *d, const kfk_field *f, uint32_t size, void *msg, const kfk_codec_path *up)
{
    kfk_codec_path at = {up, f, -1};
    const uint8_t *end = d->in.end;
    d->in.end = d->in.pos + size;
    int err = decode_field(d, &at, msg);
    if (err == 0 && kfk_reader_left(&d->in) > 0) {
        kfk_reader_fail(&d->in, KFK_READER_LEFTOVER, (int64_t)kfk_reader_left(&d->in));
        err = decode_fail(d, &at);
    }
    d->in.end = end;
    return err;
}

static int decode_tags(decoder *d, const kfk_schema *s, void *msg, const kfk_codec_path *up)
{
    uint32_t count = kfk_reader_uvarint(&d->in);
    int64_t last = -1;
    int err = 0;
    if (count > KFK_CODEC_MAX_TAGS || count > kfk_reader_left(&d->in) / 2)
        kfk_reader_fail(&d->in, KFK_READER_TAGS, count);
    for (uint32_t i = 0; i < count && err == 0 && kfk_reader_ok(&d->in); i++) {
        uint32_t tag = kfk_reader_uvarint(&d->in), size = kfk_reader_uvarint(&d->in);
        if (!kfk_reader_ok(&d->in)) break;
        const kfk_field *f = find_tagged(d, s, tag);
        if ((int64_t)tag <= last)
            kfk_reader_fail(&d->in, KFK_READER_ORDER, tag);
        else if (!f || size > kfk_reader_left(&d->in))
            kfk_reader_take(&d->in, size);
        else
            err = decode_tagged(d, f, size, msg, up);
        last = tag;
    }
    return err == 0 && !kfk_reader_ok(&d->in) ? decode_fail(d, up) : err;
}

static int decode_struct(decoder *d, const kfk_schema *s, void *msg, const kfk_codec_path *up)
{
    for (uint16_t i = 0; i < s->field_count; i++) {
        const kfk_field *f = &s->fields[i];
        if (!kfk_versions_have(f->versions, d->version) || kfk_versions_have(f->tagged, d->version)) continue;
        kfk_codec_path at = {up, f, -1};
        int err = decode_field(d, &at, msg);
        if (err != 0) return err;
    }
    return d->flexible ? decode_tags(d, s, msg, up) : 0;
}

int kfk_codec_decode_prefix(const kfk_schema *s, int16_t version, kfk_arena *arena, const void *data, size_t len,
                            void *msg, size_t *used, kfk_error *err)
{
    decoder d = {.message = s, .arena = arena, .err = err, .version = version, .flexible = version >= s->flexible};
    *used = 0;
    kfk_codec_default(s, msg);
    if (!kfk_versions_have(s->versions, version)) return kfk_codec_refuse(s, version, err);
    kfk_reader_init(&d.in, data, len);
    int code = decode_struct(&d, s, msg, NULL);
    if (code == 0)
        *used = kfk_reader_offset(&d.in);
    else
        kfk_codec_default(s, msg);
    return code;
}

int kfk_codec_decode(const kfk_schema *s, int16_t version, kfk_arena *arena, const void *data, size_t len, void *msg,
                     kfk_error *err)
{
    size_t used;
    int code = kfk_codec_decode_prefix(s, version, arena, data, len, msg, &used, err);
    if (code != 0 || used == len) return code;
    kfk_codec_default(s, msg);
    return kfk_error_set(err, KAFKA_EPROTO, "%s v%d: %zu bytes left over (byte %zu)", s->name, version, len - used,
                         used);
}
