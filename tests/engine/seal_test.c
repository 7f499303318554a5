/* What becomes of a batch that takes no more records: checksum, compression, message sets. */
#include "support/memcheck.h"

#include "engine/appended.h"
#include "wire/record_v1.h"

enum { KIB = 1024, MIB = 1024 * KIB, SIDE = 16 };

static const appended_shape plain = {.most = 200, .large = 50, .large_bytes = 3000, .headers = true};
static const appended_shape bare = {.most = 200, .large = 50, .large_bytes = 3000};
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
#define SEAL_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* A batch of `count` messages that takes no more. */
static kfk_produce_batch *batch_of(int count, int codec, uint32_t side_size, const appended_shape *shape)
{
    kfk_produce_batch *b = kfk_produce_batch_new(slots, &nobody, KFK_SLOTS_KNOWN, codec, 0, side_size);
    assert_non_null(b);
    for (int i = 0; i < count; i++) {
        appended a;
        appended_make(&a, 0, (uint32_t)i, shape);
        assert_int_equal(kfk_produce_batch_append(b, 16 * MIB, a.timestamp, &a.m, a.side), 0);
    }
    kfk_produce_batch_close(b);
    return b;
}

static void seal(kfk_produce_batch *b)
{
    bool wanted = false;
    kfk_error err = {0};
    if (kfk_seal(b, &wanted, &err) != 0) fail_msg("%s", err.text);
    assert_false(wanted);
}

static void expect_read(const kfk_produce_batch *b, int count, const appended_shape *shape)
{
    appended_log log = {.shape = shape, .step = {1}};
    appended_read(&log, b);
    if (log.bad > 0) fail_msg("%s", log.why);
    assert_int_equal(log.messages, count);
}

/* ---- sealing ----------------------------------------------------------------------------------------------------- */

static void with_each_codec_a_sealed_batch_reads_as_it_was_appended(void **state)
{
    (void)state;
    static const int counts[] = {1, 2, 7, 100, 3000};
    for (int c = 0; c < codec_count; c++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            for (uint32_t side_size = 0; side_size <= APPENDED_SIDE; side_size += 8) {
                kfk_produce_batch *b = batch_of(counts[i], codecs[c], side_size, &plain);
                seal(b);
                expect_read(b, counts[i], &plain);
                kfk_produce_batch_free(b);
            }
}

static void the_checksum_of_the_body_is_that_of_its_parts_in_one_pass(void **state)
{
    (void)state;
    for (int c = 0; c < codec_count; c++) {
        size_t len;
        kfk_produce_batch *b = batch_of(2000, codecs[c], SIDE, &plain);
        seal(b);
        uint8_t *bytes = appended_wire(b, 1, &len);
        assert_int_equal(b->body.len, len - KFK_RECORD_HEADER);
        assert_int_equal(b->body.crc, kfk_crc32c(0, bytes + KFK_RECORD_HEADER, b->body.len));
        free(bytes);
        kfk_produce_batch_free(b);
    }
}

static void a_header_is_made_for_each_send_and_the_body_stays(void **state)
{
    (void)state;
    size_t len, again;
    kfk_produce_batch *b = batch_of(50, KFK_CODEC_NONE, 0, &plain);
    seal(b);
    uint8_t *first = appended_wire(b, 1, &len), *second = appended_wire(b, 2, &again),
            *third = appended_wire(b, 1, &again);
    assert_int_equal(len, again);
    assert_memory_not_equal(first, second, KFK_RECORD_HEADER);
    assert_memory_equal(first + KFK_RECORD_HEADER, second + KFK_RECORD_HEADER, len - KFK_RECORD_HEADER);
    assert_memory_equal(first, third, len);
    free(first);
    free(second);
    free(third);
    kfk_produce_batch_free(b);
}

static void a_batch_of_more_pieces_than_are_common_is_compressed_too(void **state)
{
    (void)state;
    static const appended_shape large = {.most = 2, .large = 1, .large_bytes = 260 * KIB};
    for (int c = 0; c < codec_count; c++) {
        kfk_produce_batch *b = batch_of(30, codecs[c], SIDE, &large);
        seal(b);
        expect_read(b, 30, &large);
        kfk_produce_batch_free(b);
    }
}

static void a_compressed_batch_is_charged_with_what_is_left_of_it(void **state)
{
    (void)state;
    for (int c = 1; c < codec_count; c++) {
        kfk_produce_batch *b = batch_of(5000, codecs[c], SIDE, &bare);
        size_t before = kfk_produce_batch_charged(b);
        assert_int_equal(kfk_slots_used(slots), before);
        seal(b);
        size_t after = kfk_produce_batch_charged(b), needed = b->body.len + 5000 * SIDE;
        assert_int_equal(kfk_slots_used(slots), after);
        assert_in_range(after, needed, needed + needed / 3 + 2 * KIB);
        assert_in_range(after, 1, before - 1);
        kfk_produce_batch_free(b);
    }
}

static void what_does_not_compress_carries_its_codec_all_the_same_and_grows_little(void **state)
{
    (void)state;
    enum { LEN = 300 * KIB };
    uint8_t *noise = malloc(LEN);
    kafka_message m = {.value = {noise, LEN}};
    for (size_t i = 0; i < LEN; i++) noise[i] = (uint8_t)appended_mix(i);
    for (int c = 1; c < codec_count; c++) {
        kfk_batch_header h;
        size_t len;
        kfk_produce_batch *b = kfk_produce_batch_new(slots, &nobody, KFK_SLOTS_KNOWN, codecs[c], 0, 0);
        assert_int_equal(kfk_produce_batch_append(b, MIB, APPENDED_NOW, &m, NULL), 0);
        kfk_produce_batch_close(b);
        seal(b);
        assert_in_range(b->body.len, LEN, b->writer.bytes + b->writer.bytes / 256 + KIB);
        uint8_t *bytes = appended_wire(b, 1, &len);
        assert_int_equal(kfk_record_header_parse(bytes, len, &h, NULL), 0);
        assert_int_equal(kfk_batch_codec(&h), codecs[c]);
        free(bytes);
        kfk_produce_batch_free(b);
    }
    free(noise);
}

static void who_waits_for_room_is_told_of_when_a_batch_becomes_smaller(void **state)
{
    (void)state;
    if (codec_count == 1) skip();
    bool wanted = false;
    kfk_produce_batch *b = batch_of(1000, codecs[1], SIDE, &bare), *none = batch_of(3, KFK_CODEC_NONE, SIDE, &bare);
    kfk_slots_wait_begin(slots);
    assert_int_equal(kfk_seal(none, &wanted, NULL), 0);
    assert_false(wanted);
    assert_int_equal(kfk_seal(b, &wanted, NULL), 0);
    assert_true(wanted);
    kfk_slots_wait_end(slots);
    kfk_produce_batch_free(b);
    kfk_produce_batch_free(none);
}

static void each_failing_allocation_leaves_the_batch_as_it_was_for_another_try(void **state)
{
    (void)state;
    for (int c = 1; c < codec_count; c++) {
        bool failed = true;
        for (size_t n = 1; failed; n++) {
            bool wanted = false;
            kfk_produce_batch *b = batch_of(3000, codecs[c], SIDE, &plain);
            size_t charged = kfk_slots_used(slots);
            kfk_slots_trim_all(slots);
            kfk_compress_trim();
            memcheck_fail_at(n);
            int rc = kfk_seal(b, &wanted, NULL);
            failed = memcheck_failed();
            memcheck_fail_at(0);
            if (rc != 0) {
                assert_int_equal(rc, KAFKA_ENOMEM);
                assert_int_equal(kfk_slots_used(slots), charged);
                seal(b);
            }
            expect_read(b, 3000, &plain);
            kfk_produce_batch_free(b);
        }
    }
}

/* ---- codecs of an application ------------------------------------------------------------------------------------ */

static int grow(const kfk_codec *self, int level, const struct iovec *src, int src_count, kfk_buf *dst, kfk_error *err)
{
    static const char more[2000];
    (void)self, (void)level;
    for (int i = 0; i < src_count; i++)
        if (kfk_buf_append(dst, src[i].iov_base, src[i].iov_len) != 0)
            return kfk_error_set(err, dst->err, "it does not fit");
    return kfk_buf_append(dst, more, sizeof more);
}

static int vanish(const kfk_codec *self, int level, const struct iovec *src, int src_count, kfk_buf *dst,
                  kfk_error *err)
{
    (void)self, (void)level, (void)src, (void)src_count, (void)dst, (void)err;
    return 0;
}

static void a_codec_that_makes_far_more_than_it_got_fails_the_batch(void **state)
{
    (void)state;
    static const kfk_codec growing = {.name = "growing", .code = 6, .compress = grow};
    bool wanted = false;
    kfk_error err = {0};
    kfk_compress_replace(6, &growing);
    kfk_produce_batch *b = batch_of(100, 6, SIDE, &plain);
    size_t charged = kfk_slots_used(slots);
    assert_int_equal(kfk_seal(b, &wanted, &err), KAFKA_ETOOBIG);
    assert_int_equal(kfk_slots_used(slots), charged);
    kfk_buf room; /* nor when a larger buffer is at hand */
    kfk_slots_scratch_take(slots, MIB, &room);
    assert_non_null(kfk_buf_reserve(&room, MIB));
    kfk_slots_scratch_give(slots, &room);
    assert_int_equal(kfk_seal(b, &wanted, &err), KAFKA_ETOOBIG);
    assert_non_null(strstr(err.text, "growing"));
    kfk_compress_replace(6, NULL);
    kfk_produce_batch_free(b);
}

static void a_codec_that_makes_nothing_makes_an_empty_body(void **state)
{
    (void)state;
    static const kfk_codec vanishing = {.name = "vanishing", .code = 6, .compress = vanish};
    kfk_compress_replace(6, &vanishing);
    kfk_produce_batch *b = batch_of(100, 6, SIDE, &plain);
    seal(b);
    assert_int_equal(b->body.len, 0);
    assert_int_equal(b->body.part_count, 0);
    kfk_side_iter sides;
    int count = 0;
    kfk_side_iter_init(&sides, b);
    while (kfk_side_iter_next(&sides) != NULL) count++;
    assert_int_equal(count, 100);
    kfk_compress_replace(6, NULL);
    kfk_produce_batch_free(b);
}

/* ---- message sets ------------------------------------------------------------------------------------------------ */

static uint8_t *set_bytes(const kfk_produce_batch *b)
{
    struct iovec *parts = calloc(b->set.part_count, sizeof *parts);
    uint8_t *bytes = malloc(b->set.len), *p = bytes;
    kfk_produce_body_parts(&b->set, parts);
    for (uint32_t i = 0; i < b->set.part_count; p += parts[i++].iov_len) memcpy(p, parts[i].iov_base, parts[i].iov_len);
    assert_int_equal(p - bytes, b->set.len);
    free(parts);
    return bytes;
}

/* Reads a set, compressed or not, as a broker of that time; `count` messages are in it. */
static void expect_set(const kfk_produce_batch *b, int8_t magic, int count)
{
    uint8_t *bytes = set_bytes(b), *p = bytes, *end = bytes + b->set.len;
    kfk_buf scratch;
    int number = 0;
    kfk_buf_init(&scratch, 16 * MIB);
    while (p < end) {
        kfk_batch_header h;
        kfk_record_iter it;
        kfk_record r;
        kfk_error err = {0};
        assert_int_equal(kfk_record_v1_parse(p, (size_t)(end - p), &h, &err), 0);
        assert_int_equal(h.magic, magic);
        assert_int_equal(kfk_batch_codec(&h), b->codec);
        if (kfk_record_v1_open(&h, p, &scratch, &it, &err) != 0) fail_msg("%s", err.text);
        for (; kfk_record_v1_next(&it, &r); number++) {
            appended a;
            appended_make(&a, 0, (uint32_t)number, &bare);
            assert_true(appended_same(r.key, a.m.key));
            assert_true(appended_same(r.value, a.m.value));
            assert_int_equal(r.timestamp, magic == 0 ? -1 : a.timestamp);
        }
        p += kfk_batch_size(&h);
    }
    assert_int_equal(number, count);
    kfk_buf_fini(&scratch);
    free(bytes);
}

static void an_old_broker_gets_the_same_records_as_a_message_set(void **state)
{
    (void)state;
    static const int counts[] = {1, 5, 3000};
    for (int c = 0; c < codec_count; c++) {
        if (codecs[c] == KFK_CODEC_ZSTD) continue;
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            for (int8_t magic = 0; magic < 2; magic++) {
                kfk_produce_batch *b = batch_of(counts[i], codecs[c], SIDE, &bare);
                seal(b);
                assert_int_equal(kfk_seal_set(b, magic, NULL), 0);
                assert_int_equal(b->set_magic, magic);
                expect_set(b, magic, counts[i]);
                expect_read(b, counts[i], &bare); /* the batch is still there for the next leader */
                assert_int_equal(kfk_slots_used(slots), kfk_produce_batch_charged(b));
                kfk_produce_batch_free(b);
            }
    }
}

static void a_set_is_made_once_for_each_format(void **state)
{
    (void)state;
    kfk_produce_batch *b = batch_of(100, KFK_CODEC_NONE, SIDE, &bare);
    seal(b);
    assert_int_equal(kfk_seal_set(b, 1, NULL), 0);
    kfk_slot *first = b->set.chain;
    assert_int_equal(kfk_seal_set(b, 1, NULL), 0);
    assert_ptr_equal(b->set.chain, first);
    assert_int_equal(kfk_seal_set(b, 0, NULL), 0);
    expect_set(b, 0, 100);
    kfk_produce_batch_free(b);
}

static void headers_and_zstd_are_too_young_for_a_message_set(void **state)
{
    (void)state;
    kfk_error err = {0};
    kfk_produce_batch *b = batch_of(100, KFK_CODEC_NONE, SIDE, &plain);
    seal(b);
    assert_int_equal(kfk_seal_set(b, 1, &err), KAFKA_EVERSION);
    assert_non_null(strstr(err.text, "headers"));
    assert_null(b->set.chain);
    kfk_produce_batch_free(b);
    if (kfk_compress_find(KFK_CODEC_ZSTD) == NULL) return;
    b = batch_of(100, KFK_CODEC_ZSTD, SIDE, &bare);
    seal(b);
    assert_int_equal(kfk_seal_set(b, 1, &err), KAFKA_EVERSION);
    assert_non_null(strstr(err.text, "zstd"));
    kfk_produce_batch_free(b);
}

static void each_failing_allocation_leaves_no_half_of_a_set(void **state)
{
    (void)state;
    int codec = codec_count > 1 ? codecs[1] : KFK_CODEC_NONE;
    kfk_produce_batch *b = batch_of(3000, codec, SIDE, &bare);
    seal(b);
    size_t charged = kfk_slots_used(slots);
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        kfk_slots_trim_all(slots);
        kfk_compress_trim();
        memcheck_fail_at(n);
        int rc = kfk_seal_set(b, 1, NULL);
        failed = memcheck_failed();
        memcheck_fail_at(0);
        if (rc == 0) continue;
        assert_int_equal(rc, KAFKA_ENOMEM);
        assert_null(b->set.chain);
        assert_int_equal(kfk_slots_used(slots), charged);
    }
    expect_set(b, 1, 3000);
    kfk_produce_batch_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEAL_TEST(with_each_codec_a_sealed_batch_reads_as_it_was_appended),
        SEAL_TEST(the_checksum_of_the_body_is_that_of_its_parts_in_one_pass),
        SEAL_TEST(a_header_is_made_for_each_send_and_the_body_stays),
        SEAL_TEST(a_batch_of_more_pieces_than_are_common_is_compressed_too),
        SEAL_TEST(a_compressed_batch_is_charged_with_what_is_left_of_it),
        SEAL_TEST(what_does_not_compress_carries_its_codec_all_the_same_and_grows_little),
        SEAL_TEST(who_waits_for_room_is_told_of_when_a_batch_becomes_smaller),
        SEAL_TEST(each_failing_allocation_leaves_the_batch_as_it_was_for_another_try),
        SEAL_TEST(a_codec_that_makes_far_more_than_it_got_fails_the_batch),
        SEAL_TEST(a_codec_that_makes_nothing_makes_an_empty_body),
        SEAL_TEST(an_old_broker_gets_the_same_records_as_a_message_set),
        SEAL_TEST(a_set_is_made_once_for_each_format),
        SEAL_TEST(headers_and_zstd_are_too_young_for_a_message_set),
        SEAL_TEST(each_failing_allocation_leaves_no_half_of_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
