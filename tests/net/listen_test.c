/* Listening sockets of a loop: who comes is accepted, also when the process was out of descriptors for a while. */
#include "net_test.h"

#include "net/listen.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 300 };

typedef struct hall {
    kfk_listener *listener;
    kfk_address where;
    int code;
    kfk_error err;
    kfk_stream *guests[MOST];
    atomic_int count, turns;
} hall;

static void welcome(void *owner, kfk_stream *stream)
{
    hall *h = owner;
    int n = atomic_load(&h->count);
    h->guests[n] = stream;
    atomic_store(&h->count, n + 1);
}

static void open_hall(kfk_loop *l, void *arg)
{
    hall *h = arg;
    h->code = kfk_loop_listen(l, &h->where, &h->listener, &h->err);
    if (h->code != 0) return;
    socklen_t len = sizeof h->where.addr;
    h->listener->owner = h;
    h->listener->accepted = welcome;
    h->code = h->listener->ops->local_addr(h->listener, (struct sockaddr *)&h->where.addr, &len);
}

static void close_hall(kfk_loop *l, void *arg)
{
    hall *h = arg;
    (void)l;
    if (h->listener) h->listener->ops->close(h->listener);
    for (int i = 0; i < atomic_load(&h->count); i++) h->guests[i]->ops->close(h->guests[i]);
}

static void hall_begin(hall *h, kfk_loop *l, const char *ip)
{
    memset(h, 0, sizeof *h);
    assert_true(kfk_address_numeric(ip, 0, &h->where));
    run_held(l, open_hall, h);
    if (h->code != 0) fail_msg("%s", h->err.text);
}

static int dial(const hall *h)
{
    int fd = socket(h->where.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&h->where.addr, h->where.len) != 0)
        fail_msg("connect: %s", strerror(errno));
    return fd;
}

static void whoever_comes_is_accepted(void **state)
{
    (void)state;
    enum { COUNT = 200 }; /* more than in a turn */
    kfk_loop *l = loop_start();
    hall h;
    int fds[COUNT];
    hall_begin(&h, l, "127.0.0.1");
    assert_true(port_of(&h.where) > 0);
    for (int i = 0; i < COUNT; i++) fds[i] = dial(&h);
    assert_true(eventually_equal(&h.count, COUNT));
    run_turning(l, close_hall, &h);
    for (int i = 0; i < COUNT; i++) {
        char byte;
        assert_int_equal(read(fds[i], &byte, 1), 0);
        close(fds[i]);
    }
    loop_end(l);
}

static void nobody_is_accepted_after_the_end(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    hall h;
    hall_begin(&h, l, own_ip()); /* nobody else takes the port meanwhile */
    run_turning(l, close_hall, &h);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&h.where.addr, h.where.len), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    hall again = {.where = h.where}; /* the port is free at once */
    run_held(l, open_hall, &again);
    assert_int_equal(again.code, 0);
    run_turning(l, close_hall, &again);
    loop_end(l);
}

static void a_port_that_is_taken_is_named(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    hall h, second;
    char port[8];
    hall_begin(&h, l, "127.0.0.1");
    memset(&second, 0, sizeof second);
    second.where = h.where;
    run_held(l, open_hall, &second);
    assert_int_equal(second.code, KAFKA_EIO);
    snprintf(port, sizeof port, ":%d", (int)port_of(&h.where));
    assert_non_null(strstr(second.err.text, port));
    assert_non_null(strstr(second.err.text, "bind"));
    assert_null(second.listener);
    run_turning(l, close_hall, &h);
    loop_end(l);
}

/* The edge of those who wait is gone when there is a descriptor again: nobody else has to come for them. */
static void who_came_while_there_was_no_descriptor_is_accepted_later(void **state)
{
    (void)state;
    enum { COUNT = 40, ROOM = 10 };
    kfk_loop *l = loop_start();
    hall h;
    struct rlimit before, tight;
    int fds[COUNT];
    hall_begin(&h, l, "127.0.0.1");
    for (int i = 0; i < COUNT; i++) { /* made while there is room; they connect when there is none */
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fds[i] >= 0);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)fds[COUNT - 1] + 1 + ROOM;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    for (int i = 0; i < COUNT; i++) /* the system accepts them in the listener's place */
        assert_int_equal(connect(fds[i], (struct sockaddr *)&h.where.addr, h.where.len), 0);
    assert_true(eventually_equal(&h.count, ROOM));
    int64_t until = kfk_time_now_ms() + 250; /* it tries again, in vain */
    while (kfk_time_now_ms() < until) assert_int_equal(atomic_load(&h.count), ROOM);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(eventually_equal(&h.count, COUNT));
    run_turning(l, close_hall, &h);
    for (int i = 0; i < COUNT; i++) close(fds[i]);
    loop_end(l);
}

static void without_memory_a_guest_is_turned_away_and_the_next_one_comes_in(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    hall h;
    char byte;
    hall_begin(&h, l, "127.0.0.1");
    memcheck_fail_from(1);
    int fd = dial(&h);
    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);
    memcheck_fail_at(0);
    fd = dial(&h);
    assert_true(eventually_equal(&h.count, 1));
    run_turning(l, close_hall, &h);
    close(fd);
    MEMCHECK_EACH_FAILURE(n)
    {
        hall other;
        memset(&other, 0, sizeof other);
        assert_true(kfk_address_numeric("127.0.0.1", 0, &other.where));
        run_held(l, open_hall, &other);
        assert_int_equal(other.code, memcheck_failed() ? KAFKA_ENOMEM : 0);
        run_turning(l, close_hall, &other);
    }
    loop_end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(whoever_comes_is_accepted),
        NET_TEST(nobody_is_accepted_after_the_end),
        NET_TEST(a_port_that_is_taken_is_named),
        NET_TEST(who_came_while_there_was_no_descriptor_is_accepted_later),
        NET_TEST(without_memory_a_guest_is_turned_away_and_the_next_one_comes_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
