/* produce_test.c: what a broker takes and what it refuses, with which code. */
#include "conformance/steps.h"
#include "wire/compress.h"
#include "wire/gen/delete_records.h"
#include "wire/prim.h"
#include "wire/record.h"
#include <string.h>

const suite_needs needs = {.brokers = 1};

enum { LAST_DELTA_AT = 23, RECORD_COUNT_AT = 57 };

static void what_is_written_gets_the_next_offsets(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .partitions = 1);
    client *c = suite_client(1);
    for (int16_t version = 3; version <= 13; version++) {
        kfk_produce_response_partition a =
            PRODUCE(c, &t, 0, BATCH_OF(.count = 2), .version = version, .acks = ACKS_LEADER);
        EXPECT(a.error_code, 0);
        EXPECT(a.base_offset, 2 * (version - 3));
        EXPECT(a.log_append_time_ms, -1);
        EXPECT(a.log_start_offset, version >= 5 ? 0 : -1);
        EXPECT(a.record_errors.count, 0);
        EXPECT_TRUE(!a.error_message.data);
    }
    EXPECT(list_offset(c, &t, 0, -1, 0).offset, 22);
}

static void every_codec_is_taken_and_zstd_from_version_7_on(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .partitions = 1);
    client *c = suite_client(1);
    for (int codec = KFK_CODEC_GZIP; codec <= KFK_CODEC_ZSTD; codec++) {
        if (!kfk_compress_find(codec)) continue;
        EXPECT(PRODUCE(c, &t, 0, BATCH_OF(.count = 3, .codec = codec), .version = 7).error_code, 0);
    }
    if (!kfk_compress_find(KFK_CODEC_ZSTD)) return;
    kfk_produce_response_partition a = PRODUCE(c, &t, 0, BATCH_OF(.codec = KFK_CODEC_ZSTD), .version = 6);
    EXPECT(a.error_code, KAFKA_ERR_UNSUPPORTED_COMPRESSION_TYPE);
    EXPECT(a.base_offset, -1);
    EXPECT(a.log_start_offset, -1);
}

static void wrong_acks_are_refused_behind_what_is_wrong_with_the_topic(void **state)
{
    (void)state;
    topic t, none;
    TOPIC(&t, .partitions = 1);
    topic_name(&none, "none");
    client *c = suite_client(1);
    kfk_produce_response_partition a = PRODUCE(c, &t, 0, BATCH_OF(.count = 1), .acks = ACKS_WRONG);
    EXPECT(a.error_code, KAFKA_ERR_INVALID_REQUIRED_ACKS);
    EXPECT(a.base_offset, -1);
    EXPECT(a.log_start_offset, -1);
    EXPECT(PRODUCE(c, &t, 0, BATCH_OF(.count = 1), .acks = -2).error_code, KAFKA_ERR_INVALID_REQUIRED_ACKS);
    EXPECT(PRODUCE(c, &none, 0, BATCH_OF(.count = 1), .acks = ACKS_WRONG).error_code,
           KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(PRODUCE(c, &t, 0, KAFKA_LIT(""), .acks = ACKS_WRONG).error_code, KAFKA_ERR_INVALID_RECORD);
    EXPECT(list_offset(c, &t, 0, -1, 0).offset, 0);
}

static void unknown_topics_and_partitions_are_told_apart_by_id(void **state)
{
    (void)state;
    topic t, none;
    TOPIC(&t, .partitions = 1);
    topic_name(&none, "none");
    memset(none.id.bytes, 7, sizeof none.id.bytes);
    client *c = suite_client(1);
    kfk_produce_response_partition a = produce(c, &none, 0, BATCH_OF(.count = 1));
    EXPECT(a.error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(a.base_offset, -1);
    EXPECT(produce(c, &t, 1, BATCH_OF(.count = 1)).error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(produce(c, &t, -1, BATCH_OF(.count = 1)).error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(PRODUCE(c, &none, 0, BATCH_OF(.count = 1), .version = 13).error_code, KAFKA_ERR_UNKNOWN_TOPIC_ID);
    EXPECT(PRODUCE(c, &t, 1, BATCH_OF(.count = 1), .version = 13).error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

/* Refused as a whole, with this code and nothing written. */
static void refused(client *c, const topic *t, kafka_bytes records, int16_t code, const char *what)
{
    kfk_produce_response_partition a = produce(c, t, 0, records);
    suite_expect(a.error_code, code, what, __FILE__, __LINE__);
    suite_expect(a.base_offset, -1, what, __FILE__, __LINE__);
    suite_expect(a.log_append_time_ms, -1, what, __FILE__, __LINE__);
    suite_expect(a.record_errors.count, 0, what, __FILE__, __LINE__);
}

static kafka_bytes joined(kafka_bytes a, kafka_bytes b)
{
    static uint8_t both[4096];
    assert_true(a.len + b.len <= sizeof both);
    memcpy(both, a.data, a.len);
    memcpy(both + a.len, b.data, b.len);
    return (kafka_bytes){both, a.len + b.len};
}

static void damaged_batches_are_refused(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .partitions = 1);
    client *c = suite_client(1);
    kafka_bytes b = BATCH_OF(.count = 2);
    batch_bytes_of(b)[b.len - 1] ^= 1;
    refused(c, &t, b, KAFKA_ERR_CORRUPT_MESSAGE, "a wrong checksum");
    refused(c, &t, joined(BATCH_OF(.count = 1), BATCH_OF(.count = 1)), KAFKA_ERR_INVALID_RECORD, "two batches");
    b = BATCH_OF(.count = 1);
    batch_bytes_of(b)[16] = 1;
    refused(c, &t, b, KAFKA_ERR_INVALID_RECORD, "magic 1");
    b = BATCH_OF(.count = 1);
    batch_bytes_of(b)[16] = 3;
    refused(c, &t, b, KAFKA_ERR_CORRUPT_MESSAGE, "magic 3");
    b = BATCH_OF(.count = 1);
    kfk_prim_put_be32(batch_bytes_of(b) + 8, 20);
    refused(c, &t, b, KAFKA_ERR_CORRUPT_MESSAGE, "a batch shorter than its header");
    b = BATCH_OF(.count = 1);
    kfk_prim_put_be32(batch_bytes_of(b) + 8, (uint32_t)-1);
    refused(c, &t, b, KAFKA_ERR_CORRUPT_MESSAGE, "a negative length");
    b = BATCH_OF(.count = 1);
    kfk_prim_put_be32(batch_bytes_of(b) + 8, 1000);
    refused(c, &t, b, KAFKA_ERR_INVALID_RECORD, "a batch that is not all there");
    refused(c, &t, KAFKA_LIT(""), KAFKA_ERR_INVALID_RECORD, "no batch");
    b = BATCH_OF(.count = 1, .attributes = KFK_BATCH_CONTROL);
    refused(c, &t, b, KAFKA_ERR_INVALID_RECORD, "a control batch");
    b = BATCH_OF(.count = 2);
    kfk_prim_put_be32(batch_bytes_of(b) + LAST_DELTA_AT, 2);
    batch_reseal(b);
    refused(c, &t, b, KAFKA_ERR_INVALID_RECORD, "more offsets than records");
    b = BATCH_OF(.count = 1);
    kfk_prim_put_be64(batch_bytes_of(b), 5);
    refused(c, &t, b, KAFKA_ERR_INVALID_RECORD, "a base offset other than 0");
    b = BATCH_OF(.count = 1, .producer_id = 5, .sequence = -1);
    refused(c, &t, b, KAFKA_ERR_INVALID_RECORD, "a producer id without a sequence");
    EXPECT(list_offset(c, &t, 0, -1, 0).offset, 0);
}

static void batches_whose_counts_lie_are_refused(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .partitions = 1);
    client *c = suite_client(1);
    kafka_bytes b = BATCH_OF(.count = 2);
    kfk_prim_put_be32(batch_bytes_of(b) + RECORD_COUNT_AT, 3);
    kfk_prim_put_be32(batch_bytes_of(b) + LAST_DELTA_AT, 2);
    batch_reseal(b);
    refused(c, &t, b, KAFKA_ERR_INVALID_RECORD, "more records announced than there are");
    b = BATCH_OF(.count = 2);
    kfk_prim_put_be32(batch_bytes_of(b) + RECORD_COUNT_AT, 0);
    kfk_prim_put_be32(batch_bytes_of(b) + LAST_DELTA_AT, (uint32_t)-1);
    batch_reseal(b);
    refused(c, &t, b, KAFKA_ERR_INVALID_RECORD, "no records");
    b = BATCH_OF(.count = 1, .attributes = 5);
    refused(c, &t, b, KAFKA_ERR_UNKNOWN, "an unknown codec");
    b = BATCH_OF(.count = 1, .attributes = KFK_CODEC_GZIP); /* says gzip, is not */
    refused(c, &t, b, KAFKA_ERR_UNKNOWN, "a stream that is none");
}

static void a_batch_may_be_as_large_as_the_topic_says(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .settings = {"max.message.bytes", "1000"});
    client *c = suite_client(1);
    kafka_bytes b = BATCH_OF(.value_size = 1000 - KFK_RECORD_HEADER - 9);
    for (size_t size = 900; b.len != 1000; size++) b = BATCH_OF(.value_size = size);
    EXPECT(produce(c, &t, 0, b).error_code, 0);
    refused(c, &t, BATCH_OF(.value_size = 1000 - KFK_RECORD_HEADER), KAFKA_ERR_MESSAGE_TOO_LARGE, "too large");
    EXPECT(list_offset(c, &t, 0, -1, 0).offset, 1);
}

static void a_compacted_topic_wants_keys_and_says_which_are_missing(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .settings = {"cleanup.policy", "compact"});
    client *c = suite_client(1);
    EXPECT(produce(c, &t, 0, BATCH_OF(.count = 3, .keys = true)).error_code, 0);
    kfk_produce_response_partition a = produce(c, &t, 0, BATCH_OF(.count = 4, .keys = true, .without_key = 2));
    EXPECT(a.error_code, KAFKA_ERR_INVALID_RECORD);
    EXPECT(a.base_offset, -1);
    EXPECT(a.record_errors.count, 2);
    EXPECT_TRUE(a.error_message.data);
    for (int32_t i = 0; i < a.record_errors.count; i++) {
        EXPECT(a.record_errors.items[i].batch_index, i);
        EXPECT_TRUE(a.record_errors.items[i].batch_index_error_message.data);
    }
    EXPECT(PRODUCE(c, &t, 0, BATCH_OF(.count = 1), .version = 7).error_code, KAFKA_ERR_INVALID_RECORD);
}

static void times_may_lie_ahead_and_back_as_far_as_the_topic_says(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .settings = {"message.timestamp.before.max.ms", "60000", "message.timestamp.after.max.ms", "60000"});
    client *c = suite_client(1);
    int64_t now = suite_now_ms();
    EXPECT(produce(c, &t, 0, BATCH_OF(.time_ms = now - 30000)).error_code, 0);
    EXPECT(produce(c, &t, 0, BATCH_OF(.time_ms = now + 30000)).error_code, 0);
    kfk_produce_response_partition a = produce(c, &t, 0, BATCH_OF(.count = 2, .time_ms = now + 3600000));
    EXPECT(a.error_code, KAFKA_ERR_INVALID_TIMESTAMP);
    EXPECT(a.base_offset, -1);
    EXPECT(a.record_errors.count, 2);
    EXPECT(produce(c, &t, 0, BATCH_OF(.time_ms = now - 3600000)).error_code, KAFKA_ERR_INVALID_TIMESTAMP);
    EXPECT(produce(c, &t, 0, BATCH_OF(.time_ms = -1)).error_code, 0);
    EXPECT(list_offset(c, &t, 0, -1, 0).offset, 3);
}

static void log_append_time_takes_the_place_of_the_producers(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .settings = {"message.timestamp.type", "LogAppendTime"});
    client *c = suite_client(1);
    kfk_batch_header h;
    int64_t before = suite_now_ms();
    kfk_produce_response_partition a = produce(c, &t, 0, BATCH_OF(.count = 2, .time_ms = 1000));
    EXPECT(a.error_code, 0);
    EXPECT_TRUE(a.log_append_time_ms >= before && a.log_append_time_ms <= suite_now_ms());
    int64_t time = a.log_append_time_ms;
    kafka_bytes records = FETCH(c, &t, 0, .offset = 0).records.bytes;
    assert_int_equal(kfk_record_header_parse(records.data, records.len, &h, NULL), 0);
    EXPECT(kfk_record_crc_check(&h, records.data, NULL), 0);
    EXPECT_TRUE(kfk_batch_is_append_time(&h));
    EXPECT(h.max_timestamp, time);
}

/* What a header says of times counts nothing beside the records. */
static void the_largest_time_of_a_batch_is_that_of_its_records(void **state)
{
    (void)state;
    enum { MAX_TIME_AT = 35 };
    topic t;
    TOPIC(&t, .partitions = 1);
    client *c = suite_client(1);
    int64_t now = suite_now_ms() - 5000;
    static const int64_t lies[] = {INT64_MIN, -1, 77, INT64_MAX};
    for (int i = 0; i < 4; i++) {
        kafka_bytes b = BATCH_OF(.count = 3, .time_ms = now, .step_ms = 10);
        kfk_prim_put_be64(batch_bytes_of(b) + MAX_TIME_AT, (uint64_t)lies[i]);
        batch_reseal(b);
        EXPECT(produce(c, &t, 0, b).error_code, 0);
        kafka_bytes records = FETCH(c, &t, 0, .offset = 3 * i).records.bytes;
        kfk_batch_header h;
        assert_int_equal(kfk_record_header_parse(records.data, records.len, &h, NULL), 0);
        EXPECT(kfk_record_crc_check(&h, records.data, NULL), 0);
        EXPECT(h.max_timestamp, now + 20);
    }
    EXPECT(list_offset(c, &t, 0, now + 15, 0).offset, 2);
    EXPECT(list_offset(c, &t, 0, -3, 7).offset, 2);
}

static void what_a_client_calls_append_time_is_its_own(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .partitions = 1);
    client *c = suite_client(1);
    kfk_batch_header h;
    int64_t time = suite_now_ms() - 5000;
    kafka_bytes b = BATCH_OF(.count = 2, .time_ms = time, .step_ms = 10, .attributes = KFK_BATCH_LOG_APPEND_TIME);
    EXPECT(produce(c, &t, 0, b).error_code, 0);
    kafka_bytes records = FETCH(c, &t, 0, .offset = 0).records.bytes;
    assert_int_equal(kfk_record_header_parse(records.data, records.len, &h, NULL), 0);
    EXPECT(kfk_record_crc_check(&h, records.data, NULL), 0);
    EXPECT_TRUE(!kfk_batch_is_append_time(&h));
    EXPECT(h.max_timestamp, time + 10);
}

/* Whoever leads the log tells where it begins, but where it takes the blame for nothing that it has looked into. */
static void a_refusal_tells_where_the_log_begins(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .settings = {"message.timestamp.after.max.ms", "60000", "max.message.bytes", "2000"});
    client *c = suite_client(1);
    int64_t id = new_producer(c), later = suite_now_ms() + 3600000;
    kfk_delete_records_request_partition to = {.partition_index = 0, .offset = 1};
    kfk_delete_records_request_topic one = {.name = kafka_str(t.name), .partitions = {&to, 1}};
    kfk_delete_records_request r = DEFAULTS(delete_records);
    r.timeout_ms = 10000;
    r.topics = (kfk_delete_records_request_topic_array){&one, 1};
    EXPECT(produce(c, &t, 0, BATCH_OF(.count = 2, .producer_id = id)).error_code, 0);
    EXPECT(ASK(c, delete_records, 2, &r)->topics.items[0].partitions.items[0].error_code, 0);
    kfk_produce_response_partition a = produce(c, &t, 0, BATCH_OF(.producer_id = id, .sequence = 9));
    EXPECT(a.error_code, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT(a.log_start_offset, 1);
    a = produce(c, &t, 0, BATCH_OF(.time_ms = later));
    EXPECT(a.error_code, KAFKA_ERR_INVALID_TIMESTAMP);
    EXPECT(a.log_start_offset, 1);
    a = produce(c, &t, 0, BATCH_OF(.value_size = 3000));
    EXPECT(a.error_code, KAFKA_ERR_MESSAGE_TOO_LARGE);
    EXPECT(a.log_start_offset, -1);
    kafka_bytes b = BATCH_OF(.count = 1);
    batch_bytes_of(b)[b.len - 1] ^= 1;
    a = produce(c, &t, 0, b);
    EXPECT(a.error_code, KAFKA_ERR_CORRUPT_MESSAGE);
    EXPECT(a.log_start_offset, -1);
    EXPECT(produce(c, &t, 0, BATCH_OF(.count = 2, .producer_id = id)).log_start_offset, 1);
}

/* Of a partition that a request names twice the last batch counts. */
static void a_partition_is_written_to_once_in_a_request(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .partitions = 2);
    client *c = suite_client(1);
    for (int16_t version = 12; version <= 13; version++) {
        int64_t before = list_offset(c, &t, 0, -1, 0).offset;
        kfk_produce_request_partition p[3] = {{.index = 0, .records = {.bytes = BATCH_OF(.count = 3)}},
                                              {.index = 1, .records = {.bytes = BATCH_OF(.count = 1)}},
                                              {.index = 0, .records = {.bytes = BATCH_OF(.count = 5)}}};
        kfk_produce_request_topic one[2] = {{kafka_str(t.name), t.id, {p, 2}}, {kafka_str(t.name), t.id, {p + 2, 1}}};
        kfk_produce_request r = DEFAULTS(produce);
        r.acks = -1;
        r.timeout_ms = 10000;
        r.topic_data = (kfk_produce_request_topic_array){one, 2};
        const kfk_produce_response *a = ASK(c, produce, version, &r);
        int32_t told = 0;
        for (int32_t i = 0; i < a->responses.count; i++) {
            told += a->responses.items[i].partition_responses.count;
            for (int32_t k = 0; k < a->responses.items[i].partition_responses.count; k++)
                EXPECT(a->responses.items[i].partition_responses.items[k].error_code, 0);
        }
        EXPECT(told, 2);
        EXPECT(list_offset(c, &t, 0, -1, 0).offset, before + 5);
    }
}

static void a_transactional_batch_wants_a_transactional_id(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .partitions = 1);
    client *c = suite_client(1);
    int64_t id = new_producer(c);
    kafka_bytes b = BATCH_OF(.producer_id = id, .attributes = KFK_BATCH_TRANSACTIONAL);
    EXPECT(produce(c, &t, 0, b).error_code, KAFKA_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
}

static void without_acks_there_is_no_answer_and_a_refusal_hangs_up(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .partitions = 1);
    client *c = suite_client(1);
    produce_unanswered(c, &t, 0, BATCH_OF(.count = 3));
    EXPECT(list_offset(c, &t, 0, -1, 0).offset, 3); /* the next answer is this one's */
    kafka_bytes b = BATCH_OF(.count = 1);
    batch_bytes_of(b)[b.len - 1] ^= 1;
    produce_unanswered(c, &t, 0, b);
    EXPECT_TRUE(client_is_hung_up_on(c));
}

static void min_insync_replicas_asks_for_no_more_than_there_are(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .settings = {"min.insync.replicas", "2"});
    EXPECT(produce(suite_client(1), &t, 0, BATCH_OF(.count = 1)).error_code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(what_is_written_gets_the_next_offsets),
        SUITE_TEST(every_codec_is_taken_and_zstd_from_version_7_on),
        SUITE_TEST(wrong_acks_are_refused_behind_what_is_wrong_with_the_topic),
        SUITE_TEST(unknown_topics_and_partitions_are_told_apart_by_id),
        SUITE_TEST(damaged_batches_are_refused),
        SUITE_TEST(batches_whose_counts_lie_are_refused),
        SUITE_TEST(a_batch_may_be_as_large_as_the_topic_says),
        SUITE_TEST(a_compacted_topic_wants_keys_and_says_which_are_missing),
        SUITE_TEST(times_may_lie_ahead_and_back_as_far_as_the_topic_says),
        SUITE_TEST(log_append_time_takes_the_place_of_the_producers),
        SUITE_TEST(the_largest_time_of_a_batch_is_that_of_its_records),
        SUITE_TEST(what_a_client_calls_append_time_is_its_own),
        SUITE_TEST(a_refusal_tells_where_the_log_begins),
        SUITE_TEST(a_partition_is_written_to_once_in_a_request),
        SUITE_TEST(a_transactional_batch_wants_a_transactional_id),
        SUITE_TEST(without_acks_there_is_no_answer_and_a_refusal_hangs_up),
        SUITE_TEST(min_insync_replicas_asks_for_no_more_than_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
