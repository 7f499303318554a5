/* cancel: the token behind kafka_cancel: a flag, and an eventfd where a loop watches it.
 *
 * Firing must be async-signal-safe, so a token knows no waiters: it stores the flag and writes its eventfd, if it has
 * one. Loops that care watch the eventfd. It is made on the first watch; a fire that comes between is found because the
 * watcher looks at the flag after it has stored the fd, and the one who fires looks at the fd after it has set the
 * flag.
 *
 * A forked child's copy of a token is a token of its own, which works like any other. */
#ifndef KFK_BASE_CANCEL_H
#define KFK_BASE_CANCEL_H
#include "base/ref.h"

typedef struct kafka_cancel {
    kfk_ref ref;
    _Atomic int fired;
    _Atomic uint64_t event; /* the eventfd, and the process it belongs to: see cancel.c */
} kfk_cancel;

/* NULL without memory. */
kfk_cancel *kfk_cancel_new(void);
/* NULL is fine for hold and drop. */
kfk_cancel *kfk_cancel_hold(kfk_cancel *c);
void kfk_cancel_drop(kfk_cancel *c);
void kfk_cancel_fire(kfk_cancel *c);
/* Closes what a forked child has of the parent's eventfd, for one that is not going to use the token. */
void kfk_cancel_disown(kfk_cancel *c);
/* NULL counts as not fired. */
bool kfk_cancel_fired(const kfk_cancel *c);
/* The eventfd, made now if need be, readable for ever once the token fired; -1 when there is none to be had (errno says
 * why). It belongs to the token. */
int kfk_cancel_fd(kfk_cancel *c);

#endif
