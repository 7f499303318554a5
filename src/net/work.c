/* Pools of helper threads.
 *
 * A job that finds all threads busy starts another one up to the pool's limit, else it queues; the operation it belongs
 * to ends by its own deadline whether or not the job ever ran, and takes the job out of the queue. Threads are
 * detached: one that hangs in a resolver holds up neither a close nor the end of the process. What it brings back is
 * handed to the loop by submission, and the job keeps the loop's memory alive until then.
 *
 * A forked child has none of the threads; its pools begin anew, empty, and what was queued belongs to the parent. */
#include "net/work.h"
#include "base/fork.h"
#include "base/time.h"
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <time.h>

/* Stacks also hold the thread-local data of the whole program, and what runs on them is not all ours: NSS modules, and
 * on the loop's thread the application's callbacks. Pages that are not touched cost nothing. */
enum { IDLE_SECONDS = 5, STACK_BYTES = 512 * 1024 };

/* Not to be blocked: they tell of the thread's own faults, and blocked ones end the process without the handler that
 * the application may have for them. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

typedef struct pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    bool cond_ready;
    kfk_task *first, **last; /* queued jobs */
    int threads, idle, queued, limit;
    const char *name;
} pool;

static pool pools[KFK_WORK_KINDS] = {
    [KFK_WORK_BLOCKING] = {.lock = PTHREAD_MUTEX_INITIALIZER, .limit = 16, .name = "kafka-block"},
    [KFK_WORK_COMPUTING] = {.lock = PTHREAD_MUTEX_INITIALIZER, .limit = 2, .name = "kafka-compute"},
};

int kfk_work_thread(pthread_t *out, bool detached, const char *name, void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_t thread;
    int err = pthread_attr_init(&attr);
    if (err != 0) return err;
    pthread_attr_setstacksize(&attr, STACK_BYTES < PTHREAD_STACK_MIN ? (size_t)PTHREAD_STACK_MIN : (size_t)STACK_BYTES);
    pthread_attr_setdetachstate(&attr, detached ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
    err = pthread_create(&thread, &attr, run, arg);
    if (err == 0) pthread_setname_np(thread, name);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (err == 0 && out) *out = thread;
    return err;
}

/* The next job, waiting for one for a while; NULL when the thread should end. The lock is held. */
static kfk_job *next_job(pool *p)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    while (!p->first) {
        p->idle++;
        int err = pthread_cond_timedwait(&p->more, &p->lock, &until);
        p->idle--;
        if (err != 0 && !p->first) return NULL;
    }
    kfk_task *t = p->first;
    p->first = t->next;
    if (!p->first) p->last = &p->first;
    p->queued--;
    return KFK_CONTAINER(t, kfk_job, task);
}

static void deliver(kfk_task *t)
{
    kfk_job *job = KFK_CONTAINER(t, kfk_job, task);
    job->done(job);
}

static void *helper(void *arg)
{
    pool *p = arg;
    pthread_mutex_lock(&p->lock);
    kfk_job *job;
    while ((job = next_job(p)) != NULL) {
        pthread_mutex_unlock(&p->lock);
        kfk_loop *l = job->loop;
        job->run(job);
        if (kfk_loop_is_parents(l)) return NULL; /* a callback forked: in the child there is nothing to go on with */
        job->task.run = deliver;
        kfk_loop_submit(l, &job->task);
        kfk_loop_drop(l);
        pthread_mutex_lock(&p->lock);
    }
    p->threads--;
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* In a forked child. */
static void forget_all(void)
{
    for (int i = 0; i < KFK_WORK_KINDS; i++) {
        pool *p = &pools[i];
        *p = (pool){.lock = PTHREAD_MUTEX_INITIALIZER, .limit = p->limit, .name = p->name};
    }
}

/* The lock is held. The condition waits by the monotonic clock, which a static initialiser cannot say. */
static int pool_prepare(pool *p)
{
    if (p->cond_ready) return 0;
    pthread_condattr_t attr;
    int err = pthread_condattr_init(&attr);
    if (err != 0) return err;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    err = pthread_cond_init(&p->more, &attr);
    pthread_condattr_destroy(&attr);
    p->cond_ready = err == 0;
    p->last = &p->first;
    return err;
}

int kfk_work_start(kfk_loop *l, kfk_job *job)
{
    pool *p = &pools[job->kind];
    if (kfk_fork_watch(forget_all) != 0) return KAFKA_EAGAIN;
    pthread_mutex_lock(&p->lock);
    int err = pool_prepare(p);
    if (err == 0 && p->queued >= p->idle && p->threads < p->limit) {
        err = kfk_work_thread(NULL, true, p->name, helper, p);
        if (err == 0)
            p->threads++;
        else if (p->threads > 0)
            err = 0; /* one of those that run will get to it */
    }
    if (err == 0) {
        job->loop = kfk_loop_hold(l);
        job->task.next = NULL;
        *p->last = &job->task;
        p->last = &job->task.next;
        p->queued++;
        pthread_cond_signal(&p->more);
    }
    pthread_mutex_unlock(&p->lock);
    return err == 0 ? 0 : KAFKA_EAGAIN;
}

bool kfk_work_take_back(kfk_loop *l, kfk_job *job)
{
    pool *p = &pools[job->kind];
    bool found = false;
    pthread_mutex_lock(&p->lock);
    for (kfk_task **at = &p->first; *at; at = &(*at)->next) {
        if (*at != &job->task) continue;
        found = true;
        *at = job->task.next;
        if (!*at) p->last = at;
        p->queued--;
        break;
    }
    pthread_mutex_unlock(&p->lock);
    if (found) kfk_loop_drop(l);
    return found;
}
