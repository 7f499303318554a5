/* Finding the leader of a partition, and dialling it. */
#include "api/calls.h"
#include "wire/gen/metadata.h"

enum { PATIENCE_MS = 60000 };

/* Dials the leader and gives the code; a success is freed. */
static int try_leader(tcp_peer *p, int64_t within_ms, const char *topic, int32_t partition, int64_t *took)
{
    const kafka_dialer patient = {.timeout_ms = KAFKA_NEVER};
    kafka_conn *c = NULL;
    int64_t before = kafka_now_ms();
    int err = kafka_dial_leader(&patient, KAFKA_WITHIN(within_ms), tcp_peer_address(p), topic, partition, &c);
    if (took != NULL) *took = kafka_now_ms() - before;
    assert_true((c == NULL) == (err != 0));
    kafka_conn_free(c);
    return err;
}

static kfk_metadata_response_partition *partition_of(void *answer, int32_t i)
{
    return &((kfk_metadata_response *)answer)->topics.items[0].partitions.items[i];
}

static void no_leader(tcp_call *call, void *answer, void *arg)
{
    (void)call;
    (void)arg;
    partition_of(answer, 0)->leader_id = -1;
    partition_of(answer, 0)->error_code = KAFKA_ERR_LEADER_NOT_AVAILABLE;
}

static void unnamed_leader(tcp_call *call, void *answer, void *arg)
{
    (void)call;
    (void)arg;
    partition_of(answer, 0)->leader_id = 42;
}

static void no_topics(tcp_call *call, void *answer, void *arg)
{
    (void)call;
    (void)arg;
    ((kfk_metadata_response *)answer)->topics.count = 0;
}

/* So many questions came, in a call that takes so long without what the machine adds. Whoever owes an answer for a
 * second is asked once more, on another connection: one more for each second beyond. */
static void assert_asked(tcp_peer *p, int count, int64_t took_ms, int64_t nominal_ms)
{
    assert_in_range(tcp_peer_requests(p, KFK_API_METADATA), count, count + (took_ms - nominal_ms) / 1000);
}

static void assert_in_time(int64_t took_ms, int64_t nominal_ms)
{
    assert_in_range(took_ms, nominal_ms, nominal_ms + CALLS_LATE_MS);
}

static void a_leader_is_described_as_metadata_has_it(void **state)
{
    (void)state;
    kafka_broker *b;
    tcp_peer *p = TCP_PEER({0});
    assert_works(kafka_lookup_leader(NULL, NULL, tcp_peer_address(p), "t", 1, &b));
    assert_int_equal(b->id, 1);
    assert_string_equal(b->host, "127.0.0.1");
    assert_int_equal(b->port, tcp_peer_port(p));
    assert_string_equal(b->rack, "r1");
    kafka_broker_free(b);
    tcp_peer_free(p);
}

static void an_election_is_waited_for(void **state)
{
    (void)state;
    int64_t took;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .edit = no_leader},
                           {.api = KFK_API_METADATA, .code = KAFKA_ERR_LEADER_NOT_AVAILABLE});
    assert_works(try_leader(p, PATIENCE_MS, "t", 0, &took));
    assert_in_time(took, 490); /* 100 + 400 */
    assert_asked(p, 3, took, 490);
    tcp_peer_free(p);
}

static void an_election_without_end_costs_the_time_that_was_given(void **state)
{
    (void)state;
    int64_t took, within = 300;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .times = TCP_ALWAYS, .edit = unnamed_leader});
    for (;; within *= 4) { /* until that is enough for an answer */
        assert_fails(try_leader(p, within, "t", 0, &took), KAFKA_ETIMEDOUT, NULL);
        assert_in_time(took, within - 1);
        if (strstr(kafka_last_error(), "broker 42")) break;
        assert_true(within < PATIENCE_MS);
    }
    tcp_peer_free(p);
}

static void a_topic_that_does_not_exist_is_told_in_seconds(void **state)
{
    (void)state;
    int64_t took, more;
    tcp_peer *p = TCP_PEER({0});
    assert_fails(try_leader(p, PATIENCE_MS, "u", 0, &took), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "topic u");
    assert_in_time(took, 1390); /* 100 + 400 + 900 */
    assert_non_null(strstr(kafka_last_error(), tcp_peer_address(p)));
    assert_fails(try_leader(p, PATIENCE_MS, "t", 2, &more), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "partition 2");
    assert_asked(p, 8, took + more, 2 * 1390);
    tcp_peer_free(p);
}

/* Where there is no time for another question the answer that is there counts. */
static void or_within_the_time_that_was_given(void **state)
{
    (void)state;
    int64_t took, patience = kafka_deadline_in(PATIENCE_MS);
    int err;
    tcp_peer *p = TCP_PEER({0});
    do { /* until the machine is fast enough for an answer */
        err = try_leader(p, 400, "u", 0, &took);
    } while ((err == KAFKA_ETIMEDOUT || took > 400) && kafka_now_ms() < patience);
    assert_fails(err, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "topic u");
    assert_in_range(took, 90, 400);
    tcp_peer_free(p);
}

static void a_topic_that_appears_late_is_found(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .times = 2, .edit = no_topics});
    assert_works(try_leader(p, PATIENCE_MS, "t", 0, NULL));
    tcp_peer_free(p);
}

static void an_error_that_stays_is_told_at_once(void **state)
{
    (void)state;
    char name[40000];
    int64_t took;
    static const struct {
        tcp_rule rule;
        int code;
        const char *part;
    } errors[] = {
        {{.code = KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED}, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, "topic t"},
        {{.code = KAFKA_ERR_INVALID_TOPIC_EXCEPTION}, KAFKA_ERR_INVALID_TOPIC_EXCEPTION, "topic t"},
        {{.extra = -2}, KAFKA_EPROTO, "Metadata"},
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        tcp_rule rule = errors[i].rule;
        rule.api = KFK_API_METADATA;
        rule.times = TCP_ALWAYS;
        tcp_peer *p = tcp_peer_new(&rule, 1);
        assert_fails(try_leader(p, PATIENCE_MS, "t", 0, &took), errors[i].code, errors[i].part);
        assert_asked(p, 1, took, 0);
        tcp_peer_free(p);
    }
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    tcp_peer *p = TCP_PEER({0});
    assert_fails(try_leader(p, PATIENCE_MS, name, 0, &took), KAFKA_EINVAL, "name");
    assert_in_time(took, 0);
    assert_int_equal(tcp_peer_requests(p, KFK_API_METADATA), 0);
    tcp_peer_free(p);
}

static void a_broker_that_hangs_up_in_between_is_asked_again(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .no_answer = true, .then = TCP_CLOSE},
                           {.api = KFK_API_METADATA, .edit = no_leader});
    assert_works(try_leader(p, PATIENCE_MS, "t", 0, NULL));
    tcp_peer_free(p);
}

/* The newcomer's error: the cluster answers, and advertises an address that makes sense elsewhere only. */
static void a_leader_that_does_not_answer_is_named_with_who_named_it(void **state)
{
    (void)state;
    char leader[32];
    int port, refusing = calls_refuse(&port);
    snprintf(leader, sizeof leader, "127.0.0.1:%d", port);
    tcp_peer *p = TCP_PEER({0});
    tcp_peer_advertise(p, "127.0.0.1", port, 1);
    assert_fails(try_leader(p, PATIENCE_MS, "t", 0, NULL), KAFKA_EIO, leader);
    assert_non_null(strstr(kafka_last_error(), tcp_peer_address(p)));
    assert_non_null(strstr(kafka_last_error(), "advertised.listeners"));
    tcp_peer_advertise(p, "no-name-has-a-label-of-more-than-sixty-three-letters-but-this-one-has.test", 9092, 1);
    assert_fails(try_leader(p, PATIENCE_MS, "t", 0, NULL), KAFKA_ERESOLVE, "advertised.listeners");
    tcp_peer_free(p);
    close(refusing);
}

/* The steps before the last take 400 ms. False: this was not enough to come to it. */
static bool all_steps_have_this_limit(int64_t within_ms)
{
    int64_t took;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .delay_ms = 200}, {.api = KFK_API_METADATA, .delay_ms = 200}),
             *silent = TCP_PEER({.api = KFK_API_API_VERSIONS, .no_answer = true, .then = TCP_SILENCE});
    tcp_peer_advertise(p, "127.0.0.1", tcp_peer_port(silent), 1);
    assert_fails(try_leader(p, within_ms, "t", 0, &took), KAFKA_ETIMEDOUT, NULL);
    bool came_to_the_last = strstr(kafka_last_error(), tcp_peer_address(silent)) != NULL;
    assert_in_time(took, within_ms - 1);
    tcp_peer_free(silent);
    tcp_peer_free(p);
    return came_to_the_last;
}

static void both_dials_and_the_look_up_have_one_limit(void **state)
{
    (void)state;
    int64_t took, within = 600;
    while (!all_steps_have_this_limit(within)) assert_true((within *= 4) < PATIENCE_MS);
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .times = TCP_ALWAYS, .no_answer = true, .then = TCP_SILENCE});
    for (within = 300;; within *= 4) { /* until that is enough to begin */
        assert_fails(try_leader(p, within, "t", 0, &took), KAFKA_ETIMEDOUT, NULL);
        assert_in_time(took, within - 1);
        if (strstr(kafka_last_error(), "looking up the leader of topic t partition 0")) break;
        assert_true(within < PATIENCE_MS);
    }
    tcp_peer_free(p);
}

/* False: this was not enough for an answer. */
static bool a_missing_topic_is_told_after(int64_t within_ms)
{
    int64_t took;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA},
                           {.api = KFK_API_METADATA, .times = TCP_ALWAYS, .no_answer = true, .then = TCP_SILENCE});
    int err = try_leader(p, within_ms, "missing", 0, &took);
    assert_in_time(took, within_ms - 1);
    if (err != KAFKA_ETIMEDOUT) assert_fails(err, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "topic missing");
    tcp_peer_free(p);
    return err != KAFKA_ETIMEDOUT;
}

static void a_topic_that_was_missing_when_last_asked_for_is_told_when_the_time_is_up(void **state)
{
    (void)state;
    int64_t within = 600;
    while (!a_missing_topic_is_told_after(within)) assert_true((within *= 4) < PATIENCE_MS);
}

static void *fire_at_metadata(void *arg)
{
    void **both = arg;
    if (!tcp_peer_saw(both[0], KFK_API_METADATA, 1)) return NULL;
    kafka_cancel_fire(both[1]);
    return NULL;
}

static void a_token_ends_the_look_up(void **state)
{
    (void)state;
    kafka_conn *c = NULL;
    kafka_cancel *token;
    assert_works(kafka_cancel_new(&token));
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .times = TCP_ALWAYS, .edit = unnamed_leader});
    void *both[] = {p, token};
    pthread_t t = calls_start(fire_at_metadata, both);
    assert_fails(kafka_dial_leader(NULL, &(kafka_ctx){.cancel = token}, tcp_peer_address(p), "t", 0, &c),
                 KAFKA_ECANCELED, "canceled");
    pthread_join(t, NULL);
    kafka_cancel_free(token);
    tcp_peer_free(p);
}

/* ---- partitions and brokers -------------------------------------------------------------------------------------- */

static void the_partitions_of_a_topic_are_looked_up_once(void **state)
{
    (void)state;
    kafka_partitions *list = NULL;
    int64_t before = kafka_now_ms();
    tcp_peer *p = TCP_PEER({0});
    assert_works(kafka_lookup_partitions(NULL, NULL, tcp_peer_address(p), "t", &list));
    assert_int_equal(list->count, 2);
    assert_string_equal(list->items[1].topic, "t");
    assert_int_equal(list->items[1].id, 1);
    assert_int_equal(list->items[1].leader.id, 1);
    assert_int_equal(list->items[1].leader.port, tcp_peer_port(p));
    assert_int_equal(list->items[1].leader_epoch, 3);
    kafka_partitions_free(list);
    list = NULL;
    assert_fails(kafka_lookup_partitions(NULL, NULL, tcp_peer_address(p), "u", &list),
                 KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "topic u");
    assert_fails(kafka_lookup_partitions(NULL, NULL, tcp_peer_address(p), "", &list), KAFKA_EINVAL, "topic");
    assert_null(list);
    assert_asked(p, 2, kafka_now_ms() - before, 0);
    tcp_peer_free(p);

    p = TCP_PEER({.api = KFK_API_METADATA, .times = TCP_ALWAYS, .no_answer = true, .then = TCP_SILENCE});
    for (int64_t ms = 200;; ms *= 4) { /* until that is enough to begin */
        assert_fails(kafka_lookup_partitions(NULL, KAFKA_WITHIN(ms), tcp_peer_address(p), "t", &list), KAFKA_ETIMEDOUT,
                     NULL);
        if (strstr(kafka_last_error(), tcp_peer_address(p))) break;
        assert_true(ms < PATIENCE_MS);
    }
    tcp_peer_free(p);
}

static void a_broker_is_dialled_at_the_address_it_advertises(void **state)
{
    (void)state;
    kafka_conn *c = NULL;
    int port, refusing = calls_refuse(&port);
    tcp_peer *p = TCP_PEER({0});
    kafka_broker b = {.id = 5, .host = "127.0.0.1", .port = tcp_peer_port(p)};
    assert_works(kafka_dial_broker(NULL, NULL, &b, &c));
    kafka_conn_free(c);
    c = NULL;
    b.port = port;
    assert_fails(kafka_dial_broker(NULL, NULL, &b, &c), KAFKA_EIO, "broker 5");
    b.host = "";
    assert_fails(kafka_dial_broker(NULL, NULL, &b, &c), KAFKA_ERR_LEADER_NOT_AVAILABLE, "broker 5");
    b.host = NULL;
    assert_fails(kafka_dial_broker(NULL, NULL, &b, &c), KAFKA_ERR_LEADER_NOT_AVAILABLE, "broker 5");
    b.host = "bad host";
    assert_fails(kafka_dial_broker(NULL, NULL, &b, &c), KAFKA_EINVAL, "bad host");
    b.host = "h";
    b.port = 70000;
    assert_fails(kafka_dial_broker(NULL, NULL, &b, &c), KAFKA_EINVAL, "70000");
    assert_fails(kafka_dial_broker(NULL, NULL, NULL, &c), KAFKA_EINVAL, "NULL");
    assert_null(c);
    close(refusing);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_leader_is_described_as_metadata_has_it),
        API_TEST(an_election_is_waited_for),
        API_TEST(an_election_without_end_costs_the_time_that_was_given),
        API_TEST(a_topic_that_does_not_exist_is_told_in_seconds),
        API_TEST(or_within_the_time_that_was_given),
        API_TEST(a_topic_that_appears_late_is_found),
        API_TEST(an_error_that_stays_is_told_at_once),
        API_TEST(a_broker_that_hangs_up_in_between_is_asked_again),
        API_TEST(a_leader_that_does_not_answer_is_named_with_who_named_it),
        API_TEST(both_dials_and_the_look_up_have_one_limit),
        API_TEST(a_topic_that_was_missing_when_last_asked_for_is_told_when_the_time_is_up),
        API_TEST(a_token_ends_the_look_up),
        API_TEST(the_partitions_of_a_topic_are_looked_up_once),
        API_TEST(a_broker_is_dialled_at_the_address_it_advertises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
