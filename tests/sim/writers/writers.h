/* The scenarios of a writer: clerks (desk.h), a cluster in memory, and everything that may go wrong between them.
 * tests/sim/README.md says how to add one. */
#ifndef KAFKA_TESTS_SIM_WRITERS_H
#define KAFKA_TESTS_SIM_WRITERS_H
#include "desk.h"

/* SCENARIO_WITH for a test that the list below names. */
#define WRITER_SCENARIO(test, ...)                                                    \
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

#define SCENARIO_LIST(X)                                         \
    X(writer_s01_steady_state)                                   \
    X(writer_s02_leaders_are_killed)                             \
    X(writer_s02_a_lone_broker_forgets_all_but_the_newest_batch) \
    X(writer_s03_rolling_restart)                                \
    X(writer_s05_leaders_move)                                   \
    X(writer_s05_leaders_are_lost_with_unreplicated_records)     \
    X(writer_s04_leader_stands_still)                            \
    X(writer_s06_two_of_three_freeze_and_thaw)                   \
    X(writer_b08_a_broker_reads_nothing)                         \
    X(writer_s07_partition_from_one_broker)                      \
    X(writer_s07_partition_from_all_brokers)                     \
    X(writer_s09_requests_are_lost)                              \
    X(writer_s09_acknowledgements_are_lost)                      \
    X(writer_s10_half_open_connections)                          \
    X(writer_s23_reset_storm)                                    \
    X(writer_copies_on_old_connections_come_late)                \
    X(writer_b07_messages_expire_while_their_copies_are_late)    \
    X(writer_b03_answers_and_requests_are_lost)                  \
    X(writer_b04_compressed_batches_are_sent_again_as_they_were) \
    X(writer_b05_brokers_refuse_in_every_way)                    \
    X(writer_b05_without_idempotence_order_is_kept)              \
    X(writer_b06_attempts_run_out)                               \
    X(writer_b06_batches_are_refused_for_good)                   \
    X(writer_b63_the_first_produce_is_refused)                   \
    X(writer_s08_producer_ids_cannot_be_had_yet)                 \
    X(writer_b01_a_topic_is_unknown_for_a_while)                 \
    X(writer_b16_a_topic_is_deleted)                             \
    X(writer_s16_topic_is_recreated)                             \
    X(writer_s17_partitions_are_added)                           \
    X(writer_b09_sequences_end_and_begin_at_0)                   \
    X(writer_b09_epochs_end_and_another_id_begins)               \
    X(writer_batches_are_too_large_for_a_while)                  \
    X(writer_poisoned_messages_fail_alone)                       \
    X(writer_b15_every_setting_writes)                           \
    X(writer_b15_what_no_message_fits_into)                      \
    X(writer_s22_answers_trickle)                                \
    X(writer_s22_brokers_accept_and_are_silent)                  \
    X(writer_s35_more_than_brokers_take)                         \
    X(writer_s37_a_close_at_any_moment)                          \
    X(writer_s37_a_free_at_any_moment)                           \
    X(writer_several_topics_in_all_kinds_of_trouble)             \
    X(writer_two_writers_in_all_kinds_of_trouble)                \
    X(writer_messages_fail_in_all_kinds_of_trouble)              \
    X(writer_without_idempotence_in_all_kinds_of_trouble)        \
    X(writer_acks_none_in_all_kinds_of_trouble)                  \
    X(writer_memory_is_refused_now_and_then)                     \
    X(writer_a_slow_machine_in_all_kinds_of_trouble)

#define SCENARIO_DECLARE(test) void test(void **state);
SCENARIO_LIST(SCENARIO_DECLARE)
#undef SCENARIO_DECLARE

#endif
