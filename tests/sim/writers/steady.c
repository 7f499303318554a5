/* S01: nothing goes wrong.
 *
 * Property: every message is written once, in order, at once; no batch is sent twice, connections are made once, and
 * nobody asks for metadata without a reason.
 * Sometimes: several batches of a partition are in flight. */
#include "writers.h"

static const char *const happens[] = {DESK_PIPELINED, NULL};

WRITER_SCENARIO(writer_s01_steady_state, .sometimes = happens, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .partitions = 3, .writers = -1, .readers = 1});
    if (!w) return;
    bool async = sim_below(s, 3) != 0;
    desk *d = desk_open(w, &(desk_config){.writer = {.async = async, .batch_bytes = 600},
                                          .partitions = 3,
                                          .call_ms = 5000,
                                          .patient = true,
                                          .mixed = sim_below(s, 2) == 0});
    if (!d) return;
    desk_expect_progress(d, 200);
    desk_wait(d);
    desk_wait_for_outcomes(d);
    kafka_writer_stats stats;
    kafka_writer_stats_snapshot(desk_writer(d), &stats);
    sim_check_equal(s, stats.retries, 0);
    sim_check(s, stats.dials <= 3);
    sim_check(s, kafka_cluster_requests(world_cluster(w), KAFKA_REQUEST_METADATA) <= 6);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}
