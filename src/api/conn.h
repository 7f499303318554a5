/* conn: the public connection, and what the files that implement its calls share. */
#ifndef KFK_API_CONN_H
#define KFK_API_CONN_H
#include "api/fail.h"
#include "base/fork.h"
#include "base/lock.h"
#include "engine/chunk.h"
#include "engine/conn.h"
#include "kafka/conn.h"
#include <stdatomic.h>

/* Where reading goes on. Each seek counts: what was fetched before one must not move the position any more. */
typedef struct kfk_place {
    int64_t at; /* KAFKA_OFFSET_FIRST and _LAST: not resolved yet */
    uint64_t seeks;
} kfk_place;

/* Since when answers have been of no use for reading on from a place. */
typedef struct kfk_stuck {
    kfk_place at;
    int64_t since_ms;
    bool useless; /* the last answer was */
} kfk_stuck;

/* Counted: the handle and an open batch hold it. */
struct kafka_conn {
    kfk_ref ref;
    kfk_conn *core;
    kfk_loop *loop; /* a use: the handle's alone */
    char *topic;    /* NULL = none */
    int32_t partition;
    uint32_t born;                 /* base/fork.h */
    kfk_lock place_lock;           /* innermost */
    kfk_place place;               /* of the next message to read */
    _Atomic int32_t required_acks; /* as on the wire: 0, 1, -1 */
    _Atomic(kfk_block *) spare;    /* a buffer for the next write */
    /* Who has the read turn: what is left of the last fetch of a single message; read on unless there was a seek. */
    kfk_chunk rest;
    uint64_t rest_seeks;
    bool has_rest;
    kfk_stuck stuck;
};

/* Takes over the broker and the use of the loop, also on failure. topic NULL = none. 0 or KAFKA_ENOMEM. */
int kfk_api_conn_new(kfk_loop *loop_take, kfk_broker *broker_take, const char *topic, int32_t partition,
                     kafka_conn **out);
kafka_conn *kfk_api_conn_hold(kafka_conn *c);
void kfk_api_conn_drop(kafka_conn *c);

kfk_place kfk_api_conn_place(kafka_conn *c);
void kfk_api_conn_seek(kafka_conn *c, int64_t to);
/* Reading has gone on to `to` since the position was looked at and had seen so many seeks. A seek that came meanwhile
 * wins. */
void kfk_api_conn_move(kafka_conn *c, uint64_t seeks, int64_t to);

/* First and last offset, or offset by time, as ListOffsets answers; READ kind. 0 or the published error. */
int kfk_api_conn_list_offset(kafka_conn *c, int64_t timestamp, int64_t *out);
/* Shared by partitions' look-ups: as kafka_conn_read_partitions, with all text in err. */
int kfk_api_conn_partitions(kafka_conn *c, const char *const *topics, size_t count, kafka_partitions **out,
                            kfk_error *err);
/* Is it the parent's, and this a forked child? Each public call looks before it takes any lock. */
static inline bool kfk_api_conn_is_parents(const kafka_conn *c)
{
    return kfk_fork_is_parents(c->born);
}
/* Publishes KAFKA_EINVAL when the connection is NULL, or has no topic and needs one, KAFKA_EFORKED when it is the
 * parent's. */
int kfk_api_conn_check_use(kafka_conn *c, const char *call, bool needs_topic);
/* The same for a call that waits: KAFKA_EAGAIN in a callback. */
int kfk_api_conn_check(kafka_conn *c, const char *call, bool needs_topic);
/* With the read turn: forgets what is left of the last fetch. */
void kfk_api_conn_forget_rest(kafka_conn *c);

/* A batch of records that was read; owns the chunk; gives back the read turn when closed. `seeks`: how many there had
 * been when it was fetched. */
int kfk_batch_new(kafka_conn *c, const kfk_chunk *chunk_take, uint64_t seeks, kafka_batch **out);
/* Publishes and returns the error that ended a chunk, with where it came from. */
int kfk_batch_fail(kafka_conn *c, const kfk_chunk *chunk);
/* Fills a message from a record of a chunk; headers lie in the chunk. 0 or the chunk's error. */
int kfk_batch_fill_message(kafka_conn *c, kfk_chunk *chunk, const kfk_record *r, kafka_message *out);

#endif
