/* Requests are decoded by the library's own codec, which leaves record data where it lies: of a Produce request no byte
 * of a body is looked at. A fetched batch is encoded once and sent by reference; its base offset, which no CRC covers,
 * is the only thing that differs from one answer to the next. */
#include "sink_answer.h"
#include "base/crc32c.h"
#include "wire/frame.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/fetch.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/prim.h"
#include "wire/record.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOPICS = 256,
    PARTITIONS_MAX = 100000,
    COUNT_AT = 57, /* where the number of records stands in a batch */
    MAGIC_AT = 16,
    BASE_OFFSET = 8,               /* the bytes of it, in front of a batch */
    FETCH_PARTITION_MAX = 1 << 20, /* an answer holds no more of a partition, */
    FETCH_PARTS_MAX = 512          /* nor more pieces altogether */
};

static const int64_t log_end = INT64_C(1) << 50; /* of the log without end */

/* A topic, from its first mention on. Its id is its number, plus one. */
typedef struct topic {
    char name[256];
    int32_t partitions;
    bool held;
    int64_t *next; /* offset of the next record, by partition */
} topic;

static topic topics[TOPICS];
static size_t topic_count;
static sink_config config;
static sink_counts *counts;
static kfk_arena arena; /* the request's and the answer's memory */
static int64_t producers;

static uint8_t *log_batch;
static size_t log_bytes;
static int32_t log_records;

static void *must(void *p)
{
    if (p) return p;
    fprintf(stderr, "sink: out of memory\n");
    exit(1);
}

static void *array(int32_t count, size_t size)
{
    return must(kfk_arena_array(&arena, count < 0 ? 0 : (size_t)count, size));
}

/* ---- topics ------------------------------------------------------------------------------------------------------ */

static int32_t partitions_of(const char *name)
{
    size_t at = strlen(name);
    while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9') at--;
    long n = strtol(name + at, NULL, 10);
    return n < 1 ? 1 : n > PARTITIONS_MAX ? PARTITIONS_MAX : (int32_t)n;
}

static topic *topic_named(kafka_bytes name)
{
    for (size_t i = 0; i < topic_count; i++) {
        if (strlen(topics[i].name) == name.len && memcmp(topics[i].name, name.data, name.len) == 0) return &topics[i];
    }
    if (topic_count == TOPICS || name.len == 0 || name.len >= sizeof topics[0].name) return NULL;
    topic *t = &topics[topic_count++];
    memcpy(t->name, name.data, name.len);
    t->partitions = partitions_of(t->name);
    t->held = strncmp(t->name, "held", 4) == 0;
    t->next = must(calloc((size_t)t->partitions, sizeof *t->next));
    return t;
}

static kfk_uuid id_of(const topic *t)
{
    kfk_uuid id = {{0}};
    kfk_prim_put_be32(id.bytes + sizeof id.bytes - 4, (uint32_t)(t - topics) + 1);
    return id;
}

/* By name, or by id where there is no name. */
static topic *topic_of(kafka_bytes name, const kfk_uuid *id)
{
    if (name.len > 0) return topic_named(name);
    int32_t number = (int32_t)kfk_prim_get_be32(id->bytes + sizeof id->bytes - 4);
    return number >= 1 && (size_t)number <= topic_count ? &topics[number - 1] : NULL;
}

static int64_t *next_of(topic *t, int32_t partition)
{
    return t && partition >= 0 && partition < t->partitions ? &t->next[partition] : NULL;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void answer_versions(kfk_api_versions_response *r)
{
    r->api_keys.items = array(KFK_API_COUNT, sizeof *r->api_keys.items);
    r->api_keys.count = KFK_API_COUNT;
    for (size_t i = 0; i < KFK_API_COUNT; i++) {
        const kfk_api *api = kfk_api_row(i);
        r->api_keys.items[i].api_key = api->key;
        r->api_keys.items[i].min_version = api->min_version;
        r->api_keys.items[i].max_version = api->max_version;
    }
}

static void describe(const topic *t, kfk_metadata_response_topic *out)
{
    static int32_t self[] = {1};
    out->name = kafka_str(t->name);
    out->topic_id = id_of(t);
    out->topic_authorized_operations = INT32_MIN;
    out->partitions.items = array(t->partitions, sizeof *out->partitions.items);
    out->partitions.count = t->partitions;
    for (int32_t i = 0; i < t->partitions; i++) {
        kfk_metadata_response_partition *p = &out->partitions.items[i];
        p->partition_index = i;
        p->leader_id = p->leader_epoch = 1;
        p->replica_nodes = p->isr_nodes = (kfk_int32_array){self, 1};
    }
}

static void answer_metadata(const kfk_metadata_request *q, kfk_metadata_response *r)
{
    bool all = q->topics.count < 0;
    int32_t count = all ? (int32_t)topic_count : q->topics.count;
    r->brokers.items = array(1, sizeof *r->brokers.items);
    r->brokers.count = 1;
    r->brokers.items[0] =
        (kfk_metadata_response_broker){.node_id = 1, .host = kafka_str("127.0.0.1"), .port = config.port};
    r->controller_id = 1;
    r->cluster_id = kafka_str("sink");
    r->topics.items = array(count, sizeof *r->topics.items);
    r->topics.count = count;
    for (int32_t i = 0; i < count; i++) {
        const topic *t = all ? &topics[i] : topic_of(q->topics.items[i].name, &q->topics.items[i].topic_id);
        if (t) {
            describe(t, &r->topics.items[i]);
        } else {
            r->topics.items[i].name = q->topics.items[i].name;
            r->topics.items[i].topic_id = q->topics.items[i].topic_id;
            r->topics.items[i].error_code = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        }
    }
}

static void answer_offsets(const kfk_list_offsets_request *q, kfk_list_offsets_response *r)
{
    r->topics.items = array(q->topics.count, sizeof *r->topics.items);
    r->topics.count = q->topics.count;
    for (int32_t i = 0; i < q->topics.count; i++) {
        const kfk_list_offsets_request_topic *t = &q->topics.items[i];
        topic *own = topic_named(t->name);
        r->topics.items[i].name = t->name;
        r->topics.items[i].partitions.items = array(t->partitions.count, sizeof *r->topics.items[i].partitions.items);
        r->topics.items[i].partitions.count = t->partitions.count;
        for (int32_t j = 0; j < t->partitions.count; j++) {
            kfk_list_offsets_response_partition *p = &r->topics.items[i].partitions.items[j];
            const int64_t *next = next_of(own, t->partitions.items[j].partition_index);
            p->partition_index = t->partitions.items[j].partition_index;
            p->timestamp = -1;
            p->leader_epoch = 1;
            if (!next)
                p->error_code = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
            else if (t->partitions.items[j].timestamp == -1) /* the end */
                p->offset = log_records > 0 ? log_end : *next;
        }
    }
}

/* Counts a batch and gives it offsets. */
static void take_batch(kafka_bytes batch, int64_t *next, kfk_produce_response_partition *p)
{
    const uint8_t *bytes = batch.data;
    counts->batches++;
    counts->bytes += (int64_t)batch.len;
    p->base_offset = *next;
    if (batch.len < KFK_RECORD_HEADER || bytes[MAGIC_AT] != 2) return; /* a message set: not counted */
    int32_t records = (int32_t)kfk_prim_get_be32(bytes + COUNT_AT);
    counts->records += records;
    *next += records;
}

/* Returns whether it wants an answer. */
static bool answer_produce(const kfk_produce_request *q, kfk_produce_response *r)
{
    bool held = false;
    counts->requests++;
    r->responses.items = array(q->topic_data.count, sizeof *r->responses.items);
    r->responses.count = q->topic_data.count;
    for (int32_t i = 0; i < q->topic_data.count; i++) {
        const kfk_produce_request_topic *t = &q->topic_data.items[i];
        kfk_produce_response_topic *out = &r->responses.items[i];
        topic *own = topic_of(t->name, &t->topic_id);
        held = held || (own && own->held);
        out->name = t->name;
        out->topic_id = t->topic_id;
        out->partition_responses.items = array(t->partition_data.count, sizeof *out->partition_responses.items);
        out->partition_responses.count = t->partition_data.count;
        for (int32_t j = 0; j < t->partition_data.count; j++) {
            kfk_produce_response_partition *p = &out->partition_responses.items[j];
            int64_t *next = next_of(own, t->partition_data.items[j].index);
            p->index = t->partition_data.items[j].index;
            p->log_append_time_ms = -1;
            p->current_leader.leader_id = p->current_leader.leader_epoch = -1;
            if (next)
                take_batch(t->partition_data.items[j].records.bytes, next, p);
            else
                p->error_code = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        }
    }
    return q->acks != 0 && !held;
}

static void answer_producer_id(const kfk_init_producer_id_request *q, kfk_init_producer_id_response *r)
{
    bool known = q->producer_id >= 0;
    r->producer_id = known ? q->producer_id : 1000 + producers++;
    r->producer_epoch = known ? (int16_t)(q->producer_epoch + 1) : 0;
}

/* As many batches as fit, at least one; *left is what the answer has room for. */
static void fetch_partition(const kfk_fetch_request_partition *q, kfk_fetch_response_partition *p, int64_t *left)
{
    int64_t most = q->partition_max_bytes < FETCH_PARTITION_MAX ? q->partition_max_bytes : FETCH_PARTITION_MAX;
    int32_t count = (int32_t)((most < *left ? most : *left) / (int64_t)log_bytes);
    if (*left <= 0) return;
    if (count < 1) count = 1;
    if (count > FETCH_PARTS_MAX) count = FETCH_PARTS_MAX;
    struct iovec *parts = array(count * 2, sizeof *parts);
    uint8_t *offsets = array(count, BASE_OFFSET);
    for (int32_t i = 0; i < count; i++) {
        kfk_prim_put_be64(offsets + (size_t)i * BASE_OFFSET, (uint64_t)(q->fetch_offset + (int64_t)i * log_records));
        parts[i * 2] = (struct iovec){offsets + (size_t)i * BASE_OFFSET, BASE_OFFSET};
        parts[i * 2 + 1] = (struct iovec){log_batch + BASE_OFFSET, log_bytes - BASE_OFFSET};
    }
    p->records.parts = parts;
    p->records.part_count = count * 2;
    *left -= (int64_t)log_bytes * count;
}

static void answer_fetch(const kfk_fetch_request *q, kfk_fetch_response *r)
{
    int64_t left = q->max_bytes;
    counts->fetches++;
    r->responses.items = array(q->topics.count, sizeof *r->responses.items);
    r->responses.count = q->topics.count;
    for (int32_t i = 0; i < q->topics.count; i++) {
        const kfk_fetch_request_topic *t = &q->topics.items[i];
        kfk_fetch_response_topic *out = &r->responses.items[i];
        topic *own = topic_of(t->topic, &t->topic_id);
        out->topic = t->topic;
        out->topic_id = t->topic_id;
        out->partitions.items = array(t->partitions.count, sizeof *out->partitions.items);
        out->partitions.count = t->partitions.count;
        for (int32_t j = 0; j < t->partitions.count; j++) {
            kfk_fetch_response_partition *p = &out->partitions.items[j];
            p->partition_index = t->partitions.items[j].partition;
            p->preferred_read_replica = -1;
            p->diverging_epoch.epoch = p->current_leader.leader_id = p->current_leader.leader_epoch = -1;
            p->diverging_epoch.end_offset = p->snapshot_id.end_offset = p->snapshot_id.epoch = -1;
            p->records.bytes = kafka_bytes_of(NULL, 0);
            if (!next_of(own, p->partition_index)) {
                p->error_code = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
                continue;
            }
            p->high_watermark = p->last_stable_offset = log_records > 0 ? log_end : 0;
            if (log_records > 0) fetch_partition(&t->partitions.items[j], p, &left);
        }
    }
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static void make_log(void)
{
    size_t cap = config.batch_bytes > 0 ? (size_t)config.batch_bytes : 1 << 20;
    size_t room = cap > KFK_RECORD_HEADER ? cap - KFK_RECORD_HEADER : 0, least = (size_t)config.message_bytes + 64;
    char *value = must(calloc(1, (size_t)config.message_bytes));
    kfk_record_writer w;
    kfk_batch_header h;
    if (room < least) room = least; /* one record at least */
    log_batch = must(malloc(KFK_RECORD_HEADER + room));
    kfk_record_writer_init(&w, log_batch + KFK_RECORD_HEADER, room);
    for (int i = 0;; i++) {
        memset(value, 'a' + i % 26, (size_t)config.message_bytes);
        kafka_bytes bytes = kafka_bytes_of(value, (size_t)config.message_bytes);
        if (kfk_record_append(&w, INT64_C(1700000000000), (kafka_bytes){NULL, 0}, bytes, NULL, 0) != 0) break;
    }
    kfk_record_writer_header(&w, &h);
    h.leader_epoch = 1;
    kfk_record_header_build(log_batch, &h, w.bytes, kfk_crc32c(0, log_batch + KFK_RECORD_HEADER, w.bytes));
    log_bytes = KFK_RECORD_HEADER + w.bytes;
    log_records = w.count;
    free(value);
}

void sink_answer_init(const sink_config *c, sink_counts *shared)
{
    config = *c;
    counts = shared;
    kfk_arena_init(&arena, SIZE_MAX);
    if (config.message_bytes > 0) make_log();
}

/* Fills in `r`; the APIs that are not here get an answer of defaults. Returns whether it is wanted. */
static bool answer(int16_t key, const void *q, void *r)
{
    switch (key) {
    case KFK_API_API_VERSIONS: answer_versions(r); return true;
    case KFK_API_METADATA: answer_metadata(q, r); return true;
    case KFK_API_LIST_OFFSETS: answer_offsets(q, r); return true;
    case KFK_API_PRODUCE: return answer_produce(q, r);
    case KFK_API_INIT_PRODUCER_ID: answer_producer_id(q, r); return true;
    case KFK_API_FETCH: answer_fetch(q, r); return true;
    default: return true;
    }
}

bool sink_answer(const uint8_t *frame, size_t len, kfk_gather *out)
{
    kfk_error err = {0};
    const kfk_api *api;
    int16_t version;
    int32_t id;
    kafka_bytes client;
    void *q;
    kfk_arena_fini(&arena);
    if (kfk_frame_decode_request(frame, len, &arena, &api, &version, &id, &client, &q, &err) != 0) {
        fprintf(stderr, "sink: %s\n", err.text);
        return false;
    }
    void *r = array(1, api->response->size);
    kfk_codec_default(api->response, r);
    if (!answer(api->key, q, r)) return true;
    if (kfk_frame_encode_response(api, version, id, r, out, &err) == 0) return true;
    fprintf(stderr, "sink: %s\n", err.text);
    return false;
}
