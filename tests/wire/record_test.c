#include "support/memcheck.h"

#include "base/crc32c.h"
#include "wire/batches.h"
#include "wire/helpers.h"
#include "wire/record.h"

enum { HEADER = KFK_RECORD_HEADER };
static const kafka_bytes null = {NULL, 0};

static void a_header_of_java_built_again_is_the_same_to_the_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < golden_count; i++) {
        const golden_batch *b = &golden[i];
        kfk_batch_header h = header_of(b);
        uint8_t out[HEADER];
        size_t body = b->len - HEADER;

        assert_int_equal(kfk_batch_body_size(&h), body);
        h.crc = 0;
        h.batch_length = 0;
        h.magic = 0;
        kfk_record_header_build(out, &h, body, kfk_crc32c(0, b->bytes + HEADER, body));
        assert_memory_equal(out, b->bytes, HEADER);
    }
}

/* Writes the records of `it` again, with the header's fields that a writer does not know. */
static size_t write_again(const kfk_batch_header *from, kfk_record_iter it, uint8_t *out, size_t cap)
{
    kfk_record_writer w;
    kfk_batch_header h;
    kfk_record r;
    kafka_header headers[8];
    char keys[512];

    kfk_record_writer_init(&w, out + HEADER, cap - HEADER);
    while (kfk_record_iter_next(&it, &r)) {
        assert_int_equal(kfk_record_headers(&r, headers, keys), 0);
        assert_int_equal(kfk_record_size(&w, r.timestamp, r.key, r.value, headers, r.header_count), r.size);
        assert_int_equal(kfk_record_append(&w, r.timestamp, r.key, r.value, headers, r.header_count), 0);
    }
    kfk_record_writer_header(&w, &h);
    h.base_offset = from->base_offset;
    h.leader_epoch = from->leader_epoch;
    h.attributes = from->attributes;
    h.producer_id = from->producer_id;
    h.producer_epoch = from->producer_epoch;
    h.base_sequence = from->base_sequence;
    kfk_record_header_build(out, &h, w.bytes, kfk_crc32c(0, out + HEADER, w.bytes));
    return HEADER + w.bytes;
}

static void a_batch_of_java_written_again_is_the_same_to_the_byte(void **state)
{
    (void)state;
    size_t compared = 0, cap = 1 << 20;
    uint8_t *out = malloc(cap);

    for (size_t i = 0; i < golden_count; i++) {
        const golden_batch *b = &golden[i];
        kfk_batch_header h = header_of(b);
        /* The cleaner leaves gaps, and with log-append time the producers' times are hidden. */
        if (kfk_batch_codec(&h) != 0 || kfk_batch_is_append_time(&h) || strncmp(b->name, "cleaned", 7) == 0) continue;
        assert_int_equal(write_again(&h, open_batch(b, NULL), out, cap), b->len);
        assert_memory_equal(out, b->bytes, b->len);
        compared++;
    }
    assert_in_range(compared, 11, 100);
    free(out);
}

static void the_attributes_of_a_batch_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int codec;
        bool append_time, transactional, control;
    } rows[] = {
        {"plain", 0, false, false, false},           {"plain/gzip", 1, false, false, false},
        {"plain/snappy", 2, false, false, false},    {"plain/lz4", 3, false, false, false},
        {"plain/zstd", 4, false, false, false},      {"transactional", 0, false, true, false},
        {"append-time/zstd", 4, true, false, false}, {"commit", 0, false, true, true},
        {"leader-change", 0, false, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kfk_batch_header h = header_of(golden_get(rows[i].name));
        assert_int_equal(kfk_batch_codec(&h), rows[i].codec);
        assert_int_equal(kfk_batch_is_append_time(&h), rows[i].append_time);
        assert_int_equal(kfk_batch_is_transactional(&h), rows[i].transactional);
        assert_int_equal(kfk_batch_is_control(&h), rows[i].control);
    }
    kfk_batch_header h = header_of(golden_get("transactional"));
    assert_int_equal(h.base_offset, INT64_C(1) << 33);
    assert_int_equal(h.leader_epoch, 12);
    assert_int_equal(h.producer_id, 4711);
    assert_int_equal(h.producer_epoch, 7);
    assert_int_equal(h.base_sequence, 2147483646);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void a_record_that_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    uint8_t window[64], before[64];
    kfk_record_writer w, copy;
    kafka_header header = {"h", KAFKA_LIT("1")};
    kafka_bytes value = KAFKA_LIT("0123456789");

    kfk_record_writer_init(&w, window, sizeof window);
    assert_int_equal(kfk_record_append(&w, 5, null, value, &header, 1), 0);
    size_t size = kfk_record_size(&w, 6, value, value, &header, 1);
    for (size_t cap = 0; cap < size; cap++) {
        memset(window, 0xee, sizeof window);
        memcpy(before, window, sizeof window);
        kfk_record_writer_window(&w, window, cap);
        copy = w;
        assert_int_equal(kfk_record_append(&w, 6, value, value, &header, 1), KAFKA_EAGAIN);
        assert_memory_equal(&w, &copy, sizeof w);
        assert_memory_equal(window, before, sizeof window);
    }
    kfk_record_writer_window(&w, window, size);
    assert_int_equal(kfk_record_append(&w, 6, value, value, &header, 1), 0);
    assert_ptr_equal(w.at, w.end);
    assert_int_equal(w.count, 2);
    assert_int_equal(w.max_timestamp, 6);

    kfk_record_writer_init(&w, NULL, 0);
    assert_int_equal(kfk_record_append(&w, 6, null, null, NULL, 0), KAFKA_EAGAIN);
}

static void what_the_format_cannot_hold_is_refused(void **state)
{
    (void)state;
    uint8_t window[64];
    kfk_record_writer w, copy;
    kafka_bytes huge = {window, (size_t)INT32_MAX + 1}, half = {window, INT32_MAX / 2}, v = KAFKA_LIT("v");
    kafka_header no_key = {NULL, KAFKA_LIT("v")}, huge_value = {"k", huge},
                 half_value[3] = {{"k", half}, {"k", half}, {"k", half}};
    const struct {
        int rc;
        kafka_bytes key, value;
        const kafka_header *headers;
        size_t header_count;
    } rows[] = {
        {KAFKA_ETOOBIG, huge, v, NULL, 0},
        {KAFKA_ETOOBIG, v, huge, NULL, 0},
        {KAFKA_ETOOBIG, half, half, NULL, 0} /* 2^31 - 2 bytes and their lengths */,
        {KAFKA_ETOOBIG, v, v, half_value, 3},
        {KAFKA_ETOOBIG, v, v, &huge_value, 1},
        {KAFKA_EINVAL, v, v, &no_key, 1},
        {KAFKA_ETOOBIG, {window, SIZE_MAX}, v, NULL, 0},
        {KAFKA_ETOOBIG, v, {window, SIZE_MAX}, NULL, 0},
        {KAFKA_ETOOBIG, v, v, &no_key, (size_t)INT32_MAX + 1},
    };
    kfk_record_writer_init(&w, window, sizeof window);
    copy = w;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(kfk_record_append(&w, 1, rows[i].key, rows[i].value, rows[i].headers, rows[i].header_count),
                         rows[i].rc);
        assert_true(kfk_record_size(&w, 1, rows[i].key, rows[i].value, rows[i].headers, rows[i].header_count) ==
                    SIZE_MAX);
        assert_memory_equal(&w, &copy, sizeof w);
    }
}

static void a_batch_that_reached_the_limits_of_its_header_takes_no_more(void **state)
{
    (void)state;
    uint8_t window[64];
    kfk_record_writer w;

    kfk_record_writer_init(&w, window, sizeof window);
    assert_int_equal(kfk_record_append(&w, 1, null, null, NULL, 0), 0);
    size_t size = w.bytes;
    w.bytes = INT32_MAX - (HEADER - KFK_RECORD_LENGTH_FROM) - size + 1;
    assert_int_equal(kfk_record_append(&w, 1, null, null, NULL, 0), KAFKA_EAGAIN);
    w.bytes--;
    assert_int_equal(kfk_record_append(&w, 1, null, null, NULL, 0), 0);
    w.bytes = size;
    w.count = INT32_MAX;
    assert_int_equal(kfk_record_append(&w, 1, null, null, NULL, 0), KAFKA_EAGAIN);
}

static void an_empty_writer_makes_the_header_of_an_empty_batch(void **state)
{
    (void)state;
    kfk_record_writer w;
    kfk_batch_header h, parsed;
    uint8_t bytes[HEADER];

    kfk_record_writer_init(&w, NULL, 0);
    kfk_record_writer_header(&w, &h);
    kfk_record_header_build(bytes, &h, 0, 0);
    assert_int_equal(kfk_record_header_parse(bytes, sizeof bytes, &parsed, NULL), 0);
    assert_int_equal(kfk_record_crc_check(&parsed, bytes, NULL), 0);
    assert_int_equal(kfk_record_validate(&parsed, bytes + HEADER, 0, NULL), 0);
    assert_int_equal(parsed.producer_id, -1);
    assert_int_equal(parsed.base_timestamp, -1);
}

static void timestamps_of_all_64_bits_come_back(void **state)
{
    (void)state;
    static const int64_t times[] = {INT64_MIN, INT64_MAX, 0, -1, 1, INT64_MAX, INT64_MIN, 1700000000000};
    enum { N = sizeof times / sizeof times[0] };
    uint8_t out[512];

    for (size_t first = 0; first < N; first++) {
        kfk_record_writer w;
        kfk_batch_header h;
        kfk_record_iter it;
        kfk_record r;
        kfk_record_writer_init(&w, out, sizeof out);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(kfk_record_append(&w, times[(first + i) % N], null, null, NULL, 0), 0);
        kfk_record_writer_header(&w, &h);
        assert_int_equal(h.max_timestamp, INT64_MAX);
        assert_int_equal(kfk_record_validate(&h, out, w.bytes, NULL), 0);
        kfk_record_iter_init(&it, &h, out, w.bytes);
        for (size_t i = 0; kfk_record_iter_next(&it, &r); i++) assert_int_equal(r.timestamp, times[(first + i) % N]);
    }
}

/* ---- damaged headers --------------------------------------------------------------------------------------------- */

static void a_batch_that_is_cut_short_is_told_from_a_damaged_one(void **state)
{
    (void)state;
    const golden_batch *b = golden_get("headers");
    guarded g = guarded_new(b->len);
    kfk_batch_header h;

    for (size_t len = 0; len < b->len; len++) {
        assert_int_equal(kfk_record_header_parse(guarded_put(&g, b->bytes, len), len, &h, NULL), KAFKA_EUNEXPECTED_EOF);
        assert_int_equal(h.batch_length, len < 12 ? -1 : (int)b->len - 12);
    }
    guarded_free(&g);
}

static void batches_one_behind_the_other_are_parsed_each_for_itself(void **state)
{
    (void)state;
    /* The second has a wrong CRC (H19), the fourth is cut short. */
    static const char *const names[] = {"plain", "times", "nulls", "sizes"};
    uint8_t bytes[2048];
    size_t len = 0, at = 0;
    kfk_batch_header h;

    for (size_t i = 0; i < 4; i++) {
        const golden_batch *b = golden_get(names[i]);
        size_t part = i < 3 ? b->len : 100;
        memcpy(bytes + len, b->bytes, part);
        if (i == 1) bytes[len + b->len - 1] ^= 0x10;
        len += part;
    }
    for (int i = 0; i < 3; i++, at += kfk_batch_size(&h)) {
        assert_int_equal(kfk_record_header_parse(bytes + at, len - at, &h, NULL), 0);
        assert_int_equal(kfk_record_crc_check(&h, bytes + at, NULL), i == 1 ? KAFKA_ECORRUPT : 0);
    }
    assert_int_equal(kfk_record_header_parse(bytes + at, len - at, &h, NULL), KAFKA_EUNEXPECTED_EOF);
}

/* Writes `size` bytes of `value`, big-endian, at `at`. */
static void patch(uint8_t *p, size_t at, size_t size, int64_t value)
{
    while (size > 0) {
        p[at + --size] = (uint8_t)value;
        value >>= 8;
    }
}

static void impossible_fields_of_a_header_are_damage(void **state)
{
    (void)state;
    static const struct {
        size_t at, size;
        int64_t value;
        int rc;
        const char *text;
    } rows[] = {
        {8, 4, -1, KAFKA_ECORRUPT, "impossible length -1"}, /* H17 */
        {8, 4, 5, KAFKA_ECORRUPT, "impossible length 5"},
        {8, 4, INT32_MAX, KAFKA_ECORRUPT, "impossible length 2147483647"},
        {8, 4, INT32_MIN, KAFKA_ECORRUPT, "impossible length"},
        {8, 4, 48, KAFKA_ECORRUPT, "length 48 is less than its header"},
        {8, 4, 1000000, KAFKA_EUNEXPECTED_EOF, "112 bytes of 1000012"},
        {16, 1, 9, KAFKA_ECORRUPT, "unknown magic 9"},
        {16, 1, 3, KAFKA_ECORRUPT, "unknown magic 3"},
        {16, 1, -1, KAFKA_ECORRUPT, "unknown magic -1"},
        {16, 1, 0, KAFKA_EVERSION, "magic 0"},
        {16, 1, 1, KAFKA_EVERSION, "magic 1"},
        {0, 8, -1, KAFKA_ECORRUPT, "offset -1"},
        {0, 8, INT64_MAX, KAFKA_ECORRUPT, "last offset delta"},
        {0, 8, INT64_MAX - 2, KAFKA_ECORRUPT, "last offset delta"},
        {0, 8, INT64_MAX - 3, 0, ""},
        {23, 4, -1, KAFKA_ECORRUPT, "impossible last offset delta -1"},
        {23, 4, 1, KAFKA_ECORRUPT, "impossible count of 3 records in 2 offsets"},
        {23, 4, INT32_MAX, 0, ""},
        {57, 4, -1, KAFKA_ECORRUPT, "impossible count of -1"},
        {57, 4, INT32_MIN, KAFKA_ECORRUPT, "impossible count"},
        {57, 4, 4, KAFKA_ECORRUPT, "impossible count of 4 records in 3 offsets"},
    };
    const golden_batch *b = golden_get("plain");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[256];
        kfk_batch_header h;
        kfk_error err = {0};
        memcpy(bytes, b->bytes, b->len);
        patch(bytes, rows[i].at, rows[i].size, rows[i].value);
        assert_int_equal(kfk_record_header_parse(bytes, b->len, &h, &err), rows[i].rc);
        if (rows[i].rc == 0) continue;
        assert_int_equal(err.code, rows[i].rc);
        if (strstr(err.text, rows[i].text) == NULL) fail_msg("'%s' is not in '%s'", rows[i].text, err.text);
    }
}

static void a_count_that_does_not_fit_into_the_body_is_damage_before_it_is_walked(void **state)
{
    (void)state;
    uint8_t bytes[256];
    const golden_batch *b = golden_get("plain");
    kfk_batch_header h;

    memcpy(bytes, b->bytes, b->len);
    patch(bytes, 23, 4, INT32_MAX - 1);
    patch(bytes, 57, 4, INT32_MAX);
    assert_int_equal(kfk_record_header_parse(bytes, b->len, &h, NULL), KAFKA_ECORRUPT);
}

static void an_old_message_tells_its_offset_and_size(void **state)
{
    (void)state;
    uint8_t bytes[26] = {0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 14, 1, 2, 3, 4, 1};
    kfk_batch_header h;

    assert_int_equal(kfk_record_header_parse(bytes, sizeof bytes, &h, NULL), KAFKA_EVERSION);
    assert_int_equal(h.base_offset, 7);
    assert_int_equal(h.magic, 1);
    assert_int_equal(kfk_batch_size(&h), sizeof bytes);
    assert_int_equal(kfk_record_header_parse(bytes, sizeof bytes - 1, &h, NULL), KAFKA_EUNEXPECTED_EOF);
}

static void records_cost_no_allocation(void **state)
{
    (void)state;
    enum { CAP = 2 << 20 };
    uint8_t *out = malloc(CAP);
    kfk_record_writer w;
    kfk_batch_header h;
    kfk_record_iter it;
    kfk_record r;
    kafka_header header = {"trace", KAFKA_LIT("0123456789abcdef")}, headers[1];
    char keys[16];
    int32_t n = 0;

    kfk_record_writer_init(&w, out + HEADER, CAP - HEADER);
    while (kfk_record_append(&w, w.count, KAFKA_LIT("key"), KAFKA_LIT("a value"), &header, w.count > 30000) == 0)
        continue;
    kfk_record_writer_header(&w, &h);
    kfk_record_header_build(out, &h, w.bytes, kfk_crc32c(0, out + HEADER, w.bytes));
    assert_int_equal(kfk_record_header_parse(out, CAP, &h, NULL), 0);
    assert_int_equal(kfk_record_open(&h, out, NULL, &it, NULL), 0);
    for (; kfk_record_iter_next(&it, &r); n++) assert_int_equal(kfk_record_headers(&r, headers, keys), 0);
    assert_int_equal(n, w.count);
    assert_true(n > 50000);
    assert_int_equal(memcheck_calls(), 0);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_header_of_java_built_again_is_the_same_to_the_bit),
        MEMCHECK_TEST(a_batch_of_java_written_again_is_the_same_to_the_byte),
        MEMCHECK_TEST(the_attributes_of_a_batch_are_told_apart),
        MEMCHECK_TEST(a_record_that_does_not_fit_changes_nothing),
        MEMCHECK_TEST(what_the_format_cannot_hold_is_refused),
        MEMCHECK_TEST(a_batch_that_reached_the_limits_of_its_header_takes_no_more),
        MEMCHECK_TEST(an_empty_writer_makes_the_header_of_an_empty_batch),
        MEMCHECK_TEST(timestamps_of_all_64_bits_come_back),
        MEMCHECK_TEST(a_batch_that_is_cut_short_is_told_from_a_damaged_one),
        MEMCHECK_TEST(batches_one_behind_the_other_are_parsed_each_for_itself),
        MEMCHECK_TEST(impossible_fields_of_a_header_are_damage),
        MEMCHECK_TEST(a_count_that_does_not_fit_into_the_body_is_damage_before_it_is_walked),
        MEMCHECK_TEST(an_old_message_tells_its_offset_and_size),
        MEMCHECK_TEST(records_cost_no_allocation),
    };
    return cmocka_run_group_tests(tests, golden_load, golden_free);
}
