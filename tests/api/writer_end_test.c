/* writer_end_test.c: flush, close and free. */
#include "api/writers.h"
#include <sys/wait.h>
#include <unistd.h>

static told t;

static int fresh(void **state)
{
    memset(&t, 0, sizeof t);
    return memcheck_setup(state);
}
#define END_TEST(function) cmocka_unit_test_setup_teardown(function, fresh, calls_teardown)

/* With callbacks that are counted, asynchronous. */
#define TELLING(cluster, ...) \
    WRITER(cluster, .topic = "t", .async = 1, .on_delivery = tell, .on_delivery_userdata = &t, __VA_ARGS__)

/* ---- flush ------------------------------------------------------------------------------------------------------- */

static void flush_sends_at_once_and_has_run_all_callbacks(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(4);
    kafka_writer *w = TELLING(c, .batch_timeout_ms = 60000);
    kafka_message *m = writers_messages(50);
    int64_t before = kafka_now_ms();
    for (int round = 1; round <= 5; round++) {
        assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 50, NULL));
        assert_works(kafka_writer_flush(w, PATIENTLY));
        assert_int_equal(t.count, 50 * round);
        assert_int_equal(writers_total(c, 4), 50 * round);
    }
    assert_true(kafka_now_ms() - before < 15000);
    assert_works(kafka_writer_flush(w, KAFKA_WITHIN(0))); /* nothing is outstanding */
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_flush_whose_deadline_has_passed_starts_sending(void **state)
{
    (void)state;
    kafka_cluster *c = writers_two_brokers(1);
    kafka_writer *w = TELLING(c, .batch_timeout_ms = 60000);
    kafka_message *m = writers_messages(3);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 1, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    writers_hold(c, 1);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 1, NULL)); /* under way */
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m + 1, 1, NULL));
    assert_fails(kafka_writer_flush(w, KAFKA_WITHIN(0)), KAFKA_ETIMEDOUT, "kafka_writer_flush");
    writers_hold(c, 0);
    told_await(&t, 3); /* without waiting for batch_timeout_ms */
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void flush_ends_by_deadline_and_token_and_leaves_everything_alone(void **state)
{
    (void)state;
    kafka_cluster *c = writers_two_brokers(1);
    kafka_writer *w = TELLING(c, .batch_size = 1);
    kafka_message m = {.value = KAFKA_LIT("v")};
    kafka_ctx ctx = {0};
    assert_works(kafka_cancel_new(&ctx.cancel));
    kafka_cancel_fire(ctx.cancel);
    writers_hold(c, 1);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    assert_fails(kafka_writer_flush(w, &ctx), KAFKA_ECANCELED, "kafka_writer_flush");
    assert_fails(kafka_writer_flush(w, KAFKA_WITHIN(50)), KAFKA_ETIMEDOUT, "kafka_writer_flush");
    assert_int_equal(t.count, 0);
    writers_hold(c, 0);
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(t.items[0].err, 0);
    kafka_cancel_free(ctx.cancel);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void flush_says_nothing_about_outcomes(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = TELLING(c, .delivery_timeout_ms = 200);
    kafka_message m = {.value = KAFKA_LIT("v")};
    writers_silence(c);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(t.count, 1);
    assert_int_equal(t.items[0].err, KAFKA_ETIMEDOUT);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_topic_that_is_made_again_with_more_partitions_is_used(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = TELLING(c, .rebalance_interval_ms = 100);
    kafka_message *m = writers_messages(6);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 6, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_works(kafka_cluster_delete_topic(c, "t"));
    assert_works(kafka_cluster_create_topic(c, "t", 3));
    int64_t until = kafka_now_ms() + WRITERS_PATIENCE_MS;
    do {
        assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 6, NULL));
        assert_works(kafka_writer_flush(w, PATIENTLY));
    } while (writers_end(c, "t", 2) == 0 && kafka_now_ms() < until);
    assert_true(writers_end(c, "t", 2) > 0);
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

/* ---- close ------------------------------------------------------------------------------------------------------- */

static void close_delivers_what_was_accepted(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(3);
    kafka_writer *w = TELLING(c, .batch_timeout_ms = 60000);
    kafka_message *m = writers_messages(500);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 500, NULL));
    assert_works(kafka_writer_close(w, PATIENTLY));
    assert_int_equal(t.count, 500);
    assert_int_equal(writers_total(c, 3), 500);
    writers_messages_free(m);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void after_close_everything_is_refused_but_a_second_close(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = TELLING(c, .batch_size = 1);
    kafka_message m[2] = {{.value = KAFKA_LIT("v")}, {.value = KAFKA_LIT("v")}};
    int results[2] = {0};
    kafka_writer_stats stats;
    assert_works(kafka_writer_close(w, NULL));
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, m, 2, results), KAFKA_ECLOSED, "closed");
    assert_int_equal(results[0], KAFKA_ECLOSED);
    assert_int_equal(results[1], KAFKA_ECLOSED);
    assert_fails(kafka_writer_flush(w, PATIENTLY), KAFKA_ECLOSED, "closed");
    assert_works(kafka_writer_close(w, NULL));
    assert_works(kafka_writer_close(w, KAFKA_WITHIN(0)));
    kafka_writer_stats_snapshot(w, &stats);
    assert_int_equal(t.count, 0);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_close_that_meets_its_deadline_has_failed_the_rest(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = TELLING(c, .batch_size = 1);
    kafka_message *m = writers_messages(5);
    writers_silence(c);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 5, NULL));
    int64_t before = kafka_now_ms();
    assert_fails(kafka_writer_close(w, KAFKA_WITHIN(200)), KAFKA_ETIMEDOUT, "kafka_writer_close");
    assert_true(kafka_now_ms() - before >= 200 && kafka_now_ms() - before < 10000);
    assert_int_equal(t.count, 5);
    for (int i = 0; i < 5; i++) assert_int_equal(t.items[i].err, KAFKA_ECANCELED);
    assert_works(kafka_writer_close(w, NULL));
    before = kafka_now_ms();
    kafka_writer_free(w); /* does not wait */
    assert_true(kafka_now_ms() - before < 10000);
    writers_messages_free(m);
    kafka_cluster_free(c);
}

static void a_close_that_is_canceled_too(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = TELLING(c, .batch_size = 1);
    kafka_message m = {.value = KAFKA_LIT("v")};
    kafka_ctx ctx = {0};
    assert_works(kafka_cancel_new(&ctx.cancel));
    kafka_cancel_fire(ctx.cancel);
    writers_silence(c);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    assert_fails(kafka_writer_close(w, &ctx), KAFKA_ECANCELED, "kafka_writer_close");
    assert_int_equal(t.count, 1);
    assert_int_equal(t.items[0].err, KAFKA_ECANCELED);
    kafka_cancel_free(ctx.cancel);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

typedef struct writing {
    kafka_writer *writer;
    int err;
} writing;

static void *write_one(void *arg)
{
    writing *x = arg;
    kafka_message m = {.value = KAFKA_LIT("v")};
    x->err = kafka_writer_write_messages(x->writer, PATIENTLY, &m, 1, NULL);
    return NULL;
}

static void a_write_that_waits_during_close_gets_its_outcome(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    writing x = {.writer = WRITER(c, .topic = "t")};
    writers_delay(c, 300, 1);
    pthread_t thread = calls_start(write_one, &x);
    writers_await(c, KAFKA_REQUEST_PRODUCE, 1);
    assert_works(kafka_writer_close(x.writer, PATIENTLY));
    pthread_join(thread, NULL);
    assert_int_equal(x.err, 0);
    kafka_writer_free(x.writer);
    assert_int_equal(writers_end(c, "t", 0), 1);
    kafka_cluster_free(c);
}

static void *close_it(void *arg)
{
    writing *x = arg;
    x->err = kafka_writer_close(x->writer, PATIENTLY);
    return NULL;
}

static void closes_may_come_from_several_threads(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = TELLING(c, .batch_timeout_ms = 60000);
    kafka_message m = {.value = KAFKA_LIT("v")};
    writing x[3] = {{w, 1}, {w, 1}, {w, 1}};
    pthread_t threads[3];
    writers_delay(c, 100, 1);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    for (int i = 0; i < 3; i++) threads[i] = calls_start(close_it, &x[i]);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++) assert_int_equal(x[i].err, 0);
    assert_int_equal(t.count, 1);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

/* ---- free -------------------------------------------------------------------------------------------------------- */

static void free_without_close_flushes(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(2);
    kafka_writer *w = TELLING(c, .batch_timeout_ms = 60000);
    kafka_message *m = writers_messages(100);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 100, NULL));
    kafka_writer_free(w);
    assert_int_equal(t.count, 100);
    assert_int_equal(writers_total(c, 2), 100);
    writers_messages_free(m);
    kafka_cluster_free(c);
}

static void free_waits_for_outcomes_no_longer_than_the_delivery_timeout(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = TELLING(c, .delivery_timeout_ms = 200);
    kafka_message m = {.value = KAFKA_LIT("v")};
    writers_silence(c);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    int64_t before = kafka_now_ms();
    kafka_writer_free(w);
    assert_true(kafka_now_ms() - before < 7000);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.items[0].err, KAFKA_ETIMEDOUT);
    kafka_cluster_free(c);
}

static void free_does_its_work_without_memory(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = TELLING(c, .batch_timeout_ms = 60000, .delivery_timeout_ms = 60000);
    kafka_message m = {.value = KAFKA_LIT("v")};
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    writers_silence(c);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    memcheck_fail_from(1);
    kafka_writer_free(w); /* cannot close in peace: what is left is given up */
    memcheck_fail_at(0);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.items[1].err, KAFKA_ECANCELED);
    kafka_cluster_free(c);
}

/* ---- while a batch is being compressed --------------------------------------------------------------------------- */

static atomic_bool holding; /* encoding waits until it is false again */
static atomic_int encoding;

static int slow_encode(void *userdata, int level, const void *src, size_t len, kafka_buf *dst)
{
    const kafka_codec *as = userdata;
    atomic_fetch_add(&encoding, 1);
    while (atomic_load(&holding)) poll(NULL, 0, 1);
    return as->encode(as->userdata, level, src, len, dst);
}

static int decode(void *userdata, const void *src, size_t len, kafka_buf *dst)
{
    const kafka_codec *as = userdata;
    return as->decode(as->userdata, src, len, dst);
}

static void *let_go_later(void *arg)
{
    int64_t until = *(const int64_t *)arg;
    while (kafka_now_ms() < until) poll(NULL, 0, 1);
    atomic_store(&holding, false);
    return NULL;
}

/* One message has no answer, and a helper thread compresses the other, for so long after close was given up. */
static void end_while_one_is_compressed(bool closes)
{
    if (writers_codec(KAFKA_COMPRESSION_GZIP) == KAFKA_COMPRESSION_NONE) skip();
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = TELLING(c, .compression = KAFKA_COMPRESSION_GZIP, .batch_timeout_ms = 1);
    kafka_message m = {.value = KAFKA_LIT("v")};
    for (int i = 0; i < 2; i++) { /* a partition knows its leader: several batches may be in flight */
        assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
        assert_works(kafka_writer_flush(w, PATIENTLY));
    }
    writers_silence(c);
    int before = atomic_load(&encoding);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    writers_await(c, KAFKA_REQUEST_PRODUCE, 3);
    atomic_store(&holding, true);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    int64_t until = kafka_now_ms() + WRITERS_PATIENCE_MS, later = kafka_now_ms() + 300;
    while (atomic_load(&encoding) < before + 2 && kafka_now_ms() < until) poll(NULL, 0, 1);
    pthread_t thread = calls_start(let_go_later, &later);
    if (closes) {
        assert_fails(kafka_writer_close(w, KAFKA_WITHIN(10)), KAFKA_ETIMEDOUT, "kafka_writer_close");
        assert_int_equal(t.count, 4);
    }
    if (!closes) memcheck_fail_from(1); /* it cannot close in peace, and stops at once */
    kafka_writer_free(w);
    memcheck_fail_at(0);
    assert_int_equal(t.count, 4);
    for (int i = 2; i < 4; i++) assert_int_equal(t.items[i].err, KAFKA_ECANCELED);
    pthread_join(thread, NULL);
    kafka_cluster_free(c);
}

static void what_is_being_compressed_at_close_is_told_before_it_returns(void **state)
{
    (void)state;
    end_while_one_is_compressed(true);
}

static void what_is_being_compressed_when_it_is_freed_too(void **state)
{
    (void)state;
    end_while_one_is_compressed(false);
}

/* ---- forked children --------------------------------------------------------------------------------------------- */

static int in_child(kafka_writer *w)
{
    kafka_message m = {.value = KAFKA_LIT("v")};
    kafka_writer_stats stats = {.dials = 77};
    int result = 0;
    int wrong = kafka_writer_write_messages(w, PATIENTLY, &m, 1, &result) != KAFKA_EFORKED;
    wrong += result != KAFKA_EFORKED;
    wrong += kafka_writer_flush(w, PATIENTLY) != KAFKA_EFORKED;
    wrong += kafka_writer_close(w, PATIENTLY) != KAFKA_EFORKED;
    kafka_writer_stats_snapshot(w, &stats);
    wrong += stats.dials != 77;
    wrong += strcmp(kafka_writer_get_config(w)->topic, "t") != 0;
    kafka_writer_free(w);
    return wrong;
}

static void a_forked_child_can_only_free_it_and_the_parent_goes_on(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = TELLING(c, .batch_size = 1);
    kafka_message m = {.value = KAFKA_LIT("v")};
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    pid_t child = fork();
    if (child == 0) _exit(in_child(w));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    kafka_writer_free(w);
    assert_int_equal(t.count, 2);
    assert_int_equal(writers_end(c, "t", 0), 2);
    kafka_cluster_free(c);
}

/* Before the tests: what is registered stays. */
static bool make_gzip_slow(void)
{
    const kafka_codec *gzip = kafka_codec_find(KAFKA_COMPRESSION_GZIP);
    if (!gzip) return true; /* not built in: what needs it is skipped */
    kafka_codec slow = *gzip;
    slow.encode = slow_encode;
    slow.decode = decode;
    slow.userdata = (void *)(uintptr_t)gzip;
    return kafka_codec_register(&slow) == 0;
}

int main(void)
{
    if (!make_gzip_slow()) return 1;
    const struct CMUnitTest tests[] = {
        END_TEST(flush_sends_at_once_and_has_run_all_callbacks),
        END_TEST(a_flush_whose_deadline_has_passed_starts_sending),
        END_TEST(flush_ends_by_deadline_and_token_and_leaves_everything_alone),
        END_TEST(flush_says_nothing_about_outcomes),
        END_TEST(a_topic_that_is_made_again_with_more_partitions_is_used),
        END_TEST(close_delivers_what_was_accepted),
        END_TEST(after_close_everything_is_refused_but_a_second_close),
        END_TEST(a_close_that_meets_its_deadline_has_failed_the_rest),
        END_TEST(a_close_that_is_canceled_too),
        END_TEST(a_write_that_waits_during_close_gets_its_outcome),
        END_TEST(closes_may_come_from_several_threads),
        END_TEST(free_without_close_flushes),
        END_TEST(free_waits_for_outcomes_no_longer_than_the_delivery_timeout),
        END_TEST(free_does_its_work_without_memory),
        END_TEST(what_is_being_compressed_at_close_is_told_before_it_returns),
        END_TEST(what_is_being_compressed_when_it_is_freed_too),
        END_TEST(a_forked_child_can_only_free_it_and_the_parent_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
