/* connect.c: dialling, and the words for what goes wrong.
 *
 * The library's sentence says phase, peer and cause, and is printed whole; what is added here is the step that somebody
 * at a shell takes next, in terms of kc's own options and commands. */
#include "connect.h"
#include "say.h"
#include "stop.h"
#include "suggest.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static kafka_dialer dialer_of(const kc_common *c)
{
    return (kafka_dialer){.client_id = "kc", .timeout_ms = c->timeout_ms};
}

static kafka_ctx ctx_of(const kc_common *c)
{
    return (kafka_ctx){.deadline = kafka_deadline_in(c->timeout_ms), .cancel = kc_stop_token()};
}

void kc_connect_rearm(const kc_common *c, kafka_conn *conn, int64_t extra_ms)
{
    kafka_conn_set_deadline(conn, kafka_deadline_in(c->timeout_ms + extra_ms));
}

static int ready(const kc_common *c, int err, kafka_conn *conn)
{
    if (err == 0) {
        kafka_conn_set_cancel(conn, kc_stop_token());
        kc_connect_rearm(c, conn, 0);
    }
    return err;
}

int kc_connect_any(const kc_common *c, kafka_conn **out)
{
    kafka_dialer dialer = dialer_of(c);
    kafka_ctx ctx = ctx_of(c);
    int err = kafka_dial(&dialer, &ctx, c->brokers, out);
    return ready(c, err, *out);
}

int kc_connect_controller(const kc_common *c, kafka_conn **out)
{
    kafka_dialer dialer = dialer_of(c);
    kafka_conn *any = NULL;
    int err = kc_connect_any(c, &any);
    if (err != 0) return err;
    kafka_broker *controller = NULL;
    err = kafka_conn_controller(any, &controller);
    if (err == 0) {
        kafka_ctx ctx = ctx_of(c);
        err = kafka_dial_broker(&dialer, &ctx, controller, out);
        err = ready(c, err, *out);
    }
    kafka_broker_free(controller);
    kafka_conn_free(any);
    return err;
}

int kc_connect_leader(const kc_common *c, const char *topic, int32_t partition, kafka_conn **out)
{
    kafka_dialer dialer = dialer_of(c);
    kafka_ctx ctx = ctx_of(c);
    int err = kafka_dial_leader(&dialer, &ctx, c->brokers, topic, partition, out);
    return ready(c, err, *out);
}

/* 0 when the broker lists the topic; an error that it has for any of all topics leaves that open. */
static int is_listed(kafka_conn *conn, const char *topic)
{
    kafka_partitions *all = NULL;
    int err = kafka_conn_read_partitions(conn, NULL, 0, &all);
    if (err != 0) return err > 0 ? 0 : err;
    size_t i = 0;
    while (i < all->count && strcmp(all->items[i].topic, topic) != 0) i++;
    if (i == all->count) err = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    kafka_partitions_free(all);
    return err;
}

static int look_up(kafka_conn *conn, const char *topic, kafka_partitions **out)
{
    int err = is_listed(conn, topic);
    return err != 0 ? err : kafka_conn_read_partitions(conn, &topic, 1, out);
}

int kc_connect_look_up(const kc_common *c, kafka_conn *conn, const char *topic, kafka_partitions **out)
{
    kc_connect_rearm(c, conn, 0);
    return look_up(conn, topic, out);
}

/* Dials and asks, all within the limits of the context. */
static int dial_and_look_up(const kc_common *c, const kafka_ctx *ctx, const char *topic, kafka_partitions **out)
{
    kafka_dialer dialer = dialer_of(c);
    kafka_conn *conn = NULL;
    int err = kafka_dial(&dialer, ctx, c->brokers, &conn);
    if (err != 0) return err;
    kafka_conn_set_cancel(conn, ctx->cancel);
    kafka_conn_set_deadline(conn, ctx->deadline);
    err = look_up(conn, topic, out);
    kafka_conn_free(conn);
    return err;
}

const char *kc_connect_why(int err)
{
    return err == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION ? "the cluster has no topic of that name" : NULL;
}

int kc_connect_partitions(const kc_common *c, const char *topic, bool create, kafka_partitions **out)
{
    kafka_dialer dialer = dialer_of(c);
    kafka_ctx ctx = ctx_of(c);
    for (int retry = 0;; retry++) {
        int err = create ? kafka_lookup_partitions(&dialer, &ctx, c->brokers, topic, out)
                         : dial_and_look_up(c, &ctx, topic, out);
        if (err == 0 && (*out)->count == 0) { /* no broker should say that */
            kafka_partitions_free(*out);
            *out = NULL;
            err = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        }
        bool again = err == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION && retry < 2;
        if (!again || !kc_stop_pause(kc_connect_backoff_ms(retry))) return err;
    }
}

bool kc_connect_has_partition(const kafka_partitions *found, int32_t id)
{
    for (size_t i = 0; i < found->count; i++) {
        if (found->items[i].id == id) return true;
    }
    return false;
}

bool kc_connect_has_leader(const kafka_partition *p)
{
    return p->leader.host != NULL && p->leader.host[0] != '\0';
}

bool kc_connect_may_retry(int err, bool reached)
{
    if (!kafka_err_is_temporary(err)) return false;
    bool local = err <= KAFKA_EINVAL;
    return reached || !local;
}

int64_t kc_connect_backoff_ms(int retry)
{
    return retry < 5 ? INT64_C(100) << retry : 2000;
}

/* ---- what to try next -------------------------------------------------------------------------------------------- */

/* "-b HOST:PORT " when the brokers came from there, so that a command line that is suggested works as it is printed. */
static const char *brokers_option(const kc_common *c, char *text, size_t cap)
{
    if (!c->brokers_given || strpbrk(c->brokers, " \t\n'\"\\$`*?[]()<>|&;") != NULL) return "";
    int n = snprintf(text, cap, " -b %s", c->brokers);
    return n > 0 && (size_t)n < cap ? text : "";
}

static void advise_address(const kc_common *c, const char *why)
{
    if (strstr(why, "advertised.listeners") != NULL) return; /* the address was right, and the library knows better */
    kc_say_try("kc asked %s, from %s; another address: -b HOST:PORT", c->brokers,
               c->brokers_given ? "-b" : "KAFKA_BROKERS");
}

/* What there is of a similar name. One more question to the cluster, which answered a moment ago, so it gets little
 * time. Kafka's own topics are not offered. */
static void advise_similar(const kc_common *c, const char *topic)
{
    enum { PATIENCE_MS = 2000 };
    kc_common hasty = *c;
    kafka_conn *conn = NULL;
    kafka_partitions *all = NULL;
    if (hasty.timeout_ms > PATIENCE_MS) hasty.timeout_ms = PATIENCE_MS;
    kc_suggestion s = {.word = topic};
    if (kc_connect_any(&hasty, &conn) == 0 && kafka_conn_read_partitions(conn, NULL, 0, &all) == 0) {
        for (size_t i = 0; i < all->count; i++) {
            if (all->items[i].internal == 0) kc_suggest_offer(&s, all->items[i].topic);
        }
    }
    if (s.best != NULL) kc_say_try("did you mean %s?", s.best);
    kafka_partitions_free(all);
    kafka_conn_free(conn);
}

static void advise(const kc_common *c, const kc_failure *f, const char *why)
{
    char option[256];
    const char *b = brokers_option(c, option, sizeof option);
    switch (f->err) {
    case KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION:
        if (f->topic != NULL) advise_similar(c, f->topic);
        if (f->topic != NULL) kc_say_try("create it with: kc topics create%s %s", b, f->topic);
        kc_say_try("see what there is: kc topics list%s", b);
        break;
    case KAFKA_ERR_INVALID_TOPIC: kc_say_try("names are 1 to 249 of: letters without accents, digits, . _ -"); break;
    case KAFKA_ERR_TOPIC_ALREADY_EXISTS:
        if (f->topic != NULL) kc_say_try("look at it: kc topics describe%s %s", b, f->topic);
        break;
    case KAFKA_ERR_MESSAGE_TOO_LARGE:
    case KAFKA_ERR_RECORD_LIST_TOO_LARGE:
        kc_say_try("compress (-z), send smaller messages, or raise the topic's max.message.bytes");
        break;
    case KAFKA_ERESOLVE:
    case KAFKA_EIO:
    case KAFKA_EUNEXPECTED_EOF:
    case KAFKA_EPROTO:
        if (!f->reached) advise_address(c, why);
        break;
    case KAFKA_ETIMEDOUT:
        if (!f->reached) advise_address(c, why);
        if (f->tries <= 1) kc_say_try("kc waited %g seconds; longer: -m SECONDS", (double)c->timeout_ms / 1000);
        break;
    default: break;
    }
}

int kc_connect_explain(const kc_common *c, kc_failure f, const char *fmt, ...)
{
    if (kc_stop_signal() != 0 && f.err == KAFKA_ECANCELED) return KC_SIGNALLED + kc_stop_signal();
    char what[512], why[1024]; /* kafka_last_error() lives until the next failing call only */
    snprintf(why, sizeof why, "%s", f.why != NULL ? f.why : kafka_last_error());
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    kc_say_error("cannot %s: %s", what, *why != '\0' ? why : kafka_strerror(f.err));
    if (f.tries > 1) {
        kc_say_try("kc tried %d times within %g seconds; longer: -m SECONDS", f.tries, (double)c->timeout_ms / 1000);
    }
    advise(c, &f, why);
    return f.err == KAFKA_EINVAL ? KC_USAGE : KC_FAILED;
}
