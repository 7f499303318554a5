/* S23, S24: connections are reset all the time; bits are wrong.
 *
 * Property of the storm: as for killed leaders, and connections are not made faster than they break.
 * Property of wrong bits, which without TLS nothing but the checksum of a batch can find: no record comes out that is
 * not as it was written, nothing crashes or hangs, and when the bits are right again everything works.
 * Sometimes: connections are reset; a batch is found corrupt; an answer is nonsense. */
#include "scenarios.h"

static const char *const storm[] = {WORLD_RESET, WORLD_RECONNECTED, WORLD_MAYBE_WRITTEN, WORLD_MAYBE_LOST, NULL};

WORLD_SCENARIO(s23_reset_storm, .sometimes = storm, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .pause_us = 12000, .most_writes = 40, .watched = true});
    if (!w) return;
    for (int i = 0; i < 10; i++) {
        sim_sleep_ms(s, 10 + (int64_t)sim_plan_below(s, 70));
        world_reset(w, (int)sim_plan_below(s, 3));
    }
    world_expect_progress(w, 1500);
    world_end(w);
}

static const char *const wrong[] = {"a bit was flipped", WORLD_CORRUPT, WORLD_PROTOCOL, NULL};

WORLD_SCENARIO(s24_bits_flip, .sometimes = wrong, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 1, .deadline_ms = 400, .pause_us = 8000, .most_writes = 22});
    if (!w) return;
    world_journal(w)->only_content = true;
    sim_route *r = sim_net_route(s, world_address(w, 1));
    sim_sleep_ms(s, 50);
    r->flip_down = 1500;
    if (sim_plan_below(s, 2)) r->flip_up = 4000;
    sim_sleep_ms(s, 400);
    r->flip_up = r->flip_down = 0;
    world_reset(w, 0);
    world_expect_progress(w, 6000);
    world_end(w);
}
