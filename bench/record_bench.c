/* record_bench: what a record costs on its way into a batch and out of it, and what the codecs cost.
 *
 * One core, everything in cache as far as a batch of 1 MiB is. Of each figure the best of many rounds is printed: what
 * the code costs, not what the machine was busy with. Allocations are counted at the library's seam, with the buffers
 * warm. */
#include "base/crc32c.h"
#include "base/mem.h"
#include "wire/compress.h"
#include "wire/record.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HEADER = KFK_RECORD_HEADER, CAP = 1 << 20, ROUNDS = 300, CODEC_ROUNDS = 15 };

static uint8_t batch[HEADER + CAP];
static size_t allocations;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void keep_best(double *best, double ns)
{
    if (*best == 0 || ns < *best) *best = ns;
}

static void must(int rc)
{
    if (rc == 0) return;
    fprintf(stderr, "failed: %d\n", rc);
    exit(1);
}

static void *counted_alloc(size_t size)
{
    allocations++;
    return malloc(size);
}

static void *counted_realloc(void *p, size_t size)
{
    allocations++;
    return realloc(p, size);
}

static const kfk_mem_ops counted = {.alloc = counted_alloc, .realloc = counted_realloc, .free = free};

/* ---- records ----------------------------------------------------------------------------------------------------- */

typedef struct shape {
    const char *name;
    size_t key, value, headers;
} shape;

/* Fills the batch; the times of ten records are the same, as of records that one call wrote. */
static void encode(const shape *s, kfk_record_writer *w)
{
    static const char text[2000] = "text";
    static const kafka_header headers[] = {{"trace-id", {"0123456789abcdef", 16}}, {"source", {"bench", 5}}};
    kafka_bytes key = {s->key > 0 ? text : NULL, s->key}, value = {text, s->value};

    kfk_record_writer_init(w, batch + HEADER, CAP);
    while (kfk_record_append(w, 1700000000000 + w->count / 10, key, value, headers, s->headers) == 0) continue;
}

static void seal(const kfk_record_writer *w)
{
    kfk_batch_header h;
    kfk_record_writer_header(w, &h);
    kfk_record_header_build(batch, &h, w->bytes, kfk_crc32c(0, batch + HEADER, w->bytes));
}

static void must_parse(kfk_batch_header *h, size_t len)
{
    must(kfk_record_header_parse(batch, len, h, NULL));
}

static size_t walk(kfk_record_iter *it)
{
    kfk_record r;
    size_t sum = 0;
    while (kfk_record_iter_next(it, &r)) sum += (size_t)r.offset + (size_t)r.timestamp + r.key.len + r.value.len;
    return sum;
}

static void bench_records(const shape *s)
{
    double encoded = 0, sealed = 0, checked = 0, validated = 0, walked = 0;
    size_t sink = 0;
    int32_t n = 0;

    allocations = 0;
    for (int round = 0; round < ROUNDS; round++) {
        kfk_record_writer w;
        kfk_batch_header h;
        kfk_record_iter it;
        double t0 = now_ns();
        encode(s, &w);
        double t1 = now_ns();
        seal(&w);
        double t2 = now_ns();
        n = w.count;
        must_parse(&h, HEADER + w.bytes);
        must(kfk_record_crc_check(&h, batch, NULL));
        double t3 = now_ns();
        must(kfk_record_validate(&h, batch + HEADER, w.bytes, NULL));
        double t4 = now_ns();
        kfk_record_iter_init(&it, &h, batch + HEADER, w.bytes);
        sink += walk(&it);
        double t5 = now_ns();
        keep_best(&encoded, t1 - t0);
        keep_best(&sealed, t2 - t0);
        keep_best(&checked, t3 - t2);
        keep_best(&validated, t4 - t3);
        keep_best(&walked, t5 - t2);
    }
    if (sink == 1) puts(""); /* what was walked is wanted */
    printf("%-28s %8.1f %10.1f %8.1f %10.1f %10.1f %8.2f\n", s->name, encoded / n, sealed / n, checked / n,
           validated / n, walked / n, (double)allocations / ROUNDS / n);
}

/* ---- codecs ------------------------------------------------------------------------------------------------------ */

/* Lines as they are logged: much alike, with numbers that are not. */
static size_t fill_lines(char *out, size_t cap)
{
    uint64_t x = 88172645463325252u;
    size_t at = 0;
    while (at + 200 < cap) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        at += (size_t)snprintf(out + at, cap - at,
                               "{\"time\":%llu,\"level\":\"%s\",\"user\":\"u%05u\",\"path\":\"/items/%u\",\"ms\":%u}\n",
                               1700000000000ull + at, x % 17 ? "info" : "warn", (unsigned)(x >> 20) % 50000,
                               (unsigned)(x >> 40) % 1000, (unsigned)(x % 97));
    }
    return at;
}

static void bench_codec(int code, int level, const char *src, size_t len)
{
    const kfk_codec *codec = kfk_compress_find(code);
    double in = 0, out = 0;
    kfk_buf packed, plain;
    struct iovec chunk = {(void *)(uintptr_t)src, len};

    if (codec == NULL) {
        printf("%-28s not built in\n", kfk_compress_name(code));
        return;
    }
    kfk_buf_init(&packed, SIZE_MAX);
    kfk_buf_init(&plain, SIZE_MAX);
    for (int round = 0; round < CODEC_ROUNDS; round++) {
        if (round == 1) allocations = 0; /* warm from here */
        kfk_buf_clear(&packed);
        kfk_buf_clear(&plain);
        double t0 = now_ns();
        must(kfk_compress(code, level, &chunk, 1, &packed, NULL));
        double t1 = now_ns();
        must(kfk_decompress(code, packed.data, packed.len, &plain, NULL));
        double t2 = now_ns();
        keep_best(&in, t1 - t0);
        keep_best(&out, t2 - t1);
    }
    must(plain.len != len || memcmp(plain.data, src, len) != 0);
    printf("%-6s level %-15d %8.2f %10.0f %8.2f %10.0f %10.2f %8zu\n", codec->name, level, in / (double)len,
           (double)len / in * 1e3, out / (double)len, (double)len / out * 1e3, (double)len / (double)packed.len,
           allocations);
    kfk_buf_fini(&packed);
    kfk_buf_fini(&plain);
}

int main(void)
{
    static const shape shapes[] = {{"100 B", 0, 100, 0},
                                   {"1 KB", 0, 1000, 0},
                                   {"100 B, key of 16 B", 16, 100, 0},
                                   {"100 B, key, 2 headers", 16, 100, 2},
                                   {"10 B", 0, 10, 0}};
    static char lines[CAP];
    size_t len = fill_lines(lines, sizeof lines);

    kfk_mem_set_ops(&counted);
    printf("ns per record                  encode  and sealed      CRC   validate  CRC+val.+walk  allocations\n");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) bench_records(&shapes[i]);
    printf("\n1 MiB of log lines           in ns/B       MB/s out ns/B       MB/s      ratio  allocations\n");
    bench_codec(KFK_CODEC_GZIP, 0, lines, len);
    bench_codec(KFK_CODEC_GZIP, 1, lines, len);
    bench_codec(KFK_CODEC_SNAPPY, 0, lines, len);
    bench_codec(KFK_CODEC_LZ4, 0, lines, len);
    bench_codec(KFK_CODEC_LZ4, 9, lines, len);
    bench_codec(KFK_CODEC_ZSTD, 0, lines, len);
    bench_codec(KFK_CODEC_ZSTD, 1, lines, len);
    kfk_compress_trim();
    return 0;
}
