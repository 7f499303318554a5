/* What goes wrong in a world. Every fault is announced first, and takes its time also when it is left out. */
#include "sim/world_impl.h"

static int the_broker(world *w, int broker)
{
    return broker > 0 ? broker : world_leader(w, (int32_t)sim_plan_below(w->sim, (uint64_t)w->cfg.partitions));
}

void world_stop_broker(world *w, int broker, int64_t ms)
{
    sim *s = w->sim;
    int b = the_broker(w, broker);
    if (b < 1) b = 1;
    bool wanted = sim_fault(s, "broker %d is down for %lld ms", b, (long long)ms);
    if (wanted) sim_check_equal(s, kafka_cluster_stop_broker(w->cluster, b), 0);
    sim_sleep_ms(s, ms);
    if (wanted) sim_check_equal(s, kafka_cluster_start_broker(w->cluster, b), 0);
}

void world_move_leader(world *w, int32_t partition)
{
    sim *s = w->sim;
    int old = world_leader(w, partition), next = world_some_broker(w);
    if (next == old) next = 1 + next % w->cfg.brokers;
    if (sim_fault(s, "leadership of partition %d moves from broker %d to %d", (int)partition, old, next))
        sim_check_equal(s, kafka_cluster_move_leader(w->cluster, WORLD_TOPIC, partition, next), 0);
}

void world_fence_broker(world *w, int broker)
{
    for (int32_t p = 0; p < w->cfg.partitions; p++) {
        int next = 1 + broker % w->cfg.brokers;
        if (world_leader(w, p) == broker)
            sim_check_equal(w->sim, kafka_cluster_move_leader(w->cluster, WORLD_TOPIC, p, next), 0);
    }
}

void world_freeze_broker(world *w, int broker, int64_t ms)
{
    sim *s = w->sim;
    int b = the_broker(w, broker);
    bool wanted = sim_fault(s, "broker %d stands still for %lld ms", b, (long long)ms);
    if (wanted) sim_net_freeze(s, w->addresses[b], SIM_UP);
    sim_sleep_ms(s, ms);
    if (wanted) sim_net_freeze(s, w->addresses[b], 0);
}

static void hold(world *w, int broker, unsigned directions)
{
    for (int i = 1; i <= w->cfg.brokers; i++) {
        if (broker == 0 || broker == i) sim_net_hold(w->sim, w->addresses[i], directions);
    }
}

void world_partition(world *w, int broker, unsigned directions, int64_t ms)
{
    sim *s = w->sim;
    bool wanted = sim_fault(s, "packets to broker %d (0 = all) are lost: up %d down %d, for %lld ms", broker,
                            !!(directions & SIM_UP), !!(directions & SIM_DOWN), (long long)ms);
    if (wanted) hold(w, broker, directions);
    sim_sleep_ms(s, ms);
    if (wanted) hold(w, broker, 0);
}

void world_reset(world *w, int broker)
{
    if (!sim_fault(w->sim, "the connections to broker %d (0 = all) are reset", broker)) return;
    for (int i = 1; i <= w->cfg.brokers; i++) {
        if (broker == 0 || broker == i) sim_net_reset(w->sim, w->addresses[i]);
    }
}

void world_hold_replication(world *w, int32_t partition, int64_t ms, bool lose_leader)
{
    sim *s = w->sim;
    bool wanted = sim_fault(s, "followers of partition %d copy nothing for %lld ms%s", (int)partition, (long long)ms,
                            lose_leader ? ", then the leader is lost" : "");
    if (wanted) sim_check_equal(s, kafka_cluster_hold_replication(w->cluster, WORLD_TOPIC, partition, 1), 0);
    sim_sleep_ms(s, ms);
    if (lose_leader) world_move_leader(w, partition);
    if (wanted) sim_check_equal(s, kafka_cluster_hold_replication(w->cluster, WORLD_TOPIC, partition, 0), 0);
}

void world_delay_open(world *w, int broker, unsigned directions, int64_t ms)
{
    if (!sim_fault(w->sim, "what is under way to broker %d (0 = all): up %d down %d, is late by %lld ms", broker,
                   !!(directions & SIM_UP), !!(directions & SIM_DOWN), (long long)ms))
        return;
    for (int i = 1; i <= w->cfg.brokers; i++) {
        if (broker == 0 || broker == i) sim_net_delay_open(w->sim, w->addresses[i], directions, ms);
    }
}

void world_slow_disk(world *w, int broker, int64_t delay_ms, int64_t ms)
{
    sim *s = w->sim;
    int b = the_broker(w, broker);
    bool wanted =
        sim_fault(s, "the disk of broker %d takes %lld ms, for %lld ms", b, (long long)delay_ms, (long long)ms);
    if (wanted) sim_check_equal(s, kafka_cluster_set_disk_delay(w->cluster, b, delay_ms), 0);
    sim_sleep_ms(s, ms);
    if (wanted) sim_check_equal(s, kafka_cluster_set_disk_delay(w->cluster, b, 0), 0);
}

void world_expire_producers(world *w, int32_t partition)
{
    if (sim_fault(w->sim, "partition %d forgets all producers", (int)partition))
        sim_check_equal(w->sim, kafka_cluster_expire_producers(w->cluster, WORLD_TOPIC, partition, -1), 0);
}

void world_refuse_memory(world *w, size_t n)
{
    if (!sim_fault(w->sim, "allocation %zu from now on is refused", n)) return;
    w->short_of_memory = true;
    memcheck_fail_at(n);
}

void world_fault(world *w, kafka_fault_kind kind, int32_t api, int32_t error, int64_t count, int64_t argument)
{
    static const char *const names[] = {"",      "error",   "apply, then error", "drop", "apply, then drop",
                                        "delay", "silence", "truncate"};
    kafka_fault f = kafka_fault_on(kind, api);
    f.count = count;
    f.error = error;
    if (kind == KAFKA_FAULT_TRUNCATE)
        f.bytes = argument;
    else
        f.delay_ms = argument;
    if (sim_fault(w->sim, "%s for %lld requests of API %d, code %d, %lld", names[kind], (long long)count, (int)api,
                  (int)error, (long long)argument))
        sim_check_equal(w->sim, kafka_cluster_add_fault(w->cluster, &f), 0);
}
