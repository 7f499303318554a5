/* The application's own resolver: what its answer means, and that one that hangs holds up nothing, to the
 * millisecond. */
#include "sim/client.h"
#include <stdio.h>
#include <string.h>

enum { FOREVER = -1 };

/* A resolver that answers each host alike. The sim outlives what it does late. */
typedef struct custom {
    sim *sim;
    const char *answers[4];
    int result;
    int64_t takes_ms;      /* FOREVER = hangs */
    const char *hangs_for; /* only this host, NULL = every */
    int calls;
    char asked[64];
    bool on_loop_thread;
} custom;

static int custom_lookup(void *userdata, const char *host, kafka_addrs *out)
{
    custom *x = userdata;
    x->calls++;
    snprintf(x->asked, sizeof x->asked, "%s", host);
    x->on_loop_thread = sim_on_loop_thread(x->sim);
    if (!x->hangs_for || strcmp(host, x->hangs_for) == 0) sim_job_takes_ms(x->sim, x->takes_ms);
    for (size_t i = 0; i < 4 && x->answers[i]; i++) sim_check_equal(x->sim, kafka_addrs_add(out, x->answers[i]), 0);
    return x->result;
}

typedef struct dialler {
    kafka_resolver resolver;
    kafka_dialer dialer;
} dialler;

static void dialler_init(dialler *d, custom *x, int64_t timeout_ms)
{
    d->resolver = (kafka_resolver){.lookup = custom_lookup, .userdata = x};
    d->dialer = client_dialer(timeout_ms);
    d->dialer.resolver = &d->resolver;
}

/* Dials and frees; gives the code and, unless NULL, how long it took. */
static int dial(custom *x, const char *address, int64_t timeout_ms, int64_t *took_ms)
{
    dialler d;
    kafka_conn *c = NULL;
    dialler_init(&d, x, timeout_ms);
    int64_t before = sim_now_ms(x->sim);
    int code = kafka_dial(&d.dialer, NULL, address, &c);
    if (took_ms) *took_ms = sim_now_ms(x->sim) - before;
    sim_check(x->sim, (code == 0) == (c != NULL));
    kafka_conn_free(c);
    return code;
}

/* ---- what an answer means ---------------------------------------------------------------------------------------- */

SCENARIO(what_the_resolver_names_is_dialled)
{
    peer_alone(s, BROKER);
    custom x = {.sim = s, .answers = {"10.0.0.1"}};
    sim_check_equal(s, dial(&x, "kafka", 0, NULL), 0);
    sim_check_equal(s, x.calls, 1);
    sim_check(s, strcmp(x.asked, "kafka") == 0);
    sim_check(s, !x.on_loop_thread);
}

SCENARIO(the_port_that_is_dialled_wins_over_the_resolvers)
{
    peer_alone(s, BROKER);
    custom x = {.sim = s, .answers = {"10.0.0.1:1"}};
    sim_check_equal(s, dial(&x, "kafka:9092", 0, NULL), 0);
    client_failed(s, dial(&x, "kafka", 0, NULL), KAFKA_EIO, "10.0.0.1:1: connect: Connection refused");
    peer_alone(s, "10.0.0.2:9093");
    x.answers[0] = "10.0.0.2:9093";
    sim_check_equal(s, dial(&x, "kafka", 0, NULL), 0);
    x.answers[0] = "10.0.0.1"; /* neither has one: 9092 */
    sim_check_equal(s, dial(&x, "kafka", 0, NULL), 0);
}

SCENARIO(all_that_the_resolver_names_is_tried)
{
    peer_alone(s, BROKER2);
    sim_net_route(s, "10.0.0.8:9092")->reach = SIM_BLACKHOLE;
    sim_name_add(s, "two", "10.0.0.2");
    custom x = {.sim = s, .answers = {"10.0.0.9", "10.0.0.8", "nowhere", "two"}};
    sim_check_equal(s, dial(&x, "kafka:9092", 0, NULL), 0);
    sim_check_equal(s, sim_net_route(s, "10.0.0.9:9092")->connects, 1);
    sim_check_equal(s, sim_net_route(s, "10.0.0.8:9092")->connects, 1);
}

SCENARIO(names_that_nobody_knows_fail_the_dial_and_are_told)
{
    custom x = {.sim = s, .answers = {"nowhere", "nowhere-else"}};
    client_failed(s, dial(&x, "kafka:9092", 0, NULL), KAFKA_ERESOLVE, "resolving kafka: nowhere, which");
    sim_check_text(s, kafka_last_error(), "nowhere-else, which the application's resolver named");
}

SCENARIO(a_resolver_that_finds_nothing_leaves_the_name_to_the_system)
{
    peer_alone(s, BROKER);
    sim_name_add(s, "kafka", "10.0.0.1");
    custom x = {.sim = s};
    sim_check_equal(s, dial(&x, "kafka", 0, NULL), 0);
    sim_check_equal(s, dial(&x, BROKER, 0, NULL), 0); /* numeric hosts are asked for as well */
    sim_check_equal(s, x.calls, 2);
    sim_check(s, strcmp(x.asked, "10.0.0.1") == 0);
    client_failed(s, dial(&x, "nowhere", 0, NULL), KAFKA_ERESOLVE, "resolving nowhere: Name or service not known");
}

SCENARIO(a_resolver_may_lead_a_numeric_address_elsewhere)
{
    peer_alone(s, BROKER2);
    custom x = {.sim = s, .answers = {"10.0.0.2"}};
    sim_check_equal(s, dial(&x, "192.168.0.1:9092", 0, NULL), 0);
}

SCENARIO(a_resolver_that_fails_fails_the_dial_whatever_it_named)
{
    peer_alone(s, BROKER);
    custom x = {.sim = s, .answers = {"10.0.0.1"}, .result = 7};
    client_failed(s, dial(&x, "kafka", 0, NULL), KAFKA_ERESOLVE,
                  "resolving kafka: the application's resolver failed with 7");
    x.result = KAFKA_ETIMEDOUT;
    client_failed(s, dial(&x, "kafka", 0, NULL), KAFKA_ERESOLVE, "KAFKA_ETIMEDOUT");
    x.result = KAFKA_ENOMEM;
    client_failed(s, dial(&x, "kafka", 0, NULL), KAFKA_ENOMEM, "resolver");
    x.result = 0;
    sim_check_equal(s, dial(&x, "kafka", 0, NULL), 0);
}

SCENARIO(of_a_list_the_next_address_is_dialled_when_the_resolver_failed)
{
    peer_alone(s, BROKER);
    custom x = {.sim = s, .result = 1};
    client_failed(s, dial(&x, "a,b", 0, NULL), KAFKA_ERESOLVE, "resolving a: ");
    sim_check_text(s, kafka_last_error(), "resolving b: ");
    sim_check_equal(s, x.calls, 2);
}

SCENARIO(the_leader_is_looked_for_through_the_resolver_too)
{
    peer *p = peer_alone(s, BROKER);
    dialler d;
    custom x = {.sim = s, .answers = {"10.0.0.1"}};
    kafka_conn *c = NULL;
    peer_advertise(p, "kafka.internal", 9092);
    dialler_init(&d, &x, 0);
    sim_check_equal(s, kafka_dial_leader(&d.dialer, NULL, "bootstrap", "t", 0, &c), 0);
    sim_check(s, strcmp(x.asked, "kafka.internal") == 0);
    sim_check_equal(s, x.calls, 2);
    kafka_conn_free(c);
    c = NULL;
    x.answers[0] = "10.0.0.1:1"; /* what a broker advertises has a port */
    sim_check_equal(s, kafka_dial_leader(&d.dialer, NULL, "bootstrap:9092", "t", 0, &c), 0);
    kafka_conn_free(c);
}

static int malformed_lookup(void *userdata, const char *host, kafka_addrs *out)
{
    sim *s = userdata;
    (void)host;
    sim_check_equal(s, kafka_addrs_add(out, "bad host"), KAFKA_EINVAL);
    sim_check_text(s, kafka_last_error(), "\"bad host\"");
    sim_check_equal(s, kafka_addrs_add(out, NULL), KAFKA_EINVAL);
    sim_check_equal(s, kafka_addrs_add(NULL, "10.0.0.1"), KAFKA_EINVAL);
    kafka_conn *c = NULL;
    sim_check_equal(s, kafka_dial(NULL, NULL, BROKER, &c), KAFKA_EAGAIN); /* it is a callback */
    return kafka_addrs_add(out, "10.0.0.1");
}

SCENARIO(what_is_malformed_is_refused_and_the_rest_counts)
{
    peer_alone(s, BROKER);
    kafka_conn *c = NULL;
    kafka_resolver r = {.lookup = malformed_lookup, .userdata = s};
    kafka_dialer d = client_dialer(0);
    d.resolver = &r;
    sim_check_equal(s, kafka_dial(&d, NULL, "kafka", &c), 0);
    kafka_conn_free(c);
}

static int abundant_lookup(void *userdata, const char *host, kafka_addrs *out)
{
    char address[32];
    (void)host;
    for (int i = 1; i <= 40; i++) {
        snprintf(address, sizeof address, "10.0.1.%d", i);
        sim_check_equal(userdata, kafka_addrs_add(out, address), 0);
    }
    return 0;
}

SCENARIO_WITH(the_first_32_addresses_are_tried_and_the_rest_is_dropped, .seeds = 20)
{
    char address[32];
    kafka_conn *c = NULL;
    kafka_resolver r = {.lookup = abundant_lookup, .userdata = s};
    kafka_dialer d = client_dialer(0);
    d.resolver = &r;
    client_failed(s, kafka_dial(&d, NULL, "kafka", &c), KAFKA_EIO, "10.0.1.1:9092: connect: Connection refused");
    for (int i = 1; i <= 40; i++) {
        snprintf(address, sizeof address, "10.0.1.%d:9092", i);
        sim_check_equal(s, sim_net_route(s, address)->connects, i <= 32);
    }
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

SCENARIO(a_resolver_that_hangs_costs_exactly_the_timeout)
{
    int64_t took, timeout = 1 + (int64_t)sim_below(s, 20000);
    custom x = {.sim = s, .takes_ms = FOREVER};
    client_failed(s, dial(&x, "kafka", timeout, &took), KAFKA_ETIMEDOUT, "resolving kafka");
    sim_check_equal(s, took, timeout);
}

SCENARIO(a_name_among_its_answers_that_hangs_costs_exactly_the_timeout)
{
    int64_t took;
    sim_name_of(s, "silent")->silent = true;
    custom x = {.sim = s, .answers = {"10.0.0.1", "silent"}};
    peer_alone(s, BROKER);
    client_failed(s, dial(&x, "kafka:9092", 900, &took), KAFKA_ETIMEDOUT, "resolving kafka");
    sim_check_equal(s, took, 900);
}

typedef struct other {
    custom *custom;
    bool done;
    int64_t took_ms;
} other;

static void dial_other(sim *s, void *arg)
{
    other *o = arg;
    sim_check_equal(s, dial(o->custom, "kafka", 0, &o->took_ms), 0);
    o->done = true;
}

static void dial_the_one_that_hangs(sim *s, void *arg)
{
    other *o = arg;
    client_failed(s, dial(o->custom, "hangs", 5000, &o->took_ms), KAFKA_ETIMEDOUT, "resolving hangs");
    o->done = true;
}

SCENARIO(a_resolver_that_hangs_for_one_name_delays_no_other_dial_and_no_call)
{
    peer *p = peer_alone(s, BROKER);
    custom x = {.sim = s, .answers = {"10.0.0.1"}, .takes_ms = FOREVER, .hangs_for = "hangs"};
    other hanging[20] = {{.custom = NULL}}, quick = {.custom = &x};
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    for (int i = 0; i < 20; i++) {
        hanging[i].custom = &x;
        sim_spawn(s, "hangs", dial_the_one_that_hangs, &hanging[i]);
    }
    sim_sleep_ms(s, 10);
    sim_spawn(s, "quick", dial_other, &quick);
    sim_check_equal(s, kafka_conn_write(c, "v", 1), 0);
    sim_wait_for(s, &quick.done);
    sim_check(s, quick.took_ms < 10);
    sim_check(s, peer_requests(p, KFK_API_PRODUCE) == 1);
    int64_t before = sim_now_ms(s);
    kafka_conn_free(c);
    sim_check_equal(s, sim_now_ms(s), before); /* free waits for nobody */
    for (int i = 0; i < 20; i++) {
        sim_wait_for(s, &hanging[i].done);
        sim_check_equal(s, hanging[i].took_ms, 5000);
    }
}

static void fire_after_300_ms(sim *s, void *token)
{
    sim_sleep_ms(s, 300);
    kafka_cancel_fire(token);
}

SCENARIO(a_token_ends_a_dial_whose_resolver_hangs)
{
    dialler d;
    custom x = {.sim = s, .takes_ms = FOREVER};
    kafka_conn *c = NULL;
    kafka_cancel *token;
    dialler_init(&d, &x, 0);
    sim_check_equal(s, kafka_cancel_new(&token), 0);
    sim_spawn(s, "canceller", fire_after_300_ms, token);
    int64_t before = sim_now_ms(s);
    client_failed(s, kafka_dial(&d.dialer, &(kafka_ctx){.cancel = token}, "kafka", &c), KAFKA_ECANCELED, "canceled");
    sim_check_equal(s, sim_now_ms(s) - before, 300);
    kafka_cancel_free(token);
}

SCENARIO(an_answer_that_comes_after_its_dial_has_ended_is_dropped)
{
    int64_t took;
    peer *p = peer_alone(s, BROKER);
    custom x = {.sim = s, .answers = {"10.0.0.1"}, .takes_ms = 1 + (int64_t)sim_below(s, 2000)};
    int64_t timeout = 1000;
    int code = dial(&x, "kafka", timeout, &took);
    sim_check(s, took <= timeout);
    if (x.takes_ms > timeout) sim_check_equal(s, code, KAFKA_ETIMEDOUT);
    sim_sleep_ms(s, 3000);
    sim_check(s, x.takes_ms < timeout || peer_route(p)->connects == 0);
    x.takes_ms = 0;
    sim_check_equal(s, dial(&x, "kafka", timeout, NULL), 0);
}

SCENARIO(without_helper_threads_a_dial_says_so)
{
    custom x = {.sim = s};
    sim_refuse_work(s, true);
    client_failed(s, dial(&x, "kafka", 0, NULL), KAFKA_EAGAIN, "no thread can be started");
    sim_check_equal(s, x.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(what_the_resolver_names_is_dialled),
        MEMCHECK_TEST(the_port_that_is_dialled_wins_over_the_resolvers),
        MEMCHECK_TEST(all_that_the_resolver_names_is_tried),
        MEMCHECK_TEST(names_that_nobody_knows_fail_the_dial_and_are_told),
        MEMCHECK_TEST(a_resolver_that_finds_nothing_leaves_the_name_to_the_system),
        MEMCHECK_TEST(a_resolver_may_lead_a_numeric_address_elsewhere),
        MEMCHECK_TEST(a_resolver_that_fails_fails_the_dial_whatever_it_named),
        MEMCHECK_TEST(of_a_list_the_next_address_is_dialled_when_the_resolver_failed),
        MEMCHECK_TEST(the_leader_is_looked_for_through_the_resolver_too),
        MEMCHECK_TEST(what_is_malformed_is_refused_and_the_rest_counts),
        MEMCHECK_TEST(the_first_32_addresses_are_tried_and_the_rest_is_dropped),
        MEMCHECK_TEST(a_resolver_that_hangs_costs_exactly_the_timeout),
        MEMCHECK_TEST(a_name_among_its_answers_that_hangs_costs_exactly_the_timeout),
        MEMCHECK_TEST(a_resolver_that_hangs_for_one_name_delays_no_other_dial_and_no_call),
        MEMCHECK_TEST(a_token_ends_a_dial_whose_resolver_hangs),
        MEMCHECK_TEST(an_answer_that_comes_after_its_dial_has_ended_is_dropped),
        MEMCHECK_TEST(without_helper_threads_a_dial_says_so),
    };
    return RUNNER_MAIN(tests);
}
