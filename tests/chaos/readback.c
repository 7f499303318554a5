/* See the header. */
#include "chaos/readback.h"
#include "chaos/nodes.h"
#include "chaos/report.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_MS = 120000, SETTLE_US = 100000, SETTLE_TIMES = 300 };

static kafka_conn *dial(const journal *j, int32_t partition)
{
    kafka_conn *c = NULL;
    for (int i = 0; i < 100; i++) { /* leaders may move home */
        if (kafka_dial_leader(NULL, NULL, nodes_brokers(), j->topic, partition, &c) == 0) break;
        usleep(SETTLE_US);
    }
    if (!c) {
        report_anomaly("unseen-after-drain: %s partition %d: %s", j->topic, (int)partition, kafka_last_error());
        return NULL;
    }
    kafka_conn_set_deadline(c, kafka_deadline_in(READ_MS));
    return c;
}

static int64_t end_of(const journal *j, int32_t partition)
{
    int64_t first = 0, end = -1;
    kafka_conn *c = dial(j, partition);
    if (!c) return -1;
    if (kafka_conn_read_offsets(c, &first, &end) != 0) end = -1; /* another one leads: again */
    kafka_conn_free(c);
    return end;
}

/* The end is what all replicas have, so it comes a moment later than the last record. */
static int64_t settled_end(const journal *j, int32_t partition)
{
    int64_t end = end_of(j, partition);
    for (int i = 0; i < SETTLE_TIMES; i++) {
        usleep(SETTLE_US);
        int64_t now = end_of(j, partition);
        if (now == end && now >= 0) return end;
        end = now;
    }
    report_anomaly("unseen-after-drain: %s partition %d: its end does not settle", j->topic, (int)partition);
    return 0;
}

/* ---- this library ------------------------------------------------------------------------------------------------ */

static void read_batch(journal *j, int32_t partition, kafka_batch *batch, int64_t *at, int64_t end)
{
    kafka_message m;
    while (*at < end && kafka_batch_read_message(batch, &m) == 0) {
        journal_read(j, partition, m.offset, *at, m.value);
        if (m.offset < end) journal_epoch(j, partition, m.offset, m.leader_epoch);
        *at = m.offset + 1;
    }
}

static void read_ourselves(journal *j, int32_t partition, int64_t end)
{
    int64_t at = 0;
    int failures = 0;
    kafka_conn *c = dial(j, partition);
    while (c && at < end && failures < 100) {
        kafka_batch *batch = NULL;
        if (kafka_conn_read_batch(c, NULL, &batch) == 0) {
            read_batch(j, partition, batch, &at, end);
        } else { /* another one leads */
            failures++;
            kafka_conn_free(c);
            usleep(SETTLE_US);
            c = dial(j, partition);
            if (c && kafka_conn_seek(c, at, KAFKA_SEEK_ABSOLUTE, NULL) != 0) failures++;
            continue;
        }
        kafka_batch_close(batch);
    }
    if (at < end)
        report_anomaly("unseen-after-drain: %s partition %d: our reader ends at %" PRId64 " of %" PRId64, j->topic,
                       (int)partition, at, end);
    kafka_conn_free(c);
}

/* ---- kcat -------------------------------------------------------------------------------------------------------- */

/* Lines of offset, size and value. */
static int64_t read_lines(journal *j, int32_t partition, FILE *f, int64_t end)
{
    uint8_t value[JOURNAL_VALUE_MOST];
    int64_t offset = 0, records = 0;
    size_t size = 0;
    while (fscanf(f, "%" SCNd64 " %zu", &offset, &size) == 2) {
        if (fgetc(f) != ' ' || size > sizeof value || fread(value, 1, size, f) != size || fgetc(f) != '\n') break;
        if (offset >= end) continue;
        journal_log(j, partition, offset, KAFKA_BYTES(value, size));
        records++;
    }
    return records;
}

static void read_with_kcat(journal *j, int32_t partition, int64_t end)
{
    char command[1024];
    snprintf(command, sizeof command,
             "exec timeout 300 kcat -C -b %s -t %s -p %d -o beginning -e -q -f '%%o %%S %%s\\n' "
             "-X isolation.level=read_uncommitted -X check.crcs=true 2>>'%s/kcat.log'",
             nodes_brokers(), j->topic, (int)partition, report_dir());
    FILE *f = popen(command, "r");
    int64_t records = f ? read_lines(j, partition, f, end) : 0;
    int status = f ? pclose(f) : -1;
    if (status != 0 || records < end)
        report_anomaly("unseen-after-drain: %s partition %d: kcat shows %" PRId64 " records of %" PRId64
                       " and ends with %d (kcat.log)",
                       j->topic, (int)partition, records, end, status);
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

static int changes_of(const journal *j, int32_t partition)
{
    int changes = 0;
    for (int64_t i = 1; i < j->ends[partition]; i++) changes += j->epochs[partition][i] != j->epochs[partition][i - 1];
    return changes;
}

readback_sum readback(journal *j, int32_t partitions)
{
    readback_sum sum = {0};
    for (int32_t p = 0; p < partitions; p++) {
        int64_t end = settled_end(j, p);
        journal_log_bounds(j, p, 0, end);
        if (end > j->size.offsets) continue;
        read_with_kcat(j, p, end);
        read_ourselves(j, p, end);
        journal_epoch(j, p, end, nodes_leader_epoch(j->topic, p));
        sum.records += end;
        sum.changes += changes_of(j, p);
    }
    return sum;
}
