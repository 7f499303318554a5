/* produce_kafka: the workload on kafka-c, with the writer's defaults; outcomes by callback. A lone message is a
 * synchronous write. */
#include "workload.h"
#include <kafka/kafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLUSH_MS = 120000, PER_CALL_MAX = 1024 };

struct client {
    const workload *w;
    kafka_writer *writer;
    int64_t all, failed; /* atomic: the loop's thread counts, or the one that sends */
};

static void check(int err)
{
    if (err != 0) workload_die("kafka-c", kafka_last_error());
}

static void delivered(void *userdata, const kafka_message *m, size_t count, int err)
{
    client *c = userdata;
    (void)m;
    if (err != 0 && __atomic_fetch_add(&c->failed, (int64_t)count, __ATOMIC_RELAXED) == 0)
        fprintf(stderr, "kafka-c: %s\n", kafka_strerror(err));
    __atomic_fetch_add(&c->all, (int64_t)count, __ATOMIC_RELAXED);
}

static kafka_compression codec_of(const char *name)
{
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    for (int32_t i = 0; i < 5; i++) {
        if (strcmp(name, names[i]) == 0) return i; /* 0 is the default, which is none */
    }
    workload_die(name, "no such codec");
}

client *client_new(const workload *w)
{
    client *c = calloc(1, sizeof *c);
    if (!c) workload_die("kafka-c", "out of memory");
    c->w = w;
    kafka_writer_config config = {
        .brokers = w->broker,
        .topic = w->topic,
        .balancer = w->spread > 0 ? kafka_balancer_manual()
                    : w->key > 0  ? kafka_balancer_murmur2(false)
                                  : NULL,
        .required_acks = w->idempotent ? KAFKA_ACKS_ALL : KAFKA_ACKS_ONE,
        .no_idempotence = !w->idempotent,
        .compression = codec_of(w->codec),
        .batch_bytes = (int32_t)w->batch_bytes,
        .buffer_bytes = w->held ? INT64_C(2) << 30 : 0,
        .async = !w->lone,
    };
    if (!w->lone) {
        config.on_delivery = delivered;
        config.on_delivery_userdata = c;
    }
    check(kafka_writer_new(&config, &c->writer));
    kafka_balancer_free(config.balancer);
    return c;
}

void client_send(client *c, int64_t from, int64_t count)
{
    const workload *w = c->w;
    kafka_message messages[PER_CALL_MAX];
    memset(messages, 0, (size_t)w->per_call * sizeof messages[0]);
    for (int64_t i = from; i < from + count;) {
        size_t n = 0;
        for (; n < (size_t)w->per_call && i < from + count; n++, i++) {
            kafka_message *m = &messages[n];
            m->value = KAFKA_BYTES(workload_value(w, i), (size_t)w->size);
            m->key = KAFKA_BYTES(workload_key(w, i), (size_t)w->key);
            m->userdata = (void *)(uintptr_t)i;
            if (w->spread > 0) m->partition = (int32_t)(i % w->spread);
        }
        check(kafka_writer_write_messages(c->writer, NULL, messages, n, NULL));
    }
}

void client_send_one(client *c, int64_t i)
{
    const workload *w = c->w;
    kafka_message m = {.value = {workload_value(w, i), (size_t)w->size}, .key = {workload_key(w, i), (size_t)w->key}};
    check(kafka_writer_write_messages(c->writer, NULL, &m, 1, NULL));
    c->all++;
}

void client_flush(client *c)
{
    check(kafka_writer_flush(c->writer, KAFKA_WITHIN(FLUSH_MS)));
}

void client_outcomes(client *c, int64_t *all, int64_t *failed)
{
    *all = c->all;
    *failed = c->failed;
}

void client_free(client *c)
{
    check(kafka_writer_close(c->writer, KAFKA_WITHIN(FLUSH_MS)));
    kafka_writer_free(c->writer);
    free(c);
}
