/* writers: what the tests of the writer have in common. Their brokers are an in-memory cluster in the same process. */
#ifndef KAFKA_TESTS_API_WRITERS_H
#define KAFKA_TESTS_API_WRITERS_H
#include "api/calls.h"
#include "kafka/testing.h"
#include <poll.h>
#include <stdatomic.h>

enum { WRITERS_PATIENCE_MS = 20000, WRITERS_TOLD = 20000 };
#define PATIENTLY KAFKA_WITHIN(WRITERS_PATIENCE_MS)

/* ---- clusters ---------------------------------------------------------------------------------------------------- */

/* One broker; the topic "t" with so many partitions. Other topics do not come into being by being asked for. */
static inline kafka_cluster *writers_cluster(int32_t partitions)
{
    kafka_cluster *c = NULL;
    assert_works(kafka_cluster_new(&(kafka_cluster_config){.no_auto_create = 1}, &c));
    assert_works(kafka_cluster_create_topic(c, "t", partitions));
    return c;
}

static inline int64_t writers_end(kafka_cluster *c, const char *topic, int32_t partition)
{
    int64_t start, end;
    assert_works(kafka_cluster_log_size(c, topic, partition, &start, &end));
    return end;
}

/* Messages in all partitions of "t". */
static inline int64_t writers_total(kafka_cluster *c, int32_t partitions)
{
    int64_t total = 0;
    for (int32_t i = 0; i < partitions; i++) total += writers_end(c, "t", i);
    return total;
}

static inline void writers_fault(kafka_cluster *c, kafka_fault f)
{
    assert_works(kafka_cluster_add_fault(c, &f));
}

/* Produce requests are done nothing about and never answered, from now on. */
static inline void writers_silence(kafka_cluster *c)
{
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_SILENCE, KAFKA_REQUEST_PRODUCE);
    f.count = KAFKA_NEVER;
    writers_fault(c, f);
}

/* Produce requests are refused with a code, so many of them. */
static inline void writers_refuse(kafka_cluster *c, int32_t code, int64_t count)
{
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE);
    f.error = code;
    f.count = count;
    writers_fault(c, f);
}

/* Produce requests are answered after so long. */
static inline void writers_delay(kafka_cluster *c, int64_t ms, int64_t count)
{
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_DELAY, KAFKA_REQUEST_PRODUCE);
    f.delay_ms = ms;
    f.count = count;
    writers_fault(c, f);
}

/* As writers_cluster, with a second broker: without its copy nothing is acknowledged, so that answers can be held. */
static inline kafka_cluster *writers_two_brokers(int32_t partitions)
{
    kafka_cluster *c = NULL;
    assert_works(kafka_cluster_new(&(kafka_cluster_config){.brokers = 2, .no_auto_create = 1}, &c));
    assert_works(kafka_cluster_create_topic(c, "t", partitions));
    return c;
}

/* Whether writes to partition 0 of "t" wait for their answers. */
static inline void writers_hold(kafka_cluster *c, int32_t hold)
{
    assert_works(kafka_cluster_hold_replication(c, "t", 0, hold));
}

/* So many requests of an API have come. */
static inline void writers_await(kafka_cluster *c, int32_t api, int64_t count)
{
    int64_t until = kafka_now_ms() + WRITERS_PATIENCE_MS;
    while (kafka_cluster_requests(c, api) < count && kafka_now_ms() < until) poll(NULL, 0, 1);
    assert_true(kafka_cluster_requests(c, api) >= count);
}

/* ---- what callbacks were told ------------------------------------------------------------------------------------ */

typedef struct told_one {
    int64_t offset, time_ms;
    void *userdata;
    int err;
    int32_t partition;
    kafka_written written;
    bool plain; /* key, value and headers were null, everything else 0 */
} told_one;

typedef struct told {
    atomic_int count; /* written last: what is below it may be read */
    atomic_int calls;
    char topic[64], why[256]; /* of the last */
    pthread_t thread;
    told_one items[WRITERS_TOLD];
} told;

/* A kafka_delivery_fn. */
static inline void tell(void *userdata, const kafka_message *msgs, size_t count, int err)
{
    told *t = userdata;
    int n = atomic_load(&t->count);
    snprintf(t->why, sizeof t->why, "%s", kafka_last_error());
    snprintf(t->topic, sizeof t->topic, "%s", msgs[0].topic);
    t->thread = pthread_self();
    for (size_t i = 0; i < count && n < WRITERS_TOLD; i++, n++) {
        const kafka_message *m = &msgs[i];
        t->items[n] = (told_one){
            .offset = m->offset,
            .time_ms = m->time_ms,
            .userdata = m->userdata,
            .err = err,
            .partition = m->partition,
            .written = m->written,
            .plain = !m->key.data && !m->key.len && !m->value.data && !m->value.len && !m->headers && !m->header_count,
        };
    }
    atomic_fetch_add(&t->calls, 1);
    atomic_store(&t->count, n);
}

static inline void told_await(told *t, int count)
{
    int64_t until = kafka_now_ms() + WRITERS_PATIENCE_MS;
    while (atomic_load(&t->count) < count && kafka_now_ms() < until) poll(NULL, 0, 1);
    assert_true(atomic_load(&t->count) >= count);
}

/* ---- codecs ------------------------------------------------------------------------------------------------------ */

/* The codec if the library under test has it: builds may leave codecs out (kafka_features). Otherwise none. */
static inline kafka_compression writers_codec(kafka_compression wanted)
{
    static const char *const names[] = {
        [KAFKA_COMPRESSION_GZIP] = "gzip",
        [KAFKA_COMPRESSION_SNAPPY] = "snappy",
        [KAFKA_COMPRESSION_LZ4] = "lz4",
        [KAFKA_COMPRESSION_ZSTD] = "zstd",
    };
    return wanted > KAFKA_COMPRESSION_NONE && strstr(kafka_features(), names[wanted]) ? wanted : KAFKA_COMPRESSION_NONE;
}

/* ---- writers and messages ---------------------------------------------------------------------------------------- */

/* With these fields beside the brokers. */
#define WRITER(cluster, ...) \
    writers_new(&(kafka_writer_config){.brokers = kafka_cluster_bootstrap(cluster), __VA_ARGS__})
static inline kafka_writer *writers_new(const kafka_writer_config *cfg)
{
    kafka_writer *w = NULL;
    assert_works(kafka_writer_new(cfg, &w));
    return w;
}

/* Messages 0 to count - 1, whose values are their numbers as text, and so is their userdata. */
static inline kafka_message *writers_messages(size_t count)
{
    kafka_message *m = calloc(count, sizeof *m);
    char *text = calloc(count, 24);
    assert_non_null(m);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++) {
        snprintf(text + i * 24, 24, "%zu", i);
        m[i].value = kafka_str(text + i * 24);
        m[i].userdata = text + i * 24;
    }
    return m;
}

static inline void writers_messages_free(kafka_message *m)
{
    free(m[0].userdata);
    free(m);
}

/* The message at an offset; freed with kafka_message_free. */
static inline kafka_message *writers_read(kafka_cluster *c, const char *topic, int32_t partition, int64_t offset)
{
    kafka_conn *conn = NULL;
    kafka_message *m = NULL;
    assert_works(kafka_dial_leader(NULL, PATIENTLY, kafka_cluster_bootstrap(c), topic, partition, &conn));
    kafka_conn_set_deadline(conn, kafka_deadline_in(WRITERS_PATIENCE_MS));
    assert_works(kafka_conn_seek(conn, offset, KAFKA_SEEK_ABSOLUTE, NULL));
    assert_works(kafka_conn_read_message(conn, 0, &m));
    kafka_conn_free(conn);
    return m;
}

static inline void writers_expect_value(kafka_cluster *c, const char *topic, int32_t partition, int64_t offset,
                                        const char *value)
{
    kafka_message *m = writers_read(c, topic, partition, offset);
    assert_int_equal(m->value.len, strlen(value));
    assert_memory_equal(m->value.data, value, m->value.len);
    kafka_message_free(m);
}

#endif
