/* --partitioner: names lead to the balancers that they promise. */
#include "support/memcheck.h"

#include "partitioner.h"
#include <string.h>

static const int32_t twelve[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

/* Where the partitioner of that name sends a key, of 12. */
static int32_t of(const char *name, kafka_bytes key)
{
    const kc_partitioner *p = NULL;
    kc_why why;
    const kafka_message m = {.topic = "t", .key = key};
    assert_true(kc_take_partitioner(&p, name, &why));
    assert_string_equal(p->name, name);
    kafka_balancer *b = p->make();
    assert_non_null(b);
    int32_t partition = kafka_balancer_balance(b, &m, twelve, 12);
    kafka_balancer_free(b);
    return partition;
}

static void names_lead_to_what_they_promise(void **state)
{
    (void)state;
    const kafka_bytes key = {"20", 2}, null = {NULL, 0}, empty = {"", 0};
    const int32_t murmur2 = of("murmur2", key), crc32 = of("consistent", key);
    assert_int_equal(of("sticky", key), murmur2);
    assert_int_equal(of("murmur2_random", key), murmur2);
    assert_int_equal(of("consistent_random", key), crc32);
    assert_int_equal(of("murmur2", null), of("murmur2", empty));
    assert_int_equal(of("consistent", null), 0);
    assert_int_equal(of("hash", key), 1);           /* 0x8df2997f is -1913480833 */
    assert_int_equal(of("reference_hash", key), 7); /* and 234002815 without its highest bit */
    assert_int_equal(of("round_robin", key), 0);
    assert_int_equal(of("least_bytes", key), 0);
    assert_string_equal(kc_partitioner_default.name, "sticky");
}

static void another_name_is_refused_with_the_nearest(void **state)
{
    (void)state;
    const kc_partitioner *p = NULL;
    kc_why why;
    assert_false(kc_take_partitioner(&p, "murmur", &why));
    assert_non_null(strstr(why.text, "did you mean murmur2?"));
    assert_false(kc_take_partitioner(&p, "whatever it takes", &why));
    assert_non_null(strstr(why.text, "--help"));
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_lead_to_what_they_promise),
        cmocka_unit_test(another_name_is_refused_with_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
