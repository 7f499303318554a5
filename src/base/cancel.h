/* cancel: the token behind kafka_cancel: a flag, and an eventfd where a loop watches it.
 *
 * Firing must be async-signal-safe, so a token knows no waiters: it stores the flag and writes its eventfd, if it has
 * one. Loops that care watch the eventfd. It is made on the first watch; a fire that comes between is found because the
 * watcher looks at the flag after it has stored the fd, and the one who fires looks at the fd after it has set the flag. */
#ifndef KFK_BASE_CANCEL_H
#define KFK_BASE_CANCEL_H
#include "base/ref.h"

typedef struct kafka_cancel {
    kfk_ref ref;
    _Atomic int fired;
    _Atomic int fd; /* -1 = none yet */
    int32_t pid;    /* of the process that made it: a forked child shares the eventfd and must not write it */
} kfk_cancel;

/* NULL without memory. */
kfk_cancel *kfk_cancel_new(void);
/* NULL is fine for hold and drop. */
kfk_cancel *kfk_cancel_hold(kfk_cancel *c);
void kfk_cancel_drop(kfk_cancel *c);
void kfk_cancel_fire(kfk_cancel *c);
/* NULL counts as not fired. */
bool kfk_cancel_fired(const kfk_cancel *c);
/* The eventfd, made now if need be, readable for ever once the token fired; -1 when there is none to be had (errno says
 * why; EPERM: the token is the parent process's). It belongs to the token. */
int kfk_cancel_fd(kfk_cancel *c);

#endif
