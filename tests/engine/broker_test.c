#include "support/memcheck.h"

#include "base/mem.h"
#include "base/time.h"
#include "engine/broker.h"
#include "support/peer_tcp.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/metadata.h"
#include <stdlib.h>
#include <string.h>

static kfk_loop *loop;

static int setup(void **state)
{
    memcheck_setup(state);
    return kfk_loop_new("test", &loop, NULL);
}

static int teardown(void **state)
{
    kfk_loop_unuse(loop);
    kfk_loop_drop(loop);
    return memcheck_teardown(state);
}
#define BROKER_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* ---- doing something under the baton ----------------------------------------------------------------------------- */

typedef struct doing {
    kfk_op op;
    void (*what)(void *arg);
    void *arg;
} doing;

static void doing_run(kfk_task *t)
{
    doing *d = KFK_CONTAINER(t, doing, op.task);
    d->what(d->arg);
    kfk_op_finish_loop(loop, &d->op);
}

static void doing_destroy(kfk_op *op)
{
    free(KFK_CONTAINER(op, doing, op));
}

static void under_baton(void (*what)(void *), void *arg)
{
    doing *d = calloc(1, sizeof *d);
    kfk_op_init(&d->op, doing_run, doing_destroy);
    d->what = what;
    d->arg = arg;
    kfk_loop_submit(loop, &d->op.task);
    kfk_op_wait(loop, &d->op, KFK_TIME_NEVER);
    kfk_op_drop(&d->op);
}

/* ---- a broker and requests to it --------------------------------------------------------------------------------- */

static kfk_broker *broker_at(tcp_peer *p, bool reconnect)
{
    kfk_broker *b;
    kfk_broker_config cfg = {.loop = loop,
                             .address = {.host = "127.0.0.1", .port = (uint16_t)tcp_peer_port(p)},
                             .client_id = "test",
                             .connect_timeout_ms = 5000,
                             .reconnect = reconnect};
    assert_int_equal(kfk_broker_new(&cfg, &b), 0);
    return b;
}

/* A Metadata request, and what became of it. */
typedef struct asking {
    kfk_op op;
    kfk_broker *broker;
    kfk_request request;
    kfk_metadata_request message;
    kfk_metadata_response answer;
} asking;

static void asking_done(kfk_request *r, const kfk_error *err)
{
    asking *a = KFK_CONTAINER(r, asking, request);
    if (err) a->op.error = *err;
    kfk_op_finish_loop(loop, &a->op);
}

static void asking_run(kfk_task *t)
{
    asking *a = KFK_CONTAINER(t, asking, op.task);
    kfk_broker_send_loop(a->broker, &a->request);
}

static void asking_destroy(kfk_op *op)
{
    asking *a = KFK_CONTAINER(op, asking, op);
    kfk_request_fini(&a->request);
    free(a);
}

static asking *ask(kfk_broker *b, int64_t timeout_ms)
{
    asking *a = calloc(1, sizeof *a);
    kfk_op_init(&a->op, asking_run, asking_destroy);
    kfk_request_init(&a->request, KFK_API_METADATA);
    kfk_codec_default(a->request.api->request, &a->message);
    a->message.topics.count = 0;
    a->broker = b;
    a->request.min_version = 1;
    a->request.message = &a->message;
    a->request.response = &a->answer;
    a->request.timeout_ms = timeout_ms;
    a->request.done = asking_done;
    kfk_loop_submit(loop, &a->op.task);
    return a;
}

/* Waits for the outcome, which must be this code with this in its sentence. */
static void expect(asking *a, int code, const char *part)
{
    assert_int_equal(kfk_op_wait(loop, &a->op, kfk_time_now_ms() + 10000), 0);
    if (a->op.error.code != code) fail_msg("%d: %s", a->op.error.code, a->op.error.text);
    if (part && !strstr(a->op.error.text, part)) fail_msg("\"%s\" is not in: %s", part, a->op.error.text);
    kfk_op_drop(&a->op);
}

/* ---- versions ---------------------------------------------------------------------------------------------------- */

static void name_no_versions(tcp_call *call, void *answer, void *arg)
{
    kfk_api_versions_response *a = answer;
    (void)call;
    (void)arg;
    a->api_keys.count = 0;
}

static void a_newer_hello_is_said_again_in_the_version_that_the_broker_names(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    tcp_peer_set_versions(p, KFK_API_API_VERSIONS, 0, 2);
    kfk_broker *b = broker_at(p, false);
    expect(ask(b, 5000), 0, NULL);
    assert_int_equal(tcp_peer_requests(p, KFK_API_API_VERSIONS), 2);
    kfk_broker_free(b);
    tcp_peer_free(p);
}

/* Before KIP-511 (Kafka 2.4) the refusal names nothing. */
static void a_broker_that_refuses_without_naming_versions_is_asked_in_version_0(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .edit = name_no_versions});
    tcp_peer_set_versions(p, KFK_API_API_VERSIONS, 0, 2);
    kfk_broker *b = broker_at(p, false);
    expect(ask(b, 5000), 0, NULL);
    assert_int_equal(tcp_peer_requests(p, KFK_API_API_VERSIONS), 2);
    kfk_broker_free(b);
    tcp_peer_free(p);
}

static void a_broker_that_refuses_version_0_too_is_given_up(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS,
                            .times = TCP_ALWAYS,
                            .code = KAFKA_ERR_UNSUPPORTED_VERSION,
                            .edit = name_no_versions});
    tcp_peer_set_versions(p, KFK_API_API_VERSIONS, 0, 0);
    kfk_broker *b = broker_at(p, false);
    expect(ask(b, 5000), KAFKA_EVERSION, "ApiVersions v0");
    assert_int_equal(tcp_peer_requests(p, KFK_API_API_VERSIONS), 2);
    kfk_broker_free(b);
    tcp_peer_free(p);
}

static void an_answer_without_apis_is_no_version_in_common(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .edit = name_no_versions});
    kfk_broker *b = broker_at(p, false);
    expect(ask(b, 5000), KAFKA_EVERSION, "dial 127.0.0.1:");
    kfk_broker_free(b);
    tcp_peer_free(p);
}

static void name_metadata_twice(tcp_call *call, void *answer, void *arg)
{
    kfk_api_versions_response *a = answer;
    kfk_api_versions_response_api *items = tcp_alloc(call, 3 * sizeof *items);
    (void)arg;
    items[0] = (kfk_api_versions_response_api){KFK_API_METADATA, 1, 4};
    items[1] = (kfk_api_versions_response_api){KFK_API_METADATA, 1, 9};
    items[2] = (kfk_api_versions_response_api){-7, 0, 3};
    a->api_keys.items = items;
    a->api_keys.count = 3;
}

static void note_version(tcp_call *call, void *answer, void *arg)
{
    (void)answer;
    *(int *)arg = call->version;
}

static void of_two_entries_for_an_api_the_first_counts(void **state)
{
    (void)state;
    int version = -1;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .edit = name_metadata_twice},
                           {.api = KFK_API_METADATA, .edit = note_version, .arg = &version});
    kfk_broker *b = broker_at(p, false);
    expect(ask(b, 5000), 0, NULL);
    kfk_broker_free(b);
    tcp_peer_free(p);
    assert_int_equal(version, 4);
}

static void name_a_thousand(tcp_call *call, void *answer, void *arg)
{
    kfk_api_versions_response *a = answer;
    (void)arg;
    a->api_keys.count = 1025;
    a->api_keys.items = tcp_alloc(call, 1025 * sizeof *a->api_keys.items);
}

static void more_apis_than_there_can_be_are_refused(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .edit = name_a_thousand});
    kfk_broker *b = broker_at(p, false);
    expect(ask(b, 5000), KAFKA_EPROTO, "1025");
    kfk_broker_free(b);
    tcp_peer_free(p);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static void a_request_that_misses_its_time_takes_the_connection_along(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .then = TCP_SILENCE, .no_answer = true});
    kfk_broker *b = broker_at(p, false);
    int64_t before = kfk_time_now_ms();
    asking *first = ask(b, 200), *second = ask(b, 5000);
    expect(first, KAFKA_ETIMEDOUT, "no answer to Metadata");
    expect(second, KAFKA_ETIMEDOUT, "no answer to Metadata");
    assert_true(kfk_time_now_ms() - before >= 200);
    expect(ask(b, 5000), KAFKA_ETIMEDOUT, "no answer to Metadata");
    kfk_broker_free(b);
    tcp_peer_free(p);
}

/* A broker answers one request after the other: the time of those behind a slow one has not begun. */
static void a_request_behind_a_slow_one_has_its_whole_time(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .delay_ms = 500}, {.api = KFK_API_METADATA, .delay_ms = 100},
                           {.api = KFK_API_METADATA, .then = TCP_SILENCE, .no_answer = true});
    kfk_broker *b = broker_at(p, false);
    asking *slow = ask(b, 5000), *behind = ask(b, 300), *last = ask(b, 300);
    expect(slow, 0, NULL);
    expect(behind, 0, NULL);
    expect(last, KAFKA_ETIMEDOUT, "no answer to Metadata");
    kfk_broker_free(b);
    tcp_peer_free(p);
}

static void what_could_not_be_sent_in_time_says_why(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .then = TCP_SILENCE, .no_answer = true});
    kfk_broker *b = broker_at(p, true);
    expect(ask(b, 100), KAFKA_ETIMEDOUT, "waiting for the answer to ApiVersions");
    kfk_broker_free(b);
    tcp_peer_free(p);
}

static void throttle(tcp_call *call, void *answer, void *arg)
{
    (void)call;
    ((kfk_metadata_response *)answer)->throttle_time_ms = *(int *)arg;
}

static void a_throttled_client_keeps_quiet_for_that_long(void **state)
{
    (void)state;
    int ms = 300;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .edit = throttle, .arg = &ms});
    kfk_broker *b = broker_at(p, false);
    expect(ask(b, 5000), 0, NULL);
    int64_t before = kfk_time_now_ms();
    expect(ask(b, 5000), 0, NULL);
    assert_true(kfk_time_now_ms() - before >= 290);
    kfk_broker_free(b);
    tcp_peer_free(p);
}

/* ---- losing the connection --------------------------------------------------------------------------------------- */

static void without_reconnecting_the_first_failure_is_the_last(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .no_answer = true, .then = TCP_CLOSE});
    kfk_broker *b = broker_at(p, false);
    expect(ask(b, 5000), KAFKA_EUNEXPECTED_EOF, "while it owed an answer to Metadata");
    expect(ask(b, 5000), KAFKA_EUNEXPECTED_EOF, "while it owed an answer to Metadata");
    assert_int_equal(tcp_peer_requests(p, TCP_ACCEPT), 1);
    kfk_broker_free(b);
    tcp_peer_free(p);
}

static void with_reconnecting_a_request_waits_for_the_next_connection(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = TCP_ACCEPT, .then = TCP_CLOSE}, {.api = TCP_ACCEPT, .then = TCP_RESET});
    kfk_broker *b = broker_at(p, true);
    expect(ask(b, 5000), 0, NULL);
    assert_int_equal(tcp_peer_requests(p, TCP_ACCEPT), 3);
    kfk_broker_free(b);
    tcp_peer_free(p);
}

typedef struct withdrawal {
    kfk_broker *broker;
    asking *asking;
} withdrawal;

static void withdraw(void *arg)
{
    withdrawal *w = arg;
    kfk_broker_withdraw_loop(w->broker, &w->asking->request);
}

static void what_was_not_sent_can_be_taken_back(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .hold = true});
    kfk_broker *b = broker_at(p, false);
    withdrawal w = {b, ask(b, 5000)};
    tcp_peer_wait(p, KFK_API_API_VERSIONS, 1);
    under_baton(withdraw, &w);
    expect(w.asking, KAFKA_ECANCELED, NULL);
    tcp_peer_release(p);
    w.asking = ask(b, 5000);
    tcp_peer_wait(p, KFK_API_METADATA, 1);
    under_baton(withdraw, &w); /* too late */
    expect(w.asking, 0, NULL);
    kfk_broker_free(b);
    tcp_peer_free(p);
    assert_true(true);
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

typedef struct closing {
    kfk_broker *broker;
    tcp_peer *peer;
    int64_t until_ms;
} closing;

/* While nobody else can run, the answer to a request arrives. */
static void close_and_be_answered(void *arg)
{
    closing *c = arg;
    kfk_error why;
    kfk_error_set(&why, KAFKA_ECLOSED, "closed by the test");
    kfk_broker_close_loop(c->broker, &why);
    tcp_peer_release(c->peer);
    while (tcp_peer_requests(c->peer, TCP_SENT) < 2 && kfk_time_now_ms() < c->until_ms) {}
}

static void an_answer_that_comes_after_the_close_changes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .hold = true});
        kfk_broker *b = broker_at(p, false);
        asking *a = ask(b, 5000);
        closing c = {b, p, kfk_time_now_ms() + 5000};
        tcp_peer_wait(p, KFK_API_METADATA, 1);
        under_baton(close_and_be_answered, &c);
        expect(a, KAFKA_ECLOSED, "closed by the test");
        for (int k = 0; k < 3; k++) expect(ask(b, 5000), KAFKA_ECLOSED, "closed by the test");
        kfk_broker_free(b);
        tcp_peer_free(p);
    }
}

static void closing_while_it_connects_leaves_nothing_behind(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        tcp_peer *p = TCP_PEER({0});
        kfk_broker *b = broker_at(p, i % 2 == 0);
        asking *a = ask(b, 5000);
        kfk_broker_free(b);
        assert_int_equal(kfk_op_wait(loop, &a->op, kfk_time_now_ms() + 10000), 0);
        assert_true(a->op.error.code == 0 || a->op.error.code == KAFKA_ECLOSED);
        kfk_op_drop(&a->op);
        tcp_peer_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(a_newer_hello_is_said_again_in_the_version_that_the_broker_names),
        BROKER_TEST(a_broker_that_refuses_without_naming_versions_is_asked_in_version_0),
        BROKER_TEST(a_broker_that_refuses_version_0_too_is_given_up),
        BROKER_TEST(an_answer_without_apis_is_no_version_in_common),
        BROKER_TEST(of_two_entries_for_an_api_the_first_counts),
        BROKER_TEST(more_apis_than_there_can_be_are_refused),
        BROKER_TEST(a_request_that_misses_its_time_takes_the_connection_along),
        BROKER_TEST(a_request_behind_a_slow_one_has_its_whole_time),
        BROKER_TEST(what_could_not_be_sent_in_time_says_why),
        BROKER_TEST(a_throttled_client_keeps_quiet_for_that_long),
        BROKER_TEST(without_reconnecting_the_first_failure_is_the_last),
        BROKER_TEST(with_reconnecting_a_request_waits_for_the_next_connection),
        BROKER_TEST(what_was_not_sent_can_be_taken_back),
        BROKER_TEST(an_answer_that_comes_after_the_close_changes_nothing),
        BROKER_TEST(closing_while_it_connects_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
