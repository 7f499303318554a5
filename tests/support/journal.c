/* The journal and its checks; see the header. A value is a record_id in big-endian, a checksum, and filler that follows
 * from both, so that a value that is cut or damaged anywhere shows. */
#include "support/journal.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FNV_BASIS UINT32_C(2166136261)
#define FNV_PRIME UINT32_C(16777619)

enum { ID_BYTES = 20 };

static uint32_t hash(uint32_t h, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++) h = (h ^ p[i]) * FNV_PRIME;
    return h;
}

static void put(uint8_t *p, uint32_t n)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(n >> (24 - 8 * i));
}

static uint32_t get(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t topic_hash(const journal *j)
{
    return hash(FNV_BASIS, j->topic, strlen(j->topic));
}

/* ---- the host ---------------------------------------------------------------------------------------------------- */

static __attribute__((format(printf, 4, 5))) void complain(const journal *j, int32_t partition, int64_t offset,
                                                           const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    j->host.fail(j->host.arg, partition, offset, text);
}

static void trace(const journal *j, uint16_t writer, uint32_t sequence, uint32_t count, const char *what)
{
    char text[128];
    if (!j->host.trace) return;
    snprintf(text, sizeof text, "writer %u: records %" PRIu32 " to %" PRIu32 ": %s", (unsigned)writer, sequence,
             sequence + count - 1, what);
    j->host.trace(j->host.arg, text);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* A table in one block, zeroed: pages of it that nobody writes to cost nothing. */
static void *table(size_t rows, size_t columns, size_t item)
{
    char **list = calloc(rows, sizeof *list);
    char *block = calloc(rows * columns, item);
    if (!list || !block) {
        free(list);
        free(block);
        return NULL;
    }
    for (size_t i = 0; i < rows; i++) list[i] = block + i * columns * item;
    return list;
}

static void table_free(void *list)
{
    if (list) free(*(char **)list);
    free(list);
}

bool journal_init(journal *j, const journal_host *host, const journal_size *size, uint32_t run, const char *topic)
{
    size_t writers = size->writers, partitions = (size_t)size->partitions, offsets = (size_t)size->offsets;
    *j = (journal){.host = *host, .size = *size, .run = run};
    strncpy(j->topic, topic, sizeof j->topic - 1);
    j->records = table(writers, size->records, sizeof **j->records);
    j->counts = calloc(writers, sizeof *j->counts);
    j->partition_of = calloc(writers, sizeof *j->partition_of);
    j->seen = table(partitions, offsets, sizeof **j->seen);
    j->log = table(partitions, offsets, sizeof **j->log);
    j->holes = table(partitions, offsets, sizeof **j->holes);
    j->epochs = table(partitions, offsets, sizeof **j->epochs);
    j->starts = calloc(partitions, sizeof *j->starts);
    j->ends = calloc(partitions, sizeof *j->ends);
    j->last_epochs = calloc(partitions, sizeof *j->last_epochs);
    j->deleted = calloc(partitions, sizeof *j->deleted);
    if (j->records && j->counts && j->partition_of && j->seen && j->log && j->holes && j->epochs && j->starts &&
        j->ends && j->last_epochs && j->deleted)
        return true;
    journal_done(j);
    return false;
}

void journal_done(journal *j)
{
    table_free(j->records);
    table_free(j->seen);
    table_free(j->log);
    table_free(j->holes);
    table_free(j->epochs);
    free(j->counts);
    free(j->partition_of);
    free(j->starts);
    free(j->ends);
    free(j->last_epochs);
    free(j->deleted);
    *j = (journal){.run = 0};
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static uint8_t filler(uint32_t sum, size_t at)
{
    return (uint8_t)(sum >> (at % 4 * 8) ^ (at * 31));
}

void journal_fill(journal *j, uint16_t writer, int32_t partition, uint32_t sequence, uint8_t *value, size_t len)
{
    j->partition_of[writer] = partition;
    put(value, j->run);
    put(value + 4, topic_hash(j));
    put(value + 8, (uint32_t)writer << 16 | (uint16_t)partition);
    put(value + 12, sequence);
    put(value + 16, (uint32_t)len);
    uint32_t sum = hash(FNV_BASIS, value, ID_BYTES);
    put(value + ID_BYTES, sum);
    for (size_t i = JOURNAL_VALUE; i < len; i++) value[i] = filler(sum, i);
}

/* Is it a record of this run, as it was written? */
static bool parse(const journal *j, kafka_bytes value, record_id *out)
{
    const uint8_t *p = value.data;
    if (value.len < JOURNAL_VALUE || get(p + 16) != value.len) return false;
    uint32_t sum = hash(FNV_BASIS, p, ID_BYTES);
    if (get(p + ID_BYTES) != sum) return false;
    for (size_t i = JOURNAL_VALUE; i < value.len; i++) {
        if (p[i] != filler(sum, i)) return false;
    }
    uint32_t from = get(p + 8);
    *out = (record_id){get(p), get(p + 4), (uint16_t)(from >> 16), (uint16_t)from, get(p + 12)};
    return out->run == j->run && out->writer < j->size.writers && out->sequence < j->size.records;
}

/* A value that lies somewhere. False: an anomaly. */
static bool belongs(const journal *j, const char *where, int32_t partition, int64_t offset, kafka_bytes value,
                    record_id *out)
{
    if (!parse(j, value, out)) {
        complain(j, partition, offset, "corrupt: %s partition %d offset %lld, %zu bytes", where, (int)partition,
                 (long long)offset, value.len);
        return false;
    }
    if (j->only_content) return false;
    if (out->topic == topic_hash(j) && out->partition == partition && offset < j->size.offsets) return true;
    complain(j, partition, offset,
             "wrong-topic-partition: %s partition %d offset %lld has record %u of writer %u, which belongs to %d",
             where, (int)partition, (long long)offset, (unsigned)out->sequence, (unsigned)out->writer,
             (int)out->partition);
    return false;
}

/* ---- what the application was told ------------------------------------------------------------------------------- */

void journal_owed(journal *j, uint16_t writer, uint32_t sequence, uint32_t count)
{
    j->owes = true;
    for (uint32_t i = sequence; i < sequence + count; i++) {
        j->records[writer][i].owed++;
        j->records[writer][i].owed_us = j->host.now_us(j->host.arg);
    }
    if (j->counts[writer] < sequence + count) j->counts[writer] = sequence + count;
}

static uint32_t outcomes(const journal_entry *e)
{
    return (uint32_t)e->yes + e->maybe + e->no;
}

static void check_outcomes(const journal *j, uint16_t w, uint32_t i)
{
    const journal_entry *e = &j->records[w][i];
    if (j->owes && outcomes(e) > e->owed)
        complain(j, j->partition_of[w], -1, "callback-extra: record %u of writer %u: %u outcomes, %u were due",
                 (unsigned)i, (unsigned)w, (unsigned)outcomes(e), (unsigned)e->owed);
}

void journal_refused(journal *j, uint16_t writer, uint32_t sequence, uint32_t count)
{
    trace(j, writer, sequence, count, "refused");
    for (uint32_t i = sequence; i < sequence + count; i++) {
        j->records[writer][i].owed--;
        check_outcomes(j, writer, i);
    }
}

void journal_written(journal *j, uint16_t writer, uint32_t sequence, uint32_t count, kafka_written outcome,
                     int64_t begun_us)
{
    static const char *const names[] = {"not written", "written", "perhaps written"};
    trace(j, writer, sequence, count, names[outcome == KAFKA_WRITTEN_YES ? 1 : outcome == KAFKA_WRITTEN_MAYBE ? 2 : 0]);
    for (uint32_t i = sequence; i < sequence + count; i++) {
        journal_entry *e = &j->records[writer][i];
        e->yes = (uint16_t)(e->yes + (outcome == KAFKA_WRITTEN_YES));
        e->maybe = (uint16_t)(e->maybe + (outcome == KAFKA_WRITTEN_MAYBE));
        e->no = (uint16_t)(e->no + (outcome == KAFKA_WRITTEN_NO));
        if (outcome == KAFKA_WRITTEN_YES) e->acked_begun_us = begun_us;
        check_outcomes(j, writer, i);
    }
    if (j->counts[writer] < sequence + count) j->counts[writer] = sequence + count;
    j->acks += outcome == KAFKA_WRITTEN_YES;
    j->maybes += outcome == KAFKA_WRITTEN_MAYBE;
    j->failures += outcome != KAFKA_WRITTEN_YES;
}

void *journal_ticket(uint16_t writer, uint32_t sequence)
{
    return (void *)(uintptr_t)(((uint64_t)writer << 32 | sequence) + 1);
}

void journal_delivered(journal *j, void *ticket, int32_t partition, int64_t offset, kafka_written outcome)
{
    uint64_t id = (uint64_t)(uintptr_t)ticket - 1;
    uint16_t writer = (uint16_t)(id >> 32);
    uint32_t sequence = (uint32_t)id;
    if (!ticket || id >> 32 >= j->size.writers || sequence >= j->counts[writer]) {
        complain(j, partition, offset, "callback-extra: of a record that nobody wrote");
        return;
    }
    journal_entry *e = &j->records[writer][sequence];
    journal_written(j, writer, sequence, 1, outcome, e->owed_us);
    if (outcome != KAFKA_WRITTEN_YES) return;
    if (partition != j->partition_of[writer])
        complain(j, partition, offset, "wrong-topic-partition: record %u of writer %u is said to be in partition %d",
                 (unsigned)sequence, (unsigned)writer, (int)partition);
    e->told_at1 = offset + 1;
}

void journal_read(journal *j, int32_t partition, int64_t offset, int64_t expected, kafka_bytes value)
{
    record_id id;
    j->reads++;
    if (j->only_content) expected = -1;
    if (expected >= 0 && offset > expected)
        complain(j, partition, offset, "poll-skip: partition %d offset %lld came where %lld was due", (int)partition,
                 (long long)offset, (long long)expected);
    if (expected >= 0 && offset < expected)
        complain(j, partition, offset, "nonmonotonic-poll: partition %d offset %lld came where %lld was due",
                 (int)partition, (long long)offset, (long long)expected);
    if (!belongs(j, "a reader at", partition, offset, value, &id)) return;
    journal_place *p = &j->seen[partition][offset], now = {id.writer, id.sequence + 1};
    if (p->sequence1 && (p->sequence1 != now.sequence1 || p->writer != now.writer))
        complain(j, partition, offset,
                 "phantom-read: partition %d offset %lld had record %u of writer %u, and now %u of %u", (int)partition,
                 (long long)offset, (unsigned)p->sequence1 - 1, (unsigned)p->writer, (unsigned)id.sequence,
                 (unsigned)id.writer);
    *p = now;
}

int64_t journal_next(const journal *j, int32_t partition, int64_t at, int64_t until)
{
    while (at >= 0 && at < until && at < j->size.offsets && j->holes[partition][at]) at++;
    return at;
}

void journal_hole(journal *j, int32_t partition, int64_t from, int64_t end)
{
    for (int64_t i = from; i < end && i < j->size.offsets; i++) j->holes[partition][i] = true;
}

void journal_forget(journal *j)
{
    size_t places = (size_t)j->size.partitions * (size_t)j->size.offsets;
    memset(j->seen[0], 0, places * sizeof **j->seen);
    memset(j->holes[0], 0, places * sizeof **j->holes);
    j->valid_from_us = j->host.now_us(j->host.arg);
}

/* ---- the logs ---------------------------------------------------------------------------------------------------- */

void journal_log_bounds(journal *j, int32_t partition, int64_t start, int64_t end)
{
    j->starts[partition] = start;
    j->ends[partition] = end;
    if (end > j->size.offsets)
        complain(j, partition, end, "the log of partition %d has %lld records", partition, (long long)end);
}

void journal_log(journal *j, int32_t partition, int64_t offset, kafka_bytes value)
{
    record_id id;
    if (!belongs(j, "the log of", partition, offset, value, &id)) return;
    journal_entry *e = &j->records[id.writer][id.sequence];
    j->log[partition][offset] = (journal_place){id.writer, id.sequence + 1};
    if (e->copies++ == 0) e->first_at = offset;
}

void journal_epoch(journal *j, int32_t partition, int64_t offset, int32_t epoch)
{
    if (offset < j->ends[partition] && offset < j->size.offsets)
        j->epochs[partition][offset] = epoch + 1;
    else
        j->last_epochs[partition] = epoch + 1;
}

/* What was seen was safe then, and is there still unless it was deleted in front. */
static void check_seen(const journal *j, int32_t partition, int64_t offset)
{
    static const journal_place nothing;
    bool inside = offset < j->ends[partition];
    const journal_place *seen = &j->seen[partition][offset], *log = inside ? &j->log[partition][offset] : &nothing;
    if (!seen->sequence1 || (seen->sequence1 == log->sequence1 && seen->writer == log->writer)) return;
    complain(j, partition, offset, "phantom-read: a reader saw record %u of writer %u at partition %d offset %lld%s",
             (unsigned)seen->sequence1 - 1, (unsigned)seen->writer, (int)partition, (long long)offset,
             inside ? "" : ", behind the end of the log");
}

static void check_offsets(journal *j, int32_t partition)
{
    for (int64_t i = j->starts[partition]; i < j->ends[partition] && i < j->size.offsets; i++) {
        if (!j->log[partition][i].sequence1 && !j->holes[partition][i])
            complain(j, partition, i, "unseen-after-drain: partition %d offset %lld", (int)partition, (long long)i);
    }
    for (int64_t i = j->starts[partition]; i < j->size.offsets; i++) check_seen(j, partition, i);
}

/* Was it told an offset of the log as it is where something else lies? */
static bool lies_elsewhere(const journal *j, uint16_t w, uint32_t i)
{
    const journal_entry *e = &j->records[w][i];
    int32_t partition = j->partition_of[w];
    int64_t at = e->told_at1 - 1;
    if (at < j->starts[partition] || e->acked_begun_us < j->valid_from_us) return false;
    const journal_place *log = at < j->size.offsets ? &j->log[partition][at] : NULL;
    return !log || log->writer != w || log->sequence1 != i + 1;
}

/* Did a leader come behind offset `after`, and begin at `at` or in front of it? Then it cut off what lay there. */
static bool another_led(const journal *j, int32_t partition, int64_t after, int64_t at)
{
    const int32_t *epochs = j->epochs[partition];
    int64_t end = j->ends[partition];
    int32_t before = after >= 0 && after < end ? epochs[after] : 1; /* epochs are kept + 1, and begin with 0 */
    if (at >= end && j->last_epochs[partition] > before) return true;
    for (int64_t i = after + 1; i <= at && i < end; i++) {
        if (epochs[i] > before) return true;
    }
    return false;
}

/* `deleted`: so many records in front of the log may still be what is missing. `after`: where the one that was
 * acknowledged before it lies. */
static void check_record(journal *j, uint16_t w, uint32_t i, int64_t *deleted, int64_t after)
{
    const journal_entry *e = &j->records[w][i];
    const char *anomaly = NULL;
    int32_t partition = j->partition_of[w];
    int64_t told_at = e->told_at1 > 0 ? e->told_at1 - 1 : j->ends[partition];
    bool is_missing = e->yes > 0 && e->acked_begun_us >= j->valid_from_us && e->copies == 0;
    bool is_elsewhere = lies_elsewhere(j, w, i);
    if (is_missing && (*deleted)-- <= 0) anomaly = "lost-write";
    if (e->yes == 0 && e->maybe == 0 && e->copies > 0) anomaly = "failed-but-written";
    if (!j->may_double && e->copies > e->yes + e->maybe && e->copies > 1) anomaly = "duplicate";
    if (j->owes && outcomes(e) < e->owed) anomaly = "callback-missing";
    if (is_elsewhere) anomaly = is_missing ? "lost-write" : "wrong-offset";
    if (j->may_lose && (is_missing || is_elsewhere) && another_led(j, partition, after, told_at)) {
        j->losses++;
        return;
    }
    if (anomaly)
        complain(j, partition, e->copies > 0 ? e->first_at : e->told_at1 - 1,
                 "%s: record %u of writer %u: %u times written, %u perhaps, %u not; %u times in the log", anomaly,
                 (unsigned)i, (unsigned)w, (unsigned)e->yes, (unsigned)e->maybe, (unsigned)e->no, (unsigned)e->copies);
}

/* The first copy of an acknowledged record lies in front of all copies of what was sent later; so does that of any
 * record whose writer keeps order. Where the log was deleted in front, the first copy may be one that is gone. */
static void check_writer(journal *j, uint16_t w, int64_t *deleted)
{
    int64_t last = -1, after = -1, start = j->starts[j->partition_of[w]], none = 0;
    bool begins = start == 0; /* what was deleted lies in front of all that is there */
    for (uint32_t i = 0; i < j->counts[w]; i++) {
        const journal_entry *e = &j->records[w][i];
        if (e->copies > 0) begins = true;
        check_record(j, w, i, begins ? &none : deleted, after);
        if (e->yes > 0 && e->copies > 0 && !lies_elsewhere(j, w, i)) after = e->first_at;
        if (e->copies == 0 || j->any_order) continue;
        if (e->first_at < last)
            complain(j, j->partition_of[w], e->first_at,
                     "nonmonotonic-send: record %u of writer %u lies at %lld, an earlier one at %lld", (unsigned)i,
                     (unsigned)w, (long long)e->first_at, (long long)last);
        bool is_only_copy = j->keeps_order || start == 0 || e->maybe == 0;
        if ((j->keeps_order || e->yes > 0) && is_only_copy) last = e->first_at;
    }
}

void journal_check(journal *j, int32_t partitions)
{
    if (j->only_content) return;
    for (int32_t i = 0; i < partitions; i++) check_offsets(j, i);
    memcpy(j->deleted, j->starts, (size_t)j->size.partitions * sizeof *j->deleted);
    for (uint32_t w = 0; w < j->size.writers; w++) check_writer(j, (uint16_t)w, &j->deleted[j->partition_of[w]]);
}

/* ---- evidence ---------------------------------------------------------------------------------------------------- */

void journal_tell_record(const journal *j, uint16_t writer, uint32_t sequence, char *out, size_t cap)
{
    const journal_entry *e = &j->records[writer][sequence];
    snprintf(out, cap,
             "record %" PRIu32 " of writer %u: %u written, %u perhaps, %u not, of %u; told %" PRId64
             ", first at %" PRId64 ", %u times there; handed over at %.3f s",
             sequence, (unsigned)writer, (unsigned)e->yes, (unsigned)e->maybe, (unsigned)e->no, (unsigned)e->owed,
             e->told_at1 - 1, e->copies > 0 ? e->first_at : -1, (unsigned)e->copies, (double)e->owed_us / 1e6);
}

void journal_tell_place(const journal *j, int32_t partition, int64_t offset, char *out, size_t cap)
{
    const journal_place *p = &j->log[partition][offset];
    char record[256];
    if (p->sequence1 == 0)
        snprintf(record, sizeof record, "%s", j->holes[partition][offset] ? "no record, as it should be" : "nothing");
    else
        journal_tell_record(j, p->writer, p->sequence1 - 1, record, sizeof record);
    snprintf(out, cap, "partition %d offset %" PRId64 " epoch %d: %s", (int)partition, offset,
             (int)j->epochs[partition][offset] - 1, record);
}
