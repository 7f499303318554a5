/* Racing the addresses of a host.
 *
 * An attempt is idle, under way (has a stream) or over. One timer starts the next attempt: after the fallback delay
 * when attempts may overlap, else after the share of the present one, which then is given up. The object lives until it
 * has told its outcome or was abandoned; a look-up that is still out is abandoned with it. */
#include "net/tcp.h"
#include "base/mem.h"
#include "base/time.h"
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { SMALLEST_SHARE_MS = 2000 };

typedef struct attempt {
    kfk_tcp *tcp;
    kfk_stream *stream;
} attempt;

struct kfk_tcp {
    kfk_loop *loop;
    kfk_tcp_config cfg;
    kfk_lookup *lookup; /* under way */
    kfk_timer timer;
    kfk_address addresses[KFK_LOOKUP_MAX];
    attempt attempts[KFK_LOOKUP_MAX];
    size_t count, next, running;
    kfk_error error; /* what happened so far, address by address */
};

static void tcp_free(kfk_tcp *t)
{
    if (t->lookup) kfk_lookup_abandon(t->lookup);
    kfk_loop_timer_clear(t->loop, &t->timer);
    for (size_t i = 0; i < t->next; i++) {
        if (t->attempts[i].stream) t->attempts[i].stream->ops->close(t->attempts[i].stream);
    }
    kfk_mem_free(t);
}

void kfk_tcp_abandon(kfk_tcp *t)
{
    tcp_free(t);
}

static void conclude(kfk_tcp *t, kfk_stream *stream)
{
    kfk_tcp_config cfg = t->cfg;
    kfk_error error = t->error;
    tcp_free(t);
    cfg.done(cfg.owner, stream, &error);
}

/* Adds what happened at one address to the sentence. */
static void note_failure(kfk_tcp *t, size_t index, const kfk_error *why)
{
    char where[KFK_ADDRESS_TEXT];
    kfk_address_format(&t->addresses[index], where, sizeof where);
    kfk_error_append(&t->error, why->code, "%s: %s", where, why->text);
}

static void attempt_ready(void *owner, unsigned events);

/* Starts the next attempt that can be started. */
static void start_next(kfk_tcp *t)
{
    while (t->next < t->count) {
        size_t i = t->next++;
        attempt *a = &t->attempts[i];
        kfk_error why = {0};
        a->tcp = t;
        if (kfk_loop_connect(t->loop, &t->addresses[i], &t->cfg.options, &a->stream, &why) == 0) {
            a->stream->owner = a;
            a->stream->ready = attempt_ready;
            t->running++;
            break;
        }
        note_failure(t, i, &why);
    }
    int64_t now = kfk_loop_now_ms(t->loop), at = KFK_TIME_NEVER;
    if (t->next < t->count) {
        at = kfk_time_add(now, t->cfg.fallback_delay_ms);
        if (!t->cfg.dual_stack && t->cfg.deadline_ms != KFK_TIME_NEVER) {
            int64_t share = (t->cfg.deadline_ms - now) / (int64_t)(t->count - t->next + 1);
            at = kfk_time_add(now, share < SMALLEST_SHARE_MS ? SMALLEST_SHARE_MS : share);
        } else if (!t->cfg.dual_stack) {
            at = KFK_TIME_NEVER;
        }
    }
    kfk_loop_timer_set(t->loop, &t->timer, at);
}

static void attempt_over(attempt *a, const kfk_error *why)
{
    kfk_tcp *t = a->tcp;
    a->stream->ops->close(a->stream);
    a->stream = NULL;
    t->running--;
    note_failure(t, (size_t)(a - t->attempts), why);
}

static void attempt_ready(void *owner, unsigned events)
{
    attempt *a = owner;
    kfk_tcp *t = a->tcp;
    kfk_error why = {0};
    (void)events;
    int err = a->stream->ops->connected(a->stream, &why);
    if (err == KAFKA_EAGAIN) return;
    if (err == 0) {
        kfk_stream *winner = a->stream;
        a->stream = NULL;
        winner->ready = NULL;
        conclude(t, winner);
        return;
    }
    attempt_over(a, &why);
    start_next(t);
    if (t->running == 0) conclude(t, NULL);
}

static void next_due(kfk_timer *timer)
{
    kfk_tcp *t = KFK_CONTAINER(timer, kfk_tcp, timer);
    if (!t->cfg.dual_stack) {
        kfk_error why;
        kfk_error_set(&why, KAFKA_EIO, "no answer in its share of the time");
        attempt_over(&t->attempts[t->next - 1], &why);
    }
    start_next(t);
    if (t->running == 0) conclude(t, NULL);
}

/* Takes the addresses over so that the families take turns, beginning with that of the first (RFC 8305 section 4). */
static void take_addresses(kfk_tcp *t, const kfk_address *found, size_t count)
{
    bool taken[KFK_LOOKUP_MAX] = {false};
    int want = count ? found[0].addr.ss_family : 0;
    for (t->count = 0; t->count < count;) {
        size_t pick = count;
        for (size_t i = 0; i < count; i++) {
            if (taken[i]) continue;
            if (pick == count) pick = i;
            if (found[i].addr.ss_family == want) {
                pick = i;
                break;
            }
        }
        taken[pick] = true;
        t->addresses[t->count++] = found[pick];
        want = found[pick].addr.ss_family == AF_INET ? AF_INET6 : AF_INET;
    }
}

static void looked_up(kfk_lookup *lookup)
{
    kfk_tcp *t = lookup->owner;
    t->lookup = NULL;
    if (lookup->error.code != 0) {
        kfk_error_set(&t->error, lookup->error.code, "resolving %s: %s", t->cfg.to.host, lookup->error.text);
        conclude(t, NULL);
        return;
    }
    take_addresses(t, lookup->found, lookup->count);
    start_next(t);
    if (t->running == 0) conclude(t, NULL);
}

/* Is there an address without a look-up? The application's resolver is asked for all hosts that have one. */
static bool is_known(const kfk_tcp_config *cfg, kfk_address *out)
{
    if (cfg->to.port == 0) return kfk_address_unix(cfg->to.host, out);
    return !cfg->resolver.lookup && kfk_address_numeric(cfg->to.host, cfg->to.port, out);
}

static int start_lookup(kfk_tcp *t)
{
    const kfk_hostport *to = &t->cfg.to;
    t->lookup = kfk_lookup_new(to->host, to->port, looked_up, t);
    if (!t->lookup) return KAFKA_ENOMEM;
    t->lookup->port_is_default = to->port_is_default;
    t->lookup->resolver = t->cfg.resolver;
    int err = kfk_loop_lookup(t->loop, t->lookup);
    if (err == 0) return 0;
    kfk_lookup_free(t->lookup);
    t->lookup = NULL;
    return err;
}

int kfk_tcp_start(kfk_loop *l, const kfk_tcp_config *cfg, kfk_tcp **out, kfk_error *err)
{
    kfk_tcp *t = kfk_mem_zalloc(sizeof *t);
    if (!t) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a connection");
    int code = 0;
    t->loop = l;
    t->cfg = *cfg;
    kfk_timer_init(&t->timer, next_due);
    if (is_known(cfg, &t->addresses[0])) {
        t->count = 1;
        start_next(t);
        if (t->running == 0) {
            *err = t->error;
            code = err->code;
        }
    } else if ((code = start_lookup(t)) != 0) {
        kfk_error_set(err, code, "resolving %s: %s", cfg->to.host,
                      code == KAFKA_ENOMEM ? "no memory" : "no thread can be started for it");
    }
    if (code != 0) {
        tcp_free(t);
        return code;
    }
    *out = t;
    return 0;
}

void kfk_tcp_describe(const kfk_tcp *t, char *out, size_t cap)
{
    char where[KFK_ADDRESS_TEXT];
    if (t->lookup) {
        snprintf(out, cap, "resolving %s", t->cfg.to.host);
        return;
    }
    kfk_address_format(&t->addresses[t->next ? t->next - 1 : 0], where, sizeof where);
    snprintf(out, cap, "connecting to %s", where);
}
