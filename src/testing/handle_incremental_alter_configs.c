/* IncrementalAlterConfigs, versions 0 and 1, as Kafka 4.3 serves it for topics: set and delete for all settings, append
 * and subtract for lists.
 *
 * Known gaps: settings of brokers and of other resources are refused; a resource that is named twice is changed twice;
 * values have 4095 bytes at most. -1 for want of memory is unproven; for an operation that does not exist it is Kafka's
 * answer, too. */
#include "testing/handlers.h"
#include "wire/gen/incremental_alter_configs.h"
#include <string.h>

enum { TOPIC = 2, SET = 0, DELETE = 1, APPEND = 2, SUBTRACT = 3, LIST = 7 };

static bool is_list(kafka_bytes name)
{
    const kft_setting_info *row;
    for (int i = 0; (row = kft_setting_row(i)) != NULL; i++) {
        if (row->type == LIST && !row->broker && strlen(row->name) == name.len &&
            memcmp(row->name, name.data, name.len) == 0)
            return true;
    }
    return false;
}

static const char *present(const kft_settings *s, kafka_bytes name)
{
    const char *set = kft_settings_get(s, name);
    const kft_setting_info *row;
    for (int i = 0; !set && (row = kft_setting_row(i)) != NULL; i++) {
        if (strlen(row->name) == name.len && memcmp(row->name, name.data, name.len) == 0) set = row->fallback;
    }
    return set ? set : "";
}

/* The next item of a list, NULL at its end. */
static const char *next_item(const char **list, size_t *len)
{
    const char *item = *list;
    *len = 0;
    if (!item) return NULL;
    const char *comma = strchr(item, ',');
    *len = comma ? (size_t)(comma - item) : strlen(item);
    *list = comma ? comma + 1 : NULL;
    return item;
}

static bool has_item(const char *list, const char *item, size_t len)
{
    const char *here;
    size_t n;
    while ((here = next_item(&list, &n)) != NULL) {
        if (n == len && memcmp(here, item, n) == 0) return true;
    }
    return false;
}

/* Puts an item behind the list in `room`, of KFT_MOST_VALUE bytes. False: it gets too long. */
static bool add_item(char *room, const char *item, size_t len)
{
    size_t used = strlen(room);
    if (used + len + 2 > KFT_MOST_VALUE) return false;
    if (used > 0) room[used++] = ',';
    memcpy(room + used, item, len);
    room[used + len] = '\0';
    return true;
}

/* Every item of `from` that is not in `other` (NULL = nothing is), once, behind the list in `room`. */
static bool add_items(char *room, const char *from, const char *other)
{
    const char *item;
    size_t len;
    while ((item = next_item(&from, &len)) != NULL) {
        if (len == 0 || has_item(room, item, len) || (other && has_item(other, item, len))) continue;
        if (!add_item(room, item, len)) return false;
    }
    return true;
}

/* The list after the operation, in `room`. */
static int16_t change_list(const kft_settings *s, const kfk_incremental_alter_configs_request_config *c, char *room,
                           kafka_bytes *out, const char **why)
{
    char items[KFT_MOST_VALUE];
    *why = "The setting is no list.";
    if (!is_list(c->name)) return KAFKA_ERR_INVALID_CONFIG;
    *why = "The list gets too long.";
    if (c->value.len >= sizeof items) return KAFKA_ERR_INVALID_CONFIG;
    memcpy(items, c->value.data, c->value.len);
    items[c->value.len] = '\0';
    bool appends = c->config_operation == APPEND;
    room[0] = '\0';
    if (!add_items(room, present(s, c->name), appends ? NULL : items) || (appends && !add_items(room, items, NULL)))
        return KAFKA_ERR_INVALID_CONFIG;
    *out = kafka_str(room);
    return 0;
}

/* The value after the operation, in `room` or as it was given. */
static int16_t operate(const kft_settings *s, const kfk_incremental_alter_configs_request_config *c, char *room,
                       kafka_bytes *out, const char **why)
{
    *out = c->value;
    *why = "The value is missing.";
    if (c->config_operation != DELETE && !c->value.data) return KAFKA_ERR_INVALID_REQUEST;
    switch (c->config_operation) {
    case SET: return 0;
    case DELETE: *out = (kafka_bytes){NULL, 0}; return 0;
    case APPEND:
    case SUBTRACT: return change_list(s, c, room, out, why);
    default: *why = "The operation is unknown."; return KAFKA_ERR_UNKNOWN;
    }
}

/* A setting that is taken away need not be one. */
static int16_t change(kft_settings *s, const kfk_incremental_alter_configs_request_config *c, bool apply,
                      const char **why)
{
    char room[KFT_MOST_VALUE];
    kafka_bytes value;
    int16_t code = operate(s, c, room, &value, why);
    if (code != 0 || (!value.data && !kft_settings_get(s, c->name))) return code;
    return apply ? kft_settings_set(s, c->name, value, why) : kft_settings_check(c->name, value, why);
}

/* False also without memory. */
static bool names_all_once(kft_ask *ask, const kfk_incremental_alter_configs_request_resource *r)
{
    bool once = true;
    kft_key *keys = kfk_arena_array(&ask->asked, (size_t)r->configs.count, sizeof *keys);
    for (int32_t i = 0; keys && i < r->configs.count; i++) keys[i] = (kft_key){.name = r->configs.items[i].name};
    if (keys) kft_keys_mark(keys, r->configs.count);
    for (int32_t i = 0; keys && i < r->configs.count; i++) once &= !keys[i].again;
    return keys && once;
}

static int16_t alter(kft_ask *ask, const kfk_incremental_alter_configs_request_resource *r, bool apply,
                     const char **why)
{
    kft_topic *t = kft_topic_find(&ask->cluster->topics, r->resource_name);
    *why = "Only settings of topics can be changed here.";
    if (r->resource_type != TOPIC) return KAFKA_ERR_INVALID_REQUEST;
    *why = "The topic has no name.";
    if (r->resource_name.len == 0) return KAFKA_ERR_INVALID_REQUEST;
    *why = "A setting is named twice.";
    if (!names_all_once(ask, r)) return KAFKA_ERR_INVALID_REQUEST;
    *why = "There is no such topic.";
    if (!t) return KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    for (int32_t i = 0; i < r->configs.count; i++) {
        int16_t code = change(&t->settings, &r->configs.items[i], apply, why);
        if (code != 0) return code;
    }
    return 0;
}

static kft_outcome handle(kft_ask *ask)
{
    const kfk_incremental_alter_configs_request *r = ask->request;
    kfk_incremental_alter_configs_response *a = ask->answer;
    if (!KFT_ARRAY(ask, &a->responses, "responses", r->resources.count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < r->resources.count; i++) {
        const kfk_incremental_alter_configs_request_resource *in = &r->resources.items[i];
        kfk_incremental_alter_configs_response_resource *out = &a->responses.items[i];
        const char *why = NULL;
        out->resource_type = in->resource_type;
        out->resource_name = in->resource_name;
        out->error_code = alter(ask, in, false, &why); /* all of a resource or nothing of it */
        if (out->error_code == 0 && !r->validate_only && !ask->dry) out->error_code = alter(ask, in, true, &why);
        out->error_message = kft_ask_text(ask, out->error_code != 0 ? why : NULL);
    }
    return KFT_ANSWER;
}

const kft_handler kft_handle_incremental_alter_configs = {
    .api = KFK_API_INCREMENTAL_ALTER_CONFIGS, .min_version = 0, .max_version = 1, .handle = handle};
