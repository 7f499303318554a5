/* session_test.c: connections: requests in order, long polls, half requests, slow readers, ends of every kind. */
#include "testing/client.h"
#include "testing/node.h"
#include "testing/session.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/metadata.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static kfk_metadata_request *metadata_of(kfk_metadata_request *r)
{
    kfk_codec_default(&kfk_metadata_request_schema, r);
    r->topics.count = -1;
    return r;
}

static void write_ones(kafka_cluster *c, int count, int value_size)
{
    batch_bytes batch = {0};
    produce_one p;
    wire_answer a;
    int fd = wire_dial(c, 1);
    BATCH(&batch, .count = 1, .value_size = value_size);
    for (int i = 0; i < count; i++) {
        wire_send(fd, KFK_API_PRODUCE, PRODUCE_VERSION, i, produce_of(&p, 1, 1000, &batch));
        wire_expect(fd, KFK_API_PRODUCE, PRODUCE_VERSION, i, &a);
        assert_int_equal(produced(&a)->error_code, 0);
        wire_answer_free(&a);
    }
    batch_free(&batch);
    close(fd);
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

static void requests_sent_ahead_are_answered_in_order(void **state)
{
    (void)state;
    enum { COUNT = 200 }; /* more than are served in a turn */
    kafka_cluster *c = cluster_with(1, 1);
    int fd = wire_dial(c, 1);
    uint8_t *all = NULL;
    size_t len = 0, one;
    fetch_one f;
    kfk_metadata_request m;
    wire_answer a;
    for (int i = 0; i < COUNT; i++) { /* slow ones in between */
        uint8_t *bytes = i % 50 == 7 ? wire_encode(KFK_API_FETCH, FETCH_VERSION, i, fetch_of(&f, 0, 20), &one)
                                     : wire_encode(KFK_API_METADATA, (int16_t)(1 + i % 9), i, metadata_of(&m), &one);
        all = realloc(all, len + one);
        memcpy(all + len, bytes, one);
        len += one;
        free(bytes);
    }
    wire_send_bytes(fd, all, len);
    free(all);
    for (int i = 0; i < COUNT; i++) {
        if (i % 50 == 7)
            wire_expect(fd, KFK_API_FETCH, FETCH_VERSION, i, &a);
        else
            wire_expect(fd, KFK_API_METADATA, (int16_t)(1 + i % 9), i, &a);
        wire_answer_free(&a);
    }
    close(fd);
    kafka_cluster_free(c);
}

/* ---- long polls -------------------------------------------------------------------------------------------------- */

static void a_fetch_that_waits_is_woken_by_data(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int fd = wire_dial(c, 1);
    fetch_one f;
    wire_answer a;
    int64_t before = kafka_now_ms();
    wire_send(fd, KFK_API_FETCH, FETCH_VERSION, 1, fetch_of(&f, 0, 60000));
    expect_requests(c, KAFKA_REQUEST_FETCH, 1);
    assert_true(wire_is_quiet(fd));
    write_ones(c, 1, 10);
    wire_expect(fd, KFK_API_FETCH, FETCH_VERSION, 1, &a);
    assert_true(kafka_now_ms() - before < 30000);
    assert_int_equal(fetched(&a)->error_code, 0);
    assert_int_equal(fetched(&a)->high_watermark, 1);
    assert_true(fetched(&a)->records.bytes.len > 61);
    wire_answer_free(&a);
    close(fd);
    kafka_cluster_free(c);
}

static void a_fetch_waits_for_min_bytes_or_its_time(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int fd = wire_dial(c, 1);
    fetch_one f;
    wire_answer a;
    int64_t before = kafka_now_ms();
    wire_send(fd, KFK_API_FETCH, FETCH_VERSION, 1, fetch_of(&f, 0, 100));
    wire_expect(fd, KFK_API_FETCH, FETCH_VERSION, 1, &a);
    assert_true(kafka_now_ms() - before >= 100);
    assert_int_equal(fetched(&a)->error_code, 0);
    assert_int_equal(fetched(&a)->records.bytes.len, 0);
    wire_answer_free(&a);
    fetch_of(&f, 0, 60000)->min_bytes = 300;
    wire_send(fd, KFK_API_FETCH, FETCH_VERSION, 2, &f.request);
    expect_requests(c, KAFKA_REQUEST_FETCH, 2);
    write_ones(c, 1, 100);
    assert_true(wire_is_quiet(fd));
    write_ones(c, 2, 100);
    wire_expect(fd, KFK_API_FETCH, FETCH_VERSION, 2, &a);
    assert_true(fetched(&a)->records.bytes.len >= 300);
    wire_answer_free(&a);
    close(fd);
    kafka_cluster_free(c);
}

static void a_hundred_fetches_wait_beside_each_other(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    kafka_cluster *c = cluster_with(1, 1);
    int fds[COUNT];
    fetch_one f;
    wire_answer a;
    for (int i = 0; i < COUNT; i++) {
        fds[i] = wire_dial(c, 1);
        wire_send(fds[i], KFK_API_FETCH, FETCH_VERSION, i, fetch_of(&f, 0, 60000));
    }
    expect_requests(c, KAFKA_REQUEST_FETCH, COUNT);
    write_ones(c, 1, 10);
    for (int i = 0; i < COUNT; i++) {
        wire_expect(fds[i], KFK_API_FETCH, FETCH_VERSION, i, &a);
        assert_true(fetched(&a)->records.bytes.len > 61);
        wire_answer_free(&a);
        close(fds[i]);
    }
    expect_sessions(c, 0);
    kafka_cluster_free(c);
}

/* ---- halves ------------------------------------------------------------------------------------------------------ */

static void a_request_may_come_byte_by_byte(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int fd = wire_dial(c, 1);
    size_t len;
    kfk_metadata_request m;
    wire_answer a;
    uint8_t *bytes = wire_encode(KFK_API_METADATA, 9, 5, metadata_of(&m), &len);
    for (size_t i = 0; i < len; i++) wire_send_bytes(fd, bytes + i, 1);
    wire_expect(fd, KFK_API_METADATA, 9, 5, &a);
    wire_answer_free(&a);
    for (size_t cut = 0; cut < len; cut += 3) { /* and may end anywhere */
        int half = wire_dial(c, 1);
        wire_send_bytes(half, bytes, cut);
        close(half);
    }
    expect_sessions(c, 1);
    free(bytes);
    close(fd);
    expect_sessions(c, 0);
    kafka_cluster_free(c);
}

/* A client inside of the loop's thread: it says itself what has come and when that is noticed. */
typedef struct fed {
    kfk_stream stream; /* first */
    const uint8_t *bytes;
    size_t len, at, answered;
    bool closed;
} fed;

static int fed_connected(kfk_stream *s, kfk_error *err)
{
    (void)s;
    (void)err;
    return 0;
}

static int fed_read(kfk_stream *s, void *buf, size_t cap, size_t *got, kfk_error *err)
{
    fed *f = (fed *)(void *)s;
    (void)err;
    *got = f->len - f->at < cap ? f->len - f->at : cap;
    if (*got == 0) return KAFKA_EAGAIN;
    memcpy(buf, f->bytes + f->at, *got);
    f->at += *got;
    return 0;
}

static int fed_write(kfk_stream *s, const struct iovec *iov, int count, size_t *put, kfk_error *err)
{
    (void)err;
    *put = 0;
    for (int i = 0; i < count; i++) *put += iov[i].iov_len;
    ((fed *)(void *)s)->answered += *put;
    return 0;
}

static void fed_close(kfk_stream *s)
{
    ((fed *)(void *)s)->closed = true;
}

static const kfk_stream_ops fed_ops = {
    .connected = fed_connected, .read = fed_read, .write = fed_write, .close = fed_close};

/* Everything up to half of the last request comes at once, the half in an edge of its own before the loop turns. */
static void feed_most(kafka_cluster *c, void *arg)
{
    fed *f = arg;
    size_t all = f->len, one = all / 65;
    f->len = all - one;
    kft_session_new(&c->nodes[0], &f->stream);
    f->len = all - one / 2;
    f->stream.ready(f->stream.owner, KFK_STREAM_READABLE);
    f->len = all;
}

static void feed_rest(kafka_cluster *c, void *arg)
{
    fed *f = arg;
    (void)c;
    if (!f->closed) f->stream.ready(f->stream.owner, KFK_STREAM_READABLE);
}

static void look_only(kafka_cluster *c, void *arg)
{
    (void)c;
    (void)arg;
}

static void half_a_request_behind_a_turn_full_of_them_is_waited_for(void **state)
{
    (void)state;
    enum { COUNT = 65 }; /* one more than are served in a turn */
    kafka_cluster *c = cluster_with(1, 1);
    fed f = {.stream.ops = &fed_ops};
    kfk_metadata_request m;
    size_t one;
    uint8_t *bytes = wire_encode(KFK_API_METADATA, 9, 1, metadata_of(&m), &one), *all = malloc(COUNT * one);
    for (int i = 0; i < COUNT; i++) memcpy(all + (size_t)i * one, bytes, one);
    f.bytes = all;
    f.len = COUNT * one;
    inside(c, feed_most, &f);
    for (int i = 0; i < 3; i++) inside(c, look_only, NULL); /* the loop turns */
    assert_false(f.closed);
    size_t answered = f.answered;
    inside(c, feed_rest, &f);
    assert_int_equal(f.answered, answered + answered / (COUNT - 1));
    kafka_cluster_free(c);
    assert_true(f.closed);
    free(bytes);
    free(all);
}

static void what_is_no_request_ends_its_connection(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } wrong[] = {
        {"\xff\xff\xff\xff", 4},                                      /* -1 */
        {"\0\0\0\0", 4},                                              /* no header fits */
        {"\0\0\0\7", 4},                                              /* still none */
        {"\x7f\xff\xff\xff", 4},                                      /* 2 GiB */
        {"\x06\x40\0\1", 4},                                          /* a byte beyond 100 MiB */
        {"\0\0\0\x0a\x03\xe7\0\0\0\0\0\1\xff\xff", 14},               /* API 999 */
        {"\0\0\0\x0e\0\x03\0\x63\0\0\0\1\xff\xff\0\0\0\0", 18},       /* Metadata version 99 */
        {"\0\0\0\x0e\0\0\0\2\0\0\0\1\xff\xff\0\0\0\0", 18},           /* Produce version 2 */
        {"\0\0\0\x0e\0\x03\0\1\0\0\0\1\xff\xff\x7f\xff\xff\xff", 18}, /* 2^31 - 1 topics */
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27},
    };
    kafka_cluster *c = cluster_with(1, 1);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int fd = wire_dial(c, 1);
        wire_send_bytes(fd, wrong[i].bytes, wrong[i].len);
        wire_expect_end(fd);
    }
    kafka_conn_free(dial(c));
    kafka_cluster_free(c);
}

static void a_version_of_api_versions_from_the_future_is_answered_in_version_0(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int fd = wire_dial(c, 1);
    wire_answer a;
    kfk_metadata_request m;
    wire_send_bytes(fd, "\0\0\0\x0b\0\x12\0\x63\0\0\0\x09\xff\xff\0", 15);
    wire_expect(fd, KFK_API_API_VERSIONS, 0, 9, &a);
    const kfk_api_versions_response *r = a.msg;
    assert_int_equal(r->error_code, KAFKA_ERR_UNSUPPORTED_VERSION);
    assert_int_equal(r->api_keys.count, 1);
    assert_int_equal(r->api_keys.items[0].api_key, KFK_API_API_VERSIONS);
    wire_answer_free(&a);
    wire_send(fd, KFK_API_METADATA, 1, 10, metadata_of(&m)); /* it goes on */
    wire_expect(fd, KFK_API_METADATA, 1, 10, &a);
    wire_answer_free(&a);
    close(fd);
    kafka_cluster_free(c);
}

/* ---- slow readers ------------------------------------------------------------------------------------------------ */

static void who_does_not_read_holds_up_nobody_but_itself(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    kafka_cluster *c = cluster_with(1, 1);
    int slow = wire_dial(c, 1), other = wire_dial(c, 1);
    fetch_one f;
    kfk_metadata_request m;
    wire_answer a;
    write_ones(c, 1, 900000);
    for (int i = 0; i < COUNT; i++) wire_send(slow, KFK_API_FETCH, FETCH_VERSION, i, fetch_of(&f, 0, 0));
    for (int i = 0; i < 20; i++) {
        wire_send(other, KFK_API_METADATA, 9, i, metadata_of(&m));
        wire_expect(other, KFK_API_METADATA, 9, i, &a);
        wire_answer_free(&a);
    }
    assert_true(kafka_cluster_requests(c, KAFKA_REQUEST_FETCH) < COUNT); /* the rest is not even read */
    works(kafka_cluster_delete_topic(c, "t"));                           /* what is being written stays */
    int with_data = 0;
    for (int i = 0; i < COUNT; i++) {
        wire_expect(slow, KFK_API_FETCH, FETCH_VERSION, i, &a);
        with_data += fetched(&a)->records.bytes.len > 900000;
        wire_answer_free(&a);
    }
    assert_in_range(with_data, 1, COUNT - 1);
    close(slow);
    close(other);
    kafka_cluster_free(c);
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static void a_broker_that_stops_hangs_up_on_who_waits(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(2, 1);
    int waits = wire_dial(c, 1), idle = wire_dial(c, 1), there = wire_dial(c, 2);
    fetch_one f;
    kfk_metadata_request m;
    wire_answer a;
    wire_send(waits, KFK_API_FETCH, FETCH_VERSION, 1, fetch_of(&f, 0, 60000));
    expect_requests(c, KAFKA_REQUEST_FETCH, 1);
    works(kafka_cluster_stop_broker(c, 1));
    wire_expect_end(waits);
    wire_expect_end(idle);
    wire_send(there, KFK_API_METADATA, 9, 1, metadata_of(&m));
    wire_expect(there, KFK_API_METADATA, 9, 1, &a);
    assert_int_equal(((kfk_metadata_response *)a.msg)->brokers.count, 1);
    wire_answer_free(&a);
    works(kafka_cluster_start_broker(c, 1));
    close(wire_dial(c, 1));
    close(there);
    kafka_cluster_free(c);
}

static void a_topic_that_is_deleted_ends_the_waits_for_it(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int reads = wire_dial(c, 1), writes = wire_dial(c, 1);
    fetch_one f;
    produce_one p;
    wire_answer a;
    batch_bytes batch = {0};
    BATCH(&batch, .count = 1);
    works(kafka_cluster_hold_replication(c, "t", 0, 1));
    wire_send(reads, KFK_API_FETCH, FETCH_VERSION, 1, fetch_of(&f, 0, 60000));
    wire_send(writes, KFK_API_PRODUCE, PRODUCE_VERSION, 2, produce_of(&p, -1, 60000, &batch));
    expect_requests(c, KAFKA_REQUEST_FETCH, 1);
    expect_requests(c, KAFKA_REQUEST_PRODUCE, 1);
    works(kafka_cluster_delete_topic(c, "t"));
    wire_expect(reads, KFK_API_FETCH, FETCH_VERSION, 1, &a);
    assert_int_equal(fetched(&a)->error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    wire_answer_free(&a);
    wire_expect(writes, KFK_API_PRODUCE, PRODUCE_VERSION, 2, &a);
    assert_int_equal(produced(&a)->error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    wire_answer_free(&a);
    batch_free(&batch);
    close(reads);
    close(writes);
    kafka_cluster_free(c);
}

static void acks_of_all_wait_for_replicas_a_new_leader_or_their_time(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(2, 1);
    int fd = wire_dial(c, 1), leader = wire_dial(c, 1);
    produce_one p;
    wire_answer a;
    batch_bytes batch = {0};
    BATCH(&batch, .count = 1);
    works(kafka_cluster_hold_replication(c, "t", 0, 1));
    wire_send(leader, KFK_API_PRODUCE, PRODUCE_VERSION, 1, produce_of(&p, 1, 60000, &batch)); /* acks = 1: at once */
    wire_expect(leader, KFK_API_PRODUCE, PRODUCE_VERSION, 1, &a);
    assert_int_equal(produced(&a)->error_code, 0);
    wire_answer_free(&a);
    wire_send(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 2, produce_of(&p, -1, 50, &batch));
    wire_expect(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 2, &a);
    assert_int_equal(produced(&a)->error_code, KAFKA_ERR_REQUEST_TIMED_OUT);
    wire_answer_free(&a);
    wire_send(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 3, produce_of(&p, -1, 60000, &batch));
    expect_requests(c, KAFKA_REQUEST_PRODUCE, 3);
    assert_true(wire_is_quiet(fd));
    works(kafka_cluster_hold_replication(c, "t", 0, 0));
    wire_expect(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 3, &a);
    assert_int_equal(produced(&a)->error_code, 0);
    assert_int_equal(produced(&a)->base_offset, 2);
    wire_answer_free(&a);
    works(kafka_cluster_hold_replication(c, "t", 0, 1));
    wire_send(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 4, produce_of(&p, -1, 60000, &batch));
    expect_requests(c, KAFKA_REQUEST_PRODUCE, 4);
    assert_int_equal(end_of(c, "t", 0), 4);
    works(kafka_cluster_move_leader(c, "t", 0, 2)); /* cuts off what the new one never saw */
    wire_expect(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 4, &a);
    assert_int_equal(produced(&a)->error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(produced(&a)->base_offset, 3);
    wire_answer_free(&a);
    assert_int_equal(end_of(c, "t", 0), 3);
    batch_free(&batch);
    close(fd);
    close(leader);
    kafka_cluster_free(c);
}

/* Leadership goes and comes back before the request that waits hears of it; in its place something else is written. */
static void loses_and_leads_again(kafka_cluster *c, void *arg)
{
    const batch_bytes *batch = arg;
    kft_partition *p = kft_topic_partition(kft_topic_find(&c->topics, KAFKA_LIT("t")), 0);
    kfk_batch_header h;
    kfk_error err;
    int64_t base;
    kft_partition_move(c, p, 2, &err);
    kft_partition_move(c, p, 1, &err);
    kfk_block *frame = kfk_block_new(batch->len);
    memcpy(frame->data, batch->data, batch->len);
    if (kfk_record_header_parse(frame->data, batch->len, &h, NULL) == 0)
        kft_log_append(&p->log, frame, frame->data, &h, p->leader_epoch, -1, 0, &base);
    kfk_block_drop(frame);
    p->replication_held = false;
    kft_partition_replicate(c, p);
}

static void what_was_cut_off_is_not_acknowledged_for_what_came_in_its_place(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(2, 1);
    int fd = wire_dial(c, 1);
    produce_one p;
    wire_answer a;
    batch_bytes batch = {0};
    BATCH(&batch, .count = 1);
    works(kafka_cluster_hold_replication(c, "t", 0, 1));
    wire_send(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 1, produce_of(&p, -1, 60000, &batch));
    expect_requests(c, KAFKA_REQUEST_PRODUCE, 1);
    inside(c, loses_and_leads_again, &batch);
    assert_int_equal(end_of(c, "t", 0), 1);
    wire_expect(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 1, &a);
    assert_int_equal(produced(&a)->error_code, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
    wire_answer_free(&a);
    batch_free(&batch);
    close(fd);
    kafka_cluster_free(c);
}

static int16_t ask_for_producer_id(int fd)
{
    wire_answer a;
    kfk_init_producer_id_request r;
    kfk_codec_default(&kfk_init_producer_id_request_schema, &r);
    r.transactional_id = (kafka_bytes){NULL, 0};
    wire_send(fd, KFK_API_INIT_PRODUCER_ID, 4, 1, &r);
    wire_expect(fd, KFK_API_INIT_PRODUCER_ID, 4, 1, &a);
    int16_t code = ((kfk_init_producer_id_response *)a.msg)->error_code;
    assert_true((((kfk_init_producer_id_response *)a.msg)->producer_id >= 0) == (code == 0));
    wire_answer_free(&a);
    return code;
}

static void started_ago(kafka_cluster *c, void *arg)
{
    c->nodes[0].started_ms = kfk_loop_now_ms(c->loop) - *(int64_t *)arg;
}

static void a_broker_that_was_just_restarted_has_no_producer_ids_yet(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int64_t long_ago = 100, in_a_minute = -60000;
    int fd = wire_dial(c, 1);
    assert_int_equal(ask_for_producer_id(fd), 0);
    close(fd);
    works(kafka_cluster_stop_broker(c, 1));
    works(kafka_cluster_start_broker(c, 1));
    fd = wire_dial(c, 1);
    inside(c, started_ago, &in_a_minute);
    assert_int_equal(ask_for_producer_id(fd), KAFKA_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    inside(c, started_ago, &long_ago);
    assert_int_equal(ask_for_producer_id(fd), 0);
    close(fd);
    kafka_cluster_free(c);
}

static void a_client_that_goes_while_its_request_waits_is_noticed(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int fd = wire_dial(c, 1), ahead = wire_dial(c, 1);
    fetch_one f;
    wire_send(fd, KFK_API_FETCH, FETCH_VERSION, 1, fetch_of(&f, 0, INT32_MAX));
    wire_send(ahead, KFK_API_FETCH, FETCH_VERSION, 1, fetch_of(&f, 0, INT32_MAX));
    expect_requests(c, KAFKA_REQUEST_FETCH, 2);
    wire_send_bytes(ahead, "\0\0", 2);
    close(fd);
    close(ahead);
    expect_sessions(c, 0);
    kafka_cluster_free(c);
}

static void a_request_that_is_sent_ahead_while_another_waits_is_not_lost(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int fd = wire_dial(c, 1);
    fetch_one f;
    kfk_metadata_request m;
    wire_answer a;
    size_t len;
    uint8_t *bytes = wire_encode(KFK_API_METADATA, 9, 2, metadata_of(&m), &len);
    wire_send(fd, KFK_API_FETCH, FETCH_VERSION, 1, fetch_of(&f, 0, 60000));
    expect_requests(c, KAFKA_REQUEST_FETCH, 1);
    wire_send_bytes(fd, bytes, 3); /* in pieces: less than a length, then more */
    wire_send_bytes(fd, bytes + 3, 5);
    write_ones(c, 1, 10);
    wire_expect(fd, KFK_API_FETCH, FETCH_VERSION, 1, &a);
    wire_answer_free(&a);
    wire_send_bytes(fd, bytes + 8, len - 8);
    wire_expect(fd, KFK_API_METADATA, 9, 2, &a);
    wire_answer_free(&a);
    free(bytes);
    close(fd);
    kafka_cluster_free(c);
}

static void a_cluster_ends_while_requests_wait(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        kafka_cluster *c = cluster_with(2, 1);
        int reads = wire_dial(c, 1), writes = wire_dial(c, 1);
        fetch_one f;
        produce_one p;
        batch_bytes batch = {0};
        BATCH(&batch, .count = 1);
        wire_send(reads, KFK_API_FETCH, FETCH_VERSION, 1, fetch_of(&f, 0, 60000));
        if (round % 2) expect_requests(c, KAFKA_REQUEST_FETCH, 1);
        wire_send(writes, KFK_API_PRODUCE, PRODUCE_VERSION, 2, produce_of(&p, 1, 60000, &batch)); /* wakes it */
        kafka_cluster_free(c);
        batch_free(&batch);
        close(reads);
        close(writes);
    }
}

static void connections_come_and_go(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int fds[50];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 50; i++) fds[i] = wire_dial(c, 1);
        expect_sessions(c, 50);
        for (int i = 0; i < 50; i++) close(fds[i]);
        expect_sessions(c, 0);
    }
    kafka_cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(requests_sent_ahead_are_answered_in_order),
        MEMCHECK_TEST(a_fetch_that_waits_is_woken_by_data),
        MEMCHECK_TEST(a_fetch_waits_for_min_bytes_or_its_time),
        MEMCHECK_TEST(a_hundred_fetches_wait_beside_each_other),
        MEMCHECK_TEST(a_request_may_come_byte_by_byte),
        MEMCHECK_TEST(half_a_request_behind_a_turn_full_of_them_is_waited_for),
        MEMCHECK_TEST(what_is_no_request_ends_its_connection),
        MEMCHECK_TEST(a_version_of_api_versions_from_the_future_is_answered_in_version_0),
        MEMCHECK_TEST(who_does_not_read_holds_up_nobody_but_itself),
        MEMCHECK_TEST(a_broker_that_stops_hangs_up_on_who_waits),
        MEMCHECK_TEST(a_topic_that_is_deleted_ends_the_waits_for_it),
        MEMCHECK_TEST(acks_of_all_wait_for_replicas_a_new_leader_or_their_time),
        MEMCHECK_TEST(what_was_cut_off_is_not_acknowledged_for_what_came_in_its_place),
        MEMCHECK_TEST(a_broker_that_was_just_restarted_has_no_producer_ids_yet),
        MEMCHECK_TEST(a_client_that_goes_while_its_request_waits_is_noticed),
        MEMCHECK_TEST(a_request_that_is_sent_ahead_while_another_waits_is_not_lost),
        MEMCHECK_TEST(a_cluster_ends_while_requests_wait),
        MEMCHECK_TEST(connections_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
