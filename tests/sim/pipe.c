/* One direction of a connection: a queue of chunks on their way, in order of arrival; one event stands at its head.
 *
 * A chunk is bytes, the end of the stream, a reset, or the receiver's word that it has taken bytes (which makes room in
 * the sender's window and travels like all others). Cuts happen at the sender's side: it counts bytes. */
#include "sim/network_impl.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_PIECES = 4, RESEND_US = 200000 };

/* ---- sending ----------------------------------------------------------------------------------------------------- */

int64_t sim_pipe_arrival(sim_pipe *p, size_t bytes)
{
    sim *s = p->link->sim;
    const sim_route *r = &p->link->config;
    int64_t leaves = s->now_us > p->free_at_us ? s->now_us : p->free_at_us;
    if (r->bytes_per_s > 0) leaves += (int64_t)bytes * 1000000 / r->bytes_per_s;
    p->free_at_us = leaves;
    int64_t at = leaves + r->latency_us;
    if (r->jitter_us > 0) at += (int64_t)sim_below(s, (uint64_t)r->jitter_us);
    if (at < p->last_at_us) at = p->last_at_us;
    p->last_at_us = at;
    return at;
}

static bool is_up(const sim_pipe *p)
{
    return p == &p->link->up;
}

/* Damage that TCP's checksum did not find. */
static void flip_bits(const sim_pipe *p, chunk *c)
{
    sim *s = p->link->sim;
    int64_t every = is_up(p) ? p->link->route->flip_up : p->link->route->flip_down;
    if (every <= 0 || sim_below(s, (uint64_t)every) >= c->len) return;
    size_t at = sim_below(s, c->len);
    c->data[at] ^= (uint8_t)(1U << sim_below(s, 8));
    sim_trace(s, "#%d %s: a bit of byte %zu is wrong", p->link->number, p->name, at);
    sim_sometimes(s, "a bit was flipped");
}

static void put(sim_pipe *p, chunk_kind kind, const void *data, size_t len)
{
    if (p->lost) return;
    chunk *c = sim_alloc(sizeof *c + (kind == CHUNK_BYTES ? len : 0));
    c->kind = kind;
    c->len = len;
    if (kind == CHUNK_BYTES) memcpy(c->data, data, len);
    c->at_us = sim_pipe_arrival(p, kind == CHUNK_BYTES ? len : 0);
    if (kind == CHUNK_BYTES) flip_bits(p, c);
    *p->last = c;
    p->last = &c->next;
    if (p->first == c) sim_event_set(p->link->sim, &p->event, c->at_us);
}

/* Cuts bytes into pieces, which may arrive one by one. */
static void cut_up_and_put(sim_pipe *p, const uint8_t *data, size_t len)
{
    for (int pieces = 1; pieces < MOST_PIECES && len > 1 && sim_chance(p->link->sim, 4); pieces++) {
        size_t n = 1 + sim_below(p->link->sim, len - 1);
        put(p, CHUNK_BYTES, data, n);
        data += n;
        len -= n;
    }
    if (len > 0) put(p, CHUNK_BYTES, data, len);
}

void sim_pipe_taken(sim_pipe *p, size_t len)
{
    put(p, CHUNK_TAKEN, NULL, len);
}

void sim_pipe_end(sim_pipe *p)
{
    if (p->ended) return;
    p->ended = true;
    put(p, CHUNK_END, NULL, 0);
}

void sim_pipe_reset(sim_pipe *p)
{
    p->ended = true;
    put(p, CHUNK_RESET, NULL, 0);
    p->lost = true;
}

static sim_pipe *other(sim_pipe *p)
{
    return is_up(p) ? &p->link->down : &p->link->up;
}

static void cut(sim_pipe *p)
{
    sim_trace(p->link->sim, "#%d is cut %s after %lld bytes", p->link->number, p->name, (long long)p->cut_after);
    if (p->link->config.cut == SIM_CUT_CLOSE) sim_pipe_end(p);
    if (p->link->config.cut == SIM_CUT_RESET) {
        sim_pipe_reset(p);
        sim_pipe_reset(other(p));
    }
    p->lost = true;
}

void sim_pipe_send(sim_pipe *p, const uint8_t *data, size_t len)
{
    sim_trace(p->link->sim, "#%d sends %zu bytes %s", p->link->number, len, p->name);
    if (p->lost || p->ended) return;
    bool cuts = p->cut_after >= 0 && p->sent + (int64_t)len >= p->cut_after;
    if (cuts) len = (size_t)(p->cut_after - p->sent);
    p->sent += (int64_t)len;
    cut_up_and_put(p, data, len);
    if (cuts) cut(p);
}

/* ---- arrival ----------------------------------------------------------------------------------------------------- */

void sim_pipe_store(sim_pipe *p, const chunk *c)
{
    if (p->in_len + c->len > p->in_cap) {
        p->in_cap = (p->in_len + c->len) * 2;
        p->in = realloc(p->in, p->in_cap);
        if (!p->in) exit(2);
    }
    memcpy(p->in + p->in_len, c->data, c->len);
    p->in_len += c->len;
    p->delivered += (int64_t)c->len;
}

void sim_pipe_drop(sim_pipe *p, size_t len)
{
    p->in_len -= len;
    memmove(p->in, p->in + len, p->in_len);
}

static const char *kind_name(chunk_kind kind)
{
    static const char *const names[] = {"bytes", "taken", "end", "reset"};
    return names[kind];
}

static bool is_held(const sim_pipe *p)
{
    return is_up(p) ? p->link->route->held_up : p->link->route->held_down;
}

void sim_pipe_go_on(sim_pipe *p)
{
    sim *s = p->link->sim;
    if (!p->first || is_held(p) || sim_event_is_set(&p->event)) return;
    sim_event_set(s, &p->event, s->now_us + (s->cfg.calm ? RESEND_US : (int64_t)sim_below(s, RESEND_US)));
}

static void pipe_arrives(sim *s, sim_event *e)
{
    sim_pipe *p = KFK_CONTAINER(e, sim_pipe, event);
    if (is_held(p)) return; /* it is sent again later */
    if (s->now_us < p->not_before_us) {
        sim_event_set(s, &p->event, p->not_before_us);
        return;
    }
    chunk *c = p->first;
    p->first = c->next;
    if (p->first)
        sim_event_set(s, &p->event, p->first->at_us);
    else
        p->last = &p->first;
    sim_trace(s, "#%d %s: %zu %s arrive", p->link->number, p->name, c->len, kind_name(c->kind));
    sim_link_arrived(p, c);
    free(c);
}

void sim_pipe_init(sim_pipe *p, sim_link *k, const char *name, int64_t cut_after)
{
    p->link = k;
    p->name = name;
    p->last = &p->first;
    p->cut_after = cut_after;
    sim_event_init(&p->event, pipe_arrives);
}

void sim_pipe_fini(sim_pipe *p)
{
    sim_event_clear(p->link->sim, &p->event);
    for (chunk *c = p->first, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(p->in);
}
