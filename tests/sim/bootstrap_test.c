/* Dialling a list of addresses: who is tried when, who wins, and that the others are closed. */
#include "sim/client.h"
#include "wire/api.h"
#include <stdio.h>
#include <string.h>

#define BROKER3 "10.0.0.3:9092"

static int dial(sim *s, const char *address, int64_t timeout_ms, int64_t *took_ms)
{
    kafka_dialer d = client_dialer(timeout_ms);
    kafka_conn *c = NULL;
    int64_t before = sim_now_ms(s);
    int code = kafka_dial(&d, NULL, address, &c);
    *took_ms = sim_now_ms(s) - before;
    sim_check(s, (c == NULL) == (code != 0));
    kafka_conn_free(c);
    return code;
}

/* What to do to an address so that nothing comes of it, without a word: packets vanish, or a broker that is frozen. */
static void silence(sim *s, const char *address)
{
    if (sim_below(s, 2) == 0)
        sim_net_route(s, address)->reach = SIM_BLACKHOLE;
    else
        PEER_SCRIPT(peer_alone(s, address), PEER_ON(PEER_ANY, .action = PEER_SILENCE));
}

static void all_streams_are_closed(sim *s)
{
    sim_sleep_ms(s, 1); /* closing is the loop's */
    sim_check_equal(s, sim_net_open_streams(s), 0);
}

SCENARIO(each_second_without_a_connection_another_address_is_tried)
{
    int64_t took;
    silence(s, BROKER);
    silence(s, BROKER2);
    peer_route(peer_alone(s, BROKER3))->latency_us = 5000;
    sim_check_equal(s, dial(s, BROKER "," BROKER2 "," BROKER3, 0, &took), 0);
    sim_check_equal(s, took, 2000 + 20);
    all_streams_are_closed(s);
}

SCENARIO(an_address_that_fails_costs_no_time)
{
    int64_t took;
    sim_net_route(s, BROKER)->latency_us = 3000; /* refused after a round trip */
    peer_route(peer_alone(s, BROKER2))->latency_us = 5000;
    sim_check_equal(s, dial(s, BROKER "," BROKER2, 0, &took), 0);
    sim_check_equal(s, took, 6 + 20);
    sim_check_equal(s, sim_net_route(s, BROKER)->connects, 1);
}

SCENARIO(who_answers_within_the_second_is_the_only_one_asked)
{
    int64_t took;
    peer_set_delay_us(peer_alone(s, BROKER), 990000);
    peer_alone(s, BROKER2);
    sim_check_equal(s, dial(s, BROKER "," BROKER2, 0, &took), 0);
    sim_check(s, took >= 990 && took < 1000);
    sim_check_equal(s, sim_net_route(s, BROKER2)->connects, 0);
}

SCENARIO(the_first_to_be_usable_wins_though_it_was_not_the_first_to_be_tried)
{
    int64_t took;
    peer *slow = peer_alone(s, BROKER), *fast = peer_alone(s, BROKER2);
    peer_set_delay_us(slow, 1500000);
    sim_check_equal(s, dial(s, BROKER "," BROKER2, 0, &took), 0);
    sim_check(s, took >= 1000 && took < 1010);
    sim_check_equal(s, peer_requests(fast, PEER_ANY), 1);
    all_streams_are_closed(s);

    peer_set_delay_us(slow, 1100000);
    peer_set_delay_us(fast, 500000);
    sim_check_equal(s, dial(s, BROKER "," BROKER2, 0, &took), 0);
    sim_check(s, took >= 1100 && took < 1110);
    all_streams_are_closed(s);
}

SCENARIO(with_little_time_the_addresses_share_it)
{
    int64_t took;
    silence(s, BROKER);
    silence(s, BROKER2);
    peer_alone(s, BROKER3);
    sim_check_equal(s, dial(s, BROKER "," BROKER2 "," BROKER3, 900, &took), 0);
    sim_check(s, took >= 600 && took < 610);
}

SCENARIO(when_the_time_is_up_each_attempt_is_named_with_what_it_waited_for)
{
    int64_t took;
    sim_net_route(s, BROKER)->reach = SIM_BLACKHOLE;
    sim_name_of(s, "kafka")->silent = true;
    client_failed(s, dial(s, BROKER ",kafka:1,10.0.0.7:1", 5000, &took), KAFKA_ETIMEDOUT,
                  "dial timed out after 5000 ms, 10.0.0.1:9092: connecting to 10.0.0.1:9092, kafka:1: resolving kafka; "
                  "before that: dial 10.0.0.7:1: connect: Connection refused");
    sim_check_equal(s, took, 5000);
    all_streams_are_closed(s);
}

SCENARIO(when_all_have_failed_each_is_named_with_why)
{
    int64_t took;
    PEER_SCRIPT(peer_alone(s, BROKER), PEER_ON(PEER_ANY, .action = PEER_CLOSE));
    client_failed(s, dial(s, BROKER ",kafka:1,10.0.0.7:1", 0, &took), KAFKA_EIO, "10.0.0.1:9092: the peer closed");
    sim_check_text(s, kafka_last_error(), "resolving kafka");
    sim_check_text(s, kafka_last_error(), "10.0.0.7:1: connect: Connection refused");
    sim_check(s, took < 10);
}

SCENARIO(a_long_list_of_dead_addresses_is_worked_off_within_the_time)
{
    char list[64 * 16] = "";
    int64_t took;
    for (int i = 1; i <= 63; i++) {
        char address[32];
        snprintf(address, sizeof address, "10.1.0.%d:1", i);
        sim_net_route(s, address)->reach = SIM_BLACKHOLE;
        strcat(strcat(list, address), ",");
    }
    peer_alone(s, BROKER);
    sim_check_equal(s, dial(s, strcat(list, BROKER), 0, &took), 0);
    sim_check(s, took < 10000);
    all_streams_are_closed(s);
}

static void fire_later(sim *s, void *arg)
{
    sim_sleep_ms(s, (int64_t)sim_below(s, 4000));
    kafka_cancel_fire(arg);
}

SCENARIO(a_token_ends_the_race_at_any_point)
{
    kafka_cancel *token;
    kafka_conn *c = NULL;
    silence(s, BROKER);
    silence(s, BROKER2);
    sim_name_of(s, "kafka")->silent = true;
    sim_check_equal(s, kafka_cancel_new(&token), 0);
    sim_spawn(s, "canceller", fire_later, token);
    kafka_dialer d = client_dialer(0);
    client_failed(s, kafka_dial(&d, &(kafka_ctx){.cancel = token}, BROKER "," BROKER2 ",kafka", &c), KAFKA_ECANCELED,
                  "canceled");
    kafka_cancel_free(token);
    all_streams_are_closed(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(each_second_without_a_connection_another_address_is_tried),
        MEMCHECK_TEST(an_address_that_fails_costs_no_time),
        MEMCHECK_TEST(who_answers_within_the_second_is_the_only_one_asked),
        MEMCHECK_TEST(the_first_to_be_usable_wins_though_it_was_not_the_first_to_be_tried),
        MEMCHECK_TEST(with_little_time_the_addresses_share_it),
        MEMCHECK_TEST(when_the_time_is_up_each_attempt_is_named_with_what_it_waited_for),
        MEMCHECK_TEST(when_all_have_failed_each_is_named_with_why),
        MEMCHECK_TEST(a_long_list_of_dead_addresses_is_worked_off_within_the_time),
        MEMCHECK_TEST(a_token_ends_the_race_at_any_point),
    };
    return RUNNER_MAIN(tests);
}
