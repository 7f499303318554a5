/* CreatePartitions, versions 0 to 3, as Kafka 4.3 serves it.
 *
 * Known gaps: 44 (the cluster has no room for so many partitions) is a matter of policies in Kafka, -1 of memory: both
 * are unproven. */
#include "testing/handlers.h"
#include "wire/gen/create_partitions.h"

static int16_t grow(kft_ask *ask, const kfk_create_partitions_request_topic *t, const char **why)
{
    const kfk_create_partitions_request *r = ask->request;
    kft_topic *topic = kft_topic_find(&ask->cluster->topics, t->name);
    kft_assignment *all = NULL;
    *why = "There is no such topic.";
    if (!topic) return KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    int32_t more = t->count - topic->partition_count;
    if (t->assignments.count >= 0) {
        *why = "There must be one assignment for each new partition.";
        if (more > 0 && t->assignments.count != more) return KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT;
        *why = "There is no memory.";
        if (!(all = kfk_arena_array(&ask->asked, (size_t)t->assignments.count, sizeof *all))) return KAFKA_ERR_UNKNOWN;
        for (int32_t i = 0; i < t->assignments.count; i++)
            all[i] =
                (kft_assignment){t->assignments.items[i].broker_ids.items, t->assignments.items[i].broker_ids.count};
    }
    int16_t code = kft_topic_check_growth(ask->cluster, topic, t->count, all, why);
    if (code != 0 || r->validate_only || ask->dry) return code;
    return kft_topic_grow(ask->cluster, topic, t->count, all, why);
}

static kft_key *mark_names(kft_ask *ask, const kfk_create_partitions_request *r)
{
    kft_key *keys = kfk_arena_array(&ask->asked, (size_t)r->topics.count, sizeof *keys);
    for (int32_t i = 0; keys && i < r->topics.count; i++) keys[i] = (kft_key){.name = r->topics.items[i].name};
    if (keys) kft_keys_mark(keys, r->topics.count);
    return keys;
}

static kft_outcome handle(kft_ask *ask)
{
    const kfk_create_partitions_request *r = ask->request;
    kfk_create_partitions_response *a = ask->answer;
    int32_t told = 0;
    const kft_key *keys = mark_names(ask, r);
    if (!keys || !KFT_ARRAY(ask, &a->results, "results", r->topics.count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < r->topics.count; i++) {
        if (keys[i].again) continue;
        kfk_create_partitions_response_topic *out = &a->results.items[told++];
        const char *why = "The request names the topic twice.";
        out->name = r->topics.items[i].name;
        out->error_code = keys[i].twice ? KAFKA_ERR_INVALID_REQUEST : grow(ask, &r->topics.items[i], &why);
        if (out->error_code != 0) out->error_message = kft_ask_text(ask, why);
    }
    a->results.count = told;
    return KFT_ANSWER;
}

static bool names(const kft_ask *ask, kafka_bytes topic, int32_t partition)
{
    static const kfk_uuid by_name;
    const kfk_create_partitions_request *r = ask->request;
    for (int32_t i = 0; i < r->topics.count; i++) {
        if (partition == -1 && kft_ask_names_topic(ask, topic, r->topics.items[i].name, &by_name)) return true;
    }
    return false;
}

const kft_handler kft_handle_create_partitions = {
    .api = KFK_API_CREATE_PARTITIONS, .min_version = 0, .max_version = 3, .handle = handle, .names = names};
