/* What a call of a writer costs beside encoding: clocks that are read, memory that is asked for, locks that are taken,
 * the loop that is woken, submissions. None of it may grow with the number of messages but the one short lock of
 * each. */
#include "base/lock.h"
#include "base/time.h"
#include "kafka/testing.h"
#include "kafka/writer.h"
#include "sim/client.h"
#include "sim/runner.h"
#include <string.h>

enum { MANY = 1000, CALLS = 100, BYTES = 100 };

/* ---- counting ---------------------------------------------------------------------------------------------------- */

typedef struct cost {
    uint64_t clocks, locks, wakes, turns;
    size_t allocations;
} cost;

static struct {
    sim *sim;
    cost now;
    int64_t wall_ms; /* what is to be added to the monotonic clock */
} meter;

static int64_t monotonic_ns(void)
{
    meter.now.clocks++;
    return sim_now_us(meter.sim) * 1000;
}

static int64_t wall_ms(void)
{
    meter.now.clocks++;
    return meter.wall_ms + sim_now_ms(meter.sim);
}

static void heard(kfk_lock_point point)
{
    meter.now.locks += point == KFK_LOCK_TAKEN;
}

/* From here on everything is counted; nobody else runs in between. */
static void count_from_now(sim *s)
{
    meter.sim = s;
    meter.wall_ms = kfk_time_wall_ms() - sim_now_ms(s);
    kfk_time_set_source(monotonic_ns, wall_ms);
    kfk_lock_heard = heard;
}

static cost now(void)
{
    cost c = meter.now;
    c.wakes = sim_wakes(meter.sim);
    c.turns = sim_turns(meter.sim);
    c.allocations = memcheck_calls();
    return c;
}

static cost minus(cost a, cost b)
{
    return (cost){a.clocks - b.clocks, a.locks - b.locks, a.wakes - b.wakes, a.turns - b.turns,
                  a.allocations - b.allocations};
}

/* ---- a writer whose broker is busy ------------------------------------------------------------------------------- */

typedef struct bench {
    sim *sim;
    kafka_cluster *cluster;
    kafka_writer *writer;
    kafka_message messages[MANY];
    char value[BYTES];
} bench;

static cost of_call(bench *b, size_t count)
{
    cost before = now();
    sim_check_equal(b->sim, kafka_writer_write_messages(b->writer, NULL, b->messages, count, NULL), 0);
    return minus(now(), before);
}

static bool begin(bench *b, sim *s, kafka_writer_config *cfg, int partitions)
{
    kafka_cluster_config cluster = {.host = "10.0.0.1", .base_port = 9092, .loop = sim_loop(s), .no_auto_create = 1};
    *b = (bench){.sim = s};
    if (!sim_check_equal(s, kafka_cluster_new(&cluster, &b->cluster), 0)) return false;
    sim_check_equal(s, kafka_cluster_create_topic(b->cluster, "orders", partitions), 0);
    kafka_dialer dialer = client_dialer(5000);
    cfg->brokers = kafka_cluster_bootstrap(b->cluster);
    cfg->dialer = &dialer;
    cfg->topic = "orders";
    cfg->async = 1;
    if (!sim_check_equal(s, kafka_writer_new(cfg, &b->writer), 0)) return false;
    memset(b->value, 'v', sizeof b->value);
    for (int i = 0; i < MANY; i++) b->messages[i] = (kafka_message){.value = {b->value, sizeof b->value}};
    for (int i = 0; i < 3; i++) { /* memory of all kinds was used, connections are there */
        of_call(b, MANY);
        sim_check_equal(s, kafka_writer_flush(b->writer, NULL), 0);
    }
    count_from_now(s);
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 1, 500), 0);
    for (int i = 0; i < 10; i++) of_call(b, 10); /* something is in flight, something is open */
    return !sim_failed(s);
}

static void end(bench *b)
{
    sim_check_equal(b->sim, kafka_writer_flush(b->writer, NULL), 0);
    kafka_writer_free(b->writer);
    kafka_cluster_free(b->cluster);
}

SCENARIO_WITH(a_call_of_a_thousand_messages_costs_what_one_of_ten_does_but_for_their_locks, .seeds = 10,
              .config.calm = true)
{
    static bench b; /* more than the stack of a fiber */
    kafka_writer_config cfg = {0};
    meter.sim = s;
    if (!begin(&b, s, &cfg, 1)) return;
    cost few = of_call(&b, 10), many = of_call(&b, MANY);
    sim_check(s, many.clocks <= few.clocks + 1); /* one call in a few is timed */
    sim_check_equal(s, many.allocations, 0);
    sim_check(s, many.locks <= MANY + few.locks + 10);
    sim_check_equal(s, many.turns, 0);
    sim_check(s, many.wakes <= few.wakes + 1);
    end(&b);
}

SCENARIO_WITH(a_call_of_one_message_reads_the_clock_once_and_allocates_nothing, .seeds = 10, .config.calm = true)
{
    static bench b; /* more than the stack of a fiber */
    kafka_writer_config cfg = {0};
    cost all = {0};
    meter.sim = s;
    if (!begin(&b, s, &cfg, 1)) return;
    cost before = now();
    for (int i = 0; i < CALLS; i++) of_call(&b, 1);
    all = minus(now(), before);
    sim_check(s, all.clocks <= CALLS + CALLS / 10); /* some calls are timed */
    sim_check_equal(s, all.allocations, 0);
    sim_check(s, all.locks <= 3 * CALLS);
    sim_check_equal(s, all.turns, 0);
    sim_check(s, all.wakes <= 2);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_call_of_a_thousand_messages_costs_what_one_of_ten_does_but_for_their_locks),
        MEMCHECK_TEST(a_call_of_one_message_reads_the_clock_once_and_allocates_nothing),
    };
    int failed = RUNNER_MAIN(tests);
    runner_sum_up();
    return failed;
}
