/* Receiving frames; see the header for the idea.
 *
 * The scratch buffer lies on the stack of the loop's thread, so an idle connection holds no memory for receiving. Edges
 * come once: reading goes on until the stream has no more or a read came back short. A connection that always has more
 * would keep the others waiting, so after BYTES_PER_TURN it continues in the next turn. */
#include "engine/receive.h"
#include <string.h>

enum { SCRATCH = 16 * 1024, BYTES_PER_TURN = 4 * 1024 * 1024 };

static void more_due(kfk_timer *t)
{
    kfk_receiver *r = KFK_CONTAINER(t, kfk_receiver, more);
    r->again(r->owner, KFK_STREAM_READABLE);
}

void kfk_receiver_init(kfk_receiver *r, kfk_loop *l, bool (*frame)(void *, kfk_block *, size_t),
                       void (*limits)(void *, size_t *, size_t *), void (*again)(void *, unsigned), void *owner)
{
    *r = (kfk_receiver){.loop = l, .frame = frame, .limits = limits, .again = again, .owner = owner};
    kfk_timer_init(&r->more, more_due);
}

void kfk_receiver_reset(kfk_receiver *r)
{
    kfk_block_drop(r->block);
    r->block = NULL;
    r->head_len = r->len = r->got = 0;
    r->offset = 0;
    kfk_loop_timer_clear(r->loop, &r->more);
}

void kfk_receiver_fini(kfk_receiver *r)
{
    kfk_receiver_reset(r);
}

/* Who answers with such a "length"? */
static const char *guess_peer(const uint8_t head[4])
{
    if (memcmp(head, "HTTP", 4) == 0) return "; this looks like HTTP: the address is that of a web server";
    if ((head[0] == 0x15 || head[0] == 0x16) && head[1] == 0x03) return "; this looks like TLS: the port expects TLS";
    if (memcmp(head, "SSH-", 4) == 0) return "; this looks like an SSH server";
    return "; is the peer a Kafka broker, and its listener without TLS?";
}

static int begin_frame(kfk_receiver *r, kfk_error *err)
{
    uint32_t len = (uint32_t)r->head[0] << 24 | (uint32_t)r->head[1] << 16 | (uint32_t)r->head[2] << 8 | r->head[3];
    size_t most, at_once;
    r->limits(r->owner, &most, &at_once);
    if (len < 4 || len > INT32_MAX || len > most) {
        return kfk_error_set(err, KAFKA_EPROTO,
                             "the peer announces an answer of %lld bytes (byte %llu of what it sent), possible are 4 "
                             "to %zu%s",
                             (long long)(int32_t)len, (unsigned long long)r->offset, most, guess_peer(r->head));
    }
    r->block = kfk_block_new(len < at_once ? len : at_once);
    r->len = len;
    r->got = 0;
    return 0;
}

/* Room for at least one more byte of the frame; returns for how many, as far as they belong to it. */
static size_t make_room(kfk_receiver *r)
{
    if (r->block && r->got == r->block->cap) {
        size_t cap = r->block->cap * 2 < r->len ? r->block->cap * 2 : r->len;
        kfk_block *grown = kfk_block_grow(r->block, cap);
        if (!grown) kfk_block_drop(r->block);
        r->block = grown;
    }
    size_t end = r->block && r->block->cap < r->len ? r->block->cap : r->len;
    return end - r->got;
}

/* Hands over a frame that is complete. KAFKA_EAGAIN = go on, 0 = stop. */
static int complete(kfk_receiver *r)
{
    kfk_block *block = r->block;
    size_t len = r->len;
    r->block = NULL;
    r->head_len = r->len = r->got = 0;
    r->offset += sizeof r->head + len;
    return r->frame(r->owner, block, len) ? KAFKA_EAGAIN : 0;
}

/* Takes over bytes that were read elsewhere. KAFKA_EAGAIN = all of them, else as kfk_receiver_run. */
static int feed(kfk_receiver *r, const uint8_t *p, size_t n, kfk_error *err)
{
    while (n > 0) {
        int code;
        if (r->head_len < sizeof r->head) {
            size_t take = sizeof r->head - r->head_len < n ? sizeof r->head - r->head_len : n;
            memcpy(r->head + r->head_len, p, take);
            r->head_len += take;
            p += take;
            n -= take;
            if (r->head_len < sizeof r->head) break;
            if ((code = begin_frame(r, err)) != 0) return code;
            continue;
        }
        size_t room = make_room(r), take = room < n ? room : n;
        if (r->block) memcpy(r->block->data + r->got, p, take);
        r->got += take;
        p += take;
        n -= take;
        if (r->got == r->len && (code = complete(r)) != KAFKA_EAGAIN) return code;
    }
    return KAFKA_EAGAIN;
}

int kfk_receiver_run(kfk_receiver *r, kfk_stream *s, kfk_error *err)
{
    uint8_t scratch[SCRATCH];
    for (size_t total = 0; total < BYTES_PER_TURN;) {
        size_t got = 0, cap = sizeof scratch, room = r->block ? make_room(r) : 0;
        int code;
        if (r->block && r->len - r->got > sizeof scratch) {
            cap = room;
            if ((code = s->ops->read(s, r->block->data + r->got, cap, &got, err)) != 0) return code;
            r->got += got;
            code = r->got == r->len ? complete(r) : KAFKA_EAGAIN;
        } else {
            if ((code = s->ops->read(s, scratch, cap, &got, err)) != 0) return code;
            code = feed(r, scratch, got, err);
        }
        if (code != KAFKA_EAGAIN) return code;
        if (got < cap) return KAFKA_EAGAIN;
        total += got;
    }
    kfk_loop_timer_set(r->loop, &r->more, kfk_loop_now_ms(r->loop));
    return KAFKA_EAGAIN;
}
