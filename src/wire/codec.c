/* codec: what the walks share: sizes, defaults, and where in a message an error is.
 *
 * Defaults are constant structs that the generator wrote, so setting them is a copy, and "is this field at its default"
 * compares with the same bytes; only what is behind a pointer needs a rule: a string by null or empty, an array by its
 * count alone (no array has elements by default), a nullable struct by being null. */
#include "wire/codec.h"
#include "wire/codec_walk.h"
#include <stdio.h>
#include <string.h>

const uint8_t kfk_codec_fixed_sizes[] = {
    [KFK_TYPE_BOOL] = 1,   [KFK_TYPE_INT8] = 1,  [KFK_TYPE_INT16] = 2,   [KFK_TYPE_UINT16] = 2, [KFK_TYPE_INT32] = 4,
    [KFK_TYPE_UINT32] = 4, [KFK_TYPE_INT64] = 8, [KFK_TYPE_FLOAT64] = 8, [KFK_TYPE_UUID] = 16,  [KFK_TYPE_STRUCT] = 0,
};
_Static_assert(sizeof(bool) == 1 && sizeof(double) == 8 && sizeof(kfk_uuid) == 16, "fixed types have one size");

size_t kfk_codec_element_size(const kfk_field *f)
{
    switch (f->type) {
    case KFK_TYPE_STRUCT: return f->element->size;
    case KFK_TYPE_STRING:
    case KFK_TYPE_BYTES: return sizeof(kafka_bytes);
    case KFK_TYPE_RECORDS: return sizeof(kfk_records);
    default: return kfk_codec_fixed_sizes[f->type];
    }
}

/* ---- where an error is ---- */

static size_t path_print(const kfk_codec_path *p, char *out, size_t size)
{
    if (!p) return 0;
    size_t used = path_print(p->up, out, size);
    if (used >= size) return used;
    int n = p->index < 0 ? snprintf(out + used, size - used, "%s%s", p->up ? "." : "", p->field->name)
                         : snprintf(out + used, size - used, "%s%s[%d]", p->up ? "." : "", p->field->name, p->index);
    return used + (n > 0 ? (size_t)n : 0);
}

void kfk_codec_where(const kfk_schema *message, int16_t version, const kfk_codec_path *at, char *out, size_t size)
{
    int n = snprintf(out, size, "%s v%d: ", message->name, version);
    size_t used = n > 0 ? (size_t)n : 0;
    if (!at || used >= size) return;
    used += path_print(at, out + used, size - used);
    if (used < size) snprintf(out + used, size - used, ": ");
}

int kfk_codec_refuse(const kfk_schema *s, int16_t version, kfk_error *err)
{
    return kfk_error_set(err, KAFKA_EVERSION, "%s v%d: only versions %d to %d are known", s->name, version,
                         s->versions.min, s->versions.max);
}

/* ---- defaults ---- */

void kfk_codec_default(const kfk_schema *s, void *msg)
{
    memcpy(msg, s->defaults, s->size);
}

static bool bytes_default(const void *value, const void *standard)
{
    kafka_bytes v, d;
    memcpy(&v, value, sizeof v);
    memcpy(&d, standard, sizeof d);
    return d.data ? v.data && v.len == 0 : !v.data;
}

static bool struct_default(const kfk_schema *s, const void *value)
{
    for (uint16_t i = 0; i < s->field_count; i++) {
        if (!kfk_codec_is_default(s, &s->fields[i], value)) return false;
    }
    return true;
}

bool kfk_codec_is_default(const kfk_schema *s, const kfk_field *f, const void *msg)
{
    const void *value = kfk_codec_member(msg, f), *standard = kfk_codec_member(s->defaults, f);
    if (f->flags & KFK_FIELD_ARRAY) {
        kfk_array v, d;
        memcpy(&v, value, sizeof v);
        memcpy(&d, standard, sizeof d);
        return v.count == d.count;
    }
    if (f->flags & KFK_FIELD_POINTER) {
        void *p;
        memcpy(&p, value, sizeof p);
        return !p;
    }
    switch (f->type) {
    case KFK_TYPE_STRING:
    case KFK_TYPE_BYTES: return bytes_default(value, standard);
    case KFK_TYPE_RECORDS: return ((const kfk_records *)value)->part_count == 0 && bytes_default(value, standard);
    case KFK_TYPE_STRUCT: return struct_default(f->element, value);
    default: return memcmp(value, standard, kfk_codec_fixed_sizes[f->type]) == 0;
    }
}
