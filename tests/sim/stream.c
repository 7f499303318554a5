/* An end of a connection that is a kfk_stream: the client's, and the server's where a listener of the loop accepted it.
 * Both are the same but for the pipes that they read and write.
 *
 * Edges are what net/stream.h promises and no more: after KAFKA_EAGAIN or a short read the stream owes an edge for
 * whatever arrives next; without that it owes none, and gives one only at times. A partial read leaves the rest to
 * arrive a moment later, as if it had been another segment; a partial write may be followed by KAFKA_EAGAIN and an edge
 * although there is room. Where a real poller tells more than it must, so does this one, by seed: the other direction's
 * readiness along with an edge, and edges for nothing. Errors are always told. */
#include "base/mem.h"
#include "sim/network_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_PORT = 40000 };

/* ---- edges ------------------------------------------------------------------------------------------------------- */

static sim_stream *end_of(kfk_stream *stream)
{
    return KFK_CONTAINER(stream, sim_stream, stream);
}

static const char *name_of(const sim_stream *c)
{
    return c == c->link->server ? " server" : "";
}

static size_t room(const sim_stream *c)
{
    const sim_link *k = c->link;
    if (k->state != LINK_OPEN || c->stalled) return 0;
    return k->config.window > c->out->outstanding ? k->config.window - c->out->outstanding : 0;
}

bool sim_stream_is_frozen(const sim_stream *c)
{
    return c == c->link->server ? c->link->route->frozen_up : c->link->route->frozen_down;
}

void sim_stream_thaw(sim_stream *c)
{
    if (c && !c->unheard) sim_stream_edge(c, KFK_STREAM_READABLE | KFK_STREAM_WRITABLE);
}

void sim_stream_edge(sim_stream *c, unsigned events)
{
    if (!c || c->unheard) return;
    c->pending |= events;
    sim_report_add(c->link->sim, &c->edge);
}

static void edge_report(sim *s, sim_report *r)
{
    sim_stream *c = KFK_CONTAINER(r, sim_stream, edge);
    unsigned events = c->pending;
    if (sim_stream_is_frozen(c)) return;
    if (room(c) > 0 && sim_chance(s, 2)) events |= KFK_STREAM_WRITABLE;
    if (c->in->in_len > 0 && sim_chance(s, 2)) events |= KFK_STREAM_READABLE;
    c->pending = 0;
    sim_trace(s, "loop: #%d%s is%s%s", c->link->number, name_of(c), events & KFK_STREAM_READABLE ? " readable" : "",
              events & KFK_STREAM_WRITABLE ? " writable" : "");
    if (c->stream.ready) c->stream.ready(c->stream.owner, events);
}

void sim_stream_readable(sim_stream *c)
{
    if (!c || (!c->read_armed && !sim_chance(c->link->sim, 2))) return;
    c->read_armed = false;
    sim_stream_edge(c, KFK_STREAM_READABLE);
}

/* As a kernel does, it waits for a third of the window before it calls for more. */
void sim_stream_writable(sim_stream *c)
{
    if (!c || !c->write_armed || room(c) * 3 < c->link->config.window) return;
    c->write_armed = false;
    sim_stream_edge(c, KFK_STREAM_WRITABLE);
}

void sim_network_disturb(sim *s)
{
    int streams = sim_network_streams(s);
    if (streams == 0 || !sim_chance(s, 16)) return;
    uint64_t pick = sim_below(s, (uint64_t)streams);
    KFK_LIST_EACH (node, &s->network->links) {
        sim_link *k = KFK_CONTAINER(node, sim_link, node);
        if (k->client && pick-- == 0) sim_stream_edge(k->client, 1 + (unsigned)sim_below(s, 3));
        if (k->server && pick-- == 0) sim_stream_edge(k->server, 1 + (unsigned)sim_below(s, 3));
    }
}

/* ---- its operations ---------------------------------------------------------------------------------------------- */

static int system_error(kfk_error *err, const char *what, int number)
{
    return kfk_error_set(err, KAFKA_EIO, "%s: %s", what, strerror(number));
}

static int stream_connected(kfk_stream *stream, kfk_error *err)
{
    const sim_link *k = end_of(stream)->link;
    if (end_of(stream)->unheard) {
        end_of(stream)->unheard = false;
        sim_stream_edge(end_of(stream), KFK_STREAM_READABLE | KFK_STREAM_WRITABLE);
    }
    if (k->state == LINK_CONNECTING) return KAFKA_EAGAIN;
    return k->state == LINK_OPEN ? 0 : system_error(err, "connect", ECONNREFUSED);
}

/* As a kernel, not for each byte: a fourth of the window is worth a word. */
static void tell_of_room(sim_stream *c, size_t taken)
{
    c->in->untold += taken;
    if (c->in->untold * 4 < c->link->config.window) return;
    sim_pipe_taken(c->out, c->in->untold);
    c->in->untold = 0;
}

static int stream_read(kfk_stream *stream, void *buf, size_t cap, size_t *got, kfk_error *err)
{
    sim_stream *c = end_of(stream);
    sim_pipe *p = c->in;
    sim *s = c->link->sim;
    if (sim_stream_is_frozen(c)) {
        c->pending |= KFK_STREAM_READABLE;
        return KAFKA_EAGAIN;
    }
    if (p->in_len == 0) {
        if (p->in_reset) return system_error(err, "read", ECONNRESET);
        if (p->in_ended) return KAFKA_EOF;
        c->read_armed = true;
        return KAFKA_EAGAIN;
    }
    size_t n = p->in_len < cap ? p->in_len : cap;
    if (n > 1 && sim_chance(s, 4)) n = 1 + sim_below(s, n - 1);
    memcpy(buf, p->in, n);
    sim_pipe_drop(p, n);
    if (c->link->paired) tell_of_room(c, n);
    *got = n;
    c->read_armed = n < cap;
    if (c->read_armed && (p->in_len > 0 || p->in_ended || p->in_reset)) sim_stream_readable(c);
    sim_trace(s, "#%d%s reads %zu of %zu", c->link->number, name_of(c), n, cap);
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
    sim_stream *c = KFK_CONTAINER(e, sim_stream, stall);
    c->stalled = false;
    if (!c->write_armed || room(c) == 0) return;
    c->write_armed = false;
    sim_stream_edge(c, KFK_STREAM_WRITABLE);
}

static int stream_write(kfk_stream *stream, const struct iovec *iov, int count, size_t *sent, kfk_error *err)
{
    sim_stream *c = end_of(stream);
    sim_link *k = c->link;
    sim *s = k->sim;
    if (c->in->in_reset) return system_error(err, "write", EPIPE);
    size_t most = sim_stream_is_frozen(c) ? 0 : room(c);
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
    c->out->outstanding += n;
    sim_pipe_send(c->out, bytes, n);
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

static int remote_address(const sim_link *k, struct sockaddr *addr, socklen_t *len)
{
    kfk_hostport to;
    kfk_address a;
    const char *text = k->config.address;
    if (kfk_hostport_parse(text, strlen(text), &to, NULL) != 0 || !kfk_address_numeric(to.host, to.port, &a))
        return KAFKA_EIO;
    return give_address(&a, addr, len);
}

static int client_address(const sim_link *k, struct sockaddr *addr, socklen_t *len)
{
    kfk_address a;
    if (!kfk_address_numeric("10.255.0.1", (uint16_t)(FIRST_PORT + k->number), &a)) return KAFKA_EIO;
    return give_address(&a, addr, len);
}

static int stream_peer_addr(kfk_stream *stream, struct sockaddr *addr, socklen_t *len)
{
    const sim_link *k = end_of(stream)->link;
    return end_of(stream) == k->server ? client_address(k, addr, len) : remote_address(k, addr, len);
}

static int stream_local_addr(kfk_stream *stream, struct sockaddr *addr, socklen_t *len)
{
    const sim_link *k = end_of(stream)->link;
    return end_of(stream) == k->server ? remote_address(k, addr, len) : client_address(k, addr, len);
}

static void leave_link(sim_stream *c)
{
    sim_link *k = c->link;
    if (c == k->server) {
        k->server = NULL;
        k->server_closed = true;
        k->sim->network->server_streams--;
        return;
    }
    k->client = NULL;
    k->sim->network->streams--;
    sim_event_clear(k->sim, &k->connect);
}

/* As a kernel: what was not read makes it a reset. */
static void stream_close(kfk_stream *stream)
{
    sim_stream *c = end_of(stream);
    sim_link *k = c->link;
    sim_pipe *in = c->in, *out = c->out;
    sim_trace(k->sim, "#%d%s closes", k->number, name_of(c));
    leave_link(c);
    sim_event_clear(k->sim, &c->stall);
    sim_report_remove(&c->edge);
    kfk_list_remove(&c->backlog);
    kfk_mem_free(c);
    if (k->state != LINK_OPEN) return;
    if (in->in_len > 0)
        sim_pipe_reset(out);
    else
        sim_pipe_end(out);
}

static const kfk_stream_ops stream_ops = {
    .connected = stream_connected,
    .read = stream_read,
    .write = stream_write,
    .local_addr = stream_local_addr,
    .peer_addr = stream_peer_addr,
    .close = stream_close,
};

/* ---- birth ------------------------------------------------------------------------------------------------------- */

sim_stream *sim_stream_new(void)
{
    sim_stream *c = kfk_mem_zalloc(sizeof *c);
    if (!c) return NULL;
    c->stream.ops = &stream_ops;
    c->read_armed = true; /* whatever arrives first is news */
    kfk_list_init(&c->backlog);
    sim_report_init(&c->edge, edge_report);
    sim_event_init(&c->stall, stall_over);
    return c;
}

void sim_stream_attach(sim_stream *c, sim_link *k, sim_pipe *in)
{
    c->link = k;
    c->in = in;
    c->out = in == &k->down ? &k->up : &k->down;
    if (in == &k->down) {
        k->client = c;
        k->sim->network->streams++;
    } else {
        k->server = c;
        k->sim->network->server_streams++;
    }
}
