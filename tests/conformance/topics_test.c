/* topics_test.c: CreateTopics, CreatePartitions, DeleteTopics, and what Metadata says of topics. */
#include "conformance/steps.h"
#include "wire/gen/create_partitions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/metadata.h"
#include <string.h>

const suite_needs needs = {.brokers = 1};

/* ---- CreateTopics ------------------------------------------------------------------------------------------------ */

typedef kfk_create_topics_request_topic new_topic;

static const kfk_create_topics_response *create_as(client *c, int16_t version, new_topic *topics, int32_t count,
                                                   bool validate_only)
{
    kfk_create_topics_request r = DEFAULTS(create_topics);
    r.topics = (kfk_create_topics_request_topic_array){topics, count};
    r.validate_only = validate_only;
    return ASK(c, create_topics, version, &r);
}

static int16_t create(client *c, new_topic t)
{
    return create_as(c, 7, &t, 1, false)->topics.items[0].error_code;
}

static new_topic fresh(topic *t, int32_t partitions)
{
    topic_name(t, "made");
    topic_delete_later(t);
    return (new_topic){.name = kafka_str(t->name), .num_partitions = partitions, .replication_factor = 1};
}

static void a_topic_is_made_and_told_of(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    new_topic n = fresh(&t, 3);
    const kfk_create_topics_response_topic *a = &create_as(c, 7, &n, 1, false)->topics.items[0];
    kfk_uuid id = a->topic_id;
    EXPECT(a->error_code, 0);
    EXPECT_TRUE(!a->error_message.data);
    EXPECT(a->num_partitions, 3);
    EXPECT(a->replication_factor, 1);
    EXPECT(a->topic_config_error_code, 0);
    EXPECT_TRUE(a->configs.count > 10); /* all of them, not those that were given */
    topic_await(&t);
    EXPECT(memcmp(t.id.bytes, id.bytes, sizeof id.bytes), 0);
    EXPECT(create(c, n), KAFKA_ERR_TOPIC_ALREADY_EXISTS);
}

static void numbers_may_be_left_to_the_broker(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    new_topic n = fresh(&t, -1);
    n.replication_factor = -1;
    const kfk_create_topics_response_topic *a = &create_as(c, 7, &n, 1, false)->topics.items[0];
    EXPECT(a->error_code, 0);
    EXPECT(a->num_partitions, 1);
    EXPECT(a->replication_factor, 1);
}

static void impossible_topics_are_refused(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    new_topic n = fresh(&t, 0);
    const kfk_create_topics_response_topic *a = &create_as(c, 7, &n, 1, false)->topics.items[0];
    EXPECT(a->error_code, KAFKA_ERR_INVALID_PARTITIONS);
    EXPECT_TRUE(a->error_message.data);
    EXPECT(a->num_partitions, -1);
    EXPECT(a->replication_factor, -1);
    n.num_partitions = -2;
    EXPECT(create(c, n), KAFKA_ERR_INVALID_PARTITIONS);
    n.num_partitions = 1;
    n.replication_factor = 0;
    EXPECT(create(c, n), KAFKA_ERR_INVALID_REPLICATION_FACTOR);
    n.replication_factor = -2;
    EXPECT(create(c, n), KAFKA_ERR_INVALID_REPLICATION_FACTOR);
    n.replication_factor = 9;
    EXPECT(create(c, n), KAFKA_ERR_INVALID_REPLICATION_FACTOR);
}

static void impossible_names_are_refused(void **state)
{
    (void)state;
    char longest[251];
    client *c = suite_client(1);
    memset(longest, 'x', sizeof longest);
    longest[250] = '\0';
    const char *names[] = {"", ".", "..", "a/b", "a b", "\xc3\xa4", longest};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        new_topic n = {.name = kafka_str(names[i]), .num_partitions = 1, .replication_factor = 1};
        suite_expect(create(c, n), KAFKA_ERR_INVALID_TOPIC, names[i], __FILE__, __LINE__);
    }
}

static void names_that_differ_in_dots_and_underscores_only_collide(void **state)
{
    (void)state;
    topic t, other;
    client *c = suite_client(1);
    new_topic n = fresh(&t, 1);
    strcat(t.name, ".a_b");
    n.name = kafka_str(t.name);
    topic_delete_later(&t);
    EXPECT(create(c, n), 0);
    other = t;
    strcpy(strrchr(other.name, '.'), "_a.b");
    n.name = kafka_str(other.name);
    EXPECT(create(c, n), KAFKA_ERR_INVALID_TOPIC);
}

static void a_topic_that_is_named_twice_is_refused(void **state)
{
    (void)state;
    topic t, other;
    client *c = suite_client(1);
    new_topic n[3] = {fresh(&t, 1), fresh(&other, 1), fresh(&t, 1)};
    n[0].name = n[2].name;
    const kfk_create_topics_response *a = create_as(c, 7, n, 3, true);
    int refused = 0;
    for (int32_t i = 0; i < a->topics.count; i++) {
        bool is_other = a->topics.items[i].name.len == strlen(other.name) &&
                        memcmp(a->topics.items[i].name.data, other.name, strlen(other.name)) == 0;
        EXPECT(a->topics.items[i].error_code, is_other ? 0 : KAFKA_ERR_INVALID_REQUEST);
        refused += !is_other;
    }
    EXPECT(a->topics.count, 2); /* told once */
    EXPECT(refused, 1);
}

static void assignments_say_where_replicas_live(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    int32_t one[] = {1}, nine[] = {9}, twice[] = {1, 1};
    kfk_create_topics_request_assignment as[2] = {{0, {one, 1}}, {1, {one, 1}}};
    new_topic n = fresh(&t, -1);
    n.assignments = (kfk_create_topics_request_assignment_array){as, 2};
    EXPECT(create(c, n), KAFKA_ERR_INVALID_REQUEST); /* a replication factor beside them */
    n.replication_factor = -1;
    n.num_partitions = 2;
    EXPECT(create(c, n), KAFKA_ERR_INVALID_REQUEST);
    n.num_partitions = -1;
    as[1].broker_ids = (kfk_int32_array){nine, 1};
    EXPECT(create(c, n), KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT);
    as[1].broker_ids = (kfk_int32_array){twice, 2};
    EXPECT(create(c, n), KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT);
    as[1].broker_ids = (kfk_int32_array){one, 0};
    EXPECT(create(c, n), KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT);
    as[1] = (kfk_create_topics_request_assignment){2, {one, 1}};
    EXPECT(create(c, n), KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT);
    as[1] = (kfk_create_topics_request_assignment){0, {one, 1}};
    EXPECT(create(c, n), KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT);
    as[1] = (kfk_create_topics_request_assignment){1, {one, 1}};
    const kfk_create_topics_response_topic *a = &create_as(c, 7, &n, 1, false)->topics.items[0];
    EXPECT(a->error_code, 0);
    EXPECT(a->num_partitions, 2);
    EXPECT(a->replication_factor, 1);
}

static void settings_are_checked(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    static const char *const wrong[][2] = {{"no.such.setting", "1"},
                                           {"retention.ms", "soon"},
                                           {"retention.ms", "-2"},
                                           {"max.message.bytes", "-1"},
                                           {"cleanup.policy", "burn"},
                                           {"segment.bytes", "1048575"},
                                           {"message.timestamp.type", "now"},
                                           {"compression.type", "zip"},
                                           {"min.insync.replicas", "0"},
                                           {"preallocate", "perhaps"},
                                           {"retention.ms", "1.5"},
                                           {"min.cleanable.dirty.ratio", "1.5"},
                                           {"retention.bytes", ""},
                                           {"max.message.bytes", "4294967296"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kfk_create_topics_request_config config = {.name = kafka_str(wrong[i][0]), .value = kafka_str(wrong[i][1])};
        new_topic n = fresh(&t, 1);
        n.configs = (kfk_create_topics_request_config_array){&config, 1};
        suite_expect(create(c, n), KAFKA_ERR_INVALID_CONFIG, wrong[i][0], __FILE__, __LINE__);
    }
    kfk_create_topics_request_config config = {.name = KAFKA_LIT("retention.ms"), .value = {NULL, 0}};
    new_topic n = fresh(&t, 1);
    n.configs = (kfk_create_topics_request_config_array){&config, 1};
    EXPECT(create(c, n), KAFKA_ERR_INVALID_CONFIG);
}

static void a_validation_changes_nothing(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    new_topic n = fresh(&t, 3);
    const kfk_create_topics_response_topic *a = &create_as(c, 7, &n, 1, true)->topics.items[0];
    static const kfk_uuid none;
    EXPECT(a->error_code, 0);
    EXPECT(a->num_partitions, 3);
    EXPECT(a->replication_factor, 1);
    EXPECT(memcmp(&a->topic_id, &none, sizeof none) != 0, true); /* an id that will not be its */
    EXPECT_TRUE(a->configs.count > 10);
    EXPECT(create(c, n), 0);
    EXPECT(create_as(c, 7, &n, 1, true)->topics.items[0].error_code, KAFKA_ERR_TOPIC_ALREADY_EXISTS);
}

/* ---- CreatePartitions -------------------------------------------------------------------------------------------- */

static int16_t grow(client *c, const topic *t, int32_t count, kfk_create_partitions_request_assignment *as,
                    int32_t as_count, bool validate_only)
{
    kfk_create_partitions_request_topic one = {
        .name = kafka_str(t->name), .count = count, .assignments = {as, as ? as_count : -1}};
    kfk_create_partitions_request r = DEFAULTS(create_partitions);
    r.timeout_ms = 10000;
    r.validate_only = validate_only;
    r.topics = (kfk_create_partitions_request_topic_array){&one, 1};
    return ASK(c, create_partitions, 3, &r)->results.items[0].error_code;
}

static void topics_only_grow(void **state)
{
    (void)state;
    topic t, none;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 2);
    topic_name(&none, "none");
    EXPECT(grow(c, &t, 1, NULL, 0, false), KAFKA_ERR_INVALID_PARTITIONS);
    EXPECT(grow(c, &t, 2, NULL, 0, false), KAFKA_ERR_INVALID_PARTITIONS);
    EXPECT(grow(c, &t, -1, NULL, 0, false), KAFKA_ERR_INVALID_PARTITIONS);
    EXPECT(grow(c, &none, 2, NULL, 0, false), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(grow(c, &t, 3, NULL, 0, true), 0);
    EXPECT(grow(c, &t, 3, NULL, 0, false), 0);
    EXPECT(grow(c, &t, 3, NULL, 0, false), KAFKA_ERR_INVALID_PARTITIONS);
    topic_await(&t);
    EXPECT(produce(c, &t, 2, BATCH_OF(.count = 1)).error_code, 0);
    kfk_create_partitions_request_topic twice[2] = {{.name = kafka_str(t.name), .count = 5, .assignments = {NULL, -1}},
                                                    {.name = kafka_str(t.name), .count = 6, .assignments = {NULL, -1}}};
    kfk_create_partitions_request r = DEFAULTS(create_partitions);
    r.timeout_ms = 10000;
    r.topics = (kfk_create_partitions_request_topic_array){twice, 2};
    const kfk_create_partitions_response *a = ASK(c, create_partitions, 3, &r);
    EXPECT(a->results.count, 1);
    EXPECT(a->results.items[0].error_code, KAFKA_ERR_INVALID_REQUEST);
}

static void new_partitions_may_be_assigned(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    int32_t one[] = {1}, nine[] = {9}, twice[] = {1, 1};
    kfk_create_partitions_request_assignment as[2] = {{{one, 1}}, {{one, 1}}};
    EXPECT(grow(c, &t, 2, as, 2, false), KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT);
    EXPECT(grow(c, &t, 2, as, 0, false), KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT);
    as[0].broker_ids = (kfk_int32_array){nine, 1};
    EXPECT(grow(c, &t, 2, as, 1, false), KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT);
    as[0].broker_ids = (kfk_int32_array){twice, 2};
    EXPECT(grow(c, &t, 2, as, 1, false), KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT);
    as[0].broker_ids = (kfk_int32_array){one, 0};
    EXPECT(grow(c, &t, 2, as, 1, false), KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT);
    as[0].broker_ids = (kfk_int32_array){one, 1};
    EXPECT(grow(c, &t, 2, as, 1, false), 0);
}

/* ---- DeleteTopics ------------------------------------------------------------------------------------------------ */

static void topics_are_deleted_by_name(void **state)
{
    (void)state;
    topic t, none;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    topic_name(&none, "none");
    kafka_bytes names[] = {kafka_str(t.name), kafka_str(none.name)};
    kfk_delete_topics_request r = DEFAULTS(delete_topics);
    r.timeout_ms = 10000;
    r.topic_names = (kfk_string_array){names, 2};
    const kfk_delete_topics_response *a = ASK(c, delete_topics, 5, &r);
    EXPECT(a->responses.count, 2);
    for (int32_t i = 0; i < a->responses.count; i++) {
        bool known = memcmp(a->responses.items[i].name.data, t.name, a->responses.items[i].name.len) == 0;
        EXPECT(a->responses.items[i].error_code, known ? 0 : KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    }
    new_topic again = {.name = kafka_str(t.name), .num_partitions = 1, .replication_factor = 1};
    const kfk_create_topics_response_topic *made = &create_as(c, 7, &again, 1, false)->topics.items[0];
    EXPECT(made->error_code, 0);
    EXPECT_TRUE(memcmp(made->topic_id.bytes, t.id.bytes, sizeof t.id.bytes) != 0);
}

static void topics_are_deleted_by_id(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    kfk_delete_topics_request_topic one = {.topic_id = t.id};
    kfk_delete_topics_request r = DEFAULTS(delete_topics);
    r.timeout_ms = 10000;
    r.topics = (kfk_delete_topics_request_topic_array){&one, 1};
    const kfk_delete_topics_response_topic *a = &ASK(c, delete_topics, 6, &r)->responses.items[0];
    EXPECT(a->error_code, 0);
    EXPECT(a->name.len, strlen(t.name));
    EXPECT(memcmp(a->topic_id.bytes, t.id.bytes, sizeof t.id.bytes), 0);
    memset(one.topic_id.bytes, 7, sizeof one.topic_id.bytes);
    a = &ASK(c, delete_topics, 6, &r)->responses.items[0];
    EXPECT(a->error_code, KAFKA_ERR_UNKNOWN_TOPIC_ID);
    EXPECT_TRUE(!a->name.data);
}

/* Refused with this code, whatever the answer is about. */
static void delete_refused(client *c, kfk_delete_topics_request_topic *topics, int32_t count, int16_t code)
{
    kfk_delete_topics_request r = DEFAULTS(delete_topics);
    r.timeout_ms = 10000;
    r.topics = (kfk_delete_topics_request_topic_array){topics, count};
    const kfk_delete_topics_response *a = ASK(c, delete_topics, 6, &r);
    EXPECT(a->responses.count, 1);
    for (int32_t i = 0; i < a->responses.count; i++) EXPECT(a->responses.items[i].error_code, code);
}

static void a_topic_to_delete_is_named_once(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    kfk_delete_topics_request_topic both = {kafka_str(t.name), t.id}, neither = {{NULL, 0}, {{0}}};
    kfk_delete_topics_request_topic twice[2] = {{kafka_str(t.name), {{0}}}, {kafka_str(t.name), {{0}}}};
    kfk_delete_topics_request_topic name_and_id[2] = {{kafka_str(t.name), {{0}}}, {{NULL, 0}, t.id}};
    delete_refused(c, &both, 1, KAFKA_ERR_INVALID_REQUEST);
    delete_refused(c, &neither, 1, KAFKA_ERR_INVALID_REQUEST);
    delete_refused(c, twice, 2, KAFKA_ERR_INVALID_REQUEST);
    delete_refused(c, name_and_id, 2, KAFKA_ERR_INVALID_REQUEST);
    EXPECT(topic_leader(&t, 0, 1, NULL), 1);
}

/* ---- Metadata ---------------------------------------------------------------------------------------------------- */

static const kfk_metadata_response *look_up(client *c, int16_t version, kafka_bytes name, const kfk_uuid *id)
{
    kfk_metadata_request_topic one = {.name = name, .topic_id = id ? *id : (kfk_uuid){{0}}};
    kfk_metadata_request r = DEFAULTS(metadata);
    r.topics = (kfk_metadata_request_topic_array){&one, 1};
    return ASK(c, metadata, version, &r);
}

static bool lists(const kfk_metadata_response *a, const topic *t)
{
    for (int32_t i = 0; i < a->topics.count; i++) {
        kafka_bytes name = a->topics.items[i].name;
        if (name.len == strlen(t->name) && memcmp(name.data, t->name, name.len) == 0) return true;
    }
    return false;
}

static void all_topics_are_told_to_who_names_none(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    kfk_metadata_request r = DEFAULTS(metadata);
    r.topics.count = -1;
    for (int16_t version = 1; version <= 13; version++) EXPECT_TRUE(lists(ASK(c, metadata, version, &r), &t));
    r.topics.count = 0;
    EXPECT_TRUE(lists(ASK(c, metadata, 0, &r), &t));
    EXPECT(ASK(c, metadata, 1, &r)->topics.count, 0);
    EXPECT(ASK(c, metadata, 12, &r)->topics.count, 0);
}

static void a_topic_is_described(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 2);
    const kfk_metadata_response *a = look_up(c, 12, kafka_str(t.name), NULL);
    EXPECT(a->brokers.count, 1);
    EXPECT(a->brokers.items[0].node_id, 1);
    EXPECT(a->controller_id, 1);
    EXPECT(a->cluster_id.len, 22);
    assert_int_equal(a->topics.count, 1);
    EXPECT(a->topics.items[0].error_code, 0);
    EXPECT(a->topics.items[0].is_internal, false);
    EXPECT(a->topics.items[0].topic_authorized_operations, INT32_MIN);
    assert_int_equal(a->topics.items[0].partitions.count, 2);
    for (int32_t i = 0; i < 2; i++) {
        const kfk_metadata_response_partition *p = &a->topics.items[0].partitions.items[i];
        EXPECT(p->error_code, 0);
        EXPECT(p->partition_index, i);
        EXPECT(p->leader_id, 1);
        EXPECT(p->leader_epoch, 0);
        EXPECT(p->replica_nodes.count, 1);
        EXPECT(p->isr_nodes.count, 1);
        EXPECT(p->offline_replicas.count, 0);
    }
}

static void topics_are_found_by_id(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    const kafka_bytes no_name = {NULL, 0};
    const kfk_metadata_response *a = look_up(c, 12, no_name, &t.id);
    EXPECT(a->topics.items[0].error_code, 0);
    EXPECT_TRUE(lists(a, &t));
    kfk_uuid none;
    memset(none.bytes, 7, sizeof none.bytes);
    a = look_up(c, 12, no_name, &none);
    EXPECT(a->topics.items[0].error_code, KAFKA_ERR_UNKNOWN_TOPIC_ID);
    EXPECT_TRUE(!a->topics.items[0].name.data);
    EXPECT(memcmp(a->topics.items[0].topic_id.bytes, none.bytes, sizeof none.bytes), 0);
}

static void topics_that_are_not_there_or_cannot_be_are_told_apart(void **state)
{
    (void)state;
    topic none;
    client *c = suite_client(1);
    topic_name(&none, "none");
    const kfk_metadata_response *a = look_up(c, 12, kafka_str(none.name), NULL);
    EXPECT(a->topics.items[0].error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT(a->topics.items[0].partitions.count, 0);
    EXPECT_TRUE(lists(a, &none));
    EXPECT(look_up(c, 12, KAFKA_LIT("a/b"), NULL)->topics.items[0].error_code, KAFKA_ERR_INVALID_TOPIC);
    EXPECT(look_up(c, 12, KAFKA_LIT(""), NULL)->topics.items[0].error_code, KAFKA_ERR_INVALID_TOPIC);
}

static void what_a_client_may_do_is_told_when_it_asks(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 1);
    kfk_metadata_request_topic one = {.name = kafka_str(t.name)};
    kfk_metadata_request r = DEFAULTS(metadata);
    r.topics = (kfk_metadata_request_topic_array){&one, 1};
    r.include_topic_authorized_operations = r.include_cluster_authorized_operations = true;
    const kfk_metadata_response *a = ASK(c, metadata, 8, &r);
    EXPECT(a->topics.items[0].topic_authorized_operations, 0x0df8);
    EXPECT(a->cluster_authorized_operations, 0x1fa0);
}

static void a_topic_that_is_asked_for_twice_is_told_once(void **state)
{
    (void)state;
    topic t, none;
    client *c = suite_client(1);
    TOPIC(&t, .partitions = 2);
    topic_name(&none, "none");
    kfk_metadata_request_topic four[4] = {{.name = kafka_str(t.name)},
                                          {.name = kafka_str(none.name)},
                                          {.name = kafka_str(t.name)},
                                          {.name = kafka_str(none.name)}};
    kfk_metadata_request r = DEFAULTS(metadata);
    r.allow_auto_topic_creation = false;
    r.topics = (kfk_metadata_request_topic_array){four, 4};
    for (int16_t version = 4; version <= 12; version += 8) EXPECT(ASK(c, metadata, version, &r)->topics.count, 2);
    for (int i = 0; i < 4; i++) four[i] = (kfk_metadata_request_topic){.topic_id = t.id};
    EXPECT(ASK(c, metadata, 12, &r)->topics.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(a_topic_is_made_and_told_of),
        SUITE_TEST(numbers_may_be_left_to_the_broker),
        SUITE_TEST(impossible_topics_are_refused),
        SUITE_TEST(impossible_names_are_refused),
        SUITE_TEST(names_that_differ_in_dots_and_underscores_only_collide),
        SUITE_TEST(a_topic_that_is_named_twice_is_refused),
        SUITE_TEST(assignments_say_where_replicas_live),
        SUITE_TEST(settings_are_checked),
        SUITE_TEST(a_validation_changes_nothing),
        SUITE_TEST(topics_only_grow),
        SUITE_TEST(new_partitions_may_be_assigned),
        SUITE_TEST(topics_are_deleted_by_name),
        SUITE_TEST(topics_are_deleted_by_id),
        SUITE_TEST(a_topic_to_delete_is_named_once),
        SUITE_TEST(all_topics_are_told_to_who_names_none),
        SUITE_TEST(a_topic_is_described),
        SUITE_TEST(a_topic_that_is_asked_for_twice_is_told_once),
        SUITE_TEST(topics_are_found_by_id),
        SUITE_TEST(topics_that_are_not_there_or_cannot_be_are_told_apart),
        SUITE_TEST(what_a_client_may_do_is_told_when_it_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
