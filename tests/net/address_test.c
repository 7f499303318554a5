#include "support/memcheck.h"

#include "net/address.h"
#include <locale.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

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

static void a_unix_socket_is_an_absolute_path_or_an_abstract_name(void **state)
{
    (void)state;
    static const char *const good[] = {"unix:/run/kafka.sock", "unix:/a b/[x]:9092", "unix:@kafka", "unix:/k\xc3\xa4"};
    static const char *const bad[] = {"unix:",    "unix:/",     "unix:@",    "unix:kafka.sock",
                                      "unix:./k", "unix:/a\nb", "unix:/\x7f"};
    kfk_hostport h;
    kfk_error err;
    char text[KFK_HOST_MAX + 1];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(parse(good[i], &h, &err), 0);
        assert_int_equal(h.port, 0);
        kfk_hostport_format(&h, text, sizeof text);
        assert_string_equal(text, good[i]);
        assert_false(kfk_host_is_valid(h.host)); /* no broker sends us there */
    }
    assert_int_equal(parse(" unix:/run/kafka.sock\t", &h, &err), 0);
    assert_string_equal(h.host, "unix:/run/kafka.sock");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        h.port = 7;
        assert_int_equal(parse(bad[i], &h, &err), KAFKA_EINVAL);
        assert_non_null(strstr(err.text, "expected unix:/path"));
        assert_int_equal(h.port, 7); /* untouched */
    }
    assert_int_equal(kfk_hostport_parse("unix:/a\0b", 9, &h, &err), KAFKA_EINVAL);
}

static void the_longest_path_of_a_unix_socket_has_107_bytes(void **state)
{
    (void)state;
    char path[200] = "unix:/", shown[KFK_ADDRESS_TEXT];
    kfk_hostport h;
    kfk_error err;
    kfk_address a;
    memset(path + 6, 'p', sizeof path - 7);
    assert_int_equal(kfk_hostport_parse(path, 5 + 108, &h, &err), KAFKA_EINVAL);
    assert_non_null(strstr(err.text, "107 bytes"));
    assert_int_equal(kfk_hostport_parse(path, 5 + 107, &h, &err), 0);
    assert_true(kfk_address_unix(h.host, &a));
    assert_int_equal(a.len, sizeof(struct sockaddr_un));
    kfk_address_format(&a, shown, sizeof shown);
    assert_string_equal(shown, h.host);
    assert_false(kfk_address_unix(path, &a));
}

static void the_address_of_a_unix_socket_is_what_the_system_wants(void **state)
{
    (void)state;
    kfk_address a;
    struct sockaddr_un un;
    char shown[KFK_ADDRESS_TEXT];
    const size_t begin = offsetof(struct sockaddr_un, sun_path);
    assert_true(kfk_address_unix("unix:/k", &a));
    memcpy(&un, &a.addr, sizeof un);
    assert_int_equal(un.sun_family, AF_UNIX);
    assert_string_equal(un.sun_path, "/k");
    assert_int_equal(a.len, begin + 3); /* with its NUL */
    assert_true(kfk_address_unix("unix:@k", &a));
    memcpy(&un, &a.addr, sizeof un);
    assert_memory_equal(un.sun_path, "\0k", 2);
    assert_int_equal(a.len, begin + 2); /* exactly */
    kfk_address_format(&a, shown, sizeof shown);
    assert_string_equal(shown, "unix:@k");
    a.len = (socklen_t)begin; /* as getpeername gives one without a name */
    kfk_address_format(&a, shown, sizeof shown);
    assert_string_equal(shown, "unix:");
    assert_true(kfk_address_unix("unix:/a", &a));
    memcpy(&un, &a.addr, sizeof un);
    un.sun_path[1] = '\n';
    memcpy(&a.addr, &un, sizeof un);
    kfk_address_format(&a, shown, sizeof shown);
    assert_string_equal(shown, "unix:/?");
    assert_false(kfk_address_unix("127.0.0.1", &a));
    assert_false(kfk_address_unix("", &a));
}

static void a_host_may_be_called_unix(void **state)
{
    (void)state;
    kfk_hostport h;
    kfk_error err;
    assert_int_equal(parse("unix:9092", &h, &err), 0);
    assert_string_equal(h.host, "unix");
    assert_int_equal(h.port, 9092);
    assert_int_equal(parse("unix", &h, &err), 0);
}

static void a_port_can_be_set_where_there_is_one(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "::1"}, *const shown[] = {"127.0.0.1:7", "[::1]:7"};
    char text[KFK_ADDRESS_TEXT];
    kfk_address a;
    for (size_t i = 0; i < 2; i++) {
        assert_true(kfk_address_numeric(hosts[i], 9092, &a));
        kfk_address_set_port(&a, 7);
        kfk_address_format(&a, text, sizeof text);
        assert_string_equal(text, shown[i]);
    }
    assert_true(kfk_address_unix("unix:/k", &a));
    kfk_address_set_port(&a, 7);
    kfk_address_format(&a, text, sizeof text);
    assert_string_equal(text, "unix:/k");
}

static void a_port_that_was_written_is_told_from_the_default_one(void **state)
{
    (void)state;
    kfk_hostport h;
    kfk_error err;
    static const struct {
        const char *text;
        bool is_default;
    } rows[] = {{"h", true},     {"h:9092", false},  {"::1", true},
                {"[::1]", true}, {"[::1]:1", false}, {"10.0.0.1:2", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(parse(rows[i].text, &h, &err), 0);
        assert_int_equal(h.port_is_default, rows[i].is_default);
    }
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
        MEMCHECK_TEST(what_people_write_is_understood),
        MEMCHECK_TEST(what_is_wrong_is_quoted_and_explained),
        MEMCHECK_TEST(a_nul_byte_is_no_end_of_the_text),
        MEMCHECK_TEST(a_unix_socket_is_an_absolute_path_or_an_abstract_name),
        MEMCHECK_TEST(the_longest_path_of_a_unix_socket_has_107_bytes),
        MEMCHECK_TEST(the_address_of_a_unix_socket_is_what_the_system_wants),
        MEMCHECK_TEST(a_port_can_be_set_where_there_is_one),
        MEMCHECK_TEST(a_port_that_was_written_is_told_from_the_default_one),
        MEMCHECK_TEST(a_host_may_be_called_unix),
        MEMCHECK_TEST(the_longest_host_has_255_characters),
        MEMCHECK_TEST(a_host_is_judged_the_same_in_every_locale),
        MEMCHECK_TEST(numeric_addresses_need_no_look_up),
        MEMCHECK_TEST(a_longest_address_fits_its_text),
    };
    return cmocka_run_group_tests_name("net/address", tests, NULL, NULL);
}
