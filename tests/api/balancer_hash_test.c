/* Balancers by key: the partitions of tests/golden/partitions_*.txt, which the clients that they are named for printed,
 * and what becomes of keys that are null or empty. */
#include "api/calls.h"

#include "base/crc32.h"

enum { COUNTS = 8, MOST_PARTITIONS = 1000, MOST_KEY = 64 };
static const size_t counts[COUNTS] = {1, 2, 3, 7, 12, 16, 100, 1000};
static int32_t numbers[MOST_PARTITIONS];

static int number_them(void **state)
{
    for (int32_t i = 0; i < MOST_PARTITIONS; i++) numbers[i] = i;
    return memcheck_setup(state);
}
#define HASH_TEST(function) cmocka_unit_test_setup_teardown(function, number_them, memcheck_teardown)

static int32_t balance(kafka_balancer *b, kafka_bytes key, size_t count)
{
    const kafka_message m = {.topic = "t", .key = key, .value = {"v", 1}};
    return kafka_balancer_balance(b, &m, numbers, count);
}

/* ---- vectors ----------------------------------------------------------------------------------------------------- */

static kafka_bytes parse_key(const char *hex, uint8_t *room)
{
    size_t len = strlen(hex) / 2;
    if (strcmp(hex, "null") == 0) return (kafka_bytes){NULL, 0};
    if (strcmp(hex, "-") == 0) return (kafka_bytes){"", 0};
    assert_in_range(len, 1, MOST_KEY);
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        room[i] = (uint8_t)byte;
    }
    return (kafka_bytes){room, len};
}

/* Compares with all lines of a file that begin with the rule; there are `lines` of them. */
static void expect_golden(kafka_balancer *b, const char *file, const char *rule, int lines)
{
    char path[512], line[512];
    uint8_t room[MOST_KEY];
    snprintf(path, sizeof path, "%s/%s", KAFKA_GOLDEN_DIR, file);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        char *save, *name = strtok_r(line, " \n", &save);
        if (name == NULL || strcmp(name, rule) != 0) continue;
        kafka_bytes key = parse_key(strtok_r(NULL, " \n", &save), room);
        for (size_t i = 0; i < COUNTS; i++)
            assert_int_equal(balance(b, key, counts[i]), atoi(strtok_r(NULL, " \n", &save)));
        lines--;
    }
    fclose(f);
    assert_int_equal(lines, 0);
    kafka_balancer_free(b);
}

static uint32_t crc32_of(const void *data, size_t len)
{
    return kfk_crc32(0, data, len);
}

static void murmur2_is_where_javas_producer_sends_keys(void **state)
{
    (void)state;
    expect_golden(kafka_balancer_murmur2(false), "partitions_java.txt", "murmur2", 120);
    expect_golden(kafka_balancer_murmur2(true), "partitions_java.txt", "murmur2", 120);
    expect_golden(kafka_balancer_sticky(), "partitions_java.txt", "murmur2", 120);
}

static void murmur2_is_librdkafkas_too(void **state)
{
    (void)state;
    expect_golden(kafka_balancer_murmur2(true), "partitions_librdkafka.txt", "murmur2",
                  121); /* a null key is among them */
    expect_golden(kafka_balancer_murmur2(false), "partitions_librdkafka.txt", "murmur2_random", 120);
}

static void crc32_is_where_librdkafka_sends_keys(void **state)
{
    (void)state;
    expect_golden(kafka_balancer_crc32(true), "partitions_librdkafka.txt", "consistent", 121);
    expect_golden(kafka_balancer_crc32(false), "partitions_librdkafka.txt", "consistent_random",
                  117); /* not empty ones */
}

static void hash_is_where_sarama_sends_keys(void **state)
{
    (void)state;
    expect_golden(kafka_balancer_hash(NULL), "partitions_sarama.txt", "hash", 120);
    expect_golden(kafka_balancer_reference_hash(NULL), "partitions_sarama.txt", "reference_hash", 120);
}

static void another_hash_function_is_reduced_as_sarama_does(void **state)
{
    (void)state;
    expect_golden(kafka_balancer_hash(crc32_of), "partitions_sarama.txt", "crc32", 120);
}

static void the_vectors_of_kafka_go_hold(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_hash(NULL), *crc = kafka_balancer_hash(crc32_of);
    assert_int_equal(balance(b, (kafka_bytes){NULL, 0}, 3), 0);
    assert_int_equal(balance(b, KAFKA_LIT("blah"), 2), 0);
    assert_int_equal(balance(b, KAFKA_LIT("blah"), 3), 1);
    assert_int_equal(balance(b, KAFKA_LIT("boop"), 3), 2);
    assert_int_equal(balance(b, KAFKA_LIT(""), 3), 0);
    assert_int_equal(balance(b, KAFKA_LIT(""), 7), 2);
    assert_int_equal(balance(b, KAFKA_LIT("20"), 16), 1); /* kafka-go v0.1.0 said 15 and meant Sarama */
    assert_int_equal(balance(crc, KAFKA_LIT("boop"), 3), 1);
    kafka_balancer_free(b);
    kafka_balancer_free(crc);
}

static uint32_t given;

static uint32_t hash_given(const void *data, size_t len)
{
    (void)data;
    (void)len;
    return given;
}

static void the_smallest_signed_hash_has_a_partition(void **state)
{
    (void)state;
    static const struct {
        uint32_t hash;
        size_t count;
        int32_t signed_rest, low_bits;
    } rows[] = {
        {0x80000000, 3, 2, 0}, /* -2^31 = -3 * 715827882 - 2 */
        {0x80000000, 7, 2, 0}, {0x80000000, 1, 0, 0},  {0x80000001, 7, 1, 1},  {0xffffffff, 7, 1, 1},
        {0x7fffffff, 7, 1, 1}, {0x7fffffff, 10, 7, 7}, {0xffffffff, 10, 1, 7}, {0, 10, 0, 0},
    };
    kafka_balancer *hash = kafka_balancer_hash(hash_given), *reference = kafka_balancer_reference_hash(hash_given);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        given = rows[i].hash;
        assert_int_equal(balance(hash, KAFKA_LIT("k"), rows[i].count), rows[i].signed_rest);
        assert_int_equal(balance(reference, KAFKA_LIT("k"), rows[i].count), rows[i].low_bits);
    }
    kafka_balancer_free(hash);
    kafka_balancer_free(reference);
}

static void an_index_counts_in_the_list_that_was_offered(void **state)
{
    (void)state;
    static const int32_t list[] = {10, 11, 12};
    const kafka_message m = {.key = {"blah", 4}};
    kafka_balancer *b = kafka_balancer_hash(NULL);
    assert_int_equal(kafka_balancer_balance(b, &m, list, 3), 11);
    kafka_balancer_free(b);
}

/* ---- null and empty keys ----------------------------------------------------------------------------------------- */

/* Does the balancer spread messages with this key over 4 partitions at random? If not they have one. */
static bool is_random(kafka_balancer *b, kafka_bytes key)
{
    enum { DRAWS = 4000 };
    int hits[4] = {0};
    for (int i = 0; i < DRAWS; i++) hits[balance(b, key, 4)]++;
    bool even = true, one = false;
    for (int i = 0; i < 4; i++) {
        even = even && hits[i] > DRAWS / 4 - 300 && hits[i] < DRAWS / 4 + 300; /* ten standard deviations */
        one = one || hits[i] == DRAWS;
    }
    assert_true(even != one);
    kafka_balancer_free(b);
    return even;
}

static void null_and_empty_keys_are_as_random_as_in_the_clients(void **state)
{
    (void)state;
    const kafka_bytes null = {NULL, 0}, empty = {"", 0};
    assert_true(is_random(kafka_balancer_murmur2(false), null));
    assert_false(is_random(kafka_balancer_murmur2(false), empty));
    assert_false(is_random(kafka_balancer_murmur2(true), null));
    assert_false(is_random(kafka_balancer_murmur2(true), empty));
    assert_true(is_random(kafka_balancer_crc32(false), null));
    assert_true(is_random(kafka_balancer_crc32(false), empty));
    assert_false(is_random(kafka_balancer_crc32(true), null));
    assert_false(is_random(kafka_balancer_crc32(true), empty));
    assert_true(is_random(kafka_balancer_reference_hash(NULL), null));
    assert_false(is_random(kafka_balancer_reference_hash(NULL), empty));
    assert_false(is_random(kafka_balancer_hash(NULL), empty));
    assert_false(is_random(kafka_balancer_sticky(), empty));
}

static void consistent_ones_hash_a_null_key_as_an_empty_one(void **state)
{
    (void)state;
    kafka_balancer *murmur2 = kafka_balancer_murmur2(true), *crc32 = kafka_balancer_crc32(true);
    for (size_t i = 0; i < COUNTS; i++) {
        kafka_bytes null = {NULL, 0};
        assert_int_equal(balance(murmur2, null, counts[i]), balance(murmur2, KAFKA_LIT(""), counts[i]));
        assert_int_equal(balance(crc32, null, counts[i]), 0);
    }
    kafka_balancer_free(murmur2);
    kafka_balancer_free(crc32);
}

static void null_keys_take_turns_under_hash_and_keys_do_not(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_hash(NULL);
    for (int32_t turn = 0; turn < 20; turn++) {
        assert_int_equal(balance(b, (kafka_bytes){NULL, 0}, 3), turn % 3);
        for (int32_t i = 0; i < turn; i++) balance(b, (kafka_bytes){&i, sizeof i}, 3);
    }
    kafka_balancer_free(b);
}

static void the_partition_of_a_message_does_not_matter_but_to_the_manual_one(void **state)
{
    (void)state;
    kafka_balancer *manual = kafka_balancer_manual(), *hash = kafka_balancer_hash(NULL);
    for (int32_t p = -1; p < 8; p++) {
        const kafka_message m = {.key = {"blah", 4}, .partition = p};
        assert_int_equal(kafka_balancer_balance(hash, &m, numbers, 3), 1);
        assert_int_equal(kafka_balancer_balance(manual, &m, numbers, 3), p); /* offered or not: the writer looks */
    }
    kafka_balancer_free(manual);
    kafka_balancer_free(hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HASH_TEST(murmur2_is_where_javas_producer_sends_keys),
        HASH_TEST(murmur2_is_librdkafkas_too),
        HASH_TEST(crc32_is_where_librdkafka_sends_keys),
        HASH_TEST(hash_is_where_sarama_sends_keys),
        HASH_TEST(another_hash_function_is_reduced_as_sarama_does),
        HASH_TEST(the_vectors_of_kafka_go_hold),
        HASH_TEST(the_smallest_signed_hash_has_a_partition),
        HASH_TEST(an_index_counts_in_the_list_that_was_offered),
        HASH_TEST(null_and_empty_keys_are_as_random_as_in_the_clients),
        HASH_TEST(consistent_ones_hash_a_null_key_as_an_empty_one),
        HASH_TEST(null_keys_take_turns_under_hash_and_keys_do_not),
        HASH_TEST(the_partition_of_a_message_does_not_matter_but_to_the_manual_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
