/* configs_test.c: DescribeConfigs and IncrementalAlterConfigs. */
#include "conformance/steps.h"
#include "wire/gen/describe_configs.h"
#include "wire/gen/incremental_alter_configs.h"
#include <string.h>

const suite_needs needs = {.brokers = 1};

enum {
    TOPIC_TYPE = 2,
    BROKER_TYPE = 4,
    FROM_TOPIC = 1,
    FROM_DEFAULT = 5,
    SET = 0,
    DELETE = 1,
    APPEND = 2,
    SUBTRACT = 3
};

/* ---- describing -------------------------------------------------------------------------------------------------- */

static const kfk_describe_configs_response *describe(client *c, int8_t type, const char *name, const char *key)
{
    kafka_bytes keys = kafka_str(key);
    kfk_describe_configs_request_resource one = {
        .resource_type = type, .resource_name = kafka_str(name), .configuration_keys = {&keys, key ? 1 : -1}};
    kfk_describe_configs_request r = DEFAULTS(describe_configs);
    r.include_synonyms = r.include_documentation = true;
    r.resources = (kfk_describe_configs_request_resource_array){&one, 1};
    return ASK(c, describe_configs, 4, &r);
}

static bool is_text(kafka_bytes b, const char *text)
{
    return b.data && b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

static void every_setting_of_a_topic_is_described(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    const kfk_describe_configs_response *a = describe(c, TOPIC_TYPE, t.name, NULL);
    assert_int_equal(a->results.count, 1);
    EXPECT(a->results.items[0].error_code, 0);
    EXPECT(a->results.items[0].resource_type, TOPIC_TYPE);
    EXPECT_TRUE(is_text(a->results.items[0].resource_name, t.name));
    static const struct {
        const char *name, *value;
        int8_t type;
    } some[] = {
        {"cleanup.policy", "delete", 7},
        {"compression.type", "producer", 2},
        {"max.message.bytes", "1048588", 3},
        {"message.timestamp.type", "CreateTime", 2},
        {"min.insync.replicas", "1", 3},
        {"retention.bytes", "-1", 5},
        {"preallocate", "false", 1},
        {"min.cleanable.dirty.ratio", "0.5", 6},
        {"segment.bytes", "1073741824", 3},
        {"message.timestamp.after.max.ms", "3600000", 5},
        {"delete.retention.ms", "86400000", 5},
        {"file.delete.delay.ms", "60000", 5},
        {"index.interval.bytes", "4096", 3},
        {"segment.jitter.ms", "0", 5},
        {"min.compaction.lag.ms", "0", 5},
        {"max.compaction.lag.ms", "9223372036854775807", 5},
        {"flush.ms", "9223372036854775807", 5},
        {"flush.messages", "9223372036854775807", 5},
        {"remote.storage.enable", "false", 1},
        {"local.retention.ms", "-2", 5},
        {"local.retention.bytes", "-2", 5},
        {"unclean.leader.election.enable", "false", 1},
        {"leader.replication.throttled.replicas", "", 7},
        {"message.timestamp.before.max.ms", "9223372036854775807", 5},
    };
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        const kfk_describe_configs_response_config *found = NULL;
        for (int32_t k = 0; k < a->results.items[0].configs.count; k++) {
            if (is_text(a->results.items[0].configs.items[k].name, some[i].name))
                found = &a->results.items[0].configs.items[k];
        }
        if (!found) fail_msg("%s is not described", some[i].name);
        suite_expect(is_text(found->value, some[i].value), true, some[i].name, __FILE__, __LINE__);
        suite_expect(found->config_type, some[i].type, some[i].name, __FILE__, __LINE__);
        if (strcmp(some[i].name, "min.insync.replicas") != 0) /* which a controller may set for the cluster */
            suite_expect(found->config_source, FROM_DEFAULT, some[i].name, __FILE__, __LINE__);
        suite_expect(found->is_sensitive, false, some[i].name, __FILE__, __LINE__);
        suite_expect(found->read_only, false, some[i].name, __FILE__, __LINE__);
        suite_expect(found->documentation.len > 0, true, some[i].name, __FILE__, __LINE__);
    }
}

static void what_was_set_is_told_from_what_is_a_default(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .settings = {"max.message.bytes", "5000"});
    const kfk_describe_configs_response *a = describe(c, TOPIC_TYPE, t.name, "max.message.bytes");
    assert_int_equal(a->results.items[0].configs.count, 1);
    const kfk_describe_configs_response_config *config = &a->results.items[0].configs.items[0];
    EXPECT_TRUE(is_text(config->value, "5000"));
    EXPECT(config->config_source, FROM_TOPIC);
    EXPECT(config->synonyms.count, 2);
    for (int32_t i = 0; i < config->synonyms.count; i++) {
        EXPECT_TRUE(is_text(config->synonyms.items[i].value, i == 0 ? "5000" : "1048588"));
        EXPECT_TRUE(is_text(config->synonyms.items[i].name, i == 0 ? "max.message.bytes" : "message.max.bytes"));
        EXPECT(config->synonyms.items[i].source, i == 0 ? FROM_TOPIC : FROM_DEFAULT);
    }
    a = describe(c, TOPIC_TYPE, t.name, "no.such.setting");
    EXPECT(a->results.items[0].error_code, 0);
    EXPECT(a->results.items[0].configs.count, 0);
}

static void brokers_are_described_by_their_id(void **state)
{
    (void)state;
    client *c = suite_client(1);
    const kfk_describe_configs_response *a = describe(c, BROKER_TYPE, "1", "auto.create.topics.enable");
    EXPECT(a->results.items[0].error_code, 0);
    assert_int_equal(a->results.items[0].configs.count, 1);
    EXPECT_TRUE(is_text(a->results.items[0].configs.items[0].value, "false"));
    EXPECT_TRUE(a->results.items[0].configs.items[0].read_only);
    EXPECT(a->results.items[0].configs.items[0].config_type, 1);
}

static void what_is_not_there_is_not_described(void **state)
{
    (void)state;
    client *c = suite_client(1);
    static const struct {
        int8_t type;
        const char *name;
        int16_t code;
    } wrong[] = {
        {TOPIC_TYPE, "no-such-topic", KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION},
        {TOPIC_TYPE, "a/b", KAFKA_ERR_INVALID_TOPIC},
        {TOPIC_TYPE, "", KAFKA_ERR_INVALID_TOPIC},
        {BROKER_TYPE, "7", KAFKA_ERR_INVALID_REQUEST},
        {BROKER_TYPE, "one", KAFKA_ERR_INVALID_REQUEST},
        {99, "x", KAFKA_ERR_INVALID_REQUEST},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const kfk_describe_configs_response *a = describe(c, wrong[i].type, wrong[i].name, NULL);
        suite_expect(a->results.items[0].error_code, wrong[i].code, wrong[i].name, __FILE__, __LINE__);
        suite_expect(a->results.items[0].configs.count, 0, wrong[i].name, __FILE__, __LINE__);
        suite_expect(a->results.items[0].error_message.data != NULL, true, wrong[i].name, __FILE__, __LINE__);
    }
}

/* ---- altering ---------------------------------------------------------------------------------------------------- */

typedef kfk_incremental_alter_configs_request_config change;

static int16_t alter(client *c, int8_t type, const char *name, change *changes, int32_t count, bool validate_only)
{
    kfk_incremental_alter_configs_request_resource one = {
        .resource_type = type, .resource_name = kafka_str(name), .configs = {changes, count}};
    kfk_incremental_alter_configs_request r = DEFAULTS(incremental_alter_configs);
    r.validate_only = validate_only;
    r.resources = (kfk_incremental_alter_configs_request_resource_array){&one, 1};
    const kfk_incremental_alter_configs_response *a = ASK(c, incremental_alter_configs, 1, &r);
    assert_int_equal(a->responses.count, 1);
    EXPECT(a->responses.items[0].resource_type, type);
    EXPECT_TRUE(is_text(a->responses.items[0].resource_name, name));
    return a->responses.items[0].error_code;
}

static int16_t change_one(client *c, const topic *t, const char *name, int8_t operation, const char *value)
{
    change one = {.name = kafka_str(name), .config_operation = operation, .value = kafka_str(value)};
    return alter(c, TOPIC_TYPE, t->name, &one, 1, false);
}

typedef struct wanted {
    client *c;
    const topic *t;
    const char *name, *value;
} wanted;

static bool is_value(void *arg)
{
    const wanted *w = arg;
    const kfk_describe_configs_response *a = describe(w->c, TOPIC_TYPE, w->t->name, w->name);
    return a->results.items[0].configs.count == 1 && is_text(a->results.items[0].configs.items[0].value, w->value);
}

static void has_value(client *c, const topic *t, const char *name, const char *value)
{
    suite_wait(is_value, &(wanted){c, t, name, value}, value);
}

static void settings_are_set_and_unset(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    EXPECT(change_one(c, &t, "max.message.bytes", SET, "600"), 0);
    has_value(c, &t, "max.message.bytes", "600");
    EXPECT(produce(c, &t, 0, BATCH_OF(.value_size = 1000)).error_code, KAFKA_ERR_MESSAGE_TOO_LARGE);
    EXPECT(change_one(c, &t, "max.message.bytes", DELETE, NULL), 0);
    has_value(c, &t, "max.message.bytes", "1048588");
    EXPECT(change_one(c, &t, "max.message.bytes", DELETE, NULL), 0);
    EXPECT(produce(c, &t, 0, BATCH_OF(.value_size = 1000)).error_code, 0);
}

static void lists_are_appended_to_and_subtracted_from(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    EXPECT(change_one(c, &t, "cleanup.policy", APPEND, "compact"), 0);
    has_value(c, &t, "cleanup.policy", "delete,compact");
    EXPECT(change_one(c, &t, "cleanup.policy", APPEND, "compact"), 0); /* it is there already */
    EXPECT(change_one(c, &t, "cleanup.policy", SUBTRACT, "delete"), 0);
    has_value(c, &t, "cleanup.policy", "compact");
    EXPECT(change_one(c, &t, "cleanup.policy", SUBTRACT, "delete"), 0);
    EXPECT(change_one(c, &t, "cleanup.policy", APPEND, "burn"), KAFKA_ERR_INVALID_CONFIG);
    EXPECT(change_one(c, &t, "max.message.bytes", APPEND, "1"), KAFKA_ERR_INVALID_CONFIG);
    EXPECT(change_one(c, &t, "max.message.bytes", SUBTRACT, "1"), KAFKA_ERR_INVALID_CONFIG);
    has_value(c, &t, "cleanup.policy", "compact");
}

static void several_items_are_appended_or_subtracted_at_once(void **state)
{
    (void)state;
    static const char *const throttled = "follower.replication.throttled.replicas";
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    EXPECT(change_one(c, &t, "cleanup.policy", APPEND, "delete,compact"), 0);
    has_value(c, &t, "cleanup.policy", "delete,compact");
    EXPECT(change_one(c, &t, "cleanup.policy", SUBTRACT, "compact,burn"), 0);
    has_value(c, &t, "cleanup.policy", "delete");
    EXPECT(change_one(c, &t, throttled, SET, "0:1"), 0);
    EXPECT(change_one(c, &t, throttled, APPEND, "0:1,1:1,2:1"), 0);
    has_value(c, &t, throttled, "0:1,1:1,2:1");
    EXPECT(change_one(c, &t, throttled, SUBTRACT, "2:1,0:1"), 0);
    has_value(c, &t, throttled, "1:1");
}

static void throttled_replicas_are_pairs_of_numbers(void **state)
{
    (void)state;
    static const char *const throttled = "leader.replication.throttled.replicas";
    static const char *const wrong[] = {"a", "1", "1:", ":1", "0:1:2", "0:1,x", "1:a", "-1:1", "*,0:1"};
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        suite_expect(change_one(c, &t, throttled, SET, wrong[i]), KAFKA_ERR_INVALID_CONFIG, wrong[i], __FILE__,
                     __LINE__);
    EXPECT(change_one(c, &t, throttled, SET, "*"), 0);
    has_value(c, &t, throttled, "*");
    EXPECT(change_one(c, &t, throttled, SET, "10:2,0:11"), 0);
    has_value(c, &t, throttled, "10:2,0:11");
}

static void impossible_changes_are_refused(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    EXPECT(change_one(c, &t, "no.such.setting", SET, "1"), KAFKA_ERR_INVALID_CONFIG);
    EXPECT(change_one(c, &t, "no.such.setting", DELETE, NULL), 0); /* there is nothing to take away */
    EXPECT(change_one(c, &t, "max.message.bytes", SET, "many"), KAFKA_ERR_INVALID_CONFIG);
    EXPECT(change_one(c, &t, "max.message.bytes", SET, NULL), KAFKA_ERR_INVALID_REQUEST);
    EXPECT(change_one(c, &t, "max.message.bytes", 9, "1000"), KAFKA_ERR_UNKNOWN);
    change one = {.name = KAFKA_LIT("max.message.bytes"), .value = KAFKA_LIT("1000")}, two[2] = {one, one};
    EXPECT(alter(c, TOPIC_TYPE, t.name, two, 2, false), KAFKA_ERR_INVALID_REQUEST);
    EXPECT(alter(c, TOPIC_TYPE, "no-such-topic", &one, 1, false), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(alter(c, TOPIC_TYPE, "", &one, 1, false), KAFKA_ERR_INVALID_REQUEST);
    EXPECT(alter(c, 99, t.name, &one, 1, false), KAFKA_ERR_INVALID_REQUEST);
    EXPECT(alter(c, BROKER_TYPE, "9", &one, 1, false), KAFKA_ERR_INVALID_REQUEST);
    EXPECT_TRUE(is_value(&(wanted){c, &t, "max.message.bytes", "1048588"}));
}

static void all_changes_of_a_topic_happen_or_none(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    change two[] = {{.name = KAFKA_LIT("max.message.bytes"), .value = KAFKA_LIT("1000")},
                    {.name = KAFKA_LIT("retention.ms"), .value = KAFKA_LIT("soon")}};
    EXPECT(alter(c, TOPIC_TYPE, t.name, two, 2, false), KAFKA_ERR_INVALID_CONFIG);
    EXPECT_TRUE(is_value(&(wanted){c, &t, "max.message.bytes", "1048588"}));
    EXPECT(alter(c, TOPIC_TYPE, t.name, two, 1, true), 0);
    EXPECT_TRUE(is_value(&(wanted){c, &t, "max.message.bytes", "1048588"}));
    EXPECT(alter(c, TOPIC_TYPE, t.name, two, 1, false), 0);
    has_value(c, &t, "max.message.bytes", "1000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(every_setting_of_a_topic_is_described),
        SUITE_TEST(what_was_set_is_told_from_what_is_a_default),
        SUITE_TEST(brokers_are_described_by_their_id),
        SUITE_TEST(what_is_not_there_is_not_described),
        SUITE_TEST(settings_are_set_and_unset),
        SUITE_TEST(lists_are_appended_to_and_subtracted_from),
        SUITE_TEST(several_items_are_appended_or_subtracted_at_once),
        SUITE_TEST(throttled_replicas_are_pairs_of_numbers),
        SUITE_TEST(impossible_changes_are_refused),
        SUITE_TEST(all_changes_of_a_topic_happen_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
