/* A connection in use: what is written is read back, in every version; offsets, seeking and topics. */
#include "sim/client.h"
#include "wire/api.h"
#include "wire/compress.h"
#include <stdlib.h>
#include <string.h>

/* ---- round trips ------------------------------------------------------------------------------------------------- */

enum { MOST_MESSAGES = 40, MOST_VALUE = 300 };

typedef struct sample {
    kafka_message messages[MOST_MESSAGES];
    kafka_header headers[MOST_MESSAGES][2];
    uint8_t bytes[MOST_MESSAGES][MOST_VALUE];
    size_t count;
} sample;

/* Null, empty, or some bytes of the message's own. */
static kafka_bytes some_bytes(sim *s, uint8_t *from)
{
    uint64_t kind = sim_below(s, 4);
    if (kind == 0) return (kafka_bytes){NULL, 0};
    return (kafka_bytes){from, kind == 1 ? 0 : sim_below(s, MOST_VALUE)};
}

static void make_sample(sim *s, sample *x)
{
    x->count = 1 + sim_below(s, MOST_MESSAGES);
    for (size_t i = 0; i < x->count; i++) {
        kafka_message *m = &x->messages[i];
        for (size_t b = 0; b < MOST_VALUE; b++) x->bytes[i][b] = (uint8_t)sim_below(s, 256);
        *m = (kafka_message){.time_ms = 1700000000000 + (int64_t)sim_below(s, 1000)};
        m->key = some_bytes(s, x->bytes[i]);
        m->value = some_bytes(s, x->bytes[i]);
        m->headers = x->headers[i];
        m->header_count = sim_below(s, 3);
        for (size_t h = 0; h < m->header_count; h++)
            x->headers[i][h] = (kafka_header){h ? "b" : "a", some_bytes(s, x->bytes[i])};
    }
}

static bool same(kafka_bytes a, kafka_bytes b)
{
    return (a.data == NULL) == (b.data == NULL) && a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void compare(sim *s, const kafka_message *got, const kafka_message *wrote, int64_t offset)
{
    sim_check_equal(s, got->offset, offset);
    sim_check_equal(s, got->time_ms, wrote->time_ms);
    sim_check(s, same(got->key, wrote->key) && same(got->value, wrote->value));
    sim_check_equal(s, got->header_count, wrote->header_count);
    for (size_t h = 0; h < got->header_count && h < wrote->header_count; h++) {
        sim_check(s, strcmp(got->headers[h].key, wrote->headers[h].key) == 0);
        sim_check(s, same(got->headers[h].value, wrote->headers[h].value));
    }
}

static kafka_compression some_codec(sim *s)
{
    kafka_compression codec = (kafka_compression)sim_below(s, 5);
    return codec > 0 && !kfk_compress_find(codec) ? KAFKA_COMPRESSION_NONE : codec;
}

static void read_in_batches(sim *s, kafka_conn *c, const sample *x)
{
    size_t n = 0;
    for (int batches = 0; n < x->count && batches < MOST_MESSAGES + 1 && !sim_failed(s); batches++) {
        kafka_batch *b;
        kafka_message m;
        kafka_fetch fetch = {.max_bytes = 1 + (int32_t)sim_below(s, 2000)};
        if (!sim_check_equal(s, kafka_conn_read_batch(c, &fetch, &b), 0)) return;
        size_t most = 1 + sim_below(s, 60), taken = 0;
        while (taken < most && n < x->count && kafka_batch_read_message(b, &m) == 0) {
            compare(s, &m, &x->messages[n], (int64_t)n);
            taken++;
            n++;
        }
        sim_check_equal(s, kafka_batch_close(b), 0);
        sim_check_equal(s, kafka_conn_offset(c, NULL), n);
    }
    sim_check_equal(s, n, x->count);
}

static void read_one_by_one(sim *s, kafka_conn *c, const sample *x)
{
    for (size_t n = 0; n < x->count; n++) {
        kafka_message *m = NULL;
        if (!sim_check_equal(s, kafka_conn_read_message(c, 0, &m), 0)) return;
        compare(s, m, &x->messages[n], (int64_t)n);
        kafka_message_free(m);
    }
}

SCENARIO(what_is_written_is_read_back_whatever_its_shape)
{
    static sample x;
    peer *p = peer_alone(s, BROKER);
    sim_route *r = peer_route(p);
    r->jitter_us = (int64_t)sim_below(s, 3000);
    r->window = 500 + sim_below(s, 5000);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    make_sample(s, &x);
    for (size_t n = 0, some; n < x.count; n += some) {
        some = 1 + sim_below(s, x.count - n);
        sim_check_equal(s, kafka_conn_write_messages(c, x.messages + n, some, some_codec(s), NULL), 0);
    }
    sim_check_equal(s, peer_cluster_end(peer_cluster_of(p), "t", 0), x.count);
    if (sim_below(s, 2))
        read_in_batches(s, c, &x);
    else
        read_one_by_one(s, c, &x);
    kafka_conn_free(c);
}

SCENARIO(versions_old_and_new_carry_the_same)
{
    peer *p = peer_alone(s, BROKER);
    static const int16_t lowest[][2] = {
        {KFK_API_PRODUCE, 3}, {KFK_API_FETCH, 4}, {KFK_API_METADATA, 1}, {KFK_API_LIST_OFFSETS, 1}};
    for (size_t i = 0; i < 4; i++) {
        int16_t api = lowest[i][0], low = lowest[i][1], newest = kfk_api_find(api)->max_version;
        peer_set_versions(p, api, low, (int16_t)(low + (int)sim_below(s, (uint64_t)(newest - low + 1))));
    }
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    sim_check_equal(s, kafka_conn_write(c, "hello", 5), 0);
    client_expect_message(s, c, 0, "hello");
    kafka_conn_free(c);
}

SCENARIO(without_acknowledgement_a_write_is_done_when_it_is_sent)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    int64_t before = sim_now_us(s);
    sim_check_equal(s, kafka_conn_set_required_acks(c, KAFKA_ACKS_NONE), 0);
    for (int i = 0; i < 5; i++) sim_check_equal(s, kafka_conn_write(c, "quick", 5), 0);
    sim_check_equal(s, sim_now_us(s), before);
    sim_check_equal(s, kafka_conn_set_required_acks(c, KAFKA_ACKS_ALL), 0);
    sim_check_equal(s, kafka_conn_write(c, "sure", 4), 0);
    sim_check_equal(s, peer_cluster_end(peer_cluster_of(p), "t", 0), 6);
    kafka_conn_free(c);
}

SCENARIO(a_message_larger_than_the_limit_of_the_fetch_is_delivered_whole)
{
    static char large[600000];
    size_t size = 1 + sim_below(s, sim_below(s, 8) ? 30000 : sizeof large);
    peer *p = peer_alone(s, BROKER);
    peer_route(p)->window = 1000 + sim_below(s, 100000);
    kafka_conn *c = client_dial(s, BROKER);
    kafka_message *m = NULL;
    if (!c) return;
    for (size_t i = 0; i < size; i++) large[i] = (char)(i * 31 + i / 1000);
    sim_check_equal(s, kafka_conn_write(c, large, size), 0);
    if (sim_check_equal(s, kafka_conn_read_message(c, 100, &m), 0))
        sim_check(s, m->value.len == size && memcmp(m->value.data, large, size) == 0);
    kafka_message_free(m);
    kafka_conn_free(c);
}

/* More than the loop reads of one connection in a turn, whose others want their turn too. */
SCENARIO_WITH(a_message_of_many_megabytes_is_read_over_several_turns, .config.calm = true, .seeds = 2, .parts = 50)
{
    enum { SIZE = 9 * 1024 * 1024 };
    peer *p = peer_alone(s, BROKER);
    peer_route(p)->window = 2 * SIZE;
    kafka_conn *c = client_dial(s, BROKER);
    kafka_message *m = NULL;
    char *large = calloc(1, SIZE);
    if (!c || !large) return;
    memset(large, 'y', SIZE);
    sim_check_equal(s, kafka_conn_write(c, large, SIZE), 0);
    if (sim_check_equal(s, kafka_conn_read_message(c, 100, &m), 0))
        sim_check(s, m->value.len == SIZE && memcmp(m->value.data, large, SIZE) == 0);
    kafka_message_free(m);
    free(large);
    kafka_conn_free(c);
}

/* ---- offsets and topics ------------------------------------------------------------------------------------------ */

SCENARIO(offsets_and_seeking_follow_the_log)
{
    int64_t first, last, at;
    peer *p = peer_alone(s, BROKER);
    peer_cluster_fill(peer_cluster_of(p), "t", 0, "v", 10);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    sim_check_equal(s, kafka_conn_read_offsets(c, &first, &last), 0);
    sim_check(s, first == 0 && last == 10);
    sim_check_equal(s, kafka_conn_read_offset(c, 1004, &at), 0);
    sim_check_equal(s, at, 4);
    sim_check_equal(s, kafka_conn_read_offset(c, 5000, &at), 0);
    sim_check_equal(s, at, -1);
    sim_check_equal(s, kafka_conn_seek(c, 3, KAFKA_SEEK_END, &at), 0);
    sim_check_equal(s, at, 7);
    client_expect_message(s, c, 7, "v7");
    sim_check_equal(s, kafka_conn_seek(c, -2, KAFKA_SEEK_CURRENT, NULL), 0);
    client_expect_message(s, c, 6, "v6");
    client_failed(s, kafka_conn_seek(c, 11, KAFKA_SEEK_ABSOLUTE, NULL), KAFKA_ERR_OFFSET_OUT_OF_RANGE, "11");
    client_expect_message(s, c, 7, "v7");
    kafka_conn_free(c);
}

SCENARIO(topics_are_created_listed_and_deleted)
{
    static const char *const name = "fresh";
    kafka_topic_config topic = {.topic = name, .num_partitions = 3};
    kafka_partitions *list = NULL;
    kafka_dialer d = client_dialer(0);
    kafka_conn *c = NULL;
    peer_alone(s, BROKER);
    if (!sim_check_equal(s, kafka_dial(&d, NULL, BROKER, &c), 0)) return;
    sim_check_equal(s, kafka_conn_create_topics(c, &topic, 1, NULL), 0);
    if (sim_check_equal(s, kafka_conn_read_partitions(c, &name, 1, &list), 0)) sim_check_equal(s, list->count, 3);
    kafka_partitions_free(list);
    sim_check_equal(s, kafka_conn_delete_topics(c, &name, 1, NULL), 0);
    client_failed(s, kafka_conn_delete_topics(c, &name, 1, NULL), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, name);
    kafka_conn_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(what_is_written_is_read_back_whatever_its_shape),
        MEMCHECK_TEST(versions_old_and_new_carry_the_same),
        MEMCHECK_TEST(without_acknowledgement_a_write_is_done_when_it_is_sent),
        MEMCHECK_TEST(a_message_larger_than_the_limit_of_the_fetch_is_delivered_whole),
        MEMCHECK_TEST(a_message_of_many_megabytes_is_read_over_several_turns),
        MEMCHECK_TEST(offsets_and_seeking_follow_the_log),
        MEMCHECK_TEST(topics_are_created_listed_and_deleted),
    };
    return RUNNER_MAIN(tests);
}
