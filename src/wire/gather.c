/* gather: own bytes and references in one list.
 *
 * The own bytes are contiguous in one buffer; a reference says behind how many of them it lies. So appending never
 * looks at the references, a length can be patched at its offset in the buffer whatever was spliced behind it, and the
 * iovecs are made in one walk at the end. References are kept in the struct itself up to KFK_GATHER_INLINE: a Produce
 * request with up to eight batches of two parts allocates nothing once its buffer has grown. */
#include "wire/gather.h"
#include "base/mem.h"
#include "kafka/error.h"
#include "wire/prim.h"
#include <string.h>

static kfk_gather_ref *refs_of(kfk_gather *g)
{
    return g->more ? g->more : g->few;
}

static const kfk_gather_ref *refs_of_const(const kfk_gather *g)
{
    return g->more ? g->more : g->few;
}

void kfk_gather_init(kfk_gather *g, size_t limit)
{
    kfk_buf_init(&g->buf, limit);
    g->ref_count = g->ref_bytes = 0;
    g->ref_cap = KFK_GATHER_INLINE;
    g->more = NULL;
}

void kfk_gather_fini(kfk_gather *g)
{
    kfk_buf_fini(&g->buf);
    kfk_mem_free(g->more);
    g->more = NULL;
    g->ref_count = g->ref_bytes = 0;
    g->ref_cap = KFK_GATHER_INLINE;
}

void kfk_gather_clear(kfk_gather *g)
{
    kfk_buf_clear(&g->buf);
    g->ref_count = g->ref_bytes = 0;
}

void *kfk_gather_room_slow(kfk_gather *g, size_t len)
{
    void *p = kfk_buf_reserve(&g->buf, len);
    if (p) kfk_buf_commit(&g->buf, len);
    return p;
}

int kfk_gather_append(kfk_gather *g, const void *data, size_t len)
{
    if (len == 0) return g->buf.err;
    void *p = kfk_gather_room(g, len);
    if (p) memcpy(p, data, len);
    return g->buf.err;
}

/* Room for one more reference. */
static int refs_grow(kfk_gather *g)
{
    if (g->ref_count < g->ref_cap) return 0;
    size_t cap = g->ref_cap * 2;
    kfk_gather_ref *more = kfk_mem_realloc(g->more, cap * sizeof *more);
    if (!more) return g->buf.err = KAFKA_ENOMEM;
    if (!g->more) memcpy(more, g->few, sizeof g->few);
    g->more = more;
    g->ref_cap = cap;
    return 0;
}

int kfk_gather_splice(kfk_gather *g, const struct iovec *parts, size_t count)
{
    for (size_t i = 0; i < count && g->buf.err == 0; i++) {
        if (parts[i].iov_len == 0 || refs_grow(g) != 0) continue;
        refs_of(g)[g->ref_count++] = (kfk_gather_ref){g->buf.len, parts[i].iov_base, parts[i].iov_len};
        g->ref_bytes += parts[i].iov_len;
    }
    return g->buf.err;
}

/* ---- as iovecs ---- */

typedef struct iov_list {
    struct iovec *out;
    size_t count, max, skip;
} iov_list;

static void list_add(iov_list *l, const void *data, size_t len)
{
    if (len <= l->skip) {
        l->skip -= len;
        return;
    }
    if (l->count == l->max) return;
    /* writev's type has no const; nobody writes through it. */
    union {
        const void *in;
        void *out;
    } base = {.in = (const uint8_t *)data + l->skip};
    l->out[l->count++] = (struct iovec){base.out, len - l->skip};
    l->skip = 0;
}

size_t kfk_gather_iov_from(const kfk_gather *g, size_t skip, struct iovec *out, size_t max)
{
    iov_list list = {out, 0, max, skip};
    const kfk_gather_ref *ref = refs_of_const(g), *end = ref + g->ref_count;
    size_t done = 0;
    for (; ref < end && list.count < max; ref++) {
        if (ref->at > done) list_add(&list, g->buf.data + done, ref->at - done);
        list_add(&list, ref->data, ref->len);
        done = ref->at;
    }
    if (ref == end && g->buf.len > done) list_add(&list, g->buf.data + done, g->buf.len - done);
    return list.count;
}

size_t kfk_gather_iov(const kfk_gather *g, struct iovec *out, size_t max)
{
    return kfk_gather_iov_from(g, 0, out, max);
}

size_t kfk_gather_iov_count(const kfk_gather *g)
{
    const kfk_gather_ref *refs = refs_of_const(g);
    size_t count = 0, done = 0;
    for (size_t i = 0; i < g->ref_count; i++) {
        count += refs[i].at > done ? 2 : 1;
        done = refs[i].at;
    }
    return count + (g->buf.len > done ? 1 : 0);
}

void kfk_gather_copy(const kfk_gather *g, uint8_t *out)
{
    const kfk_gather_ref *refs = refs_of_const(g);
    size_t done = 0;
    for (size_t i = 0; i < g->ref_count; i++) {
        size_t own = refs[i].at - done;
        if (own) memcpy(out, g->buf.data + done, own);
        memcpy(out + own, refs[i].data, refs[i].len);
        out += own + refs[i].len;
        done = refs[i].at;
    }
    if (g->buf.len > done) memcpy(out, g->buf.data + done, g->buf.len - done);
}

/* ---- marks ---- */

void kfk_gather_undo(kfk_gather *g, kfk_gather_mark m)
{
    g->buf.len = m.own;
    g->ref_count = m.refs;
    g->ref_bytes = m.ref_bytes;
}

int kfk_gather_prefix_uvarint(kfk_gather *g, kfk_gather_mark m)
{
    size_t len = kfk_gather_since(g, m);
    if (g->buf.err != 0) return g->buf.err;
    if (len > INT32_MAX) return g->buf.err = KAFKA_ETOOBIG;
    size_t own = g->buf.len - m.own, size = kfk_prim_uvarint_size((uint32_t)len);
    if (!kfk_gather_room(g, size)) return g->buf.err;
    uint8_t *at = g->buf.data + m.own;
    memmove(at + size, at, own);
    kfk_prim_put_uvarint(at, (uint32_t)len);
    for (size_t i = m.refs; i < g->ref_count; i++) refs_of(g)[i].at += size;
    return 0;
}
