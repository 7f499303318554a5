/* fetch_test.c: what a Fetch gives back: from where, how much, how soon, and why not. */
#include "base/time.h"
#include "conformance/steps.h"
#include "wire/gen/delete_records.h"
#include "wire/record.h"
#include <string.h>

const suite_needs needs = {.brokers = 1};

enum { BATCHES = 4, PER_BATCH = 5 };

/* A topic with four batches of five records. */
static client *filled(topic *t)
{
    client *c = suite_client(1);
    TOPIC(t, .partitions = 1);
    for (int i = 0; i < BATCHES; i++)
        EXPECT(produce(c, t, 0, BATCH_OF(.count = PER_BATCH, .value_size = 100)).error_code, 0);
    return c;
}

static void every_version_gives_the_same_records(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    for (int16_t version = 4; version <= 18; version++) {
        kfk_fetch_response_partition a = FETCH(c, &t, 0, .version = version);
        EXPECT(a.error_code, 0);
        EXPECT(a.high_watermark, 20);
        EXPECT(a.last_stable_offset, 20);
        EXPECT(a.log_start_offset, version >= 5 ? 0 : -1);
        EXPECT(a.preferred_read_replica, -1);
        EXPECT(records_count(a.records.bytes), BATCHES);
        EXPECT(records_first_offset(a.records.bytes), 0);
    }
}

static void the_batch_that_holds_the_offset_comes_first(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    EXPECT(records_first_offset(FETCH(c, &t, 0, .offset = 7).records.bytes), 5);
    EXPECT(records_first_offset(FETCH(c, &t, 0, .offset = 10).records.bytes), 10);
    kfk_fetch_response_partition a = FETCH(c, &t, 0, .offset = 20, .max_wait_ms = 1);
    EXPECT(a.error_code, 0);
    EXPECT(a.records.bytes.len, 0);
    EXPECT_TRUE(a.records.bytes.data);
}

static void offsets_outside_of_the_log_are_out_of_range(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    static const int64_t offsets[] = {21, 1000000, -1, INT64_MAX};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        kfk_fetch_response_partition a = FETCH(c, &t, 0, .offset = offsets[i]);
        EXPECT(a.error_code, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
        EXPECT(a.high_watermark, -1);
        EXPECT(a.last_stable_offset, -1);
        EXPECT(a.log_start_offset, -1);
        EXPECT(a.records.bytes.len, 0);
    }
}

static void behind_a_deleted_start_the_rest_of_its_batch_is_there(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    kfk_delete_records_request_partition to = {.partition_index = 0, .offset = 7};
    kfk_delete_records_request_topic one = {.name = kafka_str(t.name), .partitions = {&to, 1}};
    kfk_delete_records_request r = DEFAULTS(delete_records);
    r.timeout_ms = 10000;
    r.topics = (kfk_delete_records_request_topic_array){&one, 1};
    EXPECT(ASK(c, delete_records, 2, &r)->topics.items[0].partitions.items[0].error_code, 0);
    EXPECT(FETCH(c, &t, 0, .offset = 6).error_code, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    kfk_fetch_response_partition a = FETCH(c, &t, 0, .offset = 7);
    EXPECT(a.error_code, 0);
    EXPECT(a.log_start_offset, 7);
    EXPECT(records_first_offset(a.records.bytes), 5);
}

static void unknown_topics_and_partitions_are_told_apart_by_id(void **state)
{
    (void)state;
    topic t, none;
    client *c = filled(&t);
    topic_name(&none, "none");
    memset(none.id.bytes, 7, sizeof none.id.bytes);
    kfk_fetch_response_partition a = FETCH(c, &none, 0, .offset = 0);
    EXPECT(a.error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(a.high_watermark, -1);
    EXPECT(a.aborted_transactions.count, 0);
    EXPECT(FETCH(c, &t, 1, .offset = 0).error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(FETCH(c, &none, 0, .version = 13).error_code, KAFKA_ERR_UNKNOWN_TOPIC_ID);
    EXPECT(FETCH(c, &t, 1, .version = 13).error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

static void the_first_batch_comes_whatever_its_size(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    EXPECT(records_count(FETCH(c, &t, 0, .partition_max = 1).records.bytes), 1);
    EXPECT(records_count(FETCH(c, &t, 0, .max_bytes = 1).records.bytes), 1);
    EXPECT(records_count(FETCH(c, &t, 0, .partition_max = -1).records.bytes), 1);
    size_t one = FETCH(c, &t, 0, .partition_max = 1).records.bytes.len;
    EXPECT(records_count(FETCH(c, &t, 0, .partition_max = (int32_t)(2 * one)).records.bytes), 2);
    EXPECT(records_count(FETCH(c, &t, 0, .partition_max = (int32_t)(3 * one - 1)).records.bytes), 2);
}

/* Three partitions with a batch each, and a limit: what is left for later ones? */
static void the_limit_of_an_answer_is_shared_in_the_order_of_the_request(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 3);
    for (int32_t i = 0; i < 3; i++) EXPECT(produce(c, &t, i, BATCH_OF(.value_size = 1000)).error_code, 0);
    fetch_parts p;
    kfk_fetch_request r = *fetch_request(&p, &t, 0, &(fetch_want){.max_bytes = 1});
    kfk_fetch_request_partition three[3] = {p.partition, p.partition, p.partition};
    for (int32_t i = 0; i < 3; i++) three[i].partition = 2 - i;
    p.topic.partitions = (kfk_fetch_request_partition_array){three, 3};
    const kfk_fetch_response *a = ASK(c, fetch, 12, &r);
    assert_int_equal(a->responses.items[0].partitions.count, 3);
    for (int32_t i = 0; i < 3; i++) {
        const kfk_fetch_response_partition *got = &a->responses.items[0].partitions.items[i];
        EXPECT(got->partition_index, 2 - i);
        EXPECT(records_count(got->records.bytes), i == 0 ? 1 : 0);
    }
    r.max_bytes = 1 << 20; /* a large partition limit of 1 byte holds for each but the first */
    for (int32_t i = 0; i < 3; i++) three[i].partition_max_bytes = 1;
    a = ASK(c, fetch, 12, &r);
    for (int32_t i = 0; i < 3; i++)
        EXPECT(records_count(a->responses.items[0].partitions.items[i].records.bytes), i == 0 ? 1 : 0);
}

static void a_fetch_waits_for_data_as_long_as_it_says(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    int64_t begin = kfk_time_now_ms();
    EXPECT(FETCH(c, &t, 0, .offset = 20, .max_wait_ms = 400).records.bytes.len, 0);
    int64_t waited = kfk_time_now_ms() - begin;
    EXPECT_TRUE(waited >= 390 && waited < 10000);
    begin = kfk_time_now_ms();
    FETCH(c, &t, 0, .offset = 20, .max_wait_ms = 20000, .min_bytes = -1);
    FETCH(c, &t, 0, .offset = 0, .max_wait_ms = 20000);
    FETCH(c, &t, 0, .offset = 99, .max_wait_ms = 20000);
    EXPECT_TRUE(kfk_time_now_ms() - begin < 10000);
}

static void a_waiting_fetch_ends_when_enough_has_come(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t), *writer = suite_client(1);
    fetch_parts p;
    const fetch_want want = {.offset = 20, .max_wait_ms = 20000, .min_bytes = 1500};
    client_send(c, &kfk_fetch_request_schema, fetch_version(&want), fetch_request(&p, &t, 0, &want));
    EXPECT(produce(writer, &t, 0, BATCH_OF(.value_size = 1000)).error_code, 0);
    EXPECT_TRUE(!client_has_answer(c, 200));
    EXPECT(produce(writer, &t, 0, BATCH_OF(.value_size = 1000)).error_code, 0);
    const kfk_fetch_response *a = client_receive(c, &kfk_fetch_request_schema, 12);
    EXPECT(records_count(a->responses.items[0].partitions.items[0].records.bytes), 2);
}

/* More than it may carry need not come: the least is no more than the most. */
static void a_fetch_does_not_wait_for_more_than_it_takes(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    int64_t begin = kfk_time_now_ms();
    EXPECT(records_count(FETCH(c, &t, 0, .max_bytes = 1, .min_bytes = 1 << 20, .max_wait_ms = 20000).records.bytes), 1);
    EXPECT(records_count(FETCH(c, &t, 0, .max_bytes = -1, .min_bytes = 1 << 20, .max_wait_ms = 20000).records.bytes),
           1);
    EXPECT_TRUE(kfk_time_now_ms() - begin < 10000);
}

static void a_broker_answers_one_request_after_the_other(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    fetch_parts p;
    const fetch_want want = {.offset = 20, .max_wait_ms = 20000};
    client_send(c, &kfk_fetch_request_schema, 12, fetch_request(&p, &t, 0, &want));
    const kfk_fetch_request *second = fetch_request(&p, &t, 0, &(fetch_want){.offset = 0});
    client_send(c, &kfk_fetch_request_schema, 12, second);
    EXPECT_TRUE(!client_has_answer(c, 100));
}

static void leader_epochs_are_compared(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    int32_t epoch;
    topic_leader(&t, 0, 1, &epoch);
    EXPECT(FETCH(c, &t, 0, .leader_epoch = epoch + 1).error_code, 0);
    kfk_fetch_response_partition a = FETCH(c, &t, 0, .leader_epoch = epoch + 2);
    EXPECT(a.error_code, KAFKA_ERR_UNKNOWN_LEADER_EPOCH);
    EXPECT(a.high_watermark, -1);
}

static void a_log_that_ends_earlier_in_an_epoch_diverges(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    int32_t epoch;
    topic_leader(&t, 0, 1, &epoch);
    kfk_fetch_response_partition a = FETCH(c, &t, 0, .offset = 10, .fetched_epoch = epoch + 1);
    EXPECT(a.error_code, 0);
    EXPECT(a.diverging_epoch.end_offset, -1);
    EXPECT(records_count(a.records.bytes), 2);
    a = FETCH(c, &t, 0, .offset = 25, .fetched_epoch = epoch + 1, .max_wait_ms = 20000);
    EXPECT(a.error_code, 0);
    EXPECT(a.diverging_epoch.epoch, epoch);
    EXPECT(a.diverging_epoch.end_offset, 20);
    EXPECT(a.high_watermark, 20);
    EXPECT(a.log_start_offset, 0);
    EXPECT(a.records.bytes.len, 0);
    EXPECT(FETCH(c, &t, 0, .offset = 5, .fetched_epoch = epoch + 5).error_code, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
}

static void readers_of_committed_data_are_told_of_aborted_transactions(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    EXPECT(FETCH(c, &t, 0, .isolation = 0).aborted_transactions.count, -1);
    kfk_fetch_response_partition a = FETCH(c, &t, 0, .isolation = 1);
    EXPECT(a.aborted_transactions.count, 0);
    EXPECT(records_count(a.records.bytes), BATCHES);
    EXPECT(FETCH(c, &t, 0, .isolation = 1, .offset = 99).aborted_transactions.count, -1);
}

static void a_partition_that_is_asked_for_twice_is_told_once(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    fetch_parts p;
    for (int16_t version = 12; version <= 13; version++) {
        kfk_fetch_request r = *fetch_request(&p, &t, 0, &(fetch_want){.offset = 0});
        kfk_fetch_request_partition two[2] = {p.partition, p.partition};
        two[1].fetch_offset = 15;
        p.topic.partitions = (kfk_fetch_request_partition_array){two, 2};
        const kfk_fetch_response *a = ASK(c, fetch, version, &r);
        EXPECT(a->responses.count, 1);
        EXPECT(a->responses.items[0].partitions.count, 1);
        EXPECT(records_first_offset(a->responses.items[0].partitions.items[0].records.bytes), 15);
    }
}

static void nothing_asked_for_is_answered_with_nothing(void **state)
{
    (void)state;
    client *c = suite_client(1);
    kfk_fetch_request r = DEFAULTS(fetch);
    r.max_wait_ms = 100;
    r.min_bytes = 1;
    for (int16_t version = 12; version <= 13; version++) {
        const kfk_fetch_response *a = ASK(c, fetch, version, &r);
        EXPECT(a->error_code, 0);
        EXPECT(a->responses.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(every_version_gives_the_same_records),
        SUITE_TEST(the_batch_that_holds_the_offset_comes_first),
        SUITE_TEST(offsets_outside_of_the_log_are_out_of_range),
        SUITE_TEST(behind_a_deleted_start_the_rest_of_its_batch_is_there),
        SUITE_TEST(unknown_topics_and_partitions_are_told_apart_by_id),
        SUITE_TEST(the_first_batch_comes_whatever_its_size),
        SUITE_TEST(the_limit_of_an_answer_is_shared_in_the_order_of_the_request),
        SUITE_TEST(a_fetch_waits_for_data_as_long_as_it_says),
        SUITE_TEST(a_waiting_fetch_ends_when_enough_has_come),
        SUITE_TEST(a_fetch_does_not_wait_for_more_than_it_takes),
        SUITE_TEST(a_broker_answers_one_request_after_the_other),
        SUITE_TEST(leader_epochs_are_compared),
        SUITE_TEST(a_log_that_ends_earlier_in_an_epoch_diverges),
        SUITE_TEST(readers_of_committed_data_are_told_of_aborted_transactions),
        SUITE_TEST(a_partition_that_is_asked_for_twice_is_told_once),
        SUITE_TEST(nothing_asked_for_is_answered_with_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
