/* See the header. What fails here ends the program: it is no test's subject. */
#include "support/message_sets.h"
#include "base/crc32.h"
#include "wire/compress.h"
#include "wire/prim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_CRC = 12, AT_MAGIC = 16, APPEND_TIME = 8 };

static uint8_t *room(batch_bytes *b, size_t more)
{
    if (b->cap - b->len < more) {
        b->cap = 2 * b->cap + more;
        b->data = realloc(b->data, b->cap);
        if (b->data == NULL) abort();
    }
    return b->data + b->len;
}

static void put_bytes(batch_bytes *b, kafka_bytes bytes)
{
    kfk_prim_put_be32(room(b, 4 + bytes.len), bytes.data != NULL ? (uint32_t)bytes.len : UINT32_MAX);
    b->len += 4;
    if (bytes.len > 0) memcpy(b->data + b->len, bytes.data, bytes.len);
    b->len += bytes.len;
}

void message_seal(batch_bytes *of, size_t at)
{
    uint8_t *m = of->data + at;
    size_t size = 12 + (size_t)kfk_prim_get_be32(m + 8);
    kfk_prim_put_be32(m + AT_CRC, kfk_crc32(0, m + AT_MAGIC, size - AT_MAGIC));
}

size_t message_append(batch_bytes *to, const message_spec *s)
{
    size_t at = to->len;
    uint8_t *m = room(to, 26);
    kfk_prim_put_be64(m, (uint64_t)s->offset);
    m[AT_MAGIC] = (uint8_t)s->magic;
    m[AT_MAGIC + 1] = s->attributes;
    to->len += 18;
    if (s->magic > 0) {
        kfk_prim_put_be64(m + 18, (uint64_t)s->time_ms);
        to->len += 8;
    }
    put_bytes(to, s->key);
    put_bytes(to, s->value);
    kfk_prim_put_be32(to->data + at + 8, (uint32_t)(to->len - at - 12));
    message_seal(to, at);
    return at;
}

size_t set_wrap(batch_bytes *to, int magic, int codec, int64_t offset, const batch_bytes *set)
{
    kfk_buf out;
    struct iovec all = {set->data, set->len};
    kfk_buf_init(&out, SIZE_MAX);
    if (kfk_compress(codec, 0, &all, 1, &out, NULL) != 0) abort();
    size_t at = MESSAGE(to, .magic = magic, .attributes = (uint8_t)codec, .offset = offset, .time_ms = 1000,
                        .value = {out.data, out.len});
    kfk_buf_fini(&out);
    return at;
}

static void append_messages(batch_bytes *to, const set_spec *s, int step, int64_t first)
{
    char *big = s->value_size > 0 ? memset(malloc((size_t)s->value_size), 'x', (size_t)s->value_size) : NULL;
    for (int i = 0; i < s->count; i++) {
        char text[32];
        size_t len = (size_t)snprintf(text, sizeof text, "v%lld", (long long)(s->first + i * step));
        bool broker = s->append_time && s->codec == 0;
        message_spec m = {.magic = s->magic,
                          .attributes = broker ? APPEND_TIME : 0,
                          .offset = first + i * step,
                          .time_ms = broker ? 5000 : 1000 + i,
                          .value = {big != NULL ? big : text, big != NULL ? (size_t)s->value_size : len}};
        message_append(to, &m);
    }
    free(big);
}

size_t set_append(batch_bytes *to, const set_spec *s)
{
    int step = s->step != 0 ? s->step : 1;
    size_t at = to->len;
    if (s->codec == 0) {
        append_messages(to, s, step, s->first);
        return at;
    }
    batch_bytes inside = {0};
    append_messages(&inside, s, step, s->magic == 0 || s->absolute ? s->first : 0);
    set_wrap(to, s->magic, s->codec, s->first + (s->count - 1) * step, &inside);
    batch_free(&inside);
    if (s->append_time) {
        to->data[at + AT_MAGIC + 1] |= APPEND_TIME;
        kfk_prim_put_be64(to->data + at + 18, 5000);
        message_seal(to, at);
    }
    return at;
}

int set_some_codec(void)
{
    int codec = batch_some_codec();
    return codec == KFK_CODEC_ZSTD ? KFK_CODEC_NONE : codec;
}
