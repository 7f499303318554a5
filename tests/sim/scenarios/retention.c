/* S19: records are deleted in front of a reader, and compaction leaves batches without records.
 *
 * Property: a reader whose position was deleted is told so, once for each time, and goes on with the first record there
 * is; nothing else moves its position. An empty batch is passed over whole: the offset behind it comes next.
 * Sometimes: a position is out of range; a reader meets an empty batch. */
#include "scenarios.h"

static const char *const deleted[] = {WORLD_OUT_OF_RANGE, WORLD_READ, NULL};

WORLD_SCENARIO(s19_records_are_deleted, .sometimes = deleted, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .pause_us = 15000});
    if (!w) return;
    for (int i = 0; i < 4; i++) {
        int32_t partition = (int32_t)sim_plan_below(s, 2);
        int64_t start = 0, end = 0;
        sim_net_freeze(s, world_address(w, world_leader(w, partition)), SIM_DOWN); /* the application is slow */
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 200));
        sim_check_equal(s, kafka_cluster_log_size(world_cluster(w), WORLD_TOPIC, partition, &start, &end), 0);
        world_delete_records(w, partition, start + (end - start) / 2);
        sim_net_freeze(s, world_address(w, world_leader(w, partition)), 0);
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 100));
    }
    world_end(w);
}

/* Nothing lies behind it. */
static void pass_the_last_batch(sim *s, world *w)
{
    int64_t end = 0;
    kafka_conn *c = NULL;
    kafka_batch *batch = NULL;
    kafka_dialer d = world_dialer(w, 0);
    sim_check_equal(s, kafka_cluster_log_size(world_cluster(w), WORLD_TOPIC, 0, NULL, &end), 0);
    world_append_empty_batch(w, 0, 5);
    if (!sim_check_equal(s, kafka_dial_leader(&d, NULL, world_bootstrap(w), WORLD_TOPIC, 0, &c), 0)) return;
    kafka_conn_set_deadline(c, kafka_deadline_in(5000));
    sim_check_equal(s, kafka_conn_seek(c, end, KAFKA_SEEK_ABSOLUTE, NULL), 0);
    kafka_fetch fetch = {.max_wait_ms = 100};
    if (sim_check_equal(s, kafka_conn_read_batch(c, &fetch, &batch), 0)) {
        kafka_message m;
        sim_check_equal(s, kafka_batch_read_message(batch, &m), KAFKA_EOF);
        sim_check_equal(s, kafka_batch_close(batch), 0);
        int64_t now = 0;
        sim_check_equal(s, kafka_cluster_log_size(world_cluster(w), WORLD_TOPIC, 0, NULL, &now), 0);
        sim_check_equal(s, kafka_conn_offset(c, NULL), now);
    }
    kafka_conn_free(c);
}

static const char *const passed[] = {"a reader passed an empty batch", NULL};

WORLD_SCENARIO(s19_compaction_leaves_empty_batches, .sometimes = passed, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.partitions = 1, .writers = 2, .readers = 3, .watched = true});
    if (!w) return;
    for (int i = 0; i < 8; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 100));
        world_append_empty_batch(w, 0, 1 + (int32_t)sim_plan_below(s, 9));
        int reads = world_journal(w)->reads;
        world_expect_progress(w, 2000);
        if (world_journal(w)->reads > reads) sim_sometimes(s, passed[0]);
    }
    world_stop_tasks(w);
    pass_the_last_batch(s, w);
    world_end(w);
}
