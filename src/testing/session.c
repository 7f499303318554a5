/* Connections; see the header.
 *
 * A session is a loop over: write what is left of the answer, read a request, meet a fault or not, run the handler,
 * encode the answer. Each step may stop it: the socket has no room or no bytes, the request waits, a fault delays it.
 * Whatever it stopped for calls advance() again. Only timers, edges and the cluster's wake task call it, never a
 * handler.
 *
 * What a session frees itself for, it does at the end of advance(): `gone` is set first, so that nothing in between
 * touches memory that is no more. */
#include "testing/session.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"
#include "wire/frame.h"
#include "wire/gen/api_versions.h"
#include "wire/prim.h"
#include <stdio.h>
#include <string.h>

enum {
    FIRST_BLOCK = 64 * 1024,       /* memory for a frame before more of it has arrived */
    LONGEST_TEXT = 64 * 1024,      /* of a request or answer, for those who watch */
    LONGEST_PAUSE_MS = 60000,      /* for a request that began to arrive whole, for an answer to be read on */
    REQUESTS_PER_TURN = 64,        /* then others get their turn */
    ANSWER_BUDGET = 64 << 20,      /* of an answer's own memory */
    REQUEST_BUDGET_FACTOR = 32,    /* decoded, a request takes that many times its bytes at most, */
    REQUEST_BUDGET_LEAST = 65536,  /* may always take that, */
    REQUEST_BUDGET_MOST = 64 << 20 /* and never more than that */
};

typedef struct kft_hold {
    struct kft_hold *next;
    kfk_block *block;
} kft_hold;

typedef enum session_state {
    SESSION_IDLE,    /* reads, or waits for, a request */
    SESSION_DELAYED, /* the request is there, a fault or a slow disk holds it up */
    SESSION_PARKED,  /* its handler waits */
    SESSION_SILENT   /* a fault: it will never answer again */
} session_state;

struct kft_session {
    kfk_list node_link, woken;
    kfk_stream *stream;
    int number;
    session_state state;
    bool gone, dead, finish; /* dead: the stream failed; finish: close once the answer was written */
    bool yields;             /* it has had its turn: the timer stands for the next one */
    kfk_timer timer;         /* a frame that is slow, a delay, a parked request's time, the next turn */
    /* the frame that arrives */
    uint8_t length[KFK_FRAME_LENGTH];
    size_t length_got;
    kfk_block *frame;
    size_t frame_len, frame_got;
    /* the request it is busy with */
    kft_ask ask;
    bool fault_met;
    kafka_fault fault;
    /* the answer that is being written */
    kfk_gather out;
    kft_hold *holds; /* what it refers to; their own memory is allocated one by one */
    size_t out_len, out_put;
    int64_t out_ms; /* when it was last read on */
    size_t busy;    /* its part of kafka_cluster.busy */
};

static void advance(kft_session *s);

kft_session *kft_session_of(kfk_list *node_link)
{
    return KFK_CONTAINER(node_link, kft_session, node_link);
}

int kft_session_number(const kft_session *s)
{
    return s->number;
}

static kafka_cluster *cluster_of(const kft_session *s)
{
    return s->ask.cluster;
}

/* ---- what a handler may ask for ---------------------------------------------------------------------------------- */

bool kft_ask_hold(kft_ask *ask, kfk_block *block)
{
    if (ask->holds && ask->holds->block == block) return true; /* many batches of one frame */
    kft_hold *h = kfk_mem_alloc(sizeof *h);
    if (!h) return false;
    *h = (kft_hold){.next = ask->holds, .block = kfk_block_hold(block)};
    ask->holds = h;
    return true;
}

static void drop_holds(kft_hold **holds)
{
    for (kft_hold *h; (h = *holds) != NULL;) {
        *holds = h->next;
        kfk_block_drop(h->block);
        kfk_mem_free(h);
    }
}

void kft_ask_wait(kft_ask *ask, int64_t until_ms)
{
    ask->until_ms = until_ms;
}

bool kft_ask_wait_on(kft_ask *ask, kft_partition *p)
{
    kft_wait *w = kfk_mem_alloc(sizeof *w);
    if (!w) return false;
    w->ask = ask;
    kfk_list_push_back(&p->waiters, &w->node);
    kfk_list_push_back(&ask->waits, &w->mine);
    return true;
}

static void stop_waiting(kft_ask *ask)
{
    for (kfk_list *n; (n = kfk_list_first(&ask->waits)) != NULL;) {
        kft_wait *w = KFK_CONTAINER(n, kft_wait, mine);
        kfk_list_remove(&w->mine);
        kfk_list_remove(&w->node);
        kfk_mem_free(w);
    }
}

void kft_session_wake(kft_ask *ask)
{
    kft_session *s = ask->session;
    kafka_cluster *c = cluster_of(s);
    kfk_list_remove(&s->woken);
    kfk_list_push_back(&c->woken, &s->woken);
    if (c->wake_queued) return;
    c->wake_queued = true;
    kfk_loop_defer(c->loop, &c->wake_task);
}

/* ---- listeners and log ------------------------------------------------------------------------------------------- */

/* What was printed, as a string: cut off where it gets too long, or the message's name alone when there is no
 * memory. */
static const char *as_string(kfk_buf *text, const kfk_schema *s)
{
    enum { DOTS = 3 };
    if (!text->data) return s->name;
    if (text->err != 0 && text->len >= DOTS) memset(text->data + text->len - DOTS, '.', DOTS);
    text->data[text->len] = '\0'; /* a buffer has room for it */
    return (const char *)text->data;
}

/* One line of text for a request or an answer; only when somebody wants to see it. */
static void tell(kft_session *s, bool is_answer, const void *message)
{
    kft_ask *ask = &s->ask;
    kafka_cluster *c = cluster_of(s);
    bool logs = kfk_log_wants(&c->log, KAFKA_LOG_DEBUG);
    if (!logs && !c->listener.heard) return;
    kfk_buf text;
    kfk_buf_init(&text, LONGEST_TEXT);
    const kfk_schema *schema = is_answer ? ask->api->response : ask->api->request;
    kfk_codec_print(schema, ask->version, message, &text);
    kafka_cluster_event e = {.client_id = ask->client_id,
                             .text = as_string(&text, schema),
                             .broker = ask->node->id,
                             .connection = s->number,
                             .api = ask->api->key,
                             .version = ask->version,
                             .correlation_id = ask->correlation_id,
                             .is_answer = is_answer};
    if (logs)
        kft_log(c, KAFKA_LOG_DEBUG, "broker %d, connection %d, #%d: %s", (int)e.broker, e.connection,
                (int)e.correlation_id, e.text);
    if (c->listener.heard) {
        kfk_thread saved;
        kfk_thread_callback_begin(&saved, NULL);
        c->listener.heard(c->listener.userdata, &e);
        kfk_thread_callback_end(&saved);
    }
    kfk_buf_fini(&text);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Counts anew what the session takes. */
static void recount(kft_session *s)
{
    kafka_cluster *c = cluster_of(s);
    c->busy -= s->busy;
    s->busy = (s->frame ? s->frame->cap : 0) + s->out.buf.cap;
    if (s->ask.frame) s->busy += s->ask.frame->cap + s->ask.asked.used + s->ask.arena.used;
    c->busy += s->busy;
}

/* Of all sessions the one that takes most, or that has not read its answer for longest; NULL = none takes anything, or
 * everybody reads. */
static kft_session *find_worst(kafka_cluster *c, bool reading)
{
    kft_session *worst = NULL;
    for (int32_t i = 0; i < c->node_count; i++) {
        KFK_LIST_EACH (n, &c->nodes[i].sessions) {
            kft_session *s = kft_session_of(n);
            if (reading ? s->out_len > 0 && (!worst || s->out_ms < worst->out_ms) : s->busy > (worst ? worst->busy : 0))
                worst = s;
        }
    }
    return worst;
}

void kft_session_relieve(kafka_cluster *c)
{
    while (kft_memory_is_strained(&c->memory)) {
        kft_session *slowest = find_worst(c, true);
        if (!slowest) return;
        kft_log(c, KAFKA_LOG_WARN, "connection %d does not read its answer, and memory is scarce: it is closed",
                slowest->number);
        kft_session_free(slowest);
    }
}

static size_t most_busy(const kafka_cluster *c)
{
    size_t limit = c->memory.limit < SIZE_MAX / 2 ? 2 * c->memory.limit : SIZE_MAX;
    return limit > KFT_LEAST_BUSY ? limit : KFT_LEAST_BUSY;
}

/* Is there memory for what the session has come to take? When there is not, whoever takes most has to go. False: it is
 * this one, which is dead. */
static bool is_affordable(kft_session *s)
{
    kafka_cluster *c = cluster_of(s);
    recount(s);
    while (c->busy > most_busy(c)) {
        kft_session *largest = find_worst(c, false);
        kft_log(c, KAFKA_LOG_WARN, "connection %d takes %zu bytes, and memory is scarce: it is closed", largest->number,
                largest->busy);
        if (largest == s) {
            s->dead = true;
            return false;
        }
        kft_session_free(largest);
    }
    return true;
}

/* ---- the frame that arrives -------------------------------------------------------------------------------------- */

static void forget_frame(kft_session *s)
{
    kfk_block_drop(s->frame);
    s->frame = NULL;
    s->length_got = s->frame_len = s->frame_got = 0;
}

static bool begin_frame(kft_session *s)
{
    int32_t len = (int32_t)kfk_prim_get_be32(s->length);
    if (len < 8 || len > KFT_MOST_FRAME) {
        kft_log(cluster_of(s), KAFKA_LOG_WARN, "connection %d announces a request of %d bytes, possible are 8 to %d",
                s->number, (int)len, KFT_MOST_FRAME);
        return false;
    }
    s->frame_len = (size_t)len;
    s->frame_got = 0;
    s->frame = kfk_block_new(s->frame_len < FIRST_BLOCK ? s->frame_len : FIRST_BLOCK);
    return s->frame && is_affordable(s);
}

static bool grow_frame(kft_session *s)
{
    if (s->frame_got < s->frame->cap) return true;
    size_t cap = s->frame->cap * 2 < s->frame_len ? s->frame->cap * 2 : s->frame_len;
    kfk_block *grown = kfk_block_grow(s->frame, cap);
    if (grown) s->frame = grown;
    return grown && is_affordable(s);
}

static int64_t now_ms(const kft_session *s)
{
    return kfk_loop_now_ms(cluster_of(s)->loop);
}

/* A client that neither sends the rest of its request nor reads its answer is not waited for for ever. */
static void set_patience(kft_session *s)
{
    if (!kfk_timer_is_set(&s->timer))
        kfk_loop_timer_set(cluster_of(s)->loop, &s->timer, kfk_time_add(now_ms(s), LONGEST_PAUSE_MS));
}

/* Reads towards a whole frame. True: it is there. Otherwise nothing more can be read now, or the stream is dead. */
static bool read_frame(kft_session *s)
{
    for (;;) {
        size_t got = 0;
        int code;
        kfk_error err;
        bool whole_length = s->length_got == sizeof s->length;
        if (!whole_length)
            code = s->stream->ops->read(s->stream, s->length + s->length_got, sizeof s->length - s->length_got, &got,
                                        &err);
        else if (grow_frame(s))
            code = s->stream->ops->read(s->stream, s->frame->data + s->frame_got,
                                        (s->frame->cap < s->frame_len ? s->frame->cap : s->frame_len) - s->frame_got,
                                        &got, &err);
        else
            code = KAFKA_ENOMEM;
        if (code == KAFKA_EAGAIN && s->length_got > 0) set_patience(s);
        if (code == KAFKA_EAGAIN) return false;
        if (code != 0) {
            s->dead = true;
            return false;
        }
        set_patience(s);
        if (whole_length) {
            s->frame_got += got;
            if (s->frame_got == s->frame_len) return true;
        } else if ((s->length_got += got) == sizeof s->length && !begin_frame(s)) {
            s->dead = true;
            return false;
        }
    }
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

/* Writes what is left. True: all of it is written. */
static bool flush(kft_session *s)
{
    while (s->out_put < s->out_len) {
        struct iovec iov[64];
        size_t put = 0;
        kfk_error err;
        size_t n = kfk_gather_iov_from(&s->out, s->out_put, iov, sizeof iov / sizeof iov[0]);
        for (size_t i = 0, left = s->out_len - s->out_put; i < n; i++) { /* a truncated answer ends early */
            if (iov[i].iov_len > left) iov[i].iov_len = left;
            left -= iov[i].iov_len;
        }
        int code = s->stream->ops->write(s->stream, iov, (int)n, &put, &err);
        if (code == KAFKA_EAGAIN) {
            set_patience(s);
            return false;
        }
        if (code != 0) {
            s->dead = true;
            return false;
        }
        s->out_put += put;
        s->out_ms = now_ms(s);
        kfk_loop_timer_clear(cluster_of(s)->loop, &s->timer);
    }
    if (s->out_len > 0) {
        s->out_len = s->out_put = 0;
        drop_holds(&s->holds);
        kfk_gather_fini(&s->out); /* an idle connection holds nothing */
        kfk_gather_init(&s->out, SIZE_MAX);
        recount(s);
    }
    return true;
}

/* The request is over. */
static void end_ask(kft_session *s)
{
    kft_ask *ask = &s->ask;
    stop_waiting(ask);
    kfk_list_remove(&s->woken);
    drop_holds(&ask->holds);
    kfk_arena_fini(&ask->arena);
    kfk_arena_fini(&ask->asked);
    kfk_block_drop(ask->frame);
    ask->frame = NULL;
    ask->request = ask->answer = ask->done = NULL;
    ask->handler = NULL;
    ask->api = NULL;
    recount(s);
    s->fault_met = false;
    s->state = SESSION_IDLE;
    kfk_loop_timer_clear(cluster_of(s)->loop, &s->timer);
}

/* Encodes the answer and begins to write it. */
static void answer(kft_session *s)
{
    kft_ask *ask = &s->ask;
    kfk_error err = {0};
    if (s->fault_met && s->fault.kind == KAFKA_FAULT_APPLY_THEN_DROP) {
        s->dead = true;
        return;
    }
    if (s->fault_met && (s->fault.kind == KAFKA_FAULT_ERROR || s->fault.kind == KAFKA_FAULT_APPLY_THEN_ERROR))
        kft_answer_set_error(ask->api->response, ask->version, ask->answer, (int16_t)s->fault.error);
    tell(s, true, ask->answer);
    if (kfk_frame_encode_response(ask->api, ask->version, ask->correlation_id, ask->answer, &s->out, &err) != 0) {
        kft_log(cluster_of(s), KAFKA_LOG_ERROR, "connection %d: cannot answer: %s", s->number, err.text);
        s->dead = true;
        return;
    }
    s->holds = ask->holds;
    ask->holds = NULL;
    if (!is_affordable(s)) return;
    s->out_len = kfk_gather_len(&s->out);
    s->out_ms = now_ms(s);
    if (s->fault_met && s->fault.kind == KAFKA_FAULT_TRUNCATE) {
        if ((uint64_t)s->fault.bytes < s->out_len) s->out_len = (size_t)s->fault.bytes;
        s->finish = true;
    }
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static bool versions_refused(kft_session *s)
{
    kft_ask *ask = &s->ask;
    kfk_api_versions_response *r;
    ask->version = 0; /* KIP-511: an unknown version is answered in version 0 */
    ask->answer = r = kfk_arena_alloc(&ask->arena, ask->api->response->size);
    if (!r) return false;
    kfk_codec_default(ask->api->response, r);
    r->error_code = KAFKA_ERR_UNSUPPORTED_VERSION;
    const kft_handler *own = kft_handler_find(KFK_API_API_VERSIONS);
    if (!KFT_ARRAY(ask, &r->api_keys, "api_keys", 1)) return false;
    r->api_keys.items[0] = (kfk_api_versions_response_api){own->api, own->min_version, own->max_version};
    answer(s);
    end_ask(s);
    return true;
}

/* Decodes a whole frame. False: the connection is to be closed. */
static bool understand(kft_session *s)
{
    kft_ask *ask = &s->ask;
    kfk_error err = {0};
    size_t budget = s->frame_len * REQUEST_BUDGET_FACTOR;
    if (budget < REQUEST_BUDGET_LEAST) budget = REQUEST_BUDGET_LEAST;
    kfk_arena_init(&ask->asked, budget < REQUEST_BUDGET_MOST ? budget : REQUEST_BUDGET_MOST);
    kfk_arena_init(&ask->arena, ANSWER_BUDGET);
    ask->frame = s->frame;
    s->frame = NULL;
    int code = kfk_frame_decode_request(ask->frame->data, s->frame_len, &ask->asked, &ask->api, &ask->version,
                                        &ask->correlation_id, &ask->client_id, &ask->request, &err);
    forget_frame(s);
    ask->handler = ask->api ? kft_handler_find(ask->api->key) : NULL;
    bool hello = ask->api && ask->api->key == KFK_API_API_VERSIONS;
    bool served =
        ask->handler && ask->version >= ask->handler->min_version && ask->version <= ask->handler->max_version;
    if (hello && !served && (code == 0 || code == KAFKA_EVERSION)) return versions_refused(s);
    if (code == 0 && served) return true;
    kft_log(cluster_of(s), KAFKA_LOG_WARN, "connection %d: %s version %d: %s: the connection is closed", s->number,
            ask->api ? ask->api->name : "unknown API", (int)ask->version,
            code != 0 ? err.text : "not served by this cluster");
    return false;
}

static void run_handler(kft_session *s)
{
    kft_ask *ask = &s->ask;
    kfk_arena_fini(&ask->arena);
    drop_holds(&ask->holds);
    stop_waiting(ask);
    ask->answer = kfk_arena_alloc(&ask->arena, ask->api->response->size);
    ask->until_ms = KFK_TIME_NEVER;
    if (!ask->answer) {
        s->dead = true;
        return;
    }
    kfk_codec_default(ask->api->response, ask->answer);
    switch (ask->handler->handle(ask)) {
    case KFT_WAIT:
        if (!is_affordable(s)) return;
        s->state = SESSION_PARKED;
        kfk_loop_timer_set(cluster_of(s)->loop, &s->timer, ask->until_ms);
        return;
    case KFT_ANSWER:
        answer(s);
        if (!s->dead) end_ask(s);
        return;
    case KFT_NO_ANSWER:
        s->dead = s->fault_met && s->fault.kind != KAFKA_FAULT_DELAY; /* nothing is left to be spoiled */
        if (!s->dead) end_ask(s);
        return;
    case KFT_HANG_UP: s->dead = true; return;
    }
}

/* What a fault does before the request is handled. False: it ends here, or waits. */
static bool suffer(kft_session *s)
{
    if (!s->fault_met) return true;
    switch (s->fault.kind) {
    case KAFKA_FAULT_DROP: s->dead = true; return false;
    case KAFKA_FAULT_SILENCE: s->state = SESSION_SILENT; return false;
    case KAFKA_FAULT_ERROR: s->ask.dry = true; return true;
    default: return true;
    }
}

static void begin_request(kft_session *s)
{
    kft_ask *ask = &s->ask;
    kafka_cluster *c = cluster_of(s);
    int64_t delay = 0;
    kfk_loop_timer_clear(c->loop, &s->timer);
    if (!understand(s)) {
        s->dead = true;
        return;
    }
    if (!ask->api) return; /* answered already */
    if (!is_affordable(s)) return;
    ask->dry = ask->late = false;
    ask->done = NULL;
    ask->arrived_ms = now_ms(s);
    c->requests[ask->api->key]++;
    if (c->sees) c->sees(c->sees_arg, ask);
    tell(s, false, ask->request);
    s->fault_met = kft_faults_meet(&c->faults, ask, &s->fault);
    if (!suffer(s)) return;
    if (s->fault_met) delay = s->fault.delay_ms;
    if (ask->api->key == KFK_API_PRODUCE) delay = kfk_time_add(delay, ask->node->disk_delay_ms);
    if (delay > 0) {
        s->state = SESSION_DELAYED;
        kfk_loop_timer_set(c->loop, &s->timer, kfk_time_add(kfk_time_ceil_ms(), delay)); /* never early */
        return;
    }
    run_handler(s);
}

/* ---- driving it -------------------------------------------------------------------------------------------------- */

/* While a request waits, its client may go: nothing of what it sent ahead is read but the next length. */
static void notice_end(kft_session *s)
{
    kfk_error err;
    int code = 0;
    while (code == 0 && s->length_got < sizeof s->length) {
        size_t got = 0;
        code = s->stream->ops->read(s->stream, s->length + s->length_got, sizeof s->length - s->length_got, &got, &err);
        s->length_got += got;
        if (s->length_got == sizeof s->length && !begin_frame(s)) code = KAFKA_EPROTO;
    }
    if (code != 0 && code != KAFKA_EAGAIN) s->dead = true;
}

/* A silent broker still notices that its client has gone. */
static void drain(kft_session *s)
{
    uint8_t scratch[4096];
    kfk_error err;
    size_t got;
    int code;
    do {
        code = s->stream->ops->read(s->stream, scratch, sizeof scratch, &got, &err);
    } while (code == 0);
    s->dead = code != KAFKA_EAGAIN;
}

static void advance(kft_session *s)
{
    if (s->gone) return;
    if (s->yields) kfk_loop_timer_clear(cluster_of(s)->loop, &s->timer); /* an edge may come before the turn does */
    s->yields = false;
    if (s->state == SESSION_SILENT) drain(s);
    if (s->state == SESSION_PARKED) notice_end(s);
    for (int i = 0; !s->dead; i++) {
        if (!flush(s)) break;
        if (s->finish) s->dead = true;
        if (s->dead || s->state != SESSION_IDLE) break;
        if (i == REQUESTS_PER_TURN) { /* the rest in the next turn */
            s->yields = true;
            kfk_loop_timer_set(cluster_of(s)->loop, &s->timer, now_ms(s));
            break;
        }
        if (!read_frame(s)) break;
        begin_request(s);
    }
    if (s->dead) kft_session_free(s);
}

static void stream_ready(void *owner, unsigned events)
{
    (void)events;
    advance(owner);
}

static void timer_due(kfk_timer *t)
{
    kft_session *s = KFK_CONTAINER(t, kft_session, timer);
    if (s->state == SESSION_DELAYED) {
        s->state = SESSION_IDLE;
        run_handler(s);
    } else if (s->state == SESSION_PARKED) {
        s->state = SESSION_IDLE;
        s->ask.late = true;
        kfk_list_remove(&s->woken);
        run_handler(s);
    } else if (s->length_got > 0 || s->out_len > 0) {
        kft_log(cluster_of(s), KAFKA_LOG_WARN, "connection %d %s for %d s: it is closed", s->number,
                s->out_len > 0 ? "reads no more of its answer" : "sent a part of a request and nothing more",
                LONGEST_PAUSE_MS / 1000);
        s->dead = true;
    }
    advance(s);
}

/* Runs parked requests that have news. Whoever is woken meanwhile waits for the next task. */
void kft_session_run_woken(kafka_cluster *c)
{
    kfk_list now;
    kfk_list_init(&now);
    kfk_list_splice(&now, &c->woken);
    for (kfk_list *n; (n = kfk_list_first(&now)) != NULL;) {
        kft_session *s = KFK_CONTAINER(n, kft_session, woken);
        kfk_list_remove(&s->woken);
        if (s->state != SESSION_PARKED) continue;
        s->state = SESSION_IDLE;
        run_handler(s);
        advance(s);
    }
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

void kft_session_new(kft_node *n, kfk_stream *stream)
{
    kafka_cluster *c = n->cluster;
    kft_session *s = c->session_count < KFT_MOST_SESSIONS ? kfk_mem_zalloc(sizeof *s) : NULL;
    kfk_error err = {0};
    if (!s) {
        kft_log(c, KAFKA_LOG_WARN, "a connection is refused: %s",
                c->session_count < KFT_MOST_SESSIONS ? "no memory" : "there are too many");
        stream->ops->close(stream);
        return;
    }
    c->session_count++;
    s->number = ++c->connections;
    s->stream = stream;
    s->ask.cluster = c;
    s->ask.node = n;
    s->ask.session = s;
    kfk_list_init(&s->ask.waits);
    kfk_list_init(&s->woken);
    kfk_list_push_back(&n->sessions, &s->node_link);
    kfk_timer_init(&s->timer, timer_due);
    kfk_gather_init(&s->out, SIZE_MAX);
    stream->owner = s;
    stream->ready = stream_ready;
    if (stream->ops->connected(stream, &err) != 0) s->dead = true;
    advance(s); /* bytes may have come together with the connection */
}

void kft_session_free(kft_session *s)
{
    kafka_cluster *c = cluster_of(s);
    s->gone = true;
    if (s->ask.frame) end_ask(s);
    kfk_loop_timer_clear(c->loop, &s->timer);
    kfk_list_remove(&s->node_link);
    kfk_list_remove(&s->woken);
    forget_frame(s);
    drop_holds(&s->holds);
    kfk_gather_fini(&s->out);
    c->busy -= s->busy;
    s->stream->ops->close(s->stream);
    c->session_count--;
    kfk_mem_free(s);
}
