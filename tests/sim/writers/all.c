/* Everything at once, and other kinds of writers in it.
 *
 * Property: as always; without idempotence records may be doubled, and with acks one what a lost leader acknowledged is
 * not acknowledged here; with acks none nothing is promised but one outcome, and that the records that are there are
 * whole. Sometimes: see each. */
#include "trouble.h"

static const char *const happens[] = {DESK_RETRIED, DESK_DUPLICATE, DESK_PIPELINED, NULL};

WRITER_SCENARIO(writer_several_topics_in_all_kinds_of_trouble, .sometimes = NULL, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(
        w, &(desk_config){.writer = {.async = sim_below(s, 2) == 0, .batch_bytes = 800, .write_timeout_ms = 300},
                          .other = world_add_topic(w, "payments", 2),
                          .mixed = sim_below(s, 2) == 0});
    if (!d) return;
    for (int i = 0; i < 4; i++) trouble(w, TROUBLE_LOSES);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

WRITER_SCENARIO(writer_two_writers_in_all_kinds_of_trouble, .sometimes = happens, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    if (!w) return;
    desk *one = desk_open(
        w,
        &(desk_config){.writer = {.async = 1, .batch_bytes = 600, .write_timeout_ms = 300}, .clerks = 2, .calls = 20});
    desk *two = one ? desk_open(w, &(desk_config){.writer = {.write_timeout_ms = 500},
                                                  .clerks = 2,
                                                  .calls = 20,
                                                  .first_clerk = 2,
                                                  .mute = sim_below(s, 2)})
                    : NULL;
    if (!two) return;
    for (int i = 0; i < 4; i++) trouble(w, TROUBLE_LOSES);
    desk_close(one);
    desk_close(two);
    desk_expect_no_failure(one);
    world_end(w);
}

static const char *const refused[] = {DESK_FAILED, DESK_BUMPED, DESK_EXPIRED, NULL};

WRITER_SCENARIO(writer_messages_fail_in_all_kinds_of_trouble, .sometimes = refused, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 2) == 0,
                                                     .batch_bytes = 800,
                                                     .write_timeout_ms = 200,
                                                     .delivery_timeout_ms = 300,
                                                     .max_attempts = 3},
                                          .call_ms = 400,
                                          .resends = sim_below(s, 2)});
    if (!d) return;
    for (int i = 0; i < 5; i++) trouble(w, TROUBLE_LOSES | TROUBLE_REFUSES);
    desk_close(d);
    world_end(w);
}

static const char *const doubled[] = {WORLD_DUPLICATE, NULL};

WRITER_SCENARIO(writer_without_idempotence_in_all_kinds_of_trouble, .sometimes = doubled, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d =
        desk_open(w, &(desk_config){.writer = {.async = 1,
                                               .batch_bytes = 800,
                                               .write_timeout_ms = 200,
                                               .no_idempotence = 1,
                                               .required_acks = sim_below(s, 2) ? KAFKA_ACKS_ALL : KAFKA_ACKS_ONE}});
    if (!d) return;
    for (int i = 0; i < 4; i++) trouble(w, 0);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const sent[] = {WORLD_MAYBE_WRITTEN, WORLD_MAYBE_LOST, NULL};

WRITER_SCENARIO(writer_acks_none_in_all_kinds_of_trouble, .sometimes = sent, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(
        w,
        &(desk_config){.writer = {.async = sim_below(s, 2) == 0, .batch_bytes = 800, .required_acks = KAFKA_ACKS_NONE},
                       .mixed = sim_below(s, 2) == 0});
    if (!d) return;
    for (int i = 0; i < 4; i++) trouble(w, TROUBLE_LOSES);
    desk_close(d);
    world_end(w);
}

static const char *const no_memory[] = {WORLD_NO_MEMORY, DESK_RETRIED, NULL};

WRITER_SCENARIO(writer_memory_is_refused_now_and_then, .sometimes = no_memory, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(
        w, &(desk_config){.writer = {.async = sim_below(s, 2) == 0, .batch_bytes = 600, .write_timeout_ms = 300},
                          .mixed = sim_below(s, 2) == 0,
                          .late = true});
    if (!d) return;
    for (int i = 0; i < 8; i++) {
        world_refuse_memory(w, 1 + sim_plan_below(s, 60));
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 15));
        if (i % 3 == 2) world_reset(w, 0);
    }
    desk_expect_progress(d, 4000);
    desk_close(d);
    world_end(w);
}

WRITER_SCENARIO(writer_a_slow_machine_in_all_kinds_of_trouble, .sometimes = happens, .seeds = 80,
                .config.slow_us = 2000)
{
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1, .slack_ms = 500});
    if (!w) return;
    desk *d = desk_open(
        w, &(desk_config){.writer = {.async = sim_below(s, 2) == 0, .batch_bytes = 800, .write_timeout_ms = 300},
                          .calls = 20,
                          .late = true});
    if (!d) return;
    for (int i = 0; i < 4; i++) trouble(w, TROUBLE_LOSES);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}
