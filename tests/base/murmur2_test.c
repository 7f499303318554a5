/* The vectors are results of Utils.murmur2 in kafka-clients 4.3.1 on Java 17; where keys go is tested with the
 * balancer. */
#include "support/memcheck.h"

#include "base/murmur2.h"
#include <string.h>

static void the_hash_is_javas(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int32_t hash;
    } vectors[] = {
        {"", 275646681},
        {"a", -1563381124},
        {"ab", 316155434},
        {"abc", 479470107},
        {"abcd", -1323649548},
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"\xc3\xa9\xc3\xbc\xe4\xb8\xad", -446000220},
        {"key-0", 29210041},
        {"key-1", 193331640},
        {"key-2", 852269702},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        assert_int_equal((int32_t)kfk_murmur2(vectors[i].key, strlen(vectors[i].key)), vectors[i].hash);
    assert_int_equal(kfk_murmur2(NULL, 0), kfk_murmur2("", 0));
}

static void bytes_above_127_count_as_in_java_at_every_length(void **state)
{
    (void)state;
    static const int32_t hashes[] = {275646681,   -311467685, -847220837,  354844405,   -1488345827, -1813505863,
                                     -2018754737, 1695022813, -543617013,  -34544289,   750164616,   -1362870943,
                                     1384227369,  806014163,  -1414823257, 1675313078,  -1688619008, -51236702,
                                     1166600314,  -785116249, 860423600,   -1923271949, 582644682,   -457894287};
    for (size_t n = 0; n < sizeof hashes / sizeof hashes[0]; n++) {
        unsigned char key[24];
        for (size_t i = 0; i < n; i++) key[i] = (unsigned char)(0xff - i * 37);
        assert_int_equal((int32_t)kfk_murmur2(key, n), hashes[n]);
    }
}

static void where_the_bytes_lie_does_not_matter(void **state)
{
    (void)state;
    unsigned char room[32];
    for (size_t from = 0; from < 8; from++) {
        memcpy(room + from, "a-little-bit-long-string", 24);
        assert_int_equal((int32_t)kfk_murmur2(room + from, 24), -985981536);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(the_hash_is_javas),
        MEMCHECK_TEST(bytes_above_127_count_as_in_java_at_every_length),
        MEMCHECK_TEST(where_the_bytes_lie_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
