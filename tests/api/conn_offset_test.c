/* The position and offsets: asking for them, seeking. */
#include "api/calls.h"
#include "wire/gen/list_offsets.h"

/* Partition 0 of "t" with the offsets 0 to 9, one message a batch, at the times 1000, 1010 ... 1090. */
static tcp_peer *peer_with_ten(const tcp_rule *rules, size_t count)
{
    batch_bytes log = {0};
    tcp_peer *p = tcp_peer_new(rules, count);
    for (int i = 0; i < 10; i++) BATCH(&log, .base = i, .count = 1, .time_ms = 1000 + 10 * i);
    tcp_peer_fill(p, &log, 10);
    batch_free(&log);
    return p;
}

static void expect_place(kafka_conn *c, int64_t offset, int whence)
{
    int w = -1;
    assert_int_equal(kafka_conn_offset(c, &w), offset);
    assert_int_equal(w, whence);
    assert_int_equal(kafka_conn_offset(c, NULL), offset);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static void first_last_and_offsets_by_time_are_asked_for_and_move_nothing(void **state)
{
    (void)state;
    int64_t first = 77, last = 77, at = 77;
    tcp_peer *p = peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_read_first_offset(c, &first));
    assert_int_equal(first, 0);
    assert_works(kafka_conn_read_last_offset(c, &last));
    assert_int_equal(last, 10);
    first = last = 77;
    assert_works(kafka_conn_read_offsets(c, &first, &last));
    assert_true(first == 0 && last == 10);
    assert_works(kafka_conn_read_offset(c, 0, &at));
    assert_int_equal(at, 0);
    assert_works(kafka_conn_read_offset(c, 1041, &at));
    assert_int_equal(at, 5);
    assert_works(kafka_conn_read_offset(c, 5000, &at));
    assert_int_equal(at, -1); /* none is that young: no error */
    expect_place(c, 0, KAFKA_SEEK_START);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void set_offset(tcp_call *call, void *answer, void *arg)
{
    (void)call;
    ((kfk_list_offsets_response *)answer)->topics.items[0].partitions.items[0].offset = *(int64_t *)arg;
}

static void leave_out(tcp_call *call, void *answer, void *arg)
{
    (void)call;
    (void)arg;
    ((kfk_list_offsets_response *)answer)->topics.count = 0;
}

static void answers_that_cannot_be_offsets_are_refused(void **state)
{
    (void)state;
    static int64_t wrong[] = {-1, -2, -1001, INT64_MAX};
    int64_t at = 77;
    for (size_t i = 0; i < 4; i++) {
        tcp_rule rules[] = {{.api = KFK_API_LIST_OFFSETS, .times = TCP_ALWAYS, .edit = set_offset, .arg = &wrong[i]}};
        tcp_peer *p = peer_with_ten(rules, 1);
        kafka_conn *c = calls_dial(p, 0);
        assert_fails(kafka_conn_read_first_offset(c, &at), KAFKA_EPROTO, "ListOffsets");
        assert_fails(kafka_conn_seek(c, 1, KAFKA_SEEK_START, &at), KAFKA_EPROTO, "ListOffsets");
        kafka_message *m;
        assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_EPROTO, "ListOffsets");
        expect_place(c, 0, KAFKA_SEEK_START);
        if (wrong[i] != -1) assert_fails(kafka_conn_read_offset(c, 5, &at), KAFKA_EPROTO, "ListOffsets");
        kafka_conn_free(c);
        tcp_peer_free(p);
    }
    tcp_rule rules[] = {{.api = KFK_API_LIST_OFFSETS, .edit = leave_out}};
    tcp_peer *p = peer_with_ten(rules, 1);
    kafka_conn *c = calls_dial(p, 0);
    assert_fails(kafka_conn_read_first_offset(c, &at), KAFKA_EPROTO, "topic t partition 0");
    assert_int_equal(at, 77);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void an_error_of_the_broker_comes_as_its_code(void **state)
{
    (void)state;
    int64_t first = 77, last = 77;
    tcp_rule rules[] = {{.api = KFK_API_LIST_OFFSETS, .code = KAFKA_ERR_NOT_LEADER_FOR_PARTITION},
                        {.api = KFK_API_LIST_OFFSETS},
                        {.api = KFK_API_LIST_OFFSETS, .code = KAFKA_ERR_LEADER_NOT_AVAILABLE}};
    tcp_peer *p = peer_with_ten(rules, 3);
    kafka_conn *c = calls_dial(p, 0);
    assert_fails(kafka_conn_read_last_offset(c, &last), KAFKA_ERR_NOT_LEADER_FOR_PARTITION, "topic t partition 0");
    assert_non_null(strstr(kafka_last_error(), tcp_peer_address(p)));
    assert_fails(kafka_conn_read_offsets(c, &first, &last), KAFKA_ERR_LEADER_NOT_AVAILABLE, "topic t partition 0");
    assert_true(first == 77 && last == 77);
    assert_works(kafka_conn_read_offsets(c, &first, &last));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- seeking ----------------------------------------------------------------------------------------------------- */

static void seek_to(kafka_conn *c, int64_t offset, int whence, int64_t expected)
{
    int64_t out = 77;
    assert_works(kafka_conn_seek(c, offset, whence, &out));
    assert_int_equal(out, expected);
    expect_place(c, expected, KAFKA_SEEK_ABSOLUTE);
}

static void seek_in_vain(kafka_conn *c, int64_t offset, int whence, int code)
{
    int w, now;
    int64_t out = 77, before = kafka_conn_offset(c, &w);
    assert_fails(kafka_conn_seek(c, offset, whence, &out), code, NULL);
    assert_int_equal(out, 77);
    assert_int_equal(kafka_conn_offset(c, &now), before);
    assert_int_equal(now, w);
}

static void a_seek_counts_from_start_end_or_position(void **state)
{
    (void)state;
    tcp_peer *p = peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    seek_to(c, 3, KAFKA_SEEK_START, 3);
    seek_to(c, 0, KAFKA_SEEK_START, 0);
    seek_to(c, 3, KAFKA_SEEK_END, 7);
    seek_to(c, 0, KAFKA_SEEK_END, 10);
    seek_to(c, 5, KAFKA_SEEK_ABSOLUTE, 5);
    seek_to(c, -2, KAFKA_SEEK_CURRENT, 3);
    seek_to(c, 4, KAFKA_SEEK_CURRENT, 7);
    seek_to(c, 10, KAFKA_SEEK_ABSOLUTE, 10);
    assert_works(kafka_conn_seek(c, 4, KAFKA_SEEK_ABSOLUTE, NULL));
    expect_place(c, 4, KAFKA_SEEK_ABSOLUTE);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void outside_the_partition_the_position_stays(void **state)
{
    (void)state;
    tcp_peer *p = peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    for (int round = 0; round < 2; round++) { /* unresolved, then absolute */
        seek_in_vain(c, 11, KAFKA_SEEK_ABSOLUTE, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
        seek_in_vain(c, -1, KAFKA_SEEK_START, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
        seek_in_vain(c, 11, KAFKA_SEEK_START, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
        seek_in_vain(c, -1, KAFKA_SEEK_END, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
        seek_in_vain(c, 11, KAFKA_SEEK_END, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
        seek_in_vain(c, INT64_MIN, KAFKA_SEEK_END, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
        seek_in_vain(c, INT64_MAX, KAFKA_SEEK_CURRENT, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
        seek_in_vain(c, INT64_MIN, KAFKA_SEEK_CURRENT, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
        seek_in_vain(c, -2, KAFKA_SEEK_ABSOLUTE, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
        seek_in_vain(c, -1, KAFKA_SEEK_ABSOLUTE, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
        seek_to(c, 6, KAFKA_SEEK_ABSOLUTE, 6);
    }
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* kafka-go adds to -2 there. */
static void from_a_position_that_is_not_known_yet_it_is_found_out_first(void **state)
{
    (void)state;
    tcp_peer *p = peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    seek_to(c, 5, KAFKA_SEEK_CURRENT, 5);
    assert_works(kafka_conn_seek(c, 0, KAFKA_SEEK_END | KAFKA_SEEK_DONT_CHECK, NULL));
    expect_place(c, 0, KAFKA_SEEK_END);
    seek_to(c, -3, KAFKA_SEEK_CURRENT, 7);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void an_unknown_whence_is_refused_before_anything_is_sent(void **state)
{
    (void)state;
    tcp_peer *p = peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    static const int wrong[] = {-1, 4, 5, 0x200, 0x104, -256};
    for (size_t i = 0; i < 6; i++) seek_in_vain(c, 0, wrong[i], KAFKA_EINVAL);
    assert_int_equal(tcp_peer_requests(p, KFK_API_LIST_OFFSETS), 0);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void only_what_is_not_known_is_asked_for(void **state)
{
    (void)state;
    enum { DONT = KAFKA_SEEK_DONT_CHECK };
    tcp_peer *p = peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    seek_to(c, 5, KAFKA_SEEK_ABSOLUTE | DONT, 5);
    seek_to(c, 5, KAFKA_SEEK_ABSOLUTE, 5); /* it is the position */
    seek_to(c, 90, KAFKA_SEEK_ABSOLUTE | DONT, 90);
    seek_to(c, -40, KAFKA_SEEK_CURRENT | DONT, 50);
    assert_works(kafka_conn_seek(c, 0, KAFKA_SEEK_START | DONT, NULL));
    expect_place(c, 0, KAFKA_SEEK_START);
    assert_works(kafka_conn_seek(c, KAFKA_OFFSET_LAST, KAFKA_SEEK_ABSOLUTE | DONT, NULL));
    expect_place(c, 0, KAFKA_SEEK_END);
    assert_int_equal(tcp_peer_requests(p, KFK_API_LIST_OFFSETS), 0);
    seek_to(c, 0, KAFKA_SEEK_END | DONT, 10); /* somebody wants to know */
    seek_to(c, KAFKA_OFFSET_FIRST, KAFKA_SEEK_ABSOLUTE | DONT, 0);
    seek_to(c, 20, KAFKA_SEEK_START | DONT, 20);
    assert_int_equal(tcp_peer_requests(p, KFK_API_LIST_OFFSETS), 6);
    seek_in_vain(c, KAFKA_OFFSET_NONE, KAFKA_SEEK_ABSOLUTE | DONT, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    seek_in_vain(c, -30, KAFKA_SEEK_CURRENT | DONT, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void the_end_is_met_by_what_is_written_next(void **state)
{
    (void)state;
    kafka_message *m;
    tcp_peer *p = peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_seek(c, 0, KAFKA_SEEK_END, NULL));
    assert_works(kafka_conn_write(c, "v10", 3));
    assert_works(kafka_conn_read_message(c, 0, &m));
    assert_int_equal(m->offset, 10);
    kafka_message_free(m);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void arguments_are_checked(void **state)
{
    (void)state;
    int64_t out;
    tcp_peer *p = peer_with_ten(NULL, 0);
    kafka_conn *c = calls_dial(p, 0), *plain;
    assert_works(kafka_dial(NULL, NULL, tcp_peer_address(p), &plain));
    assert_fails(kafka_conn_read_first_offset(plain, &out), KAFKA_EINVAL, "no topic");
    assert_fails(kafka_conn_read_last_offset(plain, &out), KAFKA_EINVAL, "no topic");
    assert_fails(kafka_conn_read_offset(plain, 0, &out), KAFKA_EINVAL, "no topic");
    assert_fails(kafka_conn_read_offsets(plain, &out, &out), KAFKA_EINVAL, "no topic");
    assert_fails(kafka_conn_seek(plain, 0, KAFKA_SEEK_START, &out), KAFKA_EINVAL, "no topic");
    assert_fails(kafka_conn_read_first_offset(c, NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_read_offsets(c, NULL, &out), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_read_offset(c, -1, &out), KAFKA_EINVAL, "negative");
    assert_fails(kafka_conn_read_first_offset(NULL, &out), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_seek(NULL, 0, 0, &out), KAFKA_EINVAL, "NULL");
    expect_place(NULL, 0, KAFKA_SEEK_START);
    assert_int_equal(tcp_peer_requests(p, KFK_API_LIST_OFFSETS), 0);
    kafka_conn_free(plain);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void deadlines_and_closing_end_them(void **state)
{
    (void)state;
    int64_t first, last;
    tcp_rule rules[] = {{.api = KFK_API_LIST_OFFSETS, .hold = true}};
    tcp_peer *p = peer_with_ten(rules, 1);
    kafka_conn *c = calls_dial(p, 0);
    calls_cut cut;
    kafka_conn_set_write_deadline(c, kafka_deadline_in(0)); /* is not theirs */
    calls_cut_begin(&cut, p, c, KFK_API_LIST_OFFSETS, kafka_conn_set_read_deadline);
    assert_fails(kafka_conn_read_offsets(c, &first, &last), KAFKA_ETIMEDOUT, "asking for offsets");
    calls_cut_end(&cut);
    seek_in_vain(c, 3, KAFKA_SEEK_ABSOLUTE, KAFKA_ETIMEDOUT);
    tcp_peer_release(p);
    kafka_conn_set_read_deadline(c, 0);
    assert_works(kafka_conn_read_offsets(c, &first, &last)); /* late answers are dropped */
    assert_true(first == 0 && last == 10);
    assert_works(kafka_conn_close(c));
    seek_in_vain(c, 3, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, KAFKA_ECLOSED);
    assert_fails(kafka_conn_read_first_offset(c, &first), KAFKA_ECLOSED, "closed");
    kafka_conn_free(c);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(first_last_and_offsets_by_time_are_asked_for_and_move_nothing),
        API_TEST(answers_that_cannot_be_offsets_are_refused),
        API_TEST(an_error_of_the_broker_comes_as_its_code),
        API_TEST(a_seek_counts_from_start_end_or_position),
        API_TEST(outside_the_partition_the_position_stays),
        API_TEST(from_a_position_that_is_not_known_yet_it_is_found_out_first),
        API_TEST(an_unknown_whence_is_refused_before_anything_is_sent),
        API_TEST(only_what_is_not_known_is_asked_for),
        API_TEST(the_end_is_met_by_what_is_written_next),
        API_TEST(arguments_are_checked),
        API_TEST(deadlines_and_closing_end_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
