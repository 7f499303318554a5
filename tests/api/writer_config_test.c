/* writer_config_test.c: what a writer's configuration may be, and what it becomes. No broker is there. */
#include "api/writers.h"

#include <stddef.h>

/* Nobody listens at port 1; nobody is asked either. */
#define BROKERS .brokers = "127.0.0.1:1"

static void zeros_are_defaults(void **state)
{
    (void)state;
    kafka_writer *w = writers_new(&(kafka_writer_config){BROKERS});
    const kafka_writer_config *c = kafka_writer_get_config(w);
    assert_string_equal(c->brokers, "127.0.0.1:1");
    assert_null(c->topic);
    assert_null(c->logger);
    assert_null(c->on_delivery);
    assert_non_null(c->balancer);
    assert_int_equal(c->batch_timeout_ms, 1000);
    assert_int_equal(c->read_timeout_ms, 10000);
    assert_int_equal(c->write_timeout_ms, 10000);
    assert_int_equal(c->rebalance_interval_ms, 15000);
    assert_int_equal(c->buffer_bytes, 32 * 1024 * 1024);
    assert_int_equal(c->max_attempts, 10);
    assert_int_equal(c->queue_capacity, 100);
    assert_int_equal(c->batch_size, 100);
    assert_int_equal(c->batch_bytes, 1048576);
    assert_int_equal(c->required_acks, KAFKA_ACKS_ALL);
    assert_int_equal(c->compression, KAFKA_COMPRESSION_NONE);
    assert_int_equal(c->compression_level, 0);
    assert_int_equal(c->async, 0);
    assert_int_equal(c->no_idempotence, 0);
    assert_int_equal(c->delivery_timeout_ms, 120000);
    assert_non_null(strstr(c->dialer->client_id, "(kafka-c)"));
    assert_int_equal(c->dialer->timeout_ms, 10000);
    kafka_writer_free(w);
    assert_null(kafka_writer_get_config(NULL));
}

static void without_a_balancer_it_is_round_robin(void **state)
{
    (void)state;
    kafka_writer *w = writers_new(&(kafka_writer_config){BROKERS});
    kafka_balancer *b = kafka_writer_get_config(w)->balancer;
    kafka_message m = {.key = KAFKA_LIT("k"), .topic = "t"};
    for (int32_t i = 0; i < 6; i++) assert_int_equal(kafka_balancer_balance(b, &m, (int32_t[]){0, 1, 2}, 3), i % 3);
    kafka_writer_free(w);
}

static void what_was_set_is_in_force(void **state)
{
    (void)state;
    kafka_writer_config given = {
        BROKERS,
        .topic = "events",
        .batch_timeout_ms = 1,
        .read_timeout_ms = 2,
        .write_timeout_ms = 3,
        .rebalance_interval_ms = 4,
        .buffer_bytes = 5,
        .max_attempts = 6,
        .queue_capacity = 7,
        .batch_size = 8,
        .batch_bytes = 9,
        .required_acks = KAFKA_ACKS_NONE,
        .compression = KAFKA_COMPRESSION_NONE,
        .compression_level = 3,
        .async = 1,
        .no_idempotence = 1,
        .delivery_timeout_ms = 10,
    };
    kafka_writer *w = writers_new(&given);
    const kafka_writer_config *c = kafka_writer_get_config(w);
    assert_string_equal(c->topic, "events");
    assert_int_equal(c->batch_timeout_ms, 1);
    assert_int_equal(c->read_timeout_ms, 2);
    assert_int_equal(c->write_timeout_ms, 3);
    assert_int_equal(c->rebalance_interval_ms, 4);
    assert_int_equal(c->buffer_bytes, 5);
    assert_int_equal(c->max_attempts, 6);
    assert_int_equal(c->queue_capacity, 7);
    assert_int_equal(c->batch_size, 8);
    assert_int_equal(c->batch_bytes, 9);
    assert_int_equal(c->required_acks, KAFKA_ACKS_NONE);
    assert_int_equal(c->compression_level, 3);
    assert_int_equal(c->async, 1);
    assert_int_equal(c->no_idempotence, 1);
    assert_int_equal(c->delivery_timeout_ms, 10);
    kafka_writer_free(w);
}

/* All of them start with a pointer that must not change, and every sentence names its field or quotes its text. */
#define REFUSED(code, part, ...)                                                                              \
    do {                                                                                                      \
        kafka_writer *w_ = (kafka_writer *)&w_;                                                               \
        kafka_writer *before_ = w_;                                                                           \
        assert_fails(kafka_writer_new(&(kafka_writer_config){__VA_ARGS__}, &w_), code, "kafka_writer_new: "); \
        if (!strstr(kafka_last_error(), part)) fail_msg("\"%s\" is not in: %s", part, kafka_last_error());    \
        assert_ptr_equal(w_, before_);                                                                        \
    } while (0)

static void numbers_below_never_are_refused_by_name(void **state)
{
    (void)state;
    REFUSED(KAFKA_EINVAL, "batch_timeout_ms is -2", BROKERS, .batch_timeout_ms = -2);
    REFUSED(KAFKA_EINVAL, "read_timeout_ms is -2", BROKERS, .read_timeout_ms = -2);
    REFUSED(KAFKA_EINVAL, "write_timeout_ms is -2", BROKERS, .write_timeout_ms = -2);
    REFUSED(KAFKA_EINVAL, "rebalance_interval_ms is -2", BROKERS, .rebalance_interval_ms = -2);
    REFUSED(KAFKA_EINVAL, "buffer_bytes is -9223372036854775808", BROKERS, .buffer_bytes = INT64_MIN);
    REFUSED(KAFKA_EINVAL, "max_attempts is -2", BROKERS, .max_attempts = -2);
    REFUSED(KAFKA_EINVAL, "queue_capacity is -2147483648", BROKERS, .queue_capacity = INT32_MIN);
    REFUSED(KAFKA_EINVAL, "batch_size is -2", BROKERS, .batch_size = -2);
    REFUSED(KAFKA_EINVAL, "batch_bytes is -2", BROKERS, .batch_bytes = -2);
    REFUSED(KAFKA_EINVAL, "delivery_timeout_ms is -2", BROKERS, .delivery_timeout_ms = -2);
    REFUSED(KAFKA_EINVAL, "compression_level is -2", BROKERS, .compression_level = -2);
}

static void what_has_names_takes_no_others(void **state)
{
    (void)state;
    REFUSED(KAFKA_EINVAL, "required_acks is 2", BROKERS, .required_acks = 2);
    REFUSED(KAFKA_EINVAL, "required_acks is -3", BROKERS, .required_acks = -3);
    REFUSED(KAFKA_EINVAL, "compression", BROKERS, .compression = -2);
    REFUSED(KAFKA_EINVAL, "compression", BROKERS, .compression = 8);
    REFUSED(KAFKA_EINVAL, "async is 2", BROKERS, .async = 2);
    REFUSED(KAFKA_EINVAL, "no_idempotence is -1", BROKERS, .no_idempotence = -1);
    REFUSED(KAFKA_EINVAL, "reserved", BROKERS, .reserved = 1);
    REFUSED(KAFKA_EINVAL, "topic is empty", BROKERS, .topic = "");
}

static void addresses_are_looked_at(void **state)
{
    (void)state;
    kafka_writer *w;
    REFUSED(KAFKA_EINVAL, "brokers is NULL", .topic = "t");
    REFUSED(KAFKA_EINVAL, "\"a b:9092\"", .brokers = "a b:9092");
    REFUSED(KAFKA_EINVAL, "\"h:99999\"", .brokers = "localhost:9092,h:99999");
    REFUSED(KAFKA_EINVAL, "brokers", .brokers = "");
    assert_fails(kafka_writer_new(NULL, &w), KAFKA_EINVAL, "the configuration is NULL");
    assert_fails(kafka_writer_new(&(kafka_writer_config){BROKERS}, NULL), KAFKA_EINVAL, "out is NULL");
}

static void dialers_are_looked_at(void **state)
{
    (void)state;
    kafka_tls_config tls = {0};
    kafka_resolver none = {0};
    REFUSED(KAFKA_EINVAL, "kafka_dialer.deadline", BROKERS, .dialer = &(kafka_dialer){.deadline = 1});
    REFUSED(KAFKA_EINVAL, "kafka_dialer.timeout_ms", BROKERS, .dialer = &(kafka_dialer){.timeout_ms = -2});
    REFUSED(KAFKA_EINVAL, "local_addr \"x\"", BROKERS, .dialer = &(kafka_dialer){.local_addr = "x"});
    REFUSED(KAFKA_EINVAL, "resolver", BROKERS, .dialer = &(kafka_dialer){.resolver = &none});
    REFUSED(KAFKA_EINVAL, "reserved", BROKERS, .dialer = &(kafka_dialer){.reserved = 1});
    REFUSED(KAFKA_ENOTSUP, "tls", BROKERS, .dialer = &(kafka_dialer){.tls = &tls});
    REFUSED(KAFKA_EINVAL, "logger", BROKERS, .logger = &(kafka_logger){.reserved = 1});
}

static void never_is_no_limit(void **state)
{
    (void)state;
    kafka_writer *w = writers_new(&(kafka_writer_config){
        BROKERS,
        .batch_timeout_ms = KAFKA_NEVER,
        .read_timeout_ms = KAFKA_NEVER,
        .write_timeout_ms = KAFKA_NEVER,
        .rebalance_interval_ms = KAFKA_NEVER,
        .buffer_bytes = KAFKA_NEVER,
        .max_attempts = -1,
        .queue_capacity = -1,
        .batch_size = -1,
        .batch_bytes = -1,
        .delivery_timeout_ms = KAFKA_NEVER,
        .dialer = &(kafka_dialer){.timeout_ms = KAFKA_NEVER},
    });
    assert_int_equal(kafka_writer_get_config(w)->buffer_bytes, KAFKA_NEVER);
    assert_int_equal(kafka_writer_get_config(w)->batch_size, -1);
    kafka_writer_free(w);
}

static void codecs_have_the_levels_that_they_have(void **state)
{
    (void)state;
    char features[64];
    snprintf(features, sizeof features, "%s", kafka_features());
    if (strstr(features, "gzip")) {
        REFUSED(KAFKA_EINVAL, "gzip has levels from 1 to 9, not 10", BROKERS, .compression = KAFKA_COMPRESSION_GZIP,
                .compression_level = 10);
        REFUSED(KAFKA_EINVAL, "compression_level is -2", BROKERS, .compression = KAFKA_COMPRESSION_GZIP,
                .compression_level = -2);
    } else {
        REFUSED(KAFKA_ECODEC, "gzip is not built in", BROKERS, .compression = KAFKA_COMPRESSION_GZIP);
    }
    if (strstr(features, "zstd"))
        kafka_writer_free(writers_new(
            &(kafka_writer_config){BROKERS, .compression = KAFKA_COMPRESSION_ZSTD, .compression_level = -5}));
}

static int no_lookup(void *userdata, const char *host, kafka_addrs *out)
{
    (void)userdata;
    (void)host;
    (void)out;
    return 0;
}

static void everything_is_copied(void **state)
{
    (void)state;
    char brokers[] = "127.0.0.1:1, localhost:2", topic[] = "topic", id[] = "id", local[] = "127.0.0.1";
    kafka_resolver resolver = {.lookup = no_lookup, .userdata = id};
    kafka_logger logger = {.max_level = KAFKA_LOG_INFO};
    kafka_dialer dialer = {.client_id = id, .local_addr = local, .resolver = &resolver};
    kafka_writer_config given = {.brokers = brokers, .topic = topic, .dialer = &dialer, .logger = &logger};
    kafka_writer *w = writers_new(&given);
    memset(brokers, 'x', sizeof brokers - 1);
    memset(topic, 'x', sizeof topic - 1);
    memset(id, 'x', sizeof id - 1);
    memset(local, 'x', sizeof local - 1);
    memset(&resolver, 1, sizeof resolver);
    memset(&logger, 1, sizeof logger);
    memset(&dialer, 1, sizeof dialer);
    memset(&given, 1, sizeof given);
    const kafka_writer_config *c = kafka_writer_get_config(w);
    assert_string_equal(c->brokers, "127.0.0.1:1, localhost:2");
    assert_string_equal(c->topic, "topic");
    assert_string_equal(c->dialer->client_id, "id");
    assert_string_equal(c->dialer->local_addr, "127.0.0.1");
    assert_true(c->dialer->resolver->lookup == no_lookup);
    assert_int_equal(c->logger->max_level, KAFKA_LOG_INFO);
    kafka_writer_free(w);
}

static void a_shorter_struct_has_defaults_for_the_rest(void **state)
{
    (void)state;
    kafka_writer *w = NULL;
    kafka_writer_config given = {BROKERS, .async = 1, .delivery_timeout_ms = -77};
    assert_works(kafka_writer_new_sized(&given, offsetof(kafka_writer_config, delivery_timeout_ms), &w));
    assert_int_equal(kafka_writer_get_config(w)->delivery_timeout_ms, 120000);
    assert_int_equal(kafka_writer_get_config(w)->async, 1);
    kafka_writer_free(w);
    assert_works(kafka_writer_new_sized(&given, sizeof given.brokers, &w));
    assert_int_equal(kafka_writer_get_config(w)->async, 0);
    kafka_writer_free(w);
    assert_fails(kafka_writer_new_sized(&given, 0, &w), KAFKA_EINVAL, "brokers is NULL");
}

static void a_longer_struct_has_to_end_in_zeros_and_comes_back_as_long(void **state)
{
    (void)state;
    kafka_writer *w = NULL;
    struct {
        kafka_writer_config known;
        int64_t later[16];
    } given = {.known = {BROKERS}};
    assert_works(kafka_writer_new_sized(&given.known, sizeof given, &w));
    const int64_t *later = (const void *)(kafka_writer_get_config(w) + 1);
    for (int i = 0; i < 16; i++) assert_int_equal(later[i], 0);
    kafka_writer_free(w);
    given.later[15] = 1;
    assert_fails(kafka_writer_new_sized(&given.known, sizeof given, &w), KAFKA_EINVAL, "does not know");
    given.known.brokers = NULL;
}

static void the_configuration_can_be_read_after_close(void **state)
{
    (void)state;
    kafka_writer *w = writers_new(&(kafka_writer_config){BROKERS, .topic = "t"});
    assert_works(kafka_writer_close(w, NULL));
    assert_string_equal(kafka_writer_get_config(w)->topic, "t");
    kafka_writer_free(w);
}

static void the_balancer_is_held(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_manual();
    kafka_writer *w = writers_new(&(kafka_writer_config){BROKERS, .balancer = b});
    assert_ptr_equal(kafka_writer_get_config(w)->balancer, b);
    kafka_balancer_free(b);
    kafka_message m = {.partition = 1};
    assert_int_equal(kafka_balancer_balance(b, &m, (int32_t[]){0, 1}, 2), 1);
    kafka_writer_free(w);
}

static void making_one_connects_to_nobody(void **state)
{
    (void)state;
    tcp_peer *p = tcp_peer_new(NULL, 0);
    kafka_writer *w = writers_new(&(kafka_writer_config){.brokers = tcp_peer_address(p), .topic = "t"});
    kafka_writer_free(w);
    assert_int_equal(tcp_peer_requests(p, TCP_ACCEPT), 0);
    tcp_peer_free(p);
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kafka_writer *w = NULL;
        int err = kafka_writer_new(&(kafka_writer_config){BROKERS, .topic = "t", .on_delivery = tell}, &w);
        if (err != 0) {
            assert_int_equal(err, KAFKA_ENOMEM);
            assert_null(w);
        }
        kafka_writer_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(zeros_are_defaults),
        API_TEST(without_a_balancer_it_is_round_robin),
        API_TEST(what_was_set_is_in_force),
        API_TEST(numbers_below_never_are_refused_by_name),
        API_TEST(what_has_names_takes_no_others),
        API_TEST(addresses_are_looked_at),
        API_TEST(dialers_are_looked_at),
        API_TEST(never_is_no_limit),
        API_TEST(codecs_have_the_levels_that_they_have),
        API_TEST(everything_is_copied),
        API_TEST(a_shorter_struct_has_defaults_for_the_rest),
        API_TEST(a_longer_struct_has_to_end_in_zeros_and_comes_back_as_long),
        API_TEST(the_configuration_can_be_read_after_close),
        API_TEST(the_balancer_is_held),
        API_TEST(making_one_connects_to_nobody),
        API_TEST(without_memory_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
