/* codec_walk: what encoder, decoder and printer of codec.h share, and nobody else uses.
 *
 * All of them walk the fields of a struct; a walk knows where it is by a chain of `kfk_codec_path`, one in each of its
 * stack frames, which becomes text only when something is wrong. */
#ifndef KFK_WIRE_CODEC_WALK_H
#define KFK_WIRE_CODEC_WALK_H
#include "base/error.h"
#include "wire/schema.h"

enum { KFK_CODEC_WHERE = 320 }; /* room for the text of a place */

typedef struct kfk_codec_path {
    const struct kfk_codec_path *up;
    const kfk_field *field;
    int32_t index; /* element of an array, -1 = the field itself */
} kfk_codec_path;

/* Bytes of the types of one size, which are the same on the wire and in C; 0 for the others. */
extern const uint8_t kfk_codec_fixed_sizes[KFK_TYPE_STRUCT + 1];

/* The field inside of its struct. */
static inline const void *kfk_codec_member(const void *msg, const kfk_field *f)
{
    return (const char *)msg + f->offset;
}

static inline void *kfk_codec_member_mut(void *msg, const kfk_field *f)
{
    return (char *)msg + f->offset;
}

/* Size in C of an element of an array. */
size_t kfk_codec_element_size(const kfk_field *f);
/* "Metadata response v9: topics[3].partitions: "; cut at `size`. `at` may be NULL: the message itself. */
void kfk_codec_where(const kfk_schema *message, int16_t version, const kfk_codec_path *at, char *out, size_t size);
/* Sets and returns KAFKA_EVERSION. */
int kfk_codec_refuse(const kfk_schema *s, int16_t version, kfk_error *err);

#endif
