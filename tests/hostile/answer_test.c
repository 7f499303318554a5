/* Answers (H26, H27, H28, H29) that are well formed and say what they should not. */
#include "hostile/hostile.h"
#include "wire/gen/fetch.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/produce.h"

enum { MIB = 1024 * 1024, TRANSACTIONAL = KFK_BATCH_TRANSACTIONAL };

/* ---- H26: aborted transactions ----------------------------------------------------------------------------------- */

typedef struct aborted_list {
    kfk_fetch_response_aborted items[8];
    int32_t count;
} aborted_list;

static void say_aborted(tcp_call *call, void *answer, void *arg)
{
    const aborted_list *list = arg;
    kfk_fetch_response_aborted *items = tcp_alloc(call, sizeof list->items);
    memcpy(items, list->items, sizeof list->items);
    ((kfk_fetch_response *)answer)->responses.items[0].partitions.items[0].aborted_transactions =
        (kfk_fetch_response_aborted_array){items, list->count};
}

/* Offsets 0 and 8 aborted of producer 7, 2 committed of 8, 3 plain, 5 committed of 7; markers at 4, 6, 7 and 9. */
static tcp_peer *transactions(aborted_list *list)
{
    batch_bytes log = {0};
    tcp_peer *p = TCP_PEER({.api = KFK_API_FETCH, .times = TCP_ALWAYS, .edit = say_aborted, .arg = list});
    BATCH(&log, .base = 0, .count = 2, .producer_id = 7, .attributes = TRANSACTIONAL);
    BATCH(&log, .base = 2, .count = 1, .producer_id = 8, .attributes = TRANSACTIONAL);
    BATCH(&log, .base = 3, .count = 1, .producer_id = 7);
    batch_append_marker(&log, 4, 7, KFK_CONTROL_ABORT);
    BATCH(&log, .base = 5, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL);
    batch_append_marker(&log, 6, 8, KFK_CONTROL_COMMIT);
    batch_append_marker(&log, 7, 7, KFK_CONTROL_COMMIT);
    BATCH(&log, .base = 8, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL);
    batch_append_marker(&log, 9, 7, KFK_CONTROL_ABORT);
    calls_fill(p, &log, 10);
    return p;
}

/* The offsets that a committed read sees, and how it ends. */
static void expect_committed(tcp_peer *p, const char *offsets, int code)
{
    char got[64] = "";
    kafka_message m;
    int err;
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, &(kafka_fetch){.read_committed = 1});
    while ((err = kafka_batch_read_message(b, &m)) == 0)
        snprintf(got + strlen(got), sizeof got - strlen(got), " %d", (int)m.offset);
    assert_string_equal(got, offsets);
    assert_int_equal(err, code);
    if (code != KAFKA_EOF) assert_non_null(strstr(kafka_last_error(), "byte "));
    assert_int_equal(kafka_batch_close(b), code == KAFKA_EOF ? 0 : code);
    kafka_conn_free(c);
}

static void H26_a_list_of_aborted_transactions_may_come_in_any_order_twice_and_with_strangers(void **state)
{
    (void)state;
    static aborted_list lists[] = {
        {{{7, 0}, {7, 8}}, 2},
        {{{7, 8}, {7, 0}}, 2},
        {{{7, 8}, {7, 0}, {7, 0}, {7, 8}, {7, 0}}, 5},
        {{{99, 0}, {7, 8}, {-1, 0}, {INT64_MAX, 1}, {INT64_MIN, 2}, {7, 0}, {99, 0}}, 7},
        {{{7, 0}, {7, 8}, {8, INT64_MAX}, {8, 100}}, 4},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        tcp_peer *p = transactions(&lists[i]);
        hostile_witness_begin();
        expect_committed(p, " 2 3 5", KAFKA_EOF);
        hostile_witness_end();
        tcp_peer_free(p);
    }
}

/* A marker of version 99 is one all the same; one whose key is too short is damage. */
static void H26_control_records_of_the_future_and_damaged_ones(void **state)
{
    (void)state;
    static aborted_list list = {{{7, 0}}, 1};
    for (int damaged = 0; damaged < 2; damaged++) {
        batch_bytes log = {0};
        tcp_peer *p = TCP_PEER({.api = KFK_API_FETCH, .times = TCP_ALWAYS, .edit = say_aborted, .arg = &list});
        BATCH(&log, .base = 0, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL);
        size_t marker = batch_append_marker(&log, 1, 7, KFK_CONTROL_ABORT);
        if (damaged)
            marker = BATCH(&log, .base = 2, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL | 0x20);
        else
            log.data[marker + KFK_RECORD_HEADER + 6] = 99; /* behind length, attributes, deltas, the key's length */
        batch_seal(&log, marker);
        BATCH(&log, .base = 3, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL);
        calls_fill(p, &log, 4);
        hostile_witness_begin();
        expect_committed(p, damaged ? "" : " 3", damaged ? KAFKA_ECORRUPT : KAFKA_EOF);
        hostile_witness_end();
        tcp_peer_free(p);
    }
}

/* ---- H27: other partitions, or none ------------------------------------------------------------------------------ */

/* Puts another topic and another partition in front of the answer's, and a second of the right one behind it. */
static void surround_fetch(tcp_call *call, void *answer, void *arg)
{
    kfk_fetch_response *a = answer;
    kfk_fetch_response_topic *topics = tcp_alloc(call, 2 * sizeof *topics);
    kfk_fetch_response_partition *list = tcp_alloc(call, 3 * sizeof *list),
                                 right = a->responses.items[0].partitions.items[0];
    (void)arg;
    list[0] = list[2] = list[1] = right;
    list[0].partition_index = 77;
    list[0].error_code = list[2].error_code = KAFKA_ERR_UNKNOWN;
    topics[0] = (kfk_fetch_response_topic){.topic = kafka_str("never asked for"), .partitions = {list, 1}};
    topics[1] = (kfk_fetch_response_topic){.topic = a->responses.items[0].topic, .partitions = {list, 3}};
    a->responses.items = topics;
    a->responses.count = 2;
}

static void surround_produce(tcp_call *call, void *answer, void *arg)
{
    kfk_produce_response *a = answer;
    kfk_produce_response_topic *topics = tcp_alloc(call, 2 * sizeof *topics);
    kfk_produce_response_partition *list = tcp_alloc(call, 3 * sizeof *list);
    (void)arg;
    list[0] = list[1] = list[2] = a->responses.items[0].partition_responses.items[0];
    list[0].index = 77;
    list[0].error_code = list[2].error_code = KAFKA_ERR_UNKNOWN;
    topics[0] = (kfk_produce_response_topic){.name = kafka_str("never"), .partition_responses = {list, 1}};
    topics[1] = (kfk_produce_response_topic){.name = a->responses.items[0].name, .partition_responses = {list, 3}};
    a->responses.items = topics;
    a->responses.count = 2;
}

static void surround_offsets(tcp_call *call, void *answer, void *arg)
{
    kfk_list_offsets_response *a = answer;
    kfk_list_offsets_response_partition *list = tcp_alloc(call, 3 * sizeof *list);
    (void)arg;
    list[0] = list[1] = list[2] = a->topics.items[0].partitions.items[0];
    list[0].partition_index = -1;
    list[0].error_code = list[2].error_code = KAFKA_ERR_UNKNOWN;
    a->topics.items[0].partitions = (kfk_list_offsets_response_partition_array){list, 3};
}

static void H27_partitions_never_asked_for_are_ignored_and_of_two_the_first_counts(void **state)
{
    (void)state;
    tcp_rule rules[] = {{.api = KFK_API_FETCH, .times = TCP_ALWAYS, .edit = surround_fetch},
                        {.api = KFK_API_PRODUCE, .times = TCP_ALWAYS, .edit = surround_produce},
                        {.api = KFK_API_LIST_OFFSETS, .times = TCP_ALWAYS, .edit = surround_offsets}};
    tcp_peer *p = tcp_peer_new(rules, 3);
    hostile_witness_begin();
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_write(c, "one", 3));
    assert_works(hostile_do(HOSTILE_OFFSETS, c));
    calls_expect_message(c, 0, "one");
    hostile_witness_end();
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void leave_out(tcp_call *call, void *answer, void *arg)
{
    (void)arg;
    switch (call->api->key) {
    case KFK_API_PRODUCE: ((kfk_produce_response *)answer)->responses.count = 0; break;
    case KFK_API_FETCH: ((kfk_fetch_response *)answer)->responses.count = 0; break;
    default: ((kfk_list_offsets_response *)answer)->topics.count = 0; break;
    }
}

/* A Fetch is asked again; a connection's write is not, since it may be in the log. */
static void H27_an_answer_that_leaves_the_partition_out_is_asked_for_again_or_told(void **state)
{
    (void)state;
    HOSTILE({"no partition", HOSTILE_WRITE, {.edit = leave_out}, .part = "topic t partition 0"},
            {"no partition", HOSTILE_OFFSETS, {.edit = leave_out}, .part = "topic t partition 0"});
    tcp_rule rules[] = {{.api = KFK_API_FETCH, .times = 3, .edit = leave_out},
                        {.api = KFK_API_PRODUCE, .edit = leave_out}};
    tcp_peer *p = calls_peer_with(2, rules, 2);
    kafka_conn *c = calls_dial(p, 0);
    calls_expect_message(c, 0, "v0");
    assert_int_equal(tcp_peer_requests(p, KFK_API_FETCH), 4);
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_EPROTO, "Produce");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- H28: acknowledgements --------------------------------------------------------------------------------------- */

static void acknowledge_oddly(tcp_call *call, void *answer, void *arg)
{
    kfk_produce_response_partition *p =
        &((kfk_produce_response *)answer)->responses.items[0].partition_responses.items[0];
    (void)call;
    p->base_offset = *(const int64_t *)arg;
    p->log_append_time_ms = INT64_MIN;
    p->log_start_offset = INT64_MAX;
}

/* No call of a connection tells offsets, so that nobody is told a wrong one. */
static void H28_an_acknowledgement_with_an_offset_that_cannot_be_is_one(void **state)
{
    (void)state;
    static int64_t offsets[] = {-1, 5, 3, INT64_MAX, INT64_MIN};
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    assert_works(hostile_do(HOSTILE_OFFSETS, c)); /* uses up the first rule */
    hostile_witness_begin();
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        tcp_rule rule = {.api = KFK_API_PRODUCE, .edit = acknowledge_oddly, .arg = &offsets[i]};
        tcp_peer_add_rules(p, &rule, 1);
        assert_works(kafka_conn_write(c, "x", 1));
    }
    assert_int_equal(tcp_peer_end(p, 0), 5);
    hostile_witness_end();
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- H29: offsets ------------------------------------------------------------------------------------------------ */

static void say_offset(tcp_call *call, void *answer, void *arg)
{
    const int64_t *said = arg;
    (void)call;
    kfk_list_offsets_response_partition *p =
        &((kfk_list_offsets_response *)answer)->topics.items[0].partitions.items[0];
    p->offset = said[0];
    p->leader_epoch = (int32_t)said[1];
}

#define SAY(offset, epoch)                     \
    {                                          \
        .edit = say_offset, .arg = (int64_t[]) \
        {                                      \
            (offset), (epoch)                  \
        }                                      \
    }

static void H29_offsets_that_cannot_be_are_refused_and_move_nothing(void **state)
{
    (void)state;
    HOSTILE({"-1 as the first", HOSTILE_OFFSETS, SAY(-1, 0), .part = "offset -1 "},
            {"-2", HOSTILE_OFFSETS, SAY(-2, 0), .part = "offset -2 "},
            {"-2^63", HOSTILE_OFFSETS, SAY(INT64_MIN, 0), .part = "offset -9223372036854775808 "},
            {"2^63-1", HOSTILE_OFFSETS, SAY(INT64_MAX, 0), .part = "offset 9223372036854775807 "},
            {"epoch -2", HOSTILE_OFFSETS, SAY(3, -2), .part = "leader epoch -2"},
            {"epoch -2^31", HOSTILE_OFFSETS, SAY(3, INT32_MIN), .part = "leader epoch -2147483648"});
    static const int64_t bad[][2] = {{-5, 0}, {INT64_MAX, 0}, {3, -2}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t at = 9;
        int whence;
        tcp_rule rule = {.api = KFK_API_LIST_OFFSETS, .times = TCP_ALWAYS, .edit = say_offset, .arg = (void *)bad[i]};
        tcp_peer *p = calls_peer_with(2, &rule, 1);
        kafka_conn *c = calls_dial(p, 0);
        assert_works(kafka_conn_seek(c, 1, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
        assert_fails(kafka_conn_seek(c, 0, KAFKA_SEEK_END, &at), KAFKA_EPROTO, "ListOffsets");
        assert_int_equal(at, 9);
        assert_int_equal(kafka_conn_offset(c, &whence), 1);
        assert_int_equal(whence, KAFKA_SEEK_ABSOLUTE);
        kafka_conn_free(c);
        tcp_peer_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE_TEST(H26_a_list_of_aborted_transactions_may_come_in_any_order_twice_and_with_strangers),
        HOSTILE_TEST(H26_control_records_of_the_future_and_damaged_ones),
        HOSTILE_TEST(H27_partitions_never_asked_for_are_ignored_and_of_two_the_first_counts),
        HOSTILE_TEST(H27_an_answer_that_leaves_the_partition_out_is_asked_for_again_or_told),
        HOSTILE_TEST(H28_an_acknowledgement_with_an_offset_that_cannot_be_is_one),
        HOSTILE_TEST(H29_offsets_that_cannot_be_are_refused_and_move_nothing),
    };
    return hostile_main(tests);
}
