/* What is said about a mistake is tested in basic.sh; here: what is read, and that mistakes are refused. */
#include "support/memcheck.h"

#include "options.h"
#include <stdlib.h>
#include <string.h>

/* A subcommand that takes a bit of everything. */
typedef struct command {
    kc_common common;
    const char *topic;
    bool exact, headers;
    int64_t count;
    size_t operands;
} command;

static int parse_list(command *c, size_t most_operands, int argc, const char *const *args, char **argv)
{
    *c = (command){.common = KC_COMMON_DEFAULTS};
    const kc_option options[] = {{'t', 'T', "topic", "TOPIC", kc_take_text, &c->topic, "a topic"},
                                 {'e', 0, "exact", NULL, kc_take_flag, &c->exact, "a flag"},
                                 {'H', 0, "headers", NULL, kc_take_flag, &c->headers, "another"},
                                 {0, 0, "count", "N", kc_take_count, &c->count, "long only"},
                                 {0}};
    const kc_manual manual = {.command = "kc test",
                              .synopsis = "...",
                              .about = "A test.",
                              .options = options,
                              .common = &c->common,
                              .most_operands = most_operands};
    argv[0] = (char *)"test";
    for (int i = 0; i < argc; i++) argv[i + 1] = (char *)args[i];
    return kc_options_parse(&manual, argc + 1, argv, &c->operands);
}
#define PARSE(c, ...)                                                                                                \
    parse_list((c), 3, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *[]){__VA_ARGS__}, \
               argv)

static void values_come_attached_or_apart(void **state)
{
    (void)state;
    command c;
    char *argv[16];
    assert_int_equal(PARSE(&c, "-t", "a", "--count", "7"), -1);
    assert_string_equal(c.topic, "a");
    assert_int_equal(c.count, 7);
    assert_int_equal(PARSE(&c, "-ta", "--count=7"), -1);
    assert_string_equal(c.topic, "a");
    assert_int_equal(c.count, 7);
    assert_int_equal(PARSE(&c, "--topic=x=y"), -1);
    assert_string_equal(c.topic, "x=y");
    assert_int_equal(PARSE(&c, "-T", "-e"), -1); /* the second letter; a value may begin with a dash */
    assert_string_equal(c.topic, "-e");
    assert_false(c.exact);
}

static void letters_group(void **state)
{
    (void)state;
    command c;
    char *argv[16];
    assert_int_equal(PARSE(&c, "-eHt", "a", "-qv"), -1);
    assert_true(c.exact && c.headers && c.common.quiet && c.common.verbose);
    assert_string_equal(c.topic, "a");
}

static void operands_may_stand_anywhere(void **state)
{
    (void)state;
    command c;
    char *argv[16];
    assert_int_equal(PARSE(&c, "one", "-e", "-", "--", "-H"), -1);
    assert_int_equal(c.operands, 3);
    assert_string_equal(argv[1], "one");
    assert_string_equal(argv[2], "-");
    assert_string_equal(argv[3], "-H");
    assert_true(c.exact);
    assert_false(c.headers);
}

static void mistakes_are_usage_errors(void **state)
{
    (void)state;
    command c;
    char *argv[16];
    assert_int_equal(PARSE(&c, "--topik", "x"), KC_USAGE);
    assert_int_equal(PARSE(&c, "--top", "x"), KC_USAGE); /* no abbreviations */
    assert_int_equal(PARSE(&c, "-x"), KC_USAGE);
    assert_int_equal(PARSE(&c, "-ex"), KC_USAGE);
    assert_int_equal(PARSE(&c, "-t"), KC_USAGE);
    assert_int_equal(PARSE(&c, "--topic"), KC_USAGE);
    assert_int_equal(PARSE(&c, "-t", ""), KC_USAGE);
    assert_int_equal(PARSE(&c, "--exact=yes"), KC_USAGE);
    assert_int_equal(PARSE(&c, "--count", "0"), KC_USAGE);
    assert_int_equal(PARSE(&c, "--count", "1 "), KC_USAGE);
    assert_int_equal(PARSE(&c, "1", "2", "3", "4"), KC_USAGE);
}

static void brokers_come_from_the_option_or_the_environment(void **state)
{
    (void)state;
    kc_common common = KC_COMMON_DEFAULTS;
    const kc_option none[] = {{0}};
    const kc_manual manual = {.command = "kc test", .options = none, .common = &common};
    unsetenv("KAFKA_BROKERS");
    assert_int_equal(kc_options_finish(&manual), KC_USAGE);
    setenv("KAFKA_BROKERS", "", 1);
    assert_int_equal(kc_options_finish(&manual), KC_USAGE);
    setenv("KAFKA_BROKERS", "from-env:1", 1);
    common.brokers = NULL;
    assert_int_equal(kc_options_finish(&manual), -1);
    assert_string_equal(common.brokers, "from-env:1");
    assert_false(common.brokers_given);
    common.brokers = "given:2";
    assert_int_equal(kc_options_finish(&manual), -1);
    assert_string_equal(common.brokers, "given:2");
    assert_true(common.brokers_given);
    unsetenv("KAFKA_BROKERS");
}

/* ---- kinds of values --------------------------------------------------------------------------------------------- */

static void numbers_are_read_whole_or_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", " 1", "1 ", "+1", "0x1", "1.0", "9223372036854775808", "one", "-", "--1"};
    int64_t n = 77;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(kc_read_int(wrong[i], INT64_MIN, INT64_MAX, &n));
    assert_int_equal(n, 77);
    assert_true(kc_read_int("-9223372036854775808", INT64_MIN, INT64_MAX, &n));
    assert_true(n == INT64_MIN);
    assert_false(kc_read_int("5", 6, 9, &n));
    assert_false(kc_read_int("10", 6, 9, &n));
}

static void partitions_are_a_sorted_set(void **state)
{
    (void)state;
    kc_partitions p = {0};
    kc_why why;
    assert_true(kc_take_partitions(&p, "7,3-5,4", &why));
    assert_true(kc_take_partitions(&p, "0", &why));
    static const int32_t want[] = {0, 3, 4, 5, 7};
    assert_int_equal(p.count, 5);
    assert_memory_equal(p.ids, want, sizeof want);
    static const char *const wrong[] = {"", ",", "1,", "1-", "-1", "5-3", "a", "0-99999", "2147483648", "1,,2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kc_partitions q = {0};
        assert_false(kc_take_partitions(&q, wrong[i], &why));
        free(q.ids);
    }
    assert_false(kc_take_partitions(&p, "0-2147483647", &why)); /* goes upwards, to what is no partition */
    assert_string_equal(why.text, "is not a list of partitions, such as 0 or 0,3,5-7");
    free(p.ids);
}

static void delimiters_know_escapes(void **state)
{
    (void)state;
    kc_text t = {0};
    kc_why why;
    assert_true(kc_take_bytes(&t, "\\t", &why));
    assert_int_equal(t.len, 1);
    assert_true(kc_take_bytes(&t, "<\\0\\x0a>", &why));
    assert_int_equal(t.len, 4);
    assert_memory_equal(t.data, "<\0\n>", 4);
    assert_true(kc_take_bytes(&t, "", &why));
    assert_int_equal(t.len, 0);
    assert_non_null(t.data); /* empty, not missing */
    assert_false(kc_take_bytes(&t, "a\\", &why));
    assert_false(kc_take_bytes(&t, "\\xg0", &why));
    free(t.data);
}

static void seconds_may_have_a_fraction(void **state)
{
    (void)state;
    int64_t ms = 0;
    kc_why why;
    assert_true(kc_take_seconds(&ms, "5", &why));
    assert_int_equal(ms, 5000);
    assert_true(kc_take_seconds(&ms, "0.25", &why));
    assert_int_equal(ms, 250);
    static const char *const wrong[] = {"", "0", "-1", "1s", "inf", "nan", "1e99"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) assert_false(kc_take_seconds(&ms, wrong[i], &why));
}

static void codecs_are_known_by_name(void **state)
{
    (void)state;
    kafka_compression codec = KAFKA_COMPRESSION_DEFAULT;
    kc_why why;
    assert_true(kc_take_codec(&codec, "none", &why));
    assert_int_equal(codec, KAFKA_COMPRESSION_NONE);
    assert_false(kc_take_codec(&codec, "ztsd", &why));
    assert_non_null(strstr(why.text, "did you mean zstd?"));
    assert_false(kc_take_codec(&codec, "brotli", &why));
    assert_non_null(strstr(why.text, "snappy"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_attached_or_apart),
        cmocka_unit_test(letters_group),
        cmocka_unit_test(operands_may_stand_anywhere),
        cmocka_unit_test(mistakes_are_usage_errors),
        cmocka_unit_test(brokers_come_from_the_option_or_the_environment),
        cmocka_unit_test(numbers_are_read_whole_or_refused),
        cmocka_unit_test(partitions_are_a_sorted_set),
        cmocka_unit_test(delimiters_know_escapes),
        cmocka_unit_test(seconds_may_have_a_fraction),
        cmocka_unit_test(codecs_are_known_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
