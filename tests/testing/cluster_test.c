/* cluster_test.c: the life of a cluster, its brokers and topics, as clients and as its owner see them. */
#include "kafka/testing.h"
#include "support/memcheck.h"
#include "wire/compress.h"
#include <stdio.h>
#include <string.h>

static kafka_cluster *cluster_of(int32_t brokers)
{
    kafka_cluster *c = NULL;
    if (kafka_cluster_new(&(kafka_cluster_config){.brokers = brokers}, &c) != 0) fail_msg("%s", kafka_last_error());
    return c;
}

static kafka_conn *dial(kafka_cluster *c)
{
    kafka_conn *conn = NULL;
    if (kafka_dial(NULL, KAFKA_WITHIN(10000), kafka_cluster_bootstrap(c), &conn) != 0)
        fail_msg("%s", kafka_last_error());
    return conn;
}

static void works(int code)
{
    if (code != 0) fail_msg("%s", kafka_last_error());
}

static void a_cluster_starts_accepts_and_ends(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_of(3);
    kafka_conn *conn = dial(c);
    kafka_brokers *brokers;
    works(kafka_conn_brokers(conn, &brokers));
    assert_int_equal(brokers->count, 3);
    for (int32_t i = 0; i < 3; i++) {
        char address[64];
        snprintf(address, sizeof address, "%s:%d", brokers->items[i].host, (int)brokers->items[i].port);
        assert_int_equal(brokers->items[i].id, i + 1);
        assert_non_null(strstr(kafka_cluster_bootstrap(c), address));
    }
    kafka_brokers_free(brokers);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
    kafka_cluster_free(NULL);
}

static void a_cluster_ends_beside_open_connections(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_of(1);
    kafka_conn *conn = dial(c);
    kafka_brokers *brokers = NULL;
    kafka_cluster_free(c);
    kafka_conn_set_deadline(conn, kafka_deadline_in(10000));
    assert_int_not_equal(kafka_conn_brokers(conn, &brokers), 0);
    kafka_conn_free(conn);
}

static void topics_are_made_spread_and_deleted(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_of(3);
    kafka_conn *conn = dial(c);
    kafka_partitions *list = NULL;
    static const char *const names[] = {"t"};
    uint8_t first_id[16];
    works(kafka_cluster_create_topic(c, "t", 6));
    assert_int_equal(kafka_cluster_create_topic(c, "t", 6), KAFKA_ERR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(kafka_cluster_create_topic(c, "t/u", 6), KAFKA_ERR_INVALID_TOPIC);
    works(kafka_conn_read_partitions(conn, names, 1, &list));
    assert_int_equal(list->count, 6);
    for (int32_t i = 0; i < 6; i++) {
        int32_t leader;
        works(kafka_cluster_leader(c, "t", i, &leader));
        assert_int_equal(list->items[i].leader.id, leader);
        assert_int_equal(leader, 1 + i % 3);
        assert_int_equal(list->items[i].replica_count, 3);
        assert_int_equal(list->items[i].isr_count, 3);
    }
    memcpy(first_id, list->items[0].topic_id, sizeof first_id);
    kafka_partitions_free(list);
    list = NULL;
    works(kafka_cluster_delete_topic(c, "t"));
    assert_int_equal(kafka_cluster_delete_topic(c, "t"), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    works(kafka_cluster_create_topic(c, "t", 1));
    works(kafka_conn_read_partitions(conn, names, 1, &list));
    assert_memory_not_equal(list->items[0].topic_id, first_id, sizeof first_id);
    kafka_partitions_free(list);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

static void leaders_follow_brokers_that_stop_and_start(void **state)
{
    (void)state;
    int32_t leader;
    kafka_cluster *c = cluster_of(2);
    works(kafka_cluster_create_topic(c, "t", 1));
    works(kafka_cluster_leader(c, "t", 0, &leader));
    assert_int_equal(leader, 1);
    works(kafka_cluster_stop_broker(c, 1));
    works(kafka_cluster_stop_broker(c, 1));
    works(kafka_cluster_leader(c, "t", 0, &leader));
    assert_int_equal(leader, 2);
    works(kafka_cluster_stop_broker(c, 2));
    works(kafka_cluster_leader(c, "t", 0, &leader));
    assert_int_equal(leader, -1);
    works(kafka_cluster_start_broker(c, 1)); /* not in sync: it must not lead */
    works(kafka_cluster_leader(c, "t", 0, &leader));
    assert_int_equal(leader, -1);
    works(kafka_cluster_start_broker(c, 2));
    works(kafka_cluster_leader(c, "t", 0, &leader));
    assert_int_equal(leader, 2);
    works(kafka_cluster_move_leader(c, "t", 0, 1));
    works(kafka_cluster_leader(c, "t", 0, &leader));
    assert_int_equal(leader, 1);
    kafka_conn *conn = dial(c);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

static void what_is_written_is_read_with_every_codec(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_of(1);
    kafka_conn *conn;
    kafka_batch *batch;
    kafka_message m;
    int64_t start, end, written = 0;
    static const struct {
        kafka_compression codec;
        const char *feature;
    } codecs[] = {{KAFKA_COMPRESSION_NONE, ""},     {KAFKA_COMPRESSION_DEFAULT, ""},
                  {KAFKA_COMPRESSION_GZIP, "gzip"}, {KAFKA_COMPRESSION_SNAPPY, "snappy"},
                  {KAFKA_COMPRESSION_LZ4, "lz4"},   {KAFKA_COMPRESSION_ZSTD, "zstd"}};
    static const char *const values[] = {"first", "second"};
    works(kafka_cluster_create_topic(c, "t", 1));
    works(kafka_dial_leader(NULL, KAFKA_WITHIN(10000), kafka_cluster_bootstrap(c), "t", 0, &conn));
    kafka_conn_set_deadline(conn, kafka_deadline_in(10000));
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        kafka_message two[] = {{.key = KAFKA_LIT("k"), .value = KAFKA_LIT("first")}, {.value = KAFKA_LIT("second")}};
        if (!strstr(kafka_features(), codecs[i].feature)) continue; /* not built in */
        works(kafka_conn_write_messages(conn, two, 2, codecs[i].codec, NULL));
        written += 2;
    }
    works(kafka_cluster_log_size(c, "t", 0, &start, &end));
    assert_int_equal(start, 0);
    assert_int_equal(end, written);
    for (int64_t offset = 0; offset < end;) {
        works(kafka_conn_read_batch(conn, NULL, &batch));
        while (kafka_batch_read_message(batch, &m) == 0) {
            assert_int_equal(m.offset, offset);
            assert_int_equal(m.value.len, strlen(values[offset % 2]));
            assert_memory_equal(m.value.data, values[offset % 2], m.value.len);
            offset++;
        }
        works(kafka_batch_close(batch));
    }
    kafka_conn_free(conn);
    kafka_cluster_free(c);
    kfk_compress_trim();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_cluster_starts_accepts_and_ends),
        MEMCHECK_TEST(a_cluster_ends_beside_open_connections),
        MEMCHECK_TEST(topics_are_made_spread_and_deleted),
        MEMCHECK_TEST(what_is_written_is_read_with_every_codec),
        MEMCHECK_TEST(leaders_follow_brokers_that_stop_and_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
