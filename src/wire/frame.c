/* frame: length, header, body, both ways round.
 *
 * The headers are messages with schemas of their own, so nothing is written by hand but the length, which is patched in
 * when everything behind it is there: what a produce request splices in counts too. A request says which API and
 * version it is in its first four bytes, and these decide about the rest of its header; a response says nothing, its
 * reader must know what was asked. */
#include "wire/frame.h"
#include "wire/gen/headers.h"
#include "wire/prim.h"
#include <inttypes.h>
#include <string.h>

/* Header, body, and the length in front of both. */
static int encode(const kfk_schema *head, int16_t head_version, const void *head_msg, const kfk_schema *body,
                  int16_t version, const void *msg, kfk_gather *out, kfk_error *err)
{
    kfk_gather_mark mark = kfk_gather_here(out);
    kfk_gather_room(out, KFK_FRAME_LENGTH); /* a failure is sticky: the header's encoder reports it */
    int code = kfk_codec_encode(head, head_version, head_msg, out, err);
    if (code == 0) code = kfk_codec_encode(body, version, msg, out, err);
    if (code == 0) {
        size_t len = kfk_gather_since(out, mark) - KFK_FRAME_LENGTH;
        if (len <= INT32_MAX) {
            kfk_prim_put_be32(out->buf.data + mark.own, (uint32_t)len);
            return 0;
        }
        code = kfk_error_set(err, KAFKA_ETOOBIG, "%s v%d: %zu bytes do not fit into a frame", body->name, version, len);
    }
    kfk_gather_undo(out, mark);
    return code;
}

int kfk_frame_encode_request(const kfk_api *api, int16_t version, int32_t correlation_id, kafka_bytes client_id,
                             const void *msg, kfk_gather *out, kfk_error *err)
{
    kfk_request_header head = {api->key, version, correlation_id, client_id};
    return encode(&kfk_request_header_schema, kfk_api_request_header(api, version), &head, api->request, version, msg,
                  out, err);
}

int kfk_frame_encode_response(const kfk_api *api, int16_t version, int32_t correlation_id, const void *msg,
                              kfk_gather *out, kfk_error *err)
{
    kfk_response_header head = {correlation_id};
    return encode(&kfk_response_header_schema, kfk_api_response_header(api, version), &head, api->response, version,
                  msg, out, err);
}

int kfk_frame_peek_correlation(const void *data, size_t len, int32_t *id)
{
    if (len < 4) return KAFKA_EPROTO;
    *id = (int32_t)kfk_prim_get_be32(data);
    return 0;
}

bool kfk_frame_is_version_refusal(const void *data, size_t len)
{
    return len >= 6 && kfk_prim_get_be16((const uint8_t *)data + 4) == KAFKA_ERR_UNSUPPORTED_VERSION;
}

int kfk_frame_decode_response(const kfk_api *api, int16_t version, kfk_arena *arena, const void *data, size_t len,
                              int32_t *correlation_id, void *msg, kfk_error *err)
{
    kfk_response_header head;
    size_t used;
    int code = kfk_codec_decode_prefix(&kfk_response_header_schema, kfk_api_response_header(api, version), arena, data,
                                       len, &head, &used, err);
    if (code != 0) {
        kfk_codec_default(api->response, msg);
        return kfk_error_prefix(err, "%s response v%d: ", api->name, version), code;
    }
    *correlation_id = head.correlation_id;
    return kfk_codec_decode(api->response, version, arena, (const uint8_t *)data + used, len - used, msg, err);
}

/* The header of a request and what it says of the rest. */
static int decode_request_header(const void *data, size_t len, kfk_arena *arena, const kfk_api **api,
                                 kfk_request_header *head, size_t *used, kfk_error *err)
{
    kfk_reader in;
    kfk_reader_init(&in, data, len);
    int16_t key = kfk_reader_int16(&in), version = kfk_reader_int16(&in);
    *api = kfk_reader_ok(&in) ? kfk_api_find(key) : NULL;
    int16_t head_version = *api ? kfk_api_request_header(*api, version) : 1;
    int code = kfk_codec_decode_prefix(&kfk_request_header_schema, head_version, arena, data, len, head, used, err);
    if (code != 0) *api = NULL;
    return code;
}

int kfk_frame_decode_request(const void *data, size_t len, kfk_arena *arena, const kfk_api **api, int16_t *version,
                             int32_t *correlation_id, kafka_bytes *client_id, void **msg, kfk_error *err)
{
    kfk_request_header head;
    size_t used;
    *msg = NULL;
    int code = decode_request_header(data, len, arena, api, &head, &used, err);
    if (code != 0) return code;
    *version = head.request_api_version;
    *correlation_id = head.correlation_id;
    *client_id = head.client_id;
    if (!*api) return kfk_error_set(err, KAFKA_EVERSION, "request of API %d, which is not known", head.request_api_key);
    *msg = kfk_arena_alloc(arena, (*api)->request->size);
    if (!*msg) return kfk_error_set(err, arena->err, "%s request: no memory", (*api)->name);
    return kfk_codec_decode((*api)->request, *version, arena, (const uint8_t *)data + used, len - used, *msg, err);
}

/* ---- as text ---- */

/* Decoded messages are a small multiple of their frames. */
static size_t print_budget(size_t len)
{
    return 65536 + 64 * len;
}

static void print_request_start(const kfk_request_header *head, kfk_buf *out)
{
    kfk_buf_printf(out, "#%" PRId32 " ", head->correlation_id);
    if (!head->client_id.data) return;
    kfk_buf_append(out, "client=", 7);
    kfk_codec_print_string(head->client_id, out);
    kfk_buf_append(out, " ", 1);
}

/* A request that the library has no schema for. */
static int print_unknown(const kfk_api *api, const kfk_request_header *head, size_t body, kfk_buf *out)
{
    if (api)
        kfk_buf_printf(out, "%s", api->name);
    else
        kfk_buf_printf(out, "API %d", head->request_api_key);
    return kfk_buf_printf(out, " request v%d: <%zu bytes>", head->request_api_version, body);
}

static int print_request(const void *data, size_t len, kfk_arena *arena, kfk_buf *out, kfk_error *err)
{
    const kfk_api *api;
    kfk_request_header head;
    size_t used;
    int code = decode_request_header(data, len, arena, &api, &head, &used, err);
    if (code != 0) return code;
    int16_t version = head.request_api_version;
    if (!api || !kfk_versions_have(api->request->versions, version)) {
        print_request_start(&head, out);
        return print_unknown(api, &head, len - used, out);
    }
    void *msg = kfk_arena_alloc(arena, api->request->size);
    if (!msg) return kfk_error_set(err, arena->err, "%s request: no memory", api->name);
    code = kfk_codec_decode(api->request, version, arena, (const uint8_t *)data + used, len - used, msg, err);
    if (code != 0) return code;
    print_request_start(&head, out);
    return kfk_codec_print(api->request, version, msg, out);
}

int kfk_frame_print_request(const void *data, size_t len, kfk_buf *out, kfk_error *err)
{
    kfk_arena arena;
    kfk_arena_init(&arena, print_budget(len));
    int code = print_request(data, len, &arena, out, err);
    kfk_arena_fini(&arena);
    return code;
}

int kfk_frame_print_response(const kfk_api *api, int16_t version, const void *data, size_t len, kfk_buf *out,
                             kfk_error *err)
{
    kfk_arena arena;
    int32_t id = 0;
    kfk_arena_init(&arena, print_budget(len));
    void *msg = kfk_arena_alloc(&arena, api->response->size);
    int code = msg ? kfk_frame_decode_response(api, version, &arena, data, len, &id, msg, err)
                   : kfk_error_set(err, arena.err, "%s response: no memory", api->name);
    if (code == 0) {
        kfk_buf_printf(out, "#%" PRId32 " ", id);
        code = kfk_codec_print(api->response, version, msg, out);
    }
    kfk_arena_fini(&arena);
    return code;
}
