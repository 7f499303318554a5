/* One thread, one epoll. A connection reads frames into a buffer of its own and writes each answer with one call; what
 * its socket does not take waits, and until it is gone nothing more of that connection is read. */
#include "sink.h"
#include "sink_answer.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENTS = 64, IOV = 256, IN_CAP = 2 << 20, IN_LEAST = 64 * 1024, FRAME_MAX = 512 << 20 };

typedef struct connection {
    int fd;
    uint8_t *in;
    size_t cap, len;
    uint8_t *out; /* what the socket did not take; NULL = nothing */
    size_t out_len, out_at;
} connection;

static int epoll, delay_us;
static kfk_gather answer;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(connection *c, int op, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll, op, c->fd, &e) != 0) die("sink: epoll_ctl");
}

static void end(connection *c)
{
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

/* Sends the answer; keeps what the socket does not take. False when the connection has ended. */
static bool send_answer(connection *c)
{
    size_t total = kfk_gather_len(&answer), sent = 0;
    if (delay_us > 0 && total > 0) usleep((useconds_t)delay_us);
    while (sent < total) {
        struct iovec iov[IOV];
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = kfk_gather_iov_from(&answer, sent, iov, IOV)};
        ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) return false;
        sent += (size_t)n;
    }
    if (sent == total) return true;
    uint8_t *flat = malloc(total);
    if (!flat) die("sink: memory");
    kfk_gather_copy(&answer, flat);
    c->out = flat;
    c->out_len = total;
    c->out_at = sent;
    watch(c, EPOLL_CTL_MOD, EPOLLOUT);
    return true;
}

/* Answers the frames that are there, until one answer has to wait. False when the connection has ended. */
static bool serve(connection *c)
{
    size_t at = 0;
    while (!c->out && c->len - at >= 4) {
        const uint8_t *p = c->in + at;
        size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        if (len > FRAME_MAX) return false;
        if (c->len - at - 4 < len) {
            if (len + 4 > c->cap && !(c->in = realloc(c->in, c->cap = len + 4 + IN_LEAST))) die("sink: memory");
            break;
        }
        kfk_gather_clear(&answer);
        if (!sink_answer(p + 4, len, &answer) || !send_answer(c)) return false;
        at += 4 + len;
    }
    if (at > 0) memmove(c->in, c->in + at, c->len - at);
    c->len -= at;
    return true;
}

static bool receive(connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->len, c->cap - c->len, MSG_DONTWAIT);
    if (n <= 0) return n < 0 && errno == EAGAIN;
    c->len += (size_t)n;
    return serve(c);
}

static bool send_rest(connection *c)
{
    ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN;
    c->out_at += (size_t)n;
    if (c->out_at < c->out_len) return true;
    free(c->out);
    c->out = NULL;
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    return serve(c);
}

static void accept_one(int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    connection *c = calloc(1, sizeof *c);
    if (!c || !(c->in = malloc(IN_CAP))) die("sink: memory");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->fd = fd;
    c->cap = IN_CAP;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void run(int listener)
{
    connection self = {.fd = listener};
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) die("sink: epoll");
    watch(&self, EPOLL_CTL_ADD, EPOLLIN);
    kfk_gather_init(&answer, SIZE_MAX);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        if (n < 0 && errno != EINTR) die("sink: epoll_wait");
        for (int i = 0; i < n; i++) {
            connection *c = events[i].data.ptr;
            if (c == &self)
                accept_one(listener);
            else if (!(c->out ? send_rest(c) : receive(c)))
                end(c);
        }
    }
}

static int listen_at(int *port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("sink: socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&addr, len) != 0 || listen(fd, 1024) != 0) die("sink: listen");
    getsockname(fd, (struct sockaddr *)&addr, &len);
    *port = ntohs(addr.sin_port);
    return fd;
}

sink sink_start(const sink_config *config)
{
    sink_config c = config ? *config : (sink_config){0};
    int listener = listen_at(&c.port);
    sink_counts *counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED) die("sink: memory");
    pid_t pid = fork();
    if (pid < 0) die("sink: fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        delay_us = c.delay_us;
        sink_answer_init(&c, counts);
        run(listener);
    }
    close(listener);
    return (sink){pid, c.port, counts};
}

void sink_stop(const sink *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    munmap((void *)(uintptr_t)s->counts, sizeof *s->counts);
}
