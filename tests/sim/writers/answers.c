/* B03, B04, B05, B06, B63: brokers' answers are lost, are refusals, or say what is not so.
 *
 * Property: nothing is lost, doubled or out of order, and nothing fails that had time enough. What is sent again has
 * the same bytes: with others under its sequence a record would be acknowledged that is not there.
 * Sometimes: batches of unknown outcome are sent again and acknowledged once more; a batch behind a refused one is
 * refused, too; epochs begin. */
#include "writers.h"

enum { MANY_ATTEMPTS = 1000 };

static const char *const lost[] = {DESK_RETRIED, DESK_DUPLICATE, DESK_PIPELINED, WORLD_SAME_BYTES, NULL};

WRITER_SCENARIO(writer_b03_answers_and_requests_are_lost, .sometimes = lost, .seeds = 80)
{
    static const kafka_fault_kind kinds[] = {KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_FAULT_DROP, KAFKA_FAULT_TRUNCATE,
                                             KAFKA_FAULT_SILENCE};
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(
        w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 600, .write_timeout_ms = 300}});
    if (!d) return;
    for (int i = 0; i < 5; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 50));
        if (sim_plan_below(s, 2)) world_fault(w, KAFKA_FAULT_DELAY, KAFKA_REQUEST_PRODUCE, 0, 3, 5);
        world_fault(w, kinds[sim_plan_below(s, 4)], KAFKA_REQUEST_PRODUCE, 0, 1 + (int64_t)sim_plan_below(s, 3), 10);
    }
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const again[] = {DESK_RETRIED, DESK_DUPLICATE, WORLD_SAME_BYTES, NULL};

WRITER_SCENARIO(writer_b04_compressed_batches_are_sent_again_as_they_were, .sometimes = again, .seeds = 80)
{
    static const kafka_compression codecs[] = {KAFKA_COMPRESSION_LZ4, KAFKA_COMPRESSION_SNAPPY, KAFKA_COMPRESSION_NONE};
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(w, &(desk_config){.writer = {.async = 1, .compression = codecs[sim_below(s, 3)]},
                                          .calls = 20,
                                          .pause_us = 3000,
                                          .mixed = true});
    if (!d) return;
    for (int i = 0; i < 4; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 20));
        world_fault(w, KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE, 0, 1 + (int64_t)sim_plan_below(s, 2), 0);
    }
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

/* What a broker may say of a batch that it has not appended, and of one that it has. */
static const int32_t refusals[] = {
    KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, KAFKA_ERR_LEADER_NOT_AVAILABLE, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER,
    KAFKA_ERR_REQUEST_TIMED_OUT,          KAFKA_ERR_NETWORK_EXCEPTION,    KAFKA_ERR_NOT_ENOUGH_REPLICAS,
    KAFKA_ERR_KAFKA_STORAGE_ERROR,        KAFKA_ERR_FENCED_LEADER_EPOCH,  KAFKA_ERR_UNKNOWN};
static const int32_t half_truths[] = {KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER,
                                      KAFKA_ERR_REQUEST_TIMED_OUT,          KAFKA_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
                                      KAFKA_ERR_KAFKA_STORAGE_ERROR,        KAFKA_ERR_UNKNOWN};

static void brokers_refuse(sim *s, world *w, int times)
{
    for (int i = 0; i < times; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 40));
        int64_t count = 1 + (int64_t)sim_plan_below(s, 3);
        if (sim_plan_below(s, 3) == 0) world_fault(w, KAFKA_FAULT_DELAY, KAFKA_REQUEST_PRODUCE, 0, 3, 6);
        if (sim_plan_below(s, 3) == 0)
            world_fault(w, KAFKA_FAULT_APPLY_THEN_ERROR, KAFKA_REQUEST_PRODUCE,
                        half_truths[sim_plan_below(s, sizeof half_truths / sizeof *half_truths)], count, 0);
        else
            world_fault(w, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE,
                        refusals[sim_plan_below(s, sizeof refusals / sizeof *refusals)], count, 0);
    }
}

static const char *const refused[] = {DESK_RETRIED, DESK_DUPLICATE, DESK_OUT_OF_LINE, DESK_PIPELINED, NULL};

WRITER_SCENARIO(writer_b05_brokers_refuse_in_every_way, .sometimes = refused, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(
        w,
        &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 600, .max_attempts = MANY_ATTEMPTS}});
    if (!d) return;
    brokers_refuse(s, w, 6);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const doubled[] = {WORLD_DUPLICATE, NULL};

WRITER_SCENARIO(writer_b05_without_idempotence_order_is_kept, .sometimes = doubled, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(w, &(desk_config){.writer = {.async = 1,
                                                     .batch_bytes = 600,
                                                     .no_idempotence = 1,
                                                     .required_acks = sim_below(s, 2) ? KAFKA_ACKS_ONE : KAFKA_ACKS_ALL,
                                                     .max_attempts = MANY_ATTEMPTS}});
    if (!d) return;
    world_journal(w)->keeps_order = true; /* one batch of a partition at a time, and no connection is late here */
    brokers_refuse(s, w, 6);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const attempts[] = {DESK_FAILED, DESK_BUMPED, DESK_OUT_OF_LINE, WORLD_MAYBE_WRITTEN, NULL};

/* What failed for good is a hole in the row of sequences, behind which the others go on. */
WRITER_SCENARIO(writer_b06_attempts_run_out, .sometimes = attempts, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d =
        desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 600, .max_attempts = 2}});
    if (!d) return;
    brokers_refuse(s, w, 7);
    desk_close(d);
    world_end(w);
}

static const char *const fatal[] = {DESK_FAILED, DESK_BUMPED, DESK_NEW_ID, DESK_SPLIT, DESK_PIPELINED, NULL};

/* Of several batches in flight one is refused for good, or for its producer, or for its size. */
WRITER_SCENARIO(writer_b06_batches_are_refused_for_good, .sometimes = fatal, .seeds = 80)
{
    static const int32_t codes[] = {
        KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, KAFKA_ERR_INVALID_PRODUCER_EPOCH, KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE,
        KAFKA_ERR_RECORD_LIST_TOO_LARGE,      KAFKA_ERR_INVALID_RECORD,         KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        KAFKA_ERR_UNKNOWN_PRODUCER_ID};
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(
        w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 1200}, .mixed = sim_below(s, 2)});
    if (!d) return;
    for (int i = 0; i < 5; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 40));
        if (sim_plan_below(s, 3) == 0) world_fault(w, KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE, 0, 1, 0);
        if (sim_plan_below(s, 2) == 0) world_fault(w, KAFKA_FAULT_DELAY, KAFKA_REQUEST_PRODUCE, 0, 3, 6);
        world_fault(w, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE, codes[sim_plan_below(s, 7)],
                    1 + (int64_t)sim_plan_below(s, 2), 0);
    }
    desk_close(d);
    world_end(w);
}

static const char *const first[] = {DESK_PIPELINED, NULL};

WRITER_SCENARIO(writer_b63_the_first_produce_is_refused, .sometimes = first, .seeds = 80)
{
    static const int32_t codes[] = {KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                                    KAFKA_ERR_NOT_ENOUGH_REPLICAS};
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    if (sim_plan_below(s, 2)) world_fault(w, KAFKA_FAULT_DELAY, KAFKA_REQUEST_INIT_PRODUCER_ID, 0, 1, 5);
    world_fault(w, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE, codes[sim_plan_below(s, 3)],
                1 + (int64_t)sim_plan_below(s, 2), 0);
    desk *d = desk_open(w, &(desk_config){.writer = {.async = 1, .batch_bytes = 550}, .pause_us = 500, .calls = 20});
    if (!d) return;
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const no_ids[] = {DESK_NO_ID, DESK_PIPELINED, NULL};

WRITER_SCENARIO(writer_s08_producer_ids_cannot_be_had_yet, .sometimes = no_ids, .seeds = 80)
{
    static const int32_t codes[] = {KAFKA_ERR_COORDINATOR_LOAD_IN_PROGRESS, KAFKA_ERR_COORDINATOR_NOT_AVAILABLE,
                                    KAFKA_ERR_NOT_COORDINATOR, KAFKA_ERR_REQUEST_TIMED_OUT};
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    world_fault(w, KAFKA_FAULT_ERROR, KAFKA_REQUEST_INIT_PRODUCER_ID, codes[sim_plan_below(s, 4)],
                1 + (int64_t)sim_plan_below(s, 12), 0);
    if (sim_plan_below(s, 2)) world_fault(w, KAFKA_FAULT_DROP, KAFKA_REQUEST_INIT_PRODUCER_ID, 0, 1, 0);
    desk *d =
        desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 2) == 0, .batch_bytes = 600, .max_attempts = 3},
                                    .call_ms = 20000,
                                    .patient = true,
                                    .calls = 20});
    if (!d) return;
    world_stop_broker(w, 1, (int64_t)sim_plan_below(s, 100));
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}
