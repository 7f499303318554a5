#include "support/memcheck.h"

#include "base64.h"
#include <stdlib.h>
#include <string.h>

static void expect_base64(const char *data, const char *standard, const char *url)
{
    kc_buf out = {0};
    kc_base64(data, strlen(data), false, &out);
    assert_int_equal(out.len, strlen(standard));
    assert_memory_equal(out.data, standard, out.len);
    out.len = 0;
    kc_base64(data, strlen(data), true, &out);
    assert_int_equal(out.len, strlen(url));
    assert_memory_equal(out.data, url, out.len);
    free(out.data);
}

static void base64_is_that_of_rfc_4648(void **state)
{
    (void)state;
    expect_base64("f", "Zg==", "Zg");
    expect_base64("fo", "Zm8=", "Zm8");
    expect_base64("foo", "Zm9v", "Zm9v");
    expect_base64("foob", "Zm9vYg==", "Zm9vYg");
    expect_base64("fooba", "Zm9vYmE=", "Zm9vYmE");
    expect_base64("foobar", "Zm9vYmFy", "Zm9vYmFy");
    expect_base64("\xfb\xff\xbf", "+/+/", "-_-_");
    kc_buf none = {0};
    kc_base64("", 0, false, &none);
    assert_int_equal(none.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_that_of_rfc_4648),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
