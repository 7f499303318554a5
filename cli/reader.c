/* reader.c: fetch, print, again.
 *
 * Each reader has its own connection to its partition's leader and formats into its own buffer, so decompression and
 * formatting use all processors; only the finished text goes through the lock of the output. The buffer is written at
 * the end of each batch, so nothing that was fetched waits while the reader waits for more.
 *
 * The first reader that fails stops the others. Errors that pass (a leader that moves, a lost connection) are retried
 * from the position reached, for --timeout seconds without any success in between. */
#include "reader.h"
#include "connect.h"
#include "output.h"
#include "say.h"
#include "stop.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WRITE_AT = 256 << 10, KEEP = 4 << 20, IDLE_WAIT_MS = 5000, STACK = 512 << 10 };

struct kc_reader {
    kc_reading *shared;
    int32_t partition;
    pthread_t thread;
    kafka_conn *conn;
    bool placed;               /* next and end are known */
    int64_t next, end;         /* end: when reading began */
    int64_t oldest, following; /* what the partition holds, as last heard: following is the next to be written */
    kc_buf out;
};

/* ---- beginning --------------------------------------------------------------------------------------------------- */

/* Turns -o into an offset. 0, a code of the library, or KAFKA_ERR_OFFSET_OUT_OF_RANGE. */
static int place(kc_reader *r)
{
    const kc_position *from = &r->shared->from;
    int64_t first = 0, last = 0, found = -1;
    int err = kafka_conn_read_offsets(r->conn, &first, &last);
    if (err == 0 && from->from == KC_FROM_TIME) err = kafka_conn_read_offset(r->conn, from->value, &found);
    if (err != 0) return err;
    switch (from->from) {
    case KC_FROM_BEGINNING: r->next = first; break;
    case KC_FROM_END: r->next = last; break;
    case KC_FROM_OFFSET: r->next = from->value; break;
    case KC_FROM_BEFORE_END: r->next = last - first < from->value ? first : last - from->value; break;
    case KC_FROM_TIME: r->next = found >= 0 ? found : last; break;
    }
    r->oldest = first;
    r->end = r->following = last;
    r->placed = r->next >= first && r->next <= last;
    return r->placed ? 0 : KAFKA_ERR_OFFSET_OUT_OF_RANGE;
}

/* Connects and goes to the position. */
static int connect_reader(kc_reader *r)
{
    int err = kc_connect_leader(r->shared->common, r->shared->topic, r->partition, &r->conn);
    if (err == 0 && !r->placed) err = place(r);
    if (err == 0) err = kafka_conn_seek(r->conn, r->next, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL);
    return err;
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static bool write_out(kc_reader *r)
{
    bool ok = r->out.len == 0 || kc_output_write(r->out.data, r->out.len);
    r->out.len = 0;
    if (r->out.cap > KEEP) { /* one giant message should not hold its memory for ever */
        free(r->out.data);
        r->out = (kc_buf){0};
    }
    return ok;
}

typedef enum outcome { MORE, FINISHED, FAILED } outcome;

/* Takes one message of the count that all readers share. */
static bool claim(kc_reading *s)
{
    return !s->limited || atomic_fetch_sub(&s->left, 1) > 0;
}

/* Prints a batch up to the end that was asked for. *err is what ended the batch, KAFKA_EOF if nothing is wrong. */
static outcome print_batch(kc_reader *r, kafka_batch *batch, int *err)
{
    kc_reading *s = r->shared;
    uint64_t messages = 0, bytes = 0;
    outcome result = MORE;
    kafka_message m;
    while (result == MORE && (*err = kafka_batch_read_message(batch, &m)) == 0) {
        if ((s->stop_at_end && m.offset >= r->end) || !claim(s)) {
            result = FINISHED;
            break;
        }
        kc_format_write(&s->format, &m, &r->out);
        messages++;
        bytes += m.key.len + m.value.len;
        if (r->out.len >= WRITE_AT && !write_out(r)) result = FINISHED;
    }
    atomic_fetch_add(&s->messages, messages);
    atomic_fetch_add(&s->bytes, bytes);
    r->next = kafka_batch_offset(batch);
    bool all = s->limited && atomic_load(&s->left) <= 0;
    return write_out(r) && !all ? result : FINISHED;
}

/* One fetch. FAILED: *err says why, and kafka_last_error(). */
static outcome read_batch(kc_reader *r, int *err)
{
    kc_reading *s = r->shared;
    const kafka_fetch fetch = {.max_wait_ms = IDLE_WAIT_MS, .min_bytes = 1, .max_bytes = s->fetch_bytes};
    kafka_batch *batch = NULL;
    kc_connect_rearm(s->common, r->conn, IDLE_WAIT_MS);
    *err = kafka_conn_read_batch(r->conn, &fetch, &batch);
    if (*err != 0) return FAILED;
    int ended = 0;
    outcome result = print_batch(r, batch, &ended);
    *err = kafka_batch_close(batch);
    if (result == FINISHED) return FINISHED;
    if (*err == 0 && ended != 0 && ended != KAFKA_EOF) *err = ended;
    return *err != 0 ? FAILED : MORE;
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* The records at our position may have been deleted (retention) while we read: goes on with what is left then, and says
 * what is missing. */
static bool skip_deleted(kc_reader *r)
{
    kc_connect_rearm(r->shared->common, r->conn, 0);
    if (kafka_conn_read_offsets(r->conn, &r->oldest, &r->following) != 0 || r->oldest <= r->next) return false;
    kc_say("partition %d: offsets %lld to %lld were deleted before they could be read", (int)r->partition,
           (long long)r->next, (long long)r->oldest - 1);
    r->next = r->oldest;
    return kafka_conn_seek(r->conn, r->next, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL) == 0;
}

static void explain_range(const kc_reader *r)
{
    char held[96];
    if (r->oldest < r->following)
        snprintf(held, sizeof held, "it holds %lld to %lld", (long long)r->oldest, (long long)r->following - 1);
    else
        snprintf(held, sizeof held, "it is empty, the next will be %lld", (long long)r->following);
    kc_say_error("cannot read partition %d of topic %s from offset %lld: %s", (int)r->partition, r->shared->topic,
                 (long long)r->next, held);
    kc_say_try("begin elsewhere: -o beginning, -o end, -o -N for the last N");
}

/* A topic that was deleted while we read would come back, empty, with the next dial, on brokers that create what is
 * asked for by name (auto.create.topics.enable). */
static bool is_deleted(const kc_reader *r)
{
    kafka_partitions *found = NULL;
    int err = kc_connect_partitions(r->shared->common, r->shared->topic, false, &found);
    kafka_partitions_free(found);
    return err == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
}

/* Says why this reader gives up (`why` NULL: kafka_last_error()), and stops the others; unless it was stopped itself,
 * or another one is doing so. */
static void fail(kc_reader *r, int err, const char *why, int tries)
{
    kc_reading *s = r->shared;
    int none = KC_OK;
    if (err == KAFKA_ECANCELED || !atomic_compare_exchange_strong(&s->code, &none, KC_FAILED)) return;
    kc_failure failure = {.err = err, .why = why, .topic = s->topic, .reached = true, .tries = tries};
    if (err == KAFKA_ERR_OFFSET_OUT_OF_RANGE)
        explain_range(r);
    else if (!r->placed)
        kc_connect_explain(s->common, failure, "read partition %d of topic %s", (int)r->partition, s->topic);
    else
        kc_connect_explain(s->common, failure, "read partition %d of topic %s at offset %lld", (int)r->partition,
                           s->topic, (long long)r->next);
    kc_stop_all();
}

static void drop_connection(kc_reader *r)
{
    kafka_conn_free(r->conn);
    r->conn = NULL;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static void read_partition(kc_reader *r)
{
    kc_reading *s = r->shared;
    int64_t give_up = 0;
    for (int retry = 0;;) {
        int err = r->conn == NULL ? connect_reader(r) : 0;
        if (err == 0) {
            if (s->stop_at_end && r->next >= r->end) return;
            outcome result = read_batch(r, &err);
            if (result == FINISHED) return;
            if (result == MORE) {
                retry = 0;
                give_up = 0;
                continue;
            }
        }
        if (err == KAFKA_ERR_OFFSET_OUT_OF_RANGE && r->placed && skip_deleted(r)) continue;
        if (give_up == 0) give_up = kafka_deadline_in(s->common->timeout_ms);
        if (!kc_connect_may_retry(err, r->placed) || kafka_now_ms() >= give_up) {
            fail(r, err, NULL, retry + 1);
            return;
        }
        if (err == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION && is_deleted(r)) {
            fail(r, err, kc_connect_why(err), 1);
            return;
        }
        kc_say_detail("partition %d: %s; trying again in %lld ms", (int)r->partition, kafka_last_error(),
                      (long long)kc_connect_backoff_ms(retry));
        drop_connection(r);
        if (!kc_stop_pause(kc_connect_backoff_ms(retry++))) return;
    }
}

static void *thread_main(void *arg)
{
    kc_reader *r = arg;
    kc_reading *s = r->shared;
    read_partition(r);
    bool all = s->limited && atomic_load(&s->left) <= 0;
    if (all || kc_output_gone()) kc_stop_all();
    drop_connection(r);
    atomic_fetch_sub(&s->running, 1);
    const uint64_t one = 1;
    ssize_t n = write(s->done_fd, &one, sizeof one);
    (void)n;
    return NULL;
}

kc_reader *kc_reader_start(kc_reading *shared, int32_t partition)
{
    kc_reader *r = kc_zalloc(1, sizeof *r);
    r->shared = shared;
    r->partition = partition;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    atomic_fetch_add(&shared->running, 1);
    int err = pthread_create(&r->thread, &attr, thread_main, r);
    pthread_attr_destroy(&attr);
    if (err == 0) return r;
    atomic_fetch_sub(&shared->running, 1);
    kc_say_error("cannot start a thread for partition %d: %s", (int)partition, strerror(err));
    kc_say_try("read fewer partitions at once: -p");
    free(r);
    return NULL;
}

void kc_reader_join(kc_reader *r)
{
    pthread_join(r->thread, NULL);
    free(r->out.data);
    free(r);
}
