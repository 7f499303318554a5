/* The broker's side: sessions that answer one request after the other, by the steps of the input. The client's side is
 * conversation_client.c.
 *
 * The library is the only one whose allocations fail; the simulated world, which shares the allocator, is spared. */
#include "conversation.h"
#include "conversation_client.h"
#include "fuzz.h"
#include "sim/peer_impl.h"
#include "wire/gen/produce.h"
#include "wire/prim.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_REQUEST = 1 << 20, MOST_FRAME = 1 << 16, FILLED = 12, BUDGET_MS = 10 * 60 * 1000, STEPS = 300 * 1000 };

typedef struct conversation {
    fuzz_input in;
    client client;
    peer *peer;
    void (*answer)(void *, const uint8_t *, size_t);
    void *arg;
} conversation;

typedef struct session {
    conversation *talk;
    sim_link *link;
    sim_event event;
    bool busy, gone, chosen;
    int64_t asked_us;
    /* the step for the request that it is busy with */
    uint8_t control;
    int64_t cut; /* -1 = none */
    int16_t code;
} session;

/* ---- what a step sends ------------------------------------------------------------------------------------------- */

static void hang_up(session *x, bool reset)
{
    x->gone = true;
    if (reset)
        sim_link_reset(x->link);
    else
        sim_link_close(x->link);
}

static void send_bytes(session *x, const uint8_t *bytes, size_t len)
{
    bool cut = x->cut >= 0 && (size_t)x->cut < len;
    if (cut) len = (size_t)x->cut;
    if (len > 0) sim_link_send(x->link, bytes, len);
    if (cut) hang_up(x, false);
}

/* A frame with this behind its correlation id. */
static void send_frame(session *x, int32_t id, const uint8_t *body, size_t len)
{
    uint8_t *frame = malloc(8 + len);
    if (frame == NULL) exit(2);
    kfk_prim_put_be32(frame, (uint32_t)(4 + len));
    kfk_prim_put_be32(frame + 4, (uint32_t)id);
    if (len > 0) memcpy(frame + 8, body, len);
    send_bytes(x, frame, 8 + len);
    free(frame);
}

/* One change to the frame, in place. */
static void change(fuzz_input *in, uint8_t *frame, size_t *len)
{
    size_t at = fuzz_u16(in);
    uint8_t kind = fuzz_byte(in), value[4];
    for (size_t i = 0; i < sizeof value; i++) value[i] = fuzz_byte(in);
    at = *len > 0 ? at % *len : 0;
    size_t room = *len - at, width = (size_t)1 << (kind & 3);
    if (width > 4) width = 4;
    switch (kind >> 2 & 3) {
    case 0: /* other bytes */ memcpy(frame + at, value, width < room ? width : room); break;
    case 1: /* more bytes */
        if (*len + width > MOST_FRAME) break;
        memmove(frame + at + width, frame + at, room);
        memcpy(frame + at, value, width);
        *len += width;
        break;
    case 2: /* fewer: up to 64 KiB */
        width = (size_t)value[0] << 8 | value[1];
        if (width > room) width = room;
        memmove(frame + at, frame + at + width, room - width);
        *len -= width;
        break;
    default: /* a bit */
        if (room > 0) frame[at] ^= (uint8_t)(1u << (value[0] & 7));
        break;
    }
    /* Most changes go behind the length, which is then made right; those of kinds from 128 on may be anywhere. */
    if (kind < 128 && *len >= 4) kfk_prim_put_be32(frame, (uint32_t)(*len - 4));
}

static void send_changed(session *x, const kfk_gather *answer)
{
    static uint8_t frame[2 * MOST_FRAME];
    size_t len = kfk_gather_len(answer);
    fuzz_input *in = &x->talk->in;
    if (len > MOST_FRAME) return;
    kfk_gather_copy(answer, frame);
    for (unsigned n = 1 + fuzz_byte(in) % 4; n > 0; n--) change(in, frame, &len);
    send_bytes(x, frame, len);
}

static void send_answer(session *x, const kfk_api *api, int16_t version, int32_t id, const void *msg)
{
    kfk_gather out;
    kfk_error err = {0};
    kfk_gather_init(&out, SIZE_MAX);
    FUZZ_REQUIRE(kfk_frame_encode_response(api, version, id, msg, &out, &err) == 0, "%s", err.text);
    size_t len = kfk_gather_len(&out);
    uint8_t *bytes = malloc(len);
    if (bytes == NULL) exit(2);
    kfk_gather_copy(&out, bytes);
    if (x->talk->answer != NULL) x->talk->answer(x->talk->arg, bytes + 8, len - 8);
    if ((x->control & 7) == 1)
        send_changed(x, &out);
    else
        send_bytes(x, bytes, len);
    free(bytes);
    kfk_gather_fini(&out);
}

/* Bytes of the input: as they are, or in a frame. */
static void send_own(session *x, int32_t id, bool framed)
{
    size_t len, want = fuzz_u16(&x->talk->in);
    uint8_t *bytes = fuzz_copy(&x->talk->in, want, &len);
    if (framed)
        send_frame(x, id, bytes, len);
    else
        send_bytes(x, bytes, len);
    free(bytes);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

typedef struct question {
    const kfk_api *api;
    int16_t version;
    int32_t id;
    kafka_bytes client;
    void *msg;
} question;

/* Whatever was answered before, what the client asks is well-formed and was offered. */
static void understand(const uint8_t *frame, size_t len, kfk_arena *arena, question *q)
{
    kfk_error err = {0};
    int code = kfk_frame_decode_request(frame, len, arena, &q->api, &q->version, &q->id, &q->client, &q->msg, &err);
    FUZZ_REQUIRE(code == 0, "the client asks what cannot be decoded: %s", err.text);
}

/* The peer's own answer, unless it waits for data. False: not yet. */
static bool answer_right(session *x, const question *q, kfk_arena *arena)
{
    int64_t until_us = 0;
    void *msg = kfk_arena_alloc(arena, q->api->response->size);
    if (msg == NULL) exit(2);
    int16_t code = (x->control & 7) == 4 ? x->code : 0, version = q->version;
    const peer_versions *v = &x->talk->peer->versions[q->api->key];
    if (q->api->key == KFK_API_API_VERSIONS && version > v->max) {
        code = KAFKA_ERR_UNSUPPORTED_VERSION;
        version = 0;
    }
    if (!peer_answer(x->talk->peer, q->api, version, q->msg, code, x->asked_us, arena, msg, &until_us)) {
        sim_event_set(sim_link_sim(x->link), &x->event, until_us);
        return false;
    }
    bool silent = q->api->key == KFK_API_PRODUCE && ((const kfk_produce_request *)q->msg)->acks == 0;
    if (!silent) send_answer(x, q->api, version, q->id, msg);
    return true;
}

/* Takes the next step from the input; true: after a delay. */
static bool choose_step(session *x)
{
    fuzz_input *in = &x->talk->in;
    x->control = fuzz_byte(in);
    x->chosen = true;
    x->code = (x->control & 7) == 4 ? (int16_t)fuzz_u16(in) : 0;
    int64_t delay_us = x->control & 8 ? INT64_C(1000) << (fuzz_byte(in) % 16) : 0;
    x->cut = x->control & 16 ? fuzz_byte(in) : -1;
    if (delay_us > 0) sim_event_set(sim_link_sim(x->link), &x->event, sim_now_us(sim_link_sim(x->link)) + delay_us);
    return delay_us > 0;
}

/* Does what the step says. False: the right answer has to wait. */
static bool take_step(session *x, const question *q, kfk_arena *arena)
{
    switch (x->control & 7) {
    case 2: send_own(x, q->id, true); break;
    case 3: send_own(x, q->id, false); break;
    case 5: hang_up(x, false); break;
    case 6: hang_up(x, true); break;
    case 7: sim_link_silence(x->link); break;
    default: return answer_right(x, q, arena);
    }
    return true;
}

/* The request at the front of the link, if it is whole. */
static const uint8_t *front(const session *x, size_t *len)
{
    size_t there;
    const uint8_t *p = sim_link_data(x->link, &there);
    if (there < KFK_FRAME_LENGTH) return NULL;
    *len = kfk_prim_get_be32(p);
    FUZZ_REQUIRE(*len < MOST_REQUEST, "a request of %zu bytes", *len);
    return there - KFK_FRAME_LENGTH >= *len ? p + KFK_FRAME_LENGTH : NULL;
}

/* Goes on with the request at the front, which stays there until it was answered. */
static void proceed(session *x)
{
    size_t len;
    bool done = false;
    while (!x->gone && !done) {
        const uint8_t *frame = front(x, &len);
        if (frame == NULL) return;
        if (!x->busy) x->asked_us = sim_now_us(sim_link_sim(x->link));
        x->busy = true;
        if (!x->chosen && choose_step(x)) return;
        kfk_arena arena;
        question q = {0};
        kfk_arena_init(&arena, SIZE_MAX);
        understand(frame, len, &arena, &q);
        done = !take_step(x, &q, &arena);
        kfk_arena_fini(&arena);
        if (done || x->gone) return;
        x->chosen = false;
        if (x->control & 32) continue;
        x->busy = false;
        sim_link_consume(x->link, KFK_FRAME_LENGTH + len);
    }
}

/* ---- links ------------------------------------------------------------------------------------------------------- */

static void event_due(sim *s, sim_event *e)
{
    (void)s;
    proceed(KFK_CONTAINER(e, session, event));
}

static void accepted(void *arg, sim_link *k)
{
    session *x = calloc(1, sizeof *x);
    if (x == NULL) exit(2);
    x->talk = arg;
    x->link = k;
    sim_event_init(&x->event, event_due);
    sim_link_set_owner(k, x);
}

static void received(void *arg, sim_link *k)
{
    (void)arg;
    session *x = sim_link_owner(k);
    if (x->gone) return;
    if (!x->busy) proceed(x);
    if (!x->gone && sim_link_state_of(k) != SIM_LINK_OPEN) hang_up(x, false);
}

static void gone(void *arg, sim_link *k)
{
    (void)arg;
    session *x = sim_link_owner(k);
    sim_event_clear(sim_link_sim(k), &x->event);
    free(x);
}

static const sim_server server = {.accepted = accepted, .received = received, .gone = gone};

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void offer_oldest(peer *p)
{
    for (int16_t key = 0; key < PEER_API_KEYS; key++) {
        peer_versions *v = &p->versions[key];
        if (v->max >= v->min) v->max = v->min;
    }
    p->versions[KFK_API_FETCH] = (peer_versions){4, 4};
    p->versions[KFK_API_LIST_OFFSETS] = (peer_versions){1, 1};
    p->versions[KFK_API_METADATA] = (peer_versions){1, 1};
}

static sim *running;

static bool is_spared(void)
{
    return running == NULL || !sim_in_library(running);
}

void conversation_run(const uint8_t *data, size_t size, void (*answer)(void *, const uint8_t *, size_t), void *arg)
{
    conversation talk = {.in = {data, size}, .answer = answer, .arg = arg};
    uint64_t seed = fuzz_u16(&talk.in);
    uint8_t options = fuzz_byte(&talk.in), fail_at = fuzz_byte(&talk.in);
    talk.client = (client){.address = CLIENT_BROKER, .options = options, .left_out = fuzz_u16(&talk.in)};

    talk.client.honest = fail_at == 0 && talk.in.left == 0;

    fuzz_memory_begin(fail_at);
    fuzz_memory_spare(is_spared);
    sim *s = sim_new(seed, &(sim_config){.budget_ms = BUDGET_MS, .steps = STEPS});
    running = s;
    talk.peer = peer_alone(s, CLIENT_BROKER);
    if (options & CONVERSATION_OLD) offer_oldest(talk.peer);
    peer_cluster_fill(peer_cluster_of(talk.peer), "t", 0, "value", FILLED);
    sim_net_listen(s, CLIENT_BROKER, &server, &talk)->window = MOST_REQUEST + KFK_FRAME_LENGTH;
    sim_spawn(s, "client", client_run, &talk.client);
    sim_run(s);
    FUZZ_REQUIRE(!sim_failed(s), "%s\n%s", sim_failure(s), sim_trace_tail(s, 30));
    sim_free(s);
    running = NULL;
    fuzz_memory_end();
}
