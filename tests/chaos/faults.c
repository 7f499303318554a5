/* See the header. */
#include "chaos/faults.h"
#include "chaos/nodes.h"
#include "chaos/report.h"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* kafka.sh sets 4 s as the longest silence of a broker. */
enum { SHORT_MS = 2500, LONG_MS = 5500, LONGEST_MS = 9000 };

static int below(kfk_rand *r, int n)
{
    return (int)kfk_rand_below(r, (uint64_t)n);
}

static int some_time(kfk_rand *r)
{
    return below(r, 2) ? 300 + below(r, SHORT_MS - 300) : LONG_MS + below(r, LONGEST_MS - LONG_MS);
}

void faults_plan(kfk_rand *r, fault *out, size_t count)
{
    fault_kind order[FAULT_KINDS];
    for (int i = 0; i < FAULT_KINDS; i++) order[i] = (fault_kind)i;
    for (int i = FAULT_KINDS - 1; i > 0; i--) {
        int k = below(r, i + 1);
        fault_kind kind = order[i];
        order[i] = order[k];
        order[k] = kind;
    }
    for (size_t i = 0; i < count; i++) {
        fault_kind drawn = (fault_kind)below(r, FAULT_KINDS);
        out[i].kind = i < FAULT_KINDS ? order[i] : drawn;
        out[i].node = 1 + below(r, NODES);
        out[i].still_ms = some_time(r);
        out[i].down_ms = below(r, 4000);
        out[i].pause_ms = 200 + below(r, 1800);
    }
}

const char *faults_kind_name(fault_kind kind)
{
    static const char *const names[] = {"kill", "freeze", "restart", "roll", "freeze and kill"};
    return names[kind];
}

void faults_name(const fault *f, char *out, size_t cap)
{
    double still = f->still_ms / 1e3, down = f->down_ms / 1e3;
    const char *name = faults_kind_name(f->kind);
    switch (f->kind) {
    case FAULT_FREEZE: snprintf(out, cap, "%s node %d for %.1f s", name, f->node, still); break;
    case FAULT_ROLL: snprintf(out, cap, "%s all nodes from %d on", name, f->node); break;
    case FAULT_FREEZE_KILL:
        snprintf(out, cap, "%s node %d after %.1f s, down for %.1f s", name, f->node, still, down);
        break;
    default: snprintf(out, cap, "%s node %d, down for %.1f s", name, f->node, down);
    }
}

static void wait_ms(int ms)
{
    usleep((useconds_t)ms * 1000);
}

static void start(int node)
{
    nodes_keep_log(node);
    report_detail("    node %d is started", node);
    nodes_do("restart", node);
    report_detail("    node %d answers", node);
}

void faults_do(const fault *f, const char *const *topics, size_t count)
{
    switch (f->kind) {
    case FAULT_KILL:
        nodes_signal(f->node, SIGKILL);
        wait_ms(f->down_ms);
        start(f->node);
        break;
    case FAULT_FREEZE:
        nodes_signal(f->node, SIGSTOP);
        wait_ms(f->still_ms);
        nodes_signal(f->node, SIGCONT);
        break;
    case FAULT_RESTART:
        nodes_do("stop", f->node);
        wait_ms(f->down_ms);
        start(f->node);
        break;
    case FAULT_ROLL:
        for (int i = 0; i < NODES; i++) {
            int node = 1 + (f->node - 1 + i) % NODES;
            nodes_do("stop", node);
            start(node);
            nodes_await_sync(topics, count);
        }
        break;
    case FAULT_FREEZE_KILL:
        nodes_signal(f->node, SIGSTOP);
        wait_ms(f->still_ms);
        nodes_signal(f->node, SIGKILL);
        wait_ms(f->down_ms);
        start(f->node);
        break;
    case FAULT_KINDS: break;
    }
    report_detail("    all nodes run again");
    nodes_await_sync(topics, count);
    report_detail("    all replicas are in sync");
}
