/* error_test.c: what a program sees of error codes and failures. */
#include "support/memcheck.h"

#include "base/error.h"
#include "base/thread.h"
#include "kafka/kafka.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void every_code_has_name_title_description_and_text(void **state)
{
    (void)state;
    for (size_t i = 0; kfk_error_row(i) != NULL; i++) {
        int code = kfk_error_row(i)->code;
        assert_string_equal(kafka_err_name(code), kfk_error_row(i)->name);
        assert_string_not_equal(kafka_err_title(code), "");
        assert_string_not_equal(kafka_err_description(code), "");
        assert_non_null(strstr(kafka_strerror(code), kafka_err_title(code)));
        assert_non_null(strstr(kafka_strerror(code), kafka_err_description(code)));
    }
}

static void a_text_is_code_title_and_description(void **state)
{
    (void)state;
    assert_string_equal(kafka_err_name(KAFKA_ERR_OFFSET_OUT_OF_RANGE), "OFFSET_OUT_OF_RANGE");
    assert_string_equal(kafka_err_title(1), "Offset Out Of Range");
    assert_true(strncmp(kafka_strerror(1), "[1] Offset Out Of Range: ", 25) == 0);
    assert_true(strncmp(kafka_strerror(-1), "[-1] Unknown: ", 14) == 0);
    assert_string_equal(kafka_err_name(KAFKA_ETIMEDOUT), "ETIMEDOUT");
    assert_true(strncmp(kafka_strerror(KAFKA_ETIMEDOUT), "[-105] Timed Out: ", 18) == 0);
    assert_string_equal(kafka_err_name(KAFKA_OK), "OK");
}

static void an_unknown_code_has_no_title_and_a_text_with_its_number(void **state)
{
    (void)state;
    static const int unknown[] = {-2, 137, -99, -125, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "[%d] unknown error", unknown[i]);
        assert_string_equal(kafka_err_name(unknown[i]), "UNKNOWN_CODE");
        assert_string_equal(kafka_err_title(unknown[i]), "");
        assert_string_equal(kafka_err_description(unknown[i]), "");
        assert_string_equal(kafka_strerror(unknown[i]), text);
        assert_false(kafka_err_is_temporary(unknown[i]));
        assert_false(kafka_err_is_timeout(unknown[i]));
    }
    assert_ptr_equal(kafka_strerror(-2), kafka_strerror(-2));
}

static void temporary_and_timeout_are_two_questions(void **state)
{
    (void)state;
    static const int temporary[] = {2,  3,  5,  6,  7,  8,  9,  13, 14, 15, 16, 19,  20,  41,
                                    51, 56, 70, 71, 72, 74, 75, 78, 80, 83, 84, 100, 103, 106};
    for (size_t i = 0; i < sizeof temporary / sizeof temporary[0]; i++)
        assert_true(kafka_err_is_temporary(temporary[i]));
    static const int final[] = {0, -1, 1, 10, 22, 25, 27, 35, 36, 45, 47, 58, 85, 86, KAFKA_EINVAL, KAFKA_ECANCELED};
    for (size_t i = 0; i < sizeof final / sizeof final[0]; i++) assert_false(kafka_err_is_temporary(final[i]));
    assert_true(kafka_err_is_timeout(KAFKA_ERR_REQUEST_TIMED_OUT));
    assert_true(kafka_err_is_timeout(KAFKA_ETIMEDOUT));
    assert_false(kafka_err_is_timeout(KAFKA_EAGAIN));
}

enum { THREADS = 4, CODES = 2000 };

/* Asks for the texts of many unknown codes; each must be right now and still be right at the end. */
static void *ask_for_many(void *arg)
{
    static _Thread_local const char *texts[CODES];
    char want[64];
    long wrong = 0;
    for (int i = 0; i < CODES; i++) texts[i] = kafka_strerror(1000 + i);
    for (int i = 0; i < CODES; i++) {
        snprintf(want, sizeof want, "[%d] unknown error", 1000 + i);
        wrong += strcmp(texts[i], want) != 0 && strcmp(texts[i], "unknown error") != 0;
    }
    *(long *)arg = wrong;
    return NULL;
}

static void texts_of_unknown_codes_never_change_in_any_thread(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    long wrong[THREADS];
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, ask_for_many, &wrong[i]), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) assert_int_equal(wrong[i], 0);
    assert_string_equal(kafka_strerror(-2), "[-2] unknown error"); /* the first ones keep their number */
    assert_string_equal(kafka_strerror(999999), "unknown error");
}

static void the_last_error_is_never_null_and_outlives_successes(void **state)
{
    (void)state;
    kafka_cancel *c;
    assert_non_null(kafka_last_error());
    assert_int_equal(kafka_message_dup(NULL, NULL), KAFKA_EINVAL);
    assert_non_null(strstr(kafka_last_error(), "kafka_message_dup"));
    assert_int_equal(kafka_cancel_new(&c), 0);
    kafka_cancel_free(c);
    assert_non_null(strstr(kafka_last_error(), "kafka_message_dup"));
}

static void last_written_is_the_threads_own(void **state)
{
    (void)state;
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    kfk_thread_self()->last_written = KAFKA_WRITTEN_MAYBE;
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    kfk_thread_self()->last_written = KAFKA_WRITTEN_NO;
}

static void version_and_features_say_what_was_built(void **state)
{
    (void)state;
    int major, minor, patch;
    assert_int_equal(sscanf(kafka_version(), "%d.%d.%d", &major, &minor, &patch), 3);
    const char *f = kafka_features();
    assert_non_null(f);
    assert_true(f[0] != ' ' && (f[0] == 0 || f[strlen(f) - 1] != ' '));
    assert_null(strstr(f, "  "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(every_code_has_name_title_description_and_text),
        MEMCHECK_TEST(a_text_is_code_title_and_description),
        MEMCHECK_TEST(an_unknown_code_has_no_title_and_a_text_with_its_number),
        MEMCHECK_TEST(temporary_and_timeout_are_two_questions),
        MEMCHECK_TEST(texts_of_unknown_codes_never_change_in_any_thread),
        MEMCHECK_TEST(the_last_error_is_never_null_and_outlives_successes),
        MEMCHECK_TEST(last_written_is_the_threads_own),
        MEMCHECK_TEST(version_and_features_say_what_was_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
