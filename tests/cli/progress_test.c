#include "support/memcheck.h"

#include "progress.h"

static void counts_have_separators(void **state)
{
    (void)state;
    char text[32];
    assert_string_equal(kc_count_text(0, text), "0");
    assert_string_equal(kc_count_text(999, text), "999");
    assert_string_equal(kc_count_text(1000, text), "1,000");
    assert_string_equal(kc_count_text(1234567, text), "1,234,567");
    assert_string_equal(kc_count_text(UINT64_MAX, text), "18,446,744,073,709,551,615");
}

static void sizes_have_units(void **state)
{
    (void)state;
    char text[32];
    assert_string_equal(kc_bytes_text(0, text), "0 bytes");
    assert_string_equal(kc_bytes_text(999, text), "999 bytes");
    assert_string_equal(kc_bytes_text(1234567, text), "1.2 MB");
    assert_string_equal(kc_bytes_text(999999, text), "1.0 MB");
    assert_string_equal(kc_bytes_text(UINT64_MAX, text), "18446.7 PB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_have_separators),
        cmocka_unit_test(sizes_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
