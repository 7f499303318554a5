/* What the cluster of peers holds: topics, and logs of record batches as bytes with an index. */
#include "base/crc32c.h"
#include "sim/peer_impl.h"
#include "sim/sim_impl.h"
#include "wire/prim.h"
#include "wire/record.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEADER_EPOCH_AT = 12, MOST_FILLED = 1000, FILL_BYTES = 64 * 1024, FIRST_TIME_MS = 1000 };

static void cluster_free(void *arg)
{
    peer_cluster *c = arg;
    for (size_t i = 0; i < PEER_TOPICS; i++) peer_topic_delete(&c->topics[i]);
    free(c);
}

peer_cluster *peer_cluster_new(sim *s)
{
    peer_cluster *c = sim_alloc(sizeof *c);
    c->sim = s;
    c->coordinator = -1;
    kfk_list_init(&c->waiting);
    sim_own(s, cluster_free, c);
    return c;
}

/* ---- topics ------------------------------------------------------------------------------------------------------ */

peer_topic *peer_topic_by_name(const peer_cluster *c, kafka_bytes name)
{
    for (size_t i = 0; i < PEER_TOPICS; i++) {
        const peer_topic *t = &c->topics[i];
        if (t->exists && strlen(t->name) == name.len && memcmp(t->name, name.data, name.len) == 0)
            return (peer_topic *)(uintptr_t)t;
    }
    return NULL;
}

peer_topic *peer_topic_by_id(const peer_cluster *c, const kfk_uuid *id)
{
    for (size_t i = 0; i < PEER_TOPICS; i++) {
        const peer_topic *t = &c->topics[i];
        if (t->exists && memcmp(&t->id, id, sizeof *id) == 0) return (peer_topic *)(uintptr_t)t;
    }
    return NULL;
}

peer_topic *peer_topic_create(peer_cluster *c, kafka_bytes name, int32_t partitions, int32_t leader)
{
    for (size_t i = 0; i < PEER_TOPICS; i++) {
        peer_topic *t = &c->topics[i];
        if (t->exists) continue;
        *t = (peer_topic){.exists = true, .count = partitions};
        snprintf(t->name, sizeof t->name, "%.*s", (int)name.len, (const char *)name.data);
        for (size_t b = 0; b < sizeof t->id.bytes; b++) t->id.bytes[b] = (uint8_t)sim_below(c->sim, 256);
        for (int32_t p = 0; p < partitions; p++) t->logs[p].leader = leader;
        return t;
    }
    return NULL;
}

void peer_topic_delete(peer_topic *t)
{
    for (int32_t p = 0; p < t->count; p++) {
        free(t->logs[p].bytes);
        free(t->logs[p].batches);
    }
    *t = (peer_topic){.exists = false};
}

void peer_cluster_add_topic(peer_cluster *c, const char *topic, int32_t partitions, int32_t leader)
{
    peer_topic_create(c, kafka_str(topic), partitions, leader);
}

void peer_cluster_move(peer_cluster *c, const char *topic, int32_t partition, int32_t leader)
{
    peer_log *log = peer_log_of(c, peer_topic_by_name(c, kafka_str(topic)), partition);
    log->leader = leader;
    log->epoch++;
}

void peer_cluster_recreate(peer_cluster *c, const char *topic, int32_t partitions, int32_t leader)
{
    peer_topic *t = peer_topic_by_name(c, kafka_str(topic));
    if (t) peer_topic_delete(t);
    if (partitions > 0) peer_cluster_add_topic(c, topic, partitions, leader);
}

void peer_cluster_set_coordinator(peer_cluster *c, int32_t id)
{
    c->coordinator = id;
}

peer_log *peer_log_of(peer_cluster *c, const peer_topic *t, int32_t partition)
{
    if (!t || partition < 0 || partition >= t->count) return NULL;
    return &c->topics[t - c->topics].logs[partition];
}

static peer_log *log_named(const peer_cluster *c, const char *topic, int32_t partition)
{
    return peer_log_of((peer_cluster *)(uintptr_t)c, peer_topic_by_name(c, kafka_str(topic)), partition);
}

/* ---- logs -------------------------------------------------------------------------------------------------------- */

/* Room for one more of `size` bytes behind `used`. */
static void *grown(void *p, size_t used, size_t more, size_t *cap, size_t size)
{
    if (used + more <= *cap) return p;
    *cap = (used + more) * 2;
    p = realloc(p, *cap * size);
    if (!p) exit(2);
    return p;
}

int16_t peer_log_append(peer_cluster *c, peer_log *log, const void *batch, size_t len, int64_t *base)
{
    kfk_batch_header h;
    if (kfk_record_header_parse(batch, len, &h, NULL) != 0 || kfk_batch_size(&h) != len)
        return KAFKA_ERR_CORRUPT_MESSAGE;
    if (kfk_record_crc_check(&h, batch, NULL) != 0) return KAFKA_ERR_CORRUPT_MESSAGE;
    log->bytes = grown(log->bytes, log->len, len, &log->cap, 1);
    log->batches = grown(log->batches, log->batch_count, 1, &log->batch_cap, sizeof *log->batches);
    uint8_t *at = log->bytes + log->len;
    memcpy(at, batch, len);
    kfk_prim_put_be64(at, (uint64_t)log->end);
    kfk_prim_put_be32(at + LEADER_EPOCH_AT, 0);
    *base = log->end;
    log->end += h.last_offset_delta + 1;
    log->batches[log->batch_count++] = (peer_batch){
        .base = *base, .last = log->end - 1, .max_timestamp = h.max_timestamp, .at = log->len, .size = len};
    log->len += len;
    peer_wake_waiting(c);
    return 0;
}

const uint8_t *peer_log_from(const peer_log *log, int64_t offset, size_t *len, size_t *first_batch)
{
    *len = *first_batch = 0;
    for (size_t i = 0; i < log->batch_count; i++) {
        if (log->batches[i].last < offset) continue;
        *len = log->len - log->batches[i].at;
        *first_batch = log->batches[i].size;
        return log->bytes + log->batches[i].at;
    }
    return NULL;
}

int64_t peer_cluster_end(const peer_cluster *c, const char *topic, int32_t partition)
{
    const peer_log *log = log_named(c, topic, partition);
    return log ? log->end : -1;
}

const uint8_t *peer_cluster_log(const peer_cluster *c, const char *topic, int32_t partition, size_t *len)
{
    const peer_log *log = log_named(c, topic, partition);
    *len = log ? log->len : 0;
    return log ? log->bytes : NULL;
}

void peer_cluster_fill(peer_cluster *c, const char *topic, int32_t partition, const char *prefix, int count)
{
    peer_log *log = log_named(c, topic, partition);
    uint8_t *batch = sim_alloc(KFK_RECORD_HEADER + FILL_BYTES), *body = batch + KFK_RECORD_HEADER;
    kfk_record_writer w;
    kfk_batch_header h;
    int64_t base;
    kfk_record_writer_init(&w, body, FILL_BYTES);
    for (int i = 0; i < count && i < MOST_FILLED; i++) {
        char value[64];
        snprintf(value, sizeof value, "%s%d", prefix, i);
        kfk_record_append(&w, FIRST_TIME_MS + i, (kafka_bytes){NULL, 0}, kafka_str(value), NULL, 0);
    }
    kfk_record_writer_header(&w, &h);
    kfk_record_header_build(batch, &h, w.bytes, kfk_crc32c(0, body, w.bytes));
    if (!log || peer_log_append(c, log, batch, KFK_RECORD_HEADER + w.bytes, &base) != 0)
        sim_fail(c->sim, "no log to fill");
    free(batch);
}
