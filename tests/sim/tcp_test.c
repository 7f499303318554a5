/* Connecting by name over every address (net/tcp.h), with times to the millisecond. */
#include "base/time.h"
#include "net/tcp.h"
#include "sim/names.h"
#include "sim/network.h"
#include "sim/runner.h"
#include <stdio.h>
#include <string.h>

enum { LATENCY_US = 1000, ROUND_TRIP_MS = 2, FALLBACK_MS = 300 };

typedef struct dial {
    sim *sim;
    kfk_tcp_config cfg;
    kfk_tcp *tcp;
    kfk_stream *stream;
    kfk_error error;
    char winner[KFK_ADDRESS_TEXT], described[128];
    int start_code;
    int64_t started_ms, took_ms;
    int64_t from_us; /* when the look-up was over, for exact times: names here answer at once */
    bool done, on_loop_thread;
} dial;

static void dial_done(void *owner, kfk_stream *stream, const kfk_error *err)
{
    dial *d = owner;
    d->done = true;
    d->on_loop_thread = sim_on_loop_thread(d->sim);
    d->took_ms = kfk_loop_now_ms(sim_loop(d->sim)) - d->started_ms;
    d->stream = stream;
    d->tcp = NULL;
    if (err) d->error = *err;
    if (!stream) return;
    kfk_address peer;
    peer.len = sizeof peer.addr;
    stream->ops->peer_addr(stream, (struct sockaddr *)&peer.addr, &peer.len);
    kfk_address_format(&peer, d->winner, sizeof d->winner);
}

static void dial_start(void *arg)
{
    dial *d = arg;
    d->started_ms = kfk_loop_now_ms(sim_loop(d->sim));
    if (d->cfg.deadline_ms != KFK_TIME_NEVER) d->cfg.deadline_ms += d->started_ms;
    d->start_code = kfk_tcp_start(sim_loop(d->sim), &d->cfg, &d->tcp, &d->error);
}

/* To a host, with deadline_ms from now (KFK_TIME_NEVER = none). */
static dial dial_to(sim *s, const char *host, bool dual_stack, int64_t deadline_ms)
{
    dial d = {.sim = s};
    snprintf(d.cfg.to.host, sizeof d.cfg.to.host, "%s", host);
    d.cfg.to.port = 9092;
    d.cfg.fallback_delay_ms = FALLBACK_MS;
    d.cfg.deadline_ms = deadline_ms;
    d.cfg.dual_stack = dual_stack;
    d.cfg.done = dial_done;
    return d;
}

static void dial_go(dial *d)
{
    d->cfg.owner = d;
    sim_under_baton(d->sim, dial_start, d);
}

/* What only the thread that turns the loop may do. */
typedef struct turn_call {
    kfk_task task;
    dial *dial;
    bool done;
} turn_call;

static void dial_ends(kfk_task *t)
{
    turn_call *c = KFK_CONTAINER(t, turn_call, task);
    if (c->dial->tcp) kfk_tcp_abandon(c->dial->tcp);
    if (c->dial->stream) c->dial->stream->ops->close(c->dial->stream);
    c->done = true;
}

static void defer_end(void *arg)
{
    turn_call *c = arg;
    kfk_loop_defer(sim_loop(c->dial->sim), &c->task);
}

static void dial_over(dial *d)
{
    turn_call c = {.task.run = dial_ends, .dial = d};
    sim_under_baton(d->sim, defer_end, &c);
    sim_wait_for(d->sim, &c.done);
}

static void describe(void *arg)
{
    dial *d = arg;
    kfk_tcp_describe(d->tcp, d->described, sizeof d->described);
}

static const sim_server silent_server = {0};

/* An address of the name "kafka", and what becomes of connections to it. */
static sim_route *address(sim *s, const char *host, sim_reach reach)
{
    char text[KFK_ADDRESS_TEXT];
    kfk_address a;
    sim_name_add(s, "kafka", host);
    sim_name_of(s, "kafka")->delay_us = 0;
    kfk_address_numeric(host, 9092, &a);
    kfk_address_format(&a, text, sizeof text);
    sim_route *r = sim_net_listen(s, text, &silent_server, NULL);
    r->reach = reach;
    r->latency_us = LATENCY_US;
    return r;
}

SCENARIO(an_address_needs_no_look_up_and_one_round_trip)
{
    address(s, "10.0.0.1", SIM_ANSWERS);
    dial d = dial_to(s, "10.0.0.1", true, KFK_TIME_NEVER);
    dial_go(&d);
    sim_wait_for(s, &d.done);
    sim_check(s, d.stream != NULL && d.on_loop_thread);
    sim_check_equal(s, d.took_ms, ROUND_TRIP_MS);
    sim_check_equal(s, sim_net_open_streams(s), 1);
    dial_over(&d);
}

SCENARIO(an_address_that_does_not_answer_is_overtaken_after_the_fallback_delay)
{
    address(s, "10.0.0.1", SIM_BLACKHOLE);
    address(s, "10.0.0.2", SIM_ANSWERS);
    dial d = dial_to(s, "kafka", true, KFK_TIME_NEVER);
    dial_go(&d);
    sim_wait_for(s, &d.done);
    sim_check_text(s, d.winner, "10.0.0.2:9092");
    sim_check_equal(s, d.took_ms, FALLBACK_MS + ROUND_TRIP_MS);
    sim_check_equal(s, sim_net_open_streams(s), 1);
    dial_over(&d);
}

SCENARIO(an_address_that_refuses_is_followed_by_the_next_at_once)
{
    address(s, "10.0.0.1", SIM_REFUSES);
    address(s, "10.0.0.2", SIM_REFUSES);
    address(s, "10.0.0.3", SIM_ANSWERS);
    dial d = dial_to(s, "kafka", true, KFK_TIME_NEVER);
    dial_go(&d);
    sim_wait_for(s, &d.done);
    sim_check_text(s, d.winner, "10.0.0.3:9092");
    sim_check_equal(s, d.took_ms, 3 * ROUND_TRIP_MS);
    dial_over(&d);
}

SCENARIO(an_early_address_that_is_slow_still_wins_over_a_later_one_that_is_slower)
{
    address(s, "10.0.0.1", SIM_ANSWERS)->latency_us = 160000;
    address(s, "10.0.0.2", SIM_ANSWERS)->latency_us = 50000;
    dial d = dial_to(s, "kafka", true, KFK_TIME_NEVER);
    dial_go(&d);
    sim_wait_for(s, &d.done);
    sim_check_text(s, d.winner, "10.0.0.1:9092");
    sim_check_equal(s, d.took_ms, 320);
    sim_check_equal(s, sim_net_open_streams(s), 1);
    dial_over(&d);
}

SCENARIO(families_take_turns_beginning_with_that_of_the_first_address)
{
    static const char *const hosts[] = {"fd00::1", "fd00::2", "fd00::3", "10.0.0.1"};
    static const int expected_ms[] = {0, 600, 900, 300};
    sim_route *r[4];
    for (int i = 0; i < 4; i++) r[i] = address(s, hosts[i], SIM_BLACKHOLE);
    dial d = dial_to(s, "kafka", true, KFK_TIME_NEVER);
    dial_go(&d);
    for (int64_t ms = 0; ms < 1000; ms += 50) {
        sim_sleep_ms(s, 10);
        for (int i = 0; i < 4; i++) sim_check_equal(s, r[i]->connects, ms >= expected_ms[i]);
        sim_sleep_ms(s, 40);
    }
    dial_over(&d);
    sim_check(s, !d.done);
}

SCENARIO(when_every_address_fails_the_sentence_lists_them_all)
{
    address(s, "10.0.0.1", SIM_REFUSES);
    address(s, "fd00::1", SIM_REFUSES);
    dial d = dial_to(s, "kafka", sim_below(s, 2) == 0, KFK_TIME_NEVER);
    dial_go(&d);
    sim_wait_for(s, &d.done);
    sim_check(s, d.stream == NULL && d.on_loop_thread);
    sim_check_equal(s, d.error.code, KAFKA_EIO);
    sim_check_text(s, d.error.text,
                   "10.0.0.1:9092: connect: Connection refused; [fd00::1]:9092: connect: Connection refused");
    sim_check_equal(s, sim_net_open_streams(s), 0);
}

SCENARIO(without_dual_stack_addresses_share_the_time_that_is_left)
{
    address(s, "10.0.0.1", SIM_BLACKHOLE);
    address(s, "10.0.0.2", SIM_BLACKHOLE);
    address(s, "10.0.0.3", SIM_ANSWERS);
    dial d = dial_to(s, "kafka", false, 9000);
    dial_go(&d);
    sim_wait_for(s, &d.done);
    sim_check_text(s, d.winner, "10.0.0.3:9092");
    sim_check_equal(s, d.took_ms, 3000 + 3000 + ROUND_TRIP_MS);
    sim_check_equal(s, sim_net_open_streams(s), 1);
    dial_over(&d);
}

SCENARIO(without_dual_stack_an_address_gets_two_seconds_at_least)
{
    address(s, "10.0.0.1", SIM_BLACKHOLE);
    address(s, "10.0.0.2", SIM_ANSWERS);
    dial d = dial_to(s, "kafka", false, 1000);
    dial_go(&d);
    sim_wait_for(s, &d.done);
    sim_check_equal(s, d.took_ms, 2000 + ROUND_TRIP_MS);
    dial_over(&d);
}

SCENARIO(a_name_that_does_not_resolve_is_named)
{
    dial d = dial_to(s, "kafka.example", true, KFK_TIME_NEVER);
    dial_go(&d);
    sim_wait_for(s, &d.done);
    sim_check_equal(s, d.error.code, KAFKA_ERESOLVE);
    sim_check_text(s, d.error.text, "resolving kafka.example: Name or service not known");
    sim_check(s, d.on_loop_thread);
}

SCENARIO(a_look_up_that_cannot_start_fails_at_once)
{
    dial d = dial_to(s, "kafka", true, KFK_TIME_NEVER);
    sim_refuse_work(s, true);
    dial_go(&d);
    sim_check_equal(s, d.start_code, KAFKA_EAGAIN);
    sim_check_text(s, d.error.text, "resolving kafka: no thread can be started");
    sim_check(s, !d.done);
}

SCENARIO(it_may_be_abandoned_at_any_time_and_says_where_it_stands)
{
    sim_route *r = address(s, "10.0.0.1", SIM_ANSWERS);
    address(s, "10.0.0.2", SIM_BLACKHOLE);
    sim_name_of(s, "kafka")->delay_us = 10000;
    r->latency_us = 400000;
    dial d = dial_to(s, "kafka", sim_below(s, 2) == 0, 20000);
    dial_go(&d);
    sim_under_baton(s, describe, &d);
    sim_check_text(s, d.described, "resolving kafka");
    sim_sleep_ms(s, (int64_t)sim_below(s, 700));
    if (!d.done) sim_under_baton(s, describe, &d);
    if (r->connects > 0) sim_check_text(s, d.described, "connecting to 10.0.0.");
    dial_over(&d);
    sim_check(s, !d.done);
    sim_check_equal(s, sim_net_open_streams(s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(an_address_needs_no_look_up_and_one_round_trip),
        MEMCHECK_TEST(an_address_that_does_not_answer_is_overtaken_after_the_fallback_delay),
        MEMCHECK_TEST(an_address_that_refuses_is_followed_by_the_next_at_once),
        MEMCHECK_TEST(an_early_address_that_is_slow_still_wins_over_a_later_one_that_is_slower),
        MEMCHECK_TEST(families_take_turns_beginning_with_that_of_the_first_address),
        MEMCHECK_TEST(when_every_address_fails_the_sentence_lists_them_all),
        MEMCHECK_TEST(without_dual_stack_addresses_share_the_time_that_is_left),
        MEMCHECK_TEST(without_dual_stack_an_address_gets_two_seconds_at_least),
        MEMCHECK_TEST(a_name_that_does_not_resolve_is_named),
        MEMCHECK_TEST(a_look_up_that_cannot_start_fails_at_once),
        MEMCHECK_TEST(it_may_be_abandoned_at_any_time_and_says_where_it_stands),
    };
    return RUNNER_MAIN(tests);
}
