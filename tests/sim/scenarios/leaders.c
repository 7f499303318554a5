/* S02, S03, S05: leaders are killed, restarted in turn, moved, and lost with what their followers had not copied.
 *
 * Property: no acknowledged record is lost, none is doubled but by a second attempt after an unknown outcome, order
 * holds, positions neither skip nor go back. Every task gets on within a second after its partition has a leader again.
 * Sometimes: connections are closed under way and made again, brokers answer that they do not lead, writes of unknown
 * outcome are in the log and are not. */
#include "scenarios.h"

static const char *const killed[] = {WORLD_RECONNECTED, WORLD_EOF, NULL};

WORLD_SCENARIO(s02_leaders_are_killed, .sometimes = killed, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .watched = true});
    if (!w) return;
    for (int i = 0; i < 3; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 150));
        world_stop_broker(w, 0, 50 + (int64_t)sim_plan_below(s, 250));
        world_expect_progress(w, 1500);
    }
    world_end(w);
}

static const char *const restarted[] = {WORLD_RECONNECTED, WORLD_NOT_LEADER, NULL};

WORLD_SCENARIO(s03_rolling_restart, .sometimes = restarted, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .watched = true});
    if (!w) return;
    for (int broker = 1; broker <= 3; broker++) {
        for (int32_t p = 0; p < 2; p++) { /* a clean one hands its partitions over first */
            if (world_leader(w, p) == broker) world_move_leader(w, p);
        }
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 60));
        world_stop_broker(w, broker, 80 + (int64_t)sim_plan_below(s, 100));
        world_expect_progress(w, 1500);
    }
    world_end(w);
}

static const char *const moved[] = {WORLD_NOT_LEADER, WORLD_RECONNECTED, NULL};

WORLD_SCENARIO(s05_leaders_move, .sometimes = moved, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 4, .watched = true});
    if (!w) return;
    for (int i = 0; i < 12; i++) {
        sim_sleep_ms(s, 10 + (int64_t)sim_plan_below(s, 100));
        world_move_leader(w, (int32_t)sim_plan_below(s, 2));
    }
    world_expect_progress(w, 1500);
    world_end(w);
}

static const char *const lost[] = {WORLD_MAYBE_WRITTEN, WORLD_MAYBE_LOST, WORLD_DUPLICATE, WORLD_TIMED_OUT, NULL};

WORLD_SCENARIO(s05_leaders_are_lost_with_unreplicated_records, .sometimes = lost, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .partitions = 1, .deadline_ms = 300});
    if (!w) return;
    for (int i = 0; i < 4; i++) {
        sim_sleep_ms(s, 50 + (int64_t)sim_plan_below(s, 100));
        world_hold_replication(w, 0, 50 + (int64_t)sim_plan_below(s, 400), sim_plan_below(s, 2));
    }
    world_expect_progress(w, 2000);
    world_end(w);
}
