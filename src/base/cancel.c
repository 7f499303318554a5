/* cancel.c: see the header for the protocol between the one who fires and the one who watches.
 *
 * Invariant: once a token has fired and has an eventfd, the eventfd is readable, for ever. Nobody reads it, so it never
 * has to be written again. Both sides store first and look second, with sequentially consistent atomics: whichever of
 * "fired" and "fd" comes later in their total order sees the other, and writes.
 *
 * After a fork both processes have the token in their own memory but share the eventfd. A child that fires its copy,
 * typically in a signal handler it inherited, must not wake the parent's loop, and one that watches it must not be
 * woken by the parent. So the eventfd goes together with the id of the process that made it, in one word that changes
 * at once; who finds another process's there lets go of it and makes its own. */
#include "base/cancel.h"
#include "base/mem.h"
#include "base/thread.h"
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static uint64_t event_of(pid_t pid, int fd)
{
    return (uint64_t)(uint32_t)pid << 32 | (uint32_t)fd;
}

static int event_fd(uint64_t event)
{
    return (int32_t)(uint32_t)event;
}

static void close_event(uint64_t event)
{
    if (event_fd(event) < 0) return;
    int shield = kfk_thread_shield();
    close(event_fd(event));
    kfk_thread_unshield(shield);
}

static bool is_ours(uint64_t event)
{
    return (pid_t)(event >> 32) == getpid();
}

kfk_cancel *kfk_cancel_new(void)
{
    kfk_cancel *c = kfk_mem_zalloc(sizeof *c);
    if (c == NULL) return NULL;
    kfk_ref_init(&c->ref);
    atomic_init(&c->fired, 0);
    atomic_init(&c->event, event_of(getpid(), -1));
    return c;
}

kfk_cancel *kfk_cancel_hold(kfk_cancel *c)
{
    if (c != NULL) kfk_ref_hold(&c->ref);
    return c;
}

void kfk_cancel_drop(kfk_cancel *c)
{
    if (c == NULL || !kfk_ref_drop(&c->ref)) return;
    close_event(atomic_load(&c->event)); /* a child's copy of the parent's, too: it is the child's to close */
    kfk_mem_free(c);
}

/* Async-signal-safe. The write can only fail when the counter is full, and then the eventfd is readable already. */
static void wake(uint64_t event)
{
    if (event_fd(event) < 0 || !is_ours(event)) return;
    uint64_t one = 1;
    int saved = errno, shield = kfk_thread_shield();
    ssize_t n = write(event_fd(event), &one, sizeof one);
    (void)n;
    kfk_thread_unshield(shield);
    errno = saved;
}

void kfk_cancel_fire(kfk_cancel *c)
{
    atomic_store(&c->fired, 1);
    wake(atomic_load(&c->event));
}

bool kfk_cancel_fired(const kfk_cancel *c)
{
    return c != NULL && atomic_load(&c->fired) != 0;
}

/* Puts our own in the place of what was seen there; false: another thread was faster. */
static bool replace(kfk_cancel *c, uint64_t seen, int fd)
{
    if (!atomic_compare_exchange_strong(&c->event, &seen, event_of(getpid(), fd))) return false;
    close_event(seen); /* the parent's */
    return true;
}

int kfk_cancel_fd(kfk_cancel *c)
{
    uint64_t seen = atomic_load(&c->event);
    if (event_fd(seen) >= 0 && is_ours(seen)) return event_fd(seen);
    int made = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made < 0) return -1;
    if (!replace(c, seen, made)) {
        close_event(event_of(0, made));
        return event_fd(atomic_load(&c->event)); /* another thread's, made meanwhile */
    }
    if (kfk_cancel_fired(c)) wake(event_of(getpid(), made));
    return made;
}

void kfk_cancel_disown(kfk_cancel *c)
{
    uint64_t seen = atomic_load(&c->event);
    if (event_fd(seen) >= 0 && !is_ours(seen)) replace(c, seen, -1);
}
