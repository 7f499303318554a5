/* listener_test.c: the newcomer's error. A broker that advertises an address that this machine cannot resolve or cannot
 * reach answers the first question and then cannot be used. The sentence has to name who answered, what it advertised,
 * and the setting to look at. */
#include "kafka/peers.h"

#include <string.h>

/* The first address of a list. */
static const char *first_of(const char *list, char *out, size_t cap)
{
    snprintf(out, cap, "%.*s", (int)strcspn(list, ","), list);
    return out;
}

static void assert_told(const char *bootstrap, const char *advertised, int want)
{
    char answered[200], error[2000] = "";
    const char *topic = peers_topic("listener", 1, NULL);
    const kafka_dialer dialer = {.timeout_ms = 5000};
    const kafka_ctx ctx = {.error = error, .error_cap = sizeof error};
    kafka_conn *conn = NULL;
    first_of(bootstrap, answered, sizeof answered);
    int64_t start = kafka_now_ms();
    int err = kafka_dial_leader(&dialer, &ctx, answered, topic, 0, &conn);
    int64_t took = kafka_now_ms() - start;
    print_message("after %d ms: %s\n", (int)took, kafka_last_error());
    assert_int_equal(err, want);
    assert_null(conn);
    assert_string_equal(error, kafka_last_error());
    assert_text_has(error, answered);
    assert_text_has(error, advertised);
    assert_text_has(error, "advertised.listeners");
    assert_text_has(error, topic);
    assert_true(took < PATIENCE_MS);
}

static void an_advertised_name_that_does_not_resolve_is_explained(void **state)
{
    (void)state;
    assert_told(peers_env("KAFKA_TEST_ADVBAD"), "kafka.invalid:29092", KAFKA_ERESOLVE);
}

static void an_advertised_port_that_refuses_is_explained(void **state)
{
    (void)state;
    assert_told(peers_env("KAFKA_TEST_ADVREFUSED"), "127.0.0.1:1", KAFKA_EIO);
}

static void the_look_up_alone_shows_what_is_advertised(void **state)
{
    (void)state;
    char answered[200];
    const char *topic = peers_topic("looked-up", 1, NULL);
    kafka_broker *leader = NULL;
    kafka_conn *conn = NULL;
    first_of(peers_env("KAFKA_TEST_ADVBAD"), answered, sizeof answered);
    assert_ok(kafka_lookup_leader(NULL, NULL, answered, topic, 0, &leader));
    assert_string_equal(leader->host, "kafka.invalid");
    assert_int_equal(leader->port, 29092);
    assert_int_equal(kafka_dial_broker(NULL, KAFKA_WITHIN(5000), leader, &conn), KAFKA_ERESOLVE);
    assert_text_has(kafka_last_error(), "kafka.invalid");
    kafka_broker_free(leader);
}

static void a_connection_that_needs_no_leader_works_all_the_same(void **state)
{
    (void)state;
    char answered[200];
    kafka_conn *conn = NULL;
    kafka_brokers *brokers = NULL;
    first_of(peers_env("KAFKA_TEST_ADVREFUSED"), answered, sizeof answered);
    assert_ok(kafka_dial(NULL, NULL, answered, &conn));
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    assert_ok(kafka_conn_brokers(conn, &brokers));
    assert_string_equal(brokers->items[0].host, "127.0.0.1");
    assert_int_equal(brokers->items[0].port, 1);
    kafka_brokers_free(brokers);
    kafka_conn_free(conn);
}

static void a_refused_port_an_unknown_host_and_one_good_address_of_three(void **state)
{
    (void)state;
    char list[600];
    kafka_conn *conn = NULL;
    assert_int_equal(kafka_dial(NULL, KAFKA_WITHIN(5000), "127.0.0.1:1", &conn), KAFKA_EIO);
    assert_text_has(kafka_last_error(), "127.0.0.1:1");
    assert_int_equal(kafka_dial(NULL, KAFKA_WITHIN(5000), "kafka.invalid:9092", &conn), KAFKA_ERESOLVE);
    assert_text_has(kafka_last_error(), "kafka.invalid");
    snprintf(list, sizeof list, "127.0.0.1:1,kafka.invalid:9092,%s", peers_brokers());
    assert_ok(kafka_dial(NULL, KAFKA_WITHIN(5000), list, &conn));
    kafka_conn_free(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_advertised_name_that_does_not_resolve_is_explained),
        cmocka_unit_test(an_advertised_port_that_refuses_is_explained),
        cmocka_unit_test(the_look_up_alone_shows_what_is_advertised),
        cmocka_unit_test(a_connection_that_needs_no_leader_works_all_the_same),
        cmocka_unit_test(a_refused_port_an_unknown_host_and_one_good_address_of_three),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
