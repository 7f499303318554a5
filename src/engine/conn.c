/* Calls on a connection.
 *
 * Settings come from any thread and are taken over by a task that is embedded in the connection, so that setting a
 * deadline, firing up a token or closing can neither fail nor wait. A call looks at token and deadline when it starts;
 * what changes later finds it in `calls`.
 *
 * References: the handle, each call, and each task under way hold the connection; a request under way holds its call.
 * When the last is gone so is the broker. */
#include "engine/conn.h"
#include "base/mem.h"
#include "base/time.h"
#include <assert.h>
#include <stdio.h>

/* ---- ending calls ------------------------------------------------------------------------------------------------ */

static void finish(kfk_call *call)
{
    kfk_list_remove(&call->node);
    kfk_loop_timer_clear(call->conn->loop, &call->pause);
    call->touched = call->request.touched;
    kfk_op_finish_loop(call->conn->loop, &call->op);
}

/* Ends a call before its answer. A request of which nothing was sent yet is taken back: it must not go out later. */
static void finish_early(kfk_call *call)
{
    finish(call);
    if (call->want == KFK_CALL_ANSWER && !call->touched) kfk_broker_withdraw_loop(call->conn->broker, &call->request);
}

/* Ends all calls of a kind (KFK_CALL_KINDS: of any). */
static void finish_calls(kfk_conn *c, kfk_call_kind kind, int code, const char *why)
{
    KFK_LIST_EACH (n, &c->calls) {
        kfk_call *call = KFK_CONTAINER(n, kfk_call, node);
        if (kind != KFK_CALL_KINDS && call->kind != kind) continue;
        kfk_error_set(&call->op.error, code, "%s%s at %s: %s", call->what, c->about, kfk_broker_name(c->broker), why);
        finish_early(call);
    }
}

static void deadline_passed(kfk_conn *c, kfk_call_kind kind)
{
    kfk_lock_take(&c->settings.lock);
    int64_t at = c->settings.deadline_ms[kind];
    kfk_lock_give(&c->settings.lock);
    if (at == 0) return;
    if (at > kfk_loop_now_ms(c->loop))
        kfk_loop_timer_set(c->loop, &c->timers[kind], at);
    else
        finish_calls(c, kind, KAFKA_ETIMEDOUT, "the deadline has passed");
}

static void read_deadline(kfk_timer *t)
{
    deadline_passed(KFK_CONTAINER(t, kfk_conn, timers[KFK_CALL_READ]), KFK_CALL_READ);
}

static void write_deadline(kfk_timer *t)
{
    deadline_passed(KFK_CONTAINER(t, kfk_conn, timers[KFK_CALL_WRITE]), KFK_CALL_WRITE);
}

static void token_fired(kfk_watch *w)
{
    finish_calls(KFK_CONTAINER(w, kfk_conn, watch), KFK_CALL_KINDS, KAFKA_ECANCELED, "canceled");
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

/* Sees to it that the token ends what waits. 0, or why it cannot. */
static int watch_token(kfk_conn *c, kfk_cancel *token)
{
    if (token == c->watch.token) return 0;
    kfk_loop_unwatch(c->loop, &c->watch);
    if (!token) return 0;
    if (!kfk_cancel_fired(token)) return kfk_loop_watch(c->loop, &c->watch, token);
    finish_calls(c, KFK_CALL_KINDS, KAFKA_ECANCELED, "canceled");
    return 0;
}

static void settings_apply(kfk_task *t)
{
    kfk_conn *c = KFK_CONTAINER(t, kfk_conn, settings.task);
    kfk_conn_settings *s = &c->settings;
    kfk_lock_take(&s->lock);
    s->queued = false;
    kfk_cancel *token = kfk_cancel_hold(s->token);
    bool closing = s->closing;
    kfk_lock_give(&s->lock);
    if (closing && c->ended.code == 0) {
        kfk_loop_unwatch(c->loop, &c->watch);
        kfk_error_set(&c->ended, KAFKA_ECLOSED, "the connection to %s was closed", kfk_broker_name(c->broker));
        finish_calls(c, KFK_CALL_KINDS, KAFKA_ECLOSED, "the connection was closed");
        kfk_broker_close_loop(c->broker, &c->ended);
        for (int kind = 0; kind < KFK_CALL_KINDS; kind++) kfk_loop_timer_clear(c->loop, &c->timers[kind]);
    } else if (!closing) {
        for (int kind = 0; kind < KFK_CALL_KINDS; kind++) {
            if (!kfk_list_empty(&c->calls)) deadline_passed(c, (kfk_call_kind)kind);
        }
        int err = watch_token(c, token);
        if (err != 0) finish_calls(c, KFK_CALL_KINDS, err, kfk_loop_watch_refused(err));
    }
    kfk_cancel_drop(token);
    kfk_conn_drop(c);
}

/* The lock is held; releases it. */
static void settings_changed(kfk_conn *c)
{
    bool submit = !c->settings.queued;
    c->settings.queued = true;
    kfk_lock_give(&c->settings.lock);
    if (!submit) return; /* it will see the change */
    kfk_ref_hold(&c->ref);
    kfk_loop_submit(c->loop, &c->settings.task);
}

void kfk_conn_set_deadline(kfk_conn *c, kfk_call_kind kind, int64_t deadline_ms)
{
    kfk_lock_take(&c->settings.lock);
    c->settings.deadline_ms[kind] = deadline_ms;
    settings_changed(c);
}

void kfk_conn_set_token(kfk_conn *c, kfk_cancel *token)
{
    kfk_lock_take(&c->settings.lock);
    kfk_cancel *old = c->settings.token;
    c->settings.token = kfk_cancel_hold(token);
    settings_changed(c);
    kfk_cancel_drop(old);
}

void kfk_conn_end(kfk_conn *c)
{
    kfk_lock_take(&c->settings.lock);
    c->settings.closing = true;
    settings_changed(c);
}

bool kfk_conn_has_ended(kfk_conn *c)
{
    kfk_lock_take(&c->settings.lock);
    bool closing = c->settings.closing;
    kfk_lock_give(&c->settings.lock);
    return closing;
}

int32_t kfk_conn_time_for_broker(kfk_conn *c, kfk_call_kind kind, int32_t otherwise)
{
    kfk_lock_take(&c->settings.lock);
    int64_t at = c->settings.deadline_ms[kind];
    kfk_lock_give(&c->settings.lock);
    if (at == 0) return otherwise;
    int64_t left = at - kfk_time_now_ms();
    left -= left < 1000 ? left / 4 : 1000;
    return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int32_t)left;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static void answered(kfk_request *r, const kfk_error *err)
{
    kfk_call *call = KFK_CONTAINER(r, kfk_call, request);
    if (!call->op.finished) {
        if (err) {
            call->op.error = *err;
            kfk_error_prefix(&call->op.error, "%s%s: ", call->what, call->conn->about);
        } else if (call->take) {
            call->op.error.code = call->take(call, &call->op.error);
        }
        if (!err && call->op.error.code == KAFKA_EPROTO) /* whatever else it says cannot be believed either */
            kfk_broker_close_loop(call->conn->broker, &call->op.error);
        finish(call);
    }
    kfk_op_drop(&call->op); /* the request's */
}

/* What ends a call before it begins. The settings are read here, since what was set before must count, whether or not
 * the task has run. */
static int refuse(kfk_call *call, kfk_error *err)
{
    kfk_conn *c = call->conn;
    kfk_conn_settings *s = &c->settings;
    kfk_lock_take(&s->lock);
    int64_t deadline = s->deadline_ms[call->kind];
    kfk_cancel *token = kfk_cancel_hold(s->token);
    bool closing = s->closing;
    kfk_lock_give(&s->lock);
    const char *at = kfk_broker_name(c->broker);
    int code = 0;
    if (c->ended.code != 0 || closing)
        code = kfk_error_set(err, KAFKA_ECLOSED, "%s%s: the connection to %s was closed", call->what, c->about, at);
    else if (kfk_cancel_fired(token))
        code = kfk_error_set(err, KAFKA_ECANCELED, "%s%s at %s: canceled", call->what, c->about, at);
    else if (deadline != 0 && deadline <= kfk_loop_now_ms(c->loop))
        code = kfk_error_set(err, KAFKA_ETIMEDOUT, "%s%s at %s: the deadline had passed before, nothing was sent",
                             call->what, c->about, at);
    else if ((code = watch_token(c, token)) != 0)
        kfk_error_set(err, code, "%s%s at %s: %s", call->what, c->about, at, kfk_loop_watch_refused(code));
    kfk_cancel_drop(token);
    if (code != 0) return code;
    if (deadline != 0 &&
        (!kfk_timer_is_set(&c->timers[call->kind]) || deadline < kfk_timer_at_ms(&c->timers[call->kind])))
        kfk_loop_timer_set(c->loop, &c->timers[call->kind], deadline);
    return 0;
}

static void pause_over(kfk_timer *t)
{
    finish(KFK_CONTAINER(t, kfk_call, pause));
}

static void start_request(kfk_call *call)
{
    call->request.done = answered;
    kfk_ref_hold(&call->op.ref);
    kfk_broker_send_loop(call->conn->broker, &call->request);
}

/* On a connection that broke nobody waits for a turn. */
static void start_waiting_for_turn(kfk_call *call)
{
    kfk_conn *c = call->conn;
    const kfk_error *broken = kfk_broker_failure(c->broker);
    if (c->reading && !broken) return;
    if (c->reading)
        call->op.error = *broken;
    else
        c->reading = true;
    finish(call);
}

static void start(kfk_task *t)
{
    kfk_call *call = KFK_CONTAINER(t, kfk_call, op.task);
    kfk_conn *c = call->conn;
    kfk_list_push_back(&c->calls, &call->node);
    if (refuse(call, &call->op.error) != 0) finish(call);
    if (call->op.finished) return;
    switch (call->want) {
    case KFK_CALL_ANSWER: start_request(call); break;
    case KFK_CALL_TURN: start_waiting_for_turn(call); break;
    case KFK_CALL_PAUSE:
        kfk_loop_timer_set(c->loop, &call->pause, kfk_time_add(kfk_loop_now_ms(c->loop), call->pause_ms));
        break;
    }
}

static void destroy(kfk_op *op)
{
    kfk_call *call = KFK_CONTAINER(op, kfk_call, op);
    if (call->cleanup) call->cleanup(call);
    if (call->want == KFK_CALL_ANSWER) kfk_request_fini(&call->request);
    kfk_arena_fini(&call->memory);
    kfk_conn_drop(call->conn);
    kfk_mem_free(call);
}

static kfk_call *call_new(kfk_conn *c, size_t size, kfk_call_kind kind, kfk_call_want want, const char *what)
{
    kfk_call *call = kfk_mem_zalloc(size);
    if (!call) return NULL;
    kfk_op_init(&call->op, start, destroy);
    kfk_list_init(&call->node);
    kfk_timer_init(&call->pause, pause_over);
    kfk_arena_init(&call->memory, SIZE_MAX);
    kfk_ref_hold(&c->ref);
    call->conn = c;
    call->kind = kind;
    call->want = want;
    call->what = what;
    return call;
}

void *kfk_call_new(kfk_conn *c, size_t size, kfk_call_kind kind, const char *what, int16_t api_key)
{
    kfk_call *call = call_new(c, size, kind, KFK_CALL_ANSWER, what);
    if (call) kfk_request_init(&call->request, api_key);
    return call;
}

void kfk_call_discard(kfk_call *call)
{
    kfk_op_drop(&call->op);
    kfk_op_drop(&call->op);
}

int kfk_call_run(kfk_call *call)
{
    kfk_loop *l = call->conn->loop;
    kfk_loop_submit(l, &call->op.task);
    kfk_op_wait(l, &call->op, KFK_TIME_NEVER);
    return call->op.error.code;
}

/* ---- the read turn, and pauses ----------------------------------------------------------------------------------- */

/* Runs a call that has no request. */
static int run_and_drop(kfk_call *call, kfk_error *err)
{
    if (!call) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a read");
    int code = kfk_call_run(call);
    if (code != 0) *err = call->op.error;
    kfk_op_drop(&call->op);
    return code;
}

int kfk_conn_take_turn(kfk_conn *c, kfk_error *err)
{
    return run_and_drop(call_new(c, sizeof(kfk_call), KFK_CALL_READ, KFK_CALL_TURN, "waiting for another read to end"),
                        err);
}

int kfk_conn_pause(kfk_conn *c, int64_t ms, kfk_error *err)
{
    kfk_call *call = call_new(c, sizeof *call, KFK_CALL_READ, KFK_CALL_PAUSE, "reading");
    if (call) call->pause_ms = ms;
    return run_and_drop(call, err);
}

static void turn_given(kfk_task *t)
{
    kfk_conn *c = KFK_CONTAINER(t, kfk_conn, turn_task);
    c->reading = false;
    KFK_LIST_EACH (n, &c->calls) {
        kfk_call *call = KFK_CONTAINER(n, kfk_call, node);
        if (call->want != KFK_CALL_TURN) continue;
        c->reading = true;
        finish(call);
        break;
    }
    kfk_conn_drop(c);
}

void kfk_conn_give_turn(kfk_conn *c)
{
    kfk_ref_hold(&c->ref);
    kfk_loop_submit(c->loop, &c->turn_task);
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

int kfk_conn_new(kfk_loop *l, kfk_broker *broker_take, const char *topic, int32_t partition, kfk_conn **out)
{
    kfk_conn *c = kfk_mem_zalloc(sizeof *c);
    if (!c) {
        kfk_broker_free(broker_take);
        return KAFKA_ENOMEM;
    }
    kfk_ref_init(&c->ref);
    kfk_lock_init(&c->settings.lock);
    c->loop = kfk_loop_hold(l);
    c->broker = broker_take;
    if (topic) snprintf(c->about, sizeof c->about, " (topic %s partition %d)", topic, (int)partition);
    c->settings.task.run = settings_apply;
    c->turn_task.run = turn_given;
    kfk_list_init(&c->calls);
    kfk_timer_init(&c->timers[KFK_CALL_READ], read_deadline);
    kfk_timer_init(&c->timers[KFK_CALL_WRITE], write_deadline);
    kfk_watch_init(&c->watch, token_fired);
    *out = c;
    return 0;
}

void kfk_conn_drop(kfk_conn *c)
{
    if (!kfk_ref_drop(&c->ref)) return;
    assert(kfk_list_empty(&c->calls) && c->watch.token == NULL);
    kfk_loop *l = c->loop;
    kfk_broker_free(c->broker);
    kfk_cancel_drop(c->settings.token);
    kfk_lock_fini(&c->settings.lock);
    kfk_mem_free(c);
    kfk_loop_drop(l);
}
