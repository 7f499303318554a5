/* The decoder of responses: every API in every version.
 *
 * Input: API (its row), version (from the least on), options, then the frame without its length.
 * Options: bit 0: a tight budget; the other bits: which allocation fails, 0 = none. */
#include "fuzz.h"
#include "message_check.h"
#include "wire/frame.h"
#include <stdlib.h>
#include <string.h>

/* The text of a frame needs the same decoding, so it comes about exactly when the message does. */
static void check_print(const kfk_api *api, int16_t version, const uint8_t *frame, size_t len, bool decoded)
{
    kfk_buf out;
    kfk_error err = {0};
    kfk_buf_init(&out, SIZE_MAX);
    int code = kfk_frame_print_response(api, version, frame, len, &out, &err);
    FUZZ_REQUIRE((code == 0) == decoded, "printing gives %d: %s", code, err.text);
    kfk_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    const kfk_api *api = kfk_api_row(fuzz_byte(&in) % (size_t)KFK_API_COUNT);
    int16_t version = (int16_t)(api->min_version + fuzz_byte(&in) % (api->max_version - api->min_version + 1));
    uint8_t options = fuzz_byte(&in);
    size_t len;
    uint8_t *frame = fuzz_copy(&in, SIZE_MAX, &len);
    void *msg = malloc(api->response->size);
    if (msg == NULL) exit(2);
    int32_t id = 0;
    kfk_arena arena;
    kfk_error err = {0};

    fuzz_memory_begin(options >> 1);
    kfk_arena_init(&arena, message_budget(len, options & 1));
    int code = kfk_frame_decode_response(api, version, &arena, frame, len, &id, msg, &err);
    message_check_memory(&arena);
    bool failed = fuzz_memory_failed();
    fuzz_memory_stop_failing();
    if (code != 0) {
        fuzz_require_error(code, &err);
        FUZZ_REQUIRE(strstr(err.text, api->name) != NULL, "does not name the API: %s", err.text);
        FUZZ_REQUIRE(memcmp(msg, api->response->defaults, api->response->size) == 0, "%s: not at its defaults",
                     api->name);
        FUZZ_REQUIRE(code == KAFKA_EPROTO || (code == KAFKA_ETOOBIG && (options & 1)) ||
                         (code == KAFKA_ENOMEM && failed),
                     "%s", err.text);
    } else {
        int32_t peeked = 0;
        FUZZ_REQUIRE(kfk_frame_peek_correlation(frame, len, &peeked) == 0 && peeked == id, "%d, not %d", peeked, id);
        message_check(api->response, version, msg);
    }
    if (code == 0 || code == KAFKA_EPROTO) check_print(api, version, frame, len, code == 0);
    if (api->key == KFK_API_API_VERSIONS) (void)kfk_frame_is_version_refusal(frame, len);
    kfk_arena_fini(&arena);
    fuzz_memory_end();
    free(msg);
    free(frame);
    return 0;
}
