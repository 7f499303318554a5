/* The table of APIs. */
#include "support/memcheck.h"

#include "wire/api.h"

static void every_row_is_found_by_its_key(void **state)
{
    (void)state;
    const kfk_api *row;
    size_t i = 0;
    for (; (row = kfk_api_row(i)); i++) assert_ptr_equal(kfk_api_find(row->key), row);
    assert_int_equal(i, KFK_API_COUNT);
}

static void a_key_that_is_not_in_the_table_is_not_found(void **state)
{
    (void)state;
    for (int32_t key = INT16_MIN; key <= INT16_MAX; key++) {
        const kfk_api *api = kfk_api_find((int16_t)key);
        if (api) assert_int_equal(api->key, key);
    }
    assert_null(kfk_api_find(-1));
    assert_null(kfk_api_find(7)); /* ControlledShutdown, which only brokers sent */
    assert_null(kfk_api_find(76));
    assert_null(kfk_api_find(INT16_MAX));
    assert_string_equal(kfk_api_find(KFK_API_METADATA)->name, "Metadata");
}

/* What org.apache.kafka.common.message.ApiMessageType says: the lowest version in kafka-clients 3.9.1, the highest
 * stable one in 4.4.0, and the first versions with request header 2 and with response header 1. */
enum { NONE = INT16_MAX };
static const struct {
    int16_t key, min, max, request_header_2, response_header_1;
} kafkas[] = {
    {0, 0, 13, 9, 9},       {1, 0, 18, 12, 12}, {2, 0, 11, 6, 6}, {3, 0, 13, 9, 9},       {8, 0, 10, 8, 8},
    {9, 0, 10, 6, 6},       {10, 0, 6, 3, 3},   {11, 0, 9, 6, 6}, {12, 0, 4, 4, 4},       {13, 0, 5, 4, 4},
    {14, 0, 5, 4, 4},       {15, 0, 6, 5, 5},   {16, 0, 5, 3, 3}, {17, 0, 1, NONE, NONE}, {18, 0, 5, 3, NONE},
    {19, 0, 7, 5, 5},       {20, 0, 6, 4, 4},   {21, 0, 2, 2, 2}, {22, 0, 5, 2, 2},       {23, 0, 4, 4, 4},
    {24, 0, 5, 3, 3},       {25, 0, 4, 3, 3},   {26, 0, 5, 3, 3}, {28, 0, 6, 3, 3},       {32, 0, 4, 4, 4},
    {33, 0, 2, 2, 2},       {36, 0, 2, 2, 2},   {37, 0, 3, 2, 2}, {42, 0, 3, 2, 2},       {44, 0, 1, 1, 1},
    {47, 0, 0, NONE, NONE}, {60, 0, 2, 0, 0},   {65, 0, 0, 0, 0}, {75, 0, 0, 0, 0},
};

static void versions_reach_from_kafka_3_9s_oldest_to_4_4s_newest(void **state)
{
    (void)state;
    assert_int_equal(sizeof kafkas / sizeof *kafkas, KFK_API_COUNT);
    for (size_t i = 0; i < KFK_API_COUNT; i++) {
        const kfk_api *api = kfk_api_row(i);
        assert_int_equal(api->key, kafkas[i].key);
        assert_int_equal(api->min_version, kafkas[i].min);
        assert_int_equal(api->max_version, kafkas[i].max);
        assert_int_equal(api->flexible_version, kafkas[i].request_header_2);
        const kfk_schema *both[] = {api->request, api->response};
        for (size_t j = 0; j < 2; j++) {
            assert_int_equal(both[j]->versions.min, kafkas[i].min);
            assert_int_equal(both[j]->versions.max, kafkas[i].max);
            assert_int_equal(both[j]->flexible, kafkas[i].request_header_2);
        }
    }
}

static void headers_have_the_versions_that_kafka_gives_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < KFK_API_COUNT; i++) {
        const kfk_api *api = kfk_api_row(i);
        for (int16_t version = api->min_version; version <= api->max_version; version++) {
            assert_int_equal(kfk_api_request_header(api, version), version >= kafkas[i].request_header_2 ? 2 : 1);
            assert_int_equal(kfk_api_response_header(api, version), version >= kafkas[i].response_header_1 ? 1 : 0);
        }
    }
}

static void flexible_versions_have_flexible_headers_but_for_the_response_to_api_versions(void **state)
{
    (void)state;
    const kfk_api *metadata = kfk_api_find(KFK_API_METADATA), *versions = kfk_api_find(KFK_API_API_VERSIONS);
    assert_int_equal(kfk_api_request_header(metadata, 8), 1);
    assert_int_equal(kfk_api_request_header(metadata, 9), 2);
    assert_int_equal(kfk_api_response_header(metadata, 8), 0);
    assert_int_equal(kfk_api_response_header(metadata, 9), 1);
    for (int16_t version = 0; version <= versions->max_version; version++) {
        assert_int_equal(kfk_api_request_header(versions, version), version < 3 ? 1 : 2);
        assert_int_equal(kfk_api_response_header(versions, version), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_found_by_its_key),
        cmocka_unit_test(a_key_that_is_not_in_the_table_is_not_found),
        cmocka_unit_test(versions_reach_from_kafka_3_9s_oldest_to_4_4s_newest),
        cmocka_unit_test(headers_have_the_versions_that_kafka_gives_them),
        cmocka_unit_test(flexible_versions_have_flexible_headers_but_for_the_response_to_api_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
