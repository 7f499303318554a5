/* Failing memory: each allocation of a flow fails once, the library's own, libc's, the codecs', C++'s (RELIABILITY's
 * S26).
 *
 * Each flow goes from a dial to a free, against a peer on a real socket. Whichever allocation fails: the call that is
 * hit says so by a code that is listed here and a sentence, or manages without; nothing is leaked, nothing hangs, and
 * the same flow succeeds the next time. The code is KAFKA_ENOMEM, with one exception: KAFKA_EIO from starting a thread,
 * since pthread_create says EAGAIN whether it lacked memory or threads.
 *
 * KFK_SEED chooses where the steps begin in flows with more than 500 allocations, KFK_OOM_ALL=1 takes them all. */
#include "oom/flows.h"

#include "base/rand.h"
#include "support/libc_alloc.h"
#include <signal.h>
#include <unistd.h>

enum { EACH_UP_TO = 500, STEP = 7, SECONDS = 60, CLEAN_MS = 20000, RANDOM_MS = 3000, MOST_KEPT = 32 };

static char doing[160]; /* for the watchdog */
static uint64_t seed;

/* ---- judging ----------------------------------------------------------------------------------------------------- */

static bool is_expected(int code)
{
    return code == KAFKA_ENOMEM || (code == KAFKA_EIO && strstr(kafka_last_error(), "pthread_create") != NULL);
}

/* What the loop's thread still has in hand goes before long; what libc keeps is not the library's. */
static bool is_clean(const flow *f)
{
    int64_t until = kafka_now_ms() + CLEAN_MS;
    for (;;) {
        if (libc_alloc_own_blocks() == 0 && (f->resolves || libc_alloc_other_blocks() == 0)) return true;
        if (kafka_now_ms() >= until) return false;
        sched_yield();
    }
}

static int run(const flow *f)
{
    alarm(SECONDS);
    libc_alloc_enter();
    int code = f->run();
    libc_alloc_leave();
    return code;
}

static void hung(int signal)
{
    (void)signal;
    libc_alloc_end();
    ssize_t n = write(STDERR_FILENO, "hung: ", 6);
    n = write(STDERR_FILENO, doing, strlen(doing));
    n = write(STDERR_FILENO, "\n", 1);
    (void)n;
    libc_alloc_report(0);
    _exit(1);
}

static void start(void)
{
    struct sigaction on_alarm = {.sa_handler = hung};
    const char *given = getenv("KFK_SEED");
    sigaction(SIGALRM, &on_alarm, NULL);
    seed = given ? strtoull(given, NULL, 0) : kfk_rand_system_seed();
    print_message("           KFK_SEED=%llu\n", (unsigned long long)seed);
    flow_setup();
}

static void stop(void)
{
    alarm(0);
    libc_alloc_end();
    flow_teardown();
}

/* ---- the n-th ---------------------------------------------------------------------------------------------------- */

/* One allocation fails. How many did: 0, there were fewer than n. */
static size_t fail_nth(const flow *f, size_t n)
{
    snprintf(doing, sizeof doing, "%s, codec %d, allocation %zu", f->name, (int)world.codec, n);
    libc_alloc_fail_at(n);
    int code = run(f);
    size_t failures = libc_alloc_failures();
    if (code != 0 && (failures == 0 || !is_expected(code))) {
        libc_alloc_report(0);
        fail_msg("%s: code %d: %s", doing, code, kafka_last_error());
    }
    if (code != 0 && kafka_last_error()[0] == '\0') fail_msg("%s: no sentence", doing);
    libc_alloc_fail_at(0);
    if (!is_clean(f)) {
        libc_alloc_report(3);
        fail_msg("%s: %zu blocks of ours and %zu others are left", doing, libc_alloc_own_blocks(),
                 libc_alloc_other_blocks());
    }
    if (failures == 0) return 0;
    code = run(f);
    if (code != 0) {
        libc_alloc_report(0);
        fail_msg("%s: the next try gives %d: %s", doing, code, kafka_last_error());
    }
    return failures;
}

/* All up to 500, then every seventh. How many were looked at. */
static size_t fail_each(const flow *f)
{
    size_t looked_at = 0, offset = getenv("KFK_OOM_ALL") != NULL ? 0 : (size_t)(seed % STEP);
    bool all = getenv("KFK_OOM_ALL") != NULL;
    for (int i = 0; i < 3; i++) { /* what libc and the codecs make once and keep */
        int code = run(f);
        if (code != 0) fail_msg("%s, codec %d: %d: %s", f->name, (int)world.codec, code, kafka_last_error());
    }
    libc_alloc_begin();
    for (size_t n = 1; fail_nth(f, n) > 0; n += all || n < EACH_UP_TO ? 1 : n == EACH_UP_TO ? 1 + offset : STEP) {
        looked_at++;
    }
    libc_alloc_end();
    size_t kept = libc_alloc_other_blocks(); /* by libc, of the last look-up, but not of each */
    if (kept > MOST_KEPT) {
        libc_alloc_report(3);
        fail_msg("%s: %zu blocks that are not ours are left", f->name, kept);
    }
    return looked_at;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < flow_count; i++) {
        for (int codec = 0; codec < (flows[i].codecs ? FLOW_CODECS : 1); codec++) {
            if (!flow_has_codec(codec)) continue;
            world.codec = codec;
            size_t n = fail_each(&flows[i]);
            print_message("           %-26s %4zu allocations%s%s\n", flows[i].name, n, flows[i].codecs ? ", " : "",
                          flows[i].codecs ? kfk_compress_name(codec) : "");
            assert_true(n > 10);
        }
    }
    stop();
}

/* ---- by chance --------------------------------------------------------------------------------------------------- */

static void one_allocation_in_a_thousand_may_fail(void **state)
{
    (void)state;
    size_t runs = 0, failed = 0, failures = 0;
    kfk_rand rand;
    start();
    kfk_rand_seed(&rand, seed);
    libc_alloc_begin();
    int64_t begun = kafka_now_ms(); /* however slow it is, some flow has to meet it */
    for (; kafka_now_ms() < begun + (failed > 0 ? RANDOM_MS : 20 * RANDOM_MS); runs++) {
        const flow *f = &flows[kfk_rand_below(&rand, (uint64_t)flow_count)];
        world.codec = (kafka_compression)kfk_rand_below(&rand, FLOW_CODECS);
        if (!flow_has_codec(world.codec)) continue;
        snprintf(doing, sizeof doing, "%s, codec %d, by chance", f->name, (int)world.codec);
        libc_alloc_fail_randomly(1000, kfk_rand_next(&rand));
        int code = run(f);
        failures += libc_alloc_failures();
        if (code != 0 && (libc_alloc_failures() == 0 || !is_expected(code)))
            fail_msg("%s: code %d: %s", doing, code, kafka_last_error());
        failed += code != 0;
    }
    libc_alloc_fail_at(0);
    for (int i = 0; i < flow_count; i++) assert_int_equal(run(&flows[i]), 0);
    const flow all = {.resolves = true};
    if (!is_clean(&all)) {
        libc_alloc_report(3);
        fail_msg("%zu blocks of ours are left", libc_alloc_own_blocks());
    }
    print_message("           %zu flows, %zu allocations failed, and %zu flows with them\n", runs, failures, failed);
    assert_true(failures > 0 && failed > 0);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(one_allocation_in_a_thousand_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
