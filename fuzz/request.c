/* The decoder of requests: every API in every version, and what is neither.
 *
 * Input: API (its row), version (from the least on), options, then the frame behind API key and version. From API
 * 128 on those are bytes of the input, too. Options: bit 0: a tight budget; the other bits: which allocation fails. */
#include "fuzz.h"
#include "message_check.h"
#include "wire/frame.h"
#include "wire/prim.h"
#include <stdlib.h>
#include <string.h>

enum { HEAD = 4 /* API key and version */, RAW = 128 };

/* The frame, in memory of exactly its size. */
static uint8_t *make_frame(fuzz_input *in, uint8_t row, uint8_t nth_version, size_t *len)
{
    uint8_t *rest = fuzz_copy(in, SIZE_MAX, len);
    if (row >= RAW) return rest;
    const kfk_api *api = kfk_api_row(row % (size_t)KFK_API_COUNT);
    int version = api->min_version + nth_version % (api->max_version - api->min_version + 1);
    uint8_t *frame = malloc(HEAD + *len);
    if (frame == NULL) exit(2);
    kfk_prim_put_be16(frame, (uint16_t)api->key);
    kfk_prim_put_be16(frame + 2, (uint16_t)version);
    if (*len > 0) memcpy(frame + HEAD, rest, *len);
    *len += HEAD;
    free(rest);
    return frame;
}

static void check_print(const uint8_t *frame, size_t len, int decoded)
{
    kfk_buf out;
    kfk_error err = {0};
    kfk_buf_init(&out, SIZE_MAX);
    int code = kfk_frame_print_request(frame, len, &out, &err);
    /* what is not known is printed as its numbers */
    FUZZ_REQUIRE((code == 0) == (decoded == 0 || decoded == KAFKA_EVERSION), "printing gives %d, decoding %d: %s", code,
                 decoded, err.text);
    kfk_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    uint8_t row = fuzz_byte(&in), nth_version = fuzz_byte(&in), options = fuzz_byte(&in);
    size_t len;
    uint8_t *frame = make_frame(&in, row, nth_version, &len);
    const kfk_api *api = NULL;
    int16_t version = 0;
    int32_t id = 0;
    kafka_bytes client = {NULL, 0};
    void *msg;
    kfk_arena arena;
    kfk_error err = {0};

    fuzz_memory_begin(options >> 1);
    kfk_arena_init(&arena, message_budget(len, options & 1));
    int code = kfk_frame_decode_request(frame, len, &arena, &api, &version, &id, &client, &msg, &err);
    message_check_memory(&arena);
    bool failed = fuzz_memory_failed();
    fuzz_memory_stop_failing();
    if (code != 0) {
        fuzz_require_error(code, &err);
        FUZZ_REQUIRE(code == KAFKA_EPROTO || code == KAFKA_EVERSION || (code == KAFKA_ETOOBIG && (options & 1)) ||
                         (code == KAFKA_ENOMEM && failed),
                     "%s", err.text);
    } else {
        FUZZ_REQUIRE(version >= api->min_version && version <= api->max_version, "%s v%d", api->name, version);
        fuzz_touch(0, client.data, client.len);
        message_check(api->request, version, msg);
    }
    if (code == 0 || code == KAFKA_EPROTO || code == KAFKA_EVERSION) check_print(frame, len, code);
    kfk_arena_fini(&arena);
    fuzz_memory_end();
    free(frame);
    return 0;
}
