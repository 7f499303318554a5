/* See the header. A connection tells the cluster that it was lost, which finds the link: that happens rarely, and so a
 * connection to a bootstrap address can become a broker's without being told. */
#include "base/mem.h"
#include "base/time.h"
#include "engine/cluster_impl.h"
#include <string.h>

enum { SECOND_MS = 1000 };

bool kfk_link_is_alive(const kfk_link *l)
{
    return l->broker && !kfk_broker_failure(l->broker);
}

bool kfk_link_is_late(const kfk_cluster *c, const kfk_link *l)
{
    int64_t before = kfk_loop_now_ms(c->loop) - KFK_DISCOVER_HEDGE_MS;
    if (l->asked > 0 && l->asked_ms <= before) return true;
    return kfk_link_is_alive(l) && !kfk_broker_is_ready(l->broker) && l->opened_ms <= before;
}

int64_t kfk_link_ready_at_ms(const kfk_node *n, kfk_link_kind kind)
{
    if (!n->links) return 0;
    const kfk_links *all = n->links;
    int64_t at = all->of[kind].retry_at_ms;
    if (kfk_link_is_alive(&all->of[kind])) return 0;
    if (all->connects >= KFK_LINKS_PER_SECOND) {
        int64_t window = kfk_time_add(all->connects_ms[all->connects % KFK_LINKS_PER_SECOND], SECOND_MS);
        if (window > at) at = window;
    }
    return at;
}

static kfk_links *links_of(kfk_node *n)
{
    if (n->links) return n->links;
    if (!(n->links = kfk_mem_zalloc(sizeof *n->links))) return NULL;
    for (int kind = 0; kind < KFK_LINK_KINDS; kind++) n->links->of[kind].node = n;
    return n->links;
}

int kfk_link_open_loop(kfk_cluster *c, kfk_node *n, kfk_link_kind kind, kfk_link **out, int64_t *retry_at_ms,
                       kfk_error *err)
{
    kfk_links *all = links_of(n);
    if (!all) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a connection to broker %d", (int)n->id);
    kfk_link *l = *out = &all->of[kind];
    if (kfk_link_is_alive(l)) return 0;
    *retry_at_ms = kfk_link_ready_at_ms(n, kind);
    int64_t now = kfk_loop_now_ms(c->loop);
    if (l->broker || *retry_at_ms > now) {
        if (*retry_at_ms <= now) *retry_at_ms = kfk_time_add(now, 1); /* it is just being taken down */
        return kfk_error_set(err, KAFKA_EAGAIN, "broker %d is connected to again in %lld ms; before that: %s",
                             (int)n->id, (long long)(*retry_at_ms - now),
                             l->failure.code ? l->failure.text : "too many connections to it in a second");
    }
    kfk_broker_config cfg = c->cfg.connect;
    kfk_node_address(n, &cfg.address);
    cfg.number = ++c->connections;
    int code = kfk_broker_new(&cfg, &l->broker);
    if (code != 0) {
        l->broker = NULL;
        return kfk_error_set(err, code, "no memory for a connection to broker %d", (int)n->id);
    }
    all->connects_ms[all->connects++ % KFK_LINKS_PER_SECOND] = now;
    l->opened_ms = now;
    kfk_broker_connect_loop(l->broker);
    return 0;
}

int kfk_cluster_link_loop(kfk_cluster *c, int32_t id, kfk_link_kind kind, kfk_broker **out, int64_t *retry_at_ms,
                          kfk_error *err)
{
    kfk_link *l;
    kfk_node *n = kfk_brokers_find(&c->brokers, id);
    if (c->closed) return kfk_error_set(err, KAFKA_ECLOSED, "the client was closed");
    bool alive = n && n->links && kfk_link_is_alive(&n->links->of[kind]);
    if (!n || (!alive && !kfk_brokers_is_named(&c->brokers, n)))
        return kfk_error_set(err, KAFKA_ERR_BROKER_NOT_AVAILABLE, "no broker %d is known", (int)id);
    int code = kfk_link_open_loop(c, n, kind, &l, retry_at_ms, err);
    if (code == 0) *out = l->broker;
    return code;
}

bool kfk_link_adopt(kfk_node *n, kfk_link_kind kind, kfk_link *from)
{
    kfk_links *all = links_of(n);
    if (!all || all->of[kind].broker || from->asked > 0) return false;
    all->of[kind].broker = from->broker;
    from->broker = NULL;
    return true;
}

/* The link has none before its requests end: who is told then must not be given it again. */
void kfk_link_close_loop(kfk_link *l)
{
    kfk_broker *b = l->broker;
    l->broker = NULL;
    if (b) kfk_broker_free_loop(b);
}

void kfk_links_moved(kfk_node *n)
{
    if (!n->links) return;
    for (int kind = 0; kind < KFK_LINK_KINDS; kind++) {
        kfk_link *l = &n->links->of[kind];
        l->failures = 0;
        l->retry_at_ms = 0;
        if (l->broker && !kfk_broker_is_ready(l->broker)) kfk_link_close_loop(l);
    }
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

/* The next node with links; NULL begins, and ends. */
static kfk_node *next_linked(const kfk_cluster *c, kfk_node *after)
{
    kfk_list *head = (kfk_list *)(uintptr_t)&c->brokers.by_id.order, *n = after ? &after->by_id.order : head;
    while ((n = n->next) != head) {
        kfk_node *node = KFK_CONTAINER(KFK_CONTAINER(n, kfk_map_node, order), kfk_node, by_id);
        if (node->links) return node;
    }
    return NULL;
}

void kfk_links_close_all_loop(kfk_cluster *c)
{
    for (kfk_node *n = NULL; (n = next_linked(c, n)) != NULL;) {
        for (int kind = 0; kind < KFK_LINK_KINDS; kind++) kfk_link_close_loop(&n->links->of[kind]);
    }
}

void kfk_links_sweep(kfk_cluster *c)
{
    for (kfk_node *n = NULL; (n = next_linked(c, n)) != NULL;) {
        bool used = kfk_brokers_is_named(&c->brokers, n) && !c->closed;
        for (int kind = 0; kind < KFK_LINK_KINDS; kind++) used = used || n->links->of[kind].broker;
        if (used) continue;
        kfk_mem_free(n->links);
        n->links = NULL;
    }
    kfk_brokers_sweep(&c->brokers);
}

static kfk_link *link_with(kfk_cluster *c, const kfk_broker *b)
{
    for (int i = 0; i < KFK_SEEDS; i++) {
        if (c->seeds.of[i].broker == b) return &c->seeds.of[i];
    }
    for (kfk_node *n = NULL; (n = next_linked(c, n)) != NULL;) {
        for (int kind = 0; kind < KFK_LINK_KINDS; kind++) {
            if (n->links->of[kind].broker == b) return &n->links->of[kind];
        }
    }
    return NULL;
}

void kfk_links_changed(void *owner, kfk_broker *b, const kfk_error *err)
{
    kfk_cluster *c = owner;
    kfk_link *l = link_with(c, b);
    if (!l) return;
    if (!err) {
        l->failures = 0;
        return;
    }
    l->failure = *err;
    l->failures++;
    l->retry_at_ms = kfk_time_add(kfk_loop_now_ms(c->loop), kfk_backoff_ms(c->loop, l->failures, KFK_BACKOFF_LAST_MS));
    bool works = l->node && l != &l->node->links->of[KFK_LINK_CONTROL];
    kfk_link_close_loop(l);
    if (works) kfk_cluster_refresh_loop(c); /* who led through it may not lead any more */
}
