/* Random messages of every version of every API, there and back, cut off, damaged, and without memory.
 *
 * A failure prints its seed; KFK_SEED=N makes N the first seed instead of 1. */
#include "support/memcheck.h"

#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

enum { SEEDS = 25, BUDGET = 16 << 20 };

/* What a test does with one random message. `again` starts where the message itself ended the random sequence. */
typedef struct sample {
    const kfk_schema *s;
    int16_t version;
    uint64_t seed;
    const void *msg;
    const uint8_t *data;
    size_t len;
    kfk_rand *again;
} sample;

static void each_sample(uint64_t seeds, void (*check)(const sample *))
{
    const kfk_schema *s;
    for (size_t row = 0; (s = message_row(row)); row++) {
        for (int16_t version = s->versions.min; version <= s->versions.max; version++) {
            for (uint64_t i = 0; i < seeds; i++) {
                sample x = {.s = s, .version = version, .seed = message_seed() + i};
                kfk_rand r;
                kfk_arena arena;
                kfk_rand_seed(&r, x.seed * 1000 + row * 64 + (uint64_t)version);
                kfk_arena_init(&arena, BUDGET);
                void *msg = calloc(1, s->size);
                message_random(&r, &arena, s, version, msg);
                uint8_t *data = message_encode(s, version, msg, &x.len);
                x.msg = msg;
                x.data = data;
                x.again = &r;
                check(&x);
                free(data);
                free(msg);
                kfk_arena_fini(&arena);
            }
        }
    }
}

/* ---- there and back ---- */

static void check_round_trip(const sample *x)
{
    kfk_arena arena;
    kfk_error err = {0};
    kfk_arena_init(&arena, BUDGET);
    void *back = malloc(x->s->size);
    memset(back, 0xa5, x->s->size);
    if (kfk_codec_decode(x->s, x->version, &arena, x->data, x->len, back, &err) != 0)
        message_fail("its own bytes are refused", x->s, x->version, x->seed, &err);
    if (!message_equal(x->s, x->msg, back)) message_fail("decode(encode(x)) != x", x->s, x->version, x->seed, NULL);
    size_t len;
    uint8_t *data = message_encode(x->s, x->version, back, &len);
    if (len != x->len || memcmp(data, x->data, len) != 0)
        message_fail("encode(decode(bytes)) != bytes", x->s, x->version, x->seed, NULL);
    free(data);
    free(back);
    kfk_arena_fini(&arena);
}

static void a_random_message_comes_back_and_so_do_its_bytes(void **state)
{
    (void)state;
    each_sample(SEEDS, check_round_trip);
}

/* ---- cut off, and with something behind ---- */

/* Decodes a copy of exactly `len` bytes. */
static int decode_copy(const sample *x, size_t len, int extra)
{
    kfk_arena arena;
    kfk_error err = {0};
    uint8_t *copy = malloc(len + 1);
    memcpy(copy, x->data, len);
    if (extra) copy[len++] = 0;
    copy = realloc(copy, len ? len : 1);
    void *back = malloc(x->s->size);
    kfk_arena_init(&arena, BUDGET);
    int code = kfk_codec_decode(x->s, x->version, &arena, copy, len, back, &err);
    if (code != 0 && (code != err.code || !strstr(err.text, x->s->name)))
        message_fail("an error that does not name the message", x->s, x->version, x->seed, &err);
    if (code != 0 && memcmp(back, x->s->defaults, x->s->size) != 0)
        message_fail("not at its defaults after a failure", x->s, x->version, x->seed, &err);
    kfk_arena_fini(&arena);
    free(back);
    free(copy);
    return code;
}

static void check_cut(const sample *x)
{
    size_t step = x->len > 300 ? x->len / 150 : 1;
    for (size_t len = 0; len < x->len; len += len + 40 < x->len ? step : 1) {
        if (decode_copy(x, len, 0) != KAFKA_EPROTO)
            message_fail("a cut message is taken", x->s, x->version, x->seed, NULL);
    }
    if (decode_copy(x, x->len, 1) != KAFKA_EPROTO)
        message_fail("a byte too many is taken", x->s, x->version, x->seed, NULL);
}

static void a_message_cut_at_any_byte_is_refused_and_so_is_one_byte_more(void **state)
{
    (void)state;
    each_sample(4, check_cut);
}

/* ---- damaged ---- */

/* What is accepted must have a meaning: it encodes, and comes back the same. */
static void check_meaning(const sample *x, const void *msg)
{
    kfk_arena arena;
    kfk_error err = {0};
    size_t len;
    uint8_t *data = message_encode(x->s, x->version, msg, &len);
    void *back = malloc(x->s->size);
    kfk_arena_init(&arena, BUDGET);
    if (kfk_codec_decode(x->s, x->version, &arena, data, len, back, &err) != 0 || !message_equal(x->s, msg, back))
        message_fail("what was accepted does not survive", x->s, x->version, x->seed, &err);
    kfk_arena_fini(&arena);
    free(back);
    free(data);
}

static void check_damage(const sample *x)
{
    if (x->len == 0) return;
    for (int round = 0; round < 8; round++) {
        kfk_arena arena;
        kfk_error err = {0};
        uint8_t *copy = malloc(x->len);
        void *back = malloc(x->s->size);
        memcpy(copy, x->data, x->len);
        for (uint64_t n = 1 + kfk_rand_below(x->again, 3); n > 0; n--)
            copy[kfk_rand_below(x->again, x->len)] = (uint8_t)kfk_rand_next(x->again);
        kfk_arena_init(&arena, BUDGET);
        int code = kfk_codec_decode(x->s, x->version, &arena, copy, x->len, back, &err);
        if (code == 0)
            check_meaning(x, back);
        else if (code != KAFKA_EPROTO && code != KAFKA_ETOOBIG)
            message_fail("an error of another kind", x->s, x->version, x->seed, &err);
        kfk_arena_fini(&arena);
        free(back);
        free(copy);
    }
}

static void a_damaged_message_is_refused_or_has_a_meaning(void **state)
{
    (void)state;
    each_sample(SEEDS, check_damage);
}

/* ---- without memory ---- */

static void check_failing_encode(const sample *x)
{
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_gather g;
        kfk_error err = {0};
        kfk_gather_init(&g, SIZE_MAX);
        int code = kfk_codec_encode(x->s, x->version, x->msg, &g, &err);
        assert_int_equal(code, memcheck_failed() ? KAFKA_ENOMEM : 0);
        assert_int_equal(err.code, code);
        if (code != 0) assert_int_equal(kfk_gather_len(&g), 0);
        kfk_gather_fini(&g);
    }
}

static void check_failing_decode(const sample *x)
{
    void *back = malloc(x->s->size);
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_arena arena;
        kfk_error err = {0};
        kfk_arena_init(&arena, BUDGET);
        int code = kfk_codec_decode(x->s, x->version, &arena, x->data, x->len, back, &err);
        assert_int_equal(code, memcheck_failed() ? KAFKA_ENOMEM : 0);
        assert_int_equal(err.code, code);
        kfk_arena_fini(&arena);
    }
    free(back);
}

static void a_failing_allocation_gives_enomem_and_leaves_the_output_as_it_was(void **state)
{
    (void)state;
    each_sample(2, check_failing_encode);
}

static void a_failing_allocation_while_decoding_gives_enomem(void **state)
{
    (void)state;
    each_sample(2, check_failing_decode);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_random_message_comes_back_and_so_do_its_bytes),
        MEMCHECK_TEST(a_message_cut_at_any_byte_is_refused_and_so_is_one_byte_more),
        MEMCHECK_TEST(a_damaged_message_is_refused_or_has_a_meaning),
        MEMCHECK_TEST(a_failing_allocation_gives_enomem_and_leaves_the_output_as_it_was),
        MEMCHECK_TEST(a_failing_allocation_while_decoding_gives_enomem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
