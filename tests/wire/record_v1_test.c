/* Message sets as Java made them, as hands made them, and as they may come from somebody who means no good. */
#include "support/memcheck.h"

#include "support/message_sets.h"
#include "wire/compress.h"
#include "wire/golden_sets.h"
#include "wire/helpers.h"
#include "wire/prim.h"
#include "wire/record_v1.h"

enum { AT_SIZE = 8, AT_CRC = 12, AT_MAGIC = 16, AT_ATTRIBUTES = 17, AT_KEY_V0 = 18, AT_KEY_V1 = 26 };

static void expect_records(const char *what, const uint8_t *p, size_t len, const char *records)
{
    kfk_buf text;
    kfk_error err = {0};
    int rc = sets_print_all(p, len, true, &text, &err);
    if (rc != 0) fail_msg("%s: %s", what, err.text);
    if (strcmp((char *)text.data, records) != 0) fail_msg("%s: %s instead of %s", what, (char *)text.data, records);
    kfk_buf_fini(&text);
}

static void the_sets_of_java_are_read_as_java_reads_them(void **state)
{
    (void)state;
    int read = 0;
    for (size_t i = 0; i < golden_set_count; i++) {
        if (golden_sets[i].records[0] == '\0' || !golden_set_readable(&golden_sets[i])) continue;
        expect_records(golden_sets[i].name, golden_sets[i].bytes, golden_sets[i].len, golden_sets[i].records);
        read++;
    }
    assert_in_range(read, 7, 100);
    kfk_compress_trim();
}

/* As DumpMessageSets.java made them. */
static void expect_large(const golden_set *s, const uint8_t *p, size_t len)
{
    kfk_batch_header h;
    kfk_record_iter it;
    kfk_record r;
    kfk_buf inflated;
    kfk_error err = {0};
    kfk_buf_init(&inflated, SIZE_MAX);
    assert_int_equal(kfk_record_v1_parse(p, len, &h, &err), 0);
    assert_int_equal(kfk_batch_size(&h), len);
    if (kfk_record_v1_open(&h, p, &inflated, &it, &err) != 0) fail_msg("%s: %s", s->name, err.text);
    for (int i = 0; i < 12; i++) {
        char key[32], line[80];
        assert_true(kfk_record_v1_next(&it, &r));
        snprintf(key, sizeof key, "key-%d", i);
        size_t n = (size_t)snprintf(line, sizeof line, "line %d of a set larger than a block of any codec", i);
        assert_int_equal(r.offset, 7 + i);
        assert_int_equal(r.timestamp, h.magic == 0 ? -1 : 1700000000000 + i);
        assert_int_equal(r.key.len, strlen(key));
        assert_memory_equal(r.key.data, key, r.key.len);
        assert_int_equal(r.value.len, 200 * n);
        for (size_t k = 0; k < 200; k++) assert_memory_equal((const char *)r.value.data + k * n, line, n);
    }
    assert_false(kfk_record_v1_next(&it, &r));
    kfk_buf_fini(&inflated);
}

static void sets_of_several_blocks_are_read_in_every_codec(void **state)
{
    (void)state;
    for (size_t i = 0; i < golden_set_count; i++) {
        if (strncmp(golden_sets[i].name, "large", 5) == 0 && golden_set_readable(&golden_sets[i]))
            expect_large(&golden_sets[i], golden_sets[i].bytes, golden_sets[i].len);
    }
    kfk_compress_trim();
}

/* ---- by hand ----------------------------------------------------------------------------------------------------- */

static batch_bytes log_;

static int teardown(void **state)
{
    batch_free(&log_);
    kfk_compress_trim();
    return memcheck_teardown(state);
}
#define SET_TEST(function) cmocka_unit_test_setup_teardown(function, memcheck_setup, teardown)

static void expect_damage(const char *part)
{
    kfk_buf text;
    kfk_error err = {0};
    int rc = sets_print_all(log_.data, log_.len, true, &text, &err);
    if (rc != KAFKA_ECORRUPT || strstr(err.text, part) == NULL)
        fail_msg("%d, not %d with \"%s\": %s", rc, KAFKA_ECORRUPT, part, err.text);
    if (text.len > 0) fail_msg("records came out: %s", (char *)text.data);
    kfk_buf_fini(&text);
    log_.len = 0;
}

static void inner_offsets_are_absolute_in_format_0_and_relative_in_format_1(void **state)
{
    (void)state;
    static const char v0[] = "70 -1 -1 - '763730\n75 -1 -1 - '763735\n",
                      v1[] = "70 1000 0 - '763730\n75 1001 0 - '763735\n";
    int codec = set_some_codec();
    SET(&log_, .magic = 0, .first = 70, .count = 2, .step = 5, .codec = codec);
    expect_records("format 0", log_.data, log_.len, v0);
    log_.len = 0;
    SET(&log_, .magic = 1, .first = 70, .count = 2, .step = 5, .codec = codec);
    expect_records("format 1", log_.data, log_.len, v1);
    log_.len = 0;
    SET(&log_, .magic = 1, .first = 70, .count = 2, .step = 5, .codec = codec, .absolute = true);
    expect_records("format 1 with absolute offsets", log_.data, log_.len, v1);
}

/* The cleaner keeps relative offsets as they are, so the first one need not be 0. */
static void what_the_cleaner_left_of_a_set_keeps_its_offsets(void **state)
{
    (void)state;
    if (set_some_codec() == 0) return;
    batch_bytes inside = {0};
    MESSAGE(&inside, .magic = 1, .offset = 3, .time_ms = 1, .value = KAFKA_LIT("a"));
    MESSAGE(&inside, .magic = 1, .offset = 7, .time_ms = 2, .value = KAFKA_LIT("b"));
    set_wrap(&log_, 1, set_some_codec(), 107, &inside);
    expect_records("cleaned", log_.data, log_.len, "103 1 0 - '61\n107 2 0 - '62\n");
    batch_free(&inside);
}

static void a_wrapper_with_the_brokers_time_gives_it_to_all_inside(void **state)
{
    (void)state;
    static const char text[] = "0 5000 1 - '7630\n1 5000 1 - '7631\n";
    SET(&log_, .magic = 1, .count = 2, .codec = set_some_codec(), .append_time = true);
    expect_records("broker's time", log_.data, log_.len, text);
    log_.len = 0;
    SET(&log_, .magic = 1, .count = 2, .append_time = true);
    expect_records("without a wrapper", log_.data, log_.len, text);
}

static void bits_of_the_attributes_that_mean_nothing_are_passed_over(void **state)
{
    (void)state;
    MESSAGE(&log_, .magic = 0, .attributes = 0xf8, .offset = 0, .value = KAFKA_LIT("a")); /* format 0 has no clock */
    MESSAGE(&log_, .magic = 1, .attributes = 0xf0, .offset = 1, .time_ms = 9, .value = KAFKA_LIT("b"));
    expect_records("spare bits", log_.data, log_.len, "0 -1 -1 - '61\n1 9 0 - '62\n");
}

static void a_header_says_what_a_message_has_and_nothing_of_transactions(void **state)
{
    (void)state;
    kfk_batch_header h;
    MESSAGE(&log_, .magic = 1, .attributes = 0xf8, .offset = 41, .time_ms = 77, .value = KAFKA_LIT("abc"));
    assert_int_equal(kfk_record_v1_parse(log_.data, log_.len, &h, NULL), 0);
    assert_true(h.magic == 1 && h.base_offset == 41 && kfk_batch_next_offset(&h) == 42 && h.max_timestamp == 77);
    assert_true(kfk_batch_size(&h) == log_.len && h.record_count == 1 && kfk_batch_is_append_time(&h));
    assert_false(kfk_batch_is_transactional(&h) || kfk_batch_is_control(&h));
    assert_true(h.leader_epoch == -1 && h.producer_id == -1 && kfk_batch_delete_horizon(&h) == -1);
    BATCH(&log_, .base = 5, .count = 1);
    assert_int_equal(kfk_record_v1_parse(log_.data + kfk_batch_size(&h), log_.len - kfk_batch_size(&h), &h, NULL),
                     KAFKA_EVERSION);
}

static void a_message_that_is_cut_off_says_how_long_it_is(void **state)
{
    (void)state;
    MESSAGE(&log_, .magic = 1, .offset = 41, .time_ms = 77, .key = KAFKA_LIT("k"), .value = KAFKA_LIT("abc"));
    for (size_t len = 0; len < log_.len; len++) {
        kfk_batch_header h;
        kfk_error err = {0};
        assert_int_equal(kfk_record_v1_parse(log_.data, len, &h, &err), KAFKA_EUNEXPECTED_EOF);
        assert_int_equal(err.code, KAFKA_EUNEXPECTED_EOF);
        assert_int_equal(h.batch_length, len < 12 ? -1 : (int)log_.len - 12);
    }
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static void wrappers_do_not_nest(void **state)
{
    (void)state;
    if (set_some_codec() == 0) return;
    batch_bytes inside = {0};
    SET(&inside, .magic = 1, .first = 0, .count = 2, .codec = set_some_codec());
    set_wrap(&log_, 1, set_some_codec(), 10, &inside);
    expect_damage("compressed once more");
    batch_free(&inside);
}

static void a_wrapper_has_a_set_inside(void **state)
{
    (void)state;
    batch_bytes empty = {0};
    if (set_some_codec() == 0) return;
    MESSAGE(&log_, .attributes = (uint8_t)set_some_codec(), .offset = 3);
    expect_damage("no value");
    MESSAGE(&log_, .attributes = (uint8_t)set_some_codec(), .offset = 3, .value = KAFKA_LIT(""));
    expect_damage("message set at offset 3");
    MESSAGE(&log_, .attributes = (uint8_t)set_some_codec(), .offset = 3, .value = KAFKA_LIT("no codec made this"));
    expect_damage("message set at offset 3");
    set_wrap(&log_, 1, set_some_codec(), 10, &empty);
    expect_damage("empty");
}

static void a_set_inside_is_whole(void **state)
{
    (void)state;
    if (set_some_codec() == 0) return;
    batch_bytes inside = {0};
    SET(&inside, .magic = 1, .first = 0, .count = 2);
    size_t whole = inside.len;
    for (inside.len = 1; inside.len < whole; inside.len++) {
        if (inside.len == whole / 2) continue; /* the first message is whole */
        set_wrap(&log_, 1, set_some_codec(), 10, &inside);
        expect_damage("message set at offset 10");
    }
    batch_free(&inside);
}

static void offsets_inside_increase_and_lead_to_that_of_the_wrapper(void **state)
{
    (void)state;
    static const struct {
        int magic;
        int64_t offsets[2], wrapper;
        const char *why;
    } rows[] = {
        {0, {9, 9}, 9, "does not increase"},    {0, {9, 8}, 9, "does not increase"},
        {1, {0, 0}, 9, "does not increase"},    {1, {1, 0}, 9, "does not increase"},
        {1, {-1, 0}, 9, "does not increase"},   {0, {INT64_MIN, 9}, 9, "does not increase"},
        {0, {8, 10}, 9, "has offset 10"},       {1, {0, 10}, 9, "has offset 10"},
        {0, {7, 8}, 9, "has offset 8"},         {0, {0, 1}, 9, "has offset 1"},
        {1, {0, INT64_MAX}, 9, "has offset 9"},
    };
    if (set_some_codec() == 0) return;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        batch_bytes inside = {0};
        for (int k = 0; k < 2; k++) MESSAGE(&inside, .magic = rows[i].magic, .offset = rows[i].offsets[k]);
        set_wrap(&log_, rows[i].magic, set_some_codec(), rows[i].wrapper, &inside);
        expect_damage(rows[i].why);
        batch_free(&inside);
    }
}

static void there_are_offsets_that_no_message_has(void **state)
{
    (void)state;
    MESSAGE(&log_, .magic = 0, .offset = -1);
    expect_damage("no such offset");
    MESSAGE(&log_, .magic = 1, .offset = INT64_MAX);
    expect_damage("no such offset");
}

static void sizes_that_cannot_be_are_found_under_a_crc_that_is_right(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0x7fffffff, 0x80000000, 0xfffffffe, 2, 4, 0xffffffff};
    for (int magic = 0; magic < 2; magic++) {
        size_t key = magic == 0 ? AT_KEY_V0 : AT_KEY_V1;
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            for (size_t at = key; at <= key + 7; at += 7) { /* of the key, of the value */
                MESSAGE(&log_, .magic = magic, .key = KAFKA_LIT("key"), .value = KAFKA_LIT("value"));
                kfk_prim_put_be32(log_.data + at, lengths[i]);
                message_seal(&log_, 0);
                expect_damage("message at offset 0");
            }
        }
    }
    for (uint32_t size = 0; size < 22; size++) { /* too small for a message of format 1 */
        MESSAGE(&log_, .magic = 1);
        kfk_prim_put_be32(log_.data + AT_SIZE, size);
        expect_damage(size < 14 ? "impossible length" : "size is impossible");
    }
}

static void inside_too(void **state)
{
    (void)state;
    if (set_some_codec() == 0) return;
    static const struct {
        size_t at;
        uint32_t value;
        const char *why;
        bool seal;
    } rows[] = {
        {AT_SIZE, 0x7fffffff, "longer than what is left", false},
        {AT_SIZE, 0x80000000, "size is impossible", false},
        {AT_SIZE, 13, "size is impossible", false},
        {AT_SIZE, 14, "key has an impossible length", false},
        {AT_CRC, 0, "CRC is wrong", false},
        {AT_MAGIC, 0x02000000, "magic is neither", true},
        {AT_MAGIC, 0xff000000, "magic is neither", true},
        {AT_KEY_V1, 0x7fffffff, "key has an impossible length", true},
        {AT_KEY_V1, 0xfffffffe, "key has an impossible length", true},
        {AT_KEY_V1 + 4, 0x7fffffff, "value has an impossible length", true},
        {AT_KEY_V1 + 4, 0xfffffffe, "value has an impossible length", true},
        {AT_KEY_V1 + 4, 0xffffffff, "left over", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        batch_bytes inside = {0};
        size_t second = 0;
        for (int k = 0; k < 2; k++) second = MESSAGE(&inside, .magic = 1, .offset = k, .value = KAFKA_LIT("xyz"));
        kfk_prim_put_be32(inside.data + second + rows[i].at, rows[i].value);
        if (rows[i].seal) message_seal(&inside, second);
        set_wrap(&log_, 1, set_some_codec(), 1, &inside);
        expect_damage(rows[i].why);
        batch_free(&inside);
    }
}

static void codecs_that_a_set_cannot_have_are_told(void **state)
{
    (void)state;
    kfk_batch_header h;
    kfk_buf text;
    for (int magic = 0; magic < 2; magic++) {
        batch_bytes inside = {0};
        SET(&inside, .magic = magic, .count = 1);
        MESSAGE(&log_, .magic = magic, .attributes = KFK_CODEC_ZSTD, .value = {inside.data, inside.len});
        expect_damage("zstd");
        for (uint8_t codec = 5; codec < 8; codec++) {
            kfk_error err = {0};
            MESSAGE(&log_, .magic = magic, .attributes = codec, .value = {inside.data, inside.len});
            kfk_buf_init(&text, SIZE_MAX);
            assert_int_equal(sets_print_unit(log_.data, log_.len, &h, SIZE_MAX, true, &text, &err), KAFKA_ECODEC);
            kfk_buf_fini(&text);
            log_.len = 0;
        }
        batch_free(&inside);
    }
}

/* A byte of a message's offset is not covered by its CRC: then all of the unit is elsewhere, and nothing else is
 * different. Everything else is found. */
static void each_damaged_byte_is_found_or_changes_an_offset_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < golden_set_count; i++) {
        golden_set *s = &golden_sets[i];
        kfk_buf good, got;
        if (s->len > 700 || !golden_set_readable(s) || strcmp(s->name, "mixed") == 0) continue;
        assert_int_equal(sets_print_all(s->bytes, s->len, false, &good, NULL), 0);
        for (size_t at = 0; at < s->len; at++) {
            for (int bit = 0; bit < 8; bit++) {
                s->bytes[at] ^= (uint8_t)(1 << bit);
                int rc = sets_print_all(s->bytes, s->len, false, &got, NULL);
                bool prefix = got.len <= good.len && (got.len == 0 || memcmp(got.data, good.data, got.len) == 0);
                bool told = rc == KAFKA_ECORRUPT || rc == KAFKA_EUNEXPECTED_EOF || (rc == 0 && got.len == good.len);
                if (!prefix || !told) fail_msg("%s: byte %zu, bit %d: %d", s->name, at, bit, rc);
                kfk_buf_fini(&got);
                s->bytes[at] ^= (uint8_t)(1 << bit);
            }
        }
        kfk_buf_fini(&good);
    }
}

/* Bytes of a set inside a wrapper whose own CRC, and compression, are made right again. */
static void each_damaged_byte_inside_is_found_before_a_record_comes_out(void **state)
{
    (void)state;
    if (set_some_codec() == 0) return;
    batch_bytes inside = {0};
    SET(&inside, .magic = 1, .count = 3);
    for (size_t at = 0; at < inside.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            kfk_buf got;
            inside.data[at] ^= (uint8_t)(1 << bit);
            set_wrap(&log_, 1, set_some_codec(), 1000, &inside);
            int rc = sets_print_all(log_.data, log_.len, false, &got, NULL);
            if (rc != KAFKA_ECORRUPT && at % (inside.len / 3) >= AT_SIZE) fail_msg("byte %zu, bit %d: %d", at, bit, rc);
            if (rc != 0) assert_int_equal(got.len, 0);
            kfk_buf_fini(&got);
            inside.data[at] ^= (uint8_t)(1 << bit);
            log_.len = 0;
        }
    }
    batch_free(&inside);
}

static void nothing_is_read_behind_the_end(void **state)
{
    (void)state;
    kfk_rand rand = seeded();
    guarded g = guarded_new(4096);
    for (int round = 0; round < 20000; round++) {
        kfk_batch_header h;
        kfk_buf text;
        size_t len = kfk_rand_next(&rand) % 80;
        uint8_t *p = guarded_put(&g, NULL, len);
        random_bytes(&rand, p, len);
        if (len > AT_ATTRIBUTES) { /* what would be turned down at once is made likely */
            p[0] = 0;
            p[AT_MAGIC] = (uint8_t)(round % 2);
            p[AT_ATTRIBUTES] &= round % 4 == 0 ? 7 : 0;
            kfk_prim_put_be32(p + AT_SIZE, (uint32_t)(len - 12 - (round % 16 == 0)));
            batch_bytes b = {.data = p};
            if (len >= 26 && round % 16 != 0) message_seal(&b, 0);
        }
        kfk_buf_init(&text, SIZE_MAX);
        sets_print_unit(p, len, &h, 1000, true, &text, NULL);
        kfk_buf_fini(&text);
    }
    guarded_free(&g);
}

static void a_set_that_inflates_past_the_limit_is_told(void **state)
{
    (void)state;
    if (set_some_codec() == 0) return;
    kfk_batch_header h;
    kfk_buf text;
    kfk_error err = {0};
    SET(&log_, .magic = 1, .count = 2, .codec = set_some_codec(), .value_size = 100000);
    kfk_buf_init(&text, SIZE_MAX);
    assert_int_equal(sets_print_unit(log_.data, log_.len, &h, 200000, true, &text, &err), KAFKA_ETOOBIG);
    assert_non_null(strstr(err.text, "message set at offset 1: "));
    assert_int_equal(text.len, 0);
    assert_int_equal(sets_print_unit(log_.data, log_.len, &h, 200068, true, &text, &err), 0);
    kfk_buf_fini(&text);
}

static void an_allocation_that_fails_is_told(void **state)
{
    (void)state;
    if (set_some_codec() == 0) return;
    SET(&log_, .magic = 0, .count = 20, .codec = set_some_codec());
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_batch_header h;
        kfk_record_iter it;
        kfk_buf inflated;
        kfk_error err = {0};
        kfk_buf_init(&inflated, SIZE_MAX);
        assert_int_equal(kfk_record_v1_parse(log_.data, log_.len, &h, &err), 0);
        int rc = kfk_record_v1_open(&h, log_.data, &inflated, &it, &err);
        assert_int_equal(rc, memcheck_failed() ? KAFKA_ENOMEM : 0);
        assert_int_equal(err.code, rc);
        kfk_buf_fini(&inflated);
        kfk_compress_trim();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SET_TEST(the_sets_of_java_are_read_as_java_reads_them),
        SET_TEST(sets_of_several_blocks_are_read_in_every_codec),
        SET_TEST(inner_offsets_are_absolute_in_format_0_and_relative_in_format_1),
        SET_TEST(what_the_cleaner_left_of_a_set_keeps_its_offsets),
        SET_TEST(a_wrapper_with_the_brokers_time_gives_it_to_all_inside),
        SET_TEST(bits_of_the_attributes_that_mean_nothing_are_passed_over),
        SET_TEST(a_header_says_what_a_message_has_and_nothing_of_transactions),
        SET_TEST(a_message_that_is_cut_off_says_how_long_it_is),
        SET_TEST(wrappers_do_not_nest),
        SET_TEST(a_wrapper_has_a_set_inside),
        SET_TEST(a_set_inside_is_whole),
        SET_TEST(offsets_inside_increase_and_lead_to_that_of_the_wrapper),
        SET_TEST(there_are_offsets_that_no_message_has),
        SET_TEST(sizes_that_cannot_be_are_found_under_a_crc_that_is_right),
        SET_TEST(inside_too),
        SET_TEST(codecs_that_a_set_cannot_have_are_told),
        SET_TEST(each_damaged_byte_is_found_or_changes_an_offset_alone),
        SET_TEST(each_damaged_byte_inside_is_found_before_a_record_comes_out),
        SET_TEST(nothing_is_read_behind_the_end),
        SET_TEST(a_set_that_inflates_past_the_limit_is_told),
        SET_TEST(an_allocation_that_fails_is_told),
    };
    return cmocka_run_group_tests(tests, golden_sets_load, golden_sets_free);
}
