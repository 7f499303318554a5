/* B09, B15, S22, S35: limits and edges: sequences and epochs that end, sizes, every setting, slow answers, more than
 * there is room for.
 *
 * Property: as always: nothing lost, doubled or out of order.
 * Sometimes: see each. */
#include "engine/producer_impl.h"
#include "wire/compress.h"
#include "writers.h"

static const char *const wrapped[] = {DESK_WRAPPED, DESK_PIPELINED, DESK_RETRIED, NULL};

WRITER_SCENARIO(writer_b09_sequences_end_and_begin_at_0, .sometimes = wrapped, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(
        w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 600}, .calls = DESK_LATER});
    if (!d) return;
    desk_warm_up(d);
    desk_set_sequences(d, INT32_MAX - (int32_t)sim_below(s, 30), 0);
    desk_begin(d, 25);
    for (int i = 0; i < 3; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 30));
        world_fault(w, KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE, 0, 1 + (int64_t)sim_plan_below(s, 2), 0);
    }
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const ended[] = {DESK_BUMPED, DESK_NEW_ID, NULL};

WRITER_SCENARIO(writer_b09_epochs_end_and_another_id_begins, .sometimes = ended, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(
        w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 600}, .calls = DESK_LATER});
    if (!d) return;
    desk_warm_up(d);
    desk_set_sequences(d, 0, (int16_t)(INT16_MAX - (int)sim_below(s, 3)));
    desk_begin(d, 25);
    for (int i = 0; i < 4; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 30));
        world_fault(w, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1, 0);
        if (sim_plan_below(s, 2)) world_fault(w, KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE, 0, 1, 0);
    }
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const split[] = {DESK_SPLIT, DESK_BUMPED, DESK_PIPELINED, NULL};

/* The topic takes smaller batches from some moment on, and larger ones again later. */
WRITER_SCENARIO(writer_batches_are_too_large_for_a_while, .sometimes = split, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    bool lossless = sim_plan_below(s, 2);
    desk *d = desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 4000},
                                          .most_batch = 8,
                                          .calls = 20,
                                          .mixed = sim_below(s, 2) == 0});
    if (!d) return;
    for (int i = 0; i < 3; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 30));
        if (!lossless) world_fault(w, KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE, 0, 1, 0);
        world_set_topic(w, "max.message.bytes", "550"); /* one message fits */
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 40));
        world_set_topic(w, "max.message.bytes", "1000000");
    }
    desk_close(d);
    if (lossless)
        desk_expect_no_failure(d); /* else a batch that is there may be refused for its size, and is called perhaps */
    world_end(w);
}

static const char *const alone[] = {DESK_FAILED, DESK_BUMPED, "a message without a key failed", NULL};

/* KIP-467: the topic takes no message without a key, and says which of a batch have none. */
WRITER_SCENARIO(writer_poisoned_messages_fail_alone, .sometimes = alone, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    bool lossless = sim_plan_below(s, 2), wanted = world_set_topic(w, "cleanup.policy", "compact");
    desk *d = desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 1500},
                                          .calls = 15,
                                          .mixed = sim_below(s, 2) == 0});
    if (!d) return;
    for (int i = 0; i < 3; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 40));
        kafka_fault_kind kind = lossless ? KAFKA_FAULT_DELAY : KAFKA_FAULT_APPLY_THEN_DROP;
        world_fault(w, kind, KAFKA_REQUEST_PRODUCE, 0, 1, 5);
    }
    desk_close(d);
    if (desk_failures(d) > 0) sim_sometimes(s, alone[2]);
    /* What was perhaps written is not taken apart: then others fail with those that have no key. */
    if (lossless || !wanted) sim_check_equal(s, desk_failures(d), wanted ? desk_without_key(d) : 0);
    world_end(w);
}

static int64_t one_of(sim *s, const int64_t *values, size_t count)
{
    return values[sim_below(s, count)];
}

/* 0 is the default; numbers below what a message takes are tried by writer_b15_what_no_message_fits_into. */
static kafka_writer_config some_settings(sim *s)
{
    static const int64_t times[] = {0, 1, 50, 3600000, INT64_MAX, KAFKA_NEVER},
                         many[] = {0, 1, 2, INT32_MAX, KAFKA_NEVER};
    static const int64_t buffers[] = {0, 4096, 65536, INT64_MAX, KAFKA_NEVER},
                         batches[] = {0, 550, 4096, INT32_MAX, KAFKA_NEVER};
    static const kafka_acks acks[] = {KAFKA_ACKS_DEFAULT, KAFKA_ACKS_ALL, KAFKA_ACKS_ONE};
    static const kafka_compression codecs[] = {KAFKA_COMPRESSION_DEFAULT, KAFKA_COMPRESSION_NONE,
                                               KAFKA_COMPRESSION_SNAPPY,  KAFKA_COMPRESSION_LZ4,
                                               KAFKA_COMPRESSION_GZIP,    KAFKA_COMPRESSION_ZSTD};
    static const int32_t levels[] = {0, 1, 9}; /* all codecs that have levels have these */
    size_t codec = sim_below(s, sizeof codecs / sizeof *codecs);
    if (codec > 1 && !kfk_compress_find(codecs[codec])) codec = 0;
    return (kafka_writer_config){
        .batch_timeout_ms = one_of(s, times, 6),
        .read_timeout_ms = one_of(s, times + 2, 4),
        .write_timeout_ms = one_of(s, times + 2, 4),
        .rebalance_interval_ms = one_of(s, times + 2, 4),
        .buffer_bytes = one_of(s, buffers, 5),
        .max_attempts = (int32_t)one_of(s, many, 5),
        .queue_capacity = (int32_t)one_of(s, many, 5),
        .batch_size = (int32_t)one_of(s, many, 5),
        .batch_bytes = (int32_t)one_of(s, batches, 5),
        .delivery_timeout_ms = one_of(s, times + 3, 3),
        .required_acks = acks[sim_below(s, 3)],
        .compression = codecs[codec],
        .compression_level = codec > 2 ? levels[sim_below(s, 3)] : 0,
        .async = (int32_t)sim_below(s, 2),
        .no_idempotence = (int32_t)sim_below(s, 2),
    };
}

static const char *const pipelined[] = {DESK_PIPELINED, NULL};

WRITER_SCENARIO(writer_b15_every_setting_writes, .sometimes = pipelined, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(w, &(desk_config){.writer = some_settings(s), .calls = 15, .call_ms = 10000, .patient = true});
    if (!d) return;
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const too_small[] = {"every message was refused", "a buffer was too small", NULL};

WRITER_SCENARIO(writer_b15_what_no_message_fits_into, .sometimes = too_small, .seeds = 40)
{
    static uint8_t value[2000];
    world *w = world_new(s, &(world_config){.writers = -1, .readers = -1});
    if (!w) return;
    kafka_writer *writer = NULL;
    kafka_writer_config cfg = {.brokers = world_bootstrap(w), .topic = WORLD_TOPIC, .async = (int32_t)sim_below(s, 2)};
    kafka_message m = {.value = KAFKA_BYTES(value, sizeof value)};
    bool batch = sim_below(s, 2);
    if (batch)
        cfg.batch_bytes = 1 + (int32_t)sim_below(s, 2000);
    else
        cfg.buffer_bytes = 1 + (int64_t)sim_below(s, 2000);
    if (!sim_check_equal(s, kafka_writer_new(&cfg, &writer), 0)) return;
    int result = 0;
    sim_check_equal(s, kafka_writer_write_messages(writer, KAFKA_WITHIN(5000), &m, 1, &result), KAFKA_ETOOBIG);
    sim_check_equal(s, result, KAFKA_ETOOBIG);
    sim_check_equal(s, kafka_last_written(), KAFKA_WRITTEN_NO);
    sim_check_text(s, kafka_last_error(), batch ? "batch_bytes" : "buffer_bytes");
    sim_sometimes(s, too_small[!batch]);
    sim_check_equal(s, kafka_writer_close(writer, KAFKA_WITHIN(100)), 0);
    kafka_writer_free(writer);
    world_end(w);
}

static const char *const slow[] = {DESK_RETRIED, NULL};

WRITER_SCENARIO(writer_s22_answers_trickle, .sometimes = slow, .seeds = 80)
{
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    desk *d = desk_open(
        w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0, .batch_bytes = 800, .write_timeout_ms = 400},
                          .pause_us = 20000,
                          .call_ms = 300});
    if (!d) return;
    int broker = world_some_broker(w);
    sim_route *r = sim_net_route(s, world_address(w, broker));
    for (int i = 0; i < 2; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 60));
        int64_t rate = 200 + (int64_t)sim_plan_below(s, 800);
        bool wanted = sim_fault(s, "new connections to broker %d carry %lld bytes in a second, old ones are reset",
                                broker, (long long)rate);
        if (wanted) r->bytes_per_s = rate;
        if (wanted) sim_net_reset(s, world_address(w, broker));
        sim_sleep_ms(s, 300 + (int64_t)sim_plan_below(s, 1200));
        r->bytes_per_s = 0;
        if (wanted) sim_net_reset(s, world_address(w, broker));
    }
    desk_expect_progress(d, 15000);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

WRITER_SCENARIO(writer_s22_brokers_accept_and_are_silent, .sometimes = slow, .seeds = 80)
{
    static const int32_t apis[] = {KAFKA_REQUEST_API_VERSIONS, KAFKA_REQUEST_METADATA, KAFKA_REQUEST_PRODUCE,
                                   KAFKA_REQUEST_INIT_PRODUCER_ID};
    world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1, .readers = -1});
    if (!w) return;
    for (int i = 0; i < 3; i++) world_fault(w, KAFKA_FAULT_SILENCE, apis[sim_plan_below(s, 4)], 0, 1, 0);
    desk *d = desk_open(w, &(desk_config){.writer = {.async = sim_below(s, 3) != 0,
                                                     .batch_bytes = 800,
                                                     .write_timeout_ms = 400,
                                                     .read_timeout_ms = 400},
                                          .pause_us = 20000,
                                          .call_ms = 300});
    if (!d) return;
    for (int i = 0; i < 4; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 100));
        world_fault(w, KAFKA_FAULT_SILENCE, apis[sim_plan_below(s, 4)], 0, 1, 0);
        if (sim_plan_below(s, 2)) world_reset(w, 0);
    }
    kafka_cluster_clear_faults(world_cluster(w));
    desk_expect_progress(d, 12000);
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}

static const char *const full[] = {DESK_NO_ROOM, DESK_PIPELINED, NULL};

WRITER_SCENARIO(writer_s35_more_than_brokers_take, .sometimes = full, .seeds = 80)
{
    enum { ROOM = 8192 };
    world *w = world_new(s, &(world_config){.brokers = 2, .writers = -1, .readers = -1});
    if (!w) return;
    for (int b = 1; b <= 2; b++) sim_check_equal(s, kafka_cluster_set_disk_delay(world_cluster(w), b, 20), 0);
    desk *d = desk_open(w, &(desk_config){.writer = {.async = 1, .batch_bytes = 1000, .buffer_bytes = ROOM},
                                          .clerks = 4,
                                          .calls = 25,
                                          .most_batch = 6,
                                          .pause_us = 1000,
                                          .call_ms = 20});
    if (!d) return;
    for (int i = 0; i < 20; i++) {
        sim_sleep_ms(s, 10);
        sim_check(s, kfk_slots_used(desk_producer(d)->slots) <= ROOM);
        if (i % 5 == 0 && sim_plan_below(s, 2)) world_reset(w, 0);
    }
    desk_close(d);
    desk_expect_no_failure(d);
    world_end(w);
}
