/* FindCoordinator, versions 0 to 6, as Kafka 4.3 serves it: keys are spread over the brokers that are up by their hash.
 *
 * Known gaps: the coordinators that it names have no groups and no transactions yet; keys of share groups are refused.
 * 15 (no broker is up) cannot be seen, since whoever answers is up. */
#include "testing/handlers.h"
#include "wire/gen/find_coordinator.h"

enum { GROUP = 0, TRANSACTION = 1 };

/* FNV-1a: the same key has the same coordinator in every run. */
static uint32_t hash(kafka_bytes key)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < key.len; i++) h = (h ^ ((const uint8_t *)key.data)[i]) * 16777619u;
    return h;
}

static const kft_node *coordinator_of(kafka_cluster *c, kafka_bytes key)
{
    for (int32_t i = 0; i < c->node_count; i++) {
        const kft_node *n = &c->nodes[(hash(key) + (uint32_t)i) % (uint32_t)c->node_count];
        if (kft_node_is_up(n)) return n;
    }
    return NULL;
}

static int16_t find(kft_ask *ask, kafka_bytes key, const kft_node **out)
{
    const kfk_find_coordinator_request *r = ask->request;
    *out = NULL;
    if (r->key_type != GROUP && r->key_type != TRANSACTION) return KAFKA_ERR_INVALID_REQUEST;
    *out = coordinator_of(ask->cluster, key);
    return *out ? 0 : KAFKA_ERR_COORDINATOR_NOT_AVAILABLE;
}

static kft_outcome handle(kft_ask *ask)
{
    const kfk_find_coordinator_request *r = ask->request;
    kfk_find_coordinator_response *a = ask->answer;
    const kft_node *n;
    if (ask->version < 4) {
        a->error_code = find(ask, r->key, &n);
        a->node_id = n ? n->id : -1;
        a->host = kafka_str(n ? ask->cluster->host : "");
        a->port = n ? n->port : -1;
        return KFT_ANSWER;
    }
    if (!KFT_ARRAY(ask, &a->coordinators, "coordinators", r->coordinator_keys.count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < r->coordinator_keys.count; i++) {
        kfk_find_coordinator_response_coordinator *out = &a->coordinators.items[i];
        out->key = r->coordinator_keys.items[i];
        out->error_code = find(ask, out->key, &n);
        out->node_id = n ? n->id : -1;
        out->host = kafka_str(n ? ask->cluster->host : "");
        out->port = n ? n->port : -1;
    }
    return KFT_ANSWER;
}

const kft_handler kft_handle_find_coordinator = {
    .api = KFK_API_FIND_COORDINATOR, .min_version = 0, .max_version = 6, .handle = handle};
