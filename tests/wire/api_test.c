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
    assert_null(kfk_api_find(21));
    assert_null(kfk_api_find(INT16_MAX));
    assert_string_equal(kfk_api_find(KFK_API_METADATA)->name, "Metadata");
}

static void versions_reach_from_kafka_3_9s_oldest_to_4_4s_newest(void **state)
{
    (void)state;
    static const struct {
        int16_t key, min, max, flexible;
    } rows[] = {{0, 0, 13, 9}, {1, 0, 18, 12}, {2, 0, 11, 6}, {3, 0, 13, 9},
                {18, 0, 5, 3}, {19, 0, 7, 5},  {20, 0, 6, 4}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const kfk_api *api = kfk_api_find(rows[i].key);
        assert_non_null(api);
        assert_int_equal(api->min_version, rows[i].min);
        assert_int_equal(api->max_version, rows[i].max);
        assert_int_equal(api->flexible_version, rows[i].flexible);
        assert_int_equal(api->request->versions.max, rows[i].max);
        assert_int_equal(api->response->versions.max, rows[i].max);
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
        cmocka_unit_test(flexible_versions_have_flexible_headers_but_for_the_response_to_api_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
