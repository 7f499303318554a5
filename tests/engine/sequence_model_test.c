/* Nothing is lost, doubled, reordered or called what it is not, in a small world (sequence_model.h), whatever happens:
 * random schedules for each kind of broker, and every schedule with few faults.
 *
 *   KFK_TEST=name KFK_SEED=n    that schedule again, with its steps (a failing one prints them itself)
 *   KFK_EACH=n                  so many schedules of each kind
 *   KFK_FAULTS=n KFK_BATCHES=n  every schedule with so many; KFK_ROOM=n: room for 2^n states */
#include "support/memcheck.h"

#include "sequence_model.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 4000 };
#define ALL UINT32_MAX

static const char *const kinds[] = {"before 1.1", "before 4.5", "4.5", "restarts"};

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static uint64_t random_of(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int below(uint64_t *state, int n)
{
    return (int)(random_of(state) % (uint64_t)n);
}

/* ---- random schedules -------------------------------------------------------------------------------------------- */

static kfk_model world;

static kfk_model_config random_config(uint64_t *r, kfk_model_kind kind, bool no_idempotence)
{
    kfk_model_config cfg = {.kind = kind, .no_idempotence = no_idempotence, .batches = 1 + below(r, 8)};
    int records = 0;
    for (int i = 0; i < cfg.batches; i++) {
        cfg.records[i] = 1 + (below(r, 3) == 0 && records + 3 + cfg.batches - i < KFK_MODEL_RECORDS ? below(r, 3) : 0);
        records += cfg.records[i];
    }
    cfg.faults = ALL & ~(1u << STEP_EXPIRE);
    if (below(r, 2)) cfg.faults &= (uint32_t)random_of(r);
    if (below(r, 4) == 0) cfg.poisoned = 1u << below(r, records);
    if (below(r, 4) == 0) cfg.old = (uint32_t)random_of(r), cfg.faults |= 1u << STEP_EXPIRE;
    if (below(r, 3) == 0) cfg.faults |= 1u << STEP_EXPIRE;
    if (below(r, 8) == 0) cfg.first_epoch = 32766;
    if (below(r, 8) == 0 && kind != KFK_MODEL_4_5) cfg.first_sequence = INT32_MAX - 3;
    return cfg;
}

/* False when it failed; the world tells why. */
static bool run(uint64_t seed, kfk_model_kind kind, bool no_idempotence, bool tell)
{
    uint64_t r = seed * 1000003 + 17;
    kfk_model_config cfg = random_config(&r, kind, no_idempotence);
    int faults = below(&r, 9), pace = 1 + below(&r, 8), hurry = below(&r, 3); /* the client is quicker than the rest */
    kfk_model_init(&world, &cfg);
    for (int steps = 0; world.failure[0] == 0; steps++) {
        kfk_model_step possible[KFK_MODEL_STEPS];
        int normal, count = kfk_model_possible(&world, possible, &normal), chosen;
        if (normal == 0 && (faults == 0 || count == 0 || below(&r, 2))) break;
        if (steps == LONGEST) snprintf(world.failure, sizeof world.failure, "it does not end");
        if (faults > 0 && count > normal && (normal == 0 || below(&r, 4 * pace) == 0)) {
            chosen = normal + below(&r, count - normal);
            faults--;
        } else {
            if (normal == 0) break;
            chosen = below(&r, normal);
            for (int i = 0; i < normal && hurry && below(&r, 3) < hurry; i++) {
                if (possible[i].kind == STEP_PUSH || possible[i].kind == STEP_SEND) chosen = i;
            }
        }
        kfk_model_do(&world, possible[chosen]);
        if (tell) {
            char text[160];
            kfk_model_describe(&world, possible[chosen], text, sizeof text);
            printf("    %s\n", text);
        }
    }
    return world.failure[0] == 0 && kfk_model_finish(&world);
}

static void random_schedules(kfk_model_kind kind, bool no_idempotence)
{
    uint64_t first = (uint64_t)number("KFK_SEED", 0), count = (uint64_t)number("KFK_EACH", 20000);
    bool one = getenv("KFK_SEED") != NULL;
    for (uint64_t seed = first; seed < first + (one ? 1 : count); seed++) {
        if (one) printf("seed %" PRIu64 "\n", seed);
        if (run(seed, kind, no_idempotence, one)) continue;
        printf("%s\n", world.failure);
        if (!one) run(seed, kind, no_idempotence, true);
        fail_msg("seed %" PRIu64 " of \"%s\"%s failed, the %" PRIu64 ". of this run", seed, kinds[kind],
                 no_idempotence ? " without idempotence" : "", seed - first + 1);
    }
}

static void any_schedule_ends_well_on_brokers_before_1_1(void **state)
{
    (void)state;
    random_schedules(KFK_MODEL_BEFORE_1_1, false);
}

static void any_schedule_ends_well_on_brokers_before_4_5(void **state)
{
    (void)state;
    random_schedules(KFK_MODEL_BEFORE_4_5, false);
}

static void any_schedule_ends_well_on_brokers_since_4_5(void **state)
{
    (void)state;
    random_schedules(KFK_MODEL_4_5, false);
}

static void any_schedule_ends_well_on_brokers_that_remember_one_batch(void **state)
{
    (void)state;
    random_schedules(KFK_MODEL_RESTARTS, false);
}

static void without_idempotence_order_is_kept_and_nothing_is_lost(void **state)
{
    (void)state;
    random_schedules(KFK_MODEL_BEFORE_4_5, true);
}

/* ---- every schedule ---------------------------------------------------------------------------------------------- */

enum { DEEPEST = 400 };

typedef struct search {
    uint64_t *seen; /* a hash set of states; 0 = free */
    size_t room, states, ends;
    kfk_model_step path[DEEPEST];
    int length;                /* of the path to what failed */
    kfk_model *saved[DEEPEST]; /* the world before each step of the path */
} search;

static bool see(search *x, uint64_t hash)
{
    if (hash == 0) hash = 1;
    for (size_t i = hash % x->room;; i = (i + 1) % x->room) {
        if (x->seen[i] == hash) return false;
        if (x->seen[i] != 0) continue;
        x->seen[i] = hash;
        assert_true(++x->states < x->room / 4 * 3);
        return true;
    }
}

static void tell_path(const search *x, const kfk_model_config *cfg)
{
    printf("%s\n", world.failure);
    kfk_model_init(&world, cfg);
    for (int i = 0; i < x->length; i++) {
        char text[160];
        kfk_model_do(&world, x->path[i]);
        kfk_model_describe(&world, x->path[i], text, sizeof text);
        printf("    %s\n", text);
    }
}

/* Goes on from the world as it is; false when something failed on the way. */
static bool search_from(search *x, int depth, int faults)
{
    kfk_model_step steps[KFK_MODEL_STEPS];
    int normal, count;
    if (world.failure[0]) return false;
    if (!see(x, kfk_model_hash(&world) * 31 + (uint64_t)faults)) return true;
    if (depth == DEEPEST) {
        snprintf(world.failure, sizeof world.failure, "it does not end");
        return false;
    }
    count = kfk_model_possible(&world, steps, &normal);
    if (normal == 0) {
        x->ends++;
        if (!kfk_model_finish(&world)) return false;
    }
    if (!x->saved[depth]) x->saved[depth] = malloc(sizeof world);
    memcpy(x->saved[depth], &world, sizeof world);
    for (int i = 0; i < (faults ? count : normal); i++) {
        x->path[depth] = steps[i];
        kfk_model_do(&world, steps[i]);
        if (!search_from(x, depth + 1, faults - (i >= normal))) {
            if (x->length == 0) x->length = depth + 1;
            return false;
        }
        memcpy(&world, x->saved[depth], sizeof world);
    }
    return true;
}

static void every_schedule(const kfk_model_config *cfg, int faults)
{
    search x = {.room = (size_t)1 << number("KFK_ROOM", 20)};
    x.seen = calloc(x.room, sizeof *x.seen);
    assert_non_null(x.seen);
    kfk_model_init(&world, cfg);
    bool fine = search_from(&x, 0, faults);
    printf("\"%s\", %d batches, %d faults: %zu states\n", kinds[cfg->kind], cfg->batches, faults, x.states);
    for (int i = 0; i < DEEPEST; i++) free(x.saved[i]);
    free(x.seen);
    if (fine) return;
    tell_path(&x, cfg);
    fail_msg("seed 0 of every schedule on \"%s\" failed, the 1. of this run", kinds[cfg->kind]);
}

static void every_schedule_with_two_faults_ends_well(void **state)
{
    (void)state;
    for (int kind = 0; kind < KFK_MODEL_KINDS; kind++) {
        kfk_model_config cfg = {
            .kind = (kfk_model_kind)kind,
            .batches = (int)number("KFK_BATCHES", 3),
            .records = {1, 1, 1, 1, 1, 1, 1, 1},
            .faults = ALL & ~(1u << STEP_EXPIRE | 1u << STEP_FOREIGN | 1u << STEP_UNSENT),
        };
        every_schedule(&cfg, (int)number("KFK_FAULTS", 2));
    }
}

static void every_schedule_of_old_records_ends_well(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * KFK_MODEL_KINDS; i++) {
        kfk_model_config cfg = {
            .kind = (kfk_model_kind)(i / 2),
            .batches = (int)number("KFK_BATCHES", 4),
            .records = {1, 1, 1, 1, 1, 1, 1, 1},
            .faults = 1u << STEP_EXPIRE | 1u << STEP_REFUSE | 1u << STEP_BREAK,
            .old = 1u << i % 2, /* brokers may forget the producer when this batch was acknowledged */
        };
        every_schedule(&cfg, (int)number("KFK_FAULTS", 2));
    }
}

static void every_schedule_of_elections_ends_well(void **state)
{
    (void)state;
    for (int kind = 0; kind < KFK_MODEL_KINDS; kind++) {
        kfk_model_config cfg = {
            .kind = (kfk_model_kind)kind,
            .batches = (int)number("KFK_BATCHES", 2),
            .records = {1, 1, 1, 1, 1, 1, 1, 1},
            .faults = 1u << STEP_ELECT | 1u << STEP_BREAK | 1u << STEP_RESTART,
        };
        every_schedule(&cfg, (int)number("KFK_FAULTS", 3));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_schedule_ends_well_on_brokers_before_1_1),
        cmocka_unit_test(any_schedule_ends_well_on_brokers_before_4_5),
        cmocka_unit_test(any_schedule_ends_well_on_brokers_since_4_5),
        cmocka_unit_test(any_schedule_ends_well_on_brokers_that_remember_one_batch),
        cmocka_unit_test(without_idempotence_order_is_kept_and_nothing_is_lost),
        cmocka_unit_test(every_schedule_with_two_faults_ends_well),
        cmocka_unit_test(every_schedule_of_old_records_ends_well),
        cmocka_unit_test(every_schedule_of_elections_ends_well),
    };
    if (getenv("KFK_TEST")) cmocka_set_test_filter(getenv("KFK_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
