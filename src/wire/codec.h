/* codec: the interpreter of the schemas: bytes to structs and back, defaults, text.
 *
 * One function each for every message of every version. Pure: no state, no I/O, nothing blocks, safe from any thread on
 * different messages. Recursion goes as deep as the schema, which is constant; what a peer sends cannot deepen it.
 *
 * Strictness of the decoder (a peer that breaks a rule gives KAFKA_EPROTO):
 *   - lengths and counts are compared with the bytes that are left before they are used, and a count is multiplied with
 *     the least size of an element before memory for it is asked for;
 *   - a length or count below -1 is refused, null only where the version allows it, strings end at 32 767 bytes;
 *   - unsigned varints have their shortest form; tags ascend strictly, a tagged field has exactly the announced size,
 *     at most KFK_CODEC_MAX_TAGS of them; unknown ones are skipped;
 *   - the message ends where the bytes end;
 *   - a bool is true for every byte but 0, as the protocol guide says: the one place besides unknown and spelt-out
 *     default tags where encode(decode(bytes)) may differ from bytes. */
#ifndef KFK_WIRE_CODEC_H
#define KFK_WIRE_CODEC_H
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "wire/gather.h"
#include "wire/schema.h"

enum { KFK_CODEC_MAX_TAGS = 1024, KFK_CODEC_MAX_STRING = 32767 };

/* Sets every field to its default. An all-zero struct is not the same: strings would be null instead of empty. */
void kfk_codec_default(const kfk_schema *s, void *msg);

/* Appends the encoded message to `out`. On failure `out` is as before, but for its sticky error.
 *
 * KAFKA_EVERSION: the schema lacks the version, or a field that the version lacks (or that cannot be null in it) has a
 * value other than its default and is not ignorable; `err` names it. KAFKA_EINVAL: null where null is never allowed, a
 * string over 32 767 bytes, an impossible count. KAFKA_ENOMEM, KAFKA_ETOOBIG: `out` cannot grow.
 * `err` may be NULL here and below. */
int kfk_codec_encode(const kfk_schema *s, int16_t version, const void *msg, kfk_gather *out, kfk_error *err);

/* Decodes all of [data, data + len) into `msg`, a struct of s->size bytes; what it held does not matter. Strings, bytes
 * and records point into `data`, arrays and nullable structs lie in the arena: the message lives as long as both.
 *
 * KAFKA_EVERSION: the schema lacks the version. KAFKA_EPROTO: malformed; `err` names message, field and byte, as in
 * "Metadata response v9: topics[3].partitions: 2147483647 elements announced, 17 bytes left (byte 113)".
 * KAFKA_ENOMEM, KAFKA_ETOOBIG (budget): the arena's. After a failure `msg` is at its defaults. */
int kfk_codec_decode(const kfk_schema *s, int16_t version, kfk_arena *arena, const void *data, size_t len, void *msg,
                     kfk_error *err);

/* The same for a message with something behind it: decodes from `data` on and sets *used. */
int kfk_codec_decode_prefix(const kfk_schema *s, int16_t version, kfk_arena *arena, const void *data, size_t len,
                            void *msg, size_t *used, kfk_error *err);

/* Appends the message as one line of ASCII: `Metadata request v12: topics=[{name="t"}],
 * allow_auto_topic_creation=true`. Fields are those of the version; null, false, "", a zero uuid and any tagged field
 * are left out where they are the default. Other bytes than printable ASCII are escaped, long strings, bytes and arrays
 * cut with a note of their size. 0, KAFKA_EVERSION, or the buffer's sticky error. */
int kfk_codec_print(const kfk_schema *s, int16_t version, const void *msg, kfk_buf *out);

/* Appends a string that is not null as codec_print does: in quotes, escaped, cut. 0, or the buffer's sticky error. */
int kfk_codec_print_string(kafka_bytes b, kfk_buf *out);

/* True when the field of `msg` (a struct that `s` describes) holds its default. */
bool kfk_codec_is_default(const kfk_schema *s, const kfk_field *f, const void *msg);

#endif
