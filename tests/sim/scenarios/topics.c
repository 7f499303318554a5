/* S16, S17: the topic is deleted and made again, and grows.
 *
 * Property: what is acknowledged to an attempt that began after the topic was made again is in the new one; the
 * library's metadata takes the new id, never an older leader epoch of it, and never fewer partitions; new partitions
 * are written to and read from within seconds, and no record fails because of them.
 * Sometimes: tasks find the topic missing or their leader wrong, and make connections again. */
#include "scenarios.h"

static const char *const recreated[] = {WORLD_RECONNECTED, NULL};

WORLD_SCENARIO(s16_topic_is_recreated, .sometimes = recreated, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .readers = -1, .watched = true});
    if (!w) return;
    for (int i = 0; i < 3; i++) { /* so that leader epochs are higher than those of a new topic */
        world_move_leader(w, (int32_t)sim_plan_below(s, 2));
        sim_sleep_ms(s, 60 + (int64_t)sim_plan_below(s, 100));
    }
    world_recreate_topic(w, 2 + (int32_t)sim_plan_below(s, 3));
    world_expect_progress(w, 6000);
    world_end(w);
}

static const char *const grown[] = {WORLD_WRITTEN, WORLD_READ, NULL};

WORLD_SCENARIO(s17_partitions_are_added, .sometimes = grown, .seeds = 80)
{
    world *w = world_new(
        s, &(world_config){.brokers = 3, .patient = true, .deadline_ms = 5000, .watched = true, .most_writes = 25});
    if (!w) return;
    sim_sleep_ms(s, 100 + (int64_t)sim_plan_below(s, 200));
    world_grow_topic(w, 4 + (int32_t)sim_plan_below(s, 3));
    world_expect_progress(w, 3000);
    sim_check_equal(s, world_journal(w)->failures, 0);
    world_end(w);
}

static const char *const behind[] = {WORLD_NOT_LEADER, WORLD_RECONNECTED, NULL};

WORLD_SCENARIO(s17_one_broker_is_behind, .sometimes = behind, .seeds = 80)
{
    world *w =
        world_new(s, &(world_config){.brokers = 3, .writers = 1, .readers = 1, .pause_us = 60000, .watched = true});
    if (!w) return;
    sim_sleep_ms(s, 50);
    world_show_stale_metadata(w, world_some_broker(w));
    for (int i = 0; i < 6; i++) {
        world_move_leader(w, (int32_t)sim_plan_below(s, 2));
        sim_sleep_ms(s, 50 + (int64_t)sim_plan_below(s, 400));
        world_reset(w, world_some_broker(w)); /* so that now one broker is asked, now another */
        world_refresh_metadata(w);
    }
    world_show_true_metadata(w);
    world_expect_progress(w, 3000);
    world_end(w);
}
