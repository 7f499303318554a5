/* Look-ups. The answer is decided when it is given, so an entry that changes meanwhile counts.
 *
 * An answer is told in a turn of the loop. A look-up that was abandoned is freed when its time comes, or at the end of
 * the run when it has none: as a resolver that hangs, which nobody waits for. */
#include "sim/names.h"
#include "base/mem.h"
#include "net/resolve.h"
#include "sim/sim_impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NAMES = 64, DEFAULT_DELAY_US = 300 };

typedef struct pending {
    kfk_list node;
    sim_event event;
    sim_report report;
    kfk_lookup *lookup;
    sim *sim;
} pending;

struct sim_names {
    sim_name *entries[MOST_NAMES];
    size_t count;
    kfk_list pending;
};

void sim_names_new(sim *s)
{
    s->names = sim_alloc(sizeof *s->names);
    kfk_list_init(&s->names->pending);
}

static sim_name *find(const sim *s, const char *host)
{
    for (size_t i = 0; i < s->names->count; i++) {
        if (strcmp(s->names->entries[i]->host, host) == 0) return s->names->entries[i];
    }
    return NULL;
}

sim_name *sim_name_of(sim *s, const char *host)
{
    sim_name *n = find(s, host);
    if (n) return n;
    if (s->names->count == MOST_NAMES) {
        fprintf(stderr, "simulation: more than %d names\n", (int)MOST_NAMES);
        exit(2);
    }
    n = sim_alloc(sizeof *n);
    snprintf(n->host, sizeof n->host, "%s", host);
    n->delay_us = DEFAULT_DELAY_US;
    return s->names->entries[s->names->count++] = n;
}

void sim_name_add(sim *s, const char *host, const char *address)
{
    sim_name *n = sim_name_of(s, host);
    if (n->count < KFK_LOOKUP_MAX) snprintf(n->addresses[n->count++], KFK_ADDRESS_TEXT, "%s", address);
}

static void forget(pending *p)
{
    sim *s = p->sim;
    kfk_list_remove(&p->node);
    sim_event_clear(s, &p->event);
    sim_report_remove(&p->report);
    kfk_lookup_free(p->lookup);
    free(p);
    kfk_loop_drop(&s->loop);
}

static int fill(const sim_name *n, uint16_t port, kfk_address *found, size_t *count, kfk_error *err)
{
    if (!n || n->failure) return kfk_error_set(err, KAFKA_ERESOLVE, "%s", n ? n->failure : "Name or service not known");
    if (n->count == 0) return kfk_error_set(err, KAFKA_ERESOLVE, "the name has no address");
    for (size_t i = 0; i < n->count && *count < KFK_LOOKUP_MAX; i++) {
        if (kfk_address_numeric(n->addresses[i], port, &found[*count])) ++*count;
    }
    return 0;
}

/* In a job, which takes as long as the look-up does. */
int sim_names_resolve(kfk_loop *l, const char *host, uint16_t port, kfk_address *found, size_t *count, kfk_error *err)
{
    sim *s = KFK_CONTAINER(l, sim, loop);
    const sim_name *n = find(s, host);
    sim_job_takes_ms(s, !n ? 0 : n->silent ? -1 : n->delay_us / 1000);
    sim_trace(s, "a helper thread looks up %s", host);
    return fill(n, port, found, count, err);
}

static void answer(sim *s, sim_report *r)
{
    pending *p = KFK_CONTAINER(r, pending, report);
    kfk_lookup *lookup = p->lookup;
    if (lookup->done) {
        fill(find(s, lookup->host), lookup->port, lookup->found, &lookup->count, &lookup->error);
        sim_trace(s, "loop: %s has %zu addresses", lookup->host, lookup->count);
        lookup->done(lookup);
    }
    forget(p);
}

static void found(sim *s, sim_event *e)
{
    pending *p = KFK_CONTAINER(e, pending, event);
    if (p->lookup->done)
        sim_report_add(s, &p->report);
    else
        forget(p);
}

int sim_names_lookup(kfk_loop *l, kfk_lookup *lookup)
{
    sim *s = KFK_CONTAINER(l, sim, loop);
    if (lookup->resolver.lookup) return kfk_resolve_start(l, lookup); /* the library's own way */
    if (s->refuse_work) return KAFKA_EAGAIN;
    const sim_name *n = find(s, lookup->host);
    int64_t delay = n ? n->delay_us : DEFAULT_DELAY_US;
    pending *p = sim_alloc(sizeof *p);
    p->sim = s;
    p->lookup = lookup;
    sim_event_init(&p->event, found);
    sim_report_init(&p->report, answer);
    kfk_list_push_back(&s->names->pending, &p->node);
    kfk_loop_hold(l);
    if (sim_chance(s, 2)) delay += (int64_t)sim_below(s, (uint64_t)delay / 2 + 1);
    if (!n || !n->silent) sim_event_set(s, &p->event, s->now_us + delay);
    sim_trace(s, "looks up %s", lookup->host);
    return 0;
}

int sim_names_waiting(const sim *s)
{
    int n = 0;
    KFK_LIST_EACH (node, &s->names->pending) n += KFK_CONTAINER(node, pending, node)->lookup->done != NULL;
    return n;
}

void sim_names_let_go(sim *s)
{
    KFK_LIST_EACH (node, &s->names->pending) {
        pending *p = KFK_CONTAINER(node, pending, node);
        if (!p->lookup->done) forget(p);
    }
}

void sim_names_free(sim *s)
{
    for (kfk_list *node; (node = kfk_list_first(&s->names->pending)) != NULL;)
        forget(KFK_CONTAINER(node, pending, node));
    for (size_t i = 0; i < s->names->count; i++) free(s->names->entries[i]);
    free(s->names);
}
