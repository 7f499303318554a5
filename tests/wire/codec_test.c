/* Defaults: what they are, and what counts as one. */
#include "support/memcheck.h"

#include "wire/gen/create_topics.h"
#include "wire/gen/fetch.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/gen/specimen.h"
#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

static void assert_empty(kafka_bytes b)
{
    assert_non_null(b.data);
    assert_int_equal(b.len, 0);
}

static void defaults_are_those_of_the_definition(void **state)
{
    (void)state;
    kfk_fetch_request fetch;
    memset(&fetch, 0xa5, sizeof fetch);
    kfk_codec_default(&kfk_fetch_request_schema, &fetch);
    assert_null(fetch.cluster_id.data);
    assert_int_equal(fetch.replica_id, -1);
    assert_true(fetch.replica_state.replica_epoch == -1);
    assert_int_equal(fetch.max_bytes, INT32_MAX);
    assert_int_equal(fetch.session_epoch, -1);
    assert_int_equal(fetch.topics.count, 0);
    assert_empty(fetch.rack_id);

    kfk_create_topics_request create;
    kfk_codec_default(&kfk_create_topics_request_schema, &create);
    assert_int_equal(create.timeout_ms, 60000);
    assert_false(create.validate_only);

    kfk_metadata_request metadata;
    kfk_codec_default(&kfk_metadata_request_schema, &metadata);
    assert_true(metadata.allow_auto_topic_creation);
    assert_int_equal(metadata.topics.count, 0);
}

static void every_kind_of_default_is_set(void **state)
{
    (void)state;
    kfk_specimen x;
    memset(&x, 0xa5, sizeof x);
    kfk_codec_default(&kfk_specimen_schema, &x);
    assert_true(x.a_bool);
    assert_int_equal(x.an_int8, -8);
    assert_int_equal(x.a_uint16, 65535);
    assert_true(x.an_int64 == INT64_MIN);
    assert_empty(x.a_string);
    assert_null(x.maybe_string.data);
    assert_empty(x.later_string);
    assert_empty(x.some_bytes);
    assert_null(x.maybe_bytes.data);
    assert_null(x.some_records.bytes.data);
    assert_int_equal(x.some_records.part_count, 0);
    assert_int_equal(x.strings.count, 0);
    assert_int_equal(x.blobs.count, -1);
    assert_int_equal(x.inside.default_, 5);
    assert_null(x.maybe);
    assert_int_equal(x.first.number, 7);
    assert_empty(x.first.word);
    assert_int_equal(x.tag_struct.x, -1);
    assert_empty(x.tag_struct.y);
}

/* The field of the specimen by its name. */
static const kfk_field *field(const char *name)
{
    for (uint16_t i = 0; i < kfk_specimen_schema.field_count; i++) {
        if (strcmp(kfk_specimen_schema.fields[i].name, name) == 0) return &kfk_specimen_schema.fields[i];
    }
    fail_msg("no field %s", name);
    return NULL;
}

static bool standard(const kfk_specimen *x, const char *name)
{
    return kfk_codec_is_default(&kfk_specimen_schema, field(name), x);
}

static void a_fresh_message_is_at_its_defaults_in_every_field(void **state)
{
    (void)state;
    kfk_specimen x;
    kfk_codec_default(&kfk_specimen_schema, &x);
    for (uint16_t i = 0; i < kfk_specimen_schema.field_count; i++)
        assert_true(kfk_codec_is_default(&kfk_specimen_schema, &kfk_specimen_schema.fields[i], &x));
}

static void null_and_empty_are_different_values(void **state)
{
    (void)state;
    kfk_specimen x;
    kfk_codec_default(&kfk_specimen_schema, &x);
    x.a_string = (kafka_bytes){NULL, 0};
    assert_false(standard(&x, "a_string"));
    x.maybe_string = KAFKA_LIT("");
    assert_false(standard(&x, "maybe_string"));
    x.blobs.count = 0;
    assert_false(standard(&x, "blobs"));
    x.strings.count = -1;
    assert_false(standard(&x, "strings"));
    x.some_records.bytes = KAFKA_LIT("");
    assert_false(standard(&x, "some_records"));
}

static void a_value_anywhere_inside_of_a_struct_makes_it_differ(void **state)
{
    (void)state;
    kfk_specimen x;
    kfk_specimen_optional optional;
    const struct iovec parts = {NULL, 0};
    kfk_codec_default(&kfk_specimen_schema, &x);
    x.first.word = KAFKA_LIT("w");
    assert_false(standard(&x, "first"));
    x.inside.values.count = 1;
    assert_false(standard(&x, "inside"));
    x.maybe = &optional;
    assert_false(standard(&x, "maybe"));
    x.tag_records = (kfk_records){{NULL, 0}, &parts, 1};
    assert_false(standard(&x, "tag_records"));
    x.a_double = -0.0;
    assert_false(standard(&x, "a_double"));
    x.an_id.bytes[15] = 1;
    assert_false(standard(&x, "an_id"));
}

static void an_element_is_decoded_over_its_own_defaults(void **state)
{
    (void)state;
    /* A topic with one partition in version 0, which has no leader epoch and no offline replicas. */
    static const char hex[] = "00000000 00000001 0000 0001 61 00000001 0000 00000002 00000003 00000000 00000000";
    size_t len;
    uint8_t *data = message_hex(hex, &len);
    kfk_metadata_response r;
    kfk_arena arena;
    kfk_arena_init(&arena, 4096);
    assert_int_equal(kfk_codec_decode(&kfk_metadata_response_schema, 0, &arena, data, len, &r, NULL), 0);
    assert_int_equal(r.controller_id, -1);
    assert_int_equal(r.topics.items[0].topic_authorized_operations, INT32_MIN);
    assert_int_equal(r.topics.items[0].partitions.items[0].leader_epoch, -1);
    assert_int_equal(r.topics.items[0].partitions.items[0].leader_id, 3);
    assert_int_equal(r.topics.items[0].partitions.items[0].offline_replicas.count, 0);
    kfk_arena_fini(&arena);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(defaults_are_those_of_the_definition),
        MEMCHECK_TEST(every_kind_of_default_is_set),
        MEMCHECK_TEST(a_fresh_message_is_at_its_defaults_in_every_field),
        MEMCHECK_TEST(null_and_empty_are_different_values),
        MEMCHECK_TEST(a_value_anywhere_inside_of_a_struct_makes_it_differ),
        MEMCHECK_TEST(an_element_is_decoded_over_its_own_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
