/* codec_print: a message as one line of text, for logs, tools and failing tests.
 *
 * Meant to be read: what says nothing is left out (see `is_quiet`), what is long is cut and its size noted, record data
 * shows as a size only. Meant to be safe on a terminal and in a log: what is not printable ASCII is escaped. Topic ids
 * appear as Kafka's own tools print them, base64 in the URL alphabet, so that they can be searched for. */
#include "wire/codec.h"
#include "wire/codec_walk.h"
#include <inttypes.h>
#include <string.h>

/* Where strings (in bytes), bytes and arrays (in elements) are cut. */
enum { MAX_STRING = 256, MAX_BYTES = 32, MAX_ELEMENTS = 64 };

typedef struct printer {
    kfk_buf *out;
    int16_t version;
} printer;

static void print_struct(printer *p, const kfk_schema *s, const void *msg);

static void text(printer *p, const char *s)
{
    kfk_buf_append(p->out, s, strlen(s));
}

int kfk_codec_print_string(kafka_bytes b, kfk_buf *out)
{
    const uint8_t *data = b.data;
    size_t shown = b.len > MAX_STRING ? MAX_STRING : b.len;
    kfk_buf_append(out, "\"", 1);
    for (size_t i = 0; i < shown; i++) {
        if (data[i] == '"' || data[i] == '\\')
            kfk_buf_printf(out, "\\%c", data[i]);
        else if (data[i] < 0x20 || data[i] > 0x7e)
            kfk_buf_printf(out, "\\x%02x", data[i]);
        else
            kfk_buf_append(out, data + i, 1);
    }
    kfk_buf_append(out, "\"", 1);
    if (shown < b.len) kfk_buf_printf(out, "...(%zu bytes)", b.len);
    return out->err;
}

static void print_bytes(printer *p, kafka_bytes b)
{
    const uint8_t *data = b.data;
    size_t shown = b.len > MAX_BYTES ? MAX_BYTES : b.len;
    text(p, "0x");
    for (size_t i = 0; i < shown; i++) kfk_buf_printf(p->out, "%02x", data[i]);
    if (shown < b.len) kfk_buf_printf(p->out, "...(%zu bytes)", b.len);
}

static void print_records(printer *p, const kfk_records *r)
{
    size_t len = r->bytes.len;
    if (r->part_count > 0) len = 0;
    for (int32_t i = 0; i < r->part_count; i++) len += r->parts[i].iov_len;
    if (r->part_count > 0 || r->bytes.data)
        kfk_buf_printf(p->out, "<%zu bytes>", len);
    else
        text(p, "null");
}

static void print_uuid(printer *p, const kfk_uuid *id)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char out[23];
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        bits = (bits << 8 | id->bytes[i]) & 0xffff;
        for (have += 8; have >= 6; have -= 6) out[n++] = digits[(bits >> (have - 6)) & 63];
    }
    out[n++] = digits[(bits << (6 - have)) & 63];
    out[n] = 0;
    text(p, out);
}

static void print_number(printer *p, kfk_type type, const void *value)
{
    switch (type) {
    case KFK_TYPE_BOOL: text(p, *(const bool *)value ? "true" : "false"); break;
    case KFK_TYPE_INT8: kfk_buf_printf(p->out, "%d", *(const int8_t *)value); break;
    case KFK_TYPE_INT16: kfk_buf_printf(p->out, "%d", *(const int16_t *)value); break;
    case KFK_TYPE_UINT16: kfk_buf_printf(p->out, "%u", *(const uint16_t *)value); break;
    case KFK_TYPE_INT32: kfk_buf_printf(p->out, "%" PRId32, *(const int32_t *)value); break;
    case KFK_TYPE_UINT32: kfk_buf_printf(p->out, "%" PRIu32, *(const uint32_t *)value); break;
    case KFK_TYPE_INT64: kfk_buf_printf(p->out, "%" PRId64, *(const int64_t *)value); break;
    case KFK_TYPE_FLOAT64: kfk_buf_printf(p->out, "%.17g", *(const double *)value); break;
    default: print_uuid(p, value); break;
    }
}

static void print_value(printer *p, const kfk_field *f, const void *value)
{
    kafka_bytes b = {NULL, 0};
    switch (f->type) {
    case KFK_TYPE_STRING:
    case KFK_TYPE_BYTES:
        memcpy(&b, value, sizeof b);
        if (!b.data)
            text(p, "null");
        else if (f->type == KFK_TYPE_STRING)
            kfk_codec_print_string(b, p->out);
        else
            print_bytes(p, b);
        break;
    case KFK_TYPE_RECORDS: print_records(p, value); break;
    case KFK_TYPE_STRUCT:
        text(p, "{");
        print_struct(p, f->element, value);
        text(p, "}");
        break;
    default: print_number(p, (kfk_type)f->type, value); break;
    }
}

static void print_field(printer *p, const kfk_field *f, const void *value)
{
    if (f->flags & KFK_FIELD_POINTER) {
        const void *msg;
        memcpy(&msg, value, sizeof msg);
        if (msg)
            print_value(p, f, msg);
        else
            text(p, "null");
        return;
    }
    if (!(f->flags & KFK_FIELD_ARRAY)) {
        print_value(p, f, value);
        return;
    }
    kfk_array a;
    memcpy(&a, value, sizeof a);
    if (a.count < 0) {
        text(p, "null");
        return;
    }
    text(p, "[");
    for (int32_t i = 0; i < a.count && i < MAX_ELEMENTS; i++) {
        if (i > 0) text(p, ", ");
        print_value(p, f, (const char *)a.items + kfk_codec_element_size(f) * (size_t)i);
    }
    if (a.count > MAX_ELEMENTS) kfk_buf_printf(p->out, ", ...(%" PRId32 " elements)", a.count);
    text(p, "]");
}

/* At a default that tells the reader nothing. Numbers and arrays always tell something. */
static bool is_quiet(const printer *p, const kfk_schema *s, const kfk_field *f, const void *msg)
{
    if (!kfk_codec_is_default(s, f, msg)) return false;
    if (kfk_versions_have(f->tagged, p->version) || (f->flags & KFK_FIELD_POINTER)) return true;
    if (f->flags & KFK_FIELD_ARRAY) return ((const kfk_array *)kfk_codec_member(s->defaults, f))->count < 0;
    switch (f->type) {
    case KFK_TYPE_BOOL: return !*(const bool *)kfk_codec_member(s->defaults, f);
    case KFK_TYPE_UUID:
    case KFK_TYPE_STRING:
    case KFK_TYPE_BYTES:
    case KFK_TYPE_RECORDS: return true;
    default: return false;
    }
}

static void print_struct(printer *p, const kfk_schema *s, const void *msg)
{
    bool first = true;
    for (uint16_t i = 0; i < s->field_count; i++) {
        const kfk_field *f = &s->fields[i];
        if (!kfk_versions_have(f->versions, p->version) || is_quiet(p, s, f, msg)) continue;
        if (!first) text(p, ", ");
        first = false;
        text(p, f->name);
        text(p, "=");
        print_field(p, f, kfk_codec_member(msg, f));
    }
}

int kfk_codec_print(const kfk_schema *s, int16_t version, const void *msg, kfk_buf *out)
{
    printer p = {out, version};
    if (!kfk_versions_have(s->versions, version)) return KAFKA_EVERSION;
    kfk_buf_printf(out, "%s v%d: ", s->name, version);
    print_struct(&p, s, msg);
    return out->err;
}
