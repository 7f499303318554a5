/* hostile_client_test.c: clients that send what nobody should, or do not read what they asked for (RELIABILITY: the
 * library's hostile peers, seen from the other side). Nothing crashes the cluster, its memory stays within bounds, and
 * others go on being served: each test has a witness who asks before and after. */
#include "base/time.h"
#include "conformance/client.h"
#include "kafka/testing.h"
#include "support/batches.h"
#include "wire/compress.h"
#include "wire/frame.h"
#include "wire/gen/fetch.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/prim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { KIB = 1024, MIB = 1024 * 1024, LIMIT = 32 * MIB /* of messages, where a test sets it */, PATIENCE_MS = 30000 };

static kafka_cluster *cluster;

static client *join(void)
{
    return client_open(kafka_cluster_bootstrap(cluster));
}

/* Asks for all topics: the cluster serves who behaves. */
static void is_served(client *c)
{
    kfk_metadata_request r = DEFAULTS(metadata);
    r.topics.count = -1;
    assert_int_equal(ASK(c, metadata, 12, &r)->brokers.count, 1);
}

static void begin(void)
{
    if (kafka_cluster_new(NULL, &cluster) != 0) fail_msg("%s", kafka_last_error());
    assert_int_equal(kafka_cluster_create_topic(cluster, "t", 1), 0);
    client *c = join();
    is_served(c);
    client_close(c);
}

static void end(void)
{
    kafka_cluster_free(cluster);
    kfk_compress_trim();
}

/* A request for the topic "t", partition 0. */
static const kfk_produce_request *produce_request(kafka_bytes records, int16_t acks)
{
    static kfk_produce_request_partition p;
    static kfk_produce_request_topic t;
    static kfk_produce_request r;
    p = (kfk_produce_request_partition){.records = {.bytes = records}};
    t = (kfk_produce_request_topic){.name = KAFKA_LIT("t"), .partition_data = {&p, 1}};
    r = DEFAULTS(produce);
    r.acks = acks;
    r.timeout_ms = PATIENCE_MS;
    r.topic_data = (kfk_produce_request_topic_array){&t, 1};
    return &r;
}

static const kfk_fetch_request *fetch_request(int64_t offset, int32_t max_wait_ms)
{
    static kfk_fetch_request_partition p;
    static kfk_fetch_request_topic t;
    static kfk_fetch_request r;
    p = (kfk_fetch_request_partition){.current_leader_epoch = -1,
                                      .fetch_offset = offset,
                                      .last_fetched_epoch = -1,
                                      .log_start_offset = -1,
                                      .partition_max_bytes = 64 * MIB,
                                      .high_watermark = INT64_MAX};
    t = (kfk_fetch_request_topic){.topic = KAFKA_LIT("t"), .partitions = {&p, 1}};
    r = DEFAULTS(fetch);
    r.max_wait_ms = max_wait_ms;
    r.min_bytes = 1;
    r.max_bytes = 64 * MIB;
    r.topics = (kfk_fetch_request_topic_array){&t, 1};
    return &r;
}

/* Sends bytes that begin with their length and expects to be hung up on, with little more memory taken. */
static void hung_up_on(const void *bytes, size_t len, size_t most)
{
    client *c = join();
    size_t before = memcheck_bytes();
    memcheck_peak_begin();
    client_send_bytes(c, bytes, len);
    assert_true(client_is_hung_up_on(c));
    if (memcheck_peak() > before + most) fail_msg("it took %zu bytes", memcheck_peak() - before);
    client_close(c);
}

static void impossible_lengths_cost_a_connection_and_nothing_else(void **state)
{
    (void)state;
    begin();
    client *witness = join();
    static const int32_t lengths[] = {-1, -5, 0, 3, 7, 100 * MIB + 1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t bytes[12] = {0};
        kfk_prim_put_be32(bytes, (uint32_t)lengths[i]);
        hung_up_on(bytes, sizeof bytes, 64 * KIB);
    }
    hung_up_on("GET / HTTP/1.1\r\nHost: kafka\r\n\r\n", 31, 64 * KIB);
    hung_up_on("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, 64 * KIB);
    is_served(witness);
    client_close(witness);
    end();
}

static void impossible_counts_cost_a_connection_and_nothing_else(void **state)
{
    (void)state;
    begin();
    client *witness = join();
    static const int16_t apis[] = {0, 1, 2, 3, 19, 20, 21, 23, 32, 37, 44};
    for (size_t i = 0; i < sizeof apis / sizeof apis[0]; i++) {
        const kfk_api *api = kfk_api_find(apis[i]);
        for (int16_t version = api->min_version; version <= api->max_version; version++) {
            uint8_t frame[64];
            memset(frame, 0x7f, sizeof frame); /* whatever it is: too many, too long */
            kfk_prim_put_be32(frame, sizeof frame - 4);
            kfk_prim_put_be16(frame + 4, (uint16_t)api->key);
            kfk_prim_put_be16(frame + 6, (uint16_t)version);
            kfk_prim_put_be32(frame + 8, 1);
            kfk_prim_put_be16(frame + 12, UINT16_MAX); /* no client id */
            hung_up_on(frame, sizeof frame, 256 * KIB);
        }
    }
    is_served(witness);
    client_close(witness);
    end();
}

/* ---- bombs ------------------------------------------------------------------------------------------------------- */

/* A batch that inflates to 512 MiB. */
static batch_bytes make_bomb(int codec)
{
    enum { PIECE = 4 * MIB, PIECES = 128 };
    batch_bytes bomb = {0}, body = {0};
    void *zeros = calloc(1, PIECE);
    struct iovec piece = {zeros, PIECE};
    kfk_buf one;
    kfk_buf_init(&one, SIZE_MAX);
    assert_int_equal(kfk_compress(codec, 0, &piece, 1, &one, NULL), 0);
    body.data = malloc(PIECES * one.len);
    assert_non_null(body.data);
    for (int i = 0; i < PIECES; i++, body.len += one.len) memcpy(body.data + body.len, one.data, one.len);
    batch_append_body(&bomb, &(batch_spec){.count = 1, .codec = codec}, body.data, body.len);
    kfk_buf_fini(&one);
    batch_free(&body);
    free(zeros);
    return bomb;
}

static void a_batch_that_inflates_to_more_than_64_mib_is_refused(void **state)
{
    (void)state;
    begin();
    client *witness = join(), *c = join();
    for (int codec = KFK_CODEC_GZIP; codec <= KFK_CODEC_ZSTD; codec++) {
        if (codec == KFK_CODEC_SNAPPY || !kfk_compress_find(codec)) continue;
        batch_bytes bomb = make_bomb(codec);
        size_t before = memcheck_bytes();
        memcheck_peak_begin();
        if (bomb.len < 1000000) {
            const kfk_produce_response *a = ASK(c, produce, 9, produce_request((kafka_bytes){bomb.data, bomb.len}, 1));
            assert_int_equal(a->responses.items[0].partition_responses.items[0].error_code, KAFKA_ERR_UNKNOWN);
        }
        if (memcheck_peak() > before + 100 * MIB) /* a buffer of 64 MiB, and the one it grew from */
            fail_msg("it took %zu bytes", memcheck_peak() - before);
        batch_free(&bomb);
    }
    is_served(witness);
    client_close(c);
    client_close(witness);
    end();
}

static int64_t cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A hundred thousand partitions of one topic, each named twice. */
static void a_request_that_names_very_many_things_is_bounded(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    begin();
    client *witness = join(), *c = join();
    kfk_list_offsets_request_partition *p = calloc(COUNT, sizeof *p);
    assert_non_null(p);
    for (int32_t i = 0; i < COUNT; i++)
        p[i] = (kfk_list_offsets_request_partition){
            .partition_index = i / 2, .current_leader_epoch = -1, .timestamp = -1, .max_num_offsets = 1};
    kfk_list_offsets_request_topic t = {KAFKA_LIT("t"), {p, COUNT}};
    kfk_list_offsets_request r = DEFAULTS(list_offsets);
    r.replica_id = -1;
    r.topics = (kfk_list_offsets_request_topic_array){&t, 1};
    client_send(c, &kfk_list_offsets_request_schema, 4, &r);
    size_t before = memcheck_bytes();
    memcheck_peak_begin();
    int64_t cpu = cpu_ms();
    is_served(witness);
    if (!client_has_answer(c, PATIENCE_MS)) fail_msg("neither an answer nor an end");
    if (memcheck_peak() > before + 64 * MIB) fail_msg("it took %zu bytes", memcheck_peak() - before);
    print_message("200 000 partitions: %zu MiB more memory, %lld ms CPU\n", (memcheck_peak() - before) / MIB,
                  (long long)(cpu_ms() - cpu));
    is_served(witness);
    free(p);
    client_close(c);
    client_close(witness);
    end();
}

/* ---- slow ones --------------------------------------------------------------------------------------------------- */

static void announced_bytes_are_not_reserved(void **state)
{
    (void)state;
    enum { MANY = 300 };
    begin();
    client *witness = join(), *slow[MANY];
    size_t before = memcheck_bytes();
    memcheck_peak_begin();
    for (int i = 0; i < MANY; i++) {
        slow[i] = join();
        client_send_bytes(slow[i], "\x06\x40\x00\x00\x00\x00\x00\x09", 8); /* 100 MiB of Produce */
    }
    is_served(witness);
    size_t each = (memcheck_peak() - before) / MANY;
    if (each > 80 * KIB) fail_msg("each took %zu bytes", each);
    for (int i = 0; i < MANY; i++) client_close(slow[i]); /* in the middle of a request */
    is_served(witness);
    client_close(witness);
    end();
}

static void all_half_requests_together_are_bounded(void **state)
{
    (void)state;
    enum { MANY = 12, EACH = 20 * MIB };
    begin();
    assert_int_equal(kafka_cluster_set_memory_limit(cluster, LIMIT), 0);
    client *witness = join(), *slow[MANY];
    uint8_t *zeros = calloc(1, MIB);
    assert_non_null(zeros);
    memcheck_peak_begin();
    for (int i = 0; i < MANY; i++) {
        slow[i] = join();
        bool alive = client_send_bytes(slow[i], "\x06\x40\x00\x00", 4); /* 100 MiB */
        for (size_t put = 0; alive && put < EACH; put += MIB) alive = client_send_bytes(slow[i], zeros, MIB);
    }
    is_served(witness);
    if (memcheck_peak() > 4 * LIMIT + 48 * (size_t)MIB) /* and what one of them grows to meanwhile */
        fail_msg("they took %zu bytes", memcheck_peak());
    for (int i = 0; i < MANY; i++) client_close(slow[i]);
    free(zeros);
    is_served(witness);
    client_close(witness);
    end();
}

/* How much of the library's memory is in use, once it has fallen to that. */
static void falls_to(size_t bytes)
{
    int64_t until = kfk_time_now_ms() + PATIENCE_MS;
    while (memcheck_bytes() > bytes) {
        if (kfk_time_now_ms() > until) fail_msg("%zu bytes are still in use, not %zu", memcheck_bytes(), bytes);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

static void clients_that_go_while_they_wait_are_noticed(void **state)
{
    (void)state;
    enum { MANY = 200 };
    begin();
    client *witness = join(), *waiting[MANY];
    is_served(witness);
    size_t before = memcheck_bytes();
    for (int i = 0; i < MANY; i++) {
        waiting[i] = join();
        client_send(waiting[i], &kfk_fetch_request_schema, 12, fetch_request(0, INT32_MAX));
    }
    int64_t until = kfk_time_now_ms() + PATIENCE_MS;
    while (kafka_cluster_requests(cluster, KAFKA_REQUEST_FETCH) < MANY && kfk_time_now_ms() < until) {}
    for (int i = 0; i < MANY; i++) client_close(waiting[i]);
    falls_to(before + 16 * KIB);
    is_served(witness);
    client_close(witness);
    end();
}

/* ---- clients that do not read ------------------------------------------------------------------------------------ */

static void who_does_not_read_is_not_answered_further(void **state)
{
    (void)state;
    enum { REQUESTS = 20000 };
    begin();
    client *witness = join(), *c = join();
    kfk_metadata_request r = DEFAULTS(metadata);
    r.topics.count = -1;
    size_t before = memcheck_bytes();
    memcheck_peak_begin();
    for (int i = 0; i < REQUESTS && !client_has_answer(c, 0); i++) client_send(c, &kfk_metadata_request_schema, 12, &r);
    for (int i = 0; i < 1000; i++) client_send(c, &kfk_metadata_request_schema, 12, &r);
    is_served(witness);
    if (memcheck_peak() > before + 256 * KIB) fail_msg("it took %zu bytes", memcheck_peak() - before);
    client_close(c);
    client_close(witness);
    end();
}

/* Slow readers keep alive what they were about to read, while new data push it out of the log. */
static void what_slow_readers_keep_alive_is_bounded(void **state)
{
    (void)state;
    enum { READERS = 12, PIECE = 900 * KIB, PIECES = 96, EACH = 6 };
    begin();
    assert_int_equal(kafka_cluster_set_memory_limit(cluster, LIMIT), 0);
    client *witness = join(), *writer = join(), *reader[READERS];
    batch_bytes batch = {0};
    BATCH(&batch, .count = 1, .value_size = PIECE);
    const kafka_bytes records = {batch.data, batch.len};
    memcheck_peak_begin();
    for (int i = 0, slow = 0; i < PIECES; i++) {
        const kfk_produce_response *a = ASK(writer, produce, 9, produce_request(records, 1));
        assert_int_equal(a->responses.items[0].partition_responses.items[0].error_code, 0);
        if (i % (PIECES / READERS) != PIECES / READERS - 1) continue;
        reader[slow] = join();
        client_send(reader[slow], &kfk_fetch_request_schema, 12, fetch_request(i - EACH, 0)); /* about 6 MiB */
        slow++;
    }
    is_served(witness);
    print_message("%d readers who do not read: %zu MiB at most\n", READERS, memcheck_peak() / MIB);
    if (memcheck_peak() > LIMIT + LIMIT / 4 + 8 * MIB) fail_msg("they took %zu bytes", memcheck_peak());
    for (int i = 0; i < READERS; i++) client_close(reader[i]);
    batch_free(&batch);
    client_close(writer);
    client_close(witness);
    end();
}

/* ---- many -------------------------------------------------------------------------------------------------------- */

static void ten_thousand_connections_take_little_each(void **state)
{
    (void)state;
    struct rlimit l;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
    l.rlim_cur = l.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
    size_t many = l.rlim_max > 20200 ? 10000 : (l.rlim_max - 200) / 2; /* both ends are in this process */
    begin();
    client *witness = join(), **all = calloc(many, sizeof(client *));
    assert_non_null(all);
    is_served(witness);
    size_t before = memcheck_bytes();
    memcheck_peak_begin();
    for (size_t i = 0; i < many; i++) all[i] = join();
    is_served(witness);
    for (size_t i = 0; i < many; i += 100) is_served(all[i]);
    size_t each = (memcheck_peak() - before) / many;
    print_message("%zu connections: %zu bytes each\n", many, each);
    if (each > 2 * KIB) fail_msg("each takes %zu bytes", each);
    for (size_t i = 0; i < many; i++) client_close(all[i]);
    free(all);
    falls_to(before + 64 * KIB); /* the loop's table of sources stays as large as it was */
    is_served(witness);
    client_close(witness);
    end();
}

/* Well-formed requests with a few bytes changed, and pure noise. */
static void garbage_is_survived(void **state)
{
    (void)state;
    begin();
    client *witness = join();
    batch_bytes batch = {0};
    BATCH(&batch, .count = 3);
    unsigned seed = 7;
    memcheck_peak_begin();
    size_t before = memcheck_bytes();
    for (int round = 0; round < 3000; round++) {
        kfk_gather out;
        uint8_t bytes[1024];
        kfk_gather_init(&out, SIZE_MAX);
        const kfk_api *api = kfk_api_find(round % 2 ? KFK_API_PRODUCE : KFK_API_FETCH);
        const void *message = round % 2 ? (const void *)produce_request((kafka_bytes){batch.data, batch.len}, 1)
                                        : (const void *)fetch_request(0, 0);
        assert_int_equal(kfk_frame_encode_request(api, 9, 1, KAFKA_LIT("x"), message, &out, NULL), 0);
        size_t len = kfk_gather_len(&out);
        assert_true(len < sizeof bytes);
        kfk_gather_copy(&out, bytes);
        kfk_gather_fini(&out);
        for (int n = 1 + rand_r(&seed) % 4; n > 0; n--)
            bytes[4 + (size_t)rand_r(&seed) % (len - 4)] = (uint8_t)rand_r(&seed);
        client *c = join();
        client_send_bytes(c, bytes, len);
        if (round % 3 == 0) client_has_answer(c, 20);
        client_close(c);
    }
    is_served(witness);
    if (memcheck_peak() > before + 4 * MIB) fail_msg("it took %zu bytes", memcheck_peak() - before);
    batch_free(&batch);
    client_close(witness);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(impossible_lengths_cost_a_connection_and_nothing_else),
        MEMCHECK_TEST(impossible_counts_cost_a_connection_and_nothing_else),
        MEMCHECK_TEST(a_batch_that_inflates_to_more_than_64_mib_is_refused),
        MEMCHECK_TEST(a_request_that_names_very_many_things_is_bounded),
        MEMCHECK_TEST(announced_bytes_are_not_reserved),
        MEMCHECK_TEST(all_half_requests_together_are_bounded),
        MEMCHECK_TEST(clients_that_go_while_they_wait_are_noticed),
        MEMCHECK_TEST(who_does_not_read_is_not_answered_further),
        MEMCHECK_TEST(what_slow_readers_keep_alive_is_bounded),
        MEMCHECK_TEST(ten_thousand_connections_take_little_each),
        MEMCHECK_TEST(garbage_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
