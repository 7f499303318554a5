/* Reading: one fetch at a time, under the connection's read turn.
 *
 * A broker answers one request of a connection at a time, so a fetch that waits for data holds up everything behind it.
 * A wait is therefore made of slices of SLICE_MS: a write or a query on the same connection gets in between. A broker
 * that answers at once with nothing is asked ten times a second at most, and one whose answers cannot lead on (old
 * data, an end in front of the position, another partition) is given three seconds to say something better.
 *
 * The single-message calls keep what is left of a fetch for the next call, unless there is a seek in between. */
#include "api/conn.h"
#include "api/message.h"
#include "base/mem.h"
#include "base/time.h"
#include "wire/gen/fetch.h"
#include <string.h>

enum {
    SLICE_MS = 500,
    EMPTY_ROUND_MS = 100,
    MOST_STUCK_MS = 3000,
    DEFAULT_MAX_BYTES = 1024 * 1024,
    ANSWER_MARGIN_MS = 30000
};

typedef struct fetch_call {
    kfk_call call;
    kfk_fetch_request message;
    kfk_fetch_response answer;
    kfk_fetch_request_topic topic;
    kfk_fetch_request_partition partition;
    kfk_chunk chunk;
    bool got;      /* the chunk is there */
    bool left_out; /* the answer does not speak of the partition: the chunk is empty */
} fetch_call;

/* What a read asks for, with the defaults filled in. */
typedef struct fetch_limits {
    int64_t max_wait_ms; /* 0 = until the read deadline */
    int32_t min_bytes, max_bytes;
    bool read_committed;
} fetch_limits;

/* ---- one fetch --------------------------------------------------------------------------------------------------- */

/* What the answer says of the partition; of two the first. NULL: nothing. */
static const kfk_fetch_response_partition *find_partition(const fetch_call *f)
{
    for (int32_t i = 0; i < f->answer.responses.count; i++) {
        const kfk_fetch_response_topic *t = &f->answer.responses.items[i];
        if (t->topic.len != f->topic.topic.len || memcmp(t->topic.data, f->topic.topic.data, t->topic.len) != 0)
            continue;
        for (int32_t j = 0; j < t->partitions.count; j++) {
            if (t->partitions.items[j].partition_index == f->partition.partition) return &t->partitions.items[j];
        }
    }
    return NULL;
}

static int fetch_take(kfk_call *call, kfk_error *err)
{
    static const kfk_fetch_response_partition nothing = {.high_watermark = -1};
    fetch_call *f = KFK_CONTAINER(call, fetch_call, call);
    const char *broker = kfk_broker_name(call->conn->broker);
    int16_t code = kfk_error_of_broker(f->answer.error_code);
    if (code != 0) return kfk_error_set(err, code, "%s: Fetch: %s", broker, kafka_strerror(code));
    const kfk_fetch_response_partition *p = find_partition(f);
    f->left_out = !p;
    if (!p) p = &nothing;
    if ((code = kfk_error_of_broker(p->error_code)) != 0)
        return kfk_error_set(err, code, "reading topic %s partition %d at offset %lld from %s: %s",
                             (const char *)f->topic.topic.data, (int)f->partition.partition,
                             (long long)f->partition.fetch_offset, broker, kafka_strerror(code));
    kfk_block *frame = call->request.frame;
    call->request.frame = NULL;
    int lack = kfk_chunk_init(&f->chunk, frame, p, f->partition.fetch_offset, f->message.isolation_level != 0,
                              f->partition.partition_max_bytes);
    if (lack != 0) return kfk_error_set(err, lack, "no memory for what was fetched");
    f->chunk.throttle_ms = f->answer.throttle_time_ms < 0 ? 0 : f->answer.throttle_time_ms;
    f->got = true;
    return 0;
}

static void fetch_cleanup(kfk_call *call)
{
    fetch_call *f = KFK_CONTAINER(call, fetch_call, call);
    if (f->got) kfk_chunk_fini(&f->chunk);
}

static fetch_call *fetch_call_new(kafka_conn *c, int64_t from, const fetch_limits *limits, int32_t wait_ms)
{
    fetch_call *f = kfk_call_new(c->core, sizeof *f, KFK_CALL_READ, "reading", KFK_API_FETCH);
    if (!f) return NULL;
    size_t len = strlen(c->topic);
    char *name = kfk_arena_alloc(&f->call.memory, len + 1);
    if (!name) {
        kfk_call_discard(&f->call);
        return NULL;
    }
    memcpy(name, c->topic, len + 1);
    kfk_codec_default(f->call.request.api->request, &f->message);
    f->partition = (kfk_fetch_request_partition){
        .partition = c->partition,
        .current_leader_epoch = -1,
        .fetch_offset = from,
        .last_fetched_epoch = -1,
        .log_start_offset = -1,
        .partition_max_bytes = limits->max_bytes,
        .high_watermark = INT64_MAX,
    };
    f->topic = (kfk_fetch_request_topic){.topic = {name, len}, .partitions = {&f->partition, 1}};
    f->message.max_wait_ms = wait_ms;
    f->message.min_bytes = limits->min_bytes;
    f->message.max_bytes = limits->max_bytes;
    f->message.isolation_level = limits->read_committed;
    f->message.topics.items = &f->topic;
    f->message.topics.count = 1;
    f->call.request.max_version = 12; /* topics by name */
    f->call.request.message = &f->message;
    f->call.request.response = &f->answer;
    f->call.request.timeout_ms = wait_ms + ANSWER_MARGIN_MS;
    f->call.request.answer_bytes = (size_t)limits->max_bytes;
    f->call.take = fetch_take;
    f->call.cleanup = fetch_cleanup;
    return f;
}

/* One fetch from the position; the chunk is the caller's afterwards. */
static int fetch_once(kafka_conn *c, int64_t from, const fetch_limits *limits, int32_t wait_ms, kfk_chunk *out,
                      bool *left_out)
{
    fetch_call *f = fetch_call_new(c, from, limits, wait_ms);
    if (!f) return kfk_failf(NULL, KAFKA_ENOMEM, "no memory for a fetch");
    int err = kfk_call_run(&f->call);
    if (err != 0) {
        kfk_fail(NULL, &f->call.op.error);
    } else {
        *out = f->chunk;
        *left_out = f->left_out;
        f->got = false;
    }
    kfk_op_drop(&f->call.op);
    return err;
}

/* ---- reading until there is something ---------------------------------------------------------------------------- */

/* A read that goes on until it has something. The read turn is held. */
typedef struct reading {
    kafka_conn *conn;
    const fetch_limits *limits;
    int64_t until_ms;  /* max_wait_ms is over: an empty chunk will do */
    int64_t enough_ms; /* min_bytes was waited for long enough */
    kfk_place place;   /* that was fetched from last */
    int64_t began_ms;  /* when that was asked for */
} reading;

static void reading_begin(reading *r, kafka_conn *c, const fetch_limits *limits)
{
    int64_t now = kfk_time_now_ms();
    int32_t patience = kfk_conn_time_for_broker(c->core, KFK_CALL_READ, INT32_MAX);
    *r = (reading){.conn = c, .limits = limits, .until_ms = KFK_TIME_NEVER, .enough_ms = KFK_TIME_NEVER};
    if (limits->max_wait_ms > 0)
        r->until_ms = r->enough_ms = kfk_time_add(now, limits->max_wait_ms);
    else if (patience < INT32_MAX)
        r->enough_ms = now + patience;
}

/* The position as an offset. */
static int resolve_place(reading *r)
{
    for (;;) {
        r->place = kfk_api_conn_place(r->conn);
        if (r->place.at >= 0) return 0;
        int64_t found;
        int err = kfk_api_conn_list_offset(r->conn, r->place.at, &found);
        if (err != 0) return err;
        kfk_api_conn_move(r->conn, r->place.seeks, found);
    }
}

/* How long the broker may wait for data this time. */
static int32_t slice_ms(const reading *r)
{
    int64_t left = r->until_ms == KFK_TIME_NEVER ? SLICE_MS : r->until_ms - kfk_time_now_ms();
    int64_t patience = kfk_conn_time_for_broker(r->conn->core, KFK_CALL_READ, INT32_MAX);
    if (left > patience) left = patience;
    return (int32_t)(left < 0 ? 0 : left > SLICE_MS ? SLICE_MS : left);
}

/* Rounds that bring nothing take a while, even if the broker answers at once. */
static int pause_between(const reading *r)
{
    int64_t now = kfk_time_now_ms(), next = r->began_ms + EMPTY_ROUND_MS;
    if (next > r->until_ms) next = r->until_ms;
    kfk_error why = {0};
    return next > now && kfk_conn_pause(r->conn->core, next - now, &why) != 0 ? kfk_fail(NULL, &why) : 0;
}

/* May the caller have what came, of which the beginning was looked at? */
static bool will_do(const reading *r, const kfk_chunk *chunk, size_t bytes)
{
    int64_t now = kfk_time_now_ms();
    if (chunk->err == KAFKA_EOF) return now >= r->until_ms;
    if (chunk->err != 0) return true; /* damage is something, too */
    return bytes >= (size_t)r->limits->min_bytes || now >= r->enough_ms;
}

/* An answer that is no use, although there should be something: what is wrong with it, else NULL. The beginning was
 * looked at. */
static const char *uselessness(const reading *r, const kfk_chunk *chunk, size_t bytes, bool left_out)
{
    if (left_out) return "its answers do not speak of the partition";
    if (chunk->err != KAFKA_EOF || chunk->next_offset != r->place.at) return NULL;
    if (bytes > 0) return "it sends only what lies before that";
    bool ends_before = chunk->high_watermark >= 0 && chunk->high_watermark < r->place.at;
    return ends_before ? "it sends nothing, and says that the partition ends before that" : NULL;
}

/* Has the broker sent useless answers for too long? That may pass, as when a leader has just been elected. Calls that
 * follow each other count as one. */
static bool is_stuck(const reading *r, const char *useless)
{
    kfk_stuck *s = &r->conn->stuck;
    bool same = s->useless && s->at.at == r->place.at && s->at.seeks == r->place.seeks;
    bool stuck = useless && same && kfk_time_now_ms() - s->since_ms >= MOST_STUCK_MS;
    if (!same) *s = (kfk_stuck){.at = r->place, .since_ms = r->began_ms};
    s->useless = useless && !stuck;
    return stuck;
}

static int no_progress(const reading *r, const char *useless)
{
    return kfk_failf(NULL, KAFKA_EPROTO,
                     "reading topic %s partition %d from %s: Fetch asks for offset %lld, and for %d ms now %s",
                     r->conn->topic, (int)r->conn->partition, kfk_broker_name(r->conn->core->broker),
                     (long long)r->place.at, MOST_STUCK_MS, useless);
}

/* Fetches until something can be read or max_wait_ms is over: then the chunk is empty. Follows the position over data
 * from which nothing comes out. On success the chunk is the caller's, and starts where r->place says. */
static int fetch_something(reading *r, kfk_chunk *out)
{
    for (;;) {
        int err = resolve_place(r);
        r->began_ms = kfk_time_now_ms();
        bool left_out = false;
        if (err == 0) err = fetch_once(r->conn, r->place.at, r->limits, slice_ms(r), out, &left_out);
        if (err != 0) return err;
        size_t bytes = (size_t)(out->end - out->at);
        kfk_chunk_peek(out);
        const char *useless = uselessness(r, out, bytes, left_out);
        bool stuck = is_stuck(r, useless);
        if (!stuck && will_do(r, out, bytes)) return 0;
        int64_t passed = out->next_offset;
        kfk_chunk_fini(out);
        if (stuck) return no_progress(r, useless);
        kfk_api_conn_move(r->conn, r->place.seeks, passed);
        if (passed == r->place.at && (err = pause_between(r)) != 0) return err;
    }
}

void kfk_api_conn_forget_rest(kafka_conn *c)
{
    if (c->has_rest) kfk_chunk_fini(&c->rest);
    c->has_rest = false;
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

static int fill_limits(const kafka_fetch *fetch, fetch_limits *out)
{
    static const kafka_fetch defaults = {0};
    if (!fetch) fetch = &defaults;
    if (fetch->reserved || fetch->reserved2[0] || fetch->reserved2[1])
        return kfk_failf(NULL, KAFKA_EINVAL, "kafka_conn_read_batch: a reserved field of kafka_fetch is not 0");
    *out = (fetch_limits){
        .max_wait_ms = fetch->max_wait_ms,
        .min_bytes = fetch->min_bytes ? fetch->min_bytes : 1,
        .max_bytes = fetch->max_bytes ? fetch->max_bytes : DEFAULT_MAX_BYTES,
        .read_committed = fetch->read_committed != 0,
    };
    if (out->max_wait_ms < 0 || out->min_bytes < 0 || out->max_bytes < 0)
        return kfk_failf(NULL, KAFKA_EINVAL,
                         "kafka_conn_read_batch: max_wait_ms, min_bytes and max_bytes must not be negative");
    if (out->min_bytes > out->max_bytes)
        return kfk_failf(NULL, KAFKA_EINVAL, "kafka_conn_read_batch: min_bytes %d is more than max_bytes %d",
                         (int)out->min_bytes, (int)out->max_bytes);
    return 0;
}

static int take_turn(kafka_conn *c)
{
    kfk_error why = {0};
    return kfk_conn_take_turn(c->core, &why) == 0 ? 0 : kfk_fail(NULL, &why);
}

int kafka_conn_read_batch(kafka_conn *c, const kafka_fetch *fetch, kafka_batch **out)
{
    fetch_limits limits;
    kfk_chunk chunk;
    reading r;
    int err = kfk_api_conn_check(c, "kafka_conn_read_batch", true);
    if (err != 0 || (err = fill_limits(fetch, &limits)) != 0) return err;
    if (!out) return kfk_failf(NULL, KAFKA_EINVAL, "kafka_conn_read_batch: out is NULL");
    if ((err = take_turn(c)) != 0) return err;
    kfk_api_conn_forget_rest(c);
    reading_begin(&r, c, &limits);
    if ((err = fetch_something(&r, &chunk)) == 0 && (err = kfk_batch_new(c, &chunk, r.place.seeks, out)) == 0) return 0;
    kfk_conn_give_turn(c->core);
    return err;
}

/* ---- single messages --------------------------------------------------------------------------------------------- */

/* Takes a record out of what is left of the last fetch. KAFKA_EOF: there is nothing, or a seek made it useless. */
static int next_of_rest(kafka_conn *c, kfk_record *out)
{
    if (!c->has_rest || c->rest_seeks != kfk_api_conn_place(c).seeks) return KAFKA_EOF;
    int err = kfk_chunk_next(&c->rest, out);
    if (err == KAFKA_EOF)
        kfk_api_conn_move(c, c->rest_seeks, c->rest.next_offset);
    else if (err != 0)
        kfk_batch_fail(c, &c->rest);
    return err;
}

/* The record at the position, from what is left of the last fetch or from a new one; it lies in c->rest. The position
 * does not move. The read turn is held. */
static int next_record(kafka_conn *c, int32_t max_bytes, kfk_record *out)
{
    fetch_limits limits = {.min_bytes = 1, .max_bytes = max_bytes};
    reading r;
    int err;
    while ((err = next_of_rest(c, out)) == KAFKA_EOF) {
        kfk_api_conn_forget_rest(c);
        reading_begin(&r, c, &limits);
        if ((err = fetch_something(&r, &c->rest)) != 0) return err;
        c->rest_seeks = r.place.seeks;
        c->has_rest = true;
    }
    if (err != 0) kfk_api_conn_forget_rest(c);
    return err;
}

int kafka_conn_read(kafka_conn *c, void *buf, size_t cap, size_t *len)
{
    kfk_record r;
    int err = kfk_api_conn_check(c, "kafka_conn_read", true);
    if (err != 0) return err;
    if (!len || (!buf && cap > 0)) return kfk_failf(NULL, KAFKA_EINVAL, "kafka_conn_read: a pointer is NULL");
    if ((err = take_turn(c)) != 0) return err;
    if ((err = next_record(c, DEFAULT_MAX_BYTES, &r)) == 0) {
        size_t n = r.value.len < cap ? r.value.len : cap;
        if (n > 0) memcpy(buf, r.value.data, n);
        *len = r.value.len;
        if (r.value.len > cap) {
            err = kfk_failf(NULL, KAFKA_ESHORTBUF, "the message at offset %lld has %zu bytes, the buffer %zu",
                            (long long)r.offset, r.value.len, cap);
            kfk_chunk_unread(&c->rest, &r);
        } else {
            kfk_api_conn_move(c, c->rest_seeks, c->rest.next_offset);
        }
    }
    kfk_conn_give_turn(c->core);
    return err;
}

/* A copy of a record of c->rest, which forgets the record's headers: the copy has them. */
static int copy_record(kafka_conn *c, const kfk_record *r, kafka_message **out)
{
    kafka_message view;
    int err = kfk_batch_fill_message(c, &c->rest, r, &view);
    if (err != 0) return kfk_batch_fail(c, &c->rest);
    err = kfk_message_new_copy(&view, out);
    kfk_arena_fini(&c->rest.headers);
    if (err == 0) return 0;
    kfk_chunk_unread(&c->rest, r);
    return kfk_failf(NULL, err, "no memory for a message of %zu bytes", r->size);
}

int kafka_conn_read_message(kafka_conn *c, int32_t max_bytes, kafka_message **out)
{
    kfk_record r;
    int err = kfk_api_conn_check(c, "kafka_conn_read_message", true);
    if (err != 0) return err;
    if (!out || max_bytes < 0)
        return kfk_failf(NULL, KAFKA_EINVAL, "kafka_conn_read_message: %s",
                         out ? "max_bytes is negative" : "out is NULL");
    if ((err = take_turn(c)) != 0) return err;
    if ((err = next_record(c, max_bytes ? max_bytes : DEFAULT_MAX_BYTES, &r)) == 0) {
        if ((err = copy_record(c, &r, out)) == 0)
            kfk_api_conn_move(c, c->rest_seeks, c->rest.next_offset);
        else if (c->rest.err != 0)
            kfk_api_conn_forget_rest(c);
    }
    kfk_conn_give_turn(c->core);
    return err;
}
