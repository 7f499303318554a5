/* S04, S06, B07: brokers stand still, as if stopped by a signal: they neither answer nor close.
 *
 * Property: as for killed leaders. A frozen leader that was fenced does not hold up its successor. Where the delivery
 * timeout strikes, the outcome is told within 250 ms after it, says "possibly written" when it may be, and what the
 * broker reads when it thaws doubles nothing; an application that writes again what failed has every record in the log
 * once for each attempt at most.
 * Sometimes: batches of unknown outcome are sent again; messages expire, and are in the log all the same. */
#include "writers.h"

static const char *const fenced[] = {DESK_TWO_COPIES, NULL};

WRITER_SCENARIO(writer_s04_leader_stands_still, .sometimes = fenced, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 800},
                                          .pause_us = 20000,
                                          .call_ms = 400});
    if (!d) return;
    for (int i = 0; i < 2; i++) {
        int broker = world_leader(w, (int32_t)sim_plan_below(s, 2));
        sim_sleep_ms(s, 20 + (int64_t)sim_plan_below(s, 50));
        bool wanted = sim_fault(s, "broker %d stands still and is fenced", broker);
        if (wanted) sim_net_freeze(s, world_address(w, broker), SIM_UP);
        sim_sleep_ms(s, 200 + (int64_t)sim_plan_below(s, 600));
        if (wanted) world_fence_broker(w, broker);
        desk_expect_progress(d, 6000); /* 3 s until it is suspected, 1 s until somebody else is asked */
        if (wanted) sim_net_freeze(s, world_address(w, broker), 0);
        desk_expect_progress(d, 3000);
    }
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const thawed[] = {DESK_EXPIRED, DESK_BUMPED, WORLD_MAYBE_WRITTEN, NULL};

WRITER_SCENARIO(writer_s06_two_of_three_freeze_and_thaw, .sometimes = thawed, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0,
                                                     .batch_bytes = 800,
                                                     .delivery_timeout_ms = 300,
                                                     .write_timeout_ms = 200 + 100 * (int64_t)sim_below(s, 3)},
                                          .call_ms = 400,
                                          .pause_us = 20000,
                                          .resends = sim_below(s, 2) == 0});
    if (!d) return;
    for (int i = 0; i < 3; i++) {
        int spared = world_some_broker(w);
        bool wanted = sim_fault(s, "all but broker %d stand still for a while", spared);
        for (int b = 1; b <= 3 && wanted; b++) {
            if (b != spared) sim_net_freeze(s, world_address(w, b), SIM_UP);
        }
        sim_sleep_ms(s, 450);
        for (int b = 1; b <= 3; b++) sim_net_freeze(s, world_address(w, b), 0);
        sim_sleep_ms(s, 200);
    }
    desk_expect_progress(d, 3000);
    desk_close(d);
    world_end(w);
}

static const char *const stuck[] = {DESK_EXPIRED, WORLD_MAYBE_WRITTEN, NULL};

/* B08: the broker reads nothing, the buffers of the socket are full, and the messages in them expire. Their memory must
 * not be used again before the socket is done with it. */
WRITER_SCENARIO(writer_b08_a_broker_reads_nothing, .sometimes = stuck, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    for (int b = 1; b <= 2; b++) sim_net_route(s, world_address(w, b))->window = 300 + sim_below(s, 2000);
    desk *d = desk_open(w, &(desk_config){.writer = {.async = 1,
                                                     .batch_bytes = 1500,
                                                     .buffer_bytes = 16384,
                                                     .delivery_timeout_ms = 200,
                                                     .write_timeout_ms = 1500},
                                          .call_ms = 100,
                                          .mixed = sim_below(s, 2) == 0,
                                          .calls = 40});
    if (!d) return;
    for (int i = 0; i < 2; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 30));
        world_freeze_broker(w, world_some_broker(w), 300 + (int64_t)sim_plan_below(s, 400));
    }
    desk_close(d);
    world_end(w);
}
