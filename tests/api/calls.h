/* calls: what the tests of the public interface have in common. */
#ifndef KAFKA_TESTS_API_CALLS_H
#define KAFKA_TESTS_API_CALLS_H
#include "support/memcheck.h"

#include "base/log.h"
#include "kafka/kafka.h"
#include "support/peer_tcp.h"
#include "wire/compress.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* A machine that has other work may let any thread stand for seconds: how late something may be is no more than a bound
 * on what hangs. It is below the ten seconds that calls have by themselves. To the millisecond: tests/sim. */
enum { CALLS_LATE_MS = 9000, CALLS_PATIENCE_MS = 30000 };

/* It took so long since then, and not much longer. */
#define assert_took(since_ms, least_ms) calls_check_took(kafka_now_ms() - (since_ms), (least_ms), __FILE__, __LINE__)
static inline void calls_check_took(int64_t took_ms, int64_t least_ms, const char *file, int line)
{
    if (took_ms < least_ms || took_ms > least_ms + CALLS_LATE_MS)
        fail_msg("%s:%d: it took %d ms and not %d", file, line, (int)took_ms, (int)least_ms);
}

/* A port of 127.0.0.1 where nobody listens, nor can as long as the descriptor that is returned is open. */
static inline int calls_refuse(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* A connection to the peer's partition of "t". */
static inline kafka_conn *calls_dial(tcp_peer *p, int32_t partition)
{
    kafka_conn *c = NULL;
    assert_works(kafka_dial_leader(NULL, KAFKA_WITHIN(10000), tcp_peer_address(p), "t", partition, &c));
    return c;
}

/* Appends batches to partition 0 and frees them here. */
static inline void calls_fill(tcp_peer *p, batch_bytes *log, int64_t end)
{
    tcp_peer_fill(p, log, end);
    batch_free(log);
}

/* A peer with the messages "v0" ... in partition 0, one a batch. */
static inline tcp_peer *calls_peer_with(int count, const tcp_rule *rules, size_t rule_count)
{
    batch_bytes log = {0};
    tcp_peer *p = tcp_peer_new(rules, rule_count);
    for (int i = 0; i < count; i++) BATCH(&log, .base = i, .count = 1, .leader_epoch = 5);
    calls_fill(p, &log, count);
    return p;
}

/* The next message that the connection reads. */
static inline void calls_expect_message(kafka_conn *c, int64_t offset, const char *value)
{
    kafka_message *m = NULL;
    assert_works(kafka_conn_read_message(c, 0, &m));
    assert_int_equal(m->offset, offset);
    assert_int_equal(m->value.len, strlen(value));
    assert_memory_equal(m->value.data, value, m->value.len);
    assert_int_equal(kafka_conn_offset(c, NULL), offset + 1);
    kafka_message_free(m);
}

/* "v0" ... "v9" in partition 0, in batches of two. */
static inline tcp_peer *calls_peer_with_ten(const tcp_rule *rules, size_t count)
{
    batch_bytes log = {0};
    for (int i = 0; i < 10; i += 2) BATCH(&log, .base = i, .count = 2);
    tcp_peer *p = tcp_peer_new(rules, count);
    tcp_peer_fill(p, &log, 10);
    batch_free(&log);
    return p;
}

static inline kafka_batch *calls_read_batch(kafka_conn *c, const kafka_fetch *f)
{
    kafka_batch *b = NULL;
    assert_works(kafka_conn_read_batch(c, f, &b));
    return b;
}

/* The next message of a batch is "v<offset>". */
static inline void calls_expect_next(kafka_batch *b, int64_t offset)
{
    kafka_message m;
    char value[24];
    assert_works(kafka_batch_read_message(b, &m));
    assert_int_equal(m.offset, offset);
    snprintf(value, sizeof value, "v%d", (int)offset);
    assert_int_equal(m.value.len, strlen(value));
    assert_memory_equal(m.value.data, value, m.value.len);
    assert_int_equal(kafka_batch_offset(b), offset + 1);
}

/* A helper thread that resolved a name may hold its loop a while longer. */
static inline void calls_await_freed(void)
{
    int64_t until = kafka_now_ms() + CALLS_PATIENCE_MS;
    kfk_compress_trim();
    while (memcheck_blocks() > 0 && kafka_now_ms() < until) sched_yield();
}

static inline int calls_teardown(void **state)
{
    calls_await_freed();
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

/* A deadline that passes while a call waits for its answer: set by a thread of its own when the peer has been asked.
 * With one that was set before, a slow machine may not have sent anything. */
typedef struct calls_cut {
    tcp_peer *peer;
    kafka_conn *conn;
    void (*set)(kafka_conn *, int64_t);
    int64_t deadline; /* 0 = nothing was asked */
    pthread_t thread;
    int count;
    int16_t api;
} calls_cut;

static inline void *calls_cut_run(void *arg)
{
    calls_cut *x = arg;
    int64_t deadline = tcp_peer_saw(x->peer, x->api, x->count) ? kafka_deadline_in(50) : 0;
    x->set(x->conn, deadline ? deadline : kafka_deadline_in(0));
    x->deadline = deadline;
    return NULL;
}

/* `set` is kafka_conn_set_read_deadline or its like; the next request of the API is waited for. */
static inline void calls_cut_begin(calls_cut *x, tcp_peer *p, kafka_conn *c, int16_t api,
                                   void (*set)(kafka_conn *, int64_t))
{
    *x = (calls_cut){.peer = p, .conn = c, .set = set, .count = tcp_peer_requests(p, api) + 1, .api = api};
    x->thread = calls_start(calls_cut_run, x);
}

/* The call has returned: not before the deadline, which has passed. */
static inline void calls_cut_end(calls_cut *x)
{
    int64_t now = kafka_now_ms();
    pthread_join(x->thread, NULL);
    assert_true(x->deadline != 0);
    assert_true(now >= x->deadline);
    assert_took(x->deadline, 0);
}

#endif
