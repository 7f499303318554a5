#include "support/memcheck.h"

#include "net/address.h"
#include <locale.h>
#include <stdio.h>
#include <string.h>

static int parse(const char *text, kfk_hostport *out, kfk_error *err)
{
    memset(err, 0, sizeof *err);
    return kfk_hostport_parse(text, strlen(text), out, err);
}

static void what_people_write_is_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        int port;
        const char *back;
    } rows[] = {
        {"localhost", "localhost", 9092, "localhost:9092"},
        {"localhost:1", "localhost", 1, "localhost:1"},
        {"  kafka-1.example.com:9093\t\n", "kafka-1.example.com", 9093, "kafka-1.example.com:9093"},
        {"broker_1:65535", "broker_1", 65535, "broker_1:65535"},
        {"a.example.com.:9092", "a.example.com.", 9092, "a.example.com.:9092"},
        {"127.0.0.1:9092", "127.0.0.1", 9092, "127.0.0.1:9092"},
        {"127.0.0.1", "127.0.0.1", 9092, "127.0.0.1:9092"},
        {"[::1]:9094", "::1", 9094, "[::1]:9094"},
        {"[::1]", "::1", 9092, "[::1]:9092"},
        {"::1", "::1", 9092, "[::1]:9092"},
        {"2001:db8::2", "2001:db8::2", 9092, "[2001:db8::2]:9092"},
        {"[fe80::1%eth0]:9092", "fe80::1%eth0", 9092, "[fe80::1%eth0]:9092"},
        {"[broker]:00080", "broker", 80, "broker:80"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kfk_hostport h;
        kfk_error err;
        char back[300];
        if (parse(rows[i].text, &h, &err) != 0) fail_msg("%s: %s", rows[i].text, err.text);
        assert_string_equal(h.host, rows[i].host);
        assert_int_equal(h.port, rows[i].port);
        kfk_hostport_format(&h, back, sizeof back);
        assert_string_equal(back, rows[i].back);
    }
}

static void what_is_wrong_is_quoted_and_explained(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "it is empty"},
        {" \t ", "it is empty"},
        {":9092", "the host is empty"},
        {"[]:9092", "the host is empty"},
        {"localhost:", "the port is not a number"},
        {"localhost:0", "the port is not a number"},
        {"localhost:65536", "the port is not a number"},
        {"localhost:999999999999", "the port is not a number"},
        {"localhost:-1", "the port is not a number"},
        {"localhost:+1", "the port is not a number"},
        {"localhost:90 92", "the port is not a number"},
        {"localhost:kafka", "the port is not a number"},
        {"[::1", "the closing ']' is missing"},
        {"[::1]9092", "only :port may follow"},
        {"[::1]:", "the port is not a number"},
        {"a b:1", "characters that no host name has"},
        {"-a:1", "characters that no host name has"},
        {".a:1", "characters that no host name has"},
        {"a/b:1", "characters that no host name has"},
        {"k\xc3\xa4se:1", "characters that no host name has"},
        {"1:2:3", "characters that no host name has"},
        {"[::1%eth/0]", "characters that no host name has"},
        {"http://localhost:9092", "it looks like a URL"},
        {"PLAINTEXT://localhost", "it looks like a URL"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kfk_hostport h = {.port = 7};
        kfk_error err;
        if (parse(rows[i].text, &h, &err) != KAFKA_EINVAL) fail_msg("%s was taken", rows[i].text);
        assert_int_equal(err.code, KAFKA_EINVAL);
        if (!strstr(err.text, rows[i].why)) fail_msg("%s: %s", rows[i].text, err.text);
        assert_int_equal(h.port, 7); /* untouched */
    }
    kfk_error err;
    kfk_hostport h;
    assert_int_equal(parse("local host:9092", &h, &err), KAFKA_EINVAL);
    assert_non_null(strstr(err.text, "\"local host:9092\""));
}

static void a_nul_byte_is_no_end_of_the_text(void **state)
{
    (void)state;
    kfk_hostport h;
    kfk_error err;
    assert_int_equal(kfk_hostport_parse("a\0b:1", 5, &h, &err), KAFKA_EINVAL);
    assert_int_equal(kfk_hostport_parse("ab:1\0", 5, &h, &err), KAFKA_EINVAL);
    assert_int_equal(kfk_hostport_parse("ab:12", 4, &h, &err), 0);
    assert_int_equal(h.port, 1);
}

static void unix_sockets_are_not_supported_yet(void **state)
{
    (void)state;
    kfk_hostport h;
    kfk_error err;
    assert_int_equal(parse("unix:/run/kafka.sock", &h, &err), KAFKA_ENOTSUP);
    assert_non_null(strstr(err.text, "unix:/run/kafka.sock"));
}

static void the_longest_host_has_255_characters(void **state)
{
    (void)state;
    char text[300];
    kfk_hostport h;
    kfk_error err;

    memset(text, 'a', sizeof text);
    assert_int_equal(kfk_hostport_parse(text, 255, &h, &err), 0);
    assert_int_equal(strlen(h.host), 255);
    assert_int_equal(kfk_hostport_parse(text, 256, &h, &err), KAFKA_EINVAL);
    assert_non_null(strstr(err.text, "longer than 255"));
    text[256] = 0;
    assert_false(kfk_host_is_valid(text));
    text[255] = 0;
    assert_true(kfk_host_is_valid(text));
}

static void a_host_is_judged_the_same_in_every_locale(void **state)
{
    (void)state;
    setlocale(LC_ALL, "");
    assert_false(kfk_host_is_valid("k\xe4se"));
    assert_false(kfk_host_is_valid("a\xa0"));
    setlocale(LC_ALL, "C");
}

static void numeric_addresses_need_no_look_up(void **state)
{
    (void)state;
    static const struct {
        const char *host, *text;
    } rows[] = {{"127.0.0.1", "127.0.0.1:9092"}, {"::1", "[::1]:9092"}, {"2001:db8::2", "[2001:db8::2]:9092"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kfk_address a = {.len = 0};
        char text[KFK_ADDRESS_TEXT];
        assert_true(kfk_address_numeric(rows[i].host, 9092, &a));
        kfk_address_format(&a, text, sizeof text);
        assert_string_equal(text, rows[i].text);
    }
    kfk_address a;
    assert_false(kfk_address_numeric("localhost", 9092, &a));
    assert_false(kfk_address_numeric("", 9092, &a));
}

static void a_longest_address_fits_its_text(void **state)
{
    (void)state;
    kfk_address a = {.len = 0};
    char text[KFK_ADDRESS_TEXT];
    assert_true(kfk_address_numeric("2001:db80:1111:2222:3333:4444:5555:6666", 65535, &a));
    kfk_address_format(&a, text, sizeof text);
    assert_string_equal(text, "[2001:db80:1111:2222:3333:4444:5555:6666]:65535");
    a.addr.ss_family = AF_UNSPEC;
    kfk_address_format(&a, text, sizeof text);
    assert_string_equal(text, "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(what_people_write_is_understood),     MEMCHECK_TEST(what_is_wrong_is_quoted_and_explained),
        MEMCHECK_TEST(a_nul_byte_is_no_end_of_the_text),    MEMCHECK_TEST(unix_sockets_are_not_supported_yet),
        MEMCHECK_TEST(the_longest_host_has_255_characters), MEMCHECK_TEST(a_host_is_judged_the_same_in_every_locale),
        MEMCHECK_TEST(numeric_addresses_need_no_look_up),   MEMCHECK_TEST(a_longest_address_fits_its_text),
    };
    return cmocka_run_group_tests_name("net/address", tests, NULL, NULL);
}
