/* The vectors are results of Utils.murmur2 and of toPositive(murmur2(key)) % count in kafka-clients 4.3.1 on Java 17. */
#include "support/memcheck.h"

#include "murmur2.h"
#include <string.h>

static void the_hash_is_javas(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int32_t hash, of_3, of_12;
    } vectors[] = {
        {"", 275646681, 0, 9},
        {"a", -1563381124, 1, 4},
        {"ab", 316155434, 2, 2},
        {"abc", 479470107, 0, 3},
        {"abcd", -1323649548, 2, 8},
        {"21", -973932308, 0, 0},
        {"foobar", -790332482, 0, 6},
        {"a-little-bit-long-string", -985981536, 2, 8},
        {"a-little-bit-longer-string", -1486304829, 2, 11},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 2, 5},
        {"\xc3\xa9\xc3\xbc\xe4\xb8\xad", -446000220, 2, 8},
        {"key-0", 29210041, 1, 1},
        {"key-1", 193331640, 0, 0},
        {"key-2", 852269702, 2, 2},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const char *key = vectors[i].key;
        assert_int_equal((int32_t)kc_murmur2(key, strlen(key)), vectors[i].hash);
        assert_int_equal(kc_murmur2_partition(key, strlen(key), 3), vectors[i].of_3);
        assert_int_equal(kc_murmur2_partition(key, strlen(key), 12), vectors[i].of_12);
    }
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
        assert_int_equal((int32_t)kc_murmur2(key, n), hashes[n]);
    }
}

static void there_is_always_a_partition(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10000; i++) {
        int32_t p = kc_murmur2_partition(&i, sizeof i, 7);
        assert_in_range(p, 0, 6);
        assert_int_equal(kc_murmur2_partition(&i, sizeof i, 1), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_javas),
        cmocka_unit_test(bytes_above_127_count_as_in_java_at_every_length),
        cmocka_unit_test(there_is_always_a_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
