/* sender.c: from messages to acknowledged batches.
 *
 * One batch is on its way at a time and the call waits for its answer: what was acknowledged is then always known,
 * order within a partition holds whatever is retried, and while a batch travels the input's pipe fills with the next
 * one.
 *
 * A batch that certainly was not written (kafka_last_written) is sent again when the error is one that passes, after
 * asking anew who leads the partition. A batch whose outcome is unknown is never sent again unless the user asked for
 * it: without idempotence that could write it twice. */
#include "sender.h"
#include "connect.h"
#include "murmur2.h"
#include "pending.h"
#include "progress.h"
#include "say.h"
#include "stop.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_WAITING = 64 << 20 }; /* bytes pending in all partitions together */

typedef struct target {
    int32_t id;
    bool led; /* had a leader that can be reached when it was looked up */
    kafka_conn *conn;
    kc_pending pending;
} target;

struct kc_sender {
    const kc_sender_config *cfg;
    target *targets;
    size_t count, sticky;
    size_t waiting; /* bytes pending */
    uint64_t acknowledged, bytes, batches, unknown, taken;
};

/* ---- targets ----------------------------------------------------------------------------------------------------- */

/* The next partition for messages without a key: one with a leader, if there is any. */
static void turn_sticky(kc_sender *s)
{
    if (s->cfg->partition >= 0) return;
    for (size_t i = 0; i < s->count; i++) {
        s->sticky = (s->sticky + 1) % s->count;
        if (s->targets[s->sticky].led) return;
    }
}

static int pick_targets(kc_sender *s, const kafka_partitions *found)
{
    int32_t wanted = s->cfg->partition;
    s->count = found->count;
    s->targets = kc_zalloc(found->count, sizeof *s->targets);
    s->sticky = found->count;
    for (size_t i = 0; i < found->count; i++) {
        s->targets[i].id = found->items[i].id;
        s->targets[i].led = kc_connect_has_leader(&found->items[i]);
        if (found->items[i].id == wanted) s->sticky = i;
    }
    if (wanted >= 0 && s->sticky == found->count) {
        kc_say_error("topic %s has no partition %d: it has %zu, from 0", s->cfg->topic, (int)wanted, found->count);
        return KC_FAILED;
    }
    if (wanted < 0 && found->count > 0) {
        s->sticky = (size_t)(kafka_now_ms() ^ getpid()) % found->count; /* many short runs should spread */
        turn_sticky(s);
    }
    return KC_OK;
}

int kc_sender_open(const kc_sender_config *cfg, kc_sender **out)
{
    kafka_partitions *found = NULL;
    int err = kc_connect_partitions(cfg->common, cfg->topic, true, &found);
    if (err != 0)
        return kc_connect_explain(cfg->common, (kc_failure){.err = err, .topic = cfg->topic}, "write to topic %s",
                                  cfg->topic);
    kc_sender *s = kc_zalloc(1, sizeof *s);
    s->cfg = cfg;
    int code = pick_targets(s, found);
    kafka_partitions_free(found);
    if (code != KC_OK)
        kc_sender_free(s);
    else
        *out = s;
    return code;
}

void kc_sender_free(kc_sender *s)
{
    for (size_t i = 0; i < s->count; i++) {
        kafka_conn_free(s->targets[i].conn);
        kc_pending_free(&s->targets[i].pending);
    }
    free(s->targets);
    free(s);
}

static void drop_connection(target *t)
{
    kafka_conn_free(t->conn);
    t->conn = NULL;
}

static target *route(kc_sender *s, const kafka_message *m)
{
    bool keyed = m->key.data != NULL && s->cfg->partition < 0;
    return &s->targets[keyed ? (size_t)kc_murmur2_partition(m->key.data, m->key.len, (int32_t)s->count) : s->sticky];
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

/* One try. *written says whether the batch may be in the log after an error. */
static int send_once(kc_sender *s, target *t, const kafka_message *messages, size_t count, size_t *bytes,
                     kafka_written *written)
{
    *written = KAFKA_WRITTEN_NO;
    if (t->conn == NULL) {
        int err = kc_connect_leader(s->cfg->common, s->cfg->topic, t->id, &t->conn);
        if (err != 0) return err;
    }
    kc_connect_rearm(s->cfg->common, t->conn, 0);
    kc_stop_hold();
    int err = kafka_conn_write_messages(t->conn, messages, count, s->cfg->codec, bytes);
    kc_stop_release();
    if (err != 0) *written = kafka_last_written();
    return err;
}

static bool send_again(const kc_sender *s, int err, kafka_written written)
{
    if (written != KAFKA_WRITTEN_NO && !s->cfg->retry_unknown) return false;
    return kc_connect_may_retry(err, s->batches > 0);
}

static int explain(const kc_sender *s, const target *t, const kafka_message *messages, size_t count, kc_failure failure)
{
    char first[32], last[32];
    int code =
        kc_connect_explain(s->cfg->common, failure, "write to partition %d of topic %s", (int)t->id, s->cfg->topic);
    if (kc_stop_signal() != 0 || kafka_err_is_temporary(failure.err)) return code; /* no matter of the messages */
    kc_count_text((uintptr_t)messages[0].userdata, first);
    kc_count_text((uintptr_t)messages[count - 1].userdata, last);
    if (count == 1)
        kc_say_try("it was message %s, of %s", first, kc_bytes_text(messages[0].key.len + messages[0].value.len, last));
    else
        kc_say_try("the batch was of %zu messages between %s and %s", count, first, last);
    return code;
}

/* The batch may be in the log or not. */
static void leave_unknown(kc_sender *s, const target *t, size_t count)
{
    s->unknown += count;
    if (kc_stop_signal() != 0) return;
    kc_say_try("nobody knows whether the last batch was written; what is there shows: kc consume -t %s -p %d -o -5 -e",
               s->cfg->topic, (int)t->id);
    if (!s->cfg->retry_unknown)
        kc_say_try("with --retry-unknown kc sends such a batch again: nothing is lost then, some may be twice");
}

/* Sends a batch, again and again while that is right. */
static int send_batch(kc_sender *s, target *t, const kafka_message *messages, size_t count)
{
    int64_t give_up = 0;
    for (int retry = 0;; retry++) {
        size_t bytes = 0;
        kafka_written written;
        int err = send_once(s, t, messages, count, &bytes, &written);
        if (err == 0) {
            s->acknowledged += count;
            s->bytes += bytes;
            s->batches++;
            kc_progress_update(s->acknowledged, s->bytes);
            return KC_OK;
        }
        if (give_up == 0) give_up = kafka_deadline_in(s->cfg->common->timeout_ms);
        bool again = send_again(s, err, written) && kafka_now_ms() < give_up;
        if (!again || kc_stop_signal() != 0) {
            kc_failure failure = {.err = err, .topic = s->cfg->topic, .reached = true, .tries = retry + 1};
            int code = explain(s, t, messages, count, failure);
            if (written != KAFKA_WRITTEN_NO) leave_unknown(s, t, count);
            return code;
        }
        kc_say_detail("partition %d: %s; trying again in %lld ms", (int)t->id, kafka_last_error(),
                      (long long)kc_connect_backoff_ms(retry));
        drop_connection(t);
        if (!kc_stop_pause(kc_connect_backoff_ms(retry))) return KC_SIGNALLED + kc_stop_signal();
    }
}

static int flush_target(kc_sender *s, target *t)
{
    if (t->pending.count == 0) return KC_OK;
    int code = send_batch(s, t, t->pending.messages, t->pending.count);
    if (code != KC_OK) return code;
    s->waiting -= t->pending.used;
    kc_pending_clear(&t->pending);
    if (t == &s->targets[s->sticky]) turn_sticky(s);
    return KC_OK;
}

int kc_sender_flush(kc_sender *s)
{
    int code = KC_OK;
    size_t first = s->sticky; /* flushing turns it */
    for (size_t i = 0; i < s->count && code == KC_OK; i++) code = flush_target(s, &s->targets[(first + i) % s->count]);
    return code;
}

int kc_sender_put(kc_sender *s, const kafka_message *m)
{
    size_t size = kc_pending_size(m);
    s->taken++;
    target *t = route(s, m);
    if (!kc_pending_fits(&t->pending, size)) {
        int code = flush_target(s, t);
        if (code != KC_OK) return code;
        t = route(s, m);
        if (!kc_pending_fits(&t->pending, size)) code = flush_target(s, t);
        if (code != KC_OK) return code;
        if (!kc_pending_fits(&t->pending, size)) return send_batch(s, t, m, 1); /* too large for company */
    }
    size_t before = t->pending.used;
    kc_pending_add(&t->pending, m, size);
    s->waiting += t->pending.used - before;
    return s->waiting > MOST_WAITING ? kc_sender_flush(s) : KC_OK;
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static void count_up(const kc_sender *s, char *text, size_t cap)
{
    char number[32];
    uint64_t unsent = s->taken - s->acknowledged - s->unknown;
    int n = snprintf(text, cap, "%s message%s acknowledged", kc_count_text(s->acknowledged, number),
                     s->acknowledged == 1 ? "" : "s");
    if (s->unknown > 0) {
        n += snprintf(text + n, cap - (size_t)n, ", %s possibly written (no answer came)",
                      kc_count_text(s->unknown, number));
    }
    if (unsent > 0) snprintf(text + n, cap - (size_t)n, ", %s read but not written", kc_count_text(unsent, number));
}

int kc_sender_tell(kc_sender *s, int code)
{
    char counts[256], bytes[32];
    count_up(s, counts, sizeof counts);
    kc_progress_end(s->acknowledged, s->bytes);
    if (kc_stop_signal() != 0) {
        if (kc_stop_signal() == SIGINT)
            kc_say("interrupted: %s", counts);
        else
            kc_say("stopped by signal %d (%s): %s", kc_stop_signal(), strsignal(kc_stop_signal()), counts);
        return KC_SIGNALLED + kc_stop_signal();
    }
    if (code != KC_OK)
        kc_say_try("%s", counts);
    else
        kc_say_detail("%s, %s in %llu batches", counts, kc_bytes_text(s->bytes, bytes), (unsigned long long)s->batches);
    return code;
}
