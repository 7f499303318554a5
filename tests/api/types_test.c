/* types_test.c: bytes, time, and the sizes that programs are compiled with. */
#include "support/memcheck.h"

#include "base/time.h"
#include "kafka/kafka.h"

static void null_and_empty_bytes_differ(void **state)
{
    (void)state;
    assert_null(kafka_str(NULL).data);
    assert_int_equal(kafka_str(NULL).len, 0);
    assert_non_null(kafka_str("").data);
    assert_int_equal(kafka_str("").len, 0);
    assert_int_equal(kafka_str("abc").len, 3);
    assert_non_null(kafka_bytes_of(NULL, 0).data);
    assert_int_equal(kafka_bytes_of(NULL, 0).len, 0);
    assert_non_null(kafka_bytes_of("", 0).data);
    assert_non_null(KAFKA_LIT("").data);
    assert_int_equal(KAFKA_LIT("a\0b").len, 3);
    assert_null(KAFKA_BYTES(NULL, 0).data);
}

static int64_t fake_now_ns;

static int64_t fake_monotonic_ns(void)
{
    return fake_now_ns;
}

static void a_deadline_is_now_plus_the_time_given(void **state)
{
    (void)state;
    kfk_time_set_source(fake_monotonic_ns, NULL);
    fake_now_ns = 5000 * INT64_C(1000000);
    assert_int_equal(kafka_now_ms(), 5000);
    assert_int_equal(kafka_deadline_in(250), 5250);
    assert_int_equal(kafka_deadline_in(INT64_MAX), INT64_MAX);
    assert_int_equal(kafka_deadline_in(INT64_MAX - 4999), INT64_MAX);
    assert_int_equal(kafka_deadline_in(INT64_MAX - 5000), INT64_MAX);
    assert_int_equal(kafka_deadline_in(INT64_MAX - 5001), INT64_MAX - 1);
    kfk_time_set_source(NULL, NULL);
}

static void zero_and_less_is_past_and_only_never_is_no_deadline(void **state)
{
    (void)state;
    kfk_time_set_source(fake_monotonic_ns, NULL);
    for (int64_t now = 0; now < 5; now++) {
        fake_now_ns = now * 1000000;
        assert_int_equal(kafka_deadline_in(KAFKA_NEVER), 0);
        static const int64_t past[] = {0, -2, -1000, INT64_MIN};
        for (size_t i = 0; i < 4; i++) {
            assert_true(kafka_deadline_in(past[i]) < kafka_now_ms());
            assert_true(kafka_deadline_in(past[i]) != 0);
        }
        assert_true(kafka_deadline_in(1) == now + 1);
    }
    kfk_time_set_source(NULL, NULL);
}

static void within_makes_a_context(void **state)
{
    (void)state;
    int64_t before = kafka_now_ms();
    const kafka_ctx *ctx = KAFKA_WITHIN(1000);
    assert_true(ctx->deadline >= before + 1000 && ctx->deadline <= kafka_now_ms() + 1000);
    assert_null(ctx->cancel);
    assert_null(ctx->error);
    assert_int_equal(KAFKA_WITHIN(KAFKA_NEVER)->deadline, 0);
}

/* Structs that are passed without their size never change it: what programs were compiled with stays true. */
static void closed_structs_keep_their_sizes(void **state)
{
    (void)state;
    if (sizeof(void *) != 8) skip();
    static const struct {
        const char *name;
        size_t is, was;
    } sizes[] = {
        {"kafka_bytes", sizeof(kafka_bytes), 16},
        {"kafka_header", sizeof(kafka_header), 24},
        {"kafka_message", sizeof(kafka_message), 128},
        {"kafka_broker", sizeof(kafka_broker), 32},
        {"kafka_partition", sizeof(kafka_partition), 168},
        {"kafka_brokers", sizeof(kafka_brokers), 16},
        {"kafka_partitions", sizeof(kafka_partitions), 16},
        {"kafka_ctx", sizeof(kafka_ctx), 48},
        {"kafka_loop_config", sizeof(kafka_loop_config), 32},
        {"kafka_logger", sizeof(kafka_logger), 24},
        {"kafka_tls_config", sizeof(kafka_tls_config), 144},
        {"kafka_oidc", sizeof(kafka_oidc), 104},
        {"kafka_kerberos", sizeof(kafka_kerberos), 64},
        {"kafka_sasl_config", sizeof(kafka_sasl_config), 120},
        {"kafka_resolver", sizeof(kafka_resolver), 16},
        {"kafka_dialer", sizeof(kafka_dialer), 184},
        {"kafka_conn_config", sizeof(kafka_conn_config), 56},
        {"kafka_fetch", sizeof(kafka_fetch), 40},
        {"kafka_config_entry", sizeof(kafka_config_entry), 16},
        {"kafka_replica_assignment", sizeof(kafka_replica_assignment), 24},
        {"kafka_topic_config", sizeof(kafka_topic_config), 64},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].is != sizes[i].was) fail_msg("%s: %zu bytes, was %zu", sizes[i].name, sizes[i].is, sizes[i].was);
}

/* Programs written for kafka-go, and every other client, know these numbers. */
static void constants_have_kafka_gos_numbers(void **state)
{
    (void)state;
    assert_true(KAFKA_SEEK_START == 0 && KAFKA_SEEK_ABSOLUTE == 1 && KAFKA_SEEK_END == 2 && KAFKA_SEEK_CURRENT == 3);
    assert_true(KAFKA_OFFSET_LAST == -1 && KAFKA_OFFSET_FIRST == -2); /* the protocol's, and kafka-go's since 0.2 */
    assert_true(KAFKA_COMPRESSION_GZIP == 1 && KAFKA_COMPRESSION_SNAPPY == 2 && KAFKA_COMPRESSION_LZ4 == 3 &&
                KAFKA_COMPRESSION_ZSTD == 4);
    assert_true(KAFKA_ACKS_ALL == -1 && KAFKA_ACKS_ONE == 1);
}

static void freeing_null_is_fine(void **state)
{
    (void)state;
    kafka_message_free(NULL);
    kafka_broker_free(NULL);
    kafka_brokers_free(NULL);
    kafka_partitions_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(null_and_empty_bytes_differ),
        MEMCHECK_TEST(a_deadline_is_now_plus_the_time_given),
        MEMCHECK_TEST(zero_and_less_is_past_and_only_never_is_no_deadline),
        MEMCHECK_TEST(within_makes_a_context),
        MEMCHECK_TEST(closed_structs_keep_their_sizes),
        MEMCHECK_TEST(constants_have_kafka_gos_numbers),
        MEMCHECK_TEST(freeing_null_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
