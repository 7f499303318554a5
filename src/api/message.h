/* message: a kafka_message that the library handed out, with what it owns.
 *
 * Everything that the message points to lives either behind the struct, in the same allocation, or in a block that is
 * dropped with the message (a fetched chunk that is shared by all its messages). Both may hold at once: names behind
 * the struct, key and value in the block. */
#ifndef KFK_API_MESSAGE_H
#define KFK_API_MESSAGE_H
#include "base/buf.h"
#include "base/error.h"
#include "kafka/types.h"

typedef struct kfk_owned_message {
    kafka_message m;  /* first: its address is the message's */
    kfk_block *block; /* NULL = none */
} kfk_owned_message;

/* A copy of everything, in one allocation; NULL and empty stay different. `from` must be well formed
 * (kfk_message_check). 0 or KAFKA_ENOMEM, without a text. Freed with kafka_message_free. */
int kfk_message_new_copy(const kafka_message *from, kafka_message **out);
/* 0, or KAFKA_EINVAL with a text for a message that no caller may pass: a length without data, a count without headers,
 * a header without a name, a reserved field that is not 0. `what` begins the text. */
int kfk_message_check(const kafka_message *m, const char *what, kfk_error *e);

#endif
