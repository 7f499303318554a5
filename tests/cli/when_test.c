#include "support/memcheck.h"

#include "when.h"
#include <string.h>

static const int64_t now = 1700000000123;

static void expect(const char *text, int64_t value)
{
    int64_t at = -7;
    assert_true(kc_when_read(text, now, &at));
    assert_int_equal(at, value);
}

static void expect_refusal(const char *text)
{
    int64_t at = -7;
    assert_false(kc_when_read(text, now, &at));
    assert_int_equal(at, -7);
}

static void spans_count_back_from_now(void **state)
{
    (void)state;
    const int64_t hour = INT64_C(3600) * 1000;
    expect("now", now);
    expect("0s ago", now);
    expect("1h ago", now - hour);
    expect("1 hour ago", now - hour);
    expect("2 days ago", now - 48 * hour);
    expect("1h30m ago", now - hour - hour / 2);
    expect("1 h  30 minutes  ago", now - hour - hour / 2);
    expect("1w ago", now - 7 * 24 * hour);
    expect("250ms ago", now - 250);
    expect("90sec ago", now - 90000);
}

static void a_span_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",        "ago",      "h ago",       "1 ago", "1h",        "1h agony",  "1h ago ",
        "-1h ago", "1.5h ago", "1 month ago", "1hago", "1h ago 5m", "yesterday", "9999999999999s ago"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) expect_refusal(texts[i]);
}

static void a_span_that_reaches_behind_1970_is_refused(void **state)
{
    (void)state;
    expect("2810w ago", now - INT64_C(2810) * 7 * 24 * 3600 * 1000);
    expect_refusal("2811w ago");
    expect_refusal("999999999999w ago");
    expect_refusal("2810w 2810w ago");
}

static void dates_are_read_beside_spans(void **state)
{
    (void)state;
    expect("2023-11-14T22:13:20Z", 1700000000000);
    expect("2023-11-14T22:13:20.123+00:00", 1700000000123);
    expect_refusal("2023-02-29");
    expect_refusal("2023-11-14T25:00Z");
    expect("1970-01-01T00:00:00Z", 0);
    expect_refusal("1969-12-31T23:59:59.999Z"); /* -1 */
    expect_refusal("1970-01-01T00:30:00+01:00");
}

static void the_value_of_an_option_may_also_be_unix_milliseconds(void **state)
{
    (void)state;
    int64_t at = -7;
    kc_why why = {""};
    assert_true(kc_take_time(&at, "1700000000123", &why));
    assert_int_equal(at, 1700000000123);
    assert_true(kc_take_time(&at, "@0", &why));
    assert_int_equal(at, 0);
    int64_t begin = kc_when_now_ms();
    assert_true(kc_take_time(&at, "@1h ago", &why));
    assert_in_range(at, begin - 3600000, kc_when_now_ms() - 3600000);
    assert_false(kc_take_time(&at, "-5", &why));
    assert_non_null(strstr(why.text, "is no time; one is 2024-05-01T12:30:00Z"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_count_back_from_now),
        cmocka_unit_test(a_span_that_is_none_is_refused),
        cmocka_unit_test(a_span_that_reaches_behind_1970_is_refused),
        cmocka_unit_test(dates_are_read_beside_spans),
        cmocka_unit_test(the_value_of_an_option_may_also_be_unix_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
