/* Reading when there is nothing yet: until when it waits, and what ends that. */
#include "api/calls.h"
#include "wire/gen/fetch.h"

static void an_empty_partition_costs_exactly_the_deadline(void **state)
{
    (void)state;
    tcp_peer *p = calls_peer_with(0, NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    kafka_message *m = NULL;
    char buf[8];
    size_t len = 77;
    int64_t last;
    static const int64_t times[] = {1, 30, 150, 700};
    for (size_t i = 0; i < 4; i++) {
        int64_t before = kafka_now_ms(), deadline = kafka_deadline_in(times[i]);
        kafka_conn_set_read_deadline(c, deadline);
        assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_ETIMEDOUT, "deadline");
        assert_true(kafka_now_ms() >= deadline);
        assert_took(before, times[i]);
        assert_fails(kafka_conn_read(c, buf, sizeof buf, &len), KAFKA_ETIMEDOUT, "deadline");
        assert_int_equal(len, 77);
    }
    assert_null(m);
    kafka_conn_set_read_deadline(c, 0);
    assert_works(
        kafka_conn_read_last_offset(c, &last)); /* answered behind all that was sent: the peer has counted it */
    int fetches = tcp_peer_requests(p, KFK_API_FETCH);
    assert_true(fetches <= 14);
    kafka_conn_set_read_deadline(c, kafka_deadline_in(0));
    assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_ETIMEDOUT, "nothing was sent");
    assert_int_equal(tcp_peer_requests(p, KFK_API_FETCH), fetches);
    kafka_conn_set_read_deadline(c, 0);
    assert_works(kafka_conn_write(c, "v0", 2));
    calls_expect_message(c, 0, "v0");
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void answer_nothing_at_once(tcp_call *call, void *answer, void *arg)
{
    kfk_fetch_response *a = answer;
    (void)call;
    (void)arg;
    a->responses.items[0].partitions.items[0].records.bytes.len = 0;
}

/* Ten times a second at most. */
static void a_broker_that_answers_nothing_at_once_is_not_asked_all_the_time(void **state)
{
    (void)state;
    enum { NOTHING = 5 };
    tcp_rule rules[] = {{.api = KFK_API_FETCH, .times = NOTHING, .edit = answer_nothing_at_once}};
    tcp_peer *p = calls_peer_with(1, rules, 1);
    kafka_conn *c = calls_dial(p, 0);
    int64_t before = kafka_now_ms();
    calls_expect_message(c, 0, "v0");
    assert_took(before, NOTHING * 99);
    assert_int_equal(tcp_peer_requests(p, KFK_API_FETCH), NOTHING + 1);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void *write_when_read(void *arg)
{
    void **both = arg;
    if (!tcp_peer_saw(both[0], KFK_API_FETCH, 1)) return "nothing came";
    return kafka_conn_write(both[1], "late", 4) == 0 ? NULL : "the write failed";
}

static void a_message_that_comes_late_ends_the_waiting_and_a_write_gets_through(void **state)
{
    (void)state;
    tcp_peer *p = calls_peer_with(0, NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    void *both[] = {p, c}, *failure;
    int64_t before = kafka_now_ms();
    pthread_t t = calls_start(write_when_read, both);
    calls_expect_message(c, 0, "late");
    pthread_join(t, &failure);
    assert_null(failure);
    assert_took(before, 0);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void *read_one(void *arg)
{
    kafka_message *m = NULL;
    int err = kafka_conn_read_message(arg, 0, &m);
    kafka_message_free(m);
    return (void *)(intptr_t)err;
}

static int result_of(pthread_t t)
{
    void *result;
    pthread_join(t, &result);
    return (int)(intptr_t)result;
}

static void whatever_ends_a_read_reaches_it_while_it_waits(void **state)
{
    (void)state;
    tcp_peer *p = calls_peer_with(0, NULL, 0);
    kafka_cancel *token;
    assert_works(kafka_cancel_new(&token));
    kafka_conn *c = calls_dial(p, 0);
    int64_t before = kafka_now_ms();

    pthread_t t = calls_start(read_one, c), second = calls_start(read_one, c); /* the second one waits for its turn */
    tcp_peer_wait(p, KFK_API_FETCH, 1);
    kafka_conn_set_deadline(c, kafka_deadline_in(50));
    assert_int_equal(result_of(t), KAFKA_ETIMEDOUT);
    assert_int_equal(result_of(second), KAFKA_ETIMEDOUT);
    assert_took(before, 50);

    before = kafka_now_ms();
    kafka_conn_set_deadline(c, 0);
    t = calls_start(read_one, c);
    second = calls_start(read_one, c);
    tcp_peer_wait(p, KFK_API_FETCH, 2);
    kafka_conn_set_cancel(c, token);
    kafka_cancel_fire(token);
    assert_int_equal(result_of(t), KAFKA_ECANCELED);
    assert_int_equal(result_of(second), KAFKA_ECANCELED);
    assert_int_equal((intptr_t)read_one(c), KAFKA_ECANCELED);
    assert_took(before, 0);

    before = kafka_now_ms();
    kafka_conn_set_cancel(c, NULL);
    t = calls_start(read_one, c);
    second = calls_start(read_one, c);
    tcp_peer_wait(p, KFK_API_FETCH, 3);
    assert_works(kafka_conn_close(c));
    assert_int_equal(result_of(t), KAFKA_ECLOSED);
    assert_int_equal(result_of(second), KAFKA_ECLOSED);
    assert_int_equal((intptr_t)read_one(c), KAFKA_ECLOSED);
    assert_took(before, 0);
    kafka_cancel_free(token);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_hang_up_reaches_a_read_and_all_later_calls(void **state)
{
    (void)state;
    tcp_rule held = {.api = KFK_API_FETCH, .hold = true}; /* else it may just have been answered */
    tcp_peer *p = calls_peer_with(0, &held, 1);
    kafka_conn *c = calls_dial(p, 0);
    kafka_message *m;
    pthread_t t = calls_start(read_one, c);
    tcp_peer_wait(p, KFK_API_FETCH, 1);
    tcp_peer_hang_up(p);
    assert_int_equal(result_of(t), KAFKA_EUNEXPECTED_EOF);
    for (int i = 0; i < 2; i++)
        assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_EUNEXPECTED_EOF, "while it owed an answer to Fetch");
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_EUNEXPECTED_EOF, "while it owed an answer to Fetch");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(an_empty_partition_costs_exactly_the_deadline),
        API_TEST(a_broker_that_answers_nothing_at_once_is_not_asked_all_the_time),
        API_TEST(a_message_that_comes_late_ends_the_waiting_and_a_write_gets_through),
        API_TEST(whatever_ends_a_read_reaches_it_while_it_waits),
        API_TEST(a_hang_up_reaches_a_read_and_all_later_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
