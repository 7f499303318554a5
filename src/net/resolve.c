/* Name resolution with getaddrinfo, since it honours nsswitch.conf, /etc/hosts and RFC 6724.
 *
 * It blocks and cannot be interrupted, so it runs on a helper thread and writes only into its own job. The look-up is
 * reached again under the baton; if it was abandoned meanwhile its answer is dropped. Otherwise its owner is told by the
 * loop's thread, since what follows may close streams and call back.
 *
 * One that was abandoned before a thread came to it is not begun: when resolvers hang, the look-ups of callers that have
 * long given up must not stand in the way of the next. */
#include "net/resolve.h"
#include "base/mem.h"
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

typedef struct resolve_job {
    kfk_job job;
    kfk_lookup *lookup; /* host and port are constant; the rest is touched under the baton only */
    kfk_address found[KFK_LOOKUP_MAX];
    size_t count;
    int failure, system_errno;
} resolve_job;

static void resolve_run(kfk_job *job)
{
    resolve_job *r = KFK_CONTAINER(job, resolve_job, job);
    char service[8];
    if (atomic_load(&r->lookup->abandoned)) return;
    snprintf(service, sizeof service, "%u", (unsigned)r->lookup->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    r->failure = getaddrinfo(r->lookup->host, service, &hints, &list);
    r->system_errno = errno;
    if (r->failure != 0) return;
    for (struct addrinfo *i = list; i && r->count < KFK_LOOKUP_MAX; i = i->ai_next) {
        if (i->ai_addrlen > sizeof r->found[0].addr) continue;
        memcpy(&r->found[r->count].addr, i->ai_addr, i->ai_addrlen);
        r->found[r->count++].len = i->ai_addrlen;
    }
    freeaddrinfo(list);
}

static void resolve_free(resolve_job *r)
{
    kfk_lookup_free(r->lookup);
    kfk_mem_free(r);
}

static void tell_owner(kfk_task *t)
{
    resolve_job *r = KFK_CONTAINER(t, resolve_job, job.task);
    kfk_lookup *lookup = r->lookup;
    if (r->failure != 0) {
        char text[128];
        const char *reason = gai_strerror(r->failure);
        if (r->failure == EAI_SYSTEM) reason = strerror_r(r->system_errno, text, sizeof text);
        kfk_error_set(&lookup->error, KAFKA_ERESOLVE, "%s", reason);
    } else if (r->count == 0) {
        kfk_error_set(&lookup->error, KAFKA_ERESOLVE, "the name has no address");
    }
    memcpy(lookup->found, r->found, sizeof lookup->found);
    lookup->count = r->count;
    if (lookup->done) lookup->done(lookup);
    resolve_free(r);
}

static void resolve_done(kfk_job *job)
{
    resolve_job *r = KFK_CONTAINER(job, resolve_job, job);
    if (!r->lookup->done) { /* perhaps the loop does not even turn any more */
        resolve_free(r);
        return;
    }
    job->task.run = tell_owner;
    kfk_loop_defer(job->loop, &job->task);
}

int kfk_resolve_start(kfk_loop *l, kfk_lookup *lookup)
{
    resolve_job *r = kfk_mem_zalloc(sizeof *r);
    if (!r) return KAFKA_ENOMEM;
    r->job.kind = KFK_WORK_BLOCKING;
    r->job.run = resolve_run;
    r->job.done = resolve_done;
    r->lookup = lookup;
    int err = kfk_loop_work(l, &r->job);
    if (err != 0) kfk_mem_free(r);
    return err;
}
