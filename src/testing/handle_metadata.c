/* Metadata, versions 0 to 13, as Kafka 4.3 serves it.
 *
 * Known gaps: authorized operations are always "everything" (nobody is refused anything); offline replicas are those on
 * stopped brokers; version 13's rebootstrap error never comes. A broker that stops is in no in-sync set any more, as
 * with Kafka's eligible leader replicas (KIP-966), which stay behind the scenes here. */
#include "testing/handlers.h"
#include "wire/codec.h"
#include "wire/gen/metadata.h"

enum { ALL_TOPIC_OPERATIONS = 0x0df8, ALL_CLUSTER_OPERATIONS = 0x1fa0 };

typedef enum which { ANY, DOWN, UP } which;

static bool fill_ids(kft_ask *ask, kfk_int32_array *out, const int32_t *ids, int count, which wanted)
{
    out->items = kfk_arena_array(&ask->arena, (size_t)count, sizeof *out->items);
    if (!out->items) return false;
    out->count = 0;
    for (int i = 0; i < count; i++) {
        bool up = kft_cluster_node(ask->cluster, ids[i]) != NULL;
        if (wanted == ANY || up == (wanted == UP)) out->items[out->count++] = ids[i];
    }
    return true;
}

static bool fill_partition(kft_ask *ask, kfk_metadata_response_partition *out, const kft_partition *p)
{
    out->partition_index = p->index;
    out->leader_id = p->leader;
    out->leader_epoch = p->leader_epoch;
    out->error_code = p->leader == -1 ? KAFKA_ERR_LEADER_NOT_AVAILABLE : 0;
    return fill_ids(ask, &out->replica_nodes, p->replicas, p->replica_count, ANY) &&
           fill_ids(ask, &out->isr_nodes, p->isr, p->isr_count, UP) &&
           fill_ids(ask, &out->offline_replicas, p->replicas, p->replica_count, DOWN);
}

static bool fill_topic(kft_ask *ask, kfk_metadata_response_topic *out, const kft_topic *t)
{
    const kfk_metadata_request *r = ask->request;
    out->name = kafka_str(t->name);
    out->topic_id = t->id;
    if (r->include_topic_authorized_operations) out->topic_authorized_operations = ALL_TOPIC_OPERATIONS;
    if (!KFT_ARRAY(ask, &out->partitions, "topics.partitions", t->partition_count)) return false;
    for (int32_t i = 0; i < t->partition_count; i++) {
        if (!fill_partition(ask, &out->partitions.items[i], t->partitions[i])) return false;
    }
    return true;
}

/* A topic that was named: found, made, or refused. */
static bool fill_named(kft_ask *ask, kfk_metadata_response_topic *out, const kfk_metadata_request_topic *named)
{
    const kfk_metadata_request *r = ask->request;
    kafka_cluster *c = ask->cluster;
    bool by_id = !named->name.data;
    const char *why;
    kft_topic *t = by_id ? kft_topic_find_id(&c->topics, &named->topic_id) : kft_topic_find(&c->topics, named->name);
    if (t) return fill_topic(ask, out, t);
    out->name = named->name;
    if (by_id) {
        out->topic_id = named->topic_id;
        out->error_code = KAFKA_ERR_UNKNOWN_TOPIC_ID;
    } else if (!kft_topic_name_is_valid(named->name, &why)) {
        out->error_code = KAFKA_ERR_INVALID_TOPIC;
    } else if (r->allow_auto_topic_creation && c->auto_create && !ask->dry) {
        int replication = 1; /* default.replication.factor */
        out->error_code = kft_topic_create(c, named->name, c->default_partitions, replication, NULL, NULL, &why);
        if (out->error_code == 0) out->error_code = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION; /* it is there next time */
    } else {
        out->error_code = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return true;
}

static kft_key *mark_topics(kft_ask *ask, const kfk_metadata_request *r)
{
    kft_key *keys = kfk_arena_array(&ask->asked, (size_t)r->topics.count, sizeof *keys);
    for (int32_t i = 0; keys && i < r->topics.count; i++) {
        const kfk_metadata_request_topic *t = &r->topics.items[i];
        keys[i] = t->name.data ? (kft_key){.name = t->name}
                               : (kft_key){.name = {t->topic_id.bytes, sizeof t->topic_id.bytes}, .number = 1};
    }
    if (keys) kft_keys_mark(keys, r->topics.count);
    return keys;
}

/* Each topic that was named, once. */
static bool fill_named_topics(kft_ask *ask, kfk_metadata_response *a)
{
    const kfk_metadata_request *r = ask->request;
    const kft_key *keys = mark_topics(ask, r);
    int32_t told = 0;
    if (!keys || !KFT_ARRAY(ask, &a->topics, "topics", r->topics.count)) return false;
    for (int32_t i = 0; i < r->topics.count; i++) {
        if (!keys[i].again && !fill_named(ask, &a->topics.items[told++], &r->topics.items[i])) return false;
    }
    a->topics.count = told;
    return true;
}

static bool fill_topics(kft_ask *ask, kfk_metadata_response *a)
{
    const kfk_metadata_request *r = ask->request;
    kafka_cluster *c = ask->cluster;
    int32_t i = 0;
    bool all = r->topics.count < 0 || (ask->version == 0 && r->topics.count == 0);
    if (!all) return fill_named_topics(ask, a);
    if (!KFT_ARRAY(ask, &a->topics, "topics", (int32_t)c->topics.by_name.count)) return false;
    KFK_LIST_EACH (n, &c->topics.by_name.order) {
        if (!fill_topic(ask, &a->topics.items[i++], KFK_CONTAINER(n, kft_topic, by_name.order))) return false;
    }
    return true;
}

static kft_outcome handle(kft_ask *ask)
{
    const kfk_metadata_request *r = ask->request;
    kfk_metadata_response *a = ask->answer;
    kafka_cluster *c = ask->cluster;
    int32_t up = 0;
    a->cluster_id = kafka_str(c->id);
    a->controller_id = kft_cluster_controller(c);
    if (r->include_cluster_authorized_operations) a->cluster_authorized_operations = ALL_CLUSTER_OPERATIONS;
    if (!KFT_ARRAY(ask, &a->brokers, "brokers", c->node_count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < c->node_count; i++) {
        const kft_node *n = &c->nodes[i];
        if (!kft_node_is_up(n)) continue;
        kfk_metadata_response_broker *b = &a->brokers.items[up++];
        b->node_id = n->id;
        b->host = kafka_str(c->host);
        b->port = n->port;
    }
    a->brokers.count = up;
    return fill_topics(ask, a) ? KFT_ANSWER : KFT_HANG_UP;
}

static bool names(const kft_ask *ask, kafka_bytes topic, int32_t partition)
{
    const kfk_metadata_request *r = ask->request;
    if (partition != -1) return false;
    for (int32_t i = 0; i < r->topics.count; i++) {
        if (kft_ask_names_topic(ask, topic, r->topics.items[i].name, &r->topics.items[i].topic_id)) return true;
    }
    return false;
}

const kft_handler kft_handle_metadata = {
    .api = KFK_API_METADATA, .min_version = 0, .max_version = 13, .handle = handle, .names = names};
