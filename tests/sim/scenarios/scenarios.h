/* The scenarios: an application and an in-memory cluster in trouble. tests/sim/README.md says how to add one. */
#ifndef KAFKA_TESTS_SIM_SCENARIOS_H
#define KAFKA_TESTS_SIM_SCENARIOS_H
#include "sim/world.h"

/* SCENARIO_WITH for a test that the list below names. */
#define WORLD_SCENARIO(test, ...)                                                     \
    static void test##_body(sim *s);                                                  \
    static void test##_run(sim *s, void *arg)                                         \
    {                                                                                 \
        (void)arg;                                                                    \
        test##_body(s);                                                               \
    }                                                                                 \
    void test(void **state)                                                           \
    {                                                                                 \
        (void)state;                                                                  \
        runner_run(&(const scenario){.name = #test, .run = test##_run, __VA_ARGS__}); \
    }                                                                                 \
    static void test##_body(sim *s)

#define SCENARIO_LIST(X)                              \
    X(s01_steady_state)                               \
    X(s02_leaders_are_killed)                         \
    X(s03_rolling_restart)                            \
    X(s04_leader_stands_still)                        \
    X(s05_leaders_move)                               \
    X(s05_leaders_are_lost_with_unreplicated_records) \
    X(s06_two_of_three_freeze_and_thaw)               \
    X(s07_partition_from_one_broker)                  \
    X(s07_partition_from_all_brokers)                 \
    X(s08_coordinators_come_and_go)                   \
    X(s09_requests_are_lost)                          \
    X(s09_acknowledgements_are_lost)                  \
    X(s10_half_open_connections)                      \
    X(s16_topic_is_recreated)                         \
    X(s17_partitions_are_added)                       \
    X(s17_one_broker_is_behind)                       \
    X(s19_records_are_deleted)                        \
    X(s19_compaction_leaves_empty_batches)            \
    X(s22_answers_trickle)                            \
    X(s22_brokers_accept_and_are_silent)              \
    X(s23_reset_storm)                                \
    X(s24_bits_flip)                                  \
    X(brokers_fail_requests_in_every_way)             \
    X(the_bootstrap_name_comes_and_goes)              \
    X(copies_on_old_connections_come_late)            \
    X(a_disk_is_slow)                                 \
    X(memory_is_refused_now_and_then)                 \
    X(tasks_share_connections_that_break)             \
    X(a_seek_wins_over_a_read_that_comes_back_late)   \
    X(a_slow_machine_in_all_kinds_of_trouble)

#define SCENARIO_DECLARE(test) void test(void **state);
SCENARIO_LIST(SCENARIO_DECLARE)
#undef SCENARIO_DECLARE

#endif
