/* manual: what the tests of manual loops have in common. */
#ifndef KAFKA_TESTS_API_MANUAL_H
#define KAFKA_TESTS_API_MANUAL_H
#include "api/calls.h"
#include <dirent.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

/* ---- set-up: neither memory, nor a descriptor, nor a thread may be left ------------------------------------------ */

static inline int entries(const char *path, const char *comm)
{
    int n = 0;
    DIR *dir = opendir(path);
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        char file[300], line[64] = "";
        if (d->d_name[0] == '.') continue;
        snprintf(file, sizeof file, "%s/%s/comm", path, d->d_name);
        FILE *f = comm != NULL ? fopen(file, "r") : NULL;
        if (f != NULL && fgets(line, sizeof line, f) == NULL) line[0] = '\0';
        if (f != NULL) fclose(f);
        n += comm == NULL || strncmp(line, comm, strlen(comm)) == 0;
    }
    if (dir != NULL) closedir(dir);
    return n;
}

static inline int open_fds(void)
{
    return entries("/proc/self/fd", NULL);
}

/* One that was joined is listed until the kernel has done with it. */
static inline bool no_io_thread(void)
{
    int64_t until = kafka_now_ms() + PATIENCE_MS;
    while (entries("/proc/self/task", "kafka-io") > 0 && kafka_now_ms() < until) poll(NULL, 0, 1);
    return entries("/proc/self/task", "kafka-io") == 0;
}

/* The peer closes its ends a little later, and a resolver's thread may hold a loop a while longer. */
static inline bool descriptors_become(int count)
{
    int64_t until = kafka_now_ms() + PATIENCE_MS;
    while (open_fds() != count && kafka_now_ms() < until) poll(NULL, 0, 1);
    return open_fds() == count;
}

static int fds_before;

static inline int setup(void **state)
{
    fds_before = open_fds();
    return memcheck_setup(state);
}

static inline int teardown(void **state)
{
    if (!descriptors_become(fds_before))
        fail_msg("%d descriptors were open before, %d are now", fds_before, open_fds());
    return calls_teardown(state);
}
#define LOOP_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static inline kafka_loop *manual_loop(void)
{
    kafka_loop *l = NULL;
    assert_works(kafka_loop_new(&(kafka_loop_config){.manual = 1}, &l));
    return l;
}

static inline kafka_conn *dial_on(tcp_peer *p, kafka_loop *l)
{
    kafka_conn *c = NULL;
    assert_works(
        kafka_dial_leader(&(kafka_dialer){.loop = l}, KAFKA_WITHIN(PATIENCE_MS), tcp_peer_address(p), "t", 0, &c));
    return c;
}

static inline bool readable(kafka_loop *l, int ms)
{
    struct pollfd p = {.fd = kafka_loop_fd(l), .events = POLLIN};
    return poll(&p, 1, ms) == 1 && p.revents == POLLIN;
}

static inline bool wait_until(const atomic_int *value, int at_least)
{
    int64_t until = kafka_now_ms() + PATIENCE_MS;
    while (atomic_load(value) < at_least && kafka_now_ms() < until) poll(NULL, 0, 1);
    return atomic_load(value) >= at_least;
}

/* Turns the loop until it is quiet, as an application does that waits for nothing. */
static inline void turn_until_quiet(kafka_loop *l)
{
    for (int i = 0; i < 100 && (readable(l, 0) || kafka_loop_timeout_ms(l) == 0); i++) assert_works(kafka_loop_run(l));
    assert_false(readable(l, 0));
}

/* Waits as long as the loop says, and runs it: it must never say longer than what the test waits for takes. */
static inline void turn_once(kafka_loop *l)
{
    int64_t ms = kafka_loop_timeout_ms(l), before = kafka_now_ms();
    readable(l, ms < 0 || ms > PATIENCE_MS ? PATIENCE_MS : (int)ms);
    assert_true(kafka_now_ms() - before < PATIENCE_MS);
    assert_works(kafka_loop_run(l));
}

/* For what happens soon on another thread, by what the loop does. */
static inline void turn_until(kafka_loop *l, const atomic_int *done)
{
    int64_t until = kafka_now_ms() + PATIENCE_MS;
    while (!atomic_load(done) && kafka_now_ms() < until) {
        readable(l, 1);
        assert_works(kafka_loop_run(l));
    }
    assert_true(atomic_load(done));
}

/* ---- an application's own event loop, on a thread of its own ----------------------------------------------------- */

typedef struct app {
    kafka_loop *loops[2];
    int count;
    bool by_epoll;
    int stop_fd;
    atomic_int turns, refused;
    pthread_t thread;
} app;

static inline int app_timeout(app *a)
{
    int64_t least = -1;
    for (int i = 0; i < a->count; i++) {
        int64_t ms = kafka_loop_timeout_ms(a->loops[i]);
        if (ms >= 0 && (least < 0 || ms < least)) least = ms;
    }
    return least > 1000000 ? 1000000 : (int)least;
}

static inline void app_turn(app *a)
{
    for (int i = 0; i < a->count; i++) {
        if (kafka_loop_run(a->loops[i]) == 0)
            atomic_fetch_add(&a->turns, 1);
        else
            atomic_fetch_add(&a->refused, 1);
    }
}

static inline void *app_by_poll(void *arg)
{
    app *a = arg;
    struct pollfd p[3] = {{.fd = a->stop_fd, .events = POLLIN}};
    for (int i = 0; i < a->count; i++) p[i + 1] = (struct pollfd){.fd = kafka_loop_fd(a->loops[i]), .events = POLLIN};
    do {
        app_turn(a);
        poll(p, (nfds_t)a->count + 1, app_timeout(a));
    } while (!p[0].revents);
    return NULL;
}

static inline void *app_by_epoll(void *arg)
{
    app *a = arg;
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = -1}, got[3];
    epoll_ctl(ep, EPOLL_CTL_ADD, a->stop_fd, &ev);
    for (int i = 0; i < a->count; i++) {
        ev.data.fd = i;
        epoll_ctl(ep, EPOLL_CTL_ADD, kafka_loop_fd(a->loops[i]), &ev);
    }
    for (bool stop = false; !stop;) {
        app_turn(a);
        int n = epoll_wait(ep, got, 3, app_timeout(a));
        for (int i = 0; i < n; i++) stop = stop || got[i].data.fd == -1;
    }
    close(ep);
    return NULL;
}

/* Returns when it has turned its loops: then it is the one that turned them last. */
static inline void app_start(app *a)
{
    a->stop_fd = eventfd(0, EFD_CLOEXEC);
    a->thread = calls_start(a->by_epoll ? app_by_epoll : app_by_poll, a);
    assert_true(wait_until(&a->turns, a->count));
}

static inline void app_stop(app *a)
{
    uint64_t one = 1;
    assert_int_equal(write(a->stop_fd, &one, sizeof one), sizeof one);
    pthread_join(a->thread, NULL);
    close(a->stop_fd);
}

/* A read on a thread of its own. */
typedef struct reading {
    kafka_conn *conn;
    int err;
    int64_t ended_ms;
    atomic_int done;
} reading;

static inline void *read_one(void *arg)
{
    reading *r = arg;
    kafka_message *m = NULL;
    r->err = kafka_conn_read_message(r->conn, 0, &m);
    r->ended_ms = kafka_now_ms();
    kafka_message_free(m);
    atomic_store(&r->done, 1);
    return NULL;
}

#endif
