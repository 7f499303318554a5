/* What the peer answers when no rule says otherwise.
 *
 * Known gaps: topics by id, replicas, sessions, quotas, transactions; records are stored in the format in which
 * they came, and sent in it whatever the version of the Fetch. */
#include "base/time.h"
#include "support/message_sets.h"
#include "support/peer_tcp_impl.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/fetch.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/prim.h"
#include "wire/record_v1.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY(call, array, n) \
    ((array)->count = (n), (array)->items = tcp_alloc((call), ((size_t)(n) + 1) * sizeof *(array)->items))

/* ---- topics ------------------------------------------------------------------------------------------------------ */

tcp_topic *tcp_peer_topic(tcp_peer *p, kafka_bytes name)
{
    for (size_t i = 0; i < TCP_TOPICS; i++) {
        tcp_topic *t = &p->topics[i];
        if (t->count > 0 && strlen(t->name) == name.len && memcmp(t->name, name.data, name.len) == 0) return t;
    }
    return NULL;
}

static tcp_log *find_log(tcp_peer *p, kafka_bytes topic, int32_t partition)
{
    tcp_topic *t = tcp_peer_topic(p, topic);
    return t != NULL && partition >= 0 && partition < t->count ? &t->logs[partition] : NULL;
}

static void add_topic(tcp_peer *p, kafka_bytes name, int32_t partitions, int32_t leader)
{
    for (size_t i = 0; i < TCP_TOPICS; i++) {
        tcp_topic *t = &p->topics[i];
        if (t->count > 0) continue;
        snprintf(t->name, sizeof t->name, "%.*s", (int)name.len, (const char *)name.data);
        t->count = partitions > TCP_PARTITIONS ? TCP_PARTITIONS : partitions;
        for (int32_t k = 0; k < t->count; k++) t->logs[k].leader = leader;
        return;
    }
    tcp_peer_fail(p, "too many topics");
}

void tcp_peer_add_topic(tcp_peer *p, const char *topic, int32_t partitions, int32_t leader)
{
    pthread_mutex_lock(&p->lock);
    add_topic(p, kafka_str(topic), partitions, leader);
    pthread_mutex_unlock(&p->lock);
}

static void append(tcp_log *log, const void *bytes, size_t len)
{
    log->bytes.data = realloc(log->bytes.data, log->bytes.len + len + 1);
    if (log->bytes.data == NULL) abort();
    if (len > 0) memcpy(log->bytes.data + log->bytes.len, bytes, len);
    log->bytes.len += len;
}

void tcp_peer_fill(tcp_peer *p, const batch_bytes *batches, int64_t end)
{
    tcp_peer_fill_topic(p, "t", batches, end);
}

void tcp_peer_fill_topic(tcp_peer *p, const char *topic, const batch_bytes *batches, int64_t end)
{
    pthread_mutex_lock(&p->lock);
    tcp_log *log = &tcp_peer_topic(p, kafka_str(topic))->logs[0];
    append(log, batches->data, batches->len);
    log->end = end;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

void tcp_peer_abort(tcp_peer *p, int64_t producer_id, int64_t first_offset)
{
    pthread_mutex_lock(&p->lock);
    p->has_aborted = true;
    p->aborted_producer = producer_id;
    p->aborted_first = first_offset;
    pthread_mutex_unlock(&p->lock);
}

int64_t tcp_peer_end(tcp_peer *p, int32_t partition)
{
    pthread_mutex_lock(&p->lock);
    int64_t end = p->topics[0].logs[partition].end;
    pthread_mutex_unlock(&p->lock);
    return end;
}

static int16_t code_for(const tcp_call *call, const tcp_log *log)
{
    if (call->code != 0) return call->code;
    if (log == NULL) return KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    return log->leader == call->peer->id ? 0 : KAFKA_ERR_NOT_LEADER_FOR_PARTITION;
}

/* ---- ApiVersions and Metadata ------------------------------------------------------------------------------------ */

static void api_versions(tcp_call *call, kfk_api_versions_response *a)
{
    const tcp_peer *p = call->peer;
    a->error_code = call->code;
    ARRAY(call, &a->api_keys, KFK_API_COUNT);
    a->api_keys.count = 0;
    for (int16_t key = 0; key < TCP_API_KEYS; key++) {
        if (p->versions[key].max < p->versions[key].min) continue;
        a->api_keys.items[a->api_keys.count++] =
            (kfk_api_versions_response_api){key, p->versions[key].min, p->versions[key].max};
    }
}

static void describe_topic(tcp_call *call, const kfk_metadata_request *r, kafka_bytes name,
                           kfk_metadata_response_topic *out)
{
    const tcp_topic *t = tcp_peer_topic(call->peer, name);
    (void)r;
    out->name = name;
    out->error_code = call->code != 0 ? call->code : t ? 0 : KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    out->topic_authorized_operations = INT32_MIN;
    if (out->error_code != 0) return;
    ARRAY(call, &out->partitions, t->count);
    for (int32_t i = 0; i < t->count; i++) {
        kfk_metadata_response_partition *p = &out->partitions.items[i];
        *p = (kfk_metadata_response_partition){.partition_index = i, .leader_id = t->logs[i].leader, .leader_epoch = 3};
        p->error_code = p->leader_id < 0 ? KAFKA_ERR_LEADER_NOT_AVAILABLE : 0;
        *ARRAY(call, &p->replica_nodes, 1) = 1;
        *ARRAY(call, &p->isr_nodes, 1) = 1;
    }
}

static void metadata(tcp_call *call, const kfk_metadata_request *r, kfk_metadata_response *a)
{
    const tcp_peer *p = call->peer;
    *ARRAY(call, &a->brokers, 1) = (kfk_metadata_response_broker){
        .node_id = p->id, .host = kafka_str(p->host), .port = p->advertised_port, .rack = kafka_str("r1")};
    a->controller_id = p->id;
    ARRAY(call, &a->topics, r->topics.count < 0 ? TCP_TOPICS : r->topics.count);
    a->topics.count = 0;
    for (int32_t i = 0; i < r->topics.count; i++)
        describe_topic(call, r, r->topics.items[i].name, &a->topics.items[a->topics.count++]);
    for (size_t i = 0; r->topics.count < 0 && i < TCP_TOPICS; i++) {
        if (p->topics[i].count > 0)
            describe_topic(call, r, kafka_str(p->topics[i].name), &a->topics.items[a->topics.count++]);
    }
}

/* ---- Produce ----------------------------------------------------------------------------------------------------- */

/* Appends one batch under the next offsets. */
static int16_t append_batch(tcp_log *log, kafka_bytes batch, int64_t *base)
{
    kfk_batch_header h;
    if (kfk_record_header_parse(batch.data, batch.len, &h, NULL) != 0 ||
        kfk_record_crc_check(&h, batch.data, NULL) != 0 || kfk_batch_size(&h) != batch.len)
        return KAFKA_ERR_CORRUPT_MESSAGE;
    *base = log->end;
    append(log, batch.data, batch.len);
    kfk_prim_put_be64(log->bytes.data + log->bytes.len - batch.len, (uint64_t)log->end);
    log->end += h.last_offset_delta + 1;
    return 0;
}

/* Appends one message under the next offset, or what is inside under the next ones: in format 0 these are absolute, so
 * it is compressed anew, as brokers did. */
static int16_t append_message(tcp_log *log, const kfk_batch_header *h, const uint8_t *message)
{
    kfk_record_iter it;
    kfk_record r;
    kfk_buf inflated;
    batch_bytes inside = {0}, wrapper = {0};
    int err;
    kfk_buf_init(&inflated, SIZE_MAX);
    do {
        err = kfk_record_v1_open(h, message, &inflated, &it, NULL);
    } while (err == KAFKA_ENOMEM);
    int32_t count = it.left;
    if (err == 0 && h->magic == 0 && kfk_batch_codec(h) != 0) {
        for (int64_t i = 0; kfk_record_v1_next(&it, &r); i++)
            MESSAGE(&inside, .offset = log->end + i, .key = r.key, .value = r.value);
        set_wrap(&wrapper, 0, kfk_batch_codec(h), log->end + count - 1, &inside);
        append(log, wrapper.data, wrapper.len);
    } else if (err == 0) {
        append(log, message, kfk_batch_size(h));
        kfk_prim_put_be64(log->bytes.data + log->bytes.len - kfk_batch_size(h), (uint64_t)(log->end + count - 1));
    }
    if (err == 0) log->end += count;
    kfk_buf_fini(&inflated);
    batch_free(&inside);
    batch_free(&wrapper);
    return err == 0 ? 0 : KAFKA_ERR_CORRUPT_MESSAGE;
}

/* Appends a set of the format that this version of Produce carries. */
static int16_t append_set(tcp_log *log, int16_t version, kafka_bytes set, int64_t *base)
{
    int16_t code = set.len > 0 ? 0 : KAFKA_ERR_CORRUPT_MESSAGE;
    kfk_batch_header h;
    *base = log->end;
    for (size_t at = 0; at < set.len && code == 0; at += kfk_batch_size(&h)) {
        const uint8_t *message = (const uint8_t *)set.data + at;
        bool good = kfk_record_v1_parse(message, set.len - at, &h, NULL) == 0 && h.magic == (version == 2);
        code = good ? append_message(log, &h, message) : KAFKA_ERR_CORRUPT_MESSAGE;
    }
    return code;
}

static int16_t append_records(const tcp_call *call, tcp_log *log, kafka_bytes records, int64_t *base)
{
    return call->version < 3 ? append_set(log, call->version, records, base) : append_batch(log, records, base);
}

static void produce(tcp_call *call, const kfk_produce_request *r, kfk_produce_response *a)
{
    ARRAY(call, &a->responses, r->topic_data.count);
    for (int32_t i = 0; i < r->topic_data.count; i++) {
        const kfk_produce_request_topic *rt = &r->topic_data.items[i];
        kfk_produce_response_topic *at = &a->responses.items[i];
        at->name = rt->name;
        ARRAY(call, &at->partition_responses, rt->partition_data.count);
        for (int32_t k = 0; k < rt->partition_data.count; k++) {
            const kfk_produce_request_partition *rp = &rt->partition_data.items[k];
            kfk_produce_response_partition *ap = &at->partition_responses.items[k];
            tcp_log *log = find_log(call->peer, rt->name, rp->index);
            *ap = (kfk_produce_response_partition){.index = rp->index,
                                                   .base_offset = -1,
                                                   .log_append_time_ms = -1,
                                                   .log_start_offset = -1,
                                                   .current_leader = {-1, -1}};
            ap->error_code = code_for(call, log);
            if (ap->error_code == 0) ap->error_code = append_records(call, log, rp->records.bytes, &ap->base_offset);
        }
    }
    pthread_cond_broadcast(&call->peer->changed);
}

static void init_producer_id(const tcp_call *call, kfk_init_producer_id_response *a)
{
    static int64_t last = 1000; /* under the peer's lock */
    a->error_code = call->code;
    a->producer_id = call->code == 0 ? last++ : -1;
    a->producer_epoch = call->code == 0 ? 0 : -1;
}

/* ---- Fetch ------------------------------------------------------------------------------------------------------- */

/* What lies from the batch that holds the offset on: the first batch whole, then up to `most` bytes. */
static kafka_bytes read_log(const tcp_log *log, int64_t offset, size_t most)
{
    kfk_batch_header h;
    for (size_t at = 0; at < log->bytes.len; at += kfk_batch_size(&h)) {
        if (kfk_record_header_parse(log->bytes.data + at, log->bytes.len - at, &h, NULL) == KAFKA_EUNEXPECTED_EOF)
            break;
        if (kfk_batch_next_offset(&h) <= offset) continue;
        size_t left = log->bytes.len - at, first = kfk_batch_size(&h), len = most > first ? most : first;
        return (kafka_bytes){log->bytes.data + at, len < left ? len : left};
    }
    return (kafka_bytes){NULL, 0};
}

static void fetch_partition(tcp_call *call, const kfk_fetch_request *r, kafka_bytes topic,
                            const kfk_fetch_request_partition *rp, kfk_fetch_response_partition *ap)
{
    tcp_log *log = find_log(call->peer, topic, rp->partition);
    kafka_bytes found = {NULL, 0};
    *ap = (kfk_fetch_response_partition){.partition_index = rp->partition,
                                         .high_watermark = -1,
                                         .last_stable_offset = -1,
                                         .log_start_offset = -1,
                                         .preferred_read_replica = -1,
                                         .diverging_epoch = {-1, -1},
                                         .current_leader = {-1, -1},
                                         .snapshot_id = {-1, -1}};
    ap->error_code = code_for(call, log);
    if (ap->error_code == 0 && (rp->fetch_offset < 0 || rp->fetch_offset > log->end))
        ap->error_code = KAFKA_ERR_OFFSET_OUT_OF_RANGE;
    if (ap->error_code != 0) return;
    do {
        found = read_log(log, rp->fetch_offset, (size_t)rp->partition_max_bytes);
    } while (found.len < (size_t)r->min_bytes && tcp_peer_wait_change(call->peer, call->asked_ms + r->max_wait_ms));
    uint8_t *copy = tcp_alloc(call, found.len + 1);
    if (found.len > 0) memcpy(copy, found.data, found.len);
    ap->records.bytes = (kafka_bytes){copy, found.len};
    ap->high_watermark = ap->last_stable_offset = log->end;
    if (r->isolation_level != 0 && call->peer->has_aborted)
        *ARRAY(call, &ap->aborted_transactions, 1) =
            (kfk_fetch_response_aborted){call->peer->aborted_producer, call->peer->aborted_first};
}

static void fetch(tcp_call *call, const kfk_fetch_request *r, kfk_fetch_response *a)
{
    ARRAY(call, &a->responses, r->topics.count);
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_fetch_request_topic *rt = &r->topics.items[i];
        a->responses.items[i].topic = rt->topic;
        ARRAY(call, &a->responses.items[i].partitions, rt->partitions.count);
        for (int32_t k = 0; k < rt->partitions.count; k++)
            fetch_partition(call, r, rt->topic, &rt->partitions.items[k], &a->responses.items[i].partitions.items[k]);
    }
}

/* ---- ListOffsets ------------------------------------------------------------------------------------------------- */

/* Batches of one record, not compressed, are enough for tests: the time of a batch is that of its last record. */
static int64_t offset_at(const tcp_log *log, int64_t timestamp)
{
    kfk_batch_header h;
    if (timestamp == KAFKA_OFFSET_FIRST) return 0;
    if (timestamp == KAFKA_OFFSET_LAST) return log->end;
    for (size_t at = 0; at < log->bytes.len; at += kfk_batch_size(&h)) {
        if (kfk_record_header_parse(log->bytes.data + at, log->bytes.len - at, &h, NULL) != 0) break;
        if (h.max_timestamp >= timestamp) return kfk_batch_next_offset(&h) - 1;
    }
    return -1;
}

static void list_offsets(tcp_call *call, const kfk_list_offsets_request *r, kfk_list_offsets_response *a)
{
    ARRAY(call, &a->topics, r->topics.count);
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_list_offsets_request_topic *rt = &r->topics.items[i];
        a->topics.items[i].name = rt->name;
        ARRAY(call, &a->topics.items[i].partitions, rt->partitions.count);
        for (int32_t k = 0; k < rt->partitions.count; k++) {
            const kfk_list_offsets_request_partition *rp = &rt->partitions.items[k];
            kfk_list_offsets_response_partition *ap = &a->topics.items[i].partitions.items[k];
            tcp_log *log = find_log(call->peer, rt->name, rp->partition_index);
            *ap = (kfk_list_offsets_response_partition){
                .partition_index = rp->partition_index, .timestamp = -1, .offset = -1, .leader_epoch = -1};
            ap->error_code = code_for(call, log);
            if (ap->error_code == 0) ap->offset = offset_at(log, rp->timestamp);
        }
    }
}

/* ---- CreateTopics and DeleteTopics ------------------------------------------------------------------------------- */

static void create_topics(tcp_call *call, const kfk_create_topics_request *r, kfk_create_topics_response *a)
{
    ARRAY(call, &a->topics, r->topics.count);
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_create_topics_request_topic *t = &r->topics.items[i];
        a->topics.items[i] =
            (kfk_create_topics_response_topic){.name = t->name, .num_partitions = -1, .replication_factor = -1};
        bool exists = tcp_peer_topic(call->peer, t->name) != NULL;
        a->topics.items[i].error_code = call->code != 0 ? call->code : exists ? KAFKA_ERR_TOPIC_ALREADY_EXISTS : 0;
        if (a->topics.items[i].error_code == 0)
            add_topic(call->peer, t->name, t->num_partitions > 0 ? t->num_partitions : 1, call->peer->id);
    }
}

static void delete_topics(tcp_call *call, const kfk_delete_topics_request *r, kfk_delete_topics_response *a)
{
    int32_t count = call->version >= 6 ? r->topics.count : r->topic_names.count;
    ARRAY(call, &a->responses, count);
    for (int32_t i = 0; i < count; i++) {
        kafka_bytes name = call->version >= 6 ? r->topics.items[i].name : r->topic_names.items[i];
        tcp_topic *t = tcp_peer_topic(call->peer, name);
        a->responses.items[i].name = name;
        a->responses.items[i].error_code = call->code != 0 ? call->code
                                           : t == NULL     ? KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION
                                                           : 0;
        if (a->responses.items[i].error_code == 0) t->count = 0;
    }
}

void tcp_peer_answer(tcp_call *call, void *answer)
{
    kfk_codec_default(call->api->response, answer);
    switch (call->api->key) {
    case KFK_API_API_VERSIONS: api_versions(call, answer); break;
    case KFK_API_METADATA: metadata(call, call->request, answer); break;
    case KFK_API_PRODUCE: produce(call, call->request, answer); break;
    case KFK_API_FETCH: fetch(call, call->request, answer); break;
    case KFK_API_LIST_OFFSETS: list_offsets(call, call->request, answer); break;
    case KFK_API_CREATE_TOPICS: create_topics(call, call->request, answer); break;
    case KFK_API_DELETE_TOPICS: delete_topics(call, call->request, answer); break;
    case KFK_API_INIT_PRODUCER_ID: init_producer_id(call, answer); break;
    default: tcp_peer_fail(call->peer, "%s is not answered", call->api->name); break;
    }
}
