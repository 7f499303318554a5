/* What was given up arrives after all: a connection is slow, its requests are tried again on the next one, and then the
 * first copies come. And a disk that is slow, so that answers come when nobody waits for them any more.
 *
 * Property: as for killed leaders; a write that ended without its answer is "perhaps written", whenever its copy
 * arrives. Sometimes: both copies are in the log, in the order of the application's attempts or not. */
#include "scenarios.h"

static const char *const happens[] = {WORLD_TIMED_OUT, WORLD_MAYBE_WRITTEN, WORLD_DUPLICATE, WORLD_RECONNECTED, NULL};

WORLD_SCENARIO(copies_on_old_connections_come_late, .sometimes = happens, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.deadline_ms = 100, .pause_us = 12000, .most_writes = 50});
    if (!w) return;
    for (int i = 0; i < 4; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 100));
        world_delay_open(w, 0, 1 + (unsigned)sim_plan_below(s, 3), 200 + (int64_t)sim_plan_below(s, 600));
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 300));
    }
    world_expect_progress(w, 4000);
    world_end(w);
}

static const char *const slow[] = {WORLD_TIMED_OUT, WORLD_MAYBE_WRITTEN, WORLD_DUPLICATE, NULL};

WORLD_SCENARIO(a_disk_is_slow, .sometimes = slow, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .deadline_ms = 200, .pause_us = 15000, .most_writes = 40});
    if (!w) return;
    for (int i = 0; i < 3; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 100));
        world_slow_disk(w, 0, 50 + (int64_t)sim_plan_below(s, 400), 300 + (int64_t)sim_plan_below(s, 300));
    }
    world_expect_progress(w, 4000);
    world_end(w);
}
