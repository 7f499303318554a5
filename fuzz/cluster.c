/* The in-memory cluster: bytes of up to four clients, in steps, into its sessions.
 *
 * Input: options, which allocation of the cluster fails (16 bits), then steps: control, API (its row), version (from
 * the least on), length (16 bits), that many bytes. Options: bits 0-3: how many bytes a read gives at most (0 = all).
 * Control: bits 0-1: which client; bits 2-3: 0, 1: the bytes are a frame behind API key and version; 2: bytes as they
 * are; 3: the client hangs up; bit 4: from now on it reads nothing; bit 5: it reads again; bit 6: before that an hour
 * passes, in which all that waits for a time comes to its end. Otherwise a step takes a millisecond: the clock is the
 * target's, so that an input does the same each time. There is a topic "t" with two partitions.
 *
 * What must hold: each answer is one to a request that was sent, in their order, and decodes in its version; memory
 * stays within bounds; if no allocation failed a client that behaves is served at the end; nothing leaks. */
#include "testing/cluster.h"
#include "base/time.h"
#include "fuzz.h"
#include "kafka/testing.h"
#include "testing/call.h"
#include "testing/node.h"
#include "testing/session.h"
#include "wire/compress.h"
#include "wire/frame.h"
#include "wire/gen/metadata.h"
#include "wire/prim.h"
#include <stdlib.h>
#include <string.h>

enum {
    CLIENTS = 4,
    HOUR_MS = 3600000,
    MOST_MEMORY = 192 << 20 /* a batch that inflates to 64 MiB, and what it takes */
};

/* A request that was sent whole. */
typedef struct question {
    int16_t key, version;
    int32_t id;
} question;

typedef struct wire {
    kfk_stream stream;
    bool open, ended, deaf; /* deaf: reads nothing */
    uint8_t *in, *out;
    size_t in_len, in_at, out_len, chunk;
    question *asked;
    size_t asked_count, parsed; /* parsed: bytes of `in` that became questions */
} wire;

/* ---- the stream -------------------------------------------------------------------------------------------------- */

static wire *of(kfk_stream *s)
{
    return (wire *)(void *)s;
}

static int wire_connected(kfk_stream *s, kfk_error *err)
{
    (void)s;
    (void)err;
    return 0;
}

static int wire_read(kfk_stream *s, void *buf, size_t cap, size_t *got, kfk_error *err)
{
    wire *w = of(s);
    size_t n = w->in_len - w->in_at;
    if (n == 0 && w->ended) return kfk_error_set(err, KAFKA_EOF, "the client has hung up");
    if (n == 0) return KAFKA_EAGAIN;
    if (n > cap) n = cap;
    if (w->chunk > 0 && n > w->chunk) n = w->chunk;
    memcpy(buf, w->in + w->in_at, n);
    w->in_at += n;
    *got = n;
    return 0;
}

static void *grown(void *old, size_t size)
{
    void *p = realloc(old, size > 0 ? size : 1);
    if (p == NULL) exit(2);
    return p;
}

static int wire_write(kfk_stream *s, const struct iovec *iov, int count, size_t *put, kfk_error *err)
{
    wire *w = of(s);
    (void)err;
    if (w->deaf) return KAFKA_EAGAIN;
    *put = 0;
    for (int i = 0; i < count; i++) {
        w->out = grown(w->out, w->out_len + iov[i].iov_len);
        if (iov[i].iov_len > 0) memcpy(w->out + w->out_len, iov[i].iov_base, iov[i].iov_len);
        w->out_len += iov[i].iov_len;
        *put += iov[i].iov_len;
    }
    return 0;
}

static void wire_close(kfk_stream *s)
{
    of(s)->open = false;
}

static const kfk_stream_ops wire_ops = {
    .connected = wire_connected, .read = wire_read, .write = wire_write, .close = wire_close};

/* ---- the cluster's thread ---------------------------------------------------------------------------------------- */

typedef struct world {
    kafka_loop *loop;
    kafka_cluster *cluster;
    wire clients[CLIENTS + 1]; /* the last one is the witness */
    bool inside;               /* allocations may fail */
} world;

static world *running;
static int64_t now_ms;

static int64_t clock_ns(void)
{
    return now_ms * 1000000;
}

static int64_t clock_wall_ms(void)
{
    return 1700000000000 + now_ms;
}

static bool is_spared(void)
{
    return !running->inside;
}

typedef struct push {
    kft_call call; /* first */
    wire *w;
} push;

static int push_run(kft_call *x, kfk_error *err)
{
    wire *w = ((push *)(void *)x)->w;
    (void)err;
    running->inside = true;
    if (!w->stream.ops) {
        w->stream.ops = &wire_ops;
        w->open = true;
        kft_session_new(&x->cluster->nodes[0], &w->stream);
    } else if (w->open) {
        w->stream.ready(w->stream.owner, KFK_STREAM_READABLE | KFK_STREAM_WRITABLE);
    }
    running->inside = false;
    return 0;
}

/* The client has news for its session. What that wakes runs, too. */
static void tell(world *x, wire *w)
{
    kfk_error err;
    now_ms++;
    push p = {.call = {.cluster = x->cluster, .run = push_run}, .w = w};
    if (kft_call_run(&p.call, &err) != 0) exit(2);
    x->inside = true;
    for (int i = 0; i < 3; i++) FUZZ_REQUIRE(kafka_loop_run(x->loop) == 0, "%s", kafka_last_error());
    x->inside = false;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* What whole frames there are becomes questions. */
static void parse_questions(wire *w)
{
    while (w->in_len - w->parsed >= 12) {
        const uint8_t *p = w->in + w->parsed;
        uint32_t len = kfk_prim_get_be32(p);
        if (len < 8 || len > w->in_len - w->parsed - 4) return;
        w->asked = grown(w->asked, (w->asked_count + 1) * sizeof *w->asked);
        w->asked[w->asked_count++] = (question){(int16_t)kfk_prim_get_be16(p + 4), (int16_t)kfk_prim_get_be16(p + 6),
                                                (int32_t)kfk_prim_get_be32(p + 8)};
        w->parsed += 4 + len;
    }
}

static void send_bytes(wire *w, const void *bytes, size_t len)
{
    w->in = grown(w->in, w->in_len + len);
    if (len > 0) memcpy(w->in + w->in_len, bytes, len);
    w->in_len += len;
}

static void send_frame(wire *w, uint8_t row, uint8_t nth_version, const uint8_t *body, size_t len)
{
    const kfk_api *api = kfk_api_row(row % (size_t)KFK_API_COUNT);
    uint8_t head[8];
    kfk_prim_put_be32(head, (uint32_t)(len + 4));
    kfk_prim_put_be16(head + 4, (uint16_t)api->key);
    kfk_prim_put_be16(head + 6, (uint16_t)(api->min_version + nth_version % (api->max_version - api->min_version + 1)));
    send_bytes(w, head, sizeof head);
    send_bytes(w, body, len);
}

static void step(world *x, fuzz_input *in)
{
    uint8_t control = fuzz_byte(in), row = fuzz_byte(in), version = fuzz_byte(in);
    wire *w = &x->clients[control & 3];
    size_t len, want = fuzz_u16(in);
    uint8_t *bytes = fuzz_copy(in, want, &len);
    if (control & 64) now_ms += HOUR_MS;
    if (control & 16) w->deaf = true;
    if (control & 32) w->deaf = false;
    switch (control >> 2 & 3) {
    case 2: send_bytes(w, bytes, len); break;
    case 3: w->ended = true; break;
    default: send_frame(w, row, version, bytes, len);
    }
    free(bytes);
    parse_questions(w);
    if (w->open || w->stream.ops == NULL) tell(x, w);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void check_answer(const question *q, const uint8_t *frame, size_t len)
{
    const kfk_api *api = kfk_api_find(q->key);
    kfk_arena arena;
    kfk_error err = {0};
    int32_t id;
    FUZZ_REQUIRE(api != NULL, "an answer to API %d", q->key);
    bool refused = q->key == KFK_API_API_VERSIONS && kfk_frame_is_version_refusal(frame, len);
    kfk_arena_init(&arena, SIZE_MAX);
    void *msg = kfk_arena_alloc(&arena, api->response->size);
    if (msg == NULL) exit(2);
    int code = kfk_frame_decode_response(api, refused ? 0 : q->version, &arena, frame, len, &id, msg, &err);
    FUZZ_REQUIRE(code == 0, "%s v%d: %s", api->name, q->version, err.text);
    kfk_arena_fini(&arena);
}

/* Produce without acks is not answered. */
static void check_answers(const wire *w)
{
    size_t next = 0, at = 0;
    while (w->out_len - at >= 8) {
        size_t len = kfk_prim_get_be32(w->out + at);
        int32_t id = (int32_t)kfk_prim_get_be32(w->out + at + 4);
        if (len > w->out_len - at - 4) break;
        while (next < w->asked_count && w->asked[next].id != id && w->asked[next].key == KFK_API_PRODUCE) next++;
        FUZZ_REQUIRE(next < w->asked_count && w->asked[next].id == id, "an answer to #%d", (int)id);
        check_answer(&w->asked[next++], w->out + at + 4, len);
        at += 4 + len;
    }
}

static void ask_as_witness(world *x)
{
    static const uint8_t metadata[] = {0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 0, 0, 0, 0}; /* v1, no topic */
    wire *w = &x->clients[CLIENTS];
    send_bytes(w, metadata, sizeof metadata);
    parse_questions(w);
    tell(x, w);
    if (!fuzz_memory_failed()) FUZZ_REQUIRE(w->out_len > 8, "the witness got %zu bytes", w->out_len);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    world x = {0};
    uint8_t options = fuzz_byte(&in);
    size_t fail_at = fuzz_u16(&in);
    running = &x;
    now_ms = 1000;
    kfk_time_set_source(clock_ns, clock_wall_ms);
    fuzz_memory_begin(fail_at);
    fuzz_memory_spare(is_spared);
    if (kafka_loop_new(&(kafka_loop_config){.manual = 1}, &x.loop) != 0 ||
        kafka_cluster_new(&(kafka_cluster_config){.loop = x.loop}, &x.cluster) != 0 ||
        kafka_cluster_create_topic(x.cluster, "t", 2) != 0)
        exit(2);
    for (int i = 0; i < CLIENTS; i++) x.clients[i].chunk = options & 15;
    while (in.left > 0) step(&x, &in);
    ask_as_witness(&x);
    FUZZ_REQUIRE(fuzz_memory_peak() < MOST_MEMORY, "%zu bytes", fuzz_memory_peak());
    kafka_cluster_free(x.cluster);
    kafka_loop_free(x.loop);
    fuzz_memory_stop_failing();
    for (int i = 0; i <= CLIENTS; i++) {
        FUZZ_REQUIRE(!x.clients[i].open, "client %d is still connected to a cluster that is no more", i);
        check_answers(&x.clients[i]);
        free(x.clients[i].in);
        free(x.clients[i].out);
        free(x.clients[i].asked);
    }
    fuzz_memory_end();
    kfk_time_set_source(NULL, NULL);
    running = NULL;
    return 0;
}
