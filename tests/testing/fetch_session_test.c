/* fetch_session_test.c: incremental fetches (KIP-227), in the table of sessions and over the wire. */
#include "testing/client.h"
#include "testing/fetch_session.h"
#include <string.h>
#include <unistd.h>

enum { BY_ID_VERSION = 13 };

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void sessions_have_ids_and_count_their_requests(void **state)
{
    (void)state;
    kft_fetch_sessions s;
    kft_fetch_sessions_init(&s, 4711);
    kft_fetch_session *a = kft_fetch_session_new(&s, false), *b = kft_fetch_session_new(&s, true);
    assert_true(a->id > 0 && b->id > 0 && a->id != b->id);
    assert_ptr_equal(kft_fetch_session_find(&s, a->id), a);
    assert_null(kft_fetch_session_find(&s, b->id + 1));
    assert_int_equal(a->epoch, 1);
    kft_fetch_session_used(&s, a);
    assert_int_equal(a->epoch, 2);
    a->epoch = INT32_MAX;
    kft_fetch_session_used(&s, a);
    assert_int_equal(a->epoch, 1); /* 0 would begin a new one */
    kft_fetch_session_free(&s, a);
    kft_fetch_sessions_clear(&s);
    assert_int_equal(s.by_id.count, 0);
}

static void ids_wrap_and_leave_out_those_that_are_taken(void **state)
{
    (void)state;
    kft_fetch_sessions s;
    kft_fetch_sessions_init(&s, 0);
    int32_t first = kft_fetch_session_new(&s, false)->id;
    assert_int_equal(first, 1);
    s.next_id = INT32_MAX;
    assert_int_equal(kft_fetch_session_new(&s, false)->id, INT32_MAX);
    assert_int_equal(kft_fetch_session_new(&s, false)->id, 2);
    kft_fetch_sessions_clear(&s);
}

static void of_too_many_the_one_used_least_recently_goes(void **state)
{
    (void)state;
    kft_fetch_sessions s;
    int32_t ids[3] = {0};
    kft_fetch_sessions_init(&s, 1);
    for (int i = 0; i < KFT_MOST_FETCH_SESSIONS; i++) {
        int32_t id = kft_fetch_session_new(&s, false)->id;
        if (i < 3) ids[i] = id;
    }
    kft_fetch_session_used(&s, kft_fetch_session_find(&s, ids[0]));
    assert_non_null(kft_fetch_session_new(&s, false));
    assert_int_equal(s.by_id.count, KFT_MOST_FETCH_SESSIONS);
    assert_non_null(kft_fetch_session_find(&s, ids[0]));
    assert_null(kft_fetch_session_find(&s, ids[1]));
    assert_non_null(kft_fetch_session_find(&s, ids[2]));
    kft_fetch_sessions_clear(&s);
}

static void partitions_are_added_changed_and_forgotten(void **state)
{
    (void)state;
    static const kfk_uuid none;
    kft_fetch_sessions s;
    fetch_one f;
    int32_t index = 0;
    kft_fetch_sessions_init(&s, 1);
    kft_fetch_session *x = kft_fetch_session_new(&s, false);
    assert_true(kft_fetch_session_update(x, fetch_of(&f, 5, 0)));
    f.partition.partition = 1;
    assert_true(kft_fetch_session_update(x, &f.request));
    assert_int_equal(x->partitions.count, 2);
    assert_int_equal(kft_fetch_session_partition(x, KAFKA_LIT("t"), &none, 0)->asked.fetch_offset, 5);
    f.partition.fetch_offset = 9;
    assert_true(kft_fetch_session_update(x, &f.request));
    assert_int_equal(x->partitions.count, 2);
    assert_int_equal(kft_fetch_session_partition(x, KAFKA_LIT("t"), &none, 1)->asked.fetch_offset, 9);
    kfk_fetch_request_forgotten gone = {.topic = KAFKA_LIT("t"), .partitions = {&index, 1}};
    f.request.topics.count = 0;
    f.request.forgotten_topics_data = (kfk_fetch_request_forgotten_array){&gone, 1};
    assert_true(kft_fetch_session_update(x, &f.request));
    assert_true(kft_fetch_session_update(x, &f.request)); /* it is gone already */
    assert_null(kft_fetch_session_partition(x, KAFKA_LIT("t"), &none, 0));
    assert_non_null(kft_fetch_session_partition(x, KAFKA_LIT("t"), &none, 1));
    assert_null(kft_fetch_session_partition(x, KAFKA_LIT("tt"), &none, 1));
    kft_fetch_sessions_clear(&s);
}

static void topics_by_id_are_told_apart(void **state)
{
    (void)state;
    static const kfk_uuid one = {.bytes = {1}}, two = {.bytes = {2}};
    kft_fetch_sessions s;
    fetch_one f;
    kft_fetch_sessions_init(&s, 1);
    kft_fetch_session *x = kft_fetch_session_new(&s, true);
    fetch_of(&f, 1, 0);
    f.topic.topic = (kafka_bytes){NULL, 0};
    f.topic.topic_id = one;
    assert_true(kft_fetch_session_update(x, &f.request));
    f.topic.topic_id = two;
    f.partition.fetch_offset = 2;
    assert_true(kft_fetch_session_update(x, &f.request));
    assert_int_equal(x->partitions.count, 2);
    assert_int_equal(kft_fetch_session_partition(x, f.topic.topic, &one, 0)->asked.fetch_offset, 1);
    assert_int_equal(kft_fetch_session_partition(x, f.topic.topic, &two, 0)->asked.fetch_offset, 2);
    kft_fetch_sessions_clear(&s);
}

static void without_memory_there_is_no_session(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kft_fetch_sessions s;
        fetch_one f;
        kft_fetch_sessions_init(&s, 1);
        kft_fetch_session *x = kft_fetch_session_new(&s, false);
        bool updated = x && kft_fetch_session_update(x, fetch_of(&f, 0, 0));
        assert_int_equal(updated, !memcheck_failed());
        if (x && !updated) kft_fetch_session_free(&s, x);
        kft_fetch_sessions_clear(&s);
    }
}

/* ---- over the wire ----------------------------------------------------------------------------------------------- */

/* Fetches partition 0 of "t", or, with `count` 0, what the session has; the answer's code. */
static int16_t ask(int fd, int32_t session, int32_t epoch, int32_t count, int64_t offset, wire_answer *a)
{
    fetch_one f;
    fetch_of(&f, offset, 0);
    f.request.session_id = session;
    f.request.session_epoch = epoch;
    f.request.topics.count = count;
    wire_send(fd, KFK_API_FETCH, FETCH_VERSION, epoch, &f.request);
    wire_expect(fd, KFK_API_FETCH, FETCH_VERSION, epoch, a);
    return ((kfk_fetch_response *)a->msg)->error_code;
}

static int32_t begin(int fd)
{
    wire_answer a;
    assert_int_equal(ask(fd, 0, 0, 1, 0, &a), 0);
    int32_t id = ((kfk_fetch_response *)a.msg)->session_id;
    assert_true(id > 0);
    assert_int_equal(fetched(&a)->error_code, 0); /* the first answer is about all */
    wire_answer_free(&a);
    return id;
}

static void expect_news(int fd, int32_t id, int32_t epoch, int32_t topics)
{
    wire_answer a;
    assert_int_equal(ask(fd, id, epoch, 0, 0, &a), 0);
    assert_int_equal(((kfk_fetch_response *)a.msg)->session_id, id);
    assert_int_equal(((kfk_fetch_response *)a.msg)->responses.count, topics);
    wire_answer_free(&a);
}

static void an_incremental_answer_holds_news_alone(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial_leader(c, "t", 0);
    int fd = wire_dial(c, 1);
    wire_answer a;
    int32_t id = begin(fd);
    expect_news(fd, id, 1, 0);
    works(write_value(conn, "a"));
    expect_news(fd, id, 2, 1);
    expect_news(fd, id, 3, 1); /* records come until the position moves on */
    assert_int_equal(ask(fd, id, 4, 1, 1, &a), 0);
    wire_answer_free(&a);
    expect_news(fd, id, 5, 0);
    works(kafka_cluster_delete_topic(c, "t"));
    expect_news(fd, id, 6, 1);
    kafka_conn_free(conn);
    close(fd);
    kafka_cluster_free(c);
}

static void a_session_that_waits_is_woken_for_its_partitions(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial_leader(c, "t", 0);
    int fd = wire_dial(c, 1), other = wire_dial(c, 1);
    fetch_one f;
    wire_answer a;
    int32_t id = begin(fd);
    fetch_of(&f, 0, 60000)->session_id = id;
    f.request.session_epoch = 1;
    f.request.topics.count = 0;
    wire_send(fd, KFK_API_FETCH, FETCH_VERSION, 1, &f.request);
    expect_requests(c, KAFKA_REQUEST_FETCH, 2);
    assert_int_equal(ask(other, id, -1, 0, 0, &a), 0); /* ended by another connection, while it waits */
    wire_answer_free(&a);
    works(write_value(conn, "a"));
    wire_expect(fd, KFK_API_FETCH, FETCH_VERSION, 1, &a);
    assert_true(fetched(&a)->records.bytes.len > 61);
    wire_answer_free(&a);
    close(fd);
    close(other);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

static void wrong_ids_and_epochs_are_refused_and_change_nothing(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(2, 1);
    int fd = wire_dial(c, 1), second = wire_dial(c, 2);
    wire_answer a;
    int32_t id = begin(fd);
    assert_int_equal(ask(fd, id + 1, 1, 0, 0, &a), KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
    wire_answer_free(&a);
    assert_int_equal(ask(second, id, 1, 0, 0, &a), KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND); /* another broker's */
    wire_answer_free(&a);
    assert_int_equal(ask(fd, id, 2, 0, 0, &a), KAFKA_ERR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(((kfk_fetch_response *)a.msg)->responses.count, 0);
    wire_answer_free(&a);
    expect_news(fd, id, 1, 0);
    fetch_one f; /* a session of names does not take ids */
    fetch_of(&f, 0, 0)->session_id = id;
    f.request.session_epoch = 2;
    f.request.topics.count = 0;
    wire_send(fd, KFK_API_FETCH, BY_ID_VERSION, 2, &f.request);
    wire_expect(fd, KFK_API_FETCH, BY_ID_VERSION, 2, &a);
    assert_int_equal(((kfk_fetch_response *)a.msg)->error_code, KAFKA_ERR_FETCH_SESSION_TOPIC_ID_ERROR);
    wire_answer_free(&a);
    assert_int_equal(ask(fd, id, -1, 1, 0, &a), 0); /* its end, with a last fetch of everything named */
    assert_int_equal(((kfk_fetch_response *)a.msg)->session_id, 0);
    assert_int_equal(fetched(&a)->error_code, 0);
    wire_answer_free(&a);
    assert_int_equal(ask(fd, id, 2, 0, 0, &a), KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
    wire_answer_free(&a);
    close(fd);
    close(second);
    kafka_cluster_free(c);
}

static void a_restarted_broker_has_forgotten_all_sessions(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int fd = wire_dial(c, 1);
    wire_answer a;
    int32_t id = begin(fd);
    works(kafka_cluster_stop_broker(c, 1));
    wire_expect_end(fd);
    works(kafka_cluster_start_broker(c, 1));
    fd = wire_dial(c, 1);
    assert_int_equal(ask(fd, id, 1, 0, 0, &a), KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
    wire_answer_free(&a);
    close(fd);
    kafka_cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(sessions_have_ids_and_count_their_requests),
        MEMCHECK_TEST(ids_wrap_and_leave_out_those_that_are_taken),
        MEMCHECK_TEST(of_too_many_the_one_used_least_recently_goes),
        MEMCHECK_TEST(partitions_are_added_changed_and_forgotten),
        MEMCHECK_TEST(topics_by_id_are_told_apart),
        MEMCHECK_TEST(without_memory_there_is_no_session),
        MEMCHECK_TEST(an_incremental_answer_holds_news_alone),
        MEMCHECK_TEST(a_session_that_waits_is_woken_for_its_partitions),
        MEMCHECK_TEST(wrong_ids_and_epochs_are_refused_and_change_nothing),
        MEMCHECK_TEST(a_restarted_broker_has_forgotten_all_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
