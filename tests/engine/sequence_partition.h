/* sequence_partition: one partition, as tests tell it what happens.
 *
 * Batches are named by their number. `send` asks the machine what may go out on a connection, and checks which it is;
 * `answer` and `lose` tell what became of the newest copy of a batch; `written` and `failed` take the batch that ended.
 * */
#ifndef KFK_TESTS_SEQUENCE_PARTITION_H
#define KFK_TESTS_SEQUENCE_PARTITION_H
#include "support/memcheck.h"

#include "engine/sequence.h"
#include <string.h>

enum { NONE = -1, DAY_MS = 24 * 3600 * 1000 };

typedef struct partition {
    kfk_sequence_config cfg;
    kfk_sequence s;
    kfk_sequence_batch b[16];
    kfk_sequence_copy copies[64];
    int pushed, copied, newest[16]; /* copy of a batch */
    int64_t now_ms;
} partition;

static inline void begin(partition *p)
{
    memset(p, 0, sizeof *p);
    p->cfg = (kfk_sequence_config){.idempotence = true, .acks = -1, .max_attempts = 3};
    p->now_ms = 1000;
    kfk_sequence_init(&p->s, &p->cfg, 7);
    kfk_sequence_id(&p->s, 100, 0);
}

static inline void begin_without_idempotence(partition *p, int16_t acks)
{
    begin(p);
    p->cfg.idempotence = false;
    p->cfg.acks = acks;
    kfk_sequence_init(&p->s, &p->cfg, 7);
}

static inline int64_t wall_ms(const partition *p)
{
    return p->now_ms + 1000 * (int64_t)DAY_MS;
}

/* The number of the batch. */
static inline int push(partition *p, int records)
{
    kfk_sequence_batch *b = &p->b[p->pushed];
    b->records = records;
    b->newest_ms = wall_ms(p);
    b->deadline_ms = p->now_ms + 120000;
    kfk_sequence_push(&p->s, b);
    return p->pushed++;
}

/* What may go out on the connection now: its number, or NONE. It is not sent. */
static inline int next(partition *p, uint64_t connection)
{
    kfk_sequence_batch *b = kfk_sequence_next(&p->s, connection, p->now_ms, wall_ms(p));
    return b ? (int)(b - p->b) : NONE;
}

static inline void wait_for_pause(partition *p)
{
    if (p->s.pause_until_ms > p->now_ms) p->now_ms = p->s.pause_until_ms;
}

static inline void send(partition *p, uint64_t connection, int expected)
{
    wait_for_pause(p);
    assert_int_equal(next(p, connection), expected);
    p->newest[expected] = p->copied;
    kfk_sequence_sent(&p->s, &p->b[expected], &p->copies[p->copied++], connection);
}

static inline void answer(partition *p, int b, int code, int64_t base)
{
    kfk_sequence_answered(&p->s, &p->copies[p->newest[b]], &(kfk_sequence_answer){(int16_t)code, base, -1, 0},
                          p->now_ms);
}

static inline void lose(partition *p, int b)
{
    kfk_sequence_lost(&p->s, &p->copies[p->newest[b]], KAFKA_ERR_NETWORK_EXCEPTION, p->now_ms);
}

static inline void written(partition *p, int b, int64_t base)
{
    kfk_sequence_batch *taken = kfk_sequence_take_ended(&p->s);
    assert_ptr_equal(taken, &p->b[b]);
    assert_int_equal(taken->code, 0);
    assert_int_equal(taken->written, KAFKA_WRITTEN_YES);
    assert_int_equal(taken->base_offset, base);
}

static inline void failed(partition *p, int b, int code, kafka_written w)
{
    kfk_sequence_batch *taken = kfk_sequence_take_ended(&p->s);
    assert_ptr_equal(taken, &p->b[b]);
    assert_int_equal(taken->code, code);
    assert_int_equal(taken->written, w);
    assert_int_equal(taken->base_offset, -1);
}

static inline void none_ended(partition *p)
{
    assert_null(kfk_sequence_take_ended(&p->s));
}

static inline void triple(const partition *p, int b, int64_t id, int epoch, int32_t sequence)
{
    assert_int_equal(p->b[b].producer_id, id);
    assert_int_equal(p->b[b].epoch, epoch);
    assert_int_equal(p->b[b].base_sequence, sequence);
}

/* A partition whose first batch, with number 0, was acknowledged at offset 0 on connection 1. */
static inline void begin_acknowledged(partition *p)
{
    begin(p);
    push(p, 1);
    send(p, 1, 0);
    answer(p, 0, 0, 0);
    written(p, 0, 0);
}

/* The same, with batches 1 to n in flight on connection 1. */
static inline void begin_in_flight(partition *p, int n)
{
    begin_acknowledged(p);
    for (int i = 0; i < n; i++) push(p, 1);
    for (int i = 1; i <= n; i++) send(p, 1, i);
}

#endif
