#include "api/calls.h"
#include "wire/gen/metadata.h"

static const char *unresolvable = "no-name-has-a-label-of-more-than-sixty-three-letters-but-this-one-has.test:9092";

/* Dials, and gives the code; a success is freed. `took` may be NULL. */
static int try_dial(const kafka_dialer *d, const kafka_ctx *ctx, const char *address, int64_t *took)
{
    kafka_conn *c = NULL;
    int64_t before = kafka_now_ms();
    int err = kafka_dial(d, ctx, address, &c);
    if (took != NULL) *took = kafka_now_ms() - before;
    assert_true((c == NULL) == (err != 0));
    kafka_conn_free(c);
    return err;
}

static int try_dial_leader(const kafka_ctx *ctx, const char *address, const char *topic, int32_t partition)
{
    kafka_conn *c = NULL;
    int err = kafka_dial_leader(NULL, ctx, address, topic, partition, &c);
    assert_true((c == NULL) == (err != 0));
    kafka_conn_free(c);
    return err;
}

/* An address where nobody listens, for the whole of the test: neither does another program meanwhile. */
static const char *refused(void)
{
    static char address[32];
    int port;
    if (address[0] == '\0') {
        calls_refuse(&port);
        snprintf(address, sizeof address, "127.0.0.1:%d", port);
    }
    return address;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static void what_cannot_be_an_address_is_quoted(void **state)
{
    (void)state;
    assert_fails(try_dial(NULL, NULL, NULL, NULL), KAFKA_EINVAL, "address");
    assert_fails(try_dial(NULL, NULL, "", NULL), KAFKA_EINVAL, "empty");
    assert_fails(try_dial(NULL, NULL, "good:1,bad host:2", NULL), KAFKA_EINVAL, "\"bad host:2\"");
    assert_fails(try_dial(NULL, NULL, "h:99999", NULL), KAFKA_EINVAL, "\"h:99999\"");
    assert_fails(try_dial(NULL, NULL, "h:1,", NULL), KAFKA_EINVAL, "empty");
    assert_fails(kafka_dial(NULL, NULL, "h:1", NULL), KAFKA_EINVAL, "out");
    assert_fails(kafka_dial_leader(NULL, NULL, "h:1", "t", 0, NULL), KAFKA_EINVAL, "out");
    assert_fails(kafka_lookup_leader(NULL, NULL, "h:1", "t", 0, NULL), KAFKA_EINVAL, "out");
    assert_fails(kafka_lookup_partitions(NULL, NULL, "h:1", "t", NULL), KAFKA_EINVAL, "out");
    assert_fails(kafka_dial_broker(NULL, NULL, &(kafka_broker){.host = "h", .port = 1}, NULL), KAFKA_EINVAL, "out");
    assert_fails(try_dial_leader(NULL, "h:1", NULL, 0), KAFKA_EINVAL, "topic");
    assert_fails(try_dial_leader(NULL, "h:1", "", 0), KAFKA_EINVAL, "topic");
    assert_fails(try_dial_leader(NULL, "h:1", "t", -1), KAFKA_EINVAL, "partition");
}

static void a_dialer_that_cannot_be_is_refused_by_the_field(void **state)
{
    (void)state;
    int anything;
    assert_fails(try_dial(&(kafka_dialer){.timeout_ms = -2}, NULL, "h", NULL), KAFKA_EINVAL, "timeout_ms");
    assert_fails(try_dial(&(kafka_dialer){.fallback_delay_ms = -1}, NULL, "h", NULL), KAFKA_EINVAL,
                 "fallback_delay_ms");
    assert_fails(try_dial(&(kafka_dialer){.keep_alive_ms = -1}, NULL, "h", NULL), KAFKA_EINVAL, "keep_alive_ms");
    assert_fails(try_dial(&(kafka_dialer){.reserved = 1}, NULL, "h", NULL), KAFKA_EINVAL, "reserved");
    assert_fails(try_dial(&(kafka_dialer){.reserved2[5] = &anything}, NULL, "h", NULL), KAFKA_EINVAL, "reserved");
    assert_fails(try_dial(&(kafka_dialer){.reserved3[5] = 1}, NULL, "h", NULL), KAFKA_EINVAL, "reserved");
    assert_fails(try_dial(NULL, &(kafka_ctx){.reserved[1] = &anything}, "h", NULL), KAFKA_EINVAL, "reserved");
    static const char *const no_ip[] = {"localhost", "127.0.0.1:0", "127.0.0.1:70000", "unix:/tmp/kafka", "", "::1:x"};
    for (size_t i = 0; i < sizeof no_ip / sizeof no_ip[0]; i++) {
        assert_fails(try_dial(&(kafka_dialer){.local_addr = no_ip[i]}, NULL, "h", NULL), KAFKA_EINVAL, "local_addr");
        assert_non_null(strstr(kafka_last_error(), no_ip[i]));
    }
    assert_fails(try_dial(&(kafka_dialer){.tls = &(kafka_tls_config){0}}, NULL, "h", NULL), KAFKA_ENOTSUP, "tls");
    assert_fails(try_dial(&(kafka_dialer){.sasl = &(kafka_sasl_config){0}}, NULL, "h", NULL), KAFKA_ENOTSUP, "sasl");
    assert_fails(try_dial(&(kafka_dialer){.resolver = &(kafka_resolver){0}}, NULL, "h", NULL), KAFKA_EINVAL,
                 "resolver");
    assert_fails(kafka_addrs_add(NULL, "h"), KAFKA_EINVAL, "NULL");
    assert_fails(kafka_token_set(NULL, "token", NULL, 0, NULL), KAFKA_ENOTSUP, "SASL");
}

/* ---- who we are -------------------------------------------------------------------------------------------------- */

static void note_client(tcp_call *call, void *answer, void *arg)
{
    (void)answer;
    snprintf(arg, 400, "%.*s", (int)call->client_id.len, (const char *)call->client_id.data);
}

static void the_broker_is_told_who_asks(void **state)
{
    (void)state;
    char seen[400], name[350];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .times = TCP_ALWAYS, .edit = note_client, .arg = seen});
    assert_works(try_dial(NULL, NULL, tcp_peer_address(p), NULL));
    assert_non_null(strstr(seen, "dialer_test@"));
    assert_non_null(strstr(seen, "(kafka-c)"));
    assert_works(try_dial(&(kafka_dialer){.client_id = name}, NULL, tcp_peer_address(p), NULL));
    assert_string_equal(seen, name);
    tcp_peer_free(p);
}

/* ---- peers that are not there ------------------------------------------------------------------------------------ */

static void a_refused_port_is_named(void **state)
{
    (void)state;
    const char *address = refused();
    assert_fails(try_dial(NULL, NULL, address, NULL), KAFKA_EIO, address);
    assert_non_null(strstr(kafka_last_error(), "refused"));
}

static void a_name_that_does_not_resolve_is_named(void **state)
{
    (void)state;
    assert_fails(try_dial(NULL, NULL, unresolvable, NULL), KAFKA_ERESOLVE, "no-name-has-a-label");
}

static void of_several_addresses_any_that_answers_will_do(void **state)
{
    (void)state;
    char list[256];
    tcp_peer *p = TCP_PEER({0});
    snprintf(list, sizeof list, "%s, %s ,%s", refused(), unresolvable, tcp_peer_address(p));
    assert_works(try_dial(NULL, NULL, list, NULL));
    snprintf(list, sizeof list, "localhost:%d", tcp_peer_port(p)); /* perhaps ::1 first, where nobody listens */
    assert_works(try_dial(NULL, NULL, list, NULL));
    assert_works(try_dial(&(kafka_dialer){.no_dual_stack = 1}, NULL, list, NULL));
    tcp_peer_free(p);
    snprintf(list, sizeof list, "%s,%s", unresolvable, refused());
    assert_fails(try_dial(NULL, NULL, list, NULL), KAFKA_EIO, "no-name-has-a-label");
    assert_non_null(strstr(kafka_last_error(), "127.0.0.1:"));
}

/* An address that is silent for a second is not waited for any longer. */
static void a_silent_address_leaves_time_for_the_next(void **state)
{
    (void)state;
    char list[64];
    int64_t took;
    tcp_peer *silent = TCP_PEER({.api = KFK_API_API_VERSIONS, .no_answer = true, .then = TCP_SILENCE}),
             *good = TCP_PEER({0});
    snprintf(list, sizeof list, "%s,%s", tcp_peer_address(silent), tcp_peer_address(good));
    assert_works(try_dial(&(kafka_dialer){.timeout_ms = 60000}, NULL, list, &took)); /* a half of it is 30 s */
    assert_in_range(took, 1000, 1000 + CALLS_LATE_MS);
    tcp_peer_free(silent);
    tcp_peer_free(good);
}

/* ---- peers that are no Kafka brokers ----------------------------------------------------------------------------- */

static void a_peer_that_hangs_up_is_told_as_that_whatever_it_looks_like(void **state)
{
    (void)state;
    static const tcp_rule ways[] = {
        {.api = TCP_ACCEPT, .then = TCP_CLOSE},
        {.api = TCP_ACCEPT, .delay_ms = 20, .then = TCP_CLOSE},
        {.api = KFK_API_API_VERSIONS, .no_answer = true, .then = TCP_CLOSE},
        {.api = KFK_API_API_VERSIONS, .no_answer = true, .then = TCP_RESET},
        {.api = KFK_API_API_VERSIONS, .cut = 3, .then = TCP_CLOSE},
        {.api = KFK_API_API_VERSIONS, .cut = 20, .then = TCP_CLOSE},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (int k = 0; k < 10; k++) {
            tcp_peer *p = tcp_peer_new(&ways[i], 1);
            assert_fails(try_dial(NULL, KAFKA_WITHIN(5000), tcp_peer_address(p), NULL), KAFKA_EUNEXPECTED_EOF,
                         tcp_peer_address(p));
            assert_non_null(strstr(kafka_last_error(), "is this a TLS port"));
            tcp_peer_free(p);
        }
    }
}

static void a_peer_that_speaks_another_protocol_is_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *part;
    } others[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "looks like HTTP"},
        {"\x15\x03\x03\x00\x02\x02\x46", "looks like TLS"},
        {"SSH-2.0-OpenSSH_9.2p1\r\n", "SSH"},
        {"220 mail.example ESMTP\r\n", "Kafka broker"},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        size_t len = strcmp(others[i].part, "looks like TLS") == 0 ? 7 : strlen(others[i].bytes);
        tcp_peer *p =
            TCP_PEER({.api = KFK_API_API_VERSIONS, .raw = others[i].bytes, .raw_len = len, .then = TCP_CLOSE});
        assert_fails(try_dial(NULL, NULL, tcp_peer_address(p), NULL), KAFKA_EPROTO, others[i].part);
        tcp_peer_free(p);
    }
}

/* What a peer says as soon as it is connected may come together with the connection. */
static void a_peer_that_speaks_first_is_heard_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        int64_t took;
        tcp_peer *p =
            TCP_PEER({.api = TCP_ACCEPT, .raw = "SSH-2.0-OpenSSH_9.2p1\r\n", .raw_len = 23, .then = TCP_SILENCE});
        assert_fails(try_dial(&(kafka_dialer){.timeout_ms = 60000}, NULL, tcp_peer_address(p), &took), KAFKA_EPROTO,
                     "SSH");
        assert_true(took < CALLS_LATE_MS);
        tcp_peer_free(p);
    }
}

static void an_answer_that_is_not_one_is_a_protocol_error(void **state)
{
    (void)state;
    static const tcp_rule ways[] = {
        {.api = KFK_API_API_VERSIONS, .extra = 1},
        {.api = KFK_API_API_VERSIONS, .extra = -1},
        {.api = KFK_API_API_VERSIONS, .id_off = 1},
        {.api = KFK_API_API_VERSIONS, .raw = "\0\0\0\4\0\0\0\1", .raw_len = 8},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        tcp_peer *p = tcp_peer_new(&ways[i], 1);
        assert_fails(try_dial(NULL, NULL, tcp_peer_address(p), NULL), KAFKA_EPROTO, tcp_peer_address(p));
        tcp_peer_free(p);
    }
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

typedef enum limit_of { TIMEOUT, DEADLINE, CONTEXT } limit_of;

/* A dial ends at this limit, the others being later; with four times the time until that is enough to be connected. */
static void expect_limit(limit_of which, const char *silent)
{
    for (int64_t ms = 150;; ms *= 4) {
        int64_t before = kafka_now_ms(), limit = before + ms, later = limit + 60000;
        kafka_dialer d = {.timeout_ms = which == TIMEOUT ? ms : KAFKA_NEVER,
                          .deadline = which == DEADLINE ? limit : later};
        kafka_ctx ctx = {.deadline = which == CONTEXT ? limit : later};
        assert_fails(try_dial(&d, &ctx, silent, NULL), KAFKA_ETIMEDOUT, NULL);
        assert_took(before, ms);
        if (strstr(kafka_last_error(), "ApiVersions") && strstr(kafka_last_error(), silent)) return;
        if (ms > CALLS_PATIENCE_MS) fail_msg("who is silent is not in: %s", kafka_last_error());
    }
}

static void the_earliest_limit_ends_a_dial_and_not_before(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .times = TCP_ALWAYS, .no_answer = true, .then = TCP_SILENCE});
    expect_limit(TIMEOUT, tcp_peer_address(p));
    expect_limit(CONTEXT, tcp_peer_address(p));
    expect_limit(DEADLINE, tcp_peer_address(p));
    tcp_peer_free(p);
}

static void a_deadline_that_has_passed_connects_nowhere(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_cancel *token;
    assert_works(kafka_cancel_new(&token));
    kafka_cancel_fire(token);
    assert_fails(try_dial(NULL, KAFKA_WITHIN(0), tcp_peer_address(p), NULL), KAFKA_ETIMEDOUT, "deadline");
    assert_fails(try_dial(&(kafka_dialer){.deadline = -5}, NULL, tcp_peer_address(p), NULL), KAFKA_ETIMEDOUT,
                 "deadline");
    assert_fails(try_dial(NULL, &(kafka_ctx){.cancel = token}, tcp_peer_address(p), NULL), KAFKA_ECANCELED, "canceled");
    assert_int_equal(tcp_peer_requests(p, TCP_ACCEPT), 0);
    kafka_cancel_free(token);
    tcp_peer_free(p);
}

static void *fire_when_asked(void *arg)
{
    void **both = arg;
    if (!tcp_peer_saw(both[0], KFK_API_API_VERSIONS, 1)) return NULL;
    kafka_cancel_fire(both[1]);
    return NULL;
}

static void a_token_ends_a_dial_that_waits(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .no_answer = true, .then = TCP_SILENCE});
    kafka_cancel *token;
    assert_works(kafka_cancel_new(&token));
    void *both[] = {p, token};
    pthread_t t = calls_start(fire_when_asked, both);
    assert_fails(try_dial(NULL, &(kafka_ctx){.cancel = token}, tcp_peer_address(p), NULL), KAFKA_ECANCELED,
                 tcp_peer_address(p));
    pthread_join(t, NULL);
    kafka_cancel_free(token);
    tcp_peer_free(p);
}

static void the_context_gets_the_sentence_cut_to_fit(void **state)
{
    (void)state;
    char text[200] = "", small[10] = "";
    const char *address = refused();
    assert_fails(try_dial(NULL, &(kafka_ctx){.error = text, .error_cap = sizeof text}, address, NULL), KAFKA_EIO, NULL);
    assert_string_equal(text, kafka_last_error());
    assert_fails(try_dial(NULL, &(kafka_ctx){.error = small, .error_cap = sizeof small}, address, NULL), KAFKA_EIO,
                 NULL);
    assert_int_equal(strlen(small), sizeof small - 1);
    assert_memory_equal(small, kafka_last_error(), sizeof small - 1);
}

static int agains;

static void dial_inside(void)
{
    kafka_conn *c = NULL;
    kafka_broker *b = NULL;
    kafka_partitions *l = NULL;
    agains += kafka_dial(NULL, NULL, "h:1", &c) == KAFKA_EAGAIN;
    agains += kafka_dial_leader(NULL, NULL, "h:1", "t", 0, &c) == KAFKA_EAGAIN;
    agains += kafka_dial_broker(NULL, NULL, &(kafka_broker){.host = "h", .port = 1}, &c) == KAFKA_EAGAIN;
    agains += kafka_lookup_leader(NULL, NULL, "h:1", "t", 0, &b) == KAFKA_EAGAIN;
    agains += kafka_lookup_partitions(NULL, NULL, "h:1", "t", &l) == KAFKA_EAGAIN;
    agains += strstr(kafka_last_error(), "callback") != NULL;
}

static void in_a_callback_nothing_waits(void **state)
{
    (void)state;
    agains = 0;
    calls_in_callback(dial_inside);
    assert_int_equal(agains, 6);
}

/* ---- memory and threads ------------------------------------------------------------------------------------------ */

static void a_dial_that_finds_no_memory_is_told_and_the_next_one_works(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        tcp_peer *p = TCP_PEER({0});
        kafka_loop *own;
        char by_name[32];
        snprintf(by_name, sizeof by_name, "localhost:%d", tcp_peer_port(p));
        MEMCHECK_EACH_FAILURE(n)
        {
            int64_t before = kafka_now_ms();
            int err = kafka_loop_new(NULL, &own);
            if (err == 0) {
                kafka_dialer d = {.loop = own, .timeout_ms = 60000}, without = {.timeout_ms = 60000};
                kafka_conn *c = NULL;
                if (i == 0)
                    err = kafka_dial(&d, NULL, by_name, &c);
                else if (i == 1)
                    err = kafka_dial(&without, NULL, tcp_peer_address(p), &c);
                else
                    err = kafka_dial_leader(&d, NULL, tcp_peer_address(p), "t", 1, &c);
                kafka_conn_free(c);
                kafka_loop_free(own);
            }
            if (err != 0) assert_fails(err, KAFKA_ENOMEM, "memory");
            assert_took(before, 0);
        }
        tcp_peer_free(p);
    }
}

static void *dial_a_few_times(void *arg)
{
    void **in = arg;
    for (long i = 0; i < 5; i++) {
        kafka_conn *c = NULL;
        if (kafka_dial(NULL, KAFKA_WITHIN(10000), in[0], &c) != 0) return "a dial failed";
        kafka_conn_free(c);
    }
    return NULL;
}

static void many_threads_dial_at_once(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    void *in[] = {(void *)(uintptr_t)tcp_peer_address(p)};
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) threads[i] = calls_start(dial_a_few_times, in);
    for (int i = 0; i < 8; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        if (failure != NULL) fail_msg("%s", (const char *)failure);
    }
    assert_int_equal(tcp_peer_requests(p, TCP_ACCEPT), 40);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(what_cannot_be_an_address_is_quoted),
        API_TEST(a_dialer_that_cannot_be_is_refused_by_the_field),
        API_TEST(the_broker_is_told_who_asks),
        API_TEST(a_refused_port_is_named),
        API_TEST(a_name_that_does_not_resolve_is_named),
        API_TEST(of_several_addresses_any_that_answers_will_do),
        API_TEST(a_silent_address_leaves_time_for_the_next),
        API_TEST(a_peer_that_hangs_up_is_told_as_that_whatever_it_looks_like),
        API_TEST(a_peer_that_speaks_another_protocol_is_recognised),
        API_TEST(a_peer_that_speaks_first_is_heard_at_once),
        API_TEST(an_answer_that_is_not_one_is_a_protocol_error),
        API_TEST(the_earliest_limit_ends_a_dial_and_not_before),
        API_TEST(a_deadline_that_has_passed_connects_nowhere),
        API_TEST(a_token_ends_a_dial_that_waits),
        API_TEST(the_context_gets_the_sentence_cut_to_fit),
        API_TEST(in_a_callback_nothing_waits),
        API_TEST(a_dial_that_finds_no_memory_is_told_and_the_next_one_works),
        API_TEST(many_threads_dial_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
