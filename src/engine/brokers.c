/* See the header. "Named" is a comparison of two numbers, so that taking over an answer touches only what it names, and
 * an answer for which memory runs out in the middle takes nobody away. */
#include "engine/brokers.h"
#include "base/mem.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void kfk_ignored_note(kfk_ignored *i, const char *fmt, ...)
{
    if (i->count++ > 0) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(i->first, sizeof i->first, fmt, ap);
    va_end(ap);
    kfk_error_clean_cut(i->first, sizeof i->first);
}

static kfk_node *node_of(const kfk_map_node *n)
{
    return KFK_CONTAINER((uintptr_t)n, kfk_node, by_id);
}

static void free_node(kfk_brokers *b, kfk_node *n)
{
    kfk_map_remove(&b->by_id, &n->by_id);
    kfk_mem_free(n->host);
    kfk_mem_free(n->rack);
    kfk_mem_free(n);
}

void kfk_brokers_init(kfk_brokers *b, uint64_t seed)
{
    *b = (kfk_brokers){.answer = 1};
    kfk_map_init(&b->by_id, seed);
}

void kfk_brokers_fini(kfk_brokers *b)
{
    KFK_LIST_EACH (n, &b->by_id.order) {
        free_node(b, node_of(KFK_CONTAINER(n, kfk_map_node, order)));
    }
    kfk_map_fini(&b->by_id);
}

static bool has_id(const kfk_map_node *n, const void *key, size_t len)
{
    return memcmp(&node_of(n)->id, key, len) == 0;
}

kfk_node *kfk_brokers_find(const kfk_brokers *b, int32_t id)
{
    kfk_map_node *n = kfk_map_find(&b->by_id, kfk_map_hash(&b->by_id, &id, sizeof id), has_id, &id, sizeof id);
    return n ? node_of(n) : NULL;
}

bool kfk_brokers_is_named(const kfk_brokers *b, const kfk_node *n)
{
    return n->seen >= b->answer;
}

kfk_node *kfk_brokers_next(const kfk_brokers *b, const kfk_node *after)
{
    const kfk_list *n = after ? &after->by_id.order : &b->by_id.order;
    while ((n = n->next) != &b->by_id.order) {
        kfk_node *node = node_of(KFK_CONTAINER((uintptr_t)n, kfk_map_node, order));
        if (kfk_brokers_is_named(b, node)) return node;
    }
    return NULL;
}

size_t kfk_brokers_count(const kfk_brokers *b)
{
    size_t count = 0;
    for (kfk_node *n = NULL; (n = kfk_brokers_next(b, n)) != NULL;) count++;
    return count;
}

void kfk_node_address(const kfk_node *n, kfk_hostport *out)
{
    memset(out, 0, sizeof *out);
    snprintf(out->host, sizeof out->host, "%s", n->host);
    out->port = n->port;
}

/* ---- taking over ------------------------------------------------------------------------------------------------- */

static bool same_text(const char *text, kafka_bytes b)
{
    return strlen(text) == b.len && memcmp(text, b.data, b.len) == 0;
}

static int set_text(char **text, kafka_bytes b)
{
    char *copy = kfk_mem_strndup(b.data, b.len);
    if (!copy) return KAFKA_ENOMEM;
    kfk_mem_free(*text);
    *text = copy;
    return 0;
}

static int set_address(kfk_brokers *b, kfk_node *n, kafka_bytes host, int32_t port)
{
    if (n->port == port && n->host && same_text(n->host, host)) return 0;
    bool moved = n->host != NULL;
    if (set_text(&n->host, host) != 0) return KAFKA_ENOMEM;
    n->port = (uint16_t)port;
    if (moved && b->moved) b->moved(n);
    return 0;
}

static int set_rack(kfk_node *n, kafka_bytes rack)
{
    if (rack.data && n->rack && same_text(n->rack, rack)) return 0;
    if (rack.data) return set_text(&n->rack, rack);
    kfk_mem_free(n->rack);
    n->rack = NULL;
    return 0;
}

/* An entry that can be; `seen` is set when all of it was taken over. */
static int take_over(kfk_brokers *b, const kfk_metadata_response_broker *e, uint64_t number, bool keep_rack)
{
    kfk_node *n = kfk_brokers_find(b, e->node_id);
    bool is_new = n == NULL;
    if (is_new && b->by_id.count >= 2 * (size_t)KFK_METADATA_MOST_BROKERS) return KAFKA_ETOOBIG;
    if (is_new) {
        if (!(n = kfk_mem_zalloc(sizeof *n))) return KAFKA_ENOMEM;
        n->id = e->node_id;
        if (kfk_map_add(&b->by_id, &n->by_id, kfk_map_hash(&b->by_id, &n->id, sizeof n->id)) != 0) {
            kfk_mem_free(n);
            return KAFKA_ENOMEM;
        }
    }
    if (set_address(b, n, e->host, e->port) != 0 || (!(keep_rack && !e->rack.data) && set_rack(n, e->rack) != 0)) {
        if (is_new) free_node(b, n);
        return KAFKA_ENOMEM;
    }
    if (number > n->seen) n->seen = number;
    return 0;
}

int kfk_brokers_apply(kfk_brokers *b, const kfk_metadata_response *answer, uint64_t number, kfk_ignored *ignored,
                      kfk_error *err)
{
    int32_t count = kfk_metadata_broker_count(answer), good = 0;
    if (count < answer->brokers.count)
        kfk_ignored_note(ignored, "%d brokers, %d are the most that are looked at", (int)answer->brokers.count,
                         (int)count);
    for (int32_t i = 0; i < count; i++) {
        const kfk_metadata_response_broker *e = &answer->brokers.items[i];
        const kfk_node *known = kfk_brokers_find(b, e->node_id);
        if (!kfk_metadata_broker_is_sane(e)) {
            kfk_ignored_note(ignored, "broker %d at \"%.*s\" port %d", (int)e->node_id,
                             e->host.len > 60 ? 60 : (int)e->host.len, (const char *)e->host.data, (int)e->port);
            continue;
        }
        if (known && known->seen == number) {
            kfk_ignored_note(ignored, "broker %d is named twice", (int)e->node_id);
            continue;
        }
        int code = take_over(b, e, number, false);
        if (code != 0) return kfk_error_set(err, code, "no memory for a broker");
        good++;
    }
    if (good == 0) return kfk_error_set(err, KAFKA_EPROTO, "the metadata names no broker");
    b->answer = number;
    return 0;
}

int kfk_brokers_learn(kfk_brokers *b, int32_t id, kafka_bytes host, int32_t port, kafka_bytes rack)
{
    kfk_metadata_response_broker e = {.node_id = id, .host = host, .port = port, .rack = rack};
    return kfk_metadata_broker_is_sane(&e) ? take_over(b, &e, b->answer, true) : KAFKA_EINVAL;
}

void kfk_brokers_sweep(kfk_brokers *b)
{
    KFK_LIST_EACH (l, &b->by_id.order) {
        kfk_node *n = node_of(KFK_CONTAINER(l, kfk_map_node, order));
        if (!kfk_brokers_is_named(b, n) && !n->links) free_node(b, n);
    }
}

void kfk_brokers_forget(kfk_brokers *b)
{
    KFK_LIST_EACH (l, &b->by_id.order) {
        node_of(KFK_CONTAINER(l, kfk_map_node, order))->seen = 0;
    }
    kfk_brokers_sweep(b);
}
