/* wait_test.c: how long things take on a connection whose broker answers one request after the other. What is typical
 * is printed. A machine that has other work may let any thread stand for seconds: what must be quick has several tries,
 * and otherwise times are bounded against what hangs only. */
#include "kafka/peers.h"

#include <pthread.h>
#include <string.h>

enum { QUICK_MS = 100, HANGS_MS = 20000 }; /* a broker holds a fetch for half a second; deadlines are PATIENCE_MS */

static void a_read_keeps_its_deadline_and_leaves_the_connection_usable(void **state)
{
    (void)state;
    const char *topic = peers_topic("deadline", 1, NULL);
    kafka_conn *conn = peers_dial(topic, 0);
    kafka_message *m = NULL;
    for (int wait = 1; wait <= 1000; wait *= 10) {
        int64_t start = kafka_now_ms();
        kafka_conn_set_read_deadline(conn, kafka_deadline_in(wait));
        assert_int_equal(kafka_conn_read_message(conn, 0, &m), KAFKA_ETIMEDOUT);
        int64_t took = kafka_now_ms() - start;
        print_message("a read with %d ms: %d ms\n", wait, (int)took);
        assert_true(took >= wait);
        assert_true(took < wait + HANGS_MS);
    }
    kafka_conn_set_read_deadline(conn, kafka_deadline_in(0)); /* past: nothing is sent */
    assert_int_equal(kafka_conn_read_message(conn, 0, &m), KAFKA_ETIMEDOUT);
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    assert_ok(kafka_conn_write(conn, "usable", 6));
    assert_ok(kafka_conn_read_message(conn, 0, &m));
    assert_int_equal(m->value.len, 6);
    kafka_message_free(m);
    kafka_conn_free(conn);
}

static void a_fetch_with_a_wait_of_its_own_ends_in_an_empty_batch(void **state)
{
    (void)state;
    kafka_conn *conn = peers_dial(peers_topic("empty", 1, NULL), 0);
    kafka_batch *batch = NULL;
    kafka_message m;
    int64_t start = kafka_now_ms();
    assert_ok(kafka_conn_read_batch(conn, &(kafka_fetch){.max_wait_ms = 200}, &batch));
    int64_t took = kafka_now_ms() - start;
    print_message("a fetch that waits 200 ms: %d ms\n", (int)took);
    assert_in_range(took, 150, HANGS_MS);
    assert_int_equal(kafka_batch_read_message(batch, &m), KAFKA_EOF);
    assert_int_equal(kafka_batch_offset(batch), 0);
    assert_ok(kafka_batch_close(batch));
    kafka_conn_free(conn);
}

/* ---- one thread reads, another one does something else ----------------------------------------------------------- */

/* A thread that reads `count` messages one after the other. */
typedef struct reader {
    pthread_t thread;
    kafka_conn *conn;
    int count, err;
    int64_t last_at; /* when the last one came */
} reader;

static void *read_messages(void *arg)
{
    reader *r = arg;
    for (int i = 0; i < r->count && r->err == 0; i++) {
        kafka_message *m = NULL;
        r->err = kafka_conn_read_message(r->conn, 0, &m);
        r->last_at = kafka_now_ms();
        if (r->err == 0) kafka_message_free(m);
    }
    return NULL;
}

static void start_reader(reader *r, kafka_conn *conn, int count)
{
    *r = (reader){.conn = conn, .count = count};
    assert_int_equal(pthread_create(&r->thread, NULL, read_messages, r), 0);
}

static int join_reader(reader *r)
{
    assert_int_equal(pthread_join(r->thread, NULL), 0);
    return r->err;
}

/* Lets the reader get into its waiting: by then a read on another connection has waited that long. */
static void let_it_wait(const char *idle_topic, int64_t ms)
{
    kafka_conn *conn = peers_dial(idle_topic, 0);
    kafka_message *m = NULL;
    kafka_conn_set_read_deadline(conn, kafka_deadline_in(ms));
    assert_int_equal(kafka_conn_read_message(conn, 0, &m), KAFKA_ETIMEDOUT);
    kafka_conn_free(conn);
}

static void a_write_gets_through_while_a_read_waits_and_the_read_gets_the_message(void **state)
{
    (void)state;
    enum { WRITES = 6 };
    const char *topic = peers_topic("both", 1, NULL), *idle = peers_topic("idle", 1, NULL);
    kafka_conn *conn = peers_dial(topic, 0);
    int64_t longest = 0, sum = 0;
    reader r;
    start_reader(&r, conn, WRITES);
    for (int i = 0; i < WRITES; i++) {
        let_it_wait(idle, 37 * i % 200);
        int64_t start = kafka_now_ms();
        assert_ok(kafka_conn_write(conn, "m", 1));
        int64_t took = kafka_now_ms() - start;
        sum += took;
        longest = took > longest ? took : longest;
    }
    int64_t written_at = kafka_now_ms();
    assert_ok(join_reader(&r));
    print_message("%d writes beside a waiting read: %d ms on average, %d ms at most; read %d ms after it\n", WRITES,
                  (int)(sum / WRITES), (int)longest, (int)(r.last_at - written_at));
    assert_true(longest < HANGS_MS);
    assert_true(r.last_at - written_at < HANGS_MS);
    kafka_conn_free(conn);
}

static void offsets_metadata_and_topics_get_through_while_a_read_waits(void **state)
{
    (void)state;
    const char *topic = peers_topic("queries", 1, NULL), *idle = peers_topic("idle", 1, NULL);
    kafka_conn *conn = peers_dial(topic, 0);
    kafka_brokers *brokers = NULL;
    int64_t first, last, longest = 0;
    reader r;
    start_reader(&r, conn, 1);
    for (int i = 0; i < 2; i++) {
        let_it_wait(idle, 50);
        int64_t start = kafka_now_ms();
        assert_ok(kafka_conn_read_offsets(conn, &first, &last));
        int64_t took = kafka_now_ms() - start;
        longest = took > longest ? took : longest;
        start = kafka_now_ms();
        assert_ok(kafka_conn_brokers(conn, &brokers));
        took = kafka_now_ms() - start;
        longest = took > longest ? took : longest;
        kafka_brokers_free(brokers);
    }
    print_message("questions beside a waiting read: %d ms at most\n", (int)longest);
    assert_true(longest < HANGS_MS);
    assert_ok(kafka_conn_write(conn, "m", 1));
    assert_ok(join_reader(&r));
    kafka_conn_free(conn);
}

static void a_message_from_another_connection_reaches_a_waiting_read_at_once(void **state)
{
    (void)state;
    enum { MESSAGES = 20 };
    const char *topic = peers_topic("elsewhere", 1, NULL), *idle = peers_topic("idle", 1, NULL);
    kafka_conn *reading = peers_dial(topic, 0), *writing = peers_dial(topic, 0);
    int64_t longest = 0, quickest = INT64_MAX, sum = 0, longest_write = 0;
    for (int i = 0; i < MESSAGES; i++) {
        reader r;
        kafka_conn_set_deadline(reading, kafka_deadline_in(PATIENCE_MS));
        kafka_conn_set_deadline(writing, kafka_deadline_in(PATIENCE_MS));
        start_reader(&r, reading, 1);
        let_it_wait(idle, 10);
        int64_t start = kafka_now_ms();
        assert_ok(kafka_conn_write(writing, "m", 1));
        int64_t took = kafka_now_ms() - start;
        longest_write = took > longest_write ? took : longest_write;
        assert_ok(join_reader(&r));
        took = r.last_at - start;
        sum += took;
        longest = took > longest ? took : longest;
        quickest = took < quickest ? took : quickest;
    }
    print_message("from a write to a read that waits for it: %d ms on average, %d ms at most (write: %d ms at most)\n",
                  (int)(sum / MESSAGES), (int)longest, (int)longest_write);
    assert_true(quickest < QUICK_MS); /* else it waited for the end of the fetch each time */
    kafka_conn_free(reading);
    kafka_conn_free(writing);
}

enum { BY_DEADLINE, BY_TOKEN, BY_CLOSE, WAYS };

/* How long it takes to end a read that waits. */
static int64_t ending_takes(int way, const char *topic, const char *idle)
{
    static const int want[] = {KAFKA_ETIMEDOUT, KAFKA_ECANCELED, KAFKA_ECLOSED};
    kafka_cancel *cancel = NULL;
    assert_ok(kafka_cancel_new(&cancel));
    kafka_conn *conn = peers_dial(topic, 0);
    kafka_conn_set_cancel(conn, cancel);
    reader r;
    start_reader(&r, conn, 1);
    let_it_wait(idle, 50);
    int64_t start = kafka_now_ms();
    switch (way) {
    case BY_DEADLINE: kafka_conn_set_read_deadline(conn, kafka_deadline_in(0)); break;
    case BY_TOKEN: kafka_cancel_fire(cancel); break;
    default: assert_ok(kafka_conn_close(conn));
    }
    assert_int_equal(join_reader(&r), want[way]);
    kafka_conn_free(conn);
    kafka_cancel_free(cancel);
    return r.last_at - start;
}

static void a_deadline_a_token_and_close_reach_a_read_that_waits_already(void **state)
{
    (void)state;
    static const char *const names[] = {"a deadline", "a token", "close"};
    const char *topic = peers_topic("wake", 1, NULL), *idle = peers_topic("idle", 1, NULL);
    for (int way = 0; way < WAYS; way++) {
        int64_t took = INT64_MAX;
        for (int tries = 0; tries < 20 && took >= QUICK_MS; tries++) took = ending_takes(way, topic, idle);
        print_message("%s ends a waiting read in %d ms\n", names[way], (int)took);
        assert_true(took < QUICK_MS);
    }
}

static void an_open_batch_holds_up_reads_and_nothing_else(void **state)
{
    (void)state;
    kafka_conn *conn = peers_dial(peers_topic("open", 1, NULL), 0);
    kafka_batch *batch = NULL;
    kafka_message *m = NULL, view;
    int64_t last;
    assert_ok(kafka_conn_write(conn, "a", 1));
    assert_ok(kafka_conn_read_batch(conn, NULL, &batch));
    assert_ok(kafka_conn_write(conn, "b", 1));
    assert_ok(kafka_conn_read_last_offset(conn, &last));
    assert_int_equal(last, 2);
    kafka_conn_set_read_deadline(conn, kafka_deadline_in(100));
    assert_int_equal(kafka_conn_read_message(conn, 0, &m), KAFKA_ETIMEDOUT);
    kafka_conn_set_read_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    assert_ok(kafka_batch_read_message(batch, &view));
    assert_memory_equal(view.value.data, "a", 1);
    assert_ok(kafka_batch_close(batch));
    assert_ok(kafka_conn_read_message(conn, 0, &m));
    assert_memory_equal(m->value.data, "b", 1);
    kafka_message_free(m);
    kafka_conn_free(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_keeps_its_deadline_and_leaves_the_connection_usable),
        cmocka_unit_test(a_fetch_with_a_wait_of_its_own_ends_in_an_empty_batch),
        cmocka_unit_test(a_write_gets_through_while_a_read_waits_and_the_read_gets_the_message),
        cmocka_unit_test(offsets_metadata_and_topics_get_through_while_a_read_waits),
        cmocka_unit_test(a_message_from_another_connection_reaches_a_waiting_read_at_once),
        cmocka_unit_test(a_deadline_a_token_and_close_reach_a_read_that_waits_already),
        cmocka_unit_test(an_open_batch_holds_up_reads_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
