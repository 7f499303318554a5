/* offsets_test.c: ListOffsets, OffsetForLeaderEpoch, DeleteRecords. */
#include "conformance/steps.h"
#include "wire/gen/delete_records.h"
#include "wire/gen/offset_for_leader_epoch.h"

const suite_needs needs = {.brokers = 1};

enum { LATEST = -1, EARLIEST = -2, MAX_TIMESTAMP = -3, EARLIEST_LOCAL = -4, LATEST_TIERED = -5, PENDING_UPLOAD = -6 };

/* Ten records, a second apart, from 1000 s on: two batches of five. */
static client *filled(topic *t)
{
    client *c = suite_client(1);
    TOPIC(t, .partitions = 1);
    for (int i = 0; i < 2; i++)
        EXPECT(produce(c, t, 0, BATCH_OF(.count = 5, .time_ms = 1000000 + i * 5000, .step_ms = 1000)).error_code, 0);
    return c;
}

#define FOUND(c, t, wanted, version, offset_, time_)                                            \
    do {                                                                                        \
        kfk_list_offsets_response_partition a_ = list_offset((c), (t), 0, (wanted), (version)); \
        EXPECT(a_.error_code, 0);                                                               \
        EXPECT(a_.offset, (offset_));                                                           \
        EXPECT(a_.timestamp, (time_));                                                          \
    } while (0)

static void first_and_last_offset_have_no_time(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    for (int16_t version = 1; version <= 11; version++) {
        FOUND(c, &t, LATEST, version, 10, -1);
        FOUND(c, &t, EARLIEST, version, 0, -1);
    }
    EXPECT(list_offset(c, &t, 0, LATEST, 3).leader_epoch, -1);
    EXPECT(list_offset(c, &t, 0, LATEST, 4).leader_epoch, 0);
    EXPECT(list_offset(c, &t, 0, EARLIEST, 4).leader_epoch, 0);
}

static void the_first_record_that_is_not_older_is_found(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    FOUND(c, &t, 0, 7, 0, 1000000);
    FOUND(c, &t, 1000000, 7, 0, 1000000);
    FOUND(c, &t, 1000001, 7, 1, 1001000);
    FOUND(c, &t, 1004000, 7, 4, 1004000);
    FOUND(c, &t, 1004001, 7, 5, 1005000);
    FOUND(c, &t, 1009000, 7, 9, 1009000);
    FOUND(c, &t, 1009001, 7, -1, -1);
    EXPECT(list_offset(c, &t, 0, 1009001, 7).leader_epoch, -1);
    EXPECT(list_offset(c, &t, 0, 1000001, 7).leader_epoch, 0);
}

static void times_need_not_ascend(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    EXPECT(produce(c, &t, 0, BATCH_OF(.count = 3, .time_ms = 5000, .step_ms = -1000)).error_code, 0);
    EXPECT(produce(c, &t, 0, BATCH_OF(.count = 3, .time_ms = 4500, .step_ms = 1000)).error_code, 0);
    FOUND(c, &t, 3500, 7, 0, 5000);
    FOUND(c, &t, 5001, 7, 4, 5500);
    FOUND(c, &t, MAX_TIMESTAMP, 7, 5, 6500);
}

static void the_first_of_several_largest_times_is_found(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    FOUND(c, &t, MAX_TIMESTAMP, 7, -1, -1);
    for (int i = 0; i < 2; i++) EXPECT(produce(c, &t, 0, BATCH_OF(.count = 3, .time_ms = 9000)).error_code, 0);
    FOUND(c, &t, MAX_TIMESTAMP, 7, 0, 9000);
}

static void special_times_have_their_versions(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    FOUND(c, &t, MAX_TIMESTAMP, 7, 9, 1009000);
    FOUND(c, &t, EARLIEST_LOCAL, 8, 0, -1);
    FOUND(c, &t, LATEST_TIERED, 9, -1, -1);
    EXPECT(list_offset(c, &t, 0, MAX_TIMESTAMP, 6).error_code, KAFKA_ERR_UNSUPPORTED_VERSION);
    EXPECT(list_offset(c, &t, 0, EARLIEST_LOCAL, 7).error_code, KAFKA_ERR_UNSUPPORTED_VERSION);
    EXPECT(list_offset(c, &t, 0, LATEST_TIERED, 8).error_code, KAFKA_ERR_UNSUPPORTED_VERSION);
    EXPECT(list_offset(c, &t, 0, PENDING_UPLOAD, 10).error_code, KAFKA_ERR_UNSUPPORTED_VERSION);
    FOUND(c, &t, PENDING_UPLOAD, 11, -1, -1);
    kfk_list_offsets_response_partition a = list_offset(c, &t, 0, -7, 11);
    EXPECT(a.error_code, KAFKA_ERR_UNSUPPORTED_VERSION);
    EXPECT(a.offset, -1);
    EXPECT(a.timestamp, -1);
    EXPECT(a.leader_epoch, -1);
}

static void offsets_of_what_is_not_there_are_refused(void **state)
{
    (void)state;
    topic t, none;
    client *c = filled(&t);
    topic_name(&none, "none");
    kfk_list_offsets_response_partition a = list_offset(c, &none, 0, LATEST, 0);
    EXPECT(a.error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(a.offset, -1);
    EXPECT(list_offset(c, &t, 1, LATEST, 0).error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    kfk_list_offsets_request_partition p[2] = {{.current_leader_epoch = 7, .timestamp = LATEST, .max_num_offsets = 1},
                                               {.current_leader_epoch = 0, .timestamp = LATEST, .max_num_offsets = 1}};
    kfk_list_offsets_request_topic one = {.name = kafka_str(t.name), .partitions = {p, 1}};
    kfk_list_offsets_request r = DEFAULTS(list_offsets);
    r.replica_id = -1;
    r.topics = (kfk_list_offsets_request_topic_array){&one, 1};
    EXPECT(ASK(c, list_offsets, 7, &r)->topics.items[0].partitions.items[0].error_code, KAFKA_ERR_UNKNOWN_LEADER_EPOCH);
    one.partitions.items = p + 1;
    EXPECT(ASK(c, list_offsets, 7, &r)->topics.items[0].partitions.items[0].error_code, 0);
    p[0] = p[1];
    one.partitions = (kfk_list_offsets_request_partition_array){p, 2};
    const kfk_list_offsets_response *twice = ASK(c, list_offsets, 7, &r);
    for (int32_t i = 0; i < twice->topics.items[0].partitions.count; i++)
        EXPECT(twice->topics.items[0].partitions.items[i].error_code, KAFKA_ERR_INVALID_REQUEST);
}

/* ---- OffsetForLeaderEpoch ---------------------------------------------------------------------------------------- */

static kfk_offset_for_leader_epoch_response_partition end_of(client *c, const topic *t, int32_t partition,
                                                             int32_t epoch, int32_t current)
{
    kfk_offset_for_leader_epoch_request_partition p = {
        .partition = partition, .current_leader_epoch = current, .leader_epoch = epoch};
    kfk_offset_for_leader_epoch_request_topic one = {.topic = kafka_str(t->name), .partitions = {&p, 1}};
    kfk_offset_for_leader_epoch_request r = DEFAULTS(offset_for_leader_epoch);
    r.replica_id = -1;
    r.topics = (kfk_offset_for_leader_epoch_request_topic_array){&one, 1};
    return ASK(c, offset_for_leader_epoch, 4, &r)->topics.items[0].partitions.items[0];
}

static void the_end_of_an_epoch_is_told(void **state)
{
    (void)state;
    topic t, none;
    client *c = filled(&t);
    topic_name(&none, "none");
    kfk_offset_for_leader_epoch_response_partition a = end_of(c, &t, 0, 0, -1);
    EXPECT(a.error_code, 0);
    EXPECT(a.leader_epoch, 0);
    EXPECT(a.end_offset, 10);
    a = end_of(c, &t, 0, 5, 0);
    EXPECT(a.error_code, 0);
    EXPECT(a.leader_epoch, -1);
    EXPECT(a.end_offset, -1);
    a = end_of(c, &t, 0, -1, 0);
    EXPECT(a.error_code, 0);
    EXPECT(a.leader_epoch, -1);
    EXPECT(a.end_offset, -1);
    a = end_of(c, &t, 0, 0, 3);
    EXPECT(a.error_code, KAFKA_ERR_UNKNOWN_LEADER_EPOCH);
    EXPECT(a.end_offset, -1);
    EXPECT(end_of(c, &t, 1, 0, -1).error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(end_of(c, &none, 0, 0, -1).error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

/* ---- DeleteRecords ----------------------------------------------------------------------------------------------- */

static kfk_delete_records_response_partition delete_to(client *c, const topic *t, int32_t partition, int64_t offset)
{
    kfk_delete_records_request_partition p = {.partition_index = partition, .offset = offset};
    kfk_delete_records_request_topic one = {.name = kafka_str(t->name), .partitions = {&p, 1}};
    kfk_delete_records_request r = DEFAULTS(delete_records);
    r.timeout_ms = 10000;
    r.topics = (kfk_delete_records_request_topic_array){&one, 1};
    return ASK(c, delete_records, 2, &r)->topics.items[0].partitions.items[0];
}

static void records_are_deleted_up_to_an_offset(void **state)
{
    (void)state;
    topic t;
    client *c = filled(&t);
    kfk_delete_records_response_partition a = delete_to(c, &t, 0, 7);
    EXPECT(a.error_code, 0);
    EXPECT(a.low_watermark, 7);
    FOUND(c, &t, EARLIEST, 7, 7, -1);
    FOUND(c, &t, 0, 7, 7, 1007000);
    EXPECT(delete_to(c, &t, 0, 3).low_watermark, 7); /* it never goes back */
    FOUND(c, &t, EARLIEST, 7, 7, -1);
    a = delete_to(c, &t, 0, -1);
    EXPECT(a.error_code, 0);
    EXPECT(a.low_watermark, 10);
    FOUND(c, &t, EARLIEST, 7, 10, -1);
    FOUND(c, &t, LATEST, 7, 10, -1);
    FOUND(c, &t, 0, 7, -1, -1);
    EXPECT(list_offset(c, &t, 0, EARLIEST, 7).leader_epoch, 0);
}

static void records_that_cannot_be_deleted_are_not(void **state)
{
    (void)state;
    topic t, compacted, none;
    client *c = filled(&t);
    TOPIC(&compacted, .settings = {"cleanup.policy", "compact"});
    topic_name(&none, "none");
    kfk_delete_records_response_partition a = delete_to(c, &t, 0, 11);
    EXPECT(a.error_code, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    EXPECT(a.low_watermark, -1);
    EXPECT(delete_to(c, &t, 0, -2).error_code, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    EXPECT(delete_to(c, &t, 1, 0).error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(delete_to(c, &none, 0, 0).error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    a = delete_to(c, &compacted, 0, 0);
    EXPECT(a.error_code, KAFKA_ERR_POLICY_VIOLATION);
    EXPECT(a.low_watermark, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(first_and_last_offset_have_no_time),
        SUITE_TEST(the_first_record_that_is_not_older_is_found),
        SUITE_TEST(times_need_not_ascend),
        SUITE_TEST(the_first_of_several_largest_times_is_found),
        SUITE_TEST(special_times_have_their_versions),
        SUITE_TEST(offsets_of_what_is_not_there_are_refused),
        SUITE_TEST(the_end_of_an_epoch_is_told),
        SUITE_TEST(records_are_deleted_up_to_an_offset),
        SUITE_TEST(records_that_cannot_be_deleted_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
