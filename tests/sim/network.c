/* The network of the simulation.
 *
 * A link has two pipes. A pipe is a queue of chunks on their way, in order of arrival; one event stands at its head. A
 * chunk is bytes, the end of the stream, a reset, or the receiver's word that it has taken bytes (which makes room in the
 * sender's window and travels like all others). Cuts happen at the sender's side of a pipe: it counts bytes.
 *
 * Edges are what net/stream.h promises and no more: after KAFKA_EAGAIN or a short read the stream owes an edge for whatever
 * arrives next; without that it owes none, and gives one only at times. A partial read leaves the rest to arrive a moment
 * later, as if it had been another segment; a partial write may be followed by KAFKA_EAGAIN and an edge although there is
 * room. Where a real poller tells more than it must, so does this one, by seed: the other direction's readiness along with
 * an edge, and edges for nothing. Errors are always told. */
#include "sim/network.h"
#include "base/mem.h"
#include "sim/sim_impl.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LATENCY_US = 200, DEFAULT_WINDOW = 64 * 1024, FIRST_PORT = 40000, MOST_ROUTES = 64, MOST_PIECES = 4 };

typedef enum chunk_kind { CHUNK_BYTES, CHUNK_TAKEN, CHUNK_END, CHUNK_RESET } chunk_kind;

typedef struct chunk {
    struct chunk *next;
    chunk_kind kind;
    int64_t at_us;
    size_t len; /* of the data, or bytes taken */
    uint8_t data[];
} chunk;

typedef struct pipe {
    sim_link *link;
    const char *name;
    chunk *first, **last;
    sim_event event;
    int64_t free_at_us, last_at_us; /* the wire is busy until; the last chunk arrives at */
    int64_t cut_after, sent, delivered;
    bool ended, lost; /* the sender has put its end; all that follows is lost */
    /* at the receiver */
    uint8_t *in;
    size_t in_len, in_cap;
    bool in_ended, in_reset;
} pipe;

typedef enum link_state { LINK_CONNECTING, LINK_REFUSED, LINK_OPEN } link_state;

/* The library's end. Its memory is the library's, so that a stream that is never closed shows as a leak. */
typedef struct client {
    kfk_stream stream;
    sim_link *link;
    sim_report edge;
    unsigned pending; /* events of the edge that waits to be reported */
    bool read_armed, write_armed, stalled;
    sim_event stall;
} client;

struct sim_link {
    kfk_list node;
    sim *sim;
    int number;
    sim_route config; /* as it was when the connection was opened */
    link_state state;
    client *client; /* NULL once closed */
    sim_event connect;
    pipe up, down;
    size_t outstanding; /* bytes sent up that the server has not taken yet, as the client knows */
    bool server_closed, accepted;
    void *owner;
};

struct sim_network {
    sim_route *routes[MOST_ROUTES];
    size_t route_count;
    kfk_list links;
    int link_count, streams;
};

/* ---- routes -------------------------------------------------------------------------------------------------------- */

void sim_network_new(sim *s)
{
    s->network = sim_alloc(sizeof *s->network);
    kfk_list_init(&s->network->links);
}

sim_route *sim_net_route(sim *s, const char *address)
{
    sim_network *n = s->network;
    for (size_t i = 0; i < n->route_count; i++) {
        if (strcmp(n->routes[i]->address, address) == 0) return n->routes[i];
    }
    if (n->route_count == MOST_ROUTES) {
        fprintf(stderr, "simulation: more than %d addresses\n", (int)MOST_ROUTES);
        exit(2);
    }
    sim_route *r = sim_alloc(sizeof *r);
    snprintf(r->address, sizeof r->address, "%s", address);
    r->latency_us = DEFAULT_LATENCY_US;
    r->window = DEFAULT_WINDOW;
    r->cut_up = r->cut_down = -1;
    return n->routes[n->route_count++] = r;
}

sim_route *sim_net_listen(sim *s, const char *address, const sim_server *server, void *arg)
{
    sim_route *r = sim_net_route(s, address);
    r->server = server;
    r->arg = arg;
    return r;
}

/* ---- pipes: sending ---------------------------------------------------------------------------------------------------- */

static int64_t arrival(pipe *p, size_t bytes)
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

static void put(pipe *p, chunk_kind kind, const void *data, size_t len)
{
    if (p->lost) return;
    chunk *c = sim_alloc(sizeof *c + (kind == CHUNK_BYTES ? len : 0));
    c->kind = kind;
    c->len = len;
    if (kind == CHUNK_BYTES) memcpy(c->data, data, len);
    c->at_us = arrival(p, kind == CHUNK_BYTES ? len : 0);
    *p->last = c;
    p->last = &c->next;
    if (p->first == c) sim_event_set(p->link->sim, &p->event, c->at_us);
}

/* Cuts bytes into pieces, which may arrive one by one. */
static void put_bytes(pipe *p, const uint8_t *data, size_t len)
{
    for (int pieces = 1; pieces < MOST_PIECES && len > 1 && sim_chance(p->link->sim, 4); pieces++) {
        size_t n = 1 + sim_below(p->link->sim, len - 1);
        put(p, CHUNK_BYTES, data, n);
        data += n;
        len -= n;
    }
    if (len > 0) put(p, CHUNK_BYTES, data, len);
}

static void put_end(pipe *p)
{
    if (p->ended) return;
    p->ended = true;
    put(p, CHUNK_END, NULL, 0);
}

static void put_reset(pipe *p)
{
    p->ended = true;
    put(p, CHUNK_RESET, NULL, 0);
    p->lost = true;
}

static pipe *other(pipe *p)
{
    return p == &p->link->up ? &p->link->down : &p->link->up;
}

static void cut(pipe *p)
{
    sim_trace(p->link->sim, "#%d is cut %s after %lld bytes", p->link->number, p->name, (long long)p->cut_after);
    if (p->link->config.cut == SIM_CUT_CLOSE) put_end(p);
    if (p->link->config.cut == SIM_CUT_RESET) {
        put_reset(p);
        put_reset(other(p));
    }
    p->lost = true;
}

static void pipe_send(pipe *p, const uint8_t *data, size_t len)
{
    sim_trace(p->link->sim, "#%d sends %zu bytes %s", p->link->number, len, p->name);
    if (p->lost || p->ended) return;
    bool cuts = p->cut_after >= 0 && p->sent + (int64_t)len >= p->cut_after;
    if (cuts) len = (size_t)(p->cut_after - p->sent);
    p->sent += (int64_t)len;
    put_bytes(p, data, len);
    if (cuts) cut(p);
}

/* ---- edges --------------------------------------------------------------------------------------------------------- */

static client *end_of(kfk_stream *stream)
{
    return KFK_CONTAINER(stream, client, stream);
}

static size_t room(const client *c)
{
    const sim_link *k = c->link;
    if (k->state != LINK_OPEN || c->stalled) return 0;
    return k->config.window > k->outstanding ? k->config.window - k->outstanding : 0;
}

static void edge(client *c, unsigned events)
{
    if (!c) return;
    c->pending |= events;
    sim_report_add(c->link->sim, &c->edge);
}

static void edge_report(sim *s, sim_report *r)
{
    client *c = KFK_CONTAINER(r, client, edge);
    unsigned events = c->pending;
    if (room(c) > 0 && sim_chance(s, 2)) events |= KFK_STREAM_WRITABLE;
    if (c->link->down.in_len > 0 && sim_chance(s, 2)) events |= KFK_STREAM_READABLE;
    c->pending = 0;
    sim_trace(s, "loop: #%d is%s%s", c->link->number, events & KFK_STREAM_READABLE ? " readable" : "",
              events & KFK_STREAM_WRITABLE ? " writable" : "");
    if (c->stream.ready) c->stream.ready(c->stream.owner, events);
}

static void readable(client *c)
{
    if (!c || (!c->read_armed && !sim_chance(c->link->sim, 2))) return;
    c->read_armed = false;
    edge(c, KFK_STREAM_READABLE);
}

/* As a kernel does, it waits for a third of the window before it calls for more. */
static void writable(client *c)
{
    if (!c || !c->write_armed || room(c) * 3 < c->link->config.window) return;
    c->write_armed = false;
    edge(c, KFK_STREAM_WRITABLE);
}

void sim_network_disturb(sim *s)
{
    if (s->network->streams == 0 || !sim_chance(s, 16)) return;
    uint64_t pick = sim_below(s, (uint64_t)s->network->streams);
    KFK_LIST_EACH (node, &s->network->links) {
        client *c = KFK_CONTAINER(node, sim_link, node)->client;
        if (c && pick-- == 0) edge(c, 1 + (unsigned)sim_below(s, 3));
    }
}

/* ---- pipes: arrival ---------------------------------------------------------------------------------------------------- */

static void store(pipe *p, const chunk *c)
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

static void drop_in(pipe *p, size_t len)
{
    p->in_len -= len;
    memmove(p->in, p->in + len, p->in_len);
}

static void tell_server(sim_link *k)
{
    if (k->accepted && !k->server_closed && k->config.server->received) k->config.server->received(k->config.arg, k);
}

static void arrives_at_server(sim_link *k, const chunk *c)
{
    switch (c->kind) {
    case CHUNK_BYTES:
        if (k->server_closed) {
            put_reset(&k->down);
            return;
        }
        store(&k->up, c);
        break;
    case CHUNK_TAKEN: return;
    case CHUNK_END: k->up.in_ended = true; break;
    case CHUNK_RESET: k->up.in_reset = true; break;
    }
    tell_server(k);
}

static void arrives_at_client(sim_link *k, const chunk *c)
{
    switch (c->kind) {
    case CHUNK_BYTES:
        store(&k->down, c);
        if (!k->client) put_reset(&k->up); /* nobody is there any more */
        readable(k->client);
        break;
    case CHUNK_TAKEN:
        k->outstanding -= c->len;
        writable(k->client);
        break;
    case CHUNK_END:
        k->down.in_ended = true;
        readable(k->client);
        break;
    case CHUNK_RESET:
        k->down.in_reset = true;
        edge(k->client, KFK_STREAM_READABLE | KFK_STREAM_WRITABLE);
        break;
    }
}

static const char *kind_name(chunk_kind kind)
{
    static const char *const names[] = {"bytes", "taken", "end", "reset"};
    return names[kind];
}

static void pipe_arrives(sim *s, sim_event *e)
{
    pipe *p = KFK_CONTAINER(e, pipe, event);
    chunk *c = p->first;
    p->first = c->next;
    if (p->first)
        sim_event_set(s, &p->event, p->first->at_us);
    else
        p->last = &p->first;
    sim_trace(s, "#%d %s: %zu %s arrive", p->link->number, p->name, c->len, kind_name(c->kind));
    if (p == &p->link->up)
        arrives_at_server(p->link, c);
    else
        arrives_at_client(p->link, c);
    free(c);
}

static void pipe_init(pipe *p, sim_link *k, const char *name, int64_t cut_after)
{
    p->link = k;
    p->name = name;
    p->last = &p->first;
    p->cut_after = cut_after;
    sim_event_init(&p->event, pipe_arrives);
}

static void pipe_fini(pipe *p)
{
    sim_event_clear(p->link->sim, &p->event);
    for (chunk *c = p->first, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(p->in);
}

/* ---- the library's end ------------------------------------------------------------------------------------------------- */

static int system_error(kfk_error *err, const char *what, int number)
{
    return kfk_error_set(err, KAFKA_EIO, "%s: %s", what, strerror(number));
}

static int client_connected(kfk_stream *stream, kfk_error *err)
{
    const sim_link *k = end_of(stream)->link;
    if (k->state == LINK_CONNECTING) return KAFKA_EAGAIN;
    return k->state == LINK_OPEN ? 0 : system_error(err, "connect", ECONNREFUSED);
}

static int client_read(kfk_stream *stream, void *buf, size_t cap, size_t *got, kfk_error *err)
{
    client *c = end_of(stream);
    pipe *p = &c->link->down;
    sim *s = c->link->sim;
    if (p->in_len == 0) {
        if (p->in_reset) return system_error(err, "read", ECONNRESET);
        if (p->in_ended) return KAFKA_EOF;
        c->read_armed = true;
        return KAFKA_EAGAIN;
    }
    size_t n = p->in_len < cap ? p->in_len : cap;
    if (n > 1 && sim_chance(s, 4)) n = 1 + sim_below(s, n - 1);
    memcpy(buf, p->in, n);
    drop_in(p, n);
    *got = n;
    c->read_armed = n < cap;
    if (c->read_armed && (p->in_len > 0 || p->in_ended || p->in_reset)) readable(c);
    sim_trace(s, "#%d reads %zu of %zu", c->link->number, n, cap);
    return 0;
}

static size_t gather(const struct iovec *iov, int count, size_t most, uint8_t **out)
{
    size_t n = 0;
    for (int i = 0; i < count; i++) n += iov[i].iov_len;
    if (n > most) n = most;
    uint8_t *p = *out = sim_alloc(n + 1);
    for (int i = 0; i < count && n > (size_t)(p - *out); i++) {
        size_t part = iov[i].iov_len, left = n - (size_t)(p - *out);
        if (part > left) part = left;
        if (part > 0) memcpy(p, iov[i].iov_base, part);
        p += part;
    }
    return n;
}

static void stall_over(sim *s, sim_event *e)
{
    (void)s;
    client *c = KFK_CONTAINER(e, client, stall);
    c->stalled = false;
    if (!c->write_armed || room(c) == 0) return;
    c->write_armed = false;
    edge(c, KFK_STREAM_WRITABLE);
}

static int client_write(kfk_stream *stream, const struct iovec *iov, int count, size_t *sent, kfk_error *err)
{
    client *c = end_of(stream);
    sim_link *k = c->link;
    sim *s = k->sim;
    if (k->down.in_reset) return system_error(err, "write", EPIPE);
    size_t most = room(c);
    if (most == 0) {
        c->write_armed = true;
        return KAFKA_EAGAIN;
    }
    uint8_t *bytes;
    size_t n = gather(iov, count, most, &bytes);
    if (n > 1 && sim_chance(s, 8)) {
        n = 1 + sim_below(s, n - 1);
        c->stalled = sim_chance(s, 2);
        if (c->stalled) sim_event_set(s, &c->stall, s->now_us);
    }
    k->outstanding += n;
    pipe_send(&k->up, bytes, n);
    free(bytes);
    *sent = n;
    return 0;
}

static int give_address(const kfk_address *a, struct sockaddr *addr, socklen_t *len)
{
    memcpy(addr, &a->addr, *len < a->len ? *len : a->len);
    *len = a->len;
    return 0;
}

static int client_peer_addr(kfk_stream *stream, struct sockaddr *addr, socklen_t *len)
{
    kfk_hostport to;
    kfk_address a;
    const char *text = end_of(stream)->link->config.address;
    if (kfk_hostport_parse(text, strlen(text), &to, NULL) != 0 || !kfk_address_numeric(to.host, to.port, &a))
        return KAFKA_EIO;
    return give_address(&a, addr, len);
}

static int client_local_addr(kfk_stream *stream, struct sockaddr *addr, socklen_t *len)
{
    kfk_address a;
    if (!kfk_address_numeric("10.255.0.1", (uint16_t)(FIRST_PORT + end_of(stream)->link->number), &a)) return KAFKA_EIO;
    return give_address(&a, addr, len);
}

/* As a kernel: what was not read makes it a reset. */
static void client_close(kfk_stream *stream)
{
    client *c = end_of(stream);
    sim_link *k = c->link;
    sim_trace(k->sim, "#%d closes", k->number);
    k->client = NULL;
    k->sim->network->streams--;
    sim_event_clear(k->sim, &k->connect);
    sim_event_clear(k->sim, &c->stall);
    sim_report_remove(&c->edge);
    kfk_mem_free(c);
    if (k->state != LINK_OPEN) return;
    if (k->down.in_len > 0)
        put_reset(&k->up);
    else
        put_end(&k->up);
}

static const kfk_stream_ops client_ops = {
    .connected = client_connected,
    .read = client_read,
    .write = client_write,
    .local_addr = client_local_addr,
    .peer_addr = client_peer_addr,
    .close = client_close,
};

/* ---- connecting ---------------------------------------------------------------------------------------------------- */

static void connect_done(sim *s, sim_event *e)
{
    sim_link *k = KFK_CONTAINER(e, sim_link, connect);
    bool answers = k->config.reach == SIM_ANSWERS && k->config.server;
    k->state = answers ? LINK_OPEN : LINK_REFUSED;
    sim_trace(s, "#%d %s", k->number, answers ? "is connected" : "is refused");
    edge(k->client, KFK_STREAM_WRITABLE);
    if (!answers) return;
    k->accepted = true;
    if (k->config.server->accepted) k->config.server->accepted(k->config.arg, k);
}

static sim_link *link_new(sim *s, sim_route *route)
{
    sim_link *k = sim_alloc(sizeof *k);
    k->sim = s;
    k->number = ++s->network->link_count;
    k->config = *route;
    sim_event_init(&k->connect, connect_done);
    pipe_init(&k->up, k, "up", route->cut_up);
    pipe_init(&k->down, k, "down", route->cut_down);
    k->down.last_at_us = arrival(&k->up, 0) + route->latency_us; /* when the answer to the first packet comes */
    kfk_list_push_back(&s->network->links, &k->node);
    return k;
}

int sim_network_connect(kfk_loop *l, const kfk_address *to, kfk_stream **out, kfk_error *err)
{
    sim *s = KFK_CONTAINER(l, sim, loop);
    char address[KFK_ADDRESS_TEXT];
    kfk_address_format(to, address, sizeof address);
    client *c = kfk_mem_zalloc(sizeof *c);
    if (!c) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a socket");
    sim_route *route = sim_net_route(s, address);
    sim_link *k = c->link = link_new(s, route);
    k->client = c;
    c->stream.ops = &client_ops;
    c->read_armed = true;
    sim_report_init(&c->edge, edge_report);
    sim_event_init(&c->stall, stall_over);
    route->connects++;
    s->network->streams++;
    sim_trace(s, "#%d connects to %s", k->number, address);
    if (route->reach != SIM_BLACKHOLE) sim_event_set(s, &k->connect, k->down.last_at_us);
    *out = &c->stream;
    return 0;
}

/* ---- the server's end ---------------------------------------------------------------------------------------------------- */

sim_link_state sim_link_state_of(const sim_link *k)
{
    if (k->up.in_reset) return SIM_LINK_RESET;
    return k->up.in_ended ? SIM_LINK_ENDED : SIM_LINK_OPEN;
}

int sim_link_number(const sim_link *k)
{
    return k->number;
}

sim *sim_link_sim(const sim_link *k)
{
    return k->sim;
}

void sim_link_set_owner(sim_link *k, void *owner)
{
    k->owner = owner;
}

void *sim_link_owner(const sim_link *k)
{
    return k->owner;
}

const uint8_t *sim_link_data(const sim_link *k, size_t *len)
{
    *len = k->up.in_len;
    return k->up.in;
}

void sim_link_consume(sim_link *k, size_t len)
{
    if (len == 0) return;
    drop_in(&k->up, len);
    put(&k->down, CHUNK_TAKEN, NULL, len);
}

void sim_link_send(sim_link *k, const void *data, size_t len)
{
    if (!k->server_closed) pipe_send(&k->down, data, len);
}

void sim_link_finish(sim_link *k)
{
    put_end(&k->down);
}

void sim_link_close(sim_link *k)
{
    put_end(&k->down);
    k->server_closed = true;
}

void sim_link_reset(sim_link *k)
{
    put_reset(&k->down);
    k->server_closed = true;
}

void sim_link_silence(sim_link *k)
{
    sim_trace(k->sim, "#%d falls silent", k->number);
    k->up.lost = k->down.lost = true;
}

void sim_link_cut_up(sim_link *k, int64_t bytes, sim_cut how)
{
    k->config.cut = how;
    k->up.cut_after = k->up.sent + bytes;
}

void sim_link_cut_down(sim_link *k, int64_t bytes, sim_cut how)
{
    k->config.cut = how;
    k->down.cut_after = k->down.sent + bytes;
}

int64_t sim_link_delivered_up(const sim_link *k)
{
    return k->up.delivered;
}

int64_t sim_link_delivered_down(const sim_link *k)
{
    return k->down.delivered;
}

sim_link *sim_net_link(sim *s, size_t index)
{
    KFK_LIST_EACH (node, &s->network->links) {
        if (index-- == 0) return KFK_CONTAINER(node, sim_link, node);
    }
    return NULL;
}

sim_link *sim_net_last_link(sim *s)
{
    kfk_list *links = &s->network->links;
    return kfk_list_empty(links) ? NULL : KFK_CONTAINER(links->prev, sim_link, node);
}

int sim_net_open_streams(const sim *s)
{
    return s->network->streams;
}

int sim_network_streams(const sim *s)
{
    return s->network->streams;
}

/* ---- the end ------------------------------------------------------------------------------------------------------- */

void sim_network_free(sim *s)
{
    sim_network *n = s->network;
    for (kfk_list *node; (node = kfk_list_first(&n->links)) != NULL;) {
        sim_link *k = KFK_CONTAINER(node, sim_link, node);
        if (k->accepted && k->config.server->gone) k->config.server->gone(k->config.arg, k);
        kfk_list_remove(node);
        sim_event_clear(s, &k->connect);
        pipe_fini(&k->up);
        pipe_fini(&k->down);
        free(k);
    }
    for (size_t i = 0; i < n->route_count; i++) free(n->routes[i]);
    free(n);
}
