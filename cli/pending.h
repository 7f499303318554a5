/* pending: the messages of one partition that wait to be sent together. */
#ifndef KC_PENDING_H
#define KC_PENDING_H
#include "kc.h"
#include <kafka/types.h>

/* As large as a batch gets, header included: what brokers take unless they are told otherwise, less 12 bytes. */
#define KC_BATCH_BYTES ((size_t)1 << 20)

typedef struct kc_pending {
    kafka_message *messages;
    size_t count, room;
    char *bytes; /* their keys and values: KC_BATCH_BYTES, allocated with the first message */
    size_t used;
    size_t encoded; /* the batch on the wire, before compression; 0 while empty */
} kc_pending;

/* What a message adds to a batch on the wire, at most. */
size_t kc_pending_size(const kafka_message *m);
/* True when a batch takes `size` more bytes. An empty one may not take a message either: one that is too large for
 * any. */
bool kc_pending_fits(const kc_pending *p, size_t size);
/* Copies key and value; headers are borrowed. It must fit. */
void kc_pending_add(kc_pending *p, const kafka_message *m, size_t size);
/* Forgets the messages, keeps the memory. */
void kc_pending_clear(kc_pending *p);
void kc_pending_free(kc_pending *p);

#endif
