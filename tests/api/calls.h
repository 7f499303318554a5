/* calls: what the tests of the public interface have in common. */
#ifndef KAFKA_TESTS_API_CALLS_H
#define KAFKA_TESTS_API_CALLS_H
#include "support/memcheck.h"

#include "base/log.h"
#include "kafka/kafka.h"
#include "support/peer_tcp.h"
#include "wire/compress.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The call gives this code, and the sentence of the last failure has this part. */
#define assert_fails(call, code, part) calls_check((call), (code), (part), #call, __FILE__, __LINE__)
static inline void calls_check(int got, int code, const char *part, const char *call, const char *file, int line)
{
    if (got != code) fail_msg("%s:%d: %s is %d, not %d: %s", file, line, call, got, code, kafka_last_error());
    if (part != NULL && strstr(kafka_last_error(), part) == NULL)
        fail_msg("%s:%d: \"%s\" is not in: %s", file, line, part, kafka_last_error());
}
#define assert_works(call) calls_check_works((call), #call, __FILE__, __LINE__)
static inline void calls_check_works(int got, const char *call, const char *file, int line)
{
    if (got != 0) fail_msg("%s:%d: %s is %d: %s", file, line, call, got, kafka_last_error());
}

/* A connection to the peer's partition of "t". */
static inline kafka_conn *calls_dial(tcp_peer *p, int32_t partition)
{
    kafka_conn *c = NULL;
    assert_works(kafka_dial_leader(NULL, KAFKA_WITHIN(10000), tcp_peer_address(p), "t", partition, &c));
    return c;
}

/* A helper thread that resolved a name may hold its loop a moment longer. */
static inline int calls_teardown(void **state)
{
    int64_t until = kafka_now_ms() + 2000;
    kfk_compress_trim();
    while (memcheck_blocks() > 0 && kafka_now_ms() < until) sched_yield();
    return memcheck_teardown(state);
}
/* A test that leaves neither memory nor a compression context behind. */
#define API_TEST(function) cmocka_unit_test_setup_teardown(function, memcheck_setup, calls_teardown)

/* Runs it as an application's log function is run. */
static inline void calls_log(void *f, kafka_log_level level, const char *line)
{
    (void)level;
    (void)line;
    (*(void (**)(void))f)();
}
static inline void calls_in_callback(void (*f)(void))
{
    kafka_logger logger = {.log = calls_log, .userdata = &f, .max_level = KAFKA_LOG_DEBUG};
    kfk_log log;
    kfk_log_init(&log, &logger);
    kfk_log_write(&log, KAFKA_LOG_ERROR, "now");
}

/* A thread that is joined by the test, which then looks at what it found: no assertions inside. */
static inline pthread_t calls_start(void *(*run)(void *), void *arg)
{
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, run, arg), 0);
    return t;
}

#endif
