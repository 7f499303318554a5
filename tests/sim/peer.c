/* The connections of a peer, its script, and the frames.
 *
 * A session reads one request, as its bytes arrive, and handles it before it reads the next, as a broker does: while it
 * is busy what comes in stays in the link, and in the end fills the client's window. A busy session has an event: the
 * end of a delay, or the time until which a Fetch waits, which data wakes earlier; each time the request is decoded
 * anew, so nothing but its bytes is kept. */
#include "sim/peer.h"
#include "sim/peer_impl.h"
#include "sim/sim_impl.h"
#include "wire/gen/apis.h"
#include "wire/gen/produce.h"
#include "wire/prim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct peer_session {
    peer *peer;
    sim_link *link;
    sim_event event;
    kfk_list waiting;                 /* in the cluster's list */
    bool busy, gone;                  /* gone: it closed the link */
    uint8_t length[KFK_FRAME_LENGTH]; /* of the frame that arrives */
    size_t length_got;
    uint8_t *request; /* the frame that arrives, or that it is busy with, without the length */
    size_t len, got;
    int64_t asked_us;
    peer_step step;
    uint8_t *slowly; /* an answer that trickles out, NULL = none */
    size_t slowly_len, slowly_sent;
} peer_session;

static const peer_step behave = {.api = PEER_ANY, .version = PEER_ANY};

static sim *sim_of(const peer_session *x)
{
    return x->peer->cluster->sim;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void hang_up(peer_session *x, bool reset)
{
    x->gone = true;
    if (reset)
        sim_link_reset(x->link);
    else
        sim_link_close(x->link);
}

/* The next byte of an answer that trickles out. */
static void trickle(peer_session *x)
{
    sim *s = sim_of(x);
    sim_link_send(x->link, x->slowly + x->slowly_sent++, 1);
    if (x->slowly_sent < x->slowly_len) {
        sim_event_set(s, &x->event, sim_now_us(s) + (int64_t)x->step.bytes * 1000);
        return;
    }
    free(x->slowly);
    x->slowly = NULL;
    x->busy = false;
}

static void begin_trickle(peer_session *x, const uint8_t *bytes, size_t len)
{
    x->slowly = sim_alloc(len);
    memcpy(x->slowly, bytes, len);
    x->slowly_len = len;
    x->slowly_sent = 0;
    trickle(x);
}

static void send_frame(peer_session *x, const uint8_t *bytes, size_t len)
{
    size_t cut = x->step.bytes < len ? x->step.bytes : len;
    switch (x->step.action) {
    case PEER_SKIP: return;
    case PEER_APPLY_CLOSE: hang_up(x, false); return;
    case PEER_TRICKLE: begin_trickle(x, bytes, len); return;
    case PEER_RAW: sim_link_send(x->link, x->step.raw, x->step.bytes); return;
    case PEER_CUT:
        if (cut > 0) sim_link_send(x->link, bytes, cut);
        hang_up(x, false);
        return;
    default: sim_link_send(x->link, bytes, len); return;
    }
}

static void encode_and_send(peer_session *x, const kfk_api *api, int16_t version, int32_t id, const void *answer)
{
    kfk_gather out;
    kfk_error err = {0};
    kfk_gather_init(&out, SIZE_MAX);
    if (x->step.action == PEER_WRONG_ID) id ^= 0x40000000;
    if (kfk_frame_encode_response(api, version, id, answer, &out, &err) != 0) {
        sim_fail(sim_of(x), "answer to %s v%d: %s", api->name, version, err.text);
    } else {
        uint8_t *bytes = sim_alloc(kfk_gather_len(&out));
        kfk_gather_copy(&out, bytes);
        sim_trace(sim_of(x), "broker %d answers %s v%d", (int)x->peer->id, api->name, version);
        send_frame(x, bytes, kfk_gather_len(&out));
        free(bytes);
    }
    kfk_gather_fini(&out);
}

/* A version that is not offered: ApiVersions is refused in version 0, anything else is a mistake of the client. */
static bool offers(peer_session *x, const kfk_api *api, int16_t version)
{
    const peer_versions *v = &x->peer->versions[api->key];
    if (version >= v->min && version <= v->max) return true;
    if (api->key != KFK_API_API_VERSIONS) sim_fail(sim_of(x), "%s v%d was not offered", api->name, version);
    return false;
}

/* A request as it was understood. */
typedef struct asked_for {
    const kfk_api *api; /* NULL: not at all */
    int16_t version, code;
    int32_t id;
    void *request;
} asked_for;

static void understand(peer_session *x, kfk_arena *arena, asked_for *a)
{
    kafka_bytes client;
    kfk_error err = {0};
    int failed =
        kfk_frame_decode_request(x->request, x->len, arena, &a->api, &a->version, &a->id, &client, &a->request, &err);
    bool hello = a->api && a->api->key == KFK_API_API_VERSIONS;
    a->code = x->step.action == PEER_ERROR ? x->step.code : 0;
    if (hello && (failed == KAFKA_EVERSION || !offers(x, a->api, a->version))) {
        a->code = KAFKA_ERR_UNSUPPORTED_VERSION;
        a->version = 0;
    } else if (failed != 0) {
        sim_fail(sim_of(x), "a request that cannot be decoded: %s", err.text);
        a->api = NULL;
    } else if (!offers(x, a->api, a->version)) {
        a->api = NULL;
    }
}

/* Data, or the time, will have it asked again. */
static void wait_for_data(peer_session *x, int64_t until_us)
{
    sim_event_set(sim_of(x), &x->event, until_us);
    kfk_list_remove(&x->waiting);
    kfk_list_push_back(&x->peer->cluster->waiting, &x->waiting);
}

/* Answers the request that it is busy with. False: not yet. */
static bool answer_now(peer_session *x)
{
    kfk_arena arena;
    asked_for a = {0};
    int64_t until_us = 0;
    kfk_arena_init(&arena, SIZE_MAX);
    understand(x, &arena, &a);
    if (a.api) {
        void *answer = kfk_arena_alloc(&arena, a.api->response->size);
        bool no_answer = a.api->key == KFK_API_PRODUCE && ((const kfk_produce_request *)a.request)->acks == 0;
        if (!answer) exit(2);
        if (!peer_answer(x->peer, a.api, a.version, a.request, a.code, x->asked_us, &arena, answer, &until_us))
            wait_for_data(x, until_us);
        else if (x->peer->edit)
            x->peer->edit(x->peer->edit_arg, a.api, answer, &arena);
        if (until_us == 0 && !no_answer) encode_and_send(x, a.api, a.version, a.id, answer);
    }
    kfk_arena_fini(&arena);
    return until_us == 0 && !x->slowly;
}

static void proceed(peer_session *x)
{
    kfk_list_remove(&x->waiting);
    if (x->peer->frozen) return;
    switch (x->step.action) {
    case PEER_SILENCE: return; /* busy for ever */
    case PEER_CLOSE: hang_up(x, false); return;
    case PEER_RESET: hang_up(x, true); return;
    default: break;
    }
    if (answer_now(x)) x->busy = false;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void count_request(peer_session *x, int16_t api, int16_t version)
{
    peer *p = x->peer;
    p->all_requests++;
    p->last_request_us = sim_now_us(sim_of(x));
    if (api < 0 || api >= PEER_API_KEYS) return;
    p->requests[api]++;
    p->last_version[api] = version;
}

static peer_step mischief(peer_session *x)
{
    static const peer_action actions[] = {PEER_ANSWER, PEER_ANSWER,      PEER_ERROR, PEER_SILENCE,
                                          PEER_CLOSE,  PEER_APPLY_CLOSE, PEER_RESET, PEER_CUT};
    sim *s = sim_of(x);
    peer_step step = behave;
    step.action = actions[sim_below(s, sizeof actions / sizeof actions[0])];
    step.code = KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
    step.bytes = sim_below(s, 100);
    if (step.action == PEER_ANSWER) step.delay_ms = (int64_t)sim_below(s, 2000);
    return step;
}

static void choose_step(peer_session *x, int16_t api, int16_t version)
{
    peer *p = x->peer;
    bool scripted = p->next_step < p->step_count;
    x->step = scripted ? p->steps[p->next_step++] : behave;
    if (!scripted && p->mischief > 0 && sim_chance(sim_of(x), p->mischief)) x->step = mischief(x);
    bool expected =
        (x->step.api == PEER_ANY || x->step.api == api) && (x->step.version == PEER_ANY || x->step.version == version);
    if (!expected)
        sim_fail(sim_of(x), "step %zu of broker %d expects API %d v%d, API %d v%d came", p->next_step, (int)p->id,
                 x->step.api, x->step.version, api, version);
}

static void begin_request(peer_session *x)
{
    const uint8_t *p = x->request;
    int16_t api = x->len >= 4 ? (int16_t)kfk_prim_get_be16(p) : -1,
            version = x->len >= 4 ? (int16_t)kfk_prim_get_be16(p + 2) : -1;
    x->busy = true;
    x->asked_us = sim_now_us(sim_of(x));
    count_request(x, api, version);
    choose_step(x, api, version);
    sim_trace(sim_of(x), "broker %d gets API %d v%d", (int)x->peer->id, api, version);
    int64_t delay_us = x->step.delay_ms * 1000 + x->peer->delay_us;
    if (delay_us > 0)
        sim_event_set(sim_of(x), &x->event, x->asked_us + delay_us);
    else
        proceed(x);
}

/* Moves what has arrived of `want` bytes to `to`; returns how many there are then. */
static size_t take_bytes(peer_session *x, uint8_t *to, size_t got, size_t want)
{
    size_t len;
    const uint8_t *data = sim_link_data(x->link, &len);
    size_t n = len < want - got ? len : want - got;
    if (n > 0) memcpy(to + got, data, n);
    sim_link_consume(x->link, n);
    return got + n;
}

/* True when a whole frame lies in `request`. */
static bool take_frame(peer_session *x)
{
    if (x->length_got < KFK_FRAME_LENGTH) {
        x->length_got = take_bytes(x, x->length, x->length_got, KFK_FRAME_LENGTH);
        if (x->length_got < KFK_FRAME_LENGTH) return false;
        free(x->request);
        x->len = kfk_prim_get_be32(x->length);
        x->request = sim_alloc(x->len + 1);
        x->got = 0;
    }
    x->got = take_bytes(x, x->request, x->got, x->len);
    if (x->got < x->len) return false;
    x->length_got = 0;
    return true;
}

/* Takes requests until one keeps it busy. */
static void take_requests(peer_session *x)
{
    while (!x->busy && !x->gone && take_frame(x)) begin_request(x);
    if (!x->busy && !x->gone && sim_link_state_of(x->link) != SIM_LINK_OPEN) hang_up(x, false);
}

static void session_due(sim *s, sim_event *e)
{
    (void)s;
    peer_session *x = KFK_CONTAINER(e, peer_session, event);
    if (x->slowly)
        trickle(x);
    else
        proceed(x);
    take_requests(x);
}

void peer_wake_waiting(peer_cluster *c)
{
    KFK_LIST_EACH (node, &c->waiting) {
        peer_session *x = KFK_CONTAINER(node, peer_session, waiting);
        kfk_list_remove(node);
        sim_event_set(c->sim, &x->event, sim_now_us(c->sim));
    }
}

/* ---- links ------------------------------------------------------------------------------------------------------- */

static void accepted(void *arg, sim_link *k)
{
    peer_session *x = sim_alloc(sizeof *x);
    x->peer = arg;
    x->link = k;
    kfk_list_init(&x->waiting);
    sim_event_init(&x->event, session_due);
    sim_link_set_owner(k, x);
}

static void received(void *arg, sim_link *k)
{
    (void)arg;
    take_requests(sim_link_owner(k));
}

static void gone(void *arg, sim_link *k)
{
    (void)arg;
    peer_session *x = sim_link_owner(k);
    sim_event_clear(sim_of(x), &x->event);
    kfk_list_remove(&x->waiting);
    sim_link_set_owner(k, NULL);
    free(x->request);
    free(x->slowly);
    free(x);
}

static const sim_server peer_server = {.accepted = accepted, .received = received, .gone = gone};

/* ---- peers ------------------------------------------------------------------------------------------------------- */

peer *peer_new(peer_cluster *c, int32_t id, const char *address)
{
    /* the library knows more APIs */
    static const int16_t answered[] = {
        KFK_API_PRODUCE,         KFK_API_FETCH,         KFK_API_LIST_OFFSETS,  KFK_API_METADATA,
        KFK_API_API_VERSIONS,    KFK_API_CREATE_TOPICS, KFK_API_DELETE_TOPICS, KFK_API_FIND_COORDINATOR,
        KFK_API_INIT_PRODUCER_ID};
    peer *p = sim_alloc(sizeof *p);
    kfk_hostport at;
    sim_own(c->sim, free, p);
    if (c->broker_count == PEER_BROKERS || kfk_hostport_parse(address, strlen(address), &at, NULL) != 0) {
        sim_fail(c->sim, "no peer at %s", address);
        return p;
    }
    c->brokers[c->broker_count++] = p;
    p->cluster = c;
    p->id = id;
    p->route = sim_net_listen(c->sim, address, &peer_server, p);
    peer_advertise(p, at.host, at.port);
    for (int16_t key = 0; key < PEER_API_KEYS; key++) {
        peer_set_versions(p, key, 0, -1);
        p->last_version[key] = -1;
    }
    for (size_t i = 0; i < sizeof answered / sizeof answered[0]; i++) {
        const kfk_api *api = kfk_api_find(answered[i]);
        peer_set_versions(p, api->key, api->min_version, api->max_version);
    }
    p->versions[KFK_API_PRODUCE].min = 3;
    return p;
}

peer *peer_alone(sim *s, const char *address)
{
    peer_cluster *c = peer_cluster_new(s);
    peer_cluster_add_topic(c, "t", 2, 1);
    return peer_new(c, 1, address);
}

peer_cluster *peer_cluster_of(peer *p)
{
    return p->cluster;
}

void peer_advertise(peer *p, const char *host, int32_t port)
{
    snprintf(p->host, sizeof p->host, "%s", host);
    p->port = port;
}

void peer_script(peer *p, const peer_step *steps, size_t count)
{
    p->steps = steps;
    p->step_count = count;
    p->next_step = 0;
}

void peer_set_versions(peer *p, int16_t api, int16_t min, int16_t max)
{
    p->versions[api] = (peer_versions){.min = min, .max = max};
}

void peer_set_mischief(peer *p, unsigned n)
{
    p->mischief = n;
}

void peer_set_throttle_ms(peer *p, int32_t ms)
{
    p->throttle_ms = ms;
}

void peer_set_edit(peer *p, peer_edit *edit, void *arg)
{
    p->edit = edit;
    p->edit_arg = arg;
}

void peer_set_delay_us(peer *p, int64_t us)
{
    p->delay_us = us;
}

/* The n-th connection of the run, if it is one to this peer. */
static peer_session *session_of(peer *p, size_t n, bool *more)
{
    sim_link *k = sim_net_link(p->cluster->sim, n);
    *more = k != NULL;
    peer_session *x = k ? sim_link_owner(k) : NULL;
    return x && x->peer == p && !x->gone ? x : NULL;
}

void peer_stop(peer *p)
{
    bool more = true;
    p->route->reach = SIM_REFUSES;
    for (size_t n = 0; more; n++) {
        peer_session *x = session_of(p, n, &more);
        if (x) hang_up(x, true);
    }
}

void peer_start(peer *p)
{
    p->route->reach = SIM_ANSWERS;
}

void peer_freeze(peer *p)
{
    p->frozen = true;
}

void peer_thaw(peer *p)
{
    bool more = true;
    p->frozen = false;
    for (size_t n = 0; more; n++) {
        peer_session *x = session_of(p, n, &more);
        if (x && x->busy) sim_event_set(sim_of(x), &x->event, sim_now_us(sim_of(x)));
    }
}

int32_t peer_id(const peer *p)
{
    return p->id;
}

int peer_steps_left(const peer *p)
{
    return (int)(p->step_count - p->next_step);
}

int peer_requests(const peer *p, int16_t api)
{
    return api == PEER_ANY ? p->all_requests : p->requests[api];
}

int16_t peer_last_version(const peer *p, int16_t api)
{
    return p->last_version[api];
}

int64_t peer_last_request_us(const peer *p)
{
    return p->last_request_us;
}

sim_route *peer_route(peer *p)
{
    return p->route;
}
