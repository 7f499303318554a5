/* The life of a cluster; see the header. What users call is in public.c.
 *
 * Everything happens on the thread that turns the loop: a call of another thread defers a task there and waits for it. */
#include "testing/cluster.h"
#include "base/mem.h"
#include "testing/call.h"
#include "testing/node.h"
#include "testing/session.h"
#include <stdio.h>
#include <string.h>

enum { LOG_LIMIT = 256 * 1024 * 1024 };

kft_node *kft_cluster_node(kafka_cluster *c, int32_t id)
{
    if (id < 1 || id > c->node_count) return NULL;
    kft_node *n = &c->nodes[id - 1];
    return kft_node_is_up(n) ? n : NULL;
}

int32_t kft_cluster_controller(const kafka_cluster *c)
{
    for (int32_t i = 0; i < c->node_count; i++) {
        if (kft_node_is_up(&c->nodes[i])) return c->nodes[i].id;
    }
    return -1;
}

static void wake_run(kfk_task *t)
{
    kafka_cluster *c = KFK_CONTAINER(t, kafka_cluster, wake_task);
    c->wake_queued = false;
    kft_session_run_woken(c);
}

/* 22 characters of base64url, as Kafka's cluster ids. */
static void make_id(kafka_cluster *c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < sizeof c->id - 1; i++) c->id[i] = digits[kfk_loop_random(c->loop) % 64];
    c->id[21] = digits[(unsigned)(kfk_loop_random(c->loop) % 4) * 16]; /* two bits are left for the last */
}

static void destroy(kafka_cluster *c)
{
    kft_topics_fini(&c->topics);
    kft_faults_clear(&c->faults);
    kfk_mem_free(c->nodes);
    kfk_mem_free(c->host);
    kfk_mem_free(c->bootstrap);
    kfk_loop_unuse(c->loop);
    kfk_loop_drop(c->loop);
    kfk_mem_free(c);
}

static int take_config(kafka_cluster *c, const kafka_cluster_config *cfg, kfk_error *err)
{
    c->node_count = cfg->brokers ? cfg->brokers : 1;
    c->default_partitions = cfg->partitions ? cfg->partitions : 1;
    c->auto_create = !cfg->no_auto_create;
    kfk_log_init(&c->log, cfg->logger);
    if (c->node_count < 1 || c->node_count > KFT_MOST_BROKERS)
        return kfk_error_set(err, KAFKA_EINVAL, "brokers is %d, possible are 1 to %d", (int)cfg->brokers,
                             KFT_MOST_BROKERS);
    if (cfg->base_port < 0 || cfg->base_port + c->node_count - 1 > 65535)
        return kfk_error_set(err, KAFKA_EINVAL, "base_port %d leaves no ports for %d brokers", (int)cfg->base_port,
                             (int)c->node_count);
    if (c->default_partitions < 1 || c->default_partitions > KFT_MOST_PARTITIONS)
        return kfk_error_set(err, KAFKA_EINVAL, "partitions is %d, possible are 1 to %d", (int)cfg->partitions,
                             KFT_MOST_PARTITIONS);
    c->host = kfk_mem_strdup(cfg->host ? cfg->host : "127.0.0.1");
    c->nodes = kfk_mem_array((size_t)c->node_count, sizeof(kft_node));
    if (!c->host || !c->nodes) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for the brokers");
    return 0;
}

static int write_bootstrap(kafka_cluster *c, kfk_error *err)
{
    size_t cap = (size_t)c->node_count * (strlen(c->host) + 16), len = 0;
    const char *format = strchr(c->host, ':') ? "%s[%s]:%d" : "%s%s:%d";
    c->bootstrap = kfk_mem_alloc(cap);
    if (!c->bootstrap) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for the brokers' addresses");
    for (int32_t i = 0; i < c->node_count; i++)
        len +=
            (size_t)snprintf(c->bootstrap + len, cap - len, format, i > 0 ? "," : "", c->host, (int)c->nodes[i].port);
    return 0;
}

static int start_run(kft_call *x, kfk_error *err)
{
    kafka_cluster *c = x->cluster;
    int code = 0;
    make_id(c);
    kft_topics_init(&c->topics, kfk_loop_random(c->loop));
    for (int32_t i = 0; i < c->node_count; i++)
        kft_node_init(&c->nodes[i], c, i + 1, x->number ? (int32_t)x->number + i : 0);
    for (int32_t i = 0; code == 0 && i < c->node_count; i++) code = kft_node_start(&c->nodes[i], err);
    if (code == 0) code = write_bootstrap(c, err);
    for (int32_t i = 0; code != 0 && i < c->node_count; i++) kft_node_stop(&c->nodes[i]);
    return code;
}

int kft_cluster_new(const kafka_cluster_config *cfg, kafka_cluster **out, kfk_error *err)
{
    kafka_cluster *c = kfk_mem_zalloc(sizeof *c);
    if (!c) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a cluster");
    kfk_list_init(&c->woken);
    c->wake_task.run = wake_run;
    kft_faults_init(&c->faults);
    kft_memory_init(&c->memory, LOG_LIMIT);
    c->next_producer_id = 1000;
    int code = take_config(c, cfg, err);
    if (code == 0 && cfg->loop) {
        kfk_loop_use(cfg->loop);
        c->loop = kfk_loop_hold(cfg->loop);
    } else if (code == 0) {
        code = kfk_loop_new("kafka-cluster", &c->loop, err);
    }
    if (code != 0) {
        kfk_mem_free(c->nodes);
        kfk_mem_free(c->host);
        kfk_mem_free(c);
        return code;
    }
    code = kft_call_run(&(kft_call){.cluster = c, .run = start_run, .number = cfg->base_port}, err);
    if (code == 0)
        *out = c;
    else
        destroy(c);
    return code;
}

static int end_run(kft_call *x, kfk_error *err)
{
    (void)err;
    for (int32_t i = 0; i < x->cluster->node_count; i++) kft_node_stop(&x->cluster->nodes[i]);
    return 0;
}

void kft_cluster_free(kafka_cluster *c)
{
    kfk_error err;
    while (kft_call_run(&(kft_call){.cluster = c, .run = end_run}, &err) == KAFKA_ENOMEM) { /* it has to be done */
    }
    destroy(c);
}
