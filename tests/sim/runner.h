/* runner: runs a scenario under many seeds.
 *
 * A test of the simulation is a scenario: a function that runs as the first fiber of each run, sets up the network,
 * starts other fibers, and checks. The runner, called by a cmocka test, runs it under as many seeds as asked for, the
 * first few of them twice: the traces must be the same to the byte. When a seed fails, the faults that it does not need
 * to fail are left out (sim_fault); printed are why it failed, the faults that it takes, the trace around the failure,
 * and the command that runs just this seed of this scenario again, with these faults.
 *
 * Environment:
 *     KFK_SEEDS      how many seeds (default 200); scenarios that want fewer or more get them in proportion
 *     KFK_EACH       how many seeds each scenario gets, whatever it wants and costs
 *     KFK_FROM       the number of the first seed, default 0
 *     KFK_SEED       run this one only, with its whole trace in the output when KFK_TRACE is set
 *     KFK_WITHOUT    numbers of faults, with commas, that are left out
 *     KFK_FAILED     a file to which "scenario seed" is appended when a seed fails; what stands in it runs first,
 *                    always
 *     KFK_SOMETIMES  print in how many seeds each thing happened that must happen sometimes
 *     KFK_HASHES     a file to which "scenario seed hash-of-the-trace" is appended for the seeds that run twice
 *     KFK_SEED_BASE  a word from which the seeds are made, such as the name of a commit; default none
 *     KFK_TEST       run the tests of a program whose name matches this only (see runner_main)
 * Seeds that failed once stand in seeds.txt and run always.
 *
 * What a seed costs is printed, on average and at most, as processor time; the average of the quickest 50 in a row is
 * judged (5 ms; 20 fail) in optimised builds. What must happen sometimes is asked of every run but a replay: where so
 * few seeds were asked for that something has not happened, more are run, as many as the scenario wants. A KFK_EACH
 * below what the scenario wants asks for neither. */
#ifndef KAFKA_TESTS_SIM_RUNNER_H
#define KAFKA_TESTS_SIM_RUNNER_H
#include "sim/loop_sim.h"
#include "support/memcheck.h"

typedef struct scenario {
    const char *name; /* of the test: use __func__ */
    void (*run)(sim *, void *arg);
    void *arg;
    sim_config config;
    int seeds; /* 0 = the default */
    int parts; /* one seed does the same so many times over (cuts at every byte); its cost is counted for each */
    /* What must happen under at least one seed (sim_sometimes), ended by NULL; or NULL. */
    const char *const *sometimes;
} scenario;

/* Fails the running cmocka test when a seed fails. Anything still allocated at the end of a seed is a failure, if
 * memcheck counts. */
void runner_run(const scenario *sc);

/* Runs one seed. True when nothing failed; `*hash` is the trace's. */
bool runner_seed(const scenario *sc, uint64_t seed, uint64_t *hash);

/* Leaves out what a failing seed fails without; returns the bits of the faults that are left out. `failure` is
 * sim_failure of a run without any of `without`. */
uint64_t runner_shrink(const scenario *sc, uint64_t seed, uint64_t without, size_t faults, const char *failure);

/* A cmocka test that runs its body as the first fiber of each run, with `s` as the simulation:
 *
 *     SCENARIO(a_timer_fires_at_its_time)
 *     {
 *         ... sim_check(s, ...)
 *     }
 *
 * SCENARIO_WITH sets more fields of the scenario: SCENARIO_WITH(name, .seeds = 50, .config.calm = true). */
#define SCENARIO_WITH(test, ...)                                                      \
    static void test##_body(sim *s);                                                  \
    static void test##_run(sim *s, void *arg)                                         \
    {                                                                                 \
        (void)arg;                                                                    \
        test##_body(s);                                                               \
    }                                                                                 \
    static void test(void **state)                                                    \
    {                                                                                 \
        (void)state;                                                                  \
        runner_run(&(const scenario){.name = #test, .run = test##_run, __VA_ARGS__}); \
    }                                                                                 \
    static void test##_body(sim *s)
#define SCENARIO(test) SCENARIO_WITH(test, .seeds = 0)

/* A program's main: cmocka_run_group_tests, restricted to the tests named by KFK_TEST. */
#define RUNNER_MAIN(tests) (runner_filter(), cmocka_run_group_tests(tests, NULL, NULL))
void runner_filter(void);
/* Prints how many seeds the program has run, and how fast. */
void runner_sum_up(void);

#endif
