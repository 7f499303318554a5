#include "net_test.h"

#include "base/mem.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int fds_at_start;

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

void latch_init(latch *l)
{
    sem_init(&l->count, 0, 0);
}

void latch_post(latch *l)
{
    sem_post(&l->count);
}

bool latch_wait(latch *l)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    int err;
    while ((err = sem_timedwait(&l->count, &until)) != 0 && errno == EINTR) continue;
    return err == 0;
}

bool eventually(bool (*holds)(void *), void *arg)
{
    int64_t deadline = kfk_time_now_ms() + PATIENCE_MS;
    while (!holds(arg)) {
        if (kfk_time_now_ms() > deadline) return false;
        poll(NULL, 0, 1);
    }
    return true;
}

typedef struct comparison {
    const atomic_int *value;
    int expected;
} comparison;

static bool is_equal(void *arg)
{
    comparison *c = arg;
    return atomic_load(c->value) == c->expected;
}

bool eventually_equal(const atomic_int *value, int expected)
{
    comparison c = {value, expected};
    return eventually(is_equal, &c);
}

/* ---- set-up and tear-down ---------------------------------------------------------------------------------------- */

int open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int count = 0;
    if (!d) return -1;
    while (readdir(d)) count++;
    closedir(d);
    return count - 3; /* ".", "..", and the directory's own */
}

int threads_named(const char *name)
{
    DIR *d = opendir("/proc/self/task");
    int count = 0;
    struct dirent *entry;
    if (!d) return -1;
    while ((entry = readdir(d)) != NULL) {
        char path[300], text[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        if (fgets(text, sizeof text, f) && strncmp(text, name, strlen(name)) == 0) count++;
        fclose(f);
    }
    closedir(d);
    return count;
}

int net_setup(void **state)
{
    fds_at_start = open_fds();
    return memcheck_setup(state);
}

static bool nothing_is_left(void *arg)
{
    (void)arg;
    return memcheck_blocks() == 0 && open_fds() == fds_at_start;
}

int net_teardown(void **state)
{
    memcheck_fail_at(0);
    eventually(nothing_is_left, NULL);
    int fds = open_fds();
    if (fds != fds_at_start) fail_msg("%d descriptors were open before, %d are now", fds_at_start, fds);
    return memcheck_teardown(state);
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */

kfk_loop *loop_start(void)
{
    kfk_loop *l = NULL;
    kfk_error err = {0};
    if (kfk_loop_new("kafka-test", &l, &err) != 0) fail_msg("no loop: %s", err.text);
    return l;
}

void loop_end(kfk_loop *l)
{
    kfk_loop_unuse(l);
    kfk_loop_drop(l);
}

typedef struct visit {
    kfk_op op;
    kfk_task deferred;
    kfk_loop *loop;
    void (*fn)(kfk_loop *, void *);
    void *arg;
    bool turning;
} visit;

static void visit_run(visit *v)
{
    v->fn(v->loop, v->arg);
    kfk_op_finish_loop(v->loop, &v->op);
}

static void visit_deferred(kfk_task *t)
{
    visit_run(KFK_CONTAINER(t, visit, deferred));
}

static void visit_submitted(kfk_task *t)
{
    visit *v = KFK_CONTAINER(t, visit, op.task);
    if (v->turning)
        kfk_loop_defer(v->loop, &v->deferred);
    else
        visit_run(v);
}

static void visit_free(kfk_op *op)
{
    free(KFK_CONTAINER(op, visit, op));
}

static void visit_loop(kfk_loop *l, void (*fn)(kfk_loop *, void *), void *arg, bool turning)
{
    visit *v = calloc(1, sizeof *v);
    if (!v) abort();
    kfk_op_init(&v->op, visit_submitted, visit_free);
    v->deferred.run = visit_deferred;
    v->loop = l;
    v->fn = fn;
    v->arg = arg;
    v->turning = turning;
    kfk_loop_submit(l, &v->op.task);
    int err = kfk_op_wait(l, &v->op, kfk_time_now_ms() + PATIENCE_MS);
    kfk_op_drop(&v->op);
    if (err != 0) fail_msg("the loop does not answer");
}

void run_held(kfk_loop *l, void (*fn)(kfk_loop *, void *), void *arg)
{
    visit_loop(l, fn, arg, false);
}

void loop_change(kfk_loop *l, void (*fn)(kfk_loop *, void *), void *arg)
{
    pthread_mutex_lock(&l->baton.lock);
    fn(l, arg);
    pthread_mutex_unlock(&l->baton.lock);
}

void run_turning(kfk_loop *l, void (*fn)(kfk_loop *, void *), void *arg)
{
    visit_loop(l, fn, arg, true);
}

typedef struct look {
    kfk_loop *loop;
    bool quiet;
} look;

static void look_at(kfk_loop *l, void *arg)
{
    look *q = arg;
    /* while it sleeps the time for which it published to wake up is to come */
    q->quiet = l->asleep && !l->deferred && l->wake_at_ms > l->now_ms;
}

/* Does the thread of the loop wait in the kernel? One that was woken and has not come round yet does not. */
static bool thread_sleeps(void)
{
    DIR *d = opendir("/proc/self/task");
    bool sleeps = true;
    struct dirent *entry;
    if (!d) return false;
    while ((entry = readdir(d)) != NULL) {
        char path[300], text[256] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        if (fgets(text, sizeof text, f) && strstr(text, "(kafka-test)") && !strstr(text, "(kafka-test) S"))
            sleeps = false;
        fclose(f);
    }
    closedir(d);
    return sleeps;
}

static bool is_quiet(void *arg)
{
    look *q = arg;
    if (!thread_sleeps()) return false;
    run_held(q->loop, look_at, q); /* second, so that all it did before is seen afterwards */
    return q->quiet;
}

bool loop_is_quiet(kfk_loop *l)
{
    look q = {.loop = l};
    return eventually(is_quiet, &q);
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

int listen_on(const char *ip, int backlog, kfk_address *where)
{
    if (!kfk_address_numeric(ip, 0, where)) fail_msg("%s is no address", ip);
    int fd = socket(where->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (bind(fd, (struct sockaddr *)&where->addr, where->len) != 0 || listen(fd, backlog) != 0) {
        close(fd);
        return -1;
    }
    where->len = sizeof where->addr;
    getsockname(fd, (struct sockaddr *)&where->addr, &where->len);
    return fd;
}

const char *own_ip(void)
{
    static char ip[INET_ADDRSTRLEN];
    unsigned pid = (unsigned)getpid();
    snprintf(ip, sizeof ip, "127.%u.%u.%u", 64 + (pid >> 16) % 64, pid >> 8 & 255, pid & 255);
    return ip;
}

uint16_t port_of(const kfk_address *a)
{
    if (a->addr.ss_family == AF_INET) return ntohs(((const struct sockaddr_in *)(const void *)&a->addr)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)(const void *)&a->addr)->sin6_port);
}

void refusing(const char *ip, kfk_address *where)
{
    /* below the range from which the kernel takes ports, so that nobody gets it meanwhile */
    for (uint16_t port = 20000; port < 30000; port++) {
        if (!kfk_address_numeric(ip, port, where)) fail_msg("%s is no address", ip);
        int fd = socket(where->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) return; /* no such family: that refuses as well */
        bool is_free = bind(fd, (struct sockaddr *)&where->addr, where->len) == 0 || errno != EADDRINUSE;
        close(fd);
        if (is_free) return;
    }
    fail_msg("no port is free");
}

/* Of a listener the kernel tells here how many wait to be accepted (unacked), and how many may (sacked): one more than
 * that number has room, and then no SYN is answered. */
static struct tcp_info queue_of(const black_hole *b)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    getsockopt(b->fds[0], IPPROTO_TCP, TCP_INFO, &info, &len);
    return info;
}

/* The last step of a handshake arrives after connect has returned. */
static bool all_are_queued(void *arg)
{
    const black_hole *b = arg;
    return queue_of(b).tcpi_unacked == (unsigned)b->count - 1;
}

bool black_hole_begin(black_hole *b, const char *ip)
{
    b->count = 0;
    int listener = listen_on(ip, 0, &b->where);
    if (listener < 0) return false;
    b->fds[b->count++] = listener;
    while (queue_of(b).tcpi_unacked <= queue_of(b).tcpi_sacked) {
        int fd = b->count < 16 ? socket(b->where.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
        if (fd < 0) return false;
        b->fds[b->count++] = fd;
        if (connect(fd, (struct sockaddr *)&b->where.addr, b->where.len) != 0) return false;
        if (!eventually(all_are_queued, b)) return false;
    }
    return true;
}

void black_hole_open(black_hole *b)
{
    while (b->count > 1) {
        int fd = accept_one(b->fds[0]);
        close(b->fds[--b->count]);
        if (fd >= 0) close(fd);
    }
}

void black_hole_end(black_hole *b)
{
    while (b->count > 0) close(b->fds[--b->count]);
}

int accept_one(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    if (poll(&p, 1, PATIENCE_MS) != 1) return -1;
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}
