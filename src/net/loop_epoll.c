/* Descriptors on Linux: epoll, and an eventfd to wake who waits.
 *
 * Everything is registered once, edge-triggered, for reading and writing, so that sending a request needs no epoll_ctl.
 * The eventfd is edge-triggered too and never read. The thread that turns the loop waits without the baton and takes it
 * for one turn; other threads may meanwhile add sources to the epoll set, which the kernel allows. Sources are closed
 * only by the thread that turns the loop, and one that is closed while events of the same wait are still to be reported
 * is taken out of them.
 *
 * The epoll set is itself a descriptor that is readable while it holds an edge that nobody has taken: a manual loop
 * gives it to the application.
 *
 * A token, though, may lose its last watcher on any thread, at a time when the thread that turns has come back from its
 * wait with an event of it in hand. So the sources of tokens are never freed while the loop lives, only used again:
 * then the worst that such an event can do is to have another token looked at, which is harmless. */
#include "net/loop_epoll.h"
#include "base/fork.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"
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

typedef struct token_source {
    kfk_source source;
    kfk_list node;
    kfk_cancel *token; /* NULL = spare */
    kfk_loop *loop;
    int fd;
} token_source;

/* ---- sources ----------------------------------------------------------------------------------------------------- */

static int source_control(kfk_loop *l, int op, kfk_source *s, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = s};
    return epoll_ctl(kfk_loop_epoll_of(l)->epoll_fd, op, fd, &ev) == 0 ? 0 : errno;
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
    kfk_loop_epoll *e = kfk_loop_epoll_of(l);
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

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

static void token_ready(kfk_source *s, unsigned events)
{
    (void)events;
    token_source *t = KFK_CONTAINER(s, token_source, source);
    if (kfk_cancel_fired(t->token)) kfk_loop_token_fired(t->loop, t->token);
}

static token_source *token_source_new(kfk_loop_epoll *e)
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

static void token_source_put_aside(kfk_loop_epoll *e, token_source *t)
{
    t->token = NULL;
    kfk_list_remove(&t->node);
    kfk_list_push_back(&e->spare_tokens, &t->node);
}

int kfk_loop_epoll_watch(kfk_loop *l, kfk_cancel *token)
{
    kfk_loop_epoll *e = kfk_loop_epoll_of(l);
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

void kfk_loop_epoll_unwatch(kfk_loop *l, kfk_cancel *token)
{
    kfk_loop_epoll *e = kfk_loop_epoll_of(l);
    KFK_LIST_EACH (n, &e->tokens) {
        token_source *t = KFK_CONTAINER(n, token_source, node);
        if (t->token != token) continue;
        epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, t->fd, NULL);
        token_source_put_aside(e, t);
        return;
    }
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, timeout, NULL, FUTEX_BITSET_MATCH_ANY);
}

void kfk_loop_epoll_park(kfk_loop *l, _Atomic uint32_t *word, uint32_t value, int64_t deadline_ms)
{
    (void)l;
    struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000), .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    /* the bitset form takes an absolute monotonic time */
    futex(word, FUTEX_WAIT_BITSET, value, deadline_ms == KFK_TIME_NEVER ? NULL : &until);
}

void kfk_loop_epoll_unpark(kfk_loop *l, _Atomic uint32_t *word)
{
    (void)l;
    futex(word, FUTEX_WAKE, 1, NULL);
}

void kfk_loop_epoll_wake(kfk_loop *l)
{
    uint64_t one = 1;
    ssize_t n = write(kfk_loop_epoll_of(l)->wake_fd, &one, sizeof one);
    (void)n; /* it can only fail when the counter is full: then the loop is awake */
}

static void wake_ready(kfk_source *s, unsigned events)
{
    (void)s;
    (void)events; /* waking was all it is for */
}

/* ---- turning ----------------------------------------------------------------------------------------------------- */

/* Milliseconds for epoll_wait, rounded up: a timer never fires early. */
static int wait_time(int64_t at_ms)
{
    int64_t left_ms = kfk_time_left_ms(at_ms);
    return left_ms == KFK_TIME_NEVER ? -1 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

int64_t kfk_loop_epoll_turn(kfk_loop_epoll *e, int64_t until_ms, void (*last_look)(kfk_loop_epoll *))
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int n = epoll_wait(e->epoll_fd, events, EVENTS_PER_WAIT, wait_time(until_ms));
    e->events = events; /* before entering: what runs there may already close a source */
    e->event_index = 0;
    e->event_count = n < 0 ? 0 : n;
    kfk_loop_enter(&e->base);
    while (e->event_index < e->event_count && !kfk_loop_is_parents(&e->base)) {
        struct epoll_event *event = &events[e->event_index++];
        kfk_source *s = event->data.ptr;
        if (s) s->ready(s, source_events(event->events));
    }
    e->event_index = e->event_count = 0;
    if (kfk_loop_is_parents(&e->base))
        return KFK_TIME_NEVER; /* a callback forked: the sockets are not this process's */
    if (last_look) last_look(e);
    return kfk_loop_leave(&e->base);
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

int kfk_loop_epoll_refused(kfk_error *err, const char *doing, const char *what, int number)
{
    kfk_error_set_system(err, KAFKA_EIO, what, number);
    return kfk_error_prefix(err, "%s: ", doing);
}

int kfk_loop_epoll_init(kfk_loop_epoll *e, const kfk_loop_ops *ops, const char *doing, kfk_error *err)
{
    int code = 0, number;
    e->wake_fd = e->epoll_fd = -1;
    e->wake.ready = wake_ready;
    kfk_list_init(&e->tokens);
    kfk_list_init(&e->spare_tokens);
    if ((code = kfk_fork_watch(NULL)) != 0 || (code = kfk_loop_init(&e->base, ops, kfk_rand_system_seed())) != 0)
        return kfk_error_set(err, code, "no memory for a loop");
    if ((e->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        code = kfk_loop_epoll_refused(err, doing, "epoll_create1", errno);
    else if ((e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        code = kfk_loop_epoll_refused(err, doing, "eventfd", errno);
    else if ((number = kfk_source_add(&e->base, &e->wake, e->wake_fd)) != 0)
        code = kfk_loop_epoll_refused(err, doing, "epoll_ctl", number);
    if (code != 0) kfk_loop_epoll_fini(e);
    return code;
}

static void close_descriptors(kfk_loop_epoll *e)
{
    int shield = kfk_thread_shield();
    if (e->wake_fd >= 0) close(e->wake_fd);
    if (e->epoll_fd >= 0) close(e->epoll_fd);
    kfk_thread_unshield(shield);
    e->wake_fd = e->epoll_fd = -1;
}

void kfk_loop_epoll_fini(kfk_loop_epoll *e)
{
    for (kfk_list *n; (n = kfk_list_first(&e->spare_tokens)) != NULL;) {
        kfk_list_remove(n);
        kfk_mem_free(KFK_CONTAINER(n, token_source, node));
    }
    kfk_loop_fini(&e->base);
    close_descriptors(e);
}

void kfk_loop_epoll_abandon(kfk_loop *l)
{
    close_descriptors(kfk_loop_epoll_of(l));
}
