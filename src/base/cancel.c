/* cancel.c: see the header for the protocol between the one who fires and the one who watches.
 *
 * Invariant: once a token has fired and has an eventfd, the eventfd is readable, for ever. Nobody reads it, so it never
 * has to be written again. Both sides store first and look second, with sequentially consistent atomics: whichever of
 * "fired" and "fd" comes later in their total order sees the other, and writes.
 *
 * After a fork both processes have the token in their own memory but share the eventfd. A child that fires its copy,
 * typically in a signal handler it inherited, must not wake the parent's loop; hence the process id. */
#include "base/cancel.h"
#include "base/mem.h"
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

kfk_cancel *kfk_cancel_new(void)
{
    kfk_cancel *c = kfk_mem_zalloc(sizeof *c);
    if (c == NULL) return NULL;
    kfk_ref_init(&c->ref);
    atomic_init(&c->fired, 0);
    atomic_init(&c->fd, -1);
    c->pid = (int32_t)getpid();
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
    int fd = atomic_load(&c->fd);
    if (fd >= 0) close(fd);
    kfk_mem_free(c);
}

/* Async-signal-safe. The write can only fail when the counter is full, and then the eventfd is readable already. */
static void wake(const kfk_cancel *c, int fd)
{
    if (fd < 0 || c->pid != (int32_t)getpid()) return;
    uint64_t one = 1;
    int saved = errno;
    ssize_t n = write(fd, &one, sizeof one);
    (void)n;
    errno = saved;
}

void kfk_cancel_fire(kfk_cancel *c)
{
    atomic_store(&c->fired, 1);
    wake(c, atomic_load(&c->fd));
}

bool kfk_cancel_fired(const kfk_cancel *c)
{
    return c != NULL && atomic_load(&c->fired) != 0;
}

int kfk_cancel_fd(kfk_cancel *c)
{
    if (c->pid != (int32_t)getpid()) {
        errno = EPERM;
        return -1;
    }
    int fd = atomic_load(&c->fd);
    if (fd >= 0) return fd;
    int made = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made < 0) return -1;
    int none = -1;
    if (!atomic_compare_exchange_strong(&c->fd, &none, made)) {
        close(made);
        return none; /* another thread's, made meanwhile */
    }
    if (kfk_cancel_fired(c)) wake(c, made);
    return made;
}
