#include "support/memcheck.h"

#include "format.h"
#include <stdlib.h>
#include <string.h>

static const kafka_header two_headers[] = {{"trace", {"7f", 2}}, {"flag", {NULL, 0}}};

static kafka_message message(void)
{
    return (kafka_message){.topic = "orders",
                           .partition = 3,
                           .offset = 42,
                           .time_ms = 1700000000123,
                           .key = {"k\0y", 3},
                           .value = {"v\n\xff", 3},
                           .headers = two_headers,
                           .header_count = 2};
}

/* Formats a message and compares; `want` may hold NUL bytes. */
static void expect_bytes(const kc_format *f, const kafka_message *m, const char *want, size_t len)
{
    kc_buf out = {0};
    kc_format_write(f, m, &out);
    assert_int_equal(out.len, len);
    assert_memory_equal(out.data, want, len);
    free(out.data);
}
#define EXPECT(f, m, want) expect_bytes((f), (m), "" want, sizeof(want) - 1)

static kc_format parsed(const char *text)
{
    kc_format f;
    kc_why why = {""};
    assert_true(kc_format_parse(&f, text, &why));
    return f;
}

static void expect_refusal(const char *text, const char *why_part)
{
    kc_format f;
    kc_why why = {""};
    assert_false(kc_format_parse(&f, text, &why));
    assert_non_null(strstr(why.text, why_part));
}

static void every_directive_prints_its_field(void **state)
{
    (void)state;
    kafka_message m = message();
    kc_format f = parsed("%t|%p|%o|%k|%s|%K|%S|%R|%T|%h|%%");
    EXPECT(&f, &m, "orders|3|42|k\0y|v\n\xff|3|3|\0\0\0\3|1700000000123|trace=7f,flag=|%");
    kc_format_free(&f);
}

static void escapes_stand_for_bytes(void **state)
{
    (void)state;
    kafka_message m = message();
    kc_format f = parsed("a\\n\\r\\t\\0\\\\\\x41\\x7Fz");
    EXPECT(&f, &m,
           "a\n\r\t\0\\A\x7f"
           "z");
    kc_format_free(&f);
}

static void nothing_is_added_to_a_format(void **state)
{
    (void)state;
    kafka_message m = message();
    kc_format f = parsed("plain");
    EXPECT(&f, &m, "plain");
    kc_format_free(&f);
    f = parsed("");
    EXPECT(&f, &m, "");
    kc_format_free(&f);
}

static void null_differs_from_empty_by_its_length_and_by_the_text_for_null(void **state)
{
    (void)state;
    kafka_message m = message();
    m.key = (kafka_bytes){NULL, 0};
    m.value = (kafka_bytes){"", 0};
    kc_format f = parsed("%k:%K:%s:%S:%R");
    EXPECT(&f, &m, ":-1::0:\0\0\0\0");
    f.null = "NULL";
    EXPECT(&f, &m, "NULL:-1::0:\0\0\0\0");
    m.value = m.key;
    EXPECT(&f, &m, "NULL:-1:NULL:-1:\xff\xff\xff\xff");
    kc_format_free(&f);
    f = parsed("%h");
    f.null = "NULL";
    EXPECT(&f, &m, "trace=7f,flag=NULL");
    kc_format_free(&f);
}

static void extreme_numbers_are_printed_whole(void **state)
{
    (void)state;
    kafka_message m = message();
    m.offset = INT64_MAX;
    m.time_ms = -1;
    kc_format f = parsed("%o %T");
    EXPECT(&f, &m, "9223372036854775807 -1");
    m.offset = 0;
    m.time_ms = INT64_MIN;
    EXPECT(&f, &m, "0 -9223372036854775808");
    kc_format_free(&f);
}

static void what_is_no_format_is_refused_with_what_there_is(void **state)
{
    (void)state;
    expect_refusal("%x", "%x");
    expect_refusal("%x", "%k");
    expect_refusal("100%", "%%");
    expect_refusal("\\q", "\\n");
    expect_refusal("\\x4", "\\xHH");
    expect_refusal("\\", "\\n");
}

static void a_line_is_headers_key_and_value_as_asked_for(void **state)
{
    (void)state;
    kafka_message m = message();
    kc_text none = {NULL, 0}, colon = {(char[]){':'}, 1}, newline = {(char[]){'\n'}, 1};
    kc_format f;
    kc_format_line(&f, false, &none, &newline);
    EXPECT(&f, &m, "v\n\xff\n");
    kc_format_free(&f);
    kc_format_line(&f, true, &colon, &newline);
    EXPECT(&f, &m, "trace=7f,flag=\tk\0y:v\n\xff\n");
    kc_format_free(&f);
}

static void the_plain_path_allocates_nothing_per_message(void **state)
{
    (void)state;
    kafka_message m = message();
    kc_text none = {NULL, 0}, newline = {(char[]){'\n'}, 1};
    kc_format f;
    kc_buf out = {0};
    kc_format_line(&f, false, &none, &newline);
    kc_buf_room(&out, 100);
    const char *memory = out.data;
    for (int i = 0; i < 1000; i++) {
        out.len = 0;
        kc_format_write(&f, &m, &out);
    }
    assert_ptr_equal(out.data, memory);
    free(out.data);
    kc_format_free(&f);
}

static void json_is_one_object_per_line(void **state)
{
    (void)state;
    kafka_message m = message();
    m.value = kafka_str("gr\xc3\xbc\xc3\x9f\x65 \"\n");
    kc_format f;
    kc_format_json(&f);
    EXPECT(
        &f, &m,
        "{\"topic\":\"orders\",\"partition\":3,\"offset\":42,\"timestamp\":1700000000123,\"timestamp_type\":\"create\","
        "\"headers\":[{\"name\":\"trace\",\"value\":\"7f\"},{\"name\":\"flag\",\"value\":null}],"
        "\"key\":\"k\\u0000y\",\"value\":\"gr\xc3\xbc\xc3\x9f\x65 \\\"\\n\"}\n");
    kc_format_free(&f);
}

static void json_says_when_a_value_is_in_base64(void **state)
{
    (void)state;
    static const kafka_header binary = {"h", {"\xfe", 1}};
    kafka_message m = message();
    m.headers = &binary;
    m.header_count = 1;
    m.key = (kafka_bytes){"\xff\xfe", 2};
    m.value = (kafka_bytes){"\xff\xfe\xfd", 3};
    m.time_type = 1;
    kc_format f;
    kc_format_json(&f);
    EXPECT(
        &f, &m,
        "{\"topic\":\"orders\",\"partition\":3,\"offset\":42,\"timestamp\":1700000000123,\"timestamp_type\":\"append\","
        "\"headers\":[{\"name\":\"h\",\"value\":\"/g==\",\"encoding\":\"base64\"}],"
        "\"key\":\"//4=\",\"key_encoding\":\"base64\",\"value\":\"//79\",\"value_encoding\":\"base64\"}\n");
    kc_format_free(&f);
}

static void json_has_null_for_what_is_not_there(void **state)
{
    (void)state;
    kafka_message m = {.topic = "t", .time_ms = -1, .time_type = -1};
    kc_format f;
    kc_format_json(&f);
    EXPECT(&f, &m,
           "{\"topic\":\"t\",\"partition\":0,\"offset\":0,\"timestamp\":null,\"headers\":[],\"key\":null,\"value\":"
           "null}\n");
    kc_format_free(&f);
}

static void json_names_of_headers_become_utf8(void **state)
{
    (void)state;
    static const kafka_header odd = {"a\xff\xc3\xa9", {"", 0}};
    kafka_message m = {.topic = "t", .time_ms = -1, .headers = &odd, .header_count = 1};
    kc_format f;
    kc_format_json(&f);
    EXPECT(&f, &m,
           "{\"topic\":\"t\",\"partition\":0,\"offset\":0,\"timestamp\":null,"
           "\"headers\":[{\"name\":\"a\xef\xbf\xbd\xc3\xa9\",\"value\":\"\"}],\"key\":null,\"value\":null}\n");
    kc_format_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_directive_prints_its_field),
        cmocka_unit_test(escapes_stand_for_bytes),
        cmocka_unit_test(nothing_is_added_to_a_format),
        cmocka_unit_test(null_differs_from_empty_by_its_length_and_by_the_text_for_null),
        cmocka_unit_test(extreme_numbers_are_printed_whole),
        cmocka_unit_test(what_is_no_format_is_refused_with_what_there_is),
        cmocka_unit_test(a_line_is_headers_key_and_value_as_asked_for),
        cmocka_unit_test(the_plain_path_allocates_nothing_per_message),
        cmocka_unit_test(json_is_one_object_per_line),
        cmocka_unit_test(json_says_when_a_value_is_in_base64),
        cmocka_unit_test(json_has_null_for_what_is_not_there),
        cmocka_unit_test(json_names_of_headers_become_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
