/* The network of the simulation: routes, connecting, and what arrives at either end of a link.
 *
 * A link has two pipes (pipe.c) and two ends: the library's stream (stream.c) and the server's, below. */
#include "sim/network.h"
#include "sim/network_impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LATENCY_US = 200, DEFAULT_WINDOW = 64 * 1024, FIRST_FD = 100000, CONNECT_AGAIN_US = 1000000 };

/* ---- routes ------------------------------------------------------------------------------------------------------ */

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

/* ---- arrival ----------------------------------------------------------------------------------------------------- */

static void tell_server(sim_link *k)
{
    if (k->accepted && !k->server_closed && k->config.server->received) k->config.server->received(k->config.arg, k);
}

/* At an end that is a stream, or was. */
static void arrives_at_stream(sim_pipe *p, sim_stream *end, const chunk *c)
{
    sim_link *k = p->link;
    bool up = p == &k->up, anybody = end || (!up && k->unclaimed);
    sim_pipe *back = up ? &k->down : &k->up;
    switch (c->kind) {
    case CHUNK_BYTES:
        sim_pipe_store(p, c);
        if (!anybody) sim_pipe_reset(back);
        sim_stream_readable(end);
        break;
    case CHUNK_TAKEN:
        back->outstanding -= c->len;
        sim_stream_writable(end);
        break;
    case CHUNK_END:
        p->in_ended = true;
        sim_stream_readable(end);
        break;
    case CHUNK_RESET:
        p->in_reset = true;
        sim_stream_edge(end, KFK_STREAM_READABLE | KFK_STREAM_WRITABLE);
        break;
    }
}

static void arrives_at_server(sim_link *k, const chunk *c)
{
    switch (c->kind) {
    case CHUNK_BYTES:
        if (k->server_closed) {
            sim_pipe_reset(&k->down);
            return;
        }
        sim_pipe_store(&k->up, c);
        break;
    case CHUNK_TAKEN: return;
    case CHUNK_END: k->up.in_ended = true; break;
    case CHUNK_RESET: k->up.in_reset = true; break;
    }
    tell_server(k);
}

void sim_link_arrived(sim_pipe *p, const chunk *c)
{
    sim_link *k = p->link;
    if (p == &k->down)
        arrives_at_stream(p, k->client, c);
    else if (k->paired)
        arrives_at_stream(p, k->server, c);
    else
        arrives_at_server(k, c);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

/* Both directions are needed. The first packet is sent again, after twice the time each. */
static bool is_lost(sim *s, sim_link *k)
{
    if (!k->route->held_up && !k->route->held_down) return false;
    sim_event_set(s, &k->connect, s->now_us + k->connect_again_us);
    k->connect_again_us *= 2;
    return true;
}

static void connect_done(sim *s, sim_event *e)
{
    sim_link *k = KFK_CONTAINER(e, sim_link, connect);
    if (is_lost(s, k)) return;
    sim_listener *listener = k->config.server ? NULL : k->route->listener;
    bool answers = k->config.reach == SIM_ANSWERS && (k->config.server || listener);
    k->state = answers ? LINK_OPEN : LINK_REFUSED;
    sim_trace(s, "#%d %s", k->number, answers ? "is connected" : "is refused");
    sim_stream_edge(k->client, KFK_STREAM_WRITABLE);
    if (!answers) return;
    if (listener) {
        k->paired = true;
        sim_listener_takes(listener, k);
        return;
    }
    k->accepted = true;
    if (k->config.server->accepted) k->config.server->accepted(k->config.arg, k);
}

static sim_link *link_new(sim *s, sim_route *route)
{
    sim_link *k = sim_alloc(sizeof *k);
    k->sim = s;
    k->number = ++s->network->link_count;
    k->config = *route;
    k->route = route;
    k->connect_again_us = CONNECT_AGAIN_US;
    sim_event_init(&k->connect, connect_done);
    sim_pipe_init(&k->up, k, "up", route->cut_up);
    sim_pipe_init(&k->down, k, "down", route->cut_down);
    k->down.last_at_us =
        sim_pipe_arrival(&k->up, 0) + route->latency_us; /* when the answer to the first packet comes */
    kfk_list_push_back(&s->network->links, &k->node);
    return k;
}

int sim_network_connect(kfk_loop *l, const kfk_address *to, const kfk_connect_options *options, kfk_stream **out,
                        kfk_error *err)
{
    (void)options;
    sim *s = KFK_CONTAINER(l, sim, loop);
    char address[KFK_ADDRESS_TEXT];
    kfk_address_format(to, address, sizeof address);
    sim_stream *c = sim_stream_new();
    if (!c) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a socket");
    sim_route *route = sim_net_route(s, address);
    sim_link *k = link_new(s, route);
    sim_stream_attach(c, k, &k->down);
    route->connects++;
    sim_trace(s, "#%d connects to %s", k->number, address);
    if (route->reach != SIM_BLACKHOLE) sim_event_set(s, &k->connect, k->down.last_at_us);
    *out = &c->stream;
    return 0;
}

/* ---- adopting ---------------------------------------------------------------------------------------------------- */

int sim_net_socket(sim *s, const char *address)
{
    sim_link *k = link_new(s, sim_net_route(s, address));
    k->unclaimed = true;
    k->state = LINK_OPEN;
    k->accepted = true;
    kfk_thread *caller = s->thread;
    s->thread = &s->outside;
    if (k->config.server->accepted) k->config.server->accepted(k->config.arg, k);
    s->thread = caller;
    return FIRST_FD + k->number;
}

int sim_network_adopt(kfk_loop *l, int fd, kfk_stream **out, kfk_error *err)
{
    sim *s = KFK_CONTAINER(l, sim, loop);
    KFK_LIST_EACH (node, &s->network->links) {
        sim_link *k = KFK_CONTAINER(node, sim_link, node);
        if (!k->unclaimed || fd != FIRST_FD + k->number) continue;
        sim_stream *c = sim_stream_new();
        if (!c) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a socket");
        c->unheard = true;
        k->unclaimed = false;
        sim_stream_attach(c, k, &k->down);
        sim_trace(s, "#%d is adopted", k->number);
        *out = &c->stream;
        return 0;
    }
    return kfk_error_set(err, KAFKA_EINVAL, "descriptor %d cannot be adopted: Bad file descriptor", fd);
}

bool sim_net_owns_socket(sim *s, int fd)
{
    KFK_LIST_EACH (node, &s->network->links) {
        sim_link *k = KFK_CONTAINER(node, sim_link, node);
        if (fd == FIRST_FD + k->number) return !k->unclaimed;
    }
    return false;
}

/* ---- the server's end -------------------------------------------------------------------------------------------- */

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
    sim_pipe_drop(&k->up, len);
    sim_pipe_taken(&k->down, len);
}

void sim_link_send(sim_link *k, const void *data, size_t len)
{
    if (!k->server_closed) sim_pipe_send(&k->down, data, len);
}

void sim_link_finish(sim_link *k)
{
    sim_pipe_end(&k->down);
}

void sim_link_close(sim_link *k)
{
    sim_pipe_end(&k->down);
    k->server_closed = true;
}

void sim_link_reset(sim_link *k)
{
    sim_pipe_reset(&k->down);
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
    return s->network->streams + s->network->server_streams;
}

/* ---- what befalls an address ------------------------------------------------------------------------------------- */

static const char *direction_names(unsigned directions)
{
    static const char *const names[] = {"nowhere", "up", "down", "both ways"};
    return names[directions & (SIM_UP | SIM_DOWN)];
}

void sim_net_hold(sim *s, const char *address, unsigned directions)
{
    sim_route *r = sim_net_route(s, address);
    sim_trace(s, "%s is cut off: %s", address, direction_names(directions));
    r->held_up = directions & SIM_UP;
    r->held_down = directions & SIM_DOWN;
    KFK_LIST_EACH (node, &s->network->links) {
        sim_link *k = KFK_CONTAINER(node, sim_link, node);
        if (k->route != r) continue;
        sim_pipe_go_on(&k->up);
        sim_pipe_go_on(&k->down);
    }
}

void sim_net_freeze(sim *s, const char *address, unsigned directions)
{
    sim_route *r = sim_net_route(s, address);
    sim_trace(s, "who reads from %s stands still: %s", address, direction_names(directions));
    bool server_goes_on = r->frozen_up && !(directions & SIM_UP);
    bool client_goes_on = r->frozen_down && !(directions & SIM_DOWN);
    r->frozen_up = directions & SIM_UP;
    r->frozen_down = directions & SIM_DOWN;
    KFK_LIST_EACH (node, &s->network->links) {
        sim_link *k = KFK_CONTAINER(node, sim_link, node);
        if (k->route != r) continue;
        if (server_goes_on) sim_stream_thaw(k->server);
        if (client_goes_on) sim_stream_thaw(k->client);
    }
    if (server_goes_on && r->listener) sim_listener_thaw(r->listener);
}

void sim_net_delay_open(sim *s, const char *address, unsigned directions, int64_t ms)
{
    sim_route *r = sim_net_route(s, address);
    sim_trace(s, "open connections to %s are late by %lld ms: %s", address, (long long)ms, direction_names(directions));
    KFK_LIST_EACH (node, &s->network->links) {
        sim_link *k = KFK_CONTAINER(node, sim_link, node);
        if (k->route != r || k->state != LINK_OPEN) continue;
        if (directions & SIM_UP) k->up.not_before_us = s->now_us + ms * 1000;
        if (directions & SIM_DOWN) k->down.not_before_us = s->now_us + ms * 1000;
    }
}

int sim_net_reset(sim *s, const char *address)
{
    sim_route *r = sim_net_route(s, address);
    int count = 0;
    KFK_LIST_EACH (node, &s->network->links) {
        sim_link *k = KFK_CONTAINER(node, sim_link, node);
        if (k->route != r || k->state != LINK_OPEN || (!k->client && !k->server)) continue;
        sim_pipe_reset(&k->up);
        sim_pipe_reset(&k->down);
        count++;
    }
    sim_trace(s, "%d connections to %s are reset", count, address);
    return count;
}

void sim_net_vanish(sim *s, const char *address)
{
    sim_route *r = sim_net_route(s, address);
    r->reach = SIM_BLACKHOLE;
    KFK_LIST_EACH (node, &s->network->links) {
        sim_link *k = KFK_CONTAINER(node, sim_link, node);
        if (k->route == r && k->state == LINK_OPEN) sim_link_silence(k);
    }
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

void sim_network_free(sim *s)
{
    sim_network *n = s->network;
    for (kfk_list *node; (node = kfk_list_first(&n->links)) != NULL;) {
        sim_link *k = KFK_CONTAINER(node, sim_link, node);
        if (k->accepted && k->config.server->gone) k->config.server->gone(k->config.arg, k);
        kfk_list_remove(node);
        sim_event_clear(s, &k->connect);
        sim_pipe_fini(&k->up);
        sim_pipe_fini(&k->down);
        free(k);
    }
    for (size_t i = 0; i < n->route_count; i++) free(n->routes[i]);
    free(n);
}
