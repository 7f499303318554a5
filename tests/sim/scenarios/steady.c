/* S01: nothing goes wrong.
 *
 * Property: every call succeeds, each task makes one connection and keeps it, nothing is lost, doubled or out of order,
 * and the cluster is asked for metadata no more often than connections are made.
 * Sometimes: records are written and read. */
#include "scenarios.h"

static const char *const happens[] = {WORLD_WRITTEN, WORLD_READ, NULL};

WORLD_SCENARIO(s01_steady_state, .sometimes = happens, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3,
                                            .partitions = 3,
                                            .writers = 3,
                                            .readers = 3,
                                            .patient = true,
                                            .deadline_ms = 5000,
                                            .most_writes = 30});
    if (!w) return;
    world_expect_progress(w, 200);
    sim_sleep_ms(s, 1000);
    world_stop_tasks(w);
    sim_check_equal(s, world_journal(w)->failures, 0);
    sim_check_equal(s, world_dials(w), 6);
    sim_check(s, kafka_cluster_requests(world_cluster(w), KAFKA_REQUEST_METADATA) <= 6);
    world_end(w);
}
