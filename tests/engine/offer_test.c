/* What a broker offers, as its ApiVersions answer says. */
#include "support/memcheck.h"

#include "engine/offer.h"
#include <string.h>

typedef kfk_api_versions_response_api entry;

static kfk_offer offer;

static int learn(entry *entries, int32_t count, kfk_error *err)
{
    kfk_api_versions_response answer = {.api_keys = {entries, count}};
    return kfk_offer_learn(&offer, &answer, err);
}

static int choose(int16_t key, int16_t min, int16_t max, int16_t *version, kfk_error *err)
{
    return kfk_offer_choose(&offer, "b:1", kfk_api_find(key), min, max, version, err);
}

static void the_highest_common_version_is_chosen(void **state)
{
    (void)state;
    kfk_error err = {0};
    int16_t version = -1;
    entry entries[] = {{KFK_API_FETCH, 4, 11}, {KFK_API_PRODUCE, 3, 13}};
    assert_int_equal(learn(entries, 2, &err), 0);
    assert_int_equal(choose(KFK_API_FETCH, 4, 12, &version, &err), 0);
    assert_int_equal(version, 11);
    assert_int_equal(choose(KFK_API_PRODUCE, 3, 12, &version, &err), 0);
    assert_int_equal(version, 12);
    assert_int_equal(choose(KFK_API_FETCH, 11, 12, &version, &err), 0);
    assert_int_equal(version, 11);
}

static void without_a_common_version_both_ranges_are_named(void **state)
{
    (void)state;
    kfk_error err = {0};
    int16_t version = -1;
    entry entries[] = {{KFK_API_FETCH, 4, 11}};
    assert_int_equal(learn(entries, 1, &err), 0);
    assert_int_equal(choose(KFK_API_FETCH, 12, 12, &version, &err), KAFKA_EVERSION);
    assert_string_equal(err.text, "b:1: the broker speaks Fetch v4 to v11, this client v12 to v12");
    assert_int_equal(choose(KFK_API_FETCH, 0, 3, &version, &err), KAFKA_EVERSION);
    assert_int_equal(choose(KFK_API_METADATA, 1, 13, &version, &err), KAFKA_EVERSION);
    assert_string_equal(err.text, "b:1: the broker has no Metadata request");
    assert_int_equal(version, -1);
}

static void of_two_entries_for_one_api_the_first_counts(void **state)
{
    (void)state;
    kfk_error err = {0};
    int16_t version = -1;
    entry entries[] = {{KFK_API_FETCH, 4, 11}, {KFK_API_FETCH, 0, 2}};
    assert_int_equal(learn(entries, 2, &err), 0);
    assert_int_equal(choose(KFK_API_FETCH, 0, 12, &version, &err), 0);
    assert_int_equal(version, 11);
}

static void impossible_keys_are_passed_over_and_an_empty_range_is_no_offer(void **state)
{
    (void)state;
    kfk_error err = {0};
    int16_t version = -1;
    entry entries[] = {{-1, 0, 5}, {INT16_MIN, 0, 5}, {KFK_OFFER_KEYS, 0, 5}, {INT16_MAX, 0, 5}, {KFK_API_FETCH, 9, 4}};
    assert_int_equal(learn(entries, 5, &err), 0);
    assert_int_equal(choose(KFK_API_FETCH, 0, 12, &version, &err), KAFKA_EVERSION);
}

static void no_entries_and_too_many_of_them_are_refused(void **state)
{
    (void)state;
    kfk_error err = {0};
    static entry many[1025];
    assert_int_equal(learn(NULL, 0, &err), KAFKA_EVERSION);
    assert_int_equal(learn(NULL, -1, &err), KAFKA_EVERSION);
    assert_int_equal(learn(many, 1025, &err), KAFKA_EPROTO);
    assert_int_equal(learn(many, 1024, &err), 0);
}

static void after_a_refusal_the_named_version_is_next_or_else_the_first(void **state)
{
    (void)state;
    entry entries[] = {{KFK_API_FETCH, 0, 1}, {KFK_API_API_VERSIONS, 0, 3}};
    kfk_api_versions_response named = {.api_keys = {entries, 2}}, silent = {.api_keys = {NULL, 0}};
    assert_int_equal(kfk_offer_below(&named, 5), 3);
    assert_int_equal(kfk_offer_below(&named, 3), 0);
    assert_int_equal(kfk_offer_below(&silent, 5), 0);
    entries[1].max_version = -1;
    assert_int_equal(kfk_offer_below(&named, 5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(the_highest_common_version_is_chosen),
        MEMCHECK_TEST(without_a_common_version_both_ranges_are_named),
        MEMCHECK_TEST(of_two_entries_for_one_api_the_first_counts),
        MEMCHECK_TEST(impossible_keys_are_passed_over_and_an_empty_range_is_no_offer),
        MEMCHECK_TEST(no_entries_and_too_many_of_them_are_refused),
        MEMCHECK_TEST(after_a_refusal_the_named_version_is_next_or_else_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
