/* log_test.c: the log of a partition, and the memory that all logs share. */
#include "support/memcheck.h"

#include "support/batches.h"
#include "testing/log.h"
#include "wire/compress.h"
#include "wire/prim.h"
#include <string.h>

enum { EPOCH = 3 };

static int64_t now_ms = 1700000000;

/* What lies where in a batch's header. */
static int64_t base_of(const kft_batch *b)
{
    return (int64_t)kfk_prim_get_be64(b->data);
}

static int32_t epoch_of(const kft_batch *b)
{
    return (int32_t)kfk_prim_get_be32(b->data + 12);
}

static kfk_batch_header parsed(const uint8_t *data, size_t len)
{
    kfk_batch_header h;
    assert_int_equal(kfk_record_header_parse(data, len, &h, NULL), 0);
    return h;
}

/* Appends a batch that lies in a frame with `around` bytes beside it. */
static int put_in(kft_log *l, size_t around, int64_t append_time_ms, const batch_spec *spec, int64_t *base)
{
    batch_bytes bytes = {0};
    batch_append(&bytes, spec);
    kfk_block *frame = kfk_block_new(bytes.len + around);
    int code = KAFKA_ENOMEM;
    if (frame) {
        memcpy(frame->data, bytes.data, bytes.len);
        kfk_batch_header h = parsed(frame->data, bytes.len);
        code = kft_log_append(l, frame, frame->data, &h, EPOCH, append_time_ms, now_ms, base);
    }
    kfk_block_drop(frame);
    batch_free(&bytes);
    return code;
}

static int64_t put(kft_log *l, const batch_spec *spec)
{
    int64_t base = -1;
    assert_int_equal(put_in(l, 0, -1, spec, &base), 0);
    return base;
}
#define PUT(log, ...) put((log), &(batch_spec){__VA_ARGS__})

/* ---- appending --------------------------------------------------------------------------------------------------- */

static void batches_get_offsets_one_behind_the_other_and_the_leaders_epoch(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    assert_int_equal(PUT(&l, .base = 77, .count = 3), 0);
    assert_int_equal(PUT(&l, .base = 0, .count = 1), 3);
    assert_int_equal(PUT(&l, .count = 2, .tail = 4), 4); /* offsets that compaction emptied count too */
    assert_int_equal(l.end, 10);
    assert_int_equal(l.start, 0);
    assert_int_equal(l.high_watermark, 0);
    for (size_t i = 0; i < 3; i++) {
        const kft_batch *b = kft_log_at(&l, i);
        kfk_batch_header h = parsed(b->data, b->len);
        assert_int_equal(base_of(b), b->base_offset);
        assert_int_equal(epoch_of(b), EPOCH);
        assert_int_equal(kfk_batch_next_offset(&h), b->last_offset + 1);
        assert_int_equal(kfk_record_crc_check(&h, b->data, NULL), 0);
    }
    kft_log_fini(&l);
    assert_int_equal(m.bytes, 0);
}

static void a_batch_stays_where_it_came_unless_its_frame_is_much_larger(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    batch_bytes bytes = {0};
    BATCH(&bytes, .count = 1, .value_size = 1000);
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    for (size_t more = 0; more < 2; more++) { /* just a quarter, and a byte less */
        int64_t base;
        kfk_block *frame = kfk_block_new(4 * bytes.len + more);
        uint8_t *at = frame->data + 2 * bytes.len;
        size_t before = m.bytes;
        memcpy(at, bytes.data, bytes.len);
        kfk_batch_header h = parsed(at, bytes.len);
        assert_int_equal(kft_log_append(&l, frame, at, &h, EPOCH, -1, now_ms, &base), 0);
        const kft_batch *b = kft_log_at(&l, more);
        if (more == 0) {
            assert_ptr_equal(b->data, at);
            assert_int_equal(m.bytes - before, frame->cap + KFT_BATCH_OVERHEAD);
        } else {
            assert_ptr_not_equal(b->block, frame);
            assert_memory_equal(b->data + 21, bytes.data + 21, bytes.len - 21);
            assert_int_equal(m.bytes - before, bytes.len + KFT_BATCH_OVERHEAD);
            assert_int_equal(kfk_prim_get_be64(at), 0); /* what the client sent is left alone */
        }
        kfk_block_drop(frame);
    }
    kft_log_fini(&l);
    assert_int_equal(m.bytes, 0);
    batch_free(&bytes);
}

static void the_brokers_time_is_stamped_as_if_the_checksum_were_taken_anew(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    static const int sizes[] = {0, 1, 7, 64, 1000, 65536, 300001};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int64_t base, time = INT64_C(1700000000000) + (int64_t)i;
        batch_spec spec = {.count = 1 + (int)i, .value_size = sizes[i], .headers = (int)i % 3};
        assert_int_equal(put_in(&l, 0, time, &spec, &base), 0);
        const kft_batch *b = kft_log_at(&l, i);
        kfk_batch_header h = parsed(b->data, b->len);
        assert_true(kfk_batch_is_append_time(&h));
        assert_int_equal(h.max_timestamp, time);
        assert_int_equal(b->max_time, time);
        assert_int_equal(kfk_record_crc_check(&h, b->data, NULL), 0);
    }
    kft_log_fini(&l);
}

static void the_ring_of_batches_grows_while_it_wraps(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    for (int64_t i = 0; i < 400; i++) {
        assert_int_equal(PUT(&l, .count = 1), i);
        if (i % 3 == 2) kft_log_advance_start(&l, l.start + 1);
    }
    assert_int_equal(l.start, 133);
    assert_int_equal(l.count, 400 - 133);
    for (size_t i = 0; i < l.count; i++) assert_int_equal(base_of(kft_log_at(&l, i)), 133 + (int64_t)i);
    kft_log_fini(&l);
}

static void without_memory_nothing_has_changed(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kft_memory m;
        kft_log l;
        int64_t base;
        kft_memory_init(&m, SIZE_MAX);
        kft_log_init(&l, &m);
        for (int64_t expected = 0, i = 0; i < 20; i++) { /* the ring has to grow, copies have to be made */
            int code = put_in(&l, i % 2 ? 100000 : 0, -1, &(batch_spec){.count = 2}, &base);
            assert_true(code == 0 || (code == KAFKA_ENOMEM && memcheck_failed()));
            if (code == 0) assert_int_equal(base, expected);
            if (code == 0) expected += 2;
            assert_int_equal(l.end, expected);
        }
        kft_log_fini(&l);
        assert_int_equal(m.bytes, 0);
    }
}

/* ---- the cluster's memory ---------------------------------------------------------------------------------------- */

static size_t size_of(const batch_spec *spec)
{
    batch_bytes bytes = {0};
    batch_append(&bytes, spec);
    size_t len = bytes.len;
    batch_free(&bytes);
    return len;
}

static void over_the_limit_the_oldest_batches_of_all_logs_go(void **state)
{
    (void)state;
    kft_memory m;
    kft_log logs[3];
    batch_spec spec = {.count = 1, .value_size = 1000};
    size_t each = size_of(&spec) + KFT_BATCH_OVERHEAD;
    kft_memory_init(&m, 5 * each);
    for (size_t i = 0; i < 3; i++) kft_log_init(&logs[i], &m);
    static const size_t order[] = {1, 0, 0, 1, 2};
    for (size_t i = 0; i < 5; i++) put(&logs[order[i]], &spec);
    assert_int_equal(m.bytes, 5 * each);
    static const size_t loses[] = {1, 0, 0, 1, 2}; /* whoever writes, in the order of age */
    int64_t starts[3] = {0};
    for (size_t i = 0; i < 5; i++) {
        put(&logs[2], &spec);
        starts[loses[i]]++;
        for (size_t k = 0; k < 3; k++) assert_int_equal(logs[k].start, starts[k]);
        assert_int_equal(m.bytes, 5 * each);
    }
    for (size_t k = 0; k < 3; k++) assert_true(logs[k].high_watermark >= logs[k].start);
    kft_memory_set_limit(&m, 2 * each);
    assert_int_equal(m.bytes, 2 * each);
    assert_int_equal(logs[2].start, 4);
    assert_int_equal(logs[2].end, 6);
    for (size_t i = 0; i < 3; i++) kft_log_fini(&logs[i]);
    assert_int_equal(m.bytes, 0);
    assert_null(kfk_heap_min(&m.oldest));
}

static void a_batch_larger_than_the_limit_is_refused_and_nothing_goes_for_it(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    int64_t base = -1;
    batch_spec small = {.count = 1, .value_size = 100}, large = {.count = 1, .value_size = 5000};
    kft_memory_init(&m, size_of(&large) - 1);
    kft_log_init(&l, &m);
    put(&l, &small);
    assert_int_equal(put_in(&l, 0, -1, &large, &base), KAFKA_ETOOBIG);
    assert_int_equal(base, -1);
    assert_int_equal(l.start, 0);
    assert_int_equal(l.end, 1);
    /* a frame that is larger than the limit is no reason: the batch is copied out of it */
    assert_int_equal(put_in(&l, 12000, -1, &(batch_spec){.count = 1, .value_size = 4500}, &base), 0);
    assert_int_equal(base, 1);
    assert_int_equal(l.end, 2);
    assert_true(m.bytes <= m.limit);
    kft_log_fini(&l);
}

static void readers_keep_what_was_evicted(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    PUT(&l, .count = 1);
    kft_batch read = *kft_log_at(&l, 0);
    kfk_block_hold(read.block);
    kft_memory_set_limit(&m, 1);
    assert_int_equal(l.count, 0);
    assert_int_equal(l.start, 1);
    kfk_batch_header h = parsed(read.data, read.len);
    assert_int_equal(kfk_record_crc_check(&h, read.data, NULL), 0);
    assert_int_equal(m.leaving_bytes, read.block->cap); /* it still counts as long as it is read */
    assert_true(kft_memory_is_strained(&m));
    kfk_block_drop(read.block);
    assert_false(kft_memory_is_strained(&m));
    assert_int_equal(m.leaving_bytes, 0);
    kft_log_fini(&l);
    kft_memory_fini(&m);
}

/* ---- finding, deleting, cutting ---------------------------------------------------------------------------------- */

static void an_offset_is_found_in_the_batch_that_covers_it(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    assert_int_equal(kft_log_find(&l, 0), 0);
    for (int i = 1; i <= 30; i++) PUT(&l, .count = i % 4 + 1, .tail = i % 3);
    for (size_t i = 0; i < l.count; i++) {
        const kft_batch *b = kft_log_at(&l, i);
        for (int64_t o = b->base_offset; o <= b->last_offset; o++) assert_int_equal(kft_log_find(&l, o), i);
    }
    assert_int_equal(kft_log_find(&l, -5), 0);
    assert_int_equal(kft_log_find(&l, l.end), l.count);
    kft_log_fini(&l);
}

static void deleting_records_moves_the_start_into_a_batch_and_drops_whole_ones(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    for (int i = 0; i < 4; i++) PUT(&l, .count = 5);
    kft_log_advance_start(&l, 7);
    assert_int_equal(l.start, 7);
    assert_int_equal(l.count, 3);
    assert_int_equal(l.high_watermark, 7);
    kft_log_advance_start(&l, 3); /* never back */
    assert_int_equal(l.start, 7);
    kft_log_advance_start(&l, 20);
    assert_int_equal(l.count, 0);
    assert_int_equal(l.start, 20);
    assert_int_equal(l.end, 20);
    assert_int_equal(m.bytes, 0);
    assert_null(kfk_heap_min(&m.oldest));
    assert_int_equal(PUT(&l, .count = 1), 20);
    kft_log_fini(&l);
}

static void truncating_cuts_off_batches_epochs_and_the_high_watermark(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    int32_t epoch;
    int64_t end;
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    for (int32_t i = 0; i < 4; i++) {
        assert_int_equal(kft_log_begin_epoch(&l, i), 0);
        PUT(&l, .count = 10);
    }
    l.high_watermark = 35;
    kft_log_truncate(&l, 40); /* the end: nothing */
    assert_int_equal(l.end, 40);
    assert_int_equal(l.high_watermark, 35);
    kft_log_truncate(&l, 20);
    assert_int_equal(l.end, 20);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.high_watermark, 20);
    kft_log_end_of_epoch(&l, 3, &epoch, &end);
    assert_int_equal(end, -1);
    kft_log_end_of_epoch(&l, 2, &epoch, &end);
    assert_true(epoch == 2 && end == 20);
    assert_int_equal(PUT(&l, .count = 1), 20);
    kft_log_truncate(&l, 0);
    assert_int_equal(l.count, 0);
    assert_int_equal(l.end, 0);
    assert_int_equal(l.high_watermark, 0);
    assert_int_equal(m.bytes, 0);
    kft_log_fini(&l);
}

static void retention_drops_what_is_old_or_beyond_and_is_copied(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    batch_spec spec = {.count = 1, .value_size = 100};
    int64_t each = (int64_t)size_of(&spec), before = now_ms;
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    for (int i = 0; i < 5; i++) {
        spec.time_ms = now_ms = 1000 * (i + 1);
        put(&l, &spec);
    }
    kft_log_retain(&l, 0, 0, INT64_MAX / 2); /* nothing is below the high watermark */
    assert_int_equal(l.start, 0);
    l.high_watermark = l.end;
    kft_log_retain(&l, -1, -1, INT64_MAX);
    assert_int_equal(l.start, 0);
    kft_log_retain(&l, 3000, -1, 5000); /* 1000 is older than that, 2000 just not */
    assert_int_equal(l.start, 1);
    kft_log_retain(&l, -1, 3 * each, 5000);
    assert_int_equal(l.start, 2);
    kft_log_retain(&l, -1, 2 * each - 1, 5000); /* segments go while the rest is still large enough */
    assert_int_equal(l.start, 3);
    kft_log_retain(&l, -1, 1, 5000);
    assert_int_equal(l.start, 4);
    l.high_watermark = 4;
    kft_log_retain(&l, 0, 0, INT64_MAX / 2);
    assert_int_equal(l.start, 4);
    l.high_watermark = 5;
    kft_log_retain(&l, 0, -1, INT64_MAX / 2);
    assert_int_equal(l.start, 5); /* the newest, too */
    assert_int_equal(l.count, 0);
    spec.time_ms = -1; /* no times: those of appending count */
    put(&l, &spec);
    put(&l, &spec);
    l.high_watermark = l.end;
    kft_log_retain(&l, 10, -1, now_ms + 10);
    assert_int_equal(l.count, 2);
    kft_log_retain(&l, 10, -1, now_ms + 11);
    assert_int_equal(l.count, 0);
    now_ms = before;
    kft_log_fini(&l);
}

/* ---- times ------------------------------------------------------------------------------------------------------- */

typedef struct found {
    int64_t offset, time;
    int32_t epoch;
} found;

static void expect_time(const kft_log *l, int64_t wanted, int64_t limit, found expected)
{
    found f;
    assert_int_equal(kft_log_offset_for_time(l, wanted, limit, &f.offset, &f.time, &f.epoch), 0);
    assert_int_equal(f.offset, expected.offset);
    assert_int_equal(f.time, expected.time);
    assert_int_equal(f.epoch, expected.epoch);
}

static void the_first_record_that_is_young_enough_is_found(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    found f;
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    expect_time(&l, 0, INT64_MAX, (found){-1, -1, -1});
    PUT(&l, .count = 10, .time_ms = 1000);                              /* 1000 ... 1009 */
    PUT(&l, .count = 10, .time_ms = 500, .codec = batch_some_codec());  /* older, 500 ... 509 */
    PUT(&l, .count = 10, .time_ms = 2000, .codec = batch_some_codec()); /* 2000 ... 2009 */
    expect_time(&l, 0, INT64_MAX, (found){0, 1000, EPOCH});
    expect_time(&l, 1004, INT64_MAX, (found){4, 1004, EPOCH});
    expect_time(&l, 1010, INT64_MAX, (found){20, 2000, EPOCH});
    expect_time(&l, 2009, INT64_MAX, (found){29, 2009, EPOCH});
    expect_time(&l, 2009, 29, (found){-1, -1, -1}); /* readers do not see that far */
    expect_time(&l, 2010, INT64_MAX, (found){-1, -1, -1});
    kft_log_advance_start(&l, 5);
    expect_time(&l, 0, INT64_MAX, (found){5, 1005, EPOCH});
    assert_int_equal(kft_log_offset_of_max_time(&l, INT64_MAX, &f.offset, &f.time, &f.epoch), 0);
    assert_true(f.offset == 29 && f.time == 2009 && f.epoch == EPOCH);
    assert_int_equal(kft_log_offset_of_max_time(&l, 20, &f.offset, &f.time, &f.epoch), 0);
    assert_true(f.offset == 9 && f.time == 1009);
    kft_log_advance_start(&l, 30);
    assert_int_equal(kft_log_offset_of_max_time(&l, INT64_MAX, &f.offset, &f.time, &f.epoch), 0);
    assert_true(f.offset == -1 && f.time == -1 && f.epoch == -1);
    kft_log_fini(&l);
    kfk_compress_trim();
}

static void looking_for_a_time_without_memory_fails_and_works_afterwards(void **state)
{
    (void)state;
    if (batch_some_codec() == 0) return; /* nothing is inflated then */
    kft_memory m;
    kft_log l;
    found f;
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    PUT(&l, .count = 10, .codec = batch_some_codec());
    kfk_compress_trim();
    MEMCHECK_EACH_FAILURE(n)
    {
        int code = kft_log_offset_for_time(&l, 1005, INT64_MAX, &f.offset, &f.time, &f.epoch);
        assert_int_equal(code != 0, memcheck_failed());
        if (code == 0) assert_int_equal(f.offset, 5);
        kfk_compress_trim();
    }
    kft_log_fini(&l);
}

/* ---- leader epochs ----------------------------------------------------------------------------------------------- */

static void expect_end(const kft_log *l, int32_t asked, int32_t epoch, int64_t end)
{
    int32_t found_epoch;
    int64_t found_end;
    kft_log_end_of_epoch(l, asked, &found_epoch, &found_end);
    assert_int_equal(found_epoch, epoch);
    assert_int_equal(found_end, end);
}

static void an_epoch_ends_where_the_next_began(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    expect_end(&l, 0, -1, -1);
    assert_int_equal(kft_log_begin_epoch(&l, 2), 0);
    PUT(&l, .count = 4);
    assert_int_equal(kft_log_begin_epoch(&l, 5), 0); /* nothing is written in it: it leaves no trace */
    assert_int_equal(kft_log_begin_epoch(&l, 6), 0);
    PUT(&l, .count = 3);
    expect_end(&l, 1, 1, 0); /* older than all */
    expect_end(&l, 2, 2, 4);
    expect_end(&l, 4, 2, 4);
    expect_end(&l, 5, 2, 4);
    expect_end(&l, 6, 6, 7);
    expect_end(&l, 9, -1, -1); /* newer than all */
    kft_log_fini(&l);
}

static void of_too_many_epochs_the_oldest_are_forgotten(void **state)
{
    (void)state;
    kft_memory m;
    kft_log l;
    kft_memory_init(&m, SIZE_MAX);
    kft_log_init(&l, &m);
    for (int32_t epoch = 0; epoch < 20000; epoch++) {
        assert_int_equal(kft_log_begin_epoch(&l, epoch), 0);
        PUT(&l, .count = 1);
    }
    assert_in_range(l.epoch_count, 5000, 10000);
    expect_end(&l, 19999, 19999, 20000);
    expect_end(&l, 15000, 15000, 15001);
    expect_end(&l, 5, 5, l.epochs[0].start_offset); /* older than all */
    kft_log_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(batches_get_offsets_one_behind_the_other_and_the_leaders_epoch),
        MEMCHECK_TEST(a_batch_stays_where_it_came_unless_its_frame_is_much_larger),
        MEMCHECK_TEST(the_brokers_time_is_stamped_as_if_the_checksum_were_taken_anew),
        MEMCHECK_TEST(the_ring_of_batches_grows_while_it_wraps),
        MEMCHECK_TEST(without_memory_nothing_has_changed),
        MEMCHECK_TEST(over_the_limit_the_oldest_batches_of_all_logs_go),
        MEMCHECK_TEST(a_batch_larger_than_the_limit_is_refused_and_nothing_goes_for_it),
        MEMCHECK_TEST(readers_keep_what_was_evicted),
        MEMCHECK_TEST(an_offset_is_found_in_the_batch_that_covers_it),
        MEMCHECK_TEST(deleting_records_moves_the_start_into_a_batch_and_drops_whole_ones),
        MEMCHECK_TEST(truncating_cuts_off_batches_epochs_and_the_high_watermark),
        MEMCHECK_TEST(retention_drops_what_is_old_or_beyond_and_is_copied),
        MEMCHECK_TEST(the_first_record_that_is_young_enough_is_found),
        MEMCHECK_TEST(looking_for_a_time_without_memory_fails_and_works_afterwards),
        MEMCHECK_TEST(an_epoch_ends_where_the_next_began),
        MEMCHECK_TEST(of_too_many_epochs_the_oldest_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
