/* What the decoder reads, and what it does to a peer that breaks the rules. */
#include "support/memcheck.h"

#include "wire/gen/api_versions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/fetch.h"
#include "wire/gen/metadata.h"
#include "wire/gen/specimen.h"
#include "wire/message.h"
#include "wire/prim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One decoded message with all that it needs. */
typedef struct decoded {
    uint8_t *data;
    size_t len;
    kfk_arena arena;
    kfk_error err;
    int code;
} decoded;

static void decode(decoded *d, const kfk_schema *s, int16_t version, const char *hex, void *msg)
{
    d->data = message_hex(hex, &d->len);
    d->err = (kfk_error){0};
    kfk_arena_init(&d->arena, 1 << 20);
    d->code = kfk_codec_decode(s, version, &d->arena, d->data, d->len, msg, &d->err);
}

static void release(decoded *d)
{
    kfk_arena_fini(&d->arena);
    free(d->data);
}

/* The bytes are refused with this sentence, without a large allocation, and the message is at its defaults. */
static void assert_refused(const kfk_schema *s, int16_t version, const char *hex, const char *text)
{
    decoded d;
    void *msg = malloc(s->size);
    decode(&d, s, version, hex, msg);
    assert_string_equal(d.err.text, text);
    assert_int_equal(d.code, KAFKA_EPROTO);
    assert_int_equal(d.err.code, KAFKA_EPROTO);
    assert_true(d.arena.used < 4096);
    assert_memory_equal(msg, s->defaults, s->size);
    release(&d);
    free(msg);
}

/* ---- what is read ---- */

static void strings_borrow_from_the_frame_and_arrays_come_from_the_arena(void **state)
{
    (void)state;
    decoded d;
    kfk_metadata_request r;
    decode(&d, &kfk_metadata_request_schema, 4, "00000001 0003 616263 01", &r);
    assert_int_equal(d.code, 0);
    assert_ptr_equal(r.topics.items[0].name.data, d.data + 6);
    assert_int_equal(r.topics.items[0].name.len, 3);
    assert_true(d.arena.used > 0);
    release(&d);
}

static void null_and_empty_are_read_apart_rigid_and_compact(void **state)
{
    (void)state;
    static const char *const hex[] = {
        "00000001 000174 00000000 0000 00000000 00000002 000161 ffff 000162 0000 00000001 00",
        "02 0274 00000000 0000 01 03 0261 00 00 0262 01 00 00 00000001 00 00"};
    for (int16_t version = 4; version <= 5; version++) {
        decoded d;
        kfk_create_topics_request r;
        decode(&d, &kfk_create_topics_request_schema, version, hex[version - 4], &r);
        assert_int_equal(d.code, 0);
        assert_null(r.topics.items[0].configs.items[0].value.data);
        assert_non_null(r.topics.items[0].configs.items[1].value.data);
        assert_int_equal(r.topics.items[0].configs.items[1].value.len, 0);
        assert_int_equal(r.topics.items[0].assignments.count, 0);
        release(&d);
    }
}

static void null_and_empty_arrays_and_records_are_read_apart(void **state)
{
    (void)state;
    decoded d;
    kfk_metadata_request r;
    decode(&d, &kfk_metadata_request_schema, 1, "ffffffff", &r);
    assert_int_equal(r.topics.count, -1);
    release(&d);
    decode(&d, &kfk_metadata_request_schema, 1, "00000000", &r);
    assert_int_equal(r.topics.count, 0);
    release(&d);
    kfk_fetch_response f;
    decode(&d, &kfk_fetch_response_schema, 0,
           "00000001 000174 00000002 00000000 0000 0000000000000000 ffffffff 00000001 0000 0000000000000000 00000000",
           &f);
    assert_int_equal(d.code, 0);
    assert_null(f.responses.items[0].partitions.items[0].records.bytes.data);
    assert_non_null(f.responses.items[0].partitions.items[1].records.bytes.data);
    release(&d);
}

static void any_bool_but_0_is_true(void **state)
{
    (void)state;
    decoded d;
    kfk_metadata_request r;
    decode(&d, &kfk_metadata_request_schema, 4, "00000000 02", &r);
    assert_true(r.allow_auto_topic_creation);
    release(&d);
    decode(&d, &kfk_metadata_request_schema, 4, "00000000 00", &r);
    assert_false(r.allow_auto_topic_creation);
    release(&d);
}

static void a_version_that_is_not_defined_is_not_decoded(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_error err = {0};
    kfk_arena arena;
    kfk_arena_init(&arena, 100);
    for (int32_t version = INT16_MIN; version <= INT16_MAX; version += 7) {
        if (version >= 0 && version <= 13) continue;
        assert_int_equal(
            kfk_codec_decode(&kfk_metadata_request_schema, (int16_t)version, &arena, "\0\0\0\0", 4, &r, &err),
            KAFKA_EVERSION);
    }
    assert_int_equal(kfk_codec_decode(&kfk_metadata_request_schema, 14, &arena, NULL, 0, &r, &err), KAFKA_EVERSION);
    assert_string_equal(err.text, "Metadata request v14: only versions 0 to 13 are known");
    kfk_arena_fini(&arena);
}

static void a_message_with_something_behind_it_tells_where_it_ends(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_arena arena;
    size_t used = 99;
    kfk_arena_init(&arena, 100);
    assert_int_equal(
        kfk_codec_decode_prefix(&kfk_metadata_request_schema, 4, &arena, "\0\0\0\0\1rest", 9, &r, &used, NULL), 0);
    assert_int_equal(used, 5);
    kfk_arena_fini(&arena);
}

/* ---- H07: too short, too long ---- */

static void one_byte_less_and_one_byte_more_are_refused(void **state)
{
    (void)state;
    assert_refused(&kfk_metadata_request_schema, 4, "00000001 0003 6162",
                   "Metadata request v4: topics[0].name: 3 bytes wanted, 2 left (byte 6)");
    assert_refused(&kfk_metadata_request_schema, 4, "00000000",
                   "Metadata request v4: allow_auto_topic_creation: 1 bytes wanted, 0 left (byte 4)");
    assert_refused(&kfk_metadata_request_schema, 4, "00000000 01 00",
                   "Metadata request v4: 1 bytes left over (byte 5)");
    assert_refused(&kfk_metadata_request_schema, 4, "", "Metadata request v4: topics: 4 bytes wanted, 0 left (byte 0)");
}

/* ---- H10: counts ---- */

static void an_array_count_that_the_bytes_cannot_hold_is_refused_before_allocation(void **state)
{
    (void)state;
    assert_refused(&kfk_metadata_request_schema, 4, "7fffffff 0003 616263 01",
                   "Metadata request v4: topics: 2147483647 elements announced, 6 bytes left (byte 4)");
    /* Three topics of two bytes at least in five bytes. */
    assert_refused(&kfk_metadata_request_schema, 0, "00000003 0000 0000 00",
                   "Metadata request v0: topics: 3 elements announced, 5 bytes left (byte 4)");
    assert_refused(&kfk_metadata_request_schema, 9, "ffffffff0f 00 00 00 00",
                   "Metadata request v9: topics: 4294967294 elements announced, 4 bytes left (byte 5)");
}

static void an_array_count_below_minus_one_is_refused(void **state)
{
    (void)state;
    assert_refused(&kfk_metadata_request_schema, 4, "fffffffe 00",
                   "Metadata request v4: topics: -2 elements announced, 1 bytes left (byte 4)");
    assert_refused(&kfk_metadata_request_schema, 4, "80000000 00",
                   "Metadata request v4: topics: -2147483648 elements announced, 1 bytes left (byte 4)");
}

static void an_error_deep_inside_names_every_index_on_the_way(void **state)
{
    (void)state;
    assert_refused(
        &kfk_metadata_response_schema, 9,
        "00000000 01 00 ffffffff 05 "
        "0000 0261 00 01 00000000 00 0000 0262 00 01 00000000 00 0000 0263 00 01 00000000 00 "
        "0000 0264 00 ffffffff07 0000000000000000000000000000000000",
        "Metadata response v9: topics[3].partitions: 2147483646 elements announced, 17 bytes left (byte 54)");
    assert_refused(
        &kfk_metadata_response_schema, 0,
        "00000000 00000001 0000 000161 00000002 0000 00000000 00000000 00000000 00000000 "
        "0000 00000000 00000000 00000001 00000002 00000100",
        "Metadata response v0: topics[0].partitions[1].isr_nodes: 256 elements announced, 0 bytes left (byte 57)");
}

static void null_where_the_version_does_not_allow_it_is_refused(void **state)
{
    (void)state;
    assert_refused(&kfk_metadata_request_schema, 0, "ffffffff",
                   "Metadata request v0: topics: null, which this version does not allow (byte 4)");
    assert_refused(&kfk_metadata_request_schema, 1, "00000001 ffff",
                   "Metadata request v1: topics[0].name: null, which this version does not allow (byte 6)");
    assert_refused(&kfk_metadata_request_schema, 9, "02 00 00 00000000",
                   "Metadata request v9: topics[0].name: null, which this version does not allow (byte 2)");
}

/* ---- H11: lengths and varints ---- */

static void a_string_length_below_minus_one_or_beyond_the_end_is_refused(void **state)
{
    (void)state;
    assert_refused(&kfk_metadata_request_schema, 4, "00000001 fffe 01",
                   "Metadata request v4: topics[0].name: impossible length -2 (byte 6)");
    assert_refused(&kfk_metadata_request_schema, 4, "00000001 7fff 01",
                   "Metadata request v4: topics[0].name: 32767 bytes wanted, 1 left (byte 6)");
    assert_refused(&kfk_metadata_request_schema, 9, "02 ffffffff0f 00 00 00 00",
                   "Metadata request v9: topics[0].name: impossible length 4294967294 (byte 6)");
}

static void a_records_length_below_minus_one_or_beyond_the_end_is_refused(void **state)
{
    (void)state;
    static const char head[] = "00000001 000174 00000001 00000000 0000 0000000000000000";
    char hex[128];
    snprintf(hex, sizeof hex, "%s fffffffe", head);
    assert_refused(&kfk_fetch_response_schema, 0, hex,
                   "Fetch response v0: responses[0].partitions[0].records: impossible length -2 (byte 29)");
    snprintf(hex, sizeof hex, "%s 7fffffff 01", head);
    assert_refused(&kfk_fetch_response_schema, 0, hex,
                   "Fetch response v0: responses[0].partitions[0].records: 2147483647 bytes wanted, 1 left (byte 29)");
}

static void overlong_and_endless_varints_are_refused(void **state)
{
    (void)state;
    static const char *const overlong[] = {"8100 00 00 00 00", "ffffffff1f 00 00 00", "80808080808080808001 00 00 00",
                                           "8080808080", "ff"};
    for (size_t i = 0; i < sizeof overlong / sizeof *overlong; i++)
        assert_refused(&kfk_metadata_request_schema, 9, overlong[i],
                       "Metadata request v9: topics: no valid varint (byte 0)");
}

static void a_compact_string_over_32767_bytes_is_refused_although_it_is_there(void **state)
{
    (void)state;
    size_t len = 3 + 32768 + 4;
    uint8_t *data = calloc(1, len + 1);
    kfk_metadata_request r;
    kfk_error err = {0};
    kfk_arena arena;
    kfk_arena_init(&arena, 4096);
    memcpy(data, "\x02\x81\x80\x02", 4);
    assert_int_equal(kfk_codec_decode(&kfk_metadata_request_schema, 9, &arena, data, len + 1, &r, &err), KAFKA_EPROTO);
    assert_string_equal(err.text, "Metadata request v9: topics[0].name: impossible length 32768 (byte 4)");
    memcpy(data, "\x02\x80\x80\x02", 4);
    assert_int_equal(kfk_codec_decode(&kfk_metadata_request_schema, 9, &arena, data, 4 + 32767 + 5, &r, &err), 0);
    kfk_arena_fini(&arena);
    free(data);
}

/* ---- H16: tags ---- */

static void an_unknown_tagged_field_is_skipped_exactly(void **state)
{
    (void)state;
    decoded d;
    kfk_metadata_request r;
    decode(&d, &kfk_metadata_request_schema, 9,
           "02 0261 02 07 00 c801 03 aabbcc 00 01 01 01 05 0d 0102030405060708090a0b0c0d", &r);
    assert_string_equal(d.err.text, "");
    assert_int_equal(d.code, 0);
    assert_false(r.allow_auto_topic_creation);
    assert_true(r.include_cluster_authorized_operations);
    assert_true(r.include_topic_authorized_operations);
    release(&d);
}

static void known_tags_are_read_and_unknown_ones_between_them_skipped(void **state)
{
    (void)state;
    decoded d;
    kfk_api_versions_response r;
    decode(&d, &kfk_api_versions_response_schema, 3,
           "0000 01 00000000 04 00 08 02 0266 0001 0002 00 01 08 0000000000000007 02 01 01 09 02 ffff", &r);
    assert_string_equal(d.err.text, "");
    assert_int_equal(r.supported_features.count, 1);
    assert_int_equal(r.supported_features.items[0].max_version, 2);
    assert_true(r.finalized_features_epoch == 7);
    assert_int_equal(r.finalized_features.count, 0);
    assert_false(r.zk_migration_ready);
    release(&d);
}

static void a_tag_that_only_later_versions_know_is_skipped(void **state)
{
    (void)state;
    kfk_specimen x;
    kfk_specimen_optional there = {0};
    kfk_codec_default(&kfk_specimen_schema, &x);
    x.maybe = &there;
    x.tag_later = true;
    size_t len, used;
    uint8_t *data = message_encode(&kfk_specimen_schema, 3, &x, &len);
    kfk_specimen back;
    kfk_arena arena;
    kfk_arena_init(&arena, 1 << 16);
    assert_int_equal(kfk_codec_decode_prefix(&kfk_specimen_schema, 2, &arena, data, len, &back, &used, NULL), 0);
    assert_int_equal(used, len);
    assert_false(back.tag_later);
    assert_int_equal(kfk_codec_decode(&kfk_specimen_schema, 3, &arena, data, len, &back, NULL), 0);
    assert_true(back.tag_later);
    kfk_arena_fini(&arena);
    free(data);
}

static void a_tag_larger_than_what_is_left_is_refused(void **state)
{
    (void)state;
    assert_refused(&kfk_metadata_request_schema, 9, "01 01 00 00 01 07 05 00000000",
                   "Metadata request v9: 5 bytes wanted, 4 left (byte 7)");
    assert_refused(&kfk_metadata_request_schema, 9, "01 01 00 00 01 07 ffffffff0f 00000000",
                   "Metadata request v9: 4294967295 bytes wanted, 4 left (byte 11)");
    assert_refused(&kfk_api_versions_response_schema, 3, "0000 01 00000000 01 01 08 00000000000000",
                   "ApiVersions response v3: 8 bytes wanted, 7 left (byte 10)");
}

static void a_known_tag_must_fill_its_size_exactly(void **state)
{
    (void)state;
    assert_refused(&kfk_api_versions_response_schema, 3, "0000 01 00000000 01 01 09 000000000000000700",
                   "ApiVersions response v3: finalized_features_epoch: 1 bytes left over (byte 18)");
    assert_refused(&kfk_api_versions_response_schema, 3, "0000 01 00000000 02 01 07 0000000000000007 03 01 01",
                   "ApiVersions response v3: finalized_features_epoch: 8 bytes wanted, 7 left (byte 10)");
    assert_refused(&kfk_api_versions_response_schema, 3, "0000 01 00000000 01 03 00",
                   "ApiVersions response v3: zk_migration_ready: 1 bytes wanted, 0 left (byte 10)");
    /* Its array may not reach into the next tag. */
    assert_refused(&kfk_api_versions_response_schema, 3, "0000 01 00000000 02 00 02 03 02 09 0266 0001 0002 00",
                   "ApiVersions response v3: supported_features: 2 elements announced, 1 bytes left (byte 11)");
}

static void the_same_tag_twice_and_descending_tags_are_refused(void **state)
{
    (void)state;
    assert_refused(&kfk_api_versions_response_schema, 3, "0000 01 00000000 02 03 01 01 03 01 00",
                   "ApiVersions response v3: tag 3 is not in ascending order (byte 13)");
    assert_refused(&kfk_metadata_request_schema, 9, "01 01 00 00 02 09 00 08 00",
                   "Metadata request v9: tag 8 is not in ascending order (byte 9)");
}

static void too_many_tags_are_refused_though_they_are_there(void **state)
{
    (void)state;
    enum { TAGS = 100000 };
    uint8_t *data = malloc(16 + 6 * TAGS), *p = data;
    memcpy(p, "\x01\x01\x00\x00", 4);
    p += 4;
    p += kfk_prim_put_uvarint(p, TAGS);
    for (uint32_t tag = 0; tag < TAGS; tag++) {
        p += kfk_prim_put_uvarint(p, tag);
        *p++ = 0;
    }
    kfk_metadata_request r;
    kfk_error err = {0};
    kfk_arena arena;
    kfk_arena_init(&arena, 4096);
    size_t len = (size_t)(p - data);
    assert_int_equal(kfk_codec_decode(&kfk_metadata_request_schema, 9, &arena, data, len, &r, &err), KAFKA_EPROTO);
    assert_non_null(strstr(err.text, "100000 tagged fields announced"));
    kfk_arena_fini(&arena);
    free(data);
    assert_refused(&kfk_metadata_request_schema, 9, "01 01 00 00 03 07 00 08 00 09",
                   "Metadata request v9: 3 tagged fields announced, 5 bytes left (byte 5)");
}

static void as_many_tags_as_the_cap_allows_are_taken(void **state)
{
    (void)state;
    uint8_t data[16 + 3 * KFK_CODEC_MAX_TAGS], *p = data;
    memcpy(p, "\x01\x01\x00\x00", 4);
    p += 4;
    p += kfk_prim_put_uvarint(p, KFK_CODEC_MAX_TAGS);
    for (uint32_t tag = 0; tag < KFK_CODEC_MAX_TAGS; tag++) {
        p += kfk_prim_put_uvarint(p, tag);
        *p++ = 0;
    }
    kfk_metadata_request r;
    kfk_arena arena;
    kfk_arena_init(&arena, 4096);
    assert_int_equal(kfk_codec_decode(&kfk_metadata_request_schema, 9, &arena, data, (size_t)(p - data), &r, NULL), 0);
    kfk_arena_fini(&arena);
}

/* ---- structs that may be null ---- */

static void the_byte_before_a_struct_that_may_be_null_is_1_or_minus_1(void **state)
{
    (void)state;
    kfk_specimen x, back;
    kfk_arena arena;
    size_t len;
    kfk_codec_default(&kfk_specimen_schema, &x);
    uint8_t *data = message_encode(&kfk_specimen_schema, 1, &x, &len);
    size_t at = len;
    /* Behind it: first (4 + 2), others 4, needed 4, droppable 4, gone 2, tag_number 4. */
    at -= 4 + 2 + 4 + 4 + 4 + 2 + 4 + 1;
    assert_int_equal(data[at], 0xff);
    kfk_arena_init(&arena, 4096);
    assert_int_equal(kfk_codec_decode(&kfk_specimen_schema, 1, &arena, data, len, &back, NULL), 0);
    assert_null(back.maybe);
    for (int byte = 0; byte < 256; byte++) {
        if (byte == 1 || byte == 255) continue;
        kfk_error err = {0};
        data[at] = (uint8_t)byte;
        assert_int_equal(kfk_codec_decode(&kfk_specimen_schema, 1, &arena, data, len, &back, &err), KAFKA_EPROTO);
        assert_non_null(strstr(err.text, "Specimen v1: maybe: impossible length"));
    }
    kfk_arena_fini(&arena);
    free(data);
}

/* ---- memory ---- */

static void beyond_the_arenas_budget_the_message_is_too_big(void **state)
{
    (void)state;
    size_t len;
    uint8_t *data = message_hex("00000003 0001 61 0001 62 0001 63 01", &len);
    kfk_metadata_request r;
    kfk_error err = {0};
    kfk_arena arena;
    kfk_arena_init(&arena, sizeof(kfk_metadata_request_topic) * 2);
    assert_int_equal(kfk_codec_decode(&kfk_metadata_request_schema, 4, &arena, data, len, &r, &err), KAFKA_ETOOBIG);
    assert_int_equal(r.topics.count, 0);
    assert_non_null(strstr(err.text, "Metadata request v4: topics: more than the 64 bytes"));
    kfk_arena_fini(&arena);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(strings_borrow_from_the_frame_and_arrays_come_from_the_arena),
        MEMCHECK_TEST(null_and_empty_are_read_apart_rigid_and_compact),
        MEMCHECK_TEST(null_and_empty_arrays_and_records_are_read_apart),
        MEMCHECK_TEST(any_bool_but_0_is_true),
        MEMCHECK_TEST(a_version_that_is_not_defined_is_not_decoded),
        MEMCHECK_TEST(a_message_with_something_behind_it_tells_where_it_ends),
        MEMCHECK_TEST(one_byte_less_and_one_byte_more_are_refused),
        MEMCHECK_TEST(an_array_count_that_the_bytes_cannot_hold_is_refused_before_allocation),
        MEMCHECK_TEST(an_array_count_below_minus_one_is_refused),
        MEMCHECK_TEST(an_error_deep_inside_names_every_index_on_the_way),
        MEMCHECK_TEST(null_where_the_version_does_not_allow_it_is_refused),
        MEMCHECK_TEST(a_string_length_below_minus_one_or_beyond_the_end_is_refused),
        MEMCHECK_TEST(a_records_length_below_minus_one_or_beyond_the_end_is_refused),
        MEMCHECK_TEST(overlong_and_endless_varints_are_refused),
        MEMCHECK_TEST(a_compact_string_over_32767_bytes_is_refused_although_it_is_there),
        MEMCHECK_TEST(an_unknown_tagged_field_is_skipped_exactly),
        MEMCHECK_TEST(known_tags_are_read_and_unknown_ones_between_them_skipped),
        MEMCHECK_TEST(a_tag_that_only_later_versions_know_is_skipped),
        MEMCHECK_TEST(a_tag_larger_than_what_is_left_is_refused),
        MEMCHECK_TEST(a_known_tag_must_fill_its_size_exactly),
        MEMCHECK_TEST(the_same_tag_twice_and_descending_tags_are_refused),
        MEMCHECK_TEST(too_many_tags_are_refused_though_they_are_there),
        MEMCHECK_TEST(as_many_tags_as_the_cap_allows_are_taken),
        MEMCHECK_TEST(the_byte_before_a_struct_that_may_be_null_is_1_or_minus_1),
        MEMCHECK_TEST(beyond_the_arenas_budget_the_message_is_too_big),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
