/* Messages that can be told apart and made again, and a reader that takes a sealed batch to pieces as a broker or a
 * consumer would. For tests of what stands between the application's message and the batch on the wire.
 *
 * Nothing here asserts: it may run on any thread. What differs is counted, and the first difference is kept as
 * words. */
#ifndef KAFKA_TESTS_ENGINE_APPENDED_H
#define KAFKA_TESTS_ENGINE_APPENDED_H
#include "base/crc32c.h"
#include "engine/accum.h"
#include "engine/seal.h"
#include "wire/compress.h"
#include "wire/prim.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { APPENDED_POOL = 1 << 19, APPENDED_SIDE = 24, APPENDED_HEADERS = 3 };
#define APPENDED_NOW INT64_C(1700000000000)

/* A message with everything it refers to. */
typedef struct appended {
    kafka_message m;
    int64_t timestamp;
    uint8_t key[8]; /* who wrote it, and its number */
    kafka_header headers[APPENDED_HEADERS];
    uint64_t side[APPENDED_SIDE / 8];
} appended;

/* How messages are shaped: the value's length is below `most`, one in `large` (0 = none) has `large_bytes`. */
typedef struct appended_shape {
    size_t most;
    unsigned large;
    size_t large_bytes;
    bool headers;
} appended_shape;

static inline uint64_t appended_mix(uint64_t x)
{
    x ^= x >> 31;
    x *= UINT64_C(0x7fb5d329728ea185);
    x ^= x >> 27;
    x *= UINT64_C(0x81dadef4bc2dd44d);
    return x ^ x >> 33;
}

/* Text that compresses to about a half. */
static inline const uint8_t *appended_pool(void)
{
    static uint8_t pool[APPENDED_POOL];
    static _Atomic int made; /* 1 = somebody makes it, 2 = it is there */
    int none = 0;
    if (atomic_compare_exchange_strong(&made, &none, 1)) {
        for (size_t i = 0; i < sizeof pool; i++) pool[i] = (uint8_t)("abcdefghijklmnop"[appended_mix(i) & 15]);
        atomic_store(&made, 2);
    }
    while (atomic_load(&made) != 2) continue;
    return pool;
}

/* Message `number` of `writer`, always the same. */
static inline void appended_make(appended *a, uint32_t writer, uint32_t number, const appended_shape *shape)
{
    uint64_t chance = appended_mix((uint64_t)writer << 32 | number);
    size_t len = (chance >> 8) % shape->most;
    memset(a, 0, sizeof *a);
    if (shape->large != 0 && chance % shape->large == 0) len = shape->large_bytes;
    kfk_prim_put_be32(a->key, writer);
    kfk_prim_put_be32(a->key + 4, number);
    a->m.key = (kafka_bytes){a->key, sizeof a->key};
    a->m.value = (kafka_bytes){appended_pool() + chance % 1000, len};
    if (chance >> 40 & 1 && len % 16 == 0) a->m.value = (kafka_bytes){NULL, 0};
    a->timestamp = APPENDED_NOW + (int64_t)(chance >> 50) % 500 - 100;
    if (shape->headers && chance >> 32 & 1) {
        a->headers[0] = (kafka_header){"trace", {a->key, 8}};
        a->headers[1] = (kafka_header){"", {NULL, 0}};
        a->headers[2] = (kafka_header){"trace", {"", 0}};
        a->m.headers = a->headers;
        a->m.header_count = 1 + (chance >> 33) % APPENDED_HEADERS;
    }
    for (unsigned i = 0; i < APPENDED_SIDE / 8; i++) a->side[i] = chance + i;
}

/* ---- what is read ------------------------------------------------------------------------------------------------ */

enum { APPENDED_WRITERS = 8 };

/* What came out of one partition so far. */
typedef struct appended_log {
    const appended_shape *shape;
    uint32_t next[APPENDED_WRITERS]; /* each writer's next number, */
    uint32_t step[APPENDED_WRITERS]; /* which grows by one, or by that; 0 = it may only grow */
    int64_t messages, batches, bytes;
    size_t batch_bytes;
    size_t bad;
    char why[KFK_ERROR_TEXT + 100];
} appended_log;

#define APPENDED_BAD(log, ...) ((log)->bad++ == 0 ? (void)snprintf((log)->why, sizeof(log)->why, __VA_ARGS__) : (void)0)

static inline bool appended_same(kafka_bytes a, kafka_bytes b)
{
    if (a.data == NULL || b.data == NULL) return a.data == b.data;
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool appended_same_headers(const kfk_record *r, const kafka_message *m)
{
    kafka_header got[APPENDED_HEADERS];
    char keys[64];
    if (r->header_count != m->header_count) return false;
    if (kfk_record_headers(r, got, keys) != 0) return false;
    for (size_t i = 0; i < r->header_count; i++)
        if (strcmp(got[i].key, m->headers[i].key) != 0 || !appended_same(got[i].value, m->headers[i].value))
            return false;
    return true;
}

/* One record and its side (side_size 0: NULL) against the message that its key names, and its place. */
static inline void appended_check(appended_log *log, const kfk_record *r, const void *side, uint32_t side_size)
{
    appended a;
    if (r->key.len != 8) {
        APPENDED_BAD(log, "a key of %zu bytes", r->key.len);
        return;
    }
    uint32_t writer = kfk_prim_get_be32(r->key.data), number = kfk_prim_get_be32((const uint8_t *)r->key.data + 4);
    appended_make(&a, writer, number, log->shape);
    if (!appended_same(r->value, a.m.value)) APPENDED_BAD(log, "%u/%u: another value", writer, number);
    if (!appended_same_headers(r, &a.m)) APPENDED_BAD(log, "%u/%u: other headers", writer, number);
    if (r->timestamp != a.timestamp) APPENDED_BAD(log, "%u/%u: another time", writer, number);
    if ((side == NULL) != (side_size == 0)) APPENDED_BAD(log, "%u/%u: side or none", writer, number);
    if (side != NULL && memcmp(side, a.side, side_size) != 0) APPENDED_BAD(log, "%u/%u: another side", writer, number);
    if (writer >= APPENDED_WRITERS) {
        APPENDED_BAD(log, "writer %u", writer);
        return;
    }
    uint32_t *next = &log->next[writer], step = log->step[writer];
    if (step != 0 ? number != *next : number < *next)
        APPENDED_BAD(log, "%u/%u comes where %u belongs", writer, number, *next);
    *next = number + (step != 0 ? step : 1);
    log->messages++;
}

/* The batch as it goes over the wire. malloc's. */
static inline uint8_t *appended_wire(const kfk_produce_batch *b, int64_t producer_id, size_t *len)
{
    *len = kfk_produce_batch_wire_bytes(b);
    uint8_t *bytes = malloc(*len), *p = bytes + KFK_RECORD_HEADER;
    struct iovec *parts = calloc(b->body.part_count + 1, sizeof *parts);
    kfk_produce_batch_header(b, producer_id, 3, 70, bytes);
    kfk_produce_body_parts(&b->body, parts);
    for (uint32_t i = 0; i < b->body.part_count; i++) {
        memcpy(p, parts[i].iov_base, parts[i].iov_len);
        p += parts[i].iov_len;
    }
    free(parts);
    return bytes;
}

static inline void appended_check_header(appended_log *log, const kfk_produce_batch *b, const kfk_batch_header *h)
{
    if (kfk_batch_codec(h) != b->codec) APPENDED_BAD(log, "codec %d instead of %d", kfk_batch_codec(h), b->codec);
    if (h->record_count != kfk_produce_batch_count(b)) APPENDED_BAD(log, "%d records", h->record_count);
    if (h->producer_id != 4711 || h->producer_epoch != 3 || h->base_sequence != 70) APPENDED_BAD(log, "another triple");
    if (log->batch_bytes != 0 && kfk_produce_batch_plain_bytes(b) > log->batch_bytes)
        APPENDED_BAD(log, "a batch of %zu bytes", kfk_produce_batch_plain_bytes(b));
}

/* Reads a sealed batch as a consumer would, and its sides as the writer does. */
static inline void appended_read(appended_log *log, const kfk_produce_batch *b)
{
    kfk_batch_header h;
    kfk_record_iter it;
    kfk_record r;
    kfk_error err = {0};
    kfk_buf scratch;
    kfk_side_iter sides;
    size_t len;
    int64_t newest = INT64_MIN;
    uint64_t payload = 0;
    uint8_t *bytes = appended_wire(b, 4711, &len);
    kfk_buf_init(&scratch, SIZE_MAX);
    kfk_side_iter_init(&sides, b);
    if (kfk_record_header_parse(bytes, len, &h, &err) != 0 || kfk_record_open(&h, bytes, &scratch, &it, &err) != 0) {
        APPENDED_BAD(log, "%s", err.text);
    } else {
        appended_check_header(log, b, &h);
        while (kfk_record_iter_next(&it, &r)) {
            appended_check(log, &r, kfk_side_iter_next(&sides), b->side_size);
            if (r.timestamp > newest) newest = r.timestamp;
            payload += r.key.len + r.value.len;
        }
        if (kfk_side_iter_next(&sides) != NULL) APPENDED_BAD(log, "a side too many");
        if (newest != h.max_timestamp) APPENDED_BAD(log, "another newest time");
        if (payload != b->payload) APPENDED_BAD(log, "another sum of bytes");
    }
    log->batches++;
    log->bytes += (int64_t)len;
    kfk_buf_fini(&scratch);
    free(bytes);
}

/* Takes whatever is ready out of a partition, in order, and reads it. */
static inline void appended_drain(appended_log *log, kfk_accum *a)
{
    kfk_produce_batch *b;
    while ((b = kfk_accum_pop(a)) != NULL) {
        if (b->state == KFK_PRODUCE_SEALED)
            appended_read(log, b);
        else
            APPENDED_BAD(log, "a batch that failed with %d", b->seal_code);
        kfk_produce_batch_free(b);
    }
}

/* The codecs that are built in, KFK_CODEC_NONE first; how many. */
static inline int appended_codecs(int out[5])
{
    int count = 0;
    for (int code = KFK_CODEC_NONE; code <= KFK_CODEC_ZSTD; code++)
        if (kfk_compress_find(code) != NULL) out[count++] = code;
    return count;
}

#endif
