/* CreateTopics, versions 0 to 7, as Kafka 4.3 serves it. Any broker takes it, as in a KRaft cluster.
 *
 * Known gaps: of the new topic's settings those that were given are told, not all that are in effect. */
#include "testing/handlers.h"
#include "wire/gen/create_topics.h"
#include <string.h>

static int16_t refuse(const char **why, int16_t code, const char *text)
{
    *why = text;
    return code;
}

/* The replicas of each partition in order; *out NULL = none are given. */
static int16_t take_assignments(kft_ask *ask, const kfk_create_topics_request_topic *t, const kft_assignment **out,
                                const char **why)
{
    int32_t count = t->assignments.count;
    *out = NULL;
    if (count <= 0) return 0;
    kft_assignment *all = kfk_arena_array(&ask->asked, (size_t)count, sizeof *all);
    if (!all) return refuse(why, KAFKA_ERR_UNKNOWN, "There is no memory.");
    memset(all, 0, (size_t)count * sizeof *all);
    if (t->num_partitions != -1 || t->replication_factor != -1)
        return refuse(why, KAFKA_ERR_INVALID_REQUEST, "Assignments exclude numbers of partitions and replicas.");
    for (int32_t i = 0; i < count; i++) {
        const kfk_create_topics_request_assignment *a = &t->assignments.items[i];
        if (a->partition_index < 0 || a->partition_index >= count || all[a->partition_index].replicas)
            return refuse(why, KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT,
                          "The partitions do not count from 0 without gaps.");
        if (a->broker_ids.count < 1)
            return refuse(why, KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT, "A partition has no replica.");
        all[a->partition_index] = (kft_assignment){a->broker_ids.items, a->broker_ids.count};
    }
    *out = all;
    return 0;
}

static int16_t check_configs(const kfk_create_topics_request_topic *t, const char **why)
{
    for (int32_t i = 0; i < t->configs.count; i++) {
        if (!t->configs.items[i].value.data) return refuse(why, KAFKA_ERR_INVALID_CONFIG, "A setting has no value.");
        int16_t code = kft_settings_check(t->configs.items[i].name, t->configs.items[i].value, why);
        if (code != 0) return code;
    }
    return 0;
}

static int16_t set_configs(kft_topic *made, const kfk_create_topics_request_topic *t, const char **why)
{
    for (int32_t i = 0; i < t->configs.count; i++) {
        int16_t code = kft_settings_set(&made->settings, t->configs.items[i].name, t->configs.items[i].value, why);
        if (code != 0) return code;
    }
    return 0;
}

static int16_t create(kft_ask *ask, const kfk_create_topics_request_topic *t, kfk_create_topics_response_topic *out,
                      const char **why)
{
    const kfk_create_topics_request *r = ask->request;
    kafka_cluster *c = ask->cluster;
    const kft_assignment *assignment;
    kft_topic *made;
    int16_t code = take_assignments(ask, t, &assignment, why);
    if (code != 0) return code;
    int32_t partitions = assignment                ? t->assignments.count
                         : t->num_partitions == -1 ? c->default_partitions
                                                   : t->num_partitions;
    int replication = t->replication_factor == -1 ? 1 : t->replication_factor;
    code = check_configs(t, why);
    if (code == 0) code = kft_topic_check(c, t->name, partitions, replication, assignment, why);
    if (code != 0 || r->validate_only || ask->dry) return code;
    code = kft_topic_create(c, t->name, partitions, replication, assignment, &made, why);
    if (code != 0) return code;
    if ((code = set_configs(made, t, why)) != 0) {
        kft_topic_delete(c, made);
        return code;
    }
    out->topic_id = made->id;
    out->num_partitions = partitions;
    out->replication_factor = (int16_t)made->partitions[0]->replica_count;
    return 0;
}

static bool tell_configs(kft_ask *ask, const kfk_create_topics_request_topic *t, kfk_create_topics_response_topic *out)
{
    if (!KFT_ARRAY(ask, &out->configs, "topics.configs", t->configs.count < 0 ? 0 : t->configs.count)) return false;
    for (int32_t i = 0; i < t->configs.count; i++) {
        kfk_create_topics_response_config *c = &out->configs.items[i];
        c->name = t->configs.items[i].name;
        c->value = t->configs.items[i].value;
        c->config_source = 1; /* of the topic */
    }
    return true;
}

static bool is_named_twice(const kfk_create_topics_request *r, int32_t i)
{
    for (int32_t k = 0; k < r->topics.count; k++) {
        kafka_bytes a = r->topics.items[i].name, b = r->topics.items[k].name;
        if (k != i && a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0)) return true;
    }
    return false;
}

static kft_outcome handle(kft_ask *ask)
{
    const kfk_create_topics_request *r = ask->request;
    kfk_create_topics_response *a = ask->answer;
    if (!KFT_ARRAY(ask, &a->topics, "topics", r->topics.count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < r->topics.count; i++) {
        kfk_create_topics_response_topic *out = &a->topics.items[i];
        const char *why = NULL;
        out->name = r->topics.items[i].name;
        out->error_code = is_named_twice(r, i)
                              ? refuse(&why, KAFKA_ERR_INVALID_REQUEST, "The request names the topic twice.")
                              : create(ask, &r->topics.items[i], out, &why);
        out->error_message = kft_ask_text(ask, out->error_code != 0 ? why : NULL);
        if (!tell_configs(ask, &r->topics.items[i], out)) return KFT_HANG_UP;
    }
    return KFT_ANSWER;
}

static bool names(const kft_ask *ask, kafka_bytes topic, int32_t partition)
{
    static const kfk_uuid by_name;
    const kfk_create_topics_request *r = ask->request;
    for (int32_t i = 0; i < r->topics.count; i++) {
        if (partition == -1 && kft_ask_names_topic(ask, topic, r->topics.items[i].name, &by_name)) return true;
    }
    return false;
}

const kft_handler kft_handle_create_topics = {
    .api = KFK_API_CREATE_TOPICS, .min_version = 0, .max_version = 7, .handle = handle, .names = names};
