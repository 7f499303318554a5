#include "support/memcheck.h"

#include "base/buf.h"
#include "base/mem.h"
#include "kafka/error.h"
#include <string.h>

static void an_empty_buffer_holds_no_memory(void **state)
{
    (void)state;
    kfk_buf b;

    kfk_buf_init(&b, SIZE_MAX);
    assert_int_equal(kfk_buf_append(&b, NULL, 0), 0);
    assert_int_equal(b.len, 0);
    assert_int_equal(memcheck_calls(), 0);
    kfk_buf_fini(&b);
}

static void a_growing_buffer_keeps_its_content(void **state)
{
    (void)state;
    kfk_buf b;

    kfk_buf_init(&b, SIZE_MAX);
    for (unsigned i = 0; i < 100000; i++) {
        unsigned char byte = (unsigned char)(i * 7);
        assert_int_equal(kfk_buf_append(&b, &byte, 1), 0);
    }
    assert_int_equal(b.len, 100000);
    for (unsigned i = 0; i < 100000; i++) assert_int_equal(b.data[i], (unsigned char)(i * 7));
    assert_in_range(memcheck_calls(), 1, 15); /* it doubles */
    kfk_buf_fini(&b);
}

static void a_buffer_fills_to_its_limit_and_not_a_byte_further(void **state)
{
    (void)state;
    kfk_buf b;
    char bytes[100] = {0};

    kfk_buf_init(&b, 150);
    assert_int_equal(kfk_buf_append(&b, bytes, 100), 0);
    assert_int_equal(kfk_buf_append(&b, bytes, 50), 0);
    assert_int_equal(b.len, 150);
    assert_in_range(b.cap, 0, 150);
    assert_int_equal(kfk_buf_append(&b, bytes, 1), KAFKA_ETOOBIG);
    assert_int_equal(b.len, 150);
    kfk_buf_fini(&b);
}

static void a_buffer_without_room_at_all_refuses_the_first_byte(void **state)
{
    (void)state;
    kfk_buf b;

    kfk_buf_init(&b, 0);
    assert_non_null(kfk_buf_reserve(&b, 0));
    assert_int_equal(kfk_buf_printf(&b, "%s", ""), 0);
    assert_int_equal(kfk_buf_append(&b, "x", 1), KAFKA_ETOOBIG);
    kfk_buf_fini(&b);
}

static void after_a_failure_nothing_is_appended_until_it_is_cleared(void **state)
{
    (void)state;
    kfk_buf b;
    size_t len = 1;

    kfk_buf_init(&b, 4);
    assert_int_equal(kfk_buf_append(&b, "ab", 2), 0);
    assert_int_equal(kfk_buf_append(&b, "cde", 3), KAFKA_ETOOBIG);
    assert_int_equal(kfk_buf_append(&b, "c", 1), KAFKA_ETOOBIG);
    assert_int_equal(kfk_buf_append(&b, "", 0), KAFKA_ETOOBIG);
    assert_int_equal(kfk_buf_printf(&b, "c"), KAFKA_ETOOBIG);
    assert_null(kfk_buf_reserve(&b, 1));
    assert_null(kfk_buf_take(&b, &len));
    assert_int_equal(len, 0);
    assert_int_equal(b.len, 2);

    kfk_buf_clear(&b);
    assert_int_equal(kfk_buf_append(&b, "cde", 3), 0);
    assert_memory_equal(b.data, "cde", 3);
    kfk_buf_fini(&b);
}

static void a_size_no_machine_has_is_refused_without_asking_for_memory(void **state)
{
    (void)state;
    kfk_buf b;

    kfk_buf_init(&b, SIZE_MAX);
    assert_null(kfk_buf_reserve(&b, SIZE_MAX));
    assert_int_equal(b.err, KAFKA_ENOMEM);
    assert_int_equal(memcheck_calls(), 0);
    kfk_buf_fini(&b);
}

static void want_of_memory_keeps_the_content(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_buf b;
        int err = 0;
        kfk_buf_init(&b, SIZE_MAX);
        for (int i = 0; i < 100 && err == 0; i++) err = kfk_buf_append(&b, "0123456789", 10);
        assert_int_equal(err, memcheck_failed() ? KAFKA_ENOMEM : 0);
        assert_int_equal(b.err, err);
        for (size_t i = 0; i < b.len; i++) assert_int_equal(b.data[i], '0' + i % 10);
        kfk_buf_fini(&b);
    }
}

static void clearing_keeps_the_memory(void **state)
{
    (void)state;
    kfk_buf b;
    char bytes[1000] = {0};

    kfk_buf_init(&b, 2000);
    kfk_buf_append(&b, bytes, sizeof bytes);
    size_t calls = memcheck_calls();
    kfk_buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_int_equal(kfk_buf_append(&b, bytes, sizeof bytes), 0);
    assert_int_equal(memcheck_calls(), calls);
    kfk_buf_fini(&b);
}

static void reserved_room_counts_only_once_it_is_committed(void **state)
{
    (void)state;
    kfk_buf b;

    kfk_buf_init(&b, SIZE_MAX);
    memcpy(kfk_buf_reserve(&b, 10), "0123456789", 10);
    assert_int_equal(b.len, 0);
    kfk_buf_commit(&b, 4);
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "0123", 4);
    kfk_buf_fini(&b);
}

static void formatted_text_is_appended_without_its_nul(void **state)
{
    (void)state;
    kfk_buf b;

    kfk_buf_init(&b, SIZE_MAX);
    assert_int_equal(kfk_buf_printf(&b, "%s-%d", "topic", 7), 0);
    assert_int_equal(b.len, 7);
    for (int i = 0; i < 50; i++) assert_int_equal(kfk_buf_printf(&b, "[%03d]", i), 0);
    assert_int_equal(b.len, 7 + 50 * 5);
    assert_memory_equal(b.data, "topic-7[000][001]", 17);
    assert_memory_equal(b.data + b.len - 5, "[049]", 5);
    kfk_buf_fini(&b);
}

static void text_of_every_length_fits_a_buffer_of_that_limit(void **state)
{
    (void)state;
    for (int len = 1; len < 300; len++) {
        kfk_buf b;
        kfk_buf_init(&b, (size_t)len);
        assert_int_equal(kfk_buf_printf(&b, "%*d", len, 1), 0);
        assert_int_equal(b.len, len);
        assert_int_equal(kfk_buf_printf(&b, "x"), KAFKA_ETOOBIG);
        kfk_buf_fini(&b);
    }
}

static void formatting_reports_want_of_memory(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_buf b;
        kfk_buf_init(&b, SIZE_MAX);
        kfk_buf_printf(&b, "%100d", 1);
        kfk_buf_printf(&b, "%1000d", 2);
        assert_int_equal(b.err, memcheck_failed() ? KAFKA_ENOMEM : 0);
        kfk_buf_fini(&b);
    }
}

static void taking_the_content_leaves_an_empty_buffer(void **state)
{
    (void)state;
    kfk_buf b;
    size_t len;

    kfk_buf_init(&b, 5);
    assert_null(kfk_buf_take(&b, &len));
    assert_int_equal(len, 0);
    kfk_buf_append(&b, "bytes", 5);
    uint8_t *taken = kfk_buf_take(&b, &len);
    assert_int_equal(len, 5);
    assert_memory_equal(taken, "bytes", 5);
    kfk_mem_free(taken);

    assert_int_equal(b.len, 0);
    assert_int_equal(kfk_buf_append(&b, "more.", 5), 0);
    assert_int_equal(kfk_buf_append(&b, ".", 1), KAFKA_ETOOBIG);
    kfk_buf_fini(&b);
}

static void a_block_lives_until_its_last_reference_is_dropped(void **state)
{
    (void)state;
    kfk_block *b = kfk_block_new(10);

    assert_int_equal(b->cap, 10);
    memcpy(b->data, "0123456789", 10);
    assert_ptr_equal(kfk_block_hold(b), b);
    kfk_block_drop(b);
    assert_memory_equal(b->data, "0123456789", 10);
    assert_int_equal(memcheck_blocks(), 1);
    kfk_block_drop(b);
    assert_int_equal(memcheck_blocks(), 0);
    kfk_block_drop(NULL);
}

static void a_growing_block_keeps_its_content(void **state)
{
    (void)state;
    kfk_block *b = kfk_block_new(10);

    memcpy(b->data, "0123456789", 10);
    b = kfk_block_grow(b, 1000);
    assert_int_equal(b->cap, 1000);
    memset(b->data + 10, 1, 990);
    assert_memory_equal(b->data, "0123456789", 10);
    kfk_block_drop(b);
}

static void a_block_that_cannot_grow_stays_valid(void **state)
{
    (void)state;
    kfk_block *b = kfk_block_new(10);

    memcpy(b->data, "0123456789", 10);
    memcheck_fail_at(1);
    assert_null(kfk_block_grow(b, 1000));
    assert_null(kfk_block_grow(b, SIZE_MAX));
    assert_int_equal(b->cap, 10);
    assert_memory_equal(b->data, "0123456789", 10);
    kfk_block_drop(b);

    memcheck_fail_at(1);
    assert_null(kfk_block_new(10));
    assert_null(kfk_block_new(SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(an_empty_buffer_holds_no_memory),
        MEMCHECK_TEST(a_growing_buffer_keeps_its_content),
        MEMCHECK_TEST(a_buffer_fills_to_its_limit_and_not_a_byte_further),
        MEMCHECK_TEST(a_buffer_without_room_at_all_refuses_the_first_byte),
        MEMCHECK_TEST(after_a_failure_nothing_is_appended_until_it_is_cleared),
        MEMCHECK_TEST(a_size_no_machine_has_is_refused_without_asking_for_memory),
        MEMCHECK_TEST(want_of_memory_keeps_the_content),
        MEMCHECK_TEST(clearing_keeps_the_memory),
        MEMCHECK_TEST(reserved_room_counts_only_once_it_is_committed),
        MEMCHECK_TEST(formatted_text_is_appended_without_its_nul),
        MEMCHECK_TEST(text_of_every_length_fits_a_buffer_of_that_limit),
        MEMCHECK_TEST(formatting_reports_want_of_memory),
        MEMCHECK_TEST(taking_the_content_leaves_an_empty_buffer),
        MEMCHECK_TEST(a_block_lives_until_its_last_reference_is_dropped),
        MEMCHECK_TEST(a_growing_block_keeps_its_content),
        MEMCHECK_TEST(a_block_that_cannot_grow_stays_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
