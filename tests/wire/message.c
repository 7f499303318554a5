/* message: see message.h. The generator of random messages walks the field tables by itself, apart from the codec: what
 * it knows about null, tags and versions is written a second time here, on purpose. */
#include "support/memcheck.h"

#include "wire/message.h"

#include "wire/api.h"
#include "wire/gen/headers.h"
#include "wire/gen/specimen.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- random messages ---- */

typedef struct maker {
    kfk_rand *r;
    kfk_arena *arena;
    int16_t version;
} maker;

static void make_struct(maker *m, const kfk_schema *s, void *msg);

static void *arena_take(maker *m, size_t size)
{
    void *p = kfk_arena_alloc(m->arena, size);
    assert_non_null(p);
    return p;
}

static kafka_bytes make_bytes(maker *m, bool may_be_null)
{
    uint64_t dice = kfk_rand_below(m->r, 8);
    if (dice == 0 && may_be_null) return (kafka_bytes){NULL, 0};
    size_t len = dice <= 1   ? 0
                 : dice == 7 ? 120 + (size_t)kfk_rand_below(m->r, 200)
                             : 1 + (size_t)kfk_rand_below(m->r, 9);
    uint8_t *p = arena_take(m, len ? len : 1);
    for (size_t i = 0; i < len; i++) p[i] = (uint8_t)kfk_rand_next(m->r);
    return (kafka_bytes){p, len};
}

/* Text that has one form in UTF-8, so that implementations which check it can read these messages. */
static kafka_bytes make_string(maker *m, bool may_be_null)
{
    static const char *const letters[] = {"a", "b", "-", "_", ".", "0", "Z", "\n", "\"", "\xc3\xa9", "\xe2\x82\xac"};
    kafka_bytes b = make_bytes(m, may_be_null);
    if (b.len == 0) return b;
    char *out = arena_take(m, 3 * b.len);
    size_t used = 0;
    for (size_t i = 0; i < b.len; i++) {
        const char *letter = letters[((const uint8_t *)b.data)[i] % (sizeof letters / sizeof *letters)];
        memcpy(out + used, letter, strlen(letter));
        used += strlen(letter);
    }
    return (kafka_bytes){out, used};
}

static kfk_records make_records(maker *m, bool may_be_null)
{
    kfk_records r = {make_bytes(m, may_be_null), NULL, 0};
    if (!r.bytes.data || kfk_rand_below(m->r, 2)) return r;
    /* The same bytes in two or three parts, one of them empty now and then. */
    struct iovec *parts = arena_take(m, 3 * sizeof *parts);
    size_t cut = (size_t)kfk_rand_below(m->r, r.bytes.len + 1);
    union {
        const void *in;
        char *out;
    } base = {.in = r.bytes.data};
    parts[0] = (struct iovec){base.out, cut};
    parts[1] = (struct iovec){base.out, 0};
    parts[2] = (struct iovec){base.out + cut, r.bytes.len - cut};
    return (kfk_records){{NULL, 0}, parts, 3};
}

static void make_fixed(maker *m, const kfk_field *f, void *out)
{
    static const size_t sizes[] = {[KFK_TYPE_BOOL] = 1,   [KFK_TYPE_INT8] = 1,    [KFK_TYPE_INT16] = 2,
                                   [KFK_TYPE_UINT16] = 2, [KFK_TYPE_INT32] = 4,   [KFK_TYPE_UINT32] = 4,
                                   [KFK_TYPE_INT64] = 8,  [KFK_TYPE_FLOAT64] = 8, [KFK_TYPE_UUID] = 16};
    uint8_t bytes[16];
    uint64_t dice = kfk_rand_below(m->r, 8);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = dice == 0 ? 0 : dice == 1 ? 0xff : (uint8_t)kfk_rand_next(m->r);
    if (f->type == KFK_TYPE_BOOL) bytes[0] &= 1;
    memcpy(out, bytes, sizes[f->type]);
}

static void make_value(maker *m, const kfk_field *f, bool may_be_null, void *out)
{
    switch (f->type) {
    case KFK_TYPE_STRING: *(kafka_bytes *)out = make_string(m, may_be_null); break;
    case KFK_TYPE_BYTES: *(kafka_bytes *)out = make_bytes(m, may_be_null); break;
    case KFK_TYPE_RECORDS: *(kfk_records *)out = make_records(m, may_be_null); break;
    case KFK_TYPE_STRUCT: make_struct(m, f->element, out); break;
    default: make_fixed(m, f, out); break;
    }
}

static size_t size_of(const kfk_field *f)
{
    switch (f->type) {
    case KFK_TYPE_STRUCT: return f->element->size;
    case KFK_TYPE_STRING:
    case KFK_TYPE_BYTES: return sizeof(kafka_bytes);
    case KFK_TYPE_RECORDS: return sizeof(kfk_records);
    case KFK_TYPE_UUID: return 16;
    case KFK_TYPE_INT64:
    case KFK_TYPE_FLOAT64: return 8;
    case KFK_TYPE_INT32:
    case KFK_TYPE_UINT32: return 4;
    case KFK_TYPE_INT16:
    case KFK_TYPE_UINT16: return 2;
    default: return 1;
    }
}

static kfk_array make_array(maker *m, const kfk_field *f, bool may_be_null)
{
    uint64_t dice = kfk_rand_below(m->r, 8);
    kfk_array a = {NULL, -1};
    if (dice == 0 && may_be_null) return a;
    a.count = (int32_t)(dice <= 1 ? 0 : 1 + kfk_rand_below(m->r, 3));
    if (dice == 7 && f->type != KFK_TYPE_STRUCT) a.count = 130; /* compact counts of two bytes */
    a.items = arena_take(m, size_of(f) * (size_t)(a.count ? a.count : 1));
    for (int32_t i = 0; i < a.count; i++) make_value(m, f, false, (char *)a.items + size_of(f) * (size_t)i);
    return a;
}

static void make_struct(maker *m, const kfk_schema *s, void *msg)
{
    memcpy(msg, s->defaults, s->size);
    for (uint16_t i = 0; i < s->field_count; i++) {
        const kfk_field *f = &s->fields[i];
        void *out = (char *)msg + f->offset;
        bool may_be_null = m->version >= f->nullable.min && m->version <= f->nullable.max;
        bool tagged = m->version >= f->tagged.min && m->version <= f->tagged.max;
        if (m->version < f->versions.min || m->version > f->versions.max) continue;
        if (tagged && kfk_rand_below(m->r, 2)) continue;
        if (f->flags & KFK_FIELD_ARRAY) {
            kfk_array a = make_array(m, f, may_be_null);
            memcpy(out, &a, sizeof a);
        } else if (f->flags & KFK_FIELD_POINTER) {
            void *p = may_be_null && kfk_rand_below(m->r, 2) ? NULL : arena_take(m, f->element->size);
            memcpy(out, &p, sizeof p);
            if (p) make_struct(m, f->element, p);
        } else {
            make_value(m, f, may_be_null, out);
        }
    }
}

void message_random(kfk_rand *r, kfk_arena *arena, const kfk_schema *s, int16_t version, void *msg)
{
    maker m = {r, arena, version};
    make_struct(&m, s, msg);
}

/* ---- equality ---- */

static bool bytes_equal(kafka_bytes a, kafka_bytes b)
{
    if (!a.data != !b.data) return false;
    return !a.data || (a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
}

/* Records in one piece. */
static kafka_bytes join(const kfk_records *r, uint8_t **made)
{
    *made = NULL;
    if (r->part_count == 0) return r->bytes;
    size_t len = 0;
    for (int32_t i = 0; i < r->part_count; i++) len += r->parts[i].iov_len;
    *made = malloc(len + 1);
    assert_non_null(*made);
    size_t at = 0;
    for (int32_t i = 0; i < r->part_count; i++) {
        memcpy(*made + at, r->parts[i].iov_base, r->parts[i].iov_len);
        at += r->parts[i].iov_len;
    }
    return (kafka_bytes){*made, len};
}

static bool records_equal(const kfk_records *a, const kfk_records *b)
{
    uint8_t *made_a, *made_b;
    bool equal = bytes_equal(join(a, &made_a), join(b, &made_b));
    free(made_a);
    free(made_b);
    return equal;
}

static bool value_equal(const kfk_field *f, const void *a, const void *b)
{
    switch (f->type) {
    case KFK_TYPE_STRING:
    case KFK_TYPE_BYTES: return bytes_equal(*(const kafka_bytes *)a, *(const kafka_bytes *)b);
    case KFK_TYPE_RECORDS: return records_equal(a, b);
    case KFK_TYPE_STRUCT: return message_equal(f->element, a, b);
    default: return memcmp(a, b, size_of(f)) == 0;
    }
}

static bool array_equal(const kfk_field *f, const void *a, const void *b)
{
    kfk_array x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    bool equal = x.count == y.count;
    for (int32_t i = 0; equal && i < x.count; i++) {
        size_t at = size_of(f) * (size_t)i;
        equal = value_equal(f, (char *)x.items + at, (char *)y.items + at);
    }
    return equal;
}

bool message_equal(const kfk_schema *s, const void *a, const void *b)
{
    for (uint16_t i = 0; i < s->field_count; i++) {
        const kfk_field *f = &s->fields[i];
        const void *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
        if (f->flags & KFK_FIELD_ARRAY) {
            if (!array_equal(f, x, y)) return false;
        } else if (f->flags & KFK_FIELD_POINTER) {
            const void *p, *q;
            memcpy(&p, x, sizeof p);
            memcpy(&q, y, sizeof q);
            if (!p != !q || (p && !message_equal(f->element, p, q))) return false;
        } else if (!value_equal(f, x, y)) {
            return false;
        }
    }
    return true;
}

/* ---- bytes ---- */

uint8_t *message_bytes(const kfk_gather *g, size_t *len)
{
    *len = kfk_gather_len(g);
    uint8_t *out = malloc(*len ? *len : 1);
    assert_non_null(out);
    kfk_gather_copy(g, out);
    return out;
}

uint8_t *message_encode(const kfk_schema *s, int16_t version, const void *msg, size_t *len)
{
    kfk_gather g;
    kfk_error err = {0};
    kfk_gather_init(&g, SIZE_MAX);
    if (kfk_codec_encode(s, version, msg, &g, &err) != 0) fail_msg("%s", err.text);
    uint8_t *out = message_bytes(&g, len);
    kfk_gather_fini(&g);
    return out;
}

static uint8_t hex_digit(char c)
{
    return (uint8_t)(c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0');
}

uint8_t *message_hex(const char *hex, size_t *len)
{
    uint8_t *wide = malloc(strlen(hex) / 2 + 1);
    assert_non_null(wide);
    *len = 0;
    for (; *hex; hex++) {
        if (*hex == ' ' || *hex == '\n') continue;
        wide[(*len)++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
        hex++;
    }
    uint8_t *out = malloc(*len ? *len : 1);
    assert_non_null(out);
    memcpy(out, wide, *len);
    free(wide);
    return out;
}

void message_assert_hex(const uint8_t *data, size_t len, const char *hex)
{
    size_t wanted_len;
    uint8_t *wanted = message_hex(hex, &wanted_len);
    for (size_t i = 0; i < len && i < wanted_len; i++) {
        if (data[i] != wanted[i]) print_error("byte %zu is %02x instead of %02x\n", i, data[i], wanted[i]);
    }
    assert_int_equal(len, wanted_len);
    assert_memory_equal(data, wanted, len);
    free(wanted);
}

/* ---- seeds, rows ---- */

uint64_t message_seed(void)
{
    const char *text = getenv("KFK_SEED");
    return text ? strtoull(text, NULL, 0) : 1;
}

void message_fail(const char *what, const kfk_schema *s, int16_t version, uint64_t seed, const kfk_error *err)
{
    fail_msg("%s v%d: %s (%s). Again: KFK_SEED=%" PRIu64, s->name, version, what,
             err && err->code ? err->text : "no error", seed);
}

const kfk_schema *message_row(size_t i)
{
    static const kfk_schema *const others[] = {&kfk_request_header_schema, &kfk_response_header_schema,
                                               &kfk_specimen_schema};
    if (i < 2 * (size_t)KFK_API_COUNT) {
        const kfk_api *api = kfk_api_row(i / 2);
        return i % 2 ? api->response : api->request;
    }
    i -= 2 * (size_t)KFK_API_COUNT;
    return i < sizeof others / sizeof *others ? others[i] : NULL;
}
