/* writer_stats_test.c: what a writer counts. */
#include "api/writers.h"

#include <stddef.h>

static void assert_is_zero(const kafka_summary *s)
{
    static const kafka_summary zero;
    assert_memory_equal(s, &zero, sizeof zero);
}

static void assert_is_sound(const kafka_summary *s)
{
    assert_true(s->count > 0 && s->min <= s->avg && s->avg <= s->max && s->sum / s->count == s->avg);
    assert_true(s->p50 >= s->min && s->p50 <= s->p99 && s->p99 <= s->max);
    assert_int_equal(s->reserved, 0);
}

static void a_new_writer_has_counted_nothing_and_shows_its_configuration(void **state)
{
    (void)state;
    kafka_writer_stats s;
    kafka_writer *w = writers_new(&(kafka_writer_config){
        .brokers = "127.0.0.1:1", .topic = "t", .async = 1, .dialer = &(kafka_dialer){.client_id = "me"}});
    memset(&s, 1, sizeof s);
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.dials + s.writes + s.messages + s.bytes + s.rebalances + s.errors + s.retries, 0);
    assert_is_zero(&s.dial_time);
    assert_is_zero(&s.write_time);
    assert_is_zero(&s.wait_time);
    assert_is_zero(&s.batch_size);
    assert_is_zero(&s.batch_bytes);
    assert_int_equal(s.max_attempts, 10);
    assert_int_equal(s.max_batch_size, 100);
    assert_int_equal(s.batch_timeout_ms, 1000);
    assert_int_equal(s.read_timeout_ms, 10000);
    assert_int_equal(s.write_timeout_ms, 10000);
    assert_int_equal(s.rebalance_interval_ms, 15000);
    assert_int_equal(s.queue_length, 0);
    assert_int_equal(s.queue_capacity, 100);
    assert_int_equal(s.required_acks, KAFKA_ACKS_ALL);
    assert_int_equal(s.async, 1);
    assert_string_equal(s.client_id, "me");
    assert_string_equal(s.topic, "t");
    kafka_writer_free(w);
}

static void writes_are_counted_since_the_last_snapshot(void **state)
{
    (void)state;
    enum { CALLS = 5, MESSAGES = 20 };
    kafka_cluster *c = writers_cluster(2);
    kafka_writer *w = WRITER(c, .topic = "t");
    kafka_message m[MESSAGES];
    for (int i = 0; i < MESSAGES; i++) m[i] = (kafka_message){.key = KAFKA_LIT("key"), .value = KAFKA_LIT("value")};
    for (int i = 0; i < CALLS; i++) assert_works(kafka_writer_write_messages(w, PATIENTLY, m, MESSAGES, NULL));
    kafka_writer_stats s;
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.dials, 1);
    assert_int_equal(s.dial_time.count, 1);
    assert_true(s.rebalances >= 1);
    assert_int_equal(s.messages, CALLS * MESSAGES);
    assert_int_equal(s.bytes, CALLS * MESSAGES * 8);
    assert_int_equal(s.errors, 0);
    assert_int_equal(s.retries, 0);
    assert_true(s.writes >= 2 && s.writes <= CALLS * 2);
    assert_int_equal(s.batch_size.count, s.writes);
    assert_int_equal(s.batch_size.sum, CALLS * MESSAGES);
    assert_int_equal(s.batch_bytes.count, s.writes);
    assert_true(s.batch_bytes.min >= 61 + 8);
    assert_int_equal(s.write_time.count, CALLS);
    assert_is_sound(&s.write_time);
    assert_true(s.write_time.min > 1000); /* nanoseconds */
    assert_is_sound(&s.wait_time);
    assert_true(s.wait_time.min > 0);
    assert_is_sound(&s.dial_time);
    assert_true(s.dial_time.min > 0);
    assert_is_sound(&s.batch_size);
    assert_is_sound(&s.batch_bytes);
    assert_int_equal(s.queue_length, 0);
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.writes + s.messages + s.bytes + s.dials, 0);
    assert_is_zero(&s.write_time);
    assert_is_zero(&s.batch_size);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void durations_are_nanoseconds_and_sizes_are_those_on_the_wire(void **state)
{
    (void)state;
    enum { DELAY_MS = 60, MESSAGES = 50, BYTES = 1000, MS = 1000000 };
    static char zeros[BYTES];
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .batch_timeout_ms = 60000, /* a call is a batch, however long it takes */
                             .compression = writers_codec(KAFKA_COMPRESSION_LZ4));
    bool compresses = writers_codec(KAFKA_COMPRESSION_LZ4) != KAFKA_COMPRESSION_NONE;
    kafka_message m[MESSAGES];
    for (int i = 0; i < MESSAGES; i++) m[i] = (kafka_message){.value = {zeros, BYTES}};
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 1, NULL));
    kafka_writer_stats s;
    kafka_writer_stats_snapshot(w, &s);
    assert_true(s.dial_time.max < INT64_C(20000) * MS);
    writers_delay(c, DELAY_MS, 1);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, MESSAGES, NULL));
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.dials, 0);
    assert_int_equal(s.writes, 1);
    assert_int_equal(s.bytes, MESSAGES * BYTES); /* before compression */
    assert_int_equal(s.batch_size.sum, MESSAGES);
    assert_true(s.batch_bytes.sum > 61 && (s.batch_bytes.sum < MESSAGES * BYTES / 10) == compresses);
    assert_true(s.wait_time.sum >= DELAY_MS * MS && s.wait_time.sum < INT64_C(20000) * MS);
    assert_true(s.write_time.sum >= s.wait_time.sum && s.write_time.sum < INT64_C(20000) * MS);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

/* Bytes on the wire of a message of 1000 zeros with this codec, in a writer with that one. */
static int64_t sent_bytes(kafka_cluster *c, kafka_compression of_writer, kafka_compression of_message)
{
    static char zeros[1000];
    kafka_writer *w = WRITER(c, .topic = "t", .compression = of_writer);
    kafka_message m = {.value = {zeros, sizeof zeros}, .compression = of_message};
    kafka_writer_stats s;
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    kafka_writer_stats_snapshot(w, &s);
    kafka_writer_free(w);
    return s.batch_bytes.sum;
}

static void a_message_s_own_codec_wins_over_the_writer_s(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    const kafka_compression none = KAFKA_COMPRESSION_NONE, as_the_writer = KAFKA_COMPRESSION_DEFAULT;
    assert_true(sent_bytes(c, as_the_writer, as_the_writer) > 1000);
    for (kafka_compression i = KAFKA_COMPRESSION_GZIP; i <= KAFKA_COMPRESSION_ZSTD; i++) {
        if (writers_codec(i) == none) continue;
        assert_true(sent_bytes(c, i, as_the_writer) < 200);
        assert_true(sent_bytes(c, none, i) < 200);
        assert_true(sent_bytes(c, i, none) > 1000);
    }
    kafka_cluster_free(c);
}

static void a_call_whose_wait_ended_first_is_not_timed(void **state)
{
    (void)state;
    kafka_cluster *c = writers_two_brokers(1);
    kafka_writer *w = WRITER(c, .topic = "t");
    kafka_message m = {.value = KAFKA_LIT("v")}, wrong = {.topic = "other"};
    kafka_writer_stats s;
    writers_hold(c, 1);
    assert_fails(kafka_writer_write_messages(w, KAFKA_WITHIN(20), &m, 1, NULL), KAFKA_ETIMEDOUT, NULL);
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, &wrong, 1, NULL), KAFKA_EINVAL, NULL); /* nothing accepted */
    writers_hold(c, 0);
    assert_works(kafka_writer_flush(w, PATIENTLY));
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.write_time.count, 0);
    assert_int_equal(s.messages, 1);
    assert_int_equal(s.queue_length, 0);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void every_asynchronous_call_counts(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .async = 1);
    kafka_message m = {.value = KAFKA_LIT("v")};
    kafka_writer_stats s;
    for (int i = 0; i < 37; i++) assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.write_time.count, 37);
    assert_is_sound(&s.write_time);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.write_time.count, 1);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void the_queue_is_what_was_accepted_and_has_no_outcome(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .async = 1);
    kafka_message m[3] = {{.value = KAFKA_LIT("v")}, {.topic = "wrong"}, {.value = KAFKA_LIT("v")}};
    kafka_writer_stats s;
    writers_silence(c);
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, m, 3, NULL), KAFKA_EPARTIAL, NULL);
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.queue_length, 2);
    assert_fails(kafka_writer_close(w, KAFKA_WITHIN(0)), KAFKA_ETIMEDOUT, NULL);
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.queue_length, 0);
    assert_int_equal(s.messages, 0);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void refusals_and_retries_are_counted(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .batch_bytes = 1000);
    kafka_writer_stats s;
    static char large[2000];
    kafka_message m = {.value = KAFKA_LIT("v")}, big = {.value = {large, sizeof large}};
    writers_refuse(c, KAFKA_ERR_NOT_ENOUGH_REPLICAS, 2);
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.retries, 2);
    assert_int_equal(s.writes, 3); /* each time */
    assert_int_equal(s.batch_size.count, 3);
    assert_true(s.errors >= 1);
    writers_refuse(c, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL), KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, NULL);
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.errors, 1);
    assert_int_equal(s.messages, 0);
    assert_int_equal(s.retries, 0);
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, &big, 1, NULL), KAFKA_ETOOBIG, NULL);
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.errors, 1);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_shorter_or_longer_struct_is_filled_as_far_as_it_goes(void **state)
{
    (void)state;
    kafka_writer *w = writers_new(&(kafka_writer_config){.brokers = "127.0.0.1:1", .topic = "t"});
    struct {
        kafka_writer_stats known;
        int64_t more[4];
    } s;
    memset(&s, 1, sizeof s);
    kafka_writer_stats_snapshot_sized(w, &s.known, offsetof(kafka_writer_stats, topic));
    assert_int_equal(s.known.async, 0);
    for (size_t i = offsetof(kafka_writer_stats, topic); i < sizeof s; i++) assert_int_equal(((char *)&s)[i], 1);
    kafka_writer_stats_snapshot_sized(w, &s.known, sizeof s);
    assert_string_equal(s.known.topic, "t");
    for (int i = 0; i < 4; i++) assert_int_equal(s.more[i], 0);
    kafka_writer_free(w);
}

/* What several threads have seen in their snapshots. */
typedef struct snapshots {
    kafka_writer *writer;
    atomic_bool over;
    atomic_llong messages, bytes, writes, batches, calls;
} snapshots;

static void *take_snapshots(void *arg)
{
    snapshots *x = arg;
    bool last;
    do {
        kafka_writer_stats s;
        last = atomic_load(&x->over);
        kafka_writer_stats_snapshot(x->writer, &s);
        atomic_fetch_add(&x->messages, s.messages);
        atomic_fetch_add(&x->bytes, s.bytes);
        atomic_fetch_add(&x->writes, s.writes);
        atomic_fetch_add(&x->batches, s.batch_size.count);
        atomic_fetch_add(&x->calls, s.write_time.count);
    } while (!last);
    return NULL;
}

static void of_two_who_take_snapshots_each_sees_a_part_and_nothing_is_lost_or_counted_twice(void **state)
{
    (void)state;
    enum { CALLS = 500, EACH = 10, THREADS = 2 };
    for (int32_t async = 0; async < 2; async++) {
        kafka_cluster *c = writers_cluster(3);
        kafka_writer *w = WRITER(c, .topic = "t", .async = async);
        kafka_message *m = writers_messages(EACH);
        snapshots x = {.writer = w};
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++) threads[i] = calls_start(take_snapshots, &x);
        for (int i = 0; i < CALLS; i++) assert_works(kafka_writer_write_messages(w, PATIENTLY, m, EACH, NULL));
        assert_works(kafka_writer_flush(w, PATIENTLY));
        atomic_store(&x.over, true);
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        assert_int_equal(x.messages, CALLS * EACH);
        assert_int_equal(x.bytes, CALLS * EACH); /* a digit each */
        assert_int_equal(x.calls, CALLS);
        assert_true(x.writes > 0);
        assert_int_equal(x.batches, x.writes);
        writers_messages_free(m);
        kafka_writer_free(w);
        kafka_cluster_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_new_writer_has_counted_nothing_and_shows_its_configuration),
        API_TEST(writes_are_counted_since_the_last_snapshot),
        API_TEST(durations_are_nanoseconds_and_sizes_are_those_on_the_wire),
        API_TEST(a_message_s_own_codec_wins_over_the_writer_s),
        API_TEST(a_call_whose_wait_ended_first_is_not_timed),
        API_TEST(every_asynchronous_call_counts),
        API_TEST(the_queue_is_what_was_accepted_and_has_no_outcome),
        API_TEST(refusals_and_retries_are_counted),
        API_TEST(of_two_who_take_snapshots_each_sees_a_part_and_nothing_is_lost_or_counted_twice),
        API_TEST(a_shorter_or_longer_struct_is_filled_as_far_as_it_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
