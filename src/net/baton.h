/* baton: who may touch the engine, and how work reaches it.
 *
 * The engine of a loop runs under one mutex, the baton. The loop's thread holds it except while it waits for events. A
 * thread that has something to submit tries to take it and, when it can, does the work itself: no hand-over, no
 * wake-up. When it cannot, it leaves a task in the mailbox, and whoever holds the baton runs it before letting go. No
 * pusher ever has to wake the loop; tests/models/baton.pml proves it, and that each rule in baton.c is needed. */
#ifndef KFK_NET_BATON_H
#define KFK_NET_BATON_H
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Something to do under the baton. Embedded by its owner; free again as soon as `run` was called. */
typedef struct kfk_task kfk_task;
struct kfk_task {
    kfk_task *next;
    void (*run)(kfk_task *);
};

/* Where the simulation lets others go on in the middle. */
typedef enum kfk_baton_point {
    KFK_BATON_TAKEN,   /* inside, nothing was done yet */
    KFK_BATON_LEAVING, /* inside, everything was done; the loop has published that it sleeps */
    KFK_BATON_REFUSED, /* outside, another one has it; nothing was pushed yet */
    KFK_BATON_LEFT,    /* let go of; the mailbox was not looked at yet */
    KFK_BATON_PUSHED   /* outside, a task was pushed; the lock was not looked at again yet */
} kfk_baton_point;

typedef struct kfk_baton {
    pthread_mutex_t lock;
    _Atomic bool wants;          /* the loop waits for the lock: others leave it alone and use the mailbox */
    _Atomic(kfk_task *) mailbox; /* pushed and not yet run, newest first */
    _Atomic unsigned fence;      /* both sides pass through it: see baton.c */
    _Atomic(void *) holder;      /* for assertions: identifies the thread inside */
    /* The simulation's scheduling point before an attempt to take the baton; true = let it fail. NULL otherwise. */
    bool (*try_fails)(void *arg);
    void (*pass)(void *arg, kfk_baton_point); /* the simulation's; NULL otherwise */
    /* Called under the baton just after it was taken, before anything runs. */
    void (*after_take)(void *arg, bool by_loop);
    /* Called under the baton just before it is let go of, by a caller or by the loop; what it returns goes to
     * after_release, which runs without the baton and wakes whoever waits for what was done. */
    void *(*before_release)(void *arg, bool by_loop);
    void (*after_release)(void *arg, void *done);
    void *arg;
} kfk_baton;

/* 0 or KAFKA_ENOMEM. The callbacks and `arg` are set by the owner. */
int kfk_baton_init(kfk_baton *b);
void kfk_baton_fini(kfk_baton *b);

/* Any thread that does not hold the baton: runs the task now, on this thread, or leaves it to the holder. Never waits
 * for the lock. Tasks of one thread run in the order of submission. */
void kfk_baton_submit(kfk_baton *b, kfk_task *t);
/* Any thread, also one that holds the baton: leaves the task for the holder or for the next one. Never runs it here. */
void kfk_baton_push(kfk_baton *b, kfk_task *t);

/* The loop's own way in and out. enter waits for the baton and runs what is in the mailbox. leave lets go; it returns
 * true when the mailbox has something again, so that the loop must not wait but enter at once. */
void kfk_baton_enter(kfk_baton *b);
bool kfk_baton_leave(kfk_baton *b);
/* For who has left and does not enter again at once, as long as it is the only one that may enter: runs what is in the
 * mailbox, as a caller does who lets go. */
void kfk_baton_look_after(kfk_baton *b);
/* Does the calling thread hold it? For assertions. */
bool kfk_baton_held(kfk_baton *b);

#endif
