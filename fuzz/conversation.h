/* conversation: a client of the public interface and a broker that does what the input says, on the simulation's loop.
 *
 * The client dials, reads, writes, looks at metadata and manages topics, in virtual time, without a thread. The broker
 * is the simulation's peer (tests/sim/peer.h) as long as the input has nothing else to say: for each request it takes a
 * step from the input, and behind the end of the input it behaves. A step answers with other bytes, or with the right
 * ones after some changes, late, in pieces, or not at all.
 *
 *   input:  seed of the simulation (2), options (1), which allocation of the library fails (1), what is left out (2),
 *           steps
 *   step:   control (1), then as the control says:
 *             bits 0-2  what is sent:
 *                       0 the right answer         1 that with changes: count (1), each: place (2), kind (1), value (4)
 *                       2 a frame: length (2) and the bytes behind its correlation id
 *                       3 bytes as they are: length (2), bytes          4 the right answer to an error code (2)
 *                       5 nothing, it closes       6 nothing, it resets      7 nothing, ever again on this connection
 *             bit 3     a delay: 2^n ms (1)        bit 4  cut behind so many bytes, then closed (1)
 *             bit 5     one more step for the same request
 *
 * What must hold: each call ends by its deadline, with a code of the table and a sentence; offsets ascend; requests can
 * be decoded; nothing is left over; and where the input has no steps, the calls succeed. */
#ifndef KAFKA_FUZZ_CONVERSATION_H
#define KAFKA_FUZZ_CONVERSATION_H
#include <stddef.h>
#include <stdint.h>

enum { CONVERSATION_HEAD = 6 };

/* Options. */
enum {
    CONVERSATION_COMMITTED = 1, /* reads what is committed */
    CONVERSATION_NO_LEADER = 2, /* dials the broker, not the leader: no reading and writing */
    CONVERSATION_NO_ACKS = 4,   /* writes without acknowledgement */
    CONVERSATION_CODEC = 0x38,  /* of what is written */
    CONVERSATION_OLD = 0x40     /* the broker offers the oldest versions */
};

/* Has it, and frees everything. `answer`, which may be NULL, is shown every right answer: the frame behind its
 * correlation id. */
void conversation_run(const uint8_t *data, size_t size, void (*answer)(void *arg, const uint8_t *body, size_t len),
                      void *arg);

#endif
