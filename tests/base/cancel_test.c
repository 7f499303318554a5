/* cancel_test.c: a token fires once and for ever, wherever and whenever somebody begins to watch it. */
#include "support/memcheck.h"

#include "base/cancel.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void a_fired_token_stays_fired(void **state)
{
    (void)state;
    kfk_cancel *c = kfk_cancel_new();
    assert_false(kfk_cancel_fired(c));
    kfk_cancel_fire(c);
    kfk_cancel_fire(c);
    assert_true(kfk_cancel_fired(c));
    kfk_cancel_drop(c);
}

static void no_token_counts_as_not_fired(void **state)
{
    (void)state;
    assert_false(kfk_cancel_fired(NULL));
    assert_null(kfk_cancel_hold(NULL));
    kfk_cancel_drop(NULL);
}

static void the_eventfd_turns_readable_in_either_order(void **state)
{
    (void)state;
    kfk_cancel *c = kfk_cancel_new();
    int fd = kfk_cancel_fd(c);
    assert_true(fd >= 0);
    assert_false(readable(fd));
    kfk_cancel_fire(c);
    assert_true(readable(fd));
    assert_int_equal(kfk_cancel_fd(c), fd);
    kfk_cancel_drop(c);

    c = kfk_cancel_new();
    kfk_cancel_fire(c);
    assert_true(readable(kfk_cancel_fd(c)));
    kfk_cancel_drop(c);
}

static void the_last_holder_closes_the_eventfd(void **state)
{
    (void)state;
    kfk_cancel *c = kfk_cancel_new();
    int fd = kfk_cancel_fd(c);
    assert_ptr_equal(kfk_cancel_hold(c), c);
    kfk_cancel_drop(c);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    kfk_cancel_drop(c);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void without_memory_there_is_no_token(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_cancel *c = kfk_cancel_new();
        assert_int_equal(c == NULL, memcheck_failed());
        kfk_cancel_drop(c);
    }
}

static kfk_cancel *of_handler;

static void fire_in_handler(int signal)
{
    (void)signal;
    kfk_cancel_fire(of_handler);
}

static void a_signal_handler_may_fire_and_errno_is_kept(void **state)
{
    (void)state;
    of_handler = kfk_cancel_new();
    int fd = kfk_cancel_fd(of_handler);
    struct sigaction old, act = {.sa_handler = fire_in_handler};
    sigaction(SIGUSR1, &act, &old);
    errno = ENOENT;
    raise(SIGUSR1);
    assert_int_equal(errno, ENOENT);
    assert_true(readable(fd));
    sigaction(SIGUSR1, &old, NULL);
    kfk_cancel_drop(of_handler);
}

/* In the child: 0 when its copy of the token fires, and has an eventfd of its own. */
static int child_fires(kfk_cancel *c, int parents)
{
    if (fcntl(parents, F_GETFD) < 0) return 1;
    kfk_cancel_fire(c);
    if (!kfk_cancel_fired(c)) return 2;
    int fd = kfk_cancel_fd(c);
    if (fd < 0 || !readable(fd) || kfk_cancel_fd(c) != fd) return 3;
    if (fcntl(parents, F_GETFD) >= 0) return 4; /* let go of: `fd` was made before it was closed */
    kfk_cancel_drop(c);
    return fcntl(fd, F_GETFD) < 0 ? 0 : 5;
}

static void a_forked_child_does_not_wake_its_parent(void **state)
{
    (void)state;
    kfk_cancel *c = kfk_cancel_new();
    int fd = kfk_cancel_fd(c), status = -1;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(child_fires(c, fd));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_false(readable(fd));
    assert_false(kfk_cancel_fired(c));
    kfk_cancel_drop(c);
}

/* In the child: the descriptor of a token that it does not use is closed. */
static int child_disowns(kfk_cancel *c, int parents)
{
    kfk_cancel *held = kfk_cancel_hold(c); /* a connection of the parent's, which never lets go here */
    kfk_cancel_disown(c);
    if (fcntl(parents, F_GETFD) >= 0) return 1;
    kfk_cancel_disown(c);
    kfk_cancel_drop(c);
    return kfk_cancel_fired(held) ? 2 : 0;
}

static void a_forked_child_lets_go_of_the_eventfd(void **state)
{
    (void)state;
    kfk_cancel *c = kfk_cancel_new();
    int fd = kfk_cancel_fd(c), status = -1;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(child_disowns(c, fd));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    kfk_cancel_disown(c); /* here it changes nothing */
    assert_int_equal(kfk_cancel_fd(c), fd);
    kfk_cancel_fire(c);
    assert_true(readable(fd));
    kfk_cancel_drop(c);
}

static void *fire(void *c)
{
    kfk_cancel_fire(c);
    return NULL;
}

static void *watch(void *c)
{
    return (void *)(intptr_t)kfk_cancel_fd(c);
}

static void firing_and_watching_at_once_never_misses(void **state)
{
    (void)state;
    for (int i = 0; i < 500; i++) {
        kfk_cancel *c = kfk_cancel_new();
        pthread_t firing, watching;
        void *seen;
        assert_int_equal(pthread_create(&watching, NULL, watch, c), 0);
        assert_int_equal(pthread_create(&firing, NULL, fire, c), 0);
        int fd = kfk_cancel_fd(c);
        pthread_join(firing, NULL);
        pthread_join(watching, &seen);
        assert_int_equal((intptr_t)seen, fd);
        assert_true(readable(fd));
        kfk_cancel_drop(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_fired_token_stays_fired),
        MEMCHECK_TEST(no_token_counts_as_not_fired),
        MEMCHECK_TEST(the_eventfd_turns_readable_in_either_order),
        MEMCHECK_TEST(the_last_holder_closes_the_eventfd),
        MEMCHECK_TEST(without_memory_there_is_no_token),
        MEMCHECK_TEST(a_signal_handler_may_fire_and_errno_is_kept),
        MEMCHECK_TEST(a_forked_child_does_not_wake_its_parent),
        MEMCHECK_TEST(a_forked_child_lets_go_of_the_eventfd),
        MEMCHECK_TEST(firing_and_watching_at_once_never_misses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
