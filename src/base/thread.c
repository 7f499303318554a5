/* thread.c: the state that belongs to a thread of the application or of the library.
 *
 * It is plain thread-local storage: nothing is allocated, so publishing a failure cannot fail, and there is no
 * destructor that could run after the library's data is gone. The price is about 700 bytes in every thread.
 *
 * What an application does inside one of its callbacks must not show outside of it: the callback may interrupt a call
 * of the application's own thread (a log line, a turn of a manual loop) whose result it is about to read. So the last
 * failure is put aside when a callback begins and comes back when it ends. */
#include "base/thread.h"
#include <stdatomic.h>
#include <string.h>

static _Thread_local kfk_thread local;
static kfk_thread *(*_Atomic source)(void);

kfk_thread *kfk_thread_self(void)
{
    kfk_thread *(*from)(void) = atomic_load_explicit(&source, memory_order_relaxed);
    return from != NULL ? from() : &local;
}

void kfk_thread_set_source(kfk_thread *(*self)(void))
{
    atomic_store(&source, self);
}

/* Copies only as much of the text as there is. */
static void copy_error(kfk_error *to, const kfk_error *from)
{
    to->code = from->code;
    memmove(to->text, from->text, strlen(from->text) + 1);
}

int kfk_thread_fail(const kfk_error *e)
{
    copy_error(&kfk_thread_self()->last, e);
    return e->code;
}

int kfk_thread_failf(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    kfk_error_setv(&kfk_thread_self()->last, code, fmt, ap);
    va_end(ap);
    return code;
}

void kfk_thread_callback_begin(kfk_thread *saved, const kfk_error *e)
{
    kfk_thread *self = kfk_thread_self();
    saved->cancel_state = kfk_thread_shield();
    copy_error(&saved->last, &self->last);
    saved->last_written = self->last_written;
    saved->callback_depth = self->callback_depth++;
    if (e != NULL) copy_error(&self->last, e);
}

void kfk_thread_callback_end(const kfk_thread *saved)
{
    kfk_thread *self = kfk_thread_self();
    copy_error(&self->last, &saved->last);
    self->last_written = saved->last_written;
    self->callback_depth = saved->callback_depth;
    kfk_thread_unshield(saved->cancel_state);
}
