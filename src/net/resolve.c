/* Name resolution: the application's resolver where there is one, else getaddrinfo, since it honours nsswitch.conf,
 * /etc/hosts and RFC 6724.
 *
 * Either may block and cannot be interrupted, so it runs on a helper thread and writes only into its own job. The
 * look-up is reached again under the baton; if it was abandoned meanwhile its answer is dropped. Otherwise its owner is
 * told by the loop's thread, since what follows may close streams and call back.
 *
 * One that was abandoned before a thread came to it is taken out of the queue: when resolvers hang, the look-ups of
 * callers that have long given up must neither pile up nor stand in the way of the next. One that runs stops at the
 * next name. */
#include "net/resolve.h"
#include "base/fork.h"
#include "base/mem.h"
#include "base/thread.h"
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

typedef struct resolve_job {
    kfk_job job;
    kfk_lookup *lookup;  /* host, port and resolver are constant; the rest is touched under the baton only */
    kafka_addrs *answer; /* the application's; NULL when the system is asked */
    kfk_address found[KFK_LOOKUP_MAX];
    size_t count;
    kfk_error error;
} resolve_job;

/* ---- on a helper thread ------------------------------------------------------------------------------------------ */

int kfk_resolve_now(kfk_loop *l, const char *host, uint16_t port, kfk_address *found, size_t *count, kfk_error *err)
{
    char service[8], text[128];
    (void)l;
    snprintf(service, sizeof service, "%u", (unsigned)port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    kfk_fork_hold(); /* or a child that is forked now could hang in its first look-up */
    errno = 0;
    int failure = getaddrinfo(host, service, &hints, &list), number = errno;
    kfk_fork_let();
    /* glibc calls a name unknown when it had no memory to read /etc/hosts; errno has it */
    if (failure == EAI_MEMORY || (failure != 0 && number == ENOMEM))
        return kfk_error_set(err, KAFKA_ENOMEM, "no memory");
    if (failure != 0)
        return kfk_error_set(err, KAFKA_ERESOLVE, "%s",
                             failure == EAI_SYSTEM ? strerror_r(number, text, sizeof text) : gai_strerror(failure));
    if (!list) return kfk_error_set(err, KAFKA_ERESOLVE, "the name has no address");
    for (struct addrinfo *i = list; i && *count < KFK_LOOKUP_MAX; i = i->ai_next) {
        if (i->ai_addrlen > sizeof found[0].addr) continue;
        memcpy(&found[*count].addr, i->ai_addr, i->ai_addrlen);
        found[(*count)++].len = i->ai_addrlen;
    }
    freeaddrinfo(list);
    return 0;
}

int kfk_addrs_add(kafka_addrs *a, const char *host_or_host_port, kfk_error *err)
{
    kfk_hostport parsed;
    int code = kfk_hostport_parse(host_or_host_port, strlen(host_or_host_port), &parsed, err);
    if (code == 0 && a->count < KFK_LOOKUP_MAX) a->entries[a->count++] = parsed;
    return code;
}

/* 0 = it has answered, perhaps with nothing. */
static int ask_application(resolve_job *r)
{
    const kafka_resolver *resolver = &r->lookup->resolver;
    kfk_thread saved;
    kfk_thread_callback_begin(&saved, NULL);
    int result = resolver->lookup(resolver->userdata, r->lookup->host, r->answer);
    kfk_thread_callback_end(&saved);
    if (result == 0) return 0;
    const kfk_error_info *known = result < -1 ? kfk_error_find(result) : NULL; /* a code of ours that it passed on */
    return kfk_error_set(&r->error, result == KAFKA_ENOMEM ? KAFKA_ENOMEM : KAFKA_ERESOLVE,
                         "the application's resolver failed with %d%s%s", result, known ? ", KAFKA_" : "",
                         known ? known->name : "");
}

/* The addresses of one thing that the application named. */
static void take_entry(resolve_job *r, const kfk_hostport *entry)
{
    kfk_error why = {0};
    kfk_lookup *q = r->lookup;
    uint16_t port = q->port_is_default ? entry->port : q->port;
    if (r->count == KFK_LOOKUP_MAX) return;
    kfk_address *next = &r->found[r->count];
    if (kfk_address_unix(entry->host, next) || kfk_address_numeric(entry->host, port, next))
        r->count++;
    else if (kfk_loop_resolve(r->job.loop, entry->host, port, r->found, &r->count, &why) != 0)
        kfk_error_append(&r->error, why.code, "%s, which the application's resolver named: %s", entry->host, why.text);
}

static void take_answer(resolve_job *r)
{
    for (size_t i = 0; i < r->answer->count && !atomic_load(&r->lookup->abandoned); i++)
        take_entry(r, &r->answer->entries[i]);
    if (r->count > 0) r->error.code = 0; /* some will do */
}

static void resolve_run(kfk_job *job)
{
    resolve_job *r = KFK_CONTAINER(job, resolve_job, job);
    kfk_lookup *q = r->lookup;
    if (atomic_load(&q->abandoned)) return;
    if (r->answer && ask_application(r) != 0) return;
    if (atomic_load(&q->abandoned)) return;
    if (r->answer && r->answer->count > 0)
        take_answer(r);
    else if (r->answer && kfk_address_numeric(q->host, q->port, &r->found[0]))
        r->count = 1; /* the application had nothing to say about it */
    else
        kfk_loop_resolve(job->loop, q->host, q->port, r->found, &r->count, &r->error);
    if (r->count == 0 && r->error.code == 0) kfk_error_set(&r->error, KAFKA_ERESOLVE, "the name has no address");
}

/* ---- under the baton --------------------------------------------------------------------------------------------- */

static void resolve_free(resolve_job *r)
{
    kfk_lookup_free(r->lookup);
    kfk_mem_free(r->answer);
    kfk_mem_free(r);
}

static void tell_owner(kfk_task *t)
{
    resolve_job *r = KFK_CONTAINER(t, resolve_job, job.task);
    kfk_lookup *lookup = r->lookup;
    lookup->error = r->error;
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
    r->lookup->let_go = NULL;
    job->task.run = tell_owner;
    kfk_loop_defer(job->loop, &job->task);
}

static void let_go(kfk_lookup *lookup)
{
    resolve_job *r = lookup->server;
    lookup->let_go = NULL;
    if (kfk_loop_unwork(r->job.loop, &r->job)) resolve_free(r);
}

int kfk_resolve_start(kfk_loop *l, kfk_lookup *lookup)
{
    resolve_job *r = kfk_mem_zalloc(sizeof *r);
    if (!r || (lookup->resolver.lookup && !(r->answer = kfk_mem_zalloc(sizeof *r->answer)))) {
        kfk_mem_free(r);
        return KAFKA_ENOMEM;
    }
    r->job.kind = KFK_WORK_BLOCKING;
    r->job.run = resolve_run;
    r->job.done = resolve_done;
    r->lookup = lookup;
    lookup->server = r;
    lookup->let_go = let_go;
    int err = kfk_loop_work(l, &r->job);
    if (err != 0) {
        lookup->let_go = NULL;
        kfk_mem_free(r->answer);
        kfk_mem_free(r);
    }
    return err;
}
