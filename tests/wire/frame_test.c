/* Whole frames: length, header, body.
 *
 * The bytes of Produce 2, Fetch 1 and ListOffsets 1 are what kafka-go 0.1.0 writes (its tests compare with them too);
 * headers and bodies of later versions are compared with Java's in golden_test.c. */
#include "support/memcheck.h"

#include "wire/frame.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/fetch.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/message.h"
#include "wire/prim.h"

#include <stdlib.h>
#include <string.h>

static const kafka_bytes localhost = {"localhost", 9};

static void assert_request(int16_t key, int16_t version, kafka_bytes client, const void *msg, const char *hex)
{
    kfk_gather g;
    kfk_error err = {0};
    kfk_gather_init(&g, SIZE_MAX);
    if (kfk_frame_encode_request(kfk_api_find(key), version, 1, client, msg, &g, &err) != 0) fail_msg("%s", err.text);
    size_t len;
    uint8_t *data = message_bytes(&g, &len);
    message_assert_hex(data, len, hex);
    free(data);
    kfk_gather_fini(&g);
}

/* ---- golden bytes ---- */

static void produce_2_is_written_as_kafka_go_writes_it(void **state)
{
    (void)state;
    static const char item[] = "000000000000000a 00000022 3108daf8 01 00 0000000000000000 ffffffff 0000000c "
                               "48656c6c6f20576f726c6421";
    size_t len;
    uint8_t *set = message_hex(item, &len);
    struct iovec parts[] = {{set, 12}, {set + 12, len - 12}};
    kfk_produce_request_partition partition = {.index = 42, .records = {{NULL, 0}, parts, 2}};
    kfk_produce_request_topic topic = {.name = KAFKA_LIT("topic"), .partition_data = {&partition, 1}};
    kfk_produce_request r = {.acks = -1, .timeout_ms = 100, .topic_data = {&topic, 1}};
    assert_request(
        KFK_API_PRODUCE, 2, localhost, &r,
        "0000005e 0000 0002 00000001 0009 6c6f63616c686f7374 ffff 00000064 00000001 0005 746f706963 00000001 "
        "0000002a 0000002e 000000000000000a 00000022 3108daf8 01 00 0000000000000000 ffffffff 0000000c "
        "48656c6c6f20576f726c6421");
    free(set);
}

static void fetch_1_is_written_as_kafka_go_writes_it(void **state)
{
    (void)state;
    kfk_fetch_request_partition partition;
    kfk_fetch_request r;
    kfk_codec_default(&kfk_fetch_request_schema, &r);
    partition = (kfk_fetch_request_partition){.partition = 42,
                                              .current_leader_epoch = -1,
                                              .fetch_offset = 42,
                                              .last_fetched_epoch = -1,
                                              .log_start_offset = -1,
                                              .partition_max_bytes = 1000,
                                              .high_watermark = INT64_MAX};
    kfk_fetch_request_topic topic = {.topic = KAFKA_LIT("topic"), .partitions = {&partition, 1}};
    r.max_wait_ms = 100;
    r.min_bytes = 10;
    r.topics = (kfk_fetch_request_topic_array){&topic, 1};
    assert_request(KFK_API_FETCH, 1, localhost, &r,
                   "0000003e 0001 0001 00000001 0009 6c6f63616c686f7374 ffffffff 00000064 0000000a 00000001 0005 "
                   "746f706963 00000001 0000002a 000000000000002a 000003e8");
}

static void list_offsets_1_is_written_as_kafka_go_writes_it(void **state)
{
    (void)state;
    kfk_list_offsets_request_partition partition = {
        .partition_index = 42, .current_leader_epoch = -1, .timestamp = -1, .max_num_offsets = 1};
    kfk_list_offsets_request_topic topic = {.name = KAFKA_LIT("topic"), .partitions = {&partition, 1}};
    kfk_list_offsets_request r = {.replica_id = -1, .topics = {&topic, 1}};
    assert_request(KFK_API_LIST_OFFSETS, 1, localhost, &r,
                   "00000032 0002 0001 00000001 0009 6c6f63616c686f7374 ffffffff 00000001 0005 746f706963 00000001 "
                   "0000002a ffffffffffffffff");
}

/* ---- headers ---- */

static void a_flexible_request_has_tags_in_its_header_but_a_client_id_of_the_old_form(void **state)
{
    (void)state;
    kfk_api_versions_request r = {KAFKA_LIT("n"), KAFKA_LIT("1"), {NULL, 0}, -1};
    assert_request(KFK_API_API_VERSIONS, 3, KAFKA_LIT("kc"), &r,
                   "00000012 0012 0003 00000001 0002 6b63 00 02 6e 02 31 00");
    assert_request(KFK_API_API_VERSIONS, 3, (kafka_bytes){NULL, 0}, &r,
                   "00000010 0012 0003 00000001 ffff 00 02 6e 02 31 00");
    assert_request(KFK_API_API_VERSIONS, 2, (kafka_bytes){NULL, 0}, &r, "0000000a 0012 0002 00000001 ffff");
}

static void several_requests_follow_each_other_in_one_gather(void **state)
{
    (void)state;
    char body[] = "body";
    struct iovec parts = {body, 4};
    kfk_produce_request_partition partition = {.index = 1, .records = {{NULL, 0}, &parts, 1}};
    kfk_produce_request_topic topic = {.name = KAFKA_LIT("t"), .partition_data = {&partition, 1}};
    kfk_produce_request r = {.acks = -1, .topic_data = {&topic, 1}};
    kfk_gather g;
    kfk_gather_init(&g, SIZE_MAX);
    for (int32_t id = 1; id <= 3; id++)
        assert_int_equal(kfk_frame_encode_request(kfk_api_find(0), 9, id, KAFKA_LIT("c"), &r, &g, NULL), 0);
    size_t len;
    uint8_t *data = message_bytes(&g, &len), *p = data;
    for (int32_t id = 1; id <= 3; id++) {
        uint32_t size = kfk_prim_get_be32(p);
        const kfk_api *api;
        int16_t version;
        int32_t correlation;
        kafka_bytes client;
        void *msg;
        kfk_arena arena;
        kfk_arena_init(&arena, 4096);
        assert_int_equal(
            kfk_frame_decode_request(p + 4, size, &arena, &api, &version, &correlation, &client, &msg, NULL), 0);
        assert_int_equal(correlation, id);
        assert_true(message_equal(api->request, &r, msg));
        kfk_arena_fini(&arena);
        p += 4 + size;
    }
    assert_ptr_equal(p, data + len);
    free(data);
    kfk_gather_fini(&g);
}

static void a_request_that_cannot_be_encoded_leaves_the_gather_as_it_was(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_error err = {0};
    kfk_gather g;
    kfk_codec_default(&kfk_metadata_request_schema, &r);
    kfk_gather_init(&g, SIZE_MAX);
    kfk_gather_append(&g, "x", 1);
    r.allow_auto_topic_creation = false;
    const kfk_api *api = kfk_api_find(KFK_API_METADATA);
    assert_int_equal(kfk_frame_encode_request(api, 1, 1, localhost, &r, &g, &err), KAFKA_EVERSION);
    assert_int_equal(kfk_frame_encode_request(api, 99, 1, localhost, &r, &g, &err), KAFKA_EVERSION);
    kafka_bytes long_id = {err.text, 40000};
    assert_int_equal(kfk_frame_encode_request(api, 9, 1, long_id, &r, &g, &err), KAFKA_EINVAL);
    assert_int_equal(kfk_gather_len(&g), 1);
    kfk_gather_fini(&g);
}

static void a_frame_beyond_2_gib_is_too_big(void **state)
{
    (void)state;
    struct iovec huge = {NULL, INT32_MAX};
    kfk_produce_request_partition partition = {.index = 1, .records = {{NULL, 0}, &huge, 1}};
    kfk_produce_request_topic topic = {.name = KAFKA_LIT("t"), .partition_data = {&partition, 1}};
    kfk_produce_request r = {.acks = -1, .topic_data = {&topic, 1}};
    kfk_error err = {0};
    kfk_gather g;
    kfk_gather_init(&g, SIZE_MAX);
    assert_int_equal(kfk_frame_encode_request(kfk_api_find(0), 9, 1, localhost, &r, &g, &err), KAFKA_ETOOBIG);
    assert_non_null(strstr(err.text, "Produce request v9: "));
    assert_int_equal(kfk_gather_len(&g), 0);
    kfk_gather_fini(&g);
}

static void without_memory_a_request_is_not_encoded_and_nothing_leaks(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_codec_default(&kfk_metadata_request_schema, &r);
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_error err = {0};
        kfk_gather g;
        kfk_gather_init(&g, SIZE_MAX);
        int code = kfk_frame_encode_request(kfk_api_find(3), 9, 1, localhost, &r, &g, &err);
        assert_int_equal(code, memcheck_failed() ? KAFKA_ENOMEM : 0);
        assert_int_equal(err.code, code);
        kfk_gather_fini(&g);
    }
}

/* ---- there and back, both sides ---- */

static void check_request(const kfk_api *api, int16_t version, const void *msg)
{
    kfk_gather g;
    kfk_arena arena;
    size_t len;
    kfk_gather_init(&g, SIZE_MAX);
    kfk_arena_init(&arena, 1 << 20);
    assert_int_equal(kfk_frame_encode_request(api, version, -7, localhost, msg, &g, NULL), 0);
    uint8_t *data = message_bytes(&g, &len);
    assert_int_equal(kfk_prim_get_be32(data), len - 4);
    const kfk_api *found;
    int16_t found_version;
    int32_t id;
    kafka_bytes client;
    void *back;
    kfk_error err = {0};
    int code = kfk_frame_decode_request(data + 4, len - 4, &arena, &found, &found_version, &id, &client, &back, &err);
    if (code != 0) fail_msg("%s", err.text);
    assert_ptr_equal(found, api);
    assert_int_equal(found_version, version);
    assert_int_equal(id, -7);
    assert_memory_equal(client.data, "localhost", 9);
    assert_true(message_equal(api->request, msg, back));
    free(data);
    kfk_arena_fini(&arena);
    kfk_gather_fini(&g);
}

static void check_response(const kfk_api *api, int16_t version, const void *msg)
{
    kfk_gather g;
    kfk_arena arena;
    size_t len;
    int32_t id = 0, peeked = 0;
    kfk_error err = {0};
    void *back = malloc(api->response->size);
    kfk_gather_init(&g, SIZE_MAX);
    kfk_arena_init(&arena, 1 << 20);
    assert_int_equal(kfk_frame_encode_response(api, version, 77, msg, &g, NULL), 0);
    uint8_t *data = message_bytes(&g, &len);
    assert_int_equal(kfk_frame_peek_correlation(data + 4, len - 4, &peeked), 0);
    assert_int_equal(peeked, 77);
    if (kfk_frame_decode_response(api, version, &arena, data + 4, len - 4, &id, back, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(id, 77);
    assert_true(message_equal(api->response, msg, back));
    assert_int_equal(kfk_frame_decode_response(api, version, &arena, data + 4, len - 5, &id, back, &err), KAFKA_EPROTO);
    assert_non_null(strstr(err.text, api->name));
    free(data);
    free(back);
    kfk_arena_fini(&arena);
    kfk_gather_fini(&g);
}

static void every_frame_comes_back_with_its_header(void **state)
{
    (void)state;
    const kfk_api *api;
    for (size_t i = 0; (api = kfk_api_row(i)); i++) {
        for (int16_t version = api->min_version; version <= api->max_version; version++) {
            kfk_rand r;
            kfk_arena arena;
            kfk_rand_seed(&r, message_seed() + i);
            kfk_arena_init(&arena, 1 << 20);
            void *msg = malloc(api->request->size > api->response->size ? api->request->size : api->response->size);
            message_random(&r, &arena, api->request, version, msg);
            check_request(api, version, msg);
            message_random(&r, &arena, api->response, version, msg);
            check_response(api, version, msg);
            free(msg);
            kfk_arena_fini(&arena);
        }
    }
}

static void a_response_without_four_bytes_has_no_correlation_id(void **state)
{
    (void)state;
    int32_t id = 5;
    kfk_metadata_response r;
    kfk_error err = {0};
    kfk_arena arena;
    kfk_arena_init(&arena, 100);
    assert_int_equal(kfk_frame_peek_correlation("\0\0\0", 3, &id), KAFKA_EPROTO);
    assert_int_equal(kfk_frame_decode_response(kfk_api_find(3), 9, &arena, "\0\0\0\1", 4, &id, &r, &err), KAFKA_EPROTO);
    assert_int_equal(id, 5);
    assert_string_equal(err.text, "Metadata response v9: ResponseHeader v1: no valid varint (byte 4)");
    assert_int_equal(r.controller_id, -1);
    kfk_arena_fini(&arena);
}

/* ---- ApiVersions ---- */

static void a_broker_that_refuses_the_version_of_api_versions_is_understood(void **state)
{
    (void)state;
    const kfk_api *api = kfk_api_find(KFK_API_API_VERSIONS);
    size_t len;
    uint8_t *data = message_hex("00000009 0023 00000001 0012 0000 0003", &len);
    kfk_api_versions_response r;
    kfk_arena arena;
    int32_t id;
    kfk_arena_init(&arena, 4096);
    assert_true(kfk_frame_is_version_refusal(data, len));
    assert_int_equal(kfk_frame_decode_response(api, 4, &arena, data, len, &id, &r, NULL), KAFKA_EPROTO);
    assert_int_equal(kfk_frame_decode_response(api, 0, &arena, data, len, &id, &r, NULL), 0);
    assert_int_equal(r.error_code, KAFKA_ERR_UNSUPPORTED_VERSION);
    assert_int_equal(r.api_keys.items[0].max_version, 3);
    data[5] = 0;
    assert_false(kfk_frame_is_version_refusal(data, len));
    assert_false(kfk_frame_is_version_refusal(data, 5));
    kfk_arena_fini(&arena);
    free(data);
}

static void the_response_to_api_versions_has_no_tags_in_its_header(void **state)
{
    (void)state;
    kfk_api_versions_response r;
    kfk_gather g;
    size_t len;
    kfk_codec_default(&kfk_api_versions_response_schema, &r);
    kfk_gather_init(&g, SIZE_MAX);
    assert_int_equal(kfk_frame_encode_response(kfk_api_find(18), 4, 9, &r, &g, NULL), 0);
    uint8_t *data = message_bytes(&g, &len);
    message_assert_hex(data, len, "0000000c 00000009 0000 01 00000000 00");
    free(data);
    kfk_gather_fini(&g);
}

/* ---- what a server may get ---- */

static int receive(const char *hex, const kfk_api **api, int16_t *version, int32_t *id, kfk_error *err)
{
    size_t len;
    uint8_t *data = message_hex(hex, &len);
    kafka_bytes client;
    void *msg;
    kfk_arena arena;
    kfk_arena_init(&arena, 4096);
    int code = kfk_frame_decode_request(data, len, &arena, api, version, id, &client, &msg, err);
    kfk_arena_fini(&arena);
    free(data);
    return code;
}

static void a_request_of_an_unknown_api_or_version_tells_what_can_be_told(void **state)
{
    (void)state;
    const kfk_api *api;
    int16_t version = 0;
    int32_t id = 0;
    kfk_error err = {0};
    assert_int_equal(receive("0063 0001 00000007 0002 6b63 ffff", &api, &version, &id, &err), KAFKA_EVERSION);
    assert_null(api);
    assert_int_equal(version, 1);
    assert_int_equal(id, 7);
    assert_string_equal(err.text, "request of API 99, which is not known");
    assert_int_equal(receive("0012 0063 00000008 0002 6b63 00 02 61 02 62 00", &api, &version, &id, &err),
                     KAFKA_EVERSION);
    assert_int_equal(api->key, KFK_API_API_VERSIONS);
    assert_int_equal(version, 99);
    assert_int_equal(id, 8);
}

static void a_request_cut_in_its_header_is_refused(void **state)
{
    (void)state;
    static const char whole[] = "0003000900000007"
                                "0002"
                                "6b63"
                                "00";
    char hex[sizeof whole];
    const kfk_api *api;
    int16_t version;
    int32_t id;
    for (size_t len = 0; len + 1 < sizeof whole; len += 2) {
        kfk_error err = {0};
        memcpy(hex, whole, len);
        hex[len] = 0;
        assert_int_equal(receive(hex, &api, &version, &id, &err), KAFKA_EPROTO);
        assert_null(api);
        assert_non_null(strstr(err.text, "RequestHeader"));
    }
}

/* ---- as text ---- */

static void assert_prints_request(const char *hex, int code, const char *text)
{
    size_t len;
    uint8_t *data = message_hex(hex, &len);
    kfk_error err = {0};
    kfk_buf out;
    kfk_buf_init(&out, 4096);
    assert_int_equal(kfk_frame_print_request(data, len, &out, &err), code);
    assert_int_equal(kfk_buf_append(&out, "", 1), 0);
    assert_string_equal(code == 0 ? (const char *)out.data : err.text, text);
    kfk_buf_fini(&out);
    free(data);
}

static void any_request_can_be_printed(void **state)
{
    (void)state;
    assert_prints_request("0003 0001 00000007 0003 6b0a63 00000001 0001 74", 0,
                          "#7 client=\"k\\x0ac\" Metadata request v1: topics=[{name=\"t\"}]");
    assert_prints_request("0003 0001 00000007 ffff 00000000", 0, "#7 Metadata request v1: topics=[]");
    assert_prints_request("0063 0001 ffffffff 0002 6b63 0102", 0, "#-1 client=\"kc\" API 99 request v1: <2 bytes>");
    assert_prints_request("0003 0063 00000007 0002 6b63 00 010203", 0,
                          "#7 client=\"kc\" Metadata request v99: <3 bytes>");
    assert_prints_request("0003 0001 00000007 ffff 00000001", KAFKA_EPROTO,
                          "Metadata request v1: topics: 1 elements announced, 0 bytes left (byte 4)");
    assert_prints_request("0003", KAFKA_EPROTO,
                          "RequestHeader v1: request_api_version: 2 bytes wanted, 0 left (byte 2)");
}

static void a_response_can_be_printed_by_who_knows_what_it_answers(void **state)
{
    (void)state;
    size_t len;
    uint8_t *data = message_hex("00000007 00000000 00000000", &len);
    kfk_error err = {0};
    kfk_buf out;
    kfk_buf_init(&out, 4096);
    assert_int_equal(kfk_frame_print_response(kfk_api_find(3), 0, data, len, &out, &err), 0);
    assert_int_equal(kfk_buf_append(&out, "", 1), 0);
    assert_string_equal((const char *)out.data, "#7 Metadata response v0: brokers=[], topics=[]");
    assert_int_equal(kfk_frame_print_response(kfk_api_find(3), 0, data, len - 1, &out, &err), KAFKA_EPROTO);
    assert_int_equal(kfk_frame_print_response(kfk_api_find(3), 14, data, len, &out, &err), KAFKA_EVERSION);
    kfk_buf_fini(&out);
    free(data);
}

static void without_memory_nothing_is_printed_and_nothing_leaks(void **state)
{
    (void)state;
    size_t len;
    uint8_t *data = message_hex("0003 0001 00000007 0002 6b63 00000001 0001 74", &len);
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_error err = {0};
        kfk_buf out;
        kfk_buf_init(&out, 4096);
        int code = kfk_frame_print_request(data, len, &out, &err);
        assert_int_equal(code, memcheck_failed() ? KAFKA_ENOMEM : 0);
        kfk_buf_fini(&out);
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(produce_2_is_written_as_kafka_go_writes_it),
        MEMCHECK_TEST(fetch_1_is_written_as_kafka_go_writes_it),
        MEMCHECK_TEST(list_offsets_1_is_written_as_kafka_go_writes_it),
        MEMCHECK_TEST(a_flexible_request_has_tags_in_its_header_but_a_client_id_of_the_old_form),
        MEMCHECK_TEST(several_requests_follow_each_other_in_one_gather),
        MEMCHECK_TEST(a_request_that_cannot_be_encoded_leaves_the_gather_as_it_was),
        MEMCHECK_TEST(a_frame_beyond_2_gib_is_too_big),
        MEMCHECK_TEST(without_memory_a_request_is_not_encoded_and_nothing_leaks),
        MEMCHECK_TEST(every_frame_comes_back_with_its_header),
        MEMCHECK_TEST(a_response_without_four_bytes_has_no_correlation_id),
        MEMCHECK_TEST(a_broker_that_refuses_the_version_of_api_versions_is_understood),
        MEMCHECK_TEST(the_response_to_api_versions_has_no_tags_in_its_header),
        MEMCHECK_TEST(a_request_of_an_unknown_api_or_version_tells_what_can_be_told),
        MEMCHECK_TEST(a_request_cut_in_its_header_is_refused),
        MEMCHECK_TEST(any_request_can_be_printed),
        MEMCHECK_TEST(a_response_can_be_printed_by_who_knows_what_it_answers),
        MEMCHECK_TEST(without_memory_nothing_is_printed_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
