/* S37, B16: writers are closed and freed at any moment, whatever goes on.
 *
 * Property: close returns by its deadline, and by then every accepted message has had its outcome; nothing leaks; what
 * was told to be not written is not there, whatever arrives later.
 * Sometimes: messages are given up, and are in the log all the same. */
#include "trouble.h"

static const char *const closed[] = {DESK_CANCELED, WORLD_MAYBE_WRITTEN, WORLD_MAYBE_LOST, NULL};

static desk_config some_config(sim *s)
{
    return (desk_config){.writer = {.async = sim_below(s, 2) == 0,
                                    .batch_bytes = 600,
                                    .write_timeout_ms = 300,
                                    .buffer_bytes = sim_below(s, 2) ? 8192 : 0,
                                    .no_idempotence = sim_below(s, 4) == 0},
                         .mixed = sim_below(s, 3) == 0,
                         .may_close = true};
}

WRITER_SCENARIO(writer_s37_a_close_at_any_moment, .sometimes = closed, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk_config cfg = some_config(s);
    desk *d = desk_open(w, &cfg);
    if (!d) return;
    for (int i = (int)sim_plan_below(s, 3); i > 0; i--) trouble(w, TROUBLE_REFUSES);
    sim_sleep_us(s, (int64_t)sim_below(s, 60000));
    desk_close_early(d, (int64_t)sim_below(s, 3) * (int64_t)sim_below(s, 200));
    world_end(w);
}

WRITER_SCENARIO(writer_s37_a_free_at_any_moment, .sometimes = NULL, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk_config cfg = some_config(s);
    cfg.writer.delivery_timeout_ms = 1000;
    desk *d = desk_open(w, &cfg);
    if (!d) return;
    for (int i = (int)sim_plan_below(s, 3); i > 0; i--) trouble(w, TROUBLE_REFUSES);
    sim_sleep_us(s, (int64_t)sim_below(s, 60000));
    desk_close_early(d, -1);
    world_end(w);
}
