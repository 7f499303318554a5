/* append_bench: what it costs to bring a message into a batch that is ready to be sent: appending under the partition's
 * lock, and sealing. No network, no producer: batches are freed as soon as they are sealed.
 *
 *   append_bench                                                      a table of shapes
 *   append_bench BYTES COUNT [partitions [side [codec [threads [batch]]]]]    one shape; under callgrind, the
 *                                                      difference between two counts is what the messages cost
 *
 * "encoder" is the same records written by kfk_record_append alone, into one buffer that is used over and over. */
#include "engine/accum.h"
#include "wire/compress.h"
#include "wire/record.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MOST_PARTITIONS = 1000,
    MOST_THREADS = 16,
    BATCH_BYTES = 1 << 20,
    SMALL_BATCH_BYTES = 1 << 14,
    SLACK = 64 << 20
};

typedef struct workload {
    size_t bytes, key;
    long count; /* of each thread */
    int partitions;
    uint32_t side;
    int codec, threads;
    size_t batch_bytes; /* 0 = BATCH_BYTES */
} workload;

static char text[1 << 20];
static workload w;
static kfk_accum_config config;
static kfk_accum partitions[MOST_PARTITIONS];
static uint8_t window[BATCH_BYTES];

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(int rc)
{
    if (rc == 0) return;
    fprintf(stderr, "failed: %d\n", rc);
    exit(1);
}

/* What a call has collected is done at once: batches are sealed, and as if they were sent, freed. */
static void deliver(kfk_accum_call *call)
{
    kfk_accum *next;
    kfk_produce_batch *b;
    kfk_accum_view view;
    if (call->seals != NULL) kfk_accum_seal(call);
    for (kfk_accum *a = call->kicks; a != NULL; a = next) {
        next = a->next_kick;
        kfk_accum_look(a, &view);
        while ((b = kfk_accum_pop(a)) != NULL) kfk_produce_batch_free(b);
    }
    call->kicks = NULL;
}

static void *produce(void *thread)
{
    uint64_t side[4] = {1, 2, 3, 4};
    kfk_accum_call call = {.now_ms = 1};
    kafka_message m = {.key = {w.key > 0 ? text : NULL, w.key}, .value = {text, w.bytes}};
    unsigned at = *(unsigned *)thread;
    for (long i = 0; i < w.count; i++) {
        if (++at >= (unsigned)w.partitions) at = 0;
        int rc;
        while ((rc = kfk_accum_append(&partitions[at], &call, &m, 1700000000000, w.codec, side)) == KAFKA_EAGAIN)
            sched_yield(); /* another thread was stopped while it seals, and holds up all that is behind */
        must(rc);
        if (call.seals != NULL || call.kicks != NULL) deliver(&call);
    }
    return NULL;
}

static double run(void)
{
    pthread_t threads[MOST_THREADS];
    unsigned first[MOST_THREADS];
    double begin = now_ns();
    for (int i = 0; i < w.threads; i++) {
        first[i] = (unsigned)i;
        if (w.threads == 1)
            produce(&first[i]);
        else
            must(pthread_create(&threads[i], NULL, produce, &first[i]));
    }
    for (int i = 0; w.threads > 1 && i < w.threads; i++) pthread_join(threads[i], NULL);
    return (now_ns() - begin) / (double)w.count / w.threads;
}

static void with_partitions(void (*then)(void))
{
    if (w.batch_bytes == 0) w.batch_bytes = BATCH_BYTES;
    config = (kfk_accum_config){.batch_bytes = w.batch_bytes, .batch_size = 100, .codec = w.codec, .side_size = w.side};
    must(kfk_slots_new((size_t)w.partitions * w.batch_bytes * 2 + SLACK, sizeof(kfk_produce_batch), &config.slots));
    for (int i = 0; i < w.partitions; i++) kfk_accum_init(&partitions[i], &config, KFK_SLOTS_KNOWN);
    then();
    for (int i = 0; i < w.partitions; i++) kfk_accum_fini(&partitions[i]);
    kfk_slots_drop(config.slots);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static double best_of(double (*measured)(void))
{
    double best = 0;
    for (int i = 0; i < 7; i++) {
        double ns = measured();
        if (best == 0 || ns < best) best = ns;
    }
    return best;
}

static double encode(void)
{
    kfk_record_writer writer;
    kafka_bytes key = {w.key > 0 ? text : NULL, w.key}, value = {text, w.bytes};
    double begin = now_ns();
    kfk_record_writer_init(&writer, window, sizeof window);
    for (long i = 0; i < w.count; i++) {
        if (kfk_record_append(&writer, 1700000000000, key, value, NULL, 0) == 0) continue;
        kfk_record_writer_init(&writer, window, sizeof window);
    }
    return (now_ns() - begin) / (double)w.count;
}

static void print_row(void)
{
    const char *codec = w.codec != 0 ? kfk_compress_name(w.codec) : "none";
    double all = best_of(run);
    printf("%6zu %4zu %8zu %10d %5u %6s %7d %9.1f %9.1f\n", w.bytes, w.key, w.batch_bytes, w.partitions,
           (unsigned)w.side, codec, w.threads, all, w.threads == 1 ? best_of(encode) : 0.0);
}

static void print_table(void)
{
    static const workload rows[] = {
        {.bytes = 100, .partitions = 1, .threads = 1},
        {.bytes = 100, .partitions = 1, .threads = 1, .side = 16},
        {.bytes = 100, .key = 16, .partitions = 12, .threads = 1},
        {.bytes = 100, .partitions = 1, .threads = 1, .batch_bytes = SMALL_BATCH_BYTES},
        {.bytes = 100, .partitions = 1000, .threads = 1, .batch_bytes = SMALL_BATCH_BYTES},
        {.bytes = 100, .partitions = 1, .threads = 2},
        {.bytes = 100, .partitions = 1, .threads = 4},
        {.bytes = 100, .partitions = 12, .threads = 4},
        {.bytes = 1024, .partitions = 1, .threads = 1},
        {.bytes = 1024, .partitions = 12, .threads = 1},
        {.bytes = 1024, .partitions = 1, .threads = 1, .codec = KFK_CODEC_LZ4},
        {.bytes = 1024, .partitions = 1, .threads = 1, .codec = KFK_CODEC_ZSTD},
    };
    printf("ns per message\n%6s %4s %8s %10s %5s %6s %7s %9s %9s\n", "bytes", "key", "batch", "partitions", "side",
           "codec", "threads", "all", "encoder");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        w = rows[i];
        if (kfk_compress_find(w.codec) == NULL) continue;
        w.count = (w.bytes > 500 ? 400000 : 2000000) / w.threads;
        with_partitions(print_row);
    }
}

static void print_one(void)
{
    printf("%.1f ns per message\n", run());
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + (i * i / 7 + i / 3) % 26);
    if (argc < 3) {
        print_table();
        return 0;
    }
    long number[] = {100, 0, 1, 0, 0, 1, BATCH_BYTES};
    for (int i = 1; i < argc && i <= 7; i++) number[i - 1] = strtol(argv[i], NULL, 10);
    w = (workload){.bytes = (size_t)number[0],
                   .count = number[1],
                   .partitions = (int)number[2],
                   .side = (uint32_t)number[3],
                   .codec = (int)number[4],
                   .threads = (int)number[5],
                   .batch_bytes = (size_t)number[6]};
    if (w.bytes > sizeof text || w.partitions < 1 || w.partitions > MOST_PARTITIONS || w.side % 8 != 0 || w.side > 32 ||
        w.threads < 1 || w.threads > MOST_THREADS) {
        fprintf(stderr, "usage: append_bench [BYTES COUNT [partitions [side [codec [threads [batch]]]]]]\n");
        return 2;
    }
    with_partitions(print_one);
    return 0;
}
