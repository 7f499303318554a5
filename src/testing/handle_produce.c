/* Produce, versions 3 to 13, as Kafka 4.3 serves it: errors per partition, hints to the leader (KIP-951), records that
 * a batch was refused for (KIP-467), idempotent producers. With acks = all an answer waits for the high watermark.
 *
 * Known gaps: versions below 3 (message sets), transactions (a transactional batch with an id is answered
 * INVALID_TXN_STATE), quotas. Unproven: 20 (replicas went while it was copied), 56 and -1 (no memory). An unknown
 * producer may start at any sequence, as brokers before 4.5 allow. Of a partition that is named twice the last batch
 * counts. */
#include "base/time.h"
#include "testing/append.h"
#include "testing/handlers.h"
#include "wire/gen/produce.h"
#include <string.h>

/* What became of each partition, in the order of the request, kept while the answer waits. */
typedef struct progress {
    int32_t count;
    bool failed; /* any */
    kft_append appended[];
} progress;

static kft_partition *partition_of(kft_ask *ask, const kfk_produce_request_topic *t, int32_t index)
{
    return kft_topic_partition(kft_topic_find_any(&ask->cluster->topics, t->name, &t->topic_id), index);
}

static void append(kft_ask *ask, const kfk_produce_request_topic *t, const kfk_produce_request_partition *rp,
                   int16_t acks, kft_append *out)
{
    kft_partition *p = partition_of(ask, t, rp->index);
    *out = (kft_append){.base_offset = -1, .append_time_ms = -1, .log_start = -1};
    if (!p)
        out->code = ask->version >= 13 && !kft_topic_find_id(&ask->cluster->topics, &t->topic_id)
                        ? KAFKA_ERR_UNKNOWN_TOPIC_ID
                        : KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    else if (!kft_append_check(ask->version, rp->records.bytes, out))
        return;
    else if (acks < -1 || acks > 1)
        out->code = KAFKA_ERR_INVALID_REQUIRED_ACKS;
    else if (p->leader != ask->node->id)
        out->code = KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
    else
        kft_append_records(ask, p, rp->records.bytes, acks, out);
}

/* A request with one transactional batch needs a transactional id, or all of it is refused. */
static bool lacks_transactional_id(const kfk_produce_request *r)
{
    for (int32_t i = 0; !r->transactional_id.data && i < r->topic_data.count; i++) {
        const kfk_produce_request_topic *t = &r->topic_data.items[i];
        for (int32_t k = 0; k < t->partition_data.count; k++) {
            kfk_batch_header h;
            kafka_bytes data = t->partition_data.items[k].records.bytes;
            if (data.data && kfk_record_header_parse(data.data, data.len, &h, NULL) == 0 &&
                kfk_batch_is_transactional(&h))
                return true;
        }
    }
    return false;
}

/* Which entries of the request count, in its order; NULL without memory. */
static const kft_key *mark_partitions(kft_ask *ask, const kfk_produce_request *r, size_t count)
{
    kft_key *keys = kfk_arena_array(&ask->asked, count, sizeof *keys);
    size_t n = 0;
    for (int32_t i = 0; keys && i < r->topic_data.count; i++) {
        const kfk_produce_request_topic *t = &r->topic_data.items[i];
        for (int32_t k = 0; k < t->partition_data.count; k++)
            keys[n++] = kft_key_of(t->name, &t->topic_id, t->partition_data.items[k].index);
    }
    if (keys) kft_keys_mark(keys, (int32_t)count);
    return keys;
}

static progress *append_all(kft_ask *ask, const kfk_produce_request *r)
{
    size_t count = 0;
    for (int32_t i = 0; i < r->topic_data.count; i++) count += (size_t)r->topic_data.items[i].partition_data.count;
    progress *all = kfk_arena_alloc(&ask->asked, sizeof *all + count * sizeof all->appended[0]);
    const kft_key *key = all ? mark_partitions(ask, r, count) : NULL;
    if (!key) return NULL;
    *all = (progress){0};
    bool forbidden = lacks_transactional_id(r);
    for (int32_t i = 0; i < r->topic_data.count; i++) {
        const kfk_produce_request_topic *t = &r->topic_data.items[i];
        for (int32_t k = 0; k < t->partition_data.count; k++, key++) {
            kft_append *out = &all->appended[all->count++];
            if (key->later)
                *out = (kft_append){.skipped = true};
            else if (forbidden)
                *out = (kft_append){.code = KAFKA_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                                    .base_offset = -1,
                                    .append_time_ms = -1,
                                    .log_start = -1};
            else
                append(ask, t, &t->partition_data.items[k], r->acks, out);
            all->failed |= out->code != 0;
        }
    }
    return all;
}

/* ---- waiting for replicas ---------------------------------------------------------------------------------------- */

/* True: it has its outcome. */
static bool settle(kft_ask *ask, const kfk_produce_request_topic *t, int32_t index, kft_append *a)
{
    kft_partition *p = partition_of(ask, t, index);
    if (a->code != 0 || a->skipped || ask->dry) return true;
    if (!p)
        a->code = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    else if (p->leader != ask->node->id || p->log.end < a->end_offset || p->cut_epoch > a->leader_epoch)
        a->code = KAFKA_ERR_NOT_LEADER_OR_FOLLOWER; /* appended, and perhaps lost with the leadership */
    else if (p->log.high_watermark >= a->end_offset)
        a->code = p->isr_count < kft_partition_min_in_sync(p) ? KAFKA_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND : 0;
    else if (ask->late)
        a->code = KAFKA_ERR_REQUEST_TIMED_OUT;
    else
        return false;
    return true;
}

/* True: every partition has its outcome. Otherwise it waits on those that have not. */
static bool settle_all(kft_ask *ask, const kfk_produce_request *r, progress *all, bool *memory)
{
    bool settled = true;
    int32_t n = 0;
    for (int32_t i = 0; i < r->topic_data.count; i++) {
        const kfk_produce_request_topic *t = &r->topic_data.items[i];
        for (int32_t k = 0; k < t->partition_data.count; k++, n++) {
            int32_t index = t->partition_data.items[k].index;
            if (settle(ask, t, index, &all->appended[n])) continue;
            settled = false;
            *memory &= kft_ask_wait_on(ask, partition_of(ask, t, index));
        }
    }
    return settled;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static bool fill_partition(kft_ask *ask, kfk_produce_response_partition *out, int32_t index, const kft_partition *p,
                           const kft_append *a)
{
    out->index = index;
    out->error_code = a->code;
    out->base_offset = a->base_offset;
    out->log_append_time_ms = a->append_time_ms;
    out->log_start_offset = a->log_start;
    if (a->why) out->error_message = kft_ask_text(ask, a->why);
    if (p && a->code == KAFKA_ERR_NOT_LEADER_OR_FOLLOWER && ask->version >= 10)
        out->current_leader = (kfk_produce_response_leader){p->leader, p->leader_epoch};
    if (!KFT_ARRAY(ask, &out->record_errors, "responses.partition_responses.record_errors", a->record_error_count))
        return false;
    for (int i = 0; i < a->record_error_count; i++) {
        out->record_errors.items[i].batch_index = a->record_errors[i];
        out->record_errors.items[i].batch_index_error_message = kft_ask_text(ask, a->why);
    }
    return true;
}

/* Which brokers are named as leaders. */
static void find_named(const kfk_produce_response *a, bool named[KFT_MOST_BROKERS + 1])
{
    for (int32_t i = 0; i < a->responses.count; i++) {
        const kfk_produce_response_topic *t = &a->responses.items[i];
        for (int32_t k = 0; k < t->partition_responses.count; k++) {
            int32_t leader = t->partition_responses.items[k].current_leader.leader_id;
            if (leader > 0) named[leader] = true;
        }
    }
}

/* Where the leaders that are named live. */
static bool fill_endpoints(kft_ask *ask, kfk_produce_response *a)
{
    kafka_cluster *c = ask->cluster;
    int32_t up = 0;
    bool named[KFT_MOST_BROKERS + 1] = {false};
    find_named(a, named);
    if (!KFT_ARRAY(ask, &a->node_endpoints, "node_endpoints", c->node_count)) return false;
    for (int32_t i = 0; i < c->node_count; i++) {
        if (!named[i + 1] || !kft_node_is_up(&c->nodes[i])) continue;
        kfk_produce_response_endpoint *e = &a->node_endpoints.items[up++];
        e->node_id = c->nodes[i].id;
        e->host = kafka_str(c->host);
        e->port = c->nodes[i].port;
    }
    a->node_endpoints.count = up;
    return true;
}

/* The partitions of a topic, with what became of each. */
static bool fill_topic(kft_ask *ask, kfk_produce_response_topic *out, const kfk_produce_request_topic *t,
                       const kft_append *appended, bool *hints)
{
    int32_t told = 0;
    out->name = t->name;
    out->topic_id = t->topic_id;
    if (!KFT_ARRAY(ask, &out->partition_responses, "responses.partition_responses", t->partition_data.count))
        return false;
    for (int32_t k = 0; k < t->partition_data.count; k++) {
        int32_t index = t->partition_data.items[k].index;
        if (appended[k].skipped) continue;
        *hints |= appended[k].code == KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
        if (!fill_partition(ask, &out->partition_responses.items[told++], index, partition_of(ask, t, index),
                            &appended[k]))
            return false;
    }
    out->partition_responses.count = told;
    return true;
}

static bool fill(kft_ask *ask, const kfk_produce_request *r, kfk_produce_response *a, const progress *all)
{
    const kft_append *appended = all->appended;
    int32_t told = 0;
    bool hints = false;
    if (!KFT_ARRAY(ask, &a->responses, "responses", r->topic_data.count)) return false;
    for (int32_t i = 0; i < r->topic_data.count; i++) {
        const kfk_produce_request_topic *t = &r->topic_data.items[i];
        kfk_produce_response_topic *out = &a->responses.items[told];
        if (!fill_topic(ask, out, t, appended, &hints)) return false;
        appended += t->partition_data.count;
        told += out->partition_responses.count > 0 || t->partition_data.count == 0;
    }
    a->responses.count = told;
    return !hints || ask->version < 10 || fill_endpoints(ask, a);
}

static kft_outcome handle(kft_ask *ask)
{
    const kfk_produce_request *r = ask->request;
    bool memory = true;
    if (!ask->done) ask->done = append_all(ask, r);
    progress *all = ask->done;
    if (!all) return KFT_HANG_UP;
    if (r->acks == 0) return all->failed ? KFT_HANG_UP : KFT_NO_ANSWER; /* there is no other way to tell */
    if (r->acks == -1 && !settle_all(ask, r, all, &memory)) {
        kft_ask_wait(ask, kfk_time_add(ask->arrived_ms, r->timeout_ms < 0 ? 0 : r->timeout_ms));
        return memory ? KFT_WAIT : KFT_HANG_UP;
    }
    return fill(ask, r, ask->answer, all) ? KFT_ANSWER : KFT_HANG_UP;
}

static bool names(const kft_ask *ask, kafka_bytes topic, int32_t partition)
{
    const kfk_produce_request *r = ask->request;
    for (int32_t i = 0; i < r->topic_data.count; i++) {
        const kfk_produce_request_topic *t = &r->topic_data.items[i];
        if (!kft_ask_names_topic(ask, topic, t->name, &t->topic_id)) continue;
        if (partition == -1) return true;
        for (int32_t k = 0; k < t->partition_data.count; k++) {
            if (t->partition_data.items[k].index == partition) return true;
        }
    }
    return false;
}

const kft_handler kft_handle_produce = {
    .api = KFK_API_PRODUCE, .min_version = 3, .max_version = 13, .handle = handle, .names = names};
