/* DescribeConfigs, versions 0 to 4, as Kafka 4.3 serves it for topics and brokers.
 *
 * Known gaps: of a broker only a few settings are known, and none can be changed; loggers, client metrics and groups
 * are refused; min.insync.replicas is not set for the cluster, as a controller of Kafka does. */
#include "testing/handlers.h"
#include "wire/gen/describe_configs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOPIC = 2, BROKER = 4, FROM_TOPIC = 1, FROM_DEFAULT = 5 };

static bool is_wanted(const kfk_describe_configs_request_resource *r, const char *name)
{
    if (r->configuration_keys.count < 0) return true;
    for (int32_t i = 0; i < r->configuration_keys.count; i++) {
        kafka_bytes key = r->configuration_keys.items[i];
        if (strlen(name) == key.len && memcmp(name, key.data, key.len) == 0) return true;
    }
    return false;
}

/* What a broker calls a topic's setting; NULL = it has none like it. */
static const char *broker_name(const char *name)
{
    static const char *const names[][2] = {
        {"cleanup.policy", "log.cleanup.policy"},
        {"compression.type", "compression.type"},
        {"delete.retention.ms", "log.cleaner.delete.retention.ms"},
        {"file.delete.delay.ms", "log.segment.delete.delay.ms"},
        {"flush.messages", "log.flush.interval.messages"},
        {"flush.ms", "log.flush.interval.ms"},
        {"index.interval.bytes", "log.index.interval.bytes"},
        {"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"},
        {"max.message.bytes", "message.max.bytes"},
        {"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms"},
        {"message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms"},
        {"message.timestamp.type", "log.message.timestamp.type"},
        {"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio"},
        {"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"},
        {"min.insync.replicas", "min.insync.replicas"},
        {"preallocate", "log.preallocate"},
        {"retention.bytes", "log.retention.bytes"},
        {"retention.ms", "log.retention.ms"},
        {"segment.bytes", "log.segment.bytes"},
        {"segment.index.bytes", "log.index.size.max.bytes"},
        {"segment.jitter.ms", "log.roll.jitter.ms"},
        {"segment.ms", "log.roll.ms"},
        {"unclean.leader.election.enable", "unclean.leader.election.enable"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i][0]) == 0) return names[i][1];
    }
    return NULL;
}

/* A broker's value where it is not the default. */
static kafka_bytes broker_value(kft_ask *ask, const kft_setting_info *row)
{
    kafka_cluster *c = ask->cluster;
    char text[400];
    if (strcmp(row->name, "auto.create.topics.enable") == 0)
        snprintf(text, sizeof text, "%s", c->auto_create ? "true" : "false");
    else if (strcmp(row->name, "num.partitions") == 0)
        snprintf(text, sizeof text, "%d", (int)c->default_partitions);
    else if (strcmp(row->name, "broker.id") == 0)
        snprintf(text, sizeof text, "%d", (int)ask->node->id);
    else if (strcmp(row->name, "advertised.listeners") == 0)
        snprintf(text, sizeof text, strchr(c->host, ':') ? "PLAINTEXT://[%s]:%d" : "PLAINTEXT://%s:%d", c->host,
                 (int)ask->node->port);
    else
        return (kafka_bytes){NULL, 0};
    return kft_ask_text(ask, text);
}

static bool fill_synonyms(kft_ask *ask, kfk_describe_configs_response_config *out, const kft_setting_info *row)
{
    bool is_set = out->config_source == FROM_TOPIC;
    const char *fallback = row->broker ? row->name : broker_name(row->name);
    if (!KFT_ARRAY(ask, &out->synonyms, "results.configs.synonyms", (int32_t)is_set + (fallback != NULL))) return false;
    if (is_set)
        out->synonyms.items[0] =
            (kfk_describe_configs_response_synonym){.name = out->name, .value = out->value, .source = FROM_TOPIC};
    if (fallback)
        out->synonyms.items[is_set] = (kfk_describe_configs_response_synonym){
            .name = kafka_str(fallback), .value = kafka_str(row->fallback), .source = FROM_DEFAULT};
    return true;
}

static bool fill_config(kft_ask *ask, kfk_describe_configs_response_config *out, const kft_setting_info *row,
                        const kft_settings *set)
{
    const kfk_describe_configs_request *r = ask->request;
    const char *value = set ? kft_settings_get(set, kafka_str(row->name)) : NULL;
    out->name = kafka_str(row->name);
    kafka_bytes of_broker = row->broker ? broker_value(ask, row) : (kafka_bytes){NULL, 0};
    out->value = of_broker.data ? of_broker : kft_ask_text(ask, value ? value : row->fallback);
    out->read_only = row->read_only;
    out->is_sensitive = row->sensitive;
    out->is_default = ask->version == 0 && !value;
    out->config_source = value ? FROM_TOPIC : FROM_DEFAULT;
    out->config_type = row->type;
    if (r->include_documentation) out->documentation = kafka_str(row->doc);
    return !r->include_synonyms || fill_synonyms(ask, out, row);
}

static bool fill_configs(kft_ask *ask, const kfk_describe_configs_request_resource *r,
                         kfk_describe_configs_response_resource *out, bool broker, const kft_settings *set)
{
    const kft_setting_info *row;
    int32_t count = 0;
    for (int i = 0; (row = kft_setting_row(i)) != NULL; i++) count += row->broker == broker && is_wanted(r, row->name);
    if (!KFT_ARRAY(ask, &out->configs, "results.configs", count)) return false;
    count = 0;
    for (int i = 0; (row = kft_setting_row(i)) != NULL; i++) {
        if (row->broker != broker || !is_wanted(r, row->name)) continue;
        if (!fill_config(ask, &out->configs.items[count++], row, set)) return false;
    }
    return true;
}

static bool is_broker(kafka_cluster *c, kafka_bytes name)
{
    char text[12] = "";
    if (name.len >= sizeof text) return false;
    memcpy(text, name.data, name.len);
    return kft_cluster_node(c, (int32_t)strtol(text, NULL, 10)) != NULL;
}

static bool describe(kft_ask *ask, const kfk_describe_configs_request_resource *r,
                     kfk_describe_configs_response_resource *out)
{
    const char *why;
    out->resource_type = r->resource_type;
    out->resource_name = r->resource_name;
    if (r->resource_type == TOPIC) {
        kft_topic *t = kft_topic_find(&ask->cluster->topics, r->resource_name);
        if (t) return fill_configs(ask, r, out, false, &t->settings);
        out->error_code = kft_topic_name_is_valid(r->resource_name, &why) ? KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION
                                                                          : KAFKA_ERR_INVALID_TOPIC;
    } else if (r->resource_type == BROKER) {
        if (r->resource_name.len == 0 || is_broker(ask->cluster, r->resource_name))
            return fill_configs(ask, r, out, true, NULL);
        out->error_code = KAFKA_ERR_INVALID_REQUEST;
    } else {
        out->error_code = KAFKA_ERR_INVALID_REQUEST;
    }
    out->error_message = kft_ask_text(ask, "There is no such resource.");
    return true;
}

static kft_outcome handle(kft_ask *ask)
{
    const kfk_describe_configs_request *r = ask->request;
    kfk_describe_configs_response *a = ask->answer;
    if (!KFT_ARRAY(ask, &a->results, "results", r->resources.count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < r->resources.count; i++) {
        if (!describe(ask, &r->resources.items[i], &a->results.items[i])) return KFT_HANG_UP;
    }
    return KFT_ANSWER;
}

const kft_handler kft_handle_describe_configs = {
    .api = KFK_API_DESCRIBE_CONFIGS, .min_version = 0, .max_version = 4, .handle = handle};
