/* See the header. */
#include "conformance/steps.h"
#include "wire/gen/init_producer_id.h"
#include "wire/record.h"
#include <string.h>

/* ---- Produce ----------------------------------------------------------------------------------------------------- */

typedef struct produce_parts {
    kfk_produce_request request;
    kfk_produce_request_topic topic;
    kfk_produce_request_partition partition;
} produce_parts;

static void produce_request(produce_parts *p, const topic *t, int32_t partition, kafka_bytes records)
{
    p->partition = (kfk_produce_request_partition){.index = partition, .records = {.bytes = records}};
    p->topic = (kfk_produce_request_topic){
        .name = kafka_str(t->name), .topic_id = t->id, .partition_data = {&p->partition, 1}};
    p->request = DEFAULTS(produce);
    p->request.acks = -1;
    p->request.timeout_ms = 10000;
    p->request.topic_data = (kfk_produce_request_topic_array){&p->topic, 1};
}

kfk_produce_response_partition produce_how_to(client *c, const topic *t, int32_t partition, kafka_bytes records,
                                              const produce_how *how)
{
    produce_parts p;
    produce_request(&p, t, partition, records);
    p.request.transactional_id = how->transactional_id;
    if (how->acks != ACKS_ALL) p.request.acks = how->acks;
    if (how->timeout_ms) p.request.timeout_ms = how->timeout_ms;
    const kfk_produce_response *a = ASK(c, produce, how->version ? how->version : 12, &p.request);
    assert_int_equal(a->responses.count, 1);
    assert_int_equal(a->responses.items[0].partition_responses.count, 1);
    return a->responses.items[0].partition_responses.items[0];
}

kfk_produce_response_partition produce(client *c, const topic *t, int32_t partition, kafka_bytes records)
{
    return PRODUCE(c, t, partition, records, .version = 12);
}

void produce_ahead(client *c, const topic *t, int32_t partition, kafka_bytes records)
{
    produce_parts p;
    produce_request(&p, t, partition, records);
    client_send(c, &kfk_produce_request_schema, 12, &p.request);
}

void produce_unanswered(client *c, const topic *t, int32_t partition, kafka_bytes records)
{
    produce_parts p;
    produce_request(&p, t, partition, records);
    p.request.acks = 0;
    client_send(c, &kfk_produce_request_schema, 12, &p.request);
}

/* ---- Fetch ------------------------------------------------------------------------------------------------------- */

static int32_t usual(int32_t value, int32_t otherwise)
{
    return value == 0 ? otherwise : value < 0 ? 0 : value;
}

int16_t fetch_version(const fetch_want *want)
{
    return want->version ? want->version : 12;
}

const kfk_fetch_request *fetch_request(fetch_parts *p, const topic *t, int32_t partition, const fetch_want *want)
{
    p->partition = (kfk_fetch_request_partition){.partition = partition,
                                                 .current_leader_epoch = want->leader_epoch - 1,
                                                 .fetch_offset = want->offset,
                                                 .last_fetched_epoch = want->fetched_epoch - 1,
                                                 .log_start_offset = -1,
                                                 .partition_max_bytes = usual(want->partition_max, 1 << 20),
                                                 .high_watermark = INT64_MAX};
    p->topic =
        (kfk_fetch_request_topic){.topic = kafka_str(t->name), .topic_id = t->id, .partitions = {&p->partition, 1}};
    p->request = DEFAULTS(fetch);
    p->request.max_wait_ms = usual(want->max_wait_ms, 500);
    p->request.min_bytes = usual(want->min_bytes, 1);
    p->request.max_bytes = usual(want->max_bytes, 1 << 20);
    p->request.isolation_level = want->isolation;
    p->request.topics = (kfk_fetch_request_topic_array){&p->topic, 1};
    return &p->request;
}

kfk_fetch_response_partition fetch(client *c, const topic *t, int32_t partition, const fetch_want *want)
{
    fetch_parts p;
    const kfk_fetch_response *a = ASK(c, fetch, fetch_version(want), fetch_request(&p, t, partition, want));
    EXPECT(a->error_code, 0);
    assert_int_equal(a->responses.count, 1);
    assert_int_equal(a->responses.items[0].partitions.count, 1);
    return a->responses.items[0].partitions.items[0];
}

int records_count(kafka_bytes records)
{
    kfk_batch_header h;
    int count = 0;
    for (size_t at = 0; at < records.len; at += kfk_batch_size(&h), count++) {
        if (kfk_record_header_parse((const uint8_t *)records.data + at, records.len - at, &h, NULL) != 0) break;
    }
    return count;
}

int64_t records_first_offset(kafka_bytes records)
{
    kfk_batch_header h;
    if (kfk_record_header_parse(records.data, records.len, &h, NULL) != 0) return -1;
    return h.base_offset;
}

/* ---- others ------------------------------------------------------------------------------------------------------ */

kfk_list_offsets_response_partition list_offset(client *c, const topic *t, int32_t partition, int64_t timestamp,
                                                int16_t version)
{
    kfk_list_offsets_request_partition p = {
        .partition_index = partition, .current_leader_epoch = -1, .timestamp = timestamp, .max_num_offsets = 1};
    kfk_list_offsets_request_topic one = {.name = kafka_str(t->name), .partitions = {&p, 1}};
    kfk_list_offsets_request r = DEFAULTS(list_offsets);
    r.replica_id = -1;
    r.topics = (kfk_list_offsets_request_topic_array){&one, 1};
    const kfk_list_offsets_response *a = ASK(c, list_offsets, version ? version : 7, &r);
    assert_int_equal(a->topics.count, 1);
    assert_int_equal(a->topics.items[0].partitions.count, 1);
    return a->topics.items[0].partitions.items[0];
}

typedef struct producer_wait {
    client *c;
    int64_t id;
} producer_wait;

static bool has_id(void *arg)
{
    producer_wait *w = arg;
    kfk_init_producer_id_request r = DEFAULTS(init_producer_id);
    r.transactional_id = (kafka_bytes){NULL, 0};
    r.transaction_timeout_ms = INT32_MAX;
    const kfk_init_producer_id_response *a = ASK(w->c, init_producer_id, 4, &r);
    if (a->error_code == KAFKA_ERR_COORDINATOR_LOAD_IN_PROGRESS) return false; /* it asks the controller for ids */
    EXPECT(a->error_code, 0);
    EXPECT(a->producer_epoch, 0);
    w->id = a->producer_id;
    return w->id != 0; /* as good as any, but here a batch with 0 has none */
}

int64_t new_producer(client *c)
{
    producer_wait w = {c, -1};
    suite_wait(has_id, &w, "given a producer id");
    return w.id;
}
