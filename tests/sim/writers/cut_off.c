/* S07, S09, S10, S23: the network is cut, in both directions or in one; connections are half open, or are reset.
 *
 * Property: nothing is lost, doubled or out of order, and nothing fails; clerks get on soon after the network is whole.
 * Sometimes: batches of unknown outcome are sent again, and are acknowledged once more. */
#include "writers.h"

enum { GETS_ON_MS = 2500, FOUND_OUT_MS = 5000 };

static const char *const cut[] = {DESK_RETRIED, NULL};

static desk *some_desk(sim *s, world *w, int64_t pause_us)
{
    return desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0,
                                                  .batch_bytes = 800,
                                                  .write_timeout_ms = 300 + 300 * (int64_t)sim_below(s, 4)},
                                       .pause_us = pause_us,
                                       .call_ms = 300});
}

WRITER_SCENARIO(writer_s07_partition_from_one_broker, .sometimes = cut, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    desk *d = w ? some_desk(s, w, 20000) : NULL;
    if (!d) return;
    sim_sleep_ms(s, (int64_t)sim_plan_below(s, 100));
    world_partition(w, world_some_broker(w), SIM_UP | SIM_DOWN, 300 + (int64_t)sim_plan_below(s, 1500));
    desk_expect_progress(d, GETS_ON_MS);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

WRITER_SCENARIO(writer_s07_partition_from_all_brokers, .sometimes = cut, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    desk *d = w ? some_desk(s, w, 20000) : NULL;
    if (!d) return;
    sim_sleep_ms(s, (int64_t)sim_plan_below(s, 100));
    int before = 0, after = 0;
    for (int b = 1; b <= 3; b++) before += sim_net_route(s, world_address(w, b))->connects;
    world_partition(w, 0, SIM_UP | SIM_DOWN, 2000);
    for (int b = 1; b <= 3; b++) after += sim_net_route(s, world_address(w, b))->connects;
    sim_check(s, after - before <= 2 * 3 * 20); /* for writing and for metadata: ten in a second to each broker */
    desk_expect_progress(d, GETS_ON_MS);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

WRITER_SCENARIO(writer_s09_requests_are_lost, .sometimes = cut, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    desk *d = w ? some_desk(s, w, 15000) : NULL;
    if (!d) return;
    for (int i = 0; i < 2; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 60));
        world_partition(w, world_some_broker(w), SIM_UP, 200 + (int64_t)sim_plan_below(s, 600));
    }
    desk_expect_progress(d, GETS_ON_MS);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const acks_lost[] = {DESK_RETRIED, DESK_DUPLICATE, NULL};

WRITER_SCENARIO(writer_s09_acknowledgements_are_lost, .sometimes = acks_lost, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    desk *d = w ? some_desk(s, w, 15000) : NULL;
    if (!d) return;
    for (int i = 0; i < 3; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 60));
        world_partition(w, world_some_broker(w), SIM_DOWN, 200 + (int64_t)sim_plan_below(s, 600));
        if (sim_plan_below(s, 2)) world_move_leader(w, (int32_t)sim_plan_below(s, 2));
    }
    desk_expect_progress(d, GETS_ON_MS);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

WRITER_SCENARIO(writer_s10_half_open_connections, .sometimes = cut, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    desk *d = w ? some_desk(s, w, 20000) : NULL;
    if (!d) return;
    sim_sleep_ms(s, (int64_t)sim_plan_below(s, 100));
    int broker = world_leader(w, (int32_t)sim_plan_below(s, 2));
    bool wanted = sim_fault(s, "broker %d is gone without a word", broker);
    if (wanted) sim_net_vanish(s, world_address(w, broker));
    sim_sleep_ms(s, 300);
    if (wanted) world_fence_broker(w, broker);
    desk_expect_progress(d, FOUND_OUT_MS);
    sim_net_route(s, world_address(w, broker))->reach = SIM_ANSWERS;
    desk_expect_progress(d, GETS_ON_MS);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const reset[] = {DESK_RETRIED, DESK_DUPLICATE, NULL};

WRITER_SCENARIO(writer_s23_reset_storm, .sometimes = reset, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    desk *d = w ? some_desk(s, w, 10000) : NULL;
    if (!d) return;
    int64_t begun = sim_now_ms(s);
    for (int i = 0; i < 12; i++) {
        sim_sleep_ms(s, 5 + (int64_t)sim_plan_below(s, 40));
        world_reset(w, sim_plan_below(s, 3) == 0 ? world_some_broker(w) : 0);
    }
    int connects = 0;
    for (int b = 1; b <= 2; b++) connects += sim_net_route(s, world_address(w, b))->connects;
    sim_check(s,
              connects <= 2 * 2 * (2 + (sim_now_ms(s) - begun) / 100)); /* for writing and metadata: ten in a second */
    desk_expect_progress(d, 3000);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const late[] = {DESK_RETRIED, DESK_DUPLICATE, NULL};

/* Copies on an old connection arrive behind those on the new one. */
WRITER_SCENARIO(writer_copies_on_old_connections_come_late, .sometimes = late, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(
        w, &(desk_config){.writer = {.async = 1, .batch_bytes = 600, .write_timeout_ms = 100}, .pause_us = 10000});
    if (!d) return;
    for (int i = 0; i < 4; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 60));
        world_delay_open(w, 0, 1 + (unsigned)sim_plan_below(s, 3), 200 + (int64_t)sim_plan_below(s, 600));
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 120));
        if (sim_plan_below(s, 3) == 0) world_move_leader(w, (int32_t)sim_plan_below(s, 2));
    }
    desk_expect_progress(d, 4000);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const overtaken[] = {DESK_EXPIRED, DESK_BUMPED, WORLD_MAYBE_WRITTEN, WORLD_MAYBE_LOST, NULL};

/* The same with a delivery timeout shorter than the delay. */
WRITER_SCENARIO(writer_b07_messages_expire_while_their_copies_are_late, .sometimes = overtaken, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(w, &(desk_config){.writer = {.async = 1,
                                                     .batch_bytes = 600,
                                                     .write_timeout_ms = 100,
                                                     .delivery_timeout_ms = 150 + 50 * (int64_t)sim_below(s, 5)},
                                          .pause_us = 10000,
                                          .call_ms = 200,
                                          .resends = sim_below(s, 3) == 0});
    if (!d) return;
    for (int i = 0; i < 4; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 60));
        world_delay_open(w, 0, 1 + (unsigned)sim_plan_below(s, 3), 100 + (int64_t)sim_plan_below(s, 600));
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 120));
        if (sim_plan_below(s, 3) == 0) world_move_leader(w, (int32_t)sim_plan_below(s, 2));
    }
    desk_expect_progress(d, 4000);
    desk_close(d);
    world_end(w);
}
