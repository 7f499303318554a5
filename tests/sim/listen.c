/* Listeners of the simulation's loop (kfk_loop_listen): a cluster inside of the run.
 *
 * A connection that comes in is a stream at once, on this side as well, and stands in the listener's backlog until the
 * loop's next turn; like one that was adopted it has no edges before its owner asks whether it is connected. What
 * stands in the backlog when the listener goes is reset. A route has one listener at a time. */
#include "base/mem.h"
#include "sim/network_impl.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum { FIRST_PORT = 30000 };

struct sim_listener {
    kfk_listener listener;
    sim *sim;
    sim_route *route;
    kfk_list backlog;
    sim_report report;
};

void sim_listener_takes(sim_listener *l, sim_link *k)
{
    sim_stream *c = sim_stream_new();
    if (!c) {
        sim_pipe_reset(&k->down);
        k->server_closed = true;
        return;
    }
    c->unheard = true;
    sim_stream_attach(c, k, &k->up);
    kfk_list_push_back(&l->backlog, &c->backlog);
    sim_report_add(l->sim, &l->report);
}

void sim_listener_thaw(sim_listener *l)
{
    if (!kfk_list_empty(&l->backlog)) sim_report_add(l->sim, &l->report);
}

static void listener_report(sim *s, sim_report *r)
{
    sim_listener *l = KFK_CONTAINER(r, sim_listener, report);
    if (l->route->frozen_up) return;
    kfk_list *node = kfk_list_first(&l->backlog);
    if (!node) return;
    sim_stream *c = KFK_CONTAINER(node, sim_stream, backlog);
    kfk_list_remove(node);
    if (!kfk_list_empty(&l->backlog)) sim_report_add(s, r);
    sim_trace(s, "loop: #%d is accepted", c->link->number);
    l->listener.accepted(l->listener.owner, &c->stream);
}

static int listener_local_addr(kfk_listener *listener, struct sockaddr *addr, socklen_t *len)
{
    const sim_listener *l = KFK_CONTAINER(listener, sim_listener, listener);
    kfk_hostport at;
    kfk_address a;
    if (kfk_hostport_parse(l->route->address, strlen(l->route->address), &at, NULL) != 0 ||
        !kfk_address_numeric(at.host, at.port, &a))
        return KAFKA_EIO;
    memcpy(addr, &a.addr, *len < a.len ? *len : a.len);
    *len = a.len;
    return 0;
}

static void listener_close(kfk_listener *listener)
{
    sim_listener *l = KFK_CONTAINER(listener, sim_listener, listener);
    sim_trace(l->sim, "nobody listens at %s any more", l->route->address);
    for (kfk_list *node; (node = kfk_list_first(&l->backlog)) != NULL;) {
        sim_stream *c = KFK_CONTAINER(node, sim_stream, backlog);
        kfk_list_remove(node);
        sim_pipe_reset(c->out);
        c->stream.ops->close(&c->stream);
    }
    sim_report_remove(&l->report);
    l->route->listener = NULL;
    kfk_mem_free(l);
}

static const kfk_listener_ops listener_ops = {.local_addr = listener_local_addr, .close = listener_close};

static void choose_port(sim *s, kfk_address *at)
{
    in_port_t port = htons((uint16_t)(FIRST_PORT + s->network->listener_count));
    if (at->addr.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&at->addr)->sin6_port = port;
    else
        ((struct sockaddr_in *)(void *)&at->addr)->sin_port = port;
}

static bool has_port(const kfk_address *at)
{
    if (at->addr.ss_family == AF_INET6) return ((const struct sockaddr_in6 *)(const void *)&at->addr)->sin6_port != 0;
    return ((const struct sockaddr_in *)(const void *)&at->addr)->sin_port != 0;
}

int sim_network_listen(kfk_loop *loop, const kfk_address *at, kfk_listener **out, kfk_error *err)
{
    sim *s = KFK_CONTAINER(loop, sim, loop);
    char address[KFK_ADDRESS_TEXT];
    kfk_address here = *at;
    s->network->listener_count++;
    if (!has_port(&here)) choose_port(s, &here);
    kfk_address_format(&here, address, sizeof address);
    sim_route *route = sim_net_route(s, address);
    if (route->listener || route->server)
        return kfk_error_set(err, KAFKA_EIO, "listening at %s: bind: %s", address, strerror(EADDRINUSE));
    sim_listener *l = kfk_mem_zalloc(sizeof *l);
    if (!l) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a listener");
    l->listener.ops = &listener_ops;
    l->sim = s;
    l->route = route;
    kfk_list_init(&l->backlog);
    sim_report_init(&l->report, listener_report);
    route->listener = l;
    sim_trace(s, "something listens at %s", address);
    *out = &l->listener;
    return 0;
}
