/* S07, S09, S10: the network between the application and brokers is cut, in both directions or in one, or connections
 * are half open: the broker's machine is gone and nobody says so.
 *
 * Property: as for killed leaders. After the network is whole again every task gets on within a few seconds, the
 * longest pause being that in which TCP sends the first packet of a connection again. While it is cut, nobody connects
 * in a busy loop. Sometimes: calls end at their deadlines; with acknowledgements lost, writes of unknown outcome are in
 * the log and are there twice after a second attempt. */
#include "scenarios.h"

enum { GETS_ON_MS = 6000 };

static const char *const cut[] = {WORLD_TIMED_OUT, WORLD_RECONNECTED, NULL};

static int connects(sim *s, const world *w)
{
    int n = 0;
    for (int b = 1; b <= 3; b++) n += sim_net_route(s, world_address(w, b))->connects;
    return n;
}

WORLD_SCENARIO(s07_partition_from_one_broker, .sometimes = cut, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .watched = true});
    if (!w) return;
    sim_sleep_ms(s, 100);
    world_partition(w, world_some_broker(w), SIM_UP | SIM_DOWN, 500 + (int64_t)sim_plan_below(s, 1500));
    world_expect_progress(w, GETS_ON_MS);
    world_end(w);
}

WORLD_SCENARIO(s07_partition_from_all_brokers, .sometimes = cut, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .watched = true});
    if (!w) return;
    sim_sleep_ms(s, 100);
    int before = connects(s, w);
    world_partition(w, 0, SIM_UP | SIM_DOWN, 2000);
    sim_check(s, connects(s, w) - before <=
                     150); /* four tasks and a watcher, each with at most ten in a second and broker */
    world_expect_progress(w, GETS_ON_MS);
    world_end(w);
}

WORLD_SCENARIO(s09_requests_are_lost, .sometimes = cut, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .deadline_ms = 400});
    if (!w) return;
    for (int i = 0; i < 2; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 200));
        world_partition(w, world_some_broker(w), SIM_UP, 300 + (int64_t)sim_plan_below(s, 600));
    }
    world_expect_progress(w, GETS_ON_MS);
    world_end(w);
}

static const char *const acks_lost[] = {WORLD_TIMED_OUT, WORLD_MAYBE_WRITTEN, WORLD_DUPLICATE, NULL};

WORLD_SCENARIO(s09_acknowledgements_are_lost, .sometimes = acks_lost, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .deadline_ms = 300, .pause_us = 15000});
    if (!w) return;
    for (int i = 0; i < 3; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 200));
        world_partition(w, world_some_broker(w), SIM_DOWN, 200 + (int64_t)sim_plan_below(s, 500));
    }
    world_expect_progress(w, GETS_ON_MS);
    world_end(w);
}

WORLD_SCENARIO(s10_half_open_connections, .sometimes = cut, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .deadline_ms = 600, .watched = true});
    if (!w) return;
    sim_sleep_ms(s, 100 + (int64_t)sim_plan_below(s, 100));
    int broker = world_leader(w, (int32_t)sim_plan_below(s, 2));
    bool wanted = sim_fault(s, "broker %d is gone without a word", broker);
    if (wanted) sim_net_vanish(s, world_address(w, broker));
    sim_sleep_ms(s, 300);
    if (wanted) world_fence_broker(w, broker);
    world_expect_progress(w, GETS_ON_MS);
    sim_net_route(s, world_address(w, broker))->reach = SIM_ANSWERS;
    world_expect_progress(w, GETS_ON_MS);
    world_end(w);
}
