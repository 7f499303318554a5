/* Seeds, replays, and what is printed about them.
 *
 * Seeds are made by hashing scenario, base and number, so that scenarios do not share them. The cost of a seed is
 * processor time; 5 ms were promised for optimised builds without sanitizers, and said is when it is more. Machines
 * differ, and caches that others use at the same time cost something for a while: so the quickest BLOCK seeds in a row
 * are what counts, and a failure is only what is beyond doubt. */
#include "sim/runner.h"
#include "wire/compress.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEFAULT_SEEDS = 200, TWICE = 5, BLOCK = 50, LINES_BEFORE = 60, LINES_AFTER = 10, MOST_SOMETIMES = 32 };
#define MOST_MS_PER_SEED 5.0
#define BEYOND_DOUBT     4 /* times as much as was promised: no slow or busy machine explains that */

#ifndef KFK_SEEDS_FILE
#define KFK_SEEDS_FILE "seeds.txt"
#endif

typedef struct tally {
    const scenario *sc;
    int seen[MOST_SOMETIMES]; /* in so many runs */
    int runs, seeds;
    bool known;        /* its seeds come from a file now */
    double worst_ms;   /* of one run, */
    uint64_t worst;    /* with this seed */
    int block_runs;    /* of the present block, */
    double block_ms;   /* and what they took */
    double least_ms;   /* a seed, in the quickest block; 0 = none is full */
    char *first_trace; /* of the run that is to be repeated */
    bool differs;      /* the second run from the first */
} tally;

static int total_runs; /* of all scenarios of the program */
static double total_ms;

static uint64_t hash_text(uint64_t hash, const char *text)
{
    while (*text) hash = (hash ^ (uint8_t)*text++) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t seed_of(const scenario *sc, int number)
{
    const char *base = getenv("KFK_SEED_BASE");
    char text[32];
    snprintf(text, sizeof text, "#%d", number);
    uint64_t hash = hash_text(hash_text(UINT64_C(14695981039346656037), sc->name), base ? base : "");
    return hash_text(hash, text) >> 32; /* short enough to be typed */
}

/* ---- when a seed fails ------------------------------------------------------------------------------------------- */

static void print_faults_in_numbers(uint64_t without)
{
    const char *before = "KFK_WITHOUT=";
    for (int i = 0; i < SIM_FAULTS; i++) {
        if (!(without >> i & 1)) continue;
        print_error("%s%d", before, i);
        before = ",";
    }
    if (without) print_error(" ");
}

static void print_replay(const scenario *sc, uint64_t seed, uint64_t without)
{
    print_error("replay: KFK_TEST=%s KFK_SEED=%" PRIu64 " ", sc->name, seed);
    print_faults_in_numbers(without);
    print_error("%s\n", program_invocation_name);
    print_error("to run it always, add to tests/sim/seeds.txt: %s %" PRIu64 "\n", sc->name, seed);
}

static void print_faults(const sim *s, uint64_t without)
{
    size_t left = 0;
    for (size_t i = 0; i < sim_faults(s); i++) left += !(without >> i & 1);
    if (sim_faults(s) > 0) print_error("%zu of its %zu faults are needed for that\n", left, sim_faults(s));
    for (size_t i = 0; i < sim_faults(s); i++) {
        if (!(without >> i & 1)) print_error("    %zu: %s\n", i, sim_fault_text(s, i));
    }
}

static void explain(const scenario *sc, uint64_t seed, sim *s, uint64_t without)
{
    char *around = sim_trace_around_failure(s, LINES_BEFORE, LINES_AFTER);
    fprintf(stderr, "\n%s\n", /* cmocka would cut it */
            getenv("KFK_TRACE") ? sim_trace_text(s)
            : around            ? around
                                : sim_trace_tail(s, LINES_BEFORE));
    free(around);
    print_error("seed %" PRIu64 ": %s\n", seed, sim_failure(s));
    print_faults(s, without);
    print_replay(sc, seed, without);
}

static sim *run_with(const scenario *sc, uint64_t seed, uint64_t without, bool verbose)
{
    sim_config cfg = sc->config;
    cfg.without = without;
    cfg.verbose = verbose;
    sim *s = sim_new(seed, &cfg);
    sim_spawn(s, "main", sc->run, sc->arg);
    sim_run(s);
    return s;
}

/* "file:line: word": which check it was, and of several anomalies which. */
static size_t gist(const char *failure)
{
    size_t place = strcspn(failure, " ");
    return failure[place] ? place + 1 + strcspn(failure + place + 1, " ") : place;
}

static bool still_fails(const scenario *sc, uint64_t seed, uint64_t without, const char *failure)
{
    sim *s = run_with(sc, seed, without, false);
    bool same =
        sim_failed(s) && gist(sim_failure(s)) == gist(failure) && strncmp(sim_failure(s), failure, gist(failure)) == 0;
    sim_free(s);
    return same;
}

/* Leaves out what it fails without. What a failed run leaves allocated stays so: the test has failed. */
uint64_t runner_shrink(const scenario *sc, uint64_t seed, uint64_t without, size_t faults, const char *failure)
{
    for (bool shorter = true; shorter;) {
        shorter = false;
        for (size_t i = faults; i-- > 0;) {
            uint64_t bit = UINT64_C(1) << i;
            if (without & bit || !still_fails(sc, seed, without | bit, failure)) continue;
            without |= bit;
            shorter = true;
        }
    }
    return without;
}

static uint64_t without_of_environment(void)
{
    const char *p = getenv("KFK_WITHOUT");
    uint64_t without = 0;
    for (char *end; p && *p; p = *end ? end + 1 : end) {
        unsigned long n = strtoul(p, &end, 10);
        if (end == p) break;
        if (n < SIM_FAULTS) without |= UINT64_C(1) << n;
    }
    return without;
}

static void shrink_and_explain(const scenario *sc, uint64_t seed, size_t faults, const char *failure)
{
    uint64_t without = without_of_environment();
    if (!getenv("KFK_WITHOUT")) without = runner_shrink(sc, seed, without, faults, failure);
    sim *s = run_with(sc, seed, without, true);
    if (sim_failed(s))
        explain(sc, seed, s, without);
    else
        print_error("seed %" PRIu64 " failed, but not when it ran again: %s\n", seed, failure);
    sim_free(s);
}

/* ---- one seed ---------------------------------------------------------------------------------------------------- */

static void note_what_happened(tally *t, const sim *s)
{
    for (size_t i = 0; t && t->sc->sometimes && i < MOST_SOMETIMES && t->sc->sometimes[i]; i++) {
        if (sim_has_happened(s, t->sc->sometimes[i])) t->seen[i]++;
    }
}

/* The second run of a seed must leave the same text. */
static void compare(tally *t, sim *s)
{
    if (!t || !t->first_trace || strcmp(t->first_trace, sim_trace_text(s)) == 0) return;
    t->differs = true;
    sim_fail(s, "the same seed gave another trace the second time");
}

static void note_hash(const scenario *sc, uint64_t seed, const sim *s)
{
    const char *path = getenv("KFK_HASHES");
    FILE *f = path ? fopen(path, "a") : NULL;
    if (!f) return;
    fprintf(f, "%s %" PRIu64 " %016" PRIx64 "\n", sc->name, seed, sim_trace_hash(s));
    fclose(f);
}

static bool run_seed(const scenario *sc, uint64_t seed, tally *t, bool keep_trace, uint64_t *hash)
{
    size_t blocks = memcheck_blocks();
    sim *s = run_with(sc, seed, without_of_environment(), getenv("KFK_SEED") != NULL);
    compare(t, s);
    note_what_happened(t, s);
    if (hash) *hash = sim_trace_hash(s);
    if (keep_trace) {
        t->first_trace = strdup(sim_trace_text(s));
        note_hash(sc, seed, s);
    }
    bool ok = !sim_failed(s), differs = t && t->differs;
    size_t faults = sim_faults(s);
    char failure[1024];
    snprintf(failure, sizeof failure, "%s", sim_failure(s));
    if (differs) explain(sc, seed, s, 0);
    if (ok && getenv("KFK_TRACE")) fprintf(stderr, "%s", sim_trace_text(s));
    sim_free(s);
    if (!ok && !differs) shrink_and_explain(sc, seed, faults, failure);
    kfk_compress_trim(); /* contexts are kept for the whole process */
    if (ok && memcheck_blocks() != blocks) {
        print_error("seed %" PRIu64 ": %zu blocks were not freed\n", seed, memcheck_blocks() - blocks);
        print_replay(sc, seed, without_of_environment());
        ok = false;
    }
    return ok;
}

bool runner_seed(const scenario *sc, uint64_t seed, uint64_t *hash)
{
    return run_seed(sc, seed, NULL, false, hash);
}

static bool run_and_measure(tally *t, uint64_t seed, bool keep_trace)
{
    clock_t begin = clock();
    bool ok = run_seed(t->sc, seed, t, keep_trace, NULL);
    double ms = (double)(clock() - begin) * 1000 / CLOCKS_PER_SEC;
    if (ms > t->worst_ms) {
        t->worst_ms = ms;
        t->worst = seed;
    }
    t->block_ms += ms;
    if (++t->block_runs == BLOCK) {
        if (t->least_ms == 0 || t->block_ms / BLOCK < t->least_ms) t->least_ms = t->block_ms / BLOCK;
        t->block_runs = 0;
        t->block_ms = 0;
    }
    return ok;
}

/* So that it runs always from now on. */
static void note_failed(const scenario *sc, uint64_t seed)
{
    const char *path = getenv("KFK_FAILED");
    FILE *f = path ? fopen(path, "a") : NULL;
    if (!f) return;
    fprintf(f, "%s %" PRIu64 "\n", sc->name, seed);
    fclose(f);
}

static void run_or_fail(tally *t, uint64_t seed, bool twice)
{
    bool ok = run_and_measure(t, seed, twice);
    if (ok && twice) ok = run_and_measure(t, seed, false);
    if (!ok && !t->known) note_failed(t->sc, seed);
    free(t->first_trace);
    t->first_trace = NULL;
    t->runs += twice ? 2 : 1;
    t->seeds++;
    if (!ok) fail_msg("seed %" PRIu64 " of %s failed, the %d. of this run", seed, t->sc->name, t->seeds);
}

/* "scenario seed" in each line; # begins a comment. */
static void run_known_seeds(tally *t, const char *path)
{
    FILE *f = path ? fopen(path, "r") : NULL;
    char line[256], name[200];
    uint64_t seed;
    if (!f) return;
    t->known = true;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%199s %" SCNu64, name, &seed) == 2 && strcmp(name, t->sc->name) == 0)
            run_or_fail(t, seed, true);
    }
    t->known = false;
    fclose(f);
}

/* The first of what must happen and has not; NULL = nothing is missing. */
static const char *missing(const tally *t)
{
    for (size_t i = 0; t->sc->sometimes && t->sc->sometimes[i]; i++) {
        if (!t->seen[i]) return t->sc->sometimes[i];
    }
    return NULL;
}

static void demand_cheapness(const scenario *sc, double ms_per_seed)
{
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__)
    if (ms_per_seed <= MOST_MS_PER_SEED) return;
    print_message("           %s costs %.2f ms a seed or part of one, more than %.0f\n", sc->name, ms_per_seed,
                  MOST_MS_PER_SEED);
    if (ms_per_seed > MOST_MS_PER_SEED * BEYOND_DOUBT) fail_msg("%s is too dear", sc->name);
#else
    (void)sc;
    (void)ms_per_seed;
#endif
}

/* A scenario that wants less than others, since a seed of it costs more, gets its share of more or fewer seeds. */
static int seeds_in_proportion(int wanted, int many)
{
    int64_t seeds = (int64_t)wanted * many / DEFAULT_SEEDS;
    return seeds < 1 ? 1 : (int)seeds;
}

void runner_run(const scenario *sc)
{
    const char *one = getenv("KFK_SEED"), *many = getenv("KFK_SEEDS"), *each = getenv("KFK_EACH");
    int wanted = sc->seeds ? sc->seeds : DEFAULT_SEEDS, seeds = many ? seeds_in_proportion(wanted, atoi(many)) : wanted;
    if (each) seeds = atoi(each);
    tally t = {.sc = sc};
    if (one) {
        run_or_fail(&t, strtoull(one, NULL, 10), false);
        return;
    }
    clock_t begin = clock();
    int from = getenv("KFK_FROM") ? atoi(getenv("KFK_FROM")) : 0;
    run_known_seeds(&t, KFK_SEEDS_FILE);
    run_known_seeds(&t, getenv("KFK_FAILED"));
    for (int i = 0; i < seeds || (!each && i < wanted && missing(&t)); i++)
        run_or_fail(&t, seed_of(sc, from + i), i < TWICE);
    double ms = (double)(clock() - begin) * 1000 / CLOCKS_PER_SEC / (t.runs ? t.runs : 1);
    total_runs += t.runs;
    total_ms += ms * t.runs;
    print_message("           %d seeds, %.2f ms each, at most %.2f (%" PRIu64 ")\n", t.seeds, ms, t.worst_ms, t.worst);
    for (size_t i = 0; getenv("KFK_SOMETIMES") && sc->sometimes && sc->sometimes[i]; i++)
        print_message("           %4d of %d: %s\n", t.seen[i], t.runs, sc->sometimes[i]);
    if (missing(&t) && (!each || seeds >= wanted)) fail_msg("%s: under no seed \"%s\"", sc->name, missing(&t));
    if (t.least_ms > 0) ms = t.least_ms;
    if (!each || seeds >= wanted) demand_cheapness(sc, ms / (sc->parts ? sc->parts : 1));
}

void runner_sum_up(void)
{
    if (total_ms > 0)
        print_message("%d seeds, %.0f in a second of processor time\n", total_runs, total_runs * 1000 / total_ms);
}

void runner_filter(void)
{
    const char *test = getenv("KFK_TEST");
    if (test) cmocka_set_test_filter(test);
}
