/* ctx_test.c: cancel tokens as a program uses them. */
#include "support/memcheck.h"

#include "base/cancel.h"
#include "kafka/kafka.h"
#include <string.h>

static void a_token_is_made_fired_and_freed(void **state)
{
    (void)state;
    kafka_cancel *c = NULL;
    assert_int_equal(kafka_cancel_new(&c), 0);
    assert_false(kfk_cancel_fired(c));
    kafka_cancel_fire(c);
    kafka_cancel_fire(c);
    assert_true(kfk_cancel_fired(c));
    kafka_cancel_free(c);
}

static void a_token_outlives_its_creator_while_a_call_uses_it(void **state)
{
    (void)state;
    kafka_cancel *c = NULL;
    assert_int_equal(kafka_cancel_new(&c), 0);
    kfk_cancel *held = kfk_cancel_hold(c);
    kafka_cancel_fire(c);
    kafka_cancel_free(c);
    assert_true(kfk_cancel_fired(held));
    kfk_cancel_drop(held);
}

static void null_tokens_are_fine_where_there_is_nothing_to_do(void **state)
{
    (void)state;
    kafka_cancel_fire(NULL);
    kafka_cancel_free(NULL);
    assert_int_equal(kafka_cancel_new(NULL), KAFKA_EINVAL);
}

static void without_memory_out_is_left_alone(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kafka_cancel *c = NULL;
        int err = kafka_cancel_new(&c);
        assert_int_equal(err, memcheck_failed() ? KAFKA_ENOMEM : 0);
        assert_int_equal(c == NULL, err != 0);
        if (err != 0) assert_non_null(strstr(kafka_last_error(), "kafka_cancel_new"));
        kafka_cancel_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_token_is_made_fired_and_freed),
        MEMCHECK_TEST(a_token_outlives_its_creator_while_a_call_uses_it),
        MEMCHECK_TEST(null_tokens_are_fine_where_there_is_nothing_to_do),
        MEMCHECK_TEST(without_memory_out_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
