#include "support/memcheck.h"

#include "wire/record_plain.h"
#include <stdlib.h>
#include <string.h>

/* The short way must write what the long way writes, or leave it to that one. */

enum { ROOM = 64 * 1024, BASE_MS = 1700000000 };

static uint8_t content[ROOM];

typedef struct pair {
    kfk_record_writer plain, whole;
    uint8_t plain_bytes[ROOM], whole_bytes[ROOM];
} pair;

static pair *pair_new(size_t room)
{
    pair *p = malloc(sizeof *p);
    assert_non_null(p);
    memset(p->plain_bytes, 0xaa, ROOM);
    memset(p->whole_bytes, 0xaa, ROOM);
    for (size_t i = 0; i < ROOM; i++) content[i] = (uint8_t)(i * 7 + 1);
    kfk_record_writer_init(&p->plain, p->plain_bytes, room);
    kfk_record_writer_init(&p->whole, p->whole_bytes, room);
    assert_int_equal(kfk_record_append(&p->plain, BASE_MS, (kafka_bytes){NULL, 0}, KAFKA_LIT("first"), NULL, 0), 0);
    assert_int_equal(kfk_record_append(&p->whole, BASE_MS, (kafka_bytes){NULL, 0}, KAFKA_LIT("first"), NULL, 0), 0);
    return p;
}

/* As if so many records had been written before. */
static void pretend_count(pair *p, int32_t count)
{
    p->plain.count = p->whole.count = count;
}

/* Both ways at once; tells whether the short one took the record. */
static bool append_both(pair *p, int64_t time_ms, kafka_bytes key, kafka_bytes value)
{
    kfk_record_writer before = p->plain;
    uint8_t *to = kfk_record_append_plain(&p->plain, time_ms, key, value);
    if (to == NULL) {
        assert_memory_equal(&before, &p->plain, sizeof before);
        return false;
    }
    if (value.len > 0) memcpy(to, value.data, value.len);
    assert_int_equal(kfk_record_append(&p->whole, time_ms, key, value, NULL, 0), 0);
    size_t used = (size_t)(p->whole.at - p->whole_bytes);
    assert_int_equal(p->plain.at - p->plain_bytes, used);
    assert_memory_equal(p->plain_bytes, p->whole_bytes, used);
    assert_int_equal(p->plain.bytes, p->whole.bytes);
    assert_int_equal(p->plain.count, p->whole.count);
    assert_int_equal(p->plain.max_timestamp, p->whole.max_timestamp);
    assert_int_equal(p->plain.base_timestamp, p->whole.base_timestamp);
    return true;
}

static kafka_bytes bytes_of(size_t len)
{
    return (kafka_bytes){content, len};
}

static void every_size_of_key_and_value_is_written_as_the_long_way_does(void **state)
{
    (void)state;
    static const size_t keys[] = {0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 4088, 4089};
    static const int64_t later[] = {0, 63, 64, 8191, 8192, 400000, -1, -70, -9000};
    size_t taken = 0;
    for (size_t k = 0; k <= sizeof keys / sizeof *keys; k++) {
        for (size_t len = 0; len<4200; len += len> 200 && len < 4000 ? 97 : 1) {
            pair *p = pair_new(ROOM);
            kafka_bytes key = k == 0 ? (kafka_bytes){NULL, 0} : bytes_of(keys[k - 1]);
            taken += append_both(p, BASE_MS + later[(len + k) % 9], key, bytes_of(len));
            taken += append_both(p, BASE_MS + later[(len + k) % 9], key, (kafka_bytes){NULL, 0});
            taken += append_both(p, BASE_MS + later[(len + k + 1) % 9], key, bytes_of(len));
            free(p);
        }
    }
    assert_true(taken > 5000);
}

static void the_usual_record_goes_the_short_way(void **state)
{
    (void)state;
    static const size_t values[] = {0, 10, 40, 60, 100, 1000, 4000};
    pair *p = pair_new(ROOM);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_true(append_both(p, BASE_MS + 3, (kafka_bytes){NULL, 0}, bytes_of(values[i])));
    assert_true(append_both(p, BASE_MS + 3, bytes_of(16), bytes_of(100)));
    free(p);
}

static void each_width_of_the_offset_is_written_and_beyond_them_it_is_left_alone(void **state)
{
    (void)state;
    static const int32_t counts[] = {1, 63, 64, 8191, 8192, KFK_PLAIN_COUNT_MOST - 1};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        pair *p = pair_new(ROOM);
        pretend_count(p, counts[i]);
        assert_true(append_both(p, BASE_MS, (kafka_bytes){NULL, 0}, bytes_of(100)));
        free(p);
    }
    pair *p = pair_new(ROOM);
    pretend_count(p, KFK_PLAIN_COUNT_MOST);
    assert_false(append_both(p, BASE_MS, (kafka_bytes){NULL, 0}, bytes_of(100)));
    free(p);
}

static void times_far_from_the_first_are_left_alone_and_change_nothing(void **state)
{
    (void)state;
    static const int64_t far[] = {INT64_MAX, INT64_MIN, BASE_MS + KFK_PLAIN_DELTA_MOST / 2, 0};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        pair *p = pair_new(ROOM);
        assert_false(append_both(p, far[i], (kafka_bytes){NULL, 0}, bytes_of(100)));
        assert_int_equal(p->plain.max_timestamp, BASE_MS);
        assert_int_equal(kfk_record_append(&p->plain, far[i], (kafka_bytes){NULL, 0}, bytes_of(100), NULL, 0), 0);
        assert_int_equal(kfk_record_append(&p->whole, far[i], (kafka_bytes){NULL, 0}, bytes_of(100), NULL, 0), 0);
        assert_false(append_both(p, far[i], (kafka_bytes){NULL, 0}, bytes_of(100))); /* the same time again */
        assert_true(append_both(p, BASE_MS + 1, (kafka_bytes){NULL, 0}, bytes_of(100)));
        free(p);
    }
}

static void nothing_is_written_behind_the_window_nor_into_one_that_ended_early(void **state)
{
    (void)state;
    for (size_t room = 32; room < 200; room++) {
        pair *p = pair_new(room);
        bool taken = append_both(p, BASE_MS, bytes_of(9), bytes_of(100));
        assert_true(!taken || p->plain.at <= p->plain.end);
        for (size_t i = room; i < ROOM; i++) assert_int_equal(p->plain_bytes[i], 0xaa);
        p->plain.end = p->plain.at - 8;
        assert_null(kfk_record_append_plain(&p->plain, BASE_MS, bytes_of(0), bytes_of(1)));
        assert_int_equal(kfk_record_append(&p->plain, BASE_MS, bytes_of(0), bytes_of(1), NULL, 0), KAFKA_EAGAIN);
        free(p);
    }
}

static void the_first_record_of_a_batch_goes_the_long_way(void **state)
{
    (void)state;
    kfk_record_writer w;
    uint8_t room[256];
    kfk_record_writer_init(&w, room, sizeof room);
    assert_null(kfk_record_append_plain(&w, BASE_MS, (kafka_bytes){NULL, 0}, bytes_of(100)));
    kfk_record_writer_init(&w, room, sizeof room);
    assert_null(kfk_record_append_plain(&w, -1, (kafka_bytes){NULL, 0}, bytes_of(100)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(every_size_of_key_and_value_is_written_as_the_long_way_does),
        MEMCHECK_TEST(the_usual_record_goes_the_short_way),
        MEMCHECK_TEST(each_width_of_the_offset_is_written_and_beyond_them_it_is_left_alone),
        MEMCHECK_TEST(times_far_from_the_first_are_left_alone_and_change_nothing),
        MEMCHECK_TEST(nothing_is_written_behind_the_window_nor_into_one_that_ended_early),
        MEMCHECK_TEST(the_first_record_of_a_batch_goes_the_long_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
