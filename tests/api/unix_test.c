#include "api/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int try_dial(const kafka_dialer *d, const kafka_ctx *ctx, const char *address)
{
    kafka_conn *c = NULL;
    int err = kafka_dial(d, ctx, address, &c);
    assert_true((c == NULL) == (err != 0));
    kafka_conn_free(c);
    return err;
}

/* ---- brokers that are there -------------------------------------------------------------------------------------- */

static void a_unix_socket_is_an_address_like_any_other(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    const char *address = tcp_peer_listen_unix(p);
    char list[256];
    kafka_broker *b = NULL;
    kafka_partitions *l = NULL;
    assert_works(try_dial(NULL, NULL, address));
    snprintf(list, sizeof list, "unix:/nowhere/kafka.sock, %s", address);
    assert_works(try_dial(NULL, NULL, list));
    assert_works(kafka_lookup_leader(NULL, NULL, address, "t", 1, &b));
    assert_int_equal(b->port, tcp_peer_port(p));
    kafka_broker_free(b);
    assert_works(kafka_lookup_partitions(NULL, NULL, list, "t", &l));
    kafka_partitions_free(l);
    tcp_peer_free(p);
}

/* What the broker says about its cluster are hosts and ports. */
static void the_leader_is_dialled_where_it_advertises_to_be(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    const char *address = tcp_peer_listen_unix(p);
    kafka_conn *c = NULL;
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    assert_works(kafka_dial_leader(NULL, NULL, address, "t", 0, &c));
    assert_works(kafka_conn_remote_addr(c, (struct sockaddr *)&peer, &len));
    assert_int_equal(peer.ss_family, AF_INET);
    assert_works(kafka_conn_write(c, "v", 1));
    kafka_conn_free(c);
    c = NULL;
    int port, refusing = calls_refuse(&port);
    tcp_peer_advertise(p, "127.0.0.1", port, 1);
    assert_fails(kafka_dial_leader(NULL, NULL, address, "t", 0, &c), KAFKA_EIO, "advertised.listeners");
    assert_non_null(strstr(kafka_last_error(), address));
    close(refusing);
    tcp_peer_free(p);
}

/* A broker may say anything: it must not send us to a socket of this machine. */
static void a_broker_that_advertises_a_path_counts_as_not_named(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    const char *address = tcp_peer_listen_unix(p);
    kafka_conn *c = NULL;
    tcp_peer_advertise(p, address, 9092, 1);
    assert_int_not_equal(kafka_dial_leader(NULL, KAFKA_WITHIN(1500), address, "t", 0, &c), 0);
    assert_null(c);
    kafka_broker b = {.id = 1, .host = address, .port = 9092};
    assert_fails(kafka_dial_broker(NULL, NULL, &b, &c), KAFKA_EINVAL, "is no address");
    tcp_peer_free(p);
}

static void its_ends_are_unix_addresses(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    const char *address = tcp_peer_listen_unix(p);
    struct sockaddr_un un = {0};
    socklen_t len = sizeof un;
    kafka_conn *c = NULL;
    kafka_brokers *brokers = NULL;
    assert_works(kafka_dial(NULL, NULL, address, &c));
    assert_works(kafka_conn_remote_addr(c, (struct sockaddr *)&un, &len));
    assert_int_equal(un.sun_family, AF_UNIX);
    assert_string_equal(un.sun_path, address + strlen("unix:"));
    assert_works(kafka_conn_brokers(c, &brokers));
    kafka_brokers_free(brokers);
    tcp_peer_hang_up(p);
    while (kafka_conn_brokers(c, &brokers) == 0) kafka_brokers_free(brokers);
    assert_non_null(strstr(kafka_last_error(), address));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static int never_asked(void *userdata, const char *host, kafka_addrs *out)
{
    (void)host;
    (void)out;
    ++*(int *)userdata;
    return 0;
}

static int names_a_path(void *address, const char *host, kafka_addrs *out)
{
    (void)host;
    return kafka_addrs_add(out, address);
}

static void what_is_about_ip_does_not_bear_on_it(void **state)
{
    (void)state;
    int asked = 0;
    tcp_peer *p = TCP_PEER({0});
    const char *address = tcp_peer_listen_unix(p);
    kafka_resolver r = {.lookup = never_asked, .userdata = &asked};
    kafka_dialer d = {.local_addr = "192.0.2.77:7", .keep_alive_ms = 1000, .resolver = &r};
    assert_works(try_dial(&d, NULL, address));
    assert_int_equal(asked, 0);
    r = (kafka_resolver){.lookup = names_a_path, .userdata = (void *)(uintptr_t)address};
    assert_works(try_dial(&d, NULL, "kafka.example:9092"));
    tcp_peer_free(p);
}

/* ---- brokers that are not ---------------------------------------------------------------------------------------- */

static void where_nobody_listens_the_path_is_named(void **state)
{
    (void)state;
    char path[64], address[80];
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    assert_fails(try_dial(NULL, NULL, "unix:/nowhere/kafka.sock"), KAFKA_EIO,
                 "dial unix:/nowhere/kafka.sock: connect: No such file or directory");
    assert_fails(try_dial(NULL, NULL, "unix:@kafka-c nobody"), KAFKA_EIO, "dial unix:@kafka-c nobody: connect:");
    snprintf(path, sizeof path, "/tmp/kafka-stale-%d.sock", (int)getpid());
    snprintf(address, sizeof address, "unix:%s", path);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    close(fd); /* and the file stays */
    assert_fails(try_dial(NULL, NULL, address), KAFKA_EIO, "Connection refused");
    assert_non_null(strstr(kafka_last_error(), address));
    unlink(path);
}

static void what_cannot_be_a_path_is_quoted(void **state)
{
    (void)state;
    char longest[200] = "unix:/";
    memset(longest + 6, 'p', 120);
    assert_fails(try_dial(NULL, NULL, longest), KAFKA_EINVAL, "107 bytes");
    assert_fails(try_dial(NULL, NULL, "unix:kafka.sock"), KAFKA_EINVAL, "\"unix:kafka.sock\"");
    assert_fails(try_dial(NULL, NULL, "localhost:9092,unix:"), KAFKA_EINVAL, "expected unix:/path");
}

/* A listener with the shortest queue, filled. */
typedef struct full {
    char address[64];
    int fds[8], count, listener;
} full;

static void full_begin(full *f)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int len = snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "kafka-full-%d", (int)getpid());
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
    snprintf(f->address, sizeof f->address, "unix:@kafka-full-%d", (int)getpid());
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(f->listener, 0), 0);
    for (f->count = 0; f->count < 8; f->count++) {
        int fd = f->fds[f->count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&at, size) == 0) continue;
        assert_int_equal(errno, EAGAIN);
        close(fd);
        return;
    }
    fail_msg("the queue takes more than 8");
}

static void full_end(full *f)
{
    while (f->count > 0) close(f->fds[--f->count]);
    close(f->listener);
}

static void a_listener_that_never_has_room_costs_the_timeout(void **state)
{
    (void)state;
    full f;
    full_begin(&f);
    for (int64_t ms = 150;; ms *= 4) { /* until that is enough to begin */
        int64_t before = kafka_now_ms();
        assert_fails(try_dial(NULL, KAFKA_WITHIN(ms), f.address), KAFKA_ETIMEDOUT, NULL);
        assert_took(before, ms - 1);
        if (strstr(kafka_last_error(), f.address)) break;
        assert_true(ms < CALLS_PATIENCE_MS);
    }
    full_end(&f);
}

typedef struct room {
    full full;
    tcp_peer *peer;
} room;

static void *make_room(void *arg)
{
    room *r = arg;
    for (int i = 0; i <= r->full.count; i++) {
        int fd = accept4(r->full.listener, NULL, NULL, SOCK_CLOEXEC);
        if (i < r->full.count)
            close(fd);
        else
            tcp_peer_serve(r->peer, fd);
    }
    return NULL;
}

static void a_listener_that_gets_room_in_time_is_connected(void **state)
{
    (void)state;
    room r = {.peer = TCP_PEER({0})};
    full_begin(&r.full);
    pthread_t t = calls_start(make_room, &r);
    assert_works(try_dial(NULL, KAFKA_WITHIN(10000), r.full.address));
    pthread_join(t, NULL);
    full_end(&r.full);
    tcp_peer_free(r.peer);
}

static void without_memory_it_says_so_and_leaves_nothing(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    const char *address = tcp_peer_listen_unix(p);
    MEMCHECK_EACH_FAILURE(n)
    {
        int err = try_dial(NULL, KAFKA_WITHIN(9000), address);
        if (err != 0) assert_fails(err, KAFKA_ENOMEM, "memory");
    }
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_unix_socket_is_an_address_like_any_other),
        API_TEST(the_leader_is_dialled_where_it_advertises_to_be),
        API_TEST(a_broker_that_advertises_a_path_counts_as_not_named),
        API_TEST(its_ends_are_unix_addresses),
        API_TEST(what_is_about_ip_does_not_bear_on_it),
        API_TEST(where_nobody_listens_the_path_is_named),
        API_TEST(what_cannot_be_a_path_is_quoted),
        API_TEST(a_listener_that_never_has_room_costs_the_timeout),
        API_TEST(a_listener_that_gets_room_in_time_is_connected),
        API_TEST(without_memory_it_says_so_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
