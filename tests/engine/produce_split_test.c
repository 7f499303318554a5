/* One batch becomes several: because it is too large, because some of its records are refused, because of headers. */
#include "support/memcheck.h"

#include "engine/appended.h"

enum { MIB = 1 << 20, SIDE = 16, COUNT = 1000 };

static const appended_shape shape = {.most = 200, .large = 50, .large_bytes = 3000, .headers = true};
static kfk_slots *slots;
static kfk_accum nobody;
static int codecs[5], codec_count;

static int setup(void **state)
{
    codec_count = appended_codecs(codecs);
    int rc = memcheck_setup(state);
    return rc != 0 ? rc : kfk_slots_new(64 * MIB, sizeof(kfk_produce_batch), &slots);
}

static int teardown(void **state)
{
    size_t used = kfk_slots_used(slots);
    kfk_slots_drop(slots);
    kfk_compress_trim();
    int rc = memcheck_teardown(state);
    return rc != 0 ? rc : used != 0;
}
#define SPLIT_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static kfk_produce_batch *batch_of(int count, int codec, uint32_t side_size)
{
    kfk_produce_batch *b = kfk_produce_batch_new(slots, &nobody, KFK_SLOTS_KNOWN, codec, 0, side_size);
    assert_non_null(b);
    b->accepted_ms = 99;
    for (int i = 0; i < count; i++) {
        appended a;
        appended_make(&a, 0, (uint32_t)i, &shape);
        assert_int_equal(kfk_produce_batch_append(b, 16 * MIB, a.timestamp, &a.m, a.side), 0);
    }
    kfk_produce_batch_close(b);
    return b;
}

static void seal(kfk_produce_batch *b)
{
    bool wanted;
    kfk_error err = {0};
    if (kfk_seal(b, &wanted, &err) != 0) fail_msg("%s", err.text);
}

/* Seals a part, reads it, frees it. How many messages it holds; none when it is NULL. */
static int64_t take_part(appended_log *log, kfk_produce_batch *part, const kfk_produce_batch *whole)
{
    int64_t before = log->messages;
    if (part == NULL) return 0;
    assert_int_equal(part->state, KFK_PRODUCE_SEALING);
    assert_int_equal(part->codec, whole->codec);
    assert_int_equal(part->accepted_ms, 99);
    assert_ptr_equal(part->accum, whole->accum);
    seal(part);
    appended_read(log, part);
    if (log->bad > 0) fail_msg("%s", log->why);
    kfk_produce_batch_free(part);
    return log->messages - before;
}

/* Parts that follow each other hold everything in order. */
static void halves_hold_everything_in_order_and_about_the_same(void **state)
{
    (void)state;
    for (int c = 0; c < codec_count; c++) {
        kfk_produce_batch *b = batch_of(COUNT, codecs[c], SIDE), *parts[2];
        appended_log log = {.shape = &shape, .step = {1}};
        seal(b);
        assert_int_equal(kfk_produce_batch_halve(b, parts, NULL), 0);
        assert_in_range(parts[0]->writer.bytes, b->writer.bytes / 2 - 4000, b->writer.bytes / 2 + 4000);
        assert_int_equal(parts[0]->payload + parts[1]->payload, b->payload);
        take_part(&log, parts[0], b);
        take_part(&log, parts[1], b);
        assert_int_equal(log.messages, COUNT);
        kfk_produce_batch_free(b);
    }
}

static void two_records_become_one_and_one_however_unequal(void **state)
{
    (void)state;
    for (int first_large = 0; first_large < 2; first_large++) {
        kafka_message small = {.value = {"v", 1}}, large = {.value = {appended_pool(), 10000}};
        kfk_produce_batch *parts[2], *b = kfk_produce_batch_new(slots, &nobody, KFK_SLOTS_KNOWN, 0, 0, 0);
        assert_int_equal(kfk_produce_batch_append(b, MIB, 1, first_large ? &large : &small, NULL), 0);
        assert_int_equal(kfk_produce_batch_append(b, MIB, 2, first_large ? &small : &large, NULL), 0);
        kfk_produce_batch_close(b);
        seal(b);
        assert_int_equal(kfk_produce_batch_halve(b, parts, NULL), 0);
        assert_int_equal(kfk_produce_batch_count(parts[0]), 1);
        assert_int_equal(kfk_produce_batch_count(parts[1]), 1);
        for (int i = 0; i < 2; i++) kfk_produce_batch_free(parts[i]);
        kfk_produce_batch_free(b);
    }
}

static void halving_goes_on_until_there_are_single_records(void **state)
{
    (void)state;
    kfk_produce_batch *work[64] = {batch_of(37, codecs[codec_count - 1], SIDE)};
    appended_log log = {.shape = &shape, .step = {1}};
    size_t count = 1;
    while (count > 0) { /* a stack with the earliest on top */
        kfk_produce_batch *b = work[--count], *parts[2];
        seal(b);
        if (kfk_produce_batch_count(b) == 1) {
            appended_read(&log, b);
        } else {
            assert_int_equal(kfk_produce_batch_halve(b, parts, NULL), 0);
            work[count++] = parts[1];
            work[count++] = parts[0];
        }
        kfk_produce_batch_free(b);
    }
    if (log.bad > 0) fail_msg("%s", log.why);
    assert_int_equal(log.messages, 37);
    assert_int_equal(log.batches, 37);
}

static void records_that_are_named_come_out_and_the_others_keep_their_order(void **state)
{
    (void)state;
    static const int32_t named[] = {-5, 0, 0, 3, 4, 500, COUNT - 1, COUNT, INT32_MAX};
    for (int c = 0; c < codec_count; c++) {
        kfk_produce_batch *b = batch_of(COUNT, codecs[c], SIDE), *parts[2];
        appended_log rest = {.shape = &shape}, out = {.shape = &shape};
        seal(b);
        assert_int_equal(kfk_produce_batch_pick(b, named, sizeof named / sizeof *named, parts, 2, NULL), 0);
        assert_int_equal(take_part(&rest, parts[0], b), COUNT - 5);
        assert_int_equal(take_part(&out, parts[1], b), 5);
        assert_int_equal(rest.next[0], COUNT - 1);
        assert_int_equal(out.next[0], COUNT);
        kfk_produce_batch_free(b);
    }
}

static void records_that_are_named_are_parted_in_runs_as_far_as_there_are_places(void **state)
{
    (void)state;
    static const int32_t named[] = {0, 3, 4, 8};
    static const int64_t counts[] = {0, 1, 2, 2, 3, 1, 1}, fewer[] = {0, 1, 3 + 2 + 1, 2 + 1};
    kfk_produce_batch *b = batch_of(10, KFK_CODEC_NONE, SIDE), *parts[8];
    seal(b);
    assert_int_equal(kfk_produce_batch_pick(b, named, 4, parts, 8, NULL), 0);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(parts[i] != NULL ? kfk_produce_batch_count(parts[i]) : 0, counts[i]);
        kfk_produce_batch_free(parts[i]);
    }
    assert_null(parts[7]);
    assert_int_equal(kfk_produce_batch_pick(b, named, 4, parts, 4, NULL), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(parts[i] != NULL ? kfk_produce_batch_count(parts[i]) : 0, fewer[i]);
        kfk_produce_batch_free(parts[i]);
    }
    kfk_produce_batch_free(b);
}

static void a_part_without_records_is_none(void **state)
{
    (void)state;
    static const int32_t all[] = {0, 1, 2};
    kfk_produce_batch *b = batch_of(3, KFK_CODEC_NONE, SIDE), *parts[2];
    appended_log log = {.shape = &shape, .step = {1}};
    seal(b);
    assert_int_equal(kfk_produce_batch_pick(b, NULL, 0, parts, 2, NULL), 0);
    assert_null(parts[1]);
    assert_int_equal(take_part(&log, parts[0], b), 3);
    assert_int_equal(kfk_produce_batch_pick(b, all, 3, parts, 2, NULL), 0);
    assert_null(parts[0]);
    kfk_produce_batch_free(parts[1]);
    kfk_produce_batch_free(b);
}

static void records_with_headers_are_parted_from_those_without(void **state)
{
    (void)state;
    kfk_produce_batch *b = batch_of(COUNT, KFK_CODEC_NONE, SIDE), *parts[2];
    appended_log log = {.shape = &shape};
    seal(b);
    assert_int_equal(kfk_produce_batch_part_headers(b, parts, 2, NULL), 0);
    seal(parts[0]);
    assert_int_equal(kfk_seal_set(parts[0], 1, NULL), 0); /* now it can be written as a set */
    int64_t without = take_part(&log, parts[0], b);
    log.next[0] = 0;
    int64_t with = take_part(&log, parts[1], b);
    assert_int_equal(without + with, COUNT);
    assert_in_range(with, COUNT / 3, COUNT * 2 / 3);
    kfk_produce_batch_free(b);
}

static size_t pick_third(void *context, int32_t i, const kfk_record *r)
{
    (void)context, (void)r;
    return (size_t)i % 3;
}

static void a_batch_that_was_never_sealed_is_distributed_as_well(void **state)
{
    (void)state;
    kfk_produce_batch *b = batch_of(COUNT, KFK_CODEC_NONE, APPENDED_SIDE), *parts[3];
    appended_log log = {.shape = &shape, .step = {3}};
    assert_int_equal(kfk_produce_batch_distribute(b, pick_third, NULL, parts, 3, NULL), 0);
    for (uint32_t i = 0; i < 3; i++) {
        log.next[0] = i;
        assert_in_range(take_part(&log, parts[i], b), COUNT / 3, COUNT / 3 + 1);
    }
    kfk_produce_batch_free(b);
}

static void the_memory_of_parts_is_had_also_when_the_budget_is_used_up(void **state)
{
    (void)state;
    kfk_produce_batch *b = batch_of(COUNT, KFK_CODEC_NONE, SIDE), *parts[2];
    size_t rest = kfk_slots_limit(slots) - kfk_slots_used(slots) - 100;
    kfk_slot *all, *more;
    assert_int_equal(kfk_slots_take(slots, KFK_SLOTS_KNOWN, 0, rest, rest, &all), 0);
    assert_int_equal(kfk_slots_take(slots, KFK_SLOTS_KNOWN, 0, 10, 10, &more), KAFKA_EAGAIN);
    assert_int_equal(kfk_produce_batch_halve(b, parts, NULL), 0);
    assert_in_range(kfk_slots_used(slots), kfk_slots_limit(slots) + 1, 2 * kfk_slots_limit(slots));
    kfk_slots_give(slots, all);
    for (int i = 0; i < 2; i++) kfk_produce_batch_free(parts[i]);
    kfk_produce_batch_free(b);
}

static int vanish(const kfk_codec *self, int level, const struct iovec *src, int src_count, kfk_buf *dst,
                  kfk_error *err)
{
    (void)self, (void)level, (void)src, (void)src_count, (void)err;
    return kfk_buf_append(dst, "nothing", 7);
}

static int appear(const kfk_codec *self, const void *src, size_t len, kfk_buf *dst, kfk_error *err)
{
    (void)self, (void)err;
    return kfk_buf_append(dst, src, len);
}

static void what_a_codec_does_not_read_again_is_an_error_and_nothing_else(void **state)
{
    (void)state;
    static const kfk_codec lossy = {.name = "lossy", .code = 6, .compress = vanish, .decompress = appear};
    kfk_error err = {0};
    kfk_compress_replace(6, &lossy);
    kfk_produce_batch *b = batch_of(COUNT, 6, SIDE), *parts[2];
    seal(b);
    assert_int_equal(kfk_produce_batch_halve(b, parts, &err), KAFKA_ECORRUPT);
    assert_null(parts[0]);
    assert_null(parts[1]);
    kfk_compress_replace(6, NULL);
    assert_int_equal(kfk_produce_batch_halve(b, parts, &err), KAFKA_ECODEC);
    kfk_produce_batch_free(b);
}

static void each_failing_allocation_makes_no_part_at_all(void **state)
{
    (void)state;
    for (int c = 0; c < codec_count; c++) {
        kfk_produce_batch *b = batch_of(COUNT, codecs[c], SIDE), *parts[2];
        seal(b);
        size_t charged = kfk_slots_used(slots);
        bool failed = true;
        for (size_t n = 1; failed; n++) {
            kfk_slots_trim_all(slots);
            kfk_compress_trim();
            memcheck_fail_at(n);
            int rc = kfk_produce_batch_halve(b, parts, NULL);
            failed = memcheck_failed();
            memcheck_fail_at(0);
            assert_int_equal(rc, failed ? KAFKA_ENOMEM : 0);
            assert_int_equal(parts[0] == NULL, failed);
            assert_int_equal(parts[1] == NULL, failed);
            for (int i = 0; i < 2; i++) kfk_produce_batch_free(parts[i]);
            assert_int_equal(kfk_slots_used(slots), charged);
        }
        kfk_produce_batch_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPLIT_TEST(halves_hold_everything_in_order_and_about_the_same),
        SPLIT_TEST(two_records_become_one_and_one_however_unequal),
        SPLIT_TEST(halving_goes_on_until_there_are_single_records),
        SPLIT_TEST(records_that_are_named_come_out_and_the_others_keep_their_order),
        SPLIT_TEST(records_that_are_named_are_parted_in_runs_as_far_as_there_are_places),
        SPLIT_TEST(a_part_without_records_is_none),
        SPLIT_TEST(records_with_headers_are_parted_from_those_without),
        SPLIT_TEST(a_batch_that_was_never_sealed_is_distributed_as_well),
        SPLIT_TEST(the_memory_of_parts_is_had_also_when_the_budget_is_used_up),
        SPLIT_TEST(what_a_codec_does_not_read_again_is_an_error_and_nothing_else),
        SPLIT_TEST(each_failing_allocation_makes_no_part_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
