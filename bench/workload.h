/* workload: what the programs produce_* have in common: options, messages, threads, measuring, the line that is
 * printed.
 *
 * Each program is this and one implementation of the functions of `client` below, for one client library. What they
 * print is read by run.py, which compares them.
 *
 *     produce_X --broker HOST:PORT [--topic load] [--mode load|lone|held] [--messages 100000] [--size 100] [--key 0]
 *               [--spread 0] [--acks all|one] [--codec none|lz4|zstd|...] [--threads 1] [--per-call 1]
 *               [--batch-bytes N] [--linger-ms 5] [--warm 2000]
 *
 *     load   writes as fast as it can and waits for all outcomes: "messages= seconds= cpu= failed="; `cpu` is of the
 *            whole process, in seconds
 *     lone   one at a time, each acknowledged before the next: "p50_us= p99_us=" as well
 *     held   to a topic whose broker never acknowledges: "rss=", bytes of memory when all were accepted, and no more
 *
 * Messages are text that compresses about as well as log lines do, the same for every client. With --key they have a
 * key of so many bytes and go where its murmur2 hash says; with --spread N to N partitions in turn; else to what the
 * client's own balancing says. Everything here ends the program with a sentence when it fails. */
#ifndef KAFKA_BENCH_WORKLOAD_H
#define KAFKA_BENCH_WORKLOAD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct workload {
    const char *broker, *topic, *mode, *acks, *codec;
    int64_t messages, warm;
    int64_t size, key, spread, threads, per_call, batch_bytes, linger_ms;
    /* what is made of them */
    bool lone, held, idempotent;
    char *values, *keys;
    size_t value_mask, key_mask;
} workload;

static inline const char *workload_value(const workload *w, int64_t i)
{
    return w->values + ((size_t)i & w->value_mask) * (size_t)w->size;
}

/* NULL without keys. */
static inline const char *workload_key(const workload *w, int64_t i)
{
    return w->key > 0 ? w->keys + ((size_t)i & w->key_mask) * (size_t)w->key : NULL;
}

/* Ends the program. */
void workload_die(const char *what, const char *why) __attribute__((noreturn));

/* ---- implemented once for each library --------------------------------------------------------------------------- */

typedef struct client client;

client *client_new(const workload *w);
/* Hands over the messages from..from + count - 1 and waits for room where there is none. From any thread. */
void client_send(client *c, int64_t from, int64_t count);
/* One message, until it is acknowledged. */
void client_send_one(client *c, int64_t i);
/* Until every message has its outcome. */
void client_flush(client *c);
/* Messages with an outcome so far, and those of them that failed. */
void client_outcomes(client *c, int64_t *all, int64_t *failed);
void client_free(client *c);

#endif
