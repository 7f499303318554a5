/* Offsets: the position, seeking, and asking the broker for first, last, and by time.
 *
 * A position is an offset, or one of the two sentinels that the next read resolves; no sentinel ever comes out of a
 * call. Seeking within the partition asks for both ends, since one ListOffsets request may ask for a partition once
 * only; the two requests are pipelined. */
#include "api/conn.h"
#include "base/time.h"
#include "wire/gen/list_offsets.h"
#include <string.h>

typedef struct offset_call {
    kfk_call call;
    kfk_list_offsets_request message;
    kfk_list_offsets_response answer;
    kfk_list_offsets_request_topic topic;
    kfk_list_offsets_request_partition partition;
    int64_t offset;
} offset_call;

static int offset_take(kfk_call *call, kfk_error *err)
{
    offset_call *o = KFK_CONTAINER(call, offset_call, call);
    const char *topic = o->topic.name.data;
    for (int32_t i = 0; i < o->answer.topics.count; i++) {
        const kfk_list_offsets_response_topic *t = &o->answer.topics.items[i];
        if (t->name.len != o->topic.name.len || memcmp(t->name.data, topic, t->name.len) != 0) continue;
        for (int32_t j = 0; j < t->partitions.count; j++) {
            const kfk_list_offsets_response_partition *p = &t->partitions.items[j];
            if (p->partition_index != o->partition.partition_index) continue;
            int16_t code = kfk_error_of_broker(p->error_code);
            if (code != 0)
                return kfk_error_set(err, code, "asking %s for offsets of topic %s partition %d: %s",
                                     kfk_broker_name(call->conn->broker), topic, (int)p->partition_index,
                                     kafka_strerror(code));
            /* -1 is "no message is that young", which there cannot be for first and last */
            if (p->offset < (o->partition.timestamp < 0 ? 0 : -1) || p->offset == INT64_MAX || p->leader_epoch < -1)
                return kfk_error_set(err, KAFKA_EPROTO,
                                     "%s: ListOffsets answers offset %lld of leader epoch %d for topic %s partition %d",
                                     kfk_broker_name(call->conn->broker), (long long)p->offset, (int)p->leader_epoch,
                                     topic, (int)p->partition_index);
            o->offset = p->offset;
            return 0;
        }
    }
    return kfk_error_set(err, KAFKA_EPROTO, "%s: the ListOffsets answer lacks topic %s partition %d",
                         kfk_broker_name(call->conn->broker), topic, (int)o->partition.partition_index);
}

static offset_call *offset_call_new(kafka_conn *c, int64_t timestamp)
{
    offset_call *o = kfk_call_new(c->core, sizeof *o, KFK_CALL_READ, "asking for offsets", KFK_API_LIST_OFFSETS);
    if (!o) return NULL;
    size_t len = strlen(c->topic);
    char *name = kfk_arena_alloc(&o->call.memory, len + 1);
    if (!name) {
        kfk_call_discard(&o->call);
        return NULL;
    }
    memcpy(name, c->topic, len + 1);
    kfk_codec_default(o->call.request.api->request, &o->message);
    o->partition = (kfk_list_offsets_request_partition){
        .partition_index = c->partition, .current_leader_epoch = -1, .timestamp = timestamp, .max_num_offsets = 1};
    o->topic = (kfk_list_offsets_request_topic){.name = {name, len}, .partitions = {&o->partition, 1}};
    o->message.replica_id = -1;
    o->message.topics.items = &o->topic;
    o->message.topics.count = 1;
    o->call.request.min_version = 1; /* version 0 answers another question */
    o->call.request.message = &o->message;
    o->call.request.response = &o->answer;
    o->call.take = offset_take;
    return o;
}

int kfk_api_conn_list_offset(kafka_conn *c, int64_t timestamp, int64_t *out)
{
    offset_call *o = offset_call_new(c, timestamp);
    if (!o) return kfk_failf(NULL, KAFKA_ENOMEM, "no memory to ask for offsets");
    int err = kfk_call_run(&o->call);
    if (err == 0)
        *out = o->offset;
    else
        kfk_fail(NULL, &o->call.op.error);
    kfk_op_drop(&o->call.op);
    return err;
}

static int read_one(kafka_conn *c, const char *call, int64_t timestamp, int64_t *out)
{
    int err = kfk_api_conn_check(c, call, true);
    if (err != 0) return err;
    if (!out) return kfk_failf(NULL, KAFKA_EINVAL, "%s: out is NULL", call);
    return kfk_api_conn_list_offset(c, timestamp, out);
}

int kafka_conn_read_first_offset(kafka_conn *c, int64_t *out)
{
    return read_one(c, "kafka_conn_read_first_offset", KAFKA_OFFSET_FIRST, out);
}

int kafka_conn_read_last_offset(kafka_conn *c, int64_t *out)
{
    return read_one(c, "kafka_conn_read_last_offset", KAFKA_OFFSET_LAST, out);
}

int kafka_conn_read_offset(kafka_conn *c, int64_t time_ms, int64_t *out)
{
    if (time_ms < 0)
        return kfk_failf(
            NULL, KAFKA_EINVAL,
            "kafka_conn_read_offset: the time is negative; there are functions for the first and last offset");
    return read_one(c, "kafka_conn_read_offset", time_ms, out);
}

int kafka_conn_read_offsets(kafka_conn *c, int64_t *first, int64_t *last)
{
    int err = kfk_api_conn_check(c, "kafka_conn_read_offsets", true);
    if (err != 0) return err;
    if (!first || !last) return kfk_failf(NULL, KAFKA_EINVAL, "kafka_conn_read_offsets: a pointer is NULL");
    offset_call *a = offset_call_new(c, KAFKA_OFFSET_FIRST), *b = offset_call_new(c, KAFKA_OFFSET_LAST);
    if (!a || !b) {
        if (a) kfk_call_discard(&a->call);
        if (b) kfk_call_discard(&b->call);
        return kfk_failf(NULL, KAFKA_ENOMEM, "no memory to ask for offsets");
    }
    kfk_loop_submit(c->core->loop, &a->call.op.task);
    kfk_call_run(&b->call);
    kfk_op_wait(c->core->loop, &a->call.op, KFK_TIME_NEVER);
    const kfk_error *failure = a->call.op.error.code != 0 ? &a->call.op.error : &b->call.op.error;
    err = failure->code;
    if (err != 0) {
        kfk_fail(NULL, failure);
    } else {
        *first = a->offset;
        *last = b->offset;
    }
    kfk_op_drop(&a->call.op);
    kfk_op_drop(&b->call.op);
    return err;
}

int64_t kafka_conn_offset(kafka_conn *c, int *whence)
{
    int64_t at = c && !kfk_api_conn_is_parents(c) ? kfk_api_conn_place(c).at : KAFKA_OFFSET_FIRST;
    if (whence)
        *whence = at == KAFKA_OFFSET_FIRST  ? KAFKA_SEEK_START
                  : at == KAFKA_OFFSET_LAST ? KAFKA_SEEK_END
                                            : KAFKA_SEEK_ABSOLUTE;
    return at < 0 ? 0 : at;
}

/* a + b, kept within int64. */
static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) return a < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

/* Seeking without asking, where that is possible: to an offset, from a position that is known, and to the two ends if
 * nobody wants to know their offsets. */
static bool seek_unchecked(kafka_conn *c, int64_t offset, int whence, bool must_know, int64_t *target)
{
    int64_t at = kfk_api_conn_place(c).at;
    bool absolute = whence == KAFKA_SEEK_ABSOLUTE;
    bool first = (whence == KAFKA_SEEK_START && offset == 0) || (absolute && offset == KAFKA_OFFSET_FIRST);
    bool last = (whence == KAFKA_SEEK_END && offset == 0) || (absolute && offset == KAFKA_OFFSET_LAST);
    if (absolute && offset >= 0)
        *target = offset;
    else if (whence == KAFKA_SEEK_CURRENT && at >= 0 && add(at, offset) >= 0)
        *target = add(at, offset);
    else if (!must_know && first)
        *target = KAFKA_OFFSET_FIRST;
    else if (!must_know && last)
        *target = KAFKA_OFFSET_LAST;
    else
        return false;
    return true;
}

static int seek_checked(kafka_conn *c, int64_t offset, int whence, bool check, int64_t *target)
{
    int64_t first, last, at = kfk_api_conn_place(c).at;
    int err = kafka_conn_read_offsets(c, &first, &last);
    if (err != 0) return err;
    if (at < 0) at = at == KAFKA_OFFSET_FIRST ? first : last;
    if (!check && whence == KAFKA_SEEK_ABSOLUTE && offset == KAFKA_OFFSET_FIRST) offset = first;
    if (!check && whence == KAFKA_SEEK_ABSOLUTE && offset == KAFKA_OFFSET_LAST) offset = last;
    switch (whence) {
    case KAFKA_SEEK_START: *target = add(first, offset); break;
    case KAFKA_SEEK_END: *target = offset == INT64_MIN ? INT64_MAX : add(last, -offset); break;
    case KAFKA_SEEK_CURRENT: *target = add(at, offset); break;
    default: *target = offset; break;
    }
    if ((check || *target < 0) && (*target < first || *target > last))
        return kfk_failf(NULL, KAFKA_ERR_OFFSET_OUT_OF_RANGE,
                         "seeking in topic %s partition %d: offset %lld is not within %lld and %lld", c->topic,
                         (int)c->partition, (long long)*target, (long long)first, (long long)last);
    return 0;
}

int kafka_conn_seek(kafka_conn *c, int64_t offset, int whence, int64_t *out)
{
    bool check = (whence & KAFKA_SEEK_DONT_CHECK) == 0;
    whence &= ~KAFKA_SEEK_DONT_CHECK;
    int err = kfk_api_conn_check_use(c, "kafka_conn_seek", true);
    if (err != 0) return err;
    if (whence < KAFKA_SEEK_START || whence > KAFKA_SEEK_CURRENT)
        return kfk_failf(NULL, KAFKA_EINVAL,
                         "kafka_conn_seek: whence %d is none of KAFKA_SEEK_START, _ABSOLUTE, _END, _CURRENT", whence);
    if (kfk_conn_has_ended(c->core))
        return kfk_failf(NULL, KAFKA_ECLOSED, "kafka_conn_seek: the connection was closed");
    int64_t target = offset;
    bool known = whence == KAFKA_SEEK_ABSOLUTE && offset >= 0 && offset == kfk_api_conn_place(c).at;
    if (!known && !check) known = seek_unchecked(c, offset, whence, out != NULL, &target);
    if (!known && (err = seek_checked(c, offset, whence, check, &target)) != 0) return err;
    kfk_api_conn_seek(c, target);
    if (out) *out = target;
    return 0;
}
