/* Seeds of the target `cluster`: every request that a golden file has, alone, and conversations that write to and read
 * from the topic "t", change it, and keep a session of fetches. */
#include "seeds_cluster.h"
#include "support/batches.h"
#include "wire/frame.h"
#include "wire/gen/create_partitions.h"
#include "wire/gen/delete_records.h"
#include "wire/gen/describe_configs.h"
#include "wire/gen/fetch.h"
#include "wire/gen/incremental_alter_configs.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/prim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD = 3 /* options, failing allocation */,
    STEP = 5,
    MOST_INPUT = 4096,
    FRAME_FROM = 8 /* behind the version */
};

/* An input that grows by steps. */
typedef struct talk {
    uint8_t bytes[MOST_INPUT];
    size_t len;
} talk;

static void add_step(talk *t, uint8_t control, uint8_t row, uint8_t version, const uint8_t *bytes, size_t len)
{
    uint8_t *p = t->bytes + t->len;
    if (t->len + STEP + len > sizeof t->bytes) exit(2);
    p[0] = control;
    p[1] = row;
    p[2] = version;
    kfk_prim_put_be16(p + 3, (uint16_t)len);
    if (len > 0) memcpy(p + STEP, bytes, len);
    t->len += STEP + len;
}

static void add_request(corpus *c, const corpus_entry *e)
{
    talk t = {.len = HEAD};
    if (e->len < 4 || e->data[2] != 0 || e->data[0] >= KFK_API_COUNT || e->len + HEAD + STEP > sizeof t.bytes) return;
    add_step(&t, 0, e->data[0], e->data[1], e->data + 3, e->len - 3);
    corpus_add(c, e->name, t.bytes, t.len);
}

/* A step with a request in this version, by client 0. */
static void say(talk *t, int16_t key, int16_t version, const void *msg)
{
    static int32_t id;
    const kfk_api *api = kfk_api_find(key);
    kfk_gather out;
    uint8_t row = 0, bytes[MOST_INPUT];
    while (kfk_api_row(row) != api) row++;
    kfk_gather_init(&out, sizeof bytes);
    if (kfk_frame_encode_request(api, version, ++id, KAFKA_LIT("kc"), msg, &out, NULL) != 0) exit(2);
    size_t len = kfk_gather_len(&out);
    if (len > sizeof bytes) exit(2);
    kfk_gather_copy(&out, bytes);
    kfk_gather_fini(&out);
    add_step(t, 0, row, (uint8_t)(version - api->min_version), bytes + FRAME_FROM, len - FRAME_FROM);
}

static void say_produce(talk *t, int16_t acks, int count, int64_t producer)
{
    batch_bytes b = {0};
    BATCH(&b, .count = count, .producer_id = producer);
    if (producer) { /* epoch 0, sequence 0 */
        memset(b.data + 53, 0, 4);
        batch_seal(&b, 0);
    }
    kfk_produce_request_partition p = {.records = {.bytes = {b.data, b.len}}};
    kfk_produce_request_topic one = {.name = KAFKA_LIT("t"), .partition_data = {&p, 1}};
    kfk_produce_request r = *(const kfk_produce_request *)kfk_produce_request_schema.defaults;
    r.acks = acks;
    r.timeout_ms = 1000;
    r.topic_data = (kfk_produce_request_topic_array){&one, 1};
    say(t, KFK_API_PRODUCE, 9, &r);
    batch_free(&b);
}

static void say_fetch(talk *t, int64_t offset, int32_t session, int32_t epoch, int32_t max_wait_ms)
{
    kfk_fetch_request_partition p = {.current_leader_epoch = -1,
                                     .fetch_offset = offset,
                                     .last_fetched_epoch = -1,
                                     .log_start_offset = -1,
                                     .partition_max_bytes = 65536,
                                     .high_watermark = INT64_MAX};
    kfk_fetch_request_topic one = {.topic = KAFKA_LIT("t"), .partitions = {&p, 1}};
    kfk_fetch_request r = *(const kfk_fetch_request *)kfk_fetch_request_schema.defaults;
    r.max_wait_ms = max_wait_ms;
    r.min_bytes = 1;
    r.session_id = session;
    r.session_epoch = epoch;
    r.topics = (kfk_fetch_request_topic_array){&one, 1};
    say(t, KFK_API_FETCH, 12, &r);
}

static void say_list(talk *t, int64_t timestamp)
{
    kfk_list_offsets_request_partition p = {.current_leader_epoch = -1, .timestamp = timestamp, .max_num_offsets = 1};
    kfk_list_offsets_request_topic one = {KAFKA_LIT("t"), {&p, 1}};
    kfk_list_offsets_request r = *(const kfk_list_offsets_request *)kfk_list_offsets_request_schema.defaults;
    r.replica_id = -1;
    r.topics = (kfk_list_offsets_request_topic_array){&one, 1};
    say(t, KFK_API_LIST_OFFSETS, 7, &r);
}

static void say_delete_records(talk *t, int64_t offset)
{
    kfk_delete_records_request_partition p = {.offset = offset};
    kfk_delete_records_request_topic one = {KAFKA_LIT("t"), {&p, 1}};
    kfk_delete_records_request r = {.topics = {&one, 1}, .timeout_ms = 1000};
    say(t, KFK_API_DELETE_RECORDS, 2, &r);
}

static void say_settings(talk *t, const char *name, int8_t operation, const char *value)
{
    kfk_incremental_alter_configs_request_config change = {kafka_str(name), operation, kafka_str(value)};
    kfk_incremental_alter_configs_request_resource of = {2, KAFKA_LIT("t"), {&change, 1}};
    kfk_incremental_alter_configs_request r = {.resources = {&of, 1}};
    kfk_describe_configs_request_resource what = {2, KAFKA_LIT("t"), {NULL, -1}};
    kfk_describe_configs_request d = {.resources = {&what, 1}, .include_synonyms = true};
    say(t, KFK_API_INCREMENTAL_ALTER_CONFIGS, 1, &r);
    say(t, KFK_API_DESCRIBE_CONFIGS, 4, &d);
}

static void say_metadata(talk *t, const char *topic)
{
    kfk_metadata_request_topic one = {.name = kafka_str(topic)};
    kfk_metadata_request r = *(const kfk_metadata_request *)kfk_metadata_request_schema.defaults;
    r.topics = (kfk_metadata_request_topic_array){&one, topic ? 1 : -1};
    say(t, KFK_API_METADATA, 12, &r);
}

static void finish(corpus *c, const char *name, talk *t)
{
    static const uint8_t options[] = {0, 3};
    for (size_t i = 0; i < sizeof options; i++) {
        char full[48];
        snprintf(full, sizeof full, "%s%s", name, options[i] ? "-in-small-pieces" : "");
        t->bytes[0] = options[i];
        corpus_add(c, full, t->bytes, t->len);
    }
    for (uint8_t fail_at = 1; fail_at < 40; fail_at = (uint8_t)(fail_at + 7)) {
        char full[48];
        snprintf(full, sizeof full, "%s-no-memory-%d", name, fail_at);
        t->bytes[0] = 0;
        t->bytes[2] = fail_at;
        corpus_add(c, full, t->bytes, t->len);
    }
}

void seeds_cluster(corpus *c, const corpus *requests)
{
    for (size_t i = 0; i < requests->count; i++) add_request(c, &requests->entries[i]);
    talk t = {.len = HEAD};
    say_produce(&t, -1, 3, 0);
    say_produce(&t, 0, 1, 0);
    say_fetch(&t, 0, 0, -1, 0);
    for (int64_t time = -3; time <= 0; time++) say_list(&t, time);
    say_delete_records(&t, 2);
    say_fetch(&t, 1, 0, -1, 0);
    finish(c, "write-read-delete", &t);
    t = (talk){.len = HEAD};
    for (int i = 0; i < 2; i++) say_produce(&t, 1, 2, 1000);
    say_settings(&t, "cleanup.policy", 2, "compact");
    say_produce(&t, 1, 2, 0);
    say_settings(&t, "message.timestamp.type", 0, "LogAppendTime");
    finish(c, "duplicate-settings", &t);
    t = (talk){.len = HEAD};
    say_fetch(&t, 0, 0, 0, 10000); /* waits, */
    t.bytes[HEAD] = 1;             /* as client 1, */
    say_produce(&t, 1, 2, 0);      /* until this comes */
    say_fetch(&t, 9, 1, 1, 0);
    say_metadata(&t, "new.topic");
    say_metadata(&t, NULL);
    add_step(&t, 16 | 1, 0, 0, NULL, 0);
    add_step(&t, 12, 0, 0, NULL, 0); /* hangs up */
    finish(c, "wait-make-hang-up", &t);
}
