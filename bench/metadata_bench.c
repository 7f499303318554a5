/* What a large Metadata answer costs: decoding it, taking it over into the tables of brokers and topics, and what the
 * tables take up afterwards. Figures are the best of some rounds, for a first answer, one in which nothing is new, and
 * one in which every leader has moved. */
#include "base/mem.h"
#include "engine/topics.h"
#include "wire/frame.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 20, REPLICAS = 3, VERSION = 12 };

static size_t bytes_alive;

static void *count_alloc(size_t size)
{
    void *p = malloc(size);
    if (p) bytes_alive += malloc_usable_size(p);
    return p;
}

static void *count_realloc(void *p, size_t size)
{
    size_t old = p ? malloc_usable_size(p) : 0;
    void *moved = realloc(p, size);
    if (moved) bytes_alive += malloc_usable_size(moved) - old;
    return moved;
}

static void count_free(void *p)
{
    if (p) bytes_alive -= malloc_usable_size(p);
    free(p);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1000000;
}

static void check(int err, const kfk_error *why)
{
    if (err == 0) return;
    fprintf(stderr, "%s\n", why->text);
    exit(1);
}

static void *must(void *p)
{
    if (!p) exit(1);
    return p;
}

typedef struct size {
    int topics, partitions, brokers;
} size;

/* An answer of this size as bytes. Leaders go round, starting with `shift`; epochs are `shift`, too. */
static uint8_t *encode(const size *z, int shift, size_t *len)
{
    kfk_metadata_response answer;
    kfk_arena a;
    kfk_gather out;
    kfk_error err = {0};
    const kfk_api *api = kfk_api_find(KFK_API_METADATA);
    kfk_arena_init(&a, SIZE_MAX);
    kfk_gather_init(&out, SIZE_MAX);
    kfk_codec_default(api->response, &answer);
    answer.cluster_id = kafka_str("bench");
    answer.brokers.count = z->brokers;
    answer.brokers.items = must(kfk_arena_array(&a, (size_t)z->brokers, sizeof *answer.brokers.items));
    for (int i = 0; i < z->brokers; i++) {
        char *host = must(kfk_arena_alloc(&a, 64));
        snprintf(host, 64, "broker-%d.kafka.example", i);
        answer.brokers.items[i] =
            (kfk_metadata_response_broker){.node_id = i, .host = kafka_str(host), .port = 9092, .rack = {0}};
    }
    answer.topics.count = z->topics;
    answer.topics.items = must(kfk_arena_array(&a, (size_t)z->topics, sizeof *answer.topics.items));
    for (int i = 0; i < z->topics; i++) {
        kfk_metadata_response_topic *t = &answer.topics.items[i];
        char *name = must(kfk_arena_alloc(&a, 64));
        snprintf(name, 64, "some.topic.of.average.length.%d", i);
        t->name = kafka_str(name);
        memcpy(t->topic_id.bytes, &i, sizeof i);
        t->topic_id.bytes[15] = 1;
        t->partitions.count = z->partitions;
        t->partitions.items = must(kfk_arena_array(&a, (size_t)z->partitions, sizeof *t->partitions.items));
        for (int p = 0; p < z->partitions; p++) {
            kfk_metadata_response_partition *e = &t->partitions.items[p];
            int32_t *ids = must(kfk_arena_array(&a, REPLICAS, sizeof *ids));
            for (int r = 0; r < REPLICAS; r++) ids[r] = (i + p + shift + r) % z->brokers;
            e->partition_index = p;
            e->leader_id = ids[0];
            e->leader_epoch = shift;
            e->replica_nodes = e->isr_nodes = (kfk_int32_array){ids, REPLICAS};
        }
    }
    check(kfk_frame_encode_response(api, VERSION, 1, &answer, &out, &err), &err);
    *len = kfk_gather_len(&out);
    uint8_t *bytes = must(malloc(*len));
    kfk_gather_copy(&out, bytes);
    kfk_gather_fini(&out);
    kfk_arena_fini(&a);
    return bytes;
}

typedef struct tables {
    kfk_brokers brokers;
    kfk_topics topics;
    kfk_topic_watch all;
    uint64_t number;
} tables;

static void decode_and_apply(tables *t, const uint8_t *bytes, size_t len, double *decode_ms, double *apply_ms)
{
    kfk_metadata_response answer;
    kfk_arena arena;
    kfk_error err = {0};
    kfk_ignored ignored = {0};
    int32_t id;
    kfk_arena_init(&arena, 64 * 1024 + len * 32);
    double begin = now_ms();
    check(kfk_frame_decode_response(kfk_api_find(KFK_API_METADATA), VERSION, &arena, bytes + KFK_FRAME_LENGTH,
                                    len - KFK_FRAME_LENGTH, &id, &answer, &err),
          &err);
    double decoded = now_ms();
    t->number++;
    check(kfk_brokers_apply(&t->brokers, &answer, t->number, &ignored, &err), &err);
    check(kfk_topics_apply(&t->topics, &t->brokers, &answer, t->number, true, &ignored, &err), &err);
    kfk_topics_tell(&t->topics);
    double applied = now_ms();
    kfk_arena_fini(&arena);
    if (decoded - begin < *decode_ms) *decode_ms = decoded - begin;
    if (applied - decoded < *apply_ms) *apply_ms = applied - decoded;
}

static void measure(const size *z)
{
    size_t len, other_len;
    uint8_t *bytes = encode(z, 0, &len), *other = encode(z, 1, &other_len);
    double decode = 1e9, first = 1e9, same = 1e9, moved = 1e9;
    size_t idle = 0;
    for (int round = 0; round < ROUNDS; round++) {
        tables t = {.number = 1};
        size_t before = bytes_alive;
        kfk_brokers_init(&t.brokers, 1);
        kfk_topics_init(&t.topics, 2);
        kfk_topics_watch(&t.topics, NULL, &t.all);
        decode_and_apply(&t, bytes, len, &decode, &first);
        decode_and_apply(&t, bytes, len, &decode, &same);
        decode_and_apply(&t, other, other_len, &decode, &moved);
        idle = bytes_alive - before;
        kfk_topics_fini(&t.topics);
        kfk_brokers_fini(&t.brokers);
    }
    printf(
        "%5d topics x %5d partitions, %d brokers, %.1f MB: decode %.1f ms; apply %.1f ms (nothing new %.1f, all moved "
        "%.1f); idle %.0f B a partition\n",
        z->topics, z->partitions, z->brokers, (double)len / 1e6, decode, first, same, moved,
        (double)idle / z->topics / z->partitions);
    free(bytes);
    free(other);
}

int main(void)
{
    static const size sizes[] = {{1000, 10, 2000}, {1000, 100, 30}, {10, 10000, 30}, {100000, 1, 30}};
    static const kfk_mem_ops counting = {.alloc = count_alloc, .realloc = count_realloc, .free = count_free};
    kfk_mem_set_ops(&counting);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) measure(&sizes[i]);
    return 0;
}
