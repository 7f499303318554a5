/* hello_test.c: who is there and what do they speak: ApiVersions, every API in every version, DescribeCluster,
 * FindCoordinator, InitProducerId, and what a broker hangs up for. */
#include "conformance/steps.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/create_partitions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_records.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/describe_cluster.h"
#include "wire/gen/describe_configs.h"
#include "wire/gen/find_coordinator.h"
#include "wire/gen/incremental_alter_configs.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/metadata.h"
#include "wire/gen/offset_for_leader_epoch.h"
#include <stdio.h>
#include <string.h>

const suite_needs needs = {.brokers = 1};

/* What the in-memory cluster serves, and up to which version Kafka 4.3.1 does. */
static const struct served {
    int16_t key, oldest, newest; /* oldest: of Kafka 4.3.1; the in-memory cluster may serve older ones */
} served[] = {
    {KFK_API_PRODUCE, 0, 13},
    {KFK_API_FETCH, 4, 18},
    {KFK_API_LIST_OFFSETS, 1, 11},
    {KFK_API_METADATA, 0, 13},
    {KFK_API_FIND_COORDINATOR, 0, 6},
    {KFK_API_API_VERSIONS, 0, 4},
    {KFK_API_CREATE_TOPICS, 2, 7},
    {KFK_API_DELETE_TOPICS, 1, 6},
    {KFK_API_DELETE_RECORDS, 0, 2},
    {KFK_API_INIT_PRODUCER_ID, 0, 5},
    {KFK_API_OFFSET_FOR_LEADER_EPOCH, 2, 4},
    {KFK_API_DESCRIBE_CONFIGS, 1, 4},
    {KFK_API_CREATE_PARTITIONS, 0, 3},
    {KFK_API_INCREMENTAL_ALTER_CONFIGS, 0, 1},
    {KFK_API_DESCRIBE_CLUSTER, 0, 2},
};
enum { SERVED = sizeof served / sizeof served[0] };

static const kfk_api_versions_response_api *offered(const kfk_api_versions_response *a, int16_t key)
{
    for (int32_t i = 0; i < a->api_keys.count; i++) {
        if (a->api_keys.items[i].api_key == key) return &a->api_keys.items[i];
    }
    return NULL;
}

static const kfk_api_versions_response *hello(client *c, int16_t version)
{
    kfk_api_versions_request r = DEFAULTS(api_versions);
    r.client_software_name = KAFKA_LIT("conformance");
    r.client_software_version = KAFKA_LIT("1.0");
    return ASK(c, api_versions, version, &r);
}

static void every_version_of_hello_offers_the_same(void **state)
{
    (void)state;
    client *c = suite_client(1);
    for (int16_t version = 0; version <= 4; version++) {
        const kfk_api_versions_response *a = hello(c, version);
        EXPECT(a->error_code, 0);
        for (size_t i = 0; i < SERVED; i++) {
            const kfk_api_versions_response_api *api = offered(a, served[i].key);
            if (!api) fail_msg("API %d is not offered", served[i].key);
            suite_expect(api->max_version, served[i].newest, kfk_api_find(served[i].key)->name, __FILE__, __LINE__);
            suite_expect(api->min_version <= served[i].oldest, true, kfk_api_find(served[i].key)->name, __FILE__,
                         __LINE__);
        }
    }
}

/* A hello in a version of the future, as bytes; the answer is decoded as one of version 0. */
static void a_version_of_the_future_is_answered_in_version_0(void **state)
{
    (void)state;
    client *c = suite_client(1);
    kfk_api_versions_request r = DEFAULTS(api_versions);
    client_send(c, &kfk_api_versions_request_schema, 5, &r);
    const kfk_api_versions_response *a = client_receive(c, &kfk_api_versions_request_schema, 0);
    EXPECT(a->error_code, KAFKA_ERR_UNSUPPORTED_VERSION);
    EXPECT(a->api_keys.count, 1);
    EXPECT_TRUE(offered(a, KFK_API_API_VERSIONS) != NULL && offered(a, KFK_API_API_VERSIONS)->max_version == 4);
    EXPECT(hello(c, 4)->error_code, 0); /* and the connection is as good as before */
}

static void a_client_without_a_proper_name_is_refused(void **state)
{
    (void)state;
    client *c = suite_client(1);
    kfk_api_versions_request r = DEFAULTS(api_versions);
    EXPECT(ASK(c, api_versions, 3, &r)->error_code, KAFKA_ERR_INVALID_REQUEST);
    r.client_software_name = KAFKA_LIT("-kc");
    r.client_software_version = KAFKA_LIT("1.0");
    EXPECT(ASK(c, api_versions, 3, &r)->error_code, KAFKA_ERR_INVALID_REQUEST);
    r.client_software_name = KAFKA_LIT("kc");
    r.client_software_version = KAFKA_LIT("1 0");
    EXPECT(ASK(c, api_versions, 4, &r)->error_code, KAFKA_ERR_INVALID_REQUEST);
    EXPECT(hello(c, 3)->error_code, 0);
}

/* ---- every API in every version ---------------------------------------------------------------------------------- */

/* Every int16 called error_code of an answer has to be 0. Recursion goes as deep as the schema. */
static void no_errors(const kfk_schema *s, int16_t version, const uint8_t *message, const char *what)
{
    for (uint16_t i = 0; i < s->field_count; i++) {
        const kfk_field *f = &s->fields[i];
        if (!kfk_versions_have(f->versions, version)) continue;
        if (f->type == KFK_TYPE_INT16 && strcmp(f->name, "error_code") == 0) {
            int16_t code;
            memcpy(&code, message + f->offset, sizeof code);
            suite_expect(code, 0, what, __FILE__, __LINE__);
        } else if (f->type == KFK_TYPE_STRUCT && (f->flags & KFK_FIELD_ARRAY)) {
            kfk_array a;
            memcpy(&a, message + f->offset, sizeof a);
            for (int32_t k = 0; k < a.count; k++)
                no_errors(f->element, version, (const uint8_t *)a.items + (size_t)k * f->element->size, what);
        }
    }
}

/* Asks in every version that is offered and that the library knows. The step before a version prepares its request. */
static void ask_all(client *c, const kfk_schema *request, void *message, void (*prepare)(void *arg, int16_t version),
                    void *arg)
{
    const kfk_api *api = kfk_api_row(0);
    for (size_t i = 0; api->request != request; i++) api = kfk_api_row(i);
    const kfk_api_versions_response_api *o = offered(hello(c, 4), api->key);
    assert_non_null(o);
    int16_t from = o->min_version, to = o->max_version < api->max_version ? o->max_version : api->max_version;
    if (api->key == KFK_API_PRODUCE && from < 3) from = 3; /* offered for old clients' sake, and refused */
    for (int16_t version = from; version <= to; version++) {
        char what[64];
        if (prepare) prepare(arg, version);
        const void *answer = client_ask(c, request, version, message);
        snprintf(what, sizeof what, "the code of %s v%d", api->name, version);
        no_errors(api->response, version, answer, what);
    }
}

typedef struct all_requests {
    client *c;
    topic t, made;
    kafka_bytes records, name, key;
    kfk_produce_request produce;
    kfk_list_offsets_request list;
    kfk_list_offsets_request_partition list_partition;
    kfk_create_partitions_request_topic grow;
    kfk_create_topics_request_topic create;
    kfk_delete_topics_request_topic delete_one;
    kfk_delete_topics_request remove;
    kfk_metadata_request_topic look;
} all_requests;

static void make_topic_to_delete(void *arg, int16_t version)
{
    all_requests *q = arg;
    TOPIC(&q->made, .partitions = 1);
    q->name = kafka_str(q->made.name);
    q->delete_one = (kfk_delete_topics_request_topic){.name = q->name};
    q->remove.topics = (kfk_delete_topics_request_topic_array){&q->delete_one, version >= 6};
    q->remove.topic_names = (kfk_string_array){&q->name, version < 6};
}

static void name_topic_to_make(void *arg, int16_t version)
{
    all_requests *q = arg;
    (void)version;
    topic_name(&q->made, "made");
    topic_delete_later(&q->made);
    q->create.name = kafka_str(q->made.name);
}

static void one_more_partition(void *arg, int16_t version)
{
    all_requests *q = arg;
    (void)version;
    q->grow.count++;
}

static void reading_and_writing_work_in_every_version(void **state)
{
    (void)state;
    topic t;
    TOPIC(&t, .partitions = 1);
    client *c = suite_client(1);
    kfk_produce_request_partition pp = {.records = {.bytes = BATCH_OF(.count = 2)}};
    kfk_produce_request_topic pt = {kafka_str(t.name), t.id, {&pp, 1}};
    kfk_produce_request produce_all = DEFAULTS(produce);
    produce_all.acks = -1;
    produce_all.timeout_ms = 10000;
    produce_all.topic_data = (kfk_produce_request_topic_array){&pt, 1};
    ask_all(c, &kfk_produce_request_schema, &produce_all, NULL, NULL);

    fetch_parts parts;
    kfk_fetch_request fetch_all = *fetch_request(&parts, &t, 0, &(fetch_want){.offset = 0});
    ask_all(c, &kfk_fetch_request_schema, &fetch_all, NULL, NULL);

    kfk_list_offsets_request_partition lp = {.current_leader_epoch = -1, .timestamp = -1, .max_num_offsets = 1};
    kfk_list_offsets_request_topic lt = {kafka_str(t.name), {&lp, 1}};
    kfk_list_offsets_request list = DEFAULTS(list_offsets);
    list.replica_id = -1;
    list.topics = (kfk_list_offsets_request_topic_array){&lt, 1};
    ask_all(c, &kfk_list_offsets_request_schema, &list, NULL, NULL);
    lp.timestamp = 0;
    ask_all(c, &kfk_list_offsets_request_schema, &list, NULL, NULL);

    kfk_offset_for_leader_epoch_request_partition ep = {.current_leader_epoch = -1};
    kfk_offset_for_leader_epoch_request_topic et = {kafka_str(t.name), {&ep, 1}};
    kfk_offset_for_leader_epoch_request epoch = DEFAULTS(offset_for_leader_epoch);
    epoch.replica_id = -1;
    epoch.topics = (kfk_offset_for_leader_epoch_request_topic_array){&et, 1};
    ask_all(c, &kfk_offset_for_leader_epoch_request_schema, &epoch, NULL, NULL);

    kfk_delete_records_request_partition dp = {.offset = 1};
    kfk_delete_records_request_topic dt = {kafka_str(t.name), {&dp, 1}};
    kfk_delete_records_request remove = DEFAULTS(delete_records);
    remove.timeout_ms = 10000;
    remove.topics = (kfk_delete_records_request_topic_array){&dt, 1};
    ask_all(c, &kfk_delete_records_request_schema, &remove, NULL, NULL);
    new_producer(c);
    kfk_init_producer_id_request init = DEFAULTS(init_producer_id);
    init.transactional_id = (kafka_bytes){NULL, 0};
    init.transaction_timeout_ms = 1000;
    ask_all(c, &kfk_init_producer_id_request_schema, &init, NULL, NULL);
}

static void administration_works_in_every_version(void **state)
{
    (void)state;
    client *c = suite_client(1);
    all_requests q = {.c = c};
    TOPIC(&q.t, .settings = {"max.message.bytes", "5000"});
    q.create = (kfk_create_topics_request_topic){.num_partitions = 1, .replication_factor = 1};
    kfk_create_topics_request_config config = {KAFKA_LIT("retention.ms"), KAFKA_LIT("1000")};
    q.create.configs = (kfk_create_topics_request_config_array){&config, 1};
    kfk_create_topics_request create = DEFAULTS(create_topics);
    create.topics = (kfk_create_topics_request_topic_array){&q.create, 1};
    ask_all(c, &kfk_create_topics_request_schema, &create, name_topic_to_make, &q);

    q.remove = DEFAULTS(delete_topics);
    q.remove.timeout_ms = 10000;
    ask_all(c, &kfk_delete_topics_request_schema, &q.remove, make_topic_to_delete, &q);

    q.grow = (kfk_create_partitions_request_topic){.name = kafka_str(q.t.name), .count = 1, .assignments.count = -1};
    kfk_create_partitions_request grow = DEFAULTS(create_partitions);
    grow.timeout_ms = 10000;
    grow.topics = (kfk_create_partitions_request_topic_array){&q.grow, 1};
    ask_all(c, &kfk_create_partitions_request_schema, &grow, one_more_partition, &q);

    kfk_incremental_alter_configs_request_config change = {KAFKA_LIT("retention.ms"), 0, KAFKA_LIT("1000")};
    kfk_incremental_alter_configs_request_resource at = {2, kafka_str(q.t.name), {&change, 1}};
    kfk_incremental_alter_configs_request alter = DEFAULTS(incremental_alter_configs);
    alter.resources = (kfk_incremental_alter_configs_request_resource_array){&at, 1};
    ask_all(c, &kfk_incremental_alter_configs_request_schema, &alter, NULL, NULL);
}

static void looking_around_works_in_every_version(void **state)
{
    (void)state;
    topic t;
    client *c = suite_client(1);
    TOPIC(&t, .settings = {"max.message.bytes", "5000"});
    kfk_api_versions_request who = DEFAULTS(api_versions);
    who.client_software_name = who.client_software_version = KAFKA_LIT("1");
    ask_all(c, &kfk_api_versions_request_schema, &who, NULL, NULL);

    kfk_metadata_request_topic one = {.name = kafka_str(t.name)};
    kfk_metadata_request look = DEFAULTS(metadata);
    look.topics = (kfk_metadata_request_topic_array){&one, 1};
    ask_all(c, &kfk_metadata_request_schema, &look, NULL, NULL);

    kfk_describe_configs_request_resource resources[2] = {{2, kafka_str(t.name), {NULL, -1}},
                                                          {4, KAFKA_LIT("1"), {NULL, -1}}};
    kfk_describe_configs_request describe = DEFAULTS(describe_configs);
    describe.resources = (kfk_describe_configs_request_resource_array){resources, 2};
    ask_all(c, &kfk_describe_configs_request_schema, &describe, NULL, NULL);

    kfk_describe_cluster_request cluster = DEFAULTS(describe_cluster);
    cluster.include_cluster_authorized_operations = true;
    ask_all(c, &kfk_describe_cluster_request_schema, &cluster, NULL, NULL);
}

/* ---- the cluster ------------------------------------------------------------------------------------------------- */

static void the_cluster_is_described(void **state)
{
    (void)state;
    client *c = suite_client(1);
    kfk_describe_cluster_request r = DEFAULTS(describe_cluster);
    const kfk_describe_cluster_response *a = ASK(c, describe_cluster, 2, &r);
    EXPECT(a->error_code, 0);
    EXPECT(a->endpoint_type, 1);
    EXPECT(a->controller_id, 1);
    EXPECT(a->cluster_id.len, 22);
    EXPECT(a->brokers.count, 1);
    EXPECT(a->brokers.items[0].broker_id, 1);
    EXPECT(a->brokers.items[0].is_fenced, false);
    EXPECT(a->cluster_authorized_operations, INT32_MIN);
    r.include_cluster_authorized_operations = true;
    EXPECT(ASK(c, describe_cluster, 2, &r)->cluster_authorized_operations, 0x1fa0);
    r.endpoint_type = 2;
    a = ASK(c, describe_cluster, 2, &r);
    EXPECT(a->error_code, KAFKA_ERR_MISMATCHED_ENDPOINT_TYPE);
    EXPECT(a->brokers.count, 0);
    r.endpoint_type = 3;
    EXPECT(ASK(c, describe_cluster, 2, &r)->error_code, KAFKA_ERR_UNSUPPORTED_ENDPOINT_TYPE);
}

typedef struct looked_for {
    client *c;
    int8_t type;
    const char *key;
    int32_t node;
    int16_t code;
} looked_for;

static bool is_found(void *arg)
{
    looked_for *f = arg;
    kafka_bytes key = kafka_str(f->key);
    kfk_find_coordinator_request r = DEFAULTS(find_coordinator);
    r.key_type = f->type;
    r.coordinator_keys = (kfk_string_array){&key, 1};
    const kfk_find_coordinator_response *a = ASK(f->c, find_coordinator, 4, &r);
    if (a->coordinators.count == 0) fail_msg("no answer for the key");
    f->code = a->coordinators.items[0].error_code;
    f->node = a->coordinators.items[0].node_id;
    return f->code != KAFKA_ERR_COORDINATOR_NOT_AVAILABLE; /* its topic is being made */
}

static looked_for find(client *c, int8_t type, const char *key)
{
    looked_for f = {c, type, key, -1, 0};
    suite_wait(is_found, &f, "a coordinator");
    return f;
}

static void groups_and_transactions_have_a_coordinator(void **state)
{
    (void)state;
    client *c = suite_client(1);
    looked_for f = find(c, 0, "some-group");
    EXPECT(f.code, 0);
    EXPECT(f.node, 1);
    f = find(c, 1, "some-transaction");
    EXPECT(f.code, 0);
    EXPECT(f.node, 1);
    f = find(c, 0, "");
    EXPECT(f.code, 0);
    f = find(c, 5, "x");
    EXPECT(f.code, KAFKA_ERR_INVALID_REQUEST);
    EXPECT(f.node, -1);
}

static void one_key_at_a_time_before_version_4(void **state)
{
    (void)state;
    client *c = suite_client(1);
    find(c, 0, "some-group"); /* it is there now */
    kfk_find_coordinator_request r = DEFAULTS(find_coordinator);
    r.key = KAFKA_LIT("some-group");
    for (int16_t version = 0; version <= 3; version++) {
        const kfk_find_coordinator_response *a = ASK(c, find_coordinator, version, &r);
        EXPECT(a->error_code, 0);
        EXPECT(a->node_id, 1);
        EXPECT_TRUE(a->port > 0);
    }
}

static void producer_ids_that_are_brought_along_are_not_looked_at(void **state)
{
    (void)state;
    client *c = suite_client(1);
    int64_t id = new_producer(c);
    kfk_init_producer_id_request r = DEFAULTS(init_producer_id);
    r.transactional_id = (kafka_bytes){NULL, 0};
    r.transaction_timeout_ms = 1000;
    r.producer_id = id;
    r.producer_epoch = 3;
    const kfk_init_producer_id_response *a = ASK(c, init_producer_id, 4, &r);
    EXPECT(a->error_code, 0);
    EXPECT_TRUE(a->producer_id != id);
    EXPECT(a->producer_epoch, 0);
    r.producer_id = -1; /* an epoch without an id */
    EXPECT(ASK(c, init_producer_id, 4, &r)->error_code, KAFKA_ERR_INVALID_REQUEST);
    r.producer_id = id;
    r.producer_epoch = -1;
    EXPECT(ASK(c, init_producer_id, 4, &r)->error_code, KAFKA_ERR_INVALID_REQUEST);
    r.producer_id = -1;
    r.transactional_id = KAFKA_LIT("");
    EXPECT(ASK(c, init_producer_id, 4, &r)->error_code, KAFKA_ERR_INVALID_REQUEST);
}

/* ---- what is no request ------------------------------------------------------------------------------------------ */

static void a_broker_hangs_up_on_what_it_does_not_understand(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } wrong[] = {
        {"\0\0\0\x0a\x00\x03\x00\x63\0\0\0\1\0\0", 14},                     /* Metadata version 99 */
        {"\0\0\0\x0a\x03\xe7\x00\x00\0\0\0\1\0\0", 14},                     /* API 999 */
        {"\0\0\0\x0a\x00\x03\x00\x01\0\0\0\1\0\x50", 14},                   /* a client id longer than the frame */
        {"\0\0\0\x0e\x00\x03\x00\x01\0\0\0\1\xff\xff\x7f\xff\xff\xff", 18}, /* 2^31 - 1 topics */
        {"\xff\xff\xff\xff", 4},                                            /* a negative length */
        {"\x7f\xff\xff\xff", 4},                                            /* one over the limit */
        {"GET / HTTP/1.1\r\n\r\n", 18},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        client *c = suite_client(1);
        EXPECT_TRUE(client_send_bytes(c, wrong[i].bytes, wrong[i].len));
        EXPECT_TRUE(client_is_hung_up_on(c));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(every_version_of_hello_offers_the_same),
        SUITE_TEST(a_version_of_the_future_is_answered_in_version_0),
        SUITE_TEST(a_client_without_a_proper_name_is_refused),
        SUITE_TEST(reading_and_writing_work_in_every_version),
        SUITE_TEST(administration_works_in_every_version),
        SUITE_TEST(looking_around_works_in_every_version),
        SUITE_TEST(the_cluster_is_described),
        SUITE_TEST(groups_and_transactions_have_a_coordinator),
        SUITE_TEST(one_key_at_a_time_before_version_4),
        SUITE_TEST(producer_ids_that_are_brought_along_are_not_looked_at),
        SUITE_TEST(a_broker_hangs_up_on_what_it_does_not_understand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
