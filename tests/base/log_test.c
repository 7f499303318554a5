/* log_test.c: which lines reach the application's logger, and in what state. */
#include "support/memcheck.h"

#include "base/log.h"
#include "base/thread.h"
#include <string.h>

typedef struct seen {
    int lines, depth;
    kafka_log_level level;
    char line[8192];
} seen;

static void take(void *userdata, kafka_log_level level, const char *line)
{
    seen *s = userdata;
    s->lines++;
    s->level = level;
    s->depth = kfk_thread_self()->callback_depth;
    strncpy(s->line, line, sizeof s->line - 1);
    kfk_thread_failf(KAFKA_EIO, "a failure inside the logger");
}

static void a_line_reaches_the_logger(void **state)
{
    (void)state;
    seen s = {.lines = 0};
    kfk_log log;
    kafka_logger logger = {.log = take, .userdata = &s, .max_level = KAFKA_LOG_INFO};
    kfk_log_init(&log, &logger);
    logger.log = NULL; /* it was copied */
    kfk_log_write(&log, KAFKA_LOG_WARN, "%s:%d is down", "b1", 9092);
    assert_int_equal(s.lines, 1);
    assert_int_equal(s.level, KAFKA_LOG_WARN);
    assert_string_equal(s.line, "b1:9092 is down");
}

static void lines_above_the_level_are_not_written(void **state)
{
    (void)state;
    for (kafka_log_level max = KAFKA_LOG_ERROR; max <= KAFKA_LOG_DEBUG; max++) {
        seen s = {.lines = 0};
        kfk_log log;
        kfk_log_init(&log, &(kafka_logger){.log = take, .userdata = &s, .max_level = max});
        for (kafka_log_level level = KAFKA_LOG_ERROR; level <= KAFKA_LOG_DEBUG; level++) {
            assert_int_equal(kfk_log_wants(&log, level), level <= max);
            kfk_log_write(&log, level, "line");
        }
        assert_int_equal(s.lines, max + 1);
    }
}

static void without_a_logger_nothing_happens(void **state)
{
    (void)state;
    kfk_log log;
    kfk_log_init(&log, NULL);
    assert_false(kfk_log_wants(&log, KAFKA_LOG_ERROR));
    kfk_log_write(&log, KAFKA_LOG_ERROR, "%s", "nobody hears");
    kfk_log_init(&log, &(kafka_logger){.max_level = KAFKA_LOG_DEBUG});
    kfk_log_write(&log, KAFKA_LOG_ERROR, "%s", "nobody hears");
}

static void a_line_is_one_line(void **state)
{
    (void)state;
    seen s = {.lines = 0};
    kfk_log log;
    kfk_log_init(&log, &(kafka_logger){.log = take, .userdata = &s});
    kfk_log_write(&log, KAFKA_LOG_ERROR, "peer said: %s", "x\n2026-01-01 ERROR forged\x1b[0m \xff ü");
    assert_string_equal(s.line, "peer said: x?2026-01-01 ERROR forged?[0m ? ü");
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    seen s = {.lines = 0};
    char text[6000];
    kfk_log log;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    kfk_log_init(&log, &(kafka_logger){.log = take, .userdata = &s});
    kfk_log_write(&log, KAFKA_LOG_ERROR, "%.4095s", text);
    assert_int_equal(strlen(s.line), 4095);
    assert_int_equal(strspn(s.line, "a"), 4095);
    kfk_log_write(&log, KAFKA_LOG_ERROR, "%.4096s", text);
    assert_int_equal(strlen(s.line), 4095);
    assert_string_equal(s.line + 4092, "...");
}

static void a_logger_runs_as_a_callback_and_leaves_no_failure(void **state)
{
    (void)state;
    seen s = {.lines = 0};
    kfk_log log;
    kfk_log_init(&log, &(kafka_logger){.log = take, .userdata = &s});
    kfk_thread_failf(KAFKA_EINVAL, "before");
    kfk_log_write(&log, KAFKA_LOG_ERROR, "line");
    assert_int_equal(s.depth, 1);
    assert_int_equal(kfk_thread_self()->callback_depth, 0);
    assert_string_equal(kfk_thread_self()->last.text, "before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_line_reaches_the_logger),
        MEMCHECK_TEST(lines_above_the_level_are_not_written),
        MEMCHECK_TEST(without_a_logger_nothing_happens),
        MEMCHECK_TEST(a_line_is_one_line),
        MEMCHECK_TEST(a_long_line_is_cut),
        MEMCHECK_TEST(a_logger_runs_as_a_callback_and_leaves_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
