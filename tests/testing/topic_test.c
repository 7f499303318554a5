/* topic_test.c: topics, their partitions, and who leads these.
 *
 * The tests run on the thread that turns the cluster's loop: it is a manual one, so that is the test's own. */
#include "base/time.h"
#include "testing/call.h"
#include "testing/client.h"
#include "testing/node.h"
#include <string.h>

typedef void body(kafka_cluster *c);

typedef struct scene {
    body *run;
} scene;

static void run_body(kafka_cluster *c, void *arg)
{
    ((scene *)arg)->run(c);
}

/* Runs the test inside of a cluster with so many brokers. */
static void on_stage(int32_t brokers, body *run)
{
    kafka_loop *loop;
    kafka_cluster *c = NULL;
    works(kafka_loop_new(&(kafka_loop_config){.manual = 1}, &loop));
    works(kafka_cluster_new(&(kafka_cluster_config){.brokers = brokers, .loop = loop}, &c));
    inside(c, run_body, &(scene){run});
    kafka_cluster_free(c);
    kafka_loop_free(loop);
}

static kft_topic *made(kafka_cluster *c, const char *name, int32_t partitions, int replication)
{
    kft_topic *t = NULL;
    const char *why = "";
    if (kft_topic_create(c, kafka_str(name), partitions, replication, NULL, &t, &why) != 0) fail_msg("%s", why);
    return t;
}

/* `call` says in `why` why not. */
#define expect_refusal(call, code, why)   \
    do {                                  \
        why = "";                         \
        assert_int_equal((call), (code)); \
        assert_true(strlen(why) > 10);    \
    } while (0)

/* ---- names and numbers ------------------------------------------------------------------------------------------- */

static void names_are_those_that_kafka_allows(void **state)
{
    (void)state;
    char longest[251];
    const char *why;
    static const char *const fine[] = {"a", "A-Z_0.9", "...", "__consumer_offsets"};
    static const char *const wrong[] = {"", ".", "..", "a b", "a/b", "\xc3\xa4", "a:b"};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        assert_true(kft_topic_name_is_valid(kafka_str(fine[i]), &why));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(kft_topic_name_is_valid(kafka_str(wrong[i]), &why));
        assert_non_null(why);
    }
    memset(longest, 'x', sizeof longest);
    assert_true(kft_topic_name_is_valid((kafka_bytes){longest, 249}, &why));
    assert_false(kft_topic_name_is_valid((kafka_bytes){longest, 250}, &why));
    assert_false(kft_topic_name_is_valid((kafka_bytes){"a\0b", 3}, &why));
    assert_false(kft_topic_name_is_valid((kafka_bytes){NULL, 0}, &why));
}

static void creates(kafka_cluster *c)
{
    const char *why = "";
    kft_topic *t = made(c, "t", 6, 2), *u = made(c, "u", 1, 3);
    assert_ptr_equal(kft_topic_find(&c->topics, KAFKA_LIT("t")), t);
    assert_ptr_equal(kft_topic_find_id(&c->topics, &u->id), u);
    assert_memory_not_equal(t->id.bytes, u->id.bytes, 16);
    assert_int_equal(u->id.bytes[6] & 0xf0, 0x40);
    assert_null(kft_topic_find(&c->topics, KAFKA_LIT("tt")));
    for (int32_t i = 0; i < 6; i++) { /* spread, so that each broker leads as many */
        const kft_partition *p = kft_topic_partition(t, i);
        assert_int_equal(p->leader, 1 + i % 3);
        assert_int_equal(p->replica_count, 2);
        assert_int_equal(p->isr_count, 2);
        assert_int_equal(p->replicas[1], 1 + (i + 1) % 3);
        assert_int_equal(p->leader_epoch, 0);
    }
    assert_null(kft_topic_partition(t, 6));
    assert_null(kft_topic_partition(t, -1));
    assert_null(kft_topic_partition(NULL, 0));
    assert_int_equal(c->topics.partition_count, 7);
#define REFUSED(code, name, partitions, replication) \
    expect_refusal(kft_topic_create(c, kafka_str(name), partitions, replication, NULL, NULL, &why), code, why)
    REFUSED(KAFKA_ERR_TOPIC_ALREADY_EXISTS, "t", 1, 1);
    REFUSED(KAFKA_ERR_INVALID_TOPIC, "a b", 1, 1);
    REFUSED(KAFKA_ERR_INVALID_PARTITIONS, "v", 0, 1);
    REFUSED(KAFKA_ERR_INVALID_PARTITIONS, "v", -5, 1);
    REFUSED(KAFKA_ERR_POLICY_VIOLATION, "v", KFT_MOST_PARTITIONS, 1);
    REFUSED(KAFKA_ERR_INVALID_REPLICATION_FACTOR, "v", 1, 0);
    REFUSED(KAFKA_ERR_INVALID_REPLICATION_FACTOR, "v", 1, 4);
    assert_int_equal(c->topics.partition_count, 7);
    kft_topic_delete(c, t);
    assert_null(kft_topic_find(&c->topics, KAFKA_LIT("t")));
    assert_int_equal(c->topics.partition_count, 1);
}
static void topics_are_made_spread_and_found_by_name_and_id(void **state)
{
    (void)state;
    on_stage(3, creates);
}

static void assigns(kafka_cluster *c)
{
    static const int32_t ab[] = {2, 1}, ba[] = {1, 2}, one[] = {3}, unknown[] = {4}, twice[] = {1, 1};
    const char *why = "";
    kft_topic *t = NULL;
    kft_assignment good[] = {{ab, 2}, {ba, 2}}, uneven[] = {{ab, 2}, {one, 1}}, none[] = {{one, 0}},
                   strange[] = {{unknown, 1}}, doubled[] = {{twice, 2}};
    assert_int_equal(kft_topic_create(c, KAFKA_LIT("t"), 2, -1, good, &t, &why), 0);
    assert_int_equal(kft_topic_partition(t, 0)->leader, 2);
    assert_int_equal(kft_topic_partition(t, 1)->leader, 1);
    assert_true(kft_partition_has_replica(kft_topic_partition(t, 0), 1));
    assert_false(kft_partition_has_replica(kft_topic_partition(t, 0), 3));
#define NOT_ASSIGNED(a, count)                                                    \
    expect_refusal(kft_topic_create(c, KAFKA_LIT("v"), count, -1, a, NULL, &why), \
                   KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT, why)
    NOT_ASSIGNED(uneven, 2);
    NOT_ASSIGNED(none, 1);
    NOT_ASSIGNED(strange, 1);
    NOT_ASSIGNED(doubled, 1);
    assert_int_equal(kft_topic_grow(c, t, 4, good, &why), 0);
    assert_int_equal(t->partition_count, 4);
    assert_int_equal(kft_topic_partition(t, 2)->leader, 2);
    assert_int_equal(kft_topic_grow(c, t, 5, NULL, &why), 0);
    assert_int_equal(kft_topic_partition(t, 4)->replica_count, 2); /* as many as the others have */
    expect_refusal(kft_topic_grow(c, t, 5, NULL, &why), KAFKA_ERR_INVALID_PARTITIONS, why);
    expect_refusal(kft_topic_grow(c, t, KFT_MOST_PARTITIONS + 1, NULL, &why), KAFKA_ERR_POLICY_VIOLATION, why);
    assert_int_equal(c->topics.partition_count, 5);
}
static void replicas_are_assigned_and_topics_grow(void **state)
{
    (void)state;
    on_stage(3, assigns);
}

static void fills(kafka_cluster *c)
{
    const char *why = "";
    made(c, "t", KFT_MOST_PARTITIONS, 1);
    expect_refusal(kft_topic_create(c, KAFKA_LIT("u"), 1, 1, NULL, NULL, &why), KAFKA_ERR_POLICY_VIOLATION, why);
    kft_topic_delete(c, kft_topic_find(&c->topics, KAFKA_LIT("t")));
    made(c, "u", 1, 1);
}
static void there_are_no_more_partitions_than_the_limit(void **state)
{
    (void)state;
    on_stage(1, fills);
}

static void fails_to_create(kafka_cluster *c)
{
    MEMCHECK_EACH_FAILURE(n)
    {
        const char *why = "";
        kft_topic *t = NULL;
        int16_t code = kft_topic_create(c, KAFKA_LIT("t"), 3, 1, NULL, &t, &why);
        if (code == 0) {
            int32_t before = c->topics.partition_count;
            int16_t grown = kft_topic_grow(c, t, 6, NULL, &why);
            assert_true(grown == 0 || (grown == KAFKA_ERR_UNKNOWN && memcheck_failed()));
            assert_int_equal(t->partition_count, grown == 0 ? 6 : 3);
            assert_int_equal(c->topics.partition_count, grown == 0 ? before + 3 : before);
            kft_topic_delete(c, t);
        } else {
            assert_int_equal(code, KAFKA_ERR_UNKNOWN);
            assert_true(strlen(why) > 10);
            assert_true(memcheck_failed());
        }
        assert_null(kft_topic_find(&c->topics, KAFKA_LIT("t")));
        assert_int_equal(c->topics.partition_count, 0);
        memcheck_fail_at(0);
        kft_topic_delete(c, made(c, "t", 1, 1)); /* works afterwards */
        memcheck_fail_at(0);
    }
}
static void without_memory_nothing_of_a_topic_is_left(void **state)
{
    (void)state;
    on_stage(1, fails_to_create);
}

/* ---- leaders ----------------------------------------------------------------------------------------------------- */

static void knows_epochs(kafka_cluster *c)
{
    kft_partition *p = kft_topic_partition(made(c, "t", 1, 2), 0);
    kfk_error err;
    assert_int_equal(kft_partition_check_epoch(p, -1), 0);
    assert_int_equal(kft_partition_check_epoch(p, 0), 0);
    assert_int_equal(kft_partition_check_epoch(p, 1), KAFKA_ERR_UNKNOWN_LEADER_EPOCH);
    assert_int_equal(kft_partition_move(c, p, 2, &err), 0);
    assert_int_equal(p->leader, 2);
    assert_int_equal(p->leader_epoch, 1);
    assert_int_equal(kft_partition_check_epoch(p, 0), KAFKA_ERR_FENCED_LEADER_EPOCH);
    assert_int_equal(kft_partition_check_epoch(p, 1), 0);
}
static void a_new_leader_begins_a_new_epoch(void **state)
{
    (void)state;
    on_stage(2, knows_epochs);
}

static void moves_far(kafka_cluster *c)
{
    kft_partition *p = kft_topic_partition(made(c, "t", 1, 1), 0);
    kfk_error err = {0};
    for (int32_t id = 2; id <= KFT_MOST_REPLICAS; id++) assert_int_equal(kft_partition_move(c, p, id, &err), 0);
    assert_int_equal(p->replica_count, KFT_MOST_REPLICAS);
    assert_int_equal(p->isr_count, KFT_MOST_REPLICAS);
    assert_int_equal(kft_partition_move(c, p, KFT_MOST_REPLICAS + 1, &err), KAFKA_EINVAL);
    assert_int_equal(kft_partition_move(c, p, 1, &err), 0);
}
static void a_leader_becomes_a_replica_while_there_is_room(void **state)
{
    (void)state;
    on_stage(KFT_MOST_REPLICAS + 1, moves_far);
}

static void goes_down(kafka_cluster *c, int32_t id)
{
    kft_node_stop(&c->nodes[id - 1]);
    kft_topics_broker_down(c, id);
}

static void comes_up(kafka_cluster *c, int32_t id)
{
    kfk_error err;
    assert_int_equal(kft_node_start(&c->nodes[id - 1], &err), 0);
    kft_topics_broker_up(c, id);
}

static void follows_brokers(kafka_cluster *c)
{
    kft_partition *p = kft_topic_partition(made(c, "t", 1, 3), 0); /* replicas 1 2 3 */
    kft_partition *alone = kft_topic_partition(made(c, "u", 1, 1), 0);
    goes_down(c, 2);
    assert_true(p->leader == 1 && p->isr_count == 2 && p->leader_epoch == 0); /* a follower: the leader stays */
    goes_down(c, 1);
    assert_true(p->leader == 3 && p->isr_count == 1 && p->leader_epoch == 1);
    assert_true(alone->leader == -1 && alone->isr_count == 1);
    assert_int_equal(kft_cluster_controller(c), 3);
    goes_down(c, 3);
    assert_true(p->leader == -1 && p->isr_count == 1 && p->isr[0] == 3);
    assert_int_equal(kft_cluster_controller(c), -1);
    comes_up(c, 1); /* not in sync when the last one went: it may not lead */
    assert_true(p->leader == -1);
    assert_true(alone->leader == 1);
    comes_up(c, 3);
    assert_int_equal(p->leader, 3);
    comes_up(c, 2);
    assert_int_equal(p->leader, 3);
    assert_true(p->isr_count >= 2);
}
static void leadership_goes_to_replicas_in_sync_that_are_up(void **state)
{
    (void)state;
    on_stage(3, follows_brokers);
}

static void starts_without_brokers(kafka_cluster *c)
{
    goes_down(c, 1);
    kft_partition *p = kft_topic_partition(made(c, "t", 1, 2), 0); /* replicas 1 2, of which 1 is down */
    assert_int_equal(p->leader, 2);
    assert_true(p->isr_count == 1 && p->isr[0] == 2);
    goes_down(c, 2);
    kft_partition *none = kft_topic_partition(made(c, "u", 1, 1), 0);
    assert_int_equal(none->leader, -1);
    comes_up(c, 1);
    assert_int_equal(none->leader, 1);
}
static void topics_may_be_made_while_brokers_are_down(void **state)
{
    (void)state;
    on_stage(2, starts_without_brokers);
}

/* ---- replication ------------------------------------------------------------------------------------------------- */

/* Two records. */
static void append_at(kft_partition *p, int64_t producer_id, int32_t sequence)
{
    batch_bytes bytes = {0};
    kfk_batch_header h;
    int64_t base;
    BATCH(&bytes, .count = 2, .producer_id = producer_id, .time_ms = kfk_time_wall_ms());
    kfk_block *frame = kfk_block_new(bytes.len);
    memcpy(frame->data, bytes.data, bytes.len);
    assert_int_equal(kfk_record_header_parse(frame->data, bytes.len, &h, NULL), 0);
    h.base_sequence = sequence;
    assert_int_equal(kft_producers_reserve(&p->producers, producer_id), 0);
    assert_int_equal(kft_log_append(&p->log, frame, frame->data, &h, p->leader_epoch, -1, 0, &base), 0);
    kft_producers_appended(&p->producers, &h, base, h.max_timestamp);
    kfk_block_drop(frame);
    batch_free(&bytes);
}

static void append(kft_partition *p, int64_t producer_id)
{
    append_at(p, producer_id, 0);
}

static void lags(kafka_cluster *c)
{
    kft_partition *p = kft_topic_partition(made(c, "t", 1, 2), 0);
    kfk_error err;
    append(p, 5);
    kft_partition_replicate(c, p);
    assert_int_equal(p->log.high_watermark, 2);
    p->replication_held = true;
    append(p, 6);
    kft_partition_replicate(c, p);
    assert_int_equal(p->log.high_watermark, 2);
    assert_int_equal(kft_partition_move(c, p, 2, &err), 0);
    assert_int_equal(p->log.end, 2); /* the new leader never saw the rest, nor who wrote it */
    assert_int_equal(p->producers.map.count, 1);
    append(p, 6);
    p->replication_held = false;
    assert_int_equal(kft_partition_move(c, p, 1, &err), 0);
    assert_int_equal(p->log.end, 4);
    assert_int_equal(p->log.high_watermark, 4);
    int32_t epoch;
    int64_t end;
    kft_log_end_of_epoch(&p->log, 0, &epoch, &end);
    assert_true(epoch == 0 && end == 2);
    kft_log_end_of_epoch(&p->log, 1, &epoch, &end);
    assert_true(epoch == 1 && end == 4);
}
static void what_was_not_copied_is_lost_with_its_leader(void **state)
{
    (void)state;
    on_stage(2, lags);
}

static void keeps_its_log(kafka_cluster *c)
{
    kft_partition *p = kft_topic_partition(made(c, "t", 1, 2), 0); /* replicas 1 2 */
    kfk_error err;
    append(p, 5);
    kft_partition_replicate(c, p);
    goes_down(c, 2);
    p->replication_held = true;
    append(p, 6);
    goes_down(c, 1);
    assert_int_equal(p->leader, -1);
    comes_up(c, 1); /* it has all of it */
    assert_true(p->leader == 1 && p->log.end == 4 && p->log.high_watermark == 2);
    assert_int_equal(kft_partition_move(c, p, 1, &err), 0); /* an election that changes nothing */
    assert_true(p->log.end == 4 && p->log.high_watermark == 2);
    assert_int_equal(p->producers.map.count, 2);
    comes_up(c, 2);
    assert_int_equal(kft_partition_move(c, p, 2, &err), 0);
    assert_true(p->log.end == 2 && p->log.high_watermark == 2);
}
static void a_leader_that_leads_again_has_all_of_its_log(void **state)
{
    (void)state;
    on_stage(2, keeps_its_log);
}

static bool is_known(kft_partition *p, int64_t producer_id, int32_t sequence)
{
    kfk_batch_header h = {
        .producer_id = producer_id, .base_sequence = sequence, .record_count = 2, .last_offset_delta = 1};
    const kft_producer_batch *duplicate;
    int16_t code;
    const char *why;
    return kft_producers_check(&p->producers, &h, 0, &duplicate, &code, &why) == KFT_PRODUCER_DUPLICATE;
}

static void leads_after_a_restart(kafka_cluster *c)
{
    kft_partition *p = kft_topic_partition(made(c, "t", 1, 2), 0); /* replicas 1 2 */
    kfk_error err;
    for (int32_t i = 0; i < 3; i++) append_at(p, 5, 2 * i);
    kft_partition_replicate(c, p);
    goes_down(c, 1);
    append_at(p, 5, 6);
    kft_partition_replicate(c, p);
    comes_up(c, 1);
    assert_int_equal(p->leader, 2);
    for (int32_t i = 0; i < 4; i++) assert_true(is_known(p, 5, 2 * i)); /* to the one that was never down */
    assert_int_equal(kft_partition_move(c, p, 1, &err), 0);
    for (int32_t i = 0; i < 4; i++)
        assert_true(is_known(p, 5, 2 * i) == (i >= 2)); /* the newest, and what came later */
}
static void a_restarted_replica_knows_less_of_producers_when_it_leads(void **state)
{
    (void)state;
    on_stage(2, leads_after_a_restart);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(names_are_those_that_kafka_allows),
        MEMCHECK_TEST(topics_are_made_spread_and_found_by_name_and_id),
        MEMCHECK_TEST(replicas_are_assigned_and_topics_grow),
        MEMCHECK_TEST(there_are_no_more_partitions_than_the_limit),
        MEMCHECK_TEST(without_memory_nothing_of_a_topic_is_left),
        MEMCHECK_TEST(a_new_leader_begins_a_new_epoch),
        MEMCHECK_TEST(a_leader_becomes_a_replica_while_there_is_room),
        MEMCHECK_TEST(leadership_goes_to_replicas_in_sync_that_are_up),
        MEMCHECK_TEST(topics_may_be_made_while_brokers_are_down),
        MEMCHECK_TEST(what_was_not_copied_is_lost_with_its_leader),
        MEMCHECK_TEST(a_leader_that_leads_again_has_all_of_its_log),
        MEMCHECK_TEST(a_restarted_replica_knows_less_of_producers_when_it_leads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
