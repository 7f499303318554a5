/* chaos: writers of every kind, three real brokers, and faults that never take more than one of them at once. Whatever
 * the writers were told is compared with what is in the logs in the end.
 *
 *   chaos --seed N --seconds N --dir DIRECTORY     run by tools/chaos.sh, which README.md explains
 *
 * A run is one or more rounds: new topics, a plan of faults, everybody writes; when all faults are over everything is
 * flushed and closed, read back and compared. Exits with 0, 1 for an anomaly, 3 for a cluster that does not work, 2 for
 * wrong usage. */
#include "chaos/crew.h"
#include "chaos/faults.h"
#include "chaos/nodes.h"
#include "chaos/readback.h"
#include "chaos/report.h"
#include "support/memcheck.h"
#include "wire/compress.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MOST_FAULTS = 12,
    FAULT_SECONDS = 8,    /* so many may be expected of one */
    PATIENCE_MS = 300000, /* for a message that nothing should fail */
    BRIEF_MS = 2500,
    PROGRESS_MS = 120000,
    LEAST_ACKED = 500,           /* of a crew in a round */
    OWN_BYTES = 8 * 1024 * 1024, /* of a writer, beside its messages */
    MIB = 1024 * 1024
};

static const crew_config kinds[] = {
    {.name = "exact",
     .what = "idempotent, asynchronous, lz4, a budget of 1 MiB",
     .writer = {.async = 1, .compression = KAFKA_COMPRESSION_LZ4, .buffer_bytes = MIB},
     .threads = 2,
     .most = 400,
     .pause_ms = 12,
     .call_ms = 500},
    {.name = "calls",
     .what = "idempotent, synchronous, keyed, zstd",
     .writer = {.compression = KAFKA_COMPRESSION_ZSTD, .buffer_bytes = 4 * MIB},
     .threads = 3,
     .most = 60,
     .pause_ms = 8,
     .call_ms = 4000,
     .keyed = true},
    {.name = "brief",
     .what = "idempotent, asynchronous, messages expire after 2.5 s",
     .writer = {.async = 1,
                .delivery_timeout_ms = BRIEF_MS,
                .write_timeout_ms = 1500,
                .max_attempts = 10,
                .batch_bytes = 4096,
                .buffer_bytes = 4 * MIB},
     .threads = 2,
     .most = 100,
     .pause_ms = 12,
     .call_ms = 300,
     .mixed = true,
     .may_fail = true},
    {.name = "again",
     .what = "not idempotent, acks all, asynchronous, a budget of 256 KiB",
     .writer = {.async = 1, .no_idempotence = 1, .write_timeout_ms = 2000, .buffer_bytes = MIB / 4},
     .threads = 1,
     .most = 200,
     .pause_ms = 10,
     .call_ms = 500},
    {.name = "leader",
     .what = "acks one, asynchronous",
     .writer = {.async = 1, .required_acks = KAFKA_ACKS_ONE, .buffer_bytes = MIB},
     .threads = 2,
     .most = 200,
     .pause_ms = 12,
     .call_ms = 500,
     .mixed = true},
};
enum { CREWS = sizeof kinds / sizeof *kinds };

typedef struct run {
    uint64_t seed;
    int64_t seconds;
    kfk_rand rand;
    crew_config cfgs[CREWS];
    crew crews[CREWS];
    const char *topics[CREWS];
    char names[CREWS][32];
    fault plan[MOST_FAULTS];
    size_t planned;
    int done[FAULT_KINDS];
    pthread_t watcher;
    atomic_bool over;
    int64_t acked, records, losses, duplicates, retries;
    int changes;
} run;

/* ---- what the library says --------------------------------------------------------------------------------------- */

static void log_line(void *userdata, kafka_log_level level, const char *line)
{
    report_detail("%s log %d: %s", (const char *)userdata, (int)level, line);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* All that the library has allocated stays within the budgets. */
static void *watch_memory(void *arg)
{
    run *r = arg;
    size_t allowed = 0, most = 0;
    for (int i = 0; i < CREWS; i++) allowed += (size_t)r->cfgs[i].writer.buffer_bytes + OWN_BYTES;
    while (!atomic_load(&r->over)) {
        size_t bytes = memcheck_bytes();
        if (bytes > most) most = bytes;
        usleep(20000);
    }
    report_event("memory: the library had %zu KiB at most", most / 1024);
    if (most > allowed) report_anomaly("over-budget: %zu bytes were allocated, %zu are allowed", most, allowed);
    return NULL;
}

/* ---- a round ----------------------------------------------------------------------------------------------------- */

static void begin(run *r, int round)
{
    uint32_t id = (uint32_t)kfk_rand_next(&r->rand);
    for (int i = 0; i < CREWS; i++) {
        snprintf(r->names[i], sizeof r->names[i], "%s-%08" PRIx32, kinds[i].name, id);
        r->topics[i] = r->names[i];
        nodes_create_topic(r->names[i], CREW_PARTITIONS);
    }
    nodes_await_sync(r->topics, CREWS);
    faults_plan(&r->rand, r->plan, r->planned);
    for (size_t i = 0; i < r->planned; i++) {
        char name[128];
        faults_name(&r->plan[i], name, sizeof name);
        report_event("round %d, plan %zu: %s", round, i + 1, name);
    }
    for (int i = 0; i < CREWS; i++) {
        kafka_logger logger = {
            .log = log_line, .userdata = (void *)(uintptr_t)kinds[i].name, .max_level = KAFKA_LOG_INFO};
        crew_start(&r->crews[i], &r->cfgs[i], id, r->names[i], kfk_rand_next(&r->rand), logger);
    }
    atomic_store(&r->over, false);
    if (pthread_create(&r->watcher, NULL, watch_memory, r) != 0) exit(3);
}

/* Everybody writes on, in every partition. */
static void await_progress(run *r)
{
    int64_t since = report_now_us(), until = since + PROGRESS_MS * INT64_C(1000);
    for (int i = 0; i < CREWS; i++) {
        while (!crew_has_gone_on(&r->crews[i], since)) {
            if (report_now_us() > until) {
                report_anomaly(
                    "no-progress: %s: a partition of topic %s had no acknowledgement for %d s, and all is well",
                    kinds[i].name, r->names[i], PROGRESS_MS / 1000);
                return;
            }
            usleep(10000);
        }
        report_detail("    %s goes on", kinds[i].name);
    }
}

static void tell_silences(run *r, const char *name, double began)
{
    char text[256] = "";
    for (int i = 0; i < CREWS; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, " %s %.2f", kinds[i].name, (double)crew_silence_us(&r->crews[i]) / 1e6);
    }
    report_event("over: %s, after %.1f s; longest silences in s:%s", name, (double)report_now_us() / 1e6 - began, text);
}

static void strike(run *r)
{
    int64_t until = r->seconds * 1000000;
    for (size_t i = 0; i < r->planned && report_anomalies() == 0; i++) {
        char name[128];
        fault *f = &r->plan[i];
        if (i >= FAULT_KINDS && report_now_us() > until) break;
        usleep((useconds_t)f->pause_ms * 1000);
        faults_name(f, name, sizeof name);
        for (int k = 0; k < CREWS; k++) (void)crew_silence_us(&r->crews[k]);
        double began = (double)report_now_us() / 1e6;
        report_event("%s", name);
        faults_do(f, r->topics, CREWS);
        await_progress(r);
        tell_silences(r, name, began);
        r->done[f->kind]++;
    }
}

static void judge(run *r, int i)
{
    crew *c = &r->crews[i];
    crew_counts n = crew_look(c);
    int before = report_anomalies();
    readback_sum sum = readback(&c->journal, CREW_PARTITIONS);
    journal_check(&c->journal, CREW_PARTITIONS);
    int64_t copies = 0, distinct = 0;
    for (uint32_t w = 0; w < c->journal.size.writers; w++) {
        for (uint32_t k = 0; k < c->journal.counts[w]; k++) {
            copies += c->journal.records[w][k].copies;
            distinct += c->journal.records[w][k].copies > 0;
        }
    }
    if (n.acked < LEAST_ACKED)
        report_anomaly("no-progress: %s: %" PRId64 " messages were acknowledged", c->cfg->name, n.acked);
    report_event("%s: %" PRId64 " accepted, %" PRId64 " refused, %" PRId64 " written, %" PRId64 " perhaps, %" PRId64
                 " not; %" PRId64 " in the logs, %" PRId64 " twice, %d lost with their leader; %" PRId64
                 " batches again; slowest outcome %.1f s: %s",
                 c->cfg->name, n.accepted, n.refused, n.acked, n.maybe, n.no, sum.records, copies - distinct,
                 c->journal.losses, c->retries, (double)n.latest_outcome_us / 1e6,
                 report_anomalies() == before ? "as it should be" : "NOT as it should be");
    r->acked += n.acked;
    r->records += sum.records;
    r->losses += c->journal.losses;
    r->duplicates += copies - distinct;
    r->retries += c->retries;
    r->changes += sum.changes;
}

static void keep_segments(run *r)
{
    for (int i = 0; i < CREWS; i++)
        (void)nodes_shell("cp -r \"$KAFKA_TEST_DIR\"/?/data/\"$1\"-? --backup=numbered -t \"$2\" 2>/dev/null",
                          r->names[i], report_dir());
}

static void end(run *r)
{
    for (int i = 0; i < CREWS; i++) crew_stop(&r->crews[i]);
    atomic_store(&r->over, true);
    pthread_join(r->watcher, NULL);
    nodes_await_sync(r->topics, CREWS);
    for (int i = 0; i < CREWS; i++) judge(r, i);
    if (report_anomalies() > 0) keep_segments(r);
    for (int i = 0; i < CREWS; i++) crew_free(&r->crews[i]);
    nodes_delete_topics(r->topics, CREWS);
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void check_run(const run *r)
{
    kfk_compress_trim();                                                    /* contexts that wait for more work */
    for (int i = 0; i < 600 && memcheck_blocks() != 0; i++) usleep(100000); /* connections end on the loop's thread */
    for (int i = 0; i < FAULT_KINDS; i++) {
        if (r->done[i] == 0 && report_anomalies() == 0) report_anomaly("no fault: %s", faults_kind_name((fault_kind)i));
    }
    if (r->changes == 0) report_anomaly("no fault: no partition had another leader");
    if (r->retries == 0) report_anomaly("no fault: no batch was sent again");
    if (memcheck_blocks() != 0)
        report_anomaly("leak: the library still has %zu blocks, %zu bytes", memcheck_blocks(), memcheck_bytes());
}

static int usage(void)
{
    fprintf(stderr, "chaos: --seed N --seconds N --dir DIRECTORY; tools/chaos.sh runs it\n");
    return 2;
}

int main(int argc, char **argv)
{
    static run r = {.seconds = 60};
    const char *dir = ".";
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) return usage();
        if (strcmp(argv[i], "--seed") == 0)
            r.seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            r.seconds = strtoll(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--dir") == 0)
            dir = argv[i + 1];
        else
            return usage();
    }
    memcheck_begin();
    memcheck_set_plain(true);
    report_open(dir);
    kfk_rand_seed(&r.rand, r.seed);
    report_event("chaos: seed %" PRIu64 ", %" PRId64 " s", r.seed, r.seconds);
    for (int i = 0; i < CREWS; i++) {
        r.cfgs[i] = kinds[i];
        if (r.cfgs[i].writer.delivery_timeout_ms == 0) r.cfgs[i].writer.delivery_timeout_ms = PATIENCE_MS;
        if (r.cfgs[i].writer.max_attempts == 0) r.cfgs[i].writer.max_attempts = 100000;
        report_event("%s: %s", kinds[i].name, kinds[i].what);
    }
    r.planned = (size_t)(r.seconds / FAULT_SECONDS);
    if (r.planned < FAULT_KINDS) r.planned = FAULT_KINDS;
    if (r.planned > MOST_FAULTS) r.planned = MOST_FAULTS;
    for (int round = 1; round == 1 || report_now_us() < r.seconds * 1000000; round++) {
        begin(&r, round);
        strike(&r);
        end(&r);
        if (report_anomalies() > 0) break;
    }
    check_run(&r);
    int anomalies = report_anomalies();
    for (int i = 1; anomalies > 0 && i <= NODES; i++) nodes_keep_log(i);
    report_event("chaos: %d anomalies; %" PRId64 " messages acknowledged, %" PRId64
                 " in the logs, %d changes of leaders, %" PRId64 " batches sent again, %" PRId64
                 " records twice and %" PRId64 " lost where that is allowed; seed %" PRIu64,
                 anomalies, r.acked, r.records, r.changes, r.retries, r.duplicates, r.losses, r.seed);
    report_close();
    return anomalies > 0;
}
