/* brokers_test.c: three brokers: who leads, what others say, replicas that are missing, restarts, topics that make
 * themselves. */
#include "conformance/steps.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_records.h"
#include "wire/gen/describe_cluster.h"
#include "wire/gen/metadata.h"
#include "wire/gen/offset_for_leader_epoch.h"
#include <string.h>

const suite_needs needs = {.brokers = 3, .auto_create = true};

static int32_t another_than(int32_t broker)
{
    return broker % 3 + 1;
}

/* ---- who leads --------------------------------------------------------------------------------------------------- */

static void who_does_not_lead_says_so_and_who_does(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .replication = 3);
    int32_t leader = topic_leader(&t, 0, 1, NULL);
    client *other = suite_client(another_than(leader));
    kfk_produce_response_partition a = produce(other, &t, 0, BATCH_OF(.count = 1));
    EXPECT(a.error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    EXPECT(a.base_offset, -1);
    EXPECT(a.current_leader.leader_id, leader);
    EXPECT(a.current_leader.leader_epoch, 0);
    EXPECT(PRODUCE(other, &t, 0, BATCH_OF(.count = 1), .version = 9).error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    EXPECT(PRODUCE(other, &t, 0, BATCH_OF(.count = 1), .version = 13).current_leader.leader_id, leader);
    EXPECT(list_offset(other, &t, 0, -1, 0).error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    EXPECT(produce(suite_client(leader), &t, 0, BATCH_OF(.count = 1)).error_code, 0);
}

static void a_broker_without_a_replica_does_not_lead_either(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .replication = 1);
    int32_t leader = topic_leader(&t, 0, 1, NULL);
    client *other = suite_client(another_than(leader));
    EXPECT(produce(other, &t, 0, BATCH_OF(.count = 1)).error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    EXPECT(FETCH(other, &t, 0, .version = 16).current_leader.leader_id, leader);
    EXPECT(FETCH(other, &t, 0, .version = 15).current_leader.leader_id, -1);
    kfk_fetch_response_partition a = FETCH(other, &t, 0, .offset = 0);
    EXPECT(a.error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    EXPECT(a.high_watermark, -1);
    EXPECT(a.aborted_transactions.count, -1);
    EXPECT(list_offset(other, &t, 0, -1, 0).error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
}

static kfk_delete_records_response_partition delete_to(client *c, const topic *t, int64_t offset)
{
    kfk_delete_records_request_partition p = {.offset = offset};
    kfk_delete_records_request_topic one = {.name = kafka_str(t->name), .partitions = {&p, 1}};
    kfk_delete_records_request r = DEFAULTS(delete_records);
    r.timeout_ms = 10000;
    r.topics = (kfk_delete_records_request_topic_array){&one, 1};
    return ASK(c, delete_records, 2, &r)->topics.items[0].partitions.items[0];
}

static kfk_offset_for_leader_epoch_response_partition end_of(client *c, const topic *t, int32_t epoch, int32_t current)
{
    kfk_offset_for_leader_epoch_request_partition p = {.current_leader_epoch = current, .leader_epoch = epoch};
    kfk_offset_for_leader_epoch_request_topic one = {.topic = kafka_str(t->name), .partitions = {&p, 1}};
    kfk_offset_for_leader_epoch_request r = DEFAULTS(offset_for_leader_epoch);
    r.replica_id = -1;
    r.topics = (kfk_offset_for_leader_epoch_request_topic_array){&one, 1};
    return ASK(c, offset_for_leader_epoch, 4, &r)->topics.items[0].partitions.items[0];
}

static void administration_of_records_is_the_leaders(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .replication = 3);
    client *other = suite_client(another_than(topic_leader(&t, 0, 1, NULL)));
    EXPECT(delete_to(other, &t, -1).error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    EXPECT(delete_to(other, &t, -1).low_watermark, -1);
    EXPECT(end_of(other, &t, 0, -1).error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
}

static void hints_to_the_leader_say_where_it_lives(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .replication = 1);
    int32_t leader = topic_leader(&t, 0, 1, NULL);
    client *other = suite_client(another_than(leader));
    fetch_parts p;
    const fetch_want want = {.version = 16};
    const kfk_fetch_response *a = ASK(other, fetch, 16, fetch_request(&p, &t, 0, &want));
    EXPECT(a->responses.items[0].partitions.items[0].error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    EXPECT(a->node_endpoints.count, 1);
    EXPECT(a->node_endpoints.items[0].node_id, leader);
    EXPECT_TRUE(a->node_endpoints.items[0].port > 0);
}

static void leaders_are_spread(void **state)
{
    (void)state;
    topic t;
    int led[4] = {0};
    TOPIC(&t, .partitions = 6, .replication = 2);
    for (int32_t i = 0; i < 6; i++) led[topic_leader(&t, i, 1, NULL)]++;
    for (int32_t i = 1; i <= 3; i++) EXPECT(led[i], 2);
}

static void assignments_say_who_leads(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    int32_t brokers[] = {3, 1}, unequal[] = {2};
    kfk_create_topics_request_assignment as[2] = {{0, {brokers, 2}}, {1, {unequal, 1}}};
    topic_name(&t, "assigned");
    kfk_create_topics_request_topic one = {
        .name = kafka_str(t.name), .num_partitions = -1, .replication_factor = -1, .assignments = {as, 2}};
    kfk_create_topics_request r = DEFAULTS(create_topics);
    r.topics = (kfk_create_topics_request_topic_array){&one, 1};
    EXPECT(ASK(c, create_topics, 7, &r)->topics.items[0].error_code, KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT);
    one.assignments.count = 1;
    const kfk_create_topics_response_topic *a = &ASK(c, create_topics, 7, &r)->topics.items[0];
    EXPECT(a->error_code, 0);
    EXPECT(a->num_partitions, 1);
    EXPECT(a->replication_factor, 2);
    topic_delete_later(&t);
    topic_await(&t);
    EXPECT(topic_leader(&t, 0, 2, NULL), 3);
}

/* ---- topics that make themselves --------------------------------------------------------------------------------- */

static void a_topic_comes_into_being_by_being_asked_for(void **state)
{
    (void)state;
    topic t, other;
    client *c = suite_client(1);
    topic_name(&t, "auto");
    topic_name(&other, "not");
    kfk_metadata_request_topic named[2] = {{.name = kafka_str(t.name)}, {.name = KAFKA_LIT("a/b")}};
    kfk_metadata_request r = DEFAULTS(metadata);
    r.topics = (kfk_metadata_request_topic_array){named, 2};
    const kfk_metadata_response *a = ASK(c, metadata, 12, &r);
    EXPECT(a->topics.count, 2);
    for (int32_t i = 0; i < a->topics.count; i++) {
        bool bad = memcmp(a->topics.items[i].name.data, "a/b", 3) == 0;
        EXPECT(a->topics.items[i].error_code, bad ? KAFKA_ERR_INVALID_TOPIC : KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    }
    topic_delete_later(&t);
    topic_await(&t);
    named[0].name = kafka_str(other.name);
    r.topics.count = 1;
    r.allow_auto_topic_creation = false;
    for (int i = 0; i < 2; i++)
        EXPECT(ASK(c, metadata, 12, &r)->topics.items[0].error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(produce(c, &other, 0, BATCH_OF(.count = 1)).error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

/* ---- brokers that stop ------------------------------------------------------------------------------------------- */

typedef struct seen {
    const topic *t;
    int32_t asked, leader, not_leader, epoch;
} seen;

static bool has_moved(void *arg)
{
    seen *s = arg;
    s->leader = topic_leader(s->t, 0, s->asked, &s->epoch);
    return s->leader > 0 && s->leader != s->not_leader;
}

static int isr_count(const topic *t, client *c)
{
    kfk_metadata_request_topic one = {.name = kafka_str(t->name)};
    kfk_metadata_request r = DEFAULTS(metadata);
    r.topics = (kfk_metadata_request_topic_array){&one, 1};
    const kfk_metadata_response *a = ASK(c, metadata, 12, &r);
    return a->topics.items[0].partitions.count == 1 ? (int)a->topics.items[0].partitions.items[0].isr_nodes.count : -1;
}

typedef struct writer {
    client *c;
    const topic *t;
    kafka_bytes batch;
    kfk_produce_response_partition got;
} writer;

/* A new leader serves a moment after it is one. */
static bool is_written(void *arg)
{
    writer *w = arg;
    w->got = produce(w->c, w->t, 0, w->batch);
    return w->got.error_code != KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
}

/* Broker 2 leads it. */
static void on_brokers_2_and_3(topic *t)
{
    int32_t brokers[] = {2, 3};
    kfk_create_topics_request_assignment as = {0, {brokers, 2}};
    topic_name(t, "lagging");
    kfk_create_topics_request_topic one = {
        .name = kafka_str(t->name), .num_partitions = -1, .replication_factor = -1, .assignments = {&as, 1}};
    kfk_create_topics_request r = DEFAULTS(create_topics);
    r.topics = (kfk_create_topics_request_topic_array){&one, 1};
    EXPECT(ASK(suite_client(1), create_topics, 7, &r)->topics.items[0].error_code, 0);
    topic_delete_later(t);
    topic_await(t);
}

static void what_is_not_copied_is_not_acknowledged_to_who_wants_all(void **state)
{
    (void)state;
    topic t;
    on_brokers_2_and_3(&t);
    client *leader = suite_client(2);
    EXPECT(produce(leader, &t, 0, BATCH_OF(.count = 2)).error_code, 0);
    suite_hold(t.name, 3, true);
    kfk_produce_response_partition a = PRODUCE(leader, &t, 0, BATCH_OF(.count = 1), .timeout_ms = 300);
    EXPECT(a.error_code, KAFKA_ERR_REQUEST_TIMED_OUT);
    EXPECT(a.base_offset, 2); /* it is in the log */
    EXPECT(PRODUCE(leader, &t, 0, BATCH_OF(.count = 1), .acks = ACKS_LEADER).base_offset, 3);
    kfk_fetch_response_partition f = FETCH(leader, &t, 0, .offset = 2, .max_wait_ms = 100);
    EXPECT(f.error_code, 0);
    EXPECT(f.high_watermark, 2);
    EXPECT(f.records.bytes.len, 0);
    EXPECT(FETCH(leader, &t, 0, .offset = 3, .max_wait_ms = 100).error_code, 0); /* between it and the end */
    EXPECT(FETCH(leader, &t, 0, .offset = 5, .max_wait_ms = 100).error_code, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    EXPECT(list_offset(leader, &t, 0, -1, 0).offset, 2);
    EXPECT(end_of(leader, &t, 0, 0).end_offset, 4);
    EXPECT(delete_to(leader, &t, 3).error_code, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    suite_hold(t.name, 3, false);
    a = produce(leader, &t, 0, BATCH_OF(.count = 1));
    EXPECT(a.error_code, 0);
    EXPECT(a.base_offset, 4);
    EXPECT(list_offset(leader, &t, 0, -1, 0).offset, 5);
}

/* One test for all that a stop and a start of a broker show, since it takes seconds with a real one. */
static void a_broker_that_stops_gives_leadership_away_for_good(void **state)
{
    (void)state;
    topic t, strict;
    TOPIC(&t, .replication = 2);
    TOPIC(&strict, .replication = 3, .settings = {"min.insync.replicas", "3"});
    int32_t epoch, first = topic_leader(&t, 0, 1, &epoch);
    int64_t id = new_producer(suite_client(first));
    for (int32_t i = 0; i < 3; i++)
        EXPECT(produce(suite_client(first), &t, 0, BATCH_OF(.producer_id = id, .sequence = i)).base_offset, i);
    EXPECT(produce(suite_client(topic_leader(&strict, 0, 1, NULL)), &strict, 0, BATCH_OF(.count = 1)).error_code, 0);
    suite_stop(first);

    seen s = {.t = &t, .asked = another_than(first), .not_leader = first};
    suite_wait(has_moved, &s, "led by another one");
    EXPECT_TRUE(s.epoch > epoch);
    client *c = suite_client(s.leader);
    writer w = {.c = c, .t = &t, .batch = BATCH_OF(.producer_id = id, .sequence = 3)};
    suite_wait(is_written, &w, "written to the new leader");
    EXPECT(w.got.error_code, 0);
    EXPECT(w.got.base_offset, 3);
    EXPECT(produce(c, &t, 0, BATCH_OF(.producer_id = id, .sequence = 0)).base_offset, 0); /* followers remember, too */
    EXPECT(isr_count(&t, suite_client(s.leader)), 1);

    kfk_fetch_response_partition a = FETCH(c, &t, 0, .leader_epoch = epoch + 1);
    EXPECT(a.error_code, KAFKA_ERR_FENCED_LEADER_EPOCH);
    a = FETCH(c, &t, 0, .version = 16, .leader_epoch = epoch + 1);
    EXPECT(a.current_leader.leader_id, s.leader);
    EXPECT(a.current_leader.leader_epoch, s.epoch);
    EXPECT(FETCH(c, &t, 0, .version = 16, .leader_epoch = s.epoch + 2).current_leader.leader_id, -1);
    EXPECT(end_of(c, &t, epoch, epoch).error_code, KAFKA_ERR_FENCED_LEADER_EPOCH);
    kfk_list_offsets_request_partition lp = {.current_leader_epoch = epoch, .timestamp = -1, .max_num_offsets = 1};
    kfk_list_offsets_request_topic lt = {.name = kafka_str(t.name), .partitions = {&lp, 1}};
    kfk_list_offsets_request lr = DEFAULTS(list_offsets);
    lr.replica_id = -1;
    lr.topics = (kfk_list_offsets_request_topic_array){&lt, 1};
    EXPECT(ASK(c, list_offsets, 7, &lr)->topics.items[0].partitions.items[0].error_code, KAFKA_ERR_FENCED_LEADER_EPOCH);
    EXPECT(end_of(c, &t, epoch, s.epoch).end_offset, 3);
    EXPECT(end_of(c, &t, epoch, s.epoch).leader_epoch, epoch);
    EXPECT(end_of(c, &t, s.epoch, s.epoch).end_offset, 4);
    a = FETCH(c, &t, 0, .offset = 4, .fetched_epoch = epoch + 1,
              .max_wait_ms = 20000); /* wrote 3 where nobody else did */
    EXPECT(a.error_code, 0);
    EXPECT(a.diverging_epoch.epoch, epoch);
    EXPECT(a.diverging_epoch.end_offset, 3);

    seen z = {.t = &strict, .asked = another_than(first), .not_leader = first};
    suite_wait(has_moved, &z, "led by another one");
    client *d = suite_client(z.leader);
    kfk_produce_response_partition refused = produce(d, &strict, 0, BATCH_OF(.count = 1));
    EXPECT(refused.error_code, KAFKA_ERR_NOT_ENOUGH_REPLICAS);
    EXPECT(refused.base_offset, -1);
    EXPECT(PRODUCE(d, &strict, 0, BATCH_OF(.count = 1), .acks = ACKS_LEADER).error_code, 0);
    suite_start(first);
}

static bool is_leaderless(void *arg)
{
    seen *s = arg;
    return topic_leader(s->t, 0, s->asked, NULL) == -1;
}

static void leaderless_topic_is_told(const topic *t, int32_t asked, int32_t stopped)
{
    client *c = suite_client(asked);
    kfk_metadata_request_topic one = {.name = kafka_str(t->name)};
    kfk_metadata_request r = DEFAULTS(metadata);
    r.topics = (kfk_metadata_request_topic_array){&one, 1};
    const kfk_metadata_response *a = ASK(c, metadata, 12, &r);
    EXPECT(a->brokers.count, 2);
    EXPECT(a->topics.items[0].error_code, 0);
    const kfk_metadata_response_partition *p = &a->topics.items[0].partitions.items[0];
    EXPECT(p->error_code, KAFKA_ERR_LEADER_NOT_AVAILABLE);
    EXPECT(p->replica_nodes.count, 1);
    EXPECT(p->isr_nodes.count, 0);
    EXPECT(p->offline_replicas.count, 1);
    EXPECT(produce(c, t, 0, BATCH_OF(.count = 1)).error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    kfk_describe_cluster_request d = DEFAULTS(describe_cluster);
    EXPECT(ASK(c, describe_cluster, 2, &d)->brokers.count, 2);
    d.include_fenced_brokers = true;
    const kfk_describe_cluster_response *all = ASK(c, describe_cluster, 2, &d);
    EXPECT(all->brokers.count, 3);
    for (int32_t i = 0; i < all->brokers.count; i++)
        EXPECT(all->brokers.items[i].is_fenced, all->brokers.items[i].broker_id == stopped);
}

static void a_restarted_broker_knows_only_the_newest_batch_of_a_producer(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .replication = 1);
    int32_t leader = topic_leader(&t, 0, 1, NULL);
    client *c = suite_client(leader);
    int64_t id = new_producer(c);
    for (int32_t i = 0; i < 3; i++)
        EXPECT(produce(c, &t, 0, BATCH_OF(.count = 2, .producer_id = id, .sequence = 2 * i)).base_offset, 2 * i);
    suite_stop(leader);
    suite_wait(is_leaderless, &(seen){.t = &t, .asked = another_than(leader)}, "without a leader");
    leaderless_topic_is_told(&t, another_than(leader), leader);
    suite_start(leader);
    topic_await(&t);
    c = suite_client(leader);
    writer w = {.c = c, .t = &t, .batch = BATCH_OF(.count = 2, .producer_id = id, .sequence = 4)};
    suite_wait(is_written, &w, "answered by the restarted broker");
    EXPECT(w.got.error_code, 0);
    EXPECT(w.got.base_offset, 4);
    EXPECT(produce(c, &t, 0, BATCH_OF(.count = 2, .producer_id = id, .sequence = 2)).error_code,
           KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    EXPECT(produce(c, &t, 0, BATCH_OF(.count = 2, .producer_id = id, .sequence = 6)).base_offset, 6);
    EXPECT(list_offset(c, &t, 0, -1, 0).offset, 8);
}

/* Producers outlive their records, but not a restart without any. */
static void a_restart_forgets_producers_without_records(void **state)
{
    (void)state;
    topic emptied;
    TOPIC(&emptied, .replication = 1);
    int32_t first = topic_leader(&emptied, 0, 1, NULL);
    client *c = suite_client(first);
    int64_t id = new_producer(c);
    for (int32_t i = 0; i < 2; i++)
        EXPECT(produce(c, &emptied, 0, BATCH_OF(.producer_id = id, .sequence = i)).base_offset, i);
    EXPECT(delete_to(c, &emptied, -1).low_watermark, 2);
    EXPECT(produce(c, &emptied, 0, BATCH_OF(.producer_id = id, .sequence = 7)).error_code,
           KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    suite_stop(first);
    suite_wait(is_leaderless, &(seen){.t = &emptied, .asked = another_than(first)}, "without a leader");
    suite_start(first);
    topic_await(&emptied);
    writer w = {.c = suite_client(first), .t = &emptied, .batch = BATCH_OF(.producer_id = id, .sequence = 7)};
    suite_wait(is_written, &w, "answered by the restarted broker");
    EXPECT(w.got.error_code, 0);
    EXPECT(w.got.base_offset, 2);
}

/* Records decide how old a producer is, not the clock: one whose newest record is older than producer.id.expiration.ms
 * is not among those that a restarted broker remembers. What it sends again is appended again. */
static void a_restart_forgets_producers_of_old_records(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .replication = 1);
    int32_t first = topic_leader(&t, 0, 1, NULL);
    client *c = suite_client(first);
    kafka_bytes old =
        BATCH_OF(.producer_id = new_producer(c), .time_ms = suite_now_ms() - (int64_t)2 * 24 * 3600 * 1000);
    EXPECT(produce(c, &t, 0, old).base_offset, 0);
    EXPECT(produce(c, &t, 0, old).base_offset, 0);
    suite_stop(first);
    suite_wait(is_leaderless, &(seen){.t = &t, .asked = another_than(first)}, "without a leader");
    suite_start(first);
    topic_await(&t);
    writer w = {.c = suite_client(first), .t = &t, .batch = old};
    suite_wait(is_written, &w, "answered by the restarted broker");
    EXPECT(w.got.error_code, 0);
    EXPECT(w.got.base_offset, 1);
}

typedef struct pending {
    const topic *t;
    client *c;
    int32_t epoch;
    int64_t end;
} pending;

static bool has_two_in_sync(void *arg)
{
    const pending *p = arg;
    return isr_count(p->t, p->c) == 2;
}

static bool has_appended(void *arg)
{
    const pending *p = arg;
    return end_of(p->c, p->t, p->epoch, p->epoch).end_offset == p->end;
}

/* The same code without an offset means that nothing was appended. */
static void a_leader_that_appended_and_lost_its_role_says_so_with_the_offset(void **state)
{
    (void)state;
    topic t;
    on_brokers_2_and_3(&t);
    suite_stop(2); /* so that it is no longer the leader, only the preferred one */
    seen s = {.t = &t, .asked = 3, .not_leader = 2};
    suite_wait(has_moved, &s, "led by broker 3");
    suite_start(2);
    topic_await(&t);
    client *c = suite_client(3);
    pending p = {&t, suite_client(3), s.epoch, 0};
    writer w = {.c = c, .t = &t, .batch = BATCH_OF(.count = 1)};
    suite_wait(is_written, &w, "written to broker 3");
    kfk_produce_response_partition told = {0};
    for (int i = 0; i < 4 && told.error_code == 0;
         i++) { /* a real controller may be too late: then it is acknowledged */
        suite_wait(has_two_in_sync, &p, "in sync again");
        suite_hold(t.name, 2, true);
        produce_ahead(c, &t, 0, BATCH_OF(.count = 1));
        p.end = 2 + i;
        suite_wait(has_appended, &p, "appended by the old leader");
        suite_prefer(t.name, 2);
        const kfk_produce_response *a = client_receive(c, &kfk_produce_request_schema, 12);
        told = a->responses.items[0].partition_responses.items[0];
        suite_hold(t.name, 2, false);
        EXPECT(told.base_offset, p.end - 1);
    }
    EXPECT(told.error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    kfk_produce_response_partition refused = produce(c, &t, 0, BATCH_OF(.count = 1));
    EXPECT(refused.error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    EXPECT(refused.base_offset, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(who_does_not_lead_says_so_and_who_does),
        SUITE_TEST(a_broker_without_a_replica_does_not_lead_either),
        SUITE_TEST(administration_of_records_is_the_leaders),
        SUITE_TEST(hints_to_the_leader_say_where_it_lives),
        SUITE_TEST(leaders_are_spread),
        SUITE_TEST(assignments_say_who_leads),
        SUITE_TEST(a_topic_comes_into_being_by_being_asked_for),
        SUITE_TEST(what_is_not_copied_is_not_acknowledged_to_who_wants_all),
        SUITE_TEST(a_broker_that_stops_gives_leadership_away_for_good),
        SUITE_TEST(a_restarted_broker_knows_only_the_newest_batch_of_a_producer),
        SUITE_TEST(a_restart_forgets_producers_without_records),
        SUITE_TEST(a_restart_forgets_producers_of_old_records),
        SUITE_TEST(a_leader_that_appended_and_lost_its_role_says_so_with_the_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
