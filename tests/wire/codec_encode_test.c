/* What the encoder writes, and what it refuses to. */
#include "support/memcheck.h"

#include "wire/gen/api_versions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/fetch.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/gen/specimen.h"
#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

/* Encodes something that must fail, leaving what was in the gather before. */
static void assert_refused(const kfk_schema *s, int16_t version, const void *msg, int code, const char *text)
{
    kfk_gather g;
    kfk_error err = {0};
    kfk_gather_init(&g, SIZE_MAX);
    kfk_gather_append(&g, "before", 6);
    assert_int_equal(kfk_codec_encode(s, version, msg, &g, &err), code);
    assert_int_equal(err.code, code);
    assert_string_equal(err.text, text);
    assert_int_equal(kfk_gather_len(&g), 6);
    assert_int_equal(kfk_codec_encode(s, version, msg, &g, NULL), code);
    kfk_gather_fini(&g);
}

static void assert_encodes(const kfk_schema *s, int16_t version, const void *msg, const char *hex)
{
    size_t len;
    uint8_t *data = message_encode(s, version, msg, &len);
    message_assert_hex(data, len, hex);
    free(data);
}

/* ---- null and empty ---- */

static void null_and_empty_have_encodings_of_their_own_rigid_and_compact(void **state)
{
    (void)state;
    kfk_create_topics_request_config configs[] = {{KAFKA_LIT("a"), {NULL, 0}}, {KAFKA_LIT("b"), KAFKA_LIT("")}};
    kfk_create_topics_request_topic topic = {.name = KAFKA_LIT("t"), .configs = {configs, 2}};
    kfk_create_topics_request r = {.topics = {&topic, 1}, .timeout_ms = 1};
    assert_encodes(&kfk_create_topics_request_schema, 4, &r,
                   "00000001 000174 00000000 0000 00000000 00000002 000161 ffff 000162 0000 00000001 00");
    assert_encodes(&kfk_create_topics_request_schema, 5, &r,
                   "02 0274 00000000 0000 01 03 0261 00 00 0262 01 00 00 00000001 00 00");
}

static void null_and_empty_arrays_differ(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_codec_default(&kfk_metadata_request_schema, &r);
    assert_encodes(&kfk_metadata_request_schema, 1, &r, "00000000");
    assert_encodes(&kfk_metadata_request_schema, 9, &r, "01 01 00 00 00");
    r.topics.count = -1;
    assert_encodes(&kfk_metadata_request_schema, 1, &r, "ffffffff");
    assert_encodes(&kfk_metadata_request_schema, 9, &r, "00 01 00 00 00");
}

static void null_and_empty_records_differ(void **state)
{
    (void)state;
    kfk_produce_request_partition partitions[] = {{.index = 1}, {.index = 2, .records.bytes = KAFKA_LIT("")}};
    kfk_produce_request_topic topic = {.name = KAFKA_LIT("t"), .partition_data = {partitions, 2}};
    kfk_produce_request r = {.acks = -1, .timeout_ms = 9, .topic_data = {&topic, 1}};
    assert_encodes(&kfk_produce_request_schema, 3, &r,
                   "ffff ffff 00000009 00000001 000174 00000002 00000001 ffffffff 00000002 00000000");
    assert_encodes(&kfk_produce_request_schema, 9, &r,
                   "00 ffff 00000009 02 0274 03 00000001 00 00 00000002 01 00 00 00");
}

static void null_where_no_version_allows_it_is_a_bad_argument(void **state)
{
    (void)state;
    kfk_create_topics_request_topic topic = {.name = {NULL, 0}};
    kfk_create_topics_request r = {.topics = {&topic, 1}};
    assert_refused(&kfk_create_topics_request_schema, 5, &r, KAFKA_EINVAL,
                   "CreateTopics request v5: topics[0].name: null is not allowed");
    r.topics = (kfk_create_topics_request_topic_array){NULL, -1};
    assert_refused(&kfk_create_topics_request_schema, 5, &r, KAFKA_EINVAL,
                   "CreateTopics request v5: topics: null is not allowed");
}

static void null_that_only_other_versions_allow_is_a_matter_of_versions(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_codec_default(&kfk_metadata_request_schema, &r);
    r.topics.count = -1;
    assert_refused(&kfk_metadata_request_schema, 0, &r, KAFKA_EVERSION,
                   "Metadata request v0: topics: null is not allowed in this version");
}

/* ---- versions ---- */

static void a_version_that_is_not_defined_is_refused(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_codec_default(&kfk_metadata_request_schema, &r);
    assert_refused(&kfk_metadata_request_schema, 14, &r, KAFKA_EVERSION,
                   "Metadata request v14: only versions 0 to 13 are known");
    assert_refused(&kfk_metadata_request_schema, -1, &r, KAFKA_EVERSION,
                   "Metadata request v-1: only versions 0 to 13 are known");
}

static void a_value_that_the_version_cannot_carry_is_refused_by_name(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_codec_default(&kfk_metadata_request_schema, &r);
    r.allow_auto_topic_creation = false;
    assert_refused(&kfk_metadata_request_schema, 3, &r, KAFKA_EVERSION,
                   "Metadata request v3: allow_auto_topic_creation: a value that this version cannot carry");
    kfk_fetch_request_forgotten forgotten = {.topic = KAFKA_LIT("t")};
    kfk_fetch_request f;
    kfk_codec_default(&kfk_fetch_request_schema, &f);
    f.forgotten_topics_data = (kfk_fetch_request_forgotten_array){&forgotten, 1};
    assert_refused(&kfk_fetch_request_schema, 6, &f, KAFKA_EVERSION,
                   "Fetch request v6: forgotten_topics_data: a value that this version cannot carry");
}

static void an_ignorable_value_is_dropped_by_versions_that_lack_it(void **state)
{
    (void)state;
    kfk_api_versions_request r = {KAFKA_LIT("name"), KAFKA_LIT("1"), KAFKA_LIT("c"), 5};
    assert_encodes(&kfk_api_versions_request_schema, 0, &r, "");
    assert_encodes(&kfk_api_versions_request_schema, 3, &r, "05 6e616d65 02 31 00");
    assert_encodes(&kfk_api_versions_request_schema, 5, &r, "05 6e616d65 02 31 02 63 00000005 00");
}

static void a_field_that_a_later_version_dropped_is_checked_too(void **state)
{
    (void)state;
    kfk_specimen x;
    kfk_codec_default(&kfk_specimen_schema, &x);
    x.gone = KAFKA_LIT("g");
    assert_refused(&kfk_specimen_schema, 2, &x, KAFKA_EVERSION,
                   "Specimen v2: gone: a value that this version cannot carry");
    x.gone = KAFKA_LIT("");
    x.tag_later = true;
    assert_refused(&kfk_specimen_schema, 2, &x, KAFKA_EVERSION,
                   "Specimen v2: tag_later: a value that this version cannot carry");
}

/* ---- tags ---- */

static void tagged_fields_at_their_defaults_are_left_out_and_the_others_ascend(void **state)
{
    (void)state;
    kfk_api_versions_response r;
    kfk_codec_default(&kfk_api_versions_response_schema, &r);
    assert_encodes(&kfk_api_versions_response_schema, 3, &r, "0000 01 00000000 00");
    kfk_api_versions_response_finalized_feature feature = {KAFKA_LIT("f"), 2, 1};
    r.finalized_features = (kfk_api_versions_response_finalized_feature_array){&feature, 1};
    r.finalized_features_epoch = 7;
    r.zk_migration_ready = true;
    assert_encodes(&kfk_api_versions_response_schema, 3, &r,
                   "0000 01 00000000 03 01 08 0000000000000007 02 08 02 0266 0002 0001 00 03 01 01");
}

static void a_tagged_field_of_more_than_127_bytes_has_a_longer_size(void **state)
{
    (void)state;
    char text[301];
    memset(text, 'x', sizeof text);
    kfk_specimen x;
    kfk_specimen_optional there = {0};
    kfk_codec_default(&kfk_specimen_schema, &x);
    x.maybe = &there;
    size_t plain_len, len;
    uint8_t *plain = message_encode(&kfk_specimen_schema, 3, &x, &plain_len);
    x.tag_string = (kafka_bytes){text, 300};
    uint8_t *data = message_encode(&kfk_specimen_schema, 3, &x, &len);
    assert_int_equal(len, plain_len + 1 + 2 + 2 + 300);
    assert_memory_equal(data, plain, plain_len - 1);
    message_assert_hex(data + plain_len - 1, 6, "01 05 ae02 ad02");
    free(plain);
    free(data);
}

static void records_spliced_into_a_tagged_field_count_in_its_size(void **state)
{
    (void)state;
    char text[] = "abc";
    struct iovec parts[] = {{text, 1}, {text + 1, 2}};
    kfk_specimen x;
    kfk_specimen_optional there = {0};
    kfk_codec_default(&kfk_specimen_schema, &x);
    x.maybe = &there;
    x.tag_records = (kfk_records){{NULL, 0}, parts, 2};
    size_t len;
    uint8_t *data = message_encode(&kfk_specimen_schema, 3, &x, &len);
    message_assert_hex(data + len - 7, 7, "01 06 04 04 616263");
    free(data);
}

/* ---- records ---- */

static void records_in_parts_are_spliced_and_not_copied(void **state)
{
    (void)state;
    char head[] = "head", body[] = "body";
    struct iovec parts[] = {{head, 4}, {body, 4}}, out[8];
    kfk_produce_request_partition partition = {.index = 1, .records = {{NULL, 0}, parts, 2}};
    kfk_produce_request_topic topic = {.name = KAFKA_LIT("t"), .partition_data = {&partition, 1}};
    kfk_produce_request r = {.acks = -1, .topic_data = {&topic, 1}};
    kfk_gather g;
    kfk_gather_init(&g, SIZE_MAX);
    assert_int_equal(kfk_codec_encode(&kfk_produce_request_schema, 3, &r, &g, NULL), 0);
    assert_int_equal(kfk_gather_iov(&g, out, 8), 3);
    assert_ptr_equal(out[1].iov_base, head);
    assert_ptr_equal(out[2].iov_base, body);
    size_t len;
    uint8_t *data = message_bytes(&g, &len);
    message_assert_hex(data, len, "ffff ffff 00000000 00000001 000174 00000001 00000001 00000008 68656164626f6479");
    free(data);
    kfk_gather_fini(&g);
}

/* ---- lengths ---- */

static void a_string_of_32767_bytes_is_taken_and_a_longer_one_refused(void **state)
{
    (void)state;
    char *text = calloc(1, 32768);
    kfk_create_topics_request_topic topic = {.name = {text, 32767}};
    kfk_create_topics_request r = {.topics = {&topic, 1}};
    size_t len;
    free(message_encode(&kfk_create_topics_request_schema, 4, &r, &len));
    assert_int_equal(len, 4 + 2 + 32767 + 4 + 2 + 4 + 4 + 4 + 1);
    topic.name.len = 32768;
    for (int16_t version = 4; version <= 5; version++)
        assert_refused(&kfk_create_topics_request_schema, version, &r, KAFKA_EINVAL,
                       version == 4 ? "CreateTopics request v4: topics[0].name: longer than 32767 bytes"
                                    : "CreateTopics request v5: topics[0].name: longer than 32767 bytes");
    free(text);
}

static void impossible_counts_are_refused(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_codec_default(&kfk_metadata_request_schema, &r);
    r.topics.count = -2;
    assert_refused(&kfk_metadata_request_schema, 9, &r, KAFKA_EINVAL,
                   "Metadata request v9: topics: the count is below -1");
    r.topics.count = 1;
    assert_refused(&kfk_metadata_request_schema, 9, &r, KAFKA_EINVAL,
                   "Metadata request v9: topics: a count without items");
    struct iovec huge[] = {{NULL, INT32_MAX}, {NULL, 1}, {NULL, SIZE_MAX}};
    kfk_produce_request_partition partition = {.records = {{NULL, 0}, huge, -1}};
    kfk_produce_request_topic topic = {.name = KAFKA_LIT("t"), .partition_data = {&partition, 1}};
    kfk_produce_request p = {.topic_data = {&topic, 1}};
    assert_refused(&kfk_produce_request_schema, 9, &p, KAFKA_EINVAL,
                   "Produce request v9: topic_data[0].partition_data[0].records: a part count without parts");
    for (int first = 0; first <= 2; first += 2) {
        partition.records = (kfk_records){{NULL, 0}, huge + first, first == 0 ? 2 : 1};
        assert_refused(&kfk_produce_request_schema, 9, &p, KAFKA_EINVAL,
                       "Produce request v9: topic_data[0].partition_data[0].records: longer than 2147483647 bytes");
    }
}

static void beyond_the_gathers_limit_the_message_is_too_big(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_error err = {0};
    kfk_gather g;
    kfk_codec_default(&kfk_metadata_request_schema, &r);
    kfk_gather_init(&g, 4);
    assert_int_equal(kfk_codec_encode(&kfk_metadata_request_schema, 9, &r, &g, &err), KAFKA_ETOOBIG);
    assert_string_equal(err.text, "Metadata request v9: larger than the limit");
    assert_int_equal(kfk_gather_len(&g), 0);
    kfk_gather_fini(&g);
}

/* ---- structs that may be null ---- */

static void a_struct_that_may_be_null_says_so_in_a_byte(void **state)
{
    (void)state;
    kfk_specimen x;
    kfk_specimen_optional there = {.flag = true};
    size_t null_len, there_len;
    kfk_codec_default(&kfk_specimen_schema, &x);
    free(message_encode(&kfk_specimen_schema, 1, &x, &null_len));
    x.maybe = &there;
    free(message_encode(&kfk_specimen_schema, 1, &x, &there_len));
    assert_int_equal(there_len, null_len + 5);
    x.maybe = NULL;
    assert_refused(&kfk_specimen_schema, 0, &x, KAFKA_EVERSION,
                   "Specimen v0: maybe: null is not allowed in this version");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(null_and_empty_have_encodings_of_their_own_rigid_and_compact),
        MEMCHECK_TEST(null_and_empty_arrays_differ),
        MEMCHECK_TEST(null_and_empty_records_differ),
        MEMCHECK_TEST(null_where_no_version_allows_it_is_a_bad_argument),
        MEMCHECK_TEST(null_that_only_other_versions_allow_is_a_matter_of_versions),
        MEMCHECK_TEST(a_version_that_is_not_defined_is_refused),
        MEMCHECK_TEST(a_value_that_the_version_cannot_carry_is_refused_by_name),
        MEMCHECK_TEST(an_ignorable_value_is_dropped_by_versions_that_lack_it),
        MEMCHECK_TEST(a_field_that_a_later_version_dropped_is_checked_too),
        MEMCHECK_TEST(tagged_fields_at_their_defaults_are_left_out_and_the_others_ascend),
        MEMCHECK_TEST(a_tagged_field_of_more_than_127_bytes_has_a_longer_size),
        MEMCHECK_TEST(records_spliced_into_a_tagged_field_count_in_its_size),
        MEMCHECK_TEST(records_in_parts_are_spliced_and_not_copied),
        MEMCHECK_TEST(a_string_of_32767_bytes_is_taken_and_a_longer_one_refused),
        MEMCHECK_TEST(impossible_counts_are_refused),
        MEMCHECK_TEST(beyond_the_gathers_limit_the_message_is_too_big),
        MEMCHECK_TEST(a_struct_that_may_be_null_says_so_in_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
