/* See the header. */
#include "sim/producers.h"
#include "base/time.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_PORT = 9092, ROOM_MS = 600000, DRAIN_MS = 60000 };
#define HOST "10.0.0.1"

/* ---- what the producer says -------------------------------------------------------------------------------------- */

static void tell(book *b, uint32_t id, const kfk_produce_batch *batch, int32_t i, const kfk_error *err)
{
    book_record *r = &b->records[id];
    int32_t partition = kfk_producer_partition_id(batch->producer.partition);
    if (++r->times != 1) sim_fail(b->sim, "message %u was told of %d times", id, r->times);
    r->code = err ? err->code : 0;
    r->written = err ? batch->producer.written : KAFKA_WRITTEN_YES;
    r->partition = partition;
    r->offset = batch->producer.base_offset >= 0 ? batch->producer.base_offset + i : -1;
    r->told_ms = sim_now_ms(b->sim);
    if (partition < BOOK_PARTITIONS) {
        uint32_t *last = &b->last_told[partition + 1][r->sender];
        if (*last > id + 1) sim_fail(b->sim, "message %u was told of after %u", id, *last - 1);
        *last = id + 1;
    }
    b->told++;
    b->all_told = b->told == b->accepted;
}

static void delivered(void *owner, kfk_produce_batch *batch, const kfk_error *err)
{
    book *b = owner;
    kfk_side_iter it;
    void *side;
    int32_t i = 0;
    kfk_side_iter_init(&it, batch);
    while ((side = kfk_side_iter_next(&it)) != NULL) {
        uint64_t id;
        memcpy(&id, side, sizeof id);
        tell(b, (uint32_t)id, batch, i++, err);
    }
    sim_check_equal(b->sim, i, kfk_produce_batch_count(batch));
    b->batches++;
    if (i > b->largest) b->largest = i;
    if (err) {
        snprintf(b->why, sizeof b->why, "%s", err->text);
        sim_trace(b->sim, "outcome: %s", err->text);
    }
    KFK_LIST_EACH (n, &b->producer->brokers) {
        int in_flight = atomic_load(&KFK_CONTAINER(n, kfk_producer_broker, node)->in_flight);
        if (in_flight > b->most_in_flight) b->most_in_flight = in_flight;
    }
    kfk_producer_batch_free(batch);
}

static int32_t balance(void *owner, const kafka_message *m, const kfk_producer_map *map, kfk_error *err)
{
    book *b = owner;
    (void)err;
    if (m->partition >= 0) return m->partition;
    return map->available[b->balanced++ % map->available_count];
}

static void counted(void *owner, int what, int64_t value)
{
    book *b = owner;
    b->counted[what] += value;
}

/* ---- birth ------------------------------------------------------------------------------------------------------- */

const char *book_address(int broker)
{
    static char text[BOOK_BROKERS + 1][32];
    snprintf(text[broker], sizeof text[broker], HOST ":%d", HOST_PORT + broker - 1);
    return text[broker];
}

static void book_free(void *arg)
{
    book *b = arg;
    free(b->records);
    free(b);
}

static book *book_make(sim *s, int brokers, int partitions)
{
    book *b = calloc(1, sizeof *b);
    if (!b || !(b->records = calloc(BOOK_RECORDS, sizeof *b->records))) abort();
    sim_own(s, book_free, b);
    b->sim = s;
    b->partitions = partitions;
    b->chosen_topic = BOOK_TOPIC;
    b->all_told = true;
    for (int i = 0; i < brokers; i++)
        kfk_hostport_parse(book_address(i + 1), strlen(book_address(i + 1)), &b->bootstrap[i], NULL);
    b->cfg = (kfk_producer_config){
        .cluster = {.connect = {.loop = sim_loop(s), .client_id = "sim", .fallback_delay_ms = 300, .dual_stack = true},
                    .bootstrap = b->bootstrap,
                    .bootstrap_count = (size_t)brokers},
        .batch_timeout_ms = 1000,
        .delivery_timeout_ms = 120000,
        .write_timeout_ms = 10000,
        .rebalance_interval_ms = 15000,
        .buffer_bytes = 32 * 1024 * 1024,
        .batch_bytes = 1024 * 1024,
        .batch_size = 100,
        .max_attempts = 10,
        .acks = -1,
        .idempotence = true,
        .side_size = sizeof(uint64_t),
        .delivered = delivered,
        .balance = balance,
        .counted = counted,
        .owner = b,
    };
    return b;
}

book *book_new(sim *s, int brokers, int partitions)
{
    book *b = book_make(s, brokers, partitions);
    kafka_cluster_config cfg = {
        .host = HOST, .brokers = brokers, .base_port = HOST_PORT, .loop = sim_loop(s), .no_auto_create = 1};
    if (kafka_cluster_new(&cfg, &b->cluster) != 0 ||
        (partitions > 0 && kafka_cluster_create_topic(b->cluster, BOOK_TOPIC, partitions) != 0)) {
        sim_fail(s, "no cluster: %s", kafka_last_error());
        return NULL;
    }
    return b;
}

book *book_on_peers(sim *s, int brokers, int partitions)
{
    book *b = book_make(s, brokers, partitions);
    b->peers = peer_cluster_new(s);
    if (partitions > 0) peer_cluster_add_topic(b->peers, BOOK_TOPIC, partitions, 1);
    for (int32_t id = 1; id <= brokers; id++) {
        b->peer[id] = peer_new(b->peers, id, book_address(id));
        peer_route(b->peer[id])->latency_us = 500;
    }
    for (int32_t i = 0; i < partitions; i++) peer_cluster_move(b->peers, BOOK_TOPIC, i, 1 + i % brokers);
    return b;
}

bool book_start(book *b)
{
    int err = kfk_producer_new(&b->cfg, &b->producer);
    if (!sim_check_equal(b->sim, err, 0)) return false;
    book_use_topic(b, NULL);
    return true;
}

void book_use_topic(book *b, const char *topic)
{
    kfk_producer_topic_drop(b->topic);
    b->topic = NULL;
    b->chosen_topic = topic ? topic : BOOK_TOPIC;
    sim_check_equal(b->sim, kfk_producer_topic_get(b->producer, kafka_str(b->chosen_topic), &b->topic), 0);
}

book *book_warm(sim *s, int brokers, int partitions, void (*tune)(kfk_producer_config *))
{
    book *b = book_new(s, brokers, partitions);
    if (!b) return NULL;
    if (tune) tune(&b->cfg);
    if (!book_start(b)) return NULL;
    for (int32_t p = 0; p < partitions; p++) book_send(b, 0, p, 8, true);
    return book_wait(b, 10000) ? b : NULL;
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static int send_once(book *b, kfk_producer_call *call, uint32_t id, int32_t partition, size_t bytes)
{
    uint8_t value[64 * 1024] = {0};
    uint64_t side = id;
    if (bytes > sizeof value) bytes = sizeof value;
    memcpy(value, &id, sizeof id);
    kafka_message m = {.value = {value, bytes}, .partition = partition};
    kfk_producer_map *map = kfk_producer_topic_map(b->topic);
    int err = 1, codec = b->cfg.codec;
    int64_t wall = kfk_time_wall_ms();
    if (!map) {
        err = kfk_producer_call_wait(call, b->topic, &m, wall, codec, &side);
        if (err == 1) map = kfk_producer_topic_map(b->topic);
    }
    if (map) {
        size_t at = partition >= 0 ? (size_t)partition : (size_t)map->available[b->balanced++ % map->available_count];
        err = kfk_producer_call_append(call, map->partitions[at], &m, wall, codec, &side);
    }
    kfk_producer_map_drop(map);
    return err;
}

int book_send(book *b, uint32_t sender, int32_t partition, size_t bytes, bool waits)
{
    kfk_producer_call call;
    if (b->accepted >= BOOK_RECORDS) abort();
    uint32_t id = b->accepted++; /* the outcome may come before this returns */
    b->all_told = false;
    b->records[id] = (book_record){.sender = sender, .accepted_ms = sim_now_ms(b->sim), .partition = -1};
    kfk_producer_call_begin(&call, b->producer, kfk_time_now_ms(), waits);
    int err = send_once(b, &call, id, partition, bytes);
    kfk_producer_call_end(&call);
    if (err == 0) return 0;
    b->records[id].times = 1; /* as good as told */
    b->records[id].code = err;
    b->records[id].written = KAFKA_WRITTEN_NO;
    b->told++;
    b->all_told = b->told == b->accepted;
    return err;
}

static int wait_for_room(book *b, size_t bytes, int64_t ms)
{
    kfk_op *op;
    bool lobby = atomic_load(&b->topic->maps.now) == NULL;
    int err = kfk_producer_room_new(b->producer, lobby ? b->topic : NULL, bytes, kfk_time_now_ms() + ms, NULL, &op);
    if (err != 0) return err;
    kfk_loop_submit(sim_loop(b->sim), &op->task);
    kfk_op_wait(sim_loop(b->sim), op, KFK_TIME_NEVER);
    err = op->error.code;
    kfk_op_drop(op);
    return err;
}

void book_send_all(book *b, uint32_t sender, int32_t partition, size_t bytes, int count)
{
    for (int i = 0; i < count && !sim_failed(b->sim); i++) {
        int err = book_send(b, sender, partition, bytes, false);
        if (err == KAFKA_EAGAIN && (err = wait_for_room(b, bytes, ROOM_MS)) == 0) {
            i--;
            continue;
        }
        sim_check_equal(b->sim, err, 0);
    }
}

bool book_wait(book *b, int64_t ms)
{
    int64_t begun = sim_now_ms(b->sim), waited = 0;
    while (!b->all_told && !sim_failed(b->sim) && waited < ms) {
        int64_t nap = 1 + waited / 100; /* a look costs as much as an event */
        sim_sleep_ms(b->sim, nap < ms - waited ? nap : ms - waited);
        waited = sim_now_ms(b->sim) - begun;
    }
    if (!b->all_told)
        sim_fail(b->sim, "%u of %u messages have no outcome within %lld ms", b->accepted - b->told, b->accepted,
                 (long long)ms);
    return b->all_told;
}

void book_expect_written(book *b)
{
    for (uint32_t i = 0; i < b->accepted && !sim_failed(b->sim); i++) {
        if (b->records[i].code != 0) sim_fail(b->sim, "message %u: %d %s", i, b->records[i].code, b->why);
    }
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

static int run(book *b, kfk_op *op)
{
    kfk_loop_submit(sim_loop(b->sim), &op->task);
    kfk_op_wait(sim_loop(b->sim), op, KFK_TIME_NEVER);
    int err = op->error.code;
    kfk_op_drop(op);
    return err;
}

int book_flush(book *b, int64_t ms)
{
    kfk_op *op;
    int err = kfk_producer_flush_new(b->producer, kfk_time_now_ms() + ms, NULL, &op);
    return err != 0 ? err : run(b, op);
}

int book_close(book *b, int64_t ms)
{
    kfk_op *op;
    int err = kfk_producer_close_new(b->producer, kfk_time_now_ms() + ms, NULL, &op);
    return err != 0 ? err : run(b, op);
}

static void found(book *b, int32_t partition, int64_t offset, kafka_bytes value, uint32_t last[BOOK_SENDERS])
{
    uint32_t id;
    if (!sim_check(b->sim, value.len >= sizeof id)) return;
    memcpy(&id, value.data, sizeof id);
    if (!sim_check(b->sim, id < b->accepted)) return;
    book_record *r = &b->records[id];
    r->in_log++;
    if (r->code == 0 && r->offset >= 0 && r->offset != offset && b->cfg.idempotence)
        sim_fail(b->sim, "message %u is at offset %lld, not %lld", id, (long long)offset, (long long)r->offset);
    if (r->code == 0) sim_check_equal(b->sim, r->partition, partition);
    if (b->cfg.idempotence && last[r->sender] > id + 1)
        sim_fail(b->sim, "message %u stands behind %u in partition %d", id, last[r->sender] - 1, (int)partition);
    last[r->sender] = id + 1;
}

static void read_log(book *b, int32_t partition)
{
    sim *s = b->sim;
    int64_t start = 0, end = 0;
    uint32_t last[BOOK_SENDERS] = {0};
    kafka_conn *c = NULL;
    kafka_dialer d = client_dialer(DRAIN_MS);
    if (!sim_check_equal(s, kafka_cluster_log_size(b->cluster, b->chosen_topic, partition, &start, &end), 0)) return;
    if (end == start) return;
    if (kafka_dial_leader(&d, NULL, kafka_cluster_bootstrap(b->cluster), b->chosen_topic, partition, &c) != 0) {
        sim_fail(s, "partition %d: %s", (int)partition, kafka_last_error());
        return;
    }
    kafka_conn_set_deadline(c, kafka_deadline_in(DRAIN_MS));
    for (int64_t at = start; at < end && !sim_failed(s);) {
        kafka_batch *batch = NULL;
        kafka_message m;
        int code = kafka_conn_read_batch(c, NULL, &batch);
        while (code == 0 && (code = kafka_batch_read_message(batch, &m)) == 0) {
            if (m.offset >= at) found(b, partition, m.offset, m.value, last);
            at = m.offset + 1;
        }
        if (batch) kafka_batch_close(batch);
        if (code != 0 && code != KAFKA_EOF) sim_fail(s, "partition %d: %s", (int)partition, kafka_last_error());
    }
    kafka_conn_free(c);
}

static void check(book *b)
{
    for (int32_t p = 0; p < b->partitions && !sim_failed(b->sim); p++) read_log(b, p);
    for (uint32_t i = 0; i < b->accepted && !sim_failed(b->sim); i++) {
        const book_record *r = &b->records[i];
        sim_check_equal(b->sim, r->times, 1);
        if (r->code == 0 && b->cfg.acks != 0 && r->in_log == 0) sim_fail(b->sim, "message %u is lost", i);
        if (r->code != 0 && r->written == KAFKA_WRITTEN_NO && r->in_log > 0)
            sim_fail(b->sim, "message %u is written although it failed with %d", i, r->code);
        if (b->cfg.idempotence && r->in_log > 1) sim_fail(b->sim, "message %u is there %d times", i, r->in_log);
    }
}

void book_end(book *b)
{
    if (!b) return;
    if (b->producer) {
        if (!b->producer->finished) book_close(b, 1000);
        sim_check(b->sim, b->producer->finished);
        kfk_producer_topic_drop(b->topic);
        kfk_producer_drop(b->producer);
        b->producer = NULL;
    }
    if (b->cluster) kafka_cluster_clear_faults(b->cluster);
    sim_sleep_ms(b->sim, 1000);
    if (b->cluster && !sim_failed(b->sim)) check(b);
    if (b->cluster) kafka_cluster_free(b->cluster);
    for (uint32_t i = 0; i < b->accepted; i++) sim_check_equal(b->sim, b->records[i].times, 1);
}

int64_t book_requests(const book *b, int32_t api)
{
    return kafka_cluster_requests(b->cluster, api);
}

void book_fault(book *b, kafka_fault_kind kind, int32_t api, int32_t error, int64_t count, int64_t delay_ms, int broker)
{
    kafka_fault f = kafka_fault_on(kind, api);
    f.error = error;
    f.count = count;
    f.delay_ms = delay_ms;
    f.broker = broker;
    sim_check_equal(b->sim, kafka_cluster_add_fault(b->cluster, &f), 0);
}

kfk_producer_broker *book_broker(book *b, int id)
{
    KFK_LIST_EACH (n, &b->producer->brokers) {
        kfk_producer_broker *br = KFK_CONTAINER(n, kfk_producer_broker, node);
        if (br->id == id) return br;
    }
    return NULL;
}
