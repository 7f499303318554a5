/* Partitions, brokers, controller: as the cluster tells them, without what cannot be. */
#include "api/calls.h"
#include "wire/gen/metadata.h"

static kafka_conn *dial(tcp_peer *p)
{
    kafka_conn *c = NULL;
    assert_works(kafka_dial(NULL, NULL, tcp_peer_address(p), &c));
    return c;
}

/* ---- partitions -------------------------------------------------------------------------------------------------- */

static void partitions_of_some_topics_of_the_own_one_and_of_all(void **state)
{
    (void)state;
    static const char *const named[] = {"zz", "t", "zz"};
    kafka_partitions *list;
    tcp_peer *p = TCP_PEER({0});
    tcp_peer_add_topic(p, "zz", 3, 1);
    kafka_conn *plain = dial(p), *bound = calls_dial(p, 0);
    assert_works(kafka_conn_read_partitions(plain, named, 3, &list));
    assert_int_equal(list->count, 5); /* sorted by topic and id, each once */
    assert_string_equal(list->items[0].topic, "t");
    assert_int_equal(list->items[1].id, 1);
    assert_string_equal(list->items[2].topic, "zz");
    assert_int_equal(list->items[4].id, 2);
    assert_int_equal(list->items[4].leader.id, 1);
    assert_string_equal(list->items[4].leader.host, "127.0.0.1");
    assert_string_equal(list->items[4].leader.rack, "r1");
    assert_int_equal(list->items[4].leader_epoch, 3);
    assert_int_equal(list->items[4].error, 0);
    assert_int_equal(list->items[4].replica_count, 1);
    assert_int_equal(list->items[4].isr[0].port, tcp_peer_port(p));
    assert_int_equal(list->items[4].offline_count, 0);
    kafka_partitions_free(list);
    assert_works(kafka_conn_read_partitions(plain, NULL, 0, &list));
    assert_int_equal(list->count, 5);
    kafka_partitions_free(list);
    assert_works(kafka_conn_read_partitions(bound, NULL, 0, &list));
    assert_int_equal(list->count, 2);
    kafka_partitions_free(list);
    kafka_conn_free(plain);
    kafka_conn_free(bound);
    tcp_peer_free(p);
}

static void a_topic_that_is_missing_or_has_an_error_fails_the_call(void **state)
{
    (void)state;
    static const char *const missing[] = {"t", "u"}, *const own[] = {"t"};
    kafka_partitions *list = NULL;
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = dial(p);
    assert_fails(kafka_conn_read_partitions(c, missing, 2, &list), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "topic u");
    assert_non_null(strstr(kafka_last_error(), tcp_peer_address(p)));
    tcp_rule refused = {.api = KFK_API_METADATA, .times = 2, .code = KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED};
    tcp_peer_add_rules(p, &refused, 1);
    assert_fails(kafka_conn_read_partitions(c, own, 1, &list), KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, "topic t");
    assert_fails(kafka_conn_read_partitions(c, NULL, 0, &list), KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, "topic t");
    assert_null(list);
    assert_works(kafka_conn_read_partitions(c, own, 1, &list));
    kafka_partitions_free(list);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* H12, H13, H15: ids, hosts, ports, partitions and topics that cannot be, twice or not at all. */
static void hostile(tcp_call *call, void *answer, void *arg)
{
    kfk_metadata_response *a = answer;
    static const struct {
        int32_t id, port;
        const char *host;
    } brokers[] = {{-7, 1, "negative"}, {5, 70000, "port"}, {5, 9, "bad host"}, {5, 9, "five"},
                   {5, 9, "again"},     {6, 0, "six"},      {2, 9, "two"}};
    static const int32_t partitions[] = {2, -1, 0, 0, 7, INT32_MAX};
    static int32_t ids[] = {2, 99, -3, 5};
    kfk_metadata_response_topic *t = tcp_alloc(call, 4 * sizeof *t);
    (void)arg;
    a->brokers.count = 7;
    a->brokers.items = tcp_alloc(call, 7 * sizeof *a->brokers.items);
    for (int i = 0; i < 7; i++)
        a->brokers.items[i] = (kfk_metadata_response_broker){
            .node_id = brokers[i].id, .port = brokers[i].port, .host = kafka_str(brokers[i].host)};
    a->controller_id = 6;
    t[0] = (kfk_metadata_response_topic){.name = kafka_str("t"),
                                         .partitions = {tcp_alloc(call, 6 * sizeof *t->partitions.items), 6}};
    t[1] =
        (kfk_metadata_response_topic){.name = kafka_str("never asked for"), .topic_authorized_operations = INT32_MIN};
    t[2] = (kfk_metadata_response_topic){.name = kafka_str("t"), .topic_authorized_operations = INT32_MIN};
    t[3] = (kfk_metadata_response_topic){.name = kafka_str("other"), .topic_authorized_operations = INT32_MIN};
    t[0].topic_authorized_operations = INT32_MIN;
    for (int i = 0; i < 6; i++) {
        t[0].partitions.items[i] = (kfk_metadata_response_partition){
            .partition_index = partitions[i], .leader_id = i < 3 ? 5 : 6, .leader_epoch = -1};
        t[0].partitions.items[i].replica_nodes = (kfk_int32_array){ids, 4};
    }
    a->topics.items = t;
    a->topics.count = 4;
}

static void what_cannot_be_counts_as_not_said(void **state)
{
    (void)state;
    static const char *const own[] = {"t"};
    kafka_partitions *list;
    kafka_brokers *brokers;
    kafka_broker *controller = NULL;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .times = TCP_ALWAYS, .edit = hostile});
    kafka_conn *c = dial(p);
    assert_works(kafka_conn_read_partitions(c, own, 1, &list));
    assert_int_equal(list->count, 3);
    static const int32_t ids[] = {0, 2, 7};
    for (size_t i = 0; i < 3; i++) {
        const kafka_partition *q = &list->items[i];
        assert_string_equal(q->topic, "t");
        assert_int_equal(q->id, ids[i]);
        assert_string_equal(q->leader.host, i < 2 ? "five" : ""); /* the first sane entry; broker 6 has no port */
        assert_int_equal(q->leader.id, i < 2 ? 5 : 6);
        assert_int_equal(q->error, i < 2 ? 0 : KAFKA_ERR_LEADER_NOT_AVAILABLE);
        assert_int_equal(q->replica_count, 4);
        assert_string_equal(q->replicas[0].host, "two");
        assert_true(q->replicas[1].id == 99 && q->replicas[1].host[0] == '\0' && q->replicas[1].port == 0);
        assert_int_equal(q->replicas[2].id, -3);
    }
    kafka_partitions_free(list);
    assert_works(kafka_conn_read_partitions(c, NULL, 0, &list));
    for (size_t i = 0; i < list->count; i++) assert_string_equal(list->items[i].topic, "t");
    kafka_partitions_free(list);
    assert_works(kafka_conn_brokers(c, &brokers));
    assert_int_equal(brokers->count, 2);
    assert_true(brokers->items[0].id == 2 && brokers->items[1].id == 5);
    assert_string_equal(brokers->items[1].host, "five");
    kafka_brokers_free(brokers);
    assert_fails(kafka_conn_controller(c, &controller), KAFKA_ERR_BROKER_NOT_AVAILABLE, "controller");
    assert_null(controller);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- brokers ----------------------------------------------------------------------------------------------------- */

static void brokers_and_controller_are_told(void **state)
{
    (void)state;
    kafka_brokers *list;
    kafka_broker *b;
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = dial(p);
    assert_works(kafka_conn_brokers(c, &list));
    assert_int_equal(list->count, 1);
    assert_int_equal(list->items[0].id, 1);
    assert_int_equal(list->items[0].port, tcp_peer_port(p));
    kafka_brokers_free(list);
    assert_works(kafka_conn_controller(c, &b));
    assert_int_equal(b->id, 1);
    assert_string_equal(b->host, "127.0.0.1");
    assert_string_equal(b->rack, "r1");
    kafka_conn_free(c);
    tcp_peer_free(p);
    kafka_broker_free(b);
}

static void arguments_deadlines_and_closing(void **state)
{
    (void)state;
    static const char *const holes[] = {"t", NULL};
    calls_cut cut;
    kafka_partitions *list = NULL;
    kafka_brokers *brokers = NULL;
    kafka_broker *b = NULL;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .hold = true});
    kafka_conn *c = dial(p);
    assert_fails(kafka_conn_read_partitions(c, holes, 2, &list), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_read_partitions(c, NULL, 1, &list), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_read_partitions(c, NULL, 0, NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_read_partitions(NULL, NULL, 0, &list), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_brokers(c, NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_controller(c, NULL), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_conn_brokers(NULL, &brokers), KAFKA_EINVAL, "NULL");
    assert_int_equal(tcp_peer_requests(p, KFK_API_METADATA), 0);
    calls_cut_begin(&cut, p, c, KFK_API_METADATA, kafka_conn_set_read_deadline);
    assert_fails(kafka_conn_read_partitions(c, NULL, 0, &list), KAFKA_ETIMEDOUT, "metadata");
    calls_cut_end(&cut);
    assert_fails(kafka_conn_brokers(c, &brokers), KAFKA_ETIMEDOUT, "nothing was sent");
    assert_fails(kafka_conn_controller(c, &b), KAFKA_ETIMEDOUT, "nothing was sent");
    tcp_peer_release(p);
    kafka_conn_set_read_deadline(c, 0);
    assert_works(kafka_conn_brokers(c, &brokers));
    kafka_brokers_free(brokers);
    brokers = NULL;
    assert_works(kafka_conn_close(c));
    assert_fails(kafka_conn_brokers(c, &brokers), KAFKA_ECLOSED, "closed");
    assert_fails(kafka_conn_read_partitions(c, NULL, 0, &list), KAFKA_ECLOSED, "closed");
    assert_true(list == NULL && brokers == NULL && b == NULL);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_question_that_finds_no_memory_is_told_and_the_next_one_works(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = dial(p);
    for (int i = 0; i < 3; i++) {
        for (size_t n = 1, failed = 1; failed; n++) {
            kafka_partitions *list = NULL;
            kafka_brokers *brokers = NULL;
            kafka_broker *b = NULL;
            memcheck_fail_at(n);
            int err = i == 0   ? kafka_conn_read_partitions(c, NULL, 0, &list)
                      : i == 1 ? kafka_conn_brokers(c, &brokers)
                               : kafka_conn_controller(c, &b);
            failed = memcheck_failed();
            memcheck_fail_at(0);
            if (err != 0) assert_fails(err, KAFKA_ENOMEM, "memory");
            assert_true((list || brokers || b) == (err == 0));
            kafka_partitions_free(list);
            kafka_brokers_free(brokers);
            kafka_broker_free(b);
        }
    }
    kafka_conn_free(c);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(partitions_of_some_topics_of_the_own_one_and_of_all),
        API_TEST(a_topic_that_is_missing_or_has_an_error_fails_the_call),
        API_TEST(what_cannot_be_counts_as_not_said),
        API_TEST(brokers_and_controller_are_told),
        API_TEST(arguments_deadlines_and_closing),
        API_TEST(a_question_that_finds_no_memory_is_told_and_the_next_one_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
