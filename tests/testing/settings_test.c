/* settings_test.c: the settings of topics: what is known, what may be set, what is obeyed. */
#include "support/memcheck.h"

#include "kafka/error.h"
#include "testing/settings.h"
#include <string.h>

static int16_t set(kft_settings *s, const char *name, const char *value)
{
    const char *why = NULL;
    int16_t code = kft_settings_set(s, kafka_str(name), kafka_str(value), &why);
    assert_int_equal(code != 0, why != NULL);
    return code;
}

static void a_topic_begins_with_the_defaults_of_kafka(void **state)
{
    (void)state;
    kft_settings s;
    kft_settings_init(&s);
    assert_int_equal(s.max_message_bytes, 1048588);
    assert_int_equal(s.retention_ms, INT64_C(7) * 24 * 3600 * 1000);
    assert_int_equal(s.retention_bytes, -1);
    assert_false(s.append_time);
    assert_true(s.deletes);
    assert_false(s.compact);
    assert_int_equal(s.min_in_sync, 1);
    assert_int_equal(s.after_max_ms, 3600000);
    assert_true(s.before_max_ms == INT64_MAX);
    assert_null(kft_settings_get(&s, KAFKA_LIT("retention.ms")));
    kft_settings_fini(&s);
}

static void what_is_obeyed_follows_what_is_set_and_unset(void **state)
{
    (void)state;
    kft_settings s;
    kft_settings_init(&s);
    assert_int_equal(set(&s, "max.message.bytes", "10"), 0);
    assert_int_equal(set(&s, "retention.ms", "-1"), 0);
    assert_int_equal(set(&s, "retention.bytes", "12345678901"), 0);
    assert_int_equal(set(&s, "message.timestamp.type", "LogAppendTime"), 0);
    assert_int_equal(set(&s, "cleanup.policy", "compact"), 0);
    assert_int_equal(set(&s, "min.insync.replicas", "2"), 0);
    assert_int_equal(set(&s, "message.timestamp.after.max.ms", "5"), 0);
    assert_int_equal(set(&s, "message.timestamp.before.max.ms", "6"), 0);
    assert_int_equal(s.max_message_bytes, 10);
    assert_int_equal(s.retention_ms, -1);
    assert_int_equal(s.retention_bytes, 12345678901);
    assert_true(s.append_time && s.compact && !s.deletes);
    assert_int_equal(s.min_in_sync, 2);
    assert_int_equal(s.after_max_ms, 5);
    assert_int_equal(s.before_max_ms, 6);
    assert_int_equal(set(&s, "cleanup.policy", "delete,compact"), 0);
    assert_true(s.compact && s.deletes);
    assert_int_equal(set(&s, "max.message.bytes", "11"), 0); /* in place of the 10 */
    assert_string_equal(kft_settings_get(&s, KAFKA_LIT("max.message.bytes")), "11");
    assert_int_equal(s.count, 8);
    assert_int_equal(set(&s, "max.message.bytes", NULL), 0);
    assert_int_equal(set(&s, "max.message.bytes", NULL), 0); /* it is unset already */
    assert_null(kft_settings_get(&s, KAFKA_LIT("max.message.bytes")));
    assert_int_equal(s.max_message_bytes, 1048588);
    assert_int_equal(s.count, 7);
    kft_settings_fini(&s);
}

static void any_setting_of_a_topic_is_kept(void **state)
{
    (void)state;
    kft_settings s;
    const kft_setting_info *row;
    int known = 0;
    kft_settings_init(&s);
    for (int i = 0; (row = kft_setting_row(i)) != NULL; i++) {
        assert_true(row->type >= 1 && row->type <= 7 && strlen(row->doc) > 5);
        if (row->broker) continue;
        assert_int_equal(set(&s, row->name, row->fallback), 0); /* a default is a value that may be set */
        assert_string_equal(kft_settings_get(&s, kafka_str(row->name)), row->fallback);
        known++;
    }
    assert_int_equal(s.count, known);
    assert_true(known >= 25);
    assert_null(kft_setting_row(-1));
    kft_settings_fini(&s);
}

static void names_and_values_that_cannot_be_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"no.such.setting", "1"},
        {"", "1"},
        {"retention", "1"},
        {"log.retention.ms", "1"}, /* a broker's */
        {"max.message.bytes", ""},
        {"max.message.bytes", "x"},
        {"max.message.bytes", "1x"},
        {"max.message.bytes", "-1"},
        {"max.message.bytes", "2147483648"},
        {"retention.ms", "-2"},
        {"retention.ms", "9223372036854775808"},
        {"flush.ms", "-1"},
        {"local.retention.ms", "-3"},
        {"message.timestamp.type", "logappendtime"},
        {"cleanup.policy", "delete,delete"},
        {"cleanup.policy", "keep"},
        {"compression.type", "zip"},
        {"min.insync.replicas", "0"},
        {"preallocate", "yes"},
        {"min.cleanable.dirty.ratio", "much"},
        {"min.cleanable.dirty.ratio", "-0.5"},
    };
    kft_settings s;
    const char *why;
    kft_settings_init(&s);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (set(&s, wrong[i][0], wrong[i][1]) != KAFKA_ERR_INVALID_CONFIG)
            fail_msg("%s=%s is taken", wrong[i][0], wrong[i][1]);
        assert_int_equal(kft_settings_check(kafka_str(wrong[i][0]), kafka_str(wrong[i][1]), &why),
                         KAFKA_ERR_INVALID_CONFIG);
    }
    assert_int_equal(kft_settings_set(&s, KAFKA_LIT("retention.ms"), (kafka_bytes){"5\0", 2}, &why),
                     KAFKA_ERR_INVALID_CONFIG);
    assert_int_equal(kft_settings_set(&s, (kafka_bytes){NULL, 0}, KAFKA_LIT("5"), &why), KAFKA_ERR_INVALID_CONFIG);
    assert_int_equal(s.count, 0);
    assert_int_equal(kft_settings_check(KAFKA_LIT("retention.ms"), KAFKA_LIT("5"), &why), 0);
    assert_int_equal(kft_settings_check(KAFKA_LIT("retention.ms"), (kafka_bytes){NULL, 0}, &why), 0);
    assert_int_equal(s.count, 0); /* checking sets nothing */
    kft_settings_fini(&s);
}

/* Lists may be of any length in Kafka; here a topic's settings must not fill the memory, nor an answer. */
static void a_value_has_a_length_that_it_may_have(void **state)
{
    (void)state;
    char text[KFT_MOST_VALUE + 1];
    kft_settings s;
    const char *name = "leader.replication.throttled.replicas";
    kft_settings_init(&s);
    for (size_t i = 0; i < KFT_MOST_VALUE; i++) text[i] = "1:1,"[i % 4];
    text[KFT_MOST_VALUE - 1] = '\0'; /* ends with 1:1 */
    assert_int_equal(set(&s, name, text), 0);
    text[KFT_MOST_VALUE - 1] = '1';
    text[KFT_MOST_VALUE - 2] = ':';
    text[KFT_MOST_VALUE - 3] = '0';
    text[KFT_MOST_VALUE] = '\0';
    assert_int_equal(set(&s, name, text), KAFKA_ERR_INVALID_CONFIG);
    assert_int_equal(strlen(kft_settings_get(&s, kafka_str(name))), KFT_MOST_VALUE - 1);
    kft_settings_fini(&s);
}

static void without_memory_a_setting_is_as_before(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kft_settings s;
        int16_t code = 0;
        const char *why;
        kft_settings_init(&s);
        static const char *const values[] = {"1", "2", "3"};
        int64_t kept = s.retention_ms;
        for (int i = 0; i < 3; i++) {
            code = kft_settings_set(&s, KAFKA_LIT("retention.ms"), kafka_str(values[i]), &why);
            assert_true(code == 0 || (code == KAFKA_ERR_UNKNOWN && memcheck_failed()));
            if (code == 0) kept = i + 1;
            assert_int_equal(s.retention_ms, kept);
        }
        kft_settings_fini(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_topic_begins_with_the_defaults_of_kafka),
        MEMCHECK_TEST(what_is_obeyed_follows_what_is_set_and_unset),
        MEMCHECK_TEST(any_setting_of_a_topic_is_kept),
        MEMCHECK_TEST(names_and_values_that_cannot_be_are_refused_and_change_nothing),
        MEMCHECK_TEST(a_value_has_a_length_that_it_may_have),
        MEMCHECK_TEST(without_memory_a_setting_is_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
