/* Writers whose users do what nobody expects: numbers at the ends of their ranges, budgets that hold next to nothing,
 * thousands of messages a call of which some fail, more topics than are remembered, tokens at any time, callbacks that
 * write. What was promised has to hold all the same: a result for each message, and the log says the same. */
#include "api/writers.h"

/* ---- many messages, some of which fail --------------------------------------------------------------------------- */

enum { MANY = 10000, WIDE = 100, ODD_ONE = 4300 };

static int32_t by_key(void *userdata, const kafka_message *m, const int32_t *partitions, size_t count)
{
    (void)userdata;
    unsigned number;
    memcpy(&number, m->key.data, sizeof number);
    return partitions[number % count];
}

/* 10 000 messages for 100 partitions; message i is for partition i % 100, its key and its value are i. */
typedef struct crowd {
    kafka_cluster *cluster;
    kafka_balancer *balancer;
    unsigned *numbers;
    kafka_message *messages;
    int *results;
} crowd;

static void crowd_begin(crowd *x)
{
    *x = (crowd){.numbers = calloc(MANY, sizeof(unsigned)),
                 .messages = calloc(MANY, sizeof(kafka_message)),
                 .results = calloc(MANY, sizeof(int)),
                 .balancer = kafka_balancer_func(by_key, NULL, NULL)};
    assert_works(kafka_cluster_new(&(kafka_cluster_config){.brokers = 3, .no_auto_create = 1}, &x->cluster));
    assert_works(kafka_cluster_create_topic(x->cluster, "t", WIDE));
    for (unsigned i = 0; i < MANY; i++) {
        x->numbers[i] = i;
        x->messages[i].key = x->messages[i].value = KAFKA_BYTES(&x->numbers[i], sizeof(unsigned));
    }
}

static void crowd_end(crowd *x)
{
    kafka_balancer_free(x->balancer);
    kafka_cluster_free(x->cluster);
    free(x->numbers);
    free(x->messages);
    free(x->results);
}

/* What a partition has is what the results say: all of one that is written, in order; nothing of one that failed. */
static void crowd_expect_partition(crowd *x, int32_t partition, bool is_written)
{
    kafka_conn *conn = NULL;
    assert_int_equal(writers_end(x->cluster, "t", partition), is_written ? MANY / WIDE : 0);
    if (!is_written) return;
    assert_works(kafka_dial_leader(NULL, PATIENTLY, kafka_cluster_bootstrap(x->cluster), "t", partition, &conn));
    for (unsigned i = 0; i < MANY / WIDE; i++) {
        kafka_message *m = NULL;
        unsigned number;
        assert_works(kafka_conn_read_message(conn, 0, &m));
        memcpy(&number, m->value.data, sizeof number);
        assert_int_equal(number, (unsigned)partition + i * WIDE);
        kafka_message_free(m);
    }
    kafka_conn_free(conn);
}

/* Partition p is led by broker 1 + p % 3, and two of the three refuse, each for a reason of its own. */
static int code_of(int message)
{
    static const int codes[] = {0, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, KAFKA_ERR_POLICY_VIOLATION};
    return message == ODD_ONE ? KAFKA_EINVAL : codes[message % WIDE % 3];
}

static void of_ten_thousand_messages_exactly_those_fail_that_were_refused(void **state)
{
    (void)state;
    crowd x;
    crowd_begin(&x);
    kafka_writer *w = WRITER(x.cluster, .topic = "t", .balancer = x.balancer, .batch_timeout_ms = 60000);
    for (int32_t p = 0; p < WIDE; p++) assert_works(kafka_cluster_move_leader(x.cluster, "t", p, 1 + p % 3));
    for (int i = 1; i < 3; i++) {
        kafka_fault f = kafka_fault_on(KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE);
        f.broker = 1 + i;
        f.error = code_of(i);
        f.count = KAFKA_NEVER;
        writers_fault(x.cluster, f);
    }
    x.messages[ODD_ONE].topic = "other";
    int failed = 0, refusing = 0;
    for (int i = 0; i < MANY; i++) failed += code_of(i) != 0;
    for (int i = 0; i < WIDE; i++) refusing += i % 3 != 0;
    char expected[96];
    snprintf(expected, sizeof expected, "%d of 10000 messages failed, the first of them, number 1: topic t partition 1",
             failed);
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, x.messages, MANY, x.results), KAFKA_EPARTIAL, expected);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    for (int i = 0; i < MANY; i++) assert_int_equal(x.results[i], code_of(i));
    for (int32_t p = 0; p < WIDE; p++) {
        if (p != ODD_ONE % WIDE) crowd_expect_partition(&x, p, p % 3 == 0);
    }
    assert_int_equal(writers_end(x.cluster, "t", ODD_ONE % WIDE), MANY / WIDE - 1);
    kafka_writer_stats s;
    kafka_writer_stats_snapshot(w, &s);
    assert_int_equal(s.dials, 3); /* one connection to a broker, whatever it leads */
    assert_int_equal(s.messages, MANY - failed);
    assert_int_equal(s.bytes, (MANY - failed) * 8);
    assert_int_equal(s.errors, refusing); /* batches: one of each partition that is refused */
    assert_int_equal(s.queue_length, 0);
    kafka_writer_free(w);
    crowd_end(&x);
}

static void ten_thousand_messages_survive_what_passes(void **state)
{
    (void)state;
    crowd x;
    crowd_begin(&x);
    kafka_writer *w =
        WRITER(x.cluster, .topic = "t", .balancer = x.balancer, .compression = writers_codec(KAFKA_COMPRESSION_LZ4));
    const kafka_fault_kind kinds[] = {KAFKA_FAULT_DROP, KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_FAULT_APPLY_THEN_ERROR};
    for (unsigned i = 0; i < 3; i++) {
        kafka_fault f = kafka_fault_on(kinds[i], KAFKA_REQUEST_PRODUCE);
        f.error = KAFKA_ERR_NOT_LEADER_FOR_PARTITION;
        f.broker = (int32_t)i + 1;
        writers_fault(x.cluster, f);
    }
    assert_works(kafka_writer_write_messages(w, PATIENTLY, x.messages, MANY, x.results));
    for (int i = 0; i < MANY; i++) assert_int_equal(x.results[i], 0);
    for (int32_t p = 0; p < WIDE; p++) crowd_expect_partition(&x, p, true);
    kafka_writer_free(w);
    crowd_end(&x);
}

typedef struct firing {
    kafka_cancel *token;
    kafka_cluster *cluster;
} firing;

static void *fire_at_the_first_request(void *arg)
{
    firing *x = arg;
    writers_await(x->cluster, KAFKA_REQUEST_PRODUCE, 1);
    kafka_cancel_fire(x->token);
    return NULL;
}

static void a_token_in_the_middle_leaves_every_message_with_a_result_and_one_callback(void **state)
{
    (void)state;
    static told t;
    memset(&t, 0, sizeof t);
    crowd x;
    crowd_begin(&x);
    kafka_writer *w =
        WRITER(x.cluster, .topic = "t", .balancer = x.balancer, .on_delivery = tell, .on_delivery_userdata = &t);
    for (int32_t p = 0; p < WIDE; p += 3) assert_works(kafka_cluster_hold_replication(x.cluster, "t", p, 1));
    firing fire = {.cluster = x.cluster};
    assert_works(kafka_cancel_new(&fire.token));
    for (int i = 0; i < MANY; i++) x.messages[i].userdata = &x.numbers[i];
    pthread_t thread = calls_start(fire_at_the_first_request, &fire);
    kafka_ctx ctx = {.cancel = fire.token};
    assert_fails(kafka_writer_write_messages(w, &ctx, x.messages, MANY, x.results), KAFKA_ECANCELED, "still being");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    pthread_join(thread, NULL);
    int pending = 0;
    for (int i = 0; i < MANY; i++) {
        assert_true(x.results[i] == 0 || x.results[i] == KAFKA_EPENDING);
        pending += x.results[i] == KAFKA_EPENDING;
    }
    assert_true(pending > 0);
    for (int32_t p = 0; p < WIDE; p += 3) assert_works(kafka_cluster_hold_replication(x.cluster, "t", p, 0));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(t.count, MANY);
    static bool seen[MANY];
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < MANY; i++) {
        unsigned number = *(unsigned *)t.items[i].userdata;
        assert_int_equal(t.items[i].err, 0);
        assert_false(seen[number]);
        seen[number] = true;
    }
    for (int32_t p = 0; p < WIDE; p++) crowd_expect_partition(&x, p, true);
    kafka_writer_free(w);
    kafka_cancel_free(fire.token);
    crowd_end(&x);
}

/* ---- numbers at the ends of their ranges ------------------------------------------------------------------------- */

static void the_largest_numbers_are_no_limit_and_nothing_overflows(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(2);
    const kafka_dialer dialer = {.timeout_ms = INT64_MAX, .keep_alive_ms = INT64_MAX};
    kafka_writer_config cfg = {.brokers = kafka_cluster_bootstrap(c),
                               .topic = "t",
                               .dialer = &dialer,
                               .batch_timeout_ms = INT64_MAX,
                               .read_timeout_ms = INT64_MAX,
                               .write_timeout_ms = INT64_MAX,
                               .rebalance_interval_ms = INT64_MAX,
                               .buffer_bytes = INT64_MAX,
                               .max_attempts = INT32_MAX,
                               .queue_capacity = INT32_MAX,
                               .batch_size = INT32_MAX,
                               .batch_bytes = INT32_MAX,
                               .delivery_timeout_ms = INT64_MAX};
    const kafka_message m = {.value = KAFKA_LIT("v")};
    for (cfg.async = 0; cfg.async < 2; cfg.async++) {
        kafka_writer *w = writers_new(&cfg);
        const kafka_ctx ctx = {.deadline = INT64_MAX};
        for (int i = 0; i < 3; i++) {
            assert_works(kafka_writer_write_messages(w, cfg.async ? KAFKA_WITHIN(INT64_MAX) : PATIENTLY, &m, 1, NULL));
            assert_works(kafka_writer_write_messages(w, &ctx, &m, 1, NULL));
        }
        assert_works(kafka_writer_flush(w, KAFKA_WITHIN(INT64_MAX)));
        assert_works(kafka_writer_close(w, KAFKA_WITHIN(INT64_MAX)));
        kafka_writer_free(w);
    }
    assert_int_equal(writers_total(c, 2), 12);
    kafka_cluster_free(c);
}

static void the_smallest_numbers_work_as_well(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(2);
    kafka_message *m = writers_messages(500);
    kafka_writer_config cfg = {.brokers = kafka_cluster_bootstrap(c),
                               .topic = "t",
                               .batch_timeout_ms = 1,
                               .rebalance_interval_ms = 1,
                               .buffer_bytes = 1100,
                               .max_attempts = 1,
                               .queue_capacity = 1,
                               .batch_size = 1,
                               .batch_bytes = 80};
    for (cfg.async = 0; cfg.async < 2; cfg.async++) {
        kafka_writer *w = writers_new(&cfg);
        assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 500, NULL));
        assert_works(kafka_writer_close(w, PATIENTLY));
        kafka_writer_free(w);
        assert_int_equal(writers_total(c, 2), 500 * (cfg.async + 1));
    }
    writers_messages_free(m);
    kafka_cluster_free(c);
}

static void a_message_above_buffer_bytes_is_refused_at_once_and_the_limit_is_named(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    static char large[5000];
    kafka_message m[3] = {{.value = KAFKA_LIT("v")}, {.value = {large, sizeof large}}, {.value = KAFKA_LIT("v")}};
    for (int32_t async = 0; async < 2; async++) {
        kafka_writer *w = WRITER(c, .topic = "t", .buffer_bytes = 4000, .async = async);
        for (int known = 0; known < 2; known++) { /* once as the first, before the topic's partitions are known */
            int results[3];
            assert_fails(kafka_writer_write_messages(w, PATIENTLY, known ? m : &m[1], known ? 3 : 1, results),
                         known ? KAFKA_EPARTIAL : KAFKA_ETOOBIG, "buffer_bytes, 4000");
            assert_int_equal(results[known], KAFKA_ETOOBIG);
            if (known) assert_true(results[0] == 0 && results[2] == 0);
        }
        kafka_writer_free(w);
        assert_int_equal(writers_end(c, "t", 0), 2 * (async + 1));
    }
    kafka_cluster_free(c);
}

/* ---- more topics than are remembered ----------------------------------------------------------------------------- */

static void one_topic_too_many_is_refused_and_the_others_go_on(void **state)
{
    (void)state;
    enum { NAMES = 65536 };
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = NULL, .async = 1, .buffer_bytes = 1 << 30, .no_idempotence = 1);
    kafka_message m = {.topic = "t", .value = KAFKA_LIT("v")};
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    char name[16];
    for (int i = 1; i < NAMES; i++) {
        snprintf(name, sizeof name, "n%d", i);
        m.topic = name;
        assert_works(kafka_writer_write_messages(w, KAFKA_WITHIN(0), &m, 1, NULL));
    }
    m.topic = "one-too-many";
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL), KAFKA_EAGAIN, "65536 names");
    m.topic = "t";
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    int64_t until = kafka_now_ms() + WRITERS_PATIENCE_MS;
    while (writers_end(c, "t", 0) < 2 && kafka_now_ms() < until) poll(NULL, 0, 1);
    assert_int_equal(writers_end(c, "t", 0), 2);
    assert_fails(kafka_writer_close(w, KAFKA_WITHIN(0)), KAFKA_ETIMEDOUT, NULL);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

/* ---- topics that are not there ----------------------------------------------------------------------------------- */

static void a_topic_that_is_not_there_does_not_keep_others_waiting(void **state)
{
    (void)state;
    static told t;
    memset(&t, 0, sizeof t);
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = NULL, .async = 1, .on_delivery = tell, .on_delivery_userdata = &t);
    kafka_message m[2] = {{.topic = "nowhere", .value = KAFKA_LIT("v")}, {.topic = "t", .value = KAFKA_LIT("v")}};
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 2, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(t.count, 2);
    assert_int_equal(t.items[0].err, 0); /* the other one's, which was accepted later */
    assert_int_equal(t.items[0].offset, 0);
    assert_int_equal(t.items[1].err, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(t.items[1].partition, -1);
    assert_int_equal(t.items[1].written, KAFKA_WRITTEN_NO);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

/* ---- writers whose callbacks write to each other ----------------------------------------------------------------- */

typedef struct couple {
    kafka_writer *writer, *other; /* who tells, whom it writes to */
    atomic_int *left, *accepted, *ended, *wrong;
} couple;

static void write_to_the_other(void *userdata, const kafka_message *msgs, size_t count, int err)
{
    couple *x = userdata;
    const kafka_message m = {.value = KAFKA_LIT("again")};
    int result;
    (void)msgs;
    (void)err;
    atomic_fetch_add(x->ended, (int)count);
    if (atomic_fetch_sub(x->left, 1) <= 0) return;
    int code = kafka_writer_write_messages(x->other, KAFKA_WITHIN(0), &m, 1, &result);
    if (code == 0) atomic_fetch_add(x->accepted, 1);
    if (code != result || (code != 0 && code != KAFKA_EAGAIN && code != KAFKA_ECLOSED)) atomic_fetch_add(x->wrong, 1);
    code = kafka_writer_flush(x->other, KAFKA_WITHIN(0));
    if (code != KAFKA_EAGAIN && code != KAFKA_ECLOSED) atomic_fetch_add(x->wrong, 1);
}

static void *write_much(void *arg)
{
    couple *x = arg;
    static char large[3000];
    for (int i = 0; i < 400; i++) {
        kafka_message m[5];
        int results[5];
        for (int k = 0; k < 5; k++) m[k] = (kafka_message){.value = {large, (size_t)(i * 7 + k * 501) % sizeof large}};
        m[i % 5].key = (kafka_bytes){NULL, i % 20 == 0 ? 4 : 0}; /* malformed now and then */
        int code = kafka_writer_write_messages(x->writer, KAFKA_WITHIN(i % 3), m, 5, results);
        for (int k = 0; k < 5; k++) atomic_fetch_add(x->accepted, results[k] == 0);
        if (code == KAFKA_ECLOSED) break;
    }
    return NULL;
}

static void two_whose_callbacks_write_to_each_other_tell_each_message_once(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    for (int round = 0; round < 3; round++) { /* with room, without, and closed in the middle */
        kafka_cluster *c = writers_cluster(5);
        atomic_int left = 2000, accepted = 0, ended = 0, wrong = 0;
        couple x[2];
        pthread_t threads[THREADS];
        for (int i = 0; i < 2; i++) {
            x[i] = (couple){.left = &left, .accepted = &accepted, .ended = &ended, .wrong = &wrong};
            x[i].writer =
                WRITER(c, .topic = "t", .async = 1, .batch_timeout_ms = 5, .buffer_bytes = round == 1 ? 100000 : 0,
                       .on_delivery = write_to_the_other, .on_delivery_userdata = &x[i]);
        }
        for (int i = 0; i < 2; i++) x[i].other = x[1 - i].writer;
        for (int i = 0; i < THREADS; i++) threads[i] = calls_start(write_much, &x[i % 2]);
        if (round < 2) {
            for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        } else {
            writers_await(c, KAFKA_REQUEST_PRODUCE, 20);
        }
        for (int i = 0; i < 2; i++) {
            int code = kafka_writer_close(x[i].writer, round < 2 ? PATIENTLY : KAFKA_WITHIN(0));
            assert_true(code == 0 || (round == 2 && code == KAFKA_ETIMEDOUT));
        }
        for (int i = 0; i < THREADS && round == 2; i++) pthread_join(threads[i], NULL);
        assert_int_equal(wrong, 0);
        assert_int_equal(ended, accepted);
        for (int i = 0; i < 2; i++) kafka_writer_free(x[i].writer);
        assert_int_equal(ended, accepted);
        kafka_cluster_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(of_ten_thousand_messages_exactly_those_fail_that_were_refused),
        API_TEST(ten_thousand_messages_survive_what_passes),
        API_TEST(a_token_in_the_middle_leaves_every_message_with_a_result_and_one_callback),
        API_TEST(the_largest_numbers_are_no_limit_and_nothing_overflows),
        API_TEST(the_smallest_numbers_work_as_well),
        API_TEST(a_message_above_buffer_bytes_is_refused_at_once_and_the_limit_is_named),
        API_TEST(one_topic_too_many_is_refused_and_the_others_go_on),
        API_TEST(two_whose_callbacks_write_to_each_other_tell_each_message_once),
        API_TEST(a_topic_that_is_not_there_does_not_keep_others_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
