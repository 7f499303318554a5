/* gather: what an encoder writes: bytes of its own, with foreign memory spliced in between by reference.
 *
 * A Produce request is a few hundred bytes of its own and megabytes of batches that lie elsewhere. The gather keeps the
 * former in one growable buffer and of the latter only address, length and place; `kfk_gather_iov` lists all of it for
 * writev. Splices up to KFK_GATHER_INLINE need no memory of their own.
 *
 * Ownership: a spliced byte stays the caller's and must neither move nor change until the gather is cleared, or until
 * it was written. The iovec array that named it is not needed afterwards. Nothing blocks. Not safe from several
 * threads. Errors are sticky in `buf.err` (KAFKA_ENOMEM, KAFKA_ETOOBIG): afterwards nothing is added any more. */
#ifndef KFK_WIRE_GATHER_H
#define KFK_WIRE_GATHER_H
#include "base/buf.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { KFK_GATHER_INLINE = 16 };

typedef struct kfk_gather_ref {
    size_t at; /* lies behind so many of the gather's own bytes */
    const void *data;
    size_t len;
} kfk_gather_ref;

typedef struct kfk_gather {
    kfk_buf buf; /* the bytes of its own */
    size_t ref_count, ref_cap;
    size_t ref_bytes;     /* sum of their lengths */
    kfk_gather_ref *more; /* all of them, once there are more than `few` holds */
    kfk_gather_ref few[KFK_GATHER_INLINE];
} kfk_gather;

/* Empty. limit: most bytes of its own that it may hold, SIZE_MAX = no limit. */
void kfk_gather_init(kfk_gather *g, size_t limit);
void kfk_gather_fini(kfk_gather *g);
/* Empties it and keeps its memory; forgets references and error. */
void kfk_gather_clear(kfk_gather *g);

/* All bytes, spliced ones included. */
static inline size_t kfk_gather_len(const kfk_gather *g)
{
    return g->buf.len + g->ref_bytes;
}

void *kfk_gather_room_slow(kfk_gather *g, size_t len);

/* Appends `len` bytes, 1 at least, for the caller to fill at once; NULL without memory. */
static inline void *kfk_gather_room(kfk_gather *g, size_t len)
{
    kfk_buf *b = &g->buf;
    if (__builtin_expect(b->err == 0 && b->cap - b->len >= len, 1)) {
        uint8_t *p = b->data + b->len;
        b->len += len;
        return p;
    }
    return kfk_gather_room_slow(g, len);
}

/* Appends a copy. 0, or the sticky error. */
int kfk_gather_append(kfk_gather *g, const void *data, size_t len);
/* Appends by reference; parts of length 0 are left out. 0, or the sticky error. */
int kfk_gather_splice(kfk_gather *g, const struct iovec *parts, size_t count);

/* How many iovecs the whole takes; what `kfk_gather_iov` needs room for. */
size_t kfk_gather_iov_count(const kfk_gather *g);
/* Lists the content from its beginning, at most `max` pieces; returns how many were filled in. The addresses are valid
 * until the gather changes. */
size_t kfk_gather_iov(const kfk_gather *g, struct iovec *out, size_t max);
/* The same without the first `skip` bytes: what is left after a partial write. */
size_t kfk_gather_iov_from(const kfk_gather *g, size_t skip, struct iovec *out, size_t max);
/* Copies the content, spliced bytes included, to `out`, which has room for kfk_gather_len bytes. For tests and
 * tools. */
void kfk_gather_copy(const kfk_gather *g, uint8_t *out);

/* A place in the gather, to go back to. */
typedef struct kfk_gather_mark {
    size_t own, refs, ref_bytes;
} kfk_gather_mark;

static inline kfk_gather_mark kfk_gather_here(const kfk_gather *g)
{
    return (kfk_gather_mark){g->buf.len, g->ref_count, g->ref_bytes};
}

/* Bytes appended since the mark, spliced ones included. */
static inline size_t kfk_gather_since(const kfk_gather *g, kfk_gather_mark m)
{
    return kfk_gather_len(g) - m.own - m.ref_bytes;
}

/* Forgets what was appended since the mark; the sticky error stays. */
void kfk_gather_undo(kfk_gather *g, kfk_gather_mark m);
/* Puts the length of what was appended since the mark in front of it, as uvarint. 0, or the sticky error. */
int kfk_gather_prefix_uvarint(kfk_gather *g, kfk_gather_mark m);

#endif
