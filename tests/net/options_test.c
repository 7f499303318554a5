#include "net_test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a connection with options ----------------------------------------------------------------------------------- */

typedef struct attempt {
    kfk_address to;
    kfk_connect_options options;
    kfk_stream *stream;
    int started, code;
    kfk_error err;
    atomic_int over;
    kfk_address local;
    int fd;
} attempt;

static void attempt_ready(void *owner, unsigned events)
{
    attempt *a = owner;
    (void)events;
    if (atomic_load(&a->over)) return;
    a->code = a->stream->ops->connected(a->stream, &a->err);
    if (a->code == KAFKA_EAGAIN) return;
    a->local.len = sizeof a->local.addr;
    a->stream->ops->local_addr(a->stream, (struct sockaddr *)&a->local.addr, &a->local.len);
    atomic_store(&a->over, 1);
}

static void attempt_start(kfk_loop *l, void *arg)
{
    attempt *a = arg;
    a->started = kfk_loop_connect(l, &a->to, &a->options, &a->stream, &a->err);
    if (a->started != 0) return;
    a->stream->owner = a;
    a->stream->ready = attempt_ready;
    a->fd = a->stream->ops->descriptor(a->stream);
}

static void attempt_close(kfk_loop *l, void *arg)
{
    attempt *a = arg;
    (void)l;
    a->stream->ops->close(a->stream);
    a->stream = NULL;
}

static int option_of(const attempt *a, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(a->fd, level, option, &value, &len), 0);
    return value;
}

static void local_of(attempt *a, const char *ip, uint16_t port)
{
    assert_true(kfk_address_numeric(ip, port, &a->options.local));
}

/* ---- keep-alive -------------------------------------------------------------------------------------------------- */

static void keep_alive_is_off_unless_it_is_asked_for(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    attempt a = {.code = 0};
    int listener = listen_on("127.0.0.1", 5, &a.to);
    run_held(l, attempt_start, &a);
    assert_int_equal(a.started, 0);
    assert_int_equal(option_of(&a, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(option_of(&a, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
    assert_int_equal(option_of(&a, IPPROTO_TCP, TCP_NODELAY), 1);
    run_turning(l, attempt_close, &a);
    close(listener);
    loop_end(l);
}

/* The user timeout overrules the count of probes, so the two have to agree. */
static void keep_alive_probes_three_times_after_the_silence(void **state)
{
    (void)state;
    static const struct {
        int64_t after_ms;
        int idle, apart, user_timeout_ms;
    } rows[] = {
        {1, 1, 1, 10000},
        {1000, 1, 1, 10000},
        {1001, 2, 1, 10000},
        {9000, 9, 3, 18000},
        {30000, 30, 10, 60000},
        {60000, 60, 15, 105000},
        {INT64_MAX, 32767, 15, 32812000},
    };
    kfk_loop *l = loop_start();
    attempt a = {.code = 0};
    int listener = listen_on("127.0.0.1", 20, &a.to);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        a.options.keep_alive_ms = rows[i].after_ms;
        run_held(l, attempt_start, &a);
        assert_int_equal(a.started, 0);
        assert_int_equal(option_of(&a, SOL_SOCKET, SO_KEEPALIVE), 1);
        assert_int_equal(option_of(&a, IPPROTO_TCP, TCP_KEEPIDLE), rows[i].idle);
        assert_int_equal(option_of(&a, IPPROTO_TCP, TCP_KEEPINTVL), rows[i].apart);
        assert_int_equal(option_of(&a, IPPROTO_TCP, TCP_KEEPCNT), 3);
        assert_int_equal(option_of(&a, IPPROTO_TCP, TCP_USER_TIMEOUT), rows[i].user_timeout_ms);
        run_turning(l, attempt_close, &a);
    }
    close(listener);
    loop_end(l);
}

/* ---- the local address ------------------------------------------------------------------------------------------- */

static void a_connection_comes_from_the_local_address(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    attempt a = {.code = 0};
    char text[KFK_ADDRESS_TEXT];
    int listener = listen_on("127.0.0.1", 5, &a.to);
    local_of(&a, "127.0.0.9", 0);
    run_held(l, attempt_start, &a);
    assert_int_equal(a.started, 0);
    int peer = accept_one(listener);
    assert_true(eventually_equal(&a.over, 1));
    assert_int_equal(a.code, 0);
    kfk_address_format(&a.local, text, sizeof text);
    assert_memory_equal(text, "127.0.0.9:", 10);
    assert_true(port_of(&a.local) > 0);
    run_turning(l, attempt_close, &a);
    close(peer);
    close(listener);
    loop_end(l);
}

/* The first connection still holds the port when the second one wants it: our end closed first. */
static void a_local_port_can_be_used_again_at_once(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    attempt a = {.code = 0};
    kfk_address chosen, to[2];
    int listeners[] = {listen_on("127.0.0.1", 5, &to[0]), listen_on("127.0.0.1", 5, &to[1])};
    close(listen_on(own_ip(), 1, &chosen)); /* nobody else takes the port meanwhile */
    local_of(&a, own_ip(), port_of(&chosen));
    for (int i = 0; i < 2; i++) {
        a.to = to[i];
        atomic_store(&a.over, 0);
        run_held(l, attempt_start, &a);
        if (a.started != 0) fail_msg("%s", a.err.text);
        int peer = accept_one(listeners[i]);
        assert_true(eventually_equal(&a.over, 1));
        assert_int_equal(a.code, 0);
        assert_int_equal(port_of(&a.local), port_of(&chosen));
        run_turning(l, attempt_close, &a);
        close(peer);
        close(listeners[i]);
    }
    loop_end(l);
}

static void what_cannot_be_bound_says_why(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    attempt a = {.code = 0};
    kfk_address taken;
    char expected[200];
    int listener = listen_on("127.0.0.1", 5, &a.to), other = listen_on("127.0.0.1", 5, &taken);
    local_of(&a, "127.0.0.1", port_of(&taken));
    run_held(l, attempt_start, &a);
    assert_int_equal(a.started, KAFKA_EIO);
    snprintf(expected, sizeof expected, "bind to local_addr 127.0.0.1:%d: Address already in use", port_of(&taken));
    assert_string_equal(a.err.text, expected);
    local_of(&a, "192.0.2.77", 0); /* nobody's */
    run_held(l, attempt_start, &a);
    assert_int_equal(a.started, KAFKA_EIO);
    assert_string_equal(a.err.text, "bind to local_addr 192.0.2.77: Cannot assign requested address");
    close(other);
    close(listener);
    loop_end(l);
}

static void an_address_of_the_other_family_is_refused_by_both_names(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    attempt a = {.code = 0};
    assert_true(kfk_address_numeric("127.0.0.1", 9092, &a.to));
    local_of(&a, "::1", 0);
    run_held(l, attempt_start, &a);
    assert_int_equal(a.started, KAFKA_EIO);
    assert_string_equal(a.err.text, "it is an IPv4 address, and local_addr [::1] an IPv6 one");
    assert_true(kfk_address_numeric("::1", 9092, &a.to));
    local_of(&a, "127.0.0.1", 7);
    run_held(l, attempt_start, &a);
    assert_int_equal(a.started, KAFKA_EIO); /* a system without IPv6 says so before */
    assert_true(strcmp(a.err.text, "it is an IPv6 address, and local_addr 127.0.0.1:7 an IPv4 one") == 0 ||
                strncmp(a.err.text, "socket: ", 8) == 0);
    loop_end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(keep_alive_is_off_unless_it_is_asked_for),
        NET_TEST(keep_alive_probes_three_times_after_the_silence),
        NET_TEST(a_connection_comes_from_the_local_address),
        NET_TEST(a_local_port_can_be_used_again_at_once),
        NET_TEST(what_cannot_be_bound_says_why),
        NET_TEST(an_address_of_the_other_family_is_refused_by_both_names),
    };
    return cmocka_run_group_tests_name("net/socket options", tests, NULL, NULL);
}
