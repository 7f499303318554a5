/* A batch: a chunk with the connection it came from.
 *
 * Closing moves the connection's position to where reading stopped, unless a seek moved it meanwhile, and gives the
 * read turn back.
 *
 * What was read belongs to the batch alone, so a forked child may look at it and free it; but the child of a thread
 * that was not the batch's may find it half way to the next message, so it reads none. */
#include "api/conn.h"
#include "base/mem.h"
#include <string.h>

struct kafka_batch {
    kafka_conn *conn;
    kfk_chunk chunk;
    uint64_t seeks; /* of the connection, when this was fetched */
    int err;        /* sticky */
};

int kfk_batch_new(kafka_conn *c, const kfk_chunk *chunk_take, uint64_t seeks, kafka_batch **out)
{
    kafka_batch *b = kfk_mem_zalloc(sizeof *b);
    if (!b) {
        kfk_chunk chunk = *chunk_take;
        kfk_chunk_fini(&chunk);
        return kfk_failf(NULL, KAFKA_ENOMEM, "no memory for a batch");
    }
    b->conn = kfk_api_conn_hold(c);
    b->chunk = *chunk_take;
    b->seeks = seeks;
    *out = b;
    return 0;
}

int kfk_batch_fill_message(kafka_conn *c, kfk_chunk *chunk, const kfk_record *r, kafka_message *out)
{
    const kafka_header *headers = NULL;
    int err = r->header_count > 0 ? kfk_chunk_headers(chunk, r, &headers) : 0;
    if (err != 0) return err;
    bool append_time = kfk_batch_is_append_time(&chunk->batch);
    *out = (kafka_message){
        .topic = c->topic,
        .partition = c->partition,
        .offset = r->offset,
        .high_watermark = chunk->high_watermark,
        .time_ms = r->timestamp,
        .time_type = r->timestamp < 0 ? -1 : append_time,
        .key = r->key,
        .value = r->value,
        .headers = headers,
        .header_count = r->header_count,
        .leader_epoch = chunk->batch.leader_epoch,
    };
    return 0;
}

/* The next record, or the error that sticks from now on. */
static int next(kafka_batch *b, kfk_record *r)
{
    if (b->err != 0) return b->err;
    b->err = kfk_chunk_next(&b->chunk, r);
    return b->err;
}

int kfk_batch_fail(kafka_conn *c, const kfk_chunk *chunk)
{
    kfk_error why = chunk->error;
    bool data = why.code == KAFKA_ECORRUPT || why.code == KAFKA_ECODEC || why.code == KAFKA_ETOOBIG;
    if (data && chunk->at) kfk_error_prefix(&why, "byte %zu of the Fetch response: ", chunk->at - chunk->frame->data);
    kfk_error_prefix(&why, "reading topic %s partition %d from %s: ", c->topic, (int)c->partition,
                     kfk_broker_name(c->core->broker));
    return kfk_fail(NULL, &why);
}

/* Before a read: the parent's batch is not for a forked child. */
static int check(kafka_batch *b, const char *call)
{
    if (!kfk_api_conn_is_parents(b->conn)) return 0;
    return kfk_failf(NULL, KAFKA_EFORKED, "%s: the batch is the parent process's; a forked child can only close it",
                     call);
}

static int failed(kafka_batch *b)
{
    if (b->err == KAFKA_EOF) return kfk_failf(NULL, KAFKA_EOF, "the batch has no more messages");
    return kfk_batch_fail(b->conn, &b->chunk);
}

int kafka_batch_read_message(kafka_batch *b, kafka_message *out)
{
    kfk_record r;
    if (!b || !out) return kfk_failf(NULL, KAFKA_EINVAL, "kafka_batch_read_message: a pointer is NULL");
    int err = check(b, "kafka_batch_read_message");
    if (err != 0) return err;
    if (next(b, &r) == 0) {
        b->err = kfk_batch_fill_message(b->conn, &b->chunk, &r, out);
        if (b->err == 0) return 0;
    }
    return failed(b);
}

int kafka_batch_read(kafka_batch *b, void *buf, size_t cap, size_t *len)
{
    kfk_record r;
    if (!b || !len || (!buf && cap > 0)) return kfk_failf(NULL, KAFKA_EINVAL, "kafka_batch_read: a pointer is NULL");
    int err = check(b, "kafka_batch_read");
    if (err != 0) return err;
    if (next(b, &r) != 0) return failed(b);
    size_t n = r.value.len < cap ? r.value.len : cap;
    if (n > 0) memcpy(buf, r.value.data, n);
    *len = r.value.len;
    if (r.value.len <= cap) return 0;
    kfk_chunk_unread(&b->chunk, &r);
    b->err = kfk_error_set(&b->chunk.error, KAFKA_ESHORTBUF, "the message at offset %lld has %zu bytes, the buffer %zu",
                           (long long)r.offset, r.value.len, cap);
    return failed(b);
}

const char *kafka_batch_topic(const kafka_batch *b)
{
    return b->conn->topic;
}

int32_t kafka_batch_partition(const kafka_batch *b)
{
    return b->conn->partition;
}

int64_t kafka_batch_assignment(const kafka_batch *b)
{
    (void)b;
    return 0; /* a connection is in no group */
}

int64_t kafka_batch_offset(const kafka_batch *b)
{
    return b->chunk.next_offset;
}

int64_t kafka_batch_high_watermark(const kafka_batch *b)
{
    return b->chunk.high_watermark;
}

int64_t kafka_batch_throttle_ms(const kafka_batch *b)
{
    return b->chunk.throttle_ms;
}

int kafka_batch_error(const kafka_batch *b)
{
    return b->err;
}

int kafka_batch_close(kafka_batch *b)
{
    if (!b) return 0;
    kafka_conn *c = b->conn;
    int err = check(b, "kafka_batch_close");
    if (err != 0) { /* the connection, which its lock guards, is left as it is */
        kfk_chunk_fini(&b->chunk);
        kfk_mem_free(b);
        return err;
    }
    err = b->err == KAFKA_EOF ? 0 : b->err;
    if (err != 0) failed(b);
    kfk_api_conn_move(c, b->seeks, b->chunk.next_offset);
    kfk_chunk_fini(&b->chunk);
    kfk_mem_free(b);
    kfk_conn_give_turn(c->core);
    kfk_api_conn_drop(c);
    return err;
}
