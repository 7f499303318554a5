/* buf.c: the growable buffer and the counted block.
 *
 * Invariant of a buffer: len <= cap <= limit, and once `data` is there it has cap + 1 bytes. The byte behind the end is
 * for the NUL that vsnprintf insists on, so that text may fill a buffer to its limit. With capacities of 2^n - 1 the
 * allocations are powers of two.
 *
 * The error is sticky because encoders append dozens of fields: they check once, at the end. A failed append leaves the
 * content as it was. Growth doubles, so a byte is moved less than twice on average; the last step stops at the limit
 * exactly, since the limit counts what a peer makes us hold, not just what it sends. */
#include "base/buf.h"
#include "base/mem.h"
#include "kafka/error.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAP = 63 };
/* No object is larger than PTRDIFF_MAX; staying below keeps cap + 1 from wrapping. */
static const size_t largest_cap = PTRDIFF_MAX - 1;

void kfk_buf_init(kfk_buf *b, size_t limit)
{
    *b = (kfk_buf){.limit = limit};
}

void kfk_buf_fini(kfk_buf *b)
{
    kfk_mem_free(b->data);
    kfk_buf_init(b, b->limit);
}

void kfk_buf_clear(kfk_buf *b)
{
    b->len = 0;
    b->err = 0;
}

/* The capacity to grow to for a content of `need` bytes; need <= limit. */
static size_t next_cap(const kfk_buf *b, size_t need)
{
    size_t cap = b->cap < largest_cap / 2 ? b->cap * 2 + 1 : largest_cap;
    if (cap < FIRST_CAP) cap = FIRST_CAP;
    if (cap < need) cap = need;
    return cap < b->limit ? cap : b->limit;
}

/* Makes room for `len` more bytes. */
static int grow(kfk_buf *b, size_t len)
{
    if (len > b->limit - b->len) return b->err = KAFKA_ETOOBIG;
    if (len > largest_cap - b->len) return b->err = KAFKA_ENOMEM;

    size_t cap = next_cap(b, b->len + len);
    uint8_t *data = kfk_mem_realloc(b->data, cap + 1);
    if (data == NULL) return b->err = KAFKA_ENOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

void *kfk_buf_reserve(kfk_buf *b, size_t len)
{
    if (b->err != 0) return NULL;
    /* Without memory yet, room for nothing still needs an address: NULL would mean failure. */
    if ((b->data == NULL || len > b->cap - b->len) && grow(b, len) != 0) return NULL;
    return b->data + b->len;
}

void kfk_buf_commit(kfk_buf *b, size_t used)
{
    assert(used <= b->cap - b->len);
    b->len += used;
}

int kfk_buf_append(kfk_buf *b, const void *data, size_t len)
{
    if (len == 0) return b->err;
    void *room = kfk_buf_reserve(b, len);
    if (room == NULL) return b->err;
    memcpy(room, data, len);
    b->len += len;
    return 0;
}

/* vsnprintf into the room that is there. The number of bytes the text needs, or -1. */
static int format_into_room(kfk_buf *b, const char *fmt, va_list ap)
{
    if (b->data == NULL) return vsnprintf(NULL, 0, fmt, ap);
    return vsnprintf((char *)b->data + b->len, b->cap - b->len + 1, fmt, ap);
}

int kfk_buf_printf(kfk_buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (b->err != 0) return b->err;
    va_start(ap, fmt);
    n = format_into_room(b, fmt, ap);
    va_end(ap);
    if (n >= 0 && (b->data == NULL || (size_t)n > b->cap - b->len)) {
        if (kfk_buf_reserve(b, (size_t)n) == NULL) return b->err;
        va_start(ap, fmt);
        n = format_into_room(b, fmt, ap);
        va_end(ap);
    }
    if (n < 0) return b->err = KAFKA_ENOMEM; /* longer than INT_MAX, or libc itself found no memory */
    b->len += (size_t)n;
    return 0;
}

uint8_t *kfk_buf_take(kfk_buf *b, size_t *len)
{
    uint8_t *data = NULL;

    *len = 0;
    if (b->err != 0 || b->len == 0) return NULL;
    data = b->data;
    *len = b->len;
    kfk_buf_init(b, b->limit);
    return data;
}

kfk_block *kfk_block_new(size_t cap)
{
    kfk_block *b = kfk_block_grow(NULL, cap);
    if (b != NULL) kfk_ref_init(&b->ref);
    return b;
}

kfk_block *kfk_block_grow(kfk_block *b, size_t cap)
{
    if (cap > SIZE_MAX - sizeof(kfk_block)) return NULL;
    b = kfk_mem_realloc(b, sizeof(kfk_block) + cap);
    if (b != NULL) b->cap = cap;
    return b;
}

kfk_block *kfk_block_hold(kfk_block *b)
{
    kfk_ref_hold(&b->ref);
    return b;
}

void kfk_block_drop(kfk_block *b)
{
    if (b != NULL && kfk_ref_drop(&b->ref)) kfk_mem_free(b);
}
