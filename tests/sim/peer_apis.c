/* What a peer answers, API by API.
 *
 * Known gaps: no quotas, sessions, transactions, groups, replicas, message sets; topics are never created by a Metadata
 * request; DeleteTopics and Metadata know topics by name only, Produce and Fetch also by id. */
#include "sim/peer_impl.h"
#include "sim/sim_impl.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/fetch.h"
#include "wire/gen/find_coordinator.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/record.h"
#include <stdlib.h>
#include <string.h>

/* What all handlers get. */
typedef struct asked {
    peer *peer;
    int16_t version, code;
    int64_t now_us, asked_us;
    int64_t until_us; /* set: not yet */
    kfk_arena *arena;
} asked;

/* Arrays in the arena; memory is not what is tested here. */
static void *array(const asked *q, int32_t count, size_t size)
{
    void *p = kfk_arena_array(q->arena, (size_t)count + 1, size);
    if (!p) exit(2);
    return p;
}

static int16_t code_or(const asked *q, int16_t own)
{
    return q->code != 0 ? q->code : own;
}

/* ---- ApiVersions ------------------------------------------------------------------------------------------------- */

static void api_versions(asked *q, const kfk_api_versions_request *r, kfk_api_versions_response *a)
{
    (void)r;
    a->error_code = q->code;
    /* what is refused is refused with the versions that are known, but not by brokers before 2.4 (KIP-511) */
    if (q->code != 0 && q->peer->versions[KFK_API_API_VERSIONS].max < 3) return;
    a->api_keys.items = array(q, KFK_API_COUNT, sizeof *a->api_keys.items);
    for (size_t i = 0; kfk_api_row(i); i++) {
        int16_t key = kfk_api_row(i)->key;
        const peer_versions *v = &q->peer->versions[key];
        if (v->max < v->min) continue;
        a->api_keys.items[a->api_keys.count++] =
            (kfk_api_versions_response_api){.api_key = key, .min_version = v->min, .max_version = v->max};
    }
}

/* ---- Metadata ---------------------------------------------------------------------------------------------------- */

static void describe_brokers(asked *q, kfk_metadata_response *a)
{
    const peer_cluster *c = q->peer->cluster;
    a->brokers.items = array(q, (int32_t)c->broker_count, sizeof *a->brokers.items);
    for (size_t i = 0; i < c->broker_count; i++) {
        const peer *p = c->brokers[i];
        a->brokers.items[a->brokers.count++] =
            (kfk_metadata_response_broker){.node_id = p->id, .host = kafka_str(p->host), .port = p->port};
    }
    a->controller_id = c->brokers[0]->id;
    a->cluster_id = kafka_str("simulated");
}

static kfk_int32_array one_id(asked *q, int32_t id)
{
    kfk_int32_array ids = {.items = array(q, 1, sizeof(int32_t)), .count = id >= 0};
    ids.items[0] = id;
    return ids;
}

static void describe_topic(asked *q, kafka_bytes name, kfk_metadata_response_topic *out)
{
    peer_cluster *c = q->peer->cluster;
    const peer_topic *t = peer_topic_by_name(c, name);
    out->name = name;
    out->error_code = code_or(q, t ? 0 : KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    out->topic_authorized_operations = INT32_MIN;
    if (out->error_code != 0) return;
    out->topic_id = t->id;
    out->partitions.items = array(q, t->count, sizeof *out->partitions.items);
    for (int32_t i = 0; i < t->count; i++) {
        int32_t leader = t->logs[i].leader;
        out->partitions.items[out->partitions.count++] = (kfk_metadata_response_partition){
            .error_code = leader < 0 ? KAFKA_ERR_LEADER_NOT_AVAILABLE : 0,
            .partition_index = i,
            .leader_id = leader,
            .leader_epoch = t->logs[i].epoch,
            .replica_nodes = one_id(q, leader),
            .isr_nodes = one_id(q, leader),
        };
    }
}

static void metadata(asked *q, const kfk_metadata_request *r, kfk_metadata_response *a)
{
    const peer_cluster *c = q->peer->cluster;
    bool all = r->topics.count < 0 || (q->version == 0 && r->topics.count == 0);
    describe_brokers(q, a);
    a->topics.items = array(q, all ? PEER_TOPICS : r->topics.count, sizeof *a->topics.items);
    for (int32_t i = 0; !all && i < r->topics.count; i++)
        describe_topic(q, r->topics.items[i].name, &a->topics.items[a->topics.count++]);
    for (size_t i = 0; all && i < PEER_TOPICS; i++) {
        if (c->topics[i].exists) describe_topic(q, kafka_str(c->topics[i].name), &a->topics.items[a->topics.count++]);
    }
}

/* ---- Produce ----------------------------------------------------------------------------------------------------- */

static int16_t leads(const asked *q, const peer_topic *t, const peer_log *log)
{
    if (!t || !log) return KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    return log->leader == q->peer->id ? 0 : KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
}

static void produce_partition(asked *q, const peer_topic *t, const kfk_produce_request_partition *r,
                              kfk_produce_response_partition *a)
{
    peer_cluster *c = q->peer->cluster;
    peer_log *log = peer_log_of(c, t, r->index);
    a->index = r->index;
    a->base_offset = a->log_append_time_ms = a->log_start_offset = -1;
    a->current_leader = (kfk_produce_response_leader){-1, -1};
    a->error_code = code_or(q, leads(q, t, log));
    if (a->error_code != 0) return;
    a->error_code = peer_log_append(c, log, r->records.bytes.data, r->records.bytes.len, &a->base_offset);
    a->log_start_offset = 0;
}

static void produce(asked *q, const kfk_produce_request *r, kfk_produce_response *a)
{
    a->responses.items = array(q, r->topic_data.count, sizeof *a->responses.items);
    for (int32_t i = 0; i < r->topic_data.count; i++) {
        const kfk_produce_request_topic *rt = &r->topic_data.items[i];
        kfk_produce_response_topic *at = &a->responses.items[a->responses.count++];
        bool by_id = q->version >= 13;
        const peer_topic *t =
            by_id ? peer_topic_by_id(q->peer->cluster, &rt->topic_id) : peer_topic_by_name(q->peer->cluster, rt->name);
        at->name = rt->name;
        at->topic_id = rt->topic_id;
        at->partition_responses.items = array(q, rt->partition_data.count, sizeof *at->partition_responses.items);
        for (int32_t p = 0; p < rt->partition_data.count; p++)
            produce_partition(q, t, &rt->partition_data.items[p],
                              &at->partition_responses.items[at->partition_responses.count++]);
    }
}

/* ---- Fetch ------------------------------------------------------------------------------------------------------- */

/* The first batch comes whole, the others until the limit, where one may be cut off. Returns the bytes. */
static size_t fetch_partition(asked *q, const peer_topic *t, const kfk_fetch_request_partition *r,
                              kfk_fetch_response_partition *a)
{
    const peer_log *log = peer_log_of(q->peer->cluster, t, r->partition);
    size_t len = 0, first = 0, most = r->partition_max_bytes > 0 ? (size_t)r->partition_max_bytes : 0;
    a->partition_index = r->partition;
    a->high_watermark = a->last_stable_offset = a->log_start_offset = -1;
    a->preferred_read_replica = -1;
    a->diverging_epoch = (kfk_fetch_response_epoch_end){-1, -1};
    a->current_leader = (kfk_fetch_response_leader){-1, -1};
    a->snapshot_id = (kfk_fetch_response_snapshot){-1, -1};
    a->error_code = code_or(q, leads(q, t, log));
    if (a->error_code == 0 && (r->fetch_offset < 0 || r->fetch_offset > log->end))
        a->error_code = KAFKA_ERR_OFFSET_OUT_OF_RANGE;
    if (a->error_code != 0) return 0;
    a->high_watermark = a->last_stable_offset = log->end;
    a->log_start_offset = 0;
    const uint8_t *bytes = peer_log_from(log, r->fetch_offset, &len, &first);
    if (len > most) len = most > first ? most : first;
    uint8_t *copy = array(q, (int32_t)len, 1);
    if (len > 0) memcpy(copy, bytes, len);
    a->records.bytes = (kafka_bytes){copy, len};
    return len;
}

static void fetch(asked *q, const kfk_fetch_request *r, kfk_fetch_response *a)
{
    size_t bytes = 0;
    bool failed = false;
    a->responses.items = array(q, r->topics.count, sizeof *a->responses.items);
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_fetch_request_topic *rt = &r->topics.items[i];
        kfk_fetch_response_topic *at = &a->responses.items[a->responses.count++];
        bool by_id = q->version >= 13;
        const peer_topic *t =
            by_id ? peer_topic_by_id(q->peer->cluster, &rt->topic_id) : peer_topic_by_name(q->peer->cluster, rt->topic);
        at->topic = rt->topic;
        at->topic_id = rt->topic_id;
        at->partitions.items = array(q, rt->partitions.count, sizeof *at->partitions.items);
        for (int32_t p = 0; p < rt->partitions.count; p++) {
            kfk_fetch_response_partition *ap = &at->partitions.items[at->partitions.count++];
            bytes += fetch_partition(q, t, &rt->partitions.items[p], ap);
            failed = failed || ap->error_code != 0;
        }
    }
    int64_t until_us = q->asked_us + (int64_t)r->max_wait_ms * 1000;
    if (!failed && bytes < (size_t)(r->min_bytes > 0 ? r->min_bytes : 0) && until_us > q->now_us)
        q->until_us = until_us;
}

/* ---- ListOffsets ------------------------------------------------------------------------------------------------- */

static void offset_at(const peer_log *log, int64_t timestamp, kfk_list_offsets_response_partition *a)
{
    if (timestamp == KAFKA_OFFSET_LAST) a->offset = log->end;
    if (timestamp == KAFKA_OFFSET_FIRST) a->offset = 0;
    for (size_t i = 0; timestamp >= 0 && i < log->batch_count; i++) {
        kfk_batch_header h;
        kfk_record_iter it;
        kfk_record record;
        const uint8_t *p = log->bytes + log->batches[i].at;
        if (log->batches[i].max_timestamp < timestamp ||
            kfk_record_header_parse(p, log->batches[i].size, &h, NULL) != 0)
            continue;
        kfk_record_iter_init(&it, &h, p + KFK_RECORD_HEADER,
                             kfk_batch_body_size(&h)); /* not compressed, or nothing is found */
        while (kfk_record_iter_next(&it, &record)) {
            if (record.timestamp < timestamp) continue;
            a->offset = record.offset;
            a->timestamp = record.timestamp;
            return;
        }
    }
}

static void list_offsets(asked *q, const kfk_list_offsets_request *r, kfk_list_offsets_response *a)
{
    a->topics.items = array(q, r->topics.count, sizeof *a->topics.items);
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_list_offsets_request_topic *rt = &r->topics.items[i];
        kfk_list_offsets_response_topic *at = &a->topics.items[a->topics.count++];
        const peer_topic *t = peer_topic_by_name(q->peer->cluster, rt->name);
        at->name = rt->name;
        at->partitions.items = array(q, rt->partitions.count, sizeof *at->partitions.items);
        for (int32_t p = 0; p < rt->partitions.count; p++) {
            kfk_list_offsets_response_partition *ap = &at->partitions.items[at->partitions.count++];
            const peer_log *log = peer_log_of(q->peer->cluster, t, rt->partitions.items[p].partition_index);
            *ap = (kfk_list_offsets_response_partition){.partition_index = rt->partitions.items[p].partition_index,
                                                        .timestamp = -1,
                                                        .offset = -1,
                                                        .leader_epoch = -1};
            ap->error_code = code_or(q, leads(q, t, log));
            if (ap->error_code == 0) offset_at(log, rt->partitions.items[p].timestamp, ap);
        }
    }
}

/* ---- FindCoordinator --------------------------------------------------------------------------------------------- */

static void find_coordinator(asked *q, const kfk_find_coordinator_request *r, kfk_find_coordinator_response *a)
{
    const peer_cluster *c = q->peer->cluster;
    kfk_find_coordinator_response_coordinator one = {.node_id = -1, .host = kafka_str(""), .port = -1};
    one.error_code = code_or(q, KAFKA_ERR_GROUP_COORDINATOR_NOT_AVAILABLE);
    for (size_t i = 0; i < c->broker_count && q->code == 0; i++) {
        const peer *p = c->brokers[i];
        if (p->id != c->coordinator) continue;
        one =
            (kfk_find_coordinator_response_coordinator){.node_id = p->id, .host = kafka_str(p->host), .port = p->port};
    }
    if (q->version < 4) {
        a->error_code = one.error_code;
        a->node_id = one.node_id;
        a->host = one.host;
        a->port = one.port;
        return;
    }
    a->coordinators.items = array(q, r->coordinator_keys.count, sizeof one);
    for (int32_t i = 0; i < r->coordinator_keys.count; i++) {
        one.key = r->coordinator_keys.items[i];
        a->coordinators.items[a->coordinators.count++] = one;
    }
}

/* ---- topics ------------------------------------------------------------------------------------------------------ */

static int16_t create_one(asked *q, const kfk_create_topics_request *r, const kfk_create_topics_request_topic *t)
{
    int32_t count = t->num_partitions < 0 ? 1 : t->num_partitions;
    if (peer_topic_by_name(q->peer->cluster, t->name)) return KAFKA_ERR_TOPIC_ALREADY_EXISTS;
    if (t->assignments.count > 0) count = t->assignments.count;
    if (count < 1 || count > PEER_PARTITIONS) return KAFKA_ERR_INVALID_PARTITIONS;
    if (!r->validate_only) peer_topic_create(q->peer->cluster, t->name, count, q->peer->cluster->brokers[0]->id);
    return 0;
}

static void create_topics(asked *q, const kfk_create_topics_request *r, kfk_create_topics_response *a)
{
    a->topics.items = array(q, r->topics.count, sizeof *a->topics.items);
    for (int32_t i = 0; i < r->topics.count; i++) {
        kfk_create_topics_response_topic *at = &a->topics.items[a->topics.count++];
        *at = (kfk_create_topics_response_topic){
            .name = r->topics.items[i].name, .num_partitions = -1, .replication_factor = -1};
        at->error_code = q->code != 0 ? q->code : create_one(q, r, &r->topics.items[i]);
    }
}

static int16_t delete_one(asked *q, kafka_bytes name)
{
    peer_topic *t = peer_topic_by_name(q->peer->cluster, name);
    if (!t) return KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    peer_topic_delete(t);
    return 0;
}

static void delete_topics(asked *q, const kfk_delete_topics_request *r, kfk_delete_topics_response *a)
{
    int32_t count = q->version >= 6 ? r->topics.count : r->topic_names.count;
    a->responses.items = array(q, count, sizeof *a->responses.items);
    for (int32_t i = 0; i < count; i++) {
        kafka_bytes name = q->version >= 6 ? r->topics.items[i].name : r->topic_names.items[i];
        kfk_delete_topics_response_topic *at = &a->responses.items[a->responses.count++];
        at->name = name;
        at->error_code = q->code != 0 ? q->code : delete_one(q, name);
    }
}

static void init_producer_id(asked *q, kfk_init_producer_id_response *a)
{
    a->error_code = q->code;
    if (q->code != 0) return;
    a->producer_id = q->peer->cluster->next_producer_id++;
    a->producer_epoch = 0;
}

/* Every answer has the field in some version, somewhere. */
static void set_throttle(const peer *p, const kfk_schema *answer_schema, void *answer)
{
    for (size_t i = 0; i < answer_schema->field_count; i++) {
        const kfk_field *f = &answer_schema->fields[i];
        if (strcmp(f->name, "throttle_time_ms") == 0)
            memcpy((char *)answer + f->offset, &p->throttle_ms, sizeof p->throttle_ms);
    }
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

bool peer_answer(peer *p, const kfk_api *api, int16_t version, const void *request, int16_t code, int64_t asked_us,
                 kfk_arena *a, void *answer, int64_t *until_us)
{
    int64_t now_us = sim_now_us(p->cluster->sim);
    asked q = {.peer = p, .version = version, .code = code, .now_us = now_us, .asked_us = asked_us, .arena = a};
    kfk_codec_default(api->response, answer);
    switch (api->key) {
    case KFK_API_PRODUCE: produce(&q, request, answer); break;
    case KFK_API_FETCH: fetch(&q, request, answer); break;
    case KFK_API_LIST_OFFSETS: list_offsets(&q, request, answer); break;
    case KFK_API_FIND_COORDINATOR: find_coordinator(&q, request, answer); break;
    case KFK_API_METADATA: metadata(&q, request, answer); break;
    case KFK_API_API_VERSIONS: api_versions(&q, request, answer); break;
    case KFK_API_CREATE_TOPICS: create_topics(&q, request, answer); break;
    case KFK_API_DELETE_TOPICS: delete_topics(&q, request, answer); break;
    case KFK_API_INIT_PRODUCER_ID: init_producer_id(&q, answer); break;
    default: sim_fail(p->cluster->sim, "no peer answers %s", api->name); break;
    }
    set_throttle(p, api->response, answer);
    *until_us = q.until_us;
    return q.until_us == 0;
}
