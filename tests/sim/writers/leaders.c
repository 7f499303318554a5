/* S02, S03, S05, B06: leaders are killed, restarted in turn, moved, lost with what was not copied; a lone broker
 * forgets.
 *
 * Property: nothing is lost, doubled or out of order, and nothing fails: there is time enough. Every clerk gets on
 * within a second and a half after its partitions have leaders again.
 * Sometimes: batches are under way when their broker goes, and are sent again; answers say where the leader is; epochs
 * begin; a restarted broker denies batches that it has, and a younger one proves them. */
#include "writers.h"

enum { GETS_ON_MS = 1500, HANDED_OVER_MS = 500 };

static const char *const killed[] = {DESK_RETRIED, DESK_PIPELINED, DESK_DUPLICATE, NULL};

WRITER_SCENARIO(writer_s02_leaders_are_killed, .sometimes = killed, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = 1});
    if (!w) return;
    desk *d = desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 800},
                                          .mixed = sim_below(s, 2) == 0});
    if (!d) return;
    for (int i = 0; i < 3; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 50));
        world_fault(w, sim_plan_below(s, 2) ? KAFKA_FAULT_DELAY : KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE, 0,
                    1 + (int64_t)sim_plan_below(s, 4), 20);
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 20));
        world_stop_broker(w, 0, 20 + (int64_t)sim_plan_below(s, 200));
        desk_expect_progress(d, GETS_ON_MS);
    }
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const denied[] = {DESK_RETRIED, DESK_OUT_OF_LINE, DESK_PROOF, DESK_PROVED, DESK_DUPLICATE, NULL};

/* The broker appends up to five batches, is restarted before it answers, and remembers only the newest. */
WRITER_SCENARIO(writer_s02_a_lone_broker_forgets_all_but_the_newest_batch, .sometimes = denied, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 1, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(w, &(desk_config){.writer = {.async = 1, .batch_bytes = 550, .write_timeout_ms = 200},
                                          .pause_us = 2000,
                                          .most_batch = 6,
                                          .calls = 20});
    if (!d) return;
    for (int i = 0; i < 3; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 15));
        bool wanted = sim_fault(s, "answers of the broker are lost, then it is restarted");
        if (wanted) sim_net_hold(s, world_address(w, 1), SIM_DOWN);
        sim_sleep_ms(s, 1 + (int64_t)sim_plan_below(s, 10));
        if (wanted) sim_check_equal(s, kafka_cluster_stop_broker(world_cluster(w), 1), 0);
        if (wanted) sim_check_equal(s, kafka_cluster_start_broker(world_cluster(w), 1), 0);
        sim_sleep_ms(s, 250); /* until they are given up */
        if (wanted) sim_net_hold(s, world_address(w, 1), 0);
        desk_expect_progress(d, 4000);
    }
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const restarted[] = {DESK_HINT, DESK_PIPELINED, NULL};

WRITER_SCENARIO(writer_s03_rolling_restart, .sometimes = restarted, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d =
        desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 800}, .pause_us = 8000});
    if (!d) return;
    for (int broker = 1; broker <= 3; broker++) {
        for (int32_t p = 0; p < 2; p++) { /* a clean one hands its partitions over first */
            if (world_leader(w, p) == broker) world_move_leader(w, p);
        }
        if (sim_plan_below(s, 2)) desk_expect_progress(d, HANDED_OVER_MS);
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 40));
        world_stop_broker(w, broker, 40 + (int64_t)sim_plan_below(s, 80));
        desk_expect_progress(d, GETS_ON_MS);
    }
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const moved[] = {DESK_HINT, DESK_RETRIED, DESK_PIPELINED, DESK_BUMPED, NULL};

/* B06: and now and then a partition forgets the producer, so that its sequences do not fit any more. */
WRITER_SCENARIO(writer_s05_leaders_move, .sometimes = moved, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 4, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d =
        desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 800}, .pause_us = 6000});
    if (!d) return;
    for (int i = 0; i < 10; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 40));
        if (sim_plan_below(s, 3) == 0)
            world_fault(w, KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE, 0, 1 + (int64_t)sim_plan_below(s, 2), 0);
        if (sim_plan_below(s, 4) == 0)
            world_fault(w, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1, 0);
        world_move_leader(w, (int32_t)sim_plan_below(s, 2));
    }
    kafka_cluster_clear_faults(world_cluster(w));
    desk_expect_progress(d, 3000); /* after many failures in a row pauses are long */
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const lost[] = {DESK_RETRIED, DESK_HINT, NULL};

/* With acks all what was not copied was not acknowledged. */
WRITER_SCENARIO(writer_s05_leaders_are_lost_with_unreplicated_records, .sometimes = lost, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(
        w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 800, .write_timeout_ms = 200}});
    if (!d) return;
    for (int i = 0; i < 3; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 50));
        world_hold_replication(w, (int32_t)sim_plan_below(s, 2), 20 + (int64_t)sim_plan_below(s, 300),
                               sim_plan_below(s, 2));
    }
    desk_expect_progress(d, 3000);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}
