/* A connection out of a socket that the application has connected.
 *
 * Whose descriptor it is must never depend on how far things got: the connection is made whole first, without a stream,
 * and the socket taken over last, by a step that either changes nothing or cannot fail any more. Nothing here waits,
 * and no byte moves: the loop hears of the socket with the first call that needs the broker. */
#include "api/conn.h"
#include "api/dialer.h"
#include "api/loop.h"
#include "base/mem.h"

enum { VERSIONS_TIMEOUT_MS = 10000 }; /* as long as a dial has when nothing is said */

static int check(const kafka_conn_config *cfg, const kafka_conn *const *out, kfk_error *err)
{
    const char *what = NULL;
    if (!out)
        what = "out is NULL";
    else if (cfg->reserved || cfg->reserved2[0] || cfg->reserved2[1])
        what = "a reserved field of kafka_conn_config is not 0";
    else if (cfg->topic && !*cfg->topic)
        what = "the topic is empty";
    else if (cfg->partition < 0)
        what = "the partition is negative";
    return what ? kfk_error_set(err, KAFKA_EINVAL, "kafka_conn_from_fd: %s", what) : 0;
}

/* A connection that has no stream yet; the use of the loop goes over to it, also on failure. */
static int make(kfk_loop *loop_take, const kafka_conn_config *cfg, kafka_conn **out, kfk_error *err)
{
    char default_id[256];
    kfk_log log;
    kfk_log_init(&log, cfg->logger);
    kfk_dialer_default_client_id(default_id, sizeof default_id);
    kfk_broker_config broker_cfg = {
        .loop = loop_take,
        .client_id = cfg->client_id ? cfg->client_id : default_id,
        .connect_timeout_ms = VERSIONS_TIMEOUT_MS,
        .log = &log,
    };
    kfk_broker *broker;
    int code = kfk_broker_new(&broker_cfg, &broker);
    if (code != 0)
        kfk_loop_release(loop_take);
    else
        code = kfk_api_conn_new(loop_take, broker, cfg->topic, cfg->partition, out);
    return code == 0 ? 0 : kfk_error_set(err, code, "kafka_conn_from_fd: no memory for a connection");
}

int kafka_conn_from_fd(int fd, const kafka_conn_config *cfg, kafka_conn **out)
{
    static const kafka_conn_config standard;
    kfk_error err = {0};
    kfk_loop *l;
    kafka_conn *c = NULL;
    kfk_stream *stream;
    if (!cfg) cfg = &standard;
    int code = check(cfg, (const kafka_conn *const *)out, &err);
    if (code == 0) code = kfk_loop_acquire(cfg->loop, &l, &err);
    if (code == 0) code = make(l, cfg, &c, &err);
    if (code == 0 && (code = kfk_loop_adopt(l, fd, &stream, &err)) != 0) {
        kfk_error_prefix(&err, "kafka_conn_from_fd: ");
        kafka_conn_free(c);
    }
    if (code != 0) return kfk_fail(NULL, &err);
    kfk_broker_adopt(c->core->broker, stream, fd);
    *out = c;
    return 0;
}
