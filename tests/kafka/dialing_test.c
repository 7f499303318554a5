/* dialing_test.c: the ways to a broker beside its name: a socket the application has connected, a local address, a
 * resolver of the application's, and a unix socket with a proxy behind it. What is written over each of them kcat
 * reads. */
#include "kafka/peers.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The first of the brokers, in its parts. */
static void first_broker(char *host, size_t cap, char *port, size_t port_cap)
{
    const char *list = peers_brokers();
    size_t len = strcspn(list, ","), colon = strcspn(list, ":");
    snprintf(host, cap, "%.*s", (int)colon, list);
    snprintf(port, port_cap, "%.*s", (int)(len - colon - 1), list + colon + 1);
}

/* A blocking TCP socket to an address, as any application makes one. */
static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET}, *found;
    if (getaddrinfo(host, port, &hints, &found) != 0) return -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

/* Writes the samples over a connection to partition 0 and reads them back, with this library and with kcat. Closes
 * it. */
static void assert_serves(kafka_conn *conn, const char *topic)
{
    samples all = peers_samples();
    text want = {0};
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    assert_ok(kafka_conn_write_messages(conn, all.items, all.text, KAFKA_COMPRESSION_NONE, NULL));
    messages got = peers_read_all(conn, NULL);
    assert_int_equal(got.count, all.text);
    for (size_t i = 0; i < all.text; i++) assert_same_message(got.items[i], &all.items[i]);
    messages_free(&got);
    kafka_conn_free(conn);
    text seen = kcat_read(topic, 0, "beginning", "read_uncommitted");
    kcat_expect(&want, 0, 0, all.items, all.text);
    assert_same_text(&seen, &want);
    text_free(&seen);
    text_free(&want);
}

/* ---- a socket of the application's ------------------------------------------------------------------------------- */

static void an_adopted_socket_serves_a_partition(void **state)
{
    (void)state;
    char host[256], port[16];
    const char *topic = peers_topic("adopted", 1, NULL);
    kafka_broker *leader = NULL;
    kafka_conn *conn = NULL;
    assert_ok(kafka_lookup_leader(NULL, NULL, peers_brokers(), topic, 0, &leader));
    snprintf(host, sizeof host, "%s", leader->host);
    snprintf(port, sizeof port, "%d", (int)leader->port);
    kafka_broker_free(leader);
    int fd = connect_to(host, port);
    assert_true(fd >= 0);
    assert_ok(kafka_conn_from_fd(fd, &(kafka_conn_config){.topic = topic}, &conn));
    assert_serves(conn, topic);
}

static void an_adopted_socket_that_idles_before_it_is_used_works(void **state)
{
    (void)state;
    char host[256], port[16];
    kafka_conn *conn = NULL;
    kafka_brokers *brokers = NULL;
    first_broker(host, sizeof host, port, sizeof port);
    int fd = connect_to(host, port);
    assert_true(fd >= 0);
    assert_ok(kafka_conn_from_fd(fd, NULL, &conn));
    struct pollfd silence = {.fd = fd, .events = POLLIN}; /* the broker must not have anything to complain of */
    assert_int_equal(poll(&silence, 1, 1000), 0);
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    assert_ok(kafka_conn_brokers(conn, &brokers));
    assert_true(brokers->count >= 1);
    kafka_brokers_free(brokers);
    kafka_conn_free(conn);
}

/* ---- options of the dialer --------------------------------------------------------------------------------------- */

static void a_local_address_is_where_the_broker_is_dialled_from(void **state)
{
    (void)state;
    const char *topic = peers_topic("local", 1, NULL);
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    kafka_conn *conn = NULL;
    kafka_dialer dialer = {.local_addr = "127.0.0.77", .keep_alive_ms = 30000};
    assert_ok(kafka_dial_leader(&dialer, NULL, peers_brokers(), topic, 0, &conn));
    assert_ok(kafka_conn_local_addr(conn, (struct sockaddr *)&in, &len));
    assert_int_equal(ntohl(in.sin_addr.s_addr), 0x7f00004d);
    assert_serves(conn, topic);
}

static int lead_to_the_broker(void *userdata, const char *host, kafka_addrs *out)
{
    (void)userdata;
    char address[256], port[16];
    if (strcmp(host, "kafka.example") != 0) return 0; /* what the brokers advertise */
    first_broker(address, sizeof address, port, sizeof port);
    return kafka_addrs_add(out, address);
}

static void a_resolver_leads_to_the_broker(void **state)
{
    (void)state;
    const char *topic = peers_topic("resolved", 1, NULL);
    char host[256], port[16], address[64];
    kafka_conn *conn = NULL;
    kafka_resolver resolver = {.lookup = lead_to_the_broker};
    first_broker(host, sizeof host, port, sizeof port);
    snprintf(address, sizeof address, "kafka.example:%s", port);
    assert_ok(kafka_dial_leader(&(kafka_dialer){.resolver = &resolver}, NULL, address, topic, 0, &conn));
    assert_serves(conn, topic);
}

/* ---- a unix socket with a proxy behind it ------------------------------------------------------------------------ */

typedef struct proxy {
    int listener;
    char address[96];
    pthread_t thread;
} proxy;

/* Carries what there is from one socket to the other; false at the end. */
static bool carry(int from, int to)
{
    char bytes[4096];
    ssize_t n = recv(from, bytes, sizeof bytes, 0);
    for (ssize_t put = 0; put < n;) {
        ssize_t m = send(to, bytes + put, (size_t)(n - put), MSG_NOSIGNAL);
        if (m <= 0) return false;
        put += m;
    }
    return n > 0;
}

/* One connection after the other, until the listener is shut down. */
static void *proxy_run(void *arg)
{
    proxy *p = arg;
    char host[256], port[16];
    first_broker(host, sizeof host, port, sizeof port);
    for (int client; (client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        int broker = connect_to(host, port);
        struct pollfd both[] = {{.fd = client, .events = POLLIN}, {.fd = broker, .events = POLLIN}};
        bool goes_on = broker >= 0;
        while (goes_on && poll(both, 2, PATIENCE_MS) > 0) {
            if (both[0].revents) goes_on = carry(client, broker);
            if (goes_on && both[1].revents) goes_on = carry(broker, client);
        }
        close(client);
        if (broker >= 0) close(broker);
    }
    return NULL;
}

static void proxy_begin(proxy *p)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int len = snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "kafka-proxy-%d", (int)getpid());
    snprintf(p->address, sizeof p->address, "unix:@kafka-proxy-%d", (int)getpid());
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(p->listener, 5), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, proxy_run, p), 0);
}

static void proxy_end(proxy *p)
{
    shutdown(p->listener, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->listener);
}

static void a_unix_socket_leads_to_the_cluster(void **state)
{
    (void)state;
    proxy p;
    kafka_conn *conn = NULL;
    kafka_brokers *brokers = NULL;
    const char *topic = peers_topic("unix", 1, NULL);
    proxy_begin(&p);
    assert_ok(kafka_dial(NULL, NULL, p.address, &conn));
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    assert_ok(kafka_conn_brokers(conn, &brokers));
    kafka_brokers_free(brokers);
    kafka_conn_free(conn);
    assert_ok(kafka_dial_leader(NULL, NULL, p.address, topic, 0, &conn));
    assert_serves(conn, topic);
    proxy_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_adopted_socket_serves_a_partition),
        cmocka_unit_test(an_adopted_socket_that_idles_before_it_is_used_works),
        cmocka_unit_test(a_local_address_is_where_the_broker_is_dialled_from),
        cmocka_unit_test(a_resolver_leads_to_the_broker),
        cmocka_unit_test(a_unix_socket_leads_to_the_cluster),
    };
    return cmocka_run_group_tests_name("ways to a broker", tests, peers_setup, peers_teardown);
}
