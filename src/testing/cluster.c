/* The life of a cluster; see the header. What users call is in public.c.
 *
 * Everything happens on the thread that turns the loop: a call of another thread defers a task there and waits for
 * it. */
#include "testing/cluster.h"
#include "base/fork.h"
#include "base/mem.h"
#include "base/thread.h"
#include "testing/call.h"
#include "testing/node.h"
#include "testing/session.h"
#include <stdio.h>
#include <string.h>

enum { LOG_LIMIT = 256 * 1024 * 1024 };

void *kafka__thread(void); /* libkafka's */

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
    c->id[21] = digits[kfk_loop_random(c->loop) % 4 * 16]; /* two bits are left for the last */
}

static kfk_thread *library_thread(void)
{
    return kafka__thread();
}

static void destroy(kafka_cluster *c)
{
    kft_topics_fini(&c->topics);
    kft_memory_fini(&c->memory);
    kft_faults_clear(&c->faults);
    kfk_mem_free(c->nodes);
    kfk_mem_free(c->host);
    kfk_mem_free(c->bootstrap);
    kft_call_release(c->last_call);
    kfk_loop_unuse(c->loop);
    kfk_loop_drop(c->loop);
    kfk_mem_free(c);
}

/* The loop's inside, and the thread's, are shared with a libkafka that was built from the same source. */
static int join_library(kfk_error *err)
{
    if (strcmp(kafka_version(), KAFKA_VERSION_STRING) != 0)
        return kfk_error_set(err, KAFKA_EVERSION,
                             "this is libkafka-testing %s beside libkafka %s: install both from the same version",
                             KAFKA_VERSION_STRING, kafka_version());
    if ((void *)kfk_thread_self() != kafka__thread()) kfk_thread_set_source(library_thread);
    return kfk_fork_watch(NULL) == 0 ? 0 : kfk_error_set(err, KAFKA_ENOMEM, "no memory for a cluster");
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
    if (cfg->base_port < 0 || cfg->base_port > 65536 - c->node_count)
        return kfk_error_set(err, KAFKA_EINVAL, "base_port %d leaves no ports for %d brokers", (int)cfg->base_port,
                             (int)c->node_count);
    if (c->default_partitions < 1 || c->default_partitions > KFT_MOST_PARTITIONS)
        return kfk_error_set(err, KAFKA_EINVAL, "partitions is %d, possible are 1 to %d", (int)cfg->partitions,
                             KFT_MOST_PARTITIONS);
    c->host = kfk_mem_strdup(cfg->host ? cfg->host : "127.0.0.1");
    c->nodes = kfk_mem_array((size_t)c->node_count, sizeof(kft_node));
    c->last_call = kft_call_reserve();
    if (!c->host || !c->nodes || !c->last_call) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for the brokers");
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
    int code = join_library(err);
    if (code == 0) code = kft_call_check(err);
    if (code != 0) return code;
    kafka_cluster *c = kfk_mem_zalloc(sizeof *c);
    if (!c) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a cluster");
    kfk_list_init(&c->woken);
    c->wake_task.run = wake_run;
    kft_faults_init(&c->faults);
    kft_memory_init(&c->memory, LOG_LIMIT);
    kft_producer_pool_init(&c->producers);
    c->next_producer_id = 1000;
    code = take_config(c, cfg, err);
    if (code == 0 && cfg->loop) {
        kfk_loop_use(cfg->loop);
        c->loop = kfk_loop_hold(cfg->loop);
    } else if (code == 0) {
        code = kfk_loop_new("kafka-cluster", &c->loop, err);
    }
    if (code != 0) {
        kft_call_release(c->last_call);
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

/* A task that wakes sessions may be under way still; without a session there is never another one. */
static int end_run(kft_call *x, kfk_error *err)
{
    (void)err;
    for (int32_t i = 0; i < x->cluster->node_count; i++) kft_node_stop(&x->cluster->nodes[i]);
    return x->cluster->wake_queued ? KFT_CALL_AGAIN : 0;
}

int kft_cluster_free(kafka_cluster *c, kfk_error *err)
{
    if (kfk_loop_is_parents(c->loop)) { /* its locks may be taken for ever: memory and connections stay */
        kfk_loop_abandon(c->loop);
        return 0;
    }
    int code = kft_call_check(err);
    if (code != 0) return code;
    kft_call_memory *m = c->last_call;
    c->last_call = NULL;
    kft_call_run_with(&(kft_call){.cluster = c, .run = end_run}, m, err);
    destroy(c);
    return 0;
}
