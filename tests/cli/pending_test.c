#include "support/memcheck.h"

#include "pending.h"
#include <string.h>

static void fill(kc_pending *p, const kafka_message *m)
{
    size_t size = kc_pending_size(m);
    while (kc_pending_fits(p, size)) kc_pending_add(p, m, size);
}

static void a_size_is_the_records_of_the_format(void **state)
{
    (void)state;
    static const kafka_header header = {"name", {"value", 5}};
    /* length, attributes, time and offset deltas (1 + 1 + 3), key length -1, value length 0, no headers */
    kafka_message m = {.value = {"", 0}};
    assert_int_equal(kc_pending_size(&m), 1 + 5 + 1 + 1 + 1);
    m.value = (kafka_bytes){NULL, 0};
    assert_int_equal(kc_pending_size(&m), 1 + 5 + 1 + 1 + 1);
    m.key = (kafka_bytes){"k", 1};
    m.value = (kafka_bytes){memset((char[100]){0}, 'v', 100), 100}; /* lengths from 64 on take two bytes */
    assert_int_equal(kc_pending_size(&m), 2 + 5 + 2 + 102 + 1);
    m.headers = &header;
    m.header_count = 1;
    assert_int_equal(kc_pending_size(&m), 2 + 5 + 2 + 102 + 1 + (1 + 4) + (1 + 5));
}

static void a_batch_is_full_below_one_mebibyte(void **state)
{
    (void)state;
    static char value[1000];
    kc_pending p = {0};
    kafka_message m = {.value = {value, sizeof value}};
    fill(&p, &m);
    assert_true(p.encoded <= KC_BATCH_BYTES);
    assert_true(p.encoded + kc_pending_size(&m) > KC_BATCH_BYTES);
    assert_int_equal(p.used, p.count * sizeof value);
    kc_pending_clear(&p);
    assert_int_equal(p.count, 0);
    kc_pending_free(&p);
}

static void keys_and_values_are_copied_nulls_stay_null(void **state)
{
    (void)state;
    char key[] = "key", value[] = "value";
    kc_pending p = {0};
    kafka_message m = {.key = {key, 3}, .value = {value, 5}}, none = {.value = {NULL, 0}}, empty = {.value = {"", 0}};
    kc_pending_add(&p, &m, kc_pending_size(&m));
    kc_pending_add(&p, &none, kc_pending_size(&none));
    kc_pending_add(&p, &empty, kc_pending_size(&empty));
    memset(key, 'x', 3);
    memset(value, 'x', 5);
    assert_memory_equal(p.messages[0].key.data, "key", 3);
    assert_memory_equal(p.messages[0].value.data, "value", 5);
    assert_null(p.messages[1].key.data);
    assert_null(p.messages[1].value.data);
    assert_non_null(p.messages[2].value.data);
    assert_int_equal(p.messages[2].value.len, 0);
    kc_pending_free(&p);
}

static void many_tiny_messages_keep_their_places(void **state)
{
    (void)state;
    kc_pending p = {0};
    kafka_message m = {.value = {"x", 1}};
    fill(&p, &m);
    assert_true(p.count > 10000);
    for (size_t i = 0; i < p.count; i++) assert_ptr_equal(p.messages[i].value.data, p.bytes + i);
    kc_pending_free(&p);
}

static void a_message_too_large_for_any_batch_does_not_fit_an_empty_one(void **state)
{
    (void)state;
    static char value[KC_BATCH_BYTES];
    kc_pending p = {0};
    kafka_message m = {.value = {value, sizeof value - 61}};
    assert_false(kc_pending_fits(&p, kc_pending_size(&m)));
    m.value.len = sizeof value - 61 - 20;
    assert_true(kc_pending_fits(&p, kc_pending_size(&m)));
    kc_pending_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_is_the_records_of_the_format),
        cmocka_unit_test(a_batch_is_full_below_one_mebibyte),
        cmocka_unit_test(keys_and_values_are_copied_nulls_stay_null),
        cmocka_unit_test(many_tiny_messages_keep_their_places),
        cmocka_unit_test(a_message_too_large_for_any_batch_does_not_fit_an_empty_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
