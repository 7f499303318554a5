/* A connection whose broker or network misbehaves: typed errors, no torn data, and the truth about what was written. */
#include "sim/client.h"
#include "wire/api.h"
#include <stdio.h>
#include <string.h>

enum { FILLED = 10, DEADLINE_MS = 400 };

/* ---- cuts at every byte ------------------------------------------------------------------------------------------ */

/* What one write, and one read of FILLED messages, take in each direction. */
typedef struct sizes {
    int64_t up, down;
} sizes;

static kafka_conn *dial_fresh(sim *s, peer *p)
{
    peer_route(p)->latency_us = 100;
    kafka_conn *c = client_dial(s, BROKER);
    if (c) kafka_conn_set_deadline(c, kafka_deadline_in(DEADLINE_MS));
    return c;
}

/* The code that fits the way of cutting. The client cannot know what became of a request that was cut off silently. */
static void check_code(sim *s, int code, sim_cut how)
{
    if (how == SIM_CUT_CLOSE) sim_check_equal(s, code, KAFKA_EUNEXPECTED_EOF);
    if (how == SIM_CUT_RESET) sim_check_equal(s, code, KAFKA_EIO);
    if (how == SIM_CUT_SILENCE) sim_check_equal(s, code, KAFKA_ETIMEDOUT);
}

static sizes size_of_a_write(sim *s, peer *p)
{
    kafka_conn *c = dial_fresh(s, p);
    if (!c) return (sizes){0, 0};
    sim_link *k = sim_net_last_link(s);
    sizes before = {sim_link_delivered_up(k), sim_link_delivered_down(k)};
    sim_check_equal(s, kafka_conn_write(c, "whole", 5), 0);
    sizes z = {sim_link_delivered_up(k) - before.up, sim_link_delivered_down(k) - before.down};
    kafka_conn_free(c);
    return z;
}

/* Writes one message over a connection that is cut; then what the client was told must be true. */
static void write_and_be_cut(sim *s, peer *p, bool up, int64_t n, sim_cut how)
{
    kafka_conn *c = dial_fresh(s, p);
    if (!c) return;
    int64_t before = peer_cluster_end(peer_cluster_of(p), "t", 0);
    if (up)
        sim_link_cut_up(sim_net_last_link(s), n, how);
    else
        sim_link_cut_down(sim_net_last_link(s), n, how);
    int code = kafka_conn_write(c, "whole", 5);
    kafka_written written = code == 0 ? KAFKA_WRITTEN_YES : kafka_last_written();
    check_code(s, code, how);
    sim_sleep_ms(s, 5);
    int64_t end = peer_cluster_end(peer_cluster_of(p), "t", 0);
    sim_check(s, end == before || end == before + 1);
    if (end == before)
        sim_check(s, written != KAFKA_WRITTEN_YES);
    else
        sim_check(s, written != KAFKA_WRITTEN_NO);
    if (how != SIM_CUT_SILENCE) {
        sim_check_equal(s, kafka_conn_write(c, "again", 5), code); /* it is broken, and says so at once */
        sim_check_equal(s, kafka_last_written(), KAFKA_WRITTEN_NO);
    }
    kafka_conn_free(c);
}

static void write_with_every_cut(sim *s, bool up, sim_cut how)
{
    peer *p = peer_alone(s, BROKER);
    sizes z = size_of_a_write(s, p);
    int64_t bytes = up ? z.up : z.down;
    sim_check(s, bytes > 30);
    /* a request that arrived whole is answered, whatever happens to its sender's direction afterwards */
    for (int64_t n = 0; n < bytes && !sim_failed(s); n++) write_and_be_cut(s, p, up, n, how);
}

SCENARIO_WITH(a_write_whose_request_is_reset_at_any_byte_tells_the_truth, .seeds = 20, .parts = 20)
{
    write_with_every_cut(s, true, SIM_CUT_RESET);
}

SCENARIO_WITH(a_write_whose_request_ends_at_any_byte_tells_the_truth, .seeds = 20, .parts = 20)
{
    write_with_every_cut(s, true, SIM_CUT_CLOSE);
}

SCENARIO_WITH(a_write_whose_request_is_lost_from_any_byte_on_tells_the_truth, .seeds = 20, .parts = 20)
{
    write_with_every_cut(s, true, SIM_CUT_SILENCE);
}

SCENARIO_WITH(a_write_whose_answer_ends_at_any_byte_tells_the_truth, .seeds = 20, .parts = 20)
{
    write_with_every_cut(s, false, SIM_CUT_CLOSE);
}

SCENARIO_WITH(a_write_whose_answer_is_reset_at_any_byte_tells_the_truth, .seeds = 20, .parts = 20)
{
    write_with_every_cut(s, false, SIM_CUT_RESET);
}

SCENARIO_WITH(a_write_whose_answer_is_lost_from_any_byte_on_tells_the_truth, .seeds = 20, .parts = 20)
{
    write_with_every_cut(s, false, SIM_CUT_SILENCE);
}

/* Reads all there is, or until an error; what was read must be right. */
static int read_what_comes(sim *s, kafka_conn *c, int *count)
{
    for (*count = 0; *count < FILLED; ++*count) {
        kafka_message *m = NULL;
        char expected[16], got[16];
        int code = kafka_conn_read_message(c, 0, &m);
        if (code != 0) {
            sim_check(s, m == NULL);
            return code;
        }
        snprintf(expected, sizeof expected, "v%d", *count);
        snprintf(got, sizeof got, "%.*s", (int)m->value.len, (const char *)m->value.data);
        sim_check(s, m->offset == *count && strcmp(got, expected) == 0);
        kafka_message_free(m);
    }
    return 0;
}

/* The bytes that come down until FILLED messages are read. */
static int64_t size_of_a_read(sim *s, peer *p)
{
    int count;
    kafka_conn *c = dial_fresh(s, p);
    if (!c) return 0;
    sim_link *k = sim_net_last_link(s);
    int64_t before = sim_link_delivered_down(k);
    sim_check_equal(s, read_what_comes(s, c, &count), 0);
    before = sim_link_delivered_down(k) - before;
    kafka_conn_free(c);
    return before;
}

static void read_with_every_cut(sim *s, sim_cut how)
{
    int count;
    peer *p = peer_alone(s, BROKER);
    peer_cluster_fill(peer_cluster_of(p), "t", 0, "v", FILLED);
    int64_t bytes = size_of_a_read(s, p);
    sim_check(s, bytes > 100);
    for (int64_t n = 0; n < bytes && !sim_failed(s); n++) {
        kafka_conn *c = dial_fresh(s, p);
        if (!c) return;
        sim_link_cut_down(sim_net_last_link(s), n, how);
        check_code(s, read_what_comes(s, c, &count), how);
        sim_check_equal(s, count, 0); /* the only batch never came whole */
        sim_check_equal(s, kafka_conn_offset(c, NULL), 0);
        kafka_conn_free(c);
    }
}

SCENARIO_WITH(a_fetch_that_ends_at_any_byte_gives_no_torn_data, .seeds = 10, .parts = 20)
{
    read_with_every_cut(s, SIM_CUT_CLOSE);
}

SCENARIO_WITH(a_fetch_that_is_reset_at_any_byte_gives_no_torn_data, .seeds = 10, .parts = 20)
{
    read_with_every_cut(s, SIM_CUT_RESET);
}

SCENARIO_WITH(a_fetch_that_stops_at_any_byte_gives_no_torn_data, .seeds = 10, .parts = 20)
{
    read_with_every_cut(s, SIM_CUT_SILENCE);
}

/* ---- wrong answers ----------------------------------------------------------------------------------------------- */

SCENARIO(an_answer_to_another_request_ends_the_connection)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    int64_t first;
    if (!c) return;
    PEER_SCRIPT(p, PEER_ON(PEER_ANY, .action = PEER_WRONG_ID));
    client_failed(s, kafka_conn_write(c, "x", 1), KAFKA_EPROTO, "correlation id");
    sim_check_equal(s, kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    int64_t before = sim_now_us(s);
    sim_check_equal(s, kafka_conn_read_first_offset(c, &first), KAFKA_EPROTO);
    sim_check_equal(s, sim_now_us(s), before);
    kafka_conn_free(c);
}

SCENARIO(an_answer_that_is_left_out_shows_with_the_next_one)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    int64_t first;
    if (!c) return;
    PEER_SCRIPT(p, PEER_ON(KFK_API_PRODUCE, .action = PEER_SKIP));
    kafka_conn_set_write_deadline(c, kafka_deadline_in(50));
    sim_check_equal(s, kafka_conn_write(c, "x", 1), KAFKA_ETIMEDOUT);
    sim_check_equal(s, kafka_conn_read_first_offset(c, &first), KAFKA_EPROTO);
    kafka_conn_free(c);
}

SCENARIO(an_answer_full_of_garbage_is_a_protocol_error)
{
    static uint8_t garbage[44];
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    for (size_t i = 0; i < sizeof garbage; i++) garbage[i] = (uint8_t)sim_below(s, 256);
    memcpy(garbage, "\0\0\0\x28", 4); /* the length is right */
    PEER_SCRIPT(p, PEER_ON(PEER_ANY, .action = PEER_RAW, .raw = garbage, .bytes = sizeof garbage));
    sim_check_equal(s, kafka_conn_write(c, "x", 1), KAFKA_EPROTO);
    kafka_conn_free(c);
}

SCENARIO(an_answer_that_claims_two_gigabytes_is_refused)
{
    static const char huge[] = {0x7f, 0x7f, 0x7f, 0x7f, 0, 0, 0, 0};
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    PEER_SCRIPT(p, PEER_ON(PEER_ANY, .action = PEER_RAW, .raw = huge, .bytes = sizeof huge));
    sim_check_equal(s, kafka_conn_write(c, "x", 1), KAFKA_EPROTO);
    kafka_conn_free(c);
}

SCENARIO(a_brokers_error_code_leaves_the_connection_usable)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    char buf[16];
    size_t len;
    if (!c) return;
    PEER_SCRIPT(p, PEER_ON(KFK_API_PRODUCE, .action = PEER_ERROR, .code = KAFKA_ERR_NOT_LEADER_OR_FOLLOWER),
                PEER_ON(KFK_API_PRODUCE, .action = PEER_ERROR, .code = KAFKA_ERR_MESSAGE_TOO_LARGE),
                PEER_ON(KFK_API_LIST_OFFSETS, .action = PEER_ANSWER),
                PEER_ON(KFK_API_FETCH, .action = PEER_ERROR, .code = KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED));
    client_failed(s, kafka_conn_write(c, "x", 1), KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, "topic t partition 0");
    client_failed(s, kafka_conn_write(c, "x", 1), KAFKA_ERR_MESSAGE_TOO_LARGE, BROKER);
    sim_check_equal(s, kafka_last_written(), KAFKA_WRITTEN_NO);
    client_failed(s, kafka_conn_read(c, buf, sizeof buf, &len), KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, "topic t");
    sim_check_equal(s, kafka_conn_write(c, "fine", 4), 0);
    client_expect_message(s, c, 0, "fine");
    kafka_conn_free(c);
}

SCENARIO(a_broker_that_hangs_up_while_nothing_waits_is_noticed_by_the_next_call)
{
    peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    int64_t before;
    if (!c) return;
    sim_sleep_ms(s, 100);
    sim_link_close(sim_net_last_link(s));
    sim_sleep_ms(s, 100);
    before = sim_now_us(s);
    client_failed(s, kafka_conn_write(c, "x", 1), KAFKA_EUNEXPECTED_EOF, "closed the connection");
    sim_check_equal(s, kafka_last_written(), KAFKA_WRITTEN_NO);
    sim_check_equal(s, sim_now_us(s), before);
    kafka_conn_free(c);
}

/* ---- slowness ---------------------------------------------------------------------------------------------------- */

SCENARIO(a_fetch_that_is_too_slow_for_one_deadline_is_not_lost_for_the_next)
{
    int count;
    peer *p = peer_alone(s, BROKER);
    peer_cluster_fill(peer_cluster_of(p), "t", 0, "v", FILLED);
    peer_route(p)->bytes_per_s = 500;
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    int64_t deadline = kafka_deadline_in(300);
    kafka_conn_set_read_deadline(c, deadline);
    sim_check_equal(s, read_what_comes(s, c, &count), KAFKA_ETIMEDOUT);
    sim_check_equal(s, sim_now_ms(s), deadline);
    kafka_conn_set_read_deadline(c, 0);
    sim_check_equal(s, read_what_comes(s, c, &count), 0);
    kafka_conn_free(c);
}

SCENARIO(a_throttled_client_sends_nothing_until_the_time_is_over)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    int32_t throttle = 1 + (int32_t)sim_below(s, 2000);
    if (!c) return;
    peer_set_throttle_ms(p, throttle);
    sim_check_equal(s, kafka_conn_write(c, "x", 1), 0);
    int64_t answered = sim_now_ms(s);
    peer_set_throttle_ms(p, 0);
    sim_check_equal(s, kafka_conn_write(c, "y", 1), 0);
    int64_t sent = (peer_last_request_us(p) - peer_route(p)->latency_us) / 1000;
    sim_check(s, sent >= answered + throttle && sent <= answered + throttle + 1);
    kafka_conn_free(c);
}

SCENARIO(a_batch_tells_for_how_long_its_fetch_was_throttled)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    kafka_batch *b = NULL;
    if (!c) return;
    peer_cluster_fill(peer_cluster_of(p), "t", 0, "v", 1);
    peer_set_throttle_ms(p, 7);
    sim_check_equal(s, kafka_conn_seek(c, 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL), 0);
    sim_check_equal(s, kafka_conn_read_batch(c, NULL, &b), 0);
    if (b) {
        sim_check_equal(s, kafka_batch_throttle_ms(b), 7);
        sim_check_equal(s, kafka_batch_close(b), 0);
    }
    kafka_conn_free(c);
}

/* Codes below -1 are the library's own: an answer must not pass for the end of the data, or for "nothing was done". */
SCENARIO(a_broker_cannot_answer_with_a_code_of_the_library)
{
    static peer_step steps[6];
    int64_t offset;
    char buf[8];
    size_t len;
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    int16_t code = (int16_t)(sim_below(s, 2) ? KAFKA_EINVAL - (int)sim_below(s, 25) : -2 - (int)sim_below(s, 32766));
    static const int16_t apis[] = {KFK_API_PRODUCE,  KFK_API_LIST_OFFSETS,  KFK_API_FETCH,
                                   KFK_API_METADATA, KFK_API_CREATE_TOPICS, KFK_API_DELETE_TOPICS};
    for (int i = 0; i < 6; i++)
        steps[i] = (peer_step){.api = apis[i], .version = PEER_ANY, .action = PEER_ERROR, .code = code};
    peer_script(p, steps, 6);
    client_failed(s, kafka_conn_write(c, "v", 1), KAFKA_ERR_UNKNOWN, "writing");
    sim_check_equal(s, kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    sim_check_equal(s, peer_requests(p, KFK_API_PRODUCE), 1);
    client_failed(s, kafka_conn_read_last_offset(c, &offset), KAFKA_ERR_UNKNOWN, "offsets");
    sim_check_equal(s, kafka_conn_seek(c, 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL), 0);
    client_failed(s, kafka_conn_read(c, buf, sizeof buf, &len), KAFKA_ERR_UNKNOWN, "");
    kafka_partitions *list = NULL;
    client_failed(s, kafka_conn_read_partitions(c, NULL, 0, &list), KAFKA_ERR_UNKNOWN, "");
    kafka_topic_config topic = {.topic = "n", .num_partitions = 1, .replication_factor = 1};
    client_failed(s, kafka_conn_create_topics(c, &topic, 1, NULL), KAFKA_ERR_UNKNOWN, "creating");
    client_failed(s, kafka_conn_delete_topics(c, &topic.topic, 1, NULL), KAFKA_ERR_UNKNOWN, "deleting");
    sim_check_equal(s, kafka_conn_write(c, "v", 1), 0); /* the connection is as good as before */
    kafka_conn_free(c);
}

SCENARIO(what_could_not_be_sent_by_its_deadline_is_never_sent)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    peer_set_throttle_ms(p, 500);
    sim_check_equal(s, kafka_conn_write(c, "first", 5), 0);
    peer_set_throttle_ms(p, 0);
    kafka_conn_set_write_deadline(c, kafka_deadline_in(100));
    sim_check_equal(s, kafka_conn_write(c, "late", 4), KAFKA_ETIMEDOUT);
    sim_check_equal(s, kafka_last_written(), KAFKA_WRITTEN_NO);
    sim_sleep_ms(s, 1000);
    sim_check_equal(s, peer_cluster_end(peer_cluster_of(p), "t", 0), 1);
    kafka_conn_set_write_deadline(c, 0);
    sim_check_equal(s, kafka_conn_write(c, "second", 6), 0);
    client_expect_message(s, c, 0, "first");
    client_expect_message(s, c, 1, "second");
    kafka_conn_free(c);
}

SCENARIO(a_broker_that_reads_slowly_slows_a_large_write_and_loses_nothing)
{
    static char large[30000];
    peer *p = peer_alone(s, BROKER);
    peer_route(p)->window = 200 + sim_below(s, 3000);
    peer_route(p)->bytes_per_s = 1000000;
    kafka_conn *c = client_dial(s, BROKER);
    kafka_message *m = NULL;
    if (!c) return;
    for (size_t i = 0; i < sizeof large; i++) large[i] = (char)('a' + i % 23);
    sim_check_equal(s, kafka_conn_write(c, large, sizeof large), 0);
    if (sim_check_equal(s, kafka_conn_read_message(c, 0, &m), 0))
        sim_check(s, m->value.len == sizeof large && memcmp(m->value.data, large, sizeof large) == 0);
    kafka_message_free(m);
    kafka_conn_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_write_whose_request_is_reset_at_any_byte_tells_the_truth),
        MEMCHECK_TEST(a_write_whose_request_ends_at_any_byte_tells_the_truth),
        MEMCHECK_TEST(a_write_whose_request_is_lost_from_any_byte_on_tells_the_truth),
        MEMCHECK_TEST(a_write_whose_answer_ends_at_any_byte_tells_the_truth),
        MEMCHECK_TEST(a_write_whose_answer_is_reset_at_any_byte_tells_the_truth),
        MEMCHECK_TEST(a_write_whose_answer_is_lost_from_any_byte_on_tells_the_truth),
        MEMCHECK_TEST(a_fetch_that_ends_at_any_byte_gives_no_torn_data),
        MEMCHECK_TEST(a_fetch_that_is_reset_at_any_byte_gives_no_torn_data),
        MEMCHECK_TEST(a_fetch_that_stops_at_any_byte_gives_no_torn_data),
        MEMCHECK_TEST(an_answer_to_another_request_ends_the_connection),
        MEMCHECK_TEST(an_answer_that_is_left_out_shows_with_the_next_one),
        MEMCHECK_TEST(an_answer_full_of_garbage_is_a_protocol_error),
        MEMCHECK_TEST(an_answer_that_claims_two_gigabytes_is_refused),
        MEMCHECK_TEST(a_brokers_error_code_leaves_the_connection_usable),
        MEMCHECK_TEST(a_broker_that_hangs_up_while_nothing_waits_is_noticed_by_the_next_call),
        MEMCHECK_TEST(a_fetch_that_is_too_slow_for_one_deadline_is_not_lost_for_the_next),
        MEMCHECK_TEST(a_throttled_client_sends_nothing_until_the_time_is_over),
        MEMCHECK_TEST(a_batch_tells_for_how_long_its_fetch_was_throttled),
        MEMCHECK_TEST(a_broker_cannot_answer_with_a_code_of_the_library),
        MEMCHECK_TEST(what_could_not_be_sent_by_its_deadline_is_never_sent),
        MEMCHECK_TEST(a_broker_that_reads_slowly_slows_a_large_write_and_loses_nothing),
    };
    return RUNNER_MAIN(tests);
}
