/* DescribeConfigs, versions 0 to 4, as Kafka 4.3 serves it for topics and brokers.
 *
 * Known gaps: of a broker only a few settings are known, and none can be changed; loggers, client metrics and groups are
 * refused; synonyms name the setting itself alone. */
#include "testing/handlers.h"
#include "wire/gen/describe_configs.h"
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

static bool fill_config(kft_ask *ask, kfk_describe_configs_response_config *out, const kft_setting_info *row,
                        const kft_settings *set)
{
    const kfk_describe_configs_request *r = ask->request;
    const char *value = set ? kft_settings_get(set, kafka_str(row->name)) : NULL;
    out->name = kafka_str(row->name);
    out->value = kft_ask_text(ask, value ? value : row->fallback);
    out->read_only = row->read_only;
    out->is_sensitive = row->sensitive;
    out->is_default = ask->version == 0 && !value;
    out->config_source = value ? FROM_TOPIC : FROM_DEFAULT;
    out->config_type = row->type;
    if (r->include_documentation) out->documentation = kafka_str(row->doc);
    if (!r->include_synonyms) return true;
    if (!KFT_ARRAY(ask, &out->synonyms, "results.configs.synonyms", value ? 2 : 1)) return false;
    for (int32_t i = 0; i < out->synonyms.count; i++) {
        bool first = i == 0 && value;
        out->synonyms.items[i] =
            (kfk_describe_configs_response_synonym){.name = out->name,
                                                    .value = first ? out->value : kafka_str(row->fallback),
                                                    .source = first ? FROM_TOPIC : FROM_DEFAULT};
    }
    return true;
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
