/* chunks: what the tests of the chunk share: a log in memory, and chunks of it. */
#ifndef KAFKA_TESTS_ENGINE_CHUNKS_H
#define KAFKA_TESTS_ENGINE_CHUNKS_H
#include "support/memcheck.h"

#include "engine/chunk.h"
#include "support/batches.h"
#include "wire/compress.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRANSACTIONAL = KFK_BATCH_TRANSACTIONAL, CONTROL = KFK_BATCH_CONTROL };

static batch_bytes log_;

static inline int teardown(void **state)
{
    batch_free(&log_);
    kfk_compress_trim();
    return memcheck_teardown(state);
}
#define CHUNK_TEST(function) cmocka_unit_test_setup_teardown(function, memcheck_setup, teardown)

/* A chunk of the first `len` bytes of the log, read from `from` on; with `aborted` as read_committed. */
static inline int begin(kfk_chunk *c, size_t len, int64_t from, const kfk_fetch_response_aborted_array *aborted)
{
    kfk_block *frame = kfk_block_new(len + 1);
    if (frame == NULL) return KAFKA_ENOMEM;
    if (len > 0) memcpy(frame->data, log_.data, len);
    kfk_fetch_response_partition p = {.high_watermark = 99, .records.bytes = {frame->data, len}};
    if (aborted != NULL) p.aborted_transactions = *aborted;
    return kfk_chunk_init(c, frame, &p, from, aborted != NULL, 1000);
}

static inline kfk_chunk whole(int64_t from)
{
    kfk_chunk c;
    assert_int_equal(begin(&c, log_.len, from, NULL), 0);
    return c;
}

static inline kfk_chunk committed(int64_t from, kfk_fetch_response_aborted *items, int32_t count)
{
    kfk_chunk c;
    kfk_fetch_response_aborted_array list = {items, count};
    assert_int_equal(begin(&c, log_.len, from, &list), 0);
    return c;
}

/* The chunk yields the records of these offsets, with their values, then this error, which sticks. */
static inline void expect(kfk_chunk *c, const char *offsets, int err)
{
    kfk_record r;
    char got[256] = "";
    int code;
    while ((code = kfk_chunk_next(c, &r)) == 0) {
        size_t at = strlen(got);
        char value[32];
        snprintf(got + at, sizeof got - at, "%s%lld", at > 0 ? " " : "", (long long)r.offset);
        snprintf(value, sizeof value, "v%lld", (long long)r.offset);
        assert_int_equal(r.value.len, strlen(value));
        assert_memory_equal(r.value.data, value, r.value.len);
        assert_int_equal(c->next_offset, r.offset + 1);
    }
    assert_string_equal(got, offsets);
    assert_int_equal(code, err);
    assert_int_equal(kfk_chunk_next(c, &r), err);
    if (err != KAFKA_EOF) {
        assert_int_equal(c->error.code, err);
        assert_true(strlen(c->error.text) > 10);
    }
}

static inline void expect_and_free(kfk_chunk c, const char *offsets, int err, int64_t next)
{
    expect(&c, offsets, err);
    assert_int_equal(c.next_offset, next);
    kfk_chunk_fini(&c);
}

/* Offsets 0-1 aborted of 7, 2 committed of 8, 3 plain, 4 marker of 7, 5 committed of 7, 6-7 markers, 8 aborted of 7, 9
 * marker. */
static inline void make_transactions(void)
{
    BATCH(&log_, .base = 0, .count = 2, .producer_id = 7, .attributes = TRANSACTIONAL);
    BATCH(&log_, .base = 2, .count = 1, .producer_id = 8, .attributes = TRANSACTIONAL);
    BATCH(&log_, .base = 3, .count = 1, .producer_id = 7);
    batch_append_marker(&log_, 4, 7, KFK_CONTROL_ABORT);
    BATCH(&log_, .base = 5, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL);
    batch_append_marker(&log_, 6, 8, KFK_CONTROL_COMMIT);
    batch_append_marker(&log_, 7, 7, KFK_CONTROL_COMMIT);
    BATCH(&log_, .base = 8, .count = 1, .producer_id = 7, .attributes = TRANSACTIONAL);
    batch_append_marker(&log_, 9, 7, KFK_CONTROL_ABORT);
}

#endif
