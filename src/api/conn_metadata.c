/* Metadata: the partitions of topics, the cluster's brokers, its controller.
 *
 * The answer is looked at on the caller's thread, from the call's own memory. What it names twice counts once, the
 * first time, and what cannot be true (engine/metadata.h) not at all. Each broker is described once; partitions refer
 * to it by id. */
#include "api/conn.h"
#include "api/lists.h"
#include "engine/metadata.h"
#include <stdlib.h>
#include <string.h>

typedef struct metadata_call {
    kfk_call call;
    kfk_metadata_request message;
    kfk_metadata_response answer;
    kafka_broker *brokers; /* that the answer describes, by id */
    size_t broker_count;
} metadata_call;

/* ---- ids --------------------------------------------------------------------------------------------------------- */

/* Entry `at` of a list has this id. */
typedef struct entry {
    int32_t id, at;
} entry;

static int by_id_and_place(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

/* Sorts by id and leaves the first of each; returns how many are left. */
static size_t sort_entries(entry *list, size_t count)
{
    size_t n = 0;
    if (count > 1) qsort(list, count, sizeof *list, by_id_and_place);
    for (size_t i = 0; i < count; i++) {
        if (n == 0 || list[n - 1].id != list[i].id) list[n++] = list[i];
    }
    return n;
}

/* ---- brokers ----------------------------------------------------------------------------------------------------- */

/* A NUL-terminated copy in the call's memory; NULL without memory. */
static const char *text(metadata_call *m, kafka_bytes s)
{
    char *copy = kfk_arena_alloc(&m->call.memory, s.len + 1);
    if (copy && s.len > 0) memcpy(copy, s.data, s.len);
    return copy;
}

static bool describe_broker(metadata_call *m, const kfk_metadata_response_broker *from, kafka_broker *out)
{
    *out = (kafka_broker){.id = from->node_id, .port = from->port, .host = text(m, from->host)};
    if (from->rack.data) out->rack = text(m, from->rack);
    return out->host && (out->rack || !from->rack.data);
}

/* Fills m->brokers. False without memory. */
static bool know_brokers(metadata_call *m)
{
    int32_t count = kfk_metadata_broker_count(&m->answer);
    size_t sane = 0, room = (size_t)count + 1;
    entry *entries = kfk_arena_array(&m->call.memory, room, sizeof *entries);
    m->brokers = kfk_arena_array(&m->call.memory, room, sizeof *m->brokers);
    if (!entries || !m->brokers) return false;
    for (int32_t i = 0; i < count; i++) {
        const kfk_metadata_response_broker *b = &m->answer.brokers.items[i];
        if (kfk_metadata_broker_is_sane(b)) entries[sane++] = (entry){b->node_id, i};
    }
    m->broker_count = sort_entries(entries, sane);
    for (size_t i = 0; i < m->broker_count; i++) {
        if (!describe_broker(m, &m->answer.brokers.items[entries[i].at], &m->brokers[i])) return false;
    }
    return true;
}

static int compare_id(const void *id, const void *broker)
{
    int32_t a = *(const int32_t *)id, b = ((const kafka_broker *)broker)->id;
    return a < b ? -1 : a > b;
}

/* A broker by id; one that the answer does not describe keeps its id and has host "". */
static kafka_broker broker_by_id(const metadata_call *m, int32_t id)
{
    const kafka_broker *found = bsearch(&id, m->brokers, m->broker_count, sizeof *m->brokers, compare_id);
    return found ? *found : (kafka_broker){.host = "", .id = id};
}

static bool is_described(const kafka_broker *b)
{
    return b->host != NULL && b->host[0] != '\0';
}

/* ---- partitions -------------------------------------------------------------------------------------------------- */

static const kafka_broker *describe_ids(metadata_call *m, const kfk_int32_array *ids, size_t *count)
{
    *count = ids->count > 0 ? (size_t)ids->count : 0;
    kafka_broker *list = kfk_arena_array(&m->call.memory, *count + 1, sizeof *list);
    for (size_t i = 0; list && i < *count; i++) list[i] = broker_by_id(m, ids->items[i]);
    return list;
}

static bool describe_partition(metadata_call *m, const char *topic, const kfk_metadata_response_topic *t,
                               const kfk_metadata_response_partition *p, kafka_partition *out)
{
    *out = (kafka_partition){
        .topic = topic, .id = p->partition_index, .leader_epoch = p->leader_epoch, .internal = t->is_internal};
    memcpy(out->topic_id, t->topic_id.bytes, sizeof out->topic_id);
    out->leader = broker_by_id(m, p->leader_id);
    out->error = kfk_error_of_broker(p->error_code);
    if (!is_described(&out->leader) && out->error == 0) out->error = KAFKA_ERR_LEADER_NOT_AVAILABLE;
    return (out->replicas = describe_ids(m, &p->replica_nodes, &out->replica_count)) &&
           (out->isr = describe_ids(m, &p->isr_nodes, &out->isr_count)) &&
           (out->offline = describe_ids(m, &p->offline_replicas, &out->offline_count));
}

/* A list that grows by whole topics; it has room for what the answer holds. */
typedef struct collected {
    kafka_partition *items;
    size_t count;
} collected;

static bool collect_topic(metadata_call *m, const kfk_metadata_response_topic *t, collected *into)
{
    const char *topic = text(m, t->name);
    size_t n = 0;
    entry *entries = kfk_arena_array(&m->call.memory, (size_t)t->partitions.count + 1, sizeof *entries);
    if (!topic || !entries) return false;
    for (int32_t i = 0; i < t->partitions.count; i++) {
        int32_t id = t->partitions.items[i].partition_index;
        if (kfk_metadata_partition_is_sane(id)) entries[n++] = (entry){id, i};
    }
    n = sort_entries(entries, n);
    for (size_t i = 0; i < n; i++) {
        if (!describe_partition(m, topic, t, &t->partitions.items[entries[i].at], &into->items[into->count++]))
            return false;
    }
    return true;
}

static bool named_before(const char *const *topics, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (strcmp(topics[k], topics[i]) == 0) return true;
    }
    return false;
}

/* The partitions of the topics asked for, or of all that the answer has. */
static bool collect(metadata_call *m, const char *const *topics, size_t count, collected *into)
{
    size_t room = 1;
    for (int32_t i = 0; i < m->answer.topics.count; i++) room += (size_t)m->answer.topics.items[i].partitions.count;
    if (!know_brokers(m) || !(into->items = kfk_arena_array(&m->call.memory, room, sizeof *into->items))) return false;
    for (size_t i = 0; i < count; i++) {
        if (!named_before(topics, i) && !collect_topic(m, kfk_metadata_topic(&m->answer, kafka_str(topics[i])), into))
            return false;
    }
    for (int32_t i = 0; count == 0 && i < m->answer.topics.count; i++) {
        const kfk_metadata_response_topic *t = &m->answer.topics.items[i];
        if (kfk_metadata_topic_is_sane(t->name) && !collect_topic(m, t, into)) return false;
    }
    return true;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

/* Asks; the answer is in the call, which the caller drops. */
static int ask(kafka_conn *c, const char *const *topics, size_t count, bool all, metadata_call **out, kfk_error *err)
{
    metadata_call *m = kfk_call_new(c->core, sizeof *m, KFK_CALL_READ, "asking for metadata", KFK_API_METADATA);
    if (!m) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a metadata request");
    if (kfk_metadata_prepare(&m->call.request, &m->message, &m->answer, &m->call.memory, topics, count, all) != 0) {
        kfk_call_discard(&m->call);
        return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a metadata request");
    }
    int code = kfk_call_run(&m->call);
    if (code != 0) {
        *err = m->call.op.error;
        kfk_op_drop(&m->call.op);
        return code;
    }
    *out = m;
    return 0;
}

static int topic_failed(kafka_conn *c, kafka_bytes topic, int code, kfk_error *err)
{
    return kfk_error_set(err, code, "asking %s for the partitions of topic %.*s: %s", kfk_broker_name(c->core->broker),
                         (int)topic.len, (const char *)topic.data, kafka_strerror(code));
}

/* The first topic that was asked for and is missing, or of all the first, that has an error. */
static int topic_error(kafka_conn *c, const metadata_call *m, const char *const *topics, size_t count, kfk_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const kfk_metadata_response_topic *t = kfk_metadata_topic(&m->answer, kafka_str(topics[i]));
        int code = t ? kfk_error_of_broker(t->error_code) : KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        if (code != 0) return topic_failed(c, kafka_str(topics[i]), code, err);
    }
    for (int32_t i = 0; count == 0 && i < m->answer.topics.count; i++) {
        const kfk_metadata_response_topic *t = &m->answer.topics.items[i];
        if (t->error_code != 0 && kfk_metadata_topic_is_sane(t->name))
            return topic_failed(c, t->name, kfk_error_of_broker(t->error_code), err);
    }
    return 0;
}

int kfk_api_conn_partitions(kafka_conn *c, const char *const *topics, size_t count, kafka_partitions **out,
                            kfk_error *err)
{
    metadata_call *m;
    collected list = {0};
    const char *const own[] = {c->topic};
    if (count == 0 && c->topic) {
        topics = own;
        count = 1;
    }
    int code = ask(c, topics, count, count == 0, &m, err);
    if (code != 0) return code;
    code = topic_error(c, m, topics, count, err);
    if (code == 0 && (!collect(m, topics, count, &list) || kfk_partitions_new(list.items, list.count, out) != 0))
        code = kfk_error_set(err, KAFKA_ENOMEM, "no memory for a list of partitions");
    kfk_op_drop(&m->call.op);
    return code;
}

int kafka_conn_read_partitions(kafka_conn *c, const char *const *topics, size_t count, kafka_partitions **out)
{
    kfk_error why = {0};
    int err = kfk_api_conn_check(c, "kafka_conn_read_partitions", false);
    if (err != 0) return err;
    bool bad = !out || (!topics && count > 0) || count > INT32_MAX;
    for (size_t i = 0; !bad && i < count; i++) bad = !topics[i];
    if (bad)
        return kfk_failf(NULL, KAFKA_EINVAL,
                         "kafka_conn_read_partitions: a pointer is NULL, or there are too many topics");
    err = kfk_api_conn_partitions(c, topics, count, out, &why);
    return err == 0 ? 0 : kfk_fail(NULL, &why);
}

/* Asks for the brokers alone. 0 with m->brokers filled, or the published error. */
static int ask_brokers(kafka_conn *c, const char *call, const void *out, metadata_call **m)
{
    kfk_error why = {0};
    int err = kfk_api_conn_check(c, call, false);
    if (err != 0) return err;
    if (!out) return kfk_failf(NULL, KAFKA_EINVAL, "%s: out is NULL", call);
    if (ask(c, NULL, 0, false, m, &why) != 0) return kfk_fail(NULL, &why);
    if (know_brokers(*m)) return 0;
    kfk_op_drop(&(*m)->call.op);
    return kfk_failf(NULL, KAFKA_ENOMEM, "%s: no memory for the brokers", call);
}

int kafka_conn_brokers(kafka_conn *c, kafka_brokers **out)
{
    metadata_call *m;
    int err = ask_brokers(c, "kafka_conn_brokers", out, &m);
    if (err != 0) return err;
    err = kfk_brokers_new(m->brokers, m->broker_count, out);
    if (err != 0) kfk_failf(NULL, err, "kafka_conn_brokers: no memory for the brokers");
    kfk_op_drop(&m->call.op);
    return err;
}

int kafka_conn_controller(kafka_conn *c, kafka_broker **out)
{
    metadata_call *m;
    int err = ask_brokers(c, "kafka_conn_controller", out, &m);
    if (err != 0) return err;
    kafka_broker found = broker_by_id(m, m->answer.controller_id);
    if (!is_described(&found))
        err = kfk_failf(NULL, KAFKA_ERR_BROKER_NOT_AVAILABLE, "%s knows no controller at the moment",
                        kfk_broker_name(c->core->broker));
    else if ((err = kfk_broker_new_copy(&found, out)) != 0)
        kfk_failf(NULL, err, "kafka_conn_controller: no memory for a broker");
    kfk_op_drop(&m->call.op);
    return err;
}
