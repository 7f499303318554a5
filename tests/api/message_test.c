/* message_test.c: a copied message is equal to its original in everything, owns all of it, and is one allocation. */
#include "support/memcheck.h"

#include "api/message.h"
#include "kafka/kafka.h"
#include <string.h>

static void assert_bytes_equal(kafka_bytes a, kafka_bytes b)
{
    assert_int_equal(a.data == NULL, b.data == NULL);
    assert_int_equal(a.len, b.len);
    if (a.len > 0) assert_memory_equal(a.data, b.data, a.len);
}

static void assert_own_bytes(kafka_bytes copy, kafka_bytes from)
{
    assert_bytes_equal(copy, from);
    if (copy.data != NULL) assert_ptr_not_equal(copy.data, from.data);
}

static void everything_is_copied_in_one_allocation(void **state)
{
    (void)state;
    int tag;
    const kafka_header headers[] = {
        {"plain", KAFKA_LIT("value")}, {"null", {NULL, 0}}, {"empty", KAFKA_LIT("")}, {"", KAFKA_LIT("no name\0x")}};
    const kafka_message from = {.topic = "orders",
                                .offset = 42,
                                .high_watermark = 43,
                                .time_ms = 1700000000123,
                                .key = KAFKA_LIT("k\0y"),
                                .value = KAFKA_LIT("v"),
                                .headers = headers,
                                .header_count = 4,
                                .userdata = &tag,
                                .assignment = 7,
                                .partition = 3,
                                .compression = KAFKA_COMPRESSION_LZ4,
                                .written = KAFKA_WRITTEN_MAYBE,
                                .leader_epoch = 5,
                                .time_type = 1};
    kafka_message *m = NULL;
    assert_int_equal(kafka_message_dup(&from, &m), 0);
    assert_int_equal(memcheck_blocks(), 1);
    assert_string_equal(m->topic, "orders");
    assert_ptr_not_equal(m->topic, from.topic);
    assert_own_bytes(m->key, from.key);
    assert_own_bytes(m->value, from.value);
    assert_int_equal(m->header_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(m->headers[i].key, headers[i].key);
        assert_own_bytes(m->headers[i].value, headers[i].value);
    }
    kafka_message plain = *m;
    plain.topic = from.topic, plain.key = from.key, plain.value = from.value, plain.headers = from.headers;
    assert_memory_equal(&plain, &from, sizeof from); /* the other fields; the struct has no padding */
    kafka_message_free(m);
}

static void null_and_empty_stay_different(void **state)
{
    (void)state;
    static const kafka_bytes kinds[] = {{NULL, 0}, {"", 0}, {"x", 1}};
    for (size_t k = 0; k < 3; k++)
        for (size_t v = 0; v < 3; v++) {
            kafka_message *m = NULL, from = {.key = kinds[k], .value = kinds[v]};
            assert_int_equal(kafka_message_dup(&from, &m), 0);
            assert_bytes_equal(m->key, from.key);
            assert_bytes_equal(m->value, from.value);
            assert_null(m->topic);
            assert_null(m->headers);
            kafka_message_free(m);
        }
}

static void a_copy_of_a_copy_needs_no_original(void **state)
{
    (void)state;
    char value[] = "first";
    kafka_header header = {"h", {value, 5}};
    kafka_message from = {.value = {value, 5}, .headers = &header, .header_count = 1}, *one = NULL, *two = NULL;
    assert_int_equal(kafka_message_dup(&from, &one), 0);
    memset(value, 'x', sizeof value);
    assert_int_equal(kafka_message_dup(one, &two), 0);
    kafka_message_free(one);
    assert_memory_equal(two->value.data, "first", 5);
    assert_memory_equal(two->headers[0].value.data, "first", 5);
    kafka_message_free(two);
}

static void freeing_a_message_drops_its_block(void **state)
{
    (void)state;
    kafka_message *one = NULL, *two = NULL;
    kfk_block *block = kfk_block_new(16);
    assert_int_equal(kfk_message_new_copy(&(kafka_message){.topic = "t"}, &one), 0);
    assert_int_equal(kfk_message_new_copy(&(kafka_message){.topic = "t"}, &two), 0);
    ((kfk_owned_message *)one)->block = block;
    ((kfk_owned_message *)two)->block = kfk_block_hold(block);
    kafka_message_free(one);
    memset(block->data, 1, 16); /* still held by the other */
    kafka_message_free(two);
}

static void a_malformed_message_is_refused_with_a_sentence(void **state)
{
    (void)state;
    static const kafka_header no_key = {NULL, {NULL, 0}}, no_data = {"h", {NULL, 1}};
    const struct {
        kafka_message m;
        const char *says;
    } cases[] = {
        {{.key = {NULL, 1}}, "key has a length of 1"},
        {{.value = {NULL, 9}}, "value has a length of 9"},
        {{.header_count = 2}, "header_count is 2"},
        {{.headers = &no_key, .header_count = 1}, "header 0 has no key"},
        {{.headers = &no_data, .header_count = 1}, "a header's value has a length of 1"},
        {{.reserved = 1}, "reserved"},
        {{.reserved2 = 1}, "reserved"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kafka_message *m = NULL;
        assert_int_equal(kafka_message_dup(&cases[i].m, &m), KAFKA_EINVAL);
        assert_non_null(strstr(kafka_last_error(), cases[i].says));
        assert_null(m);
    }
    kafka_message *m = NULL;
    assert_int_equal(kafka_message_dup(NULL, &m), KAFKA_EINVAL);
    assert_int_equal(kafka_message_dup(&cases[0].m, NULL), KAFKA_EINVAL);
}

static void an_impossible_length_is_out_of_memory(void **state)
{
    (void)state;
    kafka_message *m = NULL, from = {.key = {"x", SIZE_MAX - 200}, .value = {"x", SIZE_MAX - 200}};
    assert_int_equal(kafka_message_dup(&from, &m), KAFKA_ENOMEM);
    from = (kafka_message){.key = {"x", SIZE_MAX}};
    assert_int_equal(kafka_message_dup(&from, &m), KAFKA_ENOMEM);
    assert_null(m);
    assert_int_equal(memcheck_calls(), 0);
}

static void without_memory_out_is_left_alone(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kafka_message *m = NULL, from = {.topic = "t", .value = KAFKA_LIT("v")};
        int err = kafka_message_dup(&from, &m);
        assert_int_equal(err, memcheck_failed() ? KAFKA_ENOMEM : 0);
        assert_int_equal(m == NULL, err != 0);
        kafka_message_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(everything_is_copied_in_one_allocation),
        MEMCHECK_TEST(null_and_empty_stay_different),
        MEMCHECK_TEST(a_copy_of_a_copy_needs_no_original),
        MEMCHECK_TEST(freeing_a_message_drops_its_block),
        MEMCHECK_TEST(a_malformed_message_is_refused_with_a_sentence),
        MEMCHECK_TEST(an_impossible_length_is_out_of_memory),
        MEMCHECK_TEST(without_memory_out_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
