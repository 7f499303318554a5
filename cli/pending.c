/* pending.c: one batch in the making.
 *
 * Bytes are copied here out of the input's buffer, which moves on. The memory for them is taken once, at full size, so
 * that pointers into it stay good; pages that are never touched cost nothing. The size on the wire is counted as the
 * record format has it (KIP-98: varints in zigzag form), with offset and time deltas at their widest. */
#include "pending.h"
#include <stdlib.h>
#include <string.h>

enum { BATCH_HEADER = 61, MOST_MESSAGES = 1 << 16 };

static size_t varint(size_t n)
{
    size_t bytes = 1;
    for (n <<= 1; n >= 128; n >>= 7) bytes++;
    return bytes;
}

static size_t nullable(const kafka_bytes *b)
{
    return b->data != NULL ? varint(b->len) + b->len : 1;
}

size_t kc_pending_size(const kafka_message *m)
{
    enum { ATTRIBUTES = 1, TIME_DELTA = 1, OFFSET_DELTA = 3 }; /* all messages of a batch get the same time */
    size_t body =
        ATTRIBUTES + TIME_DELTA + OFFSET_DELTA + nullable(&m->key) + nullable(&m->value) + varint(m->header_count);
    for (size_t i = 0; i < m->header_count; i++) {
        size_t name = strlen(m->headers[i].key);
        body += varint(name) + name + nullable(&m->headers[i].value);
    }
    return varint(body) + body;
}

bool kc_pending_fits(const kc_pending *p, size_t size)
{
    size_t now = p->count > 0 ? p->encoded : BATCH_HEADER;
    return size <= KC_BATCH_BYTES - now && p->count < MOST_MESSAGES;
}

static kafka_bytes keep(kc_pending *p, const kafka_bytes *b)
{
    if (b->data == NULL) return (kafka_bytes){NULL, 0};
    char *to = p->bytes + p->used;
    memcpy(to, b->data, b->len);
    p->used += b->len;
    return (kafka_bytes){to, b->len};
}

void kc_pending_add(kc_pending *p, const kafka_message *m, size_t size)
{
    if (p->bytes == NULL) p->bytes = kc_resize(NULL, KC_BATCH_BYTES, 1);
    if (p->count == p->room) {
        p->room = p->room > 0 ? p->room * 2 : 16;
        p->messages = kc_resize(p->messages, p->room, sizeof *p->messages);
    }
    if (p->count == 0) p->encoded = BATCH_HEADER;
    kafka_message *copy = &p->messages[p->count++];
    *copy = *m;
    copy->key = keep(p, &m->key);
    copy->value = keep(p, &m->value);
    p->encoded += size;
}

void kc_pending_clear(kc_pending *p)
{
    p->count = p->used = p->encoded = 0;
}

void kc_pending_free(kc_pending *p)
{
    free(p->messages);
    free(p->bytes);
    *p = (kc_pending){0};
}
