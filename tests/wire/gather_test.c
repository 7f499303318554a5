/* Own bytes and spliced ones, listed as iovecs. */
#include "support/memcheck.h"

#include "base/rand.h"
#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

static struct iovec part(const char *text)
{
    union {
        const char *in;
        char *out;
    } base = {.in = text};
    return (struct iovec){base.out, strlen(text)};
}

static void assert_content(const kfk_gather *g, const char *text)
{
    size_t len;
    uint8_t *bytes = message_bytes(g, &len);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(bytes, text, len);
    free(bytes);
}

static void spliced_bytes_appear_where_they_were_spliced_without_being_copied(void **state)
{
    (void)state;
    static const char body[] = "body";
    const struct iovec parts[] = {part(body), part(""), part("2")};
    struct iovec out[8];
    kfk_gather g;
    kfk_gather_init(&g, SIZE_MAX);
    kfk_gather_append(&g, "<", 1);
    kfk_gather_splice(&g, parts, 3);
    kfk_gather_append(&g, ">", 1);
    assert_content(&g, "<body2>");
    assert_int_equal(kfk_gather_len(&g), 7);
    assert_int_equal(kfk_gather_iov(&g, out, 8), 4);
    assert_int_equal(kfk_gather_iov_count(&g), 4);
    assert_ptr_equal(out[1].iov_base, body);
    kfk_gather_fini(&g);
}

static void an_empty_gather_lists_nothing(void **state)
{
    (void)state;
    struct iovec out;
    kfk_gather g;
    kfk_gather_init(&g, SIZE_MAX);
    assert_int_equal(kfk_gather_iov(&g, &out, 1), 0);
    assert_int_equal(kfk_gather_iov_count(&g), 0);
    assert_int_equal(kfk_gather_append(&g, "", 0), 0);
    assert_int_equal(kfk_gather_len(&g), 0);
    kfk_gather_fini(&g);
}

static void splices_at_the_beginning_and_at_the_end_and_side_by_side_are_listed(void **state)
{
    (void)state;
    const struct iovec ab[] = {part("a"), part("b")};
    kfk_gather g;
    kfk_gather_init(&g, SIZE_MAX);
    kfk_gather_splice(&g, ab, 2);
    kfk_gather_append(&g, "-", 1);
    kfk_gather_splice(&g, ab, 2);
    assert_content(&g, "ab-ab");
    assert_int_equal(kfk_gather_iov_count(&g), 5);
    kfk_gather_clear(&g);
    assert_int_equal(kfk_gather_len(&g), 0);
    kfk_gather_append(&g, "x", 1);
    assert_content(&g, "x");
    kfk_gather_fini(&g);
}

/* A gather with many pieces of random sizes and the same bytes in one piece. */
static char *random_pieces(kfk_rand *r, kfk_gather *g, const char *pool, size_t count)
{
    char *all = calloc(1, count * 16 + 1);
    for (size_t i = 0, at = 0; i < count; i++) {
        struct iovec piece = part(pool + kfk_rand_below(r, 16));
        piece.iov_len = (size_t)kfk_rand_below(r, 9);
        memcpy(all + at, piece.iov_base, piece.iov_len);
        at += piece.iov_len;
        if (kfk_rand_below(r, 2))
            kfk_gather_splice(g, &piece, 1);
        else
            kfk_gather_append(g, piece.iov_base, piece.iov_len);
    }
    return all;
}

static void what_is_left_after_any_partial_write_is_listed(void **state)
{
    (void)state;
    kfk_rand r;
    kfk_rand_seed(&r, message_seed());
    for (int round = 0; round < 40; round++) {
        kfk_gather g;
        kfk_gather_init(&g, SIZE_MAX);
        char *all = random_pieces(&r, &g, "abcdefghijklmnopqrstuvwxyz", 1 + (size_t)kfk_rand_below(&r, 60));
        size_t len = strlen(all);
        assert_content(&g, all);
        for (size_t skip = 0; skip <= len; skip++) {
            struct iovec out[80];
            size_t n = kfk_gather_iov_from(&g, skip, out, 80), at = skip;
            for (size_t i = 0; i < n; i++) {
                assert_true(out[i].iov_len > 0 && out[i].iov_len <= len - at);
                assert_memory_equal(out[i].iov_base, all + at, out[i].iov_len);
                at += out[i].iov_len;
            }
            assert_int_equal(at, len);
        }
        free(all);
        kfk_gather_fini(&g);
    }
}

static void a_short_list_of_iovecs_has_the_first_pieces(void **state)
{
    (void)state;
    const struct iovec parts[] = {part("a"), part("b"), part("c")};
    struct iovec out[2];
    kfk_gather g;
    kfk_gather_init(&g, SIZE_MAX);
    kfk_gather_splice(&g, parts, 3);
    kfk_gather_append(&g, "d", 1);
    assert_int_equal(kfk_gather_iov(&g, out, 2), 2);
    assert_memory_equal(out[1].iov_base, "b", 1);
    assert_int_equal(kfk_gather_iov_from(&g, 2, out, 2), 2);
    assert_memory_equal(out[1].iov_base, "d", 1);
    assert_int_equal(kfk_gather_iov(&g, out, 0), 0);
    kfk_gather_splice(&g, parts, 1);
    out[1] = (struct iovec){NULL, 0};
    assert_int_equal(kfk_gather_iov_from(&g, 3, out, 1), 1);
    assert_memory_equal(out[0].iov_base, "d", 1);
    assert_null(out[1].iov_base);
    kfk_gather_fini(&g);
}

static void a_length_is_put_in_front_of_what_it_counts_splices_too(void **state)
{
    (void)state;
    const struct iovec body = part("body");
    char wide[200];
    memset(wide, 'w', sizeof wide);
    kfk_gather g;
    kfk_gather_init(&g, SIZE_MAX);
    kfk_gather_append(&g, "h", 1);
    kfk_gather_splice(&g, &body, 1);
    kfk_gather_mark mark = kfk_gather_here(&g);
    kfk_gather_append(&g, "t", 1);
    kfk_gather_splice(&g, &body, 1);
    kfk_gather_append(&g, "u", 1);
    assert_int_equal(kfk_gather_since(&g, mark), 6);
    assert_int_equal(kfk_gather_prefix_uvarint(&g, mark), 0);
    assert_content(&g, "hbody\x06tbodyu");
    mark = kfk_gather_here(&g);
    kfk_gather_append(&g, wide, sizeof wide);
    assert_int_equal(kfk_gather_prefix_uvarint(&g, mark), 0);
    size_t len;
    uint8_t *bytes = message_bytes(&g, &len);
    assert_int_equal(len, 12 + 2 + 200);
    assert_memory_equal(bytes + 12, "\xc8\x01w", 3);
    free(bytes);
    kfk_gather_fini(&g);
}

static void undo_forgets_what_came_after_the_mark(void **state)
{
    (void)state;
    const struct iovec body = part("body");
    kfk_gather g;
    kfk_gather_init(&g, SIZE_MAX);
    kfk_gather_append(&g, "a", 1);
    kfk_gather_splice(&g, &body, 1);
    kfk_gather_mark mark = kfk_gather_here(&g);
    kfk_gather_append(&g, "b", 1);
    kfk_gather_splice(&g, &body, 1);
    kfk_gather_undo(&g, mark);
    assert_content(&g, "abody");
    assert_int_equal(kfk_gather_since(&g, mark), 0);
    kfk_gather_fini(&g);
}

static void beyond_its_limit_a_gather_takes_nothing_more(void **state)
{
    (void)state;
    const struct iovec body = part("body");
    kfk_gather g;
    kfk_gather_init(&g, 4);
    assert_int_equal(kfk_gather_append(&g, "1234", 4), 0);
    assert_int_equal(kfk_gather_append(&g, "5", 1), KAFKA_ETOOBIG);
    assert_int_equal(kfk_gather_splice(&g, &body, 1), KAFKA_ETOOBIG);
    assert_null(kfk_gather_room(&g, 1));
    assert_content(&g, "1234");
    kfk_gather_clear(&g);
    assert_int_equal(kfk_gather_append(&g, "5", 1), 0);
    kfk_gather_fini(&g);
}

static void twelve_splices_need_no_memory_of_their_own(void **state)
{
    (void)state;
    const struct iovec body = part("body");
    kfk_gather g;
    kfk_gather_init(&g, SIZE_MAX);
    kfk_gather_append(&g, "x", 1);
    size_t calls = memcheck_calls();
    for (int i = 0; i < 12; i++) kfk_gather_splice(&g, &body, 1);
    assert_int_equal(memcheck_calls(), calls);
    assert_int_equal(kfk_gather_len(&g), 49);
    kfk_gather_fini(&g);
}

static void without_memory_for_more_splices_the_error_is_sticky_and_nothing_leaks(void **state)
{
    (void)state;
    const struct iovec body = part("body");
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_gather g;
        kfk_gather_init(&g, SIZE_MAX);
        for (int i = 0; i < 100; i++) kfk_gather_splice(&g, &body, 1);
        kfk_gather_append(&g, "x", 1);
        assert_int_equal(g.buf.err, memcheck_failed() ? KAFKA_ENOMEM : 0);
        if (!memcheck_failed()) assert_int_equal(kfk_gather_len(&g), 401);
        kfk_gather_fini(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(spliced_bytes_appear_where_they_were_spliced_without_being_copied),
        MEMCHECK_TEST(an_empty_gather_lists_nothing),
        MEMCHECK_TEST(splices_at_the_beginning_and_at_the_end_and_side_by_side_are_listed),
        MEMCHECK_TEST(what_is_left_after_any_partial_write_is_listed),
        MEMCHECK_TEST(a_short_list_of_iovecs_has_the_first_pieces),
        MEMCHECK_TEST(a_length_is_put_in_front_of_what_it_counts_splices_too),
        MEMCHECK_TEST(undo_forgets_what_came_after_the_mark),
        MEMCHECK_TEST(beyond_its_limit_a_gather_takes_nothing_more),
        MEMCHECK_TEST(twelve_splices_need_no_memory_of_their_own),
        MEMCHECK_TEST(without_memory_for_more_splices_the_error_is_sticky_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
