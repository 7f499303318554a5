/* S08: coordinators are killed, move, load, and brokers say that they are none; as far as there are groups: looking
 * them up.
 *
 * Property: a look-up ends by its deadline, always; it finds a coordinator when one is to be had within the time, and
 * the right one when all is well.
 * Sometimes: a look-up succeeds although brokers are down, and one fails. */
#include "scenarios.h"

static const char *const happens[] = {"a coordinator was found in trouble", "a coordinator was not found", NULL};

WORLD_SCENARIO(s08_coordinators_come_and_go, .sometimes = happens, .seeds = 80)
{
    static const int32_t codes[] = {KAFKA_ERR_COORDINATOR_LOAD_IN_PROGRESS, KAFKA_ERR_COORDINATOR_NOT_AVAILABLE,
                                    KAFKA_ERR_NOT_COORDINATOR_FOR_GROUP};
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1, .watched = true});
    if (!w) return;
    int32_t id = -1;
    for (int i = 0; i < 4 && !sim_failed(s); i++) {
        int64_t patience = 50 + (int64_t)sim_plan_below(s, 3000);
        world_fault(w, KAFKA_FAULT_ERROR, KAFKA_REQUEST_FIND_COORDINATOR, codes[sim_plan_below(s, 3)],
                    (int64_t)sim_plan_below(s, 4), 0);
        if (sim_plan_below(s, 2)) world_reset(w, 0);
        if (sim_plan_below(s, 3) == 0)
            world_fault(w, KAFKA_FAULT_SILENCE, KAFKA_REQUEST_FIND_COORDINATOR, 0, 1, 0);
        else if (sim_plan_below(s, 2))
            world_stop_broker(w, world_some_broker(w), 1);
        sim_sometimes(s, happens[world_find_coordinator(w, "orders-app", patience, &id) != 0]);
        kafka_cluster_clear_faults(world_cluster(w));
    }
    sim_check_equal(s, world_find_coordinator(w, "orders-app", 10000, &id), 0);
    sim_check(s, id >= 1 && id <= 3);
    world_end(w);
}
