#include "support/memcheck.h"

#include "position.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void expect(const char *text, kc_from from, int64_t value)
{
    kc_position at = {0};
    kc_why why = {""};
    assert_true(kc_take_position(&at, text, &why));
    assert_int_equal(at.from, from);
    assert_int_equal(at.value, value);
}

static void expect_refusal(const char *text, const char *why_part)
{
    kc_position at = {0};
    kc_why why = {""};
    assert_false(kc_take_position(&at, text, &why));
    assert_non_null(strstr(why.text, why_part));
}

static void words_and_numbers_are_positions(void **state)
{
    (void)state;
    expect("beginning", KC_FROM_BEGINNING, 0);
    expect("earliest", KC_FROM_BEGINNING, 0);
    expect("end", KC_FROM_END, 0);
    expect("latest", KC_FROM_END, 0);
    expect("0", KC_FROM_OFFSET, 0);
    expect("9223372036854775807", KC_FROM_OFFSET, INT64_MAX);
    expect("-1", KC_FROM_BEFORE_END, 1);
    expect("-250", KC_FROM_BEFORE_END, 250);
}

static void times_are_unix_milliseconds_or_iso_8601(void **state)
{
    (void)state;
    expect("@1700000000123", KC_FROM_TIME, 1700000000123);
    expect("s@1700000000123", KC_FROM_TIME, 1700000000123);
    expect("@0", KC_FROM_TIME, 0);
    expect("@2023-11-14T22:13:20Z", KC_FROM_TIME, 1700000000000);
    expect("2023-11-14T22:13:20Z", KC_FROM_TIME, 1700000000000);
    expect("@2023-11-14T22:13:20.123Z", KC_FROM_TIME, 1700000000123);
    expect("@2023-11-14T22:13:20,5Z", KC_FROM_TIME, 1700000000500);
    expect("@2023-11-14T22:13:20.123999Z", KC_FROM_TIME, 1700000000123);
    expect("@2023-11-14 22:13Z", KC_FROM_TIME, 1699999980000);
    expect("@2023-11-15T00:13:20+02:00", KC_FROM_TIME, 1700000000000);
    expect("@2023-11-14T17:43:20-0430", KC_FROM_TIME, 1700000000000);
    expect("@2023-11-14T23:13:20+01", KC_FROM_TIME, 1700000000000);
    expect("@2024-02-29T00:00Z", KC_FROM_TIME, 1709164800000);
    expect("@1970-01-01Z", KC_FROM_TIME, 0);
}

static void times_without_a_zone_are_local(void **state)
{
    (void)state;
    setenv("TZ", "EST5EDT,M3.2.0,M11.1.0", 1);
    tzset();
    expect("@2024-01-15T12:00:00", KC_FROM_TIME, 1705338000000); /* winter: 17:00 UTC */
    expect("@2024-07-15T12:00:00", KC_FROM_TIME, 1721059200000); /* summer: 16:00 UTC */
    expect("@2024-07-15", KC_FROM_TIME, 1721016000000);
    setenv("TZ", "UTC", 1);
    tzset();
    expect("@2024-07-15", KC_FROM_TIME, 1721001600000);
}

static void what_is_no_position_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "-0",
                                        "-",
                                        "1x",
                                        "+5",
                                        "@",
                                        "@-5",
                                        "@x",
                                        "1e3",
                                        "99999999999999999999",
                                        "2023-13-01",
                                        "2023-04-31Z",
                                        "2023-02-29Z",
                                        "2023-11-14T25:00Z",
                                        "2023-11-14T22:13:20.Z",
                                        "2023-11-14T22Z",
                                        "2023-11-14T22:13:20+",
                                        "2023-11-14T22:13:20Zx"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) expect_refusal(wrong[i], "is no position");
    expect_refusal("begining", "did you mean beginning?");
    expect_refusal("edn", "did you mean end?");
    expect_refusal("stored", "consumer group");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_numbers_are_positions),
        cmocka_unit_test(times_are_unix_milliseconds_or_iso_8601),
        cmocka_unit_test(times_without_a_zone_are_local),
        cmocka_unit_test(what_is_no_position_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
