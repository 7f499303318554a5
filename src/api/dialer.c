/* Dialling: from an address to a connection, by way of the cluster's metadata where a leader is asked for.
 *
 * A dial has one end: the earliest of the dialer's timeout and deadline and the context's deadline. kafka_dial_leader
 * shares it among its steps: reach any broker, find the leader, reach the leader. When the last step fails although the
 * first did not, the usual reason is a listener that advertises an address which makes sense elsewhere only; the
 * sentence then names who answered, what it advertised, and the setting. */
#include "api/dialer.h"
#include "api/conn.h"
#include "api/lists.h"
#include "api/loop.h"
#include "base/mem.h"
#include "base/time.h"
#include "engine/dial.h"
#include "engine/leader.h"
#include "net/resolve.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What all steps of one dial share. */
typedef struct dialing {
    const kafka_dialer *dialer;
    const kafka_ctx *ctx;
    kfk_loop *loop; /* a use and a reference */
    int64_t deadline_ms;
    kfk_connect_options options;
    kafka_resolver resolver;
    const char *client_id;
    char default_id[256];
} dialing;

/* ---- preparing --------------------------------------------------------------------------------------------------- */

int kfk_dialer_check(const kafka_dialer *d, kfk_error *err)
{
    bool reserved = d->reserved != 0;
    for (size_t i = 0; i < 6; i++) reserved = reserved || d->reserved2[i] || d->reserved3[i];
    if (reserved) return kfk_error_set(err, KAFKA_EINVAL, "a reserved field of kafka_dialer is not 0");
    if (d->timeout_ms < KAFKA_NEVER) return kfk_error_set(err, KAFKA_EINVAL, "kafka_dialer.timeout_ms is negative");
    if (d->fallback_delay_ms < 0) return kfk_error_set(err, KAFKA_EINVAL, "kafka_dialer.fallback_delay_ms is negative");
    if (d->keep_alive_ms < 0) return kfk_error_set(err, KAFKA_EINVAL, "kafka_dialer.keep_alive_ms is negative");
    if (d->resolver && !d->resolver->lookup)
        return kfk_error_set(err, KAFKA_EINVAL, "kafka_dialer.resolver has no lookup function");
    const char *later = d->tls ? "tls" : d->sasl ? "sasl" : NULL;
    if (later) return kfk_error_set(err, KAFKA_ENOTSUP, "kafka_dialer.%s is not supported yet", later);
    return 0;
}

int kfk_dialer_local(const char *text, kfk_address *out, kfk_error *err)
{
    kfk_hostport at;
    if (!text) return 0;
    if (kfk_hostport_parse(text, strlen(text), &at, NULL) == 0 &&
        kfk_address_numeric(at.host, at.port_is_default ? 0 : at.port, out))
        return 0;
    return kfk_error_set(
        err, KAFKA_EINVAL,
        "kafka_dialer.local_addr \"%.100s\" is no IP address with or without a port, such as 192.0.2.1, "
        "192.0.2.1:9000 or [2001:db8::1]:9000",
        text);
}

void kfk_dialer_default_client_id(char *out, size_t cap)
{
    char host[128] = "?";
    gethostname(host, sizeof host - 1);
    host[sizeof host - 1] = '\0';
    snprintf(out, cap, "%s@%s (kafka-c)", program_invocation_short_name, host);
}

static int begin(dialing *x, const kafka_dialer *dialer, const kafka_ctx *ctx, const char *call, kfk_error *err)
{
    static const kafka_dialer standard = {0};
    x->dialer = dialer ? dialer : &standard;
    x->ctx = ctx;
    int code = kfk_fail_unless_may_wait(ctx, call);
    if (code != 0) {
        err->code = 0; /* told already */
        return code;
    }
    if ((code = kfk_dialer_check(x->dialer, err)) != 0) return code;
    if ((code = kfk_dialer_local(x->dialer->local_addr, &x->options.local, err)) != 0) return code;
    x->options.keep_alive_ms = x->dialer->keep_alive_ms;
    if (x->dialer->resolver) x->resolver = *x->dialer->resolver;
    int64_t timeout = x->dialer->timeout_ms ? x->dialer->timeout_ms : KFK_DIALER_TIMEOUT_MS;
    int64_t at = timeout == KAFKA_NEVER ? 0 : kfk_time_add(kfk_time_now_ms(), timeout);
    at = kfk_time_earlier(at, x->dialer->deadline);
    if (ctx) at = kfk_time_earlier(at, ctx->deadline);
    x->deadline_ms = at ? at : KFK_TIME_NEVER;
    x->client_id = x->dialer->client_id;
    if (!x->client_id) {
        kfk_dialer_default_client_id(x->default_id, sizeof x->default_id);
        x->client_id = x->default_id;
    }
    return kfk_loop_acquire(x->dialer->loop, &x->loop, err);
}

/* Ends a call that may have failed, giving the loop back unless it went to a connection. */
static int end(dialing *x, int code, const kfk_error *err)
{
    if (x->loop) kfk_loop_release(x->loop);
    if (code != 0 && err->code != 0) kfk_fail(x->ctx, err);
    return code;
}

int kfk_dialer_addresses(const char *text, kfk_hostport *out, size_t *count, kfk_error *err)
{
    *count = 0;
    if (!text)
        return kfk_error_set(err, KAFKA_EINVAL, "the address is NULL; expected host:port, for example localhost:9092");
    for (const char *p = text;; p++) {
        size_t len = strcspn(p, ",");
        if (*count == KFK_DIALER_ADDRESSES)
            return kfk_error_set(err, KAFKA_EINVAL, "more than %d addresses", KFK_DIALER_ADDRESSES);
        int code = kfk_hostport_parse(p, len, &out[*count], err);
        if (code != 0) return code;
        ++*count;
        p += len;
        if (*p == '\0') return 0;
    }
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static int connect_any(dialing *x, const kfk_hostport *addresses, size_t count, kfk_broker **out, kfk_error *err)
{
    kfk_dial_config cfg = {
        .loop = x->loop,
        .addresses = addresses,
        .count = count,
        .client_id = x->client_id,
        .deadline_ms = x->deadline_ms,
        .cancel = x->ctx ? x->ctx->cancel : NULL,
        .fallback_delay_ms = x->dialer->fallback_delay_ms ? x->dialer->fallback_delay_ms : KFK_DIALER_FALLBACK_MS,
        .options = x->options,
        .resolver = x->resolver,
        .dual_stack = !x->dialer->no_dual_stack,
    };
    kfk_dial *dial;
    if (kfk_dial_new(&cfg, &dial) != 0) return kfk_error_set(err, KAFKA_ENOMEM, "no memory to dial");
    kfk_loop_submit(x->loop, &dial->op.task);
    kfk_op_wait(x->loop, &dial->op, KFK_TIME_NEVER);
    int code = dial->op.error.code;
    if (code != 0) {
        *err = dial->op.error;
    } else {
        *out = dial->broker;
        dial->broker = NULL;
    }
    kfk_op_drop(&dial->op);
    return code;
}

static int connect_text(dialing *x, const char *address, kfk_broker **out, kfk_error *err)
{
    size_t count;
    kfk_hostport *addresses = kfk_mem_array(KFK_DIALER_ADDRESSES, sizeof *addresses);
    if (!addresses) return kfk_error_set(err, KAFKA_ENOMEM, "no memory to dial");
    int code = kfk_dialer_addresses(address, addresses, &count, err);
    if (code == 0) code = connect_any(x, addresses, count, out, err);
    kfk_mem_free(addresses);
    return code;
}

/* The leader of a partition; `answered` gets the name of the broker that told. */
typedef struct leader {
    int32_t id;
    kfk_hostport address;
    char rack[256];
    bool has_rack;
    char answered[KFK_HOST_MAX + 16];
} leader;

/* Time that a connection may take: what is left of the dial's. */
static int64_t time_left_ms(const dialing *x)
{
    if (x->deadline_ms == KFK_TIME_NEVER) return INT32_MAX;
    int64_t left = x->deadline_ms - kfk_time_now_ms();
    return left < 1 ? 1 : left;
}

static int search_leader(dialing *x, const kfk_hostport *addresses, size_t count, const char *topic, int32_t partition,
                         leader *out, kfk_error *err)
{
    kfk_leader_search *s;
    kfk_cluster_config cfg = {
        .connect =
            {
                .loop = x->loop,
                .client_id = x->client_id,
                .connect_timeout_ms = time_left_ms(x),
                .fallback_delay_ms =
                    x->dialer->fallback_delay_ms ? x->dialer->fallback_delay_ms : KFK_DIALER_FALLBACK_MS,
                .options = x->options,
                .resolver = x->resolver,
                .dual_stack = !x->dialer->no_dual_stack,
            },
        .bootstrap = addresses,
        .bootstrap_count = count,
        .create_topics = true,
    };
    if (kfk_leader_search_new(&cfg, topic, partition, x->deadline_ms, x->ctx ? x->ctx->cancel : NULL, &s) != 0)
        return kfk_error_set(err, KAFKA_ENOMEM, "no memory to look up a leader");
    kfk_loop_submit(x->loop, &s->op.task);
    kfk_op_wait(x->loop, &s->op, KFK_TIME_NEVER);
    int code = s->op.error.code;
    if (code != 0) {
        *err = s->op.error;
    } else {
        out->id = s->leader_id;
        out->address = s->leader_address;
        out->has_rack = s->rack != NULL;
        snprintf(out->rack, sizeof out->rack, "%s", s->rack ? s->rack : "");
        snprintf(out->answered, sizeof out->answered, "%s", s->answered_by);
    }
    kfk_op_drop(&s->op);
    return code;
}

static int find_leader(dialing *x, const char *address, const char *topic, int32_t partition, leader *out,
                       kfk_error *err)
{
    size_t count;
    if (!topic || !*topic) return kfk_error_set(err, KAFKA_EINVAL, "the topic is missing");
    if (partition < 0) return kfk_error_set(err, KAFKA_EINVAL, "partition %d is negative", (int)partition);
    kfk_hostport *addresses = kfk_mem_array(KFK_DIALER_ADDRESSES, sizeof *addresses);
    if (!addresses) return kfk_error_set(err, KAFKA_ENOMEM, "no memory to dial");
    int code = kfk_dialer_addresses(address, addresses, &count, err);
    if (code == 0) code = search_leader(x, addresses, count, topic, partition, out, err);
    kfk_mem_free(addresses);
    return code;
}

/* Makes the connection out of a broker; the loop goes over to it. */
static int become_conn(dialing *x, kfk_broker *broker_take, const char *topic, int32_t partition, kafka_conn **out,
                       kfk_error *err)
{
    kfk_loop *l = x->loop;
    x->loop = NULL;
    int code = kfk_api_conn_new(l, broker_take, topic, partition, out);
    return code == 0 ? 0 : kfk_error_set(err, code, "no memory for a connection");
}

/* ---- the public calls -------------------------------------------------------------------------------------------- */

int kafka_dial(const kafka_dialer *dialer, const kafka_ctx *ctx, const char *address, kafka_conn **out)
{
    dialing x = {0};
    kfk_error err = {0};
    kfk_broker *broker;
    int code = begin(&x, dialer, ctx, "kafka_dial", &err);
    if (code == 0 && !out) code = kfk_error_set(&err, KAFKA_EINVAL, "kafka_dial: out is NULL");
    if (code == 0) code = connect_text(&x, address, &broker, &err);
    if (code == 0) code = become_conn(&x, broker, NULL, 0, out, &err);
    return end(&x, code, &err);
}

/* The address that a broker advertises, as far as it can be one. */
static int advertised(const kafka_broker *b, kfk_hostport *out, kfk_error *err)
{
    if (!b) return kfk_error_set(err, KAFKA_EINVAL, "the broker is NULL");
    if (!b->host || !*b->host)
        return kfk_error_set(err, KAFKA_ERR_LEADER_NOT_AVAILABLE,
                             "broker %d has no address: the cluster did not describe it", (int)b->id);
    if (b->port < 1 || b->port > 65535 || !kfk_host_is_valid(b->host))
        return kfk_error_set(err, KAFKA_EINVAL, "broker %d: \"%.100s\" port %d is no address", (int)b->id, b->host,
                             (int)b->port);
    snprintf(out->host, sizeof out->host, "%s", b->host);
    out->port = (uint16_t)b->port;
    out->port_is_default = false;
    return 0;
}

int kafka_dial_broker(const kafka_dialer *dialer, const kafka_ctx *ctx, const kafka_broker *b, kafka_conn **out)
{
    dialing x = {0};
    kfk_error err = {0};
    kfk_broker *broker;
    kfk_hostport address;
    int code = begin(&x, dialer, ctx, "kafka_dial_broker", &err);
    if (code == 0 && !out) code = kfk_error_set(&err, KAFKA_EINVAL, "kafka_dial_broker: out is NULL");
    if (code == 0) code = advertised(b, &address, &err);
    if (code == 0 && (code = connect_any(&x, &address, 1, &broker, &err)) != 0)
        kfk_error_prefix(&err, "broker %d, at the address it advertises (advertised.listeners): ", (int)b->id);
    if (code == 0) code = become_conn(&x, broker, NULL, 0, out, &err);
    return end(&x, code, &err);
}

/* The newcomer's error: the cluster answers, its leader does not. */
static void explain_advertised(kfk_error *err, const leader *found, const char *topic, int32_t partition)
{
    char address[KFK_HOST_MAX + 16], cause[KFK_ERROR_TEXT];
    kfk_hostport_format(&found->address, address, sizeof address);
    snprintf(cause, sizeof cause, "%s", err->text);
    kfk_error_set(err, err->code,
                  "%s. The broker at %s answered, and named %s as the address of broker %d, which leads topic %s "
                  "partition %d: if that is not an "
                  "address for this machine, change advertised.listeners of that broker",
                  cause, found->answered, address, (int)found->id, topic, (int)partition);
}

int kafka_dial_leader(const kafka_dialer *dialer, const kafka_ctx *ctx, const char *address, const char *topic,
                      int32_t partition, kafka_conn **out)
{
    dialing x = {0};
    kfk_error err = {0};
    kfk_broker *broker;
    leader found;
    int code = begin(&x, dialer, ctx, "kafka_dial_leader", &err);
    if (code == 0 && !out) code = kfk_error_set(&err, KAFKA_EINVAL, "kafka_dial_leader: out is NULL");
    kfk_connect_options options = x.options;
    kfk_address_set_port(&x.options.local, 0); /* a port of our own serves the connection that is wanted */
    if (code == 0) code = find_leader(&x, address, topic, partition, &found, &err);
    x.options = options;
    if (code == 0 && (code = connect_any(&x, &found.address, 1, &broker, &err)) != 0 && code != KAFKA_ECANCELED &&
        code != KAFKA_ENOMEM)
        explain_advertised(&err, &found, topic, partition);
    if (code == 0) code = become_conn(&x, broker, topic, partition, out, &err);
    return end(&x, code, &err);
}

int kafka_lookup_leader(const kafka_dialer *dialer, const kafka_ctx *ctx, const char *address, const char *topic,
                        int32_t partition, kafka_broker **out)
{
    dialing x = {0};
    kfk_error err = {0};
    leader found;
    int code = begin(&x, dialer, ctx, "kafka_lookup_leader", &err);
    if (code == 0 && !out) code = kfk_error_set(&err, KAFKA_EINVAL, "kafka_lookup_leader: out is NULL");
    if (code == 0) code = find_leader(&x, address, topic, partition, &found, &err);
    if (code == 0) {
        kafka_broker view = {.host = found.address.host,
                             .port = found.address.port,
                             .id = found.id,
                             .rack = found.has_rack ? found.rack : NULL};
        if ((code = kfk_broker_new_copy(&view, out)) != 0) kfk_error_set(&err, code, "no memory for a broker");
    }
    return end(&x, code, &err);
}

int kafka_lookup_partitions(const kafka_dialer *dialer, const kafka_ctx *ctx, const char *address, const char *topic,
                            kafka_partitions **out)
{
    dialing x = {0};
    kfk_error err = {0};
    kfk_broker *broker;
    kafka_conn *conn;
    int64_t deadline = 0;
    int code = begin(&x, dialer, ctx, "kafka_lookup_partitions", &err);
    if (code == 0 && (!out || !topic || !*topic))
        code = kfk_error_set(&err, KAFKA_EINVAL, "kafka_lookup_partitions: %s",
                             out ? "the topic is missing" : "out is NULL");
    if (code == 0) code = connect_text(&x, address, &broker, &err);
    if (code == 0) {
        deadline = x.deadline_ms == KFK_TIME_NEVER ? 0 : x.deadline_ms;
        code = become_conn(&x, broker, topic, 0, &conn, &err);
    }
    if (code == 0) {
        kafka_conn_set_read_deadline(conn, deadline);
        if (ctx) kafka_conn_set_cancel(conn, ctx->cancel);
        code = kfk_api_conn_partitions(conn, NULL, 0, out, &err);
        kafka_conn_free(conn);
    }
    return end(&x, code, &err);
}

int kafka_addrs_add(kafka_addrs *out, const char *host_or_host_port)
{
    kfk_error err = {0};
    if (!out || !host_or_host_port) return kfk_failf(NULL, KAFKA_EINVAL, "kafka_addrs_add: a pointer is NULL");
    return kfk_addrs_add(out, host_or_host_port, &err) == 0 ? 0 : kfk_fail(NULL, &err);
}
