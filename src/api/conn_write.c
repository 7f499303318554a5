/* Writing: the messages of one call are one record batch, or, for a broker from before 0.11, one message set.
 *
 * The caller's thread encodes them straight into a buffer, compresses and checksums; nothing is allocated per message.
 * It therefore looks up first which version of Produce the broker will be asked in. As long as that is not known, on a
 * connection whose first call this is, a record batch is a good guess, and a wrong one is found out before anything is
 * sent. Batch or set, the broker checks all of it before it appends any.
 * The buffer belongs to the call, so that a call that gives up leaves nothing of the caller's behind, and goes back to
 * the connection for the next write when the call is done with. */
#include "api/compress.h"
#include "api/conn.h"
#include "api/message.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"
#include "wire/compress.h"
#include "wire/gen/produce.h"
#include "wire/record_v1.h"
#include <stdio.h>
#include <string.h>

enum {
    BROKER_TIMEOUT_MS = 30000, /* without a deadline */
    ANSWER_MARGIN_MS = 30000,
    LARGEST_SPARE = 2 * 1024 * 1024,
    SET_V1_PRODUCE = 2, /* the first version with messages of format 1 (KIP-32), */
    BATCH_PRODUCE = 3,  /* with record batches (KIP-98), */
    ZSTD_PRODUCE = 7,   /* with zstd (KIP-110), */
    LAST_PRODUCE = 12,  /* and the last that names topics */
    RECORD_MOST = 36,   /* a record beside its key, value and headers: five lengths, attributes, a time */
    HEADER_MOST = 10    /* a header beside its key and value */
};

_Static_assert((int)RECORD_MOST >= (int)KFK_RECORD_V1_MOST, "one bound for all formats");

typedef struct produce_call {
    kfk_call call;
    kafka_conn *conn; /* a reference, for the spare buffer */
    kfk_produce_request message;
    kfk_produce_response answer;
    kfk_produce_request_topic topic;
    kfk_produce_request_partition partition;
    kfk_block *body;    /* the encoded records */
    kfk_buf compressed; /* the same, if there is a codec */
    uint8_t header[KFK_RECORD_HEADER];
    struct iovec parts[2];
    bool guessed;          /* that the broker takes record batches */
    kafka_written written; /* when it failed */
} produce_call;

/* ---- checking ---------------------------------------------------------------------------------------------------- */

static int check_message(kafka_conn *c, const kafka_message *m, size_t index, kafka_compression codec, kfk_error *err)
{
    char what[64];
    snprintf(what, sizeof what, "message %zu", index);
    int code = kfk_message_check(m, what, err);
    if (code != 0) return code;
    if (m->topic && strcmp(m->topic, c->topic) != 0)
        return kfk_error_set(err, KAFKA_EINVAL, "message %zu is for topic %s, the connection for %s", index, m->topic,
                             c->topic);
    if (m->partition != 0 && m->partition != c->partition)
        return kfk_error_set(err, KAFKA_EINVAL, "message %zu is for partition %d, the connection for %d", index,
                             (int)m->partition, (int)c->partition);
    bool none = m->compression == KAFKA_COMPRESSION_NONE && codec == KAFKA_COMPRESSION_DEFAULT;
    if (m->compression != KAFKA_COMPRESSION_DEFAULT && m->compression != codec && !none)
        return kfk_error_set(err, KAFKA_EINVAL,
                             "message %zu asks for another compression than the call: a batch has one", index);
    if (m->time_ms < -1)
        return kfk_error_set(err, KAFKA_EINVAL, "message %zu has the time %lld", index, (long long)m->time_ms);
    return 0;
}

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

/* A buffer with room for `size` bytes: the connection's spare one if it is large enough. */
static kfk_block *take_buffer(kafka_conn *c, size_t size)
{
    kfk_block *b = atomic_exchange(&c->spare, NULL);
    if (b && b->cap >= size) return b;
    kfk_block_drop(b);
    return kfk_block_new(size);
}

static int64_t time_of(const kafka_message *m, int64_t now_ms)
{
    return m->time_ms > 0 ? m->time_ms : now_ms;
}

/* An upper bound of what the messages take, so that one buffer will do. SIZE_MAX: one of them cannot be encoded. */
static size_t bound(const kafka_message *msgs, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        const kafka_message *m = &msgs[i];
        size_t one = RECORD_MOST + m->key.len + m->value.len;
        for (size_t h = 0; h < m->header_count; h++)
            one += HEADER_MOST + strlen(m->headers[h].key) + m->headers[h].value.len;
        if (one < m->value.len || total + one < total) return SIZE_MAX;
        total += one;
    }
    return total;
}

static int cannot_encode(size_t index, int code, kfk_error *err)
{
    return kfk_error_set(err, code == KAFKA_EAGAIN ? KAFKA_ETOOBIG : code, "message %zu cannot be encoded", index);
}

/* As a record batch, into p->body, which is large enough. */
static int encode_batch(produce_call *p, const kafka_message *msgs, size_t count, kafka_compression codec,
                        kfk_error *err)
{
    int64_t now = kfk_time_wall_ms();
    kfk_record_writer w;
    kfk_batch_header header;
    kfk_record_writer_init(&w, p->body->data, p->body->cap);
    for (size_t i = 0; i < count; i++) {
        int code = kfk_record_append(&w, time_of(&msgs[i], now), msgs[i].key, msgs[i].value, msgs[i].headers,
                                     msgs[i].header_count);
        if (code != 0) return cannot_encode(i, code, err);
    }
    kfk_record_writer_header(&w, &header);
    p->parts[1] = (struct iovec){p->body->data, w.bytes};
    if (codec > KAFKA_COMPRESSION_DEFAULT) {
        int code = kfk_compress(codec, 0, &p->parts[1], 1, &p->compressed, err);
        if (code != 0) return code;
        header.attributes = (uint16_t)(header.attributes | codec);
        p->parts[1] = (struct iovec){p->compressed.data, p->compressed.len};
    }
    kfk_record_header_build(p->header, &header, p->parts[1].iov_len,
                            kfk_crc32c(0, p->parts[1].iov_base, p->parts[1].iov_len));
    p->parts[0] = (struct iovec){p->header, sizeof p->header};
    return 0;
}

/* As a message set, into p->body, which is large enough; none of the messages has headers. */
static int encode_set(produce_call *p, int8_t magic, const kafka_message *msgs, size_t count, kafka_compression codec,
                      kfk_error *err)
{
    int64_t now = kfk_time_wall_ms();
    kfk_record_v1_writer w;
    kfk_record_v1_writer_init(&w, magic, p->body->data, p->body->cap);
    for (size_t i = 0; i < count; i++) {
        int code = kfk_record_v1_append(&w, time_of(&msgs[i], now), msgs[i].key, msgs[i].value);
        if (code != 0) return cannot_encode(i, code, err);
    }
    p->parts[0] = (struct iovec){p->body->data, kfk_record_v1_writer_size(&w)};
    p->partition.records.part_count = 1;
    if (codec <= KAFKA_COMPRESSION_DEFAULT) return 0;
    int code = kfk_record_v1_wrap(&w, codec, 0, &p->compressed, err);
    p->parts[0] = (struct iovec){p->compressed.data, p->compressed.len};
    return code;
}

/* Chooses the version of Produce, the best that the broker has and that can carry the messages. */
static int choose_version(produce_call *p, const kafka_message *msgs, size_t count, kafka_compression codec,
                          kfk_error *err)
{
    kfk_request *r = &p->call.request;
    int16_t least = 0;
    const char *needs = "";
    for (size_t i = 0; i < count && least == 0; i++) {
        if (msgs[i].header_count == 0) continue;
        least = BATCH_PRODUCE;
        needs = "headers need Kafka 0.11: ";
    }
    if (codec == KAFKA_COMPRESSION_ZSTD) {
        least = ZSTD_PRODUCE;
        needs = "zstd needs Kafka 2.1: ";
    }
    int code = kfk_broker_choose(p->conn->core->broker, KFK_API_PRODUCE, least, LAST_PRODUCE, &r->min_version, err);
    p->guessed = code == KAFKA_EAGAIN;
    if (p->guessed) {
        r->min_version = least > BATCH_PRODUCE ? least : BATCH_PRODUCE;
        r->max_version = LAST_PRODUCE;
        return 0;
    }
    r->max_version = r->min_version;
    return code != 0 ? kfk_error_prefix(err, "%s", needs) : 0;
}

static int encode(produce_call *p, const kafka_message *msgs, size_t count, kafka_compression codec, kfk_error *err)
{
    size_t size = bound(msgs, count);
    if (size > INT32_MAX - KFK_RECORD_HEADER)
        return kfk_error_set(err, KAFKA_ETOOBIG,
                             "the messages of one write take more than 2 GiB, the most a record batch can hold");
    int code = choose_version(p, msgs, count, codec, err);
    if (code != 0) return code;
    if (!(p->body = take_buffer(p->conn, size)))
        return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a batch of %zu bytes", size);
    int16_t version = p->call.request.min_version;
    if (version >= BATCH_PRODUCE) return encode_batch(p, msgs, count, codec, err);
    return encode_set(p, version >= SET_V1_PRODUCE, msgs, count, codec, err);
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

/* May the batch be in the log although the broker answered so? A leader that appended and then lost its leadership
 * gives the base offset along with the error. */
static kafka_written written_despite(int16_t code, int64_t base_offset)
{
    switch (code) {
    case KAFKA_ERR_UNKNOWN:
    case KAFKA_ERR_REQUEST_TIMED_OUT:
    case KAFKA_ERR_NETWORK_EXCEPTION:
    case KAFKA_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case KAFKA_ERR_KAFKA_STORAGE_ERROR: return KAFKA_WRITTEN_MAYBE;
    case KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_ERR_NOT_LEADER_FOR_PARTITION: return base_offset >= 0 ? KAFKA_WRITTEN_MAYBE : KAFKA_WRITTEN_NO;
    default: return KAFKA_WRITTEN_NO;
    }
}

static int refused(produce_call *p, const kfk_produce_response_partition *answer, kfk_error *err)
{
    int16_t code = kfk_error_of_broker(answer->error_code);
    p->written = written_despite(code, answer->base_offset);
    kfk_error_set(err, code, "writing to topic %s partition %d at %s: %s%s%.*s", p->conn->topic,
                  (int)p->conn->partition, kfk_broker_name(p->call.conn->broker), kafka_strerror(code),
                  answer->error_message.len ? " The broker says: " : "", (int)answer->error_message.len,
                  answer->error_message.len ? (const char *)answer->error_message.data : "");
    return code;
}

static int produce_take(kfk_call *call, kfk_error *err)
{
    produce_call *p = KFK_CONTAINER(call, produce_call, call);
    if (call->request.no_answer) return 0; /* acks = 0: there is nothing to take */
    for (int32_t i = 0; i < p->answer.responses.count; i++) {
        const kfk_produce_response_topic *t = &p->answer.responses.items[i];
        if (t->name.len != p->topic.name.len || memcmp(t->name.data, p->topic.name.data, t->name.len) != 0) continue;
        for (int32_t j = 0; j < t->partition_responses.count; j++) {
            const kfk_produce_response_partition *answer = &t->partition_responses.items[j];
            if (answer->index != p->partition.index) continue;
            return answer->error_code != 0 ? refused(p, answer, err) : 0;
        }
    }
    p->written = KAFKA_WRITTEN_MAYBE;
    return kfk_error_set(err, KAFKA_EPROTO, "%s: the Produce answer lacks topic %s partition %d",
                         kfk_broker_name(call->conn->broker), p->conn->topic, (int)p->conn->partition);
}

/* ---- the call ---------------------------------------------------------------------------------------------------- */

static void produce_cleanup(kfk_call *call)
{
    produce_call *p = KFK_CONTAINER(call, produce_call, call);
    kfk_buf_fini(&p->compressed);
    if (p->body && p->body->cap <= LARGEST_SPARE) p->body = atomic_exchange(&p->conn->spare, p->body);
    kfk_block_drop(p->body);
    kfk_api_conn_drop(p->conn);
}

static produce_call *produce_call_new(kafka_conn *c)
{
    produce_call *p = kfk_call_new(c->core, sizeof *p, KFK_CALL_WRITE, "writing", KFK_API_PRODUCE);
    if (!p) return NULL;
    kfk_request *r = &p->call.request;
    p->conn = kfk_api_conn_hold(c);
    p->call.take = produce_take;
    p->call.cleanup = produce_cleanup;
    kfk_buf_init(&p->compressed, INT32_MAX - KFK_RECORD_HEADER);
    kfk_codec_default(r->api->request, &p->message);
    p->partition =
        (kfk_produce_request_partition){.index = c->partition, .records = {.parts = p->parts, .part_count = 2}};
    p->topic = (kfk_produce_request_topic){.name = kafka_str(c->topic), .partition_data = {&p->partition, 1}};
    p->message.timeout_ms = kfk_conn_time_for_broker(c->core, KFK_CALL_WRITE, BROKER_TIMEOUT_MS);
    p->message.acks = (int16_t)atomic_load(&c->required_acks);
    p->message.topic_data.items = &p->topic;
    p->message.topic_data.count = 1;
    r->message = &p->message;
    r->response = &p->answer;
    r->no_answer = p->message.acks == 0;
    r->timeout_ms = (int64_t)p->message.timeout_ms + ANSWER_MARGIN_MS;
    return p;
}

/* Publishes why a write failed, and what is known of its messages. */
static int failed(kafka_written written, const kfk_error *err)
{
    kfk_thread_self()->last_written = written;
    return kfk_fail(NULL, err);
}

/* One try. `*guessed`: it was made without knowing what the broker takes. */
static int try_to_write(kafka_conn *c, const kafka_message *msgs, size_t count, kafka_compression codec, bool *guessed,
                        kafka_written *written, kfk_error *err)
{
    produce_call *p = produce_call_new(c);
    *written = KAFKA_WRITTEN_NO;
    if (!p) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a write");
    int code = encode(p, msgs, count, codec, err);
    *guessed = p->guessed;
    if (code != 0) {
        kfk_call_discard(&p->call);
        return code;
    }
    code = kfk_call_run(&p->call);
    if (code != 0) {
        bool no_answer = code <= KAFKA_EINVAL && p->call.touched; /* or none to be understood */
        *written = no_answer ? KAFKA_WRITTEN_MAYBE : p->written;
        *err = p->call.op.error;
    }
    kfk_op_drop(&p->call.op);
    return code;
}

static int write_all(kafka_conn *c, const kafka_message *msgs, size_t count, kafka_compression codec)
{
    kfk_error err = {0};
    kafka_written written;
    bool guessed = false;
    int code = try_to_write(c, msgs, count, codec, &guessed, &written, &err);
    if (code == KAFKA_EVERSION && guessed) code = try_to_write(c, msgs, count, codec, &guessed, &written, &err);
    return code != 0 ? failed(written, &err) : 0;
}

int kafka_conn_write_messages(kafka_conn *c, const kafka_message *msgs, size_t count, kafka_compression codec,
                              size_t *bytes)
{
    kfk_error why = {0};
    size_t total = 0;
    int err = kfk_api_conn_check(c, "kafka_conn_write_messages", true);
    if (err == 0 && !msgs && count > 0) err = kfk_failf(NULL, KAFKA_EINVAL, "kafka_conn_write_messages: msgs is NULL");
    if (err == 0 && kfk_api_check_codec(codec, &why) != 0) err = kfk_fail(NULL, &why);
    for (size_t i = 0; err == 0 && i < count; i++) {
        if (check_message(c, &msgs[i], i, codec, &why) != 0) err = kfk_fail(NULL, &why);
        total += msgs[i].key.len + msgs[i].value.len;
    }
    if (err != 0)
        kfk_thread_self()->last_written = KAFKA_WRITTEN_NO;
    else if (count > 0)
        err = write_all(c, msgs, count, codec);
    if (err == 0 && bytes) *bytes = total;
    return err;
}

int kafka_conn_write(kafka_conn *c, const void *data, size_t len)
{
    if (!data && len > 0) {
        kfk_error why;
        kfk_error_set(&why, KAFKA_EINVAL, "kafka_conn_write: data is NULL");
        return failed(KAFKA_WRITTEN_NO, &why);
    }
    kafka_message m = {.value = kafka_bytes_of(data, len)};
    return kafka_conn_write_messages(c, &m, 1, KAFKA_COMPRESSION_DEFAULT, NULL);
}
