/* Forks that are held off while a thread is where a child could not follow. What else the library does about forks is
 * in tests/process. */
#include "support/memcheck.h"

#include "base/fork.h"
#include "base/time.h"
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKS = 200, THREADS = 3, HELD_AT_LEAST_MS = 100, CHILD_SECONDS = 30 };

static atomic_int inside; /* in the child: how many threads were in between when it was forked */
static atomic_bool over, stay, begun;

/* Forks, and returns the exit code of the child, which says what `in_child` returns; -1 = it came to no end. */
static int exit_code_of(int (*in_child)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        _exit(in_child());
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

static void *come_and_go(void *arg)
{
    while (!atomic_load(&over)) {
        kfk_fork_hold();
        atomic_fetch_add(&inside, 1);
        poll(NULL, 0, 1);
        atomic_fetch_sub(&inside, 1);
        kfk_fork_let();
    }
    return arg;
}

static int how_many_inside(void)
{
    return atomic_load(&inside);
}

static void a_child_is_forked_when_nobody_is_in_between(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int wrong = 0, patient = 0;
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
    for (int i = 0; i < FORKS; i++) {
        int64_t began = kfk_time_now_ms();
        int found = exit_code_of(how_many_inside);
        if (kfk_time_now_ms() - began >= HELD_AT_LEAST_MS) continue; /* it may have lost patience: a busy machine */
        patient++;
        if (found != 0) wrong++;
    }
    atomic_store(&over, true);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    print_message("           %d of %d forks were quick\n", patient, FORKS);
    assert_int_equal(wrong, 0);
    assert_int_equal(inside, 0);
}

static void *enter_during_a_fork(void *arg)
{
    while (!atomic_load(&begun)) poll(NULL, 0, 1);
    kfk_fork_hold();
    atomic_fetch_add(&inside, 1);
    kfk_fork_let();
    return arg;
}

/* Runs after the library's own handler, since it was registered before that. */
static void stay_in_the_fork(void)
{
    if (!atomic_load(&stay)) return;
    atomic_store(&begun, true);
    poll(NULL, 0, 20);
}

static void nobody_comes_in_between_during_a_fork(void **state)
{
    (void)state;
    pthread_t thread;
    atomic_store(&stay, true);
    assert_int_equal(pthread_create(&thread, NULL, enter_during_a_fork, NULL), 0);
    assert_int_equal(exit_code_of(how_many_inside), 0);
    atomic_store(&stay, false);
    pthread_join(thread, NULL);
    assert_int_equal(inside, 1);
}

static void hold_and_let(void)
{
    kfk_fork_hold();
    kfk_fork_let();
}

static void fork_and_wait(void)
{
    exit_code_of(how_many_inside);
}

/* Does it wait for nothing? One try of many, since the machine may be busy. */
static bool is_quick(void (*run)(void))
{
    for (int i = 0; i < 20; i++) {
        int64_t began = kfk_time_now_ms();
        run();
        if (kfk_time_now_ms() - began < HELD_AT_LEAST_MS) return true;
    }
    return false;
}

static int waits_in_vain(void)
{
    return is_quick(fork_and_wait) && is_quick(hold_and_let) ? 0 : 1;
}

static void a_fork_loses_patience_and_its_child_begins_anew(void **state)
{
    (void)state;
    kfk_fork_hold();
    int64_t began = kfk_time_now_ms();
    assert_int_equal(exit_code_of(waits_in_vain), 0);
    assert_true(kfk_time_now_ms() - began >= HELD_AT_LEAST_MS);
    kfk_fork_let();
    assert_int_equal(waits_in_vain(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_child_is_forked_when_nobody_is_in_between),
        MEMCHECK_TEST(nobody_comes_in_between_during_a_fork),
        MEMCHECK_TEST(a_fork_loses_patience_and_its_child_begins_anew),
    };
    if (pthread_atfork(stay_in_the_fork, NULL, NULL) != 0 || kfk_fork_watch(NULL) != 0) return 1;
    return cmocka_run_group_tests_name("base/fork", tests, NULL, NULL);
}
