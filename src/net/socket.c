/* Sockets: TCP, unix, and those that the application has connected itself.
 *
 * Every socket is non-blocking and close-on-exec. TCP ones have Nagle's algorithm off (requests are written whole) and
 * TCP_USER_TIMEOUT on, so that a peer that vanished without a word is noticed even while nothing but our own
 * unacknowledged bytes is under way. Writes carry MSG_NOSIGNAL: a broken peer never raises SIGPIPE in the application.
 *
 * A reader stops at a read that did not fill its buffer, since more bytes would make a new edge. The end of the stream
 * makes none when it came together with the last bytes: the one edge told both. So a short read of a socket whose peer
 * is known to have hung up asks for the edge again; else requests that are still waiting would learn of the end by
 * their timeouts only.
 *
 * A unix socket connects at once, or not at all, or the listener's queue is full: then nothing ever tells that there is
 * room, and a timer asks again. Such a socket is not watched before: epoll would report an end that is none. */
#include "net/socket.h"
#include "base/mem.h"
#include "net/source.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum {
    USER_TIMEOUT_MS = 30000, /* unacknowledged data ends a connection: the order of a request's timeout (RFC 5482) */
    PROBES = 3,              /* of keep-alive */
    LONGEST_IDLE_S = 32767,  /* the system's limit */
    ASK_AGAIN_MS = 20        /* a unix socket's listener has no room */
};

typedef struct socket_stream {
    kfk_stream stream;
    kfk_source source;
    kfk_loop *loop;
    int fd;
    kfk_timer again; /* connects a unix socket once more */
    kfk_address to;  /* for that */
    bool watched;    /* the loop knows of it */
    bool connected;
    bool hung_up; /* no bytes will come behind those that are there */
    bool early;   /* readable when it was not known to be connected yet */
} socket_stream;

static socket_stream *self(kfk_stream *s)
{
    return KFK_CONTAINER(s, socket_stream, stream);
}

static int system_error(kfk_error *err, int code, const char *what, int number)
{
    return kfk_error_set_system(err, code, what, number);
}

static void socket_ready(kfk_source *source, unsigned events)
{
    socket_stream *s = KFK_CONTAINER(source, socket_stream, source);
    if (events & KFK_SOURCE_HANGUP) s->hung_up = true;
    if (events & KFK_STREAM_READABLE && !s->connected) s->early = true;
    if (s->stream.ready) s->stream.ready(s->stream.owner, events & (KFK_STREAM_READABLE | KFK_STREAM_WRITABLE));
}

/* The kernel may have connected the socket to itself: a local port that nobody listens on was chosen as our own,
 * too. */
static bool is_connected_to_itself(int fd, const struct sockaddr_storage *peer, socklen_t len)
{
    struct sockaddr_storage local;
    socklen_t local_len = sizeof local;
    return peer->ss_family != AF_UNIX && getsockname(fd, (struct sockaddr *)&local, &local_len) == 0 &&
           local_len == len && memcmp(&local, peer, len) == 0;
}

/* Begins to watch a socket that is connected, or on its way. */
static int watch(socket_stream *s, kfk_error *err)
{
    int number = kfk_source_add(s->loop, &s->source, s->fd);
    s->watched = number == 0;
    return number == 0 ? 0 : system_error(err, KAFKA_EIO, "epoll_ctl", number);
}

/* 0: under way, or done; watched, unless it has to be asked for again. */
static int begin(socket_stream *s, kfk_error *err)
{
    int number = connect(s->fd, (const struct sockaddr *)&s->to.addr, s->to.len) == 0 ? 0 : errno;
    if (number == EAGAIN && s->to.addr.ss_family == AF_UNIX) {
        kfk_loop_timer_set(s->loop, &s->again, kfk_loop_now_ms(s->loop) + ASK_AGAIN_MS);
        return 0;
    }
    if (number != 0 && number != EINPROGRESS && number != EINTR) return system_error(err, KAFKA_EIO, "connect", number);
    return watch(s, err);
}

static int socket_connected(kfk_stream *stream, kfk_error *err)
{
    socket_stream *s = self(stream);
    if (s->connected) return s->watched ? 0 : watch(s, err); /* an adopted one: now its owner is ready for edges */
    if (kfk_timer_is_set(&s->again)) return KAFKA_EAGAIN;
    if (!s->watched) { /* a unix socket whose listener had no room */
        int code = begin(s, err);
        if (code != 0 || !s->watched) return code != 0 ? code : KAFKA_EAGAIN;
    }
    int failure = 0;
    socklen_t len = sizeof failure;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &failure, &len) != 0) failure = errno;
    if (failure != 0) return system_error(err, KAFKA_EIO, "connect", failure);
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
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
    socket_stream *s = self(stream);
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
    socket_stream *s = self(stream);
    kfk_loop_timer_clear(s->loop, &s->again);
    if (s->watched) kfk_source_remove(s->loop, &s->source, s->fd);
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

/* ---- options of TCP sockets -------------------------------------------------------------------------------------- */

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

/* Three probes follow the silence, a third of it apart, but not less than 1 s nor more than 15 s. The user timeout
 * overrules their count, so it is made to end with the last of them; it bears on data without acknowledgement too,
 * which may well be 10 s late. */
static int set_keep_alive(int fd, int64_t after_ms, int *user_timeout_ms)
{
    if (after_ms == 0) return 0;
    int idle = after_ms > LONGEST_IDLE_S * INT64_C(1000) ? LONGEST_IDLE_S : (int)((after_ms + 999) / 1000);
    int apart = idle / 3 < 1 ? 1 : idle / 3 > 15 ? 15 : idle / 3;
    *user_timeout_ms = (idle + PROBES * apart) * 1000;
    if (*user_timeout_ms < 10000) *user_timeout_ms = 10000;
    if (set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle) != 0 ||
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, apart) != 0 || set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES) != 0)
        return -1;
    return set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

static int set_options(int fd, const kfk_connect_options *options, kfk_error *err)
{
    int user_timeout_ms = USER_TIMEOUT_MS;
    if (set_keep_alive(fd, options->keep_alive_ms, &user_timeout_ms) != 0 ||
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) != 0 ||
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms) != 0)
        return system_error(err, KAFKA_EIO, "setsockopt", errno);
    return 0;
}

/* "127.0.0.1", or with its port where it has one; tells whether it has. */
static bool format_local(const kfk_address *local, char *out, size_t cap)
{
    kfk_address_format(local, out, cap);
    size_t len = strlen(out);
    bool has_port = len < 2 || strcmp(out + len - 2, ":0") != 0;
    if (!has_port) out[len - 2] = '\0';
    return has_port;
}

static const char *family(const kfk_address *a)
{
    return a->addr.ss_family == AF_INET6 ? "IPv6" : "IPv4";
}

/* A port of our choice may still belong to a connection that has ended. Without one the kernel chooses when it connects
 * and knows the other end: there are more of them that way. */
static int bind_local(int fd, const kfk_address *to, const kfk_address *local, kfk_error *err)
{
    char from[KFK_ADDRESS_TEXT], text[128];
    if (local->len == 0) return 0;
    bool has_port = format_local(local, from, sizeof from);
    if (local->addr.ss_family != to->addr.ss_family)
        return kfk_error_set(err, KAFKA_EIO, "it is an %s address, and local_addr %s an %s one", family(to), from,
                             family(local));
    if (has_port && set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0)
        return system_error(err, KAFKA_EIO, "setsockopt", errno);
    if (!has_port) set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1); /* a kernel without it chooses now */
    if (bind(fd, (const struct sockaddr *)&local->addr, local->len) == 0) return 0;
    return kfk_error_set(err, KAFKA_EIO, "bind to local_addr %s: %s", from, strerror_r(errno, text, sizeof text));
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

/* The owner comes to see, and that asks. It has a deadline, and closes the stream then. */
static void ask_again(kfk_timer *timer)
{
    socket_stream *s = KFK_CONTAINER(timer, socket_stream, again);
    if (s->stream.ready) s->stream.ready(s->stream.owner, KFK_STREAM_WRITABLE);
}
static socket_stream *socket_new(kfk_loop *l, int fd)
{
    socket_stream *s = kfk_mem_zalloc(sizeof *s);
    if (!s) return NULL;
    s->stream.ops = &socket_ops;
    s->source.ready = socket_ready;
    s->loop = l;
    s->fd = fd;
    kfk_timer_init(&s->again, ask_again);
    return s;
}

int kfk_socket_connect(kfk_loop *l, const kfk_address *to, const kfk_connect_options *options, kfk_stream **out,
                       kfk_error *err)
{
    socket_stream *s = socket_new(l, -1);
    if (!s) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a socket");
    int code = 0;
    s->to = *to;
    s->fd = socket(to->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) code = system_error(err, KAFKA_EIO, "socket", errno);
    if (code == 0 && to->addr.ss_family != AF_UNIX) {
        code = set_options(s->fd, options, err);
        if (code == 0) code = bind_local(s->fd, to, &options->local, err);
    }
    if (code == 0) code = begin(s, err);
    if (code != 0) {
        if (s->fd >= 0) close(s->fd);
        kfk_mem_free(s);
        return code;
    }
    *out = &s->stream;
    return 0;
}

/* ---- adopting ---------------------------------------------------------------------------------------------------- */

static int option_of(int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof value;
    return getsockopt(fd, level, option, &value, &len) == 0 ? value : -1;
}

static int check_adoptable(int fd, kfk_error *err)
{
    char text[128];
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    int type = option_of(fd, SOL_SOCKET, SO_TYPE);
    const char *reason = type < 0 ? strerror_r(errno, text, sizeof text) : NULL;
    if (type >= 0 && type != SOCK_STREAM) reason = "it is no stream socket";
    if (!reason && option_of(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1) reason = "it listens; adopt what accept returns";
    if (!reason && getpeername(fd, (struct sockaddr *)&peer, &len) != 0)
        reason = errno == ENOTCONN ? "it is not connected" : strerror_r(errno, text, sizeof text);
    return reason ? kfk_error_set(err, KAFKA_EINVAL, "descriptor %d cannot be adopted: %s", fd, reason) : 0;
}

/* What ours have, as far as the application has not chosen itself. */
static void adjust(int fd)
{
    int domain = option_of(fd, SOL_SOCKET, SO_DOMAIN);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (domain != AF_INET && domain != AF_INET6) return;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (option_of(fd, SOL_SOCKET, SO_KEEPALIVE) == 0 && option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 0)
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
}

int kfk_socket_adopt(kfk_loop *l, int fd, kfk_stream **out, kfk_error *err)
{
    int code = check_adoptable(fd, err);
    if (code != 0) return code;
    socket_stream *s = socket_new(l, fd);
    if (!s) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a socket");
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        code = system_error(err, KAFKA_EIO, "fcntl", errno);
        kfk_mem_free(s);
        return code;
    }
    adjust(fd);
    s->connected = true;
    *out = &s->stream;
    return 0;
}
