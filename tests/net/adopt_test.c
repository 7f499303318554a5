#include "net_test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a stream of somebody else's socket -------------------------------------------------------------------------- */

typedef struct adopted {
    kfk_stream *stream;
    int code;
    kfk_error err;
    char got[64];
    size_t got_len;
    atomic_int edges, ended;
} adopted;

static void adopted_ready(void *owner, unsigned events)
{
    adopted *a = owner;
    int code;
    atomic_fetch_add(&a->edges, 1);
    if (!(events & KFK_STREAM_READABLE)) return;
    do {
        size_t got = 0;
        code = a->stream->ops->read(a->stream, a->got + a->got_len, sizeof a->got - a->got_len, &got, &a->err);
        a->got_len += got;
    } while (code == 0);
    if (code != KAFKA_EAGAIN) atomic_store(&a->ended, code);
}

static void adopted_listen(kfk_loop *l, void *arg)
{
    adopted *a = arg;
    (void)l;
    a->stream->owner = a;
    a->stream->ready = adopted_ready;
    a->code = a->stream->ops->connected(a->stream, &a->err);
}

static void adopted_close(kfk_loop *l, void *arg)
{
    adopted *a = arg;
    (void)l;
    a->stream->ops->close(a->stream);
    a->stream = NULL;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

/* ---- what is taken ----------------------------------------------------------------------------------------------- */

static void it_hears_of_the_peer_once_somebody_listens(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    adopted a = {.code = 0};
    int fds[2];
    pair(fds);
    assert_int_equal(kfk_loop_adopt(l, fds[0], &a.stream, &a.err), 0);
    assert_int_equal(write(fds[1], "early", 5), 5);
    assert_true(loop_is_quiet(l));
    assert_int_equal(atomic_load(&a.edges), 0);
    run_held(l, adopted_listen, &a);
    assert_int_equal(a.code, 0);
    assert_int_equal(write(fds[1], " late", 5), 5);
    close(fds[1]);
    assert_true(eventually_equal(&a.ended, KAFKA_EOF));
    assert_int_equal(a.got_len, 10);
    assert_memory_equal(a.got, "early late", 10);
    run_turning(l, adopted_close, &a);
    assert_false(is_open(fds[0]));
    loop_end(l);
}

static void one_that_nobody_listened_to_is_closed_as_well(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    adopted a = {.code = 0};
    int fds[2];
    char byte;
    pair(fds);
    assert_int_equal(kfk_loop_adopt(l, fds[0], &a.stream, &a.err), 0);
    run_turning(l, adopted_close, &a);
    assert_false(is_open(fds[0]));
    assert_int_equal(read(fds[1], &byte, 1), 0);
    close(fds[1]);
    loop_end(l);
}

static void a_blocking_socket_becomes_one_of_ours(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    adopted a = {.code = 0};
    kfk_address where;
    int one = 0, listener = listen_on("127.0.0.1", 5, &where), fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof one;
    assert_int_equal(connect(fd, (struct sockaddr *)&where.addr, where.len), 0);
    assert_int_equal(kfk_loop_adopt(l, fd, &a.stream, &a.err), 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, &len), 0);
    assert_int_equal(one, 1);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &one, &len), 0);
    assert_int_equal(one, 30000);
    run_turning(l, adopted_close, &a);
    close(listener);
    loop_end(l);
}

static void what_the_application_has_chosen_stays(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    adopted a = {.code = 0};
    kfk_address where;
    int value = 5000, listener = listen_on("127.0.0.1", 5, &where), fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof value;
    assert_int_equal(connect(fd, (struct sockaddr *)&where.addr, where.len), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value), 0);
    assert_int_equal(kfk_loop_adopt(l, fd, &a.stream, &a.err), 0);
    value = 0;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &len), 0);
    assert_int_equal(value, 5000);
    run_turning(l, adopted_close, &a);
    close(listener);
    loop_end(l);
}

/* ---- what is not ------------------------------------------------------------------------------------------------- */

/* It is refused with these words, and is as it was. */
static void refused(kfk_loop *l, int fd, const char *part)
{
    kfk_stream *stream = NULL;
    kfk_error err = {0};
    int before = fcntl(fd, F_GETFL), flags = fcntl(fd, F_GETFD);
    assert_int_equal(kfk_loop_adopt(l, fd, &stream, &err), KAFKA_EINVAL);
    assert_null(stream);
    if (!strstr(err.text, part)) fail_msg("\"%s\" is not in: %s", part, err.text);
    assert_int_equal(fcntl(fd, F_GETFL), before);
    assert_int_equal(fcntl(fd, F_GETFD), flags);
    if (fd >= 0 && before >= 0) close(fd);
}

static void what_is_no_connected_stream_socket_is_refused_and_left_alone(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    kfk_address where;
    int fds[2];
    refused(l, -1, "descriptor -1 cannot be adopted: Bad file descriptor");
    refused(l, 100000, "Bad file descriptor");
    refused(l, open("/dev/null", O_RDWR), "Socket operation on non-socket");
    refused(l, socket(AF_INET, SOCK_DGRAM, 0), "it is no stream socket");
    refused(l, socket(AF_INET, SOCK_STREAM, 0), "it is not connected");
    refused(l, listen_on("127.0.0.1", 1, &where), "it listens");
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    refused(l, fds[0], "it is no stream socket");
    close(fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    refused(l, fds[0], "it is no stream socket");
    close(fds[1]);
    loop_end(l);
}

static void without_memory_it_stays_the_callers(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    kfk_stream *stream = NULL;
    kfk_error err = {0};
    int fds[2];
    pair(fds);
    memcheck_fail_at(1);
    assert_int_equal(kfk_loop_adopt(l, fds[0], &stream, &err), KAFKA_ENOMEM);
    memcheck_fail_at(0);
    assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    close(fds[0]);
    close(fds[1]);
    loop_end(l);
}

/* ---- unix sockets that are dialled ------------------------------------------------------------------------------- */

typedef struct dialled {
    kfk_address to;
    kfk_stream *stream;
    int started, code;
    kfk_error err;
    atomic_int asked, over;
} dialled;

static void dialled_ready(void *owner, unsigned events)
{
    dialled *d = owner;
    (void)events;
    if (atomic_load(&d->over)) return;
    d->code = d->stream->ops->connected(d->stream, &d->err);
    if (d->code != KAFKA_EAGAIN) atomic_store(&d->over, 1);
}

static void dialled_start(kfk_loop *l, void *arg)
{
    dialled *d = arg;
    d->started = kfk_loop_connect(l, &d->to, NULL, &d->stream, &d->err);
    if (d->started != 0) return;
    d->stream->owner = d;
    d->stream->ready = dialled_ready;
}

static void dialled_ask(kfk_loop *l, void *arg)
{
    dialled *d = arg;
    (void)l;
    atomic_store(&d->asked, d->stream->ops->connected(d->stream, &d->err));
}

static void dialled_close(kfk_loop *l, void *arg)
{
    dialled *d = arg;
    (void)l;
    if (d->stream) d->stream->ops->close(d->stream);
    d->stream = NULL;
}

/* A listener with an abstract name of this process's. */
static int listen_unix(int backlog, kfk_address *where)
{
    char name[64];
    snprintf(name, sizeof name, "unix:@kafka-net-test-%d", (int)getpid());
    assert_true(kfk_address_unix(name, where));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&where->addr, where->len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static void a_unix_socket_is_connected_and_knows_its_ends(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    dialled d = {.code = 0};
    kfk_address peer = {.len = sizeof peer.addr};
    int listener = listen_unix(5, &d.to);
    run_held(l, dialled_start, &d);
    assert_int_equal(d.started, 0);
    int fd = accept_one(listener);
    assert_true(eventually_equal(&d.over, 1));
    assert_int_equal(d.code, 0);
    assert_int_equal(d.stream->ops->peer_addr(d.stream, (struct sockaddr *)&peer.addr, &peer.len), 0);
    assert_int_equal(peer.len, d.to.len);
    assert_memory_equal(&peer.addr, &d.to.addr, peer.len);
    run_turning(l, dialled_close, &d);
    close(fd);
    close(listener);
    loop_end(l);
}

/* Fills the queue of a listener; returns how many sockets that took. */
static int fill_queue(const kfk_address *where, int fds[8])
{
    int n = 0;
    while (n < 8) {
        fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(fds[n], (const struct sockaddr *)&where->addr, where->len) != 0) {
            assert_int_equal(errno, EAGAIN);
            close(fds[n]);
            return n;
        }
        n++;
    }
    fail_msg("the queue takes more than 8");
    return n;
}

static void a_listener_whose_queue_is_full_is_asked_again_until_it_has_room(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    dialled d = {.code = 0};
    int fds[8], listener = listen_unix(0, &d.to), count = fill_queue(&d.to, fds);
    assert_true(count > 0);
    run_held(l, dialled_start, &d);
    assert_int_equal(d.started, 0);
    run_held(l, dialled_ask, &d);
    assert_int_equal(atomic_load(&d.asked), KAFKA_EAGAIN);
    int accepted = accept_one(listener); /* room for one */
    assert_true(eventually_equal(&d.over, 1));
    assert_int_equal(d.code, 0);
    run_turning(l, dialled_close, &d);
    close(accepted);
    while (count > 0) close(fds[--count]);
    close(listener);
    loop_end(l);
}

static void a_listener_that_goes_while_its_queue_is_full_is_told(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    dialled d = {.code = 0};
    int fds[8], listener = listen_unix(0, &d.to), count = fill_queue(&d.to, fds);
    run_held(l, dialled_start, &d);
    assert_int_equal(d.started, 0);
    close(listener);
    assert_true(eventually_equal(&d.over, 1));
    assert_int_equal(d.code, KAFKA_EIO);
    assert_string_equal(d.err.text, "connect: Connection refused");
    run_turning(l, dialled_close, &d);
    while (count > 0) close(fds[--count]);
    loop_end(l);
}

static void one_that_waits_for_room_can_be_given_up(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    dialled d = {.code = 0};
    int fds[8], listener = listen_unix(0, &d.to), count = fill_queue(&d.to, fds);
    run_held(l, dialled_start, &d);
    run_turning(l, dialled_close, &d);
    while (count > 0) close(fds[--count]);
    close(listener);
    loop_end(l); /* the tear-down sees that no timer and no descriptor was left */
    assert_int_equal(atomic_load(&d.over), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(it_hears_of_the_peer_once_somebody_listens),
        NET_TEST(one_that_nobody_listened_to_is_closed_as_well),
        NET_TEST(a_blocking_socket_becomes_one_of_ours),
        NET_TEST(what_the_application_has_chosen_stays),
        NET_TEST(what_is_no_connected_stream_socket_is_refused_and_left_alone),
        NET_TEST(without_memory_it_stays_the_callers),
        NET_TEST(a_unix_socket_is_connected_and_knows_its_ends),
        NET_TEST(a_listener_whose_queue_is_full_is_asked_again_until_it_has_room),
        NET_TEST(a_listener_that_goes_while_its_queue_is_full_is_told),
        NET_TEST(one_that_waits_for_room_can_be_given_up),
    };
    return cmocka_run_group_tests_name("net/adopted and unix sockets", tests, NULL, NULL);
}
