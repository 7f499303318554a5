/* fetch_session_test.c: incremental fetches (KIP-227): what a broker remembers of a session, and what it leaves out. */
#include "conformance/steps.h"
#include <string.h>

const suite_needs needs = {.brokers = 1};

enum { PARTITIONS = 3 };

/* A request for some partitions of one topic. */
typedef struct ask {
    kfk_fetch_request request;
    kfk_fetch_request_topic topic;
    kfk_fetch_request_partition partitions[PARTITIONS];
    kfk_fetch_request_forgotten forgotten;
    int32_t forgotten_indexes[PARTITIONS];
} ask;

static const kfk_fetch_request *make(ask *a, const topic *t, int32_t id, int32_t epoch, const int64_t *offsets)
{
    *a = (ask){.request = DEFAULTS(fetch)};
    a->topic =
        (kfk_fetch_request_topic){.topic = kafka_str(t->name), .topic_id = t->id, .partitions = {a->partitions, 0}};
    for (int32_t i = 0; offsets && i < PARTITIONS; i++) {
        if (offsets[i] < 0) continue;
        a->partitions[a->topic.partitions.count++] = (kfk_fetch_request_partition){.partition = i,
                                                                                   .current_leader_epoch = -1,
                                                                                   .fetch_offset = offsets[i],
                                                                                   .last_fetched_epoch = -1,
                                                                                   .log_start_offset = -1,
                                                                                   .partition_max_bytes = 1 << 20,
                                                                                   .high_watermark = INT64_MAX};
    }
    a->request.max_wait_ms = 1;
    a->request.min_bytes = 1;
    a->request.session_id = id;
    a->request.session_epoch = epoch;
    if (a->topic.partitions.count > 0) a->request.topics = (kfk_fetch_request_topic_array){&a->topic, 1};
    return &a->request;
}

static void forget(ask *a, const topic *t, int32_t index)
{
    a->forgotten_indexes[0] = index;
    a->forgotten = (kfk_fetch_request_forgotten){kafka_str(t->name), t->id, {a->forgotten_indexes, 1}};
    a->request.forgotten_topics_data = (kfk_fetch_request_forgotten_array){&a->forgotten, 1};
}

/* Which partitions an answer has, as bits. */
static int told(const kfk_fetch_response *a)
{
    int bits = 0;
    for (int32_t i = 0; i < a->responses.count; i++) {
        for (int32_t k = 0; k < a->responses.items[i].partitions.count; k++)
            bits |= 1 << a->responses.items[i].partitions.items[k].partition_index;
    }
    return bits;
}

/* A topic with a record in each partition, and a session about all of them, of which everything was told. */
static client *begin(topic *t, int16_t version, int32_t *session)
{
    static const int64_t from_start[PARTITIONS];
    client *c = suite_client(1);
    ask a;
    TOPIC(t, .partitions = PARTITIONS);
    for (int32_t i = 0; i < PARTITIONS; i++) EXPECT(produce(c, t, i, BATCH_OF(.count = 1)).error_code, 0);
    const kfk_fetch_response *got = ASK(c, fetch, version, make(&a, t, 0, 0, from_start));
    EXPECT(got->error_code, 0);
    EXPECT_TRUE(got->session_id != 0);
    EXPECT(told(got), 7);
    *session = got->session_id;
    return c;
}

static const int64_t at_end[PARTITIONS] = {1, 1, 1};

static void an_incremental_answer_leaves_out_what_has_no_news(void **state)
{
    (void)state;
    for (int16_t version = 12; version <= 13; version++) {
        topic t;
        ask a;
        int32_t session;
        client *c = begin(&t, version, &session);
        const kfk_fetch_response *got = ASK(c, fetch, version, make(&a, &t, session, 1, at_end));
        EXPECT(got->error_code, 0);
        EXPECT(got->session_id, session);
        EXPECT(told(got), 0);
        EXPECT(produce(c, &t, 1, BATCH_OF(.count = 1)).error_code, 0);
        got = ASK(c, fetch, version, make(&a, &t, session, 2, NULL));
        EXPECT(told(got), 2);
        got = ASK(c, fetch, version, make(&a, &t, session, 3, NULL)); /* not read on: it comes again */
        EXPECT(told(got), 2);
        got = ASK(c, fetch, version, make(&a, &t, session, 4, (const int64_t[]){-1, 2, -1}));
        EXPECT(told(got), 0);
    }
}

static void a_partition_can_be_forgotten_and_added_again(void **state)
{
    (void)state;
    topic t;
    ask a;
    int32_t session;
    client *c = begin(&t, 12, &session);
    make(&a, &t, session, 1, at_end);
    forget(&a, &t, 1);
    a.request.topics.count = 0;
    ASK(c, fetch, 12, &a.request);
    EXPECT(produce(c, &t, 1, BATCH_OF(.count = 1)).error_code, 0);
    make(&a, &t, session, 2, (const int64_t[]){1, -1, 1});
    EXPECT(told(ASK(c, fetch, 12, &a.request)), 0);
    make(&a, &t, session, 3, (const int64_t[]){-1, 1, -1});
    EXPECT(told(ASK(c, fetch, 12, &a.request)), 2);
}

static void a_session_is_known_by_its_id_and_counts(void **state)
{
    (void)state;
    topic t;
    ask a;
    int32_t session;
    client *c = begin(&t, 12, &session);
    const kfk_fetch_response *got = ASK(c, fetch, 12, make(&a, &t, session, 2, NULL));
    EXPECT(got->error_code, KAFKA_ERR_INVALID_FETCH_SESSION_EPOCH);
    EXPECT(got->session_id, 0);
    EXPECT(got->responses.count, 0);
    got = ASK(c, fetch, 12, make(&a, &t, session ^ 0x55555, 1, NULL));
    EXPECT(got->error_code, KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT(got->session_id, 0);
    got = ASK(c, fetch, 12, make(&a, &t, session, 1, NULL)); /* it goes on as if nothing had been */
    EXPECT(got->error_code, 0);
}

static void a_session_belongs_to_the_broker_not_to_the_connection(void **state)
{
    (void)state;
    topic t;
    ask a;
    int32_t session;
    begin(&t, 12, &session);
    client *other = suite_client(1);
    EXPECT(ASK(other, fetch, 12, make(&a, &t, session, 1, at_end))->error_code, 0);
}

static void a_session_ends_when_the_client_says_so(void **state)
{
    (void)state;
    topic t;
    ask a;
    int32_t session;
    client *c = begin(&t, 12, &session);
    const kfk_fetch_response *got = ASK(c, fetch, 12, make(&a, &t, session, -1, at_end));
    EXPECT(got->error_code, 0);
    EXPECT(got->session_id, 0);
    EXPECT(told(got), 7);
    EXPECT(ASK(c, fetch, 12, make(&a, &t, session, 1, NULL))->error_code, KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
}

static void epoch_0_begins_another_session_in_its_place(void **state)
{
    (void)state;
    topic t;
    ask a;
    int32_t session;
    client *c = begin(&t, 12, &session);
    const kfk_fetch_response *got = ASK(c, fetch, 12, make(&a, &t, session, 0, at_end));
    EXPECT(got->error_code, 0);
    EXPECT_TRUE(got->session_id != 0 && got->session_id != session);
    EXPECT(ASK(c, fetch, 12, make(&a, &t, session, 1, NULL))->error_code, KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
}

static void a_session_keeps_to_names_or_to_ids(void **state)
{
    (void)state;
    topic t;
    ask a;
    int32_t session;
    client *c = begin(&t, 12, &session);
    EXPECT(ASK(c, fetch, 13, make(&a, &t, session, 1, at_end))->error_code, KAFKA_ERR_FETCH_SESSION_TOPIC_ID_ERROR);
    c = begin(&t, 13, &session);
    EXPECT(ASK(c, fetch, 12, make(&a, &t, session, 1, at_end))->error_code, KAFKA_ERR_FETCH_SESSION_TOPIC_ID_ERROR);
}

static void errors_are_told_each_time(void **state)
{
    (void)state;
    topic t;
    ask a;
    int32_t session;
    client *c = begin(&t, 12, &session);
    static const int64_t beyond[] = {1, 99, 1};
    EXPECT(told(ASK(c, fetch, 12, make(&a, &t, session, 1, beyond))), 2);
    EXPECT(told(ASK(c, fetch, 12, make(&a, &t, session, 2, NULL))), 2);
    EXPECT(told(ASK(c, fetch, 12, make(&a, &t, session, 3, at_end))), 2); /* that it is well again is news */
    EXPECT(told(ASK(c, fetch, 12, make(&a, &t, session, 4, at_end))), 0);
}

static void a_diverging_log_is_told_each_time(void **state)
{
    (void)state;
    topic t;
    ask a;
    int32_t session;
    client *c = begin(&t, 12, &session);
    make(&a, &t, session, 1, (const int64_t[]){1, 99, 1});
    a.partitions[1].last_fetched_epoch = 0;
    const kfk_fetch_response *got = ASK(c, fetch, 12, &a.request);
    EXPECT(told(got), 2);
    EXPECT(got->responses.items[0].partitions.items[0].diverging_epoch.end_offset, 1);
    EXPECT(told(ASK(c, fetch, 12, make(&a, &t, session, 2, NULL))), 2);
    EXPECT(told(ASK(c, fetch, 12, make(&a, &t, session, 3, at_end))), 0); /* that it is well again is not */
}

static void a_session_about_nothing_any_more_ends(void **state)
{
    (void)state;
    topic t;
    ask a;
    int32_t session;
    client *c = begin(&t, 12, &session);
    make(&a, &t, session, 1, NULL);
    for (int32_t i = 0; i < PARTITIONS; i++) a.forgotten_indexes[i] = i;
    a.forgotten = (kfk_fetch_request_forgotten){kafka_str(t.name), t.id, {a.forgotten_indexes, PARTITIONS}};
    a.request.forgotten_topics_data = (kfk_fetch_request_forgotten_array){&a.forgotten, 1};
    const kfk_fetch_response *got = ASK(c, fetch, 12, &a.request);
    EXPECT(got->error_code, 0);
    EXPECT(got->session_id, 0);
    EXPECT(told(got), 0);
    EXPECT(ASK(c, fetch, 12, make(&a, &t, session, 2, at_end))->error_code, KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
}

/* Answers that are too small for all partitions carry each in turn. */
static void a_partition_that_had_its_turn_comes_last(void **state)
{
    (void)state;
    topic t;
    ask a;
    int32_t session;
    client *c = begin(&t, 12, &session);
    for (int32_t i = 0; i < 2 * PARTITIONS; i++) {
        make(&a, &t, session, 1 + i, NULL);
        a.request.max_bytes = 1;
        EXPECT(told(ASK(c, fetch, 12, &a.request)), 1 << i % PARTITIONS);
    }
}

static void a_session_may_begin_with_nothing(void **state)
{
    (void)state;
    topic t;
    ask a;
    int32_t session;
    client *c = begin(&t, 12, &session);
    const kfk_fetch_response *got = ASK(c, fetch, 12, make(&a, &t, 0, 0, NULL));
    EXPECT_TRUE(got->session_id != 0);
    session = got->session_id;
    EXPECT(told(ASK(c, fetch, 12, make(&a, &t, session, 1, at_end))), 7);
    got = ASK(c, fetch, 12, make(&a, &t, 0, 5, at_end)); /* no id, but an epoch */
    EXPECT(got->error_code, KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(an_incremental_answer_leaves_out_what_has_no_news),
        SUITE_TEST(a_partition_can_be_forgotten_and_added_again),
        SUITE_TEST(a_session_is_known_by_its_id_and_counts),
        SUITE_TEST(a_session_belongs_to_the_broker_not_to_the_connection),
        SUITE_TEST(a_session_ends_when_the_client_says_so),
        SUITE_TEST(epoch_0_begins_another_session_in_its_place),
        SUITE_TEST(a_session_keeps_to_names_or_to_ids),
        SUITE_TEST(errors_are_told_each_time),
        SUITE_TEST(a_diverging_log_is_told_each_time),
        SUITE_TEST(a_session_about_nothing_any_more_ends),
        SUITE_TEST(a_partition_that_had_its_turn_comes_last),
        SUITE_TEST(a_session_may_begin_with_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
