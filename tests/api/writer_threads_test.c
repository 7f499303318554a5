/* writer_threads_test.c: one writer, many threads: nothing is lost, doubled or mixed up, and each call gets its own. */
#include "api/writers.h"

enum { THREADS = 6, PARTITIONS = 5 };

typedef struct worker {
    kafka_writer *writer;
    int id, calls, each;
    int failures, accepted;
    bool cuts; /* its deadlines are short */
} worker;

static void *work(void *arg)
{
    worker *x = arg;
    char values[8][24];
    for (int call = 0; call < x->calls; call++) {
        kafka_message m[8] = {0};
        int results[8];
        for (int i = 0; i < x->each; i++) {
            snprintf(values[i], sizeof values[i], "%d/%d", x->id, call * x->each + i);
            m[i].value = kafka_str(values[i]);
            m[i].key = KAFKA_BYTES(values[i], 1);
        }
        int64_t limit = x->cuts && call % 3 == 0 ? call % 2 : WRITERS_PATIENCE_MS;
        int err = kafka_writer_write_messages(x->writer, KAFKA_WITHIN(limit), m, (size_t)x->each, results);
        if (err != 0 && !x->cuts) x->failures++;
        for (int i = 0; i < x->each; i++) {
            if (results[i] == 0 || results[i] == KAFKA_EPENDING)
                x->accepted++;
            else if (results[i] != KAFKA_EAGAIN)
                x->failures++;
        }
    }
    return NULL;
}

static int run(kafka_writer *w, int calls, int each, bool cuts)
{
    worker workers[THREADS];
    pthread_t threads[THREADS];
    int accepted = 0;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.writer = w, .id = i, .calls = calls, .each = each, .cuts = cuts};
        threads[i] = calls_start(work, &workers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failures, 0);
        accepted += workers[i].accepted;
    }
    return accepted;
}

/* The values of each thread are in the log in its order, each once. Keys keep a thread to one partition. */
static void expect_order(kafka_cluster *c, int each_has)
{
    int next[THREADS] = {0};
    for (int32_t p = 0; p < PARTITIONS; p++) {
        int64_t end = writers_end(c, "t", p);
        kafka_conn *conn = NULL;
        assert_works(kafka_dial_leader(NULL, PATIENTLY, kafka_cluster_bootstrap(c), "t", p, &conn));
        for (int64_t i = 0; i < end; i++) {
            kafka_message *m = NULL;
            char text[32] = "";
            int id, number;
            assert_works(kafka_conn_read_message(conn, 0, &m));
            memcpy(text, m->value.data, m->value.len);
            kafka_message_free(m);
            assert_int_equal(sscanf(text, "%d/%d", &id, &number), 2);
            assert_int_equal(number, next[id]++);
        }
        kafka_conn_free(conn);
    }
    for (int i = 0; i < THREADS; i++) assert_int_equal(next[i], each_has);
}

static void synchronous_calls_of_many_threads(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(PARTITIONS);
    kafka_balancer *b = kafka_balancer_hash(NULL);
    kafka_writer *w = WRITER(c, .topic = "t", .balancer = b);
    assert_int_equal(run(w, 100, 3, false), THREADS * 300);
    kafka_writer_free(w);
    kafka_balancer_free(b);
    expect_order(c, 300);
    kafka_cluster_free(c);
}

static void asynchronous_calls_of_many_threads(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(PARTITIONS);
    kafka_balancer *b = kafka_balancer_hash(NULL);
    kafka_writer *w = WRITER(c, .topic = "t", .balancer = b, .async = 1, .batch_bytes = 3000,
                             .compression = writers_codec(KAFKA_COMPRESSION_LZ4));
    assert_int_equal(run(w, 500, 4, false), THREADS * 2000);
    kafka_writer_free(w);
    kafka_balancer_free(b);
    expect_order(c, 2000);
    kafka_cluster_free(c);
}

static void calls_that_give_up_at_any_time(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(PARTITIONS);
    static told t;
    memset(&t, 0, sizeof t);
    kafka_writer *w = WRITER(c, .topic = "t", .on_delivery = tell, .on_delivery_userdata = &t);
    int accepted = run(w, 100, 3, true);
    kafka_writer_free(w);
    assert_int_equal(t.count, accepted);
    assert_int_equal(writers_total(c, PARTITIONS), accepted);
    kafka_cluster_free(c);
}

static void a_buffer_that_is_always_full(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(PARTITIONS);
    kafka_writer *w = WRITER(c, .topic = "t", .async = 1, .buffer_bytes = 8192, .batch_bytes = 2048);
    int accepted = run(w, 300, 4, true);
    kafka_writer_free(w);
    assert_int_equal(writers_total(c, PARTITIONS), accepted);
    kafka_cluster_free(c);
}

typedef struct closing {
    kafka_writer *writer;
    int accepted, closed, wrong;
} closing;

static void *write_until_closed(void *arg)
{
    closing *x = arg;
    kafka_message m = {.value = KAFKA_LIT("v")};
    for (int err = 0; err != KAFKA_ECLOSED;) {
        err = kafka_writer_write_messages(x->writer, PATIENTLY, &m, 1, NULL);
        if (err == 0)
            x->accepted++;
        else if (err == KAFKA_ECLOSED)
            x->closed++;
        else
            x->wrong++;
    }
    return NULL;
}

static void close_while_all_write(void **state)
{
    (void)state;
    for (int async = 0; async < 2; async++) {
        kafka_cluster *c = writers_cluster(PARTITIONS);
        kafka_writer *w = WRITER(c, .topic = "t", .async = async);
        closing x[THREADS] = {{0}};
        pthread_t threads[THREADS];
        int accepted = 0;
        for (int i = 0; i < THREADS; i++) {
            x[i].writer = w;
            threads[i] = calls_start(write_until_closed, &x[i]);
        }
        writers_await(c, KAFKA_REQUEST_PRODUCE, 20);
        assert_works(kafka_writer_close(w, PATIENTLY));
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(x[i].wrong, 0);
            accepted += x[i].accepted;
        }
        kafka_writer_free(w);
        assert_int_equal(writers_total(c, PARTITIONS), accepted);
        kafka_cluster_free(c);
    }
}

/* ---- everything at once ------------------------------------------------------------------------------------------ */

typedef struct mixing {
    kafka_writer *writer;
    const char *late; /* a topic that is made while all write */
    int id, accepted, wrong;
} mixing;

static void *write_a_mixture(void *arg)
{
    static const kafka_compression codecs[] = {KAFKA_COMPRESSION_NONE, KAFKA_COMPRESSION_GZIP, KAFKA_COMPRESSION_LZ4,
                                               KAFKA_COMPRESSION_DEFAULT};
    mixing *x = arg;
    const char *topics[] = {"t", "t", x->late, "never"};
    for (int call = 0, err = 0; call < 200 && err != KAFKA_ECLOSED; call++) {
        kafka_message m[4] = {{0}};
        int results[4];
        for (int i = 0; i < 4; i++) {
            m[i].value = KAFKA_BYTES("some bytes that all messages have in common", 10 + (size_t)(call + 7 * i) % 30);
            m[i].topic = topics[(call + i + x->id) % 4];
            m[i].compression = codecs[(call / 5 + i) % 4];
            if (m[i].compression != KAFKA_COMPRESSION_DEFAULT) m[i].compression = writers_codec(m[i].compression);
        }
        err = kafka_writer_write_messages(x->writer, KAFKA_WITHIN(call % 3 == 0 ? 5 : 0), m, 4, results);
        for (int i = 0; i < 4; i++) {
            x->accepted += results[i] == 0;
            x->wrong += results[i] != 0 && results[i] != KAFKA_EAGAIN && results[i] != KAFKA_ECLOSED;
        }
    }
    return NULL;
}

/* In a round's way: closed in the middle with little time or with enough, or freed when all have written. */
static void mix_and_end(kafka_cluster *c, int round, told *t)
{
    char late[16];
    mixing x[THREADS] = {{0}};
    pthread_t threads[THREADS];
    int accepted = 0;
    snprintf(late, sizeof late, "late%d", round);
    memset(t, 0, sizeof *t);
    kafka_writer *w =
        WRITER(c, .async = 1, .buffer_bytes = 64 << 10, .batch_bytes = 4096, .batch_timeout_ms = 2,
               .delivery_timeout_ms = 300, .max_attempts = 2, .compression = writers_codec(KAFKA_COMPRESSION_GZIP),
               .on_delivery = tell, .on_delivery_userdata = t);
    for (int i = 0; i < THREADS; i++) {
        x[i] = (mixing){.writer = w, .late = late, .id = i};
        threads[i] = calls_start(write_a_mixture, &x[i]);
    }
    poll(NULL, 0, 20 + round); /* it may end at any moment: this one is as good as another */
    assert_works(kafka_cluster_create_topic(c, late, 2));
    if (round % 3 == 0) assert_true(kafka_writer_close(w, KAFKA_WITHIN(round % 7)) != KAFKA_EAGAIN);
    if (round % 3 == 1) assert_works(kafka_writer_close(w, PATIENTLY));
    if (round % 3 < 2) accepted = -atomic_load(&t->count);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(x[i].wrong, 0);
        accepted += x[i].accepted;
    }
    if (round % 3 < 2) assert_int_equal(accepted, 0); /* all were told when close returned */
    kafka_writer_free(w);
    accepted = 0;
    for (int i = 0; i < THREADS; i++) accepted += x[i].accepted;
    assert_int_equal(t->count, accepted);
}

static void however_it_ends_each_accepted_message_is_told_once(void **state)
{
    (void)state;
    static told t;
    kafka_cluster *c = writers_cluster(PARTITIONS);
    kafka_fault lost = kafka_fault_on(KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE);
    lost.count = 3;
    for (int round = 0; round < 12; round++) {
        writers_fault(c, lost);
        mix_and_end(c, round, &t);
    }
    kafka_cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(synchronous_calls_of_many_threads),
        API_TEST(asynchronous_calls_of_many_threads),
        API_TEST(calls_that_give_up_at_any_time),
        API_TEST(a_buffer_that_is_always_full),
        API_TEST(close_while_all_write),
        API_TEST(however_it_ends_each_accepted_message_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
