/* A run of the simulation has no contact with the world outside: no socket, no thread, no clock, no random number of
 * the system's. The kernel is asked to kill whoever makes a system call that is not for memory, and the functions of
 * libc that tell the time without one are replaced by such as make one.
 *
 * Not under a sanitizer, whose own runtime makes calls of its own. */
#include "sim/world.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* ---- the clocks, made to be seen --------------------------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *out)
{
    return (int)syscall(SYS_clock_gettime, clock, out);
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    return (int)syscall(SYS_gettimeofday, out, zone);
}

time_t time(time_t *out)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

/* ---- the wall ---------------------------------------------------------------------------------------------------- */

static void wall_off(void)
{
    static const int allowed[] = {SYS_brk,     SYS_mmap,  SYS_munmap,     SYS_mremap,        SYS_mprotect,
                                  SYS_madvise, SYS_write, SYS_exit_group, SYS_rt_sigprocmask /* swapcontext */};
    enum { COUNT = sizeof allowed / sizeof *allowed };
    struct sock_filter program[COUNT * 2 + 2] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    int n = 1;
    for (int i = 0; i < COUNT; i++) {
        program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[i], 0, 1);
        program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog filter = {.len = (unsigned short)n, .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
        perror("seccomp");
        _exit(99);
    }
}

/* How a process ends that does this behind the wall: 0 = well, a number below 100 = with that status, else by a
 * signal. */
static int fate_of(void (*what)(void))
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        wall_off();
        what();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- what is done behind it -------------------------------------------------------------------------------------- */

/* A bit of everything that can go wrong, with calls that wait, deadlines, names, and helper threads. */
static void live(sim *s, void *arg)
{
    (void)arg;
    world *w = world_new(s, &(world_config){.brokers = 2, .by_name = true, .watched = true, .deadline_ms = 300});
    if (!w) return;
    world_stop_broker(w, 0, 100);
    world_partition(w, 1, SIM_UP, 300);
    world_freeze_broker(w, 2, 100);
    world_reset(w, 0);
    world_expect_progress(w, 4000);
    world_end(w);
}

static void live_under_some_seeds(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        sim *s = sim_new(seed, NULL);
        sim_spawn(s, "main", live, NULL);
        if (!sim_run(s)) _exit(1);
        sim_free(s);
    }
}

static void read_the_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
}

static void read_the_time(void)
{
    time(NULL);
}

static void open_a_file(void)
{
    FILE *f = fopen("/dev/null", "r");
    if (f) fclose(f);
}

static void a_run_makes_no_system_call_but_for_memory(void **state)
{
    (void)state;
    live_under_some_seeds(); /* what is done once in a process */
    assert_int_equal(fate_of(live_under_some_seeds), 0);
}

static void who_looks_outside_is_killed(void **state)
{
    (void)state;
    assert_true(fate_of(read_the_clock) > 100);
    assert_true(fate_of(read_the_time) > 100);
    assert_true(fate_of(open_a_file) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_looks_outside_is_killed),
        cmocka_unit_test(a_run_makes_no_system_call_but_for_memory),
    };
    if (SANITIZED) {
        puts("a sanitizer's runtime makes system calls: this is tested without");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
