/* Creating and deleting topics. Each topic of a call has a result of its own; the first failure is the call's. */
#include "api/conn.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include <string.h>

enum { BROKER_TIMEOUT_MS = 60000, ANSWER_MARGIN_MS = 30000 };

/* A C string as the protocol has it, copied into the call. */
static bool copy_string(kfk_arena *memory, const char *s, kafka_bytes *out)
{
    size_t len = strlen(s);
    char *copy = kfk_arena_alloc(memory, len + 1);
    if (!copy) return false;
    memcpy(copy, s, len + 1);
    *out = (kafka_bytes){copy, len};
    return true;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

/* What became of one topic, as the answer says. */
static int topic_result(kafka_conn *c, const char *verb, const char *topic, int16_t answered, kafka_bytes message,
                        kfk_error *err)
{
    int16_t code = kfk_error_of_broker(answered);
    const char *hint = code == KAFKA_ERR_NOT_CONTROLLER ? " Dial the broker that kafka_conn_controller names." : "";
    return kfk_error_set(err, code, "%s topic %s at %s: %s%s%.*s%s", verb, topic, kfk_broker_name(c->core->broker),
                         kafka_strerror(code), message.len ? " The broker says: " : "", (int)message.len,
                         message.len ? (const char *)message.data : "", hint);
}

static int missing_result(kafka_conn *c, const char *verb, const char *topic, kfk_error *err)
{
    return kfk_error_set(err, KAFKA_EPROTO, "%s topic %s: the answer of %s does not mention it", verb, topic,
                         kfk_broker_name(c->core->broker));
}

static bool same(kafka_bytes a, const char *b)
{
    return a.data && a.len == strlen(b) && memcmp(a.data, b, a.len) == 0;
}

/* Runs a call that manages topics; `result` finds what became of topic i. The first failure is published. */
static int run_topics(kafka_conn *c, kfk_call *call, size_t count, int *results,
                      int (*result)(kafka_conn *, kfk_call *, size_t, kfk_error *))
{
    int first = kfk_call_run(call);
    if (first != 0) {
        for (size_t i = 0; results && i < count; i++) results[i] = first;
        kfk_fail(NULL, &call->op.error);
        return first;
    }
    for (size_t i = 0; i < count; i++) {
        kfk_error why = {0};
        int code = result(c, call, i, &why);
        if (results) results[i] = code;
        if (code != 0 && first == 0) first = kfk_fail(NULL, &why);
    }
    return first;
}

static void set_timeouts(kafka_conn *c, kfk_request *r, int32_t *broker_timeout)
{
    *broker_timeout = kfk_conn_time_for_broker(c->core, KFK_CALL_WRITE, BROKER_TIMEOUT_MS);
    r->timeout_ms = (int64_t)*broker_timeout + ANSWER_MARGIN_MS;
}

/* ---- creating ---------------------------------------------------------------------------------------------------- */

typedef struct create_call {
    kfk_call call;
    kfk_create_topics_request message;
    kfk_create_topics_response answer;
} create_call;

static int create_result(kafka_conn *c, kfk_call *call, size_t i, kfk_error *err)
{
    create_call *x = KFK_CONTAINER(call, create_call, call);
    const char *topic = x->message.topics.items[i].name.data;
    for (int32_t j = 0; j < x->answer.topics.count; j++) {
        const kfk_create_topics_response_topic *t = &x->answer.topics.items[j];
        if (!same(t->name, topic)) continue;
        if (t->error_code == 0 || t->error_code == KAFKA_ERR_TOPIC_ALREADY_EXISTS) return 0;
        return topic_result(c, "creating", topic, t->error_code, t->error_message, err);
    }
    return missing_result(c, "creating", topic, err);
}

static bool copy_assignments(create_call *x, const kafka_topic_config *from, kfk_create_topics_request_topic *to)
{
    kfk_arena *memory = &x->call.memory;
    if (from->assignment_count == 0) return true;
    to->assignments.items = kfk_arena_array(memory, from->assignment_count, sizeof *to->assignments.items);
    if (!to->assignments.items) return false;
    to->assignments.count = (int32_t)from->assignment_count;
    for (size_t i = 0; i < from->assignment_count; i++) {
        const kafka_replica_assignment *a = &from->assignments[i];
        kfk_create_topics_request_assignment *b = &to->assignments.items[i];
        b->partition_index = a->partition;
        b->broker_ids.items = kfk_arena_array(memory, a->broker_count + 1, sizeof(int32_t));
        if (!b->broker_ids.items) return false;
        b->broker_ids.count = (int32_t)a->broker_count;
        if (a->broker_count > 0) memcpy(b->broker_ids.items, a->brokers, a->broker_count * sizeof(int32_t));
    }
    return true;
}

static bool copy_topic(create_call *x, const kafka_topic_config *from, kfk_create_topics_request_topic *to)
{
    kfk_arena *memory = &x->call.memory;
    to->num_partitions = from->num_partitions > 0 ? from->num_partitions : -1;
    to->replication_factor = (int16_t)(from->replication_factor > 0 ? from->replication_factor : -1);
    if (!copy_string(memory, from->topic, &to->name) || !copy_assignments(x, from, to)) return false;
    if (from->entry_count == 0) return true;
    to->configs.items = kfk_arena_array(memory, from->entry_count, sizeof *to->configs.items);
    if (!to->configs.items) return false;
    to->configs.count = (int32_t)from->entry_count;
    for (size_t i = 0; i < from->entry_count; i++) {
        if (!copy_string(memory, from->entries[i].name, &to->configs.items[i].name)) return false;
        if (from->entries[i].value && !copy_string(memory, from->entries[i].value, &to->configs.items[i].value))
            return false;
    }
    return true;
}

static int check_topic(const kafka_topic_config *t, size_t index)
{
    const char *wrong = NULL;
    if (!t->topic || !*t->topic)
        wrong = "has no name";
    else if (t->reserved[0] || t->reserved[1])
        wrong = "has a reserved field that is not 0";
    else if (t->num_partitions < -1 || t->replication_factor < -1 || t->replication_factor > INT16_MAX)
        wrong = "has an impossible number of partitions or replicas";
    else if ((!t->assignments && t->assignment_count > 0) || (!t->entries && t->entry_count > 0))
        wrong = "has a count without an array";
    else if (t->assignment_count > 0 && (t->num_partitions > 0 || t->replication_factor > 0))
        wrong = "has assignments and numbers: they exclude each other";
    else if (t->assignment_count > INT32_MAX || t->entry_count > INT32_MAX)
        wrong = "has too many entries";
    for (size_t i = 0; !wrong && i < t->assignment_count; i++) {
        if (t->assignments[i].reserved)
            wrong = "has a reserved field that is not 0";
        else if ((!t->assignments[i].brokers && t->assignments[i].broker_count > 0) ||
                 t->assignments[i].broker_count > INT16_MAX)
            wrong = "has a wrong assignment";
    }
    for (size_t i = 0; !wrong && i < t->entry_count; i++) {
        if (!t->entries[i].name) wrong = "has a setting without a name";
    }
    return wrong ? kfk_failf(NULL, KAFKA_EINVAL, "kafka_conn_create_topics: topic %zu %s", index, wrong) : 0;
}

int kafka_conn_create_topics(kafka_conn *c, const kafka_topic_config *topics, size_t count, int *results)
{
    int err = kfk_api_conn_check(c, "kafka_conn_create_topics", false);
    if (err != 0) return err;
    if ((!topics && count > 0) || count > INT32_MAX)
        return kfk_failf(NULL, KAFKA_EINVAL, "kafka_conn_create_topics: topics is NULL, or too many");
    for (size_t i = 0; i < count; i++) {
        if ((err = check_topic(&topics[i], i)) != 0) return err;
    }
    if (count == 0) return 0;
    create_call *x = kfk_call_new(c->core, sizeof *x, KFK_CALL_WRITE, "creating topics", KFK_API_CREATE_TOPICS);
    if (!x) return kfk_failf(NULL, KAFKA_ENOMEM, "no memory to create topics");
    kfk_codec_default(x->call.request.api->request, &x->message);
    x->message.topics.items = kfk_arena_array(&x->call.memory, count, sizeof *x->message.topics.items);
    x->message.topics.count = (int32_t)count;
    bool enough = x->message.topics.items != NULL;
    for (size_t i = 0; enough && i < count; i++) enough = copy_topic(x, &topics[i], &x->message.topics.items[i]);
    if (!enough) {
        kfk_call_discard(&x->call);
        return kfk_failf(NULL, KAFKA_ENOMEM, "no memory to create topics");
    }
    set_timeouts(c, &x->call.request, &x->message.timeout_ms);
    x->call.request.message = &x->message;
    x->call.request.response = &x->answer;
    err = run_topics(c, &x->call, count, results, create_result);
    kfk_op_drop(&x->call.op);
    return err;
}

/* ---- deleting ---------------------------------------------------------------------------------------------------- */

typedef struct delete_call {
    kfk_call call;
    kfk_delete_topics_request message;
    kfk_delete_topics_response answer;
} delete_call;

static int delete_result(kafka_conn *c, kfk_call *call, size_t i, kfk_error *err)
{
    delete_call *x = KFK_CONTAINER(call, delete_call, call);
    const char *topic = x->message.topic_names.items[i].data;
    for (int32_t j = 0; j < x->answer.responses.count; j++) {
        const kfk_delete_topics_response_topic *t = &x->answer.responses.items[j];
        if (!same(t->name, topic)) continue;
        return t->error_code == 0 ? 0 : topic_result(c, "deleting", topic, t->error_code, t->error_message, err);
    }
    return missing_result(c, "deleting", topic, err);
}

/* Topics by name stand in another field from version 6 on: both are filled. */
static bool copy_names(delete_call *x, const char *const *topics, size_t count)
{
    kfk_arena *memory = &x->call.memory;
    x->message.topic_names.items = kfk_arena_array(memory, count, sizeof *x->message.topic_names.items);
    x->message.topics.items = kfk_arena_array(memory, count, sizeof *x->message.topics.items);
    if (!x->message.topic_names.items || !x->message.topics.items) return false;
    x->message.topic_names.count = x->message.topics.count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        if (!copy_string(memory, topics[i], &x->message.topic_names.items[i])) return false;
        x->message.topics.items[i].name = x->message.topic_names.items[i];
    }
    return true;
}

/* Only what the chosen version has may be set. */
static int delete_prepare(kfk_request *r, kfk_error *err)
{
    kfk_delete_topics_request *message = r->message;
    (void)err;
    message->topics.count = r->version < 6 ? 0 : message->topic_names.count;
    return 0;
}

int kafka_conn_delete_topics(kafka_conn *c, const char *const *topics, size_t count, int *results)
{
    int err = kfk_api_conn_check(c, "kafka_conn_delete_topics", false);
    if (err != 0) return err;
    bool bad = (!topics && count > 0) || count > INT32_MAX;
    for (size_t i = 0; !bad && i < count; i++) bad = !topics[i];
    if (bad)
        return kfk_failf(NULL, KAFKA_EINVAL,
                         "kafka_conn_delete_topics: a pointer is NULL, or there are too many topics");
    if (count == 0) return 0;
    delete_call *x = kfk_call_new(c->core, sizeof *x, KFK_CALL_WRITE, "deleting topics", KFK_API_DELETE_TOPICS);
    if (!x) return kfk_failf(NULL, KAFKA_ENOMEM, "no memory to delete topics");
    kfk_codec_default(x->call.request.api->request, &x->message);
    if (!copy_names(x, topics, count)) {
        kfk_call_discard(&x->call);
        return kfk_failf(NULL, KAFKA_ENOMEM, "no memory to delete topics");
    }
    set_timeouts(c, &x->call.request, &x->message.timeout_ms);
    x->call.request.prepare = delete_prepare;
    x->call.request.message = &x->message;
    x->call.request.response = &x->answer;
    err = run_topics(c, &x->call, count, results, delete_result);
    kfk_op_drop(&x->call.op);
    return err;
}
