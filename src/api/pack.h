/* pack: lays several objects out in one allocation.
 *
 * The same function that fills the memory also measures it: run once with an empty pack (base NULL), where every room
 * is NULL and only `used` grows, and once more with the memory. So size and content cannot disagree. */
#ifndef KFK_API_PACK_H
#define KFK_API_PACK_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct kfk_pack {
    char *base;  /* NULL while measuring */
    size_t used; /* saturates at SIZE_MAX, which no allocation can give */
} kfk_pack;

/* Room for `count` elements of `size` bytes, aligned for any type when `aligned`; NULL while measuring. */
static inline void *kfk_pack_room(kfk_pack *p, size_t count, size_t size, int aligned)
{
    size_t mask = aligned ? _Alignof(max_align_t) - 1 : 0;
    if (p->used > SIZE_MAX - mask) return p->used = SIZE_MAX, NULL;
    size_t at = (p->used + mask) & ~mask;
    if (size > 0 && count > (SIZE_MAX - at) / size) return p->used = SIZE_MAX, NULL;
    p->used = at + count * size;
    return p->base != NULL ? p->base + at : NULL;
}

/* A copy of `len` bytes; NULL stays NULL, and an empty range keeps an address that is not. */
static inline const void *kfk_pack_bytes(kfk_pack *p, const void *data, size_t len)
{
    if (data == NULL) return NULL;
    void *copy = kfk_pack_room(p, len, 1, 0);
    if (copy != NULL && len > 0) memcpy(copy, data, len);
    return copy;
}

/* A copy of a C string; NULL stays NULL. */
static inline const char *kfk_pack_string(kfk_pack *p, const char *s)
{
    return s != NULL ? kfk_pack_bytes(p, s, strlen(s) + 1) : NULL;
}

#endif
