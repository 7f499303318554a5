/* writer.c: from messages to outcomes.
 *
 * The writer of the library batches, spreads, compresses, retries and keeps order. It is used in its asynchronous mode,
 * so a fast pipe fills large batches while earlier ones travel; what is left is flushed, and waited for, whenever the
 * input has nothing at the moment.
 *
 * Before it is made the topic is looked up and a leader is dialled: a mistyped name, or an address that only makes
 * sense elsewhere, is told at once, and not after all the tries that a cluster gets which was there a moment ago.
 *
 * A message larger than a batch usually may be goes through a second writer with a larger limit, alone, after
 * everything before it has its outcome: so it can be written where the topic allows that, the order stays, and batches
 * do not grow beyond what all brokers take. */
#include "writer.h"
#include "connect.h"
#include "delivery.h"
#include "progress.h"
#include "say.h"
#include "stop.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_BYTES = 1 << 20,    /* what brokers take unless they are told otherwise, less 12 bytes */
    LARGE_BYTES = 1 << 30,    /* for one message: the broker knows better */
    ENDLESSLY = 1 << 30,      /* tries: the timeout ends them */
    AFTER_SIGNAL_MS = 2000,   /* for what is outstanding then */
    SHOW_PROGRESS_EVERY = 256 /* messages */
};

struct kc_writer {
    const kc_writer_config *cfg;
    kafka_balancer *balancer;
    kc_delivery *delivery;
    kafka_writer *writer, *large;   /* large: NULL until it is needed */
    uint64_t taken, bytes, batches; /* bytes, batches: that went out, as far as the statistics were asked */
    uint64_t large_number;          /* the last message that went through `large`, and its size */
    size_t large_size;
    bool failed; /* in a way that is no message's, and was said */
};

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void log_line(void *userdata, kafka_log_level level, const char *line)
{
    (void)userdata;
    (void)level;
    kc_say_detail("%s", line);
}

static int new_writer(const kc_writer *w, int32_t batch_bytes, kafka_writer **out)
{
    const kc_writer_config *o = w->cfg;
    kafka_dialer dialer = {.client_id = "kc", .timeout_ms = o->common->timeout_ms};
    kafka_logger logger = {.log = log_line, .max_level = KAFKA_LOG_INFO};
    kafka_writer_config cfg = {.brokers = o->common->brokers,
                               .topic = o->topic,
                               .dialer = &dialer,
                               .logger = o->common->verbose ? &logger : NULL,
                               .balancer = w->balancer,
                               .on_delivery = kc_delivery_told,
                               .on_delivery_userdata = w->delivery,
                               .batch_bytes = batch_bytes,
                               .required_acks = o->acks,
                               .compression = o->codec,
                               .no_idempotence = o->no_idempotence,
                               .async = 1,
                               .max_attempts = ENDLESSLY,
                               .delivery_timeout_ms = o->common->timeout_ms};
    if (batch_bytes > BATCH_BYTES) cfg.buffer_bytes = 2 * (int64_t)batch_bytes; /* a limit: nothing is allocated */
    return kafka_writer_new(&cfg, out);
}

/* Connects to the leader of the partition, or of the first that has one. */
static int try_leader(const kc_writer_config *o, const kafka_partitions *found)
{
    kafka_conn *conn = NULL;
    for (size_t i = 0; i < found->count; i++) {
        const kafka_partition *p = &found->items[i];
        if ((o->partition >= 0 && p->id != o->partition) || !kc_connect_has_leader(p)) continue;
        int err = kc_connect_leader(o->common, o->topic, p->id, &conn);
        kafka_conn_free(conn);
        return err;
    }
    return 0; /* there may be one soon */
}

static int look_up(const kc_writer_config *o)
{
    kafka_partitions *found = NULL;
    int code = KC_OK, err = kc_connect_partitions(o->common, o->topic, true, &found);
    if (err == 0 && o->partition >= 0 && !kc_connect_has_partition(found, o->partition)) {
        kc_say_error("topic %s has no partition %d: it has %zu, from 0", o->topic, (int)o->partition, found->count);
        code = KC_FAILED;
    } else if (err == 0) {
        err = try_leader(o, found);
    }
    if (err != 0)
        code =
            kc_connect_explain(o->common, (kc_failure){.err = err, .topic = o->topic}, "write to topic %s", o->topic);
    kafka_partitions_free(found);
    return code;
}

/* The library says so by itself when the cluster turns out to be too old for it. */
static void tell_idempotence(const kc_writer *w)
{
    if (w->cfg->no_idempotence)
        kc_say_detail("idempotence is off (--no-idempotence): what is sent again may be there twice");
    else if (kafka_writer_get_config(w->writer)->required_acks != KAFKA_ACKS_ALL)
        kc_say_detail("idempotence is off (it needs --acks all): what is sent again may be there twice");
    else
        kc_say_detail("idempotence is in force: what is sent again is not written twice");
}

int kc_writer_open(const kc_writer_config *cfg, kc_writer **out)
{
    const kc_partitioner *p = cfg->partitioner != NULL ? cfg->partitioner : &kc_partitioner_default;
    int code = look_up(cfg);
    if (code != KC_OK) return code;
    kc_writer *w = kc_zalloc(1, sizeof *w);
    w->cfg = cfg;
    w->delivery = kc_delivery_new(cfg->report);
    w->balancer = cfg->partition >= 0 ? kafka_balancer_manual() : p->make();
    int err = w->balancer == NULL ? KAFKA_ENOMEM : new_writer(w, BATCH_BYTES, &w->writer);
    if (err != 0) {
        code = kc_connect_explain(cfg->common, (kc_failure){.err = err}, "write to topic %s", cfg->topic);
        kc_writer_free(w);
        return code;
    }
    tell_idempotence(w);
    *out = w;
    return KC_OK;
}

void kc_writer_free(kc_writer *w)
{
    kafka_writer_free(w->writer);
    kafka_writer_free(w->large);
    kafka_balancer_free(w->balancer);
    kc_delivery_free(w->delivery);
    free(w);
}

/* ---- what went wrong, and how far it got ------------------------------------------------------------------------- */

static void explain(const kc_writer *w, const kc_failed *f)
{
    const kc_writer_config *o = w->cfg;
    char number[32], size[32], where[32] = "";
    if (f->partition >= 0) snprintf(where, sizeof where, "partition %d of ", (int)f->partition);
    kc_failure failure = {.err = f->err, .why = f->why, .topic = o->topic, .reached = true};
    kc_connect_explain(o->common, failure, "write to %stopic %s", where, o->topic);
    kc_count_text(f->number, number);
    if (f->number == w->large_number)
        kc_say_try("it was message %s, of %s", number, kc_bytes_text(w->large_size, size));
    else
        kc_say_try("it was message %s", number);
    if (f->written != KAFKA_WRITTEN_NO && f->partition >= 0)
        kc_say_try("nobody knows whether it was written; what is there shows: kc consume -t %s -p %d -o -5 -e",
                   o->topic, (int)f->partition);
}

static void add_stats(kc_writer *w, kafka_writer *of)
{
    kafka_writer_stats s;
    if (of == NULL) return;
    kafka_writer_stats_snapshot(of, &s);
    w->bytes += (uint64_t)s.bytes;
    w->batches += (uint64_t)s.writes;
}

static void show_progress(kc_writer *w)
{
    add_stats(w, w->writer);
    add_stats(w, w->large);
    kc_progress_update(kc_delivery_counts(w->delivery).acknowledged, w->bytes);
}

/* Tells what is new. False: reading on is no use. */
static bool look(kc_writer *w)
{
    kc_failed failed;
    if (w->cfg->report) kc_delivery_report(w->delivery);
    while (kc_stop_signal() == 0 && kc_delivery_next_failure(w->delivery, &failed)) explain(w, &failed);
    return kc_stop_signal() == 0 && !w->failed && !kc_delivery_is_hopeless(w->delivery);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static bool flush(kc_writer *w, kafka_writer *writer)
{
    kafka_ctx ctx = {.cancel = kc_stop_token()};
    int err = kafka_writer_flush(writer, &ctx);
    if (err != 0 && kc_stop_signal() == 0) {
        kc_say_error("%s", kafka_last_error());
        w->failed = true;
    }
    if (kc_progress_wanted()) show_progress(w);
    return look(w);
}

bool kc_writer_flush(kc_writer *w)
{
    return flush(w, w->writer);
}

/* One message through one of the two. KAFKA_ETOOBIG is left to the caller. */
static int put(kc_writer *w, kafka_writer *writer, const kafka_message *m)
{
    kafka_ctx ctx = {.cancel = kc_stop_token()};
    int err = kafka_writer_write_messages(writer, &ctx, m, 1, NULL);
    if (err != 0 && err != KAFKA_ETOOBIG && kc_stop_signal() == 0)
        kc_delivery_refused(w->delivery, (uintptr_t)m->userdata, err);
    return err;
}

static bool put_large(kc_writer *w, const kafka_message *m)
{
    if (!flush(w, w->writer)) return false;
    int err = w->large != NULL ? 0 : new_writer(w, LARGE_BYTES, &w->large);
    w->large_number = (uintptr_t)m->userdata;
    w->large_size = m->key.len + m->value.len;
    if (err == 0) err = put(w, w->large, m);
    if (err == KAFKA_ETOOBIG || w->large == NULL) kc_delivery_refused(w->delivery, w->large_number, err);
    return err == 0 ? flush(w, w->large) : look(w);
}

bool kc_writer_put(kc_writer *w, kafka_message *m)
{
    m->userdata = (void *)(uintptr_t)++w->taken;
    m->partition = w->cfg->partition >= 0 ? w->cfg->partition : 0; /* only the manual balancer looks at it */
    if (put(w, w->writer, m) == KAFKA_ETOOBIG) return put_large(w, m);
    if (w->taken % SHOW_PROGRESS_EVERY == 0 && kc_progress_wanted()) show_progress(w);
    return look(w);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* Nothing is outstanding any more when this returns. */
static void close_writers(kc_writer *w)
{
    if (kc_stop_signal() == 0) flush(w, w->writer);
    kafka_ctx ctx = {.deadline = kafka_deadline_in(kc_stop_signal() == 0 ? KAFKA_NEVER : AFTER_SIGNAL_MS)};
    kafka_writer_close(w->writer, &ctx); /* what it could not write is told by the callback */
    if (w->large != NULL) kafka_writer_close(w->large, &ctx);
    add_stats(w, w->writer);
    add_stats(w, w->large);
    look(w);
}

static void count_up(const kc_writer *w, const kc_counts *c, char *text, size_t cap)
{
    const char *verb = w->cfg->acks == KAFKA_ACKS_NONE ? "sent (nobody acknowledges them)" : "acknowledged";
    uint64_t failed = kc_stop_signal() == 0 ? c->failed : 0; /* what a signal cut off did not fail */
    uint64_t unsent = w->taken - c->acknowledged - c->unknown - failed;
    char number[32];
    int n = snprintf(text, cap, "%s message%s %s", kc_count_text(c->acknowledged, number),
                     c->acknowledged == 1 ? "" : "s", verb);
    if (failed > 0) n += snprintf(text + n, cap - (size_t)n, ", %s failed", kc_count_text(failed, number));
    if (c->unknown > 0) {
        n += snprintf(text + n, cap - (size_t)n, ", %s possibly written (no answer came)",
                      kc_count_text(c->unknown, number));
    }
    if (unsent > 0) snprintf(text + n, cap - (size_t)n, ", %s read but not written", kc_count_text(unsent, number));
}

int kc_writer_finish(kc_writer *w, int code)
{
    char text[320], bytes[32];
    close_writers(w);
    kc_counts c = kc_delivery_counts(w->delivery);
    count_up(w, &c, text, sizeof text);
    kc_progress_end(c.acknowledged, w->bytes);
    if (kc_stop_signal() != 0) {
        if (kc_stop_signal() == SIGINT)
            kc_say("interrupted: %s", text);
        else
            kc_say("stopped by signal %d (%s): %s", kc_stop_signal(), strsignal(kc_stop_signal()), text);
        return KC_SIGNALLED + kc_stop_signal();
    }
    if (code == KC_OK && (c.failed > 0 || c.unknown > 0 || w->failed)) code = KC_FAILED;
    if (code != KC_OK)
        kc_say_try("%s", text);
    else
        kc_say_detail("%s, %s in %llu batch%s", text, kc_bytes_text(w->bytes, bytes), (unsigned long long)w->batches,
                      w->batches == 1 ? "" : "es");
    return code;
}
