/* thread_test.c: what each thread keeps for itself, and what a callback leaves behind. */
#include "support/memcheck.h"

#include "base/thread.h"
#include <pthread.h>
#include <string.h>

static void a_failure_is_published_to_the_thread(void **state)
{
    (void)state;
    kfk_error e = {.code = 0};
    kfk_error_set(&e, 3, "no such topic");
    assert_int_equal(kfk_thread_fail(&e), 3);
    assert_string_equal(kfk_thread_self()->last.text, "no such topic");
    assert_int_equal(kfk_thread_self()->last.code, 3);
    assert_int_equal(kfk_thread_failf(KAFKA_EINVAL, "%s is %d", "count", -5), KAFKA_EINVAL);
    assert_string_equal(kfk_thread_self()->last.text, "count is -5");
}

static void *fail_elsewhere(void *arg)
{
    kfk_thread *self = kfk_thread_self();
    int fresh = self->last.text[0] == 0 && self->last.code == 0 && self->callback_depth == 0 && self->last_written == 0;
    kfk_thread_failf(KAFKA_EIO, "elsewhere");
    *(int *)arg = fresh && strcmp(kfk_thread_self()->last.text, "elsewhere") == 0;
    return NULL;
}

static void threads_do_not_see_each_others_failures(void **state)
{
    (void)state;
    int ok = 0;
    pthread_t t;
    kfk_thread_failf(KAFKA_EINVAL, "here");
    assert_int_equal(pthread_create(&t, NULL, fail_elsewhere, &ok), 0);
    pthread_join(t, NULL);
    assert_int_equal(ok, 1);
    assert_string_equal(kfk_thread_self()->last.text, "here");
}

static void a_callback_sees_its_own_failure_and_leaves_none(void **state)
{
    (void)state;
    kfk_thread saved;
    kfk_error e = {.code = 0};
    kfk_error_set(&e, 7, "the broker was too slow");
    kfk_thread_failf(KAFKA_EINVAL, "before");
    kfk_thread_self()->last_written = KAFKA_WRITTEN_MAYBE;

    kfk_thread_callback_begin(&saved, &e);
    assert_int_equal(kfk_thread_self()->callback_depth, 1);
    assert_string_equal(kfk_thread_self()->last.text, "the broker was too slow");
    kfk_thread_failf(KAFKA_EAGAIN, "inside");
    kfk_thread_self()->last_written = KAFKA_WRITTEN_NO;
    kfk_thread_callback_end(&saved);

    assert_int_equal(kfk_thread_self()->callback_depth, 0);
    assert_string_equal(kfk_thread_self()->last.text, "before");
    assert_int_equal(kfk_thread_self()->last.code, KAFKA_EINVAL);
    assert_int_equal(kfk_thread_self()->last_written, KAFKA_WRITTEN_MAYBE);
}

static void callbacks_nest(void **state)
{
    (void)state;
    kfk_thread outer, inner;
    kfk_thread_failf(KAFKA_EINVAL, "before");
    kfk_thread_callback_begin(&outer, NULL);
    assert_string_equal(kfk_thread_self()->last.text, "before");
    kfk_thread_failf(KAFKA_EAGAIN, "outer");
    kfk_thread_callback_begin(&inner, NULL);
    assert_int_equal(kfk_thread_self()->callback_depth, 2);
    kfk_thread_failf(KAFKA_EIO, "inner");
    kfk_thread_callback_end(&inner);
    assert_string_equal(kfk_thread_self()->last.text, "outer");
    assert_int_equal(kfk_thread_self()->callback_depth, 1);
    kfk_thread_callback_end(&outer);
    assert_string_equal(kfk_thread_self()->last.text, "before");
}

static kfk_thread fiber;

static kfk_thread *the_fibers(void)
{
    return &fiber;
}

static void the_state_can_come_from_elsewhere(void **state)
{
    (void)state;
    kfk_thread_failf(KAFKA_EINVAL, "the thread's");
    kfk_thread_set_source(the_fibers);
    kfk_thread_failf(KAFKA_EIO, "the fiber's");
    assert_ptr_equal(kfk_thread_self(), &fiber);
    kfk_thread_set_source(NULL);
    assert_string_equal(kfk_thread_self()->last.text, "the thread's");
    assert_string_equal(fiber.last.text, "the fiber's");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_failure_is_published_to_the_thread),
        MEMCHECK_TEST(threads_do_not_see_each_others_failures),
        MEMCHECK_TEST(a_callback_sees_its_own_failure_and_leaves_none),
        MEMCHECK_TEST(callbacks_nest),
        MEMCHECK_TEST(the_state_can_come_from_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
