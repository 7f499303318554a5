/* See the header. */
#include "chaos/nodes.h"
#include "chaos/report.h"
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SYNC_MS = 240000, CALL_MS = 60000, STEP_MS = 30000, POLL_US = 100000 };

extern char **environ;

static _Noreturn void give_up(const char *what, const char *why)
{
    report_event("the cluster does not do what it should: %s: %s (logs: %s)", what, why, report_dir());
    exit(3);
}

static const char *need_env(const char *name)
{
    const char *value = getenv(name);
    if (!value || !*value) give_up(name, "is not set; run tools/chaos.sh");
    return value;
}

const char *nodes_brokers(void)
{
    return need_env("KAFKA_BROKERS");
}

int nodes_shell(const char *script, const char *arg1, const char *arg2)
{
    /* posix_spawn changes none of the strings, whatever its type says */
    const char *argv[] = {"bash", "-c", script, "chaos", arg1, arg2, NULL};
    pid_t pid;
    int status;
    if (posix_spawnp(&pid, "bash", NULL, NULL, (char *const *)(uintptr_t)argv, environ) != 0)
        give_up(script, "cannot be started");
    while (waitpid(pid, &status, 0) < 0) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void nodes_do(const char *command, int node)
{
    char number[16], script[256];
    need_env("KAFKA_TEST_SH");
    snprintf(number, sizeof number, "%d", node);
    snprintf(script, sizeof script,
             "START_TIMEOUT=180 timeout 240 \"$KAFKA_TEST_SH\" \"$1\" \"$2\" >>'%s/kafka.sh.log' 2>&1", report_dir());
    if (nodes_shell(script, command, number) != 0) {
        nodes_keep_log(node);
        give_up(command, "kafka.sh failed; kafka.sh.log says why");
    }
}

static bool is_node(int pid)
{
    char path[64], command[8192];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    FILE *f = fopen(path, "r");
    size_t len = f ? fread(command, 1, sizeof command, f) : 0;
    if (f) fclose(f);
    return memmem(command, len, "kafka.Kafka", strlen("kafka.Kafka")) != NULL; /* a zombie has none */
}

/* The id of a node's process, which is what kafka.sh noted. */
static int pid_of(int node)
{
    char path[600];
    int pid = 0;
    snprintf(path, sizeof path, "%s/%d/pid", need_env("KAFKA_TEST_DIR"), node);
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%d", &pid) != 1 || pid <= 1 || !is_node(pid)) give_up(path, "the node does not run");
    fclose(f);
    return pid;
}

void nodes_signal(int node, int number)
{
    int pid = pid_of(node);
    if (kill(pid, number) != 0) give_up("a signal", "cannot be sent");
    for (int waited = 0; number == SIGKILL && is_node(pid); waited++) {
        if (waited > 30000) give_up("a node", "was killed half a minute ago and is still there");
        usleep(1000);
    }
}

void nodes_keep_log(int node)
{
    char number[16];
    need_env("KAFKA_TEST_DIR");
    snprintf(number, sizeof number, "%d", node);
    (void)nodes_shell(
        "cat \"$KAFKA_TEST_DIR/$1/broker.log\" \"$KAFKA_TEST_DIR/$1/out\" >>\"$2/broker-$1.log\" 2>/dev/null", number,
        report_dir());
}

/* ---- topics ------------------------------------------------------------------------------------------------------ */

static kafka_conn *dial(const char *address)
{
    kafka_conn *c = NULL;
    kafka_dialer d = {.client_id = "chaos", .timeout_ms = STEP_MS};
    if (kafka_dial(&d, NULL, address, &c) != 0) return NULL;
    kafka_conn_set_deadline(c, kafka_deadline_in(CALL_MS));
    return c;
}

void nodes_create_topic(const char *topic, int partitions)
{
    const kafka_config_entry entries[] = {{"min.insync.replicas", "2"}, {"unclean.leader.election.enable", "false"}};
    kafka_topic_config cfg = {.topic = topic,
                              .num_partitions = partitions,
                              .replication_factor = NODES,
                              .entries = entries,
                              .entry_count = sizeof entries / sizeof *entries};
    kafka_conn *c = dial(nodes_brokers());
    if (!c || kafka_conn_create_topics(c, &cfg, 1, NULL) != 0) give_up("creating a topic", kafka_last_error());
    kafka_conn_free(c);
}

void nodes_delete_topics(const char *const *topics, size_t count)
{
    kafka_conn *c = dial(nodes_brokers());
    if (!c || kafka_conn_delete_topics(c, topics, count, NULL) != 0) give_up("deleting topics", kafka_last_error());
    kafka_conn_free(c);
}

static bool is_in_sync(const char *address, const char *const *topics, size_t count)
{
    kafka_partitions *list = NULL;
    kafka_conn *c = dial(address);
    bool all = c && kafka_conn_read_partitions(c, topics, count, &list) == 0 && list->count > 0;
    for (size_t i = 0; all && i < list->count; i++) {
        const kafka_partition *p = &list->items[i];
        all = p->error == 0 && p->leader.host[0] && p->isr_count == NODES && p->replica_count == NODES;
    }
    kafka_partitions_free(list);
    kafka_conn_free(c);
    return all;
}

void nodes_await_sync(const char *const *topics, size_t count)
{
    int64_t until = report_now_us() + SYNC_MS * INT64_C(1000);
    char address[128];
    for (const char *p = nodes_brokers(); *p;) {
        size_t len = strcspn(p, ",");
        snprintf(address, sizeof address, "%.*s", (int)len, p);
        while (!is_in_sync(address, topics, count)) {
            if (report_now_us() > until) give_up("all replicas in sync", address);
            usleep(POLL_US);
        }
        p += len + (p[len] == ',');
    }
}

int32_t nodes_leader_epoch(const char *topic, int32_t partition)
{
    kafka_partitions *list = NULL;
    kafka_conn *c = dial(nodes_brokers());
    int32_t epoch = -1;
    if (!c || kafka_conn_read_partitions(c, &topic, 1, &list) != 0) give_up("asking for leaders", kafka_last_error());
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].id == partition) epoch = list->items[i].leader_epoch;
    }
    kafka_partitions_free(list);
    kafka_conn_free(c);
    return epoch;
}
