#include "api/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Which socket it is: the number alone may have been given to another one. 0 = none. Asks the system without using the
 * descriptor, which another thread may be closing. */
static unsigned long identity(int fd)
{
    char path[32], text[64] = "";
    unsigned long number = 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (readlink(path, text, sizeof text - 1) < 0 || sscanf(text, "socket:[%lu]", &number) != 1) return 0;
    return number;
}

/* Closing is done by the loop's thread; the one that ends it has done so when the last connection is freed. */
static void assert_closed(int fd, unsigned long it)
{
    int64_t until = kafka_now_ms() + 10000;
    while (identity(fd) == it && kafka_now_ms() < until) sched_yield();
    if (identity(fd) == it) fail_msg("descriptor %d is still open", fd);
}

/* Our end of a pair whose other end the peer serves. */
static int served_pair(tcp_peer *p)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    tcp_peer_serve(p, fds[1]);
    return fds[0];
}

static int tcp_socket_to(tcp_peer *p)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    at.sin_port = htons((uint16_t)tcp_peer_port(p));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static kafka_conn *adopt(int fd, const char *topic)
{
    kafka_conn *c = NULL;
    assert_works(kafka_conn_from_fd(fd, &(kafka_conn_config){.topic = topic}, &c));
    return c;
}

static void write_and_read(kafka_conn *c)
{
    assert_works(kafka_conn_write(c, "hello", 5));
    assert_works(kafka_conn_seek(c, 0, KAFKA_SEEK_END, NULL));
    assert_works(kafka_conn_seek(c, -1, KAFKA_SEEK_CURRENT, NULL));
    char buf[16];
    size_t len;
    assert_works(kafka_conn_read(c, buf, sizeof buf, &len));
    assert_int_equal(len, 5);
    assert_memory_equal(buf, "hello", 5);
}

/* ---- use --------------------------------------------------------------------------------------------------------- */

static void any_connected_stream_socket_makes_a_connection(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    int fds[] = {served_pair(p), tcp_socket_to(p)};
    for (int i = 0; i < 2; i++) {
        kafka_conn *c = adopt(fds[i], "t");
        unsigned long it = identity(fds[i]);
        assert_true(it != 0);
        write_and_read(c);
        kafka_conn_free(c);
        assert_closed(fds[i], it);
    }
    assert_int_equal(tcp_peer_requests(p, KFK_API_API_VERSIONS), 2);
    tcp_peer_free(p);
}

static void nothing_is_sent_before_the_broker_is_needed(void **state)
{
    (void)state;
    int fds[2];
    char byte;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    kafka_conn *c = adopt(fds[0], "t");
    assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(kafka_conn_offset(c, NULL), 0);
    kafka_conn_free(c);
    assert_int_equal(recv(fds[1], &byte, 1, 0), 0); /* nor at the end */
    close(fds[1]);
}

static void without_a_topic_it_is_as_kafka_dial_makes_one(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = NULL;
    kafka_brokers *brokers = NULL;
    assert_works(kafka_conn_from_fd(served_pair(p), NULL, &c));
    assert_works(kafka_conn_brokers(c, &brokers));
    assert_int_equal(brokers->count, 1);
    kafka_brokers_free(brokers);
    assert_fails(kafka_conn_write(c, "v", 1), KAFKA_EINVAL, "no topic");
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void note_client(tcp_call *call, void *answer, void *arg)
{
    (void)answer;
    snprintf(arg, 100, "%.*s", (int)call->client_id.len, (const char *)call->client_id.data);
}

static void the_configuration_is_copied(void **state)
{
    (void)state;
    char seen[100] = "", id[] = "somebody", topic[] = "t";
    kafka_loop *own;
    kafka_conn *c = NULL;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .times = TCP_ALWAYS, .edit = note_client, .arg = seen});
    assert_works(kafka_loop_new(NULL, &own));
    kafka_conn_config cfg = {.client_id = id, .topic = topic, .partition = 1, .loop = own};
    assert_works(kafka_conn_from_fd(served_pair(p), &cfg, &c));
    memset(&cfg, 0x55, sizeof cfg);
    memset(id, 'x', sizeof id - 1);
    memset(topic, 'x', sizeof topic - 1);
    kafka_loop_free(own); /* the connection keeps it */
    write_and_read(c);
    assert_string_equal(seen, "somebody");
    assert_int_equal(tcp_peer_end(p, 1), 1);
    kafka_conn_free(c);
    assert_works(kafka_conn_from_fd(served_pair(p), NULL, &c));
    kafka_brokers *brokers;
    assert_works(kafka_conn_brokers(c, &brokers));
    kafka_brokers_free(brokers);
    assert_non_null(strstr(seen, "from_fd_test@"));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void note_line(void *userdata, kafka_log_level level, const char *line)
{
    (void)level;
    snprintf(userdata, 300, "%s", line);
}

static void its_troubles_are_logged_and_name_the_socket(void **state)
{
    (void)state;
    char line[300] = "", expected[64];
    int64_t first, last;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .no_answer = true, .then = TCP_CLOSE});
    kafka_logger logger = {.log = note_line, .userdata = line, .max_level = KAFKA_LOG_WARN};
    kafka_conn *c = NULL;
    int fd = served_pair(p);
    snprintf(expected, sizeof expected, "socket %d: ", fd);
    assert_works(kafka_conn_from_fd(fd, &(kafka_conn_config){.topic = "t", .logger = &logger}, &c));
    assert_fails(kafka_conn_read_offsets(c, &first, &last), KAFKA_EUNEXPECTED_EOF, expected);
    assert_non_null(strstr(line, expected));
    kafka_conn_free(c);
    tcp_peer_free(p);
    p = TCP_PEER({.api = KFK_API_API_VERSIONS, .no_answer = true, .then = TCP_CLOSE});
    c = adopt(tcp_socket_to(p), "t");
    assert_fails(kafka_conn_read_offsets(c, &first, &last), KAFKA_EUNEXPECTED_EOF, tcp_peer_address(p));
    assert_null(strstr(kafka_last_error(), "dial"));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void both_ends_can_be_asked_for_at_once(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    struct sockaddr_in in = {0}, mine;
    struct sockaddr_un un = {0};
    socklen_t len = sizeof in, mine_len = sizeof mine;
    int fd = tcp_socket_to(p);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&mine, &mine_len), 0);
    kafka_conn *c = adopt(fd, NULL);
    assert_works(kafka_conn_remote_addr(c, (struct sockaddr *)&in, &len));
    assert_int_equal(ntohs(in.sin_port), tcp_peer_port(p));
    len = sizeof in;
    assert_works(kafka_conn_local_addr(c, (struct sockaddr *)&in, &len));
    assert_int_equal(in.sin_port, mine.sin_port);
    kafka_conn_free(c);
    c = adopt(served_pair(p), NULL);
    len = sizeof un;
    assert_works(kafka_conn_remote_addr(c, (struct sockaddr *)&un, &len));
    assert_int_equal(un.sun_family, AF_UNIX);
    assert_int_equal(len, sizeof un.sun_family); /* it has no name */
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void deadlines_and_tokens_end_the_first_call(void **state)
{
    (void)state;
    int64_t first, last;
    kafka_cancel *token;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .no_answer = true, .then = TCP_SILENCE});
    kafka_conn *c = adopt(served_pair(p), "t");
    int64_t before = kafka_now_ms();
    kafka_conn_set_read_deadline(c, kafka_deadline_in(100));
    assert_fails(kafka_conn_read_offsets(c, &first, &last), KAFKA_ETIMEDOUT, NULL);
    assert_took(before, 99);
    assert_works(kafka_cancel_new(&token));
    kafka_conn_set_read_deadline(c, 0);
    kafka_conn_set_cancel(c, token);
    kafka_cancel_fire(token);
    assert_fails(kafka_conn_read_offsets(c, &first, &last), KAFKA_ECANCELED, "canceled");
    kafka_conn_free(c);
    kafka_cancel_free(token);
    tcp_peer_free(p);
}

static int adopted_inside;
static int fd_for_inside;
static kafka_conn *conn_of_inside;

static void adopt_inside(void)
{
    adopted_inside = kafka_conn_from_fd(fd_for_inside, &(kafka_conn_config){.topic = "t"}, &conn_of_inside);
}

static void it_does_not_wait_and_so_works_in_a_callback(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    fd_for_inside = served_pair(p);
    calls_in_callback(adopt_inside);
    assert_int_equal(adopted_inside, 0);
    write_and_read(conn_of_inside);
    kafka_conn_free(conn_of_inside);
    tcp_peer_free(p);
}

/* ---- whose descriptor it is -------------------------------------------------------------------------------------- */

static void what_is_refused_stays_the_callers(void **state)
{
    (void)state;
    static const struct {
        kafka_conn_config cfg;
        const char *part;
    } rows[] = {
        {{.reserved = 1}, "reserved"},
        {{.reserved2 = {0, 1}}, "reserved"},
        {{.topic = "t", .partition = -1}, "partition"},
        {{.topic = ""}, "topic"},
    };
    kafka_conn *c = NULL;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    int flags = fcntl(fds[0], F_GETFL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_fails(kafka_conn_from_fd(fds[0], &rows[i].cfg, &c), KAFKA_EINVAL, rows[i].part);
    assert_fails(kafka_conn_from_fd(fds[0], NULL, NULL), KAFKA_EINVAL, "out");
    assert_null(c);
    assert_int_equal(fcntl(fds[0], F_GETFL), flags);
    close(fds[0]);
    assert_fails(kafka_conn_from_fd(fds[0], NULL, &c), KAFKA_EINVAL, "kafka_conn_from_fd: descriptor ");
    assert_fails(kafka_conn_from_fd(-1, NULL, &c), KAFKA_EINVAL, "Bad file descriptor");
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    assert_fails(kafka_conn_from_fd(udp, NULL, &c), KAFKA_EINVAL, "no stream socket");
    assert_true(is_open(udp));
    close(udp);
    int lonely = socket(AF_INET, SOCK_STREAM, 0);
    assert_fails(kafka_conn_from_fd(lonely, NULL, &c), KAFKA_EINVAL, "not connected");
    close(lonely);
    close(fds[1]);
    assert_null(c);
}

/* A number that was given out again must not be closed by somebody who had it before. */
static void it_is_closed_once(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    int fd = served_pair(p);
    unsigned long it = identity(fd);
    kafka_conn *c = adopt(fd, "t");
    write_and_read(c);
    assert_works(kafka_conn_close(c));
    assert_closed(fd, it);
    int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(dup2(other, fd), fd);
    assert_works(kafka_conn_close(c));
    kafka_conn_free(c);
    assert_true(is_open(fd));
    assert_true(is_open(other));
    close(fd);
    close(other);
    tcp_peer_free(p);
}

static void without_memory_it_stays_the_callers_exactly_when_there_is_no_connection(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    MEMCHECK_EACH_FAILURE(n)
    {
        kafka_conn *c = NULL;
        int fd = served_pair(p), err = kafka_conn_from_fd(fd, &(kafka_conn_config){.topic = "t"}, &c);
        unsigned long it = identity(fd);
        assert_true(it != 0);
        if (err != 0) {
            assert_fails(err, KAFKA_ENOMEM, "memory");
            assert_null(c);
            assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
            close(fd);
            continue;
        }
        err = kafka_conn_write(c, "v", 1);
        if (err != 0) assert_fails(err, KAFKA_ENOMEM, "memory");
        kafka_conn_free(c);
        assert_closed(fd, it);
    }
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(any_connected_stream_socket_makes_a_connection),
        API_TEST(nothing_is_sent_before_the_broker_is_needed),
        API_TEST(without_a_topic_it_is_as_kafka_dial_makes_one),
        API_TEST(the_configuration_is_copied),
        API_TEST(its_troubles_are_logged_and_name_the_socket),
        API_TEST(both_ends_can_be_asked_for_at_once),
        API_TEST(deadlines_and_tokens_end_the_first_call),
        API_TEST(it_does_not_wait_and_so_works_in_a_callback),
        API_TEST(what_is_refused_stays_the_callers),
        API_TEST(it_is_closed_once),
        API_TEST(without_memory_it_stays_the_callers_exactly_when_there_is_no_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
