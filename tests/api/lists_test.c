/* lists_test.c: what describes a cluster is copied whole into one allocation and owes nothing to where it came from. */
#include "support/memcheck.h"

#include "api/lists.h"
#include "kafka/kafka.h"
#include <stdio.h>
#include <string.h>

static void assert_broker(const kafka_broker *b, int32_t id, const char *host, int32_t port, const char *rack)
{
    assert_int_equal(b->id, id);
    assert_string_equal(b->host, host);
    assert_int_equal(b->port, port);
    if (rack == NULL)
        assert_null(b->rack);
    else
        assert_string_equal(b->rack, rack);
    assert_int_equal(b->reserved[0] | b->reserved[1], 0);
}

static void a_broker_is_copied_whole(void **state)
{
    (void)state;
    char host[] = "b1.example", rack[] = "r1";
    kafka_broker from = {.host = host, .rack = rack, .id = 1, .port = 9092, .reserved = {7, 7}}, *b = NULL;
    assert_int_equal(kfk_broker_new_copy(&from, &b), 0);
    memset(host, 'x', sizeof host - 1);
    memset(rack, 'x', sizeof rack - 1);
    assert_int_equal(memcheck_blocks(), 1);
    assert_broker(b, 1, "b1.example", 9092, "r1");
    kafka_broker_free(b);
}

static void a_broker_that_is_not_described_has_an_empty_host(void **state)
{
    (void)state;
    kafka_broker *b = NULL;
    assert_int_equal(kfk_broker_new_copy(&(kafka_broker){.id = 9}, &b), 0);
    assert_broker(b, 9, "", 0, NULL);
    kafka_broker_free(b);
}

static void brokers_keep_their_order(void **state)
{
    (void)state;
    const kafka_broker from[] = {{.host = "c", .id = 3, .port = 1}, {.host = "a", .rack = "", .id = 1, .port = 2}};
    kafka_brokers *b = NULL;
    assert_int_equal(kfk_brokers_new(from, 2, &b), 0);
    assert_int_equal(memcheck_blocks(), 1);
    assert_int_equal(b->count, 2);
    assert_broker(&b->items[0], 3, "c", 1, NULL);
    assert_broker(&b->items[1], 1, "a", 2, "");
    kafka_brokers_free(b);
}

static void empty_lists_have_no_items(void **state)
{
    (void)state;
    kafka_brokers *b = NULL;
    kafka_partitions *p = NULL;
    assert_int_equal(kfk_brokers_new(NULL, 0, &b), 0);
    assert_int_equal(kfk_partitions_new(NULL, 0, &p), 0);
    assert_int_equal(b->count + p->count, 0);
    kafka_brokers_free(b);
    kafka_partitions_free(p);
}

static void a_partition_is_copied_with_its_brokers(void **state)
{
    (void)state;
    const kafka_broker replicas[] = {{.host = "a", .rack = "r", .id = 1, .port = 9}, {.host = "b", .id = 2, .port = 8}};
    const kafka_partition from = {.topic = "orders",
                                  .leader = replicas[1],
                                  .replicas = replicas,
                                  .replica_count = 2,
                                  .isr = &replicas[1],
                                  .isr_count = 1,
                                  .offline = &replicas[0],
                                  .offline_count = 1,
                                  .topic_id = {1, 2, 3, [15] = 16},
                                  .id = 4,
                                  .leader_epoch = 12,
                                  .error = 9,
                                  .internal = 1,
                                  .reserved = {5}};
    kafka_partitions *list = NULL;
    assert_int_equal(kfk_partitions_new(&from, 1, &list), 0);
    assert_int_equal(memcheck_blocks(), 1);
    const kafka_partition *p = &list->items[0];
    assert_string_equal(p->topic, "orders");
    assert_ptr_not_equal(p->topic, from.topic);
    assert_broker(&p->leader, 2, "b", 8, NULL);
    assert_int_equal(p->replica_count, 2);
    assert_broker(&p->replicas[0], 1, "a", 9, "r");
    assert_broker(&p->replicas[1], 2, "b", 8, NULL);
    assert_int_equal(p->isr_count, 1);
    assert_broker(&p->isr[0], 2, "b", 8, NULL);
    assert_int_equal(p->offline_count, 1);
    assert_broker(&p->offline[0], 1, "a", 9, "r");
    assert_memory_equal(p->topic_id, from.topic_id, 16);
    assert_int_equal(p->id, 4);
    assert_int_equal(p->leader_epoch, 12);
    assert_int_equal(p->error, 9);
    assert_int_equal(p->internal, 1);
    assert_int_equal(p->reserved[0], 0);
    kafka_partitions_free(list);
}

static void partitions_come_sorted_by_topic_and_id(void **state)
{
    (void)state;
    const kafka_partition from[] = {{.topic = "b", .id = 10}, {.topic = "b", .id = 9},  {.topic = "a", .id = 1},
                                    {.topic = "aa", .id = 0}, {.topic = "b", .id = -1}, {.topic = "a", .id = 0}};
    static const char *const want = "a/0 a/1 aa/0 b/-1 b/9 b/10 ";
    char got[128] = "";
    kafka_partitions *list = NULL;
    assert_int_equal(kfk_partitions_new(from, 6, &list), 0);
    for (size_t i = 0; i < list->count; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s/%d ", list->items[i].topic, (int)list->items[i].id);
    assert_string_equal(got, want);
    kafka_partitions_free(list);
}

static void a_large_cluster_fits(void **state)
{
    (void)state;
    enum { PARTITIONS = 3000 };
    static kafka_partition from[PARTITIONS];
    const kafka_broker all[] = {{.host = "broker-1", .id = 1}, {.host = "broker-2", .id = 2}, {.host = "b3", .id = 3}};
    for (int i = 0; i < PARTITIONS; i++)
        from[i] = (kafka_partition){.topic = "t", .id = PARTITIONS - i, .replicas = all, .replica_count = 3};
    kafka_partitions *list = NULL;
    assert_int_equal(kfk_partitions_new(from, PARTITIONS, &list), 0);
    for (int i = 0; i < PARTITIONS; i++) {
        assert_int_equal(list->items[i].id, i + 1);
        assert_string_equal(list->items[i].replicas[2].host, "b3");
    }
    kafka_partitions_free(list);
}

static void without_memory_out_is_left_alone(void **state)
{
    (void)state;
    const kafka_broker broker = {.host = "a"};
    const kafka_partition partition = {.topic = "t", .replicas = &broker, .replica_count = 1};
    MEMCHECK_EACH_FAILURE(n)
    {
        kafka_broker *b = NULL;
        kafka_brokers *bs = NULL;
        kafka_partitions *ps = NULL;
        int err = kfk_broker_new_copy(&broker, &b);
        if (err == 0) err = kfk_brokers_new(&broker, 1, &bs);
        if (err == 0) err = kfk_partitions_new(&partition, 1, &ps);
        assert_int_equal(err, memcheck_failed() ? KAFKA_ENOMEM : 0);
        assert_int_equal(ps == NULL, err != 0);
        kafka_broker_free(b);
        kafka_brokers_free(bs);
        kafka_partitions_free(ps);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_broker_is_copied_whole),
        MEMCHECK_TEST(a_broker_that_is_not_described_has_an_empty_host),
        MEMCHECK_TEST(brokers_keep_their_order),
        MEMCHECK_TEST(empty_lists_have_no_items),
        MEMCHECK_TEST(a_partition_is_copied_with_its_brokers),
        MEMCHECK_TEST(partitions_come_sorted_by_topic_and_id),
        MEMCHECK_TEST(a_large_cluster_fits),
        MEMCHECK_TEST(without_memory_out_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
