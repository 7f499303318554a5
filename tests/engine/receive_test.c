#include "support/memcheck.h"

#include "base/time.h"
#include "engine/receive.h"
#include "wire/prim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a stream from memory, and what comes out of the receiver ---------------------------------------------------- */

typedef struct source {
    kfk_stream stream;
    const uint8_t *at, *end;
    size_t piece; /* most bytes of one read, 0 = no limit */
    int end_with; /* once all was read: KAFKA_EAGAIN, KAFKA_EOF, or an error */
    int reads;
} source;

static int source_read(kfk_stream *s, void *buf, size_t cap, size_t *got, kfk_error *err)
{
    source *x = KFK_CONTAINER(s, source, stream);
    size_t left = (size_t)(x->end - x->at), n = left < cap ? left : cap;
    x->reads++;
    if (x->piece > 0 && n > x->piece) n = x->piece;
    if (n == 0) return x->end_with == KAFKA_EIO ? kfk_error_set(err, KAFKA_EIO, "read: it broke") : x->end_with;
    memcpy(buf, x->at, n);
    x->at += n;
    *got = n;
    return 0;
}

static const kfk_stream_ops source_ops = {.read = source_read};

enum { FRAMES = 64 };

typedef struct probe {
    kfk_op op;
    kfk_receiver receiver;
    source source;
    size_t most, at_once;
    int stop_after; /* frames, 0 = never */
    size_t count, missing, lengths[FRAMES];
    uint32_t sums[FRAMES];
    size_t caps[FRAMES];
    int code, turns;
    size_t held; /* bytes that the library had when the receiver was done */
    kfk_error error;
} probe;

static kfk_loop *loop;

static bool take_frame(void *owner, kfk_block *frame, size_t len)
{
    probe *x = owner;
    uint32_t sum = 0;
    for (size_t i = 0; frame && i < len; i++) sum = sum * 31 + frame->data[i];
    if (x->count < FRAMES) {
        x->lengths[x->count] = len;
        x->sums[x->count] = sum;
        x->caps[x->count] = frame ? frame->cap : 0;
    }
    if (!frame) x->missing++;
    x->count++;
    kfk_block_drop(frame);
    return x->stop_after == 0 || x->count < (size_t)x->stop_after;
}

static void give_limits(void *owner, size_t *most, size_t *at_once)
{
    probe *x = owner;
    *most = x->most;
    *at_once = x->at_once;
}

static void run_again(void *owner, unsigned events)
{
    probe *x = owner;
    (void)events;
    x->turns++;
    x->code = kfk_receiver_run(&x->receiver, &x->source.stream, &x->error);
    if (x->code == KAFKA_EAGAIN && x->receiver.more.node.queued) return;
    x->held = memcheck_bytes();
    kfk_receiver_fini(&x->receiver);
    kfk_op_finish_loop(loop, &x->op);
}

static void probe_run(kfk_task *t)
{
    probe *x = KFK_CONTAINER(t, probe, op.task);
    kfk_receiver_init(&x->receiver, loop, take_frame, give_limits, run_again, x);
    run_again(x, KFK_STREAM_READABLE);
}

static void probe_destroy(kfk_op *op)
{
    free(KFK_CONTAINER(op, probe, op));
}

static probe *probe_new(const void *bytes, size_t len)
{
    probe *x = calloc(1, sizeof *x);
    kfk_op_init(&x->op, probe_run, probe_destroy);
    x->source =
        (source){.stream.ops = &source_ops, .at = bytes, .end = (const uint8_t *)bytes + len, .end_with = KAFKA_EAGAIN};
    x->most = 100 * 1024 * 1024;
    x->at_once = 64 * 1024;
    return x;
}

/* Runs it in one go, and in later turns as it wishes. */
static void run(probe *x)
{
    kfk_loop_submit(loop, &x->op.task);
    assert_int_equal(kfk_op_wait(loop, &x->op, kfk_time_now_ms() + 20000), 0);
}

static void probe_free(probe *x)
{
    kfk_op_drop(&x->op);
}

static int setup(void **state)
{
    memcheck_setup(state);
    return kfk_loop_new("test", &loop, NULL);
}

static int teardown(void **state)
{
    kfk_loop_unuse(loop);
    kfk_loop_drop(loop);
    return memcheck_teardown(state);
}
#define RECEIVE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* Frames of these lengths, one behind the other, malloc'd. */
static uint8_t *make_frames(const size_t *lengths, size_t count, size_t *total)
{
    *total = 0;
    for (size_t i = 0; i < count; i++) *total += 4 + lengths[i];
    uint8_t *bytes = malloc(*total), *p = bytes;
    for (size_t i = 0; i < count; i++) {
        kfk_prim_put_be32(p, (uint32_t)lengths[i]);
        for (size_t k = 0; k < lengths[i]; k++) p[4 + k] = (uint8_t)(i * 7 + k);
        p += 4 + lengths[i];
    }
    return bytes;
}

static uint32_t sum_of_frame(size_t i, size_t len)
{
    uint32_t sum = 0;
    for (size_t k = 0; k < len; k++) sum = sum * 31 + (uint8_t)(i * 7 + k);
    return sum;
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static const size_t mixed[] = {4, 5, 100, 16380, 16384, 16385, 4, 70000, 300000, 9, 1000};
enum { MIXED = sizeof mixed / sizeof mixed[0] };

static void expect_mixed(const probe *x)
{
    assert_int_equal(x->count, MIXED);
    for (size_t i = 0; i < MIXED; i++) {
        assert_int_equal(x->lengths[i], mixed[i]);
        assert_int_equal(x->sums[i], sum_of_frame(i, mixed[i]));
    }
}

static void frames_come_out_whole_and_in_order(void **state)
{
    (void)state;
    size_t total;
    uint8_t *bytes = make_frames(mixed, MIXED, &total);
    probe *x = probe_new(bytes, total);
    run(x);
    assert_int_equal(x->code, KAFKA_EAGAIN);
    expect_mixed(x);
    probe_free(x);
    free(bytes);
}

static void a_read_that_came_back_short_is_the_last_of_a_turn(void **state)
{
    (void)state;
    size_t total;
    uint8_t *bytes = make_frames(mixed, MIXED, &total);
    probe *x = probe_new(bytes, total);
    x->source.piece = 1000;
    run(x);
    assert_int_equal(x->code, KAFKA_EAGAIN);
    assert_int_equal(x->source.reads, 1);
    probe_free(x);
    free(bytes);
}

/* One edge after the other, each with so many bytes. */
static void feed_run(kfk_task *t)
{
    probe *x = KFK_CONTAINER(t, probe, op.task);
    const uint8_t *end = x->source.end;
    size_t piece = x->source.piece;
    kfk_receiver_init(&x->receiver, loop, take_frame, give_limits, run_again, x);
    x->source.piece = 0;
    x->source.end = x->source.at;
    while (x->source.end < end) {
        x->source.end += piece < (size_t)(end - x->source.end) ? piece : (size_t)(end - x->source.end);
        x->code = kfk_receiver_run(&x->receiver, &x->source.stream, &x->error);
    }
    kfk_receiver_fini(&x->receiver);
    kfk_op_finish_loop(loop, &x->op);
}

static void frames_may_arrive_in_pieces_of_any_size(void **state)
{
    (void)state;
    size_t total;
    uint8_t *bytes = make_frames(mixed, MIXED, &total);
    static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 1000, 16383, 16384, 16385, 65536};
    for (size_t p = 0; p < sizeof sizes / sizeof sizes[0]; p++) {
        probe *x = probe_new(bytes, total);
        x->source.piece = sizes[p];
        x->op.task.run = feed_run;
        run(x);
        expect_mixed(x);
        probe_free(x);
    }
    free(bytes);
}

static void a_connection_with_much_to_say_lets_others_in_between(void **state)
{
    (void)state;
    size_t lengths[12], total;
    for (int i = 0; i < 12; i++) lengths[i] = 1024 * 1024;
    uint8_t *bytes = make_frames(lengths, 12, &total);
    probe *x = probe_new(bytes, total);
    run(x);
    assert_int_equal(x->count, 12);
    assert_true(x->turns >= 3);
    probe_free(x);
    free(bytes);
}

static void it_stops_when_a_frame_says_so(void **state)
{
    (void)state;
    size_t total;
    uint8_t *bytes = make_frames(mixed, 3, &total);
    probe *x = probe_new(bytes, total);
    x->stop_after = 2;
    run(x);
    assert_int_equal(x->code, 0);
    assert_int_equal(x->count, 2);
    probe_free(x);
    free(bytes);
}

static void the_end_of_the_stream_is_told_behind_what_came_before_it(void **state)
{
    (void)state;
    size_t total, lengths[] = {5, 16384 - 9 - 4}; /* together exactly one read: another one finds the end */
    uint8_t *bytes = make_frames(lengths, 2, &total);
    static const int ends[] = {KAFKA_EOF, KAFKA_EIO};
    for (int i = 0; i < 2; i++) {
        probe *x = probe_new(bytes, total);
        x->source.end_with = ends[i];
        run(x);
        assert_int_equal(x->count, 2);
        assert_int_equal(x->code, ends[i]);
        probe_free(x);
    }
    free(bytes);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static void refuses(const void *bytes, size_t most, const char *part)
{
    probe *x = probe_new(bytes, 4);
    size_t before = memcheck_bytes();
    x->most = most;
    run(x);
    assert_int_equal(x->code, KAFKA_EPROTO);
    assert_int_equal(x->count, 0);
    assert_int_equal(memcheck_bytes(), before);
    if (!strstr(x->error.text, part)) fail_msg("\"%s\" is not in: %s", part, x->error.text);
    probe_free(x);
}

static void lengths_that_cannot_be_are_refused_by_their_four_bytes(void **state)
{
    (void)state;
    refuses("\x7f\xff\xff\xff", 100 * 1024 * 1024, "2147483647");
    refuses("\xff\xff\xff\xfb", 100 * 1024 * 1024, "-5");
    refuses("\0\0\0\0", 1000, "0 bytes");
    refuses("\0\0\0\3", 1000, "3 bytes");
    refuses("\0\0\3\xe9", 1000, "1001");
    refuses("HTTP", 100 * 1024 * 1024, "looks like HTTP");
    refuses("\x15\x03\x03\x00", 100 * 1024 * 1024, "looks like TLS");
    refuses("\x16\x03\x01\x02", 1024 * 1024, "looks like TLS");
    refuses("SSH-", 100 * 1024 * 1024, "SSH");
}

/* The peer announces 90 MiB, sends 70 KB, and says no more. */
static void announced_bytes_cost_nothing_before_they_arrive(void **state)
{
    (void)state;
    static uint8_t bytes[4 + 70000];
    kfk_prim_put_be32(bytes, 90 * 1024 * 1024);
    probe *x = probe_new(bytes, sizeof bytes);
    size_t before = memcheck_bytes();
    run(x);
    assert_int_equal(x->code, KAFKA_EAGAIN);
    assert_int_equal(x->count, 0);
    assert_in_range(x->held, before + 70000, before + 140000);
    probe_free(x);
}

static void a_frame_up_to_what_was_asked_for_gets_its_memory_at_once(void **state)
{
    (void)state;
    size_t total, lengths[] = {200000};
    uint8_t *bytes = make_frames(lengths, 1, &total);
    probe *x = probe_new(bytes, total);
    x->at_once = 300000;
    size_t calls = memcheck_calls();
    run(x);
    assert_int_equal(x->count, 1);
    assert_int_equal(x->caps[0], 200000);
    assert_int_equal(memcheck_calls() - calls, 1);
    probe_free(x);

    x = probe_new(bytes, total); /* 64, 128, 200 KB */
    calls = memcheck_calls();
    run(x);
    assert_int_equal(x->count, 1);
    assert_int_equal(x->caps[0], 200000);
    assert_int_equal(memcheck_calls() - calls, 3);
    probe_free(x);
    free(bytes);
}

/* Of the others all bytes come as if nothing had happened. */
static void a_frame_without_memory_is_passed_over_and_told(void **state)
{
    (void)state;
    size_t total;
    uint8_t *bytes = make_frames(mixed, MIXED, &total);
    MEMCHECK_EACH_FAILURE(n)
    {
        probe *x = probe_new(bytes, total);
        run(x);
        assert_int_equal(x->code, KAFKA_EAGAIN);
        assert_int_equal(x->count, MIXED);
        assert_int_equal(x->missing, memcheck_failed());
        for (size_t i = 0; i < MIXED; i++) {
            assert_int_equal(x->lengths[i], mixed[i]);
            if (x->caps[i] > 0) assert_int_equal(x->sums[i], sum_of_frame(i, mixed[i]));
        }
        probe_free(x);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECEIVE_TEST(frames_come_out_whole_and_in_order),
        RECEIVE_TEST(a_read_that_came_back_short_is_the_last_of_a_turn),
        RECEIVE_TEST(frames_may_arrive_in_pieces_of_any_size),
        RECEIVE_TEST(a_connection_with_much_to_say_lets_others_in_between),
        RECEIVE_TEST(it_stops_when_a_frame_says_so),
        RECEIVE_TEST(the_end_of_the_stream_is_told_behind_what_came_before_it),
        RECEIVE_TEST(lengths_that_cannot_be_are_refused_by_their_four_bytes),
        RECEIVE_TEST(announced_bytes_cost_nothing_before_they_arrive),
        RECEIVE_TEST(a_frame_up_to_what_was_asked_for_gets_its_memory_at_once),
        RECEIVE_TEST(a_frame_without_memory_is_passed_over_and_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
