/* TCP sockets.
 *
 * Every socket is non-blocking and close-on-exec, has Nagle's algorithm off (requests are written whole) and
 * TCP_USER_TIMEOUT on, so that a peer that vanished without a word is noticed even while nothing but our own unacknowledged
 * bytes is under way. Writes carry MSG_NOSIGNAL: a broken peer never raises SIGPIPE in the application.
 *
 * A reader stops at a read that did not fill its buffer, since more bytes would make a new edge. The end of the stream
 * makes none when it came together with the last bytes: the one edge told both. So a short read of a socket whose peer is
 * known to have hung up asks for the edge again; else requests that are still waiting would learn of the end by their
 * timeouts only. */
#include "net/socket.h"
#include "base/mem.h"
#include "net/source.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* Unacknowledged data ends a connection after this long: the order of a request's timeout (RFC 5482). */
enum { USER_TIMEOUT_MS = 30000 };

typedef struct tcp_socket {
    kfk_stream stream;
    kfk_source source;
    kfk_loop *loop;
    int fd;
    bool connected;
    bool hung_up; /* no bytes will come behind those that are there */
    bool early;   /* readable when it was not known to be connected yet */
} tcp_socket;

static tcp_socket *self(kfk_stream *s)
{
    return KFK_CONTAINER(s, tcp_socket, stream);
}

static int system_error(kfk_error *err, int code, const char *what, int number)
{
    char text[128];
    return kfk_error_set(err, code, "%s: %s", what, strerror_r(number, text, sizeof text));
}

static void socket_ready(kfk_source *source, unsigned events)
{
    tcp_socket *s = KFK_CONTAINER(source, tcp_socket, source);
    if (events & KFK_SOURCE_HANGUP) s->hung_up = true;
    if (events & KFK_STREAM_READABLE && !s->connected) s->early = true;
    if (s->stream.ready) s->stream.ready(s->stream.owner, events & (KFK_STREAM_READABLE | KFK_STREAM_WRITABLE));
}

/* The kernel may have connected the socket to itself: a local port that nobody listens on was chosen as our own, too. */
static bool is_connected_to_itself(int fd, const struct sockaddr_storage *peer, socklen_t len)
{
    struct sockaddr_storage local;
    socklen_t local_len = sizeof local;
    return getsockname(fd, (struct sockaddr *)&local, &local_len) == 0 && local_len == len &&
           memcmp(&local, peer, len) == 0;
}

static int socket_connected(kfk_stream *stream, kfk_error *err)
{
    tcp_socket *s = self(stream);
    if (s->connected) return 0;
    int failure = 0;
    socklen_t len = sizeof failure;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &failure, &len) != 0) failure = errno;
    if (failure != 0) return system_error(err, KAFKA_EIO, "connect", failure);
    struct sockaddr_storage peer;
    len = sizeof peer;
    if (getpeername(s->fd, (struct sockaddr *)&peer, &len) != 0) {
        if (errno == ENOTCONN) return KAFKA_EAGAIN; /* the first edge may come before the handshake */
        return system_error(err, KAFKA_EIO, "connect", errno);
    }
    if (is_connected_to_itself(s->fd, &peer, len)) return system_error(err, KAFKA_EIO, "connect", ECONNREFUSED);
    s->connected = true;
    if (s->early) kfk_source_again(s->loop, &s->source, s->fd); /* for the owner to come, who has not heard of it */
    return 0;
}

static int socket_read(kfk_stream *stream, void *buf, size_t cap, size_t *got, kfk_error *err)
{
    tcp_socket *s = self(stream);
    ssize_t n;
    assert(cap > 0); /* nothing read would look like the end */
    do {
        n = recv(s->fd, buf, cap, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        if (s->hung_up && (size_t)n < cap) kfk_source_again(s->loop, &s->source, s->fd);
        *got = (size_t)n;
        return 0;
    }
    if (n == 0) return KAFKA_EOF;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return KAFKA_EAGAIN;
    return system_error(err, KAFKA_EIO, "read", errno);
}

static int socket_write(kfk_stream *stream, const struct iovec *iov, int count, size_t *put, kfk_error *err)
{
    struct msghdr message = {
        .msg_iov = (struct iovec *)(uintptr_t)iov,
        .msg_iovlen = (size_t)(count > IOV_MAX ? IOV_MAX : count),
    };
    ssize_t n;
    do {
        n = sendmsg(self(stream)->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *put = (size_t)n;
        return 0;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return KAFKA_EAGAIN;
    return system_error(err, KAFKA_EIO, "write", errno);
}

static int socket_local_addr(kfk_stream *stream, struct sockaddr *addr, socklen_t *len)
{
    return getsockname(self(stream)->fd, addr, len) == 0 ? 0 : KAFKA_EIO;
}

static int socket_peer_addr(kfk_stream *stream, struct sockaddr *addr, socklen_t *len)
{
    return getpeername(self(stream)->fd, addr, len) == 0 ? 0 : KAFKA_EIO;
}

static int socket_descriptor(kfk_stream *stream)
{
    return self(stream)->fd;
}

static void socket_close(kfk_stream *stream)
{
    tcp_socket *s = self(stream);
    kfk_source_remove(s->loop, &s->source, s->fd);
    close(s->fd);
    kfk_mem_free(s);
}

static const kfk_stream_ops socket_ops = {
    .connected = socket_connected,
    .read = socket_read,
    .write = socket_write,
    .local_addr = socket_local_addr,
    .peer_addr = socket_peer_addr,
    .descriptor = socket_descriptor,
    .close = socket_close,
};

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

int kfk_socket_connect(kfk_loop *l, const kfk_address *to, kfk_stream **out, kfk_error *err)
{
    tcp_socket *s = kfk_mem_zalloc(sizeof *s);
    if (!s) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a socket");
    s->stream.ops = &socket_ops;
    s->source.ready = socket_ready;
    s->loop = l;
    s->fd = socket(to->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int code = 0, number;
    if (s->fd < 0) {
        code = system_error(err, KAFKA_EIO, "socket", errno);
        goto fail;
    }
    if (set_option(s->fd, IPPROTO_TCP, TCP_NODELAY, 1) != 0 ||
        set_option(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS) != 0) {
        code = system_error(err, KAFKA_EIO, "setsockopt", errno);
        goto fail;
    }
    if (connect(s->fd, (const struct sockaddr *)&to->addr, to->len) != 0 && errno != EINPROGRESS && errno != EINTR) {
        code = system_error(err, KAFKA_EIO, "connect", errno);
        goto fail;
    }
    if ((number = kfk_source_add(l, &s->source, s->fd)) != 0) {
        code = system_error(err, KAFKA_EIO, "epoll_ctl", number);
        goto fail;
    }
    *out = &s->stream;
    return 0;

fail:
    if (s->fd >= 0) close(s->fd);
    kfk_mem_free(s);
    return code;
}
