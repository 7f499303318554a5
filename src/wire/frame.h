/* frame: what goes over a connection: a length, a header, a message.
 *
 * Nothing blocks; `err` may be NULL. A frame that is decoded is given without its four bytes of length, which the
 * connection needs to read it. Decoded messages point into the frame and the arena and live as long as both. */
#ifndef KFK_WIRE_FRAME_H
#define KFK_WIRE_FRAME_H
#include "wire/api.h"
#include "wire/codec.h"

enum { KFK_FRAME_LENGTH = 4 }; /* bytes of the length in front */

/* Appends a request: length, header, body. `client_id` may be null. Errors as kfk_codec_encode, and KAFKA_ETOOBIG when
 * it is longer than an int32 can say; on failure `out` is as before, but for its sticky error. */
int kfk_frame_encode_request(const kfk_api *api, int16_t version, int32_t correlation_id, kafka_bytes client_id,
                             const void *msg, kfk_gather *out, kfk_error *err);

/* Reads the correlation id of a response, which tells whose it is. 0, or KAFKA_EPROTO when there are no four bytes. */
int kfk_frame_peek_correlation(const void *data, size_t len, int32_t *id);

/* Decodes the response to a request of this API and version into `msg` (api->response->size bytes). An ApiVersions
 * request of a version that the broker does not know is answered in version 0 with error code 35 in the first two bytes
 * of the body: kfk_frame_is_version_refusal tells, the caller then passes version 0. Errors as kfk_codec_decode. */
int kfk_frame_decode_response(const kfk_api *api, int16_t version, kfk_arena *arena, const void *data, size_t len,
                              int32_t *correlation_id, void *msg, kfk_error *err);

/* True when a response to ApiVersions says UNSUPPORTED_VERSION (35), so that its body is of version 0. */
bool kfk_frame_is_version_refusal(const void *data, size_t len);

/* ---- the other side, for in-memory brokers and tests ------------------------------------------------------------- */

/* Decodes a request. *api, *version, *correlation_id and *client_id are set as soon as the header was understood, also
 * when the call then fails; else *api is NULL. *msg is a struct of (*api)->request->size bytes in the arena.
 * KAFKA_EVERSION: an API or version that the library does not know (*api is NULL for an unknown API). Otherwise as
 * kfk_codec_decode. */
int kfk_frame_decode_request(const void *data, size_t len, kfk_arena *arena, const kfk_api **api, int16_t *version,
                             int32_t *correlation_id, kafka_bytes *client_id, void **msg, kfk_error *err);

/* Appends a response: length, header, body. Errors as kfk_frame_encode_request. */
int kfk_frame_encode_response(const kfk_api *api, int16_t version, int32_t correlation_id, const void *msg,
                              kfk_gather *out, kfk_error *err);

/* ---- as text ----------------------------------------------------------------------------------------------------- */

/* Appends a line such as `#7 client="kc" Metadata request v12: topics=...`. A request of an unknown API or version
 * shows as its numbers and size. 0, KAFKA_EPROTO when malformed, KAFKA_ENOMEM, KAFKA_ETOOBIG. */
int kfk_frame_print_request(const void *data, size_t len, kfk_buf *out, kfk_error *err);
/* The same for the response to a request of this API and version, which the frame itself does not tell. */
int kfk_frame_print_response(const kfk_api *api, int16_t version, const void *data, size_t len, kfk_buf *out,
                             kfk_error *err);

#endif
