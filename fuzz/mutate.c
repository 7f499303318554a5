/* The changes are those that parsers of lengths, counts and varints fear: bits, cuts, pieces of other inputs, numbers
 * at the edges of their types, and lengths that are a little off, or as long as what is left. */
#include "mutate.h"
#include "wire/prim.h"
#include <string.h>

typedef struct patient {
    kfk_rand *r;
    const corpus *c;
    uint8_t *data;
    size_t len, cap;
} patient;

static size_t below(patient *p, size_t n)
{
    return (size_t)kfk_rand_below(p->r, n > 0 ? n : 1);
}

/* Short pieces are likelier, but any length can come. */
static size_t some_length(patient *p, size_t most)
{
    size_t bound = below(p, 4) ? 16 : most;
    return below(p, (bound < most ? bound : most) + 1);
}

static void flip_bit(patient *p)
{
    if (p->len > 0) p->data[below(p, p->len)] ^= (uint8_t)(1u << below(p, 8));
}

static void set_byte(patient *p)
{
    static const uint8_t bytes[] = {0, 1, 2, 0x7e, 0x7f, 0x80, 0x81, 0xfe, 0xff};
    if (p->len > 0)
        p->data[below(p, p->len)] = below(p, 2) ? bytes[below(p, sizeof bytes)] : (uint8_t)kfk_rand_next(p->r);
}

static void cut_end(patient *p)
{
    p->len -= some_length(p, p->len);
}

static void remove_piece(patient *p)
{
    size_t n = some_length(p, p->len), at = below(p, p->len - n + 1);
    memmove(p->data + at, p->data + at + n, p->len - at - n);
    p->len -= n;
}

/* Room for `n` bytes at a place of chance; NULL when there is none. */
static uint8_t *open_gap(patient *p, size_t n)
{
    size_t at = below(p, p->len + 1);
    if (n > p->cap - p->len) return NULL;
    memmove(p->data + at + n, p->data + at, p->len - at);
    p->len += n;
    return p->data + at;
}

static void insert_bytes(patient *p)
{
    size_t n = 1 + some_length(p, 64);
    uint8_t fill = (uint8_t)kfk_rand_next(p->r), *gap = open_gap(p, n);
    bool same = below(p, 2);
    for (size_t i = 0; gap != NULL && i < n; i++) gap[i] = same ? fill : (uint8_t)kfk_rand_next(p->r);
}

/* A piece of an input goes over, or between, what is there. */
static void splice(patient *p)
{
    const corpus_entry *e = &p->c->entries[below(p, p->c->count)];
    size_t n = some_length(p, e->len), from = below(p, e->len - n + 1);
    uint8_t *to = NULL;
    if (below(p, 2))
        to = open_gap(p, n);
    else if (n <= p->len)
        to = p->data + below(p, p->len - n + 1);
    if (to != NULL) memcpy(to, e->data + from, n);
}

/* Its own front with the end of another. */
static void cross(patient *p)
{
    const corpus_entry *e = &p->c->entries[below(p, p->c->count)];
    size_t keep = below(p, p->len + 1), from = below(p, e->len + 1), n = e->len - from;
    if (n > p->cap - keep) n = p->cap - keep;
    memcpy(p->data + keep, e->data + from, n);
    p->len = keep + n;
}

static uint64_t edge_number(patient *p, size_t at)
{
    static const uint64_t edges[] = {0,          1,          2,          0x7f,       0x80,      0xff,
                                     0x100,      0x7fff,     0x8000,     0xffff,     0x10000,   0x7fffffff,
                                     0x80000000, 0xffffffff, 0xfffffffe, UINT64_MAX, INT64_MAX, UINT64_C(1) << 63};
    size_t left = p->len - at;
    switch (below(p, 4)) {
    case 0: return left;
    case 1: return left + below(p, 9) - 4;
    default: return edges[below(p, sizeof edges / sizeof *edges)];
    }
}

static void put_number(uint8_t *at, size_t width, uint64_t v)
{
    for (size_t i = width; i-- > 0; v >>= 8) at[i] = (uint8_t)v;
}

static void set_number(patient *p)
{
    size_t width = (size_t)1 << below(p, 4);
    if (p->len < width) return;
    size_t at = below(p, p->len - width + 1);
    put_number(p->data + at, width, edge_number(p, at + width));
}

/* What is there, taken for a number, a little more or less. */
static void shift_number(patient *p)
{
    size_t width = (size_t)1 << below(p, 4), i = 0;
    uint64_t v = 0;
    if (p->len < width) return;
    uint8_t *at = p->data + below(p, p->len - width + 1);
    for (; i < width; i++) v = v << 8 | at[i];
    put_number(at, width, v + below(p, 33) - 16);
}

static void set_varint(patient *p)
{
    uint8_t bytes[16];
    uint64_t v = edge_number(p, 0);
    if (below(p, 2)) v = v << 1 ^ (uint64_t)((int64_t)v >> 63);
    size_t n = 0;
    do bytes[n++] = (uint8_t)(v & 0x7f) | (v > 0x7f ? 0x80 : 0);
    while ((v >>= 7) > 0);
    if (p->len < n) return;
    memcpy(p->data + below(p, p->len - n + 1), bytes, n);
}

static void double_piece(patient *p)
{
    size_t n = some_length(p, p->len), from = below(p, p->len - n + 1);
    if (n > p->cap - p->len) return;
    memmove(p->data + from + n, p->data + from, p->len - from);
    p->len += n;
}

size_t mutate(kfk_rand *r, const corpus *c, uint8_t *out, size_t cap)
{
    static void (*const changes[])(patient *) = {flip_bit,     set_byte,     cut_end,    remove_piece,
                                                 insert_bytes, splice,       set_number, shift_number,
                                                 set_varint,   double_piece, flip_bit,   cross};
    patient p = {r, c, out, 0, cap};
    const corpus_entry *e = &c->entries[below(&p, c->count)];
    p.len = e->len < cap ? e->len : cap;
    memcpy(out, e->data, p.len);
    for (size_t n = 1 + below(&p, below(&p, 2) ? 2 : 8); n > 0; n--)
        changes[below(&p, sizeof changes / sizeof *changes)](&p);
    return p.len;
}
