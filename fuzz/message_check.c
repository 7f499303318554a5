/* See message_check.h. Equality is the tests' own (tests/wire/message.c), written apart from the codec. */
#include "message_check.h"
#include "fuzz.h"
#include "wire/message.h"
#include <stdlib.h>
#include <string.h>

enum { CHECK_BUDGET = 64 << 20, TIGHT = 400, CHUNK_HEADERS = 64 * 1024 };

static void check_text(const kfk_schema *s, int16_t version, const void *msg)
{
    kfk_buf out;
    kfk_buf_init(&out, SIZE_MAX);
    FUZZ_REQUIRE(kfk_codec_print(s, version, msg, &out) == 0, "%s v%d is not printed", s->name, version);
    for (size_t i = 0; i < out.len; i++)
        FUZZ_REQUIRE(out.data[i] >= 0x20 && out.data[i] < 0x7f, "%s v%d: byte %zu of its text", s->name, version, i);
    kfk_buf_fini(&out);
}

static uint8_t *encode(const kfk_schema *s, int16_t version, const void *msg, size_t *len)
{
    kfk_gather out;
    kfk_error err = {0};
    kfk_gather_init(&out, SIZE_MAX);
    int code = kfk_codec_encode(s, version, msg, &out, &err);
    FUZZ_REQUIRE(code == 0, "what was decoded cannot be encoded: %s", err.text);
    uint8_t *bytes = message_bytes(&out, len);
    kfk_gather_fini(&out);
    return bytes;
}

void message_check(const kfk_schema *s, int16_t version, const void *msg)
{
    kfk_arena arena;
    kfk_error err = {0};
    size_t len, again_len;
    check_text(s, version, msg);
    uint8_t *bytes = encode(s, version, msg, &len);
    void *back = malloc(s->size);
    if (back == NULL) exit(2);
    kfk_arena_init(&arena, CHECK_BUDGET);
    FUZZ_REQUIRE(kfk_codec_decode(s, version, &arena, bytes, len, back, &err) == 0, "%s", err.text);
    FUZZ_REQUIRE(message_equal(s, msg, back), "%s v%d comes back different", s->name, version);
    uint8_t *again = encode(s, version, back, &again_len);
    FUZZ_REQUIRE(again_len == len && memcmp(again, bytes, len) == 0, "%s v%d: other bytes", s->name, version);
    free(again);
    kfk_arena_fini(&arena);
    free(back);
    free(bytes);
}

size_t message_budget(size_t len, bool tight)
{
    return tight ? TIGHT : 64 * 1024 + len * 32;
}

void message_check_memory(const kfk_arena *arena)
{
    size_t peak = fuzz_memory_peak();
    FUZZ_REQUIRE(arena->used <= arena->budget, "%zu of %zu", arena->used, arena->budget);
    FUZZ_REQUIRE(peak <= 2 * arena->budget + CHUNK_HEADERS, "%zu bytes for a budget of %zu", peak, arena->budget);
}
