/* Requests that fail, get no answer, half an answer or a late one, in any mixture; and a bootstrap name that stops
 * resolving or leads elsewhere.
 *
 * Property: as for killed leaders; on a slow machine calls may miss their deadlines by what its steps take.
 * Sometimes: each of the outcomes that a write can have. */
#include "scenarios.h"
#include <stdio.h>

static const char *const happens[] = {
    WORLD_EOF, WORLD_NOT_LEADER, WORLD_TIMED_OUT, WORLD_MAYBE_WRITTEN, WORLD_MAYBE_LOST, WORLD_DUPLICATE, NULL};

static void some_fault(sim *s, world *w)
{
    static const int32_t codes[] = {KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, KAFKA_ERR_REQUEST_TIMED_OUT,
                                    KAFKA_ERR_NOT_ENOUGH_REPLICAS, KAFKA_ERR_KAFKA_STORAGE_ERROR,
                                    KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION};
    static const int32_t apis[] = {KAFKA_REQUEST_PRODUCE, KAFKA_REQUEST_FETCH, KAFKA_REQUEST_METADATA, -1};
    kafka_fault_kind kind = KAFKA_FAULT_ERROR + (kafka_fault_kind)sim_plan_below(s, 7);
    int32_t api = apis[sim_plan_below(s, 4)], code = codes[sim_plan_below(s, 5)];
    if (kind == KAFKA_FAULT_APPLY_THEN_ERROR) { /* an old leader, which gives the offset */
        api = KAFKA_REQUEST_PRODUCE;
        code = KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
    }
    if (kind == KAFKA_FAULT_ERROR && api == -1) api = KAFKA_REQUEST_PRODUCE;
    world_fault(w, kind, api, code, 1 + (int64_t)sim_plan_below(s, 2), (int64_t)sim_plan_below(s, 200));
}

WORLD_SCENARIO(brokers_fail_requests_in_every_way, .sometimes = happens, .seeds = 120)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .deadline_ms = 600, .pause_us = 12000});
    if (!w) return;
    for (int i = 0; i < 12; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 100));
        some_fault(s, w);
    }
    kafka_cluster_clear_faults(world_cluster(w));
    world_expect_progress(w, 6000);
    world_end(w);
}

static const char *const unresolved[] = {WORLD_UNRESOLVED, WORLD_RECONNECTED, NULL};

WORLD_SCENARIO(the_bootstrap_name_comes_and_goes, .sometimes = unresolved, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 1, .by_name = true, .watched = true});
    if (!w) return;
    sim_name *n = sim_name_of(s, "kafka");
    for (int i = 0; i < 3; i++) {
        bool wanted = sim_fault(s, "the name of the brokers %s",
                                i == 0   ? "is unknown"
                                : i == 1 ? "leads to nobody"
                                         : "is not answered for");
        if (wanted && i == 0) n->failure = "Name or service not known";
        if (wanted && i == 1) snprintf(n->addresses[0], sizeof n->addresses[0], "10.9.9.9");
        if (wanted && i == 2) n->silent = true;
        world_reset(w, 0);
        sim_sleep_ms(s, 100 + (int64_t)sim_plan_below(s, 300));
        n->failure = NULL;
        n->silent = false;
        snprintf(n->addresses[0], sizeof n->addresses[0], "10.0.0.1");
        world_expect_progress(w, 6000);
    }
    world_end(w);
}

static const char *const trouble[] = {WORLD_RECONNECTED, WORLD_TIMED_OUT, WORLD_MAYBE_WRITTEN, NULL};

WORLD_SCENARIO(a_slow_machine_in_all_kinds_of_trouble, .sometimes = trouble, .seeds = 80, .config.slow_us = 1000)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .deadline_ms = 500, .slack_ms = 200});
    if (!w) return;
    for (int i = 0; i < 8; i++) {
        switch (sim_plan_below(s, 6)) {
        case 0: world_stop_broker(w, 0, (int64_t)sim_plan_below(s, 200)); break;
        case 1: world_freeze_broker(w, 0, (int64_t)sim_plan_below(s, 200)); break;
        case 2: world_move_leader(w, (int32_t)sim_plan_below(s, 2)); break;
        case 3:
            world_partition(w, (int)sim_plan_below(s, 4), 1 + (unsigned)sim_plan_below(s, 3),
                            (int64_t)sim_plan_below(s, 200));
            break;
        case 4: world_reset(w, (int)sim_plan_below(s, 4)); break;
        default: some_fault(s, w); break;
        }
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 80));
    }
    kafka_cluster_clear_faults(world_cluster(w));
    world_expect_progress(w, 8000);
    world_end(w);
}
