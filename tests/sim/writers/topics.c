/* B01, B16, B17, S16, S17: what metadata says of the topic changes.
 *
 * Property: nothing is lost, doubled or out of order; sequences outlive metadata that says for a while that there is no
 * topic; each message has its outcome, also when its topic is deleted or never was. What was acknowledged for the old
 * topic does not count in the new one. Partitions that are added can be written to, although one broker does not know
 * them yet. Sometimes: see each. */
#include "writers.h"

static const char *const flaps[] = {DESK_RETRIED, DESK_PIPELINED, NULL};

WRITER_SCENARIO(writer_b01_a_topic_is_unknown_for_a_while, .sometimes = flaps, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0,
                                                     .batch_bytes = 800,
                                                     .max_attempts = 1000,
                                                     .rebalance_interval_ms = 20},
                                          .pause_us = 10000,
                                          .call_ms = 4000});
    if (!d) return;
    for (int i = 0; i < 3; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 60));
        world_fault(w, KAFKA_FAULT_ERROR, KAFKA_REQUEST_METADATA, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                    1 + (int64_t)sim_plan_below(s, 6), 0);
        if (sim_plan_below(s, 2))
            world_fault(w, KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE, 0, 1 + (int64_t)sim_plan_below(s, 2), 0);
        if (sim_plan_below(s, 2))
            world_fault(w, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                        1 + (int64_t)sim_plan_below(s, 2), 0);
        world_stop_broker(w, 0, (int64_t)sim_plan_below(s, 60));
    }
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const gone[] = {DESK_FAILED, NULL};

/* The topic goes with messages under way, and does not come back for longer than anybody waits. */
WRITER_SCENARIO(writer_b16_a_topic_is_deleted, .sometimes = gone, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0,
                                                     .batch_bytes = 800,
                                                     .max_attempts = 3,
                                                     .delivery_timeout_ms = 2000,
                                                     .rebalance_interval_ms = 50},
                                          .other = world_add_topic(w, "payments", 2)});
    if (!d) return;
    sim_sleep_ms(s, (int64_t)sim_plan_below(s, 60));
    bool wanted = sim_fault(s, "the topic is deleted");
    if (wanted) sim_check_equal(s, kafka_cluster_delete_topic(world_cluster(w), WORLD_TOPIC), 0);
    desk_wait(d);
    desk_wait_for_outcomes(d);
    if (wanted) journal_forget(world_journal(w));
    if (wanted) sim_check_equal(s, kafka_cluster_create_topic(world_cluster(w), WORLD_TOPIC, 2), 0);
    desk_close(d);
    world_end(w);
}

static const char *const recreated[] = {"messages were under way when their topic was made anew", NULL};

WRITER_SCENARIO(writer_s16_topic_is_recreated, .sometimes = recreated, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d =
        desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 800, .max_attempts = 1000},
                                    .pause_us = 15000});
    if (!d) return;
    for (int i = 0; i < 2; i++) { /* so that leader epochs are higher than those of a new topic */
        world_move_leader(w, (int32_t)sim_plan_below(s, 2));
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 40));
    }
    if (desk_under_way(d) > 0) sim_sometimes(s, recreated[0]);
    world_recreate_topic(w, 2 + (int32_t)sim_plan_below(s, 3));
    desk_expect_progress(d, 2000);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const grown[] = {DESK_PIPELINED, DESK_GREW, NULL};

WRITER_SCENARIO(writer_s17_partitions_are_added, .sometimes = grown, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0,
                                                     .batch_bytes = 600,
                                                     .rebalance_interval_ms = 50,
                                                     .delivery_timeout_ms = 1500},
                                          .pause_us = 20000,
                                          .stride = 5});
    if (!d) return;
    sim_sleep_ms(s, (int64_t)sim_plan_below(s, 50));
    if (sim_plan_below(s, 2)) world_show_stale_metadata(w, world_some_broker(w));
    int32_t partitions = 3 + (int32_t)sim_plan_below(s, 3);
    bool wanted = world_grow_topic(w, partitions);
    if (sim_plan_below(s, 2)) world_move_leader(w, 0);
    sim_sleep_ms(s, 300);
    if (wanted) desk_use_partitions(d, partitions);
    desk_expect_progress(d, 2000);
    world_show_true_metadata(w);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}
