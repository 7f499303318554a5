/* produce_rdkafka: the workload on librdkafka, set up as one who cares for throughput would: batches of 1 MB that wait
 * for 5 ms, outcomes by callback, polled every so many messages; a lone message does not wait. */
#include "workload.h"
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POLL_EVERY = 256, HELD_MESSAGES = 10000000, FLUSH_MS = 120000, PER_CALL_MAX = 1024 };

struct client {
    const workload *w;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    int64_t all, failed; /* atomic: any thread that polls counts */
};

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
    client *c = arg;
    (void)rk;
    if (m->err && __atomic_fetch_add(&c->failed, 1, __ATOMIC_RELAXED) == 0)
        fprintf(stderr, "librdkafka: %s\n", rd_kafka_err2str(m->err));
    __atomic_fetch_add(&c->all, 1, __ATOMIC_RELAXED);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) workload_die(name, why);
}

static void set_number(rd_kafka_conf_t *conf, const char *name, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    set(conf, name, text);
}

client *client_new(const workload *w)
{
    char why[256];
    client *c = calloc(1, sizeof *c);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!c || !conf) workload_die("librdkafka", "out of memory");
    c->w = w;
    set(conf, "bootstrap.servers", w->broker);
    set(conf, "enable.idempotence", w->idempotent ? "true" : "false");
    set(conf, "acks", w->idempotent ? "all" : "1");
    set(conf, "compression.codec", w->codec);
    set(conf, "partitioner", "murmur2_random");
    set(conf, "batch.num.messages", "1000000");
    set_number(conf, "batch.size", w->batch_bytes > 0 ? w->batch_bytes : 1000000);
    set_number(conf, "linger.ms", w->lone ? 0 : w->linger_ms);
    if (w->held) {
        set_number(conf, "queue.buffering.max.messages", HELD_MESSAGES);
        set(conf, "queue.buffering.max.kbytes", "2000000");
    }
    rd_kafka_conf_set_opaque(conf, c);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    c->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!c->rk) workload_die("librdkafka", why);
    c->topic = rd_kafka_topic_new(c->rk, w->topic, NULL);
    if (!c->topic) workload_die("librdkafka", rd_kafka_err2str(rd_kafka_last_error()));
    return c;
}

static int32_t partition_of(const workload *w, int64_t i)
{
    return w->spread > 0 ? (int32_t)(i % w->spread) : RD_KAFKA_PARTITION_UA;
}

static void wait_for_room(client *c, rd_kafka_resp_err_t err)
{
    if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL) workload_die("librdkafka", rd_kafka_err2str(err));
    rd_kafka_poll(c->rk, 1);
}

static void send_message(client *c, int64_t i)
{
    const workload *w = c->w;
    while (rd_kafka_produce(c->topic, partition_of(w, i), RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)workload_value(w, i),
                            (size_t)w->size, workload_key(w, i), (size_t)w->key, (void *)(uintptr_t)i) != 0)
        wait_for_room(c, rd_kafka_last_error());
}

/* Several with one call; those that found no room again, with the next. */
static void send_messages(client *c, int64_t from, int64_t count)
{
    const workload *w = c->w;
    rd_kafka_message_t messages[PER_CALL_MAX];
    memset(messages, 0, (size_t)count * sizeof messages[0]);
    for (int64_t i = 0; i < count; i++) {
        rd_kafka_message_t *m = &messages[i];
        m->payload = (void *)(uintptr_t)workload_value(w, from + i);
        m->len = (size_t)w->size;
        m->key = (void *)(uintptr_t)workload_key(w, from + i);
        m->key_len = (size_t)w->key;
        m->_private = (void *)(uintptr_t)(from + i);
        m->partition = partition_of(w, from + i);
    }
    int flags = RD_KAFKA_MSG_F_COPY | (w->spread > 0 ? RD_KAFKA_MSG_F_PARTITION : 0), left = (int)count;
    while (left > 0) {
        int accepted = rd_kafka_produce_batch(c->topic, RD_KAFKA_PARTITION_UA, flags, messages, left), kept = 0;
        for (int i = 0; accepted < left && i < left; i++) {
            if (!messages[i].err) continue;
            if (kept == 0) wait_for_room(c, messages[i].err);
            messages[kept++] = messages[i];
        }
        left = kept;
    }
}

void client_send(client *c, int64_t from, int64_t count)
{
    int64_t polled = from;
    for (int64_t i = from, n; i < from + count; i += n) {
        n = c->w->per_call < from + count - i ? c->w->per_call : from + count - i;
        if (n == 1)
            send_message(c, i);
        else
            send_messages(c, i, n);
        if (i - polled < POLL_EVERY) continue;
        rd_kafka_poll(c->rk, 0);
        polled = i;
    }
}

void client_send_one(client *c, int64_t i)
{
    int64_t before = c->all;
    send_message(c, i);
    while (__atomic_load_n(&c->all, __ATOMIC_RELAXED) == before) rd_kafka_poll(c->rk, 1000);
}

void client_flush(client *c)
{
    rd_kafka_resp_err_t err = rd_kafka_flush(c->rk, FLUSH_MS);
    if (err) workload_die("rd_kafka_flush", rd_kafka_err2str(err));
}

void client_outcomes(client *c, int64_t *all, int64_t *failed)
{
    *all = c->all;
    *failed = c->failed;
}

void client_free(client *c)
{
    rd_kafka_topic_destroy(c->topic);
    rd_kafka_destroy(c->rk);
    free(c);
}
