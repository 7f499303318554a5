/* writer_callback_test.c: delivery callbacks: one for each accepted message, what they say, where they run, and what
 * may be done in one. */
#include "api/writers.h"

static told t;

static int fresh(void **state)
{
    memset(&t, 0, sizeof t);
    return memcheck_setup(state);
}
#define CALLBACK_TEST(function) cmocka_unit_test_setup_teardown(function, fresh, calls_teardown)
#define TOLD(...)               .on_delivery = tell, .on_delivery_userdata = &t, .topic = "t"

/* ---- what they say ----------------------------------------------------------------------------------------------- */

static void each_message_is_told_once_in_order_with_its_offset(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, TOLD(), .async = 1);
    kafka_message *m = writers_messages(COUNT);
    for (int i = 0; i < COUNT; i++) m[i].time_ms = 1000 + i;
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, COUNT, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(t.count, COUNT);
    assert_true(t.calls < COUNT / 10); /* in runs */
    assert_string_equal(t.topic, "t");
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(t.items[i].err, 0);
        assert_int_equal(t.items[i].offset, i);
        assert_int_equal(t.items[i].partition, 0);
        assert_int_equal(t.items[i].time_ms, 1000 + i);
        assert_int_equal(t.items[i].written, KAFKA_WRITTEN_YES);
        assert_ptr_equal(t.items[i].userdata, m[i].userdata);
        assert_true(t.items[i].plain);
    }
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_synchronous_write_has_run_the_callbacks_of_its_messages(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(3);
    kafka_writer *w = WRITER(c, TOLD());
    kafka_message *m = writers_messages(30);
    for (int round = 1; round <= 20; round++) {
        assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 30, NULL));
        assert_int_equal(t.count, 30 * round);
    }
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_failure_is_told_with_its_reason(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, TOLD(), .async = 1);
    kafka_message m = {.value = KAFKA_LIT("v")};
    writers_refuse(c, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY)); /* 0, whatever the outcomes are */
    assert_int_equal(t.count, 1);
    assert_int_equal(t.items[0].err, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(t.items[0].offset, -1);
    assert_int_equal(t.items[0].written, KAFKA_WRITTEN_NO);
    assert_non_null(strstr(t.why, "topic t"));
    assert_null(strstr(kafka_last_error(), "topic t")); /* this thread's own is another one */
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void where_brokers_set_the_time_it_is_theirs_that_is_told(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_conn *admin = NULL;
    static const kafka_config_entry entry = {.name = "message.timestamp.type", .value = "LogAppendTime"};
    const kafka_topic_config made = {.topic = "appended", .num_partitions = 1, .entries = &entry, .entry_count = 1};
    assert_works(kafka_dial(NULL, PATIENTLY, kafka_cluster_bootstrap(c), &admin));
    assert_works(kafka_conn_create_topics(admin, &made, 1, NULL));
    kafka_conn_free(admin);
    kafka_writer *w = WRITER(c, .on_delivery = tell, .on_delivery_userdata = &t);
    kafka_message m[2] = {{.topic = "appended", .value = KAFKA_LIT("v"), .time_ms = 7}, {.topic = "t", .time_ms = 7}};
    for (int i = 0; i < 2; i++) assert_works(kafka_writer_write_messages(w, PATIENTLY, &m[i], 1, NULL));
    kafka_message *stored = writers_read(c, "appended", 0, 0);
    assert_int_equal(t.count, 2);
    assert_true(stored->time_ms > 7);
    assert_int_equal(t.items[0].time_ms, stored->time_ms);
    assert_int_equal(t.items[1].time_ms, 7);
    kafka_message_free(stored);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void with_acks_none_offsets_are_unknown(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, TOLD(), .required_acks = KAFKA_ACKS_NONE);
    kafka_message m = {.value = KAFKA_LIT("v")};
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    assert_int_equal(t.count, 1);
    assert_int_equal(t.items[0].err, 0);
    assert_int_equal(t.items[0].offset, -1);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static int32_t wrong(void *userdata, const kafka_message *m, const int32_t *partitions, size_t count)
{
    (void)userdata;
    (void)m;
    (void)partitions;
    return (int32_t)count;
}

static void refusals_are_not_told_but_what_is_found_wrong_later_is(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_balancer *b = kafka_balancer_func(wrong, NULL, NULL);
    kafka_writer *w = WRITER(c, TOLD(), .async = 1, .balancer = b);
    kafka_message m[2] = {{.topic = "other"}, {.value = KAFKA_LIT("v")}};
    int results[2];
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, m, 2, results), KAFKA_EPARTIAL, "topic other");
    assert_int_equal(results[0], KAFKA_EINVAL);
    assert_int_equal(results[1], 0); /* the partitions were not known: accepted */
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(t.count, 1);
    assert_int_equal(t.items[0].err, KAFKA_EINVAL);
    assert_int_equal(t.items[0].partition, -1);
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, &m[1], 1, NULL), KAFKA_EINVAL, NULL); /* now they are */
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(t.count, 1);
    kafka_balancer_free(b);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void what_close_gives_up_is_told_as_canceled(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, TOLD(), .async = 1);
    kafka_message *m = writers_messages(10);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 1, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    writers_silence(c);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m + 1, 9, NULL));
    assert_fails(kafka_writer_close(w, KAFKA_WITHIN(50)), KAFKA_ETIMEDOUT, NULL);
    assert_int_equal(t.count, 10);
    for (int i = 1; i < 10; i++) {
        assert_int_equal(t.items[i].err, KAFKA_ECANCELED);
        assert_ptr_equal(t.items[i].userdata, m[i].userdata);
    }
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_topic_that_is_deleted_ends_in_outcomes_too(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(2);
    kafka_writer *w = WRITER(c, TOLD(), .async = 1, .delivery_timeout_ms = 10000);
    kafka_message *m = writers_messages(100);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 50, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_works(kafka_cluster_delete_topic(c, "t"));
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m + 50, 50, NULL));
    assert_works(kafka_writer_close(w, PATIENTLY));
    assert_int_equal(t.count, 100);
    for (int i = 50; i < 100; i++) {
        assert_int_not_equal(t.items[i].err, 0);
        assert_int_equal(t.items[i].written, KAFKA_WRITTEN_NO);
    }
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

/* ---- in one ------------------------------------------------------------------------------------------------------ */

typedef struct inside {
    kafka_writer *writer;
    atomic_int told, write, later_write, flush, close, cut_write;
    kafka_writer_stats stats;
    char last_error[128];
} inside;

static void try_everything(void *userdata, const kafka_message *msgs, size_t count, int err)
{
    (void)msgs;
    (void)err;
    inside *x = userdata;
    kafka_message m = {.value = KAFKA_LIT("from inside")};
    if (atomic_fetch_add(&x->told, (int)count) > 0) return;
    x->write = kafka_writer_write_messages(x->writer, PATIENTLY, &m, 1, NULL);
    snprintf(x->last_error, sizeof x->last_error, "%s", kafka_last_error());
    x->later_write = kafka_writer_write_messages(x->writer, NULL, &m, 1, NULL);
    x->flush = kafka_writer_flush(x->writer, KAFKA_WITHIN(0));
    x->close = kafka_writer_close(x->writer, NULL);
    kafka_writer_stats_snapshot(x->writer, &x->stats);
    x->cut_write = kafka_writer_write_messages(x->writer, KAFKA_WITHIN(0), &m, 1, NULL);
}

static void only_what_does_not_wait_is_possible(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    for (int async = 0; async < 2; async++) {
        inside x = {0};
        kafka_message m = {.value = KAFKA_LIT("v")};
        x.writer = WRITER(c, .topic = "t", .async = async, .on_delivery = try_everything, .on_delivery_userdata = &x);
        assert_works(kafka_writer_write_messages(x.writer, PATIENTLY, &m, 1, NULL));
        assert_works(kafka_writer_flush(x.writer, PATIENTLY));
        assert_int_equal(x.write, KAFKA_EAGAIN);
        assert_non_null(strstr(x.last_error, "callback"));
        assert_int_equal(x.later_write, KAFKA_EAGAIN);
        assert_int_equal(x.flush, KAFKA_EAGAIN);
        assert_int_equal(x.close, KAFKA_EAGAIN);
        assert_int_equal(x.stats.messages, 1);
        assert_int_equal(x.cut_write, async ? 0 : KAFKA_EAGAIN);
        assert_works(kafka_writer_flush(x.writer, PATIENTLY)); /* it is open still */
        assert_int_equal(x.told, 1 + async);
        kafka_writer_free(x.writer);
    }
    assert_int_equal(writers_end(c, "t", 0), 3);
    kafka_cluster_free(c);
}

typedef struct chain {
    kafka_writer *writer;
    atomic_int told, left;
} chain;

static void write_the_next(void *userdata, const kafka_message *msgs, size_t count, int err)
{
    (void)msgs;
    chain *x = userdata;
    kafka_message m = {.value = KAFKA_LIT("next")};
    for (size_t i = 0; err == 0 && i < count; i++) {
        if (atomic_fetch_sub(&x->left, 1) > 0)
            err = kafka_writer_write_messages(x->writer, KAFKA_WITHIN(0), &m, 1, NULL);
    }
    atomic_fetch_add(&x->told, err == 0 ? (int)count : 1000000);
}

static void one_may_write_the_next_message(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(2);
    chain x = {.left = 200};
    kafka_message m = {.value = KAFKA_LIT("first")};
    x.writer = WRITER(c, .topic = "t", .async = 1, .batch_timeout_ms = 5, .on_delivery = write_the_next,
                      .on_delivery_userdata = &x);
    assert_works(kafka_writer_write_messages(x.writer, PATIENTLY, &m, 1, NULL));
    for (int n = 1; n <= 201; n++) { /* one after the other: there is patience for each */
        int64_t until = kafka_now_ms() + WRITERS_PATIENCE_MS;
        while (x.told < n && kafka_now_ms() < until) poll(NULL, 0, 1);
        assert_true(x.told >= n);
    }
    assert_int_equal(x.told, 201);
    kafka_writer_free(x.writer);
    assert_int_equal(writers_total(c, 2), 201);
    kafka_cluster_free(c);
}

/* Two brokers, each of which leads one partition of "t". */
static kafka_cluster *two_brokers(void)
{
    kafka_cluster *c = NULL;
    assert_works(kafka_cluster_new(&(kafka_cluster_config){.brokers = 2}, &c));
    assert_works(kafka_cluster_create_topic(c, "t", 2));
    for (int32_t i = 0; i < 2; i++) assert_works(kafka_cluster_move_leader(c, "t", i, i + 1));
    return c;
}

typedef struct freeing {
    kafka_writer *writer, *other;
    atomic_int told, canceled, fine, after;
} freeing;

static void free_both(void *userdata, const kafka_message *msgs, size_t count, int err)
{
    (void)msgs;
    freeing *x = userdata;
    if (err == KAFKA_ECANCELED) atomic_fetch_add(&x->canceled, (int)count);
    if (err == 0) atomic_fetch_add(&x->fine, (int)count);
    kafka_writer *w = x->writer, *other = x->other;
    x->writer = x->other = NULL;
    kafka_writer_free(w);
    kafka_writer_free(other);
    if (w) atomic_store(&x->after, x->told); /* nothing was told inside */
    atomic_fetch_add(&x->told, (int)count);
}

static void await_int(atomic_int *value, int least)
{
    int64_t until = kafka_now_ms() + WRITERS_PATIENCE_MS;
    while (atomic_load(value) < least && kafka_now_ms() < until) poll(NULL, 0, 1);
    assert_int_equal(atomic_load(value), least);
}

static void freed_in_a_callback_writers_tell_the_rest_when_it_has_returned(void **state)
{
    (void)state;
    kafka_cluster *c = two_brokers();
    kafka_balancer *b = kafka_balancer_manual();
    kafka_message m[4] = {{.partition = 1}, {.partition = 1}, {.partition = 1}, {.partition = 0}};
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_SILENCE, KAFKA_REQUEST_PRODUCE);
    f.broker = 2;
    f.count = KAFKA_NEVER;
    writers_fault(c, f);
    freeing x = {0};
    kafka_writer_config cfg = {.brokers = kafka_cluster_bootstrap(c),
                               .topic = "t",
                               .async = 1,
                               .balancer = b,
                               .on_delivery = free_both,
                               .on_delivery_userdata = &x};
    kafka_writer *w = writers_new(&cfg), *other = writers_new(&cfg);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 3, NULL));
    assert_works(kafka_writer_write_messages(other, PATIENTLY, m, 2, NULL));
    writers_await(c, KAFKA_REQUEST_PRODUCE, 2);
    x.writer = w;
    x.other = other;
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m + 3, 1, NULL)); /* answered: both are freed */
    await_int(&x.told, 6);
    assert_int_equal(x.fine, 1);
    assert_int_equal(x.canceled, 5);
    assert_int_equal(x.after, 0);
    kafka_balancer_free(b);
    kafka_cluster_free(c);
}

/* ---- where they run ---------------------------------------------------------------------------------------------- */

static void they_run_on_the_thread_of_the_loop(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, TOLD());
    kafka_message m = {.value = KAFKA_LIT("v")};
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    pthread_t first = t.thread;
    assert_false(pthread_equal(first, pthread_self()));
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    assert_true(pthread_equal(first, t.thread));
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void on_a_manual_loop_they_run_in_the_turns_of_its_thread(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_loop *l = NULL;
    assert_works(kafka_loop_new(&(kafka_loop_config){.manual = 1}, &l));
    kafka_writer *w = WRITER(c, TOLD(), .async = 1, .dialer = &(kafka_dialer){.loop = l});
    kafka_message m = {.value = KAFKA_LIT("v")};
    assert_works(kafka_writer_write_messages(w, NULL, &m, 1, NULL));
    int64_t until = kafka_now_ms() + WRITERS_PATIENCE_MS;
    while (t.count < 1 && kafka_now_ms() < until) {
        struct pollfd p = {.fd = kafka_loop_fd(l), .events = POLLIN};
        int64_t ms = kafka_loop_timeout_ms(l);
        poll(&p, 1, ms < 0 || ms > 1000 ? 1000 : (int)ms);
        assert_works(kafka_loop_run(l));
    }
    assert_int_equal(t.count, 1);
    assert_true(pthread_equal(t.thread, pthread_self()));
    assert_works(kafka_writer_write_messages(w, NULL, &m, 1, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY)); /* turns it by itself, callbacks run inside */
    assert_int_equal(t.count, 2);
    assert_true(pthread_equal(t.thread, pthread_self()));
    kafka_writer_free(w);
    kafka_loop_free(l);
    kafka_cluster_free(c);
}

/* ---- without memory ---------------------------------------------------------------------------------------------- */

static void they_need_no_memory(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, TOLD(), .async = 1, .delivery_timeout_ms = 500);
    kafka_message *m = writers_messages(COUNT);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 1, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    writers_silence(c);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, COUNT, NULL));
    int64_t until = kafka_now_ms() + WRITERS_PATIENCE_MS; /* they are sent, or their time is over before */
    while (kafka_cluster_requests(c, KAFKA_REQUEST_PRODUCE) < 2 && t.count < COUNT + 1 && kafka_now_ms() < until)
        poll(NULL, 0, 1);
    memcheck_fail_from(1);
    told_await(&t, COUNT + 1);
    memcheck_fail_at(0);
    for (int i = 1; i <= COUNT; i++) {
        assert_int_equal(t.items[i].err, KAFKA_ETIMEDOUT);
        assert_ptr_equal(t.items[i].userdata, m[i - 1].userdata);
    }
    assert_true(strlen(t.why) > 0);
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALLBACK_TEST(each_message_is_told_once_in_order_with_its_offset),
        CALLBACK_TEST(a_synchronous_write_has_run_the_callbacks_of_its_messages),
        CALLBACK_TEST(a_failure_is_told_with_its_reason),
        CALLBACK_TEST(where_brokers_set_the_time_it_is_theirs_that_is_told),
        CALLBACK_TEST(with_acks_none_offsets_are_unknown),
        CALLBACK_TEST(refusals_are_not_told_but_what_is_found_wrong_later_is),
        CALLBACK_TEST(what_close_gives_up_is_told_as_canceled),
        CALLBACK_TEST(a_topic_that_is_deleted_ends_in_outcomes_too),
        CALLBACK_TEST(only_what_does_not_wait_is_possible),
        CALLBACK_TEST(one_may_write_the_next_message),
        CALLBACK_TEST(freed_in_a_callback_writers_tell_the_rest_when_it_has_returned),
        CALLBACK_TEST(they_run_on_the_thread_of_the_loop),
        CALLBACK_TEST(on_a_manual_loop_they_run_in_the_turns_of_its_thread),
        CALLBACK_TEST(they_need_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
