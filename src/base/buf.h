/* buf: a growable byte buffer with a limit, and a counted block of bytes.
 *
 * `kafka_buf` is also what codecs of an application write into, hence its public name. Its limit bounds what a peer can
 * make us hold: growing past it is KAFKA_ETOOBIG, no memory is KAFKA_ENOMEM. Both are sticky in `err`: after a failure
 * nothing is appended any more, so that a long encoder may check once, at its end. */
#ifndef KFK_BASE_BUF_H
#define KFK_BASE_BUF_H
#include "base/ref.h"
#include <stddef.h>

typedef struct kafka_buf {
    uint8_t *data;
    size_t len, cap, limit;
    size_t promised; /* the public functions': of the room behind the content, what was reserved */
    int err;
} kfk_buf;

/* An empty buffer, nothing allocated. limit: most bytes it may hold, SIZE_MAX = no limit. */
void kfk_buf_init(kfk_buf *b, size_t limit);
void kfk_buf_fini(kfk_buf *b);
/* Empties it and keeps the memory; forgets the error. */
void kfk_buf_clear(kfk_buf *b);
/* 0, or the sticky error. A failed append adds nothing; `data` is not part of the buffer itself. */
int kfk_buf_append(kfk_buf *b, const void *data, size_t len);
/* Room for `len` bytes behind the content, or NULL (the error is in `err`; room for 0 bytes has an address too). What
 * is written there counts after commit. */
void *kfk_buf_reserve(kfk_buf *b, size_t len);
/* `used` bytes of the reserved room became content. */
void kfk_buf_commit(kfk_buf *b, size_t used);
/* Formatted text, without a terminating NUL in the content. 0, or the sticky error. Text may fill it to its limit. */
int kfk_buf_printf(kfk_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The content as a block that now belongs to the caller (free with kfk_mem_free); the buffer is empty again. NULL, with
 * *len = 0, when there is no content, and after a failure: what is half written is not handed out. */
uint8_t *kfk_buf_take(kfk_buf *b, size_t *len);

/* A counted block: a received frame, an inflated batch. Whoever holds a reference may read `data`; only the one that
 * filled it writes. */
typedef struct kfk_block {
    kfk_ref ref;
    size_t cap;
    uint8_t data[];
} kfk_block;

kfk_block *kfk_block_new(size_t cap);
/* Grows a block that nobody else holds: as realloc, the old one stays valid on NULL. */
kfk_block *kfk_block_grow(kfk_block *b, size_t cap);
kfk_block *kfk_block_hold(kfk_block *b);
/* NULL is fine. */
void kfk_block_drop(kfk_block *b);

#endif
