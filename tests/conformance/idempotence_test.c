/* idempotence_test.c: what a broker remembers of an idempotent producer, and what it does with batches that repeat,
 * skip or contradict it (KIP-98). */
#include "conformance/steps.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_records.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/incremental_alter_configs.h"

const suite_needs needs = {.brokers = 1};

typedef struct producer {
    client *c;
    topic t;
    int64_t id;
} producer;

static producer producer_of_a_new_topic(void)
{
    producer p = {.c = suite_client(1)};
    TOPIC(&p.t, .partitions = 1);
    p.id = new_producer(p.c);
    return p;
}

/* Sends `count` records from `sequence` on and expects the code and, if that is 0, the offset. */
#define SEND(p, epoch_, sequence_, count_, code, offset)                                                             \
    do {                                                                                                             \
        kfk_produce_response_partition a_ =                                                                          \
            produce((p).c, &(p).t, 0,                                                                                \
                    BATCH_OF(.count = (count_), .producer_id = (p).id, .epoch = (epoch_), .sequence = (sequence_))); \
        EXPECT(a_.error_code, (code));                                                                               \
        EXPECT(a_.base_offset, (offset));                                                                            \
    } while (0)

static void ids_are_never_given_twice(void **state)
{
    (void)state;
    client *c = suite_client(1);
    int64_t first = new_producer(c), second = new_producer(c);
    EXPECT_TRUE(first >= 0);
    EXPECT_TRUE(second > first);
}

static void a_repeated_batch_is_acknowledged_with_its_old_offset(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    int64_t time = suite_now_ms() - 5000;
    EXPECT(produce(p.c, &p.t, 0, BATCH_OF(.count = 3, .producer_id = p.id, .time_ms = time)).base_offset, 0);
    SEND(p, 0, 3, 2, 0, 3);
    SEND(p, 0, 0, 3, 0, 0);
    SEND(p, 0, 3, 2, 0, 3);
    kfk_produce_response_partition a = produce(p.c, &p.t, 0, BATCH_OF(.count = 3, .producer_id = p.id));
    EXPECT(a.log_append_time_ms, time); /* whatever the topic's timestamp type is */
    EXPECT(a.log_start_offset, 0);
    EXPECT(list_offset(p.c, &p.t, 0, -1, 0).offset, 5);
}

static void the_last_five_batches_are_remembered(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    for (int32_t i = 0; i < 6; i++) SEND(p, 0, i, 1, 0, i);
    for (int32_t i = 1; i < 6; i++) SEND(p, 0, i, 1, 0, i);
    SEND(p, 0, 0, 1, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1); /* the sixth from the end */
    EXPECT(list_offset(p.c, &p.t, 0, -1, 0).offset, 6);
}

static void a_part_of_a_known_batch_is_no_repetition(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    SEND(p, 0, 0, 4, 0, 0);
    SEND(p, 0, 0, 2, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    SEND(p, 0, 2, 2, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    SEND(p, 0, 0, 5, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    SEND(p, 0, 4, 1, 0, 4);
}

static void a_gap_is_refused(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    SEND(p, 0, 0, 2, 0, 0);
    SEND(p, 0, 3, 1, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    SEND(p, 0, 2, 1, 0, 2);
}

static void epochs_only_grow_and_begin_at_0(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    SEND(p, 1, 0, 2, 0, 0);
    SEND(p, 0, 2, 1, KAFKA_ERR_INVALID_PRODUCER_EPOCH, -1);
    SEND(p, 2, 2, 1, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    SEND(p, 2, 0, 1, 0, 2);
    SEND(p, 1, 2, 1, KAFKA_ERR_INVALID_PRODUCER_EPOCH, -1);
    SEND(p, 1, 0, 2, KAFKA_ERR_INVALID_PRODUCER_EPOCH, -1); /* known once, in another epoch */
    SEND(p, 2, 0, 1, 0, 2);
}

static void an_unknown_producer_may_begin_anywhere(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    SEND(p, 3, 77, 2, 0, 0);
    SEND(p, 3, 79, 1, 0, 2);
    p.id += 100000; /* one that was never given out */
    SEND(p, 0, 5, 1, 0, 3);
}

static void sequences_go_on_at_0_behind_the_largest(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    SEND(p, 0, INT32_MAX - 1, 1, 0, 0);
    SEND(p, 0, INT32_MAX, 3, 0, 1); /* INT32_MAX, 0, 1 */
    SEND(p, 0, INT32_MAX, 3, 0, 1);
    SEND(p, 0, 1, 1, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    SEND(p, 0, 2, 1, 0, 4);
    SEND(p, 0, 2, 1, 0, 4);
}

static void sequences_may_end_exactly_at_the_largest(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    SEND(p, 0, INT32_MAX - 1, 2, 0, 0);
    SEND(p, 0, 0, 1, 0, 2);
    SEND(p, 0, INT32_MAX - 1, 2, 0, 0);
}

static void partitions_count_for_themselves(void **state)
{
    (void)state;
    producer p = {.c = suite_client(1)};
    TOPIC(&p.t, .partitions = 2);
    p.id = new_producer(p.c);
    SEND(p, 0, 0, 1, 0, 0);
    kfk_produce_response_partition a = produce(p.c, &p.t, 1, BATCH_OF(.producer_id = p.id, .sequence = 1));
    EXPECT(a.error_code, 0);
    EXPECT(a.base_offset, 0);
}

static void producers_outlive_their_records(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    kfk_delete_records_request_partition all = {.partition_index = 0, .offset = -1};
    kfk_delete_records_request_topic one = {.name = kafka_str(p.t.name), .partitions = {&all, 1}};
    kfk_delete_records_request r = DEFAULTS(delete_records);
    r.timeout_ms = 10000;
    r.topics = (kfk_delete_records_request_topic_array){&one, 1};
    SEND(p, 0, 0, 2, 0, 0);
    EXPECT(ASK(p.c, delete_records, 2, &r)->topics.items[0].partitions.items[0].error_code, 0);
    SEND(p, 0, 5, 1, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    SEND(p, 0, 0, 2, 0, 0);
    SEND(p, 0, 2, 1, 0, 2);
}

static void a_producer_of_old_records_is_remembered_for_a_while(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    int64_t long_ago = suite_now_ms() - (int64_t)2 * 24 * 3600 * 1000;
    kafka_bytes old = BATCH_OF(.producer_id = p.id, .time_ms = long_ago);
    EXPECT(produce(p.c, &p.t, 0, old).error_code, 0);
    kfk_produce_response_partition a = produce(p.c, &p.t, 0, BATCH_OF(.producer_id = p.id, .sequence = 9));
    EXPECT(a.error_code, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
}

/* So the trouble of one partition stalls no other: its epoch is its own. */
static void a_request_may_carry_another_epoch_for_each_partition(void **state)
{
    (void)state;
    producer p = {.c = suite_client(1)};
    TOPIC(&p.t, .partitions = 3);
    p.id = new_producer(p.c);
    kfk_produce_request_partition list[3];
    for (int16_t i = 0; i < 3; i++)
        list[i] = (kfk_produce_request_partition){
            .index = i, .records = {.bytes = BATCH_OF(.producer_id = p.id, .epoch = (int16_t)(2 - i))}};
    kfk_produce_request_topic one = {.name = kafka_str(p.t.name), .partition_data = {list, 3}};
    kfk_produce_request r = DEFAULTS(produce);
    r.acks = -1;
    r.timeout_ms = 10000;
    r.topic_data = (kfk_produce_request_topic_array){&one, 1};
    const kfk_produce_response *a = ASK(p.c, produce, 12, &r);
    EXPECT(a->responses.items[0].partition_responses.count, 3);
    for (int i = 0; i < 3; i++) EXPECT(a->responses.items[0].partition_responses.items[i].error_code, 0);
}

static void delete_topic(const topic *t)
{
    kafka_bytes name = kafka_str(t->name);
    kfk_delete_topics_request r = DEFAULTS(delete_topics);
    r.topic_names = (kfk_string_array){&name, 1};
    r.timeout_ms = 10000;
    EXPECT(ASK(suite_client(1), delete_topics, 5, &r)->responses.items[0].error_code, 0);
}

static bool is_created(void *arg)
{
    const topic *t = arg;
    kfk_create_topics_request_topic one = {.name = kafka_str(t->name), .num_partitions = 1, .replication_factor = 1};
    kfk_create_topics_request r = DEFAULTS(create_topics);
    r.timeout_ms = 10000;
    r.topics = (kfk_create_topics_request_topic_array){&one, 1};
    return ASK(suite_client(1), create_topics, 5, &r)->topics.items[0].error_code == 0;
}

/* Requests before version 13 name topics. So what was meant for the topic of before, and comes late, is the first batch
 * of the new one; and a producer that began again at 0, without a new epoch, would take its own batch for written. */
static void a_late_batch_for_a_deleted_topic_begins_the_new_one_of_that_name(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    kafka_bytes late = BATCH_OF(.count = 2, .producer_id = p.id, .value_size = 30);
    delete_topic(&p.t);
    suite_wait(is_created, &p.t, "created anew");
    topic_await(&p.t);
    EXPECT(produce(p.c, &p.t, 0, late).base_offset, 0);
    kfk_produce_response_partition a = produce(p.c, &p.t, 0, BATCH_OF(.count = 2, .producer_id = p.id));
    EXPECT(a.error_code, 0); /* a lie */
    EXPECT(a.base_offset, 0);
    EXPECT(list_offset(p.c, &p.t, 0, -1, 0).offset, 2);
    SEND(p, 1, 0, 2, 0, 2); /* what a new epoch is for */
}

typedef struct copy {
    const producer *p;
    kafka_bytes batch;
} copy;

static bool is_too_large(void *arg)
{
    const copy *x = arg;
    return produce(x->p->c, &x->p->t, 0, x->batch).error_code == KAFKA_ERR_MESSAGE_TOO_LARGE;
}

/* An answer speaks of one copy. */
static void a_copy_of_a_written_batch_is_too_large_once_the_limit_is_lower(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    copy x = {&p, BATCH_OF(.count = 3, .producer_id = p.id, .value_size = 1000)};
    kfk_incremental_alter_configs_request_config lower = {
        .name = kafka_str("max.message.bytes"), .config_operation = 0, .value = kafka_str("500")};
    kfk_incremental_alter_configs_request_resource one = {
        .resource_type = 2, .resource_name = kafka_str(p.t.name), .configs = {&lower, 1}};
    kfk_incremental_alter_configs_request r = DEFAULTS(incremental_alter_configs);
    r.resources = (kfk_incremental_alter_configs_request_resource_array){&one, 1};
    EXPECT(produce(p.c, &p.t, 0, x.batch).base_offset, 0);
    EXPECT(produce(p.c, &p.t, 0, x.batch).base_offset, 0);
    EXPECT(ASK(p.c, incremental_alter_configs, 1, &r)->responses.items[0].error_code, 0);
    suite_wait(is_too_large, &x, "refused as too large");
    EXPECT(list_offset(p.c, &p.t, 0, -1, 0).offset, 3);
}

/* 7 taken, 6 refused, although 6 came first in the producer's mind. */
static void an_unknown_producers_later_batch_shuts_its_earlier_one_out(void **state)
{
    (void)state;
    producer p = producer_of_a_new_topic();
    SEND(p, 0, 7, 1, 0, 0);
    SEND(p, 0, 6, 1, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    SEND(p, 0, 8, 1, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(ids_are_never_given_twice),
        SUITE_TEST(a_repeated_batch_is_acknowledged_with_its_old_offset),
        SUITE_TEST(the_last_five_batches_are_remembered),
        SUITE_TEST(a_part_of_a_known_batch_is_no_repetition),
        SUITE_TEST(a_gap_is_refused),
        SUITE_TEST(epochs_only_grow_and_begin_at_0),
        SUITE_TEST(an_unknown_producer_may_begin_anywhere),
        SUITE_TEST(sequences_go_on_at_0_behind_the_largest),
        SUITE_TEST(sequences_may_end_exactly_at_the_largest),
        SUITE_TEST(partitions_count_for_themselves),
        SUITE_TEST(producers_outlive_their_records),
        SUITE_TEST(a_producer_of_old_records_is_remembered_for_a_while),
        SUITE_TEST(a_request_may_carry_another_epoch_for_each_partition),
        SUITE_TEST(a_late_batch_for_a_deleted_topic_begins_the_new_one_of_that_name),
        SUITE_TEST(a_copy_of_a_written_batch_is_too_large_once_the_limit_is_lower),
        SUITE_TEST(an_unknown_producers_later_batch_shuts_its_earlier_one_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
