/* See the header. The thread owns all sockets and works under one lock, which it lets go of only to poll; the other
 * functions change the plan under that lock and wake it.
 *
 * Each direction of a connection is a queue of what was read, in pieces with the time at which they are due. It reads
 * only while the queue is short, so that a slow receiver slows the sender as the network would. */
#include "support/memcheck.h"

#include "support/proxy.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINKS = 64, PIECES = 16, PIECE_BYTES = 8192 };

typedef struct piece {
    int64_t due_us;
    size_t len, sent;
    char bytes[PIECE_BYTES];
} piece;

/* One direction: from `in` to `out`. */
typedef struct flow {
    piece pieces[PIECES]; /* a ring */
    size_t first, count;
    int64_t passed;  /* since the plan was set */
    int64_t next_us; /* when the limit of bytes per second allows the next */
    bool ended;      /* the sender has closed */
    bool finished;   /* and the receiver was told */
} flow;

typedef enum link_state { LINK_FREE, LINK_OPEN, LINK_STALLED, LINK_DRAINING } link_state;

typedef struct proxy_link {
    link_state state;
    int client, broker; /* -1 = closed */
    flow up, down;
} proxy_link;

struct proxy {
    pthread_mutex_t lock; /* all that follows */
    proxy_plan plan;
    proxy_link *links;
    int listen_fd; /* -1 = refusing */
    int connections;
    int64_t passed_up, passed_down;
    bool stop;
    /* Constant: */
    struct sockaddr_in to;
    pthread_t thread;
    int wake, port;
    char address[32];
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- sockets ----------------------------------------------------------------------------------------------------- */

static int listen_at(int port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 64) == 0) return fd;
    close(fd);
    return -1;
}

static void close_fd(int *fd, bool reset)
{
    struct linger none = {.l_onoff = 1};
    if (*fd < 0) return;
    if (reset) setsockopt(*fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(*fd);
    *fd = -1;
}

static void forget(proxy_link *k, bool reset)
{
    close_fd(&k->client, reset);
    close_fd(&k->broker, reset);
    k->state = LINK_FREE;
}

/* What becomes of a link that is cut. An end is sent as such: unread bytes would make a reset of it, so both sides are
 * drained until they close. */
static void cut_link(proxy_link *k, proxy_then then)
{
    switch (then) {
    case PROXY_RESET: forget(k, true); return;
    case PROXY_STALL: k->state = LINK_STALLED; return;
    case PROXY_CLOSE: break;
    }
    k->state = LINK_DRAINING;
    shutdown(k->client, SHUT_WR);
    shutdown(k->broker, SHUT_WR);
}

/* ---- moving bytes ------------------------------------------------------------------------------------------------ */

static proxy_way way_of(const proxy_link *k, const flow *f)
{
    return f == &k->up ? PROXY_UP : PROXY_DOWN;
}

static bool is_held(const proxy *x, const proxy_link *k, const flow *f)
{
    return x->plan.hold == way_of(k, f);
}

/* Reads one piece, if there is room. False: the link is no longer open. */
static bool fill(proxy *x, proxy_link *k, flow *f, int in)
{
    if (f->count == PIECES || f->ended) return true;
    piece *p = &f->pieces[(f->first + f->count) % PIECES];
    ssize_t n = recv(in, p->bytes, sizeof p->bytes, 0);
    if (n > 0) {
        p->len = (size_t)n;
        p->sent = 0;
        p->due_us = now_us() + x->plan.delay_ms * 1000;
        f->count++;
    } else if (n == 0) {
        f->ended = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        forget(k, true);
        return false;
    }
    return true;
}

/* How many bytes of the first piece may be sent now; 0 with *at_us when there are, or INT64_MAX. */
static size_t allowed(const proxy *x, const flow *f, size_t left, int64_t now, int64_t *at_us)
{
    const piece *p = &f->pieces[f->first];
    int64_t rate = x->plan.bytes_per_s;
    *at_us = p->due_us > f->next_us ? p->due_us : f->next_us;
    if (*at_us > now) return 0;
    size_t n = p->len - p->sent;
    if (n > left) n = left;
    if (x->plan.piece > 0 && n > (size_t)x->plan.piece) n = (size_t)x->plan.piece;
    size_t burst = rate > 100 ? (size_t)rate / 100 : 1;
    return rate > 0 && n > burst ? burst : n;
}

/* Sends what may be sent. Lowers *at_us to when it should be called again. False: the link is no longer open. */
static bool drain(proxy *x, proxy_link *k, flow *f, int out, int64_t *at_us)
{
    int64_t now = now_us(), next_us;
    bool limited = x->plan.cut == way_of(k, f);
    if (is_held(x, k, f)) return true;
    while (f->count > 0) {
        piece *p = &f->pieces[f->first];
        size_t left = limited ? (size_t)(x->plan.bytes - f->passed) : SIZE_MAX;
        if (left == 0) {
            cut_link(k, x->plan.then);
            return false;
        }
        size_t n = allowed(x, f, left, now, &next_us);
        if (n == 0) {
            if (next_us < *at_us) *at_us = next_us;
            return true;
        }
        ssize_t sent = send(out, p->bytes + p->sent, n, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return true; /* poll tells when to go on */
        if (sent < 0) {
            forget(k, true);
            return false;
        }
        p->sent += (size_t)sent;
        f->passed += sent;
        *(f == &k->up ? &x->passed_up : &x->passed_down) += sent;
        if (x->plan.bytes_per_s > 0) f->next_us = now + sent * 1000000 / x->plan.bytes_per_s;
        if (p->sent < p->len) continue;
        f->first = (f->first + 1) % PIECES;
        f->count--;
    }
    if (f->ended && !f->finished) {
        shutdown(out, SHUT_WR);
        f->finished = true;
    }
    return true;
}

/* Throws away what comes. True: the other side has closed. */
static bool throw_away(int fd)
{
    char bytes[4096];
    for (;;) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n > 0) continue;
        return n == 0 || (errno != EAGAIN && errno != EINTR);
    }
}

static void serve_link(proxy *x, proxy_link *k, int64_t *at_us)
{
    if (k->state == LINK_DRAINING) {
        if (k->client >= 0 && throw_away(k->client)) close_fd(&k->client, false);
        if (k->broker >= 0 && throw_away(k->broker)) close_fd(&k->broker, false);
        if (k->client < 0 && k->broker < 0) k->state = LINK_FREE;
        return;
    }
    if (k->state != LINK_OPEN) return;
    if (!fill(x, k, &k->up, k->client) || !fill(x, k, &k->down, k->broker)) return;
    if (!drain(x, k, &k->up, k->broker, at_us) || !drain(x, k, &k->down, k->client, at_us)) return;
    if (k->up.finished && k->down.finished) forget(k, false);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

/* To the broker; connecting blocks, which takes no time on loopback. */
static int connect_to(const struct sockaddr_in *to)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (const struct sockaddr *)to, sizeof *to) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0) return fd;
    close(fd);
    return -1;
}

/* Without touching the ring: it is large. */
static void flow_begin(flow *f)
{
    f->first = f->count = 0;
    f->passed = f->next_us = 0;
    f->ended = f->finished = false;
}

static proxy_link *free_link(proxy *x)
{
    for (int i = 0; i < LINKS; i++) {
        if (x->links[i].state == LINK_FREE) return &x->links[i];
    }
    return NULL;
}

static void accept_link(proxy *x)
{
    int one = 1, fd = x->listen_fd >= 0 ? accept4(x->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
    if (fd < 0) return;
    x->connections++;
    proxy_link *k = free_link(x);
    int broker = k != NULL ? connect_to(&x->to) : -1;
    if (broker < 0) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    k->state = LINK_OPEN;
    k->client = fd;
    k->broker = broker;
    flow_begin(&k->up);
    flow_begin(&k->down);
}

/* What is to be heard of one socket of a link. */
static short events_of(const proxy *x, const proxy_link *k, const flow *from, const flow *to)
{
    if (k->state == LINK_DRAINING) return POLLIN;
    if (k->state != LINK_OPEN) return 0;
    short events = from->count < PIECES && !from->ended ? POLLIN : 0;
    const piece *p = &to->pieces[to->first];
    if (to->count > 0 && !is_held(x, k, to) && p->due_us <= now_us() && to->next_us <= now_us()) events |= POLLOUT;
    return events;
}

/* Waits for a socket, the wake-up, or the time. The lock is held, and let go of meanwhile. */
static void wait_for_something(proxy *x, int64_t at_us)
{
    struct pollfd fds[2 + 2 * LINKS] = {{.fd = x->wake, .events = POLLIN}, {.fd = x->listen_fd, .events = POLLIN}};
    nfds_t n = 2;
    for (int i = 0; i < LINKS; i++) {
        const proxy_link *k = &x->links[i];
        short client = events_of(x, k, &k->up, &k->down), broker = events_of(x, k, &k->down, &k->up);
        if (client != 0) fds[n++] = (struct pollfd){.fd = k->client, .events = client};
        if (broker != 0) fds[n++] = (struct pollfd){.fd = k->broker, .events = broker};
    }
    int64_t left_us = at_us == INT64_MAX ? -1 : at_us - now_us();
    struct timespec left = {.tv_sec = (time_t)(left_us / 1000000), .tv_nsec = (long)(left_us % 1000000) * 1000};
    if (left_us < 0) left = (struct timespec){0};
    pthread_mutex_unlock(&x->lock);
    ppoll(fds, n, at_us == INT64_MAX ? NULL : &left, NULL);
    pthread_mutex_lock(&x->lock);
    uint64_t woken;
    if (fds[0].revents != 0 && read(x->wake, &woken, sizeof woken) < 0) return;
}

static void *run(void *arg)
{
    proxy *x = arg;
    pthread_mutex_lock(&x->lock);
    while (!x->stop) {
        int64_t at_us = INT64_MAX;
        accept_link(x);
        for (int i = 0; i < LINKS; i++) serve_link(x, &x->links[i], &at_us);
        wait_for_something(x, at_us);
    }
    for (int i = 0; i < LINKS; i++) {
        if (x->links[i].state != LINK_FREE) forget(&x->links[i], false);
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

static void wake(proxy *x)
{
    uint64_t one = 1;
    if (write(x->wake, &one, sizeof one) < 0) return; /* it is awake as it is */
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

proxy *proxy_new(const char *to)
{
    return proxy_new_at(to, 0);
}

proxy *proxy_new_at(const char *to, int at_port)
{
    proxy *x = calloc(1, sizeof *x);
    struct sockaddr_in at = {0};
    socklen_t len = sizeof at;
    char host[32];
    int port;
    assert_non_null(x);
    assert_non_null(x->links = calloc(LINKS, sizeof *x->links));
    assert_int_equal(sscanf(to, "%31[0-9.]:%d", host, &port), 2);
    x->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    assert_int_equal(inet_pton(AF_INET, host, &x->to.sin_addr), 1);
    pthread_mutex_init(&x->lock, NULL);
    assert_true((x->listen_fd = listen_at(at_port)) >= 0);
    assert_int_equal(getsockname(x->listen_fd, (struct sockaddr *)&at, &len), 0);
    x->port = ntohs(at.sin_port);
    snprintf(x->address, sizeof x->address, "127.0.0.1:%d", x->port);
    assert_true((x->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0);
    assert_int_equal(pthread_create(&x->thread, NULL, run, x), 0);
    return x;
}

void proxy_free(proxy *x)
{
    pthread_mutex_lock(&x->lock);
    x->stop = true;
    pthread_mutex_unlock(&x->lock);
    wake(x);
    pthread_join(x->thread, NULL);
    if (x->listen_fd >= 0) close(x->listen_fd);
    close(x->wake);
    pthread_mutex_destroy(&x->lock);
    free(x->links);
    free(x);
}

const char *proxy_address(const proxy *x)
{
    return x->address;
}

int proxy_port(const proxy *x)
{
    return x->port;
}

/* ---- what happens, and what happened ----------------------------------------------------------------------------- */

void proxy_set(proxy *x, const proxy_plan *plan)
{
    pthread_mutex_lock(&x->lock);
    x->plan = *plan;
    x->passed_up = x->passed_down = 0;
    for (int i = 0; i < LINKS; i++) {
        proxy_link *k = &x->links[i];
        k->up.passed = k->down.passed = k->up.next_us = k->down.next_us = 0;
    }
    pthread_mutex_unlock(&x->lock);
    wake(x);
}

void proxy_refuse(proxy *x, bool refuse)
{
    pthread_mutex_lock(&x->lock);
    if (refuse && x->listen_fd >= 0) {
        shutdown(x->listen_fd, SHUT_RDWR); /* while the thread polls it, closing alone would not end it */
        close(x->listen_fd);
        x->listen_fd = -1;
    } else if (!refuse && x->listen_fd < 0) {
        x->listen_fd = listen_at(x->port);
    }
    pthread_mutex_unlock(&x->lock);
    wake(x);
}

void proxy_cut(proxy *x, proxy_then then)
{
    pthread_mutex_lock(&x->lock);
    for (int i = 0; i < LINKS; i++) {
        if (x->links[i].state == LINK_OPEN) cut_link(&x->links[i], then);
    }
    pthread_mutex_unlock(&x->lock);
    wake(x);
}

int proxy_connections(proxy *x)
{
    pthread_mutex_lock(&x->lock);
    int n = x->connections;
    pthread_mutex_unlock(&x->lock);
    return n;
}

int64_t proxy_passed(proxy *x, proxy_way way)
{
    pthread_mutex_lock(&x->lock);
    int64_t n = way == PROXY_UP ? x->passed_up : x->passed_down;
    pthread_mutex_unlock(&x->lock);
    return n;
}
