/* Memory is refused, once here and once there, to the application's side or to a broker.
 *
 * Property: as for killed leaders. Who is refused it says so, or closes its connection; nobody hangs, and when there is
 * memory again everything works.
 * Sometimes: a call says so, and connections are made again. */
#include "scenarios.h"

static const char *const happens[] = {WORLD_NO_MEMORY, WORLD_RECONNECTED, NULL};

WORLD_SCENARIO(memory_is_refused_now_and_then, .sometimes = happens, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .deadline_ms = 400, .pause_us = 12000, .most_writes = 40});
    if (!w) return;
    for (int i = 0; i < 20; i++) {
        world_refuse_memory(w, 1 + sim_plan_below(s, 60));
        sim_sleep_ms(s, 10 + (int64_t)sim_plan_below(s, 30));
    }
    world_expect_progress(w, 4000);
    world_end(w);
}
