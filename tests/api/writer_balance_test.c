/* writer_balance_test.c: the writer and its balancer: which partitions that is offered, also for messages which waited
 * until those of their topic were known. */
#include "api/writers.h"

#include "api/writer.h"

enum { PARTITIONS = 12 };

/* ---- partitions without a leader --------------------------------------------------------------------------------- */

/* A map of three partitions, of which nobody leads number 1. */
static const int32_t ids[] = {0, 1, 2}, led[] = {0, 2};
static const kfk_producer_map some_led = {.count = 3, .available_count = 2, .ids = ids, .available = led};

static kafka_writer *new_writer(kafka_balancer *b)
{
    return writers_new(&(kafka_writer_config){.brokers = "127.0.0.1:1", .topic = "t", .balancer = b});
}

static int32_t offered(kafka_writer *w, const kafka_message *m)
{
    kfk_error err = {0};
    int32_t chosen = kfk_writer_balance(w, m, &some_led, &err);
    assert_int_equal(err.code, chosen < 0 ? chosen : 0);
    return chosen;
}

static void a_key_that_waited_keeps_the_partition_it_has_with_or_without_leader(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_murmur2(false);
    kafka_writer *w = new_writer(b);
    int leaderless = 0;
    for (uint32_t i = 0; i < 300; i++) {
        const kafka_message m = {.topic = "t", .key = {&i, sizeof i}};
        int32_t p = offered(w, &m);
        assert_int_equal(p, kafka_balancer_balance(b, &m, ids, 3));
        leaderless += p == 1;
    }
    assert_in_range(leaderless, 50, 150);
    kafka_writer_free(w);
    kafka_balancer_free(b);
}

static void without_a_key_it_goes_where_somebody_leads(void **state)
{
    (void)state;
    kafka_writer *w = new_writer(NULL);
    const kafka_message m = {.topic = "t"};
    for (int i = 0; i < 10; i++) assert_int_equal(offered(w, &m), led[i % 2]);
    kafka_writer_free(w);
}

static void a_partition_that_is_asked_for_is_taken_with_or_without_leader(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_manual();
    kafka_writer *w = new_writer(b);
    const kafka_message dark = {.topic = "t", .partition = 1}, none = {.topic = "t", .partition = 3};
    assert_int_equal(offered(w, &dark), 1);
    assert_int_equal(offered(w, &none), KAFKA_EINVAL);
    kafka_writer_free(w);
    kafka_balancer_free(b);
}

/* ---- a whole writer ---------------------------------------------------------------------------------------------- */

/* Messages per partition of "t". */
static void count_them(kafka_cluster *c, int64_t *counts)
{
    for (int32_t i = 0; i < PARTITIONS; i++) counts[i] = writers_end(c, "t", i);
}

static void keys_go_to_the_same_partition_before_and_after_partitions_are_known(void **state)
{
    (void)state;
    enum { KEYS = 100 };
    kafka_cluster *c = writers_cluster(PARTITIONS);
    kafka_balancer *b = kafka_balancer_murmur2(true);
    kafka_writer *w = WRITER(c, .topic = "t", .balancer = b);
    int32_t all[PARTITIONS];
    int64_t expected[PARTITIONS] = {0}, counts[PARTITIONS];
    uint32_t numbers[KEYS];
    kafka_message m[KEYS] = {0};
    for (int32_t i = 0; i < PARTITIONS; i++) all[i] = i;
    for (uint32_t i = 0; i < KEYS; i++) {
        numbers[i] = i;
        m[i].key = (kafka_bytes){&numbers[i], sizeof numbers[i]};
        expected[kafka_balancer_balance(b, &m[i], all, PARTITIONS)]++;
    }
    for (int64_t round = 1; round <= 3; round++) { /* the first one waits */
        assert_works(kafka_writer_write_messages(w, PATIENTLY, m, KEYS, NULL));
        count_them(c, counts);
        for (int i = 0; i < PARTITIONS; i++) assert_int_equal(counts[i], expected[i] * round);
    }
    kafka_writer_free(w);
    kafka_balancer_free(b);
    kafka_cluster_free(c);
}

typedef struct seen {
    int calls, wrong;
} seen;

/* By a header; and looks whether everything is there that was written. */
static int32_t by_header(void *userdata, const kafka_message *m, const int32_t *partitions, size_t count)
{
    seen *s = userdata;
    s->calls++;
    if (m->topic == NULL || strcmp(m->topic, "t") != 0 || count != PARTITIONS || m->header_count != 1 ||
        strcmp(m->headers[0].key, "to") != 0 || m->headers[0].value.len != 1 || m->partition != 5) {
        s->wrong++;
        return -1;
    }
    for (size_t i = 0; i < count; i++) s->wrong += partitions[i] != (int32_t)i;
    return *(const char *)m->headers[0].value.data - 'a';
}

static void a_function_sees_the_same_before_and_after_partitions_are_known(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(PARTITIONS);
    seen s = {0};
    kafka_balancer *b = kafka_balancer_func(by_header, &s, NULL);
    kafka_writer *w = WRITER(c, .topic = "t", .balancer = b);
    kafka_balancer_free(b); /* the writer has its own */
    int64_t counts[PARTITIONS];
    char letters[PARTITIONS];
    kafka_header headers[PARTITIONS];
    kafka_message m[PARTITIONS] = {0};
    for (int i = 0; i < PARTITIONS; i++) {
        letters[i] = (char)('a' + i);
        headers[i] = (kafka_header){"to", {&letters[i], 1}};
        m[i] = (kafka_message){.headers = &headers[i], .header_count = 1, .partition = 5};
    }
    for (int round = 1; round <= 2; round++) {
        assert_works(kafka_writer_write_messages(w, PATIENTLY, m, PARTITIONS, NULL));
        count_them(c, counts);
        for (int i = 0; i < PARTITIONS; i++) assert_int_equal(counts[i], round);
    }
    assert_int_equal(s.calls, 2 * PARTITIONS);
    assert_int_equal(s.wrong, 0);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void writers_that_share_a_balancer_take_turns_by_topic(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(2);
    assert_works(kafka_cluster_create_topic(c, "u", 2));
    kafka_balancer *b = kafka_balancer_round_robin();
    kafka_writer *of_t = WRITER(c, .topic = "t", .balancer = b), *again = WRITER(c, .topic = "t", .balancer = b);
    kafka_writer *of_u = WRITER(c, .topic = "u", .balancer = b);
    kafka_balancer_free(b);
    const kafka_message m = {.value = {"v", 1}};
    for (int64_t round = 1; round <= 4; round++) {
        assert_works(kafka_writer_write_messages(of_t, PATIENTLY, &m, 1, NULL));
        assert_works(kafka_writer_write_messages(of_u, PATIENTLY, &m, 1, NULL));
        assert_int_equal(writers_end(c, "u", (int32_t)(round - 1) % 2), (round + 1) / 2);
        assert_works(kafka_writer_write_messages(again, PATIENTLY, &m, 1, NULL));
        assert_int_equal(writers_end(c, "t", 0), round);
        assert_int_equal(writers_end(c, "t", 1), round);
    }
    kafka_writer_free(of_t);
    kafka_writer_free(again);
    kafka_writer_free(of_u);
    kafka_cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_key_that_waited_keeps_the_partition_it_has_with_or_without_leader),
        API_TEST(without_a_key_it_goes_where_somebody_leads),
        API_TEST(a_partition_that_is_asked_for_is_taken_with_or_without_leader),
        API_TEST(keys_go_to_the_same_partition_before_and_after_partitions_are_known),
        API_TEST(a_function_sees_the_same_before_and_after_partitions_are_known),
        API_TEST(writers_that_share_a_balancer_take_turns_by_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
