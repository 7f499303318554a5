/* receive: frames out of a stream.
 *
 * Small answers are read together with their length by one system call and copied once; of large ones all but the first
 * bytes are read straight into the counted block in which they stay. A block is as large as its owner says at once and
 * then grows by doubling behind what has arrived: a peer that only announces bytes costs none. A frame for which there
 * is no memory is passed over, and the owner told. Under the loop's baton, on the thread that turns the loop. */
#ifndef KFK_ENGINE_RECEIVE_H
#define KFK_ENGINE_RECEIVE_H
#include "base/buf.h"
#include "net/loop.h"

typedef struct kfk_receiver {
    kfk_loop *loop;
    /* A frame without its length, one reference with it, NULL = there was no memory for it; false = stop, the receiver
     * may have been reset meanwhile. */
    bool (*frame)(void *owner, kfk_block *frame, size_t len);
    /* Limits of the frame that begins: its greatest length, and how much gets memory at once. */
    void (*limits)(void *owner, size_t *most, size_t *at_once);
    /* Called in a later turn with KFK_STREAM_READABLE when there may be more than one turn should read. */
    void (*again)(void *owner, unsigned events);
    void *owner;
    uint8_t head[4];
    size_t head_len;
    kfk_block *block; /* the frame that is arriving; NULL = it is passed over */
    size_t len, got;
    uint64_t offset; /* in the stream: where the frame begins that comes next, or is arriving */
    kfk_timer more;
} kfk_receiver;

void kfk_receiver_init(kfk_receiver *r, kfk_loop *l, bool (*frame)(void *, kfk_block *, size_t),
                       void (*limits)(void *, size_t *, size_t *), void (*again)(void *, unsigned), void *owner);
/* Forgets what has arrived of a frame. */
void kfk_receiver_reset(kfk_receiver *r);
void kfk_receiver_fini(kfk_receiver *r);
/* Reads what is there. KAFKA_EAGAIN = all of it was read, or enough for this turn; 0 = a frame said stop; KAFKA_EOF =
 * the stream ended; KAFKA_EPROTO = a length that cannot be, with a hint about who the peer might be; or the stream's
 * error. */
int kfk_receiver_run(kfk_receiver *r, kfk_stream *s, kfk_error *err);

#endif
