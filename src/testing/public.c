/* The functions of kafka/testing.h: each hands what it was given to the loop and waits. */
#include "base/time.h"
#include "testing/call.h"
#include "testing/node.h"
#include <string.h>

int kafka__fail(int code, const char *text); /* libkafka's, for its kafka_last_error */

static int fail(const char *function, kfk_error *err)
{
    kfk_error_prefix(err, "%s: ", function);
    return kafka__fail(err->code, err->text);
}

static int call(const char *function, kft_call *x)
{
    kfk_error err = {0};
    if (!x->cluster)
        kfk_error_set(&err, KAFKA_EINVAL, "the cluster is NULL");
    else
        kft_call_run(x, &err);
    return err.code == 0 ? 0 : fail(function, &err);
}

/* ---- the cluster ------------------------------------------------------------------------------------------------- */

int kafka_cluster_new_sized(const kafka_cluster_config *cfg, size_t size, kafka_cluster **out)
{
    kafka_cluster_config full = {0};
    kfk_error err = {0};
    const unsigned char *bytes = (const unsigned char *)cfg;
    for (size_t i = sizeof full; cfg && err.code == 0 && i < size; i++) {
        if (bytes[i] != 0)
            kfk_error_set(&err, KAFKA_EINVAL, "the configuration has fields that this version does not know");
    }
    if (cfg) memcpy(&full, cfg, size < sizeof full ? size : sizeof full);
    if (!out) kfk_error_set(&err, KAFKA_EINVAL, "out is NULL");
    if (err.code == 0) kft_cluster_new(&full, out, &err);
    return err.code == 0 ? 0 : fail("kafka_cluster_new", &err);
}

const char *kafka_cluster_bootstrap(const kafka_cluster *c)
{
    return c ? c->bootstrap : "";
}

void kafka_cluster_free(kafka_cluster *c)
{
    kfk_error err;
    if (c && kft_cluster_free(c, &err) != 0) fail(__func__, &err);
}

/* ---- topics and partitions --------------------------------------------------------------------------------------- */

/* Each of these: NULL, with the error set, when there is none. */
static kft_topic *topic_of(const kft_call *x, kfk_error *err)
{
    kft_topic *t = x->topic ? kft_topic_find(&x->cluster->topics, kafka_str(x->topic)) : NULL;
    if (!x->topic)
        kfk_error_set(err, KAFKA_EINVAL, "the topic is NULL");
    else if (!t)
        kfk_error_set(err, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "there is no topic %s", x->topic);
    return t;
}

static kft_partition *partition_of(const kft_call *x, kfk_error *err)
{
    kft_topic *t = topic_of(x, err);
    kft_partition *p = kft_topic_partition(t, x->partition);
    if (t && !p)
        kfk_error_set(err, KAFKA_EINVAL, "topic %s has partitions 0 to %d, not %d", x->topic,
                      (int)t->partition_count - 1, (int)x->partition);
    return p;
}

static kft_node *broker_of(const kft_call *x, kfk_error *err)
{
    kafka_cluster *c = x->cluster;
    if (x->broker >= 1 && x->broker <= c->node_count) return &c->nodes[x->broker - 1];
    kfk_error_set(err, KAFKA_EINVAL, "the brokers are 1 to %d, not %d", (int)c->node_count, (int)x->broker);
    return NULL;
}

static int create_run(kft_call *x, kfk_error *err)
{
    kafka_cluster *c = x->cluster;
    const char *why = "";
    int32_t partitions = x->partition ? x->partition : c->default_partitions;
    if (!x->topic) return kfk_error_set(err, KAFKA_EINVAL, "the topic is NULL");
    int16_t code =
        kft_topic_create(c, kafka_str(x->topic), partitions, c->node_count < 3 ? c->node_count : 3, NULL, NULL, &why);
    return code == 0 ? 0 : kfk_error_set(err, code, "topic %s: %s", x->topic, why);
}

int kafka_cluster_create_topic(kafka_cluster *c, const char *topic, int32_t partitions)
{
    return call(__func__, &(kft_call){.cluster = c, .run = create_run, .topic = topic, .partition = partitions});
}

static int delete_run(kft_call *x, kfk_error *err)
{
    kft_topic *t = topic_of(x, err);
    if (t) kft_topic_delete(x->cluster, t);
    return err->code;
}

int kafka_cluster_delete_topic(kafka_cluster *c, const char *topic)
{
    return call(__func__, &(kft_call){.cluster = c, .run = delete_run, .topic = topic});
}

static int leader_run(kft_call *x, kfk_error *err)
{
    const kft_partition *p = partition_of(x, err);
    if (p) x->out[0] = p->leader;
    return err->code;
}

int kafka_cluster_leader(kafka_cluster *c, const char *topic, int32_t partition, int32_t *broker)
{
    kft_call x = {.cluster = c, .run = leader_run, .topic = topic, .partition = partition};
    int code = call(__func__, &x);
    if (code == 0 && broker) *broker = (int32_t)x.out[0];
    return code;
}

static int move_run(kft_call *x, kfk_error *err)
{
    kft_partition *p = partition_of(x, err);
    const kft_node *n = p ? broker_of(x, err) : NULL;
    if (!n) return err->code;
    if (!kft_node_is_up(n)) return kfk_error_set(err, KAFKA_EINVAL, "broker %d is stopped", (int)x->broker);
    return kft_partition_move(x->cluster, p, x->broker, err);
}

int kafka_cluster_move_leader(kafka_cluster *c, const char *topic, int32_t partition, int32_t broker)
{
    return call(__func__,
                &(kft_call){.cluster = c, .run = move_run, .topic = topic, .partition = partition, .broker = broker});
}

static int log_size_run(kft_call *x, kfk_error *err)
{
    kft_partition *p = partition_of(x, err);
    if (!p) return err->code;
    kft_partition_retain(p, kfk_time_wall_ms());
    x->out[0] = p->log.start;
    x->out[1] = p->log.end;
    return 0;
}

int kafka_cluster_log_size(kafka_cluster *c, const char *topic, int32_t partition, int64_t *start, int64_t *end)
{
    kft_call x = {.cluster = c, .run = log_size_run, .topic = topic, .partition = partition};
    int code = call(__func__, &x);
    if (code == 0 && start) *start = x.out[0];
    if (code == 0 && end) *end = x.out[1];
    return code;
}

static int expire_run(kft_call *x, kfk_error *err)
{
    kft_partition *p = partition_of(x, err);
    if (p) kft_producers_expire(&p->producers, x->number);
    return err->code;
}

int kafka_cluster_expire_producers(kafka_cluster *c, const char *topic, int32_t partition, int64_t producer_id)
{
    return call(
        __func__,
        &(kft_call){.cluster = c, .run = expire_run, .topic = topic, .partition = partition, .number = producer_id});
}

static int hold_run(kft_call *x, kfk_error *err)
{
    kft_partition *p = partition_of(x, err);
    if (!p) return err->code;
    p->replication_held = x->number != 0;
    kft_partition_replicate(x->cluster, p);
    return 0;
}

int kafka_cluster_hold_replication(kafka_cluster *c, const char *topic, int32_t partition, int32_t hold)
{
    return call(__func__,
                &(kft_call){.cluster = c, .run = hold_run, .topic = topic, .partition = partition, .number = hold});
}

/* ---- brokers ----------------------------------------------------------------------------------------------------- */

static int stop_run(kft_call *x, kfk_error *err)
{
    kft_node *n = broker_of(x, err);
    if (!n || !kft_node_is_up(n)) return err->code;
    kft_node_stop(n);
    kft_topics_broker_down(x->cluster, n->id);
    return 0;
}

int kafka_cluster_stop_broker(kafka_cluster *c, int32_t broker)
{
    return call(__func__, &(kft_call){.cluster = c, .run = stop_run, .broker = broker});
}

static int start_run(kft_call *x, kfk_error *err)
{
    kft_node *n = broker_of(x, err);
    if (!n || kft_node_is_up(n)) return err->code;
    int code = kft_node_start(n, err);
    if (code == 0) kft_topics_broker_up(x->cluster, n->id);
    return code;
}

int kafka_cluster_start_broker(kafka_cluster *c, int32_t broker)
{
    return call(__func__, &(kft_call){.cluster = c, .run = start_run, .broker = broker});
}

static int disk_run(kft_call *x, kfk_error *err)
{
    kft_node *n = broker_of(x, err);
    if (n && x->number < 0) return kfk_error_set(err, KAFKA_EINVAL, "delay_ms is negative");
    if (n) n->disk_delay_ms = x->number;
    return err->code;
}

int kafka_cluster_set_disk_delay(kafka_cluster *c, int32_t broker, int64_t delay_ms)
{
    return call(__func__, &(kft_call){.cluster = c, .run = disk_run, .broker = broker, .number = delay_ms});
}

static int memory_run(kft_call *x, kfk_error *err)
{
    if (x->number < 1) return kfk_error_set(err, KAFKA_EINVAL, "bytes is %lld", (long long)x->number);
    kft_memory_set_limit(&x->cluster->memory, (size_t)x->number);
    return 0;
}

int kafka_cluster_set_memory_limit(kafka_cluster *c, int64_t bytes)
{
    return call(__func__, &(kft_call){.cluster = c, .run = memory_run, .number = bytes});
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

kafka_fault kafka_fault_on(kafka_fault_kind kind, int32_t api)
{
    return (kafka_fault){.count = 1, .kind = kind, .api = api, .broker = -1, .partition = -1};
}

static int add_fault_run(kft_call *x, kfk_error *err)
{
    const char *why = "fault is NULL";
    int code = x->in ? kft_faults_add(&x->cluster->faults, x->in, &why) : KAFKA_EINVAL;
    return code == 0 ? 0 : kfk_error_set(err, code, "%s", why);
}

int kafka_cluster_add_fault(kafka_cluster *c, const kafka_fault *fault)
{
    return call(__func__, &(kft_call){.cluster = c, .run = add_fault_run, .in = fault});
}

static int clear_faults_run(kft_call *x, kfk_error *err)
{
    (void)err;
    kft_faults_clear(&x->cluster->faults);
    return 0;
}

void kafka_cluster_clear_faults(kafka_cluster *c)
{
    call(__func__, &(kft_call){.cluster = c, .run = clear_faults_run});
}

static int faults_met_run(kft_call *x, kfk_error *err)
{
    (void)err;
    x->out[0] = x->cluster->faults.met;
    return 0;
}

int64_t kafka_cluster_faults_met(kafka_cluster *c)
{
    kft_call x = {.cluster = c, .run = faults_met_run};
    return call(__func__, &x) == 0 ? x.out[0] : -1;
}

/* ---- watching it ------------------------------------------------------------------------------------------------- */

static int requests_run(kft_call *x, kfk_error *err)
{
    if (x->number < -1 || x->number >= KFT_API_KEYS)
        return kfk_error_set(err, KAFKA_EINVAL, "%lld is no API key", (long long)x->number);
    for (int64_t api = 0; api < KFT_API_KEYS; api++) {
        if (x->number == -1 || x->number == api) x->out[0] += x->cluster->requests[api];
    }
    return 0;
}

int64_t kafka_cluster_requests(kafka_cluster *c, int32_t api)
{
    kft_call x = {.cluster = c, .run = requests_run, .number = api};
    return call(__func__, &x) == 0 ? x.out[0] : -1;
}

static int listener_run(kft_call *x, kfk_error *err)
{
    static const kafka_cluster_listener nobody;
    (void)err;
    x->cluster->listener = *(const kafka_cluster_listener *)(x->in ? x->in : &nobody);
    return 0;
}

int kafka_cluster_set_listener(kafka_cluster *c, const kafka_cluster_listener *listener)
{
    return call(__func__, &(kft_call){.cluster = c, .run = listener_run, .in = listener});
}
