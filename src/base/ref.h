/* ref: a counted reference. The owner embeds it, starts it at 1, and frees the object when `kfk_ref_drop` says so. */
#ifndef KFK_BASE_REF_H
#define KFK_BASE_REF_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct kfk_ref {
    _Atomic uint32_t count;
} kfk_ref;

static inline void kfk_ref_init(kfk_ref *r)
{
    atomic_init(&r->count, 1);
}

static inline void kfk_ref_hold(kfk_ref *r)
{
    atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);
}

/* True for the caller that dropped the last reference: it alone may free the object, and sees all that others wrote. */
static inline bool kfk_ref_drop(kfk_ref *r)
{
    return atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel) == 1;
}

#endif
