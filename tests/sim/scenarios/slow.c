/* S22: answers come a few bytes at a time, or never.
 *
 * Property: every call ends by its deadline, dialling by its timeout; the broker that is slow holds up nobody who uses
 * another one; the application gets on when it is quick again.
 * Sometimes: calls end at their deadlines, connections are given up. */
#include "scenarios.h"

static const char *const happens[] = {WORLD_TIMED_OUT, WORLD_RECONNECTED, NULL};

WORLD_SCENARIO(s22_answers_trickle, .sometimes = happens, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .deadline_ms = 500});
    if (!w) return;
    int broker = world_some_broker(w);
    sim_route *r = sim_net_route(s, world_address(w, broker));
    for (int i = 0; i < 2; i++) {
        bool wanted =
            sim_fault(s, "new connections to broker %d carry 40 bytes in a second, old ones are reset", broker);
        if (wanted) r->bytes_per_s = 40;
        if (wanted) sim_net_reset(s, world_address(w, broker));
        sim_sleep_ms(s, 600 + (int64_t)sim_plan_below(s, 600));
        r->bytes_per_s = 0;
    }
    world_expect_progress(w, 8000);
    world_end(w);
}

WORLD_SCENARIO(s22_brokers_accept_and_are_silent, .sometimes = happens, .seeds = 80)
{
    static const int32_t apis[] = {KAFKA_REQUEST_API_VERSIONS, KAFKA_REQUEST_METADATA, KAFKA_REQUEST_PRODUCE,
                                   KAFKA_REQUEST_FETCH, KAFKA_REQUEST_LIST_OFFSETS};
    world *w = world_new(s, &(world_config){.brokers = 3, .deadline_ms = 500, .watched = true});
    if (!w) return;
    for (int i = 0; i < 6; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 200));
        world_fault(w, KAFKA_FAULT_SILENCE, apis[sim_plan_below(s, 5)], 0, 1 + (int64_t)sim_plan_below(s, 2), 0);
    }
    kafka_cluster_clear_faults(world_cluster(w));
    world_expect_progress(w, 8000);
    world_end(w);
}
