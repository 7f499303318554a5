/* writer_quick_test.c: asynchronous calls to the writer's own topic, which go the short way as far as that takes them:
 * what they meet on it shows nowhere but in the messages concerned. */
#include "api/writers.h"

enum { BIG = 300 * 1024 };

/* The partitions are known from here on. */
static void warm(kafka_writer *w)
{
    kafka_message m = {.value = KAFKA_LIT("warm")};
    assert_works(kafka_writer_write_messages(w, NULL, &m, 1, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
}

static void assert_told(const told *t, int at, const kafka_message *m, int64_t offset)
{
    assert_ptr_equal(t->items[at].userdata, m->userdata);
    assert_int_equal(t->items[at].err, 0);
    assert_int_equal(t->items[at].offset, offset);
    assert_int_equal(t->items[at].written, KAFKA_WRITTEN_YES);
    assert_true(t->items[at].plain);
}

static void each_message_is_told_its_own_outcome_whichever_way_it_went(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    told *t = calloc(1, sizeof *t);
    kafka_writer *w = WRITER(c, .topic = "t", .async = 1, .on_delivery = tell, .on_delivery_userdata = t);
    warm(w);
    told_await(t, 1);
    char topic[] = "t"; /* the writer's, by another pointer */
    kafka_header header = {"h", KAFKA_LIT("1")};
    kafka_message *m = writers_messages(6);
    int results[6] = {7, 7, 7, 7, 7, 7};
    m[1].topic = topic;
    m[2].headers = &header;
    m[2].header_count = 1;
    m[3].compression = KAFKA_COMPRESSION_NONE;
    m[4].userdata = NULL;
    m[4].time_ms = 4711;
    m[5].time_ms = -1;
    assert_works(kafka_writer_write_messages(w, NULL, m, 6, results));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(atomic_load(&t->count), 7);
    for (int i = 0; i < 6; i++) {
        char value[8];
        snprintf(value, sizeof value, "%d", i);
        assert_int_equal(results[i], 0);
        assert_told(t, i + 1, &m[i], i + 1);
        writers_expect_value(c, "t", 0, i + 1, value);
    }
    assert_int_equal(t->items[5].time_ms, 4711);
    assert_true(t->items[1].time_ms > 1700000000000);
    assert_int_equal(t->items[6].time_ms, t->items[1].time_ms);
    kafka_message *got = writers_read(c, "t", 0, 3);
    assert_int_equal(got->header_count, 1);
    kafka_message_free(got);
    kafka_writer_free(w);
    free(m[0].userdata);
    free(m);
    free(t);
    kafka_cluster_free(c);
}

static void messages_that_cannot_be_accepted_fail_alone_in_the_middle_of_others(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(2);
    kafka_writer *w = WRITER(c, .topic = "t", .async = 1, .batch_bytes = 256 * 1024);
    warm(w);
    char *big = calloc(1, BIG);
    kafka_message m[] = {
        {.value = KAFKA_LIT("0")},
        {.topic = "another", .value = KAFKA_LIT("1")},
        {.value = KAFKA_LIT("2")},
        {.value = {big, BIG}},
        {.value = {NULL, 4}},
        {.key = {NULL, 4}, .value = KAFKA_LIT("5")},
        {.value = KAFKA_LIT("6"), .time_ms = -2},
        {.value = KAFKA_LIT("7"), .reserved = 1},
        {.value = KAFKA_LIT("8"), .compression = 99},
        {.value = KAFKA_LIT("9")},
    };
    const int expected[] = {
        0, KAFKA_EINVAL, 0, KAFKA_ETOOBIG, KAFKA_EINVAL, KAFKA_EINVAL, KAFKA_EINVAL, KAFKA_EINVAL, KAFKA_EINVAL, 0};
    int results[10];
    assert_fails(kafka_writer_write_messages(w, NULL, m, 10, results), KAFKA_EPARTIAL,
                 "7 of 10 messages failed, the first of them, number 1: the message is for topic another");
    for (int i = 0; i < 10; i++) {
        if (i == 8)
            assert_true(results[i] < 0);
        else
            assert_int_equal(results[i], expected[i]);
    }
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_fails(kafka_writer_write_messages(w, NULL, &m[3], 1, results), KAFKA_ETOOBIG, "batch_bytes");
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(writers_total(c, 2), 4);
    kafka_writer_stats stats;
    kafka_writer_stats_snapshot(w, &stats);
    assert_int_equal(stats.messages, 4);
    assert_int_equal(stats.queue_length, 0);
    assert_int_equal(stats.errors, 2); /* limits that refused */
    kafka_writer_free(w);
    free(big);
    kafka_cluster_free(c);
}

static void what_the_buffer_takes_of_a_call_is_accepted_and_the_rest_refused_in_order(void **state)
{
    (void)state;
    enum { COUNT = 600, SIZE = 1000 };
    kafka_cluster *c = writers_two_brokers(1);
    told *t = calloc(1, sizeof *t);
    kafka_writer *w =
        WRITER(c, .topic = "t", .async = 1, .buffer_bytes = 300 * 1024, .on_delivery = tell, .on_delivery_userdata = t);
    warm(w);
    told_await(t, 1);
    writers_hold(c, 1);
    char *value = calloc(1, SIZE);
    kafka_message *m = calloc(COUNT, sizeof *m);
    int *results = calloc(COUNT, sizeof *results), accepted = 0;
    for (uintptr_t i = 0; i < COUNT; i++) m[i] = (kafka_message){.value = {value, SIZE}, .userdata = (void *)(i + 1)};
    assert_fails(kafka_writer_write_messages(w, KAFKA_WITHIN(0), m, COUNT, results), KAFKA_EPARTIAL, "no room");
    while (accepted < COUNT && results[accepted] == 0) accepted++;
    assert_true(accepted > 50 && accepted < 320);
    for (int i = accepted; i < COUNT; i++) assert_int_equal(results[i], KAFKA_EAGAIN);
    kafka_writer_stats stats;
    kafka_writer_stats_snapshot(w, &stats);
    assert_int_equal(stats.queue_length, accepted);
    writers_hold(c, 0);
    /* And with time, all of it: who waited goes on with the message that found no room. */
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m + accepted, (size_t)(COUNT - accepted), NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(atomic_load(&t->count), COUNT + 1);
    for (int i = 0; i < COUNT; i++) assert_told(t, i + 1, &m[i], i + 1);
    kafka_writer_free(w);
    free(results);
    free(value);
    free(m);
    free(t);
    kafka_cluster_free(c);
}

/* Counts in the balancer's own userdata. */
static int32_t count_calls(void *userdata, const kafka_message *m, const int32_t *partitions, size_t count)
{
    (void)m;
    return partitions[atomic_fetch_add((atomic_int *)userdata, 1) % (int)count];
}

static void round_robin_is_asked_once_for_each_message_also_for_those_that_waited(void **state)
{
    (void)state;
    enum { COUNT = 900 };
    kafka_cluster *c = writers_cluster(3);
    atomic_int calls = 0;
    kafka_balancer *mine = kafka_balancer_func(count_calls, &calls, NULL);
    for (int own = 0; own < 2; own++) {
        kafka_writer *w =
            WRITER(c, .topic = "t", .async = 1, .buffer_bytes = 128 * 1024, .balancer = own ? mine : NULL);
        int64_t before = writers_total(c, 3), ends[3];
        char value[1000] = "x";
        kafka_message m[30];
        for (int i = 0; i < 30; i++) m[i] = (kafka_message){.value = {value, sizeof value}};
        for (int i = 0; i < 3; i++) ends[i] = writers_end(c, "t", i);
        for (int i = 0; i < COUNT / 30; i++) assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 30, NULL));
        assert_works(kafka_writer_flush(w, PATIENTLY));
        assert_int_equal(writers_total(c, 3), before + COUNT);
        for (int i = 0; i < 3; i++) assert_int_equal(writers_end(c, "t", i), ends[i] + COUNT / 3);
        kafka_writer_free(w);
    }
    assert_int_equal(atomic_load(&calls), COUNT);
    kafka_balancer_free(mine);
    kafka_cluster_free(c);
}

static void keys_go_where_java_sends_them_and_a_manual_choice_is_checked(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(12);
    kafka_balancer *by[] = {kafka_balancer_murmur2(false), kafka_balancer_sticky(), kafka_balancer_manual()};
    int32_t all[12];
    for (int32_t i = 0; i < 12; i++) all[i] = i;
    for (int b = 0; b < 3; b++) {
        kafka_writer *w = WRITER(c, .topic = "t", .async = 1, .balancer = by[b]);
        kafka_message first = {.key = KAFKA_LIT("k"), .value = KAFKA_LIT("v")};
        assert_works(kafka_writer_write_messages(w, NULL, &first, 1, NULL));
        assert_works(kafka_writer_flush(w, PATIENTLY));
        for (int i = 0; i < 40; i++) {
            char key[16];
            kafka_message m = {.key = {key, (size_t)snprintf(key, sizeof key, "key %d", i)}, .partition = i % 12};
            int32_t expected = kafka_balancer_balance(by[b == 2 ? 2 : 0], &m, all, 12);
            int64_t end = writers_end(c, "t", expected);
            assert_works(kafka_writer_write_messages(w, NULL, &m, 1, NULL));
            assert_works(kafka_writer_flush(w, PATIENTLY));
            assert_int_equal(writers_end(c, "t", expected), end + 1);
        }
        kafka_message astray = {.value = KAFKA_LIT("v"), .partition = 12};
        if (b == 2) assert_fails(kafka_writer_write_messages(w, NULL, &astray, 1, NULL), KAFKA_EINVAL, "partition 12");
        kafka_writer_free(w);
    }
    for (int b = 0; b < 3; b++) kafka_balancer_free(by[b]);
    kafka_cluster_free(c);
}

static void a_single_partition_is_not_taken_for_granted_where_the_message_names_one(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_balancer *manual = kafka_balancer_manual();
    kafka_writer *w = WRITER(c, .topic = "t", .async = 1, .balancer = manual);
    warm(w);
    kafka_message m[] = {
        {.value = KAFKA_LIT("a")}, {.value = KAFKA_LIT("b"), .partition = 1}, {.value = KAFKA_LIT("c")}};
    int results[3];
    assert_fails(kafka_writer_write_messages(w, NULL, m, 3, results), KAFKA_EPARTIAL, "partition 1");
    assert_int_equal(results[0], 0);
    assert_int_equal(results[1], KAFKA_EINVAL);
    assert_int_equal(results[2], 0);
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(writers_end(c, "t", 0), 3);
    kafka_writer_free(w);
    kafka_balancer_free(manual);
    kafka_cluster_free(c);
}

static void new_partitions_are_written_to_by_the_next_call(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .async = 1, .rebalance_interval_ms = 50);
    warm(w);
    assert_works(kafka_cluster_delete_topic(c, "t"));
    assert_works(kafka_cluster_create_topic(c, "t", 3));
    int64_t until = kafka_now_ms() + WRITERS_PATIENCE_MS;
    while (writers_end(c, "t", 2) == 0 && kafka_now_ms() < until) {
        kafka_message m[3] = {{.value = KAFKA_LIT("v")}, {.value = KAFKA_LIT("v")}, {.value = KAFKA_LIT("v")}};
        assert_works(kafka_writer_write_messages(w, NULL, m, 3, NULL));
        assert_works(kafka_writer_flush(w, PATIENTLY));
    }
    assert_true(writers_end(c, "t", 2) > 0);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_closed_writer_takes_nothing_and_a_null_one_is_named(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .async = 1);
    warm(w);
    kafka_message m = {.value = KAFKA_LIT("v")};
    int result = 0;
    assert_works(kafka_writer_close(w, PATIENTLY));
    assert_fails(kafka_writer_write_messages(w, NULL, &m, 1, &result), KAFKA_ECLOSED, "the writer was closed");
    assert_int_equal(result, KAFKA_ECLOSED);
    assert_fails(kafka_writer_write_messages(NULL, NULL, &m, 1, NULL), KAFKA_EINVAL, "the writer is NULL");
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(each_message_is_told_its_own_outcome_whichever_way_it_went),
        API_TEST(messages_that_cannot_be_accepted_fail_alone_in_the_middle_of_others),
        API_TEST(what_the_buffer_takes_of_a_call_is_accepted_and_the_rest_refused_in_order),
        API_TEST(round_robin_is_asked_once_for_each_message_also_for_those_that_waited),
        API_TEST(keys_go_where_java_sends_them_and_a_manual_choice_is_checked),
        API_TEST(a_single_partition_is_not_taken_for_granted_where_the_message_names_one),
        API_TEST(new_partitions_are_written_to_by_the_next_call),
        API_TEST(a_closed_writer_takes_nothing_and_a_null_one_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
