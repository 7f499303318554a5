/* See the header. What fails here ends the program: it is no test's subject. */
#include "support/batches.h"
#include "base/crc32c.h"
#include "wire/compress.h"
#include "wire/prim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *room(batch_bytes *b, size_t more)
{
    if (b->cap - b->len < more) {
        b->cap = 2 * b->cap + more;
        b->data = realloc(b->data, b->cap);
        if (b->data == NULL) abort();
    }
    return b->data + b->len;
}

static void put(batch_bytes *b, const void *bytes, size_t len)
{
    if (len == 0) return;
    memcpy(room(b, len), bytes, len);
    b->len += len;
}

static void put_varint(batch_bytes *b, int64_t v)
{
    b->len += kfk_prim_put_varlong(room(b, 10), v);
}

/* A range with its length; NULL is null. */
static void put_bytes(batch_bytes *b, const void *bytes, size_t len)
{
    put_varint(b, bytes != NULL ? (int64_t)len : -1);
    if (bytes != NULL) put(b, bytes, len);
}

static void put_record(batch_bytes *b, int64_t time_delta, int64_t offset_delta, kafka_bytes key, kafka_bytes value,
                       int headers)
{
    batch_bytes r = {0};
    put(&r, "", 1); /* attributes */
    put_varint(&r, time_delta);
    put_varint(&r, offset_delta);
    put_bytes(&r, key.data, key.len);
    put_bytes(&r, value.data, value.len);
    put_varint(&r, headers);
    for (int i = 0; i < headers; i++) {
        put_bytes(&r, "h", 1);
        put_bytes(&r, i % 2 == 0 ? "1" : NULL, 1);
    }
    put_bytes(b, r.data, r.len);
    batch_free(&r);
}

static void compress_body(int codec, batch_bytes *body)
{
    kfk_buf out;
    kfk_buf_init(&out, SIZE_MAX);
    struct iovec all = {body->data, body->len};
    if (kfk_compress(codec, 0, &all, 1, &out, NULL) != 0) abort();
    body->len = 0;
    put(body, out.data, out.len);
    kfk_buf_fini(&out);
}

/* Header and body, as a batch. */
static size_t put_batch(batch_bytes *to, const batch_spec *s, int32_t last_delta, int count, const batch_bytes *body)
{
    size_t at = to->len;
    int64_t time_ms = s->time_ms != 0 ? s->time_ms : 1000;
    uint8_t *h = memset(room(to, KFK_RECORD_HEADER), 0, KFK_RECORD_HEADER);
    kfk_prim_put_be64(h, (uint64_t)s->base);
    kfk_prim_put_be32(h + 8, (uint32_t)(49 + body->len));
    kfk_prim_put_be32(h + 12, (uint32_t)s->leader_epoch);
    h[16] = 2;
    kfk_prim_put_be16(h + 21, (uint16_t)(s->attributes | s->codec));
    kfk_prim_put_be32(h + 23, (uint32_t)last_delta);
    kfk_prim_put_be64(h + 27, (uint64_t)time_ms);
    kfk_prim_put_be64(h + 35, (uint64_t)(time_ms + (count > 0 ? count - 1 : 0)));
    kfk_prim_put_be64(h + 43, (uint64_t)(s->producer_id != 0 ? s->producer_id : -1));
    kfk_prim_put_be32(h + 53, UINT32_MAX);
    kfk_prim_put_be32(h + 57, (uint32_t)count);
    to->len += KFK_RECORD_HEADER;
    put(to, body->data, body->len);
    batch_seal(to, at);
    return at;
}

void batch_seal(batch_bytes *of, size_t at)
{
    uint8_t *h = of->data + at;
    size_t size = 12 + (size_t)kfk_prim_get_be32(h + 8);
    kfk_prim_put_be32(h + 17, kfk_crc32c(0, h + 21, size - 21));
}

int batch_some_codec(void)
{
    for (int code = KFK_CODEC_GZIP; code <= KFK_CODEC_ZSTD; code++) {
        if (kfk_compress_find(code) != NULL) return code;
    }
    return KFK_CODEC_NONE;
}

size_t batch_append(batch_bytes *to, const batch_spec *s)
{
    batch_bytes body = {0};
    int step = s->step != 0 ? s->step : 1, last = s->count > 0 ? (s->count - 1) * step : -1;
    for (int i = 0; i < s->count; i++) {
        char text[32];
        size_t len = (size_t)snprintf(text, sizeof text, "v%lld", (long long)(s->base + i * step));
        char *value = text;
        if (s->value_size > 0) value = memset(malloc(len = (size_t)s->value_size), 'x', (size_t)s->value_size);
        put_record(&body, i, i * step, (kafka_bytes){NULL, 0}, (kafka_bytes){value, len}, s->headers);
        if (value != text) free(value);
    }
    if (s->codec != 0 && s->count > 0) compress_body(s->codec, &body);
    size_t at = put_batch(to, s, last + s->tail, s->count, &body);
    batch_free(&body);
    return at;
}

size_t batch_append_body(batch_bytes *to, const batch_spec *s, const void *bytes, size_t len)
{
    batch_bytes body = {0};
    put(&body, bytes, len);
    size_t at = put_batch(to, s, s->count > 0 ? s->count - 1 + s->tail : s->tail, s->count, &body);
    batch_free(&body);
    return at;
}

size_t batch_append_marker(batch_bytes *to, int64_t offset, int64_t producer_id, int16_t type)
{
    batch_bytes body = {0};
    uint8_t key[4] = {0}, value[6] = {0};
    kfk_prim_put_be16(key + 2, (uint16_t)type);
    put_record(&body, 0, 0, (kafka_bytes){key, sizeof key}, (kafka_bytes){value, sizeof value}, 0);
    batch_spec s = {.base = offset, .producer_id = producer_id, .attributes = 0x30};
    size_t at = put_batch(to, &s, 0, 1, &body);
    batch_free(&body);
    return at;
}

void batch_free(batch_bytes *b)
{
    free(b->data);
    *b = (batch_bytes){0};
}
