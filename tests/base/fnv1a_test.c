/* The vectors are those of the algorithm's authors, and two of kafka-go's tests. */
#include "support/memcheck.h"

#include "base/fnv1a.h"
#include <string.h>

static void the_hash_is_that_of_its_authors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t hash;
    } vectors[] = {
        {"", 0x811c9dc5},       {"a", 0xe40c292c},    {"b", 0xe70c2de5},
        {"foobar", 0xbf9cf968}, {"blah", 0x7dca5122}, {"boop", 0xcc949b89},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        assert_int_equal(kfk_fnv1a(vectors[i].text, strlen(vectors[i].text)), vectors[i].hash);
    assert_int_equal(kfk_fnv1a(NULL, 0), 0x811c9dc5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {MEMCHECK_TEST(the_hash_is_that_of_its_authors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
