/* CreateTopics, versions 0 to 7, as Kafka 4.3 serves it. Any broker takes it, as in a KRaft cluster. A topic that a
 * request names twice is refused, and told once.
 *
 * Known gaps: 44 (the cluster has no room for so many partitions) is a matter of policies in Kafka, -1 of memory: both
 * are unproven. */
#include "testing/handlers.h"
#include "wire/gen/create_topics.h"
#include <string.h>

enum { FROM_TOPIC = 1, FROM_DEFAULT = 5 };

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
    code = kft_topic_check(c, t->name, partitions, replication, assignment, why);
    if (code == 0) code = check_configs(t, why);
    if (code != 0) return code;
    out->topic_id = kft_topic_new_id(c);
    out->num_partitions = partitions;
    out->replication_factor = (int16_t)(assignment ? assignment[0].count : replication);
    if (r->validate_only || ask->dry) return 0;
    code = kft_topic_create(c, t->name, partitions, replication, assignment, &made, why);
    if (code != 0) return code;
    if ((code = set_configs(made, t, why)) != 0) {
        kft_topic_delete(c, made);
        return code;
    }
    out->topic_id = made->id;
    return 0;
}

static kafka_bytes given_value(const kfk_create_topics_request_topic *t, const char *name)
{
    for (int32_t i = 0; i < t->configs.count; i++) {
        kafka_bytes given = t->configs.items[i].name;
        if (strlen(name) == given.len && memcmp(name, given.data, given.len) == 0) return t->configs.items[i].value;
    }
    return (kafka_bytes){NULL, 0};
}

/* All settings that the topic has from now on. */
static bool tell_configs(kft_ask *ask, const kfk_create_topics_request_topic *t, kfk_create_topics_response_topic *out)
{
    const kft_setting_info *row;
    int32_t count = 0;
    for (int i = 0; (row = kft_setting_row(i)) != NULL; i++) count += !row->broker;
    if (!KFT_ARRAY(ask, &out->configs, "topics.configs", count)) return false;
    count = 0;
    for (int i = 0; (row = kft_setting_row(i)) != NULL; i++) {
        if (row->broker) continue;
        kafka_bytes given = given_value(t, row->name);
        kfk_create_topics_response_config *c = &out->configs.items[count++];
        c->name = kafka_str(row->name);
        c->value = given.data ? given : kafka_str(row->fallback);
        c->config_source = given.data ? FROM_TOPIC : FROM_DEFAULT;
    }
    return true;
}

/* A refused topic has no numbers. */
static void forget_outcome(kfk_create_topics_response_topic *out)
{
    out->topic_id = (kfk_uuid){{0}};
    out->num_partitions = -1;
    out->replication_factor = -1;
}

static kft_key *mark_names(kft_ask *ask, const kfk_create_topics_request *r)
{
    kft_key *keys = kfk_arena_array(&ask->asked, (size_t)r->topics.count, sizeof *keys);
    for (int32_t i = 0; keys && i < r->topics.count; i++) keys[i] = (kft_key){.name = r->topics.items[i].name};
    if (keys) kft_keys_mark(keys, r->topics.count);
    return keys;
}

static kft_outcome handle(kft_ask *ask)
{
    const kfk_create_topics_request *r = ask->request;
    kfk_create_topics_response *a = ask->answer;
    int32_t told = 0;
    const kft_key *keys = mark_names(ask, r);
    if (!keys || !KFT_ARRAY(ask, &a->topics, "topics", r->topics.count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < r->topics.count; i++) {
        if (keys[i].again) continue;
        kfk_create_topics_response_topic *out = &a->topics.items[told++];
        const char *why = NULL;
        out->name = r->topics.items[i].name;
        out->error_code = keys[i].twice ? refuse(&why, KAFKA_ERR_INVALID_REQUEST, "The request names the topic twice.")
                                        : create(ask, &r->topics.items[i], out, &why);
        out->error_message = kft_ask_text(ask, out->error_code != 0 ? why : NULL);
        if (out->error_code == 0 && !tell_configs(ask, &r->topics.items[i], out)) return KFT_HANG_UP;
        if (out->error_code != 0) forget_outcome(out);
    }
    a->topics.count = told;
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
