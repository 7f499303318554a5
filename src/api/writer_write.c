/* A call of kafka_writer_write_messages.
 *
 * Each message is checked, balanced and appended to its partition's open batch; what a message is refused for concerns
 * it alone. Where there is no room the call tells the producer what it has so far, waits, and goes on with the same
 * message, so that the order of a partition is that of the call; when it may not wait any longer, all that is left is
 * refused. What costs more than an append is done once per call: the clock, the topic's partitions, telling the
 * producer.
 *
 * The clock is read once. The wall clock is the monotonic one plus a difference, which is looked at again now and
 * then.
 *
 * Most calls do not get here: those that nothing is special about are writer_quick.c's. Where something comes between,
 * the rest of the call is this file's. */
#include "api/compress.h"
#include "api/message.h"
#include "api/writer.h"
#include "base/thread.h"
#include "base/time.h"
#include <limits.h>
#include <string.h>

enum { NS_PER_MS = 1000000, PLACES = 4, NO_ROOM = INT_MAX /* beside codes */ };

/* Where messages of one topic go, for the length of a call. */
typedef struct place {
    kfk_producer_topic *topic; /* a reference, but for the writer's own; NULL = unused */
    kfk_balancer_topic *balance;
    kfk_producer_map *map; /* a reference; NULL = not looked at, or not known */
    const char *name;      /* of the writer's own: NULL */
} place;

typedef struct writing {
    kafka_writer *w;
    const kafka_ctx *ctx;
    int *results; /* may be NULL */
    size_t count;
    kfk_writer_begun begun;
    kfk_write_call *waiting; /* synchronous: what the outcomes come to */
    kfk_producer_call call;
    int64_t wall_ms;
    bool waited;      /* for room */
    size_t uncounted; /* messages that were accepted and are not in the counts yet */
    int over;         /* nothing more is accepted: with what it is refused; 0 = it is not over */
    kfk_write_sum sum;
    kfk_error *err; /* of the message that is dealt with */
    place own, others[PLACES];
    unsigned next_other;
} writing;

/* Room for both parts of a side, in their order. */
typedef struct side_room {
    uint64_t words[(sizeof(kfk_told_side) + sizeof(kfk_waiting_side)) / sizeof(uint64_t)];
} side_room;

/* ---- time -------------------------------------------------------------------------------------------------------- */

int64_t kfk_writer_read_wall_ms(kafka_writer *w, int64_t now_ms)
{
    int64_t wall = kfk_time_wall_ms();
    atomic_store_explicit(&w->wall_offset_ms, wall - now_ms, memory_order_relaxed);
    atomic_store_explicit(&w->wall_read_ms, now_ms, memory_order_release);
    return wall;
}

static void begin_appending(writing *x, int64_t now_ms)
{
    x->wall_ms = kfk_writer_wall_ms(x->w, now_ms);
    kfk_producer_call_begin(&x->call, x->w->producer, now_ms, x->waiting != NULL);
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

static void leave_place(place *p, bool own)
{
    kfk_producer_map_drop(p->map);
    p->map = NULL;
    if (own || !p->topic) return;
    kfk_producer_topic_drop(p->topic);
    p->topic = NULL;
}

/* A topic by its name; `p` is unused. */
static int look_up(writing *x, const char *name, place *p)
{
    kafka_bytes bytes = kafka_str(name);
    int code = kfk_producer_topic_get(x->w->producer, bytes, &p->topic);
    if (code == KAFKA_ERR_INVALID_TOPIC)
        return kfk_error_set(
            x->err, code,
            "\"%.100s\" cannot be the name of a topic: these have 1 to 249 letters (a-z, A-Z), digits, "
            "'.', '_' or '-', and are neither \".\" nor \"..\"",
            name);
    if (code == KAFKA_EAGAIN) {
        p->topic = NULL;
        return kfk_error_set(x->err, code, "topic %.250s: the writer has been given %d names, and remembers no more",
                             name, KFK_PRODUCER_TOPICS);
    }
    if (code != 0) {
        p->topic = NULL;
        return kfk_error_set(x->err, code, "topic %.250s: %s", name, kafka_strerror(code));
    }
    p->balance = kfk_balancer_topic_of(x->w->balancer, bytes.data, bytes.len);
    p->name = kfk_producer_topic_name(p->topic);
    if (p->balance) return 0;
    leave_place(p, false);
    return kfk_error_set(x->err, KAFKA_ENOMEM, "no memory for the balancer's state of topic %.250s", name);
}

static int find_other(writing *x, const char *name, place **out)
{
    for (unsigned i = 0; i < PLACES; i++) {
        *out = &x->others[i];
        if ((*out)->topic && strcmp((*out)->name, name) == 0) return 0;
    }
    *out = &x->others[x->next_other++ % PLACES];
    leave_place(*out, false);
    return look_up(x, name, *out);
}

/* The topic that the message is for. */
static int find_place(writing *x, const kafka_message *m, place **out)
{
    const char *own = x->w->config->topic, *name = m->topic ? m->topic : own;
    if (!name || !*name)
        return kfk_error_set(x->err, KAFKA_EINVAL,
                             "the message has no topic, and neither has the writer: one of them has to name it");
    if (own && m->topic && strcmp(own, m->topic) != 0)
        return kfk_error_set(x->err, KAFKA_EINVAL,
                             "the message is for topic %.250s, the writer for %.250s; one whose topic is NULL takes "
                             "messages for any",
                             m->topic, own);
    if (!x->w->topic) return find_other(x, name, out);
    *out = &x->own;
    return 0;
}

/* ---- one message ------------------------------------------------------------------------------------------------- */

static int check(writing *x, const kafka_message *m, int32_t *codec)
{
    int code = kfk_message_check(m, "the message", x->err);
    if (code != 0) return code;
    if (m->time_ms < -1)
        return kfk_error_set(x->err, KAFKA_EINVAL, "the message has the time %lld", (long long)m->time_ms);
    kafka_compression wanted = m->compression == KAFKA_COMPRESSION_DEFAULT ? x->w->config->compression : m->compression;
    *codec = wanted == KAFKA_COMPRESSION_NONE ? 0 : wanted;
    return m->compression > 0 || m->compression < KAFKA_COMPRESSION_NONE ? kfk_api_check_codec(wanted, x->err) : 0;
}

static int64_t time_of(const writing *x, const kafka_message *m)
{
    return m->time_ms > 0 ? m->time_ms : x->wall_ms;
}

static const void *fill_in_side(const writing *x, const kafka_message *m, size_t index, side_room *room)
{
    char *at = (char *)room;
    if (x->w->side_size == 0) return NULL;
    if (x->w->config->on_delivery) {
        *(kfk_told_side *)(void *)at = (kfk_told_side){.userdata = m->userdata, .time_ms = time_of(x, m)};
        at += sizeof(kfk_told_side);
    }
    if (x->waiting) *(kfk_waiting_side *)(void *)at = (kfk_waiting_side){.call = x->waiting, .index = (int64_t)index};
    return room;
}

/* The partition for a message: its index in the map is its number. */
static int pick(writing *x, const place *p, const kafka_message *m, kfk_producer_partition **out)
{
    const kfk_producer_map *map = p->map;
    kfk_balancer_offer offer = kfk_writer_offer(map);
    x->err->code = 0;
    int32_t number = kfk_balancer_pick(p->balance, m, &offer, x->err);
    if (x->err->code != 0) return x->err->code;
    *out = map->partitions[number];
    return 0;
}

/* Tries once. `*at`: the partition that was chosen for the message, NULL = not yet. Codes of the producer's come
 * without a text. */
static int append(writing *x, place *p, const kafka_message *m, int32_t codec, const void *side,
                  kfk_producer_partition **at)
{
    int code;
    while (!*at && !p->map && !(p->map = kfk_producer_topic_map(p->topic))) {
        code = kfk_producer_call_wait(&x->call, p->topic, m, time_of(x, m), codec, side);
        if (code != 1) return code == KAFKA_EAGAIN ? NO_ROOM : code;
    }
    if (!*at && (code = pick(x, p, m, at)) != 0) return code;
    code = kfk_producer_call_append(&x->call, *at, m, time_of(x, m), codec, side);
    return code == KAFKA_EAGAIN ? NO_ROOM : code;
}

static size_t record_bytes(const writing *x, const kafka_message *m)
{
    static const kfk_record_writer first;
    return KFK_RECORD_HEADER + kfk_record_size(&first, time_of(x, m), m->key, m->value, m->headers, m->header_count);
}

static int too_big(writing *x, const kafka_message *m)
{
    size_t size = record_bytes(x, m);
    const kafka_writer_config *c = x->w->config;
    const char *limit =
        c->batch_bytes == KAFKA_NEVER || size <= (size_t)c->batch_bytes ? "buffer_bytes" : "batch_bytes";
    long long most = *limit == 'b' && limit[1] == 'u' ? (long long)c->buffer_bytes : c->batch_bytes;
    return kfk_error_set(x->err, KAFKA_ETOOBIG,
                         "the message takes %zu bytes with a batch around it, more than kafka_writer_config.%s, %lld",
                         size, limit, most);
}

/* ---- room -------------------------------------------------------------------------------------------------------- */

static void count_accepted(writing *x)
{
    atomic_fetch_add_explicit(&x->w->counts.accepted, (int64_t)x->uncounted, memory_order_relaxed);
    x->uncounted = 0;
}

static int no_room(writing *x, const char *why)
{
    return kfk_error_set(
        x->err, KAFKA_EAGAIN,
        "no room for the message%s: those without outcome take all of kafka_writer_config.buffer_bytes, "
        "%lld, or the quarter of it that is for topics whose partitions are not known yet",
        why, (long long)x->w->config->buffer_bytes);
}

/* 0: it may be tried again. */
static int wait_for_room(writing *x, place *p, const kafka_message *m)
{
    kfk_op *op;
    kfk_loop *l = x->w->loop;
    int64_t deadline = kfk_writer_deadline(x->ctx);
    bool known = p->map != NULL;
    count_accepted(x);
    kfk_producer_call_end(&x->call);
    leave_place(p, true); /* the topic stays */
    if (deadline <= kfk_time_now_ms()) return no_room(x, "");
    x->waited = true;
    if (kfk_producer_room_new(x->w->producer, known ? NULL : p->topic, record_bytes(x, m), deadline,
                              x->ctx ? x->ctx->cancel : NULL, &op) != 0)
        return kfk_error_set(x->err, KAFKA_ENOMEM, "no memory to wait for room");
    kfk_loop_submit(l, &op->task);
    int code = kfk_op_wait(l, op, KFK_TIME_NEVER);
    if (code == 0) code = op->error.code;
    if (code != 0) *x->err = op->error;
    kfk_op_drop(op);
    if (code == KAFKA_ETIMEDOUT) return no_room(x, " within the deadline");
    if (code == KAFKA_ECANCELED) return no_room(x, " when the call was canceled");
    if (code == 0) begin_appending(x, kfk_time_now_ms());
    return code;
}

/* ---- all messages ------------------------------------------------------------------------------------------------ */

static int accept_one(writing *x, const kafka_message *m, size_t index)
{
    place *p = NULL;
    int32_t codec = 0;
    side_room room;
    kfk_producer_partition *at = index == x->begun.done ? x->begun.at : NULL;
    int code = check(x, m, &codec);
    if (code == 0) code = find_place(x, m, &p);
    if (code != 0) return code;
    const void *side = fill_in_side(x, m, index, &room);
    x->err->code = 0;
    while ((code = append(x, p, m, codec, side, &at)) == NO_ROOM) {
        if ((code = wait_for_room(x, p, m)) != 0) return x->over = code;
    }
    if (code == 0) {
        x->uncounted++;
        return 0;
    }
    if (code == KAFKA_ETOOBIG) return too_big(x, m);
    if (code == KAFKA_ECLOSED) x->over = kfk_error_set(x->err, code, "the writer was closed");
    if (x->err->code == 0) kfk_error_set(x->err, code, "%s", kafka_strerror(code));
    return code;
}

static void refuse(writing *x, size_t index, int code)
{
    if (x->results) x->results[index] = code;
    if (x->waiting && x->waiting->wants_codes) x->waiting->codes[index] = code;
    kfk_write_sum_fail(&x->sum, index, KAFKA_WRITTEN_NO, x->err);
}

static void accept_all(writing *x, const kafka_message *msgs)
{
    int64_t refused_by_limits = 0;
    begin_appending(x, x->begun.at_ns / NS_PER_MS);
    for (size_t i = x->begun.done; i < x->count; i++) {
        int code = x->over != 0 ? x->over : accept_one(x, &msgs[i], i);
        if (code != 0) refuse(x, i, code);
        if (code == KAFKA_ETOOBIG || code == KAFKA_EAGAIN) refused_by_limits++;
    }
    count_accepted(x);
    if (refused_by_limits > 0) kfk_writer_counts_refused(x->w, refused_by_limits);
    leave_place(&x->own, true);
    for (unsigned i = 0; i < PLACES; i++) leave_place(&x->others[i], false);
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

/* Publishes that the wait ended before all outcomes were there. */
static int still_open(writing *x, int code)
{
    kfk_write_call *call = x->waiting;
    size_t known = x->sum.failed + call->sum.fine + call->sum.failed;
    kfk_thread_self()->last_written = KAFKA_WRITTEN_MAYBE;
    return kfk_failf(x->ctx, code,
                     "%s while %zu of %zu messages had no outcome yet; they are still being delivered%s%s",
                     call->op.error.text, x->count - known, x->count, call->waited_for ? "; the writer's oldest: " : "",
                     call->waited_for ? call->waited_for : "");
}

/* A synchronous call: waits for the outcomes of what was accepted. */
static int wait_for_outcomes(writing *x)
{
    kfk_write_call *call = x->waiting;
    if (x->sum.failed == x->count) {
        kfk_producer_call_end(&x->call);
        kfk_write_call_discard(call);
        return kfk_write_sum_publish(&x->sum, x->ctx);
    }
    kfk_producer_call_seal(&x->call);
    int code = kfk_write_call_wait(call, x->sum.failed);
    if (code != KAFKA_EFORKED) { /* in a child nothing of it may be looked at */
        if (x->results) memcpy(x->results, call->codes, x->count * sizeof *x->results);
        if (code == 0) {
            kfk_write_sum_take(&x->sum, &call->sum);
            kfk_writer_counts_long_call(x->w, kfk_time_now_ns() - x->begun.at_ns);
            code = kfk_write_sum_publish(&x->sum, x->ctx);
        } else {
            code = still_open(x, code);
        }
    }
    kfk_op_drop(&call->op);
    return code;
}

/* An asynchronous call. */
static int leave_it(writing *x)
{
    kfk_producer_call_end(&x->call);
    x->sum.fine = x->count - x->sum.failed;
    if (x->sum.fine > 0) {
        if (x->waited)
            kfk_writer_counts_long_call(x->w, kfk_time_now_ns() - x->begun.at_ns);
        else if (kfk_writer_counts_short_call(x->w))
            kfk_writer_counts_short_time(x->w, kfk_time_now_ns() - x->begun.at_ns);
    }
    return kfk_write_sum_publish(&x->sum, x->ctx);
}

/* ---- the call ---------------------------------------------------------------------------------------------------- */

static const char this_call[] = "kafka_writer_write_messages";

/* What keeps the whole call from beginning. */
static int refuse_all(writing *x, const kafka_message *msgs)
{
    const kafka_ctx *ctx = x->ctx;
    int code = kfk_writer_check(x->w, ctx, this_call);
    if (code != 0) return code;
    if (ctx && (ctx->reserved[0] || ctx->reserved[1]))
        return kfk_failf(ctx, KAFKA_EINVAL, "%s: a reserved field of kafka_ctx is not 0", this_call);
    if (!msgs) return kfk_failf(ctx, KAFKA_EINVAL, "%s: the messages are NULL", this_call);
    if (atomic_load(&x->w->closed)) return kfk_failf(ctx, KAFKA_ECLOSED, "%s: the writer was closed", this_call);
    if (ctx && kfk_cancel_fired(ctx->cancel))
        return kfk_failf(ctx, KAFKA_ECANCELED, "%s: canceled before it began; no message was accepted", this_call);
    if (x->begun.at_ns == 0) x->begun.at_ns = kfk_time_now_ns();
    bool may_wait = !x->w->config->async || kfk_writer_deadline(ctx) > x->begun.at_ns / NS_PER_MS;
    if (may_wait && kfk_thread_self()->callback_depth > 0)
        return kfk_failf(ctx, KAFKA_EAGAIN,
                         "%s would have to wait, which a callback must not; an asynchronous write with KAFKA_WITHIN(0) "
                         "does not",
                         this_call);
    if (x->w->config->async) return 0;
    x->waiting = kfk_write_call_new(x->w, ctx, x->count, x->results != NULL);
    return x->waiting ? 0 : kfk_failf(ctx, KAFKA_ENOMEM, "%s: out of memory", this_call);
}

int kfk_writer_write_rest(kafka_writer *w, const kafka_ctx *ctx, const kafka_message *msgs, size_t count, int *results,
                          const kfk_writer_begun *begun)
{
    kfk_error err; /* not zeroed: it is long */
    writing x = {.w = w, .ctx = ctx, .results = results, .count = count, .begun = *begun, .err = &err};
    int code = count == 0 ? kfk_writer_check(w, ctx, this_call) : begun->done == 0 ? refuse_all(&x, msgs) : 0;
    if (code != 0) {
        kfk_thread_self()->last_written = KAFKA_WRITTEN_NO;
        for (size_t i = 0; results && i < count; i++) results[i] = code;
        return code;
    }
    if (count == 0) return 0;
    for (size_t i = 0; results && i < count; i++) results[i] = 0;
    x.own = (place){.topic = w->topic, .balance = w->balance};
    accept_all(&x, msgs);
    code = w->config->async ? leave_it(&x) : wait_for_outcomes(&x);
    kfk_write_sum_fini(&x.sum);
    return code;
}

/* ---- messages that waited for their topic ------------------------------------------------------------------------ */

int32_t kfk_writer_balance(void *writer, const kafka_message *m, const kfk_producer_map *map, kfk_error *err)
{
    kafka_writer *w = writer;
    kfk_balancer_offer offer = kfk_writer_offer(map);
    kfk_balancer_topic *t = kfk_balancer_topic_of(w->balancer, m->topic, strlen(m->topic));
    if (!t) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for the balancer's state of the topic");
    int32_t number = kfk_balancer_pick(t, m, &offer, err);
    return err->code != 0 ? err->code : number;
}
