/* log_test.c: which lines reach the application's logger, and in what state. */
#include "support/memcheck.h"

#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include <pthread.h>
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

/* ---- lines that repeat ------------------------------------------------------------------------------------------- */

static _Atomic int64_t virtual_ms;

static int64_t virtual_ns(void)
{
    return virtual_ms * 1000000;
}

static int virtual_setup(void **state)
{
    virtual_ms = 1000000;
    kfk_time_set_source(virtual_ns, NULL);
    return memcheck_setup(state);
}

static int virtual_teardown(void **state)
{
    kfk_time_set_source(NULL, NULL);
    return memcheck_teardown(state);
}

static void a_storm_of_lines_is_cut_to_a_burst_and_one_each_second(void **state)
{
    (void)state;
    seen s = {.lines = 0};
    kfk_log log;
    kfk_log_limit limit = {0};
    kfk_log_init(&log, &(kafka_logger){.log = take, .userdata = &s, .max_level = KAFKA_LOG_DEBUG});
    for (int i = 0; i < 100000; i++) kfk_log_write_limited(&log, &limit, KAFKA_LOG_WARN, "line %d", i);
    assert_int_equal(s.lines, 10);
    assert_string_equal(s.line, "line 9");
    virtual_ms += 999;
    kfk_log_write_limited(&log, &limit, KAFKA_LOG_WARN, "too early");
    assert_int_equal(s.lines, 10);
    virtual_ms += 1;
    kfk_log_write_limited(&log, &limit, KAFKA_LOG_WARN, "again");
    assert_int_equal(s.lines, 11);
    assert_string_equal(s.line, "again (99991 more like it were left out)");
    for (int i = 0; i < 3600 * 10; i++, virtual_ms += 100)
        kfk_log_write_limited(&log, &limit, KAFKA_LOG_WARN, "for an hour, ten times a second");
    assert_in_range(s.lines, 11 + 3599, 11 + 3600);
}

static void after_a_pause_there_is_a_burst_again_and_nothing_to_tell(void **state)
{
    (void)state;
    seen s = {.lines = 0};
    kfk_log log;
    kfk_log_limit limit = {0};
    kfk_log_init(&log, &(kafka_logger){.log = take, .userdata = &s, .max_level = KAFKA_LOG_DEBUG});
    for (int round = 1; round <= 3; round++, virtual_ms += 10000) {
        for (int i = 0; i < 10; i++) kfk_log_write_limited(&log, &limit, KAFKA_LOG_INFO, "line");
        assert_int_equal(s.lines, 10 * round);
        assert_string_equal(s.line, "line");
    }
    virtual_ms += INT64_C(1000) * 3600 * 24 * 365; /* what was not used does not add up */
    for (int i = 0; i < 100; i++) kfk_log_write_limited(&log, &limit, KAFKA_LOG_INFO, "line");
    assert_int_equal(s.lines, 40);
}

static void kinds_are_limited_apart_and_unwanted_lines_cost_nothing(void **state)
{
    (void)state;
    seen s = {.lines = 0};
    kfk_log log;
    kfk_log_limit one = {0}, other = {0};
    kfk_log_init(&log, &(kafka_logger){.log = take, .userdata = &s, .max_level = KAFKA_LOG_WARN});
    for (int i = 0; i < 50; i++) kfk_log_write_limited(&log, &one, KAFKA_LOG_INFO, "above the level");
    for (int i = 0; i < 50; i++) kfk_log_write_limited(&log, &one, KAFKA_LOG_WARN, "one");
    assert_int_equal(s.lines, 10);
    kfk_log_write_limited(&log, &other, KAFKA_LOG_ERROR, "other");
    assert_int_equal(s.lines, 11);
    assert_string_equal(s.line, "other");
}

static void a_long_line_still_says_what_was_left_out(void **state)
{
    (void)state;
    seen s = {.lines = 0};
    char text[6000];
    kfk_log log;
    kfk_log_limit limit = {0};
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    kfk_log_init(&log, &(kafka_logger){.log = take, .userdata = &s});
    for (int i = 0; i < 11; i++) kfk_log_write_limited(&log, &limit, KAFKA_LOG_ERROR, "%s", text);
    atomic_store(&limit.left_out, UINT32_MAX);
    virtual_ms += 1000;
    kfk_log_write_limited(&log, &limit, KAFKA_LOG_ERROR, "%s", text);
    assert_non_null(strstr(s.line, "aaa... (4294967295 more like it were left out)"));
    assert_true(strlen(s.line) < 4096);
}

typedef struct storm {
    kfk_log log;
    kfk_log_limit limit;
    atomic_int lines;
} storm;

static void count(void *userdata, kafka_log_level level, const char *line)
{
    (void)level;
    (void)line;
    atomic_fetch_add(&((storm *)userdata)->lines, 1);
}

static void *write_many(void *arg)
{
    storm *s = arg;
    for (int i = 0; i < 10000; i++) kfk_log_write_limited(&s->log, &s->limit, KAFKA_LOG_ERROR, "line");
    return NULL;
}

static void threads_share_a_limit(void **state)
{
    (void)state;
    storm s = {.lines = 0};
    pthread_t threads[4];
    kfk_log_init(&s.log, &(kafka_logger){.log = count, .userdata = &s});
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, write_many, &s), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_int_equal(s.lines, 10);
    assert_int_equal(s.limit.left_out, 4 * 10000 - 10);
}

#define VIRTUAL_TEST(function) cmocka_unit_test_setup_teardown(function, virtual_setup, virtual_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_line_reaches_the_logger),
        MEMCHECK_TEST(lines_above_the_level_are_not_written),
        MEMCHECK_TEST(without_a_logger_nothing_happens),
        MEMCHECK_TEST(a_line_is_one_line),
        MEMCHECK_TEST(a_long_line_is_cut),
        MEMCHECK_TEST(a_logger_runs_as_a_callback_and_leaves_no_failure),
        VIRTUAL_TEST(a_storm_of_lines_is_cut_to_a_burst_and_one_each_second),
        VIRTUAL_TEST(after_a_pause_there_is_a_burst_again_and_nothing_to_tell),
        VIRTUAL_TEST(kinds_are_limited_apart_and_unwanted_lines_cost_nothing),
        VIRTUAL_TEST(a_long_line_still_says_what_was_left_out),
        VIRTUAL_TEST(threads_share_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
