#include "net_test.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a stream under test: one end is the library's, the other one ours ------------------------------------------- */

typedef struct end {
    kfk_loop *loop;
    kfk_stream *stream;
    kfk_address to;
    int started, code; /* how connecting began; what it came to */
    kfk_error err;
    atomic_int connected, edges;
    bool connecting;
    void (*on_edge)(struct end *, unsigned events);
    /* on_edge: read_all */
    char got[256];
    size_t got_len;
    atomic_int reads, ended; /* ended: the code with which reading ended, 0 = not yet */
    int read_size;
    latch *hold, *held;
    struct end *close_other;
} end;

static void end_ready(void *owner, unsigned events)
{
    end *e = owner;
    if (e->connecting) {
        int code = e->stream->ops->connected(e->stream, &e->err);
        if (code == KAFKA_EAGAIN) return;
        e->connecting = false;
        e->code = code;
        atomic_store(&e->connected, 1);
    }
    atomic_fetch_add(&e->edges, 1);
    if (e->on_edge) e->on_edge(e, events);
}

static void connect_held(kfk_loop *l, void *arg)
{
    end *e = arg;
    e->loop = l;
    e->connecting = true;
    e->started = kfk_loop_connect(l, &e->to, NULL, &e->stream, &e->err);
    if (e->started != 0) return;
    e->stream->owner = e;
    e->stream->ready = end_ready;
}

static void close_turning(kfk_loop *l, void *arg)
{
    end *e = arg;
    (void)l;
    if (e->stream) e->stream->ops->close(e->stream);
    e->stream = NULL;
}

/* Connects to a listener of ours, which is closed then; returns our end. */
static int connect_pair(kfk_loop *l, end *e)
{
    int listener = listen_on("127.0.0.1", 5, &e->to);
    assert_true(listener >= 0);
    run_held(l, connect_held, e);
    assert_int_equal(e->started, 0);
    int peer = accept_one(listener);
    close(listener);
    assert_true(peer >= 0);
    assert_true(eventually_equal(&e->connected, 1));
    assert_int_equal(e->code, 0);
    return peer;
}

/* The descriptor of the stream: the one whose local address is the stream's. */
static int fd_of(kfk_stream *s)
{
    struct sockaddr_storage want, have;
    socklen_t want_len = sizeof want;
    if (s->ops->local_addr(s, (struct sockaddr *)&want, &want_len) != 0) return -1;
    for (int fd = 3; fd < 1024; fd++) {
        socklen_t len = sizeof have;
        if (getsockname(fd, (struct sockaddr *)&have, &len) == 0 && len == want_len && memcmp(&have, &want, len) == 0)
            return fd;
    }
    return -1;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    getsockopt(fd, level, name, &value, &len);
    return value;
}

/* ---- what is set ------------------------------------------------------------------------------------------------- */

static void sockets_are_set_up_for_requests(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    end e = {.code = 0};
    int peer = connect_pair(l, &e);

    int fd = fd_of(e.stream);
    assert_true(fd >= 0);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_in_range(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 1000, 120000);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    run_turning(l, close_turning, &e);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    close(peer);
    loop_end(l);
}

static void a_stream_knows_both_its_addresses(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    end e = {.code = 0};
    int peer = connect_pair(l, &e);

    kfk_address local = {.len = sizeof local.addr}, remote = {.len = sizeof remote.addr},
                ours = {.len = sizeof ours.addr};
    assert_int_equal(e.stream->ops->local_addr(e.stream, (struct sockaddr *)&local.addr, &local.len), 0);
    assert_int_equal(e.stream->ops->peer_addr(e.stream, (struct sockaddr *)&remote.addr, &remote.len), 0);
    assert_int_equal(getpeername(peer, (struct sockaddr *)&ours.addr, &ours.len), 0);
    assert_int_equal(port_of(&local), port_of(&ours));
    assert_int_equal(port_of(&remote), port_of(&e.to));
    assert_int_equal(remote.addr.ss_family, AF_INET);
    run_turning(l, close_turning, &e);
    close(peer);
    loop_end(l);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static void a_refused_connection_says_so(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    end e = {.code = 0};
    refusing("127.0.0.1", &e.to);

    run_held(l, connect_held, &e);
    if (e.started == 0) { /* the kernel may tell at once, or later */
        assert_true(eventually_equal(&e.connected, 1));
        run_turning(l, close_turning, &e);
    }
    assert_int_equal(e.started ? e.started : e.code, KAFKA_EIO);
    assert_string_equal(e.err.text, "connect: Connection refused");
    loop_end(l);
}

static void ask_connected(kfk_loop *l, void *arg)
{
    end *e = arg;
    (void)l;
    e->code = e->stream->ops->connected(e->stream, &e->err);
}

static void connected_says_again_while_the_peer_does_not_answer(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    black_hole hole;
    end e = {.code = 0};
    assert_true(black_hole_begin(&hole, "127.0.0.1"));
    e.to = hole.where;

    run_held(l, connect_held, &e);
    assert_int_equal(e.started, 0);
    run_held(l, ask_connected, &e);
    assert_int_equal(e.code, KAFKA_EAGAIN);
    run_turning(l, close_turning, &e);
    assert_int_equal(atomic_load(&e.connected), 0);
    black_hole_end(&hole);
    loop_end(l);
}

static void a_connection_that_cannot_be_had_leaves_nothing_behind(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    end e = {.code = 0};

    refusing("127.0.0.1", &e.to);
    memcheck_fail_at(1);
    run_held(l, connect_held, &e);
    memcheck_fail_at(0);
    assert_int_equal(e.started, KAFKA_ENOMEM);
    assert_true(kfk_address_unix("unix:/nowhere/kafka.sock", &e.to)); /* known to be in vain at once */
    run_held(l, connect_held, &e);
    assert_int_equal(e.started, KAFKA_EIO);
    assert_non_null(strstr(e.err.text, "connect: No such file or directory"));
    e.to.addr.ss_family = 0x7f;
    run_held(l, connect_held, &e);
    assert_int_equal(e.started, KAFKA_EIO);
    assert_non_null(strstr(e.err.text, "socket: Address family not supported"));
    loop_end(l);
}

typedef struct itself {
    kfk_address to;
    int tries, met, taken;
    kfk_error last;
} itself;

static bool has_met_itself(kfk_stream *s)
{
    struct sockaddr_in local, peer;
    socklen_t local_len = sizeof local, peer_len = sizeof peer;
    return s->ops->local_addr(s, (struct sockaddr *)&local, &local_len) == 0 &&
           s->ops->peer_addr(s, (struct sockaddr *)&peer, &peer_len) == 0 && local.sin_port == peer.sin_port;
}

/* A port that the kernel may choose as our own, where nobody listens: sooner or later it connects the socket to
 * itself. */
static void try_to_meet_oneself(kfk_loop *l, void *arg)
{
    itself *x = arg;
    for (; x->tries < 60000 && x->met == 0; x->tries++) {
        kfk_stream *s;
        kfk_error err = {0};
        if (kfk_loop_connect(l, &x->to, NULL, &s, &err) != 0) continue;
        if (has_met_itself(s)) {
            x->met++;
            if (s->ops->connected(s, &x->last) == 0) x->taken++;
        }
        s->ops->close(s);
    }
}

static void a_socket_that_met_itself_counts_as_refused(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    itself x = {.tries = 0};
    int listener = listen_on("127.0.0.1", 1, &x.to);
    assert_true(listener >= 0);
    close(listener);
    /* Linux takes every other port for bind and those in between for connect */
    ((struct sockaddr_in *)(void *)&x.to.addr)->sin_port = htons((uint16_t)(port_of(&x.to) ^ 1));

    run_turning(l, try_to_meet_oneself, &x);
    print_message("(met itself %d times in %d tries)\n", x.met, x.tries);
    assert_int_equal(x.taken, 0);
    if (x.met > 0) assert_string_equal(x.last.text, "connect: Connection refused");
    loop_end(l);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Waits until this has come to the socket of the stream, whatever its loop does: on a busy machine also the loopback
 * delivers late. */
static bool has_arrived(kfk_stream *s, short events)
{
    struct pollfd p = {.fd = s->ops->descriptor(s), .events = events};
    return poll(&p, 1, PATIENCE_MS) == 1;
}

/* Reads as stream.h allows: until KAFKA_EAGAIN or until it got less than it asked for. */
static void read_all(end *e, unsigned events)
{
    if (!(events & KFK_STREAM_READABLE) || atomic_load(&e->ended)) return;
    for (;;) {
        size_t got = 0, cap = (size_t)e->read_size;
        int code = e->stream->ops->read(e->stream, e->got + e->got_len, cap, &got, &e->err);
        if (code == KAFKA_EAGAIN) return;
        if (code != 0) {
            atomic_store(&e->ended, code);
            return;
        }
        e->got_len += got;
        atomic_fetch_add(&e->reads, 1);
        if (got < cap) return;
    }
}

static void hold_turning(kfk_loop *l, void *arg)
{
    end *e = arg;
    (void)l;
    latch_post(e->held);
    latch_wait(e->hold);
}

static void *hold_loop(void *arg)
{
    end *e = arg;
    run_turning(e->loop, hold_turning, e);
    return NULL;
}

/* Keeps the loop's thread busy until the latch `hold` is posted, so that what happens meanwhile comes in one wait. */
static pthread_t busy(end *e, latch *hold, latch *held)
{
    pthread_t thread;
    latch_init(hold);
    latch_init(held);
    e->hold = hold;
    e->held = held;
    assert_int_equal(pthread_create(&thread, NULL, hold_loop, e), 0);
    assert_true(latch_wait(held));
    return thread;
}

static void the_end_that_comes_with_the_last_bytes_is_told(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static const int sizes[] = {1, 4, 5, 10, 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        end e = {.on_edge = read_all, .read_size = sizes[i]};
        latch hold, held;
        int peer = connect_pair(l, &e);

        pthread_t busy_thread = busy(&e, &hold, &held);
        assert_int_equal(send(peer, "0123456789", 10, MSG_NOSIGNAL), 10);
        close(peer);
        assert_true(has_arrived(e.stream, POLLRDHUP)); /* both are there before the loop looks */
        latch_post(&hold);
        pthread_join(busy_thread, NULL);
        assert_true(eventually_equal(&e.ended, KAFKA_EOF));
        run_turning(l, close_turning, &e);
        assert_int_equal(e.got_len, 10);
        assert_memory_equal(e.got, "0123456789", 10);
    }
    loop_end(l);
}

static void bytes_and_their_end_come_one_by_one_too(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    end e = {.on_edge = read_all, .read_size = 16};
    int peer = connect_pair(l, &e);

    for (int i = 0; i < 10; i++) {
        assert_int_equal(send(peer, &"abcdefghij"[i], 1, MSG_NOSIGNAL), 1);
        assert_true(eventually_equal(&e.reads, i + 1)); /* one edge each */
    }
    assert_int_equal(atomic_load(&e.ended), 0);
    close(peer);
    assert_true(eventually_equal(&e.ended, KAFKA_EOF));
    run_turning(l, close_turning, &e);
    assert_int_equal(e.got_len, 10);
    assert_memory_equal(e.got, "abcdefghij", 10);
    loop_end(l);
}

static void a_reset_is_an_error_with_its_reason(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    end e = {.on_edge = read_all, .read_size = 16};
    int peer = connect_pair(l, &e);

    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(peer);
    assert_true(eventually_equal(&e.ended, KAFKA_EIO));
    assert_string_equal(e.err.text, "read: Connection reset by peer");
    run_turning(l, close_turning, &e);
    loop_end(l);
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

static void close_both(end *e, unsigned events)
{
    (void)events;
    if (e->close_other && e->close_other->stream) {
        e->close_other->stream->ops->close(e->close_other->stream);
        e->close_other->stream = NULL;
    }
    e->stream->ops->close(e->stream);
    e->stream = NULL;
}

static void a_stream_that_was_closed_hears_nothing_of_the_same_wait(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    for (int round = 0; round < 20; round++) {
        end a = {.on_edge = NULL}, b = {.on_edge = NULL};
        latch hold, held;
        int peer_a = connect_pair(l, &a), peer_b = connect_pair(l, &b);

        pthread_t busy_thread = busy(&a, &hold, &held);
        int edges = atomic_load(&a.edges) + atomic_load(&b.edges);
        a.on_edge = b.on_edge = close_both;
        a.close_other = &b;
        b.close_other = &a;
        assert_int_equal(send(round % 2 ? peer_a : peer_b, "x", 1, MSG_NOSIGNAL), 1);
        assert_int_equal(send(round % 2 ? peer_b : peer_a, "y", 1, MSG_NOSIGNAL), 1);
        assert_true(has_arrived(a.stream, POLLIN) && has_arrived(b.stream, POLLIN));
        latch_post(&hold);
        pthread_join(busy_thread, NULL);
        assert_true(loop_is_quiet(l));
        assert_null(a.stream);
        assert_null(b.stream);
        assert_int_equal(atomic_load(&a.edges) + atomic_load(&b.edges), edges + 1);
        close(peer_a);
        close(peer_b);
    }
    loop_end(l);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

typedef struct attempt {
    end *end;
    const struct iovec *iov;
    int count, code;
    size_t put;
} attempt;

static void write_held(kfk_loop *l, void *arg)
{
    attempt *a = arg;
    (void)l;
    a->put = 0;
    a->code = a->end->stream->ops->write(a->end->stream, a->iov, a->count, &a->put, &a->end->err);
}

static bool write_fails(void *arg)
{
    attempt *a = arg;
    run_held(a->end->loop, write_held, a);
    return a->code != 0 && a->code != KAFKA_EAGAIN;
}

static void writing_to_a_peer_that_is_gone_is_an_error_and_no_signal(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    end e = {.code = 0};
    struct sigaction action;
    sigaction(SIGPIPE, NULL, &action);
    assert_true(action.sa_handler == SIG_DFL); /* one SIGPIPE would end this program */
    int peer = connect_pair(l, &e);
    struct iovec iov = {.iov_base = (char[]){"request"}, .iov_len = 7};
    attempt a = {.end = &e, .iov = &iov, .count = 1};

    close(peer);
    assert_true(eventually(write_fails, &a));
    assert_int_equal(a.code, KAFKA_EIO);
    assert_non_null(strstr(e.err.text, "write: "));
    for (int i = 0; i < 3; i++) {
        run_held(l, write_held, &a);
        assert_int_equal(a.code, KAFKA_EIO);
    }
    assert_string_equal(e.err.text, "write: Broken pipe");
    run_turning(l, close_turning, &e);
    loop_end(l);
}

enum { PIECES = IOV_MAX + 500, PIECE = 3 };

static void more_pieces_than_the_system_takes_are_written_in_part(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    end e = {.code = 0};
    int peer = connect_pair(l, &e);
    static struct iovec iov[PIECES];
    static char piece[PIECE] = "abc";
    for (int i = 0; i < PIECES; i++) iov[i] = (struct iovec){.iov_base = piece, .iov_len = PIECE};
    attempt a = {.end = &e, .iov = iov, .count = PIECES};

    run_held(l, write_held, &a);
    assert_int_equal(a.code, 0);
    assert_int_equal(a.put, IOV_MAX * PIECE);
    run_turning(l, close_turning, &e);
    close(peer);
    loop_end(l);
}

/* A writer against a slow reader: on each edge it writes until it is told to wait. Each write is of all that is left,
 * which is more than the system holds: so it takes a part. */
enum { BYTES = 2 * 1024 * 1024, FIRST_PIECE = 15000 };

typedef struct flow {
    end end;
    atomic_int written, refused, partial, failed, finished;
} flow;

static unsigned char bytes[BYTES];

static void bytes_fill(void)
{
    for (size_t i = 0; i < BYTES; i++) bytes[i] = (unsigned char)(i * 7 + i / 251);
}

static void flow_write(flow *f)
{
    for (size_t written; (written = (size_t)atomic_load(&f->written)) < BYTES;) {
        size_t n = BYTES - written, first = n < FIRST_PIECE ? n : FIRST_PIECE, put = 0;
        struct iovec iov[2] = {{.iov_base = bytes + written, .iov_len = first},
                               {.iov_base = bytes + written + first, .iov_len = n - first}};
        int code = f->end.stream->ops->write(f->end.stream, iov, 2, &put, &f->end.err);
        if (code == KAFKA_EAGAIN) {
            atomic_fetch_add(&f->refused, 1);
            return;
        }
        if (code != 0) {
            atomic_store(&f->failed, code);
            return;
        }
        if (put < n) atomic_fetch_add(&f->partial, 1);
        atomic_fetch_add(&f->written, (int)put);
    }
    atomic_store(&f->finished, 1);
}

static void flow_edge(end *e, unsigned events)
{
    if (events & KFK_STREAM_WRITABLE) flow_write(KFK_CONTAINER(e, flow, end));
}

static void flow_start(kfk_loop *l, void *arg)
{
    flow *f = arg;
    (void)l;
    f->end.on_edge = flow_edge;
    flow_write(f); /* from a caller's thread; all that follows comes by edges */
}

/* Reads only when the writer waits, and then no more than what had been written by then: the rest is more than the
 * system holds, so the writer has to wait again. */
typedef struct slow_reader {
    int fd, refused;
    flow *flow;
    size_t got;
    bool wrong, lost_patience;
} slow_reader;

static bool writer_waits(void *arg)
{
    slow_reader *r = arg;
    return atomic_load(&r->flow->refused) > r->refused || atomic_load(&r->flow->finished);
}

static void read_up_to(slow_reader *r, size_t total)
{
    unsigned char buf[3000];
    while (r->got < total) {
        ssize_t n = recv(r->fd, buf, total - r->got < sizeof buf ? total - r->got : sizeof buf, 0);
        if (n <= 0) {
            r->lost_patience = true;
            return;
        }
        if (memcmp(buf, bytes + r->got, (size_t)n) != 0) r->wrong = true;
        r->got += (size_t)n;
    }
}

static void *slow_reader_thread(void *arg)
{
    slow_reader *r = arg;
    while (r->got < BYTES && !r->lost_patience) {
        if (!eventually(writer_waits, r)) r->lost_patience = true;
        r->refused = atomic_load(&r->flow->refused);
        read_up_to(r, (size_t)atomic_load(&r->flow->written));
    }
    return NULL;
}

static void a_slow_reader_makes_the_writer_wait_for_edges_and_gets_every_byte(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static flow f;
    memset(&f, 0, sizeof f);
    bytes_fill();
    int peer = connect_pair(l, &f.end), small = 32768;
    setsockopt(fd_of(f.end.stream), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    slow_reader r = {.fd = peer, .flow = &f};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, slow_reader_thread, &r), 0);

    run_held(l, flow_start, &f);
    assert_true(eventually_equal(&f.finished, 1));
    run_turning(l, close_turning, &f.end);
    pthread_join(thread, NULL);
    close(peer);
    loop_end(l);
    assert_int_equal(r.got, BYTES);
    assert_false(r.wrong || r.lost_patience);
    assert_true(atomic_load(&f.refused) > 1);
    assert_true(atomic_load(&f.partial) > 1);
    assert_int_equal(atomic_load(&f.failed), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(sockets_are_set_up_for_requests),
        NET_TEST(a_stream_knows_both_its_addresses),
        NET_TEST(a_refused_connection_says_so),
        NET_TEST(connected_says_again_while_the_peer_does_not_answer),
        NET_TEST(a_connection_that_cannot_be_had_leaves_nothing_behind),
        NET_TEST(a_socket_that_met_itself_counts_as_refused),
        NET_TEST(the_end_that_comes_with_the_last_bytes_is_told),
        NET_TEST(bytes_and_their_end_come_one_by_one_too),
        NET_TEST(a_reset_is_an_error_with_its_reason),
        NET_TEST(a_stream_that_was_closed_hears_nothing_of_the_same_wait),
        NET_TEST(writing_to_a_peer_that_is_gone_is_an_error_and_no_signal),
        NET_TEST(more_pieces_than_the_system_takes_are_written_in_part),
        NET_TEST(a_slow_reader_makes_the_writer_wait_for_edges_and_gets_every_byte),
    };
    return cmocka_run_group_tests_name("net/socket", tests, NULL, NULL);
}
