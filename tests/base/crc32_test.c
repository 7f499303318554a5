#include "support/memcheck.h"

#include "base/crc32.h"
#include <string.h>

/* A bit at a time, from the definition. */
static uint32_t slowly(uint32_t crc, const uint8_t *p, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void the_check_value_of_the_algorithm_comes_out(void **state)
{
    (void)state;
    assert_int_equal(kfk_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(kfk_crc32(0, "", 0), 0);
    assert_int_equal(kfk_crc32(0, "a", 1), 0xe8b7be43);
}

static void every_length_and_alignment_gives_what_the_definition_says(void **state)
{
    (void)state;
    uint8_t bytes[96];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t from = 0; from < 8; from++) {
        for (size_t len = 0; from + len <= sizeof bytes; len++)
            assert_int_equal(kfk_crc32(0, bytes + from, len), slowly(0, bytes + from, len));
    }
}

static void parts_give_the_same_as_the_whole(void **state)
{
    (void)state;
    static const char text[] = "parts of a message, one behind the other";
    uint32_t whole = kfk_crc32(0, text, sizeof text);
    for (size_t cut = 0; cut <= sizeof text; cut++)
        assert_int_equal(kfk_crc32(kfk_crc32(0, text, cut), text + cut, sizeof text - cut), whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(the_check_value_of_the_algorithm_comes_out),
        MEMCHECK_TEST(every_length_and_alignment_gives_what_the_definition_says),
        MEMCHECK_TEST(parts_give_the_same_as_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
