/* Seeds, replays, and what is printed about them.
 *
 * Seeds are made by hashing scenario, base and number, so that scenarios do not share them. The cost of a seed is
 * processor time, which does not depend on what else the machine does; it is enforced in optimised builds without
 * sanitizers, where it was promised (5 ms). */
#include "sim/runner.h"
#include "wire/compress.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEFAULT_SEEDS = 200, TWICE = 5, TAIL_LINES = 40, MOST_SOMETIMES = 32 };
#define MOST_MS_PER_SEED 5.0

#ifndef KFK_SEEDS_FILE
#define KFK_SEEDS_FILE "seeds.txt"
#endif

typedef struct tally {
    const scenario *sc;
    bool seen[MOST_SOMETIMES];
    int runs;
    char *first_trace; /* of the run that is to be repeated */
} tally;

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

static void explain(const scenario *sc, uint64_t seed, sim *s)
{
    fprintf(stderr, "\n%s\n",
            getenv("KFK_TRACE") ? sim_trace_text(s) : sim_trace_tail(s, TAIL_LINES)); /* cmocka would cut it */
    print_error("seed %" PRIu64 ": %s\n", seed, sim_failure(s));
    print_error("replay: KFK_TEST=%s KFK_SEED=%" PRIu64 " %s\n", sc->name, seed, program_invocation_name);
    print_error("to run it always, add to tests/sim/seeds.txt: %s %" PRIu64 "\n", sc->name, seed);
}

static void note_what_happened(tally *t, const sim *s)
{
    for (size_t i = 0; t && t->sc->sometimes && i < MOST_SOMETIMES && t->sc->sometimes[i]; i++) {
        if (sim_has_happened(s, t->sc->sometimes[i])) t->seen[i] = true;
    }
}

/* The second run of a seed must leave the same text. */
static void compare(tally *t, sim *s)
{
    if (t && t->first_trace && strcmp(t->first_trace, sim_trace_text(s)) != 0)
        sim_fail(s, "the same seed gave another trace the second time");
}

static bool run_seed(const scenario *sc, uint64_t seed, tally *t, bool keep_trace, uint64_t *hash)
{
    size_t blocks = memcheck_blocks();
    sim *s = sim_new(seed, &sc->config);
    sim_spawn(s, "main", sc->run, sc->arg);
    sim_run(s);
    compare(t, s);
    note_what_happened(t, s);
    if (hash) *hash = sim_trace_hash(s);
    if (keep_trace) t->first_trace = strdup(sim_trace_text(s));
    bool ok = !sim_failed(s);
    if (!ok)
        explain(sc, seed, s);
    else if (getenv("KFK_TRACE"))
        fprintf(stderr, "%s", sim_trace_text(s));
    sim_free(s);
    kfk_compress_trim(); /* contexts are kept for the whole process */
    if (ok && memcheck_blocks() != blocks) {
        print_error("seed %" PRIu64 ": %zu blocks were not freed\n", seed, memcheck_blocks() - blocks);
        print_error("replay: KFK_TEST=%s KFK_SEED=%" PRIu64 " %s\n", sc->name, seed, program_invocation_name);
        ok = false;
    }
    return ok;
}

bool runner_seed(const scenario *sc, uint64_t seed, uint64_t *hash)
{
    return run_seed(sc, seed, NULL, false, hash);
}

static void run_or_fail(tally *t, uint64_t seed, bool twice)
{
    bool ok = run_seed(t->sc, seed, t, twice, NULL);
    if (ok && twice) ok = run_seed(t->sc, seed, t, false, NULL);
    free(t->first_trace);
    t->first_trace = NULL;
    t->runs += twice ? 2 : 1;
    if (!ok) fail_msg("seed %" PRIu64 " of %s failed", seed, t->sc->name);
}

/* "scenario seed" in each line; # begins a comment. */
static void run_known_seeds(tally *t)
{
    FILE *f = fopen(KFK_SEEDS_FILE, "r");
    char line[256], name[200];
    uint64_t seed;
    if (!f) return;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%199s %" SCNu64, name, &seed) == 2 && strcmp(name, t->sc->name) == 0)
            run_or_fail(t, seed, true);
    }
    fclose(f);
}

static void demand_what_must_happen(const tally *t)
{
    for (size_t i = 0; t->sc->sometimes && t->sc->sometimes[i]; i++) {
        if (!t->seen[i]) fail_msg("%s: under no seed \"%s\"", t->sc->name, t->sc->sometimes[i]);
    }
}

static void demand_cheapness(const scenario *sc, double ms_per_seed)
{
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__)
    if (ms_per_seed > MOST_MS_PER_SEED) fail_msg("%s costs %.2f ms a seed or part of one", sc->name, ms_per_seed);
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
    const char *one = getenv("KFK_SEED"), *many = getenv("KFK_SEEDS");
    int wanted = sc->seeds ? sc->seeds : DEFAULT_SEEDS, seeds = many ? seeds_in_proportion(wanted, atoi(many)) : wanted;
    tally t = {.sc = sc};
    if (one) {
        run_or_fail(&t, strtoull(one, NULL, 10), false);
        return;
    }
    clock_t begin = clock();
    run_known_seeds(&t);
    for (int i = 0; i < seeds; i++) run_or_fail(&t, seed_of(sc, i), i < TWICE);
    double ms = (double)(clock() - begin) * 1000 / CLOCKS_PER_SEC / (t.runs ? t.runs : 1);
    print_message("           %d seeds, %.2f ms each\n", seeds, ms);
    if (seeds >= wanted) demand_what_must_happen(&t);
    demand_cheapness(sc, ms / (sc->parts ? sc->parts : 1));
}

void runner_filter(void)
{
    const char *test = getenv("KFK_TEST");
    if (test) cmocka_set_test_filter(test);
}
