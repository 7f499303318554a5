/* What the runner promises to who reads its output: a seed that fails can be run again by the line that is printed, and
 * runs always from then on; what never happens, costs too much, leaks or differs fails.
 *
 * Scenarios that fail cannot be among the tests. They are in a program of their own: this one, told so by its
 * environment. */
#include "base/mem.h"
#include "sim/runner.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INNER "KFK_RUNNER_TEST_INNER"

/* ---- the scenarios that fail ------------------------------------------------------------------------------------- */

static const char *const never[] = {"pigs fly", NULL};

SCENARIO_WITH(promises_what_never_happens, .sometimes = never)
{
    sim_sleep_ms(s, 1);
}

static const char *const rarely[] = {"it rains", NULL};

SCENARIO_WITH(promises_what_is_rare, .sometimes = rarely)
{
    if (sim_below(s, 30) == 0) sim_sometimes(s, rarely[0]);
}

SCENARIO(fails_by_two_of_eight_faults)
{
    bool happens[8];
    for (int i = 0; i < 8; i++) happens[i] = sim_fault(s, "fault number %d", i);
    if (happens[2] && happens[5] && sim_plan_below(s, 8) == 0) sim_fail(s, "both happened");
}

SCENARIO(is_not_the_same_twice)
{
    static int runs;
    sim_trace(s, "run %d", runs++);
}

SCENARIO(leaves_memory_behind)
{
    static void *block;
    block = kfk_mem_alloc(100);
    sim_check(s, block != NULL);
}

SCENARIO_WITH(is_expensive, .seeds = 5)
{
    clock_t begin = clock();
    while (clock() - begin < CLOCKS_PER_SEC / 25) continue;
    sim_sleep_ms(s, 1);
}

static int inner(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(promises_what_never_happens),  MEMCHECK_TEST(promises_what_is_rare),
        MEMCHECK_TEST(fails_by_two_of_eight_faults), MEMCHECK_TEST(is_not_the_same_twice),
        MEMCHECK_TEST(leaves_memory_behind),         MEMCHECK_TEST(is_expensive),
    };
    int failed = RUNNER_MAIN(tests);
    fflush(NULL);
    _exit(failed); /* what is left behind is known */
}

/* ---- running them ------------------------------------------------------------------------------------------------ */

static const char *self;

/* Runs a command of the shell. Gives what it prints, valid until the next call, and whether it succeeds. */
static const char *output_of(const char *command, bool *ok)
{
    static char text[256 * 1024];
    FILE *f = popen(command, "r");
    assert_non_null(f);
    size_t len = fread(text, 1, sizeof text - 1, f);
    text[len] = '\0';
    *ok = pclose(f) == 0;
    return text;
}

static const char *run(const char *environment, const char *test, bool *ok)
{
    char command[2048];
    snprintf(command, sizeof command, INNER "=1 KFK_TEST=%s %s %s 2>&1", test, environment, self);
    return output_of(command, ok);
}

static void expect_failure(const char *environment, const char *test, const char *why)
{
    bool ok;
    const char *text = run(environment, test, &ok);
    if (ok || !strstr(text, why)) fail_msg("\"%s\" is not why this fails: %s", why, text);
}

static void expect_success(const char *environment, const char *test)
{
    bool ok;
    const char *text = run(environment, test, &ok);
    if (!ok) fail_msg("%s", text);
}

/* The line behind `word`, without the word. */
static void line_of(const char *text, const char *word, char *out, size_t cap)
{
    const char *at = strstr(text, word);
    if (!at) fail_msg("no \"%s\" in: %s", word, text);
    at += strlen(word);
    snprintf(out, cap, "%.*s", (int)strcspn(at, "\n"), at);
}

static void what_never_happens_fails_the_run_however_few_seeds_it_has(void **state)
{
    (void)state;
    expect_failure("", "promises_what_never_happens", "under no seed \"pigs fly\"");
    expect_failure("KFK_SEEDS=10", "promises_what_never_happens", "under no seed \"pigs fly\"");
    expect_failure("KFK_EACH=200", "promises_what_never_happens", "under no seed \"pigs fly\"");
}

static void what_is_rare_has_time_to_happen_however_few_seeds_there_are(void **state)
{
    (void)state;
    expect_success("KFK_SEEDS=1", "promises_what_is_rare");
}

static void a_seed_that_fails_is_run_again_by_the_line_that_is_printed(void **state)
{
    (void)state;
    bool ok;
    char replay[512], command[600], seed[256], again[512];
    const char *text = run("", "fails_by_two_of_eight_faults", &ok);
    assert_false(ok);
    assert_non_null(strstr(text, "2 of its 8 faults are needed"));
    assert_non_null(strstr(text, "2: fault number 2\n"));
    assert_non_null(strstr(text, "5: fault number 5\n"));
    line_of(text, "replay: ", replay, sizeof replay);
    line_of(text, "seed ", seed, sizeof seed);
    assert_non_null(strstr(replay, "KFK_WITHOUT=0,1,3,4,6,7 "));
    snprintf(command, sizeof command, INNER "=1 %s 2>&1", replay);
    text = output_of(command, &ok);
    assert_false(ok);
    assert_non_null(strstr(text, seed));
    line_of(text, "replay: ", again, sizeof again);
    assert_string_equal(again, replay);
}

static void a_seed_that_failed_is_run_first_from_then_on(void **state)
{
    (void)state;
    char path[] = "/tmp/kfk-runner-test-XXXXXX", environment[200];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(environment, sizeof environment, "KFK_FAILED=%s KFK_SEEDS=100", path);
    expect_failure(environment, "fails_by_two_of_eight_faults", "both happened");
    snprintf(environment, sizeof environment, "KFK_FAILED=%s KFK_SEED_BASE=another KFK_SEEDS=1", path);
    expect_failure(environment, "fails_by_two_of_eight_faults", "failed, the 1. of this run");
    bool ok;
    snprintf(environment, sizeof environment, "wc -l < %s", path);
    assert_int_equal(atoi(output_of(environment, &ok)), 1); /* it is not noted again */
    unlink(path);
}

static void what_differs_or_leaks_fails(void **state)
{
    (void)state;
    expect_failure("", "is_not_the_same_twice", "the same seed gave another trace the second time");
    expect_failure("", "leaves_memory_behind", "1 blocks were not freed");
}

/* Where it was promised: in optimised builds without sanitizers. */
static void what_costs_more_than_was_promised_fails(void **state)
{
    (void)state;
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__)
    expect_failure("", "is_expensive", "ms a seed");
#else
    expect_success("", "is_expensive");
#endif
}

int main(int argc, char **argv)
{
    (void)argc;
    if (getenv(INNER)) return inner();
    static const char *const outer[] = {"SEEDS",   "EACH",   "FROM",   "SEED",      "TEST",     "TRACE",
                                        "WITHOUT", "HASHES", "FAILED", "SOMETIMES", "SEED_BASE"};
    for (size_t i = 0; i < sizeof outer / sizeof *outer; i++) {
        char name[32];
        snprintf(name, sizeof name, "KFK_%s", outer[i]);
        unsetenv(name);
    }
    self = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_never_happens_fails_the_run_however_few_seeds_it_has),
        cmocka_unit_test(what_is_rare_has_time_to_happen_however_few_seeds_there_are),
        cmocka_unit_test(a_seed_that_fails_is_run_again_by_the_line_that_is_printed),
        cmocka_unit_test(a_seed_that_failed_is_run_first_from_then_on),
        cmocka_unit_test(what_differs_or_leaks_fails),
        cmocka_unit_test(what_costs_more_than_was_promised_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
