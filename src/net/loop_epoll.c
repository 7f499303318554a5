/* The loop on Linux: a thread, epoll, and an eventfd to wake it.
 *
 * Everything is registered once, edge-triggered, for reading and writing, so that sending a request needs no epoll_ctl.
 * The eventfd is edge-triggered too and never read. The thread waits without the baton and takes it for one turn; other
 * threads may meanwhile add sources to the epoll set, which the kernel allows. Sources are closed only by the thread that
 * turns the loop, and one that is closed while events of the same wait are still to be reported is taken out of them.
 *
 * A token, though, may lose its last watcher on any thread, at a time when the loop's thread has come back from its wait
 * with an event of it in hand. So the sources of tokens are never freed while the loop lives, only used again: then the
 * worst that such an event can do is to have another token looked at, which is harmless. */
#include "base/fork.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"
#include "net/loop_backend.h"
#include "net/resolve.h"
#include "net/socket.h"
#include "net/source.h"
#include "net/work.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_PER_WAIT = 64 };

typedef struct loop_epoll {
    kfk_loop base;
    int epoll_fd, wake_fd; /* -1 in a forked child that has closed them */
    kfk_source wake;
    kfk_list tokens, spare_tokens; /* token_source */
    pthread_t thread;
    bool stopping;
    kfk_task stop_task;
    /* of the last wait, not reported yet: only the thread that turns the loop looks at it, with or without the baton */
    struct epoll_event *events;
    int event_count, event_index;
} loop_epoll;

typedef struct token_source {
    kfk_source source;
    kfk_list node;
    kfk_cancel *token; /* NULL = spare */
    kfk_loop *loop;
    int fd;
} token_source;

static loop_epoll *self(kfk_loop *l)
{
    return KFK_CONTAINER(l, loop_epoll, base);
}

/* ---- sources ------------------------------------------------------------------------------------------------------- */

static int source_control(kfk_loop *l, int op, kfk_source *s, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = s};
    return epoll_ctl(self(l)->epoll_fd, op, fd, &ev) == 0 ? 0 : errno;
}

int kfk_source_add(kfk_loop *l, kfk_source *s, int fd)
{
    return source_control(l, EPOLL_CTL_ADD, s, fd);
}

void kfk_source_again(kfk_loop *l, kfk_source *s, int fd)
{
    source_control(l, EPOLL_CTL_MOD, s, fd);
}

void kfk_source_remove(kfk_loop *l, kfk_source *s, int fd)
{
    loop_epoll *e = self(l);
    epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    for (int i = e->event_index; i < e->event_count; i++) {
        if (e->events[i].data.ptr == s) e->events[i].data.ptr = NULL;
    }
}

static unsigned source_events(uint32_t epoll_events)
{
    unsigned events = 0;
    if (epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) events |= KFK_SOURCE_HANGUP;
    if (epoll_events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) events |= KFK_STREAM_READABLE;
    if (epoll_events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) events |= KFK_STREAM_WRITABLE;
    return events;
}

/* ---- tokens -------------------------------------------------------------------------------------------------------- */

static void token_ready(kfk_source *s, unsigned events)
{
    (void)events;
    token_source *t = KFK_CONTAINER(s, token_source, source);
    if (kfk_cancel_fired(t->token)) kfk_loop_token_fired(t->loop, t->token);
}

static token_source *token_source_new(loop_epoll *e)
{
    kfk_list *spare = kfk_list_first(&e->spare_tokens);
    if (spare) {
        kfk_list_remove(spare);
        return KFK_CONTAINER(spare, token_source, node);
    }
    token_source *t = kfk_mem_zalloc(sizeof *t);
    if (!t) return NULL;
    t->source.ready = token_ready;
    t->loop = &e->base;
    kfk_list_init(&t->node);
    return t;
}

static void token_source_put_aside(loop_epoll *e, token_source *t)
{
    t->token = NULL;
    kfk_list_remove(&t->node);
    kfk_list_push_back(&e->spare_tokens, &t->node);
}

static int watch(kfk_loop *l, kfk_cancel *token)
{
    loop_epoll *e = self(l);
    int fd = kfk_cancel_fd(token);
    if (fd < 0) return KAFKA_EIO;
    token_source *t = token_source_new(e);
    if (!t) return KAFKA_ENOMEM;
    t->token = token;
    t->fd = fd;
    /* for reading alone: an eventfd is always writable, and each watch would cost the loop a turn */
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = &t->source};
    if (epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
        token_source_put_aside(e, t);
        return KAFKA_EIO;
    }
    kfk_list_push_back(&e->tokens, &t->node);
    return 0;
}

static void unwatch(kfk_loop *l, kfk_cancel *token)
{
    loop_epoll *e = self(l);
    KFK_LIST_EACH (n, &e->tokens) {
        token_source *t = KFK_CONTAINER(n, token_source, node);
        if (t->token != token) continue;
        epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, t->fd, NULL);
        token_source_put_aside(e, t);
        return;
    }
}

/* ---- waiting ------------------------------------------------------------------------------------------------------- */

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, timeout, NULL, FUTEX_BITSET_MATCH_ANY);
}

static void park(kfk_loop *l, _Atomic uint32_t *word, uint32_t value, int64_t deadline_ms)
{
    (void)l;
    struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000), .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    /* the bitset form takes an absolute monotonic time */
    futex(word, FUTEX_WAIT_BITSET, value, deadline_ms == KFK_TIME_NEVER ? NULL : &until);
}

static void unpark(kfk_loop *l, _Atomic uint32_t *word)
{
    (void)l;
    futex(word, FUTEX_WAKE, 1, NULL);
}

static void wake(kfk_loop *l)
{
    uint64_t one = 1;
    ssize_t n = write(self(l)->wake_fd, &one, sizeof one);
    (void)n; /* it can only fail when the counter is full: then the loop is awake */
}

static void wake_ready(kfk_source *s, unsigned events)
{
    (void)s;
    (void)events; /* waking was all it is for */
}

/* ---- the thread ---------------------------------------------------------------------------------------------------- */

/* Milliseconds for epoll_wait, rounded up: a timer never fires early. */
static int wait_time(int64_t at_ms)
{
    if (at_ms == KFK_TIME_NEVER) return -1;
    if (at_ms <= 0) return 0;
    int64_t left_ns = at_ms > INT64_MAX / 1000000 ? INT64_MAX : at_ms * 1000000 - kfk_time_now_ns();
    if (left_ns <= 0) return 0;
    int64_t left_ms = left_ns / 1000000 + 1;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static void *turn_until_stopped(void *arg)
{
    loop_epoll *e = arg;
    struct epoll_event events[EVENTS_PER_WAIT];
    for (int64_t at_ms = 0;;) {
        int n = epoll_wait(e->epoll_fd, events, EVENTS_PER_WAIT, wait_time(at_ms));
        e->events = events; /* before entering: what runs there may already close a source */
        e->event_index = 0;
        e->event_count = n < 0 ? 0 : n;
        kfk_loop_enter(&e->base);
        while (e->event_index < e->event_count && !kfk_loop_is_parents(&e->base)) {
            struct epoll_event *event = &events[e->event_index++];
            kfk_source *s = event->data.ptr;
            if (s) s->ready(s, source_events(event->events));
        }
        if (kfk_loop_is_parents(&e->base)) return NULL; /* a callback forked: the sockets are not this process's */
        bool stopping =
            e->stopping; /* before leaving: once it is set, what is deferred from now on is the loop's own */
        at_ms = kfk_loop_leave(&e->base);
        if (stopping && at_ms > kfk_time_now_ms()) break; /* nothing is left that has to be done */
    }
    kfk_loop_drop(&e->base);
    return NULL;
}

static void stop_run(kfk_task *t)
{
    loop_epoll *e = KFK_CONTAINER(t, loop_epoll, stop_task);
    e->stopping = true;
    e->base.poke = true;
}

/* Who is under the baton must not wait for its thread to end. There the task goes into the mailbox, since the turn that
 * runs may have looked at `stopping` already; who pushes under the baton, or as the loop's thread, looks there afterwards. */
static void stop(kfk_loop *l)
{
    loop_epoll *e = self(l);
    if (kfk_loop_held(l) || pthread_equal(pthread_self(), e->thread)) {
        pthread_detach(e->thread);
        kfk_baton_push(&l->baton, &e->stop_task);
        return;
    }
    int shield = kfk_thread_shield(); /* pthread_join is a cancellation point */
    kfk_loop_hold(l); /* the thread may give up the last one while the submission still looks at the mailbox */
    kfk_loop_submit(l, &e->stop_task);
    pthread_join(e->thread, NULL);
    kfk_loop_drop(l);
    kfk_thread_unshield(shield);
}

/* ---- birth and death ----------------------------------------------------------------------------------------------- */

static void destroy(kfk_loop *l)
{
    loop_epoll *e = self(l);
    for (kfk_list *n; (n = kfk_list_first(&e->spare_tokens)) != NULL;) {
        kfk_list_remove(n);
        kfk_mem_free(KFK_CONTAINER(n, token_source, node));
    }
    kfk_loop_fini(l);
    int shield = kfk_thread_shield();
    close(e->wake_fd);
    close(e->epoll_fd);
    kfk_thread_unshield(shield);
    kfk_mem_free(e);
}

static void abandon(kfk_loop *l)
{
    loop_epoll *e = self(l);
    if (e->wake_fd >= 0) close(e->wake_fd);
    if (e->epoll_fd >= 0) close(e->epoll_fd);
    e->wake_fd = e->epoll_fd = -1;
}

static const kfk_loop_ops epoll_ops = {
    .wake = wake,
    .connect = kfk_socket_connect,
    .adopt = kfk_socket_adopt,
    .lookup = kfk_resolve_start,
    .resolve = kfk_resolve_now,
    .work = kfk_work_start,
    .unwork = kfk_work_take_back,
    .watch = watch,
    .unwatch = unwatch,
    .park = park,
    .unpark = unpark,
    .abandon = abandon,
    .stop = stop,
    .destroy = destroy,
};

static int no_resource(kfk_error *err, const char *what, int number)
{
    char text[128];
    return kfk_error_set(err, KAFKA_EIO, "starting the I/O thread: %s: %s", what,
                         strerror_r(number, text, sizeof text));
}

int kfk_loop_new(const char *name, kfk_loop **out, kfk_error *err)
{
    int code = 0, number;
    loop_epoll *e = kfk_fork_watch(NULL) == 0 ? kfk_mem_zalloc(sizeof *e) : NULL;
    if (!e) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a loop");
    e->wake_fd = e->epoll_fd = -1;
    e->wake.ready = wake_ready;
    e->stop_task.run = stop_run;
    kfk_list_init(&e->tokens);
    kfk_list_init(&e->spare_tokens);
    if ((code = kfk_loop_init(&e->base, &epoll_ops, kfk_rand_system_seed())) != 0) {
        kfk_mem_free(e);
        return kfk_error_set(err, code, "no memory for a loop");
    }
    if ((e->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        code = no_resource(err, "epoll_create1", errno);
    else if ((e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        code = no_resource(err, "eventfd", errno);
    else if ((number = kfk_source_add(&e->base, &e->wake, e->wake_fd)) != 0)
        code = no_resource(err, "epoll_ctl", number);
    if (code != 0) goto fail;
    kfk_loop_hold(&e->base); /* the thread's */
    if ((number = kfk_work_thread(&e->thread, false, name, turn_until_stopped, e)) != 0) {
        code = no_resource(err, "pthread_create", number);
        goto fail;
    }
    *out = &e->base;
    return 0;

fail:
    if (e->wake_fd >= 0) close(e->wake_fd);
    if (e->epoll_fd >= 0) close(e->epoll_fd);
    kfk_loop_fini(&e->base);
    kfk_mem_free(e);
    return code;
}
