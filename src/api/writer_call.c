/* What a synchronous call waits for. Outcomes are put down under the baton, in memory of the call's own; the caller
 * reads them once the operation has finished, after which nobody writes there any more. `open` begins with one more
 * than there are messages: outcomes may come while the caller still appends, and must not end the call. */
#include "api/writer.h"
#include "base/mem.h"
#include "base/thread.h"
#include <assert.h>

/* ---- sums -------------------------------------------------------------------------------------------------------- */

static void remember(kfk_write_sum *s, size_t index, const kfk_error *err)
{
    s->first = index;
    s->code = err->code;
    if (!s->why) s->why = kfk_mem_alloc(sizeof *s->why);
    if (s->why) *s->why = *err;
}

void kfk_write_sum_fail(kfk_write_sum *s, size_t index, kafka_written written, const kfk_error *err)
{
    if (s->failed > 0 && err->code != s->code) s->mixed = true;
    if (s->failed == 0 || index < s->first) remember(s, index, err);
    if (written > s->written) s->written = written;
    s->failed++;
}

void kfk_write_sum_take(kfk_write_sum *s, kfk_write_sum *more)
{
    s->fine += more->fine;
    s->mixed = s->mixed || more->mixed || (s->failed > 0 && more->failed > 0 && s->code != more->code);
    if (more->written > s->written) s->written = more->written;
    if (more->failed > 0 && (s->failed == 0 || more->first < s->first)) {
        kfk_error *other = s->why;
        s->first = more->first;
        s->code = more->code;
        s->why = more->why;
        more->why = other;
    }
    s->failed += more->failed;
    kfk_write_sum_fini(more);
}

void kfk_write_sum_fini(kfk_write_sum *s)
{
    kfk_mem_free(s->why);
    *s = (kfk_write_sum){0};
}

int kfk_write_sum_publish(kfk_write_sum *s, const kafka_ctx *ctx)
{
    if (s->failed == 0) return 0;
    const char *why = s->why ? s->why->text : kafka_strerror(s->code);
    size_t count = s->fine + s->failed;
    kfk_thread_self()->last_written = s->written;
    if (s->mixed || s->fine > 0)
        return kfk_failf(ctx, KAFKA_EPARTIAL, "%zu of %zu messages failed, the first of them, number %zu: %s",
                         s->failed, count, s->first, why);
    if (count == 1) return kfk_failf(ctx, s->code, "%s", why);
    return kfk_failf(ctx, s->code, "all %zu messages failed: %s", count, why);
}

/* ---- the call ---------------------------------------------------------------------------------------------------- */

static void finish(kfk_write_call *call)
{
    kfk_loop *l = call->writer->loop;
    kfk_limit_stop_loop(l, &call->limit);
    kfk_op_finish_loop(l, &call->op);
}

static void limit_hit(kfk_limit *limit, int code)
{
    kfk_write_call *call = KFK_CONTAINER(limit, kfk_write_call, limit);
    char oldest[KFK_ERROR_TEXT];
    kfk_error_set(&call->op.error, code, "%s", code == KAFKA_ETIMEDOUT ? "the deadline has passed" : "canceled");
    kfk_producer_describe_loop(call->writer->producer, oldest, sizeof oldest);
    if (oldest[0]) call->waited_for = kfk_mem_strdup(oldest);
    finish(call);
}

void kfk_write_call_ended_loop(kfk_write_call *call, int64_t messages)
{
    int64_t before = atomic_fetch_sub(&call->open, messages);
    assert(before >= messages);
    if (before > messages) return;
    if (!call->op.finished) finish(call);
    kfk_op_drop(&call->op); /* the messages' */
}

void kfk_write_call_outcome_loop(kfk_write_call *call, size_t index, kafka_written written, const kfk_error *err)
{
    if (call->op.finished) return; /* the caller reads */
    if (call->wants_codes) call->codes[index] = err ? err->code : 0;
    if (err)
        kfk_write_sum_fail(&call->sum, index, written, err);
    else
        call->sum.fine++;
}

/* All are appended: the caller waits from here on. */
static void run(kfk_task *t)
{
    kfk_write_call *call = KFK_CONTAINER(t, kfk_write_call, op.task);
    kafka_writer *w = call->writer;
    kfk_producer_kicked_loop(w->producer);
    if (atomic_load(&call->open) > 1) {
        int err = kfk_limit_start_loop(w->loop, &call->limit, call->deadline_ms, call->token);
        if (err != 0) {
            kfk_error_set(&call->op.error, err, "%s", kfk_loop_watch_refused(err));
            finish(call);
        }
    }
    kfk_write_call_ended_loop(call, 1);
}

static void destroy(kfk_op *op)
{
    kfk_write_call *call = KFK_CONTAINER(op, kfk_write_call, op);
    kfk_write_sum_fini(&call->sum);
    kfk_mem_free(call->waited_for);
    kfk_mem_free(call);
}

kfk_write_call *kfk_write_call_new(kafka_writer *w, const kafka_ctx *ctx, size_t count, bool wants_codes)
{
    if (wants_codes && count > (SIZE_MAX - sizeof(kfk_write_call)) / sizeof(int)) return NULL;
    kfk_write_call *call = kfk_mem_alloc(sizeof *call + (wants_codes ? count * sizeof(int) : 0));
    if (!call) return NULL;
    kfk_op_init(&call->op, run, destroy);
    kfk_ref_hold(&call->op.ref); /* the messages' */
    kfk_limit_init(&call->limit, limit_hit);
    call->writer = w;
    call->deadline_ms = kfk_writer_deadline(ctx);
    call->token = ctx ? ctx->cancel : NULL;
    call->sum = (kfk_write_sum){0};
    call->waited_for = NULL;
    call->wants_codes = wants_codes;
    atomic_init(&call->open, (int64_t)count + 1);
    for (size_t i = 0; wants_codes && i < count; i++) call->codes[i] = KAFKA_EPENDING;
    return call;
}

int kfk_write_call_wait(kfk_write_call *call, size_t refused)
{
    kfk_loop *l = call->writer->loop;
    atomic_fetch_sub(&call->open, (int64_t)refused);
    kfk_loop_submit(l, &call->op.task);
    int err = kfk_op_wait(l, &call->op, KFK_TIME_NEVER);
    return err != 0 ? err : call->op.error.code;
}

void kfk_write_call_discard(kfk_write_call *call)
{
    for (int i = 0; i < 3; i++) kfk_op_drop(&call->op);
}
