/* Metadata (H12, H13, H14, H15) that is well formed and cannot be true: what cannot be counts as not said, the rest as
 * said, and nobody is connected to but who is needed. */
#include "hostile/hostile.h"
#include "wire/gen/metadata.h"

enum { MIB = 1024 * 1024 };

/* What the broker says, in place of what it would. Topics: "t". */
typedef struct said {
    const kfk_metadata_response_broker *brokers;
    int32_t broker_count;
    const kfk_metadata_response_partition *partitions; /* of "t"; NULL = as they are */
    int32_t partition_count;
    const kafka_bytes *topics; /* beside "t", each with one partition; */
    int32_t topic_count;
} said;

static void *copy(tcp_call *call, const void *items, int32_t count, size_t size)
{
    void *to = tcp_alloc(call, ((size_t)count + 1) * size);
    if (count > 0) memcpy(to, items, (size_t)count * size);
    return to;
}

static void say(tcp_call *call, void *answer, void *arg)
{
    const said *s = arg;
    kfk_metadata_response *a = answer;
    if (s->brokers) {
        a->brokers.items = copy(call, s->brokers, s->broker_count, sizeof *s->brokers);
        a->brokers.count = s->broker_count;
    }
    if (s->partitions && a->topics.count > 0) {
        a->topics.items[0].partitions.items = copy(call, s->partitions, s->partition_count, sizeof *s->partitions);
        a->topics.items[0].partitions.count = s->partition_count;
    }
    if (s->topic_count == 0) return;
    int32_t count = a->topics.count;
    kfk_metadata_response_topic *topics = tcp_alloc(call, (size_t)(count + s->topic_count) * sizeof *topics);
    memcpy(topics, a->topics.items, (size_t)count * sizeof *topics);
    for (int32_t i = 0; i < s->topic_count; i++) {
        topics[count + i] = topics[0];
        topics[count + i].name = s->topics[i];
    }
    a->topics.items = topics;
    a->topics.count = count + s->topic_count;
}

/* A peer that says so, always, and a connection to it. */
typedef struct scene {
    tcp_peer *peer;
    kafka_conn *conn;
    size_t before;
} scene;

static scene begin(said *s)
{
    scene x = {.peer = TCP_PEER({.api = KFK_API_METADATA, .times = TCP_ALWAYS, .edit = say, .arg = s})};
    hostile_witness_begin();
    assert_works(kafka_dial(NULL, NULL, tcp_peer_address(x.peer), &x.conn));
    x.before = memcheck_bytes(); /* of which the loop may just be giving something back */
    memcheck_peak_begin();
    return x;
}

/* The connection is still the one that was made, and usable; nothing else was connected to. */
static void end(scene *x, size_t most)
{
    kafka_brokers *brokers;
    size_t more = memcheck_peak() > x->before ? memcheck_peak() - x->before : 0;
    if (more > most) fail_msg("%zu bytes were taken", more);
    assert_works(kafka_conn_brokers(x->conn, &brokers));
    kafka_brokers_free(brokers);
    assert_int_equal(tcp_peer_requests(x->peer, TCP_ACCEPT), 1);
    kafka_conn_free(x->conn);
    hostile_witness_end();
    tcp_peer_free(x->peer);
}

/* ---- brokers ----------------------------------------------------------------------------------------------------- */

#define TEXT(s)             \
    {                       \
        "" s, sizeof(s) - 1 \
    }

static void H12_brokers_that_cannot_be_are_not_named(void **state)
{
    (void)state;
    static char longest[256];
    memset(longest, 'h', sizeof longest);
    const kfk_metadata_response_broker brokers[] = {
        {.node_id = -7, .host = TEXT("negative"), .port = 1},
        {.node_id = INT32_MIN, .host = TEXT("least"), .port = 1},
        {.node_id = 3, .host = TEXT("three"), .port = 3},
        {.node_id = 3, .host = TEXT("again"), .port = 3},
        {.node_id = 4, .host = TEXT("port"), .port = 0},
        {.node_id = 5, .host = TEXT("port"), .port = -1},
        {.node_id = 6, .host = TEXT("port"), .port = 70000},
        {.node_id = 7, .host = TEXT(""), .port = 1},
        {.node_id = 8, .host = {longest, sizeof longest}, .port = 1},
        {.node_id = 9, .host = TEXT("nul\0host"), .port = 1},
        {.node_id = 10, .host = TEXT("new\nline"), .port = 1},
        {.node_id = 11, .host = TEXT("\x1b[31mred"), .port = 1},
        {.node_id = 12, .host = TEXT("a b"), .port = 1},
        {.node_id = 13, .host = TEXT("::1%eth0;reboot"), .port = 1},
        {.node_id = INT32_MAX, .host = TEXT("2001:db8::1"), .port = 65535},
    };
    said s = {.brokers = brokers, .broker_count = sizeof brokers / sizeof brokers[0]};
    scene x = begin(&s);
    kafka_brokers *list;
    assert_works(kafka_conn_brokers(x.conn, &list));
    assert_int_equal(list->count, 2);
    assert_true(list->items[0].id == 3 && list->items[1].id == INT32_MAX);
    assert_string_equal(list->items[0].host, "three"); /* of two, the first */
    assert_string_equal(list->items[1].host, "2001:db8::1");
    kafka_brokers_free(list);
    end(&x, MIB);
}

/* A partition that such a broker leads has no leader, which dialling it waits for, and then tells. An answer without
 * any other broker is none. */
static void H12_a_leader_that_cannot_be_is_none(void **state)
{
    (void)state;
    static const kfk_metadata_response_broker bad[] = {
        {.node_id = 1, .host = TEXT("new\nline"), .port = 9092},
        {.node_id = 1, .host = TEXT("h"), .port = 70000},
        {.node_id = 1, .host = TEXT("$(reboot)"), .port = 9092},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kfk_metadata_response_broker brokers[] = {bad[i], {.node_id = 2, .host = TEXT("127.0.0.1")}};
        said s = {.brokers = brokers, .broker_count = 1};
        scene x = begin(&s);
        kafka_conn *leader = NULL;
        brokers[1].port = tcp_peer_port(x.peer);
        assert_fails(kafka_dial_leader(NULL, KAFKA_WITHIN(10000), tcp_peer_address(x.peer), "t", 0, &leader),
                     KAFKA_EPROTO, "names no broker");
        assert_non_null(strstr(kafka_last_error(), tcp_peer_address(x.peer)));
        s.broker_count = 2;
        for (int64_t ms = 250;; ms *= 4) { /* until that is enough for an answer */
            assert_fails(kafka_dial_leader(NULL, KAFKA_WITHIN(ms), tcp_peer_address(x.peer), "t", 0, &leader),
                         KAFKA_ETIMEDOUT, NULL);
            assert_null(leader);
            if (strstr(kafka_last_error(), "broker 1, is not among the brokers")) break;
            if (ms > CALLS_PATIENCE_MS) fail_msg("no word of broker 1 in: %s", kafka_last_error());
        }
        assert_null(strchr(kafka_last_error(), '\n'));
        kafka_conn_free(x.conn);
        hostile_witness_end();
        tcp_peer_free(x.peer);
    }
}

static void H14_of_ten_thousand_brokers_and_one_the_last_is_not_looked_at(void **state)
{
    (void)state;
    enum { MANY = 10001 };
    static kfk_metadata_response_broker brokers[MANY];
    for (int32_t i = 0; i < MANY; i++)
        brokers[i] = (kfk_metadata_response_broker){.node_id = i, .host = TEXT("127.0.0.1"), .port = 22};
    said s = {.brokers = brokers, .broker_count = MANY};
    scene x = begin(&s);
    kafka_brokers *list;
    assert_works(kafka_conn_brokers(x.conn, &list));
    assert_int_equal(list->count, 10000);
    assert_int_equal(list->items[9999].id, 9999);
    kafka_brokers_free(list);
    end(&x, 8 * MIB); /* the frame, and three descriptions of each: the answer's, the call's, the list's */
}

/* The broker says that all of its partitions are led from an address of the host that it wants somebody to look at. */
static void H14_an_advertised_listener_is_connected_to_only_when_it_is_needed(void **state)
{
    (void)state;
    tcp_peer *ssh = TCP_PEER({.api = TCP_ACCEPT, .times = TCP_ALWAYS, TCP_RAW("SSH-2.0-OpenSSH_9.2\r\n")});
    const kfk_metadata_response_broker brokers[] = {
        {.node_id = 1, .host = TEXT("127.0.0.1"), .port = tcp_peer_port(ssh)},
        {.node_id = 2, .host = TEXT("169.254.169.254"), .port = 80},
        {.node_id = 3, .host = TEXT("fe80::1"), .port = 9092},
    };
    said s = {.brokers = brokers, .broker_count = 3};
    scene x = begin(&s);
    kafka_conn *leader = NULL;
    kafka_partitions *list;
    static const char *const t[] = {"t"};
    assert_works(kafka_conn_read_partitions(x.conn, t, 1, &list));
    assert_int_equal(list->items[0].leader.port, tcp_peer_port(ssh));
    kafka_partitions_free(list);
    assert_int_equal(tcp_peer_requests(ssh, TCP_ACCEPT), 0);
    assert_fails(kafka_dial_leader(NULL, KAFKA_WITHIN(10000), tcp_peer_address(x.peer), "t", 0, &leader), KAFKA_EPROTO,
                 "SSH server");
    assert_non_null(strstr(kafka_last_error(), tcp_peer_address(ssh)));
    assert_null(leader);
    assert_int_equal(tcp_peer_requests(ssh, TCP_ACCEPT), 1);
    kafka_conn_free(x.conn);
    hostile_witness_end();
    tcp_peer_free(x.peer);
    tcp_peer_free(ssh);
}

/* ---- partitions and topics --------------------------------------------------------------------------------------- */

static void H13_partitions_that_cannot_be_are_not_listed(void **state)
{
    (void)state;
    static int32_t nobody[] = {-1, INT32_MAX, 77};
    static const kfk_metadata_response_partition partitions[] = {
        {.partition_index = -1, .leader_id = 1},
        {.partition_index = INT32_MAX, .leader_id = 1},
        {.partition_index = INT32_MIN, .leader_id = 1},
        {.partition_index = 1000000, .leader_id = 1},
        {.partition_index = 1, .leader_id = 1},
        {.partition_index = 1, .leader_id = 77},
        {.partition_index = 0, .leader_id = 77, .replica_nodes = {nobody, 3}, .isr_nodes = {nobody, 3}},
        {.partition_index = 5, .leader_id = -7},
    };
    said s = {.partitions = partitions, .partition_count = sizeof partitions / sizeof partitions[0]};
    scene x = begin(&s);
    kafka_partitions *list;
    static const char *const t[] = {"t"};
    assert_works(kafka_conn_read_partitions(x.conn, t, 1, &list));
    assert_int_equal(list->count, 3);
    static const int32_t ids[] = {0, 1, 5};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(list->items[i].id, ids[i]);
        assert_int_equal(list->items[i].error, i == 1 ? 0 : KAFKA_ERR_LEADER_NOT_AVAILABLE);
        assert_true((list->items[i].leader.host[0] != '\0') == (i == 1));
    }
    assert_int_equal(list->items[0].replica_count, 3);
    assert_string_equal(list->items[0].replicas[2].host, "");
    kafka_partitions_free(list);
    end(&x, MIB);
}

static void H15_topics_that_cannot_be_called_so_are_not_listed(void **state)
{
    (void)state;
    static char longest[300];
    memset(longest, 't', sizeof longest);
    const kafka_bytes topics[] = {{longest, sizeof longest},
                                  {longest, 249},
                                  TEXT("."),
                                  TEXT(".."),
                                  TEXT(""),
                                  TEXT("bell\a"),
                                  TEXT("nul\0"),
                                  TEXT("../../etc/passwd"),
                                  TEXT("caf\xc3\xa9"),
                                  TEXT("sane")};
    said s = {.topics = topics, .topic_count = sizeof topics / sizeof topics[0]};
    scene x = begin(&s);
    kafka_partitions *list;
    assert_works(kafka_conn_read_partitions(x.conn, NULL, 0, &list));
    assert_int_equal(list->count, 6); /* two of each */
    assert_string_equal(list->items[0].topic, "sane");
    assert_string_equal(list->items[2].topic, "t");
    assert_int_equal(strlen(list->items[4].topic), 249);
    kafka_partitions_free(list);
    end(&x, MIB);
}

/* An error of such a topic is no reason to fail, or to repeat its name. */
static void fail_topics(tcp_call *call, void *answer, void *arg)
{
    static const kafka_bytes topics[] = {TEXT("evil\x1b[2J"), TEXT("../x")};
    said s = {.topics = topics, .topic_count = 2};
    kfk_metadata_response *a = answer;
    (void)arg;
    say(call, answer, &s);
    for (int32_t i = 1; i < a->topics.count; i++) a->topics.items[i].error_code = KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED;
}

static void H15_an_error_of_a_topic_that_cannot_be_fails_nothing(void **state)
{
    (void)state;
    kafka_conn *c = NULL;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .times = TCP_ALWAYS, .edit = fail_topics});
    assert_works(kafka_dial(NULL, NULL, tcp_peer_address(p), &c));
    assert_works(hostile_do(HOSTILE_METADATA, c));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE_TEST(H12_brokers_that_cannot_be_are_not_named),
        HOSTILE_TEST(H12_a_leader_that_cannot_be_is_none),
        HOSTILE_TEST(H13_partitions_that_cannot_be_are_not_listed),
        HOSTILE_TEST(H14_of_ten_thousand_brokers_and_one_the_last_is_not_looked_at),
        HOSTILE_TEST(H14_an_advertised_listener_is_connected_to_only_when_it_is_needed),
        HOSTILE_TEST(H15_topics_that_cannot_be_called_so_are_not_listed),
        HOSTILE_TEST(H15_an_error_of_a_topic_that_cannot_be_fails_nothing),
    };
    return hostile_main(tests);
}
