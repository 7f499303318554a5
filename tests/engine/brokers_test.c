/* What answers do to the table of brokers. */
#include "support/memcheck.h"

#include "engine/answers.h"
#include <stdio.h>
#include <stdlib.h>

static kfk_brokers brokers;
static kfk_ignored ignored;
static kfk_error error;
static uint64_t number;

static void begin(void)
{
    kfk_brokers_init(&brokers, 7);
    ignored.count = 0;
    number = 1;
}

static int apply(const answer *a)
{
    return kfk_brokers_apply(&brokers, &a->message, ++number, &ignored, &error);
}

static const char *host_of(int32_t id)
{
    const kfk_node *n = kfk_brokers_find(&brokers, id);
    return n && kfk_brokers_is_named(&brokers, n) ? n->host : "";
}

static void brokers_are_those_of_the_newest_answer(void **state)
{
    (void)state;
    answer a;
    kfk_hostport at;
    begin();
    answer_init(&a);
    a.brokers[0].rack = kafka_str("r");
    assert_int_equal(apply(&a), 0);
    assert_int_equal(kfk_brokers_count(&brokers), 3);
    assert_string_equal(kfk_brokers_find(&brokers, 1)->rack, "r");
    kfk_node_address(kfk_brokers_find(&brokers, 2), &at);
    assert_string_equal(at.host, "h2");
    assert_int_equal(at.port, 1);
    memset(&a, 0, sizeof a);
    answer_broker(&a, 2, "h2b", 5);
    answer_broker(&a, 9, "h9", 5);
    assert_int_equal(apply(&a), 0);
    assert_int_equal(kfk_brokers_count(&brokers), 2);
    assert_string_equal(host_of(1), "");
    assert_string_equal(host_of(2), "h2b");
    assert_int_equal(kfk_brokers_next(&brokers, NULL)->id, 2);
    kfk_brokers_sweep(&brokers);
    assert_null(kfk_brokers_find(&brokers, 1));
    kfk_brokers_forget(&brokers);
    assert_int_equal(kfk_brokers_count(&brokers), 0);
    kfk_brokers_fini(&brokers);
}

static void what_cannot_be_a_broker_is_ignored_and_the_first_of_two_counts(void **state)
{
    (void)state;
    static char long_host[257];
    answer a;
    begin();
    memset(long_host, 'h', sizeof long_host - 1);
    memset(&a, 0, sizeof a);
    answer_broker(&a, -7, "h", 1);
    answer_broker(&a, 1, "first", 1);
    answer_broker(&a, 1, "second", 1);
    answer_broker(&a, 2, "h", 0);
    answer_broker(&a, 3, "h", -1);
    answer_broker(&a, 4, "h", 70000);
    answer_broker(&a, 5, "", 1);
    answer_broker(&a, 6, long_host, 1);
    answer_broker(&a, 7, "h\nforged line", 1);
    answer_broker(&a, 8, "h", 1);
    a.brokers[9].host.len = 2; /* "h\0" */
    answer_broker(&a, 9, "fe80::1", 65535);
    assert_int_equal(apply(&a), 0);
    assert_int_equal(ignored.count, 9);
    assert_string_equal(ignored.first, "broker -7 at \"h\" port 1");
    assert_int_equal(kfk_brokers_count(&brokers), 2);
    assert_string_equal(host_of(1), "first");
    assert_string_equal(host_of(9), "fe80::1");
    kfk_brokers_fini(&brokers);
}

static void an_answer_without_any_broker_is_none(void **state)
{
    (void)state;
    answer a;
    begin();
    answer_init(&a);
    assert_int_equal(apply(&a), 0);
    memset(&a, 0, sizeof a);
    assert_int_equal(apply(&a), KAFKA_EPROTO);
    answer_broker(&a, -1, "h", 1);
    assert_int_equal(apply(&a), KAFKA_EPROTO);
    a.message.brokers.count = -1;
    assert_int_equal(apply(&a), KAFKA_EPROTO);
    assert_int_equal(kfk_brokers_count(&brokers), 3);
    kfk_brokers_fini(&brokers);
}

static void ten_thousand_brokers_are_enough(void **state)
{
    (void)state;
    enum { MANY = 12000 };
    kfk_metadata_response_broker *items = calloc(MANY, sizeof *items);
    kfk_metadata_response m = {.brokers = {items, MANY}};
    assert_non_null(items);
    begin();
    for (int round = 0; round < 4; round++) {
        for (int32_t i = 0; i < MANY; i++)
            items[i] = (kfk_metadata_response_broker){.node_id = round * MANY + i, .host = kafka_str("h"), .port = 1};
        int err = kfk_brokers_apply(&brokers, &m, ++number, &ignored, &error);
        assert_true(err == 0 || err == KAFKA_ETOOBIG);
        assert_true(brokers.by_id.count <= 20000);
        kfk_brokers_sweep(&brokers);
    }
    assert_string_equal(ignored.first, "12000 brokers, 10000 are the most that are looked at");
    free(items);
    kfk_brokers_fini(&brokers);
}

static int moves;

static void count_move(kfk_node *n)
{
    assert_int_equal(n->id, 1);
    moves++;
}

static void a_broker_that_is_named_by_the_way_is_one_until_the_next_answer(void **state)
{
    (void)state;
    answer a;
    kafka_bytes none = {0};
    begin();
    moves = 0;
    brokers.moved = count_move;
    answer_init(&a);
    a.brokers[0].rack = kafka_str("r");
    assert_int_equal(kfk_brokers_learn(&brokers, 4, kafka_str("h4"), 1, none), 0); /* before any answer */
    assert_string_equal(host_of(4), "h4");
    assert_int_equal(apply(&a), 0);
    assert_string_equal(host_of(4), "");
    assert_int_equal(kfk_brokers_learn(&brokers, 4, kafka_str("h4"), 1, none), 0);
    assert_string_equal(host_of(4), "h4");
    assert_int_equal(kfk_brokers_learn(&brokers, 1, kafka_str("h1"), 1, none), 0);
    assert_int_equal(moves, 0);
    assert_int_equal(kfk_brokers_learn(&brokers, 1, kafka_str("h1"), 2, none), 0);
    assert_int_equal(moves, 1);
    assert_string_equal(kfk_brokers_find(&brokers, 1)->rack, "r");
    assert_int_equal(kfk_brokers_learn(&brokers, -1, kafka_str("h"), 1, none), KAFKA_EINVAL);
    assert_int_equal(kfk_brokers_learn(&brokers, 5, kafka_str("bad host"), 1, none), KAFKA_EINVAL);
    assert_int_equal(kfk_brokers_learn(&brokers, 5, none, 1, none), KAFKA_EINVAL);
    kfk_brokers_fini(&brokers);
}

static void without_memory_nobody_is_taken_away(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        answer a;
        begin();
        answer_init(&a);
        a.brokers[0].rack = kafka_str("r");
        int err = apply(&a);
        if (err == 0) {
            a.brokers[0].host = kafka_str("elsewhere");
            a.brokers[0].rack = kafka_str("another");
            answer_broker(&a, 4, "h4", 1);
            err = apply(&a);
            assert_true(kfk_brokers_count(&brokers) >= 3);
        }
        assert_int_equal(err, memcheck_failed() && err != 0 ? KAFKA_ENOMEM : 0);
        kfk_brokers_fini(&brokers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(brokers_are_those_of_the_newest_answer),
        MEMCHECK_TEST(what_cannot_be_a_broker_is_ignored_and_the_first_of_two_counts),
        MEMCHECK_TEST(an_answer_without_any_broker_is_none),
        MEMCHECK_TEST(ten_thousand_brokers_are_enough),
        MEMCHECK_TEST(a_broker_that_is_named_by_the_way_is_one_until_the_next_answer),
        MEMCHECK_TEST(without_memory_nobody_is_taken_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
