/* Whole programs: how they end with the library at work, and how they load and unload it. Each way many times, since
 * what goes wrong at an exit is a matter of luck. */
#include "process/child.h"

#include <spawn.h>

extern char **environ;

#ifdef __SANITIZE_THREAD__
enum { TIMES = 2 }; /* it keeps each program for a second at its end */
#else
enum { TIMES = 25 };
#endif

static void run(char *const args[], int code)
{
    pid_t pid;
    int err = posix_spawn(&pid, args[0], NULL, NULL, args, environ);
    if (err != 0) fail_msg("%s: %s", args[0], strerror(err));
    child_expect(pid, code);
}

static void end_by(const char *how, int code)
{
    tcp_peer *p = TCP_PEER({0});
    char *args[] = {(char *)(uintptr_t)EXIT_PROGRAM, (char *)(uintptr_t)how, (char *)(uintptr_t)tcp_peer_address(p),
                    NULL};
    for (int i = 0; i < TIMES; i++) run(args, code);
    tcp_peer_free(p);
}

static void main_returns_with_handles_open(void **state)
{
    (void)state;
    end_by("return", 0);
}

static void exit_with_handles_open_keeps_its_code(void **state)
{
    (void)state;
    end_by("exit", 7);
    end_by("quick_exit", 7);
    end_by("_exit", 7);
}

static void exit_while_a_call_waits_in_another_thread(void **state)
{
    (void)state;
    end_by("exit-while-another-waits", 7);
    end_by("exit-elsewhere-while-main-waits", 7);
}

static void main_may_end_before_the_other_threads(void **state)
{
    (void)state;
    end_by("main-ends-first", 7);
}

static void handles_may_be_freed_at_exit(void **state)
{
    (void)state;
    end_by("free-at-exit", 7);
}

/* ---- dlopen ------------------------------------------------------------------------------------------------------ */

static void load_and(const char *how)
{
    tcp_peer *p = TCP_PEER({0});
    char *args[] = {(char *)(uintptr_t)DLOPEN_PROGRAM, (char *)(uintptr_t)KAFKA_LIBRARY, (char *)(uintptr_t)how,
                    (char *)(uintptr_t)tcp_peer_address(p), NULL};
    for (int i = 0; i < TIMES / 2; i++) run(args, 0);
    tcp_peer_free(p);
}

static void a_program_loads_and_unloads_the_library_twice(void **state)
{
    (void)state;
    load_and("freed");
}

static void dlclose_leaves_open_handles_alive(void **state)
{
    (void)state;
    load_and("left");
}

static void a_fork_after_dlclose_is_noticed(void **state)
{
    (void)state;
    CHILD_SKIP_UNLESS(CHILD_MAY_START_THREADS);
    load_and("fork");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(main_returns_with_handles_open),
        API_TEST(exit_with_handles_open_keeps_its_code),
        API_TEST(exit_while_a_call_waits_in_another_thread),
        API_TEST(main_may_end_before_the_other_threads),
        API_TEST(handles_may_be_freed_at_exit),
        API_TEST(a_program_loads_and_unloads_the_library_twice),
        API_TEST(dlclose_leaves_open_handles_alive),
        API_TEST(a_fork_after_dlclose_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
