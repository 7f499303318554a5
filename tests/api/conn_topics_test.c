/* Creating and deleting topics. */
#include "api/calls.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"

static kafka_conn *dial(tcp_peer *p)
{
    kafka_conn *c = NULL;
    assert_works(kafka_dial(NULL, NULL, tcp_peer_address(p), &c));
    return c;
}

static int partitions_of(kafka_conn *c, const char *topic)
{
    kafka_partitions *list;
    int err = kafka_conn_read_partitions(c, &topic, 1, &list);
    if (err != 0) return -err;
    int n = (int)list->count;
    kafka_partitions_free(list);
    return n;
}

static void topics_are_created_and_deleted(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = dial(p);
    kafka_topic_config topics[] = {
        {.topic = "a", .num_partitions = 3, .replication_factor = 1}, {.topic = "b"}, {.topic = "t"}};
    static const char *const gone[] = {"a", "t"};
    int results[3] = {77, 77, 77};
    assert_works(kafka_conn_create_topics(c, topics, 3, results)); /* t exists: success */
    assert_true(results[0] == 0 && results[1] == 0 && results[2] == 0);
    assert_int_equal(partitions_of(c, "a"), 3);
    assert_int_equal(partitions_of(c, "b"), 1);
    assert_int_equal(partitions_of(c, "t"), 2);
    assert_works(kafka_conn_delete_topics(c, gone, 2, NULL));
    assert_int_equal(partitions_of(c, "a"), -KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(partitions_of(c, "b"), 1);
    results[0] = results[1] = 77;
    static const char *const some[] = {"a", "b"};
    assert_fails(kafka_conn_delete_topics(c, some, 2, results), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                 "deleting topic a at 127.0.0.1:");
    assert_true(results[0] == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION && results[1] == 0);
    assert_int_equal(partitions_of(c, "b"), -KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_works(kafka_conn_create_topics(c, NULL, 0, NULL));
    assert_works(kafka_conn_delete_topics(c, NULL, 0, NULL));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* What the request looked like, as text. */
static void note_create(tcp_call *call, void *answer, void *arg)
{
    const kfk_create_topics_request *r = call->request;
    const kfk_create_topics_request_topic *t = &r->topics.items[0];
    char *out = arg;
    (void)answer;
    int n = snprintf(out, 200, "%d %d validate=%d", (int)t->num_partitions, t->replication_factor, r->validate_only);
    for (int32_t i = 0; i < t->assignments.count; i++) {
        n += snprintf(out + n, (size_t)(200 - n), " %d:", (int)t->assignments.items[i].partition_index);
        for (int32_t k = 0; k < t->assignments.items[i].broker_ids.count; k++)
            n += snprintf(out + n, (size_t)(200 - n), "%d,", (int)t->assignments.items[i].broker_ids.items[k]);
    }
    for (int32_t i = 0; i < t->configs.count; i++) {
        kafka_bytes v = t->configs.items[i].value;
        n += snprintf(out + n, (size_t)(200 - n), " %.*s=%.*s", (int)t->configs.items[i].name.len,
                      (const char *)t->configs.items[i].name.data, v.data ? (int)v.len : 6,
                      v.data ? (const char *)v.data : "(null)");
    }
    snprintf(out + n, (size_t)(200 - n), " within %d", (int)r->timeout_ms);
}

static void the_broker_is_told_what_the_topic_shall_be(void **state)
{
    (void)state;
    char seen[200];
    static const int32_t first[] = {1, 2}, second[] = {2};
    kafka_replica_assignment assignments[] = {{first, 2, 0, 0}, {second, 1, 1, 0}};
    kafka_config_entry entries[] = {{"retention.ms", "60000"}, {"cleanup.policy", NULL}};
    kafka_topic_config by_hand = {
        .topic = "a", .assignments = assignments, .assignment_count = 2, .entries = entries, .entry_count = 2};
    kafka_topic_config by_default = {.topic = "b"},
                       minus_one = {.topic = "c", .num_partitions = -1, .replication_factor = -1};
    kafka_topic_config numbers = {.topic = "d", .num_partitions = 5, .replication_factor = 3};
    tcp_peer *p = TCP_PEER({.api = KFK_API_CREATE_TOPICS, .times = TCP_ALWAYS, .edit = note_create, .arg = seen});
    kafka_conn *c = dial(p);
    assert_works(kafka_conn_create_topics(c, &by_hand, 1, NULL));
    assert_string_equal(seen, "-1 -1 validate=0 0:1,2, 1:2, retention.ms=60000 cleanup.policy=(null) within 60000");
    assert_works(kafka_conn_create_topics(c, &by_default, 1, NULL));
    assert_string_equal(seen, "-1 -1 validate=0 within 60000");
    assert_works(kafka_conn_create_topics(c, &minus_one, 1, NULL)); /* kafka-go's "unset" */
    assert_string_equal(seen, "-1 -1 validate=0 within 60000");
    int64_t deadline = kafka_deadline_in(50000), before = kafka_now_ms();
    int within = 0;
    kafka_conn_set_write_deadline(c, deadline);
    assert_works(kafka_conn_create_topics(c, &numbers, 1, NULL));
    assert_int_equal(sscanf(seen, "5 3 validate=0 within %d", &within), 1);
    assert_in_range(within, deadline - 1000 - kafka_now_ms(), deadline - 1000 - before); /* a second for the way */
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static void mixed_results(tcp_call *call, void *answer, void *arg)
{
    kfk_create_topics_response *a = answer;
    (void)call;
    (void)arg;
    a->topics.items[0].error_code = KAFKA_ERR_TOPIC_ALREADY_EXISTS;
    a->topics.items[1].error_code = KAFKA_ERR_POLICY_VIOLATION;
    a->topics.items[1].error_message = kafka_str("no such\nluck");
    a->topics.items[2].error_code = KAFKA_ERR_INVALID_CONFIG;
    a->topics.items[3] = a->topics.items[0]; /* "a" twice, "d" not at all */
}

static void each_topic_has_a_result_and_the_first_failure_is_the_calls(void **state)
{
    (void)state;
    kafka_topic_config topics[] = {{.topic = "a"}, {.topic = "b"}, {.topic = "c"}, {.topic = "d"}};
    int results[4];
    tcp_peer *p = TCP_PEER({.api = KFK_API_CREATE_TOPICS, .edit = mixed_results});
    kafka_conn *c = dial(p);
    assert_fails(kafka_conn_create_topics(c, topics, 4, results), KAFKA_ERR_POLICY_VIOLATION,
                 "creating topic b at 127.0.0.1:");
    assert_non_null(strstr(kafka_last_error(), "The broker says: no such?luck"));
    assert_int_equal(results[0], 0);
    assert_int_equal(results[1], KAFKA_ERR_POLICY_VIOLATION);
    assert_int_equal(results[2], KAFKA_ERR_INVALID_CONFIG);
    assert_int_equal(results[3], KAFKA_EPROTO);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void who_is_not_the_controller_says_where_to_go(void **state)
{
    (void)state;
    static const char *const names[] = {"t"};
    kafka_topic_config topic = {.topic = "a"};
    int result;
    tcp_peer *p = TCP_PEER({.api = KFK_API_CREATE_TOPICS, .code = KAFKA_ERR_NOT_CONTROLLER},
                           {.api = KFK_API_DELETE_TOPICS, .code = KAFKA_ERR_NOT_CONTROLLER});
    kafka_conn *c = dial(p);
    assert_fails(kafka_conn_create_topics(c, &topic, 1, &result), KAFKA_ERR_NOT_CONTROLLER, "kafka_conn_controller");
    assert_int_equal(result, KAFKA_ERR_NOT_CONTROLLER);
    assert_fails(kafka_conn_delete_topics(c, names, 1, &result), KAFKA_ERR_NOT_CONTROLLER, "kafka_conn_controller");
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void topics_are_deleted_by_name_in_old_and_new_versions(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 6; version++) {
        const char *name = "t";
        tcp_peer *p = TCP_PEER({0});
        tcp_peer_set_versions(p, KFK_API_DELETE_TOPICS, 0, version);
        tcp_peer_set_versions(p, KFK_API_CREATE_TOPICS, 0, version);
        kafka_conn *c = dial(p);
        assert_works(kafka_conn_delete_topics(c, &name, 1, NULL));
        assert_int_equal(partitions_of(c, "t"), -KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_works(kafka_conn_create_topics(
            c, &(kafka_topic_config){.topic = "t", .num_partitions = 2, .replication_factor = 1}, 1, NULL));
        assert_int_equal(partitions_of(c, "t"), 2);
        kafka_conn_free(c);
        tcp_peer_free(p);
    }
}

static void brokers_that_cannot_do_it_are_no_version_in_common(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    tcp_peer_set_versions(p, KFK_API_CREATE_TOPICS, 0, -1);
    kafka_conn *c = dial(p);
    int result = 77;
    assert_fails(kafka_conn_create_topics(c, &(kafka_topic_config){.topic = "a"}, 1, &result), KAFKA_EVERSION,
                 "CreateTopics");
    assert_int_equal(result, KAFKA_EVERSION);
    assert_int_equal(partitions_of(c, "t"), 2);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void refuses(kafka_conn *c, kafka_topic_config t, const char *part)
{
    int results[2] = {77, 77};
    kafka_topic_config topics[] = {{.topic = "good"}, t};
    assert_fails(kafka_conn_create_topics(c, topics, 2, results), KAFKA_EINVAL, part);
    assert_true(results[0] == 77 && results[1] == 77);
}

static void what_cannot_be_a_topic_is_refused_before_anything_is_sent(void **state)
{
    (void)state;
    static const int32_t ids[] = {1};
    static const char *const holes[] = {"t", NULL};
    kafka_replica_assignment good = {ids, 1, 0, 0}, reserved = {ids, 1, 0, 1}, empty = {NULL, 1, 0, 0};
    kafka_config_entry nameless = {NULL, "x"};
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = dial(p);
    refuses(c, (kafka_topic_config){0}, "topic 1 has no name");
    refuses(c, (kafka_topic_config){.topic = ""}, "topic 1 has no name");
    refuses(c, (kafka_topic_config){.topic = "a", .num_partitions = -2}, "number");
    refuses(c, (kafka_topic_config){.topic = "a", .replication_factor = -2}, "number");
    refuses(c, (kafka_topic_config){.topic = "a", .replication_factor = 40000}, "number");
    refuses(c, (kafka_topic_config){.topic = "a", .reserved[1] = 1}, "reserved");
    refuses(c, (kafka_topic_config){.topic = "a", .assignment_count = 1}, "count");
    refuses(c, (kafka_topic_config){.topic = "a", .entry_count = 1}, "count");
    refuses(c, (kafka_topic_config){.topic = "a", .assignments = &good, .assignment_count = 1, .num_partitions = 1},
            "exclude");
    refuses(c, (kafka_topic_config){.topic = "a", .assignments = &reserved, .assignment_count = 1}, "reserved");
    refuses(c, (kafka_topic_config){.topic = "a", .assignments = &empty, .assignment_count = 1}, "assignment");
    refuses(c, (kafka_topic_config){.topic = "a", .entries = &nameless, .entry_count = 1}, "name");
    assert_fails(kafka_conn_create_topics(c, NULL, 1, NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_create_topics(NULL, NULL, 0, NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_delete_topics(c, holes, 2, NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_delete_topics(c, NULL, 1, NULL), KAFKA_EINVAL, "NULL");
    assert_int_equal(tcp_peer_requests(p, KFK_API_CREATE_TOPICS) + tcp_peer_requests(p, KFK_API_DELETE_TOPICS), 0);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void the_write_deadline_and_closing_end_them(void **state)
{
    (void)state;
    const char *name = "t";
    int results[1] = {77};
    tcp_peer *p = TCP_PEER({.api = KFK_API_CREATE_TOPICS, .hold = true});
    kafka_conn *c = dial(p);
    calls_cut cut;
    kafka_conn_set_read_deadline(c, kafka_deadline_in(0)); /* is not theirs */
    calls_cut_begin(&cut, p, c, KFK_API_CREATE_TOPICS, kafka_conn_set_write_deadline);
    assert_fails(kafka_conn_create_topics(c, &(kafka_topic_config){.topic = "a"}, 1, results), KAFKA_ETIMEDOUT,
                 "creating topics");
    calls_cut_end(&cut);
    assert_int_equal(results[0], KAFKA_ETIMEDOUT);
    assert_fails(kafka_conn_delete_topics(c, &name, 1, NULL), KAFKA_ETIMEDOUT, "nothing was sent");
    tcp_peer_release(p);
    kafka_conn_set_write_deadline(c, 0);
    assert_works(kafka_conn_delete_topics(c, &name, 1, NULL));
    assert_works(kafka_conn_close(c));
    assert_fails(kafka_conn_delete_topics(c, &name, 1, results), KAFKA_ECLOSED, "closed");
    assert_int_equal(results[0], KAFKA_ECLOSED);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_call_that_finds_no_memory_is_told_and_the_next_one_works(void **state)
{
    (void)state;
    static const int32_t ids[] = {1};
    kafka_replica_assignment assignment = {ids, 1, 0, 0};
    kafka_config_entry entry = {"retention.ms", "1"};
    kafka_topic_config topic = {
        .topic = "a", .assignments = &assignment, .assignment_count = 1, .entries = &entry, .entry_count = 1};
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = dial(p);
    for (int i = 0; i < 2; i++) {
        for (size_t n = 1, failed = 1; failed; n++) {
            if (i == 1) assert_works(kafka_conn_create_topics(c, &topic, 1, NULL));
            memcheck_fail_at(n);
            int err = i == 0 ? kafka_conn_create_topics(c, &topic, 1, NULL)
                             : kafka_conn_delete_topics(c, &topic.topic, 1, NULL);
            failed = memcheck_failed();
            memcheck_fail_at(0);
            if (err != 0) assert_fails(err, KAFKA_ENOMEM, "memory");
        }
        assert_works(kafka_conn_create_topics(c, &topic, 1, NULL));
    }
    kafka_conn_free(c);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(topics_are_created_and_deleted),
        API_TEST(the_broker_is_told_what_the_topic_shall_be),
        API_TEST(each_topic_has_a_result_and_the_first_failure_is_the_calls),
        API_TEST(who_is_not_the_controller_says_where_to_go),
        API_TEST(topics_are_deleted_by_name_in_old_and_new_versions),
        API_TEST(brokers_that_cannot_do_it_are_no_version_in_common),
        API_TEST(what_cannot_be_a_topic_is_refused_before_anything_is_sent),
        API_TEST(the_write_deadline_and_closing_end_them),
        API_TEST(a_call_that_finds_no_memory_is_told_and_the_next_one_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
