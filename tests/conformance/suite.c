/* See the header. */
#include "conformance/suite.h"
#include "base/crc32c.h"
#include "base/time.h"
#include "kafka/testing.h"
#include "wire/compress.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/prim.h"
#include "wire/record.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000, MOST_CLIENTS = 64, MOST_TOPICS = 64, MOST_BATCHES = 256, MOST_BROKERS = 9 };

static struct {
    kafka_cluster *cluster; /* NULL = a real one */
    char address[MOST_BROKERS][64];
    int32_t brokers;
    client *clients[MOST_CLIENTS];
    int client_count;
    topic topics[MOST_TOPICS];
    int topic_count;
    void *batches[MOST_BATCHES];
    int batch_count, differences;
    client *own[MOST_BROKERS + 1]; /* to each broker, for what the suite asks itself */
    bool stopped[MOST_BROKERS + 1];
    int32_t frozen; /* 0 = none */
} world;

static const char *bootstrap(void)
{
    const char *text = getenv("KAFKA_TEST_BOOTSTRAP");
    return text && *text ? text : NULL;
}

static void take_addresses(const char *list)
{
    for (world.brokers = 0; *list && world.brokers < MOST_BROKERS;) {
        size_t len = strcspn(list, ",");
        snprintf(world.address[world.brokers++], sizeof world.address[0], "%.*s", (int)len, list);
        list += len + (list[len] == ',');
    }
    if (world.brokers < needs.brokers)
        fail_msg("this needs %d brokers: N=%d tests/kafka/kafka.sh with ...", (int)needs.brokers, (int)needs.brokers);
}

int suite_setup(void **state)
{
    memset(&world, 0, sizeof world);
    memcheck_setup(state);
    const char *real = bootstrap();
    if (!real &&
        kafka_cluster_new(&(kafka_cluster_config){.brokers = needs.brokers, .no_auto_create = !needs.auto_create},
                          &world.cluster) != 0)
        fail_msg("%s", kafka_last_error());
    take_addresses(real ? real : kafka_cluster_bootstrap(world.cluster));
    return 0;
}

static client *own_client(int32_t broker)
{
    if (!world.own[broker]) world.own[broker] = client_open(world.address[broker - 1]);
    return world.own[broker];
}

static void delete_topics(void)
{
    if (world.topic_count == 0 || world.cluster) return;
    kafka_bytes names[MOST_TOPICS];
    for (int i = 0; i < world.topic_count; i++) names[i] = kafka_str(world.topics[i].name);
    kfk_delete_topics_request r = DEFAULTS(delete_topics);
    r.topic_names = (kfk_string_array){names, world.topic_count};
    r.timeout_ms = PATIENCE_MS;
    ASK(own_client(1), delete_topics, 5, &r);
}

int suite_teardown(void **state)
{
    int differences = world.differences;
    if (world.frozen) suite_hold(NULL, world.frozen, false);
    for (int32_t i = 1; i <= world.brokers; i++) {
        if (world.stopped[i]) suite_start(i);
    }
    delete_topics();
    for (int i = 0; i < world.client_count; i++) client_close(world.clients[i]);
    for (int32_t i = 1; i <= world.brokers; i++) client_close(world.own[i]);
    for (int i = 0; i < world.batch_count; i++) free(world.batches[i]);
    kafka_cluster_free(world.cluster);
    kfk_compress_trim();
    memcheck_teardown(state);
    return differences == 0 ? 0 : -1;
}

void suite_expect(int64_t got, int64_t want, const char *what, const char *file, int line)
{
    if (got == want) return;
    fprintf(stderr, "%s:%d: %s is %lld, expected %lld\n", file, line, what, (long long)got, (long long)want);
    world.differences++;
}

int64_t suite_now_ms(void)
{
    return kfk_time_wall_ms();
}

void suite_wait(bool (*is_so)(void *arg), void *arg, const char *what)
{
    int64_t until = kfk_time_now_ms() + PATIENCE_MS;
    while (!is_so(arg)) {
        if (kfk_time_now_ms() > until) fail_msg("in %d s: not %s", PATIENCE_MS / 1000, what);
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
}

/* ---- brokers ----------------------------------------------------------------------------------------------------- */

client *suite_client(int32_t broker)
{
    assert_in_range(broker, 1, world.brokers);
    assert_true(world.client_count < MOST_CLIENTS);
    return world.clients[world.client_count++] = client_open(world.address[broker - 1]);
}

static void harness(const char *command, int32_t broker)
{
    char line[512];
    const char *script = getenv("KAFKA_TEST_SH");
    if (!script) fail_msg("KAFKA_TEST_SH is not set: run it under tests/kafka/kafka.sh with");
    snprintf(line, sizeof line, "bash '%s' %s %d >&2", script, command, (int)broker);
    if (system(line) != 0) fail_msg("%s failed", line);
}

void suite_stop(int32_t broker)
{
    client_close(world.own[broker]);
    world.own[broker] = NULL;
    if (!world.cluster)
        harness("stop", broker);
    else if (kafka_cluster_stop_broker(world.cluster, broker) != 0)
        fail_msg("%s", kafka_last_error());
    world.stopped[broker] = true;
}

void suite_start(int32_t broker)
{
    if (!world.cluster)
        harness("restart", broker);
    else if (kafka_cluster_start_broker(world.cluster, broker) != 0)
        fail_msg("%s", kafka_last_error());
    world.stopped[broker] = false;
}

void suite_hold(const char *name, int32_t follower, bool hold)
{
    if (!world.cluster)
        harness(hold ? "freeze" : "thaw", follower);
    else if (kafka_cluster_hold_replication(world.cluster, name, 0, hold) != 0)
        fail_msg("%s", kafka_last_error());
    world.frozen = hold && !world.cluster ? follower : 0;
}

/* ElectLeaders, which the library has no messages for: version 0, which means the preferred leader. */
static void elect_preferred(client *c, const char *name)
{
    enum { FIXED = 4 + 10 + 4 + 2, BEHIND = 4 + 4 + 4, MOST_NAME = 80 };
    uint8_t bytes[FIXED + MOST_NAME + BEHIND] = {0};
    size_t len = strlen(name);
    assert_true(len <= MOST_NAME);
    kfk_prim_put_be32(bytes, (uint32_t)(FIXED - 4 + len + BEHIND));
    kfk_prim_put_be16(bytes + 4, 43);          /* version 0, correlation 0 */
    kfk_prim_put_be16(bytes + 12, UINT16_MAX); /* no client id */
    kfk_prim_put_be32(bytes + 14, 1);          /* topic */
    kfk_prim_put_be16(bytes + 18, (uint16_t)len);
    memcpy(bytes + FIXED, name, len);
    kfk_prim_put_be32(bytes + FIXED + len, 1); /* partition, which is 0 */
    kfk_prim_put_be32(bytes + FIXED + len + 8, 10000);
    assert_true(client_send_bytes(c, bytes, FIXED + len + BEHIND));
}

void suite_prefer(const char *name, int32_t broker)
{
    if (!world.cluster) /* it may be frozen itself; the answer is not looked at */
        elect_preferred(suite_client(broker == 1 ? 2 : 1), name);
    else if (kafka_cluster_move_leader(world.cluster, name, 0, broker) != 0)
        fail_msg("%s", kafka_last_error());
}

/* ---- topics ------------------------------------------------------------------------------------------------------ */

void topic_name(topic *t, const char *stem)
{
    static int number;
    *t = (topic){{0}, {{0}}};
    snprintf(t->name, sizeof t->name, "%s-%ld-%d", stem, (long)getpid(), ++number);
}

void topic_delete_later(const topic *t)
{
    assert_true(world.topic_count < MOST_TOPICS);
    world.topics[world.topic_count++] = *t;
}

static const kfk_metadata_response_topic *look_up(client *c, const topic *t)
{
    kfk_metadata_request r = DEFAULTS(metadata);
    kfk_metadata_request_topic one = {.name = kafka_str(t->name)};
    r.topics = (kfk_metadata_request_topic_array){&one, 1};
    r.allow_auto_topic_creation = false;
    const kfk_metadata_response *a = ASK(c, metadata, 12, &r);
    assert_int_equal(a->topics.count, 1);
    return &a->topics.items[0];
}

typedef struct look {
    topic *t;
    client *c;
    int32_t broker;
} look;

/* A leader takes over a moment after it is known to be one. */
static bool is_served(const look *l, int32_t partition)
{
    kfk_list_offsets_request_partition p = {
        .partition_index = partition, .current_leader_epoch = -1, .timestamp = -1, .max_num_offsets = 1};
    kfk_list_offsets_request_topic one = {.name = kafka_str(l->t->name), .partitions = {&p, 1}};
    kfk_list_offsets_request r = DEFAULTS(list_offsets);
    r.replica_id = -1;
    r.topics = (kfk_list_offsets_request_topic_array){&one, 1};
    if (topic_leader(l->t, partition, l->broker, NULL) != l->broker) return true; /* asked of its leader */
    return ASK(l->c, list_offsets, 4, &r)->topics.items[0].partitions.items[0].error_code == 0;
}

static bool is_known(void *arg)
{
    const look *l = arg;
    const kfk_metadata_response_topic *found = look_up(l->c, l->t);
    if (found->error_code != 0) return false;
    int32_t count = found->partitions.count;
    for (int32_t i = 0; i < count; i++) {
        if (found->partitions.items[i].leader_id < 0) return false;
    }
    l->t->id = found->topic_id;
    for (int32_t i = 0; i < count; i++) {
        if (!is_served(l, i)) return false;
    }
    return true;
}

void topic_await(topic *t)
{
    for (int32_t i = 1; i <= world.brokers; i++) {
        if (world.stopped[i]) continue;
        suite_wait(is_known, &(look){t, own_client(i), i}, "known to all brokers");
    }
}

int32_t topic_leader(const topic *t, int32_t partition, int32_t asked, int32_t *epoch)
{
    const kfk_metadata_response_topic *found = look_up(own_client(asked), t);
    int32_t leader = -1;
    for (int32_t i = 0; i < found->partitions.count; i++) {
        if (found->partitions.items[i].partition_index != partition) continue;
        leader = found->partitions.items[i].leader_id;
        if (epoch) *epoch = found->partitions.items[i].leader_epoch;
    }
    return leader;
}

void topic_make(topic *t, const topic_spec *spec)
{
    kfk_create_topics_request_config configs[4];
    kfk_create_topics_request_topic one = {.num_partitions = spec->partitions ? spec->partitions : 1,
                                           .replication_factor = (int16_t)(spec->replication ? spec->replication : 1)};
    kfk_create_topics_request r = DEFAULTS(create_topics);
    topic_name(t, "t");
    one.name = kafka_str(t->name);
    one.configs.items = configs;
    for (int i = 0; spec->settings[i]; i += 2)
        configs[one.configs.count++] = (kfk_create_topics_request_config){.name = kafka_str(spec->settings[i]),
                                                                          .value = kafka_str(spec->settings[i + 1])};
    r.topics = (kfk_create_topics_request_topic_array){&one, 1};
    const kfk_create_topics_response *a = ASK(own_client(1), create_topics, 5, &r);
    if (a->topics.items[0].error_code != 0) fail_msg("%s: code %d", t->name, a->topics.items[0].error_code);
    topic_delete_later(t);
    topic_await(t);
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

uint8_t *batch_bytes_of(kafka_bytes b)
{
    return (uint8_t *)(uintptr_t)b.data;
}

void batch_reseal(kafka_bytes b)
{
    uint8_t *p = batch_bytes_of(b);
    kfk_prim_put_be32(p + 17, kfk_crc32c(0, p + KFK_RECORD_CRC_FROM, b.len - KFK_RECORD_CRC_FROM));
}

/* The records, uncompressed, behind the room for a header. */
static uint8_t *make_records(const batch_want *want, int count, kfk_record_writer *w)
{
    size_t value_size = want->value_size ? want->value_size : 8;
    size_t cap = KFK_RECORD_HEADER + (size_t)count * (value_size + 64);
    int64_t time = want->time_ms ? want->time_ms : suite_now_ms();
    uint8_t *bytes = malloc(cap), *value = malloc(value_size);
    if (!bytes || !value) fail_msg("no memory");
    kfk_record_writer_init(w, bytes + KFK_RECORD_HEADER, cap - KFK_RECORD_HEADER);
    for (int i = 0; i < count; i++) {
        bool has_key = want->keys && i >= want->without_key;
        memset(value, 'a' + i % 26, value_size);
        assert_int_equal(kfk_record_append(w, time + i * want->step_ms,
                                           has_key ? KAFKA_LIT("key") : (kafka_bytes){NULL, 0},
                                           (kafka_bytes){value, value_size}, NULL, 0),
                         0);
    }
    free(value);
    return bytes;
}

static size_t compress(int codec, uint8_t **bytes, size_t body)
{
    kfk_buf out;
    kfk_error err = {0};
    struct iovec all = {*bytes + KFK_RECORD_HEADER, body};
    kfk_buf_init(&out, SIZE_MAX);
    if (kfk_compress(codec, 0, &all, 1, &out, &err) != 0) fail_msg("%s", err.text);
    free(*bytes);
    *bytes = malloc(KFK_RECORD_HEADER + out.len);
    assert_non_null(*bytes);
    memcpy(*bytes + KFK_RECORD_HEADER, out.data, out.len);
    body = out.len;
    kfk_buf_fini(&out);
    return body;
}

kafka_bytes batch_make(const batch_want *want)
{
    kfk_record_writer w;
    kfk_batch_header h;
    uint8_t *bytes = make_records(want, want->count ? want->count : 1, &w);
    size_t body = w.bytes;
    kfk_record_writer_header(&w, &h);
    if (want->codec) body = compress(want->codec, &bytes, body);
    h.attributes = (uint16_t)(want->attributes | want->codec);
    if (want->producer_id) {
        h.producer_id = want->producer_id;
        h.producer_epoch = want->epoch;
        h.base_sequence = want->sequence;
    }
    kfk_record_header_build(bytes, &h, body, kfk_crc32c(0, bytes + KFK_RECORD_HEADER, body));
    assert_true(world.batch_count < MOST_BATCHES);
    world.batches[world.batch_count++] = bytes;
    return (kafka_bytes){bytes, KFK_RECORD_HEADER + body};
}
