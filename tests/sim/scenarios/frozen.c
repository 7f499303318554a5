/* S04, S06: brokers stand still, as if stopped by a signal: they neither answer nor close.
 *
 * Property: as for killed leaders. A task gets on when its partition is led by a broker that answers; what is told "not
 * written" is not in the log even though the frozen broker reads the request when it thaws; every call ends by its
 * deadline. Sometimes: calls end at their deadlines, and writes of unknown outcome are in the log. */
#include "scenarios.h"

static const char *const fenced[] = {WORLD_TIMED_OUT, WORLD_RECONNECTED, NULL};

WORLD_SCENARIO(s04_leader_stands_still, .sometimes = fenced, .seeds = 80)
{
    world *w = world_new(
        s, &(world_config){.brokers = 3, .most_writes = 40, .pause_us = 40000, .deadline_ms = 800, .watched = true});
    if (!w) return;
    for (int i = 0; i < 2; i++) {
        int32_t partition = (int32_t)sim_plan_below(s, 2);
        int broker = world_leader(w, partition);
        sim_sleep_ms(s, 100);
        bool wanted = sim_fault(s, "broker %d stands still and is fenced", broker);
        if (wanted) sim_net_freeze(s, world_address(w, broker), SIM_UP);
        sim_sleep_ms(s, 300 + (int64_t)sim_plan_below(s, 600));
        if (wanted) world_fence_broker(w, broker);
        world_expect_progress(w, 6000);
        if (wanted) sim_net_freeze(s, world_address(w, broker), 0);
        world_expect_progress(w, 3000);
    }
    world_end(w);
}

static const char *const happens[] = {WORLD_TIMED_OUT, WORLD_RECONNECTED, WORLD_MAYBE_WRITTEN, NULL};

WORLD_SCENARIO(s06_two_of_three_freeze_and_thaw, .sometimes = happens, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .deadline_ms = 300, .no_retry = true});
    if (!w) return;
    for (int i = 0; i < 4; i++) {
        int spared = world_some_broker(w);
        bool wanted = sim_fault(s, "all but broker %d stand still for a while", spared);
        for (int b = 1; b <= 3 && wanted; b++) {
            if (b != spared) sim_net_freeze(s, world_address(w, b), SIM_UP);
        }
        sim_sleep_ms(s, 450);
        for (int b = 1; b <= 3; b++) sim_net_freeze(s, world_address(w, b), 0);
        sim_sleep_ms(s, 200);
    }
    world_expect_progress(w, 4000);
    world_end(w);
}
