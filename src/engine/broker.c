/* The life of a connection: state machine, sending, receiving.
 *
 *   state         waits for                          next
 *   IDLE          a reason to connect                CONNECTING
 *   CONNECTING    net/tcp                            NEGOTIATING, or lost
 *   NEGOTIATING   the answer to ApiVersions          READY, NEGOTIATING (downgrade), or lost
 *   READY         requests and answers               lost
 *   WAITING       the backoff timer                  CONNECTING or IDLE
 *   DEAD          nothing: closed, or lost for good  -
 *
 *   lost = WAITING if it reconnects, else DEAD. When the backoff is over, WAITING goes on to CONNECTING if there is
 *   something to send, else to IDLE.
 *
 * Requests stand in `queue` until their last byte is written, then in `in_flight` until answered, both in the order of
 * sending. A broker answers in that order, so the answer that comes belongs to the head of `in_flight`; anything else
 * is a protocol error. For the same reason the time of a request that was sent counts only while it is the oldest one,
 * and one that misses it then ends the connection.
 *
 * Sending may happen on a caller's thread, which must not close streams: what it finds broken is left to the loop
 * (`doom`). The object is freed by the loop, too, so it outlives every callback that it is in the middle of. */
#include "engine/broker.h"
#include "base/fork.h"
#include "base/mem.h"
#include "base/time.h"
#include "engine/backoff.h"
#include "engine/offer.h"
#include "engine/receive.h"
#include "net/tcp.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    IOV_PER_WRITE = 64,
    FRAME_BEFORE_READY = 1024 * 1024,
    FRAME_BESIDE_DATA = 64 * 1024 /* what an answer may have beside the data that was asked for */
};

typedef enum state { IDLE, CONNECTING, NEGOTIATING, READY, WAITING, DEAD } state;

struct kfk_broker {
    kfk_broker_config cfg;
    kfk_log log;
    kfk_log_limit lost_lines;
    char *client_id;
    char name[KFK_HOST_MAX + 16];
    state state;
    kfk_tcp *tcp;
    kfk_stream *stream;
    _Atomic int inherited; /* what a forked child has to close: the descriptor of `stream`, -1 = none */
    bool adopted;          /* the stream was given, and there is no other */
    kfk_broker_ends ends;
    kfk_timer timer; /* CONNECTING, NEGOTIATING: the limit; WAITING: the backoff; READY: the end of a throttle */
    kfk_list queue, in_flight;
    int32_t next_correlation;
    int64_t throttled_until_ms;
    unsigned failures; /* connections in a row that did not become usable, for the backoff */
    kfk_offer offer;
    _Atomic bool offered; /* `offer` is what a broker said */
    kfk_request hello;    /* ApiVersions */
    kfk_api_versions_request hello_message;
    kfk_api_versions_response hello_answer;
    kfk_receiver receiver;
    kfk_error doomed; /* code != 0: the loop will end the connection with it */
    kfk_task doom_task, free_task, close_task;
    kfk_error failure; /* the last one: why it is DEAD, or why it connects again */
    bool doom_deferred, freeing;
};

static void lost(kfk_broker *b, const kfk_error *cause);
static void flush(kfk_broker *b);
static void disconnect(kfk_broker *b);

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void finish(kfk_request *r, const kfk_error *err)
{
    kfk_broker *b = r->broker;
    kfk_list_remove(&r->node);
    kfk_loop_timer_clear(b->cfg.loop, &r->timer);
    r->broker = NULL;
    r->done(r, err);
}

/* Ends all requests of a list. They leave it first: a `done` may send the next one. */
static void finish_all(kfk_list *list, const kfk_error *err)
{
    kfk_list ending;
    kfk_list_init(&ending);
    kfk_list_splice(&ending, list);
    for (kfk_list *n; (n = kfk_list_first(&ending)) != NULL;) finish(KFK_CONTAINER(n, kfk_request, node), err);
}

/* Leaves ending the connection to the thread that turns the loop. */
static void doom(kfk_broker *b, const kfk_error *why)
{
    if (b->freeing) return;
    if (b->doomed.code == 0) b->doomed = *why;
    if (!b->doom_deferred) kfk_loop_defer(b->cfg.loop, &b->doom_task);
    b->doom_deferred = true;
}

static void doom_run(kfk_task *t)
{
    kfk_broker *b = KFK_CONTAINER(t, kfk_broker, doom_task);
    kfk_error why = b->doomed;
    b->doom_deferred = false;
    if (why.code == 0) return; /* the connection it was meant for is gone already */
    if (b->state == DEAD)
        disconnect(b);
    else
        lost(b, &why);
}

/* The request that the broker is busy with: the oldest of which it has at least a part. */
static kfk_request *oldest_sent(kfk_broker *b)
{
    kfk_list *n = kfk_list_first(&b->in_flight);
    if (!n) n = kfk_list_first(&b->queue);
    kfk_request *r = n ? KFK_CONTAINER(n, kfk_request, node) : NULL;
    return r && r->touched ? r : NULL;
}

/* The oldest one was answered: the time of the next begins. */
static void start_clock_of_next(kfk_broker *b)
{
    kfk_request *r = oldest_sent(b);
    if (r) kfk_loop_timer_set(b->cfg.loop, &r->timer, kfk_time_add(kfk_loop_now_ms(b->cfg.loop), r->timeout_ms));
}

static void request_expired(kfk_timer *timer)
{
    kfk_request *r = KFK_CONTAINER(timer, kfk_request, timer);
    kfk_broker *b = r->broker;
    kfk_error why;
    if (r->touched) {
        if (r != oldest_sent(b)) return; /* its clock starts again when its turn comes */
        kfk_error_set(&why, KAFKA_ETIMEDOUT, "no answer to %s v%d within %lld ms; the connection is given up",
                      r->api->name, r->version, (long long)r->timeout_ms);
        lost(b, &why);
        return;
    }
    bool throttled = b->state == READY && b->throttled_until_ms >= kfk_loop_now_ms(b->cfg.loop);
    if (throttled) { /* its time begins when it may be sent */
        kfk_loop_timer_set(b->cfg.loop, &r->timer, kfk_time_add(b->throttled_until_ms, r->timeout_ms));
        return;
    }
    char doing[160];
    kfk_broker_describe(b, doing, sizeof doing);
    kfk_error_set(&why, KAFKA_ETIMEDOUT, "%s: %s could not be sent within %lld ms: %s%s%s", b->name, r->api->name,
                  (long long)r->timeout_ms, doing, b->failure.code ? "; before that: " : "", b->failure.text);
    finish(r, &why);
}

/* Chooses the version and encodes. On failure the request is done. */
static bool encode(kfk_broker *b, kfk_request *r)
{
    kfk_error why = {0};
    int err = kfk_offer_choose(&b->offer, b->name, r->api, r->min_version, r->max_version, &r->version, &why);
    if (err == 0 && r->prepare) err = r->prepare(r, &why);
    if (err == 0) {
        r->correlation_id = b->next_correlation;
        err = kfk_frame_encode_request(r->api, r->version, r->correlation_id, kafka_str(b->client_id), r->message,
                                       &r->out, &why);
    }
    if (err != 0) {
        finish(r, &why);
        return false;
    }
    b->next_correlation = b->next_correlation == INT32_MAX ? 1 : b->next_correlation + 1;
    return true;
}

static const char not_a_broker[] = "is this a TLS port, or not a Kafka broker (0.10 or later)?";

/* A peer that resets the connection in the middle of the hello has hung up, as one that closes it has. */
static void hung_up(const kfk_broker *b, kfk_error *why)
{
    if (b->state == NEGOTIATING && why->code == KAFKA_EIO)
        kfk_error_set(why, KAFKA_EUNEXPECTED_EOF, "%s: %s", why->text, not_a_broker);
}

/* Writes what is left of an encoded request. 0 = all of it is written; KAFKA_EAGAIN = later; else the connection
 * broke. */
static int write_request(kfk_broker *b, kfk_request *r, kfk_error *why)
{
    struct iovec iov[IOV_PER_WRITE];
    size_t total = kfk_gather_len(&r->out);
    while (r->written < total) {
        size_t put = 0, count = kfk_gather_iov_from(&r->out, r->written, iov, IOV_PER_WRITE);
        int err = b->stream->ops->write(b->stream, iov, (int)count, &put, why);
        if (err != 0) return err;
        r->touched = true;
        r->written += put;
    }
    return 0;
}

static void sent(kfk_broker *b, kfk_request *r)
{
    if (r->no_answer) {
        finish(r, NULL);
        return;
    }
    kfk_list_remove(&r->node);
    kfk_list_push_back(&b->in_flight, &r->node);
}

/* Sends as much of the queue as the stream takes. */
static void flush(kfk_broker *b)
{
    kfk_list *n;
    while (b->stream && b->doomed.code == 0 && (n = kfk_list_first(&b->queue)) != NULL) {
        kfk_request *r = KFK_CONTAINER(n, kfk_request, node);
        bool is_hello = r == &b->hello;
        if (b->state != READY && !is_hello) return;
        if (!r->touched && !is_hello && b->throttled_until_ms > kfk_loop_now_ms(b->cfg.loop)) {
            kfk_loop_timer_set(b->cfg.loop, &b->timer, b->throttled_until_ms);
            return;
        }
        if (kfk_gather_len(&r->out) == 0 && !encode(b, r)) continue;
        kfk_error why = {0};
        int err = write_request(b, r, &why);
        if (err == KAFKA_EAGAIN) return;
        if (err != 0) {
            kfk_error_prefix(&why, "sending %s: ", r->api->name);
            hung_up(b, &why);
            doom(b, &why);
            return;
        }
        sent(b, r);
    }
}

void kfk_broker_send_loop(kfk_broker *b, kfk_request *r)
{
    assert(kfk_loop_held(b->cfg.loop));
    if (b->state == DEAD) {
        r->done(r, &b->failure);
        return;
    }
    r->broker = b;
    kfk_timer_init(&r->timer, request_expired);
    kfk_loop_timer_set(b->cfg.loop, &r->timer, kfk_time_add(kfk_loop_now_ms(b->cfg.loop), r->timeout_ms));
    kfk_list_push_back(&b->queue, &r->node);
    if (b->state == IDLE)
        kfk_broker_connect_loop(b);
    else if (b->state == READY)
        flush(b);
}

void kfk_broker_withdraw_loop(kfk_broker *b, kfk_request *r)
{
    kfk_error why;
    if (r->broker != b || r->touched) return;
    kfk_error_set(&why, KAFKA_ECANCELED, "%s: taken back before it was sent", r->api->name);
    finish(r, &why);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void throttle(kfk_broker *b, int32_t ms)
{
    if (ms > 0) b->throttled_until_ms = kfk_time_add(kfk_loop_now_ms(b->cfg.loop), ms);
}

static int decode(kfk_request *r, kfk_block *frame, size_t len, kfk_error *why)
{
    int32_t id;
    if (r->api->key == KFK_API_API_VERSIONS && kfk_frame_is_version_refusal(frame->data, len)) r->version = 0;
    r->frame = frame;
    kfk_arena_fini(&r->arena);
    /* structs are larger than what they are made of, but not by more than this */
    kfk_arena_init(&r->arena, (size_t)64 * 1024 + len * 32);
    return kfk_frame_decode_response(r->api, r->version, &r->arena, frame->data, len, &id, r->response, why);
}

/* The oldest request has its answer, or there was no memory for it. Tells whether to go on receiving. */
static bool answered(kfk_broker *b, kfk_request *r, const kfk_error *err)
{
    kfk_list_remove(&r->node);
    start_clock_of_next(b);
    finish(r, err);
    return b->stream != NULL && b->state != DEAD;
}

/* A whole frame came; it is ours. Tells whether to go on receiving. */
static bool received(void *owner, kfk_block *frame, size_t len)
{
    kfk_broker *b = owner;
    kfk_error why = {0};
    int32_t id = 0;
    kfk_list *n = kfk_list_first(&b->in_flight);
    kfk_request *r = n ? KFK_CONTAINER(n, kfk_request, node) : NULL;
    if (r && !frame) {
        kfk_error_set(&why, KAFKA_ENOMEM, "%s: no memory for the answer to %s, of %zu bytes", b->name, r->api->name,
                      len);
        return answered(b, r, &why);
    }
    if (!r || kfk_frame_peek_correlation(frame->data, len, &id) != 0 || id != r->correlation_id) {
        kfk_block_drop(frame);
        char owed[64] = "nothing was asked";
        if (r) snprintf(owed, sizeof owed, "that to %s has %d", r->api->name, (int)r->correlation_id);
        kfk_error_set(&why, KAFKA_EPROTO, "an answer with correlation id %d came (byte %llu of what the peer sent), %s",
                      (int)id, (unsigned long long)(b->receiver.offset - len), owed);
        lost(b, &why);
        return false;
    }
    int err = decode(r, frame, len, &why);
    if (err != 0 && err != KAFKA_ENOMEM) {
        lost(b, &why);
        return false;
    }
    if (err == 0)
        throttle(b, kfk_request_throttle_ms(r));
    else
        kfk_error_prefix(&why, "%s: ", b->name);
    return answered(b, r, err == 0 ? NULL : &why);
}

/* How long may the answer be that comes next, and how much of it gets memory before it has arrived? */
static void expected(void *owner, size_t *most, size_t *at_once)
{
    kfk_broker *b = owner;
    kfk_list *n = kfk_list_first(&b->in_flight);
    size_t asked = n ? KFK_CONTAINER(n, kfk_request, node)->answer_bytes : 0;
    *at_once = asked + FRAME_BESIDE_DATA;
    *most = *at_once > KFK_BROKER_MAX_FRAME ? *at_once : KFK_BROKER_MAX_FRAME;
    if (b->state != READY) *most = FRAME_BEFORE_READY;
}

static const char *waiting_for(kfk_broker *b)
{
    kfk_list *n = kfk_list_first(&b->in_flight);
    return n ? KFK_CONTAINER(n, kfk_request, node)->api->name : NULL;
}

static void receive_failed(kfk_broker *b, int err, kfk_error *why)
{
    const char *api = waiting_for(b);
    if (err == KAFKA_EOF && b->state == NEGOTIATING) {
        kfk_error_set(why, KAFKA_EUNEXPECTED_EOF, "the peer closed the connection during ApiVersions: %s",
                      not_a_broker);
    } else if (err == KAFKA_EOF) {
        kfk_error_set(why, KAFKA_EUNEXPECTED_EOF, "the broker closed the connection%s%s",
                      api ? " while it owed an answer to " : "", api ? api : "");
    } else {
        if (api) kfk_error_prefix(why, "waiting for the answer to %s: ", api);
        hung_up(b, why);
    }
    lost(b, why);
}

static void stream_ready(void *owner, unsigned events)
{
    kfk_broker *b = owner;
    if (b->state == DEAD) return; /* closed; the stream goes at the end of this turn */
    if (events & KFK_STREAM_READABLE) {
        kfk_error why = {0};
        int err = kfk_receiver_run(&b->receiver, b->stream, &why);
        if (!b->stream) return; /* an answer ended the connection */
        if (err != 0 && err != KAFKA_EAGAIN) {
            receive_failed(b, err, &why);
            return;
        }
    }
    if (events & KFK_STREAM_WRITABLE) flush(b);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

/* Takes the connection apart; the requests are left alone. */
static void disconnect(kfk_broker *b)
{
    b->doomed.code = 0;
    if (b->tcp) kfk_tcp_abandon(b->tcp);
    b->tcp = NULL;
    atomic_store(&b->inherited, -1); /* first: a child must not close what has got another owner since */
    if (b->stream) b->stream->ops->close(b->stream);
    b->stream = NULL;
    kfk_receiver_reset(&b->receiver);
    kfk_loop_timer_clear(b->cfg.loop, &b->timer);
    if (b->hello.broker) {
        kfk_list_remove(&b->hello.node);
        kfk_loop_timer_clear(b->cfg.loop, &b->hello.timer);
        b->hello.broker = NULL;
    }
}

/* Puts in front of a sentence who it is about; a failure to connect to a numeric address begins with that already. */
static void name_peer(const kfk_broker *b, kfk_error *why)
{
    size_t len = strlen(b->name);
    bool named = strncmp(why->text, b->name, len) == 0 && why->text[len] == ':';
    const char *dial = (b->state == CONNECTING || b->state == NEGOTIATING) && !b->adopted ? "dial " : "";
    kfk_error_prefix(why, "%s%s%s", dial, named ? "" : b->name, named ? "" : ": ");
}

/* The connection is gone, or could not be made. Runs on the thread that turns the loop. What a sender met first is the
 * cause: it takes a reset from the socket, and whoever reads afterwards finds the end of the stream. */
static void lost(kfk_broker *b, const kfk_error *cause)
{
    kfk_error why = b->doomed.code != 0 ? b->doomed : *cause;
    name_peer(b, &why);
    bool was_ready = b->state == READY;
    disconnect(b);
    b->failure = why;
    b->failures = was_ready ? 1 : b->failures + 1;
    b->state = DEAD;
    kfk_log_write_limited(&b->log, b->cfg.lost_lines, KAFKA_LOG_WARN, "%s", why.text);

    /* Partly written counts as sent; what was only encoded is encoded anew for the next connection's versions. */
    kfk_list *first = kfk_list_first(&b->queue);
    kfk_request *r = first ? KFK_CONTAINER(first, kfk_request, node) : NULL;
    if (r && r->touched) {
        kfk_list_remove(first);
        kfk_list_push_back(&b->in_flight, first);
    } else if (r) {
        kfk_gather_clear(&r->out);
    }
    /* WAITING before anybody is told: who sends the next request now must not connect at once. */
    bool again = b->cfg.reconnect;
    if (again) {
        b->state = WAITING;
        kfk_loop_timer_set(
            b->cfg.loop, &b->timer,
            kfk_time_add(kfk_loop_now_ms(b->cfg.loop), kfk_backoff_ms(b->cfg.loop, b->failures, KFK_BACKOFF_LAST_MS)));
    }
    finish_all(&b->in_flight, &why);
    if (!again) finish_all(&b->queue, &why);
    if (b->cfg.changed && !b->freeing) b->cfg.changed(b->cfg.owner, b, &why);
}

static void send_hello(kfk_broker *b, int16_t version);

static void hello_done(kfk_request *r, const kfk_error *err)
{
    kfk_broker *b = KFK_CONTAINER(r, kfk_broker, hello);
    if (err) {
        if (b->state == NEGOTIATING) doom(b, err); /* no memory to encode it, or for its answer */
        return;
    }
    kfk_error why = {0};
    int16_t code = kfk_error_of_broker(b->hello_answer.error_code), asked = r->max_version;
    if (code == KAFKA_ERR_UNSUPPORTED_VERSION && asked > 0) {
        send_hello(b, kfk_offer_below(&b->hello_answer, asked));
        return;
    }
    int failed = 0;
    if (code == KAFKA_ERR_UNSUPPORTED_VERSION)
        failed = kfk_error_set(&why, KAFKA_EVERSION, "the broker refuses ApiVersions v0");
    else if (code != 0)
        failed = kfk_error_set(&why, code, "ApiVersions was refused: %s", kafka_strerror(code));
    else
        failed = kfk_offer_learn(&b->offer, &b->hello_answer, &why);
    if (failed != 0) {
        lost(b, &why);
        return;
    }
    atomic_store_explicit(&b->offered, true, memory_order_release);
    b->state = READY;
    b->failures = 0;
    b->failure.code = 0;
    b->failure.text[0] = '\0';
    kfk_loop_timer_clear(b->cfg.loop, &b->timer);
    kfk_log_write(&b->log, KAFKA_LOG_DEBUG, "%s: connected", b->name);
    if (b->cfg.changed) b->cfg.changed(b->cfg.owner, b, NULL);
    flush(b);
}

static void send_hello(kfk_broker *b, int16_t version)
{
    kfk_request_fini(&b->hello);
    kfk_request_init(&b->hello, KFK_API_API_VERSIONS);
    kfk_codec_default(b->hello.api->request, &b->hello_message);
    b->hello_message.client_software_name = kafka_str("kafka-c");
    b->hello_message.client_software_version = kafka_str(KAFKA_VERSION_STRING);
    b->hello.min_version = b->hello.max_version = version;
    b->hello.message = &b->hello_message;
    b->hello.response = &b->hello_answer;
    b->hello.done = hello_done;
    b->hello.broker = b;
    kfk_timer_init(&b->hello.timer, NULL); /* the broker's own timer bounds it */
    b->offer.of[KFK_API_API_VERSIONS].min = 0;
    b->offer.of[KFK_API_API_VERSIONS].max = version;
    kfk_list_push_front(&b->queue, &b->hello.node);
    flush(b);
}

static void take_stream(kfk_broker *b, kfk_stream *s)
{
    b->stream = s;
    if (s->ops->descriptor) atomic_store(&b->inherited, s->ops->descriptor(s));
    s->owner = b;
    s->ready = stream_ready;
    b->ends = (kfk_broker_ends){.local_len = sizeof b->ends.local, .peer_len = sizeof b->ends.peer};
    if (s->ops->local_addr(s, (struct sockaddr *)&b->ends.local, &b->ends.local_len) != 0) b->ends.local_len = 0;
    if (s->ops->peer_addr(s, (struct sockaddr *)&b->ends.peer, &b->ends.peer_len) != 0) b->ends.peer_len = 0;
}

static void tcp_done(void *owner, kfk_stream *stream, const kfk_error *err)
{
    kfk_broker *b = owner;
    b->tcp = NULL;
    if (b->state != CONNECTING) { /* closed meanwhile */
        if (stream) stream->ops->close(stream);
        return;
    }
    if (!stream) {
        lost(b, err);
        return;
    }
    take_stream(b, stream);
    b->state = NEGOTIATING;
    send_hello(b, kfk_api_find(KFK_API_API_VERSIONS)->max_version);
    stream_ready(b, KFK_STREAM_READABLE); /* bytes, or a hang-up, may have come along with the connection */
}

/* The stream is there; from now on it has edges, the first of which tells what has come meanwhile. */
static void start_adopted(kfk_broker *b)
{
    kfk_error why = {0};
    b->state = NEGOTIATING;
    if (b->stream->ops->connected(b->stream, &why) == 0)
        send_hello(b, kfk_api_find(KFK_API_API_VERSIONS)->max_version);
    else
        doom(b, &why);
}

static void start_connecting(kfk_broker *b)
{
    kfk_loop *l = b->cfg.loop;
    int64_t limit = KFK_TIME_NEVER;
    if (b->cfg.connect_timeout_ms > 0) limit = kfk_time_add(kfk_loop_now_ms(l), b->cfg.connect_timeout_ms);
    kfk_tcp_config tcp = {
        .to = b->cfg.address,
        .options = b->cfg.options,
        .resolver = b->cfg.resolver,
        .fallback_delay_ms = b->cfg.fallback_delay_ms,
        .deadline_ms = limit,
        .dual_stack = b->cfg.dual_stack,
        .done = tcp_done,
        .owner = b,
    };
    kfk_loop_timer_set(l, &b->timer, limit);
    if (b->adopted) {
        start_adopted(b);
        return;
    }
    b->state = CONNECTING;
    kfk_error why = {0};
    if (kfk_tcp_start(l, &tcp, &b->tcp, &why) != 0) {
        b->tcp = NULL;
        doom(b, &why);
    }
}

void kfk_broker_connect_loop(kfk_broker *b)
{
    if (b->state == IDLE) start_connecting(b);
}

/* The time in which the broker wanted to hear nothing is not counted as that of those who waited for its end. */
static void end_throttle(kfk_broker *b)
{
    int64_t now = kfk_loop_now_ms(b->cfg.loop);
    KFK_LIST_EACH (n, &b->queue) {
        kfk_request *r = KFK_CONTAINER(n, kfk_request, node);
        if (!r->touched) kfk_loop_timer_set(b->cfg.loop, &r->timer, kfk_time_add(now, r->timeout_ms));
    }
    flush(b);
}

static void timer_fired(kfk_timer *timer)
{
    kfk_broker *b = KFK_CONTAINER(timer, kfk_broker, timer);
    if (b->state == WAITING) {
        b->state = IDLE;
        if (!kfk_list_empty(&b->queue)) start_connecting(b);
    } else if (b->state == READY) {
        end_throttle(b);
    } else if (b->state == CONNECTING || b->state == NEGOTIATING) {
        kfk_error why;
        char doing[160];
        kfk_broker_describe(b, doing, sizeof doing);
        kfk_error_set(&why, KAFKA_ETIMEDOUT, "timed out after %lld ms, %s", (long long)b->cfg.connect_timeout_ms,
                      doing);
        lost(b, &why);
    }
}

/* ---- birth, death, questions ------------------------------------------------------------------------------------- */

static void free_run(kfk_task *t)
{
    kfk_broker *b = KFK_CONTAINER(t, kfk_broker, free_task);
    kfk_loop *l = b->cfg.loop;
    disconnect(b);
    kfk_request_fini(&b->hello);
    kfk_receiver_fini(&b->receiver);
    kfk_mem_free(b->client_id);
    kfk_mem_free(b);
    kfk_loop_drop(l);
}

int kfk_broker_new(const kfk_broker_config *cfg, kfk_broker **out)
{
    kfk_broker *b = kfk_mem_zalloc(sizeof *b);
    if (!b) return KAFKA_ENOMEM;
    b->client_id = kfk_mem_strdup(cfg->client_id);
    if (!b->client_id) {
        kfk_mem_free(b);
        return KAFKA_ENOMEM;
    }
    b->cfg = *cfg;
    b->cfg.client_id = b->client_id;
    if (cfg->log) b->log = *cfg->log;
    b->cfg.log = NULL;
    if (!b->cfg.lost_lines) b->cfg.lost_lines = &b->lost_lines;
    kfk_hostport_format(&cfg->address, b->name, sizeof b->name);
    kfk_timer_init(&b->timer, timer_fired);
    kfk_list_init(&b->queue);
    kfk_list_init(&b->in_flight);
    atomic_init(&b->inherited, -1);
    b->next_correlation = 1;
    kfk_request_init(&b->hello, KFK_API_API_VERSIONS);
    kfk_receiver_init(&b->receiver, cfg->loop, received, expected, stream_ready, b);
    b->doom_task.run = doom_run;
    b->free_task.run = free_run;
    kfk_loop_hold(cfg->loop);
    *out = b;
    return 0;
}

void kfk_broker_adopt(kfk_broker *b, kfk_stream *stream_take, int fd)
{
    assert(b->state == IDLE && !b->cfg.reconnect);
    take_stream(b, stream_take);
    b->adopted = true;
    kfk_address peer = {.addr = b->ends.peer, .len = b->ends.peer_len};
    char text[KFK_ADDRESS_TEXT] = "";
    if (peer.len > 0) kfk_address_format(&peer, text, sizeof text);
    bool nameless = text[0] == '\0' || strcmp(text, "?") == 0 || strcmp(text, "unix:") == 0;
    if (nameless) snprintf(text, sizeof text, "socket %d", fd);
    snprintf(b->name, sizeof b->name, "%s", text);
}

void kfk_broker_close_loop(kfk_broker *b, const kfk_error *why)
{
    assert(kfk_loop_held(b->cfg.loop));
    if (b->state == DEAD && !b->stream && !b->tcp) return;
    b->cfg.changed = NULL;
    b->cfg.lost_lines = &b->lost_lines; /* the owner may go */
    b->cfg.reconnect = false;
    b->state = DEAD;
    b->failure = *why;
    kfk_loop_timer_clear(b->cfg.loop, &b->timer);
    finish_all(&b->in_flight, why);
    finish_all(&b->queue, why);
    doom(b, why); /* the stream goes with the next turn of the loop */
}

void kfk_broker_forget_owner_loop(kfk_broker *b)
{
    b->cfg.changed = NULL;
}

void kfk_broker_set_owner_loop(kfk_broker *b, void (*changed)(void *owner, kfk_broker *, const kfk_error *err),
                               void *owner)
{
    b->cfg.changed = changed;
    b->cfg.owner = owner;
}

void kfk_broker_free_loop(kfk_broker *b)
{
    kfk_error why;
    kfk_error_set(&why, KAFKA_ECLOSED, "%s: the connection was closed", b->name);
    kfk_broker_close_loop(b, &why);
    assert(!b->freeing);
    b->freeing = true;
    kfk_loop_defer(b->cfg.loop, &b->free_task);
}

void kfk_broker_abandon(kfk_broker *b)
{
    kfk_fork_close(&b->inherited);
}

static void close_run(kfk_task *t)
{
    kfk_broker_free_loop(KFK_CONTAINER(t, kfk_broker, close_task));
}

void kfk_broker_free(kfk_broker *b)
{
    kfk_loop *l = kfk_loop_hold(b->cfg.loop);
    b->close_task.run = close_run;
    kfk_loop_submit(l, &b->close_task);
    kfk_loop_drop(l);
}

int kfk_broker_choose(const kfk_broker *b, int16_t api_key, int16_t min, int16_t max, int16_t *version, kfk_error *err)
{
    if (!atomic_load_explicit(&b->offered, memory_order_acquire)) return KAFKA_EAGAIN;
    return kfk_offer_choose(&b->offer, b->name, kfk_api_find(api_key), min, max, version, err);
}

bool kfk_broker_is_ready(const kfk_broker *b)
{
    return b->state == READY;
}

uint64_t kfk_broker_number(const kfk_broker *b)
{
    return b->cfg.number;
}

const char *kfk_broker_name(const kfk_broker *b)
{
    return b->name;
}

const kfk_error *kfk_broker_failure(const kfk_broker *b)
{
    return b->state == DEAD ? &b->failure : NULL;
}

const kfk_broker_ends *kfk_broker_ends_of(const kfk_broker *b)
{
    return &b->ends;
}

void kfk_broker_describe(const kfk_broker *b, char *out, size_t cap)
{
    switch (b->state) {
    case CONNECTING:
        if (b->tcp)
            kfk_tcp_describe(b->tcp, out, cap);
        else
            snprintf(out, cap, "connecting");
        return;
    case NEGOTIATING:
        snprintf(out, cap, "waiting for the answer to ApiVersions: does a Kafka broker listen there, without TLS?");
        return;
    case WAITING: snprintf(out, cap, "waiting to connect again"); return;
    case READY:
        if (b->throttled_until_ms > kfk_loop_now_ms(b->cfg.loop))
            snprintf(out, cap, "connected, told by the broker to wait another %lld ms",
                     (long long)(b->throttled_until_ms - kfk_loop_now_ms(b->cfg.loop)));
        else
            snprintf(out, cap, "connected, waiting to send");
        return;
    case IDLE:
    case DEAD: snprintf(out, cap, "not connected"); return;
    }
}
