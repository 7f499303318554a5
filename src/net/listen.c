/* A listening socket on an epoll loop.
 *
 * Edges come once, so everything that waits is accepted, a bounded number per turn. When the system has no descriptor
 * left the edge is gone and the connection still there: a timer tries again, so that a process at its limit neither
 * spins nor forgets who waits. */
#include "net/listen.h"
#include "base/mem.h"
#include "base/time.h"
#include "net/socket.h"
#include "net/source.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 64, AGAIN_MS = 100 };

typedef struct socket_listener {
    kfk_listener listener;
    kfk_source source;
    kfk_timer again;
    kfk_loop *loop;
    int fd;
} socket_listener;

static int system_error(kfk_error *err, const char *what, int number)
{
    char text[128];
    return kfk_error_set(err, KAFKA_EIO, "%s: %s", what, strerror_r(number, text, sizeof text));
}

static void accept_some(socket_listener *s)
{
    int64_t again_ms = kfk_loop_now_ms(s->loop);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        kfk_stream *stream;
        int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            again_ms = kfk_time_add(again_ms, AGAIN_MS);
            break;
        }
        if (fd < 0) continue; /* it went before it was accepted */
        if (kfk_socket_adopt(s->loop, fd, &stream, NULL) != 0)
            close(fd);
        else
            s->listener.accepted(s->listener.owner, stream);
    }
    kfk_loop_timer_set(s->loop, &s->again, again_ms);
}

static void listener_ready(kfk_source *source, unsigned events)
{
    (void)events;
    accept_some(KFK_CONTAINER(source, socket_listener, source));
}

static void again_due(kfk_timer *t)
{
    accept_some(KFK_CONTAINER(t, socket_listener, again));
}

static int listener_local_addr(kfk_listener *l, struct sockaddr *addr, socklen_t *len)
{
    return getsockname(KFK_CONTAINER(l, socket_listener, listener)->fd, addr, len) == 0 ? 0 : KAFKA_EIO;
}

static void listener_close(kfk_listener *l)
{
    socket_listener *s = KFK_CONTAINER(l, socket_listener, listener);
    kfk_loop_timer_clear(s->loop, &s->again);
    kfk_source_remove(s->loop, &s->source, s->fd);
    close(s->fd);
    kfk_mem_free(s);
}

static const kfk_listener_ops listener_ops = {.local_addr = listener_local_addr, .close = listener_close};

int kfk_listen_start(kfk_loop *l, const kfk_address *at, kfk_listener **out, kfk_error *err)
{
    int code = 0, number, one = 1;
    char where[KFK_ADDRESS_TEXT];
    socket_listener *s = kfk_mem_zalloc(sizeof *s);
    if (!s) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a listener");
    s->listener.ops = &listener_ops;
    s->source.ready = listener_ready;
    s->loop = l;
    kfk_timer_init(&s->again, again_due);
    s->fd = socket(at->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        code = system_error(err, "socket", errno);
    else if (setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0)
        code = system_error(err, "setsockopt", errno);
    else if (bind(s->fd, (const struct sockaddr *)&at->addr, at->len) != 0)
        code = system_error(err, "bind", errno);
    else if (listen(s->fd, SOMAXCONN) != 0)
        code = system_error(err, "listen", errno);
    else if ((number = kfk_source_add(l, &s->source, s->fd)) != 0)
        code = system_error(err, "epoll_ctl", number);
    if (code == 0) {
        *out = &s->listener;
        return 0;
    }
    if (s->fd >= 0) close(s->fd);
    kfk_mem_free(s);
    kfk_address_format(at, where, sizeof where);
    return kfk_error_prefix(err, "listening at %s: ", where);
}
