/* Brokers from before 0.11: Produce up to version 2, Fetch up to version 3, and logs in message formats 0 and 1. */
#include "api/calls.h"
#include "support/message_sets.h"
#include "wire/gen/fetch.h"
#include "wire/gen/produce.h"
#include "wire/record_v1.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

typedef struct produced {
    int count; /* requests */
    int16_t version;
    int magic, codec;
} produced;

static void note_produce(tcp_call *call, void *answer, void *arg)
{
    const kfk_produce_request *r = call->request;
    kafka_bytes set = r->topic_data.items[0].partition_data.items[0].records.bytes;
    produced *x = arg;
    kfk_batch_header h;
    (void)answer;
    if (kfk_record_v1_parse(set.data, set.len, &h, NULL) != 0) return;
    *x = (produced){x->count + 1, call->version, h.magic, kfk_batch_codec(&h)};
}

static void be_old(tcp_peer *p, int16_t produce, int16_t fetch)
{
    tcp_peer_set_versions(p, KFK_API_PRODUCE, 0, produce);
    tcp_peer_set_versions(p, KFK_API_FETCH, 0, fetch);
}

static void expect_bytes(kafka_bytes got, kafka_bytes want)
{
    assert_int_equal(got.data == NULL, want.data == NULL);
    assert_int_equal(got.len, want.len);
    if (got.len > 0) assert_memory_equal(got.data, want.data, got.len);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static const kafka_message four[] = {
    {.key = {"k", 1}, .value = {"v", 1}, .time_ms = 1234},
    {.key = {NULL, 0}, .value = {NULL, 0}, .time_ms = 1235},
    {.key = {"", 0}, .value = {"", 0}, .time_ms = 1236},
    {.value = {"0123456789012345678901234567890123456789", 40}, .time_ms = 1237},
};

/* Writes them and reads them back, with every codec that a set can have. */
static void write_and_read(kafka_conn *c, const produced *seen, int16_t version)
{
    int64_t offset = 0;
    for (kafka_compression codec = KAFKA_COMPRESSION_NONE; codec <= KAFKA_COMPRESSION_LZ4; codec++) {
        size_t bytes = 77;
        if (codec > 0 && !kfk_compress_find(codec)) continue;
        assert_works(kafka_conn_write_messages(c, four, 4, codec, &bytes));
        assert_int_equal(bytes, 42);
        assert_int_equal(seen->version, version);
        assert_int_equal(seen->magic, version == 2);
        assert_int_equal(seen->codec, codec > 0 ? codec : 0);
        for (int i = 0; i < 4; i++, offset++) {
            kafka_message *m;
            assert_works(kafka_conn_read_message(c, 0, &m));
            assert_int_equal(m->offset, offset);
            expect_bytes(m->key, four[i].key);
            expect_bytes(m->value, four[i].value);
            assert_int_equal(m->time_ms, version == 2 ? four[i].time_ms : -1);
            assert_int_equal(m->time_type, version == 2 ? 0 : -1);
            assert_int_equal(m->leader_epoch, -1);
            assert_int_equal(m->header_count, 0);
            kafka_message_free(m);
        }
    }
}

static void messages_arrive_as_they_are_in_every_version(void **state)
{
    (void)state;
    for (int16_t version = 0; version <= 2; version++) {
        produced seen = {0};
        tcp_peer *p = TCP_PEER({.api = KFK_API_PRODUCE, .times = TCP_ALWAYS, .edit = note_produce, .arg = &seen});
        be_old(p, version, version + 1);
        kafka_conn *c = calls_dial(p, 0);
        write_and_read(c, &seen, version);
        kafka_conn_free(c);
        tcp_peer_free(p);
    }
}

static void a_single_value_and_the_present_time_are_written(void **state)
{
    (void)state;
    kafka_message *m;
    tcp_peer *p = TCP_PEER({0});
    be_old(p, 2, 3);
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_write(c, "hello", 5));
    assert_works(kafka_conn_read_message(c, 0, &m));
    expect_bytes(m->key, (kafka_bytes){NULL, 0});
    expect_bytes(m->value, KAFKA_LIT("hello"));
    assert_true(m->time_ms > 1600000000000);
    kafka_message_free(m);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void headers_and_zstd_are_refused_and_the_broker_is_named(void **state)
{
    (void)state;
    kafka_header headers[] = {{"h", KAFKA_LIT("1")}};
    kafka_message msgs[] = {{.value = KAFKA_LIT("a")},
                            {.value = KAFKA_LIT("b"), .headers = headers, .header_count = 1}};
    tcp_peer *p = TCP_PEER({0});
    be_old(p, 2, 3);
    kafka_conn *c = calls_dial(p, 0);
    assert_fails(kafka_conn_write_messages(c, msgs, 2, KAFKA_COMPRESSION_NONE, NULL), KAFKA_EVERSION, "headers");
    assert_non_null(strstr(kafka_last_error(), tcp_peer_address(p)));
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    if (kfk_compress_find(KFK_CODEC_ZSTD)) {
        assert_fails(kafka_conn_write_messages(c, msgs, 1, KAFKA_COMPRESSION_ZSTD, NULL), KAFKA_EVERSION, "zstd");
        assert_non_null(strstr(kafka_last_error(), tcp_peer_address(p)));
        assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    }
    assert_int_equal(tcp_peer_requests(p, KFK_API_PRODUCE), 0);
    assert_works(kafka_conn_write_messages(c, msgs, 1, KAFKA_COMPRESSION_NONE, NULL));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static int connected_to(tcp_peer *p)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)tcp_peer_port(p))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

/* Of a socket that was handed over nobody knows who is behind it, until something is asked. */
static void what_the_broker_takes_is_found_out_by_a_first_write(void **state)
{
    (void)state;
    produced seen = {0};
    kafka_conn_config t = {.topic = "t"};
    kafka_header headers[] = {{"h", KAFKA_LIT("1")}};
    kafka_message with_header = {.headers = headers, .header_count = 1};
    tcp_peer *p = TCP_PEER({.api = KFK_API_PRODUCE, .times = TCP_ALWAYS, .edit = note_produce, .arg = &seen});
    be_old(p, 2, 3);
    assert_fails(kafka_conn_write(NULL, "x", 1), KAFKA_EINVAL, "NULL");
    for (int i = 0; i < 2; i++) {
        kafka_conn *c = NULL;
        assert_works(kafka_conn_from_fd(connected_to(p), &t, &c));
        if (i == 1) {
            assert_fails(kafka_conn_write_messages(c, &with_header, 1, 0, NULL), KAFKA_EVERSION, "headers");
            assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
        }
        assert_works(kafka_conn_write(c, "hello", 5));
        if (i == 0) assert_non_null(strstr(kafka_last_error(), "NULL")); /* a success leaves the text alone */
        assert_int_equal(seen.version, 2);
        assert_int_equal(seen.magic, 1);
        kafka_conn_free(c);
    }
    assert_int_equal(tcp_peer_end(p, 0), 2);
    assert_int_equal(seen.count, 2);
    tcp_peer_free(p);
}

static void without_acks_nothing_is_waited_for(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    be_old(p, 1, 3);
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_set_required_acks(c, KAFKA_ACKS_NONE));
    for (int i = 0; i < 3; i++) assert_works(kafka_conn_write(c, "x", 1));
    assert_works(kafka_conn_set_required_acks(c, KAFKA_ACKS_ALL));
    assert_works(kafka_conn_write(c, "y", 1));
    assert_int_equal(tcp_peer_end(p, 0), 4);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_refusal_tells_whether_it_was_written(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_PRODUCE, .code = KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE},
                           {.api = KFK_API_PRODUCE, .code = KAFKA_ERR_REQUEST_TIMED_OUT});
    be_old(p, 0, 0);
    kafka_conn *c = calls_dial(p, 0);
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE, "topic t partition 0");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_fails(kafka_conn_write(c, "x", 1), KAFKA_ERR_REQUEST_TIMED_OUT, "topic t partition 0");
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    assert_works(kafka_conn_write(c, "x", 1));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void want_of_memory_is_told_and_nothing_is_written_by_halves(void **state)
{
    (void)state;
    int codec = set_some_codec();
    tcp_peer *p = TCP_PEER({0});
    be_old(p, 2, 3);
    kafka_conn *c = calls_dial(p, 0);
    for (size_t n = 1; n < 200; n++) {
        kfk_compress_trim();
        memcheck_fail_at(n);
        int err = kafka_conn_write_messages(c, four, 4, codec, NULL);
        bool failed = memcheck_failed();
        memcheck_fail_at(0);
        if (!failed) break;
        if (err == 0) continue;
        assert_int_equal(err, KAFKA_ENOMEM);
        kafka_conn_free(c); /* it may have been the answer that found no memory */
        c = calls_dial(p, 0);
    }
    assert_int_equal(tcp_peer_end(p, 0) % 4, 0);
    assert_works(kafka_conn_write_messages(c, four, 4, codec, NULL));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Offsets 0 to 15 in all formats one behind the other, 12 and 13 compacted away. */
static tcp_peer *peer_with_history(void)
{
    batch_bytes log = {0};
    int codec = set_some_codec();
    SET(&log, .magic = 0, .first = 0, .count = 2);
    SET(&log, .magic = 0, .first = 2, .count = 3, .codec = codec);
    SET(&log, .magic = 1, .first = 5, .count = 1);
    SET(&log, .magic = 1, .first = 6, .count = 4, .codec = codec);
    SET(&log, .magic = 1, .first = 10, .count = 2, .codec = codec, .append_time = true);
    SET(&log, .magic = 1, .first = 14, .count = 1);
    BATCH(&log, .base = 15, .count = 1, .leader_epoch = 3);
    tcp_peer *p = tcp_peer_new(NULL, 0);
    calls_fill(p, &log, 16);
    return p;
}

static void a_log_of_all_formats_reads_as_one(void **state)
{
    (void)state;
    static const int types[] = {-1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0};
    tcp_peer *p = peer_with_history();
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, NULL);
    for (int64_t i = 0; i < 16; i++) {
        kafka_message m;
        char value[24];
        if (i == 12) i = 14;
        assert_works(kafka_batch_read_message(b, &m));
        size_t len = (size_t)snprintf(value, sizeof value, "v%d", (int)i);
        assert_int_equal(m.offset, i);
        expect_bytes(m.value, (kafka_bytes){value, len});
        assert_int_equal(m.time_type, types[i]);
        assert_int_equal(m.time_ms < 0, types[i] < 0);
        assert_int_equal(m.leader_epoch, i == 15 ? 3 : -1);
    }
    assert_fails(kafka_batch_read_message(b, &(kafka_message){0}), KAFKA_EOF, NULL);
    assert_int_equal(kafka_batch_offset(b), 16);
    assert_works(kafka_batch_close(b));
    assert_int_equal(kafka_conn_offset(c, NULL), 16);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void a_position_inside_a_set_is_read_from(void **state)
{
    (void)state;
    tcp_peer *p = peer_with_history();
    be_old(p, 2, 2);
    kafka_conn *c = calls_dial(p, 0);
    static const int64_t rows[][2] = {{3, 3}, {4, 4}, {7, 7}, {9, 9}, {11, 11}, {12, 14}, {13, 14}, {1, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char value[24];
        assert_works(kafka_conn_seek(c, rows[i][0], KAFKA_SEEK_ABSOLUTE, NULL));
        snprintf(value, sizeof value, "v%d", (int)rows[i][1]);
        calls_expect_message(c, rows[i][1], value);
    }
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void reading_committed_messages_is_reading_all_of_them(void **state)
{
    (void)state;
    tcp_peer *p = peer_with_history();
    be_old(p, 2, 3);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, &(kafka_fetch){.read_committed = 1});
    for (int i = 0; i < 12; i++) calls_expect_next(b, i);
    assert_works(kafka_batch_close(b));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* Such brokers send max_bytes, wherever that is. */
static void cut_off(tcp_call *call, void *answer, void *arg)
{
    const kfk_fetch_request *r = call->request;
    kfk_fetch_response_partition *p = &((kfk_fetch_response *)answer)->responses.items[0].partitions.items[0];
    size_t most = (size_t)r->topics.items[0].partitions.items[0].partition_max_bytes;
    (void)arg;
    if (p->records.bytes.len > most) p->records.bytes.len = most;
}

static void what_max_bytes_cuts_off_comes_with_the_next_fetch_unless_it_is_the_first(void **state)
{
    (void)state;
    tcp_rule rule = {.api = KFK_API_FETCH, .times = TCP_ALWAYS, .edit = cut_off};
    tcp_peer *p = peer_with_history();
    tcp_peer_add_rules(p, &rule, 1);
    be_old(p, 2, 2);
    kafka_conn *c = calls_dial(p, 0);
    for (int i = 0; i < 2; i++) {
        kafka_batch *b = calls_read_batch(c, &(kafka_fetch){.max_bytes = 35}); /* one message, and part of the next */
        calls_expect_next(b, i);
        assert_fails(kafka_batch_read_message(b, &(kafka_message){0}), KAFKA_EOF, NULL);
        assert_works(kafka_batch_close(b));
    }
    kafka_batch *b = calls_read_batch(c, &(kafka_fetch){.max_bytes = 20});
    assert_fails(kafka_batch_read_message(b, &(kafka_message){0}), KAFKA_ETOOBIG, "max_bytes");
    assert_int_equal(kafka_batch_close(b), KAFKA_ETOOBIG);
    calls_expect_message(c, 2, "v2"); /* with more it goes on */
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void damage_is_told_behind_what_is_whole(void **state)
{
    (void)state;
    batch_bytes log = {0};
    SET(&log, .magic = 1, .first = 0, .count = 2);
    size_t bad = SET(&log, .magic = 1, .first = 2, .count = 2, .codec = set_some_codec());
    log.data[bad + 20] ^= 1; /* its time */
    tcp_peer *p = tcp_peer_new(NULL, 0);
    calls_fill(p, &log, 4);
    kafka_conn *c = calls_dial(p, 0);
    kafka_batch *b = calls_read_batch(c, NULL);
    calls_expect_next(b, 0);
    calls_expect_next(b, 1);
    assert_fails(kafka_batch_read_message(b, &(kafka_message){0}), KAFKA_ECORRUPT, "CRC");
    assert_int_equal(kafka_batch_close(b), KAFKA_ECORRUPT);
    assert_int_equal(kafka_conn_offset(c, NULL), 2);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(messages_arrive_as_they_are_in_every_version),
        API_TEST(a_single_value_and_the_present_time_are_written),
        API_TEST(headers_and_zstd_are_refused_and_the_broker_is_named),
        API_TEST(what_the_broker_takes_is_found_out_by_a_first_write),
        API_TEST(without_acks_nothing_is_waited_for),
        API_TEST(a_refusal_tells_whether_it_was_written),
        API_TEST(want_of_memory_is_told_and_nothing_is_written_by_halves),
        API_TEST(a_log_of_all_formats_reads_as_one),
        API_TEST(a_position_inside_a_set_is_read_from),
        API_TEST(reading_committed_messages_is_reading_all_of_them),
        API_TEST(what_max_bytes_cuts_off_comes_with_the_next_fetch_unless_it_is_the_first),
        API_TEST(damage_is_told_behind_what_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
