/* Varints, big-endian integers, and the reader that cannot run over. */
#include "support/memcheck.h"

#include "base/rand.h"
#include "wire/prim.h"

#include <stdlib.h>
#include <string.h>

/* The values where a varint gets one byte longer, and their neighbours. */
static size_t edges(uint64_t *out)
{
    size_t n = 0;
    for (unsigned shift = 0; shift < 64; shift++) {
        out[n++] = (UINT64_C(1) << shift) - 1;
        out[n++] = UINT64_C(1) << shift;
        out[n++] = (UINT64_C(1) << shift) + 1;
    }
    out[n++] = UINT64_MAX;
    return n;
}

static void a_uvarint_comes_back_and_has_the_size_foretold(void **state)
{
    (void)state;
    uint64_t values[200];
    size_t count = edges(values);
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[KFK_PRIM_UVARINT_MAX];
        uint32_t v = (uint32_t)values[i], back = ~v;
        size_t len = kfk_prim_put_uvarint(bytes, v);
        assert_int_equal(len, kfk_prim_uvarint_size(v));
        assert_ptr_equal(kfk_prim_get_uvarint(bytes, bytes + len, &back), bytes + len);
        assert_int_equal(back, v);
        for (size_t cut = 0; cut < len; cut++) assert_null(kfk_prim_get_uvarint(bytes, bytes + cut, &back));
    }
}

static void a_varint_comes_back_and_has_the_size_foretold(void **state)
{
    (void)state;
    uint64_t values[200];
    size_t count = edges(values);
    for (size_t i = 0; i < 2 * count; i++) {
        uint8_t bytes[KFK_PRIM_VARINT_MAX];
        int32_t v = (int32_t)(i % 2 ? values[i / 2] : ~values[i / 2]), back = ~v;
        size_t len = kfk_prim_put_varint(bytes, v);
        assert_int_equal(len, kfk_prim_varint_size(v));
        assert_ptr_equal(kfk_prim_get_varint(bytes, bytes + len, &back), bytes + len);
        assert_int_equal(back, v);
        for (size_t cut = 0; cut < len; cut++) assert_null(kfk_prim_get_varint(bytes, bytes + cut, &back));
    }
}

static void a_varlong_comes_back_and_has_the_size_foretold(void **state)
{
    (void)state;
    uint64_t values[200];
    size_t count = edges(values);
    for (size_t i = 0; i < 2 * count; i++) {
        uint8_t bytes[KFK_PRIM_VARLONG_MAX];
        int64_t v = (int64_t)(i % 2 ? values[i / 2] : ~values[i / 2]), back = ~v;
        size_t len = kfk_prim_put_varlong(bytes, v);
        assert_int_equal(len, kfk_prim_varlong_size(v));
        assert_ptr_equal(kfk_prim_get_varlong(bytes, bytes + len, &back), bytes + len);
        assert_true(back == v);
        for (size_t cut = 0; cut < len; cut++) assert_null(kfk_prim_get_varlong(bytes, bytes + cut, &back));
    }
}

static void zigzag_makes_small_magnitudes_small(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        uint64_t zigzag;
    } rows[] = {
        {0, 0}, {-1, 1}, {1, 2}, {-2, 3}, {63, 126}, {-64, 127}, {INT32_MAX, 4294967294}, {INT32_MIN, 4294967295}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(kfk_prim_zigzag32((int32_t)rows[i].value), rows[i].zigzag);
        assert_int_equal(kfk_prim_unzigzag32((uint32_t)rows[i].zigzag), rows[i].value);
        assert_true(kfk_prim_zigzag64(rows[i].value) == rows[i].zigzag);
        assert_true(kfk_prim_unzigzag64(rows[i].zigzag) == rows[i].value);
    }
    assert_true(kfk_prim_zigzag64(INT64_MIN) == UINT64_MAX);
    assert_true(kfk_prim_unzigzag64(UINT64_MAX) == INT64_MIN);
}

static bool reads_uvarint(const char *bytes, size_t len)
{
    uint32_t v;
    const uint8_t *p = (const uint8_t *)bytes;
    return kfk_prim_get_uvarint(p, p + len, &v) != NULL;
}

static void an_overlong_uvarint_is_refused(void **state)
{
    (void)state;
    assert_false(reads_uvarint("\x80\x00", 2));
    assert_false(reads_uvarint("\xff\x00", 2));
    assert_false(reads_uvarint("\x81\x80\x00", 3));
    assert_false(reads_uvarint("\x80\x80\x80\x80\x00", 5));
    assert_true(reads_uvarint("\x80\x01", 2));
}

static void a_uvarint_beyond_32_bits_is_refused(void **state)
{
    (void)state;
    assert_true(reads_uvarint("\xff\xff\xff\xff\x0f", 5));
    assert_false(reads_uvarint("\xff\xff\xff\xff\x1f", 5));
    assert_false(reads_uvarint("\xff\xff\xff\xff\xff\x01", 6));
    assert_false(reads_uvarint("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 10));
}

static void a_padded_varint_of_a_record_is_taken_as_java_takes_it(void **state)
{
    (void)state;
    const uint8_t padded[] = {0x82, 0x80, 0x80, 0x80, 0x00};
    int32_t v = 0;
    int64_t wide = 0;
    assert_ptr_equal(kfk_prim_get_varint(padded, padded + 5, &v), padded + 5);
    assert_int_equal(v, 1);
    assert_ptr_equal(kfk_prim_get_varlong(padded, padded + 5, &wide), padded + 5);
    assert_true(wide == 1);
    const uint8_t six[] = {0x82, 0x80, 0x80, 0x80, 0x80, 0x00};
    assert_null(kfk_prim_get_varint(six, six + 6, &v));
    assert_ptr_equal(kfk_prim_get_varlong(six, six + 6, &wide), six + 6);
    const uint8_t eleven[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    assert_null(kfk_prim_get_varlong(eleven, eleven + 11, &wide));
    const uint8_t above_64[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    assert_null(kfk_prim_get_varlong(above_64, above_64 + 10, &wide));
}

static void big_endian_integers_come_back_at_any_alignment(void **state)
{
    (void)state;
    uint8_t room[24];
    for (size_t at = 0; at < 8; at++) {
        kfk_prim_put_be16(room + at, 0x0102);
        assert_int_equal(room[at], 1);
        assert_int_equal(kfk_prim_get_be16(room + at), 0x0102);
        kfk_prim_put_be32(room + at, 0x01020304);
        assert_int_equal(room[at + 3], 4);
        assert_int_equal(kfk_prim_get_be32(room + at), 0x01020304);
        kfk_prim_put_be64(room + at, UINT64_C(0x0102030405060708));
        assert_int_equal(room[at + 7], 8);
        assert_true(kfk_prim_get_be64(room + at) == UINT64_C(0x0102030405060708));
    }
}

static void a_reader_reads_straight_down(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0xff, 0xff, 0xfe, 0x80, 0x00, 0xff, 0xff, 0xff, 0xfd, 0x80, 0,    0,   0,  0,
                                    0,    0,    0,    0,    0,    0,    1,    0x81, 0x01, 0x03, 0x03, 'h', 'i'};
    kfk_reader r;
    kfk_reader_init(&r, bytes, sizeof bytes);
    assert_int_equal(kfk_reader_int8(&r), -1);
    assert_int_equal(kfk_reader_int16(&r), -2);
    assert_int_equal(kfk_reader_uint16(&r), 0x8000);
    assert_int_equal(kfk_reader_int32(&r), -3);
    assert_int_equal(kfk_reader_uint32(&r), 0x80000000);
    assert_true(kfk_reader_int64(&r) == 1);
    assert_int_equal(kfk_reader_uvarint(&r), 129);
    assert_int_equal(kfk_reader_varint(&r), -2);
    assert_true(kfk_reader_varlong(&r) == -2);
    assert_memory_equal(kfk_reader_take(&r, 2), "hi", 2);
    assert_int_equal(kfk_reader_left(&r), 0);
    assert_true(kfk_reader_ok(&r));
    assert_non_null(kfk_reader_take(&r, 0));
}

static void after_a_failure_everything_reads_as_zero_and_the_first_reason_stays(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6};
    char text[80];
    kfk_reader r;
    kfk_reader_init(&r, bytes, sizeof bytes);
    assert_int_equal(kfk_reader_int32(&r), 0x01020304);
    assert_int_equal(kfk_reader_int32(&r), 0);
    assert_int_equal(kfk_reader_int8(&r), 0);
    assert_int_equal(kfk_reader_uvarint(&r), 0);
    assert_null(kfk_reader_take(&r, 1));
    assert_false(kfk_reader_ok(&r));
    assert_int_equal(kfk_reader_offset(&r), 4);
    kfk_reader_explain(&r, text, sizeof text);
    assert_string_equal(text, "4 bytes wanted, 2 left");
}

static void an_explanation_is_cut_to_its_room(void **state)
{
    (void)state;
    char text[8];
    for (int why = KFK_READER_OK; why <= KFK_READER_OTHER; why++) {
        kfk_reader r;
        kfk_reader_init(&r, "abc", 3);
        kfk_reader_fail(&r, (kfk_reader_why)why, INT64_MIN);
        memset(text, 'x', sizeof text);
        kfk_reader_explain(&r, text, sizeof text);
        assert_true(memchr(text, 0, sizeof text) != NULL);
    }
}

static void a_reader_of_nothing_has_nothing(void **state)
{
    (void)state;
    kfk_reader r;
    kfk_reader_init(&r, NULL, 0);
    assert_int_equal(kfk_reader_left(&r), 0);
    assert_int_equal(kfk_reader_int64(&r), 0);
    assert_false(kfk_reader_ok(&r));
    assert_null(kfk_reader_take(&r, SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uvarint_comes_back_and_has_the_size_foretold),
        cmocka_unit_test(a_varint_comes_back_and_has_the_size_foretold),
        cmocka_unit_test(a_varlong_comes_back_and_has_the_size_foretold),
        cmocka_unit_test(zigzag_makes_small_magnitudes_small),
        cmocka_unit_test(an_overlong_uvarint_is_refused),
        cmocka_unit_test(a_uvarint_beyond_32_bits_is_refused),
        cmocka_unit_test(a_padded_varint_of_a_record_is_taken_as_java_takes_it),
        cmocka_unit_test(big_endian_integers_come_back_at_any_alignment),
        cmocka_unit_test(a_reader_reads_straight_down),
        cmocka_unit_test(after_a_failure_everything_reads_as_zero_and_the_first_reason_stays),
        cmocka_unit_test(an_explanation_is_cut_to_its_room),
        cmocka_unit_test(a_reader_of_nothing_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
