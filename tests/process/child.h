/* child: forked children of a test, which say by their exit code what they found.
 *
 * In a child nothing asserts: cmocka would go on with the tests there. CHECK leaves the child with the number of its
 * line. A child that hangs is killed by SIGALRM. */
#ifndef KAFKA_TESTS_PROCESS_CHILD_H
#define KAFKA_TESTS_PROCESS_CHILD_H
#include "api/calls.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_SECONDS = 30 };

/* What the sanitizers of gcc 12 cannot do in the child of a process with many threads. The thread sanitizer starts none
 * there. The address sanitizer's allocator may have been locked by another thread when the fork came. */
#ifdef __SANITIZE_THREAD__
enum { CHILD_MAY_START_THREADS = 0, CHILD_MAY_ALLOCATE = 0 };
#elif defined(__SANITIZE_ADDRESS__)
enum { CHILD_MAY_START_THREADS = 1, CHILD_MAY_ALLOCATE = 0 };
#else
enum { CHILD_MAY_START_THREADS = 1, CHILD_MAY_ALLOCATE = 1 };
#endif
#define CHILD_SKIP_UNLESS(can)                                                     \
    do {                                                                           \
        if (!(can)) {                                                              \
            print_message("           not under this sanitizer: " #can " is 0\n"); \
            skip();                                                                \
        }                                                                          \
    } while (0)

/* In the child: ends it with a code that tells where, 1 ... 250, unless the condition holds. */
#define CHECK(condition)                             \
    do {                                             \
        if (!(condition)) _exit(1 + __LINE__ % 250); \
    } while (0)

/* 0 in the child, whose time is limited from now on. */
static inline pid_t child_fork(void)
{
    pid_t pid = fork();
    if (pid == 0) alarm(CHILD_SECONDS);
    return pid;
}

/* Waits for a child and fails the test unless it ended with this code. */
#define child_expect(pid, code) child_check((pid), (code), __FILE__, __LINE__)
static inline void child_check(pid_t pid, int code, const char *file, int line)
{
    int status = -1;
    pid_t ended;
    if (pid < 0) fail_msg("%s:%d: fork: %s", file, line, strerror(errno));
    do {
        ended = waitpid(pid, &status, 0);
    } while (ended < 0 && errno == EINTR);
    if (ended != pid) fail_msg("%s:%d: waitpid: %s", file, line, strerror(errno));
    if (WIFSIGNALED(status))
        fail_msg("%s:%d: the child died of signal %d%s", file, line, WTERMSIG(status),
                 WTERMSIG(status) == SIGALRM ? ": it hung" : "");
    if (WEXITSTATUS(status) != code)
        fail_msg("%s:%d: the child ended with %d (a CHECK in line n ends with 1 + n %% 250), not %d", file, line,
                 WEXITSTATUS(status), code);
}

/* Runs a function in a child, which passes if it returns. */
static inline void child_run(void (*run)(void *), void *arg)
{
    pid_t pid = child_fork();
    if (pid == 0) {
        run(arg);
        _exit(0);
    }
    child_expect(pid, 0);
}

#endif
