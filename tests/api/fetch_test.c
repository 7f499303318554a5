/* The bounds of a fetch: what the broker is asked for, and how long is waited. */
#include "api/calls.h"
#include "wire/gen/fetch.h"

typedef struct asked {
    int32_t max_wait_ms, min_bytes, max_bytes, partition_max_bytes;
    int8_t isolation;
    int64_t offset;
} asked;

static void note_fetch(tcp_call *call, void *answer, void *arg)
{
    const kfk_fetch_request *r = call->request;
    const kfk_fetch_request_partition *rp = &r->topics.items[0].partitions.items[0];
    (void)answer;
    *(asked *)arg = (asked){r->max_wait_ms,          r->min_bytes,       r->max_bytes,
                            rp->partition_max_bytes, r->isolation_level, rp->fetch_offset};
}

/* With this time, again and again until that is enough for the machine. */
static kafka_batch *read_within(kafka_conn *c, int64_t ms, const kafka_fetch *bounds)
{
    kafka_batch *b = NULL;
    int64_t patience = kafka_deadline_in(CALLS_PATIENCE_MS);
    int err;
    do {
        kafka_conn_set_read_deadline(c, kafka_deadline_in(ms));
        err = kafka_conn_read_batch(c, bounds, &b);
    } while (err == KAFKA_ETIMEDOUT && kafka_now_ms() < patience);
    assert_works(err);
    return b;
}

static void the_broker_is_asked_for_what_the_bounds_say(void **state)
{
    (void)state;
    asked seen;
    tcp_rule rules[] = {{.api = KFK_API_FETCH, .times = TCP_ALWAYS, .edit = note_fetch, .arg = &seen}};
    tcp_peer *p = calls_peer_with_ten(rules, 1);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch_close(calls_read_batch(c, NULL));
    assert_true(seen.min_bytes == 1 && seen.max_bytes == 1024 * 1024 && seen.partition_max_bytes == 1024 * 1024 &&
                seen.isolation == 0);
    assert_in_range(seen.max_wait_ms, 100, 1000); /* a slice: others must get through */
    int64_t before = kafka_now_ms();
    kafka_batch_close(
        calls_read_batch(c, &(kafka_fetch){.min_bytes = 3, .max_bytes = 70, .max_wait_ms = 50, .read_committed = 1}));
    int64_t took = kafka_now_ms() - before;
    assert_true(seen.min_bytes == 3 && seen.max_bytes == 70 && seen.partition_max_bytes == 70 && seen.isolation == 1);
    assert_in_range(seen.max_wait_ms, took < 50 ? 50 - took : 0, 50);
    before = kafka_now_ms();
    kafka_batch_close(read_within(c, 400, NULL)); /* 300 for the broker */
    took = kafka_now_ms() - before;
    assert_in_range(seen.max_wait_ms, took < 300 ? 300 - took : 0, 300);
    assert_int_equal(seen.offset, 0);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void bounds_that_cannot_be_are_refused(void **state)
{
    (void)state;
    kafka_batch *b = NULL;
    tcp_peer *p = calls_peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0), *plain;
    assert_works(kafka_dial(NULL, NULL, tcp_peer_address(p), &plain));
    assert_fails(kafka_conn_read_batch(c, &(kafka_fetch){.min_bytes = 2, .max_bytes = 1}, &b), KAFKA_EINVAL,
                 "min_bytes");
    assert_fails(kafka_conn_read_batch(c, &(kafka_fetch){.min_bytes = -1}, &b), KAFKA_EINVAL, "min_bytes");
    assert_fails(kafka_conn_read_batch(c, &(kafka_fetch){.max_bytes = -1}, &b), KAFKA_EINVAL, "max_bytes");
    assert_fails(kafka_conn_read_batch(c, &(kafka_fetch){.max_wait_ms = -1}, &b), KAFKA_EINVAL, "max_wait_ms");
    assert_fails(kafka_conn_read_batch(c, &(kafka_fetch){.reserved = 1}, &b), KAFKA_EINVAL, "reserved");
    assert_fails(kafka_conn_read_batch(c, &(kafka_fetch){.reserved2[1] = 1}, &b), KAFKA_EINVAL, "reserved");
    assert_fails(kafka_conn_read_batch(c, NULL, NULL), KAFKA_EINVAL, "out");
    assert_fails(kafka_conn_read_batch(NULL, NULL, &b), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_read_batch(plain, NULL, &b), KAFKA_EINVAL, "no topic");
    assert_null(b);
    b = calls_read_batch(c, NULL); /* the turn was not lost */
    assert_fails(kafka_batch_read_message(b, NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_batch_read_message(NULL, NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_batch_read(b, NULL, 1, &(size_t){0}), KAFKA_EINVAL, "NULL");
    calls_expect_next(b, 0); /* wrong arguments do not stick */
    assert_works(kafka_batch_close(b));
    kafka_conn_free(plain);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void an_empty_batch_is_what_max_wait_ms_ends_in(void **state)
{
    (void)state;
    kafka_message m;
    tcp_peer *p = tcp_peer_new(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    static const int64_t waits[] = {1, 60, 700};
    for (size_t i = 0; i < 3; i++) {
        int64_t before = kafka_now_ms();
        kafka_batch *b = calls_read_batch(c, &(kafka_fetch){.max_wait_ms = waits[i]});
        assert_took(before, waits[i] - 1);
        assert_int_equal(kafka_batch_high_watermark(b), 0);
        assert_string_equal(kafka_batch_topic(b), "t");
        assert_fails(kafka_batch_read_message(b, &m), KAFKA_EOF, NULL);
        assert_works(kafka_batch_close(b));
    }
    kafka_conn_set_read_deadline(c, kafka_deadline_in(100)); /* the earlier of the two */
    kafka_batch *b = NULL;
    assert_fails(kafka_conn_read_batch(c, &(kafka_fetch){.max_wait_ms = 60000}, &b), KAFKA_ETIMEDOUT, "deadline");
    assert_null(b);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void min_bytes_is_waited_for_as_long_as_max_wait_ms_says(void **state)
{
    (void)state;
    tcp_peer *p = calls_peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    int64_t before = kafka_now_ms();
    kafka_batch *b = calls_read_batch(c, &(kafka_fetch){.min_bytes = 100000, .max_wait_ms = 800});
    assert_took(before, 799);
    calls_expect_next(b, 0); /* what is there comes all the same */
    assert_works(kafka_batch_close(b));
    before = kafka_now_ms();
    b = read_within(c, 900, &(kafka_fetch){.min_bytes = 100000}); /* in its time: 675 are for the broker */
    assert_true(kafka_now_ms() - before >= 600);
    assert_works(kafka_batch_close(b));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(the_broker_is_asked_for_what_the_bounds_say),
        API_TEST(bounds_that_cannot_be_are_refused),
        API_TEST(an_empty_batch_is_what_max_wait_ms_ends_in),
        API_TEST(min_bytes_is_waited_for_as_long_as_max_wait_ms_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
